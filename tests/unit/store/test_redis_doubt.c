/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of claims in doubt: order, bound, forgetting by token.
 */
#include "redis_doubt.h"

#include <criterion/criterion.h>

static struct doubts doubts;

static void prepare(void)
{
    doubts_init(&doubts);
}

static void finish(void)
{
    doubts_done(&doubts);
    cr_assert_eq(doubts.count, 0);
}

TestSuite(redis_doubt, .init = prepare, .fini = finish);

static void add(uint32_t number)
{
    char route[] = "route"; /* gone when the claim is */
    struct dedup_op op = {.route = slice_str(route)};
    memcpy(op.token.bytes, &number, sizeof number);
    memcpy(op.key.digest, &number, sizeof number);
    doubts_add(&doubts, &op);
    memset(route, 'x', sizeof route);
}

static uint32_t number_of(const struct dedup_op *op)
{
    uint32_t number;
    memcpy(&number, op->token.bytes, sizeof number);
    return number;
}

Test(redis_doubt, oldest_first_with_its_own_copy_of_the_route)
{
    add(1);
    add(2);
    struct dedup_op *op = doubts_take(&doubts);
    cr_assert_eq(number_of(op), 1);
    cr_assert(slice_eq(op->route, SLICE("route")));
    cr_assert_eq(op->key.digest[0], 1);
    doubts_put_back(&doubts, op);
    op = doubts_take(&doubts);
    cr_assert_eq(number_of(op), 2);
    doubt_free(op);
    cr_assert_eq(doubts.count, 1);
}

Test(redis_doubt, at_the_bound_the_oldest_goes)
{
    for (uint32_t i = 0; i < DOUBTS_MAX; i++)
        add(i);
    cr_assert_eq(doubts.count, DOUBTS_MAX);
    add(DOUBTS_MAX);
    cr_assert_eq(doubts.count, DOUBTS_MAX);
    struct dedup_op *op = doubts_take(&doubts);
    cr_assert_eq(number_of(op), 1);
    doubt_free(op);
}

Test(redis_doubt, forgets_by_token)
{
    uint32_t number = 2;
    struct uuid token = {{0}};
    memcpy(token.bytes, &number, sizeof number);
    add(1);
    add(2);
    add(3);
    doubts_forget(&doubts, &token);
    doubts_forget(&doubts, &token);
    cr_assert_eq(doubts.count, 2);
}

Test(redis_doubt, empty)
{
    cr_assert_null(doubts_take(&doubts));
    doubt_free(NULL);
}
