"""
A bound on every test: one that waits for ever fails by name, and the others go on.

Each phase of a test (setup, call, teardown) has it for itself, so that what the call left hanging
is still ended by the teardown. Waits inside tests have bounds of their own, which are shorter.
"""

import signal

import pytest

LIMIT_S = 300  # five waits in a row (WAIT_S); the slowest test takes a tenth of it on a quiet machine


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from bounded(item, "setup")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from bounded(item, "call")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from bounded(item, "teardown")


def bounded(item, phase):
    """Run a phase with a timer that fails it. A test may ask for more: @pytest.mark.limit(seconds)."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT_S

    def give_up(_number, _frame):
        pytest.fail(f"the {phase} of this test is not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
