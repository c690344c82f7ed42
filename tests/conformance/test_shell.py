"""The shell runtime, beside what test_languages.py asks of every language."""

import json
import subprocess

import pytest

import archives
import samples
from test_parts import LINES, as_lines, stream
from whisk import REPO, WAIT_S

SHELL = ("--runtime", "shell")
LAUNCHER = REPO / "runtime/shell/launcher.sh"


def filtered(folder, code, *lines, main="main"):
    """The answers of a file as a filter in a shell."""
    (folder / "a.sh").write_text(code)
    done = subprocess.run(["bash", LAUNCHER, folder / "a.sh", main], stdout=subprocess.PIPE,
                          input="".join(f"{line}\n" for line in lines).encode(), check=True,
                          timeout=WAIT_S, env={"PATH": "/usr/bin:/bin"})
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_texts_come_through_arg_and_quote_as_they_were(folder):
    texts = ["plain", "", "é ☃ 😀", "\"", "\\", "\\\"", "a\\\\", "tab\tline\nreturn\r", "\b\f\x01\x1f\x7f",
             "/", "{\"a\":[1,2]}", "  blanks  ", "* ? [a] ~ $HOME `id` $(id)", "&", "%s\\n"]
    lines = [json.dumps({"value": {"before": [text], "text": text, text + "x": {"text": 1}}}, ensure_ascii=ascii_only)
             for ascii_only in (True, False) for text in texts]
    code = 'main() { answer "[$(quote "$(arg text; echo .)")]"; }\n'
    assert filtered(folder, code, *lines) == [[text + "\n."] for text in 2 * texts]


def test_arg_takes_members_of_any_kind_and_of_the_top_only(folder):
    code = 'main() { answer "$(arg "$(arg which)" default)"; }\n'
    value = {"n": 1.5, "o": {"n": 2, "which": "x"}, "l": [1, {"n": 3}], "t": True, "z": None, "e": {}}
    lines = [json.dumps({"value": {**value, "which": name}}, indent=None) for name in "nolte"]
    assert filtered(folder, code, *lines) == [value[name] for name in "nolte"]
    done = filtered(folder, 'main() { answer "[$(quote "$(arg none default)$(arg z d)")]"; }\n',
                    json.dumps({"value": value}))
    assert done == [["default"]]


@pytest.mark.parametrize("line", [
    '{ "a" : 1 , "value" : { "x" : "y" , "z" : [ 1 , 2 ] } , "b" : "c" }',
    '\t{"b":"c","value":{"x":"y","z":[1,2]},"a":1} ',
    '{"value":0,"b":"va\\"lue","value":{"x":"y","z":[1,2]}}',
    '{"value":{"x":"y","z":[1,2]}}'])
def test_the_value_is_found_wherever_it_stands(folder, line):
    assert filtered(folder, 'main() { answer "$1"; }\n', line) == [{"x": "y", "z": [1, 2]}]


def test_a_line_that_is_no_object_is_answered_with_an_error_and_work_goes_on(folder):
    lines = ["no json", "{", "}", '"text"', "[1]", '{"value"}', '{"value":{}', '{"a" 1}', '{"a":"b}', "{}}"]
    answers = filtered(folder, 'main() { answer "$1"; }\n', *[each for line in lines for each in (line, '{"value":{"a":1}}')])
    assert [list(answer) for answer in answers[0::2]] == [["error"]] * len(lines)
    assert answers[1::2] == [{"a": 1}] * len(lines)


@pytest.mark.parametrize("body, answer", [
    ("return 7", {"error": "main returned 7"}),
    ('fail "it is \\"so\\""', {"error": 'it is "so"'}),
    ("fail first; return 0", {"n": 1}),
    ("set -e; false; echo unreached >&2", {"n": 1}),
    ("answer '{\"n\":\n2}'", {"n": 2})])
def test_how_a_function_ends(folder, body, answer):
    code = f"main() {{ answer '{{\"n\":1}}'; {body}; }}\n"
    assert filtered(folder, code, "{}", "{}") == [answer] * 2


STRICT = """set -euo pipefail
n=0
helper() { false; echo unreached >&2; }
main() {
    n=$((n + 1))
    BODY
    answer "{\\"n\\":$n}"
}
"""


@pytest.mark.parametrize("body, answer", [
    ("nosuchcmd 2>/dev/null", {"error": "main returned 127"}),
    ("helper", {"error": "main returned 1"}),
    ("false | true", {"error": "main returned 1"}),
    ("x=$(exit 3)", {"error": "main returned 3"}),
    ("(false; echo unreached >&2)", {"error": "main returned 1"}),
    ("for i in 1 2; do false; done", {"error": "main returned 1"}),
    ("fail sorry 2>/dev/null", {"error": "sorry"}),
    ("return 7", {"error": "main returned 7"}),
    ("set +e; false", {"n": 2}),
    ("if false; then :; fi; false || true; ! true; while false; do :; done", {"n": 2}),
    ("helper 2>/dev/null || true", {"n": 2}),
    ("x=$(false; echo hi); [[ $x == hi ]]", {"n": 2}),
    ("local x=$(false)", {"n": 2}),
])
def test_errexit_of_the_file_is_heeded_in_the_function_and_work_goes_on(folder, body, answer):
    """As bash heeds it in a script, but for the end of the process."""
    code = STRICT.replace("BODY", f"[[ $1 != *go* ]] || {{ {body}; }}")
    answers = filtered(folder, code, "{}", '{"value":{"go":1}}', "{}")
    assert answers == [{"n": 1}, answer, {"n": 3}]


def test_errexit_beside_a_trap_of_the_code_has_no_effect(folder):
    code = "set -e\ntrap 'echo trapped >&2' ERR\nmain() { false; answer '{\"a\":1}'; }\n"
    assert filtered(folder, code, "{}", "{}") == [{"a": 1}] * 2


def test_a_function_that_answers_nothing_answers_an_empty_object(folder):
    assert filtered(folder, "other() { echo log; }\n", "{}", main="other") == [{}]


def test_options_and_descriptors_of_the_code_are_its_own(folder):
    code = 'set -fu\nIFS=,\nmain() { set -- a,b; set -- $1; answer "[$#,$(ls /proc/self/fd | wc -l)]"; }\n'
    ((n, n_fds),) = filtered(folder, code, '{"value":{"a":"*"}}')
    assert n == 2
    assert n_fds == 4  # 0 to 2, and the listing's own


@pytest.mark.parametrize("code", ["echo", "echo_and_print", "metadata"])
def test_plain_scripts_are_run_as_the_native_runtime_runs_them(proxy, code):
    """A file that begins with #! and has no function main reads its lines itself, and answers on 3."""
    one = proxy(*SHELL)
    one.started(samples.SHELL_CODES[code])
    assert one.run({"a": 1}, api_key="k").status == 200
    one.check_streams(1)


def test_plain_scripts_may_answer_on_1(proxy):
    one = proxy(*SHELL)
    one.started("#!/bin/bash\nwhile read -r line; do echo log; echo \"$line\"; done\n")
    assert one.run({"a": 1}).json == {"value": {"a": 1}}
    assert one.run({"a": 2}).json == {"value": {"a": 2}}
    one.check_streams(2)
    assert one.log_parts(0) == ["log\n"] * 2


def test_a_script_with_a_main_is_loaded_whatever_its_first_line_is(proxy):
    one = proxy(*SHELL)
    one.started('#!/bin/bash\nfunction main {\n    answer "$1"\n}\n')
    assert one.run({"a": 1}).json == {"a": 1}


def test_lines_that_come_while_parts_are_sent_stay_whole(folder):
    """`read -t` may take a newline and say that none came in time: no line may be lost in another one."""
    (folder / "a.sh").write_text('main() { local n; arg -v n n; part 0; answer "{\\"n\\":$n}"; }\n')
    lines = "".join(json.dumps({"value": {"n": n, "pad": "x" * (600 + n % 800)}}) + "\n" for n in range(600))
    done = subprocess.run(["sh", "-c", 'exec bash "$@" 3>&2', "-", LAUNCHER, folder / "a.sh"], input=lines.encode(),
                          stdout=subprocess.PIPE, check=True, timeout=WAIT_S,
                          env={"PATH": "/usr/bin:/bin", "__OW_WAIT_FOR_ACK": "1"})
    said = done.stdout.decode().splitlines()[1:]
    assert said == [line for n in range(600) for line in ("+0", json.dumps({"n": n}, separators=(",", ":")))]


def test_arg_sets_a_variable_without_a_subshell(proxy):
    """`arg -v VARIABLE NAME [DEFAULT]`, with the words of printf; the old form prints."""
    one = proxy("--runtime", "shell")
    one.started("""main() {
    local i name text none
    arg -v i n 7; arg -v name name; arg -v text 'a "b"'; arg -v none none 'de fault'
    answer "{\\"i\\":$i,\\"name\\":$(quote "$name"),\\"text\\":$(quote "$text"),\\"none\\":$(quote "$none"),"\
"\\"dash\\":$(quote "$(arg -v x)"),\\"old\\":$(quote "$(arg name)")}"
}
""")
    for n in (1, 2):
        assert one.run({"n": n, "name": "é\n$(x)", 'a "b"': [1, {"c": 2}]}).json == {
            "i": n, "name": "é\n$(x)", "text": '[1,{"c":2}]', "none": "de fault", "dash": "x",
            "old": "é\n$(x)"}


NO_JSON = b"a part that is no JSON document"


def test_an_empty_part_is_no_end_of_the_answer(proxy):
    """As of `part "$(a command that prints nothing)"`. The mark alone would be the answer, and the one
    behind it the next caller's."""
    one = proxy(*SHELL)
    one.started("main() { [[ $(arg next) ]] || { part ''; part; }; answer '{\"a\":1}'; }\n")
    for _ in range(3):
        done = one.run({})
        assert done.status == 502 and NO_JSON in done.body
        assert one.run({"next": 1}).json == {"a": 1}
    assert NO_JSON in stream(one, {}, LINES)[1]
    one.check_streams(7)


@pytest.mark.parametrize("text", ["+5", '+{"a":1}', '!{"a":1}', "+"])
def test_an_answer_that_begins_with_a_mark_is_answered_at_once(proxy, text):
    one = proxy(*SHELL)
    one.started("main() { part 0; answer \"$(arg text)\"; }\n")
    done = one.run({"text": text})
    assert done.status == 502
    assert done.json == {"error": "The action did not return a dictionary or array."}
    assert one.run({"text": "[1]"}).json == [1]


@pytest.mark.parametrize("main", [". ./lib.sh\nmain() { send; }\n", "main() {\n    source ./lib.sh && send\n}\n"])
def test_a_file_that_the_action_reads_may_send_parts(proxy, main):
    one = proxy(*SHELL)
    one.started(archives.zipped({"main.sh": main, "lib.sh": 'send() { part \'{"i":0}\'; part 1; }\n'}))
    assert stream(one, {}, LINES) == (200, as_lines({"part": {"i": 0}}, {"part": 1}, {"result": None}))
    assert one.run({}).json == [{"i": 0}, 1]
    one.check_streams(2)
    assert one.log_parts(1) == [""] * 2


def test_a_missing_function_is_told_with_the_names_that_exist(folder):
    """By the launcher alone: the proxy gives it no more than the settle time to say so."""
    (folder / "a.sh").write_text("mian() {\n    echo '{}'\n}\nfunction other () { :; }\n")
    done = subprocess.run(["bash", REPO / "runtime/shell/launcher.sh", folder / "a.sh", "main"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=WAIT_S, check=False)
    assert done.returncode == 1
    assert done.stderr == "Cannot start action: function 'main' was not found in a.sh, which defines: mian, other\n"


@pytest.mark.parametrize("text, last_line", [
    (b"main() {\r\n    echo '{}'\r\n}\r\n",
     "Cannot start action: the first line of a.sh ends with a carriage return: save the file with Unix line ends"),
    (b"#!/bin/sh\r\necho '{}'\r\n",
     "Cannot start action: the first line of a.sh ends with a carriage return: save the file with Unix line ends"),
    (b"\xef\xbb\xbfmain() {\n    echo '{}'\n}\n",
     "Cannot start action: function 'main' was not found in a.sh, which begins with a byte order mark: "
     "save it without one")])
def test_a_file_from_windows_is_told_as_one(folder, text, last_line):
    """Bash and the kernel take a carriage return for a part of a word, and a byte order mark for a part of the function's name."""
    (folder / "a.sh").write_bytes(text)
    done = subprocess.run(["bash", REPO / "runtime/shell/launcher.sh", folder / "a.sh", "main"], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, last_line)
