#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What of HOUSE.md a program can check: file heads, sizes, comments, documented prototypes, no sleeps in
tests, no notes to self.

usage: check_style.py ROOT
"""
import re
import sys

from source import c_files, functions, line_of, report, walk, without_comments, without_literals

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
FILE_MAX, FUNCTION_MAX = 500, 60
FUNCTION_MEDIAN_MAX, FUNCTION_P90_MAX = 15, 40

DECLARATION = re.compile(r"^(?!typedef|return|else|extern \"C\"|_Static_assert|static_assert)"
                         r"[A-Za-z_][\w \t\*]*?\b\w+\s*\([^;{}#]*\)[^;{}#=]*[;{]", re.M)
NOTE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
C_SLEEP = re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep|uv_sleep|thrd_sleep)\s*\(")
PYTHON_SLEEP = re.compile(r"\btime\.sleep\s*\(|\bfrom time import .*\bsleep\b")
SHELL_SLEEP = re.compile(r"^\s*sleep\s", re.M)
# The places where a wait-for-a-condition helper pauses between two looks.
MAY_SLEEP = re.compile(r"tests/(.*/)?wait(_\w+)?\.(c|h|py)")


def check_head(path, text):
    if not text.startswith(SPDX):
        yield f"{path}:1: the first line has to be {SPDX.strip()}"
    elif not text[len(SPDX):].lstrip("\n").startswith("/*"):
        yield f"{path}:2: no file head (what this is, what not, where it stands in the flow)"


def check_sizes(path, text):
    lines = text.count("\n")
    if lines > FILE_MAX:
        yield f"{path}: {lines} lines, more than {FILE_MAX}"
    for name, line, length in functions(text):
        if length > FUNCTION_MAX:
            yield f"{path}:{line}: {name} has {length} lines, more than {FUNCTION_MAX}"


def check_comments(path, text):
    plain = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    plain = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', plain)
    for match in re.finditer(r"//", plain):
        yield f"{path}:{line_of(plain, match.start())}: // comment; use /* */"


def check_documented(path, text):
    """Each declaration at the left margin stands in a paragraph that begins with a comment."""
    masked = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", "\1", m.group(0)), text, flags=re.S)
    for match in DECLARATION.finditer(masked):
        before = masked[:match.start()]
        paragraph = before[before.rfind("\n\n") + 1:]
        if "\1" not in paragraph:
            name = re.search(r"(\w+)\s*\(", match.group(0)).group(1)
            yield f"{path}:{line_of(text, match.start())}: {name} is not documented directly above"


def check_sleeps(path, text):
    if MAY_SLEEP.fullmatch(path):
        return
    if path.endswith((".c", ".h")):
        code, pattern = without_literals(text), C_SLEEP
    elif path.endswith(".py"):
        code, pattern = text, PYTHON_SLEEP
    else:
        code, pattern = text, SHELL_SLEEP
    for match in pattern.finditer(code):
        yield f"{path}:{line_of(code, match.start())}: a sleep in a test; wait for the condition"


def check_notes(path, text):
    for match in NOTE.finditer(text):
        yield f"{path}:{line_of(text, match.start())}: {match.group(0)} left in"


def check_spread(lengths):
    """The spread of src's function lengths as a whole."""
    if len(lengths) < 50:
        return
    lengths = sorted(lengths)
    median, p90 = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    print(f"style: {len(lengths)} functions in src, median {median} lines, 90 % within {p90}")
    if median > FUNCTION_MEDIAN_MAX or p90 > FUNCTION_P90_MAX:
        yield f"src: median {median} (at most {FUNCTION_MEDIAN_MAX}), p90 {p90} (at most {FUNCTION_P90_MAX})"


def main(root):
    problems, lengths = [], []
    for path, text in c_files(root):
        problems += check_head(path, text)
        problems += check_sizes(path, text)
        problems += check_comments(path, text)
        if path.startswith("src/"):
            lengths += [length for _, _, length in functions(text)]
        if path.startswith("include/"):
            problems += check_documented(path, text)
        if "assert(0)" in without_comments(text):
            problems.append(f"{path}: assert(0) says nothing; name the condition")
    for path, text in walk(root, ("tests",), (".c", ".h", ".py", ".sh", "/run")):
        problems += check_sleeps(path, text)
    for path, text in walk(root, ("src", "include", "tests", "deploy", "docs", "bench"),
                           (".c", ".h", ".py", ".sh", ".md", ".yaml", ".txt", ".sql")):
        if not path.startswith("tests/lint/"):
            problems += check_notes(path, text)
    problems += check_spread(lengths)
    return report(problems, "style")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
