/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a worker's appends go, decided at the end of each turn in which something changed, and
 * every LOOK_MS while something may. The figure is in spooled.c.
 */
#include "spooled.h"

#define GRACE_MS 250u  /* a link that comes back by then was not away */
#define STALL_MS 1000u /* nothing waits longer for PostgreSQL's answer before it is away */
#define LOOK_MS 100u

static uint64_t now_ms(const struct spooled *self)
{
    return loop_now_ms(self->loop);
}

/* ---- what is seen ---- */

static bool is_spool_usable(const struct spooled *self)
{
    return self->journal.spool->journal.stats.up && !sqlite_store_is_full(self->store);
}

/* The first batch is in flight, or waits for the link to be free. */
static bool is_stalled(const struct spooled *self)
{
    const struct front *front = self->journal.postgres;
    if (list_is_empty(&front->queue))
        return false;
    if (front->in_flight && now_ms(self) >= front->sent_at_ms + STALL_MS)
        return true;
    const struct batch *first = container_of(front->queue.next, struct batch, link);
    return first->waiting > 0 && now_ms(self) >= first->first_wait_ms + STALL_MS;
}

static bool is_gone(const struct spooled *self)
{
    const struct front *front = self->journal.postgres;
    uint64_t grace_ms = self->journal.state == SPOOLED_TRYING ? 0 : GRACE_MS;
    bool is_down = front->down_since_ms > 0 && now_ms(self) >= front->down_since_ms + grace_ms;
    return is_down || is_stalled(self);
}

/* What the drain proves counts once our own link is up as well. */
static bool is_proven(const struct spooled *self)
{
    const struct spooled_journal *journal = &self->journal;
    return journal->postgres->journal.stats.batches > journal->batches_before ||
           (journal->state == SPOOLED_TRYING && journal->drain.drained > journal->drained_before);
}

static bool may_try(const struct spooled *self)
{
    const struct front *front = self->journal.postgres;
    return front->down_since_ms == 0 && !front->in_flight &&
           now_ms(self) >= self->journal.try_at_ms;
}

/* ---- what is done ---- */

void spooled_move(struct spooled *self)
{
    if (is_spool_usable(self))
        front_move(self->journal.postgres, self->journal.spool, false);
}

static void go_away(struct spooled *self)
{
    struct spooled_journal *journal = &self->journal;
    uint32_t wait_ms = journal->state == SPOOLED_TRYING ? backoff_next_ms(&journal->backoff) : 0;
    journal->try_at_ms = now_ms(self) + wait_ms;
    journal->batches_before = journal->postgres->journal.stats.batches;
    journal->drained_before = journal->drain.drained;
    journal->state = SPOOLED_AWAY;
}

static void come_back(struct spooled *self, enum spooled_state state)
{
    self->journal.state = state;
    if (state == SPOOLED_HERE)
        backoff_reset(&self->journal.backoff);
    if (self->journal.drains)
        spooled_drain_wake(&self->journal.drain);
}

static void decide(struct spooled *self)
{
    enum spooled_state state = self->journal.state;
    if (state != SPOOLED_AWAY && is_gone(self))
        go_away(self);
    else if (state != SPOOLED_HERE && is_proven(self))
        come_back(self, SPOOLED_HERE);
    else if (state == SPOOLED_AWAY && may_try(self))
        come_back(self, SPOOLED_TRYING);
}

/* A spool that fails gives back what may be in PostgreSQL: there it waits to be certain. */
static void move(struct spooled *self)
{
    struct spooled_journal *journal = &self->journal;
    if (journal->state == SPOOLED_AWAY)
        spooled_move(self);
    if (!journal->spool->journal.stats.up)
        front_move(journal->spool, journal->postgres, true);
}

/* ---- stats ---- */

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms == 0 || (b_ms > 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void note_spool(struct spooled *self, struct spool_stats *stats)
{
    sqlite_store_spool_stats(self->store, stats);
    stats->there = true;
    stats->spooled_total = self->journal.spool->journal.stats.rows;
    stats->drained_total = self->journal.drain.drained;
    stats->refused = self->journal.drain.refused;
    /* Trying is not having, as long as something waits for it; without work nobody can tell. */
    stats->away = self->journal.state == SPOOLED_AWAY ||
                  (self->journal.state == SPOOLED_TRYING && stats->rows > stats->refused);
}

/* What the spool still answers after that is told to whoever waits for it, and to nobody else. */
void spooled_note_stats(struct spooled *self)
{
    if (self->journal.is_postgres_closed)
        return;
    struct journal_stats *stats = &self->journal.journal.stats;
    const struct journal_stats *there = &self->journal.postgres->journal.stats;
    const struct journal_stats *here = &self->journal.spool->journal.stats;
    stats->up = self->journal.state == SPOOLED_AWAY ? is_spool_usable(self)
                                                    : there->up || is_spool_usable(self);
    stats->rows = there->rows + here->rows;
    stats->batches = there->batches + here->batches;
    stats->dropped = there->dropped + here->dropped + self->journal.dropped;
    stats->errors = there->errors + here->errors;
    stats->duplicates_lost = there->duplicates_lost + here->duplicates_lost;
    stats->pending_rows = there->pending_rows + here->pending_rows;
    stats->pending_bytes = there->pending_bytes + here->pending_bytes;
    stats->oldest_pending_ms = earlier(there->oldest_pending_ms, here->oldest_pending_ms);
    stats->last_batch_rows = there->last_batch_rows ? there->last_batch_rows
                                                    : here->last_batch_rows;
    note_spool(self, &stats->spool);
    self->journal.postgres->patient = stats->spool.away || stats->spool.rows > 0;
}

/* ---- looking ---- */

static bool may_change(const struct spooled *self)
{
    const struct spooled_journal *journal = &self->journal;
    return journal->state != SPOOLED_HERE || journal->postgres->down_since_ms > 0 ||
           journal->journal.stats.pending_rows > 0 || journal->journal.stats.spool.rows > 0;
}

static void look(struct spooled *self)
{
    decide(self);
    move(self);
    spooled_note_stats(self);
    if (may_change(self) && !deadline_is_set(&self->journal.look))
        deadline_set(&self->loop->deadlines, &self->journal.look, now_ms(self) + LOOK_MS);
}

static void on_changed(struct loop_hook *hook)
{
    struct front_watch *watch = container_of(hook, struct front_watch, changed);
    look(container_of(watch, struct spooled, journal.postgres_watch));
}

static void on_look(struct deadline *deadline)
{
    spooled_look(container_of(deadline, struct spooled, journal.look));
}

void spooled_look(struct spooled *self)
{
    loop_defer(self->loop, &self->journal.postgres_watch.changed);
}

static void on_spool_changed(struct loop_hook *hook)
{
    struct front_watch *watch = container_of(hook, struct front_watch, changed);
    look(container_of(watch, struct spooled, journal.spool_watch));
}

/* PostgreSQL's journal closes first: what it still has is the spool's. */
static void on_postgres_closing(struct front_watch *watch)
{
    spooled_move(container_of(watch, struct spooled, journal.postgres_watch));
}

static void on_spool_closing(struct front_watch *watch)
{
    (void)watch; /* nobody is left to take anything */
}

void spooled_state_init(struct spooled *self)
{
    struct spooled_journal *journal = &self->journal;
    journal->look.expired = on_look;
    journal->postgres_watch =
        (struct front_watch){.changed = {.run = on_changed}, .closing = on_postgres_closing};
    journal->spool_watch =
        (struct front_watch){.changed = {.run = on_spool_changed}, .closing = on_spool_closing};
    journal->postgres->watch = &journal->postgres_watch;
    journal->spool->watch = &journal->spool_watch;
    journal->spool->home = QUEUE_HOME_SPOOL;
    spooled_look(self);
}

void spooled_state_done(struct spooled *self)
{
    self->journal.spool->watch = NULL;
    deadline_clear(&self->loop->deadlines, &self->journal.look);
    loop_undefer(&self->journal.postgres_watch.changed);
    loop_undefer(&self->journal.spool_watch.changed);
}

/* ---- routing ---- */

/* While it is tried, PostgreSQL is given the next batch, but nothing behind it. */
static bool goes_there(const struct spooled *self)
{
    const struct spooled_journal *journal = &self->journal;
    return journal->state == SPOOLED_HERE ||
           (journal->state == SPOOLED_TRYING && !journal->postgres->in_flight);
}

/* What nobody waits for may gather in memory when the spool can't take it. */
struct front *spooled_route(struct spooled *self, const struct journal_op *op,
                            enum status *ret_status)
{
    if (goes_there(self))
        return self->journal.postgres;
    if (is_spool_usable(self))
        return self->journal.spool;
    if (op->level == JOURNAL_BUFFERED)
        return self->journal.postgres;
    *ret_status = sqlite_store_is_full(self->store) ? STATUS_FULL : STATUS_UNAVAILABLE;
    return NULL;
}
