"""--listen unix:PATH: the contract on a Unix socket, as sidecars have it."""

import json
import os
import signal
import stat
import subprocess

import pytest

import samples
from whisk import LEAKS_OF_LIBRARIES, PROGRAM, WAIT_S, wait_until


@pytest.fixture
def listening(folder):
    """Start proxies on a socket of that name, once it is there; all are ended."""
    processes = []

    def start(where, *options):
        path = where.partition(":")[2].partition(",")[0]
        log = folder / f"log{len(processes)}"
        process = subprocess.Popen(
            [PROGRAM, "--listen", where, "--admin", "", "--log-file", log, *options], cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(folder),
                 "LSAN_OPTIONS": f"suppressions={LEAKS_OF_LIBRARIES}:print_suppressions=0"})
        processes.append(process)
        wait_until(lambda: process.poll() is not None or "main.listen" in
                   (log.read_text() if log.exists() else ""), "it to listen")
        process.path = path
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def ask(path, name, body):
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", path, f"http://action/{name}", "-d", json.dumps(body)],
        capture_output=True, timeout=WAIT_S, check=True)
    return json.loads(done.stdout)


def serves(path):
    assert ask(path, "init", {"value": {"code": samples.GREET_SHELL}}) == {"ok": True}
    return ask(path, "run", {"value": {"name": "Mike"}}) == {"hello": "Mike"}


def test_an_action_is_served_on_a_unix_socket(listening, folder):
    one = listening(f"unix:{folder}/action.sock,mode=0600")
    assert stat.S_IMODE(os.stat(one.path).st_mode) == 0o600
    assert serves(one.path)
    one.send_signal(signal.SIGTERM)
    assert one.wait(WAIT_S) == 0
    assert not os.path.exists(one.path), "the socket's file goes with the proxy"


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(listening, folder):
    where = f"unix:{folder}/action.sock"
    first = listening(where)
    first.kill()
    first.wait(WAIT_S)
    assert os.path.exists(first.path)
    second = listening(where)
    third = listening(where)
    assert third.wait(WAIT_S) == 1
    assert f'cannot listen on "{folder}/action.sock"' in third.stderr.read().decode()
    assert serves(second.path)


def test_what_has_taken_the_sockets_place_stays(listening, folder):
    """A script that removes the socket before it starts a proxy, while the last one still drains."""
    where = f"unix:{folder}/action.sock"
    first = listening(where)
    os.unlink(first.path)
    second = listening(where)
    first.send_signal(signal.SIGTERM)
    assert first.wait(WAIT_S) == 0
    assert serves(second.path)


@pytest.mark.parametrize("where, why", [
    ("unix:", "the path is missing; want unix:PATH\n"), ("unix:x,mode=9", "mode=9"), ("unix:/no/such/x", "/no/such/x"),
])
def test_what_cannot_be_listened_on_is_told(listening, where, why):
    one = listening(where)
    assert one.wait(WAIT_S) in (1, 2)
    assert why in one.stderr.read().decode()
