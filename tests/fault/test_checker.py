# SPDX-License-Identifier: Apache-2.0
"""The checker checked: made-up histories, each of which breaks one rule."""
from dataclasses import dataclass

import pytest
from checker import History, Told
from harness.journal import Attempt, Row

PORT, CRASH = 1000, 50.0


@dataclass
class Seen:
    """A request as the upstream's log has it."""
    event_id: str = "e1"
    attempt: int = 1
    status: int = 200
    at: float = 10.0
    answered_at: float = 10.1
    key: str = "one"
    port: int = PORT
    complete: bool = True

    def succeeded(self):
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Answer:
    status: int = 202
    outcome: str = "accepted"
    event_id: str = "e1"


def row(state="delivered", event_id="e1", **deliveries):
    """deliveries: n1=200 for attempt 1, or n1="timed out"."""
    found = {int(name[1:]): Attempt(value if isinstance(value, int) else None, None if isinstance(value, int) else value, b"")
             for name, value in deliveries.items()}
    return Row(event_id, state, max(found, default=0), None, None, found)


def problems(requests, rows, answers=(Answer(),), crashes=(), lets_pass=False):
    told = Told()
    for answer in answers:
        told.answered("one", answer)
    return History(told, requests, {one.event_id: one for one in rows}, crashes, lets_pass).problems()


def test_nothing_wrong():
    assert problems([Seen()], [row(n1=200)], [Answer(), Answer(200, "duplicate")]) == []
    assert problems([Seen(status=500), Seen(attempt=2)], [row(n1=500, n2=200)]) == []
    assert problems([Seen(status=410)], [row("dead", n1=410)]) == []


BROKEN = {
    "promised, not there": ([Seen()], [], "R1"),
    "promised, waiting": ([Seen(status=500)], [row("queued", n1=500)], "R1"),
    "delivered by word only": ([], [row(n1=200)], "R2"),
    "dead although taken": ([Seen()], [row("dead", n1=200)], "R2"),
    "taken twice": ([Seen(), Seen(attempt=2, at=11)], [row(n1=200, n2=200)], "R3"),
    "the same attempt twice": ([Seen(status=500), Seen(status=500, at=11), Seen(attempt=2, at=12)], [row(n1=500, n2=200)], "R5"),
    "one key, two events": ([Seen(), Seen(event_id="e2")], [row(n1=200), row(event_id="e2", n1=200)], "R4"),
    "no row of an attempt": ([Seen(status=500), Seen(attempt=2)], [row(n2=200)], "R5"),
    "another status": ([Seen(status=500), Seen(attempt=2)], [row(n1=404, n2=200)], "R5"),
    "an attempt nobody saw": ([Seen(attempt=2)], [row(n1=500, n2=200)], "R5"),
    "an event nobody knows": ([Seen(), Seen(event_id="e9", key="nine")], [row(n1=200)], "R5"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name):
    requests, rows, rule = BROKEN[name]
    assert any(f"({rule})" in problem for problem in problems(requests, rows)), problems(requests, rows)


def test_what_a_crash_excuses():
    """Under way when the gateway died, or answered just before."""
    for first in (Seen(at=49.9, answered_at=50.2), Seen(at=49, answered_at=49.9), Seen(at=49.9, answered_at=None, status=None)):
        later = Seen(at=52, answered_at=52.1)
        assert problems([first, later], [row(n1=200)], crashes=[(PORT, CRASH, CRASH)]) == []


def test_what_a_crash_does_not_excuse():
    """Begun after it; answered long before; another gateway's; any without a crash."""
    later = Seen(at=52, answered_at=52.1)
    assert problems([later, Seen(at=53, answered_at=53.1)], [row(n1=200)], crashes=[(PORT, CRASH, CRASH)])
    for first in (Seen(at=50.1, answered_at=50.2), Seen(at=40, answered_at=40.1), Seen(at=49.9, answered_at=50, port=PORT + 1)):
        assert problems([first, later], [row(n1=200)], crashes=[(PORT, CRASH, CRASH)])
    assert problems([Seen(at=49.9, answered_at=50), later], [row(n1=200)])


def test_lost_answers_are_excused():
    requests = [Seen(), Seen(attempt=2, at=11)]
    assert problems(requests, [row(n1="connection broken", n2=200)]) == []
    assert problems(requests, [row(n1="timed out", n2=200)]) == []


def test_what_passed_without_the_store_is_an_event_of_its_own():
    """Where the routes let it pass; two that didn't are one too many all the same."""
    passed = [Answer(outcome="bypassed"), Answer(outcome="bypassed", event_id="e2"), Answer(event_id="e3")]
    requests, rows = [Seen(event_id=f"e{n}") for n in (1, 2, 3, 4)], [row(event_id=f"e{n}", n1=200) for n in (1, 2, 3, 4)]
    assert problems(requests[:3], rows[:3], passed, lets_pass=True) == []
    assert any("(R4)" in problem for problem in problems(requests[:3], rows[:3], passed))
    assert any("(R4)" in problem for problem in problems(requests, rows, passed + [Answer(event_id="e4")], lets_pass=True))
