"""Whatever an action does, the proxy answers /healthz and ends when it is asked to."""

import os
import random
import signal
import time

import pytest

import archives
import whisk
from watch import Watched, assert_says

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run actions as another user")

END_S = 20  # beyond --drain-timeout and twice --kill-after, for a machine that is busy


@pytest.fixture
def watched(proxy, folder):
    folder.chmod(0o711)
    return lambda *options, **kwargs: Watched(proxy, folder, *options, **kwargs)


@pytest.fixture
def user():
    return random.randrange(200000, 2000000000)


def assert_obeys(one):
    """Health is told, and SIGTERM ends it with 0, in the time that is promised."""
    assert_says(one.ask("/healthz"), 200, "ok\n")
    one.proxy.terminate()
    assert one.proxy.process.wait(END_S) == 0


# With "until" it stops whatever gets one of the next process numbers, until that file is there.
# Without, it dies.
STOPS = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int newest(int fd)
{
    char text[128] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 ? atoi(strrchr(text, ' ') + 1) : 0;
}

int main(void)
{
    static char line[65536];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *path = strstr(line, "\"until\":\"");
        int loads = open("/proc/loadavg", O_RDONLY);
        char begun[4096];

        if (path == NULL)
            raise(SIGKILL);
        path += strlen("\"until\":\"");
        *strchr(path, '"') = '\0';
        snprintf(begun, sizeof(begun), "%s.begun", path);
        close(open(begun, O_WRONLY | O_CREAT, 0644));
        for (unsigned round = 0; round % 1024 != 0 || access(path, F_OK) < 0; round++) {
            int last = newest(loads);

            for (int pid = last; pid < last + 3; pid++)
                if (pid > 1 && pid != getpid())
                    kill(pid, SIGSTOP);
        }
        puts("{}");
        fflush(stdout);
    }
    return 0;
}
"""


@as_root
def test_a_start_that_the_action_stops_does_not_stop_the_proxy(watched, compiled, folder, user):
    """One worker stops every new process of its user; the other one is started again and again."""
    one = watched("--user", user, "--workers", 2, "--drain-timeout", 500, "--kill-after", 100,
                  "--restart-pause-max", 100, "--broken-after", 0, "--runtime", "native")
    one.proxy.started(compiled(STOPS))
    folder.chmod(0o777)
    until = folder / "until"
    stopper = one.proxy.later(one.proxy.run, {"until": str(until)})
    whisk.wait_until((folder / "until.begun").exists, "the first worker to be at work")
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        one.proxy.later(one.proxy.run, {})  # fails, each: it dies or is never ready
        assert_says(one.ask("/healthz"), 200, "ok\n")
        time.sleep(0.005)  # nothing waits for it: some hundred starts
    until.touch()
    assert stopper.result().status == 200
    assert_obeys(one)


# Each does its worst while an activation runs, which it does not answer unless that is part of it. ESCAPED starts one
# in a process of its own session, whose parent is gone.
PRELUDE = """
import ctypes, fcntl, os, resource, signal, socket, sys, threading, time

def trace(request, pid):
    ctypes.CDLL(None).ptrace(request, pid, None, None)

def escaped(attack):
    if os.fork() == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                attack()
        finally:
            os._exit(0)  # even if fork() fails, or the child would go on as a second launcher

def for_ever(attack):
    while True:
        try:
            attack()
        except OSError:
            time.sleep(0.001)

def main(args):
    if "attack" in args:
        args["worker"] = os.getpid()
        attack(args)
        time.sleep(60)
    return args
"""
ATTACKS = {
    "fork bomb": """
def attack(args):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for_ever(os.fork)
""",
    "a process that is always another one": """
def attack(args):
    def move():
        os.setsid()
        while True:
            if os.fork() > 0:
                os._exit(0)
            os.setsid()
    escaped(move)
""",
    "many dead children of others": """
def attack(args):
    def die():
        while True:
            escaped(lambda: os._exit(0))
            try:
                os.waitpid(-1, os.WNOHANG)
            except OSError:
                pass
    for_ever(die)
""",
    "stop everybody": """
def attack(args):
    escaped(lambda: for_ever(lambda: os.kill(-1, signal.SIGSTOP)))
    os.kill(os.getppid(), signal.SIGSTOP)
""",
    "stop itself": "attack = lambda args: os.kill(os.getpid(), signal.SIGSTOP)\n",
    "end or continue everybody": """
def attack(args):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, signal.SIGUSR1, signal.SIGKILL):
        os.kill(os.getppid(), number)
""",
    "floods on both streams": """
def attack(args):
    flood = lambda fd: for_ever(lambda: os.write(fd, 65536 * b"x\\n"))
    for fd in (1, 2, 3):
        threading.Thread(target=flood, args=(fd,), daemon=True).start()
""",
    "floods on both streams without end of line": """
def attack(args):
    flood = lambda fd: for_ever(lambda: os.write(fd, 65536 * b"x"))
    for fd in (1, 2, 3):
        threading.Thread(target=flood, args=(fd,), daemon=True).start()
""",
    "closes its pipes": "attack = lambda args: os.closerange(0, 100)\n",
    "closes its pipes, and lives in another one": """
def attack(args):
    escaped(lambda: time.sleep(600))
    os.closerange(0, 100)
""",
    "pipes without room": """
def attack(args):
    for fd in (0, 1, 2, 3):
        try:
            fcntl.fcntl(fd, 1031, 4096)  # F_SETPIPE_SZ
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        except OSError:
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
""",
    "makes folders for ever": """
def attack(args):
    def make():
        place = os.getcwd()
        n = 0
        while True:
            n = (n + 1) % 2000
            try:
                os.makedirs(f"{place}/d{n % 7}/{n}/x")
            except OSError:
                try:
                    os.rmdir(f"{place}/d{n % 7}/{n}/x")
                except OSError:
                    pass
    escaped(make)
""",
    "a folder 3,000 deep": """
def attack(args):
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
""",
    "files that are none, in the place of its own": """
def attack(args):
    for name in os.listdir("."):
        os.rename(name, name + ".old")
        os.mkfifo(name)
    os.symlink("/dev/zero", "zero")
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "20,000 files": """
def attack(args):
    for n in range(20000):
        os.close(os.open(f"f{n}", os.O_CREAT | os.O_WRONLY))
""",
    "connections to the proxy": """
def attack(args):
    kept = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for_ever(lambda: kept.append(socket.create_connection(("127.0.0.1", args["port"]), 1)))
""",
    "half requests to the proxy": """
def attack(args):
    def half():
        kept.append(socket.create_connection(("127.0.0.1", args["port"]), 1))
        kept[-1].send(b"POST /run HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 60000000\\r\\n\\r\\n" + 60000 * b" ")
    kept = []
    for_ever(half)
""",
    "calls itself": """
def attack(args):
    import json, urllib.request
    body = json.dumps({"value": args}).encode()
    for _ in range(8):
        threading.Thread(target=lambda: for_ever(lambda: urllib.request.urlopen(
            f"http://127.0.0.1:{args['port']}/run", body, 1).read()), daemon=True).start()
""",
    "another process group": """
def attack(args):
    os.setpgid(0, os.getpgid(os.getppid()))
""",
    "a process group of its own child": """
def attack(args):
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    os.setpgid(pid, pid)
    os.setpgid(0, pid)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
""",
    "traced by a process of its own session": """
def attack(args):
    escaped(lambda: [trace(0x4206, args["worker"]), time.sleep(600)])  # PTRACE_SEIZE
""",
    "traced by a process that has stopped it": """
def attack(args):
    escaped(lambda: [trace(16, args["worker"]), time.sleep(600)])  # PTRACE_ATTACH
    time.sleep(60)
""",
    "traced by a process of its own session, and dies": """
def attack(args):
    escaped(lambda: [trace(0x4206, args["worker"]), time.sleep(600)])
    time.sleep(0.1)
    os._exit(1)
""",
    "a last word of 40 MB": """
def attack(args):
    os.write(3, b'{"a":')
    os.write(1, b'{"a":')
    for_ever(lambda: [os.write(fd, 65536 * b" ") for fd in (1, 3)])
""",
}


@as_root
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_an_action_may_do(watched, user, attack):
    """Health is told amid each, the next activation runs, and it ends in time."""
    one = watched("--user", user, "--rlimit-nproc", 64, "--timeout", 1000, "--kill-after", 200, "--drain-timeout", 500,
                  "--restart-pause-max", 100, "--broken-after", 0, "--runtime", "python")
    one.proxy.started(PRELUDE + ATTACKS[attack])
    runs = one.proxy.later(one.proxy.run, {"attack": True, "port": one.proxy.port})
    for _ in range(20):
        assert_says(one.ask("/healthz"), 200, "ok\n")
    runs.result()
    if attack != "files that are none, in the place of its own":
        whisk.wait_until(lambda: one.proxy.run({"a": 1}).status == 200, "the next activation to be answered")
    assert_obeys(one)


TRACED = """
import ctypes, os, signal
def main(args):
    if "number" in args:
        os.kill(os.getpid(), args["number"])
    if "exec" in args:
        os.execvp("true", ["true"])
    if args.get("trace"):
        ctypes.CDLL(None).ptrace(0, 0, None, None)  # PTRACE_TRACEME: its parent traces it, which is the proxy
    return {"pid": os.getpid()}
"""


def test_an_action_that_lets_its_parent_trace_it(proxy):
    """A signal stops such a process for its tracer: that is no death, and it goes on."""
    one = proxy("--runtime", "python")
    one.started(TRACED)
    pid = one.run({"trace": True}).json["pid"]
    for number in (signal.SIGWINCH, signal.SIGCHLD, signal.SIGURG):
        assert one.run({"number": number}).json == {"pid": pid}
        assert one.run({"trace": True}).json == {"pid": pid}
    whisk.assert_error(one.run({"exec": True}), 400, "command exited")
    assert one.run({"trace": True}).json["pid"] != pid
    whisk.assert_error(one.run({"number": signal.SIGTERM}), 400, "command exited")
    assert one.run({}).status == 200


# Both workers share one limit on processes. One fork bomb may keep the other worker from forking.
ALL_AT_ONCE = """
def attack(args):
    try:
        attack_0(args)
    except OSError:
        pass
    attack_1(args)
"""


@as_root
def test_an_attack_that_goes_on_while_it_is_asked_to_end(watched, user):
    """Everything at once, and SIGTERM amid it: nobody is given the time to be late."""
    one = watched("--user", user, "--rlimit-nproc", 64, "--kill-after", 200, "--drain-timeout", 500, "--workers", 2,
                  "--runtime", "python")
    source = "".join(text.replace("def attack", f"def attack_{n}").replace("attack = ", f"attack_{n} = ")
                     for n, text in enumerate([ATTACKS["makes folders for ever"], ATTACKS["fork bomb"]]))
    one.proxy.started(PRELUDE + source + ALL_AT_ONCE)
    for _ in range(2):
        one.proxy.later(one.proxy.run, {"attack": True})
    whisk.wait_until(lambda: one.metrics()["whiskloop_activations_in_flight"].value() == 2, "both to be at it")
    assert_obeys(one)


def test_what_a_compiler_says_cannot_end_a_log(proxy, folder):
    """A line that is an end mark is none in a compiler's words."""
    compiler = folder / "compiler"
    compiler.write_text(f"#!/bin/sh\necho {whisk.SENTINEL}\necho {whisk.SENTINEL} >&2\nexit 1\n")
    compiler.chmod(0o755)
    one = proxy("--log-init-error", env={"OW_COMPILER": str(compiler)})
    assert one.init("nothing").status == 502
    one.check_streams(1)  # the one of this /init


@pytest.mark.parametrize("name", [f"../{whisk.SENTINEL}", f"a\n{whisk.SENTINEL}\n/../../b"])
def test_a_name_in_an_archive_cannot_end_a_log(proxy, name):
    """The reason of a refusal names the entry; its end mark is none, on the streams and in the reply."""
    one = proxy("--log-init-error", "--runtime", "python", "--log-level", "info")
    answer = one.init(archives.zipped({name: "x", "__main__.py": "def main(args):\n    return {}\n"}))
    assert answer.status == 502, answer
    one.check_streams(1)  # the one of this /init


def test_a_flood_on_both_streams(watched):
    """10 MB on each at once: the proxy answers meanwhile, nothing is lost, and each stream ends once."""
    one = watched("--runtime", "python")
    one.proxy.started("""
import os, threading
LINE = 9999 * b"x" + b"\\n"
def flood(stream):
    for _ in range(1000):
        os.write(stream, LINE)
def main(args):
    threads = [threading.Thread(target=flood, args=(n,)) for n in args["streams"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"n": len(threads)}
""")
    running = one.proxy.later(one.proxy.run, {"streams": [1, 2]})
    assert_says(one.ask("/healthz"), 200, "ok\n")
    assert running.result().json == {"n": 2}
    for text in one.proxy.check_streams(1):
        assert text.count("x" * 9999) == 1000
    assert one.proxy.run({"streams": []}).json == {"n": 0}
    assert_obeys(one)


def test_the_environment_of_the_action(proxy):
    """Settings of the proxy do not reach it."""
    one = proxy("--runtime", "python", env={"WHISKLOOP_QUEUE_MAX": "77", "WHISKLOOP_LOG_LEVEL": "error"})
    one.started("import os\ndef main(args):\n    return dict(os.environ)\n")
    names = one.run({}).json
    assert not [name for name in names if name.startswith("WHISKLOOP_")], names


def test_activation_ids_stay_out_of_the_containers_streams(proxy):
    """At the level info, too, what goes to stderr names nobody's activation."""
    one = proxy("--runtime", "python", "--log-level", "info")
    one.started("def main(args):\n    if args.get('die'):\n        import os\n        os._exit(1)\n    return args\n")
    for value in ({}, {"die": 1}):
        one.run(value, activation_id="f00dfeedf00dfeed", transaction_id="beefbeef")
    one.check_streams(2)
    assert b"f00dfeed" not in b"".join(one.logs())
