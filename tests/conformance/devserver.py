"""The command dev under test: start it, ask it, read its events, and end it."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading

import whisk

TOKEN_RE = re.compile(r'name="whiskloop-token" content="([0-9a-f]+)"')


class Events:
    """A subscriber that reads all the time, in a thread of its own."""

    def __init__(self, port, last_id=None):
        headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=whisk.WAIT_S)
        self._connection.request("GET", "/dev/events", headers=headers)
        self.answer = self._connection.getresponse()
        assert self.answer.status == 200
        self.all = []  # (id, name, data)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        fields = {}
        try:
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "" and "data" in fields:
                    self.all.append((int(fields["id"]), fields["event"],
                                     json.loads(fields["data"])))
                    fields = {}
                elif name != "":
                    fields[name] = value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # the server has ended, or we have closed it

    def of(self, name):
        return [data for _, kind, data in list(self.all) if kind == name]

    def lines(self):
        return [item for batch in self.of("log") for item in batch]

    def wait(self, name, fact, what):
        whisk.wait_until(lambda: any(fact(data) for data in self.of(name)), what)

    def close(self):
        self._connection.sock and self._connection.sock.close()


class Dev:
    """whiskloop dev PATH OPTION..., its output in two files; through: a command that starts it."""

    def __init__(self, home, path, *options, env=None, cwd=None, listen=True, through=()):
        self._files = [open(home / name, "wb") for name in ("dev.out", "dev.err")]
        self._names = [home / "dev.out", home / "dev.err"]
        self.process = subprocess.Popen(
            [*through, whisk.PROGRAM, "dev", *([] if path is None else [str(path)]), "--port=0", *whisk.MORE_OPTIONS, *options],
            stdin=subprocess.DEVNULL, stdout=self._files[0], stderr=self._files[1], cwd=cwd,
            env={**os.environ, **(env or {})})
        if listen:
            whisk.wait_until(self._has_address, "the line with the address")
            self.port = int(re.search(r"http://\S+?:(\d+)/", self.out()).group(1))

    def _has_address(self):
        assert self.process.poll() is None, self.err()
        return re.search(r"http://\S+?:\d+/", self.out())

    def out(self):
        return self._names[0].read_text(errors="replace")

    def err(self):
        return self._names[1].read_text(errors="replace")

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=whisk.WAIT_S)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, text

    def get(self, path, **headers):
        answer, text = self.ask("GET", path, **headers)
        assert answer.status == 200, (path, answer.status, text)
        return json.loads(text)

    def state(self):
        return self.get("/dev/state")

    def token(self):
        return TOKEN_RE.search(self.ask("GET", "/")[1].decode()).group(1)

    def run(self, value=None):
        answer, text = self.ask("POST", "/run", json.dumps({"value": value or {}}).encode())
        return answer.status, json.loads(text)

    def invoke(self, value, **metadata):
        body = json.dumps({"value": value, "metadata": metadata}).encode()
        answer, text = self.ask("POST", "/dev/invoke", body, X_Whiskloop_Token=self.token())
        assert answer.status == 200, text
        return json.loads(text)

    def wait_for(self, state, version):
        whisk.wait_until(lambda: (lambda s: s["state"] == state and s["version"] == version)(
            self.state()), f"version {version} to be {state}")
        return self.state()

    @contextlib.contextmanager
    def held(self):
        """Stopped: all that is saved meanwhile comes to it in one burst, however slow the machine."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def events(self, last_id=None):
        return Events(self.port, last_id)

    def end(self, signo=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            self.process.wait(timeout=whisk.WAIT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            for file in self._files:
                file.close()
        assert not whisk.SANITIZER_RE.search(self.err()), self.err()
        return self.process.returncode
