/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's side of a journal: rows go into the last batch of a queue, the first batch of the
 * queue is the one in flight. What a turn of the loop appended leaves together at its end; rows
 * nobody waits for gather for the flush interval. Every row is counted once, as committed or as
 * dropped, and every op answered once, in bounded time.
 */
#include "front_impl.h"

#include <assert.h>
#include <stdlib.h>

static struct batch *first_batch(const struct front *front)
{
    return list_is_empty(&front->queue) ? NULL
                                        : container_of(front->queue.next, struct batch, link);
}

/* ---- times ---- */

static void on_send(struct loop_hook *hook)
{
    struct front *front = container_of(hook, struct front, send);
    if (!front->closing)
        front->opts.send(front);
}

void front_pump(struct front *front)
{
    loop_defer(front->opts.loop, &front->send);
}

static void on_flush(struct deadline *deadline)
{
    struct front *front = container_of(deadline, struct front, flush);
    front->flush_due = true;
    front_pump(front);
}

static void set_flush(struct front *front)
{
    if (!front->flush_due && !deadline_is_set(&front->flush))
        deadline_set(&front->opts.loop->deadlines, &front->flush,
                     front_now_ms(front) + front->opts.flush_interval_ms);
}

void front_watch_waiters(struct front *front, uint64_t at_ms)
{
    if (!deadline_is_set(&front->waiters) || front->waiters.at_ms > at_ms)
        deadline_set(&front->opts.loop->deadlines, &front->waiters, at_ms);
}

/* A stalled batch also means that the database is down: later ops are told so at once instead of
 * waiting as long again, until one is committed. When all of it was withdrawn none ever would be.
 */
static void give_up(struct front *front, struct batch *batch)
{
    if (front->down_since_ms == 0)
        front->down_since_ms = batch->first_wait_ms;
    front_give_up_waiting(front, batch);
    if (front->journal.stats.up && list_is_empty(&front->queue))
        front->down_since_ms = 0;
}

/* Gives up waiting for every batch whose first op has waited too long; looks again when the next
 * one will have. */
static void on_waiters(struct deadline *deadline)
{
    struct front *front = container_of(deadline, struct front, waiters);
    for (struct list *link = front->queue.next, *next; link != &front->queue; link = next) {
        struct batch *batch = container_of(link, struct batch, link);
        next = link->next;
        uint64_t due_ms = batch->first_wait_ms + front->opts.wait_ms;
        if (batch->waiting > 0 && due_ms > front_now_ms(front))
            front_watch_waiters(front, due_ms);
        else if (batch->waiting > 0)
            give_up(front, batch);
    }
}

void front_retry_lates(struct front *front)
{
    for (size_t i = 0; i < front->late.count; i++)
        if (!fold_add(&front->fresh, &front->late.entries[i]))
            front->journal.stats.duplicates_lost += front->late.entries[i].count;
    fold_done(&front->late);
    set_flush(front);
}

static void on_lates(struct deadline *deadline)
{
    front_retry_lates(container_of(deadline, struct front, lates));
}

/* The loop may stand at time 0 in a test, which must not read as "not down". */
static uint64_t instant(const struct front *front)
{
    return front_now_ms(front) ? front_now_ms(front) : 1;
}

void front_init(struct front *front, const struct front_opts *opts)
{
    front->opts = *opts;
    front->send.run = on_send;
    front->flush.expired = on_flush;
    front->waiters.expired = on_waiters;
    front->lates.expired = on_lates;
    front->down_since_ms = instant(front);
    list_init(&front->queue);
    front_init_answers(front);
}

/* ---- appending ---- */

static bool take_budget(struct front_budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_add_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    if (before + bytes <= budget->limit_bytes)
        return true;
    atomic_fetch_sub_explicit(&budget->used_bytes, bytes, memory_order_relaxed);
    return false;
}

static bool is_down_long(const struct front *front)
{
    return front->down_since_ms &&
           front_now_ms(front) >= front->down_since_ms + front->opts.wait_ms;
}

static struct batch *take_spare(struct front *front)
{
    struct batch *batch = front->spare;
    front->spare = NULL;
    if (batch)
        batch->started_ms = front_now_ms(front);
    return batch;
}

/* The batch that takes a row of `cost` bytes: the last one, or a new one behind it. */
static struct batch *filling_batch(struct front *front, size_t cost)
{
    if (!list_is_empty(&front->queue)) {
        struct batch *last = container_of(front->queue.prev, struct batch, link);
        if (batch_fits(last, cost))
            return last;
        last->sealed = true;
        front_pump(front);
    }
    struct batch *batch = take_spare(front);
    if (!batch)
        batch = batch_new(front_now_ms(front));
    if (batch)
        list_push_back(&front->queue, &batch->link);
    return batch;
}

void front_note_oldest(struct front *front)
{
    struct batch *first = first_batch(front);
    front->journal.stats.oldest_pending_ms = first ? first->started_ms : 0;
}

/* An empty batch that could not take its row must not stay behind as work to do. */
static void drop_empty(struct front *front, struct batch *batch)
{
    if (batch && batch->count == 0 && batch != front->in_flight) {
        list_remove(&batch->link);
        batch_free(batch);
    }
}

static bool take_row(struct front *front, struct journal_op *op)
{
    size_t cost = batch_row_cost(op->record);
    if (!take_budget(front->opts.budget, cost))
        return false;
    struct batch *batch = filling_batch(front, cost);
    if (!batch || !batch_add(batch, op, cost, front_now_ms(front))) {
        drop_empty(front, batch);
        front_give_budget(front, cost);
        return false;
    }
    if (batch->count == BATCH_MAX_ROWS)
        front_pump(front);
    front->journal.stats.pending_rows++;
    front->journal.stats.pending_bytes += cost;
    front_note_oldest(front);
    return true;
}

static void schedule(struct front *front, enum journal_level level)
{
    if (level == JOURNAL_BUFFERED) {
        set_flush(front);
        return;
    }
    front_pump(front);
    front_watch_waiters(front, front_now_ms(front) + front->opts.wait_ms);
}

enum op_status front_append(struct journal *journal, struct journal_op *op)
{
    struct front *front = container_of(journal, struct front, journal);
    bool waits = op->level != JOURNAL_BUFFERED;
    assert(!front->closing);
    if (waits && is_down_long(front))
        op->status = STATUS_UNAVAILABLE;
    else
        op->status = take_row(front, op) ? STATUS_OK : STATUS_FULL;
    if (op->status != STATUS_OK) {
        journal->stats.dropped += !op->record->queued;
        return OP_READY;
    }
    schedule(front, op->level);
    return waits ? OP_PENDING : OP_READY;
}

void front_count_duplicate(struct journal *journal, const struct uuid *event_id, uint64_t at_ms)
{
    struct front *front = container_of(journal, struct front, journal);
    assert(!front->closing);
    struct fold_entry entry = {.event_id = *event_id,
                               .count = 1,
                               .last_at_ms = batch_time_ms(at_ms),
                               .since_ms = front_now_ms(front)};
    if (fold_add(&front->fresh, &entry))
        set_flush(front);
    else
        journal->stats.duplicates_lost++;
}

/* ---- sending ---- */

/* A batch that failed before goes whenever it can; so does all when draining, and a batch with a
 * row that was waited for, also after the waiting was given up: nothing else would send it, and
 * until it is committed the database counts as down. */
static bool is_due(const struct front *front, const struct batch *first)
{
    if (front->flush_due || front->drained)
        return true;
    return first && (first->level != JOURNAL_BUFFERED || first->sealed || first->tries > 0 ||
                     first->count == BATCH_MAX_ROWS);
}

/* A batch without rows, for counts only; NULL when out of memory: they go with a later one. */
static struct batch *counts_batch(struct front *front)
{
    struct batch *batch = batch_new(front_now_ms(front));
    if (batch)
        list_push_back(&front->queue, &batch->link);
    return batch;
}

/* A batch that is sent again keeps the counts it had, so that what may have been written already is
 * not mixed with new ones. */
static void attach_counts(struct front *front, struct batch *batch)
{
    if (batch->fold.count > 0 || front->fresh.count == 0)
        return;
    batch->fold = front->fresh;
    front->fresh = (struct fold){0};
    fold_sort(&batch->fold);
}

struct batch *front_next(struct front *front)
{
    struct batch *batch = first_batch(front);
    if (!batch && front->down_since_ms > 0)
        front_up(front); /* what would have proven it by its commit has left */
    if (front->in_flight || !is_due(front, batch))
        return NULL;
    if (batch && !front_withdraw_lapsed(front, batch)) {
        front_pump(front);
        return NULL;
    }
    front->flush_due = false;
    deadline_clear(&front->opts.loop->deadlines, &front->flush);
    if (!batch && front->fresh.count > 0)
        batch = counts_batch(front);
    if (!batch)
        return NULL;
    batch->sealed = true;
    attach_counts(front, batch);
    front->in_flight = batch;
    front->sent_at_ms = front_now_ms(front);
    if (batch->link.next != &front->queue || front->fresh.count > 0)
        set_flush(front);
    return batch;
}

void front_forget(struct front *front, size_t rows, size_t bytes)
{
    front->journal.stats.pending_rows -= rows;
    front->journal.stats.pending_bytes -= bytes;
    front_give_budget(front, bytes);
}

void front_rows_done(struct front *front, size_t count)
{
    struct batch *batch = front->in_flight;
    struct journal_stats *stats = &front->journal.stats;
    size_t bytes = 0;
    uint64_t rows_before = stats->rows;
    assert(count <= batch->count - batch->done);
    for (size_t end = batch->done + count; batch->done < end; batch->done++) {
        struct batch_row *row = batch->rows[batch->done];
        bytes += row->cost_bytes;
        if (!row->refused)
            stats->rows++;
        else
            stats->dropped += !row->queued;
        front_answer_row(front, batch, row, row->refused ? STATUS_REFUSED : STATUS_OK);
    }
    if (stats->rows > rows_before) {
        stats->batches++;
        stats->last_batch_rows = stats->rows - rows_before;
    }
    front_forget(front, count, bytes);
}

void front_fold_done(struct front *front)
{
    struct fold *fold = &front->in_flight->fold;
    for (size_t i = 0; i < fold->count; i++) {
        struct fold_entry *entry = &fold->entries[i];
        if (entry->written)
            continue;
        if (front->patient)
            entry->since_ms = front_now_ms(front);
        if (front_now_ms(front) >= entry->since_ms + FOLD_PATIENCE_MS ||
            !fold_add(&front->late, entry))
            front->journal.stats.duplicates_lost += entry->count;
    }
    fold_done(fold);
    if (front->late.count > 0 && !deadline_is_set(&front->lates))
        deadline_set(&front->opts.loop->deadlines, &front->lates,
                     front_now_ms(front) + FOLD_RETRY_MS);
}

static void tell_watch(struct front *front)
{
    if (front->watch)
        loop_defer(front->opts.loop, &front->watch->changed);
}

/* Renewed at once, so that one that is large is freed at once too. */
static void keep_spare(struct front *front, struct batch *batch)
{
    if (!front->spare && !front->closing && batch_renew(batch))
        front->spare = batch;
    else
        batch_free(batch);
}

void front_finish(struct front *front)
{
    struct batch *batch = front->in_flight;
    assert(batch->waiting == 0 && batch->fold.count == 0);
    front->in_flight = NULL;
    front->journal.stats.up = true;
    front->down_since_ms = 0;
    list_remove(&batch->link);
    keep_spare(front, batch);
    front_note_oldest(front);
    front_pump(front);
    tell_watch(front);
    if (front->drained || front->closing)
        loop_defer(front->opts.loop, &front->tell);
}

void front_failed(struct front *front)
{
    front->in_flight->doubtful = true;
    front_rolled_back(front);
}

/* Who was to go on waiting while it was in flight may be given up on now. */
void front_rolled_back(struct front *front)
{
    struct batch *batch = front->in_flight;
    batch->tries++;
    front->in_flight = NULL;
    front->journal.stats.errors++;
    if (batch->waiting > 0 && !batch->doubtful && !front->closing)
        front_watch_waiters(front, batch->first_wait_ms + front->opts.wait_ms);
    tell_watch(front);
    if (front->closing)
        loop_defer(front->opts.loop, &front->tell);
}

/* Without a batch that waits for its proof, a link that came up is proof enough. With one, the
 * database is up when that is committed: whoever trusted it before would be told "down for long"
 * after the event was delivered. */
void front_up(struct front *front)
{
    if (list_is_empty(&front->queue)) {
        front->journal.stats.up = true;
        front->down_since_ms = 0;
    }
    front_pump(front);
    tell_watch(front);
}

void front_down(struct front *front)
{
    front->journal.stats.up = false;
    if (front->down_since_ms == 0)
        front->down_since_ms = instant(front);
    tell_watch(front);
}
