/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking due events from PostgreSQL: one statement finds, locks, leases and returns them, another
 * one looks when the next falls due. Rows that somebody else is about to lease are skipped, never
 * waited for. Nothing is told before the leases are committed, so the rows are kept until then.
 */
#include "pg_queue.h"

#include "pg_columns.h"

#include <assert.h>
#include <endian.h>
#include <libpq-fe.h>

/* A slow take delays outcomes, a repeated one repeats all its work: it gets more patience. */
#define TAKE_PATIENCE 4u

/* What is below a route's floor (pg_queue_floor.h) is found with this delay at most: events that
 * were committed late, put back by a taker that failed, or drained from a spool. */
#define WHOLE_LOOK_MS 10000u

/* A commit may be that much later than the due time it brings, and not slip below. */
#define LATE_COMMIT_US 10000000

/* Each route's due rows come from its own range of the index event_due, oldest first; the locks
 * last until the commit, also on rows that bytes_max then leaves out. Routes take turns in the
 * order, so that none eats up all the bytes. */
static const char take_text[] =
    "WITH candidate AS MATERIALIZED ("
    " SELECT c.*, w.route, w.lease_ms,"
    " row_number() OVER (PARTITION BY w.route ORDER BY c.due) AS rank"
    " FROM unnest($1, $2, $3, $7) AS w (route, count, lease_ms, since)"
    " CROSS JOIN LATERAL (SELECT e.id, e.received_at, e.next_attempt_at AS due,"
    " octet_length(e.body)::bigint + octet_length(e.headers) AS bytes FROM event e"
    " WHERE e.route = w.route AND e.state = 'queued' AND e.next_attempt_at <= now()"
    " AND e.next_attempt_at >= w.since"
    " AND (e.lease_owner IS NULL OR e.lease_until IS NULL OR $6)"
    " ORDER BY e.next_attempt_at LIMIT w.count FOR UPDATE SKIP LOCKED) AS c),"
    " chosen AS MATERIALIZED ("
    " SELECT *, sum(bytes) OVER (ORDER BY rank, route ROWS UNBOUNDED PRECEDING) AS total"
    " FROM candidate),"
    " leased AS ("
    " UPDATE event e SET next_attempt_at = now() + c.lease_ms * interval '1 millisecond',"
    " lease_until = now() + c.lease_ms * interval '1 millisecond', lease_owner = $5"
    " FROM chosen c WHERE (c.rank = 1 OR c.total <= $4)"
    " AND e.id = c.id AND e.received_at = c.received_at"
    " RETURNING e.id, e.route, e.method, e.target, e.headers, e.client, e.body, e.received_at,"
    " greatest(e.received_at, e.last_replayed_at) AS waits_since, e.attempts, e.attempts_before,"
    " e.key, e.window_ends_at, c.due, c.rank)"
    " SELECT l.*, (SELECT count(*) FROM candidate) > (SELECT count(*) FROM leased) AS is_cut"
    " FROM leased l ORDER BY l.rank, l.route";

enum {
    TAKE_ID,
    TAKE_ROUTE,
    TAKE_METHOD,
    TAKE_TARGET,
    TAKE_HEADERS,
    TAKE_CLIENT,
    TAKE_BODY,
    TAKE_RECEIVED,
    TAKE_WAITS_SINCE,
    TAKE_ATTEMPTS,
    TAKE_ATTEMPTS_BEFORE,
    TAKE_KEY,
    TAKE_WINDOW_ENDS,
    TAKE_DUE,
    TAKE_RANK,
    TAKE_IS_CUT,
};

/* What we have leased ourselves isn't looked for; what others have falls due when their lease ends
 * without an outcome. */
static const char next_text[] =
    "SELECT ceil(extract(epoch FROM min(n.due) - now()) * 1000)::bigint, now()"
    " FROM unnest($1) AS w (route)"
    " CROSS JOIN LATERAL (SELECT e.next_attempt_at AS due FROM event e"
    " WHERE e.route = w.route AND e.state = 'queued' AND e.next_attempt_at > now()"
    " AND (e.lease_until IS NULL OR e.lease_owner IS DISTINCT FROM $2)"
    " ORDER BY e.next_attempt_at LIMIT 1) AS n";

enum { STATEMENT_TAKE = 1, STATEMENT_NEXT };

/* ---- sending ---- */

static void put_routes(struct pg_args *args, const struct queue_take *op)
{
    pg_args_array(args, PG_TEXT, op->want_count);
    for (size_t i = 0; i < op->want_count; i++)
        pg_args_bytes(args, op->wants[i].route);
}

static void put_take(struct pg_queue *self, const struct queue_take *op)
{
    struct pg_args *args = &self->args;
    pg_args_reset(args);
    put_routes(args, op);
    pg_args_array(args, PG_INT8, op->want_count);
    for (size_t i = 0; i < op->want_count; i++)
        pg_args_number(args, op->wants[i].count);
    pg_args_array(args, PG_INT8, op->want_count);
    for (size_t i = 0; i < op->want_count; i++)
        pg_args_number(args, op->wants[i].lease_ms);
    pg_args_scalar(args, PG_INT8);
    pg_args_number(args, op->bytes_max < INT64_MAX ? op->bytes_max : INT64_MAX);
    pg_args_scalar(args, PG_UUID);
    pg_args_uuid(args, &self->owner);
    pg_args_scalar(args, PG_BOOL);
    pg_args_number(args, pg_queue_may_take_over(self));
    pg_args_array(args, PG_TIME, op->want_count);
    for (size_t i = 0; i < op->want_count; i++)
        pg_args_number(args, (uint64_t)pg_floors_since(&self->take.floors, op->wants[i].route));
}

static void put_next(struct pg_queue *self, const struct queue_take *op)
{
    pg_args_reset(&self->args);
    put_routes(&self->args, op);
    pg_args_scalar(&self->args, PG_UUID);
    pg_args_uuid(&self->args, &self->owner);
}

/* Leases that have ended lie below all floors, so there are none before they may be taken. */
static void lower_floors(struct pg_queue *self)
{
    uint64_t now_ms = loop_now_ms(self->loop);
    self->take.keeps_floors = pg_queue_may_take_over(self);
    if (self->take.keeps_floors && now_ms < self->take.whole_look_at_ms)
        return;
    pg_floors_clear(&self->take.floors);
    self->take.whole_look_at_ms = now_ms + WHOLE_LOOK_MS;
}

/* Outcomes asked for before it go first: their rows' leases may have ended. */
bool pg_queue_take_send(struct pg_queue *self)
{
    struct queue_take *op = self->take.op;
    if (!op || self->take.over || self->finish.settled < self->take.after)
        return false;
    lower_floors(self);
    pg_queue_begin(self, &self->take.job, TAKE_PATIENCE * self->timeout_ms);
    put_take(self, op);
    if (!pg_queue_add(self, take_text))
        return true;
    put_next(self, op);
    if (pg_queue_add(self, next_text))
        pg_link_commit(&self->link);
    return true;
}

/* ---- its answer ---- */

static void free_rows(struct pg_queue *self)
{
    PQclear(self->take.rows);
    self->take.rows = NULL;
}

static struct slice bytes_at(const struct pg_result *rows, int row, int column)
{
    return slice_of(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

static uint64_t number64_at(const struct pg_result *rows, int row, int column)
{
    return pg_get_u64(PQgetvalue(rows, row, column));
}

/* NULL: nothing is due later. */
static void read_next(struct pg_queue *self, const struct pg_result *result)
{
    if (PQntuples(result) != 1)
        return;
    self->take.server_time = (int64_t)number64_at(result, 0, 1);
    if (PQgetisnull(result, 0, 0))
        return;
    int64_t due_ms = (int64_t)number64_at(result, 0, 0);
    self->take.op->next_due_ms = due_ms > 0 ? (uint64_t)due_ms : 0;
}

static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, take.job);
    if (statement == STATEMENT_TAKE)
        self->take.rows = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    else if (statement == STATEMENT_NEXT)
        read_next(self, result);
}

/* A route's first row is its oldest; where none came, all that was due has been seen. */
static void raise_floors(struct pg_queue *self)
{
    struct pg_result *rows = self->take.rows;
    const struct queue_take *op = self->take.op;
    int64_t since = self->take.server_time - LATE_COMMIT_US;
    for (size_t i = 0; i < op->want_count; i++)
        pg_floors_note(&self->take.floors, op->wants[i].route, since);
    for (int i = 0; i < PQntuples(rows) && number64_at(rows, i, TAKE_RANK) == 1; i++) {
        int64_t due = (int64_t)number64_at(rows, i, TAKE_DUE);
        pg_floors_note(&self->take.floors, bytes_at(rows, i, TAKE_ROUTE),
                       due < since ? due : since);
    }
}

static void end_take(struct pg_queue *self, enum status status)
{
    self->take.op->status = status;
    self->take.over = true;
    if (status != STATUS_OK)
        free_rows(self);
    pg_queue_answer(self);
}

static void on_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, take.job);
    bool is_there = !failure && self->take.rows;
    if (is_there && self->take.keeps_floors)
        raise_floors(self);
    end_take(self, is_there ? STATUS_OK : STATUS_UNAVAILABLE);
    pg_queue_job_ended(self, failure);
}

void pg_queue_take_fail(struct pg_queue *self)
{
    if (self->take.op && !self->take.over)
        end_take(self, STATUS_UNAVAILABLE);
}

/* ---- telling ---- */

static uint64_t ms_at(const struct pg_result *rows, int row, int column)
{
    return pg_ms_of_time((int64_t)number64_at(rows, row, column));
}

static uint32_t number32_at(const struct pg_result *rows, int row, int column)
{
    uint32_t number;
    memcpy(&number, PQgetvalue(rows, row, column), sizeof(number));
    return be32toh(number);
}

/* Without a key both are NULL. */
static void put_key(struct queue_event *event, const struct pg_result *rows, int row)
{
    event->has_key = PQgetlength(rows, row, TAKE_KEY) == EVENT_KEY_BYTES;
    if (!event->has_key)
        return;
    memcpy(event->key.digest, PQgetvalue(rows, row, TAKE_KEY), EVENT_KEY_BYTES);
    event->window_ends_at_ms = ms_at(rows, row, TAKE_WINDOW_ENDS);
}

static struct queue_event event_at(const struct pg_result *rows, int row)
{
    struct queue_event event = {
        .home = QUEUE_HOME_JOURNAL,
        .route = bytes_at(rows, row, TAKE_ROUTE),
        .method = bytes_at(rows, row, TAKE_METHOD),
        .target = bytes_at(rows, row, TAKE_TARGET),
        .headers = bytes_at(rows, row, TAKE_HEADERS),
        .client = bytes_at(rows, row, TAKE_CLIENT),
        .body = bytes_at(rows, row, TAKE_BODY),
        .received_at_ms = ms_at(rows, row, TAKE_RECEIVED),
        .waits_since_ms = ms_at(rows, row, TAKE_WAITS_SINCE),
        .attempts = number32_at(rows, row, TAKE_ATTEMPTS),
        .attempts_before = number32_at(rows, row, TAKE_ATTEMPTS_BEFORE),
    };
    memcpy(event.event_id.bytes, PQgetvalue(rows, row, TAKE_ID), sizeof(event.event_id.bytes));
    put_key(&event, rows, row);
    return event;
}

/* The take is over before the first event is told: its owner may ask for anything from in there. */
void pg_queue_take_tell(struct pg_queue *self)
{
    struct queue_take *op = self->take.op;
    struct pg_result *rows = self->take.rows;
    if (!op || !self->take.over)
        return;
    self->take.op = NULL;
    self->take.rows = NULL;
    int count = rows ? PQntuples(rows) : 0;
    if (count > 0 && *PQgetvalue(rows, 0, TAKE_IS_CUT))
        op->next_due_ms = 0;
    self->queue.stats.taken += (uint64_t)count;
    for (int i = 0; i < count; i++) {
        struct queue_event event = event_at(rows, i);
        op->event(op, &event);
    }
    PQclear(rows);
    op->ended(op);
}

/* ---- the operation ---- */

void pg_queue_take(struct queue *queue, struct queue_take *take)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(!self->take.op && !self->closing);
    take->next_due_ms = UINT64_MAX;
    self->take.op = take;
    self->take.over = false;
    self->take.after = self->finish.asked;
    pg_queue_pump(self);
}

void pg_queue_take_init(struct pg_queue *self)
{
    self->take.job = (struct pg_job){.result = on_result, .ended = on_ended};
}
