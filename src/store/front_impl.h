/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of a front share: front.c gathers, sends and counts; front_answer.c answers,
 * loads, drains and closes; front_leave.c is about rows that leave uncommitted.
 */
#ifndef POSTERN_STORE_FRONT_IMPL_H
#define POSTERN_STORE_FRONT_IMPL_H

#include "front.h"

/* Monotonic milliseconds of this turn. */
static inline uint64_t front_now_ms(const struct front *front)
{
    return loop_now_ms(front->opts.loop);
}

/* Gives bytes of the buffer's bound back. */
static inline void front_give_budget(struct front *front, size_t bytes)
{
    atomic_fetch_sub_explicit(&front->opts.budget->used_bytes, bytes, memory_order_relaxed);
}

/* Looks again at `at_ms`, or before, at who waits too long. */
void front_watch_waiters(struct front *front, uint64_t at_ms);

/* Brings stats.oldest_pending_ms up to date. */
void front_note_oldest(struct front *front);

/* Counts rows that are no longer pending, without saying why. */
void front_forget(struct front *front, size_t rows, size_t bytes);

/* Counts a fold's entries as lost, and empties it. */
void front_lose_counts(struct front *front, struct fold *fold);

/* Answers every op of the batch UNAVAILABLE, counts its rows as dropped and frees it. */
void front_drop_batch(struct front *front, struct batch *batch);

/* Answers the queued ops UNAVAILABLE whose time to be sent is over, by the clock; not in a batch
 * that may have been committed. False: nothing is left of the batch, it is freed. */
bool front_withdraw_lapsed(struct front *front, struct batch *batch);

/* Prepares the hook and the deadline of front_answer.c. */
void front_init_answers(struct front *front);

/* Answers the op that waits for `row`, if one does. */
void front_answer_row(struct front *front, struct batch *batch, struct batch_row *row,
                      enum status status);

/* Brings the counts whose event wasn't there yet back among those to be written next. */
void front_retry_lates(struct front *front);

#endif
