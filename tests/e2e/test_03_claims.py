# SPDX-License-Identifier: Apache-2.0
"""The claim: one event passes once, whoever races for it, and a failure never becomes a duplicate (C1, C2)."""
import json
import threading
import time

import pytest
from harness import http
from harness.config import route
from harness.lab import STORES
from harness.wait import stays, wait_until

DEDUP = ("memory+sqlite", "redis+sqlite")


class Sender(threading.Thread):
    """One request on its own thread and connection."""

    def __init__(self, port, target, key, body=b"{}"):
        super().__init__(daemon=True)
        self.arguments = (port, "POST", target, [("X-Event-Id", key)], body)
        self.answer = self.error = None
        self.start()

    def run(self):
        try:
            self.answer = http.request(*self.arguments, timeout_s=30)
        except (OSError, http.Closed) as error:
            self.error = error

    def result(self):
        self.join(40)
        assert self.answer is not None, self.error
        return self.answer


def send_at_once(port, target, key, count):
    """`count` copies, each on its own connection, all written before the first answer is read."""
    connections = [http.Connection(port, 30) for _ in range(count)]
    data = http.request_bytes("POST", target, [("X-Event-Id", key)], b"{}")
    for connection in connections:
        connection.send(data)
    return connections


def read_all(connections):
    answers = [connection.read_response() for connection in connections]
    for connection in connections:
        connection.close()
    return answers


# -- one of many


@pytest.mark.smoke
@pytest.mark.parametrize("kind", STORES)
def test_200_copies_at_once_pass_once(lab, kind):
    gateway = lab.gateway(kind, workers=2)
    lab.upstream.script("/race", {"wait_for": "door", "body": "done"})
    connections = send_at_once(gateway.port, "/race", "one", 200)
    lab.upstream.wait_requests(1, "/race")
    wait_until(lambda: gateway.metrics().sum("postern_requests_in_progress") == 200, "all copies are in")
    lab.upstream.open_gate("door")
    answers = read_all(connections)
    assert sorted(answer.outcome for answer in answers) == ["accepted"] + ["duplicate"] * 199
    assert len({answer.event_id for answer in answers}) == 1
    assert len(lab.upstream.requests("/race")) == 1


@pytest.mark.parametrize("kind", DEDUP)
def test_many_keys_race(lab, kind):
    gateway = lab.gateway(kind, workers=2)
    connections = [http.Connection(gateway.port, 30) for _ in range(40)]
    for connection in connections:
        connection.send(b"".join(http.request_bytes("POST", "/many", [("X-Event-Id", str(key))]) for key in range(25)))
    answers = [connection.read_response() for connection in connections for _ in range(25)]
    for connection in connections:
        connection.close()
    assert sum(answer.outcome == "accepted" for answer in answers) == 25
    assert sum(answer.outcome == "duplicate" for answer in answers) == 975
    assert len(lab.upstream.requests("/many")) == 25


def test_two_gateways_on_one_redis(lab):
    stores = lab.stores("redis+sqlite")
    gateways = [lab.gateway(stores={**stores, "journal": lab.stores("redis+sqlite")["journal"]}) for _ in range(2)]
    lab.upstream.script("/both", {"wait_for": "door"})
    connections = [c for gateway in gateways for c in send_at_once(gateway.port, "/both", "one", 50)]
    lab.upstream.wait_requests(1, "/both")
    lab.upstream.open_gate("door")
    answers = read_all(connections)
    assert sorted(answer.outcome for answer in answers) == ["accepted"] + ["duplicate"] * 99
    assert len({answer.event_id for answer in answers}) == 1 and len(lab.upstream.requests("/both")) == 1


# -- in flight


@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
def test_conflict(lab, kind):
    gateway = lab.gateway(kind, routes=[route(in_flight="conflict")])
    lab.upstream.script("/c", {"wait_for": "door"})
    first = Sender(gateway.port, "/c", "one")
    lab.upstream.wait_requests(1, "/c")
    copy = gateway.post("/c", "one")
    assert (copy.status, copy.outcome) == (409, "in-flight") and int(copy.header("Retry-After")) >= 1
    assert copy.header("Content-Type") == "application/problem+json"
    lab.upstream.open_gate("door")
    assert first.result().outcome == "accepted"
    assert gateway.post("/c", "one").outcome == "duplicate"
    assert (gateway.book("in_flight"), len(lab.upstream.requests("/c"))) == (1, 1)


@pytest.mark.parametrize("kind", DEDUP)
def test_wait_takes_over_when_the_first_fails(lab, kind):
    gateway = lab.gateway(kind)
    lab.upstream.script("/w", {"status": 500, "wait_for": "door"}, {"status": 200})
    first = Sender(gateway.port, "/w", "one")
    lab.upstream.wait_requests(1, "/w")
    copies = send_at_once(gateway.port, "/w", "one", 5)
    wait_until(lambda: gateway.metrics().sum("postern_requests_in_progress") == 6, "the copies wait")
    lab.upstream.open_gate("door")
    assert first.result().status == 500
    assert sorted(answer.outcome for answer in read_all(copies)) == ["accepted"] + ["duplicate"] * 4
    assert len(lab.upstream.requests("/w")) == 2


@pytest.mark.parametrize("kind", DEDUP)
def test_wait_has_a_budget(lab, kind):
    gateway = lab.gateway(kind, routes=[route(in_flight_wait="300ms")])
    lab.upstream.script("/b", {"wait_for": "door"})
    first = Sender(gateway.port, "/b", "one")
    lab.upstream.wait_requests(1, "/b")
    assert gateway.post("/b", "one").status == 409
    lab.upstream.open_gate("door")
    assert first.result().outcome == "accepted"


def test_wait_across_gateways(lab):
    stores = lab.stores("redis+sqlite")
    one, two = [lab.gateway(stores={**stores, "journal": lab.stores("redis+sqlite")["journal"]}) for _ in range(2)]
    lab.upstream.script("/x", {"wait_for": "door"})
    first = Sender(one.port, "/x", "one")
    lab.upstream.wait_requests(1, "/x")
    copy = Sender(two.port, "/x", "one")
    wait_until(lambda: two.metrics().sum("postern_requests_in_progress") == 1, "the copy waits")
    lab.upstream.open_gate("door")
    assert first.result().outcome == "accepted"
    assert (copy.result().outcome, copy.result().event_id) == ("duplicate", first.result().event_id)


# -- failures release


@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
@pytest.mark.parametrize("step, status", [
    ({"status": 500}, 500), ({"status": 404}, 404), ({"reset": "head"}, 502), ({"reset": "body"}, 502),
    ({"silent": True}, 504)], ids=["500", "404", "reset head", "reset body", "time-out"])
def test_after_a_failure_the_retry_goes_through(lab, kind, step, status):
    gateway = lab.gateway(kind, upstreams={"app": {"timeout": "3s"}})
    lab.upstream.script("/f", step, {"status": 200})
    failed = gateway.post("/f", "one")
    assert (failed.status, failed.outcome) == (status, "failed")
    assert gateway.post("/f", "one").outcome == "accepted"
    assert gateway.post("/f", "one").outcome == "duplicate"
    assert len(lab.upstream.requests("/f")) == 2, "a request that was sent is never repeated by the gateway"


def test_refused_upstream_is_502_and_comes_back(lab):
    gateway = lab.gateway()
    lab.upstream.set_listening(False)
    refused = gateway.post("/", "one")
    assert (refused.status, refused.outcome) == (502, "failed")
    lab.upstream.set_listening(True)
    wait_until(lambda: gateway.post("/", "one").outcome == "accepted", "the upstream is used again")
    assert gateway.post("/", "one").outcome == "duplicate"


def test_hold_on_timeout(lab):
    """`on_timeout: hold`: the upstream may have done the work, so the key stays taken until the lease ends."""
    gateway = lab.gateway(routes=[route(on_timeout="hold", lease="6s", in_flight="conflict")],
                          upstreams={"app": {"timeout": "3s"}})
    lab.upstream.script("/h", {"silent": True}, {"status": 200})
    assert gateway.post("/h", "one").status == 504
    assert gateway.post("/h", "one").status == 409
    wait_until(lambda: gateway.post("/h", "one").outcome == "accepted", "the lease ends", 20)


def test_idle_upstream_connection_closed_under_us(lab):
    """The upstream closes its idle connection; the next event must pass all the same."""
    gateway = lab.gateway()
    for number in range(20):
        assert gateway.post("/", f"event {number}").outcome == "accepted"
        lab.upstream.close_idle()


# -- time


@pytest.mark.parametrize("kind", DEDUP)
def test_the_window_ends(lab, kind):
    gateway = lab.gateway(kind, routes=[route(window="2s")])
    began = time.monotonic()
    assert gateway.post("/", "one").outcome == "accepted"

    def is_duplicate():
        """What is answered later than the window after `began` may be a new event."""
        return gateway.post("/", "one").outcome == "duplicate" or time.monotonic() - began >= 2
    stays(is_duplicate, "a duplicate within the window", 1)

    def is_new():
        nonlocal began
        began = time.monotonic()
        return gateway.post("/", "one").outcome == "accepted"
    wait_until(is_new, "the window ends", 10)
    assert is_duplicate()


@pytest.mark.parametrize("kind", DEDUP)
def test_duplicates_do_not_stretch_the_window(lab, kind):
    gateway = lab.gateway(kind, routes=[route(window="1s")])
    assert gateway.post("/", "one").outcome == "accepted"
    wait_until(lambda: gateway.post("/", "one").outcome == "accepted", "the window ends although copies come", 4)


def test_a_live_exchange_keeps_its_lease(lab):
    """An upstream slower than the lease: the lease is renewed, nobody takes over."""
    gateway = lab.gateway("redis+sqlite", routes=[route(lease="4s", in_flight="conflict")],
                          upstreams={"app": {"timeout": "20s"}})
    lab.upstream.script("/slow", {"wait_for": "door"})
    first = Sender(gateway.port, "/slow", "one")
    lab.upstream.wait_requests(1, "/slow")
    stays(lambda: gateway.post("/slow", "one").status == 409, "the key stays taken", 5)
    lab.upstream.open_gate("door")
    assert first.result().outcome == "accepted"


@pytest.mark.parametrize("kind", DEDUP)
def test_a_lease_shorter_than_the_time_out(lab, kind):
    """A warning of the configuration and no more: three leases pass while the upstream works, and the copy is a duplicate."""
    gateway = lab.gateway(kind, routes=[route(lease="2s")], upstreams={"app": {"timeout": "20s"}})
    lab.upstream.script("/slow", {"wait_for": "door"})
    first = Sender(gateway.port, "/slow", "one")
    lab.upstream.wait_requests(1, "/slow")
    stays(lambda: first.answer is None, "the upstream is at work", 5)
    copy = Sender(gateway.port, "/slow", "one")
    wait_until(lambda: gateway.metrics().sum("postern_requests_in_progress") == 2, "the copy is in")
    stays(lambda: copy.answer is None and len(lab.upstream.requests("/slow")) == 1, "the copy waits", 1)
    lab.upstream.open_gate("door")
    assert (first.result().outcome, copy.result().outcome) == ("accepted", "duplicate")
    assert copy.result().event_id == first.result().event_id and len(lab.upstream.requests("/slow")) == 1


def test_take_over_after_a_kill(lab):
    """kill -9 with a claim held: another gateway takes the key over when the lease ends, not before."""
    stores = lab.stores("redis+sqlite")
    routes = [route(lease="6s", in_flight="conflict")]
    upstreams = {"app": {"timeout": "5s"}}
    one, two = [lab.gateway(stores={**stores, "journal": lab.stores("redis+sqlite")["journal"]}, routes=routes,
                            upstreams=upstreams) for _ in range(2)]
    lab.upstream.script("/k", {"silent": True}, {"status": 200})
    Sender(one.port, "/k", "one")
    lab.upstream.wait_requests(1, "/k")
    one.kill()
    assert two.post("/k", "one").status == 409
    wait_until(lambda: two.post("/k", "one").outcome == "accepted", "the lease ends", 20)
    assert two.post("/k", "one").outcome == "duplicate"


# -- keys

JSON_KEY = {"json": ["idempotency_key", "messageId", "data.messageId"]}


def event(**fields):
    return json.dumps(fields).encode()


KEY_CASES = {
    # name: (key, same, same again, other)
    "payload": ("payload", ("/", [], b"a"), ("/", [("X-Other", "y")], b"a"), ("/", [], b"b")),
    "header": ({"header": "X-Id"}, ("/", [("X-Id", "1")], b"a"), ("/", [("x-iD", " 1 ")], b"b"), ("/", [("X-Id", "2")], b"a")),
    "query": ({"query": "id"}, ("/?id=a%62", [], b"a"), ("/?x=y&id=ab", [], b"b"), ("/?id=ab2", [], b"a")),
    "json first path": (JSON_KEY, ("/", [], event(idempotency_key="1")), ("/", [], event(x=1, idempotency_key="1")),
                        ("/", [], event(idempotency_key="2"))),
    "json nested path": (JSON_KEY, ("/", [], event(data={"messageId": "1"})), ("/", [], event(data={"x": 1, "messageId": "1"})),
                         ("/", [], event(data={"messageId": "2"}))),
    "json big numbers": (JSON_KEY, ("/", [], b'{"messageId": 9007199254740993}'), ("/", [], b'{"messageId":9007199254740993}'),
                         ("/", [], b'{"messageId": 9007199254740992}')),
    "fields": ({"fields": ["a", "b.c"]}, ("/", [], event(a="x", b={"c": 1})), ("/", [], event(b={"c": 1}, a="x")),
               ("/", [], event(a="x", b={"c": 2}))),
    "fields are apart": ({"fields": ["a", "b"]}, ("/", [], event(a="ab", b="c")), ("/", [], event(b="c", a="ab")),
                         ("/", [], event(a="a", b="bc"))),
    "list, first rule": ([{"header": "X-Id"}, "payload"], ("/", [("X-Id", "1")], b"a"), ("/", [("X-Id", "1")], b"b"),
                         ("/", [("X-Id", "2")], b"a")),
    "list, fall-back": ([{"header": "X-Id"}, "payload"], ("/", [], b"a"), ("/", [], b"a"), ("/", [], b"b")),
    "a header is no field": ([{"header": "X-Id"}, {"query": "id"}], ("/", [("X-Id", "1")], b"a"), ("/", [("X-Id", "1")], b"b"),
                             ("/?id=1", [], b"a")),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", KEY_CASES)
def test_keys(lab, name):
    key, same, again, other = KEY_CASES[name]
    gateway = lab.gateway(routes=[route(key=key, missing="reject")])
    outcomes = [gateway.request("POST", target, headers, body).outcome for target, headers, body in (same, again, other)]
    assert outcomes == ["accepted", "duplicate", "accepted"]


NO_KEY = {
    "header missing": ({"header": "X-Id"}, "/", [], b"a"),
    "header empty": ({"header": "X-Id"}, "/", [("X-Id", "")], b"a"),
    "header twice": ({"header": "X-Id"}, "/", [("X-Id", "1"), ("X-Id", "1")], b"a"),
    "query missing": ({"query": "id"}, "/?x=1", [], b"a"),
    "query twice": ({"query": "id"}, "/?id=1&id=2", [], b"a"),
    "no JSON": (JSON_KEY, "/", [], b"not json"),
    "JSON null": (JSON_KEY, "/", [], b'{"messageId": null}'),
    "JSON object": (JSON_KEY, "/", [], b'{"messageId": {}}'),
    "JSON with a repeated name": (JSON_KEY, "/", [], b'{"messageId": "1", "messageId": "2"}'),
    "a field missing": ({"fields": ["a", "b"]}, "/", [], b'{"a": 1}'),
}


@pytest.mark.parametrize("name", NO_KEY)
def test_missing_key(lab, name):
    key, target, headers, body = NO_KEY[name]
    path = target.split("?")[0]
    gateway = lab.gateway(routes=[
        {**route("pass", "/pass", key=key)}, {**route("payload", "/payload", key=key, missing="payload")},
        {**route("reject", "/reject", key=key, missing="reject")}])
    assert path == "/"

    def outcomes(prefix):
        return [gateway.request("POST", prefix + target[1:], headers, body).outcome for _ in range(2)]
    assert outcomes("/pass") == ["bypassed", "bypassed"]
    assert outcomes("/payload") == ["accepted", "duplicate"]
    refused = gateway.request("POST", "/reject" + target[1:], headers, body)
    assert (refused.status, refused.outcome) == (400, "rejected")
    assert len(lab.upstream.requests()) == 3


def test_an_empty_body_is_never_a_key(lab):
    gateway = lab.gateway(routes=[route(key="payload", missing="payload")])
    assert [gateway.request("POST", "/").outcome for _ in range(2)] == ["bypassed", "bypassed"]


# -- observe


@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
def test_observe_passes_everything_and_marks(lab, kind):
    gateway = lab.gateway(kind, routes=[route(mode="observe")])
    answers = [gateway.post("/o", "one") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.outcome for answer in answers] == ["accepted", "duplicate", "duplicate"]
    assert [answer.body for answer in answers] == [b"ok\n"] * 3, "the upstream's own answers"
    assert len(lab.upstream.requests("/o")) == 3
    assert gateway.book("duplicate") == 2


def test_memory_store_at_its_bound_refuses(lab):
    gateway = lab.gateway(dedup={"store": "memory", "memory": {"max_keys": 1000}})
    with gateway.connect() as connection:
        outcomes = [connection.request("POST", "/", [("X-Event-Id", str(number))]) for number in range(1200)]
        full = [answer for answer in outcomes if answer.status == 503]
        assert 0 < len(full) <= 200 + 64 and all(answer.header("Retry-After") for answer in full)
        assert connection.request("POST", "/", [("X-Event-Id", "0")]).outcome == "duplicate", "no live key is forgotten"
