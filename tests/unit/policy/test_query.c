/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/query: cutting, decoding, repeats, limits. */
#include "query.h"
#include "samples.h"

#include <criterion/criterion.h>

static struct arena arena;

static void open_arena(void)
{
    arena_init(&arena, 1024, 65536);
}

static void close_arena(void)
{
    arena_done(&arena);
}

TestSuite(query, .init = open_arena, .fini = close_arena);

struct lookup {
    struct slice query;
    enum key_miss miss;
    struct slice value;
};

/* All look for "id". */
static const struct lookup lookups[] = {
    {TEXT("id=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("a=0&id=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("id=1&a=0"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("&&id=1&&"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("id=a=b"), KEY_MISS_NONE, TEXT("a=b")},
    {TEXT("id=="), KEY_MISS_NONE, TEXT("=")},
    {TEXT("id=a;b"), KEY_MISS_NONE, TEXT("a;b")},
    {TEXT("id=a?b"), KEY_MISS_NONE, TEXT("a?b")},
    {TEXT("%69d=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("%69%64=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("id=a%20b"), KEY_MISS_NONE, TEXT("a b")},
    {TEXT("id=a+b"), KEY_MISS_NONE, TEXT("a+b")},
    {TEXT("id=%2B%2b"), KEY_MISS_NONE, TEXT("++")},
    {TEXT("id=%00"), KEY_MISS_NONE, TEXT("\0")},
    {TEXT("id=%ff"), KEY_MISS_NONE, TEXT("\xff")},
    {TEXT("id=%26%3D"), KEY_MISS_NONE, TEXT("&=")},
    {TEXT("id=%2541"), KEY_MISS_NONE, TEXT("%41")},
    {TEXT("a=%zz&id=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT("%zz=1&id=1"), KEY_MISS_NONE, TEXT("1")},
    {TEXT(""), KEY_MISS_ABSENT, {0}},
    {TEXT("&"), KEY_MISS_ABSENT, {0}},
    {TEXT("=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("ID=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("idx=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("i=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("a=id"), KEY_MISS_ABSENT, {0}},
    {TEXT("id%=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("id%00=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("a;id=1"), KEY_MISS_ABSENT, {0}},
    {TEXT("id"), KEY_MISS_EMPTY, {0}},
    {TEXT("id="), KEY_MISS_EMPTY, {0}},
    {TEXT("a&id&b"), KEY_MISS_EMPTY, {0}},
    {TEXT("id=1&id=1"), KEY_MISS_REPEATED, {0}},
    {TEXT("id=1&%69d=2"), KEY_MISS_REPEATED, {0}},
    {TEXT("id&id"), KEY_MISS_REPEATED, {0}},
    {TEXT("id=%&id=1"), KEY_MISS_REPEATED, {0}},
    {TEXT("id=%"), KEY_MISS_ENCODING, {0}},
    {TEXT("id=%4"), KEY_MISS_ENCODING, {0}},
    {TEXT("id=%g0"), KEY_MISS_ENCODING, {0}},
    {TEXT("id=%0g"), KEY_MISS_ENCODING, {0}},
    {TEXT("id=a%4"), KEY_MISS_ENCODING, {0}},
    {TEXT("id=%4&1"), KEY_MISS_ENCODING, {0}},
};

Test(query, finds_one_parameter)
{
    for (size_t i = 0; i < COUNT_OF(lookups); i++) {
        const struct lookup *want = &lookups[i];
        char *copy = exact_copy(want->query);
        struct slice value = {0};
        enum key_miss miss = query_find(slice_of(copy, want->query.len), SLICE("id"),
                                        QUERY_PLUS_STAYS, &arena, &value);
        cr_assert_eq(miss, want->miss, "%s", want->query.data);
        cr_assert(slice_eq(value, want->value), "%s", want->query.data);
        free(copy);
    }
}

Test(query, a_plus_may_be_a_space_in_names_and_values)
{
    struct slice query = SLICE("a+b=c+d%2B"), value;
    cr_assert_eq(query_find(query, SLICE("a b"), QUERY_PLUS_IS_SPACE, &arena, &value),
                 KEY_MISS_NONE);
    cr_assert(slice_eq(value, SLICE("c d+")));
    cr_assert_eq(query_find(query, SLICE("a+b"), QUERY_PLUS_IS_SPACE, &arena, &value),
                 KEY_MISS_ABSENT);
    cr_assert_eq(query_find(query, SLICE("a b"), QUERY_PLUS_STAYS, &arena, &value),
                 KEY_MISS_ABSENT);
    cr_assert_eq(query_find(query, SLICE("a+b"), QUERY_PLUS_STAYS, &arena, &value), KEY_MISS_NONE);
    cr_assert(slice_eq(value, SLICE("c+d+")));
    cr_assert_eq(
        query_find(SLICE("a+b=1&a%20b=2"), SLICE("a b"), QUERY_PLUS_IS_SPACE, &arena, &value),
        KEY_MISS_REPEATED);
}

Test(query, a_name_may_hold_anything)
{
    struct slice value;
    cr_assert_eq(query_find(SLICE("a%26%3d=1"), SLICE("a&="), QUERY_PLUS_STAYS, &arena, &value),
                 KEY_MISS_NONE);
    cr_assert_eq(query_find(SLICE("a[]=1"), SLICE("a[]"), QUERY_PLUS_STAYS, &arena, &value),
                 KEY_MISS_NONE);
    cr_assert_eq(query_find((struct slice){0}, SLICE("a"), QUERY_PLUS_STAYS, &arena, &value),
                 KEY_MISS_ABSENT);
}

/* `unit` so many times as the value. */
static enum key_miss find_long(struct slice unit, size_t count, struct slice *ret_value)
{
    static char query[3 + 3 * (KEY_MAX_VALUE_BYTES + 1)];
    memcpy(query, "id=", 3);
    for (size_t i = 0; i < count; i++)
        memcpy(query + 3 + i * unit.len, unit.data, unit.len);
    return query_find(slice_of(query, 3 + unit.len * count), SLICE("id"), QUERY_PLUS_STAYS, &arena,
                      ret_value);
}

Test(query, a_value_has_a_limit_that_counts_decoded_bytes)
{
    struct slice value;
    cr_assert_eq(find_long(SLICE("a"), KEY_MAX_VALUE_BYTES, &value), KEY_MISS_NONE);
    cr_assert_eq(value.len, KEY_MAX_VALUE_BYTES);
    cr_assert_eq(find_long(SLICE("a"), KEY_MAX_VALUE_BYTES + 1, &value), KEY_MISS_TOO_LONG);
    cr_assert_eq(find_long(SLICE("%41"), KEY_MAX_VALUE_BYTES, &value), KEY_MISS_NONE);
    cr_assert_eq(value.len, KEY_MAX_VALUE_BYTES);
    cr_assert_eq(find_long(SLICE("%41"), KEY_MAX_VALUE_BYTES + 1, &value), KEY_MISS_TOO_LONG);
}

Test(query, memory_is_needed_for_encoded_values_only)
{
    struct arena none;
    struct slice value;
    arena_init(&none, 16, 0);
    cr_assert_eq(query_find(SLICE("i%64=1"), SLICE("id"), QUERY_PLUS_STAYS, &none, &value),
                 KEY_MISS_NONE);
    cr_assert_eq(query_find(SLICE("id=%41"), SLICE("id"), QUERY_PLUS_STAYS, &none, &value),
                 KEY_MISS_NO_MEMORY);
    arena_done(&none);
}
