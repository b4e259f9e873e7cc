/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite thread: takes every batch and writing job that waits as one transaction (group commit
 * across workers), answers, then does the jobs that read, then looks after the file: a sync at
 * least once a second, checkpoints by size, the retention in small steps while nobody waits.
 *
 *   worker 1 ─ front ─┐  submit              ┌─ BEGIN, rows of all batches, counts, jobs, COMMIT
 *   worker 2 ─ front ─┼──────────> queue ──> │
 *   worker 3 ─ queue ─┘ <───────── seat <─── └─ wake each seat's loop
 *                         woken
 *
 * The transaction is synced when any of its rows or jobs is durable. A failed one is rolled back
 * whole and handed back; trying again is its sender's business.
 */
#include "sqlite_store.h"

#include "sqlite_db.h"
#include "sqlite_spool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SYNC_INTERVAL_MS 1000u     /* the longest a commit stays in the page cache only */
#define PRUNE_INTERVAL_MS 3600000u /* between two passes of the retention */
#define PRUNE_PAUSE_MS 20u         /* between two steps, so that commits go first */

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
    pthread_mutex_t lock; /* the four below */
    pthread_cond_t changed;
    struct list queue;
    bool stop;
    /* the thread's own */
    struct clock clock;
    uint64_t unsynced_since_ms; /* monotonic; meaningful while db.unsynced */
    uint64_t prune_at_ms;       /* monotonic: the next step */
    struct uuid prune_cursor;
    bool failing; /* said once, when it begins and when it ends */
};

struct front_budget *sqlite_store_budget(struct sqlite_store *store)
{
    return &store->budget;
}

uint32_t sqlite_store_flush_interval_ms(const struct sqlite_store *store)
{
    return store->flush_interval_ms;
}

enum queue_home sqlite_store_home(const struct sqlite_store *store)
{
    return store->is_spool ? QUEUE_HOME_SPOOL : QUEUE_HOME_JOURNAL;
}

void sqlite_store_note_stuck(struct sqlite_store *store, bool is_stuck)
{
    if (is_stuck)
        atomic_fetch_add(&store->stuck, 1);
    else
        atomic_fetch_sub(&store->stuck, 1);
}

bool sqlite_store_is_stuck(const struct sqlite_store *store)
{
    return atomic_load(&store->stuck) > 0;
}

/* ---- seats ---- */

/* The last request's `returned` may take the seat's memory with it. */
static void on_woken(struct loop_waker *waker)
{
    struct sqlite_seat *seat = container_of(waker, struct sqlite_seat, waker);
    struct list done;
    list_init(&done);
    pthread_mutex_lock(&seat->store->lock);
    list_move_all(&done, &seat->done);
    pthread_mutex_unlock(&seat->store->lock);
    for (struct list *link; (link = list_pop_front(&done));) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        request->returned(request);
    }
}

enum status sqlite_seat_open(struct sqlite_seat *seat, struct loop *loop,
                             struct sqlite_store *store)
{
    seat->store = store;
    seat->waker.woken = on_woken;
    list_init(&seat->done);
    return loop_waker_open(loop, &seat->waker);
}

void sqlite_seat_close(struct sqlite_seat *seat)
{
    loop_waker_close(&seat->waker);
}

void sqlite_seat_submit(struct sqlite_seat *seat, struct sqlite_request *request)
{
    struct sqlite_store *store = seat->store;
    request->seat = seat;
    pthread_mutex_lock(&store->lock);
    list_push_back(&store->queue, &request->link);
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
}

/* The wake comes under the lock: once a seat has taken its last request it may be gone. */
static void give_back(struct sqlite_store *store, struct list *requests)
{
    pthread_mutex_lock(&store->lock);
    for (struct list *link; (link = list_pop_front(requests));) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        list_push_back(&request->seat->done, link);
        loop_wake(&request->seat->waker);
    }
    pthread_mutex_unlock(&store->lock);
}

static void note_failure(struct sqlite_store *store, enum status status)
{
    bool failing = status != STATUS_OK;
    if (failing && !store->failing)
        log_line(store->log, LOG_ERROR, "sqlite journal can't be written",
                 LOG_STR("reason", sqlite_db_error(&store->db)));
    if (!failing && store->failing)
        log_line(store->log, LOG_INFO, "sqlite journal works again",
                 LOG_INT("wal_pages", store->db.wal_pages));
    store->failing = failing;
}

/* ---- committing ---- */

static enum status insert_rows(struct sqlite_store *store, const struct sqlite_request *request)
{
    struct sqlite_origin origin = {.owner = *request->owner, .doubtful = request->batch->doubtful};
    struct batch *batch = request->batch;
    for (size_t i = 0; i < batch->count; i++) {
        enum status status = sqlite_db_insert(&store->db, batch->rows[i], &origin);
        batch->rows[i]->refused = status == STATUS_REFUSED;
        if (status != STATUS_OK && status != STATUS_REFUSED)
            return status;
    }
    return STATUS_OK;
}

static enum status write_batch(struct sqlite_store *store, const struct sqlite_request *request)
{
    struct batch *batch = request->batch;
    enum status status = insert_rows(store, request);
    for (size_t i = 0; status == STATUS_OK && i < batch->fold.count; i++)
        status = sqlite_db_count(&store->db, &batch->fold.entries[i]);
    return status;
}

static bool sync_overdue(const struct sqlite_store *store)
{
    return store->db.unsynced &&
           clock_mono_ms(&store->clock) >= store->unsynced_since_ms + SYNC_INTERVAL_MS;
}

static bool is_durable(const struct sqlite_request *request)
{
    return request->batch ? request->batch->level == JOURNAL_DURABLE : request->durable;
}

static bool wants_sync(const struct sqlite_store *store, const struct list *writes)
{
    for (struct list *link = writes->next; link != writes; link = link->next)
        if (is_durable(container_of(link, struct sqlite_request, link)))
            return true;
    return sync_overdue(store);
}

/* Batches come before jobs in `writes`: a job sees what its turn appended. */
static enum status write_all(struct sqlite_store *store, const struct list *writes)
{
    for (struct list *link = writes->next; link != writes; link = link->next) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        request->status = request->batch ? write_batch(store, request)
                                         : request->run(request, &store->db);
        if (request->status == STATUS_UNAVAILABLE)
            return STATUS_UNAVAILABLE;
    }
    return STATUS_OK;
}

static enum status commit_all(struct sqlite_store *store, const struct list *writes)
{
    bool was_unsynced = store->db.unsynced;
    enum status status = sqlite_db_begin(&store->db, wants_sync(store, writes));
    if (status == STATUS_OK)
        status = write_all(store, writes);
    if (status == STATUS_OK)
        status = sqlite_db_commit(&store->db);
    if (!was_unsynced)
        store->unsynced_since_ms = clock_mono_ms(&store->clock);
    return status;
}

static void do_writes(struct sqlite_store *store, struct list *writes)
{
    if (list_is_empty(writes))
        return;
    enum status status = commit_all(store, writes);
    note_failure(store, status);
    if (status != STATUS_OK) {
        sqlite_db_rollback(&store->db);
        for (struct list *link = writes->next; link != writes; link = link->next)
            container_of(link, struct sqlite_request, link)->status = STATUS_UNAVAILABLE;
    }
    give_back(store, writes);
}

static void do_reads(struct sqlite_store *store, struct list *reads)
{
    for (struct list *link = reads->next; link != reads; link = link->next) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        request->status = request->run(request, &store->db);
    }
    give_back(store, reads);
}

static void do_work(struct sqlite_store *store, struct list *work)
{
    struct list batches, jobs, reads;
    list_init(&batches);
    list_init(&jobs);
    list_init(&reads);
    for (struct list *link; (link = list_pop_front(work));) {
        const struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        list_push_back(request->batch ? &batches : request->writes ? &jobs : &reads, link);
    }
    list_move_all(&batches, &jobs);
    do_writes(store, &batches);
    do_reads(store, &reads);
}

/* ---- looking after the file ---- */

static void checkpoint(struct sqlite_store *store)
{
    if (store->db.wal_pages < SQLITE_DB_WAL_PAGES && !sync_overdue(store))
        return;
    enum status status = sqlite_db_checkpoint(&store->db);
    if (status != STATUS_OK) {
        note_failure(store, status);
        store->unsynced_since_ms = clock_mono_ms(&store->clock);
    }
}

static void prune(struct sqlite_store *store)
{
    uint64_t now_ms = clock_mono_ms(&store->clock), wall_ms = store->clock.wall_ms;
    if (now_ms < store->prune_at_ms)
        return;
    uint64_t kept_ms = (uint64_t)store->retention_s * 1000;
    bool more = false;
    enum status status = sqlite_db_prune(&store->db, wall_ms > kept_ms ? wall_ms - kept_ms : 0,
                                         wall_ms, &store->prune_cursor, &more);
    if (status != STATUS_OK)
        note_failure(store, status);
    if (!more)
        store->prune_cursor = (struct uuid){{0}};
    store->prune_at_ms = now_ms + (more ? PRUNE_PAUSE_MS : PRUNE_INTERVAL_MS);
}

/* ---- the thread ---- */

static uint64_t next_duty_ms(const struct sqlite_store *store)
{
    uint64_t sync_ms = store->unsynced_since_ms + SYNC_INTERVAL_MS;
    return store->db.unsynced && sync_ms < store->prune_at_ms ? sync_ms : store->prune_at_ms;
}

/* Waits for requests until `until_ms`; moves them to `ret_work`. False: told to stop, and nothing
 * is left to do. */
static bool wait_for_work(struct sqlite_store *store, uint64_t until_ms, struct list *ret_work)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    int code = 0;
    pthread_mutex_lock(&store->lock);
    while (list_is_empty(&store->queue) && !store->stop && code == 0)
        code = pthread_cond_timedwait(&store->changed, &store->lock, &until);
    list_move_all(ret_work, &store->queue);
    bool going_on = !store->stop || !list_is_empty(ret_work);
    pthread_mutex_unlock(&store->lock);
    return going_on;
}

static void *run(void *arg)
{
    struct sqlite_store *store = arg;
    struct list work;
    list_init(&work);
    clock_refresh(&store->clock);
    while (wait_for_work(store, next_duty_ms(store), &work)) {
        clock_refresh(&store->clock);
        store->db.wall_ms = store->clock.wall_ms;
        do_work(store, &work);
        checkpoint(store);
        prune(store);
    }
    return NULL;
}

/* Signals belong to the main thread. */
static enum status start_thread(struct sqlite_store *store)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&store->thread, NULL, run, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static void init_lock(struct sqlite_store *store)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&store->lock, NULL);
}

static void free_store(struct sqlite_store *store)
{
    sqlite_db_close(&store->db);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

enum status sqlite_store_open(const struct sqlite_opts *opts, struct log *log,
                              struct sqlite_store **ret_store, char ret_error[static 256])
{
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (!store) {
        snprintf(ret_error, SQLITE_DB_ERROR, "out of memory");
        return STATUS_NO_MEMORY;
    }
    store->log = log;
    store->budget.limit_bytes = opts->buffer_bytes;
    store->retention_s = opts->retention_s;
    store->flush_interval_ms = opts->flush_interval_ms;
    store->is_spool = opts->spool;
    list_init(&store->queue);
    init_lock(store);
    enum status status =
        opts->spool ? sqlite_spool_open(&store->db, opts->path, log, &store->found, ret_error)
                    : sqlite_db_open(&store->db, opts->path, ret_error);
    if (status == STATUS_OK && (status = start_thread(store)) != STATUS_OK)
        snprintf(ret_error, SQLITE_DB_ERROR, "the thread can't be started");
    if (status != STATUS_OK) {
        free_store(store);
        return status;
    }
    *ret_store = store;
    return STATUS_OK;
}

void sqlite_store_close(struct sqlite_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    free_store(store);
}
