#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The show of deploy/quickstart: receiver and gateway in a temporary folder, seven requests, three deliveries.

usage: demo.py POSTERN
"""
import contextlib
import ctypes
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
START_S, STOP_S, DELIVERY_S = 20, 20, 20

CONFIG = """\
workers: 1
listen:
  - address: 127.0.0.1:{port}
admin:
  address: 127.0.0.1:{admin}
dedup: {{store: memory}}
journal:
  store: sqlite
  sqlite: {{path: {folder}/postern.db}}
upstreams:
  receiver:
    endpoints: ["http://127.0.0.1:{receiver}"]
routes:
  - name: github
    match: {{path: "/github/*", methods: [POST]}}
    upstream: receiver
    preset: github
    signature: {{secret: env:GITHUB_WEBHOOK_SECRET}}
  - name: orders
    match: {{path: /orders, methods: [POST]}}
    upstream: receiver
    key: {{json: [order]}}
    mode: queue
"""

SECRET = "It's a Secret to Everybody"
EVENT = {"action": "opened", "issue": {"number": 7, "title": "Webhook came twice"}, "repository": {"full_name": "acme/shop"}}
CLOSED = {**EVENT, "action": "closed"}
ORDER = {"order": 4711, "items": 3}


def signed(event, delivery, secret=SECRET):
    """The fields that GitHub sends with it; a delivery that it repeats has its first id."""
    signature = hmac.new(secret.encode(), json.dumps(event).encode(), "sha256").hexdigest()
    return {"X-GitHub-Delivery": delivery, "X-Hub-Signature-256": "sha256=" + signature}


OPENED_ID, CLOSED_ID = str(uuid.uuid4()), str(uuid.uuid4())
REQUESTS = [("/github/issues", "issue opened, signed", EVENT, signed(EVENT, OPENED_ID)),
            ("/github/issues", "issue opened, again", EVENT, signed(EVENT, OPENED_ID)),
            ("/github/issues", "issue opened, and again", EVENT, signed(EVENT, OPENED_ID)),
            ("/github/issues", "issue closed, forged", CLOSED, signed(CLOSED, CLOSED_ID, "guessed")),
            ("/github/issues", "issue closed, signed", CLOSED, signed(CLOSED, CLOSED_ID)),
            ("/orders", "order placed (mode: queue)", ORDER, {}), ("/orders", "order placed, again", ORDER, {})]
STATUSES = (200, 200, 200, 401, 200, 202, 200)
OUTCOMES = ("accepted", "duplicate", "duplicate", "unverified", "accepted", "accepted", "duplicate")


class Failed(Exception):
    """Something did not happen as it should."""


def expect(condition, message):
    if not condition:
        raise Failed(message)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Demo:
    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        self.folder = tempfile.mkdtemp(prefix="postern-quickstart-")
        self.log_path = os.path.join(self.folder, "postern.log")
        self.deliveries_path = os.path.join(self.folder, "deliveries.jsonl")
        self.config_path = os.path.join(self.folder, "postern.yaml")
        self.receiver = self.gateway = None
        self.port, self.admin = free_port(), free_port()

    # -- processes

    def start_receiver(self):
        self.receiver = subprocess.Popen([sys.executable, os.path.join(HERE, "receiver.py"), self.deliveries_path],
                                         stdout=subprocess.PIPE, text=True, start_new_session=True,
                                         preexec_fn=die_with_parent)
        line = self.receiver.stdout.readline()
        expect(line.strip().isdigit(), "the receiver did not start")
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=self.port, admin=self.admin, folder=self.folder, receiver=line.strip()))

    def start_gateway(self):
        with open(self.log_path, "ab") as log:
            self.gateway = subprocess.Popen([self.binary, "serve", "-c", self.config_path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True,
                                            preexec_fn=die_with_parent,
                                            env={**os.environ, "GITHUB_WEBHOOK_SECRET": SECRET})
        end = time.monotonic() + START_S
        pause = threading.Event()
        while not self.is_ready():
            expect(self.gateway.poll() is None, f"postern ended with status {self.gateway.returncode}")
            expect(time.monotonic() < end, f"postern was not ready within {START_S} s")
            pause.wait(0.02)

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def stop_gateway(self):
        self.gateway.terminate()
        expect(self.gateway.wait(STOP_S) == 0, f"postern ended with status {self.gateway.returncode} after SIGTERM")

    def end(self):
        for child in (self.gateway, self.receiver):
            if child and child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the show

    def send(self, path, event, fields):
        """(status, Postern-Outcome, event id) of one POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", path, json.dumps(event), {
            "Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/demo", **fields})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("Postern-Outcome"), answer.getheader("Postern-Event-Id")

    def send_all(self):
        print("\nSending to Postern                                     status  Postern-Outcome  event id")
        answers = []
        for path, text, event, fields in REQUESTS:
            answers.append(self.send(path, event, fields))
            status, outcome, event_id = answers[-1]
            print(f"  POST {path:<14}  {text:<30}  {status}     {outcome:<15}  {event_id}")
        statuses, outcomes, ids = zip(*answers)
        expect(outcomes == OUTCOMES, "the answers should be " + ", ".join(OUTCOMES))
        expect(statuses == STATUSES, "the statuses should be " + ", ".join(map(str, STATUSES)))
        expect(ids[1] == ids[2] == ids[0] and ids[6] == ids[5] and len(set(ids)) == 4,
               "the duplicates should name their first event, the others be events of their own")

    def deliveries(self):
        with open(self.deliveries_path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def show_deliveries(self):
        """The queued event is delivered after its sender has its answer."""
        end = time.monotonic() + DELIVERY_S
        pause = threading.Event()
        while len(self.deliveries()) < 3:
            expect(time.monotonic() < end, f"the receiver did not get three deliveries within {DELIVERY_S} s")
            pause.wait(0.02)
        deliveries = self.deliveries()
        print(f"\nThe receiver got {len(deliveries)} deliveries of {len(REQUESTS)} requests")
        for line in deliveries:
            print(f"  {line['delivery']}  event {line['event_id']}  {line['path']:<14}  {line['body']:.40}")
        expect([json.loads(line["body"]) for line in deliveries] == [EVENT, CLOSED, ORDER],
               "the receiver should have got the three different events, once each")

    def show_journal(self):
        """The journal belongs to the running gateway alone, so it is read while the gateway is down."""
        with contextlib.closing(sqlite3.connect(os.path.join(self.folder, "postern.db"))) as database:
            rows = database.execute("SELECT id, route, state, response_status, duplicates, length(body) FROM event "
                                    "ORDER BY received_at, id").fetchall()
        print("\nThe audit log (stopped in order, and read; duplicates are counted in the first event's row)")
        print("  event id                              route   state      status  duplicates  body bytes")
        for event_id, route, state, status, duplicates, size in rows:
            print(f"  {uuid.UUID(bytes=event_id)}  {route:<6}  {state:<9}  {status}     {duplicates:<10}  {size}")
        expect([row[2] for row in rows] == ["delivered"] * 3, "every event should be delivered")
        expect([row[4] for row in rows] == [2, 0, 1], "there should be three rows, with 2, 0 and 1 duplicates")

    def show_restart(self):
        path, _, event, fields = REQUESTS[0]
        status, outcome, _ = self.send(path, event, fields)
        print(f"\nStarted again: the first event once more gets {status} {outcome}, a restart forgets nothing")
        expect(outcome == "duplicate", "after the restart the event should still be a duplicate")

    def run(self):
        self.start_receiver()
        self.start_gateway()
        self.send_all()
        self.show_deliveries()
        self.stop_gateway()
        self.show_journal()
        self.start_gateway()
        self.show_restart()

    def stay(self):
        print(f"\nPostern   http://127.0.0.1:{self.port}   try, twice: curl -i -d '{{\"order\": 1}}' "
              f"-H 'Content-Type: application/json' http://127.0.0.1:{self.port}/orders\n"
              f"Metrics   http://127.0.0.1:{self.admin}/metrics    health: /readyz?verbose\n"
              f"Files     {self.folder}   (postern.yaml, postern.log, deliveries.jsonl)\n"
              "Ctrl-C ends it and removes the files.", flush=True)
        try:
            status = self.gateway.wait()
            raise Failed(f"postern ended with status {status}")
        except KeyboardInterrupt:
            print()


def on_signal(number, _):
    raise SystemExit(128 + number)


def main():
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_signal)
    demo = Demo(sys.argv[1])
    try:
        demo.run()
        if sys.stdin.isatty() and sys.stdout.isatty():
            demo.stay()
            return 0
        demo.stop_gateway()
        print("\nAll as it should be.")
        return 0
    except KeyboardInterrupt:
        return 130
    except (Failed, OSError, sqlite3.Error, subprocess.TimeoutExpired, http.client.HTTPException) as error:
        print(f"\ndeploy/quickstart: failed: {error}", file=sys.stderr)
        if os.path.exists(demo.log_path):
            with open(demo.log_path, encoding="utf-8", errors="replace") as log:
                print("postern's log ended with:\n" + log.read()[-4000:], file=sys.stderr)
        return 1
    finally:
        demo.end()


if __name__ == "__main__":
    sys.exit(main())
