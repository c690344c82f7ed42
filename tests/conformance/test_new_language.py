"""How to add a language (runtime/README.md), tried with one that is not there: jq.

Its folder is newcomer/jq/, its row is below, and the cases are those of every language.
"""

import json
import shutil
import subprocess

import pytest

import test_languages
from languages import CODES, Language
from test_languages import CASES, RUNTIMES
from test_languages import start  # noqa: F401 - a fixture
from whisk import REPO, WAIT_S

ECHO = "def main: .;\n"
JQ = {
    "echo": ECHO,
    "niam": "def niam: .;\n",
    "noisy": ECHO,
    "unfinished": ECHO,
    "unicode": 'def main: "\\(.delimiter) ☃ \\(.delimiter)" | {winter: .};\n',
    "at_load": "def main: {SOME_VAR: env.SOME_VAR, ANOTHER_VAR: env.ANOTHER_VAR};\n",
    "variable": "def main: {value: env[.name]};\n",
    "error": "def main: {error: \"sorry\"};\n",
    "throws": "def main: error(\"nooooo\");\n",
    "text": "def main: \"no dictionary\";\n",
    "array": "def main: [\"a\", \"b\"];\n",
    "exits": "def main: if .exit then \"\" | halt_error(3) else . end;\n",
    "orphan": ECHO,
    "counts": ECHO,
    "child": ECHO,
    "stdin": ECHO,
    "broken": "def main: if;\n",
    "fails_at_load": ECHO,
    "other": "def other: .;\n",
    "deep": "def down: if . == 0 then 0 else . - 1 | down + 1 end;\n"
            "def main: {depth: .levels | down};\n",
}
FILES = {"main.jq": "include \"words\";\ndef main: greet;\n",
         "words.jq": "def greet: {greeting: \"Hello, \\(.name)!\"};\n"}
SILENT = "jq prints nothing but its results"
LACKS = {
    **dict.fromkeys(("logs", "unfinished", "unicode", "at_load", "restart", "filter"), SILENT),
    **dict.fromkeys(("metadata", "metadata_types", "many_keys"), "jq sees the environment as it began"),
    **dict.fromkeys(("counts", "nothing"), "jq keeps nothing from one input to the next"),
    **dict.fromkeys(("child", "orphan", "stdin"), "jq starts no programs and has no files"),
    "fails_at_load": "jq runs nothing while it loads",
    "deep": "jq 1.6 reads 256 levels",
}


@pytest.fixture
def row(folder, monkeypatch):
    """The row of jq, whose folder of runtimes has jq, and native, which no proxy is without."""
    home = folder / "runtimes"
    shutil.copytree(REPO / "tests/conformance/newcomer", home)
    shutil.copytree(RUNTIMES / "native", home / "native")
    monkeypatch.setattr(test_languages, "RUNTIMES", home)
    one = Language("jq", "jq", JQ, FILES, LACKS, env={"WHISKLOOP_RUNTIME_DIR": str(home)})
    if one.missing() is not None:
        pytest.skip(one.missing())
    return one


@pytest.mark.parametrize("name", [name for name in CASES if name not in LACKS])
def test_a_language_that_is_not_there_yet(row, name, start, folder):  # noqa: F811
    test_languages.run_case(row, name, start, folder)


def test_what_jq_prints_is_log(row, start):  # noqa: F811
    """Instead of the cases that want both streams."""
    row.codes = {**JQ, "noisy": 'def main: ("hello ☃\\n" | stderr) as $log | .;\n'}
    one = start("noisy")
    assert one.run({"delimiter": "❄"}).json == {"delimiter": "❄"}
    assert "hello ☃" in one.check_streams(1)[1]


def test_it_is_a_filter_in_a_shell(row, folder):
    """Step 5 of the page; what does not end is cut off by head."""
    (folder / "main.jq").write_text(ECHO)
    done = subprocess.run(["bash", "-c", '"$0" "$@" | head -n 9', "sh",
                           test_languages.RUNTIMES / "jq/launcher.sh", folder],
                          input=b'{"value":{"a":1}}\n no json\n[1]\nnull\n{"value":{"b":2}}',
                          capture_output=True, timeout=WAIT_S, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answers[0], *answers[3:]] == [{"a": 1}, {}, {"b": 2}]
    assert list(answers[1]) == list(answers[2]) == ["error"]


def test_it_is_no_language_of_ours():
    assert not (RUNTIMES / "jq").exists()
    assert list(JQ) == list(CODES)
