/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's half: takes from PostgreSQL while it is there and from the spool while that has
 * something, and asks whoever has to know. Outcomes are spooled_outcome.c's.
 */
#include "spooled.h"

#include <assert.h>
#include <stdlib.h>

#define OTHER_DUE_MS 50u /* after a take from one of both, the other is looked at */

static struct spooled *from_queue(struct queue *queue)
{
    return container_of(queue, struct spooled, queue.queue);
}

/* ---- stats ---- */

/* PostgreSQL's queue may be gone before the spool's has answered. */
void spooled_queue_note_stats(struct spooled *self)
{
    if (self->queue.closing)
        return;
    struct queue_stats *stats = &self->queue.queue.stats;
    const struct queue_stats *there = &self->queue.postgres->stats;
    const struct queue_stats *here = &self->queue.spool->stats;
    stats->up = there->up || here->up;
    stats->taken = there->taken + here->taken;
    stats->finished = there->finished + here->finished + self->queue.owed;
    stats->fenced = there->fenced + here->fenced + self->journal.drain.fenced;
    stats->leases_lost = there->leases_lost + here->leases_lost - self->queue.renew.not_there;
    stats->errors = there->errors + here->errors;
    stats->pending_finishes = there->pending_finishes + here->pending_finishes + self->queue.owing;
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
    spooled_queue_note_stats(self);
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

/* Nothing is known of a lease whose queue did not answer: PostgreSQL may be away for us alone. */
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
        op->leases[i].unanswered = status != STATUS_OK;
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
    spooled_queue_note_stats(self);
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

/* ---- orphans: the spool's, then PostgreSQL's ---- */

static void on_orphan(struct queue_orphans *op, const struct queue_orphan *orphan)
{
    struct spooled *self = container_of(op, struct spooled, queue.orphans.inner);
    self->queue.orphans.outer->orphan(self->queue.orphans.outer, orphan);
}

/* The first page of PostgreSQL's follows the last one of the spool's. */
static void turn_page(struct spooled *self, const struct queue_orphans *page)
{
    if (self->queue.orphans.source == ORPHANS_POSTGRES_FIRST)
        self->queue.orphans.source = ORPHANS_POSTGRES;
    else if (self->queue.orphans.source == ORPHANS_SPOOL && !page->more)
        self->queue.orphans.source = ORPHANS_POSTGRES_FIRST;
}

static void on_orphans_ended(struct queue_orphans *page)
{
    struct spooled *self = container_of(page, struct spooled, queue.orphans.inner);
    struct queue_orphans *outer = self->queue.orphans.outer;
    bool is_spools = self->queue.orphans.source == ORPHANS_SPOOL;
    self->queue.orphans.outer = NULL;
    outer->status = page->status;
    outer->until_us = page->until_us;
    outer->until_id = page->until_id;
    outer->more = page->more || is_spools;
    if (page->status == STATUS_OK)
        turn_page(self, page);
    outer->ended(outer);
}

static void orphans(struct queue *base, struct queue_orphans *op)
{
    struct spooled *self = from_queue(base);
    struct spooled_queue *queue = &self->queue;
    assert(!queue->orphans.outer);
    if (op->from_start)
        queue->orphans.source = ORPHANS_SPOOL;
    queue->orphans.outer = op;
    queue->orphans.inner = *op;
    queue->orphans.inner.from_start = op->from_start ||
                                      queue->orphans.source == ORPHANS_POSTGRES_FIRST;
    queue->orphans.inner.orphan = on_orphan;
    queue->orphans.inner.ended = on_orphans_ended;
    queue_orphans(queue->orphans.source == ORPHANS_SPOOL ? queue->spool : queue->postgres,
                  &queue->orphans.inner);
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

void spooled_queue_close_inner(struct spooled *self)
{
    struct queue *postgres = self->queue.postgres, *spool = self->queue.spool;
    self->queue.parts = 2;
    postgres->backend->close(postgres, on_queue_closed, self);
    spool->backend->close(spool, on_queue_closed, self);
}

/* Outcomes that PostgreSQL can't be told any more are owed first. */
static void close_queue(struct queue *base, void (*closed)(void *arg), void *arg)
{
    struct spooled *self = from_queue(base);
    assert(!self->queue.closing);
    self->queue.closed = closed;
    self->queue.closed_arg = arg;
    spooled_outcomes_close(self);
}

static const struct queue_backend backend = {
    .name = "spooled",
    .take = take,
    .finish = spooled_finish,
    .renew = renew,
    .upkeep = upkeep,
    .orphans = orphans,
    .close = close_queue,
};

void spooled_queue_init(struct spooled *self)
{
    self->queue.queue.backend = &backend;
    spooled_outcomes_init(self);
    spooled_queue_note_stats(self);
}
