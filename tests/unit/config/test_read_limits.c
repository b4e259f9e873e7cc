/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_limits: rates, bursts, whose requests are counted, and what follows for
 * duplicates. */
#include "parsing.h"

static struct rate_opts rate_of(const char *limits)
{
    char route[256];
    snprintf(route, sizeof(route), "    limits: %s\n", limits);
    struct parsed parsed = parse_with("", "", route);
    assert_clean(parsed);
    struct rate_opts rate = parsed.config->routes[0].rate;
    parsed_done(&parsed);
    return rate;
}

static void refuses(const char *limits, const char *words)
{
    char route[256];
    snprintf(route, sizeof(route), "    limits: %s\n", limits);
    expect_error("", "", route, words);
}

Test(read_limits, none)
{
    struct rate_opts rate = rate_of("{}");
    cr_assert(rate.interval_us == 0 && rate.duplicate_interval_us == 0 && !rate.shared);
    cr_assert_eq(rate.per, LIMIT_PER_CLIENT);
}

Test(read_limits, a_rate_and_its_burst)
{
    struct rate_opts rate = rate_of("{rate: 100/s}");
    cr_assert(rate.interval_us == 10000 && rate.burst == 100);
    rate = rate_of("{rate: 100/s, burst: 200}");
    cr_assert(rate.interval_us == 10000 && rate.burst == 200);
    rate = rate_of("{burst: 1000000, rate: 1/h}");
    cr_assert(rate.interval_us == 3600000000 && rate.burst == 1000000);
    rate = rate_of("{rate: 30/m}");
    cr_assert(rate.interval_us == 2000000 && rate.burst == 1);
}

Test(read_limits, duplicates_are_counted_alike_unless_given)
{
    struct rate_opts rate = rate_of("{rate: 100/s, burst: 200}");
    cr_assert(rate.duplicate_interval_us == 10000 && rate.duplicate_burst == 200);
    rate = rate_of("{rate: 100/s, duplicates: 10/s}");
    cr_assert(rate.interval_us == 10000 && rate.burst == 100);
    cr_assert(rate.duplicate_interval_us == 100000 && rate.duplicate_burst == 10);
    rate = rate_of("{rate: 100/s, duplicates: 10/s, duplicates_burst: 7}");
    cr_assert(rate.duplicate_interval_us == 100000 && rate.duplicate_burst == 7);
    rate = rate_of("{rate: 100/s, duplicates_burst: 7}");
    cr_assert(rate.duplicate_interval_us == 10000 && rate.duplicate_burst == 7);
}

Test(read_limits, per_whom)
{
    cr_assert_eq(rate_of("{rate: 1/s, per: client}").per, LIMIT_PER_CLIENT);
    cr_assert_eq(rate_of("{rate: 1/s, per: route}").per, LIMIT_PER_ROUTE);
    struct parsed parsed = parse_with("", "", "    limits: {rate: 1/s, per: {header: X-Tenant}}\n");
    assert_clean(parsed);
    const struct rate_opts *rate = &parsed.config->routes[0].rate;
    cr_assert(rate->per == LIMIT_PER_HEADER && slice_eq(rate->header, SLICE("X-Tenant")));
    parsed_done(&parsed);
}

Test(read_limits, what_is_refused)
{
    refuses("{rate: 100}", "missing unit: limits.rate is \"100\"");
    refuses("{rate: 10001/s}", "limits.rate must be from 1/h to 10000/s");
    refuses("{rate: 0/s}", "limits.rate must be from 1/h to 10000/s");
    refuses("{rate: fast}", "limits.rate must be a whole number with a unit");
    refuses("{rate: 1/s, burst: 0}", "limits.burst must be from 1 to 1000000, not 0");
    refuses("{rate: 1/s, burst: 1000001}", "limits.burst must be from 1 to 1000000");
    refuses("{rate: 1/s, duplicates: 10001/s}", "limits.duplicates must be from 1/h to 10000/s");
    refuses("{rate: 1/s, duplicates_burst: 0}", "limits.duplicates_burst must be from 1 to");
    refuses("{rate: 1/s, per: host}", "limits.per must be client, route or a header");
    refuses("{rate: 1/s, per: {query: x}}", "limits.per must be client, route or a header");
    refuses("{rate: 1/s, per: {header: x, query: x}}", "limits.per must be client, route or");
    refuses("{rate: 1/s, per: [client]}", "limits.per must be client, route or a header");
    refuses("{rate: 1/s, per: }", "limits.per must be client, route or a header");
    refuses("{rate: 1/s, per: {header: \"a b\"}}", "\"a b\" is not the name of a header");
    refuses("{rate: 1/s, per: {header: *a}}", "aliases are not allowed here");
    refuses("{rate: 1/s, shared: maybe}", "limits.shared must be true or false");
}
