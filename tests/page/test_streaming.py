"""The page of docs/streaming.md: parts reach a browser's EventSource, from a proxy of another origin."""

import http.server
import os
import re
import signal
import subprocess
import threading

import pytest
from server import PROGRAM, REPO, WAIT_S

LISTENS = re.compile(rb"listen.* port=(\d+)")


def block_of(name):
    """A file that the document shows."""
    text = (REPO / "docs/streaming.md").read_text(encoding="utf-8")
    return re.search(rf"<!-- file: {re.escape(name)} -->\n```\w+\n(.*?)```\n", text, re.DOTALL)[1]


@pytest.fixture
def address(folder):
    """Of a proxy that serves the document's action for Knative."""
    (folder / "model.py").write_text(block_of("model.py"))
    log = folder / "log"
    with open(log, "wb") as out:
        proxy = subprocess.Popen([PROGRAM, "--listen", "127.0.0.1", "--port", "0", "--action", folder / "model.py",
                                  "--log-level", "info"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                 env={**os.environ, "__OW_RUNTIME_PLATFORM": "knative", "__OW_HTTP_METHODS": "[get]"})
    told = threading.Event()
    for _ in range(WAIT_S * 20):
        if LISTENS.search(log.read_bytes()) or proxy.poll() is not None:
            break
        told.wait(0.05)
    yield "http://127.0.0.1:" + LISTENS.search(log.read_bytes())[1].decode() + "/"
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait(WAIT_S) == 0, log.read_text()


def test_an_event_source_shows_the_parts_as_the_document_says(browser, address):
    page = block_of("page.html").replace("http://localhost:8081/", address)
    assert address in page

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode() if self.path == "/" else b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        tab = browser.open(f"http://127.0.0.1:{pages.server_port}/")
        tab.wait("source.readyState === EventSource.CLOSED")
        assert tab.text("#text").split() == "Actions answer in parts when they yield".split()
        tab.close()
        pages.shutdown()
