"""T-K: the single entry point of __OW_RUNTIME_PLATFORM=knative (contract 1.9, 4.8)."""

import base64
import http.client
import json
import os
import socket

import pytest

import archives
from watch import Watched
from whisk import WAIT_S, assert_error, wait_until
from wire import Stream, request_bytes

KNATIVE = {"__OW_RUNTIME_PLATFORM": "knative"}
HELLO = "def main(args):\n    return {'payload': 'Hello World!'}\n"
GREET = ("def main(args):\n    return {'payload': 'Hello %s from %s!'"
         " % (args.get('name'), args.get('place'))}\n")
ECHO = "def main(args):\n    return {'response': args}\n"
SHAPE = "import json\ndef main(args):\n    return json.loads(args['shape'])\n"
ACTIVATION = {"namespace": "", "action_name": "hello", "api_host": "", "api_key": "",
              "activation_id": "", "transaction_id": "", "deadline": 1000000}
JOE = {"name": "Joe", "place": "TX"}


def start(proxy, code=None, **env):
    if code is not None:
        env["__OW_ACTION_CODE"] = code
    return proxy("--runtime", "python", env={**KNATIVE, **env})


def test_TK1_init_then_run(proxy):
    """T-K1: an init alone, then an activation with its value."""
    one = start(proxy)
    answer = one.post("/", {"init": {"name": "hello", "main": "main", "code": HELLO,
                                     "binary": False, "env": {}}})
    assert (answer.status, answer.body) == (200, b'{"ok":true}\n')
    answer = one.post("/", {"activation": ACTIVATION, "value": JOE})
    assert (answer.status, answer.json) == (200, {"payload": "Hello World!"})
    assert answer.headers["Content-Type"] == "application/json"
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("accept, text", [
    ("text/event-stream", b'data: {"i":0}\n\nevent: result\ndata: {"n":1}\n\n'),
    ("application/x-ndjson", b'{"part":{"i":0}}\n{"result":{"n":1}}\n')])
def test_a_get_gets_parts_as_a_page_may_read_them(proxy, accept, text):
    one = start(proxy, "def main(args):\n    yield {'i': 0}\n    return {'n': 1}\n",
                __OW_HTTP_METHODS="[get]")
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    connection.request("GET", "/", headers={"Accept": accept, "Origin": "http://elsewhere"})
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Content-Type"], reply.read()) == (200, accept, text)
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    connection.close()


def fetched(one, accept="*/*"):
    """The reply to a GET, and its body, or what came of it if the end is missing."""
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    connection.request("GET", "/", headers={"Accept": accept, "Origin": "http://elsewhere"})
    reply = connection.getresponse()
    try:
        body, whole = reply.read(), True
    except http.client.IncompleteRead as error:
        body, whole = error.partial, False
    connection.close()
    return reply, body, whole


def shaping(proxy, code):
    return start(proxy, "def main(args):\n" + code, __OW_HTTP_METHODS="[get]")


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "application/x-ndjson"])
def test_an_action_describes_its_reply_in_parts(proxy, accept):
    """The first part is the head, whatever the client accepts; strings are sent as they are."""
    one = shaping(proxy, """
    yield {"statusCode": 203, "headers": {"Content-Type": "text/csv", "X-Rows": 2}, "body": "a,b\\n"}
    yield "1,\u00fc\\n"
    yield {"json": [1, 2]}
    return "end"
""")
    reply, body, whole = fetched(one, accept)
    assert (reply.status, reply.headers["Content-Type"], reply.headers["X-Rows"]) == (203, "text/csv", "2")
    assert reply.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert (body.decode(), whole) == ('a,b\n1,\u00fc\n{"json":[1,2]}\nend', True)
    assert one.check_streams(1) == ("", "")


@pytest.mark.parametrize("verb", ["yield", "return"])
def test_a_list_in_the_headers_is_a_line_each_and_the_date_is_the_servers(proxy, verb):
    one = shaping(proxy, f"""
    {verb} {{"headers": {{"Set-Cookie": ["a=1; Path=/", "b=2"], "X-None": [], "Date": "x", "Keep-Alive": "y"}}, "body": "b"}}
""")
    reply, body, whole = fetched(one)
    assert reply.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2"]
    assert len(reply.headers.get_all("Date")) == 1 and reply.headers["Date"] != "x"
    assert "X-None" not in reply.headers and "Keep-Alive" not in reply.headers
    assert (body, whole) == (b"b", True)


def test_each_part_leaves_at_once(proxy, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one = shaping(proxy, f"""
    yield {{"headers": {{}}, "body": "<p>first"}}
    open({str(gate)!r}).read()
    yield "<p>second"
""")
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    connection.request("GET", "/")
    reply = connection.getresponse()
    assert reply.headers["Content-Type"] == "text/html"
    assert reply.read(8) == b"<p>first"
    gate.write_text("")  # only now does the action go on
    assert reply.read() == b"<p>second"
    connection.close()


@pytest.mark.parametrize("first, accept", [
    ('{"statusCode": 200, "body": "b"}', "*/*"), ('{"statusCode": 203, "body": "b"}', "*/*"),
    ('{"n": 1}', "text/event-stream")])
def test_a_client_of_http_1_0_sees_the_end_of_its_reply(proxy, first, accept):
    one = shaping(proxy, f"    yield {first}\n    yield 'rest'\n")
    with socket.create_connection(("127.0.0.1", one.port), timeout=WAIT_S) as client:
        client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nAccept: %s\r\n\r\n" % accept.encode())
        reply = client.makefile("rb").read()
    assert b"rest" in reply and b" 20" in reply.splitlines()[0]


def test_a_client_of_a_later_http_1_is_answered_as_one_of_1_1(proxy):
    """RFC 9110 2.5. Its reply in parts has an end, and the connection goes on."""
    one = shaping(proxy, "    yield {'n': 1}\n")
    request = b"GET / HTTP/1.2\r\nHost: x\r\nAccept: text/event-stream\r\n"
    with socket.create_connection(("127.0.0.1", one.port), timeout=WAIT_S) as client:
        client.sendall(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        reply = client.makefile("rb").read()
    assert reply.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert reply.count(b"\r\n0\r\n\r\n") == 2


def test_parts_of_an_image_are_base64(proxy):
    one = shaping(proxy, """
    yield {"headers": {"Content-Type": "image/png"}}
    yield "iVBO"
    yield "Rw=="
""")
    reply, body, _ = fetched(one)
    assert (reply.headers["Content-Type"], body) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize("last", [
    "raise ValueError('no')", "return {'error': 'no'}", "import os; os._exit(3)"])
def test_a_described_reply_that_fails_has_no_end(proxy, last):
    one = shaping(proxy, f"""
    yield {{"statusCode": 200}}
    yield "some"
    {last}
""")
    reply, body, whole = fetched(one)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert (body, whole) == (b"some", False)
    assert fetched(one)[0].status == 200  # and the next one is served


@pytest.mark.parametrize("first", ['{"n": 1}', '"text"', '{"statusCode": 204}', '{"body": "x"}'])
def test_parts_that_describe_no_reply_are_a_list(proxy, first):
    one = shaping(proxy, f"    yield {first}\n    yield {{'n': 2}}\n")
    reply, body, _ = fetched(one)
    assert reply.status == 200 and json.loads(body) == [json.loads(first), {"n": 2}]


def test_a_reader_who_leaves_ends_what_describes_its_reply(proxy, tmp_path):
    gone = tmp_path / "gone"
    one = shaping(proxy, f"""
    try:
        yield {{"headers": {{}}}}
        while True:
            yield "x" * 1000
    finally:
        open({str(gone)!r}, "w").close()
""")
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    connection.request("GET", "/")
    connection.getresponse().read(1000)
    connection.sock.close()
    connection.close()
    wait_until(gone.exists, "the generator to be closed")


@pytest.fixture
def hurried(proxy, folder):
    """hurried(code): a proxy with this function that disconnects slow clients after a second."""
    def started(code):
        return Watched(proxy, folder, "--runtime", "python", "--transfer-timeout", 1000,
                       env={**KNATIVE, "__OW_HTTP_METHODS": "[get]",
                            "__OW_ACTION_CODE": "def main(args):\n" + code})
    return started


def n_slow(one):
    return one.metrics()["whiskloop_connections_dropped_total"].value("slow")


def test_a_client_is_not_slow_before_there_is_anything_to_read(hurried, folder):
    gate = folder / "gate"
    os.mkfifo(gate)
    one = hurried(f"""
    yield {{"statusCode": 203, "headers": {{"Content-Type": "text/plain"}}}}
    open({str(gate)!r}).read()
    yield "late"
""")
    connection = http.client.HTTPConnection("127.0.0.1", one.proxy.port, timeout=WAIT_S)
    connection.request("GET", "/")
    wait_until(lambda: one.metrics()["whiskloop_parts_total"].value() == 1, "the first part")
    with one.proxy.connect() as slow:  # it is slow later than the other one would be
        slow.send(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: n_slow(one) > 0, "the slow client's end")
        assert slow.file.read() == b""
    assert n_slow(one) == 1
    gate.write_text("")
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (203, b"late")
    connection.close()


def test_a_client_that_does_not_read_what_an_action_writes_itself_is_slow(hurried):
    one = hurried("""
    yield {"statusCode": 200}
    while True:
        yield "x" * 10000
""")
    with one.proxy.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(request_bytes("/", b"", "GET"))
        wait_until(lambda: n_slow(one) == 1, "the slow client's end")
        wait_until(lambda: one.ends().get("cancelled") == 1, "the end of the activation")


def test_TK2_both_in_one_body(proxy):
    """T-K2: init and activation together: the reply is the activation's."""
    one = start(proxy)
    body = {"init": {"code": HELLO}, "activation": ACTIVATION, "value": JOE}
    answer = one.post("/", body)
    assert (answer.status, answer.json) == (200, {"payload": "Hello World!"})
    assert_error(one.post("/", body), 403, "Cannot initialize the action more than once.")


def test_TK3_parameters_reach_the_action(proxy):
    """T-K3: a code in the environment, and parameters in value, with an activation or without."""
    one = start(proxy, GREET)
    for body in ({"activation": ACTIVATION, "value": JOE}, {"value": JOE}):
        assert one.post("/", body).json == {"payload": "Hello Joe from TX!"}


@pytest.mark.parametrize("value, text", [
    ({"name": "Joe"}, "hello Joe!"), ({}, "you did not tell me who you are.")])
def test_TK4_web_action(proxy, value, text):
    """T-K4: a text in `body` is the whole reply, as HTML."""
    one = start(proxy, "def main(args):\n    name = args.get('name')\n"
                       "    text = f'hello {name}!' if name else 'you did not tell me who you are.'\n"
                       "    return {'body': f'<html><body><h3>{text}</h3></body></html>'}\n")
    answer = one.post("/", {"activation": ACTIVATION, "value": value})
    assert answer.status == 200
    assert answer.body.decode() == f"<html><body><h3>{text}</h3></body></html>"
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("by", ["environment", "init"])
def test_TK5_raw(proxy, by):
    """T-K5: __ow_body, __ow_query and the HTTP context of a raw action."""
    if by == "environment":
        one = start(proxy, ECHO, __OW_ACTION_RAW="true", __OW_NAMESPACE="guest")
    else:
        one = start(proxy, __OW_NAMESPACE="guest")
        assert one.post("/", {"init": {"code": ECHO, "raw": True}}).status == 200
    answer = one.post("/?a=b%20c&d=&a+b", {"activation": ACTIVATION, "value": {"name": "Joe"}})
    given = answer.json["response"]
    headers = given.pop("__ow_headers")
    assert headers["content-type"] == "application/json" and headers["host"] == "127.0.0.1"
    assert given == {"__ow_body": "eyJuYW1lIjoiSm9lIn0=", "__ow_user": "guest",
                     "__ow_query": {"a": "b c", "d": "", "a b": ""}, "__ow_method": "POST",
                     "__ow_path": "", "name": "Joe"}
    text = one.post("/", {"activation": ACTIVATION, "value": "just text"}).json["response"]
    assert text["__ow_body"] == "just text" and text["__ow_query"] == {}


def test_raw_is_as_the_init_said_that_succeeded(proxy):
    """--allow-reinit: the one that serves is asked as its own init wanted it."""
    one = proxy("--runtime", "python", "--allow-reinit", env=KNATIVE)
    is_raw = lambda: "__ow_query" in one.post("/", {"value": {}}).json["response"]
    assert one.post("/", {"init": {"code": ECHO}}).status == 200
    assert one.post("/", {"init": {"code": "import no_such_module", "raw": True}}).status == 502
    assert not is_raw()
    assert one.post("/", {"init": {"code": ECHO, "raw": True}}).status == 200
    assert is_raw()


def test_the_context_of_an_action_that_is_not_raw(proxy):
    """Contract 1.9: user, method, headers, path; what the client says of them is dropped."""
    one = start(proxy, ECHO)
    given = one.post("/", {"value": {"x": 1, "__ow_user": "root", "__ow_body": "y"}})
    given = given.json["response"]
    assert "host" in given.pop("__ow_headers")
    assert given == {"x": 1, "__ow_user": "", "__ow_method": "POST", "__ow_path": ""}


def test_metadata_of_the_activation(proxy):
    """Its members are what a /run has beside value."""
    one = start(proxy, "import os\ndef main(args):\n"
                       "    return {'id': os.environ['__OW_ACTIVATION_ID']}\n")
    assert one.post("/", {"activation": {"activation_id": "abc", "value": {"no": 1}},
                          "value": {}}).json == {"id": "abc"}


def test_TK6_empty_init_and_no_init(proxy):
    """T-K6: an empty init is refused with 403, a run without one with 500."""
    one = start(proxy)
    assert_error(one.post("/", {"init": {}}), 403, "Missing main/no code to execute.")
    assert_error(one.post("/", {"activation": ACTIVATION, "value": {}}), 500,
                 "no action defined yet")


@pytest.mark.parametrize("zipped", [False, True])
def test_TK6_main_of_the_environment(proxy, zipped):
    """T-K6: __OW_ACTION_MAIN, for source and zip."""
    code = GREET.replace("main", "hello")
    if zipped:
        code = base64.b64encode(archives.zipped({"__main__.py": code})).decode()
    one = start(proxy, code, __OW_ACTION_MAIN="hello", __OW_ACTION_BINARY=str(zipped).lower())
    assert one.post("/", {"value": JOE}).json == {"payload": "Hello Joe from TX!"}


def test_an_action_of_the_environment_takes_no_init(proxy):
    """Contract 1.9: that is an error, whoever else has been initialised."""
    one = start(proxy, HELLO)
    assert_error(one.post("/", {"init": {"code": GREET}}), 500,
                 "Cannot initialize a runtime with a dedicated function.")
    assert one.post("/", {"value": {}}).json == {"payload": "Hello World!"}


@pytest.mark.parametrize("name", ["binary", "raw"])
def test_flags_must_be_true_or_false(proxy, name):
    """Contract 1.9: binary is a bool, else error."""
    answer = start(proxy).post("/", {"init": {"code": HELLO, name: "true"}})
    assert answer.status == 400 and "expected boolean" in answer.error


@pytest.mark.parametrize("listed, taken, refused", [
    (None, ["POST"], "GET"), ("[GET, POST]", ["GET", "POST"], "PUT"),
    ("[put,delete,options]", ["PUT", "DELETE", "OPTIONS"], "POST"), ("[BREW]", ["POST"], "GET"),
])
def test_methods(proxy, listed, taken, refused):
    """Contract 1.9: __OW_HTTP_METHODS, POST when there is none that is known."""
    one = start(proxy, ECHO, **({"__OW_HTTP_METHODS": listed} if listed else {}))
    for method in taken:
        body = b"" if method == "GET" else b'{"value":{}}'
        answer = one.request(method, "/", body)
        assert answer.status == 200 and answer.json["response"]["__ow_method"] == method
    answer = one.request(refused, "/", b"")
    assert answer.status == 405
    assert sorted(answer.headers["Allow"].split(", ")) == sorted(taken)


@pytest.mark.parametrize("path", ["/init", "/run", "/other"])
def test_there_is_one_path_only(proxy, path):
    """Contract 1.9: one route."""
    assert start(proxy, HELLO).post(path, {}).status == 404


def shaped(one, shape, headers=()):
    body = json.dumps({"value": {"shape": json.dumps(shape)}}).encode()
    return one.request("POST", "/", body, headers=headers)


def test_status_headers_and_body_are_the_actions(proxy):
    """Contract 1.9: statusCode, headers and body make the reply."""
    one = start(proxy, SHAPE)
    answer = shaped(one, {"statusCode": 201, "headers": {"X-One": "a", "x-number": 2,
                                                          "Content-Type": "text/plain"},
                          "body": "text"})
    assert (answer.status, answer.body) == (201, b"text")
    assert answer.headers["X-One"] == "a" and answer.headers["X-Number"] == "2"
    assert answer.headers.get_all("Content-Type") == ["text/plain"]
    answer = shaped(one, {"statusCode": "404", "body": {"a": [1, 2]}})
    assert (answer.status, answer.json) == (404, {"a": [1, 2]})
    assert answer.headers["Content-Type"] == "application/json"
    answer = shaped(one, {"statusCode": 302, "headers": {"location": "/x"}, "more": 1})
    assert (answer.status, answer.json, answer.headers["Location"]) == (302, {"more": 1}, "/x")


def test_images_are_decoded(proxy):
    """Contract 1.9: a body of type image/* is base64."""
    one = start(proxy, SHAPE)
    image = bytes(range(256))
    answer = shaped(one, {"headers": {"content-type": "image/png"},
                          "body": base64.b64encode(image).decode()})
    assert (answer.body, answer.headers["Content-Type"]) == (image, "image/png")
    # In lines, as base64(1), Ruby's encode64() and Python's encodebytes() write it.
    answer = shaped(one, {"headers": {"content-type": "image/png"}, "body": base64.encodebytes(image).decode()})
    assert answer.body == image
    answer = shaped(one, {"headers": {"content-type": "image/svg+xml"}, "body": "<svg/>"})
    assert answer.body == b"<svg/>", "what is no base64 is sent as it is"


@pytest.mark.parametrize("shape", [{"body": ""}, {"body": None}])
def test_an_empty_body_is_204(proxy, shape):
    """Contract 1.9: empty with status 200."""
    one = start(proxy, SHAPE)
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    body = json.dumps({"value": {"shape": json.dumps(shape)}})
    for _ in range(2):
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
        assert answer.headers["Content-Length"] is None
        assert answer.headers["Transfer-Encoding"] is None
    connection.close()


@pytest.mark.parametrize("shape", [
    {"statusCode": 204}, {"statusCode": 204, "body": "text"}, {"statusCode": 304, "body": "text"}])
def test_no_body_follows_a_status_that_has_none(proxy, shape):
    """It would be taken for the beginning of the next reply on that connection."""
    one = start(proxy, SHAPE)
    body = json.dumps({"value": {"shape": json.dumps(shape)}}).encode()
    with one.connect() as stream:
        for _ in range(3):
            stream.send(request_bytes("/", body))
            status, _headers = stream.status_line()
            assert status == shape["statusCode"]


def test_cross_origin_headers(proxy):
    """Contract 1.9: added unless the action gives its own; what was asked for is echoed."""
    one = start(proxy, SHAPE)
    answer = shaped(one, {"a": 1})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = shaped(one, {"headers": {"access-control-allow-origin": "me"}},
                    ["Access-Control-Request-Headers: x-asked"])
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["me"]
    assert answer.headers["Access-Control-Allow-Headers"] == "x-asked"


def test_headers_that_would_break_the_reply_are_left_out(proxy):
    """An action, or who feeds it, cannot write into the head of the reply."""
    one = start(proxy, SHAPE)
    for headers in ({"x-a": "b\r\nx-evil: 1"}, {"x a": "b"}, {"": "b"}, {"x-a\n": "b"}, "none", [1],
                    {"x-a": "\x7f"}, {"x-a": "ten bytes\x7f"}, {"x-a": ["\0"]},
                    {"content-length": "7"}, {"transfer-encoding": "chunked"}, {"connection": "upgrade"}):
        answer = shaped(one, {"headers": headers, "body": "text"})
        assert (answer.status, answer.body) == (200, b"text"), headers
        assert "x-evil" not in answer.headers and "x-a" not in answer.headers
        assert answer.headers["Connection"] in (None, "keep-alive", "close"), headers


def test_a_status_that_is_none_counts_as_200(proxy):
    """Only 200 to 599."""
    one = start(proxy, SHAPE)
    for status in (99, 100, 600, 200.5, "20x", -1, None, {}, 1e99):
        assert shaped(one, {"statusCode": status, "body": "text"}).status == 200, status
    for status in (200, 599):
        assert shaped(one, {"statusCode": status, "body": "text"}).status == status


@pytest.mark.parametrize("body, text", [
    (b"XXX", "Error unmarshaling request: "
             "invalid character 'X' looking for beginning of value"),
    (b"[]", "Error unmarshaling request: the body must be a JSON object"),
])
def test_bodies_that_are_none(proxy, body, text):
    """As for /init and /run."""
    assert_error(start(proxy, HELLO).post("/", body), 400, text)


@pytest.mark.parametrize("target", [b"http://h", b"http://h?x=1", b"http://h/?x=1"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_absolute_target_without_a_path_is_the_path_of_the_action(proxy, target, is_chunked):
    """RFC 9110 4.2.3. A body above 64 KiB is checked again for its path while it comes."""
    body = json.dumps({"value": {"name": "x" * 100_000, "place": "TX"}}).encode()
    framed = (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
              if is_chunked else b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    with Stream(start(proxy, GREET).port) as client:
        client.send(b"POST " + target + b" HTTP/1.1\r\nHost: h\r\n" + framed)
        answer = client.answer()
    assert answer.status == 200, answer
    assert answer.json["payload"].startswith("Hello xxx")


def test_errors_of_the_action_are_replies_as_of_run(proxy):
    """A death is 400, a result that is no object 502, an array is passed on."""
    one = start(proxy, "import os\ndef main(args):\n"
                       "    return os._exit(1) if args.get('die') else args.get('as')\n")
    assert_error(one.post("/", {"value": {"die": 1}}), 400, "command exited")
    assert one.post("/", {"value": {"as": 1}}).status == 502
    assert one.post("/", {"value": {"as": [1]}}).json == [1]
    one.check_streams(3)


@pytest.mark.parametrize("target, host, seen", [
    ("/", None, None), ("/", "here.example", "here.example"), ("http://there.example/", None, "there.example"),
    ("http://there.example/", "here.example", "there.example")])
def test_the_host_is_the_one_that_the_client_names(proxy, target, host, seen):
    """HTTP/1.0 need not name one, as in the health checks of load balancers."""
    one = start(proxy, ECHO, __OW_HTTP_METHODS="[get]")
    field = "" if host is None else f"Host: {host}\r\n"
    with socket.create_connection(("127.0.0.1", one.port), timeout=WAIT_S) as client:
        client.sendall(f"GET {target} HTTP/1.0\r\n{field}X-Last: 1\r\n\r\n".encode())
        reply = client.makefile("rb").read()
    headers = json.loads(reply.partition(b"\r\n\r\n")[2])["response"]["__ow_headers"]
    assert (headers.get("host"), headers["x-last"]) == (seen, "1")
