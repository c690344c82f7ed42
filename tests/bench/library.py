#!/usr/bin/python3
"""library - what a call by the library whisk_call costs, beside what two processes need at least.

    tests/bench/library.py [--calls N] [--rounds N]

A C program calls a C action and a Python function through `whiskloop pipe`; the floor is a byte that
goes from one process to another and back. They take turns in each round. Prints microseconds for one
call, median and range, one call after the other. Needs a build in build/, or in BUILD.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
LIMIT_S = 120

CALLER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <whisk_call.h>

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    struct whisk_call_options options = {.program = argv[1]};
    struct whisk_caller *caller = argc > 3 ? whisk_call_open(argv[2], &options) : NULL;
    struct whisk_answer answer;
    long n = argc > 3 ? atol(argv[3]) : 0;
    double begun = 0;

    if (caller == NULL || whisk_call_ready(caller, 60000) < 0)
        return 1;
    for (long i = -100; i < n; i++) {
        if (i == 0)
            begun = now_us();
        if (whisk_call_run(caller, "{\"name\":\"Mike\"}", 0, &answer) < 0)
            return 2;
    }
    printf("%.2f\n", (now_us() - begun) / (double)n);
    whisk_call_close(&caller);
    return 0;
}
"""


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=LIMIT_S).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whiskloop-bench-") as home:
        source, caller = pathlib.Path(home) / "caller.c", pathlib.Path(home) / "caller"
        source.write_text(CALLER)
        output("cc", "-O2", "-I", ROOT / "call", "-o", caller, source, BUILD / "call/libwhisk_call.a")
        action = pathlib.Path(home) / "hello.py"
        action.write_text("def main(args):\n    return {'greeting': 'Hello, ' + args['name'] + '!'}\n")
        program = BUILD / "proxy/whiskloop"
        turns = {
            "two processes, one byte": lambda: json.loads(output(
                BUILD / "tests/bench/bench_calls", "anonymous", str(options.calls), "raw"))["us"] / options.calls,
            "library, C action": lambda: float(output(
                caller, program, BUILD / "tests/bench/bench_hello", str(options.calls))),
            "library, Python function": lambda: float(output(caller, program, action, str(options.calls))),
        }
        figures = {name: [] for name in turns}
        for _ in range(options.rounds):
            for name, turn in turns.items():
                figures[name].append(turn())
    for name, values in figures.items():
        print(f"{name:26} {statistics.median(values):8.1f} us ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
