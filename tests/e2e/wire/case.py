# SPDX-License-Identifier: Apache-2.0
"""One row of the tables of requests, and short words to write them with."""
from dataclasses import dataclass

HOST = b"Host: a\r\n"
END = b"\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
# Of the gateway the tables run against: small, so that a case reaches them with few octets.
LIMITS = {"headers": "4KiB", "target": "1KiB", "fields": 20, "body": "2KiB"}
HEAD_BYTES, TARGET_BYTES, FIELDS, BODY_BYTES, CHUNK_OVERHEAD_BYTES = 4096, 1024, 20, 2048, 16384


@dataclass(frozen=True)
class Sent:
    """A request as the upstream has to get it: nothing but this and what the gateway adds."""
    method: str
    target: str
    body: bytes = b""
    fields: tuple = ()  # those of the client, octet by octet and in their order


@dataclass(frozen=True)
class Case:
    name: str
    octets: bytes
    answers: tuple = ()  # a status, or a tuple of those allowed, for each answer that comes
    stays: bool = False  # the connection serves another request afterwards
    upstream: tuple = ()  # of Sent, in order
    interim: int = 0  # 1xx answers before the first one
    half_close: bool = False  # the client ends its side behind the last octet

    def methods(self):
        """Of the answers, as far as HEAD matters."""
        return [sent.method for sent in self.upstream] + ["GET"] * len(self.answers)


def refused(name, octets, status=400, **options):
    """Answered with an error, the connection closed, nothing of it at the upstream."""
    return Case(name, octets, (status,), **options)


def dropped(name, octets):
    """The client ends where more is due: nobody is there to be answered, or a 400 says so."""
    return Case(name, octets, ((None, 400),), half_close=True)


def passed(name, octets, *upstream, stays=True, **options):
    """Every request reaches the upstream, whose 200 comes back."""
    return Case(name, octets, (200,) * len(upstream), stays, tuple(upstream), **options)


def get(target=b"/", fields=b"", host=HOST, version=b"1.1"):
    return b"GET " + target + b" HTTP/" + version + END + host + fields + END


def post(fields, rest=b"", version=b"1.1"):
    return b"POST / HTTP/" + version + END + HOST + fields + END + rest


def chunked(rest, fields=b""):
    return post(b"Transfer-Encoding: chunked\r\n" + fields, rest)


def sized(body, fields=b""):
    return post(b"Content-Length: %d\r\n" % len(body) + fields, body)


def with_host(value):
    return get(host=b"Host: " + value + END)
