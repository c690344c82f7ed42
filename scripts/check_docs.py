#!/usr/bin/env python3
"""check_docs - run the code blocks of README.md and docs/ and compare what they print.

    check_docs.py [PAGE.md]...

Each page runs on its own, in order, in one bash session, in a fresh folder that looks like a
checkout. The environment variable BUILD names the folder of the build (build). Prints a line per
page, what was skipped and why, and a difference for each block that is wrong; ends with 1 if there
is any.

A fence with the language `sh` is run and must end with 0; what it prints does not matter. A fence
with the language `console` holds commands after "$ " (continued by "> ") and below each exactly
what it prints; "…" stands for any text within a line, a line with "…" alone for any lines. A
command that ends with "&" stays in the background and writes to a terminal of its own; if it is a
proxy, the next command runs once the proxy listens. The ports 8080, 8081 and 9090 stand for free
ones. A comment on the line before a fence says what else is to be done with it:

    <!-- file: NAME -->        write the block to NAME; "+x" behind the name makes it executable
    <!-- log -->               the programs in the background print these lines next
    <!-- status: N -->         a command of the block ends with N
    <!-- needs: PROGRAM... --> run it only where these programs are installed
    <!-- skip: REASON -->      do not run it
    <!-- show -->              nothing to run: for languages other than sh and console

A line <!-- run: COMMAND --> without a fence runs a command that the reader does not see.
"""

import difflib
import itertools
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATED = {"docs/benchmarks.md": "made by scripts/bench.sh, which runs its commands"}
LINKED = ("actions", "bin", "call", "docker", "jmeter", "proxy", "runtime", "scripts", "tests")
SHELLS = ("sh", "console")
DIRECTIVES = ("file", "log", "status", "needs", "skip", "show", "run")
PORTS = ("8080", "8081", "9090")
COMMAND_S = 120  # most commands take a second or two; a cold Go cache takes longest
LISTEN_S = 60
PORTS_FROM = 10000
PORTS_TRIED = 100

FENCE = re.compile(r"^( *)```(\w*) *$")
COMMENT = re.compile(r"^ *<!-- *(\w+)(?:: *(.*?))? *-->$")
LIST_ITEM = re.compile(r"^ *([-*]|\d+\.) ")
PORT = re.compile(r"(?<![\w.])(" + "|".join(PORTS) + r")(?!\w)")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Wrong(Exception):
    """What is wrong with a page: its line, and a text to read."""

    def __init__(self, line, text):
        super().__init__(text)
        self.line = line


@dataclass
class Block:
    line: int  # of the fence
    language: str
    text: str = ""
    directives: dict = field(default_factory=dict)


# ---- from a page to its blocks ----

def blocks_of(text):
    """The blocks of a page in order; Wrong for one that says neither to run nor to skip it."""
    blocks, waiting = [], {}
    block = indent = None
    in_list = False
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if block is not None:
            if fence and not fence[2]:
                blocks.append(checked(block))
                block = None
            else:
                block.text += line.removeprefix(indent) + "\n"
        elif fence:
            indent = fence[1]
            block = Block(number, fence[2], directives=waiting)
            waiting = {}
        elif (comment := COMMENT.match(line)) and comment[1] in DIRECTIVES:
            if comment[1] == "run":
                blocks.append(Block(number, "sh", comment[2] + "\n"))
            else:
                waiting[comment[1]] = comment[2] or ""
        else:
            if waiting:
                raise Wrong(number, f"no fence follows the comment '{next(iter(waiting))}'")
            in_list = bool(LIST_ITEM.match(line)) or (in_list and line[:1] in (" ", ""))
            if line.startswith("    ") and not in_list:
                raise Wrong(number, "indented code is not checked: use a fence")
    if block is not None or waiting:
        raise Wrong(block.line if block else number, "a fence or a comment is not ended")
    return blocks


def checked(block):
    known = block.directives
    shell = block.language in SHELLS
    if "skip" in known and not known["skip"]:
        raise Wrong(block.line, "skip wants a reason: <!-- skip: needs docker -->")
    if shell and "show" in known:
        raise Wrong(block.line, "commands are run, or skipped with a reason")
    if not shell and not known.keys() & {"file", "log", "show", "skip"}:
        raise Wrong(block.line, f"a block of '{block.language}' wants a comment before it: "
                                "file, log, show or skip")
    return block


def commands_of(block):
    """(first line, command, what it prints) for each command of a console block."""
    commands = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            commands.append((number, line[2:] + "\n", []))
        elif not commands:
            raise Wrong(number, "a console block begins with '$ ' and a command")
        elif line.startswith("> ") and not commands[-1][2]:
            commands[-1] = (commands[-1][0], commands[-1][1] + line[2:] + "\n", [])
        else:
            commands[-1][2].append(line)
    return commands


# ---- comparison ----

def line_fits(want, have):
    return re.fullmatch(".*".join(map(re.escape, want.split("…"))), have) is not None


def lines_fit(want, have):
    """Whether the lines are those wanted; a line "…" stands for any number of lines."""
    if not want:
        return not have
    if want[0] == "…":
        return any(lines_fit(want[1:], have[i:]) for i in range(len(have) + 1))
    return bool(have) and line_fits(want[0], have[0]) and lines_fit(want[1:], have[1:])


def difference(want, have):
    # Where a line with "…" fits, show the printed line, so that only real differences are marked.
    want = [next((one for one in have if "…" in line and line_fits(line, one)), line)
            for line in want]
    lines = difflib.unified_diff(want, have, "the page says", "it printed", lineterm="", n=9)
    return "\n".join("    " + line for line in lines if not line.startswith("@@"))


# ---- running ----

def free_ports(n):
    """Ports that nobody uses, and that no outgoing connection gets before the page uses them."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    free = (port for port in random.sample(range(PORTS_FROM, first_outgoing), PORTS_TRIED)
            if is_free(port))
    return [str(port) for port in itertools.islice(free, n)]


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_alive(pid):
    """Whether a process runs; one that has ended stays a zombie until bash looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Terminal:
    """What the programs in the background print, as a terminal shows it."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.text, self.seen = "", 0
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: the last writer has closed it
                return
            with self.news:
                self.text += ESCAPES.sub("", data.decode("utf-8", "replace").replace("\r", ""))
                self.news.notify_all()

    def unseen(self):
        return self.text[self.seen:].splitlines()

    def wait_for(self, want, seconds):
        """Whether the wanted lines came, one after the other and nothing between them."""
        end = time.monotonic() + seconds
        with self.news:
            while True:
                have = self.unseen()
                for i in range(len(have) - len(want) + 1):
                    if all(map(line_fits, want, have[i:i + len(want)])):
                        lines = self.text[self.seen:].splitlines(keepends=True)
                        self.seen += sum(map(len, lines[:i + len(want)]))
                        return True
                if not self.news.wait(end - time.monotonic()):
                    return False

    def close(self):
        os.close(self.slave)
        self.reader.join(5)
        os.close(self.master)


class Session:
    """One bash in a folder that looks like a checkout, and all that it starts."""

    def __init__(self, work, build):
        self.work, self.folder = work, work / "whiskloop"
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.names = {free: port for port, free in self.ports.items()}
        self.folder.mkdir()
        (work / "tmp").mkdir()
        for name in LINKED:
            (self.folder / name).symlink_to(ROOT / name)
        (self.folder / "build").symlink_to(build)
        (work / "path").mkdir()
        (work / "path/whiskloop").symlink_to(build / "proxy/whiskloop")
        self.terminal = Terminal()
        path = f"{work}/path:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {
            "PATH": path, "HOME": str(work), "LANG": "C.UTF-8", "TMPDIR": str(work / "tmp"),
            "PORT": self.ports["8080"], "WHISKLOOP_PORT": self.ports["8080"], "TERM": "dumb",
            "PKG_CONFIG_PATH": os.environ.get("PKG_CONFIG_PATH", "")}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=self.folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=[self.terminal.slave], start_new_session=True)

    def run(self, line, command):
        """Run a command as if typed. Returns its status and the lines that it printed."""
        out = self.work / "out"
        background = command.rstrip().endswith("&")
        (self.work / "command").write_text(PORT.sub(lambda m: self.ports[m[1]], command))
        target = f">&{self.terminal.slave}" if background else f">{out}"
        out.write_text("")
        self.bash.stdin.write(
            f". {self.work}/command {target} 2>&1 </dev/null; printf '%s %s\\n' $? ${{!:-0}}\n")
        self.bash.stdin.flush()
        ready, _, _ = select.select([self.bash.stdout], [], [], COMMAND_S)
        answer = self.bash.stdout.readline() if ready else ""
        if not re.fullmatch(r"\d+ \d+\n", answer):
            why = "ended the shell" if ready else f"is not done after {COMMAND_S} s"
            raise Wrong(line, f"the command {why}: {command}{answer}{self.tail(out.read_text())}")
        status, pid = map(int, answer.split())
        if background and "whiskloop" in command and " pipe" not in command:
            self.wait_for_proxy(line, command, pid)
        text = ESCAPES.sub("", out.read_text(encoding="utf-8", errors="replace"))
        for free, port in self.names.items():
            text = text.replace(free, port)
        return status, text.splitlines()

    def wait_for_proxy(self, line, command, pid):
        given = re.search(r"--port[ =](\d+)", command)
        port = int(self.ports.get(given[1], given[1]) if given else self.ports["8080"])
        end = time.monotonic() + LISTEN_S
        while time.monotonic() < end and is_alive(pid):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise Wrong(line, f"no proxy listens: {command}{self.tail(self.terminal.text)}")

    @staticmethod
    def tail(text):
        return "".join(f"    | {one}\n" for one in text.splitlines()[-15:])

    def close(self):
        """End what is left in the background, then bash; all of it is ours."""
        try:
            self.bash.stdin.write("kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; exit\n")
            self.bash.stdin.close()
            self.bash.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.bash.wait()
        self.bash.stdout.close()
        self.terminal.close()


@dataclass
class Account:
    run: int = 0
    written: int = 0
    shown: int = 0
    skipped: Counter = field(default_factory=Counter)  # by reason


def write_file(session, block):
    name, _, mode = block.directives["file"].partition(" ")
    path = session.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")
    path.chmod(0o755 if mode == "+x" else 0o644)


def run_shell(session, block):
    wanted = int(block.directives.get("status", 0))
    statuses = set()
    if block.language == "sh":
        status, have = session.run(block.line, block.text)
        statuses.add(status)
        if status != wanted:
            raise Wrong(block.line, f"ended with {status}, want {wanted}:\n{block.text}"
                                    + session.tail("\n".join(have)))
    else:
        for line, command, want in commands_of(block):
            status, have = session.run(line, command)
            statuses.add(status)
            if not lines_fit(want, have):
                raise Wrong(line, f"$ {command}{difference(want, have)}\n"
                                  + session.tail(session.terminal.text))
            if status not in (0, wanted):
                raise Wrong(line, f"$ {command}    ended with {status}, want {wanted}")
    if wanted not in statuses:
        raise Wrong(block.line, f"no command of the block ended with {wanted}")


def run_block(session, block, account):
    known = block.directives
    missing = [name for name in known.get("needs", "").split() if not shutil.which(name)]
    if "skip" in known or missing:
        reason = known.get("skip") or f"{missing[0]} is not installed"
        account.skipped[reason] += 1
    elif "file" in known:
        write_file(session, block)
        account.written += 1
    elif "log" in known:
        want = block.text.splitlines()
        if not session.terminal.wait_for(want, LISTEN_S):
            raise Wrong(block.line, "the programs in the background did not print this:\n"
                        + difference(want, session.terminal.unseen()))
        account.run += 1
    elif "show" in known:
        account.shown += 1
    else:
        run_shell(session, block)
        account.run += 1


def check_page(path, build):
    """Run a page; Wrong for the first thing that is not as it says. Returns the account."""
    account = Account()
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="check-docs-") as work:
        session = Session(Path(work), build)
        try:
            for block in blocks:
                run_block(session, block, account)
        finally:
            session.close()
    return account


def pages():
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if str(page.relative_to(ROOT)) not in GENERATED]


def main(arguments):
    if any(argument.startswith("-") for argument in arguments):
        print(__doc__)
        return 0 if arguments[0] in ("-h", "--help") else 2
    build = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
    if not (build / "proxy/whiskloop").exists():
        sys.exit(f"check_docs.py: no program in '{build}': meson compile -C {build}")
    wrongs, total = [], Account()
    for page in [Path(name).resolve() for name in arguments] or pages():
        name = os.path.relpath(page, ROOT)
        try:
            account = check_page(page, build)
        except Wrong as wrong:
            wrongs.append(f"FAILED   {name}:{wrong.line}\n{wrong}")
            print(f"FAILED   {name}: see below")
            continue
        print(f"ok       {name}: {account.run} run, {account.written} written, "
              f"{account.shown} shown, {account.skipped.total()} skipped")
        total.run += account.run
        total.written += account.written
        total.shown += account.shown
        total.skipped += account.skipped
    for reason, n in [*total.skipped.items()]:
        print(f"skipped  {n}: {reason}")
    if not arguments:
        for name, reason in GENERATED.items():
            print(f"skipped  {name}: {reason}")
    for wrong in wrongs:  # last, because readers of a long log look there
        print(wrong)
    print(f"{total.run} blocks run, {total.written} files written, {total.skipped.total()} blocks "
          f"skipped, {len(wrongs)} pages wrong")
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
