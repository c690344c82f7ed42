"""npm's @openwhisk/wskdebug with the nodejs image as it is shipped: reload and breakpoint."""

import http.server
import json
import os
import queue
import subprocess
import threading
from pathlib import Path

import pytest

from container import ENGINE, engine, npm_modules

pytestmark = pytest.mark.skipif(ENGINE != "docker", reason="wskdebug speaks to docker")
BREAKPOINT = Path(__file__).with_name("breakpoint.js")
KIND = "nodejs:18-whiskloop"
WAIT_S = 60


class Api(http.server.ThreadingHTTPServer):
    """As much of OpenWhisk's API as wskdebug asks for, on loopback."""

    daemon_threads = True

    def __init__(self):
        self.actions = {"hello": {"name": "hello", "namespace": "_", "annotations": [], "parameters": [],
                                  "exec": {"kind": KIND, "binary": False, "code": "function main() {}"},
                                  "limits": {"timeout": 60000, "memory": 256}}}
        self.wanted = queue.Queue()  # activations for wskdebug
        self.done = queue.Queue()  # ... and its results
        self.n = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def activate(self, **value):
        self.n += 1
        self.wanted.put({**value, "$activationId": f"{self.n:032x}"})

    def result(self):
        return self.done.get(timeout=WAIT_S)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def name(self):
        return self.path.partition("?")[0].rpartition("/actions/")[2]

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")

    def do_GET(self):
        if "/actions/" not in self.path:
            self.answer(200, {"runtimes": {"nodejs": [{"kind": KIND, "image": "whiskloop/nodejs:latest"}]}})
        elif self.name() in self.server.actions:
            self.answer(200, self.server.actions[self.name()])
        else:
            self.answer(404, {"error": "The requested resource does not exist."})

    def do_PUT(self):
        self.server.actions[self.name()] = {**self.body(), "name": self.name(), "namespace": "_"}
        self.answer(200, self.server.actions[self.name()])

    def do_DELETE(self):
        self.answer(200, self.server.actions.pop(self.name(), {}))

    def do_POST(self):
        value = self.body()
        if "$waitForActivation" not in value:
            self.server.done.put(value)
            self.answer(200, {"activationId": "0" * 32, "response": {"success": True, "result": {}}})
            return
        try:
            wanted = self.server.wanted.get(timeout=1)
        except queue.Empty:  # nothing yet: ask again
            self.answer(502, {"response": {"result": {"error": {"code": 42}}}})
            return
        self.answer(200, {"activationId": wanted["$activationId"],
                          "response": {"success": True, "result": wanted}})

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def lines_of(stream):
    """A queue of its lines."""
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    return lines


def read_until(lines, text):
    seen = []
    while not seen or text not in seen[-1]:
        seen.append(lines.get(timeout=WAIT_S))
    return seen


@pytest.fixture
def debugged(folder):
    """(the API, wskdebug's lines) with wskdebug ready for activations of hello.js."""
    modules = npm_modules()
    folder.chmod(0o755)
    (folder / "hello.js").write_text("function main(args) { return { text: `first ${args.name}` }; }\n")
    with Api() as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        (folder / "wskprops").write_text(f"APIHOST=http://127.0.0.1:{api.server_port}\nAUTH=a:b\nNAMESPACE=_\n")
        with subprocess.Popen(["node", modules / "@openwhisk/wskdebug/wskdebug.js", "hello", "hello.js"],
                              cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "WSK_CONFIG_FILE": str(folder / "wskprops")}) as one:
            lines = lines_of(one.stdout)
            try:
                read_until(lines, "Ready for activations")
                yield api, lines
            finally:
                one.terminate()
                try:
                    one.wait(WAIT_S)
                finally:
                    one.kill()
                    ids = engine("ps", "-aq", "--filter=label=org.apache.wskdebug.action=/_/hello").stdout
                    for identity in ids.split():
                        engine("rm", "--force", identity, check=False)
        api.shutdown()


def test_wskdebug_reloads_and_stops_at_a_breakpoint(debugged, folder):
    """With no option: the image is the kind's, and the debugger is the one that wskdebug asks for."""
    api, _ = debugged
    api.activate(name="Mike")
    assert api.result()["text"] == "first Mike"
    (folder / "hello.js").write_text(
        "function main(args) {\n    debugger;\n    return { text: `second ${args.name}` };\n}\n")
    with subprocess.Popen(["node", BREAKPOINT, "9229"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "NODE_PATH": str(npm_modules())}) as debugger:
        lines = lines_of(debugger.stdout)
        try:
            read_until(lines, "attached")
            api.activate(name="Ann")
            read_until(lines, "Ann")
            assert api.result()["text"] == "second Ann"
        finally:
            debugger.kill()
