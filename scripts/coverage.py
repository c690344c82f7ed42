#!/usr/bin/env python3
"""Print which lines of proxy/ were run and which were not: coverage.py LCOV REASONS PERCENT.

LCOV is what llvm-cov exports. REASONS has lines "FILE FUNCTION REASON" for what stays uncovered. Ends with 1 when
less than PERCENT of the lines of a file were run.
"""

import bisect
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


class File:
    """The lines of one file, with how often each was run, and where its functions begin."""

    def __init__(self):
        self.counts, self.functions = {}, {}

    def function_of(self, line):
        starts = sorted(self.functions)
        at = bisect.bisect(starts, line) - 1
        return self.functions[starts[at]] if at >= 0 else "-"

    def n_run(self):
        return sum(count > 0 for count in self.counts.values())

    def uncovered(self):
        """[(function, [[first, last]...])...]: lines with nothing run between them are one range."""
        ranges = {}
        last_was_run = True
        for line, count in sorted(self.counts.items()):
            if count == 0:
                of_function = ranges.setdefault(self.function_of(line), [])
                if of_function and not last_was_run:
                    of_function[-1][1] = line
                else:
                    of_function.append([line, line])
            last_was_run = count > 0
        return ranges.items()


def lines_of_macros(path):
    """The numbers of the lines of definitions, which llvm-cov counts beside the lines that use them."""
    found, goes_on = set(), False
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if goes_on or text.startswith("#"):
            found.add(number)
            goes_on = text.endswith("\\")
    return found


def read_lcov(path):
    files, file, macros = {}, None, set()
    for text in open(path, encoding="utf-8"):
        key, _, value = text.strip().partition(":")
        if key == "SF":
            source = pathlib.Path(value).resolve()
            name = str(source.relative_to(ROOT)) if source.is_relative_to(ROOT) else ""
            file = None
            if name.startswith("proxy/") and source.is_file():  # a build may be older
                file, macros = files.setdefault(name, File()), lines_of_macros(source)
        elif file is not None and key == "FN":
            line, _, name = value.partition(",")
            file.functions[int(line)] = name.rpartition(":")[2]  # a static one has its file before it
        elif file is not None and key == "DA":
            line, count = map(int, value.split(",")[:2])
            if line not in macros:
                file.counts[line] = max(count, file.counts.get(line, 0))
    return {name: file for name, file in files.items() if file.counts}


def read_reasons(path):
    reasons = {}
    for text in open(path, encoding="utf-8"):
        if text.strip() and not text.startswith("#"):
            file, function, reason = text.strip().split(maxsplit=2)
            reasons[file, function] = reason
    return reasons


def main():
    files, reasons, percent_min = read_lcov(sys.argv[1]), read_reasons(sys.argv[2]), float(sys.argv[3])
    below, n_lines, n_run = [], 0, 0
    for name, file in sorted(files.items()):
        n, n_file = file.n_run(), len(file.counts)
        n_lines, n_run = n_lines + n_file, n_run + n
        percent = 100 * n / n_file
        print(f"{name:36} {n:4} of {n_file:4} lines {percent:6.1f} %")
        if percent < percent_min:
            below.append(name)
        for function, ranges in file.uncovered():
            lines = ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)
            reason = reasons.get((name, function))
            print(f"      {function}() {lines}{': ' + reason if reason else ''}")
    print(f"{len(files)} files, {n_run} of {n_lines} lines, {100 * n_run / max(1, n_lines):.1f} %")
    for name in below:
        print(f"below {percent_min:g} %: {name}")
    sys.exit(1 if below or not files else 0)


if __name__ == "__main__":
    main()
