# SPDX-License-Identifier: Apache-2.0
"""Load by wrk: 1 KiB JSON POSTs over kept connections, as fast as they are answered, or at a given rate (Paced)."""
import os
import signal
import subprocess
from pathlib import Path

from servers import wait_until

HERE = Path(__file__).resolve().parent
CONNECTIONS = 64
PACED_CONNECTIONS = 512
FILL_SECONDS = 120 # at most


def command(peer, script, connections, seconds):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / script), f"{peer.scheme}://127.0.0.1:{peer.port}/hook"]


def start(peer, script, connections, seconds, **settings):
    """wrk under way; ends early, with its result, when it gets a SIGINT."""
    env = os.environ | {f"BENCH_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(command(peer, script, connections, seconds), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peer.servers.processes.append(process)
    return process


def finish(process, now=False):
    """The numbers of the script's last line."""
    if now:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=600)
    found = [line for line in out.splitlines() if line.startswith("RESULT")]
    if not found:
        raise SystemExit(f"wrk: {out}")
    return [int(word) for word in found[0].split()[1:]]


def drive(peer, mode, seconds, tag):
    """One turn of load; returns its figures."""
    before = peer.cpu_seconds()
    requests, duration_us, errors, p50, p99 = finish(start(peer, "load.lua", CONNECTIONS, seconds, mode=mode, run=tag))
    cpu = peer.cpu_seconds() - before
    if errors:
        raise SystemExit(f"{peer.name} {mode}: {errors} of {requests} requests failed")
    return {"rps": requests / (duration_us / 1e6), "cpu_us": cpu * 1e6 / requests, "p50_us": p50, "p99_us": p99, "requests": requests,
            "cpu_before": before}


def fill(peer, count):
    """Unique events until at least `count` are accepted; returns how many requests were answered."""
    process = start(peer, "load.lua", CONNECTIONS, FILL_SECONDS, mode="unique", run="fill")
    wait_until(lambda: peer.accepted() >= count, f"{count} events are accepted", FILL_SECONDS, 0.1)
    requests, _, errors, _, _ = finish(process, now=True)
    if errors:
        raise SystemExit(f"{peer.name}: {errors} of {requests} requests failed")
    return requests


def one_turn(peer, mode, seconds, tag):
    peer.warm(mode, tag)
    counts = peer.outcomes()
    figures = drive(peer, mode, seconds, tag)
    peer.check(mode, figures, counts)
    return figures


def measure(servers, cases, rounds, seconds):
    """{case name: [figures of each round]}; cases are (name, peer, mode), which take turns."""
    results = {name: [] for name, _, _ in cases}
    for number in range(rounds):
        for name, peer, mode in cases:
            servers.clear_keys()
            for other in {peer for _, peer, _ in cases}:
                other.prepare()
            figures = one_turn(peer, mode, seconds, f"{number}-{name}")
            results[name].append(figures)
            print(f"  round {number + 1}  {name:48} {figures['rps']:8.0f} req/s  {figures['cpu_us']:6.2f} us CPU", flush=True)
    return results


class Paced:
    """An open loop: unique events at `rate` per second, each due at its own time, whether the last ones were answered or not (as long as
    one of the connections is free; what is late is sent as soon as one is). Notes the event id of every 202."""

    def __init__(self, peer, rate, seconds, tag):
        self.accepted = peer.folder / f"{tag}.accepted"
        self.process = start(peer, "paced.lua", PACED_CONNECTIONS, seconds, run=tag, rate=rate, accepted=self.accepted)
        wait_until(lambda: self.accepted.exists() and self.accepted.stat().st_size > 0, "the paced load has begun", 10)

    def finish(self, now=False):
        """(requests answered, seconds, answers other than 202, transport errors, most lateness in ms)"""
        requests, duration_us, others, errors, late_ms = finish(self.process, now)
        return requests, duration_us / 1e6, others, errors, late_ms

    def ids(self):
        """The event ids of all 202s."""
        return self.accepted.read_text().split()
