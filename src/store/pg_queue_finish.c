/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outcomes on their way to PostgreSQL: what gathers goes as one statement, which changes the events
 * that are still ours, and adds the attempts' rows. A batch whose answer was lost simply goes
 * again: the statement also finds what it did before. A refused one is cut in half until the
 * outcome to blame is alone; that one is given up, the others are written.
 *
 *   finish -> pending -> batch [ settled | under way | still to go ] -> answers
 */
#include "pg_queue.h"

#include "pg_columns.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

/* `changed` is fenced: still queued, still ours, and no attempt counted since. What it doesn't
 * change may be what it changed when it was sent before: then the event is as it would have left
 * it. An attempt is noted as long as its event is there, whose day's partition also has the
 * deliveries. pg_rows.h says why it is put like that. */
static const char text[] =
    "WITH f AS MATERIALIZED (SELECT * FROM unnest((SELECT $1), (SELECT $2),"
    " (SELECT $3), (SELECT $4), (SELECT $5), (SELECT $6), (SELECT $7), (SELECT $8), (SELECT $9),"
    " (SELECT $10), (SELECT $11), (SELECT $12), (SELECT $13)) WITH ORDINALITY"
    " AS f (id, received_at, attempt, attempts, state, retry_ms, error, category, at, status,"
    " duration_ms, response, is_returned, ord)),"
    " changed AS (UPDATE event e SET state = f.state, attempts = f.attempts,"
    " next_attempt_at = now() + f.retry_ms * interval '1 millisecond', lease_until = NULL,"
    " response_status = coalesce(f.status, e.response_status),"
    " duration_ms = CASE WHEN f.status IS NULL THEN e.duration_ms ELSE f.duration_ms END,"
    " last_error = CASE WHEN f.is_returned THEN e.last_error ELSE f.error END,"
    " error_category = CASE WHEN f.is_returned THEN e.error_category ELSE f.category END"
    " FROM (SELECT f.* FROM f CROSS JOIN LATERAL (SELECT e.state, e.lease_owner,"
    " e.lease_until, e.attempts FROM event e WHERE e.id = f.id"
    " AND e.received_at = f.received_at AND e.received_at BETWEEN $14 AND $15"
    " FOR NO KEY UPDATE OFFSET 0) AS e WHERE e.state = 'queued' AND e.lease_owner = $16"
    " AND e.lease_until IS NOT NULL AND e.attempts = f.attempt - 1) AS f"
    " WHERE e.id = f.id AND e.received_at = f.received_at"
    " AND e.received_at BETWEEN $14 AND $15 RETURNING f.ord),"
    " noted AS (INSERT INTO delivery"
    " (event_id, received_at, attempt, at, status, duration_ms, error, response)"
    " SELECT f.id, f.received_at, f.attempt, f.at, f.status, f.duration_ms, f.error, f.response"
    " FROM f WHERE f.at IS NOT NULL AND (f.ord IN (SELECT ord FROM changed) OR EXISTS"
    " (SELECT FROM event e WHERE e.id = f.id AND e.received_at = f.received_at"
    " AND e.received_at BETWEEN $14 AND $15))"
    " ON CONFLICT DO NOTHING)"
    " SELECT ord FROM changed UNION ALL"
    " SELECT f.ord FROM f CROSS JOIN LATERAL (SELECT e.state, e.lease_owner,"
    " e.lease_until, e.attempts FROM event e WHERE e.id = f.id"
    " AND e.received_at = f.received_at AND e.received_at BETWEEN $14 AND $15 OFFSET 0) AS e"
    " WHERE e.lease_owner = $16 AND e.attempts = f.attempts AND e.state = f.state"
    " AND f.ord NOT IN (SELECT ord FROM changed)";

enum { STATEMENT_FINISH = 1 };

/* ---- the copies of a finish's texts ---- */

/* One block behind both slices, its bytes in their order. */
static char *block_of(const struct queue_finish *finish)
{
    return (char *)(uintptr_t)finish->error.data; /* made by copy_texts */
}

static struct slice cut(struct slice text_given, size_t max)
{
    return slice_of(text_given.data, text_given.len < max ? text_given.len : max);
}

/* A text column takes no NUL and only valid UTF-8; printable ASCII always passes. */
static void copy_printable(char *to, struct slice from)
{
    for (size_t i = 0; i < from.len; i++)
        to[i] = from.data[i] >= ' ' && from.data[i] <= '~' ? from.data[i] : '?';
}

/* Without memory the outcome goes without its texts rather than being lost. */
static void copy_texts(struct queue_finish *finish)
{
    struct slice error = cut(finish->error, QUEUE_ERROR_BYTES);
    struct slice response = cut(finish->response, QUEUE_RESPONSE_BYTES);
    char *block = error.len + response.len > 0 ? malloc(error.len + response.len) : NULL;
    finish->error = finish->response = (struct slice){0};
    if (!block)
        return;
    copy_printable(block, error);
    if (response.len > 0)
        memcpy(block + error.len, response.data, response.len);
    finish->error = slice_of(block, error.len);
    finish->response = slice_of(block + error.len, response.len);
}

static void free_texts(struct queue_finish *finish)
{
    free(block_of(finish));
    finish->error = finish->response = (struct slice){0};
}

/* ---- parameters ---- */

enum column {
    COLUMN_ID,
    COLUMN_RECEIVED,
    COLUMN_ATTEMPT,
    COLUMN_ATTEMPTS,
    COLUMN_STATE,
    COLUMN_RETRY,
    COLUMN_ERROR,
    COLUMN_CATEGORY,
    COLUMN_AT,
    COLUMN_STATUS,
    COLUMN_DURATION,
    COLUMN_RESPONSE,
    COLUMN_IS_RETURNED,
    COLUMNS,
};

static const enum pg_kind kinds[COLUMNS] = {
    [COLUMN_ID] = PG_UUID,          [COLUMN_RECEIVED] = PG_TIME, [COLUMN_ATTEMPT] = PG_INT4,
    [COLUMN_ATTEMPTS] = PG_INT4,    [COLUMN_STATE] = PG_TEXT,    [COLUMN_RETRY] = PG_INT8,
    [COLUMN_ERROR] = PG_TEXT,       [COLUMN_CATEGORY] = PG_TEXT, [COLUMN_AT] = PG_TIME,
    [COLUMN_STATUS] = PG_INT4,      [COLUMN_DURATION] = PG_INT8, [COLUMN_RESPONSE] = PG_BYTEA,
    [COLUMN_IS_RETURNED] = PG_BOOL,
};

static struct slice state_after(enum queue_result result)
{
    if (result == QUEUE_DELIVERED)
        return SLICE("delivered");
    return result == QUEUE_DEAD ? SLICE("dead") : SLICE("queued");
}

static bool is_terminal(enum queue_result result)
{
    return result == QUEUE_DELIVERED || result == QUEUE_DEAD;
}

static void put_or_null(struct pg_args *args, bool is_there, uint64_t number)
{
    if (is_there)
        pg_args_number(args, number);
    else
        pg_args_null(args);
}

static void put_text_or_null(struct pg_args *args, struct slice bytes)
{
    if (bytes.len > 0)
        pg_args_bytes(args, bytes);
    else
        pg_args_null(args);
}

static struct slice category_of(const struct queue_finish *finish)
{
    if (finish->result == QUEUE_DELIVERED)
        return SLICE("");
    return finish->permanent ? SLICE("permanent") : SLICE("transient");
}

static uint64_t retry_ms_of(const struct queue_finish *finish)
{
    return finish->retry_in_ms < PG_QUEUE_SPAN_MAX_MS ? finish->retry_in_ms : PG_QUEUE_SPAN_MAX_MS;
}

static void put_column(struct pg_args *args, enum column column, const struct queue_finish *finish)
{
    switch (column) {
    case COLUMN_ID:
        pg_args_uuid(args, &finish->event_id);
        return;
    case COLUMN_RECEIVED:
        pg_args_time(args, uuid_time_ms(&finish->event_id));
        return;
    case COLUMN_ATTEMPT:
        pg_args_number(args, finish->attempt);
        return;
    case COLUMN_ATTEMPTS:
        pg_args_number(args, finish->attempt - !finish->attempted);
        return;
    case COLUMN_STATE:
        pg_args_bytes(args, state_after(finish->result));
        return;
    case COLUMN_RETRY:
        put_or_null(args, !is_terminal(finish->result), retry_ms_of(finish));
        return;
    case COLUMN_ERROR:
        put_text_or_null(args, finish->error);
        return;
    case COLUMN_CATEGORY:
        put_text_or_null(args, category_of(finish));
        return;
    case COLUMN_AT:
        if (finish->attempted)
            pg_args_time(args, finish->at_ms);
        else
            pg_args_null(args);
        return;
    case COLUMN_STATUS:
        put_or_null(args, finish->attempted && finish->status > 0, finish->status);
        return;
    case COLUMN_DURATION:
        pg_args_number(args, finish->duration_ms);
        return;
    case COLUMN_RESPONSE:
        put_text_or_null(args, finish->response);
        return;
    case COLUMN_IS_RETURNED:
        pg_args_number(args, finish->result == QUEUE_RETURNED);
        return;
    case COLUMNS:
        break;
    }
}

/* Ids sort by time, so the first and the last one bound the days. */
static void put_finishes(struct pg_queue *self, struct queue_finish *const *finishes, size_t count)
{
    struct pg_args *args = &self->args;
    pg_args_reset(args);
    for (enum column column = 0; column < COLUMNS; column++) {
        pg_args_array(args, kinds[column], count);
        for (size_t i = 0; i < count; i++)
            put_column(args, column, finishes[i]);
    }
    pg_args_days(args, uuid_time_ms(&finishes[0]->event_id),
                 uuid_time_ms(&finishes[count - 1]->event_id));
    pg_args_scalar(args, PG_UUID);
    pg_args_uuid(args, &self->owner);
}

/* ---- a batch ---- */

static int compare_ids(const void *a, const void *b)
{
    const struct queue_finish *const *left = a, *const *right = b;
    return memcmp((*left)->event_id.bytes, (*right)->event_id.bytes, sizeof(struct uuid));
}

/* A statement changes a row once: of one event only the first outcome goes, the others wait. */
static bool is_in_batch(const struct pg_queue *self, const struct queue_finish *finish)
{
    for (size_t i = 0; i < self->finish.count; i++)
        if (uuid_eq(&self->finish.batch[i]->event_id, &finish->event_id))
            return true;
    return false;
}

/* The batch ends at the first such outcome, which keeps them in order. */
static void gather(struct pg_queue *self)
{
    struct list *pending = &self->finish.pending;
    self->finish.count = self->finish.done = 0;
    self->finish.chunk = PG_QUEUE_FINISH_MAX;
    while (!list_is_empty(pending) && self->finish.count < PG_QUEUE_FINISH_MAX) {
        struct queue_finish *finish = container_of(pending->next, struct queue_finish, link);
        if (is_in_batch(self, finish))
            break;
        list_remove(&finish->link);
        self->finish.batch[self->finish.count++] = finish;
    }
    qsort(self->finish.batch, self->finish.count, sizeof(struct queue_finish *), compare_ids);
}

bool pg_queue_finish_send(struct pg_queue *self)
{
    if (self->finish.done == self->finish.count)
        gather(self);
    size_t left = self->finish.count - self->finish.done;
    if (left == 0)
        return false;
    self->finish.sent = self->finish.chunk < left ? self->finish.chunk : left;
    memset(self->finish.written, 0, sizeof(self->finish.written));
    pg_queue_begin(self, &self->finish.job, self->timeout_ms);
    put_finishes(self, self->finish.batch + self->finish.done, self->finish.sent);
    if (pg_queue_add(self, text))
        pg_link_commit(&self->link);
    return true;
}

/* ---- its answer ---- */

static void settle(struct pg_queue *self, struct queue_finish *finish, enum status status)
{
    free_texts(finish);
    finish->status_of_write = status;
    self->finish.settled++;
    self->queue.stats.pending_finishes--;
    list_push_back(&self->finish.answers, &finish->link);
    pg_queue_answer(self);
}

/* Ordinals count from 1. */
static void on_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct pg_queue *self = container_of(job, struct pg_queue, finish.job);
    for (int i = 0; statement == STATEMENT_FINISH && i < PQntuples(result); i++) {
        uint64_t ordinal = pg_get_u64(PQgetvalue(result, i, 0));
        if (ordinal >= 1 && ordinal <= self->finish.sent)
            self->finish.written[ordinal - 1] = true;
    }
}

static void committed(struct pg_queue *self)
{
    pg_link_proven(&self->link);
    for (size_t i = 0; i < self->finish.sent; i++) {
        bool is_written = self->finish.written[i];
        self->queue.stats.finished += is_written;
        self->queue.stats.fenced += !is_written;
        settle(self, self->finish.batch[self->finish.done + i],
               is_written ? STATUS_OK : STATUS_REFUSED);
    }
    self->finish.done += self->finish.sent;
    self->finish.chunk = self->finish.chunk < PG_QUEUE_FINISH_MAX ? 2 * self->finish.chunk
                                                                  : PG_QUEUE_FINISH_MAX;
    if (list_is_empty(&self->finish.pending))
        pg_args_reset(&self->args);
}

static bool has_class(const struct pg_failure *failure, const char *class)
{
    return strncmp(failure->sqlstate, class, 2) == 0;
}

/* Class 22 and 23: the data; 54: too large; P0: a trigger said no. */
static bool is_refused(const struct pg_failure *failure)
{
    return has_class(failure, "22") || has_class(failure, "23") || has_class(failure, "54") ||
           has_class(failure, "P0");
}

static void cut_refused(struct pg_queue *self)
{
    if (self->finish.sent > 1)
        self->finish.chunk = self->finish.sent / 2;
    else
        settle(self, self->finish.batch[self->finish.done++], STATUS_REFUSED);
}

/* Two transactions in each other's way go again at once; for anything else the link comes back with
 * back-off, perhaps to a better server. */
static void rejected(struct pg_queue *self, const struct pg_failure *failure)
{
    self->queue.stats.errors++;
    if (is_refused(failure))
        cut_refused(self);
    else if (!has_class(failure, "40"))
        pg_link_drop(&self->link, failure->message);
}

static void on_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct pg_queue *self = container_of(job, struct pg_queue, finish.job);
    if (!failure)
        committed(self);
    else if (!failure->lost)
        rejected(self, failure);
    else
        self->queue.stats.errors++;
    pg_queue_send_next(self);
}

/* ---- the operation ---- */

void pg_queue_finish(struct queue *queue, struct queue_finish *finish)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(!self->closing && finish->attempt > 0);
    copy_texts(finish);
    list_push_back(&self->finish.pending, &finish->link);
    self->finish.asked++;
    self->queue.stats.pending_finishes++;
    pg_queue_pump(self);
}

static struct queue_finish *next_unwritten(struct pg_queue *self)
{
    if (self->finish.done < self->finish.count)
        return self->finish.batch[self->finish.done++];
    struct list *link = list_pop_front(&self->finish.pending);
    return link ? container_of(link, struct queue_finish, link) : NULL;
}

void pg_queue_finish_fail(struct pg_queue *self)
{
    for (struct queue_finish *finish; (finish = next_unwritten(self));)
        settle(self, finish, STATUS_UNAVAILABLE);
}

void pg_queue_withdraw(struct queue *queue, void (*give)(void *arg, struct queue_finish *finish),
                       void *arg)
{
    struct pg_queue *self = pg_queue_of(queue);
    assert(self->link.job != &self->finish.job);
    for (struct queue_finish *finish; (finish = next_unwritten(self));) {
        char *block = block_of(finish);
        self->finish.settled++;
        self->queue.stats.pending_finishes--;
        give(arg, finish);
        free(block);
    }
}

void pg_queue_finish_tell(struct pg_queue *self)
{
    for (struct list *link; (link = list_pop_front(&self->finish.answers));) {
        struct queue_finish *finish = container_of(link, struct queue_finish, link);
        finish->answered(finish);
    }
}

void pg_queue_finish_init(struct pg_queue *self)
{
    self->finish.job = (struct pg_job){.result = on_result, .ended = on_ended};
    list_init(&self->finish.pending);
    list_init(&self->finish.answers);
}
