"""/init: what fails may be repeated, what succeeded may not; large code, slow code, broken code."""

import pytest

import puppet
import samples
import whisk
from languages import language
from whisk import assert_error, together

CANNOT_START = "Cannot start action. Check logs for details."
TWICE = "Cannot initialize the action more than once."
LARGE_BYTES = 48 << 20  # the platform's bound on code
BLOCKED_LOAD = "import signal\n\nwhile True:\n    signal.pause()\n"


def test_failed_init_may_be_repeated(proxy, kind):
    """A broken version is no obstacle: the next init succeeds, and only then a third is refused."""
    one = proxy(*kind.options)
    for _ in range(3):
        assert one.init(kind["broken"]).status == 502
    one.started(kind["echo"])
    assert one.run({"a": 1}).json == {"a": 1}
    assert_error(one.init(kind["echo"]), 403, TWICE)


def test_environment_of_a_failed_init_is_forgotten(proxy):
    """What a failed init brought is not seen by the version that follows."""
    one = proxy("--runtime", "python")
    assert one.init("nonsense(\n", env={"LEFT": "over"}).status == 502
    one.started(samples.PYTHON_CODES["one_variable"])
    assert one.run({"name": "LEFT"}).json == {"value": None}


def test_second_init_after_a_crash_is_refused(proxy, kind):
    """A crash is no reason to take other code: the action is started again instead."""
    one = proxy(*kind.options)
    one.started(kind["die_if_told"])
    assert one.run({"die": True}).status == 400
    assert_error(one.init(kind["echo"]), 403, TWICE)
    assert one.run({"die": False}).json == {"die": False}


def test_two_inits_at_the_same_moment(proxy, gate):
    """Only one at a time: one succeeds, the other is refused, one process runs."""
    door = gate()
    one = proxy("--runtime", "python")
    code = f"open({door.path!r}).read()\n" + samples.PYTHON_CODES["echo"]
    first = one.later(one.init, code)
    door.wait_reached()
    second = one.init(samples.PYTHON_CODES["no_dictionary"])
    assert second.status != 200, second
    door.release()
    assert first.result().status == 200
    assert one.run({"a": 1}).json == {"a": 1}


def test_run_during_init(proxy, gate):
    """A run while the code still loads finds no action, and does not disturb the init."""
    door = gate()
    one = proxy("--runtime", "python")
    first = one.later(one.init, f"open({door.path!r}).read()\n" + samples.PYTHON_CODES["echo"])
    door.wait_reached()
    assert_error(one.run({"a": 1}), 500, "no action defined yet")
    door.release()
    assert first.result().status == 200
    assert one.run({"a": 1}).json == {"a": 1}


def test_init_and_run_race(proxy, kind):
    """Runs sent while the init is under way are answered: not yet, or rightly."""
    one = proxy(*kind.options)
    answers = together([lambda: one.init(kind["echo"])] + [lambda: one.run({"a": 1})] * 5)
    assert answers[0].status == 200
    for answer in answers[1:]:
        assert (answer.status == 500 and answer.error == "no action defined yet") or \
            (answer.status == 200 and answer.json == {"a": 1}), answer


def test_TV9_load_that_never_ends(proxy):
    """T-V9: Python code that blocks while loading is answered by the deadline of init."""
    one = proxy("--runtime", "python", "--init-timeout", 700, "--prelaunch", 0)
    answer = one.init(BLOCKED_LOAD)
    assert_error(answer, 502, "The action exceeded its time limits of 700 milliseconds during initialization.")
    one.check_streams(1)
    whisk.wait_until(lambda: not one.children(), "the loader to go with its init")


def test_init_after_one_that_was_too_late(proxy):
    """T-V9: a load that took too long is a failed init like any other."""
    one = proxy("--runtime", "python", "--init-timeout", 3000)
    assert one.init(BLOCKED_LOAD).status == 502
    one.started(samples.PYTHON_CODES["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


@pytest.mark.parametrize(
    "main", ["missing", "main; import os", "a.b", "'", "❄", "main\n", "-h", "{main}"])
def test_main_that_is_not_there(proxy, main):
    """A name of a function that the code lacks, however odd, fails the init with a reason."""
    one = proxy("--runtime", "python")
    answer = one.init("def other(args):\n    return args\n", main=main)
    assert_error(answer, 502, CANNOT_START)
    _, err = one.check_streams(1)
    assert "Command exited abruptly during initialization." in err
    assert len(err.splitlines()) > 1, "the launcher's own words stand before ours"


def test_TV17_large_code_in_bounded_memory(proxy):
    """T-V17: a 64 MB init keeps about one copy of its body."""
    one = proxy("--runtime", "native", "--init-max-bytes", 80 << 20)
    script = samples.SHELL_CODES["echo"].encode() + b"exit\n"
    script += b"#" * (LARGE_BYTES - len(script))
    before = one.memory_kb("VmHWM")
    one.started(script)
    grown = one.memory_kb("VmHWM") - before
    assert one.run({"a": 1}).json == {"a": 1}
    body_kb = LARGE_BYTES * 4 // 3 // 1024
    if not whisk.is_sanitized():
        assert grown < 3 * body_kb, f"{grown} kB for a body of {body_kb} kB"


@pytest.mark.skipif(whisk.is_sanitized(), reason="the sanitizer keeps what is freed")
@pytest.mark.parametrize("begin,status", [(b"#!/bin/sh\nexec cat >&3\n#", 200), (b"PK\3\4", 502)], ids=["good", "bad"])
def test_the_memory_of_large_code_is_the_actions_again(proxy, begin, status):
    one = proxy("--runtime", "native")
    before = one.memory_kb("VmRSS")
    assert one.init(begin + b"#" * (20 << 20)).status == status
    whisk.wait_until(lambda: one.memory_kb("VmRSS") - before < 8 << 10, "the memory to be free, behind the reply")


@pytest.mark.parametrize("code", [
    b"\x7fELF" + b"\0" * 100, b"\x7fELF" + bytes(range(256)) * 20, b"#!", b"#!\n", b"#!/\n",
    b"#!/bin/bash -c exit\n", b"\xff\xfe\xfd" * 100, b"\0" * 512,
], ids=["empty-elf", "noise-elf", "two-bytes", "no-name", "folder", "exits", "noise", "zeros"])
@pytest.mark.parametrize("runtime", ["native", "python"])
def test_executables_that_are_none(proxy, runtime, code):
    """Bytes that pretend to be a program fail their init, and the proxy goes on."""
    one = proxy("--runtime", runtime)
    answer = one.init(code)
    assert answer.status == 502, answer
    assert answer.error
    assert one.post("/run", {}).status == 500
    one.started(puppet.CODE)
    assert one.run(puppet.steps(puppet.answer('{"ok":1}'))).json == {"ok": 1}


def test_interpreter_that_is_missing(proxy):
    """A script whose interpreter is not on the machine."""
    one = proxy("--runtime", "native")
    assert_error(one.init("#!/usr/bin/no-such-language\n"), 502,
                 "cannot start action: command exited")


SCRIPTS = {  # runtime -> a text that is source for it, and a program of the same interpreter
    "python": ("#!/usr/bin/env python3\n# a comment\nasync def main(\n    args):\n    return args\n",
               "#!/usr/bin/python3 -u\nimport sys\ndef main():\n    for line in sys.stdin:\n"
               "        print('{\"program\":true}')\nmain()\n"),
    "nodejs": ("#!/usr/bin/env node\r\nconst main = (args) => args;\nexports.main = main;\n",
               "#!/usr/bin/env node\nfunction main() {\n    require('readline').createInterface("
               "process.stdin).on('line', () => console.log('{\"program\":true}'));\n}\nmain();\n"),
    "ruby": ("#!/usr/bin/env ruby\ndef main(args)\n  args\nend\n",
             "#!/usr/bin/env ruby\nwhile gets\n  puts '{\"program\":true}'\n  $stdout.flush\nend\n"),
    "perl": ("#!/usr/bin/perl -w\nuse strict;\nsub main {\n    return $_[0];\n}\n1;\n",
             "#!/usr/bin/perl -w\n$| = 1;\nprint qq({\"program\":true}\\n) while <STDIN>;\n"),
    "php": ("#!/usr/bin/env php\n<?php\ndeclare(strict_types=1);\nfunction main(array $args): array\n"
            "{\n    return $args;\n}\n",
            "#!/usr/bin/env php\n<?php\nwhile (fgets(STDIN)) echo '{\"program\":true}', \"\\n\";\n"),
    "lua": ("#!/usr/bin/env lua\nfunction main(args) return args end\n",
            "#!/usr/bin/env lua\nfor _ in io.lines() do\n  print('{\"program\":true}')\n"
            "  io.stdout:flush()\nend\n"),
    "shell": ("#!/usr/bin/env bash\nmain() {\n    answer \"$1\"\n}\n",
              "#!/usr/bin/env bash\nwhile read -r line; do echo '{\"program\":true}'; done\n"),
}
ENDINGS = {"python": ".py", "nodejs": ".js", "ruby": ".rb", "perl": ".pl", "php": ".php", "lua": ".lua", "shell": ".sh"}


@pytest.mark.parametrize("kind", ["source", "program", "another's"])
@pytest.mark.parametrize("runtime", SCRIPTS)
def test_text_with_an_interpreter_in_its_first_line(proxy, runtime, kind):
    """It is source of the runtime's language where it has the main function, and else a program."""
    source, program = SCRIPTS[runtime]
    language(runtime)
    one = proxy("--runtime", "native" if kind == "another's" else runtime)
    one.started(source if kind == "source" else program)
    assert one.run({"a": 1}).json == ({"a": 1} if kind == "source" else {"program": True})
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("sent_by", ["/init", "--action"])
@pytest.mark.parametrize("kind", ["source", "program"])
@pytest.mark.parametrize("runtime", ENDINGS)
def test_the_name_of_a_file_tells_the_language_of_a_text_with_an_interpreter(proxy, folder, runtime, kind, sent_by):
    """Whatever the proxy's own runtime is: the file that somebody publishes may be a script of theirs."""
    language(runtime)
    text = SCRIPTS[runtime][kind == "program"]
    file = folder / ("hello" + ENDINGS[runtime])
    file.write_text(text)
    one = proxy(*(["--action", file] if sent_by == "--action" else []))
    if sent_by == "/init":
        assert one.post("/init", {"value": {"code": text, "file": file.name}}).status == 200
    assert one.run({"a": 1}).json == ({"a": 1} if kind == "source" else {"program": True})


@pytest.mark.parametrize("text", ["main() {\n    while read -r line; do echo '{\"program\":true}'; done\n}\nmain \"$@\"\n",
                                  "main () { while IFS= read -r line; do echo '{\"program\":true}'; done; }\n  main;\n"])
def test_a_shell_script_that_calls_its_main_function_is_a_program(proxy, folder, text):
    file = folder / "hello.sh"
    file.write_text("#!/bin/bash\n" + text)
    one = proxy("--action", file)
    assert one.run({}).json == {"program": True}


def test_a_text_with_an_interpreter_and_a_name_that_tells_no_language_is_a_program(proxy, folder):
    file = folder / "hello.cgi"
    file.write_text("#!/usr/bin/env python3\ndef main(args):\n    return args\n"
                    "for line in open(0):\n    print('{\"program\":true}', flush=True)\n")
    one = proxy("--action", file)
    assert one.run({}).json == {"program": True}
