"""--prelaunch: the launcher that waits for its action is no different from one started fresh."""

import json
import os
import re
import signal

import pytest

import languages
import samples
from archives import zipped
from whisk import assert_error, is_alive, wait_until

WORLD = """
import os, sys

def world():
    links = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            links[name] = os.readlink("/proc/self/fd/" + name).partition("[")[0]
        except OSError:
            pass  # the listing's own
    return {"environ": dict(os.environ), "cwd": os.getcwd(), "argv": sys.argv, "path": sys.path,
            "descriptors": links, "name": __name__, "file": __file__,
            "encoding": [sys.stdout.encoding, sys.stderr.encoding],
            "modules": sorted(m for m in sys.modules if m.startswith("__main__"))}

AT_LOAD = world()

def main(args):
    return {"load": AT_LOAD, "run": world()}

def other(args):
    return {"other": args}
"""


def launchers(one):
    """Living children that run our launcher."""
    found = []
    for pid in one.children():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if b"launcher.py" in command and is_alive(pid):
            found.append(pid)
    return found


def waiting(proxy, *options, env=None):
    """A proxy whose prelaunched launcher is there, and its pid."""
    one = proxy("--runtime", "python", "--workers", 1, "--prelaunch", 1, *options, env=env)
    (pid,) = wait_until(lambda: launchers(one), "the prelaunched launcher")
    return one, pid


@pytest.mark.parametrize("case", ["plain", "env", "path", "locale"])
def test_the_world_is_that_of_a_fresh_start(proxy, case):
    env = {"plain": None, "env": {"SOME_VAR": "xyz", "EMPTY": "", "MANY": "a=b"},
           "path": {"PYTHONPATH": "/nowhere/modules"}, "locale": {"LC_ALL": "C", "LANG": "C"}}[case]
    one, _ = waiting(proxy)
    fresh = proxy("--runtime", "python", "--workers", 1, "--prelaunch", 0)
    assert launchers(fresh) == []
    assert one.world(WORLD, env) == fresh.world(WORLD, env)


def test_it_is_the_launcher_that_waited(proxy):
    one, pid = waiting(proxy)
    one.started(samples.PYTHON_CODES["process_id"])
    assert one.run({}).json == {"pid": pid}
    assert one.check_streams(1) == ("", "")


def test_another_function_of_the_code(proxy):
    one, _ = waiting(proxy)
    one.started(WORLD, main="other")
    assert one.run({"a": 1}).json == {"other": {"a": 1}}


def test_an_environment_larger_than_a_pipe(proxy):
    one, pid = waiting(proxy)
    big = "x" * 100000
    code = "import os\n\ndef main(args):\n" \
           "    return {'n': [len(os.environ[f'B{i}']) for i in range(20)], 'pid': os.getpid()}\n"
    one.started(code, env={f"B{i}": big for i in range(20)})
    assert one.run({}).json == {"n": [100000] * 20, "pid": pid}


def test_a_killed_prelaunched_launcher_is_no_harm(proxy):
    one, pid = waiting(proxy)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in one.children(), "its reaping")
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.check_streams(1) == ("", "")


def test_one_killed_at_the_moment_of_init_is_told_or_replaced(proxy):
    """Nobody can tell whether the code or we ended it: /init may fail, and can be repeated."""
    one, pid = waiting(proxy)
    os.kill(pid, signal.SIGSTOP)
    later = one.later(one.init, samples.PYTHON_CODES["echo"])
    os.kill(pid, signal.SIGKILL)
    if later.result().status != 200:
        one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


def test_a_failed_init_can_be_repeated(proxy):
    one, first = waiting(proxy)
    for code in (samples.PYTHON_CODES["broken"], "raise SystemExit(3)\n", "x = 1\n"):
        reply = one.init(code)
        assert reply.status == 502 and reply.error, reply
    one.started(samples.PYTHON_CODES["process_id"])
    assert one.run({}).json["pid"] != first
    wait_until(lambda: len(launchers(one)) == 1, "those of the failed ones to be gone")
    (pid,) = launchers(one)
    assert one.run({}).json == {"pid": pid}


def test_after_a_failed_init_another_launcher_waits(proxy):
    one, first = waiting(proxy)
    assert one.init(samples.PYTHON_CODES["broken"]).status == 502
    (second,) = wait_until(lambda: [p for p in launchers(one) if p != first], "another one")
    one.started(samples.PYTHON_CODES["process_id"])
    assert one.run({}).json == {"pid": second}


def test_native_code_leaves_no_launcher_behind(proxy, compiled):
    one, pid = waiting(proxy)
    one.started(compiled(samples.echo_c(3)))
    wait_until(lambda: pid not in one.children(), "the launcher to go")
    assert one.run({"a": 1}).json == {"a": 1}
    assert launchers(one) == [] and len(one.children()) == 1


def test_it_ends_with_a_proxy_that_was_never_initialized(proxy):
    one, pid = waiting(proxy)
    one.finish()
    assert not is_alive(pid)


def test_a_crash_is_followed_by_a_fresh_start(proxy):
    one, pid = waiting(proxy)
    one.started("import os\n\ndef main(args):\n    if args.get('die'):\n        os._exit(1)\n"
                "    return {'pid': os.getpid(), 'some': os.environ['SOME_VAR']}\n",
                env={"SOME_VAR": "xyz"})
    assert one.run({}).json == {"pid": pid, "some": "xyz"}
    assert one.run({"die": True}).json == {"error": "command exited"}
    again = one.run({}).json
    assert again["pid"] != pid and again["some"] == "xyz"
    one.check_streams(3)


RELATIVE = {  # a variable that an interpreter reads only at its start, and what it names in the action's folder
    "python": ({"PYTHONPATH": "deps"}, {
        "__main__.py": "import dep\n\ndef main(args):\n    return {'found': dep.FOUND}\n", "deps/dep.py": "FOUND = True\n"}),
    "nodejs": ({"NODE_OPTIONS": "--require ./deps/dep.js"}, {
        "index.js": "exports.main = () => ({ found });", "deps/dep.js": "global.found = true;"}),
    "ruby": ({"RUBYOPT": "-r./deps/dep"}, {
        "main.rb": "def main(args)\n  { found: FOUND }\nend\n", "deps/dep.rb": "FOUND = true\n"}),
    "perl": ({"PERL5LIB": "deps", "PERL5OPT": "-Mdep"}, {
        "main.pl": "sub main { return { found => $dep::found } }\n1;\n",
        "deps/dep.pm": "package dep;\nuse JSON::PP;\nour $found = JSON::PP::true;\n1;\n"}),
    "php": ({"PHPRC": "deps"}, {
        "index.php": "<?php\nfunction main() { return ['found' => ini_get('user_agent') === 'dep']; }\n",
        "deps/php.ini": "user_agent=dep\n"}),
}


@pytest.mark.parametrize("prelaunch", [0, 1])
@pytest.mark.parametrize("name", RELATIVE)
def test_a_variable_may_name_a_folder_of_the_action(proxy, name, prelaunch):
    languages.language(name)
    one = proxy("--runtime", name, "--workers", 1, "--prelaunch", prelaunch)
    if prelaunch:
        wait_until(one.children, "the prelaunched launcher")
    env, files = RELATIVE[name]
    one.started(zipped(files), env=env)
    assert one.run({}).json == {"found": True}


@pytest.mark.parametrize("prelaunch", [0, 1])
@pytest.mark.parametrize("env, main", [({"LARGE": "x" * 200000}, "main"), ({"PATH": "/nowhere"}, "main"),
                                       ({}, "m" * 200000)], ids=["value", "path", "function"])
def test_what_exec_refuses_can_be_started_again(proxy, env, main, prelaunch):
    """exec() takes 128 KiB a text, and looks for the interpreter in the action's PATH; the init line has no such bounds."""
    one = proxy("--runtime", "python", "--workers", 2, "--prelaunch", prelaunch)
    one.started(f"""
import os
def function(args):
    if "die" in args:
        os._exit(1)
    return {{"large": len(os.environ.get("LARGE", "")), "path": os.environ["PATH"]}}
globals()[{main!r}] = function
""", main=main, env=env)
    before = one.run({}).json
    assert before["large"] == len(env.get("LARGE", ""))
    for _ in range(3):
        assert_error(one.run({"die": True}), 400, "command exited")
        assert one.run({}).json == before
