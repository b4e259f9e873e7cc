/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/escape: the borders of UTF-8, and every byte that has to be escaped. */
#include "escape.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void assert_escaped(struct slice text, size_t taken, struct slice expected)
{
    struct escaped escaped = escape_next(text);
    cr_assert_eq(escaped.taken, taken, "%zu bytes taken", escaped.taken);
    cr_assert(slice_eq(slice_of(escaped.bytes, escaped.len), expected), "got \"%.*s\"",
              (int)escaped.len, escaped.bytes);
}

Test(escape, named_escapes)
{
    assert_escaped(SLICE("\""), 1, SLICE("\\\""));
    assert_escaped(SLICE("\\"), 1, SLICE("\\\\"));
    assert_escaped(SLICE("\n"), 1, SLICE("\\n"));
    assert_escaped(SLICE("\r"), 1, SLICE("\\r"));
    assert_escaped(SLICE("\t"), 1, SLICE("\\t"));
    assert_escaped(SLICE("\b"), 1, SLICE("\\b"));
    assert_escaped(SLICE("\f"), 1, SLICE("\\f"));
}

Test(escape, every_ascii_byte)
{
    for (int c = 0; c < 0x80; c++) {
        char byte = (char)c;
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        struct escaped escaped = escape_next(slice_of(&byte, 1));
        cr_assert_eq(escaped.taken, 1);
        cr_assert_eq(escape_plain_run(slice_of(&byte, 1)), plain ? 1 : 0);
        cr_assert_eq(escaped.len == 1 && escaped.bytes[0] == byte, plain);
        for (size_t i = 0; i < escaped.len; i++)
            cr_assert(escaped.bytes[i] >= 0x20 && escaped.bytes[i] < 0x7f);
    }
    assert_escaped(SLICE("\0"), 1, SLICE("\\u0000"));
    assert_escaped(SLICE("\x1f"), 1, SLICE("\\u001f"));
    assert_escaped(SLICE("\x7f"), 1, SLICE("\\u007f"));
}

Test(escape, control_characters_and_line_separators_beyond_ascii)
{
    assert_escaped(SLICE("\xc2\x80"), 2, SLICE("\\u0080"));
    assert_escaped(SLICE("\xc2\x9f"), 2, SLICE("\\u009f"));
    assert_escaped(SLICE("\xc2\xa0"), 2, SLICE("\xc2\xa0"));
    assert_escaped(SLICE("\xe2\x80\xa7"), 3, SLICE("\xe2\x80\xa7"));
    assert_escaped(SLICE("\xe2\x80\xa8"), 3, SLICE("\\u2028"));
    assert_escaped(SLICE("\xe2\x80\xa9"), 3, SLICE("\\u2029"));
    assert_escaped(SLICE("\xe2\x80\xaa"), 3, SLICE("\xe2\x80\xaa"));
}

Test(escape, plain_run_stops_where_it_has_to)
{
    cr_assert_eq(escape_plain_run(SLICE("")), 0);
    cr_assert_eq(escape_plain_run(SLICE("abc")), 3);
    cr_assert_eq(escape_plain_run(SLICE("ab\"c")), 2);
    cr_assert_eq(escape_plain_run(SLICE("ab\xc3\xa4")), 2);
}

/* Writes `point` as UTF-8 would, whether it may or not. */
static size_t encode(unsigned point, unsigned char bytes[4])
{
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i > 1; i--, point >>= 6)
        bytes[i - 1] = (unsigned char)(0x80 | (point & 0x3f));
    bytes[0] = (unsigned char)(leads[length] | point);
    return length;
}

Test(escape, every_code_point)
{
    for (unsigned point = 0; point < 0x1fffff; point++) {
        unsigned char bytes[4];
        size_t length = encode(point, bytes);
        bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        cr_assert_eq(escape_utf8_length(slice_of(bytes, length)), valid ? length : 0, "U+%X",
                     point);
        if (length > 1)
            cr_assert_eq(escape_utf8_length(slice_of(bytes, length - 1)), 0, "U+%X cut", point);
    }
}

Test(escape, what_is_not_utf8)
{
    struct slice replacement = SLICE("\xef\xbf\xbd");
    assert_escaped(SLICE("\x80"), 1, replacement);
    assert_escaped(SLICE("\xbf\xbf"), 1, replacement);
    assert_escaped(SLICE("\xc0\x80"), 1, replacement);     /* overlong NUL */
    assert_escaped(SLICE("\xc1\xbf"), 1, replacement);     /* overlong */
    assert_escaped(SLICE("\xe0\x9f\xbf"), 1, replacement); /* overlong */
    assert_escaped(SLICE("\xf0\x8f\xbf\xbf"), 1, replacement);
    assert_escaped(SLICE("\xed\xa0\x80"), 1, replacement); /* a surrogate */
    assert_escaped(SLICE("\xf4\x90\x80\x80"), 1, replacement);
    assert_escaped(SLICE("\xf5\x80\x80\x80"), 1, replacement);
    assert_escaped(SLICE("\xff"), 1, replacement);
    assert_escaped(SLICE("\xc3"
                         "a"),
                   1, replacement);
    assert_escaped(SLICE("\xe2\x82"
                         "a"),
                   1, replacement);
    assert_escaped(SLICE("\xf0\x9f\x98"
                         "a"),
                   1, replacement);
}
