"""Beside the platform's text: the header x-whiskloop-reason, and what else /init says for users."""

import base64
import shutil
from urllib.parse import unquote

import pytest

import samples
from whisk import assert_error

CANNOT_START = "Cannot start action. Check logs for details."
ECHO = samples.PYTHON_CODES["echo"]


def reason(answer):
    """The header's text; the header itself is one line of printable ASCII of bounded length."""
    value = answer.headers["x-whiskloop-reason"]
    assert value.isascii() and value.isprintable() and len(value) <= 2048, value
    return unquote(value)


def posted(one, code, **members):
    return one.post("/init", {"value": {"code": code, "main": "main", **members}})


def test_a_failed_init_tells_the_trace_with_the_users_name(proxy):
    """The text stays as the suites compare it."""
    answer = posted(proxy(), "import nope\ndef main(args):\n    return args\n", file="hello.py")
    assert_error(answer, 502, CANNOT_START)
    assert 'File "hello.py", line 1' in reason(answer)
    assert "ModuleNotFoundError: No module named 'nope'" in reason(answer)


BREAKS = "def main(args):\n    raise ValueError('broken')\n"


def test_the_log_names_files_as_the_sender_of_an_init_does(proxy):
    """In activations, too, and as before after a replacement that failed."""
    one = proxy("--runtime", "python", "--allow-reinit")
    posted(one, BREAKS, file="late.py")
    assert posted(one, "def main(:\n", file="bad.py").status == 502
    one.run({})
    said = one.err_text()
    assert 'File "bad.py", line 1' in said and 'File "late.py", line 2, in main' in said
    assert "/bin/" not in said


def test_the_log_of_the_platform_is_passed_on_as_it_is(proxy):
    """Its /init names no file."""
    one = proxy("--runtime", "python", "--allow-reinit")
    posted(one, BREAKS, file="late.py")
    posted(one, BREAKS)
    one.run({})
    assert '/2/bin/__main__.py", line 2, in main' in one.err_text()


@pytest.mark.parametrize("code, wanted", [
    ("#!/bin/bash\necho failed to exec >&2\nexec nope-x\n", "failed to exec\ntool.sh: line 3: exec: nope-x: not found"),
    ("#!/usr/bin/env perl\nprint STDERR qq(exec\n);\nnope_x();\n",
     "exec\nUndefined subroutine &main::nope_x called at tool.sh line 4."),
    ("#!/nope-x\n", 'the first line of "tool.sh" names the interpreter "/nope-x", which is not here'),
])
def test_a_program_is_called_what_its_sender_calls_it(proxy, code, wanted):
    """Not exec, as we call it. The word may be one of the action's own."""
    one = proxy()
    answer = posted(one, code, file="tool.sh")
    assert_error(answer, 502, "cannot start action: command exited")
    assert wanted in reason(answer)
    if "the first line" not in wanted:
        assert wanted in one.err_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_a_linker_names_the_users_file(proxy):
    one = proxy("--runtime", "c")
    code = ("#include <whisk_action.h>\nint nowhere(void);\n"
            "int whisk_main(struct whisk *w)\n{\n    return nowhere();\n}\n")
    answer = posted(one, code, file="link.c")
    for text in (reason(answer), one.err_text()):
        assert "link.c:5: undefined reference" in text and "/bin/" not in text.replace("/usr/bin/", ""), text


@pytest.mark.parametrize("runtime", ["python", "nodejs", "native"])
def test_a_program_that_was_built_on_a_mac_is_told_as_such(proxy, runtime):
    """It is no source with a fault in it: Python said that it holds null bytes."""
    answer = proxy("--runtime", runtime).init(b"\xcf\xfa\xed\xfe\x07\0\0\1" + b"\0" * 300)
    assert answer.status == 502
    assert "is a program for macOS: build it for Linux" in reason(answer)


def test_a_long_reason_keeps_its_first_line_and_its_end(proxy):
    answer = posted(proxy(), "print('é%\\n' * 9000)\nraise ValueError('the é end')\n")
    assert_error(answer, 502, CANNOT_START)
    lines = reason(answer).split("\n")
    assert lines[0].startswith("Command exited abruptly") and lines[-1] == "ValueError: the é end"
    assert "..." in lines


@pytest.mark.parametrize("end, how", [
    ("os._exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "signal 9 (Killed)"),
])
def test_a_run_that_ends_the_process_tells_how(proxy, end, how):
    one = proxy()
    one.started(f"import os\ndef main(args):\n    {end}\n")
    answer = one.run({})
    assert_error(answer, 400, "command exited")
    assert reason(answer) == how


ONCE = "exit status 0: it must stay and read a line for each activation; " \
       "a program that is started for each one: --runtime oneshot"


def test_a_program_that_answers_once_and_exits_is_told_to_stay_or_how_else_it_can_be_started(proxy):
    answer = proxy("--runtime", "native").init("#!/bin/sh\necho '{\"a\":1}'\n")
    assert_error(answer, 502, "cannot start action: command exited")
    assert ONCE in reason(answer)


def test_a_program_that_reads_a_line_and_exits_without_an_answer_is_told_so_too(proxy):
    one = proxy("--runtime", "native")
    one.started("#!/bin/sh\nread -r line\nexit 0\n")
    answer = one.run({})
    assert_error(answer, 400, "command exited")
    assert reason(answer) == ONCE


@pytest.mark.parametrize("code, how", [
    ("#!/bin/sh\nread -r line\nexit 3\n", "exit status 3"), ("import os\ndef main(args):\n    os._exit(0)\n", "exit status 0"),
])
def test_a_failed_program_and_a_function_are_not_told_to_stay(proxy, code, how):
    one = proxy("--runtime", "native" if code.startswith("#!") else "python")
    one.started(code)
    assert reason(one.run({})) == how


@pytest.mark.parametrize("returned, what", [
    ("'Hi'", 'a string: "Hi"'), ("3", "a number: 3"), ("False", "a boolean: false"),
    ("None", "nothing: null"), ("'x' * 2000", 'a string: "' + "x" * 99 + "..."),
])
def test_a_run_that_returns_no_object_tells_what_it_returned(proxy, returned, what):
    one = proxy()
    one.started(f"def main(args):\n    return {returned}\n")
    answer = one.run({})
    assert_error(answer, 502, "The action did not return a dictionary or array.")
    assert reason(answer) == f"it returned {what}"


def test_a_success_has_no_reason(proxy):
    one = proxy()
    answer = one.init(ECHO)
    assert answer.status == 200 and answer.headers["x-whiskloop-reason"] is None
    assert one.run({}).headers["x-whiskloop-reason"] is None


@pytest.mark.parametrize("file", ["a.py", "/home/me/a.py", "a", "", 3, None, "../../a.py", "é\n.py"])
def test_a_file_of_any_name_is_published(proxy, file):
    """It is a hint for the language and the messages, never a path."""
    assert posted(proxy(), ECHO, file=file).status == 200


def test_base64_may_be_broken_into_lines(proxy):
    """As base64 prints it, and as an unquoted $(base64 FILE) passes it on."""
    lines = base64.encodebytes((ECHO + "#" * 200).encode()).decode()
    for code in (lines, lines.replace("\n", " "), lines.replace("\n", "\r\n"), "\t" + lines):
        one = proxy()
        assert posted(one, code, binary=True).status == 200
        assert one.run({"a": 1}).status == 200
