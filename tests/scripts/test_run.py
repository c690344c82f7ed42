"""bin/run.sh: the body it makes, and what it says when something is wrong."""

import os
import subprocess

import pytest
from conftest import ROOT, run_script


def test_argument_is_sent_as_the_value(recorder):
    recorder.answer = b'{"greeting":"x"}'
    done = run_script("run.sh", '{"name":"Test"}', port=recorder.port)
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"greeting":"x"}\n', "")
    assert recorder.path == "/run"
    assert recorder.json() == {"value": {"name": "Test"}}


def test_without_an_argument_the_value_is_an_empty_object(recorder):
    run_script("run.sh", port=recorder.port)
    assert recorder.json() == {"value": {}}


def test_value_may_come_from_a_file(recorder, tmp_path):
    (tmp_path / "in.json").write_text("[1,\n2]\n")
    run_script("run.sh", "@in.json", port=recorder.port, cwd=tmp_path)
    assert recorder.json() == {"value": [1, 2]}


def test_value_may_come_from_standard_input(recorder):
    run_script("run.sh", "-", port=recorder.port, stdin='{"from":"stdin"}')
    assert recorder.json() == {"value": {"from": "stdin"}}


def test_metadata_stands_beside_the_value_as_text(recorder):
    run_script("run.sh", "-m", "activation_id=12=3", "-m", 'x="\\', "{}", port=recorder.port)
    assert recorder.json() == {"value": {}, "activation_id": "12=3", "x": '"\\'}


def test_the_users_curlrc_changes_nothing(recorder, tmp_path):
    recorder.answer = b"{}\n"
    (tmp_path / ".curlrc").write_text("include\nfail\n")
    done = run_script("run.sh", port=recorder.port, env={"HOME": str(tmp_path)})
    assert (done.stdout, done.stderr) == ("{}\n", "")


def test_it_can_be_called_through_a_link(recorder, tmp_path):
    recorder.answer = b"{}\n"
    (tmp_path / "run").symlink_to(ROOT / "bin/run.sh")
    done = subprocess.run([tmp_path / "run"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PORT": str(recorder.port)})
    assert (done.stdout, done.stderr) == ("{}\n", "")


def test_answer_and_newline_leave_in_one_write(recorder):
    """Of a pipe in packet mode each read returns what one write has put there."""
    recorder.answer = b'{"greeting":"x"}'
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    with open(reader, "rb", buffering=0) as packets:
        with open(writer, "wb") as out:
            subprocess.run([ROOT / "bin/run.sh"], stdout=out, timeout=60, check=True,
                           env={**os.environ, "PORT": str(recorder.port)})
        assert [packets.read(4096), packets.read(4096)] == [b'{"greeting":"x"}\n', b""]


def test_answer_that_ends_with_a_newline_gets_no_second_one(recorder):
    recorder.answer = b"{}\n"
    assert run_script("run.sh", port=recorder.port).stdout == "{}\n"


@pytest.mark.parametrize("answer, status", [
    ('{"error":"no"}', 1), ('{ "a": {"b": [1]}, "error" : {} }', 1), ('{"error":null}', 1),
    ('{"a":{"error":1}}', 0), ('{"a":"error"}', 0), ('{"a":"\\"error\\":1"}', 0),
    ('["error"]', 0), ('[{"error":1}]', 0),
])
def test_an_answer_with_an_error_at_its_top_ends_with_1(recorder, answer, status):
    """It is printed all the same, as `whiskloop invoke` does."""
    recorder.answer = answer.encode()
    done = run_script("run.sh", port=recorder.port)
    assert (done.returncode, done.stdout, done.stderr) == (status, answer + "\n", "")


def test_how_the_action_ended_is_told(recorder):
    recorder.status, recorder.answer = 400, b'{"error":"command exited"}'
    recorder.headers = {"x-whiskloop-reason": "signal 9 (Killed)"}
    assert "while it ran: signal 9 (Killed);" in run_script("run.sh", port=recorder.port).stderr


def test_an_activation_that_a_shutdown_ends_is_not_said_to_be_started_again(recorder):
    """docker stop, and more time than --drain-timeout needed: nobody serves the next run."""
    recorder.status, recorder.answer = 400, b'{"error":"command exited"}'
    recorder.headers = {"x-whiskloop-reason": "The action is being shut down: the activation ran longer than the drain "
                                              "(--drain-timeout)."}
    done = run_script("run.sh", port=recorder.port)
    assert "start another" in done.stderr and "started again" not in done.stderr


@pytest.mark.parametrize("status, answer, hint", [
    (400, b'{"error":"command exited"}', "started again"),
    (400, b'{"error":"Error unmarshaling request: x"}', "is the value JSON?"),
    (404, b"{}", "object or array"),
    (413, b"{}", "raise the bound"),
    (429, b"{}", "try again"),
    (500, b'{"error":"no action defined yet"}', "bin/init.sh"),
    (502, b"{}", "the action's log"),
    (503, b"{}", "start another"),
])
def test_failure_ends_with_1_and_says_what_to_do(recorder, status, answer, hint):
    recorder.status, recorder.answer = status, answer
    done = run_script("run.sh", port=recorder.port)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"HTTP status {status}: {answer.decode()}" in done.stderr
    assert hint in done.stderr


@pytest.mark.parametrize("arguments, words", [
    (["{}", "{}"], "got 2 arguments"),
    ([""], "the value is empty"),
    (["@missing.json"], "cannot read 'missing.json'"),
    (["-m", "value=1"], "is the argument itself"),
    (["-m", "x"], "want KEY=value"),
    (["-q"], "unknown option -q"),
    (["--verbose"], "unknown option --verbose"),
])
def test_unusable_arguments_are_refused_with_their_name(tmp_path, arguments, words):
    done = run_script("run.sh", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_options_may_stand_behind_the_argument(recorder):
    assert run_script("run.sh", '{"a":1}', "-m", "activation_id=7", port=recorder.port).returncode == 0
    assert recorder.json() == {"value": {"a": 1}, "activation_id": "7"}


def test_the_reason_of_a_wrong_answer_is_told(start_proxy, tmp_path):
    (tmp_path / "text.py").write_text("def main(args):\n    return 'Hi'\n")
    port = start_proxy().port
    assert run_script("init.sh", tmp_path / "text.py", port=port).returncode == 0
    done = run_script("run.sh", port=port)
    assert done.returncode == 1 and 'it returned a string: "Hi"' in done.stderr


def test_run_before_publication_says_to_publish(start_proxy):
    done = run_script("run.sh", port=start_proxy().port)
    assert done.returncode == 1
    assert "no action defined yet" in done.stderr and "bin/init.sh" in done.stderr
