/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of net/http1_writer: lines, numbers, dates, a full buffer. */
#include <postern/net/http1.h>

#include <criterion/criterion.h>

static void expect_written(struct buf *buf, struct slice expected)
{
    struct slice text = buf_slice(buf);
    cr_expect(slice_eq(text, expected), "got \"%.*s\"", (int)text.len, text.data);
    buf_clear(buf);
}

Test(http1_writer, lines)
{
    struct buf buf;
    buf_init(&buf, 1000);
    cr_assert_eq(http1_write_request_line(&buf, SLICE("POST"), SLICE("/a?b")), STATUS_OK);
    expect_written(&buf, SLICE("POST /a?b HTTP/1.1\r\n"));
    cr_assert_eq(http1_write_status_line(&buf, 200), STATUS_OK);
    expect_written(&buf, SLICE("HTTP/1.1 200 OK\r\n"));
    cr_assert_eq(http1_write_status_line(&buf, 599), STATUS_OK);
    expect_written(&buf, SLICE("HTTP/1.1 599 Unknown\r\n"));
    cr_assert_eq(http1_write_field(&buf, SLICE("A"), SLICE("b c")), STATUS_OK);
    cr_assert_eq(http1_write_field(&buf, SLICE("Empty"), slice_of(NULL, 0)), STATUS_OK);
    cr_assert_eq(http1_write_field_u64(&buf, SLICE("Zero"), 0), STATUS_OK);
    cr_assert_eq(http1_write_field_u64(&buf, SLICE("Most"), UINT64_MAX), STATUS_OK);
    cr_assert_eq(http1_write_head_end(&buf), STATUS_OK);
    expect_written(&buf,
                   SLICE("A: b c\r\nEmpty: \r\nZero: 0\r\nMost: 18446744073709551615\r\n\r\n"));
    buf_done(&buf);
}

Test(http1_writer, chunk_heads)
{
    const struct {
        uint64_t size;
        struct slice text;
    } rows[] = {
        {1, SLICE("1\r\n")},
        {15, SLICE("f\r\n")},
        {16, SLICE("10\r\n")},
        {0xabcdef, SLICE("abcdef\r\n")},
        {UINT64_MAX, SLICE("ffffffffffffffff\r\n")},
    };
    struct buf buf;
    buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert_eq(http1_write_chunk_head(&buf, rows[i].size), STATUS_OK);
        expect_written(&buf, rows[i].text);
    }
    buf_done(&buf);
}

Test(http1_writer, a_line_is_there_whole_or_not_at_all)
{
    struct buf buf;
    buf_init(&buf, 10);
    cr_assert_eq(http1_write_field(&buf, SLICE("Name"), SLICE("value")), STATUS_FULL);
    cr_expect_eq(buf_len(&buf), 0);
    cr_assert_eq(http1_write_field(&buf, SLICE("Na"), SLICE("valu")), STATUS_OK);
    cr_assert_eq(http1_write_head_end(&buf), STATUS_FULL);
    cr_assert_eq(http1_write_status_line(&buf, 200), STATUS_FULL);
    expect_written(&buf, SLICE("Na: valu\r\n"));
    buf_done(&buf);
}

Test(http1_writer, reasons)
{
    cr_expect(slice_eq(http_reason(404), SLICE("Not Found")));
    cr_expect(slice_eq(http_reason(599), SLICE("Unknown")));
    cr_expect(slice_eq(http_reason(0), SLICE("Unknown")));
}

Test(http1_writer, dates)
{
    static const struct {
        uint64_t wall_ms;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777999, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110's own example */
        {951782400000, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1735689599999, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {253402300799000, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {253402300800000, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {UINT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[HTTP_DATE_LEN];
        http_date(rows[i].wall_ms, text);
        cr_expect(slice_eq(slice_of(text, sizeof text), slice_str(rows[i].text)), "got %.29s",
                  text);
    }
}
