# SPDX-License-Identifier: Apache-2.0
"""First, duplicate, another event; what the client is told and what the upstream gets."""
import hashlib
import re

import pytest
from harness.config import route
from harness.lab import STORES
from harness.upstream_server import pattern

UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.smoke
@pytest.mark.parametrize("kind", STORES)
def test_first_duplicate_other(lab, kind):
    gateway = lab.gateway(kind)
    lab.upstream.script("/hook", {"status": 201, "body": "made", "headers": [["X-Mine", "kept"]]})

    first = gateway.post("/hook", "event-1")
    assert (first.status, first.body, first.header("X-Mine")) == (201, b"made", "kept")
    assert first.outcome == "accepted" and UUID_V7.fullmatch(first.event_id)

    again = gateway.post("/hook", "event-1")
    assert (again.status, again.outcome) == (200, "duplicate")
    assert again.header("Content-Type").split(";")[0] == "application/json"
    assert again.json() == {"outcome": "duplicate", "event_id": first.event_id}
    assert again.event_id == first.event_id

    other = gateway.post("/hook", "event-2")
    assert (other.status, other.outcome) == (201, "accepted") and other.event_id != first.event_id
    assert [r.header("Postern-Event-Id") for r in lab.upstream.requests()] == [first.event_id, other.event_id]
    assert (gateway.book("accepted"), gateway.book("duplicate")) == (2, 1)


@pytest.mark.smoke
def test_what_the_upstream_gets(lab):
    gateway = lab.gateway()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = gateway.request("POST", "/a/b%20c?x=1&x=2&empty=", [
        ("X-Event-Id", "1"), ("Content-Type", "application/json"), ("User-Agent", "sender/1"), ("traceparent", trace),
        ("tracestate", "a=b"), ("X-Twice", "one"), ("X-Twice", "two"), ("Authorization", "Bearer t")], b'{"a": 1}',
        host="Hooks.Example.com:8080")
    got, = lab.upstream.requests()
    assert (got.method, got.target) == ("POST", "/a/b%20c?x=1&x=2&empty=")
    assert got.header("Postern-Event-Id") == answer.event_id
    assert got.header("Postern-Attempt") == "1"
    assert got.header("X-Forwarded-For") == "127.0.0.1"
    assert got.header("X-Forwarded-Host") == "Hooks.Example.com:8080"
    assert got.header("X-Forwarded-Proto") == "http"
    assert got.header("traceparent") == trace and got.header("tracestate") == "a=b"
    assert got.header("Content-Type") == "application/json" and got.header("User-Agent") == "sender/1"
    assert got.header_values("X-Twice") == ["one", "two"] and got.header("Authorization") == "Bearer t"
    assert got.header("Host") == f"127.0.0.1:{lab.upstream.port}"
    assert got.header("Content-Length") == "8" and got.header("Transfer-Encoding") is None


def test_what_a_client_says_of_itself_is_not_believed(lab):
    gateway = lab.gateway()
    gateway.post("/", "1", headers=[("Postern-Event-Id", "forged"), ("Postern-Outcome", "forged"), ("Postern-Attempt", "7"),
                                    ("postern-anything", "forged"), ("X-Forwarded-For", "6.6.6.6"),
                                    ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "https"),
                                    ("X-Forwarded-Port", "443"), ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")])
    got, = lab.upstream.requests()
    assert "forged" not in str(got.headers) and got.header("Postern-Attempt") == "1"
    assert "evil" not in str(got.headers) and "6.6.6.6" not in str(got.headers)
    assert got.header_values("X-Forwarded-For") == ["127.0.0.1"]
    assert got.header_values("X-Forwarded-Proto") == ["http"]
    assert got.header("X-Forwarded-Port") is None and got.header("Forwarded") is None


def test_what_a_trusted_proxy_says_of_its_client_goes_on(lab):
    gateway = lab.gateway(trusted_proxies=["127.0.0.1"])
    gateway.post("/", "1", headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9:80"),
                                    ("X-Forwarded-Host", "public.example.com"), ("X-Forwarded-Proto", "https"),
                                    ("X-Forwarded-Port", "443"), ("Forwarded", "for=203.0.113.9")])
    got, = lab.upstream.requests()
    assert got.header_values("X-Forwarded-For") == ["6.6.6.6, 203.0.113.9:80, 127.0.0.1"]
    assert got.header_values("X-Forwarded-Host") == ["public.example.com"]
    assert got.header_values("X-Forwarded-Proto") == ["https"] and got.header("X-Forwarded-Port") == "443"
    assert got.header_values("Forwarded") == ["for=203.0.113.9", "for=127.0.0.1"]


def test_what_an_upstream_says_of_the_outcome_is_not_believed(lab):
    gateway = lab.gateway()
    lab.upstream.script("/", {"headers": [["Postern-Outcome", "duplicate"], ["Postern-Event-Id", "forged"]]})
    answer = gateway.post("/", "1")
    assert answer.outcome == "accepted" and UUID_V7.fullmatch(answer.event_id)


@pytest.mark.smoke
@pytest.mark.parametrize("size", [0, 1, 1024, 65535, 65536, 65537, 300001, 1 << 20])
def test_body_bytes_are_exact(lab, size):
    gateway = lab.gateway()
    body = pattern(size)
    lab.upstream.script("/echo", {"body_size": size, "headers": [["Content-Type", "application/octet-stream"]]})
    answer = gateway.post("/echo", "1", body)
    got, = lab.upstream.requests()
    assert (got.size, got.sha256) == (size, hashlib.sha256(body).hexdigest())
    assert answer.status == 200 and answer.body == body


def test_every_byte_value_in_a_body(lab):
    gateway = lab.gateway(routes=[route(key="payload")])
    bodies = [bytes([value]) for value in range(256)] + [b"\0" * 100, b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
    with gateway.connect() as connection:
        for body in bodies:
            assert connection.request("POST", "/", body=body).outcome == "accepted"
        for body in bodies:
            assert connection.request("POST", "/", body=body).outcome == "duplicate"
    assert [r.sha256 for r in lab.upstream.requests()] == [hashlib.sha256(body).hexdigest() for body in bodies]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_pass(lab, method):
    gateway = lab.gateway()
    assert gateway.request(method, "/m", [("X-Event-Id", "1")]).outcome == "accepted"
    assert lab.upstream.requests()[0].method == method


def test_routes_first_match_wins(lab):
    gateway = lab.gateway(routes=[
        route("exact", "/pay"), {**route("posts", "/git/*"), "match": {"path": "/git/*", "methods": ["POST"]}},
        {**route("hosted"), "match": {"host": "*.example.com", "path": "/*"}}, route("below", "/git/*")])
    seen = {
        "exact": ("POST", "/pay", "a.test"), "posts": ("POST", "/git/a/b", "a.test"),
        "hosted": ("POST", "/x", "Hooks.Example.com:99"), "below": ("PUT", "/git/a", "a.test")}
    for name, (method, target, host) in seen.items():
        assert gateway.request(method, target, [("X-Event-Id", "same")], host=host).outcome == "accepted"
        assert gateway.book("accepted", name) == 1
    for method, target in (("POST", "/other"), ("POST", "/pay/more"), ("POST", "/gitx"), ("POST", "/git/../pay"),
                           ("POST", "/git/%2e%2e/pay"), ("POST", "/git//a")):
        assert gateway.request(method, target).status == 404, target
    assert len(lab.upstream.requests()) == 4


def test_keys_of_routes_are_apart(lab):
    gateway = lab.gateway(routes=[route("a", "/a"), route("b", "/b")])
    assert gateway.post("/a", "same").outcome == "accepted"
    assert gateway.post("/b", "same").outcome == "accepted"
    assert gateway.post("/a", "same").outcome == "duplicate"


def test_duplicate_status_of_choice(lab):
    gateway = lab.gateway(routes=[route("no-content", "/a", duplicate=204), route("conflict", "/b", duplicate=409)])
    for path, status in (("/a", 204), ("/b", 409)):
        first = gateway.post(path, "1")
        again = gateway.post(path, "1")
        assert (again.status, again.outcome, again.event_id) == (status, "duplicate", first.event_id)
        assert (again.body == b"") == (status == 204) == (again.header("Content-Length") is None)


def test_relayed_failures_are_the_upstreams_own(lab):
    gateway = lab.gateway()
    for status in (400, 404, 410, 429, 500, 503):
        lab.upstream.script("/f", {"status": status, "body": f"mine {status}", "headers": [["Retry-After", "7"]]})
        answer = gateway.post("/f", f"key {status}")
        assert (answer.status, answer.body, answer.header("Retry-After")) == (status, f"mine {status}".encode(), "7")
        assert answer.outcome == "failed" and answer.event_id
    assert gateway.book("failed") == 6


def test_success_statuses_of_choice(lab):
    gateway = lab.gateway(routes=[route(success=["2xx", 410])])
    for status, outcomes in ((204, ("accepted", "duplicate")), (302, ("failed", "failed")), (410, ("accepted", "duplicate"))):
        lab.upstream.script("/s", {"status": status})
        assert tuple(gateway.post("/s", f"key {status}").outcome for _ in range(2)) == outcomes
