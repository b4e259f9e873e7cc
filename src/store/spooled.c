/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL with a spool beside it, as one worker's journal and queue. Here: the journal's
 * operations, opening and closing. Where appends go is decided in spooled_state.c:
 *
 *             link down for 250 ms, or no answer for 1 s: what waits moves
 *      HERE ────────────────────────────────────────────────────────────> AWAY ──> appends: spool
 *       ^ ^                                                               |  ^
 *       | '───── a batch was committed ──── TRYING <──── link is up ──────'  |
 *       |                                     └── failed: later again ──────-'
 *       '──────────────── the stalled batch was committed after all ──────'
 *
 *   PostgreSQL's front ── front_move: batches with the ops that wait ──> the spool's front
 *                      <─ what is doubtful, when the spool fails ──────
 *   the spool ── drain: owed outcomes, doubtful events, the rest ──> PostgreSQL
 *
 * A batch whose commit's answer was lost is doubtful: PostgreSQL may have it. In the spool its rows
 * are marked; they are attempted at once, under the lease that PostgreSQL gave as well if it has
 * them, but not again before the drain has asked there.
 */
#include "spooled.h"

#include <assert.h>
#include <stdlib.h>

#define CLOSE_DRAIN_MS 2000u /* for what moves to the spool in the last moment */

static struct spooled *from_journal(struct journal *journal)
{
    return container_of(journal, struct spooled, journal.journal);
}

void spooled_end_half(struct spooled *self)
{
    if (--self->halves > 0)
        return;
    sqlite_seat_close(&self->seat);
    free(self);
}

/* ---- appending ---- */

static enum op_status append(struct journal *journal, struct journal_op *op)
{
    struct spooled *self = from_journal(journal);
    struct front *front = spooled_route(self, op, &op->status);
    spooled_look(self);
    if (front)
        return front_append(&front->journal, op);
    self->journal.dropped += !op->record->queued;
    spooled_note_stats(self);
    return OP_READY;
}

/* Counts wait for PostgreSQL, in memory: their events will be there. */
static void count_duplicate(struct journal *journal, const struct uuid *event_id, uint64_t at_ms)
{
    struct spooled *self = from_journal(journal);
    front_count_duplicate(&self->journal.postgres->journal, event_id, at_ms);
    spooled_look(self);
}

/* ---- loading: the spool's keys, then PostgreSQL's ---- */

static void on_key(struct journal_load *load, const struct journal_key *key)
{
    struct spooled *self = container_of(load, struct spooled, journal.load.inner);
    self->journal.load.keys++;
    self->journal.load.outer->key(self->journal.load.outer, key);
}

static void on_postgres_loaded(struct journal_load *load)
{
    struct spooled *self = container_of(load, struct spooled, journal.load.inner);
    struct journal_load *outer = self->journal.load.outer;
    self->journal.load.outer = NULL;
    outer->keys = self->journal.load.keys;
    outer->status = self->journal.load.spool_status == STATUS_OK ? load->status
                                                                 : STATUS_UNAVAILABLE;
    outer->ended(outer);
}

static void load_from(struct spooled *self, struct front *front,
                      void (*ended)(struct journal_load *load))
{
    self->journal.load.inner = (struct journal_load){
        .now_ms = self->journal.load.outer->now_ms, .key = on_key, .ended = ended};
    journal_load_keys(&front->journal, &self->journal.load.inner);
}

static void on_spool_loaded(struct journal_load *load)
{
    struct spooled *self = container_of(load, struct spooled, journal.load.inner);
    self->journal.load.spool_status = load->status;
    if (self->journal.closing)
        on_postgres_loaded(load);
    else
        load_from(self, self->journal.postgres, on_postgres_loaded);
}

static void load_keys(struct journal *journal, struct journal_load *load)
{
    struct spooled *self = from_journal(journal);
    assert(!self->journal.load.outer);
    self->journal.load.outer = load;
    self->journal.load.keys = 0;
    load_from(self, self->journal.spool, on_spool_loaded);
}

/* ---- draining into something durable ---- */

static void close_spool(void *arg);

static void on_spool_flushed(void *arg)
{
    struct spooled *self = arg;
    void (*drained)(void *arg) = self->journal.flush.drained;
    self->journal.flush.drained = NULL;
    spooled_note_stats(self); /* what is left is told from them */
    spooled_queue_note_stats(self);
    drained(self->journal.flush.arg);
    if (self->journal.is_postgres_closed)
        close_spool(self);
}

/* What PostgreSQL has not taken by now goes to the spool. */
static void on_postgres_flushed(void *arg)
{
    struct spooled *self = arg;
    if (self->journal.closing) {
        on_spool_flushed(self);
        return;
    }
    spooled_move(self);
    journal_drain(&self->journal.spool->journal, self->journal.flush.deadline_ms, on_spool_flushed,
                  self);
}

static void drain(struct journal *journal, uint64_t deadline_ms, void (*drained)(void *arg),
                  void *arg)
{
    struct spooled *self = from_journal(journal);
    uint64_t now_ms = loop_now_ms(self->loop), half_ms = now_ms;
    assert(!self->journal.flush.drained && !self->journal.closing);
    self->journal.flush.drained = drained;
    self->journal.flush.arg = arg;
    self->journal.flush.deadline_ms = deadline_ms;
    if (self->journal.state != SPOOLED_AWAY && deadline_ms > now_ms)
        half_ms = now_ms + (deadline_ms - now_ms) / 2;
    journal_drain(&self->journal.postgres->journal, half_ms, on_postgres_flushed, self);
}

/* ---- closing ---- */

static void end_part(struct spooled *self)
{
    void (*closed)(void *arg) = self->journal.closed;
    void *arg = self->journal.closed_arg;
    if (--self->journal.parts > 0)
        return;
    spooled_end_half(self);
    closed(arg);
}

static void on_part_closed(void *arg)
{
    end_part(arg);
}

static void close_spool(void *arg)
{
    struct spooled *self = arg;
    struct journal *spool = &self->journal.spool->journal;
    spool->backend->close(spool, on_part_closed, self);
}

/* Its last batches are the spool's now. */
static void on_postgres_closed(void *arg)
{
    struct spooled *self = arg;
    spooled_state_done(self);
    self->journal.is_postgres_closed = true;
    if (!self->journal.flush.drained)
        journal_drain(&self->journal.spool->journal, loop_now_ms(self->loop) + CLOSE_DRAIN_MS,
                      close_spool, self);
}

static void close_journal(struct journal *base, void (*closed)(void *arg), void *arg)
{
    struct spooled *self = from_journal(base);
    struct journal *postgres = &self->journal.postgres->journal;
    assert(!self->journal.closing);
    self->journal.closing = true;
    self->journal.closed = closed;
    self->journal.closed_arg = arg;
    self->journal.parts = self->journal.drains ? 2 : 1;
    postgres->backend->close(postgres, on_postgres_closed, self);
    if (self->journal.drains)
        spooled_drain_close(&self->journal.drain, on_part_closed, self);
}

/* ---- opening ---- */

static const struct journal_backend backend = {
    .name = "spooled",
    .append = append,
    .count_duplicate = count_duplicate,
    .load_keys = load_keys,
    .drain = drain,
    .close = close_journal,
};

static void ignore_closed(void *arg)
{
    (void)arg;
}

/* The seat comes first and goes last: the drain needs it to close. */
static enum status open_parts(struct spooled *self, const struct spooled_opts *opts)
{
    struct journal *spool = NULL;
    enum status status = sqlite_seat_open(&self->seat, self->loop, self->store);
    if (status != STATUS_OK)
        return status;
    status = journal_sqlite_open(self->loop, self->store, &self->owner, &spool);
    if (status == STATUS_OK)
        status = queue_sqlite_open(self->loop, self->store, &self->owner, &self->queue.spool);
    if (status == STATUS_OK && opts->drains)
        status = spooled_drain_open(&self->journal.drain, self->loop, &self->seat, opts->url,
                                    opts->timeout_ms);
    if (status == STATUS_OK) {
        self->journal.spool = container_of(spool, struct front, journal);
        return STATUS_OK;
    }
    if (self->queue.spool)
        self->queue.spool->backend->close(self->queue.spool, ignore_closed, NULL);
    if (spool)
        spool->backend->close(spool, ignore_closed, NULL);
    sqlite_seat_close(&self->seat);
    return status;
}

enum status spooled_open(struct loop *loop, const struct spooled_opts *opts,
                         struct journal **ret_journal, struct queue **ret_queue)
{
    struct spooled *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    self->loop = loop;
    self->store = opts->store;
    self->owner = opts->owner;
    self->halves = 2;
    self->journal.drains = opts->drains;
    enum status status = open_parts(self, opts);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    self->journal.journal.backend = &backend;
    self->journal.postgres = container_of(opts->journal, struct front, journal);
    self->queue.postgres = opts->queue;
    spooled_state_init(self);
    spooled_queue_init(self);
    *ret_journal = &self->journal.journal;
    *ret_queue = &self->queue.queue;
    return STATUS_OK;
}
