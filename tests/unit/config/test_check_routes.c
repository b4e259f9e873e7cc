/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/check_routes: lease and time-out, window and lease, telling keys, routes
 * that shadow each other, upstreams nobody uses. */
#include "parsing.h"

static struct parsed parse_routes(const char *one, const char *two)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "listen: [{address: 127.0.0.1:1}]\n"
                       "upstreams: {a: {endpoints: http://h}}\n"
                       "routes:\n"
                       "- {name: one, upstream: a, match: {%s}}\n"
                       "- {name: two, upstream: a, match: {%s}}\n",
                       one, two);
    cr_assert_lt(len, (int)sizeof(text));
    return parse(slice_of(text, (size_t)len));
}

static void shadows(const char *one, const char *two)
{
    struct parsed parsed = parse_routes(one, two);
    assert_one_warning(parsed, "no request gets here: route \"one\" on line 4 takes them all");
    parsed_done(&parsed);
}

static void shadows_not(const char *one, const char *two)
{
    struct parsed parsed = parse_routes(one, two);
    assert_clean(parsed);
    parsed_done(&parsed);
}

Test(check_routes, the_lease_is_longer_than_the_time_out)
{
    expect_clean("", "    timeout: 29999ms\n", "");
    expect_warning("", "    timeout: 30s\n", "",
                   "f.yaml:7:5: warning: lease 30s is not longer than the timeout 30s of upstream "
                   "\"app\"");
    expect_warning("", "    timeout: 5s\n", "    lease: 5s\n", "f.yaml:10:12: warning: lease 5s");
    expect_warning("strict: true\n", "    timeout: 5s\n", "    lease: 5s\n",
                   "hint: when renewals fail, the claim ends while the upstream may still answer");
    expect_clean("", "    timeout: 5s\n", "    lease: 5001ms\n");
}

Test(check_routes, a_refused_lease_is_told_once)
{
    expect_error("", "", "    lease: 5\n", "missing unit");
    expect_error("", "    timeout: 5\n", "    lease: 1s\n", "missing unit");
}

Test(check_routes, the_window_is_not_shorter_than_the_lease)
{
    expect_clean("", "", "    window: 30s\n");
    expect_warning("", "", "    window: 29s\n", "the window is shorter than the lease");
    expect_error("", "", "    window: 0s\n", "window must be from 1s");
}

Test(check_routes, keys_that_differ_between_attempts)
{
    const char *const headers[] = {"X-Request-Id", "x-request-id", "traceparent", "Date"};
    char route[64], words[64];
    for (size_t i = 0; i < 4; i++) {
        snprintf(route, sizeof(route), "    key: {header: %s}\n", headers[i]);
        snprintf(words, sizeof(words), "header %s usually differs between attempts", headers[i]);
        expect_warning("", "", route, words);
    }
    expect_warning("", "", "    key: {header: [X-Event-Id, Date]}\n",
                   "header Date usually differs between attempts");
    expect_clean("", "", "    key: {query: date}\n");
    expect_warning("", "", "    key: [payload, {header: X}]\n", "rules after payload are only");
    expect_clean("", "", "    key: [{payload: {canonical: true}}, payload]\n");
}

Test(check_routes, scopes_that_differ_between_attempts)
{
    expect_warning("", "", "    scope: [method, {header: X-Request-Id}]\n",
                   "header X-Request-Id usually differs between attempts");
    expect_clean("", "", "    scope: [method, path, {header: X-Tenant}]\n");
}

Test(check_routes, a_body_larger_than_all_the_memory)
{
    expect_clean("limits: {body_memory: 2MiB}\n", "", "    limits: {body: 2MiB}\n");
    expect_error("limits: {body_memory: 2MiB}\n", "", "    limits: {body: 2049KiB}\n",
                 "limits.body must not be larger than the file's limits.body_memory");
}

static void matches_nothing(const char *two)
{
    struct parsed parsed = parse_routes("path: /one", two);
    assert_one_error(parsed, "f.yaml:5:42: error: no request can match this path");
    parsed_done(&parsed);
}

Test(check_routes, a_path_that_could_mean_two_things)
{
    matches_nothing("path: /a/../b");
    matches_nothing("path: /a//b/*");
    matches_nothing("path: /./*");
    matches_nothing("path: /%61");
    shadows_not("path: /one", "path: /a/*");
    shadows_not("path: /one", "path: /*");
    shadows_not("path: /one", "path: /a/");
}

Test(check_routes, a_name_twice)
{
    struct parsed parsed = parse(SLICE("listen: [{address: 127.0.0.1:1}]\n"
                                       "upstreams: {a: {endpoints: http://h}}\n"
                                       "routes:\n"
                                       "- {name: r, upstream: a, match: {path: /1}}\n"
                                       "- {name: r, upstream: a, match: {path: /2}}\n"
                                       "- {name: R, upstream: a, match: {path: /3}}\n"));
    assert_one_error(parsed, "f.yaml:5:10: error: route name \"r\" twice");
    parsed_done(&parsed);
}

Test(check_routes, the_same_path_twice)
{
    shadows("path: /a", "path: /a");
    shadows("path: /a/*", "path: /a/*");
    shadows_not("path: /a", "path: /b");
    shadows_not("path: /a", "path: /a/");
    shadows_not("path: /a", "path: /a/*");
}

Test(check_routes, a_prefix_covers_what_is_below)
{
    shadows("path: /*", "path: /a");
    shadows("path: /a/*", "path: /a/b");
    shadows("path: /a/*", "path: /a/");
    shadows("path: /a/*", "path: /a/b/*");
    shadows_not("path: /a/*", "path: /a");
    shadows_not("path: /a/*", "path: /ab");
    shadows_not("path: /a/b/*", "path: /a/*");
}

Test(check_routes, hosts_narrow_what_is_covered)
{
    shadows("path: /a", "path: /a, host: h");
    shadows("path: /a, host: H", "path: /a, host: h");
    shadows("path: /a, host: \"*.b.c\"", "path: /a, host: x.b.c");
    shadows("path: /a, host: \"*.b.c\"", "path: /a, host: \"*.x.b.c\"");
    shadows_not("path: /a, host: h", "path: /a");
    shadows_not("path: /a, host: h", "path: /a, host: i");
    shadows_not("path: /a, host: \"*.b.c\"", "path: /a, host: b.c");
    shadows_not("path: /a, host: x.b.c", "path: /a, host: \"*.b.c\"");
}

Test(check_routes, methods_narrow_what_is_covered)
{
    shadows("path: /a", "path: /a, methods: [POST]");
    shadows("path: /a, methods: [POST, PUT]", "path: /a, methods: [PUT]");
    shadows_not("path: /a, methods: [POST]", "path: /a");
    shadows_not("path: /a, methods: [POST]", "path: /a, methods: [POST, PUT]");
}

Test(check_routes, a_refused_match_shadows_nothing)
{
    struct parsed parsed = parse_routes("path: /a, host: \"a b\"", "path: /a");
    assert_one_error(parsed, "is not a host name");
    cr_assert_eq(times(&parsed, "warning:"), 0);
    parsed_done(&parsed);
}

Test(check_routes, an_upstream_nobody_uses)
{
    struct parsed parsed = parse(SLICE("listen: [{address: 127.0.0.1:1}]\n"
                                       "upstreams:\n"
                                       "  a: {endpoints: http://h}\n"
                                       "  b: {endpoints: http://h}\n"
                                       "routes: [{name: r, upstream: a, match: {path: /}}]\n"));
    assert_one_warning(parsed, "f.yaml:4:3: warning: no route uses upstream \"b\"");
    parsed_done(&parsed);
}
