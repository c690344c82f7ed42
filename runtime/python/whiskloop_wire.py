"""whiskloop_wire - a launcher's input and output: JSON lines, and the descriptors that carry them.

A part of whiskloop_launcher.py and of whiskloop_zygote.py.
"""

import fcntl
import os
import select
import sys
from collections import deque

# The default size of a pipe, so that one read takes everything in it.
READ_BYTES = 65536

# Lines read while an activation sends parts; the proxy writes no more ahead.
AHEAD_MAX = 1024

# Our own descriptors start here, because code may expect to get low numbers.
KEPT_FD_MIN = 100

# PyPy does not name it. The number is that of Linux on all machines.
F_DUPFD_CLOEXEC = getattr(fcntl, "F_DUPFD_CLOEXEC", 1030)

# The real environment, kept because the user's code may replace or delete it.
environ, environb = os.environ, os.environb

O_ACCMODE = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


class Refusal(Exception):
    """The action cannot be started, for a reason that the client may read."""


def message(problem):
    """A text for a problem, also if it has none or its text cannot be made."""
    try:
        return str(problem) or type(problem).__name__
    except Exception:
        return type(problem).__name__


# ---- JSON ----

def refuse(document):
    """Raise what JSONEncoder.default() raises, in the same words."""
    raise TypeError("Object of type %s is not JSON serializable" % type(document).__name__)


class Codec:
    """The standard library's C decoder and encoder with our options, without the Python code around them.

    This uses the parts of which the package json is made. Loading the package takes 2 ms of each start, and
    the user's code may change or replace it. The output is compact, because an echo of the largest payload
    may grow by only 4 bytes. NaN is valid in Python, but not in JSON.
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
        ancestors = {}  # the containers being encoded, to detect one that contains itself
        make = _json.make_encoder(ancestors, refuse, encode_text, None, ":", ",", False, False, False)

        def encode(document):
            try:
                return "".join(make(document, 0))
            except BaseException:
                ancestors.clear()  # encoding stopped halfway, and ids are reused
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
            if type(problem) is ValueError:  # from int(), about too many digits
                raise
        try:
            import json  # only json can word the error

            return json.JSONDecoder().decode(text)
        except (ValueError, RecursionError):
            raise
        except Exception as problem:  # the user's code has replaced json
            raise ValueError("it is no JSON (%s)" % message(problem))


class PackageCodec:
    """The same by the package json, for a Python whose json is built differently."""

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


# The accelerator's functions, if it is there. They return NotImplemented for what Python must do.
decode_fast = encode_fast = no_accelerator


def use_accelerator(accelerator):
    global decode_fast, encode_fast
    decode_fast, encode_fast = accelerator.decode, accelerator.encode


def to_text(document):
    return codec.encode(document)


def parse(line):
    """The document in a line of bytes. ValueError or RecursionError: there is none."""
    document = decode_fast(line)
    if document is not NotImplemented:
        return document
    return codec.decode(line.decode("utf-8"))


def to_line(document):
    """The document as a line of bytes. ValueError, TypeError or RecursionError: it is no JSON."""
    line = encode_fast(document)
    if line is not NotImplemented:
        return line
    try:
        return (to_text(document) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8 form, but JSON has an escape for it.
        return (codec.encode_ascii(document) + "\n").encode("ascii")


NO_VARIABLE = "\0"  # no variable can hold this text, so none is set


def to_variable(item):
    """A JSON value as the text of an environment variable."""
    if isinstance(item, str):
        return item
    try:
        return "" if item is None else to_text(item)
    except (ValueError, RecursionError):  # 1e400 was read as infinity, which JSON cannot express
        return NO_VARIABLE


# ---- descriptors ----


class Channel:
    """Lines in and answers out, on descriptors of our own that other programs do not inherit."""

    def __init__(self):
        self.lines_fd = keep(0)
        self.answers_fd = keep(1)
        self.open()
        # Close-on-exec does not help if a child only forks (multiprocessing). The child must not
        # hold the pipe open, because the proxy learns of our death from the pipe's end.
        os.register_at_fork(after_in_child=self.forget)

    def open(self):
        self.lines = self.read_lines()
        self.ahead = deque()  # lines that were read but not handed out
        self.unfinished = []
        self.ended = False
        self.number = 0  # of the last line handed out, not counting control lines
        self.looked_for = 0  # the last number that is_cancelled() looked for
        self.input = None

    def read_lines(self):
        """Yield each line without its newline. The proxy limits its length."""
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
            if last:  # in a shell the last line may lack a newline
                self.ahead.append(last)

    def is_cancelled(self):
        """Whether a control line says that nobody waits for the running activation."""
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
        """Whether a line that was handed out is a control line, which names an activation that is over."""
        if not line.startswith(b"cancel "):
            return False
        self.number -= 1
        return True

    def answer(self, line):
        """Write one line, with a single write unless a signal interrupts it."""
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
        """For a forked child, ours or the user's: let go of the parent's pipes."""
        if self.lines_fd >= 0:
            os.close(self.lines_fd)
            os.close(self.answers_fd)
        self.lines_fd = self.answers_fd = -1

    def take(self, lines_fd, answers_fd):
        """For a child that is to serve: use these descriptors as its own."""
        self.lines_fd = keep(lines_fd)
        self.answers_fd = keep(answers_fd)
        self.open()


def keep(fd):
    """A close-on-exec copy of a descriptor, with a high number."""
    try:
        return fcntl.fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN)
    except OSError:
        return os.dup(fd)  # a limit on open files below KEPT_FD_MIN


def is_writable(fd):
    """Whether a descriptor is open for writing. The descriptor 3 of make's jobserver is not."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GETFL) & O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def open_logs():
    """Point the user's 0 at /dev/null and 1 at the log: descriptor 3, or 2 where there is no 3."""
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

    It makes one write per line; unbuffered (-u) it would be one per argument of print(). It writes UTF-8
    in any locale, and a print never fails because of a character.
    """
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def flush(stream):
    try:
        stream.flush()
    except Exception:  # closed, None, or an object of the user's: there is nothing to flush
        pass


def flush_logs():
    """Write out everything that was printed. Call before each answer, which ends the activation's log.

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
    """End the process as sys.exit(code) does: run exit handlers and flush what was written. But wait for no
    thread, and close or destroy nothing."""
    import atexit

    status = exit_status(code)
    try:
        atexit._run_exitfuncs()
    except BaseException:  # atexit has printed it already
        pass
    flush_logs()
    flush_files()
    os._exit(status)


def exit_status(code):
    """The exit status that Python uses for sys.exit(code). Prints the code if it is a text."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xff
    try:
        print(code, file=sys.stderr)
    except Exception:  # the user's code closed stderr
        pass
    return 1


def flush_files():
    """Flush files that the user's code has written and not closed. Leave out pipes, because a write to a
    pipe may wait for its reader."""
    import gc
    import io
    import stat

    for thing in gc.get_objects():
        if issubclass(type(thing), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if stat.S_ISREG(os.fstat(thing.fileno()).st_mode):
                    thing.flush()
            except Exception:  # the file is closed
                pass
