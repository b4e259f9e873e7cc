/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of one upstream's breaker. `opened` numbers the spells between openings: an end counts
 * only in the spell its attempt began in. So in OPEN nothing counts, and in HALF_OPEN only the
 * probe's end does.
 */
#include <postern/policy/breaker.h>

#define COOL_DOWN_GROWTH_MAX                                                                       \
    16u /* a dead upstream is asked at least that often, times the first                           \
         */

static uint64_t add_or_max(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t longest_cool_down_ms(const struct breaker_opts *opts)
{
    return opts->cool_down_ms > UINT64_MAX / COOL_DOWN_GROWTH_MAX
               ? UINT64_MAX
               : opts->cool_down_ms * COOL_DOWN_GROWTH_MAX;
}

static void open_for(struct breaker *breaker, uint64_t cool_down_ms, uint64_t now_ms)
{
    breaker->state = BREAKER_OPEN;
    breaker->cool_down_ms = cool_down_ms;
    breaker->until_ms = add_or_max(now_ms, cool_down_ms);
    breaker->probing = false;
    breaker->opened++;
}

static void close_again(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    breaker->probing = false;
}

bool breaker_would_begin(const struct breaker *breaker, uint64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_OPEN:
        return now_ms >= breaker->until_ms;
    case BREAKER_HALF_OPEN:
        return !breaker->probing;
    case BREAKER_CLOSED:
        break;
    }
    return true;
}

bool breaker_begin(struct breaker *breaker, uint64_t now_ms)
{
    if (!breaker_would_begin(breaker, now_ms))
        return false;
    if (breaker->state != BREAKER_CLOSED) {
        breaker->state = BREAKER_HALF_OPEN;
        breaker->probing = true;
    }
    return true;
}

static void count_failure(struct breaker *breaker, const struct breaker_opts *opts, uint64_t now_ms)
{
    if (breaker->failures < UINT32_MAX)
        breaker->failures++;
    if (opts->failures > 0 && breaker->failures >= opts->failures)
        open_for(breaker, opts->cool_down_ms, now_ms);
}

static void open_again(struct breaker *breaker, const struct breaker_opts *opts, uint64_t now_ms)
{
    uint64_t longest_ms = longest_cool_down_ms(opts);
    uint64_t doubled_ms = add_or_max(breaker->cool_down_ms, breaker->cool_down_ms);
    open_for(breaker, doubled_ms < longest_ms ? doubled_ms : longest_ms, now_ms);
}

void breaker_ended(struct breaker *breaker, const struct breaker_opts *opts,
                   uint64_t opened_at_begin, bool failed, uint64_t now_ms)
{
    if (opened_at_begin != breaker->opened || breaker->state == BREAKER_OPEN)
        return;
    if (!failed)
        close_again(breaker);
    else if (breaker->state == BREAKER_HALF_OPEN)
        open_again(breaker, opts, now_ms);
    else
        count_failure(breaker, opts, now_ms);
}

void breaker_abandoned(struct breaker *breaker, uint64_t opened_at_begin)
{
    if (opened_at_begin == breaker->opened)
        breaker->probing = false;
}
