"""whiskloop_launcher - keep a Python action loaded and answer one JSON line per activation.

    launcher.py [FOLDER-or-FILE.py [MAIN]]

Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
Both are moved out of reach before the user's code is loaded, so whatever that code prints, closes
or redirects ends in the log and never among the answers.

Standard library only, Python 3.7 or newer, CPython or PyPy. The interpreter's start is part of
every cold start, so what most actions never need (traceback, asyncio) is imported when needed.
"""

import fcntl
import json
import os
import sys

# The action is not __main__: what its file guards by `if __name__ == "__main__"` is for the
# command line only. Apache's Python runtime imports it under this very name.
MODULE = "main__"

# Lines that may be written ahead of the answers; 16 are as fast, more only queue in the pipe.
PIPELINE = 64

# What a pipe holds by default, so one read takes all that is there.
READ_BYTES = 65536

# Our own descriptors start here: low numbers stay free for code that expects to get them.
KEPT_FD_MIN = 100

# PyPy names neither; the first number is that of Linux on all machines.
F_DUPFD_CLOEXEC = getattr(fcntl, "F_DUPFD_CLOEXEC", 1030)

O_ACCMODE = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

# An interpreter looks at these only while it starts; the last decides where packages are found.
READ_AT_START = ("PYTHON", "PYPY", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "HOME")

# What wait_for_init() adds to load()'s arguments for a launcher that is to make workers.
FORKS = "forks"

NO_ACTIVATE = "Invalid virtualenv. Zip file does not include 'activate_this.py'."

USAGE = """usage: launcher.py FOLDER-or-FILE.py [MAIN]
Reads one JSON line per activation and writes one JSON line per answer:
    printf '{"value":{"name":"Mike"}}\\n' | launcher.py hello.py
Without FOLDER it waits for an init line, if __OW_WAIT_FOR_ACK is set (see runtime/README.md)."""


class Refusal(Exception):
    """The action cannot be started, for a reason that the client may read."""


# ---- JSON ----

# Made once: json.dumps() with options builds an encoder on every call (0.5 us). Compact, since
# an echo of the largest payload may grow by 4 bytes only. NaN is Python's, not JSON's.
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
ASCII_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
DECODER = json.JSONDecoder()


def bare_encode():
    """ENCODER.encode less the Python around its C part, which takes longer than the work itself.

    The C part is no public interface: where it is missing or different, encode() serves.
    """
    ancestors = {}  # what is being encoded; a container met in itself is an error, not a loop
    try:
        encode = json.encoder.c_make_encoder(ancestors, ENCODER.default,
                                             json.encoder.encode_basestring, None, ":", ",",
                                             False, False, False)
        "".join(encode([], 0))
    except (AttributeError, TypeError):
        return ENCODER.encode

    def encode_bare(document):
        try:
            return "".join(encode(document, 0))
        except BaseException:
            ancestors.clear()  # it was left in the middle, and ids are used again
            raise

    return encode_bare


to_text = bare_encode()


def parse(line):
    """The document in a line of bytes; ValueError or RecursionError when there is none."""
    text = line.decode("utf-8")
    try:
        document, end = DECODER.raw_decode(text)
    except ValueError:
        end = -1
    # decode() allows blanks around the document and words the errors, but is slower by a third.
    return document if end == len(text) else DECODER.decode(text)


def to_line(document):
    """The document as a line of bytes; ValueError, TypeError or RecursionError if it is no JSON."""
    try:
        return (to_text(document) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8 form, but JSON can spell it.
        return (ASCII_ENCODER.encode(document) + "\n").encode("ascii")


NO_VARIABLE = "\0"  # no variable can hold it, so there will be none


def to_variable(item):
    """A JSON value as the text of an environment variable."""
    if isinstance(item, str):
        return item
    try:
        return "" if item is None else to_text(item)
    except (ValueError, RecursionError):  # 1e400 was read as infinity, which has no text in JSON
        return NO_VARIABLE


# ---- descriptors ----


class Channel:
    """Lines in and answers out, on descriptors of our own that no other program inherits."""

    def __init__(self):
        self.lines_fd = keep(0)
        self.answers_fd = keep(1)
        self.lines = self.read_lines()
        # Close-on-exec does nothing for a child that is only forked (multiprocessing). It must
        # not hold the pipe open: the proxy sees our death by its end.
        os.register_at_fork(after_in_child=self.forget)

    def read_lines(self):
        """Yield each line without its newline; the proxy bounds its length."""
        unfinished = []
        while True:
            chunk = os.read(self.lines_fd, READ_BYTES)
            if not chunk:
                break
            lines = chunk.split(b"\n")
            unfinished.append(lines[0])
            if len(lines) == 1:
                continue
            yield b"".join(unfinished)
            unfinished = [lines.pop()]
            del lines[0]
            yield from lines
        last = b"".join(unfinished)
        if last:  # a shell's input need not end in a newline
            yield last

    def answer(self, line):
        """Write one line, in one write unless a signal comes between."""
        try:
            n = os.write(self.answers_fd, line)
            while n < len(line):
                n += os.write(self.answers_fd, line[n:])
        except BrokenPipeError:
            sys.exit(1)  # nobody reads the answers any more, as in `launcher.py ... | head -1`
        except OSError:
            if self.answers_fd >= 0:
                raise
            os._exit(0)  # a forked child came back from main: only the parent answers

    def forget(self):
        """In a forked child, or one of its own: leave the parent's pipes alone."""
        if self.lines_fd >= 0:
            os.close(self.lines_fd)
            os.close(self.answers_fd)
        self.lines_fd = self.answers_fd = -1

    def take(self, lines_fd, answers_fd):
        """In a child that is to serve: these are its own."""
        self.lines_fd = keep(lines_fd)
        self.answers_fd = keep(answers_fd)
        self.lines = self.read_lines()


def keep(fd):
    """A copy of a descriptor, close-on-exec and out of the way."""
    try:
        return fcntl.fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN)
    except OSError:
        return os.dup(fd)  # a limit on open files below KEPT_FD_MIN


def is_writable(fd):
    """Whether a descriptor is open and takes writes (make's job pipe on 3 does not)."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GETFL) & O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def open_logs():
    """Point the user's 0 at nothing and 1 at the log: descriptor 3, or 2 where there is no 3."""
    has_3 = is_writable(3)
    null = os.open(os.devnull, os.O_RDWR)
    if not is_writable(2):
        os.dup2(null, 2)
    os.dup2(3 if has_3 else 2, 1)
    os.dup2(null, 0)
    if has_3:
        os.close(3)
    if null > 2:
        os.close(null)
    sys.stdout = sys.__stdout__ = open_log(1)
    sys.stderr = sys.__stderr__ = open_log(2)


def open_log(fd):
    """A text stream that loses at most an unfinished line when the process is killed.

    One write per line; unbuffered (-u) it would be one per argument of print(). UTF-8 in any
    locale, and a print never fails over a character.
    """
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def flush(stream):
    try:
        stream.flush()
    except Exception:  # closed, None, or the user's own object: nothing there to be saved
        pass


def flush_logs():
    """Write out all that was printed. Always before an answer: it ends the activation's log.

    Flushing an empty stream costs 0.06 us, less than finding out whether it is empty.
    """
    stdout, stderr = getattr(sys, "stdout", None), getattr(sys, "stderr", None)
    flush(stdout)
    flush(stderr)
    if stdout is not sys.__stdout__:
        flush(sys.__stdout__)
    if stderr is not sys.__stderr__:
        flush(sys.__stderr__)


# ---- metadata ----

# A look at a variable's bytes. os.environb is the documented way, the dictionary beneath it five
# times as fast.
peek = getattr(os.environ, "_data", os.environb).get

# The entry of a key that is not shown: equal to no text.
UNKNOWN = (None, b"", None, "")


class Metadata:
    """What came with an activation, shown to the user's code as variables __OW_KEY.

    Most keys repeat from one activation to the next, and setting a variable costs 0.5 us. So only
    what differs is set; that the user's code did not change it is seen by the identity of its
    bytes.
    """

    def __init__(self):
        self.shown = {}  # key -> (text, name as bytes, value as bytes, name); see set()
        self.before = {}  # variable -> what it was before activations set it, or None

    def show(self, items):
        """Make the environment show these items, and no others of an earlier activation."""
        shown = self.shown
        for key, text in items.items():
            if type(text) is not str:
                text = to_variable(text)
            was = shown.get(key, UNKNOWN)
            if was[0] != text or peek(was[1]) is not was[2]:
                shown[key] = self.set(was[3] or self.name(key), was[1], text)
        if len(shown) != len(items):
            self.hide()
            self.show(items)

    def name(self, key):
        """The variable for a key, its former value kept; "" when there can be none."""
        name = "__OW_" + key.upper()
        try:
            if "=" not in name and "\0" not in name:
                self.before.setdefault(name, os.environ.get(name))
                return name
        except UnicodeEncodeError:  # half a surrogate pair
            pass
        return ""

    def set(self, name, raw, text):
        """Set a variable; its entry for `shown`, which without a name or value names none."""
        try:
            if name:
                os.environ[name] = text
                raw = raw or os.fsencode(name)
                return text, raw, peek(raw), name
        except ValueError:  # a NUL or half a surrogate pair: no variable can hold it
            self.restore(name)
        return text, b"", None, ""

    def restore(self, name):
        before = self.before.pop(name)
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before

    def hide(self):
        """Restore all variables, not only the vanished: two keys may differ in case alone."""
        for name in list(self.before):
            self.restore(name)
        self.shown.clear()


# ---- the action ----


# Modules on the stack between the interpreter's start and the user's code.
NOT_USERS = (__name__, "__main__", "importlib._bootstrap", "_frozen_importlib")


def report(problem):
    """Print a traceback of the user's part of the stack, as the log of what went wrong."""
    import traceback

    tb = problem.__traceback__
    while tb is not None and str(tb.tb_frame.f_globals.get("__name__")).startswith(NOT_USERS):
        tb = tb.tb_next
    try:
        # With no frame of the user's left, one of ours keeps the heading that log readers look for.
        traceback.print_exception(type(problem), problem, tb or problem.__traceback__,
                                  limit=None if tb else 1)
    except Exception:  # the user's code closed sys.stderr: the answer still tells
        pass


def message(problem):
    """One text for a problem, also if it has none or fails to give it."""
    try:
        return str(problem) or type(problem).__name__
    except Exception:
        return type(problem).__name__


def activate_virtualenv(folder):
    """Use the packages of a virtualenv that came with the action."""
    root = os.path.join(folder, "virtualenv")
    if not os.path.isdir(root):
        return
    for part in ("bin", "Scripts"):
        script = os.path.join(root, part, "activate_this.py")
        if os.path.isfile(script):
            with open(script, "rb") as file:
                code = compile(file.read(), script, "exec", dont_inherit=True)
            exec(code, {"__name__": "activate_this", "__file__": script})
            return
    raise Refusal(NO_ACTIVATE)


def import_action(source):
    """Load the file as the module MODULE, wherever it lies and whatever it is called."""
    from importlib.machinery import ModuleSpec, SourceFileLoader

    loader = SourceFileLoader(MODULE, source)
    spec = ModuleSpec(MODULE, loader, origin=source)
    spec.has_location = True
    module = type(sys)(MODULE)
    module.__spec__ = spec
    module.__loader__ = loader
    module.__file__ = source
    module.__package__ = ""
    sys.modules[MODULE] = module
    loader.exec_module(module)
    return module


def load(path, name="main"):
    """Enter the action's folder, load it and return its function, or end with the reason."""
    name = name or "main"
    source = os.path.abspath(path)
    if os.path.isdir(source):
        source = os.path.join(source, "__main__.py")
    folder, file_name = os.path.split(source)
    if not os.path.isfile(source):
        sys.exit("Zip file does not include %s: no such file in %s" % (file_name, folder))

    os.chdir(folder)
    sys.argv[:] = [source]  # an action that looks at its arguments finds none
    activate_virtualenv(folder)
    sys.path.insert(0, folder)

    function = getattr(import_action(source), name, None)
    if not callable(function):
        sys.exit("Cannot start action: function '%s' was not found in %s" % (name, file_name))
    return function


def wait_for_init(channel):
    """Wait for the init line and return load()'s arguments: our start, later.

    Ends quietly when no line comes. Goes through exec when the line sets what an interpreter
    reads at its start only, so that the action finds nothing that a fresh start would not have;
    until then 0, 1 and 3 must stay as they are.
    """
    import importlib.machinery  # noqa: F401  load() needs it, and here there is time

    line = next(channel.lines, None)
    if line is None:
        sys.exit(0)
    try:
        init = parse(line)["init"]
        path, name, env = init["path"], init.get("main") or "main", init.get("env") or {}
        arguments = [path, name] + [FORKS] * (init.get("forks") is True)
        env = {key: to_variable(item) for key, item in env.items()
               if key and "=" not in key and "\0" not in key}  # no variable has such a name
        changed = {key: text for key, text in env.items() if os.environ.get(key) != text}
        os.environ.update(changed)
        os.stat(path)
    except Exception as problem:
        raise Refusal("cannot use the init line, want {\"init\":{\"path\":FOLDER,\"main\":NAME,"
                      "\"env\":{}}}: %s: %s" % (type(problem).__name__, problem))
    if any(key.startswith(READ_AT_START) for key in changed):
        start_again(arguments, changed)
    return arguments


def start_again(arguments, changed):
    """Become a fresh interpreter with these arguments, in the environment we were started in."""
    # Not os.environ: in a C locale the interpreter's own start has added LC_CTYPE to that.
    with open("/proc/self/environ", "rb") as file:
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    env = {name: text for name, _, text in pairs}
    env.update((os.fsencode(name), os.fsencode(text)) for name, text in changed.items())
    command = getattr(sys, "orig_argv", [sys.executable, "-u", sys.argv[0]])
    os.execve(sys.executable, command + arguments, env)


def import_template():
    """The part that only --fork-workers needs. Like us it is in no path that the action sees."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        import whiskloop_template
    finally:
        del sys.path[0]
    return whiskloop_template


# ---- activations ----


def wait_for(awaitable):
    """The result of an `async def main`; nothing of it runs on after the answer."""
    import asyncio

    async def wait():
        return await awaitable

    return asyncio.run(wait())


def activate(function, metadata, line):
    """One activation: a line in, its answer out. Only the end of the process comes through."""
    try:
        request = parse(line)
    except (ValueError, RecursionError) as problem:
        return to_line({"error": "cannot read the line as JSON: %s" % problem})
    if request is None:
        request = {}
    if not isinstance(request, dict):
        return to_line({"error": "cannot use the line: want a JSON object with a value"})
    value = request.pop("value", None)
    metadata.show(request)
    try:
        result = function({} if value is None else value)
        if type(result) is not dict and hasattr(result, "__await__"):
            result = wait_for(result)
        return to_line(result)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as problem:  # asyncio's CancelledError is no Exception
        report(problem)
        return to_line({"error": message(problem)})


def main():
    arguments = sys.argv[1:]
    acknowledge = bool(os.environ.get("__OW_WAIT_FOR_ACK"))
    if len(arguments) > 2 and arguments[2:] != [FORKS] or not (arguments or acknowledge):
        print(USAGE, file=sys.stderr)
        sys.exit(2)

    channel = Channel()
    template = None
    try:
        if not arguments:
            arguments = wait_for_init(channel)
        open_logs()
        if arguments[2:] == [FORKS]:
            template = import_template().Template(channel)
        function = load(*arguments[:2])
    except Refusal as refusal:
        print(refusal, file=sys.stderr, flush=True)
        if acknowledge:
            channel.answer(to_line({"ok": False, "error": str(refusal)}))
        sys.exit(1)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as problem:
        report(problem)
        sys.exit(1)

    if template is not None:
        template.serve()
    if acknowledge:
        flush_logs()
        channel.answer(to_line({"ok": True, "pipeline": PIPELINE}))
    metadata = Metadata()
    for line in channel.lines:
        # What main left behind is gone once activate() has returned, so even what its destructors
        # print belongs to this activation. One write per answer: held back for company, it would
        # wait for the next main and be lost with it.
        answer = activate(function, metadata, line)
        flush_logs()
        channel.answer(answer)

