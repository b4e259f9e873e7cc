/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_routes: match, upstream, statuses; what is refused where. */
#include "parsing.h"
#include "readers.h"

#include <stdlib.h>

static struct parsed parse_match(const char *match)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "listen: [{address: 127.0.0.1:1}]\n"
                       "upstreams: {app: {endpoints: http://h}}\n"
                       "routes: [{name: r, upstream: app, match: %s}]\n",
                       match);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

static void expect_match_error(const char *match, const char *words)
{
    struct parsed parsed = parse_match(match);
    assert_one_error(parsed, words);
    parsed_done(&parsed);
}

Test(read_routes, the_defaults)
{
    struct parsed parsed = parse_with("", "", "");
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert(slice_eq(r->name, SLICE("r")) && slice_eq(r->match.path, SLICE("/r")));
    cr_assert(r->match.host.len == 0 && r->match.method_count == 0 && r->upstream == 0);
    cr_assert(r->mode == ROUTE_PROXY && r->key_count == 1 && r->keys[0].kind == KEY_PAYLOAD);
    cr_assert(r->missing == MISSING_PASS && r->window_ms == 86400000 && r->lease_ms == 30000);
    cr_assert(r->in_flight == IN_FLIGHT_WAIT && r->in_flight_wait_ms == 5000);
    cr_assert(r->duplicate_status == 200 && r->ack == ACK_ASYNC);
    cr_assert(r->on_store_error == STORE_ERROR_PASS && r->on_timeout == TIMEOUT_RELEASE);
    cr_assert(r->success_count == 2 && r->success[0].from == 200 && r->success[0].to == 299);
    cr_assert(r->success[1].from == 300 && r->success[1].to == 399);
    cr_assert_eq(r->body_bytes, 1u << 20);
    cr_assert(r->retry.max_attempts == 12 && r->retry.max_age_ms == 259200000);
    cr_assert(r->retry.base_ms == 5000 && r->retry.cap_ms == 3600000 && r->sign_key.len == 0);
    parsed_done(&parsed);
}

Test(read_routes, a_queue_route)
{
    struct parsed parsed = parse_with("", "", "    mode: queue\n");
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert(r->mode == ROUTE_QUEUE && r->ack == ACK_DURABLE);
    cr_assert(r->success_count == 1 && r->success[0].from == 200 && r->success[0].to == 299);
    parsed_done(&parsed);
    parsed = parse_with("", "",
                        "    mode: queue\n    success: [204, 3xx]\n    retry: {max_attempts: 3, "
                        "max_age: 1h, base: 1ms, cap: 10s}\n");
    assert_clean(parsed);
    r = &parsed.config->routes[0];
    cr_assert(r->success_count == 2 && r->success[0].to == 204 && r->success[1].to == 399);
    cr_assert(r->retry.max_attempts == 3 && r->retry.max_age_ms == 3600000);
    cr_assert(r->retry.base_ms == 1 && r->retry.cap_ms == 10000);
    parsed_done(&parsed);
}

Test(read_routes, an_observed_route_takes_redirects_for_success)
{
    struct parsed parsed = parse_with("", "", "    mode: observe\n    retry: {max_attempts: 1}\n");
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert(r->mode == ROUTE_OBSERVE && r->success_count == 2 && r->ack == ACK_ASYNC);
    cr_assert(r->success[1].to == 399 && r->retry.max_attempts == 1);
    parsed_done(&parsed);
}

Test(read_routes, the_body_limit_is_the_files_unless_given)
{
    struct parsed parsed = parse_with("limits: {body: 2MiB}\n", "", "");
    cr_assert_eq(parsed.config->routes[0].body_bytes, 2u << 20);
    parsed_done(&parsed);
    parsed = parse_with("limits: {body: 2MiB}\n", "", "    limits: {body: 10MiB}\n");
    cr_assert_eq(parsed.config->routes[0].body_bytes, 10u << 20);
    parsed_done(&parsed);
}

Test(read_routes, a_match)
{
    struct parsed parsed =
        parse_match("{host: Hooks.Example.COM, path: \"/github/*\", methods: [POST, PUT]}");
    assert_clean(parsed);
    const struct route_match *match = &parsed.config->routes[0].match;
    cr_assert(slice_eq(match->host, SLICE("hooks.example.com")));
    cr_assert(slice_eq(match->path, SLICE("/github/*")));
    cr_assert(match->method_count == 2 && slice_eq(match->methods[1], SLICE("PUT")));
    parsed_done(&parsed);
}

Test(read_routes, one_method_needs_no_brackets)
{
    struct parsed parsed = parse_match("{path: /, methods: POST}");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].match.method_count, 1);
    parsed_done(&parsed);
}

Test(read_routes, paths)
{
    const char *const right[] = {"/", "/*", "/a", "/a/", "/a/b/*", "/%41", "/a.b~c;d,e:f@g(h)!"};
    const char *const wrong[] = {"",     "a",    "*",         "/a*",  "/*/a",  "/a/**", "/a?b",
                                 "/a#b", "/a b", "/\xc3\xa4", "//*x", "/a\"b", "/a\\b", "a/*"};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        cr_assert_null(check_route_path(slice_str(right[i])), "%s", right[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_not_null(check_route_path(slice_str(wrong[i])), "%s", wrong[i]);
    char longest[4097];
    memset(longest, '/', sizeof(longest));
    cr_assert_null(check_route_path(slice_of(longest, 4096)));
    cr_assert_not_null(check_route_path(slice_of(longest, 4097)));
}

Test(read_routes, hosts)
{
    const char *const right[] = {"a", "\"*.a.b\"", "a_b-c.d", "10.0.0.1", "\"[::1]\""};
    const char *const wrong[] = {"\"a:80\"",  "\"*\"", "\"*.\"", "\"a.*\"", "a b",
                                 "\"[::x]\"", "\"[\"", "\"\"",   "\".a\"",  "\"a/b\""};
    char match[128];
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        snprintf(match, sizeof(match), "{path: /, host: %s}", right[i]);
        struct parsed parsed = parse_match(match);
        assert_clean(parsed);
        parsed_done(&parsed);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(match, sizeof(match), "{path: /, host: %s}", wrong[i]);
        expect_match_error(match, "is not a host name");
    }
}

Test(read_routes, matches_that_are_refused)
{
    expect_match_error("{methods: [POST]}", "match.path is missing");
    expect_match_error("{path: pay}", "match.path must be a path that begins with \"/\"");
    expect_match_error("{path: /, methods: [post]}", "did you mean \"POST\"?");
    expect_match_error("{path: /, methods: [CONNECT]}", "is not a method that is served");
    expect_match_error("{path: /, methods: []}", "match.methods must have 1 to 7 items, not 0");
    expect_match_error("{path: /, methods: [GET, GET, GET, GET, GET, GET, GET, GET]}",
                       "match.methods must have 1 to 7 items, not 8");
}

Test(read_routes, the_upstream)
{
    struct parsed parsed = parse(SLICE("listen: [{address: 127.0.0.1:1}]\n"
                                       "routes: [{name: r, upstream: two, match: {path: /}},\n"
                                       "         {name: s, upstream: one, match: {path: /s}},\n"
                                       "         {name: t, upstream: tow, match: {path: /t}}]\n"
                                       "upstreams: {one: {endpoints: http://h},\n"
                                       "            two: {endpoints: http://h}}\n"));
    cr_assert_eq(times(&parsed, "there is no upstream \"tow\""), 1, "%s", parsed.report);
    cr_assert_eq(times(&parsed, "f.yaml:4:30: error:"), 1, "%s", parsed.report);
    cr_assert_eq(times(&parsed, "did you mean \"two\"?"), 1);
    parsed_done(&parsed);
}

Test(read_routes, answers_to_a_duplicate)
{
    const char *const right[] = {"ack", "200", "599", "409"};
    const uint16_t statuses[] = {200, 200, 599, 409};
    char route[64];
    for (size_t i = 0; i < 4; i++) {
        snprintf(route, sizeof(route), "    duplicate: %s\n", right[i]);
        struct parsed parsed = parse_with("", "", route);
        assert_clean(parsed);
        cr_assert_eq(parsed.config->routes[0].duplicate_status, statuses[i]);
        parsed_done(&parsed);
    }
    const char *const wrong[] = {"199", "600", "ok", "REPLAY"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(route, sizeof(route), "    duplicate: %s\n", wrong[i]);
        expect_error("", "", route, "duplicate must be ack, replay or a status from 200 to 599");
    }
}

/* The status of a queue route's answers: to an event, and to a duplicate. */
static void expect_answers(const char *route, unsigned accepted, unsigned duplicate)
{
    struct parsed parsed = parse_with("", "", route);
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert_eq(r->accept_status, accepted, "%s: %u", route, r->accept_status);
    cr_assert_eq(r->duplicate_status, duplicate, "%s: %u", route, r->duplicate_status);
    parsed_done(&parsed);
}

#define QUEUE "    mode: queue\n"

Test(read_routes, answers_of_a_queue)
{
    expect_answers(QUEUE, 202, 200);
    expect_answers(QUEUE "    accept: 200\n", 200, 200);
    expect_answers(QUEUE "    accept: 202\n", 202, 202);
    expect_answers(QUEUE "    accept: 299\n", 299, 299);
    expect_answers(QUEUE "    duplicate: 208\n    accept: 204\n", 204, 208);
    expect_answers(QUEUE "    duplicate: ack\n    accept: 204\n", 204, 204);
    expect_answers(QUEUE "    duplicate: 200\n    accept: 204\n", 204, 200);
    const char *const wrong[] = {"199", "300", "ok"};
    for (size_t i = 0; i < 3; i++) {
        char route[64];
        snprintf(route, sizeof(route), QUEUE "    accept: %s\n", wrong[i]);
        expect_error("", "", route, "accept must be ");
    }
}

Test(read_routes, what_is_no_queue_s_acknowledges_as_ever)
{
    expect_answers("", 202, 200);
    struct parsed parsed = parse_with("", "", "    accept: 204\n");
    cr_assert_not_null(parsed.config);
    cr_assert_eq(parsed.config->routes[0].duplicate_status, 200);
    parsed_done(&parsed);
}

Test(read_routes, a_replayed_response)
{
    struct parsed parsed = parse_with("", "", "    duplicate: replay\n");
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert(r->replay.enabled && r->replay.body_bytes == 65536 && r->duplicate_status == 200);
    cr_assert_eq(r->replay.header_count, 9);
    cr_assert(slice_eq(r->replay.headers[0], SLICE("Content-Type")));
    cr_assert(slice_eq(r->replay.headers[1], SLICE("Content-Encoding")));
    parsed_done(&parsed);
    parsed = parse_with("limits: {response_buffer: 1MiB}\n", "",
                        "    duplicate: replay\n    replay: {body: 1MiB, headers: [Content-Type, "
                        "Content-Encoding, X-Mine]}\n");
    assert_clean(parsed);
    r = &parsed.config->routes[0];
    cr_assert(r->replay.body_bytes == 1u << 20 && r->replay.header_count == 3);
    cr_assert(slice_eq(r->replay.headers[2], SLICE("X-Mine")));
    parsed_done(&parsed);
}

Test(read_routes, headers_that_are_not_replayed)
{
    const char *const never[] = {"Set-Cookie",
                                 "set-cookie2",
                                 "Connection",
                                 "keep-alive",
                                 "Date",
                                 "Trailer",
                                 "Transfer-Encoding",
                                 "Upgrade",
                                 "Content-Length",
                                 "TE",
                                 "Proxy-Authenticate",
                                 "Proxy-Authorization",
                                 "Proxy-Connection",
                                 "Postern-X",
                                 "postern-event-id",
                                 "Idempotent-Replayed"};
    char route[128], words[64];
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        snprintf(route, sizeof(route), "    replay: {headers: [Content-Encoding, %s]}\n", never[i]);
        snprintf(words, sizeof(words), "%s can't be replayed", never[i]);
        expect_error("", "", route, words);
    }
    expect_error("", "", "    replay: {headers: [\"a b\"]}\n", "is not the name of a header");
    expect_error("", "", "    replay: {headers: [ETag, etag]}\n", "etag is given twice");
    expect_error("", "", "    replay: {headers: []}\n", "replay.headers must have 1 to 32 items");
}

Test(read_routes, replayed_headers_at_and_above_their_most)
{
    char route[1024];
    for (unsigned count = REPLY_MAX_FIELDS; count <= REPLY_MAX_FIELDS + 1; count++) {
        size_t len = (size_t)snprintf(route, sizeof(route),
                                      "    duplicate: replay\n"
                                      "    replay: {headers: "
                                      "[Content-Encoding");
        for (unsigned i = 1; i < count; i++)
            len += (size_t)snprintf(route + len, sizeof(route) - len, ", X-%u", i);
        snprintf(route + len, sizeof(route) - len, "]}\n");
        if (count == REPLY_MAX_FIELDS)
            expect_clean("", "", route);
        else
            expect_error("", "", route, "replay.headers must have 1 to 32 items, not 33");
    }
}

Test(read_routes, what_counts_as_success)
{
    struct parsed parsed = parse_with("", "", "    success: [204, 2XX, \"599\", 5xx]\n");
    assert_clean(parsed);
    const struct route_opts *r = &parsed.config->routes[0];
    cr_assert(r->success_count == 4 && r->success[0].from == 204 && r->success[0].to == 204);
    cr_assert(r->success[1].from == 200 && r->success[3].from == 500 && r->success[3].to == 599);
    parsed_done(&parsed);
    const char *const wrong[] = {"199", "600", "1xx", "6xx", "2x", "2xxx", "ok"};
    char route[64];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(route, sizeof(route), "    success: [2xx, %s]\n", wrong[i]);
        expect_error("", "", route, "is not a status");
    }
    expect_error("", "", "    success: []\n", "success must have 1 to 16 items");
}

Test(read_routes, success_at_and_above_its_most)
{
    expect_clean("", "",
                 "    success: "
                 "[200,201,202,203,204,205,206,207,208,209,210,211,212,213,214,215]\n");
    expect_error("", "",
                 "    success: "
                 "[200,201,202,203,204,205,206,207,208,209,210,211,212,213,214,215,216]\n",
                 "success must have 1 to 16 items, not 17");
}

Test(read_routes, shapes)
{
    struct slice wrong[] = {SLICE("routes: []\n"), SLICE("routes: {}\n"), SLICE("routes:\n")};
    for (size_t i = 0; i < 3; i++) {
        struct parsed parsed = parse(wrong[i]);
        cr_assert_eq(times(&parsed, "routes must be a list of 1 to 400 routes"), 1);
        parsed_done(&parsed);
    }
    struct parsed parsed = parse(SLICE("routes: [x, [y], {}]\n"));
    cr_assert_eq(times(&parsed, "a route must be a map of settings"), 2, "%s", parsed.report);
    cr_assert_eq(times(&parsed, "name is missing"), 1);
    parsed_done(&parsed);
}

/* A file of `count` routes. */
static struct parsed parse_many(unsigned count)
{
    size_t size = 200 + 64 * (size_t)count, len;
    char *text = malloc(size);
    cr_assert_not_null(text);
    len = (size_t)snprintf(text, size,
                           "listen: [{address: 127.0.0.1:1}]\n"
                           "upstreams: {a: {endpoints: http://h}}\nroutes:\n");
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len,
                                "- {name: r%u, upstream: a, match: {path: /%u}}\n", i, i);
    struct parsed parsed = parse(slice_of(text, len));
    free(text);
    return parsed;
}

Test(read_routes, at_and_above_their_most, .timeout = 60)
{
    struct parsed parsed = parse_many(400);
    assert_clean(parsed);
    cr_assert_eq(parsed.config->route_count, 400);
    parsed_done(&parsed);
    parsed = parse_many(401);
    assert_one_error(parsed, "routes must be a list of 1 to 400 routes");
    parsed_done(&parsed);
}
