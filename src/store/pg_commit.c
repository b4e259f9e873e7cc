/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch on its way to PostgreSQL: one transaction of at most two statements, INSERT of its rows
 * and UPDATE of duplicate counts. A large one that goes for the first time is a COPY instead, which
 * costs the server a fraction, and its counts follow in a transaction of their own; whatever is
 * wrong with the COPY, the INSERT finds out. A batch whose answer was lost simply goes again, by an
 * INSERT that leaves alone what is there. What a failed one does next is decided by its SQLSTATE
 * (judge):
 *
 *   there already   again, by the INSERT that doesn't mind
 *   data refused    cut in half until the refused row is alone; that one is given up
 *   no partition    the day is made, then again
 *   deadlock        again
 *   anything else   after a COPY the INSERT; else the link is dropped and comes back with
 *                   back-off, perhaps to a better server
 */
#include "pg_front.h"

#include <libpq-fe.h>

/* On the same machine a COPY is cheaper for any number of rows, for 64 of them by a quarter. But
 * the server has to be asked first, and over a network that round trip costs what is won by about
 * so many rows. */
#define COPY_MIN_ROWS 64u

static void mark_all(struct fold *fold, bool written)
{
    for (size_t i = 0; i < fold->count; i++)
        fold->entries[i].written = written;
}

static void query(struct postgres_front *self, const char *text, int count)
{
    pg_link_query(&self->link, text, count, self->columns.types, self->columns.values,
                  self->columns.lengths);
}

static struct pg_lease lease_from_now(const struct postgres_front *self)
{
    int64_t now = (int64_t)pg_front_loop(self)->clock.mono_us + self->schema.server_ahead_us;
    return (struct pg_lease){
        .now = now, .since = now - self->schema.doubt_us, .owner = self->front.opts.owner};
}

static enum status add_rows(struct postgres_front *self, struct batch *batch)
{
    const struct pg_lease lease = lease_from_now(self);
    size_t left = batch->count - batch->done;
    self->sent = self->chunk < left ? self->chunk : left;
    if (self->sent == 0)
        return STATUS_OK;
    enum status status =
        pg_columns_of_rows(&self->columns, batch->rows + batch->done, self->sent, &lease);
    if (status == STATUS_OK)
        query(self, self->maybe_there ? pg_columns_insert_again : pg_columns_insert,
              PG_COLUMNS_INSERT);
    return status;
}

static enum status add_counts(struct postgres_front *self, struct batch *batch)
{
    self->counts_sent = batch->fold.count > 0;
    if (!self->counts_sent)
        return STATUS_OK;
    mark_all(&batch->fold, false);
    enum status status = pg_columns_of_fold(&self->columns, &batch->fold, batch->doubtful);
    if (status == STATUS_OK)
        query(self, pg_columns_count, PG_COLUMNS_COUNT);
    return status;
}

static void send_copy(struct postgres_front *self)
{
    const struct pg_lease lease = lease_from_now(self);
    struct batch *batch = self->front.in_flight;
    self->sent = batch->count;
    self->counts_sent = false;
    pg_copy_begin(&self->copy, batch->rows, batch->count, &lease);
    pg_link_copy(&self->link, &self->commit, pg_columns_copy, self->timeout_ms);
}

static enum status feed_copy(struct pg_job *job, struct slice *ret_bytes)
{
    return pg_copy_next(&container_of(job, struct postgres_front, commit)->copy, ret_bytes);
}

static void send_inserts(struct postgres_front *self)
{
    struct batch *batch = self->front.in_flight;
    pg_link_begin(&self->link, &self->commit, self->timeout_ms);
    enum status status = add_rows(self, batch);
    if (status == STATUS_OK)
        status = add_counts(self, batch);
    if (status == STATUS_OK)
        pg_link_commit(&self->link);
    else
        pg_link_drop(&self->link, "out of memory");
}

/* The UPDATE's answer: the events that were there. The other statements have no rows. */
static void on_commit_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct postgres_front *self = container_of(job, struct postgres_front, commit);
    struct fold *fold = &self->front.in_flight->fold;
    (void)statement;
    for (int i = 0; i < PQntuples(result); i++) {
        struct uuid id;
        if (PQgetlength(result, i, 0) != (int)sizeof(id.bytes))
            continue;
        memcpy(id.bytes, PQgetvalue(result, i, 0), sizeof(id.bytes));
        struct fold_entry *entry = fold_find(fold, &id);
        if (entry)
            entry->written = true;
    }
}

/* The batch in flight goes on behind the rows that are over, or is finished. */
static void go_on(struct postgres_front *self)
{
    struct batch *batch = self->front.in_flight;
    self->days_made = false;
    if (batch->done == batch->count && batch->fold.count == 0) {
        front_finish(&self->front);
        if (list_is_empty(&self->front.queue)) {
            pg_columns_trim(&self->columns);
            pg_copy_trim(&self->copy);
        }
    }
    front_pump(&self->front);
}

static void committed(struct postgres_front *self)
{
    pg_link_proven(&self->link);
    self->batch_was_last = true;
    front_rows_done(&self->front, self->sent);
    if (self->counts_sent)
        front_fold_done(&self->front);
    self->chunk = self->chunk < BATCH_MAX_ROWS / 2 ? 2 * self->chunk : BATCH_MAX_ROWS;
    go_on(self);
}

static void cut_refused(struct postgres_front *self)
{
    if (self->sent > 1) {
        self->chunk = self->sent / 2;
    } else {
        struct batch *batch = self->front.in_flight;
        batch->rows[batch->done]->refused = true;
        front_rows_done(&self->front, 1);
    }
    go_on(self);
}

/* So few rows that all their days fit into one task. */
static void need_days(struct postgres_front *self)
{
    self->chunk = self->sent < PG_SCHEMA_DAYS_MAX ? self->sent : PG_SCHEMA_DAYS_MAX;
    self->phase = PHASE_ADDING_DAYS;
    front_pump(&self->front);
}

enum judgement { JUDGE_REFUSED, JUDGE_NO_DAY, JUDGE_THERE, JUDGE_AGAIN, JUDGE_DROP };

/* Class 22 and 23: the data; 54: too large; P0: a trigger said no. A missing partition is a check
 * violation that names no constraint. */
static enum judgement judge(const struct postgres_front *self, const struct pg_failure *failure)
{
    const char *state = failure->sqlstate;
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)
        return JUDGE_AGAIN;
    if (failure->statement > 0 || self->sent == 0)
        return JUDGE_DROP;
    if (strcmp(state, "23505") == 0 && !self->maybe_there)
        return JUDGE_THERE;
    if (strcmp(state, "23514") == 0 && !failure->names_constraint && !self->days_made)
        return JUDGE_NO_DAY;
    if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
        strncmp(state, "54", 2) == 0 || strncmp(state, "P0", 2) == 0)
        return JUDGE_REFUSED;
    return JUDGE_DROP;
}

static void rejected(struct postgres_front *self, const struct pg_failure *failure)
{
    enum judgement judgement = judge(self, failure);
    self->may_copy = false;
    if (judgement == JUDGE_DROP && self->by_copy) {
        /* Perhaps only COPY doesn't work here: row-level security forbids it. */
        self->copy_works = false;
        judgement = JUDGE_AGAIN;
    }
    if (judgement == JUDGE_DROP) {
        front_rolled_back(&self->front);
        pg_link_drop(&self->link, failure->message);
        return;
    }
    self->front.journal.stats.errors += judgement != JUDGE_THERE;
    self->maybe_there = self->maybe_there || judgement == JUDGE_THERE;
    if (judgement == JUDGE_REFUSED)
        cut_refused(self);
    else if (judgement == JUDGE_NO_DAY)
        need_days(self);
    else
        front_pump(&self->front);
}

static void on_commit_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct postgres_front *self = container_of(job, struct postgres_front, commit);
    if (!failure)
        committed(self);
    else if (!failure->lost)
        rejected(self, failure);
    else if (failure->unfinished)
        front_rolled_back(&self->front);
    /* else: nobody knows; on_lost is next */
}

void pg_commit_init(struct postgres_front *self)
{
    self->commit =
        (struct pg_job){.result = on_commit_result, .ended = on_commit_ended, .feed = feed_copy};
}

bool pg_commit_send(struct postgres_front *self)
{
    if (!self->front.in_flight) {
        struct batch *batch = front_next(&self->front);
        if (!batch)
            return false;
        self->maybe_there = batch->tries > 0;
        self->may_copy = batch->tries == 0 && batch->count >= COPY_MIN_ROWS;
        self->chunk = BATCH_MAX_ROWS;
        self->days_made = false;
    }
    self->by_copy = self->may_copy && self->copy_works && self->front.in_flight->done == 0;
    if (self->by_copy)
        send_copy(self);
    else
        send_inserts(self);
    return true;
}
