"""actions/: every sample answers, and logs, what the files beside it say."""

import json
import subprocess

import pytest
from conftest import ROOT, SENTINEL, run_script, wait_until

SAMPLES = sorted(path.parent.name for path in ROOT.glob("actions/*/expected.json"))


def code_of(sample, folder):
    """What is published of a sample, by the same function that quickstart.sh uses."""
    done = subprocess.run(
        ["bash", "-c", 'set -eu; . "$0/scripts/lib.sh"; sample_code "$1" "$2"', ROOT, sample,
         folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def from_lib(function, sample):
    done = subprocess.run(["bash", "-c", 'set -eu; . "$0/scripts/lib.sh"; "$1" "$2"', ROOT, function,
                           sample], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def expected(sample, name):
    path = ROOT / "actions" / sample / name
    return path.read_text() if path.exists() else ""


def check_answers(sample, proxy, folder):
    """Publish, run twice, and compare answers and both streams byte for byte."""
    done = run_script("init.sh", code_of(sample, folder), port=proxy.port)
    assert (done.returncode, done.stdout) in (
        (0, '{"ok":true}\n'), (0, '{"OK":true}\n')), done.stderr
    for n_runs in (1, 2):
        done = run_script("run.sh", f"@{ROOT}/actions/{sample}/input.json", port=proxy.port)
        assert (done.returncode, done.stdout) == (0, expected(sample, "expected.json")), done.stderr
        wait_until(lambda: proxy.out().count(SENTINEL) >= n_runs, "sentinel on stdout")
        wait_until(lambda: proxy.err().count(SENTINEL) >= n_runs, "sentinel on stderr")
        assert proxy.out() == (expected(sample, "expected.out") + SENTINEL) * n_runs
        assert proxy.err() == (expected(sample, "expected.err") + SENTINEL) * n_runs


def test_there_are_samples():
    assert len(SAMPLES) >= 5


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample_answers_and_logs_what_it_should(start_proxy, tmp_path, sample):
    lacks = from_lib("sample_lacks", sample)
    if lacks:
        pytest.skip(f"{lacks[0]} is not installed")
    check_answers(sample, start_proxy(*from_lib("sample_options", sample)), tmp_path)


@pytest.mark.parametrize("sample", ["hello-c", "hello-actionloop"])
def test_sample_acknowledges_on_descriptor_3_when_asked_to(start_proxy, tmp_path, sample):
    check_answers(sample, start_proxy(env={"OW_WAIT_FOR_ACK": "1"}), tmp_path)


def test_packed_folder_answers_as_the_folder_does(start_proxy, tmp_path):
    archive = tmp_path / "words.zip"
    run_script("build.sh", "-o", archive, ROOT / "actions/words-python")
    proxy = start_proxy()
    run_script("init.sh", archive, port=proxy.port)
    done = run_script("run.sh", f"@{ROOT}/actions/words-python/input.json", port=proxy.port)
    assert done.stdout == expected("words-python", "expected.json"), done.stderr


def test_counter_is_one_process_with_a_count_without_gaps(start_proxy, tmp_path):
    proxy = start_proxy()
    run_script("init.sh", code_of("counter-python", tmp_path), port=proxy.port)
    answers = [json.loads(run_script("run.sh", port=proxy.port).stdout) for _ in range(20)]
    assert [answer["activation"] for answer in answers] == list(range(1, 21))
    assert len({answer["pid"] for answer in answers}) == 1


def test_environment_of_the_publication_reaches_the_action(start_proxy, tmp_path):
    source = tmp_path / "env.py"
    source.write_text("import os\ndef say(args):\n    return {'a': os.environ['A_B']}\n")
    proxy = start_proxy()
    run_script("init.sh", "-e", "A_B=c=d\"\\é", source, "say", port=proxy.port)
    assert json.loads(run_script("run.sh", port=proxy.port).stdout) == {"a": 'c=d"\\é'}


def test_metadata_reaches_the_action_as_ow_variables(start_proxy, tmp_path):
    source = tmp_path / "meta.py"
    source.write_text("import os\ndef main(args):\n    return {'n': os.environ['__OW_NAMESPACE']}\n")
    proxy = start_proxy()
    run_script("init.sh", source, port=proxy.port)
    done = run_script("run.sh", "-m", "namespace=guest", port=proxy.port)
    assert json.loads(done.stdout) == {"n": "guest"}


@pytest.mark.parametrize("line, name", [
    ('{"value":{"name":"Mike"}}', "Mike"),
    ('{"value":{"name" : "M\\"i\\\\"},"action_name":"x"}', 'M"i\\'),
    ('{"value":{"x":"name","name":"é"}}', "é"),
    ('{"action_name":"/guest/hello","value":{}}', "World"),
    ('{"value":{"x":"\\"name\\":\\"trap\\""}}', "World"),
    ('{"value":{"name":3}}', "World"),
])
def test_filters_find_the_name_without_parsing_json(tmp_path, line, name):
    programs = [code_of("hello-c", tmp_path), ROOT / "actions/hello-shell/hello.sh"]
    for program in programs:
        done = subprocess.run([program], input=f"{line}\n", capture_output=True, text=True,
                              timeout=60)
        assert json.loads(done.stdout) == {"greeting": f"Hello, {name}!"}
