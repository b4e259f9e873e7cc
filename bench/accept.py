# SPDX-License-Identifier: Apache-2.0
"""The parts `queue` and `ingest`: what it takes to make events durable."""
import json
import subprocess
from pathlib import Path

import load
import report
import servers

HERE = Path(__file__).resolve().parent
DELIVERING = "postern queue: accept and delivery (redis + postgres)"
EMBEDDED = "postern queue: accept only (embedded: memory + sqlite)"
# Open from its first failures on, until after the end of the run: no delivery is tried in the measured time.
BREAKER = "    breaker: {failures: 10, cool_down: 1h}\n"
RETRY = "    retry: {base: 1h}\n"
# While the upstream is down: enough to open the breaker.
WARM_POSTS = 20


class Accepting(servers.Postern):
    """A queue route. Its table is emptied before each turn, and afterwards the rows must be those that were answered 202."""

    def prepare(self):
        super().prepare()
        if self.database:
            self.servers.postgres.psql(self.database, "TRUNCATE event, delivery")

    def rows(self):
        return self.servers.postgres.count(self.database) if self.database else int(self.metric("postern_journal_rows_total"))

    def is_at_rest(self):
        """No request is under way, and the journal has what was accepted (its series are told twice a second; a PostgreSQL too slow for this
        machine may have left something to the spool)."""
        metric = self.metric
        return metric("postern_requests_in_progress") == 0 and metric("postern_spool_rows") == 0 and metric("postern_journal_rows_total") >= self.accepted()

    def outcomes(self):
        servers.wait_until(self.is_at_rest, f"{self.name} has recorded all that it accepted")
        return super().outcomes() | {"rows": self.rows()}

    def check(self, mode, figures, before):
        """Each 202 is a row, and nothing else was answered. What wrk left unanswered when it ended may have been accepted."""
        after = self.outcomes()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        rows, accepted = grown.pop("rows"), grown.pop("accepted")
        if grown or rows != accepted or not 0 <= accepted - figures["requests"] <= load.CONNECTIONS:
            raise SystemExit(f"{self.name}: {figures['requests']} answers, {accepted} accepted, {rows} rows, others {grown}")


class Breaking(Accepting):
    """Its upstream is down."""

    def warm(self, mode, tag):
        for number in range(WARM_POSTS):
            if self.post(servers.body(f"warm-{tag}-{number}")) != 202:
                raise SystemExit(f"{self.name} does not answer 202")
        servers.wait_until(lambda: self.metric("postern_breaker_state") == 1, f"{self.name}: the breaker is open")


class Delivering(Accepting):
    """Its upstream is up. What was not delivered within the turn is waited for, and its CPU time told beside the turn's."""

    def check(self, mode, figures, before):
        undelivered = self.undelivered()
        figures["delivered_share"] = 1 - undelivered / figures["requests"]
        servers.wait_until(lambda: self.undelivered() == 0, f"{self.name} has delivered all")
        figures["cpu_all_us"] = (self.cpu_seconds() - figures["cpu_before"]) * 1e6 / figures["requests"]
        super().check(mode, figures, before)

    def undelivered(self):
        return self.servers.postgres.count(self.database, "state <> 'delivered'")


def cases(run):
    down = servers.Upstream(run, "down", down=True)
    return [
        (report.BASE, run.nginx_plain(), "unique"),
        (report.ACCEPT, run.postern("accept only", "accept_only", mode="queue", upstream=down, up=BREAKER, route=RETRY, kind=Breaking), "unique"),
        (DELIVERING, run.postern("accept and delivery", "accept_all", mode="queue", kind=Delivering), "unique"),
        (EMBEDDED, run.postern("accept embedded", mode="queue", upstream=down, up=BREAKER, route=RETRY, kind=Breaking), "unique"),
    ]


def part(run, args):
    results = load.measure(run, cases(run), args.rounds, args.seconds)
    shares = [figures["delivered_share"] for figures in results[DELIVERING]]
    whole = [figures["cpu_all_us"] for figures in results[DELIVERING]]
    return report.compared(results, args) + report.table(("accept and delivery", "median (min … max)"), [
        ("events delivered before the turn's end, of those accepted in it", report.spread(shares)),
        ("CPU µs per event until all are delivered", report.spread(whole, ".1f")),
    ])


def ingest(_, args):
    """bench/ingest.py, with a PostgreSQL of its own."""
    size = ["--rows", "50000", "--rounds", "1"] if args.quick else ["--rows", "200000", "--rounds", "3"]
    out = subprocess.run([str(HERE / "ingest.py"), "--build", str(args.build), *size], stdout=subprocess.PIPE, text=True, check=True).stdout
    figures = json.loads(out)
    return f"{figures['rounds']} rounds of {figures['rows']:,} rows with 1 KiB of body.\n\n" + report.table(("case", "rows/s", "ratio: median (min … max)", "goal"), [
        ("psql \\copy from a file", f"{figures['psql_copy_rows_per_s']:,}", "1.00", ""),
        ("postern's journal", f"{figures['journal_rows_per_s']:,}", f"{figures['ratio']:.2f} ({figures['ratio_min']:.2f} … {figures['ratio_max']:.2f})", "≥ 0.9"),
    ])
