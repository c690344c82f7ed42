"""jmeter.sh: its table is right, and no half result is taken for a whole one."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))

import jtl  # noqa: E402 - behind the path that leads to it
import servers  # noqa: E402
import stress  # noqa: E402
from servers import Trouble  # noqa: E402

HEAD = "timeStamp,elapsed,label,responseCode,responseMessage,success,failureMessage,bytes"


def results(tmp_path, times, head=HEAD, rest=""):
    path = tmp_path / "results.jtl"
    lines = [head] + [f"{1000 + n},{ms},a,200,OK,true,,25" for n, ms in enumerate(times)]
    path.write_text("\n".join(lines) + "\n" + rest)
    return path


def test_the_table_has_the_figures_that_one_finds_by_hand(tmp_path):
    samples = jtl.read(results(tmp_path, range(1, 101)))
    jtl.check(samples, {"a": 100}, "results")
    (row,) = jtl.rows(samples, ["a"])
    assert (row.samples, row.average, row.median, row.p90, row.p95, row.p99, row.min, row.max,
            row.errors) == (100, 50.5, 50.5, 90, 95, 99, 1, 100, 0)
    assert jtl.table([row])[1].split()[:10] == [
        "a", "100", "50.5", "50", "90", "95", "99", "1", "100", "0.00%"]


def test_columns_are_found_by_name_whatever_their_order(tmp_path):
    path = tmp_path / "results.jtl"
    path.write_text("label,success,IdleTime,responseCode,elapsed,timeStamp\na,true,0,200,7,1000\n")
    assert jtl.read(path)[0].elapsed_ms == 7


def test_the_warm_up_is_not_counted(tmp_path):
    path = results(tmp_path, [5], rest="1,999,warm-up,200,OK,true,,25\n")
    assert [sample.elapsed_ms for sample in jtl.read(path)] == [5]


@pytest.mark.parametrize("text, why", [
    ("", "empty"),
    (HEAD + "\n1000,5,a,200,OK,true,,25\n1001,5,a,20", "middle of a line"),
    (HEAD + "\n1000,5,a,200,OK,true,,25\n1001,5,a\n", "not a whole line"),
    (HEAD + "\n1000,5,a,200,OK,true,,25\n", "1 samples of 'a', want 2"),
    ("1000,5,a,200,OK,true,,25\n" * 2, "no column"),
    (HEAD + "\n1000,5,a,200,OK,true,,25\n1001,5,a,200,OK,false,not the answer,25\n",
     "1 of 2 answers failed an assertion: a: 200 not the answer"),
    (HEAD + "\n1000,5,a,200,OK,true,,25\n" * 2 + "1,5,b,200,OK,true,,25\n", None),
])
def test_results_that_are_not_whole_or_not_right_are_refused(tmp_path, text, why):
    path = tmp_path / "results.jtl"
    path.write_text(text)
    with pytest.raises(Trouble, match=why):
        jtl.check(jtl.read(path), {"a": 2}, path)


def test_no_result_file_at_all_is_told(tmp_path):
    with pytest.raises(Trouble, match="left no results"):
        jtl.read(tmp_path / "none.jtl")


def test_a_target_that_dies_in_mid_run_is_told():
    jmeter = subprocess.Popen(["sleep", "60"], start_new_session=True)
    dead = SimpleNamespace(process=subprocess.Popen(["false"]), command="false")
    try:
        with pytest.raises(Trouble, match="'old way' died while JMeter ran, exit status 1"):
            stress.watch(jmeter, {"old way": dead})
    finally:
        stress.end(jmeter)
    assert jmeter.returncode is not None


def stress_py(tmp_path, *arguments, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "tests/bench/stress.py", "--build", tmp_path, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_a_port_in_use_is_told(tmp_path):
    with socket.create_server((servers.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = stress_py(tmp_path, "--port", str(port), "--out", str(tmp_path / "out.json"))
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_no_jmeter_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("JMETER", "/nonexistent/jmeter")
    with pytest.raises(Trouble, match="JMETER=/nonexistent/jmeter: there is no such program"):
        stress.jmeter(tmp_path)


def test_a_jmeter_that_cannot_load_the_plan_is_told_though_it_ends_with_0(tmp_path, monkeypatch):
    fake = tmp_path / "jmeter"
    fake.write_text("#!/bin/sh\necho 'Error in NonGUIDriver ForbiddenClassException'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("JMETER", str(fake))
    with pytest.raises(Trouble, match="ForbiddenClassException"):
        stress.run("HelloStress.jmx", {}, {}, tmp_path)


def test_unknown_arguments_and_missing_values_are_refused():
    for arguments in (["--nonsense"], ["--threads"]):
        done = subprocess.run([ROOT / "scripts/jmeter.sh", *arguments], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 1
        assert "jmeter.sh -h shows how to call it" in done.stderr
