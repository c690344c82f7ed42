"""Call overhead: a line into an action's pipe and its answer out of it, with no HTTP around."""

import json
import os
import shlex
import subprocess

import report
from contestants import C_ACTION, HELLO, PYTHON, PYTHON_ACTION, ROOT, turns
from part_launcher import accelerated
from servers import PATH, WAIT_S, Trouble, run_body

PART = "One call through the pipes, without HTTP"
CALL_MAX_S = 0.002  # a call takes some 0.00005; more means that something hangs
RAW = "two processes, one byte"
# Rounds, by the number of calls in a row. A call that wakes the other processor takes ten times as long: a
# million of them take a minute for each pair, and were seen to cost what 100,000 do.
ROUNDS = {100: 9, 1_000: 9, 10_000: 5, 100_000: 3}
ROUNDS_ON_ONE = {**ROUNDS, 1_000_000: 1}  # of one processor
ROUNDS_QUICK = {100: 1, 1_000: 1, 10_000: 1}
NAMED_MAX = 10_000  # calls; with 100,000 it was as close to an anonymous one as with these
PIPES = ("anonymous", "named")


def pairs(bench):
    """Caller and callee by name: the words before and behind the pipe's kind and the number."""
    in_c = [str(bench.makers.bench / "bench_calls")]
    in_python = [PYTHON, str(ROOT / "tests/bench/calls/calls.py")]
    line = run_body(HELLO).decode()
    native = [line, str(bench.makers.action("hello", C_ACTION))]
    launcher = [line, *accelerated(bench.options.build),
                str(bench.makers.action("hello", PYTHON_ACTION))]
    return {RAW: (in_c, ["raw"]), "C to C": (in_c, native), "C to Python": (in_c, launcher),
            "Python to Python": (in_python, launcher)}


def once(argv, n):
    """Microseconds that one of n calls took."""
    command = shlex.join(argv)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": PATH}, timeout=WAIT_S + n * CALL_MAX_S)
        told = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise Trouble(f"'{command}' failed or hung") from None
    if done.returncode != 0 or told["calls"] != n:
        raise Trouble(f"'{command}' ended with {done.returncode}: {done.stderr[:300]}")
    return told["us"] / n


def rounds_of(quick, pipe, pinned):
    """{number of calls: rounds}"""
    if quick:
        return ROUNDS_QUICK
    if pinned:
        return ROUNDS_ON_ONE
    return {n: rounds for n, rounds in ROUNDS.items() if pipe == PIPES[0] or n <= NAMED_MAX}


def cases(bench):
    """(name of the pair, kind of pipe, on one processor?, number of calls, rounds, command)"""
    first = str(min(os.sched_getaffinity(0)))
    for name, (before, behind) in pairs(bench).items():
        for pipe, pinned in ((PIPES[0], False), (PIPES[1], False), (PIPES[0], True)):
            on_one = ["taskset", "-c", first] if pinned else []
            for n, rounds in rounds_of(bench.options.quick, pipe, pinned).items():
                yield name, pipe, pinned, n, rounds, [*on_one, *before, pipe, str(n), *behind]


def calls(bench):
    """What one call costs, for 100 to 100,000 calls in a row, on one processor to a million."""
    every = sorted(cases(bench), key=lambda case: case[3])  # as the tables want them
    samples = {case[:4]: [] for case in every}
    for number in range(max(case[4] for case in every)):
        for case in turns([case for case in every if number < case[4]], number):
            samples[case[:4]].append(once(case[5], case[3]))
    for name, pipe, pinned, n, _, argv in every:
        where = ", one processor" if pinned else ""
        bench.add(report.of_samples(
            samples[name, pipe, pinned, n], part=PART, unit="us", command=shlex.join(argv),
            name=f"{n:,} calls: {name}, {pipe}{where}",
            more={"pair": name, "pipe": pipe, "n": n, "one_processor": pinned}))
