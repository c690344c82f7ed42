"""`async def main` with __OW_ALLOW_CONCURRENT=true: many activations at a time in one Python process."""

import json
import os
import signal
import time

import pytest

from test_nodejs import check_TN15
from test_python_launcher_world import REPLACED
from watch import metrics
from whisk import assert_error, process_state, together, wait_until
from wire import hammer

WAITS_FOR = """
import asyncio

arrived, everyone = 0, None

async def main(args):
    global arrived, everyone
    everyone = everyone or asyncio.Event()
    print("interleave me")
    arrived += 1
    if arrived == NUMBER:
        everyone.set()
    await everyone.wait()
"""


# For tests of how lines are read and answers are written. The event loop is the same with the
# accelerator and without.
both_ways = pytest.mark.parametrize("many", ["accelerated", "plain"], indirect=True)


@pytest.fixture
def many(proxy, request):
    """many(code, *options) -> a proxy that was allowed several at a time."""
    env = {"__OW_ALLOW_CONCURRENT": "true"}
    if getattr(request, "param", None) == "plain":
        env["__OW_PYTHON_ACCELERATOR"] = "0"

    def begin(code, *options):
        one = proxy("--runtime", "python", "--workers", 1, *options, env=env)
        one.started(code)
        return one
    return begin


def waits_for(number, then="    return args\n"):
    return WAITS_FOR.replace("NUMBER", str(number)) + then


@both_ways
def test_128_that_wait_for_one_another_all_end(many):
    check_TN15(many(waits_for(128)), 128)


@pytest.mark.parametrize("options", [("--prelaunch", 0), ("--fork-workers", 1)])
def test_however_the_process_is_started(many, options):
    one = many(waits_for(3), *options)
    answers = together([lambda n=n: one.run({"n": n}) for n in range(3)])
    assert [(a.status, a.json) for a in answers] == [(200, {"n": n}) for n in range(3)]


def test_thousands_on_100_connections_each_get_their_own(many):
    one = many("import asyncio\nasync def main(args):\n    await asyncio.sleep(0)\n    return args\n")
    answers = hammer(one.port, 100, 10, lambda c, n: json.dumps({"value": {"id": [c, n]}}).encode())
    for (connection, number), (status, text) in answers.items():
        assert (status, json.loads(text)) == (200, {"id": [connection, number]})


def test_metadata_is_each_ones_own(many):
    """Whenever and wherever it looks: after it waited, in a task, in a thread, in a program, by another name."""
    one = many(waits_for(20, """
    import os, subprocess
    from os import environ
    async def later():
        return os.getenv("__OW_ACTIVATION_ID")
    program = "import os; print(os.environ['__OW_ACTIVATION_ID'])"
    process = await asyncio.create_subprocess_exec("/usr/bin/python3", "-c", program, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    seen = [environ["__OW_ACTIVATION_ID"], os.environb[b"__OW_ACTIVATION_ID"].decode(), await asyncio.create_task(later()),
            await asyncio.to_thread(os.getenv, "__OW_ACTIVATION_ID"), dict(os.environ)["__OW_ACTIVATION_ID"],
            out.decode().strip()]
    os.environ["__OW_ACTIVATION_ID"] = "mine"
    await asyncio.sleep(0)
    seen.append(os.environ["__OW_ACTIVATION_ID"])
    del os.environ["__OW_ACTIVATION_ID"]
    return {"seen": seen, "left": os.environ.get("__OW_ACTIVATION_ID"), "n": [list(environ).count("PATH"), len(environ) > 1]}
"""))
    answers = together([lambda n=n: one.run({}, activation_id="id-%d" % n) for n in range(20)])
    assert [a.json for a in answers] == [
        {"seen": ["id-%d" % n] * 6 + ["mine"], "left": None, "n": [1, True]} for n in range(20)]


def test_the_environment_prints_what_it_shows(many):
    one = many("import os\nasync def main(args):\n    return [repr(os.environ) == 'environ(%r)' % dict(os.environ), repr(os.environb)]\n")
    same, text = one.run({}, activation_id="id-7").json
    assert same and "b'__OW_ACTIVATION_ID': b'id-7'" in text


def test_what_is_no_metadata_is_the_processs(many):
    one = many("""
import os
async def main(args):
    before = os.environ.get("OURS")
    os.environ["OURS"] = args["set"]
    return {"before": before, "shell": os.popen("echo $OURS").read().strip()}
""")
    assert one.run({"set": "1"}).json == {"before": None, "shell": "1"}
    assert one.run({"set": "2"}).json == {"before": "1", "shell": "2"}


@pytest.mark.parametrize("how", REPLACED)
def test_whatever_the_code_puts_in_place_of_the_environment_activations_go_on(many, how):
    code = "import os\n%s\nasync def main(args):\n    exec(args['do'], globals())\n    return args\n"
    for loading, running in ("", REPLACED[how]), (REPLACED[how], ""):
        if loading and how in ("None", "deleted"):
            continue  # asyncio itself reads os.environ when it makes an event loop
        one = many(code % loading)
        for value in {"do": running, "n": 0}, {"do": "", "n": 1}, {"do": "", "n": 2}:
            assert one.run(value, activation_id="a").json == value


@both_ways
def test_failures_cost_themselves_only(many):
    one = many(waits_for(6, """
    if args["n"] == 1:
        raise ValueError("app error")
    if args["n"] == 2:
        asyncio.current_task().cancel()
        await asyncio.sleep(9)
    if args["n"] == 3:
        return {1, 2}
    if args["n"] == 4:
        asyncio.get_running_loop().stop()
    if args["n"] == 5:
        return "\\ud800"
    return args
"""))
    answers = [a.json for a in together([lambda n=n: one.run({"n": n}) for n in range(6)])]
    assert answers[0] == {"n": 0} and answers[4] == {"n": 4}
    assert answers[1] == {"error": "app error"}
    assert all("error" in answers[n] for n in (2, 3, 5))
    assert "ValueError: app error" in one.check_streams(6)[1]


@both_ways
@pytest.mark.parametrize("result", [
    "(n for n in range(3))", "iter([])", "given()", "awaited()", "broken()", "({n} for n in range(3))", "ends()"])
def test_an_iterator_that_is_returned_gives_what_it_gives_where_one_runs_at_a_time(many, proxy, result):
    code = """
import asyncio
def given():
    yield from ({"n": n} for n in range(3))
    return {"result": 3}
async def awaited():
    for n in range(3):
        await asyncio.sleep(0.001)
        yield n
async def broken():
    yield 1
    raise ValueError("broken")
def ends():
    try:
        yield {1}
    finally:
        print("closed")
async def main(args):
    return %s
""" % result
    alone, one = proxy("--runtime", "python"), many(code)
    alone.started(code)
    assert [one.run({}).json, one.run({}).json] == [alone.run({}).json] * 2


@both_ways
@pytest.mark.parametrize("body", [
    b'{"value":{"n":%s}}' % (b"1" * 5000), b'{"value":{"n":%s%s}}' % (b"[" * 1000, b"]" * 1000),
    b'{"value":{},"k":%s}' % (b"1" * 5000), b'{"value":{},"k":%s%s}' % (b"[" * 1000, b"]" * 1000),
    b'{"value":{},"k":[1e400]}', b'{"value":{},"k":"\\ud800","\\ud800":1}'],
    ids=["digits", "levels", "digits beside", "levels beside", "infinity", "half a pair"])
def test_what_python_cannot_read_is_answered_as_where_one_runs_at_a_time(many, proxy, body):
    code = "async def main(args):\n    return args\n"
    alone = proxy("--runtime", "python")
    alone.started(code)
    answer = many(code).post("/run", body)
    assert (answer.status, answer.json) == (200, alone.post("/run", body).json)


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)",
                                 "import threading; threading.Thread(target=threading.Event().wait).start(); raise SystemExit(3)"])
def test_a_death_costs_what_was_begun_and_nothing_else(many, end):
    one = many(waits_for(4, "    if args['n'] == 0:\n        %s\n    await asyncio.sleep(60)\n" % end))
    for answer in together([lambda n=n: one.run({"n": n}) for n in range(4)]):
        assert_error(answer, 400, "command exited")
    one.check_streams(4)


def test_a_plain_function_runs_one_at_a_time(many):
    one = many("running = []\ndef main(args):\n    running.append(1)\n    n = len(running)\n    running.pop()\n    return {'n': n}\n")
    assert {a.json["n"] for a in together([lambda: one.run({}) for _ in range(20)])} == {1}


NOTES = """
import asyncio, os, time
def note(what):
    with open("notes", "a") as file:
        file.write("%s\\n" % what)
def notes():
    with open("notes") as file:
        return sorted(file.read().split())
"""


def notes_in(one):
    """What the activations of all its processes have noted."""
    return [line for path in one.folder.rglob("notes") for line in path.read_text().split()]


# The others' lines are read together once "blocks" lets go: so some stand behind the fork, ready to
# begin.
FORKS = NOTES + """
async def main(args):
    note("begun-%s" % args["n"])
    if args["n"] == "waits":
        try:
            while "begun-forks" not in notes():  # it is before the fork, and noted again only behind its child's end
                await asyncio.sleep(0.01)
        finally:
            note("went-on")
        while len(notes()) < 10:  # nine have begun, and this one has gone on
            await asyncio.sleep(0.01)
        return {"notes": notes()}
    if args["n"] == "blocks":
        while os.path.getsize("notes") < 24:
            await asyncio.sleep(0.001)
        time.sleep(0.3)
    if args["n"] == "forks":
        pid = os.fork()
        if pid == 0:
            CHILD
            note("child-goes-on")
        else:
            os.waitpid(pid, 0)
    return {"n": args["n"]}
"""


EXITS = NOTES + """
import atexit, sys
def at_exit():  # user code that runs the loop once more, before what waits is cancelled
    loop = asyncio.get_event_loop()
    if "waits" in notes():
        loop.run_until_complete(asyncio.sleep(0.5))
async def main(args):
    note(args["n"])
    if args["n"] == "prepares":
        atexit.register(at_exit)
    if args["n"] == "waits":
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.5)
    if args["n"] == "exits":
        sys.exit(3)
    return {"pid": os.getpid()}
"""


def test_a_process_that_exits_reads_and_begins_nothing_more(many):
    """However long it takes to cancel what it has begun."""
    one = many(EXITS)
    pid = one.run({"n": "first"}).json["pid"]
    waits = one.later(one.run, {"n": "waits"})
    wait_until(lambda: "waits" in notes_in(one), "one that waits")
    exits = one.later(one.run, {"n": "exits"})
    wait_until(lambda: "exits" in notes_in(one), "an exit")
    for answer in together([lambda n=n: one.run({"n": "n%d" % n}) for n in range(20)]):
        assert answer.status == 200 and answer.json["pid"] != pid
    assert_error(exits.result(), 400, "command exited")
    assert_error(waits.result(), 400, "command exited")
    assert sorted(notes_in(one)) == sorted(["first", "waits", "exits"] + ["n%d" % n for n in range(20)])


def test_a_process_that_exits_does_not_begin_what_it_has_read(many, folder):
    where = f"{folder}/admin"
    one = many(EXITS, "--admin", f"unix:{where}")
    pid = one.run({"n": "first"}).json["pid"]
    assert one.run({"n": "prepares"}).json["pid"] == pid
    waits = one.later(one.run, {"n": "waits"})
    wait_until(lambda: "waits" in notes_in(one), "one that waits")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process_state(pid)[0] == "T", "it to be stopped: the next lines are read together")
    calls = []
    for name in ["exits"] + ["n%d" % n for n in range(6)]:
        calls.append(one.later(one.run, {"n": name}))
        wait_until(lambda: metrics(where)["whiskloop_activations_in_flight"].value() == 1 + len(calls), "the line to be given")
    os.kill(pid, signal.SIGCONT)
    exits, *others = [call.result() for call in calls]
    for answer in (exits, waits.result()):
        assert_error(answer, 400, "command exited")
    notes = notes_in(one)
    for n, answer in enumerate(others):
        assert answer.status == 400 or answer.json["pid"] != pid
        assert notes.count("n%d" % n) == (answer.status == 200)
    assert "SystemExit" not in one.err_text()


@pytest.mark.parametrize("child", [
    "await asyncio.sleep(0)", "raise SystemExit(3)", "return 1", "raise ValueError", "await asyncio.sleep(1)",
    "await asyncio.get_event_loop().create_future()"])
def test_a_forked_child_begins_nothing_and_goes_on_with_nothing_of_the_others(many, child):
    one = many(FORKS.replace("CHILD", child))
    calls = [lambda n=n: one.run({"n": n}) for n in ["waits", "blocks", "forks"] + list(range(6))]
    answers = [a.json for a in together(calls)]
    assert answers[1:] == [{"n": n} for n in ["blocks", "forks"] + list(range(6))]
    assert answers[0]["notes"] == sorted(["begun-%s" % n for n in ["waits", "blocks", "forks"] + list(range(6))] + ["went-on"])


def test_after_a_fork_the_parent_still_hears_of_its_threads(many):
    """The epoll set is shared with the child, which must not take anything out of it."""
    one = many("""
import asyncio, os, sys, time
async def main(args):
    pid = os.fork()
    if pid == 0:
        sys.exit(3)
    status = os.waitpid(pid, 0)[1]
    await asyncio.to_thread(time.sleep, 0.01)
    return {"status": os.WEXITSTATUS(status)}
""")
    assert [one.run({}).json for _ in range(2)] == [{"status": 3}] * 2


def test_a_task_that_cannot_be_made_fails_its_own_activation(proxy):
    """A task factory of the user's code raises for one of eight that are read together."""
    one = proxy("--runtime", "python", env={"__OW_ALLOW_CONCURRENT": "true"})
    one.started("""
import asyncio
def factory(loop, coroutine, **options):
    if factory.fails:
        factory.fails = False
        raise MemoryError("no task")
    return asyncio.Task(coroutine, loop=loop, **options)
factory.fails = False
async def main(args):
    asyncio.get_running_loop().set_task_factory(factory)
    factory.fails = "fail" in args  # the next one
    return args
""")
    assert one.run({"fail": 1}).json == {"fail": 1}
    pid, = one.children()
    os.kill(pid, signal.SIGSTOP)
    later = [one.later(one.run, {"n": n}) for n in range(8)]
    time.sleep(0.2)  # for them to be read together; it holds in any case
    os.kill(pid, signal.SIGCONT)
    answers = [each.result().json for each in later]
    assert answers.count({"error": "no task"}) == 1
    assert [answer in ({"n": n}, {"error": "no task"}) for n, answer in enumerate(answers)] == [True] * 8
