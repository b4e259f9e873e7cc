/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's stores: which are opened, what their links tell, and loading the window's keys. Part
 * of the composition root (worker.h).
 */
#include "worker.h"

#include <stdio.h>
#include <string.h>

#define RELOAD_MS 1000u /* between attempts to load the keys from a journal that is away */

/* A store has spoken: whoever asks is told at once, and after the last one the worker may listen.
 */
void worker_heard(struct worker *worker, unsigned from)
{
    if (!worker->draining)
        deadline_set(&worker->loop.deadlines, &worker->publish, loop_now_ms(&worker->loop));
    worker->awaited &= ~from;
    if (worker->awaited != 0 || atomic_load(&worker->phase) != WORKER_STARTING)
        return;
    deadline_clear(&worker->loop.deadlines, &worker->patience);
    worker_tell(worker, WORKER_PREPARED);
}

/* ---- loading the window's keys ---- */

/* The first line of a note tells copies apart and has to be kept; the response behind it may be
 * given up (policy/reply.h). */
static size_t essential_of(struct slice note)
{
    const char *end = note.len > 0 ? memchr(note.data, '\n', note.len) : NULL;
    size_t len = end ? (size_t)(end - note.data) + 1 : 0;
    return len <= DEDUP_ESSENTIAL_MAX ? len : 0;
}

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
    if (!key_table_put_noted(worker->process->keys, &key->key, &first, key->note,
                             essential_of(key->note), until_ms))
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
    worker_heard(worker, AWAITED_KEYS);
}

void worker_load_keys(struct worker *worker)
{
    worker->load_refused = 0;
    worker->load = (struct journal_load){
        .now_ms = worker->loop.clock.wall_ms,
        .key = on_key,
        .ended = on_loaded,
    };
    journal_load_keys(worker->gateway.journal, &worker->load);
}

void worker_on_reload(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, reload);
    if (!worker->draining)
        worker_load_keys(worker);
}

void worker_on_patience_over(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, patience);
    if ((worker->awaited & AWAITED_POSTGRES) && (worker->awaited & AWAITED_KEYS))
        worker_load_keys(worker); /* says that they can't be had now */
    /* keys that are being loaded are waited for */
    worker_heard(worker, AWAITED_REDIS | AWAITED_POSTGRES | AWAITED_ORPHANS);
}

void worker_looked_back(struct gateway *gateway)
{
    worker_heard(container_of(gateway, struct worker, gateway), AWAITED_ORPHANS);
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
        worker_fail(worker, "dedup.redis", worker_finding_text(finding));
    worker->redis_was_up = worker->redis_was_up || up;
    loop_wake(&process->waker);
    worker_heard(worker, AWAITED_REDIS);
}

static void on_journal_changed(void *arg, bool up, struct slice detail)
{
    struct worker *worker = arg;
    if ((worker->awaited & AWAITED_POSTGRES) && (worker->awaited & AWAITED_KEYS))
        worker_load_keys(worker);
    worker_heard(worker, AWAITED_POSTGRES);
    log_line(worker->process->log, up ? LOG_INFO : LOG_WARN,
             up ? "postgres is up" : "postgres is down", LOG_INT("worker", worker->index),
             LOG_TEXT("detail", detail));
}

static void on_queue_changed(void *arg, bool up, struct slice detail)
{
    struct worker *worker = arg;
    log_line(worker->process->log, up ? LOG_INFO : LOG_WARN, up ? "queue is up" : "queue is down",
             LOG_INT("worker", worker->index), LOG_TEXT("detail", detail));
    worker->gateway.queue_is_away = !up;
}

/* ---- opening ---- */

unsigned worker_awaited_stores(const struct worker *worker)
{
    const struct config *config = worker->process->config;
    unsigned awaited = config->dedup == DEDUP_REDIS ? AWAITED_REDIS : 0;
    if (config->journal == JOURNAL_POSTGRES)
        awaited |= AWAITED_POSTGRES;
    if (config->dedup == DEDUP_MEMORY && worker->index == 0)
        awaited |= AWAITED_KEYS; /* the first worker loads them for all */
    if (config->dedup == DEDUP_REDIS && worker->index == 0)
        awaited |= AWAITED_ORPHANS; /* and settles what a gateway that died has left */
    return awaited;
}

/* An owner of leases that lives may be late by as much as its lease: nobody takes over sooner after
 * an outage. */
static uint32_t longest_lease_ms(const struct config *config)
{
    uint32_t longest_ms = 0;
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].lease_ms > longest_ms)
            longest_ms = config->routes[i].lease_ms;
    return longest_ms;
}

enum status worker_open_dedup(struct worker *worker)
{
    struct process *process = worker->process;
    if (process->config->dedup == DEDUP_MEMORY)
        return dedup_memory_open(&worker->loop, process->keys, &worker->gateway.dedup);
    worker->redis = process->config->redis;
    worker->redis.l1 = process->keys;
    struct redis_listener listener = {.changed = on_redis_changed, .arg = worker};
    return dedup_redis_open(&worker->loop, &worker->redis, listener, &worker->gateway.dedup);
}

enum status worker_open_limiter(struct worker *worker)
{
    const struct process *process = worker->process;
    struct limiter **limiter = &worker->gateway.limiter;
    if (!process->limits)
        return STATUS_OK;
    if (route_any_rate(process->config->routes, process->config->route_count, true))
        return limiter_redis_open(&worker->loop, &process->config->redis, process->limits, limiter);
    return limiter_local_open(&worker->loop, process->limits, limiter);
}

static enum status open_sqlite(struct worker *worker)
{
    struct gateway *gateway = &worker->gateway;
    struct sqlite_store *store = worker->process->sqlite;
    enum status status =
        journal_sqlite_open(&worker->loop, store, &worker->owner, &gateway->journal);
    if (status == STATUS_OK)
        status = queue_sqlite_open(&worker->loop, store, &worker->owner, &gateway->queue);
    return status;
}

/* The journal's link and the queue's are two: looking for due events never delays an append. */
static enum status open_postgres(struct worker *worker)
{
    struct pg_listener journal = {.changed = on_journal_changed, .arg = worker};
    struct pg_listener queue = {.changed = on_queue_changed, .arg = worker};
    struct gateway *gateway = &worker->gateway;
    worker->postgres = worker->process->config->postgres;
    worker->postgres.housekeeper = worker->index == 0;
    worker->postgres.owner = worker->owner;
    worker->postgres.takeover_ms = longest_lease_ms(worker->process->config);
    enum status status =
        journal_postgres_open(&worker->loop, &worker->postgres, journal, &gateway->journal);
    if (status == STATUS_OK)
        status = queue_postgres_open(&worker->loop, &worker->postgres, queue, &gateway->queue);
    return status;
}

static enum status put_spool_beside(struct worker *worker)
{
    struct gateway *gateway = &worker->gateway;
    struct spooled_opts opts = {
        .journal = gateway->journal,
        .queue = gateway->queue,
        .store = worker->process->sqlite,
        .owner = worker->owner,
        .drains = worker->index == 0,
        .url = worker->postgres.url,
        .timeout_ms = worker->postgres.timeout_ms,
    };
    return spooled_open(&worker->loop, &opts, &gateway->journal, &gateway->queue);
}

enum status worker_open_journal(struct worker *worker)
{
    if (worker->process->config->journal == JOURNAL_SQLITE)
        return open_sqlite(worker);
    enum status status = open_postgres(worker);
    if (status == STATUS_OK && worker->process->sqlite)
        status = put_spool_beside(worker);
    return status;
}
