"""Servers under test: start one, wait until it listens, ask it, read its memory, end it.

What is timed here is kept bare: sockets and bytes that were made beforehand.
"""

import base64
import json
import os
import pathlib
import random
import shlex
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"
WAIT_S = 60  # bound of every wait; generous, as the machine may be busy with something else
# Between two looks whether a server listens. Without a pause the poller takes the processor that
# the server was put on, and doubles what it measures (3 ms became 6).
POLL_S = 0.00002
# Below the ports that the kernel gives to clients: polling one of those could connect to itself.
PORTS = range(20000, 30000)
# Debian's own programs first: a wrapper such as pyenv's costs 100 ms at each start of Python.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

MAX_ASKED_FOR = 16  # more than any script starts

_asked_for = []  # ports that were asked for and not yet used
_running = []  # every server that was started and not yet ended


class Trouble(Exception):
    """Something did not run, or an answer was wrong."""


def request_bytes(path, body):
    """A whole request, ready to be sent."""
    head = (f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def run_body(value):
    """The body of a /run as the platform sends it, with identifiers that never change."""
    return json.dumps({
        "value": value, "namespace": "guest", "action_name": "/guest/hello",
        "action_version": "0.0.1", "activation_id": "0123456789abcdef" * 2,
        "transaction_id": "fedcba9876543210" * 2, "deadline": "4102444800000",
        "api_key": "a:b"}, separators=(",", ":")).encode()


def init_body(path):
    """The body of an /init for the action in this file: source as text, a program as base64."""
    content = pathlib.Path(path).read_bytes()
    is_text = path.suffix != ""
    code = content.decode() if is_text else base64.b64encode(content).decode()
    return json.dumps({"value": {"name": "hello", "main": "main", "code": code,
                                 "binary": not is_text, "env": {}}}).encode()


class Client:
    """One connection that stays open; requests are answered in order."""

    def __init__(self, port, connected=None):
        self.socket = connected or socket.create_connection((HOST, port), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(WAIT_S)
        self.rest = b""  # bytes behind the last answer

    def send(self, request):
        self.socket.sendall(request)

    def _more(self):
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise Trouble("the server closed the connection instead of answering")
        return piece

    def receive(self):
        """(status, body) of one answer."""
        data = self.rest
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, data = data.partition(b"\r\n\r\n")
        length = None
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if length is None:
            raise Trouble(f"an answer does not state its length: {head[:200]!r}")
        pieces = [data]
        have = len(data)
        while have < length:
            pieces.append(self._more())
            have += len(pieces[-1])
        data = b"".join(pieces)
        self.rest = data[length:]
        return int(head.split(b" ", 2)[1]), data[:length]

    def ask(self, request):
        try:
            self.send(request)
            return self.receive()
        except OSError as fault:
            raise Trouble(f"a request was not answered: {fault}") from fault

    def close(self):
        self.socket.close()


def timed(client, request, what):
    """Milliseconds from the first byte sent to the last one received."""
    began = time.perf_counter()
    status, answer = client.ask(request)
    took_ms = (time.perf_counter() - began) * 1000
    if status != 200:
        raise Trouble(f"{what} was answered {status} {answer[:200]!r}")
    return took_ms


def take_ports(first):
    """From now on use `first`, and the ports after it, instead of any free ones."""
    _asked_for.extend(range(first, first + MAX_ASKED_FOR))


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port():
    if _asked_for:
        port = _asked_for.pop(0)
        if not is_free(port):
            raise Trouble(f"port {port} of {HOST} is in use, or not ours to use: "
                          "choose another one, or none to take any that is free")
        return port
    for port in random.sample(PORTS, 100):
        if is_free(port):
            return port
    raise Trouble(f"of 100 ports between {PORTS.start} and {PORTS.stop} none is free")


class Server:
    """One server process. `argv` may hold {port}; it becomes the port that was chosen."""

    def __init__(self, argv, path="/run"):
        self.port = free_port()
        self.argv = [str(word).replace("{port}", str(self.port)) for word in argv]
        self.command = shlex.join(self.argv)
        self.url = f"http://{HOST}:{self.port}{path}"
        self.path = path
        self.environment = {}  # more than what we have ourselves
        self.process = None

    def start(self):
        """Start it and return a connection as soon as it listens, and the seconds that took."""
        environment = {**os.environ, **self.environment, "PATH": PATH}
        with open(os.devnull, "r+b") as null:
            began = time.perf_counter()
            # With close_fds this would be fork and exec; without, it is the quicker posix_spawn.
            # Python's own descriptors are close-on-exec either way.
            self.process = subprocess.Popen(self.argv, stdin=null, stdout=null, stderr=null,
                                            env=environment, close_fds=False)
            _running.append(self)
            connected = self._poll(began + WAIT_S)
            return Client(self.port, connected), time.perf_counter() - began

    def _poll(self, give_up_at):
        """Connect, again and again, until it listens."""
        n_tries = 0
        while True:
            attempt = socket.socket()
            try:
                attempt.connect((HOST, self.port))
                return attempt
            except ConnectionRefusedError:
                attempt.close()
            time.sleep(POLL_S)
            n_tries += 1
            if n_tries % 100 == 0:
                if self.process.poll() is not None:
                    raise Trouble(f"'{self.command}' ended at once, "
                                  f"exit status {self.process.returncode}")
                if time.perf_counter() > give_up_at:
                    raise Trouble(f"'{self.command}' does not listen after {WAIT_S} s")

    def post(self, path, body):
        client = Client(self.port)
        try:
            return client.ask(request_bytes(path, body))
        finally:
            client.close()

    def init(self, path):
        status, answer = self.post("/init", init_body(path))
        if status != 200:
            raise Trouble(f"/init with '{path}' was answered {status} {answer[:300]!r}")

    def check(self, body, expected):
        """That it answers as it should; speed without that is worth nothing."""
        status, answer = self.post(self.path, body)
        try:
            right = status == 200 and json.loads(answer) == expected
        except ValueError:
            right = False
        if not right:
            raise Trouble(f"'{self.command}' answered {status} {answer[:200]!r}; "
                          f"want 200 {json.dumps(expected)[:200]}")
        return answer

    def stop(self):
        """End it with SIGTERM, after some seconds with SIGKILL."""
        if self not in _running:
            return
        _running.remove(self)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Trouble(f"'{self.command}' did not end within {WAIT_S} s of SIGTERM") from None

    def workers_kb(self):
        """Resident memory of each process that it started and that still runs."""
        listed = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for pid in listed.read_text().split():
            try:
                found.append(resident_kb(pid))
            except OSError:  # it has ended since it was listed
                continue
        return found

    def cpu_s(self):
        """Processor time of the server itself, without its workers; in steps of 10 ms."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self):
        return resident_kb(self.process.pid)


def resident_kb(pid):
    """Resident memory. Not from /proc/PID/status: that figure is off by some pages per thread."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise Trouble(f"/proc/{pid}/smaps_rollup tells no Rss")


def kill_all():
    """Leave nothing behind, however the run ends."""
    for server in list(_running):
        server.process.kill()
        server.process.wait()
    _running.clear()
