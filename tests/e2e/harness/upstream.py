# SPDX-License-Identifier: Apache-2.0
"""The test's hand on the scripted upstream (upstream_server.py)."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

from .process import die_with_parent
from .wait import wait_until

SERVER = os.path.join(os.path.dirname(__file__), "upstream_server.py")


def read_lines(path):
    """Whole lines only: the last one may be in the making."""
    try:
        with open(path, encoding="utf-8") as file:
            return [line for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


class Request:
    """What the upstream got."""

    def __init__(self, record):
        self.number, self.connection = record["number"], record["connection"]
        self.method, self.target, self.headers = record["method"], record["target"], record["headers"]
        self.complete, self.size, self.sha256 = record["complete"], record.get("size"), record.get("sha256")
        self.head, self.at, self.port = record["head"], record["at"], record["port"]
        self.parallel = record.get("parallel", 1) # requests under way when it came, itself included
        # of the answer, when all of it was written
        self.answered_at, self.status = record.get("answered_at"), record.get("status")

    def header(self, name):
        """The value; None when it's missing; fails when it came twice."""
        values = self.header_values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def header_values(self, name):
        return [value for field, value in self.headers if field.lower() == name.lower()]

    @property
    def event_id(self):
        return self.header("Postern-Event-Id")

    @property
    def attempt(self):
        return int(self.header("Postern-Attempt"))

    @property
    def key(self):
        return self.header("X-Event-Id")

    def succeeded(self):
        """True when it was answered with 2xx."""
        return self.complete and self.status is not None and 200 <= self.status < 300


class Upstream:
    def __init__(self, folder, name="upstream"):
        self.log_path = os.path.join(str(folder), name + ".log")
        with open(os.path.join(str(folder), name + ".err"), "ab") as errors:
            self.child = subprocess.Popen([sys.executable, SERVER, self.log_path], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=errors, text=True,
                                          preexec_fn=die_with_parent)
        self.port = json.loads(self.child.stdout.readline())["port"]

    def command(self, **command):
        self.child.stdin.write(json.dumps(command) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def script(self, path, *steps):
        """What happens to the next requests of this path; the last step stays."""
        self.command(script=path, steps=list(steps))

    def default(self, **step):
        self.command(default=step)

    def open_gate(self, name):
        """Lets the answers go that wait for it."""
        self.command(open=name)

    def close_idle(self):
        """Ends the connections no request is on."""
        self.command(close_idle=True)

    def set_listening(self, listening):
        self.command(listening=listening)

    def down(self):
        """As if its process had died: connections end, new ones are refused."""
        self.command(listening=False, cut=True)

    def up(self):
        self.set_listening(True)

    def freeze(self):
        """The kernel still takes connections and bytes, nobody answers; no commands meanwhile."""
        self.child.send_signal(signal.SIGSTOP)

    def resume(self):
        self.child.send_signal(signal.SIGCONT)

    def connections(self):
        """How many connections were ever accepted."""
        return self.command()["connections"]

    def another_port(self):
        """One more it listens on, so that its log tells apart who came by which."""
        return self.command(another_port=True)["port"]

    def wait_abandoned(self, port=None):
        """Waits until it has read all that the clients of a port, who are dead, had sent; when that was, by its clock."""
        port = port or self.port
        self.knock(port)
        wait_until(lambda: self.command(port=port)["open"] == 0, "its connections have ended")
        return time.time()

    @staticmethod
    def knock(port):
        """Returns when every connection is known that was made before: they are taken in their order."""
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)) as last:
            last.shutdown(socket.SHUT_WR)
            while last.recv(4096):
                pass

    def records(self):
        """What the log says of each request, with the end of its answer, if it came to that."""
        found = {}
        for line in read_lines(self.log_path):
            record = json.loads(line)
            if "answered" in record:
                found[record["answered"]].update(status=record["status"], answered_at=record["at"])
            else:
                found[record["number"]] = record
        return list(found.values())

    def malformed(self):
        """What came that isn't strict HTTP/1.1; has to be empty always."""
        return [record for record in self.records() if "malformed" in record]

    def requests(self, path=None):
        """All well-formed requests, or those whose target is or begins with `path` and '?'."""
        found = [Request(record) for record in self.records() if "malformed" not in record]
        return [r for r in found if path is None or r.target == path or r.target.startswith(path + "?")]

    def attempts(self, event_id):
        """All requests of one event, in order."""
        return [request for request in self.requests() if request.event_id == event_id]

    def wait_requests(self, count, path=None):
        """Waits until at least `count` came."""
        wait_until(lambda: len(self.requests(path)) >= count,
                   lambda: f"{count} requests at the upstream, there are {len(self.requests(path))}")
        return self.requests(path)

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()
