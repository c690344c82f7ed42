"""words - counts the words of a text: a Python action of several modules and a data file.

Publish the folder with `bin/init.sh actions/words-python`: it is packed on the way. The file
__main__.py marks it as Python; modules beside it are imported as usual, and the action's own
folder is the working folder, so data files are opened by their relative names.
"""

import sys

from words.counting import count_words
from words.stopwords import read_stopwords

# Read when the action is published, not once per activation.
STOPWORDS = read_stopwords("stopwords.txt")


def main(args):
    text = args.get("text", "")
    most = args.get("most", 3)
    if not isinstance(text, str) or not isinstance(most, int):
        return {"error": "want a text and, in `most`, how many words to name"}
    counts = count_words(text, STOPWORDS)
    print(f"{sum(counts.values())} words counted")
    print(f"{len(STOPWORDS)} words not looked at", file=sys.stderr)
    # By count, then by name: without a second key the order would be the text's.
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {"words": sum(counts.values()), "most": [{"word": w, "n": n} for w, n in common[:most]]}
