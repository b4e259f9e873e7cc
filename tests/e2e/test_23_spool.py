# SPDX-License-Identifier: Apache-2.0
"""The spool: PostgreSQL is away in every way it can be, the 202 keeps coming, events are delivered meanwhile, and
afterwards each of them is in PostgreSQL exactly once with its final state and attempts."""
import os
import sqlite3
import time

import pytest
from harness.config import queue_route, route
from harness.http import request_bytes
from harness.journal import journal_rows
from harness.upstream_server import pattern
from harness.wait import wait_until

# A sender's patience: GitHub's is 10 s, the shortest known are 3 s.
PATIENCE_S = 6.0


class Outage:
    """A gateway on a database of its own; `told`: event ids by key."""

    def __init__(self, lab, kind="memory+postgres", **config):
        self.lab, self.told = lab, {}
        self.postgres = lab.own_postgres().start()
        self.url = self.postgres.create_database()
        config.setdefault("routes", [queue_route(lease="12s", retry={"max_attempts": 1000})])
        self.gateway = lab.make_gateway(stores=lab.stores(kind, postgres_url=self.url),
                                        upstreams={"app": {"timeout": "4s", "breaker": {"failures": 0}}}, **config)

    def spool(self, name):
        return self.gateway.metrics().sum("postern_spool_" + name)

    def post(self, key):
        """Has to be accepted, within a sender's patience."""
        begun = time.monotonic()
        answer = self.gateway.post("/", key, b"body of " + key.encode())
        assert answer.status == 202, answer
        assert time.monotonic() - begun < PATIENCE_S, "the sender had hung up"
        self.told[key] = answer.event_id

    def post_many(self, name, count=20):
        for number in range(count):
            self.post(f"{name} {number}")

    def wait_delivered(self):
        """By the upstream's log: the API has no database to ask."""
        wait_until(lambda: self.got() >= set(self.told.values()), lambda: f"{len(self.got())} of {len(self.told)} delivered", 20)

    def got(self):
        return {request.event_id for request in self.lab.upstream.requests() if request.succeeded()}

    def wait_drained(self):
        self.wait_back()
        self.gateway.wait_no_queue()

    def wait_back(self):
        wait_until(lambda: self.gateway.admin("/api/v1/events?limit=1").status == 200 and self.spool("rows") == 0
                   and not self.spool("in_use"), lambda: "the spool is drained\n" + self.gateway.ready_text(), 30)

    def check(self, attempts=1):
        """Every event once, delivered once, its attempts as the upstream saw them."""
        self.gateway.wait_quiet()
        assert self.gateway.stop() == 0
        rows = journal_rows(self.gateway, self.postgres)
        assert set(rows) == set(self.told.values())
        for row in rows.values():
            assert (row.state, row.attempts, sorted(row.deliveries)) == ("delivered", attempts, list(range(1, attempts + 1))), row
        got = [request.event_id for request in self.lab.upstream.requests() if request.succeeded()]
        assert sorted(got) == sorted(rows), "nothing is delivered twice"


# ---- ways to be away: what harms it, what mends it


def refuse(outage):
    """pg_hba says no, and who is in is thrown out."""
    path = os.path.join(outage.postgres.data, "pg_hba.conf")
    os.rename(path, path + ".kept")
    with open(path, "w", encoding="ascii") as file:
        file.write("host all all 127.0.0.1/32 reject\n")
    os.chmod(path, 0o644)
    reload_postgres(outage.postgres)
    outage.postgres.end_backends()


def admit(outage):
    path = os.path.join(outage.postgres.data, "pg_hba.conf")
    os.rename(path + ".kept", path)
    reload_postgres(outage.postgres)


def reload_postgres(postgres):
    postgres.signal(1) # SIGHUP


def allow_nobody(outage):
    """The database takes no connections, as when its limit is used up; the superuser is nobody special then."""
    outage.postgres.psql(f"ALTER DATABASE {name_of(outage)} ALLOW_CONNECTIONS false", "postgres")
    outage.postgres.end_backends()


def allow_all(outage):
    outage.postgres.psql(f"ALTER DATABASE {name_of(outage)} ALLOW_CONNECTIONS true", "postgres")


def read_only(outage):
    """For sessions that begin now: so all others are ended."""
    outage.postgres.psql(f"ALTER DATABASE {name_of(outage)} SET default_transaction_read_only = on", "postgres")
    outage.postgres.end_backends()


def writable(outage):
    outage.postgres.psql(f"ALTER DATABASE {name_of(outage)} RESET default_transaction_read_only", "postgres")
    outage.postgres.end_backends()


def disk_full(outage):
    """The error that a full disk gives (53100), at each write."""
    outage.postgres.psql("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON event FOR EACH STATEMENT EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON delivery FOR EACH STATEMENT EXECUTE FUNCTION full_disk();
        """, name_of(outage))


def disk_free(outage):
    outage.postgres.psql("DROP FUNCTION full_disk() CASCADE", name_of(outage))


def name_of(outage):
    return outage.url.rsplit("/", 1)[1]


HARM = {
    "stopped": (lambda outage: outage.postgres.stop(), lambda outage: outage.postgres.start()),
    "killed": (lambda outage: outage.postgres.kill(), lambda outage: outage.postgres.start()),
    "frozen": (lambda outage: outage.postgres.freeze(), lambda outage: outage.postgres.resume()),
    "refusing": (refuse, admit),
    "no connections": (allow_nobody, allow_all),
    "read-only": (read_only, writable),
    "disk full": (disk_full, disk_free),
}


@pytest.mark.parametrize("harm", HARM)
def test_away_and_back(lab, harm):
    break_it, mend_it = HARM[harm]
    outage = Outage(lab)
    outage.gateway.start()
    outage.post_many("before", 5)
    outage.wait_delivered()
    outage.gateway.wait_no_queue()
    break_it(outage)
    try:
        outage.post_many("during")
        outage.wait_delivered()
        wait_until(lambda: outage.spool("rows") >= 15, "the metrics tell what is in it")
        assert '"degraded":true' in outage.gateway.ready_text()
        assert outage.gateway.post("/", "during 0").outcome == "duplicate"
        assert outage.spool("spooled_total") >= 15
    finally:
        mend_it(outage)
    outage.wait_drained()
    assert outage.spool("drained_total") >= 15
    outage.post_many("after", 5)
    outage.wait_delivered()
    outage.wait_drained()
    wait_until(lambda: '"in_use":false' in outage.gateway.ready_text(), "and that it is over")
    assert outage.gateway.post("/", "during 0").outcome == "duplicate"
    outage.check()


@pytest.mark.smoke
def test_restarted_at_once(lab):
    """Senders at work while it restarts: a few events may go through the spool, none is refused."""
    outage = Outage(lab)
    outage.gateway.start()
    outage.post_many("before")
    outage.postgres.restart()
    outage.post_many("after", 50)
    outage.wait_delivered()
    outage.wait_drained()
    outage.check()


def test_away_at_start(lab):
    """A database that was never there: no schema yet, and the queue works."""
    outage = Outage(lab)
    outage.postgres.stop()
    outage.gateway.start(stores=False)
    outage.post_many("before", 10)
    outage.wait_delivered()
    outage.postgres.start()
    outage.wait_drained()
    outage.post_many("after", 10)
    outage.wait_delivered()
    outage.wait_drained()
    outage.check()


def test_in_order(lab):
    """What drains arrives in the order of its ids."""
    outage = Outage(lab, workers=2)
    outage.gateway.start()
    outage.postgres.stop()
    outage.post_many("event", 100)
    outage.wait_delivered()
    outage.postgres.start()
    outage.wait_drained()
    ids = [row[0] for row in outage.postgres.query("SELECT id FROM event ORDER BY ctid", outage.url)]
    assert sorted(ids) == sorted(outage.told.values())
    outage.check()


def test_an_attempt_under_way_when_it_goes(lab):
    """Its event came from PostgreSQL; the outcome is owed, and is not forgotten by a kill."""
    outage = Outage(lab)
    lab.upstream.default(wait_for="gate")
    outage.gateway.start()
    outage.post_many("held", 5)
    lab.upstream.wait_requests(5)
    outage.postgres.kill()
    lab.upstream.open_gate("gate")
    outage.wait_delivered()
    wait_until(lambda: outcomes_written(outage) == 5, "the outcomes are durable")
    outage.gateway.kill()
    outage.postgres.start()
    outage.gateway.start()
    outage.wait_drained()
    outage.check()


def outcomes_written(outage):
    metrics = outage.gateway.metrics()
    return (metrics.sum("postern_queue_outcomes_total", result="delivered")
            - metrics.sum("postern_queue_pending_outcomes"))


def test_failed_attempts_while_away(lab):
    """Retries and their rows are the spool's until the database is back."""
    outage = Outage(lab)
    lab.upstream.default(statuses=[503, 503, 200])
    outage.gateway.start()
    outage.postgres.kill()
    # An event whose commit was under way has to be asked for there before its second attempt.
    wait_until(lambda: outage.spool("in_use") == 1, "the loss is noticed")
    outage.post_many("event", 10)
    outage.wait_delivered()
    outage.postgres.start()
    outage.wait_drained()
    outage.check(attempts=3)


def test_upstream_away_as_well(lab):
    """Events wait in the spool, move to PostgreSQL and are delivered from there."""
    outage = Outage(lab, routes=[queue_route(retry={"max_attempts": 1000, "cap": "1s"})])
    outage.gateway.start()
    outage.postgres.kill()
    lab.upstream.down()
    outage.post_many("event", 20)
    outage.postgres.start()
    outage.wait_back()
    lab.upstream.up()
    outage.wait_delivered()
    outage.gateway.wait_no_queue()
    rows = journal_rows(outage.gateway, outage.postgres)
    assert {row.state for row in rows.values()} == {"delivered"} and len(rows) == 20
    assert len(lab.upstream.requests()) == 20


def test_proxy_records_are_spooled_as_well(lab):
    """`ack: durable` answers from the spool; `async` loses no record."""
    outage = Outage(lab, routes=[route("now", "/now", ack="durable", lease="12s"), route("soon", "/soon", lease="12s")])
    outage.gateway.start()
    outage.postgres.kill()
    answers = [outage.gateway.post(path, f"{path} {number}") for number in range(10) for path in ("/now", "/soon")]
    assert {(answer.status, answer.outcome) for answer in answers} == {(200, "accepted")}
    outage.told = {str(number): answer.event_id for number, answer in enumerate(answers)}
    outage.postgres.start()
    outage.wait_drained()
    wait_until(lambda: len(outage.postgres.query("SELECT id FROM event", outage.url)) == 20, "all records are there")
    outage.gateway.wait_quiet()
    assert outage.gateway.metrics().sum("postern_journal_dropped_total") == 0
    assert set(journal_rows(outage.gateway, outage.postgres)) == set(outage.told.values())


def test_without_a_spool(lab):
    """503 with Retry-After, and nothing is left behind: the retry is no duplicate."""
    outage = Outage(lab, journal={"spool": {"enabled": False}},
                    routes=[queue_route(), route("durable", "/durable", ack="durable", lease="12s")])
    outage.gateway.start()
    outage.postgres.kill()
    wait_until(lambda: outage.gateway.metrics().sum("postern_journal_up") == 0, "the loss shows")
    for path in ("/", "/durable"):
        answer = outage.gateway.post(path, "one")
        assert answer.status == 503 and int(answer.header("Retry-After")) > 0
    outage.postgres.start()
    wait_until(lambda: outage.gateway.metrics().sum("postern_journal_up") == 1, "it is back", 20)
    outage.post("one")
    outage.wait_delivered()
    outage.check()


@pytest.mark.parametrize("ack", ["queue", "durable"])
def test_full_spool(lab, ack):
    """At its cap: 503 with Retry-After; what was accepted before is delivered and drains."""
    routes = {"queue": [queue_route(retry={"max_attempts": 1000, "cap": "1s"}, limits={"body": "1MiB"})],
              "durable": [route(ack="durable", lease="12s")]}[ack]
    outage = Outage(lab, routes=routes, journal={"spool": {"max_size": "4MiB", "min_free": "0B"}})
    outage.gateway.start()
    outage.postgres.kill()
    body = pattern(200000)
    refused, late = [], []

    def is_full():
        """Sends one more; the log's half of the room comes back now and then, so that it takes a while."""
        key = str(len(outage.told) + len(refused) + len(late))
        answer = outage.gateway.post("/", key, body)
        if answer.status != 503:
            outage.told[key] = answer.event_id
            return False
        assert int(answer.header("Retry-After")) > 0
        # A proxied event may be with the upstream when its record meets the cap: no repeat of it passes.
        (late if answer.json()["type"].endswith("journal-commit") else refused).append(key)
        return len(refused) >= 5 and outage.spool("full") == 1

    wait_until(is_full, "it is full, and the metrics say so", 20)
    assert '"full":true' in outage.gateway.ready_text()
    assert len(outage.told) >= 5 and len(late) <= (len(outage.told) if ack == "durable" else 0)
    outage.postgres.start()
    outage.wait_drained()
    wait_until(lambda: outage.spool("full") == 0, "there is room again")
    for key in refused:
        answer = outage.gateway.post("/", key, body)
        assert answer.outcome == "accepted", "nothing of it was left behind"
        outage.told[key] = answer.event_id
    unconfirmed = {outage.gateway.post("/", key, body).event_id for key in late}
    outage.wait_delivered()
    outage.wait_drained()
    wait_until(lambda: set(outage.told.values()) <= set(journal_rows(outage.gateway, outage.postgres)), "all are there")
    outage.gateway.wait_quiet()
    assert set(journal_rows(outage.gateway, outage.postgres)) - unconfirmed == set(outage.told.values())


# ---- crashes and damage


def test_killed_in_the_outage(lab):
    """Again and again; the database comes back in the end."""
    outage = Outage(lab)
    outage.gateway.start()
    outage.postgres.kill()
    for turn in range(3):
        outage.post_many(f"turn {turn}", 10)
        outage.wait_delivered()
        outage.gateway.kill()
        outage.gateway.start(stores=False)
        assert outage.gateway.post("/", f"turn {turn} 0").outcome == "duplicate"
    outage.postgres.start()
    outage.wait_drained()
    outage.gateway.wait_no_queue()
    rows = journal_rows(outage.gateway, outage.postgres)
    assert set(rows) == set(outage.told.values())
    assert {row.state for row in rows.values()} == {"delivered"}


def test_killed_while_draining(lab):
    outage = Outage(lab)
    outage.gateway.start()
    outage.postgres.kill()
    with outage.gateway.connect() as connection:
        for turn in range(10):
            keys = [f"{turn} {number}" for number in range(100)]
            connection.send(b"".join(request_bytes("POST", "/", [("X-Event-Id", key)], b"x" * 500) for key in keys))
            outage.told.update((key, connection.read_response().event_id) for key in keys)
    outage.wait_delivered()
    outage.postgres.start()
    wait_until(lambda: count(outage) > 0, "it drains", 20)
    outage.gateway.kill()
    had = count(outage)
    outage.gateway.start()
    outage.wait_drained()
    assert count(outage) == 1000, f"{had} of them before the kill"
    outage.check()


def count(outage):
    result = outage.postgres.psql("SELECT count(*) FROM event", name_of(outage), check=False)
    return int(result.stdout) if result.returncode == 0 else 0


def spool_with_events(lab):
    """An outage whose gateway was killed with events in the spool that nobody could deliver."""
    outage = Outage(lab, routes=[queue_route(retry={"max_attempts": 1000, "cap": "1s"})])
    outage.gateway.start()
    outage.postgres.kill()
    lab.upstream.down()
    outage.post_many("spooled", 20)
    outage.gateway.kill()
    return outage, outage.gateway.config["journal"]["spool"]["path"]


def test_torn_tail(lab):
    """What the disk got wrong of the last write is cut off and told; everything before it is there."""
    outage, path = spool_with_events(lab)
    with open(path + "-wal", "r+b") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(b"\xa5" * 1000)
    outage.gateway.start(stores=False)
    wait_until(lambda: outage.spool("torn_bytes") > 0, "the metrics tell it")
    assert '"torn_bytes":0' not in outage.gateway.ready_text()
    lab.upstream.up()
    wait_until(lambda: len(outage.got()) >= 15, "what was whole is delivered", 20)
    outage.postgres.start()
    outage.wait_drained()


def test_tail_cut_off(lab):
    """A log that ends in the middle of a frame: the gateway starts, and says how much it cut."""
    outage, path = spool_with_events(lab)
    size = os.path.getsize(path + "-wal")
    os.truncate(path + "-wal", size - 100)
    outage.gateway.start(stores=False)
    wait_until(lambda: outage.spool("torn_bytes") > 0, "the metrics tell it")
    assert [line for line in outage.gateway.logged("torn") if '"warn"' in line or '"error"' in line]
    lab.upstream.up()
    wait_until(lambda: len(outage.got()) >= 15, "what was whole is delivered", 20)
    outage.postgres.start()
    outage.wait_drained()


@pytest.mark.parametrize("how", ["header", "middle", "text"])
def test_damaged_file(lab, how):
    """Set aside and told; the gateway starts and takes new events; what can be read is saved."""
    outage, path = spool_with_events(lab)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    if how == "text":
        with open(path, "wb") as file:
            file.write(b"this is no database\n" * 1000)
    else:
        with open(path, "r+b") as file:
            file.seek(0 if how == "header" else os.path.getsize(path) // 2)
            file.write(b"\xff" * 4096)
    outage.gateway.start(stores=False)
    lab.upstream.up()
    outage.told.clear()
    outage.post_many("new", 5)
    outage.wait_delivered()
    outage.postgres.start()
    outage.wait_drained()
    if how == "middle" and not outage.spool("set_aside"):
        return # the page that was hit held nothing
    wait_until(lambda: outage.spool("set_aside") == 1, "the metrics tell it")
    assert '"set_aside":true' in outage.gateway.ready_text()
    assert [line for line in outage.gateway.logged("damaged") if '"warn"' in line or '"error"' in line]
    assert [name for name in os.listdir(lab.folder) if ".damaged-" in name], "nobody threw the old file away"


def test_two_gateways_with_the_same_spool(lab):
    """A spool belongs to one process: the second one refuses to start, and says why."""
    outage = Outage(lab)
    outage.gateway.start()
    spool = outage.gateway.config["journal"]["spool"]["path"]
    other = lab.make_gateway(stores=lab.stores("memory+postgres", postgres_url=outage.url), journal={"spool": {"path": spool}})
    other.start(wait_for=None)
    assert other.wait() != 0 and "spool" in other.errors()
    outage.post_many("event", 3)
    outage.wait_delivered()
    outage.wait_drained()
    outage.check()
