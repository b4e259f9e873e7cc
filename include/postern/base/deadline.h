/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many deadlines, one timer: a hashed timing wheel. Setting and clearing are O(1) and allocate
 * nothing; each deadline is embedded in its owner. The wheel knows no event loop: whoever drives it
 * (io/loop, or a test with a fake clock) calls deadlines_advance and arms one timer for
 * deadlines_next. Not thread-safe. It lives in base and not in net, as HOUSE.md first had it,
 * because stores need it as well.
 */
#ifndef POSTERN_BASE_DEADLINE_H
#define POSTERN_BASE_DEADLINE_H

#include <postern/base/list.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_TICK_MS 8u /* a deadline fires at most this much late, never early */
#define DEADLINE_SLOTS 512u /* one revolution: 4.1 s; longer deadlines stay for more rounds */

struct deadline {
    struct list link; /* in a list of the wheel while set; self-linked or zero when not */
    uint64_t at_ms;   /* monotonic */
    /* Runs from deadlines_advance, once, with the deadline no longer set; may set it again. */
    void (*expired)(struct deadline *deadline);
};

struct deadlines {
    struct list slots[DEADLINE_SLOTS];
    struct list overdue;                /* set for a tick that was run already */
    uint64_t used[DEADLINE_SLOTS / 64]; /* bit per slot that may be non-empty */
    uint64_t tick;                      /* the last tick that was run */
    size_t count;
};

/* Makes an empty wheel whose time is `now_ms` (monotonic). */
void deadlines_init(struct deadlines *wheel, uint64_t now_ms);

/* Sets (or moves) `deadline` to `at_ms`; its `expired` has to be filled in. A time in the past
 * fires at the next advance. The owner must clear it before its memory goes. */
void deadline_set(struct deadlines *wheel, struct deadline *deadline, uint64_t at_ms);

/* Clears it; harmless when not set (zeroed memory counts as not set). */
void deadline_clear(struct deadlines *wheel, struct deadline *deadline);

/* True while set. */
static inline bool deadline_is_set(const struct deadline *deadline)
{
    return deadline->link.next && deadline->link.next != &deadline->link;
}

/* Runs everything due at `now_ms`, in no promised order. Callbacks may set and clear any deadline,
 * their own included; what they set into the past runs at the next advance, not in this one. They
 * must not call deadlines_advance. A time before the last one counts as the last one. */
void deadlines_advance(struct deadlines *wheel, uint64_t now_ms);

/* When deadlines_advance next has to be called: monotonic ms, possibly earlier than the earliest
 * deadline (a slot with later rounds), at most one tick later; UINT64_MAX when none is set. Asked
 * from a callback it leaves out what runs in the same advance. */
uint64_t deadlines_next(const struct deadlines *wheel);

#endif
