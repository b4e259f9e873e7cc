/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite journal on a worker: a front whose batches go to the one SQLite thread and come back
 * committed or failed. No SQLite call is made on the worker. A batch that failed is tried again
 * with back-off while its rows fit the buffer; who waited for it is told at once.
 */
#include "backoff.h"
#include "sqlite_db.h"
#include "sqlite_store.h"

#include <stdlib.h>

#define LOAD_NOTES_BYTES (64u << 10) /* most chunks' notes are one allocation of that, or none */
#define WAIT_MS 5000u                /* a disk that takes longer for a commit counts as away */

struct sqlite_front {
    struct front front;
    struct sqlite_seat seat;
    struct sqlite_request commit, load;
    bool loading;            /* `load` is the thread's */
    struct sqlite_keys keys; /* while a load is under way: FRONT_LOAD_CHUNK of them */
    struct deadline retry;
    struct backoff backoff;
};

static struct sqlite_front *from_front(struct front *front)
{
    return container_of(front, struct sqlite_front, front);
}

static struct sqlite_front *from_journal(struct journal *journal)
{
    return from_front(container_of(journal, struct front, journal));
}

static void send_batch(struct front *front)
{
    struct sqlite_front *self = from_front(front);
    if (deadline_is_set(&self->retry))
        return;
    struct batch *batch = front_next(front);
    if (!batch)
        return;
    self->commit.batch = batch;
    sqlite_seat_submit(&self->seat, &self->commit);
}

static void on_retry(struct deadline *deadline)
{
    front_up(&container_of(deadline, struct sqlite_front, retry)->front);
}

static void finish_commit(struct sqlite_request *request)
{
    struct sqlite_front *self = container_of(request, struct sqlite_front, commit);
    struct front *front = &self->front;
    struct batch *batch = self->commit.batch;
    if (self->commit.status == STATUS_OK) {
        backoff_reset(&self->backoff);
        front_rows_done(front, batch->count);
        front_fold_done(front);
        front_finish(front);
        return;
    }
    front_down(front);
    front_rolled_back(front);
    front_give_up_waiting(front, batch);
    if (!front->closing)
        deadline_set(&front->opts.loop->deadlines, &self->retry,
                     loop_now_ms(front->opts.loop) + backoff_next_ms(&self->backoff));
}

/* On the thread. The front's place is not moved while `loading`. */
static enum status run_load(struct sqlite_request *request, struct sqlite_db *db)
{
    struct sqlite_front *self = container_of(request, struct sqlite_front, load);
    return sqlite_db_load(db, self->front.load_after_ms, &self->front.load_after, &self->keys);
}

static void submit_load(struct sqlite_front *self)
{
    self->loading = true;
    sqlite_seat_submit(&self->seat, &self->load);
}

static void end_load(struct sqlite_front *self, enum status status)
{
    free(self->keys.keys);
    arena_done(&self->keys.notes);
    self->keys.keys = NULL;
    front_load_end(&self->front, status);
}

static void finish_load(struct sqlite_request *request)
{
    struct sqlite_front *self = container_of(request, struct sqlite_front, load);
    struct front *front = &self->front;
    self->loading = false;
    if (front->closing) {
        end_load(self, STATUS_UNAVAILABLE);
        loop_defer(front->opts.loop, &front->tell);
        return;
    }
    if (self->load.status != STATUS_OK) {
        end_load(self, self->load.status);
        return;
    }
    for (size_t i = 0; i < self->keys.count; i++)
        front_load_key(front, &self->keys.keys[i]);
    if (self->keys.more)
        submit_load(self);
    else
        end_load(self, STATUS_OK);
}

/* Nobody is made to wait for what will be refused. */
static enum op_status append(struct journal *journal, struct journal_op *op)
{
    if (op->level == JOURNAL_BUFFERED || !sqlite_store_is_full(from_journal(journal)->seat.store))
        return front_append(journal, op);
    op->status = STATUS_FULL;
    journal->stats.dropped += !op->record->queued;
    return OP_READY;
}

static void load_keys(struct journal *journal, struct journal_load *load)
{
    struct sqlite_front *self = from_journal(journal);
    front_load_begin(&self->front, load);
    self->keys.keys = malloc(FRONT_LOAD_CHUNK * sizeof(*self->keys.keys));
    self->keys.room = FRONT_LOAD_CHUNK;
    self->keys.note_room = FRONT_LOAD_NOTE_BYTES;
    /* Its bound is note_room and the note that reaches it. */
    arena_init(&self->keys.notes, LOAD_NOTES_BYTES, SIZE_MAX);
    if (self->keys.keys)
        submit_load(self);
    else
        end_load(self, STATUS_UNAVAILABLE);
}

/* Runs again when the thread gives a load back. */
static void finish(struct front *front)
{
    struct sqlite_front *self = from_front(front);
    if (self->loading)
        return;
    void (*closed)(void *arg) = front->closed;
    void *arg = front->closed_arg;
    sqlite_seat_close(&self->seat);
    free(self);
    closed(arg);
}

static void close_journal(struct journal *journal, void (*closed)(void *arg), void *arg)
{
    struct sqlite_front *self = from_journal(journal);
    deadline_clear(&self->front.opts.loop->deadlines, &self->retry);
    front_close(&self->front, closed, arg);
}

static const struct journal_backend backend = {
    .name = "sqlite",
    .append = append,
    .count_duplicate = front_count_duplicate,
    .load_keys = load_keys,
    .drain = front_drain,
    .close = close_journal,
};

enum status journal_sqlite_open(struct loop *loop, struct sqlite_store *store,
                                const struct uuid *owner, struct journal **ret_journal)
{
    struct sqlite_front *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    enum status status = sqlite_seat_open(&self->seat, loop, store);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    self->commit.returned = finish_commit;
    self->load.run = run_load;
    self->load.returned = finish_load;
    self->retry.expired = on_retry;
    struct front_opts opts = {.loop = loop,
                              .budget = sqlite_store_budget(store),
                              .owner = *owner,
                              .wait_ms = WAIT_MS,
                              .flush_interval_ms = sqlite_store_flush_interval_ms(store),
                              .send = send_batch,
                              .finish = finish};
    front_init(&self->front, &opts);
    self->front.journal.backend = &backend;
    self->commit.owner = &self->front.opts.owner;
    front_up(&self->front);
    *ret_journal = &self->front.journal;
    return STATUS_OK;
}
