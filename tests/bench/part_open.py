"""Open load: latency at fixed rates, counted from when each request was due."""

import json
import shlex
import statistics
import subprocess

import report
from contestants import ALL, HELLO
from servers import WAIT_S, Trouble, run_body

PART = "Latency at a fixed rate, 64 connections"
CONNECTIONS = 64
RATES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 120_000)
QUICK_RATES = (500, 1_000, 5_000, 10_000, 20_000, 40_000)
# A run is long enough for a 99.9th percentile, within reason.
WANTED_REQUESTS = 2_000
SECONDS = (1, 4)
# Half of the requests wait for so long: they queue, and would wait longer in a longer run.
SATURATED_US = 50_000


def once(argv):
    command = shlex.join(argv)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WAIT_S)
        told = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise Trouble(f"'{command}' failed: "
                      f"{'not done in time' if 'done' not in locals() else done.stderr[:300]}"
                      ) from None
    if done.returncode != 0:
        raise Trouble(f"'{command}' ended with {done.returncode}: {done.stderr[:300]}")
    return told


def is_saturated(told):
    return told["unanswered"] > 0 or told["latency_us"]["50"] > SATURATED_US


def open_load(bench):
    """Each contestant at rising rates, until it cannot follow."""
    body = bench.body_file("hello.json", run_body(HELLO))
    rounds = 1 if bench.options.quick else 3
    for kind in ALL:
        server = bench.makers.hello(kind)
        for rate in QUICK_RATES if bench.options.quick else RATES:
            seconds = min(max(WANTED_REQUESTS / rate, SECONDS[0]), SECONDS[1])
            argv = [str(bench.makers.bench / "bench_openload"), str(server.port), server.path,
                    str(rate), str(CONNECTIONS), f"{seconds:g}", str(body)]
            runs = [once(argv) for _ in range(rounds)]
            bench.add(open_figure(kind, rate, runs, argv, server))
            if sum(is_saturated(told) for told in runs) * 2 > rounds:
                break
        server.stop()


def open_figure(kind, rate, runs, argv, server):
    def percentile(told, percent):
        return told["latency_us"][percent] / 1000

    runs = sorted(runs, key=lambda told: percentile(told, "99"))
    middle = runs[len(runs) // 2]
    return report.of_samples(
        [percentile(told, "99") for told in runs], part=PART, unit="ms p99",
        command=shlex.join(argv), name=f"{rate:,} per second: {kind}",
        more={"kind": kind, "rate": rate, "server": server.command,
              "p50_ms": statistics.median(percentile(told, "50") for told in runs),
              "p99_ms": statistics.median(percentile(told, "99") for told in runs),
              "saturated": sum(map(is_saturated, runs)) * 2 > len(runs),
              "n_requests": middle["due"], "latency_us": middle["latency_us"],
              "generator_late_mean_us": middle["late_mean_us"]})
