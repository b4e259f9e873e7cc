/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key: what gives a key and what doesn't, which keys are one and which never
 * are, fall-backs, limits, and the digest's layout. */
#include <postern/policy/key.h>

#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define MAX_TEST_PATHS 20u

struct header {
    const char *name;
    struct slice value;
};

/* What a request holds; unset parts are empty. */
struct request {
    const char *route;
    struct header headers[4];
    struct slice query;
    struct slice body;
};

static struct arena arena;
static struct digester *digester;

static void set_up(void)
{
    arena_init(&arena, 65536, 1u << 20);
    cr_assert_eq(digester_open(&digester), STATUS_OK);
}

static void tear_down(void)
{
    digester_close(digester);
    arena_done(&arena);
}

TestSuite(key, .init = set_up, .fini = tear_down);

static size_t find_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct header *header = headers;
    size_t found = 0;
    for (; header->name; header++)
        if (slice_ieq(slice_str(header->name), name) && found++ == 0)
            *ret_value = header->value;
    return found;
}

static struct key_result make(const struct key_rule *rules, size_t count,
                              const struct request *request)
{
    struct key_input input = {
        .route = slice_str(request->route ? request->route : "r"),
        .query = request->query,
        .body = request->body,
        .headers = request->headers,
        .header = find_header,
    };
    return key_make(rules, count, &input, digester, &arena);
}

static struct key_rule named(enum key_kind kind, const char *name)
{
    return (struct key_rule){.kind = kind, .name = slice_str(name)};
}

/* A json or fields rule; the paths are separated by spaces. */
static struct key_rule pathed(enum key_kind kind, const char *texts)
{
    struct json_path *paths = arena_alloc(&arena, MAX_TEST_PATHS * sizeof *paths);
    size_t count = 0;
    while (*texts) {
        size_t len = strcspn(texts, " ");
        cr_assert_lt(count, MAX_TEST_PATHS);
        cr_assert(json_path_parse(slice_of(texts, len), &arena, &paths[count++]));
        texts += len + (texts[len] == ' ');
    }
    return (struct key_rule){.kind = kind, .paths = paths, .path_count = count};
}

static struct event_key expect_key(struct key_rule rule, const struct request *request)
{
    struct key_result result = make(&rule, 1, request);
    cr_assert(result.found, "%s: %s", key_kind_text(rule.kind), key_miss_text(result.miss));
    cr_assert_eq(result.miss, KEY_MISS_NONE);
    cr_assert_eq(result.rule, 0);
    return result.key;
}

static void expect_miss(struct key_rule rule, const struct request *request, enum key_miss miss)
{
    struct key_result result = make(&rule, 1, request);
    cr_assert_not(result.found);
    cr_assert_eq(result.value_count, 0);
    cr_assert_eq(result.miss, miss, "%s: %s, not %s", key_kind_text(rule.kind),
                 key_miss_text(result.miss), key_miss_text(miss));
}

static bool same(struct event_key a, struct event_key b)
{
    return memcmp(a.digest, b.digest, sizeof a.digest) == 0;
}

static struct request with_body(const char *body)
{
    return (struct request){.body = slice_str(body)};
}

static struct event_key body_key(struct key_rule rule, const char *body)
{
    struct request request = with_body(body);
    return expect_key(rule, &request);
}

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

/* None of these may share a key with another. */
Test(key, different_values_have_different_keys)
{
    static const char *const bodies[] = {
        "{\"id\":1}",
        "{\"id\":\"1\"}",
        "{\"id\":1.0}",
        "{\"id\":1e0}",
        "{\"id\":true}",
        "{\"id\":\"true\"}",
        "{\"id\":false}",
        "{\"id\":9007199254740992}",
        "{\"id\":9007199254740993}",
        "{\"id\":18446744073709551615}",
        "{\"id\":18446744073709551616}",
        "{\"id\":1234567890123456789012}",
        "{\"id\":\"x\"}",
        "{\"id\":\"x\\u0000\"}",
        "{\"id\":\"x\\u0000y\"}",
        "{\"id\":\"X\"}",
        "{\"id\":\"\\u00e9\"}",
        "{\"id\":\"e\\u0301\"}",
    };
    struct key_rule rule = pathed(KEY_JSON, "id");
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_not(same(body_key(rule, bodies[i]), body_key(rule, bodies[j])), "%s and %s",
                          bodies[i], bodies[j]);
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

static struct event_key fields_key(struct slice a, struct slice b)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"a\":\"%.*s\",\"b\":\"%.*s\"}", (int)a.len, a.data,
                       (int)b.len, b.data);
    struct request request = {.body = slice_of(body, (size_t)len)};
    return expect_key(pathed(KEY_FIELDS, "a b"), &request);
}

Test(key, every_cut_of_a_text_into_fields_differs)
{
    struct slice text = SLICE("abcabcsnsn1122");
    struct event_key keys[32];
    for (size_t cut = 0; cut <= text.len; cut++) {
        keys[cut] = fields_key(slice_of(text.data, cut), slice_skip(text, cut));
        for (size_t i = 0; i < cut; i++)
            cr_assert_not(same(keys[i], keys[cut]), "cuts %zu and %zu", i, cut);
    }
}

Test(key, fields_have_an_order_and_kinds)
{
    struct key_rule rule = pathed(KEY_FIELDS, "a b");
    struct event_key key = body_key(rule, "{\"a\":1,\"b\":2}");
    cr_assert(same(key, body_key(rule, "{ \"b\" : 2, \"x\":0, \"\\u0061\":1 }")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":2,\"b\":1}")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":\"1\",\"b\":2}")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":1,\"b\":\"2\"}")));
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

/* ---- what the digest binds ---- */

/* The same text by five rules, two routes and two names. */
Test(key, rules_routes_and_names_never_share_keys)
{
    struct request request = {
        .headers = {{"id", SLICE("5")}, {"no", SLICE("5")}},
        .query = SLICE("id=5&no=5"),
        .body = SLICE("{\"id\":\"5\",\"no\":\"5\"}"),
    };
    struct key_rule rules[] = {
        {.kind = KEY_PAYLOAD},       named(KEY_HEADER, "id"),    named(KEY_HEADER, "no"),
        named(KEY_QUERY, "id"),      named(KEY_QUERY, "no"),     pathed(KEY_JSON, "id"),
        pathed(KEY_JSON, "no"),      pathed(KEY_JSON, "id no"),  pathed(KEY_JSON, "no id"),
        pathed(KEY_FIELDS, "id"),    pathed(KEY_FIELDS, "no"),   pathed(KEY_FIELDS, "id no"),
        pathed(KEY_FIELDS, "id id"), pathed(KEY_JSON, "id a.b"), pathed(KEY_JSON, "id a\\.b"),
        pathed(KEY_JSON, "id a b"),
    };
    struct event_key keys[2 * COUNT_OF(rules)];
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        request.route = i < COUNT_OF(rules) ? "r" : "rr";
        keys[i] = expect_key(rules[i % COUNT_OF(rules)], &request);
        for (size_t j = 0; j < i; j++)
            cr_assert_not(same(keys[i], keys[j]), "rules %zu and %zu", i, j);
    }
}

/* A payload that looks like another rule's input to the digest. */
Test(key, a_route_name_does_not_run_into_a_value)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    struct request a = {.route = "a", .body = SLICE("bc")};
    struct request b = {.route = "ab", .body = SLICE("c")};
    cr_assert_not(same(expect_key(rule, &a), expect_key(rule, &b)));
}

/* Where a rule stands in the list doesn't matter. */
Test(key, a_rule_makes_the_same_key_anywhere_in_the_list)
{
    struct request request = {.headers = {{"id", SLICE("5")}}, .body = SLICE("{\"id\":\"6\"}")};
    struct key_rule rules[] = {named(KEY_QUERY, "none"), pathed(KEY_JSON, "none"),
                               pathed(KEY_JSON, "id"), named(KEY_HEADER, "id")};
    struct key_result last = make(rules, 3, &request);
    cr_assert(last.found);
    cr_assert_eq(last.rule, 2);
    cr_assert(same(last.key, expect_key(rules[2], &request)));
}

/* The layout as the header describes it, so that nobody changes it without meaning to: keys in
 * stores outlive a release. */
Test(key, the_layout_is_kept)
{
    struct request request = {.route = "pay", .body = SLICE("{\"id\":[\"x\",7]}")};
    struct key_result result;
    struct key_rule rule = pathed(KEY_FIELDS, "id.0 id.1");
    result = make(&rule, 1, &request);
    cr_assert(result.found);
    uint8_t digest[SHA256_BYTES];
    struct slice layout = SLICE("1"
                                "\0\0\0\0\0\0\0\003pay"
                                "f\002"
                                "\002\0\0\0\0\0\0\0\002id\0\0\0\0\0\0\0\0010"
                                "\002\0\0\0\0\0\0\0\002id\0\0\0\0\0\0\0\0011"
                                "s\0\0\0\0\0\0\0\001x"
                                "n\0\0\0\0\0\0\0\0017");
    cr_assert_eq(digest_sha256(digester, layout, digest), STATUS_OK);
    cr_assert_arr_eq(result.key.digest, digest, EVENT_KEY_BYTES);
    struct key_rule header = named(KEY_HEADER, "X-Id");
    request.headers[0] = (struct header){"x-id", SLICE("v")};
    result = make(&header, 1, &request);
    layout = SLICE("1\0\0\0\0\0\0\0\003payh\0\0\0\0\0\0\0\004X-Id\0\0\0\0\0\0\0\001v");
    cr_assert_eq(digest_sha256(digester, layout, digest), STATUS_OK);
    cr_assert_arr_eq(result.key.digest, digest, EVENT_KEY_BYTES);
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
    struct key_input input = {.route = SLICE("r"), .body = request.body};
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
