"""What a caller can rely on: ids, kinds of errors, plain text, any JSON value."""

import http.client
import json
import subprocess

import pytest

from test_filter import start  # noqa: F401, a fixture
from whisk import PROGRAM, WAIT_S, assert_error, soon

# The argument says what it does; a number is counted up.
CODE = """
import os
def main(args):
    if isinstance(args, (int, float)): return args + 1
    if isinstance(args, str): return args.upper()
    if "line" in args:
        line = args["line"]
        return int(line) + 1 if line.isdigit() else line.upper() if "x" in line else None
    if "gate" in args: open(args["gate"]).read()
    if "die" in args: os._exit(3)
    if "hang" in args: open(args["hang"]).read()
    if "no_answer" in args: return 3
    if "boom" in args: raise ValueError("boom")
    return args
"""
DRAINED = "The action is being shut down: the activation ran longer than the drain (--drain-timeout)."


@pytest.fixture
def code(folder):
    path = folder / "code.py"
    path.write_text(CODE)
    return path


def line(value, call_id=None, **more):
    body = {"value": value, **more}
    return json.dumps(body if call_id is None else [call_id, body]).encode() + b"\n"


# ---- ids ----


@pytest.mark.parametrize("kind", ["python", "nodejs", "native"])
def test_answers_with_an_id_overtake(start, folder, gate, kind):  # noqa: F811
    """Two workers: one stands at a gate, and what has ids goes past it."""
    door = gate()
    path = folder / {"python": "a.py", "nodejs": "a.js", "native": "a.sh"}[kind]
    path.write_text({
        "python": CODE,
        "nodejs": "function main(a) { if (a.gate) require('fs').readFileSync(a.gate); return a; }\n",
        "native": "#!/bin/bash\nwhile read -r line; do case $line in *gate*) read -r x <" + door.path +
                  "; echo '{\"gate\":1}';; *) echo \"$line\";; esac; done\n",
    }[kind])
    path.chmod(0o755)
    one = start("--workers=2", "pipe", path)
    give = one.process.stdin
    give.write(line({"gate": door.path}, 7))
    give.flush()
    door.wait_reached()
    give.write(line({"n": 1}, "a") + line({"n": 2}, 8) + line({"n": 3}))
    give.flush()
    got = [json.loads(one.process.stdout.readline()) for _ in range(3)]
    door.release()
    rest = one.ends(0)
    last = json.loads(rest)
    by_id = {str(answer[0]): answer[1] for answer in got if isinstance(answer, list)}
    assert set(by_id) == {"a", "8"} and sum(isinstance(answer, dict) for answer in got) == 1
    assert last[0] == 7 and "gate" in last[1]


def test_ids_that_repeat_and_lines_without_keep_what_is_theirs(start, code):  # noqa: F811
    """One answer for each line; plain ones in their order; an id is given back as it stands."""
    given = b"".join(line({"n": n}, 7) + line({"plain": n}) for n in range(500))
    given += b'[1e2,{"value":{"n":"e"}}]\n["\\u0061",{"value":{"n":"u"}}]\n'
    out = start("--workers=3", "pipe", code).ends(0, given).splitlines()
    answers = [json.loads(text) for text in out]
    assert sorted(a[1]["n"] for a in answers if isinstance(a, list) and a[0] == 7) == list(range(500))
    assert [a for a in answers if isinstance(a, dict)] == [{"plain": n} for n in range(500)]
    for call_id in (b"[1e2,", b'["\\u0061",'):
        assert sum(text.startswith(call_id) for text in out) == 1


def test_parts_carry_the_id(start, folder):  # noqa: F811
    path = folder / "parts.py"
    path.write_text("def main(args):\n    yield 1\n    yield {'a': 2}\n    return {'n': args['n']}\n")
    out = start("--parts", "--workers=2", "pipe", path).ends(0, line({"n": 1}, 1) + line({"n": 2}, 2))
    for n in (1, 2):
        assert [json.loads(t)[1] for t in out.splitlines() if json.loads(t)[0] == n] == [
            {"part": 1}, {"part": {"a": 2}}, {"result": {"n": n}}]


# ---- kinds ----


def test_pipe_names_the_kind(start, code, folder):  # noqa: F811
    (folder / "never").touch()
    given = b"x\n" + b"".join(line(value) for value in
                              ({"die": 1}, {"no_answer": 1}, {"boom": 1}, {"error": "mine"},
                               {"error": 1, "kind": "mine"}, {"n": 1}, {"error": "long" * 50000}))
    got = start("pipe", code).answers(given)
    assert [answer.get("kind") for answer in got] == [
        "request", "died", "action", "action", "action", "mine", None, "action"]
    assert got[4] == {"error": "mine", "kind": "action"}


def test_a_file_that_does_not_load_says_why_for_each_line(start, folder):  # noqa: F811
    path = folder / "broken.py"
    path.write_text("raise ValueError('no')\n")
    one = start("pipe", path)
    got = [json.loads(text) for text in one.ends(1, line({}) + line({}, 7)).splitlines()]
    assert got[1] == [7, got[0]]
    assert got[0]["kind"] == "unavailable" and got[0]["error"].startswith("cannot start action: ")
    assert "ValueError: no" in one.err()


def test_http_names_the_kind_in_a_header(proxy, folder):
    """The bodies stay the platform's."""
    one = proxy("--runtime", "python")

    def kind(answer):
        return answer.headers.get("x-whiskloop-kind")

    assert kind(one.run({})) == "unavailable"
    one.started(CODE)
    assert kind(one.run({"n": 1})) is None
    for value, status, text, wanted in [
            ({"die": 1}, 400, "command exited", "died"),
            ({"no_answer": 1}, 502, "The action did not return a dictionary or array.", "action"),
            ({"error": "mine"}, 200, "mine", "action"),
            ({"boom": 1}, 200, "boom", "action")]:
        answer = one.run(value)
        assert (answer.status, answer.json["error"], kind(answer)) == (status, text, wanted)
    bad = one.post("/run", b"{")
    assert (bad.status, kind(bad)) == (400, "request")


@pytest.mark.parametrize("value", [5, "text", True, [1]])
def test_a_value_of_any_kind_reaches_the_function_over_http_as_in_pipe(proxy, folder, start, value):  # noqa: F811
    """With --any or without it, which is for results, ARGUMENT and bare lines: as with Apache's Go proxy."""
    path = folder / "echo.py"
    path.write_text("def main(args):\n    return {'got': args}\n")
    answer = proxy("--action", path).run(value)
    assert (answer.status, answer.json) == (200, {"got": value})
    for options in ((), ("--any",)):
        assert start("pipe", *options, path).answers(line(value)) == [{"got": value}]


def test_http_names_lateness_and_overload(proxy, gate):
    door = gate()
    one = proxy("--runtime", "python", "--queue-max", 0)
    one.started(CODE)
    first = one.later(one.run, {"gate": door.path})
    door.wait_reached()
    full = one.run({})
    assert (full.status, full.headers["x-whiskloop-kind"]) == (429, "overload")
    door.release()
    assert first.result().status == 200
    late = one.run({"hang": door.path}, deadline=soon(1000))
    assert (late.status, late.headers["x-whiskloop-kind"]) == (502, "late")


def test_an_unknown_method_has_its_own_kind(proxy, folder, start):  # noqa: F811
    path = folder / "two.py"
    path.write_text("def a(args):\n    return {'a': 1}\ndef b(args):\n    return {'b': 1}\n")
    got = start("--functions=a,b", "pipe", path).answers(line({}, None, method="c"))
    assert got[0]["kind"] == "method"
    one = proxy("--action", path, "--functions", "a,b")
    answer = one.run({}, method="c")
    assert answer.headers["x-whiskloop-kind"] == "method"


FAILS_AFTER = """def main(args):
    for n in range(args["parts"]):
        yield n
    raise ValueError("boom")
"""


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_a_stream_names_the_kind_in_a_header_only_before_its_first_part(proxy, accept):
    """Whether part and failure come together or not: each is tried many times."""
    one = proxy("--runtime", "python")
    one.started(FAILS_AFTER)
    for parts in (0, 1, 2) * 20:
        connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
        connection.request("POST", "/run", json.dumps({"value": {"parts": parts}}), {"Accept": accept})
        answer = connection.getresponse()
        assert answer.headers.get("x-whiskloop-kind") == ("action" if parts == 0 else None)
        assert b'"kind":"action"' in answer.read()
        connection.close()


def test_a_drain_that_runs_out_says_so(proxy, gate):
    """Over HTTP in a header, beside the platform's text."""
    door = gate()
    one = proxy("--runtime", "python", "--drain-timeout", 50)
    one.started(CODE)
    running = one.later(one.run, {"hang": door.path})
    door.wait_reached()
    one.terminate()
    answer = running.result()
    assert_error(answer, 400, "command exited")
    assert answer.headers["x-whiskloop-reason"] == DRAINED
    assert answer.headers["x-whiskloop-kind"] == "died"
    one.process.wait(WAIT_S)
    door.release()


# ---- text and any value ----


def test_text_lines(start, code):  # noqa: F811
    """A string is a line, a null none, anything else JSON."""
    given = b'100\nno\nx "q"\n[7,{"value":{}}]x\n\xffx'
    out = start("--text", "pipe", code).ends(0, given)
    assert out == b'101\nX "Q"\n[7,{"VALUE":{}}]X\n\xef\xbf\xbdX\n'


def test_text_lines_in_node(start, folder):  # noqa: F811
    path = folder / "a.js"
    path.write_text("function main({ line }) { return /a/.test(line) ? line : null; }\n")
    assert start("--text", "pipe", path).ends(0, b"a\nb\nca\n") == b"a\nca\n"


def test_any_value(start, code, proxy):  # noqa: F811
    given = b'100\n"a"\n[1,2.5]\n{"value":3}\n{"value":{"n":1}}\ntrue\n'
    got = start("--any", "pipe", code).ends(0, given)
    assert got.replace(b" ", b"") == b'101\n"A"\n[1,3.5]\n4\n{"n":1}\n2\n'
    assert start("--any", "invoke", code, "100").ends(0) == b"101\n"
    one = proxy("--action", code, "--any")
    answer = one.run(5)
    assert (answer.status, answer.json) == (200, 6)


def test_without_these_options_it_wants_objects(start, code):  # noqa: F811
    first, second = start("pipe", code).answers(b'100\n{"value":100}\n')
    assert first["kind"] == "request" and second["kind"] == "action"


def test_text_and_parts_exclude_each_other(start, code):  # noqa: F811
    one = start("--text", "--parts", "pipe", code)
    one.ends(2)
    assert "--text has one line for each line, and --parts has several" in one.err()


# ---- a parent in Python ----


def test_a_parent_that_has_all_answers_may_close_in_any_order(folder, code):
    """`with Popen` closes our stdout before our stdin."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
    with subprocess.Popen([PROGRAM, "pipe", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=env) as one:
        for n in range(3):
            one.stdin.write(line({"n": n}))
            one.stdin.flush()
            assert json.loads(one.stdout.readline()) == {"n": n}
        err = one.stderr
        one.stderr = None  # it would be closed before it is read
    assert (one.returncode, err.read()) == (0, b"")
    err.close()


# ---- headers ----

SHOW = """
import os
def main(args):
    return {k: v for k, v in os.environ.items() if k.startswith(("__OW_HEADER", "__OW_TRACE"))}
"""
HEADERS = ['X-Foo: a "b" \\ c', "X-Bar: 1", "x-bar: 2", "X-Other: no"]


def ask(one, body, headers):
    return one.request("POST", "/run", body, headers).json


@pytest.mark.parametrize("kind", ["python", "nodejs"])
def test_named_headers_reach_the_action(proxy, kind):
    node = "function main() { return { bar: process.env.__OW_HEADER_X_BAR }; }\n"
    one = proxy("--runtime", kind, "--pass-headers", "x-foo, X-Bar,X-None")
    one.started(SHOW if kind == "python" else node)
    for body in (b"{}", b'{"value":{}}', b"null"):
        got = ask(one, body, HEADERS)
        assert got == ({"__OW_HEADER_X_FOO": 'a "b" \\ c', "__OW_HEADER_X_BAR": "1, 2"}
                       if kind == "python" else {"bar": "1, 2"})
    if kind == "python":
        assert ask(one, b'{"header_x_foo":"body"}', HEADERS)["__OW_HEADER_X_FOO"] == "body"
        assert ask(one, b"{}", ()) == {}
        assert ask(one, b"{}", ["X-Foo: " + "y" * 5000]) == {}
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        assert ask(one, b'{"value":{}}', ["X-Foo: " + "y" * 4000, f"traceparent: {trace}"]) == {
            "__OW_HEADER_X_FOO": "y" * 4000, "__OW_TRACEPARENT": trace}


@pytest.mark.parametrize("kind, code", [
    ("shell", "main() { set -- $__OW_HEADER_X_ARGUMENTS; answer \"{\\\"n\\\":$#,\\\"last\\\":\\\"${!#}\\\"}\"; }\n"),
    ("oneshot", "#!/bin/bash\nset -- $__OW_HEADER_X_ARGUMENTS\necho \"{\\\"n\\\":$#,\\\"last\\\":\\\"${!#}\\\"}\"\n"),
])
def test_a_header_gives_a_program_its_arguments(proxy, kind, code):
    one = proxy("--runtime", kind, "--pass-headers", "X-Arguments")
    one.started(code)
    for text, n, last in (("-n 3 names", 3, "names"), ("one", 1, "one")):
        assert ask(one, b"{}", ["X-Arguments: " + text]) == {"n": n, "last": last}
    assert ask(one, b"{}", ())["n"] == 0


def test_headers_do_not_reach_it_unasked(proxy):
    one = proxy("--runtime", "python")
    one.started(SHOW)
    assert ask(one, b"{}", HEADERS) == {}


def test_a_wrong_list_of_headers_is_refused(start, code):  # noqa: F811
    one = start("--pass-headers", "X-Foo,a b", "invoke", code)
    one.ends(2)
    assert '--pass-headers: "a b" is no header\'s name' in one.err()
