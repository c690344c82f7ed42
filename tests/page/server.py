"""`whiskloop dev` as a process."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import urllib.request

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("WHISKLOOP", REPO / "build/proxy/whiskloop")).absolute()
WAIT_S = 90


class Dev:
    """Serves the action in a folder; url ends with a slash."""

    def __init__(self, home, *options, port=0):
        self.home = home
        self.process = subprocess.Popen([PROGRAM, "dev", *options, "--port", str(port), home.name], cwd=home.parent,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = []
        self.started = threading.Event()
        self.url = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        assert self.started.wait(WAIT_S) and self.url, f"it said: {b''.join(self.said)!r}"
        self.port = int(self.url.rsplit(":", 1)[1].rstrip("/"))

    def read(self):
        """Take what it says, so that it never waits for a reader; keep what is needed for a failure."""
        for line in self.process.stdout:
            if len(self.said) < 200:
                self.said.append(line)
            found = re.search(rb"http://[\d.]+:\d+/?", line)
            if found and self.url is None:
                self.url = found[0].decode().rstrip("/") + "/"
                self.started.set()
        self.started.set()

    def save(self, name, text):
        """As an editor does: in full, by rename."""
        new = self.home / f".{name}.swp"
        new.write_text(text)
        new.rename(self.home / name)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=WAIT_S) as reply:
            return reply.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(WAIT_S) == 0, b"".join(self.said).decode(errors="replace")
        self.reader.join(WAIT_S)
        self.process.stdout.close()
