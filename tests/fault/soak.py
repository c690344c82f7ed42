#!/usr/bin/env python3
"""Load on a proxy while everything around it fails: its workers, its clients, its log's reader, itself.

At the end every answer must be accounted for, every loss must have its fault, and the proxy must hold
no more than at the start. Exit status 1 when anything does not add up; then the folder with the proxy's
log is kept.

    soak.py [--seconds N] [--connections N] [--workers N] [--seed N] [--action python|c|nodejs|all]

WHISKLOOP names the program, as for the other suites. The faults are drawn by the seed; when they fall
depends on the machine.
"""

import argparse
import collections
import datetime
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))

import faulty  # noqa: E402
import whisk  # noqa: E402
from ledger import Ledger  # noqa: E402
from load import Load  # noqa: E402

# Faults per second.
KINDS_PER_S = {"slow": 10, "flood": 3, "forge": 10, "grow": 5, "large": 10, "exit": 2, "hang": 1,
               "nonsense": 10, "broken": 5, "cut": 5, "leave": 10, "dawdle": 3}
MORE_KINDS_PER_S = {"c": {"half": 2, "twice": 10, "late-twice": 5}}
# What one activation ends in the process of others is looked at by killing it, at a known moment.
FEWER_KINDS = {"nodejs": ("exit",)}
OPTIONS = {"python": ["--runtime", "python"], "c": ["--runtime", "native", "--answers", "fd3"],
           "nodejs": ["--runtime", "nodejs"]}
OUTSIDE_PER_S = {"worker killed": 6, "worker frozen": 2, "proxy frozen": 0.25,
                 "log reader stalled": 0.4}
FROZEN_S = (0.01, 0.5)
STALLED_S = (0.1, 1)
# What may end a worker, and so may have to wait for the one before.
DEADLY = ("exit", "half", "hang", "worker killed")

WARM_UP_SHARE = 0.2
LOG_SHOWN_S = 3
# The limit of a `hang` whose deadline passed before it arrived, as at a frozen proxy: such a
# deadline is ignored (docs/http.md). Longer than any other activation, shorter than REST_S and
# --idle-timeout.
LIMIT_MS = 120000
REST_S = 300  # for what comes after a phase, on a machine that is busy for minutes
# Buffers that found their size late, and what malloc keeps between large bodies. A leak of 100 bytes
# per activation would be more than that in a minute.
GROWTH_MAX_KB = 16 << 10
GROWTH_MAX_SANITIZED_KB = 64 << 10


class Collector(threading.Thread):
    """Reads one log stream of the proxy, counts what stands in it, and stalls when told to."""

    MARK = whisk.SENTINEL.encode() + b"\n"

    def __init__(self, fd, rest_path):
        super().__init__(daemon=True)
        self.fd, self.rest_path = fd, rest_path
        self.stalled_until = 0
        self.n_sentinels = self.n_flood_lines = self.n_rest = 0
        self.start()

    def run(self):
        cut = b""
        while True:
            while time.monotonic() < self.stalled_until:
                time.sleep(0.01)
            data = os.read(self.fd, 1 << 20)
            if not data:
                return
            whole, newline, cut = (cut + data).rpartition(b"\n")
            self.take_in(whole + newline)

    def take_in(self, text):
        lines = text.splitlines(keepends=True)
        rest = [line for line in lines if line not in (self.MARK, faulty.FLOOD_LINE)
                and line != b'{"id":"forged"}\n']
        self.n_sentinels += lines.count(self.MARK)
        self.n_flood_lines += lines.count(faulty.FLOOD_LINE)
        if rest and self.n_rest < 1 << 20:  # for the look at what sanitizers say
            self.n_rest += sum(map(len, rest))
            with open(self.rest_path, "ab") as file:
                file.writelines(rest)


class Faults:
    """What is done to the proxy from outside, each kind at random moments."""

    def __init__(self, proxy, load, ledger, collectors, rates, rng):
        self.proxy, self.load, self.ledger = proxy, load, ledger
        self.collectors, self.rng, self.rates = collectors, rng, rates
        self.frozen = {}  # pid -> when it thaws
        self.dying = {}   # pid -> its [from, until] in the ledger
        self.n_200_at_death = 0
        now = time.monotonic()
        self.due = {name: now + rng.expovariate(rate) for name, rate in rates.items()}

    def send(self, pid, signo):
        try:
            os.kill(pid, signo)
            return True
        except ProcessLookupError:
            return False

    def thaw(self, now=float("inf")):
        for pid in [pid for pid, at in self.frozen.items() if at <= now]:
            del self.frozen[pid]
            self.send(pid, signal.SIGCONT)

    def see_the_dead(self):
        """A kill takes effect some time after the call. Returns whether all are dead."""
        for pid in [pid for pid in self.dying if not whisk.is_alive(pid)]:
            self.dying.pop(pid)[1] = time.monotonic()
        return not self.dying

    def turn(self):
        """Do what is due. Returns the time until the next fault."""
        now = time.monotonic()
        self.thaw(now)
        self.see_the_dead()
        for name, at in self.due.items():
            if at <= now:
                self.due[name] = now + self.rng.expovariate(self.rates[name])
                self.inject(name, now)
        return max(0, min([*self.due.values(), *self.frozen.values()]) - time.monotonic())

    def inject(self, name, now):
        if name in DEADLY:
            # Only when somebody was served since the last one: a busy machine would start workers
            # and do nothing else.
            if self.load.n_heard_200 == self.n_200_at_death:
                return
            self.n_200_at_death = self.load.n_heard_200
        if name not in OUTSIDE_PER_S:
            self.load.wanted.append(name)
        elif name == "proxy frozen":
            self.freeze(name, self.proxy.pid, now)
        elif name == "log reader stalled":
            self.ledger.injected[name] += 1
            self.rng.choice(self.collectors).stalled_until = now + self.rng.uniform(*STALLED_S)
        else:
            victims = [pid for pid in self.proxy.children() if pid not in self.dying]
            if victims and name == "worker frozen":
                self.freeze(name, self.rng.choice(victims), now)
            elif victims:
                victim = self.rng.choice(victims)
                kill = self.ledger.killed(now)
                self.send(victim, signal.SIGKILL)
                self.dying[victim] = kill

    def freeze(self, name, pid, now):
        if pid not in self.frozen and self.send(pid, signal.SIGSTOP):
            self.ledger.injected[name] += 1
            self.frozen[pid] = now + self.rng.uniform(*FROZEN_S)


def log_time(at_s):
    """A moment as the proxy's log has it."""
    return datetime.datetime.fromtimestamp(at_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def held(proxy):
    """What the proxy holds: memory, threads, living children, descriptors by kind."""
    kinds = collections.Counter("/proc" if link.startswith("/proc/") else link.partition(":")[0]
                                for link in proxy.descriptors())
    status = pathlib.Path(f"/proc/{proxy.pid}/status").read_text()
    return {"memory in KB": proxy.memory_kb("VmRSS"),
            "threads": int(re.search(r"^Threads:\s+(\d+)$", status, re.M)[1]),
            "processes": len(proxy.children()), "zombies": len(proxy.zombies()),
            **{f"descriptors: {kind}": n for kind, n in sorted(kinds.items())}}


class Soak:
    """One proxy with one action, from its start to its end."""

    def __init__(self, action, args, folder):
        self.action, self.args, self.folder = action, args, folder
        self.rng = random.Random(f"{args.seed} {action}")
        self.faults = []
        # Small, or what is freed would be taken for what is lost.
        asan = os.environ.get("ASAN_OPTIONS", "")
        env = {"ASAN_OPTIONS": f"{asan}:quarantine_size_mb=4".lstrip(":"),
               "__OW_ALLOW_CONCURRENT": "true"}
        ends = [os.pipe(), os.pipe()]
        # Each worker counts its crashes in a row. Kills may hit one worker in six starts while the
        # others serve; the circuit breaker has tests of its own.
        self.log = folder / "proxy.log"
        options = [*OPTIONS[action], "--workers", str(args.workers), "--broken-after", "0",
                   "--timeout", LIMIT_MS, "--log-level", "info", "--log-file", self.log]
        self.proxy = whisk.Proxy(folder, options, env, streams=[write for _, write in ends])
        self.collectors = [Collector(read, self.proxy.err_path) for read, _ in ends]
        self.ledger = Ledger(one_at_a_time=action != "nodejs")

    def code(self):
        if self.action != "c":
            return faulty.PYTHON if self.action == "python" else faulty.NODEJS
        source, program = self.folder / "action.c", self.folder / "action"
        source.write_text(faulty.C)
        subprocess.run(["cc", "-O1", "-o", program, source], check=True, timeout=whisk.WAIT_S)
        return program.read_bytes()

    def new_load(self):
        return Load(self.proxy.port, self.args.connections, self.rng, self.ledger)

    def phase(self, seconds):
        """Load and faults for so long, then none; returns when all is quiet and everybody is back."""
        rates = {**KINDS_PER_S, **OUTSIDE_PER_S, **MORE_KINDS_PER_S.get(self.action, {})}
        for kind in FEWER_KINDS.get(self.action, ()):
            del rates[kind]
        load = self.new_load()
        faults = Faults(self.proxy, load, self.ledger, self.collectors, rates, self.rng)
        end = time.monotonic() + seconds
        load.start()
        while time.monotonic() < end and not load.faults:
            wait_s = faults.turn()
            load.turn(min(wait_s, 0.1))
        whisk.wait_until(faults.see_the_dead, "the killed to be dead", REST_S)
        faults.thaw()
        for collector in self.collectors:
            collector.stalled_until = 0
        load.rest(REST_S)
        self.faults += load.faults
        self.bring_back()

    def bring_back(self):
        """Work until all workers are there: one that ended while idle may wait for a job."""
        def all_back():
            load = self.new_load()
            load.wanted = ["slow"] * 4 * self.args.workers
            load.start()
            load.rest(REST_S)
            self.faults += load.faults
            return len(self.proxy.children()) == self.args.workers and not self.proxy.zombies()
        whisk.wait_until(all_back, "all workers to be back", REST_S)
        self.proxy.wait_left(REST_S)

    def check(self, before, after):
        ledger, faults = self.ledger, self.faults
        ledger.read_log(self.log.read_text(), time.monotonic() - time.time())
        faults += [f"answered as nothing explains: {request!r}" for request in ledger.wrong]
        faults += [f"lost though no worker was killed then: {request!r}"
                   for request in ledger.unexplained_deaths()]
        n_told = sum(sum(counts.values()) for counts in ledger.answers.values())
        n_sent = sum(ledger.n_sent.values())
        if n_told != n_sent:
            faults.append(f"{n_sent} requests, and {n_told} accounts of them")
        for collector, name in zip(self.collectors, ("stdout", "stderr")):
            n = collector.n_sentinels
            if not ledger.n_activations <= n <= ledger.n_activations + ledger.n_unheard:
                faults.append(f"{n} sentinels on {name} after {ledger.n_activations} answers and"
                              f" {ledger.n_unheard} clients that left")
        n = self.collectors[0].n_flood_lines
        if not ledger.n_flood_lines <= n <= ledger.n_flood_lines + ledger.n_flood_lines_more:
            faults.append(f"{n} lines of floods, {ledger.n_flood_lines} were answered for")
        growth_max_kb = GROWTH_MAX_SANITIZED_KB if whisk.is_sanitized() else GROWTH_MAX_KB
        for name, most in {**before, "memory in KB": before["memory in KB"] + growth_max_kb}.items():
            if after.get(name, 0) > most:
                faults.append(f"grown: {name} from {before[name]} to {after[name]}")
        faults += [f"grown: {name} from none to {after[name]}" for name in after.keys() - before]

    def log_before(self, at):
        """What the proxy logged in the seconds before a moment of the monotonic clock."""
        begin, end = (log_time(at - time.monotonic() + time.time() + more) for more in (-LOG_SHOWN_S, 0.1))
        with open(self.log, encoding="utf-8") as log:
            return [line for line in log if begin <= line.partition(" ")[0] <= end]

    def run(self, seconds):
        """Returns whether everything adds up, having printed the account."""
        began_at = time.monotonic()
        self.proxy.started(self.code())
        self.phase(seconds * WARM_UP_SHARE)
        before = held(self.proxy)
        self.phase(seconds * (1 - WARM_UP_SHARE))
        after = held(self.proxy)
        try:
            self.proxy.finish()
        except AssertionError as fault:
            self.faults.append(str(fault))
        for collector in self.collectors:
            collector.join(REST_S)
        self.check(before, after)
        self.tell(time.monotonic() - began_at, before, after)
        return not self.faults

    def tell(self, seconds, before, after):
        ledger = self.ledger
        print(f"\n{self.action}: {self.args.workers} workers, {self.args.connections} connections,"
              f" seed {self.args.seed}, {seconds:.0f} s")
        for name, times, told in ledger.table():
            print(f"  {name:32} {times:>9}  {told}")
        print(f"  {'held':32} {'begin':>9}  end")
        for name in sorted({*before, *after}):
            print(f"  {name:32} {before.get(name, 0):>9}  {after.get(name, 0)}")
        if self.faults:
            print("  DOES NOT ADD UP:")
        else:
            print(f"  {self.action}: {sum(ledger.n_sent.values())} requests amid {ledger.n_faults()} faults;"
                  f" lost: {len(ledger.exited)}, each running in a worker when it was killed")
        for fault in self.faults[:20]:
            print(f"    {fault}")
        if len(self.faults) > 20:
            print(f"    and {len(self.faults) - 20} more")
        for request in ledger.unexplained_deaths()[:1]:
            print(f"  proxy.log before {request!r}:")
            print("".join(f"    {line}" for line in self.log_before(request.ended_at)), end="")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--action", choices=[*OPTIONS, "all"], default="all")
    args = parser.parse_args()
    actions = list(OPTIONS) if args.action == "all" else [args.action]
    fine = True
    for action in actions:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="whiskloop-soak-"))
        passed = False
        try:
            passed = Soak(action, args, folder).run(args.seconds / len(actions))
        finally:
            if passed:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                print(f"{folder} is kept, with the proxy's log in proxy.log", flush=True)
        fine &= passed
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
