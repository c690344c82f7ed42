"""The .NET runtime, as far as the table of languages does not have it.

Debian has no .NET. What needs one is skipped without it; the shell scripts around it are tried
everywhere, with a stand-in for `dotnet`.
"""

import base64
import json
import os
import shutil
import subprocess

import pytest

import archives
from languages import DOTNET, DOTNET_ECHO, DOTNET_HEAD, DOTNET_MAIN, ROWS
from test_languages import CANNOT_START, NOT_BUILT, RUNTIMES
from whisk import WAIT_S, assert_error

ROW = next(row for row in ROWS if row.name == "dotnet")
needs_dotnet = pytest.mark.skipif(ROW.missing() is not None, reason=f"no dotnet: {ROW.missing()}")
FOLDER = RUNTIMES / "dotnet"

HELLO = """using System.Text.Json.Nodes;
namespace Apache.OpenWhisk.Tests
{
    public class Hello
    {
        public JsonObject Main(JsonObject args) { args["hello"] = "whisk"; return args; }
        public static JsonObject Other(JsonObject args) { args["hello"] = "other"; return args; }
    }
}
"""


@pytest.fixture
def dotnet(proxy):
    return proxy("--runtime", "dotnet")


@pytest.fixture
def assembly(folder):
    """assembly(name, source) -> the bytes of NAME.dll."""
    def make(name, text):
        (folder / "Made.cs").write_text(text)
        subprocess.run([FOLDER / "csc.sh", "-target:library", f"-out:{folder}/{name}.dll",
                        folder / "Made.cs"], timeout=WAIT_S, check=True)
        return (folder / f"{name}.dll").read_bytes()
    return make


# ---- with .NET ----


@needs_dotnet
@pytest.mark.parametrize("main, hello", [
    ("", "whisk"), ("main", "whisk"), ("Apache.OpenWhisk.Tests.Hello", "whisk"),
    ("Apache.OpenWhisk.Tests.Hello::Other", "other"),
    ("Tests::Apache.OpenWhisk.Tests.Hello::Main", "whisk"),
])
def test_names_of_a_method_in_source(dotnet, main, hello):
    dotnet.started(HELLO, main=main)
    assert dotnet.run({"a": 1}).json == {"a": 1, "hello": hello}


@needs_dotnet
def test_a_zip_as_dotnet_publish_makes_it(proxy, assembly):
    """Known by its .deps.json; the assembly is the one that main names."""
    one = proxy()
    one.started(archives.zipped({"Hello.dll": assembly("Hello", HELLO),
                                 "Hello.deps.json": '{"targets":{},"libraries":{}}'}),
                main="Hello::Apache.OpenWhisk.Tests.Hello::Main")
    assert one.run({}).json == {"hello": "whisk"}


@needs_dotnet
def test_an_assembly_alone(dotnet, assembly):
    dotnet.started(assembly("Hello", HELLO), main="Hello::Apache.OpenWhisk.Tests.Hello::Main")
    assert dotnet.run({}).json == {"hello": "whisk"}


NO_FORMAT = 'main required format is "Assembly::Type::Function".'


@needs_dotnet
@pytest.mark.parametrize("main, error", [
    ("Missing::Apache.OpenWhisk.Tests.Hello::Main", 'Unable to locate requested assembly ("Missing.dll").'),
    ("Hello::Apache.OpenWhisk.Tests.Hellox::Main", 'Unable to locate requested type ("Apache.OpenWhisk.Tests.Hellox").'),
    ("Hello::Apache.OpenWhisk.Tests.Hello::Bogus", 'Unable to locate requested method ("Bogus").'),
    ("Hello::Apache.OpenWhisk.Tests.Wants::Main",
     'Unable to locate appropriate constructor for ("Apache.OpenWhisk.Tests.Wants").'),
    ("Hello::Apache.OpenWhisk.Tests.Idea::Main",
     'Unable to locate appropriate constructor for ("Apache.OpenWhisk.Tests.Idea").'),
    ("Hello", NO_FORMAT), ("Hello::Apache.OpenWhisk.Tests.Hello", NO_FORMAT), ("a::b::c::d", NO_FORMAT)])
def test_what_main_names_and_is_not_there_is_told_as_in_apaches_runtime(proxy, assembly, main, error):
    """Suite: fails on invalid assembly, type, method reference; no empty constructor; main string format."""
    wants = ("public class Wants { public Wants(int n) { } public JsonObject Main(JsonObject args) => args; }\n"
             "public abstract class Idea { public Idea() { } public JsonObject Main(JsonObject args) => args; }\n}\n")
    one = proxy("--runtime", "dotnet")
    archive = {"Hello.dll": assembly("Hello", HELLO.rpartition("}")[0] + wants),
               "Hello.deps.json": '{"targets":{},"libraries":{}}'}
    assert_error(one.init(archives.zipped(archive), main=main), 502, error)
    assert error in one.check_streams(1)[1]


@needs_dotnet
@pytest.mark.parametrize("method", [
    "static Dictionary<string, JsonElement> Main(Dictionary<string, JsonElement> args) => args;",
    "static object Main(object args) => args;",
    "static JsonNode Main(JsonNode args) => args;",
    "static async Task<JsonObject> Main(JsonObject args) { await Task.Yield(); return args; }",
    "static async ValueTask<JsonObject> Main(JsonObject args) { await Task.Yield(); return args; }",
    "class Value { public string name { get; set; } }\n    public static Value Main(Value args) => args;",
])
def test_types_that_an_argument_and_a_result_may_have(dotnet, method):
    dotnet.started("using System.Collections.Generic;\nusing System.Text.Json;\n"
                   "using System.Text.Json.Nodes;\nusing System.Threading.Tasks;\n"
                   f"public class Program {{\n    public {method}\n}}\n")
    assert dotnet.run({"name": "é ☃ \n"}).json == {"name": "é ☃ \n"}


@needs_dotnet
def test_arrays_have_a_method_of_their_own(dotnet):
    dotnet.started("using System.Text.Json.Nodes;\npublic class Program {\n"
                   "    public static JsonNode Main(JsonObject args) => args;\n"
                   '    public static JsonNode Main(JsonArray args) { args.Add("more"); return args; }\n'
                   "}\n")
    assert dotnet.run({"a": 1}).json == {"a": 1}
    assert dotnet.run([1]).json == [1, "more"]


@needs_dotnet
@pytest.mark.parametrize("kind", ["class", "struct"])
def test_an_object_is_made_for_each_activation_as_in_apaches_runtime(dotnet, kind):
    """Its fields tell nothing to the next one, and its constructor sees the activation's own metadata."""
    dotnet.started(f"public {kind} Program {{\n    int n; static int all; string id;\n"
                   '    public Program() { n = 0; id = System.Environment.GetEnvironmentVariable("__OW_ACTIVATION_ID"); }\n'
                   "    public object Main(object args) => new { n = ++n, all = ++all, id };\n}\n")
    for number in (1, 2):
        assert dotnet.run({}, activation_id=f"id {number}").json == {"n": 1, "all": number, "id": f"id {number}"}


@needs_dotnet
def test_a_constructor_that_throws_fails_its_activation(dotnet):
    dotnet.started("public class Program {\n    static int all;\n"
                   '    public Program() { if (++all == 1) throw new System.Exception("nooooo"); }\n'
                   "    public object Main(object args) => args;\n}\n")
    answer = dotnet.run({})
    assert (answer.status, answer.json) == (502, {"error": "nooooo"})
    assert "nooooo" in dotnet.check_streams(1)[1]
    assert dotnet.run({"a": 1}).json == {"a": 1}


@needs_dotnet
def test_the_framework_is_told_as_in_a_program_of_dotnet_build(dotnet):
    """Suite: Error.cs answers with the entry assembly's framework."""
    dotnet.started(DOTNET_MAIN + "        Version version = Environment.Version;\n"
                   "        return new { told = AppContext.TargetFrameworkName,\n"
                   '            wanted = $".NETCoreApp,Version=v{version.Major}.{version.Minor}" };\n    }\n}\n')
    answer = dotnet.run({}).json
    assert answer["told"] == answer["wanted"]


@needs_dotnet
def test_null_is_an_error(dotnet):
    """Suite: enforce that the user returns an object."""
    dotnet.started(DOTNET_MAIN + "        return null;\n    }\n}\n")
    answer = dotnet.run({})
    assert (answer.status, answer.json) == (502, {"error": "the action returned null"})
    assert "the action returned null" in dotnet.check_streams(1)[1]


@needs_dotnet
def test_an_exception_is_answered_also_where_the_log_is_closed(dotnet):
    dotnet.started(DOTNET_MAIN + '        Console.Error.Close();\n        throw new Exception("nooooo");\n    }\n}\n')
    for _ in range(2):
        answer = dotnet.run({})
        assert (answer.status, answer.json) == (502, {"error": "nooooo"})


@needs_dotnet
def test_an_exception_of_another_thread_ends_the_process(dotnet):
    dotnet.started("using System.Threading;\n" + DOTNET_MAIN +
                   '        if (args.TryGetProperty("exit", out _)) {\n'
                   '            Thread t = new Thread(() => throw new Exception("nooooo"));\n'
                   "            t.Start();\n            t.Join();\n        }\n" + DOTNET_ECHO)
    assert_error(dotnet.run({"exit": 1}), 400, "command exited")
    assert dotnet.run({"a": 1}).json == {"a": 1}


@needs_dotnet
def test_deep_recursion_ends_the_process_and_a_new_one_serves(dotnet):
    """.NET cannot catch the overflow of its stack."""
    dotnet.started(DOTNET_HEAD + "    static int Deep(int n) => n + Deep(n + 1) + Deep(n + 2);\n"
                   "    public static object Main(JsonElement args) {\n"
                   '        if (args.TryGetProperty("deep", out _)) return Deep(1);\n' + DOTNET_ECHO)
    assert_error(dotnet.run({"deep": 1}), 400, "command exited")
    assert dotnet.run({"a": 1}).json == {"a": 1}


@needs_dotnet
@pytest.mark.parametrize("code", [base64.b64decode("NOTAVALIDZIPFILE"), b"NOP" + archives.zipped({"Hello.dll": "MZ"})],
                         ids=["of-the-suite", "damaged"])
def test_a_bad_archive(dotnet, code):
    """T-.1, suite: fail to initialize with bad archive."""
    answer = dotnet.init(code, main="Hello::Apache.OpenWhisk.Tests.Hello::Main")
    assert_error(answer, 502, "Unable to decompress package.")
    assert "Unable to decompress package." in dotnet.check_streams(1)[1]


@needs_dotnet
def test_an_error_names_the_file_and_line(dotnet):
    assert_error(dotnet.init(DOTNET["broken"]), 502, NOT_BUILT)
    assert "Main.cs(6," in dotnet.check_streams(1)[1]


# ---- without .NET ----


@pytest.mark.parametrize("code", ["class Main {}", b"MZ\x90\x00", None], ids=["text", "dll", "zip"])
def test_missing_dotnet_is_told_with_what_to_install(proxy, folder, code):
    """Also for a zip that nobody has said to be .NET's."""
    (folder / "sh").symlink_to("/bin/sh")
    options = ("--runtime", "dotnet") if code else ()
    one = proxy(*options, env={"PATH": str(folder)})
    code = code or archives.zipped({"Hello.dll": "MZ", "Hello.deps.json": "{}"})
    assert_error(one.init(code, main="Hello::A.B::Main"), 502, NOT_BUILT)
    log = one.check_streams(1)[1]
    assert "dotnet is not in PATH; it needs " in log
    assert json.loads((FOLDER / "runtime.json").read_text())["needs"] in log


STAND_IN = """#!/bin/sh
case $1 in
--list-sdks) printf '6.0.1 [%s/old]\\n8.0.1 [%s/sdk]\\n' "$HERE" "$HERE" ;;
--list-runtimes)
    printf 'Microsoft.AspNetCore.App 8.0.1 [%s/web]\\n' "$HERE"
    printf 'Microsoft.NETCore.App 6.0.1 [%s/shared]\\n' "$HERE"
    printf 'Microsoft.NETCore.App 8.0.1 [%s/shared]\\n' "$HERE"
    ;;
exec)
    case $2 in
    */csc.dll)
        printf '%s\\n' "$@" > "$HERE/compiler"
        printf 'a word of the compiler\\n'
        for word; do
            case $word in
            -out:*) : > "${word#-out:}" ;;
            esac
        done
        ;;
    *)
        printf 'main=%s folder=%s\\n' "$4" "$PWD"
        cat # nothing: 0 is the action's
        while read -r line <&4; do printf '%s\\n' "$line" >&3; done
        ;;
    esac
    ;;
esac
"""


@pytest.fixture
def stand_in(folder):
    """Folders with a `dotnet` that writes down how its compiler is called, and as launcher echoes."""
    for name in ("bin", "library", "src", "built", "sdk/8.0.1/Roslyn/bincore", "shared/8.0.1"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/dotnet").write_text(STAND_IN)
    (folder / "bin/dotnet").chmod(0o755)
    for name in ("whiskloop-launcher.dll", "whiskloop-launcher.runtimeconfig.json"):
        (folder / "library" / name).touch()
    (folder / "sdk/8.0.1/Roslyn/bincore/csc.dll").touch()
    for name in ("System.Runtime.dll", "System.Text.Json.dll"):
        (folder / "shared/8.0.1" / name).touch()
    return folder


def run(folder, *argv, **more):
    return subprocess.run([str(word) for word in argv], capture_output=True, timeout=WAIT_S,
                          check=False, env={"PATH": f"{folder}/bin:/usr/bin:/bin",
                                            "HERE": str(folder)}, **more)


def compiled(folder, main="main"):
    return run(folder, FOLDER / "compile.sh", FOLDER, folder / "library", main, folder / "src",
               folder / "built")


def test_source_is_compiled_against_the_newest_framework(stand_in):
    (stand_in / "src/words").mkdir()
    (stand_in / "src/obj").mkdir()
    for name in ("Main.cs", "words/two words.cs", "obj/AssemblyInfo.cs", "Beside.dll"):
        (stand_in / "src" / name).write_text("x")
    done = compiled(stand_in)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"a word of the compiler\n")
    words = (stand_in / "compiler").read_text().splitlines()
    assert words[1] == f"{stand_in}/sdk/8.0.1/Roslyn/bincore/csc.dll"
    assert {f"-r:{stand_in}/shared/8.0.1/{name}.dll" for name in
            ("System.Runtime", "System.Text.Json")} <= set(words)
    assert "-out:action.dll" in words
    assert sorted(os.listdir(stand_in / "built")) == [".whiskloop", "Beside.dll", "Main.cs",
                                                      "action.dll", "exec", "obj", "words"]


@pytest.mark.parametrize("main, file", [("Hello::A.B::Main", "Hello.dll"), ("A.B", "action.dll")])
def test_an_assembly_alone_gets_the_name_that_main_tells(stand_in, main, file):
    (stand_in / "src/Main.cs").write_bytes(b"MZ\x90\x00\x03")
    assert compiled(stand_in, main).returncode == 0
    assert sorted(os.listdir(stand_in / "built")) == sorted([".whiskloop", file, "exec"])
    assert not (stand_in / "compiler").exists()


@pytest.mark.parametrize("code, status", [
    (b"NOP" + archives.zipped({"Hello.dll": "MZ"}), 3), (base64.b64decode("NOTAVALIDZIPFILE"), 3),
    ("\ufeffclass Main {}".encode("utf-16-le"), 0), ("class Größe {}\f\r\n".encode("cp1252"), 0)],
    ids=["archive", "no-archive", "utf-16", "windows-1252"])
def test_what_is_no_text_was_meant_to_be_an_archive(stand_in, code, status):
    (stand_in / "src/Main.cs").write_bytes(code)
    done = compiled(stand_in)
    assert done.returncode == status
    assert (done.stderr == b"Unable to decompress package.") == (status == 3)


@pytest.mark.parametrize("main", ["a b", "a'b", "../a", "a\nb", 'a"b', "a\\b"])
def test_names_that_cannot_be_a_method(stand_in, main):
    (stand_in / "src/Main.cs").write_text("x")
    done = compiled(stand_in, main)
    assert done.returncode == 1
    assert b"is no name of a .NET method" in done.stderr
    assert not (stand_in / "built/exec").exists()


@pytest.mark.parametrize("lacks, words", [
    ("sdk/8.0.1/Roslyn/bincore/csc.dll", b"the .NET that is installed has no compiler; it needs"),
    ("library/whiskloop-launcher.dll", b"dotnet was missing when whiskloop was built"),
])
def test_half_of_an_installation_is_told(stand_in, lacks, words):
    (stand_in / lacks).unlink()
    done = compiled(stand_in)
    assert done.returncode == 1
    assert words in done.stderr


def test_the_launcher_gets_its_descriptors_and_folder(stand_in):
    """In a shell: answers on stdout, and what the action prints on stderr."""
    (stand_in / "src/Main.cs").write_text("x")
    compiled(stand_in, "A.B::Main")
    done = run(stand_in, stand_in / "built/exec", input=b'{"a":1}\n{"b":2}\n')
    assert done.stdout == b'{"a":1}\n{"b":2}\n'
    assert done.stderr.decode() == f"main=A.B::Main folder={stand_in}/built\n"


def test_what_was_made_starts_in_another_folder(stand_in):
    """As the zip of -compile must."""
    (stand_in / "src/Main.cs").write_text("x")
    compiled(stand_in, "A.B::Main")
    shutil.rmtree(stand_in / "library")
    (stand_in / "built").rename(stand_in / "moved")
    done = run(stand_in, stand_in / "moved/exec", input=b'{"a":1}\n')
    assert done.stdout == b'{"a":1}\n'
    assert done.stderr.decode() == f"main=A.B::Main folder={stand_in}/moved\n"


@needs_dotnet
def test_a_zip_whose_list_of_packages_names_no_target(proxy, assembly):
    """.NET's own reader ends the process over it; the assemblies beside it are found without."""
    one = proxy("--runtime", "dotnet")
    one.started(archives.zipped({"Hello.dll": assembly("Hello", HELLO), "Hello.deps.json": "no json",
                                 "._Hello.dll": "\0", "__MACOSX/._Hello.deps.json": "\0"}),
                main="Hello::Apache.OpenWhisk.Tests.Hello::Main")
    assert one.run({}).json == {"hello": "whisk"}


@needs_dotnet
def test_source_from_a_mac(dotnet):
    dotnet.started(archives.zipped({"Hello.cs": HELLO, "._Hello.cs": "\0", "__MACOSX/._Hello.cs": "\0",
                                    "lib/._x.dll": "\0", "._y.dll": "\0"}))
    assert dotnet.run({}).json == {"hello": "whisk"}
