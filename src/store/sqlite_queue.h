/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's statements on the SQLite file; queue_sqlite.c runs them as jobs on the thread. Times
 * are the wall clock of the round (db->wall_ms). Each expects to be inside a transaction and says
 * STATUS_UNAVAILABLE when that has failed.
 */
#ifndef POSTERN_STORE_SQLITE_QUEUE_H
#define POSTERN_STORE_SQLITE_QUEUE_H

#include "sqlite_db.h"

#include <postern/base/arena.h>
#include <postern/store/queue.h>

/* Rows of each kind that one round of the upkeep changes, and rows it looks at: a few milliseconds
 * of the thread. */
#define SQLITE_UPKEEP_CHANGES 500u
#define SQLITE_UPKEEP_LOOKS 10000u
#define SQLITE_UPKEEP_COUNTED 100000u /* dead and parked rows are counted up to this */

/* An event that was taken, in the arena of its take. */
struct sqlite_taken {
    struct list link;
    int64_t rowid;
    struct queue_event event; /* `route` is the want's */
};

/* What takes of one job share. */
struct sqlite_taking {
    struct arena arena;
    struct list events;   /* struct sqlite_taken */
    size_t bytes;         /* of headers and bodies so far */
    size_t bytes_max;     /* see queue_take */
    bool takes_over;      /* also events whose lease has ended: no outcome may be on its way */
    uint64_t next_due_ms; /* from now, the earliest of all; UINT64_MAX: none */
};

/* Leases due events of one route to `owner`, oldest first, and copies them to `taking`. */
NODISCARD enum status sqlite_queue_take(struct sqlite_db *db, const struct uuid *owner,
                                        const struct queue_want *want,
                                        struct sqlite_taking *taking);

/* Writes one outcome of an event that `owner` leased. STATUS_OK: written, perhaps earlier;
 * STATUS_REFUSED: fenced, see queue_finish. */
NODISCARD enum status sqlite_queue_finish(struct sqlite_db *db, const struct uuid *owner,
                                          const struct queue_finish *finish);

/* Prolongs a lease of `owner`, or finds it lost. */
NODISCARD enum status sqlite_queue_renew(struct sqlite_db *db, const struct uuid *owner,
                                         struct queue_lease *lease);

/* How far the upkeep has come through the queue; zeroed: at its beginning. */
struct sqlite_walk {
    bool takes_over; /* as in a take */
    bool under_way;
    char route[256];
    size_t route_len;
    uint64_t due_ms;    /* the last row's next_attempt_at */
    size_t skip;        /* rows at that place that were seen and are still there */
    uint64_t seen;      /* queued rows so far */
    uint64_t last_seen; /* queued rows in the last walk that came to its end */
};

/* One round of the upkeep: fills its "out" members but for `status`. */
NODISCARD enum status sqlite_queue_upkeep(struct sqlite_db *db, struct sqlite_walk *walk,
                                          struct queue_upkeep *upkeep);

#endif
