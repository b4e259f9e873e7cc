/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's side of a journal, the same for both backends: gathering appends into batches,
 * bounds, who waits how long, draining and closing. A backend embeds it, sends the batch that
 * front_next hands out, and tells how that ended.
 *
 *   append -> [ filling ] -> queue -> front_next -> in flight -> front_rows_done -> front_finish
 *                            ^   |                       |
 *       front_move, from or  |   '-- front_failed, ------'      (the rows stay, and go again)
 *       to another front ----'       front_rolled_back
 *
 * One batch is in flight; what gathers meanwhile is the next one. Nobody is called back from inside
 * a submit call: answers are told by a hook at the end of the loop's turn.
 *
 * An op that waits too long is answered UNAVAILABLE and its row stays, unless that is a queue's: a
 * queued row that certainly was not committed is withdrawn with its op; one that may have been
 * keeps its op waiting until that is known.
 */
#ifndef POSTERN_STORE_FRONT_H
#define POSTERN_STORE_FRONT_H

#include "batch.h"

#include <postern/io/loop.h>
#include <stdatomic.h>

/* How long a duplicate's event may take to appear, and how often we look for it. */
#define FOLD_PATIENCE_MS 30000u
#define FOLD_RETRY_MS 1000u

#define FRONT_LOAD_CHUNK 2048u           /* keys read in one go; batches go between two chunks */
#define FRONT_LOAD_NOTE_BYTES (4u << 20) /* a chunk ends with the key whose note reaches that */

/* Bytes of records waiting; shared by all fronts of one store. */
struct front_budget {
    _Atomic size_t used_bytes;
    size_t limit_bytes;
};

struct front;

/* Who looks over a front's shoulder, to move its batches: the spool (spooled.c). */
struct front_watch {
    struct loop_hook changed; /* armed when a batch ended or failed, and by front_up and front_down
                               */
    void (*closing)(struct front_watch *watch); /* from front_close: the last moment to move */
};

/* What a backend gives its front. */
struct front_opts {
    struct loop *loop;
    struct front_budget *budget;       /* borrowed */
    struct uuid owner;                 /* in the leases of queued rows */
    uint32_t wait_ms;                  /* an op is answered UNAVAILABLE when it waited that long */
    uint32_t flush_interval_ms;        /* a batch nobody waits for gathers that long */
    void (*send)(struct front *front); /* something may be due: ask front_next */
    void (*finish)(struct front *front); /* closing, and nothing owed: free, tell `closed` */
};

struct front {
    struct journal journal;
    struct front_opts opts;
    struct list queue; /* batches not committed, oldest first; the last one may be filling */
    struct batch *in_flight;
    struct batch *spare;       /* one that is over, for the next to need no memory; NULL: none */
    uint64_t sent_at_ms;       /* monotonic: when it was handed out */
    enum queue_home home;      /* told with committed ops */
    struct front_watch *watch; /* borrowed; NULL: nobody's */
    bool patient;              /* counts wait for their events however long */
    struct fold fresh, late;   /* counts to be written next; and whose event wasn't there yet */
    struct list answers;       /* ops with their answer, told by `tell` */
    struct loop_hook send, tell;
    struct deadline flush, waiters, lates, drain_end;
    bool flush_due;         /* buffered rows have waited long enough */
    uint64_t down_since_ms; /* monotonic: no batch could be committed since; 0: all is well */
    struct journal_load *load;
    bool load_over;
    struct uuid load_after; /* paging: the last key told */
    uint64_t load_after_ms;
    void (*drained)(void *arg);
    void *drained_arg;
    bool drain_over;
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Fills a zeroed front, whose journal.backend is the caller's to set. It counts as down until
 * front_up. */
void front_init(struct front *front, const struct front_opts *opts);

/* The journal's operations, apart from load_keys; see journal.h. */
enum op_status front_append(struct journal *journal, struct journal_op *op);
void front_count_duplicate(struct journal *journal, const struct uuid *event_id, uint64_t at_ms);
void front_drain(struct journal *journal, uint64_t deadline_ms, void (*drained)(void *arg),
                 void *arg);

/* Begins closing: ops are answered, what isn't in flight is dropped. opts.finish runs, at the end
 * of a turn, once nothing is in flight. */
void front_close(struct front *front, void (*closed)(void *arg), void *arg);

/* The batch to send now, which is then in flight, or NULL: nothing is due, or one is in flight. It
 * may hold no rows but only counts, and it may hold neither when out of memory. */
struct batch *front_next(struct front *front);

/* Asks for `send` at the end of this turn: the backend can take a batch (again). */
void front_pump(struct front *front);

/* The next `count` rows of the batch in flight are over: committed, but for those marked refused.
 */
void front_rows_done(struct front *front, size_t count);

/* The counts of the batch in flight are committed, but for entries that are not `written`: their
 * events weren't there. Those are tried again for FOLD_PATIENCE_MS. */
void front_fold_done(struct front *front);

/* All rows of the batch in flight are over; it is freed. The database works. */
void front_finish(struct front *front);

/* The batch in flight: nobody knows if it was committed. It stays first in the queue, its ops go on
 * waiting. */
void front_failed(struct front *front);

/* The same, but what is left of it certainly was not committed this time. */
void front_rolled_back(struct front *front);

/* Answers the ops that wait for rows of `batch` with UNAVAILABLE; the rows stay. Queued rows are
 * withdrawn, or, where they may have been committed (or are in flight), go on waiting. The batch is
 * gone if that leaves nothing of it. */
void front_give_up_waiting(struct front *front, struct batch *batch);

/* Moves what is not in flight, or only the doubtful part of it, to the end of another front on the
 * same loop, with the ops that wait. Counts stay. The other's bound may be passed by it. */
void front_move(struct front *from, struct front *to, bool doubtful_only);

/* The database takes batches (again), or does not. */
void front_up(struct front *front);
void front_down(struct front *front);

/* Begins a load, at its first key; or ends it: `ended` is told at the end of the turn. Ending
 * without a load is harmless. */
void front_load_begin(struct front *front, struct journal_load *load);
void front_load_end(struct front *front, enum status status);

/* Tells one key of the load and remembers it as the place to go on from. */
void front_load_key(struct front *front, const struct journal_key *key);

#endif
