"""Actions that die, processes they leave, queues that fill, and the proxy's own end."""

import json
import os
import re
import signal
import time

import pytest

import puppet
import samples
from puppet import answer, steps
from watch import Watched
from whisk import WAIT_S, assert_error, is_alive, soon, wait_until
from wire import request_bytes

NATIVE = ("--runtime", "native")


def puppet_proxy(proxy, *options):
    one = proxy(*NATIVE, *options)
    one.started(puppet.CODE)
    return one


def test_TV7_crash_in_a_run(proxy, kind):
    """T-V7: a crash costs its own activation; the action is started again for the next."""
    one = proxy(*kind.options)
    one.started(kind["die_if_told"])
    assert one.run({"die": False}).json == {"die": False}
    assert_error(one.run({"die": True}), 400, "command exited")
    assert one.run({"die": False}).json == {"die": False}
    assert one.check_streams(3) == ("", "")


def test_whoever_started_the_proxy_ignored_and_blocked_signals(proxy):
    """What a parent does about SIGCHLD and SIGTERM passes to its child; that its action died, and
    that itself is to end, the proxy hears all the same."""
    one = proxy(*NATIVE, wrapper=("env", "--ignore-signal=CHLD", "--block-signal=CHLD",
                                  "--block-signal=TERM"))
    one.started(puppet.CODE)
    assert_error(one.run(steps(puppet.leave(1))), 400, "command exited")
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}
    one.check_streams(2)


@pytest.mark.parametrize("status", [0, 1, 255])
def test_TV7_exit_in_a_run(proxy, status):
    """T-V7: leaving with any status, 0 included, is a crash as long as no answer came."""
    one = puppet_proxy(proxy)
    assert_error(one.run(steps(puppet.leave(status))), 400, "command exited")
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}
    one.check_streams(2)


@pytest.mark.parametrize("code", [
    "#!/bin/sh\nexec sleep 1000\n",
    "#!/usr/bin/env python3\nimport socket\nsocket.create_server(('127.0.0.1', 0)).accept()\n",
], ids=["sleeps", "serves"])
def test_a_program_that_never_reads_is_told_what_an_action_does(proxy, code):
    """After a few seconds by one line in the proxy's log, and by the answer at the deadline."""
    one = proxy(*NATIVE, "--timeout", "20000")
    one.started(code)
    hint = "it has not read the request; an action reads lines on stdin"
    reply = one.later(one.run, {}, deadline=int(time.time() * 1000) + 5000)
    wait_until(lambda: hint in one.err_text(), "the line in the log")
    assert one.err_text().count(hint) == 1
    assert reply.result().status == 502
    assert re.fullmatch(r"The action exceeded its time limits of \d+ milliseconds\. "
                        r"It has not read the request; an action reads lines on stdin\.", reply.result().error)


@pytest.mark.parametrize("code", [
    "#!/usr/bin/python3 -SE\nimport sys\nfor line in sys.stdin:\n    print('{}')\n",
    "#!/usr/bin/python3 -SE\nimport sys\nprint(len(sys.stdin.read()), flush=True)\n",
], ids=["no flush", "to the end"])
def test_a_program_that_waits_for_input_instead_of_answering_is_told_what_may_be_missing(proxy, code):
    one = proxy(*NATIVE)
    one.started(code)
    reply = one.run({}, deadline=int(time.time() * 1000) + 1500)
    assert reply.status == 502
    assert re.fullmatch(r"The action exceeded its time limits of \d+ milliseconds\. It waits for more input and has not "
                        r"answered; does it write a whole line, and flush it\?", reply.error)


# As a virtual machine starts: the main thread waits, and others compute. It reads after that.
STARTS_FOR_LONG = """#!/usr/bin/python3 -SE
import sys, threading, time

def compute():
    until = time.monotonic() + 4
    while time.monotonic() < until:
        pass

worker = threading.Thread(target=compute)
worker.start()
worker.join()
for line in sys.stdin:
    print("{}", flush=True)
"""


def test_a_program_that_is_still_starting_is_not_told_that_it_does_not_read(proxy):
    """The proxy's line would stand in the action's log."""
    one = proxy(*NATIVE)
    one.started(STARTS_FOR_LONG)
    assert one.run({}).json == {}
    assert one.check_streams(1) == ("", "")


def test_answer_then_exit(proxy):
    """A complete answer is delivered before the death is noticed; the next run is served."""
    one = puppet_proxy(proxy)
    for number in range(3):
        reply = one.run(steps(answer(f'{{"last":{number}}}'), puppet.leave(1)))
        assert (reply.status, reply.json) == (200, {"last": number})
    one.check_streams(3)


def test_TV6_killed_between_runs(proxy, kind):
    """T-V6: killed while idle: the next run is answered by a new process, again and again."""
    one = proxy(*kind.options)
    one.started(kind["process_id"])
    seen = [one.run({}).json["pid"]]
    for _ in range(3):
        os.kill(seen[-1], signal.SIGKILL)
        wait_until(lambda: not is_alive(seen[-1]) and seen[-1] not in one.zombies(), "its reaping")
        seen.append(one.run({}).json["pid"])
    assert len(set(seen)) == 4
    assert one.check_streams(4) == ("", "")


def test_TV6_killed_while_stopped(proxy, kind):
    """T-V6: a process that was frozen and killed is replaced all the same."""
    one = proxy(*kind.options)
    one.started(kind["process_id"])
    pid = one.run({}).json["pid"]
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "its end")
    reply = one.run({})
    # The line may have been written before the proxy heard of the death: then this run is lost.
    assert reply.status in (200, 400), reply
    assert one.run({}).status == 200


def test_crash_with_others_waiting(proxy, gate):
    """A crash costs the run that was running; those that wait are served, each with its answer."""
    door = gate()
    one = puppet_proxy(proxy, "--workers", 1)
    first = one.later(one.run, steps(puppet.wait_at(door), puppet.die()))
    door.wait_reached()
    rest = [one.later(one.run, steps(answer(f'{{"n":{n}}}'))) for n in range(10)]
    door.release()
    assert_error(first.result(), 400, "command exited")
    assert [later.result().json for later in rest] == [{"n": n} for n in range(10)]
    one.check_streams(11)


def test_crash_with_others_waiting_in_python(proxy, gate):
    """The same where lines are written ahead: what had not begun is run by the next process."""
    door = gate()
    one = proxy("--runtime", "python", "--workers", 1, "--write-ahead", 64)
    one.started("import os\n\ndef main(args):\n    if 'gate' in args:\n"
                "        open(args['gate']).read()\n        os._exit(1)\n    return args\n")
    for n in range(100):  # so that the proxy has measured it, and writes ahead
        assert one.run({"n": n}).json == {"n": n}
    first = one.later(one.run, {"gate": door.path})
    door.wait_reached()
    rest = [one.later(one.run, {"n": n}) for n in range(20)]
    door.release()
    assert_error(first.result(), 400, "command exited")
    assert [later.result().json for later in rest] == [{"n": n} for n in range(20)]
    one.check_streams(121)


def test_action_that_cannot_be_started_again(proxy, folder):
    """An action that starts only once: later runs get an error, none is left hanging."""
    note = folder / "started"
    one = proxy("--runtime", "python")
    one.started(f"import os, sys\nif os.path.exists({str(note)!r}):\n    sys.exit(1)\n"
                f"open({str(note)!r}, 'w').close()\n\ndef main(args):\n    os._exit(1)\n")
    assert_error(one.run({}), 400, "command exited")
    for _ in range(3):
        reply = one.run({})
        assert reply.status in (400, 500, 502), reply
        assert reply.error
    note.unlink()
    wait_until(lambda: one.run({}).status == 400, "the action to start again, and to end again")


def test_TV10_grandchild_that_holds_the_descriptors(proxy, folder):
    """T-V10: the action exits, its child keeps the pipes: the run ends and the group is killed."""
    note = folder / "grandchild"
    one = puppet_proxy(proxy)
    assert_error(one.run(steps(puppet.spawn(note), puppet.leave(1))), 400, "command exited")
    wait_until(lambda: not is_alive(int(note.read_text())), "the grandchild to be killed")
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}
    one.check_streams(2)


def test_TV10_grandchild_of_a_run_past_its_deadline(proxy, folder):
    """T-V10: a deadline ends the whole group, with what an earlier run has started in it."""
    note = folder / "grandchild"
    one = puppet_proxy(proxy, "--workers", 1)
    assert one.run(steps(puppet.spawn(note), answer("{}"))).status == 200
    assert one.run(steps(puppet.forever()), deadline=soon(900)).status == 502
    wait_until(lambda: not is_alive(int(note.read_text())), "the grandchild to be killed")
    one.check_streams(2)


def test_orphans_are_reaped(proxy):
    """Children that the action leaves behind do not stay as zombies; the fixture looks too."""
    one = proxy("--runtime", "python")
    one.started("import subprocess\n\ndef main(args):\n"
                "    subprocess.run(['/bin/sh', '-c', 'for i in 1 2 3 4 5; do true & done'])\n"
                "    return {}\n")
    for _ in range(10):
        assert one.run({}).json == {}
    wait_until(lambda: not one.zombies(), "zombies to be reaped")


def test_TV11_sigterm_during_a_run(proxy, kind, gate):
    """T-V11: the run completes with its sentinels, new ones get 503, the proxy ends with 0."""
    door = gate()
    one = proxy(*kind.options)
    one.started(kind["wait_at_gate"])
    spare = one.connect()
    running = one.later(one.run, {"gate": door.path, "id": "in flight"})
    door.wait_reached()
    one.terminate()
    wait_until(one.sigterm_taken, "the signal to be taken")
    spare.send(request_bytes("/run", b'{"value":{"id":"too late"}}'))
    refused = spare.answer()
    assert refused.status == 503, refused
    assert refused.error
    spare.close()
    door.release()
    assert running.result().json == {"id": "in flight"}
    assert one.process.wait(60) == 0
    one.check_streams(1)


@pytest.mark.parametrize("workers", [1, 3])
def test_sigterm_with_runs_that_wait(proxy, folder, gate, workers):
    """Runs that were accepted and wait are completed or refused with 503, none is dropped."""
    doors = [gate() for _ in range(workers)]
    watched = Watched(proxy, folder, *NATIVE, "--workers", workers)
    one = watched.proxy
    one.started(puppet.CODE)
    running = [one.later(one.run, steps(puppet.wait_at(door), answer('{"n":0}')))
               for door in doors]
    for door in doors:
        door.wait_reached()
    rest = [one.later(one.run, steps(answer(f'{{"n":{n}}}'))) for n in range(1, 6)]
    wait_until(lambda: watched.metrics()["whiskloop_activations_queued"].value() == 5, "five that wait")
    one.terminate()
    wait_until(one.sigterm_taken, "the signal to be taken")
    for door in doors:
        door.release()
    assert [later.result().json for later in running] == [{"n": 0}] * workers
    for number, later in enumerate(rest, 1):
        reply = later.result()
        assert reply.status == 503 or reply.json == {"n": number}, reply
    assert one.process.wait(60) == 0


def test_sigterm_with_a_run_that_does_not_end(proxy):
    """After the drain time the rest is killed, and the proxy still ends with 0."""
    one = puppet_proxy(proxy, "--drain-timeout", 300)
    started = "the action runs\n"
    running = one.later(one.run, steps(puppet.out(started), puppet.forever()))
    wait_until(lambda: started.encode() in one.logs()[0], "the run to begin")
    one.terminate()
    assert_error(running.result(), 400, "command exited")  # not 503, on which a platform runs it again
    assert one.process.wait(60) == 0


@pytest.mark.parametrize("stage", ["fresh", "ready", "initializing"])
def test_sigterm_at_other_times(proxy, gate, stage):
    """Before, during and after an init: exit 0, nothing left; the fixture looks."""
    one = proxy("--runtime", "python")
    if stage == "ready":
        one.started(samples.PYTHON_CODES["echo"])
    if stage == "initializing":
        door = gate()
        pending = one.later(lambda: init_or_end(one, f"open({door.path!r}).read()\n"))
        door.wait_reached()
        one.terminate()
        wait_until(one.sigterm_taken, "the signal to be taken")
        door.release()
        pending.result()
    one.finish()


def init_or_end(one, code):
    """An init that the proxy's end may cut off."""
    try:
        return one.init(code)
    except (AssertionError, OSError):
        return None


@pytest.mark.parametrize("asked", [0, 1], ids=["silent", "kept"])
def test_sigterm_with_connections_that_stay_open(proxy, asked):
    """Clients that keep their connections, used or not, do not keep the proxy from ending."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    streams = [one.connect() for _ in range(5)]
    for stream in streams[:5 * asked]:
        stream.send(request_bytes("/run", b'{"value":{"a":1}}'))
        assert stream.answer().json == {"a": 1}
    one.terminate()
    assert one.process.wait(60) == 0
    for stream in streams:
        stream.close()


def test_connections_are_ended_with_their_reply_while_draining(proxy, gate):
    """So that no client sends its next request on one that is about to be closed under it. What it
    has sent by then is answered."""
    def request_of(*parts):
        return request_bytes("/run", json.dumps({"value": steps(*parts)}).encode())

    one, door = puppet_proxy(proxy), gate()
    with one.connect() as running, one.connect() as kept, one.connect() as ahead:
        kept.send(request_of(answer("{}")))
        assert kept.answer().headers["Connection"] == "keep-alive"
        running.send(request_of(puppet.wait_at(door), answer("{}")))
        door.wait_reached()
        one.terminate()
        wait_until(one.sigterm_taken, "the signal to be taken")
        for stream, n in ((kept, 1), (ahead, 3)):
            stream.send(n * request_bytes("/run", b"{}"))
            refused = [stream.answer() for _ in range(n)]
            assert {reply.status for reply in refused} == {503}
            assert refused[-1].headers["Connection"] == "close"
            assert stream.status_line() is None
        door.release()
        reply = running.answer()
        assert (reply.json, reply.headers["Connection"]) == ({}, "close")
    assert one.process.wait(WAIT_S) == 0


def test_sigint_is_like_sigterm(proxy):
    """Ctrl-C in a terminal ends it as well."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(60) == 0


def test_sigint_ends_a_load_but_not_what_runs(proxy, gate):
    """What has not begun cannot be finished: the drain is for activations."""
    doors = [gate(), gate()]
    one = proxy("--runtime", "python", "--allow-reinit", "--drain-timeout", 3600000)
    one.started(f"def main(args):\n    open({doors[0].path!r}).read()\n    return args\n")
    running = one.later(one.run, {"n": 1})
    doors[0].wait_reached()
    loading = one.later(one.init, f"open({doors[1].path!r}).read()\n")
    doors[1].wait_reached()
    one.process.send_signal(signal.SIGINT)
    assert_error(loading.result(), 503, "The action is being shut down.")
    doors[0].release()
    assert running.result().json == {"n": 1}
    assert one.process.wait(WAIT_S) == 0


def test_killed_proxy_takes_its_action_along(proxy):
    """SIGKILL to the proxy: no action stays behind."""
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["process_id"])
    pid = one.run({}).json["pid"]
    one.process.kill()
    one.process.wait(60)
    one.finished = True  # it could not tidy up; only the action's end is asked for here
    wait_until(lambda: not is_alive(pid), "the action to end with its proxy")


def test_full_queue(proxy, gate):
    """Past the bound a run is refused with 429 and Retry-After; those accepted are served."""
    door = gate()
    one = puppet_proxy(proxy, "--queue-max", 2, "--workers", 1)
    first = one.later(one.run, steps(puppet.wait_at(door), answer('{"first":1}')))
    door.wait_reached()
    rest = [one.later(one.run, steps(answer(f'{{"n":{n}}}'))) for n in range(10)]
    wait_until(lambda: sum(later.done for later in rest) >= 8, "eight refusals")
    door.release()
    assert first.result().json == {"first": 1}
    replies = [later.result() for later in rest]
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) == 8
    for reply in refused:
        assert "2" in reply.error and "queue-max" in reply.error
        assert int(reply.headers["Retry-After"]) >= 0
    assert [reply.json for reply in replies if reply.status == 200] == \
        [{"n": n} for n, reply in enumerate(replies) if reply.status == 200]
    assert one.run(steps(answer('{"free":"again"}'))).json == {"free": "again"}


def test_frozen_action_is_left_alone(proxy):
    """T-V20: a stopped and thawed action goes on where it was."""
    one = proxy("--runtime", "python", "--workers", 1)
    one.started(samples.PYTHON_CODES["process_id"])
    pid = one.run({}).json["pid"]
    os.kill(pid, signal.SIGSTOP)
    pending = one.later(one.run, {})
    os.kill(pid, signal.SIGCONT)
    assert pending.result().json == {"pid": pid}


def test_a_margin_takes_at_most_half_of_the_time(proxy):
    """One that is longer than the time limit leaves the action time to answer."""
    one = proxy("--runtime", "python", "--timeout", 9000, "--deadline-margin", 10000)
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


def test_TV20_frozen_and_thawed_past_a_deadline(proxy, gate):
    """T-V20: a container that did not run lost no time: nobody is killed for what the clock says."""
    one, door = proxy("--runtime", "python", "--timeout", 3000, "--deadline-margin", 0), gate()
    one.started(samples.PYTHON_CODES["wait_at_gate"])
    pending = one.later(one.run, {"id": 7, "gate": door.path})
    door.wait_reached()
    all_of_it = [one.process.pid, *one.children()]
    for pid in all_of_it:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)  # the freeze itself: longer than the limit, and than a mere stall
    for pid in all_of_it:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: one.request("GET", "/").status, "the proxy to run again")
    assert not pending.done
    door.release()
    assert pending.result().json == {"id": 7}
    one.check_streams(1)
