#!/usr/bin/python3
"""page - make the report of one run: a page to look at, and what the repository keeps of it.

    page.py FILE.json [--out FOLDER] [--keep FOLDER]
"""

import argparse
import html
import json
import pathlib
import re
import shutil
import sys
import textwrap

import compare
import plots
import sections
from contestants import HERE, ROOT
from report import number
from servers import Trouble

README_START = "<!-- benchmarks: made by scripts/bench.sh --report --keep docs -->"
README_END = "<!-- /benchmarks -->"
MARKDOWN_COLUMNS = 130
N_KEPT_SAMPLES = 20  # of each figure, in the file that is kept: --compare needs those of rounds


def table(head, rows):
    """An HTML table in a frame that scrolls sideways by itself."""
    cells = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in row[1:]) + "</tr>" for row in rows)
    return (f'<div class="wide" tabindex="0"><table><thead><tr>{cells}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def command(part, text):
    return (f'<p class="command"><code>scripts/bench.sh --report --only {html.escape(part)}</code>'
            f"<br><code>{html.escape(short_command(text))}</code></p>")


def short_command(text):
    """A command without where this copy of the source lies, and without the folder of one run."""
    return re.sub(r"/\S*/whiskloop-bench\.\w+/", "", text.replace(str(ROOT) + "/", ""))


def figure(section):
    return (f'<section id="{section.key}"><h2>{html.escape(section.title)}</h2>'
            f"<p>{html.escape(section.sentence)}</p><figure>{section.svg}</figure>"
            f"{table(section.head, section.rows)}"
            f"<details><summary>How it was made</summary>"
            f"{command(section.part, section.command)}</details></section>")


def rule(colors):
    return ";".join(f"{name}:{value}" for name, value in colors.items())


def page(run, made):
    """The whole page, with nothing beside it: no file, no network."""
    words = (HERE / "page.css").read_text(encoding="utf-8")
    colors = (f":root{{color-scheme:light;{rule(plots.LIGHT)}}}\n"
              f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light])"
              f"{{color-scheme:dark;{rule(plots.DARK)}}}}}\n"
              f":root[data-theme=dark]{{color-scheme:dark;{rule(plots.DARK)}}}\n")
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>"
                    for name, text in sections.facts(run))
    plain = "".join(
        f"<section><h2>{html.escape(title)}</h2>{table(head, rows)}</section>"
        for title, head, rows, _ in sections.plain_tables(run))
    every = table(["figure", "median", "samples", "command"],
                  [[f"{one['part']}: {one['name']}", f"{number(one['value'])} {one['unit']}",
                    str(len(one["samples"]) or ""), short_command(one["command"])]
                   for one in run.figures])
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>whiskloop: benchmarks</title>
<link rel="icon" href="data:,">
<style>
{colors}{words}</style>
</head>
<body>
<header>
<h1>whiskloop: what residency buys</h1>
<p>{html.escape(lead(run))}</p>
<button type="button" id="theme">theme</button>
</header>
<main>
{"".join(figure(section) for section in made)}
{plain}
<section class="full"><h2>Machine, versions, date</h2><dl>{facts}</dl></section>
<section class="full"><h2>Every figure</h2><details><summary>{len(run.figures)} figures and the
command behind each</summary>{every}</details></section>
</main>
<script>
{script}</script>
</body>
</html>
"""


def lead(run):
    date = run.document["date"].partition("T")[0]
    return (f"An action container proxy in C on libh2o, measured on {date} beside libh2o alone and "
            "beside a server that starts a process for each request. Every number here is from one "
            "run of scripts/bench.sh --report; run it again to check.")


# ---- what the repository keeps ----


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def filled(sentence):
    """The sentences of a section in lines, as pages in Markdown have them."""
    return textwrap.fill(sentence, MARKDOWN_COLUMNS, break_long_words=False, break_on_hyphens=False)


def markdown(run, made, pictures):
    """docs/benchmarks.md"""
    parts = ["# Benchmarks\n\n"
             "Made by `scripts/bench.sh --report --keep docs` in one run; not edited by "
             "hand. `benchmarks.json` is what `scripts/bench.sh --compare` takes of it.\n"
             "What the figures mean, and how little a small virtual machine can say: "
             "[tests/bench/README.md](../tests/bench/README.md).\n\n"
             + markdown_table(["", "this run"], [[name, text] for name, text in
                                                 sections.facts(run)])]
    for section in made:
        parts.append(f"## {section.title}\n\n{filled(section.sentence)}\n\n"
                     f"![{section.title}]({pictures}/{section.key}.svg)\n\n"
                     f"{markdown_table(section.head, section.rows)}\n\n"
                     f"`scripts/bench.sh --report --only {section.part}`, which runs among others\n"
                     f"\n    {short_command(section.command)}")
    for title, head, rows, text in sections.plain_tables(run):
        parts.append(f"## {title}\n\n{markdown_table(head, rows)}\n\n"
                     f"    {short_command(text)}")
    return "\n\n".join(parts) + "\n"


def readme_block(run, made, folder):
    """What README.md shows of it: the table of JMeter, and where the rest is."""
    old = {section.key: section for section in made}["oldway"]
    date = run.document["date"].partition("T")[0]
    return (f"{README_START}\n{filled(old.sentence)}\n\n{markdown_table(old.head, old.rows)}\n\n"
            f"Measured on {date} on {run.document['machine']['n_processors']} processors by "
            f"`scripts/jmeter.sh`. [{folder}/benchmarks.md]({folder}/benchmarks.md) has throughput, "
            f"latency, cold starts and memory, by `scripts/bench.sh --report`.\n{README_END}")


def kept(document):
    """What --compare needs of a run, as text: each figure a line, with as few digits as tell
    something, so that a new run changes little. All samples stay with who made the run."""
    head = {name: document[name] for name in ("format", "date", "machine", "versions", "settings",
                                              "quick", "pinned", "troubles")}
    figures = [{"part": one["part"], "name": one["name"], "unit": one["unit"],
                "value": float(f"{one['value']:.4g}"),
                "samples": [float(f"{sample:.4g}") for sample in one["samples"][:N_KEPT_SAMPLES]],
                "more": {}}
               for one in document["figures"] if compare.compares(one)]
    lines = ",\n".join(json.dumps(one) for one in figures)
    return f'{json.dumps(head)[:-1]}, "figures": [\n{lines}\n]}}\n'


def replace(path, text):
    """Write a file as a whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def keep(run, made, folder):
    """Write the folder's benchmarks.md, benchmarks/*.svg, benchmarks.json, and README's block."""
    readme = folder.parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    before, start, rest = text.partition(README_START)
    _, end, behind = rest.partition(README_END)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "benchmarks.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for section in made:
        (fresh / f"{section.key}.svg").write_text(plots.alone(section.svg), encoding="utf-8")
    shutil.rmtree(folder / "benchmarks", ignore_errors=True)
    fresh.replace(folder / "benchmarks")
    replace(folder / "benchmarks.json", kept(run.document))
    replace(folder / "benchmarks.md", markdown(run, made, "benchmarks"))
    if start and end:
        replace(readme, before + readme_block(run, made, folder.name) + behind)
    else:
        print(f"bench.sh: '{readme}' has no block between '{README_START}' and '{README_END}': "
              "left as it is", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="folder for index.html")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for benchmarks.md and its files")
    options = parser.parse_args()
    try:
        run = sections.read(options.file)
        made = sections.sections(run)  # all of them, before anything is written
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            replace(options.out / "index.html", page(run, made))
            print(f"the report: {options.out / 'index.html'}")
        if options.keep is not None:
            keep(run, made, options.keep.resolve())
            print(f"kept: {options.keep / 'benchmarks.md'}")
    except (Trouble, OSError) as fault:
        print(f"bench.sh: no report: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
