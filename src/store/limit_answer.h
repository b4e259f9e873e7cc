/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an answer is counted, the same for both backends of the limiter, and the answer of the local
 * table, which is the one's only and the other's last resort.
 */
#ifndef POSTERN_STORE_LIMIT_ANSWER_H
#define POSTERN_STORE_LIMIT_ANSWER_H

#include <postern/store/limiter.h>

/* Counts the outputs of an op that was answered. */
static inline void limit_count(struct limiter_stats *stats, const struct limit_op *op)
{
    stats->refused += !op->allowed;
    stats->errors += op->local;
}

/* Lets the table answer, and counts that. */
static inline void limit_answer_locally(struct limiter_stats *stats, struct limit_table *table,
                                        struct limit_op *op, uint64_t now_us)
{
    stats->evicted += limit_table_submit(table, op, now_us);
    limit_count(stats, op);
}

#endif
