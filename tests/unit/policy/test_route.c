/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/route: paths that mean two things, prefixes, hosts, methods, order. */
#include <postern/policy/route.h>

#include "samples.h"

#include <criterion/criterion.h>

#define NO_ROUTE SIZE_MAX

static size_t find(const struct route_match *match, const char *host, const char *method,
                   const char *path)
{
    struct route_opts route = {.match = *match};
    return route_find(&route, 1, slice_str(host), slice_str(method), slice_str(path));
}

static bool matches_path(const char *pattern, const char *path)
{
    struct route_match match = {.path = slice_str(pattern)};
    return find(&match, "h", "POST", path) == 0;
}

static bool matches_host(const char *pattern, const char *host)
{
    struct route_match match = {.host = slice_str(pattern), .path = SLICE("/")};
    return find(&match, host, "POST", "/") == 0;
}

/* ---- paths ---- */

Test(route, an_exact_path_matches_its_bytes)
{
    cr_assert(matches_path("/pay", "/pay"));
    cr_assert(matches_path("/", "/"));
    cr_assert(matches_path("/a/b/", "/a/b/"));
    cr_assert(matches_path("/a%20b", "/a%20b"));
    static const char *const others[] = {
        "/",       "/pa",   "/payx", "/pay/", "/pay/x",  "/PAY",   "/Pay", "/pay;x", "/pay%20",
        "/pay%3F", "/pay.", "/pay,", "/pay*", "/pay%23", "/x/pay", "pay",  "",       "*"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        cr_assert_not(matches_path("/pay", others[i]), "%s", others[i]);
}

Test(route, a_prefix_matches_all_below_it)
{
    static const char *const below[] = {
        "/github/",    "/github/x",   "/github/x/",   "/github/x/y.z",     "/github/*",
        "/github/x;y", "/github/.x",  "/github/..x",  "/github/...",       "/github/%20",
        "/github/%",   "/github/%zz", "/github/100%", "/github/%e2%82%ac", "/github/%3F%23%25"};
    for (size_t i = 0; i < COUNT_OF(below); i++)
        cr_assert(matches_path("/github/*", below[i]), "%s", below[i]);
    static const char *const beside[] = {
        "/github", "/githubx", "/github*", "/GITHUB/x", "/x/github/", "/", "github/x", "*", ""};
    for (size_t i = 0; i < COUNT_OF(beside); i++)
        cr_assert_not(matches_path("/github/*", beside[i]), "%s", beside[i]);
    cr_assert(matches_path("/*", "/"));
    cr_assert(matches_path("/*", "/anything/at/all"));
    cr_assert_not(matches_path("/*", "*"), "the asterisk form is no path");
}

/* A star elsewhere is a letter. */
Test(route, only_a_star_behind_the_last_slash_is_a_wildcard)
{
    cr_assert_not(matches_path("/a*", "/ab"));
    cr_assert(matches_path("/a*", "/a*"));
    cr_assert_not(matches_path("/*/b", "/a/b"));
    cr_assert(matches_path("/*/b", "/*/b"));
}

static const char *const confusing[] = {
    "//pay",
    "/pay//",
    "/a//b",
    "//",
    "/github//x",
    "/.",
    "/..",
    "/./pay",
    "/../pay",
    "/pay/.",
    "/pay/..",
    "/pay/./x",
    "/pay/../admin",
    "/github/../pay",
    "/github/./x",
    "/github/x/..",
    "/github/%2e%2e/pay",
    "/github/%2E%2E/pay",
    "/github/.%2e/pay",
    "/github/%2e./pay",
    "/github/%2e/pay",
    "/%2e%2e",
    "/pay/%2e",
    "/github/..;/pay",
    "/github/..;x=1/pay",
    "/github/.;/pay",
    "/;/pay",
    "/;x",
    "/a/;x/b",
    "/github/..%3b/pay",
    "/pay%3bx",
    "/pay%3B",
    "/pay%2f",
    "/pay%2F..",
    "/github/..%2fpay",
    "/%2fpay",
    "/pay\\",
    "/github/..\\pay",
    "/github\\..\\pay",
    "/github/%5c..%5cpay",
    "/%5Cpay",
    "/pay%00",
    "/%00/pay",
    "/p%61y",
    "/%70ay",
    "/%50ay",
    "/a%2db",
    "/a%5fb",
    "/a%7eb",
    "/%30",
    "/%39",
    "/%41",
    "/%5A",
    "/%61",
    "/%7a",
};

/* Not by an exact pattern, not by a prefix, not by a catch-all, not even by a pattern that spells
 * them just so. */
Test(route, a_path_that_means_two_things_matches_nothing)
{
    for (size_t i = 0; i < COUNT_OF(confusing); i++) {
        cr_assert_not(route_path_is_plain(slice_str(confusing[i])), "%s", confusing[i]);
        cr_assert_not(matches_path("/pay", confusing[i]), "%s", confusing[i]);
        cr_assert_not(matches_path("/github/*", confusing[i]), "%s", confusing[i]);
        cr_assert_not(matches_path("/*", confusing[i]), "%s", confusing[i]);
        cr_assert_not(matches_path(confusing[i], confusing[i]), "%s", confusing[i]);
    }
}

/* All cuts of a path: the check never looks beyond the end. */
Test(route, a_cut_path_is_read_to_its_end_only)
{
    struct slice path = SLICE("/a/%20/%2");
    for (size_t len = 0; len <= path.len; len++) {
        char *copy = exact_copy(slice_of(path.data, len));
        cr_assert_eq(route_path_is_plain(slice_of(copy, len)), len > 0, "%zu", len);
        free(copy);
    }
    cr_assert_not(route_path_is_plain((struct slice){0}));
}

/* ---- hosts ---- */

Test(route, a_host_matches_without_port_dot_and_case)
{
    static const char *const same[] = {"hooks.example.com",       "HOOKS.Example.COM",
                                       "hooks.example.com:80",    "hooks.example.com.",
                                       "hooks.example.com.:8443", "hooks.example.com:"};
    for (size_t i = 0; i < COUNT_OF(same); i++)
        cr_assert(matches_host("hooks.example.com", same[i]), "%s", same[i]);
    static const char *const others[] = {"",
                                         "example.com",
                                         "xhooks.example.com",
                                         "hooks.example.co",
                                         "hooks.example.com.evil",
                                         "hooks.example.com..",
                                         ".",
                                         ":80",
                                         "hooks.example.com@evil",
                                         "x.hooks.example.com"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        cr_assert_not(matches_host("hooks.example.com", others[i]), "%s", others[i]);
}

Test(route, a_host_may_be_an_address)
{
    cr_assert(matches_host("127.0.0.1", "127.0.0.1:8080"));
    cr_assert(matches_host("[::1]", "[::1]"));
    cr_assert(matches_host("[::1]", "[::1]:8080"));
    cr_assert(matches_host("[2001:db8::a]", "[2001:DB8::A]:1"));
    cr_assert_not(matches_host("[::1]", "[::2]:8080"));
    cr_assert_not(matches_host("[::1]", "["));
}

Test(route, no_host_in_the_pattern_matches_any)
{
    cr_assert(matches_host("", "a.example"));
    cr_assert(matches_host("", ""));
}

Test(route, a_star_matches_one_or_more_labels)
{
    static const char *const below[] = {"a.example.com", "a.b.example.com", "A.EXAMPLE.COM:1",
                                        "a.example.com."};
    for (size_t i = 0; i < COUNT_OF(below); i++)
        cr_assert(matches_host("*.example.com", below[i]), "%s", below[i]);
    static const char *const others[] = {
        "example.com", ".example.com", "aexample.com", "a.example.com.evil", "", "com", "*"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        cr_assert_not(matches_host("*.example.com", others[i]), "%s", others[i]);
}

/* ---- methods, order, success ---- */

Test(route, methods_match_exactly)
{
    static const struct slice methods[] = {TEXT("POST"), TEXT("PUT")};
    struct route_match match = {.path = SLICE("/"), .methods = methods, .method_count = 2};
    cr_assert_eq(find(&match, "h", "POST", "/"), 0);
    cr_assert_eq(find(&match, "h", "PUT", "/"), 0);
    cr_assert_eq(find(&match, "h", "GET", "/"), NO_ROUTE);
    cr_assert_eq(find(&match, "h", "post", "/"), NO_ROUTE);
    cr_assert_eq(find(&match, "h", "POS", "/"), NO_ROUTE);
    match.method_count = 0;
    cr_assert_eq(find(&match, "h", "GET", "/"), 0);
}

Test(route, the_first_match_wins)
{
    static const struct slice post[] = {TEXT("POST")};
    struct route_opts routes[] = {
        {.match = {.host = SLICE("a.example"), .path = SLICE("/x/*")}},
        {.match = {.path = SLICE("/x/y"), .methods = post, .method_count = 1}},
        {.match = {.path = SLICE("/x/*")}},
        {.match = {.path = SLICE("/x/y")}},
    };
    struct slice path = SLICE("/x/y");
    cr_assert_eq(route_find(routes, 4, SLICE("a.example"), SLICE("POST"), path), 0);
    cr_assert_eq(route_find(routes, 4, SLICE("b.example"), SLICE("POST"), path), 1);
    cr_assert_eq(route_find(routes, 4, SLICE("b.example"), SLICE("GET"), path), 2);
    cr_assert_eq(route_find(routes, 4, SLICE("b.example"), SLICE("GET"), SLICE("/z")), NO_ROUTE);
    cr_assert_eq(route_find(NULL, 0, SLICE("b.example"), SLICE("GET"), path), NO_ROUTE);
}

Test(route, by_its_name)
{
    struct route_opts routes[] = {{.name = SLICE("a")}, {.name = SLICE("ab")}};
    cr_assert_eq(route_named(routes, 2, SLICE("ab")), &routes[1]);
    cr_assert_eq(route_named(routes, 2, SLICE("a")), &routes[0]);
    cr_assert_null(route_named(routes, 2, SLICE("A")));
    cr_assert_null(route_named(routes, 2, SLICE("")));
    cr_assert_null(route_named(NULL, 0, SLICE("a")));
}

Test(route, the_largest_body)
{
    struct route_opts routes[] = {{.body_bytes = 1}, {.body_bytes = 7}, {.body_bytes = 3}};
    cr_assert_eq(route_body_max(routes, 3), 7);
    cr_assert_eq(route_body_max(routes, 1), 1);
    cr_assert_eq(route_body_max(NULL, 0), 0);
}

Test(route, any_rate)
{
    struct route_opts routes[] = {{.name = SLICE("a")}, {.name = SLICE("b")}};
    cr_assert_not(route_any_rate(routes, 2, false));
    routes[1].rate.interval_us = 1;
    cr_assert(route_any_rate(routes, 2, false));
    cr_assert_not(route_any_rate(routes, 1, false));
    cr_assert_not(route_any_rate(routes, 2, true));
    routes[0].rate.shared = true;
    cr_assert_not(route_any_rate(routes, 2, true), "without a rate nothing is shared");
    routes[1].rate.shared = true;
    cr_assert(route_any_rate(routes, 2, true));
}

Test(route, any_secret_field)
{
    struct route_opts routes[] = {
        {.name = SLICE("a"), .verify = {.scheme = VERIFY_HMAC, .hmac.header = SLICE("X-Sum")}},
        {.name = SLICE("b"), .verify = {.scheme = VERIFY_HEADER, .hmac.header = SLICE("X-Door")}},
    };
    cr_assert(route_any_secret_field(routes, 2, SLICE("x-door")));
    cr_assert_not(route_any_secret_field(routes, 2, SLICE("X-Doors")));
    cr_assert_not(route_any_secret_field(routes, 2, SLICE("X-Sum")), "a proof opens no door");
    cr_assert_not(route_any_secret_field(routes, 1, SLICE("X-Door")));
}

Test(route, success_is_what_the_ranges_hold)
{
    struct route_opts route = {.success = {{200, 299}, {304, 304}}, .success_count = 2};
    static const uint16_t good[] = {200, 204, 299, 304};
    static const uint16_t bad[] = {0, 100, 199, 300, 303, 305, 404, 500};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        cr_assert(route_is_success(&route, good[i]), "%u", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        cr_assert_not(route_is_success(&route, bad[i]), "%u", bad[i]);
    route.success_count = 0;
    cr_assert_not(route_is_success(&route, 200));
}
