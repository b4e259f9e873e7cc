#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A toy webhook receiver for the quick start: it takes every POST, writes one line of JSON about it to a file,
and answers with a number that goes up with each delivery.

usage: receiver.py LOG        (prints its port)
"""
import http.server
import json
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    deliveries = 0
    log = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        Receiver.deliveries += 1
        line = {"delivery": Receiver.deliveries, "event_id": self.headers.get("Postern-Event-Id"), "path": self.path,
                "attempt": self.headers.get("Postern-Attempt"), "body": body.decode("utf-8", "replace")}
        Receiver.log.write(json.dumps(line) + "\n")
        Receiver.log.flush()
        answer = json.dumps({"received": Receiver.deliveries}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *unused):
        """The file is the log."""


def main():
    with open(sys.argv[1], "a", encoding="utf-8") as Receiver.log:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
