/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each reply means to each verb.
 */
#include "redis_command.h"

#include <criterion/criterion.h>

#define OWN "02000000000000000000000000000000"
#define OTHER "03000000000000000000000000000000"

static struct dedup_op op;
static uint64_t window_ms;
static struct buf got;

static enum redis_taken take(unsigned verb, enum redis_reply_type type, int64_t integer,
                             const char *text)
{
    struct redis_reply reply = {.type = type, .integer = integer, .text = slice_str(text)};
    op = (struct dedup_op){.window_ms = 500, .verb = (uint8_t)verb};
    op.token.bytes[0] = 2;
    window_ms = 99;
    return redis_command_take(&op, &reply, &window_ms);
}

Test(redis_answer, claim)
{
    cr_assert_eq(take(VERB_CLAIM, REDIS_NIL, 0, ""), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(window_ms, 0);
    cr_assert_eq(take(VERB_CLAIM, REDIS_STRING, 0, "p:" OTHER), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert_eq(op.first.event_id.bytes[0], 3);
    cr_assert_eq(take(VERB_CLAIM, REDIS_STRING, 0, "d:" OTHER ":201:17:1000"), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(op.first.status, 201);
    cr_assert_eq(op.first.accepted_at_ms, 17);
    cr_assert_eq(window_ms, 1000);
    cr_assert_eq(take(VERB_CLAIM, REDIS_STRING, 0, "stranger"), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_UNKNOWN);
}

Test(redis_answer, claim_that_finds_its_own_token)
{
    cr_assert_eq(take(VERB_CLAIM, REDIS_STRING, 0, "p:" OWN), TAKEN_SEND_AGAIN);
    cr_assert_eq(op.verb, VERB_CLAIM_AGAIN);
    cr_assert_eq(take(VERB_CLAIM_AGAIN, REDIS_INTEGER, SCRIPT_KEPT, ""), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(take(VERB_CLAIM_AGAIN, REDIS_INTEGER, SCRIPT_LAPSED, ""), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(take(VERB_CLAIM_AGAIN, REDIS_INTEGER, SCRIPT_LOST, ""), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_UNKNOWN);
}

Test(redis_answer, peek)
{
    cr_assert_eq(take(VERB_PEEK, REDIS_NIL, 0, ""), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(take(VERB_PEEK, REDIS_STRING, 0, "p:" OWN), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(op.verb, VERB_PEEK);
    cr_assert_eq(take(VERB_PEEK, REDIS_STRING, 0, "p:" OTHER), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert_eq(take(VERB_PEEK, REDIS_STRING, 0, "d:" OWN ":201:17:1000"), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(take(VERB_PEEK, REDIS_STRING, 0, "stranger"), TAKEN);
    cr_assert_eq(op.verdict, VERDICT_UNKNOWN);
}

/* Of a claim that is answered with `text`, into a buffer of at most `room` bytes. */
static struct slice note_told(struct slice text, bool cut, size_t room)
{
    struct redis_reply reply = {.type = REDIS_STRING, .text = text, .cut = cut};
    buf_done(&got);
    buf_init(&got, room);
    op = (struct dedup_op){.verb = VERB_CLAIM, .ret_note = &got};
    op.token.bytes[0] = 2;
    cr_assert_neq(redis_command_take(&op, &reply, &window_ms), TAKEN_NONSENSE);
    return buf_slice(&got);
}

Test(redis_answer, notes)
{
    const struct slice done = SLICE("d:" OTHER ":201:17:1000;\0;n");
    cr_assert(slice_eq(note_told(SLICE("p:" OTHER ";n"), false, 3), SLICE("n")));
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert(slice_eq(note_told(done, false, 3), SLICE("\0;n")));
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(note_told(done, false, 2).len, 0, "does not fit");
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(note_told(done, true, 3).len, 0, "is not whole");
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(note_told(SLICE("d:" OTHER ":201:17:1000"), false, 3).len, 0);
    cr_assert_eq(note_told(SLICE("p:" OWN ";n"), false, 3).len, 0, "our own");
    cr_assert_eq(op.verb, VERB_CLAIM_AGAIN);
    buf_done(&got);
}

Test(redis_answer, scripts)
{
    static const enum redis_verb verbs[] = {VERB_RENEW, VERB_SETTLE, VERB_RELEASE, VERB_DOUBT,
                                            VERB_DEBT};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        cr_expect_eq(take(verbs[i], REDIS_INTEGER, SCRIPT_LOST, ""), TAKEN);
        cr_expect_eq(op.hold, HOLD_LOST);
        cr_expect_eq(window_ms, 0);
        cr_expect_eq(take(verbs[i], REDIS_INTEGER, SCRIPT_KEPT, ""), TAKEN);
        cr_expect_eq(op.hold, HOLD_KEPT);
        cr_expect_eq(window_ms, 0);
        cr_expect_eq(take(verbs[i], REDIS_INTEGER, SCRIPT_LAPSED, ""), TAKEN);
        cr_expect_eq(op.hold, HOLD_LAPSED);
        cr_expect_eq(window_ms, 0);
        cr_expect_eq(take(verbs[i], REDIS_INTEGER, 3, ""), TAKEN_NONSENSE);
        cr_expect_eq(take(verbs[i], REDIS_INTEGER, -1, ""), TAKEN_NONSENSE);
    }
}

Test(redis_answer, forget)
{
    cr_assert_eq(take(VERB_FORGET, REDIS_INTEGER, 1, ""), TAKEN);
    cr_assert_eq(op.hold, HOLD_KEPT);
    cr_assert_eq(take(VERB_FORGET, REDIS_INTEGER, 0, ""), TAKEN);
    cr_assert_eq(op.hold, HOLD_LAPSED);
}

Test(redis_answer, errors_are_unknown_to_every_verb)
{
    for (unsigned verb = VERB_CLAIM; verb <= VERB_DEBT; verb++) {
        cr_expect_eq(take(verb, REDIS_ERROR, 0, "LOADING d:" OTHER ":201:17:1000"), TAKEN);
        cr_expect_eq(op.verdict, VERDICT_UNKNOWN);
        cr_expect_eq(op.hold, HOLD_UNKNOWN);
        cr_expect_eq(window_ms, 0);
    }
}

Test(redis_answer, a_lost_script_is_sent_again_once)
{
    cr_assert_eq(take(VERB_SETTLE, REDIS_ERROR, 0, "NOSCRIPT No matching script."),
                 TAKEN_SEND_AGAIN);
    cr_assert_eq(op.verb, VERB_SETTLE | VERB_RESENT);
    cr_assert_eq(take(VERB_SETTLE | VERB_RESENT, REDIS_ERROR, 0, "NOSCRIPT"), TAKEN);
    cr_assert_eq(op.hold, HOLD_UNKNOWN);
    cr_assert_eq(take(VERB_SETTLE | VERB_RESENT, REDIS_INTEGER, SCRIPT_KEPT, ""), TAKEN);
    cr_assert_eq(op.hold, HOLD_KEPT);
}

Test(redis_answer, a_lost_script_of_a_waived_command_is_not_sent_again)
{
    cr_assert_eq(take(VERB_SETTLE | VERB_WAIVED, REDIS_ERROR, 0, "NOSCRIPT"), TAKEN);
    cr_assert_eq(op.hold, HOLD_UNKNOWN);
    cr_assert_eq(take(VERB_DEBT | VERB_WAIVED, REDIS_INTEGER, SCRIPT_KEPT, ""), TAKEN);
    cr_assert_eq(op.hold, HOLD_KEPT);
}

Test(redis_answer, replies_of_the_wrong_type)
{
    for (unsigned verb = VERB_CLAIM; verb <= VERB_DEBT; verb++) {
        cr_expect_eq(take(verb, REDIS_STATUS, 0, "OK"), TAKEN_NONSENSE);
        cr_expect_eq(take(verb, REDIS_OTHER, 0, ""), TAKEN_NONSENSE);
        bool gets = verb == VERB_CLAIM || verb == VERB_PEEK;
        enum redis_reply_type wrong = gets ? REDIS_INTEGER : REDIS_NIL;
        cr_expect_eq(take(verb, wrong, 0, ""), TAKEN_NONSENSE);
    }
}
