"""bin/init.sh: what it sends, and what it says when something is wrong."""

import base64
import io
import os
import shutil
import socket
import subprocess
import tarfile
import zipfile

import pytest
from conftest import ROOT, run_script

HELLO = ROOT / "actions/hello-python/hello.py"


def sent_code(recorder):
    value = recorder.json()["value"]
    assert value["binary"] is True
    return base64.b64decode(value["code"], validate=True)


def test_source_text_arrives_byte_for_byte(recorder):
    done = run_script("init.sh", HELLO, port=recorder.port)
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"ok":true}\n', "")
    assert recorder.path == "/init"
    assert sent_code(recorder) == HELLO.read_bytes()
    assert recorder.json()["value"]["main"] == "main"
    assert recorder.json()["value"]["name"] == "hello"


def test_port_before_the_command_names_the_proxy_and_a_bare_name_the_file(recorder, tmp_path):
    (tmp_path / "exec").write_bytes(b"\x7fELF rest")
    run_script("init.sh", "exec", port=recorder.port, cwd=tmp_path)
    assert sent_code(recorder) == b"\x7fELF rest"


def test_file_larger_than_an_argument_list_is_sent_whole(recorder, tmp_path):
    code = os.urandom(5 << 20)
    (tmp_path / "big").write_bytes(code)
    assert run_script("init.sh", tmp_path / "big", port=recorder.port).returncode == 0
    assert sent_code(recorder) == code


def test_main_with_quotes_backslashes_and_newlines_arrives_as_given(recorder):
    main = 'a"b\\c\nx\ty\x01z&é'
    assert run_script("init.sh", HELLO, main, port=recorder.port).returncode == 0
    assert recorder.json()["value"]["main"] == main


def test_environment_arrives_as_given_with_equal_signs_kept(recorder):
    done = run_script("init.sh", "-e", "A=b=c==", "-e", 'Q="\\ &', "-e", "EMPTY=", HELLO,
                      port=recorder.port)
    assert done.returncode == 0
    assert recorder.json()["value"]["env"] == {"A": "b=c==", "Q": '"\\ &', "EMPTY": ""}


@pytest.mark.parametrize("arguments", [
    [HELLO, "-e", "A=b", "niam"], [HELLO, "niam", "-eA=b"], ["-e", "A=b", "--", HELLO, "niam"],
])
def test_options_may_stand_anywhere(recorder, arguments):
    done = run_script("init.sh", *arguments, port=recorder.port)
    assert done.returncode == 0, done.stderr
    value = recorder.json()["value"]
    assert (value["env"], value["main"]) == ({"A": "b"}, "niam")


def test_a_file_without_permission_is_told_in_one_line(tmp_path):
    closed = tmp_path / "hello.py"
    closed.write_text("def main(args): return args\n")
    closed.chmod(0)
    drop = "-dac_override,-dac_read_search"
    as_others = ["/usr/bin/setpriv", "--inh-caps", drop, "--bounding-set", drop] if os.geteuid() == 0 else []
    if as_others and subprocess.run([*as_others, "true"], check=False).returncode != 0:
        pytest.skip("root cannot give up its rights here")
    done = subprocess.run([*as_others, ROOT / "bin/init.sh", closed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"init.sh: cannot read '{closed}': no permission\n"


def test_folder_is_sent_as_a_zip_with_its_files_at_the_root(recorder):
    assert run_script("init.sh", ROOT / "actions/words-python", port=recorder.port).returncode == 0
    names = zipfile.ZipFile(io.BytesIO(sent_code(recorder))).namelist()
    assert "__main__.py" in names and "words/counting.py" in names


def test_folder_is_sent_as_a_tar_gz_where_there_is_no_zip(recorder, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "curl", "base64", "tar", "gzip", "mktemp", "rm", "cat", "ls", "head",
                 "tail", "od", "tr", "basename", "dirname", "readlink", "env"):
        (tools / tool).symlink_to(shutil.which(tool))
    done = run_script("init.sh", ROOT / "actions/words-python", port=recorder.port,
                      env={"PATH": str(tools)})
    assert (done.returncode, done.stderr) == (0, "")
    with tarfile.open(fileobj=io.BytesIO(sent_code(recorder)), mode="r:gz") as archive:
        assert "./__main__.py" in archive.getnames()


@pytest.mark.parametrize("status, hint", [
    (403, "to replace it, start the proxy with --allow-reinit"),
    (404, "is that an action proxy"),
    (413, "raise the bound"),
    (502, "--runtime"),
    (503, "start another"),
])
def test_refusal_ends_with_1_and_says_what_to_do(recorder, status, hint):
    recorder.status, recorder.answer = status, b'{"error":"some reason"}\n'
    done = run_script("init.sh", HELLO, port=recorder.port)
    assert (done.returncode, done.stdout) == (1, "")
    assert f'HTTP status {status}: {{"error":"some reason"}}' in done.stderr
    assert hint in done.stderr


@pytest.mark.parametrize("kind, code, hint", [
    ("executable", b"\x7fELF", "ldd"),
    ("script", b"#!/bin/sh\n", "first line"),
    ("zip", b"PK\x03\x04rest", "at its root"),
    ("tar.gz", b"\x1f\x8b\x08rest", "at its root"),
    ("tar", b"x" * 257 + b"ustar\0", "at its root"),
    ("tar without its end", b"x" * 257 + b"usta", "--runtime"),
    ("source", b"def main", "--runtime"),
])
def test_hint_for_unusable_code_fits_its_kind(recorder, tmp_path, kind, code, hint):
    recorder.status = 502
    (tmp_path / "code").write_bytes(code)
    assert hint in run_script("init.sh", tmp_path / "code", port=recorder.port).stderr, kind


def test_the_reason_that_the_proxy_tells_replaces_the_hint(recorder):
    """Line by line, each byte as it was: no escape of the shell is one here."""
    recorder.status, recorder.answer = 502, b'{"error":"some reason"}\n'
    recorder.headers = {"X-Whiskloop-Reason": "a\\nb 100%25%0A  %C3%A9 $(id)"}
    done = run_script("init.sh", HELLO, port=recorder.port)
    assert done.returncode == 1
    assert done.stderr.endswith('\n    a\\nb 100%\n      é $(id)\n')


@pytest.mark.parametrize("name, code, traced", [
    ("broken.py", "def main(args):\n    return {\n", 'File "broken.py", line 2'),
])
def test_the_reason_names_the_users_file(start_proxy, tmp_path, name, code, traced):
    (tmp_path / name).write_text(code)
    done = run_script("init.sh", tmp_path / name, port=start_proxy().port)
    assert done.returncode == 1
    assert "Cannot start action. Check logs for details." in done.stderr
    assert traced in done.stderr


@pytest.mark.parametrize("name, code, said", [
    ("a.rs", "fn main() {}", "no runtime takes source files that end in"),
    ("a.txt", "text", "no runtime takes source files that end in"), ("a.mjs", "text", None),
    ("a.py", "text", None), ("plain", "text", None), ("a.rs", "#!/bin/sh\n", None),
    ("a.class", "\0\1", None), ("a.zip", "text", "ends in .zip, but this is no archive"),
])
def test_source_of_no_language_is_refused_with_the_endings(recorder, tmp_path, name, code, said):
    (tmp_path / name).write_text(code)
    done = run_script("init.sh", tmp_path / name, port=recorder.port)
    if said is None:
        assert (done.returncode, done.stderr) == (0, "")
        assert recorder.json()["value"]["file"] == name
    else:
        assert done.returncode == 1 and recorder.body is None
        assert said in done.stderr
        assert name == "a.zip" or ".js .lua .mjs .php" in done.stderr


def test_without_a_proxy_it_says_how_to_start_one():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # ours, but nobody listens on it
        port = held.getsockname()[1]
        done = run_script("init.sh", HELLO, port=port)
    assert done.returncode == 1
    assert f"no proxy answers on 127.0.0.1 port {port}" in done.stderr
    assert "start one:" in done.stderr


@pytest.mark.parametrize("arguments, words", [
    ([], "want FILE"),
    (["a", "b", "c"], "got 3 arguments"),
    (["missing.py"], "there is no 'missing.py'"),
    (["empty.py"], "'empty.py' is empty"),
    (["folder"], "folder 'folder' is empty"),
    (["-e", "NAME", "empty.py"], "want NAME=value"),
    (["-e", "=value", "empty.py"], "want NAME=value"),
    (["-e"], "-e needs a value"),
    (["-x"], "unknown option -x"),
    (["--wat", "empty.py"], "unknown option --wat"),
])
def test_unusable_arguments_are_refused_with_their_name(tmp_path, arguments, words):
    (tmp_path / "empty.py").touch()
    (tmp_path / "folder").mkdir()
    done = run_script("init.sh", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


@pytest.mark.parametrize("port, accepted", [
    ("0", False), ("1", True), ("65535", True), ("65536", False), ("08080", False), ("x", False),
])
def test_port_is_checked_at_its_bounds(tmp_path, port, accepted):
    done = run_script("init.sh", "missing.py", port=port, cwd=tmp_path)
    assert ("there is no 'missing.py'" in done.stderr) == accepted
    assert (f"PORT={port}: want 1 to 65535" in done.stderr) != accepted


def test_what_may_be_no_utf8_is_named(recorder):
    recorder.status, recorder.answer = 400, b'{"error":"invalid character in string literal"}\n'
    done = run_script("init.sh", HELLO, "function", port=recorder.port)
    assert done.returncode == 1
    assert "are the name 'hello.py', 'function' (MAIN) and the -e values UTF-8 text?" in done.stderr


def test_a_folder_is_looked_for_here_and_nowhere_else(recorder, tmp_path):
    """Whatever CDPATH says."""
    for place in ("here", "elsewhere"):
        (tmp_path / place / "action").mkdir(parents=True)
        (tmp_path / place / "action" / "__main__.py").write_text(place)
    done = run_script("init.sh", "action", port=recorder.port, cwd=tmp_path / "here",
                      env={"CDPATH": str(tmp_path / "elsewhere")})
    assert (done.returncode, done.stderr) == (0, "")
    archive = zipfile.ZipFile(io.BytesIO(sent_code(recorder)))
    assert archive.read("__main__.py") == b"here"


def test_code_that_is_not_whole_for_want_of_room_is_not_sent(recorder, tmp_path):
    (tmp_path / "base64").write_text("""#!/bin/sh
printf aGFs
echo 'base64: write error: No space left on device' >&2
exit 1
""")
    (tmp_path / "base64").chmod(0o755)
    (tmp_path / "hello.py").write_text("half of it")
    done = run_script("init.sh", tmp_path / "hello.py", port=recorder.port,
                      env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    assert f"hello.py' to {tmp_path}" in done.stderr and "set TMPDIR" in done.stderr
    assert "cannot read" not in done.stderr


def test_nothing_is_left_in_the_temporary_folder(recorder, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = ROOT / "actions/words-python"
    run_script("init.sh", folder, port=recorder.port, env={"TMPDIR": str(scratch)})
    recorder.status = 502
    run_script("init.sh", folder, port=recorder.port, env={"TMPDIR": str(scratch)})
    assert list(scratch.iterdir()) == []


def test_second_publication_to_a_proxy_says_how_to_replace_the_action(start_proxy):
    proxy = start_proxy()
    assert run_script("init.sh", HELLO, port=proxy.port).returncode == 0
    done = run_script("init.sh", HELLO, port=proxy.port)
    assert done.returncode == 1
    assert "Cannot initialize the action more than once." in done.stderr
    assert "start a second proxy" in done.stderr
    assert "--allow-reinit" in done.stderr
