# SPDX-License-Identifier: Apache-2.0
"""Compares what the senders were told with what the upstream got and what the journal holds."""
import collections
import contextlib
import sqlite3


class Ledger:
    """Every answer a sender saw, by key. An attempt without an answer may or may not have happened."""

    def __init__(self):
        self.answers = collections.defaultdict(list)
        self.unanswered = collections.Counter()

    def answered(self, key, answer):
        self.answers[key].append((answer.outcome, answer.event_id))

    def lost(self, key):
        self.unanswered[key] += 1

    def keys(self):
        return set(self.answers) | set(self.unanswered)


def deliveries(upstream):
    """Complete requests the upstream saw, by key: their event ids, in order."""
    found = collections.defaultdict(list)
    for request in upstream.requests():
        if request.complete:
            found[request.header("X-Event-Id")].append(request.header("Postern-Event-Id"))
    return found


def journal_ids(gateway, postgres=None):
    """Event ids of all rows; SQLite's file has to be free."""
    journal = gateway.config["journal"]
    if journal["store"] == "postgres":
        return {row[0] for row in postgres.query("SELECT id FROM event", journal["postgres"]["url"])}
    with contextlib.closing(sqlite3.connect(journal["sqlite"]["path"])) as database:
        return {as_uuid(row[0]) for row in database.execute("SELECT id FROM event")}


def as_uuid(value):
    if isinstance(value, str):
        return value
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def check(ledger, delivered, rows=None):
    """Problems, as text. `rows`: the journal's ids, when every accepted event has to be there."""
    problems = []
    for key in ledger.keys():
        told, got = ledger.answers[key], delivered.get(key, [])
        for outcome, event_id in told:
            if outcome in ("accepted", "duplicate") and event_id not in got:
                problems.append(f"{key}: answered {outcome} of {event_id}, which the upstream never got (I1, I2)")
            if outcome in ("accepted", "duplicate") and rows is not None and event_id not in rows:
                problems.append(f"{key}: {event_id} is not in the journal (I7)")
        if len(got) > 1 + ledger.unanswered[key]:
            problems.append(f"{key}: {len(got)} deliveries, {ledger.unanswered[key]} attempts without an answer (I3)")
    if rows is not None:
        everything = {event_id for ids in delivered.values() for event_id in ids}
        problems += [f"the journal holds {event_id}, which was never delivered" for event_id in rows - everything]
    return problems
