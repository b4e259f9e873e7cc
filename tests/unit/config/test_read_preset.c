/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_preset: the route's own before the preset's before the default, for
 * whole settings and inside sections; what is told of what a preset says. The presets' texts are
 * test_presets.c's. */
#include "parsing.h"

#include <postern/config/presets.h>

#include <stdlib.h>

static void set_up(void)
{
    setenv("POSTERN_TEST_SECRET", "hush-hush-hush-hush", 1);
}

TestSuite(read_preset, .init = set_up);

/* The journal remembers keys in memory for as long as the longest window. */
#define MONTH "journal: {retention: 30d}\n"
#define GITHUB "    preset: github\n"
#define SECRET "    signature: {secret: env:POSTERN_TEST_SECRET}\n"

Test(read_preset, lies_under_the_route)
{
    struct parsed parsed = parse_with("", "", GITHUB SECRET);
    assert_clean(parsed);
    const struct route_opts *route = &parsed.config->routes[0];
    cr_assert(slice_eq(route->preset, SLICE("github")));
    cr_assert(route->verify.scheme == VERIFY_GITHUB && route->verify.secret_count == 1);
    cr_assert(route->key_count >= 1 && route->keys[0].kind == KEY_HEADER);
    cr_assert(slice_ieq(route->keys[0].name, SLICE("X-GitHub-Delivery")));
    cr_assert_geq(route->window_ms, UINT64_C(259200000));
    cr_assert(route->lease_ms == 30000 && route->verify.tolerance_ms == 300000);
    parsed_done(&parsed);
}

Test(read_preset, the_routes_own_goes_first)
{
    struct parsed parsed = parse_with(MONTH, "",
                                      GITHUB "    window: 30d\n    key: {json: id}\n"
                                             "    signature: {secret: env:POSTERN_TEST_SECRET, "
                                             "status: 403}\n");
    assert_clean(parsed);
    const struct route_opts *route = &parsed.config->routes[0];
    cr_assert(route->window_ms == UINT64_C(2592000000) && route->key_count == 1);
    cr_assert(route->keys[0].kind == KEY_JSON && route->verify.status == 403);
    cr_assert_eq(route->verify.scheme, VERIFY_GITHUB);
    parsed_done(&parsed);
}

Test(read_preset, a_section_may_be_replaced_by_another_scheme)
{
    struct parsed parsed = parse_with(
        "", "", GITHUB "    signature: {scheme: stripe, secret: env:POSTERN_TEST_SECRET}\n");
    assert_clean(parsed);
    cr_assert_eq(parsed.config->routes[0].verify.scheme, VERIFY_STRIPE);
    parsed_done(&parsed);
}

Test(read_preset, what_it_needs_is_asked_for_where_it_is_named)
{
    expect_error("", "", GITHUB, "f.yaml:9:13: error: signature.secret is missing");
    expect_error("", "", GITHUB "    signature:\n",
                 "f.yaml:9:13: error: signature.secret is missing");
    expect_error("", "", GITHUB "    signature: {}\n", "signature.secret is missing");
    expect_error("", "", GITHUB "    signature: hush\n", "signature must be a map of settings");
}

Test(read_preset, its_signature_may_be_turned_off_loudly)
{
    expect_warning("", "", GITHUB "    signature: {scheme: none}\n",
                   "f.yaml:10:25: warning: the preset's signature is not verified: anyone may");
}

Test(read_preset, a_shorter_window_is_told)
{
    expect_warning("", "", GITHUB SECRET "    window: 1h\n",
                   "f.yaml:11:13: warning: window 1h is shorter than the ");
    expect_warning("", "", GITHUB SECRET "    window: 1h\n", " of preset github");
    expect_clean(MONTH, "", GITHUB SECRET "    window: 30d\n");
    expect_error("", "", GITHUB SECRET "    window: 1\n", "missing unit");
}

Test(read_preset, what_a_queue_route_does_not_use_is_not_told)
{
    expect_clean("", "", GITHUB SECRET "    mode: queue\n");
}

Test(read_preset, each_route_has_its_own)
{
    struct parsed parsed = parse(
        SLICE(MONTH "listen: [{address: 127.0.0.1:1}]\n"
                    "upstreams: {a: {endpoints: http://h}}\n"
                    "routes:\n"
                    "- {name: one, upstream: a, match: {path: /1}, preset: github,\n"
                    "   signature: {secret: env:POSTERN_TEST_SECRET}}\n"
                    "- {name: two, upstream: a, match: {path: /2}, preset: github, window: 29d,\n"
                    "   signature: {secret: env:POSTERN_TEST_SECRET, status: 400}}\n"
                    "- {name: three, upstream: a, match: {path: /3}}\n"));
    assert_clean(parsed);
    const struct route_opts *routes = parsed.config->routes;
    cr_assert(routes[0].verify.status == 401 && routes[1].verify.status == 400);
    cr_assert(routes[1].window_ms == UINT64_C(2505600000) && routes[2].preset.len == 0);
    cr_assert(routes[2].verify.scheme == VERIFY_NONE && routes[2].keys[0].kind == KEY_PAYLOAD);
    parsed_done(&parsed);
}

Test(read_preset, names_that_are_none)
{
    expect_error("", "", "    preset: gihtub\n",
                 "f.yaml:9:13: error: there is no preset \"gihtub\"");
    expect_error("", "", "    preset: gihtub\n", "hint: did you mean \"github\"?");
    expect_error("", "", "    preset: qqqqqq\n", "hint: `postern presets` lists them");
    expect_error("", "", "    preset: [github]\n", "preset must be one value, not a list");
    expect_error("", "", "    preset:\n", "preset has no value");
    expect_error("", "", "    preset: *github\n", "aliases are not allowed here");
}

/* Every preset, with something of all a route may have to give, means what its words say. What is
 * asked for beyond that is not the preset's fault, what is unknown or out of bounds would be. */
Test(read_preset, no_preset_says_what_no_row_knows)
{
    const char *const faults[] = {"unknown key",   "must be",      "there is no",
                                  "is not a kind", "has no value", "does nothing",
                                  "is not used",   "can't be",     "is not the name"};
    char route[256];
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        snprintf(route, sizeof(route), "    preset: %s\n    lease: 1h\n", PRESETS[i].name);
        struct parsed parsed = parse_with("", "", route);
        for (size_t k = 0; k < sizeof(faults) / sizeof(faults[0]); k++)
            cr_assert_null(strstr(parsed.report, faults[k]), "%s: %s", PRESETS[i].name,
                           parsed.report);
        parsed_done(&parsed);
    }
}
