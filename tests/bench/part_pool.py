"""Pool scaling: what more workers bring to an action that computes and to one that waits."""

import os
import statistics

import report
from contestants import HERE
from servers import run_body

PART = "Pool scaling, Python action"
WORKERS = (1, 2, 4, 8)
CONNECTIONS = 32
# What the action is given, and what it must answer.
ACTIONS = {"computes": (HERE / "compute.py", {"steps": 15_000}, {"total": 506_542}),
           "waits 5 ms": (HERE / "wait.py", {"seconds": 0.005}, {"waited": 0.005})}


def started(bench, action, workers, processors):
    """A proxy with so many workers, all of them on these processors."""
    code, value, answer = ACTIONS[action]
    free = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, processors)  # the servers inherit it, wrk does not
        server = bench.makers.proxy("python", "--workers", workers)
        client, _ = server.start()
    finally:
        os.sched_setaffinity(0, free)
    client.close()
    server.init(code)
    server.check(run_body(value), answer)
    return server


def pool(bench):
    """Activations per second with 1 to 8 workers, on one processor and on all."""
    everything = os.sched_getaffinity(0)
    rounds = 1 if bench.options.quick else 3
    for action, (_, value, _) in ACTIONS.items():
        body = bench.body_file("pool.json", run_body(value))
        for processors in ({min(everything)}, everything):
            for workers in WORKERS:
                server = started(bench, action, workers, processors)
                loads = [bench.load(server, body, CONNECTIONS) for _ in range(rounds)]
                server.stop()
                bench.add(pool_figure(action, workers, len(processors), loads))


def pool_figure(action, workers, n_processors, loads):
    more = {name: statistics.median(getattr(load, name) for load in loads)
            for name in ("p50_us", "p99_us")}
    on = f"{n_processors} processor{'s' * (n_processors > 1)}"
    return report.of_samples(
        [load.per_second for load in loads], part=PART, unit="/s", command=loads[0].command,
        name=f"{action}, {on}: {workers} worker{'s' * (workers > 1)}",
        more={**more, "server": loads[0].server, "action": action, "workers": workers,
              "processors": n_processors, "connections": CONNECTIONS})
