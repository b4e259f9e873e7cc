/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number is read as its significant digits and the place of its point, and laid out again by
 * ECMAScript's Number::toString. There is no floating point in it: up to 15 digits a decimal is
 * always the shortest text of its double, and the longer ones that are come out the same way. What
 * is not would lose digits in a double, so it must not go through one.
 */
#include "json_number.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define PLAIN_DIGITS 21   /* ECMAScript writes integers of up to 21 digits without an exponent */
#define LEADING_ZEROS 6   /* … and fractions below 1e-6 with one */
#define EXPONENT_DIGITS 9 /* of the input */

/* 0.d1d2d3… times ten to the power of `point`; no zero at either end, no digits for 0. */
struct decimal {
    bool negative;
    size_t count;
    int64_t point;
    char digits[JSON_MAX_NUMBER_BYTES];
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool json_number_is_plain(struct slice number)
{
    size_t sign = number.data[0] == '-';
    if (number.len - sign > PLAIN_DIGITS || (sign && number.data[1] == '0'))
        return false;
    for (size_t i = sign; i < number.len; i++)
        if (!is_digit(number.data[i]))
            return false;
    return true;
}

/* ---- reading ---- */

static bool read_exponent(struct slice text, int64_t *ret_exponent)
{
    bool negative = text.data[0] == '-';
    if (!is_digit(text.data[0]))
        text = slice_skip(text, 1);
    while (text.len > 1 && text.data[0] == '0')
        text = slice_skip(text, 1);
    if (text.len > EXPONENT_DIGITS)
        return false;
    int64_t exponent = 0;
    for (size_t i = 0; i < text.len; i++)
        exponent = exponent * 10 + (text.data[i] - '0');
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

/* The digits up to an exponent, with the zeros at both ends dropped. Returns the bytes read. */
static size_t read_digits(struct slice number, struct decimal *decimal)
{
    bool fraction = false;
    size_t at = decimal->negative;
    for (; at < number.len && (is_digit(number.data[at]) || number.data[at] == '.'); at++) {
        char c = number.data[at];
        if (c == '.') {
            fraction = true;
            continue;
        }
        bool leading = c == '0' && decimal->count == 0;
        decimal->point += leading ? -(int)fraction : !fraction;
        if (!leading)
            decimal->digits[decimal->count++] = c;
    }
    while (decimal->count > 0 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
    return at;
}

static bool read_decimal(struct slice number, struct decimal *decimal)
{
    decimal->negative = number.data[0] == '-';
    decimal->count = 0;
    decimal->point = 0;
    size_t at = read_digits(number, decimal);
    int64_t exponent = 0;
    if (at < number.len && !read_exponent(slice_skip(number, at + 1), &exponent))
        return false;
    decimal->point += exponent;
    return true;
}

/* ---- writing ---- */

static char *put_zeros(char *to, int64_t count)
{
    memset(to, '0', (size_t)count);
    return to + count;
}

static char *put_digits(char *to, const struct decimal *decimal, size_t from, size_t end)
{
    memcpy(to, decimal->digits + from, end - from);
    return to + (end - from);
}

/* d.ddde+n */
static char *put_scientific(char *to, const struct decimal *decimal)
{
    to = put_digits(to, decimal, 0, 1);
    if (decimal->count > 1) {
        *to++ = '.';
        to = put_digits(to, decimal, 1, decimal->count);
    }
    return to + sprintf(to, "e%+" PRId64, decimal->point - 1);
}

static char *put_decimal(char *to, const struct decimal *decimal)
{
    int64_t point = decimal->point;
    int64_t count = (int64_t)decimal->count;
    if (point > PLAIN_DIGITS || point <= -LEADING_ZEROS)
        return put_scientific(to, decimal);
    if (point >= count) {
        to = put_digits(to, decimal, 0, decimal->count);
        return put_zeros(to, point - count);
    }
    if (point > 0) {
        to = put_digits(to, decimal, 0, (size_t)point);
        *to++ = '.';
        return put_digits(to, decimal, (size_t)point, decimal->count);
    }
    *to++ = '0';
    *to++ = '.';
    to = put_zeros(to, -point);
    return put_digits(to, decimal, 0, decimal->count);
}

bool json_number_write(struct slice number, char ret_text[static JSON_NUMBER_TEXT_BYTES],
                       size_t *ret_len)
{
    struct decimal decimal;
    if (number.len > JSON_MAX_NUMBER_BYTES || !read_decimal(number, &decimal))
        return false;
    char *to = ret_text;
    if (decimal.count == 0) {
        *to++ = '0'; /* -0 as well */
    } else {
        if (decimal.negative)
            *to++ = '-';
        to = put_decimal(to, &decimal);
    }
    *ret_len = (size_t)(to - ret_text);
    return true;
}
