"""counting - cut a text into words and count them."""

import re
from collections import Counter

WORD = re.compile(r"\w+")


def count_words(text, stopwords):
    """How often each word of `text` occurs, in lower case, those in `stopwords` left out."""
    return Counter(word for word in WORD.findall(text.lower()) if word not in stopwords)
