"""The proxy under test: start it, ask it, read its two streams, and see that it leaves nothing.

Each case gets a process of its own on a port of its own, so that cases may run side by side.
"""

import atexit
import base64
import contextlib
import fcntl
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
import uuid

from wire import WAIT_S, Stream, request_bytes

REPO = pathlib.Path(__file__).resolve().parents[2]
# For runs of the whole suite under other settings: WHISKLOOP_OPTIONS="--workers=3 --write-ahead=1".
MORE_OPTIONS = os.environ.get("WHISKLOOP_OPTIONS", "").split()
# Who is not root looks into the proxy as its own user does, which the proxy does not like.
if os.geteuid() != 0:
    MORE_OPTIONS.append("--dumpable")
PROGRAM = pathlib.Path(os.environ.get("WHISKLOOP", REPO / "build/proxy/whiskloop")).absolute()
LEAKS_OF_LIBRARIES = pathlib.Path(__file__).with_name("lsan.supp")
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"

# What each process of a running action may add to what an idle proxy holds, by kind of descriptor:
# its four pipes, and one look into /proc at what it is doing. The handles are the proxy's, by which
# the loop hears of a child's end and of its clock. No file, and a socket only to a template.
PER_WORKER = {"pipe": 4, "/proc": 1, "/memfd": 1}
PER_PROXY = {"anon_inode": 3, "file": 0}

SANITIZER_RE = re.compile(r"ERROR: \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer")
BINARY_RE = re.compile(
    r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)")


def is_open_to_all(path):
    """Whether every user may pass each folder above it."""
    return all(os.stat(parent).st_mode & 0o001 for parent in path.parents)


@functools.cache
def installed_program():
    """The program of an installed copy, with its runtimes, in a folder that is open to all."""
    place = tempfile.mkdtemp(prefix="whiskloop-open-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.chmod(place, 0o755)
    subprocess.run(["meson", "install", "-C", PROGRAM.parents[1], "--no-rebuild", "--quiet",
                    "--destdir", place], check=True, capture_output=True, timeout=5 * WAIT_S)
    return next(pathlib.Path(place).rglob("bin/whiskloop"))


def open_program():
    """The program where every user gets to it and to its runtimes; a checkout may lie in /root."""
    is_open = is_open_to_all(PROGRAM) and is_open_to_all(REPO / "runtime" / "python")
    return PROGRAM if is_open else installed_program()


def files_below(folder):
    """The files in a folder and below, which may go while this looks."""
    return [os.path.join(place, file) for place, _, files in os.walk(folder) for file in files]


def wait_until(fact, what, limit_s=WAIT_S):
    """Poll until fact() yields something true, and return that; fail naming `what` at the bound.

    The last look begins after the bound: on a busy machine one look may take as long.
    """
    give_up_at = time.monotonic() + limit_s
    while True:
        is_last = time.monotonic() >= give_up_at
        found = fact()
        if found:
            return found
        assert not is_last, f"waited {limit_s} s in vain for: {what}"
        time.sleep(0.005)


def together(calls):
    """Call all at the same moment, each in a thread; return their results in order."""
    barrier = threading.Barrier(len(calls))
    results = [None] * len(calls)
    faults = []

    def one(number, call):
        try:
            barrier.wait(WAIT_S)
            results[number] = call()
        except Exception as fault:  # pylint: disable=broad-except; told below, in the test's thread
            faults.append(f"call {number}: {fault!r}")

    threads = [threading.Thread(target=one, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * WAIT_S)
        assert not thread.is_alive(), "a request was never answered"
    assert not faults, faults
    return results


class Later:
    """A call that runs in a thread while the test goes on; result() waits for it."""

    def __init__(self, call):
        self._value = self._fault = None
        self._call = call
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self):
        try:
            self._value = self._call()
        except BaseException as fault:  # pylint: disable=broad-except; raised again in result()
            self._fault = fault

    def is_done(self, limit_s):
        """Whether the call has returned, or does within limit_s seconds."""
        self._thread.join(max(0, limit_s))
        return not self._thread.is_alive()

    @property
    def done(self):
        return self.is_done(0)

    def result(self):
        assert self.is_done(2 * WAIT_S), "a request was never answered"
        if self._fault is not None:
            raise self._fault
        return self._value


class Gate:
    """A named pipe at which an action waits until the test lets it go on."""

    def __init__(self, folder):
        self.path = str(folder / f"gate-{uuid.uuid4().hex}")
        os.mkfifo(self.path)
        self._fd = None

    def _opened(self):
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return True
        except OSError:  # ENXIO: nobody stands at the gate yet
            return False

    def wait_reached(self):
        wait_until(self._opened, "the action to arrive at the gate")

    def release(self):
        os.close(self._fd)
        self._fd = None


def setting(options, name, told):
    """What these options say of --name; the last that says so counts, `told` if none does."""
    for option, following in zip(options, [*options[1:], ""]):
        if option == f"--{name}":
            told = following
        elif option.startswith(f"--{name}="):
            told = option.partition("=")[2]
    return told


def growth_max(options):
    """What a proxy with an action may hold beyond an idle one, by kind of descriptor."""
    told = setting(options, "workers", "1")
    n_processes = len(os.sched_getaffinity(0)) if told == "auto" else int(told)
    forks = int(setting(options, "fork-workers", "0"))  # and the process that they are made of
    most = {kind: n * (n_processes + forks) for kind, n in PER_WORKER.items()}
    return {**PER_PROXY, "socket": forks, **most}


def process_state(pid):
    """(state letter, parent, session) of a process, None when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return None
    parts = fields.split()
    return parts[0], int(parts[1]), int(parts[3])


def is_alive(pid):
    state = process_state(pid)
    return state is not None and state[0] not in "ZX"


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Proxy:
    """One running proxy with its folder, its two streams and its way of being asked."""

    def __init__(self, folder, options=(), env=None, streams=(None, None), wrapper=()):
        """
        streams: paths, or descriptors that are closed here, for its stdout and stderr; None: files
        in the folder. wrapper: a command that becomes the program.
        """
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.marker = f"WL_CASE={uuid.uuid4().hex}"
        self.out_path = folder / "stdout"
        self.err_path = folder / "stderr"
        # A case that is about a setting gives it, and so wins over those of the whole run.
        options = [*MORE_OPTIONS, *map(str, options)]
        self.growth_max = growth_max(options)
        self.finished = False
        self._sentinels_seen = None
        self._later = []
        self.out_path.touch()
        self.err_path.touch()
        # Another user, too, must get to the program's runtimes, and may have to start it.
        program = open_program() if wrapper or setting(options, "user", "") else PROGRAM
        with open(streams[0] or self.out_path, "ab") as out, \
                open(streams[1] or self.err_path, "ab") as err:
            self.process = subprocess.Popen(
                [*wrapper, str(program), "--port", "0", "--listen", "127.0.0.1", *options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
                env=self._environment(env or {}), start_new_session=True)
        self.pid = self.process.pid
        self.port = wait_until(self._listening_port, "the proxy to listen")
        self.fds_before = self._idle_descriptors()

    def _environment(self, extra):
        # A container's environment is small, and has no locale: what passes here passes there.
        environment = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
                       "HOME": str(self.folder), "TMPDIR": str(self.tmp)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "WHISKLOOP_RUNTIME_DIR"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        environment.setdefault("LSAN_OPTIONS", f"suppressions={LEAKS_OF_LIBRARIES}"
                                               ":print_suppressions=0")
        name, _, value = self.marker.partition("=")
        environment[name] = value
        environment.update(extra)
        return environment

    def _listening_port(self):
        """The port of the process's listening socket; from /proc, as port 0 lets it choose. An
        admin listener of a case stands at another address than this one."""
        assert self.process.poll() is None, f"the proxy ended at start: {self.err_text()}"
        for fields in self._tcp_sockets():
            address, _, port = fields[1].partition(":")
            if address == "0100007F" and fields[3] == "0A":
                return int(port, 16)
        return None

    def _tcp_sockets(self):
        """Its lines of /proc/net/tcp and tcp6, in fields: what listens, and the connections."""
        inodes = self._socket_inodes()
        lines = [line.split() for name in ("tcp", "tcp6") for line in
                 pathlib.Path("/proc/net", name).read_text().splitlines()[1:]]
        return [fields for fields in lines if fields[9] in inodes]

    def _socket_inodes(self):
        return {link[8:-1] for link in self.descriptors() if link.startswith("socket:[")}

    def _idle_descriptors(self):
        """What it holds once it serves: it listens before it has all that it needs."""
        assert self.request("GET", "/no/such/path", b"").status == 404
        self.wait_left()
        return self.descriptors()

    def wait_left(self, limit_s=WAIT_S):
        """Wait until the proxy has seen all clients leave: only what listens is left."""
        wait_until(lambda: not self._connections(), "all connections to be closed", limit_s)

    def _connections(self):
        """Its sockets that are connected to clients, of all kinds."""
        unix = [line.split() for line in
                pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
        inodes = self._socket_inodes()
        return [fields for fields in self._tcp_sockets() if fields[3] != "0A"] + \
            [fields for fields in unix  # one end of a pair has no path
             if len(fields) > 7 and fields[5] == "03" and fields[6] in inodes]

    def descriptors(self):
        links = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
            except OSError:
                pass  # closed between the listing and the look
        return links

    def memory_kb(self, field, pid=None):
        """VmRSS or VmHWM of the proxy, or of one of its processes."""
        status = pathlib.Path(f"/proc/{pid or self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.M)[1])

    # --- asking -------------------------------------------------------------------------------

    def connect(self, timeout=WAIT_S):
        self._sentinels_seen = None  # what is asked from here on may add to them
        return Stream(self.port, timeout)

    def request(self, method, path, body=b"", headers=()):
        with self.connect() as stream:
            try:
                stream.send(request_bytes(path, body, method, headers))
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all of it was sent: the answer waits to be read
            return stream.answer(method)

    def post(self, path, body):
        if not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return self.request("POST", path, body)

    def init(self, code, main="main", env=None, binary=None):
        """
        /init as the platform's test harness sends it. Bytes go base64; `binary` is guessed from
        the text as the platform does, unless given.
        """
        return self.post("/init", init_body(code, main, env, binary))

    def run(self, value, **meta):
        return self.post("/run", {"value": value, **meta})

    def later(self, call, *args, **kwargs):
        later = Later(lambda: call(*args, **kwargs))
        self._later.append(later)
        return later

    def started(self, code, **kwargs):
        """init() that must succeed."""
        answer = self.init(code, **kwargs)
        assert answer.status == 200 and answer.body in (b'{"ok":true}\n', b'{"OK":true}\n'), \
            f"{answer!r} stderr: {self.err_text()}"
        assert answer.headers["Content-Type"] == "application/json"

    # --- the two streams ----------------------------------------------------------------------

    def logs(self):
        """(stdout, stderr) of the container as bytes, sentinels included."""
        return self.out_path.read_bytes(), self.err_path.read_bytes()

    def err_text(self):
        return self.err_path.read_text(errors="replace")[-3000:]

    def sentinels(self):
        mark = SENTINEL.encode()
        return tuple(text.count(mark) for text in self.logs())

    def check_streams(self, n, concurrent=False):
        """
        What the platform's suites do with the logs: exactly n sentinels per stream (in one block
        when concurrent), then both texts without them, trimmed. Beyond that each sentinel must
        be a line of its own, which the log readers of the platform need.
        """
        wait_until(lambda: min(self.sentinels()) >= n, f"{n} sentinels, have {self.sentinels()}")
        assert self.sentinels() == (n, n), (self.sentinels(), self.logs_cut())
        self._sentinels_seen = n
        texts = []
        for data in self.logs():
            text = data.decode(errors="surrogateescape")
            assert len(re.findall(f"(?m)^{SENTINEL}\n", text)) == n, f"not on own lines: {text!r}"
            if concurrent:
                assert f"{SENTINEL}\n" * n in text, f"not one block: {text!r}"
            texts.append(text.replace(f"{SENTINEL}\n", "").strip())
        return tuple(texts)

    def logs_cut(self):
        return tuple(data[-1500:] for data in self.logs())

    def log_parts(self, stream=0):
        """The log of each activation of one stream: the text before each sentinel."""
        text = self.logs()[stream].decode(errors="surrogateescape")
        parts = text.split(f"{SENTINEL}\n")
        assert parts[-1] == "", f"log after the last sentinel: {parts[-1]!r}"
        return parts[:-1]

    # --- the end ------------------------------------------------------------------------------

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def sigterm_taken(self):
        """Whether a SIGTERM that was sent is no longer pending."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        pending = int(re.search(r"^ShdPnd:\s+([0-9a-f]+)$", status, re.M)[1], 16)
        return not pending & 1 << (signal.SIGTERM - 1)

    def children(self):
        return [pid for pid in all_pids() if (process_state(pid) or (0, 0))[1] == self.pid]

    def living(self):
        """Its children without those that have ended and are not yet reaped."""
        return [pid for pid in self.children() if is_alive(pid)]

    def world(self, code, env=None):
        """What an action that tells of its surroundings sees, without what differs between any two proxies."""
        self.started(code, env=env)
        text = self.run({}).body.decode()
        text = text.replace(str(self.folder), "FOLDER").replace(self.marker.partition("=")[2], "MARK")
        return json.loads(re.sub(r"whiskloop[-.]\w+", "PRIVATE", text))

    def bytes_unread(self):
        """What stands in its one launcher's pipe. Of our own child: descriptor 0 by its path."""
        (pid,) = self.children()
        pipe = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"), "little")
        finally:
            os.close(pipe)

    def bytes_in_pipes(self):
        """What stands in the proxy's own pipes, unread by it or by its processes."""
        total = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            path = f"/proc/{self.pid}/fd/{name}"
            try:
                is_pipe = os.readlink(path).startswith("pipe:")
                pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if is_pipe else -1
            except OSError:
                continue  # closed between the listing and the look
            if is_pipe:
                total += int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"), "little")
                os.close(pipe)
        return total

    def zombies(self):
        return [pid for pid in self.children() if (process_state(pid) or "-")[0] == "Z"]

    def left_processes(self):
        """Living processes of this case: of its session, or with its mark in the environment."""
        left = []
        for pid in all_pids():
            state = process_state(pid)
            if pid in (self.pid, os.getpid()) or state is None or state[0] in "ZX":
                continue
            try:
                marked = self.marker.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                marked = False
            if marked or state[2] == self.pid:
                left.append(pid)
        return left

    def _descriptor_growth(self):
        """What the proxy holds more than before /init, by kind; None when within the bounds."""
        def kinds(links):
            counts = dict.fromkeys(self.growth_max, 0)
            for link in links:
                kind = "/proc" if link.endswith("/syscall") else link.partition(":")[0]
                counts[kind if kind in counts else "file"] += 1
            return counts
        before, now = kinds(self.fds_before), kinds(self.descriptors())
        growth = {kind: now[kind] - before[kind] for kind in now}
        return growth if any(growth[kind] > most for kind, most in self.growth_max.items()) else None

    def finish(self):
        """End the proxy and check that nothing is left: no fault, descriptor, process or file."""
        if self.finished:
            return
        self.finished = True
        faults = []
        try:
            # The answer may be there, or the proxy gone, while the thread has not run yet.
            give_up_at = time.monotonic() + WAIT_S
            for later in self._later:
                if not later.is_done(give_up_at - time.monotonic()):
                    faults.append("a request of the case is still without an answer")
            if self.process.poll() is None:
                faults += self._check_alive()
                self.terminate()
            try:
                status = self.process.wait(WAIT_S)
                if status != 0:
                    faults.append(f"the proxy ended with {status}, wanted 0")
            except subprocess.TimeoutExpired:
                faults.append(f"the proxy did not end within {WAIT_S} s of SIGTERM")
            faults += self._check_left()
        finally:
            self._kill_rest()
        assert not faults, "\n".join(faults) + f"\n--- stderr ---\n{self.err_text()}"

    def _check_alive(self):
        faults = []
        for fact, what in ((lambda: self._descriptor_growth() is None, "descriptors to go"),
                           (lambda: not self.zombies(), "zombies to be reaped")):
            try:
                wait_until(fact, what, 20)
            except AssertionError:
                faults.append(f"{what}: growth {self._descriptor_growth()},"
                              f" zombies {self.zombies()}, holds {self.descriptors()}")
        return faults

    def _check_left(self):
        faults = []
        try:  # a helper process of ours may still remove what an action has left
            wait_until(lambda: not self.left_processes(), "processes of the action to end")
        except AssertionError:
            faults.append(f"processes left: {self.left_processes()}")
        try:
            wait_until(lambda: not os.listdir(self.tmp), "the action's folder to go")
        except AssertionError:
            faults.append(f"files left in TMPDIR: {os.listdir(self.tmp)}")
        err = self.err_path.read_text(errors="replace")
        if SANITIZER_RE.search(err):
            faults.append("a sanitizer reported:\n" + err[:6000])
        if self._sentinels_seen is not None and self.sentinels() != (self._sentinels_seen,) * 2:
            faults.append(f"more sentinels after the check: {self.sentinels()}")
        return faults

    def _kill_rest(self):
        for pid in [self.pid, *self.left_processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.process.wait(WAIT_S)


@contextlib.contextmanager
def finished():
    """A list for proxies; afterwards each has its finish(), and all faults are told together."""
    running = []
    yield running
    faults = []
    for one in running:
        try:
            one.finish()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


def soon(ms):
    """A deadline for one activation: the ones after it, of a busy machine, keep all their time."""
    return str(int(time.time() * 1000) + ms)


def init_body(code, main="main", env=None, binary=None):
    if isinstance(code, bytes):
        code = base64.b64encode(code).decode()
        binary = True if binary is None else binary
    if binary is None:
        text = (code or "").strip()
        binary = bool(text) and len(text) % 4 == 0 and bool(BINARY_RE.fullmatch(text))
    return {"value": {"code": code, "main": main, "binary": binary, "env": env}}


def is_sanitized():
    """Whether the program carries AddressSanitizer, whose own memory no test can judge."""
    return PROGRAM.exists() and b"__asan_init" in PROGRAM.read_bytes()


def assert_error(answer, status, text):
    """One of our own error replies: exact text, a newline at the end, JSON type."""
    assert answer.status == status, answer
    assert answer.json == {"error": text}, answer
    assert answer.body.startswith(b'{"error":"') and answer.body.endswith(b'"}\n'), answer
    assert answer.headers["Content-Type"] == "application/json", answer.headers.items()
