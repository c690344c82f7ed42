"""A container of one of our images, asked and read as the conformance suite does with a proxy."""

import json
import os
import pathlib
import re
import resource
import shlex
import subprocess
import sys
import uuid

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/conformance"))

import whisk  # noqa: E402  (found by the line above)
from wire import WAIT_S  # noqa: E402

# The engine's command, set by scripts/test-images.sh: it may have to enter a network namespace.
CLI = shlex.split(os.environ.get("IMAGES_CLI", ""))
ENGINE = os.environ.get("IMAGES_ENGINE", "")
# Containers of this run, so that the script can remove what a broken-off run leaves.
LABEL = os.environ.get("IMAGES_LABEL", "whiskloop-test=1")
GRACE_S = 20  # between SIGTERM and SIGKILL by the engine; our own end is a matter of milliseconds


def limits(n_files):
    """Options for a limit of open files. With podman one limit undoes its defaults for all others."""
    if ENGINE != "podman":
        return [f"--ulimit=nofile={n_files}:{n_files}"]
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    n_pids = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
    n_processes = n_pids if hard == resource.RLIM_INFINITY else min(hard, n_pids)
    return [f"--ulimit=nofile={n_files}:{n_files}", f"--ulimit=nproc={n_processes}:{n_processes}"]


def engine(*arguments, check=True, timeout_s=4 * WAIT_S, **options):
    """Run the engine's command; returns the finished process with its two texts."""
    done = subprocess.run([*CLI, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout_s, **options)
    assert not check or done.returncode == 0, f"{arguments}: {done.stderr}"
    return done


def bridge_address():
    """The machine's address in docker's usual network."""
    name = engine("network", "inspect", "bridge", "--format",
                  '{{index .Options "com.docker.network.bridge.name"}}').stdout.strip()
    found = subprocess.run(["ip", "-json", "-4", "addr", "show", name], capture_output=True, text=True, check=True,
                           timeout=WAIT_S).stdout
    return json.loads(found)[0]["addr_info"][0]["local"]


def lacks(what):
    """Skip the test for something that could be installed, or fail it where scripts/test-images.sh is told to."""
    (pytest.fail if os.environ.get("IMAGES") == "require" else pytest.skip)(what)


def npm_modules():
    """The folder of what scripts/test-images.sh has from npm; skips the test where it has nothing."""
    folder = pathlib.Path(os.environ.get("IMAGES_NPM") or "/nowhere")
    if not folder.is_dir():
        lacks(os.environ.get("IMAGES_NPM_LACKS") or "scripts/test-images.sh has fetched nothing from npm")
    return folder


def image_name(name):
    return f"whiskloop/{name}:latest"


class Container(whisk.Proxy):
    """
    A container that serves. `options` are the program's own, `run` the engine's. What finish()
    asks for: the container ends with 0 at SIGTERM, and was not killed for it.
    """

    def __init__(self, image, options=(), env=None, run=()):  # pylint: disable=super-init-not-called
        self.image = image
        self.name = f"whiskloop-{uuid.uuid4().hex[:12]}"
        self.finished = False
        self._later = []
        self._sentinels_seen = None
        variables = [f"--env={name}={value}" for name, value in (env or {}).items()]
        engine("run", "--detach", "--name", self.name, "--label", LABEL, "--pull=never",
               "--publish", "127.0.0.1::8080", *variables, *run, image_name(image), *options)
        self.pid = self.state()["Pid"]  # as we see it from outside
        self.port = int(engine("port", self.name, "8080").stdout.split()[0].rpartition(":")[2])
        whisk.wait_until(self._answers, "the container to answer")

    def _answers(self):
        """Whether the proxy itself answers: the engine accepts connections before it is there."""
        state = self.state()
        assert state["Running"], f"the container ended: {state['ExitCode']} {self.logs()}"
        try:
            return self.request("GET", "/").status == 404
        except (OSError, AssertionError):
            return False

    def state(self):
        return self.inspect()["State"]

    def inspect(self):
        return json.loads(engine("inspect", "--type=container", self.name).stdout)[0]

    def execute(self, *command, **options):
        return engine("exec", self.name, *command, **options)

    def logs(self):
        done = subprocess.run([*CLI, "logs", self.name], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=WAIT_S, check=True)
        return done.stdout, done.stderr

    def err_text(self):
        return self.logs()[1].decode(errors="replace")[-3000:]

    def check_streams(self, n, concurrent=False):
        if n == 0:  # nothing to wait for but the end: then the engine has all that was written
            self.stop()
        return super().check_streams(n, concurrent)

    def children(self):
        """The proxy's children by the numbers that they have inside."""
        inside = []
        for pid in super().children():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            inside.append(int(re.search(r"^NSpid:.*\s(\d+)$", status, re.M)[1]))
        return inside

    def pss_mb(self):
        """Memory of the proxy and its children, what they share counted once. Not as a plain user."""
        total_kb = 0
        for pid in [self.pid, *super().children()]:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total_kb += int(re.search(r"^Pss:\s+(\d+) kB$", rollup, re.M)[1])
        return total_kb / 1024

    def stop(self):
        engine("stop", "--time", GRACE_S, self.name)

    def finish(self):
        if self.finished:
            return
        self.finished = True
        try:
            self.stop()
            state = self.state()
            assert state["ExitCode"] == 0, f"ended with {state['ExitCode']}: {self.err_text()}"
        finally:
            engine("rm", "--force", self.name)
