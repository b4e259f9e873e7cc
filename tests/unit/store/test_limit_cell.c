/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of store/limit_cell: the burst, the sustained rate, giving back, outputs that are
 * exact at their edges, a rate that changes, numbers at the ends of their range; and random
 * requests against an oracle that keeps a list of them.
 */
#include "limit_cell.h"
#include "limit_clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define START_US UINT64_C(5000000)

static struct limit_op run(uint64_t *cell, enum limit_verb verb, uint64_t interval_us,
                           uint32_t burst, uint64_t now_us)
{
    struct limit_op op = limit_op_of(1, interval_us, burst, verb);
    limit_cell_run(cell, &op, now_us);
    return op;
}

static void is_told(struct limit_op op, bool allowed, uint32_t remaining, uint64_t wait_us,
                    uint64_t recovered_us)
{
    cr_expect_eq(op.allowed, allowed);
    cr_expect_eq(op.remaining, remaining, "remaining %u, not %u", op.remaining, remaining);
    cr_expect_eq(op.wait_us, wait_us, "wait %llu, not %llu", (unsigned long long)op.wait_us,
                 (unsigned long long)wait_us);
    cr_expect_eq(op.recovered_us, recovered_us, "recovered %llu, not %llu",
                 (unsigned long long)op.recovered_us, (unsigned long long)recovered_us);
}

Test(limit_cell, the_burst_and_not_one_more)
{
    for (uint32_t burst = 1; burst <= 100; burst++) {
        uint64_t cell = 0;
        for (uint32_t i = 1; i <= burst; i++)
            is_told(run(&cell, LIMIT_TAKE, 1000, burst, START_US), true, burst - i, 0, 1000u * i);
        is_told(run(&cell, LIMIT_TAKE, 1000, burst, START_US), false, 0, 1000, 1000u * burst);
        is_told(run(&cell, LIMIT_TAKE, 1000, burst, START_US + 999), false, 0, 1,
                1000u * burst - 999);
        is_told(run(&cell, LIMIT_TAKE, 1000, burst, START_US + 1000), true, 0, 0, 1000u * burst);
        is_told(run(&cell, LIMIT_TAKE, 1000, burst, START_US + 1000), false, 0, 1000,
                1000u * burst);
    }
}

Test(limit_cell, at_the_beginning_of_time_as_well)
{
    uint64_t cell = 0;
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, 0), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, 0), true, 0, 0, 2000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, 0), false, 0, 1000, 2000);
}

Test(limit_cell, a_pause_earns_no_more_than_the_burst)
{
    uint64_t cell = 0;
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 3600000000), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 3600000000), true, 0, 0, 2000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 3600000000), false, 0, 1000, 2000);
}

Test(limit_cell, what_remains_comes_back_one_by_one)
{
    uint64_t cell = START_US + 3000; /* a burst of 3, used up */
    struct limit_op op = limit_op_of(1, 1000, 3, LIMIT_TAKE);
    static const uint32_t remaining[] = {0, 0, 1, 1, 2, 2, 3, 3};
    for (unsigned i = 0; i < 8; i++) { /* at 0, 999, 1000, 1999, … */
        uint64_t later_us = i / 2 * 1000 + i % 2 * 999;
        limit_tell(&op, true, later_us < 3000 ? cell - START_US - later_us : 0);
        cr_expect_eq(op.remaining, remaining[i], "%u", i);
    }
}

/* ---- giving back ---- */

Test(limit_cell, a_take_that_is_given_back_never_was)
{
    uint64_t cell = 0;
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 0, 0, 2000);
    is_told(run(&cell, LIMIT_GIVE_BACK, 1000, 2, START_US), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 0, 0, 2000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), false, 0, 1000, 2000);
}

Test(limit_cell, a_part_may_be_given_back)
{
    uint64_t cell = 0;
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 0, 0, 2000);
    struct limit_op op = limit_op_of(1, 1000, 2, LIMIT_GIVE_BACK);
    op.back_us = 400;
    limit_cell_run(&cell, &op, START_US);
    is_told(op, true, 0, 0, 1600);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), false, 0, 600, 1600);
}

Test(limit_cell, giving_back_never_earns_more_than_the_burst)
{
    uint64_t cell = 0;
    for (unsigned i = 0; i < 10; i++)
        is_told(run(&cell, LIMIT_GIVE_BACK, 1000, 2, START_US), true, 2, 0, 0);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_GIVE_BACK, 1000, 2, START_US + 400), true, 2, 0, 0);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 400), true, 1, 0, 1000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 400), true, 0, 0, 2000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 2, START_US + 400), false, 0, 1000, 2000);
}

/* ---- a changed rate ---- */

Test(limit_cell, a_slower_rate_of_before_is_not_paid_off_for_ever)
{
    uint64_t cell = 0;
    for (unsigned i = 0; i < 3; i++)
        cr_assert(run(&cell, LIMIT_TAKE, 3600000000, 3, START_US).allowed);
    is_told(run(&cell, LIMIT_TAKE, 1000, 5, START_US), false, 0, 1000, 5000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 5, START_US + 1000), true, 0, 0, 5000);
}

Test(limit_cell, a_lower_burst_counts_at_once)
{
    uint64_t cell = 0;
    for (unsigned i = 0; i < 3; i++)
        cr_assert(run(&cell, LIMIT_TAKE, 1000, 10, START_US).allowed);
    is_told(run(&cell, LIMIT_TAKE, 1000, 3, START_US), false, 0, 1000, 3000);
    is_told(run(&cell, LIMIT_TAKE, 1000, 4, START_US), true, 0, 0, 4000);
}

/* ---- numbers ---- */

Test(limit_cell, reach)
{
    static const struct {
        uint64_t interval_us;
        uint32_t burst;
        uint64_t reach_us;
    } cases[] = {
        {1, 1, 1},
        {1000, 7, 7000},
        {UINT64_C(1) << 51, 2, LIMIT_REACH_MAX_US},
        {(UINT64_C(1) << 51) - 1, 2, LIMIT_REACH_MAX_US - 2},
        {(UINT64_C(1) << 51) + 1, 2, LIMIT_REACH_MAX_US},
        {LIMIT_REACH_MAX_US, 1, LIMIT_REACH_MAX_US},
        {LIMIT_REACH_MAX_US, UINT32_MAX, LIMIT_REACH_MAX_US},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct limit_opts opts = {cases[i].interval_us, cases[i].burst};
        cr_expect_eq(limit_reach_us(&opts), cases[i].reach_us, "%zu", i);
    }
}

Test(limit_cell, a_burst_out_of_reach_is_cut)
{
    uint64_t cell = 0, interval_us = LIMIT_REACH_MAX_US / 2;
    is_told(run(&cell, LIMIT_TAKE, interval_us, 1000, START_US), true, 1, 0, interval_us);
    is_told(run(&cell, LIMIT_TAKE, interval_us, 1000, START_US), true, 0, 0, 2 * interval_us);
    is_told(run(&cell, LIMIT_TAKE, interval_us, 1000, START_US), false, 0, interval_us,
            2 * interval_us);
}

Test(limit_cell, the_largest_burst)
{
    uint64_t cell = 0;
    is_told(run(&cell, LIMIT_TAKE, 1, UINT32_MAX, START_US), true, UINT32_MAX - 1, 0, 1);
    is_told(run(&cell, LIMIT_GIVE_BACK, 1, UINT32_MAX, START_US), true, UINT32_MAX, 0, 0);
}

/* ---- against an oracle ---- */

#define REQUESTS 10000u /* of each seed */

/* Tokens of whole intervals, filled by counting: slow, and plainly right. In units of
 * 1/interval-th of a token, so that nothing is rounded. */
struct bucket {
    uint64_t level, at_us;
};

static void fill(struct bucket *bucket, uint64_t interval_us, uint32_t burst, uint64_t now_us)
{
    uint64_t full = burst * interval_us;
    bucket->level += now_us - bucket->at_us;
    bucket->at_us = now_us;
    if (bucket->level > full)
        bucket->level = full;
}

static void check_random(unsigned seed, uint64_t interval_us, uint32_t burst)
{
    uint64_t cell = 0, now_us = START_US, full = burst * interval_us;
    struct bucket bucket = {.level = full, .at_us = now_us};
    for (unsigned i = 0; i < REQUESTS; i++) {
        now_us += (uint64_t)rand_r(&seed) % (2 * interval_us);
        fill(&bucket, interval_us, burst, now_us);
        bool gives = rand_r(&seed) % 8 == 0, allowed = gives || bucket.level >= interval_us;
        uint64_t wait_us = allowed ? 0 : interval_us - bucket.level;
        if (gives)
            bucket.level = bucket.level + interval_us < full ? bucket.level + interval_us : full;
        else if (allowed)
            bucket.level -= interval_us;
        is_told(run(&cell, gives ? LIMIT_GIVE_BACK : LIMIT_TAKE, interval_us, burst, now_us),
                allowed, (uint32_t)(bucket.level / interval_us), wait_us, full - bucket.level);
    }
}

Test(limit_cell, as_a_bucket_of_tokens)
{
    for (unsigned seed = 1; seed <= 20; seed++)
        check_random(seed, 1 + seed % 7 * 333, 1 + seed % 5);
}
