# SPDX-License-Identifier: Apache-2.0
"""A raw HTTP/1.1 client: it sends any bytes, and reads answers strictly."""
import json
import select
import socket
import struct


class Closed(Exception):
    """The peer ended the connection where an answer was due."""


class Response:
    def __init__(self, status, headers, body, interim, framing):
        self.status, self.headers, self.body = status, headers, body
        self.interim, self.framing = interim, framing

    def header(self, name):
        """The value; None when it's missing; fails when it came twice."""
        values = [value for field, value in self.headers if field.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def outcome(self):
        return self.header("Postern-Outcome")

    @property
    def event_id(self):
        return self.header("Postern-Event-Id")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def request_bytes(method, target, headers=(), body=b"", host="gateway.test", chunks=None, version="1.1"):
    """One request; a Content-Length is added for a body, or chunked framing for `chunks`."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Connection:
    """One connection to the gateway."""

    def __init__(self, port, timeout_s=10.0, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout_s)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        """Sends; a peer that closed already shows when reading."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def drip(self, data):
        """Byte by byte, until an answer (or the end) comes."""
        for at in range(len(data)):
            if select.select([self.socket], [], [], 0)[0]:
                return
            self.send(data[at:at + 1])

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Closed("reset") from error
        if not data:
            raise Closed("closed")
        self.held += data

    def is_closed(self):
        """Waits (up to the time-out) for the end; false when bytes come instead."""
        try:
            self.more()
            return False
        except Closed:
            return True

    def until(self, delimiter):
        while delimiter not in self.held:
            self.more()
        found, self.held = self.held.split(delimiter, 1)
        return found

    def exactly(self, count):
        parts, have = [self.held[:count]], len(self.held[:count])
        self.held = self.held[count:]
        while have < count:
            self.more()
            parts.append(self.held[:count - have])
            have += len(parts[-1])
            self.held = self.held[len(parts[-1]):]
        return b"".join(parts)

    def read_head(self):
        """(status, headers) of one head."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1" and len(status) == 3, lines[0]
        return int(status), [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]

    def read_response(self, method="GET"):
        """The next answer, with the interim ones before it."""
        interim = []
        while True:
            status, headers = self.read_head()
            if status >= 200:
                break
            interim.append(status)
        fields = {name.lower(): value for name, value in headers}
        assert not ("content-length" in fields and "transfer-encoding" in fields), headers
        if method == "HEAD" or status in (204, 304):
            return Response(status, headers, b"", interim, "none")
        if fields.get("transfer-encoding") == "chunked":
            return Response(status, headers, self.read_chunks(), interim, "chunked")
        if "content-length" in fields:
            return Response(status, headers, self.exactly(int(fields["content-length"])), interim, "sized")
        return Response(status, headers, self.read_to_end(), interim, "close")

    def read_chunks(self):
        parts = []
        while True:
            size = int(self.until(b"\r\n"), 16)
            parts.append(self.exactly(size))
            assert self.exactly(2) == b"\r\n"
            if size == 0:
                return b"".join(parts)

    def read_to_end(self):
        try:
            while True:
                self.more()
        except Closed as end:
            if str(end) == "reset":
                raise
        found, self.held = self.held, b""
        return found

    def request(self, method, target, headers=(), body=b"", **options):
        self.send(request_bytes(method, target, headers, body, **options))
        return self.read_response(method)


def request(port, method, target, headers=(), body=b"", timeout_s=10.0, **options):
    """One request on a connection of its own."""
    with Connection(port, timeout_s) as connection:
        return connection.request(method, target, headers, body, **options)
