#!/usr/bin/python3
"""language_table - put what was measured of the languages into the block of docs/languages.md.

    language_table.py FILE.json
    language_table.py --check

--check says whether the block has a row for each runtime that there is, whatever the figures.
"""

import pathlib
import re
import sys

from contestants import ROOT
from part_languages import ACTIONS, INIT, PART, RATE, folders
from report import number
from servers import Trouble

PAGE = ROOT / "docs/languages.md"
START = "<!-- language figures: made by scripts/bench.sh --languages -->"
END = "<!-- /language figures -->"
NONE = "not measured"
HEAD = ["language", "activations per second", "/init, ms"]


def block(run, markdown_table):
    """The table of one run, fastest first, and what it was made on."""
    found = {(one["more"]["language"], one["more"]["what"]): one["value"] for one in run.of(PART)}
    if not found:
        raise Trouble("the file has no figures of languages: make it with "
                      "scripts/bench.sh --only languages")
    order = sorted(ACTIONS, key=lambda name: -found.get((name, RATE), 0))
    rows = [[name, *[number(found[name, what]) if (name, what) in found else NONE
                     for what in (RATE, INIT)]] for name in order]
    document = run.document
    quick = "; one round only, so take nothing within 10 % as true" if document["quick"] else ""
    return (f"{markdown_table(HEAD, rows)}\n\n"
            f"Taken on {document['date'].partition('T')[0]} on "
            f"{document['machine']['n_processors']} processors, of which `wrk` has its part, with a "
            f"load of {document['machine']['load_before'][0]:.1f} before the run, at revision "
            f"{document['versions']['git'][:12] or 'unknown'}{quick}.")


def parts():
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    inside, end, behind = rest.partition(END)
    if not (start and end):
        raise Trouble(f"'{PAGE}' has no block between '{START}' and '{END}'")
    return before + start, inside, end + behind


def check():
    """What is wrong with the block; None when nothing is."""
    _, inside, _ = parts()
    cell = rf"(?:[\d,.]+|{NONE})"
    rows = re.findall(rf"^\| (\w+) \| {cell} \| {cell} \|$", inside, re.MULTILINE)
    if inside.strip().splitlines()[:1] != ["| " + " | ".join(HEAD) + " |"] or \
            sorted(rows) != sorted(folders()):
        return (f"the figures of languages in {PAGE} have rows for {', '.join(sorted(rows))}; "
                f"want {', '.join(sorted(folders()))}: scripts/bench.sh --languages")
    return None


def main(arguments):
    if len(arguments) != 1:
        sys.exit(__doc__)
    try:
        if arguments == ["--check"]:
            return check()
        import page  # they load matplotlib, which --check does without
        import sections

        text = block(sections.read(pathlib.Path(arguments[0])), page.markdown_table)
        before, _, behind = parts()
        page.replace(PAGE, f"{before}\n{text}\n{behind}")
        print(f"written: {PAGE}")
        return None
    except (Trouble, OSError) as fault:
        return f"bench.sh: {fault}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
