/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a claim: renewed while the work lasts, then settled (the event is accepted, its
 * repeats are duplicates) or released (the sender's retry is served at once).
 */
#include "exchange.h"
#include "note.h"
#include <postern/base/fault.h>

#define RENEWALS_PER_LEASE 3u /* a live exchange renews at a third of its lease: two may fail */

/* ---- renewing ---- */

uint64_t exchange_work_ends_ms(const struct exchange *ex)
{
    bool matters = ex->claimed == CLAIM_HELD && ex->route->mode != ROUTE_OBSERVE;
    return matters ? ex->claim_ends_ms : 0;
}

static void extend_claim(struct exchange *ex, uint64_t ends_ms)
{
    ex->claim_ends_ms = ends_ms;
    ex->call.not_after_ms = ex->record.not_after_ms = exchange_work_ends_ms(ex);
}

static void take_renewal(struct exchange *ex)
{
    const struct dedup_op *op = &ex->renew;
    if (op->hold == HOLD_KEPT || op->hold == HOLD_LAPSED)
        extend_claim(ex, ex->renew_began_ms + op->lease_ms);
    if (op->hold == HOLD_LOST && !ex->lease_lost) {
        ex->lease_lost = true;
        account_tally(ex->gateway->account, TALLY_LEASE_LOST);
    }
}

static void on_renewed(struct dedup_op *op)
{
    struct exchange *ex = container_of(op, struct exchange, renew);
    ex->renewing = false;
    take_renewal(ex);
    exchange_resume(ex,
                    EX_KEY); /* beside the steps: no step waits for it, so it is nobody's finish */
}

static void arm_renewal(struct exchange *ex)
{
    uint64_t at_ms = loop_now_ms(ex->gateway->loop) + ex->route->lease_ms / RENEWALS_PER_LEASE;
    deadline_set(&ex->gateway->loop->deadlines, &ex->renew_at, at_ms);
}

static void on_renewal_due(struct deadline *deadline)
{
    struct exchange *ex = container_of(deadline, struct exchange, renew_at);
    arm_renewal(ex);
    if (ex->renewing)
        return;
    ex->renew_began_ms = loop_now_ms(ex->gateway->loop);
    ex->renew = (struct dedup_op){
        .route = ex->route->name,
        .key = ex->key,
        .token = ex->event_id,
        .lease_ms = ex->route->lease_ms,
        .answered = on_renewed,
    };
    note_give_head(ex, &ex->renew); /* a lease that had ended is taken again, with its note */
    if (dedup_renew(ex->gateway->dedup, &ex->renew) == OP_PENDING) {
        ex->renewing = true;
        ex->owed++;
    } else {
        take_renewal(ex);
    }
}

void exchange_keep_claim(struct exchange *ex)
{
    ex->renew_at.expired = on_renewal_due;
    if (ex->claimed == CLAIM_HELD)
        arm_renewal(ex);
}

/* ---- settle ---- */

static void on_settled(struct dedup_op *op)
{
    exchange_resume(container_of(op, struct exchange, hold), EX_SETTLE);
}

static struct dedup_op hold_op(struct exchange *ex, void (*answered)(struct dedup_op *op))
{
    struct dedup_op op = {
        .route = ex->route->name,
        .key = ex->key,
        .token = ex->event_id,
        .window_ms = ex->route->window_ms,
        .done = {.event_id = ex->event_id,
                 .status = ex->route->mode == ROUTE_QUEUE ? 202 : ex->status,
                 .accepted_at_ms = ex->gateway->loop->clock.wall_ms},
        .answered = answered,
    };
    note_give(ex, &op);
    return op;
}

enum ex_state begin_settle(struct exchange *ex)
{
    exchange_lap_us(ex);
    deadline_clear(&ex->gateway->loop->deadlines, &ex->renew_at);
    ex->hold = hold_op(ex, on_settled);
    if (dedup_settle(ex->gateway->dedup, &ex->hold) == OP_READY)
        return finish_settle(ex);
    ex->owed++;
    return EX_WAIT;
}

static void tally_hold(struct exchange *ex, enum tally when_unknown)
{
    struct account *account = ex->gateway->account;
    switch (ex->hold.hold) {
    case HOLD_KEPT:
        break;
    case HOLD_LAPSED:
        if (ex->claimed == CLAIM_HELD)
            account_tally(account, TALLY_LEASE_LAPSED);
        break;
    case HOLD_LOST:
        if (ex->claimed == CLAIM_HELD && !ex->lease_lost)
            account_tally(account, TALLY_LEASE_LOST);
        break;
    case HOLD_UNKNOWN:
        account_tally(account, when_unknown);
        break;
    }
}

enum ex_state finish_settle(struct exchange *ex)
{
    FAULT_POINT("after_settle");
    account_timer(ex->gateway->account, exchange_route_index(ex), TIMER_SETTLE,
                  exchange_lap_us(ex));
    tally_hold(ex, TALLY_SETTLE_UNKNOWN);
    waiters_wake(ex->gateway->shared->waiters, &ex->key, WAKE_ALL);
    return EX_RESPOND;
}

enum ex_state timeout_settle(struct exchange *ex)
{
    account_tally(ex->gateway->account, TALLY_SETTLE_UNKNOWN);
    return EX_RESPOND;
}

/* ---- release ---- */

static void on_released(struct dedup_op *op)
{
    exchange_resume(container_of(op, struct exchange, hold), EX_RELEASE);
}

enum ex_state begin_release(struct exchange *ex)
{
    deadline_clear(&ex->gateway->loop->deadlines, &ex->renew_at);
    ex->hold = hold_op(ex, on_released);
    if (dedup_release(ex->gateway->dedup, &ex->hold) == OP_READY)
        return finish_release(ex);
    ex->owed++;
    return EX_WAIT;
}

enum ex_state finish_release(struct exchange *ex)
{
    tally_hold(ex, TALLY_RELEASE_UNKNOWN);
    waiters_wake(ex->gateway->shared->waiters, &ex->key, WAKE_ONE);
    return EX_RESPOND;
}

enum ex_state timeout_release(struct exchange *ex)
{
    account_tally(ex->gateway->account, TALLY_RELEASE_UNKNOWN);
    return EX_RESPOND;
}

/* ---- after the exchange has left ---- */

static void on_held_late(struct dedup_op *op)
{
    /* Nobody waits for it: the late answer of a deciding step. */
    exchange_resume(container_of(op, struct exchange, hold), EX_KEY);
}

void exchange_hold_late(struct exchange *ex, bool accepted)
{
    struct gateway *gw = ex->gateway;
    deadline_clear(&gw->loop->deadlines, &ex->renew_at);
    if (ex->claimed == CLAIM_NONE)
        return;
    ex->hold = hold_op(ex, on_held_late);
    enum op_status submitted = accepted ? dedup_settle(gw->dedup, &ex->hold)
                                        : dedup_release(gw->dedup, &ex->hold);
    if (submitted == OP_PENDING)
        ex->owed++;
    waiters_wake(gw->shared->waiters, &ex->key, accepted ? WAKE_ALL : WAKE_ONE);
}
