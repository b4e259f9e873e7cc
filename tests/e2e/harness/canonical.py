# SPDX-License-Identifier: Apache-2.0
"""The canonical form of JSON and the digest of a key, written a second time from RFC 8785 and include/postern/policy/key.h:
the oracle of test_30_keys.py. Also documents, and texts that spell one document in many ways, both drawn at random."""
import hashlib
import json
import struct
from decimal import Context, Decimal

HOLE = object()  # an element that a selection left out
EXACT = Context(prec=2000, Emin=-999999999999, Emax=999999999999)


# -- the form

def number_text(number):
    """ECMAScript's Number::toString of the digits as they are; of a double's shortest text, that is RFC 8785."""
    sign, digits, exponent = Decimal(number, EXACT).normalize(EXACT).as_tuple()
    digits = "".join(map(str, digits))
    if digits == "0":
        return "0"
    point = len(digits) + exponent
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def string_text(string):
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"' + "".join(short.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in string) + '"'


def canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, list):
        while value and value[-1] is HOLE:
            value = value[:-1]
        return "[" + ",".join("" if item is HOLE else canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(string_text(name) + ":" + canonical(value[name]) for name in names) + "}"
    return number_text(value)


# -- selections

def lead_on(paths, part):
    """The paths that go on below `part`, without their first part."""
    return [path[1:] for path in paths if path[0] in ("*", part)]


def select(value, include, exclude, whole):
    """`value` as the paths (lists of parts) leave it, or HOLE. Inside what is included `whole` is true."""
    if [] in exclude:
        return HOLE
    whole = whole or [] in include
    include, exclude = [path for path in include if path], [path for path in exclude if path]
    if isinstance(value, dict):
        below = {name: select(inner, lead_on(include, name), lead_on(exclude, name), whole) for name, inner in value.items()}
        below = {name: inner for name, inner in below.items() if inner is not HOLE}
        return below if whole or below else HOLE
    if isinstance(value, list):
        below = [select(inner, lead_on(include, str(i)), lead_on(exclude, str(i)), whole) for i, inner in enumerate(value)]
        return below if whole or any(inner is not HOLE for inner in below) else HOLE
    return value if whole else HOLE


def says_something(value):
    if isinstance(value, dict):
        return any(map(says_something, value.values()))
    if isinstance(value, list):
        return any(map(says_something, value))
    return value is not HOLE and value is not None and value != ""


# -- the key

def part(data):
    return struct.pack(">Q", len(data)) + data


def paths_part(paths):
    return bytes([len(paths)]) + b"".join(bytes([len(path)]) + b"".join(part(p.encode()) for p in path) for path in paths)


def canonical_key(route_name, form, include=(), exclude=()):
    rule = b"c" + paths_part(include) + paths_part(exclude)
    value = part(hashlib.sha256(form.encode()).digest())
    return hashlib.sha256(b"1" + part(route_name.encode()) + rule + value).hexdigest()[:32]


# -- documents at random

ALPHABET = "aAbBzZ019 _-./\\\"'<>&\x00\x01\x08\t\n\x0b\x0c\r\x1f\x7f\x80é߿ࠀ€\u2028\ud7ff\ue000\ufb33\uffff\U00010000😀\U0010ffff"


def random_string(random):
    return "".join(random.choice(ALPHABET) for _ in range(random.choice((0, 1, 1, 2, 3, 8, 40))))


def random_number(random):
    kind = random.randrange(6)
    if kind == 0:
        return Decimal(random.randrange(-20, 20))
    if kind == 1:
        return Decimal(random.randrange(-10 ** 20, 10 ** 20))
    if kind == 2:
        return Decimal(random.randrange(10 ** 40)).scaleb(random.randrange(-60, 30), EXACT)
    if kind == 3:
        return Decimal(random.randrange(10 ** 5)).scaleb(random.choice((-400, -325, -8, -7, -6, 15, 16, 20, 21, 22, 308, 400)), EXACT)
    return Decimal(repr(random_double(random)))


def random_double(random):
    while True:
        value, = struct.unpack(">d", random.getrandbits(64).to_bytes(8, "big"))
        if value - value == 0:
            return value


def random_value(random, depth=0):
    kind = random.randrange(10 if depth < 5 else 6)
    if kind < 2:
        return random_string(random)
    if kind < 4:
        return random_number(random)
    if kind < 6:
        return random.choice((None, True, False))
    if kind < 8:
        return [random_value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 3, 9)))]
    return {random_string(random): random_value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 3, 9)))}


# -- one document in many spellings

def spell_char(random, char):
    code = ord(char)
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\", 47: "\\/"}
    ways = [short[code]] if code in short else []
    if code >= 32 and char not in '"\\':
        ways.append(char)
    units = struct.unpack(f">{len(char.encode('utf-16-be')) // 2}H", char.encode("utf-16-be"))
    ways.append("".join(random.choice((f"\\u{unit:04x}", f"\\u{unit:04X}")) for unit in units))
    return random.choice(ways)


def spell_number(random, number):
    sign, digits, exponent = number.as_tuple()
    digits = "".join(map(str, digits))
    shift = random.randrange(0, 4)
    if random.randrange(2) and len(digits) > 1:
        cut = random.randrange(1, len(digits))
        text = digits[:cut] + "." + digits[cut:]
        exponent += len(digits) - cut
    else:
        text = digits + "." + "0" * shift if shift else digits
    if text.lstrip("0")[:1] in ("", ".") or text[0] != "0":
        text = "0" + text.lstrip("0") if text.lstrip("0")[:1] in ("", ".") else text
    if exponent or random.randrange(3) == 0:
        text += random.choice("eE") + random.choice(("+", "") if exponent >= 0 else ("",)) + \
            ("-" if exponent < 0 else "") + "0" * random.randrange(3) + str(abs(exponent))
    return "-" * sign + text


def spell(random, value):
    space = random.choice(("", "", " ", "\n\t", "\r\n "))
    if isinstance(value, str):
        return space + '"' + "".join(spell_char(random, char) for char in value) + '"' + space
    if isinstance(value, list):
        return space + "[" + ",".join(spell(random, item) for item in value) + space + "]"
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        return "{" + ",".join(spell(random, name) + ":" + spell(random, value[name]) for name in names) + space + "}" + space
    if isinstance(value, Decimal):
        return space + spell_number(random, value) + space
    return space + json.dumps(value) + space
