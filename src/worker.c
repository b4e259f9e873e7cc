/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's life: opened on the main thread, run on its own, told by commands, ended from the
 * outside in: listeners, connections, exchanges, journal, upstreams and stores, loop.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISH_MS 500u /* how often the stores' own counters are published */
#define RELOAD_MS 1000u /* between attempts to load the keys from a journal that is away */
#define LISTEN_BACKLOG 1024
#define PATIENCE_MS 5000u /* a store that says nothing for that long is taken for away */

static void tell(struct worker *worker, enum worker_phase phase)
{
    atomic_store(&worker->phase, (int)phase);
    loop_wake(&worker->process->waker);
}

static void fail(struct worker *worker, const char *what, const char *why)
{
    (void)snprintf(worker->failure, sizeof worker->failure, "%s: %s", what, why);
    tell(worker, WORKER_FAILED);
}

/* A store has spoken: whoever asks is told at once, and after the last one the worker may listen.
 */
static void heard(struct worker *worker, unsigned from)
{
    if (!worker->draining)
        deadline_set(&worker->loop.deadlines, &worker->publish, loop_now_ms(&worker->loop));
    worker->awaited &= ~from;
    if (worker->awaited != 0 || atomic_load(&worker->phase) != WORKER_STARTING)
        return;
    deadline_clear(&worker->loop.deadlines, &worker->patience);
    tell(worker, WORKER_PREPARED);
}

/* ---- loading the window's keys ---- */

static void on_key(struct journal_load *load, const struct journal_key *key)
{
    struct worker *worker = container_of(load, struct worker, load);
    uint64_t wall_ms = worker->loop.clock.wall_ms;
    if (key->window_ends_at_ms <= wall_ms)
        return;
    struct dedup_first first = {
        .event_id = key->event_id,
        .status = key->status,
        .accepted_at_ms = key->accepted_at_ms,
    };
    uint64_t until_ms = loop_now_ms(&worker->loop) + (key->window_ends_at_ms - wall_ms);
    if (!key_table_put_done(worker->process->keys, &key->key, &first, until_ms))
        worker->load_refused++;
}

static void on_loaded(struct journal_load *load)
{
    struct worker *worker = container_of(load, struct worker, load);
    struct process *process = worker->process;
    if (load->status == STATUS_OK) {
        atomic_store(&process->keys_loaded, true);
        log_line(process->log, worker->load_refused ? LOG_ERROR : LOG_INFO,
                 "keys of the window loaded", LOG_INT("keys", load->keys),
                 LOG_INT("over_max_keys", worker->load_refused));
    } else {
        log_line(process->log, LOG_WARN, "keys of the window are not loaded yet: repeats may pass",
                 LOG_STR("reason", status_text(load->status)));
        deadline_set(&worker->loop.deadlines, &worker->reload,
                     loop_now_ms(&worker->loop) + RELOAD_MS);
    }
    heard(worker, AWAITED_KEYS);
}

static void load_keys(struct worker *worker)
{
    worker->load_refused = 0;
    worker->load = (struct journal_load){
        .now_ms = worker->loop.clock.wall_ms,
        .key = on_key,
        .ended = on_loaded,
    };
    journal_load_keys(worker->gateway.journal, &worker->load);
}

static void on_reload(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, reload);
    if (!worker->draining)
        load_keys(worker);
}

static void on_patience_over(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, patience);
    if ((worker->awaited & AWAITED_POSTGRES) && (worker->awaited & AWAITED_KEYS))
        load_keys(worker);                           /* says that they can't be had now */
    heard(worker, AWAITED_REDIS | AWAITED_POSTGRES); /* keys that are being loaded are waited for */
}

/* ---- what the stores tell ---- */

static bool is_fatal(const struct worker *worker, enum redis_finding finding)
{
    if (worker->redis_was_up || atomic_load(&worker->phase) == WORKER_FAILED)
        return false; /* serving already: a link that comes back wrong is an outage, not a reason to
                         leave */
    return finding == REDIS_FINDING_TOO_OLD ||
           (finding == REDIS_FINDING_EVICTING && worker->process->config->strict);
}

const char *worker_finding_text(enum redis_finding finding)
{
    switch (finding) {
    case REDIS_FINDING_TOO_OLD:
        return "redis is older than 7.0: SET NX GET is missing";
    case REDIS_FINDING_EVICTING:
        return "redis may evict live keys (maxmemory-policy): set it to noeviction";
    case REDIS_FINDING_AUTH:
        return "redis refused the user or password";
    case REDIS_FINDING_NONE:
        break;
    }
    return "";
}

static void on_redis_changed(void *arg, bool up, enum redis_finding finding, struct slice detail)
{
    struct worker *worker = arg;
    struct process *process = worker->process;
    atomic_store(&process->redis_finding, (int)finding);
    log_line(process->log, up && finding == REDIS_FINDING_NONE ? LOG_INFO : LOG_WARN,
             up ? "redis is up" : "redis is down", LOG_INT("worker", worker->index),
             LOG_STR("finding", worker_finding_text(finding)), LOG_TEXT("detail", detail));
    if (!up && is_fatal(worker, finding))
        fail(worker, "dedup.redis", worker_finding_text(finding));
    worker->redis_was_up = worker->redis_was_up || up;
    loop_wake(&process->waker);
    heard(worker, AWAITED_REDIS);
}

static void on_journal_changed(void *arg, bool up, struct slice detail)
{
    struct worker *worker = arg;
    if ((worker->awaited & AWAITED_POSTGRES) && (worker->awaited & AWAITED_KEYS))
        load_keys(worker);
    heard(worker, AWAITED_POSTGRES);
    log_line(worker->process->log, up ? LOG_INFO : LOG_WARN,
             up ? "postgres is up" : "postgres is down", LOG_INT("worker", worker->index),
             LOG_TEXT("detail", detail));
}

/* ---- listening ---- */

static void on_pending(struct listener *listener)
{
    struct worker *worker = container_of(listener->loop, struct worker, loop);
    gateway_accept(&worker->gateway, listener);
}

static void close_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->listener_count; i++)
        listener_close(&worker->listeners[i]);
    worker->listener_count = 0;
}

static void open_listeners(struct worker *worker)
{
    const struct config *config = worker->process->config;
    for (size_t i = 0; i < config->listen_count; i++) {
        struct listener *listener = &worker->listeners[i];
        listener->pending = on_pending;
        if (listener_open(listener, &worker->loop, &config->listen[i], LISTEN_BACKLOG) !=
            STATUS_OK) {
            char address[ADDRESS_TEXT_SIZE];
            const char *why = strerror(errno);
            address_format(&config->listen[i], address);
            fail(worker, address, why);
            return;
        }
        worker->listener_count++;
    }
    tell(worker, WORKER_LISTENING);
}

/* ---- ending ---- */

static void on_all_closed(struct worker *worker)
{
    deadline_clear(&worker->loop.deadlines, &worker->publish);
    deadline_clear(&worker->loop.deadlines, &worker->reload);
    deadline_clear(&worker->loop.deadlines, &worker->cut);
    deadline_clear(&worker->loop.deadlines, &worker->patience);
    gateway_close(&worker->gateway);
    loop_waker_close(&worker->waker);
    loop_stop(&worker->loop);
}

static void on_closed(void *arg)
{
    struct worker *worker = arg;
    if (--worker->closing == 0)
        on_all_closed(worker);
}

static void close_stores(struct worker *worker)
{
    struct gateway *gateway = &worker->gateway;
    worker->unflushed = gateway->journal->stats.pending_rows;
    account_publish(&worker->account, gateway->dedup, gateway->journal, gateway->upstreams,
                    loop_now_ms(&worker->loop));
    worker->closing = worker->process->config->upstream_count + 2;
    for (size_t i = 0; i < worker->process->config->upstream_count; i++)
        gateway->upstreams[i]->backend->close(gateway->upstreams[i], on_closed, worker);
    gateway->dedup->backend->close(gateway->dedup, on_closed, worker);
    gateway->journal->backend->close(gateway->journal, on_closed, worker);
}

static void on_flushed(void *arg)
{
    close_stores(arg);
}

static void on_emptied(void *arg)
{
    struct worker *worker = arg;
    uint64_t until_ms = loop_now_ms(&worker->loop) + worker->process->config->drain_timeout_ms;
    deadline_clear(&worker->loop.deadlines, &worker->cut);
    journal_drain(worker->gateway.journal, until_ms, on_flushed, worker);
}

/* The drain's time is over: clients are cut. Exchanges still end by their own deadlines (upstream,
 * store, journal). */
static void on_cut(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, cut);
    log_line(worker->process->log, LOG_WARN, "drain timed out, connections are cut",
             LOG_INT("worker", worker->index), LOG_INT("exchanges", worker->gateway.exchanges));
    gateway_cut(&worker->gateway);
}

static void drain(struct worker *worker)
{
    if (worker->draining)
        return;
    worker->draining = true;
    close_listeners(worker);
    deadline_set(&worker->loop.deadlines, &worker->cut,
                 loop_now_ms(&worker->loop) + worker->process->config->drain_timeout_ms);
    gateway_drain(&worker->gateway, on_emptied, worker);
}

/* ---- running ---- */

static void on_command(struct loop_waker *waker)
{
    struct worker *worker = container_of(waker, struct worker, waker);
    unsigned commands = atomic_exchange(&worker->commands, 0);
    if ((commands & WORKER_OPEN) && !worker->draining)
        open_listeners(worker);
    if (commands & WORKER_DRAIN)
        drain(worker);
}

static void on_publish(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, publish);
    const struct gateway *gateway = &worker->gateway;
    metric_set(worker->account.cells, worker->process->books->body_bytes, gateway->body_bytes);
    account_publish(&worker->account, gateway->dedup, gateway->journal, gateway->upstreams,
                    loop_now_ms(&worker->loop));
    deadline_set(&worker->loop.deadlines, &worker->publish,
                 loop_now_ms(&worker->loop) + PUBLISH_MS);
}

static unsigned awaited_stores(const struct worker *worker)
{
    const struct config *config = worker->process->config;
    unsigned awaited = config->dedup == DEDUP_REDIS ? AWAITED_REDIS : 0;
    if (config->journal == JOURNAL_POSTGRES)
        awaited |= AWAITED_POSTGRES;
    if (config->dedup == DEDUP_MEMORY && worker->index == 0)
        awaited |= AWAITED_KEYS; /* the first worker loads them for all */
    return awaited;
}

/* The links were opened with the worker and speak from the loop; SQLite can be asked at once. */
static void prepare(struct worker *worker)
{
    worker->awaited = awaited_stores(worker);
    deadline_set(&worker->loop.deadlines, &worker->patience,
                 loop_now_ms(&worker->loop) + PATIENCE_MS);
    if (worker->awaited == AWAITED_KEYS)
        load_keys(worker);
    heard(worker, 0);
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    prepare(worker);
    deadline_set(&worker->loop.deadlines, &worker->publish, loop_now_ms(&worker->loop));
    loop_run(&worker->loop);
    loop_close(&worker->loop);
    tell(worker, WORKER_ENDED);
    return NULL;
}

/* ---- opening ---- */

static enum status open_dedup(struct worker *worker)
{
    struct process *process = worker->process;
    if (process->config->dedup == DEDUP_MEMORY)
        return dedup_memory_open(&worker->loop, process->keys, &worker->gateway.dedup);
    worker->redis = process->config->redis;
    worker->redis.l1 = process->keys;
    struct redis_listener listener = {.changed = on_redis_changed, .arg = worker};
    return dedup_redis_open(&worker->loop, &worker->redis, listener, &worker->gateway.dedup);
}

static enum status open_journal(struct worker *worker)
{
    struct process *process = worker->process;
    if (process->sqlite)
        return journal_sqlite_open(&worker->loop, process->sqlite, &worker->owner,
                                   &worker->gateway.journal);
    worker->postgres = process->config->postgres;
    worker->postgres.housekeeper = worker->index == 0;
    worker->postgres.owner = worker->owner;
    struct pg_listener listener = {.changed = on_journal_changed, .arg = worker};
    return journal_postgres_open(&worker->loop, &worker->postgres, listener,
                                 &worker->gateway.journal);
}

static enum status open_upstreams(struct worker *worker)
{
    const struct config *config = worker->process->config;
    for (size_t i = 0; i < config->upstream_count; i++) {
        enum status status =
            upstream_open(&worker->loop, &config->upstreams[i], &worker->upstreams[i]);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status open_gateway(struct worker *worker)
{
    struct gateway *gateway = &worker->gateway;
    gateway->loop = &worker->loop;
    gateway->config = worker->process->config;
    gateway->shared = &worker->process->shared;
    gateway->upstreams = worker->upstreams;
    gateway->log = worker->process->log;
    gateway->account = &worker->account;
    return gateway_open(gateway);
}

static enum status allocate(struct worker *worker)
{
    const struct config *config = worker->process->config;
    worker->upstreams = calloc(config->upstream_count, sizeof(struct upstream *));
    worker->listeners = calloc(config->listen_count, sizeof *worker->listeners);
    if (!worker->upstreams || !worker->listeners)
        return STATUS_NO_MEMORY;
    return account_init(&worker->account, worker->process->books, worker->index);
}

struct opening {
    const char *what;
    enum status (*open)(struct worker *worker);
};

static enum status open_all(struct worker *worker)
{
    static const struct opening openings[] = {
        {"memory", allocate},          {"dedup store", open_dedup}, {"journal", open_journal},
        {"upstreams", open_upstreams}, {"gateway", open_gateway},
    };
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        enum status status = openings[i].open(worker);
        if (status == STATUS_OK)
            continue;
        (void)snprintf(worker->failure, sizeof worker->failure, "%s: %s", openings[i].what,
                       status_text(status));
        return status;
    }
    return STATUS_OK;
}

/* Signals are the main thread's. */
static int start_thread(struct worker *worker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum status worker_start(struct worker *worker, struct process *process, size_t index)
{
    *worker = (struct worker){.process = process, .index = index};
    worker->publish.expired = on_publish;
    worker->reload.expired = on_reload;
    worker->cut.expired = on_cut;
    worker->patience.expired = on_patience_over;
    worker->waker.woken = on_command;
    enum status status = loop_open(&worker->loop);
    if (status == STATUS_OK)
        status = loop_waker_open(&worker->loop, &worker->waker);
    if (status == STATUS_OK)
        status = open_all(worker);
    if (status != STATUS_OK) {
        if (worker->failure[0] == '\0')
            (void)snprintf(worker->failure, sizeof worker->failure, "event loop: %s",
                           status_text(status));
        return status; /* the process ends: the kernel frees what was opened */
    }
    int error = start_thread(worker);
    if (error != 0) {
        (void)snprintf(worker->failure, sizeof worker->failure, "thread: %s", strerror(error));
        return STATUS_IO;
    }
    worker->thread_runs = true;
    return STATUS_OK;
}

void worker_ask(struct worker *worker, enum worker_command command)
{
    atomic_fetch_or(&worker->commands, (unsigned)command);
    loop_wake(&worker->waker);
}

void worker_join(struct worker *worker)
{
    if (!worker->thread_runs)
        return;
    pthread_join(worker->thread, NULL);
    worker->thread_runs = false;
    account_done(&worker->account);
    free(worker->upstreams);
    free(worker->listeners);
}
