/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One character at a time from bytes of unknown origin to the inside of a JSON string. The UTF-8
 * check follows table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#include "escape.h"

#include <stdint.h>

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

size_t escape_plain_run(struct slice text)
{
    size_t n = 0;
    while (n < text.len && is_plain((unsigned char)text.data[n]))
        n++;
    return n;
}

static bool in_range(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* How many bytes a character that begins with `lead` has, and which second bytes it may have; 0 for
 * a byte that begins none. */
static size_t utf8_lead(unsigned char lead, unsigned char *ret_low, unsigned char *ret_high)
{
    *ret_low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *ret_high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (in_range(lead, 0xc2, 0xdf))
        return 2;
    if (in_range(lead, 0xe0, 0xef))
        return 3;
    return in_range(lead, 0xf0, 0xf4) ? 4 : 0;
}

size_t escape_utf8_length(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (bytes[0] < 0x80)
        return 1;
    unsigned char low, high;
    size_t length = utf8_lead(bytes[0], &low, &high);
    if (length == 0 || length > text.len || !in_range(bytes[1], low, high))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!in_range(bytes[i], 0x80, 0xbf))
            return 0;
    return length;
}

static struct escaped escaped_unit(size_t taken, unsigned unit)
{
    static const char hex[] = "0123456789abcdef";
    struct escaped out = {.taken = taken, .len = 6, .bytes = {'\\', 'u'}};
    for (unsigned i = 0; i < 4; i++)
        out.bytes[2 + i] = hex[unit >> (12 - 4 * i) & 0xf];
    return out;
}

static struct escaped escape_ascii(char c)
{
    static const char from[] = "\"\\\n\r\t\b\f";
    static const char to[] = "\"\\nrtbf";
    if (is_plain((unsigned char)c))
        return (struct escaped){.taken = 1, .len = 1, .bytes = {c}};
    const char *found = memchr(from, c, sizeof(from) - 1);
    if (found)
        return (struct escaped){.taken = 1, .len = 2, .bytes = {'\\', to[found - from]}};
    return escaped_unit(1, (unsigned char)c);
}

struct escaped escape_next(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (bytes[0] < 0x80)
        return escape_ascii(text.data[0]);
    size_t length = escape_utf8_length(text);
    if (length == 0)
        return (struct escaped){.taken = 1, .len = 3, .bytes = {'\xef', '\xbf', '\xbd'}};
    if (length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0)
        return escaped_unit(2, bytes[1]);
    if (length == 3 && bytes[0] == 0xe2 && bytes[1] == 0x80 && (bytes[2] & 0xfe) == 0xa8)
        return escaped_unit(3, 0x2000u | (bytes[2] & 0x3fu));
    struct escaped out = {.taken = length, .len = length};
    memcpy(out.bytes, bytes, length);
    return out;
}
