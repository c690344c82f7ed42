"""An invoker's life: what OpenWhisk does to a container, from docker run to its removal."""

import concurrent.futures
import http.client
import json
import os
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import whisk
from container import ENGINE, LABEL, engine, image_name, limits
from wire import WAIT_S

pytestmark = pytest.mark.skipif(ENGINE != "docker" or os.geteuid() != 0,
                                reason="reads docker's raw logs, which root may")

MARK = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
N_ACTIVATIONS = 50  # of each image
RETRY_S = 0.05  # of the invoker's /init
PAUSE_GRACE_S = 0.05  # ... and between an answer and the pause
# Each prints n % 7 lines; one that waits does so behind the first of them, until the test says that it may go on.
PYTHON = """
import os, sys, time

def main(args):
    n = args['n']
    if args.get('crash'):
        os._exit(1)
    for i in range(n % 7):
        print('out', n, i, flush=True)
        print('err', n, i, file=sys.stderr)
        while i == 0 and args['waits'] and not os.path.exists('/shared/go-%d' % n):
            time.sleep(0.01)
    if args.get('fail'):
        return {'error': 'of the application'}
    return {'n': n, 'text': 'x' * args['length']}
"""
NODEJS = """
const fs = require('fs');

exports.main = async ({ n, crash, fail, length, waits }) => {
    if (crash)
        process.exit(1);
    for (let i = 0; i < n % 7; i++) {
        console.log('out', n, i);
        console.error('err', n, i);
        while (i === 0 && waits && !fs.existsSync(`/shared/go-${n}`))
            await new Promise((done) => setTimeout(done, 10));
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
        while [ $i = 0 ] && [ "$(jq -r .value.waits <<<"$line")" = true ] && [ ! -e "/shared/go-$n" ]; do
            sleep 0.05
        done
    done
    jq -c '.value | if .fail then {error: "of the application"}
        else {n: .n, text: ("x" * .length // "")} end' <<<"$line" >&3
done
"""
CODE_OF = {"python3": PYTHON, "python3-tiny": PYTHON, "nodejs": NODEJS, "native-shell": SHELL}


def runc(command, identity):
    """As the invoker does: behind the back of dockerd, which takes the container for one that runs."""
    host = os.environ.get("DOCKER_HOST", "")
    state = Path(host.removeprefix("unix://")).parent / "exec" if os.environ.get("IMAGES_PRIVATE") else Path("/run/docker")
    subprocess.run(["runc", "--root", state / "runtime-runc/moby", command, identity], check=True, capture_output=True,
                   timeout=4 * WAIT_S)


class Warm:
    """A container as the invoker runs it; one at a time of an image. `shared` is the one thing that no invoker gives it."""

    def __init__(self, image, shared):
        self.name = f"wsk0_1_{uuid.uuid4().hex[:12]}"
        engine("run", "--detach", "--name", self.name, "--label", LABEL, "--pull=never",
               "--cpu-shares=256", "--memory=256m", "--memory-swap=256m", *limits(1024),
               "--pids-limit=1024", "--cap-drop=NET_RAW", "--cap-drop=NET_ADMIN",
               "--log-driver=json-file", "--network=bridge",
               "--env=__OW_API_HOST=http://127.0.0.1:1", f"--volume={shared}:/shared:ro", image_name(image))
        facts = json.loads(engine("inspect", self.name).stdout)[0]
        self.identity = facts["Id"]
        self.host = facts["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        self.log = Path(facts["LogPath"])
        self.shared = shared
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
        """freezes: pause while it runs, behind its first line if it waits there, else at once."""
        if self.paused:
            self.resume()
        deadline = str(int((time.time() + 2 * WAIT_S) * 1000))
        body = {"value": value, "activation_id": uuid.uuid4().hex, "deadline": deadline}
        if not freezes:
            return self.post("/run", body)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.post, "/run", body, 2 * WAIT_S)
            try:
                if value["waits"]:
                    first = f"out {value['n']} 0"
                    whisk.wait_until(lambda: first in self.log.read_text(), "the first line of the activation")
                self.pause()
                assert not value["waits"] or not answer.done()
                self.resume()
            finally:
                (self.shared / f"go-{value['n']}").touch()
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
        runc("pause", self.identity)
        self.paused = True

    def resume(self):
        runc("resume", self.identity)
        self.paused = False

    def destroy(self):
        if self.paused:  # as the invoker does: a frozen process takes no signal
            self.resume()
        engine("rm", "--force", self.name)


def activate(warm, n):
    """One activation with all that is checked of it. Whether the container may live on."""
    freezes = n % 5 == 3
    value = {"n": n, "length": n * 997 % 30000, "fail": n % 11 == 5, "crash": n % 25 == 24,
             "waits": freezes and n % 2 == 0 and n % 7 > 0}
    status, answer = warm.run(value, freezes)
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
def test_fifty_activations_of_an_invoker(image, folder):
    """Right answers, complete logs in their order, one mark per stream, through pauses at any moment; a
    developer's error costs the container, as in OpenWhisk."""
    folder.chmod(0o755)
    warm = None
    try:
        for n in range(N_ACTIVATIONS):
            if warm is None:
                warm = Warm(image, folder)
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
