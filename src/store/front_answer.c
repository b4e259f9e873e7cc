/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answering half of a front: ops and the end of a load, of a drain and of the journal itself
 * are told by one hook at the end of the turn, in that order, so that nobody is called from inside
 * a submit call and nothing is freed under a callee.
 */
#include "front_impl.h"

#include <assert.h>

static bool is_idle(const struct front *front)
{
    return list_is_empty(&front->queue) && front->fresh.count == 0;
}

/* ---- answers ---- */

static void answer(struct front *front, struct journal_op *op, enum status status)
{
    op->status = status;
    list_push_back(&front->answers, &op->link);
    loop_defer(front->opts.loop, &front->tell);
}

void front_answer_row(struct front *front, struct batch *batch, struct batch_row *row,
                      enum status status)
{
    if (!row->op)
        return;
    row->op->home = front->home;
    row->op->leased = row->lease_ms > 0 && !row->ownerless &&
                      !(batch->doubtful && front->home == QUEUE_HOME_JOURNAL);
    answer(front, row->op, status);
    row->op = NULL;
    batch->waiting--;
}

/* ---- giving up ---- */

static void drop_queue(struct front *front)
{
    for (struct list *link = front->queue.next, *next; link != &front->queue; link = next) {
        struct batch *batch = container_of(link, struct batch, link);
        next = link->next;
        if (batch == front->in_flight)
            front_give_up_waiting(front, batch);
        else
            front_drop_batch(front, batch);
    }
}

static void clear_times(struct front *front)
{
    struct deadlines *wheel = &front->opts.loop->deadlines;
    deadline_clear(wheel, &front->flush);
    deadline_clear(wheel, &front->waiters);
    deadline_clear(wheel, &front->lates);
    deadline_clear(wheel, &front->drain_end);
}

/* ---- telling ---- */

static void tell_answers(struct front *front)
{
    for (struct list *link; (link = list_pop_front(&front->answers));) {
        struct journal_op *op = container_of(link, struct journal_op, link);
        op->answered(op);
    }
}

static void tell_load_end(struct front *front)
{
    struct journal_load *load = front->load;
    if (!load || !front->load_over)
        return;
    front->load = NULL;
    front->load_over = false;
    load->ended(load);
}

static void tell_drained(struct front *front)
{
    void (*drained)(void *arg) = front->drained;
    if (!drained || (!front->drain_over && !is_idle(front)))
        return;
    deadline_clear(&front->opts.loop->deadlines, &front->drain_end);
    front->drained = NULL;
    drained(front->drained_arg);
}

static void tell_finish(struct front *front)
{
    if (!front->closing || front->in_flight)
        return;
    /* What came back from a last attempt uncommitted, with its counts. */
    drop_queue(front);
    front_lose_counts(front, &front->late);
    tell_answers(front);
    clear_times(front);
    loop_undefer(&front->send);
    loop_undefer(&front->tell);
    front->opts.finish(front);
}

/* Callees may append, drain or close: each step looks again at what there is, and freeing is last.
 */
static void on_tell(struct loop_hook *hook)
{
    struct front *front = container_of(hook, struct front, tell);
    tell_answers(front);
    tell_load_end(front);
    tell_drained(front);
    tell_finish(front);
}

static void on_drain_end(struct deadline *deadline)
{
    struct front *front = container_of(deadline, struct front, drain_end);
    front->drain_over = true;
    loop_defer(front->opts.loop, &front->tell);
}

void front_init_answers(struct front *front)
{
    list_init(&front->answers);
    front->tell.run = on_tell;
    front->drain_end.expired = on_drain_end;
}

/* ---- loading ---- */

void front_load_begin(struct front *front, struct journal_load *load)
{
    assert(!front->load && !front->closing);
    front->load = load;
    /* The greatest id: keys are told whose window ends later than now_ms, not at it. */
    memset(front->load_after.bytes, 0xff, sizeof(front->load_after.bytes));
    front->load_after_ms = batch_time_ms(load->now_ms);
    load->keys = 0;
}

void front_load_key(struct front *front, const struct journal_key *key)
{
    front->load_after = key->event_id;
    front->load_after_ms = key->window_ends_at_ms;
    front->load->keys++;
    front->load->key(front->load, key);
}

void front_load_end(struct front *front, enum status status)
{
    if (!front->load || front->load_over)
        return;
    front->load->status = status;
    front->load_over = true;
    loop_defer(front->opts.loop, &front->tell);
}

/* ---- the end ---- */

void front_drain(struct journal *journal, uint64_t deadline_ms, void (*drained)(void *arg),
                 void *arg)
{
    struct front *front = container_of(journal, struct front, journal);
    assert(!front->drained && !front->closing);
    front->drained = drained;
    front->drained_arg = arg;
    front->drain_over = false;
    deadline_set(&front->opts.loop->deadlines, &front->drain_end, deadline_ms);
    if (front->late.count > 0) {
        deadline_clear(&front->opts.loop->deadlines, &front->lates);
        front_retry_lates(front);
    }
    front_pump(front);
    loop_defer(front->opts.loop, &front->tell);
}

void front_close(struct front *front, void (*closed)(void *arg), void *arg)
{
    assert(!front->closing);
    front->closing = true;
    front->closed = closed;
    front->closed_arg = arg;
    clear_times(front);
    if (front->watch)
        front->watch->closing(front->watch);
    drop_queue(front);
    batch_free(front->spare);
    front->spare = NULL;
    front_lose_counts(front, &front->fresh);
    front_lose_counts(front, &front->late);
    front_load_end(front, STATUS_UNAVAILABLE);
    front->drain_over = true;
    loop_defer(front->opts.loop, &front->tell);
}
