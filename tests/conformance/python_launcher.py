"""What the tests of the Python launcher share: it as a filter in a shell and as a child with pipes.

LAUNCHER_PYTHON names another interpreter to test it with (pypy3). With the fixture `both_ways` each
test runs with the accelerator of the build folder and without; with @one_way as it is built.
"""

import json
import os
import pathlib
import signal
import subprocess
import textwrap
import threading

import pytest

LAUNCHER = pathlib.Path(__file__).resolve().parents[2] / "runtime" / "python" / "launcher.py"
PYTHON = os.environ.get("LAUNCHER_PYTHON", "/usr/bin/python3")
READY = {"ok": True, "pipeline": 64, "parts": True, "control": True}
ACCELERATOR = pathlib.Path(os.environ.get("BUILD", "build")).resolve() / "runtime" / "python"
HANG_S = 30  # a test that waits longer than this has found a hang; then its launcher is killed


options = []  # for the interpreter of all launchers that are started


def accelerate(must=True):
    """Start launchers with the accelerator. Skips the test where none is built, unless that does not matter."""
    if list(ACCELERATOR.glob("whiskloop_accelerator.*.so")):
        options[:] = ["-X", "whiskloop=%s" % ACCELERATOR]
    elif must:
        pytest.skip("no accelerator is built: python3-dev is missing, or BUILD names no build folder")


@pytest.fixture(params=["accelerated", "plain"])
def both_ways(request):
    """Each test with the loop in C, and with the one in Python."""
    if request.param != "plain":
        accelerate(must=request.param == "accelerated")
    yield
    del options[:]


# Of a test that is about what comes before the first line: there the accelerator has no part in it.
one_way = pytest.mark.parametrize("both_ways", ["as built"], indirect=True)


def environment(extra):
    return dict({"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, **extra)


class Child:
    """A launcher as the proxy starts it: pipes on 0 and 1, the log on 2 and 3 (here: files)."""

    def __init__(self, log_dir, *arguments, env=None, ack=True, cwd=None):
        self.out_path, self.err_path = log_dir / "child.out", log_dir / "child.err"
        env = environment(env or {})
        if ack:
            env["__OW_WAIT_FOR_ACK"] = "1"
        script = 'exec "$@" 2>%s 3>%s' % (self.err_path, self.out_path)
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", PYTHON, *options, "-u", str(LAUNCHER), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=cwd,
            start_new_session=True)
        self.hung = False
        self.watchdog = threading.Timer(HANG_S, self.hang)
        self.watchdog.daemon = True
        self.watchdog.start()

    def hang(self):
        self.hung = True
        self.kill()

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def send(self, *lines):
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.process.stdin.write("".join(text + "\n" for text in texts).encode())
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        assert line.endswith(b"\n"), "no answer; stderr: " + self.err()
        return json.loads(line)

    def run(self, value=None, **metadata):
        self.send(dict({"value": {} if value is None else value}, **metadata))
        return self.answer()

    def out(self):
        return self.out_path.read_text("utf-8")

    def err(self):
        return self.err_path.read_text("utf-8")

    def end(self):
        """Close the input; the exit status and what was still answered."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status, rest = self.process.wait(), self.process.stdout.read()
        assert not self.hung
        return status, rest


@pytest.fixture
def action(tmp_path):
    """A function that writes an action's folder: code for __main__.py, then other files."""
    folder = tmp_path / "action"

    def write(code, **files):
        texts = dict({"__main__.py": code}, **files)
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), "utf-8")
        return folder

    return write


@pytest.fixture
def start(tmp_path):
    """A function that starts a Child and, unless told otherwise, waits for its ready line."""
    children = []

    def start_child(*arguments, ready=True, **options):
        child = Child(tmp_path, *arguments, **options)
        children.append(child)
        if ready:
            assert child.answer() == READY
        return child

    yield start_child
    for child in children:
        child.watchdog.cancel()
        child.kill()
        child.end()
        child.process.stdout.close()


def shell(*arguments, lines="", env=None, program=None):
    """Run the launcher as a filter in a shell: answers on stdout, all else on stderr."""
    command = (program or [PYTHON, *options, str(LAUNCHER)]) + [str(argument) for argument in arguments]
    done = subprocess.run(command, input=lines.encode("utf-8", "surrogatepass"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(env or {}), timeout=HANG_S)
    done.answers = [json.loads(line) for line in done.stdout.splitlines()]
    done.err = done.stderr.decode("utf-8")
    return done


ECHO = "def main(args):\n    return args\n"
HELLO = 'def main(args):\n    return {"greeting": "Hello, " + args.get("name", "stranger")}\n'
