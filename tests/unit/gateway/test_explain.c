/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/explain: routes, signatures, handshakes, keys of every kind, and how a
 * request ends that needs no store. Verdicts are test_explain_verdict.c's.
 */
#include "explaining.h"

#define ROUTES                                                                                     \
    "- {name: pay, upstream: a, match: {path: /pay}, key: [{header: X-Id}, {query: id}, "          \
    "{json: [id, data.id]}]}\n"                                                                    \
    "- {name: fields, upstream: a, match: {path: /fields}, key: {fields: [a, b]}, missing: "       \
    "reject}\n"                                                                                    \
    "- {name: form, upstream: a, match: {path: /form}, key: {payload: {exclude: [t]}}}\n"          \
    "- {name: body, upstream: a, match: {path: /body}, key: {header: X-Id}, missing: payload}\n"   \
    "- {name: print, upstream: a, match: {path: /print}, key: {header: X-Id}, fingerprint: "       \
    "payload, on_mismatch: new}\n"                                                                 \
    "- {name: watch, upstream: a, match: {path: /watch}, mode: observe, missing: reject, key: "    \
    "{header: X-Id}}\n"                                                                            \
    "- {name: line, upstream: a, match: {path: /line}, mode: queue, key: {header: X-Id}}\n"        \
    "- {name: small, upstream: a, match: {path: /small}, limits: {body: 4B}}\n"                    \
    "- {name: stripe, upstream: a, match: {path: /stripe}, key: {json: id}, signature: {scheme: "  \
    "stripe, secrets: [whsec_old, whsec_new], status: 403}}\n"                                     \
    "- {name: slack, upstream: a, match: {path: /slack}, key: {json: event_id}, handshake: "       \
    "slack, signature: {scheme: slack, secret: slacksecret}}\n"                                    \
    "- {name: dropbox, upstream: a, match: {path: /dropbox}, handshake: dropbox, signature: "      \
    "{scheme: dropbox, secret: s}}\n"

/* t=1763700000, by whsec_new, with Python's hmac. */
#define STRIPE                                                                                     \
    "POST /stripe HTTP/1.1\r\nHost: a\r\nStripe-Signature: t=1763700000,"                          \
    "v1=a8ae93261c18de8ec2cc4838cade3e7cea3eee8d82d933e5e0698ee633e4fb4a\r\n"                      \
    "Content-Length: 14\r\n\r\n{\"id\":\"evt_1\"}"
#define SLACK                                                                                      \
    "POST /slack HTTP/1.1\r\nHost: a\r\nX-Slack-Request-Timestamp: 1763700000\r\n"                 \
    "X-Slack-Signature: v0="                                                                       \
    "531288b5f4d21327b0537d58cf73a4fd0e1edad98328b154c25ce54da7a1abbb\r\n"                         \
    "Content-Length: 45\r\n\r\n{\"type\":\"url_verification\",\"challenge\":\"abc\"}"

static void set_up(void)
{
    open_config(ROUTES);
}

TestSuite(explain, .init = set_up, .fini = close_config);

/* ---- routes ---- */

Test(explain, no_route)
{
    explain("POST /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_REJECTED_NO_ROUTE, 404);
    assert_tells("{\"route\":null,\"matched\":null,\"handshake\":null,\"signature\":null,"
                 "\"rules\":[],\"rule\":null,\"missing\":null,\"values\":[],\"canonical\":null,"
                 "\"fingerprint\":null,\"key\":null,\"store\":null,\"would\":\"answer\","
                 "\"outcome\":\"rejected_no_route\",\"status\":404}");
}

Test(explain, a_named_route_is_tried_whatever_matches)
{
    explain_at("pay", "POST /body HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\n", NOW_MS);
    assert_tells("{\"route\":\"pay\",\"matched\":\"body\",");
    cr_assert(told.rule);
}

Test(explain, what_is_assembled_matches_nobody)
{
    uint16_t status;
    cr_assert_null(explain_read(&request, SLICE("POST / HTTP/1.1\nHost: a\n\n"), &config->http, 64,
                                &arena, &status));
    request.is_assembled = true;
    cr_assert_eq(explain_make(config,
                              route_named(config->routes, config->route_count, SLICE("pay")),
                              &request, NOW_MS, &arena, &told),
                 STATUS_OK);
    assert_tells("{\"route\":\"pay\",\"handshake\"");
}

Test(explain, a_body_at_and_above_its_route_s_limit)
{
    explain("POST /small HTTP/1.1\r\nHost: a\r\n\r\n1234");
    assert_ends(EXPLAIN_STORE, OUTCOME_NONE, 0);
    explain("POST /small HTTP/1.1\r\nHost: a\r\n\r\n12345");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_REJECTED_BODY_TOO_LARGE, 413);
    cr_assert_null(told.rule);
}

/* ---- signatures ---- */

Test(explain, a_signature_that_fits)
{
    explain(STRIPE);
    assert_ends(EXPLAIN_STORE, OUTCOME_NONE, 0);
    assert_tells("\"signature\":{\"scheme\":\"stripe\",\"result\":\"ok\",\"secret\":1,"
                 "\"secrets\":2}");
    cr_assert_null(strstr(as_json(), "whsec"));
}

Test(explain, a_signature_at_and_beyond_its_tolerance)
{
    explain_at("", STRIPE, NOW_MS + 300000);
    cr_assert_eq(told.verified, VERIFY_OK);
    explain_at("", STRIPE, NOW_MS + 301000);
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, 403);
    assert_tells("\"result\":\"too_old\",\"secret\":null");
    explain_at("", STRIPE, NOW_MS - 301000);
    assert_tells("\"result\":\"too_new\"");
}

/* The key is told all the same: that is what people ask for. */
Test(explain, an_unsigned_request_would_be_refused_and_has_a_key)
{
    explain("POST /stripe HTTP/1.1\r\nHost: a\r\n\r\n{\"id\":\"evt_1\"}");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, 403);
    assert_tells("\"result\":\"missing\"");
    cr_assert(told.rule);
    hear(VERDICT_FIRST, (struct dedup_first){.status = 0}, "");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, 403);
    assert_tells("\"verdict\":\"first\"");
}

/* ---- handshakes ---- */

Test(explain, a_signed_handshake)
{
    explain(SLACK);
    assert_ends(EXPLAIN_ANSWER, OUTCOME_BYPASSED_HANDSHAKE, 200);
    assert_tells("\"handshake\":{\"kind\":\"slack\",\"status\":200}");
    explain_at("", SLACK, NOW_MS + 301000);
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, 401);
    assert_tells("\"handshake\":null");
}

Test(explain, an_unsigned_handshake_comes_before_the_signature)
{
    explain("GET /dropbox?challenge=abc HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_BYPASSED_HANDSHAKE, 200);
    explain("GET /dropbox HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_UNVERIFIED, 401);
}

/* ---- keys ---- */

Test(explain, each_rule_and_why_those_before_it_gave_none)
{
    explain("POST /pay?id=7 HTTP/1.1\r\nHost: a\r\nX-Id: one\r\n\r\n");
    assert_tells("\"rules\":[{\"kind\":\"header\",\"name\":\"X-Id\",\"miss\":null}],\"rule\":1,"
                 "\"missing\":null,\"values\":[{\"text\":\"one\",\"bytes\":3}]");
    explain("POST /pay?id=7 HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\nX-Id: 2\r\n\r\n");
    assert_tells("\"miss\":\"repeated\"},{\"kind\":\"query\",\"name\":\"id\",\"miss\":null}],"
                 "\"rule\":2");
    explain("POST /pay HTTP/1.1\r\nHost: a\r\n\r\n{\"data\":{\"id\":17}}");
    assert_tells("\"miss\":\"absent\"},{\"kind\":\"query\",\"name\":\"id\",\"miss\":\"absent\"},"
                 "{\"kind\":\"json\",\"name\":null,\"miss\":null}],\"rule\":3");
    assert_tells("\"text\":\"17\"");
}

Test(explain, a_tuple_shows_each_part)
{
    explain("POST /fields HTTP/1.1\r\nHost: a\r\n\r\n{\"a\":\"x\",\"b\":true}");
    assert_tells("\"values\":[{\"text\":\"x\",\"bytes\":1},{\"text\":\"true\",\"bytes\":4}]");
}

static size_t no_header(const void *headers, struct slice name, struct slice *ret_value)
{
    (void)headers;
    (void)name;
    *ret_value = SLICE("");
    return 0;
}

Test(explain, a_rule_alone_makes_the_key_that_the_list_makes)
{
    struct digester *digester;
    cr_assert_eq(digester_open(&digester), STATUS_OK);
    explain("POST /pay HTTP/1.1\r\nHost: a\r\n\r\n{\"id\":\"one\"}");
    struct key_input input = {
        .route = SLICE("pay"), .body = buf_slice(&request.body), .header = no_header};
    struct key_result all =
        key_make(told.route->keys, told.route->key_count, &input, digester, &arena);
    cr_assert(all.found);
    cr_assert_arr_eq(told.key.key.digest, all.key.digest, EVENT_KEY_BYTES);
    digester_close(digester);
}

Test(explain, a_canonical_form)
{
    explain("POST /form HTTP/1.1\r\nHost: a\r\n\r\n{\"t\":1,\"b\":1.0,\"a\":\"\\u0041\"}");
    assert_tells("\"canonical\":\"{\\\"a\\\":\\\"A\\\",\\\"b\\\":1}\"");
    explain("POST /form HTTP/1.1\r\nHost: a\r\n\r\n{\"a\":1,\"a\":2}");
    assert_tells("\"miss\":\"not_json\",\"json\":\"duplicate_key\"");
    assert_tells("\"canonical\":null");
}

Test(explain, a_payload_is_shown_in_part)
{
    explain("POST /body HTTP/1.1\r\nHost: a\r\n\r\n\xff\x01");
    assert_tells("\"rule\":null,\"missing\":\"payload\",\"values\":[{\"text\":\"\xef\xbf\xbd"
                 "\\u0001\",\"bytes\":2}]");
    assert_ends(EXPLAIN_STORE, OUTCOME_NONE, 0);
}

Test(explain, a_missing_key_ends_by_the_route_s_rule)
{
    explain("POST /pay HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_BYPASSED_NO_KEY, 0);
    assert_tells("\"missing\":\"pass\"");
    explain("POST /fields HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_ANSWER, OUTCOME_REJECTED_NO_KEY, 400);
    explain("POST /body HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_BYPASSED_NO_KEY, 0);
    explain("POST /watch HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_FORWARD, OUTCOME_BYPASSED_NO_KEY, 0);
    explain("POST /line HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_ends(EXPLAIN_ENQUEUE, OUTCOME_BYPASSED_NO_KEY, 202);
}

Test(explain, a_body_that_counts_makes_another_key)
{
    explain("POST /print HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\na");
    struct event_key key = told.key.key;
    cr_assert(told.fingerprint.there);
    assert_tells("\"fingerprint\":\"ca978112ca1bbdcafac231b39a23dc4d\"");
    explain("POST /print HTTP/1.1\r\nHost: a\r\nX-Id: 1\r\n\r\nb");
    cr_assert_arr_neq(told.key.key.digest, key.digest, EVENT_KEY_BYTES);
}

Test(explain, too_little_memory)
{
    uint16_t status;
    struct arena small;
    explain_done(&told);
    arena_init(&small, 256, 1024);
    cr_assert_null(explain_read(&request,
                                SLICE("POST /pay HTTP/1.1\nHost: a\n\n"
                                      "{\"id\":\"\\u0041aaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
                                &config->http, 64, &arena, &status));
    while (arena_alloc(&small, 1))
        continue;
    cr_assert_eq(explain_make(config, NULL, &request, NOW_MS, &small, &told), STATUS_NO_MEMORY);
    arena_done(&small);
}

Test(explain, a_header_by_its_other_name)
{
    close_config();
    open_config(
        "  - {name: r, match: {path: /x}, upstream: a, key: {header: [svix-id, webhook-id]}}\n");
    explain("POST /x HTTP/1.1\r\nHost: h\r\nwebhook-id: 7\r\n\r\n");
    assert_tells("\"rules\":[{\"kind\":\"header\",\"name\":\"svix-id\","
                 "\"other_names\":[\"webhook-id\"],\"miss\":null}],");
}
