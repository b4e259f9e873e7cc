/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the workers' fronts (journal_sqlite.c) and the SQLite thread (sqlite_store.c): a request
 * is handed over, is the thread's until it comes back to its seat, and the seat's loop is woken.
 */
#ifndef POSTERN_STORE_SQLITE_STORE_H
#define POSTERN_STORE_SQLITE_STORE_H

#include "front.h"

#include <postern/store/backends.h>

/* One worker's place at the thread. */
struct sqlite_seat {
    struct sqlite_store *store;
    struct loop_waker waker;
    struct list done; /* requests that came back; under the store's lock */
};

struct sqlite_db;

/* Work for the thread. A batch, a job (`run`), or a load of keys.
 *
 * A job with `writes` runs inside the same transaction as the batches and the other such jobs that
 * wait, after the batches, synced as `durable` says: group commit. What it returns is its own
 * answer as long as the transaction goes on; STATUS_UNAVAILABLE says that the transaction has
 * failed: all of it is rolled back, and everything in it is given back UNAVAILABLE. A job without
 * `writes` only reads and runs outside. Jobs must be short: the thread is everybody's. */
struct sqlite_request {
    struct list link;
    struct sqlite_seat *seat;
    enum status (*run)(struct sqlite_request *request, struct sqlite_db *db);
    bool writes, durable;
    void (*returned)(struct sqlite_request *request); /* for the owner of the seat, who calls it */
    struct batch *batch;                              /* to commit; NULL: a load, or a job */
    struct journal_key *keys;                         /* load: FRONT_LOAD_CHUNK of them to fill */
    size_t count;                                     /* load: how many were filled */
    uint64_t after_ms;
    struct uuid after;
    enum status status; /* out: STATUS_OK or STATUS_UNAVAILABLE */
};

/* The bound on records waiting, all workers together. */
struct front_budget *sqlite_store_budget(struct sqlite_store *store);

/* How long rows nobody waits for gather, as given at the opening; milliseconds. */
uint32_t sqlite_store_flush_interval_ms(const struct sqlite_store *store);

/* Hands a request to the thread. */
void sqlite_store_submit(struct sqlite_store *store, struct sqlite_request *request);

/* Moves the seat's requests that came back to `ret_done` (an initialised list). */
void sqlite_seat_take(struct sqlite_seat *seat, struct list *ret_done);

#endif
