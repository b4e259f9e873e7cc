# SPDX-License-Identifier: Apache-2.0
"""Ending: what is under way is finished, what is buffered is written, and the exit status says so."""
import contextlib
import os
import signal
import sqlite3

import pytest
from harness import http
from harness.wait import wait_until


def begin(lab, gateway, key="one"):
    """A request whose answer waits for the gate `door`."""
    lab.upstream.script("/slow", {"wait_for": "door", "body": "late but there"})
    connection = gateway.connect(30)
    connection.send(http.request_bytes("POST", "/slow", [("X-Event-Id", key)], b"x"))
    lab.upstream.wait_requests(1, "/slow")
    return connection


def refuses(port):
    try:
        http.Connection(port, 2).close()
        return False
    except OSError:
        return True


@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_flight_completes(lab, number):
    gateway = lab.gateway("redis+sqlite", workers=2)
    connection = begin(lab, gateway)
    gateway.signal(number)
    wait_until(lambda: refuses(gateway.port), "no new connections are taken")
    assert gateway.is_running()
    lab.upstream.open_gate("door")
    answer = connection.read_response()
    assert (answer.body, answer.outcome, answer.header("Connection")) == (b"late but there", "accepted", "close")
    assert connection.is_closed()
    assert gateway.wait() == 0


def test_readiness_fails_first(lab):
    gateway = lab.gateway(drain={"delay": "4s", "timeout": "10s"})
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: gateway.admin("/readyz").status == 503, "readiness fails")
    assert gateway.admin("/healthz").status == 200
    assert gateway.post("/", "still").outcome == "accepted", "traffic is still served during the delay"
    assert gateway.wait() == 0


def test_idle_connections_do_not_hold_it_up(lab):
    gateway = lab.gateway()
    with gateway.connect() as idle, gateway.connect() as used:
        assert used.request("POST", "/", [("X-Event-Id", "1")]).status == 200
        assert gateway.stop(10) == 0
        assert idle.is_closed() and used.is_closed()


@pytest.mark.smoke
def test_a_second_signal_ends_at_once(lab):
    gateway = lab.gateway()
    connection = begin(lab, gateway)
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: refuses(gateway.port), "draining")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(5) != 0
    with pytest.raises(http.Closed):
        connection.read_response()


def test_the_drain_has_an_end(lab):
    gateway = lab.gateway(drain={"timeout": "1s"})
    connection = begin(lab, gateway)
    gateway.signal(signal.SIGTERM)
    gateway.wait(10)
    with pytest.raises(http.Closed):
        connection.read_response()


def test_buffered_records_are_written(lab):
    stores = lab.stores("redis+postgres")
    gateway = lab.gateway(stores=stores, journal={"flush_interval": "10s"})
    with gateway.connect() as connection:
        for number in range(50):
            assert connection.request("POST", "/", [("X-Event-Id", str(number))]).outcome == "accepted"
    assert gateway.stop() == 0
    count = lab.shared.postgres().query("SELECT count(*) FROM event", stores["journal"]["postgres"]["url"])
    assert count == [["50"]]


def test_records_that_could_not_be_written_show_in_the_exit_status(lab):
    postgres = lab.own_postgres().start()
    gateway = lab.gateway(stores=lab.stores("redis+postgres", postgres_url=postgres.create_database()),
                          drain={"timeout": "1s"}, journal={"spool": {"enabled": False}})
    postgres.kill()
    assert gateway.post("/", "lost").outcome == "accepted"
    assert gateway.stop() != 0


def test_sqlite_file_is_tidy_after_a_drain(lab):
    gateway = lab.gateway("memory+sqlite")
    for number in range(10):
        gateway.post("/", str(number))
    assert gateway.stop() == 0
    path = gateway.config["journal"]["sqlite"]["path"]
    assert not os.path.exists(path + "-wal") or os.path.getsize(path + "-wal") == 0
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
