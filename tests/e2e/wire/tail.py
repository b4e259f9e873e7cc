# SPDX-License-Identifier: Apache-2.0
"""The upstream's log, read on from where the last look ended: a table of hundreds of cases would read it in a circle."""
import json

from harness.upstream import Request


class Tail:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.held = b""

    def close(self):
        self.file.close()

    def requests(self):
        """What came since the last call; all of it has to be well-formed."""
        *lines, self.held = (self.held + self.file.read()).split(b"\n")
        records = [record for record in map(json.loads, lines) if "answered" not in record]
        malformed = [record for record in records if "malformed" in record]
        assert not malformed, malformed
        return [Request(record) for record in records]
