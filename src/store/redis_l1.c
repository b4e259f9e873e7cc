/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is put into L1, and for how long.
 */
#include "redis_l1.h"

static bool knows(const struct redis_l1 *l1, struct dedup_op *claim)
{
    struct key_table *table = l1->opts->l1;
    uint64_t now_ms = clock_mono_ms(l1->clock);
    if (!table)
        return false;
    if (claim->noted)
        return key_table_get_noted(table, &claim->key, now_ms, &claim->first, claim->ret_note);
    return key_table_get_done(table, &claim->key, now_ms, &claim->first);
}

bool redis_l1_answers(const struct redis_l1 *l1, struct dedup_op *claim)
{
    claim->from_l1 = knows(l1, claim);
    if (claim->from_l1)
        claim->verdict = VERDICT_DUPLICATE;
    return claim->from_l1;
}

/* The wall clock that took the instant of acceptance may be another node's: the age limit bounds
 * its error. */
void redis_l1_learn(const struct redis_l1 *l1, const struct event_key *key,
                    const struct dedup_first *first, uint64_t window_ms)
{
    uint64_t wall_ms = l1->clock->wall_ms;
    uint64_t age_ms = wall_ms > first->accepted_at_ms ? wall_ms - first->accepted_at_ms : 0;
    if (!l1->opts->l1 || age_ms >= window_ms)
        return;
    uint64_t left_ms = window_ms - age_ms;
    if (left_ms > l1->opts->l1_max_age_ms)
        left_ms = l1->opts->l1_max_age_ms;
    /* A full L1 learns nothing: Redis knows it. */
    (void)key_table_put_done(l1->opts->l1, key, first, clock_mono_ms(l1->clock) + left_ms);
}

void redis_l1_learn_owed(const struct redis_l1 *l1, const struct dedup_op *settle)
{
    if (!l1->opts->l1 || (settle->noted && settle->note.len == 0))
        return;
    struct slice note = settle->noted ? settle->note : SLICE("");
    /* False only without memory, or room for the note: the debt remains. */
    (void)key_table_force_done(l1->opts->l1, &settle->key, &settle->done, note,
                               settle->note_essential, settle->ends_at_ms);
}

void redis_l1_learn_paid(const struct redis_l1 *l1, const struct dedup_op *settle)
{
    if (settle->noted)
        redis_l1_forget(l1, &settle->key);
    else
        redis_l1_learn(l1, &settle->key, &settle->done, settle->window_ms);
}

void redis_l1_forget(const struct redis_l1 *l1, const struct event_key *key)
{
    struct dedup_op local = {.key = *key};
    if (l1->opts->l1)
        key_table_forget(l1->opts->l1, &local, clock_mono_ms(l1->clock));
}
