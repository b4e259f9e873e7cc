/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite file: opening, rows and refusals, syncs, and the counts its hooks keep.
 */
#include "sqlite_file.h"

static const struct sqlite_origin origin = {.owner = {{9}}};

TestSuite(sqlite_db, .init = set_up_file, .fini = tear_down_file);

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
    open_file();
    cr_assert_eq(number("PRAGMA user_version"), 3);
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

#define NOTE_ROOM 100000u

static struct journal_key keys[3];
static struct sqlite_keys loaded;
static struct uuid after;
static uint64_t after_ms;

static void open_keys(void)
{
    loaded = (struct sqlite_keys){.keys = keys, .room = 3, .note_room = NOTE_ROOM};
    arena_init(&loaded.notes, 1024, SIZE_MAX);
    after_ms = 5000;
}

/* Loads the next page. */
static void load_keys(void)
{
    cr_assert_eq(sqlite_db_load(&db, after_ms, &after, &loaded), STATUS_OK);
    if (loaded.count > 0) {
        after = keys[loaded.count - 1].event_id;
        after_ms = keys[loaded.count - 1].window_ends_at_ms;
    }
}

Test(sqlite_db, keys_are_paged_by_window_end_and_id)
{
    for (uint32_t i = 0; i < 10; i++) {
        struct batch_row row = row_at(1000, i, 5000 + i / 4);
        row.key.digest[0] = (uint8_t)i;
        insert(&row, false);
    }
    open_keys();
    size_t total = 0;
    do {
        load_keys();
        cr_assert_leq(loaded.count, 3);
        for (size_t i = 0; i < loaded.count; i++) {
            cr_assert_eq(loaded.keys[i].key.digest[0], total + i);
            cr_assert(slice_eq(loaded.keys[i].note, SLICE("x")));
        }
        total += loaded.count;
    } while (loaded.more);
    cr_assert_eq(total, 10);
    arena_done(&loaded.notes);
}

Test(sqlite_db, keys_come_with_their_notes)
{
    const struct slice notes[] = {SLICE("F\n"), SLICE(""), SLICE("\0;\r\n")};
    for (uint32_t i = 0; i < 3; i++) {
        struct batch_row row = row_at(1000, i, 5001);
        row.fields[ROW_NOTE] = notes[i];
        insert(&row, false);
    }
    cr_assert_eq(number("SELECT count(*) FROM event WHERE note IS NULL"), 1);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE note = x'003b0d0a'"), 1);
    open_keys();
    load_keys();
    cr_assert_eq(loaded.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(slice_eq(loaded.keys[i].note, notes[i]));
    load_keys();
    cr_assert_eq(loaded.count, 0);
    cr_assert_not(loaded.more);
    arena_done(&loaded.notes);
}

Test(sqlite_db, a_page_of_keys_ends_where_its_notes_get_long)
{
    static char note[NOTE_ROOM];
    const size_t lengths[] = {NOTE_ROOM - 100, 100, 100};
    for (uint32_t i = 0; i < 3; i++) {
        struct batch_row row = row_at(1000, i, 5001);
        row.fields[ROW_NOTE] = slice_of(note, lengths[i]);
        insert(&row, false);
    }
    open_keys();
    load_keys();
    cr_assert_eq(loaded.count, 2);
    cr_assert(loaded.more);
    load_keys();
    cr_assert_eq(loaded.count, 1);
    cr_assert_eq(loaded.keys[0].note.len, 100);
    cr_assert_not(loaded.more);
    arena_done(&loaded.notes);
}

/* ---- what the hooks count ---- */

Test(sqlite_db, rows_are_counted_as_they_are_committed)
{
    struct batch_row rows[] = {row_at(1, 1, 0), row_at(1, 2, 0)};
    insert(&rows[0], false);
    insert(&rows[0], false);
    cr_assert_eq(db.rows, 1, "the second time it was there");
    cr_assert_eq(sqlite_db_begin(&db, false), STATUS_OK);
    cr_assert_eq(sqlite_db_insert(&db, &rows[1], &origin), STATUS_OK);
    cr_assert_eq(db.rows, 1, "not yet");
    sqlite_db_rollback(&db);
    insert(&rows[1], false);
    cr_assert_eq(db.rows, 2, "what was rolled back doesn't count");
    execute("DELETE FROM event WHERE id = (SELECT min(id) FROM event)");
    cr_assert_eq(db.rows, 1);
    sqlite_db_close(&db);
    open_file();
    cr_assert_eq(db.rows, 1, "as found");
}

Test(sqlite_db, the_log_is_known_by_what_it_held)
{
    struct batch_row row = row_at(1, 1, 0);
    insert(&row, true);
    int held = db.wal_file_pages;
    cr_assert_gt(held, 0);
    cr_assert_eq(sqlite_db_checkpoint(&db, false), STATUS_OK);
    cr_assert_eq(db.wal_file_pages, held);
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    cr_assert_eq(db.wal_file_pages, 0);
}

Test(sqlite_db, statements_are_kept_and_bad_ones_fail_when_they_run)
{
    static const char good[] = "SELECT 1", bad[] = "SELECT * FROM nowhere";
    struct sqlite3_stmt *first = sqlite_db_statement(&db, good);
    cr_assert_eq(sqlite_db_statement(&db, good), first);
    cr_assert_eq(sqlite_db_run(&db, first), STATUS_OK);
    cr_assert_null(sqlite_db_statement(&db, bad));
    cr_assert_eq(sqlite_db_run(&db, NULL), STATUS_UNAVAILABLE);
}
