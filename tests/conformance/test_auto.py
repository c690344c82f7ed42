"""Answers on 1 or on 3, nobody said which: programs that log JSON, answer late, answer badly or not at all.

Each mix is tried in many fresh proxies, as what goes wrong here is decided by a process's first answer. FRESH=100 in
the environment makes it 100 of each.
"""

import concurrent.futures
import json
import os
import time

import pytest

import puppet
from puppet import answer, raw, steps
from whisk import WAIT_S, Proxy, assert_error, is_sanitized, soon

FRESH = int(os.environ.get("FRESH", 3 if is_sanitized() else 20))
NO_DICTIONARY = "The action did not return a dictionary or array."
NO_NEWLINE = NO_DICTIONARY[:-1] + ": it wrote an answer without a newline at its end."
# These errors must come within 200 ms after the program has gone back to its input. With this limit,
# one that comes only at the deadline comes later than any client here waits.
NATIVE = ("--runtime", "native", "--timeout", 3600000)

LOG, ANSWER = """echo '{"level":"info"}'""", """echo '{"ok":1}' >&3"""
# Name: what the program does before its loop, and for each line; all answer {"ok":1}.
MIXES = {
    "log, answer": ("", f"{LOG}; {ANSWER}"),
    "answer, log": ("", f"{ANSWER}; {LOG}"),
    "log, pause, answer": ("", f"{LOG}; sleep 0.03; {ANSWER}"),
    "answer, pause, log": ("", f"{ANSWER}; sleep 0.01; {LOG}"),
    "three logs, pauses, answer": ("", f"{LOG}; sleep 0.01; {LOG}; sleep 0.01; {LOG}; {ANSWER}"),
    "logs around the answer": ("", f"{LOG}; {ANSWER}; {LOG}"),
    "acknowledgement, then log, answer": ("echo '{\"ok\":true}' >&3", f"{LOG}; {ANSWER}"),
    "log at start, then log, answer": (LOG, f"{LOG}; {ANSWER}"),
    "log by a program of its own, answer": ("", f"""sh -c "echo '{{\\"level\\":\\"info\\"}}'"; {ANSWER}"""),
    "answer by a program of its own": ("", f"""{LOG}; sh -c "sleep 0.02; echo '{{\\"ok\\":1}}' >&3" """),
    "answer on 1, text before it": ("", """echo 'no JSON'; echo '{"ok":1}'"""),
    "answer on 1, log on 2": ("", """echo '{"level":"info"}' >&2; echo '{"ok":1}'"""),
}


def program(mix):
    start, each = MIXES[mix]
    return f"#!/bin/bash\n{start}\nwhile read -r line; do {each}; done\n"


def wrong_of(folder, mix):
    """What a fresh proxy answered wrongly, of three activations in a row."""
    folder.mkdir()
    one = Proxy(folder)
    try:
        one.started(program(mix))
        replies = [one.run({}) for _ in range(3)]
        return [repr(reply) for reply in replies if (reply.status, reply.body.strip()) != (200, b'{"ok":1}')]
    finally:
        one.terminate()  # what it leaves is other cases' question, and a slow one
        assert one.process.wait(WAIT_S) == 0


@pytest.mark.parametrize("mix", MIXES)
def test_what_is_answered_is_the_answer_in_every_fresh_proxy(folder, mix):
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        wrong = list(threads.map(lambda n: wrong_of(folder / f"proxy-{n}", mix), range(FRESH)))
    assert [each for each in wrong if each] == []


def waits_in_python(call):
    return ("/usr/bin/python3", f"""import select, sys
answers = open(3, "w")
for line in sys.stdin:
    print('{{"level":1}}', flush=True)
    {call}
    print('{{"ok":1}}', file=answers, flush=True)
""")


SLEEP = "await asyncio.sleep(0.3)"
# An event loop reads its input even while it waits for something else. This one waits until it has
# read the first byte of the next line. The proxy writes that byte only until it knows where answers
# come from.
READ_AHEAD = """while is_first and not lines._buffer: await asyncio.sleep(0.001)
        is_first = False"""


def loop_in_python(wait, reader="0"):
    return f"""import asyncio, json, os
async def main():
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), os.fdopen({reader}, "rb", 0))
    is_first = True
    while line := await lines.readline():
        os.write(1, b'{{"level":1}}\\n')
        {wait}
        os.write(3, b'{{"ok":%d}}\\n' % json.loads(line)["value"].get("n", 1))
asyncio.run(main())
"""


LOOP_IN_NODE = """const fs = require('fs');
let text = '';
process.stdin.on('data', async (chunk) => {
    text += chunk;
    for (let at; (at = text.indexOf('\\n')) >= 0; text = text.slice(at + 1)) {
        fs.writeSync(1, '{"level":1}\\n');
        await new Promise((go) => setTimeout(go, 300));
        fs.writeSync(3, '{"ok":1}\\n');
    }
});
"""
MANY = "pairs = [socket.socketpair() for _ in range(100)]; [poll.register(a, 1) for a, _ in pairs]; poll.poll({})"

WAITS = {  # for something other than its input, 150 ms or, in an event loop, 300
    "poll of 100 sockets": waits_in_python(f"import socket; poll = select.poll(); {MANY.format(150)}"),
    "epoll of 100 sockets": waits_in_python(f"import socket; poll = select.epoll(); {MANY.format(0.15)}"),
    "asyncio": ("/usr/bin/python3", loop_in_python(SLEEP)),
    "asyncio, its input under another number": ("/usr/bin/python3", loop_in_python(SLEEP, "os.dup(0)")),
    "asyncio below a shell": ("/bin/sh", f"/usr/bin/python3 /dev/fd/9 9<<'END'\n{loop_in_python(READ_AHEAD)}END\nexit $?\n"),
    "Node.js's event loop": ("/usr/bin/node", LOOP_IN_NODE),
    "Perl's select": ("/usr/bin/perl", r"""$| = 1; open(my $a, '>&=', 3); $a->autoflush(1);
while (<STDIN>) { print "{\"level\":1}\n"; select(undef, undef, undef, 0.15); print $a "{\"ok\":1}\n"; }
"""),
    "Python's poll": waits_in_python("select.poll().poll(150)"),
    "Python's epoll": waits_in_python("select.epoll().poll(0.15)"),
    "another pipe as descriptor 0": ("/bin/bash", """while read -r line; do
    echo '{"level":1}'
    while read -r x; do :; done < <(sleep 0.15)
    echo '{"ok":1}' >&3
done
"""),
}


@pytest.mark.parametrize("how", WAITS)
def test_a_program_that_waits_for_something_else_is_not_back_at_its_input(proxy, how):
    """What it has logged as JSON until then is no answer."""
    interpreter, text = WAITS[how]
    one = proxy(*NATIVE)
    one.started(f"#!{interpreter}\n{text}")
    for _ in range(2):
        assert one.run({}).json == {"ok": 1}


def test_an_answer_on_3_overrules_a_guess(proxy):
    """If an action waits for longer than the proxy does, only the first activation may get a log line as its answer."""
    one = proxy(*NATIVE)
    one.started("#!/usr/bin/python3\n" + loop_in_python("await asyncio.sleep(1.5)"))
    assert one.run({"n": 1}).json in ({"ok": 1}, {"level": 1})
    for n in (2, 3):
        assert one.run({"n": n}).json == {"ok": n}


@pytest.mark.parametrize("how", ["kill -9 $$", "kill -SEGV $$", "exit 1"])
def test_a_log_line_of_a_program_that_dies_then_is_no_answer(proxy, how):
    one = proxy(*NATIVE)
    one.started(f"""#!/bin/bash
while read -r line; do {LOG}; {how}; {ANSWER}; done
""")
    for _ in range(2):
        reply = one.run({})
        assert reply.status == 400, reply


@pytest.mark.parametrize("acknowledges", [False, True])
def test_a_log_line_that_begins_with_ok_chooses_no_descriptor(proxy, acknowledges):
    one = proxy(*NATIVE)
    one.started(f"""#!/bin/bash
echo '{{"ok":true,"msg":"connected"}}'
{"echo '" + '{"ok":true}' + "' >&3" if acknowledges else ""}
while read -r line; do {LOG}; {ANSWER}; done
""")
    for _ in range(2):
        assert one.run({}).json == {"ok": 1}


def test_a_log_line_that_says_ok_is_no_ready_line(proxy):
    one = proxy(*NATIVE)
    one.started(f"""#!/bin/bash
echo '{{"level":"info","msg":"connected","ok":true}}'
echo '{{"level":"warn","ok":false}}'
while read -r line; do {LOG}; {ANSWER}; done
""")
    for _ in range(2):
        assert one.run({}).json == {"ok": 1}


@pytest.mark.parametrize("text", ["[INFO] begun", "[2026-11-30 10:00:00] begun", "[main]", "[ 12 ms]", "[true story]"])
@pytest.mark.parametrize("mode", ["auto", "stdout"])
def test_a_log_line_in_brackets_is_no_answer(proxy, gate, mode, text):
    """Here a child answers after the program has read its input again, as in the case with other text below."""
    one, door = proxy(*NATIVE, "--answers", mode), gate()
    one.started(f"""#!/bin/bash
while read -r line; do echo '{text}'; {{ cat {door.path}; echo '{{"late":1}}'; }} & done
""")
    later = one.later(one.run, {})
    door.wait_reached()
    time.sleep(0.25)  # longer than what is told soon takes; a pause that is shorter proves nothing less
    assert not later.done
    door.release()
    assert (later.result().status, later.result().json) == (200, {"late": 1})


# ---- answers that are none ----

def check_soon(one, run, *wanted):
    """It is answered with 502 and a text long before its deadline, and the next one with its own answer."""
    reply = one.run(run)
    assert reply.status == 502, reply
    assert reply.error and "time limits" not in reply.error, reply
    if wanted:
        assert reply.error in wanted, reply
    for number in range(3):
        reply = one.run(steps(answer('{"next":%d}' % number)))
        assert (reply.status, reply.json) == (200, {"next": number}), reply


BLANK = {"newline": b"\n", "blanks": b"  \t\n", "carriage return": b"\r\n"}


@pytest.mark.parametrize("mode", ["auto", "fd3"])
@pytest.mark.parametrize("line", BLANK)
def test_a_blank_line_on_3_is_an_answer_that_is_none(proxy, mode, line):
    """`echo "$(jq …)" >&3` with a jq that failed: as Apache's proxy has it."""
    one = proxy(*NATIVE, "--answers", mode)
    one.started(puppet.CODE)
    check_soon(one, steps(raw(BLANK[line])), NO_DICTIONARY)


def test_a_blank_line_on_3_once_answers_have_come_there(proxy):
    one = proxy(*NATIVE)
    one.started(puppet.CODE)
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}
    check_soon(one, steps(raw(b"\n")), NO_DICTIONARY)


def test_a_blank_acknowledgement_fails_the_init(proxy):
    one = proxy(*NATIVE, "--init-timeout", 3600000, env={"OW_WAIT_FOR_ACK": "1"})
    reply = one.init("#!/bin/bash\necho >&3\nwhile read -r line; do echo '{}' >&3; done\n")
    assert_error(reply, 502, "cannot start action: unexpected end of JSON input")


# No line of these is an answer.
NO_LINE = {
    "pretty-printed": b'{\n  "ok": 1\n}\n',
    "BOM": b'\xef\xbb\xbf{"ok":1}\n',
    "latin-1": b'{"ok":"\xe9"}\n',
    "no newline": b'{"ok":1}',
}

@pytest.mark.parametrize("mode", ["auto", "stdout"])
@pytest.mark.parametrize("what", NO_LINE)
def test_what_is_no_answer_on_1_is_told_soon(proxy, mode, what):
    """By the program's going back to its input: what came was not an answer, and none will come."""
    one = proxy(*NATIVE, "--answers", mode, env={"PUPPET_FD": "1"})
    one.started(puppet.CODE, env={"PUPPET_FD": "1"})
    check_soon(one, steps(raw(NO_LINE[what])))


@pytest.mark.parametrize("what", NO_LINE)
def test_what_is_no_answer_on_1_is_told_soon_by_one_that_has_answered_well(proxy, what):
    one = proxy(*NATIVE)
    one.started(puppet.CODE, env={"PUPPET_FD": "1"})
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}
    check_soon(one, steps(raw(NO_LINE[what])))


@pytest.mark.parametrize("mode", ["auto", "stdout"])
def test_what_is_no_answer_is_told_soon_of_a_program_that_answers_before_it_has_read_its_line(proxy, mode):
    one = proxy(*NATIVE, "--answers", mode)
    one.started(r"""#!/usr/bin/python3
import os, time
line = b""
while piece := os.read(0, 100):
    line += piece
    if b"long" in line:
        os.write(1, b'{"ok":1}')
        time.sleep(0.05)  # without it the case would prove less
        while piece and not piece.endswith(b"\n"):
            piece = os.read(0, 100)
    elif line.endswith(b"\n"):
        os.write(1, b'{"ok":1}\n')
    else:
        continue
    line = b""
""")
    assert one.run({}).json == {"ok": 1}
    assert one.run({"long": 20_000 * "x"}).error == NO_NEWLINE  # at the deadline it would tell of the time limits
    assert one.run({}).json == {"ok": 1}


@pytest.mark.parametrize("mode", ["auto", "stdout"])
@pytest.mark.parametrize("answered", ['{"ok":1}\\n', '{"ok":1}'], ids=["whole", "no newline"])
def test_an_answer_to_the_first_bytes_of_a_line_is_not_taken_for_an_old_one(proxy, mode, answered):
    """The line comes while the program does something else, and it answers before it has read the line to its end."""
    one = proxy(*NATIVE, "--answers", mode)
    one.started(rf"""#!/usr/bin/python3
import array, fcntl, os, termios, time
def unread():
    n = array.array("i", [0])
    fcntl.ioctl(0, termios.FIONREAD, n)
    return n[0]
while True:
    line = b""
    while not unread():
        time.sleep(0.001)
    while not line.endswith(b"\n"):
        line += os.read(0, 100)
        if b"long" in line:
            os.write(1, b'{answered}')
            while not os.read(0, 100).endswith(b"\n"):
                pass
            break
    else:
        os.write(1, b'{{"ok":1}}\n')
""")
    assert one.run({}).json == {"ok": 1}
    answer = one.run({"long": 20_000 * "x"})
    assert answer.json == {"ok": 1} if "\\n" in answered else answer.error == NO_NEWLINE


@pytest.mark.parametrize("what", [*NO_LINE, "text"])
@pytest.mark.parametrize("mode", ["auto", "fd3"])
def test_what_is_no_answer_on_3_is_told_soon(proxy, mode, what):
    one = proxy(*NATIVE, "--answers", mode)
    one.started(puppet.CODE)
    check_soon(one, steps(raw(NO_LINE.get(what, b"Hello!\n"))), NO_NEWLINE if what == "no newline" else NO_DICTIONARY)


@pytest.mark.parametrize("mode, descriptor", [("auto", 1), ("auto", 3), ("stdout", 1), ("fd3", 3)])
def test_an_answer_too_long_without_a_newline_takes_no_later_answer(proxy, mode, descriptor):
    """Unfinished output is no part of the next answer, as in `cat large.json >&3` where the file ends in no newline."""
    one = proxy(*NATIVE, "--answers", mode, "--answer-max-bytes", 100_000)
    one.started(puppet.CODE, env={"PUPPET_FD": str(descriptor)})
    for number in range(3):
        for _ in range(2):
            reply = one.run(steps(puppet.flood(descriptor, '{"text": "' + 50_000 * "x", 3)))
            assert reply.status == 502 and "--answer-max-bytes" in reply.error, reply
        assert one.run(steps(answer('{"next":%d}' % number))).json == {"next": number}


@pytest.mark.parametrize("mode", ["auto", "fd3"])
def test_the_rest_of_an_answer_too_long_is_no_answer(proxy, mode):
    """Also of a program that reads its next line, in another thread, while it still writes the answer."""
    one = proxy(*NATIVE, "--answers", mode, "--answer-max-bytes", 20_000)
    one.started(r"""#!/usr/bin/python3
import os, queue, sys, threading
lines = queue.Queue()
threading.Thread(target=lambda: [lines.put(line) for line in sys.stdin.buffer], daemon=True).start()
while True:
    text = b'{"text":"' + 3_000_000 * b"x" + b'"}\n' if b"long" in lines.get() else b'{"ok":1}\n'
    while text:
        text = text[os.write(3, text):]
""")
    for _ in range(3):
        reply = one.run({"long": 1})
        assert reply.status == 502 and "--answer-max-bytes" in reply.error, reply
        assert one.run({}).json == {"ok": 1}


def test_what_is_no_answer_behind_an_answer_too_long_costs_one_activation(proxy):
    """The first such line may be the rest of the long one; the others are told at once, as ever."""
    one = proxy(*NATIVE, "--answers", "fd3", "--answer-max-bytes", 20_000)
    one.started(puppet.CODE)
    assert "--answer-max-bytes" in one.run(steps(puppet.flood(3, '{"text": "' + 30_000 * "x", 1))).error
    one.run(steps(raw(b"no answer\n")), deadline=soon(3000))
    assert_error(one.run(steps(raw(b"no answer\n"))), 502, NO_DICTIONARY)
    assert one.run(steps(answer('{"a":1}'))).json == {"a": 1}


@pytest.mark.parametrize("mode", ["auto", "stdout"])
def test_a_long_log_without_a_newline_behind_an_answer_takes_no_later_answer(proxy, mode):
    one = proxy(*NATIVE, "--answers", mode)
    one.started(puppet.CODE, env={"PUPPET_FD": "1"})
    for number in range(3):
        more = puppet.flood(1, 50_000 * "x", 3)
        assert one.run(steps(answer('{"first":%d}' % number), more)).json == {"first": number}
        assert one.run(steps(answer('{"next":%d}' % number))).json == {"next": number}


@pytest.mark.parametrize("call", ["select.select([0], [], [])", "poll.poll()", "epoll.poll()"])
def test_what_is_no_answer_is_told_soon_of_a_program_that_polls_its_input(proxy, call):
    one = proxy(*NATIVE)
    one.started(rf"""#!/usr/bin/python3
import os, select
poll, epoll = select.poll(), select.epoll()
poll.register(0, select.POLLIN)
epoll.register(0, select.EPOLLIN)
text = b""
while True:
    {call}
    text += os.read(0, 65536)
    while b"\n" in text:
        line, text = text.split(b"\n", 1)
        os.write(1, b'{{\n "pretty": 1\n}}\n' if b"bad" in line else b'{{"ok":1}}\n')
""")
    assert one.run({}).json == {"ok": 1}
    reply = one.run({"bad": 1})
    assert reply.status == 502 and "JSON document" in reply.error, reply
    assert one.run({}).json == {"ok": 1}


def test_what_came_instead_of_an_answer_is_told_at_the_deadline_at_the_latest(proxy):
    """Of a program that waits for its input and for others, it is not known whether it will still answer."""
    one = proxy(*NATIVE, "--timeout", 1000)
    one.started(r"""#!/usr/bin/python3
import os, select
poll = select.poll()
for fd in (0, os.pipe()[0]):
    poll.register(fd, select.POLLIN)
while poll.poll() and os.read(0, 65536):
    os.write(1, b'{\n "pretty": 1\n}\n')
""")
    reply = one.run({})
    assert reply.status == 502 and "time limits" in reply.error and "JSON document" in reply.error, reply


@pytest.mark.parametrize("mode", ["auto", "stdout"])
@pytest.mark.parametrize("first", ["", "echo Hello!;"])
def test_after_text_or_nothing_on_1_the_answer_may_still_come(proxy, gate, mode, first):
    """Also when the program reads its input again: here a child of its answers later. This is why neither is told soon."""
    one, door = proxy(*NATIVE, "--answers", mode), gate()
    one.started(f"""#!/bin/bash
while read -r line; do {first} {{ cat {door.path}; echo '{{"late":1}}'; }} & done
""")
    later = one.later(one.run, {})
    door.wait_reached()
    time.sleep(0.25)  # longer than what is told soon takes; a pause that is shorter proves nothing less
    assert not later.done
    door.release()
    assert (later.result().status, later.result().json) == (200, {"late": 1})


@pytest.mark.parametrize("descriptor", [1, 3])
@pytest.mark.parametrize("pieces", [(b'{"ok"', b":1}\n"), (b'{"ok":1}', b"\n"), (b"{", b'"ok":1}\n')])
def test_an_answer_in_two_writes_is_one(proxy, gate, descriptor, pieces):
    """However long the pause between them: it is not the program's going back to its input."""
    one, door = proxy(*NATIVE), gate()
    one.started(puppet.CODE, env={"PUPPET_FD": str(descriptor)})
    later = one.later(one.run, steps(raw(pieces[0]), puppet.wait_at(door), raw(pieces[1])))
    door.wait_reached()
    time.sleep(0.25)  # longer than what is told soon takes; a pause that is shorter proves nothing less
    assert not later.done
    door.release()
    assert (later.result().status, later.result().json) == (200, {"ok": 1})
    assert one.run(steps(answer('{"next":1}'))).json == {"next": 1}


def test_a_log_on_1_and_an_answer_on_3_that_waits(proxy, gate):
    """While the program may still answer on 3, nothing is replied."""
    one, door = proxy(*NATIVE), gate()
    one.started(puppet.CODE)
    later = one.later(one.run, steps(puppet.out(b'{"level":"info"}\n'), puppet.wait_at(door), answer('{"ok":1}')))
    door.wait_reached()
    time.sleep(0.25)  # as above
    assert not later.done
    door.release()
    assert later.result().json == {"ok": 1}
    assert json.loads(one.check_streams(1)[0]) == {"level": "info"}
