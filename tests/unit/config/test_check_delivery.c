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
    expect_clean("", "", "    retry: {cap: 5s}\n");
    expect_error("", "", "    retry: {cap: 4999ms}\n",
                 "f.yaml:9:18: error: retry.base 5s is longer than retry.cap 4999ms");
    expect_clean("", "", "    retry: {base: 1h}\n");
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
                 "f.yaml:10:22: error: retry.max_age 518400001ms has to be a day or more below "
                 "journal.retention 7d");
    expect_error("", "", QUEUE "    retry: {max_age: 30d}\n",
                 "hint: events that still wait would be deleted with their day; take");
    expect_clean("journal: {retention: 4d}\n", "", QUEUE);
    expect_error("journal: {retention: 3d}\n", "", QUEUE,
                 "f.yaml:9:11: error: retry.max_age 3d has to be a day or more below");
    expect_clean("journal: {retention: 31d}\n", "", QUEUE "    retry: {max_age: 30d}\n");
}

Test(check_delivery, the_age_matters_to_queue_routes_only)
{
    expect_clean("journal: {retention: 2d}\n", "", "");
    expect_clean("journal: {retention: 2d}\n", "", "    retry: {max_age: 30d}\n");
    expect_clean("journal: {retention: 2d}\n", "", "    mode: observe\n");
}

Test(check_delivery, a_refused_age_is_told_once)
{
    expect_error("", "", QUEUE "    retry: {max_age: 31d}\n",
                 "retry.max_age must be from 1s to 30d, not 31d");
    expect_error("journal: {retention: 1s}\n", "", QUEUE "    retry: {max_age: 30d}\n",
                 "journal.retention must be from 1m");
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
