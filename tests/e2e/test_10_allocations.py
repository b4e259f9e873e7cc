# SPDX-License-Identifier: Apache-2.0
"""What a steady exchange allocates. The whole process is counted, its threads and libraries too, so that a budget
holds what the stores cost as well; it lies a little above what was measured, and an allocation more per exchange
breaks it."""
import functools
import hmac
import json
import os
import struct
import time

import pytest
from harness import http
from harness.config import route
from harness.gateway import binary
from harness.wait import wait_until

WARM, STEADY = 300, 2000
COUNTER = os.path.join(os.path.dirname(os.path.abspath(binary())), "tests", "e2e", "libcount_alloc.so")
QUIET = {"log": {"level": "info", "access_sample": 0}}
# Counts of duplicates are written once in that time: a slow machine must not count as many allocations more.
SELDOM = {"flush_interval": "1s"}


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


def by_header(key):
    """The header fields and the body of a request."""
    return [("X-Event-Id", key)], b'{"id":"' + b"x" * 1000 + b'"}'


def drive(connection, requests, outcome):
    for headers, body in requests:
        answer = connection.request("POST", "/", headers, body)
        assert answer.outcome == outcome, answer


def batches(gateway, rows):
    """How many the journal has committed, once it has `rows` rows."""
    wait_until(lambda: gateway.metrics().sum("postern_journal_rows_total") == rows, f"{rows} rows")
    return gateway.metrics().sum("postern_journal_batches_total")


def measure(lab, kind, keys, outcome, make=by_header, env=None, **config):
    """(allocations, batches, seconds) of STEADY exchanges; `keys` gives the key of the n-th request, `make` what is sent."""
    counts = Counts(lab.folder)
    gateway = lab.gateway(kind, env={**counts.env, **(env or {})}, **{**QUIET, **config})

    def requests(first, end):
        return (make(keys(number)) for number in range(first, end))
    with gateway.connect() as connection:
        drive(connection, requests(-1, 0), "accepted")
        drive(connection, requests(0, WARM), outcome)
        is_new = outcome == "accepted"
        batches_before, (before, freed_before) = batches(gateway, 1 + is_new * WARM), counts.read()
        began = time.monotonic()
        drive(connection, requests(WARM, WARM + STEADY), outcome)
        batched = batches(gateway, 1 + is_new * (WARM + STEADY)) - batches_before
        after, freed_after = counts.read()
        took_s = time.monotonic() - began
    assert before > 0, "nothing was counted"
    made, freed = after - before, freed_after - freed_before
    print(f"{kind} {outcome}: {STEADY} exchanges, {batched:g} batches, {made} allocations, {freed} frees")
    assert made - freed < STEADY / 2, "something is kept for each exchange"
    return made, batched, took_s


def check(measured, per_exchange, per_batch):
    made, batched, took_s = measured
    scrapes = 150 # the pages asked for meanwhile
    by_time = 50 * took_s # counts of duplicates and samples of latencies, once in SELDOM's second
    assert made <= STEADY * per_exchange + batched * per_batch + scrapes + by_time


def unique(number):
    return f"event {number}"


def same(_number):
    return "event"


# OpenSSL 3 makes its hash state anew for each digest: the one allocation of every exchange. What a batch costs is
# libpq's queries and results, or SQLite's rows; here a batch of SQLite has one row, since requests come one by one.


def test_duplicate_from_l1(lab):
    check(measure(lab, "redis+postgres", same, "duplicate", journal=SELDOM, dedup={"l1": {"max_age": "1h"}}), 1, 0)


def test_duplicate_through_redis(lab):
    check(measure(lab, "redis+postgres", same, "duplicate", journal=SELDOM, dedup={"l1": {"max_keys": 0}}), 1, 0)


def test_duplicate_embedded(lab):
    check(measure(lab, "memory+sqlite", same, "duplicate", journal=SELDOM), 1, 0)


SECRET = "It's a Secret to Everybody"
PATHS = ["repository.id", "run.id", "run.attempt", "action", "sender.id", "items.0.id", "items.1.text", "ref"]
# To the key's digest OpenSSL adds two hash states for an HMAC (of the key's inner and outer pad), however many fields
# there are. A canonical form has a digest of its own, and one piece of memory for all of the body's values.
KEYS = {
    "2 fields": ({"fields": PATHS[:2]}, 3),
    "8 fields": ({"fields": PATHS}, 3),
    "canonical": ({"payload": {"canonical": True}}, 5),
    "canonical, 8 paths": ({"payload": {"include": PATHS}}, 5),
}


@functools.lru_cache
def signed(event):
    """A body as GitHub signs it, with something at all of PATHS: escapes and odd numbers too, which are written anew."""
    value = {"repository": {"id": 9007199254740993, "name": "x" * 600}, "run": {"id": event, "attempt": 1.5}, "action": "caf\u00e9",
             "sender": {"id": -7, "names": ["a", "b", {"c": None}]}, "items": [{"id": 1e30}, {"text": "two\nlines"}], "ref": True}
    body = json.dumps(value).encode()
    return [("X-Hub-Signature-256", "sha256=" + hmac.new(SECRET.encode(), body, "sha256").hexdigest())], body


@pytest.mark.parametrize("name", KEYS)
def test_duplicate_by_fields_and_signed(lab, name):
    key, per_exchange = KEYS[name]
    taken = route(key=key, signature={"scheme": "github", "secret": "env:SECRET"})
    check(measure(lab, "memory+sqlite", same, "duplicate", make=signed, env={"SECRET": SECRET}, routes=[taken], journal=SELDOM),
          per_exchange, 0)


def test_forwarded_redis_postgres(lab):
    check(measure(lab, "redis+postgres", unique, "accepted"), 1.15, 20)


def test_forwarded_embedded(lab):
    check(measure(lab, "memory+sqlite", unique, "accepted"), 1.15, 12.5)
