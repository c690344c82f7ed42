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
LANGUAGES = {
    "Python": ("hello.py", "python3", "def main(args):\n    return {{'n': {}}}\n"),
    "Node.js": ("hello.js", "node", "exports.main = () => ({{ n: {} }});\n"),
}


def answer(connection):
    connection.request("POST", "/run", '{"value":{}}')
    return json.loads(connection.getresponse().read()).get("n")


def wait_for(connection, n):
    """When the answer of version n came, by the clock; asks again and again, as the page may."""
    give_up_at = time.monotonic() + 30
    while answer(connection) != n:
        if time.monotonic() > give_up_at:
            sys.exit(f"dev_reload: version {n} never answered")
    return time.monotonic()


def measure(program, name, text, saves):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        path.write_text(text.format(0))
        with subprocess.Popen([program, "dev", str(path), "--port=0"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            wait_for(connection, 0)
            times = []
            for n in range(1, saves + 1):
                time.sleep(0.3)  # a person saves less often: the next launcher is waiting by then
                began = time.monotonic()
                path.write_text(text.format(n))
                times.append((wait_for(connection, n) - began) * 1000)
            process.terminate()
            process.communicate()
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
