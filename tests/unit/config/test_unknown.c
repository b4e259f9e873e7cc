/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of config/unknown: keys no row has, at every level, and what they may have meant. */
#include "parsing.h"

Test(unknown, a_key_of_the_top_level)
{
    expect_error("wrokers: 1\n", "", "",
                 "f.yaml:9:1: error: unknown key \"wrokers\"\n"
                 "     9 | wrokers: 1\n"
                 "       | ^\n"
                 "hint: did you mean \"workers\"?\n");
}

Test(unknown, a_key_of_a_section)
{
    expect_error("dedup: {redis: {timeot: 1s}}\n", "", "", "did you mean \"timeout\"?");
    expect_error("dedup: {rediss: {timeout: 1s}}\n", "", "", "did you mean \"redis\"?");
    expect_error("log:\n  levle: info\n", "", "", "f.yaml:10:3: error: unknown key \"levle\"");
}

Test(unknown, a_key_of_a_route_or_upstream)
{
    expect_error("", "", "    widnow: 1h\n", "did you mean \"window\"?");
    expect_error("", "    time_out: 1s\n", "", "did you mean \"timeout\"?");
    expect_error("", "", "    match_: {}\n", "did you mean \"match\"?");
}

Test(unknown, a_key_a_level_too_high_or_too_low)
{
    expect_error("redis: {}\n", "", "", "did you mean \"dedup.redis\"?");
    expect_error("retention: 7d\n", "", "", "did you mean \"journal.retention\"?");
    expect_error("", "", "    path: /x\n", "did you mean \"match.path\"?");
    expect_error("log: {workers: 1}\n", "", "", "did you mean \"workers\"?");
}

Test(unknown, nothing_is_suggested_for_what_is_far_away)
{
    struct parsed parsed = parse_with("xyzzy: 1\n", "", "");
    assert_one_error(parsed, "unknown key \"xyzzy\"");
    cr_assert_null(strstr(parsed.report, "hint"));
    parsed_done(&parsed);
}

Test(unknown, dotted_keys_are_not_paths)
{
    expect_error("dedup.redis.timeout: 1s\n", "", "", "unknown key \"dedup.redis.timeout\"");
    expect_error("dedup: {redis.timeout: 1s}\n", "", "", "unknown key \"redis.timeout\"");
}

Test(unknown, strange_keys)
{
    expect_error("'': 1\n", "", "", "unknown key \"\"");
    expect_error("<<: 1\n", "", "", "unknown key \"<<\"");
    char top[300];
    memset(top, 'k', sizeof(top));
    memcpy(top + sizeof(top) - 5, ": 1\n", 5);
    expect_error(top, "", "", "unknown key \"kkkk");
    memcpy(top, "log: {", 6);
    memcpy(top + sizeof(top) - 6, ": 1}\n", 6);
    expect_error(top, "", "", "unknown key \"kkkk");
}

Test(unknown, a_section_that_is_none)
{
    expect_error("journal: {spool: off}\n", "", "",
                 "f.yaml:9:18: error: journal.spool must be a map of settings");
    expect_error("journal: {spool: off}\n", "", "", "hint: {enabled: false} turns it off\n");
    expect_error("admin: [off]\n", "", "", "hint: {enabled: false} turns it off\n");
    struct parsed parsed = parse_with("journal: off\n", "", "");
    assert_one_error(parsed, "journal must be a map of settings");
    cr_assert_null(strstr(parsed.report, "hint"));
    parsed_done(&parsed);
}

/* What stands where a section's secret is expected may be the secret. */
Test(unknown, a_secret_in_a_wrong_place_is_not_told)
{
    const char *const routes[] = {
        "    sign: hushhushhushhush\n",
        "    sign:\n      hush\n      hush\n",
        "    sign: [hush]\n",
        "    sign: {secrt: hush}\n",
        "    sign: {hush}\n",
        "    sign: {hush hush: }\n",
        "    sign:\n      secrets: {a: hush}\n",
        "    sign:\n      key:\n        - hush\n",
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct parsed parsed = parse_with("", "", routes[i]);
        assert_one_error(parsed, "sign");
        cr_assert_null(strstr(parsed.report, "hush"), "%s", parsed.report);
        cr_assert(strstr(parsed.report, "(not shown: it holds a secret)"), "%s", parsed.report);
        parsed_done(&parsed);
    }
    expect_error("", "", "    sign: {secrt: hush}\n", "hint: did you mean \"secret\"?");
    expect_error("", "    sign: {sekret: hush}\n", "", "f.yaml:5:12: error: unknown key in sign");
}
