/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters in PostgreSQL's binary form, byte for byte.
 */
#include "pg_queue_args.h"

#include <criterion/criterion.h>

static struct pg_args args;

static void begin(void)
{
    pg_args_init(&args);
}

static void end(void)
{
    pg_args_done(&args);
}

TestSuite(pg_queue_args, .init = begin, .fini = end);

static void assert_bytes(size_t index, struct slice bytes)
{
    cr_assert(slice_eq(buf_slice(&args.bytes[index]), bytes), "parameter %zu has %zu bytes", index,
              buf_len(&args.bytes[index]));
}

Test(pg_queue_args, scalars_are_their_bytes)
{
    const struct uuid id = {"0123456789abcde"};
    pg_args_scalar(&args, PG_BOOL);
    pg_args_number(&args, true);
    pg_args_scalar(&args, PG_INT4);
    pg_args_number(&args, 0x01020304);
    pg_args_scalar(&args, PG_INT8);
    pg_args_number(&args, 0x0102030405060708);
    pg_args_scalar(&args, PG_UUID);
    pg_args_uuid(&args, &id);
    pg_args_scalar(&args, PG_TEXT);
    pg_args_bytes(&args, SLICE("text"));
    pg_args_scalar(&args, PG_TIME);
    pg_args_time(&args, 946684800001);
    assert_bytes(0, SLICE("\1"));
    assert_bytes(1, SLICE("\1\2\3\4"));
    assert_bytes(2, SLICE("\1\2\3\4\5\6\7\10"));
    assert_bytes(3, slice_of(id.bytes, sizeof id.bytes));
    assert_bytes(4, SLICE("text"));
    assert_bytes(5, SLICE("\0\0\0\0\0\0\3\350"));
    cr_assert_eq(args.count, 6);
    cr_assert_not(args.failed);
}

Test(pg_queue_args, an_array_has_a_head_and_lengths)
{
    pg_args_array(&args, PG_INT4, 2);
    pg_args_number(&args, 7);
    pg_args_null(&args);
    pg_args_array(&args, PG_BYTEA, 2);
    pg_args_bytes(&args, SLICE("\0a"));
    pg_args_bytes(&args, SLICE(""));
    assert_bytes(0, SLICE("\0\0\0\1\0\0\0\1\0\0\0\27\0\0\0\2\0\0\0\1"
                          "\0\0\0\4\0\0\0\7\377\377\377\377"));
    assert_bytes(1, SLICE("\0\0\0\1\0\0\0\1\0\0\0\21\0\0\0\2\0\0\0\1"
                          "\0\0\0\2\0a\0\0\0\0"));
}

Test(pg_queue_args, an_empty_array_has_no_dimension)
{
    pg_args_array(&args, PG_TEXT, 0);
    assert_bytes(0, SLICE("\0\0\0\0\0\0\0\1\0\0\0\31"));
}

Test(pg_queue_args, times_beyond_48_bits_are_cut)
{
    pg_args_scalar(&args, PG_TIME);
    pg_args_time(&args, UINT64_MAX);
    pg_args_scalar(&args, PG_TIME);
    pg_args_time(&args, ((uint64_t)1 << 48) - 1);
    cr_assert(slice_eq(buf_slice(&args.bytes[0]), buf_slice(&args.bytes[1])));
}

Test(pg_queue_args, a_reset_forgets_and_gives_memory_back)
{
    pg_args_array(&args, PG_INT8, 100000);
    for (uint64_t i = 0; i < 100000; i++)
        pg_args_number(&args, i);
    cr_assert_gt(args.bytes[0].capacity, 1000000);
    pg_args_reset(&args);
    cr_assert_eq(args.count, 0);
    cr_assert_lt(args.bytes[0].capacity, 100000);
    pg_args_scalar(&args, PG_BOOL);
    pg_args_number(&args, false);
    assert_bytes(0, SLICE("\0"));
}

Test(pg_queue_args, too_much_is_remembered)
{
    buf_init(&args.bytes[0], 16);
    pg_args_array(&args, PG_INT8, 1);
    cr_assert(args.failed);
    pg_args_number(&args, 1);
    struct pg_link link = {.state = PG_LINK_DOWN};
    cr_assert_not(pg_args_send(&args, &link, "SELECT 1"));
    pg_args_reset(&args);
    cr_assert_not(args.failed);
}

static void assert_days(uint64_t first_ms, uint64_t last_ms, uint64_t from_ms, uint64_t to_ms)
{
    pg_args_reset(&args);
    pg_args_days(&args, first_ms, last_ms);
    pg_args_scalar(&args, PG_TIME);
    pg_args_time(&args, from_ms);
    pg_args_scalar(&args, PG_TIME);
    pg_args_time(&args, to_ms);
    cr_assert_eq(args.count, 4);
    cr_assert(slice_eq(buf_slice(&args.bytes[0]), buf_slice(&args.bytes[2])));
    cr_assert(slice_eq(buf_slice(&args.bytes[1]), buf_slice(&args.bytes[3])));
}

Test(pg_queue_args, days_are_whole)
{
    const uint64_t day_ms = 86400000, today_ms = 20778 * day_ms;
    assert_days(today_ms, today_ms, today_ms, today_ms + day_ms - 1);
    assert_days(today_ms - 1, today_ms, today_ms - day_ms, today_ms + day_ms - 1);
    assert_days(today_ms + day_ms - 1, today_ms + day_ms, today_ms, today_ms + 2 * day_ms - 1);
}
