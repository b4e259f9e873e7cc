/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a dedup store's notes and of looking without claiming, the same tests for the
 * memory store and for Redis. The bounds of memory are in tests/unit/store/test_key_notes.c, what
 * only Redis can show in dedup_redis_notes.c.
 */
#include "support/dedup_bench.h"

#include <criterion/criterion.h>

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

/* Any octets, those of the store's own texts among them. */
#define ODD SLICE("\0;\r\n:\xff\"p:;d:\0")

/* ---- lives ---- */

CONTRACT(one_in_flight_sees_the_claims)
{
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert_eq(buf_len(&bench.note), 0);
    cr_assert_eq(claim_noted(1, 2, SLICE("mine")), VERDICT_IN_FLIGHT);
    cr_assert(slice_eq(buf_slice(&bench.note), ODD));
    cr_assert(is_noted(1, ODD), "and changed nothing");
}

CONTRACT(a_duplicate_sees_the_settles)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("claimed")), VERDICT_FIRST);
    cr_assert_eq(settle_noted(1, 1, ODD, 2), HOLD_KEPT);
    cr_assert_eq(claim_noted(1, 2, SLICE("mine")), VERDICT_DUPLICATE);
    cr_assert(slice_eq(buf_slice(&bench.note), ODD));
    cr_assert_eq(settle_noted(1, 1, SLICE("again"), 2), HOLD_KEPT);
    cr_assert(is_noted(1, ODD), "what is done is done");
}

CONTRACT(a_settle_without_one_leaves_the_claims)
{
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(claim(1, 2), VERDICT_DUPLICATE);
}

CONTRACT(a_settle_may_bring_the_first)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(settle_noted(1, 1, ODD, 0), HOLD_KEPT);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(settle_noted(2, 1, ODD, 0), HOLD_LAPSED, "nobody's");
    cr_assert(is_noted(2, ODD));
}

CONTRACT(a_key_without_one_has_none)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("")));
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert(is_noted(1, SLICE("")));
}

CONTRACT(claiming_again_and_renewing_leave_it)
{
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(renew(1, 1), HOLD_KEPT);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert(is_noted(1, ODD));
}

CONTRACT(a_renewal_makes_the_lease_of_a_noted_claim_longer)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.lease_ms = BENCH_SHORT_MS;
    call.op.note = ODD;
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    cr_assert_eq(renew(1, 1), HOLD_KEPT);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(release(1, 1), HOLD_KEPT);
}

CONTRACT(a_renewal_that_takes_the_key_again_brings_it)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.note = ODD;
    if (call_submit(&call, dedup_renew))
        call_await(&call);
    cr_assert_eq(call.op.hold, HOLD_LAPSED);
    cr_assert(is_noted(1, ODD));
}

CONTRACT(strangers_change_nothing)
{
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert_eq(renew(1, 2), HOLD_LOST);
    cr_assert_eq(settle_noted(1, 2, SLICE("theirs"), 0), HOLD_LOST);
    cr_assert_eq(release(1, 2), HOLD_LOST);
    cr_assert(is_noted(1, ODD));
    cr_assert_eq(settle_noted(1, 1, ODD, 0), HOLD_KEPT);
    cr_assert_eq(settle_noted(1, 2, SLICE("theirs"), 0), HOLD_LOST);
    cr_assert_eq(renew(1, 1), HOLD_LOST);
    cr_assert_eq(release(1, 1), HOLD_LOST);
    cr_assert(is_noted(1, ODD));
}

CONTRACT(release_and_forget_take_it_along)
{
    cr_assert_eq(claim_noted(1, 1, ODD), VERDICT_FIRST);
    cr_assert_eq(release(1, 1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("")));
    cr_assert_eq(settle_noted(1, 2, ODD, 0), HOLD_KEPT);
    cr_assert_eq(forget(1), HOLD_KEPT);
    cr_assert_eq(claim_noted(1, 3, SLICE("new")), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("new")));
    cr_assert_eq(forget(1), HOLD_KEPT, "pending as well");
    cr_assert_eq(peek_noted(1, 4), VERDICT_FIRST);
}

static void submit_short(submit_verb *verb, struct slice note)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.lease_ms = BENCH_SHORT_MS;
    call.op.window_ms = BENCH_SHORT_MS;
    call.op.note = note;
    if (call_submit(&call, verb))
        call_await(&call);
}

CONTRACT(it_ends_with_the_lease)
{
    submit_short(dedup_claim, ODD);
    cr_assert(is_noted(1, ODD));
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(peek_noted(1, 2), VERDICT_FIRST);
    cr_assert_eq(buf_len(&bench.note), 0);
    cr_assert_eq(claim_noted(1, 2, SLICE("taken over")), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("taken over")));
    cr_assert_eq(settle_noted(1, 1, ODD, 0), HOLD_LOST, "the late owner");
    cr_assert(is_noted(1, SLICE("taken over")));
}

CONTRACT(it_ends_with_the_window)
{
    submit_short(dedup_settle, ODD);
    cr_assert(is_noted(1, ODD));
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("")));
}

CONTRACT(of_a_lapsed_claim_a_settle_inherits_none)
{
    submit_short(dedup_claim, ODD);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(settle(1, 1), HOLD_LAPSED);
    cr_assert(is_noted(1, SLICE("")));
}

/* ---- lengths ---- */

CONTRACT(of_every_length)
{
    static const size_t lengths[] = {
        1, 2, 33, 34, 35, 255, 8100, 8192, 65536, 1u << 20, DEDUP_NOTE_MAX};
    for (uint64_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        cr_assert_eq(claim_noted(i, 1, long_note(lengths[i])), VERDICT_FIRST);
        cr_assert(is_noted(i, long_note(lengths[i])), "%zu", lengths[i]);
        cr_assert_eq(settle_noted(i, 1, long_note(lengths[i]), 34), HOLD_KEPT);
        cr_assert(is_noted(i, long_note(lengths[i])), "%zu", lengths[i]);
    }
}

CONTRACT(one_that_does_not_fit_is_not_told)
{
    struct call call;
    struct buf small;
    buf_init(&small, 9);
    cr_assert_eq(claim_noted(1, 1, long_note(10)), VERDICT_FIRST);
    call_init(&call, 1, 2);
    call.op.ret_note = &small;
    cr_assert_eq(buf_append(&small, SLICE("before")), STATUS_OK);
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_IN_FLIGHT);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert_eq(buf_len(&small), 0);
    call.op.ret_note = NULL;
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_IN_FLIGHT);
    buf_done(&small);
}

#define MANY 200u

static struct call calls[MANY];
static struct buf told[MANY];

static bool are_all_answered(void)
{
    for (size_t i = 0; i < MANY; i++)
        if (!calls[i].answered)
            return false;
    return true;
}

CONTRACT(each_of_many_is_told_its_own)
{
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(claim_noted(i, 1, long_note(i * 100)), VERDICT_FIRST);
    for (size_t i = 0; i < MANY; i++) {
        buf_init(&told[i], MANY * 100);
        call_init(&calls[i], i, 2);
        calls[i].op.ret_note = &told[i];
        call_submit(&calls[i], i % 2 ? dedup_claim : dedup_peek);
    }
    bench_run_until(are_all_answered);
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_eq(calls[i].op.verdict, VERDICT_IN_FLIGHT);
        cr_assert(slice_eq(buf_slice(&told[i]), long_note(i * 100)), "%zu", i);
        buf_done(&told[i]);
    }
}

/* ---- looking ---- */

CONTRACT(a_look_changes_nothing)
{
    cr_assert_eq(peek_noted(1, 1), VERDICT_FIRST);
    cr_assert_eq(peek_noted(1, 2), VERDICT_FIRST);
    submit_short(dedup_claim, ODD);
    cr_assert_eq(peek_noted(1, 1), VERDICT_FIRST, "as its own claim would be told");
    cr_assert_eq(peek_noted(1, 2), VERDICT_IN_FLIGHT);
    bench_run_for(2 * BENCH_SHORT_MS);
    cr_assert_eq(peek_noted(1, 2), VERDICT_FIRST, "no look made the lease longer");
}

CONTRACT(a_look_tells_the_first)
{
    struct call call;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    call_init(&call, 1, 2);
    if (call_submit(&call, dedup_peek))
        call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_DUPLICATE);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert_eq(call.op.first.status, 207);
    cr_assert_not(call.op.from_l1);
    cr_assert_eq(bench.store->stats.pending, 0);
    cr_assert_eq(bench.store->stats.errors, 0);
}
