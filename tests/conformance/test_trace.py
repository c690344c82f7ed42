"""Headers that tell whose request it is: into the action's line and environment, and back."""

import json

import pytest

import puppet
from whisk import wait_until

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LINE = "#!/bin/bash\nwhile IFS= read -r line; do printf '%s\\n' \"$line\"; done\n"
ENVIRONMENT = """
import os

NAMES = ("TRACEPARENT", "TRACESTATE", "TRANSACTION_ID")

def main(args):
    return {name: os.environ.get("__OW_" + name) for name in NAMES}
"""


@pytest.fixture
def echo(proxy):
    """A proxy whose action answers with the very line that it got."""
    one = proxy("--runtime", "native")
    one.started(LINE)
    return one


def ask(one, body=b'{"value":{}}', *headers):
    return one.request("POST", "/run", body, headers)


# --- in and back --------------------------------------------------------------------------------


def test_a_request_without_such_headers(echo):
    """Nothing is added to the line, nothing to the reply."""
    reply = ask(echo)
    assert reply.body == b'{"value":{}}'
    for name in ("traceparent", "tracestate", "x-request-id"):
        assert name not in reply.headers


def test_all_three(echo):
    """Members of the line's top level, and the same headers in the reply."""
    reply = ask(echo, b'{"value":{"a":1},"deadline":"1"}', f"Traceparent: {PARENT}",
                "TraceState: vendor=a b,other@x=1", "X-Request-ID: 0123-abc/~")
    assert reply.json == {"value": {"a": 1}, "deadline": "1", "traceparent": PARENT,
                          "tracestate": "vendor=a b,other@x=1", "transaction_id": "0123-abc/~"}
    assert reply.headers["traceparent"] == PARENT
    assert reply.headers["tracestate"] == "vendor=a b,other@x=1"
    assert reply.headers["x-request-id"] == "0123-abc/~"


def test_the_environment_of_one_activation(proxy):
    """__OW_TRACEPARENT and the others, in the activation that they came with and no later one."""
    one = proxy("--runtime", "python")
    one.started(ENVIRONMENT)
    nothing = {"TRACEPARENT": None, "TRACESTATE": None, "TRANSACTION_ID": None}
    assert ask(one).json == nothing
    assert ask(one, b"{}", f"traceparent: {PARENT}", "tracestate: a=1", "x-request-id: t1").json \
        == {"TRACEPARENT": PARENT, "TRACESTATE": "a=1", "TRANSACTION_ID": "t1"}
    assert ask(one).json == nothing
    assert one.run({}, transaction_id="body").json == {**nothing, "TRANSACTION_ID": "body"}


@pytest.mark.parametrize("body", [b"{}", b"null", b" \r\n { \n } \n", b"\t null "],
                         ids=["empty", "null", "blanks", "null-blanks"])
def test_bodies_without_members(echo, body):
    """Where nothing follows there is no comma."""
    reply = ask(echo, body, f"traceparent: {PARENT}", "x-request-id: t1")
    assert reply.json == {"traceparent": PARENT, "transaction_id": "t1"}
    assert ask(echo, body).json == {}


def test_a_body_with_blanks_and_lines(echo):
    """Leading blanks and newlines do not get in the way; it stays one line."""
    reply = ask(echo, b'\n\n { "value" :\n\n{"a"\r\n:1}\n}\n', f"traceparent: {PARENT}")
    assert reply.json == {"value": {"a": 1}, "traceparent": PARENT}


def test_a_large_body(echo):
    """The value of a megabyte arrives whole; the headers are read before it has come."""
    value = {"a": "x" * (1 << 20)}
    reply = ask(echo, json.dumps({"value": value}).encode(), f"traceparent: {PARENT}",
                "x-request-id: " + "t" * 128)
    assert reply.json == {"value": value, "traceparent": PARENT, "transaction_id": "t" * 128}
    assert reply.headers["traceparent"] == PARENT


def test_a_body_in_chunks(echo):
    """The same with a body of unknown length."""
    with echo.connect() as stream:
        stream.send(f"POST /run HTTP/1.1\r\nHost: x\r\ntraceparent: {PARENT}\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n".encode())
        stream.send(b'2\r\n{}\r\n0\r\n\r\n')
        reply = stream.answer()
    assert reply.json == {"traceparent": PARENT}
    assert reply.headers["traceparent"] == PARENT


def test_requests_behind_each_other_on_one_connection(echo):
    """Each has its own headers, however soon the next one follows."""
    with echo.connect() as stream:
        for number in range(20):
            headers = f"x-request-id: t{number}\r\n" if number % 2 else ""
            stream.send(f"POST /run HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 2\r\n\r\n{{}}"
                        .encode())
        for number in range(20):
            reply = stream.answer()
            if number % 2:
                assert reply.json == {"transaction_id": f"t{number}"}
                assert reply.headers["x-request-id"] == f"t{number}"
            else:
                assert reply.json == {} and "x-request-id" not in reply.headers


# --- what the body says itself ------------------------------------------------------------------


def test_the_bodys_own_members_win(echo):
    """A member that the body has is not added; the client gets its header back all the same."""
    body = {"traceparent": "own", "transaction_id": "own"}
    reply = ask(echo, json.dumps(body).encode(), f"traceparent: {PARENT}", "tracestate: a=1",
                "x-request-id: t1")
    assert reply.body == json.dumps(body).encode(), "nor is a state without its parent"
    assert reply.headers["traceparent"] == PARENT and reply.headers["x-request-id"] == "t1"


def test_a_member_of_that_name_with_escapes(echo):
    """Also when its name is spelt with escapes; one inside the value does not count."""
    reply = ask(echo, b'{"trace\\u0070arent":"own","value":{"transaction_id":1}}',
                f"traceparent: {PARENT}", "x-request-id: t1")
    assert reply.json == {"traceparent": "own", "value": {"transaction_id": 1},
                          "transaction_id": "t1"}
    assert reply.body.count(b"parent") == 0 and reply.body.count(b"\\u0070arent") == 1


# --- what is not taken --------------------------------------------------------------------------


def test_a_traceparent_that_is_none(echo):
    """It is as if it, and its state, had not come."""
    for parent in ("", "00", PARENT[:-1], PARENT + "0", PARENT + "-x", PARENT.upper(), PARENT.replace("-", "_"),
                   "01" + PARENT[2:], "ff" + PARENT[2:], PARENT.replace("4bf92f", "4bg92f"),
                   "00-" + "0" * 32 + "-00f067aa0ba902b7-01", PARENT.replace("00f067aa0ba902b7", "0" * 16),
                   PARENT[:3] + '"' + PARENT[4:], "0" * 55, "-" * 55):
        reply = ask(echo, b"{}", f"traceparent: {parent}", "tracestate: a=1")
        assert reply.body == b"{}", parent
        assert "traceparent" not in reply.headers and "tracestate" not in reply.headers, parent


@pytest.mark.parametrize("name", ["x-request-id", "tracestate"])
def test_texts_that_would_not_be_safe(echo, name):
    """Quotes, backslashes, controls, beyond ASCII, too long: not taken, and no fault."""
    for text in ("", 'a"b', "a\\b", "caf\u00e9", "a\tb", "a\x7fb", "x" * 513):
        with echo.connect() as stream:
            stream.send(f"POST /run HTTP/1.1\r\nHost: x\r\ntraceparent: {PARENT}\r\n{name}: {text}\r\n"
                        "Content-Length: 2\r\n\r\n{}".encode())
            reply = stream.answer()
        if reply.status == 400:  # libh2o does not take such bytes in a header
            assert "\x7f" in text
            continue
        assert reply.json == {"traceparent": PARENT}, text
        assert name not in reply.headers, text


@pytest.mark.parametrize("name,member,most", [("x-request-id", "transaction_id", 128),
                                              ("tracestate", "tracestate", 512)])
def test_the_longest_text(echo, name, member, most):
    """One of the bound is taken, one more is not."""
    for n in (most - 1, most, most + 1):
        reply = ask(echo, b"{}", f"traceparent: {PARENT}", f"{name}: {'x' * n}")
        assert reply.json.get(member) == ("x" * n if n <= most else None)
        assert reply.headers.get(name) == ("x" * n if n <= most else None)


def test_blanks_are_no_part_of_an_id(echo):
    """A blank within ends nothing and begins nothing: not taken. Blanks around do not count."""
    assert ask(echo, b"{}", "x-request-id: a b").body == b"{}"
    assert ask(echo, b"{}", "x-request-id: \t ab \t ").json == {"transaction_id": "ab"}
    assert ask(echo, b"{}", f"traceparent:   {PARENT}  ").json == {"traceparent": PARENT}


def test_a_header_that_comes_twice(echo):
    """Which one is meant cannot be told: none."""
    for times in (2, 3):
        reply = ask(echo, b"{}", *[f"traceparent: {PARENT}"] * times, "x-request-id: t1")
        assert reply.json == {"transaction_id": "t1"}
        assert "traceparent" not in reply.headers


# --- other replies, and the log -----------------------------------------------------------------


def test_replies_that_tell_of_failures_carry_them(proxy):
    """Before an /init, with a broken body, and when the action dies."""
    one = proxy("--runtime", "native", "--answers", "fd3")
    headers = (f"traceparent: {PARENT}", "x-request-id: t1")
    replies = [(500, ask(one, b"{}", *headers))]
    one.started(puppet.CODE)
    body = json.dumps({"value": puppet.steps(puppet.die())}).encode()
    replies += [(400, ask(one, b"{broken", *headers)), (400, ask(one, body, *headers))]
    for status, reply in replies:
        assert reply.status == status
        assert reply.headers["traceparent"] == PARENT and reply.headers["x-request-id"] == "t1"


def test_the_proxys_own_log_tells_them(proxy, folder):
    """The transaction and the trace of an activation that died."""
    log = folder / "own.log"
    one = proxy("--runtime", "native", "--answers", "fd3", "--log-file", log, "--log-format", "json")
    one.started(puppet.CODE)
    ask(one, json.dumps({"value": puppet.steps(puppet.die())}).encode(), f"traceparent: {PARENT}",
        "x-request-id: t1")
    wait_until(lambda: "activation.end" in log.read_text(), "the end in the log")
    ended = [json.loads(line) for line in log.read_text().splitlines() if "activation.end" in line]
    assert [(event["transaction_id"], event["traceparent"]) for event in ended] == [("t1", PARENT)]
