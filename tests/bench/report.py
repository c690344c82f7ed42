"""Figures, and what becomes of them: a table on the terminal and a JSON file."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess

FORMAT = 1  # of the JSON file; a reader may refuse another


@dataclasses.dataclass
class Figure:
    """One number: what was measured, how, and what it ought to be."""

    part: str
    name: str
    unit: str
    value: float                # the median of `samples`
    command: str                # what was run to get it
    samples: list = dataclasses.field(default_factory=list)
    share: float | None = None  # of the ceiling in the same round, median over the rounds; of a
                                # cold start: how many times the least that it could take
    share_min: float | None = None  # goal: the share is this or more
    below: float | None = None      # goal: the value is less than this
    more: dict = dataclasses.field(default_factory=dict)  # what the table has no room for

    @property
    def goal(self):
        if self.share_min is not None:
            return f"share {self.share_min:.2f}"
        if self.below is not None:
            return f"under {number(self.below)}"
        return ""

    @property
    def met(self):
        """None without a goal. Compared as measured, not as rounded for the table."""
        if self.share_min is not None:
            return self.share is not None and self.share >= self.share_min
        return None if self.below is None else self.value < self.below


def number(value):
    """Three digits that matter, thousands grouped."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def median_of(loads, name):
    return statistics.median(getattr(load, name) for load in loads)


def of_samples(samples, **fields):
    """A figure whose value is the median of its samples."""
    return Figure(value=statistics.median(samples), samples=samples, **fields)


def table(figures):
    """The lines of the table, a block for each part."""
    lines = []
    part = None
    for figure in figures:
        if figure.part != part:
            part = figure.part
            lines += ["", f"{part:<46} {'median':>11} {'':<8} {'share':>6}  {'goal':<12} met"]
        share = "" if figure.share is None else f"{figure.share:.2f}"
        met = {None: "", True: "yes", False: "no"}[figure.met]
        lines.append(f"  {figure.name:<44} {number(figure.value):>11} {figure.unit:<8} {share:>6}  "
                     f"{figure.goal:<12} {met}".rstrip())
    return lines[1:]


def said(*command):
    """The first line that a command prints; empty when it cannot be run."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return ((done.stdout or done.stderr).splitlines() or [""])[0].strip()


def machine():
    """What was measured on."""
    model = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    return {"processor": model, "n_processors": os.cpu_count(), "memory_kb": int(memory),
            "kernel": platform.release(), "load_before": os.getloadavg()}


def versions(program, root):
    """What was measured, and with what."""
    revision = said("git", "-C", str(root), "rev-parse", "HEAD")
    changed = said("git", "-C", str(root), "status", "--porcelain")
    if revision.startswith("fatal:"):  # an unpacked archive, or git missing
        revision = changed = ""
    return {"whiskloop": said(str(program), "--version"), "git": revision,
            "git_changed": bool(changed), "compiler": said("cc", "--version"),
            "libh2o": said("dpkg-query", "-W", "-f", "${Version}", "libh2o-evloop-dev"),
            "python": said("/usr/bin/python3", "--version"), "wrk": said("wrk", "-v"),
            "valgrind": said("valgrind", "--version"),
            "jmeter": said("dpkg-query", "-W", "-f", "${Version}", "jmeter")}


def write_json(path, head, figures, troubles):
    """Everything measured, with every sample; replaced as a whole or not at all."""
    document = {"format": FORMAT,
                "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
                **head,
                "figures": [{**dataclasses.asdict(figure), "goal": figure.goal, "met": figure.met}
                            for figure in figures],
                "troubles": troubles}
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(document, indent=1) + "\n")
    fresh.replace(path)
