# SPDX-License-Identifier: Apache-2.0
"""What a connection is for: its options, upgrades, expectations, pipelines, and protocols that are not HTTP."""
from .case import (HEAD_BYTES, LAST_CHUNK, SMUGGLED, Case, Sent, chunked, get, passed, post, refused, sized)

ROOT = Sent("GET", "/")
HELLO = Sent("POST", "/", b"hello")
TWO = Sent("GET", "/2")
X = ("X", "y")


def option(value, version=b"1.1"):
    return get(fields=b"Connection: " + value + b"\r\n", version=version)


OPTIONS = (
    passed("close", option(b"close") + SMUGGLED, ROOT, stays=False),
    passed("CLOSE", option(b"CLOSE"), ROOT, stays=False),
    passed("close in a list", option(b"keep-alive, ,close"), ROOT, stays=False),
    passed("close in a second line", get(fields=b"Connection: keep-alive\r\nConnection: close\r\n"), ROOT, stays=False),
    passed("keep-alive", option(b"keep-alive"), ROOT),
    passed("an empty Connection", option(b""), ROOT),
    passed("1.0", option(b"x", b"1.0"), ROOT, stays=False),
    passed("1.0 with keep-alive", option(b"Keep-Alive", b"1.0"), ROOT),
    passed("1.0 with keep-alive and close", option(b"keep-alive, close", b"1.0"), ROOT, stays=False),
    passed("1.0 with keep-alive and a body", post(b"Connection: keep-alive\r\nContent-Length: 5\r\n", b"hello", b"1.0"), HELLO),
    # hop-by-hop abuse: CVE-2022-31813
    passed("the length named as an option", sized(b"hello", b"Connection: Content-Length\r\n"), HELLO),
    passed("the coding named as an option", chunked(b"5\r\nhello\r\n" + LAST_CHUNK, b"Connection: transfer-encoding\r\n"), HELLO),
    passed("Host named as an option", option(b"Host"), ROOT),
    passed("our fields named as options", option(b"Postern-Event-Id, X-Forwarded-For, Via, traceparent"), ROOT),
    passed("a named field goes no further", get(fields=b"X: y\r\nZ: 1\r\nConnection: z\r\n"), Sent("GET", "/", fields=(X,))),
    passed("both copies of a named field", get(fields=b"Z: 1\r\nConnection: close, Z\r\nz: 2\r\n"), ROOT, stays=False),
    passed("fields between two neighbours", get(fields=b"Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: X\r\n"
                                                b"Proxy-Authorization: Basic x\r\nX: y\r\n"), Sent("GET", "/", fields=(X,))),
    refused("options without end", option(b",".join(b"o%d" % i for i in range(40)))),
    passed("proxy-connection closes nothing", get(fields=b"Proxy-Connection: close\r\n"), ROOT),
)

UPGRADES = (
    passed("a websocket handshake is a request", get(fields=b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"),
           Sent("GET", "/", fields=(("Sec-WebSocket-Key", "x"),))),
    passed("h2c and its settings", get(fields=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), ROOT),
    passed("h2c without Connection", get(fields=b"Upgrade: h2c\r\n"), ROOT),
    passed("an upgrade and a body", sized(b"hello", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), HELLO),
    passed("an upgrade, then a request", get(fields=b"Connection: Upgrade\r\nUpgrade: x\r\n") + get(b"/2"), ROOT, TWO),
    passed("an upgrade to TLS", get(fields=b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), ROOT),
    Case("h2c, then the preface of HTTP/2", get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
         (200, (400, 501, 505)), upstream=(ROOT,)),
)


def expecting(value, rest=b"hello", version=b"1.1"):
    return post(b"Expect: " + value + b"\r\nContent-Length: %d\r\n" % len(rest), rest, version)


EXPECTATIONS = (
    passed("100-continue", expecting(b"100-continue"), HELLO, interim=1),
    passed("100-Continue", expecting(b"100-Continue"), HELLO, interim=1),
    passed("100-continue before chunks", post(b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n" + LAST_CHUNK), HELLO, interim=1),
    passed("100-continue without a body", expecting(b"100-continue", b""), Sent("POST", "/")),
    passed("100-continue in 1.0", expecting(b"100-continue", version=b"1.0"), HELLO, stays=False),
    refused("100-continue and a fragment", expecting(b"100-continue").replace(b" / ", b" /#x ")),
    refused("100-continue and a body that is too large", post(b"Expect: 100-continue\r\nContent-Length: 99999\r\n"), 413),
    refused("two expectations", expecting(b"100-continue, x"), 417),
    refused("a second expectation", post(b"Expect: 100-continue\r\nExpect: y\r\nContent-Length: 5\r\n", b"hello"), 417),
    refused("an empty expectation", expecting(b""), 417),
    refused("101-continue", expecting(b"101-continue"), 417),
)

PIPELINES = (
    passed("eight at once", b"".join(get(b"/%d" % i) for i in range(8)), *(Sent("GET", f"/{i}") for i in range(8))),
    passed("bodies of both kinds", sized(b"hello") + chunked(b"5\r\nhello\r\n" + LAST_CHUNK) + get(b"/2"), HELLO, HELLO, TWO),
    passed("nothing behind close", sized(b"hello", b"Connection: close\r\n") + SMUGGLED, HELLO, stays=False),
    passed("nothing behind 1.0", get(version=b"1.0") + SMUGGLED, ROOT, stays=False),
    passed("garbage behind close", get(fields=b"Connection: close\r\n") + b"\0\xff garbage", ROOT, stays=False),
    Case("garbage behind a request", get() + b"\0\0\0\0", (200, 400), upstream=(ROOT,)),
    Case("a surplus octet behind a body", sized(b"hello") + b"!\r\n\r\n", (200, 400), upstream=(HELLO,)),
    Case("half a request line behind a body", sized(b"hello") + b"x" + SMUGGLED, (200, 501), upstream=(HELLO,)),
    Case("a request in two ways behind a good one", get() + post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", LAST_CHUNK + SMUGGLED),
         (200, 400), upstream=(ROOT,)),
    Case("a head that is too large behind a good one", get() + get(b"/2", b"X: " + b"x" * HEAD_BYTES + b"\r\n"), (200, 431), upstream=(ROOT,)),
    Case("no route, then one that has", get(b"//") + get(b"/2"), (404, 200), True, (TWO,)),
    Case("no route and a body, then one that has", get(b"//", b"Content-Length: 5\r\n") + b"hello" + get(b"/2"), (404, 200), True, (TWO,)),
    Case("a chunk that is bad behind a good one", get() + chunked(b"x\r\n"), (200, 400), upstream=(ROOT,)),
)

STRANGERS = tuple(refused(name, octets, status) for name, octets, status in (
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", (400, 501)),
    ("SMTP", b"EHLO a\r\nMAIL FROM:<a@b>\r\n\r\n", (400, 501)),
    ("Redis", b"*1\r\n$4\r\nPING\r\n", (400, 501)),
    ("memcached", b"get a\r\nquit\r\n\r\n", (400, 501)),
    ("a PROXY header nobody asked for", b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n" + get(), (400, 501)),
    ("a binary PROXY header", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + get(), 400),
    ("TLS 1.3", b"\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03" + bytes(range(32)) + b"\r\n\r\n", 400),
    ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), (400, 501, 505)),
    ("UTF-16", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".encode("utf-16-le"), 400),
    ("a byte order mark", b"\xef\xbb\xbf" + get(), 400),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400, 501)),
    ("SOCKS", b"\x05\x01\x00\r\n\r\n", 400),
    ("JSON", b'{"id": 1}\r\n\r\n', 400),
    ("RTSP", b"DESCRIBE rtsp://a/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", (400, 501, 505)),
    ("zeros", bytes(200), 400),
    ("letters without end", b"A" * 9000, (400, 501)),
))

CASES = OPTIONS + UPGRADES + EXPECTATIONS + PIPELINES + STRANGERS
