"""Fixtures of the conformance suite; see tests/README.md for what is where."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True

import samples  # noqa: E402  (after the switch above, so that no cache folder appears here)
import whisk  # noqa: E402


@pytest.fixture
def folder():
    """A private folder of the case, gone afterwards whatever happened."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="whiskloop-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def proxy(folder):
    """
    proxy(*options, env=None) starts a proxy; more keywords as in whisk.Proxy. After the case it
    gets SIGTERM, must end with 0, and must leave nothing behind; a sanitizer's report fails the
    case with its text.
    """
    if not whisk.PROGRAM.exists():
        pytest.fail(f"no program at {whisk.PROGRAM}: build it, or name it in WHISKLOOP")
    with whisk.finished() as running:
        def start(*options, env=None, **more):
            home = folder / f"proxy-{len(running)}"
            home.mkdir()
            running.append(whisk.Proxy(home, options, env, **more))
            return running[-1]

        yield start


@pytest.fixture
def mounted(folder):
    """Mount a small disk, with the given option."""
    disk = folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount")

    def mount(option):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", disk], check=False,
                          capture_output=True).returncode != 0:
            pytest.skip("no file system may be mounted here")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def gate(folder):
    """A factory of gates at which an action of this case can be held."""
    return lambda: whisk.Gate(folder)


@pytest.fixture(params=sorted(samples.KINDS))
def kind(request):
    """The basic suite's actions in one language after the other."""
    return samples.KINDS[request.param]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(source) -> the bytes of an executable, made once per source."""
    made = {}

    def build(source):
        if source not in made:
            base = tmp_path_factory.mktemp("cc")
            (base / "action.c").write_text(source)
            program = base / "action"
            subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", program, base / "action.c"],
                           check=True, timeout=whisk.WAIT_S)
            made[source] = program.read_bytes()
        return made[source]

    return build
