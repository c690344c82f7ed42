"""docker/swarm/stack.yaml and the commands of docs/platforms/swarm.md: three replicas, load, a roll-out and a kill."""

import os
import pathlib
import shlex
import shutil
import subprocess
import time

import pytest
import yaml

from container import CLI, ENGINE, REPO, bridge_address, engine

pytestmark = pytest.mark.skipif(ENGINE != "docker" or not os.environ.get("IMAGES_PRIVATE"),
                                reason="makes a swarm only of a docker that the test itself runs")
LOAD = pathlib.Path(__file__).with_name("swarm_load.py")
IMAGE = "whiskloop/test-carried:latest"
NAMES = ("registry/hello:1", "registry/hello:2")
N_CLIENTS = 4  # of swarm_load.py
LOOK_AGAIN_S = 0.3
SWARM_S = 300  # for what takes half a minute on a quiet machine


def has_ipvs():
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "ip_vs"], capture_output=True, check=False)
    return pathlib.Path("/proc/net/ip_vs").exists()


def documented():
    """The page's commands."""
    text = (REPO / "docs/platforms/swarm.md").read_text()
    block = text[text.index("docker swarm init"):]
    return [line.partition("#")[0].strip() for line in block[:block.index("```")].splitlines()]


class Swarm:
    """The stack as shipped, with a service in its network that sends load."""

    def __init__(self, folder, host):
        self.folder = folder
        folder.chmod(0o777)
        stack = yaml.safe_load((REPO / "docker/swarm/stack.yaml").read_text())
        stack["services"]["load"] = {
            "image": "whiskloop/python3-tiny:latest", "entrypoint": ["python3", "-u", "/load.py", host, "/shared"],
            "volumes": [f"{LOAD}:/load.py:ro", f"{folder}:/shared"]}
        stack["services"]["prometheus"] = {
            "image": "whiskloop/test-prometheus:latest",
            "volumes": [f"{REPO}/docker/swarm/prometheus.yml:/etc/prometheus/prometheus.yml:ro"]}
        (folder / "stack.yaml").write_text(yaml.safe_dump(stack))

    def do(self, line):
        """Run one of the documented commands."""
        words = shlex.split(line.replace("REGISTRY/", "registry/"))
        env = {**os.environ, **dict(word.split("=", 1) for word in words[:words.index("docker")])}
        words = [str(self.folder / "stack.yaml") if word == "docker/swarm/stack.yaml" else word
                 for word in words[words.index("docker") + 1:]]
        done = subprocess.run([*CLI, *words], env=env, capture_output=True, text=True, timeout=SWARM_S, check=False)
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    def n_asked(self):
        """How many tasks Prometheus finds and gets metrics from."""
        ids = self.containers(service="hello_prometheus")
        return engine("exec", ids[0], "promtool", "query", "instant", "http://127.0.0.1:9090",
                      'whiskloop_build_info{job="whiskloop"}', check=False).stdout.count("=> 1 ") if ids else 0

    def images(self):
        """Those of the tasks that should run."""
        return set(engine("service", "ps", "hello_action", "--filter=desired-state=running", "--format",
                          "{{.Image}}").stdout.split())

    def state_of_update(self):
        return engine("service", "inspect", "hello_action", "--format",
                      "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}").stdout.strip()

    def answered(self):
        file = self.folder / "answered"
        return int(file.read_text()) if file.exists() else 0

    def failed(self):
        file = self.folder / "failed"
        return file.read_text().splitlines() if file.exists() else []

    @staticmethod
    def containers(*filters, service="hello_action"):
        """The ids of the service's containers that run."""
        return engine("ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={service}",
                      *(f"--filter={one}" for one in filters)).stdout.split()

    def serving(self, n, without=""):
        """Whether exactly n containers run, all of them healthy, and this one is not among them."""
        found = self.containers()
        return len(found) == n and without not in found and len(self.containers("health=healthy")) == n

    def wait(self, fact, what):
        until = time.monotonic() + SWARM_S
        while not fact():
            assert time.monotonic() < until, f"waited {SWARM_S} s for {what}: {self.words()}"
            time.sleep(LOOK_AGAIN_S)

    def wait_for_load(self, n=50):
        until = self.answered() + n
        self.wait(lambda: self.answered() >= until, f"{n} answers")

    def words(self):
        """What the tasks say of themselves, for a failure."""
        return engine("service", "ps", "hello_action", "hello_load", "--no-trunc", "--format",
                      "{{.Name}} {{.CurrentState}} {{.Error}}", check=False).stdout


@pytest.fixture
def swarm(folder, request):
    if request.param == "action" and not has_ipvs():
        pytest.skip("this kernel has no IPVS, which Swarm's routing mesh is made of")
    for name in NAMES:
        engine("tag", IMAGE, name)
    one = Swarm(folder, request.param)
    try:
        yield one
    finally:
        engine("swarm", "leave", "--force", check=False)
        for name in NAMES:
            engine("rmi", name, check=False)


@pytest.mark.parametrize("swarm", ["action", "tasks.action"], indirect=True)
def test_swarm_rolls_out_and_heals(swarm):
    """As documented, by the service's one address and by those of its tasks. Not one request fails in the roll-out,
    and only what ran is lost in the kill."""
    init, first, second, scale, logs = documented()
    swarm.do(f"{init} --advertise-addr {bridge_address()}")
    swarm.do(first)
    swarm.wait(lambda: swarm.serving(3), "three replicas")
    swarm.wait_for_load()
    swarm.wait(lambda: swarm.n_asked() == 3, "Prometheus to ask three tasks")
    assert "greeting Mike" in swarm.do(logs)

    swarm.do(second)
    swarm.wait(lambda: swarm.state_of_update() == "completed", "the roll-out")
    swarm.wait(lambda: swarm.serving(3), "the end of the old tasks")
    swarm.wait_for_load()
    assert swarm.images() == {NAMES[1]}, swarm.words()
    assert not swarm.failed(), swarm.failed()[:5]

    victim = swarm.containers()[0]
    engine("kill", "--signal=KILL", victim)
    swarm.wait(lambda: swarm.serving(3, without=victim), "a third replica again")
    swarm.wait_for_load()
    assert len(swarm.failed()) <= N_CLIENTS, swarm.failed()

    swarm.do(scale)
    swarm.wait(lambda: swarm.serving(5), "five replicas")
    n_failed = len(swarm.failed())
    swarm.wait_for_load()
    assert len(swarm.failed()) == n_failed, swarm.failed()
