"""Nothing left: no room on the disk, no place in the process table, no larger files."""

import os
import random
import subprocess

import pytest

import puppet
import samples
import whisk
from puppet import answer, steps
from whisk import SENTINEL, assert_error, wait_until


@pytest.fixture
def small_disk(folder):
    """A file system of 1 MB."""
    path = folder / "small"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "none", path],
                          check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_code_that_does_not_fit_is_told_and_leaves_nothing(proxy, small_disk):
    one = proxy("--runtime", "python", "--action-dir", small_disk)
    for _ in range(3):
        reply = one.init("#" * (2 << 20) + "\n" + samples.PYTHON_CODES["echo"])
        assert reply.status == 502 and "the disk is full (--action-dir)" in reply.error, reply
        wait_until(lambda: not whisk.files_below(small_disk), "what was written to be removed")
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


FILLS = """
import os

def main(args):
    if args.get("exit"):
        os._exit(1)
    written = 0
    if args.get("fill"):
        try:
            with open("filler", "wb", buffering=0) as file:
                while True:
                    written += file.write(b"x" * 4096)
        except OSError as full:
            return {"written": written, "errno": full.errno}
    return args
"""


def test_an_action_that_fills_the_disk_is_served_on(proxy, small_disk):
    """Its own folder is full: it hears of it, goes on, and is started again when it ends."""
    one = proxy("--runtime", "python", "--workers", 2, "--action-dir", small_disk)
    one.started(FILLS)
    told = one.run({"fill": True}).json
    assert told["errno"] == 28 and told["written"] > 1 << 18
    assert_error(one.run({"exit": True}), 400, "command exited")
    for number in range(5):
        assert one.run({"n": number}).json == {"n": number}
    one.check_streams(7)


def test_logs_on_a_full_disk_are_lost_and_come_again_with_room(proxy, small_disk):
    filler, log = small_disk / "filler", small_disk / "log"
    log.touch()
    one = proxy("--runtime", "native", "--answers", "fd3", streams=(log, None))
    one.started(puppet.CODE)
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(b"x" * 4096)
    for number in range(3):
        reply = one.run(steps(puppet.out(b"x" * 9999 + b"\n"), answer(f'{{"n":{number}}}')))
        assert reply.json == {"n": number}
    filler.unlink()
    assert one.run(steps(puppet.out("again\n"), answer("{}"))).status == 200
    assert log.read_bytes().endswith(f"again\n{SENTINEL}\n".encode())


def test_a_file_size_limit_of_the_proxys_own_is_told_and_outlived(proxy):
    """As of "docker run --ulimit fsize=…": it must not be the end of the proxy, as signals have it."""
    one = proxy("--runtime", "python", wrapper=("prlimit", "--fsize=4096"))
    for size in (8000, 200000):
        reply = one.init("#" * size + "\n" + samples.PYTHON_CODES["echo"])
        assert reply.status == 502 and "File too large" in reply.error, reply
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


BOMB = """
import os, signal

def main(args):
    n = 0
    try:
        while args.get("bomb"):
            if os.fork() == 0:
                signal.pause()
                os._exit(0)
            n += 1
    except OSError as full:
        return {"n": n, "errno": full.errno}
    return args
"""
N_PROCESSES = 24


def test_an_action_that_fills_the_process_table_is_served_on(proxy, folder):
    """
    The proxy belongs to a user who may have few processes, and its action takes them all. It is
    served on; and when it is late with that, those it made are killed with it, and it starts again.
    """
    user = str(random.randrange(1 << 20, 1 << 30))  # no other process is theirs
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    one = proxy("--runtime", "python", "--workers", 2, "--action-dir", home,
                wrapper=["prlimit", f"--nproc={N_PROCESSES}", "setpriv", "--reuid", user, "--regid",
                         user, "--clear-groups"])
    one.started(BOMB)
    told = one.run({"bomb": True}).json
    assert told["errno"] == 11 and 0 < told["n"] < N_PROCESSES
    for number in range(4):
        assert one.run({"n": number}).json == {"n": number}
    # No place for a new process now: whoever ends cannot be started before the others are gone.
    for pid in one.children():
        os.kill(pid, 9)
    wait_until(lambda: one.run({"a": 1}).status == 200, "the action to be started again")
    assert one.run({"a": 2}).json == {"a": 2}
    if not whisk.is_sanitized():
        assert len(one.children()) <= 2
