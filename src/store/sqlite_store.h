/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between those who live on a loop (journal_sqlite.c, queue_sqlite.c, archive_sqlite.c, the spool)
 * and the SQLite thread (sqlite_store.c): a request is handed over, is the thread's until it comes
 * back to its seat, and the seat's loop is woken.
 */
#ifndef POSTERN_STORE_SQLITE_STORE_H
#define POSTERN_STORE_SQLITE_STORE_H

#include "front.h"

#include <postern/store/backends.h>

struct sqlite_db;

/* One worker's place at the thread: requests go to the thread and come back to the seat's loop. */
struct sqlite_seat {
    struct sqlite_store *store;
    struct loop_waker waker;
    struct list done; /* requests that came back; under the store's lock */
};

/* Work for the thread: a batch, or a job (`run`).
 *
 * A job with `writes` runs inside the same transaction as the batches and the other such jobs that
 * wait, after the batches, synced as `durable` says: group commit. What it returns is its own
 * answer as long as the transaction goes on; STATUS_UNAVAILABLE says that the transaction has
 * failed: all of it is rolled back, and everything in it is given back UNAVAILABLE. A job without
 * `writes` only reads; it runs after the transaction, and only its own answer is at stake. Jobs
 * must be short: the thread is everybody's. */
struct sqlite_request {
    struct list link;
    struct sqlite_seat *seat;
    struct batch *batch;      /* to commit; NULL: a job */
    const struct uuid *owner; /* batch: in the leases of its queued rows */
    enum status (*run)(struct sqlite_request *request, struct sqlite_db *db); /* on the thread */
    bool writes, durable;
    void (*returned)(struct sqlite_request *request); /* on the seat's loop, with `status` set */
    enum status status; /* out: what `run` returned; of a batch STATUS_OK, or STATUS_FULL: there is
                           no room for it; both: STATUS_UNAVAILABLE, nothing was written */
};

/* The bound on records waiting, all workers together. */
struct front_budget *sqlite_store_budget(struct sqlite_store *store);

/* How long rows nobody waits for gather, as given at the opening; milliseconds. */
uint32_t sqlite_store_flush_interval_ms(const struct sqlite_store *store);

/* What its rows' home is: the spool's, or the journal's. */
enum queue_home sqlite_store_home(const struct sqlite_store *store);

/* True while appends are refused: the file is at its cap, or the disk at its floor or full. Any
 * thread. */
bool sqlite_store_is_full(const struct sqlite_store *store);

/* What is in it: rows, bytes, oldest_at_ms, full, set_aside, torn_bytes; the rest is 0. As of the
 * last commit that came back. Any thread. */
void sqlite_store_spool_stats(struct sqlite_store *store, struct spool_stats *ret_stats);

/* Counts a queue whose outcomes can't be written, or takes it out again. Any thread, as is asking.
 */
void sqlite_store_note_stuck(struct sqlite_store *store, bool is_stuck);
bool sqlite_store_is_stuck(const struct sqlite_store *store);

/* Takes a place for whoever lives on `loop`. Keeps the loop alive until it is given up. */
NODISCARD enum status sqlite_seat_open(struct sqlite_seat *seat, struct loop *loop,
                                       struct sqlite_store *store);

/* Gives the place up; none of its requests may be the thread's. Allowed inside `returned` of the
 * last one; the seat may be freed at once. */
void sqlite_seat_close(struct sqlite_seat *seat);

/* Hands a request (zeroed but for its "in" members) to the thread. It is the thread's until
 * `returned` is called, which then may submit it again. */
void sqlite_seat_submit(struct sqlite_seat *seat, struct sqlite_request *request);

#endif
