/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors of routes: noted, raised, forgotten together, and full.
 */
#include "pg_queue_floor.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct pg_floors floors;

static struct slice route(size_t number)
{
    static char name[32];
    snprintf(name, sizeof name, "route-%zu", number);
    return slice_str(name);
}

Test(pg_queue_floor, a_route_has_none_until_it_is_noted)
{
    cr_assert_eq(pg_floors_since(&floors, SLICE("a")), PG_FLOOR_NONE);
    pg_floors_note(&floors, SLICE("a"), -5);
    pg_floors_note(&floors, SLICE(""), 7);
    cr_assert_eq(pg_floors_since(&floors, SLICE("a")), -5);
    cr_assert_eq(pg_floors_since(&floors, SLICE("")), 7);
    cr_assert_eq(pg_floors_since(&floors, SLICE("b")), PG_FLOOR_NONE);
}

Test(pg_queue_floor, it_moves_either_way_and_is_forgotten)
{
    pg_floors_note(&floors, SLICE("a"), 5);
    pg_floors_note(&floors, SLICE("a"), 9);
    cr_assert_eq(pg_floors_since(&floors, SLICE("a")), 9);
    pg_floors_note(&floors, SLICE("a"), 3);
    cr_assert_eq(pg_floors_since(&floors, SLICE("a")), 3);
    cr_assert_eq(floors.used, 1);
    pg_floors_clear(&floors);
    pg_floors_clear(&floors);
    cr_assert_eq(pg_floors_since(&floors, SLICE("a")), PG_FLOOR_NONE);
}

Test(pg_queue_floor, a_full_table_leaves_the_others_without)
{
    for (size_t i = 0; i < PG_FLOOR_SLOTS + 10; i++)
        pg_floors_note(&floors, route(i), (int64_t)i);
    cr_assert_eq(floors.used, PG_FLOOR_SLOTS - 1);
    for (size_t i = 0; i < PG_FLOOR_SLOTS - 1; i++)
        cr_assert_eq(pg_floors_since(&floors, route(i)), (int64_t)i);
    for (size_t i = PG_FLOOR_SLOTS - 1; i < PG_FLOOR_SLOTS + 10; i++)
        cr_assert_eq(pg_floors_since(&floors, route(i)), PG_FLOOR_NONE);
    pg_floors_note(&floors, route(3), 33);
    cr_assert_eq(pg_floors_since(&floors, route(3)), 33, "known ones still move");
}
