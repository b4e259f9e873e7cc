/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of the door: a route has the series of what it uses and no others, and each count lands
 * in its own.
 */
#include <criterion/criterion.h>
#include <postern/gateway/account.h>
#include <stdio.h>

static struct slice secrets[] = {{"new", 3}, {"old", 3}};
static struct route_opts routes[] = {
    {.name = {"plain", 5}},
    {.name = {"signed", 6},
     .verify = {.scheme = VERIFY_GITHUB, .secrets = secrets, .secret_count = 2}},
    {.name = {"kept", 4}, .fingerprint = true, .replay.enabled = true, .rate.interval_us = 1000},
    {.name = {"mixed", 5}, .fingerprint = true, .on_mismatch = MISMATCH_NEW},
};
enum { PLAIN, SIGNED, KEPT, MIXED, ROUTES };
static struct config config = {.routes = routes, .route_count = ROUTES};
static struct metrics *metrics;
static struct books *books;
static struct account account;
static struct buf page;

static void set_up(void)
{
    metrics = metrics_new(1);
    cr_assert_eq(books_open(&config, metrics, &books), STATUS_OK);
    cr_assert_eq(metrics_seal(metrics), STATUS_OK);
    cr_assert_eq(account_init(&account, books, 0), STATUS_OK);
    buf_init(&page, 8u << 20);
}

static void tear_down(void)
{
    buf_done(&page);
    account_done(&account);
    books_close(books);
    metrics_free(metrics);
}

static bool shows(const char *text)
{
    buf_clear(&page);
    cr_assert_eq(metrics_render(metrics, &page), STATUS_OK);
    cr_assert_eq(buf_append_byte(&page, '\0'), STATUS_OK);
    return strstr(buf_slice(&page).data, text) != NULL;
}

TestSuite(account_door, .init = set_up, .fini = tear_down);

Test(account_door, a_route_has_the_series_of_what_it_uses)
{
    char line[128];
    for (enum verify_result result = 0; result < VERIFY_RESULTS; result++) {
        (void)snprintf(line, sizeof line,
                       "\npostern_signature_total{route=\"signed\",result=\"%s\"} 0\n",
                       verify_result_text(result));
        cr_assert(shows(line), "%s", line);
    }
    cr_assert(shows("\npostern_signature_secret_used_total{route=\"signed\",secret=\"0\"} 0\n"));
    cr_assert(shows("\npostern_signature_secret_used_total{route=\"signed\",secret=\"1\"} 0\n"));
    cr_assert_not(shows("secret=\"2\""));
    cr_assert(shows("\npostern_fingerprint_mismatch_total{route=\"kept\"} 0\n"));
    cr_assert(shows("\npostern_replayed_total{route=\"kept\"} 0\n"));
    cr_assert(shows("\npostern_limiter_refused_total 0\n"));
}

Test(account_door, and_no_others)
{
    cr_assert_not(shows("postern_signature_total{route=\"plain\""));
    cr_assert_not(shows("postern_replayed_total{route=\"signed\""));
    cr_assert_not(shows("postern_fingerprint_mismatch_total{route=\"mixed\""),
                  "there another body is another event");
}

Test(account_door, each_count_lands_in_its_own)
{
    account_verified(&account, SIGNED, VERIFY_TOO_OLD);
    account_secret(&account, SIGNED, 1);
    account_mismatch(&account, KEPT);
    account_replayed(&account, KEPT);
    account_limiter(&account, &(struct limiter_stats){.refused = 3, .errors = 2, .evicted = 1});
    const char *const lines[] = {
        "\npostern_signature_total{route=\"signed\",result=\"too_old\"} 1\n",
        "\npostern_signature_total{route=\"signed\",result=\"ok\"} 0\n",
        "\npostern_signature_secret_used_total{route=\"signed\",secret=\"0\"} 0\n",
        "\npostern_signature_secret_used_total{route=\"signed\",secret=\"1\"} 1\n",
        "\npostern_fingerprint_mismatch_total{route=\"kept\"} 1\n",
        "\npostern_replayed_total{route=\"kept\"} 1\n",
        "\npostern_limiter_refused_total 3\n",
        "\npostern_limiter_errors_total 2\n",
        "\npostern_limiter_evicted_total 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_assert(shows(lines[i]), "%s", lines[i]);
}

Test(account_door_plain, a_process_without_rates_says_nothing_of_them)
{
    config.route_count = SIGNED;
    set_up();
    cr_assert_not(shows("postern_limiter"));
    account_limiter(&account, &(struct limiter_stats){.refused = 3});
    tear_down();
}
