#!/usr/bin/python3
"""parts - what answers in parts cost: the time to the first one, and the memory that a million take.

    tests/bench/parts.py [--parts N] [--rounds N] [--language c|python|nodejs]

`first` is the time from the last byte of a request to the first byte of its first part: by HTTP
through the proxy, and on the launcher's own pipes without one. Both take turns, so what else the
machine does meets both. `memory` is VmRSS of proxy and launcher before and after one activation that
sends N parts to a client that reads them all. Prints JSON; needs a build in build/, or in BUILD.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
PROGRAM = BUILD / "proxy/whiskloop"
WAIT_S = 60
WARM = 200  # requests that are not counted

CODES = {
    "c": ("hello.c", r"""
#include <whisk_action.h>
int whisk_main(struct whisk *w)
{
    int64_t n = whisk_get_int(w, "n", 1);
    for (int64_t i = 0; i < n; i++) {
        whisk_add_int(w, "i", i);
        if (whisk_part(w, NULL) != 0) return 0;
    }
    return whisk_add_int(w, "total", n);
}
"""),
    "python": ("hello.py", """
def main(args):
    for i in range(args["n"]):
        yield {"i": i}
    return {"total": args["n"]}
"""),
    "nodejs": ("hello.js", """
function* main(args) {
    for (let i = 0; i < args.n; i++)
        yield { i };
    return { total: args.n };
}
"""),
}


def line_of(n):
    return json.dumps({"value": {"n": n}}).encode()


class Direct:
    """The launcher by itself: the proxy's place is ours."""

    def __init__(self, folder, language, path):
        command = {"python": ["python3", "-u", ROOT / "runtime/python/launcher.py", path],
                   "nodejs": ["node", ROOT / "runtime/nodejs/launcher.js", path],
                   "c": [folder / "program"]}[language]
        if language == "c":
            subprocess.run(["cc", "-O2", "-I", ROOT / "runtime/c", "-o", command[0], path,
                            "-DWHISK_FUNCTIONS=FUNCTION(main,whisk_main)", ROOT / "runtime/c/main.c",
                            BUILD / "runtime/c/libwhisk_action.a", "-lpthread"], check=True)
        # The SDK answers on 3, as in ActionLoop; the others on 1.
        log = os.open(os.devnull, os.O_WRONLY)
        self.answers, end = os.pipe()
        on_1, on_3 = (log, end) if language == "c" else (end, log)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=on_1, stderr=log, bufsize=0, cwd=folder, pass_fds=(3,),
            preexec_fn=lambda: os.dup2(on_3, 3), env={**os.environ, "__OW_WAIT_FOR_ACK": "1"})
        os.close(end)
        assert b'"parts":true' in os.read(self.answers, 4096)

    def first_us(self):
        line = line_of(1) + b"\n"
        begun = time.perf_counter_ns()
        self.process.stdin.write(line)
        text = os.read(self.answers, 4096)
        took = time.perf_counter_ns() - begun
        while not text.endswith(b'"total":1}\n'):
            text += os.read(self.answers, 4096)
        assert text == b'+{"i":0}\n{"total":1}\n', text
        return took / 1000

    def close(self):
        self.process.stdin.close()
        self.process.wait(WAIT_S)


class Served:
    """The proxy with the same action, and one connection to it."""

    def __init__(self, path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [PROGRAM, "--listen", "127.0.0.1", "--port", str(self.port), "--action", path, "--log-level", "error",
             "--timeout", "3600000"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + WAIT_S
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port))
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until and self.process.poll() is None
                time.sleep(0.01)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""

    def _send(self, n):
        body = line_of(n)
        self.socket.sendall((
            "POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Accept: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)

    def first_us(self):
        begun = time.perf_counter_ns()
        self._send(1)
        text = self.socket.recv(65536)
        while b'{"part":{"i":0}}\n' not in text:
            text += self.socket.recv(65536)
        took = time.perf_counter_ns() - begun
        while not text.endswith(b"0\r\n\r\n"):
            text += self.socket.recv(65536)
        assert b'{"result":{"total":1}}\n' in text, text
        return took / 1000

    def parts(self, n):
        """Reads an answer of n parts to its end; returns how many there were."""
        self._send(n)
        seen, tail = 0, b""
        while not tail.endswith(b"0\r\n\r\n"):
            text = self.socket.recv(1 << 18)
            assert text, "the proxy has closed the connection"
            seen += (tail + text).count(b'{"part":') - tail.count(b'{"part":')
            tail = (tail + text)[-64:]
        assert b"total" in tail, tail
        return seen

    def rss_kb(self):
        pids = [self.process.pid, *subprocess.run(["pgrep", "-P", str(self.process.pid)], check=True,
                                                  capture_output=True, text=True).stdout.split()]
        return {"proxy" if i == 0 else "launcher": int(re.search(
            r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
                for i, pid in enumerate(pids)}

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(WAIT_S)


def measure(language, rounds, parts):
    name, code = CODES[language]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        path.write_text(code)
        direct, served = Direct(pathlib.Path(folder), language, path), Served(path)
        try:
            for _ in range(WARM):
                direct.first_us(), served.first_us()
            pairs = [(direct.first_us(), served.first_us()) for _ in range(rounds)]
            pipe, proxy = (statistics.median(column) for column in zip(*pairs))
            served.parts(min(parts, 100_000))
            before = served.rss_kb()
            begun = time.monotonic()
            seen = served.parts(parts)
            took = time.monotonic() - begun
            return {"language": language,
                    "first_us": {"pipe": round(pipe, 1), "proxy": round(proxy, 1),
                                 "difference": round(proxy - pipe, 1), "rounds": rounds},
                    "memory": {"parts": seen, "seconds": round(took, 2), "before_kb": before,
                               "after_kb": served.rss_kb()}}
        finally:
            direct.close()
            served.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--language", choices=CODES, action="append")
    options = parser.parse_args()
    for language in options.language or CODES:
        print(json.dumps(measure(language, options.rounds, options.parts)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
