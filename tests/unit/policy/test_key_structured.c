/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key_structured: strings of RFC 8941 and plain text, which are the same key;
 * everything else, which is none; limits. */
#include "key_request.h"

TestSuite(key_structured, .init = set_up, .fini = tear_down);

static struct key_rule structured(void)
{
    struct key_rule rule = named(KEY_HEADER, "Idempotency-Key");
    rule.structured = true;
    return rule;
}

static struct request with_key(struct slice value)
{
    return (struct request){.headers = {{"idempotency-key", value}}};
}

static void expect_value(struct slice raw, struct slice value)
{
    char *copy = exact_copy(raw);
    struct request request = with_key(slice_of(copy, raw.len));
    struct key_rule rule = structured();
    struct key_result result = make(&rule, 1, &request);
    cr_assert(result.found, "%.*s: %s", (int)raw.len, raw.data, key_miss_text(result.miss));
    cr_assert(slice_eq(result.values[0], value), "%.*s", (int)raw.len, raw.data);
    free(copy);
}

/* The examples of draft-ietf-httpapi-idempotency-key-header-06, 2.1 and 2.2. */
Test(key_structured, the_drafts_examples)
{
    expect_value(SLICE("\"8e03978e-40d5-43e8-bc93-6894a57f9324\""),
                 SLICE("8e03978e-40d5-43e8-bc93-6894a57f9324"));
    expect_value(SLICE("\"clkyoesmbgybucifusbbtdsbohtyuuwz\""),
                 SLICE("clkyoesmbgybucifusbbtdsbohtyuuwz"));
}

Test(key_structured, escapes_are_read)
{
    expect_value(SLICE("\"a\\\"b\\\\c\""), SLICE("a\"b\\c"));
    expect_value(SLICE("\"\\\\\""), SLICE("\\"));
    expect_value(SLICE("\"\\\"\\\"\""), SLICE("\"\""));
    expect_value(SLICE("\" a, b ;c=1 \""), SLICE(" a, b ;c=1 "));
    expect_value(SLICE("a\\b"), SLICE("a\\b"));
    expect_value(SLICE("~!'();=a:@%20"), SLICE("~!'();=a:@%20"));
}

Test(key_structured, quoted_and_plain_are_one_key)
{
    static const struct slice pairs[][2] = {
        {TEXT("\"abc\""), TEXT("abc")},
        {TEXT("\"a\\\\b\""), TEXT("a\\b")},
        {TEXT("\"0\""), TEXT("0")},
        {TEXT("\"a;b\""), TEXT("a;b")},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct request quoted = with_key(pairs[i][0]), plain = with_key(pairs[i][1]);
        cr_assert(same(expect_key(structured(), &quoted), expect_key(structured(), &plain)));
    }
}

Test(key_structured, other_values_are_other_keys)
{
    static const struct slice values[] = {TEXT("abc"), TEXT("\"abc \""), TEXT("ABC"),
                                          TEXT("\"a\\\"\""), TEXT("\"a\\\\\"")};
    for (size_t i = 0; i < COUNT_OF(values); i++)
        for (size_t j = 0; j < i; j++) {
            struct request one = with_key(values[i]), other = with_key(values[j]);
            cr_assert_not(same(expect_key(structured(), &one), expect_key(structured(), &other)));
        }
}

/* A route that turns to `structured` makes new keys: `"a"` was a value with quotes before. */
Test(key_structured, a_plain_rule_makes_another_key)
{
    struct request request = with_key(SLICE("abc"));
    cr_assert_not(same(expect_key(structured(), &request),
                       expect_key(named(KEY_HEADER, "Idempotency-Key"), &request)));
}

Test(key_structured, anything_else_is_malformed)
{
    static const struct slice values[] = {
        TEXT("\""),
        TEXT("\"abc"),
        TEXT("abc\""),
        TEXT("a\"b"),
        TEXT("\"a\"b\""),
        TEXT("\"abc\\\""),
        TEXT("\"\\a\""),
        TEXT("\"\\"),
        TEXT("\"\\\""),
        TEXT("\"abc\";p=1"),
        TEXT("\"abc\";p"),
        TEXT("\"abc\" "),
        TEXT("\"abc\", \"def\""),
        TEXT("abc,def"),
        TEXT("abc def"),
        TEXT("a\tb"),
        TEXT("\"a\tb\""),
        TEXT("\"a\0b\""),
        TEXT("a\0b"),
        TEXT("\"a\x7f\""),
        TEXT("a\x7f"),
        TEXT("\"\xc3\xa9\""),
        TEXT("\xc3\xa9"),
        TEXT("\"\x80\""),
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        char *copy = exact_copy(values[i]);
        struct request request = with_key(slice_of(copy, values[i].len));
        struct key_rule rule = structured();
        struct key_result result = make(&rule, 1, &request);
        cr_assert_eq(result.miss, KEY_MISS_MALFORMED, "number %zu: %s", i,
                     key_miss_text(result.miss));
        cr_assert_not(result.found);
        free(copy);
    }
}

Test(key_structured, absent_empty_and_repeated)
{
    struct request absent = {.headers = {{"x", SLICE("1")}}};
    expect_miss(structured(), &absent, KEY_MISS_ABSENT);
    struct request empty = with_key(SLICE("")), quoted = with_key(SLICE("\"\""));
    expect_miss(structured(), &empty, KEY_MISS_EMPTY);
    expect_miss(structured(), &quoted, KEY_MISS_EMPTY);
    struct request twice = {
        .headers = {{"Idempotency-Key", SLICE("\"a\"")}, {"idempotency-key", SLICE("\"a\"")}}};
    expect_miss(structured(), &twice, KEY_MISS_REPEATED);
}

/* A value of `len` characters, each as `unit`, between `quotes`. */
static struct slice long_value(struct slice unit, size_t len, struct slice quote)
{
    size_t size = unit.len * len + 2 * quote.len;
    char *text = arena_alloc(&arena, size), *at = text;
    cr_assert_not_null(text);
    for (size_t i = 0; i < len + 2; i++) {
        struct slice part = i == 0 || i == len + 1 ? quote : unit;
        if (part.len > 0)
            memcpy(at, part.data, part.len);
        at += part.len;
    }
    return slice_of(text, size);
}

Test(key_structured, the_limit_counts_what_is_meant)
{
    static const struct slice units[][2] = {
        {TEXT("x"), TEXT("")}, {TEXT("x"), TEXT("\"")}, {TEXT("\\\""), TEXT("\"")}};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        struct request longest =
            with_key(long_value(units[i][0], KEY_MAX_VALUE_BYTES, units[i][1]));
        struct request longer =
            with_key(long_value(units[i][0], KEY_MAX_VALUE_BYTES + 1, units[i][1]));
        expect_key(structured(), &longest);
        expect_miss(structured(), &longer, KEY_MISS_TOO_LONG);
    }
}

Test(key_structured, no_memory_is_told)
{
    struct arena none;
    arena_init(&none, 16, 0);
    struct request request = with_key(SLICE("\"a\\\\\""));
    struct key_input input = {
        .route = SLICE("r"), .headers = request.headers, .header = find_header};
    struct key_rule rule = structured();
    struct key_result result = key_make(&rule, 1, &input, digester, &none);
    cr_assert_not(result.found);
    cr_assert_eq(result.miss, KEY_MISS_NO_MEMORY);
    arena_done(&none);
}

/* Keys in stores outlive a release. */
Test(key_structured, the_layout_is_kept)
{
    struct request request = with_key(SLICE("\"v\\\\\""));
    request.route = "pay";
    uint8_t digest[SHA256_BYTES];
    struct slice layout = SLICE("1"
                                "\0\0\0\0\0\0\0\003pay"
                                "i"
                                "\0\0\0\0\0\0\0\017Idempotency-Key"
                                "\0\0\0\0\0\0\0\002v\\");
    cr_assert_eq(digest_sha256(digester, layout, digest), STATUS_OK);
    struct event_key key = expect_key(structured(), &request);
    cr_assert_arr_eq(key.digest, digest, EVENT_KEY_BYTES);
}
