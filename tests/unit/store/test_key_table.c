/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key table alone: what each verb answers in each state of a key, exact expiry, the bound, the
 * memory per key, and random operations against a plain model. Time is a number here.
 */
#include <postern/store/key_table.h>

#include "key_shard.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define LEASE_MS 100u
#define WINDOW_MS 1000u

static struct event_key key_of(uint64_t number)
{
    struct event_key key = {{0}};
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(key.digest, &mixed, sizeof mixed);
    memcpy(key.digest + 8, &number, sizeof number);
    return key;
}

static struct uuid token_of(uint8_t owner)
{
    return (struct uuid){.bytes = {owner, 1, 2, 3}};
}

static bool is_token(const struct uuid *id, uint8_t owner)
{
    struct uuid token = token_of(owner);
    return memcmp(id, &token, sizeof token) == 0;
}

static struct dedup_op op_of(uint64_t number, uint8_t owner)
{
    struct dedup_op op = {
        .key = key_of(number),
        .token = token_of(owner),
        .lease_ms = LEASE_MS,
        .window_ms = WINDOW_MS,
        .done = {.event_id = token_of(owner), .status = 207, .accepted_at_ms = 1790000000123u},
    };
    return op;
}

static enum verdict claim(struct key_table *table, uint64_t number, uint8_t owner, uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner);
    key_table_claim(table, &op, now_ms);
    return op.verdict;
}

typedef void table_verb(struct key_table *table, struct dedup_op *op, uint64_t now_ms);

static enum hold hold(table_verb *verb, struct key_table *table, uint64_t number, uint8_t owner,
                      uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner);
    verb(table, &op, now_ms);
    return op.hold;
}

/* A table with key 1 absent, pending under owner 1 since 0, over, or done by owner 1 at 0. */
enum shape { ABSENT, PENDING, OVER, DONE };
#define SHAPE_NOW_MS 50u

static struct key_table *table_in(enum shape shape)
{
    struct key_table *table = key_table_new(100);
    cr_assert_not_null(table);
    if (shape == PENDING || shape == DONE)
        cr_assert_eq(claim(table, 1, 1, 0), VERDICT_FIRST);
    if (shape == OVER) {
        struct dedup_op op = op_of(1, 1);
        op.lease_ms = SHAPE_NOW_MS;
        key_table_claim(table, &op, 0);
    }
    if (shape == DONE)
        cr_assert_eq(hold(key_table_settle, table, 1, 1, 0), HOLD_KEPT);
    return table;
}

Test(key_table, every_verb_in_every_state)
{
    const struct {
        table_verb *verb;
        enum shape shape;
        uint8_t owner;
        enum hold hold;
        enum verdict after; /* what owner 3's claim finds then */
    } rows[] = {
        {key_table_renew, ABSENT, 1, HOLD_LAPSED, VERDICT_IN_FLIGHT},
        {key_table_renew, PENDING, 1, HOLD_KEPT, VERDICT_IN_FLIGHT},
        {key_table_renew, PENDING, 2, HOLD_LOST, VERDICT_IN_FLIGHT},
        {key_table_renew, OVER, 1, HOLD_LAPSED, VERDICT_IN_FLIGHT},
        {key_table_renew, OVER, 2, HOLD_LAPSED, VERDICT_IN_FLIGHT},
        {key_table_renew, DONE, 1, HOLD_LOST, VERDICT_DUPLICATE},
        {key_table_settle, ABSENT, 1, HOLD_LAPSED, VERDICT_DUPLICATE},
        {key_table_settle, PENDING, 1, HOLD_KEPT, VERDICT_DUPLICATE},
        {key_table_settle, PENDING, 2, HOLD_LOST, VERDICT_IN_FLIGHT},
        {key_table_settle, OVER, 1, HOLD_LAPSED, VERDICT_DUPLICATE},
        {key_table_settle, OVER, 2, HOLD_LAPSED, VERDICT_DUPLICATE},
        {key_table_settle, DONE, 1, HOLD_KEPT, VERDICT_DUPLICATE},
        {key_table_settle, DONE, 2, HOLD_LOST, VERDICT_DUPLICATE},
        {key_table_release, ABSENT, 1, HOLD_LAPSED, VERDICT_FIRST},
        {key_table_release, PENDING, 1, HOLD_KEPT, VERDICT_FIRST},
        {key_table_release, PENDING, 2, HOLD_LOST, VERDICT_IN_FLIGHT},
        {key_table_release, OVER, 1, HOLD_LAPSED, VERDICT_FIRST},
        {key_table_release, DONE, 1, HOLD_LOST, VERDICT_DUPLICATE},
        {key_table_forget, ABSENT, 0, HOLD_LAPSED, VERDICT_FIRST},
        {key_table_forget, PENDING, 0, HOLD_KEPT, VERDICT_FIRST},
        {key_table_forget, OVER, 0, HOLD_LAPSED, VERDICT_FIRST},
        {key_table_forget, DONE, 0, HOLD_KEPT, VERDICT_FIRST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_table *table = table_in(rows[i].shape);
        cr_expect_eq(hold(rows[i].verb, table, 1, rows[i].owner, SHAPE_NOW_MS), rows[i].hold,
                     "row %zu", i);
        cr_expect_eq(claim(table, 1, 3, SHAPE_NOW_MS), rows[i].after, "row %zu", i);
        key_table_free(table);
    }
}

Test(key_table, duplicate_tells_the_first_event)
{
    struct key_table *table = table_in(DONE);
    struct dedup_op op = op_of(1, 2);
    key_table_claim(table, &op, SHAPE_NOW_MS);
    cr_assert_eq(op.verdict, VERDICT_DUPLICATE);
    cr_assert(is_token(&op.first.event_id, 1));
    cr_assert_eq(op.first.status, 207);
    cr_assert_eq(op.first.accepted_at_ms, 1790000000123u);
    key_table_free(table);
}

Test(key_table, in_flight_tells_the_owner)
{
    struct key_table *table = table_in(PENDING);
    struct dedup_op op = op_of(1, 2);
    key_table_claim(table, &op, SHAPE_NOW_MS);
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert(is_token(&op.first.event_id, 1));
    key_table_free(table);
}

Test(key_table, lease_ends_to_the_millisecond)
{
    struct key_table *table = key_table_new(100);
    cr_assert_eq(claim(table, 1, 1, 0), VERDICT_FIRST);
    cr_assert_eq(claim(table, 1, 2, LEASE_MS - 1), VERDICT_IN_FLIGHT);
    cr_assert_eq(claim(table, 1, 2, LEASE_MS), VERDICT_FIRST);
    cr_assert_eq(hold(key_table_settle, table, 1, 1, LEASE_MS), HOLD_LOST);
    key_table_free(table);
}

Test(key_table, window_ends_to_the_millisecond)
{
    struct key_table *table = table_in(DONE);
    cr_assert_eq(claim(table, 1, 2, WINDOW_MS - 1), VERDICT_DUPLICATE);
    cr_assert_eq(claim(table, 1, 2, WINDOW_MS), VERDICT_FIRST);
    key_table_free(table);
}

Test(key_table, claim_again_under_the_same_token_begins_the_lease_again)
{
    struct key_table *table = table_in(PENDING);
    cr_assert_eq(claim(table, 1, 1, 60), VERDICT_FIRST);
    cr_assert_eq(claim(table, 1, 2, 60 + LEASE_MS - 1), VERDICT_IN_FLIGHT);
    cr_assert_eq(claim(table, 1, 2, 60 + LEASE_MS), VERDICT_FIRST);
    key_table_free(table);
}

Test(key_table, settling_again_does_not_move_the_window)
{
    struct key_table *table = table_in(DONE);
    cr_assert_eq(hold(key_table_settle, table, 1, 1, 500), HOLD_KEPT);
    cr_assert_eq(claim(table, 1, 2, WINDOW_MS), VERDICT_FIRST);
    key_table_free(table);
}

Test(key_table, put_and_get_done)
{
    struct key_table *table = key_table_new(1);
    struct event_key key = key_of(1), other = key_of(2);
    struct dedup_first first = {.event_id = token_of(7), .status = 1023, .accepted_at_ms = 5};
    struct dedup_first got = {0};
    cr_assert(key_table_put_done(table, &key, &first, 10));
    cr_assert(key_table_get_done(table, &key, 9, &got));
    cr_assert_eq(got.status, 1023);
    cr_assert_eq(got.accepted_at_ms, 5);
    cr_assert(key_table_put_done(table, &key, &first, 20), "replacing needs no room");
    cr_assert_not(key_table_put_done(table, &other, &first, 20), "at the bound");
    cr_assert(key_table_get_done(table, &key, 19, &got));
    for (uint32_t i = 0; i < SHARD_SLOTS_MIN / 8; i++)
        cr_assert_not(key_table_get_done(table, &key, 20, &got));
    cr_assert_eq(key_table_count(table), 0, "the misses swept it");
    key_table_free(table);
}

static bool force(struct key_table *table, uint64_t number, uint64_t until_ms)
{
    struct event_key key = key_of(number);
    struct dedup_first first = {.event_id = token_of(7), .status = 200};
    return key_table_force_done(table, &key, &first, SLICE(""), 0, until_ms);
}

static bool is_done(struct key_table *table, uint64_t number)
{
    struct dedup_first got;
    struct event_key key = key_of(number);
    return key_table_get_done(table, &key, 0, &got);
}

Test(key_table, force_done_below_and_at_the_bound)
{
    struct key_table *table = key_table_new(2);
    cr_assert(force(table, 1, 10));
    cr_assert(force(table, 2, 20));
    cr_assert(is_done(table, 1) && is_done(table, 2), "there was room");
    cr_assert(force(table, 2, 30));
    cr_assert(is_done(table, 1), "replacing needs no room");
    cr_assert(force(table, 3, 40));
    cr_assert(is_done(table, 3) && key_table_count(table) == 2);
    for (uint64_t i = 4; i < 1000; i++)
        cr_assert(force(table, i, i) && is_done(table, i), "%zu", (size_t)i);
    cr_assert_eq(key_table_count(table), 2);
    key_table_free(table);
}

/* A table without any room: nothing can be taken out either. */
Test(key_table, force_done_without_room)
{
    struct key_table *table = key_table_new(0);
    cr_assert_not(force(table, 1, 10));
    cr_assert_eq(key_table_count(table), 0);
    key_table_free(table);
}

/* An L1 full of keys cached for seconds takes in keys that are owed for hours. */
Test(key_table, force_done_displaces_what_ends_soon)
{
    const uint64_t owed = 1000, cached = 20000;
    struct key_table *table = key_table_new(cached);
    unsigned kept = 0;
    for (uint64_t i = 0; i < cached; i++)
        cr_assert(force(table, owed + i, 10));
    for (uint64_t i = 0; i < owed; i++)
        cr_assert(force(table, i, 10000));
    for (uint64_t i = 0; i < owed; i++)
        kept += is_done(table, i);
    cr_assert_eq(kept, owed);
    cr_assert_eq(key_table_count(table), cached);
    key_table_free(table);
}

Test(key_table, pending_is_not_done)
{
    struct key_table *table = table_in(PENDING);
    struct dedup_first got = {.status = 42};
    struct event_key key = key_of(1);
    cr_assert_not(key_table_get_done(table, &key, 1, &got));
    cr_assert_eq(got.status, 42, "untouched");
    key_table_free(table);
}

Test(key_table, huge_spans_are_cut_not_wrapped)
{
    struct key_table *table = key_table_new(10);
    struct dedup_op op = op_of(1, 1);
    struct dedup_first got;
    op.window_ms = UINT64_MAX;
    op.done.accepted_at_ms = UINT64_MAX;
    key_table_settle(table, &op, 1000);
    cr_assert(key_table_get_done(table, &op.key, ENTRY_TIME_MAX - 1, &got));
    cr_assert_eq(got.accepted_at_ms, ENTRY_TIME_MAX);
    key_table_free(table);
}

Test(key_table, at_the_bound_a_live_key_is_never_forgotten)
{
    struct key_table *table = key_table_new(1000);
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(claim(table, i, 1, 0), VERDICT_FIRST);
    for (uint64_t i = 1000; i < 2000; i++)
        cr_assert_eq(claim(table, i, 1, LEASE_MS - 1), VERDICT_FULL);
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(claim(table, i, 2, LEASE_MS - 1), VERDICT_IN_FLIGHT);
    cr_assert_eq(key_table_count(table), 1000);
    key_table_free(table);
}

Test(key_table, at_the_bound_what_is_over_makes_room_at_once)
{
    struct key_table *table = key_table_new(1000);
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(claim(table, i, 1, i == 0 ? 0 : 1), VERDICT_FIRST);
    cr_assert_eq(claim(table, 5000, 1, LEASE_MS - 1), VERDICT_FULL);
    cr_assert_eq(claim(table, 5000, 1, LEASE_MS), VERDICT_FIRST, "key 0 is over, wherever it lies");
    cr_assert_eq(claim(table, 5001, 1, LEASE_MS), VERDICT_FULL);
    cr_assert_eq(hold(key_table_renew, table, 6000, 1, LEASE_MS), HOLD_UNKNOWN);
    cr_assert_eq(hold(key_table_settle, table, 6000, 1, LEASE_MS), HOLD_UNKNOWN);
    cr_assert_eq(hold(key_table_settle, table, 6000, 1, LEASE_MS + 1), HOLD_LAPSED);
    key_table_free(table);
}

Test(key_table, a_bound_of_zero_refuses_everything)
{
    struct key_table *table = key_table_new(0);
    cr_assert_eq(claim(table, 1, 1, 0), VERDICT_FULL);
    cr_assert_eq(key_table_count(table), 0);
    key_table_free(table);
}

Test(key_table, claims_sweep_what_is_over)
{
    struct key_table *table = key_table_new(1000000);
    for (uint64_t i = 0; i < 200000; i++)
        cr_assert_eq(claim(table, i, 1, i / 100), VERDICT_FIRST);
    /* 10,000 of them are live (a lease of 100 ms, 100 a millisecond). */
    cr_assert_lt(key_table_count(table), 13000);
    key_table_free(table);
}

Test(key_table, at_most_64_bytes_a_key)
{
    struct key_table *table = key_table_new(2000000);
    double worst = 0;
    for (uint64_t i = 1; i <= 1000000; i++) {
        claim(table, i, 1, 0);
        if (i < 16384 || i % 4096 != 0)
            continue;
        double each = (double)key_table_bytes(table) / (double)key_table_count(table);
        worst = each > worst ? each : worst;
    }
    cr_assert_eq(key_table_count(table), 1000000);
    cr_assert_leq(worst, 64.0, "%.2f bytes a key", worst);
    key_table_free(table);
}

/* Random verbs and time against an array that does the same the plain way. */
#define MODEL_KEYS 4000u

struct model {
    enum shape state;
    uint8_t owner;
    uint64_t until_ms;
};

static uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static enum verdict model_claim(struct model *model, uint8_t owner, uint64_t now_ms)
{
    bool live = model->state != ABSENT && now_ms < model->until_ms;
    if (live && model->state == DONE)
        return VERDICT_DUPLICATE;
    if (live && model->owner != owner)
        return VERDICT_IN_FLIGHT;
    *model = (struct model){PENDING, owner, now_ms + LEASE_MS};
    return VERDICT_FIRST;
}

static enum hold model_settle(struct model *model, uint8_t owner, uint64_t now_ms)
{
    bool live = model->state != ABSENT && now_ms < model->until_ms;
    if (live && model->owner != owner)
        return HOLD_LOST;
    if (live && model->state == DONE)
        return HOLD_KEPT;
    *model = (struct model){DONE, owner, now_ms + WINDOW_MS};
    return live ? HOLD_KEPT : HOLD_LAPSED;
}

static enum hold model_release(struct model *model, uint8_t owner, uint64_t now_ms)
{
    bool live = model->state != ABSENT && now_ms < model->until_ms;
    if (!live)
        return HOLD_LAPSED;
    if (model->state == DONE || model->owner != owner)
        return HOLD_LOST;
    model->state = ABSENT;
    return HOLD_KEPT;
}

Test(key_table, random_operations_agree_with_a_model)
{
    static struct model models[MODEL_KEYS];
    struct key_table *table = key_table_new(MODEL_KEYS);
    uint32_t state = 20261121;
    uint64_t now_ms = 0;
    for (uint32_t step = 0; step < 400000; step++) {
        uint32_t number = random_next(&state) % MODEL_KEYS;
        uint8_t owner = (uint8_t)(random_next(&state) % 3);
        now_ms += random_next(&state) % 16 == 0;
        switch (random_next(&state) % 4) {
        case 0:
        case 1:
            cr_assert_eq(claim(table, number, owner, now_ms),
                         model_claim(&models[number], owner, now_ms), "step %u", step);
            break;
        case 2:
            cr_assert_eq(hold(key_table_settle, table, number, owner, now_ms),
                         model_settle(&models[number], owner, now_ms), "step %u", step);
            break;
        default:
            cr_assert_eq(hold(key_table_release, table, number, owner, now_ms),
                         model_release(&models[number], owner, now_ms), "step %u", step);
        }
    }
    key_table_free(table);
}
