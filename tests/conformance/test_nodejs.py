"""T-N: the Node.js runtime, beside what test_languages.py asks of every language."""

import base64
import json
import os
import shutil
import subprocess
from urllib.parse import unquote

import pytest

import archives
from whisk import REPO, WAIT_S, assert_error, soon, together, wait_until
from wire import hammer

pytestmark = pytest.mark.skipif(shutil.which("node", path="/usr/local/bin:/usr/bin:/bin") is None,
                                reason="node is not installed (scripts/setup.sh --tests)")

NODEJS = ("--runtime", "nodejs")
LAUNCHER = REPO / "runtime/nodejs/launcher.js"
NO_ENTRY = "zipped actions must contain either package.json or index.js at the root."


@pytest.fixture
def started(proxy):
    """started(code, **init) -> a proxy that has this source, or this archive."""
    def begin(code, **init):
        one = proxy(*NODEJS)
        one.started(archives.zipped(code) if isinstance(code, dict) else code, **init)
        return one
    return begin


def failed_init(proxy, code, **init):
    """The log of an /init that must fail."""
    one = proxy(*NODEJS)
    assert one.init(code, **init).status == 502
    return "".join(one.check_streams(1)).lower()


def test_a_function_may_ask_for_garbage_collection(started):
    """Apache's images start node with --expose-gc, and OpenWhisk's memoryWithGC.js relies on that."""
    one = started("function main() { global.gc(); return { collected: typeof gc }; }\n")
    for _ in range(2):
        assert one.run({}).json == {"collected": "function"}


def test_TN1_bad_code(proxy):
    """T-N1: the log says error and syntax, and where."""
    log = failed_init(proxy, "function main(args) {\n    10 PRINT\n}\n")
    assert "syntaxerror" in log and "index.js:2" in log


UNCLOSED = "function main(args) {\n    return { a: 1 };\n\n"


@pytest.mark.parametrize("text", [UNCLOSED, "export " + UNCLOSED])
@pytest.mark.parametrize("as_folder", [False, True])
def test_a_missing_brace_is_told_with_the_users_file_and_text_alone(proxy, text, as_folder):
    one = proxy(*NODEJS)
    code = {"code": text, "file": "hello.js"}
    if as_folder:
        code = {"code": base64.b64encode(archives.zipped({"index.js": text})).decode(), "binary": True}
    answer = one.post("/init", {"value": {**code, "main": "main"}})
    assert_error(answer, 502, "Cannot start action. Check logs for details.")
    lines = unquote(answer.headers["x-whiskloop-reason"]).split("\n")
    n_lines = text.count("\n") + 1
    name, _, number = lines[1].partition(":")
    assert name == ("index.js" if as_folder else "hello.js") and int(number) <= n_lines
    assert lines[2].strip() in ("", "return { a: 1 };")
    assert "SyntaxError: Unexpected end of input" in lines
    log = "".join(one.check_streams(1))
    assert "found[" not in log and "launcher.js" not in log


def test_strict_code_may_export_a_function_by_a_name_that_it_cannot_use_as_a_variable(started):
    one = started("'use strict';\nexports.static = () => ({ a: 1 });\n", main="static")
    assert one.run({}).json == {"a": 1}


@pytest.mark.parametrize("fail", ["Promise.reject(new Error('nooooo'));",
                                  "process.nextTick(() => { throw new Error('nooooo'); });",
                                  "(async () => { await null; throw new Error('nooooo'); })();"])
def test_an_error_that_nobody_caught_while_the_code_loads_fails_the_init(proxy, fail):
    """The /init was answered with OK, and no activation was ever served."""
    assert failed_init(proxy, fail + "\nexports.main = () => ({});\n").count("error: nooooo\n") == 1


def test_code_that_stops_the_clock_while_it_loads_is_served(started):
    one = started("globalThis.setImmediate = globalThis.setTimeout = () => {};\nexports.main = () => ({ a: 1 });\n")
    assert one.run({}).json == {"a": 1}


def test_code_that_throws_a_syntax_error_while_it_loads_runs_once(proxy):
    log = failed_init(proxy, "console.log('loads');\nJSON.parse('{');\nfunction main() {}\n")
    assert log.count("loads") == 1 and "in json at position 1" in log and "launcher.js" not in log


@pytest.mark.parametrize("body", [
    "function main() { throw new Error('oh'); }",
    "async function main() { await null; throw new Error('oh'); }",
    "function* main() { yield 1n; }",
    "function main() { return { a: 1n }; }",
    "function main() { Promise.reject(new Error('oh')); return new Promise(() => setTimeout(() => {}, 1e6)); }",
], ids=["throws", "rejects", "part", "result", "unhandled"])
def test_a_trace_shows_no_calls_of_ours(started, body):
    one = started(body)
    one.run({})
    log = one.check_streams(1)[1]
    assert "oh" in log or "BigInt" in log
    assert "/runtime/nodejs/" not in log and "Pipe.onStreamRead" not in log


@pytest.mark.parametrize("problem, told", [
    ("Object.assign(new Error('outer'), { code: 'E_X' })", "code: 'E_X'"),
    ("new Error('outer', { cause: new Error('inner') })", "[cause]: Error: inner"),
    ("new AggregateError([new Error('one'), new Error('inner')], 'outer')", "Error: inner")],
    ids=["code", "cause", "several"])
@pytest.mark.parametrize("how", ["throw", "return Promise.reject"])
def test_the_log_tells_all_that_node_prints_of_an_error(started, how, problem, told):
    """As Apache's console.error() does: of a fetch() that failed only the cause says why."""
    one = started(f"function main() {{ {how} ({problem}); }}")
    one.run({})
    log = one.check_streams(1)[1]
    assert "Error: outer" in log and told in log
    assert "/runtime/nodejs/" not in log and "Pipe.onStreamRead" not in log and "lines matching" not in log


def test_the_trace_in_an_answer_shows_neither_our_calls_nor_the_private_folder(started):
    one = started("function main() { return Promise.reject(Object.assign(new Error('oh'), { code: 5 })); }")
    assert one.run({}).json == {"error": {"name": "Error", "message": "oh", "code": 5,
                                          "stack": "Error: oh\n    at main (index.js:1:55)"}}


def test_TN2_no_code(proxy):
    assert_error(proxy(*NODEJS).init(""), 403, "Missing main/no code to execute.")


def test_TN3_throw(started):
    one = started("function main(args) { throw 'nooooo'; }")
    assert one.run({}).json == {"error": "nooooo"}
    one.check_streams(1)


def test_TN4_application_error(started):
    one = started("function main(args) { return { error: 'sorry' }; }")
    answer = one.run({})
    assert (answer.status, answer.json) == (200, {"error": "sorry"})


def test_TN5_documentation_example_1(started):
    """T-N5: three kinds of ends, all of them answers."""
    one = started("""
        function main(params) {
            if (params.payload === 0) {
                return;
            } else if (params.payload === 1) {
                return { payload: 'Hello, World!' };
            } else {
                return { error: 'payload must be 0 or 1' };
            }
        }""")
    for payload, result in ((0, {}), (1, {"payload": "Hello, World!"}),
                            (2, {"error": "payload must be 0 or 1"})):
        answer = one.run({"payload": payload})
        assert (answer.status, answer.json) == (200, result)
    assert one.check_streams(3) == ("", "")


def test_TN6_resolved_promise(started):
    one = started("""
        function main(params) {
            if (params.payload) {
                return { done: true };
            }
            return new Promise((resolve) => setTimeout(() => resolve({ done: true }), 10));
        }""")
    for value in ({}, {"payload": True}):
        assert one.run(value).json == {"done": True}
    assert one.check_streams(2) == ("", "")


@pytest.mark.parametrize("code", [
    "main = function (args) { return { a: 1 }; }",
    "global.main = (args) => ({ a: 1 });",
    "exports.main = (args) => ({ a: 1 });",
    "module.exports.main = (args) => ({ a: 1 });",
    "module.exports = { main: (args) => ({ a: 1 }) };",
    "const main = (args) => ({ a: 1 }); // no newline behind this",
    "'use strict';\nclass A { static go() { return { a: 1 }; } }\nlet main = A.go;",
    "export function main(args) { return { a: 1 }; }",
    "import os from 'os';\nconst a = await Promise.resolve(1);\nexport const main = () => ({ a });",
    "export default { main: () => ({ a: 1 }) };",
    "export default () => ({ a: 1 });",
    "module.exports = () => ({ a: 1 });",
    "exports.__esModule = true;\nexports.default = () => ({ a: 1 });",
    "exports.__esModule = true;\nexports.default = { main: () => ({ a: 1 }) };",
    "exports.main = () => ({ a: 1 });\nmodule.exports = {};",
    "exports.main = () => ({ a: 2 });\nmodule.exports = () => ({ a: 1 });",
    "exports.__esModule = true;\nfunction main() { return { a: 1 }; }\nexports.default = () => ({ a: 2 });",
    "#!/usr/bin/env -S node\nfunction main(args) { return { a: 1 }; }"])
def test_TN7_where_main_may_be(proxy, code):
    """T-N7: implicit globals, global.main, exports.main, module.exports.main; and modules."""
    one = proxy(*NODEJS)
    if code.startswith("#!"):
        one.started(archives.zipped({"index.js": code}))
    else:
        one.started(code)
    assert one.run({}).json == {"a": 1}
    assert one.check_streams(1) == ("", "")


def test_TN8_missing_package_at_run(started):
    one = started("function main(args) { require('baz'); return {}; }")
    assert "Cannot find module 'baz'" in one.run({}).json["error"]
    assert "Error: Cannot find module" in one.check_streams(1)[1]


@pytest.mark.parametrize("code, error", [
    ("return Promise.reject({ code: 7 })", {"code": 7}),
    ("return Promise.reject(new Error('app error'))", "Error: app error"),
    ("return new Promise((resolve, reject) => reject('text'))", "text"),
    ("return new Promise((resolve, reject) => reject())", {})])
def test_TN9_rejected_promise(started, code, error):
    one = started(f"function main(args) {{ {code}; }}")
    answer = one.run({})
    assert (answer.status, answer.json) == (200, {"error": error})
    assert one.run({}).status == 200


@pytest.mark.parametrize("code, told", [
    ("throw 'text'", "'text'"),
    ("throw 'two\\nlines'", r"'two\nlines'"),
    ("return Promise.reject('text')", "'text'"),
    ("return Promise.reject()", "undefined"),
    ("return new Promise((resolve, reject) => reject(null))", "null"),
    ("throw { code: 7, list: [{ a: 1 }] }", "{ code: 7, list: [ { a: 1 } ] }"),
    ("throw { [Symbol.for('nodejs.util.inspect.custom')]() { throw 1; } }", "that cannot be told as text")])
def test_a_thrown_value_that_is_no_error_is_logged_in_one_line(started, code, told):
    one = started(f"function main() {{ {code}; }}")
    assert "error" in one.run({}).json
    assert one.check_streams(1) == ("", f"The function threw a value that is no Error: {told}")


@pytest.mark.parametrize("code, log", [
    ("return Promise.reject({ done: true })", ""),
    ("const a = { done: true }; a.a = a; return Promise.reject(a)", "<ref *1> { done: true, a: [Circular *1] }")])
def test_an_object_that_rejects_is_an_answer_and_not_logged(started, code, log):
    """Suite: support rejected promises. What the answer does not tell is logged."""
    one = started(f"async function main() {{ {code}; }}")
    assert "error" in one.run({}).json
    out, err = one.check_streams(1)
    assert out == "" and err.removeprefix("The function threw a value that is no Error: ") == log


NO_FILE = "Error: ENOENT"
COUNTED = {"name": "RangeError", "message": "too many", "n": 7}


@pytest.mark.parametrize("how", ["throw result", "return Promise.reject(result)", "return result", "return Promise.resolve(result)"])
def test_an_error_within_an_object_is_told(started, how):
    """openwhisk#1643, #1930: {"error":{}} tells nobody what went wrong. So it was for `{ error }`, however it left."""
    values = {
        "new Error('ENOENT')": NO_FILE,
        "Object.assign(new RangeError('too many'), { n: 7 })": COUNTED,
        "Object.assign(new RangeError('too many'), { n: 7, inner: new Error('ENOENT') })": {**COUNTED, "inner": NO_FILE},
        "Object.assign(new Error(), { toJSON: () => ({ own: 1 }) })": {"own": 1}}
    one = started("function main(args) { const result = { error: eval(args.value), at: 1 }; %s; }" % how)
    for value, told in values.items():
        answer = one.run({"value": value}).json
        found = answer["error"]["error"] if how.startswith("throw") or "reject" in how else answer["error"]
        if isinstance(found, dict) and "stack" in found:
            assert "too many" in found.pop("stack")
        assert found == told


def test_a_value_that_is_thrown_is_the_error_itself(started):
    one = started("function main(args) { if (args.reject) return Promise.reject(eval(args.value)); throw eval(args.value); }")
    for value, error in (("5", 5), ("0", 0), ("1.5", 1.5), ("false", False), ("''", ""), ("NaN", "NaN"), ("7n", "7"),
                         ("Symbol('s')", "Symbol(s)"), ("[1]", [1])):
        for reject, status in ((1, 200), (0, 502)):
            answer = one.run({"value": value, "reject": reject})
            assert (answer.status, answer.json) == (status, {"error": error}), value


@pytest.mark.parametrize("code, status, error", [
    ("throw Object.assign(new Error('gone'), { statusCode: 404 })", 502, "Error: gone"),
    ("throw { statusCode: 404 }", 502, {"statusCode": 404}),
    ("return Promise.reject(Object.assign(new Error('gone'), { statusCode: 404, body: { a: 1 } }))",
     200, {"name": "Error", "message": "gone", "statusCode": 404, "body": {"a": 1}}),
    ("return Promise.reject(Object.assign(new TypeError('x'), { headers: { b: 'c' }, big: 1n, me: main }))",
     200, {"name": "TypeError", "message": "x", "headers": {"b": "c"}}),
])
def test_what_is_thrown_is_a_developers_error_and_what_is_rejected_an_applications(
        started, many, code, status, error):
    """The status tells the platform which. A rejected Error keeps properties of its own."""
    code = f"function main(args) {{ if (args.fail) {{ {code}; }} return args; }}"
    for one in (started(code), many(code)):
        for _ in range(2):
            answer = one.run({"fail": 1})
            told = answer.json["error"]
            if isinstance(told, dict) and "stack" in told:
                assert told["message"] in told.pop("stack")
            assert (answer.status, told) == (status, error)
        assert one.run({"a": 1}).json == {"a": 1}


def test_TN10_large_action(started):
    """T-N10: 500000 characters of source."""
    one = started("// " + "x" * 500000 + "\nfunction main() { return { message: 'world' }; }")
    assert one.run({}).json == {"message": "world"}
    assert one.check_streams(1) == ("", "")


ECHO = "exports.main = (args) => args;\nexports.niam = (args) => ({ niam: args });\n" \
       "exports.other = { niam: (args) => ({ other: args }), deep: { er() { return this; }, n: 3 } };\n"


ECHO_MODULE = ECHO.replace("exports.", "export const ")


@pytest.mark.parametrize("main, result", [
    ("main", {"a": 1}), ("niam", {"niam": {"a": 1}}), ("other.niam", {"other": {"a": 1}}),
    ("other.deep.er", {"n": 3})])
@pytest.mark.parametrize("files", [{"index.js": ECHO}, {"index.mjs": ECHO_MODULE}], ids=["require", "import"])
def test_TN11_zips_and_entry_points(started, files, main, result):
    """T-N11: other.niam, other.niam.xyz."""
    assert started(files, main=main).run({"a": 1}).json == result


@pytest.mark.parametrize("files", [
    {"package.json": '{"main":"index.js"}', "index.js": ECHO},
    {"package.json": '{"main":"lib/start.js"}', "lib/start.js": ECHO, "index.js": "throw 1"},
    {"package.json": '{"name":"a","version":"1.0.0"}', "index.js": ECHO},
    {"package.json": '{"type":"module"}', "index.js": ECHO_MODULE}])
def test_TN11_zips_with_a_package(started, files):
    """T-N11: what package.json says of the entry file."""
    assert started(files, main="other.niam").run({"a": 1}).json == {"other": {"a": 1}}


@pytest.mark.parametrize("package", ['{"type": "module"}', '{"name": "hello", "main": ""}', "null"])
def test_an_index_mjs_serves_beside_a_package_that_says_no_main(started, package):
    files = {"package.json": package, "index.mjs": "export const main = (args) => args;"}
    assert started(files).run({"a": 1}).json == {"a": 1}


def test_TN11_working_folder_and_modules_of_its_own(started):
    one = started({
        "index.js": "const { twice } = require('twice');\nexports.main = () => ({ "
                    "text: require('fs').readFileSync('./test.txt', 'utf8'), "
                    "same: __dirname === process.cwd(), four: twice(2), "
                    "started: require.main === module, argv: process.argv.length });",
        "node_modules/twice/index.js": "exports.twice = (n) => 2 * n;",
        "test.txt": "this is a test"})
    assert one.run({}).json == {"text": "this is a test", "same": True, "four": 4,
                                "started": False, "argv": 2}


@pytest.mark.parametrize("as_folder", [False, True])
def test_what_a_file_does_only_as_a_program_of_its_own_is_not_done(started, as_folder):
    """`if (!module.parent) server.listen()`, and its newer form: both are for `node index.js`."""
    code = "if (!module.parent) console.log('parent');\nif (require.main === module) console.log('main');\n" \
           "exports.main = () => ({ parent: typeof module.parent.filename, children: module.children.length });\n"
    one = started({"index.js": code} if as_folder else code)
    assert one.run({}).json == {"parent": "string", "children": 0}
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("files, main, result", [
    ({"other.js": "exports.niam = () => ({ n: 1 });"}, "other.niam", {"n": 1}),
    ({"other.js": "exports.niam = { xyz: () => ({ n: 2 }) };"}, "other.niam.xyz", {"n": 2}),
    ({"package.json": '{"main": "index.js"}', "index.js": "exports.main = () => ({});",
      "other.js": "exports.niam = () => ({ n: 3 });"}, "other.niam", {"n": 3}),
    ({"other.mjs": "export const niam = () => ({ n: 4 });"}, "other.niam", {"n": 4}),
    ({"lib/other.js": "exports.niam = () => ({ n: 5 });"}, "lib/other.niam", {"n": 5}),
    ({"other/index.js": "exports.niam = () => ({ n: 6 });"}, "other.niam", {"n": 6}),
    ({"index.js": "exports.niam = { xyz: () => ({ n: 7 }) };"}, "niam.xyz", {"n": 7}),
    ({"index.js": "exports.main = () => ({ n: 8 });", "__MACOSX/._other.js": "\x00"}, "index.main",
     {"n": 8}),
])
def test_main_names_the_module_and_the_function(started, files, main, result):
    """FILE.FUNCTION, as in Apache's suite; where there is no such file the names are walked."""
    assert started(files, main=main).run({}).json == result


@pytest.mark.parametrize("files", [
    {"package.json": '\ufeff{"main": "a.js"}', "a.js": "exports.main = () => ({ a: 1 });"},
    {"package.json": '\ufeff{"type": "module"}', "index.js": "export const main = () => ({ a: 1 });"},
    {"index.js": "\ufeffexports.main = () => ({ a: 1 });"}])
def test_a_byte_order_mark_is_no_part_of_a_file(started, files):
    assert started(files).run({}).json == {"a": 1}


@pytest.mark.parametrize("code", [
    "const a = await Promise.resolve(1);\nexport function main() { return { a }; }",
    "await 0; export const main = () => ({ a: 1 });",
    "const { sep } = await import('path');\nexport async function main() { return { a: 1 }; }",
    "for await (const x of []) ;\nexport default { main: () => ({ a: 1 }) };",
    "const m=()=>({a:1});export{m as main};",
    "import{sep}from'path';const m=()=>({a:sep.length});export{m as main};"])
def test_source_that_only_a_module_can_be(started, code):
    assert started(code).run({}).json == {"a": 1}


@pytest.mark.parametrize("end", [
    "process.stdout.destroy(); process.stderr.destroy();",
    "process.stdout.end('bye\\n'); process.stderr.end();",
    "await require('stream/promises').pipeline(require('fs').createReadStream('/none'), process.stdout)"
    ".catch(() => {});",
    "await require('stream/promises').pipeline(['a\\n'], process.stdout);"])
def test_the_log_goes_on_after_its_stream_was_ended(started, end):
    one = started("async function main(args) { console.log('one'); console.error('two');\n"
                  f"    if (args.end) {{ {end} }}\n"
                  "    console.log('three'); console.error('four');\n    return args; }")
    assert one.run({"end": 1}).json == {"end": 1}
    assert one.run({"a": 2}).json == {"a": 2}
    one.check_streams(2)
    for n in range(2):
        assert "one" in one.log_parts(0)[n] and "three" in one.log_parts(0)[n]
        assert "two" in one.log_parts(1)[n] and "four" in one.log_parts(1)[n]


def test_TN12_invalid_zip(proxy):
    """T-N12: base64 of a text is a source that does not compile."""
    log = failed_init(proxy, "Q2VjaSBuJ2VzdCBwYXMgdW4gemlwLgo=")
    assert "error" in log and "syntax" in log


def test_TN13_valid_zip_that_is_no_action(proxy):
    log = failed_init(proxy, archives.zipped({"hello.js": ECHO}))
    assert "error" in log and NO_ENTRY in log


@pytest.mark.parametrize("files, log", [
    ({"package.json": '{"main": "index.js",}', "index.js": ECHO}, "package.json is no json: "),
    ({"package.json": '{"exports": "./app.js"}', "app.js": ECHO},
     'error: package.json says no "main", and there is no index.js or index.mjs at the root.\n'),
    ({"app/package.json": "{}", "app/lib/index.js": ECHO, ".DS_Store": "", "__MACOSX/app/._index.js": ""},
     NO_ENTRY + ' it is in the folder "app": publish what is in that folder.'),
    ({"C:/work/app/index.js": ECHO, "C:/work/app/lib/index.js": ECHO},
     NO_ENTRY + ' it is in the folder "c:/work/app": publish what is in that folder.'),
    ({"app/other.js": ECHO}, NO_ENTRY + "\n"),
    ({"app/index.js": ECHO, "readme": ""}, NO_ENTRY + "\n")])
def test_the_log_says_what_is_wrong_with_an_archive(proxy, files, log):
    assert log in failed_init(proxy, archives.zipped(files))


def test_TN14_async_functions_and_their_errors(started):
    one = started("""
        const wait = () => new Promise((resolve) => setTimeout(resolve, 1));
        async function main(args) {
            await wait();
            if (args.app) throw new Error('app error');
            if (args.name) return a;
            return args;
        }""")
    assert one.run({"b": 1}).json == {"b": 1}
    assert one.run({"name": 1}).json == {"error": "ReferenceError: a is not defined"}
    assert one.run({"app": 1}).json == {"error": "Error: app error"}
    assert one.run({"b": 2}).json == {"b": 2}
    assert "at main" in one.check_streams(4)[1].replace("async main", "main")


# ---- several at a time in one process: T-N15, and what follows from it ----


def code_that_waits_for(number):
    """An action that goes on once so many activations have come, as the suite's does."""
    return """
        let arrived = 0, open;
        const all = new Promise((resolve) => { open = resolve; });

        async function main(args) {
            console.log('interleave me');
            if (++arrived === NUMBER) open();
            await all;
            return args;
        }""".replace("NUMBER", str(number))


@pytest.fixture
def many(proxy):
    """many(code, *options) -> a proxy that was allowed several at a time."""
    def begin(code, *options):
        one = proxy(*NODEJS, "--workers", 1, *options, env={"__OW_ALLOW_CONCURRENT": "true"})
        one.started(code)
        return one
    return begin


def check_TN15(one, number):
    """What so many must get of code_that_waits_for() them; one block of sentinels behind their logs."""
    answers = together([lambda n=n: one.run({f"arg{n}": f"value{n}"}) for n in range(number)])
    assert [(a.status, a.json) for a in answers] == [(200, {f"arg{n}": f"value{n}"})
                                                     for n in range(number)]
    out, err = one.check_streams(number, concurrent=True)
    assert (out.replace("\n", ""), err) == ("interleave me" * number, "")


def test_TN15_concurrent(many):
    """T-N15: more than 100 that wait for one another, each gets its own."""
    check_TN15(many(code_that_waits_for(128)), 128)


def test_thousands_on_300_connections_each_get_their_own(many):
    one = many("async function main(args) {\n    await new Promise(setImmediate);\n    return args;\n}")
    answers = hammer(one.port, 300, 10, lambda c, n: json.dumps({"value": {"id": [c, n]}}).encode())
    for (connection, number), (status, text) in answers.items():
        assert (status, json.loads(text)) == (200, {"id": [connection, number]})


def test_metadata_is_each_ones_own(many):
    """Whenever and wherever it looks: after it waited, in a timer, in a child process; N3."""
    one = many("""
        const atLoad = process.env;
        const { execFileSync } = require('child_process');
        let arrived = 0, open;
        const all = new Promise((resolve) => { open = resolve; });
        const seen = () => [process.env.__OW_ACTIVATION_ID, atLoad['__OW_ACTIVATION_ID'],
                            Object.keys(process.env).filter((name) => name.includes('TIVATION')),
                            '__OW_ONLY_B' in process.env, { ...process.env }.__OW_ACTIVATION_ID];

        async function main(args) {
            const at_once = seen();
            if (++arrived === 2) open();
            await all;
            const later = await new Promise((resolve) => setTimeout(() => resolve(seen()), 1));
            const child = execFileSync('/bin/sh', ['-c', 'echo $__OW_ACTIVATION_ID']).toString();
            return { at_once, later, child };
        }""")
    answers = together([lambda: one.run({}, activation_id="a"),
                        lambda: one.run({}, activation_id="b", only_b="yes")])
    for name, answer in zip("ab", answers):
        wanted = [name, name, ["__OW_ACTIVATION_ID"], name == "b", name]
        assert answer.json == {"at_once": wanted, "later": wanted, "child": name + "\n"}


def test_what_an_action_sets_in_its_environment(many):
    """Its own metadata for itself, anything else for all, as in any process."""
    one = many("""
        function main(args) {
            const before = [process.env.__OW_KEY, process.env.SHARED];
            process.env.__OW_KEY = 7;
            process.env.SHARED = 'for all';
            delete process.env.__OW_GONE;
            return { before, after: [process.env.__OW_KEY, process.env.SHARED,
                                     process.env.__OW_GONE === undefined] };
        }""")
    first = one.run({}, key="k1", gone="x").json
    assert first == {"before": ["k1", None], "after": ["7", "for all", True]}
    second = one.run({}, key="k2", gone="x").json
    assert second == {"before": ["k2", "for all"], "after": ["7", "for all", True]}


def test_an_environment_that_is_copied_replaced_or_printed_shows_each_its_own(many):
    """What dotenv and its like do, and who looks for what is wrong: nobody sees another's metadata."""
    one = many("""
        const { inspect } = require('util');
        const STEPS = {
            replace: () => { process.env = { ...process.env, OURS: 'for all' }; },
            there_and_back: () => {
                const saved = process.env;
                process.env = { ...process.env, GONE: 'soon' };
                process.env = saved;
            },
            define: () => Object.defineProperty(process.env, '__OW_KEY', {
                value: 'defined', writable: true, enumerable: true, configurable: true }),
            freeze: () => Object.freeze(process.env),
            look: () => {},
        };

        function main(args) {
            let error;
            try {
                STEPS[args.step]();
            } catch (problem) {
                error = problem.name;
            }
            const printed = /__OW_KEY: '(.*)'/.exec(inspect(process.env)) || [];
            const { __OW_KEY, OURS, GONE } = JSON.parse(JSON.stringify(process.env));
            return { error, key: process.env.__OW_KEY, all: [__OW_KEY, OURS, GONE], printed: printed[1] };
        }""")

    def sees(key, ours=None, **more):
        told = {"all": [key, ours, None], **more}
        return told if key is None else {"key": key, "printed": key, **told}

    assert one.run({"step": "define"}, key="k1").json == sees("defined")
    assert one.run({"step": "freeze"}, key="k2").json == sees("k2", error="TypeError")
    assert one.run({"step": "there_and_back"}, key="k3").json == sees("k3")
    assert one.run({"step": "replace"}, key="k4").json == sees("k4", "for all")
    assert one.run({"step": "look"}, key="k5").json == sees("k5", "for all")
    assert one.run({"step": "look"}).json == sees(None, "for all")


def goes_on(many, fail):
    """The answer of an activation that does this, while another waits in the same process: that one must end well."""
    one = many("let open;\n"
               "function main(args) {\n"
               "    if (args.hold) return new Promise((done) => { console.log('held'); open = done; });\n"
               "    if (args.open) open({ held: 1 });\n"
               f"    if (args.fail) {{ {fail} }}\n"
               "    return args;\n}")
    held = one.later(one.run, {"hold": 1})
    wait_until(lambda: b"held" in one.logs()[0], "the one that waits to have begun")
    answer = one.run({"fail": 1})
    assert one.run({"open": 1}).json == {"open": 1}
    assert held.result().json == {"held": 1}
    return answer


@pytest.mark.parametrize("how", ["throw error", "return Promise.reject(error)"])
@pytest.mark.parametrize("error", [
    "Object.assign(new Error(), { message: Object.create(null) })",
    "Object.assign(new Error(), { toString() { throw 'no'; } })",
    "(({ proxy, revoke }) => { revoke(); return proxy; })(Proxy.revocable({}, {}))"])
def test_an_error_that_cannot_be_told_is_its_own(many, error, how):
    """It is one activation's: the process, and who runs beside it, go on."""
    assert goes_on(many, f"const error = {error}; {how};").json == {
        "error": "The action failed, and its error cannot be told as text."}


@pytest.mark.parametrize("result, answer", [
    ("Object.defineProperty({ a: 1 }, 'then', { get() { if (n++ === 0) return; throw new Error('then'); } })", {"a": 1}),
    ("{ get then() { if (n++ === 0) return () => {}; throw new Error('then'); } }", {"error": "Error: then"}),
    ("{ get then() { if (n++ === 0) return () => {}; }, a: 1 }", {"a": 1}),
    ("Object.defineProperty(Promise.resolve(), 'constructor', { get() { throw new Error('own'); } })", {"error": "Error: own"}),
    ("(Promise.prototype.then = () => { throw new Error('then'); }, (async () => ({ a: 1 }))())", {"a": 1}),
    ("(global.Promise = class {}, (async function* () { yield 1; })())", [1])])
def test_a_result_that_cannot_be_awaited_is_its_own(many, result, answer):
    assert goes_on(many, f"let n = 0; return {result};").json == answer


@pytest.mark.skipif(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") < 4 << 30, reason="less than 4 GiB of free memory")
def test_a_result_of_the_longest_text_there_can_be_is_its_own(many):
    """With the number of its line it would be longer than Node.js allows."""
    longest = "'x'.repeat(require('buffer').constants.MAX_STRING_LENGTH - '{\"s\":\"\"}'.length)"
    assert goes_on(many, f"return {{ s: {longest} }};").json == {"error": "RangeError: The result is too long."}


@pytest.mark.parametrize("replaced, result, answer", [
    ("require('fs').writeSync = () => { throw new Error('fs'); }", "{ a: 1 }", {"a": 1}),
    ("Object.prototype.toJSON = () => undefined", "{ a: 1 }", {"error": "TypeError: The result is a object, which JSON cannot tell."}),
    ("Object.prototype.toJSON = () => undefined", "Promise.reject(new Error('own'))", {"error": "Error: own"})])
def test_an_action_that_replaces_what_answers_are_made_with_does_not_end_its_process(started, replaced, result, answer):
    one = started(f"function main() {{\n    {replaced};\n    return {result};\n}}")
    children = one.children()
    for _ in range(2):
        assert one.run({}).json == answer
    assert one.children() == children


def test_an_error_of_one_is_its_own(many):
    one = many("""
        let arrived = 0, open;
        const all = new Promise((resolve) => { open = resolve; });
        async function main(args) {
            if (++arrived === 3) open();
            await all;
            if (args.n === 0) throw new Error('mine');
            if (args.n === 1) return 1n;
            return args;
        }""")
    answers = together([lambda n=n: one.run({"n": n}) for n in range(3)])
    assert answers[0].json == {"error": "Error: mine"}
    assert "BigInt" in answers[1].json["error"]
    assert answers[2].json == {"n": 2}


def test_an_exit_costs_all_that_had_begun_and_no_more(many, gate):
    door = gate()
    one = many("""
        async function main(args) {
            if (args.gate) {
                await require('fs').promises.readFile(args.gate);
                process.exit(3);
            }
            console.log('begun');
            return args.wait ? new Promise(() => {}) : args;
        }""")
    exiting = one.later(one.run, {"gate": door.path})
    door.wait_reached()
    waiting = one.later(one.run, {"wait": True})
    wait_until(lambda: b"begun" in one.logs()[0], "the one that waits to have begun")
    assert one.run({"a": 1}).json == {"a": 1}
    door.release()
    for later in (exiting, waiting):
        assert_error(later.result(), 400, "command exited")
    assert one.run({"a": 2}).json == {"a": 2}


def test_one_that_blocks_the_process_is_ended_at_its_deadline(many):
    """An endless loop stops all that runs there; the next one is served by a new process."""
    one = many("function main(args) {\n    while (args.loop);\n    return args;\n}")
    reply = one.run({"loop": True}, deadline=soon(2000))
    assert reply.status == 502 and "exceeded its time limits" in reply.json["error"]
    assert one.run({"a": 1}).json == {"a": 1}


def test_without_the_setting_they_come_one_after_the_other(started):
    """Each its own, none lost, and the environment is the process's."""
    one = started("async function main(args) {\n    await new Promise(setImmediate);\n"
                  "    return { id: args.id, activation: process.env.__OW_ACTIVATION_ID };\n}")
    answers = together([lambda n=n: one.run({"id": n}, activation_id=f"a{n}") for n in range(40)])
    assert [answer.json for answer in answers] == [{"id": n, "activation": f"a{n}"}
                                                   for n in range(40)]
    one.check_streams(40)


def test_TN16_not_concurrent(proxy, gate):
    """T-N16: one at a time, where the proxy is told to refuse a second."""
    door = gate()
    one = proxy(*NODEJS, "--one-at-a-time", "1")
    one.started("async function main(args) {\n    console.log('no concurrency');\n"
                "    await require('fs').promises.readFile(args.gate);\n    return args;\n}")
    first = one.later(one.run, {"gate": door.path})
    door.wait_reached()
    assert_error(one.run({"gate": door.path}), 403, "System not ready, status is running.")
    door.release()
    assert first.result().status == 200
    out, err = one.check_streams(1)
    assert out == "no concurrency"
    assert err == "Internal system error: System not ready, status is running."


@pytest.mark.parametrize("result, text", [
    ("() => 1", "function"), ("{ n: 1n }", "BigInt"), ("Symbol('x')", "symbol")])
def test_a_result_that_json_cannot_tell_is_an_error(started, result, text):
    one = started(f"function main() {{ return {result}; }}")
    assert text in one.run({}).json["error"]
    assert one.run({}).status == 200


def test_an_action_that_replaces_JSON_does_not_change_what_is_answered(started):
    one = started("JSON.parse = JSON.stringify = () => 'mine';\nglobal.JSON = {};\n"
                  "function* main(args) { yield args; return { ...args, own: process.env.__OW_OWN }; }")
    assert one.run({"n": 1}, own={"key": [1]}).json == {"n": 1, "own": '{"key":[1]}'}


def test_a_result_that_holds_itself_is_an_error(started):
    one = started("function main() { const a = {}; a.a = a; return a; }")
    assert "circular" in one.run({}).json["error"]


@pytest.mark.parametrize("late", [
    "setTimeout(() => { throw new Error('late'); }, 1)", "Promise.reject(new Error('late'))",
    "(async () => { await null; throw new Error('late'); })()"],
    ids=["timer", "rejection", "async"])
def test_an_error_outside_of_main_ends_the_process_and_not_the_action(started, late):
    """It has no caller to go to: Node ends, as it always does, and is started again."""
    one = started("function main(args) {\n    if (!args.late) return args;\n"
                  f"    {late};\n    return new Promise(() => {{}});\n}}")
    for n in (1, 2):
        assert_error(one.run({"late": n}), 400, "command exited")
        assert one.run({"n": n}).json == {"n": n}
    assert one.check_streams(4)[1].count("Error: late") == 2


@pytest.mark.parametrize("variable", ["NODE_OPTIONS", "UV_THREADPOOL_SIZE"])
def test_what_node_reads_at_its_start_is_there_too(proxy, variable):
    """The launcher that waited is replaced by a fresh one, in its place and of its group."""
    value = {"NODE_OPTIONS": "--stack-trace-limit=3", "UV_THREADPOOL_SIZE": "7"}[variable]
    one = proxy(*NODEJS)
    one.started("console.log('loaded');\nfunction main(args) {\n"
                "    if (args.exit) process.exit(4);\n"
                f"    return {{ v: process.env.{variable}, n: Error.stackTraceLimit }};\n}}",
                env={variable: value})
    answer = one.run({}).json
    assert answer["v"] == value
    assert answer["n"] == (3 if variable == "NODE_OPTIONS" else 10)
    assert_error(one.run({"exit": 1}), 400, "command exited")
    assert one.run({}).json["v"] == value
    one.check_streams(3)


def test_a_shells_files_keep_their_positions(folder):
    """What goes through a file and not a pipe: nothing before or behind it is overwritten."""
    (folder / "a.js").write_text("function main(args) { console.log('log'); return args; }")
    (folder / "in").write_text('{"value":{"a":1}}\n{"value":{"a":2}}\n')
    script = f'{{ echo before; node {LAUNCHER} a.js <in; echo behind; }} >out 2>err; echo e >>err'
    subprocess.run(["sh", "-c", script], cwd=folder, check=True, timeout=WAIT_S,
                   env={"PATH": "/usr/bin:/bin"})
    assert (folder / "out").read_text() == 'before\n{"a":1}\n{"a":2}\nbehind\n'
    assert (folder / "err").read_text() == "log\nlog\ne\n"


def test_metadata_leaves_nothing_behind(tmp_path):
    """In the C library's environment each new text stays: 270 bytes for each activation."""
    (tmp_path / "a.js").write_text("exports.main = () => ({ id: process.env.__OW_ACTIVATION_ID });\n")

    def activate(process, numbers):
        for first in range(numbers.start, numbers.stop, 50):
            ids = [f"{number:032x}" for number in range(first, first + 50)]
            process.stdin.write("".join(
                json.dumps({"value": {}, "activation_id": one, "transaction_id": one, "deadline": one}) + "\n"
                for one in ids))
            process.stdin.flush()
            assert [json.loads(process.stdout.readline())["id"] for _ in ids] == ids
        status = open(f"/proc/{process.pid}/status").read()
        return int(status.split("VmRSS:")[1].split()[0])

    with subprocess.Popen(["node", LAUNCHER, tmp_path / "a.js"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        before_kb = activate(process, range(30_000))
        grown_kb = activate(process, range(30_000, 90_000)) - before_kb
        process.stdin.close()
    assert grown_kb < 8_000


def test_texts_of_all_alphabets_and_lengths_come_back(started):
    """Long ones are decoded in another way than short ones."""
    one = started("exports.main = (args) => args;")
    for signs in ("é", "xx’", "日本", "a😀", "\ufeff\0é\U0010ffff\ud7ff"):
        for n_bytes in (1000, 4000, 4096, 5000, 70_000, 3_000_000):
            text = signs * (n_bytes // len(signs.encode()))
            bodies = [{"text": text}, {"text": "x" + text}, {text[:1000]: [text]}]
            replies = together([lambda body=body: one.run(body) for body in bodies])
            assert [reply.json == body for reply, body in zip(replies, bodies)] == [True] * 3, (signs, n_bytes)


@pytest.mark.parametrize("parameters, expected", [
    ("args, { signal }", True), ("args, { signal } = {}", True), ("args = {}, options = {}", True), ("args, n = 3", 3),
    ("args", None)])
def test_a_function_whose_second_parameter_has_a_default_gets_the_signal(proxy, parameters, expected):
    """Function.length does not count such a one. A default that is no object is the function's own business."""
    one = proxy("--runtime", "nodejs")
    one.started(f"exports.main = ({parameters}) => ({{ got: typeof signal !== 'undefined' ? signal instanceof AbortSignal :"
                " typeof options !== 'undefined' ? options.signal instanceof AbortSignal : typeof n !== 'undefined' ? n : null });\n")
    assert one.run({}).json == {"got": expected}
