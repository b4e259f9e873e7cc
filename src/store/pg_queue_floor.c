/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small open-addressed table that is emptied as a whole, and often.
 */
#include "pg_queue_floor.h"

/* FNV-1a; never 0. */
static uint64_t hash_of(struct slice route)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < route.len; i++)
        hash = (hash ^ (unsigned char)route.data[i]) * 0x100000001b3;
    return hash ? hash : 1;
}

/* The route's slot, or the free one where it would be. */
static size_t slot_of(const struct pg_floors *floors, uint64_t route)
{
    size_t slot = route % PG_FLOOR_SLOTS;
    while (floors->slots[slot].route != 0 && floors->slots[slot].route != route)
        slot = (slot + 1) % PG_FLOOR_SLOTS;
    return slot;
}

void pg_floors_clear(struct pg_floors *floors)
{
    if (floors->used > 0)
        *floors = (struct pg_floors){.used = 0};
}

int64_t pg_floors_since(const struct pg_floors *floors, struct slice route)
{
    const struct pg_floor *floor = &floors->slots[slot_of(floors, hash_of(route))];
    return floor->route ? floor->since : PG_FLOOR_NONE;
}

void pg_floors_note(struct pg_floors *floors, struct slice route, int64_t since)
{
    uint64_t hash = hash_of(route);
    struct pg_floor *floor = &floors->slots[slot_of(floors, hash)];
    if (!floor->route && floors->used == PG_FLOOR_SLOTS - 1)
        return; /* one stays free: searches end there */
    floors->used += !floor->route;
    *floor = (struct pg_floor){.route = hash, .since = since};
}
