# SPDX-License-Identifier: Apache-2.0
"""Two gateways on one database, senders that retry, an upstream that comes and goes, and something that dies under
load; then the three histories are compared. The seed is fixed and printed; $POSTERN_SEED takes another."""
import os
import random
import time

import pytest
from checker import History
from harness.config import queue_route
from harness.journal import journal_rows, spooled
from harness.wait import wait_until
from senders import Senders

EVENTS, ROUNDS = 300, 6
TRANCHE = EVENTS // ROUNDS


class Storm:
    """`ports`: by which each gateway comes to the upstream; `crashes`: see History. `redis`: the test's own."""

    def __init__(self, lab, own_postgres, lease="3s", redis=None, on_store_error="reject", **config):
        seed = int(os.environ.get("POSTERN_SEED", "20261121"))
        print("seed", seed)
        self.chance, self.lab, self.crashes = random.Random(seed), lab, []
        self.postgres = lab.own_postgres().start() if own_postgres else lab.shared.postgres()
        self.lets_pass = on_store_error == "pass"
        stores = lab.stores("redis+postgres", redis, self.postgres.create_database())
        self.ports = [lab.upstream.port, lab.upstream.another_port()]
        self.gateways = [lab.make_gateway(stores=stores, **self.config(port, lease, on_store_error), **config) for port in self.ports]
        for gateway in self.gateways:
            gateway.start()
        self.senders = Senders([gateway.port for gateway in self.gateways], 6)

    @staticmethod
    def config(port, lease, on_store_error):
        return {"routes": [queue_route(lease=lease, in_flight_wait="5s", on_store_error=on_store_error,
                                       retry={"max_attempts": 1000, "cap": "200ms"})],
                "workers": 2,
                "upstreams": {"app": {"endpoints": [f"http://127.0.0.1:{port}"], "timeout": "1s", "breaker": {"failures": 5, "cool_down": "50ms"}}}}

    def rounds(self, strike, again=False):
        """In each one a tranche of events is sent, and `strike(turn)` comes in its middle; at the end all `again`."""
        keys = iter(range(EVENTS))
        for turn in range(ROUNDS):
            self.senders.feed(f"event {next(keys)}" for _ in range(TRANCHE))
            self.senders.wait_done(self.senders.fed - self.chance.randint(TRANCHE // 5, TRANCHE * 4 // 5))
            strike(turn)
        if again:
            self.senders.feed(f"event {number}" for number in range(EVENTS))
        self.senders.finish()

    def kill(self, number, release=lambda: None):
        """`release` is what has to happen before the upstream can read all that it had sent."""
        killed, port = time.time(), self.ports[number]
        self.gateways[number].kill()
        release()
        self.crashes.append((port, killed, self.lab.upstream.wait_abandoned(port)))

    def flap(self, turn):
        """Down in every other round."""
        if turn % 2 == 0:
            self.lab.upstream.down()
        else:
            self.lab.upstream.up()

    def counted(self, name, **labels):
        """Of both gateways, once nothing is under way."""
        for gateway in self.gateways:
            gateway.wait_quiet()
        return sum(gateway.metrics().sum(name, **labels) for gateway in self.gateways)

    def finish(self):
        self.lab.upstream.up()
        for gateway in self.gateways:
            wait_until(lambda gateway=gateway: gateway.admin("/api/v1/events?limit=1").status == 200, "the API is back", 20)
        for gateway in self.gateways:
            gateway.wait_no_queue(60)
        for gateway in self.gateways:
            self.end(gateway)
        rows = journal_rows(self.gateways[0], self.postgres)
        problems = History(self.senders.told, self.lab.upstream.requests(), rows, self.crashes, self.lets_pass).problems()
        assert problems == [], "\n".join(problems)
        assert {row.state for row in rows.values()} == {"delivered"}
        assert len(rows) == EVENTS or self.lets_pass

    @staticmethod
    def end(gateway):
        """What the database had not confirmed when it stopped is the spool's, and the next start's to carry over."""
        gateway.wait_quiet()
        assert gateway.stop() == 0
        if spooled(gateway) > 0:
            gateway.start()
            gateway.wait_no_queue(30)
            assert gateway.stop() == 0
        assert spooled(gateway) == 0


def test_gateways_killed(lab):
    """Each in turn, in the middle of deliveries; the other one takes over what the dead one held. The lease is longer
    than what a machine that stalls may cost a living one."""
    storm = Storm(lab, own_postgres=False, lease="9s")

    def strike(turn):
        storm.kill(turn % 2)
        storm.flap(turn)
        storm.gateways[turn % 2].start()

    storm.rounds(strike)
    storm.finish()


def test_one_gateway_stays_dead(lab):
    """Its leases end, and the other one delivers what it had."""
    storm = Storm(lab, own_postgres=False)
    lab.upstream.default(wait_for="gate")
    storm.senders.feed(f"event {number}" for number in range(EVENTS))
    lab.upstream.wait_requests(40)

    def release():
        lab.upstream.default(status=200)
        lab.upstream.open_gate("gate")

    storm.kill(0, release)
    storm.senders.finish()
    storm.gateways = storm.gateways[1:]
    storm.finish()


HARM = {
    "stopped": (lambda postgres: postgres.stop(), lambda postgres: postgres.start()),
    "frozen": (lambda postgres: postgres.freeze(), lambda postgres: postgres.resume()),
    "killed": (lambda postgres: postgres.kill(), lambda postgres: postgres.start()),
}


@pytest.mark.parametrize("harm", HARM)
def test_postgres_away_under_load(lab, harm):
    """Twice, with the upstream down in between; both gateways spool, deliver what they spooled, and drain. The lease is
    longer than a freeze that nobody's link notices: what ends in one must not be taken over before its owner speaks."""
    break_it, mend_it = HARM[harm]
    storm = Storm(lab, own_postgres=True, lease="9s")

    def strike(turn):
        if turn % 3 == 0:
            break_it(storm.postgres)
        elif turn % 3 == 2:
            mend_it(storm.postgres)
        storm.flap(turn)

    try:
        storm.rounds(strike)
    finally:
        if harm == "frozen":
            storm.postgres.resume()
    storm.finish()


@pytest.mark.parametrize("rule", ("pass", "reject"))
def test_redis_killed_under_load(lab, rule):
    """With `pass` away from one tranche into the next, while all is accepted; with `reject` until some were refused.
    The lease is longer than the test, and no L1 helps: what a lost link left of a claim has to be given back or settled
    by who made it, or copies are in flight for good. None of that is an excuse for a double."""
    redis = lab.own_redis(durable=True).start()
    storm = Storm(lab, own_postgres=False, lease="60s", redis=redis, on_store_error=rule, dedup={"l1": {"max_keys": 0}})
    told = storm.senders.told

    def refused(turn):
        before = told.count("unknown")
        redis.kill()
        wait_until(lambda: told.count("unknown") >= before + 20, "senders are refused")
        redis.start()
        storm.flap(turn)

    def passing(turn):
        (redis.start if turn % 2 else redis.kill)()
        storm.flap(turn)

    storm.rounds(passing if rule == "pass" else refused, again=True)
    assert told.count("bypassed" if rule == "pass" else "unknown") > 0 and not told.unanswered
    for outcome, answer in (("bypassed_store", "bypassed"), ("unknown_store", "unknown")):
        assert storm.counted("postern_requests_ended_total", outcome=outcome) == told.count(answer)
    assert storm.counted("postern_incidents_total", kind="settle_unknown") > 0, "something was in flight when it struck"
    storm.finish()


def test_everything(lab):
    """A gateway dies while PostgreSQL is away and the upstream flaps; in the next round PostgreSQL while it drains. The
    lease is longer than anybody stays dead: the other one can't know what is in the spool of a dead one."""
    storm = Storm(lab, own_postgres=True, lease="10s")

    def strike(turn):
        if turn % 2 == 0:
            storm.postgres.kill()
            storm.kill(turn // 2 % 2)
        else:
            storm.postgres.start()
            storm.gateways[turn // 2 % 2].start(stores=False)
        storm.flap(turn)

    storm.rounds(strike)
    storm.finish()


def test_frozen_gateway_is_fenced(lab):
    """Stopped for longer than its leases, in the middle of attempts: another one made them, its outcomes are refused."""
    storm = Storm(lab, own_postgres=False)
    lab.upstream.default(wait_for="gate")
    storm.senders.feed(f"event {number}" for number in range(EVENTS))
    lab.upstream.wait_requests(60)
    frozen, alive = storm.gateways
    frozen.freeze()
    lab.upstream.default(status=200)
    lab.upstream.open_gate("gate")
    wait_until(lambda: not alive.api("events?state=queued&limit=1")["events"], "the other one has delivered all", 30)
    # What it held was frozen within an attempt: whatever of it was answered before it can go on is excused.
    storm.crashes += [(storm.ports[0], request.at, request.at) for request in lab.upstream.requests() if request.port == storm.ports[0]]
    frozen.resume()
    wait_until(lambda: frozen.metrics().sum("postern_queue_fenced_total") > 0, "its outcomes are refused")
    storm.senders.finish()
    storm.finish()
