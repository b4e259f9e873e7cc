/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folding duplicate counts: adding up, growing, the bound, order.
 */
#include "fold.h"

#include <criterion/criterion.h>
#include <string.h>

static struct fold_entry entry_of(uint32_t number, uint64_t count, uint64_t last_ms,
                                  uint64_t since_ms)
{
    struct fold_entry entry = {.count = count, .last_at_ms = last_ms, .since_ms = since_ms};
    /* The hashed bytes are equal for numbers 2^16 apart: they have to be told from each other. */
    memcpy(entry.event_id.bytes + 14, &number, 2);
    memcpy(entry.event_id.bytes, (uint8_t *)&number + 2, 2);
    return entry;
}

static struct fold_entry *find(struct fold *fold, uint32_t number)
{
    struct fold_entry wanted = entry_of(number, 0, 0, 0);
    return fold_find(fold, &wanted.event_id);
}

Test(fold, counts_of_one_event_add_up)
{
    struct fold fold = {0};
    struct fold_entry first = entry_of(1, 1, 500, 7), second = entry_of(1, 2, 400, 3);
    cr_assert(fold_add(&fold, &first));
    cr_assert(fold_add(&fold, &second));
    cr_assert_eq(fold.count, 1);
    cr_assert_eq(fold.entries[0].count, 3);
    cr_assert_eq(fold.entries[0].last_at_ms, 500);
    cr_assert_eq(fold.entries[0].since_ms, 3);
    fold_done(&fold);
}

Test(fold, events_with_one_hash_are_told_apart)
{
    struct fold fold = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct fold_entry entry = entry_of(i << 16, i + 1, i, i);
        cr_assert(fold_add(&fold, &entry));
    }
    fold_sort(&fold);
    cr_assert_eq(fold.count, 100);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_eq(find(&fold, i << 16)->count, i + 1);
    fold_done(&fold);
}

Test(fold, at_the_bound_only_known_events_are_taken)
{
    struct fold fold = {0};
    for (uint32_t i = 0; i < FOLD_MAX; i++) {
        struct fold_entry entry = entry_of(i, 1, 1, 1);
        cr_assert(fold_add(&fold, &entry));
    }
    struct fold_entry new_one = entry_of(FOLD_MAX, 1, 1, 1), known = entry_of(0, 1, 1, 1);
    cr_assert_not(fold_add(&fold, &new_one));
    cr_assert(fold_add(&fold, &known));
    cr_assert_eq(fold.count, FOLD_MAX);
    fold_done(&fold);
    cr_assert_eq(fold.count, 0);
    cr_assert(fold_add(&fold, &new_one));
    fold_done(&fold);
}

Test(fold, sorted_by_id_and_found)
{
    struct fold fold = {0};
    const uint32_t numbers[] = {9, 2, 7, 1};
    for (size_t i = 0; i < 4; i++) {
        struct fold_entry entry = entry_of(numbers[i], numbers[i], 1, 1);
        cr_assert(fold_add(&fold, &entry));
    }
    fold_sort(&fold);
    for (size_t i = 1; i < 4; i++)
        cr_assert_lt(memcmp(fold.entries[i - 1].event_id.bytes, fold.entries[i].event_id.bytes, 16),
                     0);
    cr_assert_eq(find(&fold, 7)->count, 7);
    cr_assert_null(find(&fold, 8));
    fold_done(&fold);
}

Test(fold, nothing_is_found_in_an_empty_one)
{
    struct fold fold = {0};
    fold_sort(&fold);
    cr_assert_null(find(&fold, 1));
}
