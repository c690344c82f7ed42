#!/usr/bin/env python3
"""count_results - how many cases passed, failed and were skipped, from what a test tool wrote.

    count_results.py junit FILE    pytest's --junitxml
    count_results.py meson FILE    meson's testlog.json of programs that print TAP

Prints "PASSED FAILED SKIPPED" on the first line, then each case that failed, with what it says.
A file that is missing or cut short counts as one failure: silence must not look like success.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

REASON_LINES_MAX = 12

TAP_PLAN = re.compile(r"^1\.\.(\d+)\s*$")
# For a skipped case cmocka 1.1.5 says "not ok 3 # SKIP", later versions "ok 3 # SKIP".
TAP_CASE = re.compile(r"^(not )?ok (\d+)(?: - (.*)| # SKIP ?(.*))?$")


class Count:
    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []

    def fail(self, text):
        self.failures.append(text)


def reason(failure):
    """What pytest says of a failed case: its lines marked with E, each below the case's name."""
    lines = [line for line in (failure.text or "").splitlines() if line.startswith("E ")]
    return "".join(f"\n    {line[:200]}" for line in lines[:REASON_LINES_MAX])


def count_junit(path):
    count = Count()
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        failures = [*case.iter("failure"), *case.iter("error")]
        if failures:
            count.fail(name + reason(failures[0]))
        elif case.find("skipped") is not None:
            count.skipped += 1
        else:
            count.passed += 1
    return count


def count_program(count, name, result, text):
    """One program's cases; one that died before its plan was done fails for the rest."""
    planned = seen = 0
    failures_before = len(count.failures)
    for line in text.splitlines():
        plan, case = TAP_PLAN.match(line), TAP_CASE.match(line)
        if plan:
            planned += int(plan.group(1))
        elif case:
            seen += 1
            if "# SKIP" in line:
                count.skipped += 1
            elif case.group(1):
                count.fail(f"{name}: {case.group(3)}")
            else:
                count.passed += 1
    for number in range(seen, planned):
        count.fail(f"{name}: case {number + 1} of {planned} was not reached ({result})")
    if planned == 0 and result == "OK":
        count.passed += 1  # not a cmocka program: one case, judged by its exit status
    elif result == "SKIP":
        count.skipped += 1
    elif result != "OK" and len(count.failures) == failures_before:
        count.fail(f"{name}: {result}")


def count_meson(path):
    count = Count()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            test = json.loads(line)
            count_program(count, test["name"], test["result"], test.get("stdout") or "")
    return count


def main(arguments):
    readers = {"junit": count_junit, "meson": count_meson}
    if len(arguments) != 2 or arguments[0] not in readers:
        sys.exit(__doc__)
    try:
        count = readers[arguments[0]](arguments[1])
    except (OSError, ValueError, KeyError, ElementTree.ParseError) as error:
        count = Count()
        count.fail(f"no usable result in {arguments[1]}: {error}")
    print(count.passed, len(count.failures), count.skipped)
    for failure in count.failures:
        print(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
