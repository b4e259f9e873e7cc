/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cell of a rate: GCRA on one number, the time at which the next request would come if all came
 * evenly ("arrival"). An allowed request moves it on by the interval; it may lie at most a burst's
 * worth ahead of now. Pure; the local table (limit_table.c) and the answers of Redis
 * (limit_command.c) share it.
 *
 *   now                                now + reach
 *    |<----------- lead ------->|           |
 *    |                       arrival        |      reach = burst * interval
 *
 * Allowed is what leaves arrival at now + reach or before it. A cell whose arrival is past is idle:
 * it says nothing that a cell that never was does not say.
 */
#ifndef POSTERN_STORE_LIMIT_CELL_H
#define POSTERN_STORE_LIMIT_CELL_H

#include <postern/store/limiter.h>

/* No burst reaches farther, 142 years: a larger one counts as that. Together with the time of day
 * in microseconds it is below 2^53, so that Redis' Lua, which counts in doubles, stays exact. */
#define LIMIT_REACH_MAX_US (UINT64_C(1) << 52)

/* The farthest that an arrival may lie ahead, burst * interval. */
uint64_t limit_reach_us(const struct limit_opts *opts);

/* Runs op->verb at now_us on the cell, and fills the op's outputs but `local`. A refused one leaves
 * the cell as it is, except that an arrival out of reach (of a slower rate that the configuration
 * had before) is brought within it. */
void limit_cell_run(uint64_t *arrival_us, struct limit_op *op, uint64_t now_us);

/* Fills the op's outputs but `local` for a cell whose arrival lies lead_us ahead after the verb. */
void limit_tell(struct limit_op *op, bool allowed, uint64_t lead_us);

#endif
