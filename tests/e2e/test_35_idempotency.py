# SPDX-License-Identifier: Apache-2.0
"""Routes for Idempotency-Key, by the table of draft-ietf-httpapi-idempotency-key-header: no key 400, at work 409, another
body 422, done: the first response again; and replays in general."""
import base64
import gzip
import json
import threading

import pytest
from harness import http
from harness.config import route
from harness.lab import STORES
from harness.wait import wait_until

API = {"name": "api", "match": {"path": "/*"}, "upstream": "app", "preset": "idempotency-key"}
LASTING = ("memory+sqlite", "redis+postgres")


def open_api(lab, kind="memory+sqlite", **settings):
    return lab.gateway(kind, routes=[{**API, **settings}])


def call(gateway, key=None, body=b'{"amount": 1}', path="/pay", method="POST", headers=(), **options):
    mine = [("Idempotency-Key", key)] if key is not None else []
    return gateway.request(method, path, mine + list(headers), body, **options)


def check_problem(answer, status, word):
    assert (answer.status, answer.header("Content-Type")) == (status, "application/problem+json"), answer
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("urn:postern:problem:" + word, status)
    assert len(problem["detail"]) > 20


def check_replayed(answer, first):
    assert (answer.status, answer.body) == (first.status, first.body), answer
    assert answer.header("Idempotent-Replayed") == "true" and answer.outcome == "duplicate"
    assert answer.event_id == first.event_id
    assert answer.header("Content-Type") == first.header("Content-Type")


# -- the draft's table

@pytest.mark.smoke
@pytest.mark.parametrize("kind", STORES)
def test_the_table(lab, kind):
    gateway = open_api(lab, kind)
    lab.upstream.script("/pay", {"status": 201, "body": '{"id": 7}', "headers": [
        ["Content-Type", "application/json"], ["Location", "/pay/7"], ["Set-Cookie", "a=b"]]})
    check_problem(call(gateway), 400, "no-key")
    first = call(gateway, '"k1"')
    assert (first.status, first.outcome, first.header("Set-Cookie")) == (201, "accepted", "a=b")
    assert first.header("Idempotent-Replayed") is None
    for _ in range(3):
        again = call(gateway, '"k1"')
        check_replayed(again, first)
        assert again.header("Location") == "/pay/7" and again.header("Set-Cookie") is None
    other = call(gateway, '"k1"', b'{"amount": 2}')
    check_problem(other, 422, "fingerprint-mismatch")
    assert other.event_id == first.event_id
    assert len(lab.upstream.requests("/pay")) == 1
    page = gateway.metrics()
    assert page.sum("postern_replayed_total") == 3
    assert page.sum("postern_fingerprint_mismatch_total") == 1


@pytest.mark.parametrize("kind", LASTING)
def test_while_the_first_is_at_work(lab, kind):
    gateway = open_api(lab, kind)
    lab.upstream.script("/pay", {"wait_for": "door", "body": "paid"})
    answers = []
    first = threading.Thread(target=lambda: answers.append(call(gateway, '"k1"', timeout_s=30)))
    first.start()
    lab.upstream.wait_requests(1, "/pay")
    same, other = call(gateway, '"k1"'), call(gateway, '"k1"', b"{}")
    check_problem(same, 409, "in-flight")
    assert int(same.header("Retry-After")) >= 1
    check_problem(other, 422, "fingerprint-mismatch")
    lab.upstream.open_gate("door")
    first.join(40)
    check_replayed(call(gateway, '"k1"'), answers[0])
    assert len(lab.upstream.requests("/pay")) == 1


@pytest.mark.parametrize("kind", LASTING)
def test_many_at_once_are_done_once(lab, kind):
    gateway = lab.gateway(kind, workers=2, routes=[{**API, "in_flight": "wait"}])
    lab.upstream.script("/pay", {"wait_for": "door", "status": 201, "body": "paid"})
    connections = [gateway.connect(timeout_s=30) for _ in range(40)]
    for connection in connections:
        connection.send(http.request_bytes("POST", "/pay", [("Idempotency-Key", '"k1"')], b"{}"))
    lab.upstream.wait_requests(1, "/pay")
    lab.upstream.open_gate("door")
    answers = [connection.read_response() for connection in connections]
    for connection in connections:
        connection.close()
    assert {(answer.status, answer.body) for answer in answers} == {(201, b"paid")}
    assert sorted(answer.outcome for answer in answers) == ["accepted"] + ["duplicate"] * 39
    assert len(lab.upstream.requests("/pay")) == 1


# -- keys

def test_quoted_and_plain_are_one_key(lab):
    gateway = open_api(lab)
    first = call(gateway, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    check_replayed(call(gateway, "8e03978e-40d5-43dd-bc93-6894a57f9324"), first)
    assert call(gateway, '"8e03978e-40d5-43dd-bc93-6894a57f9325"').outcome == "accepted"


@pytest.mark.parametrize("key", ('""', '"open', 'a"b', '"a", "b"', '"a\\x"', "a b", '"a";b=1', ""))
def test_malformed_keys_are_none(lab, key):
    gateway = open_api(lab)
    check_problem(call(gateway, key), 400, "no-key")
    assert not lab.upstream.requests()


def test_two_keys_are_none(lab):
    gateway = open_api(lab)
    check_problem(call(gateway, '"a"', headers=[("Idempotency-Key", '"b"')]), 400, "no-key")
    check_problem(call(gateway, '"a"', headers=[("idempotency-key", '"a"')]), 400, "no-key")


def test_a_key_belongs_to_method_path_and_client(lab):
    gateway = open_api(lab)
    mine, yours = ([("Authorization", word)] for word in ("Bearer me", "Bearer you"))
    assert call(gateway, '"k"', headers=mine).outcome == "accepted"
    assert call(gateway, '"k"', headers=yours).outcome == "accepted"
    assert call(gateway, '"k"', headers=mine, path="/other").outcome == "accepted"
    assert call(gateway, '"k"', headers=mine, method="PATCH").outcome == "accepted"
    assert call(gateway, '"k"', headers=mine).outcome == "duplicate"


# -- it lasts

@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("how", ("stop", "kill"))
def test_after_a_restart_the_response_is_still_known(lab, kind, how):
    gateway = open_api(lab, kind)
    lab.upstream.script("/pay", {"status": 201, "body": "first"}, {"status": 201, "body": "second"})
    first = call(gateway, '"k1"')
    gateway.wait_state(first.event_id, "delivered")
    if how == "stop":
        assert gateway.stop() == 0
    else:
        gateway.kill()
    gateway.start()
    check_replayed(call(gateway, '"k1"'), first)
    check_problem(call(gateway, '"k1"', b"{}"), 422, "fingerprint-mismatch")
    assert len(lab.upstream.requests("/pay")) == 1


def test_two_gateways_know_each_other_s_responses(lab):
    stores = lab.stores("redis+sqlite")
    gateways = [lab.gateway(stores={**stores, "journal": lab.stores("redis+sqlite")["journal"]}, routes=[API])
                for _ in range(2)]
    first = call(gateways[0], '"k1"')
    check_replayed(call(gateways[1], '"k1"'), first)
    check_problem(call(gateways[1], '"k1"', b"{}"), 422, "fingerprint-mismatch")


def test_a_failure_is_not_an_answer_for_ever(lab):
    gateway = open_api(lab)
    lab.upstream.script("/pay", {"status": 500, "body": "no"}, {"status": 200, "body": "yes"})
    assert call(gateway, '"k1"').status == 500
    assert call(gateway, '"k1"', b"{}").body == b"yes" # another body: the failed one has left nothing
    assert call(gateway, '"k1"', b"{}").header("Idempotent-Replayed") == "true"


# -- what is kept

def replay_route(**settings):
    return route(duplicate="replay", **settings)


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("framing", ("sized", "chunked"))
def test_bodies_at_and_over_the_cap(lab, kind, framing):
    gateway = lab.gateway(kind, routes=[replay_route(replay={"body": "64KiB"})])
    for size, kept in ((0, True), (65535, True), (65536, True), (65537, False)):
        path, body = f"/{size}", "x" * size
        lab.upstream.script(path, {"body": body, "framing": framing, "piece": 8192})
        first, copy = gateway.post(path, str(size)), gateway.post(path, str(size))
        assert first.body == body.encode()
        if kept:
            check_replayed(copy, first)
        else:
            assert copy.json() == {"outcome": "duplicate", "event_id": first.event_id}


def test_a_large_cap_within_what_is_held(lab):
    gateway = lab.gateway("redis+postgres", routes=[replay_route(replay={"body": "1MiB"})],
                          limits={"response_buffer": "2MiB"})
    lab.upstream.script("/big", {"body": "y" * (1024 * 1024)})
    first = gateway.post("/big", "1")
    assert len(first.body) == 1024 * 1024
    check_replayed(gateway.post("/big", "1"), first)


def test_a_packed_response_stays_readable(lab):
    gateway = lab.gateway(routes=[replay_route(replay={"headers": ["X-Only"]})])
    packed = gzip.compress(b"hello")
    head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Only: 1\r\nX-Other: 2\r\nContent-Length: %d\r\n\r\n"
    lab.upstream.script("/", {"raw": base64.b64encode((head % len(packed)).encode() + packed).decode()})
    first, copy = gateway.post("/", "1"), gateway.post("/", "1")
    assert first.body == packed == copy.body
    assert copy.header("Content-Encoding") == "gzip" and copy.header("X-Only") == "1"
    assert copy.header("X-Other") is None


def test_a_queue_gives_its_202_again(lab):
    gateway = lab.gateway("redis+postgres", routes=[replay_route(mode="queue", fingerprint="payload")])
    first, copy = gateway.post("/", "1"), gateway.post("/", "1")
    assert (first.status, first.outcome) == (202, "accepted")
    check_replayed(copy, first)
    check_problem(gateway.post("/", "1", b"other"), 422, "fingerprint-mismatch")
    gateway.wait_state(first.event_id, "delivered")
    check_replayed(gateway.post("/", "1"), first)


# -- fingerprints alone

@pytest.mark.parametrize("kind", LASTING)
def test_another_body_may_be_another_event(lab, kind):
    gateway = lab.gateway(kind, routes=[route(fingerprint="payload", on_mismatch="new")])
    outcomes = [gateway.post("/", "1", body).outcome for body in (b"a", b"b", b"a", b"b")]
    assert outcomes == ["accepted", "accepted", "duplicate", "duplicate"]


@pytest.mark.parametrize("kind", LASTING)
def test_another_body_may_be_the_same_event(lab, kind):
    gateway = lab.gateway(kind, routes=[route(fingerprint="payload", on_mismatch="duplicate")])
    assert [gateway.post("/", "1", body).outcome for body in (b"a", b"b")] == ["accepted", "duplicate"]
    wait_until(lambda: gateway.logged("same key, another body"), "the log tells it")
    told = [json.loads(line) for line in gateway.logged("same key, another body")]
    assert len(told) == 1 and len(told[0]["fingerprint"]) == len(told[0]["first_fingerprint"]) == 8
    assert told[0]["fingerprint"] != told[0]["first_fingerprint"]
