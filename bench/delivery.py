# SPDX-License-Identifier: Apache-2.0
"""The parts `delivery` and `memory`: what waits in the queue while its upstream is down, and then goes there."""
import statistics
import time

import load
import report
import servers

# Found open as soon as possible after the upstream has come back: at most 16 times this.
BREAKER = "    breaker: {failures: 10, cool_down: 250ms}\n"
RETRY = "    retry: {base: 100ms, cap: 1s, max_attempts: 1000}\n"
WARM_POSTS = 20
MEMORY_GOAL_BYTES = 100 << 20
MIB = 1 << 20


class Stalled:
    """A queue route whose upstream is down until it is started."""

    def __init__(self, run, name):
        self.run, self.upstream = run, servers.Upstream(run, f"{name}_upstream", down=True, log=True)
        self.gateway = run.postern(name, name, mode="queue", upstream=self.upstream, up=BREAKER, route=RETRY)

    def warm(self):
        for number in range(WARM_POSTS):
            self.gateway.post(servers.body(f"warm-{number}"))

    def fill(self, count):
        """At least `count` events by HTTP, as fast as they are taken; returns how many it then has."""
        accepted, answers = self.events(), load.fill(self.gateway, count)

        def is_recorded():
            """What a PostgreSQL too slow for this machine left in the spool has come over. Unanswered ones may have been accepted."""
            return self.gateway.metric("postern_spool_rows") == 0 and 0 <= self.events() - accepted - answers <= load.CONNECTIONS
        servers.wait_until(is_recorded, f"{answers} answers are rows in PostgreSQL, beside {accepted} before")
        return self.events()

    def fill_by_sql(self, count):
        """Copies of an event that came by HTTP, as new ones whose first attempt is due. Ids tell their time, and are in its order."""
        columns = "route, window_ends_at, method, target, headers, content_type, client, mode, state, outcome, response_status, duration_ms"
        self.run.postgres.psql(self.gateway.database, f"""
            INSERT INTO event (id, received_at, key, body, attempts, next_attempt_at, lease_until, {columns})
            SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
             at, decode(hash, 'hex'), overlay(body PLACING convert_to(hash, 'UTF8') FROM 8), 0, now(), now(), {columns}
            FROM (SELECT * FROM event ORDER BY id LIMIT 1) AS first,
             LATERAL (SELECT date_trunc('milliseconds', first.received_at + n * interval '10 microseconds') AS at, md5(n::text) AS hash
              FROM generate_series(1, {count}) AS n) AS new""")

    def events(self, where="true"):
        return self.run.postgres.count(self.gateway.database, where)

    def ids(self):
        return self.run.postgres.psql(self.gateway.database, "SELECT id FROM event").split()

    def begin(self):
        """The upstream comes back; returns when it has got something."""
        self.upstream.start()
        servers.wait_until(lambda: self.upstream.answered() > 0, "deliveries begin", 30, 0.01)

    def close(self):
        for server in (self.gateway, self.upstream):
            if server.process:
                self.run.end(server.process)


def deliver(run, number, count):
    """One round: its figures. Every event reaches the upstream once."""
    queue = Stalled(run, f"delivery_{number}")
    queue.warm()
    events = queue.fill(count)
    cpu = queue.gateway.cpu_seconds()
    queue.begin()
    began = time.monotonic()
    servers.wait_until(lambda: queue.upstream.answered() >= events, "all events have reached the upstream", 300, 0.02)
    servers.wait_until(lambda: queue.events("state <> 'delivered'") == 0, "all outcomes are written")
    seconds, cpu = time.monotonic() - began, queue.gateway.cpu_seconds() - cpu
    if sorted(queue.upstream.ids()) != sorted(queue.ids()):
        raise SystemExit("the upstream did not get each event once")
    queue.close()
    print(f"  round {number + 1}  {events} events  {events / seconds:8.0f} deliveries/s  {cpu * 1e6 / events:6.2f} us CPU", flush=True)
    return {"per_s": events / seconds, "cpu_us": cpu * 1e6 / events, "events": events}


def part(run, args):
    rounds = [deliver(run, number, 10000 if args.quick else 50000) for number in range(1 if args.quick else 3)]
    return (f"{len(rounds)} rounds of {statistics.median(figures['events'] for figures in rounds):,.0f} events, which were accepted while the upstream was down. "
            "Each reached it once.\n\n" + report.table(("delivery", "median (min … max)"), [
                ("deliveries/s, until the last outcome is written", report.spread([figures["per_s"] for figures in rounds], ",.0f")),
                ("CPU µs/delivery", report.spread([figures["cpu_us"] for figures in rounds], ".1f")),
            ]))


# ---- memory ----

def growth(queue, idle, row):
    """The peak above idle, as a row of the table."""
    grown = queue.gateway.peak_bytes() - idle
    print(f"  {row}: {grown / MIB:.1f} MiB", flush=True)
    return (row, f"{grown / MIB:.1f}", f"≤ {MEMORY_GOAL_BYTES / MIB:.0f}")


def idle_of(queue):
    queue.warm()
    queue.gateway.prepare()
    queue.gateway.forget_peak()
    return queue.gateway.resident_bytes()


def many(run, count, seconds):
    """By SQL: HTTP would take minutes, and the gateway would not know the difference."""
    queue = Stalled(run, "memory_many")
    idle = idle_of(queue)
    queue.fill_by_sql(count)
    time.sleep(seconds)
    rows = [("idle", f"{idle / MIB:.1f}", ""), growth(queue, idle, f"{count:,} events queued, upstream down, peak of {seconds} s: above idle")]
    queue.begin()
    queue.gateway.forget_peak()
    time.sleep(seconds)
    done = queue.upstream.answered()
    rows.append(growth(queue, idle, f"then {done:,} of them delivered, peak of {seconds} s: above idle"))
    queue.close()
    return rows


def accepted(run, count):
    queue = Stalled(run, "memory_accepted")
    idle = idle_of(queue)
    queue.fill(count)
    row = growth(queue, idle, f"{count:,} events accepted by HTTP, upstream down, peak: above idle")
    queue.close()
    return row


def memory(run, args):
    # Two rounds of tidying, which looks at all rows, are 20 s.
    rows = many(run, 200000, 5) if args.quick else many(run, 1000000, 12)
    rows.append(accepted(run, 20000 if args.quick else 100000))
    return "The upstream is down; then it is started.\n\n" + report.table(("memory of the gateway", "MiB", "goal"), rows)
