"""What an action's processes start and leave behind: it ends with them, whatever group it is in."""

import os
import pathlib
import signal

import pytest

from languages import language
from whisk import WAIT_S, assert_error, is_alive, soon, wait_until

# Starts a process that leaves the group, in one of the ways in which programs do, and tells its number.
LEAVES = """
import os, signal, time

def linger(note, ways):
    # A child in a session of its own; "orphan": its parent ends, as a daemon's does.
    pid = os.fork()
    if pid > 0:
        if "orphan" in ways:
            os.waitpid(pid, 0)
        return
    os.setsid()
    if "orphan" in ways and os.fork() > 0:
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for fd in range(0, 256):
        try:
            os.close(fd)
        except OSError:
            pass
    if "deep" in ways:
        for _ in range(3):
            os.setsid() if os.getsid(0) != os.getpid() else None
            if os.fork() > 0:
                time.sleep(600)
                os._exit(0)
    with open(note + ".new", "w") as out:
        out.write(str(os.getpid()))
    os.rename(note + ".new", note)
    time.sleep(600)
    os._exit(0)

def main(args):
    if "note" in args:
        linger(args["note"], args["ways"])
        while not os.path.exists(args["note"]):
            time.sleep(0.01)
    if args.get("then") == "hang":
        time.sleep(600)
    if args.get("then") == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"pid": os.getpid()}
"""

WAYS = ["session", "orphan", "deep", "orphan deep"]


def pid_in(note):
    return int(pathlib.Path(note).read_text())


def assert_ends(pid):
    wait_until(lambda: not is_alive(pid), f"process {pid} that the action left behind to end")


@pytest.mark.parametrize("ways", WAYS)
def test_a_run_that_is_late_leaves_no_process(proxy, folder, ways):
    """Headless browsers are started in sessions of their own; three late runs left three of them."""
    one = proxy("--kill-after", 100)
    one.started(LEAVES)
    note = str(folder / "note")

    def is_late():
        """On a busy machine not each run gets so far that it leaves a process."""
        assert one.run({"note": note, "ways": ways, "then": "hang"}, deadline=soon(1500)).status == 502
        return os.path.exists(note)

    wait_until(is_late, "a late run that has left a process")
    assert_ends(pid_in(note))
    assert one.run({}).status == 200


@pytest.mark.parametrize("ways", WAYS)
def test_a_worker_that_dies_leaves_no_process(proxy, folder, ways):
    one = proxy()
    one.started(LEAVES)
    note = str(folder / "note")
    assert_error(one.run({"note": note, "ways": ways, "then": "die"}), 400, "command exited")
    assert_ends(pid_in(note))
    assert one.run({}).status == 200


@pytest.mark.parametrize("ways", WAYS)
def test_the_proxys_end_leaves_no_process(proxy, folder, ways):
    """The fixture's check of what is left goes by environment and session; this one by its number."""
    one = proxy()
    one.started(LEAVES)
    note = str(folder / "note")
    assert one.run({"note": note, "ways": ways}).status == 200
    assert is_alive(pid_in(note))
    one.terminate()
    assert one.process.wait(WAIT_S) == 0
    assert_ends(pid_in(note))  # killed, which a process that gets no processor feels late


# Each process starts the next one and waits. The first leaves the group, the last tells its pid.
GENERATIONS = """
import os, time

def main(args):
    mine, theirs = os.pipe()
    if os.fork() == 0:
        try:
            os.setsid()
            for _ in range(args["generations"]):
                if os.fork() > 0:
                    time.sleep(600)
                    os._exit(0)
            os.write(theirs, b"%d" % os.getpid())
            time.sleep(600)
        finally:
            os._exit(0)
    last = int(os.read(mine, 16))
    with open(args["note"], "w") as out:
        out.write(str(last))
    if args["dies"]:
        os._exit(1)
    return {}
"""


@pytest.mark.parametrize("ends", ["worker", "proxy"])
def test_many_generations_are_left_behind(proxy, folder, ends):
    """A process becomes the proxy's child only when its parent is dead: here the 300th would be killed last."""
    one = proxy()
    one.started(GENERATIONS)
    note = folder / "note"
    run = one.run({"generations": 300, "note": str(note), "dies": ends == "worker"})
    if ends == "worker":
        assert_error(run, 400, "command exited")
    else:
        assert run.status == 200
        one.terminate()
        assert one.process.wait(WAIT_S) == 0
    assert_ends(pid_in(note))


def test_what_another_worker_started_lives_on(proxy, folder):
    """A daemon of a worker that serves is no business of its neighbour's end."""
    one = proxy("--workers", 2)
    one.started(LEAVES)
    notes = {}

    def both_have_one():
        # Which worker takes an activation is the proxy's choice: ask until each has had one.
        note = folder / "note"
        owner = one.run({"note": str(note), "ways": "orphan"}).json["pid"]
        notes.setdefault(owner, []).append(pid_in(note))
        note.unlink()
        return len(notes) == 2

    wait_until(both_have_one, "both workers to have taken an activation")
    (dead, left), (_, kept) = notes.items()
    os.kill(dead, signal.SIGKILL)
    for pid in left:
        assert_ends(pid)
    assert all(is_alive(pid) for pid in kept)


# The child returns, too. C: test_c_sdk.py; Node.js, Go, Java, .NET and Lua cannot fork.
FORKS = {
    "python": "import os\ndef main(args):\n    return {'id': args['id'], 'child': os.fork() == 0}\n",
    "ruby": "def main(args)\n  { id: args['id'], child: fork.nil? }\nend\n",
    "perl": "sub main {\n    my $pid = fork;\n    return { id => $_[0]{id}, child => $pid ? \\0 : \\1 };\n}\n1;\n",
    "php": "<?php\nfunction main(array $args): array {\n"
           "    return ['id' => $args['id'], 'child' => pcntl_fork() === 0];\n}\n",
}


@pytest.mark.parametrize("name", FORKS)
def test_a_forked_child_that_returns_is_no_second_launcher(proxy, name):
    row = language(name)
    one = proxy(*row.options, env=row.env)
    one.started(FORKS[name])
    for number in range(8):
        assert one.run({"id": number}).json == {"id": number, "child": False}
    wait_until(lambda: len(one.left_processes()) == 1, "the children to be gone")
    assert one.check_streams(8) == ("", "")
