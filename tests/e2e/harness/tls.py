# SPDX-License-Identifier: Apache-2.0
"""TLS around the gateway: certificates made by the openssl command, a client, a front that ends TLS for the scripted
upstream, and a Redis that takes TLS."""
import os
import socket
import ssl
import subprocess
import threading

from . import http
from .process import free_port
from .redis import Redis
from .wait import wait_until

EXPIRED_DAYS = -1 # its last day was yesterday


class Certificate:
    """PEM files of a certificate and its key."""

    def __init__(self, path, key):
        self.path, self.key = path, key

    def config(self):
        return {"certificate": self.path, "key": self.key}


class Authority(Certificate):
    """Signs certificates into `folder`."""

    def __init__(self, folder, name="ca"):
        super().__init__(os.path.join(folder, name + ".crt"), os.path.join(folder, name + ".key"))
        self.folder = folder
        openssl("req", "-x509", *fresh_key(self.key), "-out", self.path, "-subj", f"/CN={name}", "-days", "30",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def sign(self, name, *names, days=30):
        """A certificate for `names` ("DNS:a.test", "IP:127.0.0.1"), in files called `name`."""
        made = Certificate(os.path.join(self.folder, name + ".crt"), os.path.join(self.folder, name + ".key"))
        request, extensions = (os.path.join(self.folder, name + end) for end in (".csr", ".ext"))
        openssl("req", "-new", *fresh_key(made.key), "-out", request, "-subj", f"/CN={name}")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("basicConstraints=CA:FALSE\n" + (f"subjectAltName={','.join(names)}\n" if names else ""))
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-out",
                made.path, "-days", str(days), "-extfile", extensions)
        return made


def fresh_key(path):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def client_context(authority=None, certificate=None, version=None, alpn=None):
    """A client's; without an authority it believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority.path)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate.path, certificate.key)
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class Connection(http.Connection):
    """As http.Connection, secure. `first`: bytes that go before the handshake."""

    def __init__(self, port, context, name="gateway.test", timeout_s=10.0, receive_buffer=None, first=b""):
        super().__init__(port, timeout_s, receive_buffer)
        try:
            self.socket.sendall(first)
            self.socket = context.wrap_socket(self.socket, server_hostname=name)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data):
        try:
            super().send(data)
        except ssl.SSLError:
            pass # shows when reading

    def more(self):
        try:
            super().more()
        except ssl.SSLError as error:
            raise http.Closed("reset") from error


class Front:
    """Ends TLS before the plain server at `port`. `errors`: what handshakes failed of."""

    def __init__(self, port, certificate, client_authority=None):
        self.target, self.errors, self.names, self.handshakes = port, [], [], 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.path, certificate.key)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        if client_authority:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_authority.path)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.cut = False # ends connections without close_notify
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        plain.settimeout(30)
        try:
            secure = self.context.wrap_socket(plain, server_side=True)
        except OSError as error:
            self.errors.append(str(error))
            plain.close()
            return
        self.handshakes += 1
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.carry, args=(server, secure), daemon=True).start()
        self.carry(secure, server)

    def carry(self, source, sink):
        """Until one end is over; then both are."""
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError as error:
            self.errors.append(str(error))
        try:
            if isinstance(sink, ssl.SSLSocket) and not self.cut:
                sink.unwrap()
        except (OSError, ValueError):
            pass # the peer is gone already
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


class SecureRedis(Redis):
    """Takes TLS at `tls_port`, and plain connections of the test at `port`."""

    def __init__(self, folder, certificate, authority, ask_clients=False, name="redis-tls"):
        super().__init__(folder, name=name)
        self.tls_port = free_port()
        self.certificate, self.authority, self.ask_clients = certificate, authority, ask_clients

    def start(self):
        data = os.path.join(self.folder, self.name + "-data")
        os.makedirs(data, exist_ok=True)
        self.spawn(["redis-server", "--port", str(self.port), "--tls-port", str(self.tls_port), "--bind", "127.0.0.1",
                    "--dir", data, "--save", "", "--tls-cert-file", self.certificate.path, "--tls-key-file",
                    self.certificate.key, "--tls-ca-cert-file", self.authority.path, "--tls-auth-clients",
                    "yes" if self.ask_clients else "no"])
        wait_until(self.answers, lambda: "redis answers\n" + self.tail())
        return self

    def url(self, database=0):
        return f"rediss://localhost:{self.tls_port}/{database}"


def secured(gateway, **settings):
    """A gateway that isn't started yet: its listener gets these settings of `tls`."""
    gateway.config["listen"][0]["tls"] = settings
    gateway.write_config()
    return gateway
