/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue in PostgreSQL, on a connection of its own. One job at a time is under way on it;
 * pg_queue_send_next decides which is next: outcomes, and in turn with them renewals, a take, a
 * look for orphans, the upkeep. Outcomes wait for the link as long as it takes, everything else is
 * answered when it is away.
 *
 *   link up -> session set, schema there? ──> ready ──> finish, renew, take, upkeep …
 *     ^               │ not yet                 │
 *     └── back-off <──┴──── lost, dropped ──────┘
 */
#include "pg_queue.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- telling the listener ---- */

static void tell_up(struct pg_queue *self)
{
    self->told_up = true;
    self->told[0] = '\0';
    self->listener.changed(self->listener.arg, true, SLICE(""));
}

static void tell_trouble(struct pg_queue *self, struct slice detail)
{
    char text[PG_DETAIL_SIZE];
    snprintf(text, sizeof(text), "%.*s", (int)detail.len, detail.data);
    if (!self->told_up && strcmp(self->told, text) == 0)
        return;
    self->told_up = false;
    memcpy(self->told, text, sizeof(text));
    self->listener.changed(self->listener.arg, false, slice_str(self->told));
}

/* ---- jobs ---- */

void pg_queue_begin(struct pg_queue *self, struct pg_job *job, uint32_t timeout_ms)
{
    char text[80];
    snprintf(text, sizeof(text), "SELECT set_config('statement_timeout', '%u', true)", timeout_ms);
    pg_link_begin(&self->link, job, timeout_ms);
    pg_link_query(&self->link, text, 0, NULL, NULL, NULL);
}

bool pg_queue_add(struct pg_queue *self, const char *text)
{
    if (pg_args_send(&self->args, &self->link, text))
        return true;
    pg_link_drop(&self->link, "out of memory");
    return false;
}

/* A time-out, a deadlock, a lock or a serialization that failed: the next try may do better. */
static bool is_passing(const struct pg_failure *failure)
{
    static const char *const passing[] = {"57014", "40P01", "55P03", "40001"};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strcmp(failure->sqlstate, passing[i]) == 0)
            return true;
    return false;
}

void pg_queue_job_ended(struct pg_queue *self, const struct pg_failure *failure)
{
    self->queue.stats.errors += failure != NULL;
    if (!failure)
        pg_link_proven(&self->link);
    else if (!failure->lost && !is_passing(failure))
        pg_link_drop(&self->link, failure->message);
    pg_queue_send_next(self);
}

bool pg_queue_may_take_over(const struct pg_queue *self)
{
    return loop_now_ms(self->loop) >= self->ready_at_ms + self->takeover_ms;
}

/* ---- what is next on the link ---- */

static bool send_other(struct pg_queue *self)
{
    return pg_queue_renew_send(self) || pg_queue_take_send(self) || pg_queue_orphans_send(self) ||
           pg_queue_upkeep_send(self);
}

void pg_queue_send_next(struct pg_queue *self)
{
    if (!self->ready || !pg_link_is_free(&self->link))
        return;
    if (self->finish.was_last && send_other(self))
        self->finish.was_last = false;
    else if (pg_queue_finish_send(self))
        self->finish.was_last = true;
    else
        (void)send_other(self);
}

void pg_queue_pump(struct pg_queue *self)
{
    loop_defer(self->loop, &self->send);
}

void pg_queue_answer(struct pg_queue *self)
{
    loop_defer(self->loop, &self->tell);
}

/* Without a link nothing but finishes waits. */
static void on_send(struct loop_hook *hook)
{
    struct pg_queue *self = container_of(hook, struct pg_queue, send);
    if (self->ready) {
        pg_queue_send_next(self);
        return;
    }
    pg_queue_renew_fail(self);
    pg_queue_take_fail(self);
    pg_queue_upkeep_fail(self);
    pg_queue_orphans_fail(self);
}

static void end_closing(struct pg_queue *self)
{
    void (*closed)(void *arg) = self->closed;
    void *arg = self->closed_arg;
    pg_args_done(&self->args);
    free(self);
    closed(arg);
}

/* Who is told may close the queue, which has more to tell: this runs once more then. */
static void on_tell(struct loop_hook *hook)
{
    struct pg_queue *self = container_of(hook, struct pg_queue, tell);
    bool is_last = self->closing;
    pg_queue_finish_tell(self);
    pg_queue_renew_tell(self);
    pg_queue_take_tell(self);
    pg_queue_upkeep_tell(self);
    pg_queue_orphans_tell(self);
    if (is_last)
        end_closing(self);
}

/* ---- the session ---- */

/* Durable has to mean it. Every statement of this connection is only good by the indexes it was
 * written for, and statistics of a day that has just begun say nothing of them: the planner isn't
 * left a choice. It is asked each time: a plan that was made while a day's partition was empty
 * would be kept when that is full. What can't be is told as a missing table or column. */
static const char *const session[] = {
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
    "SELECT set_config(name, 'off', false) FROM unnest(ARRAY['jit', 'enable_seqscan',"
    " 'enable_bitmapscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_sort']) AS name",
    "SELECT e.attempts_before, e.lease_owner, d.attempt FROM event e, delivery d LIMIT 0",
    "SELECT current_setting('transaction_read_only')",
};

enum { SESSION_STATEMENTS = sizeof(session) / sizeof(session[0]) };

static void on_connected(struct pg_link *link)
{
    struct pg_queue *self = container_of(link, struct pg_queue, link);
    pg_link_begin(link, &self->check, self->timeout_ms);
    for (size_t i = 0; i < SESSION_STATEMENTS; i++)
        pg_link_query(link, session[i], 0, NULL, NULL, NULL);
    pg_link_commit(link);
}

static void on_check_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, check);
    if (statement == SESSION_STATEMENTS - 1)
        self->is_read_only = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "off") != 0;
}

static void become_ready(struct pg_queue *self)
{
    self->ready = true;
    self->ready_at_ms = loop_now_ms(self->loop);
    self->queue.stats.up = true;
    tell_up(self);
    pg_queue_pump(self);
}

static void on_checked(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, check);
    if (!failure && !self->is_read_only)
        become_ready(self);
    else if (!failure)
        pg_link_drop(&self->link, "the server is read-only");
    else if (!failure->lost)
        pg_link_drop(&self->link, failure->message);
    /* else: on_lost is next */
}

static void on_lost(struct pg_link *link, struct slice detail)
{
    struct pg_queue *self = container_of(link, struct pg_queue, link);
    self->ready = false;
    self->queue.stats.up = false;
    pg_queue_renew_fail(self);
    pg_queue_take_fail(self);
    pg_queue_upkeep_fail(self);
    pg_queue_orphans_fail(self);
    tell_trouble(self, detail);
}

static const struct pg_link_handlers link_handlers = {.connected = on_connected, .lost = on_lost};

/* ---- opening and closing ---- */

static void close_queue(struct queue *queue, void (*closed)(void *arg), void *arg)
{
    struct pg_queue *self = pg_queue_of(queue);
    self->closing = true;
    self->ready = false;
    self->closed = closed;
    self->closed_arg = arg;
    pg_link_close(&self->link);
    loop_undefer(&self->send);
    pg_queue_finish_fail(self);
    pg_queue_renew_fail(self);
    pg_queue_take_fail(self);
    pg_queue_upkeep_fail(self);
    pg_queue_orphans_fail(self);
    pg_queue_answer(self);
}

static const struct queue_backend backend = {
    .name = "postgres",
    .take = pg_queue_take,
    .finish = pg_queue_finish,
    .renew = pg_queue_renew,
    .upkeep = pg_queue_upkeep,
    .orphans = pg_queue_orphans,
    .close = close_queue,
};

static void init_parts(struct pg_queue *self, struct loop *loop, const struct pg_opts *opts)
{
    self->queue.backend = &backend;
    self->loop = loop;
    self->owner = opts->owner;
    self->timeout_ms = opts->timeout_ms;
    self->takeover_ms = opts->takeover_ms;
    self->send.run = on_send;
    self->tell.run = on_tell;
    self->check = (struct pg_job){.result = on_check_result, .ended = on_checked};
    pg_args_init(&self->args);
    pg_queue_take_init(self);
    pg_queue_finish_init(self);
    pg_queue_renew_init(self);
    pg_queue_upkeep_init(self);
    pg_queue_orphans_init(self);
}

enum status queue_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                struct pg_listener listener, struct queue **ret_queue)
{
    struct pg_queue *self = calloc(1, sizeof(*self));
    if (!self)
        return STATUS_NO_MEMORY;
    init_parts(self, loop, opts);
    self->listener = listener;
    enum status status =
        pg_link_open(&self->link, loop, opts->url, opts->timeout_ms, &link_handlers);
    if (status != STATUS_OK) {
        free(self);
        return status;
    }
    *ret_queue = &self->queue;
    return STATUS_OK;
}
