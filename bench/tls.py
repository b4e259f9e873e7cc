# SPDX-License-Identifier: Apache-2.0
"""The part `tls`: proxied events whose senders speak TLS, beside nginx's proxy with TLS. Connections are kept, as a sender's are, and the
upstream is plain for both: what is compared is the records, not the handshakes."""
import ssl
import subprocess
import urllib.request

import load
import peers
import report
import servers

BASE = "nginx TLS proxy"


class SecurePeer(servers.Peer):
    scheme = "https"

    def post(self, content):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/hook", data=content, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
            return answer.status


class SecurePostern(SecurePeer, servers.Postern):
    pass


def make_certificate(folder):
    """P-256, as most are today."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-days", "2",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def start_nginx(run, certificate, key):
    port = servers.free_port()
    process = run.nginx("tls", port, f"""
        upstream up {{ server 127.0.0.1:{run.upstream.port}; keepalive 256; keepalive_requests 1000000000; }}
        server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
          location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""")
    return SecurePeer(run, "nginx with TLS", port, process)


def cases(run):
    """(name, peer, mode) in the order of a round."""
    certificate, key = make_certificate(run.folder)
    listen = f"    tls: {{certificate: {certificate}, key: {key}}}\n"
    observe = run.postern("postern tls observe", mode="observe", listen=listen, kind=SecurePostern)
    unique = run.postern("postern tls", listen=listen, kind=SecurePostern)
    shared = run.postern("postern tls redis", "tls", listen=listen, kind=SecurePostern)
    return [
        (BASE, start_nginx(run, certificate, key), "unique"),
        ("postern TLS, observed (memory + sqlite)", observe, "unique"),
        ("postern TLS, unique (memory + sqlite)", unique, "unique"),
        ("postern TLS, unique (redis + postgres async)", shared, "unique"),
        ("postern TLS, duplicate (memory + sqlite)", unique, "duplicate"),
    ]


def part(run, args):
    results = load.measure(run, peers.chosen(cases(run), args.only, BASE), args.rounds, args.seconds)
    return report.compared(results, args, BASE)
