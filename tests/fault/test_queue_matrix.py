# SPDX-License-Identifier: Apache-2.0
"""The crash matrix of queue routes: SIGKILL at each named point of accepting and delivering; restart; the senders
retry what they were not told; then all three histories are compared (checker.py).

  point                  the crash sat …                       the upstream's successes
  after_claim            before anything was durable           1, by the retry
  after_append           before its row was sent              1, by the retry
  after_journal_commit   before the claim was settled          1: the retry is a duplicate
  after_settle           before the answer; the first attempt  1, or 2: the retry is a duplicate
  before_answer          may be under way already              1, or 2: the retry is a duplicate
  before_attempt         before a byte left                    1
  after_attempt          inside an attempt                     2 (C7)
  after_outcome          behind the outcome                    1
"""
import os
import shutil
import signal
import tempfile
import time

import pytest
from checker import History, Told
from harness.config import queue_route
from harness.journal import journal_rows
from harness.postgres import Postgres
from harness.wait import wait_until
from senders import Senders, attempt

POINTS = {"after_claim": (1,), "after_append": (1,), "after_journal_commit": (1,), "after_settle": (1, 2), "before_answer": (1, 2),
          "before_attempt": (1,), "after_attempt": (2,), "after_outcome": (1,)}
SETUPS = ["embedded", "redis+postgres", "redis+postgres away"]


@pytest.fixture(scope="module")
def postgres_away(shared):
    """A server that goes away in each test; stopped between them."""
    folder = tempfile.mkdtemp(prefix="postern-away-")
    os.chmod(folder, 0o755)
    postgres = Postgres(folder, shared.template(), name="away")
    yield postgres
    postgres.kill()
    shutil.rmtree(folder)


class Setup:
    """A gateway, and the database that is there, or away from the crash until the end."""

    def __init__(self, lab, name, away, **config):
        self.lab, self.away = lab, None
        if name == "embedded":
            stores = lab.stores("memory+sqlite")
        elif name == "redis+postgres":
            stores, self.postgres = lab.stores("redis+postgres"), lab.shared.postgres()
        else:
            self.away = self.postgres = away.start() if not away.is_running() else away
            stores = lab.stores("redis+postgres", postgres_url=away.create_database())
        self.gateway = lab.make_gateway(stores=stores, **config,
                                        upstreams={"app": {"timeout": "5s", "breaker": {"failures": 0}}},
                                        routes=[queue_route(lease="2s", in_flight_wait="5s", on_store_error="reject")])

    def start(self, **options):
        """The schema is made before the database goes."""
        if self.away and self.away.is_running():
            self.gateway.start()
            self.gateway.kill()
            self.away.kill()
        self.gateway.start(stores=not self.away, **options)

    def come_back(self):
        if self.away:
            self.away.start()
            wait_until(lambda: self.gateway.admin("/api/v1/events?limit=1").status == 200
                       and not self.gateway.metrics().sum("postern_spool_in_use"), "the database is back", 20)

    def finish(self, told, crashes):
        """Waits for the end of all deliveries, and compares."""
        self.gateway.wait_no_queue(25)
        self.gateway.wait_quiet()
        status = self.gateway.stop()
        rows = journal_rows(self.gateway, getattr(self, "postgres", None))
        history = History(told, self.lab.upstream.requests(), rows, crashes)
        problems = history.problems()
        assert problems == [], "\n".join(problems)
        assert status == 0
        return rows


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("setup", SETUPS)
def test_killed_at(lab, postgres_away, setup, point):
    this = Setup(lab, setup, postgres_away)
    this.start(env={"POSTERN_FAULT": point})
    told = Told()
    attempt(this.gateway.port, told, "one")
    assert this.gateway.wait(10) == -signal.SIGKILL, "the fault point was reached"
    killed = time.time()
    crash = (lab.upstream.port, killed, lab.upstream.wait_abandoned())
    assert told.unanswered["one"] or point in ("before_attempt", "after_attempt", "after_outcome")

    this.gateway.start(stores=not this.away)
    for _ in range(2):
        wait_until(lambda: attempt(this.gateway.port, told, "one"), "the retry is told something final", 20)
    assert told.answers["one"][-1][1] == "duplicate"
    lab.upstream.wait_requests(1)
    if this.away:
        wait_until(lambda: any(r.succeeded() for r in lab.upstream.requests()), "delivered while the database is away", 15)
    this.come_back()
    rows = this.finish(told, [crash])
    assert len([request for request in lab.upstream.requests() if request.succeeded()]) in POINTS[point]
    assert [row.state for row in rows.values()] == ["delivered"]


@pytest.mark.parametrize("setup, point", [(setup, point) for setup in SETUPS[:2] for point in POINTS]
                         + [(SETUPS[2], "after_journal_commit"), (SETUPS[2], "after_attempt")])
def test_killed_in_the_middle_of_many(lab, postgres_away, setup, point):
    """At the twentieth visit, with four senders at work and an upstream that fails first attempts."""
    this = Setup(lab, setup, postgres_away)
    lab.upstream.default(statuses=[503, 200])
    this.start(env={"POSTERN_FAULT": f"{point}:20"})
    senders = Senders([this.gateway.port])
    senders.feed(f"event {number}" for number in range(30))
    assert this.gateway.wait(20) == -signal.SIGKILL, "the fault point was reached"
    killed = time.time()
    crash = (lab.upstream.port, killed, lab.upstream.wait_abandoned())
    this.gateway.start(stores=not this.away)
    senders.finish()
    this.come_back()
    rows = this.finish(senders.told, [crash])
    assert {row.state for row in rows.values()} == {"delivered"} and len(rows) == 30
