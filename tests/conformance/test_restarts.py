"""An action that cannot be started again is called broken, and is served again once it can."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import samples
from whisk import WAIT_S, assert_error, is_alive, wait_until

ONE = ("--runtime", "python", "--workers", "1", "--broken-after", "3", "--restart-pause", "1",
       "--restart-pause-max", "5")


def broken_proxy(proxy, tmp_path):
    one, door = proxy(*ONE), pathlib.Path(tmp_path, "door")
    door.touch()
    one.started(samples.NEEDS_DOOR.format(door=str(door)))
    assert one.run({"a": 1}).json == {"a": 1}
    door.unlink()
    assert_error(one.run({"leave": 1}), 400, "command exited")
    return one, door


def test_a_broken_action_says_so_with_the_last_reason(proxy, tmp_path):
    one, _ = broken_proxy(proxy, tmp_path)
    for _ in range(5):
        reply = one.run({"a": 2})
        assert reply.status == 502
        assert reply.json["error"].startswith("cannot start action: it ended ")
        assert " times in a row without serving (--broken-after), the last time: " in \
            reply.json["error"]


def test_a_broken_action_is_served_again_once_it_starts(proxy, tmp_path):
    one, door = broken_proxy(proxy, tmp_path)
    assert one.run({"a": 2}).status == 502
    door.touch()
    wait_until(lambda: one.run({"a": 3}).json == {"a": 3}, "an answer")
    for number in range(5):
        assert one.run({"n": number}).json == {"n": number}


def test_who_waits_for_a_restart_is_served_by_it(proxy, tmp_path):
    """With pauses that outlast the fault nobody is told anything but an answer."""
    one, door = proxy("--runtime", "python", "--workers", "1", "--restart-pause", "200",
                      "--broken-after", "0"), pathlib.Path(tmp_path, "door")
    door.touch()
    one.started(samples.NEEDS_DOOR.format(door=str(door)))
    door.unlink()
    assert_error(one.run({"leave": 1}), 400, "command exited")
    later = one.later(one.run, {"a": 4})
    wait_until(lambda: "no door" in one.err_text(), "a start that fails")
    door.touch()
    assert later.result().json == {"a": 4}


def test_activations_that_end_their_worker_cost_themselves_only(proxy, tmp_path):
    one, door = proxy(*ONE[:-4], "--restart-pause", "60000"), pathlib.Path(tmp_path, "door")
    door.touch()
    one.started(samples.NEEDS_DOOR.format(door=str(door)))
    for number in range(10):
        assert_error(one.run({"leave": 1}), 400, "command exited")
        assert one.run({"n": number}).json == {"n": number}
    one.check_streams(20)


def test_what_cleans_tmp_by_age_leaves_the_action(proxy, folder):
    """A proxy runs for longer than files stay in /tmp: a process can still be started again."""
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd-tmpfiles is not installed")
    (folder / "tmp/old").mkdir(parents=True)
    (folder / "rules.conf").write_text(f"d {folder}/tmp - - - 0\n")
    one = proxy(env={"TMPDIR": str(folder / "tmp")})
    one.started(samples.PYTHON_CODES["process_id"])
    before = one.run({}).json["pid"]
    subprocess.run(["systemd-tmpfiles", "--clean", folder / "rules.conf"], check=True,
                   capture_output=True, timeout=WAIT_S)
    assert not (folder / "tmp/old").exists()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not is_alive(before), "the end of the process")
    assert one.run({}).json["pid"] != before
