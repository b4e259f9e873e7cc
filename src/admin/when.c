/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading instants. No strptime: it depends on the locale and takes half a text for a whole one.
 */
#include "when.h"

#define MS_PER_DAY 86400000

/* What is left to read; `bad` sticks. */
struct scan {
    struct slice rest;
    bool bad;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `digits` digits, a number from `least` to `most`. */
static int take_number(struct scan *scan, size_t digits, int least, int most)
{
    int number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (i >= scan->rest.len || !is_digit(scan->rest.data[i])) {
            scan->bad = true;
            return 0;
        }
        number = number * 10 + (scan->rest.data[i] - '0');
    }
    scan->rest = slice_skip(scan->rest, digits);
    scan->bad = scan->bad || number < least || number > most;
    return number;
}

/* One of two characters. */
static void take_mark(struct scan *scan, char a, char b)
{
    if (scan->rest.len == 0 || (scan->rest.data[0] != a && scan->rest.data[0] != b))
        scan->bad = true;
    scan->rest = slice_skip(scan->rest, 1);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* Days since 1970-01-01; the inverse of base/clock's date_of_day. */
static int64_t day_number(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int month_from_march = month > 2 ? month - 3 : month + 9;
    int era = y / 400, year_of_era = y % 400;
    int day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static int64_t take_date(struct scan *scan)
{
    int year = take_number(scan, 4, 1970, 9999);
    take_mark(scan, '-', '-');
    int month = take_number(scan, 2, 1, 12);
    take_mark(scan, '-', '-');
    int day = take_number(scan, 2, 1, 31);
    if (scan->bad || day > days_in_month(year, month)) {
        scan->bad = true;
        return 0;
    }
    return day_number(year, month, day) * MS_PER_DAY;
}

/* The milliseconds of a fraction; further digits are cut off. */
static int64_t take_fraction(struct scan *scan)
{
    if (scan->rest.len == 0 || scan->rest.data[0] != '.')
        return 0;
    scan->rest = slice_skip(scan->rest, 1);
    int64_t ms = take_number(scan, 1, 0, 9) * 100;
    for (int64_t unit = 10; scan->rest.len > 0 && is_digit(scan->rest.data[0]); unit /= 10) {
        ms += unit * (scan->rest.data[0] - '0');
        scan->rest = slice_skip(scan->rest, 1);
    }
    return ms;
}

static int64_t take_clock(struct scan *scan)
{
    int64_t ms = (int64_t)take_number(scan, 2, 0, 23) * 3600000;
    take_mark(scan, ':', ':');
    ms += (int64_t)take_number(scan, 2, 0, 59) * 60000;
    take_mark(scan, ':', ':');
    ms += (int64_t)take_number(scan, 2, 0, 60) * 1000; /* 60: a leap second */
    return ms + take_fraction(scan);
}

static int64_t take_offset(struct scan *scan)
{
    char sign = scan->rest.len > 0 ? scan->rest.data[0] : '\0';
    if (sign != '+' && sign != '-') {
        take_mark(scan, 'Z', 'z');
        return 0;
    }
    scan->rest = slice_skip(scan->rest, 1);
    int64_t ms = (int64_t)take_number(scan, 2, 0, 23) * 3600000;
    take_mark(scan, ':', ':');
    ms += (int64_t)take_number(scan, 2, 0, 59) * 60000;
    return sign == '+' ? ms : -ms;
}

static bool parse_instant(struct slice text, uint64_t *ret_ms)
{
    struct scan scan = {.rest = text};
    int64_t ms = take_date(&scan);
    take_mark(&scan, 'T', 't');
    ms += take_clock(&scan);
    ms -= take_offset(&scan);
    if (scan.bad || scan.rest.len > 0 || ms <= 0)
        return false;
    *ret_ms = (uint64_t)ms;
    return true;
}

static uint64_t unit_ms(char unit)
{
    switch (unit) {
    case 's':
        return 1000;
    case 'm':
        return 60000;
    case 'h':
        return 3600000;
    case 'd':
        return MS_PER_DAY;
    default:
        return 0;
    }
}

static bool parse_ago(struct slice text, uint64_t now_ms, uint64_t *ret_ms)
{
    uint64_t count = 0, unit = text.len > 1 ? unit_ms(text.data[text.len - 1]) : 0;
    if (unit == 0 || text.len > 10) /* 999,999,999 of the largest unit fit into 64 bits */
        return false;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (!is_digit(text.data[i]))
            return false;
        count = count * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (count * unit >= now_ms)
        return false;
    *ret_ms = now_ms - count * unit;
    return true;
}

bool when_parse(struct slice text, uint64_t now_ms, uint64_t *ret_ms)
{
    return parse_ago(text, now_ms, ret_ms) || parse_instant(text, ret_ms);
}
