"""--health-interval: an idle process that is stopped, or reads no more, is found and replaced without a call."""

import math
import os
import pathlib
import platform
import re
import signal

import pytest

from languages import language
from test_functions import CODES, SLOW
from whisk import wait_until

PID = "import os\ndef main(args):\n    return {'pid': os.getpid()}\n"
# Matching holds the interpreter's lock for longer than anybody waits.
HANGS = ("import os, re, threading\ndef hang():\n    re.match(r'(a+)+$', 'a' * 64 + 'b')\n"
         "def main(args):\n    if args.get('hang'):\n        threading.Timer(0.1, hang).start()\n"
         "    return {'pid': os.getpid()}\n")
NOT_ASKED = ("lua",)  # its launcher reads no control lines
LOOP = "#!/bin/bash\nwhile read -r line; do echo \"{\\\"pid\\\":$$}\"; done\n"


def replaced(one, pid):
    """The process was found to hang, and another one serves."""
    wait_until(lambda: re.search(rf"worker\.exit pid={pid} cause=hung ", one.err_text()), "the end of the hung process")
    assert one.run({}).json["pid"] != pid


@pytest.mark.parametrize("runtime, code", [("python", PID), ("native", LOOP)])
def test_a_process_that_is_stopped(proxy, runtime, code):
    one = proxy("--runtime", runtime, "--health-interval", 100, "--log-level", "info")
    one.started(code)
    pid = one.run({}).json["pid"]
    os.kill(pid, signal.SIGSTOP)
    replaced(one, pid)


def test_an_interpreter_that_hangs_in_a_thread(proxy):
    one = proxy("--runtime", "python", "--health-interval", 100, "--log-level", "info")
    one.started(HANGS)
    replaced(one, one.run({"hang": True}).json["pid"])


def test_a_hung_process_costs_the_next_activation_nothing(proxy):
    """The request comes between a look and the end of the process; it is run once, by the next one."""
    one = proxy("--runtime", "python", "--health-interval", 100, "--log-level", "info")
    one.started(HANGS)
    pid = one.run({"hang": True}).json["pid"]
    before = used_ticks(pid)  # idle, it takes none
    wait_until(lambda: used_ticks(pid) > before + 3, "it to hang")
    wait_until(lambda: is_asked_in_vain(one, pid), "a question that it leaves unread")
    reply = one.run({})
    assert reply.status == 200, reply
    replaced(one, pid)


@pytest.mark.parametrize("name", [name for name in sorted(CODES) if name not in (*SLOW, *NOT_ASKED)])
def test_one_that_reads_is_left_alone(proxy, name):
    """No launcher takes the question for a request, or for the end of one."""
    row = language(name)
    one = proxy(*row.options, "--health-interval", 10, "--log-level", "info", env=row.env)
    one.started(CODES[name], main="predict,train")
    pid = int(re.findall(r"worker\.start pid=(\d+)", one.err_text())[-1])
    for _ in range(3):
        assert one.run({"a": 1}).json == {"predict": {"a": 1}}
        seen = switches(pid)
        wait_until(lambda seen=seen: switches(pid) >= seen + 5, "looks at the process")
    assert one.run({"a": 1}, method="train").json == {"train": {"a": 1}}
    assert "worker.exit" not in one.err_text() and "worker.distrusted" not in one.err_text()


def is_asked_in_vain(one, pid):
    """It reads one question more, and then waits for the interpreter's lock. Or it is gone already."""
    futex = {"x86_64": "202 ", "aarch64": "98 "}[platform.machine()]
    try:
        return pathlib.Path(f"/proc/{pid}/syscall").read_text().startswith(futex) and one.bytes_in_pipes() > 0
    except OSError:
        return True


def used_ticks(pid):
    """Processor time of a process; without end for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    except OSError:
        return math.inf


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return sum(map(int, re.findall(r"(?m)^(?:non)?voluntary_ctxt_switches:\s+(\d+)", file.read())))
