/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of a binary COPY: its frame, and how it is cut into pieces. That PostgreSQL reads it
 * is shown by tests/contract.
 */
#include "pg_copy.h"

#include <criterion/criterion.h>

#define PIECE (64u << 10)
#define HEAD_BYTES 19u

static struct pg_copy copy;
static const struct pg_lease lease = {.now = 2, .since = 1};

static void open_copy(void)
{
    pg_copy_init(&copy);
}

static void close_copy(void)
{
    pg_copy_done(&copy);
}

TestSuite(pg_copy, .init = open_copy, .fini = close_copy);

static struct batch_row row_of(struct slice body)
{
    struct batch_row row = {.response_status = 1};
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row.fields[i] = SLICE("");
    row.fields[ROW_BODY] = body;
    return row;
}

static struct slice next(void)
{
    struct slice piece;
    cr_assert_eq(pg_copy_next(&copy, &piece), STATUS_OK);
    return piece;
}

Test(pg_copy, before_it_begins_there_is_nothing)
{
    cr_assert_eq(next().len, 0);
}

Test(pg_copy, a_small_one_is_a_single_piece)
{
    static char expected[1024];
    struct batch_row row = row_of(SLICE("a\0b"));
    struct batch_row *rows[] = {&row, &row};
    memcpy(expected, "PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", HEAD_BYTES);
    char *end = pg_columns_put_row(expected + HEAD_BYTES, &row, &lease);
    end = pg_columns_put_row(end, &row, &lease);
    memcpy(end, "\xff\xff", 2);
    pg_copy_begin(&copy, rows, 2, &lease);
    cr_assert(slice_eq(next(), slice_of(expected, (size_t)(end + 2 - expected))));
    cr_assert_eq(next().len, 0);
    cr_assert_eq(next().len, 0);
}

Test(pg_copy, pieces_end_with_the_row_that_fills_them)
{
    enum { COUNT = 100 };
    static char body[5000];
    struct batch_row row = row_of(slice_of(body, sizeof body));
    struct batch_row *rows[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        rows[i] = &row;
    static char bytes[8192];
    size_t row_bytes = (size_t)(pg_columns_put_row(bytes, &row, &lease) - bytes);
    size_t pieces = 0, total = 0;
    pg_copy_begin(&copy, rows, COUNT, &lease);
    for (struct slice piece; (piece = next()).len > 0; pieces++) {
        cr_assert_leq(piece.len, PIECE);
        total += piece.len;
        if (total < HEAD_BYTES + COUNT * row_bytes)
            cr_assert_eq((total - HEAD_BYTES) % row_bytes, 0);
    }
    cr_assert_eq(total, HEAD_BYTES + COUNT * row_bytes + 2);
    cr_assert_eq(pieces, 9);
}

Test(pg_copy, a_row_larger_than_a_piece_is_one_and_its_memory_goes)
{
    static char body[1 << 20];
    struct batch_row small = row_of(SLICE("")), large = row_of(slice_of(body, sizeof body));
    struct batch_row *rows[] = {&small, &large, &small};
    pg_copy_begin(&copy, rows, 3, &lease);
    cr_assert_lt(next().len, 400);
    cr_assert_gt(next().len, sizeof body);
    cr_assert_lt(next().len, 400);
    cr_assert_eq(next().len, 0);
    pg_copy_trim(&copy);
    cr_assert_lt(copy.piece.capacity, sizeof body);
}

Test(pg_copy, beginning_again_forgets_what_was_left)
{
    struct batch_row row = row_of(SLICE("x"));
    struct batch_row *rows[] = {&row};
    pg_copy_begin(&copy, rows, 1, &lease);
    size_t len = next().len;
    pg_copy_begin(&copy, rows, 1, &lease);
    cr_assert_eq(next().len, len);
    cr_assert_eq(next().len, 0);
}
