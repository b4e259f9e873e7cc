# SPDX-License-Identifier: Apache-2.0
"""Senders as they are: they send a key until they are told something final, and write down every answer."""
import queue
import threading

from checker import Told
from harness import http
from harness.wait import wait_until

FINAL = ("accepted", "duplicate", "bypassed")


def attempt(port, told, key, body=b"{}", timeout_s=15):
    """One try; true when it got a final answer."""
    try:
        with http.Connection(port, timeout_s) as connection:
            answer = connection.request("POST", "/", [("X-Event-Id", key)], body)
    except ConnectionRefusedError:
        return False
    except (OSError, http.Closed):
        told.lost(key)
        return False
    told.answered(key, answer)
    return answer.outcome in FINAL


class Senders:
    """Threads that send the keys they are fed, to the gateways in turn: a try that failed goes to the next one."""

    def __init__(self, ports, count=4):
        self.ports, self.told = ports, Told()
        self.work = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.fed = self.done = 0
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, turn):
        pause = threading.Event()
        while (key := self.work.get()) is not None:
            while not attempt(self.ports[turn % len(self.ports)], self.told, key):
                turn += 1
                pause.wait(0.03) # a sender's back-off
            with self.lock:
                self.done += 1

    def feed(self, keys):
        for key in keys:
            self.work.put(key)
            self.fed += 1

    def wait_done(self, count, timeout_s=30):
        wait_until(lambda: self.done >= count, lambda: f"{self.done} of {count} are told something final", timeout_s)

    def finish(self, timeout_s=30):
        """Waits until every sender was told something final."""
        for _ in self.threads:
            self.work.put(None)
        self.wait_done(self.fed, timeout_s)
