/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of admin/when: instants that are read, and texts that are none. */
#include "when.h"

#include <criterion/criterion.h>
#include <postern/base/clock.h>

#define NOW 1795219200123u /* 2026-11-21T00:00:00.123Z */

static uint64_t parse(const char *text)
{
    uint64_t ms = 0;
    return when_parse(slice_str(text), NOW, &ms) ? ms : 0;
}

Test(when, instants)
{
    cr_expect_eq(parse("2026-11-21T00:00:00.123Z"), NOW);
    cr_expect_eq(parse("2026-11-21t00:00:00.1239999999999999999999999z"), NOW);
    cr_expect_eq(parse("2026-11-21T02:00:00.123+02:00"), NOW);
    cr_expect_eq(parse("2026-11-20T18:30:00.123-05:30"), NOW);
    cr_expect_eq(parse("1970-01-01T00:00:01Z"), 1000);
    cr_expect_eq(parse("2024-02-29T00:00:00Z"), 1709164800000u);
    cr_expect_eq(parse("2016-12-31T23:59:60Z"), 1483228800000u);
    cr_expect_eq(parse("9999-12-31T23:59:59.999Z"), 253402300799999u);
}

Test(when, instants_agree_with_the_clocks_text)
{
    for (uint64_t ms = 1; ms < 253402300799999u; ms += 86400000u * 11 + 12345677u) {
        char text[CLOCK_RFC3339_SIZE];
        clock_rfc3339(ms, text);
        cr_assert_eq(parse(text), ms, "%s", text);
    }
}

Test(when, how_long_ago)
{
    cr_expect_eq(parse("1s"), NOW - 1000);
    cr_expect_eq(parse("15m"), NOW - 900000);
    cr_expect_eq(parse("2h"), NOW - 7200000);
    cr_expect_eq(parse("7d"), NOW - 604800000);
    cr_expect_eq(parse("0s"), NOW);
}

Test(when, what_is_none)
{
    static const char *const texts[] = {"",
                                        "m",
                                        "15",
                                        "15 m",
                                        "-1h",
                                        "1w",
                                        "1.5h",
                                        "999999999d",
                                        "99999999999s",
                                        "20777d9h",
                                        "2026-11-21",
                                        "2026-11-21T00:00:00",
                                        "2026-11-21T00:00Z",
                                        "2026-11-21 00:00:00Z",
                                        "2026-13-01T00:00:00Z",
                                        "2026-00-01T00:00:00Z",
                                        "2026-02-29T00:00:00Z",
                                        "2026-11-31T00:00:00Z",
                                        "2026-11-00T00:00:00Z",
                                        "2026-11-21T24:00:00Z",
                                        "2026-11-21T00:60:00Z",
                                        "2026-11-21T00:00:61Z",
                                        "2026-11-21T00:00:00.Z",
                                        "2026-11-21T00:00:00+0200",
                                        "2026-11-21T00:00:00+24:00",
                                        "2026-11-21T00:00:00Zx",
                                        "1969-12-31T23:59:59Z",
                                        "1970-01-01T00:00:00Z",
                                        "1970-01-01T00:30:00+01:00",
                                        "20261121T000000Z",
                                        "2026-11-21T00:00:00\xd9\xa0Z",
                                        "+026-11-21T00:00:00Z"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_eq(parse(texts[i]), 0, "%s", texts[i]);
}
