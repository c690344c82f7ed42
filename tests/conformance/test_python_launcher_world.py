"""The Python launcher on its own, no proxy: the world that the user's code finds itself in.

Its streams, its environment, its processes, and that a prelaunched one is like a fresh one.
"""

import signal
import sys

import pytest

from python_launcher import ECHO, LAUNCHER, READY, action, both_ways, one_way, shell, start

__all__ = ["action", "both_ways", "start"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("both_ways")


# ---- logs and answers apart ----


@pytest.mark.parametrize("statement", [
    "print('log')", "print('log', end='')", "os.write(1, b'log')",
    "sys.stdout.buffer.write(b'log')",
    "os.system('echo log')", "subprocess.call(['echo', 'log'])", "sys.__stdout__.write('log')",
    "print('{\"fake\":1}\\nlog')", "original.write('log'); sys.stdout = io.StringIO()",
    "print('log'); sys.stdout.close()", "print('log'); sys.stdout = None",
    "print('log'); os.close(1)", "print('log'); os.dup2(2, 1)", "print('log'); del sys.stdout",
    "Late(); gc.collect()"])
def test_what_main_writes_is_in_the_log_before_its_answer(action, start, statement):
    child = start(action("""
        import gc, io, os, subprocess, sys
        original = sys.stdout
        class Late:
            def __del__(self):
                print("log")
        def main(args):
            %s
            return args
        """ % statement))
    assert child.run({"n": 1}) == {"n": 1}
    assert child.out().strip().endswith("log")
    assert child.err() == ""


@pytest.mark.parametrize("statement", [
    "sys.stdout.close()", "sys.stdout = 7", "sys.stderr.close()", "sys.stderr = None",
    "os.close(0)", "os.close(1)", "os.close(2)", "sys.stdin.close()", "os.closerange(0, 64)"])
def test_answers_survive_what_main_does_to_its_streams(action, start, statement):
    code = "import os, sys\ndef main(args):\n    %s\n    return args['n']\n" % statement
    child = start(action(code))
    assert child.run({"n": [1]}) == [1]
    child.run({})  # fails, and its traceback may have nowhere to go
    child.send({"value": {"n": [2]}})
    assert child.answer() is not None


def test_stderr_is_in_its_log_before_the_answer(action, start):
    child = start(action("import sys\ndef main(a):\n    sys.stderr.write('hello')\n    return a\n"))
    child.run()
    assert (child.out(), child.err()) == ("", "hello")


def test_in_a_shell_the_users_stdout_goes_to_stderr(action):
    done = shell(action("def main(args):\n    print('hello')\n    return args\n"), lines="{}")
    assert (done.answers, done.err) == ([{}], "hello\n")


def test_a_line_is_in_the_log_even_if_the_process_is_then_killed(action, start):
    code = "import os\ndef main(args):\n    print('last', 'words')\n    os.kill(0, 9)\n"
    child = start(action(code))
    child.send("{}")
    assert child.end() == (-9, b"")
    assert child.out() == "last words\n"


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0",
                                                          "PYTHONCOERCECLOCALE": "0"}])
def test_text_is_utf8_in_any_locale(action, start, locale):
    child = start(action("""
        def main(args):
            text = args["delimiter"] + " ☃ " + args["delimiter"]
            print(text, "\\ud800")
            return {"winter": text}
        """), env=locale)
    assert child.run({"delimiter": "❄"}) == {"winter": "❄ ☃ ❄"}
    assert child.out() == "❄ ☃ ❄ \\ud800\n"


def test_the_users_stdin_is_empty(action, start):
    child = start(action("import sys\ndef main(a):\n    return {'in': sys.stdin.read()}\n"))
    child.send({}, {})
    assert [child.answer(), child.answer()] == [{"in": ""}, {"in": ""}]


def test_other_programs_inherit_0_1_and_2_only(action, start):
    child = start(action("""
        import os, subprocess
        def main(args):
            command = "for fd in /proc/$$/fd/*; do readlink $fd; done; true"
            text = subprocess.check_output(["/bin/sh", "-c", command], close_fds=False)
            return {"fds": text.decode().split()}
        """))
    fds = child.run()["fds"]
    assert fds[0] == "/dev/null" and fds[1].startswith("pipe:") and fds[2].endswith("child.err")
    assert fds[3:] == []


def test_a_forked_child_that_comes_back_from_main_does_not_answer(action, start):
    child = start(action("""
        import os
        def main(args):
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            else:
                print("child")
            return {"parent": bool(pid)}
        """))
    assert [child.run(), child.run()] == [{"parent": True}] * 2
    assert child.out() == "child\nchild\n"
    assert child.end() == (0, b"")


def test_a_forked_child_that_lives_on_does_not_keep_the_answers_open(action, start):
    child = start(action("""
        import os, signal
        def main(args):
            if os.fork() == 0:
                signal.pause()
            os._exit(4)
        """))
    child.send("{}")
    assert child.end() == (4, b"")


def test_a_child_of_a_forked_child_is_no_more_than_that(action, start):
    child = start(action("""
        import os
        def main(args):
            pid = os.fork()
            if pid == 0:
                second = os.fork()
                if second:
                    os.waitpid(second, 0)
                os._exit(0)
            os.waitpid(pid, 0)
            return {}
        """))
    assert child.run() == {}
    assert child.end() == (0, b"") and child.err() == ""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works_and_stays_off_the_answers(action, start, method):
    child = start(action("""
        import multiprocessing
        def square(n):
            print("square")
            return n * n
        def main(args):
            with multiprocessing.get_context(args["method"]).Pool(1) as pool:
                return {"squares": pool.map(square, [1, 2, 3])}
        """))
    assert child.run({"method": method}) == {"squares": [1, 4, 9]}
    assert child.end() == (0, b"")


def test_a_thread_may_print_while_others_answer(action, start):
    child = start(action("""
        import threading
        go = threading.Event()
        threading.Thread(target=lambda: go.wait() and print("x\\n" * 9999), daemon=True).start()
        def main(args):
            go.set()
            return args
        """))
    for n in range(20):
        assert child.run({"n": n}) == {"n": n}


# ---- metadata ----

ENVIRONMENT = """
    import os
    def main(args):
        if "pop" in args:
            del os.environ[args["pop"]]
        return {k: v for k, v in os.environ.items() if k.startswith("__OW_") and "ACK" not in k}
    """


def test_metadata_of_any_type_becomes_text(action, start):
    answer = start(action(ENVIRONMENT), env={"LC_ALL": "C.UTF-8"}).run(
        namespace="zzz", deadline="123", number=1.5, flag=True, nothing=None, empty="",
        list=[1, "é"], object={"a": {"b": 1}})
    assert answer == {
        "__OW_NAMESPACE": "zzz", "__OW_DEADLINE": "123", "__OW_NUMBER": "1.5", "__OW_FLAG": "true",
        "__OW_NOTHING": "", "__OW_EMPTY": "", "__OW_LIST": '[1,"é"]',
        "__OW_OBJECT": '{"a":{"b":1}}'}


def test_metadata_follows_each_activation(action, start):
    child = start(action(ENVIRONMENT))
    for items in ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"b": "3"}, {}, {"a": "1", "c": "4"},
                  {"a": 1}, {"a": True}, {"a": "1"}):
        want = {"__OW_" + key.upper(): "true" if item is True else str(item)
                for key, item in items.items()}
        assert child.run(**items) == want, items


def test_a_vanished_key_restores_what_was_there_at_the_start(action, start):
    child = start(action(ENVIRONMENT), env={"__OW_API_KEY": "init", "__OW_API_HOST": "host"})
    both = {"__OW_API_HOST": "host", "__OW_API_KEY": "run"}
    assert child.run(api_key="run") == both
    assert child.run() == dict(both, __OW_API_KEY="init")
    assert child.run(api_key="run") == both


def test_a_variable_that_main_removed_is_there_for_the_next(action, start):
    child = start(action(ENVIRONMENT))
    assert child.run({"pop": "__OW_API_KEY"}, api_key="abc") == {}
    assert child.run(api_key="abc") == {"__OW_API_KEY": "abc"}


@pytest.mark.parametrize("key,item", [
    ("a=b", "x"), ("a\0b", "x"), ("\ud800", "x"), ("k", "a\0b"), ("k", "\ud800")])
def test_what_cannot_be_a_variable_is_left_out(action, start, key, item):
    child = start(action(ENVIRONMENT))
    assert child.run(k="old", other="1") == {"__OW_K": "old", "__OW_OTHER": "1"}
    for _ in range(2):
        assert child.run(other="1", **{key: item}) == {"__OW_OTHER": "1"}
    assert child.run(k="new", other="1") == {"__OW_K": "new", "__OW_OTHER": "1"}


@pytest.mark.parametrize("text", ["1e400", "[-1e999]", "[" * 700 + "]" * 700])
def test_metadata_that_python_cannot_write_as_json_ends_nobody(action, start, text):
    """JSON knows numbers beyond all floats, and any depth; what Python reads is what counts."""
    child = start(action(ENVIRONMENT))
    for _ in range(2):
        child.send('{"value":{},"k":%s,"other":"1"}' % text)
        assert child.answer() in ({"__OW_OTHER": "1"}, {"__OW_K": text, "__OW_OTHER": "1"})
    assert child.run(k="new") == {"__OW_K": "new"}


def test_keys_that_differ_in_case_do_not_remove_each_other(action, start):
    child = start(action(ENVIRONMENT))
    assert child.run(key="1", KEY="2") == {"__OW_KEY": "2"}
    assert child.run(key="1") == {"__OW_KEY": "1"}
    assert child.run() == {}


def test_programs_started_by_main_see_the_metadata(action, start):
    child = start(action("""
        import os
        def main(args):
            os.system("echo $__OW_ACTIVATION_ID")
            return args
        """))
    child.run(activation_id="one")
    child.run(activation_id="two")
    assert child.out() == "one\ntwo\n"


# ---- the end ----


def test_the_end_of_input_runs_exit_handlers_and_is_no_failure(action, start):
    child = start(action("import atexit\natexit.register(print, 'bye')\n" + ECHO))
    assert child.end() == (0, b"")
    assert child.out() == "bye\n"


def test_sigterm_ends_the_launcher(action, start):
    child = start(action(ECHO))
    child.process.terminate()
    assert child.end() == (-signal.SIGTERM, b"")


# ---- prelaunch ----

WORLD = """
    import os, sys
    early = dict(os.environ)
    def main(args):
        fds = {}
        for fd in os.listdir("/proc/self/fd"):
            try:
                fds[fd] = os.readlink("/proc/self/fd/" + fd).split(":")[0]
            except OSError:
                pass
        return {"env": dict(os.environ), "early": early, "cwd": os.getcwd(), "argv": sys.argv,
                "path": sys.path, "fds": fds, "modules": sorted(sys.modules), "name": __name__,
                "hash": sys.flags.hash_randomization, "flags": list(sys.flags)}
    """


def init_line(folder, env=None, name="main"):
    return {"init": {"path": str(folder), "main": name, "env": env}}


@one_way
@pytest.mark.parametrize("env", [
    {}, {"SOME_VAR": "xyz", "ANOTHER_VAR": "", "__OW_API_KEY": "abc"},
    {"PYTHONHASHSEED": "0", "SOME_VAR": "x"}, {"PYTHONPATH": "/opt/extra"}, {"LC_ALL": "C.UTF-8"}])
def test_a_prelaunched_action_finds_what_a_fresh_start_would_give(action, start, env):
    folder = action(WORLD)
    fresh = start(folder, env=env, cwd=folder).run()
    child = start(ready=False)
    child.send(init_line(folder, env))
    assert child.answer() == READY
    late = child.run()
    for world in (fresh, late):  # the shell that starts our children counts its working folder
        for name in ("env", "early"):
            world[name].pop("PWD", None)
            world[name].pop("OLDPWD", None)
    # While it waits it may load what most actions need, of the standard library and nothing else.
    more = set(late.pop("modules")) - set(fresh.pop("modules"))
    assert not [name for name in more if name.split(".")[0] not in sys.stdlib_module_names]
    assert late == fresh


@one_way
def test_a_prelaunched_interpreter_starts_again_only_for_what_is_read_at_a_start(action, start):
    child = start(ready=False)
    child.send(init_line(action(WORLD), {"SOME_VAR": "x", "HOME": "/nonexistent"}, ""))
    assert child.answer() == READY
    with open("/proc/%d/cmdline" % child.process.pid) as file:
        assert file.read().rstrip("\0").split("\0")[-1] == str(LAUNCHER)


@one_way
def test_names_that_no_variable_can_have_are_left_out_of_an_init(action, start):
    child = start(ready=False)
    child.send(init_line(action(ENVIRONMENT), {"": "x", "a=b": "x", "a\0b": "x", "__OW_A": 7}))
    assert child.answer() == READY
    assert child.run() == {"__OW_A": "7"}


@one_way
def test_a_prelaunched_action_runs_the_function_that_init_names(action, start):
    child = start(ready=False)
    child.send(init_line(action(ECHO.replace("main", "niam")), None, "niam"))
    assert child.answer() == READY
    assert child.run({"a": 1}) == {"a": 1}


@one_way
def test_a_prelaunched_action_that_does_not_load_ends_with_a_traceback(action, start):
    child = start(ready=False)
    child.send(init_line(action("import iamnotsupported\n")))
    assert child.end() == (1, b"")
    assert "Traceback" in child.err()


@one_way
def test_a_prelaunched_launcher_that_is_not_needed_ends_without_a_word(start):
    child = start(ready=False)
    assert child.end() == (0, b"")
    assert child.out() + child.err() == ""


@one_way
@pytest.mark.parametrize("line", [
    "no json", "null", "{}", '{"init":null}', '{"init":{}}', '{"init":{"path":7}}',
    '{"init":{"path":"/nonexistent/folder"}}', '{"init":{"path":"/","env":[1]}}'])
def test_an_init_line_that_is_of_no_use_is_refused_with_a_reason(start, line):
    child = start(ready=False)
    child.send(line)
    answer = child.answer()
    assert answer["ok"] is False
    assert answer["error"].startswith("cannot use the init line")
    assert child.end() == (1, b"")


REPLACED = {
    "view": "import types; os.environ = types.MappingProxyType(dict(os.environ))",
    "None": "os.environ = None",
    "deleted": "del os.environ",
    "dictionary": "os.environ = dict(os.environ)",
    "refusing": """
class Refusing(type(os.environ)):
    def __setitem__(self, key, value): raise TypeError(key)
    __delitem__ = pop = None
os.environ.__class__ = Refusing
"""}


@pytest.mark.parametrize("when", ["loading", "running"])
@pytest.mark.parametrize("how", REPLACED)
def test_whatever_the_code_puts_in_place_of_the_environment_programs_inherit_the_metadata(action, start, how, when):
    child = start(action("""
        import os, subprocess
        how = %r
        if %r:
            exec(how, globals())
        def main(args):
            exec(args.get("do", ""), globals())
            shown = subprocess.run("echo $__OW_ACTIVATION_ID/$__OW_OTHER", shell=True, stdout=subprocess.PIPE)
            shows = getattr(os, "environ", None)
            return [shown.stdout.decode().strip(), shows and shows.get("__OW_ACTIVATION_ID")]
        """ % (REPLACED[how], when == "loading")))
    child.run({"do": REPLACED[how] * (when == "running")}, activation_id="a0", other="b")
    for n in range(1, 4):
        shown, shows = child.run({}, activation_id="a%d" % n)
        assert shown == "a%d/" % n
        assert how in ("view", "None", "deleted") or shows == "a%d" % n
