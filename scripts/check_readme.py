#!/usr/bin/env python3
"""check_readme - what README.md names exists, its settings table is the program's own, and the table
of figures in runtime/README.md has a row for each runtime.

    check_readme.py [--write] [PROGRAM]

PROGRAM is the built proxy; without it the settings table is not looked at. --write puts the
program's table into README.md instead of comparing. Prints one line per difference and ends with 1
if there is any.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
START = "<!-- settings: made by whiskloop --help-markdown -->"
END = "<!-- /settings -->"
TOP_FOLDERS = ("actions", "bin", "docker", "jmeter", "proxy", "runtime", "scripts", "tests", ".ci")

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
# A path in backticks or in a command, as far as it has only plain characters.
PATH = re.compile(r"(?<![\w./-])((?:" + "|".join(map(re.escape, TOP_FOLDERS)) + r")/[\w./-]*[\w/])")


def missing_paths(text):
    """A sentence for each path or link of the README that leads nowhere."""
    named = set(PATH.findall(text))
    named |= {link for link in LINK.findall(text) if "://" not in link}
    for name in sorted(named):
        if not (ROOT / name).exists():
            yield f"README.md names {name}, which does not exist"


def split_at_settings(text):
    """What stands before, inside and behind the marked block; None when a mark is missing."""
    before, start, rest = text.partition(START)
    inside, end, behind = rest.partition(END)
    return (before + START, inside, END + behind) if start and end else None


def table_of(program):
    done = subprocess.run([program, "--help-markdown"], capture_output=True, text=True, timeout=10)
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"{program} --help-markdown ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def check(program, write):
    text = README.read_text(encoding="utf-8")
    parts = split_at_settings(text)
    if parts is None:
        return [f"README.md lacks the marks '{START}' and '{END}' around its settings"]
    if program is None:
        return [*missing_paths(text), *wrong_figures()]
    before, inside, behind = parts
    table = table_of(program)
    if write:
        README.write_text(f"{before}\n{table}\n{behind}", encoding="utf-8")
    elif inside.strip() != table:
        return ["README.md's settings are not the program's: "
                f"scripts/check_readme.py --write {program}", *missing_paths(text)]
    return [*missing_paths(text), *wrong_figures()]


def wrong_figures():
    """What is wrong with the block of the languages' figures in runtime/README.md."""
    done = subprocess.run([sys.executable, ROOT / "tests/bench/language_table.py", "--check"],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.splitlines() if done.returncode != 0 else []


def main(arguments):
    write = "--write" in arguments
    rest = [argument for argument in arguments if argument != "--write"]
    if len(rest) > 1 or (write and not rest) or (rest and rest[0].startswith("-")):
        sys.exit(__doc__)
    found = check(rest[0] if rest else None, write)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
