# SPDX-License-Identifier: Apache-2.0
"""Queue routes at the door: what a 202 says, that it stands through a kill, and that the upstream gets what came."""
import concurrent.futures
import hashlib

import pytest
from harness import http
from harness.config import queue_route, route
from harness.http import request_bytes
from harness.journal import journal_rows
from harness.upstream_server import pattern
from harness.wait import wait_until

KINDS = ["memory+sqlite", "redis+postgres"]


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_accepted_and_delivered(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route()])
    answer = gateway.post("/a?b=c", "one", b"hello", [("Authorization", "Bearer secret-0815")])
    assert answer.status == 202 and answer.outcome == "accepted"
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"outcome": "accepted", "event_id": answer.event_id}
    request, = lab.upstream.wait_requests(1)
    assert request.event_id == answer.event_id and request.attempt == 1
    assert (request.method, request.target, request.size) == ("POST", "/a?b=c", 5)
    assert request.header("Authorization") == "Bearer secret-0815", "credentials are delivered"
    event = gateway.wait_state(answer.event_id, "delivered")
    assert (event["mode"], event["attempts"], event["last_error"]) == ("queue", 1, None)
    assert [(d["attempt"], d["response_status"], d["error"], d["response"]) for d in event["deliveries"]] == [(1, 200, None, "ok\n")]
    shown = {header["name"]: header["value"] for header in event["headers"]}
    assert shown["Authorization"] == "***" and shown["X-Event-Id"] == "one", "and masked where people look"
    assert gateway.book("accepted") == 1


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_before_and_after_the_delivery(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route()])
    lab.upstream.script("/held", {"wait_for": "gate"})
    first = gateway.post("/held", "one")
    lab.upstream.wait_requests(1)
    early = gateway.post("/held", "one")
    lab.upstream.open_gate("gate")
    gateway.wait_state(first.event_id, "delivered")
    late = gateway.post("/held", "one")
    assert {(a.status, a.outcome, a.event_id) for a in (early, late)} == {(200, "duplicate", first.event_id)}
    assert len(lab.upstream.requests()) == 1
    wait_until(lambda: gateway.event(first.event_id)["duplicates"] == 2, "both are counted")


@pytest.mark.smoke
@pytest.mark.parametrize("status, body", [(200, True), (204, False), (299, True)])
def test_another_status_than_202(lab, status, body):
    """For senders that take only 200, or 204, for a success: their copies get it too."""
    gateway = lab.gateway(routes=[queue_route(accept=status)])
    with gateway.connect() as connection:
        first, copy = (connection.request("POST", "/", [("X-Event-Id", "one")], b"{}") for _ in range(2))
    assert (first.status, first.outcome) == (status, "accepted")
    assert (copy.status, copy.outcome, copy.event_id) == (status, "duplicate", first.event_id)
    for answer in (first, copy):
        assert bool(answer.body) == body and (answer.header("Content-Length") is not None) == body
    assert gateway.wait_state(first.event_id, "delivered")["attempts"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_202_stands_through_a_kill(lab, kind):
    """With the upstream away, nothing but the journal has the event."""
    lab.upstream.down()
    gateway = lab.gateway(kind, routes=[queue_route(retry={"max_attempts": 1000}, lease="2s")],
                          upstreams={"app": {"timeout": "1s"}})
    told = {str(number): gateway.post("/", str(number), b"body of %d" % number).event_id for number in range(5)}
    gateway.kill()
    lab.upstream.up()
    gateway.start()
    for number, event_id in told.items():
        gateway.wait_state(event_id, "delivered")
        assert gateway.post("/", number).outcome == "duplicate"
    got = {request.event_id: request.sha256 for request in lab.upstream.requests() if request.succeeded()}
    assert got == {event_id: hashlib.sha256(b"body of %d" % int(number)).hexdigest() for number, event_id in told.items()}


BODIES = {
    "all bytes": (bytes(range(256)) * 3, None),
    "empty": (b"", None),
    "1 MiB": (pattern(1 << 20), None),
    "chunked": (b"".join(map(bytes, [[1, 2], [0], [255] * 999])), [b"\1\2", b"\0", b"\xff" * 999]),
    "chunked empty": (b"", []),
}
# The attempt's own, and what is made anew for each connection; all others have to be the same in every attempt.
MAY_DIFFER = {"postern-attempt", "connection"}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_attempts_carry_the_same(lab, kind, name):
    """The first attempt comes from memory, the second from the journal."""
    body, chunks = BODIES[name]
    gateway = lab.gateway(kind, routes=[queue_route()])
    lab.upstream.default(statuses=[500, 500, 204])
    headers = [("X-Event-Id", "1"), ("Content-Type", "application/x-odd; q=\"a,b\""), ("X-Twice", "b"), ("X-Twice", "a"),
               ("Cookie", "s=1"), ("x-LoWer", "\xe4 \t z"), ("Connection", "X-Hop"), ("X-Hop", "no"),
               ("Postern-Event-Id", "forged"), ("X-Forwarded-For", "10.1.2.3")]
    answer = gateway.request("PUT", "/p/%20%c3%a4?x=%00&x=y%20z&", headers, b"" if chunks is not None else body,
                             chunks=chunks, host="Hooks.example.com")
    assert answer.status == 202
    event = gateway.wait_state(answer.event_id, "delivered")
    assert event["body_bytes"] == len(body)
    assert gateway.admin(f"/api/v1/events/{answer.event_id}/body").body == body
    attempts = lab.upstream.attempts(answer.event_id)
    assert [request.attempt for request in attempts] == [1, 2, 3]
    seen = [(r.method, r.target, r.size, r.sha256, [h for h in r.headers if h[0].lower() not in MAY_DIFFER]) for r in attempts]
    assert seen[0] == seen[1] == seen[2]
    first = attempts[0]
    assert (first.method, first.target) == ("PUT", "/p/%20%c3%a4?x=%00&x=y%20z&")
    assert first.sha256 == hashlib.sha256(body).hexdigest()
    assert first.header_values("X-Twice") == ["b", "a"] and first.header("x-lower") == "\xe4 \t z"
    assert first.header("X-Hop") is None and first.header("X-Forwarded-Host") == "Hooks.example.com"
    assert first.header("X-Forwarded-For") == "127.0.0.1"
    assert first.header("Content-Length") == str(len(body))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PATCH", "OPTIONS"])
def test_methods(lab, method):
    gateway = lab.gateway(routes=[queue_route()])
    lab.upstream.default(statuses=[503, 200])
    answer = gateway.request(method, "/m", [("X-Event-Id", "1")])
    assert answer.status == 202
    gateway.wait_state(answer.event_id, "delivered")
    first, second = lab.upstream.attempts(answer.event_id)
    assert first.method == second.method == method
    assert first.header("Content-Length") == second.header("Content-Length")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key(lab, kind):
    """`missing: pass`: durable and delivered, but known to nobody."""
    gateway = lab.gateway(kind, routes=[queue_route()])
    answers = [gateway.post("/", None, b"same") for _ in range(2)]
    assert {(a.status, a.outcome) for a in answers} == {(202, "bypassed")}
    for answer in answers:
        gateway.wait_state(answer.event_id, "delivered")
    assert answers[0].event_id != answers[1].event_id
    assert gateway.book("bypassed") == 2 and gateway.book("accepted") == 0


def test_missing_rules(lab):
    gateway = lab.gateway(routes=[queue_route("strict", "/strict", missing="reject"),
                                  queue_route("body", "/body", missing="payload")])
    assert gateway.post("/strict", None).status == 400
    assert [gateway.post("/body", None, b"same").outcome for _ in range(2)] == ["accepted", "duplicate"]
    gateway.wait_no_queue()
    assert len(lab.upstream.requests()) == 1


def test_body_limit(lab):
    gateway = lab.gateway(routes=[queue_route(limits={"body": "1000B"})])
    assert gateway.post("/", "fits", b"x" * 1000).status == 202
    assert gateway.post("/", "over", b"x" * 1001).status == 413
    assert gateway.post("/", "over", b"x").outcome == "accepted", "what was refused is not known"
    gateway.wait_no_queue()
    assert len(lab.upstream.requests()) == 2


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_copies_that_race(lab, kind):
    """One is accepted; the others wait for its commit and are duplicates of it."""
    gateway = lab.gateway(kind, workers=2, routes=[queue_route()])
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for turn in range(5):
            answers = list(pool.map(lambda _, key=f"key {turn}": gateway.post("/", key), range(16)))
            assert sorted(a.outcome for a in answers) == ["accepted"] + ["duplicate"] * 15
            assert len({a.event_id for a in answers}) == 1
    gateway.wait_no_queue()
    assert len(lab.upstream.requests()) == 5


@pytest.mark.parametrize("rule, status", [("conflict", 409), ("wait", 200)])
def test_copies_while_the_commit_is_slow(lab, rule, status):
    """A lock holds the INSERT up, shorter than what counts as a stall of the database."""
    stores = lab.stores("redis+postgres")
    postgres, url = lab.shared.postgres(), stores["journal"]["postgres"]["url"]
    gateway = lab.gateway(stores=stores, routes=[queue_route(in_flight=rule)],
                          journal={"spool": {"enabled": False}})
    assert gateway.post("/", "before").status == 202
    gateway.wait_no_queue()
    with postgres.locked("event", url), gateway.connect() as slow, gateway.connect() as copy:
        slow.send(request_bytes("POST", "/", [("X-Event-Id", "1")], b"{}"))
        wait_until(lambda: gateway.metrics().sum("postern_journal_pending_rows") == 1, "the first one is at its commit")
        copy.send(request_bytes("POST", "/", [("X-Event-Id", "1")], b"{}"))
        if rule == "conflict":
            conflict = copy.read_response()
            assert (conflict.status, conflict.outcome) == (409, "in-flight") and conflict.header("Retry-After")
        postgres.unlock()
        first = slow.read_response()
        assert first.status == 202
        if rule == "wait":
            second = copy.read_response()
            assert (second.status, second.event_id) == (status, first.event_id)
    gateway.wait_state(first.event_id, "delivered")
    assert len(lab.upstream.attempts(first.event_id)) == 1


def test_a_client_that_leaves_after_its_request(lab):
    """Nobody was told; the event may be there or not, but never twice."""
    gateway = lab.gateway(routes=[queue_route()])
    for number in range(20):
        connection = gateway.connect()
        connection.send(request_bytes("POST", "/", [("X-Event-Id", str(number))], b"{}"))
        connection.reset()
    gateway.wait_quiet()
    for number in range(20):
        assert gateway.post("/", str(number)).status in (200, 202)
    gateway.wait_no_queue()
    assert sorted(request.key for request in lab.upstream.requests()) == sorted(map(str, range(20)))


def test_success_of_redis_that_is_away(lab):
    """`on_store_error: pass`: durable without a claim, and said so; `reject`: nothing is left behind."""
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis),
                          routes=[queue_route("strict", "/strict", on_store_error="reject"), queue_route()])
    redis.kill()
    answer = gateway.post("/", "one")
    assert (answer.status, answer.outcome) == (202, "bypassed")
    gateway.wait_state(answer.event_id, "delivered")
    refused = gateway.post("/strict", "one")
    assert (refused.status, refused.outcome) == (503, "unknown") and refused.header("Retry-After")
    gateway.wait_quiet()
    assert gateway.stop() == 0
    assert set(journal_rows(gateway)) == {answer.event_id}


def test_many_events_on_one_connection(lab):
    """Pipelined: answers in order, each its own event."""
    gateway = lab.gateway(routes=[queue_route()])
    with gateway.connect() as connection:
        connection.send(b"".join(request_bytes("POST", "/", [("X-Event-Id", str(n))], b"%d" % n) for n in range(50)))
        answers = [connection.read_response() for _ in range(50)]
    assert {a.status for a in answers} == {202}
    gateway.wait_no_queue()
    told = {a.event_id: str(n) for n, a in enumerate(answers)}
    assert {request.event_id: request.key for request in lab.upstream.requests()} == told


def test_proxy_and_queue_beside_each_other(lab):
    """The same key on two routes is two events; a queue route's upstream calls don't disturb the proxy's."""
    gateway = lab.gateway(routes=[queue_route("later", "/later"), route("now", "/now")])
    later, now = gateway.post("/later", "one"), gateway.post("/now", "one")
    assert (later.status, now.status, now.body) == (202, 200, b"ok\n")
    gateway.wait_state(later.event_id, "delivered")
    assert {request.target for request in lab.upstream.requests()} == {"/later", "/now"}
    with pytest.raises(http.Closed), gateway.connect() as connection:
        connection.send(b"POST /later HTTP/1.1\r\nHost: a\r\nX-Event-Id: 2\r\nContent-Length: 10\r\n\r\nhalf")
        connection.half_close()
        answer = connection.read_response()
        assert answer.status == 400
        raise http.Closed
    assert not gateway.api("events?route=later&state=queued")["events"]
