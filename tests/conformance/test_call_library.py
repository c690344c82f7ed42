"""call/: the library to call from, in C and in Python, by the same steps."""

import json
import os
import select
import signal
import subprocess
import sys
import time

import pytest

from whisk import PROGRAM, REPO, WAIT_S, wait_until

BUILD = os.environ.get("BUILD", str(REPO / "build"))
sys.path.insert(0, str(REPO / "call"))
import whisk_call  # noqa: E402

CODE = """
import os
def main(args):
    if "gate" in args: open(args["gate"]).read()
    if "die" in args: os._exit(3)
    if "hang" in args: open(args["hang"]).read()
    if "parts" in args: return parts(args)
    if "boom" in args: raise ValueError("boom")
    return args
def parts(args):
    for i in range(args["parts"]): yield {"part": i, "error": 1}
    return {"total": args["parts"]}
def other(args): return {"other": args}
"""
READY_MS = int(WAIT_S * 1000)
ENDED_EARLY = "the subprocess has ended before the action was loaded; its stderr may say why"


@pytest.fixture
def opened(folder):
    """opened(*settings) opens the action; it is closed at the end."""
    path = folder / "code.py"
    path.write_text(CODE)
    all_opened = []

    def begin(*settings, action=path):
        all_opened.append(whisk_call.open(action, settings, program=str(PROGRAM)))
        return all_opened[-1]

    yield begin
    for one in all_opened:
        one.close()


def fails(one, argument, **more):
    with pytest.raises(whisk_call.Error) as caught:
        one.run(argument, **more)
    return caught.value


def test_calls_and_kinds(opened, gate):
    one = opened()
    one.ready(READY_MS)
    assert one.run({"n": 1}) == {"n": 1} and one.run() == {}
    assert one.run({"parts": 2}) == {"total": 2}
    assert one.run({"x": "y" * 3_000_000}) == {"x": "y" * 3_000_000}
    assert (fails(one, {"die": 1}).kind, str(fails(one, {"die": 1}))) == ("died", "command exited")
    assert (fails(one, {"boom": 1}).kind, str(fails(one, {"boom": 1}))) == ("action", "boom")
    assert fails(one, {"error": "mine", "kind": "unheard-of"}).kind == "action"
    assert fails(one, {"hang": gate().path}, ms=300).kind == "late"
    assert one.run({"n": 2}) == {"n": 2} and one.in_flight() == 0


def test_several_in_flight_and_parts(opened, gate):
    """By one's own event loop: the one at the gate holds nobody up."""
    door = gate()
    one = opened("--workers", 2)
    one.ready(READY_MS)
    got = []
    one.start({"gate": door.path}, lambda answer, part: got.append("gate"))
    one.step()
    door.wait_reached()
    one.start({"parts": 2}, lambda answer, part: got.append((answer, part)))
    while len(got) < 3:
        assert select.select([one.fd()], [], [], WAIT_S)[0]
        one.step()
    assert got == [({"part": 0, "error": 1}, True), ({"part": 1, "error": 1}, True),
                   ({"total": 2}, False)]
    assert one.in_flight() == 1
    door.release()
    while one.in_flight():
        one.step(-1)
    assert got[3] == "gate"


def test_functions_by_name(opened):
    one = opened("--functions", "main,other")
    one.method("other")
    assert one.run({"n": 1}) == {"other": {"n": 1}}
    one.method("none")
    assert fails(one, {}).kind == "method"


def test_an_action_that_does_not_load(opened, folder):
    path = folder / "broken.py"
    path.write_text("raise ValueError('no')\n")
    one = opened(action=path)
    with pytest.raises(whisk_call.Error) as caught:
        one.ready(READY_MS)
    assert caught.value.kind == "unavailable"
    assert "abruptly during initialization" in str(caught.value)
    assert fails(one, {}).kind == "unavailable"


def test_a_call_of_an_action_that_is_not_there_was_never_begun(opened, folder):
    """So it is no call that died, which must not be repeated."""
    failed = fails(opened(action=folder / "nothere.py"), {})
    assert failed.kind == "unavailable"
    assert str(failed) == f'pipe: cannot read "{folder}/nothere.py": No such file or directory'


def test_a_subprocess_that_ends_before_the_action_is_loaded_has_begun_nothing(opened):
    """The command line is wrong, or docker cannot run the image. The reason is on stderr."""
    failed = fails(opened("--nonsense"), {})
    assert (failed.kind, str(failed)) == ("unavailable", ENDED_EARLY)
    one = opened("--nonsense")
    with pytest.raises(whisk_call.Error) as caught:
        one.ready(READY_MS)
    assert (caught.value.kind, str(caught.value)) == ("unavailable", ENDED_EARLY)
    assert str(fails(one, {})) == ENDED_EARLY


def test_settings_are_a_list_of_words():
    with pytest.raises(TypeError, match="want a list"):
        whisk_call.open("hello.py", "--workers 2")


@pytest.mark.parametrize("ms", [300.0, 300.5, 0.5, 1, -1, -1e9])
def test_a_deadline_of_any_number_is_kept(opened, gate, ms):
    one = opened()
    one.ready(READY_MS)
    assert fails(one, {"hang": str(gate().path)}, ms=ms).kind == "late"


def test_a_deadline_that_passes_on_the_way_is_kept(opened, gate):
    one = opened()
    one.ready(READY_MS)
    os.kill(one._process.pid, signal.SIGSTOP)
    passed = time.time() + 0.002
    answers = []
    one.start({"hang": str(gate().path)}, lambda answer, _: answers.append(answer.kind), ms=1)
    wait_until(lambda: time.time() > passed, "the deadline has passed")
    os.kill(one._process.pid, signal.SIGCONT)
    while one.in_flight():
        one.step(-1)
    assert answers == ["late"]


def test_the_subprocess_is_killed(opened):
    one = opened()
    one.ready(READY_MS)
    os.kill(one._process.pid, 9)
    assert fails(one, {}).kind in ("died", "unavailable")
    assert not one.step(0)


def test_an_argument_over_the_limit_fails_and_the_calls_around_it_do_not(opened):
    """pipe answers its line without the id, as it has not kept the beginning."""
    one = opened("--run-max-bytes", 2000)
    answers = {}
    for name, size in (("a", 1), ("b", 3000), ("c", 1000), ("d", 5000), ("e", 2)):
        one.start({"n": "x" * size}, lambda answer, _, name=name: answers.update({name: answer}))
    while one.in_flight():
        one.step(READY_MS)
    assert all(answers[name].kind == "request" for name in "bd")
    assert [len(answers[name]["n"]) for name in "ace"] == [1, 1000, 2]


@pytest.mark.parametrize("dies", [False, True])
def test_a_callback_that_raises_loses_no_other_answer(opened, gate, dies):
    """Their answers, or the end of the subprocess, come at once."""
    one = opened()
    one.ready(READY_MS)
    door = gate()
    answered = []

    def answered_by(name):
        def answered_one(answer, _):
            answered.append(name)
            raise LookupError(name)
        return answered_one

    for name in range(3):
        one.start({"gate": door.path} if name == 0 else {}, answered_by(name))
    one.step()
    door.wait_reached()
    if dies:
        os.kill(one._process.pid, 9)
    door.release()
    for name in range(3):
        with pytest.raises(LookupError):
            while select.select([one.fd()], [], [], WAIT_S)[0]:
                one.step()
    assert answered == [0, 1, 2] and one.in_flight() == 0


GARBAGE = r"""#!/bin/sh
printf '%s\n' 'Welcome to the image' '' '5' 'null' '[]' '[1]' '[1,2]' '[[],{}]' '{}' '{"error":1}'
exec PROGRAM "$@"
"""


def test_lines_that_are_no_answers_are_skipped(folder):
    """As the entrypoint of an image may print them."""
    (folder / "code.py").write_text(CODE)
    wrapper = folder / "wrapper"
    wrapper.write_text(GARBAGE.replace("PROGRAM", str(PROGRAM)))
    wrapper.chmod(0o755)
    with whisk_call.open(folder / "code.py", program=str(wrapper)) as one:
        one.ready(READY_MS)
        assert one.run({"n": 1}) == {"n": 1}
    program = compiled(folder, C_CALLS, "calls")
    done = subprocess.run([program, folder / "code.py", wrapper], timeout=WAIT_S,
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith('0 0 {"n":1}')


def test_close_gives_up_what_is_in_flight(opened, gate):
    door = gate()
    one = opened("--drain-timeout", 0)
    one.start({"hang": door.path}, lambda *_: pytest.fail("it was answered"))
    one.step()
    door.wait_reached()
    process = one._process
    one.close()
    one.close()
    assert process.returncode is not None
    door.release()


@pytest.mark.parametrize("hangs", [False, True])
def test_a_caller_that_is_dropped_leaves_no_subprocess(folder, gate, hangs):
    """Also in the middle of a call."""
    (folder / "code.py").write_text(CODE)
    one = whisk_call.open(folder / "code.py", program=str(PROGRAM))
    one.ready(READY_MS)
    if hangs:
        one.start({"hang": str(gate)}, lambda answer, is_part: None)
    ended = os.pidfd_open(one._process.pid)
    del one
    assert select.select([ended], [], [], WAIT_S)[0]
    os.close(ended)


def test_an_image_is_run_by_docker(opened, folder):
    """docker is a stand-in here: its words are what matters."""
    docker = folder / "docker"
    docker.write_text('#!/bin/sh\necho "$*" >"$0.words"\nshift 4\nshift\n'
                      f'exec {PROGRAM} pipe "$@" {folder}/code.py\n')
    docker.chmod(0o755)
    one = whisk_call.open("image:me/hello", ["--workers=1"], docker=str(docker))
    one.ready(READY_MS)
    assert one.run({"n": 1}) == {"n": 1}
    one.close()
    assert (folder / "docker.words").read_text() == \
        "run -i --rm me/hello pipe --parts --announce --workers=1\n"


# ---- C ----

C_CALLS = r"""
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <whisk_call.h>
static void show(void *user, const struct whisk_answer *a)
{
    printf("%s %d %d %.40s\n", (const char *)user, a->kind, a->is_part, a->text);
}
int main(int argc, char **argv)
{
    const char *settings[] = {"--workers", "2", "--functions", "main,other", NULL};
    struct whisk_call_options options = {.program = argv[2], .settings = settings};
    struct whisk_caller *c = whisk_call_open(argv[1], &options);
    struct whisk_answer a;
    const char *calls[] = {"{\"n\":\n1}", NULL, "{\"die\":1}", "{\"boom\":1}", "{\"parts\":2}", "{"};
    (void)argc;
    if (whisk_call_ready(c, 60000) < 0) {
        printf("not ready: %s\n", whisk_call_error(c));
        whisk_call_run(c, NULL, 0, &a);
        printf("%d %s\n", a.kind, a.text);
        whisk_call_close(&c);
        c = whisk_call_open(argv[1], &options);
        whisk_call_run(c, NULL, 0, &a);
        printf("%d %s\n", a.kind, a.text);
        printf("%d %s\n", whisk_call_step(c, 0), whisk_call_error(c));
        whisk_call_close(&c);
        return 1;
    }
    for (int i = 0; i < 6; i++) {
        int r = whisk_call_run(c, calls[i], 0, &a);
        printf("%d %d %s\n", r, a.kind, a.text);
    }
    whisk_call_start(c, "{\"parts\":1}", 0, show, "p");
    while (whisk_call_in_flight(c) > 0) {
        struct pollfd p = {.fd = whisk_call_fd(c), .events = POLLIN};
        if (poll(&p, 1, 60000) <= 0)
            return 2;
        whisk_call_step(c, 0);
    }
    whisk_call_method(c, "other");
    printf("%d %s\n", whisk_call_run(c, "[1]", 60000, &a), a.text);
    whisk_call_start(c, "{}", 0, show, "never");
    whisk_call_close(&c);
    return c != NULL;
}
"""


def compiled(folder, text, name):
    (folder / f"{name}.c").write_text(text)
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", folder / name,
                    folder / f"{name}.c", f"-I{REPO}/call", f"-L{BUILD}/call", "-lwhisk_call"],
                   check=True, timeout=WAIT_S)
    return folder / name


def test_the_same_in_c(folder):
    (folder / "code.py").write_text(CODE)
    (folder / "broken.py").write_text("raise ValueError('no')\n")
    program = compiled(folder, C_CALLS, "calls")
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)}
    done = subprocess.run([program, "code.py", PROGRAM], cwd=folder, env=env, timeout=WAIT_S,
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout.replace('": ', '":').replace(', "', ',"').splitlines() == [
        '0 0 {"n":1}', "0 0 {}",
        '-1 4 {"error":"command exited","kind":"died"}', '-1 3 {"error":"boom","kind":"action"}',
        '0 0 {"total":2}', '-1 1 {"error":"the argument is no JSON","kind":"request"}',
        'p 0 1 {"part":0,"error":1}', 'p 0 0 {"total":1}', '0 {"other":[1]}']
    assert done.returncode == 0
    done = subprocess.run([program, "broken.py", PROGRAM], cwd=folder, env=env, timeout=WAIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    assert done.returncode == 1 and done.stdout.startswith("not ready: Command exited abruptly")
    done = subprocess.run([program, "nothere.py", PROGRAM], cwd=folder, env=env, timeout=WAIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    why = r'pipe: cannot read \"nothere.py\": No such file or directory'
    answer = f'8 {{"error":"{why}","kind":"unavailable"}}'
    assert done.stdout.splitlines()[1:] == [answer, answer, "-1 " + why.replace("\\", "")]
    done = subprocess.run([program, "code.py", "/bin/false"], cwd=folder, env=env, timeout=WAIT_S,
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout.splitlines() == [
        f"not ready: {ENDED_EARLY}", *[f'8 {{"error":"{ENDED_EARLY}","kind":"unavailable"}}'] * 2,
        f"-1 {ENDED_EARLY}"]


C_TOO_LONG = r"""
#include <stdio.h>
#include <string.h>
#include <whisk_call.h>
int main(int argc, char **argv)
{
    const char *settings[] = {"--run-max-bytes", "2000", NULL};
    struct whisk_call_options options = {.program = argv[2], .settings = settings};
    struct whisk_caller *c = whisk_call_open(argv[1], &options);
    struct whisk_answer a;
    char text[3001];
    (void)argc;
    memset(text, '1', 3000);
    text[3000] = '\0';
    printf("%d ", whisk_call_run(c, text, 0, &a));
    printf("%d %s\n", a.kind, a.text);
    printf("%d ", whisk_call_run(c, "{}", 0, &a));
    printf("%d %s\n", a.kind, a.text);
    whisk_call_close(&c);
    return 0;
}
"""


def test_an_argument_over_the_limit_fails_in_c(folder):
    (folder / "code.py").write_text(CODE)
    program = compiled(folder, C_TOO_LONG, "too_long")
    done = subprocess.run([program, folder / "code.py", PROGRAM], timeout=WAIT_S,
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout.splitlines() == [
        '-1 1 {"error":"The line is longer than 2000 bytes (--run-max-bytes).","kind":"request"}',
        "0 0 {}"]


C_FULL = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whisk_call.h>
static void ignore(void *user, const struct whisk_answer *a)
{
    (void)user, (void)a;
}
int main(int argc, char **argv)
{
    struct whisk_call_options options = {.program = argv[1]};
    struct whisk_caller *c = whisk_call_open("x", &options);
    struct whisk_answer a;
    char *text = malloc(65 << 20);
    (void)argc;
    memset(text, '1', 65 << 20);
    text[(65 << 20) - 1] = '\0';
    printf("%d ", whisk_call_start(c, text, 0, ignore, NULL));
    printf("%d ", whisk_call_run(c, "{}", 0, &a));
    printf("%d %s\n", a.kind, a.text);
    whisk_call_close(&c);
    free(text);
    return 0;
}
"""


def test_a_call_behind_more_than_may_wait_is_refused_as_overload_in_c(folder):
    """It would succeed later. One argument may be of any length, as in Python."""
    (folder / "program").write_text("#!/bin/sh\nexec sleep 1000\n")
    (folder / "program").chmod(0o755)
    done = subprocess.run([compiled(folder, C_FULL, "full"), folder / "program"], timeout=WAIT_S,
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == ('0 -1 7 {"error":"64 MiB of calls have not been sent: let whisk_call_step() work first",'
                           '"kind":"overload"}\n')


def test_why_the_action_does_not_start_may_be_long_in_c(folder):
    path = "/".join(["d" * 120] * 3) + "/none.py"
    done = subprocess.run([compiled(folder, C_CALLS, "calls"), path, PROGRAM], cwd=folder, timeout=WAIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    assert done.stdout.startswith(f'not ready: pipe: cannot read "{path}": No such file or directory\n')


def test_the_sample(folder):
    """A C program that calls a Python function."""
    program = compiled(folder, (REPO / "call" / "greet.c").read_text(), "greet")
    done = subprocess.run([program, REPO / "actions" / "hello-python" / "hello.py"], cwd=folder,
                          env={"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "TMPDIR": str(folder)},
                          input="Mike\nAnn\n", stdout=subprocess.PIPE, text=True, timeout=WAIT_S)
    assert [json.loads(line) for line in done.stdout.splitlines()] == \
        [{"greeting": "Hello, Mike!"}, {"greeting": "Hello, Ann!"}]
    done = subprocess.run([program], env={"PATH": str(folder)}, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (1, "cannot start whiskloop: No such file or directory\n")
