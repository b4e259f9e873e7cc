# SPDX-License-Identifier: Apache-2.0
"""Deliveries: what upstreams do to them and what becomes of the event; breaker, rate, slots, isolation, the drain."""
import datetime
import email.utils
import time

import pytest
from harness.config import merge, queue_route, route
from harness.upstream_server import pattern
from harness.wait import stays, wait_until

KINDS = ["memory+sqlite", "redis+postgres"]


def attempts_of(event):
    return [(d["attempt"], d["response_status"], d["error"]) for d in event["deliveries"]]


# ---- what an answer means


@pytest.mark.smoke
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 301, 304])
def test_transient(module_lab, status):
    """Tried again until it succeeds; a redirect is not followed, its target may be mended."""
    gateway = shared_gateway(module_lab)
    path = f"/transient/{status}"
    headers = [["Location", "/elsewhere"]] if status < 400 else []
    module_lab.upstream.script(path, {"statuses": [status, status, 201], "headers": headers})
    answer = gateway.post(path, path)
    event = gateway.wait_state(answer.event_id, "delivered")
    assert attempts_of(event) == [(1, status, f"status {status}"), (2, status, f"status {status}"), (3, 201, None)]
    assert (event["attempts"], event["last_error"], event["error_category"]) == (3, None, None)
    assert module_lab.upstream.requests("/elsewhere") == []


@pytest.mark.smoke
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 451, 499])
def test_permanent(module_lab, status):
    gateway = shared_gateway(module_lab)
    path = f"/permanent/{status}"
    module_lab.upstream.script(path, {"status": status, "body": "no: " + "x" * 2000})
    answer = gateway.post(path, path)
    event = gateway.wait_state(answer.event_id, "dead")
    assert attempts_of(event) == [(1, status, f"permanent: status {status}")]
    assert event["error_category"] == "permanent" and event["last_error"] == f"permanent: status {status}"
    assert event["deliveries"][0]["response"] == "no: " + "x" * 1020, "the first 1024 bytes of the answer"
    assert len(module_lab.upstream.requests(path)) == 1
    assert gateway.post(path, path).outcome == "duplicate", "it was accepted"


# step: the error of the attempt
BROKEN = {
    "no answer in time": ({"silent": True}, "timed out"),
    "reset before the answer": ({"reset": "body"}, "connection broken"),
    "reset within the head": ({"reset": "half"}, "connection broken"),
    "not HTTP": ({"raw": "aGVsbG8gd29ybGQNCg0K"}, "not an HTTP answer"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(module_lab, name):
    step, error = BROKEN[name]
    gateway = shared_gateway(module_lab)
    path = "/broken/" + name.replace(" ", "-")
    module_lab.upstream.script(path, step, {"status": 200})
    answer = gateway.post(path, path)
    event = gateway.wait_state(answer.event_id, "delivered")
    assert attempts_of(event) == [(1, None, error), (2, 200, None)]


def shared_gateway(lab):
    if not lab.gateways:
        lab.gateway(routes=[queue_route(lease="9s")], upstreams={"app": {"timeout": "3s", "breaker": {"failures": 0}}})
    return lab.gateways[0]


def test_answer_cut_after_its_success(lab):
    """The head said 200, the rest never came: the upstream has the event."""
    gateway = lab.gateway(routes=[queue_route()])
    lab.upstream.script("/", {"body_size": 100000, "reset": "half"}, {"status": 500})
    answer = gateway.post("/", "1")
    event = gateway.wait_state(answer.event_id, "delivered")
    assert attempts_of(event) == [(1, 200, None)]


def test_a_huge_answer_is_cut_off(lab):
    """It is of no use, and must not hold the slot."""
    gateway = lab.gateway(routes=[queue_route()])
    lab.upstream.script("/", {"body_size": 8 << 20, "framing": "chunked"})
    answer = gateway.post("/", "1")
    event = gateway.wait_state(answer.event_id, "delivered")
    assert event["deliveries"][0]["response"].startswith("\x00\x01\x02")
    assert gateway.post("/again", "2").status == 202


def test_success_list(lab):
    gateway = lab.gateway(routes=[queue_route(success=[204, "3xx"])])
    lab.upstream.script("/a", {"statuses": [200, 204]})
    lab.upstream.script("/b", {"status": 302})
    a, b = gateway.post("/a", "a"), gateway.post("/b", "b")
    assert attempts_of(gateway.wait_state(a.event_id, "delivered")) == [(1, 200, "status 200"), (2, 204, None)]
    assert attempts_of(gateway.wait_state(b.event_id, "delivered")) == [(1, 302, None)]


# ---- when the next attempt comes


def gap_s(lab, event_id):
    """Between the first attempt and the second one. (An `answered_at` may be late: the answer is out before it.)"""
    first, second = lab.upstream.attempts(event_id)[:2]
    return second.at - first.at


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(lab, form, status):
    gateway = lab.gateway(routes=[queue_route(retry={"cap": "60s", "base": "1ms"})])
    date = int(time.time()) + 3
    value = "1" if form == "seconds" else email.utils.formatdate(date, usegmt=True)
    lab.upstream.script("/", {"status": status, "headers": [["Retry-After", value]]}, {"status": 200})
    answer = gateway.post("/", "1")
    gateway.wait_state(answer.event_id, "delivered")
    if form == "seconds":
        assert gap_s(lab, answer.event_id) > 0.998, "not before it was asked for"
    else:
        assert lab.upstream.attempts(answer.event_id)[1].at >= date, "not before it was asked for"


def test_retry_after_is_capped(lab):
    gateway = lab.gateway(routes=[queue_route(retry={"cap": "200ms", "base": "1ms"})])
    lab.upstream.script("/", {"status": 503, "headers": [["Retry-After", "86400"]]}, {"status": 200})
    answer = gateway.post("/", "1")
    gateway.wait_state(answer.event_id, "delivered")
    assert gap_s(lab, answer.event_id) > 0.198


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", ""])
def test_retry_after_that_says_nothing(lab, value):
    gateway = lab.gateway(routes=[queue_route()])
    lab.upstream.script("/", {"status": 503, "headers": [["Retry-After", value]]}, {"status": 200})
    gateway.wait_state(gateway.post("/", "1").event_id, "delivered")


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_max_attempts(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route(retry={"max_attempts": 3})])
    lab.upstream.default(status=500, body="oops")
    answer = gateway.post("/", "1")
    event = gateway.wait_state(answer.event_id, "dead")
    assert attempts_of(event) == [(1, 500, "status 500"), (2, 500, "status 500"), (3, 500, "max_attempts: status 500")]
    assert (event["attempts"], event["last_error"]) == (3, "max_attempts: status 500")
    assert event["error_category"] == "transient" and event["next_attempt_at"] is None
    stays(lambda: len(lab.upstream.requests()) == 3, "no fourth attempt", 0.3)


def test_max_age(lab):
    gateway = lab.gateway(routes=[queue_route(retry={"max_age": "1s", "max_attempts": 1000, "cap": "300ms"})])
    lab.upstream.default(status=500)
    answer = gateway.post("/", "1")
    event = gateway.wait_state(answer.event_id, "dead")
    assert event["last_error"].startswith("max_age")
    came, last = (datetime.datetime.fromisoformat(text) for text in (event["received_at"], event["deliveries"][-1]["at"]))
    assert (last - came).total_seconds() <= 1, "no attempt begins later"


@pytest.mark.parametrize("kind", KINDS)
def test_upstream_down_then_up(lab, kind):
    lab.upstream.down()
    gateway = lab.gateway(kind, routes=[queue_route(retry={"max_attempts": 1000})],
                          upstreams={"app": {"breaker": {"failures": 0}}})
    told = [gateway.post("/", str(number)).event_id for number in range(30)]
    wait_until(lambda: gateway.event(told[-1])["attempts"] >= 2, "attempts were made in vain")
    assert attempts_of(gateway.event(told[0]))[0] == (1, None, "connection failed")
    lab.upstream.up()
    for event_id in told:
        gateway.wait_state(event_id, "delivered")
    assert sorted(request.event_id for request in lab.upstream.requests()) == sorted(told)


def test_upstream_that_flaps(lab):
    gateway = lab.gateway(routes=[queue_route(lease="2s", retry={"max_attempts": 1000})],
                          upstreams={"app": {"timeout": "1s", "breaker": {"failures": 3, "cool_down": "20ms"}}})
    told = []
    for turn in range(6):
        lab.upstream.down()
        told += [gateway.post("/", f"{turn} {number}").event_id for number in range(20)]
        lab.upstream.up()
        wait_until(lambda: lab.upstream.requests(), "something came through")
    gateway.wait_no_queue()
    assert {gateway.event(event_id)["state"] for event_id in told} == {"delivered"}
    got = [request.event_id for request in lab.upstream.requests() if request.succeeded()]
    # An answer that was cut off on its way is no answer: only such an attempt may be made again.
    repeated = {event_id for event_id in got if got.count(event_id) > 1}
    for event_id in repeated:
        errors = {d["error"] for d in gateway.event(event_id)["deliveries"]}
        assert "connection broken" in errors, (event_id, errors)
    assert set(got) == set(told)


def test_upstream_that_is_frozen(lab):
    """Connections are taken and nothing answers: a time-out is transient."""
    gateway = lab.gateway(routes=[queue_route(lease="2s", retry={"max_attempts": 1000})],
                          upstreams={"app": {"timeout": "300ms"}})
    lab.upstream.freeze()
    told = [gateway.post("/", str(number)).event_id for number in range(5)]
    wait_until(lambda: gateway.event(told[0])["attempts"] > 1, "an attempt timed out")
    assert attempts_of(gateway.event(told[0]))[0] == (1, None, "timed out")
    lab.upstream.resume()
    for event_id in told:
        gateway.wait_state(event_id, "delivered")


# ---- breaker, rate, slots


def breaker_state(gateway, upstream="app"):
    return gateway.metrics().sum("postern_breaker_state", upstream=upstream)


def test_breaker(lab):
    """Opens after failures in a row, lets one probe through after the cool-down, closes when that succeeds."""
    breaker = {"failures": 3, "cool_down": "300ms"}
    gateway = lab.gateway(routes=[queue_route(retry={"max_attempts": 1000})], upstreams={"app": {"breaker": breaker}})
    lab.upstream.default(status=503)
    told = [gateway.post("/", str(number)).event_id for number in range(20)]
    wait_until(lambda: breaker_state(gateway) == 1, "it is open")
    wait_until(lambda: gateway.metrics().sum("postern_breaker_opened_total") >= 2, "a probe failed, it opened again")
    made = len(lab.upstream.requests())
    assert made < 40, f"{made} attempts although it was open"
    lab.upstream.default(status=200, wait_for="half-open")
    def held():
        return [request for request in lab.upstream.requests()[made:] if request.answered_at is None]
    wait_until(lambda: breaker_state(gateway) == 2 and held(), "half-open, the probe is out")
    stays(lambda: len(held()) == 1, "one probe only", 0.3)
    lab.upstream.open_gate("half-open")
    for event_id in told:
        gateway.wait_state(event_id, "delivered")
    wait_until(lambda: breaker_state(gateway) == 0, "closed")
    wait_until(lambda: gateway.metrics().sum("postern_delivery_attempts_total")
               - gateway.metrics().sum("postern_delivery_failures_total") == 20, "all that succeeded are counted")


def test_answers_of_4xx_show_it_alive(lab):
    gateway = lab.gateway(routes=[queue_route()], upstreams={"app": {"breaker": {"failures": 2, "cool_down": "60s"}}})
    lab.upstream.default(status=404)
    for number in range(10):
        gateway.wait_state(gateway.post("/", str(number)).event_id, "dead")
    assert breaker_state(gateway) == 0


def test_rate(lab):
    """Twenty at 10/s, burst 5: the last fifteen take one and a half seconds at least."""
    gateway = lab.gateway(routes=[queue_route()], upstreams={"app": {"rate": "10/s", "burst": 5}})
    begun = time.time()
    for number in range(20):
        assert gateway.post("/", str(number)).status == 202
    assert lab.upstream.wait_requests(20)[-1].at - begun > 1.4


@pytest.mark.parametrize("slots", [1, 4])
def test_concurrency(lab, slots):
    gateway = lab.gateway(routes=[queue_route()], upstreams={"app": {"concurrency": slots}})
    lab.upstream.default(wait_for="gate")
    for number in range(30):
        assert gateway.post("/", str(number)).status == 202
    lab.upstream.wait_requests(slots)
    stays(lambda: len(lab.upstream.requests()) == slots, "no more than it has slots", 0.2)
    lab.upstream.open_gate("gate")
    gateway.wait_no_queue()
    requests = lab.upstream.requests()
    assert len(requests) == 30 and max(request.parallel for request in requests) <= slots


@pytest.mark.smoke
def test_isolation(lab):
    """A dead and a silent upstream hold up neither another one's events nor the door."""
    dead, silent = lab.other_upstream("dead"), lab.other_upstream("silent")
    dead.down()
    silent.default(silent=True)
    endpoints = {name: {"endpoints": [f"http://127.0.0.1:{one.port}"], "concurrency": 4, "timeout": "2s"}
                 for name, one in (("dead", dead), ("silent", silent))}
    gateway = lab.gateway(upstreams=endpoints,
                          routes=[queue_route("dead", "/dead", upstream="dead"),
                                  queue_route("silent", "/silent", upstream="silent"), queue_route()])
    for number in range(100):
        assert gateway.post("/dead", str(number)).status == 202
        assert gateway.post("/silent", str(number)).status == 202
    for number in range(50):
        assert gateway.post("/", str(number)).status == 202
    begun = time.time()
    requests = lab.upstream.wait_requests(50, "/")
    assert requests[-1].at - begun < 5, "at once, not after the others' time-outs"
    assert {request.attempt for request in requests} == {1}
    assert silent.requests()[-1].parallel <= 4


def test_first_attempts_beside_retries(lab):
    """A hundred retries fill their slots with an upstream that hangs on them; new events pass."""
    gateway = lab.gateway(routes=[queue_route("old", "/old", retry={"max_attempts": 1000}), queue_route()],
                          upstreams={"app": {"concurrency": 8, "breaker": {"failures": 0}}})
    lab.upstream.script("/old", *[{"status": 503}] * 100, {"status": 200, "wait_for": "old"})
    for number in range(100):
        assert gateway.post("/old", str(number)).status == 202
    wait_until(lambda: len([r for r in lab.upstream.requests("/old") if r.answered_at is None]) >= 6, "retries hang", 20)
    for number in range(20):
        gateway.wait_state(gateway.post("/new", f"new {number}").event_id, "delivered")
    assert {request.attempt for request in lab.upstream.requests("/new")} == {1}
    lab.upstream.open_gate("old")
    gateway.wait_no_queue(30)
    assert len({r.event_id for r in lab.upstream.requests("/old") if r.succeeded()}) == 100


# ---- routes that go, and the drain


@pytest.mark.parametrize("kind", KINDS)
def test_removed_route(lab, kind):
    """Parked while nobody can deliver them; queued again when the route is back."""
    lab.upstream.down()
    both = [queue_route("gone", "/gone", retry={"max_attempts": 1000}), queue_route()]
    gateway = lab.gateway(kind, routes=both)
    told = [gateway.post("/gone", str(number)).event_id for number in range(3)]
    gateway.wait_quiet()
    assert gateway.stop() == 0
    gateway.config = merge(gateway.config, {"routes": both[1:]})
    gateway.write_config()
    lab.upstream.up()
    gateway.start()
    for event_id in told:
        gateway.wait_state(event_id, "parked", 30) # a round of upkeep is due every 10 s
    wait_until(lambda: gateway.metrics().sum("postern_queue_events", state="parked") == 3, "it is counted", 30)
    assert lab.upstream.requests() == []
    assert gateway.stop() == 0
    gateway.config = merge(gateway.config, {"routes": both})
    gateway.write_config()
    gateway.start()
    for number, event_id in enumerate(told):
        gateway.wait_state(event_id, "delivered")
        assert gateway.post("/gone", str(number)).outcome == "duplicate"
    assert sorted(request.event_id for request in lab.upstream.requests()) == sorted(told)


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_drain(lab, kind):
    """SIGTERM: attempts under way end, what waits goes back and is due at once at the next start."""
    gateway = lab.gateway(kind, routes=[queue_route(lease="60s")], upstreams={"app": {"concurrency": 2}})
    lab.upstream.default(wait_for="gate")
    told = [gateway.post("/", str(number)).event_id for number in range(10)]
    lab.upstream.wait_requests(2)
    gateway.signal(15)
    wait_until(lambda: gateway.metrics().sum("postern_queue_outcomes_total", result="returned") > 0, "the worker drains")
    lab.upstream.open_gate("gate")
    assert gateway.wait() == 0
    assert len(lab.upstream.requests()) == 2, "nothing new was begun"
    lab.upstream.default(status=200)
    began = time.time()
    gateway.start()
    for event_id in told:
        gateway.wait_state(event_id, "delivered")
    requests = lab.upstream.requests()
    assert sorted(request.event_id for request in requests) == sorted(told), "each once"
    assert requests[-1].at - began < 20, "leases were given back, not waited for"


def test_drain_with_an_upstream_that_hangs(lab):
    """The attempt is cut off at the drain's time-out, and made again by the next one."""
    gateway = lab.gateway(routes=[queue_route(lease="4s")], upstreams={"app": {"timeout": "3s"}}, drain={"timeout": "300ms"})
    lab.upstream.script("/", {"silent": True}, {"status": 200})
    event_id = gateway.post("/", "1").event_id
    lab.upstream.wait_requests(1)
    gateway.signal(15)
    gateway.wait()
    gateway.start()
    gateway.wait_state(event_id, "delivered")
    assert [request.event_id for request in lab.upstream.requests()] == [event_id] * 2


def test_large_bodies_beyond_the_couriers_memory(lab):
    """64 MiB wait for a dead upstream; memory stays flat, and all of them arrive whole."""
    lab.upstream.down()
    gateway = lab.gateway(routes=[queue_route(retry={"max_attempts": 1000})], journal={"buffer": "256MiB"})
    body = pattern(1 << 20)
    before = gateway.resident_bytes()
    for number in range(64):
        assert gateway.post("/", str(number), body).status == 202
    grown = gateway.resident_bytes() - before
    lab.upstream.up()
    gateway.wait_no_queue(40)
    requests = [request for request in lab.upstream.requests() if request.succeeded()]
    assert len(requests) == 64 and {(r.size, r.sha256) for r in requests} == {(requests[0].size, requests[0].sha256)}
    assert requests[0].size == 1 << 20
    assert grown < 100 << 20, f"{grown >> 20} MiB more"


def test_proxy_requests_share_the_upstreams_slots(lab):
    """A queue's backlog may slow a proxied request down, never refuse it."""
    gateway = lab.gateway(routes=[queue_route("later", "/later"), route()], upstreams={"app": {"concurrency": 2}})
    for number in range(50):
        gateway.post("/later", str(number))
    answers = [gateway.post("/now", f"now {number}") for number in range(20)]
    assert {answer.status for answer in answers} == {200}
    gateway.wait_no_queue()
    assert len(lab.upstream.requests()) == 70
