/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply of Redis says of a key. Only a value that reads exactly "done" is a duplicate; an
 * error or a stranger's value is UNKNOWN; a reply of the wrong type means that replies and commands
 * are out of step, and that nothing more can be believed.
 */
#include "redis_command.h"

#include "redis_value.h"

static enum redis_taken take_unknown(struct dedup_op *op)
{
    op->verdict = VERDICT_UNKNOWN;
    op->hold = HOLD_UNKNOWN;
    return TAKEN;
}

/* The claim holds the key already, which a look only says. */
static enum redis_taken take_own(struct dedup_op *op)
{
    op->verdict = VERDICT_FIRST;
    if (redis_verb_of(op) == VERB_PEEK)
        return TAKEN;
    op->verb = VERB_CLAIM_AGAIN;
    return TAKEN_SEND_AGAIN;
}

static void tell(struct dedup_op *op, enum verdict verdict, const struct redis_reply *reply,
                 struct slice note)
{
    op->verdict = verdict;
    if (!reply->cut)
        dedup_tell_note(op->ret_note, note);
}

/* The key holds a value: whose? */
static enum redis_taken take_value(struct dedup_op *op, const struct redis_reply *reply,
                                   uint64_t *ret_window_ms)
{
    struct redis_value value = redis_value_parse(reply->text);
    op->first = value.first;
    switch (value.kind) {
    case VALUE_DONE:
        tell(op, VERDICT_DUPLICATE, reply, value.note);
        *ret_window_ms = value.window_ms;
        return TAKEN;
    case VALUE_PENDING:
        if (uuid_eq(&value.first.event_id, &op->token))
            return take_own(op);
        tell(op, VERDICT_IN_FLIGHT, reply, value.note);
        return TAKEN;
    case VALUE_UNKNOWN:
        break;
    }
    return take_unknown(op);
}

/* A claim or a look. */
static enum redis_taken take_get(struct dedup_op *op, const struct redis_reply *reply,
                                 uint64_t *ret_window_ms)
{
    if (reply->type == REDIS_STRING)
        return take_value(op, reply, ret_window_ms);
    if (reply->type != REDIS_NIL)
        return TAKEN_NONSENSE;
    op->verdict = VERDICT_FIRST;
    return TAKEN;
}

/* Between the two commands the key may have changed hands: then nothing is known for sure. */
static enum redis_taken take_claim_again(struct dedup_op *op, int64_t answer)
{
    if (answer == SCRIPT_LOST)
        return take_unknown(op);
    op->verdict = VERDICT_FIRST;
    return TAKEN;
}

static enum redis_taken take_script(struct dedup_op *op, const struct redis_reply *reply)
{
    static const enum hold holds[] = {
        [SCRIPT_LOST] = HOLD_LOST, [SCRIPT_KEPT] = HOLD_KEPT, [SCRIPT_LAPSED] = HOLD_LAPSED};
    if (reply->type != REDIS_INTEGER || reply->integer < SCRIPT_LOST ||
        reply->integer > SCRIPT_LAPSED)
        return TAKEN_NONSENSE;
    op->hold = holds[reply->integer];
    if (redis_verb_of(op) == VERB_CLAIM_AGAIN)
        return take_claim_again(op, reply->integer);
    return TAKEN;
}

static enum redis_taken take_forget(struct dedup_op *op, const struct redis_reply *reply)
{
    if (reply->type != REDIS_INTEGER)
        return TAKEN_NONSENSE;
    op->hold = reply->integer > 0 ? HOLD_KEPT : HOLD_LAPSED;
    return TAKEN;
}

/* A script that the server lost (SCRIPT FLUSH) is sent along once, which also loads it again; not
 * behind the back of whoever has spoken for the key since. */
static enum redis_taken take_error(struct dedup_op *op, struct slice text)
{
    if (!slice_starts(text, SLICE("NOSCRIPT")) || (op->verb & (VERB_RESENT | VERB_WAIVED)))
        return take_unknown(op);
    op->verb |= VERB_RESENT;
    return TAKEN_SEND_AGAIN;
}

enum redis_taken redis_command_take(struct dedup_op *op, const struct redis_reply *reply,
                                    uint64_t *ret_window_ms)
{
    *ret_window_ms = 0;
    if (reply->type == REDIS_ERROR)
        return take_error(op, reply->text);
    if (redis_verb_of(op) == VERB_CLAIM || redis_verb_of(op) == VERB_PEEK)
        return take_get(op, reply, ret_window_ms);
    if (redis_verb_of(op) == VERB_FORGET)
        return take_forget(op, reply);
    return take_script(op, reply);
}
