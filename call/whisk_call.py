"""whisk_call - call an action from a program.

The action is a subprocess, `whiskloop pipe`. A call is a line in and a line out. whisk_call.h has the
same words for C.

    import whisk_call

    with whisk_call.open("hello.py") as hello:
        print(hello.run({"name": "Mike"}, ms=1000))

A caller is for one thread at a time. Python 3.7 and later, nothing but its library.
"""

import collections
import json
import os
import select
import signal
import subprocess
import time

HELD_MAX_BYTES = 64 << 20  # unsent lines; then starting a call fails
CLOSE_S = 2
KINDS = ("request", "method", "action", "died", "late", "exhausted", "overload", "unavailable")


class Error(Exception):
    """A call that failed; kind: one of KINDS (docs/errors.md), answer: all that came."""

    def __init__(self, answer, kind=None):
        super().__init__(answer.get("error") if isinstance(answer, dict) else answer)
        kind = kind or (answer.get("kind") if isinstance(answer, dict) else None)
        self.kind = kind if kind in KINDS else "action"
        self.answer = answer


def open(action, settings=(), program="whiskloop", docker="docker"):  # as in C
    """Start the action: a file, a folder, or "image:NAME". settings: more words for pipe."""
    return Caller(action, settings, program, docker)


class Caller:
    """An open action."""

    def __init__(self, action, settings=(), program="whiskloop", docker="docker"):
        self._process = None  # if it cannot be started
        if isinstance(settings, str):
            raise TypeError("settings: want a list of words, such as ['--workers', '2']")
        pipe = ["pipe", "--parts", "--announce", *map(str, settings)]
        action = str(action)
        if action.startswith("image:"):
            words = [docker, "run", "-i", "--rm", action[len("image:"):], *pipe]
        elif action.startswith("-"):
            raise ValueError("%r would be an option" % action)
        else:
            words = [program, *pipe, action]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         bufsize=0)
        self._in = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._loop = select.epoll()
        self._loop.register(self._out, select.EPOLLIN)
        self._wants_write = False
        self._unsent = bytearray()
        self._received = bytearray()
        self._lines = collections.deque()  # not taken yet
        self._calls = {}  # id -> (the callback, bytes of the line)
        self._last_id = 0
        self._is_ready = False
        self._why = None  # why the action could not be started
        self._method = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        """Let the subprocess of a caller that nobody has closed end by itself. Python keeps a running
        one, and its pipes."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()

    def ready(self, ms):
        """Wait until the action is loaded; Error if it failed or ms have passed."""
        until = time.monotonic() + ms / 1000
        while not self._is_ready:
            left = until - time.monotonic()
            if left < 0:
                raise Error("the action is not ready in time", "late")
            if not self.step(left * 1000):
                raise Error(self._why_ended(), "unavailable")

    def run(self, argument=None, ms=0):
        """One call, start to end: the result, or Error. Parts are dropped."""
        done = []
        self.start(argument, lambda answer, part: None if part else done.append(answer), ms)
        while not done:
            self.step(-1)
        if isinstance(done[0], Error):
            raise done[0]
        return done[0]

    def start(self, argument, answered, ms=0):
        """Start a call. answered(answer, is_part) follows for each part and once for the result or
        an Error, from step() or a method that waits."""
        if self._out is None:
            raise Error(self._why_ended(), "unavailable")
        if len(self._unsent) > HELD_MAX_BYTES:
            raise Error("64 MiB of calls have not been sent: let step() work first", "overload")
        body = {} if not ms else {"deadline": int(time.time() * 1000 + max(ms, 0))}
        if self._method is not None:
            body["method"] = self._method
        body["value"] = {} if argument is None else argument
        line = json.dumps([self._last_id + 1, body]).encode() + b"\n"
        self._last_id += 1
        self._calls[self._last_id] = answered, len(line)
        self._unsent += line
        self._write()

    def method(self, name):
        """The function (--functions) that all calls from now on call; None: the first."""
        self._method = name

    def in_flight(self):
        """Calls that have not been answered."""
        return len(self._calls)

    def fd(self):
        """For one's own event loop: readable when step() has something to do."""
        return self._loop.fileno()

    def step(self, ms=0):
        """Write and read what is possible, wait at most ms for anything (-1: for ever). False: the
        subprocess has ended, and all calls were answered."""
        if self._out is not None and not self._lines:
            self._write()
            if self._loop.poll(ms / 1000 if ms >= 0 else None):
                self._read()
        try:
            while self._lines:
                self._take(self._lines.popleft())
            while self._out is None and self._calls:
                self._answer(next(iter(self._calls)), {
                    "error": self._why_ended(),
                    "kind": "died" if self._is_ready else "unavailable"})
        finally:
            if self._process is not None:  # a callback may close
                self._write()
        return self._out is not None

    def close(self):
        """End the subprocess, at the latest in 2 seconds. Calls in flight are given up."""
        if self._process is None:
            return
        self._process.stdin.close()
        if self._calls:
            self._process.send_signal(signal.SIGTERM)
        until = time.monotonic() + CLOSE_S
        while self._out is not None and self._loop.poll(max(0, until - time.monotonic())):
            if not os.read(self._out, 1 << 20):
                break
        self._process.stdout.close()
        try:
            self._process.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._loop.close()
        self._calls.clear()
        self._process = self._out = None

    def _why_ended(self):
        if self._why:
            return self._why
        if self._is_ready:
            return "the subprocess has ended"
        return "the subprocess has ended before the action was loaded; its stderr may say why"

    def _write(self):
        try:
            while self._unsent:
                del self._unsent[:os.write(self._in, self._unsent[:1 << 20])]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # its end follows by the other descriptor
            self._unsent.clear()
        # A callback that has raised leaves work, for which fd() has to be readable.
        wants = bool(self._unsent or self._lines or self._out is None and self._calls)
        if wants != self._wants_write:
            if wants:
                self._loop.register(self._in, select.EPOLLOUT)
            else:
                self._loop.unregister(self._in)
            self._wants_write = wants

    def _read(self):
        try:
            data = os.read(self._out, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            self._loop.unregister(self._out)
            self._out = None
            return
        self._received += data
        if b"\n" in data:
            *lines, rest = bytes(self._received).split(b"\n")
            self._received = bytearray(rest)
            self._lines.extend(lines)

    def _take(self, line):
        try:
            value = json.loads(line)
        except ValueError:  # printed by what is around pipe, such as an image's entrypoint
            return
        if isinstance(value, list):
            if len(value) == 2 and isinstance(value[0], int) and isinstance(value[1], dict):
                self._answer(*value)
        elif not isinstance(value, dict):
            return
        elif "ready" in value:
            self._is_ready = value["ready"]
            self._why = value.get("reason", value.get("error"))
        elif value.get("kind") == "request" and self._calls:
            # A line over --run-max-bytes is answered without its id: it was longer than any other.
            self._answer(max(self._calls, key=lambda call: self._calls[call][1]), value)

    def _answer(self, call, value):
        if call not in self._calls:
            return
        is_part = "part" in value and "error" not in value
        answered, _ = self._calls[call] if is_part else self._calls.pop(call)
        if is_part:
            answered(value["part"], True)
        elif "error" in value:
            answered(Error(value), False)
        else:
            answered(value["result"], False)
