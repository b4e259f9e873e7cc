/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary arrays, and the rows of a COPY, byte by byte. That PostgreSQL reads them is shown by
 * tests/contract.
 */
#include "pg_columns.h"

#include <criterion/criterion.h>

static struct pg_columns columns;
static const struct pg_lease lease = {.now = 5000000, .since = 4000000, .owner = {{0xcc, 1}}};

static void open_columns(void)
{
    pg_columns_init(&columns);
}

static void close_columns(void)
{
    pg_columns_done(&columns);
}

static struct slice parameter(size_t index)
{
    return slice_of(columns.values[index], (size_t)columns.lengths[index]);
}

static void empty_fields(struct batch_row *row)
{
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row->fields[i] = SLICE("");
}

TestSuite(pg_columns, .init = open_columns, .fini = close_columns);

Test(pg_columns, times_go_both_ways)
{
    cr_assert_eq(pg_time_of_ms(946684800000), 0);
    cr_assert_eq(pg_time_of_ms(946684800001), 1000);
    cr_assert_eq(pg_time_of_ms(0), -946684800000000);
    cr_assert_eq(pg_ms_of_time(pg_time_of_ms(1700000000123)), 1700000000123);
    cr_assert_eq(pg_ms_of_time(pg_time_of_ms(((uint64_t)1 << 48) - 1)), ((uint64_t)1 << 48) - 1);
}

Test(pg_columns, rows_become_arrays)
{
    struct batch_row keyed = {.has_key = true, .key = {{0xaa}}, .response_status = 200};
    struct batch_row keyless = {.response_status = 502};
    struct batch_row *rows[] = {&keyed, &keyless};
    empty_fields(&keyed);
    empty_fields(&keyless);
    keyed.fields[ROW_BODY] = SLICE("a\0\xff");
    cr_assert_eq(pg_columns_of_rows(&columns, rows, 2, &lease), STATUS_OK);
    /* dimensions 1, has NULLs 1, bytea 17, 2 elements from 1: 16 bytes and a NULL */
    cr_assert(slice_eq(parameter(2),
                       SLICE("\0\0\0\1\0\0\0\1\0\0\0\x11\0\0\0\2\0\0\0\1"
                             "\0\0\0\x10\xaa\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff")));
    cr_assert_eq(columns.types[2], 1001);
    cr_assert(slice_eq(parameter(4), SLICE("\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1"
                                           "\0\0\0\4\0\0\0\xc8\0\0\0\4\0\0\1\xf6")));
    cr_assert(slice_eq(parameter(15), SLICE("\0\0\0\1\0\0\0\1\0\0\0\x11\0\0\0\2\0\0\0\1"
                                            "\0\0\0\3a\0\xff\0\0\0\0")));
}

Test(pg_columns, only_rows_of_the_queue_are_due_and_leased)
{
    struct batch_row sent = {.lease_ms = 7}, due = {.queued = true};
    struct batch_row leased = {.queued = true, .lease_ms = 3000};
    struct batch_row *rows[] = {&sent, &due, &leased};
    for (size_t i = 0; i < 3; i++)
        empty_fields(rows[i]);
    cr_assert_eq(pg_columns_of_rows(&columns, rows, 3, &lease), STATUS_OK);
    cr_assert(slice_eq(parameter(6), SLICE("\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\3\0\0\0\1"
                                           "\0\0\0\4\0\0\0\1\0\0\0\4\0\0\0\0"
                                           "\0\0\0\4\0\0\0\0")));
    cr_assert(slice_eq(parameter(7), SLICE("\0\0\0\1\0\0\0\1\0\0\x04\xa0\0\0\0\3\0\0\0\1"
                                           "\xff\xff\xff\xff"
                                           "\0\0\0\x08\0\0\0\0\0\x3d\x09\0"
                                           "\0\0\0\x08\0\0\0\0\0\x7a\x12\0")));
    cr_assert(slice_eq(parameter(8), SLICE("\0\0\0\1\0\0\0\1\0\0\x04\xa0\0\0\0\3\0\0\0\1"
                                           "\xff\xff\xff\xff\xff\xff\xff\xff"
                                           "\0\0\0\x08\0\0\0\0\0\x7a\x12\0")));
    cr_assert(slice_eq(parameter(9), SLICE("\0\0\0\1\0\0\0\1\0\0\x0b\x86\0\0\0\3\0\0\0\1"
                                           "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x10"
                                           "\xcc\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0")));
}

Test(pg_columns, a_row_of_a_copy_is_within_its_bound_and_reaches_it)
{
    static char bytes[1024];
    struct batch_row row = {.has_key = true, .queued = true, .lease_ms = 1};
    empty_fields(&row);
    row.fields[ROW_BODY] = SLICE("four");
    size_t len = (size_t)(pg_columns_put_row(bytes, &row, &lease) - bytes);
    cr_assert_leq(len, pg_columns_row_bytes(&row));
    cr_assert_eq(memcmp(bytes, "\0\x15\0\0\0\x10", 6), 0);
    size_t fixed = 2 + 3 * (4 + 16) + 5 * (4 + 8) + 2 * (4 + 4) + ROW_FIELDS * 4;
    cr_assert_eq(len, fixed + 4);
}

Test(pg_columns, a_note_is_null_when_there_is_none)
{
    struct batch_row noted = {.response_status = 1}, plain = {.response_status = 1};
    struct batch_row *rows[] = {&noted, &plain};
    empty_fields(&noted);
    empty_fields(&plain);
    noted.fields[ROW_NOTE] = SLICE("\0;");
    cr_assert_eq(pg_columns_of_rows(&columns, rows, 2, &lease), STATUS_OK);
    cr_assert(slice_eq(parameter(20), SLICE("\0\0\0\1\0\0\0\1\0\0\0\x11\0\0\0\2\0\0\0\1"
                                            "\0\0\0\2\0;\xff\xff\xff\xff")));
    cr_assert_eq(columns.types[20], 1001);
}

Test(pg_columns, a_row_of_a_copy_ends_with_its_note)
{
    static char bytes[1024];
    struct batch_row row = {.response_status = 1};
    empty_fields(&row);
    size_t len = (size_t)(pg_columns_put_row(bytes, &row, &lease) - bytes);
    cr_assert_eq(memcmp(bytes + len - 4, "\xff\xff\xff\xff", 4), 0);
    row.fields[ROW_NOTE] = SLICE("F\n");
    len = (size_t)(pg_columns_put_row(bytes, &row, &lease) - bytes);
    cr_assert_eq(memcmp(bytes + len - 6, "\0\0\0\2F\n", 6), 0);
    cr_assert_leq(len, pg_columns_row_bytes(&row));
}

Test(pg_columns, a_fold_becomes_arrays_and_bounds)
{
    /* 90,000,000 ms and 259,200,001 ms: in the second and the fourth day. */
    struct fold_entry entries[2] = {{.event_id = {{0, 0, 0x05, 0x5d, 0x4a, 0x80}}, .count = 3},
                                    {.event_id = {{0, 0, 0x0f, 0x73, 0x14, 0x01}}, .count = 1}};
    struct fold fold = {.entries = entries, .count = 2};
    cr_assert_eq(pg_columns_of_fold(&columns, &fold, true), STATUS_OK);
    cr_assert(
        slice_eq(parameter(2), SLICE("\0\0\0\1\0\0\0\1\0\0\0\x14\0\0\0\2\0\0\0\1"
                                     "\0\0\0\x08\0\0\0\0\0\0\0\3\0\0\0\x08\0\0\0\0\0\0\0\1")));
    cr_assert(slice_eq(parameter(4), SLICE("\1")));
    cr_assert_eq(pg_ms_of_time((int64_t)pg_get_u64(columns.values[5])), 86400000);
    cr_assert_eq(pg_ms_of_time((int64_t)pg_get_u64(columns.values[6])), 4 * 86400000ull - 1);
    cr_assert_eq(pg_columns_of_fold(&columns, &fold, false), STATUS_OK);
    cr_assert(slice_eq(parameter(4), SLICE("\0")));
}

Test(pg_columns, trimming_frees_what_was_large)
{
    static char body[1 << 20];
    struct batch_row row = {.response_status = 1};
    struct batch_row *rows[] = {&row};
    empty_fields(&row);
    row.fields[ROW_BODY] = slice_of(body, sizeof(body));
    cr_assert_eq(pg_columns_of_rows(&columns, rows, 1, &lease), STATUS_OK);
    cr_assert_geq(columns.bytes[15].capacity, sizeof(body));
    pg_columns_trim(&columns);
    cr_assert_lt(columns.bytes[15].capacity, sizeof(body));
}
