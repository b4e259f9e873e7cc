/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain: carries what is in the spool over into PostgreSQL, on a connection of its own, as soon
 * as that is there. One per process, on one worker's loop. What it sends it may have sent before:
 * each statement leaves alone what PostgreSQL knows as well or better.
 */
#ifndef POSTERN_STORE_SPOOLED_DRAIN_H
#define POSTERN_STORE_SPOOLED_DRAIN_H

#include "pg_schema.h"
#include "spooled_db.h"
#include "sqlite_store.h"

struct spooled_drain {
    struct loop *loop;
    struct sqlite_seat *seat; /* borrowed */
    struct pg_link link;
    struct pg_schema schema;
    struct pg_job job;
    uint32_t timeout_ms;
    bool ready;                 /* the link is up, and the schema is ours */
    struct sqlite_request step; /* settles the last chunk, then reads the next */
    bool stepping, reads;       /* it is the thread's; and it reads */
    enum status read_status;
    struct spooled_chunk chunk;   /* the thread's while stepping, else what is being sent */
    enum spooled_verdict verdict; /* on the chunk */
    size_t settling;              /* rows that the step deletes */
    struct spooled_cursor cursor;
    size_t limit;                      /* rows of the next chunk */
    int64_t days_made;                 /* for this chunk, up to this one */
    unsigned tries;                    /* of this chunk */
    size_t confirmed;                  /* outcomes of this chunk that took effect */
    uint64_t pass_rows;                /* drained in this pass */
    uint64_t pass_refused;             /* queued rows, tried again with the next pass */
    uint64_t kept_refused;             /* rows that are not tried again */
    struct deadline pause;             /* between two passes */
    struct backoff backoff;            /* its length, while passes do nothing */
    uint64_t drained, fenced, refused; /* totals, but for `refused`: now in the spool */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Begins: connects in the background. `seat` is borrowed until it is closed, `url` is not.
 * STATUS_INVALID: the url can't be read. */
NODISCARD enum status spooled_drain_open(struct spooled_drain *drain, struct loop *loop,
                                         struct sqlite_seat *seat, struct slice url,
                                         uint32_t timeout_ms);

/* Says that there may be something to do: a pause ends. */
void spooled_drain_wake(struct spooled_drain *drain);

/* Ends it; `closed` runs when the SQLite thread is done with it, perhaps from inside. */
void spooled_drain_close(struct spooled_drain *drain, void (*closed)(void *arg), void *arg);

#endif
