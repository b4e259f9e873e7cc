# SPDX-License-Identifier: Apache-2.0
"""Explain: what the API and `postern key --ask` say of a request is what the next one gets; nothing is changed by
asking, and nothing of it reaches the log."""
import hmac
import json
import threading
import time

import pytest
from harness import http
from harness.config import queue_route, route
from harness.gateway import run_cli
from harness.wait import wait_until

DEDUP = ("memory+sqlite", "redis+sqlite")
SECRET = "a-secret-nobody-sees"


def sample(target="/", key=None, body=b"{}", headers=()):
    mine = [("X-Event-Id", key)] if key is not None else []
    return http.request_bytes("POST", target, mine + list(headers), body)


def ask(gateway, request, route_name=None):
    """The API's answer, whatever its status."""
    target = "/api/v1/explain" + (f"?route={route_name}" if route_name else "")
    return http.request(gateway.admin_port, "POST", target, [("Content-Type", "message/http")], request,
                        host="127.0.0.1")


def explain(gateway, request, route_name=None):
    answer = ask(gateway, request, route_name)
    assert answer.status == 200, answer
    return answer.json()


def send(gateway, request):
    with gateway.connect(timeout_s=30) as connection:
        connection.send(request)
        return connection.read_response("POST")


class Sender(threading.Thread):
    """One request on its own thread."""

    def __init__(self, gateway, request):
        super().__init__(daemon=True)
        self.gateway, self.sample, self.answer = gateway, request, None
        self.start()

    def run(self):
        self.answer = send(self.gateway, self.sample)

    def result(self):
        self.join(40)
        return self.answer


@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
def test_before_during_and_after_an_event(lab, kind):
    gateway = lab.gateway(kind, workers=2, routes=[route(in_flight="conflict")])
    lab.upstream.script("/e", {"wait_for": "door", "status": 201})
    request = sample("/e", "one")
    told = explain(gateway, request)
    assert (told["route"], told["would"], told["store"]["verdict"]) == ("events", "forward", "first")

    first = Sender(gateway, request)
    lab.upstream.wait_requests(1, "/e")
    told = explain(gateway, request)
    assert (told["store"]["verdict"], told["would"], told["status"]) == ("in_flight", "answer", 409)
    copy = send(gateway, request)
    assert (copy.status, copy.outcome) == (409, "in-flight")
    assert copy.event_id == told["store"]["event_id"]

    lab.upstream.open_gate("door")
    assert first.result().status == 201
    told = explain(gateway, request)
    store = told["store"]
    assert (store["verdict"], store["status"], store["differs"]) == ("duplicate", 201, False)
    assert 0 <= store["age_ms"] < 60_000
    copy = send(gateway, request)
    assert (copy.status, copy.outcome) == (told["status"], told["outcome"]) == (200, "duplicate")
    assert copy.event_id == store["event_id"] == first.result().event_id
    event = wait_until(lambda: gateway.event(store["event_id"]), "the journal has it")
    assert event["key"] == told["key"]
    assert explain(gateway, sample("/e", "two"))["store"]["verdict"] == "first"


@pytest.mark.parametrize("kind", DEDUP)
def test_asking_changes_nothing(lab, kind):
    gateway = lab.gateway(kind)
    for _ in range(20):
        assert explain(gateway, sample("/", "one"))["store"]["verdict"] == "first"
    assert gateway.metrics().sum("postern_requests_received_total") == 0
    assert not lab.upstream.requests()
    assert gateway.post("/", "one").outcome == "accepted"


@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
@pytest.mark.parametrize("rule, status, outcome", [("conflict", 422, "rejected"), ("duplicate", 200, "duplicate"),
                                                   ("new", None, "accepted")])
def test_another_body_under_the_same_key(lab, kind, rule, status, outcome):
    gateway = lab.gateway(kind, routes=[route(fingerprint="payload", on_mismatch=rule)])
    assert gateway.post("/", "one", b"first").outcome == "accepted"
    told = explain(gateway, sample("/", "one", b"second"))
    assert told["store"]["differs"] == (rule != "new")
    assert told["store"]["verdict"] == ("first" if rule == "new" else "duplicate")
    assert told["status"] == status
    answer = gateway.post("/", "one", b"second")
    assert answer.outcome == outcome and (status is None or answer.status == status)
    same = explain(gateway, sample("/", "one", b"first"))["store"]
    assert (same["verdict"], same["differs"]) == ("duplicate", False)


@pytest.mark.parametrize("kind", DEDUP)
def test_a_queue_and_a_replayed_response(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route("line", "/line"), route("again", "/again", duplicate="replay")])
    lab.upstream.script("/again", {"status": 203, "body": "told"})
    assert explain(gateway, sample("/line", "one"))["would"] == "enqueue"
    for target in ("/line", "/again"):
        assert gateway.post(target, "one").outcome == "accepted"
        told = explain(gateway, sample(target, "one"))
        copy = gateway.post(target, "one")
        assert (told["outcome"], told["status"]) == ("duplicate", copy.status)
    assert copy.status == 203
    gateway.wait_no_queue()


def test_redis_that_is_away_and_back(lab):
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis=redis), routes=[route(on_store_error="reject")])
    assert explain(gateway, sample("/", "one"))["store"]["verdict"] == "first"
    redis.kill()
    wait_until(lambda: explain(gateway, sample("/", "one"))["store"]["verdict"] == "unknown", "explain knows")
    told = explain(gateway, sample("/", "one"))
    assert (told["would"], told["outcome"], told["status"]) == ("answer", "unknown_store", 503)
    wait_until(lambda: gateway.post("/", "one").status == 503, "and so does the gateway")
    redis.start()
    wait_until(lambda: explain(gateway, sample("/", "one"))["store"]["verdict"] == "first", "it is back")


def test_redis_that_is_not_there_at_the_first_question(lab):
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis=redis))
    redis.freeze()
    told = explain(gateway, sample("/", "one"))
    assert told["store"]["verdict"] == "unknown" and told["outcome"] == "bypassed_store"
    redis.resume()
    wait_until(lambda: explain(gateway, sample("/", "one"))["store"]["verdict"] == "first", "it is back")


def test_a_pending_question_does_not_hold_up_the_end(lab):
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis=redis))
    assert explain(gateway, sample("/", "one"))["store"]["verdict"] == "first"
    redis.freeze()
    with http.Connection(gateway.admin_port) as connection:
        request = sample("/", "one")
        connection.send(http.request_bytes("POST", "/api/v1/explain", body=request, host="127.0.0.1"))
        assert gateway.stop() == 0
    redis.resume()


# -- the door

def signed(secret, body, at):
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return sample("/", body=body, headers=[("Stripe-Signature", f"t={at},v1={mac}")])


@pytest.mark.parametrize("secret, age_s, result, index, status", [
    (SECRET, 0, "ok", 1, None), ("whsec_old_one", 0, "ok", 0, None), ("guess", 0, "mismatch", None, 401),
    (SECRET, 3600, "too_old", None, 401), (SECRET, -3600, "too_new", None, 401), (None, 0, "missing", None, 401)])
def test_signatures(lab, secret, age_s, result, index, status):
    scheme = {"scheme": "stripe", "secrets": ["whsec_old_one", SECRET]}
    gateway = lab.gateway(routes=[route(key={"json": "id"}, signature=scheme)])
    body = b'{"id":"evt_1"}'
    request = signed(secret, body, int(time.time()) - age_s) if secret else sample("/", body=body)
    told = explain(gateway, request)
    assert told["signature"] == {"scheme": "stripe", "result": result, "secret": index, "secrets": 2}
    assert told["status"] == status and told["key"] and SECRET not in json.dumps(told)
    assert not gateway.logged("evt_1")
    assert send(gateway, request).status == (status or 200)
    assert not gateway.logged(SECRET)


def test_a_handshake(lab):
    gateway = lab.gateway(routes=[route(handshake="dropbox", signature={"scheme": "dropbox", "secret": SECRET})])
    told = explain(gateway, b"GET /?challenge=abc HTTP/1.1\r\nHost: a\r\n\r\n")
    assert told["handshake"] == {"kind": "dropbox", "status": 200}
    assert (told["would"], told["outcome"], told["status"]) == ("answer", "bypassed_handshake", 200)
    assert gateway.request("GET", "/?challenge=abc").status == 200


def test_which_route(lab):
    gateway = lab.gateway(routes=[route("a", "/a"), route("b", "/b")])
    assert explain(gateway, sample("/c"))["outcome"] == "rejected_no_route"
    told = explain(gateway, sample("/a", "1"), "b")
    assert (told["route"], told["matched"]) == ("b", "a")
    assert told["key"] != explain(gateway, sample("/a", "1"))["key"]
    assert ask(gateway, sample("/a"), "none").status == 404


# -- what is sent there

HOSTILE = [b"", b"\x00" * 1000, b"\n" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
           b"POST / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 10000 + b"\r\n"]


@pytest.mark.parametrize("request_text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_request(lab, request_text):
    gateway = lab.gateway()
    answer = ask(gateway, request_text)
    assert answer.status == 400 and answer.json()["type"] == "urn:postern:problem:not-a-request"
    assert explain(gateway, sample("/", "one"))["store"]["verdict"] == "first"


def test_hostile_json_has_no_key(lab):
    gateway = lab.gateway(routes=[route(key={"json": "id"})], limits={"body": "1MiB"})
    for body in (b"[" * 100_000, b'{"id":1,"id":2}', b'{"id":"\xff"}', b'{"id":"\\ud800"}', b"\xff" * 100_000):
        told = explain(gateway, sample("/", body=body))
        assert told["key"] is None and told["rules"][0]["miss"] == "not_json", told
        assert told["outcome"] == "bypassed_no_key"


def test_the_bounds(lab):
    gateway = lab.gateway(limits={"body": "64KiB"})
    at_limit = sample("/", "one", b"x" * 65536)
    assert explain(gateway, at_limit)["store"]["verdict"] == "first"
    above = ask(gateway, sample("/", "one", b"x" * 65537))
    assert above.status == 400 and b"larger than may be" in above.body
    with http.Connection(gateway.admin_port) as connection:
        connection.send(b"POST /api/v1/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.read_response("POST").status == 413


def test_a_route_may_have_a_larger_body(lab):
    gateway = lab.gateway(limits={"body": "64KiB"},
                          routes=[route(name="large", match={"path": "/large"}, limits={"body": "1MiB"}), route()])
    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        request = sample("/large", "one", b"x" * size)
        assert send(gateway, request).status == status
        if status == 200:
            assert explain(gateway, request)["route"] == "large"
    small = explain(gateway, sample("/", "one", b"x" * 65537))
    assert (small["would"], small["status"]) == ("answer", 413)


def test_only_with_the_token(lab):
    gateway = lab.gateway(admin={"token": "env:ADMIN_TOKEN"}, env={"ADMIN_TOKEN": "t0ken-of-the-admin"})
    assert ask(gateway, sample("/", "one")).status == 401
    answer = http.request(gateway.admin_port, "POST", "/api/v1/explain",
                          [("Authorization", "Bearer t0ken-of-the-admin")], sample("/", "one"), host="127.0.0.1")
    assert answer.status == 200
    assert gateway.stop() == 0


# -- the command

@pytest.mark.smoke
@pytest.mark.parametrize("kind", DEDUP)
def test_the_command_asks(lab, kind):
    gateway = lab.gateway(kind, admin={"token": "env:ADMIN_TOKEN"}, env={"ADMIN_TOKEN": "t0ken-of-the-admin"})
    env = {"ADMIN_TOKEN": "t0ken-of-the-admin"}
    event_id = gateway.post("/", "one").event_id
    command = ("key", "-c", gateway.path, "--route", "events", "--ask")
    done = run_cli(*command, stdin=sample("/", "one"), env=env)
    assert done.returncode == 0, done.stderr
    assert f"store   duplicate: {event_id}, answered 200, accepted ".encode() in done.stdout
    assert b"would   answer 200 (duplicate)\n" in done.stdout
    same = run_cli(*command, "-H", "X-Event-Id: one", "--json", env=env)
    assert json.loads(same.stdout)["store"]["event_id"] == event_id
    other = run_cli(*command, "--admin", f"http://127.0.0.1:{gateway.admin_port}", "--token", "env:ADMIN_TOKEN",
                    stdin=sample("/", "two"), env=env)
    assert other.returncode == 0 and b"store   first\nwould   forward\n" in other.stdout, other.stderr
    assert gateway.stop() == 0


def test_the_command_with_nobody_to_ask(lab):
    gateway = lab.make_gateway()
    done = run_cli("key", "-c", gateway.path, "-r", "events", "--ask", stdin=sample("/", "one"))
    assert done.returncode == 1 and b"nobody answers" in done.stderr
