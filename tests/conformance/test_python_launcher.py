"""The Python launcher on its own, no proxy: lines in, answers out, loading, failures.

runtime/README.md is the contract.
"""

import json
import subprocess

import pytest

from python_launcher import (ECHO, HANG_S, HELLO, LAUNCHER, PYTHON, action, both_ways, one_way, options, shell, start)

__all__ = ["action", "both_ways", "start"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("both_ways")

NO_ACTIVATE = "Invalid virtualenv. Zip file does not include 'activate_this.py'."


# ---- a filter ----


def test_a_filter_writes_one_answer_per_line_and_nothing_else(action):
    lines = '{"value":{"name":"Mike"}}\n{"value":{"name":"Ann"}}\n'
    done = shell(action(HELLO), lines=lines)
    assert done.stdout == b'{"greeting":"Hello, Mike"}\n{"greeting":"Hello, Ann"}\n'
    assert (done.returncode, done.err) == (0, "")


def test_a_last_line_without_newline_is_answered(action):
    assert shell(action(ECHO), lines='{"value":{"a":1}}').answers == [{"a": 1}]


def test_a_single_file_is_an_action_and_needs_no_other_name(action):
    folder = action("", **{"hello.py": HELLO})
    done = shell(folder / "hello.py", lines="{}\n")
    assert done.answers == [{"greeting": "Hello, stranger"}]


@one_way
def test_the_launcher_is_executable_by_itself(action):
    done = shell(action(ECHO), lines='{"value":{"a":1}}\n', program=[str(LAUNCHER)])
    assert done.answers == [{"a": 1}]


@one_way
@pytest.mark.parametrize("safe_path", ["", "1"])
def test_the_launcher_works_through_a_link_and_leaves_nothing_in_the_path(
        action, tmp_path, safe_path):
    (tmp_path / "link.py").symlink_to(LAUNCHER)
    code = "import sys\ndef main(args):\n    return {'path': sys.path[:2]}\n"
    folder = action(code)
    done = shell(folder, lines="{}", env={"PYTHONSAFEPATH": safe_path},
                 program=[PYTHON, str(tmp_path / "link.py")])
    path = done.answers[0]["path"]
    assert path[0] == str(folder)
    assert path[1] not in (str(tmp_path), str(LAUNCHER.parent))


@one_way
@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"]])
def test_wrong_arguments_get_the_usage_and_exit_2(arguments):
    done = shell(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.err.startswith("usage: ")


def test_a_reader_that_leaves_ends_the_filter_without_a_word(action, tmp_path):
    launcher = " ".join([PYTHON, *options, str(LAUNCHER)])
    command = "yes '{}' | head -n 9999 | %s %s 2>%s | head -n 1" % (launcher, action(ECHO), tmp_path / "err")
    assert subprocess.check_output(command, shell=True, timeout=HANG_S) == b"{}\n"
    assert (tmp_path / "err").read_text() == ""


def test_few_descriptors_are_enough(action):
    program = ["/bin/sh", "-c", 'ulimit -n 20; exec "$@"', "sh", PYTHON, *options, str(LAUNCHER)]
    assert shell(action(ECHO), lines="{}", program=program).answers == [{}]


# ---- lines in ----


@pytest.mark.parametrize("line", [
    "{}", "null", '{"value":null}', '{"value":{}}', ' {"value":{}}\t'])
def test_without_a_value_main_gets_an_empty_dictionary(action, line):
    code = "def main(args):\n    return {'type': type(args).__name__, 'n': len(args)}\n"
    assert shell(action(code), lines=line + "\n").answers == [{"type": "dict", "n": 0}]


@pytest.mark.parametrize("value", [
    ["a", "b"], [], {"string": "❄ ☃ ❄"}, {"numbers": [42, 1, 0.5, -1e-7, 12345678901234567890]},
    {"object": {"a": None, "b": [True, False, {}]}}, {"escapes": "\"\\\n\r\t\0\u2028"},
    {"value": 1, "error": {"code": 7}}])
def test_arguments_and_results_pass_unchanged(action, start, value):
    assert start(action(ECHO)).run(value) == value


@pytest.mark.parametrize("line", [
    "no json", "", "cancel", '{"value":', '{"a":1} x', "[1,2]", '"text"', "7", "[" * 200000, "1" * 5000])
def test_a_line_that_is_no_object_is_answered_with_an_error_and_work_goes_on(action, start, line):
    child = start(action(ECHO))
    child.send(line)
    assert list(child.answer()) == ["error"]
    assert child.run({"a": 1}) == {"a": 1}


def test_in_a_shell_there_are_no_control_lines(action):
    done = shell(action(ECHO), lines='{}\ncancel 1\ncancel everything\n{}\n')
    assert [list(answer) for answer in done.answers] == [[], ["error"], ["error"], []]


def test_bytes_that_are_no_utf8_are_answered_with_an_error(action, start):
    child = start(action(ECHO))
    child.process.stdin.write(b'{"value":"\xff"}\n')
    assert list(child.run({"a": 1})) == ["error"]
    assert child.answer() == {"a": 1}


def test_lines_written_ahead_are_answered_in_order(action, start):
    child = start(action(ECHO))
    child.send(*[{"value": {"n": n}} for n in range(200)])
    assert [child.answer()["n"] for _ in range(200)] == list(range(200))


def test_a_line_may_come_in_pieces(action, start):
    child = start(action(ECHO))
    for byte in b'{"value":{"a":1}}\n{"value":':
        child.process.stdin.write(bytes([byte]))
        child.process.stdin.flush()
    assert child.answer() == {"a": 1}
    child.send("[]}")
    assert child.answer() == []


def test_a_megabyte_of_echo_grows_by_the_newline_only(action, start):
    child = start(action(ECHO))
    body = json.dumps({"arg": "a" * 1048561}, separators=(",", ":")).encode()
    child.send('{"value":%s}' % body.decode())
    assert child.process.stdout.readline() == body + b"\n"


# ---- results ----


@pytest.mark.parametrize("result,line", [
    ("None", b"null"), ("'text'", b'"text"'), ("7", b"7"), ("(1, 2)", b"[1,2]"),
    ("{1: 'é', 'x': [1.5, True]}", '{"1":"é","x":[1.5,true]}'.encode())])
def test_what_json_can_tell_is_written_as_it_is(action, result, line):
    assert shell(action("def main(a):\n    return " + result), lines="{}").stdout == line + b"\n"


@pytest.mark.parametrize("result", [
    "{'a': {1, 2}}", "b'bytes'", "{'a': float('nan')}", "[float('inf')]", "{(1, 2): 3}",
    "args.update(a=args) or args", "nested(99999)", "10 ** 9999"])
def test_a_result_that_is_no_json_becomes_an_error_and_work_goes_on(action, start, result):
    child = start(action("""
        def nested(n):
            result = []
            for _ in range(n):
                result = [result]
            return result
        def main(args):
            return args if "ok" in args else %s
        """ % result))
    assert child.run()["error"] != ""
    assert "Error: " in child.err()
    assert "Traceback" not in child.err() or "\n  File " in child.err()
    assert child.run({"ok": 1}) == {"ok": 1}


def test_a_main_without_parameter_is_logged_in_one_line(action, start):
    child = start(action("def main():\n    return {}\n"))
    problem = "main() takes 0 positional arguments but 1 was given"
    assert child.run() == {"error": problem}
    assert child.err() == f"TypeError: {problem}\n"


def test_half_a_surrogate_pair_leaves_as_valid_json(action, start):
    child = start(action("def main(args):\n    return {'half': '\\ud800', 'snow': '☃'}\n"))
    child.send("{}")
    assert child.process.stdout.readline() == b'{"half":"\\ud800","snow":"\\u2603"}\n'


def test_an_error_returned_by_the_action_is_passed_on_and_not_logged(action, start):
    child = start(action("def main(args):\n    return {'error': 'sorry'}\n"))
    assert child.run() == {"error": "sorry"}
    assert child.out() + child.err() == ""


def test_an_async_main_is_awaited(action, start):
    child = start(action("""
        import asyncio
        async def main(args):
            await asyncio.sleep(0)
            if "fail" in args:
                raise asyncio.CancelledError("given up")
            return {"async": args}
        """))
    assert child.run({"a": 1}) == {"async": {"a": 1}}
    assert child.run({"fail": 1})["error"] in ("given up", "CancelledError")
    assert child.run({"a": 2}) == {"async": {"a": 2}}


# ---- failures of main ----


@pytest.mark.parametrize("statement,text", [
    ("1 / 0", "division by zero"), ("raise ValueError('no such city')", "no such city"),
    ("raise ValueError()", "ValueError"), ("raise Mute()", "Mute"), ("main(args)", "recursion"),
    ("raise GeneratorExit('gone')", "gone"), ("raise StopIteration('over')", "over")])
def test_an_exception_is_logged_and_answered_and_work_goes_on(action, start, statement, text):
    child = start(action("""
        class Mute(Exception):
            def __str__(self):
                raise TypeError("no words")
        def main(args):
            if "ok" in args:
                return args
            %s
        """ % statement))
    assert text in child.run()["error"]
    assert "Traceback" in child.err() and "in main" in child.err()
    assert "launcher.py" not in child.err()
    assert child.run({"ok": 1}) == {"ok": 1}


@pytest.mark.parametrize("statement,status", [
    ("sys.exit(1)", 1), ("sys.exit(0)", 0), ("os._exit(3)", 3), ("raise KeyboardInterrupt", 130)])
def test_an_action_that_ends_its_process_ends_it_without_a_word(action, start, statement, status):
    child = start(action("import os, sys\ndef main(args):\n    %s\n" % statement))
    child.send("{}")
    assert child.end() == (status, b"")
    assert child.out() + child.err() == ""


# ---- loading ----


EXIT_WITH_THREAD = """
    import atexit, sys, threading
    from concurrent.futures import ThreadPoolExecutor
    kept = open("kept", "w")
    atexit.register(lambda: print("exit handler"))
    def begin():
        %s
    %s
        begin()
        kept.write("written")
        print("logged", end="")
        sys.exit(%s)
    """


@pytest.mark.parametrize("main", ["def main(args):", "async def main(args):", "if True:"])
@pytest.mark.parametrize("thread", [
    "threading.Thread(target=threading.Event().wait).start()", "ThreadPoolExecutor().submit(threading.Event().wait)"])
def test_an_exit_waits_for_no_thread(action, start, main, thread):
    """In a function and while loading: what was written is there, and exit handlers have run."""
    folder = action(EXIT_WITH_THREAD % (thread, main, 3))
    child = start(folder, ready=main != "if True:")
    if main != "if True:":
        child.send({})
    assert child.process.wait(HANG_S / 3) == 3
    assert child.process.stdout.read() == b""
    assert (child.out(), child.err()) == ("loggedexit handler\n", "")
    assert (folder / "kept").read_text() == "written"


def test_an_exit_with_a_text_logs_it_also_while_a_thread_runs(action, start):
    child = start(action(EXIT_WITH_THREAD % (
        "threading.Thread(target=threading.Event().wait).start()", "def main(args):", "'sorry'")))
    child.send({})
    assert child.process.wait(HANG_S / 3) == 1
    assert child.err() == "sorry\n"


def test_without_acknowledgement_no_ready_line_is_written(action, start):
    child = start(action(ECHO), ready=False, ack=False)
    assert child.run({"first": 1}) == {"first": 1}


@one_way
def test_what_loading_prints_is_in_the_log_before_the_ready_line(action, start):
    child = start(action("import os\nprint(os.environ['X'], end='')\n" + ECHO), env={"X": "xyz"})
    assert child.out() == "xyz"


@one_way
def test_modules_packages_and_files_beside_the_action_are_found(action, start):
    child = start(action("""
        from echo import echo
        from tools.text import shout
        word = open("workfile").read()
        def niam(args):
            return {"echo": echo(args), "word": shout(word), "main": __name__, "file": __file__}
        """, **{"echo.py": "def echo(args):\n    return args\n", "tools/__init__.py": "",
                "tools/text.py": "def shout(text):\n    return text.upper()\n", "workfile": "hey"}),
        "niam", cwd="/")
    answer = child.run({"msg": "it works"})
    assert answer["echo"] == {"msg": "it works"}
    assert answer["word"] == "HEY"
    assert answer["main"] == "main__"
    assert answer["file"].endswith("/action/__main__.py")


@one_way
def test_code_for_the_command_line_does_not_run(action):
    code = ECHO + "if __name__ == '__main__':\n    raise SystemExit('ran')\n"
    assert shell(action(code), lines="{}").answers == [{}]


@one_way
def test_an_action_that_reads_its_arguments_finds_none(action):
    code = "import argparse\nargparse.ArgumentParser().parse_args()\n" + ECHO
    assert shell(action(code), "main", lines="{}").answers == [{}]


@one_way
def test_an_empty_name_means_main(action):
    assert shell(action(ECHO), "", lines="{}").answers == [{}]


@one_way
@pytest.mark.parametrize("name", ["nobody", "number"])
def test_a_missing_function_is_told_by_name(action, start, name):
    child = start(action("number = 1\n" + ECHO), name, ready=False)
    assert child.end() == (1, b"")
    assert "function '%s' was not found in __main__.py" % name in child.err()
    assert "Traceback" not in child.err()


@one_way
def test_a_folder_without_main_file_is_told(action, start):
    folder = action("", **{"echo.py": ECHO})
    (folder / "__main__.py").unlink()
    child = start(folder, ready=False)
    assert child.end() == (1, b"")
    assert "Zip file does not include __main__.py" in child.err()


@one_way
@pytest.mark.parametrize("code,text", [
    ("10 PRINT 'Hello!'\n20 GOTO 10\n", "SyntaxError"),
    ("import iamnotsupported\n", "iamnotsupported"), ("raise ValueError('broken')\n", "broken")])
def test_code_that_does_not_load_leaves_a_traceback_and_no_ready_line(action, start, code, text):
    child = start(action(code), ready=False)
    assert child.end() == (1, b"")
    assert "Traceback" in child.err() and text in child.err()
    assert "importlib" not in child.err()


@one_way
def test_an_exit_while_loading_ends_without_a_word(action, start):
    child = start(action("import sys\nsys.exit(1)\n" + ECHO), ready=False)
    assert child.end() == (1, b"")
    assert child.out() + child.err() == ""


@pytest.mark.parametrize("body, trace", [
    ("async def main(args):\n    raise ValueError('oh')\n", 'line 2, in main'),
    ("async def main(args):\n    return {'a': {1}}\n", None),
    ("async def main(args):\n    yield {'a': {1}}\n", None),
    ("def main(args):\n    yield {'a': {1}}\n", None),
    ("def main(args):\n    return {'a': {1}}\n", None),
], ids=["raises", "result", "part", "part-of-def", "result-of-def"])
def test_a_trace_shows_no_calls_of_ours(action, start, body, trace):
    child = start(action(body))
    assert list(child.run()) == ["error"]
    child.end()
    assert "whiskloop_" not in child.err() and "asyncio" not in child.err()
    assert (trace is None) == ("Traceback" not in child.err()) and (trace or "") in child.err()


# ---- virtualenv ----

ACTIVATE = """
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "packages"))
    """
USES_PACKAGE = """
    import agent, own
    def naim(args):
        return {"agent": agent.NAME, "own": own.OF}
    """


@one_way
@pytest.mark.parametrize("part", ["bin", "Scripts"])
def test_a_virtualenv_is_activated_and_own_modules_come_first(action, start, part):
    root = "virtualenv/" + part
    child = start(action(USES_PACKAGE, **{
        root + "/activate_this.py": ACTIVATE, root + "/packages/agent.py": "NAME = 'smith'\n",
        root + "/packages/own.py": "OF = 'package'\n", "own.py": "OF = 'action'\n"}), "naim")
    assert child.run() == {"agent": "smith", "own": "action"}


VERSION = subprocess.run(
    [PYTHON, "-c", "import sys; print('%s%d.%d' % (('pypy' if sys.implementation.name == 'pypy' else 'python',)"
                   " + sys.version_info[:2]))"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def venv(version):
    """What `python3 -m venv virtualenv` leaves: no activate_this.py."""
    packages = f"virtualenv/lib/{version}/site-packages"
    return {"virtualenv/pyvenv.cfg": "home = /usr/bin\n", packages + "/agent.py": "NAME = 'smith'\n",
            packages + "/own.py": "OF = 'package'\n", "own.py": "OF = 'action'\n"}


@one_way
def test_a_virtualenv_of_the_module_venv_serves_the_same_python(action, start):
    child = start(action(USES_PACKAGE, **venv(VERSION)), "naim")
    assert child.run() == {"agent": "smith", "own": "action"}


@one_way
def test_a_virtualenv_of_the_module_venv_for_another_python_is_invalid_and_the_log_says_why(action, start):
    child = start(action(USES_PACKAGE, **venv("python3.1")), "naim", ready=False)
    assert child.answer() == {"ok": False, "error": NO_ACTIVATE}
    assert child.end() == (1, b"")
    assert child.err() == ("virtualenv/ was made for another Python than this one: it has no "
                           f"lib/{VERSION}/site-packages\n{NO_ACTIVATE}\n")


@one_way
def test_an_invalid_virtualenv_is_told_to_the_log_and_to_the_client(action, start):
    child = start(action(ECHO, **{"virtualenv/bin/python": ""}), ready=False)
    assert child.answer() == {"ok": False, "error": NO_ACTIVATE}
    assert child.end() == (1, b"")
    assert child.err() == NO_ACTIVATE + "\n"


@one_way
def test_an_invalid_virtualenv_is_told_in_a_shell_on_stderr_only(action):
    done = shell(action(ECHO, **{"virtualenv/bin/python": ""}))
    assert (done.returncode, done.stdout, done.err) == (1, b"", NO_ACTIVATE + "\n")
