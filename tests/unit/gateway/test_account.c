/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books: every series is there from the start, each count lands in its row, and what is
 * published adds up.
 */
#include <criterion/criterion.h>
#include <postern/gateway/account.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 2

static struct route_opts routes[] = {{.name = {"orders", 6}}, {.name = {"a\"b\\c", 5}}};
static struct upstream_opts upstream_opts[] = {{.name = {"billing", 7}}};
static struct config config = {
    .routes = routes, .route_count = 2, .upstreams = upstream_opts, .upstream_count = 1};
static struct metrics *metrics;
static struct books *books;
static struct account account, other;
static struct buf page;

static void refresh(struct dedup *dedup)
{
    dedup->stats.keys = 77;
}

static const struct dedup_backend dedup_backend = {.name = "fake", .refresh_stats = refresh};
static struct dedup dedup = {.backend = &dedup_backend};
static struct journal journal;
static struct upstream upstream;
static struct upstream *upstreams[] = {&upstream};

static void set_up(void)
{
    metrics = metrics_new(ROWS);
    cr_assert_not_null(metrics);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    cr_assert_eq(account_init(&account, books, 0), STATUS_OK);
    cr_assert_eq(account_init(&other, books, 1), STATUS_OK);
    buf_init(&page, 8u << 20);
}

static void tear_down(void)
{
    buf_done(&page);
    account_done(&account);
    account_done(&other);
    books_close(books);
    metrics_free(metrics);
}

static void publish(struct account *which, uint64_t now_ms)
{
    account_publish(which, &dedup, &journal, upstreams, now_ms);
}

/* True when the rendered page has this line. */
static bool has_line(const char *line)
{
    char text[512];
    buf_clear(&page);
    cr_assert_eq(metrics_render(metrics, &page), STATUS_OK);
    cr_assert_eq(buf_append_byte(&page, '\0'), STATUS_OK);
    (void)snprintf(text, sizeof text, "\n%s\n", line);
    return strstr(buf_slice(&page).data, text) != NULL;
}

TestSuite(account, .init = set_up, .fini = tear_down);

Test(account, every_outcome_has_a_series_at_zero)
{
    char line[256];
    for (enum outcome o = OUTCOME_NONE + 1; o < OUTCOMES; o++) {
        const struct outcome_row *row = outcome_row(o);
        (void)snprintf(
            line, sizeof line,
            "postern_requests_ended_total{route=\"orders\",book=\"%s\",outcome=\"%s\"} 0",
            book_name(row->book), row->name);
        cr_assert(has_line(line), "%s", line);
    }
    for (enum key_miss miss = KEY_MISS_NONE + 1; miss < KEY_MISSES; miss++) {
        (void)snprintf(line, sizeof line,
                       "postern_key_missing_total{route=\"orders\",reason=\"%s\"} 0",
                       key_miss_text(miss));
        cr_assert(has_line(line), "%s", line);
    }
    cr_assert(has_line("postern_incidents_total{kind=\"claim_late\"} 0"));
    cr_assert(has_line("postern_incidents_total{kind=\"parked\"} 0"));
    cr_assert(has_line("postern_upstream_connects_total{upstream=\"billing\"} 0"));
    cr_assert(has_line("postern_journal_up 0"));
}

Test(account, names_are_escaped_and_the_unrouted_have_an_empty_one)
{
    account_received(&account, 1);
    account_received(&account, SIZE_MAX);
    cr_assert(has_line("postern_requests_received_total{route=\"a\\\"b\\\\c\"} 1"));
    cr_assert(has_line("postern_requests_received_total{route=\"\"} 1"));
    cr_assert(has_line("postern_requests_received_total{route=\"orders\"} 0"));
}

Test(account, no_two_series_share_a_cell)
{
    for (size_t i = 0; i <= books->route_count; i++)
        for (enum outcome o = OUTCOME_NONE + 1; o < OUTCOMES; o++)
            account_ended(&account, i, o);
    for (size_t i = 0; i <= books->route_count; i++)
        for (enum outcome o = OUTCOME_NONE + 1; o < OUTCOMES; o++)
            cr_assert_eq(metrics_sum(metrics, books->routes[i].outcomes[o]), 1);
}

static uint64_t difference(size_t route)
{
    return metrics_sum(metrics, books->routes[route].difference);
}

Test(account, the_books_balance)
{
    for (size_t i = 0; i < 3; i++)
        account_received(&account, 0);
    account_ended(&account, 0, OUTCOME_ACCEPTED);
    publish(&account, 0);
    cr_assert_eq(difference(0), 0);
    cr_assert_eq(metrics_sum(metrics, books->routes[0].in_progress), 2);
    account_ended(&account, 0, OUTCOME_DUPLICATE);
    account_ended(&account, 0, OUTCOME_FAILED_STATUS);
    publish(&account, 0);
    cr_assert_eq(difference(0), 0);
    cr_assert_eq(metrics_sum(metrics, books->routes[0].in_progress), 0);
}

/* A request that was received and then forgotten shows. */
Test(account, a_lost_request_shows_in_the_difference)
{
    account_received(&account, 0);
    account.in_progress[0] = 0;
    publish(&account, 0);
    cr_assert_eq(difference(0), 1);
}

Test(account, workers_add_up)
{
    account_received(&account, 0);
    account_received(&other, 0);
    account_received(&other, 0);
    account_ended(&other, 0, OUTCOME_ACCEPTED);
    publish(&account, 0);
    publish(&other, 0);
    cr_assert_eq(metrics_sum(metrics, books->routes[0].received), 3);
    cr_assert_eq(metrics_sum(metrics, books->routes[0].in_progress), 2);
    cr_assert_eq(difference(0), 0);
}

Test(account, timers_misses_and_tallies_land_in_their_series)
{
    account_timer(&account, 0, TIMER_CLAIM, 250);
    account_miss(&account, 0, KEY_MISS_TOO_LONG);
    account_tally(&account, TALLY_LEASE_LOST);
    cr_assert(has_line("postern_step_duration_seconds_count{route=\"orders\",step=\"claim\"} 1"));
    cr_assert(has_line("postern_step_duration_seconds_count{route=\"orders\",step=\"total\"} 0"));
    cr_assert(has_line("postern_key_missing_total{route=\"orders\",reason=\"too_long\"} 1"));
    cr_assert(has_line("postern_incidents_total{kind=\"lease_lost\"} 1"));
}

Test(account, the_stores_own_counters_are_published)
{
    dedup.stats = (struct dedup_stats){.up = true,
                                       .errors = 3,
                                       .reconnects = 4,
                                       .pending = 5,
                                       .doubtful_released = 6,
                                       .l1_hits = 7};
    journal.stats = (struct journal_stats){.up = true,
                                           .rows = 10,
                                           .batches = 2,
                                           .dropped = 1,
                                           .pending_rows = 8,
                                           .pending_bytes = 900,
                                           .last_batch_rows = 5};
    upstream.stats = (struct upstream_stats){.connects = 11, .in_flight = 2, .idle = 3};
    publish(&account, 0);
    cr_assert(has_line("postern_dedup_up 1"));
    cr_assert(has_line("postern_dedup_errors_total 3"));
    cr_assert(has_line("postern_dedup_reconnects_total 4"));
    cr_assert(has_line("postern_dedup_pending 5"));
    cr_assert(has_line("postern_dedup_doubtful_released_total 6"));
    cr_assert(has_line("postern_dedup_l1_hits_total 7"));
    cr_assert(has_line("postern_journal_rows_total 10"));
    cr_assert(has_line("postern_journal_dropped_total 1"));
    cr_assert(has_line("postern_journal_pending_bytes 900"));
    cr_assert(has_line("postern_journal_batch_rows_count 1"));
    cr_assert(has_line("postern_upstream_connects_total{upstream=\"billing\"} 11"));
    cr_assert(has_line("postern_upstream_idle_connections{upstream=\"billing\"} 3"));
    publish(&account, 0);
    cr_assert(has_line("postern_journal_batch_rows_count 1"), "the same batch is observed once");
}

Test(account, the_lag_is_in_begun_seconds)
{
    publish(&account, 5000);
    cr_assert(has_line("postern_journal_lag_seconds 0"));
    journal.stats.oldest_pending_ms = 5000;
    publish(&account, 5001);
    cr_assert(has_line("postern_journal_lag_seconds 1"));
    publish(&account, 6000);
    cr_assert(has_line("postern_journal_lag_seconds 1"));
    publish(&account, 6001);
    cr_assert(has_line("postern_journal_lag_seconds 2"));
}

/* As many routes and upstreams as a file may have (BUILD_MAX_ROUTES, BUILD_MAX_UPSTREAMS), each
 * with all there is to count. */
Test(books, the_largest_configuration_fits)
{
    enum { MANY_ROUTES = 400, MANY_UPSTREAMS = 1024 };
    static struct route_opts many[MANY_ROUTES];
    static struct upstream_opts more[MANY_UPSTREAMS];
    static char names[MANY_UPSTREAMS][16];
    static struct slice keys[VERIFY_MAX_SECRETS];
    for (size_t i = 0; i < MANY_UPSTREAMS; i++) {
        (void)snprintf(names[i], sizeof names[i], "name%zu", i);
        more[i].name = slice_str(names[i]);
    }
    for (size_t i = 0; i < MANY_ROUTES; i++)
        many[i] = (struct route_opts){
            .name = slice_str(names[i]),
            .verify = {.scheme = VERIFY_HMAC, .secrets = keys, .secret_count = VERIFY_MAX_SECRETS},
            .fingerprint = true,
            .replay.enabled = true,
            .rate.interval_us = 1,
        };
    struct config largest = {.routes = many,
                             .route_count = MANY_ROUTES,
                             .upstreams = more,
                             .upstream_count = MANY_UPSTREAMS};
    struct metrics *full = metrics_new(1);
    struct books *all = NULL;
    cr_assert_eq(books_open(&largest, full, &all), STATUS_OK);
    cr_assert_neq(all->routes[MANY_ROUTES - 1].secrets[VERIFY_MAX_SECRETS - 1], METRIC_NONE);
    cr_assert_neq(all->lanes[MANY_UPSTREAMS - 1].breaker_opened, METRIC_NONE);
    books_close(all);
    metrics_free(full);
}

/* A configuration with more routes than there can be series for is refused at the start, instead of
 * going uncounted. Some 580 routes fit. */
Test(books, too_many_series_are_refused)
{
    const size_t count = METRICS_MAX_CELLS / 100;
    struct route_opts *many = calloc(count, sizeof *many);
    char(*names)[16] = calloc(count, sizeof *names);
    struct metrics *full = metrics_new(1);
    struct books *none = NULL;
    cr_assert(many && names && full);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "route%zu", i);
        many[i].name = slice_str(names[i]);
    }
    struct config large = {.routes = many, .route_count = count};
    cr_assert_neq(books_open(&large, full, &none), STATUS_OK);
    cr_assert_null(none);
    metrics_free(full);
    free(names);
    free(many);
}

Test(books, closing_nothing_is_fine)
{
    books_close(NULL);
}
