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
