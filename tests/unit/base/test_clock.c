/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/clock: the calendar against gmtime_r, and that both clocks run. */
#include <postern/base/clock.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static void assert_text(uint64_t wall_ms, const char *expected)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ms, text);
    cr_assert_str_eq(text, expected);
}

Test(clock, texts_of_remarkable_instants)
{
    assert_text(0, "1970-01-01T00:00:00.000Z");
    assert_text(999, "1970-01-01T00:00:00.999Z");
    assert_text(86399999, "1970-01-01T23:59:59.999Z");
    assert_text(86400000, "1970-01-02T00:00:00.000Z");
    assert_text(951782399999, "2000-02-28T23:59:59.999Z");
    assert_text(951782400000, "2000-02-29T00:00:00.000Z");
    assert_text(951868800000, "2000-03-01T00:00:00.000Z");
    assert_text(4107542400000, "2100-03-01T00:00:00.000Z");
    assert_text(253402300799999, "9999-12-31T23:59:59.999Z");
}

Test(clock, beyond_the_last_year_the_text_stays)
{
    assert_text(253402300800000, "9999-12-31T23:59:59.999Z");
    assert_text(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

Test(clock, every_day_agrees_with_the_system)
{
    for (time_t day = 0; day < 2932897; day++) {
        time_t seconds = day * 86400 + day % 86400;
        struct tm parts;
        gmtime_r(&seconds, &parts);
        char expected[64];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.007Z",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec);
        assert_text((uint64_t)seconds * 1000 + 7, expected);
    }
}

Test(clock, refresh_reads_both_clocks)
{
    struct clock before, after;
    clock_refresh(&before);
    do
        clock_refresh(&after);
    while (after.mono_us == before.mono_us);
    cr_assert_gt(after.mono_us, before.mono_us);
    cr_assert_eq(clock_mono_ms(&after), after.mono_us / 1000);
    uint64_t seconds = (uint64_t)time(NULL);
    cr_assert_leq(after.wall_ms / 1000, seconds);
    cr_assert_geq(after.wall_ms / 1000 + 60, seconds);
}
