#!/usr/bin/env python3
"""dev_reload - time from a save to the first answer of the new version, under whiskloop dev.

    dev_reload.py [PROGRAM] [SAVES]

PROGRAM: build/proxy/whiskloop. Prints a line per language; ends with 1 when a median passes
BOUND_MS.
"""

import http.client
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BOUND_MS = 100
PAUSE_S = 0.5  # a person saves less often: the next launcher is waiting by then
LANGUAGES = {
    "Python": ("hello.py", "python3", "def main(args):\n    return {{'n': {}}}\n"),
    "Node.js": ("hello.js", "node", "exports.main = () => ({{ n: {} }});\n"),
}


def wait_for(events, version):
    """Read the server's events, as its page does, until this version serves."""
    for line in events:
        name, _, data = line.decode().rstrip().partition(": ")
        if name == "data" and '"state":"ready"' in data and json.loads(data)["version"] == version:
            return
    sys.exit(f"dev_reload: the events ended before version {version}")


def answer(connection):
    connection.request("POST", "/run", '{"value":{}}')
    return json.loads(connection.getresponse().read()).get("n")


def measure(program, name, text, saves):
    """Milliseconds from each save to the answer. Asking in a loop instead would take the processors
    from what is measured."""
    times = []
    with tempfile.TemporaryDirectory() as folder, open(pathlib.Path(folder) / "log", "w+") as log:
        path = pathlib.Path(folder) / "action" / name
        path.parent.mkdir()
        path.write_text(text.format(1))
        with subprocess.Popen([program, "dev", str(path), "--port=0"], stdout=log) as process:
            while not (found := re.search(r":(\d+)/", pathlib.Path(log.name).read_text())):
                time.sleep(0.01)
            connection, events = (http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
                                  for _ in range(2))
            events.request("GET", "/dev/events")
            reply = events.getresponse()
            wait_for(reply, 1)
            for n in range(2, saves + 2):
                time.sleep(PAUSE_S)
                began = time.monotonic()
                path.write_text(text.format(n))
                wait_for(reply, n)
                if answer(connection) != n:
                    sys.exit(f"dev_reload: an old answer from version {n}")
                times.append((time.monotonic() - began) * 1000)
            process.terminate()
    return times


def main(program="build/proxy/whiskloop", saves="20"):
    slow = False
    for language, (name, interpreter, text) in LANGUAGES.items():
        if shutil.which(interpreter) is None:
            print(f"{language}: skipped, {interpreter} is not installed")
            continue
        times = measure(program, name, text, int(saves))
        median = statistics.median(times)
        slow = slow or median > BOUND_MS
        print(f"{language}: save to answer {median:.0f} ms (median of {len(times)}), "
              f"{min(times):.0f} to {max(times):.0f} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
