/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages: health for probes (open to all who reach the listener), metrics (behind the token,
 * when there is one).
 *
 * Ready means: takes requests. A store that is away does not end readiness, since taking every node
 * out of the balancer would turn a degraded dedup into an outage; /readyz?verbose says what is
 * degraded.
 */
#include "pages.h"

#include "guard.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_PLAIN SLICE("text/plain; charset=utf-8")
#define TEXT_METRICS SLICE("text/plain; version=0.0.4; charset=utf-8")
#define TEXT_JSON SLICE("application/json")

static struct page simple(struct buf *body, uint16_t status, const char *text)
{
    struct page page = {.status = status, .type = TEXT_PLAIN};
    if (buf_printf(body, "%s\n", text) != STATUS_OK)
        page.status = 500;
    return page;
}

/* ---- health ---- */

static bool is_ready(const struct admin_state *state)
{
    return state->listening && !state->draining;
}

static const char *ready_word(const struct admin_state *state)
{
    if (state->draining)
        return "draining";
    return state->listening ? "ready" : "starting";
}

static uint64_t sum(const struct admin_opts *opts, metric_id id)
{
    return metrics_sum(opts->metrics, id);
}

static enum status write_dedup(const struct admin_opts *opts, struct buf *body)
{
    const struct books *b = opts->books;
    const struct admin_state *state = opts->state;
    return buf_printf(
        body,
        "\"dedup\":{\"store\":\"%s\",\"workers_up\":%llu,\"errors\":%llu,\"keys_loaded\":%s,"
        "\"note\":\"%s\"},",
        opts->config->dedup == DEDUP_REDIS ? "redis" : "memory",
        (unsigned long long)sum(opts, b->dedup_up), (unsigned long long)sum(opts, b->dedup_errors),
        state->keys_loaded ? "true" : "false", state->redis_note ? state->redis_note : "");
}

static enum status write_journal(const struct admin_opts *opts, struct buf *body)
{
    const struct books *b = opts->books;
    return buf_printf(body,
                      "\"journal\":{\"store\":\"%s\",\"workers_up\":%llu,\"pending_rows\":%llu,"
                      "\"pending_bytes\":%llu,\"dropped\":%llu,\"errors\":%llu}",
                      opts->config->journal == JOURNAL_POSTGRES ? "postgres" : "sqlite",
                      (unsigned long long)sum(opts, b->journal_up),
                      (unsigned long long)sum(opts, b->journal_pending_rows),
                      (unsigned long long)sum(opts, b->journal_pending_bytes),
                      (unsigned long long)sum(opts, b->journal_dropped),
                      (unsigned long long)sum(opts, b->journal_errors));
}

static enum status write_queue(const struct admin_opts *opts, struct buf *body)
{
    const struct queue_series *q = &opts->books->queue;
    return buf_printf(
        body,
        "\"queue\":{\"workers_up\":%llu,\"queued\":%llu,\"dead\":%llu,"
        "\"parked\":%llu,\"oldest_due_s\":%llu,\"pending_outcomes\":%llu}",
        (unsigned long long)sum(opts, q->up), (unsigned long long)sum(opts, q->queued),
        (unsigned long long)sum(opts, q->dead), (unsigned long long)sum(opts, q->parked),
        (unsigned long long)sum(opts, q->oldest_due), (unsigned long long)sum(opts, q->pending));
}

static enum status write_spool(const struct admin_opts *opts, struct buf *body)
{
    const struct queue_series *q = &opts->books->queue;
    return buf_printf(
        body,
        "\"spool\":{\"in_use\":%s,\"full\":%s,\"rows\":%llu,\"bytes\":%llu,"
        "\"oldest_s\":%llu,\"drained\":%llu,\"torn_bytes\":%llu,\"set_aside\":%s}",
        sum(opts, q->spool_away) ? "true" : "false", sum(opts, q->spool_full) ? "true" : "false",
        (unsigned long long)sum(opts, q->spool_rows), (unsigned long long)sum(opts, q->spool_bytes),
        (unsigned long long)sum(opts, q->spool_oldest),
        (unsigned long long)sum(opts, q->drained_total),
        (unsigned long long)sum(opts, q->spool_torn),
        sum(opts, q->spool_set_aside) ? "true" : "false");
}

/* Degraded: something promised is not fully held right now, or an audit record was lost since the
 * start. */
static bool is_degraded(const struct admin_opts *opts)
{
    const struct books *b = opts->books;
    return sum(opts, b->dedup_up) < opts->config->workers ||
           sum(opts, b->journal_up) < opts->config->workers || sum(opts, b->journal_dropped) > 0 ||
           sum(opts, b->queue.up) < opts->config->workers || sum(opts, b->queue.spool_away) > 0 ||
           sum(opts, b->queue.spool_full) > 0 || !opts->state->keys_loaded;
}

static struct page ready_verbose(const struct admin_opts *opts, struct buf *body)
{
    const struct admin_state *state = opts->state;
    struct page page = {.status = is_ready(state) ? 200 : 503, .type = TEXT_JSON};
    if (buf_printf(body, "{\"status\":\"%s\",\"degraded\":%s,\"workers\":%u,", ready_word(state),
                   is_degraded(opts) ? "true" : "false", opts->config->workers) != STATUS_OK ||
        write_dedup(opts, body) != STATUS_OK || write_journal(opts, body) != STATUS_OK ||
        buf_append(body, SLICE(",")) != STATUS_OK || write_queue(opts, body) != STATUS_OK ||
        buf_append(body, SLICE(",")) != STATUS_OK || write_spool(opts, body) != STATUS_OK ||
        buf_append(body, SLICE("}\n")) != STATUS_OK)
        page.status = 500;
    return page;
}

static struct page ready(const struct admin_opts *opts, const struct http_head *head,
                         struct buf *body)
{
    if (slice_starts(head->query, SLICE("verbose")))
        return ready_verbose(opts, body);
    return simple(body, is_ready(opts->state) ? 200 : 503, ready_word(opts->state));
}

/* ---- metrics ---- */

static uint64_t resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    int read = fscanf(file, "%lu %lu", &total, &resident);
    (void)fclose(file);
    return read == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        (void)closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder's own */
}

static enum status write_process(const struct admin_opts *opts, struct buf *body)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage); /* can't fail for the caller itself */
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return buf_printf(
        body,
        "# HELP process_cpu_seconds_total User and system time.\n"
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n"
        "# HELP process_resident_memory_bytes Resident memory.\n"
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
        "# HELP process_open_fds Open descriptors.\n"
        "# TYPE process_open_fds gauge\nprocess_open_fds %llu\n"
        "# HELP postern_build_info Constant 1, labelled with the version.\n"
        "# TYPE postern_build_info gauge\npostern_build_info{version=\"%s\"} 1\n"
        "# HELP postern_ready 1 while requests are taken.\n"
        "# TYPE postern_ready gauge\npostern_ready %d\n",
        cpu_s, (unsigned long long)resident_bytes(), (unsigned long long)open_descriptors(),
        opts->version, is_ready(opts->state));
}

static struct page metrics_page(const struct admin_opts *opts, struct buf *body)
{
    struct page page = {.status = 200, .type = TEXT_METRICS};
    metric_set(opts->cells, opts->books->log_dropped, log_dropped(opts->log));
    if (metrics_render(opts->metrics, body) != STATUS_OK ||
        write_process(opts, body) != STATUS_OK) {
        buf_clear(body);
        return simple(body, 500, "the metrics are larger than the answer may be");
    }
    return page;
}

/* ---- the door ---- */

struct page page_make(const struct admin_opts *opts, const struct http_head *head, struct buf *body)
{
    if (!slice_eq(head->method, SLICE("GET")) && !slice_eq(head->method, SLICE("HEAD"))) {
        struct page page = simple(body, 405, "only GET is served here");
        page.allow = SLICE("GET, HEAD");
        return page;
    }
    if (slice_eq(head->path, SLICE("/livez")) || slice_eq(head->path, SLICE("/healthz")))
        return simple(body, 200, "ok");
    if (slice_eq(head->path, SLICE("/readyz")))
        return ready(opts, head, body);
    if (!guard_has_token(head, opts->config->admin_token)) {
        struct page page = simple(body, 401, "a bearer token is needed");
        page.challenge = true;
        return page;
    }
    if (slice_eq(head->path, SLICE("/metrics")))
        return metrics_page(opts, body);
    return simple(body, 404, "here are: /livez /healthz /readyz /metrics /api/v1");
}
