/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/read_delivery: rates and what bursts follow from them, signing keys out of
 * every place, and that none is told. */
#include "parsing.h"

#include <stdlib.h>

#define ENCODED "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* ---- rates ---- */

static struct pace_opts pace_of(const char *upstream)
{
    struct parsed parsed = parse_with("", upstream, "");
    assert_clean(parsed);
    struct pace_opts pace = parsed.config->lanes[0].pace;
    parsed_done(&parsed);
    return pace;
}

Test(read_delivery, rates)
{
    const struct {
        const char *upstream;
        uint64_t interval_us;
        uint32_t burst;
    } cases[] = {
        {"    rate: 100/s\n", 10000, 100},      {"    rate: 1/s\n", 1000000, 1},
        {"    rate: 3/s\n", 333334, 3}, /* rather slower than faster */
        {"    rate: 10000/s\n", 100, 10000},    {"    rate: 30/m\n", 2000000, 1},
        {"    rate: 119/m\n", 504202, 1},       {"    rate: 120/m\n", 500000, 2},
        {"    rate: 600000/m\n", 100, 10000},   {"    rate: 1/h\n", 3600000000, 1},
        {"    rate: 36000000/h\n", 100, 10000}, {"    rate: \"100/s\"\n", 10000, 100},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pace_opts pace = pace_of(cases[i].upstream);
        cr_assert_eq(pace.interval_us, cases[i].interval_us, "%s: %llu", cases[i].upstream,
                     (unsigned long long)pace.interval_us);
        cr_assert_eq(pace.burst, cases[i].burst, "%s: %u", cases[i].upstream, pace.burst);
    }
}

Test(read_delivery, a_burst_of_choice)
{
    struct pace_opts pace = pace_of("    burst: 7\n    rate: 100/s\n");
    cr_assert(pace.burst == 7 && pace.interval_us == 10000);
    pace = pace_of("    rate: 1/h\n    burst: 1000000\n");
    cr_assert_eq(pace.burst, 1000000);
}

Test(read_delivery, rates_that_are_refused)
{
    expect_error("", "    rate: 100\n", "",
                 "f.yaml:5:11: error: missing unit: rate is \"100\"\n"
                 "     5 |     rate: 100\n"
                 "       |           ^\n"
                 "hint: write it with one, as in \"100/s\"; units are /s, /m, /h\n");
    expect_error("", "    rate: 100/d\n", "", "rate must be a whole number with a unit, not \"100");
    expect_error("", "    rate: 100/d\n", "", "hint: units are /s, /m, /h, as in 100/s\n");
    expect_error("", "    rate: fast\n", "", "rate must be a whole number with a unit");
    expect_error("", "    rate: 0.5/s\n", "", "rate must be a whole number with a unit");
    expect_error("", "    rate: [1/s]\n", "", "rate must be one value, not a list");
    expect_error("", "    rate:\n", "", "rate has no value");
}

Test(read_delivery, rates_beyond_their_bounds)
{
    const char *const wrong[] = {"0/s",
                                 "0/h",
                                 "10001/s",
                                 "600001/m",
                                 "36000001/h",
                                 "99999999999999999999999/s",
                                 "18446744073709551615/h"};
    char upstream[64];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(upstream, sizeof(upstream), "    rate: %s\n", wrong[i]);
        expect_error("", upstream, "", "rate must be from 1/h to 10000/s, not ");
    }
    expect_error("", "    rate: 0/s\n", "", "hint: leave the line out for no limit");
}

/* ---- signing keys ---- */

static void route_key_is(const char *route, struct slice expected)
{
    struct parsed parsed = parse_with("", "", route);
    assert_clean(parsed);
    cr_assert(slice_eq(parsed.config->routes[0].sign_key, expected));
    cr_assert_eq(parsed.config->lanes[0].sign_key.len, 0);
    parsed_done(&parsed);
}

static const unsigned char DECODED[] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                        0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                        0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};

Test(read_delivery, signing_keys)
{
    route_key_is("    sign: {secret: " ENCODED "}\n", slice_of(DECODED, sizeof(DECODED)));
    route_key_is("    sign: {secret: sixteen-characte}\n", SLICE("sixteen-characte"));
    setenv("POSTERN_TEST_SIGN", ENCODED "\n", 1);
    route_key_is("    sign: {secret: env:POSTERN_TEST_SIGN}\n", slice_of(DECODED, sizeof(DECODED)));
    route_key_is("", (struct slice){.len = 0});
}

Test(read_delivery, the_upstreams_key)
{
    struct parsed parsed = parse_with("", "    sign: {secret: sixteen-characte}\n",
                                      "    sign: {secret: the-routes-own-key}\n");
    assert_clean(parsed);
    cr_assert(slice_eq(parsed.config->lanes[0].sign_key, SLICE("sixteen-characte")));
    cr_assert(slice_eq(parsed.config->routes[0].sign_key, SLICE("the-routes-own-key")));
    parsed_done(&parsed);
}

static void refuses_without_telling(const char *route, const char *words)
{
    struct parsed parsed = parse_with("", "", route);
    assert_one_error(parsed, words);
    cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
    parsed_done(&parsed);
}

Test(read_delivery, signing_keys_that_are_refused)
{
    setenv("POSTERN_TEST_SIGN", "hush", 1);
    const char *const routes[] = {
        "    sign: {secret: hush}\n",
        "    sign: {secret: whsec_hush}\n",
        "    sign: {secret: whsec_hushhushhushhushhushhushhushhu=}\n",
        "    sign: {secret: env:POSTERN_TEST_SIGN}\n",
        "    sign:\n      secret:\n        'hush\n        hush'\n",
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        refuses_without_telling(routes[i], "sign.secret can't be used to sign");
        refuses_without_telling(routes[i], "hint: it has to be \"whsec_\" and the Base64 of 24 to");
    }
    refuses_without_telling("    sign:\n      secret:\n        'hush\n\n        hush'\n",
                            "control characters or line breaks in a value");
    refuses_without_telling("    sign:\n      secret: |\n        hush\n        hush\n",
                            "control characters or line breaks in a value");
    refuses_without_telling("    sign: {secret: }\n", "sign.secret has no value");
    refuses_without_telling("    sign: {secret: [hush]}\n", "sign.secret must be one value");
    refuses_without_telling("    sign:\n      secret:\n        - hush\n",
                            "sign.secret must be one value, not a list");
    refuses_without_telling("    sign:\n      secret:\n        a: hush\n",
                            "sign.secret must be one value, not a map");
    refuses_without_telling("    sign: {secret: env:POSTERN_TEST_NOT_SET}\n",
                            "the environment variable POSTERN_TEST_NOT_SET is not set");
}

Test(read_delivery, a_good_key_is_not_told_by_another_error_of_its_line)
{
    refuses_without_telling("    sign: {secret: 'hushhushhushhush'}\n    window: 1\n",
                            "missing unit");
    refuses_without_telling("    sign: {secret: 'hushhushhushhush', secrt: x}\n",
                            "unknown key in sign");
}

/* More secrets than any fixed list of them would hold. */
Test(read_delivery, as_many_keys_as_upstreams)
{
    static char text[65536];
    size_t len = (size_t)snprintf(text, sizeof(text),
                                  "listen: [{address: 127.0.0.1:1}]\n"
                                  "routes: [{name: r, upstream: a0, match: {path: /}}]\n"
                                  "upstreams:\n");
    for (unsigned i = 0; i < 300; i++)
        len += (size_t)snprintf(
            text + len, sizeof(text) - len,
            "  a%u: {endpoints: http://h, sign: {secret: sixteen-letters-%u}}\n", i, i);
    struct parsed parsed = parse(slice_of(text, len));
    cr_assert_eq(parsed.status, STATUS_OK);
    cr_assert(slice_eq(parsed.config->lanes[299].sign_key, SLICE("sixteen-letters-299")));
    cr_assert_null(strstr(parsed.report, "sixteen"));
    parsed_done(&parsed);
}
