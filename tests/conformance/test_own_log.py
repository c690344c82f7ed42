"""The proxy's own log: where it goes, what it says, and that it troubles nobody else."""

import json
import os
import re
import signal
import subprocess

import pytest

import archives
import puppet
from puppet import answer, steps
from whisk import PROGRAM, WAIT_S, soon, wait_until

NATIVE = ("--runtime", "native", "--answers", "fd3")
ECHO = "def main(args):\n    return args\n"
TIME_RE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{3})?Z")
FIELD_RE = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: |$)')


@pytest.fixture
def log(folder):
    return folder / "own.log"


def events(log, name=None):
    """The lines of a log of JSON; each must be one object with time, level and event."""
    found = []
    for line in log.read_bytes().decode("utf-8").split("\n")[:-1]:
        event = json.loads(line)
        assert TIME_RE.fullmatch(event["time"]), line
        assert event["level"] in ("error", "warn", "info", "debug"), line
        if name in (None, event["event"]):
            found.append(event)
    return found


def only(log, name, **fields):
    """The one event of that name with these fields; waits for it."""
    def matching():
        return [event for event in events(log, name)
                if all(event.get(key) == value for key, value in fields.items())]
    wait_until(matching, f"{name} with {fields} in the log")
    assert len(matching()) == 1, matching()
    return matching()[0]


def with_log(proxy, log, *options, level="info"):
    return proxy("--log-file", log, "--log-format", "json", "--log-level", level, *options)


# --- the container's streams --------------------------------------------------------------------


def test_by_default_the_streams_are_the_actions_alone(proxy):
    """Whatever happens to the action, nobody reads of it in the action's log."""
    one = proxy(*NATIVE)
    assert one.init("#!/no/such/program\n").status == 502
    before = [len(text) for text in one.logs()]
    one.started(puppet.CODE)
    one.run(steps(answer("{}")))
    assert one.run(steps(puppet.die())).status == 400
    assert one.run(steps(puppet.forever()), deadline=soon(900)).status == 502
    one.run(steps(answer("{}")))
    logs = b"".join(text[n:] for text, n in zip(one.logs(), before))
    assert logs == b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n" * 8


def test_with_a_file_the_streams_are_the_actions_alone(proxy, log):
    """At the most talkative level, too."""
    one = with_log(proxy, log, *NATIVE, level="debug")
    one.started(puppet.CODE)
    one.run(steps(puppet.die()))
    one.run(steps(answer("{}")))
    assert one.check_streams(2) == ("", "")


def test_text_on_stderr_can_be_told_from_the_actions_log(proxy):
    """Each line of ours begins with our name, and has time, level, event and fields."""
    one = proxy("--runtime", "python", "--log-level", "debug")
    one.started("import sys\ndef main(args):\n    print('mine', file=sys.stderr)\n    return args\n")
    one.run({})
    lines = [line for line in one.logs()[1].decode().splitlines()
             if line.startswith("whiskloop: ")]
    assert len(lines) >= 6
    for line in lines:
        _, time, level, event, rest = line.split(" ", 4)
        assert TIME_RE.fullmatch(time) and level in ("info", "debug")
        assert re.fullmatch(r"\w+\.\w+", event)
        assert FIELD_RE.sub("", rest) == "", line
    assert "mine\n" in one.logs()[1].decode()


# --- files --------------------------------------------------------------------------------------


def test_a_file_gets_info_by_default(proxy, log):
    """--log-file alone tells starts and ends, and no single activation."""
    one = proxy("--log-file", log)
    one.started(ECHO)
    one.run({})
    text = log.read_text()
    assert " info main.listen " in text and " info init.end " in text
    assert "activation" not in text
    assert not text.startswith("whiskloop: ")


def test_a_file_is_appended_to(proxy, log):
    """What stood in the file stays."""
    log.write_text("before\n")
    proxy("--log-file", log)
    assert log.read_text().startswith("before\n")
    assert log.read_text().count("\n") > 1


def test_a_file_is_opened_anew_on_sighup(proxy, log):
    """logrotate moves the file and sends SIGHUP: nothing is lost, and the proxy goes on."""
    one = with_log(proxy, log)
    moved = log.with_suffix(".1")
    os.rename(log, moved)
    one.process.send_signal(signal.SIGHUP)
    wait_until(log.exists, "a new file")
    one.started(ECHO)
    assert one.run({"a": 1}).json == {"a": 1}
    only(moved, "main.listen")
    only(log, "init.end", outcome="ok")
    assert not events(log, "main.listen")


def test_a_new_file_that_cannot_be_had(proxy, log):
    """SIGHUP while the path is taken by a folder: the old file goes on and says so."""
    one = with_log(proxy, log)
    moved = log.with_suffix(".1")
    os.rename(log, moved)
    log.mkdir()
    one.process.send_signal(signal.SIGHUP)
    assert str(log) in only(moved, "main.log", level="warn")["failed"]
    one.started(ECHO)
    only(moved, "init.end", outcome="ok")


def test_sighup_without_a_file_ends_the_proxy_in_order(proxy):
    """A terminal that closes: as SIGTERM; the fixture looks at the status and what is left."""
    one = proxy()
    one.started(ECHO)
    one.process.send_signal(signal.SIGHUP)
    assert one.process.wait(WAIT_S) == 0


def test_sighup_under_nohup_ends_nothing(proxy):
    """A signal that is ignored when the program starts."""
    one = proxy(wrapper=["nohup"])
    one.started(ECHO)
    one.process.send_signal(signal.SIGHUP)
    assert [one.run({"a": n}).json for n in range(3)] == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_a_file_is_opened_anew_under_nohup(proxy, log):
    one = proxy("--log-file", log, wrapper=["nohup"])
    os.rename(log, log.with_suffix(".1"))
    one.process.send_signal(signal.SIGHUP)
    wait_until(log.exists, "a new file")


@pytest.mark.parametrize("path", ["/nonexistent/own.log", "/"])
def test_a_file_that_cannot_be_opened(path, folder):
    """The proxy does not start, and says which file and why."""
    made = subprocess.run([PROGRAM, "--port", "0", "--log-file", path], cwd=folder,
                          capture_output=True, text=True, timeout=WAIT_S)
    assert made.returncode == 1
    assert made.stderr.startswith(f'whiskloop: cannot open the log "{path}" (--log-file): ')
    assert made.stderr.count("\n") == 1


def test_an_empty_name_is_stderr(proxy):
    """So that an image can set the variable and a user can unset it."""
    one = proxy("--log-file", "", "--log-level", "info")
    assert b"main.listen" in one.logs()[1]


@pytest.mark.parametrize("option", ["--log-level=loud", "--log-format=xml", "--log-level=",
                                    "--log-format="])
def test_words_that_are_none(option):
    """A misspelt word ends the start with status 2 and the words there are."""
    made = subprocess.run([PROGRAM, "--port", "0", option], capture_output=True, text=True,
                          timeout=WAIT_S)
    assert made.returncode == 2
    assert re.fullmatch(rf"whiskloop: {option}: want [a-z|]+\n", made.stderr)


def test_a_full_disk(proxy):
    """Lines that cannot be written are lost; the service goes on."""
    one = proxy("--log-file", "/dev/full", "--log-level", "debug")
    one.started(ECHO)
    for number in range(20):
        assert one.run({"n": number}).json == {"n": number}
    assert one.check_streams(20) == ("", "")


def test_a_reader_that_stalls(proxy, folder):
    """A named pipe that nobody empties holds nothing up."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        one = proxy("--log-file", pipe, "--log-level", "debug")
        one.started(ECHO)
        for number in range(400):  # at 300 bytes and more for each, twice what a pipe holds
            assert one.run({"n": number}, activation_id="a" * 64).json == {"n": number}
        assert len(os.read(reader, 1 << 20)) > 50000
        one.run({})
        wait_until(lambda: b" dropped=" in os.read(reader, 1 << 20), "a line with what was lost")
    finally:
        os.close(reader)


# --- what it says -------------------------------------------------------------------------------


def test_the_life_of_an_action(proxy, log):
    """Listening, /init, the worker's start, readiness and end, with the values that belong."""
    one = with_log(proxy, log, *NATIVE, "--workers", 1)
    one.started(puppet.CODE)
    one.run(steps(answer("{}")))
    one.terminate()
    assert one.process.wait(WAIT_S) == 0
    assert only(log, "main.listen")["port"] == one.port
    assert only(log, "main.listen")["address"] == "127.0.0.1"
    started = only(log, "init.start")
    assert (started["kind"], started["bytes"]) == ("script", len(puppet.CODE.encode()))
    ended = only(log, "init.end")
    assert (ended["outcome"], ended["runtime"]) == ("ok", "native")
    assert ended["version"] == started["version"] and ended["ms"] >= 0
    for start in events(log, "worker.start"):
        assert only(log, "worker.ready", pid=start["pid"])["after_ms"] >= 0
        assert only(log, "worker.stop", pid=start["pid"])["why"] == "stopped"
        assert only(log, "worker.exit", pid=start["pid"])["signal"] == signal.SIGTERM
    assert only(log, "main.signal")["signo"] == signal.SIGTERM
    assert events(log)[-1]["event"] == "main.end" and events(log)[-1]["status"] == 0
    assert not events(log, "activation.end"), "an activation that answered is no life-cycle"


def test_why_an_init_failed(proxy, log):
    """The reason is told in full, and a later success, too."""
    one = with_log(proxy, log, *NATIVE)
    one.init(archives.zipped({"no.txt": "x"}))
    failed = only(log, "init.end", outcome="failed")
    assert failed["reason"] and failed["level"] == "info"
    assert only(log, "init.start")["kind"] == "zip"
    one.post("/init", b"{broken")
    assert len(events(log, "init.end")) == 2
    one.started(puppet.CODE)
    only(log, "init.end", outcome="ok")


def test_the_activation_that_died(proxy, log):
    """A death names the activation that was running, and only that one."""
    one = with_log(proxy, log, *NATIVE)
    one.started(puppet.CODE)
    one.run(steps(answer("{}")), activation_id="fine")
    one.run(steps(puppet.die()), activation_id="8a0c", transaction_id="t1")
    ended = only(log, "activation.end")
    assert (ended["activation_id"], ended["transaction_id"]) == ("8a0c", "t1")
    assert (ended["outcome"], ended["level"]) == ("died", "info")
    assert only(log, "worker.exit", pid=ended["worker"])["signal"] == signal.SIGKILL


def test_the_activation_that_was_late(proxy, log):
    """A kill at the deadline names the activation and the process."""
    one = with_log(proxy, log, *NATIVE, "--timeout", 900)
    one.started(puppet.CODE)
    one.run(steps(puppet.forever()), activation_id="8a0c")
    ended = only(log, "activation.end", activation_id="8a0c", outcome="late")
    assert ended["limit_ms"] == 900 and ended["ms"] >= ended["queue_ms"] >= 0
    only(log, "worker.stop", pid=ended["worker"], why="deadline")


def test_each_activation_at_debug(proxy, log):
    """Start and end of each, with the worker, what it waited and what it took."""
    one = with_log(proxy, log, level="debug")
    one.started(ECHO)
    one.run({}, activation_id="first")
    one.run({})
    one.post("/run", b"null")
    starts, ends = events(log, "activation.start"), events(log, "activation.end")
    assert [event.get("activation_id") for event in starts] == ["first", None, None]
    assert [event.get("activation_id") for event in ends] == ["first", None, None]
    assert all(event["outcome"] == "answered" and event["ms"] >= 0 for event in ends)
    assert {event["worker"] for event in starts} == {event["worker"] for event in ends}


@pytest.mark.parametrize("name", [
    b"../\xff\xfe\x80", b"../\"quoted\" \\ back", b"../line\nnew\r{}", b"../\x1b[2J\x07\x01\x7f",
    "../\u20ac\U0001f600\u2028".encode(), b"../\xed\xa0\x80\xf5", b"../" + b"\x01" * 200,
], ids=["no-utf8", "quotes", "newline", "escape", "beyond-ascii", "surrogate", "long"])
def test_hostile_bytes_in_a_reason(proxy, log, name):
    """A name out of an archive, whatever its bytes, leaves every line valid JSON."""
    one = with_log(proxy, log, *NATIVE)
    entry = archives.member(name.decode("utf-8", "surrogateescape"), b"x")
    assert one.init(archives.tarred_members([entry])).status == 502
    assert only(log, "init.end")["reason"]


@pytest.mark.parametrize("member", [
    '"\\"}\\n{\\"event\\":\\"forged\\"}"', '"\\u0000\\ud800"', '"' + "x" * 5000 + '"', "7", "[1]", "null",
], ids=["forged", "surrogate", "long", "number", "array", "null"])
def test_hostile_activation_ids(proxy, log, member):
    """What a client calls its activation cannot break or forge a line."""
    one = with_log(proxy, log, level="debug")
    one.started(ECHO)
    one.post("/run", b'{"value":{},"activation_id":%s}' % member.encode())
    assert len(events(log, "activation.end")) == 1
    assert len(events(log, "activation.end")[0].get("activation_id", "")) <= 64
    assert not events(log, "forged")


def test_hostile_bytes_in_text_form(proxy, log):
    """The text form keeps one line for each event as well."""
    one = proxy("--log-file", log, *NATIVE)
    entry = archives.member("../a\n2026 info forged.event \udcff\x1b", b"x")
    assert one.init(archives.tarred_members([entry])).status == 502
    for line in log.read_bytes().decode("utf-8").split("\n")[:-1]:
        assert TIME_RE.match(line), line
    assert "\x1b" not in log.read_text()
