/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: the durable record of accepted events. Backends: postgres, sqlite; both pass
 * tests/contract/journal. Appends of one loop turn, and those that gather while a batch is on its
 * way, are committed together (group commit).
 */
#ifndef POSTERN_STORE_JOURNAL_H
#define POSTERN_STORE_JOURNAL_H

#include <postern/base/event_key.h>
#include <postern/base/list.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <postern/base/uuid.h>
#include <postern/store/queue.h>
#include <stdbool.h>
#include <stdint.h>

/* When an append is answered. */
enum journal_level {
    JOURNAL_BUFFERED, /* at once: the record is in this process's memory; written within the flush
                         interval */
    JOURNAL_WRITTEN,  /* when it survives a kill -9 of this process (SQLite: committed, not yet
                         synced;  PostgreSQL: as durable) */
    JOURNAL_DURABLE,  /* when it survives a power cut: committed and synced */
};

/* One accepted event. Everything is borrowed for the submit call and copied there. */
struct journal_record {
    struct uuid event_id; /* its time is the day of the row */
    struct slice route;
    bool has_key;
    struct event_key key;
    struct slice method;
    struct slice target;  /* path and query */
    struct slice headers; /* "Name: value\r\n" lines as received, without hop-by-hop fields and
                             credentials (gateway/record.c) */
    struct slice content_type;
    struct slice body;
    struct slice client;        /* numeric address */
    uint64_t received_at_ms;    /* wall clock; the same as in event_id, from which it is stored */
    uint64_t window_ends_at_ms; /* wall clock; 0 without a key */
    struct slice mode;          /* "proxy", "queue", "observe" */
    struct slice state;         /* "delivered"; "queued" with `queued` */
    struct slice outcome;       /* policy/outcome's journal word: "accepted", "bypassed", … */
    uint16_t response_status;
    uint32_t duration_ms; /* from the last byte of the request to the upstream's head */
    struct slice note;    /* beside the key, at most DEDUP_NOTE_MAX (dedup.h); empty: none */
    /* The record is a queue's row as well (queue.h): `attempts` is 0, it is due at once, or leased
     * to this worker's queue for lease_ms from its commit. Its op, which is DURABLE, is answered
     * only when it is certain: OK, it will be delivered; anything else, it is not and won't be in
     * the journal. */
    bool queued;
    uint32_t lease_ms; /* 0: not leased */
    bool ownerless;    /* the lease is nobody's: it only keeps the row from being taken for so long,
                          and nobody has to be given time to write an outcome when it ends */
};

struct journal_op {
    /* in */
    const struct journal_record *record; /* borrowed for the submit call only */
    enum journal_level level;
    uint64_t not_after_ms; /* monotonic: a queued record that has not been sent to the database by
                              then is UNAVAILABLE; 0: at any time. May be moved until the answer */
    void (*answered)(
        struct journal_op *op); /* only if the submit said OP_PENDING: once, from the loop */
    /* out: STATUS_OK; STATUS_FULL: the buffer is at its bound (or memory is), the record was not
     * taken; STATUS_UNAVAILABLE, at once (OP_READY): the database has been away for longer than an
     * op may wait, the record was not taken; STATUS_UNAVAILABLE, later: not committed in time, the
     * record may have been or may still be committed (it stays buffered; only at close is it given
     * up) but a queued one was withdrawn, and where a commit's answer was lost its op goes on
     * waiting until that is known; STATUS_REFUSED: the database refused this very row. Not taken,
     * given up and refused are counted as dropped, but queued ones, which nobody was promised */
    enum status status;
    enum queue_home home; /* out: where a queued record was committed */
    bool leased;          /* out: its lease is certain, an attempt may begin. False: leave it to
                             queue_take; it had none, or its commit's answer was lost, and when that
                             was known somebody else may have had it */
    struct list link;     /* the backend's own while pending */
};

/* A key of the window, as loaded at start. */
struct journal_key {
    struct event_key key;
    struct uuid event_id;
    uint16_t status;
    uint64_t accepted_at_ms;    /* wall clock */
    uint64_t window_ends_at_ms; /* wall clock */
    struct slice note;          /* as recorded; borrowed for the call */
};

struct journal_load {
    uint64_t now_ms; /* in: keys whose window ends later than this (wall clock) are told */
    void (*key)(struct journal_load *load,
                const struct journal_key *key); /* in: from the loop, any number of times */
    void (*ended)(struct journal_load *load);   /* in: from the loop, once */
    enum status
        status; /* out: STATUS_OK, or STATUS_UNAVAILABLE when the database can't be reached now */
    uint64_t keys; /* out: how many were told */
    struct list link;
};

/* The spool beside a journal, the same for all workers of a process. */
struct spool_stats {
    bool there;     /* there is one */
    bool away;      /* the journal's database is away: appends go to the spool */
    bool full;      /* at its cap, or the disk at its floor: appends are refused */
    bool set_aside; /* at start a damaged file was set aside: see the log */
    uint64_t rows, bytes, oldest_at_ms;    /* in it now; wall clock of the oldest, 0 without one */
    uint64_t spooled_total, drained_total; /* rows, since start: this worker's part */
    uint64_t refused;    /* rows in it that the journal's database refuses; known to the worker that
                            drains */
    uint64_t torn_bytes; /* of its log that were cut off at start */
};

/* For metrics and /readyz?verbose. Filled on the owner's thread; totals since start, of this front
 * (this worker). */
struct journal_stats {
    bool up;                /* the database takes batches now */
    uint64_t rows, batches; /* committed */
    uint64_t dropped;       /* records given up: buffer full, refused, or lost at the end; each was
                               counted here once. Not queued ones that were answered in time */
    uint64_t errors;        /* batches that failed (they are tried again) */
    uint64_t duplicates_lost;             /* duplicate counts whose event was not found in time */
    uint64_t pending_rows, pending_bytes; /* appended, not yet committed */
    uint64_t oldest_pending_ms;           /* monotonic time of the oldest of them, 0 without one */
    uint64_t last_batch_rows;
    struct spool_stats spool;
};

struct journal;

struct journal_backend {
    const char *name;
    /* Takes a copy of the record. BUFFERED answers OP_READY always. */
    enum op_status (*append)(struct journal *journal, struct journal_op *op);
    /* Counts one duplicate into the event's row: `duplicates` + 1, `last_duplicate_at` = at_ms
     * (wall). Folded per event and written with the next batches; an event whose row isn't there
     * yet is tried again for a while. Never waits, never fails: at its bound it counts as lost. */
    void (*count_duplicate)(struct journal *journal, const struct uuid *event_id, uint64_t at_ms);
    /* Tells the recent keys. One load at a time. */
    void (*load_keys)(struct journal *journal, struct journal_load *load);
    /* Writes out what is buffered; `drained` runs once, when all is committed or `deadline_ms`
     * (monotonic) has passed; appending goes on to be possible. What is still there then is what
     * close will drop. */
    void (*drain)(struct journal *journal, uint64_t deadline_ms, void (*drained)(void *arg),
                  void *arg);
    /* Answers pending ops (UNAVAILABLE), counts the rest as dropped, closes and frees; `closed`
     * runs when done. */
    void (*close)(struct journal *journal, void (*closed)(void *arg), void *arg);
};

struct journal {
    const struct journal_backend *backend;
    struct journal_stats stats;
};

/* See journal_backend. */
static inline enum op_status journal_append(struct journal *journal, struct journal_op *op)
{
    return journal->backend->append(journal, op);
}

/* See journal_backend. */
static inline void journal_count_duplicate(struct journal *journal, const struct uuid *event_id,
                                           uint64_t at_ms)
{
    journal->backend->count_duplicate(journal, event_id, at_ms);
}

/* See journal_backend. */
static inline void journal_load_keys(struct journal *journal, struct journal_load *load)
{
    journal->backend->load_keys(journal, load);
}

/* See journal_backend. */
static inline void journal_drain(struct journal *journal, uint64_t deadline_ms,
                                 void (*drained)(void *arg), void *arg)
{
    journal->backend->drain(journal, deadline_ms, drained, arg);
}

#endif
