# SPDX-License-Identifier: Apache-2.0
"""The crash matrix with notes: SIGKILL at each named point of a route that compares bodies and replays its first
response. Afterwards the retry with the same body is told nothing but what is true, and another body under the same key
is a conflict as soon as the event was accepted, whoever finished what the dead gateway had begun."""
import hashlib
import signal

import pytest
from harness import http
from harness.config import queue_route, route
from harness.wait import wait_until
from test_crash_matrix import MATRIX, SETUPS

NOTED = {"fingerprint": "payload", "duplicate": "replay"}
BODY, OTHER = b'{"amount": 1}', b'{"amount": 2}'
# Where the event is the journal's already. Of the first there is a claim, as long as its lease lasts.
QUEUE_POINTS = ("after_journal_commit", "after_settle", "before_answer")
QUEUE_STORES = ("memory+sqlite", "memory+postgres", "redis+sqlite", "redis+postgres")


def die(gateway, point):
    gateway.start(env={"POSTERN_FAULT": point})
    with pytest.raises(http.Closed):
        gateway.post("/", "one", BODY)
    assert gateway.wait(10) == -signal.SIGKILL, "the fault point was reached"


def check_conflict(gateway, event_id=None):
    """The other body is refused, and is told nothing of the first response but whose key it is."""
    answer = gateway.post("/", "one", OTHER)
    assert (answer.status, answer.outcome) == (422, "rejected"), answer
    assert answer.json()["type"] == "urn:postern:problem:fingerprint-mismatch"
    assert answer.header("Idempotent-Replayed") is None and event_id in (None, answer.event_id)


def check_replayed(answer, event_id, status, body):
    assert (answer.status, answer.outcome, answer.event_id) == (status, "duplicate", event_id), answer
    assert answer.header("Idempotent-Replayed") == "true"
    assert body is None or answer.body == body


def check_sent(requests, bodies):
    assert [request.sha256 for request in requests] == [hashlib.sha256(body).hexdigest() for body in bodies]


# -- proxy

def number_deliveries(lab):
    """The upstream's answer says which delivery it is."""
    lab.upstream.script("/", *({"status": 201, "body": f"delivery {number}", "headers": [["Set-Cookie", "a=b"]]}
                               for number in (1, 2, 3)))


@pytest.mark.parametrize("point", MATRIX)
@pytest.mark.parametrize("setup", SETUPS)
def test_killed_at(lab, setup, point):
    kind, ack = SETUPS[setup]
    embedded, redis = MATRIX[point]
    outcome, count = redis if kind.startswith("redis") else embedded
    number_deliveries(lab)
    gateway = lab.make_gateway(kind, routes=[route(ack=ack, lease="2s", in_flight_wait="5s", **NOTED)],
                               upstreams={"app": {"timeout": "5s"}})
    die(gateway, point)
    gateway.start()
    if outcome == "duplicate":
        check_conflict(gateway)  # before anybody's copy was there
    first = gateway.post("/", "one", BODY, timeout_s=20)
    told = b"delivery %d" % count
    assert (first.status, first.body, first.outcome) == (201, told, outcome)
    assert (first.header("Set-Cookie") is None) == (outcome == "duplicate")
    for _ in range(2):
        check_replayed(gateway.post("/", "one", BODY), first.event_id, 201, told)
        check_conflict(gateway, first.event_id)
    requests = lab.upstream.requests()
    check_sent(requests, [BODY] * count)
    assert first.event_id == requests[-1].header("Postern-Event-Id")
    if outcome == "accepted" or ack == "durable" or kind == "memory+sqlite":  # C4: else the crash may have lost it
        gateway.wait_state(first.event_id, "delivered")
    assert gateway.stop() == 0
    gateway.start()
    check_replayed(gateway.post("/", "one", BODY), first.event_id, 201, told)
    check_conflict(gateway, first.event_id)


@pytest.mark.parametrize("kind", ("memory+sqlite", "redis+postgres"))
def test_what_was_not_accepted_binds_nobody(lab, kind):
    """The claim died before anything was delivered: another body may have the key once the claim is over."""
    gateway = lab.make_gateway(kind, routes=[route(lease="2s", **NOTED)], upstreams={"app": {"timeout": "5s"}})
    die(gateway, "after_claim")
    gateway.start()
    answers = []

    def taken():
        answers.append(gateway.post("/", "one", OTHER, timeout_s=20))
        return answers[-1].outcome == "accepted"

    wait_until(taken, "the other body is accepted", 20)
    assert {answer.status for answer in answers[:-1]} <= {422}, "while the claim is there"
    assert gateway.post("/", "one", BODY).status == 422
    check_replayed(gateway.post("/", "one", OTHER), answers[-1].event_id, answers[-1].status, answers[-1].body)
    check_sent(lab.upstream.requests(), [OTHER])


# -- queue

def open_queue(lab, stores):
    lab.upstream.down()
    return lab.make_gateway(stores=stores, upstreams={"app": {"timeout": "5s", "breaker": {"failures": 0}}},
                            routes=[queue_route(lease="3s", retry={"max_attempts": 1000}, **NOTED)])


def check_accepted_by(lab, gateway):
    """A gateway that came after the one that died: with its keys, and with the claim it may have settled."""
    check_conflict(gateway)
    copy = gateway.post("/", "one", BODY)
    check_replayed(copy, copy.event_id, 202, b'{"outcome":"accepted","event_id":"%s"}' % copy.event_id.encode())
    check_conflict(gateway, copy.event_id)
    lab.upstream.up()
    gateway.wait_no_queue(30)
    check_sent([request for request in lab.upstream.requests() if request.succeeded()], [BODY])
    check_conflict(gateway, copy.event_id)


@pytest.mark.parametrize("point", QUEUE_POINTS)
@pytest.mark.parametrize("kind", QUEUE_STORES)
def test_a_queue_killed_at(lab, kind, point):
    gateway = open_queue(lab, lab.stores(kind))
    die(gateway, point)
    gateway.start()
    check_accepted_by(lab, gateway)


@pytest.mark.parametrize("kind", ("redis+sqlite", "redis+postgres"))
def test_a_queue_whose_claim_has_ended(lab, kind):
    """Nobody came in time, and with the claim what was kept beside it is gone; the journal's row has it still."""
    stores = lab.stores(kind)
    gateway = open_queue(lab, stores)
    die(gateway, "after_journal_commit")
    redis, keys = lab.shared.redis(), stores["dedup"]["redis"]["prefix"] + "*"
    wait_until(lambda: redis.command("KEYS", keys) == [], "the claim's lease has ended")
    gateway.start()
    check_accepted_by(lab, gateway)
