"""The proxy in a container of 256 MiB, the platform's default, with the Python action.

Whatever clients do, it is the action that the kernel kills when memory is short, and the metrics say so.
"""

import contextlib
import json

import pytest

import groups
import whisk
from watch import Watched, assert_says
from wire import request_bytes

MIB = 1 << 20
LIMIT = 256 * MIB
BODY = b'{"value":{"text":"' + 60 * MIB * b"x" + b'"}}'
ACTION = """
import os

def main(args):
    return {"text": args.get("n", 0) * "x", "got": len(args.get("text", ""))}
"""

pytestmark = pytest.mark.skipif(whisk.is_sanitized(), reason="the sanitizer's memory is beyond the limit")


@pytest.fixture
def small(proxy, folder):
    """A proxy in a group of 256 MiB. Afterwards it serves, holds nothing, and has told each death."""
    with groups.limited("memory", LIMIT) as group:
        one = Watched(proxy, folder, "--runtime", "python", wrapper=group.wrapper)
        one.proxy.started(ACTION)
        yield one
        assert one.proxy.process.poll() is None, "the proxy died"
        assert_says(one.ask("/healthz"), 200, "ok\n")
        whisk.wait_until(lambda: one.proxy.run({}).status == 200, "an activation to be answered")
        metrics = one.metrics()
        assert metrics["whiskloop_held_bytes"].value() == 0
        n_killed = group.n_oom_kills()
        if n_killed is not None:
            assert (n_killed > 0) == (one.deaths().get("memory", 0) > 0), (n_killed, one.deaths())
        one.proxy.terminate()
        assert one.proxy.process.wait(whisk.WAIT_S) == 0


def send_all(stream, data):
    """As much as the proxy takes."""
    with contextlib.suppress(OSError):
        stream.send(data)


def refused(one, why):
    return one.metrics()["whiskloop_requests_refused_total"].value(why)


def test_the_bound_is_a_quarter_of_the_containers_memory(small):
    assert small.metrics()["whiskloop_held_max_bytes"].value() == LIMIT // 4


def test_four_unfinished_bodies(small):
    streams = [small.proxy.connect() for _ in range(4)]
    for stream in streams:
        send_all(stream, request_bytes("/run", BODY)[:-1])
    assert small.metrics()["whiskloop_held_bytes"].value() < LIMIT // 2
    for stream in streams:
        stream.close()
    small.proxy.wait_left()


@pytest.mark.parametrize("method, path", [("GET", "/nothing"), ("PUT", "/run"), ("GET", "/init")])
def test_a_body_where_none_belongs(small, method, path):
    with small.proxy.connect() as stream:
        send_all(stream, request_bytes(path, 2 * BODY, method))
        assert stream.answer().status in (404, 405, 413)
    assert small.proxy.memory_kb("VmHWM") < 32 * 1024


def test_bodies_whose_clients_leave(small):
    for _ in range(8):
        stream = small.proxy.connect()
        send_all(stream, request_bytes("/run", BODY))
        stream.close()
    small.proxy.wait_left()
    whisk.wait_until(lambda: small.metrics()["whiskloop_activations_in_flight"].value() == 0,
                     "the action to be done with them")


def test_clients_that_do_not_read(small):
    streams = [small.proxy.connect() for _ in range(5)]
    for stream in streams:
        stream.send(request_bytes("/run", json.dumps({"value": {"n": 60_000_000}}).encode()))
    whisk.wait_until(lambda: sum(small.ends().values()) == 5, "all to be run")
    assert small.metrics()["whiskloop_held_bytes"].value() < LIMIT // 2
    for stream in streams:
        stream.close()
    small.proxy.wait_left()


def test_sixteen_bodies_cost_their_size(small):
    """One each time, and nothing of it afterwards."""
    body = b'{"value":{"text":"' + MIB * b"x" + b'"}}'
    before = small.proxy.memory_kb("VmRSS")
    calls = [lambda: small.proxy.post("/run", body) for _ in range(16)]
    for answer in whisk.together(calls):
        assert answer.json == {"text": "", "got": MIB}
    assert small.proxy.memory_kb("VmHWM") - before < 28 * 1024


def test_the_code_of_an_init_costs_its_size(small, proxy):
    """Its body, in which it is decoded; not both."""
    one = proxy("--runtime", "python")
    before = one.memory_kb("VmRSS")
    one.started(b"def main(args):\n    return args\n#" + 24 * MIB * b"x")
    assert one.memory_kb("VmHWM") - before < 40 * 1024  # 32 MiB in base64
