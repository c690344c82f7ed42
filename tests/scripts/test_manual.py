"""man/: the manual pages and completions hold every option that the program has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PROGRAM, ROOT

GENERATE = ROOT / "man/generate.py"
PAGES = ("whiskloop.1.in", "whiskloop-protocol.7.in")


def made(*arguments):
    done = subprocess.run([GENERATE, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def options():
    table = subprocess.run([PROGRAM, "--help-markdown"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\| `--([a-z-]+)", table, re.M)
    assert len(found) > 40
    return found


def test_whiskloop_1_describes_every_option(options):
    page = made(PROGRAM, "man", ROOT / "man" / PAGES[0]).replace("\\-", "-")
    assert [name for name in options if f'"--{name}"' not in page] == []


def test_whiskloop_1_says_what_an_option_takes_as_the_help_does():
    """An option line of the help has two blanks in front; a wrapped text may begin with an option, too."""
    shown = subprocess.run([PROGRAM, "--help", "all"], capture_output=True, text=True, check=True).stdout
    takes = dict(re.findall(r"^  --([a-z-]+)(\S*.*)", shown, re.M))
    page = made(PROGRAM, "man", ROOT / "man" / PAGES[0]).replace("\\-", "-")
    written = dict(re.findall(r'^\.BI "--([a-z-]+)" "(.*)"', page, re.M))
    assert len(written) > 40
    assert written == {name: takes[name] for name in written}


@pytest.mark.parametrize("command", ["dev", "new", "test", "invoke", "pipe"])
def test_whiskloop_1_has_each_command_in_its_synopsis_and_as_the_help_writes_it(command):
    page = re.sub(r"\\f[A-Z]", "", made(PROGRAM, "man", ROOT / "man" / PAGES[0]))
    synopsis = page[page.index(".SH SYNOPSIS"):page.index(".SH DESCRIPTION")]
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    usage = re.search(rf"^  {command} (.*)$", text, re.M)[1]
    assert f"whiskloop {command}\n" in synopsis
    assert f'.BI {command} " {usage}"' in page


@pytest.mark.parametrize("shell, form", [("bash", "--{}"), ("zsh", "'--{}"), ("fish", "-l {} ")])
def test_completion_knows_every_option(options, shell, form):
    text = made(PROGRAM, shell, "python", "nodejs")
    assert [name for name in options if form.format(name) not in text] == []


def complete(tmp_path, *words):
    script = tmp_path / "completion"
    script.write_text(made(PROGRAM, "bash", "python", "nodejs"))
    return subprocess.run(
        ["bash", "-c", '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _whiskloop\n'
         'printf "%s\\n" "${COMPREPLY[@]}"', "_", script, "whiskloop", *words],
        capture_output=True, text=True, timeout=60, check=True).stdout.split()


def test_bash_completes_options_values_and_commands(tmp_path):
    assert complete(tmp_path, "--queue") == ["--queue-max"]
    assert complete(tmp_path, "--runtime", "n") == ["nodejs"]
    assert complete(tmp_path, "--runtime", "=", "n") == ["nodejs"]
    assert complete(tmp_path, "inv") == ["invoke"]
    assert complete(tmp_path, "--env") == ["--env-file"]
    assert complete(tmp_path, "--user", "i") == []  # a value, which is no file
    (tmp_path / "some.log").touch()
    for option in ("--log-file", "--env-file"):
        assert complete(tmp_path, option, f"{tmp_path}/some") == [f"{tmp_path}/some.log"]


@pytest.mark.parametrize("shell, forms", [
    ("zsh", ("]:user\\[\\:group\\]: ' ", "'--broken-after=[", "]::port: ' ", "'--any[", "'--env-file=[")),
    ("fish", ("-l user -x ", "-l broken-after -x ", "-l inspect -d ", "-l any -d ", "-l env-file -r ")),
])
def test_completion_knows_which_options_take_a_value(shell, forms):
    text = made(PROGRAM, shell, "python", "nodejs")
    assert [form for form in forms if form not in text] == []


GROFF = ["groff", "-man", "-t", "-ww", "-Tutf8", "-K", "utf8"]


def groff_lacks():
    """Slim images leave out all of /usr/share/groff, whatever is installed afterwards."""
    if shutil.which("groff") is None:
        return "groff is not installed (scripts/setup.sh --tests)"
    done = subprocess.run(GROFF, input="", text=True, capture_output=True, timeout=60, check=False)
    return "groff has no macros here" if done.returncode != 0 else None


@pytest.mark.skipif(groff_lacks() is not None, reason=str(groff_lacks()))
def test_manual_pages_are_set_without_a_warning():
    texts = {page: made(PROGRAM, "man", ROOT / "man" / page) for page in PAGES}
    texts["init"] = made(ROOT / "bin/init.sh", "usage", "whiskloop-init", "publish an action")
    texts["whisk_action.3"] = (ROOT / "runtime/c/whisk_action.3").read_text()
    for name, text in texts.items():
        done = subprocess.run(GROFF, input=text, text=True, capture_output=True, timeout=60, check=True)
        assert done.stderr == "", name
        assert len(done.stdout.splitlines()) > 15, name


def test_installed_files_lie_where_libdir_says_and_pkg_config_finds_them(tmp_path):
    """An installation with a --libdir of one's own; the client scripts and manuals are part of it."""
    build = Path(os.environ.get("BUILD", ROOT / "build"))
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tmp_path],
                          check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (program,) = tmp_path.rglob("bin/whiskloop")
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"whiskloop-init", "whiskloop-run", "whiskloop-build", "whiskloop.1", "whiskloop-protocol.7",
            "whisk_action.3", "_whiskloop", "whiskloop.fish", "libwhisk_action.a"} <= names
    for pc in tmp_path.rglob("whisk_action.pc"):
        folder = re.search(r"-L(\S+)", pc.read_text())[1]
        assert (tmp_path / folder.lstrip("/") / "libwhisk_action.a").is_file()
    action = tmp_path / "hello.py"
    action.write_text("def main(args):\n    return {'hello': args.get('name')}\n")
    done = subprocess.run([program, "invoke", action, '{"name":"Mike"}'], capture_output=True, text=True,
                          timeout=60, check=True)  # with the runtimes that lie beside it
    assert done.stdout.strip() == '{"hello":"Mike"}'
