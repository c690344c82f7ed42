"""The languages' own cases, each in the image of its language: same list, same rows."""

import pytest

import languages
from test_languages import CASES, start  # noqa: F401  (start: the fixture that publishes a code)
from test_nodejs import check_TN15, code_that_waits_for

# "filter" runs a launcher without a proxy, which the suite itself does; no image is in it.
OUTSIDE = {"filter"}
# A compiled language's /init takes as long as its compiler: these have what the image can spoil,
# which are its compiler, its interpreter and its variables; the rest is the launcher's own.
SOME = ("echo", "large", "niam", "logs", "unicode", "child", "at_load", "restart", "metadata",
        "throws", "exits", "orphan", "broken", "fails_at_load", "other", "zip", "guessed", "missing")
ALL = tuple(name for name in CASES if name not in OUTSIDE)
ROWS = {row.name: row for row in languages.ROWS}
CASES_OF = {"nodejs": ALL, "c": ALL, "go": SOME, "java": SOME, "python": SOME}


@pytest.mark.parametrize("row, name", [
    pytest.param(ROWS[row], name, id=f"{row}-{name}") for row in CASES_OF for name in CASES_OF[row]])
def test_language(row, name, start, request):  # noqa: F811
    """A case of tests/conformance/test_languages.py."""
    function = CASES[name][1]
    takes_folder = "folder" in function.__code__.co_varnames[:function.__code__.co_argcount]
    function(start, row, *((request.getfixturevalue("folder"),) if takes_folder else ()))


def test_TN15_concurrent(serve):
    """T-N15, as a platform that allows it starts the container."""
    one = serve("nodejs", env={"__OW_ALLOW_CONCURRENT": "true"})
    one.started(code_that_waits_for(128))
    check_TN15(one, 128)
