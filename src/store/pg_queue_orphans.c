/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for orphans in PostgreSQL: along the index event_due, over all that has fallen due since
 * the last page, in steps of a bounded number of rows. Nothing is locked or changed. The first page
 * of a process asks in a transaction of its own where to begin.
 */
#include "pg_queue.h"

#include "pg_columns.h"

#include <assert.h>
#include <libpq-fe.h>

/* As for a take: repeated it would repeat all its work. */
#define LOOK_PATIENCE 4u

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define EXAMINED_BOUND 2000
#define EXAMINED_MAX TEXT(EXAMINED_BOUND) /* rows of one page, orphans or not */

/* Of each route, in search of its newest lease that has ended: what was only waiting to be tried
 * again fell due in front of it. */
#define BEGINNING_MAX "50000"

static const char begin_text[] =
    "SELECT coalesce(max(n.ended) - interval '1 minute', now()) FROM unnest($1) AS w (route)"
    " CROSS JOIN LATERAL (SELECT d.lease_until AS ended FROM (SELECT e.lease_until,"
    " e.next_attempt_at AS due FROM event e WHERE e.route = w.route AND e.state = 'queued'"
    " AND e.next_attempt_at <= now() ORDER BY e.next_attempt_at DESC LIMIT " BEGINNING_MAX ") AS d"
    " WHERE d.lease_until IS NOT NULL ORDER BY d.due DESC LIMIT 1) AS n";

/* Besides the orphans, which have a key here, the page's last row comes: it says how far the page
 * went. The lease of a row and its due time end together; one without a lease was never somebody's
 * who could have died with it. */
static const char page_text[] =
    "WITH seen AS MATERIALIZED (SELECT q.* FROM unnest($1) AS w (route)"
    " CROSS JOIN LATERAL (SELECT e.id, e.route, e.received_at, e.window_ends_at,"
    " e.next_attempt_at AS due, CASE WHEN e.attempts = 0 AND e.lease_until IS NOT NULL"
    " AND e.window_ends_at > now() THEN e.key END AS key,"
    " CASE WHEN octet_length(e.note) <= " TEXT(
        ORPHAN_NOTE_MAX) " THEN e.note END AS note"
                         " FROM event e"
                         " WHERE e.route = w.route AND e.state = 'queued' AND e.next_attempt_at <= "
                         "now()"
                         " AND e.next_attempt_at >= $2"
                         " AND (e.next_attempt_at > $2 OR e.id > $3)"
                         " ORDER BY e.next_attempt_at, e.id LIMIT " EXAMINED_MAX ") AS q"
                         " ORDER BY q.due, q.id LIMIT " EXAMINED_MAX ")"
                         " SELECT p.id, p.route, p.key, p.received_at, p.window_ends_at, p.due, "
                         "p.seen, p.note FROM"
                         " (SELECT s.*, row_number() OVER (ORDER BY s.due, s.id) AS place, "
                         "count(*) OVER () AS seen"
                         " FROM seen s) AS p WHERE p.key IS NOT NULL OR p.place = p.seen"
                         " ORDER BY p.place LIMIT $4";

enum {
    ORPHAN_ID,
    ORPHAN_ROUTE,
    ORPHAN_KEY,
    ORPHAN_RECEIVED,
    ORPHAN_WINDOW_ENDS,
    ORPHAN_DUE,
    ORPHAN_SEEN,
    ORPHAN_NOTE,
};

enum { STATEMENT_BEGIN = 1, STATEMENT_PAGE = 1 };

/* Microseconds since 1970, and PostgreSQL's. */
static uint64_t us_of_time(int64_t time)
{
    return (uint64_t)(time - pg_time_of_ms(0));
}

static int64_t time_of_us(uint64_t us)
{
    return (int64_t)us + pg_time_of_ms(0);
}

/* ---- sending ---- */

static void put_routes(struct pg_queue *self)
{
    const struct queue_orphans *op = self->orphans.op;
    pg_args_reset(&self->args);
    pg_args_array(&self->args, PG_TEXT, op->route_count);
    for (size_t i = 0; i < op->route_count; i++)
        pg_args_bytes(&self->args, op->routes[i].name);
}

/* One more than wanted tells whether there are more. */
static void send_page(struct pg_queue *self)
{
    struct queue_orphans *op = self->orphans.op;
    pg_queue_begin(self, &self->orphans.page, LOOK_PATIENCE * self->timeout_ms);
    put_routes(self);
    pg_args_scalar(&self->args, PG_TIME);
    pg_args_number(&self->args, (uint64_t)time_of_us(op->until_us));
    pg_args_scalar(&self->args, PG_UUID);
    pg_args_uuid(&self->args, &op->until_id);
    pg_args_scalar(&self->args, PG_INT8);
    pg_args_number(&self->args, (uint64_t)op->limit + 1);
    if (pg_queue_add(self, page_text))
        pg_link_commit(&self->link);
}

static void send_begin(struct pg_queue *self)
{
    pg_queue_begin(self, &self->orphans.begin, LOOK_PATIENCE * self->timeout_ms);
    put_routes(self);
    if (pg_queue_add(self, begin_text))
        pg_link_commit(&self->link);
}

bool pg_queue_orphans_send(struct pg_queue *self)
{
    if (!self->orphans.op || self->orphans.over)
        return false;
    if (self->orphans.op->from_start)
        send_begin(self);
    else
        send_page(self);
    return true;
}

/* ---- the answers ---- */

static void end_look(struct pg_queue *self, enum status status)
{
    self->orphans.op->status = status;
    self->orphans.over = true;
    if (status != STATUS_OK) {
        PQclear(self->orphans.rows);
        self->orphans.rows = NULL;
    }
    pg_queue_answer(self);
}

static void on_begin_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, orphans.begin);
    if (statement == STATEMENT_BEGIN && PQntuples(result) == 1)
        self->orphans.op->until_us = us_of_time((int64_t)pg_get_u64(PQgetvalue(result, 0, 0)));
}

static void on_begin_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, orphans.begin);
    if (!failure) {
        send_page(self);
        return;
    }
    end_look(self, STATUS_UNAVAILABLE);
    pg_queue_job_ended(self, failure);
}

static void on_page_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, orphans.page);
    if (statement == STATEMENT_PAGE)
        self->orphans.rows = PQcopyResult(result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
}

static void on_page_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, orphans.page);
    end_look(self, !failure && self->orphans.rows ? STATUS_OK : STATUS_UNAVAILABLE);
    pg_queue_job_ended(self, failure);
}

void pg_queue_orphans_fail(struct pg_queue *self)
{
    if (self->orphans.op && !self->orphans.over)
        end_look(self, STATUS_UNAVAILABLE);
}

/* ---- telling ---- */

static uint64_t number_at(const struct pg_result *rows, int row, int column)
{
    return pg_get_u64(PQgetvalue(rows, row, column));
}

static bool is_orphan(const struct pg_result *rows, int row)
{
    return PQgetlength(rows, row, ORPHAN_KEY) == EVENT_KEY_BYTES;
}

static struct slice octets_at(const struct pg_result *rows, int row, int column)
{
    return slice_of(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

static void tell_orphan(struct queue_orphans *op, const struct pg_result *rows, int row)
{
    struct queue_orphan orphan = {
        .route = octets_at(rows, row, ORPHAN_ROUTE),
        .received_at_ms = pg_ms_of_time((int64_t)number_at(rows, row, ORPHAN_RECEIVED)),
        .window_ends_at_ms = pg_ms_of_time((int64_t)number_at(rows, row, ORPHAN_WINDOW_ENDS)),
        .note = octets_at(rows, row, ORPHAN_NOTE),
    };
    memcpy(orphan.event_id.bytes, PQgetvalue(rows, row, ORPHAN_ID), sizeof(orphan.event_id.bytes));
    memcpy(orphan.key.digest, PQgetvalue(rows, row, ORPHAN_KEY), EVENT_KEY_BYTES);
    op->orphan(op, &orphan);
}

/* Only the last row may be no orphan. */
static void tell_rows(struct queue_orphans *op, const struct pg_result *rows)
{
    int count = PQntuples(rows), told = count;
    if ((size_t)count > op->limit)
        told = (int)op->limit;
    op->more = told < count ||
               (count > 0 && number_at(rows, count - 1, ORPHAN_SEEN) >= EXAMINED_BOUND);
    if (told > 0) {
        op->until_us = us_of_time((int64_t)number_at(rows, told - 1, ORPHAN_DUE));
        memcpy(op->until_id.bytes, PQgetvalue(rows, told - 1, ORPHAN_ID),
               sizeof(op->until_id.bytes));
    }
    for (int i = 0; i < told; i++)
        if (is_orphan(rows, i))
            tell_orphan(op, rows, i);
}

/* The look is over before the first orphan is told, as with a take. */
void pg_queue_orphans_tell(struct pg_queue *self)
{
    struct queue_orphans *op = self->orphans.op;
    struct pg_result *rows = self->orphans.rows;
    if (!op || !self->orphans.over)
        return;
    self->orphans.op = NULL;
    self->orphans.rows = NULL;
    if (rows)
        tell_rows(op, rows);
    PQclear(rows);
    op->ended(op);
}

/* ---- the operation ---- */

void pg_queue_orphans(struct queue *queue, struct queue_orphans *orphans)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(!self->orphans.op && !self->closing);
    orphans->more = false;
    orphans->until_us = orphans->after_us;
    orphans->until_id = orphans->from_start ? (struct uuid){{0}} : orphans->after_id;
    self->orphans.op = orphans;
    self->orphans.over = false;
    pg_queue_pump(self);
}

void pg_queue_orphans_init(struct pg_queue *self)
{
    self->orphans.begin = (struct pg_job){.result = on_begin_result, .ended = on_begin_ended};
    self->orphans.page = (struct pg_job){.result = on_page_result, .ended = on_page_ended};
}
