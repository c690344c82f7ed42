"""Several activations at a time in one process: lines and answers that belong together by number."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import termios
import time

import pytest

from watch import Watched
from whisk import REPO, assert_error, soon, together, wait_until
from wire import hammer

OPTIONS = ("--runtime", "native", "--answers", "fd3", "--workers", 1)
ROOM = 40
KILLED = "the activation had begun when its process was killed: another one exceeded its time limit"

# Does what a run's "do" says, a list of steps, and answers nothing else: a run that wants an answer
# says so, or a later one says it for it. Runs are known by the "id" in their argument.
JUGGLER = r"""#!/usr/bin/python3 -SEu
import json, os, sys

numbers = {}

def put(text):
    data = text.encode()
    while data:
        data = data[os.write(3, data):]

def wait_at(path):
    with open(path) as gate:
        gate.read()

def filled(run, size):
    head = '[%d,{"id":%d,"x":"' % (numbers[run], run)
    text = head + "x" * (size - len('{"id":%d,"x":""}' % run)) + '"}]\n'
    put(text)

STEPS = {
    "answer": lambda run: put('[%d,{"id":%d}]\n' % (numbers[run], run)),
    "spaced": lambda run: put('[ %d , {"id":%d} ] \r\n' % (numbers[run], run)),
    "raw": lambda run, text: put(text.replace("N", str(numbers[run]))),
    "filled": filled, "gate": wait_at, "exit": os._exit,
    "log": lambda text: print(text),
    "knows": lambda run: put('[%d,{"knows":%d}]\n' % (numbers[-1], run in numbers)),
    "pid": lambda run: put('[%d,{"pid":%d}]\n' % (numbers[run], os.getpid())),
}

put('{"ok":true,"concurrent":ROOM}\n')
for line in iter(sys.stdin.buffer.readline, b""):
    if line == b"\n":
        continue  # asks whether lines are read
    number, request = json.loads(line)
    numbers[request["value"]["id"]] = number
    for name, *operands in request["value"]["do"]:
        STEPS[name](*operands)
"""


@pytest.fixture
def juggler(proxy):
    def start(*options, room=ROOM):
        one = proxy(*OPTIONS, *options)
        one.started(JUGGLER.replace("ROOM", str(room)))
        one.asked = []  # the runs of the case: one entry each, hold() adds what it takes
        return one
    return start


def run(one, number, *steps, **meta):
    one.asked.append(number)
    return one.run({"id": number, "do": steps}, **meta)


def hold(one, number, *steps, **meta):
    """A run that nobody has answered yet, once the launcher has it."""
    later = one.later(run, one, number, *steps, **meta)
    wait_until(lambda: run(one, -1, ["knows", number]).json["knows"], "the run to be with it")
    return later


def assert_own(replies, numbers):
    assert [(r.status, r.json) for r in replies] == [(200, {"id": n}) for n in numbers]


def pid_of(one):
    return run(one, 0, ["pid", 0]).json["pid"]


def test_answers_in_any_order_reach_their_own_clients(juggler):
    one = juggler()
    numbers = list(range(1, 13))
    laters = [hold(one, n) for n in numbers]
    last = run(one, 99, *[["answer", n] for n in (5, 12, 1, 7, 2, 11, 3, 10, 4, 9, 6, 8)], ["answer", 99])
    assert_own([last], [99])
    assert_own([later.result() for later in laters], numbers)
    one.check_streams(len(one.asked))


def test_blanks_around_a_number_are_json_and_allowed(juggler):
    one = juggler()
    assert run(one, 1, ["spaced", 1]).json == {"id": 1}


def test_no_more_at_a_time_than_announced(proxy, folder):
    """What has no room waits for some: it is neither refused nor written."""
    watched = Watched(proxy, folder, *OPTIONS)
    one = watched.proxy
    one.asked = []
    one.started(JUGGLER.replace("ROOM", "2"))

    def figure(name):
        (value,) = watched.metrics()[f"whiskloop_activations_{name}"].values().values()
        return value

    first = one.later(run, one, 1)
    wait_until(lambda: figure("in_flight") == 1, "the first to be at work")
    second = one.later(run, one, 2, ["answer", 1])
    assert_own([first.result()], [1])
    third = one.later(run, one, 3)
    wait_until(lambda: figure("in_flight") == 2, "two to be at work")
    fourth = one.later(run, one, 4, ["answer", 4])
    wait_until(lambda: figure("queued") == 1, "the fourth to wait")
    assert figure("in_flight") == 2
    os.kill(one.children()[0], signal.SIGKILL)
    for later in (second, third):
        assert_error(later.result(), 400, "command exited")
    assert_own([fourth.result()], [4])


def test_the_time_of_each_is_counted_whole(proxy, folder):
    """They share the process, and so its time: the sum is more than what has passed."""
    watched = Watched(proxy, folder, *OPTIONS)
    one = watched.proxy
    one.asked = []
    one.started(JUGGLER.replace("ROOM", "3"))
    laters = [hold(one, n) for n in (1, 2)]
    begun_at = time.monotonic()
    while run(one, 3, ["answer", 3]).status == 200 and time.monotonic() - begun_at < 0.1:
        pass
    together_s = time.monotonic() - begun_at
    assert run(one, 4, ["answer", 1], ["answer", 2], ["answer", 4]).status == 200
    assert_own([later.result() for later in laters], [1, 2])
    work = watched.metrics()["whiskloop_action_duration_seconds"]
    assert work.count == len(one.asked)
    assert work.sum >= 2 * together_s


def test_a_death_costs_those_that_had_begun(juggler):
    one = juggler()
    laters = [hold(one, n) for n in (1, 2, 3)]
    assert_error(run(one, 4, ["exit", 3]), 400, "command exited")
    for later in laters:
        assert_error(later.result(), 400, "command exited")
    assert_own([run(one, 5, ["answer", 5])], [5])
    one.check_streams(len(one.asked))


def test_what_it_had_not_read_when_it_died_is_run_by_the_next(juggler, gate):
    one, door = juggler(), gate()
    begun = hold(one, 1)
    dying = one.later(run, one, 2, ["gate", door.path], ["exit", 1])
    door.wait_reached()
    unread = []
    for n in (3, 4, 5):
        before = one.bytes_unread()
        unread.append(one.later(run, one, n, ["answer", n]))
        wait_until(lambda before=before: one.bytes_unread() > before, "the line to be written")
    door.release()
    for later in (begun, dying):
        assert_error(later.result(), 400, "command exited")
    assert_own([later.result() for later in unread], [3, 4, 5])
    one.check_streams(len(one.asked))


def test_an_answer_given_just_before_the_end_counts(juggler):
    one = juggler()
    first = hold(one, 1)
    assert_error(run(one, 2, ["answer", 1], ["raw", 2, '[N,{"id":'], ["exit", 0]), 400, "command exited")
    assert_own([first.result()], [1])


def test_one_that_is_late_costs_itself_only(juggler):
    """The others go on in the same process; what the late one answers then is dropped."""
    one = juggler()
    pid = pid_of(one)
    other = hold(one, 1)
    assert "exceeded its time limits" in run(one, 2, deadline=soon(2000)).json["error"]
    assert run(one, 3, ["answer", 2], ["answer", 1], ["answer", 3]).json == {"id": 3}
    assert_own([other.result()], [1])
    assert pid_of(one) == pid


def test_a_process_with_nothing_but_a_late_one_is_replaced(juggler):
    one = juggler()
    pid = pid_of(one)
    other = hold(one, 1)
    assert run(one, 2, deadline=soon(2000)).status == 502
    assert run(one, 3, ["answer", 1], ["pid", 3]).json == {"pid": pid}
    assert_own([other.result()], [1])
    assert pid_of(one) != pid


def test_late_ones_take_room_until_nobody_is_left_beside_them(juggler):
    """Each may run on for ever: a process full of such is replaced, and who waits is served."""
    one = juggler(room=3)
    pid = pid_of(one)
    replies = together([lambda n=n: run(one, n, deadline=soon(2000)) for n in (1, 2, 3)])
    assert [reply.status for reply in replies] == [502, 502, 502]
    assert pid_of(one) != pid


def test_a_process_that_reads_no_more_is_ended_once_one_is_late(juggler, gate):
    """The others in it cannot get done; what it has not read is run by the next one."""
    one, door = juggler(), gate()
    pid = pid_of(one)
    other = hold(one, 1)
    late = one.later(run, one, 2, ["gate", door.path], deadline=soon(2000))
    door.wait_reached()
    unread = one.later(run, one, 3, ["pid", 3])
    assert late.result().status == 502
    assert_error(other.result(), 400, KILLED)
    assert unread.result().json["pid"] != pid


def test_a_process_that_outlives_its_end_runs_nothing_that_is_given_to_the_next(proxy, gate, folder):
    """What goes back is taken out of its pipe: it may wake up before SIGKILL comes."""
    ran, asked, door = folder / "ran", folder / "asked", gate()
    one = proxy(*OPTIONS, "--kill-after", 60000)
    one.asked = []
    one.started(JUGGLER.replace("ROOM", str(ROOM)).replace("\nSTEPS = {", f"""
import signal

def go_on_once(*_):
    if os.path.exists({str(asked)!r}):
        os._exit(0)
    open({str(asked)!r}, "w").close()

signal.signal(signal.SIGTERM, go_on_once)

def note():
    with open({str(ran)!r}, "a") as file:
        file.write("x")

STEPS = {{
    "note": note, "end after all": lambda: os.set_blocking(0, False),"""))
    pid = pid_of(one)
    late = one.later(run, one, 1, ["gate", door.path], ["end after all"], deadline=soon(2000))
    door.wait_reached()
    given_back = one.later(run, one, 2, ["note"], ["pid", 2])
    assert late.result().status == 502
    wait_until(asked.exists, "SIGTERM to come")
    door.release()
    assert given_back.result().json["pid"] != pid
    assert ran.read_text() == "x"

def test_a_process_that_read_once_more_and_no_more_is_ended(proxy, gate):
    """Each that is late is a reason to ask, also soon after another that was answered by reading."""
    one, door = proxy(*OPTIONS), gate()
    one.asked = []
    one.started(JUGGLER.replace("ROOM", str(ROOM))
                .replace("continue  # asks", f"wait_at({door.path!r})  # asks"))
    other = hold(one, 1)
    now_ms = int(time.time() * 1000)
    late = [hold(one, n, deadline=str(now_ms + ms)) for n, ms in ((2, 2000), (3, 2700))]
    door.wait_reached()
    assert [later.result().status for later in late] == [502, 502]
    assert_error(other.result(), 400, KILLED)


def test_an_announcement_amid_the_first_line(proxy, gate):
    """A launcher that announces "concurrent" after the first bytes of a line is replaced, and the run gets its answer."""
    one, door = proxy(*OPTIONS, "--settle-time", 1), gate()
    one.asked = []
    one.started(JUGGLER.replace("ROOM", str(ROOM))
                .replace("put('{\"ok\"", f"wait_at({door.path!r})\nput('{{\"ok\""))
    (first,) = one.children()
    later = one.later(run, one, 1, ["answer", 1])
    wait_until(lambda: one.bytes_unread() > 0, "the start of the line to be written")
    door.wait_reached()
    door.release()
    wait_until(lambda: one.children() not in ([], [first]), "the next process")
    door.wait_reached()
    door.release()
    assert_own([later.result()], [1])
    assert_own([run(one, 2, ["answer", 2])], [2])


@pytest.mark.parametrize("stray", [
    '{"id":77}', "[]", "[N]", "[N,", "[99999,{}]", "[99999999999999999999999,{}]", "[-N,{}]",
    '["N",{}]', "[N.0,{}]", "[,{}]", "no JSON", "7", "[N;{}]"])
def test_an_answer_that_is_nobodys_is_dropped(juggler, stray):
    one = juggler()
    first = hold(one, 1)
    assert_own([run(one, 2, ["raw", 1, stray + "\n"], ["answer", 2])], [2])
    assert_own([run(one, 3, ["answer", 1], ["answer", 3])], [3])
    assert_own([first.result()], [1])


def test_a_second_answer_is_nobodys(juggler):
    one = juggler()
    others = [hold(one, n) for n in (1, 2)]
    assert_own([run(one, 3, ["answer", 3], ["answer", 3], ["answer", 3])], [3])
    assert_own([run(one, 4, ["answer", 2], ["answer", 2], ["answer", 1], ["answer", 4])], [4])
    assert_own([later.result() for later in others], [1, 2])


@pytest.mark.parametrize("text", ["[N,nonsense]", "[N,]", "[N,7]", "[N,null]", '[N,{"a":1}}]'])
def test_a_wrong_answer_with_its_number_fails_its_own_activation(juggler, text):
    one = juggler()
    other = hold(one, 1)
    assert_error(run(one, 2, ["raw", 2, text + "\n"]), 502,
                 "The action did not return a dictionary or array.")
    assert_own([run(one, 3, ["answer", 1], ["answer", 3])], [3])
    assert_own([other.result()], [1])


@pytest.mark.parametrize("size, fits", [(1000, True), (1001, False), (300000, False)])
def test_an_answer_beyond_the_bound_fails_its_own_activation(juggler, size, fits):
    """The bound is the answer's, whatever its number takes."""
    one = juggler("--answer-max-bytes", 1000)
    other = hold(one, 1)
    reply = run(one, 2, ["filled", 2, size])
    if fits:
        assert (reply.status, len(reply.body)) == (200, size)
    else:
        assert_error(reply, 502,
                     "The action's answer is longer than 1000 bytes (--answer-max-bytes).")
    assert_own([run(one, 3, ["answer", 1], ["answer", 3])], [3])
    assert_own([other.result()], [1])


def test_large_lines_are_whole_whatever_the_pipe_takes(juggler):
    one = juggler()
    padding = "x" * 3000000

    def large(number):
        return one.run({"id": number, "x": padding, "do": [["answer", number]]})

    assert_own(together([lambda n=n: large(n) for n in range(1, 7)]), range(1, 7))


def test_many_clients_each_get_their_own(juggler):
    one = juggler()

    def body(connection, number):
        own = connection * 10000 + number
        return json.dumps({"value": {"id": own, "do": [["answer", own]]}}).encode()

    answers = hammer(one.port, 64, 50, body)
    for (connection, number), (status, text) in answers.items():
        assert (status, json.loads(text)) == (200, {"id": connection * 10000 + number})


def test_a_replaced_version_ends_what_it_has_begun(juggler):
    one = juggler("--allow-reinit")
    pid = pid_of(one)
    old = hold(one, 1, ["log", "begun"])
    one.started(JUGGLER.replace("ROOM", "5"))
    assert pid_of(one) != pid
    assert not old.done
    os.kill(pid, signal.SIGKILL)
    assert_error(old.result(), 400, "command exited")


def test_sentinels_follow_the_log_of_all_that_runs(juggler):
    """Whose log line it is cannot be told; each answer's pair follows what was written before it."""
    one = juggler()
    first = hold(one, 1, ["log", "one"])
    assert run(one, 2, ["log", "two"], ["answer", 2], ["answer", 1]).status == 200
    assert first.result().status == 200
    out, err = one.check_streams(len(one.asked))
    assert (out.split(), err) == (["one", "two"], "")
    assert one.log_parts()[-2:] == ["two\n", ""]


FULL = {
    "nodejs": ("launcher.js", "a.js", "exports.main = ({ n }, { signal }) => new Promise((done) =>\n"
               "    signal.aborted ? done({ n }) : signal.addEventListener('abort', () => done({ n })));\n"),
    "python": ("launcher.py", "a.py", "import asyncio\n\nasync def main(args):\n    await asyncio.sleep(3600)\n"),
}


@pytest.mark.parametrize("language", list(FULL))
def test_a_launcher_that_can_begin_no_more_still_reads_empty_lines(folder, language):
    """The proxy sends one for each late activation, and kills a process that leaves them unread."""
    launcher, name, code = FULL[language]
    if language == "nodejs" and shutil.which("node") is None:
        pytest.skip("node is not installed (scripts/setup.sh --tests)")
    (folder / name).write_text(code)
    command = ["sh", "-c", 'exec "$0" "$1" 3>&2', REPO / "runtime" / language / launcher, name]
    env = {"PATH": os.environ["PATH"], "__OW_WAIT_FOR_ACK": "1", "__OW_ALLOW_CONCURRENT": "true"}
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        def write(text):
            process.stdin.write(text)
            process.stdin.flush()
            wait_until(lambda: fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) == bytes(4), "it to read")

        try:
            room = json.loads(process.stdout.readline())["concurrent"]
            write(b"".join(b'[%d,{"value":{"n":%d}}]\n' % (n, n) for n in range(1, room + 1)))
            for _ in range(100):
                write(b"\n")
            if language == "nodejs":  # the place of a line is not that of an empty one
                write(b'cancel %d\n[%d,{"value":{"n":0}}]\ncancel 1\n' % (room + 1, room + 1))
                assert process.stdout.readline() == b'[1,{"n":1}]\n'
                assert process.stdout.readline() == b'[%d,{"n":0}]\n' % (room + 1)
        finally:
            process.kill()
