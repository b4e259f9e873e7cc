/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of a SELECT here are those of the PostgreSQL statement (spooled_drain.c), in the same
 * order, so that a row is carried over without a struct in between. Rows are marked after the
 * search, which goes along the index that a mark changes.
 */
#include "spooled_db.h"

#include "sqlite_bind.h"

static const enum spooled_kind owed_kinds[] = {
    SPOOLED_UUID, SPOOLED_TIME,      SPOOLED_UUID,  SPOOLED_INT4, SPOOLED_INT4,
    SPOOLED_BOOL, SPOOLED_TIME,      SPOOLED_INT8,  SPOOLED_INT4, SPOOLED_INT8,
    SPOOLED_BOOL, SPOOLED_PRINTABLE, SPOOLED_BYTES,
};

/* Of one event only the first outcome goes, the next one with a later chunk: a statement changes a
 * row once. With min() SQLite takes the other columns from the row that has it. */
static const char owed_text[] =
    "SELECT event_id, event_id, owner, result, attempt, attempted, at, max(retry_at - ?2, 0),"
    " status, duration_ms, permanent, error, response, min(seq) FROM owed WHERE seq > ?1"
    " GROUP BY event_id ORDER BY min(seq) LIMIT ?3";

static const enum spooled_kind event_kinds[] = {
    SPOOLED_UUID,  SPOOLED_TIME,  SPOOLED_TEXT, SPOOLED_BYTES, SPOOLED_TIME,      SPOOLED_TEXT,
    SPOOLED_BYTES, SPOOLED_TEXT,  SPOOLED_TEXT, SPOOLED_TEXT,  SPOOLED_TEXT,      SPOOLED_INT4,
    SPOOLED_INT8,  SPOOLED_INT4,  SPOOLED_INT4, SPOOLED_INT8,  SPOOLED_PRINTABLE, SPOOLED_TEXT,
    SPOOLED_INT8,  SPOOLED_TIME,  SPOOLED_TIME, SPOOLED_UUID,  SPOOLED_BYTES,     SPOOLED_BYTES,
    SPOOLED_BYTES, SPOOLED_BYTES,
};

enum { EVENT_ATTEMPTS = 13, EVENT_ROWID = 26, EVENT_DOUBTFUL, EVENT_QUEUED };
enum { OWED_RESULT = 3, OWED_SEQ = 13 };

/* An event whose attempt is under way is left to a later pass. */
#define SELECT_EVENTS                                                                              \
    "SELECT id, received_at, route, key, window_ends_at, method, target, client, mode, state,"     \
    " outcome, response_status, duration_ms, attempts, attempts_before,"                           \
    " CASE state WHEN 'queued' THEN coalesce(next_attempt_at - ?2, 0) END, last_error,"            \
    " error_category, duplicates, last_duplicate_at, last_replayed_at, replay_of, content_type,"   \
    " headers, body, note, rowid, doubtful, state = 'queued' FROM event"                           \
    " WHERE id > ?1 AND (lease_until IS NULL OR lease_until < ?3 OR state <> 'queued')"

static const char doubtful_text[] = SELECT_EVENTS " AND doubtful = 1 ORDER BY id LIMIT ?4";
static const char event_text[] = SELECT_EVENTS " AND +doubtful = 0 ORDER BY id LIMIT ?4";

static const enum spooled_kind delivery_kinds[] = {
    SPOOLED_UUID, SPOOLED_TIME, SPOOLED_INT4,      SPOOLED_TIME,
    SPOOLED_INT4, SPOOLED_INT8, SPOOLED_PRINTABLE, SPOOLED_BYTES,
};
static const char delivery_text[] = "SELECT event_id, received_at, attempt, at, status,"
                                    " duration_ms, error, response FROM delivery"
                                    " WHERE event_id = ?1 ORDER BY attempt";

static const char mark_text[] = "UPDATE event SET doubtful = 1, lease_until = NULL"
                                " WHERE rowid = ?1 AND state = 'queued'";
static const char release_text[] =
    "UPDATE event SET doubtful = 0 WHERE rowid = ?1 AND doubtful = 1";
static const char refuse_text[] = "UPDATE event SET doubtful = CASE state WHEN 'queued' THEN 0"
                                  " ELSE 2 END WHERE rowid = ?1";
static const char delete_owed_text[] = "DELETE FROM owed WHERE seq = ?1";
static const char delete_event_text[] = "DELETE FROM event WHERE rowid = ?1";
static const char delete_deliveries_text[] = "DELETE FROM delivery WHERE event_id = ?1";
static const char refused_text[] = "SELECT count(*) FROM event WHERE doubtful = 2";

void spooled_chunk_init(struct spooled_chunk *chunk)
{
    spooled_table_init(&chunk->owed, owed_kinds, sizeof(owed_kinds) / sizeof(owed_kinds[0]));
    spooled_table_init(&chunk->events, event_kinds, sizeof(event_kinds) / sizeof(event_kinds[0]));
    spooled_table_init(&chunk->deliveries, delivery_kinds,
                       sizeof(delivery_kinds) / sizeof(delivery_kinds[0]));
}

void spooled_chunk_done(struct spooled_chunk *chunk)
{
    spooled_table_done(&chunk->owed);
    spooled_table_done(&chunk->events);
    spooled_table_done(&chunk->deliveries);
}

static void clear(struct spooled_chunk *chunk)
{
    chunk->source = SPOOLED_NOTHING;
    chunk->count = 0;
    spooled_table_clear(&chunk->owed);
    spooled_table_clear(&chunk->events);
    spooled_table_clear(&chunk->deliveries);
}

/* ---- reading ---- */

/* A time that is read from an id is the one inside it. */
static void add_value(struct spooled_table *table, size_t column, struct sqlite3_stmt *row)
{
    enum spooled_kind kind = table->kinds[column];
    int type = sqlite3_column_type(row, (int)column);
    if (type == SQLITE_NULL) {
        spooled_table_null(table, column);
    } else if (kind == SPOOLED_TIME && type == SQLITE_BLOB) {
        struct uuid id = sqlite_read_uuid(row, (int)column);
        spooled_table_number(table, column, uuid_time_ms(&id));
    } else if (kind <= SPOOLED_TIME) {
        spooled_table_number(table, column, sqlite_read_number(row, (int)column));
    } else {
        spooled_table_bytes(table, column, sqlite_read_bytes(row, (int)column));
    }
}

static void add_row(struct spooled_table *table, struct sqlite3_stmt *row)
{
    for (size_t i = 0; i < table->columns; i++)
        add_value(table, i, row);
    spooled_table_end_row(table);
}

static enum status read_owed(struct sqlite_db *db, int64_t after, size_t limit,
                             struct spooled_chunk *chunk)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, owed_text);
    int code;
    sqlite_bind_number(row, 1, (uint64_t)after);
    sqlite_bind_number(row, 2, db->wall_ms);
    sqlite_bind_number(row, 3, limit);
    while ((code = sqlite3_step(row)) == SQLITE_ROW && chunk->count < limit) {
        chunk->items[chunk->count++] = (struct spooled_item){
            .id = sqlite_read_uuid(row, 0),
            .rowid = sqlite3_column_int64(row, OWED_SEQ),
            .is_returned = sqlite_read_number(row, OWED_RESULT) == QUEUE_RETURNED};
        add_row(&chunk->owed, row);
    }
    sqlite3_reset(row);
    return code == SQLITE_DONE || code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status read_deliveries(struct sqlite_db *db, const struct uuid *id,
                                   struct spooled_chunk *chunk)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, delivery_text);
    int code;
    sqlite_bind_uuid(row, 1, id);
    while ((code = sqlite3_step(row)) == SQLITE_ROW)
        add_row(&chunk->deliveries, row);
    sqlite3_reset(row);
    return code == SQLITE_DONE ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status read_event(struct sqlite_db *db, struct sqlite3_stmt *row,
                              struct spooled_chunk *chunk)
{
    struct spooled_item *item = &chunk->items[chunk->count++];
    *item = (struct spooled_item){.id = sqlite_read_uuid(row, 0),
                                  .rowid = sqlite3_column_int64(row, EVENT_ROWID),
                                  .is_doubtful = sqlite_read_number(row, EVENT_DOUBTFUL) > 0};
    add_row(&chunk->events, row);
    if (sqlite_read_number(row, EVENT_ATTEMPTS) == 0)
        return STATUS_OK;
    return read_deliveries(db, &item->id, chunk);
}

static enum status read_events(struct sqlite_db *db, const char *text, const struct uuid *after,
                               size_t limit, struct spooled_chunk *chunk)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, text);
    enum status status = STATUS_OK;
    int code = SQLITE_ROW;
    sqlite_bind_uuid(row, 1, after);
    sqlite_bind_number(row, 2, db->wall_ms);
    sqlite_bind_number(row, 3, db->wall_ms - SPOOLED_LEASE_GRACE_MS);
    sqlite_bind_number(row, 4, limit);
    while (status == STATUS_OK && chunk->count < limit &&
           chunk->events.bytes + chunk->deliveries.bytes < SPOOLED_CHUNK_BYTES &&
           (code = sqlite3_step(row)) == SQLITE_ROW)
        status = read_event(db, row, chunk);
    sqlite3_reset(row);
    return code == SQLITE_DONE || code == SQLITE_ROW ? status : STATUS_UNAVAILABLE;
}

static enum status run_with(struct sqlite_db *db, const char *text, int64_t rowid)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, text);
    sqlite_bind_number(statement, 1, (uint64_t)rowid);
    return sqlite_db_run(db, statement);
}

static enum status mark(struct sqlite_db *db, const struct spooled_chunk *chunk)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < chunk->count; i++)
        status = run_with(db, mark_text, chunk->items[i].rowid);
    return status;
}

/* Told again after a lost answer, one would end the lease of who took its event meanwhile. */
static enum status forget_returned(struct sqlite_db *db, const struct spooled_chunk *chunk)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < chunk->count; i++)
        if (chunk->items[i].is_returned)
            status = run_with(db, delete_owed_text, chunk->items[i].rowid);
    return status;
}

/* The first source that has something, and is not a later one's business. */
static enum status read_any(struct sqlite_db *db, const struct spooled_cursor *cursor, size_t limit,
                            struct spooled_chunk *chunk)
{
    enum status status = read_owed(db, cursor->owed, limit, chunk);
    chunk->source = SPOOLED_OWED;
    if (status == STATUS_OK && chunk->count == 0) {
        chunk->source = SPOOLED_DOUBTFUL;
        status = read_events(db, doubtful_text, &cursor->doubtful, limit, chunk);
    }
    if (status == STATUS_OK && chunk->count == 0) {
        chunk->source = SPOOLED_EVENTS;
        status = read_events(db, event_text, &cursor->event, limit, chunk);
    }
    if (chunk->count == 0)
        chunk->source = SPOOLED_NOTHING;
    return status;
}

enum status spooled_db_read(struct sqlite_db *db, const struct spooled_cursor *cursor, size_t limit,
                            struct spooled_chunk *chunk)
{
    clear(chunk);
    enum status status = read_any(db, cursor, limit, chunk);
    if (status == STATUS_OK &&
        (chunk->owed.failed || chunk->events.failed || chunk->deliveries.failed))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = chunk->source == SPOOLED_OWED ? forget_returned(db, chunk) : mark(db, chunk);
    if (status != STATUS_OK)
        clear(chunk);
    return status;
}

/* ---- settling ---- */

static enum status delete_event(struct sqlite_db *db, const struct spooled_item *item)
{
    enum status status = run_with(db, delete_event_text, item->rowid);
    if (status != STATUS_OK)
        return status;
    struct sqlite3_stmt *statement = sqlite_db_statement(db, delete_deliveries_text);
    sqlite_bind_uuid(statement, 1, &item->id);
    return sqlite_db_run(db, statement);
}

static enum status settle_item(struct sqlite_db *db, const struct spooled_item *item,
                               enum spooled_source source, enum spooled_verdict verdict)
{
    if (source == SPOOLED_OWED)
        return verdict == SPOOLED_DRAINED ? run_with(db, delete_owed_text, item->rowid) : STATUS_OK;
    if (verdict == SPOOLED_DRAINED)
        return delete_event(db, item);
    if (verdict == SPOOLED_REFUSED)
        return run_with(db, refuse_text, item->rowid);
    return item->is_doubtful ? STATUS_OK : run_with(db, release_text, item->rowid);
}

enum status spooled_db_settle(struct sqlite_db *db, const struct spooled_chunk *chunk,
                              enum spooled_verdict verdict)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && verdict != SPOOLED_KEPT && i < chunk->count; i++)
        status = settle_item(db, &chunk->items[i], chunk->source, verdict);
    return status;
}

enum status spooled_db_refused(struct sqlite_db *db, uint64_t *ret_count)
{
    struct sqlite3_stmt *row = sqlite_db_statement(db, refused_text);
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        *ret_count = sqlite_read_number(row, 0);
    sqlite3_reset(row);
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

/* ---- owing ---- */

static const char owe_text[] =
    "INSERT INTO owed (event_id, owner, result, attempt, attempted, at, retry_at, status,"
    " duration_ms, permanent, error, response) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";

enum status spooled_db_owe(struct sqlite_db *db, const struct uuid *owner,
                           const struct queue_finish *finish)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, owe_text);
    const uint64_t numbers[] = {finish->result,
                                finish->attempt,
                                finish->attempted,
                                batch_time_ms(finish->at_ms),
                                db->wall_ms + batch_time_ms(finish->retry_in_ms),
                                finish->status,
                                finish->duration_ms,
                                finish->permanent};
    sqlite_bind_uuid(statement, 1, &finish->event_id);
    sqlite_bind_uuid(statement, 2, owner);
    for (int i = 0; i < 8; i++)
        sqlite_bind_number(statement, 3 + i, numbers[i]);
    sqlite_bind_text(statement, 11, finish->error);
    sqlite_bind_bytes(statement, 12, finish->response);
    return sqlite_db_run(db, statement);
}
