/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of the queue's upkeep on a file, with the clock in the test's hand.
 */
#include "sqlite_queue.h"

#include "sqlite_file.h"

#define NOW_MS 1000000u

static const struct uuid me = {{1}};

static void set_up(void)
{
    set_up_file();
    db.wall_ms = NOW_MS;
}

TestSuite(sqlite_upkeep, .init = set_up, .fini = tear_down_file);

static struct uuid id_of(uint8_t serial)
{
    return (struct uuid){{0, 0, 0, 0, 3, 0xe8, [15] = serial}};
}

static struct batch_row row_of(uint8_t serial)
{
    struct batch_row row = {.id = id_of(serial), .queued = true};
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row.fields[i] = SLICE("x");
    row.fields[ROW_ROUTE] = SLICE("r");
    row.fields[ROW_STATE] = SLICE("queued");
    return row;
}

static void insert(const struct batch_row *row)
{
    cr_assert_eq(sqlite_db_insert(&db, row, &(struct sqlite_origin){.owner = me}), STATUS_OK);
}

static void insert_many(uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        struct batch_row row = row_of(i);
        insert(&row);
        db.wall_ms++;
    }
}

static void lease_first(void)
{
    execute("UPDATE event SET next_attempt_at = 9000000, lease_until = 9000000, lease_owner = x'01'"
            " WHERE id = (SELECT min(id) FROM event)");
}

static const struct queue_route routes[] = {{.name = {"r", 1}, .max_age_ms = NOW_MS},
                                            {.name = {"s", 1}, .max_age_ms = UINT64_MAX}};
static struct sqlite_walk walk = {.takes_over = true};

static struct queue_upkeep keep_up(size_t route_count)
{
    struct queue_upkeep upkeep = {.routes = routes, .route_count = route_count};
    cr_assert_eq(sqlite_queue_upkeep(&db, &walk, &upkeep), STATUS_OK);
    return upkeep;
}

Test(sqlite_upkeep, events_of_gone_routes_are_parked_until_they_come_back)
{
    insert_many(3);
    lease_first();
    struct queue_upkeep upkeep = keep_up(0);
    cr_assert_eq(upkeep.parked, 2, "not the leased one");
    cr_assert_eq(upkeep.parked_now, 2);
    cr_assert_eq(upkeep.queued_now, 1);
    cr_assert_not(upkeep.more);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'parked' AND next_attempt_at IS"
                        " NULL AND lease_until IS NULL"),
                 2);
    upkeep = keep_up(2);
    cr_assert_eq(upkeep.unparked, 2);
    cr_assert_eq(upkeep.parked_now, 0);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'queued' AND lease_until IS NULL"
                        " AND next_attempt_at = 1000003"),
                 2);
}

Test(sqlite_upkeep, what_waits_too_long_is_dead)
{
    insert_many(4);
    execute("UPDATE event SET last_replayed_at = 1000001 WHERE id = x'0000000003e800000000000000"
            "000002'");
    lease_first(); /* an attempt is under way */
    db.wall_ms = NOW_MS + 1000;
    cr_assert_eq(keep_up(2).expired, 0, "just not");
    db.wall_ms++;
    struct queue_upkeep upkeep = keep_up(2);
    cr_assert_eq(upkeep.expired, 2, "neither the leased nor the replayed one");
    cr_assert_eq(upkeep.dead_now, 2);
    cr_assert_eq(upkeep.queued_now, 2);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'dead' AND last_error ="
                        " 'max_age' AND next_attempt_at IS NULL"),
                 2);
}

Test(sqlite_upkeep, an_ended_lease_counts_while_its_outcome_may_be_on_its_way)
{
    insert_many(1);
    lease_first();
    db.wall_ms = 9000000;
    walk.takes_over = false;
    cr_assert_eq(keep_up(0).parked, 0);
    walk.takes_over = true;
    cr_assert_eq(keep_up(0).parked, 1);
}

Test(sqlite_upkeep, how_long_the_oldest_has_been_due)
{
    insert_many(2);
    cr_assert_eq(keep_up(2).oldest_due_ms, 2);
    cr_assert_eq(keep_up(0).oldest_due_ms, 0);
    cr_assert_eq(keep_up(2).oldest_due_ms, 1, "back, and due from now on");
}

static void insert_thousands(const char *route, unsigned count)
{
    char sql[600];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
             " INSERT INTO event (id, received_at, route, method, target, client, mode, state,"
             " outcome, response_status, duration_ms, next_attempt_at, content_type, headers, body)"
             " SELECT randomblob(16), 999000, '%s', 'POST', x'', '', 'queue', 'queued', '', 0, 0,"
             " 5, x'', x'', x'' FROM n",
             count, route);
    execute(sql);
}

Test(sqlite_upkeep, a_long_queue_is_walked_in_rounds)
{
    insert_thousands("r", SQLITE_UPKEEP_LOOKS + 1);
    insert_thousands("s", SQLITE_UPKEEP_LOOKS);
    struct queue_upkeep upkeep = keep_up(2);
    cr_assert(upkeep.more);
    cr_assert_eq(upkeep.queued_now, SQLITE_UPKEEP_LOOKS);
    upkeep = keep_up(2);
    cr_assert(upkeep.more);
    upkeep = keep_up(2);
    cr_assert_not(upkeep.more);
    cr_assert_eq(upkeep.queued_now, 2 * SQLITE_UPKEEP_LOOKS + 1, "each was seen once");
    upkeep = keep_up(2);
    cr_assert_eq(upkeep.queued_now, 2 * SQLITE_UPKEEP_LOOKS + 1, "the last full count");
}

Test(sqlite_upkeep, many_are_parked_and_come_back_in_rounds)
{
    insert_thousands("r", 2 * SQLITE_UPKEEP_CHANGES + 1);
    unsigned rounds = 0;
    while (keep_up(0).more)
        rounds++;
    cr_assert_eq(rounds, 2);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'parked'"),
                 2 * SQLITE_UPKEEP_CHANGES + 1);
    for (rounds = 0; keep_up(2).more; rounds++)
        ;
    cr_assert_geq(rounds, 2);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE state = 'queued'"),
                 2 * SQLITE_UPKEEP_CHANGES + 1);
}
