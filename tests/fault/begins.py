#!/usr/bin/env python3
"""Counts how often each activation is begun, on many connections, amid every way that a process can end.

Each activation has an id of its own, which the action appends to a file before anything else. At the end no id may
have been begun twice, each must have been answered once and as its own, and no
more innocents may have failed than deaths allow. Exit status 1 when anything does not add up.

    begins.py [--quick] [--activations N] [--more N] [--each N] [--death-every N] [--connections N] [--pool N]
              [--seed N] [--only NAME]...

WHISKLOOP names the program. The seed draws rounds, what each activation does and which of them a fault from outside
follows; so it replays a run, but for the moments at which processes and clients get a processor.
"""

import argparse
import array
import collections
import dataclasses
import heapq
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))

import counted  # noqa: E402
import whisk  # noqa: E402
from wire import request_bytes  # noqa: E402

SLOW_EVERY, LOG_EVERY = 100, 50     # one run in so many
REPLACED_MAX = 3                    # in a round: more than eight old versions would kill the oldest
# A process that outlives SIGTERM is the hardest to end.
DRAWN = (*counted.DEATHS, "hang", "hang")
OUTSIDE = ("SIGKILL", "SIGTERM", "SIGSTOP")
DEADLINE_MS = (150, 350)            # of one that hangs; the proxy takes 50 off it
OVERTIME_MS = (0, 450)              # how much longer it hangs: some wake before the SIGKILL that follows SIGTERM
REST_S = 90                         # for all answers, on a busy machine
LATE = "The action exceeded its time limits"
DRAINING = "The action is being shut down."
HEAD_RE = re.compile(rb"HTTP/1\.1 (\d{3})[^\n]*\n(?:[^\n]*\n)*?content-length: *(\d+)\r\n", re.IGNORECASE)
UNANSWERED, CLOSED = 0, 1           # statuses that no reply has


@dataclasses.dataclass
class Round:
    """What one proxy is started with, and how it is treated."""
    number: int
    n_activations: int
    death_every: int
    workers: int
    on_sigterm: str
    options: tuple


class Account:
    """Every activation of one target: what it was told to do, what was answered, how often it began."""

    def __init__(self, target):
        self.target = target
        self.does = []                   # by number: what it was told
        self.statuses = array.array("H")
        self.begun = bytearray()
        self.failures = {}               # number -> (status, text)
        self.n_outside = collections.Counter()
        self.faults = []

    def new(self, what):
        self.does.append(what)
        self.statuses.append(UNANSWERED)
        self.begun.append(0)
        return len(self.does) - 1

    def answered(self, number, status, body):
        if self.statuses[number] != UNANSWERED:
            self.faults.append(f"answered twice: {number:x}")
        self.statuses[number] = status
        if status != 200:
            self.failures[number] = status, body
        elif self.does[number] == "exit" and body == self.target.exit_answer:
            pass
        elif body != b'{"id":"%x"}' % number and not self._is_echo(number, body):
            self.faults.append(f"another's answer to {self.does[number]} {number:x}: {body[:100]!r}")

    @staticmethod
    def _is_echo(number, body):
        try:
            return json.loads(body) == {"id": f"{number:x}"}
        except ValueError:
            return False

    def count(self, lines):
        for line in lines:
            try:
                number = int(line, 16)
                self.begun[number] += 1
            except (ValueError, IndexError):
                self.faults.append(f"no id in the file of begins: {line!r}")

    def check(self, first, n_drained):
        """Hold the activations from `first` on, those of one round, against the promise."""
        own, lost = collections.Counter(), []
        for number in range(first, len(self.does)):
            what, status, begun = self.does[number], self.statuses[number], self.begun[number]
            named = f"{what or 'plain'} {number:x}"
            if begun > 1:
                self.faults.append(f"begun {begun} times, answered {status}: {named}")
            if status == 200 and not begun:
                self.faults.append(f"answered and never begun: {named}")
            if status == UNANSWERED or (status == CLOSED and (begun or number < n_drained)):
                self.faults.append(f"no answer, begun {begun} times: {named}")
            if status in (200, UNANSWERED, CLOSED):
                continue
            error = self._error_of(number)
            late = what == "hang" and error is not None and error.startswith(LATE)
            if error is None:
                self.faults.append(f"a failure without a text: {named}: {self.failures[number]}")
            elif what in counted.DEATHS and begun:
                own[what] += 1
            elif not begun and (late or (number >= n_drained and error == DRAINING)):
                pass
            else:  # begun, or killed between its being read and its begin
                lost.append(f"{named}, begun {begun} times: {status} {error}")
        return own, lost

    def _error_of(self, number):
        try:
            return json.loads(self.failures[number][1])["error"]
        except (ValueError, KeyError, TypeError):
            return None


class Client:
    """A connection with one request at a time on it."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=whisk.WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = None
        self.came = b""

    def ask(self, number, body):
        self.number = number
        self.sock.sendall(request_bytes("/run", body))

    def hear(self):
        """(status, body) of a whole answer, () of a part of one, None when the connection has ended."""
        try:
            got = self.sock.recv(1 << 16)
        except ConnectionError:
            got = b""
        if not got:
            return None
        self.came += got
        end = self.came.find(b"\r\n\r\n")
        if end < 0:
            return ()
        head = HEAD_RE.match(self.came[:end + 2])
        n = int(head[2])
        body = self.came[end + 4:end + 4 + n]
        if len(body) < n:
            return ()
        self.came = self.came[end + 4 + n:]
        return int(head[1]), body


class Driver:
    """One round: a proxy from its start to its end."""

    def __init__(self, account, this, args, folder):
        target = account.target
        self.account, self.round, self.target, self.args = account, this, target, args
        self.rng = random.Random(f"{args.seed} {target.name} {this.number}")
        self.folder = folder / f"{this.number}"
        self.folder.mkdir()
        self.begins = self.folder / "begins"
        self.begins.touch()
        self.poll = select.epoll()
        self.clients = {}
        self.due = []                # (when, pid, signal)
        self.n_served = self.n_served_at_death = 0
        self.replaced = []
        self.lost = []
        env = {**target.env, "LANG": "C.UTF-8"}
        if target.name == "go":
            env["GOCACHE"] = str(folder / "go-cache")
        # As large as its action's answers are small: sentinels and logs are not what is counted here.
        self.proxy = whisk.Proxy(self.folder, [*target.options, "--workers", this.workers, "--allow-reinit",
                                               *this.options], env, streams=("/dev/null", None))

    # --- what an activation does ---

    def draw(self):
        """What the next one does, and what follows it from outside. Draws the same number of times whatever comes
        of it, so that a seed tells what each does."""
        rng, this = self.rng, self.round
        death = rng.randrange(this.death_every) == 0
        what, deadline_ms, over_ms = rng.choice(DRAWN), rng.randint(*DEADLINE_MS), rng.randint(*OVERTIME_MS)
        outside, signo = rng.randrange(2 * this.death_every) == 0, rng.choice(OUTSIDE)
        replace = rng.randrange(max(100, this.n_activations // 2)) == 0
        other = rng.random()
        if death or outside:
            # An action that dies over and over before it serves anybody counts as broken.
            if self.n_served == self.n_served_at_death:
                death = outside = False
            else:
                self.n_served_at_death = self.n_served
        # Not amid a replacement: that would be its compiler, or its launcher that is loading.
        replaced = all(one.done for one in self.replaced)
        if outside and replaced:
            self.hit(signo)
        if replace and replaced and not self.due and len(self.replaced) < REPLACED_MAX:
            self.replaced.append(self.proxy.later(self.proxy.init, self.code(), env=self.env()))
        if death:
            return what, deadline_ms, deadline_ms + over_ms
        if other < 1 / SLOW_EVERY:
            return "slow", None, 1 + int(other * SLOW_EVERY * 9)
        return ("log" if other < 1 / SLOW_EVERY + 1 / LOG_EVERY else ""), None, 0

    def body(self, number, what, deadline_ms, n):
        body = b'{"value":{"id":"%x","do":"%s","n":%d}' % (number, what.encode(), n)
        if what == "hang":
            body += b',"deadline":"%d"' % (time.time() * 1000 + deadline_ms)
        return body + b"}"

    def code(self):
        if self.target.program is None:
            return self.target.code
        program = self.folder / "action"
        if not program.exists():
            source = self.folder / "action.c"
            source.write_text(self.target.program)
            subprocess.run(["cc", "-O1", "-o", program, source], check=True, timeout=whisk.WAIT_S)
        return program.read_bytes()

    def env(self):
        return {"BEGINS": str(self.begins), "ON_SIGTERM": self.round.on_sigterm}

    # --- faults from outside ---

    def hit(self, name):
        victims = [pid for pid in self.children() if all(pid != other for _, other, _ in self.due)]
        if not victims:
            return
        victim = self.rng.choice(sorted(victims)) if len(victims) > 1 else victims[0]
        self.account.n_outside[name] += 1
        try:
            os.kill(victim, getattr(signal, name))
        except ProcessLookupError:
            return
        if name == "SIGSTOP":
            heapq.heappush(self.due, (time.monotonic() + 0.05, victim, signal.SIGKILL))

    def children(self):
        try:
            text = pathlib.Path(f"/proc/{self.proxy.pid}/task/{self.proxy.pid}/children").read_text()
        except OSError:
            return self.proxy.children()
        return [int(pid) for pid in text.split()]

    # --- the load ---

    def ask(self, client):
        what, deadline_ms, n = self.draw()
        number = self.account.new(what)
        try:
            client.ask(number, self.body(number, what, deadline_ms, n))
        except ConnectionError:
            pass  # its end is heard in a moment

    def connect(self):
        for _ in range(self.args.connections):
            client = Client(self.proxy.port)
            self.clients[client.sock.fileno()] = client
            self.poll.register(client.sock.fileno(), select.EPOLLIN)

    def turn(self, asking):
        """Hear what is there, and ask again on whatever connection was answered, while `asking`()."""
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, pid, signo = heapq.heappop(self.due)
            try:
                os.kill(pid, signo)
            except ProcessLookupError:
                pass
        for fd, _ in self.poll.poll(0.02):
            client = self.clients[fd]
            answer = client.hear()
            if answer == ():
                continue
            if answer is None:
                if client.number is not None:
                    self.account.answered(client.number, CLOSED, b"")
                self.drop(fd)
                continue
            number, client.number = client.number, None
            self.n_served += answer[0] == 200
            self.account.answered(number, *answer)
            if asking():
                self.ask(client)

    def drop(self, fd):
        self.poll.unregister(fd)
        self.clients.pop(fd).sock.close()

    def under_way(self):
        return any(client.number is not None for client in self.clients.values())

    def run(self):
        account, this = self.account, self.round
        first = len(account.does)
        answer = self.proxy.init(self.code(), env=self.env())
        if answer.status != 200:
            account.faults.append(f"/init: {answer!r} {self.proxy.err_text()}")
            self.proxy.finish()
            return
        self.connect()
        last = first + this.n_activations
        for client in list(self.clients.values()):
            self.ask(client)
        give_up_at = time.monotonic() + REST_S + this.n_activations / 20
        while len(account.does) < last and time.monotonic() < give_up_at and self.clients:
            self.turn(lambda: len(account.does) < last)
        for later in self.replaced:
            answer = later.result()
            if answer.status != 200:
                account.faults.append(f"a replacement: {answer!r}")
        # The proxy is told to end amid its load: what it has taken is answered, what comes later is refused.
        n_drained = len(account.does)
        self.proxy.terminate()
        give_up_at = time.monotonic() + REST_S
        while self.under_way() and time.monotonic() < give_up_at:
            self.turn(lambda: len(account.does) < n_drained + self.args.connections)
        for fd in list(self.clients):
            self.drop(fd)
        try:
            self.proxy.process.wait(whisk.WAIT_S)
            self.proxy.finish()
        except (AssertionError, subprocess.TimeoutExpired) as fault:
            account.faults.append(str(fault).partition("--- stderr")[0])
        account.count(self.begins.read_text().split("\n")[:-1])
        # Answers that were under way while SIGTERM was sent may be either's.
        self.judge(*account.check(first, n_drained - self.args.connections))

    def judge(self, own, lost):
        """Hold the innocents that failed against the deaths that may have cost them."""
        target, n_outside = self.target, sum(self.account.n_outside.values()) - self.n_outside_before
        allowed = n_outside * target.costs + sum(own.values()) * target.own_costs
        self.lost = lost
        if len(lost) > allowed:
            self.account.faults.append(
                f"{len(lost)} innocents failed, where {n_outside} deaths from outside and"
                f" {sum(own.values())} of their own doing allow {allowed}: {lost[:5]}")

    n_outside_before = 0


def rounds_of(target, args, n_total, per_round):
    """Which rounds there are, drawn by the seed: all ways of SIGTERM, one worker and several, in turn."""
    rng = random.Random(f"{args.seed} {target.name}")
    ways = [(), *target.ways]
    modes = ["default", "ignore", "handle"]
    rng.shuffle(modes)
    n_rounds = max(1, -(-n_total // per_round))
    for number in range(n_rounds):
        yield Round(number, min(per_round, n_total - number * per_round), args.death_every,
                    (1, args.pool)[number % 2], modes[number % 3], rng.choice(ways))


def run_target(target, args, n_total, per_round):
    """Returns whether everything adds up, having printed the account."""
    account, began_at, n_lost = Account(target), time.monotonic(), 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="whiskloop-begins-"))
    n_rounds = 0
    try:
        for this in rounds_of(target, args, n_total, per_round):
            driver = Driver(account, this, args, folder)
            driver.n_outside_before = sum(account.n_outside.values())
            n_before = len(account.faults)
            driver.run()
            n_lost += len(driver.lost)
            n_rounds += 1
            for fault in account.faults[n_before:][:args.tell]:
                print(f"    round {this.number} ({this.workers} workers, SIGTERM: {this.on_sigterm}"
                      f" {' '.join(this.options)}): {fault}")
            shutil.rmtree(driver.folder, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(account, n_rounds, n_lost, time.monotonic() - began_at)
    return not account.faults


def tell(account, n_rounds, n_lost, seconds):
    deaths = collections.Counter(what for what in account.does if what in counted.DEATHS)
    twice = sum(n > 1 for n in account.begun)
    told = ", ".join(f"{name} {n}" for name, n in sorted({**deaths, **account.n_outside}.items()))
    print(f"  {account.target.name}: {len(account.does)} activations in {n_rounds} rounds, {seconds:.0f} s; {told}")
    print(f"  {account.target.name}: {twice} begun more than once; {n_lost} innocents failed;"
          f" {len(account.faults)} things that do not add up")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="some thousands, of what is quick; about half a minute")
    parser.add_argument("--activations", type=int, default=1_000_000, help="of each main language")
    parser.add_argument("--more", type=int, default=20_000, help="of each other one")
    parser.add_argument("--each", type=int, default=20_000, help="in a round at most, with a proxy of its own")
    parser.add_argument("--death-every", type=int, default=400, help="one death in so many activations")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--pool", type=int, default=3, help="workers in every second round")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", action="append", choices=[target.name for target in counted.ALL])
    parser.add_argument("--tell", type=int, default=5, help="faults of a round that are told")
    args = parser.parse_args()
    if args.quick:
        args.activations, args.each, args.more, args.death_every = 3000, 1500, 250, 120
    print(f"begins: seed {args.seed}")
    pipeline, fine = counted.has_pipeline(), True
    for target in counted.ALL:
        if args.only and target.name not in args.only:
            continue
        missing = target.missing(pipeline)
        if args.quick and target.slow:
            missing = "not in a quick run"
        if missing is not None:
            print(f"  {target.name}: skipped: {missing}")
            continue
        n = args.activations if target.main else args.more
        fine &= run_target(target, args, n, min(args.each, n))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
