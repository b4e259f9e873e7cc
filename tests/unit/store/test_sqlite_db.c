/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite file: migrations, refusals, syncs and the retention's steps.
 */
#include "sqlite_db.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[96];
static char error[SQLITE_DB_ERROR];
static struct sqlite_db db;
static const struct sqlite_origin origin = {.owner = {{9}}};

static void open_db(void)
{
    cr_assert_eq(sqlite_db_open(&db, slice_str(path), error), STATUS_OK, "%s", error);
}

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/postern-sqlite-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/journal.db", folder);
    open_db();
}

static void remove_folder(void)
{
    char name[128];
    const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    sqlite_db_close(&db);
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
}

TestSuite(sqlite_db, .init = make_folder, .fini = remove_folder);

static void execute(const char *sql)
{
    char *message = NULL;
    cr_assert_eq(sqlite3_exec(db.handle, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
}

static int keep_number(void *ret, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(long long *)ret = values[0] ? strtoll(values[0], NULL, 10) : -1;
    return 0;
}

static long long number(const char *sql)
{
    long long value = -2;
    cr_assert_eq(sqlite3_exec(db.handle, sql, keep_number, &value, NULL), SQLITE_OK, "%s", sql);
    return value;
}

static struct batch_row row_at(uint64_t ms, uint32_t serial, uint64_t window_ms)
{
    struct batch_row row = {.has_key = window_ms > 0, .window_ends_at_ms = window_ms};
    for (int i = 0; i < 6; i++)
        row.id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(row.id.bytes + 12, &serial, sizeof(serial));
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row.fields[i] = SLICE("x");
    return row;
}

static void insert(const struct batch_row *row, bool durable)
{
    cr_assert_eq(sqlite_db_begin(&db, durable), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, row, &origin), STATUS_OK);
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
}

Test(sqlite_db, opening_again_migrates_nothing)
{
    struct batch_row row = row_at(1000, 1, 0);
    insert(&row, true);
    sqlite_db_close(&db);
    open_db();
    cr_assert_eq(number("PRAGMA user_version"), 2);
    cr_assert_eq(number("SELECT count(*) FROM event"), 1);
}

Test(sqlite_db, a_newer_schema_is_refused)
{
    execute("PRAGMA user_version=99");
    sqlite_db_close(&db);
    cr_assert_eq(sqlite_db_open(&db, slice_str(path), error), STATUS_INVALID);
    cr_assert_not_null(strstr(error, "99"));
    cr_assert_null(db.handle);
}

Test(sqlite_db, what_is_not_a_database_is_refused)
{
    sqlite_db_close(&db);
    FILE *file = fopen(path, "w");
    fputs("this is a text, and not a short one, and certainly not a database", file);
    for (int i = 0; i < 100; i++)
        fputs("................................................................", file);
    fclose(file);
    cr_assert_eq(sqlite_db_open(&db, slice_str(path), error), STATUS_IO);
    cr_assert_not_null(strstr(error, "not a database"), "%s", error);
}

Test(sqlite_db, paths_that_cannot_be)
{
    struct sqlite_db other;
    char long_path[5000];
    memset(long_path, 'a', sizeof(long_path));
    cr_assert_eq(sqlite_db_open(&other, SLICE(""), error), STATUS_INVALID);
    cr_assert_eq(sqlite_db_open(&other, slice_of(long_path, sizeof(long_path)), error),
                 STATUS_INVALID);
    cr_assert_eq(sqlite_db_open(&other, SLICE("/nowhere/at/all.db"), error), STATUS_IO);
    cr_assert_not_null(strstr(error, "/nowhere/at/all.db"));
}

Test(sqlite_db, a_row_there_already_is_left_alone)
{
    struct batch_row row = row_at(1000, 1, 0);
    insert(&row, true);
    row.fields[ROW_BODY] = SLICE("other");
    insert(&row, true);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE body = x'78'"), 1);
}

Test(sqlite_db, a_refused_row_leaves_the_transaction_alive)
{
    execute("CREATE TRIGGER no BEFORE INSERT ON event WHEN new.route = 'bad'"
            " BEGIN SELECT raise(ABORT, 'no'); END");
    struct batch_row good = row_at(1000, 1, 0), bad = row_at(1000, 2, 0);
    bad.fields[ROW_ROUTE] = SLICE("bad");
    cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, &good, &origin), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, &bad, &origin), STATUS_REFUSED);
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
    cr_assert_eq(number("SELECT count(*) FROM event"), 1);
}

Test(sqlite_db, a_failure_that_ends_the_transaction_is_no_refusal)
{
    execute("CREATE TRIGGER no BEFORE INSERT ON event BEGIN SELECT raise(ROLLBACK, 'no'); END");
    struct batch_row row = row_at(1000, 1, 0);
    cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_UNAVAILABLE);
    sqlite_db_rollback(&db);
    cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK, "it can go on");
    sqlite_db_rollback(&db);
}

Test(sqlite_db, what_is_synced_and_what_is_not)
{
    struct batch_row rows[] = {row_at(1, 1, 0), row_at(1, 2, 0), row_at(1, 3, 0)};
    insert(&rows[0], false);
    cr_assert(db.unsynced);
    insert(&rows[1], true);
    cr_assert_not(db.unsynced);
    insert(&rows[2], false);
    insert(&rows[2], true);
    cr_assert_not(db.unsynced, "a durable commit that changed nothing syncs all the same");
    insert(&rows[2], false);
    cr_assert_not(db.unsynced, "one that changed nothing leaves nothing to sync");
}

Test(sqlite_db, a_checkpoint_empties_the_log)
{
    struct batch_row row = row_at(1000, 1, 0);
    insert(&row, false);
    cr_assert_gt(db.wal_pages, 0);
    cr_assert_eq(sqlite_db_checkpoint(&db, false), STATUS_OK);
    cr_assert_eq(db.wal_pages, 0);
    cr_assert_not(db.unsynced);
}

Test(sqlite_db, counts_are_written_where_the_event_is)
{
    struct batch_row row = row_at(1000, 1, 0);
    struct fold_entry here = {.event_id = row.id, .count = 3, .last_at_ms = 50};
    struct fold_entry gone = {.event_id = {{7}}, .count = 1};
    insert(&row, true);
    cr_assert_eq(sqlite_db_count(&db, &here), STATUS_OK);
    cr_assert_eq(sqlite_db_count(&db, &gone), STATUS_OK);
    cr_assert(here.written);
    cr_assert_not(gone.written);
    here.last_at_ms = 40;
    cr_assert_eq(sqlite_db_count(&db, &here), STATUS_OK);
    cr_assert_eq(number("SELECT duplicates FROM event"), 6);
    cr_assert_eq(number("SELECT last_duplicate_at FROM event"), 50);
}

Test(sqlite_db, keys_are_paged_by_window_end_and_id)
{
    for (uint32_t i = 0; i < 10; i++) {
        struct batch_row row = row_at(1000, i, 5000 + i / 4);
        row.key.digest[0] = (uint8_t)i;
        insert(&row, false);
    }
    struct journal_key keys[3];
    struct uuid after = {{0}};
    uint64_t after_ms = 5000;
    size_t count = 0, total = 0;
    do {
        cr_assert_eq(sqlite_db_load(&db, after_ms, &after, 3, keys, &count), STATUS_OK);
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(keys[i].key.digest[0], total + i);
        total += count;
        if (count > 0) {
            after = keys[count - 1].event_id;
            after_ms = keys[count - 1].window_ends_at_ms;
        }
    } while (count == 3);
    cr_assert_eq(total, 10);
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

Test(sqlite_db, the_retention_goes_in_small_steps)
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

Test(sqlite_db, an_open_window_keeps_its_row_and_deliveries)
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
