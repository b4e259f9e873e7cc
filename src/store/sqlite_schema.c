/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the SQLite journal, the same as PostgreSQL's but without partitions. Times are
 * milliseconds since 1970. What a sender controls is BLOB; the body is the last column, so that
 * reading the others never walks its overflow pages.
 */
#include "sqlite_schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE event ("
    "  id BLOB NOT NULL PRIMARY KEY,"
    "  received_at INTEGER NOT NULL,"
    "  route TEXT NOT NULL,"
    "  key BLOB,"
    "  window_ends_at INTEGER,"
    "  method TEXT NOT NULL,"
    "  target BLOB NOT NULL,"
    "  client TEXT NOT NULL,"
    "  mode TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  response_status INTEGER NOT NULL,"
    "  duration_ms INTEGER NOT NULL,"
    "  attempts INTEGER NOT NULL DEFAULT 1,"
    "  next_attempt_at INTEGER,"
    "  lease_until INTEGER,"
    "  last_error TEXT,"
    "  error_category TEXT CHECK (error_category IN ('transient', 'permanent')),"
    "  duplicates INTEGER NOT NULL DEFAULT 0,"
    "  last_duplicate_at INTEGER,"
    "  last_replayed_at INTEGER,"
    "  content_type BLOB NOT NULL,"
    "  headers BLOB NOT NULL,"
    "  body BLOB NOT NULL);"
    "CREATE INDEX event_window ON event (window_ends_at, id) WHERE key IS NOT NULL;"
    "CREATE INDEX event_route ON event (route, received_at);"
    "CREATE TABLE delivery ("
    "  event_id BLOB NOT NULL,"
    "  received_at INTEGER NOT NULL," /* of the event */
    "  attempt INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  status INTEGER,"
    "  duration_ms INTEGER,"
    "  error TEXT,"
    "  response BLOB,"
    "  PRIMARY KEY (event_id, attempt));",
};

#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static int read_version(void *ret_version, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int *)ret_version = values[0] ? (int)strtol(values[0], NULL, 10) : 0;
    return 0;
}

/* One migration and its number in one transaction: killed half way, it has not happened. */
static bool migrate_one(struct sqlite_db *db, int version)
{
    char count[64];
    snprintf(count, sizeof(count), "PRAGMA user_version=%d; COMMIT", version);
    return sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
           sqlite3_exec(db->handle, migrations[version - 1], NULL, NULL, NULL) == SQLITE_OK &&
           sqlite3_exec(db->handle, count, NULL, NULL, NULL) == SQLITE_OK;
}

enum status sqlite_schema_migrate(struct sqlite_db *db, char ret_error[static SQLITE_DB_ERROR])
{
    int version = 0;
    if (sqlite3_exec(db->handle, "PRAGMA user_version", read_version, &version, NULL) != SQLITE_OK)
        goto failed;
    if (version > VERSION) {
        snprintf(ret_error, SQLITE_DB_ERROR,
                 "the file has schema version %d, this program knows only up to %d", version,
                 VERSION);
        return STATUS_INVALID;
    }
    while (version < VERSION)
        if (!migrate_one(db, ++version))
            goto failed;
    return STATUS_OK;
failed:
    snprintf(ret_error, SQLITE_DB_ERROR, "%s", sqlite_db_error(db));
    return STATUS_IO;
}
