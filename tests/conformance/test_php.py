"""The PHP runtime, beside what test_languages.py asks of every language."""

import pytest

from test_languages import ROWS

ROW = next(row for row in ROWS if row.name == "php")
pytestmark = pytest.mark.skipif(ROW.missing() is not None, reason=f"no PHP: {ROW.missing()}")


@pytest.fixture
def started(proxy):
    """started(code, **init) -> a proxy that has this source."""
    def begin(code, env=None, **init):
        one = proxy("--runtime", "php", env=env)
        one.started("<?php\n" + code, **init)
        return one
    return begin


def test_an_exception_is_a_developers_error(started):
    """As Apache's suite wants it; an error that is returned is the application's, and so 200."""
    one = started("function main(array $args) {\n"
                  "    if ($args['fail'] ?? false) throw new Exception('nooooo');\n"
                  "    return ['error' => 'sorry'];\n}\n")
    for _ in range(2):
        answer = one.run({"fail": 1})
        assert (answer.status, answer.json) == (502, {"error": "nooooo"})
        answer = one.run({})
        assert (answer.status, answer.json) == (200, {"error": "sorry"})
    assert "nooooo" in one.check_streams(4)[1]
