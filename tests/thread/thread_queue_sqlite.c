/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three workers on loops of their own share one SQLite thread: each appends queued events, takes
 * whatever is due, renews it and ends it, while upkeep goes round. Every event is delivered once. A
 * plain program, fit for ThreadSanitizer.
 */
#include <postern/store/backends.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS 3u
#define ROWS 1000u /* of each worker */
#define TAKE 40u

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

struct worker {
    pthread_t thread;
    struct loop loop;
    struct uuid owner;
    struct journal *journal;
    struct queue *queue;
    struct uuid_source ids;
    struct journal_op ops[ROWS];
    struct loop_hook hook;
    struct queue_take take;
    struct queue_lease leases[TAKE];
    struct queue_renew renew;
    struct queue_finish finishes[TAKE];
    size_t taken, finishing;
    struct queue_upkeep upkeep;
    size_t closed;
};

static const struct queue_want want = {.route = {"r", 1}, .count = TAKE, .lease_ms = 600000};
static const struct queue_route route = {.name = {"r", 1}, .max_age_ms = UINT64_MAX};
static struct sqlite_store *store;
static _Atomic unsigned delivered;
static char folder[] = "/tmp/postern-thread-XXXXXX";
static char path[64];

static void on_closed(void *arg)
{
    struct worker *worker = arg;
    if (++worker->closed == 2)
        loop_stop(&worker->loop);
}

static void go_on(struct worker *worker)
{
    if (atomic_load(&delivered) < WORKERS * ROWS) {
        worker->taken = 0;
        queue_take(worker->queue, &worker->take);
        return;
    }
    worker->queue->backend->close(worker->queue, on_closed, worker);
    worker->journal->backend->close(worker->journal, on_closed, worker);
}

static void on_kept_up(struct queue_upkeep *upkeep)
{
    CHECK(upkeep->status == STATUS_OK && upkeep->parked + upkeep->expired == 0);
    go_on(container_of(upkeep, struct worker, upkeep));
}

static void on_finished(struct queue_finish *finish)
{
    struct worker *worker = (struct worker *)(uintptr_t)finish->error.data;
    CHECK(finish->status_of_write == STATUS_OK);
    atomic_fetch_add(&delivered, 1);
    if (--worker->finishing == 0)
        queue_upkeep(worker->queue, &worker->upkeep);
}

/* The error's length is 0, its pointer carries the worker. */
static void finish_one(struct worker *worker, size_t i)
{
    struct queue_finish *finish = &worker->finishes[i];
    *finish = (struct queue_finish){.event_id = worker->leases[i].event_id,
                                    .result = QUEUE_DELIVERED,
                                    .attempt = 1,
                                    .attempted = true,
                                    .at_ms = 1,
                                    .status = 200,
                                    .error = slice_of(worker, 0),
                                    .answered = on_finished};
    queue_finish(worker->queue, finish);
}

static void on_renewed(struct queue_renew *renew)
{
    struct worker *worker = container_of(renew, struct worker, renew);
    CHECK(renew->status == STATUS_OK);
    worker->finishing = worker->taken;
    for (size_t i = 0; i < worker->taken; i++) {
        CHECK(!worker->leases[i].lost);
        finish_one(worker, i);
    }
}

static void on_event(struct queue_take *take, const struct queue_event *event)
{
    struct worker *worker = container_of(take, struct worker, take);
    CHECK(worker->taken < TAKE && event->attempts == 0 && slice_eq(event->body, SLICE("{}")));
    worker->leases[worker->taken++] =
        (struct queue_lease){.event_id = event->event_id, .lease_ms = 600000};
}

static void on_take_ended(struct queue_take *take)
{
    struct worker *worker = container_of(take, struct worker, take);
    CHECK(take->status == STATUS_OK);
    worker->renew.count = worker->taken;
    if (worker->taken > 0)
        queue_renew(worker->queue, &worker->renew);
    else
        queue_upkeep(worker->queue, &worker->upkeep);
}

static void on_answered(struct journal_op *op)
{
    CHECK(op->status == STATUS_OK);
}

static void append_all(struct loop_hook *hook)
{
    struct worker *worker = container_of(hook, struct worker, hook);
    for (size_t i = 0; i < ROWS; i++) {
        struct journal_record record = {
            .event_id = uuid_v7(&worker->ids, worker->loop.clock.wall_ms),
            .route = SLICE("r"),
            .state = SLICE("queued"),
            .body = SLICE("{}"),
            .queued = true,
        };
        worker->ops[i] = (struct journal_op){
            .record = &record, .level = JOURNAL_DURABLE, .answered = on_answered};
        CHECK(journal_append(worker->journal, &worker->ops[i]) == OP_PENDING);
    }
    go_on(worker);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    CHECK(loop_open(&worker->loop) == STATUS_OK);
    uuid_source_init(&worker->ids);
    CHECK(journal_sqlite_open(&worker->loop, store, &worker->owner, &worker->journal) == STATUS_OK);
    CHECK(queue_sqlite_open(&worker->loop, store, &worker->owner, &worker->queue) == STATUS_OK);
    worker->take = (struct queue_take){.wants = &want,
                                       .want_count = 1,
                                       .bytes_max = 1u << 20,
                                       .event = on_event,
                                       .ended = on_take_ended};
    worker->renew = (struct queue_renew){.leases = worker->leases, .ended = on_renewed};
    worker->upkeep = (struct queue_upkeep){.routes = &route, .route_count = 1, .ended = on_kept_up};
    worker->hook.run = append_all;
    loop_defer(&worker->loop, &worker->hook);
    loop_run(&worker->loop);
    loop_close(&worker->loop);
    return NULL;
}

static void remove_files(void)
{
    char name[80];
    const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(folder);
}

int main(void)
{
    static struct worker workers[WORKERS];
    char error[256];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/journal.db", folder);
    struct sqlite_opts opts = {.path = slice_str(path),
                               .retention_s = 86400,
                               .buffer_bytes = 64u << 20,
                               .flush_interval_ms = 50,
                               .spool = true};
    CHECK(sqlite_store_open(&opts, NULL, &store, error) == STATUS_OK);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i].owner.bytes[0] = (uint8_t)(i + 1);
        CHECK(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0);
    }
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    CHECK(atomic_load(&delivered) == WORKERS * ROWS);
    sqlite_store_close(store);
    remove_files();
    return 0;
}
