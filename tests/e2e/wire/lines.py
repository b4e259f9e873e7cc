# SPDX-License-Identifier: Apache-2.0
"""Start lines, line ends, methods, targets, Host, fields."""
from .case import (FIELDS, HEAD_BYTES, HOST, LAST_CHUNK, SMUGGLED, TARGET_BYTES, Case, Sent, dropped, get, passed, post,
                   refused, sized, with_host)

ROOT = Sent("GET", "/")


def nowhere(name, target):
    """A path that can be read in two ways matches no route: 404, and nothing is forwarded."""
    return Case(name, get(target), (404,), stays=True)


LINE_ENDS = (
    # CVE-2022-32214, CVE-2023-30589, CVE-2025-23167
    refused("CR CR LF after the request line", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    refused("LF CR after the request line", b"GET / HTTP/1.1\n\rHost: a\r\n\r\n"),
    refused("CR before the end of a value", get(fields=b"X: a\r\r\n")),
    refused("CR as the whole value", get(fields=b"X:\r\r\n")),
    refused("CR in front of a name", get(fields=b"\rX: a\r\n")),
    refused("CR between name and colon", get(fields=b"X\r: a\r\n")),
    refused("CR hides a second field", get(fields=b"X: a\rTransfer-Encoding: chunked\r\n") + LAST_CHUNK),
    refused("LF hides a second field", get(fields=b"X: a\nTransfer-Encoding: chunked\r\n") + LAST_CHUNK),
    refused("LF behind the empty line's CR CR", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n" + SMUGGLED),
    refused("LF LF ends no head", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n" + SMUGGLED),
    refused("CR LF CR at the end, then a request", b"GET / HTTP/1.1\r\nHost: a\r\n\r" + SMUGGLED),
    refused("vertical tab in a value", get(fields=b"X: a\x0bb\r\n")),
    refused("form feed in a value", get(fields=b"X: a\x0cb\r\n")),
    refused("escape in a value", get(fields=b"X: \x1b[2J\r\n")),
    refused("NUL behind the version", b"GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"),
    refused("NUL in the method", b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("NUL as a line of its own", get(fields=b"\0\r\n")),
    passed("one empty line before", b"\r\n" + get(), ROOT),
    passed("four empty lines before", b"\r\n" * 4 + get(), ROOT),
    refused("five empty lines before", b"\r\n" * 5 + get()),
    refused("an empty line of LF before", b"\n" + get()),
    passed("an empty line between two", get() + b"\r\n" + get(b"/2"), ROOT, Sent("GET", "/2")),
)

START_LINES = (
    refused("two spaces before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("tab before the version", b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("tab behind the version", b"GET / HTTP/1.1\t\r\nHost: a\r\n\r\n"),
    refused("space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("no spaces at all", b"GET/HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("empty target", b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("version with a comma", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
    refused("version without a point", b"GET / HTTP/11\r\nHost: a\r\n\r\n"),
    refused("version with a zero in front", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    refused("version without a slash", b"GET / HTTP 1.1\r\nHost: a\r\n\r\n"),
    refused("version with a sign", b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
    refused("another protocol of that length", b"GET / HTTQ/1.1\r\nHost: a\r\n\r\n"),
    refused("version 9.9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
    refused("version 0.0", b"GET / HTTP/0.0\r\nHost: a\r\n\r\n", 505),
    refused("HTTP/0.9 with LF", b"GET /\n"),
    refused("HTTP/0.9 and another request", b"GET /\r\n" + SMUGGLED),
)

METHODS = tuple(
    passed(f"method {name}", f"{name} /m HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".encode(), Sent(name, "/m", b"ab"))
    for name in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
) + (
    passed("method HEAD", b"HEAD /m HTTP/1.1\r\nHost: a\r\n\r\n" + get(), Sent("HEAD", "/m"), ROOT),
    refused("CONNECT in origin form", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    refused("CONNECT and a tunnel's octets", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + SMUGGLED, 501),
    refused("TRACE with a body", b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 501),
    refused("PRI with a Host", b"PRI / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    refused("a method of 22 letters", b"A" * 22 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    refused("a method without end", b"A" * 5000, 501),
    refused("mixed case", b"Post / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 501),
    refused("a method and a point", b"GET. / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    refused("a method in quotes", b'"GET" / HTTP/1.1\r\nHost: a\r\n\r\n'),
)

TARGETS = (
    passed("query of slashes and dots", get(b"/a?b=/../c//d%2f%00"), Sent("GET", "/a?b=/../c//d%2f%00")),
    passed("reserved octets stay as they are", get(b"/a;b=c,d:@&$!*()'\"<>^`|{}~-._?x"),
           Sent("GET", "/a;b=c,d:@&$!*()'\"<>^`|{}~-._?x")),
    passed("encoded space", get(b"/a%20b"), Sent("GET", "/a%20b")),
    passed("an empty query", get(b"/a?"), Sent("GET", "/a?")),
    passed("absolute form", get(b"http://a/b?c"), Sent("GET", "/b?c")),
    passed("absolute form in capitals", get(b"HTTP://A/b"), Sent("GET", "/b")),
    passed("absolute form of https", get(b"https://a/b"), Sent("GET", "/b")),
    passed("absolute form without a path", get(b"http://a"), ROOT),
    passed("absolute form with a query alone", get(b"http://a?b"), Sent("GET", "/?b")),
    refused("absolute form with another port", get(b"http://a:81/")),
    refused("absolute form without authority", get(b"http:///b")),
    refused("absolute form with a fragment", get(b"http://a/b#c")),
    refused("absolute form of two hosts", get(b"http://a@b/")),
    refused("absolute form with a backslash", get(b"http://a\\b/")),
    refused("absolute form without Host", get(b"http://a/", host=b"")),
    refused("authority form", get(b"a:80")),
    refused("asterisk with GET", get(b"*")),
    refused("asterisk and a path", get(b"*/a")),
    refused("a file's scheme", get(b"file:///etc/passwd")),
    refused("only a query", get(b"?a=b")),
    refused("DEL in the target", get(b"/a\x7f")),
    refused("UTF-8 in the target", get("/ä".encode())),
    nowhere("dot segments", b"/a/../b"),
    nowhere("encoded dot segments", b"/a/%2e%2E/b"),
    nowhere("half encoded dot segments", b"/a/.%2e/b"),
    nowhere("dot segments with parameters", b"/a/..;x=y/b"),
    nowhere("one dot", b"/a/./b"),
    nowhere("another host's path", b"//b/c"),
    nowhere("empty segment", b"/a//b"),
    nowhere("encoded slash", b"/a%2fb"),
    nowhere("encoded backslash", b"/a%5cb"),
    nowhere("encoded NUL", b"/a%00"),
    nowhere("encoded letter", b"/%61"),
    passed("target at the limit", get(b"/" + b"t" * (TARGET_BYTES - 1)), Sent("GET", "/" + "t" * (TARGET_BYTES - 1))),
    refused("target above the limit", get(b"/" + b"t" * TARGET_BYTES), 414),
    refused("query above the limit", get(b"/?" + b"t" * TARGET_BYTES), 414),
    refused("target without end", b"GET /" + b"t" * 20000, 414),
)

HOSTS = tuple(passed(f"Host {value}", with_host(value.encode()), ROOT) for value in (
    "a.b", "a:80", "a:65535", "127.0.0.1", "[::1]", "[2001:db8::1]:8443", "a_b-c.d.", "xn--bcher-kva.example")
) + tuple(refused(f"Host {value!r}", with_host(value)) for value in (
    b"a:", b"a:65536", b"a:-1", b"a:80:80", b":80", b"[::1", b"[::1]x", b"[::1]:", b"[v1.a]", b"[]", b"a%2eb", b"a\tb", b"a;b",
    b"a?b", b"a#b", b"a\\b", b"(a)", b"a\xe4", b"*", b"a,")
) + (
    passed("Host last", b"GET / HTTP/1.1\r\nX: y\r\nHOST: a\r\n\r\n", Sent("GET", "/", fields=(("X", "y"),))),
    refused("Host twice, one empty", b"GET / HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n"),
    refused("Host twice in other letters", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"),
    refused("Host of spaces", with_host(b"   ")),
    passed("no Host in 1.0", get(host=b"", version=b"1.0"), ROOT, stays=False),
    refused("a bad Host in 1.0", get(host=b"Host: a/b\r\n", version=b"1.0")),
)


def field(name, octets, seen):
    return passed(name, get(fields=octets), Sent("GET", "/", fields=seen))


FIELD_LINES = (
    field("every token octet in a name", b"!#$%&'*+-.^_`|~09aZ: v\r\n", (("!#$%&'*+-.^_`|~09aZ", "v"),)),
    field("tabs and spaces around a value", b"X: \t a \t b \t \r\n", (("X", "a \t b"),)),
    field("8-bit octets in a value", b"X: \x80\xff\xe4\r\n", (("X", "\x80\xff\xe4"),)),
    field("an empty value", b"X:\r\nY: \r\n", (("X", ""), ("Y", ""))),
    field("repeated fields keep their order", b"X: 1\r\nY: 2\r\nX: 3\r\n", (("X", "1"), ("Y", "2"), ("X", "3"))),
    field("a colon in a value", b"X: a:b: c\r\n", (("X", "a:b: c"),)),
    field("an underscore makes another name", b"Content_Length: 5\r\nTransfer_Encoding: chunked\r\n",
          (("Content_Length", "5"), ("Transfer_Encoding", "chunked"))),
    field("names of ours are not believed", b"Postern-Event-Id: 1\r\nPOSTERN-X: 2\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\n", ()),
    refused("two colons in front", get(fields=b":: a\r\n")),
    refused("space in a name", get(fields=b"X Y: a\r\n")),
    refused("space before the first field", b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
    refused("a fold of spaces alone", get(fields=b"X: a\r\n  \r\n")),
    refused("a folded length", post(b"Content-Length:\r\n 5\r\n", b"hello")),
    refused("a fold behind Host", b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
    refused("8-bit octet before the colon", get(fields=b"X\xa0: a\r\n")),
    refused("slash in a name", get(fields=b"X/Y: a\r\n")),
    refused("quotes in a name", get(fields=b'"X": a\r\n')),
    refused("a name alone", get(fields=b"Content-Length\r\n")),
    refused("DEL in a name", get(fields=b"X\x7f: a\r\n")),
)


def padded(size):
    """A GET whose head is `size` octets long."""
    return get(fields=b"X: " + b"f" * (size - len(get()) - 5) + b"\r\n")


def filled(size):
    return Sent("GET", "/", fields=(("X", "f" * (size - len(get()) - 5)),))


def many(count):
    """A GET with `count` fields, its Host among them."""
    return get(fields=b"".join(b"X%d: y\r\n" % i for i in range(count - 1)))


LIMITED = (
    passed("head below its limit", padded(HEAD_BYTES - 1), filled(HEAD_BYTES - 1)),
    passed("head at its limit", padded(HEAD_BYTES), filled(HEAD_BYTES)),
    refused("head above its limit", padded(HEAD_BYTES + 1), 431),
    refused("a name without end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"n" * 20000, 431),
    refused("fields without end", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000, 431),
    passed("fields at their limit", many(FIELDS), Sent("GET", "/", fields=tuple((f"X{i}", "y") for i in range(FIELDS - 1)))),
    refused("fields above their limit", many(FIELDS + 1), 431),
    dropped("an end in the request line", b"GET / HTT"),
    dropped("an end in a field", b"GET / HTTP/1.1\r\nHost: a\r\nX: y"),
    dropped("an end before the empty line", b"GET / HTTP/1.1\r\n" + HOST),
    passed("an end behind a request", get(), ROOT, stays=False, half_close=True),
    passed("an end behind a body", sized(b"hello"), Sent("POST", "/", b"hello"), stays=False, half_close=True),
)

CASES = LINE_ENDS + START_LINES + METHODS + TARGETS + HOSTS + FIELD_LINES + LIMITED
