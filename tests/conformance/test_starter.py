"""The commands new and test: a function to begin with in each language, and its answers compared."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

import whisk
from devserver import Dev

# What must be installed for the starter to run; None: it always can.
LANGUAGES = {"c": "gcc", "dotnet": "dotnet", "go": "go", "java": "javac", "lua": "lua5.4",
             "nodejs": "node", "perl": "perl", "php": "php", "pypy": "pypy3", "python": "python3",
             "ruby": "ruby", "shell": "bash"}


def call(folder, *words, **more):
    return subprocess.run([whisk.PROGRAM, *words], cwd=folder, capture_output=True, text=True,
                          timeout=whisk.WAIT_S, check=False, **more)


def options_of(language):
    return ["--runtime", "pypy"] if language == "pypy" else []  # its files end as Python's do


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_starter_passes_its_own_test(folder, language):
    made = call(folder, "new", language, "hello")
    assert made.returncode == 0, made.stderr
    names = {path.name for path in (folder / "hello").iterdir()}
    assert {"README.md", "input.json", "expected.json"} < names and len(names) == 4
    assert len((folder / "hello/README.md").read_text().splitlines()) == 5
    if shutil.which(LANGUAGES[language]) is None:
        pytest.skip(f"{LANGUAGES[language]} is not installed")
    tested = call(folder, "test", *options_of(language), "hello")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout == "ok      input.json\n1 of 1 passed\n"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_starter_is_served_and_a_save_changes_its_answer(folder, language):
    if shutil.which(LANGUAGES[language]) is None:
        pytest.skip(f"{LANGUAGES[language]} is not installed")
    call(folder, "new", language, "hello")
    source, = (path for path in (folder / "hello").iterdir() if path.suffix not in (".json", ".md"))
    server = Dev(folder, folder / "hello", *options_of(language))
    try:
        assert server.run({"name": "Mike"}) == (200, {"greeting": "Hello, Mike!"})
        source.write_text(source.read_text().replace("Hello, ", "Good day, "))
        whisk.wait_until(lambda: server.run({"name": "Mike"}) == (200, {"greeting": "Good day, Mike!"}), "the save")
        assert server.state()["version"] == 2
    finally:
        status = server.end()
    assert status == 0, server.err()


def test_a_language_is_known_by_the_ending_of_its_files(folder):
    assert call(folder, "new", "js", "web").returncode == 0
    assert (folder / "web/index.js").exists()


def test_names_in_commands_to_copy_are_quoted_for_the_shell(folder):
    name = "it's my $HOME"
    made = call(folder, "new", "python", name)
    command = made.stdout.partition("next: ")[2].strip()
    assert shlex.split(command) == ["whiskloop", "dev", name]
    readme = (folder / name / "README.md").read_text()
    for command in re.findall("`(whiskloop .*?)`", readme):
        assert shlex.split(command)[2:] == [name]


def test_new_says_what_is_wrong(folder):
    assert call(folder, "new", "python").returncode == 0  # into hello
    again = call(folder, "new", "nodejs", "hello")
    assert again.returncode == 2 and "there are files in" in again.stderr
    assert not (folder / "hello/index.js").exists()
    unknown = call(folder, "new", "pyhton", "x")
    assert unknown.returncode == 2 and "did you mean python?" in unknown.stderr
    for word, name in {"bash": "shell", "JavaScript": "nodejs", "csharp": "dotnet"}.items():
        assert f"{word}: no such language; did you mean {name}?" in call(folder, "new", word, "x").stderr
    languages = unknown.stderr.partition("want one of: ")[2].strip()
    assert languages == ", ".join(sorted(LANGUAGES))
    assert f"LANGUAGE is one of: {languages}" in " ".join(call(folder, "new", "--help").stdout.split())
    assert not (folder / "x").exists()
    assert "new: LANGUAGE is missing" in call(folder, "new").stderr


def test_a_difference_is_shown_and_ends_with_1(folder):
    call(folder, "new", "python", "hello")
    (folder / "hello/input-ann.json").write_text('{"name": "Ann"}')
    (folder / "hello/expected-ann.json").write_text('{"greeting": "Hello, Bob!"}')
    (folder / "hello/input-new.json").write_text("{}")
    tested = call(folder, "test", "hello")
    assert tested.returncode == 1
    assert "FAILED  input-ann.json" in tested.stdout
    assert '  -   "greeting": "Hello, Bob!"\n  +   "greeting": "Hello, Ann!"\n' in tested.stdout
    assert "FAILED  input-new.json: cannot read" in tested.stdout
    assert "ok      input.json\n1 of 3 passed\n" in tested.stdout
    assert "greeting Ann" in tested.stderr and whisk.SENTINEL not in tested.stderr


@pytest.mark.parametrize("body, why", [
    ("import os; os._exit(3)", "exit status 3"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9 (Killed)"),
    ("return 'Hi'", 'it returned a string: "Hi"'),
])
def test_a_failure_is_told_with_its_reason(folder, body, why):
    (folder / "a.py").write_text(f"def main(args):\n    {body}\n")
    (folder / "input.json").write_text("{}")
    (folder / "expected.json").write_text("{}")
    for then in ("- expected, + answered", "cannot read"):
        tested = call(folder, "test", "a.py")
        assert tested.returncode == 1
        assert f"FAILED  input.json ({why}): {then}" in tested.stdout
        assert '  +   "error": ' in tested.stdout
        (folder / "expected.json").unlink(missing_ok=True)


def test_the_order_of_members_does_not_count(folder):
    (folder / "a.py").write_text("def main(args):\n    return {'b': 1, 'a': [1, 2]}\n")
    (folder / "input.json").write_text("{}")
    (folder / "expected.json").write_text('{"a": [1,\n2], "b": 1}')
    assert call(folder, "test", "a.py").returncode == 0
    assert call(folder, "test").returncode == 0  # the one source file here


def test_inputs_and_expected_answers_may_be_saved_by_a_windows_editor(folder):
    (folder / "a.py").write_text("def main(args):\n    return args\n")
    for name in ("input.json", "expected.json"):
        (folder / name).write_bytes(b'\xef\xbb\xbf{"a":\r\n1}\r\n')
    assert call(folder, "test", "a.py").returncode == 0


def test_inputs_and_expected_answers_may_be_links(folder):
    (folder / "a.py").write_text("def main(args):\n    return args\n")
    (folder / "shared").mkdir()
    (folder / "shared/ann").write_text('{"name": "Ann"}')
    for name in ("input.json", "expected.json"):
        (folder / name).symlink_to(folder / "shared/ann")
    tested = call(folder, "test", "a.py")
    assert (tested.returncode, tested.stdout) == (0, "ok      input.json\n1 of 1 passed\n")


def test_an_expected_answer_without_an_input_fails(folder):
    (folder / "a.py").write_text("def main(args):\n    return {}\n")
    for name in ("input.json", "expected.json", "expected-zoe.json"):
        (folder / name).write_text("{}")
    tested = call(folder, "test", "a.py")
    assert tested.returncode == 1
    assert tested.stdout == ("ok      input.json\nFAILED  expected-zoe.json: there is no input-zoe.json\n"
                             "1 of 2 passed\n")


def test_without_inputs_there_is_nothing_to_test(folder):
    (folder / "a.py").write_text("def main(args):\n    return {}\n")
    tested = call(folder, "test", "a.py")
    assert tested.returncode == 2 and "no input*.json" in tested.stderr


def test_an_input_that_is_no_json_is_named(folder):
    (folder / "a.py").write_text("def main(args):\n    return {}\n")
    (folder / "input.json").write_text("{")
    tested = call(folder, "test", "a.py")
    assert tested.returncode == 1 and "FAILED  input.json: the argument is no JSON" in tested.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_folder_that_cannot_be_read_is_said_to_be_so(folder):
    os.chmod(folder, 0o755)
    (folder / "closed").mkdir(mode=0o711)
    tested = call(folder, "test", "closed", user=65534, env={"TMPDIR": "/tmp"})
    assert tested.returncode == 2 and 'test: cannot read "' in tested.stderr, tested.stderr
    assert "Permission denied" in tested.stderr


@pytest.mark.parametrize("sample", ["hello-python", "hello-shell", "words-python"])
def test_samples_pass(folder, sample):
    tested = call(folder, "test", str(whisk.REPO / "actions" / sample))
    assert tested.returncode == 0, tested.stdout + tested.stderr
