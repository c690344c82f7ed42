"""scripts/setup.sh and quickstart.sh where they cannot do their work: one clear line, and nothing done.

apt-get and its kin are stand-ins that write down how they were called; dpkg-query says that nothing is
installed, unless the case says otherwise.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, can_mount

TOOLS = ("awk", "bash", "cat", "df", "dirname", "env", "grep", "head", "mktemp", "rm", "sed", "sort",
         "tail", "mkdir", "chmod", "id")
INSTALLED = "echo installed"
SIZE = 'case "$*" in *assume-no*) echo "After this operation, {} of additional disk space will be used."; exit 1 ;; esac'
KNOWS_NONE = 'case "$*" in *assume-no*) echo "E: Unable to locate package gcc"; exit 100 ;; esac'
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and become somebody else")


class System:
    """A PATH of its own, with stand-ins for what would change the system."""

    def __init__(self, folder):
        self.bin, self.calls = folder / "bin", folder / "calls"
        self.bin.mkdir()
        folder.chmod(0o755)
        # Another user gets at the script here, wherever the checkout lies.
        self.script = folder / "setup.sh"
        self.script.write_text((ROOT / "scripts/setup.sh").read_text())
        self.script.chmod(0o755)
        self.calls.touch(0o666)
        self.calls.chmod(0o666)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(f"/usr/bin/{tool}")
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("apt-get", SIZE.format("1 MB"))

    def stand_in(self, name, text):
        path = self.bin / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.calls}"\n{text}\n')
        path.chmod(0o755)

    def installs(self):
        return [call for call in self.calls.read_text().splitlines() if " -y install " in call]

    def setup(self, *arguments, wrapper=(), env=None):
        return subprocess.run(
            [*wrapper, "bash", self.script, *arguments], capture_output=True, text=True,
            timeout=60, stdin=subprocess.DEVNULL, env={"PATH": str(self.bin), **(env or {})})

    def refused(self, part, **kwargs):
        """It must end with 1, say `part` in one line of its own, and install nothing."""
        done = self.setup(**kwargs)
        assert done.returncode == 1, done
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("setup.sh: ")]
        assert part in line, done.stderr
        assert not self.installs()
        return done.stderr


@pytest.fixture
def system():
    with tempfile.TemporaryDirectory(prefix="whiskloop-setup-") as folder:  # where others may pass
        yield System(Path(folder))


def is_debian_12():
    with open("/etc/os-release", encoding="utf-8") as file:
        text = file.read()
    return "ID=debian\n" in text and 'VERSION_ID="12"' in text


needs_debian = pytest.mark.skipif(not is_debian_12(), reason="this is no Debian 12")


def other_system(folder, name):
    """A wrapper: a command in a mount namespace where the system is another one."""
    release = folder / "os-release"
    release.write_text(f'ID={name.split()[0].lower()}\nVERSION_ID="{name.split()[1]}"\nPRETTY_NAME="{name}"\n')
    return ("/usr/bin/unshare", "--mount", "/usr/bin/bash", "-c",
            f'/usr/bin/mount --bind "{release}" /etc/os-release && exec "$@"', "bash")


@ROOT_ONLY
@pytest.mark.parametrize("name", ["Fedora 40", "Debian 11", "Ubuntu 24.04"])
def test_another_distribution_is_named(system, tmp_path, name):
    if not can_mount():
        pytest.skip("no namespaces are allowed here")
    said = system.refused(f"{name} is not supported", wrapper=other_system(tmp_path, name))
    assert "libh2o-evloop-dev" in said  # what would have to be installed


@ROOT_ONLY
@needs_debian
def test_without_root_and_sudo_it_says_what_root_would_do(system):
    said = system.refused("needs root, and sudo is not installed", wrapper=(
        "/usr/bin/setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"))
    assert "apt-get install --no-install-recommends gcc" in said


@ROOT_ONLY
@needs_debian
def test_a_sudo_that_refuses_is_told(system):
    system.stand_in("sudo", "echo 'stranger is not in the sudoers file' >&2; exit 1")
    system.refused("needs root, and sudo refuses", wrapper=(
        "/usr/bin/setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"))


def test_with_all_installed_apt_is_not_asked(system):
    """So a network and root are not needed either."""
    system.stand_in("dpkg-query", INSTALLED)
    done = system.setup("--tests")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "apt-get" not in system.calls.read_text()


@ROOT_ONLY
@needs_debian
def test_without_a_network_it_says_so(system):
    system.stand_in("apt-get", KNOWS_NONE + """
echo "W: Failed to fetch http://deb.debian.org/x  Temporary failure resolving"
""")
    said = system.refused("is there a network")
    assert "Temporary failure resolving" in said


@ROOT_ONLY
@needs_debian
def test_a_full_disk_is_found_before_dpkg_finds_it(system):
    system.stand_in("apt-get", SIZE.format("999,999 GB"))
    system.refused("the disk is full")


@ROOT_ONLY
@needs_debian
def test_the_reason_of_a_failed_installation_is_shown_however_much_follows(system):
    system.stand_in("apt-get", SIZE.format("1 MB") + """
case "$*" in *' -y install '*)
    echo "update-alternatives: error: error creating symbolic link '/usr/share/man/man1/x'"
    for i in {1..500}; do echo "Setting up package $i"; done
    exit 100 ;;
esac""")
    done = system.setup()
    assert done.returncode == 1
    assert "error creating symbolic link" in done.stderr
    assert "Setting up" not in done.stderr


@needs_debian
def test_a_tmpdir_that_cannot_be_written_is_named(system, tmp_path):
    closed = tmp_path / "missing"
    if os.geteuid() == 0:
        system.refused("set TMPDIR", env={"TMPDIR": str(closed)})


@pytest.mark.parametrize("options", ["noexec", "size=4k,nr_inodes=2"], ids=["noexec", "full"])
def test_quickstart_names_a_tmpdir_that_is_of_no_use(tmp_path, options):
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", tmp_path], capture_output=True,
                          text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        done = subprocess.run([ROOT / "scripts/quickstart.sh"], capture_output=True, text=True, timeout=60,
                              env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr and "set TMPDIR" in done.stderr
    assert ("noexec" in done.stderr) == (options == "noexec")
    assert "meson" not in done.stdout  # nothing was begun
