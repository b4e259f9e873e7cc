/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/breaker: the way round, the threshold, stale ends, cool-downs up to their
 * longest, and a walk over random ends. */
#include <postern/policy/breaker.h>

#include <criterion/criterion.h>
#include <stdlib.h>

#define COOL_DOWN_MS UINT64_C(5000)

static const struct breaker_opts USUAL = {.failures = 3, .cool_down_ms = COOL_DOWN_MS};

/* Begins an attempt and ends it at once. */
static void attempt(struct breaker *breaker, bool failed, uint64_t now_ms)
{
    cr_assert(breaker_would_begin(breaker, now_ms));
    cr_assert(breaker_begin(breaker, now_ms));
    breaker_ended(breaker, &USUAL, breaker->opened, failed, now_ms);
}

static struct breaker opened_at(uint64_t now_ms)
{
    struct breaker breaker = {0};
    for (unsigned i = 0; i < USUAL.failures; i++)
        attempt(&breaker, true, now_ms);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
    return breaker;
}

static void begins_not(struct breaker *breaker, uint64_t now_ms)
{
    struct breaker before = *breaker;
    cr_assert_not(breaker_would_begin(breaker, now_ms));
    cr_assert_not(breaker_begin(breaker, now_ms));
    cr_assert(before.state == breaker->state && before.probing == breaker->probing);
}

Test(breaker, opens_at_its_threshold)
{
    struct breaker breaker = {0};
    attempt(&breaker, true, 0);
    attempt(&breaker, true, 0);
    cr_assert(breaker.state == BREAKER_CLOSED && breaker.failures == 2 && breaker.opened == 0);
    attempt(&breaker, true, 10);
    cr_assert(breaker.state == BREAKER_OPEN && breaker.opened == 1);
    cr_assert_eq(breaker.until_ms, 10 + COOL_DOWN_MS);
}

Test(breaker, only_failures_in_a_row_count)
{
    struct breaker breaker = {0};
    for (unsigned i = 0; i < 100; i++)
        attempt(&breaker, i % 3 != 2, 0);
    cr_assert(breaker.state == BREAKER_CLOSED && breaker.opened == 0);
}

Test(breaker, one_failure_may_be_enough)
{
    struct breaker breaker = {0};
    struct breaker_opts opts = {.failures = 1, .cool_down_ms = 1};
    breaker_ended(&breaker, &opts, 0, true, 0);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
}

Test(breaker, switched_off_it_never_opens)
{
    struct breaker breaker = {.failures = UINT32_MAX - 1};
    struct breaker_opts opts = {.failures = 0, .cool_down_ms = COOL_DOWN_MS};
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert(breaker_begin(&breaker, 0));
        breaker_ended(&breaker, &opts, breaker.opened, true, 0);
    }
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
    cr_assert_eq(breaker.failures, UINT32_MAX, "it does not wrap");
}

Test(breaker, open_refuses_until_the_cool_down_is_over)
{
    struct breaker breaker = opened_at(100);
    begins_not(&breaker, 100);
    begins_not(&breaker, 100 + COOL_DOWN_MS - 1);
    cr_assert(breaker_would_begin(&breaker, 100 + COOL_DOWN_MS));
    cr_assert_eq(breaker.state, BREAKER_OPEN, "asking changes nothing");
    cr_assert(breaker_begin(&breaker, 100 + COOL_DOWN_MS));
    cr_assert(breaker.state == BREAKER_HALF_OPEN && breaker.probing);
}

Test(breaker, half_open_lets_one_probe_out)
{
    struct breaker breaker = opened_at(0);
    cr_assert(breaker_begin(&breaker, COOL_DOWN_MS));
    begins_not(&breaker, COOL_DOWN_MS);
    begins_not(&breaker, UINT64_MAX);
}

Test(breaker, a_probe_that_succeeds_closes)
{
    struct breaker breaker = opened_at(0);
    attempt(&breaker, false, COOL_DOWN_MS);
    cr_assert(breaker.state == BREAKER_CLOSED && breaker.failures == 0 && !breaker.probing);
    attempt(&breaker, true, COOL_DOWN_MS);
    attempt(&breaker, true, COOL_DOWN_MS);
    cr_assert_eq(breaker.state, BREAKER_CLOSED, "counting begins anew");
    attempt(&breaker, true, COOL_DOWN_MS);
    cr_assert_eq(breaker.until_ms, 2 * COOL_DOWN_MS, "and so does the cool-down");
}

Test(breaker, a_probe_that_fails_doubles_the_cool_down_up_to_16_times)
{
    const uint64_t times[] = {2, 4, 8, 16, 16, 16};
    struct breaker breaker = opened_at(0);
    for (size_t i = 0; i < 6; i++) {
        uint64_t now_ms = breaker.until_ms;
        attempt(&breaker, true, now_ms);
        cr_assert(breaker.state == BREAKER_OPEN && !breaker.probing);
        cr_assert_eq(breaker.until_ms - now_ms, times[i] * COOL_DOWN_MS);
        cr_assert_eq(breaker.opened, i + 2);
    }
}

Test(breaker, a_probe_that_did_not_take_place_goes_to_another)
{
    struct breaker breaker = opened_at(0);
    cr_assert(breaker_begin(&breaker, COOL_DOWN_MS));
    breaker_abandoned(&breaker, breaker.opened);
    cr_assert_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_assert(breaker_begin(&breaker, COOL_DOWN_MS));
    begins_not(&breaker, COOL_DOWN_MS);
}

Test(breaker, giving_up_an_attempt_when_closed_changes_nothing)
{
    struct breaker breaker = {0};
    attempt(&breaker, true, 0);
    cr_assert(breaker_begin(&breaker, 0));
    breaker_abandoned(&breaker, breaker.opened);
    cr_assert(breaker.state == BREAKER_CLOSED && breaker.failures == 1 && breaker.opened == 0);
}

/* ---- ends of attempts begun before it opened ---- */

static void is_untouched_by_stale_ends(struct breaker breaker)
{
    struct breaker before = breaker;
    breaker_ended(&breaker, &USUAL, 0, false, 7);
    breaker_ended(&breaker, &USUAL, 0, true, 7);
    breaker_abandoned(&breaker, 0);
    cr_assert(breaker.state == before.state && breaker.failures == before.failures);
    cr_assert(breaker.until_ms == before.until_ms && breaker.probing == before.probing);
    cr_assert(breaker.opened == before.opened && breaker.cool_down_ms == before.cool_down_ms);
}

Test(breaker, stale_ends_count_in_no_state)
{
    struct breaker breaker = opened_at(0);
    is_untouched_by_stale_ends(breaker);
    cr_assert(breaker_begin(&breaker, COOL_DOWN_MS));
    is_untouched_by_stale_ends(breaker);
    breaker_ended(&breaker, &USUAL, breaker.opened, false, COOL_DOWN_MS);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
    is_untouched_by_stale_ends(breaker);
}

/* Time-outs of 256 calls that hung drip in while the probe is out: its success still closes. */
Test(breaker, late_time_outs_do_not_spoil_the_probe)
{
    struct breaker breaker = opened_at(0);
    cr_assert(breaker_begin(&breaker, COOL_DOWN_MS));
    uint64_t probe = breaker.opened;
    for (unsigned i = 0; i < 256; i++)
        breaker_ended(&breaker, &USUAL, 0, true, COOL_DOWN_MS + i);
    breaker_ended(&breaker, &USUAL, probe, false, COOL_DOWN_MS + 300);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
}

/* A caller that ends in the spell in which it can't have begun is not believed either. */
Test(breaker, nothing_ends_while_open)
{
    struct breaker breaker = opened_at(0);
    breaker_ended(&breaker, &USUAL, breaker.opened, false, 1);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
    breaker_ended(&breaker, &USUAL, breaker.opened, true, 1);
    cr_assert_eq(breaker.until_ms, COOL_DOWN_MS);
}

Test(breaker, times_at_the_end_of_their_range)
{
    struct breaker breaker = {0};
    struct breaker_opts opts = {.failures = 1, .cool_down_ms = UINT64_MAX / 2};
    breaker_ended(&breaker, &opts, 0, true, UINT64_MAX - 1);
    cr_assert_eq(breaker.until_ms, UINT64_MAX);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert(breaker_begin(&breaker, UINT64_MAX));
        breaker_ended(&breaker, &opts, breaker.opened, true, 0);
        cr_assert_geq(breaker.until_ms, UINT64_MAX - 1);
    }
    opts.cool_down_ms = 0;
    breaker = (struct breaker){0};
    breaker_ended(&breaker, &opts, 0, true, 3);
    cr_assert(breaker_begin(&breaker, 3), "a cool-down of nothing is over at once");
}

/* ---- a walk ---- */

/* Random begins and ends, many in flight: never more than one probe, never one begun while the
 * cool-down runs, and it always comes back once the upstream lives. */
Test(breaker, holds_its_promises_over_random_ends)
{
    struct breaker breaker = {0};
    uint64_t begun[64];
    size_t in_flight = 0;
    unsigned seed = 11;
    uint64_t now_ms = 0, openings = 0;
    for (unsigned step = 0; step < 200000; step++) {
        now_ms += (unsigned)rand_r(&seed) % 200;
        bool closed = breaker.state == BREAKER_CLOSED;
        bool cooling = breaker.state == BREAKER_OPEN && now_ms < breaker.until_ms;
        bool probing = breaker.state == BREAKER_HALF_OPEN && breaker.probing;
        bool would = breaker_would_begin(&breaker, now_ms);
        cr_assert_eq(would, closed || (!cooling && !probing));
        if (in_flight < 64 && breaker_begin(&breaker, now_ms))
            begun[in_flight++] = breaker.opened;
        if (in_flight > 0 && rand_r(&seed) % 3 != 0) {
            size_t at = (size_t)rand_r(&seed) % in_flight;
            breaker_ended(&breaker, &USUAL, begun[at], rand_r(&seed) % 4 != 0, now_ms);
            begun[at] = begun[--in_flight];
        }
        cr_assert_geq(breaker.opened, openings);
        openings = breaker.opened;
        cr_assert_leq(breaker.cool_down_ms, 16 * COOL_DOWN_MS);
    }
    cr_assert_gt(openings, 100);
    while (in_flight > 0)
        breaker_ended(&breaker, &USUAL, begun[--in_flight], true, now_ms);
    attempt(&breaker, false, now_ms + 16 * COOL_DOWN_MS);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
}
