"""Clients of debuggers: Node's inspector, over a WebSocket; debugpy, by the Debug Adapter Protocol."""

import base64
import http.client
import json
import os
import socket
import struct
import time

import whisk


class Inspector:
    """Attached to the process that listens on this port; call() waits for the answer, wait() for an
    event."""

    def __init__(self, port):
        path = whisk.wait_until(lambda: self._find(port), "the inspector")
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=whisk.WAIT_S)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode())
        self._file = self._socket.makefile("rb")
        assert b" 101 " in self._file.readline()
        while self._file.readline() not in (b"\r\n", b""):
            pass
        self._number, self._events = 0, []

    @staticmethod
    def _find(port):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=whisk.WAIT_S)
            connection.request("GET", "/json/list")
            url = json.loads(connection.getresponse().read())[0]["webSocketDebuggerUrl"]
            return "/" + url.split("/", 3)[3]
        except OSError:
            return None

    def _receive(self):
        _, n = self._file.read(2)
        if n == 126:
            n, = struct.unpack(">H", self._file.read(2))
        elif n == 127:
            n, = struct.unpack(">Q", self._file.read(8))
        return json.loads(self._file.read(n))

    def call(self, method, **params):
        self._number += 1
        data = json.dumps({"id": self._number, "method": method, "params": params}).encode()
        # A mask of zeros is one, too.
        self._socket.sendall(struct.pack(">BBH4x", 0x81, 0x80 | 126, len(data)) + data)
        while (message := self._receive()).get("id") != self._number:
            self._events.append(message)
        assert "error" not in message, message
        return message["result"]

    def wait(self, method):
        give_up_at = time.monotonic() + whisk.WAIT_S
        while time.monotonic() < give_up_at:
            for event in self._events:
                if event["method"] == method:
                    self._events.remove(event)
                    return event["params"]
            self._events.append(self._receive())
        raise AssertionError(f"no {method}")

    def close(self):
        self._file.close()
        self._socket.close()


class Dap:
    """A client of the Debug Adapter Protocol, connected to this port; call() waits for the answer,
    wait() for an event."""

    def __init__(self, port):
        self._socket = whisk.wait_until(lambda: self._connect(port), "the debug adapter")
        self._file = self._socket.makefile("rb")
        self._number, self._answers, self._events = 0, {}, []

    @staticmethod
    def _connect(port):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=whisk.WAIT_S)
        except OSError:
            return None

    def _receive(self):
        n = 0
        while (line := self._file.readline()) != b"\r\n":
            assert line, "the debug adapter has closed the connection"
            name, _, value = line.partition(b":")
            n = int(value) if name.lower() == b"content-length" else n
        message = json.loads(self._file.read(n))
        if message["type"] == "response":
            self._answers[message["request_seq"]] = message
        elif message["type"] == "event":
            self._events.append(message)

    def send(self, command, **arguments):
        """Returns the number of the request, for answer()."""
        self._number += 1
        data = json.dumps({"seq": self._number, "type": "request", "command": command,
                           "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self._number

    def answer(self, number):
        while number not in self._answers:
            self._receive()
        message = self._answers.pop(number)
        assert message["success"], message
        return message.get("body", {})

    def call(self, command, **arguments):
        return self.answer(self.send(command, **arguments))

    def wait(self, name):
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event.get("body", {})
            self._receive()

    def attach(self, path, line):
        """Attach, with a breakpoint at this line of this file."""
        self.call("initialize", adapterID="python", pathFormat="path", linesStartAt1=True)
        attached = self.send("attach", justMyCode=False)  # it is answered after configurationDone
        self.wait("initialized")
        found = self.call("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line}])
        self.call("configurationDone")
        self.answer(attached)
        return found["breakpoints"][0]

    def close(self):
        self._file.close()
        self._socket.close()
