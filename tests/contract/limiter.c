/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a limiter, the same tests for the local one and for Redis (a real server, through
 * a real loop).
 */
#include "support/limit_rig.h"

#include <criterion/criterion.h>

#define SLACK_US 2000u /* Redis' clock and ours, one loop turn */

#define CONTRACT(name)                                                                             \
    static void check_##name(void);                                                                \
    Test(local, name, .init = limit_rig_open_local, .fini = limit_rig_close)                       \
    {                                                                                              \
        check_##name();                                                                            \
    }                                                                                              \
    Test(redis, name, .init = limit_rig_open_redis, .fini = limit_rig_close)                       \
    {                                                                                              \
        check_##name();                                                                            \
    }                                                                                              \
    static void check_##name(void)

static const struct limit_opts slow = {.interval_us = LONG_US, .burst = 5};

static void is_allowed(struct limit_op op, uint32_t remaining)
{
    cr_expect(op.allowed);
    cr_expect_eq(op.local, lrig.is_local);
    cr_expect_eq(op.remaining, remaining, "%u, not %u", op.remaining, remaining);
    cr_expect_eq(op.wait_us, 0);
}

/* Refused with the whole burst used up less than a second ago. */
static void is_refused(struct limit_op op)
{
    cr_expect_not(op.allowed);
    cr_expect_eq(op.local, lrig.is_local);
    cr_expect_eq(op.remaining, 0);
    cr_expect_leq(op.wait_us, op.opts.interval_us);
    cr_expect_gt(op.wait_us, op.opts.interval_us - 1000000);
    cr_expect_eq(op.recovered_us, op.wait_us + (op.opts.burst - 1) * op.opts.interval_us);
}

CONTRACT(the_burst_and_not_one_more)
{
    for (uint32_t i = 1; i <= slow.burst; i++) {
        struct limit_op op = take(1, slow);
        is_allowed(op, slow.burst - i);
        cr_expect_leq(op.recovered_us, i * LONG_US);
        cr_expect_gt(op.recovered_us, i * LONG_US - 1000000);
    }
    for (unsigned i = 0; i < 3; i++)
        is_refused(take(1, slow));
    cr_assert_eq(lrig.limiter->stats.refused, 3);
}

CONTRACT(clients_do_not_share_cells)
{
    for (uint32_t i = 1; i <= slow.burst; i++)
        is_allowed(take(1, slow), slow.burst - i);
    is_allowed(take(2, slow), slow.burst - 1);
    is_refused(take(1, slow));
}

CONTRACT(what_is_given_back_can_be_taken_again)
{
    for (uint32_t i = 1; i <= slow.burst; i++)
        is_allowed(take(1, slow), slow.burst - i);
    is_allowed(give_back(1, slow), 1);
    is_allowed(take(1, slow), 0);
    is_refused(take(1, slow));
    cr_assert_eq(lrig.limiter->stats.refused, 1);
}

CONTRACT(a_part_may_be_given_back)
{
    static struct asking asking;
    for (uint32_t i = 1; i <= slow.burst; i++)
        is_allowed(take(1, slow), slow.burst - i);
    asking_init(&asking, 1, slow, LIMIT_GIVE_BACK);
    asking.op.back_us = LONG_US / 2;
    if (asking_submit(&asking))
        asking_await(&asking);
    cr_assert(asking.op.allowed && asking.op.remaining == 0);
    struct limit_op op = take(1, slow);
    cr_assert_not(op.allowed);
    cr_assert_leq(op.wait_us, LONG_US / 2);
    cr_assert_gt(op.wait_us, LONG_US / 2 - 1000000);
}

CONTRACT(giving_back_never_earns_more_than_the_burst)
{
    is_allowed(give_back(1, slow), slow.burst);
    is_allowed(take(1, slow), slow.burst - 1);
    is_allowed(give_back(1, slow), slow.burst);
    struct limit_op op = give_back(1, slow);
    is_allowed(op, slow.burst);
    cr_assert_eq(op.recovered_us, 0);
}

static struct limit_opts quick = {.interval_us = 30000, .burst = 1};

static bool takes_again(void)
{
    static struct asking asking;
    static bool asked;
    bool pending = asked && asking.answers == 0;
    if (pending)
        return false;
    if (asked && asking.op.allowed)
        return true;
    asked = true;
    asking_init(&asking, 1, quick, LIMIT_TAKE);
    return !asking_submit(&asking) && asking.op.allowed;
}

CONTRACT(who_waits_as_told_is_let_through_and_nobody_sooner)
{
    cr_assert(take(1, quick).allowed);
    struct limit_op refused = take(1, quick);
    struct clock before, after;
    clock_refresh(&before);
    cr_assert_not(refused.allowed);
    limit_rig_run_until(takes_again);
    clock_refresh(&after);
    cr_assert_geq(after.mono_us - before.mono_us + SLACK_US, refused.wait_us);
}

CONTRACT(a_slower_rate_of_before_is_not_paid_off_for_ever)
{
    for (uint32_t i = 0; i < slow.burst; i++)
        cr_assert(take(1, slow).allowed);
    struct limit_op op = take(1, quick);
    cr_assert_not(op.allowed);
    cr_assert_leq(op.wait_us, quick.interval_us);
    limit_rig_run_until(takes_again);
}

CONTRACT(a_lower_burst_counts_at_once)
{
    for (uint32_t i = 0; i < slow.burst; i++)
        cr_assert(take(1, slow).allowed);
    is_refused(take(1, (struct limit_opts){LONG_US, 2}));
    struct limit_op op = take(1, slow);
    is_allowed(op, slow.burst - 3);
}

CONTRACT(the_ends_of_the_range)
{
    const struct limit_opts slowest = {UINT64_C(1) << 52, 1}, largest = {1000, UINT32_MAX},
                            far = {UINT64_C(1) << 51, 1000};
    is_allowed(take(1, slowest), 0);
    is_refused(take(1, slowest));
    is_allowed(take(2, largest), UINT32_MAX - 1);
    is_allowed(take(3, far), 1);
    is_allowed(take(3, far), 0);
    struct limit_op op = take(3, far);
    cr_expect_not(op.allowed);
    cr_expect_leq(op.wait_us, far.interval_us);
    cr_expect_gt(op.wait_us, far.interval_us - 1000000);
}

CONTRACT(an_op_that_is_not_shared_is_answered_at_once_by_the_table)
{
    struct asking asking;
    for (uint32_t i = 0; i <= slow.burst; i++) {
        asking_init(&asking, 1, slow, LIMIT_TAKE);
        asking.op.shared = false;
        cr_assert_not(asking_submit(&asking));
        cr_assert_not(asking.op.local);
        cr_assert_eq(asking.op.allowed, i < slow.burst);
    }
    cr_assert_eq(lrig.limiter->stats.errors, 0);
    cr_assert_eq(lrig.limiter->stats.refused, 1);
}

#define MANY 2000u
static struct asking many[MANY];

static bool all_answered(void)
{
    for (size_t i = 0; i < MANY; i++)
        if (many[i].answers == 0)
            return false;
    return true;
}

CONTRACT(many_at_once)
{
    const struct limit_opts opts = {LONG_US, 700};
    unsigned allowed = 0;
    for (size_t i = 0; i < MANY; i++) {
        asking_init(&many[i], 1, opts, LIMIT_TAKE);
        (void)asking_submit(&many[i]);
    }
    limit_rig_run_until(all_answered);
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_eq(many[i].answers, 1);
        allowed += many[i].op.allowed;
    }
    cr_assert_eq(allowed, opts.burst);
    cr_assert_eq(lrig.limiter->stats.refused, MANY - opts.burst);
}

CONTRACT(closing_answers_what_is_pending)
{
    for (size_t i = 0; i < MANY; i++) {
        asking_init(&many[i], i, slow, LIMIT_TAKE);
        (void)asking_submit(&many[i]);
    }
    limit_rig_close_limiter();
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_eq(many[i].answers, 1);
        cr_assert(many[i].op.allowed && many[i].op.local);
    }
}

CONTRACT(closing_when_nothing_is_pending)
{
    limit_rig_close_limiter();
}

/* The local one answers alone, and says so. */
Test(local, shared_ops_are_counted, .init = limit_rig_open_local, .fini = limit_rig_close)
{
    cr_assert(take(1, slow).local);
    cr_assert(give_back(1, slow).local);
    cr_assert_eq(lrig.limiter->stats.errors, 2);
}

Test(local, evictions_are_counted, .init = limit_rig_open_local, .fini = limit_rig_close)
{
    for (uint64_t i = 0; i < 100000; i++)
        cr_assert(take(i, slow).allowed);
    cr_assert_gt(lrig.limiter->stats.evicted, 100000 - 20000);
}
