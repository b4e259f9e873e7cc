/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of policy/http_date: the three forms, each field at, below and above its bounds, years
 * of two digits, and every day of five centuries against the C library. */
#include "http_date.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#define NOW_MS UINT64_C(1700000000000) /* 2023-11-14 */

static void is_date(const char *text, uint64_t seconds)
{
    uint64_t ms = 0;
    cr_assert(http_date_parse(slice_str(text), NOW_MS, &ms), "\"%s\"", text);
    cr_assert_eq(ms, seconds * 1000, "\"%s\": %llu", text, (unsigned long long)ms);
}

static void is_none(const char *text)
{
    uint64_t ms = 12345;
    cr_assert_not(http_date_parse(slice_str(text), NOW_MS, &ms), "\"%s\"", text);
    cr_assert_eq(ms, 12345, "untouched");
}

Test(http_date, the_three_forms_of_the_specification)
{
    is_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    is_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    is_date("Sun Nov  6 08:49:37 1994", 784111777);
    is_date("Wed Nov 16 08:49:37 1994", 784975777);
}

Test(http_date, every_name)
{
    char text[64];
    const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *const long_days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday"};
    for (size_t i = 0; i < 7; i++) {
        snprintf(text, sizeof(text), "%s, 01 Jan 1970 00:00:01 GMT", days[i]);
        is_date(text, 1);
        snprintf(text, sizeof(text), "%s, 01-Jan-80 00:00:01 GMT", long_days[i]);
        is_date(text, 315532801);
    }
    for (unsigned i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "Sun, 01 %s 1970 00:00:00 GMT", months[i]);
        struct tm tm = {.tm_year = 70, .tm_mon = (int)i, .tm_mday = 1};
        is_date(text, (uint64_t)timegm(&tm));
    }
}

Test(http_date, every_day_of_five_centuries)
{
    const time_t last = INT64_C(15778800000); /* 2470 */
    for (time_t at = 86399; at < last; at += 86400) {
        struct tm tm;
        char text[64];
        cr_assert_not_null(gmtime_r(&at, &tm));
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        is_date(text, (uint64_t)at);
        strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
        is_date(text, (uint64_t)at);
    }
}

Test(http_date, fields_at_and_beyond_their_bounds)
{
    is_date("Sun, 31 Jan 1971 23:59:59 GMT", 34214399);
    is_date("Sun, 31 Jan 1971 23:59:60 GMT", 34214400);
    is_date("Fri, 31 Dec 9999 23:59:59 GMT", UINT64_C(253402300799));
    const char *const wrong[] = {
        "Sun, 00 Jan 1971 00:00:00 GMT", "Sun, 32 Jan 1971 00:00:00 GMT",
        "Sun, 31 Apr 1971 00:00:00 GMT", "Sun, 01 Jan 1971 24:00:00 GMT",
        "Sun, 01 Jan 1971 00:60:00 GMT", "Sun, 01 Jan 1971 00:00:61 GMT",
        "Sun, 01 Abc 1971 00:00:00 GMT", "Son, 01 Jan 1971 00:00:00 GMT",
        "Sun Jan  0 00:00:00 1971",      "Sun Jan 32 00:00:00 1971",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        is_none(wrong[i]);
}

Test(http_date, leap_days)
{
    is_date("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
    is_date("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800);
    is_none("Thu, 29 Feb 2023 00:00:00 GMT");
    is_none("Thu, 29 Feb 2100 00:00:00 GMT");
    is_none("Thu, 30 Feb 2024 00:00:00 GMT");
}

Test(http_date, before_1970_is_zero)
{
    is_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    is_date("Wed, 31 Dec 1969 23:59:59 GMT", 0);
    is_date("Mon, 01 Jan 0000 00:00:00 GMT", 0);
    is_date("Tue, 29 Feb 0000 00:00:00 GMT", 0);
}

static void two_digits_are(const char *text, uint64_t now_s, const char *full)
{
    uint64_t ms = 1, expected = 2;
    cr_assert(http_date_parse(slice_str(text), now_s * 1000, &ms));
    cr_assert(http_date_parse(slice_str(full), 0, &expected));
    cr_assert_eq(ms, expected, "\"%s\": %llu", text, (unsigned long long)ms);
}

/* 946684800 is the first second of 2000. */
Test(http_date, years_of_two_digits)
{
    two_digits_are("Monday, 01-Jan-50 00:00:00 GMT", 946684800, "Mon, 01 Jan 2050 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-50 00:00:01 GMT", 946684800, "Mon, 01 Jan 1950 00:00:01 GMT");
    two_digits_are("Monday, 31-Dec-75 23:59:59 GMT", 1767225600, "Mon, 31 Dec 2075 23:59:59 GMT");
    two_digits_are("Monday, 03-Jan-76 00:00:00 GMT", 1767225600, "Mon, 03 Jan 1976 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-99 00:00:00 GMT", 946684800, "Mon, 01 Jan 1999 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-00 00:00:00 GMT", 946684799, "Mon, 01 Jan 2000 00:00:00 GMT");
    two_digits_are("Monday, 29-Feb-00 00:00:00 GMT", 946684799, "Mon, 29 Feb 2000 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-24 00:00:00 GMT", NOW_MS / 1000,
                   "Mon, 01 Jan 2024 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-80 00:00:00 GMT", NOW_MS / 1000,
                   "Mon, 01 Jan 1980 00:00:00 GMT");
    two_digits_are("Monday, 01-Jan-10 00:00:00 GMT", UINT64_MAX / 1000,
                   "Mon, 01 Jan 9910 00:00:00 GMT");
}

Test(http_date, a_leap_day_of_a_century_that_has_none)
{
    uint64_t ms = 12345;
    const uint64_t in_2090_ms = UINT64_C(3786912000000);
    cr_assert_not(http_date_parse(SLICE("Monday, 29-Feb-00 00:00:00 GMT"), in_2090_ms, &ms));
    cr_assert_eq(ms, 12345);
}

Test(http_date, almost_dates)
{
    static const char right[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    char text[64];
    for (size_t cut = 0; cut < sizeof(right) - 1; cut++) {
        snprintf(text, sizeof(text), "%.*s", (int)cut, right);
        is_none(text);
    }
    for (size_t i = 0; i < sizeof(right) - 1; i++) {
        memcpy(text, right, sizeof(right));
        text[i] = '#';
        is_none(text);
    }
    const char *const wrong[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT ",   " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",    "Sun, 06 Nov 1994 08:49:37",
        "sun, 06 Nov 1994 08:49:37 GMT",    "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",      "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 06 08:49:37 94",
        "Sun Nov   6 08:49:37 1994",        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",  "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        is_none(wrong[i]);
    is_date("Sun Nov 06 08:49:37 1994", 784111777);
}
