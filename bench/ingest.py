#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rows per second into PostgreSQL: the journal (bench_ingest) beside psql's \\copy of the same rows from a text file.

usage: bench/ingest.py [--build DIR] [--rows N] [--rounds N] [--batch N]

Starts a PostgreSQL of its own with default settings (fsync on). Both load into the same tables with the same indexes, emptied and
checkpointed before each turn; they take turns, the ratio is taken within a round, and the median over the rounds is told as one line of JSON.
psql is timed by itself (\\timing), without its start.
"""
import argparse
import json
import os
import pwd
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("id, received_at, route, key, window_ends_at, method, target, headers, content_type, body, client, mode, state, outcome, "
           "response_status, duration_ms, attempts, next_attempt_at, lease_until, lease_owner")


def as_postgres(command):
    return ["runuser", "-u", "postgres", "--"] + command if os.geteuid() == 0 else command


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A cluster in `folder`; ends with the `with` block."""

    def __init__(self, folder):
        self.binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.data, self.port = Path(folder) / "data", free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
            os.chown(self.data, account.pw_uid, account.pw_gid)

    def control(self, *words):
        subprocess.run(as_postgres([str(self.binaries / "pg_ctl"), "-D", str(self.data), "-w", *words]), check=True, stdout=subprocess.DEVNULL, cwd="/")

    def __enter__(self):
        subprocess.run(as_postgres([str(self.binaries / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]),
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data}"
        self.control("-o", options, "-l", str(self.data / "log"), "start")
        return self

    def __exit__(self, *_):
        self.control("-m", "immediate", "stop")

    def psql(self, *commands):
        words = [word for command in commands for word in ("-c", command)]
        return subprocess.run(["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", *words, self.url], check=True, capture_output=True, text=True).stdout

    def empty(self):
        self.psql("TRUNCATE event", "CHECKPOINT")


def build():
    subprocess.run(["cmake", "--preset", "bench"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "bench", "--target", "bench_ingest", "--", "-j2"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "build/bench"


def wait_for_quiet():
    """Other work on this machine would be measured with us; says so instead of waiting for ever."""
    until = time.monotonic() + 60
    while os.getloadavg()[0] > os.cpu_count() and time.monotonic() < until:
        time.sleep(1)


def journal(server, args):
    command = [str(args.build / "bench/bench_ingest"), server.url, str(args.rows)] + ([str(args.batch)] if args.batch else [])
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["rows_per_s"]


def copy(server, args, file):
    out = server.psql("\\timing on", f"\\copy event ({COLUMNS}) FROM '{file}'")
    return args.rows / (float(re.search(r"Time: ([\d.]+) ms", out)[1]) / 1000)


def check(server, args):
    found = int(server.psql("SELECT count(*) FROM event"))
    if found != args.rows:
        raise SystemExit(f"{found} rows instead of {args.rows}")


def measure(server, args, file):
    journal(server, args)
    check(server, args)
    # The form of bytea that is smaller here, and faster to read, than its default.
    server.psql("SET bytea_output = escape", f"\\copy (SELECT {COLUMNS} FROM event ORDER BY id) TO '{file}'")
    rounds = []
    for number in range(args.rounds):
        wait_for_quiet()
        server.empty()
        ours = journal(server, args)
        server.empty()
        theirs = copy(server, args, file)
        check(server, args)
        rounds.append((ours, theirs))
        print(f"  round {number + 1}  journal {ours:8.0f} rows/s  psql \\copy {theirs:8.0f} rows/s  ratio {ours / theirs:.2f}", file=sys.stderr, flush=True)
    return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="a build with POSTERN_BENCH=ON; without one build/bench is made")
    parser.add_argument("--rows", type=int, default=200000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=0, help="this many durable rows at a time instead of as many as the buffer takes")
    args = parser.parse_args()
    args.build = args.build or build()
    with tempfile.TemporaryDirectory(prefix="postern-ingest-") as folder, Server(folder) as server:
        rounds = measure(server, args, Path(folder) / "rows.txt")
    ratios = [ours / theirs for ours, theirs in rounds]
    print(json.dumps({
        "rows": args.rows, "rounds": args.rounds,
        "journal_rows_per_s": round(statistics.median(ours for ours, _ in rounds)),
        "psql_copy_rows_per_s": round(statistics.median(theirs for _, theirs in rounds)),
        "ratio": round(statistics.median(ratios), 2), "ratio_min": round(min(ratios), 2), "ratio_max": round(max(ratios), 2),
    }))


if __name__ == "__main__":
    main()
