"""The accelerator of the Python launcher: the same bytes, logs and errors as the launcher without it."""

import json
import os
import random
import shutil
import subprocess
import textwrap

import pytest

from python_launcher import (ACCELERATOR, ECHO, HANG_S, LAUNCHER, PYTHON, accelerate, action, environment, options,
                             shell, start)

__all__ = ["action", "start"]  # fixtures, which pytest finds by their names here

WITHOUT = {"__OW_PYTHON_ACCELERATOR": "0"}


@pytest.fixture(autouse=True)
def accelerated():
    accelerate()
    yield
    del options[:]


def which(env=None, folder=None):
    """What the launcher says about the accelerator."""
    command = [PYTHON, *(["-X", "whiskloop=%s" % folder] if folder else options), str(LAUNCHER), "--help"]
    told = subprocess.run(command, env=environment(env or {}), capture_output=True, text=True, check=True)
    return told.stdout.splitlines()[-1]


def run_bytes(folder, lines, env):
    done = subprocess.run([PYTHON, *options, str(LAUNCHER), str(folder)], input=lines,
                          capture_output=True, env=environment(env), timeout=HANG_S, check=False)
    return done.returncode, done.stdout, done.stderr.decode().splitlines()


def assert_alike(folder, lines):
    """The launcher does the same with these lines, with the accelerator and without."""
    text = b"".join(line if isinstance(line, bytes) else line.encode() + b"\n" for line in lines)
    status, answers, log = run_bytes(folder, text, WITHOUT)
    assert (status, answers.count(b"\n")) == (0, len(lines))
    assert run_bytes(folder, text, {}) == (status, answers, log)
    return answers.splitlines()


def test_the_launcher_tells_which_one_runs():
    assert which().startswith("Accelerator: %s/whiskloop_accelerator." % ACCELERATOR)
    assert which(WITHOUT) == "Accelerator: none, all is done in Python"


@pytest.mark.parametrize("name", [
    "whiskloop_accelerator.cpython-27-x86_64-linux-gnu.so", "whiskloop_accelerator.so", None,
    "raise SystemError('it was built for another Python')", "INTERFACE = 0"])
def test_one_for_another_interpreter_or_a_broken_one_is_not_used(action, start, tmp_path, name):
    folder = tmp_path / "other"
    folder.mkdir()
    if name is not None:
        built = next(ACCELERATOR.glob("whiskloop_accelerator.*.so"))
        if " " in name:
            (folder / "whiskloop_accelerator.py").write_text(name)
        elif name.endswith("accelerator.so"):
            (folder / name).write_text("no module")
        else:
            shutil.copy(built, folder / name)
    assert which(folder=folder) == "Accelerator: none, all is done in Python"
    options[:] = ["-X", "whiskloop=%s" % folder]
    assert start(action(ECHO)).run({"a": 1}) == {"a": 1}


# ---- values ----

TEXTS = ["", "a", "plain", "\"\\/\b\f\n\r\t", "\0\x1f\x7f", "é", "☃", "😀", "a☃\n😀é", "x" * 70, "é" * 300,
         "\u2028", "0123456789abcde\"", "0123456789abcdef\\"]
NUMBERS = ["0", "-0", "7", "-7", "123456789012345678", "1234567890123456789", "9223372036854775808", "1" * 60,
           "0.1", "-0.0", "1.0", "1e5", "1E+5", "1e-7", "1.7976931348623157e308", "5e-324", "2.5e-324", "1e400",
           "1e22", "1e23", "9007199254740993.0", "0.30000000000000004", "123456789.123456789e-12", "1e1000",
           "1e-1000", "1e0001", "0.1e1", "3." + "1" * 60, "4503599627370496.5", "1e12345678901234567890"]
BAD = ["01", "1.", ".5", "-", "+1", "1e", "1e+", "0x1", "NaN", "-Infinity", "tru", "nul", "\"\x01\"", '"\\x"',
       '"\\u12"', '"\\u12g4"', '"open', "[1,]", "[1 2]", "[", "{", '{"a"}', '{"a":}', '{"a":1,}', "{1:2}",
       '{"a" 1}', "]", "}", "[1}", '{"a":1]', "'a'", "[,1]", "\v1", "1 2", '"a" "b"']
SPELLINGS = ['"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00x"', '"\\ud83d\\u0041"', '"\\ud83d\\ud83d\\ude00"',
             '"\\u00e9\\u2603\\u0000"', '"\\/"', ' [ 1 , { "a" : 2 } ] ', '{"a":1,"a":2}', '{"\\u0061":1,"a":3}',
             '{"é":1}', '{"":0}', "[[[]],{},[{}]]", "true", "false", "[null]", '"text"', "[1.5,true,null]"]


def numbers_at_random(rng):
    for _ in range(2000):
        yield rng.choice([
            lambda: repr(rng.uniform(-1e6, 1e6)), lambda: str(rng.randrange(-2**63, 2**64)),
            lambda: "%d.%de%d" % (rng.randrange(100), rng.randrange(10**rng.randrange(1, 20)), rng.randrange(-330, 330)),
            lambda: "%.*g" % (rng.randrange(1, 18), rng.uniform(0, 1) * 10.0**rng.randrange(-30, 30))])()


def test_what_is_read_and_written_is_the_same(action):
    values = [json.dumps(text) for text in TEXTS] + [json.dumps(text, ensure_ascii=False) for text in TEXTS]
    values += ['{%s:[%s]}' % (value, value) for value in values]
    values += NUMBERS + SPELLINGS + BAD + ["[%s]" % value for value in NUMBERS + SPELLINGS + BAD]
    values += ["[" * n + "]" * n for n in (127, 128, 129, 500, 5000)]
    values += ['{"a":' * n + "1" + "}" * n for n in (127, 128, 129, 500)]
    assert_alike(action(ECHO), ['{"value":%s}' % value for value in values])


def test_numbers_are_the_same(action):
    numbers = list(numbers_at_random(random.Random(19)))
    answers = assert_alike(action(ECHO), ['{"value":[%s]}' % number for number in numbers])
    for number, answer in zip(numbers, answers):
        if b"error" not in answer:  # beyond all floats
            assert json.loads(answer) == [json.loads(number)]


@pytest.mark.parametrize("seed", range(3))
def test_lines_that_are_broken_anywhere_are_the_same(action, seed):
    rng = random.Random(seed)
    good = json.dumps({"a": "1", "value": {"text": "a\n☃\"", "list": [1, -2.5e3, True, None, {"b": []}]}, "b": 7},
                      ensure_ascii=seed == 0).encode()
    lines = []
    for _ in range(400):
        line = bytearray(good)
        for _ in range(rng.randrange(1, 3)):
            at = rng.randrange(len(line))
            change = rng.randrange(3)
            if change == 0:
                del line[at:at + rng.randrange(1, 4)]
            elif change == 1:
                line[at:at] = bytes([rng.choice(b'"\\{}[],: 0-e\xff\xc3u')])
            else:
                line[at] = rng.choice(b'"\\{}[],:tn1\x1f\xe2')
        lines.append(bytes(line).replace(b"\n", b" ") + b"\n")
    assert_alike(action(ECHO), lines)


RESULTS = textwrap.dedent("""
    import collections, enum, sys
    class Text(str): pass
    class Number(int):
        def __repr__(self): return "x"
    class Real(float): pass
    class Names(dict): pass
    class Level(enum.IntEnum):
        LOW = 1
    Pair = collections.namedtuple("Pair", "a b")
    cycle = []; cycle.append(cycle)
    ring = {}; ring["a"] = [ring]
    shared = [1]
    class Bad:
        def __init__(self): pass
        def __del__(self): print("gone")
    def nested(n):
        result = []
        for _ in range(n): result = [result]
        return result
    results = [
        {}, [], (), None, True, 7, -1.5, "text", (1, (2,)), {1: 2}, {None: 1, True: 2, 1.5: 3}, {(1,): 2},
        {1, 2}, b"bytes", Bad(), [Bad()], float("nan"), [float("inf")], {"a": -float("inf")}, cycle, ring,
        [shared, shared], Text("text"), {Text("key"): Text("value")}, [Number(3)], [Real(1.5)],
        Names(a=1), collections.OrderedDict(b=1, a=2), collections.defaultdict(int, a=1), Level.LOW, {Level.LOW: 1},
        Pair(1, 2), "\\ud800", {"\\ud800": "é"}, ["é", "\\udfff"], 2**63 - 1, -2**63, 2**63, 10**5000, 1e16, 1e-5,
        123456789.123, "\\x7f\\x80\\u07ff\\u0800\\uffff\\U00010000", nested(127), nested(128), nested(500),
        nested(99999), {"a": {"b": {"c": [1, {"d": ()}]}}}, object, sys, range(3), (x for x in [1]),
        {"error": "sorry"}, {"a\\n\\"\\\\": "\\b\\f\\r\\t\\x00"}]
    def main(args):
        n = args["n"]
        if n == "count":
            return len(results)
        return results[n]
    """)


def test_results_of_any_type_are_the_same(action):
    folder = action(RESULTS)
    (n,) = shell(folder, lines='{"value":{"n":"count"}}\n').answers
    assert_alike(folder, ['{"value":{"n":%d}}' % i for i in range(n)])


JSON_REPLACED = {
    "module": "sys.modules['json'] = types.ModuleType('json')",
    "nothing": "sys.modules['json'] = None",
    "default": "import json; json.JSONEncoder.default = lambda self, o: list(o)",
    "encode": "import json; json.JSONEncoder.encode = lambda self, o: 'mine'; json.encoder.c_make_encoder = None",
    "encoder": "import json; json.JSONEncoder = None; json.encoder.encode_basestring = str.upper",
    "decoder": "import json; json.JSONDecoder = lambda: None; json.scanner.c_make_scanner = None",
    "decode": "import json; json.JSONDecoder.raw_decode = json.JSONDecoder.decode = lambda *_: {}",
    "folder": "os.makedirs('lib/json'); open('lib/json/__init__.py', 'w').close(); sys.path.insert(0, os.path.abspath('lib'))",
    "parts of it": "sys.modules['_json'] = None; sys.modules['json.decoder'] = None; sys.modules['re'] = None"}


@pytest.mark.parametrize("way", ["accelerated", "plain"])
@pytest.mark.parametrize("how", JSON_REPLACED)
def test_code_that_replaces_json_changes_no_answer(action, how, way):
    done = shell(action("import os, sys, types\n%s\n%s" % (JSON_REPLACED[how], textwrap.dedent("""
        def main(args):
            return [args, {1: "one"}] if args.get("n") else {"a": {1}}
        """))), env=WITHOUT if way == "plain" else {}, lines="".join(line + "\n" for line in [
            '{"value":{"n":12345678901234567890,"t":"\\ud800"}}', ' {"value":{"n":1}, "k":1e400} ', "{}", '{"value":{"n":1}}']))
    assert done.answers == [[{"n": 12345678901234567890, "t": "\ud800"}, {"1": "one"}], [{"n": 1}, {"1": "one"}],
                            {"error": "Object of type set is not JSON serializable"}, [{"n": 1}, {"1": "one"}]]


@pytest.mark.parametrize("how", [name for name in JSON_REPLACED if name != "folder"])
def test_code_that_replaces_json_does_the_same_to_lines_that_are_none(action, how):
    assert_alike(action("import os, sys, types\n%s\n%s" % (JSON_REPLACED[how], ECHO)), ["{", "{}", "", "[1}", "{}"])


FAILURES = textwrap.dedent("""
    import sys
    class Mute(Exception):
        def __str__(self): raise TypeError("no words")
    class Base(BaseException): pass
    def chain():
        try:
            1 / 0
        except ZeroDivisionError as problem:
            raise ValueError("second") from problem
    def implicit():
        try:
            {}["a"]
        except KeyError:
            undefined
    def deep(n=0):
        return deep(n + 1)
    def main(args):
        return eval(args["do"])
    """)


def test_failures_and_their_traces_are_the_same(action):
    steps = ["1/0", "chain()", "implicit()", "deep()", "exec('raise Mute()')", "exec('raise Base(7)')",
             "exec('raise GeneratorExit')", "exec('raise StopIteration(1)')", "len()", "print('x', end='')",
             "print('y', file=sys.stderr)", "sys.stdout.write('z') and None", "undefined", "(", "[].pop()"]
    assert_alike(action(FAILURES), [json.dumps({"value": {"do": step}}) for step in steps])


ONCE_MORE = textwrap.dedent("""
    problem = ValueError("one for all")
    def plain(args):
        raise problem
    async def later(args):
        raise problem
    """)


@pytest.mark.parametrize("main", ["plain", "later"])
def test_an_exception_that_is_raised_again_leaves_the_same_trace(action, main):
    folder = action(ONCE_MORE + "main = %s\n" % main)
    assert_alike(folder, ["{}"] * 3)
    assert "whiskloop" not in shell(folder, lines="{}\n" * 3).err


WORDS = textwrap.dedent("""
    import sys
    class Told(Exception):
        def __str__(self):
            return str(sys.exc_info()[0])
    def main(args):
        raise Told(*args)
    """)


def test_an_exception_finds_itself_handled_when_it_is_asked_for_its_text(action):
    answers = assert_alike(action(WORDS), ['{"value":[]}'])
    assert answers == [b'{"error":"<class \'main__.Told\'>"}']


ENDS = textwrap.dedent("""
    class Told:
        def __del__(self):
            print("argument")
    class Result(dict):
        def __del__(self):
            print("result")
    class Text(str):
        def __del__(self):
            print("text")
    def main(args):
        args["told"] = Told()
        return {"a": Text("a")} if args.pop("n") else Result(a=1)
    """)


def test_what_main_leaves_behind_ends_in_the_same_order(action):
    assert_alike(action(ENDS), ['{"value":{"n":0}}', '{"value":{"n":1}}'] * 2)


@pytest.mark.parametrize("code", [
    "def main():\n    return {}\n", "main = len\n", "main = dict\n", "class main:\n    def __init__(self, args): pass\n",
    "async def main(args):\n    return args\n", "async def main(args):\n    return args['missing']\n",
    "import functools\nmain = functools.partial(lambda a, b: [a, b], 1)\n"])
def test_functions_of_any_kind_are_the_same(action, code):
    assert_alike(action(code), ['{"value":{"a":1}}', "{}", '{"value":null}', '{"value":[1,2]}', '{"value":7}'])


# ---- metadata ----

ENVIRONMENT = textwrap.dedent("""
    import os, subprocess
    def main(args):
        exec(args.get("do", ""), globals())
        own = {k: v for k, v in os.environ.items() if k.startswith("__OW_") and "ACCELERATOR" not in k}
        real = subprocess.run(["/usr/bin/env", "-0"], stdout=subprocess.PIPE).stdout.decode(errors="replace")
        return [own, sorted(line for line in real.split("\\0")
                            if line.startswith("__OW_") and "ACCELERATOR" not in line)]
    """)
STEPS = ["", "os.environ['__OW_A']='mine'", "del os.environ['__OW_A']", "os.environ.clear()", "os.environ['OTHER']='1'",
         "os.putenv('__OW_A', 'put')", "os.unsetenv('__OW_A')", "os.environ['__OW_NEW']='1'"]


@pytest.mark.parametrize("last", [
    "", "os.environ = dict(os.environ)", "os.environ = os.environ.copy()",
    "__import__('json').dumps = None", "__import__('json').JSONEncoder.default = lambda s, o: 1",
    "__import__('sys').modules.pop('os')", "import sys; sys.stdout = None", "import sys; sys.stderr = sys.stdout"])
def test_metadata_is_shown_the_same_whatever_the_code_does_to_it(action, last):
    sets = [{"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "12", "b": "x" * 50}, {"b": "1"}, {},
            {"a": 1}, {"a": 12}, {"a": None}, {"a": {"x": [1]}}, {"a": "é"}, {"a": "é"}, {"a": "\n"}, {"a": "1"},
            {"a": "1", "A": "2"}, {"a": "3", "A": "2"}, {"a": "1=2"}, {"a=b": "1", "a": "2"}, {"a": "x" * 5000}, {"a": "1"},
            {"ä": "1"}, {"value ": "1", "a": "1"}, {"k%d" % i: "1" for i in range(40)}, {"a": "1", "b": ""}]
    lines = []
    for step in STEPS + [last]:
        for items in (sets if step == "" else sets[:5]):
            lines.append(json.dumps(dict({"value": {}}, **items)))
            lines.append(json.dumps(dict(items, value={"do": step}), ensure_ascii=False))
    lines += ['{"a":"1","a":"2","value":{}}', '{"value":1,"value":{}}', '{"value":{},"a":"1","value":null}',
              '{"a":12,"value":{}}', '{"a":123,"value":{}}', '{"a":12 ,"value":{}}', '{"\\u0061":"9","value":{}}']
    assert_alike(action(ENVIRONMENT), lines)


def test_the_environment_does_not_grow_with_each_new_value(action, start):
    """The C library keeps every value that setenv() has ever set."""
    child = start(action("""
        def main(args):
            with open("/proc/self/statm") as file:
                return {"pages": int(file.read().split()[1])}
        """))

    def pages_after(numbers):
        for n in numbers:
            child.send(*[{"value": {}, "activation_id": "%0200d" % (n + i)} for i in range(50)])
            answers = [child.answer() for _ in range(50)]
        return answers[-1]["pages"]

    before = pages_after(range(0, 1000, 50))
    assert pages_after(range(1000, 21000, 50)) - before < 200  # 20,000 of 200 bytes are 1000 pages


def test_100000_metadata_keys_are_answered(action, start):
    child = start(action(ECHO))
    keys = {"k%d" % i: "v" for i in range(100000)}
    assert child.run({"a": 1}, **keys) == {"a": 1}
    assert child.run({"a": 2}) == {"a": 2}


# ---- the world ----


@pytest.mark.parametrize("how", [
    "sys.modules['os'] = None", "sys.modules['sys'] = None", "sys.modules['os'] = object()", "del sys.modules['os']",
    "builtins.__import__ = lambda name, *others: exec('raise ImportError(name)')"])
def test_code_that_forbids_to_import_is_served(action, how):
    answers = assert_alike(action("import builtins, os, sys\n%s\n%s" % (how, textwrap.dedent('''
        def main(args):
            return [args, os.environ.get("__OW_A")]
        '''))), ['{"value":{"n":1},"a":"1"}', '{"value":{"n":2},"a":"2"}'])
    assert answers == [b'[{"n":1},"1"]', b'[{"n":2},"2"]']


def test_an_answer_of_50_megabytes_arrives(action, start):
    child = start(action("def main(args):\n    return {'x': 'é' * (25 << 20)}\n"))
    child.send("{}")
    assert len(child.process.stdout.readline()) == (50 << 20) + len('{"x":""}\n')


def test_a_thread_runs_while_the_launcher_waits(action, start):
    child = start(action("""
        import threading
        turns = []
        def work():
            while True:
                turns.append(1)
                threading.Event().wait(0.001)
        threading.Thread(target=work, daemon=True).start()
        def main(args):
            return {"turns": len(turns)}
        """))
    first = child.run()["turns"]
    while child.run()["turns"] < first + 3:
        pass


def test_a_signal_that_the_code_handles_does_not_end_the_launcher(action, start):
    child = start(action("""
        import signal
        seen = []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
        signal.signal(signal.SIGALRM, lambda *_: seen.append(2))
        def main(args):
            if "alarm" in args:
                signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            return {"seen": len(seen)}
        """))
    assert child.run() == {"seen": 0}
    os.kill(child.process.pid, 10)
    while child.run()["seen"] == 0:
        pass
    child.run({"alarm": 1})
    before = child.run()["seen"]
    while child.run()["seen"] <= before:
        pass


def test_a_signal_that_comes_behind_the_function_is_handled_before_the_next_line(action, start):
    child = start(action("""
        import ctypes, signal, sys, weakref
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        class Number:  # what the weak reference gives is itself
            from_param = classmethod(lambda cls, reference: ctypes.c_int(signal.SIGTERM))
        class Result(dict):
            pass
        send = ctypes.CDLL(None)["raise"]
        send.argtypes = [Number]
        def main(args):
            result = Result(a=1)
            main.kept = weakref.ref(result, send)  # no line of Python runs behind this call
            return result
        """))
    assert child.run() == {"a": 1}
    assert child.process.wait() == 7 and not child.hung


def test_serve_is_the_launchers_alone(action, start):
    child = start(action("""
        import whiskloop_accelerator
        def main(args):
            whiskloop_accelerator.serve(0, 1, main, 0, 0, 0, 0, 0, 0)
        """))
    assert "at work" in child.run()["error"]


@pytest.mark.parametrize("env,used", [({}, True), ({"__OW_PYTHON_ACCELERATOR": "0"}, False)])
def test_the_proxys_environment_decides(proxy, env, used):
    """By who calls the function: serve() in Python, if what it calls is in C."""
    one = proxy("--runtime", "python", "--prelaunch", 0, env=env)
    one.started("""
import sys
def main(args):
    return {"caller": sys._getframe(1).f_code.co_name}
""")
    assert one.run({}).json == {"caller": "serve" if used else "activate"}
