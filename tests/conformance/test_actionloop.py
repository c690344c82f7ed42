"""What the suites of the ActionLoop base image and of the Go proxy ask for, over HTTP."""

import struct

import pytest

import archives
import puppet
import samples
from whisk import assert_error

NATIVE = ("--runtime", "native")
ALONE = ("--workers", 1)  # where the log tells of each process that was started
ACK = {"OW_WAIT_FOR_ACK": "1"}
NOT_STARTED = "cannot start action: command exited"

GREET_BY_NAME = """#!/bin/bash
while read -r line; do
    name=$(jq -r .value.name <<<"$line")
    echo "name=$name"
    echo "{\\"KEY\\":\\"Hello, $name\\"}" >&3
done
"""


def greeting(key):
    return GREET_BY_NAME.replace("KEY", key)


def test_TG1_init_that_does_nothing(proxy):
    """T-G1: init {} is refused, and so is the run after it."""
    one = proxy(*NATIVE)
    assert one.post("/init", {}).status == 403
    assert one.post("/run", {}).status == 500


def test_TG2_deploy_a_shell_script(proxy):
    """T-G2: a shell script that arrives as base64 of its source."""
    one = proxy(*NATIVE)
    one.started(greeting("main").encode())
    answer = one.run({"name": "Demo"})
    assert (answer.status, answer.json) == (200, {"main": "Hello, Demo"})


def test_TG3_deploy_a_zip_with_a_script(proxy):
    """T-G3: a zip whose member is called exec, with and without Unix modes."""
    for modes in ({"exec": archives.EXECUTABLE}, None):
        one = proxy(*NATIVE)
        one.started(archives.zipped({"exec": greeting("exec")}, modes))
        answer = one.run({"name": "Demo"})
        assert (answer.status, answer.json) == (200, {"exec": "Hello, Demo"})


def test_TG8_array_as_result(proxy, kind):
    """T-G8: support return array result."""
    one = proxy(*kind.options)
    one.started(kind["array_result"])
    answer = one.post("/run", {})
    assert (answer.status, answer.json) == (200, ["a", "b"])
    assert one.check_streams(1) == ("", "")


def test_TG9_array_as_input(proxy, kind):
    """T-G9: support array as input param."""
    one = proxy(*kind.options)
    one.started(kind["echo"])
    answer = one.run(["a", "b"])
    assert (answer.status, answer.json) == (200, ["a", "b"])


def test_TU1_answers_before_any_code(proxy):
    """T-U1: empty and broken bodies to /init and /run of a fresh proxy."""
    one = proxy(*NATIVE)
    assert one.post("/init", b"{value: {code: \"\"}}").status == 400
    assert_error(one.post("/init", {}), 403, "Missing main/no code to execute.")
    assert_error(one.post("/init", b"XXX"), 400, "Error unmarshaling request: "
                 "invalid character 'X' looking for beginning of value")
    assert_error(one.post("/run", {}), 500, "no action defined yet")
    assert_error(one.post("/run", b"XXX"), 500, "no action defined yet")
    one.check_streams(0)


@pytest.mark.parametrize("main", ["main", "", "greet"])
@pytest.mark.parametrize("packed", [False, True], ids=["bare", "zipped"])
def test_TU2_binary_init(proxy, compiled, packed, main):
    """T-U2: an ELF executable, bare and in a zip, whatever main says."""
    code = compiled(samples.GREET_C)
    one = proxy(*NATIVE)
    assert_error(one.run({"name": "Mike"}), 500, "no action defined yet")
    one.started(archives.zipped({"exec": code}) if packed else code, main=main)
    answer = one.run({"name": "Mike"})
    assert (answer.status, answer.body) == (200, b'{"message":"Hello, Mike!"}')
    assert one.check_streams(1) == ("name=Mike", "")


def test_TU3_shell_script(proxy):
    """T-U3: a resident shell script; the blank in its answer arrives."""
    one = proxy(*NATIVE)
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).body == b'{"hello": "Mike"}'
    assert one.run({"name": "world"}).body == b'{"hello": "world"}'
    assert one.log_parts() == ["msg=hello Mike\n", "msg=hello world\n"]
    assert one.check_streams(2)[1] == ""


def test_TU3_shell_script_under_the_python_runtime(proxy):
    """T-U3: a script is native whatever runtime takes source text."""
    one = proxy("--runtime", "python")
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).body == b'{"hello": "Mike"}'


@pytest.mark.parametrize("bad, log", [
    (None, ""),
    ("#!/bin/bash\necho hi\n", "hi"),
], ids=["elf-that-exits", "script-that-says-hi"])
def test_TU5_bad_init(proxy, compiled, bad, log):
    """T-U5: what does not stay up fails its init without sentinels, and may be replaced."""
    one = proxy(*NATIVE, *ALONE)
    assert_error(one.post("/init", {}), 403, "Missing main/no code to execute.")
    code = compiled("int main(void)\n{\n    return 0;\n}\n") if bad is None else bad
    assert_error(one.init(code), 502, NOT_STARTED)
    assert_error(one.run({"name": "Mike"}), 500, "no action defined yet")
    assert one.check_streams(0) == (log, "")
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).body == b'{"hello": "Mike"}'


def test_TU6_zip_of_a_folder(proxy):
    """T-U6: a zip with exec and a folder beside it, found from the script's own place."""
    files = {"exec": "#!/bin/bash\ncd \"$(dirname \"$0\")\"\n"
                     "exec /usr/bin/python3 -u lib/loop.py\n",
             "lib/loop.py": "import sys, json, greet\nfor line in sys.stdin:\n"
                            "    name = json.loads(line)['value']['name']\n"
                            "    open('/dev/fd/3', 'w').write(greet.text(name) + '\\n')\n",
             "lib/greet.py": "def text(name):\n    return '{\"python\": \"Hello, %s\"}' % name\n"}
    one = proxy(*NATIVE)
    one.started(archives.zipped(files))
    assert one.run({"name": "Mike"}).body == b'{"python": "Hello, Mike"}'
    assert one.run({"name": "World"}).body == b'{"python": "Hello, World"}'
    one.check_streams(2)


def test_TU12_init_environment_of_every_type(proxy):
    """T-U12: strings as they are, the rest as compact JSON."""
    env = {"s": "string", "n": 123, "a": [1, 2, 3], "o": {"a": 1, "b": 2}, "t": True, "z": None}
    wanted = {"s": "string", "n": "123", "a": "[1,2,3]", "o": '{"a":1,"b":2}', "t": "true",
              "z": "null"}
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["one_variable"], env=env)
    assert {name: one.run({"name": name}).json["value"] for name in env} == wanted


@pytest.mark.parametrize("code", [
    b"#!/bin/true\n", b"#!/bin/pwd\n", b"#!/no/such/interpreter\n",
    b"root:x:0:0:root:/root:/bin/sh\n",
], ids=["true", "pwd", "no-interpreter", "text"])
def test_TU15_executables_that_fail(proxy, code):
    """T-U15: programs that exit at once, and files that are none."""
    one = proxy(*NATIVE)
    assert_error(one.init(code), 502, NOT_STARTED)


def windows_program(characteristics=0x22, magic=0x20b, clr=0):
    """The headers of a file in the PE format. clr: how large its part for .NET is."""
    dirs = b"\0" * 14 * 8 + struct.pack("<QQ", clr << 32, 0)
    optional = struct.pack("<H", magic) + b"\0" * (110 if magic == 0x20b else 94) + dirs
    return b"MZ" + b"\0" * 58 + struct.pack("<I", 128) + b"\0" * 64 + b"PE\0\0" + \
        struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, len(optional), characteristics) + optional + b"\0" * 600


@pytest.mark.parametrize("runtime", ["python", "nodejs", "dotnet"])
@pytest.mark.parametrize("code, system", [(b"\xcf\xfa\xed\xfe\x07\0\0\x01" + b"\0" * 100, "macOS"), (windows_program(), "Windows"),
                                          (windows_program(magic=0x10b), "Windows")], ids=["macos", "windows", "windows-32"])
def test_a_program_for_another_system_is_no_source_of_the_runtime(proxy, runtime, code, system):
    """What `go build` makes on a Mac or on Windows, published as it is."""
    one = proxy("--runtime", runtime, "--prelaunch=0")
    assert_error(one.init(code), 502, NOT_STARTED)
    assert one.check_streams(1) == ("", f'"exec" is a program for {system}: build it for Linux')


@pytest.mark.parametrize("code", [windows_program(0x2022), windows_program(clr=72), windows_program(magic=0x10b, clr=72)],
                         ids=["library", "assembly", "assembly-32"])
def test_an_assembly_is_no_program_for_windows(proxy, code):
    """It goes to the runtime, as source does; .NET's takes it."""
    one = proxy("--runtime", "nodejs", "--prelaunch=0")
    assert one.init(code).status == 502
    assert "Windows" not in one.err_text()


@pytest.mark.parametrize("code, env, why", [
    (b"#!/bin/bash\r\necho x\r\n", None, "ends with a carriage return"),
    (b"#!/no/such/interpreter -x\n", None, 'names the interpreter "/no/such/interpreter"'),
    (b"#!/tmp\n", None, 'names the interpreter "/tmp", which cannot be started: Permission denied'),
    (b"#!/etc/passwd/sh\n", None, 'names the interpreter "/etc/passwd/sh", which cannot be started: Not a dir'),
    (b"#!  \necho x\n", None, 'names no interpreter behind "#!"'),
    (b"echo '{}'\n", None, 'neither a program for this system nor a script that begins with "#!"'),
    (b"\xcf\xfa\xed\xfe\x07\0\0\x01" + b"\0" * 100, None, "a program for macOS"),
    (b"MZ" + b"\0" * 100, None, "a program for Windows"),
    (b"\xef\xbb\xbf#!/bin/sh\n", None, "byte order mark"),
    (b"#!/bin/sh\n", {"LONG": "x" * 200000}, "a variable may have 131071 bytes"),
], ids=["crlf", "interpreter", "folder", "below-file", "none", "text", "macos", "windows", "bom", "environment"])
def test_why_a_program_cannot_be_run_is_in_its_log(proxy, code, env, why):
    """T-U5 and contract 9: the reply is the one that suites compare. What never ran has said nothing
    itself: the action's log says what is wrong, and ends."""
    one = proxy(*NATIVE)
    archive = archives.zipped({"exec": code}, {"exec": archives.EXECUTABLE})
    assert_error(one.init(archive, env=env), 502, NOT_STARTED)
    out, err = one.check_streams(1)
    assert out == "" and why in err
    one.started("#!/bin/bash\nwhile read -r line; do echo '{\"a\":1}'; done\n")
    assert one.run({}).json == {"a": 1}


def test_TU16_bc(proxy):
    """T-U16: a calculator's bare number is no dictionary, and does no harm."""
    one = proxy(*NATIVE)
    one.started("#!/bin/bash\nwhile read -r line; do"
                " jq -r .value.sum <<<\"$line\" | bc -q >&3; done\n")
    for _ in range(2):
        answer = one.run({"sum": "2+2"})
        assert_error(answer, 502, "The action did not return a dictionary or array.")
    assert one.check_streams(2) == ("", "")


@pytest.mark.parametrize("env", [{}, ACK], ids=["hello", "helloack"])
def test_TU17_hello_with_and_without_acknowledgement(proxy, env):
    """T-U17: the same script under both ways of starting."""
    one = proxy(*NATIVE, env=env)
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).body == b'{"hello": "Mike"}'
    assert one.check_streams(1) == ("msg=hello Mike", "")


def test_TU18_init_environment_is_visible(proxy):
    """T-U18: TEST_HELLO and TEST_HI reach the executable."""
    one = proxy(*NATIVE)
    one.started("#!/bin/bash\nwhile read -r line; do"
                " echo \"{\\\"both\\\":\\\"$TEST_HELLO $TEST_HI\\\"}\" >&3; done\n",
                env={"TEST_HELLO": "WORLD", "TEST_HI": "ALL"})
    assert one.run({}).json == {"both": "WORLD ALL"}


def test_TU19_exit_before_the_acknowledgement(proxy):
    """T-U19: a process that says hi and exits instead of acknowledging."""
    one = proxy(*NATIVE, *ALONE, env=ACK)
    answer = one.init("#!/bin/bash\necho hi\n")
    assert_error(answer, 502,
                 "cannot start action: Command exited abruptly during initialization.")
    assert one.check_streams(0) == ("hi", "")


@pytest.mark.parametrize("ack, why", [
    ("bad ack", "invalid character 'b' looking for beginning of value"),
    ("{}", "The action did not initialize properly."),
    ('{"ok":false}', "The action did not initialize properly."),
])
def test_TU20_TU21_bad_acknowledgement(proxy, ack, why):
    """T-U20, T-U21: an acknowledgement that is no JSON, or does not say ok."""
    one = proxy(*NATIVE, env=ACK)
    answer = one.init(f"#!/bin/bash\necho '{ack}' >&3\nexec sleep 1000000\n")
    assert_error(answer, 502, f"cannot start action: {why}")
    one.check_streams(0)
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).body == b'{"hello": "Mike"}'


def test_TV9_acknowledgement_that_never_comes(proxy):
    """T-V9: init without ack for ever is answered by its deadline, and may be repeated."""
    one = proxy(*NATIVE, "--init-timeout", 400, env=ACK)
    answer = one.init("#!/bin/bash\nexec sleep 1000000\n")
    assert answer.status == 502, answer
    assert "400" in answer.error, "the error names the bound"
    one.check_streams(0)


def test_TV21_acknowledgement_nobody_asked_for(proxy):
    """T-V21: a Go-style unconditional ack is not taken for the first answer."""
    one = proxy(*NATIVE)
    one.started(puppet.CODE, env={"PUPPET_FIRST": '{ "ok": true}'})
    for number in range(3):
        text = f'{{"number":{number}}}'
        assert one.run(puppet.steps(puppet.answer(text))).body == text.encode()


def test_the_four_descriptors_are_pipes_and_no_other_is_open(proxy):
    """Contract 0.10 and T-L1: launchers reopen 0 to 3 by path; nothing of the proxy leaks."""
    one = proxy(*NATIVE)
    one.started(puppet.CODE)
    answer = one.run(puppet.steps(puppet.descriptors()))
    assert sorted(answer.json) == ["0", "1", "2", "3"]
    assert all(target.startswith("pipe:") for target in answer.json.values()), answer.json
    assert len(set(answer.json.values())) == 4
    assert one.run(puppet.steps(puppet.reopened('{"by":"path"}'))).json == {"by": "path"}


@pytest.mark.parametrize("env", [{}, {"__OW_X": "a=b=c"}], ids=["container", "init"])
def test_TV12_values_with_equal_signs_arrive_whole(proxy, kind, env):
    """T-V12: __OW_X=a=b=c from the container, and a longer one from /init instead of it."""
    one = proxy(*kind.options, env={"__OW_X": "a=b=c"})
    wanted = "user:pass=with=eq==" if env else "a=b=c"
    one.started(kind["one_variable"], env={"__OW_X": wanted} if env else None)
    assert one.run({"name": "__OW_X"}).json == {"value": wanted}


def test_settings_of_the_proxy_stay_with_it(proxy, kind):
    """The proxy's own settings are not in the action's environment, PATH is."""
    one = proxy(*kind.options, env={"WHISKLOOP_QUEUE_MAX": "7"})
    one.started(kind["one_variable"])
    assert not one.run({"name": "WHISKLOOP_QUEUE_MAX"}).json["value"]
    assert "/bin" in one.run({"name": "PATH"}).json["value"]


def test_version_folders_count_up(proxy, folder):
    """Contract 2.3: N is the highest number in the folder plus one; a failed N is removed."""
    home = folder / "actions"
    (home / "7" / "bin").mkdir(parents=True)
    one = proxy(*NATIVE, "--action-dir", home)
    assert one.init("#!/bin/false\n").status == 502
    one.started(samples.GREET_SHELL)
    assert one.run({"name": "Mike"}).status == 200
    (new,) = [path for path in home.iterdir() if path.name not in ("7", "8")]
    assert new.name == "9"
    assert (new / "bin" / "exec").read_text() == samples.GREET_SHELL
    assert not (new / "src").exists()
