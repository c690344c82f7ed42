"""An action that uses up the container's memory: with a real control group where one can be had."""

import os
import tempfile

import pytest

import archives
import compilers
import groups
from whisk import assert_error, is_sanitized

LIMIT = 96 << 20  # for the proxy and its action
TEXT = "The action exhausted its memory and was aborted."

EAT = """
import os

LOAD = %r
KEPT = []

def eat():
    while True:
        KEPT.append(b"x" * (8 << 20))

def main(args):
    if args.get("eat"):
        eat()
    if args.get("kill"):
        os.kill(os.getpid(), 9)
    return args

if LOAD:
    eat()
"""

EAT_SHELL = """#!/bin/bash
while read -r line; do
    if [[ $line == *eat* ]]; then exec tail /dev/zero; fi
    echo '{"a":1}' >&3
done
"""


@pytest.fixture
def limited():
    """The command that executes another in a control group whose memory is bounded."""
    with groups.limited("memory", LIMIT) as group:
        yield group.wrapper


pytestmark = pytest.mark.skipif(is_sanitized(), reason="the sanitizer's memory is beyond the limit")


def test_memory_used_up_in_a_run(limited, proxy):
    """T-L1: the activation is answered in the platform's words, the next one is served."""
    one = proxy(wrapper=limited)
    one.started(EAT % False)
    assert one.run({"a": 1}).json == {"a": 1}
    assert_error(one.run({"eat": True}), 502, TEXT)
    assert one.run({"a": 1}).json == {"a": 1}
    assert_error(one.run({"eat": True}), 502, TEXT)
    one.check_streams(4)


def test_memory_used_up_by_a_bare_executable(limited, proxy):
    one = proxy("--runtime", "native", wrapper=limited)
    one.started(EAT_SHELL)
    assert_error(one.run({"eat": 1}), 502, TEXT)
    assert one.run({}).json == {"a": 1}


def test_memory_used_up_with_others_waiting(limited, proxy):
    """Only the activation that ran is aborted; those behind it are served by the next process."""
    one = proxy(wrapper=limited)
    one.started(EAT % False)
    eats = one.later(one.run, {"eat": True})
    others = [one.later(one.run, {"n": n}) for n in range(5)]
    assert_error(eats.result(), 502, TEXT)
    assert [other.result().json for other in others] == [{"n": n} for n in range(5)]


@pytest.mark.parametrize("options", [(), ("--log-init-error",)])
def test_memory_used_up_in_init(limited, proxy, options):
    """An /init that uses up the memory says so, and another one works."""
    one = proxy(*options, wrapper=limited)
    assert_error(one.init(EAT % True), 502, TEXT)
    if options:
        assert one.check_streams(1) == ("", TEXT)
    one.started(EAT % False)
    assert one.run({"a": 1}).json == {"a": 1}


def test_killed_by_somebody_with_memory_left(limited, proxy):
    """A SIGKILL that was not the kernel's is a death like any other."""
    one = proxy(wrapper=limited)
    one.started(EAT % False)
    assert_error(one.run({"kill": True}), 400, "command exited")
    assert_error(one.run({"eat": True}), 502, TEXT)
    assert_error(one.run({"kill": True}), 400, "command exited")


def test_memory_used_up_as_another_user(limited, proxy, folder):
    """--user and the memory limit go together."""
    if os.geteuid() != 0:
        pytest.skip("only root may run actions as another user")
    folder.chmod(0o711)
    one = proxy("--user", "54321", wrapper=limited)
    one.started(EAT % False)
    assert_error(one.run({"eat": True}), 502, TEXT)
    assert one.run({"a": 1}).json == {"a": 1}


@pytest.mark.parametrize("end", ["exec tail /dev/zero", "tail /dev/zero; echo cannot link; exit 1"],
                         ids=["the compiler", "a process of the compiler"])
def test_memory_used_up_by_a_compiler(limited, proxy, folder, end):
    """The author reads that it was the memory, whichever process of the compiler the kernel chose."""
    compiler = compilers.write(folder, f"[[ $main == small ]] || {{ {end}; }}\n" + compilers.program())
    one = proxy(env=compilers.image(compiler), wrapper=limited)
    answer = one.init("some text")
    assert answer.status == 502
    assert answer.json["error"].endswith(
        "\nThe kernel killed a process of the compiler for lack of memory: give the container more, "
        "or compile beforehand with bin/build.sh.")
    one.started("some text", main="small")


def test_a_compiler_that_fails_with_memory_to_spare_is_not_blamed_for_it(limited, proxy, folder):
    one = proxy(env=compilers.image(compilers.write(folder, "kill -9 $$\n")), wrapper=limited)
    assert_error(one.init("some text"), 502, "the compiler was ended by signal 9 (Killed)")



def test_memory_used_up_by_unpacking(limited, proxy, folder):
    """In a container with a read-only root the folder of actions is often in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        one = proxy("--action-dir", memory, "--unpack-ratio-max", "0", wrapper=limited)
        assert_error(one.init(archives.zipped({"main.py": EAT % False, "data": "x" * (150 << 20)})), 502,
                     "cannot start action: the kernel killed the process that unpacks for lack of memory: "
                     "give the container more")
        one.started(EAT % False)
