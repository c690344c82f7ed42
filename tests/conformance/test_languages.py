"""Every language through the proxy: one list of cases, one row per language in languages.py.

The table in docs/languages.md is made of the same list: `python3 test_languages.py --write` puts it
there, and a case fails where it differs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archives
from languages import CODES, ROWS, language
from whisk import PROGRAM, REPO, WAIT_S, assert_error
from wire import request_bytes

NO_RESULT = "The action did not return a dictionary or array."
NOT_BUILT = "The action failed to generate or locate a binary. See logs for details."
CANNOT_START = "Cannot start action. Check logs for details."
RUNTIMES = REPO / "runtime"
PAGE = RUNTIMES.parent / "docs/languages.md"
LIBEXEC = Path(os.path.realpath(PROGRAM)).parent.parent / "runtime"  # of a build
TABLE_START = "<!-- languages: made by tests/conformance/test_languages.py --write -->"
TABLE_END = "<!-- /languages -->"

CASES = {}  # name -> (what the table calls it, the function)


def case(title):
    def add(function):
        name = function.__name__[len("case_"):]
        CASES[name] = title, function
        return function
    return add


# ---- the cases: each gets start(code, **init) -> a proxy, and the row ----


@case("argument and result, four in turn")
def case_echo(start, row):
    one = start("echo")
    for value in ({"string": "hello"}, {"string": "❄ ☃ ❄"}, {"numbers": [42, 1, 0.5, -7]},
                  {"object": {"a": "A", "b": [True, False, None]}}):
        answer = one.run(value)
        assert (answer.status, answer.json) == (200, value)
    assert one.check_streams(4) == ("", "")


@case("texts with quotes, newlines, control characters")
def case_escapes(start, row):
    value = {"text": "\"\\/\b\f\n\r\t\x01\x7f\u2028é😀", "k\"e\ny": "v"}
    assert start("echo").run(value).json == value


@case("empty object and empty list stay apart")
def case_empty(start, row):
    value = {"object": {}, "list": []}
    assert start("echo").run(value).json == value


@case("large and small numbers")
def case_numbers(start, row):
    value = {"large": 9007199254740991, "negative": -2147483649, "half": 0.5, "tenth": 0.1, "tiny": 1e-7}
    answer = start("echo").run(value)
    assert answer.json == value
    assert re.search(rb'"tenth": ?0\.1[,}]', answer.body), "an echo that grows"


@case("no argument: main gets an empty object")
def case_nothing(start, row):
    one = start("counts")
    for n, body in enumerate((b"{}", b"null", b'{"value":null}', b'{"value":{}}'), 1):
        answer = one.post("/run", body)
        assert (answer.status, answer.json) == (200, {"n": n}), body


@case("an argument of 1 MB fits, byte for byte (T-B11)")
def case_large(start, row):
    value = {"arg": "a" * 1048561}
    answer = start("echo").run(value)
    assert (answer.status, answer.json) == (200, value)
    assert len(answer.body) <= 1048576


@case("an argument of 5 MB")
def case_huge(start, row):
    value = {"arg": "é\\" * (5 << 18)}
    answer = start("echo").run(value)
    assert answer.status == 200
    assert answer.json == value


@case("500 levels of nesting")
def case_deep(start, row):
    value = {"deep": json.loads("[" * 500 + "1" + "]" * 500)}
    assert start("echo").run(value).json == value


@case("arrays in and out (T-G8, T-G9)")
def case_array(start, row):
    assert start("echo").run(["a", {"b": 1}]).json == ["a", {"b": 1}]
    assert start("array").run({}).json == ["a", "b"]


@case("main by name (T-B5)")
def case_niam(start, row):
    one = start("niam", main="niam")
    assert one.run({"string": "hello"}).json == {"string": "hello"}
    assert one.check_streams(1) == ("", "")


@case("logs of both streams before their sentinel (T-B6)")
def case_logs(start, row):
    one = start("noisy")
    for n in range(3):
        assert one.run({"n": n}).json == {"n": n}
    one.check_streams(3)
    assert one.log_parts(0) == ["hello stdout\n"] * 3
    assert one.log_parts(1) == ["hello stderr\n"] * 3


@case("a log line without newline stays before the sentinel")
def case_unfinished(start, row):
    one = start("unfinished")
    assert one.run({}).json == {}
    assert one.run({}).json == {}
    one.check_streams(2)
    assert one.log_parts(0) == ["no newline\n"] * 2


@case("unicode in source, argument, log and result (T-B7)")
def case_unicode(start, row):
    one = start("unicode")
    assert one.run({"delimiter": "❄"}).json == {"winter": "❄ ☃ ❄"}
    assert one.check_streams(1) == ("❄ ☃ ❄", "")


@case("output of child processes is log")
def case_child(start, row):
    one = start("child")
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.check_streams(1) == ("from a child", "")


@case("standard input is empty, not the next activation")
def case_stdin(start, row):
    one = start("stdin")
    for _ in range(2):
        assert one.run({}).json == {"read": ""}


@case("environment of the /init while loading (T-B8)")
def case_at_load(start, row):
    one = start("at_load", env={"SOME_VAR": "x=y z", "ANOTHER_VAR": ""})
    assert one.run({}).json == {"SOME_VAR": "x=y z", "ANOTHER_VAR": ""}
    assert one.check_streams(1) == ("loaded", "")


@case("environment that an interpreter reads only at its start")
def case_restart(start, row):
    # Where a launcher waited already, it starts itself again: nothing of that may show.
    one = start("at_load", env={"SOME_VAR": "é", "ANOTHER_VAR": "", "LC_ALL": "C.UTF-8"})
    assert one.run({}).json["ANOTHER_VAR"] == ""
    assert one.run({}).status == 200
    assert one.check_streams(2) == ("loaded", "")
    assert len(one.children()) == 1


@case("metadata as __OW_ variables, and gone with the next activation (T-B9, T-V23)")
def case_metadata(start, row):
    one = start("variable", proxy_env={"__OW_API_HOST": "xyz"})

    def seen(name, **meta):
        return one.run({"name": name}, **meta).json.get("value") or ""

    assert seen("__OW_API_HOST") == "xyz"
    assert seen("__OW_ACTIVATION_ID", activation_id="iii") == "iii"
    assert seen("__OW_ACTIVATION_ID") == ""
    assert seen("__OW_DEADLINE", deadline="123") == "123"
    assert seen("__OW_NAMESPACE", namespace="a\"b\\c é") == "a\"b\\c é"
    assert seen("__OW_API_HOST", api_host="other") == "other"
    assert seen("__OW_API_HOST") == "xyz"


@case("metadata of any JSON type (T-V19)")
def case_metadata_types(start, row):
    one = start("variable", proxy_env={"__OW_API_HOST": "xyz"})
    for value, text in ((7, "7"), (True, "true"), (None, ""), ({"a": [1, "x"]}, '{"a":[1,"x"]}')):
        assert (one.run({"name": "__OW_M"}, m=value).json.get("value") or "") == text


@case("100,000 keys of metadata: the platform's are shown, the next activation's are its own")
def case_many_keys(start, row):
    one = start("variable", proxy_env={"__OW_API_HOST": "xyz"})
    many = {f"k{n}": "v" for n in range(100_000)}
    body = json.dumps({"value": {"name": "__OW_ACTIVATION_ID"}, **many, "activation_id": "iii"}).encode()
    with one.connect(4 * WAIT_S) as stream:  # the shell takes 15 s of processor time
        stream.send(request_bytes("/run", body))
        assert stream.answer().json == {"value": "iii"}
    for name in ("__OW_K0", "__OW_K99999", "__OW_ACTIVATION_ID"):
        assert (one.run({"name": name}).json.get("value") or "") == ""
    assert one.run({"name": "__OW_NAMESPACE"}, namespace="guest").json == {"value": "guest"}


@case("application error")
def case_error(start, row):
    one = start("error")
    answer = one.run({})
    assert (answer.status, answer.json) == (200, {"error": "sorry"})
    assert one.check_streams(1) == ("", "")


@case("exception: an error, its trace in the log, and it goes on")
def case_throws(start, row):
    one = start("throws")
    for n in (1, 2):
        answer = one.run({})
        assert answer.status == row.failed
        assert "nooooo" in answer.json["error"]
        assert "nooooo" in one.check_streams(n)[1]


@case("a result that is no object (T-B3)")
def case_text(start, row):
    one = start("text")
    for n in (1, 2):
        assert_error(one.run({}), 502, NO_RESULT)
        assert one.check_streams(n) == ("", "")


@case("recursion 100,000 deep: a result or an error, and it goes on")
def case_recursion(start, row):
    # Stacks differ: some take it, some raise, some end the process. Nobody else may notice.
    one = start("deep")
    for n in (1, 2):
        answer = one.run({"levels": 100_000})
        if answer.status in (200, row.failed):
            assert answer.json == {"depth": 100_000} or list(answer.json) == ["error"]
        else:
            assert_error(answer, 400, "command exited")
        assert one.run({"levels": n}).json == {"depth": n}


@case("exit in mid-run, and a fresh start after it")
def case_exits(start, row):
    one = start("exits")
    for n in (1, 2):
        assert_error(one.run({"exit": 1}), 400, "command exited")
        assert one.run({"a": n}).json == {"a": n}
    assert one.check_streams(4) == ("", "")


@case("exit with a child left behind is seen at once")
def case_orphan(start, row):
    one = start("orphan")
    assert_error(one.run({"exit": 1}), 400, "command exited")
    assert one.run({"a": 1}).json == {"a": 1}
    one.check_streams(2)


@case("state is kept from run to run")
def case_counts(start, row):
    one = start("counts")
    first = one.run({}).json["n"]
    assert [one.run({}).json["n"] for _ in range(50)] == list(range(first + 1, first + 51))


@case("code that does not compile (init fails, the reason in the log)")
def case_broken(start, row):
    assert start("broken", works=False).why != ""


@case("code that fails while it loads")
def case_fails_at_load(start, row):
    assert "nooooo" in start("fails_at_load", works=False).why


@case("no function of that name")
def case_other(start, row):
    assert "main" in start("other", works=False).why.lower()  # Go exports it as Main


@case("a failed /init, then a good one")
def case_again(start, row):
    one = start("broken", works=False)
    one.started(row.codes["echo"])
    assert one.run({"a": 1}).json == {"a": 1}


@case("a zip of several files")
def case_zip(start, row):
    one = start(archives.zipped(row.files))
    assert one.run({"name": "Mike"}).json == {"greeting": "Hello, Mike!"}
    assert one.check_streams(1) == ("", "")


@case("an archive is known by its entry, whatever --runtime says")
def case_guessed(start, row):
    one = start(archives.tarred(row.files, "w:gz"), options=("--runtime", "native"))
    assert one.run({"name": "Mike"}).json == {"greeting": "Hello, Mike!"}


@case("a filter in a shell: answers on stdout, nothing else")
def case_filter(start, row, folder):
    lines = '{"value":{"a":1}}\n no json\n[1]\nnull\n{"value":{"b":2}}'
    command = shell_command(row, folder, row.codes["noisy"])
    done = in_shell(row, command, lines.encode())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answers[0], answers[3], answers[4]] == [{"a": 1}, {}, {"b": 2}], done.stderr
    assert list(answers[1]) == list(answers[2]) == ["error"]
    assert done.stderr.decode().count("hello std") == 6
    assert done.returncode == 0
    # files keep their positions: what is before and behind the action's lines is the shell's
    (folder / "in").write_text('first\n{"value":{"a":1}}\n')
    script = f'{{ read -r line; echo "$line"; "$@"; echo $?; }} <{folder}/in >{folder}/out'
    in_shell(row, ["sh", "-c", script, "sh", *command], None)
    assert (folder / "out").read_text() == 'first\n{"a":1}\n0\n'


@case("an interpreter that is missing: the error names the package")
def case_missing(start, row, folder):
    package = json.loads((RUNTIMES / row.name / "runtime.json").read_text())["needs"]
    one = start(None, proxy_env={"PATH": str(folder)})
    answer = one.init(row.codes["echo"])
    assert answer.status == 502
    assert package in one.check_streams(1)[1]
    assert "Debian package" in package


# ---- running them ----


def shell_command(row, folder, code):
    """The manifest's command for an action, as somebody would call it in a shell."""
    manifest = json.loads((RUNTIMES / row.name / "runtime.json").read_text())
    action = folder / "filter"
    action.mkdir()
    (action / manifest["source"]).write_text(code)
    values = {"{runtime}": str(RUNTIMES / row.name), "{action}": str(action), "{main}": "main",
              "{entry}": manifest["source"], "{libexec}": str(LIBEXEC)}

    def command(name):
        return [re.sub(r"\{\w+\}", lambda found: values[found[0]], part)
                for part in manifest[name]]

    if "compile" in manifest:
        built = folder / "built"
        built.mkdir()
        subprocess.run([*command("compile"), "main", action, built], timeout=WAIT_S, check=True)
        values["{action}"] = str(built)
    return command("launch")


def in_shell(row, command, lines):
    return subprocess.run(command, input=lines, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", **row.env},
                          timeout=WAIT_S, check=False)


# Cases that one action serves one after the other: to compile and start it is most of what a case costs. Named by the
# first, which alone may count what the streams hold.
TOGETHER = {
    "echo": ("echo", "escapes", "empty", "numbers", "large", "huge", "deep", "array"),
    "nothing": ("nothing", "counts"),
    "broken": ("broken", "fails_at_load", "other", "again"),
    "metadata": ("metadata", "metadata_types", "many_keys"),
}


def groups():
    """The cases as they are run: name of the first -> names."""
    behind = {name for names in TOGETHER.values() for name in names[1:]}
    return {name: TOGETHER.get(name, (name,)) for name in CASES if name not in behind}


@pytest.fixture
def start(proxy, request):
    """start(code) -> a proxy that has it, the same for the same code; code is a name of CODES, or an archive's bytes."""
    row = request.getfixturevalue("row")
    started = {}

    def begin(code, works=True, options=row.options, proxy_env=None, **init):
        key = (code, str(proxy_env))
        if not works:
            return begin_failing(code)
        if code is None or init:
            return begin_new(code, options, proxy_env, **init)
        if key not in started:
            started[key] = begin_new(code, options, proxy_env)
        return started[key]

    def begin_failing(code):
        """One proxy for all codes that fail; `why` is what it logged of this one."""
        if "failing" not in started:
            started["failing"] = proxy(*row.options, env=row.env)
        one = started["failing"]
        n_before = one.sentinels()[1]
        assert_error(one.init(row.codes[code]), 502, NOT_BUILT if code in row.unbuilt else CANNOT_START)
        one.check_streams(n_before + 1)
        one.why = one.log_parts(1)[n_before]
        return one

    def begin_new(code, options, proxy_env, **init):
        one = proxy(*options, env={**row.env, **(proxy_env or {})})
        text = row.codes[code] if isinstance(code, str) else code
        if code is not None:
            one.started(text, **init)
        return one

    return begin


@pytest.mark.parametrize("name", groups())
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_language(row, name, start, folder):
    names = [each for each in groups()[name] if each not in row.lacks]
    if not names:
        pytest.skip(f"cannot be: {row.lacks[name]}")
    if row.missing() is not None:
        pytest.skip(row.missing())
    for each in names:
        run_case(row, each, start, folder)


def run_case(row, name, start, folder):
    function = CASES[name][1]
    if "folder" in function.__code__.co_varnames[:function.__code__.co_argcount]:
        function(start, row, folder)
    else:
        function(start, row)


@pytest.mark.parametrize("name", ["lua", "php"])
def test_interpreter_behind_a_shell_script_is_missed_by_name_too(proxy, folder, name):
    """Their manifest starts a shell, which is there."""
    (folder / "sh").symlink_to("/bin/sh")
    package = json.loads((RUNTIMES / name / "runtime.json").read_text())["needs"]
    one = proxy("--runtime", name, env={"PATH": str(folder)})
    assert_error(one.init("x"), 502, CANNOT_START)
    assert f"not found in PATH; it needs {package}" in one.check_streams(1)[1]


def test_a_perl_without_its_modules_is_missed_by_name_too(proxy, folder):
    """Debian's perl-base, which every Debian has, is such a Perl."""
    language("perl")
    (folder / "Encode.pm").write_text('die "there is no Encode\\n";\n')
    package = json.loads((RUNTIMES / "perl" / "runtime.json").read_text())["needs"]
    one = proxy("--runtime", "perl", env={"PERL5LIB": str(folder)})
    assert_error(one.init("sub main { return {} }"), 502, CANNOT_START)
    assert f"this Perl lacks modules; it needs {package}\n" in one.check_streams(1)[1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_has_a_code_for_every_case(row):
    assert list(row.codes) == list(CODES)
    assert set(row.lacks) <= set(CASES)


def test_every_runtime_has_a_row():
    """A new language cannot be forgotten; native and oneshot run programs, not a language."""
    folders = {path.parent.name for path in RUNTIMES.glob("*/runtime.json")}
    assert folders - {"native", "oneshot"} == {row.name for row in ROWS}


def with_code(proxy, name, code):
    """A proxy of the language that has this source."""
    one = proxy(*language(name).options)
    one.started(code)
    return one


@pytest.mark.parametrize("table, answer", [
    ("{1, 2, nil, 4}", [1, 2, None, 4]),
    ("{x = {1, nil, 3}}", {"x": [1, None, 3]}),
    ("{nil, 2}", [None, 2]),
    ("{1, nil, nil, nil, nil, nil, nil, nil, nil, 10}", [1] + 8 * [None] + [10]),
    ("{1, [11] = 2}", {"1": 1, "11": 2}),
    ("{1, 2, x = 3}", {"1": 1, "2": 2, "x": 3}),
    ("{[7] = 'a', [300] = 'b'}", {"7": "a", "300": "b"}),
    ("table.pack(1, nil, 3, nil)", [1, None, 3, None]),
    ("{1, n = 1000000000}", {"1": 1, "n": 1000000000}),
    ("{[1.5] = 1, 2}", {"1.5": 1, "1": 2}),
    ("{}", {}),
    ("{n = 0}", {"n": 0}),
    ("setmetatable({}, {__len = function() return 2 end, __index = function(_, i) return i * i end})", [1, 4]),
])
def test_a_lua_table_loses_no_element(proxy, table, answer):
    one = with_code(proxy, "lua", f"function main() return {table} end\n")
    assert one.run({}).json == answer
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("name, code", [
    ("perl", 'sub main { return { x => 9 ** 9 ** 9 } }\n1;\n'),
    ("perl", 'sub main { return { x => "\\x{d800}" } }\n1;\n'),
    ("perl", 'sub main { return { "\\x{110000}" => 1 } }\n1;\n'),
    ("lua", "function main() return { x = 0 / 0 } end\n"),
    ("lua", 'function main() return { x = "\\xed\\xa0\\x80" } end\n'),
    ("ruby", "def main(_args) = { x: Float::NAN }\n"),
    ("ruby", 'def main(_args) = { x: "\\xed\\xa0\\x80" }\n'),
    ("php", "<?php\nfunction main(array $args) { return ['x' => NAN]; }\n"),
    ("php", '<?php\nfunction main(array $args) { return ["x" => "\\xed\\xa0\\x80"]; }\n'),
    ("go", 'package main\nimport "math"\nfunc Main(a interface{}) interface{} { return []float64{math.NaN()} }\n'),
    ("java", "import com.google.gson.JsonObject;\npublic class Main {\n    public static JsonObject main(JsonObject args) {\n"
             '        args.addProperty("x", Double.NaN);\n        return args;\n    }\n}\n'),
    ("dotnet", "using System.Collections.Generic;\npublic class A {\n    public static object Main(object args) {\n"
               '        return new List<double> { double.NaN };\n    }\n}\n'),
])
def test_a_result_that_json_cannot_tell_is_an_error_with_its_reason(proxy, name, code):
    """A failure of the function: runtime/README.md, Lines out. Python's and Node.js's are in files of their own."""
    if language(name).missing() is not None:
        pytest.skip(language(name).missing())
    one = with_code(proxy, name, code)
    answer = one.run({})
    assert (answer.status, list(answer.json)) == (language(name).failed, ["error"])
    reason = answer.json["error"]
    assert "did not return a dictionary" not in reason and reason in one.check_streams(1)[1]


@pytest.mark.parametrize("stream", ["STDOUT", "STDERR"])
def test_what_perl_holds_back_is_in_the_log_before_the_answer(proxy, stream):
    one = with_code(proxy, "perl", f'sub main {{ select({stream}); $| = 0; print "held"; return {{}} }}\n1;\n')
    assert one.run({}).status == 200
    assert "".join(one.check_streams(1)) == "held"


@pytest.mark.parametrize("name, code, text", [
    ("python", "def main(args):\n    raise ValueError('in ' + __file__)\n", "in __main__.py"),
    ("nodejs", "function main() { throw new Error('in ' + __filename); }\n", "Error: in index.js"),
    ("perl", "sub main { die 'oh' }\n1;\n", "oh at main.pl line 1."),
    ("ruby", "def main(_args)\n  raise \"in #{__FILE__}\"\nend\n", "in main.rb"),
    ("php", "<?php\nfunction main(array $args) { throw new Exception('in ' . __FILE__); }\n", "in index.php"),
    ("lua", "function main() error('oh') end\n", "main.lua:1: oh"),
])
def test_an_error_does_not_tell_the_private_folder(proxy, name, code, text):
    """It has another name at each start: nobody could compare such an answer."""
    one = with_code(proxy, name, code)
    assert one.run({}).json == {"error": text}


@pytest.mark.parametrize("name, code", [
    ("nodejs", "function main() { throw { code: 404, text: 'né' }; }\n"),
    ("perl", "use utf8;\nsub main { die { code => 404, text => 'né' } }\n1;\n"),
    ("lua", "function main() error({ code = 404, text = 'né' }) end\n"),
])
def test_an_object_that_is_thrown_is_told_by_what_is_in_it(proxy, name, code):
    """Where the language throws any value; its text would be an address."""
    one = with_code(proxy, name, code)
    assert one.run({}).json == {"error": {"code": 404, "text": "né"}}
    log = one.check_streams(1)[1]
    assert "404" in log and "né" in log and "0x" not in log


@pytest.mark.parametrize("name, code, text", [
    ("perl", "package E; use overload '\"\"' => sub { 'own' }; package main;\nsub main { die bless {}, 'E' }\n1;\n", "own"),
    ("perl", "sub main { die { code => sub {} } }\n1;\n", "HASH(0x"),
    ("lua", "function main() error(setmetatable({}, { __tostring = function() return 'own' end })) end\n", "own"),
    ("lua", "function main() error({ code = print }) end\n", "table: 0x"),
])
def test_an_object_that_is_thrown_has_its_own_text_or_none(proxy, name, code, text):
    one = with_code(proxy, name, code)
    assert one.run({}).json["error"].startswith(text)
    assert text in one.check_streams(1)[1]


# ---- the table ----


def table():
    """Every case that a row does not lack is one that it must pass, or this file fails; but for a
    language that is untried."""
    reasons = sorted({reason for row in ROWS for reason in row.lacks.values()}
                     | {row.untried for row in ROWS if row.untried})

    def cell(row, name):
        reason = row.lacks.get(name, row.untried)
        if reason is None:
            return "yes"
        return f"{'no' if name in row.lacks else '?'} ({reasons.index(reason) + 1})"

    lines = ["| case | " + " | ".join(row.name for row in ROWS) + " |",
             "|---" * (len(ROWS) + 1) + "|"]
    for name, (title, _) in CASES.items():
        lines.append(f"| {title} | " + " | ".join(cell(row, name) for row in ROWS) + " |")
    notes = [f"({number}) {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", "; ".join(notes) + "."])


def table_parts():
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(TABLE_START)
    inside, end, behind = rest.partition(TABLE_END)
    assert start and end, f"{PAGE} lacks the marks around its table"
    return before + start, inside, end + behind


def test_the_table_in_the_docs_is_this_one():
    assert table_parts()[1].strip() == table(), "tests/conformance/test_languages.py --write"


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: test_languages.py --write: put the table into docs/languages.md")
    BEFORE, _, BEHIND = table_parts()
    PAGE.write_text(f"{BEFORE}\n{table()}\n{BEHIND}", encoding="utf-8")
