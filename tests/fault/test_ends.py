"""What does not end when it should: actions that ignore SIGTERM, daemons, inits; and limits of 0."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

import puppet
import samples
import whisk
from puppet import answer, steps
from whisk import assert_error, is_alive, wait_until
from wire import request_bytes

NATIVE = ("--runtime", "native", "--workers", 1)
RUNS = "the action runs\n"


def running_for_ever(one):
    later = one.later(one.run, steps(puppet.out(RUNS), puppet.forever()))
    wait_until(lambda: RUNS.encode() in one.logs()[0], "the run to begin")
    return later


def signal_taken(one, signo=signal.SIGTERM):
    one.process.send_signal(signo)
    wait_until(one.sigterm_taken, "the signal to be taken")


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_sigterm_hurries(proxy, second):
    """The first waits for what runs, up to its bound of five minutes; the second does not."""
    one = proxy(*NATIVE, "--drain-timeout", 300000)
    one.started(puppet.CODE)
    later = running_for_ever(one)
    signal_taken(one)
    one.process.send_signal(second)
    assert_error(later.result(), 400, "command exited")  # not 503, on which a platform runs it again
    assert one.process.wait(whisk.WAIT_S) == 0


def test_many_sigterms_at_once(proxy):
    """However many of them arrive as one."""
    one = proxy(*NATIVE, "--drain-timeout", 500)
    one.started(puppet.CODE)
    later = running_for_ever(one)
    for _ in range(20):
        one.terminate()
    assert_error(later.result(), 400, "command exited")  # not 503, on which a platform runs it again
    assert one.process.wait(whisk.WAIT_S) == 0


@pytest.mark.parametrize("twice", [False, True], ids=["bounded", "hurried"])
@pytest.mark.parametrize("runtime", ["python", "native"])
def test_sigterm_during_an_init_that_never_ends(proxy, gate, runtime, twice):
    """Its client is told, and nothing of it is left; the fixture looks."""
    door = gate()
    one = proxy("--runtime", runtime, "--workers", 2, "--drain-timeout", 300000 if twice else 300,
                env={"OW_WAIT_FOR_ACK": "1"})
    code = f"open({door.path!r}).read()\n" + samples.PYTHON_CODES["echo"] if runtime == "python" \
        else f"#!/bin/bash\ncat '{door.path}'\nsleep 1000000\n"
    later = one.later(one.init, code)
    door.wait_reached()
    signal_taken(one)
    if twice:
        one.terminate()
    assert_error(later.result(), 503, "The action is being shut down.")
    assert one.process.wait(whisk.WAIT_S) == 0
    door.release()


GROWS = "def main(args):\n    return {'pad': 'x' * args['n']}\n"
REPLY_BYTES = 20 << 20  # more than any socket's buffers take in


def with_a_reply_under_way(one):
    """A client that has seen the first byte of a large reply, and has taken no other."""
    stream = one.connect()
    stream.send(request_bytes("/run", b'{"value":{"n":%d}}' % REPLY_BYTES))
    assert stream.file.peek(1)[:1] == b"H"
    return stream


@pytest.mark.parametrize("twice", [False, True], ids=["bounded", "hurried"])
def test_a_client_that_does_not_take_its_reply_does_not_hold_up_the_end(proxy, twice):
    one = proxy("--runtime", "python", "--workers", 1, "--drain-timeout", 300000 if twice else 300)
    one.started(GROWS)
    with with_a_reply_under_way(one):
        signal_taken(one)
        if twice:
            one.terminate()
        assert one.process.wait(whisk.WAIT_S) == 0


def test_a_client_that_takes_its_reply_late_gets_all_of_it(proxy):
    one = proxy("--runtime", "python", "--workers", 1)
    one.started(GROWS)
    with with_a_reply_under_way(one) as stream:
        signal_taken(one)
        wait_until(lambda: not one.children(), "the action to be ended")
        assert len(stream.answer().json["pad"]) == REPLY_BYTES
    assert one.process.wait(whisk.WAIT_S) == 0


IGNORES = {
    "python": "import os, signal\n\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\n"
              "def main(args):\n    while args.get('loop'):\n        signal.pause()\n"
              "    return {'pid': os.getpid()}\n",
    "native": "#!/bin/bash\ntrap '' TERM\nwhile read -r line; do\n"
              "    if [ \"$(jq .value.loop <<<\"$line\")\" = true ]; then\n"
              "        while true; do sleep 1; done\n    fi\n"
              "    echo \"{\\\"pid\\\":$$}\" >&3\ndone\n",
}


@pytest.mark.parametrize("kill_after", [0, 200])
@pytest.mark.parametrize("runtime", ["python", "native"])
def test_an_action_that_ignores_sigterm_is_killed(proxy, runtime, kill_after):
    """Past a deadline, and at the proxy's own end; the next run has a process of its own."""
    one = proxy("--runtime", runtime, "--workers", 1, "--timeout", 1500,
                "--kill-after", kill_after)
    one.started(IGNORES[runtime])
    old = one.run({}).json["pid"]
    assert one.run({"loop": True}).status == 502
    wait_until(lambda: not is_alive(old), "the old one to be killed")
    new = one.run({}).json["pid"]
    assert new != old
    one.finish()
    assert not is_alive(new)


# A daemon has left the session and the group of its action, and keeps all its descriptors.
DAEMON = """
import os, time

def daemon(note):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(note + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.rename(note + ".new", note)
            time.sleep(1000000)
        os._exit(0)
    while not os.path.exists(note):
        time.sleep(0.01)

def main(args):
    if "daemon" in args:
        daemon(args["daemon"])
    if args.get("exit"):
        os._exit(1)
    return {"pid": os.getpid()}
"""
# The same with the descriptors of the line protocol, which the Python launcher keeps to itself.
DAEMON_NATIVE = """#!/bin/bash
while read -r line; do
    note=$(jq -r '.value.daemon // ""' <<<"$line")
    if [ -n "$note" ]; then
        setsid bash -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; sleep 1000000' "$note" &
        while [ ! -e "$note" ]; do sleep 0.01; done
    fi
    if [ "$(jq .value.exit <<<"$line")" = true ]; then exit 1; fi
    echo "{\\"pid\\":$$}" >&3
done
"""


@pytest.mark.parametrize("runtime", ["python", "native"])
def test_daemons_that_hold_the_pipes_hold_up_nobody(proxy, folder, runtime):
    """
    The action exits, its daemons keep the pipes open, out of reach of a kill of its group. Each run
    ends with its action, the next is served, and the proxy holds nothing of the old one's.
    """
    one = proxy("--runtime", runtime, "--workers", 1)
    one.started(DAEMON if runtime == "python" else DAEMON_NATIVE)
    daemons = []
    try:
        for number in range(3):
            note = folder / f"daemon-{number}"
            assert_error(one.run({"daemon": str(note), "exit": True}), 400, "command exited")
            daemons.append(int(wait_until(lambda note=note: note.exists() and note.read_text(),
                                          "the daemon")))
            assert one.run({}).status == 200
        note = folder / "daemon-that-stays"
        assert one.run({"daemon": str(note)}).status == 200
        daemons.append(int(wait_until(lambda: note.exists() and note.read_text(), "the daemon")))
        assert one.run({}).status == 200
        one.check_streams(8)
        one.terminate()
        assert one.process.wait(whisk.WAIT_S) == 0
    finally:
        for pid in daemons:  # in a container they would end with their first process
            with contextlib.suppress(OSError):  # one that is gone already
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                for victim in [*map(int, children), pid]:
                    os.kill(victim, signal.SIGKILL)


# ---- limits of 0 ----


@pytest.mark.parametrize("option", ["--timeout", "--init-timeout", "--settle-time"])
def test_a_limit_of_0_is_refused_where_it_means_nothing(option):
    done = subprocess.run([str(whisk.PROGRAM), "--port", "0", option, "0"], check=False,
                          capture_output=True, text=True, timeout=whisk.WAIT_S)
    assert done.returncode == 2
    assert f"{option}=0: want a number from 1 to " in done.stderr


def test_a_drain_time_of_0_ends_at_once(proxy):
    one = proxy(*NATIVE, "--drain-timeout", 0)
    one.started(puppet.CODE)
    later = running_for_ever(one)
    one.terminate()
    assert_error(later.result(), 400, "command exited")  # not 503, on which a platform runs it again
    assert one.process.wait(whisk.WAIT_S) == 0


def test_a_time_limit_of_1_ms_is_late_and_no_more(proxy):
    """The margin must not eat it up, nor may an activation be lost."""
    one = proxy(*NATIVE, "--timeout", 1)
    one.started(puppet.CODE)
    for _ in range(5):
        reply = one.run(steps(answer("{}")))
        assert reply.status in (200, 502), reply
    one.check_streams(5)
