/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of the door: signatures and which secret fitted them, bodies that differ under one key,
 * responses given again, and the rates' cells. A route has the series of what it uses.
 */
#include <postern/gateway/account.h>

#include <stdio.h>

#define LABELS_MAX 512

/* `route="NAME"` and then `tail`, which is our own text; NULL when it can't be built. */
static const char *labels(struct buf *buf, const struct route_opts *route, const char *tail)
{
    buf_clear(buf);
    bool ok = buf_append(buf, SLICE("route=\"")) == STATUS_OK &&
              metrics_label(buf, route->name) == STATUS_OK &&
              buf_printf(buf, "\"%s", tail) == STATUS_OK && buf_append_byte(buf, '\0') == STATUS_OK;
    return ok ? buf_slice(buf).data : NULL;
}

static void declare_signature(struct metrics *m, struct buf *buf, const struct route_opts *route,
                              struct route_series *series)
{
    char tail[64];
    for (enum verify_result result = 0; result < VERIFY_RESULTS; result++) {
        (void)snprintf(tail, sizeof tail, ",result=\"%s\"", verify_result_text(result));
        series->verified[result] = metrics_counter(m, "postern_signature_total",
                                                   "Signatures checked, by what was found.",
                                                   labels(buf, route, tail));
    }
    for (size_t i = 0; i < route->verify.secret_count; i++) {
        (void)snprintf(tail, sizeof tail, ",secret=\"%zu\"", i);
        series->secrets[i] = metrics_counter(m, "postern_signature_secret_used_total",
                                             "Signatures that fitted the secret of this place.",
                                             labels(buf, route, tail));
    }
}

static void declare_route(struct metrics *m, struct buf *buf, const struct route_opts *route,
                          struct route_series *series)
{
    if (route->verify.scheme != VERIFY_NONE)
        declare_signature(m, buf, route, series);
    if (route->fingerprint && route->on_mismatch != MISMATCH_NEW)
        series->mismatches = metrics_counter(m, "postern_fingerprint_mismatch_total",
                                             "Copies of a key whose body was another one.",
                                             labels(buf, route, ""));
    if (route->replay.enabled)
        series->replayed = metrics_counter(m, "postern_replayed_total",
                                           "Copies that got the first response again.",
                                           labels(buf, route, ""));
}

static void declare_limiter(struct metrics *m, struct limiter_series *s)
{
    s->refused = metrics_counter(m, "postern_limiter_refused_total",
                                 "Questions for a rate that were answered with no.", NULL);
    s->errors = metrics_counter(m, "postern_limiter_errors_total",
                                "Shared rates that had to be answered by this process.", NULL);
    s->evicted = metrics_counter(m, "postern_limiter_evicted_total",
                                 "Clients forgotten before their rate had recovered.", NULL);
}

void books_declare_door(const struct config *config, struct books *books)
{
    struct buf buf;
    buf_init(&buf, LABELS_MAX);
    for (size_t i = 0; i < books->route_count; i++)
        declare_route(books->metrics, &buf, &config->routes[i], &books->routes[i]);
    if (route_any_rate(config->routes, config->route_count, false))
        declare_limiter(books->metrics, &books->limiter);
    buf_done(&buf);
}

static const struct route_series *series_of(const struct account *account, size_t route)
{
    return &account->books->routes[route];
}

void account_verified(struct account *account, size_t route, enum verify_result result)
{
    metric_add(account->cells, series_of(account, route)->verified[result], 1);
}

void account_secret(struct account *account, size_t route, size_t secret)
{
    metric_add(account->cells, series_of(account, route)->secrets[secret], 1);
}

void account_mismatch(struct account *account, size_t route)
{
    metric_add(account->cells, series_of(account, route)->mismatches, 1);
}

void account_replayed(struct account *account, size_t route)
{
    metric_add(account->cells, series_of(account, route)->replayed, 1);
}

void account_limiter(struct account *account, const struct limiter_stats *stats)
{
    const struct limiter_series *series = &account->books->limiter;
    metric_set(account->cells, series->refused, stats->refused);
    metric_set(account->cells, series->errors, stats->errors);
    metric_set(account->cells, series->evicted, stats->evicted);
}
