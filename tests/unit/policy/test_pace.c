/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/pace: the burst, the sustained rate, waits that are exact, numbers at the
 * ends of their range. */
#include <postern/policy/pace.h>

#include <criterion/criterion.h>
#include <stdlib.h>

#define UNTOUCHED UINT64_C(12345)

static void takes(struct pace *pace, const struct pace_opts *opts, uint64_t now_us)
{
    uint64_t wait = UNTOUCHED;
    cr_assert(pace_take(pace, opts, now_us, &wait), "at %llu", (unsigned long long)now_us);
    cr_assert_eq(wait, UNTOUCHED);
}

static void waits(struct pace *pace, const struct pace_opts *opts, uint64_t now_us,
                  uint64_t expected_us)
{
    uint64_t wait = UNTOUCHED, arrival = pace->arrival_us;
    cr_assert_not(pace_take(pace, opts, now_us, &wait));
    cr_assert_eq(wait, expected_us, "%llu", (unsigned long long)wait);
    cr_assert_eq(pace->arrival_us, arrival, "nothing changes");
}

Test(pace, without_a_limit_everything_passes)
{
    struct pace pace = {0};
    const struct pace_opts opts = {.interval_us = 0, .burst = 1};
    for (unsigned i = 0; i < 1000; i++)
        takes(&pace, &opts, 0);
}

Test(pace, the_burst_and_not_one_more)
{
    for (uint32_t burst = 1; burst <= 100; burst++) {
        struct pace pace = {0};
        const struct pace_opts opts = {.interval_us = 1000, .burst = burst};
        for (uint32_t i = 0; i < burst; i++)
            takes(&pace, &opts, 5000000);
        waits(&pace, &opts, 5000000, 1000);
        waits(&pace, &opts, 5000999, 1);
        takes(&pace, &opts, 5001000);
        waits(&pace, &opts, 5001000, 1000);
    }
}

Test(pace, at_the_beginning_of_time_as_well)
{
    struct pace pace = {0};
    const struct pace_opts opts = {.interval_us = 1000, .burst = 3};
    for (unsigned i = 0; i < 3; i++)
        takes(&pace, &opts, 0);
    waits(&pace, &opts, 0, 1000);
}

Test(pace, a_burst_of_nothing_is_one)
{
    struct pace pace = {0};
    const struct pace_opts opts = {.interval_us = 10, .burst = 0};
    takes(&pace, &opts, 7);
    waits(&pace, &opts, 7, 10);
    takes(&pace, &opts, 17);
}

Test(pace, a_pause_earns_no_more_than_the_burst)
{
    struct pace pace = {0};
    const struct pace_opts opts = {.interval_us = 1000, .burst = 2};
    takes(&pace, &opts, 1000);
    takes(&pace, &opts, 3600000000);
    takes(&pace, &opts, 3600000000);
    waits(&pace, &opts, 3600000000, 1000);
}

/* Whoever waits as told is let through, and no sooner. */
Test(pace, the_wait_is_exact)
{
    unsigned seed = 3;
    for (unsigned round = 0; round < 200; round++) {
        struct pace_opts opts = {.interval_us = 1 + (unsigned)rand_r(&seed) % 100000,
                                 .burst = (unsigned)rand_r(&seed) % 20};
        struct pace pace = {0};
        uint64_t now = (unsigned)rand_r(&seed), wait = 0;
        for (unsigned i = 0; i < 200; i++) {
            if (pace_take(&pace, &opts, now, &wait))
                continue;
            uint64_t sooner = wait;
            cr_assert_gt(wait, 0);
            cr_assert_not(pace_take(&pace, &opts, now + wait - 1, &sooner));
            cr_assert_eq(sooner, 1);
            now += wait;
            takes(&pace, &opts, now);
        }
    }
}

/* In any stretch of time no more pass than the rate and one burst allow. */
Test(pace, the_rate_holds_over_random_arrivals)
{
    const struct pace_opts opts = {.interval_us = 333, .burst = 7};
    struct pace pace = {0};
    static uint64_t passed[100000];
    size_t count = 0;
    unsigned seed = 9;
    uint64_t now = 0, wait;
    while (count < 100000) {
        now += (unsigned)rand_r(&seed) % 400;
        if (pace_take(&pace, &opts, now, &wait))
            passed[count++] = now;
    }
    for (size_t width = 1; width < 2000; width += 37)
        for (size_t i = 0; i + width < count; i += 101) {
            uint64_t span = passed[i + width] - passed[i];
            cr_assert_leq(width + 1, opts.burst + span / opts.interval_us + 1);
        }
}

Test(pace, a_clock_that_stands_or_steps_back_lets_nothing_more_through)
{
    struct pace pace = {0};
    const struct pace_opts opts = {.interval_us = 1000, .burst = 1};
    takes(&pace, &opts, 10000);
    waits(&pace, &opts, 10000, 1000);
    waits(&pace, &opts, 9000, 2000);
    waits(&pace, &opts, 0, 11000);
}

Test(pace, numbers_at_the_end_of_their_range)
{
    struct pace pace = {0};
    struct pace_opts opts = {.interval_us = UINT64_MAX, .burst = UINT32_MAX};
    takes(&pace, &opts, 0);
    takes(&pace, &opts, UINT64_MAX);
    cr_assert_eq(pace.arrival_us, UINT64_MAX);
    opts.burst = 1;
    waits(&pace, &opts, 0, UINT64_MAX);
    waits(&pace, &opts, UINT64_MAX - 1, 1);
    pace = (struct pace){0};
    opts = (struct pace_opts){.interval_us = UINT64_MAX / 3, .burst = 4};
    for (unsigned i = 0; i < 4; i++)
        takes(&pace, &opts, 0);
    cr_assert_eq(pace.arrival_us, UINT64_MAX);
}
