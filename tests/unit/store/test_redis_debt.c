/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of settle debts: what is copied, order, bound, windows that are over, and finding by
 * key.
 */
#include "redis_debt.h"

#include <criterion/criterion.h>

#define ENDS_AT_MS 1000u

static struct debts debts;

static void prepare(void)
{
    debts_init(&debts);
}

static void finish(void)
{
    debts_done(&debts);
    cr_assert_eq(debts.count, 0);
    cr_assert_eq(debts.note_bytes, 0);
}

TestSuite(redis_debt, .init = prepare, .fini = finish);

/* Keys differ in their first and last bytes, so that some share a bucket. */
static struct event_key key_of(uint32_t number)
{
    struct event_key key = {{0}};
    key.digest[1] = (uint8_t)number;
    memcpy(key.digest + 12, &number, sizeof number);
    return key;
}

static struct uuid token_of(uint32_t number)
{
    struct uuid token = {{0}};
    memcpy(token.bytes, &number, sizeof number);
    return token;
}

static void add_until(uint32_t number, uint32_t owner, uint64_t ends_at_ms)
{
    char route[] = "route"; /* gone when the settle is */
    struct dedup_op op = {
        .route = slice_str(route),
        .key = key_of(number),
        .token = token_of(owner),
        .window_ms = 600,
        .done = {.event_id = token_of(owner), .status = 207, .accepted_at_ms = 17},
        .ends_at_ms = ends_at_ms,
    };
    debts_add(&debts, &op);
    memset(route, 'x', sizeof route);
}

static void add(uint32_t number)
{
    add_until(number, number, ENDS_AT_MS);
}

static bool has(uint32_t number, uint32_t owner)
{
    struct event_key key = key_of(number);
    struct uuid token = token_of(owner);
    return debts_has(&debts, &key, &token);
}

static void forget(uint32_t number)
{
    struct event_key key = key_of(number);
    debts_forget(&debts, &key);
}

static bool is_settle_of(const struct dedup_op *op, uint32_t number)
{
    struct event_key key = key_of(number);
    return op && memcmp(&op->key, &key, sizeof key) == 0;
}

Test(redis_debt, keeps_what_a_settle_needs)
{
    struct uuid token = token_of(3);
    add_until(2, 3, ENDS_AT_MS);
    struct dedup_op *op = debts_take(&debts, 0);
    cr_assert(is_settle_of(op, 2));
    cr_assert(slice_eq(op->route, SLICE("route")));
    cr_assert(uuid_eq(&op->token, &token));
    cr_assert(uuid_eq(&op->done.event_id, &token));
    cr_assert_eq(op->done.status, 207);
    cr_assert_eq(op->done.accepted_at_ms, 17);
    cr_assert_eq(op->window_ms, 600);
    cr_assert_eq(op->ends_at_ms, ENDS_AT_MS);
    debt_free(&debts, op);
    cr_assert_null(debts_take(&debts, 0));
    debt_free(&debts, NULL);
}

Test(redis_debt, oldest_first_and_back_as_the_newest)
{
    add(1);
    add(2);
    struct dedup_op *op = debts_take(&debts, 0);
    cr_assert(is_settle_of(op, 1));
    cr_assert_not(has(1, 1));
    debts_put_back(&debts, op);
    cr_assert(has(1, 1));
    op = debts_take(&debts, 0);
    cr_assert(is_settle_of(op, 2));
    debt_free(&debts, op);
    cr_assert_eq(debts.count, 1);
}

Test(redis_debt, the_same_settle_is_owed_once)
{
    add(1);
    add(1);
    cr_assert_eq(debts.count, 1);
    add_until(1, 2, ENDS_AT_MS);
    cr_assert_eq(debts.count, 2, "another event's settle of the key is another debt");
}

Test(redis_debt, a_window_that_is_over_is_not_owed)
{
    add_until(1, 1, 10);
    add_until(2, 2, 11);
    struct dedup_op *op = debts_take(&debts, 10);
    cr_assert(is_settle_of(op, 2));
    cr_assert_eq(debts.count, 0);
    cr_assert_eq(debts.dropped, 0);
    debt_free(&debts, op);
    add_until(3, 3, 10);
    cr_assert_null(debts_take(&debts, 10));
    cr_assert_eq(debts.count, 0);
}

Test(redis_debt, finds_by_key_and_token)
{
    add_until(1, 1, ENDS_AT_MS);
    add_until(1 + 256, 2, ENDS_AT_MS); /* the same bucket */
    cr_assert(has(1, 1));
    cr_assert(has(1 + 256, 2));
    cr_assert_not(has(1, 2));
    cr_assert_not(has(1 + 256, 1));
    cr_assert_not(has(1 + 512, 1));
    cr_assert_not(has(2, 1));
}

Test(redis_debt, forgets_all_of_a_key)
{
    add_until(1, 1, ENDS_AT_MS);
    add_until(1 + 256, 1, ENDS_AT_MS);
    add_until(1, 2, ENDS_AT_MS);
    add_until(1 + 512, 1, ENDS_AT_MS);
    forget(1);
    forget(1);
    cr_assert_eq(debts.count, 2);
    cr_assert(has(1 + 256, 1) && has(1 + 512, 1));
    cr_assert_eq(debts.dropped, 0);
}

Test(redis_debt, below_at_and_above_the_bound)
{
    for (uint32_t i = 0; i < DEBTS_MAX - 1; i++)
        add(i);
    cr_assert_eq(debts.count, DEBTS_MAX - 1);
    add(DEBTS_MAX - 1);
    cr_assert_eq(debts.count, DEBTS_MAX);
    cr_assert_eq(debts.dropped, 0);
    add(DEBTS_MAX);
    cr_assert_eq(debts.count, DEBTS_MAX);
    cr_assert_eq(debts.dropped, 1);
    cr_assert_not(has(0, 0), "the oldest went");
    cr_assert(has(1, 1) && has(DEBTS_MAX, DEBTS_MAX));
}

Test(redis_debt, what_comes_back_at_the_bound_drops_the_oldest)
{
    for (uint32_t i = 0; i < DEBTS_MAX; i++)
        add(i);
    struct dedup_op *op = debts_take(&debts, 0);
    add(DEBTS_MAX);
    cr_assert_eq(debts.dropped, 0);
    debts_put_back(&debts, op);
    cr_assert_eq(debts.count, DEBTS_MAX);
    cr_assert_eq(debts.dropped, 1);
    cr_assert_not(has(1, 1));
    cr_assert(has(0, 0));
}

/* ---- notes ---- */

static char octets[DEDUP_NOTE_MAX];

static void add_noted(uint32_t number, size_t len, size_t essential)
{
    struct dedup_op op = {
        .key = key_of(number),
        .token = token_of(number),
        .ends_at_ms = ENDS_AT_MS,
        .noted = true,
        .note = slice_of(octets, len),
        .note_essential = essential,
    };
    debts_add(&debts, &op);
}

static size_t note_of_the_oldest(void)
{
    struct dedup_op *op = debts_take(&debts, 0);
    cr_assert_not_null(op);
    cr_assert(op->noted && slice_eq(op->note, slice_of(octets, op->note.len)));
    cr_assert(op->note.len == 0 || op->note.data != octets, "a copy");
    size_t len = op->note.len;
    debt_free(&debts, op);
    return len;
}

Test(redis_debt, keeps_the_note)
{
    memset(octets, ';', sizeof octets);
    octets[1] = '\0';
    add_noted(1, 3, 1);
    add_noted(2, 0, 0);
    cr_assert_eq(debts.note_bytes, 3);
    cr_assert_eq(note_of_the_oldest(), 3);
    cr_assert_eq(note_of_the_oldest(), 0);
}

Test(redis_debt, beyond_the_bound_only_what_is_essential)
{
    uint32_t number = 0;
    while (debts.note_bytes + sizeof octets <= DEBT_NOTES_MAX_BYTES)
        add_noted(number++, sizeof octets, 34);
    size_t left = DEBT_NOTES_MAX_BYTES - debts.note_bytes;
    add_noted(number, left + 1, 34);
    add_noted(number + 1, left - 34, 34);
    add_noted(number + 2, 1, 0);
    add_noted(number + 3, sizeof octets, sizeof octets);
    add_noted(number + 4, 20, 34);
    for (uint32_t i = 0; i < number; i++)
        cr_assert_eq(note_of_the_oldest(), sizeof octets);
    cr_assert_eq(note_of_the_oldest(), 34, "one too many");
    cr_assert_eq(note_of_the_oldest(), left - 34, "to the last");
    cr_assert_eq(note_of_the_oldest(), 0);
    cr_assert_eq(note_of_the_oldest(), DEDUP_ESSENTIAL_MAX);
    cr_assert_eq(note_of_the_oldest(), 20);
}

Test(redis_debt, a_note_counts_until_its_debt_is_freed)
{
    add_noted(1, 100, 0);
    struct dedup_op *op = debts_take(&debts, 0);
    cr_assert_eq(debts.note_bytes, 100);
    debts_put_back(&debts, op);
    cr_assert_eq(debts.note_bytes, 100);
    forget(1);
    cr_assert_eq(debts.note_bytes, 0);
    add_noted(2, 100, 0);
    cr_assert_null(debts_take(&debts, ENDS_AT_MS));
    cr_assert_eq(debts.note_bytes, 0);
}
