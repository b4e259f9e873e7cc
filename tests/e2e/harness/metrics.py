# SPDX-License-Identifier: Apache-2.0
"""The gateway's metrics page as numbers."""
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def find(self, name, **labels):
        return [(have, value) for sample, have, value in self.samples
                if sample == name and labels.items() <= have.items()]

    def sum(self, name, **labels):
        """The sum over all series with these labels; fails when there is none."""
        found = self.find(name, **labels)
        assert found, f"no series {name} {labels}"
        return sum(value for _, value in found)
