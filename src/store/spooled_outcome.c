/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes of attempts: each goes to the queue that its event came from. One that PostgreSQL can't
 * be told now is owed: written into the spool, durably, and as good as told, because the drain
 * tells it before anybody else takes over its event. Told twice it changes nothing, since an
 * attempt was counted or the event is settled; only a lease given back has no such fence, and is
 * told at most once.
 *
 *   finish ── from the spool ──────────────────> the spool's queue ──────────────> answered
 *      └───── from PostgreSQL ─┬─ it is there ─> PostgreSQL's queue ─┐ written ──> answered
 *                              |                                     | link lost
 *                              └─ it is away ──> gathering <─────────┘
 *                                                    └─> writing ── owed ────────> answered
 */
#include "pg_queue.h"
#include "spooled.h"

#include <assert.h>
#include <stdlib.h>

#define LOOK_MS 100u

struct outcome {
    struct list link; /* while it is to be owed */
    struct spooled *spooled;
    struct queue_finish *outer; /* the submitter's */
    struct queue_finish inner;  /* given to a queue, or to the thread */
    char *texts;                /* of `inner` while it is to be owed */
};

/* ---- answering ---- */

static void answer(struct outcome *outcome, enum status status)
{
    struct spooled *self = outcome->spooled;
    struct queue_finish *outer = outcome->outer;
    free(outcome->texts);
    free(outcome);
    spooled_queue_note_stats(self);
    outer->status_of_write = status;
    outer->answered(outer);
}

static void on_answered(struct queue_finish *inner)
{
    answer(container_of(inner, struct outcome, inner), inner->status_of_write);
}

static void answer_all(struct spooled *self, struct list *outcomes, enum status status)
{
    for (struct list *link; (link = list_pop_front(outcomes));) {
        self->queue.owing--;
        self->queue.owed += status == STATUS_OK;
        answer(container_of(link, struct outcome, link), status);
    }
}

/* ---- owing ---- */

/* Without memory the outcome is owed without its texts rather than lost. */
static void keep_texts(struct outcome *outcome)
{
    struct queue_finish *inner = &outcome->inner;
    struct slice error = inner->error, response = inner->response;
    inner->error = inner->response = SLICE("");
    outcome->texts = malloc(error.len + response.len + 1);
    if (!outcome->texts)
        return;
    if (error.len > 0)
        memcpy(outcome->texts, error.data, error.len);
    if (response.len > 0)
        memcpy(outcome->texts + error.len, response.data, response.len);
    inner->error = slice_of(outcome->texts, error.len);
    inner->response = slice_of(outcome->texts + error.len, response.len);
}

static void owe(struct spooled *self, struct outcome *outcome)
{
    keep_texts(outcome);
    list_push_back(&self->queue.gathering, &outcome->link);
    self->queue.owing++;
    loop_defer(self->loop, &self->queue.turn);
}

/* A lease that may have been given back already, and its event taken anew, is not given back again:
 * nothing would tell it from the new one. It ends by itself. */
static void take_back(void *arg, struct queue_finish *inner)
{
    struct outcome *outcome = container_of(inner, struct outcome, inner);
    if (inner->result == QUEUE_RETURNED)
        answer(outcome, STATUS_OK);
    else
        owe(arg, outcome);
}

/* On the thread. */
static enum status run_owe(struct sqlite_request *request, struct sqlite_db *db)
{
    struct spooled *self = container_of(request, struct spooled, queue.owe);
    struct list *writing = &self->queue.writing;
    enum status status = STATUS_OK;
    for (struct list *link = writing->next; status == STATUS_OK && link != writing;
         link = link->next)
        status = spooled_db_owe(db, &self->owner, &container_of(link, struct outcome, link)->inner);
    return status;
}

static void write_owed(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    if (queue->is_writing || list_is_empty(&queue->gathering))
        return;
    list_move_all(&queue->writing, &queue->gathering);
    queue->is_writing = true;
    sqlite_seat_submit(&self->seat, &queue->owe);
}

/* PostgreSQL is there (again): it copies the texts once more. */
static void send_owed(struct spooled *self)
{
    for (struct list *link; (link = list_pop_front(&self->queue.gathering));) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        self->queue.owing--;
        queue_finish(self->queue.postgres, &outcome->inner);
        free(outcome->texts);
        outcome->texts = NULL;
    }
}

/* At the end what could not be owed is told so. */
static void end_closing(struct spooled *self)
{
    answer_all(self, &self->queue.gathering, STATUS_UNAVAILABLE);
    spooled_queue_close_inner(self);
}

static void set_look(struct spooled *self)
{
    if (!deadline_is_set(&self->queue.look) && !self->queue.closing)
        deadline_set(&self->loop->deadlines, &self->queue.look, loop_now_ms(self->loop) + LOOK_MS);
}

/* Those that failed go again, before younger ones. */
static void on_owed(struct sqlite_request *request)
{
    struct spooled *self = container_of(request, struct spooled, queue.owe);
    struct spooled_queue *queue = &self->queue;
    struct list written;
    list_init(&written);
    list_move_all(&written, &queue->writing);
    queue->is_writing = false;
    if (request->status == STATUS_OK) {
        answer_all(self, &written, STATUS_OK);
    } else {
        list_move_all(&written, &queue->gathering);
        list_move_all(&queue->gathering, &written);
    }
    if (queue->closing)
        end_closing(self);
    else
        set_look(self);
}

/* ---- looking after them ---- */

/* The link's loss leaves outcomes in PostgreSQL's queue that may not have been written. */
static void look_after(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    const struct queue_stats *there = &queue->postgres->stats;
    if (there->up)
        send_owed(self);
    else if (there->pending_finishes > 0)
        pg_queue_withdraw(queue->postgres, take_back, self);
    write_owed(self);
}

static void wrap_rest(struct spooled *self);

static void look(struct spooled *self)
{
    wrap_rest(self);
    look_after(self);
    spooled_queue_note_stats(self);
    if (self->queue.queue.stats.pending_finishes > 0 || !list_is_empty(&self->queue.unwrapped))
        set_look(self);
}

static void on_look(struct deadline *deadline)
{
    look(container_of(deadline, struct spooled, queue.look));
}

static void on_turn(struct loop_hook *hook)
{
    look(container_of(hook, struct spooled, queue.turn));
}

/* ---- finishing ---- */

static void submit(struct spooled *self, struct outcome *outcome)
{
    if (outcome->inner.home == QUEUE_HOME_SPOOL)
        queue_finish(self->queue.spool, &outcome->inner);
    else if (self->queue.postgres->stats.up)
        queue_finish(self->queue.postgres, &outcome->inner);
    else
        owe(self, outcome);
}

/* False: out of memory. */
static bool wrap(struct spooled *self, struct queue_finish *op)
{
    struct outcome *outcome = malloc(sizeof(*outcome));
    if (!outcome)
        return false;
    *outcome = (struct outcome){.spooled = self, .outer = op, .inner = *op};
    outcome->inner.answered = on_answered;
    list_init(&outcome->link);
    submit(self, outcome);
    return true;
}

static void wrap_rest(struct spooled *self)
{
    struct list ops;
    list_init(&ops);
    list_move_all(&ops, &self->queue.unwrapped);
    for (struct list *link; (link = list_pop_front(&ops));)
        if (!wrap(self, container_of(link, struct queue_finish, link)))
            list_push_back(&self->queue.unwrapped, link);
}

/* Without memory it is tried again soon, without its texts, which are the caller's. */
void spooled_finish(struct queue *base, struct queue_finish *op)
{
    struct spooled *self = container_of(base, struct spooled, queue.queue);
    if (!wrap(self, op)) {
        op->error.len = op->response.len = 0;
        list_push_back(&self->queue.unwrapped, &op->link);
    }
    spooled_queue_note_stats(self);
    set_look(self);
}

/* ---- the beginning and the end ---- */

void spooled_outcomes_init(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    queue->turn.run = on_turn;
    queue->look.expired = on_look;
    list_init(&queue->unwrapped);
    list_init(&queue->gathering);
    list_init(&queue->writing);
    queue->owe = (struct sqlite_request){
        .run = run_owe, .writes = true, .durable = true, .returned = on_owed};
}

void spooled_outcomes_close(struct spooled *self)
{
    look_after(self);
    for (struct list *link; (link = list_pop_front(&self->queue.unwrapped));) {
        struct queue_finish *op = container_of(link, struct queue_finish, link);
        op->status_of_write = STATUS_UNAVAILABLE;
        op->answered(op);
    }
    self->queue.closing = true;
    deadline_clear(&self->loop->deadlines, &self->queue.look);
    loop_undefer(&self->queue.turn);
    if (!self->queue.is_writing)
        end_closing(self);
}
