/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain takes turns: a step on the SQLite thread settles the last chunk and reads the next, a
 * job on the link writes it. A crash between any two of them leaves rows in the spool that
 * PostgreSQL may have; they go again and change nothing.
 *
 *   link up, schema ours                           the pass is over
 *            └──────────────> step <─────────────────────────────── pause
 *                              |  ^
 *                      a chunk |  | deleted: it is there
 *                              v  | released: half of it next, one of its rows was refused
 *                             job ┘           all of it, it was rolled back and the link dropped
 *                              |  ^
 *                              └──┘ once more, after a deadlock, or with the days it needs
 *
 * Lost in mid-job nobody knows, and the chunk stays marked until PostgreSQL is back.
 */
#include "spooled_drain.h"

#include <libpq-fe.h>
#include <postern/base/fault.h>

#define PATIENCE 4u   /* times the time-out for a chunk: it is larger than a batch */
#define TRIES_MAX 20u /* of one chunk, on deadlocks and serialization failures */

/* What is there already learns only what the spool knows better: an outcome or an attempt of an
 * event that was delivered from here while PostgreSQL, which may have got it, was away. */
static const char event_text[] =
    "INSERT INTO event AS e (id, received_at, route, key, window_ends_at, method, target, client,"
    " mode, state, outcome, response_status, duration_ms, attempts, attempts_before,"
    " next_attempt_at, last_error, error_category, duplicates, last_duplicate_at,"
    " last_replayed_at, replay_of, content_type, headers, body, note)"
    " SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7),"
    " unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14),"
    " unnest($15), now() + unnest($16) * interval '1 millisecond', unnest($17), unnest($18),"
    " unnest($19), unnest($20), unnest($21), unnest($22), unnest($23), unnest($24), unnest($25),"
    " unnest($26)"
    " ON CONFLICT (id, received_at) DO UPDATE SET state = excluded.state,"
    " attempts = excluded.attempts, response_status = excluded.response_status,"
    " duration_ms = excluded.duration_ms, next_attempt_at = excluded.next_attempt_at,"
    " lease_until = NULL, last_error = excluded.last_error,"
    " error_category = excluded.error_category,"
    " duplicates = greatest(e.duplicates, excluded.duplicates)"
    " WHERE e.state = 'queued' AND (excluded.attempts > e.attempts"
    " OR (excluded.attempts = e.attempts AND excluded.state <> 'queued'))";

static const char delivery_text[] =
    "INSERT INTO delivery (event_id, received_at, attempt, at, status, duration_ms, error,"
    " response) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6),"
    " unnest($7), unnest($8) ON CONFLICT DO NOTHING";

/* As pg_queue_finish.c writes an outcome (and pg_rows.h says why so), but for any owner; results
 * are those of queue_result. Returns those that took effect, now or when they were sent before. */
static const char owed_text[] =
    "WITH o AS MATERIALIZED (SELECT *, attempt - (NOT attempted)::integer AS attempts,"
    " CASE result WHEN 0 THEN 'delivered' WHEN 2 THEN 'dead' ELSE 'queued' END AS state"
    " FROM unnest((SELECT $1), (SELECT $2), (SELECT $3), (SELECT $4), (SELECT $5), (SELECT $6),"
    " (SELECT $7), (SELECT $8), (SELECT $9), (SELECT $10), (SELECT $11), (SELECT $12),"
    " (SELECT $13))"
    " AS o (id, received_at, owner, result, attempt, attempted, at, retry_ms, status, duration_ms,"
    " permanent, error, response)),"
    " changed AS (UPDATE event e SET state = o.state, attempts = o.attempts,"
    " next_attempt_at = CASE WHEN o.result IN (1, 3)"
    " THEN now() + o.retry_ms * interval '1 millisecond' END, lease_until = NULL,"
    " response_status = CASE WHEN o.attempted AND o.status > 0 THEN o.status"
    " ELSE e.response_status END,"
    " duration_ms = CASE WHEN o.attempted AND o.status > 0 THEN o.duration_ms"
    " ELSE e.duration_ms END,"
    " last_error = CASE WHEN o.result = 3 THEN e.last_error ELSE nullif(o.error, '') END,"
    " error_category = CASE o.result WHEN 3 THEN e.error_category WHEN 0 THEN NULL"
    " ELSE CASE WHEN o.permanent THEN 'permanent' ELSE 'transient' END END"
    " FROM (SELECT o.* FROM o CROSS JOIN LATERAL (SELECT e.state, e.lease_owner,"
    " e.lease_until, e.attempts FROM event e WHERE e.id = o.id"
    " AND e.received_at = o.received_at FOR NO KEY UPDATE OFFSET 0) AS e"
    " WHERE e.state = 'queued' AND e.lease_owner = o.owner AND e.attempts = o.attempt - 1) AS o"
    " WHERE e.id = o.id AND e.received_at = o.received_at RETURNING e.id),"
    " noted AS (INSERT INTO delivery"
    " (event_id, received_at, attempt, at, status, duration_ms, error, response)"
    " SELECT o.id, o.received_at, o.attempt, o.at, nullif(o.status, 0), o.duration_ms,"
    " nullif(o.error, ''), nullif(o.response, '') FROM o WHERE o.attempted AND EXISTS"
    " (SELECT FROM event e WHERE e.id = o.id AND e.received_at = o.received_at)"
    " ON CONFLICT DO NOTHING)"
    " SELECT id FROM changed UNION ALL"
    " SELECT o.id FROM o CROSS JOIN LATERAL (SELECT e.state, e.lease_owner,"
    " e.lease_until, e.attempts FROM event e WHERE e.id = o.id"
    " AND e.received_at = o.received_at OFFSET 0) AS e"
    " WHERE e.lease_owner = o.owner AND e.attempts = o.attempts AND e.state = o.state"
    " AND o.id NOT IN (SELECT id FROM changed)";

/* ---- steps ---- */

static void submit_step(struct spooled_drain *drain)
{
    drain->reads = drain->ready && !drain->closing;
    drain->settling = drain->verdict == SPOOLED_DRAINED ? drain->chunk.count : 0;
    drain->stepping = true;
    sqlite_seat_submit(drain->seat, &drain->step);
}

/* On the thread. Without memory for a chunk the settling still holds. */
static enum status run_step(struct sqlite_request *request, struct sqlite_db *db)
{
    struct spooled_drain *drain = container_of(request, struct spooled_drain, step);
    enum status status = spooled_db_settle(db, &drain->chunk, drain->verdict);
    drain->read_status = STATUS_OK;
    drain->chunk.count = 0;
    if (status != STATUS_OK || !drain->reads)
        return status;
    drain->read_status = spooled_db_read(db, &drain->cursor, drain->limit, &drain->chunk);
    if (drain->read_status == STATUS_OK && drain->chunk.count == 0)
        drain->read_status = spooled_db_refused(db, &drain->kept_refused);
    return drain->read_status == STATUS_UNAVAILABLE ? STATUS_UNAVAILABLE : STATUS_OK;
}

static bool is_idle(const struct spooled_drain *drain)
{
    return !drain->stepping && drain->chunk.count == 0;
}

static void start(struct spooled_drain *drain)
{
    if (drain->ready && is_idle(drain))
        submit_step(drain);
}

static void on_pause(struct deadline *deadline)
{
    start(container_of(deadline, struct spooled_drain, pause));
}

static void rest(struct spooled_drain *drain)
{
    if (!drain->closing)
        deadline_set(&drain->loop->deadlines, &drain->pause,
                     loop_now_ms(drain->loop) + backoff_next_ms(&drain->backoff));
}

/* What is left is leased, or was refused: the next pass looks again, later and later. */
static void end_pass(struct spooled_drain *drain)
{
    if (drain->pass_rows > 0)
        backoff_reset(&drain->backoff);
    drain->refused = drain->kept_refused + drain->pass_refused;
    drain->pass_rows = drain->pass_refused = 0;
    drain->cursor = (struct spooled_cursor){0};
    rest(drain);
}

/* ---- jobs ---- */

static void send_chunk(struct spooled_drain *drain)
{
    struct spooled_chunk *chunk = &drain->chunk;
    drain->confirmed = 0;
    FAULT_POINT("drain_before_commit");
    pg_link_begin(&drain->link, &drain->job, PATIENCE * drain->timeout_ms);
    if (chunk->source == SPOOLED_OWED)
        spooled_table_send(&chunk->owed, &drain->link, owed_text);
    else
        spooled_table_send(&chunk->events, &drain->link, event_text);
    if (chunk->source != SPOOLED_OWED && chunk->deliveries.rows > 0)
        spooled_table_send(&chunk->deliveries, &drain->link, delivery_text);
    pg_link_commit(&drain->link);
}

/* Only outcomes are answered with rows. */
static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    (void)statement;
    container_of(job, struct spooled_drain, job)->confirmed += (size_t)PQntuples(result);
}

/* What lies before the cursor is not read again in this pass. */
static void advance(struct spooled_drain *drain)
{
    const struct spooled_item *last = &drain->chunk.items[drain->chunk.count - 1];
    if (drain->chunk.source == SPOOLED_OWED)
        drain->cursor.owed = last->rowid;
    else if (drain->chunk.source == SPOOLED_DOUBTFUL)
        drain->cursor.doubtful = last->id;
    else
        drain->cursor.event = last->id;
}

static void finish_chunk(struct spooled_drain *drain)
{
    FAULT_POINT("drain_after_commit");
    pg_link_proven(&drain->link);
    if (drain->chunk.source == SPOOLED_OWED)
        drain->fenced += drain->chunk.count - drain->confirmed;
    else
        advance(drain);
    drain->verdict = SPOOLED_DRAINED;
    drain->pass_rows += drain->chunk.count;
    drain->limit = 2 * drain->limit < SPOOLED_CHUNK_ROWS ? 2 * drain->limit : SPOOLED_CHUNK_ROWS;
    submit_step(drain);
}

/* Read again it is cut in half, until the row to blame is alone. */
static void refuse_chunk(struct spooled_drain *drain)
{
    drain->verdict = SPOOLED_RELEASED;
    if (drain->chunk.count > 1) {
        drain->limit = drain->chunk.count / 2;
    } else {
        drain->verdict = SPOOLED_REFUSED;
        drain->pass_refused++;
        advance(drain);
    }
    submit_step(drain);
}

/* on_lost, which is called from in here, has it released. */
static void roll_back_chunk(struct spooled_drain *drain, const char *message)
{
    drain->verdict = SPOOLED_RELEASED;
    pg_link_drop(&drain->link, message);
}

/* The next of the chunk's days, which are in order like its ids. False: all have been made. */
static bool add_days(struct spooled_drain *drain)
{
    int64_t days[PG_SCHEMA_DAYS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < drain->chunk.count && count < PG_SCHEMA_DAYS_MAX; i++) {
        int64_t day = (int64_t)(uuid_time_ms(&drain->chunk.items[i].id) / PG_DAY_MS);
        if (day > drain->days_made)
            days[count++] = drain->days_made = day;
    }
    if (count > 0)
        pg_schema_add_days(&drain->schema, days, count);
    return count > 0;
}

/* As pg_commit.c judges: class 22 and 23 are about the data, 54 its size, P0 a trigger's no. A
 * missing partition is a check violation that names no constraint. */
static bool is_refusal(const char *sqlstate)
{
    static const char *const classes[] = {"22", "23", "54", "P0"};
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

static bool is_passing(const char *sqlstate)
{
    return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0;
}

static void reject(struct spooled_drain *drain, const struct pg_failure *failure)
{
    bool no_day = strcmp(failure->sqlstate, "23514") == 0 && !failure->names_constraint;
    if (is_passing(failure->sqlstate) && drain->tries++ < TRIES_MAX)
        send_chunk(drain);
    else if (no_day && add_days(drain))
        return;
    else if (is_refusal(failure->sqlstate))
        refuse_chunk(drain);
    else
        roll_back_chunk(drain, failure->message);
}

static void on_job_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct spooled_drain *drain = container_of(job, struct spooled_drain, job);
    if (!failure)
        finish_chunk(drain);
    else if (failure->lost)
        drain->chunk.count = 0;
    else
        reject(drain, failure);
}

/* ---- the turns ---- */

static void end_closing(struct spooled_drain *drain)
{
    void (*closed)(void *arg) = drain->closed;
    void *arg = drain->closed_arg;
    spooled_chunk_done(&drain->chunk);
    closed(arg);
}

/* A chunk that will certainly not get there now. */
static void let_go(struct spooled_drain *drain)
{
    if (drain->stepping)
        return;
    if (drain->chunk.count > 0 && drain->verdict == SPOOLED_RELEASED)
        submit_step(drain);
    else if (drain->closing)
        end_closing(drain);
}

/* What was just read, or nothing. The link may have been lost while the thread was at it. */
static void take_chunk(struct spooled_drain *drain)
{
    if (drain->chunk.count > 0 && drain->ready) {
        drain->tries = 0;
        drain->days_made = -1;
        send_chunk(drain);
    } else if (drain->chunk.count > 0) {
        drain->verdict = SPOOLED_RELEASED;
        let_go(drain);
    } else if (drain->closing) {
        end_closing(drain);
    } else if (drain->reads) {
        end_pass(drain);
    } else {
        start(drain);
    }
}

/* A verdict that could not be written down is forgotten: the rows are still marked and go again. */
static void on_step_returned(struct sqlite_request *request)
{
    struct spooled_drain *drain = container_of(request, struct spooled_drain, step);
    bool failed = request->status != STATUS_OK || drain->read_status != STATUS_OK;
    drain->stepping = false;
    drain->verdict = SPOOLED_KEPT;
    if (request->status == STATUS_OK)
        drain->drained += drain->settling;
    if (!failed || drain->closing) {
        take_chunk(drain);
        return;
    }
    drain->chunk.count = 0;
    rest(drain);
}

/* ---- the link ---- */

static void on_connected(struct pg_link *link)
{
    pg_schema_check(&container_of(link, struct spooled_drain, link)->schema);
}

/* The schema is ours, or the days are made. Of a chunk that waited for days nothing was written. */
static void on_schema_ended(struct pg_schema *schema, enum status status, const char *detail)
{
    struct spooled_drain *drain = container_of(schema, struct spooled_drain, schema);
    bool waits = drain->ready && !drain->stepping && drain->chunk.count > 0;
    if (waits && status != STATUS_OK)
        drain->verdict = SPOOLED_RELEASED;
    if (status != STATUS_OK && status != STATUS_UNAVAILABLE) {
        pg_link_drop(&drain->link, detail);
    } else if (status == STATUS_OK && waits) {
        send_chunk(drain);
    } else if (status == STATUS_OK) {
        drain->ready = true;
        start(drain);
    }
}

static void on_lost(struct pg_link *link, struct slice detail)
{
    struct spooled_drain *drain = container_of(link, struct spooled_drain, link);
    (void)detail; /* the journal's listener is told the same by its own link */
    drain->ready = false;
    drain->cursor = (struct spooled_cursor){0};
    deadline_clear(&drain->loop->deadlines, &drain->pause);
    let_go(drain);
}

static const struct pg_link_handlers link_handlers = {.connected = on_connected, .lost = on_lost};

/* ---- opening and closing ---- */

enum status spooled_drain_open(struct spooled_drain *drain, struct loop *loop,
                               struct sqlite_seat *seat, struct slice url, uint32_t timeout_ms)
{
    drain->loop = loop;
    drain->seat = seat;
    drain->timeout_ms = timeout_ms;
    drain->limit = SPOOLED_CHUNK_ROWS;
    drain->step = (struct sqlite_request){
        .run = run_step, .writes = true, .durable = true, .returned = on_step_returned};
    drain->job = (struct pg_job){.result = on_result, .ended = on_job_ended};
    drain->pause.expired = on_pause;
    pg_schema_init(&drain->schema, &drain->link);
    drain->schema.ended = on_schema_ended;
    spooled_chunk_init(&drain->chunk);
    return pg_link_open(&drain->link, loop, url, timeout_ms, &link_handlers);
}

void spooled_drain_wake(struct spooled_drain *drain)
{
    backoff_reset(&drain->backoff);
    if (!drain->ready || !is_idle(drain))
        return;
    deadline_clear(&drain->loop->deadlines, &drain->pause);
    start(drain);
}

void spooled_drain_close(struct spooled_drain *drain, void (*closed)(void *arg), void *arg)
{
    drain->closing = true;
    drain->ready = false;
    drain->closed = closed;
    drain->closed_arg = arg;
    deadline_clear(&drain->loop->deadlines, &drain->pause);
    pg_link_close(&drain->link);
    let_go(drain);
}
