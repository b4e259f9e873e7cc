/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How statements name events that they know, so that the planner finds them by the primary key
 * whatever it believes of a day. The statistics of a young day, or of one that has just taken in a
 * spool, are wrong by orders of magnitude; what they mislead into was measured after an outage: 1
 * to 55 s for 512 outcomes, against 20 ms.
 *
 * - A row is looked at and locked in a lateral query that knows its id and received_at and nothing
 *   else, fenced by OFFSET 0. What has to hold of it stands outside: with `state = 'queued'`
 * inside, a queue that is believed to be empty would be walked once for each row.
 * - Bounds of received_at let all other days be left out when it is planned. They are whole days:
 *   between two moments at a day's young end it believes that there is next to nothing, walks that,
 *   and compares each row of it with every one of ours.
 * - For the same reason arrays are given to unnest behind a sub-query: how many rows they make is
 *   not seen then, and taken for ten, for which ten looks by the key are cheaper than a walk.
 */
#ifndef POSTERN_STORE_PG_ROWS_H
#define POSTERN_STORE_PG_ROWS_H

#include "pg_schema.h"

#include <stdint.h>

/* The first and the last millisecond of the day that `wall_ms` lies in. */
static inline uint64_t pg_day_first_ms(uint64_t wall_ms)
{
    return wall_ms - wall_ms % PG_DAY_MS;
}

static inline uint64_t pg_day_last_ms(uint64_t wall_ms)
{
    return pg_day_first_ms(wall_ms) + PG_DAY_MS - 1;
}

#endif
