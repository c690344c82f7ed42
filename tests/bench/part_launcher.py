"""The launchers alone: the processor time of an activation whose function does nothing."""

import os
import shlex
import subprocess

import report
from contestants import HELLO, PYTHON, ROOT, turns
from servers import Trouble, run_body

PART = "Launcher alone, a function that does nothing"
LINES = 200_000
ROUNDS = 5
GOAL_US = 2.5
PYTHON_FAST = "Python"
LAUNCHER = str(ROOT / "runtime/python/launcher.py")
FUNCTIONS = {"nothing.py": "def main(args):\n    return {}\n",
             "nothing.js": "exports.main = () => ({});\n"}


def accelerated(build):
    """How the proxy starts Python's launcher, see runtime/python/runtime.json."""
    return [PYTHON, "-X", f"whiskloop={build / 'runtime/python'}", "-u", LAUNCHER]


def launchers(bench):
    """{name: the command}"""
    node = ["node", str(ROOT / "runtime/nodejs/launcher.js")]
    found = {PYTHON_FAST: (accelerated(bench.options.build), "nothing.py"),
             "Python without its accelerator": ([PYTHON, "-u", LAUNCHER], "nothing.py"),
             "Node.js": (node, "nothing.js")}
    return {name: [*command, str(bench.folder / file)] for name, (command, file) in found.items()}


def processor_s(argv, lines, answers):
    """Seconds of processor time, user and system, that a launcher takes for a file of lines."""
    with open(lines, "rb") as given, open(answers, "wb") as taken:
        process = subprocess.Popen(argv, stdin=given, stdout=taken, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Trouble(f"'{shlex.join(argv)}' ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


def check(argv, lines, answers, n):
    processor_s(argv, lines, answers)
    if answers.read_bytes() != b"{}\n" * n:
        raise Trouble(f"'{shlex.join(argv)}' gave no {n} empty answers to {n} lines")


def launcher(bench):
    """Lines come from a file and answers go nowhere, so the time is the launcher's own."""
    for name, text in FUNCTIONS.items():
        (bench.folder / name).write_text(text, encoding="utf-8")
    n = LINES // 10 if bench.options.quick else LINES
    lines, none, answers = (bench.folder / name for name in ("lines", "none", "answers"))
    lines.write_bytes((run_body(HELLO) + b"\n") * n)
    none.write_bytes(b"")
    found = launchers(bench)
    samples = {name: [] for name in found}
    for argv in found.values():
        check(argv, lines, answers, n)
    for number in range(1 if bench.options.quick else ROUNDS):
        for name in turns(found, number):
            start_s = processor_s(found[name], none, os.devnull)
            samples[name].append((processor_s(found[name], lines, os.devnull) - start_s) / n * 1e6)
    for name, argv in found.items():
        bench.add(report.of_samples(samples[name], part=PART, name=name, unit="us",
                                    below=GOAL_US if name == PYTHON_FAST else None,
                                    command=f"{shlex.join(argv)} <{lines} >{os.devnull}",
                                    more={"launcher": name}))
