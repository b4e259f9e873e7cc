# SPDX-License-Identifier: Apache-2.0
"""The crash matrix of DESIGN section 2: SIGKILL at each named point, then the sender's retry at a fresh gateway.

  point                   delivered   the retry finds
  after_claim             no          nothing: delivered now (after the lease, where the claim is in Redis)
  after_upstream_answer   yes         nothing: delivered again (C7), never "duplicate" of an unrecorded event
  after_journal_commit    yes         embedded: the key in the journal, duplicate; Redis: delivered again (C7)
  after_settle            yes         duplicate
  before_answer           yes         duplicate
"""
import signal

import pytest
from harness import http
from harness.config import route
from ledger import Ledger, check, deliveries, journal_ids

# name: (stores, ack)
SETUPS = {
    "embedded": ("memory+sqlite", "async"),
    "embedded durable": ("memory+sqlite", "durable"),
    "redis+postgres async": ("redis+postgres", "async"),
    "redis+postgres durable": ("redis+postgres", "durable"),
    "memory+postgres durable": ("memory+postgres", "durable"),
}
# point: (outcome of the retry, deliveries in all) for a journal that knows the keys, and for Redis
MATRIX = {
    "after_claim": (("accepted", 1), ("accepted", 1)),
    "after_upstream_answer": (("accepted", 2), ("accepted", 2)),
    "after_journal_commit": (("duplicate", 1), ("accepted", 2)),
    "after_settle": (("duplicate", 1), ("duplicate", 1)),
    "before_answer": (("duplicate", 1), ("duplicate", 1)),
}


@pytest.mark.parametrize("point", MATRIX)
@pytest.mark.parametrize("setup", SETUPS)
def test_killed_at(lab, setup, point):
    kind, ack = SETUPS[setup]
    embedded, redis = MATRIX[point]
    outcome, count = redis if kind.startswith("redis") else embedded
    gateway = lab.make_gateway(kind, routes=[route(ack=ack, lease="2s", in_flight_wait="5s")],
                               upstreams={"app": {"timeout": "5s"}})
    gateway.start(env={"POSTERN_FAULT": point})
    ledger = Ledger()
    with pytest.raises(http.Closed):
        gateway.post("/", "one")
    ledger.lost("one")
    assert gateway.wait(10) == -signal.SIGKILL, "the fault point was reached"

    gateway.start()
    for expected in (outcome, "duplicate"):
        answer = gateway.post("/", "one", timeout_s=20)
        ledger.answered("one", answer)
        assert answer.outcome == expected
    gateway.wait_quiet()
    assert gateway.stop() == 0
    delivered = deliveries(lab.upstream)
    assert len(delivered["one"]) == count
    # With `ack: async` and PostgreSQL a crash may lose the records of the flush interval, never more (C4).
    must_be_recorded = ack == "durable" or kind == "memory+sqlite"
    rows = journal_ids(gateway, lab.shared.postgres() if "postgres" in kind else None)
    assert check(ledger, delivered, rows if must_be_recorded else None) == []


@pytest.mark.parametrize("point", MATRIX)
def test_killed_at_the_tenth_of_many(lab, point):
    """The others, settled before, stay duplicates; embedded, so that all of it comes from the journal."""
    gateway = lab.make_gateway("memory+sqlite", routes=[route(lease="2s")], upstreams={"app": {"timeout": "5s"}})
    gateway.start(env={"POSTERN_FAULT": f"{point}:10"})
    ledger = Ledger()
    for number in range(10):
        try:
            ledger.answered(str(number), gateway.post("/", str(number)))
        except http.Closed:
            ledger.lost(str(number))
    assert ledger.unanswered == {"9": 1}
    assert gateway.wait(10) == -signal.SIGKILL
    gateway.start()
    for number in range(10):
        answer = gateway.post("/", str(number))
        ledger.answered(str(number), answer)
        assert number == 9 or answer.outcome == "duplicate"
    gateway.wait_quiet()
    assert gateway.stop() == 0
    assert check(ledger, deliveries(lab.upstream), journal_ids(gateway)) == []
