/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's half: takes from PostgreSQL while it is there and from the spool while that has
 * something, and sends each outcome to the queue its event came from. An outcome that PostgreSQL
 * can't be told now is owed: written into the spool, durably, and as good as told, because the
 * drain tells it before anybody else may take over its event.
 *
 *   finish ── from the spool ──────────────────> the spool's queue
 *      └───── from PostgreSQL ─┬─ it is there ─> PostgreSQL's queue ─┐ the link is lost
 *                              └─ it is away ──> owed <──────────────┘
 */
#include "pg_queue.h"
#include "spooled.h"

#include <assert.h>
#include <stdlib.h>

#define LOOK_MS 100u
#define OTHER_DUE_MS 50u /* after a take from one of both, the other is looked at */

/* An outcome to be owed; its bytes right behind it. */
struct outcome {
    struct list link;
    struct queue_finish *finish; /* its submitter's */
    struct queue_finish copy;
};

static struct spooled *from_queue(struct queue *queue)
{
    return container_of(queue, struct spooled, queue.queue);
}

/* ---- stats ---- */

static void note_stats(struct spooled *self)
{
    struct queue_stats *stats = &self->queue.queue.stats;
    const struct queue_stats *there = &self->queue.postgres->stats;
    const struct queue_stats *here = &self->queue.spool->stats;
    stats->up = there->up || here->up;
    stats->taken = there->taken + here->taken;
    stats->finished = there->finished + here->finished;
    stats->fenced = there->fenced + here->fenced + self->journal.drain.fenced;
    stats->leases_lost = there->leases_lost + here->leases_lost - self->queue.renew.not_there;
    stats->errors = there->errors + here->errors;
    stats->pending_finishes = there->pending_finishes + here->pending_finishes + self->queue.owing;
}

/* ---- owing ---- */

static void copy_texts(struct outcome *outcome)
{
    char *at = (char *)(outcome + 1);
    struct queue_finish *copy = &outcome->copy;
    if (copy->error.len > 0)
        memcpy(at, copy->error.data, copy->error.len);
    copy->error.data = at;
    if (copy->response.len > 0)
        memcpy(at + copy->error.len, copy->response.data, copy->response.len);
    copy->response.data = at + copy->error.len;
}

static struct outcome *outcome_new(struct queue_finish *finish)
{
    struct outcome *outcome = malloc(sizeof(*outcome) + finish->error.len + finish->response.len);
    if (!outcome)
        return NULL;
    list_init(&outcome->link);
    outcome->finish = finish;
    outcome->copy = *finish;
    copy_texts(outcome);
    return outcome;
}

static void owe(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    if (queue->is_writing || list_is_empty(&queue->gathering))
        return;
    list_move_all(&queue->writing, &queue->gathering);
    queue->is_writing = true;
    sqlite_seat_submit(&self->seat, &queue->owe);
}

/* Out of memory it waits in PostgreSQL's queue. */
static void give_outcome(void *arg, struct queue_finish *finish)
{
    struct spooled *self = arg;
    struct outcome *outcome = outcome_new(finish);
    if (!outcome) {
        queue_finish(self->queue.postgres, finish);
        return;
    }
    list_push_back(&self->queue.gathering, &outcome->link);
    self->queue.owing++;
}

/* On the thread. */
static enum status run_owe(struct sqlite_request *request, struct sqlite_db *db)
{
    struct spooled *self = container_of(request, struct spooled, queue.owe);
    struct list *writing = &self->queue.writing;
    enum status status = STATUS_OK;
    for (struct list *link = writing->next; status == STATUS_OK && link != writing;
         link = link->next)
        status = spooled_db_owe(db, &self->owner, &container_of(link, struct outcome, link)->copy);
    return status;
}

static void answer_outcomes(struct spooled *self, struct list *outcomes, enum status status)
{
    for (struct list *link; (link = list_pop_front(outcomes));) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        struct queue_finish *finish = outcome->finish;
        free(outcome);
        self->queue.owing--;
        finish->status_of_write = status;
        finish->answered(finish);
    }
}

/* PostgreSQL's queue copies the texts once more. */
static void send_outcomes(struct spooled *self, struct list *outcomes)
{
    for (struct list *link; (link = list_pop_front(outcomes));) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        outcome->finish->error = outcome->copy.error;
        outcome->finish->response = outcome->copy.response;
        queue_finish(self->queue.postgres, outcome->finish);
        free(outcome);
        self->queue.owing--;
    }
}

static void set_look(struct spooled *self)
{
    if (!deadline_is_set(&self->queue.look) && !self->queue.closing)
        deadline_set(&self->loop->deadlines, &self->queue.look, loop_now_ms(self->loop) + LOOK_MS);
}

static void close_queues(struct spooled *self);

static void on_owed(struct sqlite_request *request)
{
    struct spooled *self = container_of(request, struct spooled, queue.owe);
    struct spooled_queue *queue = &self->queue;
    struct list written;
    list_init(&written);
    list_move_all(&written, &queue->writing);
    queue->is_writing = false;
    if (request->status == STATUS_OK) {
        answer_outcomes(self, &written, STATUS_OK);
    } else {
        queue->queue.stats.errors++;
        list_move_all(&written, &queue->gathering);
        list_move_all(&queue->gathering, &written);
    }
    if (queue->closing)
        close_queues(self);
    else
        set_look(self);
}

/* The link's loss leaves outcomes in PostgreSQL's queue that may not have been written. */
static void look_after_outcomes(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    if (queue->postgres->stats.up && !queue->is_writing)
        send_outcomes(self, &queue->gathering);
    if (!queue->postgres->stats.up && queue->postgres->stats.pending_finishes > 0)
        pg_queue_withdraw(queue->postgres, give_outcome, self);
    owe(self);
}

static void look(struct spooled *self)
{
    if (self->queue.closing)
        return;
    look_after_outcomes(self);
    note_stats(self);
    if (self->queue.queue.stats.pending_finishes > 0)
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

static void finish(struct queue *base, struct queue_finish *op)
{
    struct spooled *self = from_queue(base);
    if (op->home == QUEUE_HOME_SPOOL)
        queue_finish(self->queue.spool, op);
    else if (self->queue.postgres->stats.up)
        queue_finish(self->queue.postgres, op);
    else
        give_outcome(self, op);
    loop_defer(self->loop, &self->queue.turn);
}

/* ---- taking ---- */

static void on_event(struct queue_take *take, const struct queue_event *event)
{
    struct spooled *self = container_of(take, struct spooled, queue.take.inner);
    self->queue.take.outer->event(self->queue.take.outer, event);
}

/* What the other one has may be due sooner. */
static void on_taken(struct queue_take *take)
{
    struct spooled *self = container_of(take, struct spooled, queue.take.inner);
    struct queue_take *outer = self->queue.take.outer;
    self->queue.take.outer = NULL;
    outer->status = take->status;
    outer->next_due_ms = take->next_due_ms;
    if (self->queue.take.both && outer->next_due_ms > OTHER_DUE_MS)
        outer->next_due_ms = OTHER_DUE_MS;
    note_stats(self);
    outer->ended(outer);
}

/* The spool has rows while PostgreSQL is there when it has just come back, or refuses them. */
static struct queue *choose(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    struct spool_stats spool;
    sqlite_store_spool_stats(self->store, &spool);
    queue->take.both = queue->postgres->stats.up && spool.rows > 0;
    if (!queue->take.both)
        return queue->postgres->stats.up ? queue->postgres : queue->spool;
    queue->take.spool_next = !queue->take.spool_next;
    return queue->take.spool_next ? queue->spool : queue->postgres;
}

static void take(struct queue *base, struct queue_take *op)
{
    struct spooled *self = from_queue(base);
    assert(!self->queue.take.outer);
    self->queue.take.outer = op;
    self->queue.take.inner = (struct queue_take){.wants = op->wants,
                                                 .want_count = op->want_count,
                                                 .bytes_max = op->bytes_max,
                                                 .event = on_event,
                                                 .ended = on_taken};
    queue_take(choose(self), &self->queue.take.inner);
}

/* ---- renewing ---- */

/* First all leases, PostgreSQL's before the spool's, for PostgreSQL: it may have the spool's events
 * too, leased by us when it was lost, and knows no harm of others. Then the spool's for the spool.
 */
static void split_leases(struct spooled *self, const struct queue_renew *op)
{
    struct queue_renew *postgres = &self->queue.renew.postgres, *spool = &self->queue.renew.spool;
    struct queue_lease *to = malloc(2 * op->count * sizeof(*to) + 1);
    if (!to)
        return;
    postgres->leases = to;
    for (size_t i = 0; i < op->count; i++)
        if (op->leases[i].home == QUEUE_HOME_JOURNAL)
            *to++ = op->leases[i];
    struct queue_lease *spools = to;
    for (size_t i = 0; i < op->count; i++)
        if (op->leases[i].home == QUEUE_HOME_SPOOL)
            *to++ = op->leases[i];
    postgres->count = op->count;
    spool->leases = to;
    spool->count = (size_t)(to - spools);
    if (spool->count > 0)
        memcpy(spool->leases, spools, spool->count * sizeof(*spools));
}

/* While PostgreSQL is away nobody can take over what it leased. */
static void join_leases(struct spooled *self, struct queue_renew *op)
{
    const struct queue_renew *postgres = &self->queue.renew.postgres;
    const struct queue_renew *spool = &self->queue.renew.spool;
    const struct queue_lease *there = postgres->leases, *here = spool->leases;
    for (size_t i = 0; there && i < op->count; i++) {
        bool is_here = op->leases[i].home == QUEUE_HOME_SPOOL;
        const struct queue_lease *lease = is_here ? here++ : there++;
        enum status status = is_here ? spool->status : postgres->status;
        op->leases[i].lost = status == STATUS_OK && lease->lost;
    }
    for (; there && there < postgres->leases + postgres->count; there++)
        self->queue.renew.not_there += postgres->status == STATUS_OK && there->lost;
}

static void end_part_of_renewal(struct spooled *self)
{
    struct queue_renew *outer = self->queue.renew.outer;
    if (--self->queue.renew.parts > 0)
        return;
    self->queue.renew.outer = NULL;
    join_leases(self, outer);
    bool is_known = self->queue.renew.postgres.leases &&
                    (self->queue.renew.postgres.status == STATUS_OK ||
                     self->queue.renew.spool.status == STATUS_OK);
    free(self->queue.renew.postgres.leases);
    outer->status = is_known ? STATUS_OK : STATUS_UNAVAILABLE;
    note_stats(self);
    outer->ended(outer);
}

static void on_postgres_renewed(struct queue_renew *renew)
{
    end_part_of_renewal(container_of(renew, struct spooled, queue.renew.postgres));
}

static void on_spool_renewed(struct queue_renew *renew)
{
    end_part_of_renewal(container_of(renew, struct spooled, queue.renew.spool));
}

/* Either queue answers by itself when it is away. Without memory only the spool's is asked, for
 * nothing, to have an answer in a later turn. */
static void renew(struct queue *base, struct queue_renew *op)
{
    struct spooled *self = from_queue(base);
    struct queue_renew *postgres = &self->queue.renew.postgres, *spool = &self->queue.renew.spool;
    assert(!self->queue.renew.outer);
    *postgres = (struct queue_renew){.ended = on_postgres_renewed, .status = STATUS_UNAVAILABLE};
    *spool = (struct queue_renew){.ended = on_spool_renewed, .status = STATUS_UNAVAILABLE};
    split_leases(self, op);
    self->queue.renew.outer = op;
    self->queue.renew.parts = postgres->count > 0 ? 2 : 1;
    if (postgres->count > 0)
        queue_renew(self->queue.postgres, postgres);
    queue_renew(self->queue.spool, spool);
}

/* ---- upkeep ---- */

static void upkeep(struct queue *base, struct queue_upkeep *op)
{
    struct spooled_queue *queue = &from_queue(base)->queue;
    queue_upkeep(queue->postgres->stats.up ? queue->postgres : queue->spool, op);
}

/* ---- closing ---- */

static void on_queue_closed(void *arg)
{
    struct spooled *self = arg;
    void (*closed)(void *arg) = self->queue.closed;
    void *closed_arg = self->queue.closed_arg;
    if (--self->queue.parts > 0)
        return;
    spooled_end_half(self);
    closed(closed_arg);
}

/* What could not be owed is told so. */
static void close_queues(struct spooled *self)
{
    struct queue *postgres = self->queue.postgres, *spool = self->queue.spool;
    answer_outcomes(self, &self->queue.gathering, STATUS_UNAVAILABLE);
    self->queue.parts = 2;
    postgres->backend->close(postgres, on_queue_closed, self);
    spool->backend->close(spool, on_queue_closed, self);
}

/* Outcomes that PostgreSQL can't be told any more are owed first. */
static void close_queue(struct queue *base, void (*closed)(void *arg), void *arg)
{
    struct spooled *self = from_queue(base);
    struct spooled_queue *queue = &self->queue;
    assert(!queue->closing);
    look_after_outcomes(self);
    queue->closing = true;
    queue->closed = closed;
    queue->closed_arg = arg;
    deadline_clear(&self->loop->deadlines, &queue->look);
    loop_undefer(&queue->turn);
    if (!queue->is_writing)
        close_queues(self);
}

static const struct queue_backend backend = {
    .name = "spooled",
    .take = take,
    .finish = finish,
    .renew = renew,
    .upkeep = upkeep,
    .close = close_queue,
};

void spooled_queue_init(struct spooled *self)
{
    struct spooled_queue *queue = &self->queue;
    queue->queue.backend = &backend;
    queue->turn.run = on_turn;
    queue->look.expired = on_look;
    list_init(&queue->gathering);
    list_init(&queue->writing);
    queue->owe = (struct sqlite_request){
        .run = run_owe, .writes = true, .durable = true, .returned = on_owed};
    note_stats(self);
}
