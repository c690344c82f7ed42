"""Clients of debuggers: Node's inspector, over a WebSocket."""

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
