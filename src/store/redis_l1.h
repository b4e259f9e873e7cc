/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1 as the Redis store uses it: the table of keys known done that all workers share, asked before
 * Redis. What Redis knows as well is believed for opts->l1_max_age_ms at most; what Redis may not
 * know (a settle debt, redis_debt.h) until the debt is paid or its window is over. Of routes that
 * keep notes it knows debts only, with their notes. Without a table it knows nothing.
 */
#ifndef POSTERN_STORE_REDIS_L1_H
#define POSTERN_STORE_REDIS_L1_H

#include <postern/base/clock.h>
#include <postern/store/backends.h>

struct redis_l1 {
    const struct redis_opts *opts; /* its table and age limit; borrowed */
    const struct clock *clock;     /* of the loop */
};

/* True when the key of `claim` (or of a look) is known done, with a note if it is noted: its answer
 * is filled in then. */
bool redis_l1_answers(const struct redis_l1 *l1, struct dedup_op *claim);

/* Learns that a key without a note is done for `window_ms` from the acceptance of `first` on: a
 * claim was called a duplicate, a settle submitted, a debt paid. */
void redis_l1_learn(const struct redis_l1 *l1, const struct event_key *key,
                    const struct dedup_first *first, uint64_t window_ms);

/* Learns from a settle that is owed: nobody else may know the key as done. From one that is noted
 * but brings no note nothing: what the claim's was, only Redis knows. */
void redis_l1_learn_owed(const struct redis_l1 *l1, const struct dedup_op *settle);

/* A settle that was owed is done: of a noted key Redis alone knows from now on. */
void redis_l1_learn_paid(const struct redis_l1 *l1, const struct dedup_op *settle);

/* Forgets a key. */
void redis_l1_forget(const struct redis_l1 *l1, const struct event_key *key);

#endif
