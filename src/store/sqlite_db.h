/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite file of the journal: its connection, schema and statements. Blocking; one thread uses
 * it (sqlite_store.c). The connection is the only one there is, in this process and in any other:
 * SQLite before 3.51.3 can lose a WAL when two connections checkpoint and commit at once.
 */
#ifndef POSTERN_STORE_SQLITE_DB_H
#define POSTERN_STORE_SQLITE_DB_H

#include "batch.h"

#define SQLITE_DB_ERROR 256 /* bytes of an error text, with its NUL */

/* Checkpoint when the write-ahead log has this many pages (of 4 KiB): large enough that a page is
 * written back once for many commits, small enough that recovery takes well under a second. */
#define SQLITE_DB_WAL_PAGES 4000

#define SQLITE_DB_PATH 4096u /* bytes of a path, with its NUL */

#define SQLITE_DB_PRUNE_ROWS 500u /* rows looked at in one step of the retention */

#define SQLITE_DB_STATEMENTS 96u /* different statements of all files that have some */

struct sqlite_db {
    struct sqlite3 *handle;
    struct sqlite_statement {
        const char *text; /* its address is its name */
        struct sqlite3_stmt *prepared;
    } statements[SQLITE_DB_STATEMENTS];
    size_t statement_count;
    uint64_t wall_ms; /* wall clock, read by the thread before each round: the time of statements */
    int wal_pages;    /* in the write-ahead log */
    int wal_file_pages; /* the most it held since its file was truncated */
    uint32_t page_bytes;
    uint64_t rows;      /* of event, committed */
    int64_t rows_delta; /* of the transaction under way */
    bool full;          /* synchronous is FULL now, otherwise NORMAL */
    bool wrote;         /* the last commit appended to the log */
    bool damaged;       /* the opening failed because of what the file holds */
    bool unsynced;      /* commits are in the page cache only */
};

/* What a batch says of all its rows. */
struct sqlite_origin {
    struct uuid owner; /* of the leases of queued rows */
    bool doubtful;     /* PostgreSQL may have them already */
};

/* Opens or makes the file, takes its lock for good, migrates the schema and ends the leases it
 * finds: their owners are gone. On failure nothing stays open, `ret_error` says why, and `damaged`
 * if it is the file's content. */
NODISCARD enum status sqlite_db_open(struct sqlite_db *db, struct slice path,
                                     char ret_error[static SQLITE_DB_ERROR]);

/* Makes every leased event due now (db->wall_ms): whoever held the leases is gone. */
NODISCARD enum status sqlite_db_end_leases(struct sqlite_db *db);

/* Checkpoints and closes. */
void sqlite_db_close(struct sqlite_db *db);

/* Begins a transaction; with `durable` its commit will be synced to the disk. */
NODISCARD enum status sqlite_db_begin(struct sqlite_db *db, bool durable);

/* Commits it. */
NODISCARD enum status sqlite_db_commit(struct sqlite_db *db);

/* Rolls it back, if SQLite has not done so already. */
void sqlite_db_rollback(struct sqlite_db *db);

/* The prepared statement of `text`, which has static storage: prepared at its first use, kept until
 * the close. NULL (see sqlite_db_error) may be bound to and run, which then fails. */
struct sqlite3_stmt *sqlite_db_statement(struct sqlite_db *db, const char *text);

/* Runs a statement to its first row or its end, and resets it. STATUS_UNAVAILABLE: it failed. */
NODISCARD enum status sqlite_db_run(struct sqlite_db *db, struct sqlite3_stmt *statement);

/* Rows the last statement changed. */
size_t sqlite_db_changes(const struct sqlite_db *db);

/* Inserts a row; one that is there already is left alone. STATUS_REFUSED: the database refuses this
 * row, the transaction goes on. STATUS_UNAVAILABLE: the transaction has failed. */
NODISCARD enum status sqlite_db_insert(struct sqlite_db *db, const struct batch_row *row,
                                       const struct sqlite_origin *origin);

/* Adds a duplicate count to its event's row and says in entry->written if it was there. */
NODISCARD enum status sqlite_db_count(struct sqlite_db *db, struct fold_entry *entry);

/* A chunk of keys. `keys`, of which there are `room`, and the arena are the owner's. */
struct sqlite_keys {
    struct journal_key *keys;
    size_t room;
    size_t note_room;   /* bytes: the key whose note reaches that is the last one */
    struct arena notes; /* theirs */
    size_t count;       /* out */
    bool more;          /* out: there may be more behind them */
};

/* Reads the next keys whose (window end, id) is greater than (after_ms, after), as many as there is
 * room for. */
NODISCARD enum status sqlite_db_load(struct sqlite_db *db, uint64_t after_ms,
                                     const struct uuid *after, struct sqlite_keys *keys);

/* One step of the retention (sqlite_prune.c): looks at the next rows behind `cursor` that are older
 * than cutoff_ms and deletes those whose window is over at now_ms and that wait for no delivery.
 * Moves the cursor; *ret_more says if it has to be called again. */
NODISCARD enum status sqlite_db_prune(struct sqlite_db *db, uint64_t cutoff_ms, uint64_t now_ms,
                                      struct uuid *cursor, bool *ret_more);

/* Copies the log into the database file, which syncs both. With `truncate` the log's file is then
 * empty, otherwise it is written over from its beginning. */
NODISCARD enum status sqlite_db_checkpoint(struct sqlite_db *db, bool truncate);

/* True when the last failure was for want of space. */
bool sqlite_db_is_out_of_space(const struct sqlite_db *db);

/* What went wrong last, for a log line; valid until the next call. */
const char *sqlite_db_error(struct sqlite_db *db);

#endif
