"""HTTP as the platform's client speaks it: one answer read to its last byte, and a load of them.

Answers are parsed here rather than by http.client, because several tests need to see what follows
an answer on the same connection, and every test needs to know that the length was stated.
"""

import http.client
import json
import re
import selectors
import socket
import time

WAIT_S = 60  # bound of every wait; generous, as sanitizers and two busy cores slow things down


class Answer:
    """One HTTP answer. `headers` is case-insensitive."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The text of the member `error`; fails the test when there is none."""
        assert isinstance(self.json, dict) and "error" in self.json, f"no error in {self!r}"
        return self.json["error"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Stream:
    """A connection that answers are read from, in order."""

    def __init__(self, port, timeout=WAIT_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        """Leave with a TCP reset instead of an orderly end."""
        linger = b"\x01\0\0\0\0\0\0\0"  # struct linger {1, 0}
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def status_line(self):
        """Read one status line and its headers; None at the end of the stream."""
        line = self.file.readline()
        if not line:
            return None
        found = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", line)
        assert found, f"no status line: {line!r}"
        return int(found[1]), http.client.parse_headers(self.file)

    def answer(self, method="POST"):
        """Read one whole answer; it must state its length, as the platform drops it otherwise."""
        head = self.status_line()
        assert head is not None, "connection closed without an answer"
        status, headers = head
        assert status != 204, "204 counts as no answer on the platform"
        assert headers["Transfer-Encoding"] is None, f"chunked answer: {headers}"
        assert headers["Content-Length"] is not None, f"answer without length: {headers}"
        length = int(headers["Content-Length"])
        if method == "HEAD":
            return Answer(status, headers, b"")
        body = self.file.read(length)
        assert len(body) == length, f"answer ends after {len(body)} of {length} bytes"
        return Answer(status, headers, body)


def request_bytes(path, body, method="POST", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def hammer(port, connections, each, body_of, answers=None):
    """
    Send `each` requests on each of `connections` kept connections, one in flight per connection.

    body_of(connection, number) makes a body, or None: this connection asks no more.
    Returns {(connection, number): (status, body)}, filled as they come when the caller brings it,
    so that another thread sees how far the load is.
    One thread and one selector: threads would measure Python's lock instead of the proxy.
    """
    answers = {} if answers is None else answers
    selector = selectors.DefaultSelector()
    head_re = re.compile(rb"HTTP/1\.1 (\d{3})[^\n]*\n(?:[^\n]*\n)*?content-length: *(\d+)\r\n",
                         re.IGNORECASE)
    give_up_at = time.monotonic() + 4 * WAIT_S

    def send(state):
        """Whether there was something to send."""
        if state["number"] == each:
            return False
        body = body_of(state["connection"], state["number"])
        if body is not None:
            state["socket"].sendall(request_bytes("/run", body))
        return body is not None

    for number in range(connections):
        sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state = {"socket": sock, "connection": number, "number": 0, "bytes": b""}
        selector.register(sock, selectors.EVENT_READ, state)
        send(state)
    open_connections = connections
    while open_connections:
        assert time.monotonic() < give_up_at, f"only {len(answers)} answers in time"
        for key, _ in selector.select(timeout=1):
            state = key.data
            got = state["socket"].recv(1 << 16)
            assert got, f"connection {state['connection']} closed after {state['number']} answers"
            state["bytes"] += got
            end = state["bytes"].find(b"\r\n\r\n")
            if end < 0:
                continue
            head = head_re.match(state["bytes"][:end + 2])
            assert head, f"no usable head: {state['bytes'][:end]!r}"
            length = int(head[2])
            body = state["bytes"][end + 4:]
            if len(body) < length:
                continue
            assert len(body) == length, f"bytes after the answer: {body[length:]!r}"
            answers[state["connection"], state["number"]] = (int(head[1]), body)
            state["bytes"] = b""
            state["number"] += 1
            if not send(state):
                selector.unregister(state["socket"])
                state["socket"].close()
                open_connections -= 1
    selector.close()
    return answers
