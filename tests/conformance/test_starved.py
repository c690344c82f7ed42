"""A tenth of a processor, and an action that takes all of it."""

import json
import time

import groups
from watch import Watched, assert_says

LIMIT_MS = 3000
SPINS = """
import os

def main(args):
    for _ in range(args.get("spin", 0)):
        if os.fork() == 0:
            while True:
                pass
    while args.get("spin"):
        pass
    return args
"""


def test_time_that_the_action_steals_is_its_own(proxy, folder):
    """60 spinning processes: the limit is enforced, and the time that is told is the time that has passed."""
    with groups.limited("cpu", 0.1) as group:
        log = folder / "log"
        one = Watched(proxy, folder, "--runtime", "python", "--timeout", LIMIT_MS, "--kill-after", 200, "--log-file",
                      log, "--log-level", "info", "--log-format", "json", wrapper=group.wrapper)
        one.proxy.started(SPINS)
        begun = time.monotonic()
        answer = one.proxy.run({"spin": 60})
        passed_ms = (time.monotonic() - begun) * 1000
        assert answer.status == 502 and str(LIMIT_MS) in answer.error, answer
        assert passed_ms < 5 * LIMIT_MS
        (event,) = [event for event in map(json.loads, log.read_text().splitlines())
                    if event.get("event") == "activation.end"]
        assert LIMIT_MS <= event["ms"] + 50 and abs(event["ms"] - passed_ms) < LIMIT_MS, (event, passed_ms)
        assert_says(one.ask("/healthz"), 200, "ok\n")
        assert one.proxy.run({"a": 1}).json == {"a": 1}
        one.proxy.terminate()
        assert one.proxy.process.wait(60) == 0
