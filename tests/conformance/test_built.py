"""How the program was linked and compiled: what the build promises against exploits is in the file."""

import platform
import re
import shutil
import subprocess

import pytest

import whisk

pytestmark = [
    pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not installed: binutils"),
    pytest.mark.skipif(whisk.is_sanitized(), reason="a build with sanitizers has their checks"),
]


def said(*command):
    return subprocess.run([*command, str(whisk.PROGRAM)], capture_output=True, text=True,
                          check=True, timeout=60).stdout


def test_position_independent_and_with_read_only_relocations():
    text = said("readelf", "-hldW")
    assert re.search(r"Type:\s+DYN ", text)
    assert "GNU_RELRO" in text
    assert re.search(r"\(FLAGS\).*BIND_NOW", text) and re.search(r"\(FLAGS_1\).*NOW.*PIE", text)
    assert re.search(r"GNU_STACK.* RW ", text), "the stack can be executed"


def test_checked_stack_and_library_calls():
    names = said("readelf", "--dyn-syms", "-W")
    if "UND" not in names:
        pytest.skip("linked statically: the names of the checks are not in the file")
    assert "__stack_chk_fail" in names
    assert "_chk@" in names.replace("__stack_chk", ""), "built without FORTIFY_SOURCE"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is x86's")
def test_indirect_jumps_have_a_mark_to_land_on():
    """Not the note: Debian's C library has none, so the linker leaves it out of each program."""
    assert said("objdump", "-d", "--no-show-raw-insn").count("endbr64") > 300
