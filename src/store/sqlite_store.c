/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite store from outside: opening and closing, what it tells of itself, and the way of a
 * request to the thread (sqlite_thread.c) and back to its seat. No SQLite call is made here but for
 * opening and closing the file.
 */
#include "sqlite_store_impl.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

bool sqlite_store_is_full(const struct sqlite_store *store)
{
    return atomic_load_explicit(&store->full, memory_order_relaxed);
}

void sqlite_store_spool_stats(struct sqlite_store *store, struct spool_stats *ret_stats)
{
    pthread_mutex_lock(&store->lock);
    *ret_stats = store->stats;
    pthread_mutex_unlock(&store->lock);
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
void sqlite_store_give_back(struct sqlite_store *store, struct list *requests)
{
    pthread_mutex_lock(&store->lock);
    for (struct list *link; (link = list_pop_front(requests));) {
        struct sqlite_request *request = container_of(link, struct sqlite_request, link);
        list_push_back(&request->seat->done, link);
        loop_wake(&request->seat->waker);
    }
    pthread_mutex_unlock(&store->lock);
}

bool sqlite_store_wait(struct sqlite_store *store, uint64_t until_ms, struct list *ret_work)
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

/* ---- opening and closing ---- */

/* Signals belong to the main thread. */
static enum status start_thread(struct sqlite_store *store)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&store->thread, NULL, sqlite_thread_run, store);
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

static void init_room(struct sqlite_store *store, const struct sqlite_opts *opts)
{
    snprintf(store->path, sizeof(store->path), "%.*s", (int)opts->path.len, opts->path.data);
    store->room.path = store->path;
    store->room.max_bytes = opts->max_bytes;
    store->room.min_free_bytes = opts->min_free_bytes;
}

static void free_store(struct sqlite_store *store)
{
    sqlite_db_close(&store->db);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static enum status open_file(struct sqlite_store *store, const struct sqlite_opts *opts,
                             char ret_error[static SQLITE_DB_ERROR])
{
    init_room(store, opts);
    enum status status = opts->spool ? sqlite_spool_open(&store->db, opts->path, store->log,
                                                         &store->found, ret_error)
                                     : sqlite_db_open(&store->db, opts->path, ret_error);
    clock_refresh(&store->clock);
    if (status == STATUS_OK)
        sqlite_thread_look(store);
    return status;
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
    enum status status = open_file(store, opts, ret_error);
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
