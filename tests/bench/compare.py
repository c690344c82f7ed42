#!/usr/bin/python3
"""compare - which shares moved between two runs, beyond what the rounds of each differ anyway.

    compare.py OLD.json NEW.json

Absolute rates are not compared: the machine moves them from day to day. A share is a rate (or a
time) divided by that of libh2o alone in the same round, for languages by that of native, for /init
by what the action's program takes to start; instructions no neighbour can change. Says what moved
and ends with 0: speed is never a failure. Ends with 1 when there is nothing that could be compared.
"""

import pathlib
import statistics
import sys

import part_languages
import sections
from contestants import C_ACTION, CEILING, PYTHON_ACTION, START_ALONE
from servers import Trouble

# Each with the contestant that the others' shares are of.
SHARED_PARTS = {"Activations per second": CEILING, "Echo of one body, 1 connection": CEILING,
                part_languages.PART: part_languages.BASE}
# Steps of a cold start that have a floor: the contestant, its step, and the floor's name.
COLD = "Cold start"
COLD_STEPS = ((C_ACTION, "exec to listening", f"{CEILING}: exec to listening"),
              (PYTHON_ACTION, "exec to listening", f"{CEILING}: exec to listening"),
              (C_ACTION, "/init alone, proxy idle", f"{START_ALONE}: until it reads"))
INSTRUCTIONS = "Instructions per activation, user space"
N_ROUNDS_MIN = 5     # fewer tell nothing of how much they differ
MOVE_MIN = 0.02      # less than this is nothing, however much the rounds agree
# How far counts of the same program were seen apart, by the case.
COUNT_NOISE = {"1 at a time": 0.015, "16 at a time": 0.10, "echo of 1 MB": 0.30}


def compares(figure):
    """Whether this figure of a JSON file is looked at here."""
    return figure["part"] in (*SHARED_PARTS, COLD, INSTRUCTIONS)


def shares(run):
    """{(part, name): [share in each round]}"""
    figures = {(one["part"], one["name"]): one for one in run.figures}
    beside = {}
    for part, name in figures:
        case, _, kind = name.partition(": ")
        top = SHARED_PARTS.get(part)
        if top is not None and kind != top:
            beside[part, name] = (part, f"{case}: {top}")
    for kind, step, floor in COLD_STEPS:
        beside[COLD, f"{kind}: {step}"] = (COLD, floor)
    return {key: [mine / top for mine, top in
                  zip(figures[key]["samples"], figures[ceiling]["samples"])]
            for key, ceiling in beside.items() if key in figures and ceiling in figures}


def spread(samples):
    """Half the interval that the median of such samples is in, nineteen times of twenty or so."""
    low, _, high = statistics.quantiles(samples, n=4)
    return 1.57 * (high - low) / len(samples) ** 0.5


def compared(old, new):
    """(old, new, noise, moved): medians, and whether they are further apart than the noise."""
    before, after = statistics.median(old), statistics.median(new)
    if min(len(old), len(new)) < N_ROUNDS_MIN:
        return before, after, None, None
    noise = spread(old) + spread(new)
    return before, after, noise, abs(after - before) > max(noise, MOVE_MIN * before)


def verdict(moved, before, after):
    if moved is None:
        return "too few rounds to tell"
    return f"MOVED {after / before - 1:+.1%}" if moved else ""


def share_lines(old, new):
    mine, theirs = shares(new), shares(old)
    for key in (key for key in theirs if key in mine):
        before, after, noise, moved = compared(theirs[key], mine[key])
        shown = "" if noise is None else f"{noise:.3f}"
        yield (f"{key[0]}, {key[1]}", f"{before:.3f}", f"{after:.3f}", shown,
               verdict(moved, before, after))


def count_lines(old, new):
    counts = {one["name"]: one["value"] for one in old.of(INSTRUCTIONS)}
    for one in new.of(INSTRUCTIONS):
        before = counts.get(one["name"])
        if before:
            noise = COUNT_NOISE.get(one["name"].partition(":")[0], 0)
            moved = abs(one["value"] / before - 1) > noise
            yield (f"instructions, {one['name']}", f"{before:,.0f}", f"{one['value']:,.0f}",
                   f"{noise:.1%}", verdict(moved, before, one["value"]))


def warnings(old, new):
    for what, get in (("processors", lambda run: (run.document["machine"]["processor"],
                                                  run.document["machine"]["n_processors"])),
                      ("--pin", lambda run: run.document["pinned"]),
                      ("settings", lambda run: run.document["settings"])):
        if get(old) != get(new):
            yield f"the runs differ in {what}: {get(old)} and {get(new)}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        old, new = (sections.read(pathlib.Path(path)) for path in sys.argv[1:])
        lines = [*share_lines(old, new), *count_lines(old, new)]
        if not lines:
            raise Trouble("the two files have no share and no count of instructions in common")
    except Trouble as fault:
        print(f"bench.sh: {fault}", file=sys.stderr)
        return 1
    for warning in warnings(old, new):
        print(f"bench.sh: {warning}", file=sys.stderr)
    print(f"{'share of libh2o alone, of native, of a start alone':<70} {'old':>10} {'new':>10} {'noise':>7}")
    for name, before, after, noise, said in lines:
        print(f"{name:<70} {before:>10} {after:>10} {noise:>7}  {said}".rstrip())
    n_moved = sum(said.startswith("MOVED") for *_, said in lines)
    print(f"\n{n_moved} of {len(lines)} moved beyond noise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
