# SPDX-License-Identifier: Apache-2.0
"""A gateway dies between the journal's commit and the settling of the claim: the event is durable, its sender was told
nothing, and Redis holds a claim that ends with its lease. Whoever is there next settles it, so that the sender's retry
is a duplicate and the event is delivered once; also while nothing can be delivered and so nothing is taken."""
import signal

import pytest
from harness import http
from harness.config import queue_route
from harness.wait import wait_until


# Nothing is taken once an attempt has failed; a restart closes it.
LASTING = {"failures": 1, "cool_down": "60s"}


def make(lab, stores, lease, breaker):
    return lab.make_gateway(stores=stores, upstreams={"app": {"timeout": "5s", "breaker": breaker}},
                            routes=[queue_route(lease=lease, in_flight="conflict", retry={"max_attempts": 1000})])


def die_with(gateway, key):
    """Accepts the event, and is killed before its claim is settled."""
    with pytest.raises(http.Closed):
        gateway.post("/", key)
    assert gateway.wait(10) == -signal.SIGKILL, "the fault point was reached"


def late_settles(gateway):
    """Claims that were settled for somebody else."""
    return gateway.metrics().sum("postern_incidents_total", kind="late_settle")


def open_breaker(gateway, key):
    """With an event whose attempt fails."""
    assert gateway.post("/", key).outcome == "accepted"
    wait_until(lambda: gateway.metrics().sum("postern_breaker_state", upstream="app") == 1, "the breaker is open")


def check_delivered_once(lab, gateway, keys):
    gateway.wait_no_queue(30)
    assert sorted(request.key for request in lab.upstream.requests() if request.succeeded()) == sorted(keys)


@pytest.mark.parametrize("claim", ["held", "over"])
@pytest.mark.parametrize("kind", ["redis+postgres", "redis+sqlite"])
def test_settled_before_the_gateway_listens_again(lab, kind, claim):
    """Whether the sender comes back while the dead gateway's claim is there, or afterwards."""
    lab.upstream.down()
    stores = lab.stores(kind)
    gateway = make(lab, stores, "3s", {"failures": 0})
    gateway.start(env={"POSTERN_FAULT": "after_journal_commit"})
    die_with(gateway, "one")
    redis, prefix = lab.shared.redis(), stores["dedup"]["redis"]["prefix"]
    assert len(redis.command("KEYS", prefix + "*")) == 1, "the claim"
    if kind == "redis+postgres":
        postgres, url = lab.shared.postgres(), stores["journal"]["postgres"]["url"]
        ended = "SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0 AND lease_until <= now()"
        wait_until(lambda: postgres.query(ended, url) == [["1"]], "the row's lease has ended")
    if claim == "over":
        wait_until(lambda: redis.command("KEYS", prefix + "*") == [], "the claim's lease has ended")
    gateway.start()
    retry = gateway.post("/", "one")
    assert (retry.status, retry.outcome) == (200, "duplicate")
    wait_until(lambda: late_settles(gateway) > 0, "the look for orphans is counted")
    lab.upstream.up()
    check_delivered_once(lab, gateway, ["one"])
    assert gateway.event(retry.event_id)["state"] == "delivered"
    assert gateway.post("/", "one").event_id == retry.event_id


def test_settled_in_time_by_another_gateway(lab):
    """Which sees the row's lease end, and takes nothing: its breaker is open."""
    lab.upstream.down()
    stores = lab.stores("redis+postgres")
    dies, lives = make(lab, stores, "10s", LASTING), make(lab, stores, "10s", LASTING)
    dies.start(env={"POSTERN_FAULT": "after_journal_commit:2"})
    lives.start()
    open_breaker(dies, "of the first")
    open_breaker(lives, "of the second")
    die_with(dies, "one")
    outcomes = []

    def retry():
        answer = lives.post("/", "one")
        outcomes.append(answer.outcome)
        return answer if answer.status != 409 else None

    answer = wait_until(retry, lambda: f"the retry is told something final, not {outcomes[-1]}", 20)
    assert (answer.status, answer.outcome) == (200, "duplicate"), "settled before the claim's lease ended"
    assert set(outcomes[:-1]) <= {"in-flight"}
    wait_until(lambda: late_settles(lives) > 0, "the look for orphans is counted")
    assert lives.event(answer.event_id)["attempts"] == 0
    assert lives.stop() == 0
    lab.upstream.up()
    lives.start()
    check_delivered_once(lab, lives, ["of the first", "of the second", "one"])
    assert lives.event(answer.event_id)["state"] == "delivered"
