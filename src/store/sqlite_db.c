/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite file of the journal. How durable a commit is depends on PRAGMA synchronous, which may
 * change between transactions:
 *
 *   NORMAL  the log is in the page cache: survives kill -9 of this process, not a power cut
 *   FULL    the log is synced, with everything NORMAL wrote before: survives a power cut
 *
 * The log is copied back by checkpoints of our own, never by SQLite's automatic one, which would
 * run inside somebody's commit.
 */
#include "sqlite_db.h"

#include "sqlite_schema.h"

#include <assert.h>

#include <sqlite3.h>
#include <stdio.h>

static const char *const texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_INSERT] = "INSERT INTO event (id, received_at, key, window_ends_at, response_status,"
                   " duration_ms, route, method, target, headers, content_type, body, client,"
                   " mode, state, outcome)"
                   " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)"
                   " ON CONFLICT (id) DO NOTHING",
    [SQL_COUNT] = "UPDATE event SET duplicates = duplicates + ?2,"
                  " last_duplicate_at = max(coalesce(last_duplicate_at, 0), ?3) WHERE id = ?1",
    [SQL_LOAD] = "SELECT key, id, response_status, received_at, window_ends_at FROM event"
                 " WHERE key IS NOT NULL AND (window_ends_at, id) > (?1, ?2)"
                 " ORDER BY window_ends_at, id LIMIT ?3",
    [SQL_PRUNE_FIND] = "SELECT max(id), count(*) FROM (SELECT id FROM event"
                       " WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
    [SQL_PRUNE_EVENT] = "DELETE FROM event WHERE id > ?1 AND id <= ?2"
                        " AND (window_ends_at IS NULL OR window_ends_at <= ?3)",
    [SQL_PRUNE_DELIVERY] = "DELETE FROM delivery WHERE event_id > ?1 AND event_id <= ?2"
                           " AND NOT EXISTS (SELECT 1 FROM event WHERE id = event_id)",
};

/* The fields that are text; the others hold a sender's bytes. */
static const bool is_text[ROW_FIELDS] = {
    [ROW_ROUTE] = true, [ROW_METHOD] = true, [ROW_CLIENT] = true,
    [ROW_MODE] = true,  [ROW_STATE] = true,  [ROW_OUTCOME] = true,
};

const char *sqlite_db_error(struct sqlite_db *db)
{
    return sqlite3_errmsg(db->handle);
}

/* ---- opening and closing ---- */

static int on_wal(void *arg, struct sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct sqlite_db *db = arg;
    db->wal_pages = pages;
    db->wrote = true;
    return SQLITE_OK;
}

/* locking_mode comes first: in WAL mode it also keeps the log's index out of shared memory. The
 * empty transaction takes the lock now rather than at the first event. */
static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                               "PRAGMA journal_mode=WAL;"
                               "PRAGMA synchronous=NORMAL;"
                               "PRAGMA wal_autocheckpoint=0;"
                               "PRAGMA journal_size_limit=67108864;"
                               "PRAGMA cache_size=-16384;"
                               "PRAGMA temp_store=MEMORY;"
                               "BEGIN IMMEDIATE; COMMIT";

static enum status prepare_all(struct sqlite_db *db)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        if (sqlite3_prepare_v3(db->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statements[i], NULL) != SQLITE_OK)
            return STATUS_IO;
    return STATUS_OK;
}

static enum status set_up(struct sqlite_db *db, const char *path,
                          char ret_error[static SQLITE_DB_ERROR])
{
    int code = sqlite3_open_v2(
        path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!db->handle) {
        snprintf(ret_error, SQLITE_DB_ERROR, "out of memory");
        return STATUS_NO_MEMORY;
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->handle, settings, NULL, NULL, NULL);
    if (code == SQLITE_BUSY) {
        snprintf(ret_error, SQLITE_DB_ERROR, "%.200s: another process has it open", path);
        return STATUS_UNAVAILABLE;
    }
    if (code != SQLITE_OK) {
        snprintf(ret_error, SQLITE_DB_ERROR, "%.150s: %.90s", path, sqlite_db_error(db));
        return STATUS_IO;
    }
    sqlite3_wal_hook(db->handle, on_wal, db);
    enum status status = sqlite_schema_migrate(db, ret_error);
    if (status == STATUS_OK && prepare_all(db) != STATUS_OK) {
        snprintf(ret_error, SQLITE_DB_ERROR, "%.150s: %.90s", path, sqlite_db_error(db));
        status = STATUS_IO;
    }
    return status;
}

static void tear_down(struct sqlite_db *db)
{
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->handle);
    *db = (struct sqlite_db){0};
}

enum status sqlite_db_open(struct sqlite_db *db, struct slice path,
                           char ret_error[static SQLITE_DB_ERROR])
{
    char name[4096];
    *db = (struct sqlite_db){0};
    if (path.len == 0 || path.len >= sizeof(name)) {
        snprintf(ret_error, SQLITE_DB_ERROR, "the path is empty or too long");
        return STATUS_INVALID;
    }
    memcpy(name, path.data, path.len);
    name[path.len] = '\0';
    enum status status = set_up(db, name, ret_error);
    if (status != STATUS_OK)
        tear_down(db);
    return status;
}

/* The last connection's close copies the log back by itself. */
void sqlite_db_close(struct sqlite_db *db)
{
    tear_down(db);
}

/* ---- transactions ---- */

/* Runs a statement to its end; its bindings stay for the next use, which sets all of them anew. */
static int run(struct sqlite_db *db, enum sqlite_statement which)
{
    struct sqlite3_stmt *statement = db->statements[which];
    int code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : reset;
}

static enum status run_or_fail(struct sqlite_db *db, enum sqlite_statement which)
{
    return run(db, which) == SQLITE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status set_sync(struct sqlite_db *db, bool full)
{
    if (db->full == full)
        return STATUS_OK;
    const char *text = full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
    if (sqlite3_exec(db->handle, text, NULL, NULL, NULL) != SQLITE_OK)
        return STATUS_UNAVAILABLE;
    db->full = full;
    return STATUS_OK;
}

enum status sqlite_db_begin(struct sqlite_db *db, bool durable)
{
    enum status status = set_sync(db, durable);
    return status == STATUS_OK ? run_or_fail(db, SQL_BEGIN) : status;
}

/* A durable transaction that changed nothing (a row sent again) syncs nothing by itself, although
 * the row it found may be unsynced. */
enum status sqlite_db_commit(struct sqlite_db *db)
{
    db->wrote = false;
    enum status status = run_or_fail(db, SQL_COMMIT);
    if (status != STATUS_OK)
        return status;
    if (!db->full)
        db->unsynced = db->unsynced || db->wrote;
    else if (db->wrote)
        db->unsynced = false;
    else if (db->unsynced)
        return sqlite_db_checkpoint(db);
    return STATUS_OK;
}

void sqlite_db_rollback(struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)run(db, SQL_ROLLBACK); /* fails only when there is nothing to roll back */
}

enum status sqlite_db_checkpoint(struct sqlite_db *db)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK)
        return STATUS_UNAVAILABLE;
    db->wal_pages = 0;
    db->unsynced = false;
    return STATUS_OK;
}

/* ---- statements ---- */

static void bind_uuid(struct sqlite3_stmt *statement, int column, const struct uuid *id)
{
    sqlite3_bind_blob(statement, column, id->bytes, sizeof(id->bytes), SQLITE_STATIC);
}

static void bind_number(struct sqlite3_stmt *statement, int column, uint64_t number)
{
    sqlite3_bind_int64(statement, column, (sqlite3_int64)number);
}

static int bind_field(struct sqlite3_stmt *statement, int column, struct slice bytes, bool text)
{
    if (text)
        return sqlite3_bind_text64(statement, column, bytes.data, bytes.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, column, bytes.data, bytes.len, SQLITE_STATIC);
}

static int bind_row(struct sqlite3_stmt *statement, const struct batch_row *row)
{
    bind_uuid(statement, 1, &row->id);
    bind_number(statement, 2, uuid_time_ms(&row->id));
    if (row->has_key) {
        sqlite3_bind_blob(statement, 3, row->key.digest, EVENT_KEY_BYTES, SQLITE_STATIC);
        bind_number(statement, 4, row->window_ends_at_ms);
    } else {
        sqlite3_bind_null(statement, 3);
        sqlite3_bind_null(statement, 4);
    }
    bind_number(statement, 5, row->response_status);
    bind_number(statement, 6, row->duration_ms);
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < ROW_FIELDS; i++)
        code = bind_field(statement, 7 + i, row->fields[i], is_text[i]);
    return code;
}

/* These are about the row; anything else is about the file or the machine. */
static bool is_refusal(int code)
{
    return (code & 0xff) == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH;
}

enum status sqlite_db_insert(struct sqlite_db *db, const struct batch_row *row)
{
    int code = bind_row(db->statements[SQL_INSERT], row);
    if (code == SQLITE_OK)
        code = run(db, SQL_INSERT);
    if (code == SQLITE_OK)
        return STATUS_OK;
    bool alive = !sqlite3_get_autocommit(db->handle);
    return alive && is_refusal(code) ? STATUS_REFUSED : STATUS_UNAVAILABLE;
}

enum status sqlite_db_count(struct sqlite_db *db, struct fold_entry *entry)
{
    struct sqlite3_stmt *statement = db->statements[SQL_COUNT];
    bind_uuid(statement, 1, &entry->event_id);
    bind_number(statement, 2, entry->count);
    bind_number(statement, 3, entry->last_at_ms);
    enum status status = run_or_fail(db, SQL_COUNT);
    entry->written = status == STATUS_OK && sqlite3_changes(db->handle) > 0;
    return status;
}

static struct uuid read_uuid(struct sqlite3_stmt *statement, int column)
{
    struct uuid id = {{0}};
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes && sqlite3_column_bytes(statement, column) == (int)sizeof(id.bytes))
        memcpy(id.bytes, bytes, sizeof(id.bytes));
    return id;
}

static void read_key(struct sqlite3_stmt *statement, struct journal_key *ret_key)
{
    struct uuid digest = read_uuid(statement, 0);
    static_assert(sizeof(digest.bytes) == EVENT_KEY_BYTES, "both are 16 bytes");
    memcpy(ret_key->key.digest, digest.bytes, EVENT_KEY_BYTES);
    ret_key->event_id = read_uuid(statement, 1);
    ret_key->status = (uint16_t)sqlite3_column_int(statement, 2);
    ret_key->accepted_at_ms = (uint64_t)sqlite3_column_int64(statement, 3);
    ret_key->window_ends_at_ms = (uint64_t)sqlite3_column_int64(statement, 4);
}

enum status sqlite_db_load(struct sqlite_db *db, uint64_t after_ms, const struct uuid *after,
                           size_t room, struct journal_key *ret_keys, size_t *ret_count)
{
    struct sqlite3_stmt *statement = db->statements[SQL_LOAD];
    bind_number(statement, 1, after_ms);
    bind_uuid(statement, 2, after);
    bind_number(statement, 3, room);
    size_t count = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && count < room)
        read_key(statement, &ret_keys[count++]);
    sqlite3_reset(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        return STATUS_UNAVAILABLE;
    *ret_count = count;
    return STATUS_OK;
}

/* ---- retention ---- */

/* The smallest id of a millisecond. */
static struct uuid first_id(uint64_t ms)
{
    struct uuid id = {{0}};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

/* The last id of the next step's rows; false when there are none. */
static enum status find_step(struct sqlite_db *db, const struct uuid *cursor,
                             const struct uuid *cutoff, struct uuid *ret_last, size_t *ret_rows)
{
    struct sqlite3_stmt *statement = db->statements[SQL_PRUNE_FIND];
    bind_uuid(statement, 1, cursor);
    bind_uuid(statement, 2, cutoff);
    bind_number(statement, 3, SQLITE_DB_PRUNE_ROWS);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_last = read_uuid(statement, 0);
        *ret_rows = (size_t)sqlite3_column_int64(statement, 1);
    }
    sqlite3_reset(statement);
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status delete_step(struct sqlite_db *db, const struct uuid *cursor,
                               const struct uuid *last, uint64_t now_ms)
{
    struct sqlite3_stmt *event = db->statements[SQL_PRUNE_EVENT];
    struct sqlite3_stmt *delivery = db->statements[SQL_PRUNE_DELIVERY];
    bind_uuid(event, 1, cursor);
    bind_uuid(event, 2, last);
    bind_number(event, 3, now_ms);
    bind_uuid(delivery, 1, cursor);
    bind_uuid(delivery, 2, last);
    enum status status = sqlite_db_begin(db, false);
    if (status == STATUS_OK)
        status = run_or_fail(db, SQL_PRUNE_EVENT);
    if (status == STATUS_OK)
        status = run_or_fail(db, SQL_PRUNE_DELIVERY);
    if (status == STATUS_OK)
        status = sqlite_db_commit(db);
    if (status != STATUS_OK)
        sqlite_db_rollback(db);
    return status;
}

enum status sqlite_db_prune(struct sqlite_db *db, uint64_t cutoff_ms, uint64_t now_ms,
                            struct uuid *cursor, bool *ret_more)
{
    struct uuid cutoff = first_id(cutoff_ms), last;
    size_t rows = 0;
    enum status status = find_step(db, cursor, &cutoff, &last, &rows);
    if (status == STATUS_OK && rows > 0)
        status = delete_step(db, cursor, &last, now_ms);
    if (status != STATUS_OK)
        return status;
    if (rows > 0)
        *cursor = last;
    *ret_more = rows == SQLITE_DB_PRUNE_ROWS;
    return STATUS_OK;
}
