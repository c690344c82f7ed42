"""The commands invoke and pipe: an action as a filter, without HTTP."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import archives
import samples
import whisk
from languages import language
from whisk import PROGRAM, REPO, WAIT_S, wait_until

# What a line asks for, it gets; without wishes it comes back with its process.
WISHES = """
import os, sys, time
def main(args):
    if "log" in args:
        print(args["log"]); print(args["log"], file=sys.stderr)
    if "die" in args:
        os._exit(3)
    if "hang" in args:
        time.sleep(1000)
    if "nap" in args:
        time.sleep(args["nap"])
    if "gate" in args:
        open(args["gate"]).read()
    if "grow" in args:
        return {"grown": "y" * args["grow"]}
    if "no_answer" in args:
        return 3
    return args
"""
C_ECHO = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        fputs(line, stdout);
        fflush(stdout);
    }
    free(line);
    return 0;
}
"""
ARGUMENT = {"name": "Test"}
LATE = "The action exceeded its time limits of 500 milliseconds."
FOREVER = "--drain-timeout=86400000"  # so a case fails if an end waits for the drain to run out


def main_file(runtime):
    return json.loads((REPO / "runtime" / runtime / "runtime.json").read_text())["source"]


class Program:
    """One run of the program as somebody's subprocess."""

    def __init__(self, folder, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=None,
                 before=None):
        """before: called in the process, right before it becomes the program."""
        self.err_path = folder / f"filter-stderr-{len(list(folder.glob('filter-stderr-*')))}"
        (folder / "tmp").mkdir(exist_ok=True)
        environment = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
                       "HOME": str(folder), "TMPDIR": str(folder / "tmp"),
                       "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
                       "LSAN_OPTIONS": f"suppressions={whisk.LEAKS_OF_LIBRARIES}"
                                       ":print_suppressions=0"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(env or {})
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen([str(PROGRAM), *map(str, words)], stdin=stdin,
                                            stdout=stdout, stderr=err, env=environment, cwd=folder,
                                            preexec_fn=before)

    def err(self):
        return self.err_path.read_text(errors="replace")

    def ends(self, status, given=None):
        """Give it this and the end of its input; its lines, once it has ended with this status."""
        out, _ = self.process.communicate(given, timeout=WAIT_S)
        assert self.process.returncode == status, self.err()
        assert "Sanitizer" not in self.err() and "runtime error" not in self.err(), self.err()
        return out

    def answers(self, given, status=0):
        return [json.loads(line) for line in self.ends(status, given).splitlines()]


@pytest.fixture
def start(folder):
    """start(*words) runs the program; what still runs after the case is killed, and it must have
    left nothing in its folder for temporary files."""
    running = []

    def begin(*words, **more):
        running.append(Program(folder, *words, **more))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
            pytest.fail(f"it has not ended: {one.err()}")
    if running:
        assert os.listdir(folder / "tmp") == []


@pytest.fixture
def wishes(folder):
    path = folder / "wishes.py"
    path.write_text(WISHES)
    return path


@pytest.fixture
def c_echo(folder, compiled):
    path = folder / "echo"
    path.write_bytes(compiled(C_ECHO))
    path.chmod(0o755)
    return path


def lines_of(values, **more):
    return b"".join(json.dumps({"value": value, **more}).encode() + b"\n" for value in values)


def numbered(n):
    return [{"id": i} for i in range(n)]


# ---- invoke ----


def test_invoke_prints_answer_and_logs_apart(start, wishes):
    """The answer is a line on stdout, what the action prints is on stderr, without end marks."""
    one = start("invoke", wishes, '{"log":"said"}')
    assert json.loads(one.ends(0)) == {"log": "said"}
    assert one.err() == "said\nsaid\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give its own streams to another user")
def test_streams_of_another_user_will_do(folder):
    """As behind setpriv, su -c or sudo -u: stdin, stdout and stderr cannot be opened anew."""
    os.chmod(folder, 0o755)
    (folder / "exec").write_text(samples.GREET_SHELL)
    program = shutil.copy(PROGRAM, folder / "whiskloop")
    answer = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", program, "--runtime-dir", folder,
         "invoke", folder / "exec", '{"name":"Mike"}'],
        env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp", "OW_COMPILER": ""}, cwd="/",
        capture_output=True, timeout=WAIT_S)
    assert (answer.returncode, json.loads(answer.stdout)) == (0, {"hello": "Mike"}), answer
    assert answer.stdout.endswith(b"\n")


@pytest.mark.parametrize("name, code", [
    ("exec", samples.GREET_SHELL.encode()),
    ("code.zip", archives.zipped({"__main__.py": "def main(a):\n return {'hello': a['name']}\n"})),
    ("dir/__main__.py", b"def main(a):\n    return {'hello': a['name']}\n"),
], ids=["script", "archive", "folder"])
def test_invoke_takes_what_an_action_may_be(start, folder, name, code):
    """FILE is a program, an archive, source, or a folder."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(code)
    file = path if path.parent == folder else path.parent
    assert json.loads(start("invoke", file, '{"name":"Mike"}').ends(0)) == {"hello": "Mike"}


def test_invoke_takes_main_and_c(start, folder, wishes, c_echo):
    """--main names the function; a C program is an action, too."""
    wishes.write_text(WISHES.replace("def main", "def niam"))
    assert json.loads(start("--main", "niam", "invoke", wishes, '{"a":1}').ends(0)) == {"a": 1}
    assert json.loads(start("invoke", c_echo, '{"a":1}').ends(0)) == {"value": {"a": 1}}


def test_invoke_takes_its_argument_in_four_ways(start, folder, wishes):
    """A word, @FILE, - for stdin, or none for {}."""
    (folder / "argument").write_text(json.dumps(ARGUMENT, indent=2))
    assert json.loads(start("invoke", wishes, json.dumps(ARGUMENT)).ends(0)) == ARGUMENT
    assert json.loads(start("invoke", wishes, "@argument").ends(0)) == ARGUMENT
    given = json.dumps(ARGUMENT, indent=2).encode()
    assert json.loads(start("invoke", wishes, "-").ends(0, given)) == ARGUMENT
    assert json.loads(start("invoke", wishes).ends(0)) == {}


def test_invoke_takes_and_prints_much(start, c_echo):
    """5 MB in, 5 MB out."""
    given = json.dumps({"x": "y" * 5_000_000}).encode()
    out = start("invoke", c_echo, "-").ends(0, given)
    assert out == b'{"value":' + given + b"}\n"


@pytest.mark.parametrize("argument, why", [
    ({"die": 1}, "command exited (exit status 3)"), ({"hang": 1}, LATE),
    ({"no_answer": 1}, "The action did not return a dictionary or array. (it returned a number: 3)"),
    ({"grow": 2_000_000}, "The action's answer is longer than 1000000 bytes (--answer-max-bytes)."),
], ids=["died", "late", "no answer", "too long"])
def test_invoke_ends_with_1_and_says_why(start, wishes, argument, why):
    """No answer: status 1, nothing on stdout, one plain line on stderr."""
    limit = ["--timeout", "500"] if "hang" in argument else ["--answer-max-bytes", "1000000"]
    one = start(*limit, "invoke", wishes, json.dumps(argument))
    assert one.ends(1) == b""
    assert one.err().endswith(f"whiskloop: invoke: {why}\n")


def test_invoke_ends_with_1_when_the_action_answers_with_an_error(start, wishes):
    """The answer is printed all the same."""
    one = start("invoke", wishes, '{"error":"no"}')
    assert json.loads(one.ends(1)) == {"error": "no"}
    assert one.err() == "whiskloop: invoke: the action answered with an error\n"


def test_invoke_ends_with_1_when_the_action_cannot_start(start, folder):
    (folder / "broken.py").write_text("def main(:\n")
    one = start("invoke", "broken.py")
    assert one.ends(1) == b""
    assert "whiskloop: invoke: the action does not start: " in one.err()


@pytest.mark.parametrize("code", ["broken", "fails_at_load"])
@pytest.mark.parametrize("name", ["python", "nodejs", "shell", "perl", "ruby", "php", "lua"])
def test_a_trace_has_the_file_without_its_folder_whatever_the_letters_of_the_path(start, folder, name, code):
    """No word of these codes, nor of what is said of them, has another letter than ASCII's."""
    row = language(name)
    project = folder / "é 日本"
    project.mkdir()
    (project / main_file(name)).write_text(row.codes[code])
    one = start("invoke", project)
    one.ends(1)
    assert one.err().isascii(), one.err()


@pytest.mark.parametrize("name, text, wanted", [
    ("utils.py", "def main(args):\n    return {'one': 1}\n", "__main__.py"),
    ("echo.sh", "#!/bin/bash\nwhile read -r line; do echo '{\"one\":1}'; done\n", "exec"),
    ("__main__.py", "def main(args):\n    return {'one': 1}\n", None),
])
def test_a_folder_that_runs_here_but_cannot_be_published_is_told(start, folder, name, text, wanted):
    (folder / "one").mkdir()
    (folder / "one" / name).write_text(text)
    one = start("invoke", "one")
    assert json.loads(one.ends(0)) == {"one": 1}
    assert one.err() == ("" if wanted is None else
                         "whiskloop: hint: folder one cannot be published like this: its main file must be named "
                         f"{wanted}, not {name}\n")


PYTHON_IMPORTS = "import util\ndef main(args):\n    return {}\n"
NODE_REQUIRES = "const util = require('./util');\nexports.main = () => ({});\n"


@pytest.mark.parametrize("files, given, hint", [
    ({"__main__.py": PYTHON_IMPORTS, "util.py": ""}, "sub/__main__.py",
     "sub/__main__.py runs alone, without util.py beside it; name the folder: sub"),
    ({"index.js": NODE_REQUIRES, "util.js": ""}, "sub/index.js",
     "sub/index.js runs alone, without util.js beside it; name the folder: sub"),
    ({"g.py": PYTHON_IMPORTS, "util": None}, "sub/g.py",
     "sub/g.py runs alone, without util beside it; to run the folder, rename g.py to __main__.py"),
    ({"hello": "#!/bin/sh\necho \"cannot open 'data.txt'\" >&2; exit 1\n", "data.txt": ""}, "sub/hello",
     "sub/hello runs alone, without data.txt beside it; to run the folder, rename hello to exec"),
    ({"__main__.py": "import nope_x", "requirements.txt": "nope-x"}, "sub",
     "an /init installs requirements.txt, a command does not: pip install --target sub -r sub/requirements.txt"),
    ({"__main__.py": "import nope_x", "util.py": ""}, "sub/__main__.py", None),
    ({"__main__.py": PYTHON_IMPORTS, "requirements.txt": ""}, "sub/__main__.py",
     "an /init installs requirements.txt, a command does not: pip install -r sub/requirements.txt"),
], ids=["python", "node", "other-name", "program", "requirements", "no-hint", "file-with-requirements"])
def test_a_module_that_is_missing_has_a_hint(start, folder, files, given, hint):
    if given.endswith(".js") and shutil.which("node") is None:
        pytest.skip("node is not installed (scripts/setup.sh --tests)")
    for name, text in files.items():
        path = folder / "sub" / name
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.mkdir()
        else:
            path.write_text(text)
    one = start("invoke", given)
    assert one.ends(1) == b""
    assert one.err().endswith(f"whiskloop: hint: {hint}\n") if hint else "hint" not in one.err()


@pytest.mark.parametrize("files, given", [
    ({"hello.py": "def handler(args):\n    return {}\n", "main.py": ""}, "sub/hello.py"),
    ({"hello.py": "CONFIG = {}['config']\n", "config.sh": ""}, "sub/hello.py"),
    ({"hello.c": "int main(void) { return count; }\n", "count.sh": "", "main.sh": ""}, "sub/hello.c"),
], ids=["function", "key", "compiler"])
def test_a_word_in_quotes_that_is_no_module_gives_no_hint(start, folder, files, given):
    if given.endswith(".c") and shutil.which("gcc") is None:
        pytest.skip("gcc is not installed (scripts/setup.sh)")
    (folder / "sub").mkdir()
    for name, text in files.items():
        (folder / "sub" / name).write_text(text)
    one = start("invoke", given)
    assert one.ends(1) == b""
    assert "hint" not in one.err()


def test_an_archive_of_a_folder_gives_no_hint_beside_that_folder(start, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "__main__.py").write_text("def main(args):\n    return {}\n")
    (folder / "sub.zip").write_bytes(archives.zipped({"sub/__main__.py": "def main(args):\n    return {}\n"}))
    one = start("invoke", "sub.zip")
    assert one.ends(1) == b""
    assert one.err().endswith('it is in the folder "sub": publish what is in that folder\n')


def test_a_load_that_takes_long_is_told(start, folder, gate):
    """All three commands at once, as it is some seconds until they tell."""
    door = gate()
    (folder / "hang.py").write_text(f"open({door.path!r}).read()\n")
    (folder / "input.json").write_text("{}")
    commands = {command: start(command, "hang.py") for command in ("invoke", "pipe", "test")}
    for command, one in commands.items():
        wait_until(lambda one=one: re.search(r"^whiskloop: still loading after \d+ s of 300 s \(--init-timeout\)\n", one.err()),
                   f"the line about it from {command}")
    for command, one in commands.items():
        one.process.send_signal(signal.SIGINT)
        assert one.ends(0 if command == "pipe" else 1) == b""  # as in test_ctrl_c_ends_a_load_without_a_drain


@pytest.mark.parametrize("words, why", [
    (["invoke"], "invoke: FILE is missing"), (["invoke", "a", "{}", "b"], "one word too many"),
    (["invoke", "wishes.py", "{"], "invoke: the argument is no JSON: unexpected end of JSON input"),
    (["invoke", "wishes.py", "3"], "want a JSON object or array as the argument"),
    (["invoke", "wishes.py", "@none"], "cannot read the argument from none"),
    (["dev", "wishes.py", "--invoke", "{"], "whiskloop: --invoke: the argument is no JSON"),
    (["frob"], "frob: no such command"), (["pipe"], "no FILE is named, and there is no action in "),
    (["--in", "none", "pipe", "wishes.py"], '--in: cannot open "none": No such file or directory'),
    (["--in", "wishes.py", "pipe", "wishes.py"], '--in: "wishes.py" is no named pipe'),
    (["--out", "wishes.py", "pipe", "wishes.py"], '--out: "wishes.py" is no named pipe'),
])
def test_wrong_usage_ends_with_2(start, wishes, words, why):
    one = start(*words)
    assert one.ends(2) == b""
    assert why in one.err() and one.err().count("\n") == 1


def test_a_FILE_that_is_not_there_ends_with_2(start):
    one = start("invoke", "nope.py")
    assert one.ends(2) == b""
    assert one.err() == 'whiskloop: invoke: cannot read "nope.py": No such file or directory\n'


SHOWS = ("import os\ndef main(args):\n"
         "    return {'seen': [os.environ.get(n) for n in ('A', 'B', '__OW_TAG')]}\n")


@pytest.mark.parametrize("words", [["invoke", "shows.py"], ["invoke", "folder"]])
def test_invoke_takes_variables_and_metadata(start, folder, words):
    (folder / "shows.py").write_text(SHOWS)
    (folder / "folder").mkdir()
    (folder / "folder" / "__main__.py").write_text(SHOWS)
    (folder / "vars").write_text("# a remark\nA=from the file\nB=b=b\n")
    one = start(*words, "--env-file", "vars", "-e", 'A=a "quoted" one', "-m", "tag=seven\n7")
    assert one.answers(None) == [{"seen": ['a "quoted" one', "b=b", "seven\n7"]}]


def test_pipe_takes_variables_and_metadata_which_a_line_may_override(start, folder):
    (folder / "shows.py").write_text(SHOWS)
    one = start("pipe", "shows.py", "-e", "A=1", "-m", "tag=all")
    assert one.answers(b'{"value":{}}\n{"value":{},"tag":"own"}\n{}\n') == [
        {"seen": ["1", None, "all"]}, {"seen": ["1", None, "own"]}, {"seen": ["1", None, "all"]}]


def test_invoke_leaves_nothing_in_the_folder_that_it_is_given(start, folder):
    (folder / "app").mkdir()
    (folder / "app" / "__main__.py").write_text("import other\nmain = other.main\n")
    (folder / "app" / "other.py").write_text("def main(args):\n    return {'ok': 1}\n")
    assert start("invoke", "app").answers(None) == [{"ok": 1}]
    assert sorted(os.listdir(folder / "app")) == ["__main__.py", "other.py"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_invoke_and_pipe_take_a_folder_that_must_be_compiled(start, folder):
    (folder / "app").mkdir()
    (folder / "app" / "main.c").write_text(
        '#include <whisk_action.h>\n#include "other.h"\n'
        'int whisk_main(struct whisk *w)\n{\n    return whisk_addf(w, "n", "%d", OTHER);\n}\n')
    (folder / "app" / "other.h").write_text("#define OTHER 7\n")
    assert start("invoke", "app").answers(None) == [{"n": "7"}]
    assert start("pipe", "app").answers(b'{"value":{}}\n') == [{"n": "7"}]
    assert sorted(os.listdir(folder / "app")) == ["main.c", "other.h"]


def test_help_lists_the_commands(start):
    text = start("--help").ends(0).decode()
    assert "invoke FILE [ARGUMENT]" in text and "pipe [FILE]" in text


# ---- pipe ----


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_come_in_the_order_of_the_lines(start, wishes, workers):
    """One answer for each line, in order, also from several workers."""
    one = start(f"--workers={workers}", "pipe", wishes)
    assert one.answers(lines_of(numbered(3000))) == numbered(3000)


def test_a_slow_line_holds_its_place(start, wishes, folder, gate):
    """Those behind it are run by other workers meanwhile, and answered after it."""
    door = gate()
    one = start("--workers=3", "pipe", wishes)
    one.process.stdin.write(lines_of([{"gate": door.path}, *numbered(20)]))
    one.process.stdin.flush()
    door.wait_reached()
    door.release()
    assert one.answers(b"") == [{"gate": door.path}, *numbered(20)]


def test_logs_are_apart_from_answers(start, wishes):
    one = start("pipe", wishes)
    assert one.answers(lines_of([{"log": "a"}, {"log": "b"}])) == [{"log": "a"}, {"log": "b"}]
    assert sorted(one.err().split()) == ["a", "a", "b", "b"]


def test_a_peer_that_writes_everything_before_it_reads(start, wishes):
    """20,000 lines fit into memory: no deadlock."""
    one = start("pipe", wishes)
    one.process.stdin.write(lines_of(numbered(20000)))
    one.process.stdin.close()
    got = [json.loads(line) for line in one.process.stdout]
    assert got == numbered(20000)
    assert one.process.wait(WAIT_S) == 0


def test_a_reader_that_stalls_stops_the_writer_and_nothing_is_lost(start, c_echo):
    """--pipe-max-bytes bounds what is held; once the reader goes on, so does all."""
    one = start("--pipe-max-bytes=100000", "pipe", c_echo)
    text = lines_of(numbered(20000), pad="x" * 200)
    written = threading.Event()

    def write():
        one.process.stdin.write(text)
        one.process.stdin.close()
        written.set()

    threading.Thread(target=write, daemon=True).start()
    # It stops at about the sum of the bounds: both pipes of 1 MB each, what is held, what runs.
    first = one.process.stdout.readline()
    assert not written.is_set(), "5 MB were taken while nobody read"
    rest = one.process.stdout.read()
    assert [json.loads(line)["value"] for line in (first + rest).splitlines()] == numbered(20000)
    assert one.process.wait(WAIT_S) == 0


def test_large_lines_pass_in_both_directions(start, c_echo, wishes):
    """5 MB in and out at once, and a small line that grows to 10 MB."""
    large = [{"x": "y" * 5_000_000}, {"id": 1}, {"x": "z" * 2_000_000}]
    got = start("pipe", c_echo).answers(lines_of(large))
    assert [answer["value"] for answer in got] == large
    got = start("pipe", wishes).answers(lines_of([{"grow": 10_000_000}, {"id": 1}]))
    assert len(got[0]["grown"]) == 10_000_000 and got[1] == {"id": 1}


def test_bad_lines_are_answered_in_their_place(start, wishes):
    """The texts are those of /run."""
    given = b'x\n{"value":{"id":1}}\n\n[]\n{"value":{"p":"%s"}}\nnull\n{"value":{"id":2}}' % (b"y" * 99)
    got = start("--run-max-bytes=60", "pipe", wishes).answers(given)
    prefix = "Error unmarshaling request: "
    bad = {"kind": "request"}
    assert got == [
        {"error": prefix + "invalid character 'x' looking for beginning of value", **bad}, {"id": 1},
        {"error": prefix + "unexpected end of JSON input", **bad},
        {"error": prefix + "the body must be a JSON object", **bad},
        {"error": "The line is longer than 60 bytes (--run-max-bytes).", **bad}, {}, {"id": 2}]


def test_a_death_costs_its_own_line_only(start, wishes):
    values = [{"id": 0}, {"die": 1}, {"id": 1}, {"die": 1}, {"no_answer": 1}, {"id": 2}]
    assert start("pipe", wishes).answers(lines_of(values)) == [
        {"id": 0}, {"error": "command exited", "kind": "died"},
        {"id": 1}, {"error": "command exited", "kind": "died"},
        {"error": "The action did not return a dictionary or array.", "kind": "action"}, {"id": 2}]


def test_a_line_that_hangs_costs_nobody_behind_it(start, wishes):
    """Each line's time counts from its turn, also for those that were written ahead."""
    values = [*numbered(200), {"hang": 1}, *numbered(100), {"hang": 1}, *numbered(50)]
    late = {"error": LATE, "kind": "late"}
    assert start("--timeout=500", "pipe", wishes).answers(lines_of(values)) == [
        *numbered(200), late, *numbered(100), late, *numbered(50)]


def test_no_deadlines_holds_without_HTTP_too(start, folder, wishes):
    options = ("--no-deadlines", "--timeout=100")
    nap = {"nap": 0.3}
    lines = lines_of([nap]) + lines_of([nap], deadline=int(time.time() * 1000) + 100)
    assert start(*options, "pipe", wishes).answers(lines) == [nap, nap]
    assert start(*options, "invoke", wishes, json.dumps(nap)).answers(None) == [nap]
    (folder / "input.json").write_text(json.dumps(nap))
    (folder / "expected.json").write_text(json.dumps(nap))
    start(*options, "test", wishes).ends(0)


def test_SIGTERM_finishes_what_was_read(start, wishes, gate):
    """As the end of the input; then status 0."""
    door = gate()
    one = start("pipe", wishes)
    one.process.stdin.write(lines_of([{"gate": door.path}, {"id": 1}]))
    one.process.stdin.flush()
    door.wait_reached()
    one.process.send_signal(signal.SIGTERM)
    door.release()
    got = [json.loads(line) for line in one.process.stdout]
    assert got == [{"gate": door.path}, {"id": 1}]
    one.process.stdin.close()
    assert one.process.wait(WAIT_S) == 0


def test_what_does_not_end_within_the_drain_time_is_answered_so(start, wishes, gate):
    door = gate()
    one = start("--drain-timeout=50", "pipe", wishes)
    one.process.stdin.write(lines_of([{"gate": door.path}, {"id": 1}]))
    one.process.stdin.flush()
    door.wait_reached()
    one.process.send_signal(signal.SIGTERM)
    got = [json.loads(line) for line in one.process.stdout]
    assert got == [
        {"error": "The action is being shut down: the activation ran longer than the drain "
                  "(--drain-timeout).", "kind": "died"},
        {"error": "The action is being shut down.", "kind": "unavailable"}]
    one.process.stdin.close()
    assert one.process.wait(WAIT_S) == 0
    door.release()


def test_a_reader_that_leaves_ends_it_with_1(start, wishes):
    """Also while there is nothing to write."""
    one = start("pipe", wishes)
    one.process.stdin.write(lines_of([{"id": 1}]))
    one.process.stdin.flush()
    assert json.loads(one.process.stdout.readline()) == {"id": 1}
    one.process.stdout.close()
    assert one.process.wait(WAIT_S) == 1
    assert one.err() == "whiskloop: the reader of stdout has left\n"
    one.process.stdin.close()


def test_a_reader_that_left_before_the_start_ends_it_with_0_if_the_input_is_empty(start, wishes):
    reader, writer = os.pipe()
    os.close(reader)
    start("pipe", wishes, stdin=subprocess.DEVNULL, stdout=writer).ends(0)
    os.close(writer)


@pytest.mark.parametrize("words, closed, said", [
    ("invoke", "stdout", "stdout is closed"),
    ("pipe", "stdout", "stdout is closed"),
    ("pipe", "stdin", "stdin is closed"),
])
def test_a_stream_that_is_closed_from_the_start_ends_it_with_1(start, wishes, words, closed, said):
    """And not as if an answer had been read, or there were no lines."""
    number = {"stdin": 0, "stdout": 1}[closed]
    one = start(words, wishes, before=lambda: os.close(number))
    one.ends(1)
    assert one.err() == f"whiskloop: {said}\n"


def test_an_invoke_that_is_interrupted_ends_with_1(start, folder, wishes, gate):
    """It is no success that nothing was answered: the action was still being loaded here."""
    door = gate()
    (folder / "slow.py").write_text(f"open({door.path!r}).read()\n" + WISHES)
    one = start("invoke", folder / "slow.py", "--drain-timeout", 0)
    door.wait_reached()
    one.process.terminate()
    assert one.ends(1) == b""
    assert "invoke: interrupted before the answer was written" in one.err()
    door.release()


# No drain of these cases ends within WAIT_S by itself.
ENDLESS = ("--drain-timeout", 3600000)


def test_ctrl_c_ends_an_invoke_without_a_drain(start, folder, gate):
    """Nobody but the person who pressed it waits for the answer."""
    door = gate()
    (folder / "slow.py").write_text(f"def main(args):\n    open({door.path!r}).read()\n")
    one = start("invoke", *ENDLESS, "slow.py")
    door.wait_reached()
    one.process.send_signal(signal.SIGINT)
    assert one.ends(1) == b""
    assert one.err() == "whiskloop: invoke: interrupted before the answer was written\n"


def test_ctrl_c_ends_a_test_without_a_drain(start, folder, gate):
    """What is killed has not failed, and the inputs behind it are not begun."""
    door = gate()
    (folder / "slow.py").write_text("def main(args):\n"
                                    f"    return args or open({door.path!r}).read()\n")
    for number, value in enumerate(['{"id":1}', "{}", "{}"]):
        (folder / f"input{number}.json").write_text(value)
        (folder / f"expected{number}.json").write_text(value)
    one = start("test", *ENDLESS, "slow.py")
    door.wait_reached()
    one.process.send_signal(signal.SIGINT)
    assert one.ends(1) == b"ok      input0.json\n"
    assert one.err() == "whiskloop: test: interrupted\n"


@pytest.mark.parametrize("command, given, status, got", [
    ("invoke", b"", 1, []),
    ("pipe", b'{"value":{}}\n', 0,
     [{"error": "The action is being shut down.", "kind": "unavailable"}]),
])
def test_ctrl_c_ends_a_load_without_a_drain(start, folder, gate, command, given, status, got):
    """What has not begun cannot be finished."""
    door = gate()
    (folder / "slow.py").write_text(f"open({door.path!r}).read()\n" + WISHES)
    one = start(command, *ENDLESS, "slow.py")
    one.process.stdin.write(given)
    one.process.stdin.flush()
    door.wait_reached()
    one.process.send_signal(signal.SIGINT)
    assert [json.loads(line) for line in one.ends(status).splitlines()] == got


def test_an_invoke_whose_reader_leaves_runs_to_its_end(start, folder, gate):
    """What it does is done; that nobody takes its answer is no success."""
    doors = [gate(), gate()]
    (folder / "slow.py").write_text(
        "import sys\ndef main(args):\n"
        f"    open({doors[0].path!r}).read()\n    open({doors[1].path!r}).read()\n"
        "    print('done', file=sys.stderr)\n    return {}\n")
    one = start("invoke", "slow.py", stdin=subprocess.DEVNULL)
    doors[0].wait_reached()
    one.process.stdout.close()
    doors[0].release()
    doors[1].wait_reached()
    doors[1].release()
    assert one.process.wait(WAIT_S) == 1
    assert one.err() == "done\nwhiskloop: the reader of stdout has left\n"


def test_an_answer_that_was_not_read_to_its_end_is_no_success(start, wishes):
    one = start("invoke", wishes, '{"grow":4000000}', "--drain-timeout", 0)
    assert one.process.stdout.read(1) == b"{"
    one.process.terminate()
    assert one.process.wait(WAIT_S) == 1
    assert "invoke: interrupted before the answer was written" in one.err()


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [("invoke", "FILE", "-"), ("invoke", "FILE", "@PIPE"), ("-compile", "main")])
def test_a_signal_ends_the_wait_for_input(start, folder, wishes, words, signo):
    """It waits for all of it, at a terminal for ever; Ctrl-C must help, and leaves nothing."""
    os.mkfifo(folder / "pipe")  # nobody opens it for writing
    named = {"FILE": wishes, "@PIPE": f"@{folder}/pipe"}
    one = start(*[named.get(word, word) for word in words])
    blocked = f"/proc/{one.process.pid}/status"

    def takes_signals_itself():
        with open(blocked, encoding="ascii") as status:
            mask = int(re.search(r"^SigBlk:\s+(\w+)", status.read(), re.M)[1], 16)
        return mask & 1 << (signal.SIGTERM - 1)

    wait_until(takes_signals_itself, "the program to be past its start")
    one.process.send_signal(signo)
    assert one.process.wait(WAIT_S) == 1
    assert one.err().endswith(": interrupted\n")
    one.process.stdin.close()


def test_a_full_disk_ends_it_with_1(start, wishes):
    with open("/dev/full", "wb") as full:
        one = start("pipe", wishes, stdout=full)
        one.ends(1, lines_of([{"id": 1}]))
    assert "cannot write stdout: No space left on device" in one.err()


def test_files_and_sockets_do_for_streams(start, folder, wishes):
    (folder / "given").write_bytes(lines_of(numbered(500)))
    with open(folder / "given", "rb") as given, open(folder / "got", "wb") as got:
        start("pipe", wishes, stdin=given, stdout=got).ends(0)
    assert [json.loads(line) for line in (folder / "got").read_text().splitlines()] == numbered(500)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(WAIT_S)
        one = start("pipe", wishes, stdin=theirs, stdout=theirs)
        theirs.close()
        ours.sendall(lines_of(numbered(500)))
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as stream:
            assert [json.loads(line) for line in stream] == numbered(500)
        assert one.process.wait(WAIT_S) == 0


def test_the_carried_action_answers_where_no_file_is_named(start, folder, wishes):
    assert start("pipe", "--action", wishes).answers(lines_of([{"a": 1}])) == [{"a": 1}]
    code = {"__OW_ACTION_CODE": WISHES}
    assert start("pipe", env=code).answers(lines_of([{"a": 1}])) == [{"a": 1}]


def test_no_lines_no_answers(start, wishes):
    assert start("pipe", wishes).ends(0, b"") == b""


# ---- named pipes ----


@pytest.fixture
def fifos(folder):
    paths = folder / "in", folder / "out"
    for path in paths:
        os.mkfifo(path)
    return paths


def converse(fifos, values):
    """One peer: writes its lines, reads its answers, leaves."""
    with open(fifos[0], "wb") as to, open(fifos[1], "rb") as answers:
        writer = threading.Thread(target=lambda: (to.write(lines_of(values)), to.flush()))
        writer.start()
        got = [json.loads(answers.readline()) for _ in values]
        writer.join(WAIT_S)
    return got


def test_peers_come_and_go(start, wishes, fifos):
    """Named pipes are opened again for the next peer; each gets its own answers; SIGTERM ends it."""
    one = start("--in", fifos[0], "--out", fifos[1], "pipe", wishes)
    for peer in range(4):
        values = [{"id": f"{peer}-{i}"} for i in range(300)]
        assert converse(fifos, values) == values
    one.process.send_signal(signal.SIGTERM)
    assert one.ends(0) == b""


def test_a_writer_may_be_gone_before_we_come(start, wishes, fifos):
    """A named pipe as stdin, `pipe <fifo`: no line is lost, and its end is noticed."""
    stdin = os.open(fifos[0], os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open(fifos[0], "wb") as to:
            to.write(lines_of(numbered(5)).rstrip())
        one = start("pipe", wishes, stdin=stdin)
    finally:
        os.close(stdin)
    assert one.answers(None) == numbered(5)


def test_a_peer_that_leaves_early_leaves_nothing_to_the_next(start, wishes, fifos):
    """The answers to what was written before a reader left are dropped, and that is told."""
    one = start("--in", fifos[0], "--out", fifos[1], "pipe", wishes)
    with open(fifos[0], "wb") as to:
        with open(fifos[1], "rb") as answers:
            to.write(lines_of([{"id": "old", "grow": 3_000_000}] * 3))
            to.flush()
            answers.read(10)
        wait_until(lambda: "pipe.reader" in one.err(), "the reader to be missed")
    values = [{"id": f"new-{i}"} for i in range(100)]
    assert converse(fifos, values) == values
    one.process.send_signal(signal.SIGTERM)
    assert one.ends(0) == b""


@pytest.mark.parametrize("file, program", [
    ("hello-python/hello.py", None), ("hello-shell/hello.sh", None), ("hello-nodejs/index.js", "node"),
    ("hello-perl/main.pl", "perl"), ("hello-ruby/main.rb", "ruby"), ("hello-php/index.php", "php"),
    ("hello-lua/main.lua", "lua"), ("hello-function/main.sh", None), ("sum-sdk/main.c", "cc"),
    ("hello-go/main.go", "go"), ("hello-java/Main.java", "javac")])
def test_each_sample_of_ours_is_a_filter(start, file, program):
    """No --runtime is needed: the ending of the file's name tells the language."""
    if program is not None and shutil.which(program, path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip(f"{program} is not installed (scripts/setup.sh --tests)")
    sample = REPO / "actions" / file
    value = json.loads((sample.parent / "input.json").read_text())
    wanted = json.loads((sample.parent / "expected.json").read_text())
    assert start("pipe", sample).answers(lines_of([value])) == [wanted]


def test_a_peer_that_waits_for_the_announcement_hears_of_a_file_that_is_not_there(start):
    one = start("pipe", "--announce", "missing.py")
    said = json.loads(one.ends(2))
    assert said["ready"] is False and 'cannot read "missing.py": No such file' in said["error"]
    assert one.err().count("missing.py") == 1


def test_the_announcement_of_a_failure_carries_its_reason_and_lines_are_answered(start, folder):
    (folder / "bad.py").write_text("def main(:\n")
    said, answer = start("pipe", "--announce", "bad.py").answers(lines_of([{}]), status=1)
    assert said["ready"] is False and "exit status 1" in said["error"] and "\n" not in said["error"]
    assert answer["error"] == "cannot start action: " + said["error"]
    assert said["reason"].startswith(said["error"])
    assert 'File "bad.py", line 1' in said["reason"] and "SyntaxError" in said["reason"]


@pytest.mark.parametrize("code, status", [("def main(args):\n    return args\n", 0), ("def main(:\n", 1)],
                         ids=["loads", "fails"])
def test_the_announcement_comes_also_if_the_input_has_ended_before(start, folder, code, status):
    (folder / "a.py").write_text(code)
    said, = start("pipe", "--announce", FOREVER, "a.py", stdin=subprocess.DEVNULL).answers(None, status)
    assert said["ready"] is (status == 0)


def test_SIGTERM_while_the_action_loads_lets_pipe_announce_and_end(start, folder, gate):
    door = gate()
    (folder / "a.py").write_text(f"open({door.path!r}).read()\ndef main(args):\n    return args\n")
    one = start("pipe", "--announce", FOREVER, "--log-level=info", "a.py")
    door.wait_reached()
    one.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "main.signal" in one.err(), "the signal to be noticed")
    door.release()
    assert one.answers(None) == [{"ready": True}]


@pytest.mark.parametrize("words", [("--help",), ("x", "-h"), ("--help", "x")], ids=" ".join)
@pytest.mark.parametrize("command, has, has_not", [
    ("dev", ("whiskloop dev [FILE|FOLDER]", "--invoke ARGUMENT", "-e NAME=value", "whiskloop dev hello --invoke"),
     ("--queue-max", "-m KEY", "whiskloop pipe")),
    ("new", ("whiskloop new LANGUAGE [FOLDER]", "whiskloop new python hello"), ("Options", "--port")),
    ("test", ("whiskloop test [FOLDER|FILE]", "--env-file FILE", "--init-timeout MS"), ("--port",)),
    ("invoke", ("whiskloop invoke FILE [ARGUMENT]", "-m KEY=value", "--parts", "--init-timeout MS"), ("--port",)),
    ("pipe", ("whiskloop pipe [FILE]", "--in FIFO", "--announce", "| whiskloop pipe hello.py", "--init-timeout MS"),
     ("--open",)),
])
def test_each_command_has_a_help_of_its_own(start, command, has, has_not, words):
    words = [command, *words] if words[-1] != "x" else ["--help", command]
    text = start(*words).ends(0).decode()
    for piece in has:
        assert piece in text
    for piece in has_not:
        assert piece not in text
    assert len(text.splitlines()) < 60
