# SPDX-License-Identifier: Apache-2.0
"""Configurations as dictionaries, written as the YAML a person would write."""
import json
import re

PLAIN = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./:+@?=-]*")


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if PLAIN.fullmatch(value) and not value.endswith(":") else json.dumps(value)


def flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    text = scalar(value)
    return json.dumps(value) if isinstance(value, str) and ":" in text and not text.startswith('"') else text


def to_yaml(config):
    """Two levels in block style, what is deeper in flow style."""
    lines = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            lines.append(f"{key}:")
            lines += [f"  {inner}: {flow(below)}" for inner, below in value.items()]
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            lines.append(f"{key}:")
            for item in value:
                lines += ["  - " + "\n    ".join(f"{inner}: {flow(below)}" for inner, below in item.items())]
        else:
            lines.append(f"{key}: {flow(value)}")
    return "\n".join(lines) + "\n"


def merge(base, over):
    """`over` laid on `base`, dictionaries key by key."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: merge(base[key], over[key]) if key in base and key in over else over.get(key, base.get(key))
                for key in {**base, **over}}
    return over


def route(name="events", path="/*", **settings):
    """A route with a header key, for tests that care about something else."""
    return {"name": name, "match": {"path": path}, "upstream": "app", "key": {"header": "X-Event-Id"}, **settings}


# Short, so that a test sees whole schedules: a second attempt within 20 ms, all others within 50 ms.
FAST_RETRY = {"base": "20ms", "cap": "50ms"}


def queue_route(name="events", path="/*", retry=None, **settings):
    """A queue route with a header key whose retries come at once."""
    return route(name, path, **{"mode": "queue", "lease": "6s", "retry": {**FAST_RETRY, **(retry or {})}, **settings})
