/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of base/buf: ceilings, growing, sliding, numbers, JSON text, failures that leave the
 * content alone. */
#include <postern/base/buf.h>

#include "malloc_refuses.h"

#include <criterion/criterion.h>

static void assert_content(const struct buf *buf, struct slice expected)
{
    struct slice content = buf_slice(buf);
    cr_assert(slice_eq(content, expected), "got \"%.*s\"", (int)content.len, content.data);
}

Test(buf, is_empty_at_first)
{
    struct buf buf;
    buf_init(&buf, 10);
    cr_assert_eq(buf_len(&buf), 0);
    cr_assert_not_null(buf_slice(&buf).data);
    cr_assert_eq(buf.capacity, 0);
    buf_done(&buf);
}

Test(buf, fills_to_the_ceiling_and_not_beyond)
{
    struct buf buf;
    buf_init(&buf, 5);
    cr_assert_eq(buf_append(&buf, SLICE("1234")), STATUS_OK);
    cr_assert_eq(buf_append(&buf, SLICE("56")), STATUS_FULL);
    assert_content(&buf, SLICE("1234"));
    cr_assert_eq(buf_append_byte(&buf, '5'), STATUS_OK);
    cr_assert_eq(buf_append_byte(&buf, '6'), STATUS_FULL);
    cr_assert_eq(buf_append(&buf, slice_of(NULL, 0)), STATUS_OK);
    cr_assert_null(buf_reserve(&buf, 1));
    cr_assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_content(&buf, SLICE("12345"));
    cr_assert_eq(buf.capacity, 5);
    buf_done(&buf);
}

Test(buf, a_ceiling_of_zero_takes_nothing)
{
    struct buf buf;
    buf_init(&buf, 0);
    cr_assert_eq(buf_append_byte(&buf, 'a'), STATUS_FULL);
    cr_assert_not_null(buf_reserve(&buf, 0));
    cr_assert_eq(buf_printf(&buf, "%s", ""), STATUS_OK);
    buf_done(&buf);
}

Test(buf, out_of_memory_leaves_the_content, .disabled = !MALLOC_REFUSES)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX - 1);
    cr_assert_eq(buf_append(&buf, SLICE("kept")), STATUS_OK);
    cr_assert_null(buf_reserve(&buf, SIZE_MAX / 2));
    cr_assert_eq(buf_append(&buf, slice_of("", SIZE_MAX / 2)), STATUS_NO_MEMORY);
    assert_content(&buf, SLICE("kept"));
    buf_done(&buf);
}

Test(buf, reserve_and_commit)
{
    struct buf buf;
    buf_init(&buf, 1000);
    char *room = buf_reserve(&buf, 600);
    memset(room, 'x', 600);
    cr_assert_eq(buf_len(&buf), 0);
    buf_commit(&buf, 2);
    assert_content(&buf, SLICE("xx"));
    buf_done(&buf);
}

Test(buf, consume_moves_the_front)
{
    struct buf buf;
    buf_init(&buf, 100);
    cr_assert_eq(buf_append(&buf, SLICE("abcdef")), STATUS_OK);
    buf_consume(&buf, 0);
    buf_consume(&buf, 2);
    assert_content(&buf, SLICE("cdef"));
    buf_consume(&buf, 4);
    cr_assert_eq(buf_len(&buf), 0);
    cr_assert_eq(buf.start, 0);
    buf_done(&buf);
}

Test(buf, consumed_room_is_used_again)
{
    struct buf buf;
    buf_init(&buf, 8);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(buf_append(&buf, SLICE("12345")), STATUS_OK);
        buf_consume(&buf, 1);
        assert_content(&buf, SLICE("2345"));
        cr_assert_eq(buf_append(&buf, SLICE("6789")), STATUS_OK);
        assert_content(&buf, SLICE("23456789"));
        cr_assert_eq(buf_append_byte(&buf, 'x'), STATUS_FULL);
        buf_consume(&buf, 8);
    }
    cr_assert_leq(buf.capacity, 8);
    buf_done(&buf);
}

Test(buf, sliding_and_growing_keep_the_bytes)
{
    struct buf buf;
    buf_init(&buf, 4096);
    unsigned in = 0, out = 0;
    for (unsigned round = 0; round < 20000; round++) {
        unsigned want = round * 2654435761u >> 24;
        for (unsigned i = 0; i < want && buf_append_byte(&buf, (char)in) == STATUS_OK; i++)
            in++;
        size_t take = (round * 40503u >> 4) % (buf_len(&buf) + 1);
        for (size_t i = 0; i < take; i++, out++)
            cr_assert_eq(buf_slice(&buf).data[i], (char)out);
        buf_consume(&buf, take);
        cr_assert_eq(buf_len(&buf), in - out);
    }
    buf_done(&buf);
}

Test(buf, clear_keeps_the_memory_and_trim_gives_it_back)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    cr_assert_not_null(buf_reserve(&buf, 10000));
    size_t capacity = buf.capacity;
    buf_clear(&buf);
    cr_assert_eq(buf.capacity, capacity);
    buf_trim(&buf, capacity);
    cr_assert_eq(buf.capacity, capacity);
    buf_trim(&buf, capacity - 1);
    cr_assert_eq(buf.capacity, 0);
    cr_assert_eq(buf_append(&buf, SLICE("again")), STATUS_OK);
    buf_done(&buf);
    cr_assert_eq(buf_append(&buf, SLICE("and again")), STATUS_OK);
    buf_done(&buf);
}

Test(buf, truncate)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_truncate(&buf, 0);
    cr_assert_eq(buf_append(&buf, SLICE("abcdef")), STATUS_OK);
    buf_consume(&buf, 1);
    buf_truncate(&buf, 5);
    assert_content(&buf, SLICE("bcdef"));
    buf_truncate(&buf, 2);
    assert_content(&buf, SLICE("bc"));
    buf_done(&buf);
}

Test(buf, numbers)
{
    struct buf buf;
    buf_init(&buf, 100);
    cr_assert_eq(buf_append_u64(&buf, 0), STATUS_OK);
    cr_assert_eq(buf_append_byte(&buf, ' '), STATUS_OK);
    cr_assert_eq(buf_append_u64(&buf, 10), STATUS_OK);
    cr_assert_eq(buf_append_byte(&buf, ' '), STATUS_OK);
    cr_assert_eq(buf_append_u64(&buf, UINT64_MAX), STATUS_OK);
    assert_content(&buf, SLICE("0 10 18446744073709551615"));
    buf_done(&buf);
    buf_init(&buf, 2);
    cr_assert_eq(buf_append_u64(&buf, 100), STATUS_FULL);
    cr_assert_eq(buf_len(&buf), 0);
    buf_done(&buf);
}

Test(buf, printf_fits_to_the_last_byte)
{
    struct buf buf;
    buf_init(&buf, 5);
    cr_assert_eq(buf_printf(&buf, "%d-%s", 12, "ab"), STATUS_OK);
    assert_content(&buf, SLICE("12-ab"));
    cr_assert_eq(buf_printf(&buf, "%c", 'x'), STATUS_FULL);
    cr_assert_eq(buf_printf(&buf, "%s", ""), STATUS_OK);
    assert_content(&buf, SLICE("12-ab"));
    buf_done(&buf);
}

Test(buf, printf_that_can_not_be_formatted)
{
    struct buf buf;
    buf_init(&buf, 100);
    /* A wide character that the C locale has no bytes for. */
    cr_assert_eq(buf_printf(&buf, "%ls", L"\x20ac"), STATUS_INVALID);
    cr_assert_eq(buf_len(&buf), 0);
    buf_done(&buf);
}

Test(buf, json_text)
{
    struct buf buf;
    buf_init(&buf, 1000);
    cr_assert_eq(buf_append_json(&buf, slice_of(NULL, 0)), STATUS_OK);
    cr_assert_eq(buf_append_json(&buf, SLICE("a \"b\" \\ \n\x01\xc3\xa4\xff z")), STATUS_OK);
    assert_content(&buf, SLICE("a \\\"b\\\" \\\\ \\n\\u0001\xc3\xa4\xef\xbf\xbd z"));
    buf_done(&buf);
}

Test(buf, json_text_that_does_not_fit_is_taken_back)
{
    struct buf buf;
    buf_init(&buf, 10);
    cr_assert_eq(buf_append(&buf, SLICE("1234")), STATUS_OK);
    cr_assert_eq(buf_append_json(&buf, SLICE("abc\x01")), STATUS_FULL);
    assert_content(&buf, SLICE("1234"));
    cr_assert_eq(buf_append_json(&buf, SLICE("\x01")), STATUS_OK);
    assert_content(&buf, SLICE("1234\\u0001"));
    buf_done(&buf);
}
