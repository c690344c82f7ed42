"""Thousands of runs leave the proxy as it was: memory, descriptors, children."""

import json
import pathlib
import re
import time

import pytest

import samples
import whisk
from languages import language
from wire import hammer

WARM_UP = 1000
RUNS = 5000
GROWTH_MAX_KB = 2048  # buffers that found their size late; a leak of 1 KB per run would be 5,000


def load(one, runs):
    answers = hammer(one.port, 4, runs // 4, lambda c, n: b'{"value":{"id":"%d-%d"}}' % (c, n))
    assert {status for status, _ in answers.values()} == {200}
    one.wait_left()


def kinds(one):
    return sorted(link.partition(":")[0] for link in one.descriptors())


@pytest.mark.parametrize("name", ["python", "native"])
def test_TV24_thousands_of_runs_leave_nothing(proxy, compiled, name):
    """T-V24: 5,000 runs: no growth of memory, descriptors or children."""
    one = proxy("--runtime", name)
    one.started(samples.PYTHON_CODES["echo"] if name == "python" else compiled(samples.echo_c(1)))
    load(one, WARM_UP)
    held, children, memory_kb = kinds(one), one.children(), one.memory_kb("VmRSS")
    load(one, RUNS)
    assert one.children() == children
    assert one.zombies() == []
    assert kinds(one) == held
    if not whisk.is_sanitized():
        assert one.memory_kb("VmRSS") - memory_kb < GROWTH_MAX_KB
    one.check_streams(WARM_UP + RUNS)


WARM_BY_ID, RUNS_BY_ID, ID_BYTES = 1500, 2000, 1000
IDS_MAX_KB = 1024  # what is kept of each id would be 2,000


@pytest.mark.parametrize("name", ["python", "plain python", "ruby", "php", "lua", "perl"])
def test_what_comes_with_thousands_of_runs_leaves_nothing_in_their_process(proxy, name):
    """Each has an id of its own, which becomes a variable. The last one is what the function sees."""
    row = language(name.split()[-1])
    one = proxy(*row.options, "--workers", 1, env=row.env)
    env = {"__OW_PYTHON_ACCELERATOR": "0"} if name == "plain python" else {}
    one.started(row.codes["variable"], env=env)

    def load_ids(first, runs):
        answers = hammer(one.port, 1, runs, lambda _, n: json.dumps(
            {"value": {"name": "__OW_ACTIVATION_ID"}, "activation_id": f"{first + n:0{ID_BYTES}}"}).encode())
        for (_, n), (status, body) in answers.items():
            assert status == 200 and json.loads(body) == {"value": f"{first + n:0{ID_BYTES}}"}

    load_ids(1, WARM_BY_ID)
    (pid,) = one.children()
    before_kb = one.memory_kb("VmRSS", pid)
    load_ids(1 + WARM_BY_ID, RUNS_BY_ID)
    assert one.children() == [pid]
    assert one.memory_kb("VmRSS", pid) - before_kb < IDS_MAX_KB


def test_many_restarts_leave_nothing(proxy):
    """Runs that end their action again and again: the fixture counts what is left."""
    one = proxy("--runtime", "native")
    one.started(samples.SHELL_CODES["die_if_told"])
    for _ in range(10):
        assert one.run({"die": True}).status == 400
        assert one.run({"die": False}).status == 200
    one.check_streams(20)


def test_many_failed_inits_leave_nothing(proxy):
    """Fifty inits that fail in different ways: no process, folder or descriptor stays."""
    one = proxy("--runtime", "python")
    for number in range(50):
        code = ("nonsense(", b"PK\x03\x04 no archive", b"#!/bin/false\n", "import sys; sys.exit(3)")
        assert one.init(code[number % 4]).status == 502
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


IDLE_S, IDLE_TRIES = 2.5, 5


def wake_ups(one):
    """How often the proxy went to sleep so far."""
    text = pathlib.Path(f"/proc/{one.pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", text, re.MULTILINE)[1])


@pytest.mark.parametrize("name", ["python", "native", "empty"])
def test_an_idle_proxy_sleeps(proxy, compiled, name):
    """With nothing under way nothing wakes it: a host has a thousand warm containers."""
    one = proxy("--runtime", "native" if name == "native" else "python", "--workers", 2)
    if name != "empty":
        one.started(samples.PYTHON_CODES["echo"] if name == "python" else compiled(samples.echo_c(1)))
        for number in range(3):
            assert one.run({"a": number}).json == {"a": number}
    # What the start left behind may come late on a busy machine: one quiet span of several is proof enough, as what
    # wakes it regularly shows in each.
    woken = []
    for _ in range(IDLE_TRIES):
        before = wake_ups(one)
        time.sleep(IDLE_S)
        woken.append(wake_ups(one) - before)
        if woken[-1] == 0:
            break
    assert woken[-1] == 0, woken
