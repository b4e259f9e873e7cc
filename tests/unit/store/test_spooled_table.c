/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as PostgreSQL's binary arrays: each kind's bytes, NULLs, what isn't printable.
 */
#include "spooled_table.h"

#include <criterion/criterion.h>

static const enum spooled_kind kinds[] = {SPOOLED_BOOL, SPOOLED_INT4,      SPOOLED_INT8,
                                          SPOOLED_TIME, SPOOLED_PRINTABLE, SPOOLED_BYTES};
#define COLUMNS (sizeof(kinds) / sizeof(kinds[0]))

static struct spooled_table table;

static void set_up(void)
{
    spooled_table_init(&table, kinds, COLUMNS);
}

static void tear_down(void)
{
    spooled_table_done(&table);
}

TestSuite(spooled_table, .init = set_up, .fini = tear_down);

#define HEAD_BYTES 20u

/* What a column holds behind its head. */
static void check(size_t column, const char *bytes, size_t len)
{
    struct slice is = buf_slice(&table.values[column]);
    cr_assert_eq(is.len, HEAD_BYTES + len, "column %zu: %zu", column, is.len);
    cr_assert_arr_eq(is.data + HEAD_BYTES, bytes, len);
}

Test(spooled_table, numbers_have_their_kinds_size)
{
    spooled_table_number(&table, 0, 1);
    spooled_table_number(&table, 1, 0x01020304);
    spooled_table_number(&table, 2, (uint64_t)-2);
    spooled_table_number(&table, 3, 946684800001);
    check(0, "\0\0\0\1\1", 5);
    check(1, "\0\0\0\4\1\2\3\4", 8);
    check(2, "\0\0\0\x8\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
    check(3, "\0\0\0\x8\0\0\0\0\0\0\x3\xe8", 12);
}

Test(spooled_table, bytes_are_as_they_are_and_texts_are_printable)
{
    spooled_table_bytes(&table, 4, SLICE("a\0\x1f ~\x7f\xff"));
    spooled_table_bytes(&table, 5, SLICE("a\0\xff"));
    spooled_table_bytes(&table, 5, SLICE(""));
    check(4, "\0\0\0\7a?? ~??", 11);
    check(5, "\0\0\0\3a\0\xff\0\0\0\0", 11);
    cr_assert_eq(table.bytes, 10);
}

Test(spooled_table, null_is_no_value)
{
    spooled_table_null(&table, 1);
    spooled_table_number(&table, 1, 7);
    check(1, "\xff\xff\xff\xff\0\0\0\4\0\0\0\7", 12);
}

Test(spooled_table, a_cleared_table_begins_anew)
{
    spooled_table_number(&table, 1, 7);
    spooled_table_end_row(&table);
    cr_assert_eq(table.rows, 1);
    spooled_table_clear(&table);
    cr_assert(table.rows == 0 && table.bytes == 0 && !table.failed);
    spooled_table_number(&table, 1, 8);
    check(1, "\0\0\0\4\0\0\0\x8", 8);
}

Test(spooled_table, what_is_too_large_is_said)
{
    table.values[5].ceiling = 40;
    spooled_table_bytes(&table, 5, SLICE("0123456789abcdef"));
    cr_assert_not(table.failed);
    spooled_table_bytes(&table, 5, SLICE("0"));
    cr_assert(table.failed);
    spooled_table_clear(&table);
    cr_assert_not(table.failed);
}
