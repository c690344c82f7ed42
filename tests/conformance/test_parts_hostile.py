"""Parts from programs that break the rules, and clients that do not read: over HTTP, pipe and invoke."""

import json
import os
import socket
import subprocess

import pytest

import puppet
from puppet import answer, flood, forever, raw, steps
from test_parts import EVENTS, LINES, Reply, as_lines, stream
from watch import Watched
from whisk import PROGRAM, WAIT_S, wait_until

OPTIONS = ("--runtime", "native", "--answers", "fd3", "--workers", 1)
READY = '{"ok":true,"pipeline":4,"parts":true}'
NO_JSON = "a part that is no JSON document"
MANY = 300_000  # parts of 2 bytes; scripts/measure-parts.py sends ten million
GROWTH_MAX_KB = 32 << 10  # of the proxy: PARTS_HELD_MAX and what the sockets hold is far below

# A launcher of many lines at a time: what the first run says is written for all of them.
NUMBERED = r"""#!/usr/bin/python3 -SEu
import json, os, sys

os.write(3, b'{"ok":true,"concurrent":8,"parts":true,"control":true}\n')
for line in iter(sys.stdin.buffer.readline, b""):
    if line.startswith(b"["):
        number, request = json.loads(line)
        os.write(3, request["value"]["text"].replace("N", str(number)).encode())
"""


@pytest.fixture
def one(proxy, folder):
    def start(*options, code=puppet.CODE):
        started = Watched(proxy, folder, *OPTIONS, *options, env={"PUPPET_FIRST": READY})
        started.proxy.started(code)
        return started
    return start


@pytest.fixture
def filtered(folder):
    """filtered(command, value, ...): what `pipe` or `invoke` says of the puppet with these; status and text."""
    (folder / "puppet").write_text(puppet.CODE)
    (folder / "puppet").chmod(0o755)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder),
           "PUPPET_FIRST": READY}

    def run(command, *values, options=()):
        words = [] if command == "pipe" else [json.dumps(values[0])]
        lines = "".join(json.dumps({"value": value}) + "\n" for value in values)
        done = subprocess.run([PROGRAM, command, "--runtime=native", "--answers=fd3", *options, "puppet", *words],
                              input=lines, env=env, cwd=folder, capture_output=True, text=True,
                              timeout=WAIT_S)
        return done.returncode, done.stdout or done.stderr
    return run


def error_of(text):
    """The text of the last line or event, which must be an error."""
    last = text.rstrip(b"\n").rpartition(b"\n")[2]
    return json.loads(last.removeprefix(b"data: "))["error"]


BAD = (
    ("no JSON", steps(raw('+{"i":0}\n+nonsense\n+{"i":1}\n'), answer('{"total":2}')), NO_JSON),
    ("two documents", steps(raw('+{"i":0}\n+1 2\n'), answer('{"total":2}')), NO_JSON),
    ("an answer among them", steps(raw('+{"i":0}\n+{"i"\n'), answer('{"total":2}')), NO_JSON),
    ("a death", steps(raw('+{"i":0}\n'), puppet.die()), "command exited"),
)


@pytest.mark.parametrize("value, why", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_ends_the_stream_with_an_error(one, filtered, value, why):
    started = one()
    first = as_lines({"part": {"i": 0}})
    status, text = stream(started.proxy, value, LINES)
    assert status == 200 and text.startswith(first) and why in error_of(text), text
    status, text = stream(started.proxy, value, EVENTS)
    assert status == 200 and text.startswith(b'data: {"i":0}\n\nevent: error\n') and why in error_of(text)
    plain = started.proxy.run(value)
    assert plain.status in (400, 502) and why in plain.error, plain
    assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}
    started.proxy.check_streams(4)

    code, said = filtered("invoke", value, options=("--parts",))
    assert code == 1 and said.encode().startswith(first) and why in error_of(said.encode())
    code, said = filtered("invoke", value)
    assert code == 1 and why in said  # on stderr
    code, said = filtered("pipe", value, steps(answer('{"next":1}')), options=("--parts",))
    *parts, last = said.splitlines()
    assert (parts[0] + "\n").encode() == first and why in parts[1] and json.loads(last) == {"result": {"next": 1}}
    code, said = filtered("pipe", value, steps(answer('{"next":1}')))
    assert why in said.splitlines()[0] and json.loads(said.splitlines()[1]) == {"next": 1}


def test_a_part_that_is_too_long(one):
    started = one("--answer-max-bytes", 1000)
    long = '+"' + "x" * 2000 + '"\n'
    for accept in (LINES, EVENTS):
        status, text = stream(started.proxy, steps(raw("+1\n" + long), answer("{}")), accept)
        assert status == 200 and "1000 bytes" in error_of(text), text
    for last in ('{"ok":1}', '{"error":"the client has left"}', "+"):  # whatever it answers to the cancellation
        reply = started.proxy.run(steps(raw(long), answer(last)))
        assert reply.status == 502 and "1000 bytes" in reply.error, reply
    ends = started.ends()
    assert (ends.get("answer_too_long"), ends.get("cancelled", 0)) == (5, 0), ends  # no client has left
    assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}


def test_many_parts_take_no_memory(one):
    started = one()
    flooded = steps(flood(3, "+1\n" * 1000, MANY // 1000), answer('{"ok":1}'))
    assert stream(started.proxy, steps(answer("{}")), LINES)[0] == 200
    before = started.proxy.memory_kb("VmRSS")
    with started.proxy.connect() as connection:
        reply = Reply(connection, "/run", flooded, LINES)
        assert reply.head()[0] == 200
        n = sum(piece.count(b"\n") for piece in iter(reply.chunk, b""))
    assert n == MANY + 1
    assert started.proxy.memory_kb("VmHWM") - before < GROWTH_MAX_KB
    metrics = started.metrics()
    assert metrics["whiskloop_parts_total"].value() == MANY
    assert metrics["whiskloop_answer_bytes_total"].value() == len('{}{"ok":1}')


def test_a_list_of_too_many_parts_is_refused(one, filtered):
    started = one("--answer-max-bytes", 100_000)
    flooded = steps(flood(3, "+1\n" * 1000, MANY // 1000), answer("+"))
    before = started.proxy.memory_kb("VmRSS")
    reply = started.proxy.run(flooded)
    assert reply.status == 502 and "100000 bytes" in reply.error
    assert started.proxy.memory_kb("VmHWM") - before < GROWTH_MAX_KB
    assert started.proxy.run(steps(raw("+1\n+2\n"), answer("+"))).json == [1, 2]
    code, said = filtered("pipe", flooded, steps(raw("+1\n"), answer("+")),
                          options=("--answer-max-bytes=100000",))
    assert "100000 bytes" in said.splitlines()[0] and said.splitlines()[1] == "[1]"


def test_parts_after_the_end_are_dropped(one):
    started = one()
    late = steps(raw('+{"i":0}\n{"total":1}\n+{"late":1}\n'))
    for _ in range(3):
        assert stream(started.proxy, late, LINES)[1] == \
            as_lines({"part": {"i": 0}}, {"result": {"total": 1}})
    assert stream(started.proxy, steps(answer('{"next":1}')), LINES)[1] == as_lines({"result": {"next": 1}})


def test_numbers_that_nobody_has_and_numbers_that_repeat(one):
    started = one(code=NUMBERED)

    def ask(text):
        return stream(started.proxy, {"text": text}, LINES)[1]

    wanted = as_lines({"part": 1}, {"result": {"ok": 1}})
    assert ask('[99,+{"a":1}]\n[N,+1]\n[99,+2]\n[N,{"ok":1}]\n') == wanted
    assert ask('[N,+1]\n[N,{"ok":1}]\n[N,+2]\n[N,{"ok":2}]\n') == wanted
    assert ask('[1,+3]\n[N,+1]\n[1,{"old":1}]\n[N,{"ok":1}]\n') == wanted
    assert NO_JSON in error_of(ask('[N,+nonsense]\n[N,{"ok":1}]\n'))
    assert ask('[N,+]\n') == as_lines({"result": None})


def unread(started, value, accept=LINES):
    """A client with a small window that reads nothing."""
    client = started.proxy.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    Reply(client, "/run", value, accept)
    return client


ENDLESS = steps(flood(3, '+"' + "x" * 1000 + '"\n', 1_000_000), answer('{"ok":1}'))


@pytest.mark.parametrize("accept", [LINES, EVENTS])
def test_a_client_that_never_reads_makes_the_action_wait_until_the_deadline(one, accept):
    started = one("--timeout", 3000)
    before = started.proxy.memory_kb("VmRSS")
    with unread(started, ENDLESS, accept):
        wait_until(lambda: started.ends().get("deadline") == 1, "the deadline")
        assert started.proxy.memory_kb("VmHWM") - before < GROWTH_MAX_KB
        assert started.metrics()["whiskloop_parts_total"].value() < 100_000  # it waited
        assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}


def test_a_client_reads_the_end_when_its_version_is_gone(one, folder, gate):
    """The activation has ended, and another action serves by now."""
    started, door = one("--allow-reinit", "--action-dir", folder / "versions", "--answer-max-bytes", 16 << 20), gate()
    long, rest = "x" * (12 << 20), "y" * (300 << 10)  # more than sockets hold; more than makes a worker pause
    with started.proxy.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
        reply = Reply(client, "/run", steps(flood(3, f'+"{long}"\n', 1), puppet.wait_at(door), raw(f'+"{rest}"\n{{"ok":1}}\n')), LINES)
        door.wait_reached()
        assert reply.head()[0] == 200  # the first part is on its way
        door.release()
        wait_until(lambda: started.ends().get("ok") == 1, "the end of the activation")
        started.proxy.started(puppet.CODE)
        wait_until(lambda: not (folder / "versions" / "1").exists(), "the end of the version")
        assert reply.rest() == as_lines({"part": long}, {"part": rest}, {"result": {"ok": 1}})
    assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}


@pytest.mark.parametrize("reads", [0, 1])
def test_a_client_that_takes_too_little_is_disconnected(one, reads):
    started = one("--transfer-timeout", 1000)
    with unread(started, steps(flood(3, '+"' + "x" * 1000 + '"\n', 10_000), answer('{"ok":1}'))) as client:
        def cancelled():
            if reads:
                try:
                    client.socket.recv(1)  # a byte at each look
                except OSError:
                    pass
            return started.ends().get("cancelled") == 1
        wait_until(cancelled, "the client's end")
    assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}


def test_the_deadline_ends_a_stream_in_the_middle(one):
    started = one("--timeout", 1500)
    hanging = steps(raw('+{"i":0}\n'), forever())
    status, text = stream(started.proxy, hanging, EVENTS)
    assert status == 200 and text.startswith(b'data: {"i":0}\n\nevent: error\n'), text
    assert "1500" in error_of(text)
    assert started.proxy.run(steps(answer('{"next":1}'))).json == {"next": 1}
    started.proxy.check_streams(2)
