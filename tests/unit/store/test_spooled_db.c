/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain's statements on a spool's file: what a chunk holds and in which order, who is left out,
 * and what becomes of it.
 */
#include "spooled_db.h"
#include "sqlite_file.h"

#define NOW_MS 1700000000000u

static struct spooled_chunk chunk;
static struct spooled_cursor cursor;

static void open_spool(void)
{
    set_up_file();
    db.wall_ms = NOW_MS;
    spooled_chunk_init(&chunk);
}

static void close_spool(void)
{
    spooled_chunk_done(&chunk);
    tear_down_file();
}

TestSuite(spooled_db, .init = open_spool, .fini = close_spool);

/* A queued event of that millisecond, due now. */
static struct batch_row queued_row(uint64_t ms, uint32_t lease_ms)
{
    struct batch_row row = row_at(ms, 1, 0);
    row.queued = true;
    row.lease_ms = lease_ms;
    row.fields[ROW_STATE] = SLICE("queued");
    return row;
}

static void insert(const struct batch_row *row, bool doubtful)
{
    struct sqlite_origin origin = {.owner = {{9}}, .doubtful = doubtful};
    cr_assert_eq(sqlite_db_begin(&db, false), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, row, &origin), STATUS_OK);
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
}

static void put(uint64_t ms, uint32_t lease_ms, bool doubtful)
{
    struct batch_row row = queued_row(ms, lease_ms);
    insert(&row, doubtful);
}

static void put_settled(uint64_t ms)
{
    struct batch_row row = row_at(ms, 1, 0);
    row.fields[ROW_STATE] = SLICE("delivered");
    insert(&row, false);
}

static void owe_result(uint64_t ms, uint32_t attempt, struct slice error_text,
                       enum queue_result result)
{
    struct batch_row row = row_at(ms, 1, 0);
    struct queue_finish finish = {.event_id = row.id,
                                  .result = result,
                                  .attempt = attempt,
                                  .attempted = result != QUEUE_RETURNED,
                                  .retry_in_ms = 5000,
                                  .error = error_text};
    cr_assert_eq(spooled_db_owe(&db, &(struct uuid){{7}}, &finish), STATUS_OK);
}

static void owe(uint64_t ms, uint32_t attempt, struct slice error_text)
{
    owe_result(ms, attempt, error_text, QUEUE_RETRY);
}

static size_t read_chunk(size_t limit)
{
    cr_assert_eq(spooled_db_read(&db, &cursor, limit, &chunk), STATUS_OK);
    return chunk.count;
}

static void settle(enum spooled_verdict verdict)
{
    cr_assert_eq(spooled_db_settle(&db, &chunk, verdict), STATUS_OK);
}

static uint64_t ms_of(size_t item)
{
    return uuid_time_ms(&chunk.items[item].id);
}

/* ---- reading ---- */

Test(spooled_db, an_empty_spool_has_nothing)
{
    cr_assert_eq(read_chunk(10), 0);
    cr_assert_eq(chunk.source, SPOOLED_NOTHING);
}

Test(spooled_db, outcomes_first_then_doubt_then_the_rest_in_order)
{
    put(3000, 0, false);
    put(1000, 0, false);
    put(2000, 0, true);
    owe(500, 1, SLICE("late"));
    cr_assert_eq(read_chunk(10), 1);
    cr_assert_eq(chunk.source, SPOOLED_OWED);
    cr_assert(chunk.owed.rows == 1 && chunk.events.rows == 0);
    settle(SPOOLED_DRAINED);
    cr_assert_eq(read_chunk(10), 1);
    cr_assert_eq(chunk.source, SPOOLED_DOUBTFUL);
    cr_assert_eq(ms_of(0), 2000);
    settle(SPOOLED_DRAINED);
    cr_assert_eq(read_chunk(10), 2);
    cr_assert_eq(chunk.source, SPOOLED_EVENTS);
    cr_assert(ms_of(0) == 1000 && ms_of(1) == 3000);
    settle(SPOOLED_DRAINED);
    cr_assert_eq(number("SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM owed)"), 0);
}

Test(spooled_db, a_chunk_ends_at_its_limit_and_goes_on_behind_the_cursor)
{
    for (uint64_t ms = 1; ms <= 5; ms++)
        put_settled(1000 * ms);
    cr_assert_eq(read_chunk(2), 2);
    cursor.event = chunk.items[1].id;
    cr_assert_eq(read_chunk(4), 3);
    cr_assert_eq(ms_of(0), 3000);
}

Test(spooled_db, a_chunk_ends_at_its_bytes_but_has_a_row)
{
    static char body[SPOOLED_CHUNK_BYTES];
    for (uint64_t ms = 1; ms <= 3; ms++) {
        struct batch_row row = row_at(ms, 1, 0);
        row.fields[ROW_BODY] = slice_of(body, sizeof(body) / 2 + 1);
        insert(&row, false);
    }
    cr_assert_eq(read_chunk(10), 2);
}

Test(spooled_db, of_one_event_one_outcome_at_a_time)
{
    owe(1000, 1, SLICE(""));
    owe(1000, 2, SLICE(""));
    owe(2000, 1, SLICE(""));
    cr_assert_eq(read_chunk(10), 2);
    cr_assert(chunk.items[0].rowid == 1 && chunk.items[1].rowid == 3);
    settle(SPOOLED_DRAINED);
    cr_assert_eq(read_chunk(10), 1);
    cr_assert_eq(chunk.items[0].rowid, 2);
}

Test(spooled_db, an_attempt_under_way_and_a_while_after_is_left_alone)
{
    put(1000, 5000, false);
    put(2000, 5000, true);
    cr_assert_eq(read_chunk(10), 0);
    db.wall_ms = NOW_MS + 5000 + SPOOLED_LEASE_GRACE_MS;
    cr_assert_eq(read_chunk(10), 0);
    db.wall_ms++;
    cr_assert_eq(read_chunk(10), 1);
    cr_assert_eq(chunk.source, SPOOLED_DOUBTFUL);
}

Test(spooled_db, deliveries_come_with_their_event)
{
    struct batch_row row = queued_row(1000, 0);
    insert(&row, false);
    put_settled(2000);
    execute("UPDATE event SET attempts = 2 WHERE state = 'queued';"
            "INSERT INTO delivery SELECT id, received_at, 2, 5, 503, 1, 'e', NULL FROM event"
            " WHERE state = 'queued';"
            "INSERT INTO delivery SELECT id, received_at, 1, 4, NULL, 1, 'e', x'00' FROM event"
            " WHERE state = 'queued'");
    cr_assert_eq(read_chunk(10), 2);
    cr_assert(chunk.events.rows == 2 && chunk.deliveries.rows == 2);
    settle(SPOOLED_DRAINED);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 0);
}

/* ---- marks ---- */

#define MARKED "SELECT count(*) FROM event WHERE doubtful = 1"

Test(spooled_db, queued_rows_are_marked_when_they_are_read)
{
    put(1000, 0, false);
    put_settled(2000);
    cr_assert_eq(read_chunk(10), 2);
    cr_assert_eq(number(MARKED " AND state = 'queued'"), 1);
    cr_assert_eq(number(MARKED), 1);
}

Test(spooled_db, released_they_are_as_before)
{
    put(1000, 0, false);
    read_chunk(10);
    settle(SPOOLED_RELEASED);
    cr_assert_eq(number(MARKED), 0);
    put(2000, 0, true);
    cr_assert_eq(read_chunk(10), 1);
    settle(SPOOLED_RELEASED);
    cr_assert_eq(number(MARKED), 1, "that mark is not the drain's");
}

Test(spooled_db, of_what_nobody_knows_the_mark_stays_and_it_goes_first)
{
    put(1000, 0, false);
    read_chunk(10);
    settle(SPOOLED_KEPT);
    cr_assert_eq(number(MARKED), 1);
    cr_assert_eq(read_chunk(10), 1);
    cr_assert_eq(chunk.source, SPOOLED_DOUBTFUL);
}

Test(spooled_db, a_refused_row_stays_deliverable_or_is_kept)
{
    uint64_t refused = 9;
    put(1000, 0, false);
    read_chunk(10);
    settle(SPOOLED_REFUSED);
    cr_assert_eq(number("SELECT doubtful FROM event"), 0);
    execute("DELETE FROM event");
    put_settled(2000);
    read_chunk(10);
    settle(SPOOLED_REFUSED);
    cr_assert_eq(number("SELECT doubtful FROM event"), 2);
    cr_assert_eq(spooled_db_refused(&db, &refused), STATUS_OK);
    cr_assert_eq(refused, 1);
    cr_assert_eq(read_chunk(10), 0, "not tried again");
}

/* Told again after a lost answer, it would end the lease of who took its event meanwhile. */
Test(spooled_db, a_lease_given_back_is_told_once)
{
    owe(1000, 1, SLICE("x"));
    owe_result(2000, 1, SLICE(""), QUEUE_RETURNED);
    cr_assert_eq(read_chunk(10), 2);
    cr_assert_eq(chunk.owed.rows, 2);
    cr_assert_eq(number("SELECT count(*) FROM owed"), 1);
    cr_assert_eq(number("SELECT result FROM owed"), QUEUE_RETRY);
    settle(SPOOLED_KEPT);
    cr_assert_eq(read_chunk(10), 1, "the attempt's outcome goes again");
    settle(SPOOLED_DRAINED);
    cr_assert_eq(number("SELECT count(*) FROM owed"), 0);
}

Test(spooled_db, an_outcome_that_was_not_written_stays)
{
    owe(1000, 1, SLICE("x"));
    read_chunk(10);
    settle(SPOOLED_RELEASED);
    settle(SPOOLED_REFUSED);
    cr_assert_eq(number("SELECT count(*) FROM owed"), 1);
    cr_assert_eq(number("SELECT retry_at FROM owed"), NOW_MS + 5000);
}
