/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step that makes an event of a queue route durable: a 202 is a promise, so nothing is answered
 * before the journal's commit, and the commit before the claim is settled. What follows the answer
 * is the courier's (courier.h); when it has room, the first attempt starts from here, from memory.
 *
 * An append ends in certainty (journal.h). Until it does, the claim is ours and stays so, even when
 * the sender was told 503 in the meantime: the event may have been accepted, and its retry must
 * find out rather than pass.
 */
#include "courier.h"
#include "exchange.h"
#include "record.h"
#include <postern/base/fault.h>

/* Beyond the database's own time-out: by then what could not be committed there is in the spool. */
#define ENQUEUE_MARGIN_MS 5000u

static void on_enqueued(struct journal_op *op)
{
    exchange_resume(container_of(op, struct exchange, record), EX_ENQUEUE);
}

static void give_up_slot(struct exchange *ex)
{
    if (ex->reserved)
        courier_unreserve(ex->gateway->courier, exchange_route_index(ex), buf_len(&ex->body));
    ex->reserved = false;
}

/* The gateway stood still since it asked for the claim: the key may be another's by now. */
static bool has_lapsed(const struct exchange *ex)
{
    uint64_t ends_ms = exchange_work_ends_ms(ex);
    return ends_ms > 0 && loop_exact_ms(ex->gateway->loop) >= ends_ms;
}

enum ex_state begin_enqueue(struct exchange *ex)
{
    struct gateway *gw = ex->gateway;
    struct journal_record record;
    exchange_lap_us(ex);
    exchange_keep_claim(ex);
    if (has_lapsed(ex))
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    ex->outcome = ex->bypass != OUTCOME_NONE ? ex->bypass : OUTCOME_ACCEPTED;
    if (record_make(ex, &record) != STATUS_OK)
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    ex->reserved = courier_reserve(gw->courier, exchange_route_index(ex), buf_len(&ex->body));
    record.lease_ms = courier_lease_ms(gw->courier, exchange_route_index(ex), ex->reserved);
    record.ownerless = !ex->reserved;
    ex->leased_until_ms = loop_now_ms(gw->loop) + record.lease_ms;
    ex->record = (struct journal_op){.record = &record,
                                     .level = JOURNAL_DURABLE,
                                     .not_after_ms = exchange_work_ends_ms(ex),
                                     .answered = on_enqueued};
    enum op_status submitted = journal_append(gw->journal, &ex->record);
    ex->record.record = NULL; /* it was borrowed for the call */
    FAULT_POINT("after_append");
    if (submitted == OP_READY)
        return finish_enqueue(ex);
    ex->enqueuing = true;
    ex->owed++;
    return EX_WAIT;
}

uint64_t deadline_enqueue(const struct exchange *ex)
{
    const struct config *config = ex->gateway->config;
    uint64_t database_ms = config->journal == JOURNAL_POSTGRES ? config->postgres.timeout_ms : 0;
    return loop_now_ms(ex->gateway->loop) + database_ms + ENQUEUE_MARGIN_MS;
}

/* The event as the courier would take it from the journal; the head's lines are in ex->text still.
 */
static void start_delivery(struct exchange *ex)
{
    struct queue_event event = {
        .event_id = ex->event_id,
        .home = ex->record.home,
        .route = ex->route->name,
        .method = ex->request.method,
        .target = ex->request.target,
        .headers = buf_slice(&ex->text),
        .client = ex->client_address,
        .body = buf_slice(&ex->body),
        .received_at_ms = ex->received_wall_ms,
        .waits_since_ms = ex->received_wall_ms,
    };
    ex->reserved = false;
    courier_start(ex->gateway->courier, exchange_route_index(ex), &event, ex->leased_until_ms);
}

enum ex_state finish_enqueue(struct exchange *ex)
{
    ex->enqueuing = false;
    account_timer(ex->gateway->account, exchange_route_index(ex), TIMER_JOURNAL,
                  exchange_lap_us(ex));
    if (ex->record.status != STATUS_OK) {
        give_up_slot(ex);
        return exchange_end(ex, OUTCOME_REJECTED_QUEUE);
    }
    FAULT_POINT("after_journal_commit");
    if (ex->record.leased)
        start_delivery(ex);
    else
        give_up_slot(ex);
    return ex->claimed == CLAIM_NONE ? EX_RESPOND : EX_SETTLE;
}

/* The claim is neither settled nor released: late_enqueue does the one or the other. */
enum ex_state timeout_enqueue(struct exchange *ex)
{
    give_up_slot(ex);
    account_tally(ex->gateway->account, TALLY_RECORD_UNCONFIRMED);
    ex->outcome = OUTCOME_UNKNOWN_QUEUE;
    return EX_RESPOND;
}

/* Accepted after all: the journal delivers it, and its repeats are duplicates. Or certainly not
 * accepted: the retry is served. Nothing is certain when the journal is closed on the way: then the
 * lease ends by itself, and if the row is there after all its claim is settled as an orphan's. */
void late_enqueue(struct exchange *ex)
{
    bool accepted = ex->record.status == STATUS_OK;
    ex->enqueuing = false;
    if (!accepted && ex->gateway->draining) {
        deadline_clear(&ex->gateway->loop->deadlines, &ex->renew_at);
        return;
    }
    if (accepted)
        account_tally(ex->gateway->account, TALLY_RECORD_LATE);
    exchange_hold_late(ex, accepted);
}
