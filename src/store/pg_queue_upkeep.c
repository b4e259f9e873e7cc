/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upkeep of the queue in PostgreSQL: parking, unparking and expiring events in bounded steps,
 * then counting. Two transactions: what the first one changed isn't locked while the second counts.
 * Leased events are never touched; one whose lease has ended only when it could be taken as well.
 */
#include "pg_queue.h"

#include "pg_columns.h"

#include <assert.h>
#include <libpq-fe.h>

#define UPKEEP_TIMEOUT_MS                                                                          \
    8000u /* renewals wait behind it: two of them are less than a usual lease */

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define ROWS_BOUND 2000
#define ROWS_MAX TEXT(ROWS_BOUND) /* changed of one kind in a round */
#define EXAMINED_MAX "10000"      /* of one route's longest due events, in search for old ones */
#define COUNT_MAX "50000"         /* beyond it an index's statistics are told */

/* A lease with nobody's name on it only kept its row for a while (journal_record.ownerless).
 *
 * `seen`: the routes that have queued events. Each is one look into the index event_due, behind the
 * last one; a DISTINCT would read all of it. It ends with a NULL. */
#define SEEN                                                                                       \
    "WITH RECURSIVE seen (route) AS ("                                                             \
    " (SELECT e.route FROM event e WHERE e.state = 'queued' ORDER BY e.route LIMIT 1)"             \
    " UNION ALL SELECT (SELECT e.route FROM event e WHERE e.state = 'queued'"                      \
    " AND e.route > s.route ORDER BY e.route LIMIT 1) FROM seen s WHERE s.route IS NOT NULL)"

static const char park_text[] = SEEN
    ", gone AS MATERIALIZED (SELECT q.* FROM seen s CROSS JOIN LATERAL"
    " (SELECT e.id, e.received_at FROM event e WHERE e.route = s.route AND e.state = 'queued'"
    " AND (e.lease_until IS NULL OR e.lease_until <= now() AND (e.lease_owner IS NULL OR $2))"
    " ORDER BY e.next_attempt_at LIMIT " ROWS_MAX " FOR UPDATE SKIP LOCKED) AS q"
    " WHERE s.route <> ALL ($1) LIMIT " ROWS_MAX "),"
    " parked AS (UPDATE event e"
    " SET state = 'parked', next_attempt_at = NULL, lease_until = NULL"
    " FROM gone g WHERE e.id = g.id AND e.received_at = g.received_at RETURNING 1)"
    " SELECT count(*) FROM parked";

static const char unpark_text[] =
    "WITH back AS MATERIALIZED (SELECT e.id, e.received_at FROM event e"
    " WHERE e.state = 'parked' AND e.route = ANY ($1)"
    " ORDER BY e.received_at LIMIT " ROWS_MAX " FOR UPDATE SKIP LOCKED),"
    " unparked AS (UPDATE event e SET state = 'queued', next_attempt_at = now()"
    " FROM back b WHERE e.id = b.id AND e.received_at = b.received_at RETURNING 1)"
    " SELECT count(*) FROM unparked";

/* Whole days that are too young are left out by their bounds. What has been due for longest is
 * looked at first. */
static const char expire_text[] =
    "WITH old AS MATERIALIZED (SELECT q.id, q.received_at FROM unnest($1, $2) AS w (route, max_age)"
    " CROSS JOIN LATERAL (SELECT e.id, e.received_at, e.last_replayed_at, e.lease_until,"
    " e.lease_owner FROM event e WHERE e.route = w.route AND e.state = 'queued' AND e.received_at <"
    " date_trunc('day', now() - w.max_age * interval '1 millisecond', 'UTC') + interval '1 day'"
    " ORDER BY e.next_attempt_at LIMIT " EXAMINED_MAX ") AS q"
    " WHERE greatest(q.received_at, q.last_replayed_at)"
    " < now() - w.max_age * interval '1 millisecond'"
    " AND (q.lease_until IS NULL OR q.lease_until <= now() AND (q.lease_owner IS NULL OR $3))"
    " LIMIT " ROWS_MAX "),"
    " locked AS MATERIALIZED (SELECT e.id, e.received_at FROM old o"
    " JOIN event e ON e.id = o.id AND e.received_at = o.received_at"
    " WHERE e.state = 'queued'"
    " AND (e.lease_until IS NULL OR e.lease_until <= now() AND (e.lease_owner IS NULL OR $3))"
    " FOR UPDATE OF e SKIP LOCKED),"
    " expired AS (UPDATE event e SET state = 'dead', next_attempt_at = NULL, lease_until = NULL,"
    " last_error = 'max_age', error_category = coalesce(e.error_category, 'transient')"
    " FROM locked l WHERE e.id = l.id AND e.received_at = l.received_at RETURNING 1)"
    " SELECT count(*) FROM expired";

#define COUNT(state, index)                                                                        \
    "(SELECT CASE WHEN count(*) <= " COUNT_MAX " THEN count(*) ELSE greatest(count(*),"            \
    " (SELECT sum(c.reltuples)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"   \
    " WHERE i.inhparent = '" index "'::regclass)) END"                                             \
    " FROM (SELECT FROM event WHERE state = '" state "' LIMIT " COUNT_MAX " + 1) AS counted)"

#define OLDEST                                                                                     \
    "(SELECT CASE WHEN count(*) = 0 THEN 0"                                                        \
    " ELSE greatest(1, ceil(extract(epoch FROM now() - min(d.due)) * 1000)) END::bigint"           \
    " FROM seen s CROSS JOIN LATERAL (SELECT e.next_attempt_at AS due FROM event e"                \
    " WHERE e.route = s.route AND e.state = 'queued' AND e.next_attempt_at <= now()"               \
    " ORDER BY e.next_attempt_at LIMIT 1) AS d)"

static const char count_text[] = SEEN " SELECT " COUNT("queued", "event_due") ", " COUNT(
    "dead", "event_stuck") ", " COUNT("parked", "event_stuck") ", " OLDEST;

enum { STATEMENT_PARK = 1, STATEMENT_UNPARK, STATEMENT_EXPIRE };
enum { STATEMENT_COUNT = 1 };

/* ---- changing ---- */

static void put_routes(struct pg_queue *self)
{
    const struct queue_upkeep *op = self->upkeep.op;
    pg_args_reset(&self->args);
    pg_args_array(&self->args, PG_TEXT, op->route_count);
    for (size_t i = 0; i < op->route_count; i++)
        pg_args_bytes(&self->args, op->routes[i].name);
}

static void put_ages(struct pg_queue *self)
{
    const struct queue_upkeep *op = self->upkeep.op;
    pg_args_array(&self->args, PG_INT8, op->route_count);
    for (size_t i = 0; i < op->route_count; i++)
        pg_args_number(&self->args, op->routes[i].max_age_ms < PG_QUEUE_SPAN_MAX_MS
                                        ? op->routes[i].max_age_ms
                                        : PG_QUEUE_SPAN_MAX_MS);
}

static void put_may_take_over(struct pg_queue *self)
{
    pg_args_scalar(&self->args, PG_BOOL);
    pg_args_number(&self->args, pg_queue_may_take_over(self));
}

static bool add_changes(struct pg_queue *self)
{
    put_routes(self);
    put_may_take_over(self);
    if (!pg_queue_add(self, park_text))
        return false;
    put_routes(self);
    if (!pg_queue_add(self, unpark_text))
        return false;
    put_routes(self);
    put_ages(self);
    put_may_take_over(self);
    return pg_queue_add(self, expire_text);
}

bool pg_queue_upkeep_send(struct pg_queue *self)
{
    if (!self->upkeep.op || self->upkeep.over)
        return false;
    pg_queue_begin(self, &self->upkeep.change, UPKEEP_TIMEOUT_MS);
    if (add_changes(self))
        pg_link_commit(&self->link);
    return true;
}

static uint64_t number_at(const struct pg_result *result, int column)
{
    return PQntuples(result) == 1 ? pg_get_u64(PQgetvalue(result, 0, column)) : 0;
}

static void on_changed(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct queue_upkeep *op = container_of(job, struct pg_queue, upkeep.change)->upkeep.op;
    if (statement == STATEMENT_PARK)
        op->parked = number_at(result, 0);
    else if (statement == STATEMENT_UNPARK)
        op->unparked = number_at(result, 0);
    else if (statement == STATEMENT_EXPIRE)
        op->expired = number_at(result, 0);
}

/* ---- counting ---- */

static void on_counted(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct queue_upkeep *op = container_of(job, struct pg_queue, upkeep.count)->upkeep.op;
    if (statement != STATEMENT_COUNT)
        return;
    op->queued_now = number_at(result, 0);
    op->dead_now = number_at(result, 1);
    op->parked_now = number_at(result, 2);
    op->oldest_due_ms = number_at(result, 3);
}

static void end_upkeep(struct pg_queue *self, enum status status)
{
    self->upkeep.op->status = status;
    self->upkeep.over = true;
    pg_queue_answer(self);
}

static void on_count_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, upkeep.count);
    end_upkeep(self, failure ? STATUS_UNAVAILABLE : STATUS_OK);
    pg_queue_job_ended(self, failure);
}

static void count_states(struct pg_queue *self)
{
    pg_queue_begin(self, &self->upkeep.count, UPKEEP_TIMEOUT_MS);
    pg_args_reset(&self->args);
    if (pg_queue_add(self, count_text))
        pg_link_commit(&self->link);
}

static void on_change_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, upkeep.change);
    struct queue_upkeep *op = self->upkeep.op;
    if (failure) {
        end_upkeep(self, STATUS_UNAVAILABLE);
        pg_queue_job_ended(self, failure);
        return;
    }
    op->more = op->parked >= ROWS_BOUND || op->unparked >= ROWS_BOUND || op->expired >= ROWS_BOUND;
    count_states(self);
}

/* ---- the operation ---- */

void pg_queue_upkeep_fail(struct pg_queue *self)
{
    if (self->upkeep.op && !self->upkeep.over)
        end_upkeep(self, STATUS_UNAVAILABLE);
}

void pg_queue_upkeep_tell(struct pg_queue *self)
{
    struct queue_upkeep *op = self->upkeep.op;
    if (!op || !self->upkeep.over)
        return;
    self->upkeep.op = NULL;
    op->ended(op);
}

void pg_queue_upkeep(struct queue *queue, struct queue_upkeep *upkeep)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(!self->upkeep.op && !self->closing);
    upkeep->parked = upkeep->unparked = upkeep->expired = 0;
    upkeep->queued_now = upkeep->dead_now = upkeep->parked_now = upkeep->oldest_due_ms = 0;
    upkeep->more = false;
    self->upkeep.op = upkeep;
    self->upkeep.over = false;
    pg_queue_pump(self);
}

void pg_queue_upkeep_init(struct pg_queue *self)
{
    self->upkeep.change = (struct pg_job){.result = on_changed, .ended = on_change_ended};
    self->upkeep.count = (struct pg_job){.result = on_counted, .ended = on_count_ended};
}
