# SPDX-License-Identifier: Apache-2.0
"""A real redis-server on a free port."""
import os
import socket

from .process import Process, free_port
from .wait import wait_until


class RedisError(Exception):
    """An error answer of the server."""


class Redis(Process):
    """`durable`: with an append-only file, so that a restart keeps the keys."""

    def __init__(self, folder, durable=False, name="redis"):
        super().__init__(folder, name)
        self.port = free_port()
        self.durable = durable

    def start(self):
        data = os.path.join(self.folder, self.name + "-data")
        os.makedirs(data, exist_ok=True)
        self.spawn(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", data, "--save", "",
                    "--appendonly", "yes" if self.durable else "no", "--appendfsync", "always"])
        wait_until(self.answers, lambda: "redis answers\n" + self.tail())
        return self

    def restart(self):
        self.kill()
        return self.start()

    def answers(self):
        assert self.is_running(), self.tail()
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def url(self, database=0):
        return f"redis://127.0.0.1:{self.port}/{database}"

    def command(self, *words, timeout_s=5.0):
        """One command on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts)
                               + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            with connection.makefile("rb") as stream:
                return read_reply(stream)


def read_reply(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("redis closed the connection")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b"-":
        raise RedisError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
    return [read_reply(stream) for _ in range(int(rest))]
