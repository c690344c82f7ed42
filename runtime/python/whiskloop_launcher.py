"""whiskloop_launcher - keep a Python action loaded and answer one JSON line per activation.

    launcher.py [FOLDER-or-FILE.py [MAIN]]

Lines come in on descriptor 0 and answers leave on descriptor 1; ../README.md has the protocol.
Both are moved out of reach before the user's code is loaded. So whatever that code prints, closes or
redirects ends in the log and never among the answers.

It uses the standard library only, and runs on Python 3.7 or newer, CPython or PyPy. The interpreter's
start is part of every cold start, so modules that most actions never need are imported on demand.
"""

import fcntl
import os
import sys

from whiskloop_wire import (Channel, Refusal, environ, environb, flush_logs, leave, message, open_logs,
                            parse, to_line, to_text, to_variable, use_accelerator)

# The action is not __main__, because code under `if __name__ == "__main__"` is for the command line
# only. Apache's Python runtime uses this same module name.
MODULE = "main__"

# Lines that may be written ahead of the answers. 16 are as fast, and more than 64 only queue in the
# pipe.
PIPELINE = 64

# An interpreter reads these only while it starts. HOME decides where packages are found.
READ_AT_START = ("PYTHON", "PYPY", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "HOME")

# wait_for_init() adds this to load()'s arguments for a launcher that makes workers.
FORKS = "forks"

NO_ACTIVATE = "Invalid virtualenv. Zip file does not include 'activate_this.py'."

USAGE = """usage: launcher.py FOLDER-or-FILE.py [MAIN]
Reads one JSON line per activation and writes one JSON line per answer:
    printf '{"value":{"name":"Mike"}}\\n' | launcher.py hello.py
Without FOLDER it waits for an init line, if __OW_WAIT_FOR_ACK is set (see runtime/README.md).
Accelerator: %s"""


INTERFACE = 2  # of the accelerator; see accelerator.c


def find_accelerator():
    """The part in C that makes serve() faster, or None. `-X whiskloop=FOLDER` says where it is.

    A module for another interpreter has another name, and is not found. If anything else is wrong with
    it, the launcher goes on without it.
    """
    folder = sys._xoptions.get("whiskloop") if hasattr(sys, "_xoptions") else None
    if not isinstance(folder, str):
        return None
    sys.path.insert(0, folder)
    try:
        import whiskloop_accelerator
        interface = getattr(whiskloop_accelerator, "INTERFACE", 0)  # an old accelerator has none
        return whiskloop_accelerator if interface == INTERFACE else None
    except Exception:
        return None
    finally:
        del sys.path[0]


accelerator = find_accelerator()
if accelerator is not None and os.environ.get("__OW_PYTHON_ACCELERATOR") != "0":
    use_accelerator(accelerator)


def is_accelerated():
    """Whether serve() is done in C."""
    return accelerator is not None and environb.get(b"__OW_PYTHON_ACCELERATOR") != b"0"


# json and what it imports. An action may have files of these names. They must not replace the
# standard library's modules, so these are loaded first then.
CODECS = frozenset(("collections", "copyreg", "enum", "functools", "json", "keyword", "operator", "re",
                    "reprlib", "types"))

FIONREAD = 0x541B  # asks how many bytes can be read; a constant, to avoid importing termios


# ---- metadata ----

# The bytes of all variables. os.environb is the documented way. The dictionary inside it is five
# times as fast, and it accepts everything, whatever class the user's code gives os.environ.
data = getattr(environ, "_data", environb)
peek = data.get
fsencode, unsetenv = os.fsencode, os.unsetenv

# os.putenv() of CPython never frees a value that it replaces. When this many bytes were set by it,
# load whiskloop_environ, which overwrites the old value.
LOST_MAX = 1 << 20
lost = 0


def putenv(raw, value):
    """Set a variable of the process: by os.putenv() until LOST_MAX bytes have been set, then in place."""
    global lost, putenv
    lost += len(raw) + len(value)
    if lost >= LOST_MAX:
        putenv = os.putenv
        if sys.implementation.name == "cpython":
            try:
                putenv = import_part("whiskloop_environ").put
            except Exception:  # an interpreter without ctypes
                pass
        putenv(raw, value)
    else:
        os.putenv(raw, value)


# Keys that are always shown: the platform sends them, or the proxy from a client's headers.
PLATFORM = ("namespace", "action_name", "action_version", "activation_id", "transaction_id",
            "deadline", "api_host", "api_key", "traceparent", "tracestate")

# Most other keys shown. Setting a variable takes time in proportion to the number of variables:
# 100,000 keys of one request took 13 s, and 20 s more to be taken back.
OTHERS_MAX = 256
KEY_MAX = 1024  # characters

# The entry for a key that is not shown. It equals no text.
UNKNOWN = (None, b"", None, "")


def bounded(items):
    """The metadata that becomes variables."""
    if len(items) <= OTHERS_MAX:
        return items
    first = {key: items[key] for key, _ in zip(items, range(OTHERS_MAX))}
    first.update((key, items[key]) for key in PLATFORM if key in items)
    return first


def variables(items):
    """The metadata as pairs of a variable's name and its text."""
    return [("__OW_" + key.upper(), to_variable(item)) for key, item in bounded(items).items()
            if "=" not in key and "\0" not in key and len(key) <= KEY_MAX]


class Metadata:
    """An activation's metadata, shown to the user's code as variables __OW_KEY.

    Most values repeat from one activation to the next, and setting a variable costs 0.5 us. So only
    values that differ are set. If the bytes object in the environment is still ours, the user's code has
    not changed the variable.
    """

    environ, data = environ, data  # for the accelerator

    def __init__(self):
        self.shown = {}  # key -> (text, name as bytes, value as bytes, name); see set()
        self.before = {}  # variable -> its bytes before activations set it, or None

    def show(self, items):
        """Make the environment show these items, and none of an earlier activation."""
        items = bounded(items)
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
        """The variable's name for a key, after noting its former value; "" if no variable can have it."""
        name = "__OW_" + key.upper()
        try:
            if "=" not in name and "\0" not in name and len(key) <= KEY_MAX:
                self.before.setdefault(name, peek(fsencode(name)))
                return name
        except UnicodeEncodeError:  # half a surrogate pair
            pass
        return ""

    def set(self, name, raw, text):
        """Set a variable. Returns its entry for `shown`; without a name or value it stands for no variable."""
        try:
            if name:
                raw, value = raw or fsencode(name), fsencode(text)
                self.put(name, raw, value)
                return text, raw, value, name
        except ValueError:  # a NUL or half a surrogate pair: no variable can hold it
            self.restore(name)
        return text, b"", None, ""

    def restore(self, name):
        self.put(name, fsencode(name), self.before.pop(name))

    @staticmethod
    def put(name, raw, value):
        """Set a variable, or remove it if the value is None."""
        if value is None:
            unsetenv(raw)
            data.pop(raw, None)
        else:
            putenv(raw, value)
            data[raw] = value
        other = getattr(os, "environ", environ)
        if other is not environ:
            try:  # the user's code has replaced os.environ
                if value is None:
                    other.pop(name, None)
                else:
                    other[name] = os.fsdecode(value)
            except Exception:  # the replacement takes no such value
                pass

    def hide(self):
        """Restore all variables, not only those that vanished: two keys may differ in case alone."""
        for name in list(self.before):
            self.restore(name)
        self.shown.clear()


# ---- the action ----


# The action's folder and a slash. Answers must not contain it, because it differs at each start.
own_folder = "/"

# Modules on the stack between the interpreter's start and the user's code.
NOT_USERS = ("whiskloop_", "__main__", "importlib._bootstrap", "_frozen_importlib", "asyncio.")


def report(problem, loading=False):
    """Print a traceback of the user's part of the stack to the log."""
    tb = problem.__traceback__
    while tb is not None and str(tb.tb_frame.f_globals.get("__name__")).startswith(NOT_USERS):
        tb = tb.tb_next
    BaseException.with_traceback(problem, tb)  # raised again, it still shows no calls of ours
    try:
        import traceback

        # A syntax error has a file and a line, but no frame. Print the heading all the same: log
        # readers look for it.
        if tb is None and loading:
            print("Traceback (most recent call last):", file=sys.stderr)
        traceback.print_exception(type(problem), problem, tb)
    except Exception:  # the user's code closed sys.stderr or broke a module; the answer still has the error
        pass


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
    # Only the tool virtualenv makes that file. A folder of `python3 -m venv` has none, and fits
    # only the Python version that made it.
    version = "%s%d.%d" % (("pypy" if sys.implementation.name == "pypy" else "python",) + sys.version_info[:2])
    packages = os.path.join(root, "lib", version, "site-packages")
    if not os.path.isfile(os.path.join(root, "pyvenv.cfg")):
        raise Refusal(NO_ACTIVATE)
    if not os.path.isdir(packages):
        print("virtualenv/ was made for another Python than this one: it has no lib/%s/site-packages" % version,
              file=sys.stderr)
        raise Refusal(NO_ACTIVATE)
    import site

    before = len(sys.path)
    site.addsitedir(packages)
    sys.path[:] = sys.path[before:] + sys.path[:before]


def import_action(source):
    """Load the file as the module MODULE, whatever its path and name."""
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


def defined_in(module):
    """The functions that there are, for a user who has misspelt one."""
    names = [name for name, value in vars(module).items()
             if callable(value) and name[:1] != "_" and getattr(value, "__module__", "") == module.__name__]
    return ", which defines: %s" % ", ".join(names[:8]) if names else ""


def load(path, name="main"):
    """Enter the action's folder, load it and return its function, or exit with the reason. For a list of
    names, such as "predict,train", return all of them as an object of class Functions."""
    global own_folder
    name = name or "main"
    source = os.path.abspath(path)
    if os.path.isdir(source):
        source = os.path.join(source, "__main__.py")
    folder, file_name = os.path.split(source)
    if not os.path.isfile(source):
        sys.exit("Zip file does not include %s: no such file in %s" % (file_name, folder))

    if not CODECS.isdisjoint(name.partition(".")[0] for name in os.listdir(folder)):
        import json  # noqa: F401
    os.chdir(folder)
    own_folder = os.path.join(folder, "")
    sys.argv[:] = [source]  # the action gets no arguments
    activate_virtualenv(folder)
    sys.path.insert(0, folder)

    module = import_action(source)
    functions = Functions()
    for one in name.split(","):
        one = one.strip()
        functions[one] = getattr(module, one, None)
        if not callable(functions[one]):
            sys.exit("Cannot start action: function '%s' was not found in %s%s" % (one, file_name, defined_in(module)))
    return functions if len(functions) > 1 else functions[one]


class Functions(dict):
    """Several functions by name. A request's member `method` chooses one; the first is the default."""

    def choose(self, request):
        method = request.pop("method", None)
        if method is None:
            return next(iter(self.values()))
        if isinstance(method, str) and method in self:
            return self[method]
        raise MethodNotFound("method not found: %s; want %s" % (to_text(method), ", ".join(self)))


class MethodNotFound(Exception):
    """The caller named a function that does not exist. Such an error needs no traceback."""


def has_input(fd):
    return fcntl.ioctl(fd, FIONREAD, bytes(4)) != bytes(4)


def wait_for_init(channel):
    """Wait for the init line and return load()'s arguments, which a start with an action has at once.

    Exits quietly when no line comes. If the line sets a variable that an interpreter reads only at its
    start, this goes through exec, so that the action finds exactly what a fresh start would give it. Until
    then descriptors 0, 1 and 3 must not change.
    """
    import importlib.machinery  # noqa: F401  load() needs it, and here is time to import it

    if not has_input(channel.lines_fd):
        import json  # noqa: F401  most actions do that themselves
    line = next(channel.lines, None)
    channel.number = 0  # the init line is no request; control lines count requests
    if line is None:
        sys.exit(0)
    try:
        init = parse(line)["init"]
        path, name, env = init["path"], init.get("main") or "main", init.get("env") or {}
        arguments = [path, name] + [FORKS] * (init.get("forks") is True)
        env = {key: to_variable(item) for key, item in env.items()
               if key and "=" not in key and "\0" not in key}  # no variable can have other names
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
    """Exec a fresh interpreter with these arguments, in the environment that we were started in.

    It starts in the action's folder, because PYTHONPATH may name a folder in it.
    """
    path = arguments[0] = os.path.abspath(arguments[0])
    command = getattr(sys, "orig_argv", [sys.executable, "-u", sys.argv[0]])
    command = [os.path.abspath(item) if item == sys.argv[0] else item for item in command]
    os.chdir(path if os.path.isdir(path) else os.path.dirname(path))
    # Not os.environ: in a C locale, the interpreter's start has added LC_CTYPE to it.
    with open("/proc/self/environ", "rb") as file:
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0") if entry]
    env = {name: text for name, _, text in pairs}
    env.update((os.fsencode(name), os.fsencode(text)) for name, text in changed.items())
    os.execve(sys.executable, command + arguments, env)


def import_part(name):
    """Import a module that few actions need. Its folder is not in the path that the action sees."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        return __import__(name)
    finally:
        del sys.path[0]


# ---- activations ----


loop = None  # the module whiskloop_loop, once something was awaited


def wait_for(awaitable):
    """The result of an awaitable, which runs in the one event loop of this process."""
    global loop
    if loop is None:
        loop = import_part("whiskloop_loop")
    return loop.wait_for(awaitable)


# ---- parts ----

PART = b"+"  # precedes a part; alone: there is no result but the parts
LIST_MAX = 64 << 20  # most bytes of parts that are kept in a shell


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Parts:
    """Takes what a generator yields: sent to the proxy at once, or in a shell kept for a list."""

    channel = None  # where to send parts; None: in a shell

    def __init__(self):
        self.kept = []
        self.n_kept = 0

    def add(self, part):
        line = to_line(part)
        if self.channel is not None:
            self.channel.answer(PART + line)
            if self.is_cancelled():
                raise Cancelled("the client has left")
            return
        self.n_kept += len(line)
        if self.n_kept <= LIST_MAX:
            self.kept.append(line[:-1])

    def end(self, result):
        """The answer: the result, or without one the parts."""
        if result is not None:
            return to_line(result)
        if self.channel is not None:
            return PART + b"\n"
        if self.n_kept > LIST_MAX:
            raise ValueError("a list of the parts is longer than %d bytes" % LIST_MAX)
        return b"[" + b",".join(self.kept) + b"]\n"

    def take(self, generator):
        """Take all parts and return the answer. An invalid part, or a client that has left, ends it early."""
        try:
            while True:
                try:
                    part = next(generator)
                except StopIteration as end:
                    return self.end(end.value)
                self.add(part)
        finally:
            close = getattr(generator, "close", None)
            if close is not None:
                close()

    async def take_async(self, generator):
        try:
            async for part in generator:
                self.add(part)
            return self.end(None)
        finally:
            close = getattr(generator, "aclose", None)
            if close is not None:
                await close()


def activate(function, metadata, line):
    """Run one activation: takes a line, returns its answer. None: the line is a control line. Raises only
    SystemExit and KeyboardInterrupt."""
    try:
        request = parse(line)
    except (ValueError, RecursionError) as problem:
        if Parts.channel is not None and Parts.channel.is_control(line):
            return None
        return to_line({"error": "cannot read the line as JSON: %s" % problem})
    if request is None:
        request = {}
    if not isinstance(request, dict):
        return to_line({"error": "cannot use the line: want a JSON object with a value"})
    value = request.pop("value", None)
    try:
        if type(function) is Functions:
            function = function.choose(request)
    except MethodNotFound as problem:
        return to_line({"error": str(problem)})
    metadata.show(request)
    try:
        result = function({} if value is None else value)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as problem:
        return failed(problem)
    return finish(result)


def finish(result):
    """The answer for the function's result."""
    try:
        if type(result) is not dict:
            if hasattr(result, "__await__"):
                result = wait_for(result)
            if hasattr(result, "__next__"):
                return Parts().take(result)
            if hasattr(result, "__anext__"):
                return wait_for(Parts().take_async(result))
        return to_line(result)
    except Cancelled as problem:
        return to_line({"error": message(problem)})
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as problem:  # asyncio's CancelledError is not an Exception
        return failed(problem)


def failed(problem):
    """Log what the function raised, and return the answer for it."""
    report(problem)
    text = message(problem)
    if own_folder in text and own_folder != "/":
        import re

        text = re.sub(r"(?<![\w./-])" + re.escape(own_folder), "", text)
    return to_line({"error": text})


def may_accelerate(function):
    """Whether everything is done in C. With several functions, Python must choose the one to call."""
    return is_accelerated() and type(function) is not Functions


def serve(channel, function):
    """Answer each line until the input ends."""
    metadata = Metadata()
    if may_accelerate(function):
        accelerator.serve(channel.lines_fd, channel.answers_fd, function, metadata, activate,
                          finish, failed, flush_logs, channel.answer)
        return
    for line in channel.lines:
        # When activate() has returned, main's objects are gone, so what their destructors print
        # belongs to this activation, too. Write each answer at once: a batched answer would wait
        # for the next main, and be lost if that one dies.
        answer = activate(function, metadata, line)
        if answer is None:
            continue
        flush_logs()
        channel.answer(answer)


def main():
    """Serve, and end as any Python program does. But do not wait for threads at an exit, so that the client
    gets its error at once and another process takes over. At the end of the input, wait for them."""
    try:
        run()
    except (SystemExit, KeyboardInterrupt) as end:
        # In a forked child, Python's own end would close the parent's event loop, and run each
        # `finally` that waits there.
        in_child = loop is not None and loop.pid != os.getpid()
        if in_child or have_threads():
            leave(getattr(end, "code", 130))  # as launcher.py does at Control-C
        raise


def have_threads():
    """Whether there are threads that Python's own end would wait for. Idle threads of a pool count."""
    threading = sys.modules.get("threading")
    try:
        main_thread = threading.main_thread()
        return any(not thread.daemon and thread is not main_thread for thread in threading.enumerate())
    except Exception:  # threading was not imported, or the user's code has replaced it
        return False


def run():
    global loop
    arguments = sys.argv[1:]
    acknowledge = bool(os.environ.get("__OW_WAIT_FOR_ACK"))
    asked = arguments in (["-h"], ["--help"])
    if asked or len(arguments) > 2 and arguments[2:] != [FORKS] or not (arguments or acknowledge):
        print(USAGE % (accelerator.__file__ if is_accelerated() else "none, all is done in Python"),
              file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)

    channel = Channel()
    zygote = None
    try:
        if not arguments:
            arguments = wait_for_init(channel)
        open_logs()
        if arguments[2:] == [FORKS]:
            zygote = import_part("whiskloop_zygote").Zygote(channel)
        function = load(*arguments[:2])
    except Refusal as refusal:
        print(refusal, file=sys.stderr, flush=True)
        if acknowledge:
            channel.answer(to_line({"ok": False, "error": str(refusal)}))
        sys.exit(1)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as problem:
        report(problem, loading=True)
        sys.exit(1)

    if zygote is not None:
        zygote.serve()
    many = None
    if acknowledge and peek(b"__OW_ALLOW_CONCURRENT") == b"true":
        many = import_part("whiskloop_concurrent").open_many(
            channel, function, variables, failed, Parts)
    if acknowledge:
        flush_logs()
        Parts.channel = None if many else channel  # with several at a time, iterators are answered as lists
        Parts.is_cancelled = staticmethod(accelerator.is_cancelled if may_accelerate(function)
                                          else channel.is_cancelled)
        channel.answer(to_line({"ok": True, "concurrent": many.most} if many
                               else {"ok": True, "pipeline": PIPELINE, "parts": True, "control": True}))
    if many:
        loop = import_part("whiskloop_loop")
        many.serve(loop.find_loop())
    else:
        serve(channel, function)
