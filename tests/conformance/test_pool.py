"""--workers: several processes of one action, side by side."""

import json
import os
import pathlib
import platform
import signal

import pytest

import samples
from whisk import assert_error, is_alive, wait_until
from wire import hammer

WORKERS = 4


def count_lost(answers):
    """How many of the activations of hammer() a kill has cost; each other one has its own answer."""
    lost = 0
    for (connection, number), (status, text) in answers.items():
        if status == 400:
            assert json.loads(text) == {"error": "command exited"}
            lost += 1
        else:
            assert (status, json.loads(text)) == (200, {"id": f"{connection}-{number}"})
    return lost


def start(proxy, code, *options):
    one = proxy("--runtime", "python", "--workers", WORKERS, *options)
    one.started(samples.PYTHON_CODES[code])
    wait_until(lambda: len(one.living()) == WORKERS, "all workers to be there")
    return one


def hold(one, doors):
    """One run for each gate; returns when all stand there."""
    laters = [one.later(one.run, {"id": n, "gate": door.path}) for n, door in enumerate(doors)]
    for door in doors:
        door.wait_reached()
    return laters


def test_four_runs_are_served_at_the_same_time(proxy, gate):
    one, doors = start(proxy, "wait_at_gate"), [gate() for _ in range(WORKERS)]
    laters = hold(one, doors)
    for door in doors:
        door.release()
    assert [later.result().json for later in laters] == [{"id": n} for n in range(WORKERS)]
    assert one.check_streams(WORKERS) == ("", "")


def test_the_run_that_finds_all_busy_waits_for_the_first_that_is_free(proxy, gate):
    one, doors = start(proxy, "wait_at_gate"), [gate() for _ in range(WORKERS)]
    laters = hold(one, doors)
    fifth = one.later(one.run, {"id": 5})
    doors[2].release()
    assert laters[2].result().json == {"id": 2}
    assert fifth.result().json == {"id": 5}
    for door in doors[:2] + doors[3:]:
        door.release()
    assert [later.result().json for later in laters] == [{"id": n} for n in range(WORKERS)]
    one.check_streams(WORKERS + 1)


def all_wait_for_lines(one):
    """Whether each process of the action is blocked in a read, as one is that was started."""
    read = {"x86_64": "0 ", "aarch64": "63 "}[platform.machine()]
    pids = one.children()
    return len(pids) == WORKERS and all(
        pathlib.Path(f"/proc/{pid}/syscall").read_text().startswith(read) for pid in pids)


def test_the_least_busy_worker_is_asked_first(proxy, gate):
    """Three stand at gates with room for lines ahead; no run is put behind them."""
    one, doors = start(proxy, "wait_at_gate"), [gate() for _ in range(WORKERS - 1)]
    wait_until(lambda: all_wait_for_lines(one), "all workers to have started")
    hammer(one.port, 8, 100, lambda c, n: b'{"value":{"id":1}}')  # so that lines go ahead
    laters = hold(one, doors)
    for number in range(20):
        assert one.run({"id": number}).json == {"id": number}
    assert not any(later.done for later in laters)
    for door in doors:
        door.release()
    assert [later.result().json for later in laters] == [{"id": n} for n in range(WORKERS - 1)]
    one.check_streams(800 + 20 + WORKERS - 1)


def test_runs_one_after_the_other_go_in_turn(proxy):
    """While they are few: after 16 without a log line, light ones stay with one worker."""
    one = start(proxy, "process_id")
    wait_until(lambda: all_wait_for_lines(one), "all workers to have started")
    pids = [one.run({}).json["pid"] for _ in range(3 * WORKERS)]
    assert pids[:WORKERS] == pids[WORKERS:2 * WORKERS] == pids[2 * WORKERS:]


@pytest.mark.parametrize("name", ["python", "c"])
def test_ids_are_matched_while_workers_are_killed(proxy, compiled, name):
    """16 connections; a kill costs the run that was running, never another one's answer."""
    if name == "python":
        one = start(proxy, "echo")
    else:
        one = proxy("--runtime", "native", "--workers", WORKERS)
        one.started(compiled(samples.echo_c(3)))
    each, answers = 600, {}
    load = one.later(hammer, one.port, 16, each, lambda c, n: b'{"value":{"id":"%d-%d"}}' % (c, n),
                     answers)
    n_killed = 0
    while not load.done and n_killed < 40:
        victims = wait_until(lambda: load.done or one.living(), "a worker to be there")
        if load.done:
            break
        victim = victims[n_killed % len(victims)]
        os.kill(victim, signal.SIGKILL)
        n_killed += 1
        # A kill takes effect some time after the call. Only when others have worked since may the
        # next one fall: whoever is killed faster than it starts serves nobody.
        wait_until(lambda: not is_alive(victim), "its end")
        served = len(answers)
        wait_until(lambda: load.done or len(answers) >= served + 50, "answers to come again")
    load.result()
    lost = count_lost(answers)
    assert len(answers) == 16 * each and 0 < n_killed
    assert lost <= n_killed, (lost, n_killed)
    one.check_streams(16 * each)


def test_a_crash_leaves_the_others_at_their_work(proxy, gate):
    code = samples.PYTHON_CODES["wait_at_gate"].replace(
        "    if", "    if 'die' in args:\n        import os\n        os._exit(1)\n    if", 1)
    one, doors = proxy("--runtime", "python", "--workers", WORKERS), [gate() for _ in range(3)]
    one.started(code)
    wait_until(lambda: len(one.living()) == WORKERS, "all workers to be there")
    laters = hold(one, doors)
    for _ in range(3):
        assert_error(one.run({"die": 1}), 400, "command exited")
        assert one.run({"id": 9}).json == {"id": 9}
    for door in doors:
        door.release()
    assert [later.result().json for later in laters] == [{"id": n} for n in range(3)]
    one.check_streams(9)


def test_auto_is_at_most_one_per_processor(proxy):
    one = proxy("--runtime", "python", "--workers", "auto")
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}
    assert 1 <= len(one.living()) <= len(os.sched_getaffinity(0))


def test_a_failed_start_of_all_is_told_once(proxy):
    one = proxy("--runtime", "python", "--workers", WORKERS)
    reply = one.init(samples.PYTHON_CODES["broken"])
    assert reply.status == 502 and reply.error
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}
