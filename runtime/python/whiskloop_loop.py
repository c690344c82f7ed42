"""whiskloop_loop - the event loop in which this process awaits.

A part of whiskloop_launcher.py and whiskloop_concurrent.py, loaded when something is to be awaited.
"""

import asyncio
import atexit
import os
import warnings

pid = None  # the process that owns the loop; a forked child must leave its copy alone
found = None  # for wait_for()


def find_loop():
    """The event loop of this process: the one that the user's code has set, or a new one."""
    global pid
    loop = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some versions of Python warn when no loop is set
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
    """Cancel the waiting tasks at the end of the process, as asyncio.run() does. Do nothing in a forked
    child: the tasks, and the epoll set that both loops share, belong to the parent."""
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
    """The result of an awaitable. One event loop is used for the life of the process: a client in a global
    works in every activation, and tasks go on when the next activation awaits."""
    global found

    async def wait():
        return await awaitable

    if found is None or found.is_closed():
        found = find_loop()
    return found.run_until_complete(wait())
