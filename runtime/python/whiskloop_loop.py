"""whiskloop_loop - the event loop that this process awaits in.

A part of whiskloop_launcher.py and whiskloop_concurrent.py, loaded when something is to be awaited.
"""

import asyncio
import atexit
import os
import warnings

pid = None  # the process whose loop it is; a forked child has a copy that it must leave alone
found = None  # for wait_for()


def find_loop():
    """The event loop of this process: the one that the user's code has set, or a new one."""
    global pid
    loop = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # versions differ in what it does when none is set
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            pass
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    atexit.register(close_loop, loop)
    pid = os.getpid()
    return loop


def close_loop(loop):
    """At the end of the process: what waits is cancelled, as asyncio.run() does. Not at that of a
    forked child: what waits is the parent's, and so is the epoll set, which both loops have."""
    if loop.is_closed() or loop.is_running() or os.getpid() != pid:
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def wait_for(awaitable):
    """What an awaitable gives. There is one event loop for the life of the process: a client in a global
    works in every activation, and tasks of its own go on when the next one waits."""
    global found

    async def wait():
        return await awaitable

    if found is None or found.is_closed():
        found = find_loop()
    return found.run_until_complete(wait())
