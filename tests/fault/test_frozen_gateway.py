# SPDX-License-Identifier: Apache-2.0
"""Two gateways on one Redis, one of them frozen while the upstream has its call: whether a copy passes at the other one
depends on the lease alone (C7), and whoever comes back late can't touch what the other one settled. What had not left
yet, stays."""
import pytest
from harness import http
from harness.config import queue_route, route
from harness.wait import stays, wait_until


class Pair:
    """`frozen` has the claim of "one", and its call waits for the gate "door"; a second call is answered at once."""

    def __init__(self, lab, timeout, **settings):
        self.lab, stores = lab, lab.stores("redis+postgres")
        self.redis, self.prefix = lab.shared.redis(), stores["dedup"]["redis"]["prefix"]
        self.frozen, self.alive = (lab.gateway(stores=stores, routes=[route(**settings)], upstreams={"app": {"timeout": timeout}})
                                   for _ in range(2))
        lab.upstream.script("/", {"wait_for": "door"}, {"status": 200})
        self.sender = self.frozen.connect(30)
        self.sender.send(http.request_bytes("POST", "/", [("X-Event-Id", "one")], b"{}"))
        lab.upstream.wait_requests(1)
        self.frozen.freeze()

    def let_answer(self):
        self.lab.upstream.open_gate("door")
        wait_until(lambda: self.lab.upstream.requests()[0].status, "the upstream has answered")

    def thaw(self, found_out=None):
        """The upstream has answered by then, or does when `found_out` says that the frozen one knows of its claim."""
        if not found_out:
            self.let_answer()
        self.frozen.resume()
        if found_out:
            wait_until(found_out, "a renewal tells")
            self.let_answer()

    def answer(self):
        """What the frozen one's sender is told in the end."""
        with self.sender:
            answer = self.sender.read_response()
        self.frozen.wait_quiet()
        return answer

    def lease_ms(self):
        """What is left of the claim's lease."""
        key, = self.redis.command("KEYS", self.prefix + ":*")
        return self.redis.command("PTTL", key)

    def incidents(self, kind):
        return self.frozen.metrics().sum("postern_incidents_total", kind=kind)

    def delivered(self):
        """The event ids the upstream got, in their order."""
        return [request.event_id for request in self.lab.upstream.requests()]


@pytest.mark.parametrize("answered", ("while it is frozen", "too late"))
def test_longer_than_its_lease(lab, answered):
    """A copy finds that the claim has ended, and passes: the second delivery is counted, and is the last one."""
    pair = Pair(lab, "3500ms", lease="4s")
    copy = pair.alive.post("/", "one")
    assert copy.outcome == "accepted"
    pair.thaw(None if answered == "while it is frozen" else lambda: pair.incidents("lease_lost") == 1)
    first = pair.answer()
    # The upstream's time-out is over as well, which is below the lease: an answer that lies there is seen before that.
    assert first.outcome == ("failed" if answered == "too late" else "accepted")
    assert pair.incidents("lease_lost") == 1
    # Its own settle, if it came to that, is what its L1 knows: that is an accepted event too.
    known = {copy.event_id, first.event_id} if first.outcome == "accepted" else {copy.event_id}
    for gateway, ids in ((pair.alive, {copy.event_id}), (pair.frozen, known)):
        again = gateway.post("/", "one")
        assert again.outcome == "duplicate" and again.event_id in ids
    assert pair.delivered() == [first.event_id, copy.event_id]
    assert pair.incidents("lease_lost") == 1


def test_longer_than_the_upstreams_time_out(lab):
    """What the upstream answered meanwhile counts: the time-out was the gateway's, not the upstream's."""
    pair = Pair(lab, "3500ms", lease="30s", in_flight_wait="4s")
    assert pair.alive.post("/", "one").outcome == "in-flight"
    pair.thaw()
    first = pair.answer()
    assert (first.status, first.outcome) == (200, "accepted")
    for gateway in (pair.alive, pair.frozen):
        again = gateway.post("/", "one")
        assert (again.outcome, again.event_id) == ("duplicate", first.event_id)
    assert pair.delivered() == [first.event_id]


@pytest.mark.parametrize("answered", ("while it is frozen", "after a renewal"))
def test_shorter_than_its_lease(lab, answered):
    """A renewal is missed and made up for: at no time is there room for a copy."""
    pair = Pair(lab, "8s", lease="9s", in_flight_wait="3500ms")
    assert pair.alive.post("/", "one").outcome == "in-flight"
    left_ms = pair.lease_ms()
    assert 0 < left_ms < 6000, "more than a third of the lease has passed without a renewal"
    pair.thaw(None if answered == "while it is frozen" else lambda: pair.lease_ms() > left_ms)
    first = pair.answer()
    assert first.outcome == "accepted"
    for gateway in (pair.alive, pair.frozen):
        again = gateway.post("/", "one")
        assert (again.outcome, again.event_id) == ("duplicate", first.event_id)
    assert pair.delivered() == [first.event_id]
    assert pair.incidents("lease_lost") == pair.incidents("lease_lapsed") == 0


class Stopped:
    """`frozen` stops itself at a fault point, in the middle of a turn, with the event "one"; `warm` others came before,
    so that a connection to the upstream is there. Redis' time-out is short against the leases: a link that is healthy
    must not be taken for a stalled one."""

    def __init__(self, lab, point, make_route, lease, timeout="5s", warm=0):
        self.lab, stores = lab, lab.stores("redis+postgres")
        self.redis, self.prefix = lab.shared.redis(), stores["dedup"]["redis"]["prefix"]
        self.frozen, self.alive = (lab.make_gateway(stores=stores, dedup={"redis": {"timeout": "500ms"}},
                                                    routes=[make_route(lease=lease)], upstreams={"app": {"timeout": timeout}})
                                   for _ in range(2))
        self.frozen.start(env={"POSTERN_FAULT": f"{point}:{1 + warm}:stop"})
        for number in range(warm):
            assert self.frozen.post("/", f"warm {number}").outcome == "accepted"
        self.frozen.wait_no_queue()
        self.sender = self.frozen.connect(30)
        self.sender.send(http.request_bytes("POST", "/", [("X-Event-Id", "one")], b"{}"))
        wait_until(self.frozen.is_stopped, "it stands at the fault point")
        self.alive.start()

    def thaw(self):
        """What the frozen one's sender is told in the end."""
        self.frozen.resume()
        with self.sender:
            answer = self.sender.read_response()
        self.frozen.wait_quiet()
        return answer

    def check_retries(self, event_id):
        for gateway in (self.frozen, self.alive):
            again = gateway.post("/", "one")
            assert (again.outcome, again.event_id) == ("duplicate", event_id)


@pytest.mark.parametrize("point, make_route, status", (("after_claim", route, 200), ("after_claim", queue_route, 202),
                                                       ("after_append", queue_route, 202)))
def test_claimed_and_not_begun(lab, point, make_route, status):
    """The claim's lease ends, a copy passes: the first must not begin when it comes back, its sender tries again."""
    stopped = Stopped(lab, point, make_route, "2s")
    wait_until(lambda: stopped.redis.command("KEYS", stopped.prefix + ":*") == [], "the claim's lease has ended")
    copy = stopped.alive.post("/", "one")
    assert (copy.status, copy.outcome) == (status, "accepted")
    lab.upstream.wait_requests(1)
    first = stopped.thaw()
    assert (first.status, first.outcome) == (503, "rejected")
    stopped.check_retries(copy.event_id)
    stopped.alive.wait_no_queue()
    assert [request.event_id for request in lab.upstream.requests()] == [copy.event_id]


def test_about_to_deliver(lab):
    """The row's lease ends, and the other one delivers: the attempt that was about to begin is not made."""
    stopped = Stopped(lab, "before_attempt", queue_route, "3s")
    lab.upstream.wait_requests(1)
    stopped.alive.wait_no_queue()
    first = stopped.thaw()
    assert (first.status, first.outcome) == (202, "accepted")
    stopped.frozen.wait_no_queue()
    stopped.check_retries(first.event_id)
    assert [(request.event_id, request.attempt) for request in lab.upstream.requests()] == [(first.event_id, 1)]
    assert stopped.frozen.metrics().sum("postern_queue_leases_lost_total") == 1
    assert stopped.alive.event(first.event_id)["attempts"] == 1


@pytest.mark.parametrize("point, make_route", (("after_claim", route), ("after_claim", queue_route), ("after_append", queue_route),
                                               ("before_attempt", queue_route)))
def test_shortly_and_not_begun(lab, point, make_route):
    """Within the lease: it goes on as if nothing had been."""
    stopped = Stopped(lab, point, make_route, "20s")
    first = stopped.thaw()
    assert first.outcome == "accepted"
    lab.upstream.wait_requests(1)
    stopped.check_retries(first.event_id)
    stopped.alive.wait_no_queue()
    assert [request.event_id for request in lab.upstream.requests()] == [first.event_id]


@pytest.mark.parametrize("point, make_route", (("after_claim", route), ("before_attempt", queue_route)))
def test_longer_than_the_time_out_of_what_begins_then(lab, point, make_route):
    """Within the lease, so the call begins when it comes back, and has its whole time-out from there."""
    stopped = Stopped(lab, point, make_route, "30s", timeout="2s", warm=1)
    stays(stopped.frozen.is_stopped, "it stands still for longer than the time-out", 2.5)
    lab.upstream.default(wait_for="gate")
    stopped.frozen.resume()
    lab.upstream.wait_requests(2)
    stays(lambda: lab.upstream.requests()[-1].status is None, "the upstream takes some of its time", 0.5)
    lab.upstream.open_gate("gate")
    first = stopped.thaw()
    assert first.outcome == "accepted"
    stopped.alive.wait_no_queue()
    stopped.check_retries(first.event_id)
    assert [(request.key, request.attempt) for request in lab.upstream.requests()] == [("warm 0", 1), ("one", 1)]
