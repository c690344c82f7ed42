"""Call overhead: a line into an action's pipe and its answer out of it, with no HTTP around."""

import json
import os
import shlex
import subprocess

import report
from contestants import C_ACTION, HELLO, PYTHON_ACTION, ROOT
from servers import PATH, WAIT_S, Trouble, run_body

PART = "One call through the pipes, without HTTP"
CALL_MAX_S = 0.002  # a call takes some 0.00005; more means that something hangs
RAW = "two processes, one byte"
COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)
QUICK_COUNTS = COUNTS[:3]
PIPES = ("anonymous", "named")
PYTHON = "/usr/bin/python3"


def pairs(bench):
    """Caller and callee by name: the words before and behind the pipe's kind and the number."""
    in_c = [str(bench.makers.bench / "bench_calls")]
    in_python = [PYTHON, str(ROOT / "tests/bench/calls/calls.py")]
    line = run_body(HELLO).decode()
    native = [line, str(bench.makers.action("hello", C_ACTION))]
    launcher = [line, PYTHON, str(ROOT / "runtime/python/launcher.py"),
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


def cases(bench):
    """(name of the pair, kind of pipe, number of calls, on one processor?, command)"""
    counts = QUICK_COUNTS if bench.options.quick else COUNTS
    first = str(min(os.sched_getaffinity(0)))
    for n in counts:
        for name, (before, behind) in pairs(bench).items():
            for pipe in PIPES:
                yield name, pipe, n, False, [*before, pipe, str(n), *behind]
            yield (name, PIPES[0], n, True,
                   ["taskset", "-c", first, *before, PIPES[0], str(n), *behind])


def rounds_of(bench, n):
    """The long ones are medians in themselves, nearly."""
    return 1 if bench.options.quick or n > 100_000 else 3 if n > 10_000 else 9


def calls(bench):
    """What one call costs, for 100 to a million calls in a row."""
    for name, pipe, n, pinned, argv in cases(bench):
        samples = [once(argv, n) for _ in range(rounds_of(bench, n))]
        where = ", one processor" if pinned else ""
        bench.add(report.of_samples(
            samples, part=PART, unit="us", command=shlex.join(argv),
            name=f"{n:,} calls: {name}, {pipe}{where}",
            more={"pair": name, "pipe": pipe, "n": n, "one_processor": pinned}))
