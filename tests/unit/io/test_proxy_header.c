/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXY headers, whole and byte by byte, at and beyond every limit of their two versions.
 */
#include "proxy_header.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR "\xcb\x00\x71\x07" /* 203.0.113.7 */
#define IPV4 FOUR "\xc0\x00\x02\x01\xc8\x22\x01\xbb"
#define SIX "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
#define IPV6 SIX SIX "\x01\x02\x03\x04"

struct expectation {
    struct slice header;
    enum proxy_step step;
    const char *source; /* NULL: none */
};

/* The last step and, when that is PROXY_DONE, what it leaves untaken. */
static enum proxy_step take(struct proxy_header *header, struct slice bytes, size_t piece,
                            size_t *ret_left)
{
    *header = (struct proxy_header){0};
    enum proxy_step step = PROXY_MORE;
    while (step == PROXY_MORE && bytes.len > 0) {
        struct slice input = slice_of(bytes.data, piece < bytes.len ? piece : bytes.len);
        size_t given = input.len;
        step = proxy_header_take(header, &input);
        cr_assert(step != PROXY_MORE || input.len == 0, "all is taken while more is wanted");
        bytes = slice_skip(bytes, given - input.len);
    }
    *ret_left = bytes.len;
    return step;
}

static void assert_taken(const struct expectation *expected)
{
    static char with_rest[4096];
    const size_t pieces[] = {1, 7, sizeof with_rest};
    struct slice whole = slice_of(with_rest, expected->header.len + 5);
    memcpy(with_rest, expected->header.data, expected->header.len);
    memcpy(with_rest + expected->header.len, "PROXY", 5);
    for (size_t i = 0; i < 3; i++) {
        struct proxy_header header;
        size_t left;
        enum proxy_step step = take(&header, whole, pieces[i], &left);
        cr_assert_eq(step, expected->step, "%.*s: %d", (int)expected->header.len,
                     expected->header.data, (int)step);
        if (step != PROXY_DONE)
            continue;
        cr_assert_eq(left, 5, "what follows stays");
        cr_assert_eq(header.has_source, expected->source != NULL);
        char text[ADDRESS_TEXT_SIZE];
        if (!expected->source)
            continue;
        address_format(&header.source, text);
        cr_assert_str_eq(text, expected->source);
    }
}

static void assert_all(const struct expectation *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_taken(&expected[i]);
}

Test(proxy_header, lines)
{
    const struct expectation all[] = {
        {SLICE("PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n"), PROXY_DONE, "203.0.113.7:51234"},
        {SLICE("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), PROXY_DONE, "0.0.0.0:0"},
        {SLICE("PROXY TCP6 2001:db8::7 ::1 1 2\r\n"), PROXY_DONE, "[2001:db8::7]:1"},
        {SLICE("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n"), PROXY_DONE, "203.0.113.7:1"},
        {SLICE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         PROXY_DONE, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {SLICE("PROXY UNKNOWN\r\n"), PROXY_DONE, NULL},
        {SLICE("PROXY UNKNOWN what ever it is, 1 2 3 4 5 6 7 8\r\n"), PROXY_DONE, NULL},
    };
    assert_all(all, sizeof all / sizeof all[0]);
}

Test(proxy_header, lines_that_are_none)
{
    const struct expectation all[] = {
        {SLICE("G"), PROXY_BAD, NULL},
        {SLICE("PROXX "), PROXY_BAD, NULL},
        {SLICE("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY \r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 123456 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 ::1 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP6 1.2.3.4 ::1 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP6 ::1%lo ::1 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4\0x 1.2.3.4 1 2\r\n"), PROXY_BAD, NULL},
        {SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), PROXY_BAD, NULL},
    };
    assert_all(all, sizeof all / sizeof all[0]);
}

/* 107 bytes with the end, and one more. */
Test(proxy_header, the_longest_line)
{
    char line[PROXY_HEADER_HELD + 2];
    for (size_t len = PROXY_HEADER_HELD; len <= PROXY_HEADER_HELD + 1; len++) {
        memset(line, 'x', sizeof line);
        memcpy(line, "PROXY UNKNOWN ", 14);
        memcpy(line + len - 2, "\r\n", 2);
        const struct expectation expected = {
            slice_of(line, len), len == PROXY_HEADER_HELD ? PROXY_DONE : PROXY_BAD, NULL};
        assert_taken(&expected);
    }
}

Test(proxy_header, binary)
{
    const struct expectation all[] = {
        {SLICE(SIGNATURE "\x21\x11\x00\x0c" IPV4), PROXY_DONE, "203.0.113.7:51234"},
        {SLICE(SIGNATURE "\x21\x11\x00\x10" IPV4 "\x04\x00\x01x"), PROXY_DONE, "203.0.113.7:51234"},
        {SLICE(SIGNATURE "\x21\x21\x00\x24" IPV6), PROXY_DONE, "[2001:db8::7]:258"},
        {SLICE(SIGNATURE "\x20\x00\x00\x00"), PROXY_DONE, NULL},
        {SLICE(SIGNATURE "\x20\x11\x00\x0c" IPV4), PROXY_DONE, NULL},
        {SLICE(SIGNATURE "\x20\x11\x00\x01x"), PROXY_DONE, NULL},
        {SLICE(SIGNATURE "\x21\x00\x00\x02xx"), PROXY_DONE, NULL},
        {SLICE(SIGNATURE "\x21\x12\x00\x0c" IPV4), PROXY_DONE, NULL}, /* UDP */
        {SLICE(SIGNATURE "\x21\x22\x00\x24" IPV6), PROXY_DONE, NULL},
        {SLICE(SIGNATURE "\x21\x31\x00\x03xyz"), PROXY_DONE, NULL}, /* a UNIX socket */
    };
    assert_all(all, sizeof all / sizeof all[0]);
}

Test(proxy_header, binary_that_is_none)
{
    const struct expectation all[] = {
        {SLICE("\r\n\r\n\0\r\nQUIT\r"), PROXY_BAD, NULL},
        {SLICE("\r\n\r\nPROXY"), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x11\x11\x00\x0c" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x31\x11\x00\x0c" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x22\x11\x00\x0c" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x21\x13\x00\x0c" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x21\x41\x00\x0c" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x21\x11\x00\x0b" IPV4), PROXY_BAD, NULL},
        {SLICE(SIGNATURE "\x21\x21\x00\x23" IPV6), PROXY_BAD, NULL},
    };
    assert_all(all, sizeof all / sizeof all[0]);
}

/* As long as its length field can say. */
Test(proxy_header, the_longest_binary)
{
    static char bytes[16 + 65535 + 1];
    memcpy(bytes, SIGNATURE "\x21\x11\xff\xff" IPV4, 28);
    for (size_t piece = 1; piece <= sizeof bytes; piece = piece * 7 + 1) {
        struct proxy_header header;
        size_t left;
        cr_assert_eq(take(&header, slice_of(bytes, sizeof bytes), piece, &left), PROXY_DONE);
        cr_assert_eq(left, 1);
        cr_assert(header.has_source);
        cr_assert_eq(take(&header, slice_of(bytes, sizeof bytes - 2), piece, &left), PROXY_MORE);
        cr_assert_eq(left, 0);
    }
}

Test(proxy_header, nothing_yet)
{
    struct proxy_header header = {0};
    struct slice none = slice_of("", 0);
    cr_assert_eq(proxy_header_take(&header, &none), PROXY_MORE);
}
