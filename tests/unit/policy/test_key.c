/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key: what gives a key and what doesn't, fall-backs, limits. Which keys are
 * one and which never are: test_key_identity.c. */
#include "key_request.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(key, .init = set_up, .fini = tear_down);

/* ---- payload ---- */

Test(key, payload_is_the_raw_body)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    cr_assert(same(body_key(rule, "{\"a\":1}"), body_key(rule, "{\"a\":1}")));
    cr_assert_not(same(body_key(rule, "{\"a\":1}"), body_key(rule, "{\"a\": 1}")));
    struct request binary = {.body = SLICE("\0\xff\0")};
    struct request other = {.body = SLICE("\0\xff\1")};
    cr_assert_not(same(expect_key(rule, &binary), expect_key(rule, &other)));
    struct request empty = {0};
    expect_miss(rule, &empty, KEY_MISS_EMPTY);
}

Test(key, payload_may_be_long)
{
    static char body[3 * 1024 * 1024];
    struct request request = {.body = slice_of(body, sizeof body)};
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    struct event_key before = expect_key(rule, &request);
    body[sizeof body - 1] = 1;
    cr_assert_not(same(before, expect_key(rule, &request)));
}

/* ---- header and query ---- */

Test(key, header_is_one_value)
{
    struct key_rule rule = named(KEY_HEADER, "X-Id");
    struct request once = {.headers = {{"x-other", SLICE("9")}, {"x-id", SLICE("5")}}};
    struct request other = {.headers = {{"X-ID", SLICE("6")}}};
    cr_assert_not(same(expect_key(rule, &once), expect_key(rule, &other)));
    struct request absent = {.headers = {{"x-other", SLICE("5")}}};
    expect_miss(rule, &absent, KEY_MISS_ABSENT);
    struct request empty = {.headers = {{"x-id", SLICE("")}}};
    expect_miss(rule, &empty, KEY_MISS_EMPTY);
    struct request twice = {.headers = {{"x-id", SLICE("5")}, {"X-Id", SLICE("5")}}};
    expect_miss(rule, &twice, KEY_MISS_REPEATED);
}

Test(key, query_is_one_decoded_value)
{
    struct key_rule rule = named(KEY_QUERY, "id");
    struct request plain = {.query = SLICE("a=1&id=x y")};
    struct request encoded = {.query = SLICE("id=x%20y")};
    cr_assert(same(expect_key(rule, &plain), expect_key(rule, &encoded)));
    struct request absent = {.query = SLICE("a=1")};
    expect_miss(rule, &absent, KEY_MISS_ABSENT);
    struct request empty = {.query = SLICE("id=")};
    expect_miss(rule, &empty, KEY_MISS_EMPTY);
    struct request twice = {.query = SLICE("id=1&id=1")};
    expect_miss(rule, &twice, KEY_MISS_REPEATED);
    struct request broken = {.query = SLICE("id=%")};
    expect_miss(rule, &broken, KEY_MISS_ENCODING);
}

/* ---- json ---- */

struct body_case {
    const char *body;
    enum key_miss miss;
};

static void expect_cases(struct key_rule rule, const struct body_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct request request = with_body(cases[i].body);
        struct key_result result = make(&rule, 1, &request);
        cr_assert_eq(result.miss, cases[i].miss, "%s: %s", cases[i].body,
                     key_miss_text(result.miss));
        cr_assert_eq(result.found, cases[i].miss == KEY_MISS_NONE, "%s", cases[i].body);
    }
}

Test(key, json_wants_a_scalar)
{
    static const struct body_case cases[] = {
        {"{\"id\":\"x\"}", KEY_MISS_NONE},
        {"{\"id\":0}", KEY_MISS_NONE},
        {"{\"id\":false}", KEY_MISS_NONE},
        {"{\"id\":\"\\u0000\"}", KEY_MISS_NONE},
        {"{\"id\":\" \"}", KEY_MISS_NONE},
        {"{\"id\":null}", KEY_MISS_ABSENT},
        {"{\"ID\":1}", KEY_MISS_ABSENT},
        {"{}", KEY_MISS_ABSENT},
        {"[]", KEY_MISS_ABSENT},
        {"1", KEY_MISS_ABSENT},
        {"{\"id\":\"\"}", KEY_MISS_EMPTY},
        {"{\"id\":[]}", KEY_MISS_NOT_SCALAR},
        {"{\"id\":{}}", KEY_MISS_NOT_SCALAR},
        {"", KEY_MISS_EMPTY},
        {" ", KEY_MISS_NOT_JSON},
        {"{\"id\":1", KEY_MISS_NOT_JSON},
        {"{\"id\":1}x", KEY_MISS_NOT_JSON},
        {"{\"id\":1,\"id\":1}", KEY_MISS_NOT_JSON},
        {"id=1", KEY_MISS_NOT_JSON},
    };
    expect_cases(pathed(KEY_JSON, "id"), cases, COUNT_OF(cases));
}

Test(key, json_takes_the_first_path_that_holds_something)
{
    struct key_rule rule = pathed(KEY_JSON, "a b c.d");
    struct event_key key = body_key(rule, "{\"a\":\"7\"}");
    static const char *const same_bodies[] = {
        "{\"b\":\"7\"}",
        "{\"c\":{\"d\":\"7\"}}",
        "{\"c\":{\"d\":\"8\"},\"b\":\"9\",\"a\":\"7\"}",
        "{\"a\":null,\"b\":\"7\",\"c\":{\"d\":\"8\"}}",
        "{\"a\":\"\",\"b\":[],\"c\":{\"d\":\"7\"}}",
        "{\"a\":{},\"b\":\"\\u0037\"}",
    };
    for (size_t i = 0; i < COUNT_OF(same_bodies); i++)
        cr_assert(same(key, body_key(rule, same_bodies[i])), "%s", same_bodies[i]);
    static const struct body_case none[] = {
        {"{\"x\":1}", KEY_MISS_ABSENT},
        {"{\"b\":\"\"}", KEY_MISS_EMPTY},
        {"{\"c\":{\"d\":[]},\"a\":null}", KEY_MISS_NOT_SCALAR},
        {"{\"a\":{},\"b\":\"\"}", KEY_MISS_NOT_SCALAR}, /* the first that says more than absent */
    };
    expect_cases(rule, none, COUNT_OF(none));
}

Test(key, json_result_says_why_a_body_is_not_json)
{
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct request twice = with_body("{\"id\":1,\"\\u0069d\":1}");
    cr_assert_eq(make(&rule, 1, &twice).json, JSON_DUPLICATE_KEY);
    struct request broken = with_body("{\"id\":01}");
    cr_assert_eq(make(&rule, 1, &broken).json, JSON_INVALID);
    char deep[JSON_MAX_DEPTH + 2] = {0};
    memset(deep, '[', sizeof deep - 1);
    struct request nested = with_body(deep);
    cr_assert_eq(make(&rule, 1, &nested).json, JSON_TOO_DEEP);
}

/* ---- fields ---- */

Test(key, fields_want_all_of_them)
{
    static const struct body_case cases[] = {
        {"{\"a\":1,\"b\":\"x\"}", KEY_MISS_NONE},
        {"{\"a\":\"\",\"b\":\"x\"}", KEY_MISS_NONE},
        {"{\"a\":false,\"b\":\"\"}", KEY_MISS_NONE},
        {"{\"a\":\"\",\"b\":\"\"}", KEY_MISS_EMPTY},
        {"{\"a\":1}", KEY_MISS_ABSENT},
        {"{\"b\":1}", KEY_MISS_ABSENT},
        {"{\"a\":1,\"b\":null}", KEY_MISS_ABSENT},
        {"{\"a\":1,\"b\":[]}", KEY_MISS_NOT_SCALAR},
        {"{\"a\":{},\"b\":1}", KEY_MISS_NOT_SCALAR},
        {"{\"a\":1,\"b\":2", KEY_MISS_NOT_JSON},
        {"", KEY_MISS_EMPTY},
    };
    expect_cases(pathed(KEY_FIELDS, "a b"), cases, COUNT_OF(cases));
}

Test(key, fields_may_be_as_many_as_there_is_room_for)
{
    char body[512] = "[0";
    for (size_t i = 1; i < KEY_MAX_FIELDS; i++)
        snprintf(body + strlen(body), 8, ",%zu", i);
    strcat(body, "]");
    struct key_rule rule = pathed(KEY_FIELDS, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
    struct request request = with_body(body);
    struct key_result result = make(&rule, 1, &request);
    cr_assert(result.found);
    cr_assert_eq(result.value_count, KEY_MAX_FIELDS);
    cr_assert(slice_eq(result.values[15], SLICE("15")));
}

/* ---- lists ---- */

Test(key, rules_are_tried_in_order)
{
    struct key_rule rules[] = {
        named(KEY_HEADER, "id"), pathed(KEY_JSON, "id"), {.kind = KEY_PAYLOAD}};
    struct request all = {.headers = {{"id", SLICE("5")}}, .body = SLICE("{\"id\":6}")};
    cr_assert_eq(make(rules, 3, &all).rule, 0);
    struct request no_header = with_body("{\"id\":6}");
    cr_assert_eq(make(rules, 3, &no_header).rule, 1);
    struct request no_json = with_body("id=6");
    struct key_result result = make(rules, 3, &no_json);
    cr_assert(result.found);
    cr_assert_eq(result.rule, 2);
    cr_assert_eq(result.miss, KEY_MISS_NONE);
    cr_assert_eq(result.json, JSON_OK);
}

Test(key, a_miss_is_the_first_rules)
{
    struct key_rule rules[] = {
        pathed(KEY_JSON, "id"), named(KEY_HEADER, "id"), {.kind = KEY_PAYLOAD}};
    struct request request = with_body("not json");
    struct key_result result = make(rules, 2, &request);
    cr_assert_not(result.found);
    cr_assert_eq(result.miss, KEY_MISS_NOT_JSON);
    cr_assert_eq(result.json, JSON_INVALID);
    struct request empty = {0};
    cr_assert_eq(make(rules + 1, 2, &empty).miss, KEY_MISS_ABSENT);
    cr_assert_eq(make(rules, 0, &empty).miss, KEY_MISS_ABSENT);
}

/* A later rule must not step in: with memory, the event would have another key. */
Test(key, no_memory_ends_the_search)
{
    struct key_rule rules[] = {
        named(KEY_HEADER, "id"), pathed(KEY_JSON, "id"), {.kind = KEY_PAYLOAD}};
    struct request request = with_body("{\"id\":\"\\n\"}");
    struct key_input input = {.route = SLICE("r"),
                              .body = request.body,
                              .headers = request.headers,
                              .header = find_header};
    struct arena none;
    arena_init(&none, 16, 0);
    struct key_result result = key_make(rules, 3, &input, digester, &none);
    cr_assert_not(result.found);
    cr_assert_eq(result.miss, KEY_MISS_NO_MEMORY);
    arena_done(&none);
}

/* ---- limits ---- */

/* {"id":"<unit…>"} */
static struct request with_long_id(struct slice unit, size_t count)
{
    size_t len = 9 + unit.len * count;
    char *body = arena_alloc(&arena, len);
    cr_assert_not_null(body);
    memcpy(body, "{\"id\":\"", 7);
    for (size_t i = 0; i < count; i++)
        memcpy(body + 7 + i * unit.len, unit.data, unit.len);
    memcpy(body + len - 2, "\"}", 2);
    return (struct request){.body = slice_of(body, len)};
}

Test(key, values_have_a_limit_that_counts_what_they_mean)
{
    struct slice units[] = {SLICE("a"), SLICE("\\u0061"), SLICE("\\n")};
    struct key_rule rules[] = {pathed(KEY_JSON, "id"), pathed(KEY_FIELDS, "id")};
    for (size_t i = 0; i < COUNT_OF(units) * COUNT_OF(rules); i++) {
        struct slice unit = units[i / 2];
        struct request longest = with_long_id(unit, KEY_MAX_VALUE_BYTES);
        struct request longer = with_long_id(unit, KEY_MAX_VALUE_BYTES + 1);
        expect_key(rules[i % 2], &longest);
        expect_miss(rules[i % 2], &longer, KEY_MISS_TOO_LONG);
    }
}

/* More escapes than the arena could hold: still "too long", not "no memory". */
Test(key, a_long_text_does_not_exhaust_the_arena)
{
    struct request request = with_long_id(SLICE("\\n"), 100000);
    struct key_rule rule = pathed(KEY_JSON, "id");
    struct key_input input = {.route = SLICE("r"),
                              .body = request.body,
                              .headers = request.headers,
                              .header = find_header};
    struct arena small;
    arena_init(&small, 1024, 8192);
    cr_assert_eq(key_make(&rule, 1, &input, digester, &small).miss, KEY_MISS_TOO_LONG);
    arena_done(&small);
}

/* {"b":"x","a":<a number of so many digits>} */
static struct request with_long_number(size_t digits)
{
    struct slice head = SLICE("{\"b\":\"x\",\"a\":");
    char *body = arena_alloc(&arena, head.len + digits + 1);
    cr_assert_not_null(body);
    memcpy(body, head.data, head.len);
    memset(body + head.len, '7', digits);
    body[head.len + digits] = '}';
    return (struct request){.body = slice_of(body, head.len + digits + 1)};
}

Test(key, a_value_too_long_does_not_lead_to_the_next_path)
{
    struct key_rule rule = pathed(KEY_JSON, "a b");
    struct request longest = with_long_number(KEY_MAX_VALUE_BYTES);
    struct request longer = with_long_number(KEY_MAX_VALUE_BYTES + 1);
    expect_key(rule, &longest);
    expect_miss(rule, &longer, KEY_MISS_TOO_LONG);
}

Test(key, header_and_query_have_the_limit_too)
{
    static char text[3 + KEY_MAX_VALUE_BYTES + 1];
    memset(text, 'x', sizeof text);
    memcpy(text, "id=", 3);
    struct request request = {.headers = {{"id", slice_of(text + 3, KEY_MAX_VALUE_BYTES)}},
                              .query = slice_of(text, 3 + KEY_MAX_VALUE_BYTES)};
    expect_key(named(KEY_HEADER, "id"), &request);
    expect_key(named(KEY_QUERY, "id"), &request);
    request.headers[0].value.len++;
    request.query.len++;
    expect_miss(named(KEY_HEADER, "id"), &request, KEY_MISS_TOO_LONG);
    expect_miss(named(KEY_QUERY, "id"), &request, KEY_MISS_TOO_LONG);
}

/* ---- words and explanations ---- */

Test(key, the_hashed_values_are_shown)
{
    struct key_rule rule = pathed(KEY_FIELDS, "a b");
    struct request request = with_body("{\"a\":\"x\\u0000y\",\"b\":12}");
    struct key_result result = make(&rule, 1, &request);
    cr_assert_eq(result.value_count, 2);
    cr_assert(slice_eq(result.values[0], SLICE("x\0y")));
    cr_assert(slice_eq(result.values[1], SLICE("12")));
    struct key_rule payload = {.kind = KEY_PAYLOAD};
    result = make(&payload, 1, &request);
    cr_assert_eq(result.value_count, 1);
    cr_assert_eq(result.values[0].data, request.body.data);
}

Test(key, kinds_and_misses_have_words)
{
    cr_assert_str_eq(key_kind_text(KEY_PAYLOAD), "payload");
    cr_assert_str_eq(key_kind_text(KEY_FIELDS), "fields");
    for (unsigned i = 0; i < KEY_MISSES; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_str_neq(key_miss_text((enum key_miss)i), key_miss_text((enum key_miss)j));
}
