# SPDX-License-Identifier: Apache-2.0
"""The processes of the benchmark: upstream, stores, and the peers, each started on free ports in one folder and ended by its id."""
import os
import pwd
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_CONNECTIONS = 5000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as s:
            s.settimeout(0.2)
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"{process.args[0]} does not listen on {port}")


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


class Peer:
    """A proxy under load."""

    def __init__(self, name, port, process):
        self.name, self.port, self.process = name, port, process

    def cpu_seconds(self):
        ticks = 0
        for pid in descendants(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def resident_bytes(self):
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in descendants(self.process.pid))
        return pages * os.sysconf("SC_PAGESIZE")

    def post(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/hook", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    def warm(self, mode, tag):
        """The event whose copies the duplicate load sends has been accepted; connections to the upstream are open."""
        if mode == "duplicate":
            head = f'{{"id":"{tag}","type":"invoice.paid","pad":"'
            self.post((head + "x" * (1024 - len(head) - 2) + '"}').encode())
        else:
            self.post(b'{"warm":"' + os.urandom(8).hex().encode() + b'"}')

    def outcomes(self):
        return None

    def check(self, mode, requests, before):
        """Peers without books have nothing to check."""


class Postern(Peer):
    def __init__(self, name, port, process, admin):
        super().__init__(name, port, process)
        self.admin = admin

    def outcomes(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = {}
        for outcome, value in re.findall(r'postern_requests_ended_total\{route="hook",book="\w+",outcome="(\w+)"\} (\d+)', text):
            found[outcome] = int(value)
        return found

    def check(self, mode, requests, before):
        """The load did what it says: unique events were all accepted, copies were all duplicates."""
        after = self.outcomes()
        wanted = "accepted" if mode == "unique" else "duplicate"
        others = {name: after[name] - before[name] for name in after if name != wanted and after[name] != before[name]}
        if others or after[wanted] - before[wanted] < requests:
            raise SystemExit(f"{self.name} {mode}: {requests} requests, {after[wanted] - before[wanted]} {wanted}, others {others}")


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def __enter__(self):
        try:
            self.folder.chmod(0o755)
            self.upstream_port = self.start_upstream()
            self.redis_port = self.start_redis()
            self.postgres_port = self.start_postgres()
            self.start_peers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, command, port, log):
        with open(self.folder / f"{log}.log", "ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.folder)
        self.processes.append(process)
        try:
            wait_for_port(port, process)
        except SystemExit as end:
            raise SystemExit(f"{end}\n{(self.folder / f'{log}.log').read_text()[-2000:]}") from None
        return process

    # ---- servers ----

    def nginx(self, name, port, http, modules=""):
        folder = self.folder / name
        folder.mkdir()
        paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; master_process on; worker_processes 1; user root; pid {folder}/pid; error_log {folder}/error.log;\n{modules}\n"
            f"worker_rlimit_nofile 16384; events {{ worker_connections 8192; }}\n"
            f"http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; {paths}\n{http} }}\n")
        return self.start(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], port, name)

    def start_upstream(self):
        port = free_port()
        self.nginx("upstream", port, f'server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ default_type application/json; return 200 "{{\\"ok\\":true}}"; }} }}')
        return port

    def start_redis(self):
        port = free_port()
        self.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)], port, "redis")
        return port

    def as_postgres(self, command):
        return ["runuser", "-u", "postgres", "--"] + command if os.geteuid() == 0 else command

    def start_postgres(self):
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        data = self.folder / "pg"
        data.mkdir()
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(data, account.pw_uid, account.pw_gid)
        subprocess.run(self.as_postgres([str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]), check=True, stdout=subprocess.DEVNULL, cwd="/")
        port = free_port()
        self.start(self.as_postgres([str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"]), port, "postgres")
        return port

    def clear(self):
        """No keys of an earlier turn, and the journal has caught up, so that each turn pays only for itself."""
        with socket.create_connection(("127.0.0.1", self.redis_port)) as s:
            s.sendall(b"FLUSHALL\r\n")
            s.recv(64)
        for peer in self.posterns:
            self.wait_idle(peer)

    @staticmethod
    def wait_idle(peer):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            if re.search(r"^postern_journal_pending_rows 0$", text, re.M):
                return
            time.sleep(0.1)
        raise SystemExit(f"{peer.name}: the journal does not catch up")

    # ---- peers ----

    def start_nginx_plain(self, name="plain"):
        port = free_port()
        process = self.nginx(name, port, f"""
            upstream up {{ server 127.0.0.1:{self.upstream_port}; keepalive 256; keepalive_requests 1000000000; }}
            server {{ listen 127.0.0.1:{port} backlog=4096;
              location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""")
        return Peer("nginx", port, process)

    def start_nginx_lua(self):
        port = free_port()
        modules = "load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;"
        process = self.nginx("lua", port, f"""
            lua_package_path "/usr/share/lua/5.1/?.lua;/usr/share/nginx/lua/?.lua;/usr/share/lua/5.1/nginx/?.lua;;";
            upstream up {{ server 127.0.0.1:{self.upstream_port}; keepalive 256; keepalive_requests 1000000000; }}
            server {{ listen 127.0.0.1:{port} backlog=4096; client_body_buffer_size 64k;
              location / {{ access_by_lua_file {ROOT}/bench/dedup.lua; set $redis_port {self.redis_port};
                proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""", modules)
        return Peer("nginx + Lua", port, process)

    def start_haproxy(self):
        port = free_port()
        config = self.folder / "haproxy.cfg"
        config.write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 300s
  timeout server 30s
  timeout connect 5s
  timeout http-keep-alive 300s
  option http-buffer-request
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  http-request set-var(txn.key) req.body,sha2(256)
  http-request track-sc0 var(txn.key) table seen
  acl known sc0_get_gpc0(seen) gt 0
  http-request return status 200 content-type application/json string '{{"outcome":"duplicate"}}' if known
  http-request sc-inc-gpc0(0)
  default_backend up
backend seen
  stick-table type binary len 32 size 10m expire 24h store gpc0
backend up
  server up 127.0.0.1:{self.upstream_port} pool-max-conn 256
""")
        return Peer("haproxy", port, self.start(["haproxy", "-db", "-f", str(config)], port, "haproxy"))

    def start_postern(self, name, stores, l1_keys):
        port, admin = free_port(), free_port()
        folder = self.folder / re.sub(r"\W+", "-", name)
        folder.mkdir()
        if stores == "redis":
            lines = (f'dedup: {{store: redis, redis: {{url: "redis://127.0.0.1:{self.redis_port}/0"}}, l1: {{max_keys: {l1_keys}}}}}\n'
                     f'journal: {{store: postgres, postgres: {{url: "postgresql://postgres@127.0.0.1:{self.postgres_port}/postgres"}}}}\n')
        else:
            lines = f'dedup: {{store: memory}}\njournal: {{store: sqlite, sqlite: {{path: {folder}/postern.db}}}}\n'
        config = folder / "postern.yaml"
        config.write_text(
            f"workers: 1\nlisten:\n  - address: 127.0.0.1:{port}\nadmin: {{address: 127.0.0.1:{admin}}}\n{lines}"
            f"timeouts: {{idle: 300s, header: 60s}}\nlog: {{level: warn, access_sample: 0}}\n"
            f'upstreams:\n  up:\n    endpoints: ["http://127.0.0.1:{self.upstream_port}"]\n'
            f"routes:\n  - name: hook\n    match: {{path: /hook}}\n    upstream: up\n")
        binary = ROOT / "build/release/postern"
        peer = Postern(name, port, self.start([str(binary), "serve", "-c", str(config)], port, folder.name), admin)
        self.posterns.append(peer)
        return peer

    def start_peers(self):
        self.posterns = []
        self.plain = self.start_nginx_plain()
        self.haproxy = self.start_haproxy()
        self.lua = self.start_nginx_lua()
        self.redis_pg = self.start_postern("postern redis + postgres", "redis", 0)
        self.with_l1 = self.start_postern("postern with L1", "redis", 200000)
        self.embedded = self.start_postern("postern embedded", "memory", 0)

    def cases(self):
        """(name, peer, mode) in the order of a round."""
        return [
            (report.BASE, self.plain, "unique"),
            ("haproxy stick table, unique", self.haproxy, "unique"),
            ("haproxy stick table, duplicate", self.haproxy, "duplicate"),
            ("nginx + Lua SET NX EX, unique", self.lua, "unique"),
            ("nginx + Lua SET NX EX, duplicate", self.lua, "duplicate"),
            ("postern unique (redis + postgres async)", self.redis_pg, "unique"),
            ("postern duplicate through redis", self.redis_pg, "duplicate"),
            ("postern duplicate from L1", self.with_l1, "duplicate"),
            ("postern unique (embedded: memory + sqlite)", self.embedded, "unique"),
            ("postern duplicate (embedded)", self.embedded, "duplicate"),
        ]

    # ---- memory ----

    def idle_bytes(self, peer):
        """Resident bytes per connection that has served a request and now idles."""
        request = b"POST /hook HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\n{}"
        before = peer.resident_bytes()
        sockets = []
        try:
            for _ in range(IDLE_CONNECTIONS):
                s = socket.create_connection(("127.0.0.1", peer.port), 10)
                s.sendall(request)
                if not s.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"{peer.name}: an idle connection's request failed")
                sockets.append(s)
            return (peer.resident_bytes() - before) / IDLE_CONNECTIONS
        finally:
            for s in sockets:
                s.close()

    def memory(self):
        """Of fresh processes: what the load left behind would hide what a connection costs."""
        plain = self.start_nginx_plain("plain-idle")
        postern = self.start_postern("postern idle", "redis", 200000)
        for peer in (plain, postern):
            peer.warm("unique", "")
        return {
            "nginx: resident bytes per idle keep-alive connection": self.idle_bytes(plain),
            "postern: resident bytes per idle keep-alive connection (goal: 2,048)": self.idle_bytes(postern),
        }
