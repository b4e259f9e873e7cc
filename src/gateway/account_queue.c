/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of queued deliveries: the lanes, the queue, and the spool beside the journal.
 */
#include <postern/gateway/account.h>

#include <stdio.h>

#define LABEL_BYTES 256

static const char *const result_names[QUEUE_RESULTS] = {
    [QUEUE_DELIVERED] = "delivered",
    [QUEUE_RETRY] = "retry",
    [QUEUE_DEAD] = "dead",
    [QUEUE_RETURNED] = "returned",
};

static void declare_lane(struct metrics *m, const char *label, struct lane_series *s)
{
    s->calling = metrics_gauge(m, "postern_delivery_in_flight",
                               "Attempts of queued events under way.", label);
    s->waiting = metrics_gauge(m, "postern_delivery_waiting",
                               "Queued events in memory that wait for a slot.", label);
    s->attempts =
        metrics_counter(m, "postern_delivery_attempts_total", "Attempts that ended.", label);
    s->failures = metrics_counter(m, "postern_delivery_failures_total",
                                  "Attempts without an answer, or with 5xx.", label);
    s->breaker = metrics_gauge(m, "postern_breaker_state",
                               "Workers' breakers summed: 0 closed, 1 open, 2 half-open.", label);
    s->breaker_opened =
        metrics_counter(m, "postern_breaker_opened_total", "Times a breaker opened.", label);
}

static void declare_queue(struct metrics *m, struct queue_series *s)
{
    s->up = metrics_gauge(m, "postern_queue_up", "Workers whose queue can be asked.", NULL);
    s->taken = metrics_counter(m, "postern_queue_taken_total",
                               "Events taken from the journal under a lease.", NULL);
    s->fenced = metrics_counter(m, "postern_queue_fenced_total",
                                "Outcomes refused because the lease was another's.", NULL);
    s->leases_lost = metrics_counter(m, "postern_queue_leases_lost_total",
                                     "Leases that ended under a delivery in memory.", NULL);
    s->errors = metrics_counter(m, "postern_queue_errors_total",
                                "Questions to the queue that failed and are tried again.", NULL);
    s->pending =
        metrics_gauge(m, "postern_queue_pending_outcomes", "Outcomes not written yet.", NULL);
    for (unsigned i = 0; i < QUEUE_RESULTS; i++) {
        char label[LABEL_BYTES];
        (void)snprintf(label, sizeof label, "result=\"%s\"", result_names[i]);
        s->results[i] = metrics_counter(m, "postern_queue_outcomes_total",
                                        "Outcomes of queued events, by what follows.", label);
    }
}

static void declare_states(struct metrics *m, struct queue_series *s)
{
    static const char help[] = "Events of the journal by state, as last counted.";
    s->queued = metrics_gauge(m, "postern_queue_events", help, "state=\"queued\"");
    s->dead = metrics_gauge(m, "postern_queue_events", help, "state=\"dead\"");
    s->parked = metrics_gauge(m, "postern_queue_events", help, "state=\"parked\"");
    s->oldest_due = metrics_gauge(m, "postern_queue_oldest_due_seconds",
                                  "For how long the oldest due event has been due.", NULL);
    s->parked_total = metrics_counter(m, "postern_queue_parked_total",
                                      "Events parked because their route is gone.", NULL);
    s->unparked_total =
        metrics_counter(m, "postern_queue_unparked_total", "Parked events queued again.", NULL);
    s->expired_total =
        metrics_counter(m, "postern_queue_expired_total", "Events dead of max_age.", NULL);
}

static void declare_spool(struct metrics *m, struct queue_series *s)
{
    s->spool_rows = metrics_gauge(m, "postern_spool_rows", "Events in the spool.", NULL);
    s->spool_refused = metrics_gauge(m, "postern_spool_refused_rows",
                                     "Events in it that the database refuses for good: they stay.",
                                     NULL);
    s->spool_bytes = metrics_gauge(m, "postern_spool_bytes", "Its size on disk.", NULL);
    s->spool_oldest =
        metrics_gauge(m, "postern_spool_oldest_seconds", "Age of its oldest event.", NULL);
    s->spool_away = metrics_gauge(m, "postern_spool_in_use",
                                  "Workers whose appends go to the spool: the database is away.",
                                  NULL);
    s->spool_full =
        metrics_gauge(m, "postern_spool_full", "1 at its cap, or the disk at its floor.", NULL);
    s->spool_set_aside = metrics_gauge(m, "postern_spool_set_aside",
                                       "1 if a damaged file was set aside at start.", NULL);
    s->spooled_total =
        metrics_counter(m, "postern_spool_spooled_total", "Events put into the spool.", NULL);
    s->drained_total = metrics_counter(m, "postern_spool_drained_total",
                                       "Events carried over into the database.", NULL);
    s->spool_torn =
        metrics_gauge(m, "postern_spool_torn_bytes", "Bytes of its log cut off at start.", NULL);
}

void books_declare_queue(const struct config *config, struct books *books)
{
    for (size_t i = 0; i < books->upstream_count; i++) {
        struct slice name = config->upstreams[i].name; /* letters, digits, '.', '_', '-' only */
        char label[LABEL_BYTES];
        (void)snprintf(label, sizeof label, "upstream=\"%.*s\"", (int)name.len, name.data);
        declare_lane(books->metrics, label, &books->lanes[i]);
    }
    declare_queue(books->metrics, &books->queue);
    declare_states(books->metrics, &books->queue);
    declare_spool(books->metrics, &books->queue);
}

/* ---- publishing ---- */

void account_lane(struct account *account, size_t upstream, const struct lane_figures *figures)
{
    const struct lane_series *s = &account->books->lanes[upstream];
    metric_set(account->cells, s->calling, figures->calling);
    metric_set(account->cells, s->waiting, figures->waiting);
    metric_set(account->cells, s->attempts, figures->attempts);
    metric_set(account->cells, s->failures, figures->failures);
    metric_set(account->cells, s->breaker, figures->breaker);
    metric_set(account->cells, s->breaker_opened, figures->breaker_opened);
}

void account_courier(struct account *account, const uint64_t results[QUEUE_RESULTS],
                     uint64_t leases_lost, const struct queue_stats *stats)
{
    const struct queue_series *s = &account->books->queue;
    for (unsigned i = 0; i < QUEUE_RESULTS; i++)
        metric_set(account->cells, s->results[i], results[i]);
    metric_set(account->cells, s->up, stats->up);
    metric_set(account->cells, s->taken, stats->taken);
    metric_set(account->cells, s->fenced, stats->fenced);
    metric_set(account->cells, s->leases_lost, leases_lost);
    metric_set(account->cells, s->errors, stats->errors);
    metric_set(account->cells, s->pending, stats->pending_finishes);
}

void account_queue(struct account *account, const struct queue_upkeep *upkeep)
{
    const struct queue_series *s = &account->books->queue;
    account->parked += upkeep->parked;
    account->unparked += upkeep->unparked;
    account->expired += upkeep->expired;
    metric_set(account->cells, s->parked_total, account->parked);
    metric_set(account->cells, s->unparked_total, account->unparked);
    metric_set(account->cells, s->expired_total, account->expired);
    metric_set(account->cells, s->queued, upkeep->queued_now);
    metric_set(account->cells, s->dead, upkeep->dead_now);
    metric_set(account->cells, s->parked, upkeep->parked_now);
    metric_set(account->cells, s->oldest_due, (upkeep->oldest_due_ms + 999) / 1000);
}

void account_spool(struct account *account, const struct spool_stats *stats, uint64_t wall_ms)
{
    const struct queue_series *s = &account->books->queue;
    uint64_t oldest_ms =
        stats->oldest_at_ms && wall_ms > stats->oldest_at_ms ? wall_ms - stats->oldest_at_ms : 0;
    metric_set(account->cells, s->spool_away, stats->away);
    metric_set(account->cells, s->spooled_total, stats->spooled_total);
    metric_set(account->cells, s->drained_total, stats->drained_total);
    if (!account->tells_shared)
        return;
    metric_set(account->cells, s->spool_rows, stats->rows);
    metric_set(account->cells, s->spool_refused, stats->refused);
    metric_set(account->cells, s->spool_bytes, stats->bytes);
    metric_set(account->cells, s->spool_oldest, oldest_ms / 1000);
    metric_set(account->cells, s->spool_full, stats->full);
    metric_set(account->cells, s->spool_set_aside, stats->set_aside);
    metric_set(account->cells, s->spool_torn, stats->torn_bytes);
}
