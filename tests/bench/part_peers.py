"""Peers: what one would pick instead, beside the proxy in the same rounds.

Each runs the function in the server's own process: no restart after a crash, no deadline, no code that comes
later, no logs by activation. bjoern is in no distribution: it takes part where `BJOERN` names a folder with
it built for /usr/bin/python3. Others that are not installed are left out, and told.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import report
from contestants import C_ACTION, CEILING, GREETING, HELLO, HERE, PYTHON, PYTHON_ACTION, turns
from part_feeding import C_LOOP, NODEJS, measurable, started
from servers import PATH, WAIT_S, Server, Trouble, run_body

PART = "What one would pick instead, activations per second"
CONNECTIONS = (1, 16, 100)
ROUNDS = 5
NOISY_CORES = 0.25  # of other processes, while a figure was measured
OURS = ((C_LOOP, 1), (C_ACTION, 1), (PYTHON_ACTION, 1), (PYTHON_ACTION, 2), (NODEJS, 1))
PLAIN = {C_LOOP: "C, announces nothing", C_ACTION: "C, announces pipeline", PYTHON_ACTION: "Python",
         NODEJS: "Node.js"}
PEERS = HERE / "peers"


def has_module(name, **environment):
    return subprocess.run([PYTHON, "-c", f"import {name}"], check=False, capture_output=True, timeout=WAIT_S,
                          env={**os.environ, **environment}).returncode == 0


def go_server(bench):
    """Go's server, compiled once; None: no compiler."""
    if shutil.which("go") is None:
        return None
    program = bench.folder / "go_http"
    built = subprocess.run([shutil.which("go"), "build", "-o", program, PEERS / "http.go"],
                           env={**os.environ, "GO111MODULE": "off"}, capture_output=True, text=True, check=False,
                           timeout=4 * WAIT_S)
    if built.returncode != 0:
        raise Trouble(f"go build failed: {built.stderr[:300]}")
    return program


def others(bench):
    """(name, server) of each that can run here; not started."""
    folder = os.environ.get("BJOERN", "")
    if folder and has_module("bjoern", PYTHONPATH=folder):
        for n in (1, 2):
            server = Server([PYTHON, PEERS / "wsgi.py", "{port}", n])
            server.environment = {"PYTHONPATH": folder}
            yield f"bjoern, {n} process{'es' * (n > 1)}", server
    else:
        print("bench: bjoern is not measured: BJOERN names no folder that has it", file=sys.stderr)
    if has_module("uvicorn, uvloop, httptools"):
        yield "uvicorn", Server([PYTHON, PEERS / "asgi.py", "{port}"])
    else:
        print("bench: uvicorn is not measured: python3-uvicorn, -uvloop, -httptools", file=sys.stderr)
    if shutil.which("node", path=PATH):
        yield "Node.js, http alone", Server(["node", PEERS / "http.js", "{port}"])
    program = go_server(bench)
    if program is not None:
        yield "Go, net/http", Server([program, "{port}"])


def run_all(bench):
    """{name: server}, all up and seen to greet."""
    here = set(measurable(bench))
    servers = {CEILING: bench.makers.hello(CEILING)}
    for kind, workers in OURS:
        if kind in here:
            name = PLAIN[kind] + (f", {workers} workers" if workers > 1 else "")
            servers[f"whiskloop, {name}"] = started(bench, kind, workers)
    for name, server in others(bench):
        client, _ = server.start()
        client.close()
        server.check(run_body(HELLO), GREETING)
        servers[name] = server
    return servers


def busy_s(name="/proc/stat"):
    """Processor time of everybody, without what was idle or waited."""
    fields = [int(field) for field in pathlib.Path(name).read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def tree_s(server):
    """Processor time of a server and of its children."""
    listed = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    total = 0
    for pid in (server.process.pid, *listed):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def loaded(bench, server, body, connections):
    """One load, and how many processors other processes took meanwhile."""
    def ours():
        times = os.times()
        return tree_s(server) + times.user + times.system + times.children_user + times.children_system

    all_before, ours_before, began = busy_s(), ours(), os.times().elapsed
    load = bench.load(server, body, connections)
    all_s, ours_s, took = busy_s() - all_before, ours() - ours_before, os.times().elapsed - began
    return load, max(all_s - ours_s, 0) / took


def peers(bench):
    """All are up at a time and take turns, the idle ones asleep."""
    servers = run_all(bench)
    body = bench.body_file("peers.json", run_body(HELLO))
    loads = {(name, n): [] for name in servers for n in CONNECTIONS}
    for server in servers.values():
        bench.load(server, body, 16)  # not counted: all that grows has grown then
    for number in range(1 if bench.options.quick else ROUNDS):
        for n in CONNECTIONS:
            for name in turns(servers, number):
                loads[name, n].append(loaded(bench, servers[name], body, n))
    for n in CONNECTIONS:
        for name, server in servers.items():
            memory_kb = server.memory_kb() + sum(server.workers_kb())
            bench.add(figure(name, n, loads[name, n], loads[CEILING, n], memory_kb))
    for server in servers.values():
        server.stop()


def figure(name, n, loads, ceiling, memory_kb):
    shares = [mine.per_second / top.per_second for (mine, _), (top, _) in zip(loads, ceiling)]
    cores = sorted(cores for _, cores in loads)[len(loads) // 2]
    first = loads[0][0]
    return report.of_samples(
        [load.per_second for load, _ in loads], part=PART, unit="/s", command=first.command,
        name=f"{n} connection{'s' * (n > 1)}: {name}", share=sorted(shares)[len(shares) // 2],
        more={"kind": name, "connections": n, "server": first.server, "shares": [min(shares), max(shares)],
              "memory_kb": memory_kb, "others_cores": cores, "noisy": cores > NOISY_CORES})


def rows(figures):
    """The table's rows: a contestant each."""
    for kind in dict.fromkeys(one["more"]["kind"] for one in figures):
        mine = [one for one in figures if one["more"]["kind"] == kind]
        yield [kind, *[text for one in mine for text in cells(one)],
               f"{mine[-1]['more']['memory_kb'] * 1024 / 1e6:.0f}"]


def cells(one):
    low, high = one["more"]["shares"]
    return (report.number(one["value"]) + " ~" * one["more"]["noisy"],
            f"{one['share']:.2f} ({low:.2f}–{high:.2f})")


def head():
    return ["median (range); ~ disturbed by other processes", *[text for n in CONNECTIONS for text in (f"/s, {n} conn.", "share")], "MB"]
