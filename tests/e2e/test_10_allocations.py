# SPDX-License-Identifier: Apache-2.0
"""What a steady exchange allocates. The whole process is counted, its threads and libraries too, so that a budget
holds what the stores cost as well; it lies a little above what was measured, and an allocation more per exchange
breaks it."""
import os
import struct

from harness import http
from harness.gateway import binary
from harness.wait import wait_until

WARM, STEADY = 300, 2000
COUNTER = os.path.join(os.path.dirname(os.path.abspath(binary())), "tests", "e2e", "libcount_alloc.so")
QUIET = {"log": {"level": "info", "access_sample": 0}}


class Counts:
    """The counters of count_alloc.c."""

    def __init__(self, folder):
        assert os.path.exists(COUNTER), f"{COUNTER} is not built (tests/run builds it)"
        self.path = os.path.join(folder, "allocations")
        with open(self.path, "wb") as file:
            file.write(bytes(32))
        self.env = {"LD_PRELOAD": COUNTER, "POSTERN_ALLOC_COUNTS": self.path}

    def read(self):
        """(allocations, frees): malloc, calloc and realloc together."""
        with open(self.path, "rb") as file:
            mallocs, callocs, reallocs, frees = struct.unpack("4Q", file.read(32))
        return mallocs + callocs + reallocs, frees


def drive(connection, keys, outcome):
    body = b'{"id":"' + b"x" * 1000 + b'"}'
    for key in keys:
        answer = connection.request("POST", "/", [("X-Event-Id", key)], body)
        assert answer.outcome == outcome, answer


def batches(gateway, rows):
    """How many the journal has committed, once it has `rows` rows."""
    wait_until(lambda: gateway.metrics().sum("postern_journal_rows_total") == rows, f"{rows} rows")
    return gateway.metrics().sum("postern_journal_batches_total")


def measure(lab, kind, keys, outcome, **config):
    """(allocations, batches) of STEADY exchanges; `keys` gives the key of the n-th request."""
    counts = Counts(lab.folder)
    gateway = lab.gateway(kind, env=counts.env, **{**QUIET, **config})
    with gateway.connect() as connection:
        drive(connection, [keys(-1)], "accepted")
        drive(connection, map(keys, range(WARM)), outcome)
        is_new = outcome == "accepted"
        batches_before, (before, freed_before) = batches(gateway, 1 + is_new * WARM), counts.read()
        drive(connection, map(keys, range(WARM, WARM + STEADY)), outcome)
        batched = batches(gateway, 1 + is_new * (WARM + STEADY)) - batches_before
        after, freed_after = counts.read()
    assert before > 0, "nothing was counted"
    made, freed = after - before, freed_after - freed_before
    print(f"{kind} {outcome}: {STEADY} exchanges, {batched:g} batches, {made} allocations, {freed} frees")
    assert made - freed < STEADY / 2, "something is kept for each exchange"
    return made, batched


def check(measured, per_exchange, per_batch):
    made, batched = measured
    scrapes = 200 # the pages asked for meanwhile
    assert made <= STEADY * per_exchange + batched * per_batch + scrapes


def unique(number):
    return f"event {number}"


def same(_number):
    return "event"


# OpenSSL 3 makes its hash state anew for each digest: the one allocation of every exchange. What a batch costs is
# libpq's queries and results, or SQLite's rows; here a batch of SQLite has one row, since requests come one by one.


def test_duplicate_from_l1(lab):
    check(measure(lab, "redis+postgres", same, "duplicate", dedup={"l1": {"max_age": "1h"}}), 1, 0)


def test_duplicate_through_redis(lab):
    check(measure(lab, "redis+postgres", same, "duplicate", dedup={"l1": {"max_keys": 0}}), 1, 0)


def test_duplicate_embedded(lab):
    check(measure(lab, "memory+sqlite", same, "duplicate"), 1, 0)


def test_forwarded_redis_postgres(lab):
    check(measure(lab, "redis+postgres", unique, "accepted"), 1.15, 20)


def test_forwarded_embedded(lab):
    check(measure(lab, "memory+sqlite", unique, "accepted"), 1.15, 12.5)
