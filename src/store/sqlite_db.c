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

#include "sqlite_bind.h"
#include "sqlite_schema.h"

#include <assert.h>
#include <errno.h>
#include <postern/base/clock.h>
#include <stdio.h>
#include <stdlib.h>

static const char begin_text[] = "BEGIN IMMEDIATE";
static const char commit_text[] = "COMMIT";
static const char rollback_text[] = "ROLLBACK";
static const char insert_text[] =
    "INSERT INTO event (id, received_at, key, window_ends_at, response_status, duration_ms,"
    " attempts, next_attempt_at, lease_until, lease_owner, doubtful, route, method, target,"
    " headers, content_type, body, client, mode, state, outcome, note)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)"
    " ON CONFLICT (id) DO NOTHING";
static const char rows_text[] = "SELECT count(*) FROM event";
static const char count_text[] =
    "UPDATE event SET duplicates = duplicates + ?2,"
    " last_duplicate_at = max(coalesce(last_duplicate_at, 0), ?3) WHERE id = ?1";
static const char load_text[] =
    "SELECT key, id, response_status, received_at, window_ends_at, note FROM event"
    " WHERE key IS NOT NULL AND (window_ends_at, id) > (?1, ?2)"
    " ORDER BY window_ends_at, id LIMIT ?3";
/* A lease ends with its owner, and whoever owned one in a file we have to ourselves is gone. */
#define END_LEASE                                                                                  \
    "UPDATE event SET next_attempt_at = ?1, lease_until = NULL, lease_owner = NULL"                \
    " WHERE rowid IN (SELECT rowid FROM event INDEXED BY "
static const char void_leases[] = END_LEASE "event_due WHERE state = 'queued' AND doubtful = 0"
                                            " AND lease_until IS NOT NULL)";
static const char void_doubtful_leases[] = END_LEASE
    "event_doubtful WHERE doubtful = 1 AND state = 'queued' AND lease_until IS NOT NULL)";

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
    if (pages > db->wal_file_pages)
        db->wal_file_pages = pages;
    db->wrote = true;
    db->rows += (uint64_t)db->rows_delta;
    db->rows_delta = 0;
    return SQLITE_OK;
}

/* Counts rows of event, so that nobody has to. */
static void on_change(void *arg, int what, const char *schema, const char *table,
                      sqlite3_int64 rowid)
{
    (void)schema;
    (void)rowid;
    struct sqlite_db *db = arg;
    if (what != SQLITE_UPDATE && strcmp(table, "event") == 0)
        db->rows_delta += what == SQLITE_INSERT ? 1 : -1;
}

static void on_rollback(void *arg)
{
    struct sqlite_db *db = arg;
    db->rows_delta = 0;
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

static enum status end_some_leases(struct sqlite_db *db, const char *text)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, text);
    sqlite_bind_number(statement, 1, db->wall_ms);
    return sqlite_db_run(db, statement);
}

static int keep_size(void *ret, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    struct sqlite_db *db = ret;
    db->page_bytes = (uint32_t)strtoul(values[0], NULL, 10);
    return 0;
}

/* From here on the hooks keep count. */
static enum status count_rows(struct sqlite_db *db)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, rows_text);
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    db->rows = found ? sqlite_read_number(statement, 0) : 0;
    sqlite3_reset(statement);
    sqlite3_update_hook(db->handle, on_change, db);
    sqlite3_rollback_hook(db->handle, on_rollback, db);
    int code = sqlite3_exec(db->handle, "PRAGMA page_size", keep_size, db, NULL);
    return found && code == SQLITE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

enum status sqlite_db_end_leases(struct sqlite_db *db)
{
    enum status status = end_some_leases(db, void_leases);
    return status == STATUS_OK ? end_some_leases(db, void_doubtful_leases) : status;
}

static enum status begin_anew(struct sqlite_db *db)
{
    struct clock clock;
    clock_refresh(&clock);
    db->wall_ms = clock.wall_ms;
    enum status status = sqlite_db_end_leases(db);
    if (status == STATUS_OK)
        status = count_rows(db);
    return status == STATUS_OK ? STATUS_OK : STATUS_IO;
}

/* A table that isn't there, or isn't ours, counts too. */
static bool is_damage(int code)
{
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
}

static enum status tell_failure(struct sqlite_db *db, const char *path,
                                char ret_error[static SQLITE_DB_ERROR])
{
    int code = sqlite3_errcode(db->handle) & 0xff;
    if (code == SQLITE_BUSY) {
        snprintf(ret_error, SQLITE_DB_ERROR, "%.200s: another process has it open", path);
        return STATUS_UNAVAILABLE;
    }
    db->damaged = is_damage(code);
    snprintf(ret_error, SQLITE_DB_ERROR, "%.120s: %.60s%s", path, sqlite_db_error(db),
             db->damaged
                 ? "; if it was ours it is damaged: restore it, or move it and its -wal away"
                 : "");
    return STATUS_IO;
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
    if (code != SQLITE_OK)
        return tell_failure(db, path, ret_error);
    sqlite3_wal_hook(db->handle, on_wal, db);
    enum status status = sqlite_schema_migrate(db, ret_error);
    if (status == STATUS_OK)
        status = begin_anew(db);
    return status == STATUS_IO ? tell_failure(db, path, ret_error) : status;
}

static void tear_down(struct sqlite_db *db)
{
    for (size_t i = 0; i < db->statement_count; i++)
        sqlite3_finalize(db->statements[i].prepared);
    sqlite3_close(db->handle);
    *db = (struct sqlite_db){0};
}

enum status sqlite_db_open(struct sqlite_db *db, struct slice path,
                           char ret_error[static SQLITE_DB_ERROR])
{
    char name[SQLITE_DB_PATH];
    *db = (struct sqlite_db){0};
    if (path.len == 0 || path.len >= sizeof(name)) {
        snprintf(ret_error, SQLITE_DB_ERROR, "the path is empty or too long");
        return STATUS_INVALID;
    }
    memcpy(name, path.data, path.len);
    name[path.len] = '\0';
    enum status status = set_up(db, name, ret_error);
    bool damaged = db->damaged;
    if (status != STATUS_OK)
        tear_down(db);
    db->damaged = damaged;
    return status;
}

/* The last connection's close copies the log back by itself. */
void sqlite_db_close(struct sqlite_db *db)
{
    tear_down(db);
}

/* ---- statements ---- */

/* Few enough that looking through them costs nothing beside running one. */
struct sqlite3_stmt *sqlite_db_statement(struct sqlite_db *db, const char *text)
{
    struct sqlite3_stmt *prepared = NULL;
    for (size_t i = 0; i < db->statement_count; i++)
        if (db->statements[i].text == text)
            return db->statements[i].prepared;
    assert(db->statement_count < SQLITE_DB_STATEMENTS);
    if (sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &prepared, NULL) !=
        SQLITE_OK)
        return NULL;
    db->statements[db->statement_count].text = text;
    db->statements[db->statement_count++].prepared = prepared;
    return prepared;
}

/* Bindings stay for the next use, which sets all of them anew. */
static int run(struct sqlite3_stmt *statement)
{
    if (!statement)
        return SQLITE_ERROR;
    int code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : reset;
}

enum status sqlite_db_run(struct sqlite_db *db, struct sqlite3_stmt *statement)
{
    (void)db;
    return run(statement) == SQLITE_OK ? STATUS_OK : STATUS_UNAVAILABLE;
}

size_t sqlite_db_changes(const struct sqlite_db *db)
{
    return (size_t)sqlite3_changes(db->handle);
}

/* ---- transactions ---- */

static enum status run_text(struct sqlite_db *db, const char *text)
{
    return sqlite_db_run(db, sqlite_db_statement(db, text));
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
    return status == STATUS_OK ? run_text(db, begin_text) : status;
}

/* A durable transaction that changed nothing (a row sent again) syncs nothing by itself, although
 * the row it found may be unsynced. */
enum status sqlite_db_commit(struct sqlite_db *db)
{
    db->wrote = false;
    enum status status = run_text(db, commit_text);
    if (status != STATUS_OK)
        return status;
    if (!db->full)
        db->unsynced = db->unsynced || db->wrote;
    else if (db->wrote)
        db->unsynced = false;
    else if (db->unsynced)
        return sqlite_db_checkpoint(db, false);
    return STATUS_OK;
}

void sqlite_db_rollback(struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)run_text(db, rollback_text); /* fails only when there is nothing to roll back */
}

enum status sqlite_db_checkpoint(struct sqlite_db *db, bool truncate)
{
    int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    if (sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL) != SQLITE_OK)
        return STATUS_UNAVAILABLE;
    db->wal_pages = 0;
    if (truncate)
        db->wal_file_pages = 0;
    db->unsynced = false;
    return STATUS_OK;
}

bool sqlite_db_is_out_of_space(const struct sqlite_db *db)
{
    int code = sqlite3_errcode(db->handle) & 0xff, number = sqlite3_system_errno(db->handle);
    return code == SQLITE_FULL ||
           (code == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT || number == EFBIG));
}

/* ---- rows ---- */

static int bind_field(struct sqlite3_stmt *statement, int column, struct slice bytes, bool text)
{
    if (text)
        return sqlite3_bind_text64(statement, column, bytes.data, bytes.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    return sqlite3_bind_blob64(statement, column, bytes.data, bytes.len, SQLITE_STATIC);
}

static int bind_note(struct sqlite3_stmt *statement, struct slice note)
{
    static_assert(ROW_NOTE == ROW_FIELDS - 1, "the note is bound behind the other fields");
    return note.len > 0 ? bind_field(statement, 12 + ROW_NOTE, note, false)
                        : sqlite3_bind_null(statement, 12 + ROW_NOTE);
}

static void bind_key(struct sqlite3_stmt *statement, const struct batch_row *row)
{
    if (row->has_key) {
        sqlite3_bind_blob(statement, 3, row->key.digest, EVENT_KEY_BYTES, SQLITE_STATIC);
        sqlite_bind_number(statement, 4, row->window_ends_at_ms);
    } else {
        sqlite3_bind_null(statement, 3);
        sqlite3_bind_null(statement, 4);
    }
}

/* How often it was tried, when it is due, and who holds it. */
static void bind_queue(struct sqlite_db *db, struct sqlite3_stmt *statement,
                       const struct batch_row *row, const struct uuid *owner)
{
    sqlite_bind_number(statement, 7, row->queued ? 0 : 1);
    for (int column = 8; column <= 10; column++)
        sqlite3_bind_null(statement, column);
    if (row->queued)
        sqlite_bind_number(statement, 8, db->wall_ms + row->lease_ms);
    if (row->queued && row->lease_ms > 0) {
        sqlite_bind_number(statement, 9, db->wall_ms + row->lease_ms);
        if (!row->ownerless)
            sqlite_bind_uuid(statement, 10, owner);
    }
}

static int bind_row(struct sqlite_db *db, struct sqlite3_stmt *statement,
                    const struct batch_row *row, const struct sqlite_origin *origin)
{
    sqlite_bind_uuid(statement, 1, &row->id);
    sqlite_bind_number(statement, 2, uuid_time_ms(&row->id));
    bind_key(statement, row);
    sqlite_bind_number(statement, 5, row->response_status);
    sqlite_bind_number(statement, 6, row->duration_ms);
    bind_queue(db, statement, row, &origin->owner);
    sqlite_bind_number(statement, 11, origin->doubtful);
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < ROW_NOTE; i++)
        code = bind_field(statement, 12 + i, row->fields[i], is_text[i]);
    return code == SQLITE_OK ? bind_note(statement, row->fields[ROW_NOTE]) : code;
}

/* These are about the row; anything else is about the file or the machine. */
static bool is_refusal(int code)
{
    return (code & 0xff) == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG || code == SQLITE_MISMATCH;
}

enum status sqlite_db_insert(struct sqlite_db *db, const struct batch_row *row,
                             const struct sqlite_origin *origin)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, insert_text);
    int code = bind_row(db, statement, row, origin);
    if (code == SQLITE_OK)
        code = run(statement);
    if (code == SQLITE_OK)
        return STATUS_OK;
    bool alive = !sqlite3_get_autocommit(db->handle);
    return alive && is_refusal(code) ? STATUS_REFUSED : STATUS_UNAVAILABLE;
}

enum status sqlite_db_count(struct sqlite_db *db, struct fold_entry *entry)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, count_text);
    sqlite_bind_uuid(statement, 1, &entry->event_id);
    sqlite_bind_number(statement, 2, entry->count);
    sqlite_bind_number(statement, 3, entry->last_at_ms);
    enum status status = sqlite_db_run(db, statement);
    entry->written = status == STATUS_OK && sqlite_db_changes(db) > 0;
    return status;
}

/* The note is copied, the statement's goes with the next step. False when out of memory. */
static bool read_key(struct sqlite3_stmt *statement, struct arena *notes,
                     struct journal_key *ret_key)
{
    struct uuid digest = sqlite_read_uuid(statement, 0);
    struct slice note = sqlite_read_bytes(statement, 5);
    static_assert(sizeof(digest.bytes) == EVENT_KEY_BYTES, "both are 16 bytes");
    memcpy(ret_key->key.digest, digest.bytes, EVENT_KEY_BYTES);
    ret_key->event_id = sqlite_read_uuid(statement, 1);
    ret_key->status = (uint16_t)sqlite3_column_int(statement, 2);
    ret_key->accepted_at_ms = (uint64_t)sqlite3_column_int64(statement, 3);
    ret_key->window_ends_at_ms = (uint64_t)sqlite3_column_int64(statement, 4);
    ret_key->note = SLICE("");
    return note.len == 0 || arena_copy(notes, note, &ret_key->note);
}

enum status sqlite_db_load(struct sqlite_db *db, uint64_t after_ms, const struct uuid *after,
                           struct sqlite_keys *keys)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, load_text);
    sqlite_bind_number(statement, 1, after_ms);
    sqlite_bind_uuid(statement, 2, after);
    sqlite_bind_number(statement, 3, keys->room);
    int code = SQLITE_ROW;
    bool kept = true;
    keys->count = 0;
    arena_reset(&keys->notes);
    while (kept && keys->count < keys->room && keys->notes.used_bytes < keys->note_room &&
           (code = sqlite3_step(statement)) == SQLITE_ROW)
        kept = read_key(statement, &keys->notes, &keys->keys[keys->count++]);
    sqlite3_reset(statement);
    keys->more = code == SQLITE_ROW;
    return kept && (code == SQLITE_DONE || code == SQLITE_ROW) ? STATUS_OK : STATUS_UNAVAILABLE;
}
