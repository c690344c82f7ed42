#!/usr/bin/python3
"""calls - calls.c once more, with a caller in Python: what one call of an action costs.

    calls.py anonymous|named N LINE PROGRAM [ARGUMENT]...

Buffers and pipes as a Python program would have them that wants to be quick: os.read and os.write.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

N_WARM_UP = 20
READ_BYTES = 65536
OPEN_MAX_S = 60  # a callee that does not open its named pipes: SIGALRM ends us


def started(is_named, argv):
    """(process, descriptor to it, descriptor from it)"""
    if not is_named:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return process, process.stdin.fileno(), process.stdout.fileno()
    with tempfile.TemporaryDirectory(prefix="calls.") as folder:
        to, back = os.path.join(folder, "to"), os.path.join(folder, "from")
        os.mkfifo(to)
        os.mkfifo(back)
        # The shell opens both, in this order, and becomes the callee.
        process = subprocess.Popen(
            ["sh", "-c", 'to=$1 back=$2; shift 2; exec "$@" <"$to" >"$back"', "sh", to, back, *argv])
        signal.alarm(OPEN_MAX_S)
        ends = os.open(to, os.O_WRONLY), os.open(back, os.O_RDONLY)
        signal.alarm(0)
        return process, *ends


def call_once(to, back, line):
    os.write(to, line)
    answer = os.read(back, READ_BYTES)
    while not answer.endswith(b"\n"):
        more = os.read(back, READ_BYTES)
        if not more:
            sys.exit("calls.py: the callee ended instead of answering")
        answer += more
    return answer


def main():
    if len(sys.argv) < 5 or sys.argv[1] not in ("anonymous", "named"):
        sys.exit(__doc__)
    n_calls = int(sys.argv[2])
    line = sys.argv[3].encode() + b"\n"
    process, to, back = started(sys.argv[1] == "named", sys.argv[4:])
    first = call_once(to, back, line)
    for _ in range(N_WARM_UP):
        call_once(to, back, line)
    began = time.perf_counter()
    for _ in range(n_calls):
        if call_once(to, back, line) != first:
            sys.exit("calls.py: an answer differs from the first one")
    took_s = time.perf_counter() - began
    os.close(to)
    if process.stdin is not None:
        process.stdin = None  # closed above
    if process.wait() != 0:
        sys.exit(f"calls.py: the callee ended with {process.returncode}")
    print(json.dumps({"calls": n_calls, "us": took_s * 1e6, "answer": json.loads(first)}))


if __name__ == "__main__":
    main()
