# SPDX-License-Identifier: Apache-2.0
"""No descriptor left, for whatever one is needed: clients, upstreams, stores, operators. Nothing is lost, those who are
connected are served, and all is well when descriptors are free again."""
import resource

import pytest
from harness import http
from harness.config import queue_route, route
from harness.wait import wait_until

LIMIT = 160


def connections(gateway):
    return gateway.metrics().sum("postern_client_connections")


def crowd_of(gateway, count):
    """As many connections as the kernel takes; the gateway has accepted what it can when this returns."""
    crowd = []
    for _ in range(count):
        try:
            crowd.append(http.Connection(gateway.port, 5))
        except OSError:
            break
    return crowd


def leave(crowd):
    for connection in crowd:
        connection.close()


def is_used_up(gateway, limit):
    return gateway.descriptors() >= limit - 10


def start_limited(lab, limit=LIMIT, **options):
    gateway = lab.make_gateway(**options)
    gateway.start()
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (limit, limit))
    return gateway


@pytest.mark.parametrize("kind", ["memory+sqlite", "redis+postgres"])
def test_clients_take_them_all(lab, kind):
    gateway = start_limited(lab, kind=kind)
    with gateway.connect() as good:
        assert good.request("POST", "/", [("X-Event-Id", "before")]).outcome == "accepted"
        crowd = crowd_of(gateway, 2 * LIMIT)
        wait_until(lambda: is_used_up(gateway, LIMIT), "the descriptors are used up")
        for number in range(20):
            answer = good.request("POST", "/", [("X-Event-Id", f"meanwhile {number}")])
            assert (answer.status, answer.outcome) == (200, "accepted")
        leave(crowd)
        wait_until(lambda: gateway.descriptors() < LIMIT // 2, "they are free again")
        assert good.request("POST", "/", [("X-Event-Id", "meanwhile 0")]).outcome == "duplicate"
    for number in range(20):
        assert gateway.post("/", f"after {number}").outcome == "accepted"
    assert len(lab.upstream.requests()) == 41


def test_none_is_left_for_the_upstream(lab):
    """The upstream has ended its connections: a new one can't be made. The sender is told, the key is free, and the
    retry is accepted as soon as there is a descriptor."""
    gateway = start_limited(lab)
    with gateway.connect(30) as good:
        assert good.request("POST", "/", [("X-Event-Id", "before")]).outcome == "accepted"
        crowd = crowd_of(gateway, 2 * LIMIT)
        wait_until(lambda: is_used_up(gateway, LIMIT), "the descriptors are used up")
        before = gateway.descriptors()
        lab.upstream.down()
        wait_until(lambda: gateway.descriptors() <= before, "its connections are noticed")
        refused = good.request("POST", "/", [("X-Event-Id", "one")])
        assert refused.status in (502, 503) and refused.outcome in ("failed", "rejected")
        lab.upstream.up()
        leave(crowd)
        wait_until(lambda: gateway.descriptors() < LIMIT // 2, "they are free again")
        wait_until(lambda: good.request("POST", "/", [("X-Event-Id", "one")]).outcome == "accepted", "the retry is accepted")
    assert len([request for request in lab.upstream.requests() if request.key == "one"]) == 1


def test_queued_events_wait_for_one(lab):
    """Events are accepted by those who are connected, and delivered once descriptors are free, if not before."""
    gateway = start_limited(lab, routes=[queue_route(retry={"max_attempts": 1000})])
    with gateway.connect(30) as good:
        assert good.request("POST", "/", [("X-Event-Id", "before")]).status == 202
        crowd = crowd_of(gateway, 2 * LIMIT)
        wait_until(lambda: is_used_up(gateway, LIMIT), "the descriptors are used up")
        lab.upstream.down()
        lab.upstream.up()
        for number in range(30):
            assert good.request("POST", "/", [("X-Event-Id", str(number))]).status == 202
        leave(crowd)
        wait_until(lambda: len({request.key for request in lab.upstream.requests()}) == 31, "all are delivered", 30)
    gateway.wait_no_queue()


def test_stores_come_back(lab):
    """The links to both stores break while there is no descriptor for new ones; they are made again afterwards."""
    redis = lab.own_redis().start()
    gateway = start_limited(lab, stores=lab.stores("redis+sqlite", redis=redis))
    with gateway.connect(30) as good:
        assert good.request("POST", "/", [("X-Event-Id", "before")]).outcome == "accepted"
        crowd = crowd_of(gateway, 2 * LIMIT)
        wait_until(lambda: is_used_up(gateway, LIMIT), "the descriptors are used up")
        redis.kill()
        answer = good.request("POST", "/", [("X-Event-Id", "meanwhile")])
        assert answer.outcome != "duplicate" and answer.status < 600
        redis.start()
        leave(crowd)
        wait_until(lambda: gateway.descriptors() < LIMIT // 2, "they are free again")
        wait_until(lambda: good.request("POST", "/", [("X-Event-Id", "after")]).outcome in ("accepted", "duplicate"), "Redis is asked again", 30)
        wait_until(lambda: gateway.is_up("/readyz"), "it is ready", 30)


def test_hardly_any_and_again(lab):
    """Twenty more than it has at rest, used up three times."""
    gateway = lab.make_gateway(routes=[route()])
    gateway.start()
    used = gateway.descriptors()
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
    for _ in range(3):
        crowd = crowd_of(gateway, 100)
        wait_until(lambda: is_used_up(gateway, used + 20), "the descriptors are used up")
        leave(crowd)
        wait_until(lambda: gateway.descriptors() < used + 10, "they are free again")
        assert gateway.post("/", "x").status == 200
    wait_until(lambda: connections(gateway) == 0, "all are gone")
