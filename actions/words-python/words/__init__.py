"""words - the parts of the words-python action."""
