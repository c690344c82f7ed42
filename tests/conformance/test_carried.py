"""Actions that an image or a command line carries: served without an /init (contract 1.9, 2.6)."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import archives
import compilers
import samples
import whisk
from watch import Watched, assert_says
from whisk import WAIT_S, assert_error, wait_until

HELLO = "def main(args):\n    return {'hello': args.get('name', 'nobody')}\n"
NIAM = HELLO.replace("main", "niam")


def put(folder, name, text, mode=0o644):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.write_bytes if isinstance(text, bytes) else path.write_text)(text)
    path.chmod(mode)
    return path


def test_a_source_file_is_served_without_init(proxy, folder):
    """--action FILE: the first request of the proxy's life may be a /run."""
    one = proxy("--action", put(folder, "hello.py", HELLO))
    answer = one.run({"name": "Mike"})
    assert (answer.status, answer.json) == (200, {"hello": "Mike"})
    assert one.check_streams(1) == ("", "")


def test_a_source_file_with_a_program_line_is_source_by_its_name(proxy, folder):
    """--action hello.py: also when it starts with #!, as scripts do."""
    one = proxy("--action", put(folder, "hello.py", "#!/usr/bin/env python3\n" + HELLO))
    assert one.run({}).json == {"hello": "nobody"}


@pytest.mark.parametrize("options, env", [
    (["--main", "niam"], {}), ([], {"WHISKLOOP_MAIN": "niam"}),
], ids=["option", "variable"])
def test_the_main_of_a_carried_action(proxy, folder, options, env):
    """--main names the function."""
    one = proxy("--action", put(folder, "code.py", NIAM), *options, env=env)
    assert one.run({"name": "M"}).json == {"hello": "M"}


@pytest.mark.parametrize("code", [
    archives.zipped({"__main__.py": HELLO}),
    samples.GREET_SHELL.replace("hello", "hello").encode(),
], ids=["zip", "script"])
def test_files_are_what_an_init_would_bring(proxy, folder, code):
    """--action FILE: archives and programs too."""
    one = proxy("--action", put(folder, "code.bin", code))
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


def test_a_folder_is_served_where_it_lies(proxy, folder):
    """--action DIR: nothing is copied; modules and files beside the entry are found."""
    home = folder / "code"
    put(home, "__main__.py", "import part, os\ndef main(args):\n"
                             "    return {'part': part.NAME, 'cwd': os.getcwd(),"
                             " 'data': open('data.txt').read()}\n")
    put(home, "part.py", "NAME = 'a part'\n")
    put(home, "data.txt", "some data")
    one = proxy("--action", home)
    assert one.run({}).json == {"part": "a part", "cwd": os.path.realpath(home),
                                "data": "some data"}
    one.finish()
    assert (home / "__main__.py").exists(), "a folder of the user is never removed"


@pytest.mark.parametrize("name", ["exec", "hello.py"])
def test_a_folder_with_a_single_file_is_that_file(proxy, folder, name):
    """One COPY of a Python file into the image's folder, whatever its name."""
    put(folder / "code", name, HELLO)
    one = proxy("--action", folder / "code")
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


@pytest.mark.parametrize("option", ["--action", "invoke"])
def test_hidden_files_are_no_part_of_an_action(proxy, folder, option):
    """A ConfigMap of Kubernetes, whose files are links into a hidden folder; and .gitignore."""
    code = folder / "code"
    put(code / "..2026_12_01_04_28_26.1", "hello.py", HELLO)
    os.symlink("..2026_12_01_04_28_26.1", code / "..data")
    os.symlink("..data/hello.py", code / "hello.py")
    put(code, ".gitignore", "*.pyc\n")
    if option == "invoke":
        done = subprocess.run([whisk.PROGRAM, "invoke", code, '{"name":"Mike"}'],
                              capture_output=True, timeout=WAIT_S, check=False)
        assert (done.returncode, done.stdout) == (0, b'{"hello":"Mike"}\n'), done
        return
    one = proxy("--action", code)
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


def test_a_folder_with_a_program(proxy, folder):
    """/action/exec of the old native images: an executable."""
    put(folder / "code", "exec", samples.GREET_SHELL, 0o755)
    put(folder / "code", "other", "")
    one = proxy("--action", folder / "code")
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


def test_OW_AUTOINIT_names_a_file_and_its_main(proxy, folder):
    """Contract 2.6: OW_AUTOINIT, OW_AUTOINIT_MAIN, in an image with a compiler."""
    compiler = compilers.write(folder, compilers.program())
    one = proxy(env=compilers.image(compiler, OW_AUTOINIT=str(put(folder, "a.go", "package x")),
                                    OW_AUTOINIT_MAIN="niam"))
    assert one.run({}).json == {"main": "niam", "made": "compiled", "from": "package x"}


@pytest.mark.parametrize("file", ["no-such-file", "broken.py"])
def test_OW_AUTOINIT_that_fails_waits_for_an_init(proxy, folder, file):
    """Contract 2.6: failures of OW_AUTOINIT are no reason to end."""
    put(folder, "broken.py", "def main(:\n")
    one = proxy(env={"OW_AUTOINIT": str(folder / file)})
    assert_error(one.run({}), 500, "no action defined yet")
    one.started(HELLO)
    assert one.run({}).json == {"hello": "nobody"}
    assert "OW_AUTOINIT" in one.err_text()


@pytest.mark.parametrize("binary", [False, True])
def test_code_in_a_variable(proxy, binary):
    """Contract 1.9: __OW_ACTION_CODE, __OW_ACTION_MAIN, __OW_ACTION_BINARY."""
    zipped = base64.b64encode(archives.zipped({"__main__.py": NIAM})).decode()
    one = proxy(env={"__OW_ACTION_CODE": zipped if binary else NIAM, "__OW_ACTION_MAIN": "niam",
                     "__OW_ACTION_BINARY": str(binary).lower()})
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


def test_an_empty_variable_carries_nothing(proxy):
    """Contract 1.9: an empty __OW_ACTION_CODE is a proxy that waits for /init."""
    one = proxy(env={"__OW_ACTION_CODE": ""})
    assert_error(one.run({}), 500, "no action defined yet")


def test_an_option_goes_before_variables(proxy, folder):
    """--action, then OW_AUTOINIT, then __OW_ACTION_CODE."""
    env = {"OW_AUTOINIT": str(put(folder, "b.py", HELLO.replace("hello", "auto"))),
           "__OW_ACTION_CODE": HELLO.replace("hello", "variable")}
    one = proxy("--action", put(folder, "a.py", HELLO), env=env)
    assert one.run({}).json == {"hello": "nobody"}
    two = proxy(env=env)
    assert two.run({}).json == {"auto": "nobody"}


def slow(door):
    return f"open({door.path!r}).read()\n" + HELLO


def test_runs_before_it_is_ready_wait(proxy, folder, gate):
    """Requests that come while the action starts are answered once it serves."""
    door = gate()
    one = proxy("--action", put(folder, "slow.py", slow(door)), "--workers", 1)
    door.wait_reached()
    early = [one.later(one.run, {"name": str(number)}) for number in range(3)]
    wait_until(lambda: sum("socket:" in link for link in one.descriptors()) == 4,
               "all three to be connected")
    assert one.request("GET", "/").status == 404, "others are answered meanwhile"
    assert not any(call.done for call in early)
    door.release()
    assert sorted(call.result().json["hello"] for call in early) == ["0", "1", "2"]
    assert one.check_streams(3) == ("", "")


def queued(one):
    return one.metrics()["whiskloop_activations_queued"].value()


def test_too_many_early_runs_are_refused(proxy, folder, gate):
    """What waits is bounded by --queue-max."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1,
                  "--queue-max", 1)
    door.wait_reached()
    first = one.proxy.later(one.proxy.run, {"name": "first"})
    wait_until(lambda: queued(one) == 1, "the first to wait")
    refused = one.proxy.run({})
    assert refused.status == 429 and "--queue-max" in refused.error
    door.release()
    assert first.result().json == {"hello": "first"}


def test_an_init_without_code_is_fine(proxy, folder, gate):
    """The platform sends one to each new container, also while the action starts."""
    door = gate()
    one = proxy("--action", put(folder, "slow.py", slow(door)), "--workers", 1)
    door.wait_reached()
    early = one.later(one.post, "/init", {"value": {"name": "x", "main": "main"}})
    wait_until(lambda: sum("socket:" in link for link in one.descriptors()) == 2,
               "the request to arrive")
    door.release()
    for answer in (early.result(), one.post("/init", {"value": {"name": "x", "main": "main"}}),
                   one.init(None)):
        assert (answer.status, answer.body) == (200, b'{"ok":true}\n')
    assert_error(one.init(HELLO), 403, "Cannot initialize the action more than once.")
    assert one.run({}).json == {"hello": "nobody"}


def test_SIGTERM_while_it_starts(proxy, folder, gate):
    """The end comes before the start is over: whoever waits is told to go elsewhere."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1,
                  "--drain-timeout", 0)
    door.wait_reached()
    early = one.proxy.later(one.proxy.run, {})
    wait_until(lambda: queued(one) == 1, "the request to arrive")
    one.proxy.terminate()
    assert early.result().status == 503


@pytest.mark.parametrize("delay_ms", [0, 1])
def test_ctrl_c_while_it_starts_ends_it_without_a_drain(proxy, folder, gate, delay_ms):
    """What has not begun cannot be finished, also after a --drain-delay."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1,
                  "--drain-delay", delay_ms, "--drain-timeout", 3600000)
    door.wait_reached()
    early = one.proxy.later(one.proxy.run, {})
    wait_until(lambda: queued(one) == 1, "the request to arrive")
    one.proxy.process.send_signal(signal.SIGINT)
    assert early.result().status == 503
    assert one.proxy.process.wait(WAIT_S) == 0


# ---- what an operator sees of it ----

def test_who_waits_at_the_single_entry_point_is_counted_too(proxy, folder, gate):
    """Knative scales by this figure."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1,
                  env={"__OW_RUNTIME_PLATFORM": "knative"})
    door.wait_reached()
    early = one.proxy.later(one.proxy.post, "/", {"value": {}})
    wait_until(lambda: queued(one) == 1, "the request to arrive")
    door.release()
    assert early.result().status == 200
    assert queued(one) == 0


def test_readiness_and_metrics_while_it_starts(proxy, folder, gate):
    """Not ready until it serves; who waits is counted as waiting, and then by how it ended."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1,
                  "--queue-max", 2)
    door.wait_reached()
    assert_says(one.ask("/healthz"), 200, "ok\n")
    assert_says(one.ask("/readyz"), 503, "starting\n")
    early = [one.proxy.later(one.proxy.run, {}) for _ in range(2)]
    wait_until(lambda: queued(one) == 2, "two that wait")
    answer = one.proxy.run({})
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "1"
    assert one.ends() == {"queue_full": 1}
    door.release()
    assert [call.result().status for call in early] == [200, 200]
    assert_says(one.ask("/readyz"), 200, "ready\n")
    assert queued(one) == 0
    assert one.ends() == {"queue_full": 1, "ok": 2}


def test_the_wait_for_its_start_counts_as_time_in_the_queue(proxy, folder, gate):
    """Both times begin with the request: the first ones after a cold start are the longest."""
    door = gate()
    one = Watched(proxy, folder, "--action", put(folder, "slow.py", slow(door)), "--workers", 1)
    door.wait_reached()
    early = one.proxy.later(one.proxy.run, {})
    wait_until(lambda: queued(one) == 1, "the request to arrive")
    arrived_at = time.monotonic()
    time.sleep(0.5)
    waited = time.monotonic() - arrived_at
    door.release()
    assert early.result().status == 200
    metrics = one.metrics()
    assert metrics["whiskloop_queue_duration_seconds"].sum >= waited
    assert metrics["whiskloop_activation_duration_seconds"].sum >= \
        metrics["whiskloop_queue_duration_seconds"].sum


def test_readiness_after_one_that_failed(proxy, folder):
    """OW_AUTOINIT of what does not load: not initialised, as any other proxy that waits."""
    one = Watched(proxy, folder,
                  env={"OW_AUTOINIT": str(put(folder, "broken.py", "import no_such_module\n"))})
    wait_until(lambda: one.ask("/readyz").body == b"not initialised\n", "the start to fail")
    assert one.proxy.run({}).status == 500
    assert one.ends() == {"no_action": 1}
    one.proxy.started(HELLO)
    assert_says(one.ask("/readyz"), 200, "ready\n")


def test_trace_headers_of_an_early_run(proxy, folder, gate):
    """A request that waited is traced as any other: its header comes back, and once."""
    door = gate()
    one = proxy("--action", put(folder, "slow.py", slow(door)), "--workers", 1)
    door.wait_reached()
    early = one.later(one.request, "POST", "/run", b'{"value":{}}', ["X-Request-ID: abc"])
    wait_until(lambda: sum("socket:" in link for link in one.descriptors()) == 2,
               "the request to arrive")
    door.release()
    answer = early.result()
    assert (answer.status, answer.headers["X-Request-ID"]) == (200, "abc")


# ---- replaced by an /init ----

def test_a_folder_that_is_replaced_stays(proxy, folder):
    """--allow-reinit: the folder of the image is not ours to delete, and from then on an /init
    without code is what it is everywhere."""
    home = folder / "code"
    path = put(home, "__main__.py", HELLO)
    put(home, "other", "")
    one = proxy("--action", home, "--allow-reinit", "--workers", 1)
    assert one.run({}).json == {"hello": "nobody"}
    assert one.init(None).status == 200
    one.started("def main(args):\n    return {'which': 'second'}\n")
    assert one.run({}).json == {"which": "second"}
    assert one.init(None).status == 403
    one.started("def main(args):\n    return {'which': 'third'}\n")
    assert one.run({}).json == {"which": "third"}
    wait_until(lambda: len(one.children()) == 1, "only the newest")
    assert path.read_text() == HELLO


# ---- an action that cannot be served ends the proxy ----

def ended(folder, *options, env=None):
    """(status, stderr) of a proxy that must end by itself."""
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(
        [str(whisk.PROGRAM), "--port", "0", "--listen", "127.0.0.1", *map(str, options)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, cwd=folder, check=False,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder / "tmp"), **(env or {}),
             "LSAN_OPTIONS": f"suppressions={whisk.LEAKS_OF_LIBRARIES}:print_suppressions=0"})
    assert os.listdir(folder / "tmp") == []
    return done.returncode, done.stderr.decode()


def test_a_carried_action_that_does_not_load_ends_the_proxy(folder):
    """The action's own words, one line of ours that says whose it was, and status 1."""
    path = put(folder, "broken.py", "import no_such_module\n")
    status, err = ended(folder, "--action", path)
    assert status == 1
    assert "ModuleNotFoundError" in err
    assert err.splitlines()[-1].startswith("whiskloop: --action: the action does not start: ")


def test_a_carried_action_that_does_not_compile_ends_the_proxy(folder):
    """What the compiler said is in the line."""
    compiler = compilers.write(folder, "echo a.x:1: bad; exit 1\n")
    status, err = ended(folder, "--action", put(folder, "a.x", "some text"),
                        env={"OW_COMPILER": compiler})
    assert status == 1
    assert err == "whiskloop: --action: the action does not start: a.x:1: bad\n"


@pytest.mark.parametrize("path, wanted, text", [
    ("missing.py", 1, 'whiskloop: --action: cannot read "missing.py": No such file or directory\n'),
    ("empty.py", 2, 'whiskloop: --action: "empty.py" is empty\n'),
    ("fake.zip", 2, "whiskloop: --action: fake.zip: the name ends in .zip, but this is no archive\n"),
    ("empty", 2, 'whiskloop: --action: no action in folder "empty": want a single file, or '),
    ("two", 2, 'whiskloop: --action: no action in folder "two": want a single file, or '
               "__main__.py (python)"),
])
def test_a_path_without_an_action_is_refused_at_start(folder, path, wanted, text):
    """One line that names the option, the path and what is wanted."""
    put(folder, "empty.py", "")
    put(folder, "fake.zip", "text\n")
    (folder / "empty").mkdir()
    put(folder / "two", "a.txt", "a")
    put(folder / "two", "b.txt", "b")
    status, err = ended(folder, "--action", path)
    assert (status, err[:len(text)]) == (wanted, text)


def test_what_a_folder_needs_is_told_whatever_the_words_of_a_manifest(folder):
    """The manifest's own text for archives ("no_entry") has no part in it."""
    runtimes = folder / "runtimes"
    (runtimes / "toy").mkdir(parents=True)
    put(runtimes / "toy", "runtime.json", json.dumps({
        "name": "toy", "entry": ["main.toy"], "source": "main.toy", "answers": "stdout", "launch": ["cat"],
        "no_entry": "Please include a main file."}))
    put(folder / "two", "a.txt", "a")
    put(folder / "two", "b.txt", "b")
    status, err = ended(folder, "--action", "two", "--runtime-dir", runtimes, "--runtime", "toy")
    assert (status, err) == (2, 'whiskloop: --action: no action in folder "two": want a single file, or main.toy (toy) '
                             "or an executable exec (native)\n")


def test_who_waits_for_a_broken_action_is_told_why(folder, gate):
    """A request that came early gets the reason, not a closed connection."""
    door = gate()
    put(folder, "broken.py", f"open({door.path!r}).read()\nimport no_such_module\n")
    home = folder / "home"
    home.mkdir()
    watched = Watched(lambda *options: whisk.Proxy(home, options), folder,
                      "--action", folder / "broken.py", "--workers", 1)
    one = watched.proxy
    try:
        door.wait_reached()
        early = one.later(one.run, {})
        wait_until(lambda: queued(watched) == 1, "the request to arrive")
        door.release()
        answer = early.result()
        assert answer.status == 502 and answer.error.startswith("cannot start action: ")
        assert one.process.wait(WAIT_S) == 1
    finally:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGKILL)


def in_root_with(folder, name, text):
    """
    A program that runs ours in a root of its own: all that is here, and a folder /action with the
    named files, or nothing. Skips where that cannot be had.
    """
    root = folder / "root"
    root.mkdir()
    copy = put(folder, "copy", text) if name else "/dev/null"
    enter = put(folder, "enter", f"""#!/bin/sh
set -e
mount -t tmpfs none {root}
for item in /*; do
    [ -d "$item" ] && [ ! -L "$item" ] && [ "$item" != /action ] || {{
        [ ! -L "$item" ] || cp -P "$item" {root}; continue; }}
    mkdir {root}$item
    mount --rbind $item {root}$item
done
mkdir {root}/action
for name in {name}; do cp {copy} {root}/action/$name; done
exec chroot {root} "$@"
""", 0o755)
    program = put(folder, "program", f"#!/bin/sh\nexec unshare -m {enter} /bin/sh -c "
                                     f"'cd \"$0\" && exec {whisk.PROGRAM} \"$@\"' \"$PWD\" \"$@\"\n",
                  0o755)
    tried = subprocess.run(["unshare", "-m", enter, "/bin/true"], capture_output=True, check=False,
                           timeout=WAIT_S)
    if tried.returncode != 0:
        pytest.skip(f"no root of its own to be had: {tried.stderr.decode()}")
    return program


def test_a_named_pipe_is_refused_without_waiting_for_its_writer(folder):
    os.mkfifo(folder / "pipe")
    status, err = ended(folder, "--action", "pipe")
    assert status == 2
    assert err.startswith('whiskloop: --action: want "pipe" to be a folder, or a file of 1 to ')


@pytest.mark.parametrize("words", [["--action"], ["invoke"]])
def test_a_folder_needs_no_temporary_folder(folder, words):
    """A root that is read-only and has no tmpfs will do for an action that is served where it lies."""
    put(folder / "code", "__main__.py", HELLO)
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(folder / "no/such")}
    if words == ["invoke"]:
        done = subprocess.run([whisk.PROGRAM, "invoke", folder / "code", '{"name":"Mike"}'],
                              env=env, capture_output=True, timeout=WAIT_S, check=False)
        assert (done.returncode, done.stdout) == (0, b'{"hello":"Mike"}\n'), done
        return
    process = subprocess.Popen(
        [whisk.PROGRAM, *words, folder / "code", "--listen", f"unix:{folder}/socket",
         "--allow-reinit"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: process.poll() is not None or (folder / "socket").exists(), "the socket")
        replies = [json.loads(subprocess.run(
            ["curl", "-s", "--unix-socket", folder / "socket", f"http://x/{path}", "-d", body],
            capture_output=True, timeout=WAIT_S, check=True).stdout) for path, body in
            [("run", '{"value":{"name":"Mike"}}'), ("init", json.dumps({"value": {"code": HELLO}})),
             ("run", '{"value":{"name":"Ann"}}')]]
    finally:
        process.terminate()
        said = process.communicate()[1].decode()
    assert replies[0] == {"hello": "Mike"} and replies[2] == {"hello": "Ann"}, said
    assert "no/such" in replies[1]["error"] + said, "code that must be unpacked needs a folder"


WHERE = ("#!/bin/sh\necho \"{\\\"word\\\":\\\"$(cat /action/word)\\\","
         "\\\"at\\\":\\\"$0 $PWD\\\"}\"\n")


def test_an_images_own_program_serves_until_an_init(proxy, folder, monkeypatch):
    """Contract 9: the documented way of an image for the skeleton, also after an /init without
    code. What is published takes its place in /action, where programs look for their files."""
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, "exec", samples.GREET_ONCE))
    one = proxy("--runtime", "oneshot")
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}
    one.started(archives.zipped({"exec": WHERE, "word": "published", "data/file": "x"}))
    assert one.run({}).json == {"word": "published", "at": "/action/exec /action"}
    inside = pathlib.Path(f"/proc/{one.pid}/root/action")
    assert sorted(os.listdir(inside)) == ["data", "exec", "word"], "nothing else is left there"


def test_an_images_own_program_is_ready_before_an_init(proxy, folder, monkeypatch):
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, "exec", samples.GREET_ONCE))
    one = Watched(proxy, folder, "--runtime", "oneshot")
    assert_says(one.ask("/readyz"), 200, "ready\n")
    assert one.proxy.run({"name": "Mike"}).json == {"hello": "Mike"}
    assert_says(one.ask("/readyz"), 200, "ready\n")


def test_an_init_without_code_keeps_an_images_own_program(proxy, folder, monkeypatch):
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, "exec", samples.GREET_ONCE))
    one = proxy("--runtime", "oneshot")
    assert one.post("/init", {"value": {}}).json == {"ok": True}
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}


def test_what_is_published_replaces_what_an_image_had(proxy, folder, monkeypatch):
    """Folders where files were and files where folders were; a link is replaced, not followed."""
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, "word", "the image's"))
    one = proxy("--runtime", "oneshot", "--action-dir", "", "--allow-reinit")
    one.started(archives.zipped({"exec": WHERE, "word": "first", "data/file": "x", "1/file": "x"}))
    assert one.run({}).json["word"] == "first"
    one.started(archives.zipped({"exec": WHERE, "word": "second", "data": "file", "1": "x"}))
    assert one.run({}).json["word"] == "second"


@pytest.mark.parametrize("name, text, served", [
    ("", "", False), (".gitkeep", "", False), ("hello.py", HELLO, True),
    ("__main__.py", HELLO, True), ("exec", samples.GREET_SHELL, True), ("exec", HELLO, True),
], ids=["empty", "hidden", "any-name", "entry", "program", "exec"])
def test_the_folder_of_our_images(proxy, folder, monkeypatch, name, text, served):
    """An image FROM ours with one COPY to /action serves it; with none it waits for /init."""
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, name, text))
    one = proxy()
    if served:
        assert one.run({"name": "Mike"}).json == {"hello": "Mike"}
    else:
        assert_error(one.run({}), 500, "no action defined yet")
        assert one.err_text() == ""


@pytest.mark.parametrize("name, text, why", [
    ("README.txt", "x", "no runtime takes source files that end in .txt"),
    ("hello.py", "", r'\"/action/hello.py\" is empty'),
    ("hello.py Dockerfile", HELLO, r'no action in folder \"/action\": want a single file, or '),
], ids=["unknown", "empty", "two"])
def test_the_folder_of_our_images_without_an_action(proxy, folder, monkeypatch, name, text, why):
    """COPY . /action/ that brings something, but no action: the log says why it is not served."""
    monkeypatch.setattr(whisk, "PROGRAM", in_root_with(folder, name, text))
    one = proxy()
    assert_error(one.run({}), 500, "no action defined yet")
    assert " warn init.carried origin=/action failed=" in one.err_text() and why in one.err_text()
    one.started(HELLO)
    assert one.run({"name": "Mike"}).json == {"hello": "Mike"}
