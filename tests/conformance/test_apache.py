"""Launchers of the shape of Apache's behind the program, one line at a time and with --pipeline 64.

They are in apache/, each with its action; the cases are those of the contract that depend on how lines come and answers go.
"""

import io
import json
import os
import pathlib
import shutil
import subprocess
import zipfile

import pytest

import counted
from whisk import WAIT_S, assert_error
from wire import hammer

HERE = pathlib.Path(__file__).with_name("apache")
GSON = "/usr/share/java/gson.jar"
NO_RESULT = "The action did not return a dictionary or array."
MIB = 1 << 20

# What each needs, and how it becomes a folder with `exec`.
NEEDS = {"python": ["/usr/bin/python3"], "go": ["go"], "php": ["/usr/bin/php"], "ruby": ["/usr/bin/ruby"],
         "java": ["javac", GSON], "rust": ["rustc"]}
BUILD = {"go": ["go", "build", "-o", "exec", "main.go"], "rust": ["rustc", "-O", "-o", "exec", "main.rs"],
         "java": ["javac", "-cp", GSON, "-d", "classes", "Launcher.java"]}
JAVA_EXEC = f"#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -Xshare:auto -cp {GSON}:classes Launcher\n"
ACKNOWLEDGES = {"python", "go"}
THROWN = {"php": (502, NO_RESULT), "go": (400, "command exited")}


def archive(folder):
    """All of a folder as a zip, with the modes of the files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".go", ".rs", ".java"):
                file.write(path, path.relative_to(folder))
    return data.getvalue()


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """built(language) -> the zip of launcher and action, made once; skips where the language is not here."""
    made = {}

    def build(language):
        for need in NEEDS[language]:
            if not (os.path.exists(need) if need.startswith("/") else shutil.which(need)):
                pytest.skip(f"{need} is not here (scripts/setup.sh --tests)")
        if language not in made:
            folder = tmp_path_factory.mktemp(language) / "action"
            shutil.copytree(HERE / language, folder)
            if language in BUILD:
                subprocess.run(BUILD[language], cwd=folder, check=True, timeout=4 * WAIT_S,
                               env={**os.environ, "GO111MODULE": "off"})
            if language == "java":
                (folder / "exec").write_text(JAVA_EXEC)
            (folder / "exec").chmod(0o755)
            made[language] = archive(folder)
        return made[language]

    return build


@pytest.fixture(params=[0, 64], ids=["one", "pipeline"])
def pipeline(request):
    if request.param and not counted.has_pipeline():
        pytest.skip("the program has no --pipeline")
    return ("--pipeline", request.param) if request.param else ()


@pytest.fixture(params=list(NEEDS))
def one(request, proxy, built, pipeline):
    """A started action behind one launcher after the other."""
    env = {"LANG": "C.UTF-8", **({"OW_WAIT_FOR_ACK": "1"} if request.param in ACKNOWLEDGES else {})}
    running = proxy("--runtime", "native", "--workers", 1, *(pipeline or ("--answers", "fd3")), env=env)
    running.started(built(request.param), env={"SOME_VAR": "xyz"})
    running.language = request.param
    return running


def lines(text):
    return [line for line in text.splitlines() if line]


def test_what_one_activation_is_told_and_tells(one):
    """T-B1, T-B3, T-B6 to T-B9, T-G8, T-G9, T-B11: in turn, as a container is used."""
    for value in ({"string": "hello"}, {"string": "❄ ☃ ❄"}, {"numbers": [42, 1, 0.5, -7]},
                  {"object": {"a": "A", "b": [True, False, None]}}):
        reply = one.run(value)
        assert (reply.status, reply.json) == (200, value)
    assert one.run({"do": "array"}).json == ["a", "b"]
    assert one.run(["c", "d"]).json == ["c", "d"]
    assert_error(one.run({"do": "text"}), 502, NO_RESULT)
    assert one.run({"do": "error"}).json == {"error": "sorry"}
    assert one.run({"do": "env"}, activation_id="abc").json == {"env": "abc", "init": "xyz"}
    assert one.run({"do": "env"}, activation_id="def").json == {"env": "def", "init": "xyz"}
    assert one.run({"do": "log"}).json == {"do": "log"}
    assert one.run({"do": "unicode", "mark": "❄"}).json == {"winter": "❄ ☃ ❄"}
    large = {"arg": "a" * MIB}
    reply = one.run(large)
    assert (reply.status, reply.json) == (200, large)
    out, err = one.check_streams(13)
    assert lines(out) == ["hello stdout", "❄ ☃ ❄"]
    assert [line for line in lines(err) if "result" not in line.lower()] == ["hello stderr"]


def test_each_log_stands_before_its_own_sentinel(one):
    """Also of those that came together, and were written ahead."""
    answers = hammer(one.port, 8, 5, lambda c, n: json.dumps(
        {"value": {"id": c * 100 + n, "do": "unicode", "mark": f"{c}-{n}"}}).encode())
    wrong = {key: answer for key, answer in answers.items()
             if answer[0] != 200 or json.loads(answer[1]) != {"winter": "{0}-{1} ☃ {0}-{1}".format(*key)}}
    assert not wrong
    one.check_streams(40)
    assert [len(lines(part)) for part in one.log_parts()] == [1] * 40


def test_a_failed_function_costs_its_own_activation(one):
    status, text = THROWN.get(one.language, (200, "nooooo"))
    for number in range(3):
        reply = one.run({"do": "throw"})
        assert (reply.status, reply.error) == (status, text)
        assert one.run({"id": number}).json == {"id": number}


def test_a_death_amid_sixty_costs_its_own_activation(one):
    """T-V: what stood behind it goes to the next process."""
    hammer(one.port, 4, 100, lambda c, n: b'{"value":{"id":0}}')
    answers = hammer(one.port, 60, 1, lambda c, n: json.dumps(
        {"value": {"id": c, **({"do": "exit"} if c == 10 else {})}}).encode())
    status, text = answers.pop((10, 0))
    assert (status, json.loads(text)) == (400, {"error": "command exited"})
    wrong = {c: answer for (c, _), answer in answers.items()
             if answer[0] != 200 or json.loads(answer[1]) != {"id": c}}
    assert not wrong


def test_each_answer_is_its_requests_own(one):
    """Unique ids on 64 connections, bodies of many sizes."""
    def body(connection, number):
        return json.dumps({"value": {"id": connection * 1000 + number,
                                     "pad": "x" * (connection * number * 37 % 5000)}}).encode()
    answers = hammer(one.port, 64, 20, body)
    wrong = [key for key, (status, text) in answers.items()
             if status != 200 or json.loads(text)["id"] != key[0] * 1000 + key[1]]
    assert not wrong
