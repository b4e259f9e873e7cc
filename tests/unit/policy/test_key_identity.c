/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/key: which requests share a key and which never do, and the digest's layout.
 */
#include "key_request.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(key_identity, .init = set_up, .fini = tear_down);

/* None of these may share a key with another. */
Test(key_identity, different_values_have_different_keys)
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

static struct event_key fields_key(struct slice a, struct slice b)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"a\":\"%.*s\",\"b\":\"%.*s\"}", (int)a.len, a.data,
                       (int)b.len, b.data);
    struct request request = {.body = slice_of(body, (size_t)len)};
    return expect_key(pathed(KEY_FIELDS, "a b"), &request);
}

Test(key_identity, every_cut_of_a_text_into_fields_differs)
{
    struct slice text = SLICE("abcabcsnsn1122");
    struct event_key keys[32];
    for (size_t cut = 0; cut <= text.len; cut++) {
        keys[cut] = fields_key(slice_of(text.data, cut), slice_skip(text, cut));
        for (size_t i = 0; i < cut; i++)
            cr_assert_not(same(keys[i], keys[cut]), "cuts %zu and %zu", i, cut);
    }
}

Test(key_identity, fields_have_an_order_and_kinds)
{
    struct key_rule rule = pathed(KEY_FIELDS, "a b");
    struct event_key key = body_key(rule, "{\"a\":1,\"b\":2}");
    cr_assert(same(key, body_key(rule, "{ \"b\" : 2, \"x\":0, \"\\u0061\":1 }")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":2,\"b\":1}")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":\"1\",\"b\":2}")));
    cr_assert_not(same(key, body_key(rule, "{\"a\":1,\"b\":\"2\"}")));
}

/* ---- what the digest binds ---- */

/* The same text by five rules, two routes and two names. */
Test(key_identity, rules_routes_and_names_never_share_keys)
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
Test(key_identity, a_route_name_does_not_run_into_a_value)
{
    struct key_rule rule = {.kind = KEY_PAYLOAD};
    struct request a = {.route = "a", .body = SLICE("bc")};
    struct request b = {.route = "ab", .body = SLICE("c")};
    cr_assert_not(same(expect_key(rule, &a), expect_key(rule, &b)));
}

/* Where a rule stands in the list doesn't matter. */
Test(key_identity, a_rule_makes_the_same_key_anywhere_in_the_list)
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
Test(key_identity, the_layout_is_kept)
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

/* A canonical payload without paths has none to point at: UBSan looked at that once. */
Test(key_identity, the_layout_of_a_canonical_payload_is_kept)
{
    struct request request = {.route = "pay", .body = SLICE("{ \"a\" : 1 }")};
    struct key_rule rule = {.kind = KEY_PAYLOAD, .canonical = true};
    char text[64] = "1\0\0\0\0\0\0\0\003payc\0\0\0\0\0\0\0\0\0\040";
    size_t len = 1 + 8 + 3 + 1 + 2 + 8;
    uint8_t digest[SHA256_BYTES];
    cr_assert_eq(digest_sha256(digester, SLICE("{\"a\":1}"), (uint8_t *)text + len), STATUS_OK);
    cr_assert_eq(digest_sha256(digester, slice_of(text, len + SHA256_BYTES), digest), STATUS_OK);
    struct event_key key = expect_key(rule, &request);
    cr_assert_arr_eq(key.digest, digest, EVENT_KEY_BYTES);
}

/* ---- one header under several names ---- */

static struct event_key header_key(struct key_rule rule, const char *name, const char *value)
{
    struct request request = {.headers = {{name, slice_str(value)}}};
    return expect_key(rule, &request);
}

Test(key_identity, one_header_under_any_of_its_names_is_one_key)
{
    static const struct slice others[] = {TEXT("webhook-id"), TEXT("x-id")};
    struct key_rule rule = named(KEY_HEADER, "svix-id");
    rule.others = others;
    rule.other_count = COUNT_OF(others);
    struct event_key key = header_key(rule, "svix-id", "a");
    cr_assert(same(key, header_key(rule, "Webhook-Id", "a")));
    cr_assert(same(key, header_key(rule, "x-id", "a")));
    cr_assert_not(same(key, header_key(rule, "x-id", "b")));
    cr_assert_not(same(key, header_key(named(KEY_HEADER, "svix-id"), "svix-id", "a")));
    struct key_rule fewer = rule;
    fewer.other_count = 1;
    cr_assert_not(same(key, header_key(fewer, "svix-id", "a")));
    fewer.structured = true;
    cr_assert_not(same(header_key(rule, "svix-id", "a"), header_key(fewer, "svix-id", "a")));
}

Test(key_identity, of_several_names_the_first_that_is_there)
{
    static const struct slice others[] = {TEXT("webhook-id")};
    struct key_rule rule = named(KEY_HEADER, "svix-id");
    rule.others = others;
    rule.other_count = 1;
    struct event_key key = header_key(rule, "svix-id", "a");
    struct request both = {.headers = {{"webhook-id", TEXT("b")}, {"svix-id", TEXT("a")}}};
    cr_assert(same(key, expect_key(rule, &both)));
    struct request empty = {.headers = {{"svix-id", TEXT("")}, {"webhook-id", TEXT("a")}}};
    cr_assert(same(key, expect_key(rule, &empty)));
    struct request twice = {
        .headers = {{"svix-id", TEXT("a")}, {"svix-id", TEXT("a")}, {"webhook-id", TEXT("a")}}};
    expect_miss(rule, &twice, KEY_MISS_REPEATED);
    struct request none = {.headers = {{"id", TEXT("a")}}};
    expect_miss(rule, &none, KEY_MISS_ABSENT);
    struct request nothing = {.headers = {{"webhook-id", TEXT("")}}};
    expect_miss(rule, &nothing, KEY_MISS_EMPTY);
    struct request first_empty = {.headers = {{"svix-id", TEXT("")}}};
    expect_miss(rule, &first_empty, KEY_MISS_EMPTY);
}
