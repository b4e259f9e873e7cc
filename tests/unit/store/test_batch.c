/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: exact copies, costs, and when one is full.
 */
#include "batch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct journal_record record;

static void fill_record(void)
{
    record = (struct journal_record){
        .event_id = {{1, 2, 3}},
        .route = SLICE("github"),
        .has_key = true,
        .key = {{9, 8, 7}},
        .method = SLICE("POST"),
        .target = SLICE("/x?\xff\xfe"),
        .headers = SLICE("A: b\r\nC: \xc3\x28\r\n"),
        .content_type = SLICE("application/json"),
        .body = SLICE("a\0b"),
        .client = SLICE("192.0.2.1"),
        .window_ends_at_ms = 1234567,
        .mode = SLICE("proxy"),
        .state = SLICE("delivered"),
        .outcome = SLICE("accepted"),
        .note = SLICE("F\0;\n"),
        .response_status = 204,
        .duration_ms = 77,
    };
}

TestSuite(batch, .init = fill_record);

static bool add(struct batch *batch, struct journal_op *op, uint64_t now_ms)
{
    return batch_add(batch, op, batch_row_cost(op->record), now_ms);
}

Test(batch, a_row_is_an_exact_copy)
{
    struct batch *batch = batch_new(5);
    struct journal_op op = {.record = &record, .level = JOURNAL_DURABLE};
    cr_assert(add(batch, &op, 6));
    const struct batch_row *row = batch->rows[0];
    const struct slice expected[ROW_FIELDS] = {record.route,   record.method,       record.target,
                                               record.headers, record.content_type, record.body,
                                               record.client,  record.mode,         record.state,
                                               record.outcome, record.note};
    for (size_t i = 0; i < ROW_FIELDS; i++) {
        cr_assert(slice_eq(row->fields[i], expected[i]));
        cr_assert_neq(row->fields[i].data, expected[i].data);
    }
    cr_assert(uuid_eq(&row->id, &record.event_id));
    cr_assert_eq(memcmp(&row->key, &record.key, sizeof(row->key)), 0);
    cr_assert(row->has_key);
    cr_assert_eq(row->window_ends_at_ms, 1234567);
    cr_assert_eq(row->response_status, 204);
    cr_assert_eq(row->duration_ms, 77);
    batch_free(batch);
}

Test(batch, only_ops_above_buffered_wait)
{
    struct batch *batch = batch_new(5);
    struct journal_op buffered = {.record = &record, .level = JOURNAL_BUFFERED};
    struct journal_op written = {.record = &record, .level = JOURNAL_WRITTEN};
    cr_assert(add(batch, &buffered, 6));
    cr_assert_eq(batch->waiting, 0);
    cr_assert_null(batch->rows[0]->op);
    cr_assert(add(batch, &written, 8));
    cr_assert(add(batch, &written, 9));
    cr_assert_eq(batch->waiting, 2);
    cr_assert_eq(batch->first_wait_ms, 8);
    cr_assert_eq(batch->level, JOURNAL_WRITTEN);
    cr_assert_eq(batch->rows[1]->op, &written);
    batch_free(batch);
}

Test(batch, times_beyond_48_bits_are_cut)
{
    cr_assert_eq(batch_time_ms(UINT64_MAX), ((uint64_t)1 << 48) - 1);
    cr_assert_eq(batch_time_ms(1700000000000), 1700000000000);
}

Test(batch, full_by_rows)
{
    struct batch *batch = batch_new(0);
    struct journal_op op = {.record = &record, .level = JOURNAL_BUFFERED};
    size_t cost = batch_row_cost(&record);
    for (size_t i = 0; i < BATCH_MAX_ROWS; i++) {
        cr_assert(batch_fits(batch, cost));
        cr_assert(add(batch, &op, 0));
    }
    cr_assert_not(batch_fits(batch, cost));
    cr_assert_eq(batch->bytes, BATCH_MAX_ROWS * cost);
    batch_free(batch);
}

Test(batch, full_by_bytes_but_one_row_always_fits)
{
    struct batch *batch = batch_new(0);
    struct journal_record large = record;
    char *body = calloc(1, BATCH_MAX_BYTES);
    size_t fixed = batch_row_cost(&record) - record.body.len;
    struct journal_op op = {.record = &large, .level = JOURNAL_BUFFERED};
    cr_assert(batch_fits(batch, 2 * BATCH_MAX_BYTES));
    large.body = slice_of(body, BATCH_MAX_BYTES - 2 * fixed - 10);
    cr_assert(add(batch, &op, 0));
    cr_assert(batch_fits(batch, fixed + 10));
    cr_assert_not(batch_fits(batch, fixed + 11));
    batch->sealed = true;
    cr_assert_not(batch_fits(batch, fixed));
    batch_free(batch);
    free(body);
}

Test(batch, one_that_is_over_is_filled_again)
{
    struct batch *batch = batch_new(5);
    struct journal_op op = {.record = &record, .level = JOURNAL_DURABLE};
    cr_assert(add(batch, &op, 6));
    const struct batch_row *first = batch->rows[0];
    batch->sealed = true;
    batch->tries = 3;
    cr_assert(batch_renew(batch));
    cr_assert_eq(batch->count, 0);
    cr_assert_eq(batch->bytes, 0);
    cr_assert_eq(batch->waiting, 0);
    cr_assert_eq(batch->level, JOURNAL_BUFFERED);
    cr_assert_eq(batch->tries, 0);
    cr_assert_not(batch->sealed);
    cr_assert(add(batch, &op, 7));
#ifndef POSTERN_ARENA_SINGLY
    cr_assert_eq(batch->rows[0], first, "in the same memory");
#else
    (void)first;
#endif
    batch_free(batch);
}

static void fill_to(struct batch *batch, size_t rows, size_t body_bytes)
{
    static char body[64 << 10];
    struct journal_op op = {.record = &record, .level = JOURNAL_DURABLE};
    record.body = slice_of(body, body_bytes);
    for (size_t i = 0; i < rows; i++)
        cr_assert(add(batch, &op, 6));
}

Test(batch, a_large_or_untouched_one_is_not_worth_keeping)
{
    struct batch *empty = batch_new(5), *at = batch_new(5), *many = batch_new(5),
                 *long_one = batch_new(5);
    cr_assert_not(batch_renew(empty));
    fill_to(at, 64, 10);
    cr_assert(batch_renew(at));
    fill_to(many, 65, 10);
    cr_assert_not(batch_renew(many));
    cr_assert_eq(many->count, 65, "nothing changed");
    fill_to(long_one, 1, 33 << 10);
    cr_assert_not(batch_renew(long_one));
    batch_free(empty);
    batch_free(at);
    batch_free(many);
    batch_free(long_one);
}
