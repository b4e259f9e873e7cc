#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every link of the documents to a file or a heading of this tree leads somewhere. Addresses of other hosts are not
asked; how a heading becomes an anchor is GitHub's rule.

usage: check_links.py ROOT
"""
import glob
import os
import re
import sys

from source import line_of, read, report

DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/*.md", ".github/*.md")
# What others rely on to find: the forge shows the one, and the other is what it refers to.
REQUIRED = (".github/SECURITY.md", "docs/security.md")

FENCE = re.compile(r"^( {0,3}(```+|~~~+)).*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z)", re.M | re.S)
CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"\]\(\s*<?([^()\s>]*(?:\([^()\s]*\)[^()\s>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)"
                  r"|^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)", re.M)
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$", re.M)
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")


def blank(match):
    return "\n" * match.group(0).count("\n")


def anchors(text):
    """The anchors of a document's headings: a repeated one is numbered."""
    seen = {}
    for title in HEADING.findall(FENCE.sub(blank, text)):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        yield f"{slug}-{count}" if count else slug


def links(text):
    """(line, target) of each link outside of code."""
    plain = CODE.sub(blank, FENCE.sub(blank, text))
    for match in LINK.finditer(plain):
        yield line_of(plain, match.start()), match.group(1) or match.group(2) or ""


def problem_of(root, path, target):
    """What is wrong with a link of the document at `path`; None: nothing."""
    name, _, anchor = target.partition("#")
    found = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    if not target or name.startswith("/") or found.startswith(".."):
        return "leads out of the tree"
    full = os.path.join(root, found)
    if not os.path.exists(full):
        return f"{found} does not exist"
    if anchor and (not found.endswith(".md") or anchor not in anchors(read(full))):
        return f"{found} has no heading #{anchor}"
    return None


def main(root):
    problems = [f"{path} does not exist" for path in REQUIRED if not os.path.isfile(os.path.join(root, path))]
    documents = sorted(os.path.relpath(full, root) for pattern in DOCUMENTS
                       for full in glob.glob(os.path.join(glob.escape(root), pattern)))
    for path in documents:
        for line, target in links(read(os.path.join(root, path))):
            problem = None if ELSEWHERE.match(target) else problem_of(root, path, target)
            if problem:
                problems.append(f"{path}:{line}: ({target}) {problem}")
    return report(problems, "links")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
