/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The retention of the SQLite file, step by step.
 */
#include "sqlite_file.h"

static const struct sqlite_origin origin = {.owner = {{9}}};

TestSuite(sqlite_prune, .init = set_up_file, .fini = tear_down_file);

static void insert(const struct batch_row *row, bool durable)
{
    cr_assert_eq(sqlite_db_begin(&db, durable), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, row, &origin), STATUS_OK);
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
}

static unsigned prune_all(uint64_t cutoff_ms, uint64_t now_ms)
{
    struct uuid cursor = {{0}};
    bool more = true;
    unsigned steps = 0;
    for (; more; steps++)
        cr_assert_eq(sqlite_db_prune(&db, cutoff_ms, now_ms, &cursor, &more), STATUS_OK);
    return steps;
}

Test(sqlite_prune, the_retention_goes_in_small_steps)
{
    cr_assert_eq(sqlite_db_begin(&db, false), STATUS_OK);
    for (uint32_t i = 0; i < 2 * SQLITE_DB_PRUNE_ROWS + 10; i++) {
        struct batch_row row = row_at(1000, i, 0);
        cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_OK);
    }
    struct batch_row young = row_at(2000, 1, 0);
    cr_assert_eq(sqlite_db_insert(&db, &young, &origin), STATUS_OK);
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
    cr_assert_eq(prune_all(2000, 9000), 3);
    cr_assert_eq(number("SELECT count(*) FROM event"), 1);
    cr_assert_eq(prune_all(2001, 9000), 1);
    cr_assert_eq(number("SELECT count(*) FROM event"), 0);
}

Test(sqlite_prune, an_open_window_keeps_its_row_and_deliveries)
{
    struct batch_row open_one = row_at(1000, 1, 9001), over = row_at(1000, 2, 9000);
    insert(&open_one, false);
    insert(&over, false);
    execute(
        "INSERT INTO delivery (event_id, received_at, attempt, at) SELECT id, 1, 1, 1 FROM event");
    prune_all(2000, 9000);
    cr_assert_eq(number("SELECT window_ends_at FROM event"), 9001);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_prune, what_is_to_be_delivered_stays)
{
    const char *const states[] = {"queued", "parked", "dead", "delivered", "cancelled"};
    for (uint32_t i = 0; i < 5; i++) {
        struct batch_row row = row_at(1000, i, 0);
        row.fields[ROW_STATE] = slice_str(states[i]);
        insert(&row, false);
    }
    prune_all(2000, 9000);
    cr_assert_eq(number("SELECT count(*) FROM event"), 2);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state IN ('queued', 'parked')"), 2);
}
