/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of version 1 with rows in it becomes one of today.
 */
#include "sqlite_file.h"

/* As version 1 made it. */
static const char version_1[] =
    "CREATE TABLE event (id BLOB NOT NULL PRIMARY KEY, received_at INTEGER NOT NULL,"
    " route TEXT NOT NULL, key BLOB, window_ends_at INTEGER, method TEXT NOT NULL,"
    " target BLOB NOT NULL, client TEXT NOT NULL, mode TEXT NOT NULL, state TEXT NOT NULL,"
    " outcome TEXT NOT NULL, response_status INTEGER NOT NULL, duration_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 1, next_attempt_at INTEGER, lease_until INTEGER,"
    " last_error TEXT, error_category TEXT CHECK (error_category IN ('transient', 'permanent')),"
    " duplicates INTEGER NOT NULL DEFAULT 0, last_duplicate_at INTEGER, last_replayed_at INTEGER,"
    " content_type BLOB NOT NULL, headers BLOB NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX event_window ON event (window_ends_at, id) WHERE key IS NOT NULL;"
    "CREATE INDEX event_route ON event (route, received_at);"
    "CREATE TABLE delivery (event_id BLOB NOT NULL, received_at INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, duration_ms INTEGER,"
    " error TEXT, response BLOB, PRIMARY KEY (event_id, attempt));"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
    " INSERT INTO event SELECT randomblob(16), i, 'r', randomblob(16), i + 7, 'POST', x'00ff',"
    " '::1', 'proxy', 'delivered', 'accepted', 200, 5, 1, NULL, NULL, 'e', 'transient', 3, 4, NULL,"
    " 'ct', 'h', randomblob(1000 + i * 10) FROM n;"
    "INSERT INTO delivery SELECT id, received_at, 1, 9, 500, 2, 'x', x'00' FROM event LIMIT 10;"
    "PRAGMA user_version = 1";

static void make_version_1(void)
{
    struct sqlite3 *handle;
    make_folder();
    cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, version_1, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

TestSuite(sqlite_schema, .init = make_version_1, .fini = remove_folder);

Test(sqlite_schema, rows_of_version_1_are_all_there)
{
    open_file();
    cr_assert_eq(number("PRAGMA user_version"), 3);
    cr_assert_eq(db.rows, 1000);
    cr_assert_eq(number("SELECT sum(length(body)) FROM event"), 6005000);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE route = 'r' AND method = 'POST' AND"
                        " target = x'00ff' AND client = '::1' AND mode = 'proxy' AND state ="
                        " 'delivered' AND outcome = 'accepted' AND response_status = 200 AND"
                        " duration_ms = 5 AND attempts = 1 AND last_error = 'e' AND error_category"
                        " = 'transient' AND duplicates = 3 AND last_duplicate_at = 4 AND"
                        " content_type = 'ct' AND headers = 'h' AND window_ends_at = received_at"
                        " + 7"),
                 1000);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE attempts_before = 0 AND doubtful = 0 AND"
                        " lease_owner IS NULL AND replay_of IS NULL AND note IS NULL"),
                 1000);
    cr_assert_eq(number("SELECT count(*) FROM delivery JOIN event ON id = event_id WHERE"
                        " delivery.received_at = event.received_at AND status = 500 AND"
                        " response = x'00'"),
                 10);
    cr_assert_eq(number("SELECT count(*) FROM pragma_quick_check WHERE quick_check = 'ok'"), 1);
    sqlite_db_close(&db);
}

Test(sqlite_schema, headers_and_body_stay_last_and_a_note_behind_them)
{
    open_file();
    cr_assert_eq(number("SELECT cid FROM pragma_table_info('event') WHERE name = 'note'"),
                 number("SELECT max(cid) FROM pragma_table_info('event')"));
    cr_assert_eq(number("SELECT cid + 1 FROM pragma_table_info('event') WHERE name = 'body'"),
                 number("SELECT max(cid) FROM pragma_table_info('event')"));
    cr_assert_eq(number("SELECT cid + 2 FROM pragma_table_info('event') WHERE name = 'headers'"),
                 number("SELECT max(cid) FROM pragma_table_info('event')"));
    sqlite_db_close(&db);
}

Test(sqlite_schema, version_2_gets_a_column_and_keeps_its_pages)
{
    open_file();
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    execute("ALTER TABLE event DROP COLUMN note; PRAGMA user_version = 2; VACUUM");
    int64_t root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'event'");
    int64_t pages = number("PRAGMA page_count");
    sqlite_db_close(&db);
    open_file();
    cr_assert_eq(number("PRAGMA user_version"), 3);
    cr_assert_eq(number("SELECT rootpage FROM sqlite_schema WHERE name = 'event'"), root);
    cr_assert_eq(number("PRAGMA page_count"), pages);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE note IS NULL AND length(body) > 1000"),
                 1000);
    sqlite_db_close(&db);
}

Test(sqlite_schema, a_migration_that_fails_has_not_happened)
{
    struct sqlite3 *handle;
    cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, "CREATE TABLE owed (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    cr_assert_eq(sqlite_db_open(&db, slice_str(path), error), STATUS_IO);
    cr_assert_not_null(strstr(error, "owed"), "%s", error);
    cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, "DROP TABLE owed", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    open_file();
    cr_assert_eq(db.rows, 1000);
    sqlite_db_close(&db);
}
