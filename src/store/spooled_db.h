/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain's statements on the spool's file: reading a chunk of what PostgreSQL has to be told,
 * and settling it afterwards. They run on the SQLite thread, inside a transaction, and say
 * STATUS_UNAVAILABLE when that has failed.
 *
 * A queued row that is read is marked (`doubtful` = 1) in the same transaction: from then on it may
 * be in PostgreSQL, where another gateway delivers it, so the spool's queue leaves it alone until
 * it is deleted, or released because it certainly did not get there.
 */
#ifndef POSTERN_STORE_SPOOLED_DB_H
#define POSTERN_STORE_SPOOLED_DB_H

#include "spooled_table.h"
#include "sqlite_db.h"

#include <postern/store/queue.h>

/* Of one chunk: enough that a commit on either side costs little beside them, few enough that the
 * SQLite thread, which commits everybody's appends, is busy for some ten milliseconds. */
#define SPOOLED_CHUNK_ROWS 1000u
#define SPOOLED_CHUNK_BYTES (2u << 20)

/* A lease is its holder's for that long after its end: the outcome may be on its way. A row that
 * was drained meanwhile would be delivered again. */
#define SPOOLED_LEASE_GRACE_MS 10000u

/* What a chunk is of, in the order of its urgency. */
enum spooled_source {
    SPOOLED_NOTHING,
    SPOOLED_OWED,     /* outcomes: who else takes their events would deliver them again */
    SPOOLED_DOUBTFUL, /* events that may be there, and be taken there */
    SPOOLED_EVENTS,
};

struct spooled_item {
    struct uuid id;   /* of the event */
    int64_t rowid;    /* of its row, or `seq` of an outcome */
    bool is_doubtful; /* it was before it was read */
    bool is_returned; /* an outcome that gives a lease back */
};

struct spooled_chunk {
    enum spooled_source source;
    struct spooled_item items[SPOOLED_CHUNK_ROWS];
    size_t count;
    struct spooled_table owed, events, deliveries; /* as PostgreSQL takes them */
};

/* How far a pass has come: what lies behind is done, or can't be done now. */
struct spooled_cursor {
    int64_t owed;
    struct uuid doubtful, event;
};

/* What became of a chunk. */
enum spooled_verdict {
    SPOOLED_KEPT,     /* nobody knows: it stays as it is */
    SPOOLED_DRAINED,  /* PostgreSQL has it */
    SPOOLED_RELEASED, /* PostgreSQL certainly hasn't got it from us */
    SPOOLED_REFUSED,  /* the one row in it was refused: a queued one stays the spool's, to be
                         delivered from it; any other is kept and not tried again */
};

/* Prepares a zeroed chunk, and frees what it holds. */
void spooled_chunk_init(struct spooled_chunk *chunk);
void spooled_chunk_done(struct spooled_chunk *chunk);

/* Reads up to `limit` (at most SPOOLED_CHUNK_ROWS) rows behind the cursor from the most urgent
 * source that has some, and marks them, or deletes them: leases given back are told once, or end by
 * themselves. STATUS_NO_MEMORY: nothing was read. */
NODISCARD enum status spooled_db_read(struct sqlite_db *db, const struct spooled_cursor *cursor,
                                      size_t limit, struct spooled_chunk *chunk);

/* Deletes the chunk's rows, or takes their marks off, as the verdict says. */
NODISCARD enum status spooled_db_settle(struct sqlite_db *db, const struct spooled_chunk *chunk,
                                        enum spooled_verdict verdict);

/* Writes an outcome of `owner` into `owed`; its texts have to be there. */
NODISCARD enum status spooled_db_owe(struct sqlite_db *db, const struct uuid *owner,
                                     const struct queue_finish *finish);

/* Counts the events that PostgreSQL has refused for ever. */
NODISCARD enum status spooled_db_refused(struct sqlite_db *db, uint64_t *ret_count);

#endif
