"""Fixtures for the scripts of bin/: the built proxy, and a server that only writes down requests."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("WHISKLOOP", ROOT / "build/proxy/whiskloop"))
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
WAIT_S = 60  # for what takes milliseconds; the bound is for a busy machine
LISTENING = re.compile(r"^whiskloop: .*listen.* port=(\d+)", re.MULTILINE)


def wait_until(fact, what):
    """Look until fact() is true; a test never goes on because a time has passed."""
    end = time.monotonic() + WAIT_S
    while not fact():
        assert time.monotonic() < end, f"{what}: not within {WAIT_S} s"
        time.sleep(0.02)


def can_mount():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False,
                          timeout=WAIT_S).returncode == 0


def run_script(name, *arguments, port=None, env=None, stdin="", cwd=None):
    """Run bin/NAME with PORT set; its result holds text, not bytes."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOST", "PORT", "WAIT_SECONDS")}
    environment.update(env or {})
    if port is not None:
        environment["PORT"] = str(port)
    return subprocess.run([ROOT / "bin" / name, *map(str, arguments)], env=environment, cwd=cwd,
                          input=stdin, capture_output=True, text=True, timeout=WAIT_S)


class Proxy:
    """A proxy on a port of its own; `out` and `err` are what a container's streams would be."""

    def __init__(self, folder, options, env):
        folder.mkdir()
        self.out_path, self.err_path = folder / "out", folder / "err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                [PROGRAM, "--listen", "127.0.0.1", "--port", "0", "--log-level", "info",
                 "--action-dir", folder / "action", *options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **env})
        wait_until(lambda: self.listening() or self.process.poll() is not None, "proxy listens")
        assert self.listening(), self.err_path.read_text()
        self.port = int(self.listening().group(1))

    def listening(self):
        return LISTENING.search(self.err_path.read_text())

    def out(self):
        return self.out_path.read_text()

    def err(self):
        """stderr without the proxy's own remarks, which it makes because of --log-level info."""
        lines = self.err_path.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("whiskloop: "))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=WAIT_S)
        finally:
            self.process.kill()


@pytest.fixture
def start_proxy(tmp_path):
    """A function that starts a proxy; at the end each must leave with status 0."""
    started = []

    def start(*options, env=None):
        started.append(Proxy(tmp_path / f"proxy{len(started)}", options, env or {}))
        return started[-1]

    yield start
    assert [proxy.stop() for proxy in started] == [0] * len(started)


class Recorder:
    """Answers every POST with `status`, `headers` and `answer`, and keeps the last body. A GET tells
    `instance`, as a proxy does."""

    def __init__(self, port=0):
        self.status, self.answer, self.headers = 200, b'{"ok":true}', {}
        self.instance = "one"
        self.n_asked = 0
        self.path = self.body = None
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                recorder.path = self.path
                recorder.instance = recorder.headers.get("x-whiskloop-instance", recorder.instance)
                recorder.body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(recorder.status)
                for name, value in recorder.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(recorder.answer)))
                self.end_headers()
                self.wfile.write(recorder.answer)

            def do_GET(self):
                recorder.n_asked += 1
                self.send_response(405)
                self.send_header("x-whiskloop-instance", recorder.instance)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port

    def json(self):
        return json.loads(self.body)


@contextmanager
def recording(port=0):
    recorder = Recorder(port)
    thread = threading.Thread(target=recorder.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield recorder
    finally:
        recorder.server.shutdown()
        thread.join()
        recorder.server.server_close()


@pytest.fixture
def recorder():
    with recording() as recorder:
        yield recorder
