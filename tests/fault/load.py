"""The soak's clients: many connections in one thread with one selector, some of which misbehave."""

import heapq
import json
import re
import selectors
import socket
import time

from ledger import UNHEARD, Request
from wire import request_bytes

READ_BYTES = 1 << 18
HEAD_RE = re.compile(rb"HTTP/1\.1 (\d{3})[^\n]*\n(?:[^\n]*\n)*?content-length: *(\d+)\r\n",
                     re.IGNORECASE)
RESET = b"\x01\0\0\0\0\0\0\0"  # struct linger {1, 0}: leave with a TCP reset


class Client:
    """One connection with at most one request on its way; opened again whenever it was left."""

    def __init__(self, load):
        self.load = load
        self.sock = self.request = None
        self.turn = 0  # tells a timer that it was meant for an earlier request
        self.unsent = self.held_back = self.came = b""

    # --- asking ---

    def ask(self, now):
        load, rng = self.load, self.load.rng
        kind = load.next_kind()
        self.request = load.make(kind, now)
        self.turn += 1
        self.came = self.held_back = b""
        data = request_bytes("/run", load.body_of(self.request))
        if kind == "cut":
            data = data[:rng.randrange(1, len(data))]
        elif kind == "dawdle":
            at = rng.randrange(1, len(data))
            data, self.held_back = data[:at], data[at:]
        self.unsent = data
        if self.sock is None:
            self._open()
        self._write()
        if kind in UNHEARD:
            load.later(now + rng.choice((0, 0.001, 0.01, 0.1)), self)
        elif kind == "dawdle":
            load.later(now + rng.uniform(0.01, 1), self)

    def _open(self):
        self.sock = socket.create_connection(("127.0.0.1", self.load.port), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.load.selector.register(self.sock, selectors.EVENT_READ, self)

    def _write(self):
        try:
            while self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent):]
        except BlockingIOError:
            pass
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        self.load.selector.modify(self.sock, events, self)

    # --- what happens ---

    def on_time(self, turn, now):
        if turn != self.turn or self.request is None:
            return
        if self.request.kind == "dawdle":
            self.unsent, self.held_back = self.unsent + self.held_back, b""
            self._write()
        else:
            if self.load.rng.random() < 0.5:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.load.ledger.left(self.request)
            self._done()
            self.close()
            self.load.idle(self, now)

    def on_ready(self, events, now):
        if events & selectors.EVENT_WRITE:
            self._write()
        if not events & selectors.EVENT_READ:
            return
        try:
            got = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        if not got or self.request is None:
            what = f"{self.request!r}" if self.request is not None else "no request"
            self.load.faults.append(f"a connection was closed, or spoke unasked, amid {what}: {got!r}")
            self._done()
            self.close()
            return
        self.came += got
        self._take_in(now)

    def _take_in(self, now):
        end = self.came.find(b"\r\n\r\n")
        if end < 0:
            return
        head = HEAD_RE.match(self.came[:end + 2])
        if head is None:
            self.load.faults.append(f"no head of an answer: {self.came[:end]!r}")
            self._done()
            self.close()
            return
        body = self.came[end + 4:]
        if len(body) < int(head[2]):
            return
        if len(body) > int(head[2]):
            self.load.faults.append(f"bytes after the answer to {self.request!r}: {body!r}")
        request = self.request
        if request.kind in UNHEARD:
            return  # it leaves in a moment, without having read this
        request.status, request.text = int(head[1]), body
        self._done()
        self.load.heard(request, now)
        self.load.idle(self, now)

    def _done(self):
        self.request = None
        self.unsent = self.held_back = self.came = b""

    def close(self):
        if self.sock is not None:
            self.load.selector.unregister(self.sock)
            self.sock.close()
            self.sock = None


class Load:
    """
    All clients. `wanted` is filled from outside with the kinds of request that shall come next; what
    is not wanted otherwise is plain.
    """

    def __init__(self, port, connections, rng, ledger):
        self.port, self.rng, self.ledger = port, rng, ledger
        self.selector = selectors.DefaultSelector()
        self.clients = [Client(self) for _ in range(connections)]
        self.wanted = []
        self.faults = []      # what no answer may look like
        self.asking = False
        self.n_heard_200 = 0
        self._timers = []
        self._n = 0

    # --- what the clients call ---

    def next_kind(self):
        return self.wanted.pop() if self.wanted else "plain"

    def make(self, kind, now):
        rng = self.rng
        n = {"slow": rng.randrange(1, 40), "flood": rng.randrange(1, 3000),
             "grow": int(10 ** rng.uniform(1, 6)), "large": int(10 ** rng.uniform(3, 6))}.get(kind, 0)
        self._n += 1
        self.ledger.n_sent[kind] += 1
        return Request(f"{self._n:x}", kind, n, now)

    def body_of(self, request):
        kind = request.kind
        if kind == "broken":
            return b'{"value":{"id":"' + request.id.encode() + b'"'
        value = {"id": request.id, "do": "" if kind in ("plain", "large") else kind, "n": request.n}
        if kind == "large":
            value["pad"] = "y" * request.n
        body = {"value": value}
        if kind == "hang":
            body["deadline"] = str(int(time.time() * 1000) + self.rng.randrange(200, 700))
        return json.dumps(body, separators=(",", ":")).encode()

    def later(self, at, client):
        heapq.heappush(self._timers, (at, id(client), client, client.turn))

    def heard(self, request, now):
        self.n_heard_200 += request.status == 200
        self.ledger.answered(request, now)

    def idle(self, client, now):
        if self.asking:
            client.ask(now)

    # --- what the soak calls ---

    def n_open(self):
        return sum(client.request is not None for client in self.clients)

    def start(self):
        self.asking = True
        for client in self.clients:
            if client.request is None:
                client.ask(time.monotonic())

    def turn(self, wait_s):
        """Let happen what happens, for at most wait_s if nothing does."""
        now = time.monotonic()
        if self._timers:
            wait_s = min(wait_s, max(0, self._timers[0][0] - now))
        for key, events in self.selector.select(wait_s):
            if key.data.sock is key.fileobj:
                key.data.on_ready(events, time.monotonic())
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, client, turn = heapq.heappop(self._timers)
            client.on_time(turn, now)

    def rest(self, limit_s):
        """Ask nothing more, hear all answers, and close the connections."""
        self.asking = False
        give_up_at = time.monotonic() + limit_s
        while self.n_open() > 0 and time.monotonic() < give_up_at:
            self.turn(0.1)
        for client in self.clients:
            if client.request is not None:
                self.faults.append(f"no answer within {limit_s} s: {client.request!r}")
                client._done()  # pylint: disable=protected-access
            client.close()
