"""The default action of a runtime, which serves until an /init brings code: it counts and ends as any other."""

import json
import shutil
import time

import pytest

from test_parts import LINES, Reply, as_lines
from whisk import REPO, WAIT_S, wait_until

# Sends a part, stands at a gate, and answers.
CODE = """
def main(args):
    yield {"i": 0}
    with open(args["gate"]) as gate:
        gate.read()
    return {"total": 1}
"""
OPTIONS = ("--runtime", "python", "--workers", 1, "--prelaunch", 0)


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
