"""T-D: the old native contract, a program per activation, as Apache's dockerskeleton has it."""

import base64
import errno
import json
import subprocess
import sys

import pytest

from archives import zipped
from watch import Watched
from whisk import PROGRAM, REPO, WAIT_S, assert_error, is_sanitized, soon

OPTIONS = ("--runtime", "oneshot")
STUB_RESULT = {"error": "This is a stub action. Replace it with custom logic."}
NO_RESULT = "The action did not return a dictionary or array."
NO_OBJECT = "The action did not receive a dictionary or array as an argument."
# Arguments: an errno and a command. The command runs under a seccomp filter that answers
# pidfd_open(), which is call 434, with this errno.
REFUSE_PIDFD_OPEN = """
import ctypes, os, struct, sys
step = lambda code, yes, no, value: struct.pack("HBBI", code, yes, no, value)
steps = ctypes.create_string_buffer(step(0x20, 0, 0, 0) + step(0x15, 0, 1, 434)
                                    + step(0x06, 0, 0, 0x50000 | int(sys.argv[1])) + step(0x06, 0, 0, 0x7FFF0000))
program = ctypes.create_string_buffer(struct.pack("HP", 4, ctypes.addressof(steps)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, program):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
"""
ECHO_ARGUMENT = '#!/bin/bash\nprintf "%s\\n" "$1"\n'


def run_stub(one):
    answer = one.post("/run", {})
    assert (answer.status, answer.json) == (200, STUB_RESULT)
    out, err = one.check_streams(1)
    assert "This is a stub action" in out
    assert err == ""


def test_TD1_stub_runs_without_an_init(proxy):
    """T-D1: run sample without init."""
    run_stub(proxy(*OPTIONS))


@pytest.mark.parametrize("body", [{}, {"value": {}}, {"value": {"code": None, "main": "main"}}])
def test_TD2_TD3_init_without_code_leaves_the_stub(proxy, body):
    """T-D2, T-D3: 'null' init, init that does nothing."""
    one = proxy(*OPTIONS)
    assert one.post("/init", body).body == b'{"ok":true}\n'
    run_stub(one)
    assert_error(one.init(ECHO_ARGUMENT), 403, "Cannot initialize the action more than once.")


@pytest.mark.parametrize("value", ["A", 7, True])
def test_TD4_argument_that_is_no_object_is_404(proxy, folder, value):
    """T-D4: 404 for bad run argument."""
    one = Watched(proxy, folder, *OPTIONS)
    one.proxy.started(ECHO_ARGUMENT)
    assert_error(one.proxy.run(value), 404, NO_OBJECT)
    assert one.proxy.check_streams(1) == ("", "")
    assert one.ends() == {"bad_body": 1}


def test_TD5_bad_script_fails_when_it_runs(proxy):
    """T-D5: bad script: empty code is accepted, and cannot be run."""
    one = proxy(*OPTIONS)
    one.started("")
    assert_error(one.post("/run", b"null"), 502, NO_RESULT)
    assert "error" in one.check_streams(1)[0]


@pytest.mark.parametrize("modes", [None, {"exec": 0o644}, {"exec": 0o755}])
def test_TD6_compatible_zip_exec(proxy, modes):
    """T-D6: a zip with a member exec, of any mode."""
    note = "This is an example zip used with the docker skeleton action."
    code = f"#!/bin/bash\necho '{note}'\necho '{{ \"msg\": \"hello zip\" }}'\n"
    one = proxy(*OPTIONS)
    archive = base64.b64encode(zipped({"exec": code}, modes)).decode()
    assert one.post("/init", {"value": {"code": archive, "binary": True}}).status == 200
    answer = one.post("/run", {})
    assert (answer.status, answer.json) == (200, {"msg": "hello zip"})
    assert one.check_streams(1) == (note, "")


def test_TD7_working_folder_is_the_actions(proxy):
    """T-D7: support current directory be action location."""
    one = proxy(*OPTIONS)
    one.started('#!/bin/bash\necho "{\\"pwd_env\\":\\"$PWD\\",\\"pwd_cmd\\":\\"$(/bin/pwd -P)\\",'
                '\\"of_program\\":\\"$(dirname "$0")\\"}"\n')
    answer = one.run({}).json
    assert answer["pwd_env"] == answer["pwd_cmd"] == answer["of_program"]


def test_TD8_arrays_in_and_out(proxy):
    """T-D8: array result, array input."""
    one = proxy(*OPTIONS)
    one.started('#!/bin/bash\necho "[\\"a\\", \\"b\\"]"\n')
    assert one.run({}).json == ["a", "b"]
    one = proxy(*OPTIONS)
    one.started(ECHO_ARGUMENT)
    assert one.run(["a", "b"]).json == ["a", "b"]


def test_TD9_unusable_last_line_is_logged_and_an_error(proxy):
    """T-D9, T-B3: function not returning a json object."""
    one = proxy(*OPTIONS)
    one.started("#!/bin/bash\necho not a json object\n")
    assert_error(one.post("/run", {}), 502, NO_RESULT)
    assert one.check_streams(1) == ("not a json object", "")


def test_TD9_all_but_the_last_line_is_log(proxy):
    """T-D9, T-B6: echo arguments and print message to stdout/stderr."""
    one = proxy(*OPTIONS)
    one.started('#!/bin/bash\necho hello stdout\necho hello stderr >&2\nprintf "%s" "$1"\n')
    for value in ({"string": "hello"}, {"string": "❄ ☃ ❄"}, {"numbers": [42, 1]},
                  {"object": {"a": "A"}}):
        answer = one.run(value)
        assert (answer.status, answer.json) == (200, value)
    assert one.check_streams(4) == ("\n".join(["hello stdout"] * 4), "\n".join(["hello stderr"] * 4))


def test_TD9_metadata_and_environment(proxy):
    """T-D9, T-B9: this activation's metadata, and nothing of an earlier one's."""
    one = proxy(*OPTIONS, env={"__OW_API_HOST": "xyz"})
    one.started('#!/bin/bash\necho "{\\"host\\":\\"$__OW_API_HOST\\",\\"key\\":\\"$__OW_API_KEY\\",'
                '\\"n\\":\\"$__OW_N\\",\\"init\\":\\"$AT_INIT\\"}"\n', env={"AT_INIT": "x=y"})
    assert one.run({}, api_key="abc", n=[1, None]).json == {
        "host": "xyz", "key": "abc", "n": "[1,null]", "init": "x=y"}
    assert one.run({}).json == {"host": "xyz", "key": "", "n": "", "init": "x=y"}


@pytest.mark.parametrize("n, as_argument", [(131060, True), (131061, False), (5 << 20, False)])
def test_TD9_long_argument_comes_on_stdin_alone(proxy, n, as_argument):
    """T-D9, T-B11: the kernel takes 131071 bytes as an argument; stdin has them all in any case."""
    value = {"text": "a" * n}
    assert (len(json.dumps(value, separators=(",", ":"))) <= 131071) == as_argument
    one = proxy(*OPTIONS)
    one.started('#!/bin/bash\necho "$# ${#1}"\ncat\n')
    answer = one.run(value)
    assert (answer.status, answer.json) == (200, value)
    assert one.check_streams(1)[0] == (f"1 {n + 11}" if as_argument else "0 0")


def test_TD10_program_of_its_own_answers_and_logs(proxy, compiled):
    """T-D10: the example in C: a log line, and a result with no newline at its end."""
    note = "This is an example log message from an arbitrary C program!"
    program = compiled("#include <stdio.h>\nint main(int argc, char **argv)\n{\n"
                       f'    printf("{note}\\n");\n'
                       '    printf("{ \\"msg\\": \\"Hello from arbitrary C program!\\", '
                       '\\"args\\": %s }", argc == 1 ? "undefined" : argv[1]);\n    return 0;\n}\n')
    one = proxy(*OPTIONS)
    one.started(program)
    for value in ({"a": "A"}, {"i": 1}):
        assert one.run(value).json == {"msg": "Hello from arbitrary C program!", "args": value}
    assert one.check_streams(2)[0].count(note) == 2


def test_an_init_with_code_takes_the_place_of_the_stub_that_ran(proxy):
    one = proxy(*OPTIONS)
    assert one.post("/run", {}).json == STUB_RESULT
    one.started(ECHO_ARGUMENT)
    assert one.run({"a": 1}).json == {"a": 1}


def test_exit_status_is_ignored(proxy):
    """Contract 3.5."""
    one = proxy(*OPTIONS)
    one.started("#!/bin/bash\necho '{}'\nexit 3\n")
    assert one.run({}).status == 200
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("code, log", [
    ("#!/bin/bash\n", ""),
    ("#!/bin/bash\necho '{}'\necho\n", "{}"),
    ("#!/bin/bash\nkill -9 $$\n", ""),
    ("echo '{}'\n", "Exec format error"),
    ("#!/no/such/interpreter\n", "No such file"),
])
def test_program_without_a_result_is_an_error_and_the_next_run_works(proxy, code, log):
    one = proxy(*OPTIONS)
    one.started(code)
    for n in (1, 2):
        assert_error(one.run({}), 502, NO_RESULT)
        assert log in one.check_streams(n)[0]


@pytest.mark.parametrize("code, why", [
    (b"#!/bin/bash\r\necho '{}'\r\n", 'the first line of "exec" ends with a carriage return'),
    (b"#!/no/such/interpreter\n", 'names the interpreter "/no/such/interpreter", which is not here'),
    (b"echo '{}'\n", 'neither a program for this system nor a script that begins with "#!"'),
    (b"\xcf\xfa\xed\xfe\x07\0\0\x01" + b"\0" * 100, '"exec" is a program for macOS: build it for Linux')])
def test_the_log_says_why_a_program_cannot_run(proxy, code, why):
    """What the kernel says of these is "No such file or directory" and "Exec format error"."""
    one = proxy(*OPTIONS)
    one.started(zipped({"exec": code}))
    assert_error(one.run({}), 502, NO_RESULT)
    out = one.check_streams(1)[0]
    assert out.startswith("error: cannot run ") and why in out


@pytest.mark.parametrize("refused", [errno.ENOSYS, errno.EPERM])
def test_a_program_runs_once_where_pidfd_open_is_refused(proxy, folder, refused):
    """As before Linux 5.3, in sandboxes without it, and by the seccomp profiles of old engines."""
    refuse = (sys.executable, "-c", REFUSE_PIDFD_OPEN, str(refused))
    tried = subprocess.run([*refuse, "true"], stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
    if tried.returncode != 0:
        pytest.skip(f"this kernel takes no seccomp filter: {tried.stderr.strip()}")
    one = proxy(*OPTIONS, wrapper=refuse)
    runs = folder / "runs"
    one.started(f"#!/bin/sh\necho run >>{runs}\ncat\n")
    for number in range(3):
        assert one.run({"n": number}).json == {"n": number}
    assert runs.read_text() == "run\n" * 3
    assert one.check_streams(3) == ("", "")


def test_what_a_program_leaves_running_delays_no_answer(proxy):
    """It holds the program's output open for as long as it lives."""
    one = proxy(*OPTIONS)
    one.started("#!/bin/bash\nsleep 1000 &\necho '{\"n\":1}'\n")
    assert one.run({}).json == {"n": 1}
    assert one.run({}).json == {"n": 1}


def test_deadline_kills_program_and_launcher(proxy):
    one = proxy(*OPTIONS)
    one.started("#!/bin/bash\ncase $1 in *wait*) sleep 1000;; esac\necho '{}'\n")
    reply = one.run({"wait": 1}, deadline=soon(1500))
    assert reply.status == 502 and "exceeded its time limits" in reply.error
    assert one.run({}).json == {}
    one.check_streams(2)


@pytest.mark.parametrize("last", ["before it hangs", '{"step": 3}', "[1", "no newline"])
def test_the_last_line_before_the_deadline_is_in_the_log(proxy, last):
    """It may be the result, but a killed program has none: the line tells where it hung."""
    one = proxy(*OPTIONS)
    end = "" if last == "no newline" else "\\n"
    one.started(f"#!/bin/bash\necho first\nprintf '{last}{end}'\nsleep 1000\n")
    assert one.run({}, deadline=soon(1500)).status == 502
    assert one.check_streams(1)[0] == f"first\n{last}"


def test_the_last_line_before_the_limit_of_the_proxy_is_in_the_log(proxy):
    one = proxy(*OPTIONS, "--timeout", 500)
    one.started("#!/bin/bash\necho first\necho before it hangs\nsleep 1000\n")
    assert one.run({}).status == 502
    assert one.check_streams(1)[0] == "first\nbefore it hangs"


def test_lines_arrive_in_pieces(proxy):
    """What is held, what is passed on at once, and the result, in every cut."""
    one = proxy(*OPTIONS)
    one.started("#!/bin/bash\nprintf 'a b'; sleep 0.02; printf ' c\\n{\"log\"'; sleep 0.02\n"
                "printf ':1}\\n  '; sleep 0.02; printf 'x'; sleep 0.02; printf '\\n\\n '; sleep 0.02\n"
                "printf '{\"n\"'; sleep 0.02; printf ':1}'\n")
    assert one.run({}).json == {"n": 1}
    assert one.check_streams(1)[0] == 'a b c\n{"log":1}\n  x'


def test_each_activation_is_a_process_of_its_own(proxy):
    one = proxy(*OPTIONS)
    one.started('#!/bin/bash\necho "{\\"pid\\":$$}"\n')
    assert len({one.run({}).json["pid"] for _ in range(5)}) == 5


def test_default_runtime_has_no_stub(proxy):
    one = proxy()
    assert_error(one.post("/run", {}), 500, "no action defined yet")
    assert_error(one.post("/init", {}), 403, "Missing main/no code to execute.")


def test_launcher_is_a_filter_in_a_shell(folder):
    """Answers on stdout, the program's log on stderr; a line that is none is answered, too."""
    program = folder / "program"
    program.write_text('#!/bin/sh\necho out; echo err >&2; cat >/dev/null; printf "%s" "$1"\n')
    program.chmod(0o644)
    done = subprocess.run([PROGRAM.parents[1] / "runtime/oneshot", program], check=True,
                          input=b'{"value":{"a":1}}\nno json\n[1]\nnull\n{"value":["b"]}',
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answers[0], answers[3], answers[4]] == [{"a": 1}, {}, ["b"]]
    assert list(answers[1]) == list(answers[2]) == ["error"]
    assert sorted(done.stderr.split()) == [b"err"] * 3 + [b"out"] * 3


@pytest.mark.skipif(is_sanitized(), reason="the sanitizer keeps what is freed")
def test_launcher_gives_the_memory_of_a_long_line_back(folder):
    program = folder / "program"
    program.write_text("#!/bin/sh\nset -- $(grep VmRSS /proc/$PPID/status)\necho \"{\\\"kb\\\":$2}\"\n")
    with subprocess.Popen([PROGRAM.parents[1] / "runtime/oneshot", program],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        used = []
        for value in ("x" * 50_000_000, ""):
            one.stdin.write(b'{"value":{"a":"%s"}}\n' % value.encode())
            one.stdin.flush()
            used.append(json.loads(one.stdout.readline())["kb"])
        one.stdin.close()
    assert used[0] > 40_000
    assert used[1] < 20_000


def test_stub_is_a_program_of_the_contract():
    stub = REPO / "runtime/oneshot/stub/exec"
    assert stub.stat().st_mode & 0o111
