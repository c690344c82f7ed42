"""The command dev: serve an action while it is written. Its page has tests of its own."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

import whisk
from debuggers import Dap, Inspector
from devserver import Dev
from test_terminal import Terminal

HELLO = """def main(args):
    print("greeting", args.get("name"))
    return {"greeting": "Hello, " + str(args.get("name")) + "!"}
"""
ANSWERS = "def main(args):\n    return {{'n': {}}}\n"


@pytest.fixture
def dev(folder):
    """dev(PATH, OPTION...) starts it; afterwards it must end well."""
    running = []

    def start(path, *options, **more):
        home = folder / f"dev-{len(running)}"
        home.mkdir()
        running.append(Dev(home, path, *options, **more))
        return running[-1]

    yield start
    for one in running:
        assert one.end() == 0, one.err()


@pytest.fixture
def hello(folder):
    path = folder / "hello.py"
    path.write_text(HELLO)
    return path


def replace(path, text):
    """As most editors save."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.rename(path)


# ---- versions ----

def test_a_save_brings_a_new_version_and_a_broken_one_leaves_the_last_good_one(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hello, Ann!"})
    hello.write_text(HELLO.replace("Hello", "Hi"))
    server.wait_for("ready", 2)
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hi, Ann!"})
    hello.write_text("import json\n\n\ndef main(args) return 1\n")
    state = server.wait_for("broken", 2)
    assert (state["error"]["file"], state["error"]["line"]) == ("hello.py", 4)
    assert {"line": 4, "text": "def main(args) return 1"} in state["error"]["source"]
    assert state["error"]["message"].startswith("SyntaxError")
    assert "hello.py:4: SyntaxError" in server.out() and "version 2 goes on" in server.out()
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hi, Ann!"})
    hello.write_text(HELLO.replace("Hello", "Hey"))
    assert server.wait_for("ready", 3)["error"] is None
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hey, Ann!"})


def test_a_folder_may_change_its_language(dev, hello):
    """A launcher of the language before waits for the next version."""
    server = dev(hello.parent)
    server.wait_for("ready", 1)
    with server.held():
        hello.with_suffix(".sh").write_text("main() {\n    answer '{\"shell\": true}'\n}\n")
        hello.unlink()
    assert server.wait_for("ready", 2)["language"] == "shell"
    assert server.run() == (200, {"shell": True})


def save_as_vim(path, text):
    (path.parent / "4913").write_text("")
    (path.parent / "4913").unlink()
    path.rename(path.with_name(path.name + "~"))
    path.write_text(text)
    path.with_name(path.name + "~").unlink()


def save_as_emacs(path, text):
    lock = path.with_name(".#" + path.name)
    lock.symlink_to("me@host.1:2")
    path.with_name("#" + path.name + "#").write_text(text)  # it saves by itself, too
    path.write_text(text)
    path.with_name("#" + path.name + "#").unlink()
    lock.unlink()


def save_by_removing(path, text):
    path.unlink()
    path.write_text(text)


def save_in_halves(path, text):
    """The file is there in part when another change calls for a look at the folder."""
    with open(path, "w") as file:
        file.write(text[:len(text) // 2])
        file.flush()
        replace(path.with_name("notes.txt"), text)
        file.write(text[len(text) // 2:])


def save_as_a_link(path, text):
    (path.parent / "elsewhere").mkdir(exist_ok=True)
    replace(path.parent / "elsewhere/other.py", text)
    if not path.is_symlink():
        path.unlink()
        path.symlink_to(path.parent / "elsewhere/other.py")


SAVES = [pathlib.Path.write_text, replace, save_as_vim, save_as_emacs, save_by_removing,
         save_in_halves, save_as_a_link, save_as_a_link]  # the last one edits what it links to


def test_each_way_to_save_is_one_version(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    for n, save in enumerate(SAVES, 2):
        save(hello, ANSWERS.format(n))
        server.wait_for("ready", n)
        assert server.run() == (200, {"n": n}), save.__name__


def test_a_checkout_of_many_files_is_served_as_a_whole(dev, folder):
    action = folder / "action"
    for part in range(20):
        (action / f"lib{part}").mkdir(parents=True)

    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=action,
                       check=True, capture_output=True, timeout=whisk.WAIT_S)

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git("init", "-q")
    for n in (1, 2):
        for part in range(20):
            (action / f"lib{part}/number.py").write_text(f"N = {n}\n")
        (action / "__main__.py").write_text(
            f"from lib0.number import N\nfrom lib19.number import N as M\n"
            f"def main(args):\n    return {{'n': [N, M, {n}]}}\n")
        git("add", "-A")
        git("commit", "-qm", str(n))
        git("tag", f"v{n}")
    server = dev(action)
    server.wait_for("ready", 1)
    git("checkout", "-q", "v1")
    whisk.wait_until(lambda: server.run() == (200, {"n": [1, 1, 1]}), "the files of v1")


def test_what_a_file_in_a_folder_links_to_is_watched(dev, folder):
    action, shared = folder / "action", folder / "shared"
    action.mkdir()
    shared.mkdir()
    (shared / "code.py").write_text(ANSWERS.format(1))
    (action / "__main__.py").symlink_to(shared / "code.py")
    server = dev(None, cwd=action)  # where it is started, unless it is told otherwise
    server.wait_for("ready", 1)
    assert server.state()["name"] == "action"
    (shared / "code.py").write_text(ANSWERS.format(2))
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 2})


def test_a_burst_of_saves_is_one_version(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    with server.held():
        for n in range(50):
            hello.write_text(ANSWERS.format(n))
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 49})


def test_the_last_of_many_saves_is_served_at_last(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    for n in range(50):
        hello.write_text(ANSWERS.format(n))
    whisk.wait_until(lambda: server.run() == (200, {"n": 49}), "the last save")


def test_a_save_while_a_version_hangs_replaces_it(dev, hello):
    hello.write_text("while True:\n    pass\n")
    server = dev(hello)
    assert server.state()["state"] == "loading"
    hello.write_text(ANSWERS.format(1))
    server.wait_for("ready", 1)
    assert server.run() == (200, {"n": 1})


def test_a_load_that_takes_long_is_told_and_the_last_good_version_serves(dev, hello):
    hello.write_text(ANSWERS.format(1))
    server = dev(hello)
    server.wait_for("ready", 1)
    hello.write_text("while True:\n    pass\n")
    whisk.wait_until(lambda: re.search(r"still loading after \d+ s of 300 s \(--init-timeout\); version 1 goes on\n",
                                       server.out()), "the line about it")
    state = server.state()
    assert (state["state"], state["serving"]) == ("loading", 1) and state["since_ms"] > 0
    assert server.run() == (200, {"n": 1})
    hello.write_text(ANSWERS.format(2))
    server.wait_for("ready", 2)
    assert "saved again after" in server.out()


def test_saves_that_come_quicker_than_loads_do_not_hold_up_a_version(dev, hello):
    """Each load that a save abandons is told, and one is let end."""
    slow = "import time\ntime.sleep(0.4)\n" + ANSWERS
    hello.write_text(slow.format(0))
    server = dev(hello)
    server.wait_for("ready", 1)
    give_up_at = time.monotonic() + 3 * whisk.WAIT_S  # a load on a busy machine takes seconds, and each gets twice the time
    n = 0
    while server.state()["version"] < 2:
        assert time.monotonic() < give_up_at, server.out()
        n += 1
        hello.write_text(slow.format(n))
        time.sleep(0.1)
    assert "the newer state is loaded instead" in server.out()
    whisk.wait_until(lambda: server.run() == (200, {"n": n}), "the last save")


def touch(path):
    path.touch()


def save_the_same(path):
    path.write_text(path.read_text())


def replace_by_the_same(path):
    replace(path, path.read_text())


def leave_editors_files(path):
    for name in (".{}.swp", ".{}.swo", ".{}.swn", "{}~", "#{}#", "{}___jb_tmp___", "{}___jb_old___", "4913", ".{}.swx"):
        path.with_name(name.format(path.name)).write_text("x")


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_what_leaves_the_content_as_it_was_makes_no_version(dev, folder, is_folder):
    action = folder / "action"
    action.mkdir()
    path = action / "__main__.py"
    path.write_text(ANSWERS.format(1))
    (action / "README.md").write_text("x")
    server = dev(action if is_folder else path)
    server.wait_for("ready", 1)
    for n, leave in enumerate((touch, save_the_same, replace_by_the_same, leave_editors_files), 2):
        leave(path)
        if is_folder:
            leave(action / "README.md")
        time.sleep(0.1)  # a fault shows where this ends the burst; without one nothing depends on it
        path.write_text(ANSWERS.format(n))
        server.wait_for("ready", n)
        assert server.run() == (200, {"n": n}), leave.__name__
    assert server.state()["version"] == 5


def test_a_broken_version_that_is_saved_as_it_is_loads_again(dev, folder, hello):
    """What it needs elsewhere may be there now."""
    hello.write_text(f"import sys\nsys.path.insert(0, '{folder}/lib')\nimport later\n" + ANSWERS.format(1))
    server = dev(hello)
    server.wait_for("broken", 0)
    (folder / "lib").mkdir()
    (folder / "lib/later.py").write_text("")

    def is_ready():
        hello.touch()
        return server.state()["state"] == "ready"

    whisk.wait_until(is_ready, "the version that finds its module")


def test_a_first_version_that_does_not_load_answers_with_its_error_until_it_is_mended(dev, hello):
    hello.write_text("def main(args):\n    return {\n")
    server = dev(hello)
    server.wait_for("broken", 0)
    status, answer = server.run()
    assert status == 502 and "hello.py" in answer["error"]
    answer = server.invoke({})
    assert (answer["id"], answer["status"]) == (None, "error")
    hello.write_text(ANSWERS.format(1))
    server.wait_for("ready", 1)
    assert server.run() == (200, {"n": 1})


def test_a_version_that_crashes_while_the_folder_is_broken_is_told_to_be_lost(dev, folder):
    """Its processes start from the folder, which holds the broken code then."""
    action = folder / "action"
    action.mkdir()
    good = "import os\ndef main(args):\n    'die' in args and os._exit(3)\n    return {'n': %d}\n"
    (action / "__main__.py").write_text(good % 1)
    server = dev(action)
    server.wait_for("ready", 1)
    (action / "__main__.py").write_text("def main(\n")
    assert server.wait_for("broken", 1)["serving"] == 1
    assert "(version 1 goes on)" in server.out()
    assert server.run() == (200, {"n": 1})
    assert server.run({"die": 1})[0] == 400
    whisk.wait_until(lambda: server.state()["serving"] == 0, "the loss")
    assert "version 1 has crashed and cannot start again" in server.out()
    status, answer = server.run()
    assert status == 502 and "__main__.py" in answer["error"]
    assert server.ask("POST", "/init", b'{"value":{}}')[0].status == 502
    (action / "__main__.py").write_text("def main(((\n")
    whisk.wait_until(lambda: server.out().count("does not load") == 2, "the next broken version")
    assert server.out().count("(version 1 goes on)") == 1  # a line about a slow load may say so, too
    (action / "__main__.py").write_text(good % 2)
    assert server.wait_for("ready", 2)["serving"] == 2
    assert server.run() == (200, {"n": 2})


def test_a_folder_without_an_action_is_told_in_two_lines(dev, folder):
    action = folder / "my action"
    action.mkdir()
    server = dev(action)
    assert server.wait_for("broken", 0)["language"] is None
    lines = server.out().splitlines()
    assert re.fullmatch(rf"\S+  {re.escape(str(action))} on http://\S+/ - .*", lines[0])
    assert lines[1].endswith(f'does not load: no action in folder "{action}"')
    assert lines[2] == f"  load | Save a source file in it, or begin with: whiskloop new LANGUAGE '{action}'"
    assert len(lines) == 3
    for name in ("a.txt", "b.txt"):
        (action / name).write_text("x")
    whisk.wait_until(lambda: "  load | It needs a single file, or __main__.py (python)" in server.out(), "what it wants")
    (action / "__main__.py").write_text(ANSWERS.format(1))
    assert server.wait_for("ready", 1)["language"] == "python"


def test_a_second_file_is_told_in_two_lines_too(dev, folder):
    """The version before was Python, where the last line of a trace counts."""
    action = folder / "shop"
    action.mkdir()
    (action / "shop.py").write_text(ANSWERS.format(1))
    server = dev(action)
    server.wait_for("ready", 1)
    (action / "vat.py").write_text("VAT = 1.19\n")
    server.wait_for("broken", 1)
    whisk.wait_until(lambda: "does not load" in server.out(), "the error")
    lines = server.out().splitlines()
    assert lines[-2].endswith(f'does not load: no action in folder "{action}" (version 1 goes on)')
    assert lines[-1].startswith("  load | It needs a single file, or __main__.py (python)")


MISSPELT = {
    "a.py": ("python3", "def mian(args):\n    return {}\n"),
    "a.js": ("node", "function mian(args) {\n  return {};\n}\n"),
    "a.mjs": ("node", "export const mian = (args) => args;\n"),
    "a.rb": ("ruby", "def mian(args)\n  args\nend\n"),
    "a.php": ("php", "<?php\nfunction mian(array $args) { return $args; }\n"),
    "a.lua": ("lua5.4", "function mian(args) return args end\n"),
    "a.pl": ("perl", "sub mian { return {}; }\n1;\n"),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_missing_function_is_the_headline_with_the_names_that_exist(dev, folder, name):
    program, text = MISSPELT[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (folder / name).write_text(text)
    server = dev(folder / name)
    said = f"function 'main' was not found in {name}, which defines: mian"
    assert server.wait_for("broken", 0)["error"]["message"] == said
    assert f"  does not load: {said}\n" in server.out()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_brace_that_a_node_action_lacks_is_shown_in_the_users_own_file(dev, folder):
    (folder / "a.js").write_text("function main(args) {\n  return {};\n")
    error = dev(folder / "a.js").wait_for("broken", 0)["error"]
    assert (error["file"], error["line"]) == ("a.js", 2)
    assert error["message"] == "SyntaxError: Unexpected end of input"
    assert {"line": 2, "text": "  return {};"} in error["source"]


def test_a_function_that_go_does_not_find_is_the_headline(dev, folder):
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    (folder / "a.go").write_text("package main\n\nfunc Mian(args map[string]interface{}) map[string]interface{} {\n"
                                 "\treturn args\n}\n")
    server = dev(folder / "a.go")
    assert server.wait_for("broken", 0)["error"]["message"] == (
        "function 'Main' was not found, but there are: Mian")


def test_a_folder_that_cannot_be_published_is_told_once(dev, folder):
    (folder / "one").mkdir()
    (folder / "one/utils.py").write_text(ANSWERS.format(1))
    server = dev(folder / "one")
    server.wait_for("ready", 1)
    (folder / "one/utils.py").write_text(ANSWERS.format(2))
    server.wait_for("ready", 2)
    assert server.out().count("cannot be published like this: its main file must be named __main__.py, not utils.py\n") == 1


def test_a_file_that_lies_beside_the_one_that_is_named_has_a_hint(dev, folder):
    (folder / "sub").mkdir()
    (folder / "sub/util.py").write_text("")
    (folder / "sub/__main__.py").write_text("import util\ndef main(args):\n    return {}\n")
    server = dev(folder / "sub/__main__.py")
    whisk.wait_until(lambda: "without util.py beside it; name the folder: " in server.out(), "the hint")
    assert "name the folder" in json.dumps(server.state())


def test_no_request_is_lost_while_versions_come_and_go(dev, hello):
    hello.write_text(ANSWERS.format(0))
    server = dev(hello)
    server.wait_for("ready", 1)
    runs = [whisk.Later(lambda: [server.run() for _ in range(40)]) for _ in range(3)]
    for n in range(1, 6):
        replace(hello, ANSWERS.format(n))
        whisk.wait_until(lambda n=n: server.run() == (200, {"n": n}), f"version {n}")
    for run in runs:
        assert {status for status, _ in run.result()} == {200}


def test_a_folder_is_watched_with_its_subfolders_but_not_what_nobody_edits(dev, folder):
    action = folder / "action"
    (action / "lib").mkdir(parents=True)
    (action / "__main__.py").write_text(
        "from lib.number import N\ndef main(args):\n    return {'n': N}\n")
    (action / "lib/number.py").write_text("N = 1\n")
    server = dev(action)
    server.wait_for("ready", 1)
    with server.held():
        for ignored in (".git", "node_modules", "__pycache__"):
            (action / ignored).mkdir()
            (action / ignored / "file.py").write_text("x")
        (action / ".number.py.swp").write_text("x")
    with server.held():
        (action / "lib/number.py").write_text("N = 22\n")
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 22})
    with server.held():
        (action / "deep/er").mkdir(parents=True)
        (action / "deep/er/number.py").write_text("N = 333\n")
        (action / "__main__.py").write_text(
            "from deep.er.number import N\ndef main(args):\n    return {'n': N}\n")
    server.wait_for("ready", 3)
    assert server.run() == (200, {"n": 333})
    with server.held():
        (action / "deep/er/number.py").write_text("N = 4444\n")
        (action / "node_modules/file.py").write_text("y")
        (action / ".git/index").write_text("y")
    server.wait_for("ready", 4)
    assert server.run() == (200, {"n": 4444})


WRITES = "def put():\n    with open('state.txt', 'a') as file:\n        file.write('x')\n"


@pytest.mark.parametrize("code, runs", [
    (WRITES + "put()\ndef main(args):\n    return {'n': 1}\n", 0),
    (WRITES + "def main(args):\n    put()\n    return {'n': 1}\n", 20),
], ids=["load", "run"])
def test_an_action_that_writes_into_its_folder_is_not_loaded_without_end(dev, folder, code, runs):
    action = folder / "action"
    action.mkdir()
    (action / "__main__.py").write_text(code)
    server = dev(action)
    seems = "state.txt has changed again: the action seems to write it"
    for _ in range(runs):
        if seems in server.out():
            break
        before = server.out().count("state.txt has changed")
        assert server.run() == (200, {"n": 1})
        whisk.wait_until(lambda: server.out().count("state.txt has changed") > before, "the line")  # pylint: disable=cell-var-from-loop
    whisk.wait_until(lambda: seems in server.out(), "the line that ends it")
    whisk.wait_until(lambda: server.state()["state"] == "ready", "the last version")
    state = server.state()
    assert server.out().count("state.txt has changed while the action loaded or ran: loading again") <= 3
    assert server.run() == (200, {"n": 1})
    (action / "__main__.py").write_text(code.replace("'n': 1", "'n': 22"))
    server.wait_for("ready", state["version"] + 1)
    assert server.run() == (200, {"n": 22})
    assert server.out().count(seems) == 1


def test_a_source_file_saved_while_the_action_runs_is_always_loaded(dev, folder):
    action = folder / "action"
    action.mkdir()
    code = ("import os, time\ndef main(args):\n    while not os.path.exists(args['until']):\n"
            "        time.sleep(0.01)\n    return {}\n")
    (action / "__main__.py").write_text(code)
    server = dev(action)
    server.wait_for("ready", 1)
    run = whisk.Later(lambda: server.run({"until": str(folder / "go")}))
    whisk.wait_until(lambda: server.get("/dev/activations"), "the activation")
    for version in range(2, 8):
        (action / "__main__.py").write_text(code + "#" * version)
        server.wait_for("ready", version)
    (folder / "go").touch()
    assert run.result() == (200, {})


def watched(server):
    """The inodes that inotify watches for the server."""
    found = set()
    for file in pathlib.Path(f"/proc/{server.process.pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found.update(int(ino, 16) for ino in re.findall(r"^inotify .*ino:([0-9a-f]+)",
                                                            file.read_text(), re.M))
    return found


def test_a_virtual_environment_is_not_watched_whatever_its_name(dev, folder):
    action = folder / "action"
    (action / "old").mkdir(parents=True)
    (action / "old/pyvenv.cfg").write_text("home = /usr/bin\n")
    (action / "__main__.py").write_text(ANSWERS.format(1))
    server = dev(action)
    server.wait_for("ready", 1)
    assert action.stat().st_ino in watched(server)
    assert (action / "old").stat().st_ino not in watched(server)
    with server.held():
        (action / "new/lib").mkdir(parents=True)  # as python3 -m venv new
        (action / "new/pyvenv.cfg").write_text("home = /usr/bin\n")
        (action / "lib").mkdir()
        (action / "__main__.py").write_text(ANSWERS.format(22))
    server.wait_for("ready", 2)
    assert (action / "lib").stat().st_ino in watched(server)
    assert not {(action / name).stat().st_ino for name in ("old", "new", "new/lib")} & watched(server)


def serve_a_folder(dev, folder):
    """(the folder of an action, its server), version 1 ready."""
    action = folder / "action"
    action.mkdir()
    (action / "__main__.py").write_text(ANSWERS.format(1))
    server = dev(action)
    server.wait_for("ready", 1)
    return action, server


def test_a_folder_made_while_it_is_watched_is_watched_too(dev, folder):
    action, server = serve_a_folder(dev, folder)
    (action / "deep/er").mkdir(parents=True)
    (action / "deep/er/number.py").write_text("N = 333\n")
    (action / "__main__.py").write_text(
        "from deep.er.number import N\ndef main(args):\n    return {'n': N}\n")
    whisk.wait_until(lambda: server.run() == (200, {"n": 333}), "the new folder")
    (action / "deep/er/number.py").write_text("N = 4444\n")
    whisk.wait_until(lambda: server.run() == (200, {"n": 4444}), "a save in the new folder")


def test_a_folder_that_vanishes_is_waited_for(dev, folder):
    action, server = serve_a_folder(dev, folder)
    action.rename(folder / "away")
    whisk.wait_until(lambda: "is gone: waiting" in server.out(), "the line about it")
    (folder / "away/__main__.py").write_text(ANSWERS.format(2))
    (folder / "away").rename(action)
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 2})
    shutil.rmtree(action)
    action.mkdir()
    (action / "__main__.py").write_text(ANSWERS.format(33))
    whisk.wait_until(lambda: server.run() == (200, {"n": 33}), "the new folder")


def test_a_main_file_that_is_gone_is_told_and_so_is_what_takes_its_place(dev, folder):
    action, server = serve_a_folder(dev, folder)
    (action / "helper.py").write_text("def help():\n    return 1\n")
    server.wait_for("ready", 2)
    (action / "__main__.py").unlink()
    server.wait_for("broken", 2)
    assert "__main__.py is gone: helper.py is the action now\n" in server.out()
    assert "function 'main' was not found in helper.py" in server.out()
    (action / "__main__.py").write_text(ANSWERS.format(3))
    server.wait_for("ready", 3)
    (action / "helper.py").unlink()
    server.wait_for("ready", 4)
    (action / "__main__.py").unlink()
    server.wait_for("broken", 4)
    assert "__main__.py is gone\n" in server.out()
    assert server.out().count(" is gone") == 2


def test_the_current_folder_that_is_moved_away_is_waited_for(dev, folder):
    action = folder / "action"
    action.mkdir()
    (action / "__main__.py").write_text(ANSWERS.format(1))
    server = dev(None, cwd=action)
    server.wait_for("ready", 1)
    assert "  action (python) on http://" in server.out()
    action.rename(folder / "away")
    whisk.wait_until(lambda: f"{action} is gone: waiting" in server.out(), "the line about it")
    action.mkdir()
    (action / "__main__.py").write_text(ANSWERS.format(22))
    whisk.wait_until(lambda: server.run() == (200, {"n": 22}), "the new folder")


def test_a_folder_that_is_replaced_while_a_worker_is_in_it_is_noticed(dev, folder):
    """No event tells that a folder was removed in which a process still works."""
    action, server = serve_a_folder(dev, folder)
    (action / "__main__.py").unlink()
    whisk.wait_until(lambda: "does not load" in server.out(), "the line about it")
    action.rmdir()
    action.mkdir()
    (action / "__main__.py").write_text(ANSWERS.format(44))
    whisk.wait_until(lambda: server.run() == (200, {"n": 44}), "the new folder")


def test_the_state_can_be_asked_for_while_an_empty_file_is_waited_for(dev, hello):
    hello.write_text("")
    server = dev(hello)
    state = server.state()
    assert (state["name"], state["version"], state["examples"]) == ("hello.py", 0, [])
    assert state["since_ms"] > 0, "the page shows for how long it has been loading"
    hello.write_text(HELLO)
    server.wait_for("ready", 1)


def test_an_init_without_code_is_no_version(dev, hello):
    """The platform sends one to each container that brings its action."""
    server = dev(hello)
    server.wait_for("ready", 1)
    answer, text = server.ask("POST", "/init", b'{"value":{}}')
    assert (answer.status, json.loads(text)) == (200, {"ok": True})
    assert server.state()["version"] == 1
    assert "version 2" not in server.out()


def test_init_replaces_the_version_as_in_production(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    answer, text = server.ask("POST", "/init", json.dumps(whisk.init_body(ANSWERS.format(7))).encode())
    assert (answer.status, json.loads(text)) == (200, {"ok": True})
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 7})


def test_what_came_by_init_is_told_with_the_time_it_took_to_load(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    code = "import time\ntime.sleep(0.3)\n" + ANSWERS.format(7)
    began_ms = time.time() * 1000
    server.ask("POST", "/init", json.dumps(whisk.init_body(code)).encode())
    state = server.wait_for("ready", 2)
    assert state["load_us"] >= 300_000 and state["since_ms"] >= began_ms - 1
    took, = re.findall(r"version 2 ready in (\d+) ms", server.out())
    assert int(took) >= 300


def test_an_init_that_fails_is_told_below_what_it_wrote(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    server.run({"name": "Ann"})
    assert server.ask("POST", "/init", json.dumps(whisk.init_body("def main(:\n")).encode())[0].status == 502
    told = 'POST /init failed with status 502: {"error":"Cannot start action. Check logs for details."}\n'
    whisk.wait_until(lambda: told in server.out(), "the line about it")
    before, after = server.out().split("SyntaxError: ", 1)
    assert told in after and told not in before
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hello, Ann!"})


def test_what_a_version_said_while_it_loaded_is_not_told_again_for_one_by_init(dev, hello):
    hello.write_text("print('loaded', flush=True)\n" + ANSWERS.format(1))
    server = dev(hello)
    server.wait_for("ready", 1)
    server.ask("POST", "/init", json.dumps(whisk.init_body(ANSWERS.format(7))).encode())
    server.wait_for("ready", 2)
    whisk.wait_until(lambda: "version 2 ready" in server.out(), "its line")
    assert server.out().count("loaded") == 1


# ---- what the page asks for ----

def test_an_activation_is_told_with_its_log_answer_and_figures(dev, hello):
    server = dev(hello)
    events = server.events()
    server.wait_for("ready", 1)
    answer = server.invoke({"name": "Bob"}, namespace="guest")
    assert (answer["http"], answer["status"]) == (200, "ok")
    assert answer["answer"] == {"greeting": "Hello, Bob!"} and answer["duration_us"] > 0
    events.wait("activation", lambda a: a["id"] == answer["id"] and a["status"] == "ok", "its end")
    assert [(item["activation"], item["stream"], item["text"]) for item in events.lines()] == [
        (answer["id"], "stdout", "greeting Bob")]
    told = server.get(f"/dev/activations/{answer['id']}")
    assert told["argument"] == {"name": "Bob"} and told["metadata"] == {"namespace": "guest"}
    assert told["answer"] == answer["answer"] and not told["answer_truncated"]
    assert [item["text"] for item in told["log"]] == ["greeting Bob"]
    assert told["memory_bytes"] > 1_000_000 and told["version"] == 1
    assert [a["id"] for a in server.get("/dev/activations")] == [answer["id"]]
    assert server.ask("GET", "/dev/activations/ffffffff")[0].status == 404
    events.close()


@pytest.mark.parametrize("body, status, http", [
    ("return {'error': 'no'}", "error", 200),
    ("raise ValueError('no')", "error", 200),
    ("import time; time.sleep(60)", "timeout", 502),
    ("import os; print('last words', flush=True); os._exit(3)", "died", 400),
])
def test_how_an_activation_ended_is_told(dev, hello, body, status, http):
    hello.write_text(f"def main(args):\n    {body}\n")
    server = dev(hello, *(["--timeout=1000"] if status == "timeout" else []))
    server.wait_for("ready", 1)
    answer = server.invoke({})
    assert (answer["status"], answer["http"]) == (status, http), answer
    log = [item["text"] for item in server.get(f"/dev/activations/{answer['id']}")["log"]]
    assert ("last words" in log) == (status == "died")
    assert f"{answer['id']}  {status}" in server.out()


@pytest.mark.parametrize("body, error, reason", [
    ("return 'Hi'", "The action did not return a dictionary or array.", 'it returned a string: "Hi"'),
    ("pass", "The action did not return a dictionary or array.", "it returned nothing: null"),
    ("import os; os._exit(3)", "command exited", "exit status 3"),
    ("return {'error': 'no'}", "no", None),
])
def test_what_the_error_text_lacks_stands_behind_it(dev, hello, body, error, reason):
    """As invoke and the header x-whiskloop-reason tell it."""
    hello.write_text(f"def main(args):\n    {body}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    answer = server.invoke({})
    assert answer["answer"] == {"error": error}
    assert server.get(f"/dev/activations/{answer['id']}").get("reason") == reason
    line = f'"{error}"' + (f" ({reason})" if reason else "") + "\n"
    whisk.wait_until(lambda: line in server.out(), "the activation's line")


def test_examples_are_the_input_files_beside_the_code(dev, folder, hello):
    (folder / "input-bob.json").write_text('{"name": "Bob"}')
    (folder / "input-bad.json").write_text('{"name": ')
    (folder / "ann").write_text('\ufeff{"name":\r\n "Ann"}\r\n')  # as Windows editors save it
    (folder / "input.json").symlink_to("ann")
    assert dev(hello).state()["examples"] == [{"name": "input-bob.json", "value": {"name": "Bob"}},
                                              {"name": "input.json", "value": {"name": "Ann"}}]


def test_events_go_on_where_a_client_left_off(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    first = server.events()
    server.run({"name": "1"})
    first.wait("activation", lambda a: a["status"] == "ok", "the first activation")
    last_id = first.all[-1][0]
    first.close()
    server.run({"name": "2"})
    second = server.events(last_id)
    second.wait("activation", lambda a: a["status"] == "ok", "the second activation")
    assert [item["text"] for item in second.lines()] == ["greeting 2"]
    assert second.of("dropped") == []
    assert second.all[0][1] == "state"
    ids = [number for number, _, _ in second.all]
    assert ids == sorted(ids)
    second.close()


def test_a_page_of_an_earlier_run_gets_all_of_this_one(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    server.run({"name": "1"})
    events = server.events(12345)
    events.wait("activation", lambda a: a["status"] == "ok", "the activation")
    assert events.of("dropped") == []
    events.close()


def test_of_a_long_log_line_the_beginning_is_kept(dev, hello):
    """However many pieces it comes in."""
    hello.write_text("def main(args):\n    print('begin' + 'x' * 200_000, flush=True)\n    print('next')\n"
                     "    return {}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    done = server.invoke({})
    told = [line["text"] for line in server.get(f"/dev/activations/{done['id']}")["log"]]
    assert told == ["begin" + "x" * (16384 - len("begin")), "next"]


# ---- answers in parts ----

PARTS = """import os, time
def main(args):
    yield {"n": 1}
    while "gate" in args and not os.path.exists(args["gate"]):
        time.sleep(0.01)
    yield {"n": 2}
    if "result" in args:
        return {"result": args["result"]}
"""


def test_parts_are_told_as_they_come(dev, folder, hello):
    hello.write_text(PARTS)
    server = dev(hello)
    server.wait_for("ready", 1)
    events = server.events()
    gate = folder / "gate"
    body = json.dumps({"value": {"gate": str(gate), "result": 3}}).encode()
    run = whisk.Later(lambda: server.ask("POST", "/run", body, Accept="text/event-stream"))
    events.wait("parts", lambda parts: [each["part"] for each in parts] == [{"n": 1}], "the first part")
    events.wait("activation", lambda a: a["status"] == "running" and a.get("n_parts") == 1, "its time")
    gate.touch()
    answer, text = run.result()
    assert answer.status == 200
    assert text == b'data: {"n":1}\n\ndata: {"n":2}\n\nevent: result\ndata: {"result":3}\n\n'
    events.wait("activation", lambda a: a["status"] == "ok", "its end")
    told = server.get(server_path(server))
    assert (told["http"], told["n_parts"], told["parts"]) == (200, 2, [{"n": 1}, {"n": 2}])
    assert told["answer"] == {"result": 3} and 0 < told["first_part_us"] <= told["duration_us"]
    assert "(2 parts, the first after" in server.out()
    events.close()


def test_parts_without_a_result_and_failures_of_a_stream_are_activations_too(dev, hello):
    hello.write_text(PARTS)
    server = dev(hello)
    server.wait_for("ready", 1)
    assert server.run() == (200, [{"n": 1}, {"n": 2}])
    for method in ("/run", "/dev/invoke"):  # the page's own call has one answer, whatever is accepted
        answer, text = server.ask("POST", method, b'{"value":{}}', Accept="text/event-stream",
                                  X_Whiskloop_Token=server.token())
        assert answer.status == 200 and text.endswith(b"event: result\ndata: null\n\n")
    hello.write_text("import os\ndef main(args):\n    os._exit(3)\n")
    server.wait_for("ready", 2)
    answer, text = server.ask("POST", "/run", b'{"value":{}}', Accept="text/event-stream")
    assert answer.status == 400 and text.startswith(b"event: error\n")
    assert server.run()[0] == 400
    whisk.wait_until(lambda: len(server.get("/dev/activations")) == 5, "all of them")
    assert [a["status"] for a in server.get("/dev/activations")] == ["ok"] * 3 + ["died"] * 2


def test_a_client_that_leaves_a_stream_ends_its_activation(dev, hello):
    hello.write_text("import time\ndef main(args):\n    while args:\n        time.sleep(0.01)\n"
                     "        yield {}\n    yield {'n': 1}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    body = b'{"value":{"forever":true}}'
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(f"POST /run HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: text/event-stream\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert b"HTTP/1.1 200" in client.recv(4096)
    client.close()
    whisk.wait_until(lambda: server.get("/dev/activations")[0]["http"] == 499, "its end")
    assert server.run() == (200, [{"n": 1}])


# ---- who may ask ----

@pytest.mark.parametrize("path, method", [
    ("/", "GET"), ("/dev/state", "GET"), ("/dev/events", "GET"), ("/run", "POST"), ("/init", "POST"),
    ("/healthz", "GET"), ("/dev/invoke", "POST")])
def test_other_hosts_and_origins_are_refused(dev, hello, path, method):
    server = dev(hello)
    token = server.token()

    def status(**headers):
        body = b'{"value":{}}' if method == "POST" else None
        return server.ask(method, path, body, X_Whiskloop_Token=token, **headers)[0].status

    for host in ("evil.example", f"evil.example:{server.port}", f"127.0.0.1:{server.port + 1}",
                 f"127.0.0.1.evil.example:{server.port}", f"10.0.0.1:{server.port}", "localhost",
                 f"[::2]:{server.port}", f"localhost.:{server.port}"):
        assert status(Host=host) == 403, host
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{server.port}",
                   "http://localhost:1", f"http://localhost:{server.port}.evil.example"):
        assert status(Origin=origin) == 403, origin
    if path != "/":
        assert status(Sec_Fetch_Site="cross-site") == 403
    if path not in ("/dev/events", "/init"):
        for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.1.2.3"):
            assert status(Host=f"{host}:{server.port}") != 403, host
            assert status(Origin=f"http://{host}:{server.port}") != 403, host


def test_what_changes_things_wants_the_token_of_this_run(dev, hello):
    server = dev(hello)
    server.wait_for("ready", 1)
    for headers in ({}, {"X_Whiskloop_Token": ""}, {"X_Whiskloop_Token": "0" * 32}):
        answer, _ = server.ask("POST", "/dev/invoke", b'{"value":{}}', **headers)
        assert answer.status == 403
    assert server.get("/dev/activations") == []
    answer, _ = server.ask("GET", "/dev/invoke", X_Whiskloop_Token=server.token())
    assert answer.status == 405


def test_the_page_forbids_all_that_is_not_its_own(dev, hello):
    answer, text = dev(hello).ask("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"@TOKEN@" not in text


def test_without_a_page_there_are_run_and_init_only(dev, hello):
    server = dev(hello, "--no-page")
    assert server.ask("GET", "/")[0].status == 404
    assert server.ask("GET", "/dev/state")[0].status == 404
    assert server.ask("GET", "/healthz")[0].status == 200
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hello, Ann!"})


# ---- under load ----

FLOOD = """import sys
def main(args):
    line = "x" * 80 + "\\n"
    for _ in range(args["n"] // 1000):
        sys.stdout.write(line * 1000)
    return {"done": True}
"""


def test_a_reader_that_stalls_slows_nobody_and_is_told_what_it_missed(dev, hello):
    hello.write_text(FLOOD)
    server = dev(hello, "--transfer-timeout=3600000")  # who waits for that one waits too long
    server.wait_for("ready", 1)
    stalled = socket.create_connection(("127.0.0.1", server.port))
    stalled.sendall(f"GET /dev/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    for _ in range(3):
        assert server.run({"n": 100_000}) == (200, {"done": True})
    assert server.run({"n": 1000}) == (200, {"done": True})
    stalled.settimeout(whisk.WAIT_S)
    with stalled, stalled.makefile("rb") as lines:
        give_up_at = time.monotonic() + whisk.WAIT_S  # pings come for ever
        while b"event: dropped" not in (line := lines.readline()):
            assert line, "the stream ended"
            assert time.monotonic() < give_up_at, "it was not told what it missed"
    told = server.get(server_path(server))
    assert told["log_truncated"] is False and len(told["log"]) == 1000


def test_a_page_that_was_away_too_long_goes_on_with_what_is_kept(dev, hello):
    hello.write_text(FLOOD)
    server = dev(hello)
    server.wait_for("ready", 1)
    page = server.events()
    server.run({"n": 1000})
    page.wait("activation", lambda a: a["status"] == "ok", "the activation before")
    last_id = page.all[-1][0]
    page.close()
    for _ in range(3):  # 24 MB of lines
        server.run({"n": 100_000})
    newest = server.get("/dev/activations")[-1]["id"]
    page = server.events(last_id)
    page.wait("activation", lambda a: (a["id"], a["status"]) == (newest, "ok"), "the newest activation")
    (dropped,), lines = page.of("dropped"), page.lines()
    assert dropped["count"] > 0 and len(lines) > 1000
    assert sum(len(line["text"]) for line in lines) < 2 << 20  # EVENTS_MAX_BYTES
    page.close()


def server_path(server):
    return f"/dev/activations/{server.get('/dev/activations')[-1]['id']}"


def test_a_large_answer_passes_and_is_not_kept(dev, hello):
    hello.write_text("def main(args):\n    return {'text': 'x' * 5000000}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    answer = server.invoke({})
    assert len(answer["answer"]["text"]) == 5_000_000
    told = server.get(f"/dev/activations/{answer['id']}")
    assert told["answer"] is None and told["answer_truncated"]
    assert told["answer_bytes"] > 5_000_000


def test_the_history_is_bounded(dev, hello):
    hello.write_text(ANSWERS.format(1))
    server = dev(hello)
    server.wait_for("ready", 1)
    for _ in range(300):
        assert server.run() == (200, {"n": 1})
    assert len(server.get("/dev/activations")) == 256


# ---- the terminal ----

def test_each_activation_is_a_line_with_its_log_beneath(dev, hello):
    hello.write_text("import sys\ndef main(args):\n    print('to out')\n"
                     "    print('to err', file=sys.stderr)\n    return {}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    server.run()
    # One that takes long, as on a busy machine, has a line while it runs, and its id at its log.
    with_its_log = r"  (ok  .*|running)\n(  (\w{6} )?(err \| to err|out \| to out)\n){2}"
    whisk.wait_until(lambda: re.search(with_its_log, server.out()), "the log")
    assert "version 1 ready in" in server.out()
    assert whisk.SENTINEL not in server.out() + server.err()
    assert "\x1b" not in server.out()


def test_a_slow_activation_shows_its_log_while_it_runs(dev, folder, hello):
    hello.write_text("import os, time\ndef main(args):\n    print('begun', flush=True)\n"
                     f"    while not os.path.exists('{folder}/go'):\n        time.sleep(0.01)\n"
                     "    return {}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    run = whisk.Later(server.run)
    whisk.wait_until(lambda: "  running" in server.out() and "begun" in server.out(), "its log")
    (folder / "go").touch()
    assert run.result() == (200, {})
    assert server.out().count("begun") == 1


def test_an_activation_that_waits_for_a_process_is_not_said_to_run(dev, folder, hello):
    hello.write_text("import os, time\ndef main(args):\n    while not os.path.exists(args['until']):\n"
                     "        time.sleep(0.01)\n    return {}\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    runs, ids = [], []
    for name in ("one", "two"):
        runs.append(whisk.Later(lambda name=name: server.run({"until": str(folder / name)})))
        whisk.wait_until(lambda: len(server.get("/dev/activations")) == len(runs), "the activation")
        ids += [one["id"] for one in server.get("/dev/activations") if one["id"] not in ids]
    first, second = ids
    whisk.wait_until(lambda: f"{second}  waiting for a process that is free\n" in server.out(), "it waits")
    assert f"{second}  running" not in server.out()
    assert f"{first}  waiting" not in server.out()
    (folder / "one").touch()
    whisk.wait_until(lambda: f"{second}  running\n" in server.out(), "it runs")
    (folder / "two").touch()
    assert [run.result() for run in runs] == [(200, {}), (200, {})]
    assert server.out().count("waiting for a process") == 1


def test_json_lines_are_for_tools(dev, hello):
    server = dev(hello, "--log-format=json", listen=False)
    whisk.wait_until(lambda: '"event":"start"' in server.out(), "the start")
    server.port = int(server.out().split("http://127.0.0.1:")[1].split("/")[0])
    server.wait_for("ready", 1)
    server.run({"name": "Ann"})
    whisk.wait_until(lambda: '"event":"activation"' in server.out(), "the activation")
    events = [json.loads(line) for line in server.out().splitlines()]
    events = [event for event in events if event["event"] != "loading"]  # of a load that takes long
    assert [event["event"] for event in events] == ["start", "ready", "log", "activation"]
    assert events[2]["text"] == "greeting Ann" and events[2]["stream"] == "stdout"
    assert events[3]["status"] == "ok"


def test_invoke_runs_after_each_save(dev, folder, hello):
    (folder / "who.json").write_text('{"name": "Zoe"}')
    server = dev(hello, f"--invoke=@{folder}/who.json")
    whisk.wait_until(lambda: 'answer | {"greeting": "Hello, Zoe!"}' in server.out() or
                     'answer | {"greeting":"Hello, Zoe!"}' in server.out(), "the first answer")
    hello.write_text(HELLO.replace("Hello", "Hi"))
    whisk.wait_until(lambda: "Hi, Zoe!" in server.out(), "the second answer")


def test_invoke_does_not_wait_for_one_of_a_version_before_that_hangs(dev, folder, hello):
    hangs = "import os, time\ndef main(args):\n    while not os.path.exists('{}/go'):\n        time.sleep(0.01)\n    return {{'n': {}}}\n"
    hello.write_text(hangs.format(folder, 1))
    server = dev(hello, "--invoke={}")
    for n in range(1, 6):
        hello.write_text(hangs.format(folder, n))
        server.wait_for("ready", n)
        if n < 5:
            whisk.wait_until(lambda n=n: len(server.get("/dev/activations")) == n, "its invocation")
    whisk.wait_until(lambda: "--invoke: version 5 waits until one of these ends: " in server.out(), "it")
    (folder / "go").touch()
    for n in range(1, 6):
        whisk.wait_until(lambda n=n: re.search(rf'answer \| {{"n": ?{n}}}', server.out()), f"answer {n}")


def test_at_the_end_running_activations_are_told_and_a_second_signal_ends_them(dev, hello):
    hello.write_text("import time\ndef main(args):\n    print('begun', flush=True)\n    time.sleep(600)\n")
    server = dev(hello)
    server.wait_for("ready", 1)
    run = whisk.Later(server.run)
    whisk.wait_until(lambda: "begun" in server.out(), "the activation")
    a, = server.get("/dev/activations")
    server.process.send_signal(signal.SIGINT)
    whisk.wait_until(lambda: f"waiting 30 s at most for 1 activation to end ({a['id']}); Ctrl-C again ends it now"
                     in server.out(), "what it waits for")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=whisk.WAIT_S) == 0
    assert run.result()[0] >= 400


def test_a_page_that_connects_again_does_not_keep_it_from_ending(dev, folder, hello):
    """A page does so as soon as its stream of events has ended."""
    hello.write_text(f"import os, time\ndef main(args):\n    print('begun', flush=True)\n"
                     f"    while not os.path.exists('{folder}/go'):\n        time.sleep(0.01)\n    return {{}}\n")
    server = dev(hello, "--drain-timeout=600000")
    server.wait_for("ready", 1)
    run = whisk.Later(server.run)
    whisk.wait_until(lambda: "begun" in server.out(), "the activation")
    server.process.send_signal(signal.SIGINT)
    whisk.wait_until(lambda: "waiting 600 s at most" in server.out(), "what it waits for")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=whisk.WAIT_S)
    connection.request("GET", "/dev/events")
    assert connection.getresponse().status == 503
    (folder / "go").touch()
    assert run.result() == (200, {})
    assert server.process.wait(timeout=whisk.WAIT_S) == 0
    connection.close()


def test_an_argument_that_cannot_be_read_is_told_and_the_next_save_tries_again(dev, folder, hello):
    argument = folder / "who.json"
    argument.write_text('{"name": "Zoe"}')
    server = dev(hello, f"--invoke=@{argument}")
    whisk.wait_until(lambda: "Hello, Zoe!" in server.out(), "the first answer")
    argument.unlink()
    hello.write_text(HELLO.replace("Hello", "Hi"))
    whisk.wait_until(lambda: f"cannot read the argument from {argument}: No such file" in server.out(), "the reason")
    argument.write_text('{"name": "Ann"}')
    hello.write_text(HELLO.replace("Hello", "Hey"))
    whisk.wait_until(lambda: "Hey, Ann!" in server.out(), "the next answer")


def test_an_argument_on_stdin_is_refused(hello):
    done = subprocess.run([whisk.PROGRAM, "dev", hello, "--invoke=-", "--port=0"], capture_output=True, text=True,
                          timeout=whisk.WAIT_S)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--invoke: want JSON or @FILE, not -" in done.stderr


def free_port():
    """One that no outgoing connection gets before it is used."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10000, first), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port is free")


def test_a_breakpoint_stops_each_version_of_a_node_action_and_no_deadline_ends_it(dev, folder):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    port = free_port()
    action = folder / "app.js"
    for n in (1, 2):
        action.write_text(f"exports.main = (args) => {{\n  const n = {n};\n  return {{ n }};\n}};\n")
        if n == 1:
            server = dev(action, f"--inspect={port}", "--timeout=1000")
        state = server.wait_for("ready", n)
        assert (state["inspect"], state["limits"]["timeout_ms"]) == (port, 0)
        debugger = Inspector(port)
        debugger.call("Debugger.enable")
        debugger.call("Debugger.setBreakpointByUrl", lineNumber=2, urlRegex=".*\\.js$")
        run = whisk.Later(server.run)
        frame = debugger.wait("Debugger.paused")["callFrames"][0]
        stopped_at = time.monotonic()
        while time.monotonic() < stopped_at + 1.2:  # past --timeout
            found = debugger.call("Debugger.evaluateOnCallFrame", expression="n",
                                  callFrameId=frame["callFrameId"])
            assert found["result"]["value"] == n
        debugger.call("Debugger.resume")
        assert run.result() == (200, {"n": n})
        debugger.close()


def has_debugpy():
    return subprocess.run(["python3", "-c", "import debugpy"], capture_output=True, check=False).returncode == 0


def test_a_breakpoint_stops_each_version_of_a_python_action(dev, folder):
    if not has_debugpy():
        pytest.skip("debugpy is not installed")
    port = free_port()
    action = folder / "hello.py"
    for n in (1, 2):
        action.write_text(f"def main(args):\n    n = {n}\n    return {{'n': n}}\n")
        if n == 1:
            server = dev(action, f"--inspect={port}", "--timeout=1000")
        server.wait_for("ready", n)
        debugger = Dap(port)
        assert debugger.attach(action, 3)["verified"]
        run = whisk.Later(server.run)
        thread = debugger.wait("stopped")["threadId"]
        frame = debugger.call("stackTrace", threadId=thread)["stackFrames"][0]
        assert (frame["source"]["path"], frame["line"]) == (str(action), 3)
        stopped_at = time.monotonic()
        while time.monotonic() < stopped_at + 1.2:  # past --timeout
            assert debugger.call("evaluate", expression="n", frameId=frame["id"])["result"] == str(n)
        debugger.call("continue", threadId=thread)
        assert run.result() == (200, {"n": n})
        debugger.close()


def test_without_debugpy_its_package_is_named(dev, hello):
    if has_debugpy():
        pytest.skip("debugpy is installed")
    server = dev(hello, f"--inspect={free_port()}")
    server.wait_for("ready", 1)
    whisk.wait_until(lambda: "python3-debugpy" in server.out(), "the hint")
    assert server.run({"name": "Ann"}) == (200, {"greeting": "Hello, Ann!"})


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_debuggers_port_that_is_in_use_is_told_but_not_when_the_version_before_had_it(dev, folder):
    action = folder / "index.js"
    action.write_text("exports.main = () => ({ n: 1 });\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = dev(folder, f"--inspect={port}")
        server.wait_for("ready", 1)
    told = f"--inspect: port {port} is in use, so no debugger reaches the action (--inspect=PORT chooses another)\n"
    assert server.out().count(told) == 1
    for n in (2, 3):
        action.write_text(f"exports.main = () => ({{ n: {n} }});\n")
        server.wait_for("ready", n)
        whisk.wait_until(lambda: server.out().count(f"Debugger listening on ws://127.0.0.1:{port}/") == n - 1, "the debugger")
    assert server.out().count(told) == 1


def test_a_save_under_the_debugger_ends_what_stands_and_what_waits(dev, folder):
    """One activation stands, as at a breakpoint, and another waits for it: neither delays the next version."""
    action = folder / "hello.py"
    action.write_text("import time\ndef main(args):\n    print('stands')\n    time.sleep(1000)\n")
    server = dev(action, f"--inspect={free_port()}")
    server.wait_for("ready", 1)
    standing = whisk.Later(server.run)
    whisk.wait_until(lambda: "stands" in server.out(), "the first activation")
    waiting = whisk.Later(server.run)
    whisk.wait_until(lambda: len(server.get("/dev/activations")) == 2, "the second activation")
    action.write_text("def main(args):\n    return {'n': 2}\n")
    server.wait_for("ready", 2)
    assert server.run() == (200, {"n": 2})
    assert (standing.result()[0], waiting.result()[0]) == (400, 503)


def test_jdb_attaches_to_a_java_action(dev, folder):
    if shutil.which("javac") is None or shutil.which("jdb") is None:
        pytest.skip("javac and jdb are not installed")
    port = free_port()
    action = folder / "Main.java"
    action.write_text("import com.google.gson.JsonObject;\npublic class Main {\n"
                      "  public static JsonObject main(JsonObject args) {\n    return args;\n  }\n}\n")
    server = dev(action, f"--inspect={port}")
    server.wait_for("ready", 1)
    done = subprocess.run(["jdb", "-attach", f"127.0.0.1:{port}"], input="classes\nquit\n",
                          capture_output=True, text=True, timeout=whisk.WAIT_S, check=False)
    assert "\nMain\n" in done.stdout, done.stdout + done.stderr
    assert server.run({"a": 1}) == (200, {"a": 1})


# ---- the browser ----

def test_open_starts_the_browser_with_the_address(dev, folder, hello):
    browser = folder / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" >{folder}/asked.new\nmv {folder}/asked.new {folder}/asked\n")
    browser.chmod(0o755)
    server = dev(hello, "--open", env={"BROWSER": f"{folder}/none:{browser}"})
    whisk.wait_until((folder / "asked").exists, "the browser")
    assert (folder / "asked").read_text() == f"http://127.0.0.1:{server.port}/\n"


@pytest.mark.parametrize("start", ["", "setsid "])
def test_the_browser_stays_when_dev_ends(dev, folder, hello, start):
    """It may be the person's only browser, with other pages open."""
    browser = folder / "browser"
    browser.write_text(f"#!/bin/sh\n{start}sh -c 'echo $$ >{folder}/pid.new; mv {folder}/pid.new {folder}/pid; exec sleep 600' &\n"
                       f"{'wait' if start == '' else 'exit'}\n")
    browser.chmod(0o755)
    server = dev(hello, "--open", env={"BROWSER": str(browser)})
    whisk.wait_until((folder / "pid").exists, "the browser")
    pid = int((folder / "pid").read_text())
    assert server.end(signal.SIGINT) == 0
    os.kill(pid, signal.SIGKILL)  # fails if there is none any more


def test_without_a_browser_the_address_is_said(dev, folder, hello):
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    server = dev(hello, "--open", env={"BROWSER": "", "PATH": str(programs)})
    whisk.wait_until(lambda: f"open http://127.0.0.1:{server.port}/ yourself" in server.out(), "it")
    server.wait_for("ready", 1)


def test_on_a_terminal_there_are_colours_unless_they_are_not_wanted(hello):
    for env, colored in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
        terminal = Terminal("dev", str(hello), env={"TERM": "xterm", **env})
        terminal.wait_for("version 1 ready")
        terminal.end()
        assert ("\x1b[" in terminal.text()) == colored


# ---- what can be wrong at the start ----

def test_a_port_in_use_gives_way_to_the_next_one(dev, hello):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = dev(hello, f"--port={port}")
        assert server.port != port
        assert f"port {port} is in use" in server.out()


def test_a_unix_socket_is_told_by_its_path_and_serves(dev, folder, hello):
    where = folder / "it.sock"
    server = dev(hello, "--port=8080", f"--listen=unix:{where},mode=600", "--open", listen=False)
    whisk.wait_until(lambda: "version 1 ready" in server.out(), "the version")
    assert f" on unix:{where} (curl --unix-socket {where} http://localhost/run) - save" in server.out()
    assert "--open: no browser opens a Unix socket" in server.out()
    for other in ("in use", "http://[", "open it in a browser", "WARNING"):
        assert other not in server.out()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(where))
        client.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n"
                       b"Connection: close\r\n\r\n{\"value\":{}}")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("name, said", [("none.py", "No such file"), ("/dev/null", "neither")])
def test_what_cannot_be_served_is_said_and_ends_it(folder, name, said):
    server = Dev(folder, folder / name, listen=False)
    assert server.process.wait(timeout=whisk.WAIT_S) == 2
    assert said in server.err()
    server.end()


@pytest.mark.parametrize("limit, sysctl", [("max_inotify_instances", "fs.inotify.max_user_instances"),
                                           ("max_inotify_watches", "fs.inotify.max_user_watches")])
def test_where_inotify_has_no_room_files_are_looked_at(dev, folder, limit, sysctl):
    action = folder / "action"
    for name in ("a", "b", "c"):
        (action / name).mkdir(parents=True)
    (action / "__main__.py").write_text(ANSWERS.format(1))
    # The limits of a user namespace are its own: nobody else runs out.
    few = ["unshare", "-Ur", "sh", "-c", f"echo {int('watches' in limit) * 2} >/proc/sys/user/{limit} && exec \"$@\"", "-"]
    if subprocess.run([*few, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody make a user namespace")
    server = dev(action, through=few)
    server.wait_for("ready", 1)
    assert sysctl in server.out()
    (action / "c/more.py").write_text("x = 1\n")
    server.wait_for("ready", 2)
