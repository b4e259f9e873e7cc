# SPDX-License-Identifier: Apache-2.0
"""What operators do with queued events, over the API and the commands: find, show, replay, cancel."""
import json
import time
import uuid

import pytest
from harness.config import queue_route, route
from harness.gateway import run_cli
from harness.wait import stays, wait_until

KINDS = ["memory+sqlite", "redis+postgres"]
NO_EVENT = "01a1fedd-d85b-710c-93a6-97635b7f8d1b"


def dead_events(lab, gateway, count, path="/"):
    """Events that met a 410; the upstream is well again."""
    lab.upstream.script(path, {"status": 410, "body": "gone"})
    told = [gateway.post(path, f"{path} {number}", b"body %d" % number).event_id for number in range(count)]
    for event_id in told:
        gateway.wait_state(event_id, "dead")
    lab.upstream.script(path, {"status": 200})
    return told


def change(gateway, path):
    return gateway.api(path, method="POST")


# ---- one event


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_replay_as_same(lab, kind):
    """Its id stays, attempts go on, and its sender's copies are duplicates before and after."""
    gateway = lab.gateway(kind, routes=[queue_route(retry={"max_attempts": 2})])
    lab.upstream.script("/", {"status": 500}, {"status": 500}, {"status": 503}, {"status": 200})
    answer = gateway.post("/", "one", b"hello")
    gateway.wait_state(answer.event_id, "dead")
    assert change(gateway, f"events/{answer.event_id}/replay") == {"changed": 1, "event_id": answer.event_id}
    event = gateway.wait_state(answer.event_id, "delivered")
    assert [(d["attempt"], d["response_status"]) for d in event["deliveries"]] == [(1, 500), (2, 500), (3, 503), (4, 200)], \
        "max_attempts counts from the replay"
    assert event["attempts"] == 4 and event["last_replayed_at"] and event["replay_of"] is None
    requests = lab.upstream.attempts(answer.event_id)
    assert [request.attempt for request in requests] == [1, 2, 3, 4]
    assert len({request.sha256 for request in requests}) == 1
    again = gateway.post("/", "one", b"hello")
    assert (again.outcome, again.event_id) == ("duplicate", answer.event_id)
    # Delivered ones too: the upstream may have lost it.
    assert change(gateway, f"events/{answer.event_id}/replay?as=same")["changed"] == 1
    lab.upstream.wait_requests(5)
    assert gateway.wait_state(answer.event_id, "delivered")["attempts"] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_replay_as_new(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route()])
    old, = dead_events(lab, gateway, 1)
    told = change(gateway, f"events/{old}/replay?as=new")
    new = told["new_event_id"]
    assert told == {"changed": 1, "event_id": old, "new_event_id": new} and new != old
    event = gateway.wait_state(new, "delivered")
    assert event["replay_of"] == old and event["attempts"] == 1
    assert gateway.event(old)["state"] == "dead" and gateway.event(old)["last_replayed_at"]
    first, second = lab.upstream.requests()
    assert (first.event_id, second.event_id) == (old, new)
    assert (first.sha256, first.key, second.attempt) == (second.sha256, second.key, 1)
    copy = gateway.post("/", "/ 0", b"body 0")
    assert (copy.outcome, copy.event_id) == ("duplicate", old), "the key is still the first one's"


def test_the_same_request_again_makes_no_second_copy(lab):
    gateway = lab.gateway(routes=[queue_route()])
    old, = dead_events(lab, gateway, 1)
    path = f"events/{old}/replay?as=new&request={version_7()}"
    first, second = change(gateway, path), gateway.admin("/api/v1/" + path, method="POST")
    gateway.wait_state(first["new_event_id"], "delivered")
    assert second.status in (200, 409)
    gateway.wait_no_queue()
    assert len(lab.upstream.requests()) == 2


def version_7():
    """A UUIDv7 of now."""
    raw = bytearray(uuid.uuid4().bytes)
    raw[:6] = int(time.time() * 1000).to_bytes(6, "big")
    raw[6] = 0x70 | raw[6] & 0x0f
    return uuid.UUID(bytes=bytes(raw))


@pytest.mark.parametrize("kind", KINDS)
def test_cancel(lab, kind):
    lab.upstream.down()
    gateway = lab.gateway(kind, routes=[queue_route(retry={"base": "1h", "cap": "1h", "max_attempts": 1000})],
                          upstreams={"app": {"breaker": {"failures": 0}}})
    event_id = gateway.post("/", "one").event_id
    wait_until(lambda: gateway.event(event_id)["attempts"] >= 1 and not gateway.event(event_id)["lease_until"],
               "it waits for its retry")
    assert change(gateway, f"events/{event_id}/cancel") == {"changed": 1, "event_id": event_id}
    lab.upstream.up()
    event = gateway.event(event_id)
    assert event["state"] == "cancelled" and event["next_attempt_at"] is None
    again = gateway.admin(f"/api/v1/events/{event_id}/cancel", method="POST")
    assert again.status == 409 and again.json()["type"] == "urn:postern:problem:state"
    stays(lambda: not lab.upstream.requests(), "nothing is sent", 0.3)
    assert gateway.post("/", "one").outcome == "duplicate", "cancelled, not forgotten"
    change(gateway, f"events/{event_id}/replay")
    gateway.wait_state(event_id, "delivered")


def test_replay_brings_a_waiting_retry_forward(lab):
    gateway = lab.gateway(routes=[queue_route(retry={"base": "1h", "cap": "1h"})])
    lab.upstream.script("/", {"status": 503, "headers": [["Retry-After", "3000"]]}, {"status": 200})
    event_id = gateway.post("/", "one").event_id
    wait_until(lambda: gateway.event(event_id)["attempts"] == 1, "it waits for its retry")
    assert change(gateway, f"events/{event_id}/replay")["changed"] == 1
    gateway.wait_state(event_id, "delivered")


def test_an_attempt_under_way_is_not_touched(lab):
    gateway = lab.gateway(routes=[queue_route()])
    lab.upstream.script("/", {"wait_for": "gate"})
    event_id = gateway.post("/", "one").event_id
    lab.upstream.wait_requests(1)
    for verb in ("replay", "replay?as=new", "cancel"):
        answer = gateway.admin(f"/api/v1/events/{event_id}/{verb}", method="POST")
        assert answer.status == 409, (verb, answer)
    lab.upstream.open_gate("gate")
    gateway.wait_state(event_id, "delivered")
    assert len(lab.upstream.requests()) == 1


@pytest.mark.parametrize("verb", ["replay", "cancel"])
def test_unknown_event(lab, verb):
    gateway = lab.gateway(routes=[queue_route()])
    for event_id in (NO_EVENT, "nonsense"):
        answer = gateway.admin(f"/api/v1/events/{event_id}/{verb}", method="POST")
        assert answer.status == 404 and answer.json()["type"] == "urn:postern:problem:no-event"
        assert gateway.admin(f"/api/v1/events/{event_id}").status == 404


def test_replay_of_a_proxied_event(lab):
    """Masked credentials are left out rather than sent as stars; the rest is delivered as it came."""
    gateway = lab.gateway(routes=[route()])
    event_id = gateway.post("/a?b=c", "one", b"hello", [("Authorization", "Bearer x"), ("X-Kept", "yes")]).event_id
    wait_until(lambda: gateway.event(event_id), "it is recorded")
    change(gateway, f"events/{event_id}/replay")
    first, second = lab.upstream.wait_requests(2)
    assert (first.target, first.sha256, first.header("X-Kept")) == (second.target, second.sha256, second.header("X-Kept"))
    assert first.header("Authorization") == "Bearer x" and second.header("Authorization") is None
    assert (second.event_id, second.attempt) == (event_id, first.attempt + 1)
    gateway.wait_state(event_id, "delivered")


# ---- many


@pytest.mark.smoke
@pytest.mark.parametrize("kind", KINDS)
def test_replay_by_filter(lab, kind):
    gateway = lab.gateway(kind, routes=[queue_route("one", "/one"), queue_route("two", "/two")])
    one, two = dead_events(lab, gateway, 6, "/one"), dead_events(lab, gateway, 2, "/two")
    assert change(gateway, "replay?route=one&state=dead&dry_run=true") == {"changed": 6, "dry_run": True, "limit_reached": False}
    assert change(gateway, "replay?route=one&state=dead&limit=4&rate=1000") == {
        "changed": 4, "dry_run": False, "limit_reached": True}
    for event_id in one[:4]:
        gateway.wait_state(event_id, "delivered")
    assert {gateway.event(event_id)["state"] for event_id in one[4:] + two} == {"dead"}, "the oldest first, others untouched"
    assert change(gateway, "replay?state=dead&as=new&rate=1000")["changed"] == 4
    gateway.wait_no_queue()
    assert len(gateway.api("events?state=delivered&limit=100")["events"]) == 8
    assert change(gateway, "cancel?state=dead")["changed"] == 4
    assert gateway.api("events?state=dead")["events"] == []


def test_replay_at_a_rate(lab):
    """The last of ten at 4/s is due 2.25 s after it was asked for."""
    gateway = lab.gateway(routes=[queue_route()])
    told = dead_events(lab, gateway, 10)
    asked = time.time()
    assert change(gateway, "replay?state=dead&rate=4")["changed"] == 10
    for event_id in told:
        gateway.wait_state(event_id, "delivered")
    times = [request.at for request in lab.upstream.requests() if request.succeeded()]
    assert max(times) - asked > 2.2


def test_a_filter_is_needed(lab):
    gateway = lab.gateway(routes=[queue_route()])
    for path in ("replay", "cancel", "replay?rate=5", "replay?stat=dead", "cancel?state=nonsense"):
        assert gateway.admin("/api/v1/" + path, method="POST").status == 400
    assert gateway.admin("/api/v1/replay?state=dead").status == 405
    assert gateway.admin("/api/v1/replay?state=dead", method="POST", headers=[("Origin", "https://evil.example")]).status == 403


def test_token(lab):
    gateway = lab.gateway(routes=[queue_route()], admin={"token": "env:ADMIN_TOKEN"}, env={"ADMIN_TOKEN": "t0ken-of-the-tests"})
    for headers in ([], [("Authorization", "Bearer wrong")], [("Authorization", "Basic t0ken-of-the-tests")]):
        for path, method in (("events", "GET"), ("replay?state=dead", "POST"), (f"events/{NO_EVENT}/cancel", "POST")):
            assert gateway.admin("/api/v1/" + path, method=method, headers=headers).status == 401
    right = [("Authorization", "Bearer t0ken-of-the-tests")]
    assert gateway.api("events", headers=right) == {"events": [], "next": None}
    wrong = cli(gateway, "events", "--token", "env:WRONG", env={"WRONG": "not-the-right-token"})
    assert wrong.returncode != 0 and b"token" in wrong.stderr
    assert cli(gateway, "events", "--token", "env:ADMIN_TOKEN", env={"ADMIN_TOKEN": "t0ken-of-the-tests"}).returncode == 0
    lab.gateways.remove(gateway) # its metrics are behind the token too
    assert gateway.stop() == 0


# ---- the commands


def cli(gateway, command, *arguments, env=None):
    return run_cli(command, *arguments, "--admin", f"http://127.0.0.1:{gateway.admin_port}", env=env)


def json_lines(result):
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.smoke
def test_commands(lab):
    gateway = lab.gateway(routes=[queue_route()])
    told = dead_events(lab, gateway, 3)
    events = json_lines(cli(gateway, "events", "--state", "dead", "--json"))
    assert [event["id"] for event in events] == told[::-1], "newest first"
    table = cli(gateway, "events")
    assert table.returncode == 0 and all(event_id in table.stdout.decode() for event_id in told)
    assert len(json_lines(cli(gateway, "events", "--limit", "2", "--json"))) == 2
    shown, = json_lines(cli(gateway, "show", told[0], "--json"))
    assert shown["deliveries"][0]["response_status"] == 410
    text = cli(gateway, "show", told[0])
    assert text.returncode == 0 and b"410" in text.stdout and b"permanent" in text.stdout
    assert cli(gateway, "show", told[1], "--body").stdout == b"body 1"

    dry = cli(gateway, "replay", "--state", "dead", "--dry-run")
    assert dry.returncode == 0 and b"3" in dry.stdout
    assert cli(gateway, "replay", told[0]).returncode == 0
    gateway.wait_state(told[0], "delivered")
    assert cli(gateway, "replay", told[1], "--as-new").returncode == 0
    assert cli(gateway, "cancel", told[2]).returncode == 0
    assert gateway.event(told[2])["state"] == "cancelled"
    many = cli(gateway, "replay", "--state", "dead", "--route", "events", "--rate", "100", "--limit", "10")
    assert many.returncode == 0 and b"1" in many.stdout
    gateway.wait_state(told[1], "delivered")
    gateway.wait_no_queue()


def test_commands_by_the_configuration(lab):
    """-c reads address and token from the file that serve has."""
    gateway = lab.gateway(routes=[queue_route()])
    told = dead_events(lab, gateway, 1)
    result = run_cli("events", "-c", gateway.path, "--json")
    assert [event["id"] for event in json_lines(result)] == told


def test_commands_that_fail(lab):
    gateway = lab.gateway(routes=[queue_route()])
    told, = dead_events(lab, gateway, 1)
    assert cli(gateway, "cancel", told).returncode == 0
    for arguments, word in ((["show", NO_EVENT], b"event"), (["replay", NO_EVENT], b"event"), (["cancel", told], b"409"),
                            (["replay"], b""), (["events", "--state", "nonsense"], b"state"), (["events", "--nonsense"], b"")):
        result = cli(gateway, *arguments)
        assert result.returncode != 0 and word in result.stderr and result.stderr.strip(), (arguments, result)
    for command in ("events", "show", "replay", "cancel"):
        help_text = run_cli(command, "--help")
        assert help_text.returncode == 0 and b"usage: postern " + command.encode() in help_text.stdout
    gateway.kill()
    away = cli(gateway, "events")
    assert away.returncode != 0 and str(gateway.admin_port).encode() in away.stderr, "it says where nobody answers"
    gateway.start()
