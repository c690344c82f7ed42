"""The container's two streams: every log line before its own sentinel, sentinels genuine."""

import pytest

import puppet
import samples
from puppet import answer, err, out, steps
from whisk import SENTINEL, assert_error, together, wait_until

NATIVE = ("--runtime", "native")
MARK = SENTINEL.encode()
ANSWER = answer('{"a":1}')


@pytest.fixture
def actor(proxy):
    """A proxy with the puppet, which answers on descriptor 3."""
    one = proxy(*NATIVE, "--answers", "fd3")
    one.started(puppet.CODE)
    return one


def test_sentinels_stand_before_the_answer_arrives(actor):
    """Contract 8.2: whoever has the answer finds the whole log, without waiting."""
    for number in range(50):
        actor.run(steps(out(f"line {number}\n"), err(f"line {number}\n"), ANSWER))
        for data in actor.logs():
            assert data.endswith(f"line {number}\n{SENTINEL}\n".encode())


def test_TV15_log_without_a_newline_at_its_end(actor):
    """T-V15: an unfinished line is ended, and the sentinel stands on a line of its own."""
    actor.run(steps(out("partial out"), err("partial err"), ANSWER))
    assert actor.logs() == (b"partial out\n" + MARK + b"\n", b"partial err\n" + MARK + b"\n")


def test_TV15_python_log_without_a_newline(proxy):
    """T-V15: the same from Python, four times, text intact."""
    one = proxy("--runtime", "python")
    one.started("import sys\n\ndef main(args):\n    print('hello stdout', end='')\n"
                "    print('hello stderr', end='', file=sys.stderr)\n    return args\n")
    for _ in range(4):
        one.run({})
    assert one.log_parts(0) == ["hello stdout\n"] * 4
    assert one.log_parts(1) == ["hello stderr\n"] * 4
    one.check_streams(4)


def test_each_line_stands_before_its_own_sentinel(proxy, kind):
    """What an activation logs is between the sentinel before it and its own."""
    one = proxy(*kind.options)
    one.started(kind["log_and_echo"])
    for name in ("A", "B", "C"):
        assert one.run({"id": name}).json == {"id": name}
    assert one.log_parts(0) == ["log of A\n", "log of B\n", "log of C\n"]
    assert one.log_parts(1) == ["err of A\n", "err of B\n", "err of C\n"]
    one.check_streams(3)


@pytest.mark.parametrize("workers", [1, 3])
def test_each_line_stands_before_its_own_sentinel_with_many_clients(proxy, kind, workers):
    """
    The same when twenty clients ask at once, also where lines are written ahead. Of several
    processes the logs mix line by line: each line is there whole, and once.
    """
    one = proxy(*kind.options, "--workers", workers)
    one.started(kind["log_and_echo"])
    names = [f"{turn}-{n}" for turn in range(3) for n in range(20)]
    for turn in range(3):
        replies = together([lambda n=n: one.run({"id": n}) for n in names[turn * 20:][:20]])
        assert [reply.json["id"] for reply in replies] == names[turn * 20:][:20]
    one.check_streams(60)
    for stream, word in ((0, "log"), (1, "err")):
        parts = one.log_parts(stream)
        lines = parts if workers == 1 else "".join(parts).splitlines(keepends=True)
        assert sorted(lines) == sorted(f"{word} of {name}\n" for name in names)


def test_logs_of_a_crash_stand_before_its_sentinel(actor):
    """The last words of an action that dies, finished or not, are its own activation's."""
    actor.run(steps(out("whole\nhalf"), err("why I die\n"), puppet.die()))
    actor.run(steps(out("next\n"), ANSWER))
    assert actor.log_parts(0) == ["whole\nhalf\n", "next\n"]
    assert actor.log_parts(1) == ["why I die\n", ""]


def test_binary_bytes_pass(actor):
    """A log of any bytes, NUL and broken UTF-8 included, arrives as it was written."""
    data = bytes(range(256)) * 20 + b"\xff\xfe\0end\n"
    actor.run(steps(out(data), err(data), ANSWER))
    assert actor.logs() == (data + MARK + b"\n",) * 2


def test_forged_answers_on_stdout_are_log_lines(actor):
    """With answers on descriptor 3, JSON on stdout is log, before and after the answer."""
    forged = '{"forged":true}\n'
    reply = actor.run(steps(out(forged), answer('{"genuine":true}')))
    assert reply.json == {"genuine": True}
    actor.run(steps(out('{"ok":true}\n[]\n'), answer('{"genuine":true}')))
    assert actor.log_parts(0) == [forged, '{"ok":true}\n[]\n']


def test_forged_answers_on_stdout_in_auto_mode(proxy):
    """Once descriptor 3 of a process has answered it stays the answer channel."""
    one = proxy(*NATIVE, "--workers", 1)
    one.started(puppet.CODE)
    for _ in range(3):
        assert one.run(steps(answer('{"genuine":true}'))).json == {"genuine": True}
        reply = one.run(steps(out('{"forged":true}\n'), answer('{"genuine":2}')))
        assert reply.json == {"genuine": 2}
    assert one.check_streams(6)[0].count("forged") == 3


def test_where_answers_come_is_known_of_the_next_process_too(proxy, gate):
    """In auto mode: what one process has shown holds for the one that takes its place."""
    one, door = proxy(*NATIVE, "--workers", 1), gate()
    one.started(puppet.CODE)
    assert one.run(steps(answer('{"genuine":true}'))).json == {"genuine": True}
    assert_error(one.run(steps(puppet.leave(1))), 400, "command exited")
    later = one.later(one.run, steps(out('{"forged":true}\n'), puppet.wait_at(door),
                                     answer('{"genuine":2}')))
    wait_until(lambda: later.done or b"forged" in one.logs()[0], "the forged line to be read")
    door.wait_reached()
    door.release()
    assert later.result().json == {"genuine": 2}


@pytest.mark.parametrize("text", [
    MARK + b"\n", b"before\n" + MARK + b"\nafter\n", MARK + b"\n" + MARK + b"\n", MARK,
    b"inside " + MARK + b" of a line\n", MARK + MARK + b"\n", b"  " + MARK + b"\r\n",
], ids=["line", "middle", "two", "unfinished", "inside", "glued", "blanks"])
def test_forged_sentinels_are_altered(actor, text):
    """Whatever the action writes, one genuine sentinel per stream and activation appears."""
    actor.run(steps(out(text), err(text), ANSWER))
    actor.run(steps(out("next\n"), ANSWER))
    log, _ = actor.check_streams(2)
    assert log.endswith("next")


@pytest.mark.parametrize("cut", [1, 10, len(MARK) - 1, len(MARK)])
def test_forged_sentinel_in_two_pieces(actor, cut):
    """A sentinel written in two writes is altered as well."""
    head, tail = MARK[:cut], MARK[cut:] + b"\n"
    actor.run(steps(out(head), err(head), out(tail), err(tail), ANSWER))
    actor.check_streams(1)


def test_forged_sentinel_in_two_activations(actor):
    """Half of it at the end of one run, half at the start of the next: still only log."""
    actor.run(steps(out(MARK[:20]), ANSWER))
    actor.run(steps(out(MARK[20:] + b"\n"), ANSWER))
    actor.check_streams(2)


def test_forged_sentinel_in_a_long_line(actor):
    """A sentinel anywhere in a line of 200 KB, across every buffer's edge."""
    for pad in (16384, 65536 - 20, 65536, 100000, 131072 - 5):
        actor.run(steps(out(b"x" * pad + MARK + b"y" * 1000 + b"\n"), ANSWER))
    actor.check_streams(5)


def test_forged_sentinels_from_python(proxy):
    """The same from Python code, on both streams, and from a child process."""
    one = proxy("--runtime", "python")
    one.started(f"import os, sys\n\ndef main(args):\n    print('{SENTINEL}')\n"
                f"    print('{SENTINEL}', file=sys.stderr)\n    sys.stdout.flush()\n"
                f"    os.system('echo {SENTINEL}')\n    return args\n")
    assert one.run({}).json == {}
    assert one.run({}).json == {}
    one.check_streams(2)


def test_long_lines_arrive_whole_or_marked(actor):
    """A line of 1 MB does not hold up the answer, and what follows is on its own line."""
    actor.run(steps(puppet.flood(1, b"x" * 65536, 16), out("\nafter\n"), ANSWER))
    log = actor.log_parts(0)[0]
    assert log.endswith("\nafter\n")
    assert log.startswith("x" * 10000)
    actor.check_streams(1)


@pytest.mark.parametrize("line", [b"flood " * 170 + b"\n", b"x" * 1024], ids=["lines", "one-line"])
@pytest.mark.parametrize("stream, megabytes", [(1, 100), (2, 10)])
def test_TV16_flood(actor, stream, megabytes, line):
    """T-V16: 100 MB of log finish, and the answer comes; nothing is lost from whole lines."""
    times = (megabytes << 20) // len(line) // 16
    reply = actor.run(steps(puppet.flood(stream, line * 16, times), ANSWER))
    assert reply.json == {"a": 1}
    actor.check_streams(1)
    if line.endswith(b"\n"):
        assert actor.logs()[stream - 1].count(line) == times * 16


def test_TV16_flood_from_python(proxy):
    """T-V16: the same from print()."""
    one = proxy("--runtime", "python")
    one.started("def main(args):\n    for _ in range(10 * 1024):\n        print('x' * 1023)\n"
                "    return args\n")
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.logs()[0].count(b"x" * 1023 + b"\n") == 10 * 1024
    one.check_streams(1)


def test_TV16_flood_before_reading(proxy):
    """T-V16: an action that floods both streams before it reads a large body: no deadlock."""
    one = proxy(*NATIVE)
    one.started("#!/bin/bash\nyes 'flood of a line' | head -c 2000000\n"
                "yes 'flood of a line' | head -c 2000000 >&2\n" + samples.SHELL_CODES["echo"][12:])
    value = {"a": "x" * 300000}
    assert one.run(value).json == value
    one.check_streams(1)


def test_late_output_is_told_before_the_next_sentinel(proxy, gate):
    """What a thread prints after the answer belongs to the next activation, and is not lost."""
    door = gate()
    one = proxy("--runtime", "python")
    one.started(f"""
import threading

def talk():
    open({door.path!r}).read()
    print("late words", flush=True)

def main(args):
    if args.get("talk"):
        threading.Thread(target=talk, daemon=True).start()
    return args
""")
    one.run({"talk": True})
    door.wait_reached()
    door.release()
    wait_until(lambda: b"late words\n" in one.logs()[0], "the late words")
    one.run({})
    assert one.log_parts(0) == ["", "late words\n"]
