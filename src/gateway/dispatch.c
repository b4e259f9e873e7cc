/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that do the work while the sender waits: forward to the upstream, record in the
 * journal. The order is the contract: journal before settle, both before the answer (exchange.h).
 * What is done later for a queue route is accepted in enqueue.c.
 */
#include "exchange.h"
#include "heads.h"
#include "note.h"
#include "record.h"
#include "respond.h"
#include <postern/base/fault.h>

#define SQLITE_RECORD_WAIT_MS                                                                      \
    10000u                       /* a disk that takes longer for one commit counts as failed       \
                                  */
#define PG_RECORD_MARGIN_MS 500u /* beyond the link's own time-out, so that its answer is seen */

/* ---- forward ---- */

static void on_turn_end(struct loop_hook *hook)
{
    exchange_continue(container_of(hook, struct exchange, settled_in), EX_FORWARD);
}

static void time_upstream(struct exchange *ex)
{
    ex->forwarded_us = exchange_lap_us(ex);
    account_timer(ex->gateway->account, exchange_route_index(ex), TIMER_UPSTREAM, ex->forwarded_us);
}

/* The pieces of a small answer come in the same turn as its head: the exchange goes on when they
 * were all seen. */
static void on_call_head(struct upstream_call *call)
{
    struct exchange *ex = container_of(call, struct exchange, call);
    ex->status = call->reader.head.status;
    time_upstream(ex);
    ex->settled_in.run = on_turn_end;
    loop_defer(ex->gateway->loop, &ex->settled_in);
}

/* An answer that was waited for may have become too large to keep: it is streamed after all. */
static void on_call_body(struct upstream_call *call, struct slice piece)
{
    struct exchange *ex = container_of(call, struct exchange, call);
    respond_piece(ex, piece);
    if (ex->state == EX_FORWARD && !note_waits(ex))
        loop_defer(ex->gateway->loop, &ex->settled_in);
}

static void on_call_ended(struct upstream_call *call)
{
    struct exchange *ex = container_of(call, struct exchange, call);
    ex->calling = false;
    ex->answer_complete = call->end == CALL_COMPLETE;
    ex->answer_broken = ex->status != 0 && call->end != CALL_COMPLETE;
    exchange_resume(ex, EX_FORWARD);
}

static const struct upstream_call_handlers call_handlers = {
    .head = on_call_head,
    .body = on_call_body,
    .ended = on_call_ended,
};

enum ex_state begin_forward(struct exchange *ex)
{
    exchange_lap_us(ex);
    if (write_upstream_head(ex) != STATUS_OK)
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    ex->call = (struct upstream_call){
        .on = &call_handlers,
        .head = buf_slice(&ex->text),
        .body = buf_slice(&ex->body),
        .is_head_request = slice_eq(ex->request.method, SLICE("HEAD")),
        .arena = &ex->arena,
        .not_after_ms = exchange_work_ends_ms(ex),
    };
    exchange_keep_claim(ex);
    if (upstream_submit(ex->gateway->upstreams[ex->route->upstream], &ex->call) == OP_READY)
        return finish_forward(ex);
    ex->calling = true;
    ex->owed++;
    return EX_WAIT;
}

static enum outcome failed_outcome(enum call_end end)
{
    switch (end) {
    case CALL_BUSY:
    case CALL_LAPSED: /* the gateway stood still: the key may be another's by now */
    case CALL_NO_MEMORY:
        return OUTCOME_REJECTED_BUSY;
    case CALL_CONNECT_FAILED:
        return OUTCOME_FAILED_CONNECT;
    case CALL_TIMED_OUT:
        return OUTCOME_FAILED_TIMEOUT;
    case CALL_BAD_RESPONSE:
        return OUTCOME_FAILED_BAD_RESPONSE;
    case CALL_COMPLETE: /* without a head: the upstream module does not do that */
    case CALL_BROKEN:
        break;
    }
    return OUTCOME_FAILED_BROKEN;
}

static enum ex_state upstream_answered(struct exchange *ex)
{
    if (ex->marked != OUTCOME_NONE) {
        ex->outcome = ex->marked;
        return EX_RESPOND;
    }
    if (!route_is_success(ex->route, ex->status))
        return exchange_end(ex, OUTCOME_FAILED_STATUS);
    FAULT_POINT("after_upstream_answer");
    ex->outcome = ex->bypass != OUTCOME_NONE ? ex->bypass : OUTCOME_ACCEPTED;
    note_keep_response(ex);
    return EX_RECORD;
}

enum ex_state finish_forward(struct exchange *ex)
{
    loop_undefer(&ex->settled_in);
    if (ex->status == 0) {
        time_upstream(ex);
        return exchange_end(ex, failed_outcome(ex->call.end));
    }
    if (note_waits(ex))
        return EX_WAIT;
    exchange_lap_us(ex); /* the rest of an answer that was waited for is no step's time */
    return upstream_answered(ex);
}

/* The call ended after its head had let the exchange go on: the rest of the answer is there, or
 * won't come. */
void late_forward(struct exchange *ex)
{
    exchange_continue(ex, EX_RESPOND);
}

/* ---- record ---- */

static void on_recorded(struct journal_op *op)
{
    exchange_resume(container_of(op, struct exchange, record), EX_RECORD);
}

/* How far a record has to be before the exchange goes on. With the memory store the journal is
 * where a restart finds the keys again, so that even an async route waits until the record survives
 * a kill (SQLite commits without syncing: no disk wait). */
static enum journal_level record_level(const struct exchange *ex)
{
    const struct config *config = ex->gateway->config;
    if (ex->route->ack == ACK_DURABLE)
        return JOURNAL_DURABLE;
    if (config->dedup == DEDUP_MEMORY && config->journal == JOURNAL_SQLITE)
        return JOURNAL_WRITTEN;
    return JOURNAL_BUFFERED;
}

enum ex_state begin_record(struct exchange *ex)
{
    struct journal_record record;
    if (record_make(ex, &record) != STATUS_OK) {
        ex->record.status = STATUS_NO_MEMORY;
        return finish_record(ex);
    }
    ex->record = (struct journal_op){
        .record = &record,
        .level = record_level(ex),
        .answered = on_recorded,
    };
    enum op_status submitted = journal_append(ex->gateway->journal, &ex->record);
    ex->record.record = NULL; /* it was borrowed for the call */
    if (submitted == OP_READY)
        return finish_record(ex);
    ex->owed++;
    return EX_WAIT;
}

uint64_t deadline_record(const struct exchange *ex)
{
    const struct config *config = ex->gateway->config;
    uint64_t wait_ms = config->journal == JOURNAL_POSTGRES
                           ? config->postgres.timeout_ms + PG_RECORD_MARGIN_MS
                           : SQLITE_RECORD_WAIT_MS;
    return loop_now_ms(ex->gateway->loop) + wait_ms;
}

/* The upstream has the event, so the claim is settled in any case: a release would deliver it
 * twice. */
static enum ex_state after_record(struct exchange *ex)
{
    return ex->claimed == CLAIM_NONE ? EX_RESPOND : EX_SETTLE;
}

/* A durable route promises the record before the answer and can't keep it: 503. The record may
 * still be written (it stays in the journal's buffer), and the sender's retry is a duplicate of an
 * event that was delivered. docs/guarantees.md tells this. */
static enum ex_state record_failed(struct exchange *ex)
{
    account_tally(ex->gateway->account, TALLY_RECORD_UNCONFIRMED);
    if (ex->route->ack == ACK_DURABLE && ex->route->mode != ROUTE_OBSERVE)
        ex->outcome = OUTCOME_FAILED_JOURNAL;
    return after_record(ex);
}

enum ex_state finish_record(struct exchange *ex)
{
    account_timer(ex->gateway->account, exchange_route_index(ex), TIMER_JOURNAL,
                  exchange_lap_us(ex));
    if (ex->record.status != STATUS_OK)
        return record_failed(ex);
    FAULT_POINT("after_journal_commit");
    return after_record(ex);
}

enum ex_state timeout_record(struct exchange *ex)
{
    return record_failed(ex);
}
