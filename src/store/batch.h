/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: copied records that are committed together, the duplicate counts that go with them, and
 * the ops that wait for its rows. Pure memory: fronts (front.h) fill and answer it, a backend reads
 * its rows.
 */
#ifndef POSTERN_STORE_BATCH_H
#define POSTERN_STORE_BATCH_H

#include "fold.h"

#include <postern/base/arena.h>
#include <postern/base/list.h>
#include <postern/store/journal.h>

/* A batch is full at either: enough rows to make the cost of a commit small beside theirs, few
 * enough bytes that the copies of one batch stay in the cache's reach. */
#define BATCH_MAX_ROWS 2000u
#define BATCH_MAX_BYTES (4u << 20)

/* The byte strings of a row, in the order of the columns. */
enum row_field {
    ROW_ROUTE,
    ROW_METHOD,
    ROW_TARGET,
    ROW_HEADERS,
    ROW_CONTENT_TYPE,
    ROW_BODY,
    ROW_CLIENT,
    ROW_MODE,
    ROW_STATE,
    ROW_OUTCOME,
    ROW_NOTE, /* empty: the column is NULL */
    ROW_FIELDS,
};

/* One record, its bytes right behind it. */
struct batch_row {
    struct journal_op *op; /* waits for this row; NULL: nobody does (any more) */
    size_t cost_bytes;     /* what the row counts against the buffer's bound */
    struct uuid id;
    struct event_key key;
    uint64_t window_ends_at_ms; /* wall clock; 0: no key */
    uint32_t duration_ms;
    uint16_t response_status;
    bool has_key;
    bool refused;      /* the database refused this very row */
    bool queued;       /* a queue's row: attempts 0, due at once or leased */
    uint32_t lease_ms; /* queued: leased to the journal's owner for that long, from when it is
                          written; 0: not leased */
    bool ownerless;    /* leased to nobody: not to be taken for that long */
    struct slice fields[ROW_FIELDS];
};

struct batch {
    struct list link; /* in the front's queue */
    struct arena arena;
    struct batch_row **rows;
    size_t count, capacity;
    size_t done;              /* rows before this one are over: committed or refused */
    size_t bytes;             /* sum of the rows' costs */
    size_t waiting;           /* rows with an op */
    enum journal_level level; /* the highest any row asked for */
    uint64_t started_ms;      /* monotonic: the first row */
    uint64_t first_wait_ms;   /* monotonic: the first row with an op */
    bool sealed;              /* takes no more rows */
    uint32_t tries;           /* failed attempts to commit it */
    bool doubtful;            /* one of them may have committed it: its answer was lost. A spool
                                 writes that into its rows' column of the same name: they may be in
                                 PostgreSQL, so its queue_take leaves them alone */
    struct fold fold;         /* filled when the batch is sent */
};

/* Wall-clock milliseconds cut to the 48 bits of a UUIDv7, which both databases hold. */
static inline uint64_t batch_time_ms(uint64_t ms)
{
    const uint64_t max_ms = ((uint64_t)1 << 48) - 1;
    return ms < max_ms ? ms : max_ms;
}

/* An empty batch, or NULL when out of memory. */
struct batch *batch_new(uint64_t now_ms);

/* Frees it; ops must have been answered. NULL is fine. */
void batch_free(struct batch *batch);

/* A batch that is over (its ops answered, in no list, its counts gone) is emptied, to be filled
 * again; its start is to be set. False, and
 * nothing changed: it holds more memory than is worth keeping, or none; free it. */
NODISCARD bool batch_renew(struct batch *batch);

/* What a record costs, in memory and against the bounds. */
size_t batch_row_cost(const struct journal_record *record);

/* True when a row of `cost_bytes` may go in: there is room, or it would be the only one. */
bool batch_fits(const struct batch *batch, size_t cost_bytes);

/* Copies the op's record (of batch_row_cost bytes) into a new row; unless its level is BUFFERED the
 * row keeps the op. False when out of memory. The caller has asked batch_fits. */
bool batch_add(struct batch *batch, struct journal_op *op, size_t cost_bytes, uint64_t now_ms);

/* Takes the rows that are over out of it: `done` is 0 then, `bytes` what is left. */
void batch_forget_done(struct batch *batch);

#endif
