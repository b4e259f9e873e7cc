/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long L1 believes what, on a clock of the test's own.
 */
#include "redis_l1.h"

#include <criterion/criterion.h>

#define START_MS 5000u
#define WALL_MS 1790000000000u
#define MAX_AGE_MS 100u
#define WINDOW_MS 1000u

static struct redis_opts opts;
static struct clock now;
static const struct redis_l1 l1 = {.opts = &opts, .clock = &now};

static void prepare(void)
{
    now = (struct clock){.mono_us = START_MS * 1000u, .wall_ms = WALL_MS};
    opts = (struct redis_opts){.l1 = key_table_new(1), .l1_max_age_ms = MAX_AGE_MS};
    cr_assert_not_null(opts.l1);
}

static void finish(void)
{
    key_table_free(opts.l1);
}

TestSuite(redis_l1, .init = prepare, .fini = finish);

#define AGE_MS 200u /* since the acceptance */

static const struct dedup_first first_1 = {
    .event_id = {{1}}, .status = 207, .accepted_at_ms = WALL_MS - AGE_MS};
static const struct event_key key_1 = {{1}};

/* Teaches that key 1 is done. */
static void learn(uint64_t window_ms)
{
    redis_l1_learn(&l1, &key_1, &first_1, window_ms);
}

static void learn_owed(uint8_t number)
{
    struct dedup_op op = {
        .key = {{number}},
        .done = {.event_id = {{number}}, .status = 207, .accepted_at_ms = WALL_MS},
        .ends_at_ms = START_MS + WINDOW_MS,
    };
    redis_l1_learn_owed(&l1, &op);
}

static bool knows_at(uint8_t number, uint64_t at_ms)
{
    struct dedup_op claim = {.key = {{number}}};
    now.mono_us = at_ms * 1000u;
    bool known = redis_l1_answers(&l1, &claim);
    cr_assert_eq(claim.from_l1, known);
    if (known)
        cr_assert(claim.verdict == VERDICT_DUPLICATE && claim.first.event_id.bytes[0] == number &&
                  claim.first.status == 207);
    return known;
}

Test(redis_l1, is_believed_up_to_the_age_limit)
{
    learn(WINDOW_MS);
    cr_assert(knows_at(1, START_MS + MAX_AGE_MS - 1));
    cr_assert_not(knows_at(1, START_MS + MAX_AGE_MS));
}

Test(redis_l1, a_window_counts_from_the_acceptance)
{
    learn(AGE_MS);
    cr_assert_not(knows_at(1, START_MS), "over");
    learn(AGE_MS + 10);
    cr_assert(knows_at(1, START_MS + 9));
    cr_assert_not(knows_at(1, START_MS + 10));
}

Test(redis_l1, a_clock_that_is_ahead_is_bounded_by_the_age_limit)
{
    now.wall_ms = first_1.accepted_at_ms - 60000;
    learn(WINDOW_MS);
    cr_assert(knows_at(1, START_MS + MAX_AGE_MS - 1));
    cr_assert_not(knows_at(1, START_MS + MAX_AGE_MS));
}

Test(redis_l1, a_debt_is_believed_to_the_end_of_its_window)
{
    learn_owed(1);
    cr_assert(knows_at(1, START_MS + WINDOW_MS - 1));
    cr_assert_not(knows_at(1, START_MS + WINDOW_MS));
}

Test(redis_l1, a_paid_debt_is_believed_up_to_the_age_limit)
{
    learn_owed(1);
    learn(WINDOW_MS);
    cr_assert(knows_at(1, START_MS + MAX_AGE_MS - 1));
    cr_assert_not(knows_at(1, START_MS + MAX_AGE_MS));
}

Test(redis_l1, a_debt_takes_the_place_of_another_key)
{
    const struct event_key other = {{2}};
    learn(WINDOW_MS);
    redis_l1_learn(&l1, &other, &first_1, WINDOW_MS);
    cr_assert(knows_at(1, START_MS) && !knows_at(2, START_MS), "a cache may be full");
    learn_owed(3);
    cr_assert(!knows_at(1, START_MS) && knows_at(3, START_MS));
}

Test(redis_l1, forgets)
{
    learn_owed(1);
    redis_l1_forget(&l1, &key_1);
    redis_l1_forget(&l1, &key_1);
    cr_assert_not(knows_at(1, START_MS));
}

Test(redis_l1, without_a_table_it_knows_nothing)
{
    key_table_free(opts.l1);
    opts.l1 = NULL;
    learn(WINDOW_MS);
    learn_owed(1);
    redis_l1_forget(&l1, &key_1);
    cr_assert_not(knows_at(1, START_MS));
}

/* ---- noted routes ---- */

static struct dedup_op noted(uint8_t number, struct slice note)
{
    return (struct dedup_op){
        .key = {{number}},
        .done = {.event_id = {{number}}, .status = 207, .accepted_at_ms = WALL_MS},
        .window_ms = WINDOW_MS,
        .ends_at_ms = START_MS + WINDOW_MS,
        .noted = true,
        .note = note,
        .note_essential = 2,
    };
}

/* What a noted claim of key 1 is told; empty when L1 does not answer it. */
static struct slice told(struct buf *got)
{
    struct dedup_op claim = noted(1, SLICE("mine"));
    claim.ret_note = got;
    buf_clear(got);
    return redis_l1_answers(&l1, &claim) ? buf_slice(got) : SLICE("");
}

Test(redis_l1, of_noted_keys_it_knows_debts_with_their_notes)
{
    struct buf got;
    struct dedup_op settle = noted(1, SLICE("note"));
    buf_init(&got, 10);
    learn(WINDOW_MS);
    cr_assert_eq(told(&got).len, 0, "a key without a note");
    redis_l1_learn_owed(&l1, &settle);
    cr_assert(slice_eq(told(&got), SLICE("note")));
    redis_l1_learn_paid(&l1, &settle);
    cr_assert_eq(told(&got).len, 0, "Redis knows it");
    cr_assert_eq(key_table_count(opts.l1), 0);
    buf_done(&got);
}

Test(redis_l1, of_a_noted_debt_without_a_note_it_knows_nothing)
{
    struct buf got;
    struct dedup_op settle = noted(1, SLICE(""));
    buf_init(&got, 10);
    redis_l1_learn_owed(&l1, &settle);
    cr_assert_eq(key_table_count(opts.l1), 0);
    cr_assert_eq(told(&got).len, 0);
}

Test(redis_l1, notes_of_debts_are_bounded)
{
    struct buf got;
    struct dedup_op settle = noted(1, SLICE("note"));
    buf_init(&got, 10);
    key_table_limit_notes(opts.l1, 40);
    redis_l1_learn_owed(&l1, &settle);
    cr_assert(slice_eq(told(&got), SLICE("no")), "what is essential");
    redis_l1_forget(&l1, &settle.key);
    key_table_limit_notes(opts.l1, 30);
    redis_l1_learn_owed(&l1, &settle);
    cr_assert_eq(told(&got).len, 0, "not even that has room");
    buf_done(&got);
}

Test(redis_l1, a_paid_debt_without_notes_is_learned)
{
    struct dedup_op settle = noted(1, SLICE(""));
    settle.noted = false;
    redis_l1_learn_owed(&l1, &settle);
    redis_l1_learn_paid(&l1, &settle);
    cr_assert(knows_at(1, START_MS + MAX_AGE_MS - 1));
    cr_assert_not(knows_at(1, START_MS + MAX_AGE_MS));
}
