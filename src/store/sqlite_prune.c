/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The retention of the SQLite journal: rows that are old enough go in small steps, each a
 * transaction of its own. Kept are open windows (here the journal is what remembers their keys) and
 * what is still to be delivered.
 */
#include "sqlite_bind.h"
#include "sqlite_db.h"

static const char find_text[] = "SELECT max(id), count(*) FROM (SELECT id FROM event"
                                " WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3)";
static const char delete_events[] = "DELETE FROM event WHERE id > ?1 AND id <= ?2"
                                    " AND (window_ends_at IS NULL OR window_ends_at <= ?3)"
                                    " AND state NOT IN ('queued', 'parked')";
static const char delete_deliveries[] = "DELETE FROM delivery"
                                        " WHERE event_id > ?1 AND event_id <= ?2"
                                        " AND NOT EXISTS (SELECT 1 FROM event WHERE id = event_id)";

/* The smallest id of a millisecond. */
static struct uuid first_id(uint64_t ms)
{
    struct uuid id = {{0}};
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    return id;
}

/* The last id of the next step's rows, and how many they are. */
static enum status find_step(struct sqlite_db *db, const struct uuid *cursor,
                             const struct uuid *cutoff, struct uuid *ret_last, size_t *ret_rows)
{
    struct sqlite3_stmt *statement = sqlite_db_statement(db, find_text);
    sqlite_bind_uuid(statement, 1, cursor);
    sqlite_bind_uuid(statement, 2, cutoff);
    sqlite_bind_number(statement, 3, SQLITE_DB_PRUNE_ROWS);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_last = sqlite_read_uuid(statement, 0);
        *ret_rows = (size_t)sqlite_read_number(statement, 1);
    }
    sqlite3_reset(statement);
    return code == SQLITE_ROW ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status delete_rows(struct sqlite_db *db, const struct uuid *cursor,
                               const struct uuid *last, uint64_t now_ms)
{
    struct sqlite3_stmt *events = sqlite_db_statement(db, delete_events);
    struct sqlite3_stmt *deliveries = sqlite_db_statement(db, delete_deliveries);
    sqlite_bind_uuid(events, 1, cursor);
    sqlite_bind_uuid(events, 2, last);
    sqlite_bind_number(events, 3, now_ms);
    sqlite_bind_uuid(deliveries, 1, cursor);
    sqlite_bind_uuid(deliveries, 2, last);
    enum status status = sqlite_db_run(db, events);
    return status == STATUS_OK ? sqlite_db_run(db, deliveries) : status;
}

static enum status delete_step(struct sqlite_db *db, const struct uuid *cursor,
                               const struct uuid *last, uint64_t now_ms)
{
    enum status status = sqlite_db_begin(db, false);
    if (status == STATUS_OK)
        status = delete_rows(db, cursor, last, now_ms);
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
