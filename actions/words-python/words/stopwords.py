"""stopwords - words so frequent that counting them says nothing."""


def read_stopwords(path):
    """The words in a file of one word per line; empty lines do not count."""
    with open(path, encoding="utf-8") as lines:
        return frozenset(line.strip() for line in lines if line.strip())
