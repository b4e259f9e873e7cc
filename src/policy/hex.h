/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hexadecimal digits and percent-encoded bytes (RFC 3986 2.1), read one at a time: for JSON
 * escapes, query values and paths. Private to policy/.
 */
#ifndef POSTERN_POLICY_HEX_H
#define POSTERN_POLICY_HEX_H

#include <postern/base/slice.h>

/* The value of a hexadecimal digit of either case, or -1. */
static inline int hex_digit(char c)
{
    char lower = ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte (0 to 255) that `text` begins with in percent-encoding, or -1 when it doesn't. */
static inline int percent_byte(struct slice text)
{
    if (text.len < 3 || text.data[0] != '%')
        return -1;
    int high = hex_digit(text.data[1]);
    int low = hex_digit(text.data[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

#endif
