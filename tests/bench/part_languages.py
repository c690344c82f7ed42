"""Languages: the same small action in each that has its interpreter here, by rate and by /init."""

import os
import sys
import time

import report
from contestants import GREETING, HELLO, HERE, ROOT, turns
from servers import init_body, request_bytes, run_body, timed

sys.path.append(str(ROOT / "tests/conformance"))

from languages import ROWS  # noqa: E402 - behind the path that leads to it

PART = "Languages, 16 connections"
RATE, INIT = "activations per second", "/init"  # what a figure's name begins with
CONNECTIONS = 16
ROUNDS = 9
REST_S = 0.2  # before /init: the slowest interpreter that is started ahead is up after half of it
BASE = "native"  # a share is of this one: it has no interpreter
# What each is given; all greet. native's is compiled: see action_of().
ACTIONS = {"native": None, "c": HERE / "hello_sdk.c", "go": "hello-go/main.go",
           "java": "hello-java/Main.java", "dotnet": "hello-dotnet/Main.cs",
           "nodejs": "hello-nodejs/index.js", "python": "hello-python/hello.py",
           "pypy": "hello-python/hello.py", "php": "hello-php/index.php",
           "perl": "hello-perl/main.pl", "ruby": "hello-ruby/main.rb", "lua": "hello-lua/main.lua",
           "shell": "hello-function/main.sh", "oneshot": "hello-oneshot/exec"}


def action_of(bench, name):
    given = ACTIONS[name]
    return bench.makers.bench / "bench_hello" if given is None else ROOT / "actions" / given


def present(names):
    """Those whose interpreter is here; says which is not."""
    missing = {row.name: row.missing() for row in ROWS}
    for name in names:
        if missing.get(name) is None:
            yield name
        else:
            print(f"bench: {name} is not measured: {missing[name]}", file=sys.stderr)


def proxy(bench, name):
    """One that is not started yet, in the environment that an image of the language sets."""
    server = bench.makers.proxy(name)
    # Compiled packages of Go are kept from one /init to the next, as an image keeps them.
    server.environment = {"LANG": "C.UTF-8", "GOCACHE": str(bench.folder / "go")}
    return server


def init_once(bench, name):
    """A proxy that has the action and answers right, and the milliseconds of its /init."""
    server = proxy(bench, name)
    client, _ = server.start()
    time.sleep(REST_S)
    request = request_bytes("/init", init_body(action_of(bench, name)))
    took_ms = timed(client, request, f"/init of {name}")
    client.close()
    server.check(run_body(HELLO), GREETING)
    return server, took_ms


def languages(bench):
    """All are up at a time and take turns, the idle ones asleep; /init is a fresh proxy's each."""
    names = list(present(ACTIONS))
    body = bench.body_file("languages.json", run_body(HELLO))
    # Not counted: what compilers and the disk's cache have to learn, and all that grows with load.
    servers = {name: init_once(bench, name)[0] for name in names}
    for name in names:
        bench.load(servers[name], body, CONNECTIONS)
    inits, loads = ({name: [] for name in names} for _ in range(2))
    for number in range(1 if bench.options.quick else ROUNDS):
        for name in turns(names, number):
            fresh, took_ms = init_once(bench, name)
            fresh.stop()
            inits[name].append(took_ms)
            loads[name].append(bench.load(servers[name], body, CONNECTIONS))
    for name in names:
        bench.add(figure(name, RATE, "/s", [load.per_second for load in loads[name]],
                         loads[name][0].command, p50_us=report.median_of(loads[name], "p50_us"),
                         p99_us=report.median_of(loads[name], "p99_us")))
    for name in names:
        bench.add(figure(name, INIT, "ms", inits[name], servers[name].command))


def figure(name, what, unit, samples, command, **more):
    return report.of_samples(samples, part=PART, name=f"{what}: {name}", unit=unit,
                             command=command, more={"language": name, "what": what, **more})


def folders():
    """The runtimes that there are."""
    return {entry.name for entry in os.scandir(ROOT / "runtime")
            if os.path.exists(os.path.join(entry.path, "runtime.json"))}
