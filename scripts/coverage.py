#!/usr/bin/env python3
"""Print which lines of proxy/ were run and which were not: coverage.py LCOV REASONS PERCENT.

LCOV is what llvm-cov exports. REASONS has lines "FILE FUNCTION N REASON": N lines of that function at most stay
uncovered, and why. Ends with 1 when less than PERCENT of the other lines of a file were run, or when a function
of REASONS is no more.
"""

import bisect
import collections
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

    def n_excused(self, name, reasons):
        n_missed = collections.Counter(self.function_of(line) for line, count in self.counts.items() if count == 0)
        return sum(min(n, reasons.get((name, function), (0, ""))[0]) for function, n in n_missed.items())

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
            if name.startswith("proxy/") and source.is_file():  # the build may be older than the sources
                file, macros = files.setdefault(name, File()), lines_of_macros(source)
        elif file is not None and key == "FN":
            line, _, name = value.partition(",")
            file.functions[int(line)] = name.rpartition(":")[2]  # the name of a static function begins with its file
        elif file is not None and key == "DA":
            line, count = map(int, value.split(",")[:2])
            if line not in macros:
                file.counts[line] = max(count, file.counts.get(line, 0))
    return {name: file for name, file in files.items() if file.counts}


def read_reasons(path):
    reasons = {}
    for text in open(path, encoding="utf-8"):
        if text.strip() and not text.startswith("#"):
            file, function, n_max, reason = text.strip().split(maxsplit=3)
            reasons[file, function] = int(n_max), reason
    return reasons


def stale(files, reasons):
    """What REASONS names and the program has not."""
    return [f"{name} {function}" for name, function in reasons
            if name not in files or function not in files[name].functions.values()]


def main():
    files, reasons, percent_min = read_lcov(sys.argv[1]), read_reasons(sys.argv[2]), float(sys.argv[3])
    below, unknown, n_lines, n_run = [], stale(files, reasons), 0, 0
    for name, file in sorted(files.items()):
        n, n_file, n_excused = file.n_run(), len(file.counts), file.n_excused(name, reasons)
        n_lines, n_run = n_lines + n_file, n_run + n
        excused = f", {n_excused} with a reason" if n_excused else ""
        print(f"{name:36} {n:4} of {n_file:4} lines {100 * n / n_file:6.1f} %{excused}")
        if 100 * n < percent_min * (n_file - n_excused):
            below.append(name)
        for function, ranges in file.uncovered():
            lines = ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)
            _, reason = reasons.get((name, function), (0, ""))
            print(f"      {function}() {lines}{': ' + reason if reason else ''}")
    print(f"{len(files)} files, {n_run} of {n_lines} lines, {100 * n_run / max(1, n_lines):.1f} %")
    for name in below:
        print(f"below {percent_min:g} %: {name}")
    for name in unknown:
        print(f"a reason for what is not there: {name}")
    sys.exit(1 if below or unknown or not files else 0)


if __name__ == "__main__":
    main()
