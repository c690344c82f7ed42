"""whiskloop_concurrent - run many activations of an `async def main` at a time in one event loop.

A part of whiskloop_launcher.py, loaded only if __OW_ALLOW_CONCURRENT is "true" and the function is a
coroutine function. ../README.md, Several activations at a time, has the protocol.
"""

import asyncio
import inspect
import os
import re
import sys
from contextvars import ContextVar

from whiskloop_wire import READ_BYTES, environ, environb, flush_logs, parse, to_line

CONCURRENT = 500  # most activations at a time, as in nodejs/launcher.js

# The variables of the running activation: name -> value, both bytes. None outside of activations.
own = ContextVar("own", default=None)


class Environ(type(environ)):
    """os.environ, in which each activation sees the variables of its own metadata before all others.

    This becomes the class of os.environ and os.environb, which stay the same objects, because the user's
    code may have other names for them. An activation's changes to its own variables stay its own.
    """

    def __getitem__(self, key):
        raw = (own.get() or {}).get(self.encodekey(key))
        return super().__getitem__(key) if raw is None else self.decodevalue(raw)

    def __setitem__(self, key, value):
        raw, mine = self.encodekey(key), own.get() or {}
        if raw in mine:
            mine[raw] = self.encodevalue(value)
        else:
            super().__setitem__(key, value)

    def __delitem__(self, key):
        raw, mine = self.encodekey(key), own.get() or {}
        if raw in mine:
            del mine[raw]
        else:
            super().__delitem__(key)

    def __iter__(self):
        mine = own.get() or {}
        yield from [self.decodekey(raw) for raw in mine]
        yield from (key for key in super().__iter__() if self.encodekey(key) not in mine)

    def __len__(self):
        return sum(1 for _ in self)

    def __repr__(self):
        return "environ(%r)" % dict(self)


def pass_on_to_programs():
    """Make programs inherit what os.environ shows to their activation, not the process's variables."""
    import _posixsubprocess

    fork_exec = _posixsubprocess.fork_exec

    def fork_exec_in_own(args, programs, close_fds, pass_fds, cwd, env, *others):
        if env is None and own.get():
            env = [name + b"=" + value for name, value in Environ.items(environb)]
        return fork_exec(args, programs, close_fds, pass_fds, cwd, env, *others)

    _posixsubprocess.fork_exec = fork_exec_in_own
    subprocess = sys.modules.get("subprocess")
    if getattr(subprocess, "_fork_exec", None) is fork_exec:  # it was imported before us
        subprocess._fork_exec = fork_exec_in_own


def open_many(channel, function, variables, failed, parts):
    """An object that serves many activations of the function at a time; None if it is no `async def`."""
    if not (inspect.iscoroutinefunction(function)
            or inspect.iscoroutinefunction(getattr(type(function), "__call__", None))):
        return None
    environ.__class__ = environb.__class__ = Environ
    try:
        pass_on_to_programs()
    except (ImportError, AttributeError):
        pass  # another Python: programs see the variables of the process
    return Many(channel, function, variables, failed, parts)


def variables_of(items):
    """Pairs of name and text in the form of an environment: bytes to bytes."""
    variables = {}
    for name, text in items:
        try:
            if "\0" not in text:
                variables[os.fsencode(name)] = os.fsencode(text)
        except UnicodeEncodeError:  # half a surrogate pair
            pass
    return variables


def number_of(line):
    """The request id that a line begins with, also if Python cannot read the rest of the line."""
    found = re.match(rb"\[(\d+),", line)
    return int(found.group(1)) if found else None


class Many:
    """Serves numbered lines. Each is a task of its own, and its answer is sent when the task is done."""

    most = CONCURRENT

    def __init__(self, channel, function, variables, failed, parts):
        """variables: (metadata) -> pairs of name and text; failed: (exception) -> answer; parts: () -> an
        object of class Parts."""
        self.channel = channel
        self.function = function
        self.variables = variables
        self.failed = failed
        self.parts = parts
        self.unfinished = []  # pieces of a line
        self.tasks = set()
        self.ended = False
        self.over = False  # the process ends: activations that this cancels get no answer
        self.end = None  # the SystemExit or KeyboardInterrupt that an activation has raised
        self.in_child = False  # this is a forked child; only the parent serves
        self.loop = None

    def serve(self, loop):
        """Answer until the input has ended and all activations have answered."""
        self.loop = loop
        os.register_at_fork(after_in_child=self.stop_in_child)
        loop.add_reader(self.channel.lines_fd, self.read)
        try:
            while not self.ended or self.tasks:
                loop.run_forever()  # the user's code may stop it, too
                if self.over:
                    raise self.end
        except BaseException:  # raised by a callback, or by one of the user's tasks
            self.stop()
            raise

    def stop(self):
        """The process is to end: read no more lines, and begin none that were read."""
        self.over = True
        if not self.in_child:
            self.loop.remove_reader(self.channel.lines_fd)

    def stop_in_child(self):
        """In a forked child: end it as soon as its code awaits something.

        Its copy of the event loop would begin the activations that the parent has read, and continue those
        that wait. The copy cannot be closed: both processes share one epoll set, and the parent would lose its
        descriptors. So this puts end_child() first in the loop, before everything else that is ready.
        """
        self.in_child = True
        ready = getattr(self.loop, "_ready", None)
        if ready is None:  # not asyncio's own loop: read() and activate() check in_child, too
            self.loop.call_soon(self.end_child)
        else:
            ready.appendleft(asyncio.Handle(self.end_child, (), self.loop))

    @staticmethod
    def end_child():
        flush_logs()
        os._exit(0)

    def read(self):
        if self.in_child:
            self.end_child()
        chunk = os.read(self.channel.lines_fd, READ_BYTES)
        first, *others = chunk.split(b"\n")
        self.unfinished.append(first)
        for piece in others:
            line = b"".join(self.unfinished)
            self.unfinished = [piece]
            self.begin(line)
        if not chunk:
            self.loop.remove_reader(self.channel.lines_fd)
            self.ended = True
            self.end_if_done()

    def begin(self, line):
        if not line:
            return  # an empty line asks whether lines are read
        number = number_of(line)
        try:
            _, request = parse(line)
            request = {} if request is None else request
            if number is None or not isinstance(request, dict):
                raise ValueError("want a number and a JSON object with a value")
        except Exception as problem:
            return self.answer(number, to_line({"error": "cannot read the line as JSON: %s" % problem}))
        activation = self.activate(number, request)
        try:  # the user's code may have set a task factory, which may fail
            task = self.loop.create_task(activation)
            task.add_done_callback(self.done)
        except Exception as problem:
            activation.close()
            return self.answer(number, self.failed(problem))
        self.tasks.add(task)

    async def activate(self, number, request):
        if self.in_child:
            self.end_child()
        if self.over:
            return
        try:
            value = request.pop("value", None)
            own.set(variables_of(self.variables(request)))
            answer = await self.finish(await self.function({} if value is None else value))
        except (SystemExit, KeyboardInterrupt) as end:
            if self.in_child:
                raise
            if not self.over:
                self.end = end  # if it were raised here, asyncio would log it
                self.stop()
                self.loop.stop()
            return
        except BaseException as problem:  # asyncio's CancelledError is not an Exception
            if self.over:
                raise
            answer = self.failed(problem)
        self.answer(number, answer)

    async def finish(self, result):
        """The answer for the function's result. For an iterator, the list of its items."""
        if hasattr(result, "__next__"):
            return self.parts().take(result)
        if hasattr(result, "__anext__"):
            return await self.parts().take_async(result)
        return to_line(result)

    def answer(self, number, line):
        """Write an answer, without a number if the line had none."""
        flush_logs()
        self.channel.answer(line if number is None else b"[%d,%b]\n" % (number, line[:-1]))

    def done(self, task):
        self.tasks.discard(task)
        self.end_if_done()

    def end_if_done(self):
        if self.ended and not self.tasks:
            self.loop.stop()
