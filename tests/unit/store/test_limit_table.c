/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of store/limit_table: cells that keep apart, the bound, who has to go, clocks that
 * differ, sizes. Rates themselves are test_limit_cell.c.
 */
#include "limit_clock.h"
#include "unit/base/malloc_refuses.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define INTERVAL_US 1000u
#define BURST 4u
#define LEAST_CELLS 512u /* of the smallest table: 64 shards of a set of 8 */

static struct limit_table *table;

static void open_table(void)
{
    table = limit_table_new(LEAST_CELLS);
    cr_assert_not_null(table);
}

static void close_table(void)
{
    limit_table_free(table);
}

TestSuite(limit_table, .init = open_table, .fini = close_table);

static bool evicted; /* by the last submit */

static struct limit_op submit(uint64_t number, enum limit_verb verb, uint64_t now_us)
{
    struct limit_op op = limit_op_of(number, INTERVAL_US, BURST, verb);
    evicted = limit_table_submit(table, &op, now_us);
    return op;
}

Test(limit_table, clients_do_not_share_cells)
{
    for (unsigned i = 0; i < BURST; i++)
        cr_assert(submit(1, LIMIT_TAKE, 0).allowed);
    cr_assert_not(submit(1, LIMIT_TAKE, 0).allowed);
    cr_assert_eq(submit(2, LIMIT_TAKE, 0).remaining, BURST - 1);
    cr_assert_not(submit(1, LIMIT_TAKE, 0).allowed);
    cr_assert_eq(submit(1, LIMIT_GIVE_BACK, 0).remaining, 1);
    cr_assert(submit(1, LIMIT_TAKE, 0).allowed);
    cr_assert_not(evicted);
}

/* In a table where 128 ids, drawn anew each time, don't fill a set. */
Test(limit_table, every_byte_of_an_id_counts)
{
    close_table();
    table = limit_table_new(1u << 20);
    cr_assert_not_null(table);
    struct limit_op op = limit_op_of(0, INTERVAL_US, 1, LIMIT_TAKE);
    for (unsigned i = 0; i < 8 * LIMIT_ID_BYTES; i++) {
        memset(op.id, 0, sizeof op.id);
        op.id[i / 8] = (uint8_t)(1u << i % 8);
        cr_assert_not(limit_table_submit(table, &op, 0));
        cr_assert(op.allowed, "bit %u", i);
    }
}

Test(limit_table, an_id_of_zeros_is_one_as_others)
{
    for (unsigned i = 0; i < BURST; i++)
        cr_assert(submit(0, LIMIT_TAKE, 0).allowed);
    cr_assert_not(submit(0, LIMIT_TAKE, 0).allowed);
}

Test(limit_table, says_who_answered)
{
    struct limit_op op = limit_op_of(1, INTERVAL_US, BURST, LIMIT_TAKE);
    op.local = true;
    (void)limit_table_submit(table, &op, 0);
    cr_assert_not(op.local);
    op.shared = true;
    (void)limit_table_submit(table, &op, 0);
    cr_assert(op.local);
}

Test(limit_table, giving_back_to_nobody_takes_no_place)
{
    for (uint64_t i = 0; i < LEAST_CELLS * 64; i++) {
        struct limit_op op = submit(i, LIMIT_GIVE_BACK, 0);
        cr_assert(op.allowed && !evicted);
        cr_assert_eq(op.remaining, BURST);
    }
}

Test(limit_table, time_does_not_go_back)
{
    for (unsigned i = 0; i < BURST; i++)
        cr_assert(submit(1, LIMIT_TAKE, 5000).allowed);
    struct limit_op op = submit(1, LIMIT_TAKE, 4000);
    cr_assert_not(op.allowed);
    cr_assert_eq(op.wait_us, INTERVAL_US);
    cr_assert(submit(1, LIMIT_TAKE, 6000).allowed);
    cr_assert_not(submit(1, LIMIT_TAKE, 5999).allowed);
}

/* ---- the bound ---- */

/* Takes `each` for all of `count` clients; how many cells had to go. */
static unsigned flood(uint64_t first, uint64_t count, unsigned each, uint64_t now_us)
{
    unsigned gone = 0;
    for (uint64_t i = first; i < first + count; i++)
        for (unsigned j = 0; j < each; j++) {
            (void)submit(i, LIMIT_TAKE, now_us);
            gone += evicted;
        }
    return gone;
}

Test(limit_table, idle_cells_go_unnoticed)
{
    for (uint64_t round = 0; round < 20; round++)
        cr_assert_eq(flood(round * 100, 1, BURST, round * BURST * INTERVAL_US), 0);
    /* A whole table of idle cells: nobody is evicted until a set is full of busy ones. */
    (void)flood(1000000, 50u * LEAST_CELLS, 1, 1000000);
    cr_assert_eq(flood(2000000, LEAST_CELLS / 16, 1, 1000000 + INTERVAL_US), 0);
}

Test(limit_table, a_busy_cell_that_goes_is_counted)
{
    unsigned gone = flood(0, 10u * LEAST_CELLS, 1, 0);
    cr_assert_eq(gone, 9 * LEAST_CELLS, "%u: all sets are full in the end", gone);
}

/* Who has used its burst up is forgotten last, however many come with one request each. */
Test(limit_table, a_flood_of_clients_frees_nobody_who_is_refused)
{
    cr_assert_eq(flood(1, 1, BURST, 0), 0);
    (void)flood(1000, 100u * LEAST_CELLS, 1, 0);
    cr_assert_not(submit(1, LIMIT_TAKE, 0).allowed);
    cr_assert_not(submit(1, LIMIT_TAKE, INTERVAL_US - 1).allowed);
    (void)flood(1000000, 100u * LEAST_CELLS, 1, INTERVAL_US - 1);
    cr_assert_not(submit(1, LIMIT_TAKE, INTERVAL_US - 1).allowed);
}

/* ---- sizes ---- */

static void check_capacity(size_t cells, unsigned capacity)
{
    limit_table_free(table);
    table = limit_table_new(cells);
    cr_assert_not_null(table);
    unsigned gone = flood(0, 20ull * capacity, 1, 0);
    cr_expect_eq(20 * capacity - gone, capacity, "%zu cells: %u", cells, 20 * capacity - gone);
}

Test(limit_table, sizes_are_rounded_up)
{
    check_capacity(0, LEAST_CELLS);
    check_capacity(1, LEAST_CELLS);
    check_capacity(LEAST_CELLS, LEAST_CELLS);
    check_capacity(LEAST_CELLS + 1, 2 * LEAST_CELLS);
    check_capacity(3 * LEAST_CELLS, 3 * LEAST_CELLS);
}

Test(limit_table, no_table_is_freed_too)
{
    limit_table_free(NULL);
}

Test(limit_table, more_than_there_can_be, .disabled = !MALLOC_REFUSES)
{
    cr_assert_null(limit_table_new(SIZE_MAX));
    cr_assert_null(limit_table_new(SIZE_MAX / 24));
}
