"""The program in the place of /bin/proxy: the image's variables, its folders, its command line."""

import io
import os
import shutil
import subprocess
import zipfile

import pytest

import archives
import compilers
import samples
import whisk
from whisk import WAIT_S, assert_error

NATIVE = ("--runtime", "native")
MISMATCH = "Execution environment version mismatch. See logs for details."
ACKING = "#!/bin/bash\necho '{\"ok\":true}' >&3\nwhile read -r line; do" \
         " echo \"{\\\"env\\\":\\\"$__OW_EXECUTION_ENV\\\"}\" >&3; done\n"


def built_for(name):
    return archives.zipped({"exec": ACKING, "exec.env": f"\n {name} \n"})


def test_TU13_no_execution_environment_is_not_checked(proxy):
    """T-U13: OW_EXECUTION_ENV empty: exec.env may say what it likes."""
    one = proxy(*NATIVE, env={"OW_EXECUTION_ENV": ""})
    one.started(built_for("exec/env"))
    assert one.run({}).json == {"env": ""}


def test_TU14_another_execution_environment_is_refused(proxy):
    """T-U14: both are named on stdout, the reply says mismatch, and an /init may follow."""
    one = proxy(*NATIVE, env={"OW_EXECUTION_ENV": "exec/env"})
    assert_error(one.init(built_for("bad/env")), 502, f"cannot start action: {MISMATCH}")
    assert one.check_streams(0) == ("Expected exec.env should start with exec/env\n"
                                    "Actual value: bad/env", "")
    one.started(built_for("exec/env"))
    assert one.run({}).json == {"env": "exec/env"}


def test_TU14_mismatch_in_the_log(proxy):
    """Contract 1.3: with OW_LOG_INIT_ERROR the reason is on stderr, the reply general."""
    one = proxy(*NATIVE, env={"OW_EXECUTION_ENV": "exec/env", "OW_LOG_INIT_ERROR": "1"})
    assert_error(one.init(built_for("exec/env2")), 502,
                 "Cannot start action. Check logs for details.")
    assert one.check_streams(1)[1] == MISMATCH


@pytest.mark.parametrize("files", [{"exec": ACKING}, {"exec": ACKING, "exec.env/x": ""}])
def test_a_missing_execution_environment_is_refused(proxy, files):
    """Contract 2.2: the file must be there."""
    one = proxy(*NATIVE, env={"OW_EXECUTION_ENV": "exec/env"})
    answer = one.init(archives.zipped(files))
    assert answer.status == 502
    assert answer.error.startswith("cannot start action: open ") and "exec.env" in answer.error


JAR = archives.zipped({"META-INF/MANIFEST.MF": "Main-Class: Hello\n", "Hello.class": "x"})
LIST = "from=$(cd \"$src\"; find . -type f | sort | tr '\\n' ' ')\nmade=x\n" + compilers.PROGRAM


@pytest.mark.parametrize("name, code, files", [
    ("exec.jar", JAR, "./exec.jar "),
    ("exec.jar", archives.zipped({"Hello.java": "x"}), "./Hello.java "),
    ("", JAR, "./Hello.class ./META-INF/MANIFEST.MF "),
], ids=["jar", "sources", "off"])
def test_TU22_jars_are_kept_whole_when_asked(proxy, folder, name, code, files):
    """T-U22, contract 2.4: OW_SAVE_JAR keeps an archive with a manifest as one file."""
    one = proxy(env=compilers.image(compilers.write(folder, LIST), OW_SAVE_JAR=name))
    one.started(code)
    assert one.run({}).json["from"] == files
    if files == "./exec.jar ":
        assert (one.folder / "action/1/src/exec.jar").read_bytes() == JAR


def test_the_folder_layout_of_the_images(proxy):
    """Contract 2.3: ./action/N/bin in the proxy's working folder, where programs start."""
    one = proxy(*NATIVE, env={"OW_WAIT_FOR_ACK": "1"})
    one.started("#!/bin/bash\necho '{\"ok\":true}' >&3\nwhile read -r line; do"
                " echo \"{\\\"me\\\":\\\"$0\\\",\\\"cwd\\\":\\\"$PWD\\\"}\" >&3; done\n")
    home = os.path.realpath(one.folder)
    assert one.run({}).json == {"me": f"{home}/action/1/bin/exec", "cwd": home}


def test_debug_keeps_what_failed_and_tells_actions_where_to_trace(proxy):
    """Contract 2.6: -debug, and OW_DEBUG for the action."""
    one = proxy(*NATIVE, "-debug", "--action-dir", "versions")
    assert one.init("#!/bin/false\n").status == 502
    one.started("#!/bin/bash\nwhile read -r line; do"
                " echo \"{\\\"debug\\\":\\\"$OW_DEBUG\\\"}\" >&3; done\n")
    assert one.run({}).json == {"debug": "/tmp/action.log"}
    assert sorted(os.listdir(one.folder / "versions")) == ["1", "2"]
    assert "init" in one.err_text(), "steps are told"


@pytest.fixture
def as_proxy(folder, monkeypatch):
    """The program as /bin/proxy in an image that has nothing else of ours."""
    (folder / "bin").mkdir()
    shutil.copy(whisk.PROGRAM, folder / "bin" / "proxy")
    monkeypatch.setattr(whisk, "PROGRAM", folder / "bin" / "proxy")
    monkeypatch.delenv("WHISKLOOP_RUNTIME_DIR", raising=False)


@pytest.mark.usefixtures("as_proxy")
def test_as_the_proxy_of_the_base_image(proxy):
    """actionloop-base sets no variable: programs run, text does not, answers are on 3."""
    one = proxy()
    assert_error(one.init("just some text"), 502, "cannot start action: command exited")
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}
    assert (one.folder / "action" / "2" / "bin" / "exec").exists()


@pytest.mark.usefixtures("as_proxy")
def test_as_the_proxy_of_an_image_with_a_compiler(proxy, folder):
    """No folder of runtimes is needed there."""
    one = proxy(env=compilers.image(compilers.write(folder, compilers.program())))
    one.started("some text")
    assert one.run({}).json["made"] == "compiled"


ENVIRONMENT = ("#!/bin/bash\nread -r line\n"
               "[ -z \"$__OW_WAIT_FOR_ACK\" ] || echo '{\"ok\":true}' >&3\n"
               "echo \"{\\\"ack\\\":\\\"${__OW_WAIT_FOR_ACK-unset}\\\",\\\"null\\\":\\\"$N\\\","
               "\\\"version\\\":\\\"$__OW_PROXY_VERSION\\\"}\" >&3\nread -r line\n")


@pytest.mark.usefixtures("as_proxy")
@pytest.mark.parametrize("env", [{}, {"__OW_WAIT_FOR_ACK": "1"}])
def test_the_environment_of_actions_is_go_proxys(proxy, env):
    """Contract 9: an acknowledgement is asked for only where OW_WAIT_FOR_ACK is set; the proxy's
    version is always told; a null in the /init's env is the text null."""
    one = proxy(env=env)
    one.started(ENVIRONMENT, env={"N": None})
    seen = one.run({}).json
    assert seen["version"] and (seen["ack"], seen["null"]) == ("unset", "null")


@pytest.mark.parametrize("binary", ["true", 1, {}])
def test_binary_that_is_no_boolean_is_refused(proxy, binary):
    """Contract 9."""
    one = proxy(*NATIVE)
    assert_error(one.post("/init", {"value": {"code": "#!/bin/sh\n", "binary": binary}}), 400,
                 "Error unmarshaling request: binary must be true or false")


# ---- the command line ----

def command(folder, *args, stdin=b"", env=None):
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run([str(whisk.PROGRAM), *args], input=stdin, capture_output=True,
                          timeout=WAIT_S, cwd=folder, check=False,
                          env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder / "tmp"),
                               **(env or {})})
    assert os.listdir(folder / "tmp") == [], "nothing is left"
    assert not (folder / "action").exists()
    return done


def unzipped(data):
    """{name: (text or link's target, mode)} of a zip that Python can read and finds sound."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {item.filename: (archive.read(item).decode(), item.external_attr >> 16)
                for item in archive.infolist()}


@pytest.mark.parametrize("flags", [["-compile", "niam"], ["-compile=niam"], ["--compile", "niam"]])
def test_TU10_compile_to_a_zip(folder, flags):
    """T-U10, contract 2.5: source on stdin, a zip of bin/ on stdout, links and folders in it."""
    compiler = compilers.write(folder, "mkdir \"$bin/lib\"; echo x > \"$bin/lib/part\"\n"
                                       "ln -s lib/part \"$bin/link\"\n" + compilers.program())
    done = command(folder, *flags, stdin=b"package x", env={"OW_COMPILER": compiler})
    assert (done.returncode, done.stderr) == (0, b"")
    files = unzipped(done.stdout)
    assert list(files) == ["exec", "lib/", "link", "lib/part"]
    assert '"main":"niam"' in files["exec"][0] and files["exec"][1] == 0o100755
    assert files["link"] == ("lib/part", 0o120777)
    assert files["lib/part"][0] == "x\n"


def test_what_was_compiled_starts_without_a_compiler(proxy, folder):
    """The zip of -compile is an /init for an image with or without the compiler."""
    compiler = compilers.write(folder, compilers.program())
    done = command(folder, "-compile", "main", stdin=archives.zipped({"main.go": "package x"}),
                   env={"OW_COMPILER": compiler})
    one = proxy(*NATIVE)
    one.started(done.stdout)
    assert one.run({}).json == {"main": "main", "made": "compiled", "from": "main.go "}


def test_compile_works_beside_the_compilers_own_folder(folder):
    """Contract 9: compilers rename between ./action/N and the folder they are started in."""
    compiler = compilers.write(folder, "mkdir -p build\n"
                               "[ \"$(stat -c %d \"$src\")\" = \"$(stat -c %d .)\" ]\n"
                               "case $(realpath \"$src\") in \"$PWD\"/action/*) ;; *) exit 1;; esac\n"
                               "mv \"$src\" build/ && mv build/src \"$src\"\n"
                               + compilers.program())
    for _ in range(2):
        done = command(folder, "-compile", "main", stdin=b"x", env={"OW_COMPILER": compiler})
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("flags", [["-env", '{"A":"b","N":1}'], ['-env={"A":"b","N":1}']])
def test_variables_for_the_compiler(folder, flags):
    """-env: a JSON object, as an /init's env."""
    compiler = compilers.write(folder, f"echo \"$A$N\" > {folder}/seen\n" + compilers.program())
    done = command(folder, *flags, "-compile", "main", stdin=b"some text",
                   env={"OW_COMPILER": compiler})
    assert (done.returncode, (folder / "seen").read_text()) == (0, "b1\n")


@pytest.mark.parametrize("args, stdin, status, err", [
    (["-compile", "main"], b"some text", 1, b"a.x:1: bad\n"),
    (["-compile", "main"], b"", 2, b"whiskloop: -compile: no code on stdin\n"),
    (["-compile", "main", "-env", "[]"], b"some text", 2,
     b"whiskloop: -env: want a JSON object of variables\n"),
    (["-compile"], b"", 2, b"whiskloop: -compile: a value is missing (MAIN)\n"),
    (["-compile", "main", "--init-max-bytes", "3"], b"some text", 2,
     b"whiskloop: -compile: more than 3 bytes of code (--init-max-bytes)\n"),
    (["-compile", "main"], b"PK\3\4 broken archive", 1, b"whiskloop: cannot read archive"),
])
def test_failures_of_compile_are_told_on_stderr(folder, args, stdin, status, err):
    """Nothing on stdout, the compiler's words or ours on stderr, and a status."""
    compiler = compilers.write(folder, "echo a.x:1: bad >&2; exit 1\n")
    done = command(folder, *args, stdin=stdin, env={"OW_COMPILER": compiler})
    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr[:len(err)] == err


def test_compile_without_a_compiler_packs_what_is_run_as_it_is(folder):
    """Python needs none: its source is packed under the name of the runtime's entry."""
    done = command(folder, "-compile", "main", stdin=b"def main(args): return {}\n")
    assert unzipped(done.stdout) == {"__main__.py": ("def main(args): return {}\n", 0o100755)}


@pytest.mark.parametrize("main, code, words", [
    ("main", "def main(args:\n    return {}\n", ['File "__main__.py", line 1', "SyntaxError"]),
    ("nope", "def main(args):\n    return args\n\n\ndef other(args):\n    pass\n",
     ["function 'nope' was not found in __main__.py, which defines: main, other"]),
    ("main, nope", "def main(args):\n    return args\n", ["function 'nope' was not found in __main__.py"]),
    ("main", "hello", ["function 'main' was not found in __main__.py"]),
    ("main", "return {}\n", ["SyntaxError"]),
    ("main", "x = '\0'\n", ["null bytes"]),
], ids=["syntax", "function", "functions", "text", "late", "nul"])
@pytest.mark.parametrize("zipped", [False, True])
def test_compile_of_python_that_cannot_be_loaded_fails(folder, main, code, words, zipped):
    """As Apache's compiler for Python does: whoever starts the zip elsewhere would learn of it late."""
    done = command(folder, "--runtime", "python", "-compile", main,
                   stdin=archives.zipped({"__main__.py": code}) if zipped else code.encode())
    assert (done.returncode, done.stdout) == (1, b"")
    for word in words:
        assert word in done.stderr.decode()


@pytest.mark.parametrize("code", [
    "from other import main\n", "main = lambda args: args\n", "class main:\n    pass\n",
    "if 1:\n    async def main(args):\n        return args\n", "from other import *\n",
    "globals()['main'] = dict\n", "def set():\n    global main\n    main = dict\nset()\n",
    "# -*- coding: latin-1 -*-\ndef main(args):\n    return {'a': '\xe9'}\n",
])
def test_compile_of_python_loads_nothing_and_finds_a_function_however_it_is_defined(folder, code):
    code = code.encode("latin-1")
    done = command(folder, "--runtime", "python", "-compile", "main", stdin=code)
    assert (done.returncode, done.stderr) == (0, b"")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        assert archive.namelist() == ["__main__.py"] and archive.read("__main__.py") == code


@pytest.mark.parametrize("flag", ["-version", "--version"])
def test_version(folder, flag):
    """The program's, and then a line for each library that reads what strangers send."""
    done = command(folder, flag)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert done.returncode == 0
    assert [name for name, _ in lines] == ["whiskloop", "libh2o", "libarchive", "OpenSSL", "zlib"]
    assert all(version[0].isdigit() for _, version in lines)


@pytest.mark.parametrize("name", ["../exec.jar", "..", ".jar"])
def test_an_unusable_name_for_jars_is_refused_at_start(folder, name):
    """OW_SAVE_JAR must not lead out of the folder."""
    done = command(folder, "--port", "0", env={"OW_SAVE_JAR": name})
    assert done.returncode == 2 and b"OW_SAVE_JAR" in done.stderr
