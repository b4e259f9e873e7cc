/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the SQLite journal, the same as PostgreSQL's but without partitions. Times are
 * milliseconds since 1970. What a sender controls is BLOB; headers, body and note are the last
 * columns, so that reading the others never walks their overflow pages.
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
    /* 2: the queue and the spool. Both tables are made anew: new columns have to stand before the
       body, and deliveries need one tree instead of two.
         doubtful  1: PostgreSQL may have the row already; 2: it refused the row for ever
         owed      outcomes that PostgreSQL has to be told, the members of struct queue_finish
       event_due holds all that looking for due, leased or old events needs; a doubtful one is
       PostgreSQL's to deliver. */
    "CREATE TABLE event_2 ("
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
    "  attempts_before INTEGER NOT NULL DEFAULT 0,"
    "  next_attempt_at INTEGER,"
    "  lease_until INTEGER,"
    "  lease_owner BLOB,"
    "  last_error TEXT,"
    "  error_category TEXT CHECK (error_category IN ('transient', 'permanent')),"
    "  duplicates INTEGER NOT NULL DEFAULT 0,"
    "  last_duplicate_at INTEGER,"
    "  last_replayed_at INTEGER,"
    "  replay_of BLOB,"
    "  doubtful INTEGER NOT NULL DEFAULT 0,"
    "  content_type BLOB NOT NULL,"
    "  headers BLOB NOT NULL,"
    "  body BLOB NOT NULL);"
    "INSERT INTO event_2 (id, received_at, route, key, window_ends_at, method, target, client,"
    "  mode, state, outcome, response_status, duration_ms, attempts, next_attempt_at, lease_until,"
    "  last_error, error_category, duplicates, last_duplicate_at, last_replayed_at, content_type,"
    "  headers, body)"
    " SELECT id, received_at, route, key, window_ends_at, method, target, client, mode, state,"
    "  outcome, response_status, duration_ms, attempts, next_attempt_at, lease_until, last_error,"
    "  error_category, duplicates, last_duplicate_at, last_replayed_at, content_type, headers,"
    "  body FROM event ORDER BY rowid;"
    "DROP TABLE event;"
    "ALTER TABLE event_2 RENAME TO event;"
    "CREATE INDEX event_window ON event (window_ends_at, id) WHERE key IS NOT NULL;"
    "CREATE INDEX event_route ON event (route, received_at);"
    "CREATE INDEX event_due ON event (route, next_attempt_at, lease_until, received_at, state,"
    "  doubtful) WHERE state = 'queued' AND doubtful = 0;"
    "CREATE INDEX event_stuck ON event (state, route)"
    /* Not IN, for which each insert would open a table of its own. */
    "  WHERE (state = 'dead' OR state = 'parked' OR state = 'cancelled');"
    "CREATE INDEX event_doubtful ON event (id) WHERE doubtful = 1;"
    "CREATE TABLE delivery_2 ("
    "  event_id BLOB NOT NULL,"
    "  received_at INTEGER NOT NULL," /* of the event */
    "  attempt INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  status INTEGER,"
    "  duration_ms INTEGER,"
    "  error TEXT,"
    "  response BLOB,"
    "  PRIMARY KEY (event_id, attempt)) WITHOUT ROWID;"
    "INSERT INTO delivery_2 SELECT event_id, received_at, attempt, at, status, duration_ms, error,"
    "  response FROM delivery;"
    "DROP TABLE delivery;"
    "ALTER TABLE delivery_2 RENAME TO delivery;"
    "CREATE TABLE owed ("
    "  seq INTEGER PRIMARY KEY,"
    "  event_id BLOB NOT NULL,"
    "  owner BLOB NOT NULL,"
    "  result INTEGER NOT NULL," /* enum queue_result */
    "  attempt INTEGER NOT NULL,"
    "  attempted INTEGER NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  retry_at INTEGER NOT NULL,"
    "  status INTEGER NOT NULL,"
    "  duration_ms INTEGER NOT NULL,"
    "  permanent INTEGER NOT NULL,"
    "  error TEXT NOT NULL,"
    "  response BLOB NOT NULL);",
    /* 3: beside the key (dedup.h), NULL without. It may stand behind the body, because only loading
       the keys, and looking for orphans after a start, read it without that; so no file is written
       anew. */
    "ALTER TABLE event ADD COLUMN note BLOB;",
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
