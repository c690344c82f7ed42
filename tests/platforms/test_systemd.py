"""docs/platforms/systemd.md: a unit that systemd takes, and true of the program."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from test_platforms import PROGRAM, ROOT, settings

TEXT = (ROOT / "docs/platforms/systemd.md").read_text(encoding="utf-8")
UNIT = re.search(r"```ini\n(.*?)```", TEXT, re.S)[1]
SYSTEMD_STOP_S = 90  # DefaultTimeoutStopSec


def service():
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT)
    return parser["Service"]


def test_systemd_takes_the_unit(tmp_path):
    """With our program and an action in the places that the unit names."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "hello.service"
    unit.write_text(UNIT.replace("/usr/bin/whiskloop", str(PROGRAM.resolve())))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_LOG_TARGET": "console"}, check=False, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "hello.service" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_program_takes_the_options_and_variables_of_the_unit():
    known = settings()
    words = service()["ExecStart"].split()
    for option in [word for word in words if word.startswith("--")]:
        assert "WHISKLOOP_" + option[2:].upper().replace("-", "_") in known, option
    for pair in service()["Environment"].split():
        assert pair.partition("=")[0] in known, pair


def test_a_stop_leaves_activations_their_time():
    """Only the proxy is told to end, and systemd waits longer than the drain takes."""
    assert service()["KillMode"] == "mixed"
    drain_ms = int(settings()["WHISKLOOP_DRAIN_TIMEOUT"])
    assert drain_ms / 1000 < float(service()["TimeoutStopSec"]) < SYSTEMD_STOP_S


def test_an_action_out_of_memory_does_not_end_the_service():
    """systemd's default stops a service of which the kernel has killed any process."""
    assert service()["OOMPolicy"] == "continue"
