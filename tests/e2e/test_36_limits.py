# SPDX-License-Identifier: Apache-2.0
"""Rates: who is refused and what they are told, copies in a bucket of their own, rates shared by nodes, and who a client is."""
import re

import pytest
from harness import http
from harness.config import route
from harness.wait import wait_until

# So slow that no test sees a second one earn its place back.
SLOW = {"rate": "1/m", "burst": 3, "duplicates": "1/m", "duplicates_burst": 2}
KINDS = (("memory+sqlite", False), ("redis+sqlite", False), ("redis+sqlite", True))


def limited(name="events", path="/*", mode="proxy", **rates):
    return route(name, path, mode=mode, limits={**SLOW, **rates})


def outcomes(gateway, keys, path="/", headers=()):
    with gateway.connect() as connection:
        answers = [connection.request("POST", path, [("X-Event-Id", key), *headers], b"{}") for key in keys]
    return [answer.status if answer.status == 429 else answer.outcome for answer in answers]


def check_refused(answer, bucket="default", burst=3):
    assert answer.status == 429 and answer.json()["type"] == "urn:postern:problem:rate-limited", answer
    assert answer.outcome == "rejected" and answer.header("Content-Type") == "application/problem+json"
    retry_after_s = int(answer.header("Retry-After"))
    assert 1 <= retry_after_s <= 60
    assert answer.header("RateLimit") == f'"{bucket}";r=0;t={retry_after_s}'
    assert answer.header("RateLimit-Policy").startswith(f'"{bucket}";q={burst}')


# -- the buckets

@pytest.mark.smoke
@pytest.mark.parametrize("kind, by_all", KINDS)
def test_new_events_over_the_rate_are_refused(lab, kind, by_all):
    gateway = lab.gateway(kind, routes=[limited(shared=by_all)])
    with gateway.connect() as connection: # one connection, kept over the refusals
        answers = [connection.request("POST", "/", [("X-Event-Id", str(number))], b"{}") for number in range(5)]
        assert [answer.outcome for answer in answers[:3]] == ["accepted"] * 3
        for number, answer in enumerate(answers[:3]):
            assert re.fullmatch(f'"default";r={2 - number};t=[0-9]+', answer.header("RateLimit")), answer
        for answer in answers[3:]:
            check_refused(answer)
    assert len(lab.upstream.requests()) == 3
    assert gateway.metrics().sum("postern_requests_ended_total", outcome="rejected_rate") == 2
    wait_until(lambda: gateway.metrics().sum("postern_limiter_refused_total") > 0, "the limiter's counters are told")


@pytest.mark.parametrize("kind, by_all", KINDS)
def test_copies_have_their_own_bucket(lab, kind, by_all):
    gateway = lab.gateway(kind, routes=[limited(shared=by_all)])
    assert outcomes(gateway, ["a", "a", "a", "a"]) == ["accepted", "duplicate", "duplicate", 429]
    check_refused(gateway.post("/", "a"), "duplicates", 2)
    assert outcomes(gateway, ["b", "c", "d"]) == ["accepted", "accepted", 429]


@pytest.mark.parametrize("kind, by_all", KINDS)
def test_over_the_rate_copies_are_still_answered(lab, kind, by_all):
    gateway = lab.gateway(kind, routes=[limited(shared=by_all)])
    assert outcomes(gateway, ["a", "b", "c"]) == ["accepted"] * 3
    assert outcomes(gateway, ["a", "b", "c"]) == ["duplicate", "duplicate", 429]


def test_a_refused_event_may_come_again(lab):
    gateway = lab.gateway(routes=[limited(rate="15/m", burst=1)])
    assert outcomes(gateway, ["a", "b"]) == ["accepted", 429]
    wait_until(lambda: gateway.post("/", "b").outcome == "accepted", "its rate has recovered")


@pytest.mark.parametrize("mode", ("observe", "queue"))
def test_every_mode_has_its_rate(lab, mode):
    gateway = lab.gateway(routes=[limited(mode=mode)])
    assert outcomes(gateway, ["a", "b", "c", "d"]) == ["accepted"] * 3 + [429]


def test_routes_have_rates_of_their_own(lab):
    gateway = lab.gateway(routes=[limited("one", "/one"), limited("two", "/two"), route("free", "/free")])
    for path in ("/one", "/two"):
        assert outcomes(gateway, [path + str(n) for n in range(4)], path) == ["accepted"] * 3 + [429]
    free = gateway.post("/free", "a")
    assert free.outcome == "accepted" and free.header("RateLimit") is None


# -- before the body

def test_who_waits_to_send_its_body_needn_t(lab):
    gateway = lab.gateway(routes=[limited(burst=1, duplicates_burst=1)])
    assert outcomes(gateway, ["a", "a"]) == ["accepted", "duplicate"]
    with gateway.connect() as connection:
        connection.send(http.request_bytes("POST", "/", [("X-Event-Id", "b"), ("Expect", "100-continue")], b"x" * 9)[:-9])
        answer = connection.read_response()
        assert answer.status == 429 and not answer.interim and answer.header("Connection") == "close"


def test_a_large_body_over_the_rate_is_thrown_away(lab):
    gateway = lab.gateway(routes=[limited(burst=1, duplicates_burst=1)])
    assert outcomes(gateway, ["a", "a"]) == ["accepted", "duplicate"]
    with gateway.connect() as connection:
        for _ in range(3):
            answer = connection.request("POST", "/", [("X-Event-Id", "b")], b"x" * 1000000)
            assert answer.status == 429 and answer.header("Connection") is None


# -- whose rate

def test_clients_behind_a_trusted_proxy_are_told_apart(lab):
    gateway = lab.gateway(routes=[limited(burst=1)], trusted_proxies=["127.0.0.1"])
    def first_of(address, key):
        return outcomes(gateway, [key], headers=[("X-Forwarded-For", address)])[0]
    assert first_of("203.0.113.1", "a") == "accepted"
    assert first_of("203.0.113.2", "b") == "accepted"
    assert first_of("203.0.113.1", "c") == 429
    assert first_of("9.9.9.9, 203.0.113.1", "d") == 429, "what the client says of itself counts for nothing"
    assert first_of("2001:db8::1", "e") == "accepted"
    assert first_of("2001:db8::ffff", "f") == 429, "one network"
    assert first_of("2001:db8:0:1::1", "g") == "accepted"


def test_a_stranger_cannot_choose_its_address(lab):
    gateway = lab.gateway(routes=[limited(burst=1)])
    assert outcomes(gateway, ["a"], headers=[("X-Forwarded-For", "203.0.113.1")]) == ["accepted"]
    assert outcomes(gateway, ["b"], headers=[("X-Forwarded-For", "203.0.113.2")]) == [429]
    assert lab.upstream.requests()[0].header("X-Forwarded-For") == "127.0.0.1"


def test_the_journal_and_the_log_know_the_client(lab):
    gateway = lab.gateway(routes=[route()], trusted_proxies=["127.0.0.0/8"])
    answer = gateway.post("/", "a", headers=[("Forwarded", "for=203.0.113.5;proto=https")])
    assert gateway.wait_state(answer.event_id, "delivered")["client"] == "203.0.113.5"
    wait_until(lambda: gateway.logged('"client":"203.0.113.5"'), "the log tells it")


def test_by_header_and_by_route(lab):
    gateway = lab.gateway(routes=[limited("tenants", "/t", burst=1, per={"header": "X-Tenant"}),
                                  limited("all", "/all", burst=1, per="route")], trusted_proxies=["127.0.0.1"])
    tenant = lambda name: [("X-Tenant", name)]
    assert outcomes(gateway, ["a"], "/t", tenant("one")) == ["accepted"]
    assert outcomes(gateway, ["b"], "/t", tenant("two")) == ["accepted"]
    assert outcomes(gateway, ["c"], "/t", tenant("one")) == [429]
    assert outcomes(gateway, ["d", "e"], "/t") == ["accepted", 429]
    assert outcomes(gateway, ["a"], "/all", [("X-Forwarded-For", "203.0.113.1")]) == ["accepted"]
    assert outcomes(gateway, ["b"], "/all", [("X-Forwarded-For", "203.0.113.2")]) == [429]


# -- shared

def test_a_shared_rate_is_one_for_all_nodes(lab):
    stores = lab.stores("redis+sqlite")
    one, two = (lab.gateway(stores={**stores, "journal": lab.stores("redis+sqlite")["journal"]},
                            routes=[limited(shared=True)]) for _ in range(2))
    assert outcomes(one, ["a", "b"]) == ["accepted"] * 2
    assert outcomes(two, ["c", "d"]) == ["accepted", 429]
    assert outcomes(one, ["e"]) == [429]


def test_workers_of_a_process_share_a_local_rate(lab):
    gateway = lab.gateway(workers=2, routes=[limited(burst=5)])
    told = [outcomes(gateway, [str(number)])[0] for number in range(20)]
    assert told.count("accepted") == 5 and told.count(429) == 15


def test_without_redis_a_shared_rate_is_the_process_s(lab):
    redis = lab.own_redis().start()
    taken = limited(shared=True, duplicates_burst=1)
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), routes=[{**taken, "on_store_error": "pass"}])
    assert outcomes(gateway, ["a"]) == ["accepted"]
    redis.kill()
    told = outcomes(gateway, [f"k{number}" for number in range(5)])
    assert told == ["bypassed"] * 3 + [429] * 2
    wait_until(lambda: gateway.metrics().sum("postern_limiter_errors_total") >= 5, "it is counted")
