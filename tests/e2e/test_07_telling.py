# SPDX-License-Identifier: Apache-2.0
"""Metrics, books, readiness and logs: they add up, and they tell no secrets."""
import os
import re
import subprocess

import pytest
from harness import http
from harness.config import queue_route, route
from harness.gateway import ROOT
from harness.wait import wait_until

SECRET = "s3cret-marker-0451"


def traffic(lab, gateway):
    """Some of everything."""
    lab.upstream.script("/fails", {"status": 500})
    for number in range(5):
        gateway.post("/", f"event {number // 2}")
    gateway.post("/fails", "failing")
    gateway.post("/", None)
    gateway.request("GET", "/", host=None)
    with gateway.connect() as connection:
        connection.send(b"garbage\r\n\r\n")
        connection.read_response()


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["memory+sqlite", "redis+postgres"])
def test_metrics_pass_promtool_and_books_balance(lab, kind):
    gateway = lab.gateway(kind, workers=2, routes=[route("only", "/only"), route()])
    traffic(lab, gateway)
    answer = gateway.admin("/metrics")
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    lint = subprocess.run(["promtool", "check", "metrics"], input=answer.body, capture_output=True, check=False)
    assert lint.returncode == 0, (lint.stdout + lint.stderr).decode()
    gateway.wait_quiet()
    books = {book: gateway.book(book) for book in ("accepted", "duplicate", "in_flight", "bypassed", "rejected", "failed", "unknown")}
    assert books == {"accepted": 3, "duplicate": 2, "in_flight": 0, "bypassed": 1, "rejected": 0, "failed": 1, "unknown": 0}
    metrics = gateway.metrics()
    assert metrics.sum("postern_requests_received_total") == 9
    assert metrics.sum("postern_journal_dropped_total") == 0
    for store in ("journal", "dedup"):
        wait_until(lambda: gateway.metrics().sum(f"postern_{store}_up") == 2, f"{store} up on both workers")


def test_series_are_there_from_the_start(lab):
    """So that a rate over the first event isn't lost: every outcome of every route is there with 0."""
    gateway = lab.gateway(routes=[route("a", "/a"), route("b", "/b")])
    metrics = gateway.metrics()
    for name in ("a", "b"):
        assert metrics.sum("postern_requests_ended_total", route=name, book="duplicate") == 0
        assert metrics.sum("postern_requests_received_total", route=name) == 0


def page(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
        return file.read()


def table(text, head):
    """The cells of each row of the table that begins so."""
    lines = text[text.index(head):].split("\n\n", 1)[0].splitlines()[2:]
    return [line.strip("|").split("|") for line in lines]


def words(text):
    return set(re.findall(r"`(\w+)`", text))


def labels_on(text):
    """Each metric of the page's table, and its labels."""
    return {name: set(re.findall(r"\w+", labels)) for names, labels, _ in table(text, "| metric | labels |") for name in words(names)}


def values_on(operations, guarantees):
    """What each metric's labels may say, by its own row; of outcomes and incidents, by what that row points at."""
    told = {name: words(meaning) for names, _, meaning in table(operations, "| metric | labels |") for name in words(names)}
    told["postern_requests_ended_total"] = words(guarantees[guarantees.index("\n## Answers\n"):guarantees.index("\n## Limits\n")])
    told["postern_incidents_total"] = {kind for kinds, _ in table(operations, "| kind of incident |") for kind in words(kinds)}
    return told


def labels_by(metrics):
    """Each metric of the gateway, and the labels of its series."""
    return {name: [labels for labels, _ in metrics.find(name + ("_count" if kind == "histogram" else ""))]
            for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", metrics.text, re.MULTILINE)}


FREE_LABELS = ("route", "upstream", "secret", "version")


def test_the_pages_name_every_metric_and_its_labels(lab):
    """A gateway with all there is to count: docs/operations.md has the metrics, docs/guarantees.md the outcomes."""
    gateway = lab.gateway("redis+postgres", env={"SECRET": SECRET}, routes=[
        route("door", "/door", fingerprint="payload", duplicate="replay", limits={"rate": "1000/s"},
              signature={"scheme": "bearer", "secret": "env:SECRET"}), queue_route()])
    told = labels_by(gateway.metrics())
    assert {name: set().union(*series) for name, series in told.items()} == labels_on(page("operations.md"))
    values = values_on(page("operations.md"), page("guarantees.md"))
    for name, series in told.items():
        fixed = {value for labels in series for label, value in labels.items() if label not in FREE_LABELS}
        assert fixed <= values[name], f"{name}: not told are {fixed - values[name]}"


def test_labels_come_from_the_configuration_only(lab):
    gateway = lab.gateway(routes=[route("a", "/a")])
    before = len(gateway.metrics().samples)
    for number in range(50):
        gateway.request("POST", f"/x{number}", [("X-Event-Id", str(number))], host=f"h{number}")
        gateway.post("/a", f"key {number}")
    assert len(gateway.metrics().samples) == before


@pytest.mark.smoke
def test_health_and_readiness(lab):
    gateway = lab.gateway("redis+sqlite")
    assert gateway.admin("/healthz").status == gateway.admin("/readyz").status == 200
    assert gateway.admin("/nowhere").status == 404
    assert "redis" in gateway.ready_text() and "sqlite" in gateway.ready_text()
    assert http.request(gateway.admin_port, "POST", "/metrics", body=b"x", host="127.0.0.1").status == 405


def test_the_admin_token(lab, tmp_path):
    token = tmp_path / "token"
    token.write_text(SECRET + "\n", encoding="ascii")
    gateway = lab.make_gateway(admin={"token": f"file:{token}"}, routes=[route()]).start()
    for given, status in ((None, 401), ("", 401), (SECRET[:-1], 401), (SECRET + "x", 401), (SECRET, 200)):
        fields = [] if given is None else [("Authorization", f"Bearer {given}")]
        answer = http.request(gateway.admin_port, "GET", "/metrics", fields, host="127.0.0.1")
        assert answer.status == status and (status == 200) == (answer.header("WWW-Authenticate") is None)
    assert gateway.admin("/healthz").status == 200, "probes need no token"
    gateway.kill()
    assert gateway.logged(SECRET) == []


def test_the_admin_listener_is_apart(lab):
    gateway = lab.gateway(routes=[route(path="/only")])
    for path in ("/metrics", "/healthz", "/readyz"):
        assert gateway.request("GET", path).status == 404


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100000],
                         ids=["garbage", "no Host", "long head"])
def test_the_admin_listener_survives_garbage(lab, data):
    gateway = lab.gateway()
    with http.Connection(gateway.admin_port, 5) as connection:
        connection.send(data)
        try:
            assert connection.read_response().status >= 400
        except http.Closed:
            pass
    assert gateway.admin("/healthz").status == 200


@pytest.mark.smoke
def test_logs_are_json_and_hold_no_secret(lab):
    redis = lab.own_redis().start()
    redis.command("CONFIG", "SET", "requirepass", SECRET)
    stores = lab.stores("redis+postgres", redis)
    stores["dedup"]["redis"]["url"] = f"redis://:{SECRET}@127.0.0.1:{redis.port}/0"
    stores["journal"]["postgres"]["url"] = stores["journal"]["postgres"]["url"].replace("postgres@", f"postgres:{SECRET}@")
    gateway = lab.gateway(stores=stores, routes=[route("keyed", "/keyed", key={"header": "Authorization"}), route()])
    lab.upstream.script("/fails", {"status": 500, "body": SECRET, "headers": [["Set-Cookie", SECRET]]})
    headers = [("Authorization", SECRET), ("Cookie", SECRET), ("X-Signature", SECRET)]
    for path in ("/ok", "/fails", "/keyed"):
        for _ in range(2):
            gateway.request("POST", f"{path}?token={SECRET}", [("X-Event-Id", f"id-{SECRET}"), *headers], SECRET.encode())
    gateway.request("POST", "/", [("X-Event-Id", "1"), ("Bad\x01Name", SECRET)], SECRET.encode())
    redis.kill()
    gateway.request("POST", "/ok", [("X-Event-Id", "2"), *headers], SECRET.encode())
    gateway.wait_quiet()
    assert gateway.stop() == 0
    lines = gateway.logs()
    assert len(lines) > 5 and gateway.logged(SECRET) == []
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("debug", "info", "warn", "error") and line["msg"]


def test_access_lines(lab):
    gateway = lab.gateway()
    answer = gateway.post("/path?query=hidden", "1", b"12345")
    wait_until(lambda: gateway.logged(answer.event_id), "the access line")
    line = next(line for line in gateway.logs() if line.get("event_id") == answer.event_id)
    assert (line["route"], line["outcome"], line["status"], line["method"], line["path"]) == (
        "events", "accepted", 200, "POST", "/path")
    assert (line["client"], line["request_bytes"]) == ("127.0.0.1", 5)


def test_access_lines_are_sampled_and_failures_are_not(lab):
    gateway = lab.gateway(log={"access_sample": 10})
    lab.upstream.script("/fails", {"status": 500})
    with gateway.connect() as connection:
        for number in range(100):
            connection.request("POST", "/", [("X-Event-Id", str(number))])
        for number in range(5):
            connection.request("POST", "/fails", [("X-Event-Id", f"f{number}")])
    gateway.wait_quiet()
    assert gateway.stop() == 0
    lines = [line for line in gateway.logs() if "outcome" in line]
    assert sum(line["outcome"] == "accepted" for line in lines) == 10
    assert sum(line["status"] == 500 for line in lines) == 5


def test_an_observed_copys_line_has_the_status_it_got(lab):
    gateway = lab.gateway(log={"access_sample": 1}, routes=[route(mode="observe")])
    assert gateway.post("/o", "one").status == 200
    lab.upstream.script("/o", {"status": 503})
    copy = gateway.post("/o", "one")
    assert (copy.status, copy.outcome) == (503, "duplicate")
    wait_until(lambda: gateway.logged('"duplicate"'), "the copy's line")
    line = next(line for line in gateway.logs() if line.get("outcome") == "duplicate")
    assert line["status"] == 503


def test_a_blocked_log_blocks_no_request(lab):
    """Whoever reads our stdout may stop reading."""
    reader, writer = os.pipe()
    gateway = lab.make_gateway()
    try:
        gateway.start(output=writer)
        with gateway.connect() as connection:
            for number in range(3000):
                assert connection.request("POST", f"/{'p' * 300}", [("X-Event-Id", str(number))]).status == 200
        gateway.wait_quiet()
        assert gateway.stop(15) == 0
    finally:
        os.close(reader)
        os.close(writer)
