"""The compile step: OW_COMPILER as contract 2.5 has it, and the manifest's own."""

import json
import os
import shutil

import pytest

import archives
import compilers
from whisk import REPO, assert_error, is_alive, wait_until

NOT_BUILT = "The action failed to generate or locate a binary. See logs for details."


def test_TU4_source_is_compiled_and_run(proxy, folder):
    """T-U4: source text and a main that is not main go through the compiler."""
    compiler = compilers.write(folder, compilers.program())
    one = proxy(env=compilers.image(compiler))
    one.started("package hello", main="hello")
    assert one.run({}).json == {"main": "hello", "made": "compiled", "from": "package hello"}
    assert one.check_streams(1) == ("", "")


def test_TU4_a_zip_of_sources_is_compiled(proxy, folder):
    """T-U4, T-G6: what an archive holds is for the compiler when no program is in it."""
    compiler = compilers.write(folder, compilers.program())
    one = proxy(env=compilers.image(compiler))
    one.started(archives.zipped({"main.go": "package main", "go.mod": ""}))
    assert one.run({}).json == {"main": "main", "made": "compiled", "from": "go.mod main.go "}


@pytest.mark.parametrize("code", [
    "#!/bin/bash\nwhile read -r line; do echo '{\"made\":\"before\"}' >&3; done\n",
    archives.zipped({"exec": "#!/bin/bash\nwhile read -r line; do"
                             " echo '{\"made\":\"before\"}' >&3; done\n"}),
], ids=["bare", "zipped"])
def test_programs_are_not_compiled(proxy, folder, code):
    """Contract 2.3: what starts as ELF or #! is run as it is; the compiler is not asked."""
    compiler = compilers.write(folder, f"touch {folder}/asked\n")
    one = proxy(env=compilers.image(compiler))
    one.started(code)
    assert one.run({}).json == {"made": "before"}
    assert not (folder / "asked").exists()


def test_an_executable_mode_does_not_make_source_a_program(proxy, folder):
    """Contract 2.3: a zip whose exec is source text with the mode of a program is compiled."""
    compiler = compilers.write(folder, compilers.program())
    one = proxy(env=compilers.image(compiler))
    one.started(archives.zipped({"exec": "def main"}, {"exec": archives.EXECUTABLE}))
    assert one.run({}).json["from"] == "def main"


def test_arguments_folder_and_environment_of_the_compiler(proxy, folder):
    """Contract 2.3, 2.5: MAIN, action/N/src and action/N/bin; the proxy's working folder; PATH,
    the action's environment, __OW_EXECUTION_ENV."""
    compiler = compilers.write(
        folder, "printf '%s\\n' \"$#\" \"$main\" \"$src\" \"$bin\" \"$PWD\" \"$FROM_INIT\""
        f" \"$__OW_EXECUTION_ENV\" \"${{PATH:+path}}\" > {folder}/seen\n"
        "echo -n built/here > \"$bin/exec.env\"\n" + compilers.program())
    one = proxy(env=compilers.image(compiler, OW_EXECUTION_ENV="built/here"))
    one.started("some text", main="niam", env={"FROM_INIT": "xyz"})
    home = os.path.realpath(one.folder)
    assert (folder / "seen").read_text().splitlines() == [
        "3", "niam", f"{home}/action/1/src", f"{home}/action/1/bin", home, "xyz", "built/here",
        "path"]


def test_descriptor_3_of_a_compiler_is_dev_null(proxy, folder):
    """Contract 0.10: launchers that a compiler loads open /dev/fd/3 by path, as Java's does; it must
    be no file of the compiler's own."""
    compiler = compilers.write(
        folder, f"readlink /proc/$$/fd/3 > {folder}/third\necho lost > /dev/fd/3\n" + compilers.program())
    one = proxy(env=compilers.image(compiler))
    one.started("some text")
    assert (folder / "third").read_text() == "/dev/null\n"


@pytest.mark.parametrize("way", ["replaced", "moved", "referred"])
def test_compilers_move_replace_and_refer_to_folders(proxy, folder, way):
    """Contract 2.5: bin replaced by src (python, ruby, java); src kept and referred to (php)."""
    body = {
        "replaced": "rm -rf \"$bin\"; mv \"$src\" \"$bin\"; mv \"$bin/exec\" \"$bin/code\"\n",
        "moved": "rmdir \"$bin\"; cp -r \"$src\" \"$bin\"; rm -rf \"$src\"; mv \"$bin/exec\" \"$bin/code\"\n",
        "referred": "mv \"$src/exec\" \"$src/code\"; ln -s \"$src/code\" \"$bin/code\"\n",
    }[way] + """cat > "$bin/exec" <<'END'
#!/bin/bash
cd "$(dirname "$0")"
while read -r line; do echo "{\\"code\\":\\"$(cat code)\\"}" >&3; done
END
"""
    one = proxy(env=compilers.image(compilers.write(folder, body)))
    one.started("some text")
    assert one.run({}).json == {"code": "some text"}


def test_a_compiler_may_link_to_the_program(proxy, folder):
    """The program's mode is the compiler's: it is not ours to change."""
    compiler = compilers.write(folder, compilers.program() + "chmod 700 \"$bin/exec\"\n"
                               f"mv \"$bin/exec\" {folder}/program\nln -s {folder}/program \"$bin/exec\"\n")
    one = proxy(env=compilers.image(compiler))
    one.started("some text")
    assert one.run({}).json == {"main": "main", "made": "compiled", "from": "some text"}
    assert (folder / "program").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("body, text", [
    ("echo 'x.go:1: syntax error' >&2; exit 1\n", "x.go:1: syntax error\n"),
    ("echo out; echo err >&2; exit 0\n", "out\nerr\n"),
    ("printf w\n" + compilers.program(), "w"),
    ("exit 3\n", "the compiler ended with status 3"),
    ("true\n", "cannot compile"),
    ("rm -rf \"$bin\"\n", "cannot compile"),
    ("mkdir \"$bin/exec\"\n", "cannot compile"),
    ("kill -9 $$\n", "the compiler was ended by signal 9 (Killed)"),
], ids=["status", "output", "warning", "silent-status", "nothing", "no-folder", "folder", "killed"])
def test_failures_are_told_word_for_word_and_may_be_repeated(proxy, folder, body, text):
    """Contract 1.3, 2.5: any output or status is a failure, its text the reply; no sentinels."""
    compiler = compilers.write(folder, body)
    one = proxy(env=compilers.image(compiler))
    assert_error(one.init("some text"), 502, text)
    assert_error(one.run({}), 500, "no action defined yet")
    assert one.check_streams(0) == ("", "")
    wait_until(lambda: os.listdir(one.folder / "action") == [], "the failed version to be removed")
    compilers.write(folder, compilers.program("again"))
    one.started("some text")
    assert one.run({}).json == {"main": "main", "made": "again", "from": "some text"}


@pytest.mark.parametrize("body, log", [
    ("echo error in stdout; echo error in stderr >&2; exit 1\n",
     "error in stdout\nerror in stderr"),
    ("true\n", "cannot compile"),
    ("echo XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX; exit 1\n", "xxx_the_end_of_a_whisk_activation_xxx"),
])
def test_TU11_failures_are_logged_when_asked(proxy, folder, body, log):
    """T-U11: with OW_LOG_INIT_ERROR the reply is general, the log has the words and sentinels."""
    one = proxy(env=compilers.image(compilers.write(folder, body), OW_LOG_INIT_ERROR="1"))
    assert_error(one.init("some text"), 502, NOT_BUILT)
    assert one.check_streams(1) == ("", log)


def test_TV14_long_errors_have_a_length(proxy, folder):
    """T-V14: 100 KB of errors arrive whole; 1 MB is cut, and the reply says by how much."""
    compiler = compilers.write(folder, "head -c 100000 /dev/zero | tr '\\0' e; exit 1\n")
    one = proxy(env=compilers.image(compiler))
    assert one.init("some text").error == "e" * 100000
    compilers.write(folder, "head -c 1000000 /dev/zero | tr '\\0' e; exit 1\n")
    answer = one.init("some text")
    assert answer.status == 502
    assert answer.error == "e" * 131072 + "\n... and 868928 bytes more"


def told_in(path, words):
    """Lines of a compiler that write these into a file, which is there when they are."""
    return f"echo {words} >{path}.new\nmv {path}.new {path}\n"


def late_init(one, path):
    """What an /init is answered whose compiler has got so far and hangs; on a busy machine not each one gets so far."""
    def error():
        answer = one.init("some text")
        assert answer.status == 502
        return path.exists() and answer.error
    return wait_until(error, "a compiler that has begun")


def test_a_compiler_that_hangs_is_ended_with_all_it_started(proxy, folder):
    """A compiler that never ends: the /init is answered by its deadline, the group is gone."""
    compiler = compilers.write(folder, "sleep 1000000 & echo working\n" + told_in(folder / "pids", "$$ $!") + "sleep 1000000\n")
    one = proxy("--init-timeout", 700, env=compilers.image(compiler))
    error = late_init(one, folder / "pids")
    assert error.startswith("working\ncompiling took longer than ")
    assert "--init-timeout" in error
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    wait_until(lambda: not any(map(is_alive, pids)), "the compiler's group to be gone")
    one.check_streams(0)


def test_a_compiler_that_has_left_its_group_is_ended_too(proxy, folder):
    """A signal to its group does not reach it: the /init was never answered."""
    leave = "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)"
    compiler = compilers.write(folder, told_in(folder / "pid", "$$") + f"exec python3 -c '{leave}'\n")
    one = proxy("--init-timeout", 700, env=compilers.image(compiler))
    assert late_init(one, folder / "pid").startswith("compiling took longer than ")
    assert not is_alive(int((folder / "pid").read_text()))


def test_what_a_compiler_leaves_in_a_session_of_its_own_is_ended(proxy, folder):
    pid = folder / "pid"
    daemon = f"echo $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 600"
    compiler = compilers.write(folder, f"setsid sh -c '{daemon}' >/dev/null 2>&1 &\n"
                               f"until [ -e {pid} ]; do sleep 0.01; done\n" + compilers.program())
    one = proxy(env=compilers.image(compiler))
    one.started("some text")
    wait_until(lambda: not is_alive(int(pid.read_text())), "what the compiler has left to be gone")
    assert one.run({}).json == {"main": "main", "made": "compiled", "from": "some text"}


def test_a_compiler_that_ignores_its_end_is_killed_with_the_proxy(proxy, folder):
    """SIGTERM to the proxy while a compiler works: the /init is answered, nothing is left."""
    compiler = compilers.write(folder, f"trap '' TERM; touch {folder}/begun; sleep 1000000\n")
    one = proxy("--drain-timeout", 0, env=compilers.image(compiler))
    answer = one.later(one.init, "some text")
    wait_until((folder / "begun").exists, "the compiler to begin")
    one.terminate()
    assert answer.result().status == 503


@pytest.mark.parametrize("log", [{}, {"OW_LOG_INIT_ERROR": "1"}], ids=["reply", "log"])
def test_a_compiler_that_floods_the_disk_meets_a_bound(proxy, folder, log):
    """A compiler that writes without end: the file has a bound, and the folder is removed."""
    compiler = compilers.write(folder, "exec cat /dev/zero > \"$bin/exec\"\n")
    one = proxy("--unpack-max-bytes", 1 << 20, env=compilers.image(compiler, **log))
    answer = one.init("some text")
    assert answer.status == 502
    told = one.check_streams(1)[1] if log else answer.error
    assert "1048576 bytes (--unpack-max-bytes)" in told
    wait_until(lambda: os.listdir(one.folder / "action") == [], "the failed version to be removed")


def test_health_is_kept_while_a_compiler_works(proxy, folder, gate):
    """The loop never waits: other requests are answered while a compiler is at work."""
    door = gate()
    compiler = compilers.write(folder, f"cat {door.path}\n" + compilers.program())
    one = proxy(env=compilers.image(compiler))
    answer = one.later(one.init, "some text")
    door.wait_reached()
    assert_error(one.run({}), 500, "no action defined yet")
    assert one.init("other text").status == 403
    door.release()
    assert answer.result().status == 200


# ---- the manifest's compiler ----

@pytest.fixture
def runtimes(folder):
    """A folder of runtimes with one that compiles: .up files, made upper case."""
    home = folder / "runtimes"
    shutil.copytree(REPO / "runtime" / "native", home / "native")
    (home / "upper").mkdir()
    (home / "upper" / "runtime.json").write_text(json.dumps({
        "name": "upper", "entry": ["main.up"], "source": "main.up", "answers": "fd3",
        "launch": ["bash", "{runtime}/launch", "{action}"],
        "compile": ["bash", "{runtime}/compile"]}))
    (home / "upper" / "compile").write_text(
        compilers.HEAD + "grep -q broken \"$src/main.up\" && echo 'it is broken' && exit 1\n"
        "[ ! -e \"$src/quiet\" ] || exit 0\n"
        "echo \"compiling $main\" >&2\ntr a-z A-Z < \"$src/main.up\" > \"$bin/main.up\"\n")
    (home / "upper" / "launch").write_text(
        "text=$(cat \"$1/main.up\")\nwhile read -r line; do echo \"{\\\"text\\\":\\\"$text\\\"}\" >&3; done\n")
    return home


def test_a_manifests_compiler_builds_what_its_launcher_runs(proxy, runtimes):
    """runtime.json "compile": run once per /init; warnings are no failure, they are in the log."""
    one = proxy("--runtime-dir", runtimes, "--runtime", "upper")
    one.started("hello", main="greet")
    assert one.run({}).json == {"text": "HELLO"}
    assert one.check_streams(1) == ("", "compiling greet")


def test_a_manifests_compiler_for_an_archive(proxy, runtimes):
    """The runtime whose entry an archive holds compiles it; one that builds nothing is told so."""
    one = proxy("--runtime-dir", runtimes, "--runtime", "native")
    assert_error(one.init(archives.zipped({"main.up": "broken"})), 502, "it is broken\n")
    assert_error(one.init(archives.zipped({"main.up": "x", "quiet": ""})), 502, "cannot compile")
    one.started(archives.zipped({"main.up": "from a zip"}))
    assert one.run({}).json == {"text": "FROM A ZIP"}
