"""Where one request ends and the next begins: what RFC 9112 demands, byte by byte.

Each case is sent raw, with a whole request behind it. Nothing behind a fault may run.
"""

import pytest

import samples
from watch import Watched
from whisk import wait_until
from wire import request_bytes

HOST = b"Host: 127.0.0.1\r\n"
BODY = b'{"value":{"id":"first"}}'
SECOND = request_bytes("/run", b'{"value":{"id":"second"}}')


def post(*lines, body=BODY, target=b"/run", version=b"HTTP/1.1"):
    return b"POST " + target + b" " + version + b"\r\n" + b"".join(
        line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body, *lines):
    return post(HOST[:-2], b"Transfer-Encoding: chunked", *lines, body=body)


LENGTH = b"Content-Length: %d" % len(BODY)
HOST_LINE = HOST[:-2]
CHUNK = b"%x" % len(BODY)
WHOLE = CHUNK + b"\r\n" + BODY + b"\r\n0\r\n\r\n"

# name: (bytes, status). RFC 9112 unless another one is named.
REFUSED = {
    "two lengths that differ (6.3)": (post(HOST_LINE, LENGTH, b"Content-Length: 5"), 400),
    "two lengths in one line (6.3)": (post(HOST_LINE, LENGTH + b", 5"), 400),
    "length with a sign (9110 8.6)": (post(HOST_LINE, b"Content-Length: +%d" % len(BODY)), 400),
    "length in hex": (post(HOST_LINE, b"Content-Length: 0x18"), 400),
    "length with a blank inside": (post(HOST_LINE, b"Content-Length: 2 4"), 400),
    "length without digits": (post(HOST_LINE, b"Content-Length:"), 400),
    "length beyond 64 bits (9110 8.6)": (post(HOST_LINE, b"Content-Length: 18446744073709551640"), 413),
    "coding and length (6.3)": (post(HOST_LINE, LENGTH, b"Transfer-Encoding: chunked", body=WHOLE), 400),
    "length and coding (6.3)": (post(HOST_LINE, b"Transfer-Encoding: chunked", LENGTH, body=WHOLE), 400),
    "unknown coding (6.1)": (post(HOST_LINE, b"Transfer-Encoding: gzip, chunked", body=WHOLE), 501),
    "chunked is not last (6.3)": (post(HOST_LINE, b"Transfer-Encoding: chunked, gzip", body=WHOLE), 400),
    "chunked twice (6.1)": (post(HOST_LINE, b"Transfer-Encoding: chunked, chunked", body=WHOLE), 400),
    "no chunked at all (6.3)": (post(HOST_LINE, b"Transfer-Encoding: identity", body=WHOLE), 400),
    "coding with a control character": (post(HOST_LINE, b"Transfer-Encoding: \x0bchunked", body=WHOLE), 400),
    "coding in HTTP/1.0 (6.1)": (post(HOST_LINE, b"Transfer-Encoding: chunked", body=WHOLE,
                                      version=b"HTTP/1.0"), 400),
    "no host (3.2)": (post(LENGTH), 400),
    "two hosts (3.2)": (post(HOST_LINE, b"Host: other", LENGTH), 400),
    "two hosts, the same (3.2)": (post(HOST_LINE, HOST_LINE, LENGTH), 400),
    "host that is none (3.2)": (post(b"Host: a b", LENGTH), 400),
    "LF without CR (2.2)": (b"POST /run HTTP/1.1\n" + HOST + LENGTH + b"\r\n\r\n" + BODY, 400),
    "LF without CR in a field (2.2)": (b"POST /run HTTP/1.1\r\n" + HOST_LINE + b"\n" + LENGTH +
                                       b"\r\n\r\n" + BODY, 400),
    "CR without LF (2.2)": (post(HOST_LINE, b"X: a\rContent-Length: 0", LENGTH), 400),
    "NUL in a field (9110 5.5)": (post(HOST_LINE, b"X: a\0b", LENGTH), 400),
    "folded line (5.2)": (post(HOST_LINE, b"X: a", b" b", LENGTH), 400),
    "folded first line (2.2)": (post(b" X: a", HOST_LINE, LENGTH), 400),
    "blank before the colon (5.1)": (post(HOST_LINE, b"Content-Length : %d" % len(BODY)), 400),
    "field without a name": (post(HOST_LINE, b": x", LENGTH), 400),
    "field without a colon": (post(HOST_LINE, b"nonsense", LENGTH), 400),
    "two blanks in the request line (3)": (post(HOST_LINE, LENGTH, target=b" /run"), 400),
    "control character in the target": (post(HOST_LINE, LENGTH, target=b"/run\x01"), 400),
    "fragment in the target (3.2)": (post(HOST_LINE, LENGTH, target=b"/x#/../run"), 400),
    "fragment in the query (3.2)": (post(HOST_LINE, LENGTH, target=b"/run?a#b"), 400),
    "fragment in an absolute target (3.2.2)": (post(HOST_LINE, LENGTH, target=b"http://x#/../run"), 400),
    "version that is none": (post(HOST_LINE, LENGTH, version=b"HTTP/1.x"), 400),
    "version 2.0 (9110 15.6.6)": (post(HOST_LINE, LENGTH, version=b"HTTP/2.0"), 505),
    "unknown expectation (9110 10.1.1)": (post(HOST_LINE, LENGTH, b"Expect: miracles"), 417),
    "101 fields (6585 5)": (post(HOST_LINE, *[b"X-%d: y" % i for i in range(99)], LENGTH), 431),
    "a head of 70,000 bytes (6585 5)": (post(HOST_LINE, b"X: " + 70000 * b"y", LENGTH), 431),
    "a target of 16,385 bytes": (post(HOST_LINE, LENGTH, target=b"/run?".ljust(16385, b"x")), 414),
    "chunk size with a sign (7.1)": (chunked(b"+" + WHOLE), 400),
    "chunk size with 0x": (chunked(b"0x" + WHOLE), 400),
    "chunk size that is none": (chunked(b"xyz\r\n" + WHOLE), 400),
    "chunk size of 17 digits (7.1)": (chunked(b"1" + 16 * b"0" + b"\r\n" + BODY), 400),
    "chunk size before a blank": (chunked(CHUNK + b" \r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "LF behind a chunk size (7.1)": (chunked(CHUNK + b"\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "LF behind a chunk (7.1)": (chunked(CHUNK + b"\r\n" + BODY + b"\n0\r\n\r\n"), 400),
    "CR in an extension (7.1.1)": (chunked(CHUNK + b";a\rb\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "LF in an extension (7.1.1)": (chunked(CHUNK + b";a\nb\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "an extension without end": (chunked(CHUNK + b";" + 5000 * b"a"), 400),
    "blanks behind a chunk size, without end": (chunked(CHUNK + 5000 * b" "), 400),
    "chunk longer than its size": (chunked(CHUNK + b"\r\n" + BODY + b"xx\r\n0\r\n\r\n"), 400),
    "LF at the end (7.1)": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\n\n"), 400),
    "CR in a trailer": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nX: a\rb\r\n\r\n"), 400),
    "trailer that is none": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nPOST / HTTP/1.1\r\n\r\n"), 400),
    "folded with a tab (5.2)": (post(HOST_LINE, b"X: a", b"\tb", LENGTH), 400),
    "folded host (5.2)": (post(b"Host:", b" x", LENGTH), 400),
    "tab before the colon (5.1)": (post(HOST_LINE, b"Transfer-Encoding\t: chunked", body=WHOLE), 400),
    "blank before the colon of host (5.1)": (post(b"Host : x", LENGTH), 400),
    "NUL in a name": (post(HOST_LINE, b"X\0: a", LENGTH), 400),
    "NUL in the target": (post(HOST_LINE, LENGTH, target=b"/run\0"), 400),
    "DEL in a value (9110 5.5)": (post(HOST_LINE, b"X: \x7f", LENGTH), 400),
    "NUL in a long value (9110 5.5)": (post(HOST_LINE, b"X: " + 11 * b"y" + b"\0" + 12 * b"y", LENGTH), 400),
    "DEL in a long value (9110 5.5)": (post(HOST_LINE, b"X: " + 11 * b"y" + b"\x7f" + 12 * b"y", LENGTH), 400),
    "beyond ASCII in a name": (post(HOST_LINE, b"X\xe9: a", LENGTH), 400),
    "beyond ASCII in the method": (b"P\xd6ST /run HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n\r\n" + BODY, 400),
    "tab in the request line (3)": (b"POST\t/run HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n\r\n" + BODY, 400),
    "blank behind the version (3)": (post(HOST_LINE, LENGTH, version=b"HTTP/1.1 "), 400),
    "version in lower case (2.3)": (post(HOST_LINE, LENGTH, version=b"http/1.1"), 400),
    "version of two digits (2.3)": (post(HOST_LINE, LENGTH, version=b"HTTP/1.10"), 400),
    "HTTP/0.9": (b"GET /run\r\n", 400),
    "preface of HTTP/2 (9113 3.4)": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "user in the target (9110 4.2.4)": (post(HOST_LINE, LENGTH, target=b"http://a@b/run"), 400),
    "absolute target without a host": (post(HOST_LINE, LENGTH, target=b"http:///run"), 400),
    "user in host (3.2)": (post(b"Host: a@b", LENGTH), 400),
    "path in host (3.2)": (post(b"Host: a/b", LENGTH), 400),
    "negative length": (post(HOST_LINE, b"Content-Length: -1"), 400),
    "length with a fraction": (post(HOST_LINE, b"Content-Length: 24.0"), 400),
    "length with an exponent": (post(HOST_LINE, b"Content-Length: 1e1"), 400),
    "list of lengths without any": (post(HOST_LINE, b"Content-Length: , ,"), 400),
    "length and a word": (post(HOST_LINE, LENGTH + b", x"), 400),
    "length in quotes": (post(HOST_LINE, b'Content-Length: "24"'), 400),
    "two codings in two lines (6.3)": (post(HOST_LINE, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
                                            body=WHOLE), 400),
    "chunked in two lines (6.1)": (post(HOST_LINE, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
                                        body=WHOLE), 400),
    "identity before chunked (6.1)": (post(HOST_LINE, b"Transfer-Encoding: identity, chunked", body=WHOLE), 501),
    "gzip alone (6.3)": (post(HOST_LINE, b"Transfer-Encoding: gzip", body=WHOLE), 400),
    "chunked with a parameter": (post(HOST_LINE, b"Transfer-Encoding: chunked;q=1", body=WHOLE), 400),
    "chunked in quotes": (post(HOST_LINE, b'Transfer-Encoding: "chunked"', body=WHOLE), 400),
    "coding without a word": (post(HOST_LINE, b"Transfer-Encoding:", body=WHOLE), 400),
    "chunk size with an underscore": (chunked(b"1_8\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "negative chunk size": (chunked(b"-1\r\n" + BODY), 400),
    "chunk size that is empty": (chunked(b"\r\n" + WHOLE), 400),
    "only chunk size is empty": (chunked(b"\r\n\r\n"), 400),
    "only chunk size is an extension": (chunked(b";x\r\n\r\n"), 400),
    "last chunk size is empty": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n\r\n\r\n"), 400),
    "chunk size after a blank": (chunked(b" " + WHOLE), 400),
    "chunk size of all ones": (chunked(b"ffffffffffffffff\r\n" + BODY), 400),
    "chunk size of 16 zeros": (chunked(16 * b"0" + WHOLE), 400),
    "NUL in an extension": (chunked(CHUNK + b";\0\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "CR behind a size": (chunked(CHUNK + b"\r\r\n" + BODY + b"\r\n0\r\n\r\n"), 400),
    "folded trailer": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nX: a\r\n b\r\n\r\n"), 400),
    "blank before a trailer's colon": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nX : a\r\n\r\n"), 400),
    "trailers without end": (chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nX: " + 9000 * b"y"), 400),
}

TAKEN = {
    "the same length twice (6.3)": post(HOST_LINE, LENGTH, LENGTH),
    "the same length in one line (6.3)": post(HOST_LINE, LENGTH + b", %d" % len(BODY)),
    "length with zeros before it": post(HOST_LINE, b"Content-Length: 000%d" % len(BODY)),
    "length of 18 digits": post(HOST_LINE, b"Content-Length: %018d" % len(BODY)),
    "length of 40 digits": post(HOST_LINE, b"Content-Length: %040d" % len(BODY)),
    "chunks": chunked(WHOLE),
    "chunks, capital letters": post(HOST_LINE, b"TRANSFER-ENCODING: CHUNKED",
                                    body=CHUNK.upper() + b"\r\n" + BODY + b"\r\n000\r\n\r\n"),
    "one byte in a chunk": chunked(b"".join(b"1\r\n%c\r\n" % c for c in BODY) + b"0\r\n\r\n"),
    "extension and trailer after many chunks": chunked(3000 * b"1\r\n \r\n" + CHUNK + b";a\r\n" + BODY +
                                                       b"\r\n0\r\nX: y\r\n\r\n"),
    "extensions (7.1.1)": chunked(CHUNK + b' ;a=b;c="d e"\r\n' + BODY + b"\r\n0;x\r\n\r\n"),
    "trailers (7.1.2)": chunked(CHUNK + b"\r\n" + BODY + b"\r\n0\r\nX: y\r\nHost: z\r\n\r\n"),
    "absolute target (3.2.2)": post(HOST_LINE, LENGTH, target=b"http://127.0.0.1/run"),
    "absolute target of another host (3.2.2)": post(b"Host: x", LENGTH, target=b"HTTP://y:80/run"),
    "a target of 16,384 bytes": post(HOST_LINE, LENGTH, target=b"/run?".ljust(16384, b"x")),
    "target with a query": post(HOST_LINE, LENGTH, target=b"/run?a=b"),
    "empty host (3.2)": post(b"Host:", LENGTH),
    "empty line before (2.2)": b"\r\n" + post(HOST_LINE, LENGTH),
    "blanks around a value": post(HOST_LINE, b"Content-Length: \t%d \t" % len(BODY)),
    "100 fields": post(HOST_LINE, *[b"X-%d: y" % i for i in range(98)], LENGTH),
    "100 fields and an absolute target": post(HOST_LINE, *[b"X-%d: y" % i for i in range(98)], LENGTH,
                                              target=b"http://127.0.0.1/run"),
    "bytes beyond ASCII in a value (9110 5.5)": post(HOST_LINE, b"X: \xc3\xa9", LENGTH),
    "version 1.2 (2.3)": post(HOST_LINE, LENGTH, version=b"HTTP/1.2"),
}




def head_of(n):
    """A request whose head has n bytes."""
    n_other = len(post(HOST_LINE, LENGTH, b"X: ", body=b""))
    return post(HOST_LINE, LENGTH, b"X: " + (n - n_other) * b"y")


# name: (most that is taken, status of one more, what makes a request of n).
BOUNDS = {
    "bytes of a head (6585 5)": (65536, 431, head_of),
    "digits of a chunk's size (7.1)": (15, 400, lambda n: chunked(CHUNK.rjust(n, b"0") + WHOLE[len(CHUNK):])),
    "bytes of a chunk's line and its CR (7.1.1)":
        (4096, 400, lambda n: chunked((CHUNK + b";").ljust(n - 1, b"a") + WHOLE[len(CHUNK):])),
    "bytes of trailers up to the last CR (7.1.2)":
        (8192, 400, lambda n: chunked(WHOLE[:-2] + b"X: y\r\n" + b"Y: ".ljust(n - 7, b"z") + b"\r\n\r\n")),
}


@pytest.fixture
def echo_proxy(proxy):
    one = proxy("--runtime", "python")
    one.started(samples.PYTHON_CODES["echo"])
    return one


def rest_of(stream):
    return stream.file.read()


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
def test_refused(echo_proxy, pieces):
    """An error in JSON, the connection closed, and nothing behind it runs."""
    for name, (data, status) in REFUSED.items():
        if pieces == "byte by byte" and len(data) > 2000:
            continue
        with echo_proxy.connect() as stream:
            if pieces == "at once":
                stream.send(data + SECOND)
            else:
                for i in range(len(data)):
                    try:
                        stream.send(data[i:i + 1])
                    except OSError:
                        break  # it has been refused already
            answer = stream.answer()
            assert answer.status == status, (name, answer)
            assert answer.error and answer.headers["Connection"] == "close", (name, answer)
            assert rest_of(stream) == b"", name
    assert echo_proxy.run({"a": 1}).json == {"a": 1}
    echo_proxy.check_streams(1)  # one activation has run, the one of the line above


@pytest.mark.parametrize("head", [b"POST /run", b"POST /run HTTP/1.1\r\nX: ",
                                  b"POST /run HTTP/1.1\r\n" + 60 * (b"X: " + 1000 * b"y" + b"\r\n")],
                         ids=["request line", "first field", "many fields"])
def test_a_head_without_end_is_refused(echo_proxy, head):
    """It is not kept until memory is full."""
    with echo_proxy.connect() as stream:
        stream.send(head)
        stream.send((66000 - len(head)) * b"y")
        assert stream.answer().status in (414, 431)
        assert rest_of(stream) == b""


def test_a_lone_cr_is_refused_before_the_line_ends(echo_proxy):
    with echo_proxy.connect() as stream:
        stream.send(b"POST /run HTTP/1.1\rX")
        assert stream.answer().status == 400
        assert rest_of(stream) == b""


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
def test_taken(echo_proxy, pieces):
    """What is allowed is answered, and so is the request behind it."""
    for name, data in TAKEN.items():
        with echo_proxy.connect() as stream:
            if pieces == "at once":
                stream.send(data + SECOND)
            else:
                for i in range(len(data)):
                    stream.send(data[i:i + 1])
                stream.send(SECOND)
            first = stream.answer()
            assert (first.status, first.json) == (200, {"id": "first"}), (name, first)
            assert stream.answer().json == {"id": "second"}, name


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(echo_proxy, name):
    """The most that is allowed is taken, and one more is refused."""
    most, status, of = BOUNDS[name]
    for n in (most - 1, most):
        with echo_proxy.connect() as stream:
            stream.send(of(n) + SECOND)
            assert stream.answer().json == {"id": "first"}, n
            assert stream.answer().json == {"id": "second"}, n
    with echo_proxy.connect() as stream:
        stream.send(of(most + 1) + SECOND)
        assert stream.answer().status == status
        assert rest_of(stream) == b""


def test_the_bound_of_trailers_and_of_lines_holds_for_each_body_anew(echo_proxy):
    """Many chunks with extensions, and a second such body on the same connection."""
    chunks = 3 * [b"1;" + 3000 * b"a" + b"\r\n \r\n"]
    trailer = b"0\r\nX: " + 8000 * b"y" + b"\r\n\r\n"
    with echo_proxy.connect() as stream:
        for _ in range(2):
            stream.send(chunked(b"".join(chunks) + WHOLE[:-5] + trailer))
            assert stream.answer().json == {"id": "first"}


@pytest.mark.parametrize("lines, keeps", [
    ((), False), ((b"Connection: keep-alive",), True), ((b"Connection: close",), False)])
def test_http_1_0(echo_proxy, lines, keeps):
    with echo_proxy.connect() as stream:
        stream.send(post(LENGTH, *lines, version=b"HTTP/1.0") + SECOND)
        assert stream.answer().json == {"id": "first"}
        if keeps:
            assert stream.answer().json == {"id": "second"}
        else:
            assert rest_of(stream) == b""


@pytest.mark.parametrize("target, line", [
    (b"http://127.0.0.1/run", b"X: y"), (b"/run", b"Expect: 100-continue"), (b"/run", b"Upgrade: h2c")])
def test_a_head_of_http_1_0_that_is_rewritten_stays_one(proxy, folder, target, line):
    """Nobody who speaks HTTP/1.0 expects 100 Continue (9110 10.1.1), or a connection that is kept."""
    one = Watched(proxy, folder, "--runtime", "python")
    one.proxy.started(samples.PYTHON_CODES["echo"])
    with one.proxy.connect() as stream:
        stream.send(post(LENGTH, line, target=target, version=b"HTTP/1.0", body=b""))
        wait_until(lambda: one.metrics()["whiskloop_held_bytes"].value() > 0, "the head to be read")
        stream.send(BODY)
        assert stream.answer().json == {"id": "first"}
        assert rest_of(stream) == b""


def test_100_fields_with_a_close_among_them(echo_proxy):
    with echo_proxy.connect() as stream:
        stream.send(post(HOST_LINE, *[b"X-%d: y" % i for i in range(97)], LENGTH, b"Connection: close"))
        assert stream.answer().json == {"id": "first"}
        assert rest_of(stream) == b""


@pytest.mark.parametrize("value", [b"close", b"CLOSE", b"keep-alive, close", b"close, keep-alive"])
def test_a_client_that_wants_to_close(echo_proxy, value):
    with echo_proxy.connect() as stream:
        stream.send(post(HOST_LINE, LENGTH, b"Connection: " + value) + SECOND)
        assert stream.answer().json == {"id": "first"}
        assert rest_of(stream) == b""


def test_trailing_garbage(echo_proxy):
    """The request before it is answered, what follows is refused."""
    with echo_proxy.connect() as stream:
        stream.send(post(HOST_LINE, LENGTH) + b"garbage\r\n\r\n" + SECOND)
        assert stream.answer().json == {"id": "first"}
        assert stream.answer().status == 400
        assert rest_of(stream) == b""


def test_many_pipelined_requests(echo_proxy):
    with echo_proxy.connect() as stream:
        stream.send(b"".join(request_bytes("/run", b'{"value":{"n":%d}}' % n) for n in range(500)))
        assert [stream.answer().json["n"] for _ in range(500)] == list(range(500))


@pytest.mark.parametrize("chunks", [False, True])
def test_expect_continue_is_told_before_the_body(echo_proxy, chunks):
    with echo_proxy.connect() as stream:
        framing = b"Transfer-Encoding: chunked" if chunks else LENGTH
        stream.send(post(HOST_LINE, framing, b"Expect: 100-continue", body=b""))
        assert stream.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.file.readline() == b"\r\n"
        stream.send(WHOLE if chunks else BODY)
        assert stream.answer().json == {"id": "first"}


def test_expect_continue_is_told_to_what_is_sent_ahead(echo_proxy):
    """The head has come with the request before it."""
    with echo_proxy.connect() as stream:
        stream.send(SECOND + post(HOST_LINE, LENGTH, b"Expect: 100-continue", body=b""))
        assert stream.answer().json == {"id": "second"}
        assert stream.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.file.readline() == b"\r\n"
        stream.send(BODY)
        assert stream.answer().json == {"id": "first"}


def test_expect_continue_is_told_once(echo_proxy):
    """However many pieces the body comes in, and not for the next request on the connection."""
    with echo_proxy.connect() as stream:
        stream.send(post(HOST_LINE, LENGTH, b"Expect: 100-continue", body=b""))
        assert stream.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.file.readline() == b"\r\n"
        for i in range(len(BODY)):
            stream.send(BODY[i:i + 1])
        assert stream.answer().json == {"id": "first"}
        for i in range(len(SECOND)):
            stream.send(SECOND[i:i + 1])
        assert stream.answer().json == {"id": "second"}


def test_expect_continue_is_not_told_when_the_body_is_refused(echo_proxy):
    with echo_proxy.connect() as stream:
        stream.send(post(HOST_LINE, b"Content-Length: 999999999", b"Expect: 100-continue", body=b""))
        assert stream.answer().status == 413
        assert rest_of(stream) == b""


def test_a_head_request_that_is_refused_gets_no_body(echo_proxy):
    """Its body would come, but is not read: the client expects the next reply behind the head."""
    with echo_proxy.connect() as stream:
        stream.send(b"HEAD /run HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        head, _, body = stream.file.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405 ") and body == b""
