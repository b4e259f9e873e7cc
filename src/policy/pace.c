/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conforms when its theoretical arrival lies at most burst - 1 intervals ahead. Sums saturate:
 * at the end of time nothing passes any more, rather than everything.
 */
#include <postern/policy/pace.h>

static uint64_t add_or_max(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* How far ahead an arrival may lie: (burst - 1) * interval. */
static uint64_t tolerance_us(const struct pace_opts *opts)
{
    uint64_t more = opts->burst > 1 ? opts->burst - 1 : 0;
    return more > 0 && opts->interval_us > UINT64_MAX / more ? UINT64_MAX
                                                             : more * opts->interval_us;
}

bool pace_take(struct pace *pace, const struct pace_opts *opts, uint64_t now_us,
               uint64_t *ret_wait_us)
{
    if (opts->interval_us == 0)
        return true;
    uint64_t latest_us = add_or_max(now_us, tolerance_us(opts));
    if (pace->arrival_us > latest_us) {
        *ret_wait_us = pace->arrival_us - latest_us;
        return false;
    }
    uint64_t from_us = pace->arrival_us > now_us ? pace->arrival_us : now_us;
    pace->arrival_us = add_or_max(from_us, opts->interval_us);
    return true;
}
