# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition: the only place of the tests that pauses."""
import time

PAUSE_S = 0.01


def wait_until(condition, what, timeout_s=10.0):
    """Calls `condition` until it answers something true, which is returned; fails with `what` otherwise."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        time.sleep(PAUSE_S)


def stays(condition, what, for_s):
    """Fails as soon as `condition` is false within `for_s`; for "nothing happens"."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert condition(), what() if callable(what) else what
        time.sleep(PAUSE_S)


def wait_lasting(condition, what, for_s, timeout_s=10.0):
    """Waits until `condition` was true for `for_s` without a break, for values that are told with a delay."""
    held_since = None

    def lasts():
        nonlocal held_since
        if not condition():
            held_since = None
            return False
        held_since = held_since or time.monotonic()
        return time.monotonic() - held_since >= for_s

    return wait_until(lasts, what, timeout_s)
