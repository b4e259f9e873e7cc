# SPDX-License-Identifier: Apache-2.0
"""Keys in full: canonical payloads against an oracle of the tests' own, selections, forms, packed bodies, scopes, and what
hostile bodies come to."""
import gzip
import hashlib
import json
import random
import re

import pytest
from harness import canonical as oracle
from harness.config import route, to_yaml
from harness.gateway import run_cli

FORM = [("Content-Type", "application/x-www-form-urlencoded")]
GZIP = [("Content-Encoding", "gzip")]
CANONICAL = {"payload": {"canonical": True}}
CONFIG = {
    "listen": [{"address": "127.0.0.1:18080"}],
    "upstreams": {"app": {"endpoints": ["http://127.0.0.1:18081"]}},
}


def explain(tmp_path, key, body):
    """What `postern key` tells of a body: its lines by their first word."""
    path, body_path = tmp_path / "postern.yaml", tmp_path / "body"
    path.write_text(to_yaml({**CONFIG, "limits": {"body": "16MiB"}, "routes": [route(key=key)]}), encoding="utf-8")
    body_path.write_bytes(body)
    done = run_cli("key", "-c", str(path), "--route", "events", "--body", str(body_path))
    return {line.split(b" ", 1)[0].decode(): line.split(b" ", 1)[1].strip().decode("utf-8", "replace")
            for line in done.stdout.split(b"\n") if b" " in line}


def shown(form):
    """As the command writes it: what would control a terminal is marked. The key is made of the form itself."""
    return re.sub("[\x7f-\x9f]", lambda found: "".join(f"\\x{octet:02x}" for octet in found[0].encode()), form)


def check_form(tmp_path, value, text):
    wanted = oracle.canonical(value)
    told = explain(tmp_path, CANONICAL, text.encode())
    assert told.get("form") == shown(wanted)
    assert told["key"] == oracle.canonical_key("events", wanted)


# -- the form, byte by byte

@pytest.mark.parametrize("seed", range(20))
def test_random_documents_have_the_oracle_s_form(tmp_path, seed):
    draw = random.Random(seed)
    documents = [oracle.random_value(draw) for _ in range(250)]
    check_form(tmp_path, documents, oracle.spell(draw, documents))


@pytest.mark.parametrize("seed", range(3))
def test_doubles_have_the_text_of_ecmascript(tmp_path, seed):
    draw = random.Random(seed)
    doubles = [oracle.random_double(draw) for _ in range(8000)]
    doubles += [float(draw.randrange(10 ** 6)) / 10 ** draw.randrange(12) for _ in range(8000)]
    values = [oracle.Decimal(repr(value)) for value in doubles]
    check_form(tmp_path, values, json.dumps(doubles))


PATHS = ["a", "b", "a.b", "*", "a.*", "*.a", "0", "*.0", "a.1", "*.*", "b.*.a", "a.a", "b.b.b"]


def small_value(draw, depth=0):
    """Few names, so that paths hit."""
    kind = draw.randrange(6 if depth < 4 else 2)
    if kind < 2:
        return draw.choice(("", "x", None, True, oracle.Decimal(7)))
    if kind < 4:
        return [small_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {name: small_value(draw, depth + 1) for name in draw.sample(("a", "b", "c", "0"), draw.randrange(4))}


@pytest.mark.parametrize("seed", range(40))
def test_random_selections_leave_what_the_oracle_s_do(tmp_path, seed):
    draw = random.Random(seed)
    include, exclude = (draw.sample(PATHS, draw.randrange(3)) for _ in range(2))
    options = {name: paths for name, paths in (("include", include), ("exclude", exclude)) if paths}
    value = [small_value(draw) for _ in range(6)] if seed % 2 else {name: small_value(draw) for name in "ab0"}
    split = [[path.split(".") for path in paths] for paths in (include, exclude)]
    left = oracle.select(value, *split, whole=not include)
    told = explain(tmp_path, {"payload": {"canonical": True, **options}}, oracle.spell(draw, value).encode())
    if options and not oracle.says_something(left):
        assert told.get("no") == "key  absent"
        return
    assert told.get("form") == oracle.canonical(left), (include, exclude, oracle.canonical(value))
    assert told["key"] == oracle.canonical_key("events", oracle.canonical(left), *split)


# -- through the gateway

@pytest.mark.smoke
def test_spellings_of_a_document_are_one_event(lab):
    gateway = lab.gateway(routes=[route(key=CANONICAL)])
    draw, seen = random.Random(1), set()
    with gateway.connect() as connection:
        for _ in range(400):
            value = oracle.random_value(draw)
            form = oracle.canonical(value)
            for _ in range(2):
                answer = connection.request("POST", "/", body=oracle.spell(draw, value).encode())
                assert answer.outcome == ("duplicate" if form in seen else "accepted"), form
                seen.add(form)


@pytest.mark.smoke
def test_what_looks_alike_is_not_the_same(lab):
    gateway = lab.gateway(routes=[route(key=CANONICAL)])
    bodies = [b"[9007199254740992]", b"[9007199254740993]", b"[12345678901234567890]", b"[12345678901234567891]", b"[1e400]",
              b"[1e401]", b"[0.1]", b"[0.10000000000000001]", b'["1"]', b"[1]", b"[true]", b'["true"]', b"[null]", b"[]", b"{}",
              b"[[]]", b"[{}]", '["\u00e9"]'.encode(), '["e\u0301"]'.encode(), b'["\\u0000"]', b'["0"]', b'{"a":{"b":1}}',
              b'{"a":{},"b":1}', b'{"a":1,"b":2}', b'{"a":2,"b":1}']
    with gateway.connect() as connection:
        for body in bodies:
            assert connection.request("POST", "/", body=body).outcome == "accepted", body
        for body in bodies:
            assert connection.request("POST", "/", body=b" " + body + b"\n").outcome == "duplicate", body


HOSTILE = {
    "duplicate names": (b'{"a":1,"a":2}', "not_json"),
    "duplicate names, spelled apart": (b'{"a":1,"\\u0061":1}', "not_json"),
    "lone surrogate": (b'{"a":"\\ud800"}', "not_json"),
    "surrogates the wrong way round": (b'{"a":"\\udc00\\ud800"}', "not_json"),
    "surrogate as UTF-8": (b'{"a":"\xed\xa0\x80"}', "not_json"),
    "not UTF-8": (b'{"a":"\xff"}', "not_json"),
    "overlong": (b'{"a":"\xc0\x80"}', "not_json"),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', "not_json"),
    "text behind": (b'{"a":1} x', "not_json"),
    "two documents": (b'{"a":1}{"a":1}', "not_json"),
    "nothing": (b"", "empty"),
    "100,000 levels": (b"[" * 100000 + b"]" * 100000, "not_json"),
    "10 MB of digits": (b"[" + b"7" * 10000000 + b"]", "too_long"),
    "a huge exponent": (b"[1e9999999999]", "too_long"),
    "NaN": (b"[NaN]", "not_json"),
    "a million values": (b"[" + b"1," * 1000000 + b"1]", "too_long"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_have_no_key_and_a_reason(lab, name):
    body, reason = HOSTILE[name]
    gateway = lab.gateway(limits={"body": "16MiB"}, routes=[route(key=CANONICAL)])
    for _ in range(2):
        assert gateway.request("POST", "/", body=body, timeout_s=30).outcome == "bypassed"
    assert gateway.metrics().sum("postern_key_missing_total", route="events", reason=reason) == 2
    assert [got.sha256 for got in lab.upstream.requests()] == [hashlib.sha256(body).hexdigest()] * 2


def test_include_and_exclude(lab):
    gateway = lab.gateway(routes=[
        route("in", "/in", key={"payload": {"canonical": True, "include": ["id", "data.id"]}}),
        route("out", "/out", key={"payload": {"exclude": ["meta.sent_at", "items.*.etag"]}})])
    def send(path, value):
        return gateway.request("POST", path, body=json.dumps(value).encode()).outcome
    assert send("/in", {"id": 1, "data": {"id": 2, "x": 3}}) == "accepted"
    assert send("/in", {"data": {"y": 4, "id": 2}, "id": 1, "try": 2}) == "duplicate"
    assert send("/in", {"id": 1}) == "accepted"
    assert send("/in", {"other": 1}) == "bypassed"
    first = {"items": [{"n": 1, "etag": "a"}, {"n": 2, "etag": "b"}], "meta": {"sent_at": 1, "by": "x"}}
    again = {"meta": {"by": "x", "sent_at": 2}, "items": [{"etag": "c", "n": 1}, {"n": 2}]}
    other = {"meta": {"by": "x", "sent_at": 2}, "items": [{"n": 2}, {"n": 1}]}
    assert [send("/out", value) for value in (first, again, other)] == ["accepted", "duplicate", "accepted"]


@pytest.mark.smoke
def test_forms(lab):
    gateway = lab.gateway(routes=[route("one", "/one", key={"json": ["id", "event_id"]}),
                                  route("all", "/all", key={"fields": ["a", "b"]})])
    def send(path, body):
        return gateway.request("POST", path, FORM, body).outcome
    assert send("/one", b"id=a+b&x=1") == "accepted"
    assert send("/one", b"x=2&i%64=a%20b") == "duplicate"
    assert send("/one", b"id=a%2Bb") == "accepted"
    assert send("/one", b"event_id=a+b") == "duplicate"
    assert send("/one", b"id=1&id=1") == "bypassed"
    assert send("/one", b"id=%zz") == "bypassed"
    assert send("/one", b'{"id":"a b"}') == "duplicate"
    assert send("/all", b"a=x&b=yz") == "accepted"
    assert send("/all", b"a=xy&b=z") == "accepted"
    assert send("/all", b"b=yz&a=x") == "duplicate"
    metrics = gateway.metrics()
    for reason in ("repeated", "encoding"):
        assert metrics.sum("postern_key_missing_total", route="one", reason=reason) == 1


@pytest.mark.smoke
def test_packed_bodies_are_keyed_by_what_they_hold_and_forwarded_as_they_came(lab):
    gateway = lab.gateway(routes=[route("json", "/json", key={"json": ["id"]}), route("form", "/form", key={"json": ["id"]}),
                                  route("canonical", "/canonical", key=CANONICAL), route("raw", "/raw", key="payload")])
    body = b'{"id":"a", "n": 1.0}'
    fast, best = gzip.compress(body, 1, mtime=1), gzip.compress(body, 9, mtime=2)
    assert fast != best
    for path in ("/json", "/canonical"):
        assert gateway.request("POST", path, GZIP, fast).outcome == "accepted"
        got = lab.upstream.requests()[-1]
        assert (got.sha256, got.header("Content-Encoding")) == (hashlib.sha256(fast).hexdigest(), "gzip")
        assert gateway.request("POST", path, GZIP, best).outcome == "duplicate"
        assert gateway.request("POST", path, body=b'{"n":1,"id":"a"}').outcome == "duplicate"
    assert gateway.request("POST", "/form", GZIP + FORM, gzip.compress(b"id=a")).outcome == "accepted"
    assert gateway.request("POST", "/form", FORM, b"id=a").outcome == "duplicate"
    assert gateway.request("POST", "/raw", GZIP, fast).outcome == "accepted"
    assert gateway.request("POST", "/raw", GZIP, best).outcome == "accepted"
    assert gateway.request("POST", "/raw", GZIP, fast).outcome == "duplicate"


@pytest.mark.parametrize("body, reason", [
    (gzip.compress(b" " * 100000000), "too_long"), (b"{}", "encoding"), (gzip.compress(b'{"id":1}')[:-1], "encoding"),
    (gzip.compress(b'{"id":1}') * 2, "encoding"), (gzip.compress(b'{"id":1}') + b"x", "encoding"), (gzip.compress(b""), "empty"),
    (gzip.compress(b"id"), "not_json")])
def test_packed_bodies_that_can_not_be_read(lab, body, reason):
    gateway = lab.gateway(routes=[route(key={"json": ["id"]})])
    before = gateway.resident_bytes()
    assert gateway.request("POST", "/", GZIP, body).outcome == "bypassed"
    assert gateway.metrics().sum("postern_key_missing_total", route="events", reason=reason) == 1
    assert gateway.resident_bytes() - before < 8 << 20
    assert lab.upstream.requests()[-1].sha256 == hashlib.sha256(body).hexdigest()


@pytest.mark.smoke
def test_scopes(lab):
    gateway = lab.gateway(routes=[route(key={"json": ["id"]}, scope=["method", "path", {"header": "X-Tenant"}])])
    body = b'{"id":1}'
    seen = set()
    for method in ("POST", "PUT"):
        for path in ("/a", "/b", "/a?x=1"):
            for headers in ((), (("X-Tenant", ""),), (("X-Tenant", "t"),), (("x-tenant", "u"),)):
                what = (method, path.split("?")[0], headers)
                outcome = gateway.request(method, path, headers, body).outcome
                assert outcome == ("duplicate" if what in seen else "accepted"), what
                seen.add(what)
    assert gateway.request("POST", "/a", (("X-Tenant", "t"), ("X-Tenant", "t")), body).outcome == "bypassed"
    assert gateway.metrics().sum("postern_key_missing_total", route="events", reason="repeated") == 1


def test_missing_payload_after_a_canonical_miss(lab):
    gateway = lab.gateway(routes=[route(key=CANONICAL, missing="payload")])
    assert gateway.request("POST", "/", body=b"no json").outcome == "accepted"
    assert gateway.request("POST", "/", body=b"no json").outcome == "duplicate"
    assert gateway.request("POST", "/", body=b"no  json").outcome == "accepted"


def test_postern_key_shows_the_form(tmp_path):
    told = explain(tmp_path, {"payload": {"exclude": ["t"]}}, b'{"t":1, "b":"\\u00e9", "a":1.50}')
    assert told["form"] == '{"a":1.5,"b":"é"}'
    assert re.fullmatch("[0-9a-f]{32}", told["key"])
