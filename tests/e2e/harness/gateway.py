# SPDX-License-Identifier: Apache-2.0
"""The gateway's own process, and what it tells of itself."""
import json
import os
import signal
import subprocess

from . import http
from .config import merge, route, to_yaml
from .metrics import Metrics
from .process import Process, free_port
from .wait import wait_lasting, wait_until

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
# Workers publish what their stores count twice a second; this covers it on a slow machine.
PUBLISHED_S = 0.8


def binary():
    """The program under test: $POSTERN_BINARY, or the test preset's."""
    path = os.environ.get("POSTERN_BINARY") or os.path.join(ROOT, "build", "test", "postern")
    assert os.path.exists(path), f"{path} is not built (tests/run builds it)"
    return path


def run_cli(*arguments, stdin=b"", timeout_s=30, env=None):
    """A command that ends by itself."""
    return subprocess.run([binary(), *arguments], input=stdin, capture_output=True, timeout=timeout_s, check=False,
                          env={**os.environ, **(env or {})})


class Gateway(Process):
    """`config` is laid on a default with one worker, one route `events` and the upstream `app`."""

    def __init__(self, folder, upstream_port, config, env=None, name="gateway"):
        super().__init__(folder, name)
        self.port, self.admin_port = free_port(), free_port()
        self.env = {**os.environ, **(env or {})}
        self.path = os.path.join(self.folder, name + ".yaml")
        base = {
            "workers": int(os.environ.get("POSTERN_WORKERS", "1")),
            "listen": [{"address": f"127.0.0.1:{self.port}"}],
            "admin": {"address": f"127.0.0.1:{self.admin_port}"},
            "log": {"format": "json", "level": "debug", "access_sample": 1},
            "upstreams": {"app": {"endpoints": [f"http://127.0.0.1:{upstream_port}"], "timeout": "5s"}},
            "routes": [route()],
        }
        self.config = merge(base, config)
        if self.config["journal"]["store"] == "postgres":
            spool = {"spool": {"path": os.path.join(self.folder, name + "-spool.db")}}
            self.config["journal"] = merge(spool, self.config["journal"])
        self.write_config()

    def write_config(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(to_yaml(self.config))

    # -- its life

    def start(self, wait_for="/readyz", stores=True, env=None, **options):
        """`wait_for`: the admin path that has to answer 200 before this returns; None: don't wait. `stores`: each
        worker's links have to be up as well, which readiness does not promise."""
        seen = self.links_up()
        self.spawn([binary(), "serve", "-c", self.path], env={**self.env, **(env or {})}, **options)
        if wait_for:
            wait_until(lambda: self.is_up(wait_for), lambda: f"{wait_for} answers 200\n{self.tail()}", 30)
        if wait_for and stores:
            wait_until(lambda: self.links_up() >= seen + self.links(), lambda: f"links are up\n{self.tail()}", 30)
        return self

    def links(self):
        """How many links to servers it opens: each worker one to Redis, two to PostgreSQL, and one for the API."""
        redis, postgres = self.config["dedup"]["store"] == "redis", self.config["journal"]["store"] == "postgres"
        return (redis + 2 * postgres) * self.config["workers"] + postgres

    def links_up(self):
        text = self.output()
        return sum(text.count(f'"{link} is up"') for link in ("redis", "postgres", "queue", "archive"))

    def is_up(self, path):
        assert self.is_running(), f"the gateway ended with {self.child.returncode}\n{self.tail()}"
        try:
            return self.admin(path).status == 200
        except (OSError, http.Closed):
            return False

    def stop(self, timeout_s=40.0):
        """SIGTERM, and its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def restart(self, **options):
        """After a kill: the same configuration again."""
        return self.start(**options)

    # -- traffic

    def connect(self, timeout_s=10.0, **options):
        return http.Connection(self.port, timeout_s, **options)

    def request(self, method, target, headers=(), body=b"", **options):
        return http.request(self.port, method, target, headers, body, **options)

    def post(self, target, key=None, body=b"{}", headers=(), **options):
        """A POST, with `key` as X-Event-Id."""
        mine = [("X-Event-Id", key)] if key is not None else []
        return self.request("POST", target, mine + list(headers), body, **options)

    # -- what it tells

    def admin(self, path, timeout_s=5.0, method="GET", headers=()):
        return http.request(self.admin_port, method, path, headers, timeout_s=timeout_s, host="127.0.0.1")

    def api(self, path, method="GET", **options):
        """A page of the API that has to be there, as JSON."""
        answer = self.admin("/api/v1/" + path, method=method, **options)
        assert answer.status == 200, answer
        return answer.json()

    def event(self, event_id):
        """An event of the journal, with its deliveries; None when there is none."""
        answer = self.admin("/api/v1/events/" + event_id)
        assert answer.status in (200, 404), answer
        return answer.json() if answer.status == 200 else None

    def wait_state(self, event_id, state, timeout_s=15):
        """Waits until the journal has the event in this state; the event."""
        def seen():
            event = self.event(event_id)
            return event if event and event["state"] == state else None
        return wait_until(seen, lambda: f"{event_id} is {state}: {self.event(event_id)}", timeout_s)

    def wait_no_queue(self, timeout_s=20):
        """Waits until nothing waits for an attempt, neither in the journal nor in the spool."""
        spools = self.config["journal"]["store"] == "postgres"
        wait_lasting(lambda: self.metrics().sum("postern_spool_rows") == 0
                     and not self.api("events?state=queued&limit=1")["events"],
                     lambda: f"the queue is empty: {self.api('events?state=queued&limit=3')}\n{self.ready_text()}",
                     PUBLISHED_S if spools else 0, timeout_s)

    def metrics(self):
        return Metrics(self.admin("/metrics").body.decode())

    def ready_text(self):
        """/readyz?verbose, whatever its status."""
        return self.admin("/readyz?verbose").body.decode()

    def logs(self):
        """Every line of stdout and stderr, which all have to be JSON objects."""
        text = self.output() + self.errors()
        return [json.loads(line) for line in text.splitlines()]

    def logged(self, word):
        """Lines that hold `word` anywhere."""
        return [line for line in (self.output() + self.errors()).splitlines() if word in line]

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    # -- the books (contract C8)

    def book(self, name, route_name="events"):
        """How many exchanges of the route ended in this book."""
        return int(self.metrics().sum("postern_requests_ended_total", route=route_name, book=name))

    def wait_quiet(self):
        """Waits until no exchange is under way, and checks that the books balance."""
        def quiet():
            """One page says both: a request may come between two of them."""
            metrics = self.metrics()
            return metrics if metrics.sum("postern_requests_in_progress") == 0 else None
        metrics = wait_until(quiet, "no exchange is in progress")
        unbalanced = [s for s in metrics.find("postern_books_difference") if s[1] != 0]
        assert not unbalanced, unbalanced
        received = metrics.sum("postern_requests_received_total")
        assert received == metrics.sum("postern_requests_ended_total"), metrics.text
