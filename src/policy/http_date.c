/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three forms as patterns of one letter per field; everything else in a pattern stands for
 * itself.
 */
#include "http_date.h"

#include <stddef.h>

#define NAME_COUNT(names) (sizeof(names) / sizeof((names)[0]))
#define LAST_YEAR 9999
#define DAY_S 86400
#define FIFTY_YEARS_S (INT64_C(18263) * DAY_S) /* with 13 leap days, the most there are */

static const char *const SHORT_DAYS[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const LONG_DAYS[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const ZONES[] = {"GMT"};

/* a, A: day of the week, short and long. d: day of the month; e: the same, with a space for a
 * leading zero. b: month. Y, y: year of four and of two digits. H, M, S: time of day. Z: GMT. */
static const char *const PATTERNS[] = {"a, d b Y H:M:S Z", "A, d-b-y H:M:S Z", "a b e H:M:S Y"};

struct date {
    int year, month, day; /* month 1 to 12 */
    int hour, minute, second;
    bool has_century;
};

static bool take_digits(struct slice *text, size_t count, int *ret_number)
{
    int number = 0;
    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        number = number * 10 + (text->data[i] - '0');
    }
    *text = slice_skip(*text, count);
    *ret_number = number;
    return true;
}

/* Takes one of the names; *ret_number counts them from 1. */
static bool take_name(struct slice *text, const char *const *names, size_t count, int *ret_number)
{
    for (size_t i = 0; i < count; i++)
        if (slice_starts(*text, slice_str(names[i]))) {
            *text = slice_skip(*text, strlen(names[i]));
            *ret_number = (int)i + 1;
            return true;
        }
    return false;
}

static bool take_padded_day(struct slice *text, int *ret_day)
{
    bool padded = slice_starts(*text, SLICE(" "));
    *text = slice_skip(*text, padded);
    return take_digits(text, padded ? 1 : 2, ret_day);
}

static bool take_char(struct slice *text, char c)
{
    bool is_next = text->len > 0 && text->data[0] == c;
    *text = slice_skip(*text, is_next);
    return is_next;
}

static bool take_year(struct slice *text, size_t digits, struct date *date)
{
    date->has_century = digits == 4;
    return take_digits(text, digits, &date->year);
}

static bool take_field(struct slice *text, char field, struct date *date)
{
    int unused; /* which day of the week, which zone */
    switch (field) {
    case 'a':
        return take_name(text, SHORT_DAYS, NAME_COUNT(SHORT_DAYS), &unused);
    case 'A':
        return take_name(text, LONG_DAYS, NAME_COUNT(LONG_DAYS), &unused);
    case 'b':
        return take_name(text, MONTHS, NAME_COUNT(MONTHS), &date->month);
    case 'd':
        return take_digits(text, 2, &date->day);
    case 'e':
        return take_padded_day(text, &date->day);
    case 'Y':
        return take_year(text, 4, date);
    case 'y':
        return take_year(text, 2, date);
    case 'H':
        return take_digits(text, 2, &date->hour);
    case 'M':
        return take_digits(text, 2, &date->minute);
    case 'S':
        return take_digits(text, 2, &date->second);
    case 'Z':
        return take_name(text, ZONES, NAME_COUNT(ZONES), &unused);
    default:
        return take_char(text, field);
    }
}

static bool matches(struct slice text, struct slice pattern, struct date *date)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (!take_field(&text, pattern.data[i], date))
            return false;
    return text.len == 0;
}

/* ---- the calendar ---- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Second 60 is a leap second. */
static bool exists(const struct date *date)
{
    return date->day >= 1 && date->day <= days_of_month(date->year, date->month) &&
           date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

/* Since 1970. Years are taken to begin in March, so that the leap day is the last of its year. */
static int64_t seconds_of(const struct date *date)
{
    int64_t year = date->month > 2 ? date->year : date->year - 1; /* from 0 on: never below -1 */
    int64_t month = date->month > 2 ? date->month - 3 : date->month + 9;
    int64_t shifted = year + 400; /* so that the divisions below round down */
    int64_t days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 +
                   (153 * month + 2) / 5 + date->day - 1;
    days -= 719468 + 146097; /* 1970-01-01 since 0000-03-01, and the 400 years */
    return days * DAY_S + date->hour * 3600 + date->minute * 60 + date->second;
}

/* Gives a year of two digits its century: the last in which it is not more than 50 years ahead. */
static void add_century(struct date *date, int64_t now_s)
{
    struct date later = *date;
    date->year += 1900;
    for (later.year = date->year + 100; later.year <= LAST_YEAR; later.year += 100)
        if (seconds_of(&later) <= now_s + FIFTY_YEARS_S)
            date->year = later.year;
}

bool http_date_parse(struct slice text, uint64_t now_wall_ms, uint64_t *ret_wall_ms)
{
    for (size_t i = 0; i < NAME_COUNT(PATTERNS); i++) {
        struct date date = {.year = 0};
        if (!matches(text, slice_str(PATTERNS[i]), &date))
            continue;
        if (!date.has_century)
            add_century(&date, (int64_t)(now_wall_ms / 1000));
        if (!exists(&date))
            return false;
        int64_t seconds = seconds_of(&date);
        *ret_wall_ms = seconds > 0 ? (uint64_t)seconds * 1000 : 0;
        return true;
    }
    return false;
}
