/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waits of a store that is away: within the span, spread, short again after a success.
 */
#include "backoff.h"

#include <criterion/criterion.h>

Test(backoff, the_span_doubles_up_to_the_last)
{
    struct backoff backoff = {0};
    uint32_t span_ms = BACKOFF_FIRST_MS;
    for (int i = 0; i < 20; i++) {
        uint32_t wait_ms = backoff_next_ms(&backoff);
        cr_assert_eq(backoff.span_ms, span_ms);
        cr_assert(wait_ms >= 1 && wait_ms <= span_ms);
        span_ms = 2 * span_ms < BACKOFF_LAST_MS ? 2 * span_ms : BACKOFF_LAST_MS;
    }
    cr_assert_eq(backoff.span_ms, BACKOFF_LAST_MS);
}

Test(backoff, waits_are_spread)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (int i = 0; i < 200; i++) {
        struct backoff backoff = {.span_ms = BACKOFF_LAST_MS};
        uint32_t wait_ms = backoff_next_ms(&backoff);
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
    }
    cr_assert_lt(least, BACKOFF_LAST_MS / 4);
    cr_assert_gt(most, BACKOFF_LAST_MS / 4 * 3);
}

Test(backoff, a_success_makes_it_short_again)
{
    struct backoff backoff = {.span_ms = BACKOFF_LAST_MS};
    backoff_reset(&backoff);
    cr_assert_leq(backoff_next_ms(&backoff), BACKOFF_FIRST_MS);
}
