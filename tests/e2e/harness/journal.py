# SPDX-License-Identifier: Apache-2.0
"""The journal's rows, of both kinds of journals in one shape."""
import contextlib
import os
import sqlite3
import uuid
from dataclasses import dataclass, field

@dataclass
class Row:
    """An event of the journal, with its attempts by number."""
    event_id: str
    state: str
    attempts: int
    last_error: str
    replay_of: str
    deliveries: dict = field(default_factory=dict)


@dataclass
class Attempt:
    status: int # None: no answer
    error: str
    response: bytes


EVENTS = "SELECT id, state, attempts, last_error, replay_of FROM event"
DELIVERIES = "SELECT event_id, attempt, status, error, {response} FROM delivery ORDER BY 1, 2"


def journal_rows(gateway, postgres=None):
    """All events, by id. SQLite's file has to be free: the gateway holds it alone while it runs."""
    journal = gateway.config["journal"]
    if journal["store"] == "sqlite":
        return sqlite_rows(journal["sqlite"]["path"])
    url = journal["postgres"]["url"]
    events = postgres.query(EVENTS, url)
    deliveries = postgres.query(DELIVERIES.format(response="encode(response, 'hex')"), url)
    return collect([[value or None for value in row] for row in events],
                   [[value or None for value in row[:4]] + [bytes.fromhex(row[4])] for row in deliveries])


def sqlite_rows(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return collect(database.execute(EVENTS).fetchall(),
                       database.execute(DELIVERIES.format(response="response")).fetchall())


def spooled(gateway):
    """How many events the spool of a gateway that doesn't run has."""
    path = gateway.config["journal"].get("spool", {}).get("path")
    if not path or not os.path.exists(path):
        return 0
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM event").fetchone()[0]


def as_text_id(value):
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else value


def collect(events, deliveries):
    rows = {}
    for event_id, state, attempts, error, replay_of in events:
        row = Row(as_text_id(event_id), state, int(attempts), error, as_text_id(replay_of))
        assert row.event_id not in rows, f"{row.event_id} is in the journal twice"
        rows[row.event_id] = row
    for event_id, attempt, status, error, response in deliveries:
        attempts = rows[as_text_id(event_id)].deliveries
        assert int(attempt) not in attempts, f"attempt {attempt} of {event_id} has two rows"
        attempts[int(attempt)] = Attempt(int(status) if status else None, error, as_bytes(response))
    return rows


def as_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value or b"")
