#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A release binary holds no fault point: neither the variable's name nor any point's.

usage: check_release.py ROOT BINARY
"""
import re
import sys

from source import c_files, report, without_comments

FAULT_POINT = re.compile(r'\bFAULT_POINT\(\s*"([^"]+)"')


def main(root, binary):
    points = {name for _, text in c_files(root, ("src",))
              for name in FAULT_POINT.findall(without_comments(text))}
    with open(binary, "rb") as file:
        content = file.read()
    words = sorted({"POSTERN_FAULT", *points})
    problems = [f"{binary} contains \"{word}\"" for word in words if word.encode() + b"\0" in content]
    if not points:
        problems.append("src has no FAULT_POINT: the crash matrix has nothing to stand on")
    return report(problems, "release")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
