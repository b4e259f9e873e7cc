# SPDX-License-Identifier: Apache-2.0
"""The processes of the benchmark: upstreams, stores, nginx and Postern, each started on a free port of the loopback in one folder
and ended by its id. What is measured with them is in the files of the parts."""
import os
import pwd
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=60, pause_s=0.05):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause_s)
    raise SystemExit(f"after {seconds} s still not: {what}")


def listens(port):
    with socket.socket() as s:
        s.settimeout(0.2)
        return s.connect_ex(("127.0.0.1", port)) == 0


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def descendants(pid):
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += descendants(int(path.parent.name))
    return found


def body(tag):
    """What load.lua sends for this tag."""
    head = f'{{"id":"{tag}","type":"invoice.paid","pad":"'
    return (head + "x" * (1024 - len(head) - 2) + '"}').encode()


class Peer:
    """A proxy under load."""

    scheme = "http"

    def __init__(self, servers, name, port, process):
        self.servers, self.name, self.port, self.process = servers, name, port, process

    def cpu_seconds(self):
        """User and system time of its processes, and of nothing else."""
        ticks = 0
        for pid in descendants(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def resident_bytes(self):
        return PAGE_BYTES * sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in descendants(self.process.pid))

    def post(self, content):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/hook", data=content, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    # What happens around a turn of load (load.measure); a peer without books has nothing to check.

    def prepare(self):
        """Before a turn: nothing of an earlier one is left to be done or paid for."""

    def warm(self, mode, tag):
        """The event whose copies the duplicate load sends has been accepted; connections to the upstream are open."""
        self.post(body(tag) if mode == "duplicate" else b'{"warm":"' + os.urandom(8).hex().encode() + b'"}')

    def outcomes(self):
        return None

    def check(self, mode, figures, before):
        """After a turn: what was measured is what the case says."""


class Postern(Peer):
    """A gateway; `database` is its own in PostgreSQL, None when it is embedded."""

    def __init__(self, servers, name, port, process, admin, folder, database):
        super().__init__(servers, name, port, process)
        self.admin, self.folder, self.database = admin, folder, database

    def metrics(self):
        """{series: number}"""
        lines = get(f"http://127.0.0.1:{self.admin}/metrics").splitlines()
        return {series: float(number) for series, number in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}

    def metric(self, name):
        """The sum over its labels; one with a single series is told without them."""
        return sum(number for series, number in self.metrics().items() if series.partition("{")[0] == name)

    def is_ready(self):
        try:
            return get(f"http://127.0.0.1:{self.admin}/readyz") is not None
        except urllib.error.HTTPError:
            return False

    def is_idle(self):
        """All that was taken is recorded, and its series say so."""
        return self.metric("postern_journal_pending_rows") == 0 and self.metric("postern_queue_pending_outcomes") == 0

    def prepare(self):
        wait_until(self.is_idle, f"{self.name}: the journal has caught up", pause_s=0.1)

    def outcomes(self):
        found = {}
        for series, number in self.metrics().items():
            match = re.fullmatch(r'postern_requests_ended_total\{route="hook",book="\w+",outcome="(\w+)"\}', series)
            if match:
                found[match[1]] = int(number)
        return found

    def accepted(self):
        return Postern.outcomes(self)["accepted"]

    def check(self, mode, figures, before):
        """Unique events were all accepted, copies were all duplicates."""
        after, requests = self.outcomes(), figures["requests"]
        wanted = "accepted" if mode == "unique" else "duplicate"
        others = {name: after[name] - before[name] for name in after if name != wanted and after[name] != before[name]}
        if others or after[wanted] - before[wanted] < requests:
            raise SystemExit(f"{self.name} {mode}: {requests} requests, {after[wanted] - before[wanted]} {wanted}, others {others}")

    # Memory

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_bytes(self):
        """Most resident memory since forget_peak."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


class Upstream:
    """An nginx that answers 200 with a small JSON. One that starts `down` holds its port without listening until start();
    with a `log` it notes the event id of each request."""

    def __init__(self, servers, name, down=False, log=False):
        self.servers, self.name, self.asked = servers, name, 0
        self.log = servers.folder / f"{name}.ids" if log else None
        self.held = socket.socket()
        self.held.bind(("127.0.0.1", 0))
        self.port, self.process = self.held.getsockname()[1], None
        if not down:
            self.start()

    def start(self):
        self.held.close()
        log = f"log_format ids $http_postern_event_id; access_log {self.log} ids buffer=64k flush=1s;" if self.log else "access_log off;"
        self.process = self.servers.nginx(self.name, self.port, f"""
            server {{ listen 127.0.0.1:{self.port} backlog=4096; keepalive_timeout 300s;
              location / {{ default_type application/json; return 200 "{{\\"ok\\":true}}"; }}
              location = /count {{ access_log off; stub_status; }} }}""", log)

    def answered(self):
        """Requests it got, by its own count. All of them are answered 200."""
        self.asked += 1
        numbers = get(f"http://127.0.0.1:{self.port}/count").splitlines()[2].split()
        return int(numbers[2]) - self.asked

    def ids(self):
        """The event id of every request it answered, when its log is complete."""
        expected = self.answered()

        def complete():
            lines = self.log.read_text().split()
            return lines if len(lines) >= expected else None
        return wait_until(complete, f"{self.name} has logged {expected} requests") if expected else []


class Postgres:
    """A cluster with default settings (fsync on)."""

    def __init__(self, servers):
        self.servers, self.port, self.data = servers, free_port(), servers.folder / "pg"
        self.binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.data.mkdir()
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.data, account.pw_uid, account.pw_gid)
        subprocess.run(self.as_postgres("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8"), check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.start()

    def as_postgres(self, program, *words):
        """It refuses to run as root. setpriv becomes the program, so that signals reach it."""
        account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if os.geteuid() == 0 else []
        return account + [str(self.binaries / program), *map(str, words)]

    def start(self):
        command = self.as_postgres("postgres", "-D", self.data, "-p", self.port, "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.data}")
        self.process = self.servers.start(command, self.port, "postgres")
        wait_until(self.is_up, "PostgreSQL answers", pause_s=0.02)

    def stop(self):
        """A fast shutdown: whoever is connected is cut off."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def is_up(self):
        return subprocess.run(["psql", "-X", "-q", "-c", "SELECT", self.url("postgres")], capture_output=True, check=False).returncode == 0

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def psql(self, database, *commands):
        """The last command's answer."""
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", *words, self.url(database)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"psql: {done.stderr}")
        return done.stdout.strip()

    def create(self, database):
        self.psql("postgres", f"CREATE DATABASE {database}")

    def count(self, database, where="true"):
        return int(self.psql(database, f"SELECT count(*) FROM event WHERE {where}"))


class Servers:
    """The folder and all that runs in it; ends with the `with` block."""

    def __init__(self, folder, binaries):
        self.folder, self.binaries, self.processes = folder, binaries, []

    def __enter__(self):
        try:
            self.folder.chmod(0o755)
            self.upstream = Upstream(self, "upstream")
            self.redis_port = self.start_redis()
            self.postgres = Postgres(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)

    def start(self, command, port, log):
        path = self.folder / f"{log}.log"
        with open(path, "ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.folder)
        self.processes.append(process)

        def listens_or_ended():
            return process.poll() is not None or listens(port)
        wait_until(listens_or_ended, f"{command[0]} listens", 30, 0.02)
        if process.returncode is not None:
            raise SystemExit(f"{command[0]} ended with {process.returncode}\n{path.read_text()[-2000:]}")
        return process

    def end(self, process):
        """Asks it to, and makes sure."""
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def clear_keys(self):
        with socket.create_connection(("127.0.0.1", self.redis_port)) as s:
            s.sendall(b"FLUSHALL\r\n")
            s.recv(64)

    # ---- what can be started ----

    def start_redis(self):
        port = free_port()
        self.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)], port, "redis")
        return port

    def nginx(self, name, port, http, access_log="access_log off;", modules=""):
        folder = self.folder / name
        folder.mkdir()
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process on; worker_processes 1; user root; pid {folder}/pid; error_log {folder}/error.log;\n{modules}\n"
            f"worker_rlimit_nofile 16384; events {{ worker_connections 8192; }}\n"
            f"http {{ {access_log} keepalive_requests 1000000000; keepalive_timeout 300s; {paths}\n{http} }}\n")
        return self.start(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], port, name)

    def nginx_plain(self, name="plain"):
        port = free_port()
        process = self.nginx(name, port, f"""
            upstream up {{ server 127.0.0.1:{self.upstream.port}; keepalive 256; keepalive_requests 1000000000; }}
            server {{ listen 127.0.0.1:{port} backlog=4096;
              location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""")
        return Peer(self, "nginx", port, process)

    def postern(self, name, database=None, l1_keys=0, mode="proxy", upstream=None, up="", route="", listen="", kind=Postern):
        """One worker, with Redis and a database of its own in PostgreSQL, or embedded. `up`, `route` and `listen` are further settings."""
        port, admin = free_port(), free_port()
        folder = self.folder / re.sub(r"\W+", "-", name)
        folder.mkdir()
        if database:
            self.postgres.create(database)
            lines = (f'dedup: {{store: redis, redis: {{url: "redis://127.0.0.1:{self.redis_port}/0", prefix: {database}}}, l1: {{max_keys: {l1_keys}}}}}\n'
                     f'journal: {{store: postgres, postgres: {{url: "{self.postgres.url(database)}"}}, spool: {{path: {folder}/spool.db}}}}\n')
        else:
            lines = f'dedup: {{store: memory}}\njournal: {{store: sqlite, sqlite: {{path: {folder}/postern.db}}}}\n'
        config = folder / "postern.yaml"
        config.write_text(
            f"workers: 1\nlisten:\n  - address: 127.0.0.1:{port}\n{listen}admin: {{address: 127.0.0.1:{admin}}}\n{lines}"
            f"timeouts: {{idle: 300s, header: 60s}}\nlog: {{level: warn, access_sample: 0}}\n"
            f'upstreams:\n  up:\n    endpoints: ["http://127.0.0.1:{(upstream or self.upstream).port}"]\n{up}'
            f"routes:\n  - name: hook\n    match: {{path: /hook}}\n    upstream: up\n    mode: {mode}\n{route}")
        process = self.start([str(self.binaries / "postern"), "serve", "-c", str(config)], port, folder.name)
        gateway = kind(self, name, port, process, admin, folder, database)
        wait_until(gateway.is_ready, f"{name} is ready", 30)
        return gateway
