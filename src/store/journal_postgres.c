/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL journal on a worker: a front whose batches are jobs on one link. One job at a time
 * is under way; send_next decides which is next: days a batch waits for, the server's clock when it
 * is due, batches and chunks of a load in turn, the hourly upkeep when nothing else is due.
 *
 *   link up -> schema checked -> [housekeeper: partitions] -> READY ──> batch, load chunk, upkeep …
 *     ^                                                         │
 *     └──────────── back-off <── OFFLINE <── lost, dropped ─────┘
 */
#include "pg_front.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- telling the listener ---- */

void pg_front_tell_up(struct postgres_front *self)
{
    if (self->told_up)
        return;
    self->told_up = true;
    self->told[0] = '\0';
    self->listener.changed(self->listener.arg, true, SLICE(""));
}

void pg_front_tell_trouble(struct postgres_front *self, bool up, const char *detail)
{
    if (self->told_up == up && strcmp(self->told, detail) == 0)
        return;
    self->told_up = up;
    snprintf(self->told, sizeof(self->told), "%s", detail);
    self->listener.changed(self->listener.arg, up, slice_str(self->told));
}

/* ---- loading keys ---- */

/* The length of a note is known without reading it. */
static const char load_text[] =
    "SELECT key, id, response_status, received_at, window_ends_at, note FROM"
    " (SELECT *, sum(octet_length(note)) OVER (ORDER BY window_ends_at, id"
    " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM"
    " (SELECT key, id, response_status, received_at, window_ends_at, note FROM event"
    " WHERE key IS NOT NULL AND (window_ends_at, id) > ($1, $2)"
    " ORDER BY window_ends_at, id LIMIT $3) AS chunk) AS counted"
    " WHERE coalesce(before, 0) < $4 ORDER BY window_ends_at, id";

static void send_load(struct postgres_front *self)
{
    enum { OID_INT8 = 20, OID_TIME = 1184, OID_UUID = 2950 };
    const unsigned int types[] = {OID_TIME, OID_UUID, OID_INT8, OID_INT8};
    const struct uuid *after = &self->front.load_after;
    char ends_at[8], limit[8], note_bytes[8];
    pg_put_u64(ends_at, (uint64_t)pg_time_of_ms(self->front.load_after_ms));
    pg_put_u64(limit, FRONT_LOAD_CHUNK);
    pg_put_u64(note_bytes, FRONT_LOAD_NOTE_BYTES);
    const char *const values[] = {ends_at, (const char *)after->bytes, limit, note_bytes};
    const int lengths[] = {8, sizeof(after->bytes), 8, 8};
    self->batch_was_last = false;
    self->load_rows = 0;
    self->load_note_bytes = 0;
    pg_link_begin(&self->link, &self->load, self->timeout_ms);
    pg_link_query(&self->link, load_text, 4, types, values, lengths);
    pg_link_commit(&self->link);
}

static bool read_key(const struct pg_result *result, int row, struct journal_key *ret_key)
{
    static const int lengths[] = {EVENT_KEY_BYTES, 16, 4, 8, 8};
    for (int i = 0; i < 5; i++)
        if (PQgetlength(result, row, i) != lengths[i])
            return false;
    const char *status = PQgetvalue(result, row, 2);
    memcpy(ret_key->key.digest, PQgetvalue(result, row, 0), EVENT_KEY_BYTES);
    memcpy(ret_key->event_id.bytes, PQgetvalue(result, row, 1), sizeof(ret_key->event_id.bytes));
    ret_key->status = (uint16_t)((unsigned char)status[2] << 8 | (unsigned char)status[3]);
    ret_key->accepted_at_ms = pg_ms_of_time((int64_t)pg_get_u64(PQgetvalue(result, row, 3)));
    ret_key->window_ends_at_ms = pg_ms_of_time((int64_t)pg_get_u64(PQgetvalue(result, row, 4)));
    ret_key->note = slice_of(PQgetvalue(result, row, 5), (size_t)PQgetlength(result, row, 5));
    return true;
}

static void on_load_result(struct pg_job *job, size_t statement, const struct pg_result *result)
{
    struct postgres_front *self = container_of(job, struct postgres_front, load);
    struct journal_key key;
    (void)statement;
    self->load_rows = (size_t)PQntuples(result);
    for (int i = 0; i < PQntuples(result) && self->front.load; i++) {
        if (!read_key(result, i, &key))
            continue;
        self->load_note_bytes += key.note.len;
        front_load_key(&self->front, &key);
    }
}

static void on_load_ended(struct pg_job *job, const struct pg_failure *failure)
{
    struct postgres_front *self = container_of(job, struct postgres_front, load);
    if (failure)
        front_load_end(&self->front, STATUS_UNAVAILABLE);
    else if (self->load_rows < FRONT_LOAD_CHUNK && self->load_note_bytes < FRONT_LOAD_NOTE_BYTES)
        front_load_end(&self->front, STATUS_OK);
    front_pump(&self->front);
}

static void load_keys(struct journal *journal, struct journal_load *load)
{
    struct front *front = container_of(journal, struct front, journal);
    struct postgres_front *self = pg_front_of(front);
    front_load_begin(front, load);
    if (self->link.state == PG_LINK_DOWN && self->told[0])
        front_load_end(front, STATUS_UNAVAILABLE);
    front_pump(front);
}

/* ---- what is next on the link ---- */

static bool send_load_chunk(struct postgres_front *self)
{
    if (!self->front.load || self->front.load_over)
        return false;
    send_load(self);
    return true;
}

static void send_next(struct front *front)
{
    struct postgres_front *self = pg_front_of(front);
    if (!pg_link_is_free(&self->link))
        return;
    if (self->phase == PHASE_ADDING_DAYS) {
        pg_upkeep_add_days(self);
        return;
    }
    if (self->phase != PHASE_READY)
        return;
    if (self->clock_due) {
        pg_upkeep_read_clock(self);
        return;
    }
    if (self->batch_was_last && send_load_chunk(self))
        return;
    if (pg_commit_send(self) || send_load_chunk(self))
        return;
    if (self->upkeep_due)
        pg_upkeep_start(self);
}

/* ---- the link ---- */

static void on_connected(struct pg_link *link)
{
    struct postgres_front *self = container_of(link, struct postgres_front, link);
    self->copy_works = true;
    pg_upkeep_check(self);
}

static void on_lost(struct pg_link *link, struct slice detail)
{
    struct postgres_front *self = container_of(link, struct postgres_front, link);
    self->phase = PHASE_OFFLINE;
    if (self->front.in_flight)
        front_failed(&self->front);
    front_down(&self->front);
    front_load_end(&self->front, STATUS_UNAVAILABLE);
    pg_front_tell_trouble(self, false, detail.data);
}

static const struct pg_link_handlers link_handlers = {.connected = on_connected, .lost = on_lost};

/* ---- opening and closing ---- */

static void close_journal(struct journal *journal, void (*closed)(void *arg), void *arg)
{
    struct front *front = container_of(journal, struct front, journal);
    struct postgres_front *self = pg_front_of(front);
    deadline_clear(&pg_front_loop(self)->deadlines, &self->upkeep);
    deadline_clear(&pg_front_loop(self)->deadlines, &self->clock);
    pg_link_close(&self->link);
    if (front->in_flight)
        front_failed(front);
    front_close(front, closed, arg);
}

static void finish(struct front *front)
{
    struct postgres_front *self = pg_front_of(front);
    void (*closed)(void *arg) = front->closed;
    void *arg = front->closed_arg;
    pg_columns_done(&self->columns);
    pg_copy_done(&self->copy);
    free(self);
    closed(arg);
}

static const struct journal_backend backend = {
    .name = "postgres",
    .append = front_append,
    .count_duplicate = front_count_duplicate,
    .load_keys = load_keys,
    .drain = front_drain,
    .close = close_journal,
};

static void init_parts(struct postgres_front *self, struct loop *loop, const struct pg_opts *opts)
{
    self->budget.limit_bytes = opts->buffer_bytes;
    self->timeout_ms = opts->timeout_ms;
    self->retention_ms = (uint64_t)opts->retention_s * 1000;
    self->housekeeper = opts->housekeeper;
    pg_commit_init(self);
    self->load = (struct pg_job){.result = on_load_result, .ended = on_load_ended};
    pg_upkeep_init(self);
    pg_columns_init(&self->columns);
    pg_copy_init(&self->copy);
    struct front_opts front = {.loop = loop,
                               .budget = &self->budget,
                               .owner = opts->owner,
                               .wait_ms = opts->timeout_ms,
                               .flush_interval_ms = opts->flush_interval_ms,
                               .send = send_next,
                               .finish = finish};
    front_init(&self->front, &front);
    self->front.journal.backend = &backend;
}

enum status journal_postgres_open(struct loop *loop, const struct pg_opts *opts,
                                  struct pg_listener listener, struct journal **ret_journal)
{
    struct postgres_front *self = calloc(1, sizeof(*self));
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
    *ret_journal = &self->front.journal;
    return STATUS_OK;
}
