"""--allow-reinit: a further /init replaces the action, and no activation is lost over it."""

import json
import os
import re
import signal
import time

import pytest

import archives
import samples
from watch import metrics
from whisk import assert_error, is_alive, soon, wait_until
from wire import hammer

TWICE = "Cannot initialize the action more than once."
RETIRED_MAX = 8  # VERSIONS_RETIRED_MAX
MANY = 1 << 30  # requests: until the case says that it is enough

# Answers with its version, its process and what it was given; stands at a gate if there is one.
VERSIONED = """
import os

def main(args):
    if "gate" in args:
        with open(args["gate"]) as gate:
            gate.read()
    if "say" in args:
        print("version %d says" % VERSION, args["say"])
    return {"version": VERSION, "pid": os.getpid(), "id": args.get("id")}
"""

# The same without gates, in C; the version comes from the environment of its /init.
VERSIONED_C = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        printf("{\"version\":%s,\"pid\":%d}\n", getenv("VERSION"), (int)getpid());
        fflush(stdout);
    }
    return 0;
}
"""


def version(number):
    return f"VERSION = {number}\n" + VERSIONED


def replaceable(proxy, *options, code=None, **kwargs):
    one = proxy("--runtime", "python", "--allow-reinit", "--workers", 1, *options)
    one.started(version(1) if code is None else code, **kwargs)
    return one


def wait_gone(pid):
    wait_until(lambda: not is_alive(pid), "the replaced process to end")


# ---- whether it is allowed ----

@pytest.mark.parametrize("env", [
    {}, {"PROXY_ALLOW_REINIT": "0"}, {"PROXY_ALLOW_REINIT": ""}, {"OW_DEBUG": "1"},
    {"PROXY_ALLOW_REINIT": "1", "WHISKLOOP_ALLOW_REINIT": "0"},
])
def test_without_the_switch_a_second_init_is_refused(proxy, env):
    one = proxy("--runtime", "python", env=env)
    one.started(version(1))
    assert_error(one.init(version(2)), 403, TWICE)
    assert one.run({}).json["version"] == 1


@pytest.mark.parametrize("env", [
    {"PROXY_ALLOW_REINIT": "1"}, {"WHISKLOOP_ALLOW_REINIT": "1"},
])
def test_the_variables_of_other_proxies_allow_it(proxy, env):
    one = proxy("--runtime", "python", env=env)
    one.started(version(1))
    one.started(version(2))
    assert one.run({}).json["version"] == 2


# ---- what takes over ----

def test_the_replacement_serves_and_the_old_process_ends(proxy):
    one = replaceable(proxy)
    first = one.run({}).json
    one.started(version(2))
    second = one.run({}).json
    assert (first["version"], second["version"]) == (1, 2)
    wait_gone(first["pid"])
    wait_until(lambda: one.living() == [second["pid"]], "only the new one")
    assert one.check_streams(2) == ("", "")


def test_nothing_of_the_old_init_remains(proxy):
    """Environment and main function are those of the last /init alone."""
    code = samples.PYTHON_CODES["one_variable"]
    one = replaceable(proxy, code=code.replace("main", "other"), main="other",
                      env={"OLD": "1", "BOTH": "old"})
    assert one.run({"name": "OLD"}).json == {"value": "1"}
    one.started(code, env={"BOTH": "new"})
    assert one.run({"name": "OLD"}).json == {"value": None}
    assert one.run({"name": "BOTH"}).json == {"value": "new"}
    one.started(code)
    assert one.run({"name": "BOTH"}).json == {"value": None}


def test_from_python_to_native_and_back(proxy, compiled):
    native = compiled(VERSIONED_C)
    one = replaceable(proxy, "--workers", 3)
    for number, code in ((2, native), (3, version(3)), (4, native)):
        one.started(code, env={"VERSION": str(number)})
        assert one.run({}).json["version"] == number
    wait_until(lambda: len(one.living()) == 3, "three workers, and no old ones")
    assert one.check_streams(3) == ("", "")


def test_the_old_process_leaves_by_the_end_of_its_input(proxy, folder):
    """It may tidy up: nobody kills it."""
    note = folder / "left"
    one = replaceable(proxy, code="import atexit\n" + version(1) +
                      f"\natexit.register(lambda: open({str(note)!r}, 'w').close())\n")
    one.started(version(2))
    wait_until(note.exists, "its exit handler")


def test_one_that_does_not_care_for_the_end_of_its_input_is_killed(proxy):
    one = replaceable(proxy, "--kill-after", 50, code=b"""#!/bin/bash
trap '' TERM
while true; do
    if read -r line; then echo "{\\"pid\\":$$}"; else sleep 0.01; fi
done
""")
    pid = one.run({}).json["pid"]
    one.started(version(2))
    wait_gone(pid)
    assert one.run({}).json["version"] == 2


# ---- what the old one has ----

def test_a_running_activation_ends_with_its_own_answer(proxy, gate):
    door = gate()
    one = replaceable(proxy)
    running = one.later(one.run, {"gate": door.path, "id": 1, "say": "so"})
    door.wait_reached()
    one.started(version(2))
    assert one.run({"id": 2, "say": "so"}).json["version"] == 2
    assert not running.done
    door.release()
    answer = running.result().json
    assert (answer["version"], answer["id"]) == (1, 1)
    wait_gone(answer["pid"])
    assert one.check_streams(2) == ("version 2 says so\nversion 1 says so", "")


def test_what_waits_goes_to_the_new_one_in_order(proxy, gate, tmp_path):
    """Those that have not begun are run by the replacement, before all that come after it."""
    doors = gate(), gate()
    where = f"{tmp_path}/admin"
    one = replaceable(proxy, "--admin", f"unix:{where}")
    laters = [one.later(one.run, {"gate": doors[0].path})]
    doors[0].wait_reached()
    for number in range(5):
        laters.append(one.later(one.run, {"gate": doors[1].path, "say": number} if number == 0
                                else {"say": number}))
        wait_until(lambda: metrics(where)["whiskloop_activations_queued"].value() == len(laters) - 1, "it to wait, so that they are in order")
    one.started(version(2))
    doors[1].wait_reached()
    laters.append(one.later(one.run, {"say": 5}))
    doors[1].release()
    assert [later.result().json["version"] for later in laters[1:]] == [2] * 6
    assert not laters[0].done
    doors[0].release()
    assert laters[0].result().json["version"] == 1
    assert one.check_streams(7)[0].split("\n") == [f"version 2 says {n}" for n in range(6)]


def lines_ahead(one, door):
    """An old worker that stands at a gate, with three more lines in its pipe."""
    for _ in range(40):  # silent and quick: it is given lines ahead
        pid = one.run({}).json["pid"]
    laters = [one.later(one.run, {"gate": door.path})]
    door.wait_reached()
    laters += [one.later(one.run, {"id": number}) for number in range(3)]
    return pid, laters


def test_what_stands_in_the_pipe_of_an_old_one_that_dies_goes_to_the_new_one(proxy, gate):
    door = gate()
    one = replaceable(proxy)
    pid, laters = lines_ahead(one, door)
    one.started(version(2))
    os.kill(pid, signal.SIGKILL)
    assert_error(laters[0].result(), 400, "command exited")
    assert [later.result().json["version"] for later in laters[1:]] == [2] * 3
    pid = one.run({}).json["pid"]
    wait_until(lambda: one.living() == [pid], "only the new one")
    assert one.check_streams(45) == ("", "")


def test_an_old_one_past_its_deadline_is_answered_and_killed(proxy, gate):
    door = gate()
    one = replaceable(proxy)
    pid = one.run({}).json["pid"]
    running = one.later(one.run, {"gate": door.path}, deadline=soon(3000))
    door.wait_reached()
    one.started(version(2))
    assert running.result().status == 502
    assert re.fullmatch(r"The action exceeded its time limits of \d+ milliseconds\.", running.result().error)
    wait_gone(pid)
    assert one.run({}).json["version"] == 2
    wait_until(lambda: len(one.living()) == 1, "only the new one")
    assert one.check_streams(3) == ("", "")


def test_more_versions_than_may_run_at_once_cost_the_oldest(proxy, gate):
    """Publishing over and over while activations hang is bounded; the newest ones go on."""
    n = RETIRED_MAX + 3
    one = replaceable(proxy)
    doors, laters = [gate() for _ in range(n)], []
    for number, door in enumerate(doors, start=1):
        laters.append(one.later(one.run, {"gate": door.path}))
        door.wait_reached()
        one.started(version(number + 1))
        wait_until(lambda: len(one.living()) <= RETIRED_MAX + 1, "no more processes than that")
    for later in laters[:3]:
        assert_error(later.result(), 400, "command exited")
    for number, (door, later) in enumerate(zip(doors[3:], laters[3:]), start=4):
        door.release()
        assert later.result().json["version"] == number
    assert one.run({}).json["version"] == n + 1
    assert f"replaced_versions_max={RETIRED_MAX}" in one.err_text()
    wait_until(lambda: len(one.living()) == 1, "only the newest")


# ---- under load ----

class Load:
    """
    Sixteen connections that ask until told to stop, and what may be right for each answer.

    No answer may come from a version older than the one whose /init had succeeded when the request
    was sent, nor from one that was not yet published when the answer was read.
    """

    def __init__(self, one):
        self.done = self.begun = 1  # newest version: its /init has succeeded, was sent
        self.enough = False
        self.n = 0
        self.bounds = {}
        self.one = one
        self.later = one.later(hammer, one.port, 16, MANY, self.body)
        wait_until(lambda: self.n > 100, "the load")

    def body(self, connection, number):
        if number > 0:
            self.bounds[connection, number - 1][1] = self.begun
        if self.enough:
            return None
        self.bounds[connection, number] = [self.done, None]
        self.n += 1
        return json.dumps({"value": {}}).encode()

    def publish(self, number, code, **kwargs):
        self.begun = number
        self.one.started(code, **kwargs)
        self.done = number
        before = self.n
        wait_until(lambda: self.n > before + 32 or self.later.done, "the load to go on")

    def finish(self):
        """How many there were, each answered, each by a right version."""
        self.enough = True
        answers = self.later.result()
        assert len(answers) == len(self.bounds) == self.n
        for key, (status, body) in answers.items():
            assert status == 200, (key, status, body)
            oldest, newest = self.bounds[key]
            assert oldest <= json.loads(body)["version"] <= newest, (key, body, oldest, newest)
        return self.n


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("language", ["python", "native", "both"])
def test_no_request_is_lost_over_twenty_replacements(proxy, compiled, language, workers):
    native = compiled(VERSIONED_C)
    one = replaceable(proxy, "--workers", workers)
    load = Load(one)
    for number in range(2, 22):
        is_native = language == "native" or (language == "both" and number % 2 == 0)
        load.publish(number, native if is_native else version(number),
                     env={"VERSION": str(number)})
    n = load.finish()
    wait_until(lambda: len(one.living()) == workers, "no old processes")
    assert one.check_streams(n) == ("", "")


# ---- what fails ----

NEVER_READY = "import signal\n\nwhile True:\n    signal.pause()\n"


@pytest.mark.parametrize("code, status, sentinels", [
    ("nonsense(\n", 502, 1), ("raise SystemExit(3)\n", 502, 1), ("x = 1\n", 502, 1),
    (NEVER_READY, 502, 1), (archives.zipped({"readme": b"nothing to start"}), 502, 1),
    (b"PK\x03\x04 no zip", 502, 1), (b"#!/nowhere/at/all\n", 502, 1), ("", 403, 0),
], ids=["syntax", "exit", "no main", "never ready", "no entry", "bad zip", "no program", "empty"])
def test_a_bad_replacement_leaves_the_old_one_serving(proxy, folder, code, status, sentinels):
    """It is answered as any failed /init; the old one does not notice."""
    store = folder / "versions"
    # What it is too short for is also how long a busy machine has to load the other two.
    one = replaceable(proxy, "--init-timeout", 5000 if code == NEVER_READY else 300000, "--action-dir", store)
    pid = one.run({}).json["pid"]
    load = Load(one)
    answer = one.init(code)
    assert answer.status == status and answer.error, answer
    n = load.finish()
    assert one.run({}).json == {"version": 1, "pid": pid, "id": None}
    wait_until(lambda: one.living() == [pid], "the failed one to be gone")
    wait_until(lambda: len(os.listdir(store)) == 1, "its folder to be gone")
    assert one.sentinels() == (n + 2 + sentinels,) * 2
    one.started(version(2))
    assert one.run({}).json["version"] == 2


def test_one_replacement_at_a_time(proxy, gate):
    door = gate()
    one = replaceable(proxy)
    first = one.later(one.init, f"open({door.path!r}).read()\n" + version(2))
    door.wait_reached()
    assert_error(one.init(version(3)), 403,
                 "Cannot initialize the action while another /init is in progress.")
    assert one.run({}).json["version"] == 1
    door.release()
    assert first.result().status == 200
    assert one.run({}).json["version"] == 2


# ---- what is left ----

def test_old_folders_are_pruned(proxy, folder):
    """Only what serves stays, and what was there before."""
    store = folder / "versions"
    (store / "keep").mkdir(parents=True)
    one = replaceable(proxy, "--action-dir", store)
    for number in range(2, 8):
        assert one.init("nonsense(\n").status == 502
        one.started(version(number))
    wait_until(lambda: sorted(os.listdir(store)) == ["13", "keep"], "the other folders to go")
    assert one.run({}).json["version"] == 7


def test_the_folder_stays_while_an_activation_needs_it(proxy, folder, gate):
    store, door = folder / "versions", gate()
    code = archives.zipped({
        "__main__.py": f"def main(args):\n    open({door.path!r}).read()\n"
                       "    import late\n    return {'late': late.TEXT}\n".encode(),
        "late.py": b"TEXT = 'loaded late'\n"})
    one = replaceable(proxy, "--action-dir", store, code=code)
    running = one.later(one.run, {})
    door.wait_reached()
    one.started(version(2))
    assert sorted(os.listdir(store)) == ["1", "2"]
    door.release()
    assert running.result().json == {"late": "loaded late"}
    wait_until(lambda: os.listdir(store) == ["2"], "the old folder to go")


def test_processes_and_descriptors_do_not_pile_up(proxy):
    one = replaceable(proxy)
    one.wait_left()
    before = len(one.descriptors())
    for number in range(2, 32):
        one.started(version(number))
    wait_until(lambda: len(one.living()) == 1 and not one.zombies(), "one process")
    one.wait_left()
    wait_until(lambda: len(one.descriptors()) == before, "as many descriptors as before")


# ---- the end in the middle of it ----

def test_sigterm_lets_the_replacement_and_what_runs_finish(proxy, gate):
    doors = gate(), gate()
    one = replaceable(proxy)
    running = one.later(one.run, {"gate": doors[0].path})
    doors[0].wait_reached()
    one.started(version(2))
    replacing = one.later(one.init, f"open({doors[1].path!r}).read()\n" + version(3))
    doors[1].wait_reached()
    one.terminate()
    wait_until(one.sigterm_taken, "SIGTERM to be taken")
    doors[1].release()
    assert replacing.result().status == 200
    doors[0].release()
    assert running.result().json["version"] == 1
    one.finish()


def test_sigterm_ends_in_time_what_does_not_finish(proxy, gate):
    """Running activations of an old version die, the replacement is given up, the exit is 0."""
    doors = gate(), gate()
    one = replaceable(proxy, "--drain-timeout", 100)
    running = one.later(one.run, {"gate": doors[0].path})
    doors[0].wait_reached()
    one.started(version(2))
    replacing = one.later(one.init, f"open({doors[1].path!r}).read()\n" + version(3))
    doors[1].wait_reached()
    one.terminate()
    assert_error(replacing.result(), 503, "The action is being shut down.")
    assert_error(running.result(), 400, "command exited")
    one.finish()


@pytest.mark.parametrize("delay_ms", [0, 5, 20, 60])
@pytest.mark.parametrize("busy", [False, True])
def test_sigterm_at_any_moment_of_a_replacement(proxy, gate, folder, busy, delay_ms):
    """Whatever it interrupts: each request has its answer, the exit is 0, nothing is left."""
    store, door = folder / "versions", gate()
    one = replaceable(proxy, "--workers", 3, "--action-dir", store)
    running = one.later(one.run, {"gate": door.path} if busy else {})
    if busy:
        door.wait_reached()
    else:
        running.result()
    replacing = one.later(one.init, version(2))
    wait_until(lambda: (store / "2").exists() or replacing.done, "the replacement to begin")
    time.sleep(delay_ms / 1000)  # any moment is right; this spreads them
    one.terminate()
    if busy:
        wait_until(one.sigterm_taken, "SIGTERM to be taken")
        door.release()
    assert replacing.result().status == 200
    assert running.result().json["version"] == 1
    one.finish()
