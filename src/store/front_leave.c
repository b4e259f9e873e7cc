/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that leave a front other than by a commit: withdrawn because nobody waits for them any
 * longer, dropped at the end, or moved to another front. What may have been committed is never
 * withdrawn: of such a row nobody can say that it isn't there.
 */
#include "front_impl.h"

#include <assert.h>

void front_lose_counts(struct front *front, struct fold *fold)
{
    for (size_t i = 0; i < fold->count; i++)
        front->journal.stats.duplicates_lost += fold->entries[i].count;
    fold_done(fold);
}

/* ---- dropping ---- */

void front_drop_batch(struct front *front, struct batch *batch)
{
    batch_forget_done(batch);
    for (size_t i = 0; i < batch->count; i++)
        front_answer_row(front, batch, batch->rows[i], STATUS_UNAVAILABLE);
    front_forget(front, batch->count, batch->bytes);
    front->journal.stats.dropped += batch->count;
    front_lose_counts(front, &batch->fold);
    list_remove(&batch->link);
    batch_free(batch);
}

/* ---- giving up waiting ---- */

static bool is_uncertain(const struct front *front, const struct batch *batch)
{
    return batch == front->in_flight || batch->doubtful;
}

static bool is_lapsed(const struct batch_row *row, uint64_t now_ms)
{
    return row->queued && row->op && row->op->not_after_ms > 0 && now_ms >= row->op->not_after_ms;
}

/* A queued row that anybody waits for has its op until it is over. */
static bool is_queued(const struct batch_row *row, uint64_t now_ms)
{
    (void)now_ms;
    return row->queued;
}

static void withdraw(struct front *front, struct batch *batch,
                     bool (*leaves)(const struct batch_row *row, uint64_t now_ms), uint64_t now_ms)
{
    size_t kept = 0;
    batch_forget_done(batch);
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_row *row = batch->rows[i];
        if (!leaves(row, now_ms)) {
            batch->rows[kept++] = row;
            continue;
        }
        front_answer_row(front, batch, row, STATUS_UNAVAILABLE);
        front_forget(front, 1, row->cost_bytes);
        batch->bytes -= row->cost_bytes;
    }
    batch->count = kept;
}

/* False, and it is gone, when nothing is left in it. */
static bool keep_batch(struct front *front, struct batch *batch)
{
    if (batch->count > 0 || batch->fold.count > 0)
        return true;
    list_remove(&batch->link);
    batch_free(batch);
    front_note_oldest(front);
    return false;
}

bool front_withdraw_lapsed(struct front *front, struct batch *batch)
{
    if (batch->level != JOURNAL_DURABLE || is_uncertain(front, batch))
        return true;
    withdraw(front, batch, is_lapsed, loop_exact_ms(front->opts.loop));
    return keep_batch(front, batch);
}

void front_give_up_waiting(struct front *front, struct batch *batch)
{
    bool uncertain = is_uncertain(front, batch);
    for (size_t i = batch->done; i < batch->count; i++)
        if (!batch->rows[i]->queued)
            front_answer_row(front, batch, batch->rows[i], STATUS_UNAVAILABLE);
    if (uncertain)
        return;
    withdraw(front, batch, is_queued, 0);
    (void)keep_batch(front, batch);
}

/* ---- moving ---- */

/* Counts that may have been written must not be mixed with new ones: they stay behind in a batch of
 * their own, with what is known of it. */
static void leave_counts(struct front *front, struct batch *batch)
{
    if (batch->fold.count == 0)
        return;
    struct batch *counts = batch_new(front_now_ms(front));
    if (!counts) {
        front_lose_counts(front, &batch->fold);
        return;
    }
    counts->fold = batch->fold;
    counts->tries = batch->tries;
    counts->doubtful = batch->doubtful;
    counts->sealed = true;
    batch->fold = (struct fold){0};
    list_push_back(&front->queue, &counts->link);
}

/* Whoever waits in it is given the new front's whole patience. */
static void receive(struct front *front, struct batch *batch)
{
    batch->sealed = true;
    batch->first_wait_ms = front_now_ms(front);
    for (size_t i = 0; i < batch->count; i++)
        batch->rows[i]->refused = false; /* the other database's word */
    atomic_fetch_add_explicit(&front->opts.budget->used_bytes, batch->bytes, memory_order_relaxed);
    front->journal.stats.pending_rows += batch->count;
    front->journal.stats.pending_bytes += batch->bytes;
    list_push_back(&front->queue, &batch->link);
    if (batch->waiting > 0)
        front_watch_waiters(front, batch->first_wait_ms + front->opts.wait_ms);
}

void front_move(struct front *from, struct front *to, bool doubtful_only)
{
    assert(from->opts.loop == to->opts.loop && !to->closing);
    for (struct list *link = from->queue.next, *next; link != &from->queue; link = next) {
        struct batch *batch = container_of(link, struct batch, link);
        next = link->next;
        bool stays = batch == from->in_flight || batch->done == batch->count ||
                     (doubtful_only && !batch->doubtful);
        if (stays)
            continue;
        leave_counts(from, batch);
        batch_forget_done(batch);
        front_forget(from, batch->count, batch->bytes);
        list_remove(&batch->link);
        receive(to, batch);
    }
    front_note_oldest(from);
    front_note_oldest(to);
    front_pump(to);
}
