/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps up to the claim: the body is received, the key made, the claim asked for, and a copy of
 * an event in flight parked. Nothing before the claim touches a store, and nothing here touches the
 * upstream.
 */
#include "exchange.h"
#include "limits.h"
#include "note.h"
#include "request.h"
#include <postern/base/fault.h>

#define PARK_POLL_MIN_MS                                                                           \
    50u /* first poll of a parked copy; outcomes on this node wake it at once */
#define PARK_POLL_MAX_MS 400u /* later polls: another node's outcome is seen this late at most */
#define BODY_FIRST_BYTES                                                                           \
    65536u /* reserved on the word of a Content-Length; the rest as it comes                       \
            */

/* ---- receive ---- */

static uint64_t body_limit(const struct exchange *ex)
{
    return ex->route ? ex->route->body_bytes : ex->gateway->config->body_bytes;
}

/* Answers before the body came: the connection can't be used for another request. */
static enum ex_state refuse_unread(struct exchange *ex, enum outcome outcome)
{
    ex->outcome = outcome;
    ex->client->close_after = true;
    return EX_RESPOND;
}

/* Answers once the body is through, so that the connection can be used again; who waits to be told
 * to send it needn't. */
static enum ex_state refuse_at_end(struct exchange *ex, enum outcome outcome)
{
    if (ex->request.expect_continue)
        return refuse_unread(ex, outcome);
    ex->outcome = outcome;
    ex->discard_body = true;
    return EX_WAIT;
}

enum ex_state begin_receive(struct exchange *ex)
{
    const struct http_head *head = &ex->request;
    if (head->body == HTTP_BODY_SIZED && head->content_length > body_limit(ex))
        return refuse_unread(ex, OUTCOME_REJECTED_BODY_TOO_LARGE);
    enum outcome refused = ex->route ? limits_ask_early(ex) : OUTCOME_REJECTED_NO_ROUTE;
    if (refused != OUTCOME_NONE)
        return refuse_at_end(ex, refused);
    ex->body.ceiling = body_limit(ex);
    if (head->body == HTTP_BODY_SIZED && head->content_length > 0) {
        size_t first = head->content_length < BODY_FIRST_BYTES ? head->content_length
                                                               : BODY_FIRST_BYTES;
        if (!buf_reserve(&ex->body, first))
            return refuse_unread(ex, OUTCOME_REJECTED_BUSY);
    }
    return EX_WAIT;
}

uint64_t deadline_receive(const struct exchange *ex)
{
    return loop_now_ms(ex->gateway->loop) + ex->gateway->config->timeouts.body_ms;
}

enum ex_state timeout_receive(struct exchange *ex)
{
    return refuse_unread(ex, OUTCOME_REJECTED_SLOW);
}

static bool over_body_memory(const struct gateway *gw, size_t more)
{
    return gw->body_bytes + more > gw->config->body_memory_bytes / gw->config->workers;
}

void exchange_body(struct exchange *ex, struct slice piece)
{
    struct gateway *gw = ex->gateway;
    if (ex->state != EX_RECEIVE)
        return; /* refused while it was still coming */
    ex->body_counted += piece.len;
    gw->body_bytes += piece.len;
    if (ex->body_counted > body_limit(ex))
        exchange_refuse(ex, OUTCOME_REJECTED_BODY_TOO_LARGE);
    else if (over_body_memory(gw, 0) ||
             (!ex->discard_body && buf_append(&ex->body, piece) != STATUS_OK))
        exchange_refuse(ex, OUTCOME_REJECTED_BUSY);
}

enum ex_state finish_receive(struct exchange *ex)
{
    return ex->outcome == OUTCOME_NONE ? EX_ADMIT : EX_RESPOND;
}

/* ---- key ---- */

static struct key_result make_key(struct exchange *ex, const struct key_rule *rules, size_t count)
{
    struct buf decoded; /* of a packed body: held only for as long as its key is made */
    buf_init(&decoded, body_limit(ex));
    struct key_input input =
        request_key_input(ex->route, &ex->request, buf_slice(&ex->body), &decoded);
    struct key_result made = key_make(rules, count, &input, ex->gateway->digester, &ex->arena);
    buf_done(&decoded);
    made.value_count = 0; /* they may lie in what is gone now */
    return made;
}

static enum ex_state take_key(struct exchange *ex, const struct key_result *made)
{
    ex->has_key = true;
    ex->key = made->key;
    return note_begin(ex) == STATUS_OK ? EX_CLAIM : exchange_end(ex, OUTCOME_REJECTED_BUSY);
}

/* What is, or has to count as, a new event: over the rate only copies are answered. */
static enum ex_state work_within_rate(struct exchange *ex)
{
    return limits_is_over(ex) ? exchange_end(ex, OUTCOME_REJECTED_RATE) : exchange_work(ex);
}

static enum ex_state pass_without_key(struct exchange *ex)
{
    ex->bypass = OUTCOME_BYPASSED_NO_KEY;
    return work_within_rate(ex);
}

static enum ex_state key_missing(struct exchange *ex)
{
    static const struct key_rule payload = {.kind = KEY_PAYLOAD};
    if (ex->route->mode == ROUTE_OBSERVE)
        return pass_without_key(ex);
    switch (ex->route->missing) {
    case MISSING_PASS:
        return pass_without_key(ex);
    case MISSING_REJECT:
        return exchange_end(ex, OUTCOME_REJECTED_NO_KEY);
    case MISSING_PAYLOAD:
        break;
    }
    struct key_result made = make_key(ex, &payload, 1);
    if (made.found)
        return take_key(ex, &made);
    if (made.miss == KEY_MISS_NO_MEMORY)
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    return pass_without_key(ex); /* an empty body has no key either */
}

static bool promises_record(const struct route_opts *route)
{
    return route->mode == ROUTE_QUEUE ||
           (route->ack == ACK_DURABLE && route->mode != ROUTE_OBSERVE);
}

enum ex_state begin_key(struct exchange *ex)
{
    const struct route_opts *route = ex->route;
    /* The record is promised before the answer. Known to be impossible now, so nothing is begun. */
    if (promises_record(route) && !ex->gateway->journal->stats.up)
        return exchange_end(ex, route->mode == ROUTE_QUEUE ? OUTCOME_REJECTED_QUEUE
                                                           : OUTCOME_REJECTED_JOURNAL);
    struct key_result made = make_key(ex, route->keys, route->key_count);
    if (made.found)
        return take_key(ex, &made);
    account_miss(ex->gateway->account, exchange_route_index(ex), made.miss);
    if (made.miss == KEY_MISS_NO_MEMORY)
        return exchange_end(ex, OUTCOME_REJECTED_BUSY);
    return key_missing(ex);
}

/* ---- claim ---- */

static void on_claim_answered(struct dedup_op *op)
{
    exchange_resume(container_of(op, struct exchange, claim), EX_CLAIM);
}

enum ex_state begin_claim(struct exchange *ex)
{
    exchange_lap_us(ex);
    ex->claim_ends_ms = loop_now_ms(ex->gateway->loop) + ex->route->lease_ms;
    ex->claim = (struct dedup_op){
        .route = ex->route->name,
        .key = ex->key,
        .token = ex->event_id,
        .lease_ms = ex->route->lease_ms,
        .ret_note = ex->note_head_len > 0 ? &ex->first_note : NULL,
        .answered = on_claim_answered,
    };
    note_give_head(ex, &ex->claim);
    if (dedup_claim(ex->gateway->dedup, &ex->claim) == OP_READY)
        return finish_claim(ex);
    ex->owed++;
    return EX_WAIT;
}

uint64_t deadline_store(const struct exchange *ex)
{
    return loop_now_ms(ex->gateway->loop) + ex->gateway->config->redis.timeout_ms;
}

/* Observed routes pass everything: what it would have been is only marked. */
static enum ex_state observe(struct exchange *ex, enum outcome outcome)
{
    ex->marked = outcome;
    return EX_FORWARD;
}

static enum ex_state claim_unknown(struct exchange *ex)
{
    if (ex->route->mode != ROUTE_OBSERVE && ex->route->on_store_error == STORE_ERROR_REJECT)
        return exchange_end(ex, OUTCOME_UNKNOWN_STORE);
    if (limits_is_over(ex))
        return exchange_end(ex, OUTCOME_REJECTED_RATE);
    ex->claimed = CLAIM_UNSURE; /* if it is accepted, settle will try to say so */
    ex->bypass = OUTCOME_BYPASSED_STORE;
    return exchange_work(ex);
}

static enum ex_state claim_mismatch(struct exchange *ex)
{
    if (ex->route->mode == ROUTE_OBSERVE)
        return observe(ex, OUTCOME_REJECTED_MISMATCH);
    return exchange_end(ex, OUTCOME_REJECTED_MISMATCH);
}

static enum ex_state claim_duplicate(struct exchange *ex)
{
    if (note_conflicts(ex))
        return claim_mismatch(ex);
    if (ex->route->mode == ROUTE_OBSERVE)
        return observe(ex, OUTCOME_DUPLICATE);
    return limits_charge_copy(ex, OUTCOME_DUPLICATE);
}

static enum ex_state claim_in_flight(struct exchange *ex)
{
    if (note_conflicts(ex))
        return claim_mismatch(ex);
    if (ex->route->mode == ROUTE_OBSERVE)
        return observe(ex, OUTCOME_IN_FLIGHT);
    return ex->route->in_flight == IN_FLIGHT_WAIT ? EX_PARK
                                                  : limits_charge_copy(ex, OUTCOME_IN_FLIGHT);
}

enum ex_state finish_claim(struct exchange *ex)
{
    account_timer(ex->gateway->account, exchange_route_index(ex), TIMER_CLAIM, exchange_lap_us(ex));
    switch (ex->claim.verdict) {
    case VERDICT_FIRST:
        FAULT_POINT("after_claim");
        ex->claimed = CLAIM_HELD;
        return work_within_rate(ex);
    case VERDICT_DUPLICATE:
        return claim_duplicate(ex);
    case VERDICT_IN_FLIGHT:
        return claim_in_flight(ex);
    case VERDICT_FULL:
        return ex->route->mode == ROUTE_OBSERVE ? claim_unknown(ex)
                                                : exchange_end(ex, OUTCOME_REJECTED_MEMORY_FULL);
    case VERDICT_UNKNOWN:
        break;
    }
    return claim_unknown(ex);
}

enum ex_state timeout_claim(struct exchange *ex)
{
    account_tally(ex->gateway->account, TALLY_CLAIM_TIMEOUT);
    return claim_unknown(ex);
}

static void on_given_back(struct dedup_op *op)
{
    /* Nobody waits for it: this is the release step's late answer. */
    exchange_resume(container_of(op, struct exchange, claim), EX_RELEASE);
}

/* Granted after we had left. An event that passed all the same keeps it for settle; otherwise the
 * sender's retry must not find the key taken. */
void late_claim(struct exchange *ex)
{
    if (ex->claim.verdict != VERDICT_FIRST)
        return;
    if (ex->claimed == CLAIM_UNSURE)
        return;
    account_tally(ex->gateway->account, TALLY_CLAIM_LATE);
    ex->claim.answered = on_given_back;
    if (dedup_release(ex->gateway->dedup, &ex->claim) == OP_PENDING)
        ex->owed++;
    waiters_wake(ex->gateway->shared->waiters, &ex->key, WAKE_ONE);
}

/* ---- park ---- */

static void on_woken(struct waiter *waiter)
{
    exchange_continue(container_of(waiter, struct exchange, waiter), EX_PARK);
}

enum ex_state begin_park(struct exchange *ex)
{
    struct gateway *gw = ex->gateway;
    uint64_t now_ms = loop_now_ms(gw->loop);
    if (ex->park_until_ms == 0) {
        ex->park_until_ms = now_ms + ex->route->in_flight_wait_ms;
        account_tally(gw->account, TALLY_PARKED);
    }
    if (now_ms >= ex->park_until_ms)
        return limits_charge_copy(ex, OUTCOME_IN_FLIGHT);
    ex->waiter.woken = on_woken;
    waiters_park(gw->inbox, &ex->waiter, &ex->key);
    return EX_WAIT;
}

uint64_t deadline_park(const struct exchange *ex)
{
    uint64_t poll_ms = (uint64_t)PARK_POLL_MIN_MS << (ex->park_polls < 3 ? ex->park_polls : 3);
    uint64_t at_ms = loop_now_ms(ex->gateway->loop) +
                     (poll_ms < PARK_POLL_MAX_MS ? poll_ms : PARK_POLL_MAX_MS);
    return at_ms < ex->park_until_ms ? at_ms : ex->park_until_ms;
}

enum ex_state finish_park(struct exchange *ex)
{
    ex->park_polls++;
    return EX_CLAIM; /* ask again: settled, released, or still at work */
}
