# SPDX-License-Identifier: Apache-2.0
"""Descriptors used up, thousands of idle connections, clients that leave at every step (C6)."""
import resource

import pytest
from harness import http
from harness.config import route
from harness.wait import wait_until


def in_progress(gateway):
    return gateway.metrics().sum("postern_requests_in_progress")


def connections(gateway):
    return gateway.metrics().sum("postern_client_connections")


def raise_own_limit(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def test_descriptor_exhaustion(lab):
    """With no descriptor left, nothing is lost for those who are connected, and it goes on when some are free again."""
    gateway = lab.gateway()
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (120, 120))
    with gateway.connect() as good:
        assert good.request("POST", "/", [("X-Event-Id", "1")]).status == 200
        crowd = []
        for _ in range(200):
            try:
                crowd.append(http.Connection(gateway.port, 5))
            except OSError:
                break
        wait_until(lambda: gateway.descriptors() >= 110, "the descriptors are used up")
        assert good.request("POST", "/", [("X-Event-Id", "2")]).status == 200
        for connection in crowd:
            connection.close()
        wait_until(lambda: gateway.descriptors() < 60, "they are free again")
        assert gateway.post("/", "3").outcome == "accepted"


def test_connection_limit(lab):
    gateway = lab.gateway(limits={"connections": 50})
    crowd = [gateway.connect() for _ in range(50)]
    wait_until(lambda: connections(gateway) == 50, "50 connections")
    with gateway.connect() as extra:
        extra.send(http.request_bytes("POST", "/", [("X-Event-Id", "1")]))
        try:
            assert extra.read_response().status == 503
        except http.Closed:
            pass
    crowd.pop().close()
    wait_until(lambda: connections(gateway) == 49, "one place is free")
    assert gateway.post("/", "2").outcome == "accepted"
    for connection in crowd:
        connection.close()


def test_2000_idle_connections(lab):
    raise_own_limit(8192)
    gateway = lab.gateway(workers=2, routes=[route(in_flight_wait="60s")], upstreams={"app": {"timeout": "60s"}})
    gateway.post("/", "warm")
    before = gateway.resident_bytes()
    crowd = [gateway.connect(60) for _ in range(2000)]
    for number, connection in enumerate(crowd):
        connection.send(http.request_bytes("POST", "/", [("X-Event-Id", str(number // 2))]))
    assert sum(connection.read_response().status == 200 for connection in crowd) == 2000
    wait_until(lambda: in_progress(gateway) == 0, "all idle")
    # Finished exchanges are kept for reuse (256 of them per worker), the connections themselves cost 2 KiB each.
    assert gateway.resident_bytes() - before < 24 << 20
    with gateway.connect() as one_more:
        assert one_more.request("POST", "/", [("X-Event-Id", "x")]).status == 200
    for connection in crowd:
        connection.close()
    wait_until(lambda: connections(gateway) == 0, "all are gone")


def test_no_descriptors_leak(lab):
    gateway = lab.gateway("redis+postgres")
    gateway.post("/", "warm")
    wait_until(lambda: connections(gateway) == 0, "quiet")
    before = gateway.descriptors()
    for number in range(200):
        gateway.post("/", f"event {number}")
    wait_until(lambda: connections(gateway) == 0, "all are gone")
    assert gateway.descriptors() <= before + 2


LEAVE = ["before a byte", "in the head", "after the head", "in the body", "waiting for the upstream", "reading the answer"]


def leave(connection, how):
    if how == "reset":
        connection.reset()
    else:
        connection.close()


@pytest.mark.smoke
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("step", LEAVE[:4])
def test_client_gone_before_the_claim(lab, step, how):
    gateway = lab.gateway()
    data = {"before a byte": b"", "in the head": b"POST / HTTP/1.1\r\nHo",
            "after the head": b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: one\r\nContent-Length: 10\r\n\r\n"}
    data["in the body"] = data["after the head"] + b"half"
    for _ in range(5):
        connection = gateway.connect()
        connection.send(data[step])
        leave(connection, how)
    wait_until(lambda: connections(gateway) == 0 and in_progress(gateway) == 0, "forgotten")
    assert lab.upstream.requests() == []
    assert gateway.post("/", "one").outcome == "accepted"


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["memory+sqlite", "redis+postgres"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_gone_while_its_event_is_at_work(lab, how, kind):
    """The work goes on without it; the retry is a duplicate of what was accepted. A FIN alone may be a half-close,
    so that connection stays until its answer can't be sent."""
    gateway = lab.gateway(kind)
    lab.upstream.script("/w", {"wait_for": "door"})
    connection = gateway.connect()
    connection.send(http.request_bytes("POST", "/w", [("X-Event-Id", "one")]))
    lab.upstream.wait_requests(1, "/w")
    leave(connection, how)
    wait_until(lambda: connections(gateway) == (1 if how == "close" else 0), "the client is gone")
    lab.upstream.open_gate("door")
    wait_until(lambda: gateway.book("accepted") == 1, "accepted without a client")
    wait_until(lambda: connections(gateway) == 0, "the connection is gone")
    assert gateway.post("/w", "one").outcome == "duplicate"
    assert len(lab.upstream.requests("/w")) == 1


def test_client_gone_while_its_event_fails(lab):
    gateway = lab.gateway()
    lab.upstream.script("/w", {"status": 500, "wait_for": "door"}, {"status": 200})
    connection = gateway.connect()
    connection.send(http.request_bytes("POST", "/w", [("X-Event-Id", "one")]))
    lab.upstream.wait_requests(1, "/w")
    connection.reset()
    wait_until(lambda: connections(gateway) == 0, "the client is gone")
    lab.upstream.open_gate("door")
    wait_until(lambda: gateway.book("failed") == 1, "failed without a client")
    assert gateway.post("/w", "one").outcome == "accepted"


def test_client_gone_while_parked(lab):
    gateway = lab.gateway()
    lab.upstream.script("/w", {"wait_for": "door"})
    first = gateway.connect()
    first.send(http.request_bytes("POST", "/w", [("X-Event-Id", "one")]))
    lab.upstream.wait_requests(1, "/w")
    copies = [gateway.connect() for _ in range(5)]
    for copy in copies:
        copy.send(http.request_bytes("POST", "/w", [("X-Event-Id", "one")]))
    wait_until(lambda: in_progress(gateway) == 6, "the copies wait")
    for copy in copies:
        copy.reset()
    wait_until(lambda: in_progress(gateway) == 1, "they are gone")
    lab.upstream.open_gate("door")
    assert first.read_response().outcome == "accepted"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_gone_while_reading_the_answer(lab, how):
    gateway = lab.gateway()
    lab.upstream.script("/big", {"body_size": 32 << 20})
    connection = gateway.connect(receive_buffer=4096)
    connection.send(http.request_bytes("POST", "/big", [("X-Event-Id", "one")]))
    connection.more()
    leave(connection, how)
    wait_until(lambda: connections(gateway) == 0 and in_progress(gateway) == 0, "forgotten")
    assert gateway.post("/big", "one").outcome == "duplicate"


def test_a_full_upstream_queue_is_503(lab):
    gateway = lab.gateway(upstreams={"app": {"concurrency": 2, "queue": 3}})
    lab.upstream.default(wait_for="door", status=200)
    crowd = [gateway.connect(30) for _ in range(10)]
    for number, connection in enumerate(crowd):
        connection.send(http.request_bytes("POST", "/", [("X-Event-Id", str(number))]))
    wait_until(lambda: gateway.book("rejected") == 5, "five don't fit")
    lab.upstream.open_gate("door")
    answers = [connection.read_response() for connection in crowd]
    assert sorted(answer.status for answer in answers) == [200] * 5 + [503] * 5
    assert all(answer.header("Retry-After") for answer in answers if answer.status == 503)
    for number, answer in enumerate(answers):
        assert gateway.post("/", str(number)).outcome == ("duplicate" if answer.status == 200 else "accepted")


def test_body_memory_is_bounded(lab):
    gateway = lab.gateway(limits={"body": "1MiB", "body_memory": "4MiB"}, routes=[route()])
    crowd = [gateway.connect(30) for _ in range(10)]
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: %d\r\nContent-Length: 1000000\r\n\r\n"
    for number, connection in enumerate(crowd):
        connection.send(head % number + b"x" * 999999)
    wait_until(lambda: gateway.book("rejected") >= 5, "those that don't fit are refused")
    for connection in crowd:
        connection.send(b"x")
    statuses = []
    for connection in crowd:
        try:
            statuses.append(connection.read_response().status)
        except http.Closed:
            statuses.append(503)
        connection.close()
    assert statuses.count(200) == 4 and statuses.count(503) == 6
