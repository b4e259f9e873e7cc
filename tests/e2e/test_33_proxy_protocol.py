# SPDX-License-Identifier: Apache-2.0
"""Listeners behind a proxy that forwards TCP: who the client is, and who may say so."""
import socket
import struct

import pytest
from harness import http, tls
from harness.config import route
from harness.wait import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n"


def binary(command=1, family=0x11, addresses=b"", tlvs=b"", version=2, length=None):
    size = len(addresses) + len(tlvs) if length is None else length
    return SIGNATURE + struct.pack("!BBH", version << 4 | command, family, size) + addresses + tlvs


IPV4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 51234, 443)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + b"\1\2\3\4"
MAPPED = socket.inet_pton(socket.AF_INET6, "::ffff:203.0.113.7") * 2 + b"\1\2\3\4"
TLVS = b"\x01\0\x08http/1.1" + b"\x04\xff\x00" + b"x" * 0xff00

GOOD = {
    "line, IPv4": (LINE, "203.0.113.7"),
    "line, IPv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", "2001:db8::7"),
    "line, unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "line, unknown with more": (b"PROXY UNKNOWN ffff:f::1 ffff::1 65535 65535\r\n", "127.0.0.1"),
    "binary, IPv4": (binary(addresses=IPV4), "203.0.113.7"),
    "binary, IPv6": (binary(family=0x21, addresses=IPV6), "2001:db8::7"),
    "binary, IPv4 in IPv6": (binary(family=0x21, addresses=MAPPED), "203.0.113.7"),
    "binary, TLVs": (binary(addresses=IPV4, tlvs=TLVS), "203.0.113.7"),
    "binary, local": (binary(0, 0), "127.0.0.1"),
    "binary, local with addresses": (binary(0, addresses=IPV4), "127.0.0.1"),
    "binary, not TCP": (binary(family=0x31, addresses=b"x" * 216), "127.0.0.1"),
}

BAD = {
    "a request": b"POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "no port": b"PROXY TCP4 203.0.113.7 192.0.2.1 51234\r\n",
    "a name": b"PROXY TCP4 client.test 192.0.2.1 51234 443\r\n",
    "bare LF": LINE.replace(b"\r", b""),
    "endless": b"PROXY TCP4 " + b"1" * 200,
    "version 3": binary(addresses=IPV4, version=3),
    "command 2": binary(2, addresses=IPV4),
    "too short": binary(addresses=IPV4, length=11),
    "garbage": b"\0" * 20,
    "TLS": b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3",
}


def behind_proxy(lab, trusted="127.0.0.0/8", secure=None, **config):
    gateway = lab.make_gateway(trusted_proxies=trusted, **config)
    gateway.config["listen"][0]["proxy_protocol"] = True
    if secure:
        tls.secured(gateway, **secure)
    gateway.write_config()
    return gateway.start()


def refused_headers(gateway):
    return gateway.metrics().sum("postern_proxy_headers_refused_total")


def post(connection, key, headers=()):
    return connection.request("POST", "/hook", [("X-Event-Id", key), *headers], b"{}")


@pytest.mark.smoke
def test_the_header_says_who_the_client_is(lab):
    gateway = behind_proxy(lab)
    for key, (header, client) in GOOD.items():
        with gateway.connect() as whole, gateway.connect() as dripped:
            whole.send(header)
            assert post(whole, key).outcome == "accepted", key
            assert lab.upstream.requests()[-1].header("X-Forwarded-For") == client, key
            dripped.drip(header[:200])
            dripped.send(header[200:] + http.request_bytes("POST", "/again", [("X-Event-Id", key)], b"{}"))
            assert dripped.read_response("POST").outcome == "duplicate", key
    clients = {client for _, client in GOOD.values()}
    wait_until(lambda: {line["client"] for line in gateway.logs() if line["msg"] == "exchange"} == clients, "the log tells them")
    assert refused_headers(gateway) == 0


def test_without_a_good_header_nobody_is_served(lab):
    gateway = behind_proxy(lab)
    for name, header in BAD.items():
        with gateway.connect() as connection:
            connection.send(header)
            assert connection.is_closed(), name
    with gateway.connect(): # a health check: nothing is said
        pass
    wait_until(lambda: refused_headers(gateway) == len(BAD), "they are counted")
    assert not lab.upstream.requests()


def test_a_header_has_its_time(lab, tmp_path):
    own = tls.Authority(str(tmp_path)).sign("gateway", "DNS:gateway.test")
    gateway = behind_proxy(lab, secure={**own.config(), "handshake_timeout": "200ms"})
    with gateway.connect() as connection:
        connection.send(LINE[:10])
        assert connection.is_closed()
    wait_until(lambda: refused_headers(gateway) == 1, "it is counted")


def test_only_trusted_proxies_may_connect(lab):
    gateway = behind_proxy(lab, trusted="10.0.0.0/8")
    with gateway.connect() as connection:
        connection.send(LINE + http.request_bytes("POST", "/hook", [("X-Event-Id", "1")], b"{}"))
        assert connection.is_closed()
    assert not lab.upstream.requests()
    wait_until(lambda: refused_headers(gateway) == 1, "the refused peer in the metrics")


def test_without_the_setting_a_header_is_garbage(lab):
    gateway = lab.gateway()
    with gateway.connect() as connection:
        connection.send(LINE + http.request_bytes("POST", "/hook", [("X-Event-Id", "1")], b"{}"))
        assert connection.read_response("POST").status == 501 # of no method that is forwarded
    assert not lab.upstream.requests()


@pytest.mark.parametrize("header", [LINE, binary(addresses=IPV4, tlvs=TLVS)])
def test_the_header_goes_before_tls(lab, tmp_path, header):
    authority = tls.Authority(str(tmp_path))
    own = authority.sign("gateway", "DNS:gateway.test")
    gateway = behind_proxy(lab, secure=own.config())
    with tls.Connection(gateway.port, tls.client_context(authority), first=header) as connection:
        assert [post(connection, "1").outcome for _ in range(2)] == ["accepted", "duplicate"]
    got, = lab.upstream.requests()
    assert (got.header("X-Forwarded-For"), got.header("X-Forwarded-Proto")) == ("203.0.113.7", "https")


# ---- the client behind the proxy is no proxy


@pytest.mark.parametrize("header", [LINE, binary(addresses=IPV4)])
def test_the_client_is_not_believed_as_its_proxy_is(lab, header):
    """Trust is judged by the address that the header tells, not by the one that is connected."""
    gateway = behind_proxy(lab)
    claims = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https"), ("X-Real-IP", "9.9.9.9"),
              ("Forwarded", "for=9.9.9.9;proto=https")]
    with gateway.connect() as connection:
        connection.send(header)
        assert post(connection, "1", claims).outcome == "accepted"
    got, = lab.upstream.requests()
    assert (got.header("X-Forwarded-For"), got.header("X-Forwarded-Proto")) == ("203.0.113.7", "http")
    assert got.header("Forwarded") is None and got.header("X-Real-IP") is None
    line, = wait_until(lambda: [line for line in gateway.logs() if line["msg"] == "exchange"], "the log tells it")
    assert line["client"] == "203.0.113.7"


def test_the_client_cannot_choose_whose_rate_it_uses(lab):
    gateway = behind_proxy(lab, routes=[route(limits={"rate": "1/h", "burst": 1, "per": "client"})])

    def ask(header, key, address):
        with gateway.connect() as connection:
            connection.send(header)
            answer = post(connection, key, [("X-Forwarded-For", address)])
            return answer.status if answer.status == 429 else answer.outcome

    assert ask(LINE, "1", "9.9.9.8") == "accepted"
    assert ask(LINE, "2", "9.9.9.9") == 429
    assert ask(LINE.replace(b"203.0.113.7", b"203.0.113.8"), "3", "9.9.9.9") == "accepted", "another client"
