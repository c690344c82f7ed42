"""Lines written ahead to a launcher that announced `pipeline`, and then does not keep its word."""

import json
import os
import subprocess
import time

import pytest

import puppet
import samples
import whisk
from watch import Watched
from whisk import SENTINEL, assert_error, soon, wait_until
from wire import hammer, request_bytes

LAUNCHER = ("--runtime", "native", "--answers", "fd3", "--write-ahead", 64)
OPTIONS = (*LAUNCHER, "--workers", 1)  # what goes ahead stands in the pipe of the one process
FLOOD_LINES = 20000
WARM_RUNS = 60  # of the mean that the proxy keeps, a hundredth is older than half of these
QUICK = "0.00025"  # the bound of /metrics at which four lines are a millisecond's work

# Announces that it takes 64 lines, answers {"id":N} with the line's own id, and does what the
# line's "do" says before that. Reads by whole pipes: what comes while it stands at a gate stays
# in the pipe, where a test can see it.
LAUNCHER_C = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *answers;

static long id_of(const char *line)
{
    const char *at = strstr(line, "\"id\":");

    return at == NULL ? -1 : atol(at + 5);
}

static void answer(long id)
{
    fprintf(answers, "{\"id\":%ld}\n", id);
    fflush(answers);
}

static int told(const char *line, const char *what)
{
    const char *at = strstr(line, "\"do\":\"");

    return at != NULL && strncmp(at + 6, what, strlen(what)) == 0;
}

static void wait_at_gate(const char *line)
{
    char path[512];
    char byte;
    const char *at = strstr(line, "\"do\":\"gate:") + 11;
    int fd;

    snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, "\""), at);
    fd = open(path, O_RDONLY);
    while (fd >= 0 && read(fd, &byte, 1) > 0)
        ;
    close(fd);
}

int main(void)
{
    static char line[1 << 16];

    answers = fdopen(3, "w");
    fputs("{\"ok\":true,\"pipeline\":64}\n", answers);
    fflush(answers);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        long id = id_of(line);

        if (told(line, "gate:"))
            wait_at_gate(line);
        if (told(line, "early")) { /* answer first, read the rest of the line later */
            answer(id);
            while (strchr(line, '\n') == NULL && fgets(line, sizeof(line), stdin) != NULL)
                ;
            continue;
        }
        if (strstr(line, "then-close")) { /* begin the next two lines, too, then live on */
            for (int i = 0; i < 2 && fgets(line, sizeof(line), stdin) != NULL; i++)
                printf("begun %ld\n", id_of(line));
            fflush(stdout);
            close(3);
            pause();
        }
        if (strstr(line, "then-die") != NULL || told(line, "die"))
            abort();
        if (told(line, "hang"))
            pause();
        if (told(line, "half")) {
            fputs("{\"id\":", answers);
            fflush(answers);
            _exit(1);
        }
        if (told(line, "flood")) {
            for (int i = 0; i < 20000; i++)
                printf("line %d of %ld\n", i, id);
            fflush(stdout);
        }
        if (told(line, "tell")) {
            printf("begun %ld\n", id);
            fflush(stdout);
        }
        if (told(line, "log")) {
            printf("log of %ld\n", id);
            fflush(stdout);
        }
        if (told(line, "twice"))
            answer(id);
        if (told(line, "swap") && fgets(line, sizeof(line), stdin) != NULL)
            answer(id_of(line)); /* the next one's answer first */
        answer(id);
    }
    return 0;
}
"""


@pytest.fixture
def ahead(proxy, compiled, folder):
    """ahead(*options) -> a proxy with the launcher above, warmed up so that lines go ahead.

    Its .n_warm is the number of activations that this took.
    """
    def start(*options):
        watched = Watched(proxy, folder, *OPTIONS, *options)
        one = watched.proxy
        one.started(compiled(LAUNCHER_C))
        one.n_warm = 0
        wait_until(lambda: warm_is_quick(one, watched), "a row of quick activations")
        return one
    return start


def warm_is_quick(one, watched):
    """A row of silent runs, and whether all were quick: a launcher that gets no processor on a busy
    machine looks slow, and to a slow one nothing is written ahead."""
    before = n_quick(watched)
    warm(one, 2, WARM_RUNS // 2)
    one.n_warm += WARM_RUNS
    return n_quick(watched) - before == WARM_RUNS


def n_quick(watched):
    return watched.metrics()["whiskloop_action_duration_seconds"].values()[QUICK]


def warm(one, connections=2, each=100):
    """Silent runs enough that the proxy has measured the launcher."""
    check_own(hammer(one.port, connections, each, lambda c, n: body(c * 10000 + n)), 200)


def body(number, **more):
    return json.dumps({"value": {"id": number, **more}}, separators=(",", ":")).encode()


def check_own(answers, *statuses):
    for (connection, number), (status, text) in answers.items():
        assert status in statuses, (connection, number, status, text)
        if status == 200:
            assert json.loads(text) == {"id": connection * 10000 + number}


def run(one, number, do="", **meta):
    return one.run({"id": number, "do": do}, **meta)


def held(one, gate, number=0, and_then=""):
    """A run that stands at the gate; what follows it is written ahead."""
    later = one.later(one.run, {"id": number, "do": "gate:" + gate.path, "x": and_then})
    gate.wait_reached()
    return later


def follow(one, *runs):
    """Post runs one behind the other, each once the line before it stands in the pipe."""
    laters = []
    for number, do, meta in runs:
        before = one.bytes_unread()
        laters.append(one.later(run, one, number, do, **meta))
        wait_until(lambda before=before: one.bytes_unread() > before, "the line to be written ahead")
    return laters


def assert_own(laters, numbers):
    replies = [later.result() for later in laters]
    assert [(r.status, r.json) for r in replies] == [(200, {"id": n}) for n in numbers]


def test_lines_are_written_ahead_and_answered_in_order(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    rest = follow(one, (1, "", {}), (2, "", {}))
    door.release()
    assert_own([first, *rest], [0, 1, 2])
    assert one.check_streams(one.n_warm + 3) == ("", "")


def test_write_ahead_1_keeps_the_pipe_empty(proxy, compiled, gate):
    """With a queue of two, one of three that wait is refused: none of them went ahead."""
    one, door = proxy(*OPTIONS, "--write-ahead", 1, "--queue-max", 2), gate()
    one.started(compiled(LAUNCHER_C))
    warm(one)
    check_fed_one_at_a_time(one, door)


def check_fed_one_at_a_time(one, door):
    first = held(one, door)
    laters = [one.later(run, one, n) for n in (1, 2, 3)]
    wait_until(lambda: any(later.done for later in laters), "one to be refused")
    assert one.bytes_unread() == 0
    assert [later.result().status for later in laters if later.done] == [429]
    door.release()
    assert_own([first], [0])
    assert sorted(later.result().status for later in laters) == [200, 200, 429]


def test_a_crash_with_64_waiting_costs_the_running_one_only(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door, and_then="then-die")
    rest = [one.later(run, one, n) for n in range(1, 65)]
    wait_until(lambda: one.bytes_unread() > 0, "lines to be written ahead")
    door.release()
    assert_error(first.result(), 400, "command exited")
    assert_own(rest, range(1, 65))
    one.check_streams(one.n_warm + 65)


def test_a_kill_with_64_waiting_costs_the_running_one_only(ahead, gate):
    one, door = ahead(), gate()
    (pid,) = one.children()
    first = held(one, door)
    rest = [one.later(run, one, n) for n in range(1, 65)]
    wait_until(lambda: one.bytes_unread() > 0, "lines to be written ahead")
    os.kill(pid, 9)
    assert_error(first.result(), 400, "command exited")
    assert_own(rest, range(1, 65))
    door.release()
    one.check_streams(one.n_warm + 65)


@pytest.mark.parametrize("workers", [1, 3])
def test_crashes_under_load_cost_themselves_only(ahead, workers):
    one = ahead("--workers", workers)
    answers = hammer(one.port, 16, 400, lambda c, n: body(c * 10000 + n,
                                                          do="die" if n % 100 == 50 else ""))
    check_own(answers, 200, 400)
    lost = {key for key, (status, _) in answers.items() if status == 400}
    assert lost == {(c, n) for c in range(16) for n in (50, 150, 250, 350)}
    one.check_streams(one.n_warm + 16 * 400)


def test_half_an_answer_and_the_end_is_no_answer(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    half, after = follow(one, (1, "half", {}), (2, "", {}))
    door.release()
    assert_own([first, after], [0, 2])
    assert_error(half.result(), 400, "command exited")
    one.check_streams(one.n_warm + 3)


def test_who_closes_its_answers_and_goes_on_begins_nothing_twice(ahead, gate):
    """It has begun the two lines behind it, and can answer none."""
    one, door = ahead(), gate()
    laters = [held(one, door, and_then="then-close"), *follow(one, (1, "tell", {}), (2, "tell", {}))]
    door.release()
    assert [later.result().status for later in laters] == [400, 400, 400]
    assert run(one, 3).json == {"id": 3}
    out, _ = one.check_streams(one.n_warm + 4)
    assert (out.count("begun 1"), out.count("begun 2")) == (1, 1)


def test_an_answer_before_its_line_was_read_does_not_cut_the_line(ahead):
    """3 MB do not fit into a pipe: the answer comes while most of its line is not written yet."""
    one = ahead()
    early = one.run({"id": 1, "do": "early", "pad": "x" * 3000000})
    assert (early.status, early.json) == (200, {"id": 1})
    deadline = soon(5000)  # bounds what a line that was cut would cost
    assert run(one, 2, deadline=deadline).json == {"id": 2}
    one.check_streams(one.n_warm + 2)


def test_a_hanging_run_is_late_and_those_behind_it_are_served(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    deadline = soon(3000)
    hanging, after = follow(one, (1, "hang", {"deadline": deadline}), (2, "", {}))
    door.release()
    assert_own([first, after], [0, 2])
    reply = hanging.result()
    assert reply.status == 502 and "exceeded its time limits" in reply.error
    one.check_streams(one.n_warm + 3)


def test_one_that_is_late_in_the_pipe_takes_nobody_elses_answer(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    deadline = soon(3000)
    late, after = follow(one, (1, "", {"deadline": deadline}), (2, "", {}))
    reply = late.result()
    assert reply.status == 502 and "exceeded its time limits" in reply.error
    assert not first.done and not after.done
    door.release()
    assert_own([first, after], [0, 2])
    assert_own([one.later(run, one, 3)], [3])
    one.check_streams(one.n_warm + 4)


def test_a_late_one_in_the_pipe_is_forgotten_while_the_first_still_runs(ahead, gate):
    """The second one's deadline is the clock: by then the time for the first's answer is over."""
    one, door = ahead(), gate()
    first = held(one, door)
    now_ms = int(time.time() * 1000)
    laters = follow(one, (1, "", {"deadline": str(now_ms + 1000)}),
                    (2, "", {"deadline": str(now_ms + 4000)}))
    assert [later.result().status for later in laters] == [502, 502]
    door.release()
    assert_own([first], [0])
    assert run(one, 3).json == {"id": 3}
    one.check_streams(one.n_warm + 4)


def test_a_flood_of_logs_stays_whole(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    rest = follow(one, (1, "flood", {}), (2, "", {}))
    door.release()
    assert_own([first, *rest], [0, 1, 2])
    out, err = one.check_streams(one.n_warm + 3)
    assert out.splitlines() == [f"line {i} of 1" for i in range(FLOOD_LINES)]
    assert err == ""


def test_one_that_logs_is_fed_one_at_a_time(ahead):
    """Each log line stands before its own sentinel once the proxy knows that it logs."""
    one = ahead()
    assert run(one, 0, "log").json == {"id": 0}
    check_own(hammer(one.port, 8, 50, lambda c, n: body(c * 10000 + n, do="log")), 200)
    one.check_streams(one.n_warm + 401)
    parts = one.log_parts()[one.n_warm:]
    assert all(part.count("\n") == 1 for part in parts), [p for p in parts if p.count("\n") != 1]


def test_a_client_that_leaves_while_its_line_is_written_harms_nobody(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    stream = one.connect()
    stream.send(request_bytes("/run", body(77)))
    wait_until(lambda: one.bytes_unread() > 0, "its line to be written")
    stream.reset()
    after = follow(one, (2, "", {}))
    door.release()
    assert_own([first, *after], [0, 2])
    assert run(one, 3).json == {"id": 3}
    one.check_streams(one.n_warm + 4)


def test_answers_out_of_turn_leave_nobody_without_one(ahead, gate):
    """Who promised order and breaks it mixes up its own answers, yet each client gets one."""
    one, door = ahead(), gate()
    first = held(one, door)
    rest = follow(one, (1, "swap", {}), (2, "", {}))
    door.release()
    assert_own([first], [0])
    replies = [later.result() for later in rest]
    assert sorted(reply.json["id"] for reply in replies) == [1, 2]
    warm(one)
    one.check_streams(one.n_warm + 3 + 200)


def distrusted(one):
    wait_until(lambda: b"unasked=" in one.logs()[1], "the proxy to tell of the unasked answer")


def test_after_an_answer_too_many_each_client_gets_its_own(ahead, gate):
    one, door = ahead("--queue-max", 2), gate()
    assert run(one, 5, "twice").json == {"id": 5}
    distrusted(one)
    warm(one)
    for number in range(20):
        assert run(one, number, "twice").json == {"id": number}
        assert run(one, 100 + number).json == {"id": 100 + number}
    check_fed_one_at_a_time(one, door)


def test_an_answer_too_many_amid_lines_ahead_is_noticed(ahead, gate):
    one, door = ahead(), gate()
    first = held(one, door)
    rest = follow(one, (1, "twice", {}), (2, "", {}), (3, "", {}))
    door.release()
    assert_own([first, rest[0]], [0, 1])
    assert [later.result().status for later in rest] == [200, 200, 200]
    distrusted(one)
    warm(one, connections=8, each=50)
    assert sum(one.sentinels()) == 2 * (one.n_warm + 4 + 400)


def test_distrust_outlives_the_process(ahead, gate):
    one, door = ahead("--queue-max", 2), gate()
    assert run(one, 5, "twice").json == {"id": 5}
    distrusted(one)
    assert_error(run(one, 6, "die"), 400, "command exited")
    warm(one)
    check_fed_one_at_a_time(one, door)


# ---- one at a time: T-N16 ----

SECOND = "System not ready, status is running."


READS_IN_A_THREAD = """#!/usr/bin/python3 -u
import json, os, queue, sys, threading, time

def read():
    for line in iter(sys.stdin.buffer.readline, b""):
        lines.put(line)
    lines.put(None)

lines = queue.Queue()
threading.Thread(target=read, daemon=True).start()
for line in iter(lines.get, None):
    value = json.loads(line)["value"]
    if value["n"] > 1:
        time.sleep(0.1)  # long enough for the proxy to ask whether it is back at its input
    os.write(1, (b"{broken\\n" if value["n"] == 1 else b"") + b'{"n":%d}\\n' % value["n"])
"""


def test_what_one_activation_logged_does_not_fail_the_next(proxy):
    """--pipeline vouches for the action: no line waits until it is back at its input. A log line that
    looks like the start of an answer counts for its own activation only."""
    one = proxy("--runtime", "native", "--answers", "stdout", "--pipeline", 64, "--workers", 1)
    one.started(READS_IN_A_THREAD)
    assert [one.run({"n": n}).json for n in (1, 2, 3)] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert one.check_streams(3)[0] == "{broken"


def test_TN16_a_second_run_is_refused(proxy, gate):
    one, door = proxy("--runtime", "native", "--one-at-a-time"), gate()
    one.started(puppet.CODE)
    first = one.later(one.run, puppet.steps(puppet.wait_at(door), puppet.answer('{"n":1}')))
    door.wait_reached()
    assert_error(one.run(puppet.steps(puppet.answer('{"n":2}'))), 403, SECOND)
    door.release()
    assert (first.result().status, first.result().json) == (200, {"n": 1})
    out, err = one.check_streams(1)
    assert (out, err) == ("", "Internal system error: " + SECOND)


def test_TN16_two_at_the_same_moment(proxy, gate):
    """The suite's form: whichever comes second is refused, and the next one is served."""
    one, door = proxy("--runtime", "python", "--one-at-a-time"), gate()
    one.started(samples.PYTHON_CODES["wait_at_gate"])
    laters = [one.later(one.run, {"id": 1, "gate": door.path}) for _ in range(2)]
    wait_until(lambda: any(later.done for later in laters), "one to be refused")
    door.wait_reached()
    door.release()
    assert sorted(later.result().status for later in laters) == [200, 403]
    assert one.run({"id": 2}).status == 200
    one.check_streams(2)


def test_TN16_allowed_concurrency_undoes_it(proxy, gate):
    env = {"__OW_ALLOW_CONCURRENT": "true"}
    one, door = proxy("--runtime", "native", "--one-at-a-time", env=env), gate()
    one.started(puppet.CODE)
    first = one.later(one.run, puppet.steps(puppet.wait_at(door), puppet.answer('{"n":1}')))
    door.wait_reached()
    second = one.later(one.run, puppet.steps(puppet.answer('{"n":2}')))
    door.release()
    assert [first.result().json, second.result().json] == [{"n": 1}, {"n": 2}]
    assert one.check_streams(2) == ("", "")


# ---- settings beyond their bounds ----


@pytest.mark.parametrize("option, value, wanted", [
    ("--workers", "0", "want a number from 1 to 256, or auto"),
    ("--workers", "257", "want a number from 1 to 256, or auto"),
    ("--workers", "10000", "want a number from 1 to 256, or auto"),
    ("--workers", "many", "want a number from 1 to 256, or auto"),
    ("--write-ahead", "0", "want a number from 1 to 1024"),
    ("--write-ahead", "1025", "want a number from 1 to 1024"),
    ("--queue-max", "-1", "want a number from 0 to 1000000"),
    ("--listen", "localhost", "want a numeric IPv4 or IPv6 address"),
    ("--listen", "", "want a numeric IPv4 or IPv6 address"),
])
def test_a_value_out_of_bounds_is_told_and_nothing_starts(option, value, wanted):
    done = subprocess.run([str(whisk.PROGRAM), "--port", "0", option, value], check=False,
                          capture_output=True, text=True, timeout=whisk.WAIT_S)
    assert done.returncode == 2
    assert f"{option}={value}: {wanted}" in done.stderr
    assert SENTINEL not in done.stdout + done.stderr


def test_a_queue_of_0_refuses_the_second(proxy, compiled, gate):
    one, door = proxy(*OPTIONS, "--queue-max", 0, "--write-ahead", 1), gate()
    one.started(compiled(LAUNCHER_C))
    assert run(one, 1).json == {"id": 1}
    first = held(one, door)
    refused = run(one, 2)
    assert refused.status == 429 and refused.headers["Retry-After"] == "1"
    door.release()
    assert_own([first], [0])
    assert run(one, 3).json == {"id": 3}
    one.check_streams(3)
