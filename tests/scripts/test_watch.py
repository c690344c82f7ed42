"""bin/init.sh --watch: one publication, and one line about it, for each change of the file."""

import base64
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import zipfile

import pytest
from conftest import ROOT, WAIT_S, recording, run_script, wait_until

PUBLISHED = re.compile(r"\d\d:\d\d:\d\d \S+ published in \d+ ms: \{\"ok\":true\}")


class Watch:
    """A running init.sh --watch; `lines` is what it has said so far."""

    def __init__(self, folder, port, arguments, path=None):
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.out_path, self.err_path = folder / "watch.out", folder / "watch.err"
        environment = {**os.environ, "PORT": str(port), "TMPDIR": str(self.scratch)}
        environment["PATH"] = path or environment["PATH"]
        environment.pop("HOST", None)
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                [ROOT / "bin/init.sh", "--watch", *arguments], stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, env=environment, start_new_session=True)

    @property
    def lines(self):
        return self.out_path.read_text().splitlines()

    def line(self, number):
        """The line of this number, the first is 1, when it is there; it must be the last."""
        wait_until(lambda: len(self.lines) >= number or self.process.poll() is not None,
                   f"line {number} after {self.lines}")
        assert self.process.poll() is None, self.err_path.read_text()
        assert len(self.lines) == number
        return self.lines[-1]

    def interrupt(self):
        """Ctrl-C, which a terminal sends to all processes in the foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(WAIT_S)


@pytest.fixture
def watch(tmp_path):
    """watch(port, *arguments, path=None) starts one. At the end Ctrl-C ends it: nothing said, nothing left."""
    started = []

    def start(port, *arguments, path=None):
        started.append(Watch(tmp_path, port, arguments, path))
        return started[-1]

    yield start
    for one in started:
        assert one.interrupt() == 130
        assert one.err_path.read_text() == ""
        assert list(one.scratch.iterdir()) == []


def save(file, text):
    """As many editors do: a new file under the old name. Nobody ever sees half of it."""
    new = file.with_name(file.name + ".new")
    new.write_text(text)
    new.rename(file)


def overwrite(file, text):
    """The same file, in one write."""
    with open(file, "r+b", buffering=0) as opened:
        opened.write(text.encode())


def sent_code(recorder):
    return base64.b64decode(recorder.json()["value"]["code"])


def test_it_publishes_at_once_and_after_each_change(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    one = watch(recorder.port, file)
    assert PUBLISHED.fullmatch(one.line(1))
    assert sent_code(recorder) == b"first"
    overwrite(file, "other")
    assert PUBLISHED.fullmatch(one.line(2))
    assert sent_code(recorder) == b"other"
    save(file, "third")
    assert PUBLISHED.fullmatch(one.line(3))
    assert sent_code(recorder) == b"third"


def test_a_file_put_in_its_place_is_a_change(watch, recorder, tmp_path):
    """Also when it is of the same size and time."""
    file, other = tmp_path / "hello.py", tmp_path / "hello.py.new"
    file.write_text("first")
    one = watch(recorder.port, file)
    one.line(1)
    other.write_text("other")
    shutil.copystat(file, other)
    other.rename(file)
    one.line(2)
    assert sent_code(recorder) == b"other"


def test_main_and_environment_go_with_each_publication(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    one = watch(recorder.port, "-e", "A=b c", file, "other")
    one.line(1)
    recorder.body = None
    save(file, "second")
    one.line(2)
    value = recorder.json()["value"]
    assert (value["main"], value["env"], value["name"]) == ("other", {"A": "b c"}, "hello")


def test_it_goes_on_after_a_publication_that_failed(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    recorder.status, recorder.answer = 502, b'{"error":"some reason"}\n'
    one = watch(recorder.port, file)
    line = one.line(1)
    assert "NOT PUBLISHED: HTTP status 502" in line and "some reason" in line
    recorder.status, recorder.answer = 200, b'{"ok":true}\n'
    save(file, "second")
    assert PUBLISHED.fullmatch(one.line(2))


def test_without_a_proxy_it_says_so_and_goes_on(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # ours, but nobody listens on it
        one = watch(held.getsockname()[1], file)
        assert "NOT PUBLISHED: no proxy answers" in one.line(1)
        save(file, "second")
        assert "NOT PUBLISHED: no proxy answers" in one.line(2)


def test_a_proxy_that_was_restarted_gets_the_action_again(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    one = watch(recorder.port, file)
    assert PUBLISHED.fullmatch(one.line(1))
    recorder.body = None
    recorder.instance = "two"
    assert PUBLISHED.fullmatch(one.line(2))
    assert sent_code(recorder) == b"first"


def test_a_proxy_that_comes_up_later_gets_the_action(watch, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    with socket.socket() as held:  # all the time: whoever says that it may be reused, as a server does, gets it, too
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        one = watch(port, file)
        assert "NOT PUBLISHED: no proxy answers" in one.line(1)
        with recording(port) as recorder:
            assert PUBLISHED.fullmatch(one.line(2))
        assert sent_code(recorder) == b"first"


def test_a_proxy_that_comes_up_between_question_and_publication_gets_the_action_once(
        watch, recorder, tmp_path):
    """The run that took the action is the one that its reply names, whatever was seen before."""
    file = tmp_path / "hello.py"
    file.write_text("first")
    recorder.instance, recorder.headers = "another", {"x-whiskloop-instance": "one"}
    one = watch(recorder.port, file)
    one.line(1)
    n_asked = recorder.n_asked
    wait_until(lambda: recorder.n_asked >= n_asked + 3, "it to look again")
    assert len(one.lines) == 1


def test_the_reason_of_a_failed_publication_is_in_its_line(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    recorder.status, recorder.headers = 502, {"x-whiskloop-reason": "line 3%0ASyntaxError: 100%25"}
    assert "line 3 SyntaxError: 100%" in watch(recorder.port, file).line(1)


def test_a_file_that_is_gone_is_waited_for(watch, recorder, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("first")
    one = watch(recorder.port, file)
    one.line(1)
    file.unlink()
    assert "is gone" in one.line(2)
    save(file, "again")
    one.line(3)
    assert sent_code(recorder) == b"again"


def test_each_file_of_a_folder_counts(watch, recorder, tmp_path):
    folder = tmp_path / "action"
    (folder / "deep").mkdir(parents=True)
    (folder / "__main__.py").write_text("first")
    (folder / "deep/data").write_text("1")
    one = watch(recorder.port, folder)
    one.line(1)
    overwrite(folder / "deep/data", "2")
    one.line(2)
    with zipfile.ZipFile(io.BytesIO(sent_code(recorder))) as archive:
        assert archive.read("deep/data") == b"2"
    (folder / "deep/data").unlink()
    one.line(3)
    with zipfile.ZipFile(io.BytesIO(sent_code(recorder))) as archive:
        assert "deep/data" not in archive.namelist()


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_tools_of_busybox_see_a_change(watch, recorder, tmp_path, is_folder):
    """As on Alpine. These stand-ins refuse what busybox's stat and find do not know."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, unknown in (("stat", "--*"), ("find", "-printf")):
        (tools / name).write_text(f"""#!/bin/sh
for word; do
    case $word in --) ;; {unknown}) exit 1 ;; esac
done
exec {shutil.which(name)} "$@"
""")
        (tools / name).chmod(0o755)
    folder = tmp_path / "action"
    folder.mkdir()
    (folder / "__main__.py").write_text("first")
    one = watch(recorder.port, folder if is_folder else folder / "__main__.py",
                path=f"{tools}:{os.environ['PATH']}")
    assert PUBLISHED.fullmatch(one.line(1))
    overwrite(folder / "__main__.py", "other")
    assert PUBLISHED.fullmatch(one.line(2))


def test_a_proxy_that_takes_no_replacement_is_named_as_the_reason(watch, start_proxy, tmp_path):
    file = tmp_path / "hello.py"
    file.write_text("def main(args):\n    return {'version': 1}\n")
    proxy = start_proxy()
    one = watch(proxy.port, file)
    assert PUBLISHED.fullmatch(one.line(1))
    save(file, "def main(args):\n    return {'version': 2}\n")
    line = one.line(2)
    assert "Cannot initialize the action more than once." in line and "--allow-reinit" in line


def test_the_proxy_serves_what_was_saved_last_and_worked(watch, start_proxy, tmp_path):
    file = tmp_path / "hello.py"
    proxy = start_proxy("--allow-reinit")

    def answer():
        return run_script("run.sh", port=proxy.port).stdout

    file.write_text("def main(args):\n    return {'version': 1}\n")
    one = watch(proxy.port, file)
    one.line(1)
    assert answer() == '{"version":1}\n'
    save(file, "def main(args):\n    return {'version': 2}\n")
    one.line(2)
    assert answer() == '{"version":2}\n'
    save(file, "def main(args:\n")
    assert "NOT PUBLISHED" in one.line(3)
    assert answer() == '{"version":2}\n'
    save(file, "def main(args):\n    return {'version': 4}\n")
    one.line(4)
    assert answer() == '{"version":4}\n'
