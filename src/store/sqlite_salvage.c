/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table is read from its beginning until a page can't be, then from its end likewise; what lies
 * between is asked for row by row, because good pages lie between bad ones.
 *
 *   |==== forwards ====>x    .  x ..   .  x<==== backwards ====|
 *                        one rowid at a time
 */
#include "sqlite_salvage.h"

#include "sqlite_bind.h"

#include <stdio.h>

#define COMMIT_ROWS 1000u /* of the new file */
/* Where the end can't be read nobody knows how far to ask: so many rowids without a row end it. */
#define FRUITLESS_MAX 100000u

#define EVENT_COLUMNS                                                                              \
    "id, received_at, route, key, window_ends_at, method, target, client, mode, state, outcome,"   \
    " response_status, duration_ms, attempts, attempts_before, next_attempt_at, lease_until,"      \
    " lease_owner, last_error, error_category, duplicates, last_duplicate_at, last_replayed_at,"   \
    " replay_of, doubtful, content_type, headers, body"
#define OWED_COLUMNS                                                                               \
    "event_id, owner, result, attempt, attempted, at, retry_at, status, duration_ms, permanent,"   \
    " error, response"
#define DELIVERY_COLUMNS "event_id, received_at, attempt, at, status, duration_ms, error, response"

/* A table with rowids. The first column read is the rowid. */
struct table {
    const char *forwards, *backwards, *one, *insert;
};

#define EVENT_TABLE(note)                                                                          \
    {                                                                                              \
        "SELECT rowid, " EVENT_COLUMNS ", " note " FROM event NOT INDEXED ORDER BY rowid",         \
            "SELECT rowid, " EVENT_COLUMNS ", " note                                               \
            " FROM event NOT INDEXED ORDER BY rowid DESC",                                         \
            "SELECT rowid, " EVENT_COLUMNS ", " note " FROM event NOT INDEXED WHERE rowid = ?1",   \
            "INSERT INTO event (" EVENT_COLUMNS ", note) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"  \
            "?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29)"         \
            " ON CONFLICT DO NOTHING"                                                              \
    }
static const struct table event_table = EVENT_TABLE("note");
/* Of a file that could not be brought to version 3. */
static const struct table event_table_2 = EVENT_TABLE("NULL");
static const struct table owed_table = {
    "SELECT seq, seq, " OWED_COLUMNS " FROM owed ORDER BY seq",
    "SELECT seq, seq, " OWED_COLUMNS " FROM owed ORDER BY seq DESC",
    "SELECT seq, seq, " OWED_COLUMNS " FROM owed WHERE seq = ?1",
    "INSERT INTO owed (seq, " OWED_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
    " ON CONFLICT DO NOTHING"};
/* One without: nothing can be asked for in the middle. */
static const struct table delivery_table = {
    "SELECT 0, " DELIVERY_COLUMNS " FROM delivery ORDER BY event_id, attempt",
    "SELECT 0, " DELIVERY_COLUMNS " FROM delivery ORDER BY event_id DESC, attempt DESC", NULL,
    "INSERT INTO delivery (" DELIVERY_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8)"
    " ON CONFLICT DO NOTHING"};

struct rescue {
    struct sqlite3 *from;
    struct sqlite_db *to;
    unsigned uncommitted;
    bool complete;
    enum status status; /* of the new file */
};

/* ---- the new file ---- */

static void commit(struct rescue *rescue)
{
    rescue->uncommitted = 0;
    rescue->status = sqlite_db_commit(rescue->to);
    if (rescue->status == STATUS_OK)
        rescue->status = sqlite_db_begin(rescue->to, true);
}

/* A row the new file refuses (a constraint: its bytes are damaged) is lost, but only that. */
static void copy_row(struct rescue *rescue, const char *insert, struct sqlite3_stmt *row,
                     uint64_t *count)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(rescue->to, insert);
    int columns = sqlite3_column_count(row);
    for (int i = 1; i < columns; i++)
        sqlite3_bind_value(statement, i, sqlite3_column_value(row, i));
    int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement); /* says the same again */
    if (code == SQLITE_DONE)
        *count += sqlite_db_changes(rescue->to);
    else if ((code & 0xff) == SQLITE_CONSTRAINT)
        rescue->complete = false;
    else
        rescue->status = STATUS_UNAVAILABLE;
    if (rescue->status == STATUS_OK && ++rescue->uncommitted == COMMIT_ROWS)
        commit(rescue);
}

/* ---- the damaged one ---- */

/* Copies rows until the end or the damage; true at the end. */
static bool scan(struct rescue *rescue, const char *text, const char *insert, uint64_t *count,
                 int64_t *ret_last)
{
    struct sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(rescue->from, text, -1, &row, NULL) != SQLITE_OK)
        return false;
    int code = SQLITE_DONE;
    while (rescue->status == STATUS_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
        *ret_last = sqlite3_column_int64(row, 0);
        copy_row(rescue, insert, row, count);
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE;
}

static void ask_one_by_one(struct rescue *rescue, const struct table *table, int64_t after,
                           int64_t before, uint64_t *count)
{
    struct sqlite3_stmt *row = NULL;
    if (sqlite3_prepare_v2(rescue->from, table->one, -1, &row, NULL) != SQLITE_OK)
        return;
    unsigned fruitless = 0;
    for (int64_t rowid = after + 1; rowid < before && fruitless < FRUITLESS_MAX; rowid++) {
        sqlite3_bind_int64(row, 1, rowid);
        fruitless++;
        if (sqlite3_step(row) == SQLITE_ROW) {
            copy_row(rescue, table->insert, row, count);
            fruitless = 0;
        }
        (void)sqlite3_reset(row); /* that this one can't be read was to be expected */
        if (rescue->status != STATUS_OK)
            break;
    }
    sqlite3_finalize(row);
}

static uint64_t rescue_table(struct rescue *rescue, const struct table *table)
{
    uint64_t count = 0;
    int64_t first = 0, last = INT64_MAX;
    if (rescue->status != STATUS_OK || scan(rescue, table->forwards, table->insert, &count, &first))
        return count;
    rescue->complete = false;
    if (rescue->status == STATUS_OK)
        (void)scan(rescue, table->backwards, table->insert, &count, &last);
    if (rescue->status == STATUS_OK && table->one)
        ask_one_by_one(rescue, table, first, last, &count);
    return count;
}

/* Nothing is written to it: its log is read as it lies, and not copied back at the close. With
 * writable_schema a file that is shorter than its head says is read as far as it goes. */
static struct sqlite3 *open_damaged(const char *path)
{
    struct sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(handle,
                            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON;"
                            "PRAGMA writable_schema=ON",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return handle;
    sqlite3_close(handle);
    return NULL;
}

static bool has_notes(struct sqlite3 *handle)
{
    return sqlite3_table_column_metadata(handle, NULL, "event", "note", NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

enum status sqlite_salvage(struct sqlite_db *db, const char *path, struct sqlite_salvage *ret_found)
{
    *ret_found = (struct sqlite_salvage){.events = 0};
    struct rescue rescue = {.from = open_damaged(path), .to = db, .complete = true};
    if (!rescue.from)
        return STATUS_OK;
    rescue.status = sqlite_db_begin(db, true);
    ret_found->events =
        rescue_table(&rescue, has_notes(rescue.from) ? &event_table : &event_table_2);
    ret_found->owed = rescue_table(&rescue, &owed_table);
    ret_found->deliveries = rescue_table(&rescue, &delivery_table);
    ret_found->complete = rescue.complete;
    if (rescue.status == STATUS_OK)
        rescue.status = sqlite_db_commit(db);
    if (rescue.status != STATUS_OK)
        sqlite_db_rollback(db);
    sqlite3_close(rescue.from);
    return rescue.status;
}
