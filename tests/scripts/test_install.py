"""meson install: that the installed runtimes are whole. bare-tests.sh packages tries packages made of it."""

import os
import re
import subprocess

import pytest
from conftest import PROGRAM, ROOT, WAIT_S, can_mount, run_script

BUILT = {"c", "dotnet", "java", "native", "oneshot", "pypy"}  # of what is compiled, or has nothing else
NOT_INSTALLED = {"README.md", "meson.build"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of runtimes of an installation, somewhere below a folder of its own."""
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", PROGRAM.parents[1], "--no-rebuild", "--quiet", "--destdir", root],
                   check=True, timeout=WAIT_S, stdout=subprocess.DEVNULL)
    manifest, = root.rglob("python/runtime.json")
    return manifest.parents[1]


@pytest.mark.parametrize("language", sorted(
    folder.parent.name for folder in ROOT.glob("runtime/*/runtime.json") if folder.parent.name not in BUILT))
def test_each_file_of_a_launcher_is_installed(installed, language):
    source = ROOT / "runtime" / language
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    files = [path for path in files if path.name not in NOT_INSTALLED and "accelerator" not in path.parts
             and "__pycache__" not in path.parts]
    assert "runtime.json" in map(str, files)
    for path in files:
        there = installed / language / path
        assert there.read_bytes() == (source / path).read_bytes(), path
        assert os.access(there, os.X_OK) or not os.access(source / path, os.X_OK), path


def test_without_the_headers_of_python_the_build_leaves_the_accelerator_out(tmp_path):
    """They are optional, and a build by hand as in docs/install.md may be without."""
    headers = subprocess.run(["/usr/bin/python3", "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
                             capture_output=True, text=True, check=True, timeout=WAIT_S).stdout.strip()
    hide = f'if [ -d {headers} ]; then mount -t tmpfs none {headers}; fi; exec meson setup "$@"'
    if not can_mount():
        pytest.skip("needs the right to mount, to hide Python's headers")
    made = subprocess.run(["unshare", "--mount", "sh", "-c", hide, "-", "-Dtests=disabled", tmp_path / "build", ROOT],
                          env={**os.environ, "PATH": f"/usr/bin:/bin:{os.environ['PATH']}"},  # the same Python
                          capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert "no accelerator for Python: its headers are not installed" in made.stdout
    assert "whiskloop_accelerator" not in (tmp_path / "build/build.ninja").read_text()


@pytest.mark.parametrize("command, arguments, port, wanted", [
    ("init", ["-h"], None, "usage: whiskloop-init [--watch]"),
    ("run", ["-h"], None, "usage: whiskloop-run ["),
    ("build", ["-h"], None, "usage: whiskloop-build ["),
    ("init", ["-x"], None, "whiskloop-init -h shows how to call it"),
    ("build", ["a.py"], None, "whiskloop-init a.py"),
    ("run", ["{}"], 1, "PORT=8081 whiskloop-run ..."),
])
def test_an_installed_script_names_itself_and_its_siblings_as_they_are_installed(
        installed, tmp_path, command, arguments, port, wanted):
    (tmp_path / "a.py").write_text("def main(args):\n    return args\n")
    script, = installed.parents[2].rglob(f"bin/whiskloop-{command}")
    done = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
                          timeout=WAIT_S, env={**os.environ, "PORT": str(port or 8080)})
    said = done.stdout + done.stderr
    assert wanted in said
    assert ".sh" not in said.replace(".rb .sh", "").replace("main.sh", "")


@pytest.mark.parametrize("command", ["init", "run", "build"])
def test_a_script_in_a_checkout_names_itself_by_its_path(command):
    assert run_script(f"{command}.sh", "-h").stdout.startswith(f"usage: bin/{command}.sh [")


@pytest.mark.parametrize("is_installed, wanted", [(True, "whiskloop-init"), (False, "bin/init.sh")])
def test_the_help_names_the_script_that_is_there(installed, is_installed, wanted):
    program = next(installed.parents[2].rglob("bin/whiskloop")) if is_installed else PROGRAM
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True, timeout=WAIT_S).stdout
    assert re.search(rf"^  {re.escape(wanted)} +hello\.py +publish an action$", text, re.M)
