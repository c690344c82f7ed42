#!/usr/bin/python3
"""bench - how fast the proxy is, as shares of what libh2o does alone on the same machine.

Run by scripts/bench.sh, which builds what this starts. The contestants take turns within each
round, so what the neighbours do meets all of them; every figure is a median. Speed is never a
reason to fail: the exit status is 0 unless something did not run or an answer was wrong.
"""

import argparse
import functools
import json
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import budget
import contestants
import instructions
import report
from contestants import (ALL, C_ACTION, CEILING, HELLO, PYTHON_ACTION, ROOT, START_ALONE, expected,
                         turns)
from load import Load
from part_calls import calls
from part_feeding import feeding
from part_jmeter import jmeter
from part_languages import languages
from part_launcher import launcher
from part_open import open_load
from part_peers import peers
from part_pool import pool
from part_timeline import timeline
from servers import WAIT_S, Trouble, init_body, kill_all, request_bytes, run_body, timed

CONNECTIONS = (1, 4, 16, 100)
SIZES = {"100 B": 100, "10 KB": 10_000, "100 KB": 100_000, "1 MB": 1_000_000}

# Shares of the ceiling in the same round, by contestant and connections.
SHARE_GOALS = {(C_ACTION, 1): 0.75, (C_ACTION, 16): 0.80, (C_ACTION, 100): 0.85,
               (PYTHON_ACTION, 1): 0.70, (PYTHON_ACTION, 16): 0.45, (PYTHON_ACTION, 100): 0.55}
ECHO_GOALS_MS = {(C_ACTION, "100 KB"): 0.2, (C_ACTION, "1 MB"): 1.5}
LISTEN_GOAL_MS = 3
INIT_GOALS_MS = {C_ACTION: 1.2, PYTHON_ACTION: 4}
IDLE_GOAL_MB = 4.5
# A leak of one byte per activation would be 1,000 KB in a million; a tenth of that is the
# allocator's own coming and going.
GROWTH_GOAL_KB = 100

LOAD_S = 2          # before memory is looked at: all that grows with load has grown
WINDOW_BYTES = 200_000  # answers below fit into the receive buffer that window.c gives wrk
N_FIRST_ECHOES = 5  # not counted: then every buffer has its size
REST_S = 0.1        # an idle proxy, before /init: ten times what an interpreter needs to start
KB = 1000           # as the sizes of the goals are meant


class Bench:
    """One run: its options, the figures so far, and what went wrong."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.wrk_processor = min(os.sched_getaffinity(0)) if options.pin else None
        self.makers = contestants.Contestants(options.build, folder / "actions")
        self.figures = []

    def add(self, figure):
        self.figures.append(figure)

    def load(self, server, body, connections, seconds=1, preload=None):
        return Load(server, body, connections, seconds, self.wrk_processor, preload)

    def body_file(self, name, body):
        path = self.folder / name
        path.write_bytes(body)
        return path


def shares_of(samples, ceiling):
    """The share in each round, then the median: a slow round is slow for both."""
    return statistics.median(mine / top for mine, top in zip(samples, ceiling))


# ---- activations per second ----


def throughput(bench):
    """Activations per second of the small action, at 1 to 100 connections."""
    body = bench.body_file("hello.json", run_body(HELLO))
    servers = {kind: bench.makers.hello(kind) for kind in ALL}
    loads = {(kind, n): [] for kind in ALL for n in CONNECTIONS}
    for kind in ALL:
        bench.load(servers[kind], body, 16)  # not counted: all that grows has grown then
    for number in range(bench.options.rounds):
        for n in CONNECTIONS:
            for kind in turns(ALL, number):
                loads[kind, n].append(bench.load(servers[kind], body, n))
    for n in CONNECTIONS:
        ceiling = [load.per_second for load in loads[CEILING, n]]
        for kind in ALL:
            bench.add(throughput_figure(kind, n, loads[kind, n], ceiling))


def throughput_figure(kind, n, loads, ceiling):
    samples = [load.per_second for load in loads]
    return report.of_samples(
        samples, part="Activations per second", unit="/s", command=loads[0].command,
        name=f"{n} connection{'s' * (n > 1)}: {kind}", share=shares_of(samples, ceiling),
        share_min=SHARE_GOALS.get((kind, n)),
        more={"kind": kind, "connections": n, "server": loads[0].server, **medians_of(loads)})


def medians_of(loads):
    return {name: report.median_of(loads, name) for name in ("p50_us", "p99_us", "cpu_us")}


# ---- large bodies ----


def text_of(size):
    """A value of exactly so many bytes, as JSON: text, in words."""
    words = "the quick brown fox jumps over the lazy dog "
    room = size - len('{"text":""}')
    return {"text": (words * (room // len(words) + 1))[:room]}


def echo(bench):
    """How long one body takes there and back, one at a time."""
    values = {label: text_of(size) for label, size in SIZES.items()}
    bodies = {label: bench.body_file(f"echo-{size}.json", run_body(values[label]))
              for label, size in SIZES.items()}
    servers = {kind: bench.makers.started(kind, "echo") for kind in ALL}
    for value in values.values():
        for kind, server in servers.items():
            for _ in range(N_FIRST_ECHOES):
                server.check(run_body(value), expected(kind, "echo", value))
    loads = {(kind, label): [] for kind in ALL for label in SIZES}
    window = bench.makers.bench / "libbench_window.so"
    for number in range(bench.options.echo_rounds):
        for label, size in SIZES.items():
            # A larger answer does better with a buffer that the system makes grow.
            preload = window if size < WINDOW_BYTES else None
            for kind in turns(ALL, number):
                loads[kind, label].append(
                    bench.load(servers[kind], bodies[label], 1, preload=preload))
    for label in SIZES:
        for kind in ALL:
            some = loads[kind, label]
            bench.add(report.of_samples(
                [load.p50_us / 1000 for load in some], part="Echo of one body, 1 connection",
                name=f"{label}: {kind}", unit="ms", command=some[0].command,
                below=ECHO_GOALS_MS.get((kind, label)),
                more={"kind": kind, "bytes": SIZES[label], "server": some[0].server,
                      **medians_of(some)}))


# ---- cold start ----


def start_once(bench, kind, init, run, rest_s):
    """One proxy from exec to its first answer. Returns the milliseconds of each step."""
    server = bench.makers.make(kind, "hello")
    client, listen_s = server.start()
    time.sleep(rest_s)
    steps = {"listen": listen_s * 1000, "init": timed(client, init, "/init"),
             "first": timed(client, run, "the first /run")}
    client.close()
    server.stop()
    return steps, server.command


def listen_once(bench):
    """libh2o alone, from exec to listening; it has no /init."""
    server = bench.makers.make(CEILING, "hello")
    client, listen_s = server.start()
    client.close()
    server.stop()
    return {"listen": listen_s * 1000}, server.command


def spawn_once(bench):
    """The C action alone, from vfork until it says that it is ready."""
    argv = [str(bench.makers.bench / "bench_start"), str(bench.makers.action("hello", C_ACTION))]
    command = shlex.join(argv)
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WAIT_S,
                              env={**os.environ, "__OW_WAIT_FOR_ACK": "1"})
        return {"init": json.loads(done.stdout)["us"] / 1000}, command
    except (subprocess.TimeoutExpired, ValueError):
        raise Trouble(f"'{command}' failed or hung") from None


def cold(bench):
    """From exec to listening, and to the first answer; /init alone. Beside it what is the least."""
    kinds = (C_ACTION, PYTHON_ACTION)
    run = request_bytes("/run", run_body(HELLO))
    once = {CEILING: lambda _: listen_once(bench), START_ALONE: lambda _: spawn_once(bench)}
    for kind in kinds:
        bench.makers.hello(kind).stop()  # not counted: compiles Python, fills the disk cache
        init = request_bytes("/init", init_body(bench.makers.action("hello", kind)))
        once[kind] = functools.partial(start_once, bench, kind, init, run)
    at_once, rested, commands = ({kind: [] for kind in once} for _ in range(3))
    for number in range(bench.options.starts):
        for rest_s, into in ((0, at_once), (REST_S, rested)):
            for kind in turns(once, number):
                steps, commands[kind] = once[kind](rest_s)
                into[kind].append(steps)

    def taken(step, kind, *lists):
        return [one[step] for some in lists for one in some[kind]]

    add = functools.partial(cold_figure, bench, commands)
    listen = taken("listen", CEILING, at_once, rested)
    spawn = taken("init", START_ALONE, rested)
    add(CEILING, "exec to listening", listen)
    add(START_ALONE, "until it reads", spawn)
    for kind in kinds:
        add(kind, "exec to listening", taken("listen", kind, at_once, rested), LISTEN_GOAL_MS,
            listen)
        add(kind, "/init alone, proxy idle", taken("init", kind, rested), INIT_GOALS_MS[kind],
            spawn if kind == C_ACTION else None)
        add(kind, "first /run after it", taken("first", kind, rested))
        add(kind, "/init at once after exec", taken("init", kind, at_once))
        add(kind, "exec to first answer", [sum(one.values()) for one in at_once[kind]])


def cold_figure(bench, commands, kind, name, samples, below=None, floor=None):
    """floor: what is the least, in the same rounds; the share is how many times that it takes."""
    bench.add(report.of_samples(samples, part="Cold start",
                                name=f"{kind}: {name}", unit="ms", below=below,
                                share=shares_of(samples, floor) if floor else None,
                                command=commands[kind],
                                more={"kind": kind, "step": name, "n_starts": len(samples)}))


# ---- memory ----


def memory(bench):
    """Resident memory, idle and after load, and whether a million activations leave anything."""
    body = bench.body_file("hello.json", run_body(HELLO))
    part = "Resident memory"
    for runtime in ("native", "python"):
        idle = bench.makers.proxy(runtime)
        client, _ = idle.start()
        client.close()
        time.sleep(REST_S)
        add_memory(bench, part, f"idle proxy, --runtime {runtime}", idle, below=IDLE_GOAL_MB)
        idle.stop()
    for kind in ALL:
        server = bench.makers.hello(kind)
        add_memory(bench, part, f"one activation: {kind}", server)
        n = bench.load(server, body, 100, LOAD_S).n_requests
        add_memory(bench, part, f"after load: {kind}", server, activations=n)
        if kind in (C_ACTION, PYTHON_ACTION):
            growth(bench, part, kind, server, body)
        server.stop()


def add_memory(bench, part, name, server, below=None, **more):
    mb = server.memory_kb() * 1024 / KB / KB
    more["workers_kb"] = server.workers_kb()
    bench.add(report.of_samples([mb], part=part, name=name, unit="MB", below=below, more=more,
                                command=server.command))


def activations(bench, server, body, wanted):
    """Load with 100 connections until so many were answered. Returns how many it were."""
    n = 0
    while n < wanted:  # ends: a run without any answer is trouble
        n += bench.load(server, body, 100).n_requests
    return n


def growth(bench, part, kind, server, body):
    """What the second million adds: by the end of the first, all buffers have met their worst."""
    activations(bench, server, body, bench.options.grow)
    before_kb = server.memory_kb()
    n = activations(bench, server, body, bench.options.grow)
    grown_kb = (server.memory_kb() - before_kb) * 1024 / KB
    bench.add(report.of_samples([grown_kb], part=part, unit="KB", below=GROWTH_GOAL_KB,
                                name=f"grown in {bench.options.grow:,} more: {kind}",
                                command=server.command, more={"activations": n}))


# ---- instructions ----


def counted(bench):
    """Instructions per activation, which no neighbour can change."""
    many = bench.options.counted
    cases = [("1 at a time", "hello", HELLO, 1, many),
             ("16 at a time", "hello", HELLO, 16, many // 16),
             ("echo of 1 MB", "echo", text_of(SIZES["1 MB"]), 1, max(many // 50, 2))]
    for what, action, value, connections, rounds in cases:
        for kind in (CEILING, C_ACTION):
            case = instructions.Case(
                make=functools.partial(bench.makers.make, kind, action),
                code=bench.makers.action(action, kind) if kind == C_ACTION else None,
                body=run_body(value), expected=expected(kind, action, value),
                connections=connections, rounds=rounds)
            count, command = instructions.per_activation(case, bench.folder)
            bench.add(report.of_samples([count], part="Instructions per activation, user space",
                                        name=f"{what}: {kind}", unit="", command=command,
                                        more={"kind": kind, "case": what,
                                              "activations": connections * rounds}))


PARTS = {"throughput": throughput, "echo": echo, "cold": cold, "memory": memory,
         "instructions": counted}
PINNABLE = ("throughput", "echo")
# What only the report shows.
REPORT_PARTS = {"jmeter": jmeter, "feeding": feeding, "peers": peers, "calls": calls, "pool": pool, "open": open_load,
                "timeline": timeline, "languages": languages, "launcher": launcher}
ALL_PARTS = PARTS | REPORT_PARTS


def read_options():
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="where meson built")
    parser.add_argument("--quick", action="store_true", help="about a minute, and less certain")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the JSON file")
    parser.add_argument("--pin", action="store_true",
                        help="throughput, echo: wrk on the first processor, all else on the others")
    parser.add_argument("--report", action="store_true", help="also what only the report shows")
    parser.add_argument("--budget", action="store_true",
                        help="end with 1 when an activation takes more instructions than recorded")
    parser.add_argument("--only", choices=ALL_PARTS, action="append", help="this part alone")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.parts = options.only or list(ALL_PARTS if options.report else PARTS)
    if options.budget and "instructions" not in options.parts:
        options.parts.append("instructions")
    options.rounds, options.echo_rounds = (1, 1) if options.quick else (9, 5)
    options.starts = 5 if options.quick else 20
    options.grow = 100_000 if options.quick else 1_000_000
    options.counted = 320 if options.quick else 1600
    if options.pin and len(os.sched_getaffinity(0)) < 2:
        parser.error("--pin needs two processors")
    return options


def run_part(bench, name):
    """Run one part and end what it started. Returns what went wrong, None when nothing did."""
    began = time.monotonic()
    bench.makers.clear()
    free = os.sched_getaffinity(0)
    try:
        if bench.options.pin and name in PINNABLE:
            os.sched_setaffinity(0, free - {min(free)})  # the servers inherit it, wrk does not
        ALL_PARTS[name](bench)
        print(f"bench: {name} done in {time.monotonic() - began:.0f} s", file=sys.stderr)
        return None
    except (Trouble, OSError) as fault:
        return f"{name}: {fault}"
    finally:
        kill_all()
        os.sched_setaffinity(0, free)


def main():
    options = read_options()
    troubles = []
    head = {"machine": report.machine(),
            "versions": report.versions(options.build / "proxy/whiskloop", ROOT),
            "settings": {name: value for name, value in os.environ.items()
                         if name.startswith("WHISKLOOP_")},
            "quick": options.quick, "pinned": options.pin, "parts": options.parts}
    # A signal must not skip what ends the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="whiskloop-bench.") as folder:
        bench = Bench(options, pathlib.Path(folder))
        for name in options.parts:
            trouble = run_part(bench, name)
            if trouble is not None:
                troubles.append(trouble)
    head["seconds"] = round(time.monotonic() - began)
    head["machine"]["load_after"] = os.getloadavg()
    report.write_json(options.out, head, bench.figures, troubles)
    if options.budget:
        troubles += budget.passed(bench.figures)
    print("\n".join(report.table(bench.figures)))
    print(f"\n{head['seconds']} s; every sample, and the commands: {options.out}")
    for trouble in troubles:
        print(f"bench: {trouble}", file=sys.stderr)
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
