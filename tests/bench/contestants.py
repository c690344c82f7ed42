"""Who is measured: the ceiling, the proxy with an action in C and in Python, and the old way."""

import json
import pathlib
import shutil

from servers import Server, run_body

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/bench"

PYTHON = "/usr/bin/python3"
HELLO = {"name": "Mike"}
GREETING = {"greeting": "Hello, Mike!"}
GREETING_BYTES = '{"greeting":"Hello, Mike!"}'  # as both actions write it

CEILING = "ceiling, libh2o alone"
C_ACTION = "C action, announces pipeline"
PYTHON_ACTION = "Python action"
SPAWNING = "C, a process for each"
START_ALONE = "vfork and exec alone"  # an action without anything around it; of cold starts only
ALL = (CEILING, C_ACTION, PYTHON_ACTION, SPAWNING)


def turns(items, number):
    """The items, each round another one first: nobody always follows the same one."""
    items = list(items)
    first = number % len(items)
    return items[first:] + items[:first]


def expected(kind, action, value):
    """What the answer to run_body(value) has to be."""
    if action == "hello":
        return GREETING
    # The ceiling knows nothing of values: it sends the whole body back.
    return json.loads(run_body(value)) if kind == CEILING else value


class Contestants:
    """Makes servers out of what meson built, with a folder of their own for each proxy's files."""

    def __init__(self, build, folder):
        self.program = build / "proxy/whiskloop"
        self.bench = build / "tests/bench"
        self.folder = folder
        self.n_made = 0

    def action(self, name, kind):
        """The file of action `hello` or `echo`."""
        if kind == PYTHON_ACTION:
            return {"hello": ROOT / "actions/hello-python/hello.py", "echo": HERE / "echo.py"}[name]
        return self.bench / f"bench_{name}"

    def proxy(self, runtime, *options):
        """A proxy without an action; further arguments: its options."""
        self.n_made += 1
        files = self.folder / f"action{self.n_made}"
        return Server([self.program, "--listen", "127.0.0.1", "--port", "{port}",
                       "--runtime", runtime, "--action-dir", files,
                       "--dumpable",  # its memory is read from /proc
                       *options])

    def make(self, kind, action):
        """A server that is not started yet."""
        if kind == CEILING:
            return Server([self.bench / "bench_ceiling", "{port}", GREETING_BYTES],
                          "/echo" if action == "echo" else "/run")
        if kind == SPAWNING:
            return Server([self.bench / "bench_spawner", "{port}", self.action(action, kind)])
        return self.proxy("python" if kind == PYTHON_ACTION else "native")

    def started(self, kind, action):
        """A server that runs, with its action."""
        server = self.make(kind, action)
        client, _ = server.start()
        client.close()
        if kind in (C_ACTION, PYTHON_ACTION):
            server.init(self.action(action, kind))
        return server

    def hello(self, kind):
        """A server that greets, and was seen to."""
        server = self.started(kind, "hello")
        server.check(run_body(HELLO), expected(kind, "hello", HELLO))
        return server

    def clear(self):
        """Drop what the proxies have left; they have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
