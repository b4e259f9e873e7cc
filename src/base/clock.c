/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that reads the system clocks, and the text of a wall-clock instant. The calendar is
 * computed here rather than by gmtime_r, which takes a process-wide lock that every log line of
 * every thread would meet.
 */
#include <postern/base/clock.h>

#include <time.h>

#define MS_PER_DAY 86400000u
#define LAST_WALL_MS 253402300799999u /* 9999-12-31T23:59:59.999Z, the last with four digits */

static uint64_t read_us(clockid_t id)
{
    struct timespec now = {0};
    /* Can't fail for these two clocks with a valid pointer. */
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void clock_refresh(struct clock *clock)
{
    clock->mono_us = read_us(CLOCK_MONOTONIC);
    clock->wall_ms = read_us(CLOCK_REALTIME) / 1000u;
}

struct date {
    unsigned year, month, day;
};

/* The Gregorian date of a day counted from 1970-01-01. Years are taken to begin in March, so that
 * the leap day is the last of its year; 400 years have 146097 days and repeat. */
static struct date date_of_day(uint64_t days_since_1970)
{
    unsigned days = (unsigned)days_since_1970 + 719468u; /* since 0000-03-01 */
    unsigned era = days / 146097u;
    unsigned day_of_era = days % 146097u;
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460u + day_of_era / 36524u - day_of_era / 146096u) / 365u;
    unsigned day_of_year = day_of_era -
                           (365u * year_of_era + year_of_era / 4u - year_of_era / 100u);
    unsigned month = (5u * day_of_year + 2u) / 153u; /* 0 is March */
    struct date date = {
        .year = era * 400u + year_of_era + (month >= 10 ? 1 : 0),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153u * month + 2u) / 5u + 1,
    };
    return date;
}

/* Writes `width` digits and the character that follows them; returns where the text goes on. */
static char *put(char *out, unsigned number, unsigned width, char after)
{
    for (unsigned i = width; i > 0; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    out[width] = after;
    return out + width + 1;
}

void clock_rfc3339(uint64_t wall_ms, char ret_text[static CLOCK_RFC3339_SIZE])
{
    if (wall_ms > LAST_WALL_MS)
        wall_ms = LAST_WALL_MS;
    struct date date = date_of_day(wall_ms / MS_PER_DAY);
    unsigned ms = (unsigned)(wall_ms % MS_PER_DAY);
    char *out = put(ret_text, date.year, 4, '-');
    out = put(out, date.month, 2, '-');
    out = put(out, date.day, 2, 'T');
    out = put(out, ms / 3600000u, 2, ':');
    out = put(out, ms / 60000u % 60u, 2, ':');
    out = put(out, ms / 1000u % 60u, 2, '.');
    out = put(out, ms % 1000u, 3, 'Z');
    *out = '\0';
}
