/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since when a route's due events have to be looked for. Each event that was delivered leaves a
 * dead entry behind in the index event_due until the next vacuum; a take that began at the
 * beginning would step over all of them, every time. A floor is only a hint: what slips below it is
 * found by the next whole look.
 */
#ifndef POSTERN_STORE_PG_QUEUE_FLOOR_H
#define POSTERN_STORE_PG_QUEUE_FLOOR_H

#include <postern/base/slice.h>
#include <stdint.h>

#define PG_FLOOR_NONE INT64_MIN /* PostgreSQL's -infinity */

#define PG_FLOOR_SLOTS 1024u /* more than twice the routes of a configuration */

/* Zeroed: no route has one. A route is known by a hash of its name; two that share theirs would
 * share a floor, until the next whole look. */
struct pg_floors {
    struct pg_floor {
        uint64_t route; /* 0: free */
        int64_t since;
    } slots[PG_FLOOR_SLOTS];
    uint32_t used;
};

/* Forgets them all: the next look is a whole one. */
void pg_floors_clear(struct pg_floors *floors);

/* The time of PostgreSQL (pg_columns.h) since when there may be due events of the route. */
int64_t pg_floors_since(const struct pg_floors *floors, struct slice route);

/* Notes it. When the table is full the route goes without. */
void pg_floors_note(struct pg_floors *floors, struct slice route, int64_t since);

#endif
