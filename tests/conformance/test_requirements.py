"""requirements.txt in an archive for Python: installed where pip finds the packages, else said."""

import functools
import http.server
import io
import socket
import subprocess
import threading
import zipfile
from urllib.parse import unquote

import pytest

from archives import zipped
from whisk import PROGRAM, assert_error

MAIN = "import greet\ndef main(args):\n    return {'greeting': greet.hello(args['name'])}\n"
ALONE = "def main(args):\n    return args\n"
GREETING = {"greeting": "Hello, Mike!"}
PIP = subprocess.run(["/usr/bin/python3", "-m", "pip", "--version"], capture_output=True, check=False)

pytestmark = pytest.mark.skipif(PIP.returncode != 0, reason="needs pip (Debian package python3-pip)")


@pytest.fixture
def wheels(folder):
    """A folder as an index has it: greet/greet-1.0-py3-none-any.whl."""
    info = "greet-1.0.dist-info"
    wheel = zipped({
        "greet.py": "def hello(name):\n    return f'Hello, {name}!'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"greet.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"})
    (folder / "index/greet").mkdir(parents=True)
    (folder / "index/greet/greet-1.0-py3-none-any.whl").write_bytes(wheel)
    return folder / "index"


@pytest.fixture
def index(wheels):
    """The same as a package index on the loopback interface."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(wheels))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def local(wheels):
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels / "greet")}


def archive(requirements="greet>=1.0  # of the tests\n", main=MAIN, **more):
    return zipped({"__main__.py": main, "requirements.txt": requirements, **more})


def test_packages_come_from_a_folder_of_wheels(proxy, wheels):
    one = proxy("--runtime", "python", env=local(wheels))
    one.started(archive())
    assert one.run({"name": "Mike"}).json == GREETING
    assert one.check_streams(1) == ("", "")


def test_packages_come_from_the_index_that_the_init_names(proxy, index):
    one = proxy("--runtime", "python")
    one.started(archive(), env={"PIP_INDEX_URL": index})
    assert one.run({"name": "Mike"}).json == GREETING
    assert one.check_streams(1) == ("", "")


def test_without_an_index_the_action_starts_and_the_log_says_why(proxy):
    one = proxy("--runtime", "python", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    one.started(archive(main=ALONE))
    assert one.run({"a": 1}).json == {"a": 1}
    log = "".join(one.check_streams(1))
    assert log.startswith("requirements.txt was not installed: pip: cannot reach the package index")
    assert "greet" in log and log.count("\n") == 0


def test_a_package_that_nobody_has_is_named(proxy, wheels):
    one = proxy("--runtime", "python", env=local(wheels))
    one.started(archive("greet==2.0\n", main=ALONE))
    assert one.run({"a": 1}).json == {"a": 1}
    assert "requirements.txt was not installed: pip: No matching distribution found for greet==2.0" \
        in "".join(one.check_streams(1))


def test_python_without_pip(proxy, folder):
    (folder / "pip.py").write_text("raise ImportError('No module named pip')\n")
    one = proxy("--runtime", "python", env={"PYTHONPATH": str(folder)})
    one.started(archive(main=ALONE))
    assert one.run({"a": 1}).json == {"a": 1}
    assert "requirements.txt was not installed: this Python has no pip" in "".join(one.check_streams(1))


@pytest.mark.parametrize("requirements", ["", "# none\n\n", "pip>=1 ; python_version >= '3'\n",
                                          "nobody-has-this ; python_version < '3'\n"])
def test_what_is_installed_already_asks_no_index(proxy, requirements):
    one = proxy("--runtime", "python", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    one.started(archive(requirements, main=ALONE))
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.check_streams(1) == ("", "")


def test_packages_beside_the_code_are_installed_already(proxy, wheels):
    one = proxy("--runtime", "python", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    with zipfile.ZipFile(wheels / "greet/greet-1.0-py3-none-any.whl") as wheel:
        beside = {name: wheel.read(name) for name in wheel.namelist()}  # as pip install --target leaves them
    one.started(archive(**beside))
    assert one.run({"name": "Mike"}).json == GREETING
    assert one.check_streams(1) == ("", "")


def test_a_virtualenv_in_the_archive_is_used_as_it_is(proxy):
    activate = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))\n"
    one = proxy("--runtime", "python", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    one.started(archive(**{"virtualenv/bin/activate_this.py": activate,
                           "virtualenv/greet.py": "def hello(name):\n    return f'Hello, {name}!'\n"}))
    assert one.run({"name": "Mike"}).json == GREETING
    assert one.check_streams(1) == ("", "")


def test_compile_fails_and_writes_nothing_when_pip_fails():
    done = subprocess.run([PROGRAM, "--runtime", "python", "-compile", "main"], input=archive(), timeout=60,
                          capture_output=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere"})
    assert done.returncode != 0 and done.stdout == b""
    assert b"requirements.txt was not installed: pip: No matching distribution found for greet>=1.0\n" in done.stderr
    assert done.stderr.endswith(b"-compile: what was built is not complete\n")


def test_the_reason_of_a_failed_load_begins_with_what_was_not_installed(proxy, folder):
    (folder / "pip.py").write_text("raise ImportError('No module named pip')\n")
    one = proxy("--runtime", "python", env={"PYTHONPATH": str(folder)})
    answer = one.init(archive())
    why = "requirements.txt was not installed: this Python has no pip (Debian package python3-pip)"
    assert_error(answer, 502, why + ". Cannot start action. Check logs for details.")
    reason = unquote(answer.headers["x-whiskloop-reason"]).split("\n")
    assert reason[0] == why and reason[1].startswith("Command exited abruptly")
    assert reason[-1] == "ModuleNotFoundError: No module named 'greet'"


def test_compile_puts_the_packages_into_the_zip(proxy, wheels, folder):
    done = subprocess.run([PROGRAM, "--runtime", "python", "-compile", "main"], input=archive(), timeout=60,
                          stdout=subprocess.PIPE, check=True, env={"PATH": "/usr/bin:/bin", **local(wheels)})
    names = zipfile.ZipFile(io.BytesIO(done.stdout)).namelist()
    assert "virtualenv/bin/activate_this.py" in names
    one = proxy("--runtime", "python", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    one.started(done.stdout)
    assert one.run({"name": "Mike"}).json == GREETING
    assert one.check_streams(1) == ("", "")


def test_pip_leaves_time_for_the_start_of_the_action(proxy):
    """An index that takes connections and says nothing costs most of the time of the /init, not all."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = proxy("--runtime", "python", "--init-timeout", 16000)
        one.started(archive(main=ALONE), env={"PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
        assert one.run({"a": 1}).json == {"a": 1}
        assert "requirements.txt was not installed: pip took longer than" in "".join(one.check_streams(1))
