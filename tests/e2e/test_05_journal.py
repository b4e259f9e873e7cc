# SPDX-License-Identifier: Apache-2.0
"""The audit record: exact rows in both journals, duplicates counted, and a restart that forgets nothing."""
import contextlib
import sqlite3
import uuid

import pytest
from harness.config import route
from harness.upstream_server import pattern
from harness.wait import wait_until


def sqlite_rows(gateway, sql):
    """Rows of the journal file, which has to be free: the gateway holds it alone while it runs."""
    path = gateway.config["journal"]["sqlite"]["path"]
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(sql)]


def as_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value or b"")


@pytest.mark.smoke
def test_sqlite_rows(lab):
    gateway = lab.gateway("memory+sqlite")
    body = bytes(range(256)) + b"\0\xff"
    first = gateway.request("POST", "/a/b?c=d", [("X-Event-Id", "1"), ("Content-Type", "application/x-odd"), ("X-Kept", "yes"),
                                                 ("Connection", "X-Hop"), ("X-Hop", "no")], body)
    for _ in range(3):
        assert gateway.post("/a/b", "1").outcome == "duplicate"
    lab.upstream.script("/fails", {"status": 500})
    gateway.post("/fails", "2")
    empty = gateway.post("/a", "3", b"")
    gateway.wait_quiet()
    assert gateway.stop() == 0
    rows = {as_bytes(row["target"]).decode(): row for row in sqlite_rows(gateway, "SELECT * FROM event")}
    assert set(rows) == {"/a/b?c=d", "/a"}, "only accepted events are recorded"
    row = rows["/a/b?c=d"]
    assert as_bytes(row["body"]) == body and row["duplicates"] == 3 and row["last_duplicate_at"]
    assert (row["route"], row["method"], row["mode"], row["state"], row["response_status"]) == (
        "events", "POST", "proxy", "delivered", 200)
    assert str(uuid.UUID(bytes=row["id"])) == first.event_id
    headers = as_bytes(row["headers"])
    assert b"X-Kept: yes\r\n" in headers and b"X-Hop" not in headers
    assert as_bytes(row["content_type"]) == b"application/x-odd"
    assert as_bytes(rows["/a"]["body"]) == b"" and empty.outcome == "accepted"


@pytest.mark.smoke
def test_postgres_rows(lab):
    stores = lab.stores("redis+postgres")
    postgres, url = lab.shared.postgres(), stores["journal"]["postgres"]["url"]
    gateway = lab.gateway(stores=stores)
    body = bytes(range(256))
    first = gateway.request("POST", "/a?x=\x7e", [("X-Event-Id", "1"), ("X-Kept", "yes")], body)
    for _ in range(5):
        gateway.post("/a", "1")
    big = gateway.post("/big", "2", pattern(1 << 20))
    wait_until(lambda: postgres.query("SELECT count(*) FROM event", url) == [["2"]], "both rows")
    wait_until(lambda: postgres.query(f"SELECT duplicates FROM event WHERE id = '{first.event_id}'", url) == [["5"]],
               "the duplicates are folded in")
    row, = postgres.query("SELECT route, method, encode(body, 'hex'), mode, state, response_status, octet_length(key), "
                          "received_at <= now(), window_ends_at - received_at, last_duplicate_at >= received_at, "
                          f"attempts FROM event WHERE id = '{first.event_id}'", url)
    assert row[:2] == ["events", "POST"] and row[2] == body.hex()
    assert row[3:8] == ["proxy", "delivered", "200", "16", "t"] and row[9:] == ["t", "1"]
    assert row[8].startswith(("24:00:0", "1 day", "23:59:5"))
    assert postgres.query(f"SELECT octet_length(body) FROM event WHERE id = '{big.event_id}'", url) == [[str(1 << 20)]]


@pytest.mark.parametrize("kind", ["memory+sqlite", "redis+postgres"])
def test_durable_rows_are_there_before_the_answer(lab, kind):
    stores = lab.stores(kind)
    gateway = lab.gateway(stores=stores, routes=[route(ack="durable")])
    answers = [gateway.post("/", str(number)) for number in range(20)]
    gateway.kill()
    if kind == "memory+sqlite":
        count = len(sqlite_rows(gateway, "SELECT id FROM event"))
    else:
        count = int(lab.shared.postgres().query("SELECT count(*) FROM event", stores["journal"]["postgres"]["url"])[0][0])
    assert count == 20 and {answer.outcome for answer in answers} == {"accepted"}


@pytest.mark.smoke
def test_embedded_restart_forgets_nothing(lab):
    """Memory and SQLite: every key answered as accepted is known after a kill -9 (DESIGN section 8)."""
    gateway = lab.gateway("memory+sqlite", workers=2)
    with gateway.connect() as connection:
        first = {str(key): connection.request("POST", "/", [("X-Event-Id", str(key))]).event_id for key in range(500)}
    lab.upstream.script("/fails", {"status": 500}, {"status": 200})
    assert gateway.post("/fails", "failed").status == 500
    gateway.kill()
    gateway.restart()
    with gateway.connect() as connection:
        for key, event_id in first.items():
            again = connection.request("POST", "/", [("X-Event-Id", key)])
            assert (again.outcome, again.event_id) == ("duplicate", event_id)
    assert gateway.post("/fails", "failed").outcome == "accepted"
    assert len(lab.upstream.requests("/")) == 500


def test_embedded_restart_in_the_middle_of_traffic(lab):
    """Kill -9 while requests are on their way: what was answered accepted is a duplicate afterwards."""
    gateway = lab.gateway("memory+sqlite")
    accepted = []
    with gateway.connect() as connection:
        for number in range(100):
            accepted.append(connection.request("POST", "/", [("X-Event-Id", f"{number}")]).event_id)
        connection.send(b"".join(b"POST / HTTP/1.1\r\nHost: a\r\nX-Event-Id: more %d\r\n\r\n" % n for n in range(100)))
        connection.read_response()
        gateway.kill()
    gateway.restart()
    for number, event_id in enumerate(accepted):
        assert gateway.post("/", f"{number}").event_id == event_id


def test_windows_that_ended_are_not_loaded(lab):
    gateway = lab.gateway("memory+sqlite", routes=[route("short", "/short", window="1s"), route(window="1h")])
    for path in ("/short", "/long"):
        assert gateway.post(path, "one").outcome == "accepted"
    gateway.kill()
    wait_until(lambda: not gateway.is_running(), "ended")
    gateway.restart()
    assert gateway.post("/long", "one").outcome == "duplicate"
    wait_until(lambda: gateway.post("/short", "one").outcome == "accepted", "the window ended", 4)


def test_two_processes_on_one_file(lab):
    one = lab.gateway("memory+sqlite")
    two = lab.make_gateway(stores={"dedup": one.config["dedup"], "journal": one.config["journal"]})
    two.start(wait_for=None)
    assert two.wait() != 0
    assert one.config["journal"]["sqlite"]["path"] in two.output() + two.errors()
    assert one.post("/", "1").outcome == "accepted"


def test_memory_with_postgres_loads_its_keys(lab):
    stores = lab.stores("memory+postgres")
    gateway = lab.gateway(stores=stores, routes=[route(ack="durable")])
    first = gateway.post("/", "one")
    gateway.kill()
    gateway.restart()
    again = gateway.post("/", "one")
    assert (again.outcome, again.event_id) == ("duplicate", first.event_id)


def test_secrets_are_masked_in_the_record(lab):
    gateway = lab.gateway("memory+sqlite")
    gateway.post("/", "1", headers=[("Authorization", "Bearer s3cret-marker"), ("Cookie", "session=s3cret-marker")])
    assert gateway.stop() == 0
    row, = sqlite_rows(gateway, "SELECT * FROM event")
    assert b"s3cret-marker" not in as_bytes(row["headers"])
