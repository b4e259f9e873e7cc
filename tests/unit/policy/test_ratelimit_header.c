/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/ratelimit_header: the fields' values, rounding at its edges, numbers at the
 * ends of their range. */
#include <postern/base/slice.h>
#include <postern/policy/ratelimit_header.h>

#include <criterion/criterion.h>

static void check_policy(struct ratelimit rate, const char *expected)
{
    char text[RATELIMIT_TEXT_SIZE];
    size_t len = ratelimit_policy_value(&rate, text);
    cr_expect(slice_eq(slice_of(text, len), slice_str(expected)), "%.*s", (int)len, text);
}

static void check_value(struct ratelimit rate, const char *expected)
{
    char text[RATELIMIT_TEXT_SIZE];
    size_t len = ratelimit_value(&rate, text);
    cr_expect(slice_eq(slice_of(text, len), slice_str(expected)), "%.*s", (int)len, text);
}

Test(ratelimit_header, policy)
{
    check_policy((struct ratelimit){.interval_us = 10000, .burst = 100}, "\"default\";q=100;w=1");
    check_policy((struct ratelimit){.interval_us = 10000, .burst = 200}, "\"default\";q=200;w=2");
    check_policy((struct ratelimit){.interval_us = 10000, .burst = 201}, "\"default\";q=201;w=3");
    check_policy((struct ratelimit){.interval_us = 60000000, .burst = 1}, "\"default\";q=1;w=60");
    check_policy(
        (struct ratelimit){.bucket = RATELIMIT_DUPLICATES, .interval_us = 1000000, .burst = 5},
        "\"duplicates\";q=5;w=5");
}

Test(ratelimit_header, a_window_below_a_second_is_left_out)
{
    check_policy((struct ratelimit){.interval_us = 999999, .burst = 1}, "\"default\";q=1");
    check_policy((struct ratelimit){.interval_us = 1000000, .burst = 1}, "\"default\";q=1;w=1");
    check_policy((struct ratelimit){.interval_us = 1000001, .burst = 1}, "\"default\";q=1;w=2");
}

Test(ratelimit_header, allowed)
{
    struct ratelimit rate = {.remaining = 50, .recovered_us = 2000001};
    check_value(rate, "\"default\";r=50;t=3");
    rate.recovered_us = 2000000;
    check_value(rate, "\"default\";r=50;t=2");
    rate.recovered_us = 1;
    check_value(rate, "\"default\";r=50;t=1");
    rate.recovered_us = 0;
    check_value(rate, "\"default\";r=50;t=0");
}

Test(ratelimit_header, refused_until_the_moment_of_retry_after)
{
    struct ratelimit rate = {
        .bucket = RATELIMIT_DUPLICATES, .wait_us = 1500000, .recovered_us = 100000000};
    check_value(rate, "\"duplicates\";r=0;t=2");
    cr_assert_eq(ratelimit_retry_after_s(rate.wait_us), 2);
}

Test(ratelimit_header, retry_after_rounds_up_and_is_at_least_one)
{
    static const uint64_t cases[][2] = {
        {0, 1},       {1, 1},       {999999, 1},  {1000000, 1},
        {1000001, 2}, {1999999, 2}, {2000000, 2}, {UINT64_MAX, 18446744073710},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(ratelimit_retry_after_s(cases[i][0]), cases[i][1]);
}

Test(ratelimit_header, the_largest_numbers_fit)
{
    struct ratelimit rate = {
        .bucket = RATELIMIT_DUPLICATES,
        .interval_us = UINT64_MAX,
        .burst = UINT32_MAX,
        .remaining = UINT32_MAX,
        .recovered_us = UINT64_MAX,
    };
    check_policy(rate, "\"duplicates\";q=4294967295;w=18446744073710");
    check_value(rate, "\"duplicates\";r=4294967295;t=18446744073710");
}
