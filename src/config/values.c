/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of units; one reader and one writer for durations and sizes.
 */
#include "values.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *text;
    uint64_t factor;
    bool shown; /* used when writing */
};

/* From the largest to the smallest, as the writer needs it. */
static const struct unit DURATIONS[] = {
    {"d", 86400000, true}, {"h", 3600000, true}, {"m", 60000, true},
    {"s", 1000, true},     {"ms", 1, true},      {NULL, 0, false},
};

static const struct unit SIZES[] = {
    {"GiB", UINT64_C(1) << 30, true},
    {"GB", 1000000000, false},
    {"MiB", UINT64_C(1) << 20, true},
    {"MB", 1000000, false},
    {"KiB", UINT64_C(1) << 10, true},
    {"kB", 1000, false},
    {"B", 1, true},
    {NULL, 0, false},
};

/* Microseconds. */
static const struct unit RATES[] = {
    {"/h", UINT64_C(3600000000), false},
    {"/m", 60000000, false},
    {"/s", 1000000, false},
    {NULL, 0, false},
};

/* Reads the digits at the front; *ret_rest is what follows them. */
static enum value_fault read_digits(struct slice text, uint64_t *ret_number, struct slice *ret_rest)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return VALUE_TOO_LARGE;
        number = number * 10 + digit;
    }
    /* A leading zero is octal to some readers and decimal to others: to us it is neither. */
    if (i == 0 || (i > 1 && text.data[0] == '0'))
        return VALUE_NOT_A_NUMBER;
    *ret_number = number;
    *ret_rest = slice_skip(text, i);
    return VALUE_OK;
}

/* Reads a number and its unit. */
static enum value_fault read_number(struct slice text, const struct unit *units,
                                    uint64_t *ret_number, uint64_t *ret_factor)
{
    uint64_t number;
    struct slice rest;
    enum value_fault fault = read_digits(text, &number, &rest);
    if (fault)
        return fault;
    if (rest.len == 0)
        return VALUE_NO_UNIT;
    while (units->text && !slice_eq(rest, slice_str(units->text)))
        units++;
    if (!units->text)
        return VALUE_BAD_UNIT;
    *ret_number = number;
    *ret_factor = units->factor;
    return VALUE_OK;
}

static enum value_fault read_scaled(struct slice text, const struct unit *units,
                                    uint64_t *ret_number)
{
    uint64_t number, factor;
    enum value_fault fault = read_number(text, units, &number, &factor);
    if (fault)
        return fault;
    if (number > UINT64_MAX / factor)
        return VALUE_TOO_LARGE;
    *ret_number = number * factor;
    return VALUE_OK;
}

enum value_fault value_duration(struct slice text, uint64_t *ret_ms)
{
    return read_scaled(text, DURATIONS, ret_ms);
}

enum value_fault value_size(struct slice text, uint64_t *ret_bytes)
{
    return read_scaled(text, SIZES, ret_bytes);
}

enum value_fault value_count(struct slice text, uint64_t *ret_count)
{
    uint64_t number;
    struct slice rest;
    enum value_fault fault = read_digits(text, &number, &rest);
    if (fault)
        return fault;
    if (rest.len > 0)
        return VALUE_NOT_A_NUMBER;
    *ret_count = number;
    return VALUE_OK;
}

enum value_fault value_rate(struct slice text, uint64_t *ret_count, uint64_t *ret_period_us)
{
    return read_number(text, RATES, ret_count, ret_period_us);
}

static void format_scaled(uint64_t number, const struct unit *units, const char *zero,
                          char ret_text[static VALUE_TEXT_SIZE])
{
    if (number == 0) {
        snprintf(ret_text, VALUE_TEXT_SIZE, "%s", zero);
        return;
    }
    while (!units->shown || number % units->factor != 0)
        units++;
    snprintf(ret_text, VALUE_TEXT_SIZE, "%" PRIu64 "%s", number / units->factor, units->text);
}

void value_format_duration(uint64_t ms, char ret_text[static VALUE_TEXT_SIZE])
{
    /* One day is told as 24h, as people write a window. */
    format_scaled(ms, ms == DURATIONS[0].factor ? DURATIONS + 1 : DURATIONS, "0s", ret_text);
}

void value_format_size(uint64_t bytes, char ret_text[static VALUE_TEXT_SIZE])
{
    format_scaled(bytes, SIZES, "0B", ret_text);
}
