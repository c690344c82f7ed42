#!/usr/bin/env python3
"""walk - let each system call of the proxy fail once, over its whole life, and look at what follows.

    walk.py [--every N] [--from K] [--jobs N] [--only TEXT]

One life is: start, an archive as /init, activations that answer, die, are late, are left by their
client, run side by side; a replacement, a failed /init, metrics, SIGTERM. It is lived once to learn
from which places the program and its libraries call the system (tests/fault/fail_site.c), then once
for each place, each way to fail, and the first and the second call from there. Whatever fails,

- each request gets an answer, an error that says why, or the end of its connection, and never
  another answer than its own; what failed succeeds when it is sent again;
- the proxy goes on, or ends with a status and a reason on stderr;
- SIGTERM ends it, and nothing is left behind.

--every N --from K: only each Nth life, beginning with the Kth. --only: places whose name holds TEXT.
Environment: BUILD, the build folder (build). Ends with 1 if a life went wrong; each is told with the
words that live it again.
"""

import argparse
import base64
import concurrent.futures
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
LIBRARY = BUILD / "tests/libfail_site.so"
PROGRAM = BUILD / "proxy/whiskloop"
WAIT_S = 20  # longer than anything takes: what is not there by then hangs
FAILURES_MAX = 4  # requests of one life that may fail: a fault costs one, and what ran beside it
# What is excused, and why.
MEMORY = ("malloc", "calloc", "realloc")  # xmalloc() aborts; libh2o does, or does not look
REMOVAL = ("unlink", "unlinkat", "rmdir", "opendir", "fdopendir", "chmod", "realpath", "openat64",
           "malloc")  # a folder that cannot be removed stays, and goes at a later start
LIBH2O = "libh2o-evloop.so.0.13"
START_OF_LIBH2O = ((LIBH2O, "epoll_create"), (LIBH2O, "pipe2"))  # it tells, and aborts
IGNORED_BY_LIBH2O = ((LIBH2O, "epoll_ctl"),)  # it tells on stderr, and goes on without the descriptor

ACTION = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        char *value = strstr(line, "\"value\":") + 8, *end = strrchr(line, '}');
        if (strstr(line, "\"die\"") != NULL)
            _exit(3);
        if (strstr(line, "\"late\":1") != NULL)
            sleep(60);
        fprintf(stderr, "log\n");
        printf("{\"version\":" VERSION ",\"value\":%.*s}\n", (int)(end - value), value);
        fflush(stdout);
    }
    return 0;
}
"""


class Wrong(Exception):
    """The life went wrong in a way that no fault excuses."""


def compiled(folder):
    """The action in two versions, as bytes."""
    programs = []
    for version in "12":
        source = folder / f"action{version}.c"
        source.write_text(ACTION)
        subprocess.run(["cc", "-O1", f'-DVERSION="{version}"', "-o", folder / version, source],
                       check=True)
        programs.append((folder / version).read_bytes())
    return programs


def zipped(program):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("exec", program)
        archive.writestr("data/file.txt", "text")
    return base64.b64encode(data.getvalue()).decode()


class Life:
    """One proxy, from its start to its end."""

    def __init__(self, folder, programs, fault):
        self.folder = folder
        self.programs = programs
        self.n_failures = 0
        self.version = 0
        (folder / "tmp").mkdir()
        self.log = folder / "log"
        self.sites = folder / "sites"
        env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder / "tmp"), "LD_PRELOAD": str(LIBRARY),
               "FAIL_LOG": str(self.sites), **fault}
        with open(folder / "err", "wb") as err:
            self.process = subprocess.Popen(
                [PROGRAM, "--port", "0", "--listen", "127.0.0.1", "--admin",
                 f"unix:{folder}/admin", "--runtime", "native", "--allow-reinit", "--workers", "2",
                 "--log-file", self.log, "--restart-pause", "1", "--kill-after", "50",
                 "--drain-timeout", "2000", "--idle-timeout", "3000", "--action", ""],
                cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=err, start_new_session=True)

    def said(self):
        return (self.folder / "err").read_text(errors="replace")

    def has_ended(self):
        return self.process.poll() is not None

    def port(self):
        """Where it listens, from /proc: its log may be what fails. None: it has ended."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end and not self.has_ended():
            try:
                inodes = {os.readlink(f"/proc/{self.process.pid}/fd/{fd}")
                          for fd in os.listdir(f"/proc/{self.process.pid}/fd")}
            except OSError:
                continue
            for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    return int(fields[1].partition(":")[2], 16)
            time.sleep(0.005)
        if not self.has_ended():
            raise Wrong("it neither listens nor ends")
        return None

    def ask_once(self, path, body, port):
        """(status, body as JSON), or None when the connection ended."""
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        try:
            link.request("POST", path, json.dumps(body, separators=(",", ":")))
            reply = link.getresponse()
            return reply.status, json.loads(reply.read())
        except TimeoutError as error:
            raise Wrong(f"{path} hangs") from error
        except (OSError, http.client.HTTPException):
            return None
        finally:
            link.close()

    def ask(self, path, body, is_right, port):
        """Until the reply is right; each other one costs a failure."""
        while not self.has_ended():
            reply = self.ask_once(path, body, port)
            if reply is not None and is_right(reply):
                return
            if reply is not None and (reply[0] == 200 or "error" not in reply[1]):
                raise Wrong(f"{path} of {str(body)[:60]} was answered {str(reply)[:200]}")
            self.n_failures += 1
            if self.n_failures > FAILURES_MAX:
                raise Wrong(f"{path} fails again and again: {reply}")
            time.sleep(0.02 * self.n_failures)

    def run(self, value, port):
        wanted = {"version": self.version, "value": value}
        self.ask("/run", {"value": value}, lambda reply: reply == (200, wanted), port)

    def publish(self, code, version, port):
        body = {"value": {"code": code, "binary": True}}
        self.ask("/init", body, lambda reply: reply == (200, {"ok": True}), port)
        self.version = version

    def fails(self, path, body, port):
        """What must not succeed; whatever error it is."""
        reply = self.ask_once(path, body, port)
        if reply is not None and (reply[0] == 200 or "error" not in reply[1]):
            raise Wrong(f"{path} of {body} was answered {reply}")

    @staticmethod
    def leave(port):
        """A client that does not wait for its reply."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as link:
                link.sendall(b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
                             b"{\"value\":{}}")
        except ConnectionError:
            pass

    def metrics(self):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(WAIT_S)
            try:
                link.connect(str(self.folder / "admin"))
                link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while link.recv(65536):
                    pass
            except TimeoutError as error:
                raise Wrong("/metrics hangs") from error
            except OSError:
                self.n_failures += 1

    def live(self):
        port = self.port()
        if port is None:
            return
        late = {"value": {"late": 1}, "deadline": 0}
        self.publish(zipped(self.programs[0]), 1, port)
        for n in range(2):
            self.run({"n": n}, port)
        self.run({"long": "x" * 300000}, port)
        self.fails("/run", {"value": {"die": "die"}}, port)
        self.run({"after": "death"}, port)
        late["deadline"] = int(time.time() * 1000) + 150
        self.fails("/run", late, port)
        self.run({"after": "lateness"}, port)
        self.leave(port)
        with concurrent.futures.ThreadPoolExecutor(3) as side_by_side:
            for done in [side_by_side.submit(self.run, {"side": n}, port) for n in range(3)]:
                done.result()
        self.metrics()
        self.publish(base64.b64encode(self.programs[1]).decode(), 2, port)
        self.run({"after": "replacement"}, port)
        self.fails("/init", {"value": {"code": "UEsDBAoAAAAAAA==", "binary": True}}, port)
        self.run({"after": "failure"}, port)
        self.fails("/run", {"value": {"die": "die"}}, port)
        self.run({"the": "end"}, port)

    def end(self, site):
        """It ends by SIGTERM, or has for a reason that it told."""
        module, function, _ = site.split() if site else ("", "", "")
        asked = not self.has_ended()
        if asked:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            raise Wrong("SIGTERM does not end it") from None
        excused = function in MEMORY and (status == -signal.SIGABRT or module.startswith("libh2o"))
        excused = excused or (module, function) in START_OF_LIBH2O
        if status < 0 and not excused:
            raise Wrong(f"it was ended by signal {-status}: {self.said()[-300:]}")
        if status != 0 and self.said() == "" and not excused:
            raise Wrong(f"it ended with {status} and said nothing")
        left = os.listdir(self.folder / "tmp")
        if left and status == 0 and function not in REMOVAL:
            raise Wrong(f"it left {left}")

    def bury(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def live(programs, site=None, nth=1, way=0):
    """(None or what went wrong, whether the fault came, the folder's list of sites)."""
    fault = {"FAIL_SITE": site, "FAIL_NTH": str(nth), "FAIL_WAY": str(way)} if site else {}
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        life = Life(pathlib.Path(folder), programs, fault)
        wrong = None
        try:
            life.live()
            life.end(site)
        except Wrong as error:
            wrong = str(error)
        except Exception as error:  # pylint: disable=broad-except
            wrong = f"{type(error).__name__}: {error}"
        life.bury()
        sites = life.sites.read_text().splitlines() if life.sites.exists() else []
        log = life.log.read_text(errors="replace")[-1500:] if wrong and life.log.exists() else ""
        return wrong, any(" failed " in line for line in sites), sites, life.said()[-500:] + log


def place_of(site):
    """The function and line of a site of ours, as far as they can be known."""
    module, function, offset = site.split()
    if module == "whiskloop":
        done = subprocess.run(["addr2line", "-Cfpse", PROGRAM, hex(int(offset, 16) - 1)],
                              capture_output=True, text=True, check=False)
        return f"{function} in {done.stdout.strip()}"
    return f"{function} in {module}"


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--every", type=int, default=1)
    words.add_argument("--from", type=int, default=0, dest="start")
    words.add_argument("--jobs", type=int, default=3)
    words.add_argument("--only", default="")
    words.add_argument("--site", help="with --nth and --way: this life alone")
    words.add_argument("--nth", type=int, default=1)
    words.add_argument("--way", type=int, default=0)
    options = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="walk-") as folder:
        programs = compiled(pathlib.Path(folder))
    wrong, _, sites, told = live(programs)
    if wrong:
        sys.exit(f"walk: without any fault: {wrong}\n{told}")
    if options.site:
        sites = []
    lives = [(options.site, options.nth, options.way)] if options.site else []
    for line in sites:
        module, function, offset, n_calls, n_ways = line.split()
        site = f"{module} {function} {offset}"
        if (module, function) in IGNORED_BY_LIBH2O:
            continue
        lives += [(site, nth, way) for nth in (1, 2) if nth <= int(n_calls)
                  for way in range(int(n_ways)) if options.only in place_of(site)]
    lives = lives[options.start::options.every]
    n_faults = n_wrong = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as several:
        done = {several.submit(live, programs, *one): one for one in lives}
        for future in concurrent.futures.as_completed(done):
            (site, nth, way), (wrong, came, _, told) = done[future], future.result()
            n_faults += came
            if wrong:
                n_wrong += 1
                print(f"{place_of(site)}, call {nth}, way {way}: {wrong}\n"
                      f"    --site '{site}' --nth {nth} --way {way}", flush=True)
                if options.site:
                    print(told)
    print(f"walk: {len(sites)} places, {len(lives)} lives, {n_faults} faults, {n_wrong} went wrong")
    sys.exit(1 if n_wrong or n_faults == 0 else 0)


if __name__ == "__main__":
    if shutil.which("cc") is None:
        sys.exit("walk: cc is needed for the action")
    main()
