#!/usr/bin/env python3
"""compile.py MAIN SRC BIN - install the packages of an archive's requirements.txt, and check code.

The proxy runs this once per /init, for archives that hold requirements.txt and no virtualenv/ (see
runtime.json). The packages go to BIN/virtualenv, with an activate_this.py, which the launcher and
Apache's Python runtime look for. If they cannot be installed, /init starts the action all the same,
because they may be there already, but -compile fails.

The proxy also runs it once per -compile. Nothing loads the code then, so this checks whether the code
can be loaded. It uses the standard library only, and pip if it is installed.
"""

import os
import re
import shutil
import subprocess
import sys
import time

STARTED_S = time.monotonic()
REQUIREMENTS = "requirements.txt"

# How often pip retries an index that does not answer, and how long it waits each time.
RETRIES, TIMEOUT_S = 1, 15

# Words with which a file may define names that cannot be found in its text.
COMPUTED = re.compile(r"import\s*\*|\b(?:exec|global|globals|setattr|__getattr__|vars|modules)\b")

# The exit status for: start the action all the same; the last line says what is missing.
LACKS = 75

# pip's share of an /init's time. The rest is for the start of the action.
SHARE = 0.75

# Variables that an image or a user may have set and that contradict --target.
PLACES = ("PIP_TARGET", "PIP_USER", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")

NO_CONNECTION = re.compile(r"(?:NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError"
                           r"|MaxRetryError|ConnectionError).*?(?:: )+([^'\")]*)")

ACTIVATE = '''"""Put the packages beside this file in front of the module path."""
import os
import site
import sys

packages = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "packages")
before = len(sys.path)
site.addsitedir(packages)
sys.path[:] = sys.path[before:] + sys.path[:before]
os.environ["PATH"] = os.path.join(packages, "bin") + os.pathsep + os.environ.get("PATH", "")
'''


def is_there_already(path):
    """Whether all requirements are installed, here or beside the code. False also if only pip can tell."""
    try:
        from importlib.metadata import Distribution
        from pip._vendor.packaging.requirements import Requirement

        with open(path, encoding="utf-8-sig") as file:
            lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in file]
        for line in filter(None, lines):
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
                continue
            if wanted.url or wanted.extras:
                return False
            found = next(iter(Distribution.discover(name=wanted.name, path=[os.path.dirname(path)] + sys.path)))
            if not wanted.specifier.contains(found.version, prereleases=True):
                return False
        return True
    except Exception:  # an option, a path, a package that is missing, no pip
        return False


def reason(said):
    """Why pip failed, in one line, and whether that line is enough."""
    lines = [line[len("ERROR: "):] for line in said.splitlines() if line.startswith("ERROR: ")]
    last = lines[-1] if lines else (said.strip().splitlines() or ["pip said nothing"])[-1]
    lost = NO_CONNECTION.search(said)
    if lost:
        return "cannot reach the package index: %s (%s)" % (lost[1].strip(), last), True
    return last, False


def install(folder, time_s):
    """Install into folder/virtualenv. Returns None, or why it failed. Prints pip's longer messages."""
    root = os.path.join(folder, "virtualenv")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input",
               "--disable-pip-version-check", "--retries", str(RETRIES), "--timeout",
               str(TIMEOUT_S), "--target", os.path.join(root, "packages"), "-r", REQUIREMENTS]
    env = {name: text for name, text in os.environ.items() if name not in PLACES}
    env["TMPDIR"] = os.path.join(root, "tmp")  # pip leaves files behind when it is killed
    os.makedirs(env["TMPDIR"])
    try:
        done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=time_s)
    except subprocess.TimeoutExpired:
        shutil.rmtree(root, ignore_errors=True)
        return "pip took longer than %.1f s, what --init-timeout leaves for it" % time_s
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        shutil.rmtree(env["TMPDIR"], ignore_errors=True)
        os.makedirs(os.path.join(root, "bin"), exist_ok=True)
        with open(os.path.join(root, "bin", "activate_this.py"), "w", encoding="utf-8") as file:
            file.write(ACTIVATE)
        return None
    shutil.rmtree(root, ignore_errors=True)
    if "No module named pip" in said:
        return "this Python has no pip (Debian package python3-pip)"
    why, enough = reason(said)
    if not enough:
        print(said.rstrip())
    return "pip: " + why


def check(path, names):
    """Why a file cannot be loaded, or lacks a function, judged by its text; else None."""
    import symtable
    import traceback

    with open(path, "rb") as file:
        text = file.read()
    name = os.path.basename(path)
    try:
        compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as problem:  # a NUL is a ValueError
        return "".join(traceback.format_exception_only(type(problem), problem)).rstrip()
    if COMPUTED.search(text.decode("utf-8", "replace")):
        return None
    symbols = symtable.symtable(text, name, "exec").get_symbols()
    bound = [one.get_name() for one in symbols if one.is_assigned() or one.is_imported() or one.is_namespace()]
    functions = [one.get_name() for one in symbols if one.is_namespace() and not one.get_name().startswith("_")]
    for wanted in names:
        if wanted not in bound:
            return "Cannot start action: function '%s' was not found in %s%s" % (
                wanted, name, ", which defines: " + ", ".join(functions[:8]) if functions else "")
    return None


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: compile.py MAIN SRC BIN")
    source, target = sys.argv[2:]
    for name in os.listdir(source):
        os.rename(os.path.join(source, name), os.path.join(target, name))
    entry = os.path.join(target, "__main__.py")
    if os.environ.get("__OW_COMPILE_AHEAD") and os.path.isfile(entry):
        why = check(entry, [name.strip() for name in (sys.argv[1] or "main").split(",")])
        if why is not None:
            sys.exit(why)
    wanted = os.path.join(target, REQUIREMENTS)
    if not os.path.isfile(wanted) or os.path.lexists(os.path.join(target, "virtualenv")) or is_there_already(wanted):
        return
    time_s = SHARE * int(os.environ.get("__OW_COMPILE_MS") or 300000) / 1000
    why = install(target, max(time_s - (time.monotonic() - STARTED_S), 0))
    if why is not None:
        print("%s was not installed: %s" % (REQUIREMENTS, why))
        sys.exit(LACKS)


main()
