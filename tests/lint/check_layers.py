#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rooms and direction (HOUSE): includes go downwards only, never sideways; headers have no cycle; each
third-party library's name stops in the files named here.

usage: check_layers.py ROOT
"""
import os
import re
import sys

from source import INCLUDE, c_files, line_of, report

MAY_USE = {
    "base": set(),
    "io": {"base"},
    "net": {"base", "io"},
    "store": {"base", "io"},
    "policy": {"base"},
    "config": {"base", "io", "net", "store", "policy"},
    "gateway": {"base", "io", "net", "store", "policy", "config"},
    "admin": {"base", "io", "net", "store", "policy", "config", "gateway"},
    "cli": {"base", "io", "net", "store", "policy", "config", "gateway"},
}

# header pattern -> files of src that may include it; include/ never may.
THIRD_PARTY = (
    (r"uv\.h|uv/.*", r"io/\w+\.[ch]"),
    (r"llhttp\.h", r"net/http1\w*\.c"),
    (r"hiredis/.*", r"store/(redis_link|dedup_redis)\.c"),
    (r"libpq-fe\.h|postgresql/.*|pg_config\.h|libpq/.*", r"store/(pg\w*\.[ch]|journal_postgres\.c|spooled_drain\.c)"),
    (r"sqlite3(ext)?\.h", r"store/\w*sqlite\w*\.[ch]"),
    (r"openssl/.*", r"policy/(digest|sign|mac|pubkey)\.c|io/tls\w*\.[ch]"),
    (r"yaml\.h", r"config/yaml\.c"),
    (r"zlib\.h", r"policy/gunzip\.c"),
)

# Concrete backends are named by the composition root (src/*.c), the config that fills their options, and
# the store itself.
BACKENDS = "postern/store/backends.h"
BACKENDS_USERS = re.compile(r"src/\w+\.c|(src|include/postern)/(store|config)/.*")


def room_of(path):
    """base, io, … or "" for the composition root."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else ""
    return parts[2] if parts[:2] == ["include", "postern"] and len(parts) > 3 else None


def third_party_problem(path, header):
    for pattern, allowed in THIRD_PARTY:
        if re.fullmatch(pattern, header):
            if path.startswith("src/") and re.fullmatch(allowed, path[len("src/"):]):
                return None
            return f"<{header}> may only be included by src files that match {allowed}"
    return None


def project_problem(path, header):
    room, target = room_of(path), header.split("/")[1]
    if target not in MAY_USE:
        return f"<{header}>: no such room"
    if room and target != room and target not in MAY_USE[room]:
        return f"{room}/ must not include {target}/ (upwards or sideways)"
    if header == BACKENDS and not BACKENDS_USERS.fullmatch(path):
        return f"<{header}> is for the composition root, config and store/"
    return None


def include_problem(root, path, quote, header):
    if quote == '"':
        beside = os.path.join(root, os.path.dirname(path), header)
        if "/" in header or not os.path.isfile(beside):
            return f'"{header}" has to lie beside its user; use <postern/…> for what crosses a folder'
        if path.startswith("include/"):
            return f'"{header}": headers in include/ use <postern/…>'
        return None
    if header.startswith("postern/"):
        if not os.path.isfile(os.path.join(root, "include", header)):
            return f"<{header}> does not exist"
        return project_problem(path, header)
    return third_party_problem(path, header)


def targets(path, text):
    """The project files a file includes, relative to the root."""
    for match in INCLUDE.finditer(text):
        quote, header = match.groups()
        if quote == '"':
            yield os.path.normpath(os.path.join(os.path.dirname(path), header))
        elif header.startswith("postern/"):
            yield "include/" + header


def find_cycle(graph):
    """One cycle as a list of files, or None."""
    state, stack = {}, []

    def visit(node):
        state[node] = "open"
        stack.append(node)
        for other in graph.get(node, ()):
            if state.get(other) == "open":
                return stack[stack.index(other):] + [other]
            if other not in state:
                found = visit(other)
                if found:
                    return found
        state[node] = "done"
        stack.pop()
        return None

    for node in list(graph):
        if node not in state:
            found = visit(node)
            if found:
                return found
    return None


def main(root):
    problems, graph = [], {}
    for path, text in c_files(root, ("src", "include")):
        if room_of(path) not in {"", *MAY_USE}:
            problems.append(f"{path}:1: the folder is no room of HOUSE.md")
            continue
        graph[path] = list(targets(path, text))
        for match in INCLUDE.finditer(text):
            problem = include_problem(root, path, *match.groups())
            if problem:
                problems.append(f"{path}:{line_of(text, match.start())}: {problem}")
    cycle = find_cycle(graph)
    if cycle:
        problems.append("header cycle: " + " -> ".join(cycle))
    return report(problems, "layers")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
