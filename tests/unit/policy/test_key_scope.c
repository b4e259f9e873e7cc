/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key: scopes, canonical payloads as keys, and that both leave other keys as
 * they were. */
#include "key_request.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(key_scope, .init = set_up, .fini = tear_down);

static const struct key_scope METHOD = {.kind = KEY_SCOPE_METHOD};
static const struct key_scope PATH = {.kind = KEY_SCOPE_PATH};

static struct key_scope header_scope(const char *name)
{
    return (struct key_scope){.kind = KEY_SCOPE_HEADER, .name = slice_str(name)};
}

static struct event_key scoped(const struct key_scope *scope, size_t count, struct request request)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    request.body = SLICE("x");
    request.scope = scope;
    request.scope_count = count;
    return expect_key(rule, &request);
}

/* ---- keys of before ---- */

static void expect_digest(struct event_key key, const char *hex)
{
    char text[EVENT_KEY_HEX + 1];
    for (size_t i = 0; i < EVENT_KEY_BYTES; i++)
        sprintf(text + 2 * i, "%02x", key.digest[i]);
    cr_assert_str_eq(text, hex);
}

/* Computed by hand from the layout in key.h: printf … | sha256sum. */
Test(key_scope, keys_without_a_scope_are_as_they_were)
{
    struct request request = with_body("x");
    expect_digest(expect_key((struct key_rule){.kind = KEY_PAYLOAD}, &request),
                  "122d0a422cc4184736d633efe6f8a3e2");
}

Test(key_scope, the_layout_is_kept)
{
    const struct key_scope scope[] = {METHOD, header_scope("T")};
    struct request request = {.method = SLICE("POST"), .headers = {{"T", SLICE("a")}}};
    expect_digest(scoped(scope, 2, request), "7e0b37addd4957c89521c19e8d12ebef");
    struct key_rule rule = pathed(KEY_PAYLOAD, "a b.*");
    rule.canonical = true;
    rule.include_count = 1;
    expect_digest(body_key(rule, "{\"b\": {\"c\":2}, \"a\": 1.0}"),
                  "490e04391e44e117bda8684dce3a9f50");
}

/* ---- scopes ---- */

Test(key_scope, tells_methods_and_paths_apart)
{
    struct request post = {.method = SLICE("POST"), .path = SLICE("/a")};
    struct request put = {.method = SLICE("PUT"), .path = SLICE("/a")};
    struct request elsewhere = {.method = SLICE("POST"), .path = SLICE("/b")};
    cr_assert_not(same(scoped(&METHOD, 1, post), scoped(&METHOD, 1, put)));
    cr_assert(same(scoped(&METHOD, 1, post), scoped(&METHOD, 1, elsewhere)));
    cr_assert_not(same(scoped(&PATH, 1, post), scoped(&PATH, 1, elsewhere)));
    cr_assert(same(scoped(&PATH, 1, post), scoped(&PATH, 1, put)));
    cr_assert_not(same(scoped(&PATH, 1, post), scoped(NULL, 0, post)));
}

Test(key_scope, a_missing_header_is_not_an_empty_one)
{
    struct key_scope scope = header_scope("X-Tenant");
    struct request none = {0};
    struct request empty = {.headers = {{"x-tenant", SLICE("")}}};
    struct request tenant = {.headers = {{"X-TENANT", SLICE("a")}}};
    cr_assert_not(same(scoped(&scope, 1, none), scoped(&scope, 1, empty)));
    cr_assert_not(same(scoped(&scope, 1, none), scoped(&scope, 1, tenant)));
    cr_assert_not(same(scoped(&scope, 1, empty), scoped(&scope, 1, tenant)));
    cr_assert(same(scoped(&scope, 1, none), scoped(&scope, 1, none)));
}

Test(key_scope, parts_do_not_run_into_each_other)
{
    const struct key_scope scope[] = {header_scope("A"), header_scope("B")};
    struct request one = {.headers = {{"A", SLICE("ab")}, {"B", SLICE("c")}}};
    struct request two = {.headers = {{"A", SLICE("a")}, {"B", SLICE("bc")}}};
    struct request first = {.headers = {{"A", SLICE("x")}}};
    struct request second = {.headers = {{"B", SLICE("x")}}};
    cr_assert_not(same(scoped(scope, 2, one), scoped(scope, 2, two)));
    cr_assert_not(same(scoped(scope, 2, first), scoped(scope, 2, second)));
}

Test(key_scope, a_header_given_twice_leaves_no_key)
{
    static char long_value[KEY_MAX_VALUE_BYTES + 1];
    struct key_scope scope = header_scope("T");
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    struct request request = {.headers = {{"T", SLICE("a")}, {"t", SLICE("a")}},
                              .body = SLICE("x"),
                              .scope = &scope,
                              .scope_count = 1};
    expect_miss(rule, &request, KEY_MISS_REPEATED);
    memset(long_value, 'x', sizeof long_value);
    request.headers[1] = (struct header){0};
    request.headers[0].value = slice_of(long_value, KEY_MAX_VALUE_BYTES);
    (void)expect_key(rule, &request);
    request.headers[0].value.len++;
    expect_miss(rule, &request, KEY_MISS_TOO_LONG);
}

/* ---- canonical payloads ---- */

static struct key_rule canonical(const char *include, const char *exclude)
{
    struct json_path *paths = arena_alloc(&arena, 2 * sizeof *paths);
    struct key_rule rule = {.kind = KEY_PAYLOAD, .canonical = true, .paths = paths};
    if (include && json_path_parse(slice_str(include), &arena, &paths[rule.path_count]))
        rule.include_count = ++rule.path_count;
    if (exclude && json_path_parse(slice_str(exclude), &arena, &paths[rule.path_count]))
        rule.path_count++;
    return rule;
}

Test(key_scope, spelling_does_not_matter_to_a_canonical_key)
{
    struct key_rule rule = canonical(NULL, NULL);
    struct event_key key = body_key(rule, "{\"a\":1,\"b\":\"x\"}");
    cr_assert(same(key, body_key(rule, " { \"b\" : \"\\u0078\", \"a\": 1.0 } ")));
    cr_assert(same(key, body_key(rule, "{\"b\":\"x\",\"a\":10e-1}")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":\"1\",\"b\":\"x\"}")));
    cr_assert_not(
        same(key, body_key((struct key_rule){.kind = KEY_PAYLOAD}, "{\"a\":1,\"b\":\"x\"}")));
}

Test(key_scope, big_numbers_stay_apart)
{
    struct key_rule rule = canonical(NULL, NULL);
    cr_assert_not(same(body_key(rule, "[9007199254740993]"), body_key(rule, "[9007199254740992]")));
    cr_assert_not(
        same(body_key(rule, "[12345678901234567890]"), body_key(rule, "[12345678901234567891]")));
    cr_assert_not(same(body_key(rule, "[1e400]"), body_key(rule, "[1e401]")));
}

Test(key_scope, selections_are_part_of_the_rule)
{
    const char *body = "{\"a\":1}";
    struct event_key whole = body_key(canonical(NULL, NULL), body);
    struct event_key included = body_key(canonical("a", NULL), body);
    struct event_key excluded = body_key(canonical(NULL, "b"), body);
    cr_assert_not(same(whole, included));
    cr_assert_not(same(whole, excluded));
    cr_assert_not(same(included, excluded));
    cr_assert(same(included, body_key(canonical("a", NULL), "{\"b\":2,\"a\":1}")));
    cr_assert(same(excluded, body_key(canonical(NULL, "b"), "{\"b\":2,\"a\":1}")));
}

Test(key_scope, a_selection_that_finds_nothing_is_no_key)
{
    const char *const bodies[] = {"{}",           "{\"b\":1}",    "{\"a\":null}",
                                  "{\"a\":\"\"}", "{\"a\":[{}]}", "5"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct request request = with_body(bodies[i]);
        expect_miss(canonical("a", NULL), &request, KEY_MISS_ABSENT);
    }
    struct request all = with_body("{\"a\":1}");
    expect_miss(canonical(NULL, "*"), &all, KEY_MISS_ABSENT);
    (void)body_key(canonical(NULL, NULL), "{}");
}

Test(key_scope, canonical_misses_have_reasons)
{
    struct key_rule rule = canonical(NULL, NULL);
    struct request request = with_body("");
    expect_miss(rule, &request, KEY_MISS_EMPTY);
    request = with_body("{\"a\":1,\"a\":1}");
    struct key_result result = make(&rule, 1, &request);
    cr_assert(!result.found && result.miss == KEY_MISS_NOT_JSON);
    cr_assert_eq(result.json, JSON_DUPLICATE_KEY);
    request = with_body("[1e1000000000]");
    expect_miss(rule, &request, KEY_MISS_TOO_LONG);
    request = with_body("id=1");
    expect_miss(rule, &request, KEY_MISS_NOT_JSON);
}

Test(key_scope, what_is_not_json_falls_back)
{
    const struct key_rule rules[] = {canonical(NULL, NULL), {.kind = KEY_PAYLOAD}};
    struct request text = with_body("text");
    struct key_result result = make(rules, 2, &text);
    cr_assert(result.found && result.rule == 1);
    cr_assert(same(result.key, body_key(rules[1], "text")));
}
