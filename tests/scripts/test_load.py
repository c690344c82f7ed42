"""The benchmarks' load generator and callers: they count what they must, and tell what is wrong."""

import json
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from conftest import ROOT, WAIT_S

BENCH = ROOT / "tests/bench"
LINE = '{"value":{"name":"Mike"}}'
ANSWER = b'{"greeting":"Hello!"}'
STALL_S = 1


def compiled(folder, name, *sources):
    program = folder / name
    compiler = shutil.which("cc") or pytest.skip("no C compiler")
    subprocess.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-I", ROOT / "proxy", "-o",
                    program, *sources], check=True, timeout=WAIT_S)
    return program


@pytest.fixture(scope="module")
def openload(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("load"), "openload", BENCH / "openload.c")


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    base = ROOT / "proxy/base"
    return compiled(tmp_path_factory.mktemp("calls"), "calls", BENCH / "calls/calls.c",
                    base / "buf.c", base / "line.c", base / "util.c")


class Server:
    """Answers on each connection what `answer(number)` says; None closes the connection."""

    def __init__(self, answer, hold=None):
        self.answer, self.hold, self.n_asked = answer, hold, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            while connection.recv(65536):  # a request fits in one piece
                if self.hold is not None:
                    self.hold.wait(STALL_S)
                    self.hold.set()
                self.n_asked += 1
                answer = self.answer(self.n_asked)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that holds it open
        self.listener.close()


def reply(body=ANSWER, status="200 OK"):
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def run_openload(program, server, tmp_path, rate, connections, seconds):
    body = tmp_path / "body.json"
    body.write_text(LINE)
    try:
        return subprocess.run([program, str(server.port), "/run", str(rate), str(connections),
                               str(seconds), body], capture_output=True, text=True, timeout=WAIT_S)
    finally:
        server.close()


def test_each_request_that_was_due_is_sent_and_counted_once(openload, tmp_path):
    server = Server(lambda _: reply())
    done = run_openload(openload, server, tmp_path, 500, 4, 1)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["due"], told["answered"], told["unanswered"]) == (500, 500, 0)
    assert server.n_asked == 500


def test_a_stall_is_charged_to_all_requests_that_were_due_in_it(openload, tmp_path):
    """With one connection and a first answer that takes a second, the requests of that second
    wait for up to a second, though only one was sent. Lower bounds only: a busy machine adds."""
    server = Server(lambda _: reply(), hold=threading.Event())
    done = run_openload(openload, server, tmp_path, 100, 1, 2)
    assert done.returncode == 0, done.stderr
    latency = json.loads(done.stdout)["latency_us"]
    assert latency["100"] >= 900_000
    assert latency["75"] >= 450_000  # a quarter of the 200 requests was due in the first half


@pytest.mark.parametrize("answer, why", [
    (lambda n: reply(status="502 Bad Gateway") if n == 20 else reply(), "want status 200"),
    (lambda n: reply(b'{"greeting":"Other!"}') if n == 20 else reply(), "differs from the first"),
    (lambda n: None if n == 20 else reply(), "closed a connection"),
    (lambda n: reply() + reply() if n == 20 else reply(), "more than one answer|nobody asked for"),
    (lambda n: b"HTTP/1.1 200 OK\r\n\r\n{}", "content-length"),
])
def test_a_wrong_answer_ends_the_load(openload, tmp_path, answer, why):
    done = run_openload(openload, Server(answer), tmp_path, 200, 1, 1)
    assert done.returncode == 1
    assert done.stdout == ""
    assert any(reason in done.stderr for reason in why.split("|")), done.stderr


def test_a_server_that_is_not_there_is_told(openload, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens
        done = subprocess.run(
            [openload, str(silent.getsockname()[1]), "/run", "100", "1", "1", "/dev/null"],
            capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1 and "cannot connect" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["0", "/run", "1", "1", "1"], ["80", "/run", "0", "1", "1"], ["80", "/run", "nan", "1", "1"],
    ["80", "/run", "1", "0", "1"], ["80", "/run", "1", "1", "0"], ["80", "/run", "1e9", "1", "99"]])
def test_numbers_out_of_bounds_are_refused(openload, arguments):
    done = subprocess.run([openload, *arguments, "/dev/null"], capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode == 2 and "out of its bounds" in done.stderr


LAUNCHER = [sys.executable, ROOT / "runtime/python/launcher.py",
            ROOT / "actions/hello-python/hello.py"]


@pytest.fixture(params=["C", "Python"])
def caller(request, calls):
    return [calls] if request.param == "C" else [sys.executable, BENCH / "calls/calls.py"]


@pytest.mark.parametrize("pipe", ["anonymous", "named"])
def test_calls_go_through_either_kind_of_pipe(caller, pipe, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = subprocess.run([*caller, pipe, "100", LINE, *LAUNCHER], capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["calls"] == 100 and told["us"] > 0
    assert told["answer"] == {"greeting": "Hello, Mike!"}
    assert list(tmp_path.iterdir()) == []


def test_a_byte_goes_to_and_fro_between_two_processes(calls):
    done = subprocess.run([calls, "anonymous", "100", "raw"], capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode == 0 and json.loads(done.stdout)["calls"] == 100


@pytest.mark.parametrize("pipe", ["anonymous", "named"])
@pytest.mark.parametrize("callee", [["false"], ["/nonexistent"], ["sh", "-c", "read a; echo 1"],
                                    ["sh", "-c", "n=0; while read a; do n=$((n+1)); echo $n; done"]])
def test_a_callee_that_ends_or_answers_otherwise_is_told(caller, pipe, callee):
    done = subprocess.run([*caller, pipe, "100", LINE, *callee], capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode != 0
    assert done.stdout == "" and done.stderr != ""
