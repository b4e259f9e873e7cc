/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of a cell. A reach is bounded and time is far from its end, so no sum overflows;
 * differences are only taken of what was put in order before.
 */
#include "limit_cell.h"

#include <assert.h>

uint64_t limit_reach_us(const struct limit_opts *opts)
{
    uint64_t burst = opts->burst;
    assert(burst > 0 && opts->interval_us > 0 && opts->interval_us <= LIMIT_REACH_MAX_US);
    return opts->interval_us > LIMIT_REACH_MAX_US / burst ? LIMIT_REACH_MAX_US
                                                          : burst * opts->interval_us;
}

void limit_tell(struct limit_op *op, bool allowed, uint64_t lead_us)
{
    uint64_t reach_us = limit_reach_us(&op->opts);
    uint64_t left_us = lead_us < reach_us ? reach_us - lead_us : 0;
    uint64_t remaining = left_us / op->opts.interval_us;
    op->allowed = allowed;
    op->remaining = remaining < op->opts.burst ? (uint32_t)remaining : op->opts.burst;
    op->recovered_us = lead_us;
    op->wait_us = allowed || left_us >= op->opts.interval_us ? 0 : op->opts.interval_us - left_us;
}

/* Never below now: what is past is as good as now. */
static void give_back(uint64_t *arrival_us, uint64_t back_us, uint64_t now_us)
{
    *arrival_us = *arrival_us - now_us > back_us ? *arrival_us - back_us : now_us;
}

void limit_cell_run(uint64_t *arrival_us, struct limit_op *op, uint64_t now_us)
{
    uint64_t limit_us = now_us + limit_reach_us(&op->opts);
    bool allowed = true;
    if (*arrival_us < now_us)
        *arrival_us = now_us;
    if (*arrival_us > limit_us)
        *arrival_us = limit_us;
    if (op->verb == LIMIT_GIVE_BACK)
        give_back(arrival_us, op->back_us, now_us);
    else if (limit_us - *arrival_us >= op->opts.interval_us)
        *arrival_us += op->opts.interval_us;
    else
        allowed = false;
    limit_tell(op, allowed, *arrival_us - now_us);
}
