/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/check_delivery: the back-off's two ends, the age of a queued event and the
 * journal's retention, what queue routes and upstreams can't use. */
#include "parsing.h"

Test(check_delivery, the_back_off_begins_below_its_cap)
{
    expect_clean("", "", "    retry: {base: 10s, cap: 10s}\n");
    expect_error("", "", "    retry: {base: 10001ms, cap: 10s}\n",
                 "f.yaml:9:19: error: retry.base 10001ms is longer than retry.cap 10s\n"
                 "     9 |     retry: {base: 10001ms, cap: 10s}\n"
                 "       |                   ^\n"
                 "hint: the back-off begins at base and doubles up to cap\n");
}

static void retries_are(const char *top, const char *route, struct retry_opts expected)
{
    struct parsed parsed = parse_with(top, "", route);
    assert_clean(parsed);
    const struct retry_opts *retry = &parsed.config->routes[0].retry;
    cr_assert_eq(retry->base_ms, expected.base_ms, "%llu", (unsigned long long)retry->base_ms);
    cr_assert_eq(retry->cap_ms, expected.cap_ms, "%llu", (unsigned long long)retry->cap_ms);
    cr_assert_eq(retry->max_age_ms, expected.max_age_ms, "%llu",
                 (unsigned long long)retry->max_age_ms);
    parsed_done(&parsed);
}

#define SECOND_MS UINT64_C(1000)
#define HOUR_MS (3600 * SECOND_MS)
#define DAY_MS (24 * HOUR_MS)

static void back_off_is(const char *route, uint64_t base_ms, uint64_t cap_ms)
{
    retries_are(
        "", route,
        (struct retry_opts){.base_ms = base_ms, .cap_ms = cap_ms, .max_age_ms = 3 * DAY_MS});
}

Test(check_delivery, a_back_off_that_nobody_wrote_fits_its_cap)
{
    back_off_is("", 5 * SECOND_MS, HOUR_MS);
    back_off_is("    retry: {cap: 6s}\n", 5 * SECOND_MS, 6 * SECOND_MS);
    back_off_is("    retry: {cap: 5s}\n", 5 * SECOND_MS, 5 * SECOND_MS);
    back_off_is("    retry: {cap: 4999ms}\n", 4999, 4999);
    back_off_is("    retry: {cap: 1ms}\n", 1, 1);
    back_off_is("    mode: queue\n    retry: {cap: 2s}\n", 2 * SECOND_MS, 2 * SECOND_MS);
    back_off_is("    retry: {base: 1h}\n", HOUR_MS, HOUR_MS);
}

Test(check_delivery, a_refused_back_off_is_told_once)
{
    expect_error("", "", "    retry: {base: 5, cap: 1s}\n", "missing unit");
    expect_error("", "", "    retry: {base: 10s, cap: 0ms}\n", "retry.cap must be from 1ms to 24h");
    expect_error("", "", "    retry: {base: 2h, cap: 1s}\n", "retry.base must be from 1ms to 1h");
    expect_error("", "", "    retry: 12\n", "retry must be a map of settings");
}

#define QUEUE "    mode: queue\n"

Test(check_delivery, queued_events_end_a_day_before_the_journal_forgets_them)
{
    expect_clean("", "", QUEUE "    retry: {max_age: 6d}\n");
    expect_error("", "", QUEUE "    retry: {max_age: 518400001ms}\n",
                 "f.yaml:10:22: error: retry.max_age 518400001ms has to be 24h or more below "
                 "journal.retention 7d");
    expect_error("", "", QUEUE "    retry: {max_age: 30d}\n",
                 "hint: an event that is dead of its age has to stay in the journal to be seen and "
                 "replayed; take a shorter retry.max_age or a longer journal.retention");
    expect_clean("journal: {retention: 31d}\n", "", QUEUE "    retry: {max_age: 30d}\n");
    expect_clean("journal: {retention: 4d}\n", "", QUEUE "    retry: {max_age: 3d}\n");
    expect_error("journal: {retention: 345599s}\n", "", QUEUE "    retry: {max_age: 3d}\n",
                 "retry.max_age 3d has to be 24h or more below journal.retention 345599s");
}

Test(check_delivery, with_a_short_retention_it_is_half_of_that)
{
    expect_clean("journal: {retention: 48h}\n", "", QUEUE "    retry: {max_age: 24h}\n");
    expect_error("journal: {retention: 48h}\n", "", QUEUE "    retry: {max_age: 86400001ms}\n",
                 "has to be 24h or more below journal.retention 2d");
    expect_clean("journal: {retention: 47h}\n", "", QUEUE "    retry: {max_age: 84600s}\n");
    expect_error("journal: {retention: 47h}\n", "", QUEUE "    retry: {max_age: 84600001ms}\n",
                 "has to be 1410m or more below journal.retention 47h");
    expect_clean("journal: {retention: 1m}\n", "", QUEUE "    retry: {max_age: 30s}\n");
    expect_error("journal: {retention: 1m}\n", "", QUEUE "    retry: {max_age: 31s}\n",
                 "f.yaml:10:22: error: retry.max_age 31s has to be 30s or more below "
                 "journal.retention 1m");
}

static void age_is(const char *top, const char *route, uint64_t max_age_ms)
{
    retries_are(
        top, route,
        (struct retry_opts){.base_ms = 5 * SECOND_MS, .cap_ms = HOUR_MS, .max_age_ms = max_age_ms});
}

Test(check_delivery, an_age_that_nobody_wrote_fits_the_retention)
{
    age_is("", QUEUE, 3 * DAY_MS);
    age_is("journal: {retention: 30d}\n", QUEUE, 3 * DAY_MS);
    age_is("journal: {retention: 4d}\n", QUEUE, 3 * DAY_MS);
    age_is("journal: {retention: 345599s}\n", QUEUE, 3 * DAY_MS - SECOND_MS);
    age_is("journal: {retention: 3d}\n", QUEUE, 2 * DAY_MS);
    age_is("journal: {retention: 2d}\n", QUEUE, DAY_MS);
    age_is("journal: {retention: 36h}\n", QUEUE, 18 * HOUR_MS);
    age_is("journal: {retention: 1m}\n", QUEUE, 30 * SECOND_MS);
    age_is("journal: {retention: 61s}\n", QUEUE, 30500);
}

Test(check_delivery, the_age_matters_to_queue_routes_only)
{
    age_is("journal: {retention: 2d}\n", "", 3 * DAY_MS);
    expect_clean("journal: {retention: 2d}\n", "", "    retry: {max_age: 30d}\n");
    age_is("journal: {retention: 2d}\n", "    mode: observe\n", 3 * DAY_MS);
}

Test(check_delivery, a_refused_age_is_told_once)
{
    expect_error("", "", QUEUE "    retry: {max_age: 31d}\n",
                 "retry.max_age must be from 1s to 30d, not 31d");
    expect_error("journal: {retention: 1s}\n", "", QUEUE "    retry: {max_age: 30d}\n",
                 "journal.retention must be from 1m");
    expect_error("journal: {retention: 2d}\n", "", QUEUE "    retry: {max_age: }\n",
                 "retry.max_age has no value");
    expect_error("journal: {retention: 2d}\n", "", QUEUE "    retry: 12\n",
                 "retry must be a map of settings");
}

Test(check_delivery, what_a_queue_route_does_not_use)
{
    expect_warning("", "", QUEUE "    ack: durable\n",
                   "f.yaml:10:10: warning: ack is not used with mode: queue");
    expect_warning("", "", QUEUE "    ack: async\n", "hint: its events are always durable before");
    expect_warning("", "", QUEUE "    on_timeout: hold\n",
                   "f.yaml:10:17: warning: on_timeout is not used with mode: queue");
    expect_clean("", "", "    ack: durable\n    on_timeout: hold\n");
    expect_clean("", "", QUEUE "    success: [2xx, 404]\n");
    expect_error("", "", QUEUE "    ack: sync\n", "ack must be async | durable");
}

Test(check_delivery, what_only_a_queue_route_uses)
{
    expect_clean("", "", QUEUE "    accept: 200\n");
    expect_warning("", "", "    accept: 200\n",
                   "f.yaml:9:13: warning: accept does nothing without mode: queue");
    expect_warning("", "", "    mode: observe\n    accept: 200\n",
                   "hint: the upstream's own answer goes to the sender");
}

Test(check_delivery, the_lease_of_a_queue_route)
{
    expect_warning("", "    timeout: 30s\n", QUEUE,
                   "lease 30s is not longer than the timeout 30s of upstream \"app\"");
}

Test(check_delivery, a_lease_outlasts_a_stall_of_postgres)
{
    static const char *const two_s = "journal: {postgres: {url: postgresql://h/d}}\n"
                                     "dedup: {redis: {url: redis://h}}\n";
    static const char *const one_s = "journal: {postgres: {url: postgresql://h/d, timeout: 1s}}\n"
                                     "dedup: {redis: {url: redis://h}}\n";
    expect_clean(two_s, "    timeout: 1s\n", QUEUE "    lease: 6750ms\n");
    expect_warning(two_s, "    timeout: 1s\n", QUEUE "    lease: 6749ms\n",
                   "f.yaml:11:12: warning: lease 6749ms: with several gateways a short stall");
    expect_warning(two_s, "    timeout: 1s\n", QUEUE "    lease: 6749ms\n",
                   "hint: take 6750ms or more, or a shorter journal.postgres.timeout");
    expect_clean(one_s, "    timeout: 1s\n", QUEUE "    lease: 4500ms\n");
    expect_warning(one_s, "    timeout: 1s\n", QUEUE "    lease: 4499ms\n", "lease 4499ms");
    expect_clean(two_s, "    timeout: 1s\n", "    lease: 2s\n");
    expect_clean("", "    timeout: 1s\n", QUEUE "    lease: 2s\n");
}

Test(check_delivery, a_burst_needs_a_rate)
{
    expect_clean("", "    rate: 1/s\n    burst: 5\n", "");
    expect_warning("", "    burst: 5\n", "",
                   "f.yaml:5:12: warning: burst does nothing without a rate");
    expect_error("", "    burst: 0\n", "", "burst must be from 1 to 1000000, not 0");
    expect_error("", "    rate: x\n    burst: 5\n", "", "rate must be a whole number");
}
