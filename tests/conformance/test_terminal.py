"""What a human sees who starts the proxy by hand: on a terminal, and how that differs from pipes."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

import whisk

MARK = whisk.SENTINEL
PRINTS = "def main(args):\n    print('a log line')\n    return {'ok': 1}\n"


class Terminal:
    """A proxy whose stdout and stderr are a pseudo terminal."""

    def __init__(self, *options, env=None, program=whisk.PROGRAM):
        self._ours, theirs = pty.openpty()
        self._seen = b""
        self.process = subprocess.Popen(
            [program, "--port=0", *options], stdin=theirs, stdout=theirs, stderr=theirs,
            env={**os.environ, "WHISKLOOP_LOG_LEVEL": "off", **(env or {})},
            start_new_session=True)
        os.close(theirs)

    def text(self):
        return self._seen.decode(errors="replace").replace("\r\n", "\n")

    def _read_some(self, limit_s):
        if not select.select([self._ours], [], [], limit_s)[0]:
            return False
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # EIO: all who had it open are gone
            return False
        self._seen += more
        return bool(more)

    def wait_for(self, pattern):
        give_up_at = time.monotonic() + whisk.WAIT_S
        while not re.search(pattern, self.text()):
            assert time.monotonic() < give_up_at, f"{pattern!r} never came: {self.text()!r}"
            self._read_some(0.05)
        return re.search(pattern, self.text())

    def port(self):
        return int(self.wait_for(r"http://\S+:(\d+)[, ]").group(1))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        give_up_at = time.monotonic() + whisk.WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < give_up_at, "the proxy does not end"
            self._read_some(0.05)
        while self._read_some(0):
            pass
        os.close(self._ours)
        return self.process.returncode


@contextlib.contextmanager
def terminal(*options, **more):
    running = Terminal(*options, **more)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def script(name, *words, port):
    return subprocess.run([whisk.REPO / "bin" / name, *words], timeout=whisk.WAIT_S, text=True,
                          capture_output=True, check=False,
                          env={**os.environ, "PORT": str(port)})


def run_once(running, folder):
    (folder / "prints.py").write_text(PRINTS)
    assert script("init.sh", folder / "prints.py", port=running.port()).returncode == 0
    assert script("run.sh", port=running.port()).stdout == '{"ok":1}\n'
    running.wait_for("a log line\n")


def test_the_start_line_tells_address_runtime_and_what_to_do_next():
    with terminal("--listen=127.0.0.1") as running:
        port = running.port()
        assert running.end() == 0
    assert running.text() == (f"whiskloop: http://127.0.0.1:{port}, runtime python, no action yet, "
                              f"publish one with: PORT={port} bin/init.sh FILE\n")


def test_the_start_line_of_an_installed_program_names_the_installed_script():
    with terminal("--listen=127.0.0.1", program=whisk.installed_program()) as running:
        port = running.port()
        running.wait_for(rf"publish one with: PORT={port} whiskloop-init FILE\n")
        assert running.end() == 0


def test_the_start_line_warns_when_all_interfaces_are_open():
    with terminal() as running:
        running.wait_for("WARNING: open on all interfaces.*--listen 127.0.0.1\n")
        assert running.end() == 0


def test_the_start_line_names_the_action_that_is_there(folder):
    (folder / "prints.py").write_text(PRINTS)
    with terminal("--listen=127.0.0.1", f"--action={folder}/prints.py") as running:
        running.wait_for(rf"runtime python, action of {folder}/prints\.py\n")
        assert running.end() == 0


def test_end_marks_are_not_shown_on_a_terminal(folder):
    with terminal("--listen=127.0.0.1") as running:
        run_once(running, folder)
        assert running.end() == 0
    assert MARK not in running.text()


def test_end_marks_can_be_had_on_a_terminal(folder):
    with terminal("--listen=127.0.0.1", "--end-marks=on") as running:
        run_once(running, folder)
        assert running.end() == 0
    assert running.text().count(MARK) == 2


@pytest.mark.parametrize("delay_ms", [0, 1])
def test_after_ctrl_c_it_says_what_it_waits_for(folder, gate, delay_ms):
    door = gate()
    (folder / "slow.py").write_text(f"def main(args):\n    open({door.path!r}).read()\n")
    with terminal("--listen=127.0.0.1", f"--action={folder}/slow.py",
                  f"--drain-delay={delay_ms}") as running:
        port = running.port()
        call = whisk.Later(lambda: script("run.sh", port=port))
        door.wait_reached()
        running.process.send_signal(signal.SIGINT)
        running.wait_for("waiting 30 s at most for 1 activation to end; Ctrl-C again ends it now\n")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(whisk.WAIT_S) == 0
        assert call.result().returncode != 0


def test_pipes_have_end_marks_and_no_start_line(proxy):
    one = proxy()
    one.started(PRINTS)
    assert one.run({}).status == 200
    assert one.check_streams(1) == ("a log line", "")


def test_end_marks_can_be_left_out_of_pipes(proxy):
    one = proxy("--end-marks=off")
    one.started(PRINTS)
    assert one.run({}).status == 200
    whisk.wait_until(lambda: one.logs()[0], "the log")
    assert one.logs() == (b"a log line\n", b"")


def test_a_misspelt_variable_is_warned_about_by_name():
    done = subprocess.run([whisk.PROGRAM, "invoke", "/dev/null"], timeout=whisk.WAIT_S, text=True,
                          capture_output=True, check=False,
                          env={"PATH": os.environ["PATH"], "WHISKLOOP_QUEUEMAX": "7",
                               "WHISKLOOP_PORT": "7", "WHISKLOOP": "x", "WHISKLOOP_ZZZZ": "1"})
    lines = [line for line in done.stderr.splitlines() if "config.variable" in line]
    assert len(lines) == 2
    assert "unknown=WHISKLOOP_QUEUEMAX did_you_mean=WHISKLOOP_QUEUE_MAX" in lines[0]
    assert "unknown=WHISKLOOP_ZZZZ" in lines[1] and "did_you_mean" not in lines[1]


@pytest.mark.parametrize("setting, service", [("WHISKLOOP_PORT", "WHISKLOOP"),
                                              ("FLASK_PROXY_PORT", "FLASK_PROXY"),
                                              (None, "WHISKLOOP_HELLO")])
def test_variables_of_a_kubernetes_service_are_no_settings(proxy, setting, service):
    """One warning at most, and that of a value which is not taken: they come with every pod."""
    one = proxy(env={f"{service}_PORT": "tcp://10.0.0.1:80",
                     f"{service}_PORT_80_TCP": "tcp://10.0.0.1:80",
                     f"{service}_PORT_80_TCP_ADDR": "10.0.0.1",
                     f"{service}_PORT_80_TCP_PORT": "80",
                     f"{service}_PORT_80_TCP_PROTO": "tcp",
                     f"{service}_SERVICE_HOST": "10.0.0.1",
                     f"{service}_SERVICE_PORT": "80",
                     f"{service}_SERVICE_PORT_HTTP": "80"})
    one.started(PRINTS)
    assert one.run({}).status == 200
    warnings = [line for line in one.logs()[1].decode().splitlines() if "config.variable" in line]
    assert len(warnings) == (setting is not None)
    assert all(f" ignored={setting} hint=" in line for line in warnings)


def test_a_runtime_that_is_none_lists_those_that_there_are():
    done = subprocess.run([whisk.PROGRAM, "--runtime", "node"], timeout=whisk.WAIT_S, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 2
    assert "did you mean nodejs?" in done.stderr
    for name in ("auto", "go", "java", "native", "python", "ruby"):
        assert name in done.stderr


def test_an_error_about_a_number_names_its_unit_and_range():
    done = subprocess.run([whisk.PROGRAM, "--timeout", "5s"], timeout=whisk.WAIT_S, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "whiskloop: --timeout=5s: want a number from 1 to 86400000 ms\n"
