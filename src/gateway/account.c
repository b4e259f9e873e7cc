/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declaring and keeping the books. Names follow Prometheus' rules; every series exists from the
 * start, at zero.
 */
#include <postern/gateway/account.h>

#include <stdio.h>
#include <stdlib.h>

#define LABELS_MAX 512

static const char *const timer_names[TIMERS] = {
    [TIMER_CLAIM] = "claim",   [TIMER_UPSTREAM] = "upstream", [TIMER_JOURNAL] = "journal",
    [TIMER_SETTLE] = "settle", [TIMER_TOTAL] = "total",
};

static const char *const tally_names[TALLIES] = {
    [TALLY_CLAIM_LATE] = "claim_late",
    [TALLY_CLAIM_TIMEOUT] = "claim_timeout",
    [TALLY_SETTLE_UNKNOWN] = "settle_unknown",
    [TALLY_RELEASE_UNKNOWN] = "release_unknown",
    [TALLY_LEASE_LAPSED] = "lease_lapsed",
    [TALLY_LEASE_LOST] = "lease_lost",
    [TALLY_RECORD_UNCONFIRMED] = "record_unconfirmed",
    [TALLY_RECORD_LATE] = "record_late",
    [TALLY_LATE_SETTLE] = "late_settle",
    [TALLY_CLIENT_GONE] = "client_gone",
    [TALLY_PARKED] = "parked",
};

/* ---- declaring ---- */

/* `first="value"` and then `tail`, which is our own text; NULL when it can't be built. */
static const char *labels(struct buf *buf, const char *first, struct slice value, const char *tail)
{
    buf_clear(buf);
    bool ok = buf_printf(buf, "%s=\"", first) == STATUS_OK &&
              metrics_label(buf, value) == STATUS_OK &&
              buf_printf(buf, "\"%s", tail) == STATUS_OK && buf_append_byte(buf, '\0') == STATUS_OK;
    return ok ? buf_slice(buf).data : NULL;
}

static void declare_outcomes(struct metrics *m, struct buf *buf, struct slice name,
                             struct route_series *series)
{
    for (enum outcome o = OUTCOME_NONE + 1; o < OUTCOMES; o++) {
        const struct outcome_row *row = outcome_row(o);
        char tail[128];
        (void)snprintf(tail, sizeof tail, ",book=\"%s\",outcome=\"%s\"", book_name(row->book),
                       row->name);
        series->outcomes[o] =
            metrics_counter(m, "postern_requests_ended_total",
                            "Requests by how they ended; book sums them up (contract C8).",
                            labels(buf, "route", name, tail));
    }
}

static void declare_timers(struct metrics *m, struct buf *buf, struct slice name,
                           struct route_series *series)
{
    char tail[64];
    for (enum step_timer t = 0; t < TIMERS; t++) {
        (void)snprintf(tail, sizeof tail, ",step=\"%s\"", timer_names[t]);
        series->timers[t] = metrics_histogram(m, "postern_step_duration_seconds",
                                              "Time of the steps of an exchange.",
                                              labels(buf, "route", name, tail));
    }
    for (enum key_miss miss = KEY_MISS_NONE + 1; miss < KEY_MISSES; miss++) {
        (void)snprintf(tail, sizeof tail, ",reason=\"%s\"", key_miss_text(miss));
        series->misses[miss] = metrics_counter(m, "postern_key_missing_total",
                                               "Requests for which no rule found a key, by reason.",
                                               labels(buf, "route", name, tail));
    }
}

static void declare_route(struct metrics *m, struct buf *buf, struct slice name,
                          struct route_series *series)
{
    const char *l = labels(buf, "route", name, "");
    series->received = metrics_counter(m, "postern_requests_received_total",
                                       "Requests whose head was read, or that were refused before.",
                                       l);
    series->in_progress =
        metrics_gauge(m, "postern_requests_in_progress", "Requests received and not ended.", l);
    series->difference =
        metrics_gauge(m, "postern_books_difference",
                      "Received - ended - in progress: zero, or a request was lost track of.", l);
    declare_outcomes(m, buf, name, series);
    declare_timers(m, buf, name, series);
}

static void declare_upstream(struct metrics *m, struct buf *buf, struct slice name,
                             struct upstream_series *series)
{
    const char *l = labels(buf, "upstream", name, "");
    series->connects =
        metrics_counter(m, "postern_upstream_connects_total", "Connections opened.", l);
    series->connect_failures = metrics_counter(m, "postern_upstream_connect_failures_total",
                                               "Connections that could not be opened.", l);
    series->reuses =
        metrics_counter(m, "postern_upstream_reuses_total", "Calls sent on a kept connection.", l);
    series->restarts = metrics_counter(m, "postern_upstream_restarts_total",
                                       "Calls begun again before a byte was sent.", l);
    series->in_flight = metrics_gauge(m, "postern_upstream_in_flight", "Calls under way.", l);
    series->queued = metrics_gauge(m, "postern_upstream_queued", "Calls waiting for a slot.", l);
    series->idle = metrics_gauge(m, "postern_upstream_idle_connections",
                                 "Kept connections without a call.", l);
}

static void declare_stores(struct metrics *m, struct books *b)
{
    b->dedup_up =
        metrics_gauge(m, "postern_dedup_up", "Workers whose dedup store takes commands.", NULL);
    b->dedup_errors = metrics_counter(m, "postern_dedup_errors_total",
                                      "Commands the dedup store did not answer, or refused.", NULL);
    b->dedup_reconnects = metrics_counter(m, "postern_dedup_reconnects_total",
                                          "Links to the dedup store opened again.", NULL);
    b->dedup_pending =
        metrics_gauge(m, "postern_dedup_pending", "Commands without an answer yet.", NULL);
    b->dedup_doubtful = metrics_counter(m, "postern_dedup_doubtful_released_total",
                                        "Claims of unknown fate given back after a reconnect.",
                                        NULL);
    b->dedup_debts = metrics_gauge(
        m, "postern_dedup_debts", "Accepted events that the store may not know as done yet.", NULL);
    b->dedup_debts_dropped = metrics_counter(m, "postern_dedup_debts_dropped_total",
                                             "Such events given up at the bound: a retry may pass.",
                                             NULL);
    b->dedup_l1_hits = metrics_counter(m, "postern_dedup_l1_hits_total",
                                       "Duplicates answered from memory without asking the store.",
                                       NULL);
    b->dedup_keys = metrics_gauge(m, "postern_dedup_memory_keys",
                                  "Keys in memory: of the memory store, or of L1.", NULL);
    b->journal_up = metrics_gauge(
        m, "postern_journal_up",
        "Workers whose journal's database takes batches (the spool is not it).", NULL);
    b->journal_rows = metrics_counter(m, "postern_journal_rows_total", "Records committed.", NULL);
    b->journal_batches =
        metrics_counter(m, "postern_journal_batches_total", "Batches committed.", NULL);
    b->journal_dropped = metrics_counter(m, "postern_journal_dropped_total",
                                         "Records given up: audit rows that will never be.", NULL);
    b->journal_errors = metrics_counter(m, "postern_journal_errors_total",
                                        "Batches that failed and are tried again.", NULL);
    b->journal_duplicates_lost = metrics_counter(m, "postern_journal_duplicate_counts_lost_total",
                                                 "Duplicate counts whose event was not found.",
                                                 NULL);
    b->journal_pending_rows =
        metrics_gauge(m, "postern_journal_pending_rows", "Records not committed yet.", NULL);
    b->journal_pending_bytes =
        metrics_gauge(m, "postern_journal_pending_bytes", "Their bytes.", NULL);
    b->journal_lag = metrics_gauge(
        m, "postern_journal_lag_seconds",
        "Age of the oldest record not committed, in begun seconds, summed over workers.", NULL);
    b->journal_batch_rows =
        metrics_size_histogram(m, "postern_journal_batch_rows",
                               "Records per committed batch, as seen when published.", NULL);
}

static void declare_process(struct metrics *m, struct books *b)
{
    for (enum tally t = 0; t < TALLIES; t++) {
        char text[64];
        (void)snprintf(text, sizeof text, "kind=\"%s\"", tally_names[t]);
        b->tallies[t] = metrics_counter(m, "postern_incidents_total",
                                        "Things worth knowing beside the outcomes.", text);
    }
    b->connections =
        metrics_gauge(m, "postern_client_connections", "Client connections open.", NULL);
    b->connections_total = metrics_counter(m, "postern_client_connections_total",
                                           "Client connections accepted.", NULL);
    b->connections_refused = metrics_counter(m, "postern_client_connections_refused_total",
                                             "Client connections over limits.connections.", NULL);
    b->body_bytes =
        metrics_gauge(m, "postern_request_body_bytes", "Request bodies held now.", NULL);
    b->log_dropped = metrics_gauge(m, "postern_log_dropped_lines",
                                   "Log lines dropped because the output was blocked.", NULL);
}

static enum status declare(const struct config *config, struct books *books)
{
    struct buf buf;
    buf_init(&buf, LABELS_MAX);
    for (size_t i = 0; i <= books->route_count; i++)
        declare_route(books->metrics, &buf,
                      i < books->route_count ? config->routes[i].name : SLICE(""),
                      &books->routes[i]);
    for (size_t i = 0; i < books->upstream_count; i++)
        declare_upstream(books->metrics, &buf, config->upstreams[i].name, &books->upstreams[i]);
    declare_stores(books->metrics, books);
    books_declare_queue(config, books);
    books_declare_door(config, books);
    declare_process(books->metrics, books);
    buf_done(&buf);
    return books->log_dropped == METRIC_NONE ? STATUS_NO_MEMORY
                                             : STATUS_OK; /* the last one fails if any did */
}

enum status books_open(const struct config *config, struct metrics *metrics,
                       struct books **ret_books)
{
    struct books *books = calloc(1, sizeof *books);
    if (!books)
        return STATUS_NO_MEMORY;
    books->metrics = metrics;
    books->route_count = config->route_count;
    books->upstream_count = config->upstream_count;
    books->routes = calloc(config->route_count + 1, sizeof *books->routes);
    books->upstreams = calloc(config->upstream_count + 1, sizeof *books->upstreams);
    books->lanes = calloc(config->upstream_count + 1, sizeof *books->lanes);
    bool ok = books->routes && books->upstreams && books->lanes;
    enum status status = ok ? declare(config, books) : STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        books_close(books);
        return status;
    }
    *ret_books = books;
    return STATUS_OK;
}

void books_close(struct books *books)
{
    if (!books)
        return;
    free(books->routes);
    free(books->upstreams);
    free(books->lanes);
    free(books);
}

/* ---- counting ---- */

enum status account_init(struct account *account, const struct books *books, size_t row)
{
    *account = (struct account){
        .books = books, .cells = metrics_row(books->metrics, row), .tells_shared = row == 0};
    account->in_progress = calloc(books->route_count + 1, sizeof *account->in_progress);
    return account->in_progress ? STATUS_OK : STATUS_NO_MEMORY;
}

void account_done(struct account *account)
{
    free(account->in_progress);
    account->in_progress = NULL;
}

static size_t series_index(const struct account *account, size_t route)
{
    return route < account->books->route_count ? route : account->books->route_count;
}

void account_received(struct account *account, size_t route)
{
    size_t i = series_index(account, route);
    const struct route_series *series = &account->books->routes[i];
    metric_add(account->cells, series->received, 1);
    metric_set(account->cells, series->in_progress, ++account->in_progress[i]);
}

void account_ended(struct account *account, size_t route, enum outcome outcome)
{
    size_t i = series_index(account, route);
    const struct route_series *series = &account->books->routes[i];
    metric_add(account->cells, series->outcomes[outcome], 1);
    metric_set(account->cells, series->in_progress, --account->in_progress[i]);
}

void account_timer(struct account *account, size_t route, enum step_timer timer, uint64_t us)
{
    const struct route_series *series = &account->books->routes[series_index(account, route)];
    metric_observe(account->books->metrics, account->cells, series->timers[timer], us);
}

void account_miss(struct account *account, size_t route, enum key_miss miss)
{
    metric_add(account->cells, account->books->routes[series_index(account, route)].misses[miss],
               1);
}

void account_tally(struct account *account, enum tally tally)
{
    metric_add(account->cells, account->books->tallies[tally], 1);
}

/* On the worker's own thread between two events, so that the three numbers belong to one instant.
 */
static void balance(struct account *account)
{
    const struct books *b = account->books;
    for (size_t i = 0; i <= b->route_count; i++) {
        const struct route_series *series = &b->routes[i];
        uint64_t ended = 0;
        for (enum outcome o = OUTCOME_NONE + 1; o < OUTCOMES; o++)
            ended += atomic_load_explicit(&account->cells.values[series->outcomes[o]],
                                          memory_order_relaxed);
        uint64_t received =
            atomic_load_explicit(&account->cells.values[series->received], memory_order_relaxed);
        metric_set(account->cells, series->difference, received - ended - account->in_progress[i]);
    }
}

static void publish_dedup(struct account *account, struct dedup *dedup)
{
    const struct books *b = account->books;
    dedup->backend->refresh_stats(dedup);
    const struct dedup_stats *s = &dedup->stats;
    metric_set(account->cells, b->dedup_up, s->up);
    metric_set(account->cells, b->dedup_errors, s->errors);
    metric_set(account->cells, b->dedup_reconnects, s->reconnects);
    metric_set(account->cells, b->dedup_pending, s->pending);
    metric_set(account->cells, b->dedup_doubtful, s->doubtful_released);
    metric_set(account->cells, b->dedup_debts, s->debts);
    metric_set(account->cells, b->dedup_debts_dropped, s->debts_dropped);
    metric_set(account->cells, b->dedup_l1_hits, s->l1_hits);
    if (account->tells_shared)
        metric_set(account->cells, b->dedup_keys, s->keys);
}

static void publish_journal(struct account *account, const struct journal_stats *s, uint64_t now_ms)
{
    const struct books *b = account->books;
    metric_set(account->cells, b->journal_up, s->up && !s->spool.away);
    metric_set(account->cells, b->journal_rows, s->rows);
    metric_set(account->cells, b->journal_batches, s->batches);
    metric_set(account->cells, b->journal_dropped, s->dropped);
    metric_set(account->cells, b->journal_errors, s->errors);
    metric_set(account->cells, b->journal_duplicates_lost, s->duplicates_lost);
    metric_set(account->cells, b->journal_pending_rows, s->pending_rows);
    metric_set(account->cells, b->journal_pending_bytes, s->pending_bytes);
    metric_set(account->cells, b->journal_lag,
               s->oldest_pending_ms ? (now_ms - s->oldest_pending_ms + 999) / 1000 : 0);
    if (s->batches != account->batches_seen)
        metric_observe(b->metrics, account->cells, b->journal_batch_rows, s->last_batch_rows);
    account->batches_seen = s->batches;
}

static void publish_upstream(struct account *account, const struct upstream_series *series,
                             const struct upstream_stats *s)
{
    metric_set(account->cells, series->connects, s->connects);
    metric_set(account->cells, series->connect_failures, s->connect_failures);
    metric_set(account->cells, series->reuses, s->reuses);
    metric_set(account->cells, series->restarts, s->restarts);
    metric_set(account->cells, series->in_flight, s->in_flight);
    metric_set(account->cells, series->queued, s->queued);
    metric_set(account->cells, series->idle, s->idle);
}

void account_publish(struct account *account, struct dedup *dedup, struct journal *journal,
                     struct upstream *const *upstreams, uint64_t now_ms)
{
    balance(account);
    publish_dedup(account, dedup);
    publish_journal(account, &journal->stats, now_ms);
    for (size_t i = 0; i < account->books->upstream_count; i++)
        publish_upstream(account, &account->books->upstreams[i], &upstreams[i]->stats);
}
