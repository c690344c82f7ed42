"""docker/swarm/stack.yaml on an engine of our own: a roll-out and a kill under load."""

import concurrent.futures
import http.client
import os
import threading

import pytest

import whisk
from container import ENGINE, REPO, engine

pytestmark = pytest.mark.skipif(ENGINE != "docker" or not os.environ.get("IMAGES_PRIVATE"),
                                reason="makes a swarm only of a docker that the test itself runs")
STACK = "whiskloop-test"
SERVICE = f"{STACK}_action"
PORT = 18080


def ask():
    """What went wrong with one request on a connection of its own; None: nothing."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.request("POST", "/run", '{"value":{"name":"Mike"}}',
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return None if reply.status == 200 and b"Mike" in text else f"{reply.status} {text[:200]}"
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


class Load:
    """Requests of four clients, one after the other, until it is stopped."""

    def __enter__(self):
        self.stop, self.n, self.failed = threading.Event(), 0, []
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        self.clients = [self.pool.submit(self.client) for _ in range(4)]
        return self

    def client(self):
        while not self.stop.is_set():
            wrong = ask()
            self.n += 1
            if wrong is not None:
                self.failed.append(wrong)

    def __exit__(self, *_):
        self.stop.set()
        for client in self.clients:
            client.result()
        self.pool.shutdown()


def tasks(*states):
    lines = engine("service", "ps", SERVICE, "--filter=desired-state=running", "--format",
                   "{{.CurrentState}}").stdout.splitlines()
    return sum(line.split()[0] in states for line in lines)


@pytest.fixture
def stack():
    engine("swarm", "init", "--advertise-addr=127.0.0.1")
    try:
        env = {**os.environ, "IMAGE": "whiskloop/test-carried:latest", "PORT": str(PORT)}
        engine("stack", "deploy", "--resolve-image=never", "-c", REPO / "docker/swarm/stack.yaml", STACK,
               env=env)
        whisk.wait_until(lambda: tasks("Running") == 3, "three replicas")
        whisk.wait_until(lambda: ask() is None, "the stack to answer")
        yield
    finally:
        engine("swarm", "leave", "--force", check=False)


def test_swarm_rolls_out_without_a_lost_request_and_heals_after_a_kill(stack):
    """Not one request fails in the roll-out; in the kill, no more than each client had one under way."""
    with Load() as load:
        engine("service", "update", "--detach=false", "--quiet", "--env-add=WHISKLOOP_WORKERS=2", SERVICE,
               timeout_s=600)
    assert load.n > 50 and not load.failed, load.failed[:5]
    with Load() as load:
        victim = engine("ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={SERVICE}",
                        ).stdout.split()[0]
        engine("kill", "--signal=KILL", victim)
        whisk.wait_until(lambda: tasks("Running") == 3 and victim[:12] not in engine(
            "ps", "--quiet").stdout, "the third replica again")
    assert load.n > 50
    assert len(load.failed) <= 4, load.failed
