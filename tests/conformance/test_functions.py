"""Several functions of one file by name, in every language that has them."""

import json
import os
import subprocess

import pytest

from languages import language
from whisk import PROGRAM, WAIT_S

CODES = {
    "python": "def predict(args):\n    return {'predict': args}\n"
              "def train(args):\n    return {'train': args}\n",
    "nodejs": "function predict(args) { return { predict: args }; }\n"
              "const train = async (args) => ({ train: args });\n",
    "ruby": "def predict(args) = { predict: args }\ndef train(args) = { train: args }\n",
    "php": "<?php\nfunction predict($args) { return ['predict' => $args]; }\n"
           "function train($args) { return ['train' => $args]; }\n",
    "perl": "sub predict { return { predict => $_[0] } }\nsub train { return { train => $_[0] } }\n1;\n",
    "c": "#include <whisk_action.h>\n"
         "int predict(struct whisk *w) { return whisk_add_value(w, \"predict\", whisk_argument(w)); }\n"
         "int train(struct whisk *w) { return whisk_add_value(w, \"train\", whisk_argument(w)); }\n",
    "go": "package main\ntype object = map[string]interface{}\n"
          'func Predict(args object) object { return object{"predict": args} }\n'
          'func Train(args object) object { return object{"train": args} }\n',
    "java": "import com.google.gson.JsonObject;\npublic class Main {\n"
            "    static JsonObject answer(String name, JsonObject args) {\n"
            "        JsonObject answer = new JsonObject();\n        answer.add(name, args);\n"
            "        return answer;\n    }\n"
            "    public static JsonObject predict(JsonObject args) { return answer(\"predict\", args); }\n"
            "    public static JsonObject train(JsonObject args) { return answer(\"train\", args); }\n}\n",
    "dotnet": "using System.Text.Json;\npublic static class Program {\n"
              "    public static object predict(JsonElement args) => new { predict = args };\n"
              "    public static object train(JsonElement args) => new { train = args };\n}\n",
    "lua": "function predict(args) return { predict = args } end\n"
           "function train(args) return { train = args } end\n",
    "shell": 'predict() { answer "{\\"predict\\":$1}"; }\ntrain() { answer "{\\"train\\":$1}"; }\n',
}
ALONE = {"java": "Main#train", "dotnet": "Program::train"}  # where a name alone is a class
SLOW = ("go", "java", "dotnet")  # to compile
NOT_FOUND = "method not found: "


@pytest.fixture(params=sorted(CODES))
def row(request):
    return language(request.param)


def test_the_method_of_a_request_chooses(proxy, row):
    one = proxy(*row.options, env=row.env)
    one.started(CODES[row.name], main="predict, train")
    assert one.run({"a": 1}).json == {"predict": {"a": 1}}
    assert one.run({"a": 1}, method="train").json == {"train": {"a": 1}}
    assert one.run({"a": 1}, method="predict").json == {"predict": {"a": 1}}
    assert one.run({"a": 1}, method=None).json == {"predict": {"a": 1}}
    for method in ("other", "", "predict,train", 3, ["train"], {"a": 1}, False):
        answer = one.run({"a": 1}, method=method)
        assert answer.error.startswith(NOT_FOUND), (method, answer)
        assert answer.error.endswith("; want predict, train")
    assert one.run({"a": 1}, method="train").json == {"train": {"a": 1}}


KEEPERS = {  # functions put and get of one file, with one variable between them
    "python": "kept = {}\ndef put(args):\n    kept.update(args)\n    return {}\ndef get(args):\n    return kept\n",
    "nodejs": "const kept = {};\nfunction put(args) { Object.assign(kept, args); }\nfunction get() { return kept; }\n",
    "ruby": "$kept = {}\ndef put(args)\n    $kept.update(args)\n    {}\nend\ndef get(args) = $kept\n",
    "php": "<?php\n$kept = [];\nfunction put($args) { $GLOBALS['kept'] = $args; return []; }\n"
           "function get($args) { return $GLOBALS['kept']; }\n",
    "perl": "our $kept = {};\nsub put { $kept = $_[0]; return {} }\nsub get { return $kept }\n1;\n",
    "java": "import com.google.gson.JsonObject;\npublic class Main {\n"
            "    static JsonObject kept = new JsonObject();\n"
            "    public static JsonObject put(JsonObject args) { kept = args; return new JsonObject(); }\n"
            "    public static JsonObject get(JsonObject args) { return kept; }\n}\n",
    "dotnet": "using System.Collections.Generic;\nusing System.Text.Json;\npublic static class Program {\n"
              "    static object kept = new { };\n"
              "    public static object put(JsonElement args) { kept = args.Clone(); return new { }; }\n"
              "    public static object get(JsonElement args) => kept;\n}\n",
    "go": "package main\ntype object = map[string]interface{}\nvar kept = object{}\n"
          "func Put(args object) object { kept = args; return object{} }\n"
          "func Get(args object) object { return kept }\n",
    "lua": "local kept = {}\nfunction put(args) kept = args return {} end\nfunction get(args) return kept end\n",
}


@pytest.mark.parametrize("name", sorted(KEEPERS))
def test_the_functions_of_one_file_share_its_variables(proxy, name):
    row = language(name)
    one = proxy(*row.options, env=row.env)
    one.started(KEEPERS[name], main="put,get")
    assert one.run({"a": 1}, method="put").status == 200
    assert one.run({}, method="get").json == {"a": 1}


def test_one_function_takes_method_for_metadata(proxy, row):
    one = proxy(*row.options, env=row.env)
    one.started(CODES[row.name], main=ALONE.get(row.name, "train"))
    assert one.run({"a": 1}, method="predict").json == {"train": {"a": 1}}


def test_a_function_that_is_not_there(proxy, row):
    one = proxy(*row.options, env=row.env)
    assert one.init(CODES[row.name], main="predict,nothing").status == 502
    assert "nothing" in "".join(one.check_streams(1)).lower()  # Go exports it as Nothing
    if row.name not in SLOW:
        for main in ("nothing,predict", "predict,", ",train", ",", "predict,,train", "predict train,train"):
            assert one.init(CODES[row.name], main=main).status == 502, main
    one.started(CODES[row.name], main="predict,train")


def test_the_option_functions(row, folder):
    (folder / "code").write_text(CODES[row.name])
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **row.env}
    lines = "".join(json.dumps({"value": {}, **more}) + "\n" for more in
                    ({}, {"method": "train"}, {"method": "no"}, {"method": "predict"}))
    done = subprocess.run([PROGRAM, "pipe", *row.options, "--functions", "predict,train", "code"],
                          input=lines, env=env, cwd=folder, capture_output=True, text=True,
                          timeout=WAIT_S)
    nothing = [] if row.name == "php" else {}  # PHP has one type for both
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())
    assert (first, second, fourth) == ({"predict": nothing}, {"train": nothing}, {"predict": nothing})
    assert third["error"].startswith(NOT_FOUND)


@pytest.mark.parametrize("command", ["pipe", "invoke"])
def test_the_option_functions_names_one_that_is_not_there(folder, command):
    (folder / "two.py").write_text(CODES["python"])
    words = ["{}"] if command == "invoke" else []
    done = subprocess.run([PROGRAM, command, "--functions", "predict,nothing", "two.py", *words],
                          input='{"method":"predict"}\n', cwd=folder, capture_output=True, text=True,
                          timeout=WAIT_S)
    assert done.returncode != 0 and "predict" not in done.stdout
    assert "function 'nothing' was not found in two.py" in done.stderr
