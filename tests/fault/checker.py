# SPDX-License-Identifier: Apache-2.0
"""Compares three histories of queue routes: what the senders were told, what the upstream received (its own log of
every attempt), and the journal's rows. What a crash may do is known exactly: an attempt is excused when the gateway
died while it was under way, or before its outcome could be written; nothing else is.

  R1  an event that was told 202, or named in a "duplicate", ends delivered or dead
  R2  delivered: the upstream answered it with success; dead: it did not
  R3  no event is answered with success twice, excused attempts left out
  R4  a key is one event: no two events of it are told or delivered (but what was told to have passed without the dedup
      store's word, where a route lets that pass)
  R5  every attempt the upstream saw is in the journal, as it was answered, and the other way round
  R6  what the journal holds has come to its end
"""
import collections
import threading

ENDED = ("delivered", "dead")
# Outcomes are written within one group commit; a database that stalls costs a second until the spool takes them.
OUTCOME_WRITTEN_S = 1.5
# Errors of attempts whose answer the gateway never saw whole, whatever the upstream wrote.
LOST_ANSWERS = ("connection broken", "timed out", "connection failed")


class Told:
    """Every answer the senders saw, by key."""

    def __init__(self):
        self.answers = collections.defaultdict(list)
        self.unanswered = collections.Counter()
        self.lock = threading.Lock()

    def answered(self, key, answer):
        with self.lock:
            self.answers[key].append((answer.status, answer.outcome, answer.event_id))

    def lost(self, key):
        with self.lock:
            self.unanswered[key] += 1

    def promises(self, key):
        """Event ids that answers stand for."""
        return {event_id for _, outcome, event_id in self.answers[key] if outcome in ("accepted", "duplicate", "bypassed")}

    def passed(self, key):
        """Ids of its events that were let through without the dedup store's word."""
        return {event_id for _, outcome, event_id in self.answers[key] if outcome == "bypassed"}

    def count(self, outcome):
        """How many answers had it."""
        with self.lock:
            return sum(told == outcome for answers in self.answers.values() for _, told, _ in answers)


class History:
    """`crashes`: (the upstream's port of a gateway, when it was killed, when the upstream had read all that it had sent).
    `lets_pass`: the routes have `on_store_error: pass`."""

    def __init__(self, told, requests, rows, crashes=(), lets_pass=False):
        self.told, self.rows, self.crashes, self.lets_pass = told, rows, crashes, lets_pass
        self.requests = {}
        for request in requests:
            self.requests.setdefault(request.event_id, []).append(request)

    def of(self, event_id):
        """The upstream's requests of an event."""
        return self.requests.get(event_id, [])

    def problems(self):
        found = []
        for rule in (self.promises, self.ends, self.repeats, self.keys, self.attempts, self.outcomes):
            found += rule()
        return found

    # -- R1, R6

    def promises(self):
        for key in list(self.told.answers):
            for event_id in self.told.promises(key):
                row = self.rows.get(event_id)
                if row is None:
                    yield f"{key}: {event_id} was promised and is not in the journal (R1): {self.story(key, {event_id})}"
                elif row.state not in ENDED:
                    yield f"{key}: {event_id} was promised and is {row.state} (R1)"

    def ends(self):
        for event_id, row in self.rows.items():
            got = any(request.succeeded() for request in self.of(event_id))
            if row.state not in ENDED:
                yield f"{event_id} is {row.state} still (R6)"
            elif row.state == "delivered" and not got:
                yield f"{event_id} is delivered, but the upstream never got it (R2)"
            elif row.state == "dead" and any(r.succeeded() and not self.excused(r) for r in self.of(event_id)):
                yield f"{event_id} is dead, but the upstream took it (R2)"

    # -- R3, R4

    def excused(self, request):
        """True when its outcome can't have been known or written."""
        row = self.rows[request.event_id].deliveries.get(request.attempt)
        if row and row.error and row.error.endswith(LOST_ANSWERS):
            return True
        ended = request.answered_at
        return any(request.port == port and request.at <= read and (ended is None or ended > killed - OUTCOME_WRITTEN_S)
                   for port, killed, read in self.crashes)

    def repeats(self):
        for event_id, requests in self.requests.items():
            taken = [request for request in requests if request.succeeded()]
            # The one that counts may be excusable as well, and may have overtaken the others.
            if len(taken) > 1 and event_id in self.rows and len([r for r in taken if not self.excused(r)]) > 1:
                yield f"{event_id}: {len(taken)} attempts succeeded (R3): {self.story(requests[0].key, {event_id})}"

    def keys(self):
        events = collections.defaultdict(set)
        for key in list(self.told.answers):
            events[key] |= self.told.promises(key)
        for event_id, requests in self.requests.items():
            events[requests[0].key].add(event_id)
        for key, found in events.items():
            if len(found - (self.told.passed(key) if self.lets_pass else set())) > 1:
                yield f"{key} is {len(found)} events (R4): {self.story(key, found)}"

    def story(self, key, event_ids):
        """All that is known of a key, for a person to read."""
        seen = [(event_id, request.port, request.attempt, round(request.at, 3), request.status, request.answered_at)
                for event_id in sorted(event_ids) for request in self.of(event_id)]
        rows = [(event_id, self.rows[event_id].state, self.rows[event_id].deliveries) for event_id in sorted(event_ids) if event_id in self.rows]
        return (f"told {self.told.answers[key]}, {self.told.unanswered[key]} times nothing; upstream {seen}; journal {rows}; "
                f"crashes {[(port, round(killed, 3), round(read, 3)) for port, killed, read in self.crashes[:9]]}")

    # -- R5

    def attempts(self):
        for event_id, requests in self.requests.items():
            if event_id not in self.rows:
                yield f"the upstream got {event_id}, which is not in the journal (R5)"
                continue
            by_number = collections.defaultdict(list)
            for request in requests:
                by_number[request.attempt].append(request)
            for number, same in by_number.items():
                yield from self.attempt(event_id, number, same)

    def attempt(self, event_id, number, same):
        row = self.rows[event_id].deliveries.get(number)
        told = [request for request in same if row and row.status in (None, request.status)]
        if row is None and not all(map(self.excused, same)):
            yield f"{event_id}: attempt {number} reached the upstream and has no row (R5)"
        elif row is not None and not told:
            yield f"{event_id}: attempt {number} is {row.status} in the journal, {same[0].status} at the upstream (R5)"
        elif len([request for request in same if not self.excused(request)]) > 1:
            yield f"{event_id}: attempt {number} was made {len(same)} times (R5)"

    def outcomes(self):
        for event_id, row in self.rows.items():
            numbers = {request.attempt for request in self.of(event_id)}
            for number, attempt in row.deliveries.items():
                if attempt.status is not None and number not in numbers:
                    yield f"{event_id}: attempt {number} is in the journal, the upstream never saw it (R5)"
            if row.deliveries and row.attempts != max(row.deliveries):
                yield f"{event_id}: {row.attempts} attempts counted, the last row is {max(row.deliveries)} (R5)"
