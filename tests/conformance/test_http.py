"""The HTTP side: paths, methods, framing, bounds, and bodies that are not what they should be."""

import json
import time

import pytest

import puppet
import samples
from watch import Watched, assert_says
from whisk import assert_error, wait_until
from wire import request_bytes

BAD_RUN = "Error unmarshaling request: "
ECHO = samples.PYTHON_CODES["echo"]

NOT_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "word": b"XXX",
    "truncated object": b'{"value":{"a":1',
    "truncated string": b'{"value":{"a":"b',
    "truncated escape": b'{"value":{"a":"\\u12',
    "truncated literal": b'{"value":nul',
    "two documents": b'{"value":{}}{"value":{}}',
    "trailing word": b'{"value":{}} x',
    "single quotes": b"{'value':{}}",
    "trailing comma": b'{"value":{},}',
    "comment": b'{"value":{}/* no */}',
    "raw newline in a string": b'{"value":{"a":"x\ny"}}',
    "NUL byte": b'{"value":{}}\0',
    "not UTF-8": b'{"value":{"a":"\xff"}}',
    "overlong UTF-8": b'{"value":{"a":"\xc0\xaf"}}',
    "surrogate in UTF-8": b'{"value":{"a":"\xed\xa0\x80"}}',
    "byte order mark": b'\xef\xbb\xbf{"value":{}}',
    "NaN": b'{"value":{"a":NaN}}',
    "leading zero": b'{"value":{"a":01}}',
    "nested 20,000 deep": b'{"value":' + b"[" * 20000 + b"]" * 20000 + b"}",
    "20,000 opened": b"[" * 20000,
}


@pytest.fixture
def echo(proxy):
    """A proxy that runs the echo action in Python."""
    one = proxy("--runtime", "python")
    one.started(ECHO)
    return one


def test_broken_run_bodies_are_refused_and_harm_nobody(echo):
    """Every broken body gets 400 with a reason, the action sees none of them."""
    for name, body in NOT_JSON.items():
        answer = echo.post("/run", body)
        assert answer.status == 400, (name, answer)
        assert answer.error.startswith(BAD_RUN), (name, answer)
        assert len(answer.error) > len(BAD_RUN), (name, answer)
    assert echo.run({"still": "here"}).json == {"still": "here"}


def test_broken_init_bodies_are_refused_and_init_still_works(proxy):
    """The same bodies to /init; then a good one is accepted."""
    one = proxy("--runtime", "python")
    for name, body in NOT_JSON.items():
        answer = one.post("/init", body)
        assert answer.status == 400, (name, answer)
        assert answer.error.startswith(BAD_RUN), (name, answer)
    one.started(ECHO)
    assert one.run({"still": "here"}).json == {"still": "here"}


def test_run_body_that_is_neither_object_nor_null(echo):
    """The top level of a /run body is an object or null."""
    for body in (b"[]", b"1", b'"x"', b"true", b"[{}]"):
        assert_error(echo.post("/run", body), 400, BAD_RUN + "the body must be a JSON object")


def test_run_bodies_that_are_accepted(echo):
    """Contract 0.6: missing and null values stand for no arguments."""
    for body, wanted in ((b"{}", {}), (b"null", {}), (b'{"value":null}', {}), (b'{"value":{}}', {}),
                         (b'{"value":[]}', []), (b' {"value" : {"a" : 1} } \n', {"a": 1}),
                         (b'{"activation_id":"x","value":{"value":1}}', {"value": 1})):
        answer = echo.post("/run", body)
        assert (answer.status, answer.json) == (200, wanted), body


def test_init_members_of_the_wrong_type(proxy):
    """A member of the wrong type is a bad request, not a crash."""
    one = proxy("--runtime", "python")
    for value in ({"code": 5}, {"code": ["x"]}, {"code": "x", "main": 5}, {"code": "x", "env": []},
                  {"code": "x", "env": "A=B"}, {"code": "x", "env": {"A=B": "c"}},
                  {"code": "x", "env": {"": "c"}}, {"code": "x", "env": {"A": "nul \0 inside"}},
                  {"code": "x", "main": "nul \0 inside"}, [], "code"):
        answer = one.post("/init", {"value": value})
        assert answer.status == 400 and answer.error, (value, answer)
    one.check_streams(0)
    one.started(ECHO)


def test_init_without_code(proxy):
    """Whatever says nothing gets the same refusal."""
    one = proxy()
    for body in (b"{}", b"null", b'{"value":null}', b'{"value":{}}', b'{"value":{"code":null}}',
                 b'{"value":{"code":"","main":"main"}}', b'{"value":{"code":" \\n ","binary":true}}'):
        assert_error(one.post("/init", body), 403, "Missing main/no code to execute.")


def test_bad_base64(proxy):
    """Code that says it is base64 and is none. Blanks count for nothing, and mend nothing."""
    one = proxy("--runtime", "python")
    for code in ("####", "QUJ", "QUJD=", "QU=D", "=QUJ", "QUJD\tQUJ", "QUJD\0QUJD", "❄❄❄❄", "QUJDR==="):
        answer = one.init(code, binary=True)
        assert answer.status == 400, (code, answer)
        assert answer.error.startswith("cannot decode the request: illegal base64 data at input byte "), code
    one.started(ECHO)


@pytest.mark.parametrize("path", ["/run/../init", "/run/%2e%2e/init", "/run/..%2finit", "/run/x/../../init",
                                  "/./init", "/%69nit", "/init/../run", "/run/."])
def test_a_path_that_only_leads_to_another_is_unknown(echo, path):
    """Whoever lets in what begins with /run, before us, lets in no /init by that."""
    answer = echo.post(path, {"value": {}})
    assert answer.status == 404, answer


def test_TV18_unknown_paths(echo):
    """T-V18: a path that is not served gets 404, also when it begins like one that is."""
    for path in ("/", "/foo", "/runx", "/run/", "/run/sub", "/RUN", "/init/", "/initx"):
        answer = echo.post(path, {})
        assert answer.status == 404, (path, answer)
        assert answer.error and answer.headers["Content-Type"] == "application/json"


def test_TV18_wrong_methods(echo):
    """T-V18: only POST; the answer names it, and HEAD brings no body."""
    for path in ("/run", "/init"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = echo.request(method, path, b"")
            assert answer.status == 405, (method, path, answer)
            assert answer.headers["Allow"] == "POST"
            assert answer.headers["Content-Type"] == "application/json"
            assert method == "HEAD" or answer.error


def test_TV18_connection_is_usable_after_head(echo):
    """T-V18: no body follows the answer to HEAD, so the next answer stands where it should."""
    with echo.connect() as stream:
        stream.send(request_bytes("/run", b"", "HEAD"))
        assert stream.answer("HEAD").status == 405
        stream.send(request_bytes("/run", b'{"value":{"a":1}}'))
        assert stream.answer().json == {"a": 1}


def test_TV18_chunked_request(echo):
    """T-V18: a request body in chunks."""
    with echo.connect() as stream:
        stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b'9\r\n{"value":\r\n8;note=1\r\n{"a":1}}\r\n0\r\n\r\n')
        assert stream.answer().json == {"a": 1}


def test_TV18_expect_continue(echo):
    """T-V18: Expect: 100-continue is answered before the body is sent."""
    body = b'{"value":{"a":1}}'
    with echo.connect() as stream:
        stream.send(request_bytes("/run", body, headers=["Expect: 100-continue"])[:-len(body)])
        assert stream.status_line()[0] == 100
        stream.send(body)
        assert stream.answer().json == {"a": 1}


def test_TV18_pipelined_requests(echo):
    """T-V18: requests sent in one go are answered in their order."""
    with echo.connect() as stream:
        stream.send(b"".join(request_bytes("/run", b'{"value":{"n":%d}}' % n) for n in range(20)))
        assert [stream.answer().json["n"] for _ in range(20)] == list(range(20))


def test_connections_are_kept(echo):
    """Contract 1.2: a pooled client asks again on the same connection, errors in between or not."""
    with echo.connect() as stream:
        for body, status in ((b'{"value":{}}', 200), (b"XXX", 400), (b'{"value":{}}', 200)):
            stream.send(request_bytes("/run", body))
            assert stream.answer().status == status


def test_request_that_arrives_byte_by_byte(echo):
    """A slow client's request is one request."""
    with echo.connect() as stream:
        for byte in request_bytes("/run", b'{"value":{"a":1}}'):
            stream.send(bytes([byte]))
        assert stream.answer().json == {"a": 1}


def test_health_probe_is_silent(proxy):
    """Contract 1.2: connecting and closing is the platform's ping; no log line, no sentinel."""
    one = proxy("--runtime", "python")
    for _ in range(20):
        one.connect().close()
    assert one.post("/run", {}).status == 500
    assert one.logs() == (b"", b"")


@pytest.mark.parametrize("noise", [
    b"\0\1\2\3\r\n\r\n", b"HELO there\r\n\r\n", b"POST /run HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"POST /run HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"A" * 500000,
], ids=["binary", "smtp", "bad-length", "500-headers", "http2", "long-line"])
def test_noise_instead_of_http(echo, noise):
    """What is no HTTP is dropped or refused; the next client is served."""
    with echo.connect() as stream:
        try:
            stream.send(noise)
            stream.socket.shutdown(1)
            stream.file.read()
        except OSError:
            pass  # the proxy may close, or reset, at any point of it
    assert echo.run({"a": 1}).json == {"a": 1}


def run_body(length):
    frame = b'{"value":{"a":""}}'
    return frame[:-3] + b"a" * (length - len(frame)) + frame[-3:]


def init_body(length):
    body = json.dumps({"value": {"code": ECHO + "#"}}).encode()
    at = body.index(b"#")
    return body[:at] + b"#" * (length - len(body) + 1) + body[at + 1:]


def test_run_body_bound(proxy):
    """A /run body of the bound passes, one byte more is refused with the bound's name and value."""
    one = proxy("--runtime", "python", "--run-max-bytes", 1000)
    one.started(ECHO)
    for length in (999, 1000):
        assert one.post("/run", run_body(length)).status == 200
    for length in (1001, 5000, 3000000):
        answer = one.post("/run", run_body(length))
        assert answer.status == 413, (length, answer)
        assert "1000" in answer.error and "run-max-bytes" in answer.error
    assert one.run({"a": 1}).json == {"a": 1}


def test_init_body_bound(proxy):
    """The same for /init, whose bound is its own."""
    one = proxy("--runtime", "python", "--init-max-bytes", 2000, "--run-max-bytes", 100)
    for length in (2001, 3000000):
        answer = one.post("/init", init_body(length))
        assert answer.status == 413, (length, answer)
        assert "2000" in answer.error and "init-max-bytes" in answer.error
    assert one.post("/init", init_body(2000)).status == 200
    assert one.run({"a": 1}).json == {"a": 1}


def test_bound_below_that_of_the_other_path(proxy):
    """A /run bound above the /init bound holds as well."""
    one = proxy("--runtime", "python", "--init-max-bytes", 2000, "--run-max-bytes", 4000)
    assert one.post("/init", init_body(2001)).status == 413
    assert one.post("/init", init_body(1999)).status == 200
    assert one.post("/run", run_body(4000)).status == 200
    assert one.post("/run", run_body(4001)).status == 413


def test_oversized_chunked_body(proxy):
    """A body that does not state its length is held to the same bound."""
    one = proxy("--runtime", "python", "--run-max-bytes", 1000)
    one.started(ECHO)
    with one.connect() as stream:
        chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
        stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + chunk * 4 + b"0\r\n\r\n")
        assert stream.answer().status == 413
    assert one.run({"a": 1}).json == {"a": 1}


@pytest.mark.parametrize("length, status", [(999, 200), (1000, 200), (1001, 413)])
@pytest.mark.parametrize("n_chunk", [1, 500, 2000])
def test_chunked_body_bound(proxy, length, status, n_chunk):
    """The bound of a body in chunks is that of any other, whatever the chunks."""
    one = proxy("--runtime", "python", "--run-max-bytes", 1000)
    one.started(ECHO)
    body = run_body(length)
    chunks = [body[at:at + n_chunk] for at in range(0, length, n_chunk)]
    with one.connect() as stream:
        stream.send(b"POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                    b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n")
        assert stream.answer().status == status


def test_settings_come_from_the_environment_too(proxy):
    """WHISKLOOP_RUN_MAX_BYTES is --run-max-bytes; the option wins."""
    env = {"WHISKLOOP_RUN_MAX_BYTES": "1000", "WHISKLOOP_RUNTIME": "python"}
    for options, status in ((), 413), (("--run-max-bytes", 2000), 200):
        one = proxy(*options, env=env)
        one.started(ECHO)
        assert one.post("/run", run_body(1500)).status == status


def test_TV14_long_error_states_its_length(proxy):
    """T-V14: an error of more than 2 KB carries Content-Length, or the platform drops it."""
    one = proxy("--runtime", "python")
    one.started("def main(args):\n    raise ValueError('x' * 5000)\n")
    answer = one.run({})
    assert answer.error == "x" * 5000
    assert int(answer.headers["Content-Length"]) > 5000


def test_simultaneous_connections_that_say_nothing(echo):
    """Two hundred idle connections keep nobody from being served."""
    idle = [echo.connect() for _ in range(200)]
    assert echo.run({"a": 1}).json == {"a": 1}
    for stream in idle:
        stream.close()
    wait_until(lambda: echo.run({"a": 1}).status == 200, "a run after they have left")


@pytest.mark.parametrize("limit, workers, n", [(64, 1, 80), (256, 1, 272), (64, 16, 30)],
                         ids=["few", "more", "fewer than workers need"])
def test_more_connections_than_descriptors(proxy, folder, limit, workers, n):
    """Idle ones make room for those that come; workers and the admin listener have descriptors of their
    own, so that the action goes on when one of its processes dies, and /healthz tells so."""
    one = Watched(proxy, folder, "--runtime", "native", "--workers", workers,
                  wrapper=("prlimit", f"--nofile={limit}"))
    one.proxy.started(puppet.CODE)
    idle = [one.proxy.connect() for _ in range(n)]
    assert one.proxy.run(puppet.steps(puppet.answer('{"a":1}'))).json == {"a": 1}
    assert one.proxy.run(puppet.steps(puppet.die())).status == 400
    assert one.proxy.run(puppet.steps(puppet.answer('{"a":2}'))).json == {"a": 2}
    assert_says(one.ask("/healthz"), 200, "ok\n")
    assert idle[0].file.read() == b""  # the one that has been idle longest was closed
    for other in idle:
        other.close()


def test_the_actions_limit_on_descriptors_is_the_containers(proxy, folder):
    """The proxy raises its own soft limit; the action gets the one that the container was started with."""
    one = Watched(proxy, folder, "--runtime", "python", wrapper=("prlimit", "--nofile=300:400"))
    one.proxy.started("import resource\ndef main(args):\n"
                      "    return {'limit': resource.getrlimit(resource.RLIMIT_NOFILE)}\n")
    assert one.proxy.run({}).json == {"limit": [300, 400]}
    assert one.metrics()["process_max_fds"].value() == 400


def test_a_body_that_no_path_takes_is_not_read(echo):
    """The answer comes before the body, which is never sent."""
    for method, path, status in (("GET", "/nothing", 404), ("GET", "/run", 405), ("POST", "/x", 404)):
        with echo.connect() as stream:
            stream.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 125829120\r\n\r\n".encode())
            answer = stream.answer()
            assert (answer.status, answer.headers["Connection"]) == (status, "close"), (path, answer)
            assert stream.file.read() == b""


def test_a_small_body_that_no_path_takes_does_not_end_the_connection(echo):
    """Up to 64 KiB it is read and dropped. The answer names no server, whose faults could be looked up."""
    with echo.connect() as stream:
        for n in (65535, 65536):
            stream.send(request_bytes("/nowhere", n * b" "))
            answer = stream.answer()
            assert (answer.status, answer.headers["Connection"]) == (404, "keep-alive"), n
            assert "Server" not in answer.headers
        stream.send(request_bytes("/nowhere", 65537 * b" "))
        answer = stream.answer()
        assert (answer.status, answer.headers["Connection"]) == (404, "close")
        assert stream.file.read() == b""
