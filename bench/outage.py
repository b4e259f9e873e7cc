# SPDX-License-Identifier: Apache-2.0
"""The part `outage`: PostgreSQL is away under load. Events go to the spool and are delivered from there, then drain into PostgreSQL while
new ones go on to arrive. Afterwards three lists are compared: the event ids of all 202s, the upstream's log, and the table."""
import collections
import time

import load
import report
import servers

RATES = (5000, 4000, 3000, 2000, 1000)
PROBE_SECONDS = 4
BEFORE_SECONDS, AFTER_SECONDS = 4, 4
DRAIN_SECONDS = 240 # at most
SAMPLE_S = 0.25
GOAL = 3


class Spooling:
    """A queue route, its upstream, and the load on it."""

    def __init__(self, run):
        self.run, self.upstream = run, servers.Upstream(run, "outage_upstream", log=True)
        self.gateway = run.postern("outage", "outage", mode="queue", upstream=self.upstream)
        self.told = []

    def paced(self, rate, seconds, tag):
        return load.Paced(self.gateway, rate, seconds, tag)

    def end(self, paced, now=False):
        """The load is over, and all of it has come to its end."""
        figures = paced.finish(now)
        self.told += paced.ids()
        return figures

    def come_to_rest(self):
        servers.wait_until(self.is_at_rest, "all events are delivered and in PostgreSQL", DRAIN_SECONDS, 0.25)

    def is_at_rest(self):
        return self.gateway.is_idle() and self.spooled() == 0 and self.undelivered() == 0

    def undelivered(self):
        return self.run.postgres.count("outage", "state <> 'delivered'")

    def spooled(self):
        return self.gateway.metric("postern_spool_rows")

    def sustains(self, rate):
        """Whether this machine can offer and serve that many events per second: hardly any was late, and deliveries keep up."""
        requests, seconds, others, errors, late_ms = self.end(self.paced(rate, PROBE_SECONDS, f"probe-{rate}"))
        behind = self.undelivered()
        print(f"  {rate}/s offered: {requests / seconds:.0f}/s answered, {late_ms} ms late at most, {behind} not delivered yet", flush=True)
        self.come_to_rest()
        if others or errors:
            raise SystemExit(f"{others} answers other than 202, {errors} errors before the outage")
        return requests >= 0.97 * rate * PROBE_SECONDS and behind < rate


def sustained_rate(spooling):
    for rate in RATES:
        if spooling.sustains(rate):
            return rate
    raise SystemExit(f"not even {RATES[-1]} events/s can be offered")


class Watch:
    """The spool's series while it drains."""

    def __init__(self, gateway):
        self.gateway, self.began = gateway, time.monotonic()
        self.samples = []

    def sample(self):
        metrics = self.gateway.metrics()
        self.samples.append((time.monotonic() - self.began, metrics["postern_spool_rows"], metrics["postern_spool_drained_total"]))
        return self.samples[-1]

    def is_empty(self):
        """PostgreSQL has what was in it, and takes what comes."""
        _, rows, drained = self.sample()
        return rows == 0 and drained > self.samples[0][2]

    def figures(self):
        """(seconds from the server's start until it was empty, rows drained, rows/s from the first one drained on)"""
        before = self.samples[0][2]
        begun = max(at for at, _, drained in self.samples if drained == before)
        ended, _, drained = self.samples[-1]
        return ended, drained - before, (drained - before) / max(ended - begun, SAMPLE_S)


def be_away(spooling, rate, seconds):
    """The outage under load: (the load's figures, rows in the spool when it ends, Watch)"""
    postgres = spooling.run.postgres
    paced = spooling.paced(rate, BEFORE_SECONDS + seconds + DRAIN_SECONDS, "outage")
    time.sleep(BEFORE_SECONDS)
    postgres.stop()
    time.sleep(seconds)
    spooled = spooling.spooled()
    print(f"  {spooled:.0f} events in the spool after {seconds} s", flush=True)
    postgres.start()
    watch = Watch(spooling.gateway)
    watch.sample()
    servers.wait_until(watch.is_empty, "the spool is empty", DRAIN_SECONDS - AFTER_SECONDS, SAMPLE_S)
    time.sleep(AFTER_SECONDS)
    return spooling.end(paced, now=True), spooled, watch


def repeated(ids):
    return {one: count for one, count in collections.Counter(ids).items() if count > 1}


def compare(spooling):
    """(lost, delivered twice): promises without a delivered row or without a request at the upstream, and events it got more than once."""
    got, rows = spooling.upstream.ids(), spooling.run.postgres.psql("outage", "SELECT id FROM event WHERE state = 'delivered'").split()
    delivered = set(got) & set(rows)
    return sum(event not in delivered for event in spooling.told), len(repeated(got))


def drained(watch, rate):
    ended, rows, per_s = watch.figures()
    return [
        (f"rows drained in the {ended:.1f} s from PostgreSQL's start until the spool was empty", f"{rows:,.0f}", ""),
        ("rows/s drained, from the first one on", f"{per_s:,.0f}", ""),
        ("that, against the rate of arrival", f"{per_s / rate:.1f}", f"≥ {GOAL}"),
    ]


def part(run, args):
    seconds = 10 if args.quick else 60
    spooling = Spooling(run)
    rate = sustained_rate(spooling)
    (requests, took, others, errors, late_ms), spooled, watch = be_away(spooling, rate, seconds)
    spooling.come_to_rest()
    lost, twice = compare(spooling)
    text = f"PostgreSQL was stopped for {seconds} s and started again; {rate:,} events/s were offered all the time, {load.PACED_CONNECTIONS} connections.\n\n"
    text += report.table(("outage", "", "goal"), [
        ("events/s answered, from 4 s before the outage until 4 s after the drain", f"{requests / took:,.0f}", f"{rate:,}"),
        ("answers other than 202 / transport errors", f"{others} / {errors}", "0"),
        ("most lateness of a request, for want of a free connection, ms", f"{late_ms:,}", ""),
        ("events in the spool at the end of the outage", f"{spooled:,.0f}", ""),
        *drained(watch, rate),
        (f"lost, of {len(spooling.told):,} events answered 202", str(lost), "0"),
        ("delivered twice", str(twice), "0"),
    ])
    print("\n".join("  " + line for line in text.splitlines()), flush=True)
    if lost or twice:
        raise SystemExit("events were lost or delivered twice")
    return text
