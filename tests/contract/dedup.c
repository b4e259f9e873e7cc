/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a dedup store, the same tests for the memory store and for Redis (a real server,
 * through a real loop). What only one of them can show is at the end (memory) or in dedup_redis.c.
 */
#include "support/dedup_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define CLOCK_SLACK_MS 2u /* two clocks, each in whole milliseconds */

#define CONTRACT(name)                                                                             \
    static void check_##name(void);                                                                \
    Test(memory, name, .init = bench_open_memory, .fini = bench_close)                             \
    {                                                                                              \
        check_##name();                                                                            \
    }                                                                                              \
    Test(redis, name, .init = bench_open_redis, .fini = bench_close)                               \
    {                                                                                              \
        check_##name();                                                                            \
    }                                                                                              \
    static void check_##name(void)

CONTRACT(first_claim_wins_and_others_learn_the_owner)
{
    struct call call;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    call_init(&call, 1, 2);
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_IN_FLIGHT);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert_eq(claim(2, 2), VERDICT_FIRST, "another key is another matter");
}

CONTRACT(settled_key_is_a_duplicate_that_tells_the_first_event)
{
    struct call call, second;
    call_init(&call, 1, 1);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    if (call_submit(&call, dedup_settle))
        call_await(&call);
    cr_assert_eq(call.op.hold, HOLD_KEPT);
    call_init(&second, 1, 2);
    if (call_submit(&second, dedup_claim))
        call_await(&second);
    cr_assert_eq(second.op.verdict, VERDICT_DUPLICATE);
    cr_assert(is_token(&second.op.first.event_id, 1));
    cr_assert_eq(second.op.first.status, 207);
    cr_assert_eq(second.op.first.accepted_at_ms, call.op.done.accepted_at_ms);
    cr_assert_not(second.op.from_l1);
}

CONTRACT(released_key_is_free_at_once)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(release(1, 1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}

CONTRACT(nothing_there_is_lapsed)
{
    cr_assert_eq(release(1, 1), HOLD_LAPSED);
    cr_assert_eq(forget(1), HOLD_LAPSED);
    cr_assert_eq(renew(1, 1), HOLD_LAPSED);
    cr_assert_eq(claim(1, 2), VERDICT_IN_FLIGHT, "the renewal took it");
    cr_assert_eq(settle(2, 1), HOLD_LAPSED);
    cr_assert_eq(claim(2, 2), VERDICT_DUPLICATE, "the settling did it");
}

CONTRACT(a_stranger_changes_nothing_that_is_pending)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(renew(1, 2), HOLD_LOST);
    cr_assert_eq(settle(1, 2), HOLD_LOST);
    cr_assert_eq(release(1, 2), HOLD_LOST);
    cr_assert_eq(claim(1, 3), VERDICT_IN_FLIGHT);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
}

CONTRACT(nobody_but_an_operator_changes_what_is_done)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert_eq(settle(1, 1), HOLD_KEPT, "settling again is no harm");
    cr_assert_eq(renew(1, 1), HOLD_LOST);
    cr_assert_eq(release(1, 1), HOLD_LOST);
    cr_assert_eq(settle(1, 2), HOLD_LOST);
    cr_assert_eq(claim(1, 1), VERDICT_DUPLICATE, "for its own token too");
    cr_assert_eq(forget(1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
    cr_assert_eq(forget(1), HOLD_KEPT, "pending as well");
    cr_assert_eq(claim(1, 3), VERDICT_FIRST);
}

CONTRACT(lease_ends_in_time_and_not_early)
{
    uint64_t start_ms = loop_now_ms(bench.loop);
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    cr_assert_geq(claim_until_first(1, 2, start_ms) + CLOCK_SLACK_MS, BENCH_SHORT_MS);
    cr_assert_eq(renew(1, 1), HOLD_LOST, "the late owner");
    cr_assert_eq(settle(1, 1), HOLD_LOST);
    cr_assert_eq(release(1, 1), HOLD_LOST);
    cr_assert_eq(settle(1, 2), HOLD_KEPT);
}

CONTRACT(window_ends_in_time_and_not_early)
{
    struct call call;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    call_init(&call, 1, 1);
    call.op.window_ms = BENCH_SHORT_MS;
    uint64_t start_ms = loop_now_ms(bench.loop);
    if (call_submit(&call, dedup_settle))
        call_await(&call);
    cr_assert_eq(call.op.hold, HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_DUPLICATE);
    cr_assert_geq(claim_until_first(1, 2, start_ms) + CLOCK_SLACK_MS, BENCH_SHORT_MS);
}

CONTRACT(renewing_makes_the_lease_longer)
{
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    cr_assert_eq(renew(1, 1), HOLD_KEPT);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(claim(1, 2), VERDICT_IN_FLIGHT);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
}

CONTRACT(claiming_again_under_the_same_token_begins_the_lease_again)
{
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(claim(1, 2), VERDICT_IN_FLIGHT);
}

CONTRACT(a_lapsed_lease_that_nobody_took_can_still_be_settled)
{
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(settle(1, 1), HOLD_LAPSED);
    cr_assert_eq(claim(1, 2), VERDICT_DUPLICATE);
}

CONTRACT(a_lapsed_lease_that_nobody_took_can_be_renewed_or_released)
{
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    cr_assert_eq(claim_short(2, 1), VERDICT_FIRST);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(renew(1, 1), HOLD_LAPSED);
    cr_assert_eq(claim(1, 2), VERDICT_IN_FLIGHT);
    cr_assert_eq(release(2, 1), HOLD_LAPSED);
    cr_assert_eq(claim(2, 2), VERDICT_FIRST);
}

#define RACERS 1000u

static struct call racers[RACERS];

static bool all_answered(void)
{
    for (size_t i = 0; i < RACERS; i++)
        if (!racers[i].answered)
            return false;
    return true;
}

CONTRACT(of_a_thousand_concurrent_claims_exactly_one_is_first)
{
    unsigned first = 0, in_flight = 0;
    for (size_t i = 0; i < RACERS; i++) {
        call_init(&racers[i], 1, 0);
        memcpy(racers[i].op.token.bytes + 8, &i, sizeof i);
        call_submit(&racers[i], dedup_claim);
    }
    bench_run_until(all_answered);
    for (size_t i = 0; i < RACERS; i++) {
        first += racers[i].op.verdict == VERDICT_FIRST;
        in_flight += racers[i].op.verdict == VERDICT_IN_FLIGHT;
    }
    cr_assert_eq(first, 1);
    cr_assert_eq(in_flight, RACERS - 1);
    cr_assert_eq(bench.store->stats.pending, 0);
}

CONTRACT(closing_answers_what_is_pending)
{
    for (size_t i = 0; i < RACERS; i++) {
        call_init(&racers[i], i, 1);
        call_submit(&racers[i], dedup_claim);
    }
    bench_close_store();
    cr_assert(all_answered());
    for (size_t i = 0; i < RACERS; i++)
        cr_assert(racers[i].op.verdict == VERDICT_FIRST || racers[i].op.verdict == VERDICT_UNKNOWN);
}

/* ---- only memory ---- */

static void open_small(void)
{
    bench.max_keys = 10;
    bench_open_memory();
}

Test(memory_bound, refuses_rather_than_forget, .init = open_small, .fini = bench_close)
{
    for (uint64_t i = 0; i < 9; i++)
        cr_assert_eq(claim(i, 1), VERDICT_FIRST);
    cr_assert_eq(claim_short(9, 1), VERDICT_FIRST);
    cr_assert_eq(claim(10, 1), VERDICT_FULL);
    cr_assert_eq(claim(0, 2), VERDICT_IN_FLIGHT);
    uint64_t start_ms = loop_now_ms(bench.loop) - BENCH_SHORT_MS;
    cr_assert_geq(claim_until_first(10, 1, start_ms), BENCH_SHORT_MS);
    cr_assert_eq(release(10, 1), HOLD_KEPT);
    cr_assert_eq(claim(11, 1), VERDICT_FIRST);
    bench.store->backend->refresh_stats(bench.store);
    cr_assert_eq(bench.store->stats.keys, 10);
}

Test(memory_bound, is_always_up, .init = open_small, .fini = bench_close)
{
    cr_assert(bench.store->stats.up);
    cr_assert_str_eq(bench.store->backend->name, "memory");
}
