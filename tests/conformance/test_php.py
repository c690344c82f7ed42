"""The PHP runtime, beside what test_languages.py asks of every language."""

import pytest

from test_languages import ROWS

ROW = next(row for row in ROWS if row.name == "php")
pytestmark = pytest.mark.skipif(ROW.missing() is not None, reason=f"no PHP: {ROW.missing()}")


@pytest.fixture
def started(proxy):
    """started(code, **init) -> a proxy that has this source."""
    def begin(code, container=None, **init):
        one = proxy("--runtime", "php", env=container)
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


@pytest.mark.parametrize("parameters, text", [
    ("string $name", "main(): Argument #1 ($name) must be of type string, array given"),
    ("array $args, int $n", "Too few arguments to function main(), 1 passed and exactly 2 expected")])
def test_a_main_of_other_parameters_is_told_without_our_call_of_it(started, parameters, text):
    one = started(f"function main({parameters}) {{ return []; }}\n")
    assert one.run({}).json == {"error": text}
    log = one.check_streams(1)[1]
    assert text in log and "launcher.php" not in log


def test_main_may_take_its_argument_by_reference(started):
    """Apache's runner.php passes a variable."""
    one = started("function main(array &$args) { $args['seen'] = true; return $args; }\n")
    for n in (1, 2):
        assert one.run({"n": n}).json == {"n": n, "seen": True}
    assert one.check_streams(2) == ("", "")


@pytest.mark.parametrize("result", [
    "new ArrayObject(['a' => 1])", "new Copied(['a' => 1])", "(object)['a' => 1]", "new Shown()"])
def test_an_object_may_be_the_result(started, result):
    """Apache's runner.php asks it for an array first."""
    one = started("class Copied {\n    public function __construct(private array $kept) {}\n"
                  "    public function getArrayCopy() { return $this->kept; }\n}\n"
                  "class Shown { public $a = 1; }\n"
                  f"function main(array $args) {{ return {result}; }}\n")
    assert one.run({}).json == {"a": 1}


VARIABLES = """function main(array $args) {
    if ($args['exit'] ?? false) exit;
    $is_ours = fn($name) => str_ends_with($name, '_VAR') || str_starts_with($name, '__OW_M');
    return ['env' => array_filter($_ENV, $is_ours, ARRAY_FILTER_USE_KEY)];
}
"""


@pytest.mark.parametrize("more", [{}, {"TZ": "UTC"}], ids=["prelaunched", "started-again"])
def test_the_array_of_variables_says_what_getenv_says(started, more):
    """$_ENV has the container's, those of the /init, and the metadata of this activation only."""
    one = started(VARIABLES, container={"OUTER_VAR": "o"}, env={"INIT_VAR": "i", **more})
    always = {"OUTER_VAR": "o", "INIT_VAR": "i"}
    assert one.run({}, m1="x").json["env"] == {**always, "__OW_M1": "x"}
    assert one.run({}, m2=[1]).json["env"] == {**always, "__OW_M2": "[1]"}
    assert one.run({"exit": 1}).status == 400
    assert one.run({}).json["env"] == always
