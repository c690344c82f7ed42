"""What clients can make the proxy hold, and for how long: bodies, answers, connections."""

import contextlib
import json
import socket
import time

import pytest

import samples
import whisk
from watch import Watched
from whisk import WAIT_S, wait_until
from wire import request_bytes

MIB = 1 << 20
ANSWERS = """
def main(args):
    return {"text": args.get("n", 0) * "x"}
"""


def unfinished(stream, declared, sent=0):
    """A body of which only `sent` bytes come."""
    stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % declared +
                sent * b" ")


def run_on(stream, argument):
    stream.send(request_bytes("/run", json.dumps({"value": argument}).encode()))
    return stream.answer().json


@pytest.mark.parametrize("n", [1, 3])
def test_as_many_connections_are_kept_as_are_allowed(proxy, n):
    """The last one takes nobody's place; one more takes that of the longest idle."""
    one = proxy("--runtime", "python", "--connections-max", n)
    one.started(samples.PYTHON_CODES["echo"])
    streams = [one.connect() for _ in range(n)]
    for turn in range(3):
        streams.reverse()  # in the end, the longest idle is the last that came
        assert [run_on(stream, {"n": turn}) for stream in streams] == n * [{"n": turn}]
    more = one.connect()
    assert run_on(more, {"n": 4}) == {"n": 4}
    assert streams[0].file.read() == b""
    assert [run_on(stream, {"n": 5}) for stream in streams[1:]] == (n - 1) * [{"n": 5}]
    for stream in (more, *streams):
        stream.close()


def test_a_new_connection_is_not_dropped_for_the_next_one(proxy, gate):
    """While all others are busy, clients wait for a place; none takes that of one that has just come."""
    one = proxy("--runtime", "python", "--connections-max", 2)
    one.started("def main(args):\n    return {'read': open(args['gate']).read()}\n")
    door = gate()
    busy = one.connect()
    busy.send(request_bytes("/run", json.dumps({"value": {"gate": door.path}}).encode()))
    door.wait_reached()
    streams = [one.connect() for _ in range(5)]
    for stream in streams:
        stream.send(request_bytes("/nowhere", b"{}", headers=["Connection: close"]))
    assert [stream.answer().status for stream in streams] == 5 * [404]
    door.release()
    assert busy.answer().status == 200
    for stream in (busy, *streams):
        stream.close()


def test_unfinished_bodies_are_dropped_for_want_of_room(proxy):
    """Who sends nothing more loses to who does; the next activation is right."""
    one = proxy("--runtime", "python", "--held-max-bytes", 8 * MIB)
    one.started(samples.PYTHON_CODES["echo"])
    slow = [one.connect() for _ in range(3)]
    unfinished(slow[0], 7 * MIB, 5 * MIB)
    time.sleep(1.5)  # until it counts as slow; without that the case would prove less
    answer = one.run({"text": 5 * MIB * "y"})
    assert answer.json == {"text": 5 * MIB * "y"}
    assert slow[0].file.read() == b""
    for stream in slow:
        stream.close()


def test_a_body_without_room_is_refused_before_it_comes(proxy, folder):
    one = Watched(proxy, folder, "--runtime", "python", "--held-max-bytes", 8 * MIB)
    one.proxy.started(samples.PYTHON_CODES["echo"])
    with one.proxy.connect() as first, one.proxy.connect() as second:
        unfinished(first, 7 * MIB, 5 * MIB)
        unfinished(second, 7 * MIB)
        answer = second.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1"), answer
        assert "--held-max-bytes" in answer.error
        assert second.file.read() == b""
    assert one.proxy.run({"a": 1}).json == {"a": 1}
    assert one.ends() == {"no_room": 1, "ok": 1}


def test_a_chunked_body_without_room_is_refused(proxy):
    one = proxy("--runtime", "python", "--held-max-bytes", 4 * MIB)
    one.started(samples.PYTHON_CODES["echo"])
    with one.connect() as first, one.connect() as second:
        unfinished(first, 3 * MIB, MIB)
        second.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(60):
                second.send(b"10000\r\n" + 65536 * b" " + b"\r\n")
        except OSError:
            pass  # refused already
        assert second.answer().status == 429
    assert one.run({"a": 1}).json == {"a": 1}


def test_a_chunked_body_counts_as_it_grows(proxy, folder):
    one = Watched(proxy, folder, "--runtime", "python")
    one.proxy.started(samples.PYTHON_CODES["echo"])
    with one.proxy.connect() as stream:
        stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                    32 * (b"8000\r\n" + 32768 * b" " + b"\r\n"))
        wait_until(lambda: MIB <= held(one) <= 3 * MIB, "the body to count")
    wait_until(lambda: held(one) == 0, "what the client has left behind to be freed")


@pytest.mark.parametrize("part", [b"POST /ru", b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_a_request_that_never_ends(proxy, part):
    one = proxy("--runtime", "python", "--transfer-timeout", 500)
    one.started(samples.PYTHON_CODES["echo"])
    time.sleep(0.4)  # until nobody is watched any more; without that the case would prove less
    with one.connect() as stream:
        stream.send(part)
        assert stream.file.read() == b""
    with one.connect() as stream:  # an idle one is left alone
        stream.send(request_bytes("/run", b"{}"))
        assert stream.answer().status == 200


def test_the_time_for_a_request_begins_with_the_request(proxy):
    """A client that was idle for long has as much time as any other."""
    one = proxy("--runtime", "python", "--transfer-timeout", 2000)
    one.started(samples.PYTHON_CODES["echo"])
    with one.connect() as stream, one.connect() as slow:
        assert run_on(stream, {"a": 1}) == {"a": 1}
        slow.send(b"POST /ru")
        time.sleep(1.9)  # until it is nearly dropped; without that the case would prove less
        request = request_bytes("/run", b'{"value":{"a":2}}')
        stream.send(request[:20])
        assert slow.file.read() == b""
        stream.send(request[20:])
        assert stream.answer().json == {"a": 2}


@pytest.mark.parametrize("sent", [b"", request_bytes("/run", b"{}"), b"POST /ru", request_bytes("/run", b"{}")[:-1]],
                         ids=["nothing", "a request", "a part of a head", "a part of a body"])
def test_a_connection_without_a_complete_request_is_closed(proxy, sent):
    """After --idle-timeout; one whose request runs is not idle."""
    one = proxy("--runtime", "python", "--workers", 2, "--idle-timeout", 300)
    one.started("import time\ndef main(args):\n    time.sleep(args.get('s', 0))\n    return {}\n")
    running = one.later(one.run, {"s": 5})
    with one.connect() as stream:
        stream.send(sent)
        if sent.endswith(b"{}"):
            assert stream.answer().status == 200
        assert stream.file.read() == b""
    assert not running.done
    assert running.result().status == 200


def test_code_counts_until_it_is_on_disk(proxy, gate, folder):
    door = gate()
    one = Watched(proxy, folder, "--runtime", "python")
    loading = one.proxy.later(one.proxy.init, f"open({door.path!r}).read()\ndef main(args):\n    return {{}}\n#" +
                              2 * MIB * "x")
    door.wait_reached()
    try:
        assert held(one) == 0
    finally:
        door.release()
    assert loading.result().status == 200


def test_an_answer_counts_until_it_has_left(proxy, folder):
    one = Watched(proxy, folder, "--runtime", "python")
    one.proxy.started(ANSWERS)
    with one.proxy.connect() as stream:
        stream.send(request_bytes("/run", json.dumps({"value": {"n": 20 * MIB}}).encode()))
        assert stream.file.peek(10)[:10] == b"HTTP/1.1 2"
        assert held(one) >= 20 * MIB
        assert len(stream.answer().json["text"]) == 20 * MIB
        wait_until(lambda: held(one) == 0, "the answer to leave")


def test_a_client_that_takes_its_answer_piece_by_piece_gets_all_of_it(proxy):
    """It takes longer than --transfer-timeout, and yet more than 64 KiB in that time."""
    one = proxy("--runtime", "python", "--transfer-timeout", 2000)
    one.started(ANSWERS)
    n_bytes = 16 * MIB
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(whisk.WAIT_S)
        sock.connect(("127.0.0.1", one.port))
        sock.sendall(request_bytes("/run", json.dumps({"value": {"n": n_bytes}}).encode()))
        taken, begun_at = 0, time.monotonic()
        while taken < n_bytes:
            if time.monotonic() - begun_at < 3.5:  # without the pauses the case would prove less
                time.sleep(0.1)
            piece = sock.recv(512 * 1024)
            assert piece, f"disconnected after {taken} bytes"
            taken += len(piece)


def test_answers_that_nobody_takes(proxy):
    """Clients that do not read are dropped, and memory with them; others get theirs."""
    one = proxy("--runtime", "python", "--held-max-bytes", 32 * MIB, "--transfer-timeout", 2000)
    one.started(ANSWERS)
    idle = []
    for _ in range(6):
        stream = one.connect()
        stream.send(request_bytes("/run", json.dumps({"value": {"n": 20 * MIB}}).encode()))
        idle.append(stream)
    answer = one.run({"n": 3})
    assert (answer.status, answer.json) == (200, {"text": "xxx"})
    for stream in idle:
        stream.close()
    assert len(one.run({"n": 20 * MIB}).json["text"]) == 20 * MIB


def test_a_stop_does_not_wait_for_answers_that_nobody_takes(proxy):
    one = proxy("--runtime", "python", "--drain-timeout", 3600000)
    one.started(ANSWERS)
    with one.connect() as stream:
        stream.send(request_bytes("/run", json.dumps({"value": {"n": 30 * MIB}}).encode()))
        assert stream.file.read(10) == b"HTTP/1.1 2"
        one.terminate()
        assert one.process.wait(WAIT_S) == 0


def test_metadata_beyond_its_bound(proxy):
    """100,000 keys beside the value become 256 variables, which the next activation does not see."""
    one = proxy("--runtime", "python")
    one.started("import os\ndef main(args):\n"
                "    return {'n': sum(name.startswith('__OW_K') for name in os.environ)}\n")
    body = {"value": {}, **{f"k{n}": "x" for n in range(100000)}}
    assert one.post("/run", body).json == {"n": 256}
    assert one.run({}).json == {"n": 0}


# ---- answers and heads that are small, of clients that are many ----

def pipelining(one, n_requests, n_bytes):
    """A client that asks for n_requests answers of n_bytes each, has little room, and reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(whisk.WAIT_S)
    sock.connect(("127.0.0.1", one.port))
    request = request_bytes("/run", json.dumps({"value": {"n": n_bytes}}).encode())
    sock.sendall(n_requests * request)
    return sock


def held(one):
    return one.metrics()["whiskloop_held_bytes"].value()


def dropped(one, why):
    return one.metrics()["whiskloop_connections_dropped_total"].value(why)


def test_small_answers_that_nobody_takes_count(proxy, folder):
    """300 clients that leave answers of 200 kB unread: what is kept for them stays within the bound,
    and each is disconnected when it is slow."""
    one = Watched(proxy, folder, "--runtime", "python", "--held-max-bytes", 16 * MIB,
                  "--transfer-timeout", 2000)
    one.proxy.started(ANSWERS)
    before = one.proxy.memory_kb("VmRSS")
    socks = [pipelining(one.proxy, 20, 200_000) for _ in range(300)]
    wait_until(lambda: dropped(one, "slow") + dropped(one, "memory") > 16 and held(one) == 0,
               "those who are slow to be disconnected")
    assert one.proxy.memory_kb("VmHWM") - before < 40 * 1024
    assert one.proxy.run({"n": 3}).json == {"text": "xxx"}
    for sock in socks:
        sock.close()


def test_who_takes_no_small_answer_is_disconnected(proxy, folder):
    one = Watched(proxy, folder, "--runtime", "python", "--transfer-timeout", 1000)
    one.proxy.started(ANSWERS)
    socks = [pipelining(one.proxy, 40, 200_000) for _ in range(5)]
    wait_until(lambda: dropped(one, "slow") == 5, "all to be disconnected")
    for sock in socks:
        sock.close()


def test_a_stop_does_not_wait_for_small_answers(proxy):
    one = proxy("--runtime", "python", "--drain-timeout", 3600000)
    one.started(ANSWERS)
    socks = [pipelining(one, 40, 200_000) for _ in range(4)]
    assert socks[0].recv(10) == b"HTTP/1.1 2"
    one.terminate()
    assert one.process.wait(WAIT_S) == 0
    for sock in socks:
        sock.close()


def test_unfinished_heads_count(proxy, folder):
    """1,000 clients, each in the midst of a head of 60 KiB."""
    one = Watched(proxy, folder, "--runtime", "python", "--held-max-bytes", 16 * MIB)
    one.proxy.started(samples.PYTHON_CODES["echo"])
    before = one.proxy.memory_kb("VmRSS")
    streams = [one.proxy.connect() for _ in range(1000)]
    for stream in streams:
        with contextlib.suppress(OSError):  # refused already
            stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nX: " + 60 * 1024 * b"x")
    wait_until(lambda: one.metrics()["whiskloop_requests_refused_total"].value() +
               dropped(one, "memory") > 600, "the heads to come")
    assert held(one) <= 17 * MIB  # the last one's buffer may have grown by more than was asked for
    assert one.proxy.memory_kb("VmHWM") - before < 40 * 1024
    wait_until(lambda: one.proxy.run({"a": 1}).status == 200, "who is slow to lose to who is not")
    for stream in streams:
        stream.close()
    one.proxy.wait_left()
    assert held(one) == 0


def test_who_sends_slowly_into_a_full_memory_is_refused(proxy, gate):
    """A body in chunks that grows when there is no room, by a client that counts as slow by then: it
    is not taken for another one, whose memory can be had."""
    held_back = gate()
    one = proxy("--runtime", "python", "--held-max-bytes", 4 * MIB)
    one.started("def main(args):\n    open(args['gate']).read()\n    return {}\n")
    with one.connect() as slow:
        slow.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                  b"4000\r\n" + 16384 * b" " + b"\r\n")
        running = one.later(one.run, {"gate": held_back.path, "text": (4 * MIB - 40960) * "x"})
        held_back.wait_reached()
        time.sleep(1.1)  # until it counts as slow; without that the case would prove less
        slow.send(b"8000\r\n" + 32768 * b" " + b"\r\n")  # so little that it is slow still
        assert slow.answer().status == 429
    held_back.release()
    assert running.result().status == 200


def test_a_body_that_the_queue_has_no_place_for_is_held_no_longer(proxy, gate, folder):
    door = gate()
    one = Watched(proxy, folder, "--runtime", "python", "--workers", 1, "--queue-max", 1)
    one.proxy.started("def main(args):\n    open(args['gate']).read() if args else None\n    return {}\n")
    running = one.proxy.later(one.proxy.run, {"gate": door.path})
    door.wait_reached()
    waiting = one.proxy.later(one.proxy.run, {})
    wait_until(lambda: one.metrics()["whiskloop_activations_queued"].value() == 1, "one to wait")
    before = held(one)
    for _ in range(3):
        assert one.proxy.post("/run", b'{"value":{}}' + MIB * b" ").status == 429
    wait_until(lambda: held(one) == before, "the refused bodies to be freed")
    door.release()
    assert (running.result().status, waiting.result().status) == (200, 200)


@pytest.fixture
def filled(proxy, gate, folder):
    """A proxy whose memory for clients is filled by an activation, up to 8 KiB."""
    held_back = gate()
    one = Watched(proxy, folder, "--runtime", "python", "--held-max-bytes", 4 * MIB)
    one.proxy.started("def main(args):\n    open(args['gate']).read() if args else None\n    return {}\n")
    running = one.proxy.later(one.proxy.run, {"gate": held_back.path, "text": (4 * MIB - 8192) * "x"})
    held_back.wait_reached()
    one.release = held_back.release
    yield one
    assert running.result().status == 200


def test_a_head_without_room_is_refused(filled):
    with filled.proxy.connect() as stream:
        stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nX: " + 20000 * b"x")
        answer = stream.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1"), answer
        assert "--held-max-bytes" in answer.error
        assert stream.file.read() == b""
    filled.release()


def test_requests_sent_ahead_are_dropped_for_want_of_room(filled):
    """The one before them is answered, and its reply tells that the connection ends."""
    with filled.proxy.connect() as stream:
        stream.send(500 * request_bytes("/run", b'{"value":{}}'))
        wait_until(lambda: filled.metrics()["whiskloop_requests_refused_total"].value() == 1,
                   "what is sent ahead to be dropped")
        stream.send(500 * request_bytes("/run", b'{"value":{}}'))  # more, which nobody reads
        filled.release()
        answer = stream.answer()
        assert (answer.status, answer.headers["Connection"]) == (200, "close"), answer
        assert stream.file.read() == b""


def test_requests_sent_ahead_of_parts_are_dropped_for_want_of_room(proxy, gate, folder):
    """However much is sent, the reply that has begun is whole, and then the connection ends."""
    held_back, begun = gate(), gate()
    one = Watched(proxy, folder, "--runtime", "python", "--workers", 2, "--held-max-bytes", 4 * MIB)
    one.proxy.started("def parts(args):\n    yield 'first'\n    open(args['gate']).read()\n"
                      "def main(args):\n    if 'parts' in args:\n        return parts(args)\n"
                      "    open(args['gate']).read()\n    return {}\n")
    with one.proxy.connect() as stream:
        value = json.dumps({"value": {"parts": 1, "gate": begun.path}}).encode()
        stream.send(request_bytes("/run", value, headers=["Accept: application/x-ndjson"]))
        begun.wait_reached()
        stream.status_line()
        n_held = int(held(one))
        running = one.proxy.later(one.proxy.run,
                                  {"gate": held_back.path, "text": (4 * MIB - 8192 - n_held) * "x"})
        held_back.wait_reached()
        for _ in range(3):
            stream.send(500 * request_bytes("/run", b'{"value":{}}'))
            wait_until(lambda: one.metrics()["whiskloop_requests_refused_total"].value() == 1,
                       "what is sent ahead to be dropped")
        begun.release()
        assert stream.file.read().endswith(b"\r\n0\r\n\r\n")
    held_back.release()
    assert running.result().status == 200


# ---- what dead proxies leave ----

def folders(place):
    return {path.name for path in place.iterdir()}


def test_folders_of_dead_proxies_are_removed_at_a_start(proxy, folder):
    """Only those: not a living proxy's, not one without a lock of ours, not one of another name."""
    place = folder / "shared"
    place.mkdir()
    env = {"TMPDIR": str(place)}
    proxy("--runtime", "python", env=env)
    (living,) = folders(place)
    dead = proxy("--runtime", "python", env=env)
    (left,) = folders(place) - {living}
    others = {"whiskloop-abcdef", "whiskloop-other-name", "other"}
    for name in others:
        (place / name).mkdir()
    dead.process.kill()
    dead.process.wait()
    dead.finished = True
    assert left in folders(place)
    last = proxy("--runtime", "python", env=env)
    wait_until(lambda: left not in folders(place), "the dead one's folder to be removed")
    assert folders(place) >= {living, *others}
    assert len(folders(place)) == len({living, *others}) + 1
    last.started(samples.PYTHON_CODES["echo"])
