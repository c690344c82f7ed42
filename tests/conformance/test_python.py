"""What the Python runtime's own suite asks for."""

import re

import pytest

import archives
from whisk import assert_error

PYTHON = ("--runtime", "python")

ECHO_MODULE = "def echo(args):\n    return {'echo': args}\n"

# What the virtualenv module leaves in an action's archive: an activation file that puts the
# packages beside it on the path, and one package.
VIRTUALENV = {
    "virtualenv/bin/activate_this.py":
        "import os, sys\n"
        "base = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
        "sys.path.insert(0, os.path.join(base, 'lib', 'python3', 'site-packages'))\n",
    "virtualenv/lib/python3/site-packages/wl_requests/__init__.py": "AGENT = 'whiskloop test'\n",
}
VIRTUALENV_MAIN = """
from wl_requests import AGENT

def main(args):
    return {"agent": AGENT}

naim = main
"""


def started_zip(proxy, files, main="main"):
    one = proxy(*PYTHON)
    one.started(archives.zipped(files), main=main)
    return one


def failed_init(proxy, code, main="main"):
    """init() that must fail with 502; returns the error's text and the streams."""
    one = proxy(*PYTHON)
    answer = one.init(code, main=main)
    assert answer.status == 502, answer
    assert one.post("/run", {}).status == 500
    out, err = one.check_streams(1)
    return answer.error, out, err


def test_TP1_zip_with_another_entry_point(proxy):
    """T-P1: zip, non-default entry point, second module."""
    one = started_zip(proxy, {
        "__main__.py": "from echo import echo\n\ndef niam(args):\n    return echo(args)\n",
        "echo.py": ECHO_MODULE}, main="niam")
    answer = one.run({"msg": "it works"})
    assert (answer.status, answer.json) == (200, {"echo": {"msg": "it works"}})
    assert one.check_streams(1) == ("", "")


def test_TP2_zip_reads_a_relative_path(proxy):
    """T-P2: zip reads relative path."""
    one = started_zip(proxy, {
        "__main__.py": "def main(args):\n    return {'file': open('workfile').read()}\n",
        "workfile": "this is a test string"})
    assert one.run({}).json == {"file": "this is a test string"}
    assert one.check_streams(1) == ("", "")


def test_TP3_zip_without_the_required_file(proxy):
    """T-P3: zip without __main__.py."""
    error, out, err = failed_init(proxy, archives.zipped({"echo.py": ECHO_MODULE}), main="echo")
    assert error == "The action failed to generate or locate a binary. See logs for details."
    assert out == ""
    assert "Zip file does not include" in err


def test_TP4_error_in_the_action(proxy):
    """T-P4: an exception becomes an error of the application, with its traceback in the log."""
    one = proxy(*PYTHON)
    one.started("def main(args):\n    return {'x': 5 / args['y']}\n")
    answer = one.run({"y": 0})
    assert answer.status == 200
    assert answer.error == "division by zero"
    out, err = one.check_streams(1)
    assert out == ""
    assert "Traceback" in err
    assert one.run({"y": 2}).json == {"x": 2.5}


def test_TP5_source_that_does_not_compile(proxy):
    """T-P5: log compilation errors."""
    error, _, err = failed_init(proxy, "10 PRINT \"Hello world!\"\n20 GOTO 10\n")
    assert error == "Cannot start action. Check logs for details."
    assert "SyntaxError" in err


def test_TP6_application_error(proxy):
    """T-P6: application errors are answers like any other."""
    one = proxy(*PYTHON)
    one.started("def main(args):\n    return {'error': 'sorry'}\n")
    answer = one.run({})
    assert (answer.status, answer.json) == (200, {"error": "sorry"})
    assert one.check_streams(1) == ("", "")


def test_TP7_unsupported_package(proxy):
    """T-P7: an import that cannot be had."""
    _, out, err = failed_init(proxy, "import iamnotsupported\n\ndef main(args):\n    return args\n")
    assert out == ""
    assert re.search("Traceback|cannot start", err)


def test_TP8_the_interpreter_is_a_python(proxy):
    """T-P8: sys.executable contains python."""
    one = proxy(*PYTHON)
    one.started("import sys\n\ndef main(args):\n    return {'sys': sys.executable}\n")
    assert "python" in one.run({}).json["sys"]


def test_TP9_arrays(proxy):
    """T-P9: array result, array input."""
    one = proxy(*PYTHON)
    one.started("def main(args):\n    return args if args else ['a', 'b']\n")
    assert one.run({}).json == ["a", "b"]
    assert one.run(["c", "d"]).json == ["c", "d"]
    assert one.check_streams(2) == ("", "")


def test_TP10_termination_at_run(proxy):
    """T-P10: sys.exit in main ends the activation, and nothing of ours stands in the log."""
    one = proxy(*PYTHON)
    one.started("import sys\n\ndef main(args):\n    sys.exit(1)\n")
    assert_error(one.run({}), 400, "command exited")
    assert one.check_streams(1) == ("", "")


def test_TP11_termination_at_init(proxy):
    """T-P11: sys.exit while loading."""
    code = "import sys\n\ndef main(args):\n    return args\n\nsys.exit(1)\n"
    error, out, err = failed_init(proxy, code)
    assert error == "Cannot start action. Check logs for details."
    assert out == ""
    assert "Command exited abruptly during initialization." in err


def test_TP12_output_while_loading(proxy):
    """T-P12: what the module prints while it loads shows up with the first activation."""
    one = proxy(*PYTHON, "--workers", 1)
    one.started("import os\nprint(os.environ['X'])\n\ndef main(args):\n    return {'body': 'ok'}\n",
                env={"X": "xyz"})
    assert one.run({}).json == {"body": "ok"}
    assert one.check_streams(1) == ("xyz", "")


@pytest.mark.parametrize("main", ["main", "naim"])
def test_TP13_zipped_virtualenv(proxy, main):
    """T-P13: a package out of a zipped virtualenv."""
    one = started_zip(proxy, {"__main__.py": VIRTUALENV_MAIN, **VIRTUALENV}, main)
    answer = one.run({})
    assert answer.status == 200
    assert b"agent" in answer.body


def test_TP14_zipped_virtualenv_with_the_wrong_main(proxy):
    """T-P14: zipped venv, wrong main module."""
    error, _, err = failed_init(proxy, archives.zipped({
        "__main__.py": "def other(args):\n    return args\n", **VIRTUALENV}))
    assert error == "Cannot start action. Check logs for details."
    assert "main" in err


def test_TP15_folder_that_is_no_virtualenv(proxy):
    """T-P15: invalid venv directory."""
    error, _, err = failed_init(proxy, archives.zipped({
        "__main__.py": VIRTUALENV_MAIN, "virtualenv/bin/python3": "no interpreter"}))
    assert re.search("Invalid virtualenv|action failed|Cannot start action", error)
    assert "Invalid virtualenv" in error + err


@pytest.mark.parametrize("pack", [
    archives.tarred, lambda files: archives.tarred(files, "w:gz"),
    lambda files: archives.zipped(files, compression=archives.zipfile.ZIP_STORED),
], ids=["tar", "tar.gz", "stored-zip"])
def test_other_archives_of_the_same_action(proxy, pack):
    """Every kind of archive, none with entries for folders, brings modules and data files."""
    one = proxy(*PYTHON)
    main = ("from deep.er.words import WORD\n\ndef main(args):\n"
            "    return {'word': WORD, 'file': open('deep/data').read()}\n")
    one.started(pack({"__main__.py": main, "deep/er/words.py": "WORD = 'found'\n",
                      "deep/data": "kept"}))
    assert one.run({}).json == {"word": "found", "file": "kept"}


def test_names_that_are_not_ascii_survive_a_container_without_locale(proxy):
    """A data file and a module attribute with letters beyond ASCII, in a zip."""
    one = started_zip(proxy, {"__main__.py": "def main(args):\n"
                                             "    return {'file': open('données/❄.txt').read()}\n",
                              "données/❄.txt": "Schnee ☃"})
    assert one.run({}).json == {"file": "Schnee ☃"}


@pytest.mark.parametrize("binary", [False, True, None])
def test_source_text_arrives_plain_or_base64(proxy, binary):
    """The member `binary` says little: source comes as text, as base64, and with no flag at all."""
    one = proxy(*PYTHON)
    source = "def main(args):\n    return {'plain': True}\n"
    one.started(source.encode() if binary else source, binary=binary)
    assert one.run({}).json == {"plain": True}


def test_user_code_cannot_reach_the_answers(proxy):
    """Prints, writes to descriptor 1 and child processes end in the log, not in the answer."""
    one = proxy(*PYTHON)
    one.started("""
import os, subprocess, sys

def main(args):
    print('{"forged": "by print"}')
    sys.stdout.flush()
    os.write(1, b'{"forged": "by write"}\\n')
    subprocess.run(["/bin/echo", '{"forged": "by a child"}'], check=True)
    return {"genuine": True}
""")
    for _ in range(2):
        assert one.run({}).json == {"genuine": True}
    assert one.check_streams(2)[0].count("forged") == 6


@pytest.mark.parametrize("workers", [1, 3])
def test_the_same_processes_serve_all_activations(proxy, kind, workers):
    """Each process of an action is started once: its id stays, and so does its memory."""
    one = proxy(*kind.options, "--workers", workers)
    one.started(kind["process_id"])
    pids = {one.run({}).json["pid"] for _ in range(50)}
    assert pids <= set(one.children()) and len(one.children()) == workers


def test_async_main_has_one_event_loop_for_the_life_of_the_process(proxy):
    """A client in a global works in every activation, and its task in the background goes on."""
    one = proxy("--runtime", "python")
    one.started("""
import asyncio

class Client:
    def __init__(self):
        self.asked, self.answers = asyncio.Queue(), asyncio.Queue()
        self.task = asyncio.ensure_future(self.work())

    async def work(self):
        while True:
            await self.answers.put(2 * await self.asked.get())

    async def ask(self, n):
        await self.asked.put(n)
        return await self.answers.get()

client = None

async def main(args):
    global client
    if args.get("fail"):
        raise asyncio.CancelledError("given up")
    client = client or Client()
    return {"n": await client.ask(args["n"])}
""")
    assert one.run({"n": 1}).json == {"n": 2}
    assert "error" in one.run({"fail": 1}).json
    assert one.run({"n": 2}).json == {"n": 4}
