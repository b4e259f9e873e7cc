/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time as a value. A loop refreshes its clock once per turn and everybody on that loop reads the
 * same instant, so that a turn costs two clock reads and tests own time by setting the fields.
 * Monotonic time measures (deadlines, leases, windows in memory); wall time only labels records.
 */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t mono_us; /* CLOCK_MONOTONIC, microseconds */
    uint64_t wall_ms; /* CLOCK_REALTIME, milliseconds since 1970 */
};

/* Reads both system clocks into `clock`. */
void clock_refresh(struct clock *clock);

/* Monotonic milliseconds of the instant the clock holds. */
static inline uint64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_us / 1000;
}

/* Size of the text clock_rfc3339 writes, with its NUL: "2026-11-21T12:00:00.000Z". */
#define CLOCK_RFC3339_SIZE 25

/* Writes wall-clock milliseconds as RFC 3339 UTC text with milliseconds. */
void clock_rfc3339(uint64_t wall_ms, char ret_text[static CLOCK_RFC3339_SIZE]);

#endif
