/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of the SQLite store share: sqlite_store.c opens, closes and hands requests
 * over; sqlite_thread.c is the thread that does them.
 */
#ifndef POSTERN_STORE_SQLITE_STORE_IMPL_H
#define POSTERN_STORE_SQLITE_STORE_IMPL_H

#include "sqlite_db.h"
#include "sqlite_room.h"
#include "sqlite_spool.h"
#include "sqlite_store.h"

#include <pthread.h>

struct sqlite_store {
    struct sqlite_db db;
    struct log *log;
    struct front_budget budget;
    uint32_t retention_s;
    uint32_t flush_interval_ms;
    bool is_spool;
    struct sqlite_spool_found found;
    _Atomic unsigned stuck; /* queues with outcomes that can't be written */
    pthread_t thread;
    _Atomic bool full;
    pthread_mutex_t lock; /* the five below */
    pthread_cond_t changed;
    struct list queue;
    bool stop;
    struct spool_stats stats;
    /* the thread's own */
    struct clock clock;
    struct sqlite_room room;
    char path[SQLITE_DB_PATH];
    uint64_t checkpoint_at_ms;  /* monotonic: not before */
    uint64_t unsynced_since_ms; /* monotonic; meaningful while db.unsynced */
    uint64_t prune_at_ms;       /* monotonic: the next step */
    struct uuid prune_cursor;
    bool failing; /* said once, when it begins and when it ends */
};

/* Moves requests that wait to `ret_work`; waits for some until `until_ms` (monotonic). False: told
 * to stop, and nothing is left to do. */
bool sqlite_store_wait(struct sqlite_store *store, uint64_t until_ms, struct list *ret_work);

/* Gives requests back to their seats. */
void sqlite_store_give_back(struct sqlite_store *store, struct list *requests);

/* Looks at how much room there is, and tells others; before the thread runs, and on it. */
void sqlite_thread_look(struct sqlite_store *store);

/* The thread; `store` is a struct sqlite_store. */
void *sqlite_thread_run(void *store);

#endif
