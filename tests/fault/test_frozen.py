"""A container that is frozen and thawed: the proxy alone, and with its workers, past deadlines."""

import contextlib
import json
import os
import signal
import time

import pytest

import puppet
import samples
from puppet import answer, steps
from watch import Watched
from whisk import soon, wait_until
from wire import request_bytes

NATIVE = ("--runtime", "native", "--workers", 1)
LIMIT_MS = 1000  # also what a busy machine has to start a program that answers
LONG_MS = 3 * LIMIT_MS  # where the frost has to come before the limit


# Answers with its process id, once it was let through the gate.
GATE_AND_PID = {
    "python": """
import os

def main(args):
    if "gate" in args:
        open(args["gate"]).read()
    return {"pid": os.getpid()}
""",
    "native": """#!/bin/bash
while read -r line; do
    gate=$(jq -r '.value.gate // ""' <<<"$line")
    if [ -n "$gate" ]; then cat "$gate"; fi
    echo "{\\"pid\\":$$}" >&3
done
""",
}


def signal_each(pids, number):
    """One that a deadline has ended before the frost, on a busy machine, is gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def thaws(one, pids, while_frozen=lambda: None, beyond_ms=LIMIT_MS + 500):
    """Freeze the proxy and these, let time pass, and thaw all, the workers first."""
    os.kill(one.pid, signal.SIGSTOP)
    signal_each(pids, signal.SIGSTOP)
    until = time.monotonic() + beyond_ms / 1000
    while_frozen()
    wait_until(lambda: time.monotonic() > until, "the time to pass")
    signal_each([*pids, one.pid], signal.SIGCONT)


@pytest.mark.parametrize("runtime", ["python", "native"])
def test_idle_workers_outlive_the_frost(proxy, runtime):
    """Frozen between activations, which is when the platform does it: the same process serves."""
    one = proxy("--runtime", runtime, "--workers", 2, "--timeout", LIMIT_MS)
    one.started((samples.PYTHON_CODES if runtime == "python" else samples.SHELL_CODES)["process_id"])
    pids = set(one.children())
    for _ in range(2):
        thaws(one, pids)
        assert {one.run({}).json["pid"] for _ in range(4)} <= pids
    assert set(one.children()) == pids
    one.check_streams(8)


def test_a_run_within_its_deadline_goes_on_after_the_frost(proxy, gate):
    one, door = proxy(*NATIVE), gate()
    one.started(puppet.CODE)
    (pid,) = one.children()
    later = one.later(one.run, steps(puppet.wait_at(door), answer('{"a":1}')))
    door.wait_reached()
    thaws(one, [pid])
    door.release()
    assert later.result().json == {"a": 1}
    assert one.children() == [pid]
    one.check_streams(1)


@pytest.mark.parametrize("runtime", ["python", "native"])
def test_an_answer_from_before_the_deadline_counts_after_it(proxy, gate, runtime):
    """
    Only the proxy is frozen, or starved, while its action answers in time: at the thaw the answer
    stands in the pipe and the deadline is past. The answer counts, and nobody is killed for it.
    """
    door = gate()
    one = proxy("--runtime", runtime, "--workers", 1, "--timeout", LONG_MS)
    one.started(GATE_AND_PID[runtime])
    (pid,) = one.children()
    later = one.later(one.run, {"gate": door.path})
    door.wait_reached()

    def answers():
        door.release()
        wait_until(lambda: one.bytes_in_pipes() > 0, "the answer to be written")

    thaws(one, [], answers, LONG_MS + 500)
    assert later.result().json == {"pid": pid}
    assert one.run({}).json == {"pid": pid}
    one.check_streams(2)


def test_a_run_past_its_deadline_in_the_frost_is_late(proxy, gate):
    """Its time is over, and the platform's too: told as late, and the next one is served."""
    one, door = proxy(*NATIVE), gate()
    one.started(puppet.CODE)
    later = one.later(one.run, steps(puppet.wait_at(door), answer('{"a":1}')), deadline=soon(LIMIT_MS))
    door.wait_reached()
    thaws(one, one.children())
    assert later.result().status == 502
    assert one.run(steps(answer('{"a":2}'))).json == {"a": 2}
    one.check_streams(2)


def test_those_that_wait_are_late_after_the_frost_and_not_run(proxy, gate, folder):
    watched, door = Watched(proxy, folder, *NATIVE, "--timeout", 2 * LIMIT_MS), gate()
    one = watched.proxy
    one.started(puppet.CODE)
    first = one.later(one.run, steps(puppet.wait_at(door), answer("{}")))
    door.wait_reached()
    streams = [one.connect() for _ in range(5)]
    body = json.dumps({"value": steps(puppet.out("ran after all\n"), answer("{}"))}).encode()
    for stream in streams:
        stream.send(request_bytes("/run", body))
    wait_until(lambda: list(watched.metrics()["whiskloop_activations_queued"].values().values()) == [5],
               "all to wait for their turn")
    thaws(one, one.children(), beyond_ms=3 * LIMIT_MS)
    assert first.result().status == 502
    assert [stream.answer().status for stream in streams] == [502] * 5
    assert one.run(steps(answer('{"a":2}'))).json == {"a": 2}
    assert b"ran after all" not in one.logs()[0]
    for stream in streams:
        stream.close()
    one.check_streams(7)


def test_a_start_outlives_a_frost_that_is_longer_than_its_time(proxy, gate):
    """An /init in progress: whatever it is told, it can be repeated, and nobody hangs."""
    one, door = proxy("--runtime", "python", "--workers", 1, "--init-timeout", 1000), gate()
    later = one.later(one.init, f"open({door.path!r}).read()\n" + samples.PYTHON_CODES["echo"])
    door.wait_reached()
    thaws(one, one.children(), beyond_ms=2000)
    door.release()
    if later.result().status != 200:
        one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


def test_a_readiness_from_before_its_deadline_counts_after_it(proxy, gate):
    """The same for an /init: the code had loaded while only the proxy was frozen."""
    door = gate()
    one = proxy("--runtime", "native", "--workers", 1, "--init-timeout", LONG_MS,
                env={"OW_WAIT_FOR_ACK": "1"})
    later = one.later(one.init, f"#!/bin/bash\ncat '{door.path}'\necho '{{\"ok\":true}}' >&3\n"
                                + samples.SHELL_CODES["echo"][12:])
    door.wait_reached()

    def loads():
        door.release()
        wait_until(lambda: one.bytes_in_pipes() > 0, "the ready line to be written")

    thaws(one, [], loads, LONG_MS + 500)
    assert later.result().status == 200
    assert one.run({"a": 1}).json == {"a": 1}
