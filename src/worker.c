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
#define LISTEN_BACKLOG 1024
#define WORK_MARGIN_MS 10000u /* of a record and a settle, beside the stores' own time-outs */
#define PATIENCE_MS 5000u     /* a store that says nothing for that long is taken for away */
#define PROXY_HEADER_MS 5000u /* a PROXY header has to come by then, where TLS doesn't say */

void worker_tell(struct worker *worker, enum worker_phase phase)
{
    atomic_store(&worker->phase, (int)phase);
    loop_wake(&worker->process->waker);
}

void worker_fail(struct worker *worker, const char *what, const char *why)
{
    (void)snprintf(worker->failure, sizeof worker->failure, "%s: %s", what, why);
    worker_tell(worker, WORKER_FAILED);
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

static enum status open_listener(struct worker *worker, size_t i)
{
    const struct listen_opts *opts = &worker->process->config->listen[i];
    struct listener *listener = &worker->listeners[i];
    listener->pending = on_pending;
    listener->tls = worker->process->listener_tls[i];
    listener->proxy_header = opts->proxy_protocol;
    listener->proxy_header_ms = listener->tls ? opts->tls.handshake_ms : PROXY_HEADER_MS;
    return listener_open(listener, &worker->loop, &opts->address, LISTEN_BACKLOG);
}

static void open_listeners(struct worker *worker)
{
    const struct config *config = worker->process->config;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (open_listener(worker, i) != STATUS_OK) {
            char address[ADDRESS_TEXT_SIZE];
            const char *why = strerror(errno);
            address_format(&config->listen[i].address, address);
            worker_fail(worker, address, why);
            return;
        }
        worker->listener_count++;
    }
    worker_tell(worker, WORKER_LISTENING);
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

static void on_limiter_closed(void *arg)
{
    on_all_closed(arg);
}

static void on_dedup_closed(void *arg)
{
    struct worker *worker = arg;
    struct limiter *limiter = worker->gateway.limiter;
    if (limiter)
        limiter->backend->close(limiter, on_limiter_closed, worker);
    else
        on_all_closed(worker);
}

/* The dedup store goes after the others, because what they answer at their end may settle or
 * release a claim; and the limiter after it, for what may be taken back then. */
static void on_closed(void *arg)
{
    struct worker *worker = arg;
    struct dedup *dedup = worker->gateway.dedup;
    if (--worker->closing == 0)
        dedup->backend->close(dedup, on_dedup_closed, worker);
}

static void close_stores(struct worker *worker)
{
    struct gateway *gateway = &worker->gateway;
    worker->unflushed = gateway->journal->stats.pending_rows +
                        gateway->queue->stats.pending_finishes;
    gateway_publish(gateway);
    account_publish(&worker->account, gateway->dedup, gateway->journal, gateway->upstreams,
                    loop_now_ms(&worker->loop));
    worker->closing = worker->process->config->upstream_count + 2;
    for (size_t i = 0; i < worker->process->config->upstream_count; i++)
        gateway->upstreams[i]->backend->close(gateway->upstreams[i], on_closed, worker);
    gateway->queue->backend->close(gateway->queue, on_closed, worker);
    gateway->journal->backend->close(gateway->journal, on_closed, worker);
}

static void on_flushed(void *arg)
{
    close_stores(arg);
}

static void flush(struct worker *worker)
{
    uint64_t until_ms = loop_now_ms(&worker->loop) + worker->process->config->drain_timeout_ms;
    if (worker->flushing)
        return;
    worker->flushing = true;
    deadline_clear(&worker->loop.deadlines, &worker->cut);
    journal_drain(worker->gateway.journal, until_ms, on_flushed, worker);
}

static void on_emptied(void *arg)
{
    flush(arg);
}

/* Longer than any call to an upstream takes, and than a record is waited for after it. */
static uint64_t longest_work_ms(const struct config *config)
{
    uint64_t longest_ms = 0;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct upstream_opts *upstream = &config->upstreams[i];
        uint64_t call_ms = (uint64_t)upstream->connect_timeout_ms + upstream->timeout_ms;
        longest_ms = call_ms > longest_ms ? call_ms : longest_ms;
    }
    return longest_ms + config->postgres.timeout_ms + WORK_MARGIN_MS;
}

/* What is left waits for an answer that a store can't give. Closing the stores answers it. */
static void on_abandoned(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, cut);
    log_line(worker->process->log, LOG_ERROR, "drain ends without the answers of a store",
             LOG_INT("worker", worker->index), LOG_INT("exchanges", worker->gateway.exchanges));
    gateway_abandon(&worker->gateway);
    flush(worker);
}

/* The drain's time is over: clients are cut. Exchanges and attempts still end by their own
 * deadlines (upstream, store, journal). */
static void on_cut(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, cut);
    log_line(worker->process->log, LOG_WARN, "drain timed out, connections are cut",
             LOG_INT("worker", worker->index), LOG_INT("exchanges", worker->gateway.exchanges));
    worker->cut.expired = on_abandoned;
    deadline_set(&worker->loop.deadlines, &worker->cut,
                 loop_now_ms(&worker->loop) + longest_work_ms(worker->process->config));
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

static void publish_arrivals(const struct worker *worker)
{
    const struct arrival_series *series = &worker->process->arrivals;
    struct stream_counts counts = stream_counts_of(&worker->loop);
    metric_set(worker->account.cells, series->handshakes, counts.handshakes);
    metric_set(worker->account.cells, series->failed_handshakes, counts.failed_handshakes);
    metric_set(worker->account.cells, series->bad_proxy_headers, counts.bad_proxy_headers);
}

/* A call only knows that no connection could be made; why TLS failed is for the operator. */
static void tell_tls_failures(struct worker *worker)
{
    const struct config *config = worker->process->config;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct upstream_stats *stats = &worker->upstreams[i]->stats;
        uint64_t fresh = stats->tls_failures - worker->tls_failures[i];
        if (fresh == 0)
            continue;
        worker->tls_failures[i] = stats->tls_failures;
        log_line(worker->process->log, LOG_WARN, "TLS towards an upstream failed",
                 LOG_TEXT("upstream", config->upstreams[i].name),
                 LOG_STR("reason", stats->tls_trouble), LOG_INT("connections", fresh));
    }
}

static void on_publish(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, publish);
    struct gateway *gateway = &worker->gateway;
    gateway_publish(gateway);
    metric_set(worker->account.cells, worker->process->books->body_bytes, gateway->body_bytes);
    publish_arrivals(worker);
    tell_tls_failures(worker);
    account_publish(&worker->account, gateway->dedup, gateway->journal, gateway->upstreams,
                    loop_now_ms(&worker->loop));
    deadline_set(&worker->loop.deadlines, &worker->publish,
                 loop_now_ms(&worker->loop) + PUBLISH_MS);
}

/* The links were opened with the worker and speak from the loop; SQLite can be asked at once. */
static void prepare(struct worker *worker)
{
    worker->awaited = worker_awaited_stores(worker);
    deadline_set(&worker->loop.deadlines, &worker->patience,
                 loop_now_ms(&worker->loop) + PATIENCE_MS);
    if (worker->awaited == AWAITED_KEYS)
        worker_load_keys(worker);
    worker_heard(worker, 0);
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    prepare(worker);
    deadline_set(&worker->loop.deadlines, &worker->publish, loop_now_ms(&worker->loop));
    loop_run(&worker->loop);
    loop_close(&worker->loop);
    worker_tell(worker, WORKER_ENDED);
    return NULL;
}

/* ---- opening ---- */

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
    gateway->tidies = worker->index == 0;
    gateway->looked_back = worker_looked_back;
    return gateway_open(gateway);
}

static enum status allocate(struct worker *worker)
{
    const struct config *config = worker->process->config;
    worker->upstreams = calloc(config->upstream_count, sizeof(struct upstream *));
    worker->listeners = calloc(config->listen_count, sizeof *worker->listeners);
    worker->tls_failures = calloc(config->upstream_count, sizeof *worker->tls_failures);
    if (!worker->upstreams || !worker->listeners || !worker->tls_failures)
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
        {"memory", allocate},
        {"dedup store", worker_open_dedup},
        {"limiter", worker_open_limiter},
        {"journal", worker_open_journal},
        {"upstreams", open_upstreams},
        {"gateway", open_gateway},
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

static struct uuid fresh_owner(void)
{
    struct uuid_source ids;
    struct clock clock = {0};
    uuid_source_init(&ids);
    clock_refresh(&clock);
    return uuid_v7(&ids, clock.wall_ms);
}

enum status worker_start(struct worker *worker, struct process *process, size_t index)
{
    *worker = (struct worker){.process = process, .index = index};
    worker->owner = fresh_owner();
    worker->publish.expired = on_publish;
    worker->reload.expired = worker_on_reload;
    worker->cut.expired = on_cut;
    worker->patience.expired = worker_on_patience_over;
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
    free(worker->tls_failures);
}
