"""The default action of a runtime, which serves until an /init brings code: it counts and ends as any other."""

import json
import shutil
import time

import pytest

import samples
from test_parts import LINES, Reply, as_lines
from watch import Watched, assert_says
from whisk import REPO, WAIT_S, assert_error, wait_until

# Sends a part, stands at a gate, and answers.
CODE = """
def main(args):
    yield {"i": 0}
    with open(args["gate"]) as gate:
        gate.read()
    return {"total": 1}
"""
OPTIONS = ("--runtime", "python", "--workers", 1, "--prelaunch", 0)
BUSY_CPU_S = 0.01  # to start an interpreter takes more


@pytest.fixture
def env(folder):
    """Python with a default action; no runtime that we bring has one that sends parts."""
    home = folder / "runtimes"
    for name in ("native", "python"):
        shutil.copytree(REPO / "runtime" / name, home / name)
    manifest = home / "python/runtime.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "stub": "stub"}))
    (home / "python/stub").mkdir()
    (home / "python/stub/__main__.py").write_text(CODE)
    return {"WHISKLOOP_RUNTIME_DIR": str(home)}


def test_its_activations_and_processes_are_in_the_metrics(proxy, folder, env, gate):
    one, doors = Watched(proxy, folder, *OPTIONS, env=env), [gate(), gate()]
    running = one.proxy.later(one.proxy.run, {"gate": doors[0].path})
    doors[0].wait_reached()
    waiting = one.proxy.later(one.proxy.run, {"gate": doors[1].path})
    wait_until(lambda: one.metrics()["whiskloop_activations_queued"].value() == 1, "the one that waits")
    metrics = one.metrics()
    assert metrics["whiskloop_activations_in_flight"].value() == 1
    assert metrics["whiskloop_workers"].values() == {"down": 0, "starting": 0, "ready": 1, "stopping": 0}
    assert metrics["whiskloop_children_resident_memory_bytes"].value() > 1_000_000
    assert metrics["whiskloop_children_cpu_seconds_total"].value() >= BUSY_CPU_S
    doors[0].release()
    assert running.result().json == {"total": 1}
    doors[1].wait_reached()
    doors[1].release()
    assert waiting.result().json == {"total": 1}
    assert one.ends() == {"ok": 2}


def test_the_metrics_forget_it_when_code_is_published(proxy, folder, env, gate):
    one, door = Watched(proxy, folder, *OPTIONS, env=env), gate()
    running = one.proxy.later(one.proxy.run, {"gate": door.path})
    door.wait_reached()
    assert_says(one.ask("/readyz"), 503, "not initialised\n")
    one.proxy.started(samples.PYTHON_CODES["echo"])
    assert_says(one.ask("/readyz"), 200, "ready\n")
    assert_error(running.result(), 400, "command exited")
    wait_until(lambda: one.metrics()["whiskloop_workers"].values() ==
               {"down": 0, "starting": 0, "ready": 1, "stopping": 0}, "its process to be gone")
    assert one.metrics()["whiskloop_activations_in_flight"].value() == 0


def test_its_answer_in_parts_is_whole_when_the_proxy_ends_meanwhile(proxy, env, gate):
    """A client that waits for the next part is not slow: it has taken all that there is."""
    one, door = proxy(*OPTIONS, env=env), gate()
    with one.connect() as stream:
        reply = Reply(stream, "/run", {"gate": door.path}, LINES)
        assert reply.head() == (200, LINES)
        assert reply.chunk() == as_lines({"part": {"i": 0}})
        door.wait_reached()
        one.terminate()
        wait_until(one.sigterm_taken, "the signal to be taken")
        time.sleep(1.5)  # the wait itself: longer than a slow client gets at the end
        door.release()
        assert reply.rest() == as_lines({"result": {"total": 1}})
    assert one.process.wait(WAIT_S) == 0
