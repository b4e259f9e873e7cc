/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes beside the keys of the table: their lives with their keys, what is told, the bounds, and
 * that all of their memory comes back. Time is a number here.
 */
#include <postern/store/key_table.h>

#include "key_notes.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define LEASE_MS 100u
#define WINDOW_MS 1000u

static struct key_table *table;
static struct buf got;

static void open_table(void)
{
    table = key_table_new(1000);
    cr_assert_not_null(table);
    buf_init(&got, DEDUP_NOTE_MAX);
}

static void close_table(void)
{
    key_table_free(table);
    buf_done(&got);
}

TestSuite(key_notes, .init = open_table, .fini = close_table);

static struct dedup_op op_of(uint64_t number, uint8_t owner, struct slice note)
{
    struct dedup_op op = {
        .token = {.bytes = {owner, 1, 2, 3}},
        .lease_ms = LEASE_MS,
        .window_ms = WINDOW_MS,
        .done = {.event_id = {.bytes = {owner, 1, 2, 3}}, .status = 200, .accepted_at_ms = 1},
        .noted = true,
        .note = note,
        .ret_note = &got,
    };
    memcpy(op.key.digest, &number, sizeof number);
    return op;
}

static enum verdict claim(uint64_t number, uint8_t owner, struct slice note, uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner, note);
    key_table_claim(table, &op, now_ms);
    return op.verdict;
}

static enum hold settle(uint64_t number, uint8_t owner, struct slice note, size_t essential,
                        uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner, note);
    op.note_essential = essential;
    key_table_settle(table, &op, now_ms);
    return op.hold;
}

static enum verdict peek(uint64_t number, uint8_t owner, uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner, SLICE(""));
    key_table_peek(table, &op, now_ms);
    return op.verdict;
}

typedef void table_verb(struct key_table *table, struct dedup_op *op, uint64_t now_ms);

static enum hold hold(table_verb *verb, uint64_t number, uint8_t owner, struct slice note,
                      uint64_t now_ms)
{
    struct dedup_op op = op_of(number, owner, note);
    verb(table, &op, now_ms);
    return op.hold;
}

/* What somebody else's look is told. */
static bool is_noted(uint64_t number, struct slice note, uint64_t now_ms)
{
    return peek(number, 99, now_ms) != VERDICT_FIRST && slice_eq(buf_slice(&got), note);
}

/* A note of `len` octets of all values. */
static struct slice long_note(size_t len)
{
    static char bytes[DEDUP_NOTE_MAX];
    if (bytes[1] == 0)
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)(i * 7);
    return slice_of(bytes, len);
}

/* ---- lives ---- */

Test(key_notes, a_settle_replaces_what_the_claim_gave)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(claim(1, 2, SLICE("two"), 1), VERDICT_IN_FLIGHT);
    cr_assert(slice_eq(buf_slice(&got), SLICE("one")));
    cr_assert_eq(settle(1, 1, SLICE("\0;\r\n"), 2, 2), HOLD_KEPT);
    cr_assert_eq(claim(1, 2, SLICE("two"), 3), VERDICT_DUPLICATE);
    cr_assert(slice_eq(buf_slice(&got), SLICE("\0;\r\n")));
    cr_assert_eq(settle(1, 1, SLICE("again"), 5, 4), HOLD_KEPT);
    cr_assert(is_noted(1, SLICE("\0;\r\n"), 5), "what is done is done");
}

Test(key_notes, a_settle_without_one_leaves_the_claims)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, SLICE(""), 0, 1), HOLD_KEPT);
    cr_assert(is_noted(1, SLICE("one"), 2));
}

Test(key_notes, claiming_again_and_renewing_leave_it)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(claim(1, 1, SLICE("other"), 50), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("one"), 50 + LEASE_MS - 1));
    cr_assert_eq(hold(key_table_renew, 1, 1, SLICE("other"), 60), HOLD_KEPT);
    cr_assert(is_noted(1, SLICE("one"), 60 + LEASE_MS - 1));
}

Test(key_notes, of_a_lapsed_claim_it_is_nobodys)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(hold(key_table_renew, 1, 2, SLICE("two"), LEASE_MS), HOLD_LAPSED);
    cr_assert(is_noted(1, SLICE("two"), LEASE_MS));
    cr_assert_eq(settle(1, 3, SLICE(""), 0, 2 * LEASE_MS), HOLD_LAPSED);
    cr_assert(is_noted(1, SLICE(""), 2 * LEASE_MS));
    cr_assert_eq(key_table_note_bytes(table), 0);
}

Test(key_notes, goes_with_its_key)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(key_table_note_bytes(table), NOTE_COST_BYTES + 3);
    cr_assert_eq(hold(key_table_release, 1, 1, SLICE(""), 1), HOLD_KEPT);
    cr_assert_eq(key_table_note_bytes(table), 0);
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(hold(key_table_forget, 1, 0, SLICE(""), 1), HOLD_KEPT);
    cr_assert_eq(key_table_note_bytes(table), 0);
    cr_assert_eq(claim(1, 2, SLICE(""), 2), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE(""), 3));
}

Test(key_notes, goes_when_its_key_is_over_and_swept)
{
    for (uint64_t i = 0; i < 500; i++)
        cr_assert_eq(claim(i, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(key_table_note_bytes(table), 500 * (NOTE_COST_BYTES + 3));
    for (uint64_t i = 500; key_table_count(table) > 100 && i < 100000; i++) {
        cr_assert_eq(claim(i, 1, SLICE(""), LEASE_MS), VERDICT_FIRST);
        cr_assert_eq(hold(key_table_release, i, 1, SLICE(""), LEASE_MS), HOLD_KEPT);
    }
    cr_assert_eq(key_table_note_bytes(table), key_table_count(table) * (NOTE_COST_BYTES + 3));
}

Test(key_notes, is_not_told_of_a_key_that_is_over)
{
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(peek(1, 2, LEASE_MS), VERDICT_FIRST);
    cr_assert_eq(buf_len(&got), 0);
    cr_assert_eq(claim(1, 2, SLICE("two"), LEASE_MS), VERDICT_FIRST);
    cr_assert(is_noted(1, SLICE("two"), LEASE_MS));
}

/* ---- telling ---- */

Test(key_notes, ret_note_is_cleared_and_may_be_too_small_or_missing)
{
    struct buf small;
    struct dedup_op op = op_of(1, 2, SLICE(""));
    buf_init(&small, 4);
    cr_assert_eq(buf_append(&small, SLICE("old")), STATUS_OK);
    op.ret_note = &small;
    cr_assert_eq(claim(1, 1, SLICE("12345"), 0), VERDICT_FIRST);
    key_table_claim(table, &op, 0);
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert_eq(buf_len(&small), 0, "too small");
    op.ret_note = NULL;
    key_table_claim(table, &op, 0);
    cr_assert_eq(op.verdict, VERDICT_IN_FLIGHT);
    cr_assert_eq(hold(key_table_release, 1, 1, SLICE(""), 1), HOLD_KEPT);
    op.ret_note = &small;
    cr_assert_eq(buf_append(&small, SLICE("old")), STATUS_OK);
    key_table_claim(table, &op, 0);
    cr_assert_eq(op.verdict, VERDICT_FIRST);
    cr_assert_eq(buf_len(&small), 0, "cleared");
    buf_done(&small);
}

Test(key_notes, peek_changes_nothing)
{
    cr_assert_eq(peek(1, 1, 0), VERDICT_FIRST);
    cr_assert_eq(key_table_count(table), 0);
    cr_assert_eq(claim(1, 1, SLICE("one"), 0), VERDICT_FIRST);
    cr_assert_eq(peek(1, 1, 1), VERDICT_FIRST, "its own claim again would be");
    cr_assert_eq(peek(1, 2, 1), VERDICT_IN_FLIGHT);
    cr_assert_eq(peek(1, 2, LEASE_MS), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, SLICE("one"), 0, 1), HOLD_KEPT);
    cr_assert_eq(peek(1, 1, 2), VERDICT_DUPLICATE);
}

Test(key_notes, put_force_and_get)
{
    struct dedup_op op = op_of(1, 1, SLICE(""));
    struct dedup_first first = {.status = 0};
    cr_assert(key_table_put_noted(table, &op.key, &op.done, SLICE("note"), 1, 10));
    cr_assert(key_table_get_noted(table, &op.key, 9, &first, &got));
    cr_assert(slice_eq(buf_slice(&got), SLICE("note")));
    cr_assert_eq(first.status, 200);
    cr_assert(key_table_get_noted(table, &op.key, 9, &first, NULL));
    cr_assert_not(key_table_get_noted(table, &op.key, 10, &first, NULL), "over");
    cr_assert(key_table_put_done(table, &op.key, &op.done, 20), "takes the note away");
    cr_assert_not(key_table_get_noted(table, &op.key, 9, &first, NULL));
    cr_assert(key_table_get_done(table, &op.key, 9, &first));
    cr_assert_eq(key_table_note_bytes(table), 0);
    cr_assert(key_table_force_done(table, &op.key, &op.done, SLICE("force"), 0, 10));
    cr_assert(is_noted(1, SLICE("force"), 5));
}

/* ---- bounds ---- */

Test(key_notes, lengths_from_one_to_the_longest)
{
    static const size_t lengths[] = {1, 2, 34, 255, 256, 257, 4096, 65536, DEDUP_NOTE_MAX};
    for (uint64_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        cr_assert_eq(claim(i, 1, long_note(lengths[i]), 0), VERDICT_FIRST);
        cr_assert(is_noted(i, long_note(lengths[i]), 1), "%zu", lengths[i]);
    }
}

Test(key_notes, at_the_bound_the_rest_is_given_up)
{
    key_table_limit_notes(table, 2 * (NOTE_COST_BYTES + 100));
    cr_assert_eq(claim(1, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(claim(2, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(claim(3, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, long_note(100), 10, 1), HOLD_KEPT);
    cr_assert_eq(settle(2, 1, long_note(101), 10, 1), HOLD_KEPT);
    cr_assert(is_noted(1, long_note(100), 2));
    cr_assert(is_noted(2, long_note(10), 2), "one too many");
    cr_assert_eq(settle(3, 1, long_note(26), 0, 1), HOLD_KEPT);
    cr_assert(is_noted(3, long_note(26), 2), "to the last");
    cr_assert_eq(claim(4, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(settle(4, 1, long_note(1), 0, 1), HOLD_KEPT);
    cr_assert(is_noted(4, SLICE(""), 2), "nothing of it is essential");
}

Test(key_notes, at_twice_the_bound_a_claim_with_one_is_refused)
{
    key_table_limit_notes(table, NOTE_COST_BYTES + 34);
    cr_assert_eq(claim(1, 1, long_note(34), 0), VERDICT_FIRST);
    cr_assert_eq(claim(2, 1, long_note(34), 0), VERDICT_FIRST);
    cr_assert_eq(claim(3, 1, long_note(1), 0), VERDICT_FULL);
    cr_assert_eq(key_table_count(table), 2);
    cr_assert_eq(claim(3, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, long_note(5000), 34, 1), HOLD_KEPT, "its room is its own");
    cr_assert(is_noted(1, long_note(34), 2));
    cr_assert_eq(settle(3, 1, long_note(34), 34, 1), HOLD_KEPT, "done counts more");
    cr_assert(is_noted(3, SLICE(""), 2));
    cr_assert_eq(settle(4, 1, long_note(34), 34, 1), HOLD_UNKNOWN, "it would take the key");
    cr_assert_eq(hold(key_table_renew, 5, 1, long_note(34), 1), HOLD_UNKNOWN);
    cr_assert_eq(key_table_count(table), 3);
}

Test(key_notes, at_twice_the_bound_what_is_over_makes_room_at_once)
{
    key_table_limit_notes(table, NOTE_COST_BYTES + 34);
    cr_assert_eq(claim(1, 1, long_note(34), 0), VERDICT_FIRST);
    cr_assert_eq(claim(2, 1, long_note(34), 0), VERDICT_FIRST);
    cr_assert_eq(claim(3, 1, long_note(34), LEASE_MS - 1), VERDICT_FULL);
    cr_assert_eq(claim(3, 1, long_note(34), LEASE_MS), VERDICT_FIRST);
}

Test(key_notes, a_bound_of_zero_keeps_none)
{
    key_table_limit_notes(table, 0);
    cr_assert_eq(claim(1, 1, SLICE("n"), 0), VERDICT_FULL);
    cr_assert_eq(claim(1, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, SLICE("n"), 0, 1), HOLD_KEPT);
    cr_assert_eq(key_table_note_bytes(table), 0);
    key_table_limit_notes(table, SIZE_MAX);
    cr_assert_eq(claim(2, 1, SLICE("n"), 0), VERDICT_FIRST);
}

Test(key_notes, no_more_than_so_much_is_essential)
{
    key_table_limit_notes(table, NOTE_COST_BYTES + DEDUP_ESSENTIAL_MAX);
    cr_assert_eq(claim(1, 1, SLICE(""), 0), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1, long_note(4096), 4096, 1), HOLD_KEPT);
    cr_assert(is_noted(1, long_note(DEDUP_ESSENTIAL_MAX), 2));
}

/* ---- a plain model ---- */

#define MODEL_KEYS 300u

struct model {
    bool there;
    size_t len;
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void step(struct model *model, uint32_t *seed)
{
    uint64_t number = next_random(seed) % MODEL_KEYS;
    struct model *key = &model[number];
    size_t len = next_random(seed) % 200;
    if (!key->there) {
        cr_assert_eq(claim(number, 1, long_note(len), 0), VERDICT_FIRST);
        *key = (struct model){.there = true, .len = len};
    } else if (len < 100) {
        cr_assert_eq(hold(key_table_release, number, 1, SLICE(""), 0), HOLD_KEPT);
        key->there = false;
    } else {
        cr_assert(is_noted(number, long_note(key->len), 0));
    }
}

Test(key_notes, random_operations_agree_with_a_model)
{
    static struct model model[MODEL_KEYS];
    uint32_t seed = 20261121;
    size_t bytes = 0;
    for (unsigned i = 0; i < 20000; i++)
        step(model, &seed);
    for (uint64_t i = 0; i < MODEL_KEYS; i++)
        if (model[i].there && model[i].len > 0)
            bytes += NOTE_COST_BYTES + model[i].len;
    cr_assert_eq(key_table_note_bytes(table), bytes);
}
