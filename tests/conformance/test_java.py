"""The Java runtime: T-J of the catalogue, as far as the table of languages does not have it."""

import io
import json
import os
import subprocess
import zipfile

import pytest

import archives
from languages import JAVA, JAVA_ANSWER, JAVA_FILES, JAVA_GIVE, JAVA_MAIN, ROWS
from test_languages import CANNOT_START, NOT_BUILT, RUNTIMES
from whisk import PROGRAM, WAIT_S, assert_error

ROW = next(row for row in ROWS if row.name == "java")
pytestmark = pytest.mark.skipif(ROW.missing() is not None, reason=str(ROW.missing()))

HELLO = JAVA_MAIN.replace("public class Main", "public class HelloWhisk") + JAVA_ANSWER + \
    '        answer.addProperty("hello", "whisk");\n' + JAVA_GIVE
IN_PACKAGE = "package example;\n" + HELLO


@pytest.fixture
def java(proxy):
    return proxy("--runtime", "java")


@pytest.fixture
def classes(folder):
    """classes({name: source}) -> {path: bytes} of the classes that javac makes."""
    def make(sources):
        place = folder / "made"
        for name, text in sources.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        out = folder / "classes"
        subprocess.run(["javac", "-d", out, "-cp", *ROW.also, *(place / name for name in sources)],
                       timeout=WAIT_S, check=True)
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.class")}
    return make


@pytest.mark.parametrize("code, main", [
    (HELLO, "HelloWhisk"), (HELLO, "HelloWhisk#main"), (HELLO, "HelloWhisk#"), (HELLO, ""),
    (HELLO, "main"), (IN_PACKAGE, "example.HelloWhisk"), (IN_PACKAGE, ""),
    (HELLO.replace("main(", "greet("), "HelloWhisk#greet"),
], ids=["class", "method", "hash", "unnamed", "default", "package", "unnamed-package", "other"])
def test_source_of_any_class(java, code, main):
    """The name of the only file need not be the class's."""
    java.started(code, main=main)
    assert java.run({}).json == {"hello": "whisk"}
    assert java.check_streams(1) == ("", "")


@pytest.mark.parametrize("suffix, error", [
    ("x", "java.lang.ClassNotFoundException: example.HelloWhiskx"),
    ("!", "java.lang.ClassNotFoundException: example.HelloWhisk!"),
    ("#bogus", "java.lang.NoSuchMethodException: example.HelloWhisk.bogus"),
    (".", "java.lang.ClassNotFoundException: example.HelloWhisk."),
])
def test_TJ1_a_main_that_is_not_there(java, suffix, error):
    """T-J1: init 502 and the exception's text, in the reply and in the log."""
    answer = java.init(IN_PACKAGE, main="example.HelloWhisk" + suffix)
    assert answer.status == 502
    assert answer.json["error"].startswith('Exception in thread "main" ' + error)
    assert java.check_streams(1)[1].startswith('Exception in thread "main" ' + error)


@pytest.mark.parametrize("signature, found", [
    ("public static void main(String[] a)", "public static void Hi3.main(java.lang.String[])"),
    ("public static java.util.Map<String, Object> main(java.util.Map<String, Object> a)",
     "public static java.util.Map<java.lang.String, java.lang.Object> "
     "Hi3.main(java.util.Map<java.lang.String, java.lang.Object>)"),
    ("static com.google.gson.JsonObject main(com.google.gson.JsonObject a)",
     "static com.google.gson.JsonObject Hi3.main(com.google.gson.JsonObject)"),
])
@pytest.mark.parametrize("main", ["main", "Hi3"])
def test_a_method_that_takes_something_else_is_named_with_what_is_wanted(java, signature, found, main):
    result = "" if " void " in signature else "return null;"
    assert java.init(f"public class Hi3 {{ {signature} {{ {result} }} }}", main=main).status == 502
    said = java.check_streams(1)[1]
    assert said.startswith('Exception in thread "main" java.lang.NoSuchMethodException: '
                           "Hi3.main(com.google.gson.JsonObject), public and static")
    assert found in said


def test_classes_among_which_nobody_chose_are_named(java):
    text = "".join(f"class {name} {{ public static void main(String[] a) {{ }} }}\n" for name in ("A1", "B2"))
    assert java.init(text, main="main").status == 502
    said = java.check_streams(1)[1]
    assert "java.lang.ClassNotFoundException: Main" in said and "A1" in said and "B2" in said


def test_classes_without_a_main_are_named(java):
    text = "public class Hi4 { public static Object handle(Object o) { return o; } }\nclass Rest { }\n"
    assert java.init(text, main="main").status == 502
    said = java.check_streams(1)[1]
    assert said == ('Exception in thread "main" java.lang.ClassNotFoundException: Main; '
                    "no class has a method main; there are: Hi4, Rest")


@pytest.mark.parametrize("where", ["", "lib/", "nested.jar"])
def test_a_jar_needs_no_manifest(java, classes, where):
    """As Apache's JarBuilder makes them, and on a Mac: also in another archive."""
    files = classes({"HelloWhisk.java": IN_PACKAGE})
    files = {**files, "__MACOSX/._x.class": "\0", "._x.jar": "\0", "__MACOSX/lib/._y.jar": "\0"}
    if where:
        files = {(where if "/" not in where else where + "a.jar"): archives.zipped(files),
                 "._b.jar": "\0", "lib/._c.jar": "\0"}
    java.started(archives.zipped(files), main="example.HelloWhisk")
    assert java.run({}).json == {"hello": "whisk"}


@pytest.mark.parametrize("manifest, said", [
    ("Multi-Release: true\r\n", "newer"), ("Multi-Release: false\n", "base"), ("\nMulti-Release: true\n", "base"), ("", "base")])
def test_a_jar_of_several_releases_has_the_classes_for_this_java(java, classes, manifest, said):
    """As in Apache's runtime, where the jar stays a jar; no Java takes what is for a later one."""
    source = JAVA_MAIN + JAVA_ANSWER + '        answer.addProperty("is", Release.IS());\n' + JAVA_GIVE
    release = 'public class Release { public static String IS() { return "%s"; } }'
    files = classes({"Main.java": source, "Release.java": release % "base"})
    for number, text in ((9, "newer"), (99, "later")):
        files[f"META-INF/versions/{number}/Release.class"] = classes({"Release.java": release % text})["Release.class"]
    files["META-INF/versions/9/words.txt"] = "newer"
    java.started(archives.zipped({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n" + manifest, **files}))
    assert java.run({}).json == {"is": said}


def test_a_jar_with_sources_in_it_is_not_compiled(java, classes):
    """As Eclipse exports it, or `jar cf` of a folder with both; what the sources need need not be there."""
    source = IN_PACKAGE.replace(";\n", ";\nimport lombok.Data;\n", 1)
    java.started(archives.zipped({**classes({"HelloWhisk.java": IN_PACKAGE}), "META-INF/MANIFEST.MF": "",
                                  "example/HelloWhisk.java": source}), main="example.HelloWhisk")
    assert java.run({}).json == {"hello": "whisk"}
    assert java.check_streams(1) == ("", "")


def test_a_jar_of_sources_is_compiled(java):
    java.started(archives.zipped({"META-INF/MANIFEST.MF": "", "HelloWhisk.java": HELLO}), main="HelloWhisk")
    assert java.run({}).json == {"hello": "whisk"}


def test_a_jar_with_a_source_that_has_no_class_is_compiled(java, classes):
    """As `jar cf a.jar Main.java com` makes it of a source and the classes that it needs."""
    helper = "package com;\npublic class Helper { public static String name() { return \"whisk\"; } }\n"
    source = HELLO.replace('"whisk"', "com.Helper.name()")
    assert source != HELLO
    java.started(archives.zipped({**classes({"com/Helper.java": helper}), "META-INF/MANIFEST.MF": "",
                                  "HelloWhisk.java": source}), main="HelloWhisk")
    assert java.run({}).json == {"hello": "whisk"}


@pytest.mark.parametrize("main", ["a b", "a'b", "../a", "a\nb"])
def test_names_that_cannot_be_a_class(java, main):
    assert_error(java.init(HELLO, main=main), 502, NOT_BUILT)
    assert "is no name of a Java class" in java.check_streams(1)[1]


@pytest.mark.parametrize("kind", ["sources", "jar"])
def test_a_data_file_is_opened_by_its_name(java, classes, kind):
    source = JAVA_MAIN + JAVA_ANSWER + \
        '        answer.addProperty("read", new BufferedReader(new FileReader("data/a.txt")).readLine());\n' + JAVA_GIVE
    files = {"Main.java": source}
    files = files if kind == "sources" else {**classes(files), "META-INF/MANIFEST.MF": ""}
    java.started(archives.zipped({**files, "data/a.txt": "é"}))
    assert java.run({}).json == {"read": "é"}


def test_TJ2_a_zip_that_is_no_jar(java):
    """T-J2: valid zip that is not a jar: init fails."""
    assert java.init(archives.zipped({"hello.txt": "hello"})).status == 502
    assert "Zip file does not include Main.java" in java.check_streams(1)[1]


@pytest.mark.parametrize("how", ["System.exit(1);", "Thread t = new Thread(() -> System.exit(1)); "
                                 "t.start(); t.join();"])
def test_TJ2_system_exit_is_answered(java, how):
    """T-J2: body has `error`, log(1) contains `system.exit`; the next one runs."""
    java.started(JAVA_MAIN + f'        if (args.getAsJsonObject().has("exit")) {{ {how} }}\n'
                 "        return args;\n    }\n}\n")
    for n in (1, 3):
        answer = java.run({"exit": 1})
        assert (answer.status, answer.json) == (200, {"error": "the action called System.exit"})
        assert java.run({"a": n}).json == {"a": n}
        assert "system.exit" in java.check_streams(n + 1)[1]


def test_TJ2_null_is_an_error(java):
    """T-J2: null result: error, log contains `the action returned null`."""
    java.started(JAVA_MAIN + "        return null;\n    }\n}\n")
    assert java.run({}).json == {"error": "the action returned null"}
    assert "the action returned null" in java.check_streams(1)[1]


def test_TJ2_the_class_loader_of_the_thread_is_the_actions(java):
    """T-J2: what looks for classes and resources by the thread's loader finds the action's."""
    java.started(archives.zipped({
        "Main.java": JAVA_MAIN + JAVA_ANSWER + """
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        answer.addProperty("same", loader.loadClass("Main") == Main.class);
        answer.addProperty("word", new String(loader.getResourceAsStream("word").readAllBytes()));
""" + JAVA_GIVE, "word": "hello"}))
    assert java.run({}).json == {"same": True, "word": "hello"}


def test_the_class_loader_of_the_system_finds_the_actions_classes(java, classes):
    """
    As in Apache's runtime. Threads of the common pool, such as those of parallel streams, have no
    other class loader.
    """
    made = classes({"beside/Beside.java": "package beside; public class Beside {}",
                    "inlib/InLib.java": "package inlib; public class InLib {}"})
    java.started(archives.zipped({
        "Main.java": JAVA_MAIN + JAVA_ANSWER + """
        ClassLoader loader = ClassLoader.getSystemClassLoader();
        answer.addProperty("same", loader.loadClass("Main") == Main.class);
        answer.addProperty("beside", loader.loadClass("beside.Beside").getName());
        answer.addProperty("in lib", loader.loadClass("inlib.InLib").getName());
        answer.addProperty("words", java.util.Collections.list(loader.getResources("word")).size());
""" + JAVA_GIVE, "word": "hello",
        "a jar.jar": archives.zipped({"beside/Beside.class": made["beside/Beside.class"]}),
        "lib/b.jar": archives.zipped({"inlib/InLib.class": made["inlib/InLib.class"]})}))
    assert java.run({}).json == {"same": True, "beside": "beside.Beside", "in lib": "inlib.InLib", "words": 1}
    assert java.check_streams(1) == ("", "")


def test_TJ2_arrays_have_a_method_of_their_own(java):
    """T-J2: array in and out, and objects still work after an array (L3)."""
    java.started("""import com.google.gson.*;
class Main {
    public static JsonObject main(JsonObject args) { return args; }
    public static JsonArray main(JsonArray args) { args.add("more"); return args; }
}""")
    assert java.run({"a": 1}).json == {"a": 1}
    assert java.run([1]).json == [1, "more"]
    assert java.run({"a": 2}).json == {"a": 2}


def test_an_array_without_a_method_for_it_is_an_error(java):
    java.started(JAVA_MAIN.replace("JsonElement args", "JsonObject args") +
                 "        return args;\n    }\n}\n")
    assert "NoSuchMethodException" in java.run([1]).json["error"]
    assert java.run({"a": 2}).json == {"a": 2}


@pytest.mark.parametrize("thrown, text", [
    ('new IllegalStateException("no such country: é")', "no such country: é"),
    ('new RuntimeException("outer", new java.io.IOException("inner"))', "outer"),
    ("new NullPointerException()", "java.lang.NullPointerException"),
    ('new RuntimeException() { public String getMessage() { throw new RuntimeException(); } }', "Main$1"),
])
def test_an_exception_is_answered_by_its_message_as_in_apaches_runtime(java, thrown, text):
    """By its class only where it has no message."""
    java.started(JAVA_MAIN + f"        throw {thrown};\n    }}\n}}\n")
    answer = java.run({})
    assert (answer.status, answer.json) == (200, {"error": text})
    assert text == "Main$1" or text in java.check_streams(1)[1]


def test_a_jar(java, classes):
    """Taken as it is; nothing is compiled, and the class is the one that /init names."""
    java.started(archives.zipped({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n",
                                  **classes({"Main.java": JAVA_FILES["Main.java"],
                                             "words/Words.java": JAVA_FILES["words/Words.java"]})}))
    assert java.run({"name": "Mike"}).json == {"greeting": "Hello, Mike!"}


def test_a_jar_is_known_by_its_manifest(proxy, classes):
    one = proxy()
    one.started(archives.zipped({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n",
                                 **classes({"HelloWhisk.java": IN_PACKAGE})}),
                main="example.HelloWhisk")
    assert one.run({}).json == {"hello": "whisk"}


def test_a_class(java, classes):
    (code,) = classes({"HelloWhisk.java": IN_PACKAGE}).values()
    java.started(code, main="example.HelloWhisk")
    assert java.run({}).json == {"hello": "whisk"}


def test_source_with_a_jar_beside_it(java, classes):
    made = classes({"words/Words.java": JAVA_FILES["words/Words.java"]})
    java.started(archives.zipped({"Main.java": JAVA_FILES["Main.java"],
                                  "lib/words.jar": archives.zipped(made)}))
    assert java.run({"name": "Mike"}).json == {"greeting": "Hello, Mike!"}


def test_an_error_names_the_class_and_line(java):
    assert_error(java.init(HELLO.replace("return answer", "return nothing"), main="HelloWhisk"),
                 502, NOT_BUILT)
    assert "Main.java:7: error:" in java.check_streams(1)[1]


def test_deep_recursion_ends_one_activation(java):
    java.started(JAVA_MAIN + '        if (args.getAsJsonObject().has("deep")) return main(args);\n'
                 "        return args;\n    }\n}\n")
    assert "StackOverflowError" in java.run({"deep": 1}).json["error"]
    assert java.run({"a": 1}).json == {"a": 1}


def test_one_virtual_machine_stays(java):
    java.started(JAVA_MAIN + JAVA_ANSWER +
                 '        answer.addProperty("pid", ProcessHandle.current().pid());\n' + JAVA_GIVE)
    pids = {java.run({}).json["pid"] for _ in range(20)}
    assert len(pids) == 1
    assert os.path.exists(f"/proc/{pids.pop()}")


def test_a_static_part_that_fails(java):
    assert_error(java.init(JAVA["fails_at_load"]), 502, CANNOT_START)
    assert "nooooo" in java.check_streams(1)[1]


def test_what_compile_makes_starts_in_any_folder(folder, proxy):
    """-compile's zip: published, and unpacked by hand. The folder in which it was made is gone."""
    done = subprocess.run([PROGRAM, "--runtime", "java", "-compile", "main"], input=JAVA["echo"].encode(),
                          capture_output=True, timeout=WAIT_S, check=True, cwd=folder,
                          env={**os.environ, "TMPDIR": str(folder)})
    one = proxy()
    one.started(done.stdout)
    assert one.run({"a": 1}).json == {"a": 1}
    place = folder / "a place"
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(place)
        for entry in archive.infolist():
            (place / entry.filename).chmod(entry.external_attr >> 16 & 0o777 or 0o755)
    done = subprocess.run([place / "exec"], input=b'{"value":{"a":2}}\n', capture_output=True, timeout=WAIT_S,
                          cwd="/", env={"PATH": "/usr/bin:/bin"}, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"a": 2}), done.stderr


def test_the_launcher_refuses_to_start_without_a_descriptor_for_answers(folder):
    """Java would open its own library as descriptor 3, and overwrite it. So no java is in the PATH here."""
    done = subprocess.run(["/bin/sh", RUNTIMES / "java" / "launch.sh", "classes", folder, "Main"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, check=False,
                          env={"PATH": "", "__OW_WAIT_FOR_ACK": "1"})
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"descriptor 3 is closed" in done.stderr
