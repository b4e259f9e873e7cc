# SPDX-License-Identifier: Apache-2.0
"""The part `peers`: proxied events beside what others do for them, and the memory of idle connections."""
import socket
from pathlib import Path

import load
import report
import servers

HERE = Path(__file__).resolve().parent
IDLE_CONNECTIONS = 5000


def start_nginx_lua(run):
    port = servers.free_port()
    modules = "load_module /usr/lib/nginx/modules/ndk_http_module.so; load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;"
    process = run.nginx("lua", port, f"""
        lua_package_path "/usr/share/lua/5.1/?.lua;/usr/share/nginx/lua/?.lua;/usr/share/lua/5.1/nginx/?.lua;;";
        upstream up {{ server 127.0.0.1:{run.upstream.port}; keepalive 256; keepalive_requests 1000000000; }}
        server {{ listen 127.0.0.1:{port} backlog=4096; client_body_buffer_size 64k;
          location / {{ access_by_lua_file {HERE}/dedup.lua; set $redis_port {run.redis_port};
            proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""", modules=modules)
    return servers.Peer(run, "nginx + Lua", port, process)


def start_haproxy(run):
    port = servers.free_port()
    config = run.folder / "haproxy.cfg"
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
  server up 127.0.0.1:{run.upstream.port} pool-max-conn 256
""")
    return servers.Peer(run, "haproxy", port, run.start(["haproxy", "-db", "-f", str(config)], port, "haproxy"))


def cases(run):
    """(name, peer, mode) in the order of a round."""
    haproxy, lua = start_haproxy(run), start_nginx_lua(run)
    redis_pg = run.postern("postern redis + postgres", "peers")
    with_l1 = run.postern("postern with L1", "peers_l1", l1_keys=200000)
    embedded = run.postern("postern embedded")
    return [
        (report.BASE, run.nginx_plain(), "unique"),
        ("haproxy stick table, unique", haproxy, "unique"),
        ("haproxy stick table, duplicate", haproxy, "duplicate"),
        ("nginx + Lua SET NX EX, unique", lua, "unique"),
        ("nginx + Lua SET NX EX, duplicate", lua, "duplicate"),
        ("postern unique (redis + postgres async)", redis_pg, "unique"),
        ("postern duplicate through redis", redis_pg, "duplicate"),
        ("postern duplicate from L1", with_l1, "duplicate"),
        ("postern unique (embedded: memory + sqlite)", embedded, "unique"),
        ("postern duplicate (embedded)", embedded, "duplicate"),
    ]


def idle_bytes(peer):
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


def idle_memory(run):
    """Of fresh processes: what the load left behind would hide what a connection costs."""
    plain = run.nginx_plain("plain-idle")
    postern = run.postern("postern idle", "peers_idle", l1_keys=200000)
    for peer in (plain, postern):
        peer.warm("unique", "")
    return [("nginx: resident bytes per idle keep-alive connection", f"{idle_bytes(plain):,.0f}"),
            ("postern: resident bytes per idle keep-alive connection (goal: 2,048)", f"{idle_bytes(postern):,.0f}")]


def part(run, args):
    results = load.measure(run, chosen(cases(run), args.only), args.rounds, args.seconds)
    text = report.compared(results, args)
    return text if args.quick else text + report.table(("memory", "bytes"), idle_memory(run))


def chosen(found, only, base=report.BASE):
    words = [word for word in only.split(",") if word]
    return [case for case in found if not words or case[0] == base or any(word in case[0] for word in words)]
