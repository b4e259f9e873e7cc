# SPDX-License-Identifier: Apache-2.0
"""What the lint checks share: walking the tree, C text without comments and literals, function spans."""
import os
import re

CODE_FOLDERS = ("src", "include", "tests", "bench")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def walk(root, folders, suffixes):
    """(relative path, text) of every file with one of the suffixes, in order."""
    for folder in folders:
        for where, inner, names in os.walk(os.path.join(root, folder)):
            inner[:] = sorted(d for d in inner if not d.startswith((".", "build", "__pycache__")))
            for name in sorted(names):
                if name.endswith(suffixes):
                    path = os.path.join(where, name)
                    yield os.path.relpath(path, root), read(path)


def c_files(root, folders=CODE_FOLDERS):
    return walk(root, folders, (".c", ".h"))


def without_literals(text):
    """Comments become their line ends, literals become "", so that line numbers stay."""
    def replace(match):
        found = match.group(0)
        return '""' if found[0] in "\"'" else "\n" * found.count("\n")
    return COMMENT_OR_LITERAL.sub(replace, text)


def without_comments(text):
    """As without_literals, but string and character literals stay."""
    def replace(match):
        found = match.group(0)
        return found if found[0] in "\"'" else "\n" * found.count("\n")
    return COMMENT_OR_LITERAL.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def functions(text):
    """(name, first line, number of lines) of each function body; lines from { to }, both counted."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"),
                  without_literals(text), flags=re.M)
    depth, head, start, name = 0, [], 0, None
    line = 1
    for char in code:
        if char == "\n":
            line += 1
        if char == "{":
            if depth == 0:
                found = re.search(r"(\w+)\s*\([^{}]*\)\s*$", "".join(head), re.S)
                name = found.group(1) if found and "=" not in "".join(head) else None
                start, head = line, []
            depth += 1
        elif char == "}":
            depth = max(0, depth - 1)
            if depth == 0 and name:
                yield name, start, line - start + 1
                name = None
            head = []
        elif depth == 0:
            head = [] if char == ";" else head + [char]


def report(problems, what):
    """Prints the problems; the exit status of the check."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem(s)" if problems else f"{what}: fine")
    return 1 if problems else 0
