"""An invoker's life: what OpenWhisk does to a container, from docker run to its removal."""

import concurrent.futures
import http.client
import json
import os
import socket
import time
import uuid
from pathlib import Path

import pytest

from container import ENGINE, LABEL, engine, image_name, limits
from wire import WAIT_S

pytestmark = pytest.mark.skipif(ENGINE != "docker" or os.geteuid() != 0,
                                reason="reads docker's raw logs, which root may")

MARK = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
N_ACTIVATIONS = 50  # of each image
RETRY_S = 0.05  # of the invoker's /init
PAUSE_GRACE_S = 0.05  # ... and between an answer and the pause
PYTHON = """
import os, sys

def main(args):
    n = args['n']
    if args.get('crash'):
        os._exit(1)
    for i in range(n % 7):
        print('out', n, i)
        print('err', n, i, file=sys.stderr)
    if args.get('fail'):
        return {'error': 'of the application'}
    return {'n': n, 'text': 'x' * args['length']}
"""
NODEJS = """
exports.main = ({ n, crash, fail, length }) => {
    if (crash)
        process.exit(1);
    for (let i = 0; i < n % 7; i++) {
        console.log('out', n, i);
        console.error('err', n, i);
    }
    return fail ? { error: 'of the application' } : { n, text: 'x'.repeat(length) };
};
"""
SHELL = r"""#!/bin/bash
while read -r line; do
    n=$(jq -r .value.n <<<"$line")
    [ "$(jq -r .value.crash <<<"$line")" != true ] || exit 1
    for ((i = 0; i < n % 7; i++)); do
        echo "out $n $i"
        echo "err $n $i" >&2
    done
    jq -c '.value | if .fail then {error: "of the application"}
        else {n: .n, text: ("x" * .length // "")} end' <<<"$line" >&3
done
"""
CODE_OF = {"python3": PYTHON, "python3-tiny": PYTHON, "nodejs": NODEJS, "native-shell": SHELL}


class Warm:
    """A container as the invoker runs it; one at a time of an image."""

    def __init__(self, image):
        self.name = f"wsk0_1_{uuid.uuid4().hex[:12]}"
        engine("run", "--detach", "--name", self.name, "--label", LABEL, "--pull=never",
               "--cpu-shares=256", "--memory=256m", "--memory-swap=256m", *limits(1024),
               "--pids-limit=1024", "--cap-drop=NET_RAW", "--cap-drop=NET_ADMIN",
               "--log-driver=json-file", "--network=bridge",
               "--env=__OW_API_HOST=http://127.0.0.1:1", image_name(image))
        facts = json.loads(engine("inspect", self.name).stdout)[0]
        self.host = facts["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        self.log = Path(facts["LogPath"])
        self.read_to = 0
        self.paused = False

    def post(self, path, document, timeout_s=WAIT_S):
        """On a connection of its own."""
        connection = http.client.HTTPConnection(self.host, 8080, timeout=timeout_s)
        try:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def init(self, code):
        value = {"name": "a", "main": "main", "code": code, "binary": False, "env": {}}
        until = time.monotonic() + WAIT_S
        while True:
            try:
                return self.post("/init", {"value": value})
            except (ConnectionError, socket.timeout):
                assert time.monotonic() < until
                time.sleep(RETRY_S)

    def run(self, value, freezes=False):
        if self.paused:
            self.resume()
        deadline = str(int((time.time() + 2 * WAIT_S) * 1000))
        body = {"value": value, "activation_id": uuid.uuid4().hex, "deadline": deadline}
        if not freezes:
            return self.post("/run", body)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.post, "/run", body)
            self.pause()  # wherever the activation is at that moment
            self.resume()
            return answer.result()

    def logs(self):
        """The lines of one activation by stream, as soon as both end marks are there."""
        lines = {"stdout": [], "stderr": []}
        marks = dict.fromkeys(lines, 0)
        until = time.monotonic() + WAIT_S
        while 0 in marks.values():
            with self.log.open("rb") as file:
                file.seek(self.read_to)
                for raw in file:
                    if not raw.endswith(b"\n"):
                        break
                    self.read_to += len(raw)
                    line = json.loads(raw)
                    text, stream = line["log"].rstrip("\n"), line["stream"]
                    if text == MARK:
                        marks[stream] += 1
                    else:
                        assert marks[stream] == 0, f"behind the mark: {text}"
                        lines[stream].append(text)
            assert time.monotonic() < until, (marks, lines)
        assert marks == {"stdout": 1, "stderr": 1}
        return lines

    def nothing_more(self):
        with self.log.open("rb") as file:
            file.seek(self.read_to)
            assert file.read() == b""

    def pause(self):
        engine("pause", self.name)
        self.paused = True

    def resume(self):
        engine("unpause", self.name)
        self.paused = False

    def destroy(self):
        if self.paused:  # as the invoker does: a frozen process takes no signal
            self.resume()
        engine("rm", "--force", self.name)


def activate(warm, n):
    """One activation with all that is checked of it. Whether the container may live on."""
    value = {"n": n, "length": n * 997 % 30000, "fail": n % 11 == 5, "crash": n % 25 == 24}
    status, answer = warm.run(value, freezes=n % 5 == 3)
    lines = warm.logs()
    if value["crash"]:
        assert status in (400, 502) and "error" in answer
        return False
    assert status == 200
    assert answer == ({"error": "of the application"} if value["fail"]
                      else {"n": n, "text": "x" * value["length"]})
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        assert lines[stream] == [f"{word} {n} {i}" for i in range(n % 7)]
    return True


@pytest.mark.parametrize("image", CODE_OF)
def test_fifty_activations_of_an_invoker(image):
    """Right answers, complete logs in their order, one mark per stream, through pauses at any moment; a
    developer's error costs the container, as in OpenWhisk."""
    warm = None
    try:
        for n in range(N_ACTIVATIONS):
            if warm is None:
                warm = Warm(image)
                assert warm.init(CODE_OF[image])[0] == 200
            if activate(warm, n):
                time.sleep(PAUSE_GRACE_S)  # the invoker's own grace, not a wait for something
                warm.pause()
                warm.nothing_more()
            else:
                warm.destroy()
                warm = None
    finally:
        if warm is not None:
            warm.destroy()


DEBUG = ("sh", "-c", "node --expose-gc --inspect=0.0.0.0:9229 app.js")


def test_nodejs_is_debugged_as_wskdebug_starts_it():
    """wskdebug's words behind the entrypoint: the debugger of the action listens, and no deadline holds."""
    name = f"wskdebug-{uuid.uuid4().hex[:12]}"
    engine("run", "--detach", "--name", name, "--label", LABEL, "--pull=never", image_name("nodejs"), *DEBUG)
    try:
        warm = Warm.__new__(Warm)
        warm.name, warm.paused = name, False
        warm.host = json.loads(engine("inspect", name).stdout)[0]["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        slow = "exports.main = () => new Promise((done) => setTimeout(() => done({ late: true }), 1500));"
        assert warm.init(slow)[0] == 200
        connection = http.client.HTTPConnection(warm.host, 9229, timeout=WAIT_S)
        connection.request("GET", "/json/list", headers={"Host": "127.0.0.1:9229"})
        targets = json.loads(connection.getresponse().read())
        connection.close()
        assert targets[0]["type"] == "node" and targets[0]["webSocketDebuggerUrl"]
        deadline = str(int((time.time() + 0.2) * 1000))
        assert warm.post("/run", {"value": {}, "deadline": deadline}) == (200, {"late": True})
    finally:
        engine("rm", "--force", name)
