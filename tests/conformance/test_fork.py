"""--fork-workers: the action is loaded once, and its workers are no different from others."""

import contextlib
import json
import os
import re
import signal

import pytest

import samples
import whisk
from test_pool import count_lost
from test_prelaunch import WORLD, launchers
from whisk import wait_until
from wire import hammer

WORKERS = 4
GIVEN_UP_RE = re.compile(r"^whiskloop: \S+ warn template\.given_up reason=\"?(.*?)\"? fallback=.*\n",
                         re.M)

# Tells who loaded it and who serves; LOADS is a file that each load adds a line to.
WHO = """
import os, random

with open(os.environ["LOADS"], "a") as loads:
    loads.write(f"{os.getpid()}\\n")

def main(args):
    if "gate" in args:
        with open(args["gate"]) as gate:
            gate.read()
    return {"pid": os.getpid(), "parent": os.getppid(), "group": os.getpgrp(),
            "random": random.random()}
"""


class Forked:
    """A proxy with an action, and what is known of who loaded it."""

    def __init__(self, proxy, folder, code=WHO, n_processes=WORKERS + 1, options=()):
        self.loads_path = folder / "loads"
        self.one = proxy("--runtime", "python", "--workers", WORKERS, "--fork-workers", 1, *options)
        self.one.started(code, env={"LOADS": str(self.loads_path)})
        wait_until(lambda: len(self.one.living()) == n_processes, "all processes to be there")

    def loads(self):
        return [int(line) for line in self.loads_path.read_text().split()]

    def template(self):
        """The one that loaded it last, and serves nobody."""
        return self.loads()[-1]

    def workers(self):
        return [pid for pid in self.one.living() if pid not in self.loads()]

    def served_by_each(self, gate):
        """The answers of as many runs at the same time as there are workers."""
        doors = [gate() for _ in range(WORKERS)]
        laters = [self.one.later(self.one.run, {"gate": door.path}) for door in doors]
        for door in doors:
            door.wait_reached()
        for door in doors:
            door.release()
        return [later.result().json for later in laters]

    def given_up(self):
        """The reasons in the proxy's own log."""
        return GIVEN_UP_RE.findall(self.one.logs()[1].decode())


@pytest.fixture
def forked(proxy, folder):
    return lambda *args, **kwargs: Forked(proxy, folder, *args, **kwargs)


# --- sharing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prelaunch", [0, 1])
def test_the_code_is_loaded_once_for_all_workers(forked, gate, prelaunch):
    f = forked(options=("--prelaunch", prelaunch))
    served = f.served_by_each(gate)
    pids = {answer["pid"] for answer in served}
    assert len(f.loads()) == 1
    assert len(pids) == WORKERS and f.template() not in pids
    assert pids == set(f.workers())
    assert {answer["parent"] for answer in served} == {f.one.pid}
    assert all(answer["group"] == answer["pid"] for answer in served)
    assert f.one.check_streams(WORKERS) == ("", "")


def test_the_launcher_that_waited_is_the_one_that_loads(proxy, folder):
    one = proxy("--runtime", "python", "--fork-workers", 1, "--workers", 1, "--prelaunch", 1)
    (pid,) = wait_until(lambda: launchers(one), "the prelaunched launcher")
    one.started(WHO, env={"LOADS": str(folder / "loads")})
    assert (folder / "loads").read_text() == f"{pid}\n"
    assert one.run({}).json["pid"] != pid


def test_each_worker_draws_its_own_random_numbers(forked, gate):
    numbers = [answer["random"] for answer in forked().served_by_each(gate)]
    assert len(set(numbers)) == WORKERS


MEMORY = """
import gc, os

ITEMS = [[number] for number in range(400000)]

def main(args):
    gc.collect()
    if "gate" in args:
        with open(args["gate"]) as gate:
            gate.read()
    with open("/proc/self/smaps_rollup") as file:
        fields = dict(line.split(":") for line in file if "kB" in line)
    return {name: int(text.split()[0]) for name, text in fields.items()}
"""


def test_what_was_loaded_is_in_memory_once(proxy, gate):
    """400000 lists take 30 MB and more; no worker has a copy, not even after a collection."""
    one = proxy("--runtime", "python", "--workers", WORKERS, "--fork-workers", 1)
    one.started(MEMORY)
    wait_until(lambda: len(one.living()) == WORKERS + 1, "all processes to be there")
    doors = [gate() for _ in range(WORKERS)]
    laters = [one.later(one.run, {"gate": door.path}) for door in doors]
    for door in doors:
        door.wait_reached()
    for door in doors:
        door.release()
    for later in laters:
        sizes = later.result().json
        assert sizes["Shared_Dirty"] > 30000, sizes
        assert sizes["Private_Clean"] + sizes["Private_Dirty"] < 15000, sizes


# --- no difference to others -----------------------------------------------------------------


def world(one, env):
    seen = one.world(WORLD, env)
    del seen["load"]["descriptors"]["100"]  # our own, out of its way: a socket, then a pipe
    return seen


@pytest.mark.parametrize("case", ["plain", "env", "path", "locale"])
def test_the_world_is_that_of_a_fresh_start(proxy, case):
    env = {"plain": None, "env": {"SOME_VAR": "xyz", "EMPTY": "", "MANY": "a=b"},
           "path": {"PYTHONPATH": "/nowhere/modules"}, "locale": {"LC_ALL": "C", "LANG": "C"}}[case]
    one = proxy("--runtime", "python", "--fork-workers", 1)
    fresh = proxy("--runtime", "python", "--prelaunch", 0)
    seen = world(one, env)
    assert seen == world(fresh, env)
    assert set(seen["run"]["descriptors"]) == {"0", "1", "2", "100", "101"} | set(
        name for name, link in seen["run"]["descriptors"].items() if link.startswith("/proc"))


def test_logs_go_where_those_of_others_go(forked):
    """Also through copies of the streams that were made while the code was loaded."""
    f = forked("""
import os, sys
out, err, copy = os.dup(1), os.dup(2), sys.stdout
print("loading")

def main(args):
    os.write(out, b"out " + args["id"].encode() + b"\\n")
    os.write(err, b"err " + args["id"].encode() + b"\\n")
    print("copy " + args["id"], file=copy)
    return {}
""")
    for number in range(2 * WORKERS):
        assert f.one.run({"id": str(number)}).json == {}
    f.one.check_streams(2 * WORKERS)
    out, err = f.one.log_parts(0), f.one.log_parts(1)
    assert out[0] == "loading\nout 0\ncopy 0\n"
    assert out[1:] == [f"out {n}\ncopy {n}\n" for n in range(1, 2 * WORKERS)]
    assert err == [f"err {n}\n" for n in range(2 * WORKERS)]


def test_functions_that_the_code_registers_for_forks_are_called(forked):
    f = forked("""
import os
seen = []
os.register_at_fork(after_in_child=lambda: seen.append(os.getpid()))

def main(args):
    return {"seen": os.getpid() in seen}
""")
    assert f.one.run({}).json == {"seen": True}


@pytest.mark.parametrize("code", [
    samples.PYTHON_CODES["broken"], "raise SystemExit(3)\n", "x = 1\n", "import nowhere\n",
    "import os\nos._exit(0)\n"])
def test_a_load_that_fails_is_told_as_without_forks(proxy, code):
    told = []
    for forks in (0, 1):
        one = proxy("--runtime", "python", "--workers", 1, "--fork-workers", forks)
        reply = one.init(code)
        one.check_streams(1)
        logs = one.logs()[1].decode().replace(str(one.folder), "FOLDER")
        told.append((reply.status, reply.body, re.sub(r"whiskloop[-.]\w+", "PRIVATE", logs)))
        one.started(samples.PYTHON_CODES["echo"])
        assert one.run({"a": 1}).json == {"a": 1}
    assert told[0] == told[1]


def test_a_load_that_fails_is_tried_and_told_once(proxy):
    one = proxy("--runtime", "python", "--workers", WORKERS, "--fork-workers", 1)
    assert one.init("print('trying')\nraise ValueError('why')\n").status == 502
    out, err = one.logs()
    assert out.count(b"trying") == 1 and err.count(b"ValueError: why") == 1


def test_executables_are_started_as_ever(proxy, compiled):
    one = proxy("--runtime", "python", "--workers", WORKERS, "--fork-workers", 1)
    one.started(compiled(samples.echo_c(3)))
    wait_until(lambda: len(one.living()) == WORKERS, "all workers, and no launcher")
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.check_streams(1) == ("", "")


# --- deaths ----------------------------------------------------------------------------------


def test_a_worker_that_was_killed_is_replaced_without_loading(forked, gate):
    f = forked()
    f.served_by_each(gate)  # all have worked, so all are replaced at once
    for _ in range(3):
        victim = f.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in f.workers() and len(f.workers()) == WORKERS, "another one")
    assert len({answer["pid"] for answer in f.served_by_each(gate)}) == WORKERS
    assert len(f.loads()) == 1 and not f.given_up()


def test_the_service_goes_on_when_the_template_is_killed(forked, gate):
    f = forked()
    before = {answer["pid"] for answer in f.served_by_each(gate)}  # a process alone may be half made
    os.kill(f.template(), signal.SIGKILL)
    wait_until(lambda: f.template() not in f.one.children(), "its reaping")
    assert {answer["pid"] for answer in f.served_by_each(gate)} == before
    assert len(f.loads()) == 1


def test_a_template_that_was_killed_loads_again_for_the_next_worker(forked, gate):
    f = forked()
    f.served_by_each(gate)
    os.kill(f.template(), signal.SIGKILL)
    victims = f.workers()[:2]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(f.loads()) == 2 and len(f.one.living()) == WORKERS + 1,
               "another template and two workers of it")
    assert len({answer["pid"] for answer in f.served_by_each(gate)}) == WORKERS
    assert not f.given_up()
    f.one.check_streams(2 * WORKERS)


def test_a_template_that_was_stopped_is_replaced_when_a_worker_is_due(forked, gate):
    """The action's own signal may have stopped it. The time for a start, here 5 minutes, is not waited for."""
    f = forked()
    f.served_by_each(gate)
    os.kill(f.template(), signal.SIGSTOP)
    for victim in f.workers():
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(f.loads()) == 2 and len(f.one.living()) == WORKERS + 1,
               "another template and its workers")
    assert len({answer["pid"] for answer in f.served_by_each(gate)}) == WORKERS
    assert not f.given_up()


def test_ids_are_matched_while_workers_and_template_are_killed(proxy):
    """A kill costs the run that was running, whoever is killed in the midst of whatever."""
    one = proxy("--runtime", "python", "--workers", WORKERS, "--fork-workers", 1)
    one.started(samples.PYTHON_CODES["echo"])
    each = 600
    load = one.later(hammer, one.port, 16, each, lambda c, n: b'{"value":{"id":"%d-%d"}}' % (c, n))
    n_killed = 0
    while not load.done and n_killed < 40:
        victims = wait_until(lambda: one.living(), "a process to be there")
        with contextlib.suppress(ProcessLookupError):  # one whose template was killed just then
            os.kill(victims[n_killed % len(victims)], signal.SIGKILL)
        n_killed += 1
        wait_until(lambda: load.done or len(one.living()) >= WORKERS, "the workers to be back")
    answers = load.result()
    lost = count_lost(answers)
    assert len(answers) == 16 * each and lost <= n_killed, (lost, n_killed)
    one.check_streams(16 * each)


def test_workers_die_with_the_proxy(forked, gate):
    f, door = forked(), gate()
    f.one.later(lambda: pytest.raises(OSError, f.one.run, {"gate": door.path}))
    door.wait_reached()
    os.kill(f.one.pid, signal.SIGKILL)
    f.one.process.wait(whisk.WAIT_S)
    wait_until(lambda: not f.one.left_processes(), "all processes to end")
    f.one.finished = True  # there is no status to be checked


def test_each_worker_draws_numbers_of_its_own_from_global_generators(forked, gate):
    """NumPy's and PyTorch's, where they are loaded; one that fails costs no worker."""
    f = forked(WHO.replace("import os, random\n", """import os, random, sys, types

class Torch(types.ModuleType):
    def seed(self):
        self.seeded = os.urandom(8).hex()
        raise RuntimeError("no CUDA")

sys.modules["torch"] = Torch("torch")
numpy = types.ModuleType("numpy")
numpy.random = random.Random(7)
sys.modules["numpy"] = numpy
""").replace('"random": random.random()', '"random": numpy.random.random(), "torch": sys.modules["torch"].seeded'))
    answers = f.served_by_each(gate)
    assert len({answer["random"] for answer in answers}) == WORKERS
    assert len({answer["torch"] for answer in answers}) == WORKERS
    assert not f.given_up()


def test_numpy_can_be_shared(forked, gate):
    """Its OpenBLAS gets one thread where nobody said how many, and the action does not see that."""
    pytest.importorskip("numpy", reason="python3-numpy is not installed")
    f = forked(WHO.replace("import os, random\n", "import os, numpy\n").replace(
        "random.random()", "numpy.random.random()").replace(
        '"pid": os', '"threads": os.environ.get("OPENBLAS_NUM_THREADS"), "pid": os'))
    answers = f.served_by_each(gate)
    assert not f.given_up()
    assert len({answer["random"] for answer in answers}) == WORKERS
    assert {answer["threads"] for answer in answers} == {None}


# --- what cannot be shared -------------------------------------------------------------------

OBSTACLES = {
    "threads": ("import threading\n"
                "threading.Thread(target=threading.Event().wait, daemon=True).start()\n",
                r"the action runs 2 threads once it is loaded"),
    "process": ("import subprocess\nhelper = subprocess.Popen(['sleep', '60'])\n",
                r"the action starts a process while it is loaded"),
    "pipe": ("ends = os.pipe()\n", r"the action keeps pipe:\[\d+\] open once it is loaded"),
    "socket": ("import socket\nends = socket.socketpair()\n",
               r"the action keeps socket:\[\d+\] open once it is loaded"),
    "poll": ("import select\npoll = select.epoll()\n",
             r"the action keeps anon_inode:\[eventpoll\] open once it is loaded"),
    "file": ("data = open(__file__)\n",
             r"the action keeps /.*/__main__.py open once it is loaded"),
    "name": ("data = open('a\\nb\"', 'w')\n",
             r"the action keeps /.*/a\?b\? open once it is loaded"),
}


@pytest.mark.parametrize("name", sorted(OBSTACLES))
def test_where_a_fork_is_not_safe_each_worker_loads_the_action(forked, gate, name):
    """... and the proxy says so, once."""
    lines, reason = OBSTACLES[name]
    f = forked(WHO.replace("import os, random\n", "import os, random\n" + lines), WORKERS)
    pids = {answer["pid"] for answer in f.served_by_each(gate)}
    assert len(pids) == WORKERS
    assert pids == set(f.loads()[1:]) and len(f.loads()) == WORKERS + 1
    (told,) = f.given_up()
    assert re.fullmatch(reason, told), told
    os.kill(min(pids), signal.SIGKILL)
    wait_until(lambda: len(f.loads()) == WORKERS + 2, "another worker to load the action")
    assert len(f.given_up()) == 1


def test_what_a_fork_may_share_is_no_obstacle(forked):
    f = forked("import os\n"
               "log = open(os.environ['LOADS'], 'a')\n"
               "log.write(f'{os.getpid()}\\n')\nlog.flush()\n"
               "source, folder = open('/dev/urandom', 'rb'), os.open('/', os.O_RDONLY)\n\n"
               "def main(args):\n    return {}\n")
    assert f.one.run({}).json == {}
    assert len(f.loads()) == 1 and not f.given_up()


def test_a_template_that_names_a_process_that_is_known(proxy):
    """Its user's code may speak for it. The process that it names is another's, and ends with that one."""
    one = proxy("--runtime", "python", "--fork-workers", 1, "--log-level", "info")
    one.started("""
import os, sys
zygote = sys.modules.get("whiskloop_zygote")
if zygote is not None:
    def say(self, document):
        os.write(self.channel.lines_fd, b'{"pid":%d}\\n' % os.getpid() if "pid" in document else b'{"forks":true}\\n')
    zygote.Zygote.say = say

def main(args):
    if args.get("die"):
        os._exit(1)
    return {"pid": os.getpid()}
""")
    assert one.run({}).status == 200
    whisk.assert_error(one.run({"die": True}), 400, "command exited")
    assert one.run({}).status == 200
    one.terminate()
    assert one.process.wait(whisk.WAIT_S) == 0
