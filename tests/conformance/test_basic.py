"""The basic suite that every OpenWhisk runtime must pass, for Python code and for shell actions."""

import json

import pytest

from whisk import assert_error

NO_CODE = "Missing main/no code to execute."
LARGE = 1048561  # characters: with quotes, name and braces as much as fits into the client's limit
CLIENT_LIMIT_BYTES = 1048576


def test_TB1_init_with_no_code_is_refused(proxy, kind):
    """T-B1: handle initialization with no code."""
    one = proxy(*kind.options)
    assert_error(one.init("", main=""), 403, NO_CODE)


def test_TB2_init_with_no_content_is_refused(proxy, kind):
    """T-B2: handle initialization with no content."""
    one = proxy(*kind.options)
    assert_error(one.post("/init", {}), 403, NO_CODE)


def test_TB3_answer_that_is_no_object_is_an_error(proxy, kind):
    """T-B3: function not returning a json object."""
    one = proxy(*kind.options)
    one.started(kind["no_dictionary"])
    answer = one.post("/run", {})
    assert_error(answer, 502, "The action did not return a dictionary or array.")
    assert one.check_streams(1) == ("", "")


def test_TB4_second_init_is_refused(proxy, kind):
    """T-B4: fail to initialize a second time."""
    text = "Cannot initialize the action more than once."
    one = proxy(*kind.options)
    one.started(kind["echo"])
    assert_error(one.init(kind["echo"]), 403, text)
    out, err = one.check_streams(0)
    assert text in out + err


def test_TB5_entry_point_of_another_name(proxy, kind):
    """T-B5: invoke non-standard entry point."""
    one = proxy(*kind.options)
    one.started(kind["niam"], main="niam")
    answer = one.run({"string": "hello"})
    assert (answer.status, answer.json) == (200, {"string": "hello"})
    assert one.check_streams(1) == ("", "")


def test_TB6_echo_arguments_and_print_message(proxy, kind):
    """T-B6: echo arguments and print message to stdout/stderr."""
    one = proxy(*kind.options)
    one.started(kind["echo_and_print"])
    for value in ({"string": "hello"}, {"string": "❄ ☃ ❄"}, {"numbers": [42, 1]},
                  {"object": {"a": "A"}}):
        answer = one.run(value)
        assert (answer.status, answer.json) == (200, value)
    out, err = one.check_streams(4)
    assert out.count("hello stdout") == 4
    assert err.count("hello stderr") == 4


def test_TB7_unicode_in_source_parameters_log_and_result(proxy, kind):
    """T-B7: unicode in source, input params, logs, and result."""
    one = proxy(*kind.options)
    one.started(kind["unicode"])
    answer = one.run({"delimiter": "❄"})
    assert answer.json["winter"] == "❄ ☃ ❄"
    assert "❄ ☃ ❄" in one.check_streams(1)[0].lower()


def test_TB8_environment_is_there_before_the_code_loads(proxy, kind):
    """T-B8: export environment variables before initialization."""
    one = proxy(*kind.options)
    one.started(kind["environment_at_load"], env={"SOME_VAR": "xyz", "ANOTHER_VAR": ""})
    answer = one.run({})
    assert answer.status == 200
    assert answer.json == {"SOME_VAR": "xyz", "ANOTHER_VAR": ""}
    assert one.check_streams(1) == ("", "")


def test_TB9_metadata_reaches_the_action(proxy, kind):
    """T-B9: confirm expected environment variables."""
    meta = {"api_key": "abc", "namespace": "zzz", "action_name": "xxx", "action_version": "0.0.1",
            "activation_id": "iii", "deadline": "123"}
    one = proxy(*kind.options, env={"__OW_API_HOST": "xyz"})
    one.started(kind["metadata"])
    answer = one.run({}, **meta)
    assert answer.status == 200, answer
    assert answer.json == {"api_host": "xyz", **meta}
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("env", [None, {}])
def test_TB10_init_without_environment_is_accepted(proxy, kind, env):
    """T-B10: init env absent, null or empty."""
    one = proxy(*kind.options)
    one.started(kind["echo"], env=env)
    assert one.run({"a": 1}).json == {"a": 1}


def test_TB10_init_with_nothing_but_code_is_accepted(proxy, kind):
    """T-B10: no member but code, and every optional one null."""
    for value in ({"code": kind["echo"]},
                  {"code": kind["echo"], "main": None, "binary": None, "env": None, "name": None}):
        one = proxy(*kind.options)
        assert one.post("/init", {"value": value}).body == b'{"ok":true}\n'
        assert one.run({"a": 1}).json == {"a": 1}


def test_TB11_echo_of_a_large_input_fits_the_clients_limit(proxy, kind):
    """T-B11: echo a large input; the proxy may add nothing that matters to its length."""
    one = proxy(*kind.options)
    one.started(kind["echo"])
    value = {"arg": "a" * LARGE}
    answer = one.run(value)
    assert answer.status == 200
    assert answer.json == value
    assert len(answer.body) <= CLIENT_LIMIT_BYTES
    one.check_streams(1)


def test_answers_pass_byte_for_byte(proxy):
    """Contract 0.8: answer bytes are forwarded as they are, without the line's newline."""
    text = '{ "b" : 1.50, "a":\t"\\u00e9\\/é", "b":12345678901234567890123e400 }'
    one = proxy("--runtime", "native")
    one.started("#!/bin/bash\nwhile read -r line; do printf '%s\\n' '" + text + "' >&3; done\n")
    answer = one.run({})
    assert answer.body == text.encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(text.encode()))


def test_action_gets_the_whole_body_on_one_line(proxy):
    """Contract 2.1: newlines outside strings vanish, everything else arrives as it was sent."""
    one = proxy("--runtime", "native")
    one.started("#!/bin/bash\nwhile read -r line; do printf '%s\\n' \"$line\" >&3; done\n")
    value = {"text": "two\nlines \\ \" ❄", "list": [1, {"a": None}]}
    body = json.dumps({"value": value, "activation_id": "x1"}, indent=2).replace("\n", "\r\n")
    answer = one.post("/run", body.encode())
    assert (answer.status, answer.json) == (200, {"value": value, "activation_id": "x1"})
