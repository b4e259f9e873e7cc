#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripted upstream, a process of its own. It judges strictly what reaches it, writes one synced line of JSON
per request to its log before it does anything else, then plays the step the script has for that path, and writes
another line ("answered") as soon as the whole answer has been handed to the kernel.

usage: upstream_server.py LOG      (prints its port; takes commands as lines of JSON on stdin, see `Server.do`)

A step is a dictionary: status, statuses (by Postern-Attempt, the last one for ever), headers [[name, value]], body (text) or body_size (pattern bytes), framing sized |
chunked | close, piece (bytes written at once), interim [status …], wait_for (a gate's name: no answer until it is
opened), early (answer before the body was read), reset head | body | answer | half, silent (never answer), raw
(base64, sent as it is), close (end the connection after the answer).
"""
import base64
import hashlib
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time

# Below the ephemeral ports: while it doesn't listen, no outgoing connection may take its place. Not those of process.py.
PORTS = range(22000, 32000)
HEAD_MAX = 1 << 17
PATTERN = bytes(range(251)) * 4177 # 1 MiB, of a prime period so that a shifted piece shows
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/[!-~]*) HTTP/1\.1")
DEFAULT_STEP = {"status": 200, "headers": [["Content-Type", "text/plain"]], "body": "ok\n"}


def pattern(size):
    """`size` bytes that tell where they belong."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


class Malformed(Exception):
    """The gateway sent something it must never send."""


class Gone(Exception):
    """The connection ended."""


class Wire:
    """Reads from a socket by delimiter and by count."""

    def __init__(self, connection):
        self.connection, self.held = connection, b""

    def more(self):
        try:
            data = self.connection.recv(65536)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self.held += data

    def until(self, delimiter, limit):
        while delimiter not in self.held:
            if len(self.held) > limit:
                raise Malformed("no end of line within the limit")
            self.more()
        found, self.held = self.held.split(delimiter, 1)
        return found

    def exactly(self, count):
        while len(self.held) < count:
            self.more()
        found, self.held = self.held[:count], self.held[count:]
        return found


def parse_head(head):
    """(method, target, [[name, value]]) of a head that is strictly RFC 9112, origin form, HTTP/1.1."""
    lines = head.split(b"\r\n")
    found = REQUEST_LINE.fullmatch(lines[0])
    if not found or b"\r" in head.replace(b"\r\n", b"") or b"\n" in head.replace(b"\r\n", b""):
        raise Malformed(f"request line or line ends: {lines[0]!r}")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise Malformed(f"field line {line!r}")
        fields.append([name.decode("ascii"), value.strip(b" \t").decode("latin-1")])
    return found.group(1).decode(), found.group(2).decode(), fields


def body_size(fields):
    """Bytes of the body, or "chunked". One framing field at most, one Host exactly."""
    names = [name.lower() for name, _ in fields]
    values = {name.lower(): value for name, value in fields}
    if names.count("host") != 1:
        raise Malformed("not exactly one Host")
    if names.count("content-length") + names.count("transfer-encoding") > 1:
        raise Malformed("more than one framing field")
    if "transfer-encoding" in values:
        if values["transfer-encoding"] != "chunked":
            raise Malformed("transfer coding " + values["transfer-encoding"])
        return "chunked"
    size = values.get("content-length", "0")
    if not re.fullmatch("[0-9]+", size):
        raise Malformed("content length " + size)
    return int(size)


def read_chunks(wire):
    body = b""
    while True:
        line = wire.until(b"\r\n", 64)
        if not re.fullmatch(rb"[0-9a-fA-F]+", line):
            raise Malformed(f"chunk line {line!r}")
        size = int(line, 16)
        body += wire.exactly(size)
        if wire.exactly(2) != b"\r\n":
            raise Malformed("no line end after a chunk (or a trailer)")
        if size == 0:
            return body


class Server:
    def __init__(self, log_path):
        self.log = open(log_path, "ab", buffering=0)
        self.lock = threading.Lock()
        self.count = self.connections = self.playing = 0
        self.steps, self.gates = {}, {}
        self.default = DEFAULT_STEP
        self.idle, self.open = set(), {} # connections; the open ones with the port they came to
        self.listeners = {} # by port; None while it doesn't listen
        self.port = self.listen()

    # -- commands of the test

    def do(self, command):
        with self.lock:
            if "script" in command:
                self.steps[command["script"]] = list(command["steps"])
            if "default" in command:
                self.default = command["default"]
            if "open" in command:
                self.gate(command["open"]).set()
            idle, connected = list(self.idle), dict(self.open)
        port = self.listen() if "another_port" in command else self.port
        for number in self.listeners if "listening" in command else ():
            if command["listening"]:
                self.listen(number)
            else:
                self.unlisten(number)
        for connection in connected if "cut" in command else idle if "close_idle" in command else []:
            end(connection)
        return {"port": port, "connections": self.connections, "idle": len(idle),
                "open": list(connected.values()).count(command.get("port", self.port))}

    def gate(self, name):
        return self.gates.setdefault(name, threading.Event())

    def listen(self, port=None):
        """On this port, unless it does already; without one on any that is free. The port."""
        if port and self.listeners[port]:
            return port
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind(listener, port)
        listener.listen(1024)
        port = listener.getsockname()[1]
        self.listeners[port] = listener
        threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()
        return port

    @staticmethod
    def bind(listener, port):
        while True:
            try:
                return listener.bind(("127.0.0.1", port or random.choice(PORTS)))
            except OSError:
                if port:
                    raise

    def unlisten(self, port):
        if self.listeners[port]:
            self.listeners[port].shutdown(socket.SHUT_RDWR)
            self.listeners[port].close()
        self.listeners[port] = None

    def accept(self, listener, port):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open[connection] = port
            threading.Thread(target=self.serve, args=(connection, port), daemon=True).start()

    # -- one connection

    def serve(self, connection, port):
        with self.lock:
            self.connections += 1
            number = self.connections
        wire = Wire(connection)
        try:
            while self.one(connection, wire, number):
                pass
        except Gone:
            pass
        except Malformed as error:
            self.write({"malformed": str(error), "connection": number})
        finally:
            with self.lock:
                self.open.pop(connection)
            connection.close()

    def one(self, connection, wire, number):
        """One request; true when another may follow."""
        with self.lock:
            self.idle.add(connection)
        try:
            if not wire.held:
                wire.more()
        finally:
            with self.lock:
                self.idle.discard(connection)
        head = wire.until(b"\r\n\r\n", HEAD_MAX)
        method, target, fields = parse_head(head)
        size = body_size(fields)
        step = self.next_step(target.split("?")[0])
        record = {"connection": number, "method": method, "target": target, "headers": fields, "complete": False,
                  "port": self.open[connection], "head": base64.b64encode(head).decode()}
        if step.get("reset") == "head":
            self.write(record)
            return reset(connection)
        if not step.get("early"):
            try:
                body = read_chunks(wire) if size == "chunked" else wire.exactly(size)
            except Gone:
                self.write(record)
                raise
            record.update(complete=True, size=len(body), sha256=hashlib.sha256(body).hexdigest())
        with self.lock:
            self.playing += 1
            record["parallel"] = self.playing
        try:
            self.write(record)
            return self.play(connection, by_attempt(step, fields), method, record["number"])
        finally:
            with self.lock:
                self.playing -= 1

    def next_step(self, path):
        """The steps of a path are played in order, the last one for ever."""
        with self.lock:
            steps = self.steps.get(path)
            if not steps:
                return self.default
            return steps.pop(0) if len(steps) > 1 else steps[0]

    def write(self, record):
        with self.lock:
            record["number"], record["at"] = self.count, time.time()
            self.count += 1
            self.log.write(json.dumps(record).encode() + b"\n")
            os.fsync(self.log.fileno())

    def write_answered(self, number, status):
        with self.lock:
            self.log.write(json.dumps({"answered": number, "status": status, "at": time.time()}).encode() + b"\n")

    def play(self, connection, step, method, number):
        if step.get("wait_for"):
            with self.lock:
                gate = self.gate(step["wait_for"])
            gate.wait()
        if step.get("silent"):
            wait_for_end(connection)
            return False
        if step.get("reset") == "body":
            return reset(connection)
        data = answer(step, method)
        if step.get("reset") in ("answer", "half"):
            connection.sendall(data[:len(data) // 2])
            return reset(connection)
        send(connection, data, step.get("piece"))
        self.write_answered(number, None if "raw" in step else step.get("status", 200))
        if step.get("close") or step.get("early") or step.get("framing") == "close":
            connection.shutdown(socket.SHUT_WR)
            wait_for_end(connection)
            return False
        return True


def by_attempt(step, fields):
    """The step with the status its `statuses` have for this attempt."""
    if "statuses" not in step:
        return step
    attempt = next((int(value) for name, value in fields if name.lower() == "postern-attempt"), 1)
    return {**step, "status": step["statuses"][min(attempt, len(step["statuses"])) - 1]}


def answer(step, method):
    """The bytes of a response."""
    if "raw" in step:
        return base64.b64decode(step["raw"])
    body = pattern(step["body_size"]) if "body_size" in step else step.get("body", "").encode()
    status, framing = step.get("status", 200), step.get("framing", "sized")
    lines = [f"HTTP/1.1 {status} Whatever"] + [f"{name}: {value}" for name, value in step.get("headers", [])]
    has_body = method != "HEAD" and status not in (204, 304)
    if framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        piece = step.get("piece") or 4096
        chunks = [body[at:at + piece] for at in range(0, len(body), piece)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif framing == "sized" and (status not in (204, 304) or "body" in step):
        lines.append(f"Content-Length: {len(body)}")
    if step.get("close") or framing == "close":
        lines.append("Connection: close")
    interim = b"".join(b"HTTP/1.1 %d Early\r\nX-Interim: yes\r\n\r\n" % code for code in step.get("interim", []))
    return interim + "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body if has_body else b"")


def send(connection, data, piece):
    try:
        for at in range(0, len(data), piece or len(data) or 1):
            connection.sendall(data[at:at + (piece or len(data))])
    except OSError as error:
        raise Gone from error


def end(connection):
    """From another thread than the one that serves it; it may have ended by itself."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise Gone


def wait_for_end(connection):
    try:
        while connection.recv(65536):
            pass
    except OSError:
        pass


def main():
    threading.stack_size(256 * 1024)
    server = Server(sys.argv[1])
    print(json.dumps({"port": server.port}), flush=True)
    for line in sys.stdin:
        print(json.dumps(server.do(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
