# SPDX-License-Identifier: Apache-2.0
"""Redis and PostgreSQL killed, frozen, restarted and emptied: the answers stay honest and come in time."""
import itertools
import json
import time

import pytest
from harness.config import route
from harness.http import request_bytes
from harness.wait import wait_until

BUDGET_S = 4.5 # an answer that needed the dead store's time-out (1 s at most) and the upstream; the next time-out is 5 s

NO_SPOOL = {"spool": {"enabled": False}}


def timed(call):
    start = time.monotonic()
    answer = call()
    assert time.monotonic() - start < BUDGET_S, "the answer came late"
    return answer


def redis_is_up(gateway):
    return gateway.metrics().sum("postern_dedup_up") == gateway.config["workers"]


def journal_is_up(gateway):
    return gateway.metrics().sum("postern_journal_up") == gateway.config["workers"]


HARM = {
    "killed": (lambda redis: redis.kill(), lambda redis: redis.start()),
    "frozen": (lambda redis: redis.freeze(), lambda redis: redis.resume()),
}


@pytest.mark.smoke
@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("rule", ["pass", "reject"])
def test_redis_away_and_back(lab, rule, harm):
    break_it, mend_it = HARM[harm]
    redis = lab.own_redis(durable=True).start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), routes=[route(on_store_error=rule)],
                          dedup={"redis": {"timeout": "1s"}, "l1": {"max_keys": 0}})
    assert gateway.post("/", "before").outcome == "accepted"
    wait_until(lambda: redis_is_up(gateway), "the link shows in the metrics")

    break_it(redis)
    answers = [timed(lambda key=key: gateway.post("/", f"during {key}")) for key in range(5)]
    if rule == "pass":
        assert {(answer.status, answer.outcome) for answer in answers} == {(200, "bypassed")}
    else:
        assert {(answer.status, answer.outcome) for answer in answers} == {(503, "unknown")}
        assert all(answer.header("Retry-After") for answer in answers)
    assert len(lab.upstream.requests()) == (6 if rule == "pass" else 1)
    wait_until(lambda: not redis_is_up(gateway), "the loss shows in the metrics", 15)

    mend_it(redis)
    wait_until(lambda: redis_is_up(gateway), "the link is up again", 15)
    assert gateway.post("/", "before").outcome == "duplicate", "what was settled before stays settled"
    assert gateway.post("/", "after").outcome == "accepted"
    assert gateway.post("/", "after").outcome == "duplicate"
    if rule == "reject":
        assert gateway.post("/", "during 0").outcome == "accepted", "a refused event is not known"


def test_ghost_claims_do_not_stay(lab):
    """A frozen Redis runs the SET after its client gave up; the sender's retry must not meet that ghost for a lease."""
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), routes=[route(on_store_error="reject", lease="60s")])
    assert gateway.post("/", "warm").outcome == "accepted"
    redis.freeze()
    assert gateway.post("/", "ghost").status == 503
    redis.resume()
    wait_until(lambda: redis_is_up(gateway) and gateway.post("/", "ghost").outcome == "accepted", "the retry passes", 15)
    assert len(lab.upstream.requests()) == 2


@pytest.mark.parametrize("how", ["FLUSHALL", "restart without persistence"])
def test_redis_that_forgot(lab, how):
    """A documented window (C7, `verify: never`): the key is delivered again, and counted as accepted."""
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), dedup={"l1": {"max_keys": 0}})
    assert gateway.post("/", "one").outcome == "accepted"
    if how == "FLUSHALL":
        redis.command("FLUSHALL")
    else:
        seen = gateway.links_up()
        redis.restart()
        wait_until(lambda: gateway.links_up() > seen, "the link is up again", 15) # the metric may still be that of before
    assert gateway.post("/", "one").outcome == "accepted"
    assert gateway.post("/", "one").outcome == "duplicate"


def test_flushed_while_in_flight(lab):
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis))
    lab.upstream.script("/f", {"wait_for": "door"})
    with gateway.connect() as connection:
        connection.send(request_bytes("POST", "/f", [("X-Event-Id", "one")]))
        lab.upstream.wait_requests(1, "/f")
        redis.command("FLUSHALL")
        redis.command("SCRIPT", "FLUSH")
        lab.upstream.open_gate("door")
        assert connection.read_response().outcome == "accepted"
    assert gateway.post("/f", "one").outcome == "duplicate", "settled although the lease had gone"


@pytest.mark.parametrize("workers", [1, 4])
def test_ready_means_that_the_store_is_asked(lab, workers):
    """A node that has just come up must not pass events by: that would deliver twice with every deployment."""
    gateway = lab.make_gateway("redis+postgres", workers=workers, routes=[route("durable", "/durable", ack="durable"), route()])
    gateway.start(stores=False)
    connections = [gateway.connect() for _ in range(20)]
    for number, connection in enumerate(connections):
        assert connection.request("POST", "/", [("X-Event-Id", f"{number}")]).outcome == "accepted"
        assert connection.request("POST", "/durable", [("X-Event-Id", f"{number}")]).outcome == "accepted"
        connection.close()


def test_redis_away_at_start(lab):
    redis = lab.own_redis()
    gateway = lab.make_gateway(stores=lab.stores("redis+sqlite", redis), routes=[route(on_store_error="reject")])
    gateway.start(stores=False)
    assert timed(lambda: gateway.post("/", "one")).status == 503
    redis.start()
    wait_until(lambda: gateway.post("/", "one").outcome == "accepted", "Redis is found", 15)
    assert gateway.post("/", "one").outcome == "duplicate"


def test_redis_refusing_writes(lab):
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), routes=[route(on_store_error="reject")])
    redis.command("CONFIG", "SET", "maxmemory", "1")
    assert gateway.post("/", "one").status == 503
    redis.command("CONFIG", "SET", "maxmemory", "0")
    assert gateway.post("/", "one").outcome == "accepted"


@pytest.mark.parametrize("mode", ["proxy", "queue", "observe"])
def test_what_passed_without_the_store_is_told(lab, mode):
    """C5: in the answer, the metrics and the log, which is silent about what went well."""
    redis = lab.own_redis().start()
    gateway = lab.gateway(stores=lab.stores("redis+sqlite", redis), log={"access_sample": 0},
                          routes=[route(mode=mode, on_store_error="pass")])
    assert gateway.post("/", "before").outcome == "accepted"
    redis.command("CONFIG", "SET", "maxmemory", "1")
    passed = gateway.post("/", "one")
    assert passed.outcome == "bypassed"
    gateway.wait_quiet()
    assert gateway.metrics().sum("postern_requests_ended_total", outcome="bypassed_store") == 1

    def told():
        return [json.loads(line) for line in gateway.logged('"outcome"')]
    lines = wait_until(told, "a line of it is written")
    assert [(line["outcome"], line["event_id"]) for line in lines] == [("bypassed_store", passed.event_id)]


# -- PostgreSQL


def rows(postgres, url):
    try:
        return int(postgres.query("SELECT count(*) FROM event", url)[0][0])
    except Exception as error: # pylint: disable=broad-except
        assert "does not exist" in str(getattr(error, "stderr", error)), error
        return 0


@pytest.mark.smoke
def test_postgres_away_async(lab):
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    gateway = lab.gateway(stores=lab.stores("memory+postgres", postgres_url=url))
    assert gateway.post("/", "before").outcome == "accepted"
    wait_until(lambda: rows(postgres, url) == 1, "the row is there")
    postgres.kill()
    for number in range(20):
        assert timed(lambda key=f"during {number}": gateway.post("/", key)).outcome == "accepted"
    postgres.start()
    wait_until(lambda: rows(postgres, url) == 21, "all rows are there after the outage", 20)
    assert gateway.metrics().sum("postern_journal_dropped_total") == 0


def test_postgres_frozen_async(lab):
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    gateway = lab.gateway(stores=lab.stores("memory+postgres", postgres_url=url), journal={"postgres": {"timeout": "1s"}})
    assert gateway.post("/", "before").outcome == "accepted"
    wait_until(lambda: rows(postgres, url) == 1, "the row is there")
    wait_until(lambda: journal_is_up(gateway), "the link shows in the metrics")
    postgres.freeze()
    for number in range(20):
        assert timed(lambda key=f"during {number}": gateway.post("/", key)).outcome == "accepted"
    wait_until(lambda: not journal_is_up(gateway), "the outage shows", 15)
    postgres.resume()
    wait_until(lambda: rows(postgres, url) == 21, "each row is there once", 20)


@pytest.mark.smoke
def test_postgres_away_durable(lab):
    """Without a spool; with one: test_23_spool.py."""
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    gateway = lab.gateway(stores=lab.stores("memory+postgres", postgres_url=url), routes=[route(ack="durable")],
                          journal=NO_SPOOL)
    assert gateway.post("/", "before").outcome == "accepted"
    assert rows(postgres, url) == 1, "durable: the row is there before the answer"
    wait_until(lambda: journal_is_up(gateway), "the link shows in the metrics")
    postgres.kill()
    wait_until(lambda: not journal_is_up(gateway), "the outage shows", 15)
    refused = timed(lambda: gateway.post("/", "during"))
    assert refused.status == 503 and refused.header("Retry-After")
    assert len(lab.upstream.requests()) == 1, "refused before the upstream was asked"
    postgres.start()
    wait_until(lambda: gateway.post("/", "during").outcome == "accepted", "accepted after the outage", 20)
    assert rows(postgres, url) == 2


def test_postgres_away_at_start(lab):
    postgres = lab.own_postgres()
    gateway = lab.make_gateway(stores=lab.stores("redis+postgres", postgres_url=postgres.url("postgres")),
                               routes=[route("durable", "/durable", ack="durable"), route()], journal=NO_SPOOL)
    gateway.start(stores=False)
    assert gateway.post("/", "one").outcome == "accepted"
    assert gateway.post("/durable", "one").status == 503
    postgres.start()
    wait_until(lambda: gateway.post("/durable", "one").outcome == "accepted", "PostgreSQL is found", 20)
    wait_until(lambda: rows(postgres, postgres.url("postgres")) == 2, "the buffered row is there", 20)


def test_postgres_restart_under_load_loses_nothing_durable(lab):
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    gateway = lab.gateway(stores=lab.stores("redis+postgres", postgres_url=url), routes=[route(ack="durable")],
                          journal=NO_SPOOL)
    accepted = []
    with gateway.connect(30) as connection:
        for number in range(300):
            if number == 100:
                postgres.kill()
            if number == 150:
                postgres.start()
            answer = connection.request("POST", "/", [("X-Event-Id", f"event {number}")])
            assert answer.outcome in ("accepted", "rejected", "failed")
            if answer.outcome == "accepted":
                accepted.append(answer.event_id)

        # A new key each time: one whose record failed after its delivery is a duplicate, not accepted again.
        late = itertools.count()
        wait_until(lambda: connection.request("POST", "/", [("X-Event-Id", f"late {next(late)}")]).outcome == "accepted",
                   "accepting again", 20)
    ids = {row[0] for row in postgres.query("SELECT id FROM event", url)}
    assert len(accepted) >= 100 and set(accepted) <= ids


def test_buffer_bound_is_counted_and_shown(lab):
    postgres = lab.own_postgres().start()
    url = postgres.create_database()
    gateway = lab.gateway(stores=lab.stores("memory+postgres", postgres_url=url), journal={"buffer": "1MiB", **NO_SPOOL})
    postgres.kill()
    body = b"x" * 100000
    with gateway.connect() as connection:
        outcomes = [connection.request("POST", "/", [("X-Event-Id", str(number))], body).outcome for number in range(40)]
    assert outcomes == ["accepted"] * 40, "events pass although their records can't be kept"

    def dropped():
        return int(gateway.metrics().sum("postern_journal_dropped_total"))
    wait_until(lambda: 25 <= dropped() <= 35, lambda: f"about 30 of 40 dropped, not {dropped()}")
    wait_until(lambda: f'"dropped":{dropped()}' in gateway.ready_text(), "/readyz?verbose tells")
    assert '"degraded":true' in gateway.ready_text()
    postgres.start()
    wait_until(lambda: rows(postgres, url) == 40 - dropped(), "the others are written", 20)
