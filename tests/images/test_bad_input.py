"""What cannot work, and what is said of it: foreign actions, missing arguments, wrong bases."""

import os
import re
import struct
import subprocess
import sys

import pytest

from container import ENGINE, REPO, engine, image_name
from wire import WAIT_S

sys.path.insert(0, str(REPO / "scripts"))

import image_archive  # noqa: E402

ELF_MACHINE_AT = 18  # in an ELF header, both classes
AARCH64, X86_64 = 183, 62


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """built(*options) -> a small program, compiled with these."""
    def build(*options):
        folder = tmp_path_factory.mktemp("foreign")
        (folder / "a.c").write_text("int main(void)\n{\n    return 0;\n}\n")
        subprocess.run(["cc", folder / "a.c", "-o", folder / "a", *options], check=True,
                       timeout=WAIT_S)
        return (folder / "a").read_bytes()
    return build


@pytest.mark.parametrize("image", [pytest.param("native", marks=pytest.mark.quick), "native-debian"])
def test_an_action_built_for_another_libc(start, built, image):
    """The loader that is missing is named, instead of a file that is there."""
    answer = start(image).init(built("-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"))
    assert answer.status == 502
    assert "\"/lib/ld-musl-x86_64.so.1\", which is not here" in answer.error
    assert "another libc" in answer.error


def test_an_action_with_a_libc_where_there_is_none(start, built):
    """The static image runs static programs, and says so of others."""
    answer = start("native-static").init(built())
    assert answer.status == 502
    assert "wants the loader" in answer.error and "link it statically" in answer.error


def test_an_action_built_for_another_processor(start, built):
    """Both processors are named."""
    code = bytearray(built())
    machine = struct.unpack_from("<H", code, ELF_MACHINE_AT)[0]
    struct.pack_into("<H", code, ELF_MACHINE_AT, X86_64 if machine == AARCH64 else AARCH64)
    answer = start("native").init(bytes(code))
    assert answer.status == 502
    assert "is built for " in answer.error and "this machine is " in answer.error


def test_a_scratch_folder_that_nothing_can_be_executed_in(start, built):
    """docker's --tmpfs is so unless one asks for more: the answer says what to ask for."""
    one = start("native", run=("--read-only", "--tmpfs", "/tmp:noexec,mode=1777"))
    answer = one.init(built("-static"))
    assert answer.status == 502
    assert "noexec" in answer.error and "--tmpfs /tmp:exec" in answer.error


def build(*arguments):
    return engine("build", *(("--pull=never",) if ENGINE == "podman" else ()), "--tag",
                  "whiskloop/test-bad:latest", *arguments, str(REPO), check=False)


@pytest.mark.parametrize("arguments", [(), ("--build-arg", "VERSION=9.9")], ids=["none", "wrong"])
def test_a_build_without_its_version(arguments):
    """A plain build that forgets --build-arg VERSION, or gives another program's."""
    done = build("--file", REPO / "docker/native.Dockerfile", *arguments)
    assert done.returncode != 0
    assert "--build-arg VERSION=" in done.stdout + done.stderr


def test_a_proxy_for_no_base():
    """docker/actionloop wants a base that is there; an empty argument is told by the engine."""
    done = build("--file", REPO / "docker/actionloop/python.Dockerfile", "--build-arg", "BASE=")
    assert done.returncode != 0
    assert re.search("base|FROM", done.stdout + done.stderr)


@pytest.mark.skipif(ENGINE != "docker", reason="podman's images are locked by the script that runs us")
def test_a_base_of_another_platform(tmp_path):
    """images.sh looks before it builds, and names both."""
    name = f"whiskloop/test-platform-{os.getpid()}:latest"
    empty = bytes(10240)  # a tar of nothing
    config = {"architecture": "riscv64", "os": "linux", "config": {}, "history": [],
              "rootfs": {"type": "layers", "diff_ids": [image_archive.digest_of(empty)]}}
    image_archive.write_archive(tmp_path / "base.tar", config, [name], [empty])
    engine("load", "-i", tmp_path / "base.tar")
    try:
        done = subprocess.run([REPO / "scripts/images.sh", "native"], capture_output=True,
                              text=True, timeout=4 * WAIT_S, check=False,
                              env={**os.environ, "BASE": name, "IMAGES_DIR": str(tmp_path)})
    finally:
        engine("rmi", name)
    assert done.returncode == 1
    assert "is for riscv64, this machine is" in done.stderr


@pytest.mark.quick
def test_a_program_asked_for_what_it_does_not_know():
    """A misspelt option ends the container at once, with the option's name."""
    done = engine("run", "--rm", "--pull=never", image_name("native"), "--workres=3", check=False)
    assert done.returncode == 2
    assert "workres" in done.stderr
