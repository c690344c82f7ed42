"""Clients that leave at every stage: the next activation is right, whatever became of theirs."""

import contextlib
import json

import pytest

import samples
from watch import Watched
from whisk import together, wait_until
from wire import request_bytes

LEAVING = pytest.mark.parametrize("leave", ["close", "reset"])


def walk_out(stream, how):
    getattr(stream, how)()


def assert_serves(one, name="next"):
    assert one.run({"id": name}).json == {"id": name}


@LEAVING
@pytest.mark.parametrize("path", ["/run", "/init"])
def test_leaving_before_the_body_is_complete(proxy, path, leave):
    """A request cut off in its head or its body is no request."""
    one = proxy("--runtime", "python")
    code = samples.PYTHON_CODES["echo"]
    body = json.dumps({"value": {"code": code, "pad": "x" * 200}}).encode()
    if path == "/run":
        one.started(code)
    for sent in (5, 40, 110, 180):
        stream = one.connect()
        stream.send(request_bytes(path, body)[:sent])
        walk_out(stream, leave)
    if path == "/init":
        one.started(code)
    assert_serves(one)
    one.check_streams(1)


@LEAVING
def test_TV3_leaving_during_a_run(proxy, kind, gate, leave):
    """T-V3: the run goes on, its answer is dropped, its sentinels stay; the next gets its own."""
    door = gate()
    one = proxy(*kind.options)
    one.started(kind["wait_at_gate"])
    stream = one.connect()
    body = json.dumps({"value": {"gate": door.path, "id": "left"}}).encode()
    stream.send(request_bytes("/run", body))
    door.wait_reached()
    walk_out(stream, leave)
    door.release()
    assert_serves(one)
    one.check_streams(2)


@LEAVING
def test_TV3_leaving_in_turn_many_times(proxy, leave):
    """T-V3: whenever in the life of a run its client leaves, no later answer is shifted."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    for number in range(100):
        stream = one.connect()
        stream.send(request_bytes("/run", b'{"value":{"id":"left %d"}}' % number))
        walk_out(stream, leave)
        assert_serves(one, f"stays {number}")


@LEAVING
def test_leaving_while_waiting_in_the_queue(proxy, gate, folder, leave):
    """Every second of twenty waiting clients leaves; the others get their own answers."""
    door = gate()
    watched = Watched(proxy, folder, "--runtime", "native", "--workers", 1)
    one = watched.proxy
    one.started(samples.SHELL_CODES["wait_at_gate"])
    first = one.later(one.run, {"gate": door.path, "id": "first"})
    door.wait_reached()
    streams = [one.connect() for _ in range(20)]
    for number, stream in enumerate(streams):
        stream.send(request_bytes("/run", b'{"value":{"id":"n%d"}}' % number))
    wait_until(lambda: watched.metrics()["whiskloop_activations_queued"].value() == 20, "all to wait in the queue")
    for stream in streams[::2]:
        walk_out(stream, leave)
    door.release()
    assert first.result().json == {"id": "first"}
    for number, stream in enumerate(streams):
        if number % 2:
            assert stream.answer().json == {"id": f"n{number}"}
            stream.close()
    assert_serves(one)


@LEAVING
def test_leaving_during_init(proxy, gate, leave):
    """The init goes on without its client; after it runs are answered."""
    door = gate()
    one = proxy("--runtime", "python")
    code = f"open({door.path!r}).read()\n" + samples.PYTHON_CODES["echo"]
    stream = one.connect()
    stream.send(request_bytes("/init", json.dumps({"value": {"code": code}}).encode()))
    door.wait_reached()
    walk_out(stream, leave)
    door.release()
    wait_until(lambda: one.run({"id": "x"}).status == 200, "the init to be over")
    assert_serves(one)


@LEAVING
@pytest.mark.parametrize("read", [0, 1, 100000])
def test_leaving_during_the_answer(proxy, read, leave):
    """A client that leaves in the middle of 20 MB; the next answer is whole."""
    one = proxy("--runtime", "python", "--answer-max-bytes", 30 << 20)
    one.started("def main(args):\n    return {'id': args['id'], 'pad': 'x' * args.get('n', 0)}\n")
    stream = one.connect()
    stream.send(request_bytes("/run", b'{"value":{"id":"left","n":20971520}}'))
    if read:
        assert len(stream.file.read(read)) == read
    walk_out(stream, leave)
    for number in range(3):
        reply = one.run({"id": number, "n": 1000000})
        assert reply.json == {"id": number, "pad": "x" * 1000000}
    one.check_streams(4)


def test_leaving_with_others_present(proxy):
    """Twenty at once, of which ten leave as soon as they have asked: no answer goes astray."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])

    def ask(number):
        stream = one.connect()
        stream.send(request_bytes("/run", b'{"value":{"id":%d}}' % number))
        if number % 2:
            stream.reset()
            return
        assert stream.answer().json == {"id": number}
        stream.close()

    for _ in range(5):
        together([lambda n=n: ask(n) for n in range(20)])
    assert_serves(one)


def test_half_closed_client_gets_its_answer(proxy, gate):
    """A client that has said all it has to say, and shut its side, still waits for the answer."""
    door = gate()
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["wait_at_gate"])
    with one.connect() as stream:
        body = json.dumps({"value": {"gate": door.path, "id": "patient"}}).encode()
        stream.send(request_bytes("/run", body))
        stream.socket.shutdown(1)
        door.wait_reached()
        door.release()
        assert stream.answer().json == {"id": "patient"}


STATES = {
    "idle": b"",
    "in a head": b"POST /run HTTP/1.1\r\nHost: x\r\nX-A: ",
    "in chunks": b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
    "waiting to go on": b"POST /run HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "being refused": b"POST /run HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + 100000 * b"x",
    "with requests ahead": 50 * request_bytes("/run", b'{"value":{"id":"ahead"}}'),
    "behind its answer": request_bytes("/nothing", b""),
}


@pytest.mark.parametrize("state", STATES)
def test_a_reset_in_every_state(proxy, state):
    """Twenty clients at a time; what is told to the next one is its own."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    streams = [one.connect() for _ in range(20)]
    for stream in streams:
        with contextlib.suppress(OSError):  # refused already
            stream.send(STATES[state])
    for stream in streams:
        stream.reset()
    assert_serves(one)
    one.wait_left()


def test_10000_connections_that_open_and_close(proxy):
    """Half of them with a reset. Nothing of them is kept."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    grown = []
    for round_ in range(2):
        for number in range(5000):
            stream = one.connect()
            walk_out(stream, "reset" if number % 2 else "close")
        assert_serves(one, round_)
        one.wait_left()
        grown.append(one.memory_kb("VmRSS"))
    assert grown[1] - grown[0] < 1024
