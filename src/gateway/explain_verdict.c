/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dedup store says of an explained request's key, and what a claim's verdict of that kind
 * comes to: the step `claim` (intake.c), told.
 */
#include "explain_impl.h"
#include "note.h"

bool explain_prepare(const struct explanation *explanation, struct buf *first_note,
                     struct dedup_op *op)
{
    if (!explanation->rule)
        return false;
    *op = (struct dedup_op){
        .route = explanation->route->name,
        .key = explanation->key.key,
        .noted = note_is_kept(explanation->route),
        .ret_note = first_note,
    };
    return true;
}

/* ---- what a verdict comes to ---- */

static bool is_observed(const struct explanation *told)
{
    return told->route->mode == ROUTE_OBSERVE;
}

/* Observed routes pass everything: what it would have been is only marked. */
static void answer(struct explanation *told, enum outcome outcome, uint16_t status)
{
    if (is_observed(told))
        explain_work(told, outcome);
    else
        explain_end(told, EXPLAIN_ANSWER, outcome, status);
}

/* The status of a duplicate's answer, as own_answer.c chooses it. */
static uint16_t duplicate_status(const struct route_opts *route, struct slice first_note)
{
    struct reply reply;
    if (route->replay.enabled && route->mode == ROUTE_QUEUE)
        return route->accept_status;
    return note_response(route, first_note, &reply) ? reply.status : route->duplicate_status;
}

static void judge_in_flight(struct explanation *told)
{
    uint16_t status = outcome_row(OUTCOME_IN_FLIGHT)->status;
    if (told->route->in_flight == IN_FLIGHT_WAIT && !is_observed(told))
        explain_end(told, EXPLAIN_WAIT, OUTCOME_IN_FLIGHT, status);
    else
        answer(told, OUTCOME_IN_FLIGHT, status);
}

static void judge_unknown(struct explanation *told)
{
    if (!is_observed(told) && told->route->on_store_error == STORE_ERROR_REJECT)
        explain_answer(told, OUTCOME_UNKNOWN_STORE);
    else
        explain_work(told, OUTCOME_BYPASSED_STORE);
}

static void judge_known(struct explanation *told, struct slice first_note)
{
    if (told->differs && told->route->on_mismatch == MISMATCH_CONFLICT)
        answer(told, OUTCOME_REJECTED_MISMATCH, outcome_row(OUTCOME_REJECTED_MISMATCH)->status);
    else if (told->verdict == VERDICT_DUPLICATE)
        answer(told, OUTCOME_DUPLICATE, duplicate_status(told->route, first_note));
    else
        judge_in_flight(told);
}

static void judge(struct explanation *told, struct slice first_note)
{
    switch (told->verdict) {
    case VERDICT_FIRST:
        explain_work(told, OUTCOME_NONE);
        break;
    case VERDICT_DUPLICATE:
    case VERDICT_IN_FLIGHT:
        judge_known(told, first_note);
        break;
    case VERDICT_UNKNOWN:
    case VERDICT_FULL: /* a peek never says so */
        judge_unknown(told);
        break;
    }
}

/* ---- the store's answer ---- */

static bool has_first(enum verdict verdict)
{
    return verdict == VERDICT_DUPLICATE || verdict == VERDICT_IN_FLIGHT;
}

static uint64_t age_of(const struct explanation *told, uint64_t now_ms)
{
    uint64_t since_ms = told->verdict == VERDICT_DUPLICATE ? told->first.accepted_at_ms
                                                           : uuid_time_ms(&told->first.event_id);
    return now_ms > since_ms ? now_ms - since_ms : 0;
}

void explain_hear(struct explanation *explanation, const struct dedup_op *op, uint64_t now_ms)
{
    struct explanation *told = explanation;
    struct slice first_note = op->ret_note ? buf_slice(op->ret_note) : SLICE("");
    struct fingerprint first;
    told->is_heard = true;
    told->verdict = op->verdict;
    if (has_first(op->verdict)) {
        told->first = op->first;
        told->age_ms = age_of(told, now_ms);
        told->differs = note_differs(told->route, &told->fingerprint, first_note, &first);
    }
    judge(told, first_note);
}
