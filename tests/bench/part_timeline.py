"""Memory over time: what a server holds while it rests and works, looked at many times a second."""

import threading
import time

import report
from contestants import C_ACTION, CEILING, HELLO, PYTHON_ACTION
from servers import Trouble, run_body

PART = "Memory over time"
LOOK_S = 0.05
REST_S = 1
LARGE_BYTES = 1_000_000
MB = 1_000_000
KINDS = (CEILING, C_ACTION, PYTHON_ACTION)


class Watch:
    """Looks at a server's memory from a thread until it is told to end."""

    def __init__(self, server):
        self.server = server
        self.began = time.monotonic()
        self.series, self.marks = [], []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self):
        while not self.ending.wait(LOOK_S):
            at = time.monotonic() - self.began
            try:
                own, workers = self.server.memory_kb(), sum(self.server.workers_kb())
            except (OSError, Trouble):
                return  # it has ended; the load that goes on will tell
            self.series.append([round(at, 2), own * 1024 / MB, workers * 1024 / MB])

    def mark(self, what):
        self.marks.append([round(time.monotonic() - self.began, 2), what])

    def end(self):
        self.ending.set()
        self.thread.join()


def timeline(bench):
    """One server after the other: at rest, small bodies, at rest, large ones, at rest."""
    small = bench.body_file("small.json", run_body(HELLO))
    large = bench.body_file("large.json", run_body({**HELLO, "text": "x" * LARGE_BYTES}))
    seconds = 1 if bench.options.quick else 4
    for kind in KINDS:
        server = bench.makers.make(kind, "hello")
        client, _ = server.start()
        client.close()
        watch = Watch(server)
        try:
            command = through(bench, kind, server, watch, (small, large), seconds)
        finally:
            watch.end()
        server.stop()
        if not watch.series:
            raise Trouble(f"the memory of '{server.command}' could not be read")
        bench.add(report.of_samples(
            [max(own for _, own, _ in watch.series)], part=PART, unit="MB", command=command,
            name=f"the most: {kind}",
            more={"kind": kind, "series": watch.series, "marks": watch.marks,
                  "server": server.command}))


def through(bench, kind, server, watch, bodies, seconds):
    """All phases. Returns the command of the first load."""
    watch.mark("at rest")
    time.sleep(REST_S)
    if kind != CEILING:
        watch.mark("/init")
        server.init(bench.makers.action("hello", kind))
    watch.mark("small, 100 connections")
    command = bench.load(server, bodies[0], 100, seconds).command
    watch.mark("at rest")
    time.sleep(REST_S)
    watch.mark("1 MB, 16 connections")
    bench.load(server, bodies[1], 16, seconds)
    watch.mark("at rest")
    time.sleep(REST_S)
    return command
