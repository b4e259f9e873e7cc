/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three workers on loops of their own share one SQLite thread: each appends at every level, counts
 * duplicates, loads keys meanwhile, drains and closes. Afterwards all their keys are there. A plain
 * program, fit for ThreadSanitizer.
 */
#include <postern/store/backends.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS 3u
#define ROWS 2000u
#define ROWS_PER_TURN 40u

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

struct worker {
    pthread_t thread;
    struct loop loop;
    struct journal *journal;
    struct loop_hook hook;
    struct loop_waker waker;
    struct uuid_source ids;
    struct journal_op ops[ROWS];
    size_t appended, answered, drains;
    struct journal_load load;
    bool loaded;
};

static struct sqlite_store *store;
static char folder[] = "/tmp/postern-thread-XXXXXX";
static char path[64];

static void on_closed(void *arg)
{
    struct worker *worker = arg;
    loop_waker_close(&worker->waker);
    loop_stop(&worker->loop);
}

static void close_when_done(struct worker *worker)
{
    if (worker->drains == 1 && worker->loaded && worker->answered == ROWS)
        worker->journal->backend->close(worker->journal, on_closed, worker);
}

static void on_drained(void *arg)
{
    struct worker *worker = arg;
    worker->drains++;
    CHECK(worker->journal->stats.rows == ROWS);
    CHECK(worker->journal->stats.dropped == 0);
    close_when_done(worker);
}

static void on_key(struct journal_load *load, const struct journal_key *key)
{
    (void)load;
    CHECK(key->status == 200);
}

static void on_load_ended(struct journal_load *load)
{
    struct worker *worker = container_of(load, struct worker, load);
    CHECK(load->status == STATUS_OK);
    worker->loaded = true;
    close_when_done(worker);
}

static void note_answer(struct worker *worker, const struct journal_op *op)
{
    CHECK(op->status == STATUS_OK);
    if (++worker->answered == ROWS)
        journal_drain(worker->journal, loop_now_ms(&worker->loop) + 60000, on_drained, worker);
}

/* The record pointer is only read by the submit call: here it carries the worker. */
static void on_answered(struct journal_op *op)
{
    note_answer((struct worker *)(uintptr_t)op->record, op);
}

static void append_one(struct worker *worker)
{
    struct journal_op *op = &worker->ops[worker->appended];
    struct journal_record record = {
        .event_id = uuid_v7(&worker->ids, worker->loop.clock.wall_ms),
        .route = SLICE("r"),
        .has_key = true,
        .body = SLICE("{}"),
        .window_ends_at_ms = worker->loop.clock.wall_ms + 60000,
        .response_status = 200,
    };
    *op = (struct journal_op){.record = &record,
                              .level = (enum journal_level)(worker->appended++ % 3),
                              .answered = on_answered};
    enum op_status submitted = journal_append(worker->journal, op);
    op->record = (const struct journal_record *)(uintptr_t)worker;
    journal_count_duplicate(worker->journal, &record.event_id, worker->loop.clock.wall_ms);
    if (submitted == OP_READY)
        note_answer(worker, op);
}

static void append_some(struct loop_hook *hook)
{
    struct worker *worker = container_of(hook, struct worker, hook);
    for (unsigned i = 0; i < ROWS_PER_TURN && worker->appended < ROWS; i++)
        append_one(worker);
    if (worker->appended < ROWS)
        loop_wake(&worker->waker);
}

static void on_woken(struct loop_waker *waker)
{
    struct worker *worker = container_of(waker, struct worker, waker);
    loop_defer(&worker->loop, &worker->hook);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    CHECK(loop_open(&worker->loop) == STATUS_OK);
    uuid_source_init(&worker->ids);
    worker->hook.run = append_some;
    worker->waker.woken = on_woken;
    CHECK(loop_waker_open(&worker->loop, &worker->waker) == STATUS_OK);
    CHECK(journal_sqlite_open(&worker->loop, store, &(struct uuid){{1}}, &worker->journal) ==
          STATUS_OK);
    worker->load = (struct journal_load){.now_ms = 1, .key = on_key, .ended = on_load_ended};
    journal_load_keys(worker->journal, &worker->load);
    loop_wake(&worker->waker);
    loop_run(&worker->loop);
    loop_close(&worker->loop);
    return NULL;
}

static void open_store(void)
{
    char error[256];
    struct sqlite_opts opts = {.path = slice_str(path),
                               .retention_s = 86400,
                               .buffer_bytes = 64u << 20,
                               .flush_interval_ms = 50};
    CHECK(sqlite_store_open(&opts, NULL, &store, error) == STATUS_OK);
}

/* A last worker with nothing to append reads what the others wrote. */
static void count_keys(struct worker *worker)
{
    *worker = (struct worker){.appended = ROWS, .answered = ROWS, .drains = 1};
    open_store();
    run_worker(worker);
    sqlite_store_close(store);
    CHECK(worker->load.keys == WORKERS * ROWS);
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
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/journal.db", folder);
    open_store();
    for (size_t i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    sqlite_store_close(store);
    count_keys(&workers[0]);
    remove_files();
    return 0;
}
