"""What clients can make the proxy hold, and for how long: bodies, answers, connections."""

import json
import time

import pytest

import puppet
import samples
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


def test_a_body_without_room_is_refused_before_it_comes(proxy):
    one = proxy("--runtime", "python", "--held-max-bytes", 8 * MIB)
    one.started(samples.PYTHON_CODES["echo"])
    with one.connect() as first, one.connect() as second:
        unfinished(first, 7 * MIB, 5 * MIB)
        unfinished(second, 7 * MIB)
        answer = second.answer()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1"), answer
        assert "--held-max-bytes" in answer.error
        assert second.file.read() == b""
    assert one.run({"a": 1}).json == {"a": 1}


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


@pytest.mark.parametrize("part", [b"POST /ru", b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_a_request_that_never_ends(proxy, part):
    one = proxy("--runtime", "python", "--transfer-timeout", 500)
    one.started(samples.PYTHON_CODES["echo"])
    with one.connect() as stream:
        stream.send(part)
        assert stream.file.read() == b""
    with one.connect() as stream:  # an idle one is left alone
        stream.send(request_bytes("/run", b"{}"))
        assert stream.answer().status == 200


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
    one = proxy("--runtime", "python", "--drain-timeout", 60000)
    one.started(ANSWERS)
    with one.connect() as stream:
        stream.send(request_bytes("/run", json.dumps({"value": {"n": 30 * MIB}}).encode()))
        assert stream.file.read(10) == b"HTTP/1.1 2"
        before = time.monotonic()
        one.terminate()
        one.process.wait(60)
        assert time.monotonic() - before < 30  # it is 1 s and what a busy machine adds


def test_metadata_beyond_its_bound(proxy):
    """100,000 keys beside the value become 256 variables, which the next activation does not see."""
    one = proxy("--runtime", "python")
    one.started("import os\ndef main(args):\n"
                "    return {'n': sum(name.startswith('__OW_K') for name in os.environ)}\n")
    body = {"value": {}, **{f"k{n}": "x" for n in range(100000)}}
    assert one.post("/run", body).json == {"n": 256}
    assert one.run({}).json == {"n": 0}
