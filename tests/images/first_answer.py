#!/usr/bin/env python3
"""first_answer - how long a Python action takes from the start of the proxy to its first answer.

    first_answer.py N PROGRAM [OPTION]...

Start PROGRAM N times, /init it at once with a small action, ask that once, and print the milliseconds
from exec as one JSON object: of each time, and the median of each step. Runs where the proxy runs, in
a container too, and needs nothing but Python. Where it may, with real-time priority, which what is
started inherits: so it measures the program, and not what else the machine does.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

CODE = "def main(args):\n    return args\n"
INIT = {"value": {"code": CODE, "main": "main", "binary": False}}
RUN = {"value": {"a": 1}}
STEPS = ("to listening", "/init", "/run")
LOOK_AGAIN_S = 0.0002
GIVE_UP_S = 60


def ask(connection, path, body):
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, answer.status, text)


def connected(port, give_up_at):
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        try:
            connection.connect()
            return connection
        except OSError:
            assert time.monotonic() < give_up_at, "the program does not listen"
            time.sleep(LOOK_AGAIN_S)


def one_start(command):
    """The moments of one start in seconds: exec, listening, after /init, after /run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    moments = [time.monotonic()]
    with subprocess.Popen([*command, "--listen=127.0.0.1", f"--port={port}"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            connection = connected(port, moments[0] + GIVE_UP_S)
            moments.append(time.monotonic())
            for path, body in (("/init", INIT), ("/run", RUN)):
                ask(connection, path, body)
                moments.append(time.monotonic())
            connection.close()
        finally:
            program.terminate()
    return moments


def main():
    n, command = int(sys.argv[1]), sys.argv[2:]
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        priority = "real-time"
    except PermissionError:
        priority = "usual"
    starts = [one_start(command) for _ in range(n)]
    steps = {name: statistics.median(moments[i + 1] - moments[i] for moments in starts)
             for i, name in enumerate(STEPS)}
    spans = sorted(moments[-1] - moments[0] for moments in starts)
    print(json.dumps({"priority": priority, "median_ms": round(statistics.median(spans) * 1e3, 1),
                      "steps_ms": {name: round(span * 1e3, 1) for name, span in steps.items()},
                      "all_ms": [round(span * 1e3, 1) for span in spans]}))


if __name__ == "__main__":
    main()
