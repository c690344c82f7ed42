"""bin/build.sh: executables from C, zips from folders."""

import os
import subprocess
import zipfile

import pytest
from conftest import ROOT, run_script

HELLO_C = ROOT / "actions/hello-c/hello.c"


def test_c_source_becomes_an_executable_called_exec(tmp_path):
    done = run_script("build.sh", HELLO_C, "-o", "exec", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "exec\n", "")
    answer = subprocess.run([tmp_path / "exec"], input=b'{"value":{"name":"Ann"}}\n',
                            capture_output=True, timeout=60)
    assert answer.stdout == b'{"greeting":"Hello, Ann!"}\n'


def test_several_sources_with_a_library_become_one_executable(tmp_path):
    (tmp_path / "a.c").write_text("int b(double); int main(void) { return b(4.0); }\n")
    (tmp_path / "b.c").write_text("#include <math.h>\nint b(double x) { return (int)sqrt(x); }\n")
    done = run_script("build.sh", "-o", "two", "a.c", "b.c", cwd=tmp_path, env={"LDLIBS": "-lm"})
    assert done.stdout == "two\n", done.stderr
    assert subprocess.run([tmp_path / "two"], timeout=60).returncode == 2


def test_a_source_may_begin_with_a_dash(tmp_path):
    (tmp_path / "-c.c").write_text("int main(void) { return 5; }\n")
    done = run_script("build.sh", "--", "-c.c", cwd=tmp_path)
    assert done.stdout == "exec\n", done.stderr
    assert subprocess.run([tmp_path / "exec"], timeout=60).returncode == 5


def test_flags_of_the_environment_reach_the_compiler(tmp_path):
    (tmp_path / "a.c").write_text("int main(void) { return VALUE + OTHER; }\n")
    run_script("build.sh", "a.c", cwd=tmp_path, env={"CFLAGS": "-DVALUE=3 -DOTHER=4"})
    assert subprocess.run([tmp_path / "exec"], timeout=60).returncode == 7


def test_failed_compilation_leaves_the_older_executable(tmp_path):
    (tmp_path / "exec").write_text("older")
    (tmp_path / "a.c").write_text("no C\n")
    done = run_script("build.sh", "a.c", cwd=tmp_path)
    assert done.returncode == 1 and "could not compile a.c" in done.stderr
    assert (tmp_path / "exec").read_text() == "older"


def test_a_source_for_the_library_is_said_to_be_published_as_it_is(tmp_path):
    """Its header is not where a compiler looks, unless it is installed."""
    (tmp_path / "a.c").write_text("#include <whisk_action.h>\nint main(void) { return no_such_name; }\n")
    done = run_script("build.sh", "a.c", cwd=tmp_path)
    assert done.returncode == 1 and "publish its source: bin/init.sh a.c" in done.stderr


def test_folder_becomes_a_zip_with_its_files_at_the_root(tmp_path):
    done = run_script("build.sh", ROOT / "actions/words-python", cwd=tmp_path)
    assert done.stdout == "words-python.zip\n", done.stderr
    names = zipfile.ZipFile(tmp_path / "words-python.zip").namelist()
    assert "__main__.py" in names and "stopwords.txt" in names


def test_zip_keeps_the_execute_bit(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/exec").write_text("#!/bin/sh\n")
    os.chmod(tmp_path / "a/exec", 0o755)
    run_script("build.sh", "a", cwd=tmp_path)
    mode = zipfile.ZipFile(tmp_path / "a.zip").getinfo("exec").external_attr >> 16
    assert mode & 0o111 == 0o111


@pytest.mark.parametrize("arguments, result", [
    (["."], "a[1] b.zip"),
    (["-o", "out/x.zip", "."], "out/x.zip"),
])
def test_a_zip_within_its_folder_does_not_hold_the_zip_before_it(tmp_path, arguments, result):
    folder = tmp_path / "a[1] b"
    (folder / "out").mkdir(parents=True)
    for name in ("main.sh", "x.zip", "out/y.zip", "a1 b.zip"):
        (folder / name).write_text("x")
    for _ in range(2):
        done = run_script("build.sh", *arguments, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr) == (0, result + "\n", "")
    names = zipfile.ZipFile(folder / result).namelist()
    assert sorted(names) == ["a1 b.zip", "main.sh", "out/", "out/y.zip", "x.zip"]


def test_c_source_becomes_a_zip_when_the_result_is_called_so(tmp_path):
    done = run_script("build.sh", "-o", "hello.zip", HELLO_C, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello.zip\n", "")
    archive = zipfile.ZipFile(tmp_path / "hello.zip")
    assert archive.namelist() == ["exec"]
    assert archive.getinfo("exec").external_attr >> 16 & 0o111
    assert archive.read("exec")[:4] == b"\x7fELF"


@pytest.mark.parametrize("name", [
    "__main__.py", "index.js", "index.mjs", "package.json", "main.go", "Main.java", "main.c", "Main.cs",
    "main.lua", "index.php", "main.pl", "main.rb", "main.sh", "Hello.deps.json", "hello.go", "hello.c",
])
def test_a_folder_of_any_language_becomes_a_zip(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_text("x")
    assert run_script("build.sh", "a", cwd=tmp_path).stdout == "a.zip\n"
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == [name]


@pytest.mark.parametrize("arguments, env, words", [
    ([], {}, "nothing to build"),
    (["missing.c"], {}, "no source file 'missing.c'"),
    (["a.py"], {}, "'a.py' is no C source"),
    (["plain"], {}, "is no action"),
    (["-o", "no/such/exec", "a.c"], {}, "there is no folder 'no/such'"),
    (["-o", "plain", "a.c"], {}, "a folder of that name is there"),
    (["a.c"], {"CC": "no-such-compiler"}, "compiler 'no-such-compiler' is not installed"),
])
def test_unusable_arguments_are_refused_with_their_name(tmp_path, arguments, env, words):
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "a.py").touch()
    (tmp_path / "plain").mkdir()
    done = run_script("build.sh", *arguments, cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
