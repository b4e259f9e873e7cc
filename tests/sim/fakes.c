/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake stores and the fake upstream behind sim.h. They keep the contracts of the interfaces
 * they stand in for: READY or PENDING, one answer each, never from inside a submit.
 */
#include "sim_impl.h"

#include <assert.h>
#include <string.h>

/* ---- dedup ---- */

static void table_does(struct sim_dedup *store, enum sim_verb verb, struct dedup_op *op)
{
    uint64_t now_ms = loop_now_ms(store->loop);
    switch (verb) {
    case SIM_CLAIM:
        key_table_claim(store->table, op, now_ms);
        break;
    case SIM_RENEW:
        key_table_renew(store->table, op, now_ms);
        break;
    case SIM_SETTLE:
        key_table_settle(store->table, op, now_ms);
        break;
    case SIM_RELEASE:
        key_table_release(store->table, op, now_ms);
        break;
    case SIM_VERBS:
        break;
    }
}

static enum op_status dedup_does(struct dedup *base, enum sim_verb verb, struct dedup_op *op)
{
    struct sim_dedup *store = container_of(base, struct sim_dedup, base);
    store->calls[verb]++;
    switch (store->mode[verb]) {
    case SIM_NOW:
        if (store->waiting_count > 0)
            break; /* commands of one link are done in their order */
        table_does(store, verb, op);
        return OP_READY;
    case SIM_DOWN:
        op->verdict = VERDICT_UNKNOWN;
        op->hold = HOLD_UNKNOWN;
        return OP_READY;
    case SIM_LATER:
        break;
    }
    assert(store->waiting_count < SIM_MAX);
    store->waiting[store->waiting_count] = op;
    store->waiting_verb[store->waiting_count++] = verb;
    return OP_PENDING;
}

static enum op_status dedup_claims(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_CLAIM, op);
}

static enum op_status dedup_renews(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_RENEW, op);
}

static enum op_status dedup_settles(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_SETTLE, op);
}

static enum op_status dedup_releases(struct dedup *base, struct dedup_op *op)
{
    return dedup_does(base, SIM_RELEASE, op);
}

/* Answered at once, whatever the switches say: nothing waits for a look. */
static enum op_status dedup_peeks(struct dedup *base, struct dedup_op *op)
{
    struct sim_dedup *store = container_of(base, struct sim_dedup, base);
    key_table_peek(store->table, op, loop_now_ms(store->loop));
    return OP_READY;
}

static void dedup_refreshes(struct dedup *base)
{
    (void)base;
}

static const struct dedup_backend dedup_backend = {
    .name = "sim",
    .claim = dedup_claims,
    .renew = dedup_renews,
    .settle = dedup_settles,
    .release = dedup_releases,
    .peek = dedup_peeks,
    .refresh_stats = dedup_refreshes,
};

void sim_dedup_flush(struct sim *sim)
{
    struct sim_dedup *store = &sim->dedup;
    size_t count = store->waiting_count;
    struct dedup_op *ops[SIM_MAX];
    enum sim_verb verbs[SIM_MAX];
    memcpy(ops, store->waiting, sizeof ops);
    memcpy(verbs, store->waiting_verb, sizeof verbs);
    store->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        table_does(store, verbs[i], ops[i]);
        ops[i]->answered(ops[i]);
    }
    sim_turn(sim);
}

/* ---- journal ---- */

static void copy_text(char *to, size_t size, struct slice from)
{
    size_t len = from.len < size - 1 ? from.len : size - 1;
    memcpy(to, from.data, len);
    to[len] = '\0';
}

static enum op_status journal_appends(struct journal *base, struct journal_op *op)
{
    struct sim_journal *journal = container_of(base, struct sim_journal, base);
    assert(journal->row_count < SIM_MAX);
    struct sim_row *row = &journal->rows[journal->row_count++];
    row->event_id = op->record->event_id;
    row->level = op->level;
    row->status = op->record->response_status;
    row->has_key = op->record->has_key;
    copy_text(row->outcome, sizeof row->outcome, op->record->outcome);
    copy_text(row->headers, sizeof row->headers, op->record->headers);
    copy_text(row->note, sizeof row->note, op->record->note);
    row->queued = op->record->queued;
    op->status = journal->mode == SIM_DOWN ? STATUS_UNAVAILABLE : journal->answer;
    if (journal->mode != SIM_LATER || op->level == JOURNAL_BUFFERED) {
        op->leased = op->record->lease_ms > 0 && !op->record->ownerless;
        if (row->queued && op->status == STATUS_OK)
            sim_queue_insert(container_of(journal, struct sim, journal), op->record);
        return OP_READY;
    }
    row->lease_ms = op->record->lease_ms;
    row->ownerless = op->record->ownerless;
    row->received_at_ms = op->record->received_at_ms;
    assert(journal->waiting_count < SIM_MAX);
    journal->waiting_rows[journal->waiting_count] = journal->row_count - 1;
    journal->waiting[journal->waiting_count++] = op;
    return OP_PENDING;
}

static void journal_counts(struct journal *base, const struct uuid *event_id, uint64_t at_ms)
{
    struct sim_journal *journal = container_of(base, struct sim_journal, base);
    (void)at_ms;
    assert(journal->duplicate_count < SIM_MAX);
    journal->duplicates[journal->duplicate_count++] = *event_id;
}

static const struct journal_backend journal_backend = {
    .name = "sim",
    .append = journal_appends,
    .count_duplicate = journal_counts,
};

/* The record was borrowed for the submit: what a late row shows of it is enough for the tests. */
static void insert_late(struct sim *sim, size_t i)
{
    const struct sim_row *row = &sim->journal.rows[i];
    if (!row->queued)
        return;
    struct journal_record record = {
        .event_id = row->event_id,
        .route = SLICE("hook"),
        .method = SLICE("POST"),
        .target = SLICE("/hook"),
        .headers = slice_str(row->headers),
        .client = SLICE("192.0.2.7"),
        .received_at_ms = row->received_at_ms,
        .lease_ms = row->lease_ms,
        .ownerless = row->ownerless,
    };
    sim_queue_insert(sim, &record);
}

void sim_journal_flush(struct sim *sim)
{
    struct sim_journal *journal = &sim->journal;
    size_t count = journal->waiting_count;
    struct journal_op *ops[SIM_MAX];
    memcpy(ops, journal->waiting, sizeof ops);
    journal->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        ops[i]->status = journal->answer;
        ops[i]->leased = !journal->rows[journal->waiting_rows[i]].ownerless;
        if (journal->answer == STATUS_OK)
            insert_late(sim, journal->waiting_rows[i]);
        ops[i]->answered(ops[i]);
    }
    sim_turn(sim);
}

/* ---- upstream ---- */

static struct sim_upstream *upstream_of(struct upstream *base)
{
    return container_of(base, struct sim_upstream, base);
}

static enum op_status upstream_submits(struct upstream *base, struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(base);
    if (upstream->busy) {
        call->end = CALL_BUSY;
        return OP_READY;
    }
    assert(upstream->call_count < SIM_MAX);
    copy_text(upstream->heads[upstream->call_count], sizeof upstream->heads[0], call->head);
    upstream->calls[upstream->call_count++] = call;
    return OP_PENDING;
}

static size_t index_of(struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(call->upstream);
    for (size_t i = 0; i < upstream->call_count; i++)
        if (upstream->calls[i] == call)
            return i;
    assert(false && "a call that is not under way");
    return 0;
}

static void upstream_pauses(struct upstream_call *call)
{
    upstream_of(call->upstream)->paused[index_of(call)] = true;
}

static void upstream_resumes(struct upstream_call *call)
{
    upstream_of(call->upstream)->paused[index_of(call)] = false;
}

static void upstream_cancels(struct upstream_call *call)
{
    struct sim_upstream *upstream = upstream_of(call->upstream);
    size_t i = index_of(call);
    upstream->cancelled[i] = true;
    upstream->calls[i] = NULL;
}

static const struct upstream_backend upstream_backend = {
    .submit = upstream_submits,
    .pause = upstream_pauses,
    .resume = upstream_resumes,
    .cancel = upstream_cancels,
};

void sim_head(struct sim *sim, size_t i, uint16_t status, int length)
{
    static struct http_field fields[9];
    struct sim_upstream *upstream = &sim->upstream;
    struct upstream_call *call = upstream->calls[i];
    assert(call);
    fields[0] = (struct http_field){
        .name = SLICE("Content-Type"), .value = SLICE("text/plain"), .id = FIELD_CONTENT_TYPE};
    memcpy(fields + 1, upstream->fields, upstream->field_count * sizeof *fields);
    call->reader.head = (struct http_head){
        .status = status,
        .minor = 1,
        .body = length < 0 ? HTTP_BODY_CHUNKED : HTTP_BODY_SIZED,
        .content_length = length < 0 ? 0 : (uint64_t)length,
        .fields = fields,
        .field_count = 1 + upstream->field_count,
    };
    call->on->head(call);
}

void sim_piece(struct sim *sim, size_t i, const char *text)
{
    struct upstream_call *call = sim->upstream.calls[i];
    assert(call);
    call->on->body(call, slice_str(text));
}

void sim_end(struct sim *sim, size_t i, enum call_end end)
{
    struct upstream_call *call = sim->upstream.calls[i];
    assert(call);
    sim->upstream.calls[i] = NULL;
    call->end = end;
    call->any_sent = end != CALL_CONNECT_FAILED && end != CALL_BUSY && end != CALL_LAPSED;
    call->on->ended(call);
    sim_turn(sim);
}

void sim_answer(struct sim *sim, size_t i, uint16_t status, const char *body)
{
    sim_head(sim, i, status, (int)strlen(body));
    if (body[0] != '\0')
        sim_piece(sim, i, body);
    sim_end(sim, i, CALL_COMPLETE);
}

/* ---- opening ---- */

void sim_open_fakes(struct sim *sim)
{
    sim->dedup.base.backend = &dedup_backend;
    sim->dedup.base.stats.up = true;
    sim->dedup.table = key_table_new(SIM_KEYS);
    sim->dedup.loop = sim->loop;
    sim->journal.base.backend = &journal_backend;
    sim->journal.base.stats.up = true;
    sim->upstream.base.backend = &upstream_backend;
    sim->upstreams[0] = &sim->upstream.base;
    assert(sim->dedup.table);
    sim_limiter_open(sim);
    sim_queue_open(sim);
}
