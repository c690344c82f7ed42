"""Actions that answer wrongly: twice, half, never, nonsense, too much."""

import json
import re
import time

import pytest

import puppet
import samples
from puppet import answer, raw, steps
from whisk import assert_error, soon, together, wait_until

NO_DICTIONARY = "The action did not return a dictionary or array."
LATE_RE = r"The action exceeded its time limits of \d+ milliseconds\."

NATIVE = ("--runtime", "native")
MODES = pytest.mark.parametrize("mode", ["auto", "fd3"])

BAD_ANSWERS = {
    "null": b"null", "string": b'"text"', "number": b"42", "true": b"true",
    "word": b"no JSON", "opened": b"[", "opened object": b'{"a":1',
    "two objects": b'{"a":1}{"b":2}',
    "trailing word": b'{"a":1} x', "nested 20,000 deep": b"[" * 20000 + b"]" * 20000,
    "20,000 opened": b"[" * 20000, "not UTF-8": b'{"a":"\xff\xfe"}', "NUL": b'{"a":"\0"}',
    "NUL after": b'{"a":1}\0', "surrogate": b'{"a":"\xed\xb0\x80"}', "NaN": b'{"a":NaN}',
    "single quotes": b"{'a':1}", "no quotes": b'{ error: "x"}', "form feed": b'\f{"a":1}',
}
GOOD_ANSWERS = {
    "empty object": b"{}", "empty array": b"[]", "blanks around": b' \t{"a":1} ',
    "big number": b'{"a":123456789012345678901234567890.5e-999}',
    "escapes": b'{"a":"\\u0000\\ud800"}',
    "twice the key": b'{"a":1,"a":2}', "nested 500 deep": b"[" * 500 + b"]" * 500,
    "carriage return": b'{"a":1}\r',
}


def started(proxy, *options, **env):
    one = proxy(*NATIVE, *options)
    one.started(puppet.CODE, env=env or None)
    return one


def assert_serves(one):
    """The next activation is answered with its own answer."""
    text = '{"next":"right"}'
    reply = one.run(steps(answer(text)))
    assert (reply.status, reply.body) == (200, text.encode()), reply


@MODES
def test_TV13_answers_that_are_no_object(proxy, mode):
    """T-V13: nonsense on the answer channel is 502, and the next run is unaffected."""
    one = started(proxy, "--answers", mode)
    for name, line in BAD_ANSWERS.items():
        reply = one.run(steps(raw(line + b"\n")))
        assert reply.status == 502, (name, reply)
        assert_error(reply, 502, NO_DICTIONARY)
        assert_serves(one)
    one.check_streams(2 * len(BAD_ANSWERS))


@MODES
def test_unusual_answers_pass_as_they_are(proxy, mode):
    """What RFC 8259 allows is passed on byte for byte."""
    one = started(proxy, "--answers", mode)
    for name, line in GOOD_ANSWERS.items():
        reply = one.run(steps(raw(line + b"\n")))
        assert reply.status == 200, (name, reply)
        assert reply.body.strip() == line.strip(), name


def test_error_member_is_an_answer_like_any_other(proxy):
    """Contract 1.2: an application error is 200."""
    one = started(proxy)
    reply = one.run(steps(answer('{"error":"sorry"}')))
    assert (reply.status, reply.body) == (200, b'{"error":"sorry"}')


@MODES
def test_TV4_two_answers_one_after_the_other(proxy, mode):
    """T-V4: an action that answers two lines; each next run gets its own answer."""
    one = started(proxy, "--answers", mode)
    for number in range(20):
        text = f'{{"number":{number}}}'
        reply = one.run(steps(raw(f'{text}\n{{"stale":{number}}}\n')))
        assert (reply.status, reply.body) == (200, text.encode())


@MODES
def test_TV4_two_answers_with_twenty_clients(proxy, mode):
    """T-V4: the same from twenty clients at once: no answer may reach the wrong request."""
    one = started(proxy, "--answers", mode)

    def ask(name):
        text = f'{{"id":"{name}"}}'
        reply = one.run(steps(raw(f"{text}\n{text}\n")))
        assert (reply.status, reply.body) == (200, text.encode())

    for turn in range(5):
        together([lambda name=f"{turn}-{n}": ask(name) for n in range(20)])
    one.check_streams(100)


def test_TV4_stray_lines_on_stdout_with_twenty_clients(proxy):
    """T-V4: in stdout mode a second line is a log line when nobody waits for it."""
    one = started(proxy, "--answers", "stdout", PUPPET_FD="1")

    def ask(name):
        text = f'{{"id":"{name}"}}'
        reply = one.run(steps(raw(f"{text}\nno answer: {text}\n")))
        assert (reply.status, reply.body) == (200, text.encode())

    together([lambda name=f"n{n}": ask(name) for n in range(20)])
    out, _ = one.check_streams(20)
    assert out.count("no answer: ") == 20


@MODES
@pytest.mark.parametrize("text, first", [
    ('{"error":"x"\n}\n', None), ('{"error":"x"}\n\n', b'{"error":"x"}'), ("\n" * 3 + '{"a":1}\n', None),
    ('{"a":1}\n' + "x" * 70000 + "\n", b'{"a":1}')], ids=["swift", "rust", "blank-first", "long-tail"])
def test_TV22_answers_of_more_than_one_line(proxy, mode, text, first):
    """T-V22: two-line errors and blank lines: the first line counts, and the next run is correct."""
    one = started(proxy, "--answers", mode)
    for _ in range(3):
        reply = one.run(steps(raw(text)))
        if first is None:
            assert_error(reply, 502, NO_DICTIONARY)
        else:
            assert (reply.status, reply.body) == (200, first)
        assert_serves(one)


@pytest.mark.parametrize("half", ['{"a":1}', '{"a":', "text", '{"a":1}\n{"b":'])
def test_TV5_half_a_line_then_exit(proxy, half):
    """T-V5: an answer without its newline, then exit: answered at once, and started again."""
    one = started(proxy)
    reply = one.run(steps(raw(half), puppet.leave(0)))
    if half.startswith('{"a":1}'):
        assert (reply.status, reply.body) == (200, b'{"a":1}')
    else:
        assert_error(reply, 400, "command exited")
    assert_serves(one)
    one.check_streams(2)


@pytest.mark.parametrize("half", ['{"a":1}', '{"a":', ""])
def test_TV5_half_a_line_then_silence(proxy, half):
    """T-V5: an answer without its newline, then nothing: answered by the deadline."""
    one = started(proxy)
    reply = one.run(steps(raw(half), puppet.forever()), deadline=soon(700))
    assert reply.status == 502, reply
    assert_late(reply)
    assert_serves(one)
    one.check_streams(2)


def assert_late(reply):
    assert reply.status == 502, reply
    assert re.fullmatch(LATE_RE, reply.error), reply


def test_action_that_never_answers_python(proxy):
    """A Python action in an endless loop is ended by the deadline and started again."""
    one = proxy("--runtime", "python")
    one.started("import signal\n\ndef main(args):\n    while args.get('loop'):\n"
                "        signal.pause()\n    return args\n")
    for _ in range(2):
        assert_late(one.run({"loop": True}, deadline=soon(900)))
        assert one.run({"a": 1}).json == {"a": 1}
    one.check_streams(4)


def test_deadline_of_the_body(proxy):
    """The body's deadline holds when it is nearer than the setting's; strings and numbers both."""
    one = started(proxy)
    for kind in (str, int):
        deadline = kind(int(time.time() * 1000) + 600)
        assert_late(one.run(steps(puppet.forever()), deadline=deadline))
        assert_serves(one)


@pytest.mark.parametrize("deadline_ms", [449, 100000])
def test_no_deadline_leads_beyond_the_setting(proxy, deadline_ms):
    """The setting holds for one that is further away, and is the most that an error names as the limit."""
    one = started(proxy, "--timeout", 450)
    reply = one.run(steps(puppet.forever()), deadline=soon(deadline_ms))
    assert_late(reply)
    assert int(re.search(r"of (\d+) milliseconds", reply.error)[1]) <= 450
    assert_serves(one)


@pytest.mark.parametrize("limit", [400, 1500])
@pytest.mark.parametrize("env, early", [({"__OW_API_HOST": "h"}, False), ({}, True)])
def test_the_platforms_limit_is_kept_and_named(proxy, env, early, limit):
    """Contract 1.2: an invoker counts a timeout only from the limit on, and compares the text."""
    one = proxy(*NATIVE, env=env)
    one.started(puppet.CODE)

    def is_named():
        """Not when it took 100 ms to get there, as on a busy machine: the limit is what is left, rounded up to these."""
        sent = time.time()
        reply = one.run(steps(puppet.forever()), deadline=str(int(sent * 1000) + limit))
        took = time.time() - sent
        assert_late(reply)
        assert early or took >= limit / 1000
        assert_serves(one)
        return reply.json == {"error": f"The action exceeded its time limits of {limit} milliseconds."}

    wait_until(is_named, "the limit in an answer")


def test_with_an_invoker_an_action_may_use_all_of_its_limit(proxy):
    """Contract T-L1: peers let an activation finish up to its limit."""
    one = proxy("--runtime", "python", env={"__OW_API_HOST": "h"})
    one.started("import os, time\ndef main(args):\n"
                "    time.sleep(int(os.environ['__OW_DEADLINE']) / 1000 - time.time())\n"
                "    return {'slept': True}\n")
    # An answer that leaves right at the limit may come too late on a busy machine, not always.
    wait_until(lambda: (reply := one.run({}, deadline=soon(1000))).status == 200 and
               reply.json == {"slept": True}, "an answer at the limit")


def test_deadlines_that_are_none(proxy):
    """Contract T-B9: a deadline that is past on arrival, or is none, bounds nothing."""
    one = started(proxy)
    for deadline in ("", "soon", "-5", -5, "0", 0, "123", "1e400", "9" * 40, None, {}, [1], True, 0.5):
        reply = one.run(steps(answer('{"a":1}')), deadline=deadline)
        assert (reply.status, reply.json) == (200, {"a": 1}), deadline


def test_queued_run_past_its_deadline_is_not_run(proxy, gate):
    """A run that waits too long is answered without being started."""
    door = gate()
    one = started(proxy, "--workers", 1)
    first = one.later(one.run, steps(puppet.wait_at(door), answer('{"first":1}')))
    door.wait_reached()
    late = one.run(steps(puppet.out(b"ran after all\n"), answer("{}")),
                   deadline=soon(600))
    assert_late(late)
    door.release()
    assert first.result().json == {"first": 1}
    assert_serves(one)
    assert b"ran after all" not in one.logs()[0]


@pytest.mark.parametrize("length", [10, 200000])
def test_action_that_never_reads(proxy, length):
    """A process that does not read its input costs the runs their time, not the proxy its life."""
    one = proxy(*NATIVE, "--timeout", 700)
    one.started("#!/bin/bash\nexec sleep 1000000\n")
    hint = r" It has not read the request; an action reads lines on stdin\."
    first, second = one.run({"a": "x" * length}), one.run({"a": "x" * length})
    assert (first.status, second.status) == (502, 502)
    assert re.fullmatch(LATE_RE + hint, first.error)
    assert re.fullmatch(f"{LATE_RE}({hint})?", second.error)  # it may have waited for a worker only
    one.check_streams(2)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("length", [100, 300000])
def test_action_that_answers_without_being_asked(proxy, folder, length, workers):
    """An answer from before the first run is nobody's: each run gets the one that it asked for."""
    one = proxy(*NATIVE, "--answers", "fd3", "--workers", workers)
    one.started(f"#!/bin/bash\necho '{{\"early\":1}}' >&3\n: >'{folder}'/has-answered-$$\n"
                "while read -r line; do n=$((n + 1))\n"
                "    echo \"{\\\"pid\\\":$$,\\\"asked\\\":$n}\" >&3; done\n")
    wait_until(lambda: len(list(folder.glob("has-answered-*"))) == workers, "the early answers")
    asked = {}
    for _ in range(3 * workers):
        reply = one.run({"a": "x" * length}).json
        asked[reply["pid"]] = asked.get(reply["pid"], 0) + 1
        assert reply["asked"] == asked[reply["pid"]], "the answer to an earlier question"


@MODES
def test_native_action_that_closes_its_stdout(proxy, mode):
    """With answers on descriptor 3 a closed stdout costs nothing."""
    one = started(proxy, "--answers", mode)
    assert_serves(one)
    reply = one.run(steps(puppet.close(1), answer('{"a":1}')))
    assert (reply.status, reply.json) == (200, {"a": 1})
    assert_serves(one)
    one.check_streams(3)


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_native_action_that_closes_a_stream_it_answers_beside(proxy, stream):
    """Any of the other three closed: this run is answered, and the one after it."""
    one = started(proxy, "--answers", "fd3", "--timeout", 3600000)
    reply = one.run(steps(puppet.close(stream), answer('{"a":1}')))
    assert (reply.status, reply.json) == (200, {"a": 1})
    assert_serves(one)


@pytest.mark.parametrize("mode, descriptor", [("stdout", 1), ("fd3", 3)])
def test_native_action_that_closes_its_answers(proxy, mode, descriptor):
    """The channel closed before the answer: the run ends with an error at once, the next is right."""
    one = started(proxy, "--answers", mode, "--timeout", 3600000, PUPPET_FD=str(descriptor))
    reply = one.run(steps(puppet.close(descriptor), puppet.forever()))
    assert_error(reply, 400, "command exited")
    assert_serves(one)
    one.check_streams(2)


def test_answers_on_stdout_in_auto_mode(proxy, compiled):
    """A program that answers on its standard output needs no setting."""
    one = proxy(*NATIVE)
    one.started(compiled(samples.echo_c(1)))
    for value in ({"a": 1}, [1, 2], {"text": "❄"}):
        reply = one.run(value)
        assert (reply.status, reply.json) == (200, value)
    assert one.check_streams(3) == ("", "")


def test_answer_of_fifty_megabytes(proxy):
    """A very large answer passes when the bound allows it."""
    one = proxy("--runtime", "python", "--answer-max-bytes", 60 << 20)
    one.started("def main(args):\n    return {'a': 'x' * args['n']}\n")
    reply = one.run({"n": 50 << 20})
    assert reply.status == 200
    assert reply.body == b'{"a":"' + b"x" * (50 << 20) + b'"}'
    assert one.run({"n": 1}).json == {"a": "x"}
    one.check_streams(2)


@pytest.mark.parametrize(
    "length, fits", [(999, True), (1000, True), (1001, False), (5000000, False)])
def test_answer_bound(proxy, length, fits):
    """An answer of the bound passes, one byte more is an error that names it."""
    one = started(proxy, "--answer-max-bytes", 1000, "--answers", "fd3")
    text = b'{"a":"' + b"x" * (length - 8) + b'"}'
    # A flood writes what is too large for a request of this size to carry.
    parts = [raw(text + b"\n")] if length < 10000 else \
        [puppet.flood(3, b"x" * 1000, length // 1000), raw(b"\n")]
    reply = one.run(steps(*parts))
    if fits:
        assert (reply.status, reply.body) == (200, text)
    else:
        assert reply.status == 502, reply
        assert "1000" in reply.error and "answer-max-bytes" in reply.error
    assert_serves(one)
    one.check_streams(2)


def test_python_answer_over_the_bound(proxy):
    """The same in stdout mode, where the line does begin like an answer."""
    one = proxy("--runtime", "python", "--answer-max-bytes", 1000)
    one.started("def main(args):\n    return {'a': 'x' * args['n']}\n")
    reply = one.run({"n": 2000})
    assert reply.status == 502, reply
    assert "1000" in reply.error
    assert one.run({"n": 1}).json == {"a": "x"}
    one.check_streams(2)


def test_numbers_and_order_survive(proxy):
    """Members keep their order and numbers their digits through the proxy."""
    one = started(proxy)
    text = json.dumps({str(n): n / 7 for n in range(50, 0, -1)})
    assert one.run(steps(answer(text))).body == text.encode()
