"""Prometheus' text format 0.0.4, read strictly: what is not exactly right fails with its line.

Written from the format's description, so that the tests need no Prometheus; where Debian's
python3-prometheus-client is installed, its parser must come to the same.
"""

import math
import re

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
HELP_RE = re.compile(rf"# HELP ({NAME}) (\S.*)")
TYPE_RE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
LABEL = rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE_RE = re.compile(rf"({NAME})(?:\{{{LABEL}\}})? (\S+)")
NUMBER_RE = re.compile(r"\d+(\.\d+)?")


class Family:
    def __init__(self, name, help_text):
        self.name = name
        self.help = help_text
        self.type = None
        self.samples = []  # (name, label, value of the label, number)

    def value(self, label=None):
        """The one sample with this value of its label, or the only sample."""
        found = [number for name, _, value, number in self.samples
                 if value == label and name == self.name]
        assert len(found) == 1, (self.name, label, self.samples)
        return found[0]

    def values(self):
        return {value: number for _, _, value, number in self.samples}

    @property
    def count(self):
        return self.samples[-1][3]

    @property
    def sum(self):
        return self.samples[-2][3]


def parse(text):
    """{name: Family} of a whole exposition."""
    assert text.endswith("\n"), "the last line has no end"
    families = {}
    family = None
    for line in text[:-1].split("\n"):
        head, kind = HELP_RE.fullmatch(line), TYPE_RE.fullmatch(line)
        sample = SAMPLE_RE.fullmatch(line)
        if head:
            assert head[1] not in families, f"a family that comes twice: {line!r}"
            assert family is None or family.samples, f"a family without samples before {line!r}"
            family = families[head[1]] = Family(head[1], head[2])
        elif kind:
            assert family and kind[1] == family.name and family.type is None, f"misplaced: {line!r}"
            family.type = kind[2]
        else:
            assert sample, f"no line of the format: {line!r}"
            assert family and family.type, f"a sample before help and type: {line!r}"
            assert NUMBER_RE.fullmatch(sample[4]), f"no plain number: {line!r}"
            family.samples.append((sample[1], sample[2], sample[3], float(sample[4])))
    for one in families.values():
        check_family(one)
    return families


def check_family(family):
    """The conventions of names (promtool check metrics), and what each type must hold."""
    name, kind = family.name, family.type
    assert family.samples, f"{name} has no sample"
    assert re.fullmatch(r"(whiskloop|process)_[a-z_]+", name), name
    assert (kind == "counter") == name.endswith("_total"), f"{name} is a {kind}"
    assert not re.search(r"_(count|sum|bucket)$", name), name
    assert not re.search(r"(counter|gauge|histogram)", name), f"the type in the name: {name}"
    assert not re.search(r"_(m|u)?s(_|$)|_(milli|micro)seconds|_minutes|_kb|_kilobytes|_percent",
                         name), f"not a base unit: {name}"
    for unit in ("seconds", "bytes"):
        assert unit not in name or re.search(rf"_{unit}(_total)?$", name), \
            f"the unit is not last: {name}"
    assert family.help.endswith("."), f"{name}: help is a sentence"
    if kind == "histogram":
        check_histogram(family)
        return
    labels = {label for _, label, _, _ in family.samples}
    assert len(labels) == 1 and "le" not in labels, (name, labels)
    assert all(sample[0] == name for sample in family.samples), name
    assert len({value for _, _, value, _ in family.samples}) == len(family.samples), name


def check_histogram(family):
    *buckets, total, count = family.samples
    assert total[:3] == (f"{family.name}_sum", None, None), total
    assert count[:3] == (f"{family.name}_count", None, None), count
    assert all(sample[:2] == (f"{family.name}_bucket", "le") for sample in buckets), family.name
    bounds = [float(value) for _, _, value, _ in buckets]
    numbers = [number for _, _, _, number in buckets]
    assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, bounds
    assert numbers == sorted(numbers), f"not cumulative: {numbers}"
    assert numbers[-1] == count[3], "the last bucket is not the count"
    # The sum lies within what the buckets allow.
    each = [high - low for low, high in zip([0] + numbers, numbers)]
    assert total[3] >= sum(n * low for n, low in zip(each, [0] + bounds[:-1])), family.name
    if each[-1] == 0:
        assert total[3] <= sum(n * high for n, high in zip(each, bounds[:-1])) + 1e-6, family.name
