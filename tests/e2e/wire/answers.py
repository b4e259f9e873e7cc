# SPDX-License-Identifier: Apache-2.0
"""What an upstream may answer, and what the client has to get: test_40_wire_answers.py."""
from dataclasses import dataclass

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    name: str
    octets: bytes
    status: int  # the client's
    body: bytes = None  # the client's, when the status is the upstream's
    fields: tuple = ()  # that the client has to see, octet by octet
    without: tuple = ()  # names it must not see
    close: bool = False  # the upstream ends the connection behind its last octet
    cut: bool = False  # the client's answer is cut short, so that it knows
    method: str = "POST"


def relayed(name, octets, body=b"", status=200, **options):
    return Answer(name, octets, status, body, **options)


def bad(name, octets, **options):
    """Not an answer: 502, and the connection to the upstream is never used again."""
    return Answer(name, octets, 502, **options)


def ok(fields, body=b""):
    return OK + fields + b"\r\n" + body


def chunked(body):
    return ok(b"Transfer-Encoding: chunked\r\n", body)


def interim(status, count=1):
    return b"HTTP/1.1 %d Early\r\nLink: <x>\r\nContent-Length: 7\r\n\r\n" % status * count


HI = b"Content-Length: 2\r\n"

FRAMED = (
    relayed("a length", ok(HI, b"hi"), b"hi"),
    relayed("a length of zero", OK + EMPTY),
    relayed("chunks", chunked(b"2\r\nhi\r\n0\r\n\r\n"), b"hi"),
    relayed("chunks with extensions", chunked(b'2;a="b"\r\nhi\r\n0;c\r\n\r\n'), b"hi"),
    relayed("trailers go no further", chunked(b"2\r\nhi\r\n0\r\nX-T: y\r\n\r\n"), b"hi", without=("X-T",)),
    relayed("to the end of the connection", OK + b"\r\nhi", b"hi", close=True),
    relayed("close and a length", ok(HI + b"Connection: close\r\n", b"hi"), b"hi", close=True),
    relayed("1.0 to the end", b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi", close=True),
    relayed("1.0 with keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + HI + b"\r\nhi", b"hi"),
    relayed("no reason", b"HTTP/1.1 200 \r\n" + HI + b"\r\nhi", b"hi"),
    relayed("8-bit reason", b"HTTP/1.1 200 \xe4\xff\r\n" + HI + b"\r\nhi", b"hi"),
    relayed("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    relayed("204 with a length of zero", b"HTTP/1.1 204 No Content\r\n" + EMPTY, status=204),
    relayed("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n", status=304),
    relayed("HEAD with a length", ok(b"Content-Length: 999\r\n"), method="HEAD", fields=(("Content-Length", "999"),)),
    relayed("500", b"HTTP/1.1 500 Oh\r\n" + HI + b"\r\nno", b"no", status=500),
    relayed("a status of their own", b"HTTP/1.1 599 X\r\n" + HI + b"\r\nno", b"no", status=599),
)

INTERIM = (
    relayed("100 before", interim(100) + OK + EMPTY, without=("Link",)),
    relayed("103 before", interim(103) + OK + EMPTY, without=("Link",)),
    relayed("199 before", interim(199) + OK + EMPTY),
    relayed("eight before", interim(103, 8) + OK + EMPTY),
    bad("nine before", interim(103, 9) + OK + EMPTY),
    bad("a flood", interim(102, 500)),
    bad("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + OK + EMPTY),
    bad("only 100", interim(100), close=True),
)

# Octets behind an answer must never become the answer to somebody else's request.
SURPLUS = (
    relayed("204 with a body", b"HTTP/1.1 204 No Content\r\n\r\n" + OK + b"Content-Length: 6\r\n\r\npoison", status=204),
    relayed("204 with a length and a body", b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison", status=204),
    relayed("304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison", status=304),
    relayed("HEAD with a body", ok(b"Content-Length: 6\r\n", b"poison"), method="HEAD"),
    relayed("two answers", ok(HI, b"hi") + OK + b"Content-Length: 6\r\n\r\npoison", b"hi"),
    relayed("a body longer than said", ok(HI, b"hipoison"), b"hi"),
    relayed("garbage behind chunks", chunked(b"2\r\nhi\r\n0\r\n\r\npoison"), b"hi"),
    relayed("an empty line behind", ok(HI, b"hi\r\n"), b"hi"),
)

REFUSED = (
    bad("two lengths", ok(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"hi!")),
    bad("two equal lengths", ok(HI + HI, b"hi")),
    bad("a list of lengths", ok(b"Content-Length: 2, 2\r\n", b"hi")),
    bad("a length with a sign", ok(b"Content-Length: +2\r\n", b"hi")),
    bad("a length of 2^64", ok(b"Content-Length: 18446744073709551616\r\n", b"hi")),
    bad("an empty length", ok(b"Content-Length:\r\n")),
    bad("length and chunked", ok(HI + b"Transfer-Encoding: chunked\r\n", b"2\r\nhi\r\n0\r\n\r\n")),
    bad("chunked and length", ok(b"Transfer-Encoding: chunked\r\n" + HI, b"2\r\nhi\r\n0\r\n\r\n")),
    bad("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    bad("gzip, chunked", ok(b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\nhi\r\n0\r\n\r\n")),
    bad("gzip", ok(b"Transfer-Encoding: gzip\r\n", b"hi"), close=True),
    bad("chunked twice", ok(b"Transfer-Encoding: chunked\r\n" * 2, b"2\r\nhi\r\n0\r\n\r\n")),
    bad("identity", ok(b"Transfer-Encoding: identity\r\n", b"hi"), close=True),
    bad("an empty coding", ok(b"Transfer-Encoding:\r\n", b"hi"), close=True),
    bad("a folded field", ok(b"X: a\r\n b\r\n" + HI, b"hi")),
    bad("space before a colon", ok(b"X : a\r\n" + HI, b"hi")),
    bad("LF lines", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"),
    bad("CR lines", b"HTTP/1.1 200 OK\rContent-Length: 2\r\rhi", close=True),
    bad("CR in a value", ok(b"X: a\rb\r\n" + HI, b"hi")),
    bad("NUL in a value", ok(b"X: a\0b\r\n" + HI, b"hi")),
    bad("NUL in the reason", b"HTTP/1.1 200 O\0K\r\n" + HI + b"\r\nhi"),
    bad("no name", ok(b": a\r\n" + HI, b"hi")),
    bad("no colon", ok(b"garbage\r\n" + HI, b"hi")),
    bad("8-bit name", ok(b"X\xe4: a\r\n" + HI, b"hi")),
    bad("an empty line before", b"\r\n" + ok(HI, b"hi")),
    bad("space before", b" " + ok(HI, b"hi")),
    bad("lower case", b"http/1.1 200 OK\r\n" + EMPTY),
    bad("version 2.0", b"HTTP/2.0 200 OK\r\n" + EMPTY),
    bad("version 0.9", b"HTTP/0.9 200 OK\r\n" + EMPTY),
    bad("version 1.2", b"HTTP/1.2 200 OK\r\n" + EMPTY),
    bad("HTTP/0.9", b"<html>hi</html>\r\n\r\n", close=True),
    bad("a request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    bad("an SSH server", b"SSH-2.0-OpenSSH_9.2\r\n"),
    bad("an h2 server", b"\0\0\x12\x04\0\0\0\0\0" + bytes(18)),
    bad("status of two digits", b"HTTP/1.1 20 OK\r\n" + EMPTY),
    bad("status of four digits", b"HTTP/1.1 2000 OK\r\n" + EMPTY),
    bad("status with a sign", b"HTTP/1.1 +20 OK\r\n" + EMPTY),
    bad("status with letters", b"HTTP/1.1 2OO OK\r\n" + EMPTY),
    bad("status 000", b"HTTP/1.1 000 X\r\n" + EMPTY),
    bad("status 099", b"HTTP/1.1 099 X\r\n" + EMPTY),
    bad("status 600", b"HTTP/1.1 600 X\r\n" + EMPTY),
    bad("status 999", b"HTTP/1.1 999 X\r\n" + EMPTY),
    bad("no status", b"HTTP/1.1\r\n" + EMPTY),
    bad("two spaces before the status", b"HTTP/1.1  200 OK\r\n" + EMPTY),
    bad("a head without end", OK + b"X: " + b"y" * 100000),
    bad("a reason without end", b"HTTP/1.1 200 " + b"y" * 100000),
    bad("fields without end", OK + b"X: y\r\n" * 20000),
    bad("nothing", b"", close=True),
    bad("a cut status line", b"HTTP/1.1 20", close=True),
    bad("a cut field", OK + b"Content-Le", close=True),
)

CUT = (
    Answer("a body that is cut", ok(b"Content-Length: 10\r\n", b"hi"), 200, close=True, cut=True),
    Answer("chunks that are cut", chunked(b"5\r\nhi"), 200, close=True, cut=True),
    Answer("chunks without the last", chunked(b"2\r\nhi\r\n"), 200, close=True, cut=True),
    Answer("a chunk size that is none", chunked(b"2\r\nhi\r\nx\r\n"), 200, cut=True),
    Answer("chunk data longer than said", chunked(b"2\r\nhello\r\n"), 200, cut=True),
    Answer("a chunk size above 64 bits", chunked(b"2\r\nhi\r\n10000000000000002\r\nhi\r\n"), 200, cut=True),
    Answer("LF behind a chunk", chunked(b"2\r\nhi\n0\r\n\r\n"), 200, cut=True),
    Answer("a length in a trailer", chunked(b"2\r\nhi\r\n0\r\nContent-Length: 2\r\n\r\n"), 200, cut=True),
)

FIELDS = (
    relayed("fields go as they came", ok(HI + b"Set-Cookie: a=1\r\nX: \xe4\t b\r\nset-cookie: b=2\r\n", b"hi"), b"hi",
            fields=(("Set-Cookie", "a=1"), ("X", "\xe4\t b"), ("set-cookie", "b=2"))),
    relayed("our names are ours", ok(HI + b"Postern-Outcome: accepted\r\nPostern-Event-Id: x\r\nPOSTERN-Y: z\r\n", b"hi"), b"hi", without=("POSTERN-Y",)),
    relayed("fields between two neighbours", ok(HI + b"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: x\r\n"
                                                b"Trailer: a\r\nUpgrade: h2c\r\n", b"hi"), b"hi",
            without=("X-Hop", "Keep-Alive", "Proxy-Authenticate", "Trailer", "Upgrade")),
    relayed("the length named as an option", ok(HI + b"Connection: Content-Length\r\n", b"hi"), b"hi"),
    relayed("an upgrade offered", ok(HI + b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"hi"), b"hi", without=("Upgrade",)),
)

CASES = FRAMED + INTERIM + SURPLUS + REFUSED + CUT + FIELDS
