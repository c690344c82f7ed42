"""Whoever reads our two streams stalls, leaves, or has no room: nobody else pays for it."""

import fcntl
import os
import termios
import threading

import pytest

import puppet
import samples
import whisk
from puppet import answer, steps
from whisk import SENTINEL, assert_error, wait_until
from wire import hammer

NATIVE = ("--runtime", "native", "--answers", "fd3", "--workers", 1)
LINE = b"one of very many lines of a log, which somebody may read some day\n"
FLOOD_TIMES = 500  # of 200 lines: 6 MB, more than all buffers on the way hold
HELD_MAX_KB = 8 << 10


class Reader:
    """The other end of one of the proxy's streams; reads only once it is told to."""

    def __init__(self):
        self.read_fd, self.write_fd = os.pipe()
        self.text = bytearray()
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        while data := os.read(self.read_fd, 1 << 20):
            self.text += data

    def wait_filled(self):
        """Until a flood has begun to fill the pipe; how full a pipe can be is the kernel's."""
        half = fcntl.fcntl(self.read_fd, fcntl.F_GETPIPE_SZ) // 2
        wait_until(lambda: int.from_bytes(fcntl.ioctl(self.read_fd, termios.FIONREAD, b"\0" * 4),
                                          "little") > half, "the pipe to be filled")

    def go_on(self):
        self.thread.start()

    def whole(self, proxy):
        """Everything up to the proxy's end."""
        proxy.finish()
        self.thread.join(whisk.WAIT_S)
        assert not self.thread.is_alive()
        return self.text


@pytest.fixture(params=[1, 2], ids=["stdout", "stderr"])
def stalled(proxy, request):
    """(a proxy of which one stream has a reader that stalls, that reader, the stream's number)"""
    def start(*options):
        reader = Reader()
        streams = [None, None]
        streams[request.param - 1] = reader.write_fd
        one = proxy(*NATIVE, *options, streams=streams)
        one.started(puppet.CODE)
        return one, reader, request.param
    return start


def flooding(stream):
    return steps(puppet.flood(stream, LINE * 200, FLOOD_TIMES), answer('{"flooded":true}'))


def assert_answers(one):
    """It is not the loop that is held up."""
    assert one.request("GET", "/").status == 404
    assert one.post("/run", b"{").status == 400


def test_a_stalled_reader_holds_up_the_flood_and_nothing_else(stalled):
    one, reader, stream = stalled()
    memory_kb = one.memory_kb("VmRSS")
    later = one.later(one.run, flooding(stream))
    reader.wait_filled()
    for _ in range(20):
        assert_answers(one)
    assert not later.done
    if not whisk.is_sanitized():
        assert one.memory_kb("VmHWM") < memory_kb + HELD_MAX_KB
    reader.go_on()
    assert later.result().json == {"flooded": True}
    end = SENTINEL.encode() + b"\n"
    # The proxy waits a while at its end for a slow reader, and then gives up: let it read first.
    wait_until(lambda: reader.text.endswith(end), "the whole flood to be read")
    assert reader.whole(one) == LINE * 200 * FLOOD_TIMES + end


def test_deadlines_hold_while_the_reader_is_stalled(stalled):
    """Those that run and those that wait are told in time; each has its sentinel in the end."""
    one, reader, stream = stalled("--timeout", 600, "--queue-max", 5)
    first = one.later(one.run, flooding(stream))
    reader.wait_filled()
    rest = [one.later(one.run, steps(answer("{}"))) for _ in range(20)]
    assert first.result().status == 502
    statuses = [later.result().status for later in rest]
    assert set(statuses) <= {200, 429, 502}
    reader.go_on()
    wait_until(lambda: one.run(steps(answer('{"a":1}'))).status == 200, "an answer once it reads")
    n_served = 1 + sum(status != 429 for status in statuses)
    # The proxy waits a while at its end for a slow reader, and then gives up: let it read first.
    wait_until(lambda: reader.text.count(SENTINEL.encode() + b"\n") >= n_served + 1, "a sentinel of each")
    text = reader.whole(one)
    assert one.sentinels()[2 - stream] == text.count(SENTINEL.encode() + b"\n")


def test_sentinels_alone_fill_the_pipe_of_a_stalled_reader(proxy):
    """
    Silent activations by the ten thousand, and nobody reads: what is held stays small, and after
    the stall each has its answer and its sentinel.
    """
    reader = Reader()
    one = proxy("--runtime", "python", "--workers", 2, streams=(reader.write_fd, None))
    one.started(samples.PYTHON_CODES["echo"])
    memory_kb, each, answers = one.memory_kb("VmRSS"), 5000, {}
    load = one.later(hammer, one.port, 8, each, lambda c, n: b'{"value":{"id":%d}}' % n, answers)

    def is_held_up():
        n = len(answers)
        assert_answers(one)
        return 0 < n == len(answers)

    wait_until(is_held_up, "the activations to be held up")
    if not whisk.is_sanitized():
        assert one.memory_kb("VmHWM") < memory_kb + HELD_MAX_KB
    assert not load.done
    reader.go_on()
    load.result()
    assert {status for status, _ in answers.values()} == {200}
    assert reader.whole(one) == (SENTINEL.encode() + b"\n") * 8 * each


def test_sigterm_while_the_reader_is_stalled(stalled):
    """The end does not wait for whoever never reads."""
    one, reader, stream = stalled("--drain-timeout", 300)
    later = one.later(one.run, flooding(stream))
    reader.wait_filled()
    one.terminate()
    assert one.process.wait(whisk.WAIT_S) == 0
    assert_error(later.result(), 400, "command exited")


def test_a_reader_that_leaves_costs_the_log_only(stalled):
    one, reader, stream = stalled()
    os.close(reader.read_fd)
    for number in range(5):
        reply = one.run(steps(["write", stream, puppet.out("to nobody\n")[2]],
                              answer(f'{{"n":{number}}}')))
        assert reply.json == {"n": number}
    assert one.run(flooding(stream)).json == {"flooded": True}
    assert one.sentinels()[2 - stream] == 6


@pytest.mark.parametrize("stream", [1, 2])
def test_a_stream_without_room_costs_the_log_only(proxy, stream):
    """Every write to it fails with ENOSPC, as on a full disk."""
    streams = [None, None]
    streams[stream - 1] = "/dev/full"
    one = proxy(*NATIVE, streams=streams)
    one.started(puppet.CODE)
    for number in range(3):
        reply = one.run(steps(puppet.out("x\n"), puppet.err("x\n"), answer(f'{{"n":{number}}}')))
        assert reply.json == {"n": number}
    assert one.run(flooding(stream)).json == {"flooded": True}
    assert one.sentinels()[2 - stream] == 4
