/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_upstreams: names, endpoints, limits on both. */
#include "parsing.h"

static struct parsed parse_upstreams(const char *upstreams)
{
    char text[65536];
    int len = snprintf(text, sizeof(text),
                       "listen: [{address: 127.0.0.1:1}]\n"
                       "routes: [{name: r, upstream: app, match: {path: /}}]\n"
                       "upstreams: %s\n",
                       upstreams);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

static void expect_upstreams_error(const char *upstreams, const char *words)
{
    struct parsed parsed = parse_upstreams(upstreams);
    cr_assert_eq(parsed.status, STATUS_INVALID);
    cr_assert(strstr(parsed.report, words), "%s lacks %s", parsed.report, words);
    parsed_done(&parsed);
}

static bool is(struct slice slice, const char *text)
{
    return slice_eq(slice, slice_str(text));
}

Test(read_upstreams, endpoints)
{
    struct parsed parsed =
        parse_upstreams("{app: {endpoints: [\"http://10.0.0.5:8000\", \"http://[::1]\", "
                        "\"http://app.local/\"]}}");
    assert_clean(parsed);
    const struct upstream_opts *app = &parsed.config->upstreams[0];
    cr_assert(is(app->name, "app") && app->endpoint_count == 3);
    const struct upstream_endpoint *e = app->endpoints;
    cr_assert(is(e[0].host, "10.0.0.5") && e[0].port == 8000 &&
              is(e[0].authority, "10.0.0.5:8000"));
    cr_assert(is(e[1].host, "::1") && e[1].port == 80 && is(e[1].authority, "[::1]"));
    cr_assert(is(e[2].host, "app.local") && e[2].port == 80 && is(e[2].authority, "app.local"));
    parsed_done(&parsed);
}

Test(read_upstreams, secure_endpoints)
{
    struct parsed parsed = parse_upstreams(
        "{app: {endpoints: [\"https://a\", \"http://b\", \"https://[::1]:8443/\"]}}");
    assert_clean(parsed);
    const struct upstream_opts *app = &parsed.config->upstreams[0];
    const struct upstream_endpoint *e = app->endpoints;
    cr_assert(app->tls.enabled && !app->tls.insecure && app->endpoint_count == 3);
    cr_assert(e[0].secure && e[0].port == 443 && is(e[0].authority, "a"));
    cr_assert(!e[1].secure && e[1].port == 80);
    cr_assert(e[2].secure && e[2].port == 8443 && is(e[2].authority, "[::1]:8443"));
    parsed_done(&parsed);
    parsed = parse_upstreams("{app: {endpoints: http://a}}");
    cr_assert_not(parsed.config->upstreams[0].tls.enabled);
    parsed_done(&parsed);
}

Test(read_upstreams, the_defaults)
{
    struct parsed parsed = parse_upstreams("{app: {endpoints: http://h}}");
    assert_clean(parsed);
    const struct upstream_opts *app = &parsed.config->upstreams[0];
    cr_assert(app->connect_timeout_ms == 1000 && app->timeout_ms == 10000);
    cr_assert(app->concurrency == 256 && app->queue_max == 1024);
    cr_assert(app->idle_timeout_ms == 60000 && app->idle_max == 256);
    const struct lane_opts *lane = &parsed.config->lanes[0];
    cr_assert(lane->pace.interval_us == 0 && lane->pace.burst == 1 && lane->sign_key.len == 0);
    cr_assert(lane->breaker.failures == 10 && lane->breaker.cool_down_ms == 5000);
    parsed_done(&parsed);
}

Test(read_upstreams, each_has_its_lane)
{
    struct parsed parsed = parse_upstreams("{a: {endpoints: http://h, breaker: {failures: 1}},\n"
                                           " app: {endpoints: http://h, rate: 5/s},\n"
                                           " b: {endpoints: http://h, breaker: {failures: 0, "
                                           "cool_down: 1m}}}");
    cr_assert_eq(parsed.status, STATUS_OK, "%s", parsed.report);
    const struct lane_opts *lanes = parsed.config->lanes;
    cr_assert_eq(parsed.config->upstream_count, 3);
    cr_assert(lanes[0].breaker.failures == 1 && lanes[1].breaker.failures == 10);
    cr_assert(lanes[2].breaker.failures == 0 && lanes[2].breaker.cool_down_ms == 60000);
    cr_assert(lanes[0].pace.interval_us == 0 && lanes[1].pace.interval_us == 200000);
    parsed_done(&parsed);
}

Test(read_upstreams, endpoints_that_are_refused)
{
    expect_upstreams_error("{app: {endpoints: [\"ftp://h\"]}}",
                           "its scheme is not http:// or https://");
    expect_upstreams_error("{app: {endpoints: [\"h:80\"]}}", "it has no scheme");
    expect_upstreams_error("{app: {endpoints: [\"http://h/x\"]}}", "no path may follow");
    expect_upstreams_error("{app: {endpoints: [\"http://h?x\"]}}", "no path may follow");
    expect_upstreams_error("{app: {endpoints: []}}", "endpoints must have 1 to 64 items, not 0");
    expect_upstreams_error("{app: {endpoints: {a: b}}}", "endpoints must be one value, not a map");
    expect_upstreams_error("{app: {endpoints: [[a]]}}", "endpoints must be one value, not a list");
    expect_upstreams_error("{app: {endpoints: [~]}}", "endpoints has no value");
    expect_upstreams_error("{app: {}}", "endpoints is missing");
    struct parsed parsed = parse_upstreams("{app: {endpoints: [\"http://me:hush@h\"]}}");
    assert_one_error(parsed, "a user is not allowed in it");
    cr_assert_null(strstr(parsed.report, "hush"));
    parsed_done(&parsed);
}

Test(read_upstreams, endpoints_at_and_above_their_most)
{
    char text[4096];
    for (unsigned count = 64; count <= 65; count++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "{app: {endpoints: [");
        for (unsigned i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "\"http://h:%u\",", 1 + i);
        snprintf(text + len, sizeof(text) - len, "]}}");
        struct parsed parsed = parse_upstreams(text);
        cr_assert_eq(parsed.status, count == 64 ? STATUS_OK : STATUS_INVALID);
        parsed_done(&parsed);
    }
}

Test(read_upstreams, shapes_and_names)
{
    expect_upstreams_error("{}", "upstreams must be a map of 1 to 1024 names");
    expect_upstreams_error("[app]", "upstreams must be a map of 1 to 1024 names");
    expect_upstreams_error("", "upstreams must be a map of 1 to 1024 names");
    expect_upstreams_error("{app: http://h}", "an upstream must be a map");
    expect_upstreams_error("{\"a b\": {endpoints: http://h}}",
                           "an upstream's name must be 1 to 64");
    expect_upstreams_error("{app: {endpoints: http://h}, app: {endpoints: http://h}}",
                           "duplicate key \"app\"");
}

Test(read_upstreams, at_and_above_their_most)
{
    static char text[65536];
    for (unsigned count = 1024; count <= 1025; count++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "{app: {endpoints: http://h}");
        for (unsigned i = 1; i < count; i++)
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, ", a%u: {endpoints: http://h}", i);
        snprintf(text + len, sizeof(text) - len, "}");
        struct parsed parsed = parse_upstreams(text);
        cr_assert_eq(parsed.status, count == 1024 ? STATUS_OK : STATUS_INVALID);
        parsed_done(&parsed);
    }
}
