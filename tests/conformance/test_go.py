"""The Go runtime, as far as the table of languages does not have it."""

import os
import shutil
import subprocess

import pytest

import archives
from languages import GO, GO_ECHO, ROWS, go
from test_languages import CANNOT_START, NOT_BUILT
from whisk import PROGRAM, WAIT_S, assert_error

ROW = next(row for row in ROWS if row.name == "go")
pytestmark = pytest.mark.skipif(ROW.missing() is not None, reason=str(ROW.missing()))

START = """package main

import (
	"encoding/json"
	"errors"
	"openwhisk"
)

func main() {
	openwhisk.Start(func(event json.RawMessage) (json.RawMessage, error) {
		if string(event) == "{}" {
			return nil, errors.New("there is no argument")
		}
		return event, nil
	})
}
"""


HELLO = "func Hello(in map[string]interface{}) map[string]interface{} { return in }\n"


@pytest.fixture
def one(proxy):
    return proxy("--runtime", "go")


def test_a_program_that_calls_start(one):
    """The prototype's API; an error is an answer and in the log."""
    one.started(START)
    assert one.run({"a": 1}).json == {"a": 1}
    assert one.run({}).json == {"error": "there is no argument"}
    assert one.run([1]).json == [1]
    assert one.check_streams(3) == ("", "there is no argument")


LOOP = """package main

import (
	"bufio"
	"encoding/json"
	"os"
)

func main() {
	out := os.NewFile(3, "answers")
	ACK
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\\n')
		if err != nil {
			return
		}
		var request struct{ Value json.RawMessage }
		if json.Unmarshal(line, &request) == nil {
			out.Write(append(request.Value, '\\n'))
		}
	}
}
"""


@pytest.mark.parametrize("ack", ["", """if os.Getenv("__OW_WAIT_FOR_ACK") != "" {
		out.WriteString("{\\"ok\\": true}\\n")
	}"""], ids=["none", "its own"])
def test_a_program_that_reads_its_lines_itself(one, ack):
    """As Apache's runtime builds and runs it, with or without an acknowledgement."""
    one.started(LOOP.replace("ACK", ack))
    for n in range(3):
        assert one.run({"n": n}).json == {"n": n}
    assert one.check_streams(3) == ("", "")


def test_a_full_disk_is_told(proxy, mounted, folder):
    disk = mounted("size=64k")
    one = proxy("--runtime", "go", "--action-dir", disk / "actions",
                env={"GOCACHE": str(folder / "cache"), "GOTMPDIR": str(disk)})
    assert_error(one.init(START), 502, NOT_BUILT)
    assert "no space left on device" in one.err_text()


def test_a_module_of_its_own_knows_the_package(one):
    one.started(archives.zipped({"go.mod": "module example.org/mine\n\ngo 1.18\n",
                                 "start.go": START}))
    assert one.run({"a": 1}).json == {"a": 1}


# Stands for `go`: tells its version, and what it would build from.
TELLS = """#!/bin/sh
case $1 in
env) echo '%s' ;;
build) head -n 1 "$GOWORK" >&2; grep '^go ' go.mod | sed 's/^/module: /' >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("version, own, workspace, module", [
    ("go1.23.5", None, "1.23", "1.23"),
    ("go1.19.8", None, "1.18", "1.19"),
    ("devel go1.25-a1b2c3 Tue Nov 3", None, "1.25", "1.25"),
    ("go1.23.5", "go 1.22.3 // or newer", "1.22.3", "1.22.3 // or newer"),
    ("go1.23.5", "go 1.16", "1.18", "1.16"),
    ("go1.19.8", "go 1.22.3", "1.18", "1.22.3"),
])
def test_the_language_is_the_installed_gos_or_what_the_module_says(proxy, folder, version, own, workspace, module):
    """Go 1.21 and newer refused a module of its own version: "go.work lists go 1.18", and in a single file what came
    with 1.21: "built-in max requires go1.21 or later (-lang was set to go1.18)"."""
    (folder / "go").write_text(TELLS % version)
    (folder / "go").chmod(0o755)
    one = proxy("--runtime", "go", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    files = {"main.go": "package main\n\n" + HELLO}
    if own is not None:
        files["go.mod"] = f"module example.org/mine\n\n{own}\n"
    assert_error(one.init(archives.zipped(files)), 502, NOT_BUILT)
    assert one.check_streams(1)[1].splitlines() == [f"go {workspace}", f"module: go {module}"]


def test_a_module_that_asks_for_a_newer_go_is_told(proxy, folder):
    """Go 1.21 and newer compares with the workspace, which is ours."""
    (folder / "go").write_text("#!/bin/sh\necho 'go: .whiskloop/go.work requires go >= 1.99 (running go 1.23.5)' >&2; exit 1\n")
    (folder / "go").chmod(0o755)
    one = proxy("--runtime", "go", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert_error(one.init(START), 502, NOT_BUILT)
    assert one.check_streams(1)[1].splitlines()[-1] == "go: go.mod requires go >= 1.99 (running go 1.23.5)"


VENDORED = {
    "go.mod": "module example.org/mine\n\ngo 1.18\n\nrequire example.org/dep v1.2.3\n",
    "vendor/modules.txt": "# example.org/dep v1.2.3\n## explicit; go 1.18\nexample.org/dep\n",
    "vendor/example.org/dep/dep.go": "package dep\n\nconst Found = true\n",
}


@pytest.mark.parametrize("code", [
    "package main\n\nimport \"example.org/dep\"\n\nfunc Main(in map[string]bool) map[string]bool {\n"
    "\tin[\"found\"] = dep.Found\n\treturn in\n}\n",
    START.replace('\t"openwhisk"', '\t"example.org/dep"\n\t"openwhisk"')
         .replace("return event, nil", 'return json.Marshal(map[string]bool{"a": true, "found": dep.Found})')])
def test_the_modules_in_a_vendor_folder_are_used(proxy, code):
    """openwhisk-runtime-go#52, openwhisk#5501: a build without network, or with modules that no proxy has."""
    one = proxy("--runtime", "go", env={"GOPROXY": "off"})
    one.started(archives.zipped({**VENDORED, "main.go": code}))
    assert one.run({"a": True}).json == {"a": True, "found": True}


@pytest.mark.parametrize("code, value, answer", [
    ("func Main(in struct{ A int }) (map[string]int, error) { return map[string]int{\"b\": in.A + 1}, nil }",
     {"A": 1}, {"b": 2}),
    ("func Main(in []interface{}) []interface{} { return append(in, true) }", [1], [1, True]),
    ("func Main(in interface{}) interface{} { return in }", {"a": "<&>"}, {"a": "<&>"}),
], ids=["struct", "list", "any"])
def test_functions_of_many_types(one, code, value, answer):
    """Apache's form and others: what JSON can be read into, and told from."""
    one.started("package main\n" + code + "\n")
    assert one.run(value).json == answer


def test_an_argument_of_another_type_is_an_error(one):
    one.started("package main\nfunc Main(in []int) []int { return in }\n")
    assert "the action takes another argument" in one.run({"a": 1}).json["error"]
    assert one.run([1]).json == [1]


def test_a_result_of_several_lines_is_one_answer(one):
    one.started(go("    return json.MarshalIndent(map[string]int{\"a\": 1, \"b\": 2}, \"\", \" \")"))
    assert one.run({}).json == {"a": 1, "b": 2}


def test_a_result_that_is_no_json_is_an_error(one):
    one.started(go("    return json.RawMessage(`{`), nil"))
    assert one.run({}).json == {"error": "the action returned what is no JSON"}


def test_errors_name_the_file_and_line_as_the_author_knows_them(one):
    assert_error(one.init(go("    return nothing, nil")), 502, NOT_BUILT)
    log = one.check_streams(1)[1]
    assert "./main.go:4:12: undefined: nothing" in log
    assert "/src" not in log


@pytest.mark.parametrize("files, said", [
    ({"main.go": "package main\n\nfunc Main() int { return 1 + }\n"},
     "./main.go:3:30: syntax error: unexpected }, expecting expression"),
    ({"main.go": "package hello\n\n" + HELLO}, "main.go: package hello must be package main"),
    ({"z.go": "package hello\n\n" + HELLO}, "z.go: package hello must be package main"),
    ({"main.go": "package hello\n\nfunc main() {}\n"}, "main.go: package hello must be package main"),
    ({"a.go": "package main\n\nfunc main() {}\n", "b.go": "package hello\n"},
     "found packages main (a.go) and hello (b.go)"),
    ({"main.go": "package main\n\n" + HELLO},
     "Cannot start action: function 'Main' was not found, but there are: Hello"),
    ({"main.go": "package main\n\nvar x = nothing\n\n" + HELLO},
     "./main.go:3:9: undefined: nothing\n"
     "Cannot start action: function 'Main' was not found, but there are: Hello"),
], ids=["syntax", "package", "package-behind", "own-main", "packages", "missing", "both"])
def test_what_is_not_built_is_told_of_the_authors_files_alone(one, files, said):
    assert_error(one.init(archives.zipped(files)), 502, NOT_BUILT)
    assert one.check_streams(1)[1].strip() == said


def test_a_message_that_begins_with_the_file_has_the_authors_name_for_it(folder):
    (folder / "hello.go").write_text("package main\n\nfunc Main() int { return 1 + }\n")
    done = subprocess.run([PROGRAM, "invoke", folder / "hello.go"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=WAIT_S)
    assert "./hello.go:3:30: syntax error" in done.stderr


def test_a_function_that_cannot_be_called(one):
    assert_error(one.init("package main\nfunc Main() {}\n"), 502, CANNOT_START)
    assert "want func(T) R or func(T) (R, error)" in one.check_streams(1)[1]


@pytest.mark.parametrize("main", ["a b", "9", "a;b"])
def test_names_that_are_no_function(one, main):
    assert_error(one.init(GO["echo"], main=main), 502, NOT_BUILT)
    assert "is no name of a Go function" in one.check_streams(1)[1]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_code_that_needs_C_is_compiled(one):
    """It was passed over: function 'Main' was not found, but there are: Main."""
    one.started("package main\n\n// static int answer(void) { return 42; }\nimport \"C\"\n\n"
                "func Main(in map[string]int) map[string]int {\n\tin[\"c\"] = int(C.answer())\n\treturn in\n}\n")
    assert one.run({}).json == {"c": 42}


def test_a_panic_elsewhere_ends_the_process_and_no_more(one):
    """Go ends a program whose goroutine panics."""
    one.started(go('    if string(event) != "{}" {\n        go func() { panic("nooooo") }()\n'
                   "        select {}\n    }\n" + GO_ECHO))
    assert_error(one.run({"a": 1}), 400, "command exited")
    assert one.run({}).json == {}
    assert "nooooo" in one.check_streams(2)[1]


@pytest.mark.parametrize("options", [("--runtime", "go"), ()], ids=["named", "guessed"])
def test_a_zip_whose_only_file_has_another_name(proxy, options):
    """And what a Mac adds to it is no source."""
    one = proxy(*options)
    one.started(archives.zipped({
        "hello.go": "package main\n\nfunc Main(args map[string]interface{}) map[string]interface{} {\n"
                    "\treturn map[string]interface{}{\"a\": 1}\n}\n",
        "._hello.go": "\0\5\x16\7", "__MACOSX/._hello.go": "\0\5\x16\7"}))
    assert one.run({}).json == {"a": 1}


CHANNEL = """package main

import "runtime"

var begin, ended = make(chan bool), make(chan bool)

func Main(args map[string]interface{}, parts chan<- int) interface{} {
	switch args["do"] {
	case "close":
		parts <- 1
		close(parts)
	case "leave":
		go func() {
			defer func() { ended <- recover() == nil }() // without it a panic would end the process
			<-begin
			select {
			case parts <- 1:
			default:
			}
		}()
		return map[string]int{"n": 0}
	case "wait":
		begin <- true
		return map[string]bool{"harmless": <-ended}
	case "panic":
		panic("boom")
	case "count":
		return map[string]int{"n": runtime.NumGoroutine()}
	}
	return nil
}
"""


def test_parts_by_a_channel(one):
    one.started(CHANNEL)
    assert one.run({"do": "close"}).json == [1]
    assert one.run({}).json == []
    before = one.run({"do": "count"}).json["n"]
    for _ in range(5):
        assert one.run({"do": "panic"}).json == {"error": "boom"}
    assert one.run({"do": "count"}).json["n"] == before


def test_a_goroutine_that_still_sends_does_no_harm_to_the_next_activation(one):
    one.started(CHANNEL)
    assert one.run({"do": "leave"}).json == {"n": 0}
    assert one.run({"do": "wait"}).json == {"harmless": True}


@pytest.mark.parametrize("files", [
    {"main.go": "package main\n" + HELLO.replace("Hello", "Main"),
     "gen.go": "//go:build ignore\n\npackage main\n\nfunc main() { println(1) }\n",
     "main_test.go": "package main\n\nfunc main() { println(1) }\n"},
    {"main.go": START.replace("func main() {", "func  main ( ) {")}], ids=["ignored", "unformatted"])
def test_a_main_function_is_the_actions_if_go_builds_it(one, files):
    one.started(archives.zipped(files))
    assert one.run({"a": 1}).json == {"a": 1}
