"""whiskloop_wire - what crosses the descriptors of a launcher: JSON lines, and the pipes themselves.

A part of whiskloop_launcher.py and of whiskloop_zygote.py.
"""

import fcntl
import os
import select
import sys
from collections import deque

# What a pipe holds by default, so one read takes all that is there.
READ_BYTES = 65536

# Lines read while an activation sends parts; the proxy writes no more ahead.
AHEAD_MAX = 1024

# Our own descriptors start here: low numbers stay free for code that expects to get them.
KEPT_FD_MIN = 100

# PyPy names neither; the first number is that of Linux on all machines.
F_DUPFD_CLOEXEC = getattr(fcntl, "F_DUPFD_CLOEXEC", 1030)

# The real environment: the user's code may put anything in its place, or delete it.
environ, environb = os.environ, os.environb

O_ACCMODE = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


class Refusal(Exception):
    """The action cannot be started, for a reason that the client may read."""


def message(problem):
    """One text for a problem, also if it has none or fails to give it."""
    try:
        return str(problem) or type(problem).__name__
    except Exception:
        return type(problem).__name__


# ---- JSON ----

def refuse(document):
    """What JSONEncoder.default() does, in its words."""
    raise TypeError("Object of type %s is not JSON serializable" % type(document).__name__)


class Codec:
    """The standard library's decoder and encoder with our options, less the Python around them.

    Made of what the package json is made of: loading that takes 2 ms of each start. And the user's code
    may change it, or put another one in its place. Compact, since an echo of the largest payload may
    grow by 4 bytes only. NaN is Python's, not JSON's.
    """

    # For the decoder.
    strict = True
    object_hook = object_pairs_hook = None
    parse_int, parse_float = int, float
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}.__getitem__

    def __init__(self):
        import _json

        self.scan = _json.make_scanner(self)
        self.encode = self.encoder(_json, _json.encode_basestring)
        self.encode_ascii = self.encoder(_json, _json.encode_basestring_ascii)
        if self.encode(["\xe9"]) != '["\xe9"]' or self.decode(" [1]") != [1]:
            raise TypeError("not as it was")

    @staticmethod
    def encoder(_json, encode_text):
        ancestors = {}  # what is being encoded; a container met in itself is an error, not a loop
        make = _json.make_encoder(ancestors, refuse, encode_text, None, ":", ",", False, False, False)

        def encode(document):
            try:
                return "".join(make(document, 0))
            except BaseException:
                ancestors.clear()  # it was left in the middle, and ids are used again
                raise

        return encode

    def decode(self, text):
        try:
            document, end = self.scan(text, len(text) - len(text.lstrip(BLANKS)))
            if end == len(text) or not text[end:].strip(BLANKS):
                return document
        except (RecursionError, MemoryError):
            raise
        except Exception as problem:
            if type(problem) is ValueError:  # of int(), about too many digits
                raise
        try:
            import json  # only it has the words for what is wrong

            return json.JSONDecoder().decode(text)
        except (ValueError, RecursionError):
            raise
        except Exception as problem:  # the user's code has put something else there
            raise ValueError("it is no JSON (%s)" % message(problem))


class PackageCodec:
    """The same by the package json, for a Python that is made otherwise."""

    def __init__(self):
        import json

        self.encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
        self.encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
        self.decode = json.JSONDecoder().decode


BLANKS = " \t\n\r"

try:
    codec = Codec()
except Exception:
    codec = PackageCodec()


def no_accelerator(document):
    return NotImplemented


# The accelerator's, where it is there: NotImplemented is its word for what Python must do.
decode_fast = encode_fast = no_accelerator


def use_accelerator(accelerator):
    global decode_fast, encode_fast
    decode_fast, encode_fast = accelerator.decode, accelerator.encode


def to_text(document):
    return codec.encode(document)


def parse(line):
    """The document in a line of bytes; ValueError or RecursionError when there is none."""
    document = decode_fast(line)
    if document is not NotImplemented:
        return document
    return codec.decode(line.decode("utf-8"))


def to_line(document):
    """The document as a line of bytes; ValueError, TypeError or RecursionError if it is no JSON."""
    line = encode_fast(document)
    if line is not NotImplemented:
        return line
    try:
        return (to_text(document) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8 form, but JSON can spell it.
        return (codec.encode_ascii(document) + "\n").encode("ascii")


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
        self.open()
        # Close-on-exec does nothing for a child that is only forked (multiprocessing). It must
        # not hold the pipe open: the proxy sees our death by its end.
        os.register_at_fork(after_in_child=self.forget)

    def open(self):
        self.lines = self.read_lines()
        self.ahead = deque()  # lines that were read and not handed out
        self.unfinished = []
        self.ended = False
        self.number = 0  # of the line that was handed out last, control lines not counted
        self.looked_for = 0  # the last of them that is_cancelled() looked for
        self.input = None

    def read_lines(self):
        """Yield each line without its newline; the proxy bounds its length."""
        ahead = self.ahead
        while True:
            while ahead:
                self.number += 1
                yield ahead.popleft()
            if self.ended:
                return
            self.read_more()

    def read_more(self):
        chunk = os.read(self.lines_fd, READ_BYTES)
        lines = chunk.split(b"\n")
        self.unfinished.append(lines[0])
        if len(lines) > 1:
            lines[0] = b"".join(self.unfinished)
            self.unfinished = [lines.pop()]
            self.ahead.extend(lines)
        if not chunk:
            self.ended = True
            last = b"".join(self.unfinished)
            if last:  # a shell's input need not end in a newline
                self.ahead.append(last)

    def is_cancelled(self):
        """Whether nobody waits for the activation that runs: a control line says so."""
        if self.input is None:
            self.input = select.poll()
            self.input.register(self.lines_fd, select.POLLIN)
        came = False
        while len(self.ahead) < AHEAD_MAX and not self.ended and self.input.poll(0):
            self.read_more()
            came = True
        if not came and self.looked_for == self.number:
            return False
        self.looked_for = self.number
        return b"cancel %d" % self.number in self.ahead

    def is_control(self, line):
        """Whether a line that was handed out is a control line, for an activation that is over."""
        if not line.startswith(b"cancel "):
            return False
        self.number -= 1
        return True

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
        self.open()


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


# ---- the end ----


def leave(code):
    """End the process as sys.exit(code) does: exit handlers run and all that was written is flushed, but
    no thread is waited for, and nothing that is left is closed or destroyed."""
    import atexit

    status = exit_status(code)
    try:
        atexit._run_exitfuncs()
    except BaseException:  # it has been printed
        pass
    flush_logs()
    flush_files()
    os._exit(status)


def exit_status(code):
    """The status that Python gives to sys.exit(code), which prints a text."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xff
    try:
        print(code, file=sys.stderr)
    except Exception:  # the user's code closed it
        pass
    return 1


def flush_files():
    """Write out what the user's code has written into files that it did not close. Not into pipes: it
    might wait for their readers."""
    import gc
    import io
    import stat

    for thing in gc.get_objects():
        if issubclass(type(thing), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if stat.S_ISREG(os.fstat(thing.fileno()).st_mode):
                    thing.flush()
            except Exception:  # it is closed already
                pass
