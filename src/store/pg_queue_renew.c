/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prolonging leases in PostgreSQL: those of attempts under way, all of them in one statement. A
 * lease that has ended is ours as long as nobody else took the event.
 */
#include "pg_queue.h"

#include "pg_columns.h"

#include <assert.h>
#include <libpq-fe.h>

/* pg_rows.h says why it is put like that. */
static const char text[] =
    "UPDATE event e SET lease_until = now() + l.lease_ms * interval '1 millisecond',"
    " next_attempt_at = now() + l.lease_ms * interval '1 millisecond'"
    " FROM (SELECT l.* FROM unnest((SELECT $1), (SELECT $2), (SELECT $3)) WITH ORDINALITY"
    " AS l (id, received_at, lease_ms, ord)"
    " CROSS JOIN LATERAL (SELECT e.state, e.lease_owner, e.lease_until, e.attempts FROM event e "
    "WHERE e.id = l.id"
    " AND e.received_at = l.received_at AND e.received_at BETWEEN $4 AND $5"
    " FOR NO KEY UPDATE OFFSET 0) AS e"
    " WHERE e.state = 'queued' AND e.lease_owner = $6 AND e.lease_until IS NOT NULL) AS l"
    " WHERE e.id = l.id AND e.received_at = l.received_at AND e.received_at BETWEEN $4 AND $5"
    " RETURNING l.ord";

enum { STATEMENT_RENEW = 1 };

static void put_bounds(struct pg_args *args, const struct queue_renew *op)
{
    uint64_t from_ms = UINT64_MAX, to_ms = 0;
    for (size_t i = 0; i < op->count; i++) {
        uint64_t at_ms = uuid_time_ms(&op->leases[i].event_id);
        from_ms = at_ms < from_ms ? at_ms : from_ms;
        to_ms = at_ms > to_ms ? at_ms : to_ms;
    }
    pg_args_days(args, from_ms, to_ms);
}

static void put_leases(struct pg_queue *self, const struct queue_renew *op)
{
    struct pg_args *args = &self->args;
    pg_args_reset(args);
    pg_args_array(args, PG_UUID, op->count);
    for (size_t i = 0; i < op->count; i++)
        pg_args_uuid(args, &op->leases[i].event_id);
    pg_args_array(args, PG_TIME, op->count);
    for (size_t i = 0; i < op->count; i++)
        pg_args_time(args, uuid_time_ms(&op->leases[i].event_id));
    pg_args_array(args, PG_INT8, op->count);
    for (size_t i = 0; i < op->count; i++)
        pg_args_number(args, op->leases[i].lease_ms);
    put_bounds(args, op);
    pg_args_scalar(args, PG_UUID);
    pg_args_uuid(args, &self->owner);
}

bool pg_queue_renew_send(struct pg_queue *self)
{
    if (!self->renew.op || self->renew.over)
        return false;
    for (size_t i = 0; i < self->renew.op->count; i++)
        self->renew.op->leases[i].lost = true;
    pg_queue_begin(self, &self->renew.job, self->timeout_ms);
    put_leases(self, self->renew.op);
    if (pg_queue_add(self, text))
        pg_link_commit(&self->link);
    return true;
}

/* Ordinals count from 1. */
static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, renew.job);
    struct queue_renew *op = self->renew.op;
    for (int i = 0; statement == STATEMENT_RENEW && i < PQntuples(result); i++) {
        uint64_t ordinal = pg_get_u64(PQgetvalue(result, i, 0));
        if (ordinal >= 1 && ordinal <= op->count)
            op->leases[ordinal - 1].lost = false;
    }
}

static void end_renew(struct pg_queue *self, enum status status)
{
    self->renew.op->status = status;
    self->renew.over = true;
    pg_queue_answer(self);
}

static void count_lost(struct pg_queue *self)
{
    for (size_t i = 0; i < self->renew.op->count; i++)
        self->queue.stats.leases_lost += self->renew.op->leases[i].lost;
}

static void on_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, renew.job);
    if (!failure)
        count_lost(self);
    end_renew(self, failure ? STATUS_UNAVAILABLE : STATUS_OK);
    pg_queue_job_ended(self, failure);
}

void pg_queue_renew_fail(struct pg_queue *self)
{
    if (self->renew.op && !self->renew.over)
        end_renew(self, STATUS_UNAVAILABLE);
}

void pg_queue_renew_tell(struct pg_queue *self)
{
    struct queue_renew *op = self->renew.op;
    if (!op || !self->renew.over)
        return;
    self->renew.op = NULL;
    op->ended(op);
}

void pg_queue_renew(struct queue *queue, struct queue_renew *renew)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(!self->renew.op && !self->closing);
    self->renew.op = renew;
    self->renew.over = false;
    pg_queue_pump(self);
}

void pg_queue_renew_init(struct pg_queue *self)
{
    self->renew.job = (struct pg_job){.result = on_result, .ended = on_ended};
}
