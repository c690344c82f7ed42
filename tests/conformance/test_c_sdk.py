"""runtime/c: the library as an action uses it, and the compiler of /init.

Most cases run the program as a filter: lines in by a pipe, answers on descriptor 3 as under a proxy.
"""

import fcntl
import json
import os
import random
import select
import shutil
import subprocess
import sys

import pytest

import archives
from languages import C, C_ECHO, C_HEAD, C_MAIN
from test_languages import CANNOT_START, LIBEXEC, NOT_BUILT, RUNTIMES
from whisk import PROGRAM, WAIT_S, assert_error, is_sanitized

SDK = RUNTIMES / "c"
LIBRARY = LIBEXEC / "c"


def build(folder, text, compiler="gcc", main="main", **files):
    """The program that /init would make; files: name without dot -> text."""
    source, built = folder / "source", folder / "built"
    source.mkdir()
    built.mkdir()
    (source / "main.c").write_text(text)
    for name, content in files.items():
        (source / name.replace("_txt", ".txt")).write_text(content)
    done = subprocess.run([SDK / "compile.sh", SDK, LIBRARY, main, source, built],
                          env={"PATH": "/usr/bin:/bin", "CC": compiler}, timeout=WAIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return built / "exec"


RING_BYTES = 8 + 65536  # proxy/base/ring.h
F_ADD_SEALS, SHRINK_AND_GROW = 1033, 2 | 4


class Program:
    """It runs as under a proxy: answers on 3, logs on 1 and 2, and the ring on 4."""

    def __init__(self, program):
        read, write = os.pipe()
        self.ring = os.memfd_create("answers", os.MFD_ALLOW_SEALING)
        os.truncate(self.ring, RING_BYTES)
        fcntl.fcntl(self.ring, F_ADD_SEALS, SHRINK_AND_GROW)
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec {program} 3>&{write} {write}>&- 4<&{self.ring} {self.ring}>&-"],
            pass_fds=(write, self.ring),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
            env={"PATH": "/usr/bin:/bin", "__OW_WAIT_FOR_ACK": "1"})
        os.close(write)
        self.answers = read
        self.n_read = 0
        ready = self.read()
        assert json.loads(ready) == {"ok": True, "pipeline": 64, "parts": True, "control": True,
                                     "ring": True}

    def send(self, *values):
        self.process.stdin.write(b"".join(
            json.dumps({"value": value}).encode() + b"\n" for value in values))

    def read(self):
        """What one read of the answers gives: b'' at their end."""
        assert select.select([self.answers], [], [], WAIT_S)[0], "no answer came"
        answers = os.read(self.answers, 1 << 20)
        self.n_read += len(answers)
        return answers

    def read_lines(self, n):
        """The next n answers, by however many writes they come."""
        answers = b""
        while answers.count(b"\n") < n and (more := self.read()):
            answers += more
        return answers

    def left_in_ring(self):
        """What it had made and not written."""
        ring = os.pread(self.ring, RING_BYTES, 0)
        end = int.from_bytes(ring[:8], sys.byteorder)
        return bytes(ring[8 + at % 65536] for at in range(self.n_read, end))

    def wait(self):
        """Exit status and log, after the end of the input."""
        log, _ = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, log.decode()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        os.close(self.answers)
        os.close(self.ring)


@pytest.fixture
def program(folder):
    started = []

    def start(text, **files):
        started.append(Program(build(folder, text, **files)))
        return started[-1]

    yield start
    for one in started:
        one.close()


def answers_of(program, *lines):
    """A filter in a shell: what it answers, decoded, and what it logs."""
    done = subprocess.run([program], input="".join(line + "\n" for line in lines).encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S,
                          env={"PATH": "/usr/bin:/bin"}, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


# ---- batches: what must hold although answers wait for each other ----


COUNTS = C_HEAD + """#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
static int deep(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return deep(here) + here[0];
}
int whisk_main(struct whisk *w)
{
    const char *what = whisk_get_text(w, "do", "");
    if (!strcmp(what, "hang")) for (;;) pause();
    if (!strcmp(what, "print and hang")) { puts("printed"); for (;;) pause(); }
    if (!strcmp(what, "exit")) exit(3);
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "kill")) raise(9);
    if (!strcmp(what, "leave")) _exit(0);
    if (!strcmp(what, "overflow")) { char c = 0; return deep(&c); }
    if (!strcmp(what, "print")) puts("printed");
    if (!strcmp(what, "log")) whisk_log("printed");
    if (!strcmp(what, "print 60000")) for (int i = 0; i < 7500; i++) puts("printed");
    if (!strcmp(what, "log 60000")) for (int i = 0; i < 7500; i++) whisk_log("printed");
    if (!strcmp(what, "fork") && fork() == 0) exit(0);
    if (!strcmp(what, "fork and go on") && fork() == 0) return 0;
    if (!strcmp(what, "fork and stay") && fork() == 0) {
        close(1);
        close(2);
        _exit(open(whisk_get_text(w, "until", ""), O_RDONLY) < 0);
    }
    return whisk_add_int(w, "n", whisk_get_int(w, "n", 0));
}
"""


THREAD_STOPS = C_HEAD + """#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
static atomic_bool stopped;
int nanosleep(const struct timespec *span, struct timespec *left)
{
    atomic_store(&stopped, 1);
    for (;;) pause();
}
int whisk_main(struct whisk *w)
{
    while (!atomic_load(&stopped)) sched_yield();
    return whisk_add_int(w, "n", whisk_get_int(w, "n", 0));
}
"""


def test_what_one_read_brought_is_answered_in_one_write(program):
    """64 lines, so few bytes that pipes pass each write on whole.

    The library's thread writes every 5 ms what waits; here its first sleep never ends.
    """
    one = program(THREAD_STOPS)
    one.send(*({"n": n} for n in range(64)))
    assert [json.loads(line)["n"] for line in one.read().splitlines()] == list(range(64))


@pytest.mark.parametrize("what", ["hang", "print and hang", "exit", "abort", "overflow"])
def test_answers_before_one_that_never_comes_are_not_held_back(program, what):
    """Else the proxy would take the wrong activation for the one that failed."""
    one = program(COUNTS)
    one.send({"n": 1}, {"n": 2}, {"do": what}, {"n": 4})
    assert one.read_lines(2) == b'{"n":1}\n{"n":2}\n'
    if what == "print and hang":
        assert os.read(one.process.stdout.fileno(), 100) == b"printed\n"
    elif what != "hang":
        assert one.read() == b""
        assert one.wait()[0] == {"exit": 3, "abort": -6, "overflow": -11}[what]


@pytest.mark.parametrize("what", ["kill", "leave"])
def test_answers_that_a_death_keeps_from_leaving_stand_in_the_ring(program, what):
    """Killed, or by _exit(), before the answers of one read were written."""
    one = program(COUNTS)
    one.send({"n": 1}, {"n": 2}, {"do": what}, {"n": 4})
    one.wait()
    assert one.read() + one.left_in_ring() == b'{"n":1}\n{"n":2}\n'


@pytest.mark.parametrize("what", ["print", "log", "print 60000", "log 60000"])
def test_what_is_printed_comes_after_the_answer_before(program, what):
    one = program(COUNTS)
    one.send({"n": 1}, {"n": 2, "do": what}, {"n": 3})
    assert os.read(one.process.stdout.fileno(), 8) == b"printed\n"
    assert select.select([one.answers], [], [], 0)[0], "the log overtook an answer"
    assert one.read().startswith(b'{"n":1}\n')


@pytest.mark.parametrize("what", ["fork", "fork and go on"])
def test_a_forked_child_answers_nothing(program, what):
    one = program(COUNTS)
    one.send({"n": 1}, {"n": 2, "do": what}, {"n": 3})
    status, log = one.wait()
    assert (status, one.read()) == (0, b'{"n":1}\n{"n":2}\n{"n":3}\n')
    assert ("forked child" in log) == (what == "fork and go on")


def test_a_forked_child_keeps_no_answers_open(program, folder):
    until = folder / "until"
    os.mkfifo(until)
    one = program(COUNTS)
    one.send({"n": 1, "do": "fork and stay", "until": str(until)})
    assert one.read() == b'{"n":1}\n'
    one.process.stdin.close()
    assert one.read() == b""
    os.close(os.open(until, os.O_WRONLY))  # it was there all the time, and goes now


# ---- values ----


COPIES = C_HEAD + """
/* Copies a value piece by piece, as a handler that changes some of it would. */
static void copy(struct whisk *w, const char *key, struct whisk_value value)
{
    struct whisk_value name, part;
    size_t at = 0;
    int64_t number;
    double real;

    switch (value.kind) {
    case WHISK_OBJECT:
    case WHISK_ARRAY:
        if (value.kind == WHISK_OBJECT) whisk_begin_object(w, key); else whisk_begin_array(w, key);
        while (whisk_next(value, &at, &name, &part))
            copy(w, whisk_text(w, name, NULL), part);
        whisk_end(w);
        break;
    case WHISK_STRING: {
        size_t n, step = (size_t)whisk_get_int(w, "step", 1);
        const char *text = whisk_text(w, value, &n);
        whisk_begin_text(w, key);
        for (size_t i = 0; i < n; i += step)
            whisk_more(w, text + i, n - i < step ? n - i : step);
        whisk_end(w);
        break;
    }
    case WHISK_NUMBER:
        if (whisk_int(value, &number)) whisk_add_int(w, key, number);
        else if (whisk_double(value, &real)) whisk_add_double(w, key, real);
        break;
    case WHISK_NULL: whisk_add_null(w, key); break;
    default: whisk_add_bool(w, key, value.kind == WHISK_TRUE);
    }
}
int whisk_main(struct whisk *w)
{
    copy(w, "copy", whisk_get(whisk_argument(w), "value"));
    return 0;
}
"""


def some_value(chance, depth):
    """Anything JSON can tell, of the kinds that go wrong."""
    kind = chance.randrange(9 if depth > 0 else 6)
    if kind == 0:
        return chance.choice([True, False, None])
    if kind == 1:
        return chance.choice([0, -1, 2**63 - 1, -2**63, chance.randrange(-10**6, 10**6)])
    if kind == 2:
        return chance.choice([0.5, -1e300, 1e-300, 0.1, 1 / 3, chance.random()])
    if kind < 6:
        return "".join(chance.choice("aé☃😀\"\\\n\x01\x7f/ {}[],:") for _ in range(chance.randrange(12)))
    if kind < 8:
        return [some_value(chance, depth - 1) for _ in range(chance.randrange(5))]
    return {some_value(chance, 0) if n == 0 else f"k{n}": some_value(chance, depth - 1)
            for n in range(chance.randrange(5))}


def keyed(value):
    """Names of members are texts."""
    if isinstance(value, dict):
        return {str(name): keyed(part) for name, part in value.items()}
    return [keyed(part) for part in value] if isinstance(value, list) else value


def test_values_are_read_and_written_as_they_are(folder):
    chance = random.Random(5)
    values = [keyed(some_value(chance, 5)) for _ in range(400)]
    lines = [json.dumps({"value": {"value": value, "step": n % 5 + 1}}, ensure_ascii=n % 2 == 0,
                        indent=None, separators=((",", ":"), (" , ", " : "))[n % 3 == 0])
             for n, value in enumerate(values)]
    answers, log = answers_of(build(folder, COPIES), *lines)
    assert log == ""
    assert answers == [{"copy": value} for value in values]


ODD_ANSWERS = [
    ("return 0;", {}),
    ("return 7;", {"error": "the action returned 7"}),
    ("whisk_add_int(w, \"a\", 1); return whisk_fail(w, \"%d is too many\", 3);",
     {"error": "3 is too many"}),
    ("whisk_begin_array(w, \"a\"); whisk_begin_object(w, NULL); return 0;", {"a": [{}]}),
    ("whisk_begin_text(w, \"a\"); return whisk_more(w, \"\\xe2\\x98\", 2);", {"a": "\ufffd"}),
    ("whisk_begin_text(w, \"a\"); whisk_more(w, \"\\xe2\", 1); whisk_more(w, \"\\xc3\", 1); "
     "return whisk_more(w, \"\\xa9\", 1);", {"a": "\ufffdé"}),
    ("whisk_begin_text(w, \"a\"); return whisk_more(w, \"\\xed\\xa0\", 2);", {"a": "\ufffd\ufffd"}),
    ("whisk_add_bytes(w, \"a\", \"x\\0\\xffy\", 4); return 0;", {"a": "x\0\ufffdy"}),
    ("whisk_add_json(w, \"a\", \"[1,\\n2]\", 6); return 0;", {"a": [1, 2]}),
    ("whisk_add_json(w, \"a\", \"[1,\", 3); return 0;",
     {"error": "whisk_add_json() was given what is no JSON"}),
    ("whisk_begin_array(w, NULL); whisk_add_int(w, \"a\", 1); return 0;",
     {"error": "an array of the answer has items, which have no key"}),
    ("whisk_begin_object(w, NULL); whisk_add_int(w, NULL, 1); return 0;",
     {"error": "an object of the answer has members, which need a key"}),
    ("whisk_add_int(w, \"a\", 1); whisk_end(w); return 0;", {"error": "whisk_end() without a begin"}),
    ("whisk_begin_text(w, \"a\"); whisk_add_int(w, \"b\", 1); return 0;",
     {"error": "a text of the answer is still open, whisk_end() is missing"}),
    ("whisk_add_double(w, \"a\", 1e308 * 10); return 0;",
     {"error": "a number of the answer is infinite or NaN, which JSON cannot tell"}),
    ("for (int i = 0; i < 64; i++) whisk_begin_array(w, NULL); return 0;",
     json.loads("[" * 64 + "]" * 64)),
    ("for (int i = 0; i < 65; i++) whisk_begin_array(w, NULL); return 0;",
     {"error": "the answer is nested more than 64 levels deep"}),
    ("static char mb[1 << 20]; for (int i = 0; i < 65; i++) whisk_add_bytes(w, \"a\", mb, 1 << 20); return 0;",
     {"error": "the answer is longer than 64 MiB"}),
]


def test_answers_that_are_odd_or_wrong(folder):
    """All in one program, each twice: what one leaves undone is not the next one's fault."""
    cases = "".join(f"    case {n}: {{ {code} }}\n" for n, (code, _) in enumerate(ODD_ANSWERS))
    program = build(folder, C_MAIN + '    switch (whisk_get_int(w, "n", 0)) {\n' + cases + "    }\n    return 0;\n}\n")
    for n, (code, answer) in enumerate(ODD_ANSWERS):
        line = json.dumps({"value": {"n": n}})
        answers, log = answers_of(program, line, line)
        assert answers == [answer, answer], code
        assert log == ("error" in answer and f"{answer['error']}\n" * 2 or ""), code


def test_numbers_do_not_depend_on_the_locale(folder):
    try:
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True,
                       timeout=WAIT_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("localedef or the sources of locales are not installed: locales")
    program = build(folder, """#include <locale.h>
    """ + C_MAIN + f"""
        double number = -1;
        setenv("LOCPATH", "{folder}", 1);
        whisk_add_bool(w, "has_comma", setlocale(LC_ALL, "de_DE.UTF-8") && localeconv()->decimal_point[0] == ',');
        whisk_double(whisk_get(whisk_argument(w), "n"), &number);
        return whisk_add_double(w, "n", number);
    }}""")
    assert answers_of(program, '{"value":{"n":-1.25e-3}}')[0] == [{"has_comma": True, "n": -1.25e-3}]


def test_deadline_and_metadata_are_read(folder):
    answers, _ = answers_of(build(folder, C_MAIN + """
        whisk_add_bool(w, "ever", whisk_ms_left(w) == INT64_MAX);
        whisk_add_bool(w, "late", whisk_ms_left(w) < 0);
        return whisk_add_value(w, "id", whisk_meta(w, "activation_id"));
    }"""), "{}", '{"deadline":"123","activation_id":"a"}', '{"deadline":99999999999999}')
    assert answers == [{"ever": True, "late": False, "id": None},
                       {"ever": False, "late": True, "id": "a"},
                       {"ever": False, "late": False, "id": None}]


def test_variables_grow_shrink_and_go(folder):
    """Their texts are reused in place; none may show through."""
    lines, wanted = [], []
    for n in (1, 3000, 2, 70, 0):
        lines += [json.dumps({"m": "x" * n, "value": {"name": "__OW_M"}}),
                  '{"value":{"name":"__OW_M"}}', '{"m":"a\\u0000b","value":{"name":"__OW_M"}}',
                  '{"m\\u0031":[1, "=" ],"a=b":1,"value":{"name":"__OW_M1"}}']
        wanted += ["x" * n, None, None, '[1,"="]']
    answers, _ = answers_of(build(folder, C["variable"]), *lines)
    assert [answer["value"] for answer in answers] == wanted


@pytest.mark.skipif(is_sanitized(), reason="the sanitizer keeps what is freed")
def test_the_memory_of_a_long_line_is_given_back(program):
    one = program(C_HEAD + """#include <string.h>
    int whisk_main(struct whisk *w)
    {
        char line[256];
        FILE *status = fopen("/proc/self/status", "r");
        while (fgets(line, sizeof(line), status) && strncmp(line, "VmRSS:", 6) != 0);
        fclose(status);
        return whisk_add_int(w, "kb", atol(line + 6));
    }""")
    one.send({"a": "x" * 50_000_000})
    assert json.loads(one.read())["kb"] > 40_000
    one.send({})
    assert json.loads(one.read())["kb"] < 20_000


def test_thread_local_variables_may_be_large(folder):
    program = build(folder, C_HEAD + """
    static _Thread_local char scratch[1 << 20];
    int whisk_main(struct whisk *w)
    {
        return whisk_add_int(w, "n", ++scratch[sizeof(scratch) - 1]);
    }""")
    assert answers_of(program, "{}", "{}") == ([{"n": 1}, {"n": 2}], "")


def test_what_a_function_does_to_its_variables_is_undone(folder):
    """By the next activation, as everywhere: the key may be taken out of what a child inherits."""
    code = C_MAIN + """
        const char *text = getenv("__OW_M");
        whisk_add_text(w, "value", text);
        if (whisk_get_bool(w, "unset", true)) unsetenv("__OW_M"); else setenv("__OW_M", "own", 1);
        return 0;
    }"""
    answers, _ = answers_of(build(folder, code), '{"m":"one"}', '{"m":"two"}',
                            '{"m":"three","value":{"unset":false}}', '{"m":"four"}', "{}",
                            '{"m":"five"}')
    assert [answer["value"] for answer in answers] == ["one", "two", "three", "four", None, "five"]


def test_a_line_of_more_than_64_MiB_is_refused_and_the_next_one_answered(folder):
    answers, _ = answers_of(build(folder, C["counts"]), "x" * (65 << 20), "{}")
    assert answers == [{"error": "the line is longer than 64 MiB"}, {"n": 1}]


# ---- building ----


def test_the_library_takes_no_names_but_its_own():
    """An action may call its functions json_check() or buf_add()."""
    listed = subprocess.run(["nm", "-g", "--defined-only", LIBRARY / "libwhisk_action.a"],
                            stdout=subprocess.PIPE, check=True).stdout.decode()
    names = [line.split()[2] for line in listed.splitlines() if len(line.split()) == 3]
    assert "whisk_serve" in names
    assert [name for name in names if not name.startswith("whisk_")] == []


@pytest.mark.parametrize("compiler", ["gcc", "clang", "tcc"])
def test_every_compiler_builds_it(folder, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    answers, _ = answers_of(build(folder, COPIES, compiler), '{"value":{"value":["é",1]}}')
    assert answers == [{"copy": ["é", 1]}]


def test_a_program_with_a_main_of_its_own(proxy):
    one = proxy("--runtime", "c")
    one.started(C_HEAD + "static int echo(struct whisk *w)\n{\n" + C_ECHO +
                "int main(void)\n{\n    return whisk_serve(echo);\n}\n")
    assert one.run({"a": 1}).json == {"a": 1}


READS_LINES = """#include <stdio.h>
int main(void)
{
    char line[4096];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        puts("{}");
        fflush(stdout);
    }
    return 0;
}
"""
HELPS_ITSELF = "#include <whisk_action.h>\nint serve(whisk_handler_fn *f)\n{\n    return whisk_serve(f);\n}\n"


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed: binutils")
@pytest.mark.parametrize("files", [
    {"main.c": READS_LINES},
    {"main.c": C["echo"], "lib/loop.c": READS_LINES},
    {"main.c": HELPS_ITSELF.replace("whisk_serve(f)", "f(0)"), "lib/loop.c": READS_LINES},
], ids=["alone", "with a function", "with a header"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_main_of_its_own_that_never_reports_ready_is_refused(proxy, files, compiler):
    """It waited for the ready line until --init-timeout, and said nothing."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    one = proxy("--runtime", "c", env={"CC": compiler})
    assert_error(one.init(archives.zipped(files)), 502, NOT_BUILT)
    log = one.check_streams(1)[1]
    assert f"{list(files)[-1]} defines main() and does not call whisk_serve(): a C action defines whisk_main()" in log
    assert "bin/build.sh or whiskloop-build" in log and "docs/languages/c.md" in log


def test_a_main_of_its_own_is_refused_under_the_users_name(folder):
    (folder / "hello.c").write_text(READS_LINES)
    done = subprocess.run([PROGRAM, "invoke", "hello.c"], cwd=folder, capture_output=True, text=True,
                          timeout=WAIT_S, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "hello.c defines main() and does not call whisk_serve()" in done.stderr


def test_a_main_that_serves_through_a_function_of_another_file(proxy):
    one = proxy("--runtime", "c")
    one.started(archives.zipped({"lib/a b.c": HELPS_ITSELF, "main.c": C_HEAD + """
static int echo(struct whisk *w)
{
""" + C_ECHO + """
int serve(whisk_handler_fn *f);
int main(void)
{
    return serve(echo);
}
"""}))
    assert one.run({"a": 1}).json == {"a": 1}


def test_trees_of_jansson(folder):
    if not os.path.exists("/usr/include/jansson.h"):
        pytest.skip("libjansson-dev is not installed")
    answers, _ = answers_of(build(folder, """
        #include <whisk_jansson.h>
        int whisk_main(struct whisk *w)
        {
            json_t *tree = whisk_tree(whisk_argument(w));
            json_object_set_new(tree, "more", json_true());
            return whisk_add_tree(w, NULL, tree);
        }""", compile_flags_txt="-ljansson\n"), '{"value":{"a":[1]}}')
    assert answers == [{"a": [1], "more": True}]


def test_an_error_names_the_file_and_line_as_the_author_knows_them(proxy):
    one = proxy("--runtime", "c")
    assert_error(one.init(C_HEAD + "int whisk_main(struct whisk *w)\n{\n    return nothing;\n}\n"),
                 502, NOT_BUILT)
    log = one.check_streams(1)[1]
    assert "main.c:6:12: error:" in log
    assert "/src" not in log and "/bin" not in log


def test_a_warning_is_logged_and_no_failure(proxy):
    one = proxy("--runtime", "c")
    one.started("#warning look here\n" + C["echo"])
    assert one.run({"a": 1}).json == {"a": 1}
    assert "look here" in one.check_streams(1)[1]


@pytest.mark.parametrize("main, code, why, text", [
    ("no name", C["echo"], NOT_BUILT, 'main: "no name" is no name of a C function'),
    ("nowhere", C["echo"], CANNOT_START, "neither int nowhere(struct whisk *) nor int main(void)"),
])
def test_names_that_are_no_function(proxy, main, code, why, text):
    one = proxy("--runtime", "c")
    assert_error(one.init(code, main=main), 502, why)
    assert text in one.check_streams(1)[1]


def test_files_beside_the_source_are_there_when_it_runs(proxy):
    one = proxy("--runtime", "c")
    one.started(archives.zipped({"data/word": "hello", "lib/a b.c": "int seven(void) { return 7; }",
                                 "main.c": C_HEAD + """int seven(void);
int whisk_main(struct whisk *w)
{
    char word[6] = "";
    FILE *file = fopen("data/word", "r");
    (void)!fread(word, 1, 5, file);
    fclose(file);
    whisk_add_int(w, "seven", seven());
    return whisk_add_text(w, "word", word);
}"""}))
    assert one.run({}).json == {"seven": 7, "word": "hello"}


@pytest.mark.parametrize("options", [("--runtime", "c"), ()], ids=["named", "guessed"])
def test_a_zip_from_a_mac_whose_file_has_another_name(proxy, options):
    one = proxy(*options)
    one.started(archives.zipped({"hello.c": C["echo"], "._hello.c": "\0", "__MACOSX/._hello.c": "\0"}))
    assert one.run({"a": 1}).json == {"a": 1}
