"""Feeding: what a program's way of getting its lines costs, with one worker and with two."""

import os
import shutil
import subprocess
import sys

import report
from contestants import C_ACTION, CEILING, GREETING, HELLO, HERE, PYTHON_ACTION, ROOT, turns
from part_languages import present
from servers import WAIT_S, Trouble, run_body

PART = "Feeding, activations per second"
CONNECTIONS = (1, 16, 100)
WORKERS = (1, 2)
ROUNDS = 5
PIPELINE = ("--pipeline", "64")
C_LOOP, GO_SHAPE = "C loop", "Go, Apache's shape"
NODEJS, C_LIBRARY = "Node.js action", "C action, library"
# By name: the runtime, its options, the language that must be here, and what its value is; all answer GREETING.
KINDS = {
    C_LOOP: ("native", (), None, HELLO),
    f"{C_LOOP}, --pipeline 64": ("native", PIPELINE, None, HELLO),
    GO_SHAPE: ("native", ("--answers", "fd3"), "go", GREETING),
    f"{GO_SHAPE}, --pipeline 64": ("native", ("--answers", "fd3", *PIPELINE), "go", GREETING),
    C_ACTION: ("native", (), None, HELLO),
    PYTHON_ACTION: ("python", (), "python", HELLO),
    NODEJS: ("nodejs", (), "nodejs", HELLO),
    C_LIBRARY: ("c", (), "c", HELLO),
}
# Shares that the worker of issue 12 has to reach, by kind and connections; with two workers as with one.
GOALS = {
    C_LOOP: (0.70, 0.42, 0.42), f"{C_LOOP}, --pipeline 64": (0.70, 0.70, 0.90),
    f"{GO_SHAPE}, --pipeline 64": (0.60, 0.55, 0.70), PYTHON_ACTION: (None, 0.55, 0.66),
    NODEJS: (None, 0.55, 0.65), C_LIBRARY: (None, 0.65, 0.92),
}


def action_of(bench, kind):
    """The file that is published; Go's is compiled once."""
    if kind.startswith(GO_SHAPE):
        program = bench.folder / "go_shape"
        if not program.exists():
            built = subprocess.run(
                [shutil.which("go"), "build", "-o", program, ROOT / "tests/conformance/apache/go/main.go"],
                env={**os.environ, "GO111MODULE": "off"}, capture_output=True, text=True, check=False,
                timeout=4 * WAIT_S)
            if built.returncode != 0:
                raise Trouble(f"go build failed: {built.stderr[:300]}")
        return program
    return {C_ACTION: bench.makers.bench / "bench_hello", PYTHON_ACTION: ROOT / "actions/hello-python/hello.py",
            NODEJS: ROOT / "actions/hello-nodejs/index.js",
            C_LIBRARY: HERE / "hello_sdk.c"}.get(kind, bench.makers.bench / "bench_loop")


def has_pipeline(bench):
    told = subprocess.run([bench.makers.program, "--help-markdown"], capture_output=True, text=True, check=True,
                          timeout=WAIT_S)
    return f"`{PIPELINE[0]}`" in told.stdout


def measurable(bench):
    """The kinds that can be measured here; says which can not."""
    here = set(present({language for _, _, language, _ in KINDS.values() if language is not None}))
    pipeline = has_pipeline(bench)
    for kind, (_, options, language, _) in KINDS.items():
        if language is not None and language not in here:
            continue
        if PIPELINE[0] in options and not pipeline:
            print(f"bench: {kind} is not measured: the program has no --pipeline", file=sys.stderr)
            continue
        yield kind


def started(bench, kind, workers):
    runtime, options, _, value = KINDS[kind]
    server = bench.makers.proxy(runtime, "--workers", workers, *options)
    client, _ = server.start()
    client.close()
    server.init(action_of(bench, kind))
    server.check(run_body(value), GREETING)
    return server


def feeding(bench):
    """All are up at a time and take turns, the idle ones asleep."""
    rows = [(kind, workers) for kind in measurable(bench) for workers in WORKERS]
    servers = {(CEILING, 0): bench.makers.hello(CEILING), **{row: started(bench, *row) for row in rows}}
    bodies = {row: bench.body_file(f"feeding-{number}.json", run_body(KINDS[row[0]][3] if row[1] else HELLO))
              for number, row in enumerate(servers)}
    loads = {(row, n): [] for row in servers for n in CONNECTIONS}
    for row, server in servers.items():
        bench.load(server, bodies[row], 16)  # not counted: all that grows has grown then
    for number in range(1 if bench.options.quick else ROUNDS):
        for n in CONNECTIONS:
            for row in turns(servers, number):
                loads[row, n].append(bench.load(servers[row], bodies[row], n))
    for n in CONNECTIONS:
        for row in servers:
            bench.add(figure(row, n, loads[row, n], loads[(CEILING, 0), n]))


def figure(row, n, loads, ceiling):
    kind, workers = row
    shares = [mine.per_second / top.per_second for mine, top in zip(loads, ceiling)]
    goal = GOALS.get(kind, (None,) * len(CONNECTIONS))[CONNECTIONS.index(n)]
    of = f", {workers} worker{'s' * (workers > 1)}" if workers else ""
    return report.of_samples(
        [load.per_second for load in loads], part=PART, unit="/s", command=loads[0].command,
        name=f"{n} connection{'s' * (n > 1)}: {kind}{of}", share=sorted(shares)[len(shares) // 2], share_min=goal,
        more={"kind": kind, "workers": workers, "connections": n, "server": loads[0].server,
              "share_lowest": min(shares), "cpu_us": report.median_of(loads, "cpu_us")})
