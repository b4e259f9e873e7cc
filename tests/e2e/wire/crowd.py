# SPDX-License-Identifier: Apache-2.0
"""Thousands of connections, held by a process of its own so that their descriptors don't count against the test's.

usage: crowd.py PORT COUNT NUMBER      (NUMBER tells the crowds apart: each has source addresses of its own)

Each connection sends one request and reads its answer; then it idles. Prints how many were answered with 200 and stay;
on a line of stdin it asks on each of them once more and prints again; at the end of stdin it leaves."""
import resource
import socket
import subprocess
import sys

PER_ADDRESS = 500
REQUEST = b"POST /crowd HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def connect(port, number, index):
    connection = socket.socket()
    connection.settimeout(60)
    connection.bind((f"127.{1 + number}.0.{1 + index // PER_ADDRESS}", 0))
    connection.connect(("127.0.0.1", port))
    return connection


def is_answered(connection):
    """One request, and its answer to the last byte (its body is empty or short: one read after the head is enough)."""
    connection.sendall(REQUEST)
    held = b""
    while b"\r\n\r\n" not in held or not held.endswith(b"ok\n"):
        data = connection.recv(4096)
        if not data:
            return False
        held += data
    return held.startswith(b"HTTP/1.1 200 ")


def main():
    port, count, number = (int(word) for word in sys.argv[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = []
    for index in range(count):
        connection = connect(port, number, index)
        if is_answered(connection):
            crowd.append(connection)
    print(len(crowd), flush=True)
    for _ in sys.stdin:
        print(sum(map(is_answered, crowd)), flush=True)


class Crowd:
    """The test's hand on one."""

    def __init__(self, port, count, number, **options):
        self.child = subprocess.Popen([sys.executable, __file__, str(port), str(count), str(number)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def count(self):
        """What it printed last; waits for it."""
        return int(self.child.stdout.readline())

    def ask_again(self):
        self.child.stdin.write("again\n")
        self.child.stdin.flush()

    def leave(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


if __name__ == "__main__":
    main()
