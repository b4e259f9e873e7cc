#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a sender proves is compared in a time that tells nothing of it: mac_equal is CRYPTO_memcmp, and the files that
verify have no other comparison of bytes but those listed here, each with its reason.

usage: check_constant_time.py ROOT
"""
import os
import re
import sys

from source import c_files, line_of, report, without_comments

MAC = re.compile(r"src/policy/mac\w*\.c")
EQUAL = re.compile(r"\bbool mac_equal\([^)]*\)\s*\{(.*?)^\}", re.M | re.S)
EQUAL_BODY = re.compile(r"\s*return CRYPTO_memcmp\(\w+, \w+, \w+\) == 0;\s*")

GUARDED = re.compile(r"src/policy/(mac|verify|handshake|credential)\w*\.c")
# Where the secrets are: without them the check would have nothing to stand on.
REQUIRED = tuple(f"src/policy/{name}.c" for name in ("verify_match", "verify_plain", "verify_hmac", "verify_secret",
                                                      "handshake", "credential"))
# Of whole values; slice_starts, which looks for the words before them, is none.
COMPARISON = re.compile(r"\b(memcmp|bcmp|strn?(?:case)?cmp|slice_i?eq)\s*\(")

# file -> comparison -> why it tells nothing
HARMLESS = {
    "src/policy/credential.c": {
        "slice_ieq(slice_skip(name, name.len - end.len), end)": "the name of a field",
    },
    "src/policy/handshake.c": {
        'slice_eq(input->method, SLICE("GET"))': "the method is no secret",
        'slice_eq(input->method, SLICE("POST"))': "the method is no secret",
        'slice_eq(mode, SLICE("subscribe"))': "a word of the protocol",
        "slice_eq(value->text, text)": "a word of the protocol (is_string)",
        'slice_eq(values[0].raw, SLICE("0"))': "a word of the protocol",
        'slice_eq(values[0].raw, SLICE("1"))': "a word of the protocol",
    },
    "src/policy/verify.c": {
        "slice_ieq(hmac->parts[i].text, hmac->time_header)": "names of fields, both configured",
    },
    "src/policy/verify_hmac.c": {
        "slice_ieq(part->text, hmac->time_header)": "names of fields, both configured",
    },
    "src/policy/verify_plain.c": {
        "slice_ieq(slice_of(value.data, scheme.len), scheme)": "the word before the secret",
    },
    "src/policy/verify_twilio.c": {
        "memcmp(a.data, b.data, len)": "sorts the sender's own fields before they are signed",
    },
    "src/policy/verify_webhook.c": {
        "slice_eq(*ret_value, other)": "two fields that one sender wrote, with each other",
    },
}


def call_at(text, start, opening):
    """A call with its arguments, written on one line."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return " ".join(text[start:at + 1].split())
    return text[start:]


def comparisons(text):
    """(line, call) of each comparison of bytes."""
    code = without_comments(text)
    for match in COMPARISON.finditer(code):
        yield line_of(code, match.start()), call_at(code, match.start(), match.end() - 1)


def check_equal(files):
    """mac_equal is there once, and is nothing but OpenSSL's comparison."""
    bodies = [body for path, text in files if MAC.fullmatch(path) for body in EQUAL.findall(without_comments(text))]
    if len(bodies) != 1 or not EQUAL_BODY.fullmatch(bodies[0]):
        yield "src/policy/mac*.c: mac_equal has to be CRYPTO_memcmp and nothing else"


def check_file(path, text):
    harmless, seen = HARMLESS.get(path, {}), set()
    for line, call in comparisons(text):
        seen.add(call)
        if call not in harmless:
            yield f"{path}:{line}: {call} may tell by its time what it compares; use mac_equal"
    for call in sorted(set(harmless) - seen):
        yield f"{path}: {call} is listed as harmless and isn't there"


def main(root):
    files = list(c_files(root, ("src/policy",)))
    problems = [f"{path} does not exist" for path in REQUIRED if not os.path.isfile(os.path.join(root, path))]
    problems += check_equal(files)
    for path, text in files:
        if GUARDED.fullmatch(path):
            problems += check_file(path, text)
    return report(problems, "constant time")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
