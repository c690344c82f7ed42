#!/usr/bin/env python3
"""check_readme - links and paths in the documents lead somewhere, the settings table of
docs/settings.md is the program's own, README.md is short, and the table of figures in
docs/languages.md has a row for each runtime.

    check_readme.py [--write] [PROGRAM]

PROGRAM is the built proxy; without it the settings table is not compared. --write puts the
program's table into docs/settings.md instead of comparing. Prints one line per fault and ends with
1 if there is any. scripts/check_docs.py runs the commands of the documents.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "docs/settings.md"
START = "<!-- settings: made by whiskloop --help-markdown -->"
END = "<!-- /settings -->"
README_MAX_LINES = 150
TOP_FOLDERS = ("actions", "bin", "docker", "docs", "jmeter", "proxy", "runtime", "scripts", "tests",
               ".ci")
GENERATED = (ROOT / "docs/benchmarks.md",)  # its commands name files that existed only in the run that made it

LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r"`((?:\w+/)*\w+\.[ch])`")  # in the pages of proxy/: relative to one of its folders
# A path in backticks or in a command, up to the first character that is not plain.
PATH = re.compile(r"(?<![\w./-])((?:" + "|".join(map(re.escape, TOP_FOLDERS)) + r")/[\w./-]*[\w/])(?![*\w-])")


def documents():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    found = {}
    for heading in HEADING.findall(FENCED.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        n = found.get(name, -1) + 1
        found[name] = n
        yield f"{name}-{n}" if n else name


def wrong_links(page, text):
    """A sentence for each link of a page that leads nowhere."""
    name = page.relative_to(ROOT)
    for link in sorted(set(LINK.findall(FENCED.sub("", text)))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{name} links to {link}, which does not exist"
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{name} links to {link}, and {target.name} has no such heading"


def missing_paths(page, text):
    """A sentence for each path that a page names and that does not exist."""
    for path in sorted(set(PATH.findall(LINK.sub("", text)))):
        if "NAME" not in path and not (ROOT / path).exists():
            yield f"{page.relative_to(ROOT)} names {path}, which does not exist"
    if ROOT / "proxy" in page.parents:
        for path in sorted(set(SOURCE.findall(text))):
            if not any((ROOT / "proxy" / folder / path).exists() for folder in (".", "action", "http", "worker")):
                yield f"{page.relative_to(ROOT)} names {path}, which does not exist"


def table_of(program):
    done = subprocess.run([program, "--help-markdown"], capture_output=True, text=True, timeout=10,
                          check=False)
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"{program} --help-markdown ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def settings(program, write):
    """What is wrong with the settings table."""
    before, start, rest = SETTINGS.read_text(encoding="utf-8").partition(START)
    inside, end, behind = rest.partition(END)
    if not (start and end):
        yield f"docs/settings.md lacks the marks '{START}' and '{END}' around its table"
    elif program is not None and write:
        SETTINGS.write_text(f"{before}{START}\n{table_of(program)}\n{END}{behind}",
                            encoding="utf-8")
    elif program is not None and inside.strip() != table_of(program):
        yield ("the table of docs/settings.md is not the program's: "
               f"scripts/check_readme.py --write {program}")


def wrong_figures():
    """What is wrong with the block of the languages' figures."""
    done = subprocess.run([sys.executable, ROOT / "tests/bench/language_table.py", "--check"],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.stderr.splitlines() if done.returncode != 0 else []


def check(program, write):
    found = [*settings(program, write)]
    for page in documents():
        text = page.read_text(encoding="utf-8")
        found += wrong_links(page, text)
        if page not in GENERATED:
            found += missing_paths(page, text)
    n_lines = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    if n_lines > README_MAX_LINES:
        found.append(f"README.md has {n_lines} lines, want at most {README_MAX_LINES}: "
                     "details belong in docs/")
    return [*found, *wrong_figures()]


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
