# SPDX-License-Identifier: Apache-2.0
"""Where a body ends: Content-Length, Transfer-Encoding, both, chunks and trailers."""
from .case import (BODY_BYTES, CHUNK_OVERHEAD_BYTES, LAST_CHUNK, SMUGGLED, Sent, chunked, dropped, get, passed, post, refused,
                   sized)

HELLO = Sent("POST", "/", b"hello")
HELLO_CHUNK = b"5\r\nhello\r\n"


def length(value, body=b"hello"):
    return post(b"Content-Length: " + value + b"\r\n", body)


LENGTHS = (
    passed("zeros in front of a length", length(b"0" * 30 + b"5"), HELLO),
    passed("spaces around a length", length(b"  5  "), HELLO),
    passed("tab before a length", length(b"\t5"), HELLO),
    passed("GET with a body", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Sent("GET", "/", b"hello")),
    passed("a body that looks like a request", sized(SMUGGLED), Sent("POST", "/", SMUGGLED)),
    passed("0.CL: no length, then a request", post(b"") + get(b"/2"), Sent("POST", "/"), Sent("GET", "/2")),
    passed("CL.0: a length of zero, then a request", length(b"0", b"") + get(b"/2"), Sent("POST", "/"), Sent("GET", "/2")),
    passed("a body of all octets", sized(bytes(range(256))), Sent("POST", "/", bytes(range(256)))),
    passed("body below its limit", sized(b"b" * (BODY_BYTES - 1)), Sent("POST", "/", b"b" * (BODY_BYTES - 1))),
    passed("body at its limit", sized(b"b" * BODY_BYTES), Sent("POST", "/", b"b" * BODY_BYTES)),
    refused("body above its limit", sized(b"b" * (BODY_BYTES + 1)), 413),
    refused("length 2^63-1", length(b"9223372036854775807"), 413),
    refused("length 2^63", length(b"9223372036854775808")),
    refused("length 2^64", length(b"18446744073709551616")),
    refused("length of 100 digits", length(b"9" * 100)),
    dropped("a body that is cut", length(b"10")),
) + tuple(refused(f"length {value!r}", length(value)) for value in (
    b"5,", b",5", b"5;", b"5.0", b"5e0", b"0b101", b"0o5", b"5 5", b"\"5\"", b"'5'", b"--5", b"five", b"\xb5", b"5\xa0", b"%35", b"0x0", b"5h",
    b"5\t")
) + (
    refused("two lengths, the second right", post(b"Content-Length: 0\r\nContent-Length: 5\r\n", b"hello")),
    refused("two lengths in other letters", post(b"content-length: 5\r\nCONTENT-LENGTH: 5\r\n", b"hello")),
    refused("two lengths far apart", post(b"Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n", b"hello")),
    refused("a length and an empty one", post(b"Content-Length: 5\r\nContent-Length:\r\n", b"hello")),
    refused("tab before a length's colon", post(b"Content-Length\t: 5\r\n", b"hello")),
)


def coding(value, rest=LAST_CHUNK, more=b""):
    return post(b"Transfer-Encoding: " + value + b"\r\n" + more, rest)


CODINGS = (
    passed("spaces around chunked", coding(b" \tchunked \t", HELLO_CHUNK + LAST_CHUNK), HELLO),
    passed("CHUNKED", coding(b"CHUNKED", HELLO_CHUNK + LAST_CHUNK), HELLO),
    passed("chunked GET", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO_CHUNK + LAST_CHUNK,
           Sent("GET", "/", b"hello")),
    passed("a chunked body, then a request", chunked(HELLO_CHUNK + LAST_CHUNK) + get(b"/2"), HELLO, Sent("GET", "/2")),
    # smuggling: CVE-2020-8287, CVE-2022-32213, RFC 9112 6.1
    refused("CL.TE", post(b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n", LAST_CHUNK + SMUGGLED)),
    refused("TE.CL", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"26\r\n" + SMUGGLED + b"\r\n" + LAST_CHUNK)),
    refused("TE.TE, the second unknown", coding(b"chunked", LAST_CHUNK + SMUGGLED, b"Transfer-Encoding: x\r\n")),
    refused("TE.TE, the first unknown", coding(b"x", LAST_CHUNK + SMUGGLED, b"Transfer-Encoding: chunked\r\n")),
    refused("TE.TE in other letters", coding(b"chunked", LAST_CHUNK + SMUGGLED, b"TRANSFER-ENCODING: identity\r\n")),
    refused("a length of zero beside chunked", coding(b"chunked", LAST_CHUNK, b"Content-Length: 0\r\n")),
    refused("a bad length beside chunked", coding(b"chunked", LAST_CHUNK, b"Content-Length: x\r\n")),
    refused("an unknown coding beside a length", coding(b"x", b"hello", b"Content-Length: 5\r\n")),
    refused("space before the coding's colon", post(b"Transfer-Encoding : chunked\r\n", LAST_CHUNK)),
    refused("tab before the coding's colon", post(b"Transfer-Encoding\t: chunked\r\n", LAST_CHUNK)),
    refused("NUL behind the coding", coding(b"chunked\0")),
    refused("form feed before the coding", coding(b"\x0cchunked")),
    refused("a folded list of codings", coding(b"chunked,\r\n chunked")),
    refused("chunked in 1.0 with a length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", LAST_CHUNK, b"1.0")),
    refused("an empty coding", coding(b"")),
    refused("chunked isn't the last coding", coding(b"chunked, identity")),
    refused("nothing behind chunked and a comma", coding(b"chunked,")),
) + tuple(refused(f"coding {value!r}", coding(value), 501) for value in (
    b"chunked;", b"chunked;q=1", b", chunked", b"identity, chunked", b"deflate, chunked",
    b"chunke", b"chunkedd", b"x-chunked", b"chun ked", b"'chunked'", b"chunked\xa0", b"gzip;chunked", b"0", b"trailers"))


def chunk_line(line, data=b"hello"):
    return chunked(line + b"\r\n" + data + b"\r\n" + LAST_CHUNK)


def extended(size):
    """A chunked body whose framing comes to `size` octets beyond the 5 of data."""
    ends = len(b"\r\n" + b"\r\n" + LAST_CHUNK)
    return chunk_line(b"5;" + b"e" * (size + len(b"hello") - len(b"5;") - ends))


CHUNKS = (
    passed("no chunk but the last", chunked(LAST_CHUNK), Sent("POST", "/")),
    passed("chunk sizes in both cases", chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n" + LAST_CHUNK), Sent("POST", "/", b"0123456789" * 2)),
    passed("chunk size of 16 digits", chunk_line(b"0" * 15 + b"5"), HELLO),
    passed("last chunk of many zeros", chunked(HELLO_CHUNK + b"0" * 16 + b"\r\n\r\n"), HELLO),
    passed("chunk extensions", chunk_line(b'5;a;b=c;d="e;\\"f\\""'), HELLO),
    passed("extension of the last chunk", chunked(HELLO_CHUNK + b"0;a=b\r\n\r\n"), HELLO),
    passed("chunks of one octet", chunked(b"1\r\nx\r\n" * 500 + LAST_CHUNK), Sent("POST", "/", b"x" * 500)),
    passed("framing at its limit", extended(CHUNK_OVERHEAD_BYTES), HELLO),
    refused("framing above its limit", extended(CHUNK_OVERHEAD_BYTES + 1)),
    passed("chunks up to the body's limit", chunked(b"800\r\n" + b"b" * BODY_BYTES + b"\r\n" + LAST_CHUNK), Sent("POST", "/", b"b" * BODY_BYTES)),
    refused("chunks above the body's limit", chunked(b"800\r\n" + b"b" * BODY_BYTES + b"\r\n1\r\nb\r\n" + LAST_CHUNK), 413),
    dropped("a chunk size of 2^63-1", chunk_line(b"7fffffffffffffff")),
    refused("chunk size of 17 digits", chunk_line(b"0" * 16 + b"5")),
    refused("chunk size 2^63", chunk_line(b"8000000000000000")),
    refused("chunk size 2^64-1", chunk_line(b"ffffffffffffffff")),
    refused("chunk size 2^64+5", chunk_line(b"10000000000000005")),
    refused("TERM.EXT: CR in front of an extension", chunked(b"5\r;a\nhello\r\n" + LAST_CHUNK)),
    refused("EXT.TERM: LF in an extension", chunked(b"5;\nhello\r\n" + LAST_CHUNK)),
    refused("chunk data and CR alone", chunked(b"5\r\nhello\r5\r\nworld\r\n" + LAST_CHUNK)),
    refused("chunk data and two octets", chunked(b"5\r\nhelloXX0\r\n\r\n" + SMUGGLED)),
    refused("chunk data shorter than said", chunked(b"6\r\nhello\r\n" + LAST_CHUNK)),
    refused("no size line behind data", chunked(b"5\r\nhello\r\n\r\n" + SMUGGLED)),
    refused("a request instead of the last line", chunked(HELLO_CHUNK + b"0\r\n" + SMUGGLED)),
    refused("LF as the last line", chunked(HELLO_CHUNK + b"0\r\n\n" + SMUGGLED)),
    refused("CR CR LF as the last line", chunked(HELLO_CHUNK + b"0\r\n\r\r\n")),
    dropped("a chunk that is cut", chunked(b"5\r\nhel")),
    dropped("chunks without the last", chunked(HELLO_CHUNK)),
    dropped("the last line is cut", chunked(HELLO_CHUNK + b"0\r\n\r")),
) + tuple(refused(f"chunk line {line!r}", chunk_line(line)) for line in (
    b"5 ;a", b"5; a", b"5;a ", b"5;", b"5;;a", b"5;a=", b"5;=b", b"5;a b", b'5;a="b', b'5;a="b"c', b"5\t", b"\t5", b"5h", b"5.", b"5,5",
    b"5;a\0", b"0x5", b"+5", b"-5", b"5\xa0", b"'5'", b"%35")
)

TRAILERS = (
    passed("a trailer is dropped", chunked(HELLO_CHUNK + b"0\r\nX-Checksum: 1\r\n\r\n"), HELLO),
    passed("a trailer that was announced", chunked(HELLO_CHUNK + b"0\r\nX-Checksum: 1\r\n\r\n", b"Trailer: X-Checksum\r\n"), HELLO),
    passed("a key in a trailer is none", chunked(HELLO_CHUNK + b"0\r\nX-Event-Id: 1\r\n\r\n"), HELLO),
    passed("credentials in a trailer are none", chunked(HELLO_CHUNK + b"0\r\nAuthorization: x\r\nCookie: y\r\nPostern-Outcome: z\r\n\r\n"), HELLO),
    passed("an empty trailer", chunked(HELLO_CHUNK + b"0\r\nX:\r\n\r\n"), HELLO),
    passed("a trailer, then a request", chunked(HELLO_CHUNK + b"0\r\nX: y\r\n\r\n") + get(b"/2"), HELLO, Sent("GET", "/2")),
    refused("a length in a trailer, in capitals", chunked(HELLO_CHUNK + b"0\r\nCONTENT-LENGTH: 0\r\n\r\n")),
    refused("a coding in a trailer", chunked(HELLO_CHUNK + b"0\r\ntransfer-encoding: chunked\r\n\r\n")),
    refused("a Host behind another trailer", chunked(HELLO_CHUNK + b"0\r\nX: y\r\nhOST: b\r\n\r\n")),
    refused("space before a trailer's colon", chunked(HELLO_CHUNK + b"0\r\nX : y\r\n\r\n")),
    refused("a trailer with LF", chunked(HELLO_CHUNK + b"0\r\nX: y\n\r\n")),
    refused("a trailer with CR", chunked(HELLO_CHUNK + b"0\r\nX: y\rZ\r\n\r\n")),
    refused("a trailer with NUL", chunked(HELLO_CHUNK + b"0\r\nX: \0\r\n\r\n")),
    refused("a trailer without a name", chunked(HELLO_CHUNK + b"0\r\n: y\r\n\r\n")),
    refused("a trailer that begins with a tab", chunked(HELLO_CHUNK + b"0\r\n\tX: y\r\n\r\n")),
)

CASES = LENGTHS + CODINGS + CHUNKS + TRAILERS
