/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue on the SQLite file, as one worker sees it: each operation is a job on the SQLite
 * thread. Outcomes of one turn go together, and so do those that gather while a job is on its way;
 * a job that failed goes again, in its order, for ever.
 *
 *   finish: gathering ──end of turn──> writing ──written──> answers
 *               ^                         |
 *               '────── failed, back-off ─'
 */
#include "backoff.h"
#include "sqlite_orphans.h"
#include "sqlite_queue.h"
#include "sqlite_store.h"

#include <assert.h>
#include <stdlib.h>

#define TAKE_CHUNK_BYTES (64u << 10)
#define FINISHES_MAX 1000u /* outcomes of one job: some ten milliseconds */

/* An outcome on its way; its bytes right behind it. */
struct outcome {
    struct list link;
    struct queue_finish *finish; /* the submitter's */
    struct queue_finish copy;
    enum status status;
};

struct sqlite_queue {
    struct queue queue;
    struct loop *loop;
    struct sqlite_seat seat;
    struct uuid owner;
    size_t out; /* requests that are the thread's */
    struct loop_hook pump, tell;
    /* take */
    struct queue_take *take;
    struct sqlite_request take_job;
    uint64_t take_after; /* it waits until so many outcomes are settled */
    bool is_taking;      /* the job is the thread's */
    struct sqlite_taking taking;
    /* finish */
    struct sqlite_request finish_job;
    struct list gathering, writing; /* struct outcome */
    struct list refused;            /* struct queue_finish that could not be copied */
    uint64_t submitted, settled;    /* outcomes, ever */
    bool is_writing;
    bool is_stuck; /* a write failed, and none has succeeded since */
    struct backoff backoff;
    struct deadline retry;
    /* renew */
    struct queue_renew *renew;
    struct sqlite_request renew_job;
    /* upkeep */
    struct queue_upkeep *upkeep;
    struct sqlite_request upkeep_job;
    struct sqlite_walk walk;
    struct sqlite_look look; /* for orphans */
    /* the end */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct sqlite_queue *from_queue(struct queue *queue)
{
    return container_of(queue, struct sqlite_queue, queue);
}

static void submit(struct sqlite_queue *self, struct sqlite_request *job)
{
    self->out++;
    sqlite_seat_submit(&self->seat, job);
}

/* What any job's return means for the whole. */
static void note_return(struct sqlite_queue *self, enum status status)
{
    self->out--;
    self->queue.stats.up = status == STATUS_OK;
    if (status != STATUS_OK)
        self->queue.stats.errors++;
    if (self->closing)
        loop_defer(self->loop, &self->tell);
}

/* ---- take ---- */

/* On the thread. */
static enum status run_take(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, take_job);
    enum status status = STATUS_OK;
    self->taking.takes_over = !sqlite_store_is_stuck(self->seat.store);
    for (size_t i = 0; status == STATUS_OK && i < self->take->want_count; i++)
        status = sqlite_queue_take(db, &self->owner, &self->take->wants[i], &self->taking);
    return status;
}

static void tell_taken(struct sqlite_queue *self, struct queue_take *take)
{
    for (struct list *link; (link = list_pop_front(&self->taking.events));) {
        struct sqlite_taken *taken = container_of(link, struct sqlite_taken, link);
        taken->event.home = sqlite_store_home(self->seat.store);
        self->queue.stats.taken++;
        take->event(take, &taken->event);
    }
}

/* The events' memory lives until `ended` has returned; the next take may be asked for in there. */
static void on_taken(struct sqlite_request *job)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, take_job);
    struct queue_take *take = self->take;
    struct arena arena = self->taking.arena;
    self->is_taking = false;
    note_return(self, job->status);
    take->status = self->closing ? STATUS_UNAVAILABLE : job->status;
    take->next_due_ms = UINT64_MAX;
    if (take->status == STATUS_OK) {
        take->next_due_ms = self->taking.next_due_ms;
        tell_taken(self, take);
    }
    self->take = NULL;
    take->ended(take);
    arena_done(&arena);
}

/* Outcomes that were told before it go first: the leases of their events may have ended. */
static void send_take(struct sqlite_queue *self)
{
    if (!self->take || self->is_taking || self->settled < self->take_after)
        return;
    self->is_taking = true;
    submit(self, &self->take_job);
}

static void begin_take(struct queue *queue, struct queue_take *take)
{
    struct sqlite_queue *self = from_queue(queue);
    assert(!self->take && !self->closing);
    self->take = take;
    self->take_after = self->submitted;
    self->taking = (struct sqlite_taking){.bytes_max = take->bytes_max, .next_due_ms = UINT64_MAX};
    arena_init(&self->taking.arena, TAKE_CHUNK_BYTES, SIZE_MAX);
    list_init(&self->taking.events);
    send_take(self);
}

/* ---- finish ---- */

static char *copy_bytes(char *at, struct slice *bytes, size_t max)
{
    size_t len = bytes->len < max ? bytes->len : max;
    if (len > 0)
        memcpy(at, bytes->data, len);
    *bytes = slice_of(at, len);
    return at + len;
}

/* What the database of either kind takes as text. */
static void make_ascii(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
}

static struct outcome *copy_finish(struct queue_finish *finish)
{
    struct outcome *outcome = malloc(sizeof(*outcome) + QUEUE_ERROR_BYTES + QUEUE_RESPONSE_BYTES);
    if (!outcome)
        return NULL;
    outcome->finish = finish;
    outcome->copy = *finish;
    char *error = (char *)(outcome + 1);
    char *response = copy_bytes(error, &outcome->copy.error, QUEUE_ERROR_BYTES);
    make_ascii(error, outcome->copy.error.len);
    copy_bytes(response, &outcome->copy.response, QUEUE_RESPONSE_BYTES);
    return outcome;
}

static void answer(struct queue_finish *finish, enum status status)
{
    finish->status_of_write = status;
    finish->answered(finish);
}

/* On the thread. */
static enum status run_finish(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, finish_job);
    for (struct list *link = self->writing.next; link != &self->writing; link = link->next) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        outcome->status = sqlite_queue_finish(db, &self->owner, &outcome->copy);
        if (outcome->status == STATUS_UNAVAILABLE)
            return STATUS_UNAVAILABLE;
    }
    return STATUS_OK;
}

static void write_gathered(struct sqlite_queue *self)
{
    if (self->is_writing || deadline_is_set(&self->retry))
        return;
    for (size_t i = 0; i < FINISHES_MAX && !list_is_empty(&self->gathering); i++)
        list_push_back(&self->writing, list_pop_front(&self->gathering));
    if (list_is_empty(&self->writing))
        return;
    self->is_writing = true;
    submit(self, &self->finish_job);
}

static void on_pump(struct loop_hook *hook)
{
    struct sqlite_queue *self = container_of(hook, struct sqlite_queue, pump);
    if (!self->closing)
        write_gathered(self);
}

static void on_retry(struct deadline *deadline)
{
    write_gathered(container_of(deadline, struct sqlite_queue, retry));
}

static void answer_written(struct sqlite_queue *self)
{
    struct queue_stats *stats = &self->queue.stats;
    struct list written;
    list_init(&written);
    list_move_all(&written, &self->writing);
    for (struct list *link; (link = list_pop_front(&written));) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        struct queue_finish *finish = outcome->finish;
        enum status status = outcome->status;
        free(outcome);
        self->settled++;
        stats->pending_finishes--;
        if (status == STATUS_OK)
            stats->finished++;
        else
            stats->fenced++;
        answer(finish, status);
    }
}

/* While an outcome can't be written, nobody in this process takes events whose lease has ended: one
 * of them may be its event. */
static void set_stuck(struct sqlite_queue *self, bool is_stuck)
{
    if (self->is_stuck != is_stuck)
        sqlite_store_note_stuck(self->seat.store, is_stuck);
    self->is_stuck = is_stuck;
}

static void on_finished(struct sqlite_request *job)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, finish_job);
    note_return(self, job->status);
    self->is_writing = false;
    set_stuck(self, job->status != STATUS_OK);
    if (job->status == STATUS_OK) {
        backoff_reset(&self->backoff);
        answer_written(self);
        send_take(self);
    } else if (!self->closing) {
        deadline_set(&self->loop->deadlines, &self->retry,
                     loop_now_ms(self->loop) + backoff_next_ms(&self->backoff));
    }
    loop_defer(self->loop, &self->pump);
}

static void begin_finish(struct queue *queue, struct queue_finish *finish)
{
    struct sqlite_queue *self = from_queue(queue);
    struct outcome *outcome = copy_finish(finish);
    assert(!self->closing);
    queue->stats.pending_finishes++;
    self->submitted++;
    if (outcome) {
        list_push_back(&self->gathering, &outcome->link);
        loop_defer(self->loop, &self->pump);
    } else {
        list_push_back(&self->refused, &finish->link);
        loop_defer(self->loop, &self->tell);
    }
}

/* ---- renew ---- */

/* On the thread. */
static enum status run_renew(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, renew_job);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < self->renew->count; i++)
        status = sqlite_queue_renew(db, &self->owner, &self->renew->leases[i]);
    return status;
}

static void on_renewed(struct sqlite_request *job)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, renew_job);
    struct queue_renew *renew = self->renew;
    note_return(self, job->status);
    self->renew = NULL;
    renew->status = job->status;
    for (size_t i = 0; job->status == STATUS_OK && i < renew->count; i++)
        self->queue.stats.leases_lost += renew->leases[i].lost;
    renew->ended(renew);
}

static void begin_renew(struct queue *queue, struct queue_renew *renew)
{
    struct sqlite_queue *self = from_queue(queue);
    assert(!self->renew && !self->closing);
    self->renew = renew;
    submit(self, &self->renew_job);
}

/* ---- upkeep ---- */

/* On the thread. */
static enum status run_upkeep(struct sqlite_request *job, struct sqlite_db *db)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, upkeep_job);
    self->walk.takes_over = !sqlite_store_is_stuck(self->seat.store);
    return sqlite_queue_upkeep(db, &self->walk, self->upkeep);
}

static void on_kept_up(struct sqlite_request *job)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, upkeep_job);
    struct queue_upkeep *upkeep = self->upkeep;
    note_return(self, job->status);
    self->upkeep = NULL;
    upkeep->status = job->status;
    upkeep->ended(upkeep);
}

static void begin_upkeep(struct queue *queue, struct queue_upkeep *upkeep)
{
    struct sqlite_queue *self = from_queue(queue);
    assert(!self->upkeep && !self->closing);
    self->upkeep = upkeep;
    submit(self, &self->upkeep_job);
}

/* ---- orphans ---- */

static void on_looked(struct sqlite_request *job)
{
    struct sqlite_queue *self = container_of(job, struct sqlite_queue, look.job);
    note_return(self, job->status);
    sqlite_look_tell(&self->look, self->closing ? STATUS_UNAVAILABLE : job->status);
}

static void begin_look(struct queue *queue, struct queue_orphans *orphans)
{
    struct sqlite_queue *self = from_queue(queue);
    assert(!self->look.op && !self->closing);
    sqlite_look_begin(&self->look, orphans);
    submit(self, &self->look.job);
}

/* ---- the end ---- */

static void give_up_refused(struct sqlite_queue *self)
{
    for (struct list *link; (link = list_pop_front(&self->refused));) {
        self->queue.stats.pending_finishes--;
        self->settled++;
        answer(container_of(link, struct queue_finish, link), STATUS_UNAVAILABLE);
    }
    send_take(self);
}

static void give_up_take(struct sqlite_queue *self)
{
    struct queue_take *take = self->take;
    if (!take || self->is_taking)
        return;
    self->take = NULL;
    take->status = STATUS_UNAVAILABLE;
    take->next_due_ms = UINT64_MAX;
    take->ended(take);
}

static void give_up_outcomes(struct list *outcomes)
{
    for (struct list *link; (link = list_pop_front(outcomes));) {
        struct outcome *outcome = container_of(link, struct outcome, link);
        struct queue_finish *finish = outcome->finish;
        free(outcome);
        answer(finish, STATUS_UNAVAILABLE);
    }
}

static void finish_close(struct sqlite_queue *self)
{
    void (*closed)(void *arg) = self->closed;
    void *arg = self->closed_arg;
    loop_undefer(&self->pump);
    loop_undefer(&self->tell);
    set_stuck(self, false);
    sqlite_seat_close(&self->seat);
    free(self);
    closed(arg);
}

/* What the thread has is told when it comes back, and before the end. */
static void on_tell(struct loop_hook *hook)
{
    struct sqlite_queue *self = container_of(hook, struct sqlite_queue, tell);
    give_up_refused(self);
    if (!self->closing)
        return;
    give_up_outcomes(&self->gathering);
    if (!self->is_writing)
        give_up_outcomes(&self->writing);
    give_up_take(self);
    if (self->out == 0)
        finish_close(self);
}

static void close_queue(struct queue *queue, void (*closed)(void *arg), void *arg)
{
    struct sqlite_queue *self = from_queue(queue);
    assert(!self->closing);
    self->closing = true;
    self->closed = closed;
    self->closed_arg = arg;
    deadline_clear(&self->loop->deadlines, &self->retry);
    loop_defer(self->loop, &self->tell);
}

static const struct queue_backend backend = {
    .name = "sqlite",
    .take = begin_take,
    .finish = begin_finish,
    .renew = begin_renew,
    .upkeep = begin_upkeep,
    .orphans = begin_look,
    .close = close_queue,
};

static struct sqlite_request job(enum status (*run)(struct sqlite_request *request,
                                                    struct sqlite_db *db),
                                 void (*returned)(struct sqlite_request *request), bool durable)
{
    return (struct sqlite_request){
        .run = run, .returned = returned, .writes = true, .durable = durable};
}

/* Only outcomes have to survive a power cut: leases end with this process anyway, and what the
 * upkeep did it does again. */
static void init(struct sqlite_queue *self)
{
    list_init(&self->gathering);
    list_init(&self->writing);
    list_init(&self->refused);
    self->pump.run = on_pump;
    self->tell.run = on_tell;
    self->retry.expired = on_retry;
    self->take_job = job(run_take, on_taken, false);
    self->finish_job = job(run_finish, on_finished, true);
    self->renew_job = job(run_renew, on_renewed, false);
    self->upkeep_job = job(run_upkeep, on_kept_up, false);
    sqlite_look_init(&self->look, on_looked);
    self->queue.backend = &backend;
    self->queue.stats.up = true;
}

enum status queue_sqlite_open(struct loop *loop, struct sqlite_store *store,
                              const struct uuid *owner, struct queue **ret_queue)
{
    struct sqlite_queue *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    enum status status = sqlite_seat_open(&self->seat, loop, store);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    self->loop = loop;
    self->owner = *owner;
    init(self);
    *ret_queue = &self->queue;
    return STATUS_OK;
}
