#!/usr/bin/env python3
"""Hold base/json.c against Python's parser on many documents, made and broken at random.

    json_differential.py --helper build/tests/json_lines [--cases 1000000] [--seed 1]

The verdict of json_check() must be that of a strict decoding as UTF-8 followed by Python's decoder
with NaN and Infinity refused. What is valid and an object is then cut into members by both sides.
Ends with 1 and prints the document at the first difference.
"""

import argparse
import json
import random
import re
import struct
import subprocess
import sys

BATCH = 20000  # documents per run of the helper: few starts, and little to search on a difference
DEPTH_MAX = 1024  # JSON_DEPTH_MAX
ANSWER_S = 60  # for one batch, which takes about 0.05 s; only a loop without end gets there
SAMPLE = 8  # one valid object in so many is cut into members

# Verdicts as the helper writes them: '0' + enum json_kind.
BAD, OBJECT, ARRAY, STRING, NUMBER, TRUE, FALSE, NULL = b"01234567"

SPACES = ["", "", "", "", " ", "\n", "\t", "\r", " \r\n\t "]
NUMBERS = ["0", "-0", "1", "-1", "12", "1234567890123456789012345678901234567890", "0.5", "-0.0",
           "1e5", "1E+5", "1e-5", "1.25e999", "10", "9007199254740993", "1.0", "-12.5E-3"]
WORDS = ["true", "false", "null"]
PIECES = ["a", "b", "value", "code", "0", "{", "}", "[", "]", ",", ":", " ", "/", "\x7f",
          "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u0041", "\\u00e9",
          "\\u20AC", "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\uDBFF\\uDFFF", "\\ud840\\udc00",
          "\\ud800\\ud800\\udc00", "\\udc00\\udc00",
          "\xe9", "\u20ac", "\U0001f600", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "\ufeff",
          "abcdefghijklmnop", "the quick brown fox jumps over the lazy dog"]
# What a mutation puts in: what the grammar is made of, and bytes that nearly are.
TOKENS = [t.encode() for t in NUMBERS + WORDS] + [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u", b"-", b"+", b".", b"e", b"E", b"0",
    b"9", b" ", b"\n", b"\f", b"\v", b"\x00", b"\x1f", b"\x7f", b"\x85",
    b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b".1", b"1e", b"0x1", b"tru", b"nul", b"True",
    b"'", b"//", b"/**/", b"{}", b"[]", b'""', b'{"a":1}', b"[1,2]",
    b"\xef\xbb\xbf", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x80", b"\xbf", b"\xff", b"\xf5",
    b"\xc2", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\xa0\x80", b"\xed\xa0\x80",
    b"\xed\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80"]


def refuse_constant(name):
    raise ValueError(name)


# Numbers are kept as their text: their value does not matter, and long ones would cost time.
DECODER = json.JSONDecoder(parse_constant=refuse_constant, parse_int=str, parse_float=str)
KINDS = {dict: OBJECT, list: ARRAY}


class Text(str):
    """A number's text, so that it is not taken for a string."""


PAIRS = json.JSONDecoder(parse_constant=refuse_constant, parse_int=Text, parse_float=Text,
                         object_pairs_hook=tuple)


def python_verdict(document):
    try:
        text = document.decode("utf-8")
        value = DECODER.decode(text)
    except ValueError:  # UnicodeDecodeError and JSONDecodeError are ones too
        return BAD
    kind = KINDS.get(type(value))
    if kind is not None:
        return kind
    if value is True or value is False:
        return TRUE if value else FALSE
    if value is None:
        return NULL
    return STRING if text.lstrip(" \t\r\n")[0] == '"' else NUMBER


class Generator:
    """Makes documents; parts are drawn from pools that are renewed now and then, which is fast."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.strings = []
        self.values = []

    def pick(self, items):
        return items[int(self.random.random() * len(items))]

    def renew(self):
        rand = self.random.random
        self.strings = ['"' + "".join(self.pick(PIECES) for _ in range(int(rand() ** 2 * 8))) + '"'
                        for _ in range(400)]
        self.values = NUMBERS + WORDS + self.strings[:60] + ["{}", "[]", "[ ]", "{\n}"]
        for _ in range(400):
            self.values.append(self.container())

    def container(self):
        pick = self.pick
        n = int(self.random.random() * 5)
        if self.random.random() < 0.5:
            items = [pick(SPACES) + pick(self.values) + pick(SPACES) for _ in range(n)]
            return "[" + ",".join(items) + "]"
        items = [pick(SPACES) + pick(self.strings) + pick(SPACES) + ":" + pick(SPACES) +
                 pick(self.values) + pick(SPACES) for _ in range(n)]
        return "{" + ",".join(items) + "}"

    def mutate(self, document):
        rand, pick = self.random.random, self.pick
        for _ in range(1 + int(rand() * rand() * 4)):
            at = int(rand() * (len(document) + 1))
            way = rand()
            if way < 0.35:
                document = document[:at] + pick(TOKENS) + document[at:]
            elif way < 0.55:
                document = document[:at] + document[at + 1:]
            elif way < 0.75:
                document = document[:at] + pick(TOKENS) + document[at + 1:]
            elif way < 0.85:
                document = document[:at] + bytes((int(rand() * 256),)) + document[at + 1:]
            elif way < 0.93:
                document = document[:at]
            else:
                end = at + int(rand() * 20)
                document = document[:end] + document[at:]
        return document

    def documents(self, n):
        self.renew()
        rand, pick = self.random.random, self.pick
        made = []
        for _ in range(n):
            way = rand()
            if way < 0.6:
                document = (pick(SPACES) + self.container() + pick(SPACES)).encode()
            elif way < 0.9:
                document = pick(self.values).encode()
            else:
                document = b"".join(pick(TOKENS) for _ in range(int(rand() * 8)))
            if rand() < 0.85:
                document = self.mutate(document)
            made.append(document)
        return made


def nested(depth):
    """One document of just this depth for arrays, objects, and both in turn."""
    yield b"[" * depth + b"]" * depth
    yield b'{"a":' * depth + b"1" + b"}" * depth
    inside = b"[]" if depth % 2 else b"1"
    yield b'[{"a":' * (depth // 2) + inside + b"}]" * (depth // 2)


def ask(helper, mode, documents):
    text = b"".join(struct.pack("=I", len(d)) + d for d in documents)
    try:
        done = subprocess.run([helper, mode], input=text, stdout=subprocess.PIPE, check=False,
                              timeout=ANSWER_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"{helper} {mode}: no answer to {len(documents)} documents within {ANSWER_S} s")
    if done.returncode != 0:
        sys.exit(f"{helper} {mode}: ended with {done.returncode}")
    return done.stdout


def differ(what, document, ours, theirs):
    print(f"{what} differs for {document!r}\n  ours:   {ours!r}\n  python: {theirs!r}")
    sys.exit(1)


def pieces_of(answer):
    at = 0
    while at < len(answer):
        (n,) = struct.unpack_from("=I", answer, at)
        yield answer[at + 4:at + 4 + n]
        at += 4 + n


OUTSIDE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.S)


def compact(text):
    return OUTSIDE.sub(lambda match: match.group(1) or "", text)


def plain(text):
    """As json_unescape() does it: a surrogate that Python left alone becomes U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def python_members(document):
    """The pieces that the helper should write for this object, found by walking with raw_decode."""
    text = document.decode()
    members = []
    at = text.index("{") + 1
    skip = re.compile(r"[ \t\r\n,:]*")
    while True:
        at = skip.match(text, at).end()
        if text[at] == "}":
            break
        key, at = PAIRS.raw_decode(text, at)
        at = skip.match(text, at).end()
        value, end = PAIRS.raw_decode(text, at)
        is_string = isinstance(value, str) and not isinstance(value, Text)
        string = plain(value) if is_string else None
        members.append((plain(key), compact(text[at:end]).encode(), string))
        at = end
    last = {key: value for key, value, _ in members}
    for key, value, string in members:
        yield key
        yield value
        if string is not None:
            yield string
        # The helper hands the name over as a C string, which a NUL would cut.
        yield last.get(key.split(b"\0")[0], b"")


def check_members(helper, documents):
    answer = pieces_of(ask(helper, "members", documents))
    for document in documents:
        for wanted in python_members(document):
            got = next(answer, None)
            if got != wanted:
                differ("a member", document, got, wanted)
    if next(answer, None) is not None:
        sys.exit("the helper found more members than there are")


def check_quotes(helper, documents):
    for document, quoted in zip(documents, pieces_of(ask(helper, "quote", documents)), strict=True):
        wanted = document.decode("utf-8", "replace")
        try:
            got = json.loads(quoted)
        except ValueError as fault:
            got = fault
        if got != wanted:
            differ("a quoted text", document, got, wanted)


def check_depths(helper):
    cases = [(d, depth) for depth in (1, 63, 64, 65, 128, DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1,
                                      5 * DEPTH_MAX) for d in nested(depth)]
    verdicts = ask(helper, "check", [d for d, _ in cases])
    for (document, depth), verdict in zip(cases, verdicts, strict=True):
        wanted = BAD if depth > DEPTH_MAX else python_verdict(document)
        if verdict != wanted:
            differ(f"depth {depth}", document[:40], chr(verdict), chr(wanted))
    return len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--helper", required=True, help="the program built from json_lines.c")
    parser.add_argument("--cases", type=int, default=1000000, help="documents to compare")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same documents")
    args = parser.parse_args()

    sys.setrecursionlimit(10 * DEPTH_MAX)
    generator = Generator(args.seed)
    n_done, n_valid, n_cut, n_quoted = check_depths(args.helper), 0, 0, 0
    left = args.cases
    while left > 0:
        documents = generator.documents(min(BATCH, left))
        verdicts = ask(args.helper, "check", documents)
        for document, verdict in zip(documents, verdicts, strict=True):
            wanted = python_verdict(document)
            if verdict != wanted:
                differ("the verdict", document, chr(verdict), chr(wanted))
        objects = [d for d, v in zip(documents, verdicts) if v == OBJECT][::SAMPLE]
        check_members(args.helper, objects)
        check_quotes(args.helper, documents[::10 * SAMPLE])
        left -= len(documents)
        n_done += len(documents)
        n_valid += len(verdicts) - verdicts.count(BAD)
        n_cut += len(objects)
        n_quoted += len(documents[::10 * SAMPLE])
    print(f"json_differential: {n_done} documents compared, {n_valid} of them valid, "
          f"no difference; {n_cut} objects cut into members, {n_quoted} texts quoted "
          f"(seed {args.seed})")


if __name__ == "__main__":
    main()
