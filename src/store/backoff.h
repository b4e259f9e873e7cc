/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before a store is tried again: 100 ms doubling to 5 s, with full jitter, for
 * ever. Jitter is over the whole span because a store that comes back is found by all workers of
 * all nodes at once.
 */
#ifndef POSTERN_STORE_BACKOFF_H
#define POSTERN_STORE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_LAST_MS 5000u

/* Zeroed: no failure yet. */
struct backoff {
    uint32_t span_ms; /* of the last wait; 0 after a success */
};

/* The next wait, 1 … span milliseconds; the span doubles. */
uint32_t backoff_next_ms(struct backoff *backoff);

/* The store works: the next wait is a short one again. */
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->span_ms = 0;
}

#endif
