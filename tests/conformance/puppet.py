"""
A native action that does what each request tells it, byte by byte: the misbehaving actions.

puppet.CODE is what a test publishes. A run is a list of steps, made by the functions below:

    proxy.run(steps(out(b"log line, no newline"), answer({"ok": 1})))
"""

import base64

CODE = r"""#!/usr/bin/python3 -SEu
import base64, json, os, signal, subprocess, sys

ANSWERS = int(os.environ.get("PUPPET_FD", "3"))

def put(fd, data):
    while data:
        data = data[os.write(fd, data):]

def flood(fd, data, times):
    data = base64.b64decode(data)
    for _ in range(times):
        put(fd, data)

def wait_at(path):
    with open(path) as gate:
        gate.read()

def spawn(note):
    # A grandchild that keeps every descriptor of the action open.
    child = subprocess.Popen(["/bin/sleep", "1000000"], close_fds=False)
    with open(note + ".new", "w") as file:
        file.write(str(child.pid))
    os.rename(note + ".new", note)

def descriptors():
    targets = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            targets[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass  # the listing's own
    put(ANSWERS, json.dumps(targets).encode() + b"\n")

def reopened(text):
    with open("/dev/fd/3", "wb", buffering=0) as file:
        file.write(base64.b64decode(text))

def forever():
    while True:
        signal.pause()

STEPS = {
    "raw": lambda data: put(ANSWERS, base64.b64decode(data)),
    "write": lambda fd, data: put(fd, base64.b64decode(data)),
    "flood": flood, "exit": os._exit, "close": os.close, "gate": wait_at, "spawn": spawn,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL), "forever": forever,
    "descriptors": descriptors, "reopened": reopened,
}

if "PUPPET_FIRST" in os.environ:
    put(ANSWERS, os.environ["PUPPET_FIRST"].encode() + b"\n")
for line in iter(sys.stdin.buffer.readline, b""):
    for name, *operands in json.loads(line)["value"]["steps"]:
        STEPS[name](*operands)
"""


def _text(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def steps(*parts):
    """The value of a run that takes these steps."""
    return {"steps": list(parts)}


def raw(data):
    """These bytes on the answer channel, in as few writes as the pipe takes."""
    return ["raw", _text(data)]


def answer(text):
    """One answer line, given as JSON text."""
    return raw(text + "\n")


def out(data):
    return ["write", 1, _text(data)]


def err(data):
    return ["write", 2, _text(data)]


def flood(descriptor, data, times):
    return ["flood", descriptor, _text(data), times]


def leave(status):
    return ["exit", status]


def die():
    return ["kill"]


def close(descriptor):
    return ["close", descriptor]


def wait_at(gate):
    return ["gate", gate.path]


def spawn(note):
    """Start a grandchild that holds every descriptor; its pid goes into the file `note`."""
    return ["spawn", str(note)]


def forever():
    return ["forever"]


def descriptors():
    """Answer with an object of the open descriptors and what they point at."""
    return ["descriptors"]


def reopened(text):
    """One answer line written through /dev/fd/3 opened by path, as the Java launcher does."""
    return ["reopened", _text(text + "\n")]
