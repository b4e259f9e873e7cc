# SPDX-License-Identifier: Apache-2.0
"""Bytes that must be refused at the door: each case whole and byte by byte, answered with its status, the
connection closed, and nothing of it seen by the upstream (RFC 9112; the CVEs name where others let it through)."""
import pytest
from harness import http
from harness.config import route

H = b"Host: a\r\n"
END = b"\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(fields, rest=b""):
    return b"POST / HTTP/1.1\r\n" + H + fields + END + rest


REFUSED = {
    # line ends: CVE-2022-32214, CVE-2023-30589, CVE-2025-23167
    "bare LF lines": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare LF after the request line": (400, b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    "bare LF between fields": (400, b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    "bare LF as the empty line": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n" + SMUGGLED),
    "CR only lines": (400, b"GET / HTTP/1.1\rHost: a\r\r"),
    "CR inside a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    "CR then a framing field": (400, b"POST / HTTP/1.1\r\nHost: a\r\nA:\rContent-Length: 3\r\n\r\nabc"),
    "CR LF CR X ends no head": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\rX" + SMUGGLED),
    "NUL in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    "NUL in a name": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"),
    "control byte in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n"),
    "DEL in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"),
    # start line
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "no target": (400, b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    "two spaces": (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "tab between": (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space before": (400, b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "space after the version": (400, b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    "fourth word": (400, b"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
    "lower case http": (400, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    "version 1.2": (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    "version 2.0": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    "version 0.9 with fields": (505, b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    "version 3.0": (505, b"GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    "version with two digits": (400, b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    "version without minor": (400, b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
    "RTSP": ((400, 501, 505), b"OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n"),
    "ICE": ((400, 501, 505), b"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"),
    "h2 preface": ((400, 501, 505), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS hello": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "only garbage": (400, b"garbage\r\n\r\n"),
    "many empty lines": (400, b"\r\n" * 20 + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    # method
    "CONNECT": (501, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    "TRACE": (501, b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "unknown method": (501, b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "lower case method": ((400, 501), b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "method with a bad byte": (400, b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    # target
    "asterisk": (400, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "no slash": (400, b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    "other scheme": (400, b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "absolute form of another host": (400, b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "absolute form with userinfo": (400, b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "8-bit target": (400, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "control byte in the target": (400, b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "backslash": (400, b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"),
    # Host
    "no Host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    "two Hosts in 1.0": (400, b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    "empty Host": (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "Host with a path": (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "Host with userinfo": (400, b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    "Host list": (400, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    "Host with a space": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "Host with a scheme": (400, b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"),
    "Host with a bad port": (400, b"GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n"),
    # fields: CVE-2021-22959, CVE-2022-32215, CVE-2024-27982
    "space before the colon": (400, post(b"X : y\r\n")),
    "space before the colon of a framing field": (400, post(b"Content-Length : 5\r\n", b"hello")),
    "tab before the colon": (400, post(b"X\t: y\r\n")),
    "no colon": (400, post(b"just text\r\n")),
    "empty name": (400, post(b": y\r\n")),
    "folded value": (400, post(b"X: a\r\n b\r\n")),
    "folded with a tab": (400, post(b"X: a\r\n\tb\r\n")),
    "folded Host": (400, b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
    "folded framing field": (400, post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    "space before the first field": (400, b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
    "8-bit name": (400, post(b"X\xe9: y\r\n")),
    "bad byte in a name": (400, post(b"X(y): z\r\n")),
    # Content-Length
    "two lengths": (400, post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    "two equal lengths": (400, post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    "length list": (400, post(b"Content-Length: 5, 5\r\n", b"hello")),
    "length with a sign": (400, post(b"Content-Length: +5\r\n", b"hello")),
    "negative length": (400, post(b"Content-Length: -5\r\n", b"hello")),
    "hexadecimal length": (400, post(b"Content-Length: 0x5\r\n", b"hello")),
    "length with an underscore": (400, post(b"Content-Length: 1_0\r\n", b"helloworld")),
    "length with a space": (400, post(b"Content-Length: 1 0\r\n", b"helloworld")),
    "empty length": (400, post(b"Content-Length:\r\n")),
    "length over 64 bits": ((400, 413), post(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    "length 2^64-1": ((400, 413), post(b"Content-Length: 18446744073709551615\r\n")),
    # Transfer-Encoding: CVE-2020-8287, CVE-2022-32213
    "length and chunked": (400, post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    "chunked and length": (400, post(b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", b"0\r\n\r\n" + SMUGGLED)),
    "two codings": ((400, 501), post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    "chunked twice": ((400, 501), post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    "gzip": ((400, 501), post(b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n")),
    "gzip and chunked": ((400, 501), post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    "identity": ((400, 501), post(b"Transfer-Encoding: identity\r\n", b"")),
    "xchunked": ((400, 501), post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    "chunked with a vertical tab": ((400, 501), post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n")),
    "quoted chunked": ((400, 501), post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n")),
    "empty coding": ((400, 501), post(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello")),
    "chunked in 1.0": (400, b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    # chunks: CVE-2021-22960, CVE-2024-22019, HTTP Garden
    "chunk size empty": (400, CHUNKED + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size with 0x": (400, CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a sign": (400, CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n"),
    "negative chunk size": (400, CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a leading space": (400, CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a trailing space": (400, CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n"),
    "chunk size not hexadecimal": (400, CHUNKED + b"g\r\nhello\r\n0\r\n\r\n"),
    "chunk size with an underscore": (400, CHUNKED + b"1_0\r\nhello\r\n0\r\n\r\n"),
    "chunk size over 64 bits": ((400, 413), CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk size with many zeros": (400, CHUNKED + b"0" * 100 + b"5\r\nhello\r\n0\r\n\r\n"),
    "chunk line with LF": (400, CHUNKED + b"5\nhello\r\n0\r\n\r\n"),
    "chunk data with LF": (400, CHUNKED + b"5\r\nhello\n0\r\n\r\n"),
    "chunk data longer than said": (400, CHUNKED + b"5\r\nhello world\r\n0\r\n\r\n"),
    "chunk extension with LF": (400, CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "chunk extension with CR": (400, CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "endless chunk extension": (400, CHUNKED + b"5;" + b"e" * 40000 + b"\r\nhello\r\n0\r\n\r\n"),
    "endless trailers": (400, CHUNKED + b"0\r\n" + b"X-T: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 1000 + b"\r\n"),
    "length in a trailer": (400, CHUNKED + b"0\r\nContent-Length: 5\r\n\r\nhello"),
    "coding in a trailer": (400, CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "Host in a trailer": (400, CHUNKED + b"0\r\nHost: b\r\n\r\n"),
    "trailer without a colon": (400, CHUNKED + b"0\r\nnonsense\r\n\r\n"),
    "folded trailer": (400, CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n"),
    # Expect
    "another expectation": (417, post(b"Expect: 200-ok\r\nContent-Length: 5\r\n", b"hello")),
}


@pytest.fixture(scope="module")
def gateway(module_lab):
    return module_lab.gateway(routes=[route(missing="payload")])


@pytest.mark.smoke
@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(module_lab, gateway, name, pieces):
    statuses, data = REFUSED[name]
    before = len(module_lab.upstream.records())
    with gateway.connect(5) as connection:
        if pieces == "whole":
            connection.send(data)
        else:
            connection.drip(data)
        answer = connection.read_response("POST")
        expected = statuses if isinstance(statuses, tuple) else (statuses,)
        assert answer.status in expected
        assert answer.header("Content-Type") == "application/problem+json" and answer.header("Connection") == "close"
        assert answer.json()["status"] == answer.status
        assert connection.is_closed(), connection.held
    assert len(module_lab.upstream.records()) == before, "nothing of it reached the upstream"


def test_the_gateway_still_works(module_lab, gateway):
    assert gateway.post("/", "alive").outcome == "accepted"
    assert not module_lab.upstream.requests("/smuggled")


@pytest.mark.parametrize("data", [
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Event-Id: %d\r\n\r\n", b"GET / HTTP/1.1\r\nhOsT:\ta\t \r\nX-Event-Id:%d\r\n\r\n",
    b"GET /?q=%%00&x=[]{}| HTTP/1.1\r\nHost: [::1]:80\r\nX-Event-Id: %d\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX-Event-Id: %d\r\nX-Eight-Bit: \xe4\xff\r\nX-Empty:\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: %d\r\nTransfer-Encoding: ChUnKeD\r\n\r\n5;a=\"b\"\r\nhello\r\n000\r\nX: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: %d\r\nContent-Length: 005\r\n\r\nhello"], ids=range(6))
def test_unusual_but_right(gateway, data):
    """What must not be refused."""
    with gateway.connect() as connection:
        connection.send(data % (abs(hash(data)) % 1000000))
        assert connection.read_response().outcome == "accepted"


def test_the_first_of_two_in_one_packet_is_answered(module_lab, gateway):
    """Garbage behind a good request with Connection: close is dropped with the connection, never served."""
    with gateway.connect() as connection:
        connection.send(http.request_bytes("POST", "/closing", [("X-Event-Id", "closing"), ("Connection", "close")], b"x") + SMUGGLED)
        assert connection.read_response().outcome == "accepted"
        assert connection.is_closed()
    assert not module_lab.upstream.requests("/smuggled")
