"""whiskloop_zygote - fork workers from a process that has the action loaded.

A part of whiskloop_launcher.py, loaded only by a launcher that makes workers, before the user's code.
../README.md, Fork, has the protocol.
"""

import fcntl
import os
import stat
import sys

from whiskloop_wire import O_ACCMODE, READ_BYTES, Refusal, flush_logs, message, to_line

# Constants, to avoid importing modules for their names alone.
PR_SET_PDEATHSIG = 1
SIGKILL = 9
INT_BYTES = 4


def identity(fd):
    """What a descriptor refers to, whatever its number."""
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def open_descriptors():
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # the listing's own descriptor
        yield int(name)


def can_be_shared(fd):
    """Whether processes can share it: it has no position that moves, and no peer."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        return flags & os.O_APPEND and flags & O_ACCMODE == os.O_WRONLY
    return stat.S_ISCHR(mode) or stat.S_ISDIR(mode)


# OpenBLAS starts a thread for each processor when it is loaded, and a process with threads is not
# forked. If one of these variables is set, leave all as they are.
THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
ADVICE = "; if they are of NumPy or PyTorch, set OPENBLAS_NUM_THREADS, OMP_NUM_THREADS and MKL_NUM_THREADS to 1"


def reseed():
    """Seed the loaded global generators anew, so that this worker has random numbers of its own."""
    for name, path in (("random", ["seed"]), ("numpy", ["random", "seed"]), ("torch", ["seed"])):
        seed = sys.modules.get(name)
        for part in path:
            seed = getattr(seed, part, None)
        try:
            if seed is not None:
                seed()
        except Exception as problem:
            print("cannot seed the generator of %s: %s" % (name, message(problem)), file=sys.stderr)


class Zygote:
    """This process, which has the action loaded and from which all workers are forked: ../README.md, Fork.

    Descriptor 0 was a socket. A request brings a worker's descriptors; the reply is its process id.
    """

    def __init__(self, channel):
        """Call before the user's code is loaded, because its own modules may have any name."""
        import _socket  # the module socket takes as long to load as everything else here

        self.sets_threads = not any(name in os.environ for name in THREADS)
        if self.sets_threads:
            os.putenv(THREADS[0], "1")  # for libraries only: the action's os.environ stays as it was
        try:
            self.socket = _socket.socket(fileno=channel.lines_fd)
        except OSError as problem:
            raise Refusal("cannot make workers: descriptor 0 is no socket: %s" % problem)
        self.library = _socket
        self.channel = channel
        self.proxy = os.getppid()
        self.logs = {identity(1): 3, identity(2): 2}  # a log's identity -> the worker's descriptor that replaces it
        try:
            import ctypes

            self.prctl = ctypes.CDLL(None).prctl
        except (ImportError, OSError, AttributeError):
            self.prctl = None

    def obstacle(self):
        """Why forked workers would differ from others; "" if no reason is known."""
        if self.prctl is None:
            return "this Python has no ctypes"
        n = len(os.listdir("/proc/self/task"))
        if n > 1:
            computes = "numpy" in sys.modules or "torch" in sys.modules
            return "the action runs %d threads once it is loaded%s" % (n, ADVICE * computes)
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return "the action starts a process while it is loaded"
        except ChildProcessError:
            pass
        for fd in open_descriptors():
            ours = fd in (0, self.channel.lines_fd, self.channel.answers_fd)
            if not ours and identity(fd) not in self.logs and not can_be_shared(fd):
                return "the action keeps %s open once it is loaded" % os.readlink(
                    "/proc/self/fd/%d" % fd)
        return ""

    def serve(self):
        """Make workers as long as some are asked for. Returns in each worker only."""
        import gc

        gc.collect()
        flush_logs()
        if self.sets_threads:
            os.unsetenv(THREADS[0])  # libraries have read it while they were loaded
        try:
            problem = self.obstacle()
        except Exception as unseen:
            problem = "cannot look at what a fork would share: %s" % message(unseen)
        self.say({"forks": False, "error": problem} if problem else {"forks": True})
        self.channel.answer(to_line({"ok": True}))
        if hasattr(gc, "freeze"):
            gc.freeze()  # a collection writes to all objects, so their pages would be copied
        while True:
            fds = self.request()
            if fds is None:
                sys.exit(0)
            if self.make_worker(fds):
                return

    def say(self, document):
        os.write(self.channel.lines_fd, to_line(document))

    def request(self):
        """The descriptors 0 to 3 of the next worker; None if no more are wanted."""
        flags = getattr(self.library, "MSG_CMSG_CLOEXEC", 0x40000000)
        data, messages, _, _ = self.socket.recvmsg(
            READ_BYTES, self.library.CMSG_SPACE(4 * INT_BYTES), flags)
        if not data:
            return None
        numbers = b"".join(part for _, _, part in messages)
        return [int.from_bytes(numbers[at:at + INT_BYTES], sys.byteorder)
                for at in range(0, len(numbers), INT_BYTES)]

    def make_worker(self, fds):
        """Fork twice, so that the proxy is the worker's parent, and not we. Returns True in the worker."""
        pids, tell_pid = os.pipe()
        word, give_word = os.pipe()
        try:
            middle = os.fork()
        except OSError as problem:
            middle, text = -1, str(problem)
        if middle == 0:
            self.leave_child(tell_pid)
            for fd in (pids, tell_pid, give_word):
                os.close(fd)
            self.become_worker(word, fds)
            return True
        for fd in [tell_pid, word] + fds:
            os.close(fd)
        if middle > 0:
            text = os.read(pids, READ_BYTES).decode()
            try:
                os.waitpid(middle, 0)
            except ChildProcessError:
                pass  # the user's code has a handler that waits for any child
        # The worker's parent is the proxy now. Let it start only after the proxy can know its id.
        self.say({"pid": int(text)} if text.isdigit() else {"error": text or "no word of a fork"})
        try:
            os.write(give_word, b".")
        except BrokenPipeError:
            pass  # the worker was killed
        os.close(pids)
        os.close(give_word)
        return False

    @staticmethod
    def leave_child(tell_pid):
        """Between the two forks: fork a child and exit. Returns in the child only."""
        try:
            pid = os.fork()
            if pid == 0:
                return
            os.setpgid(pid, pid)
            text = str(pid)
        except BaseException as problem:
            text = message(problem)
        os.write(tell_pid, text.encode())
        os._exit(0)

    def become_worker(self, word, fds):
        """Get everything that a worker has which the proxy itself starts."""
        self.socket.detach()  # forget() has closed it
        told = os.read(word, 1)
        os.close(word)
        if told:
            self.prctl(PR_SET_PDEATHSIG, SIGKILL)
        if not told or os.getppid() != self.proxy:
            os._exit(0)  # nobody knows that we exist
        for fd in open_descriptors():
            log = self.logs.get(identity(fd))
            if log is not None:
                os.dup2(fds[log], fd, os.get_inheritable(fd))
        self.channel.take(fds[0], fds[1])
        for fd in fds:
            os.close(fd)
        reseed()
