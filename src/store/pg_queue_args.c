/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's binary arrays: a head of five numbers (of three, when it is empty), then each
 * element's length and bytes (length -1: NULL). A scalar is the bytes alone.
 */
#include "pg_queue_args.h"

#include "pg_columns.h"
#include "pg_rows.h"

#include <assert.h>
#include <limits.h>

#define KEEP_BYTES (64u << 10) /* of one parameter, while nothing is to be sent */

/* OIDs of pg_type, fixed for ever. `size` is 0 where values differ in it. */
static const struct {
    unsigned int oid, array_oid;
    size_t size;
} kinds[PG_KINDS] = {
    [PG_BOOL] = {16, 1000, 1},   [PG_INT4] = {23, 1007, 4},    [PG_INT8] = {20, 1016, 8},
    [PG_TIME] = {1184, 1185, 8}, [PG_UUID] = {2950, 2951, 16}, [PG_TEXT] = {25, 1009, 0},
    [PG_BYTEA] = {17, 1001, 0},
};

void pg_args_init(struct pg_args *args)
{
    *args = (struct pg_args){.count = 0};
    /* libpq's lengths are ints; what is sent here is far below. */
    for (size_t i = 0; i < PG_ARGS_MAX; i++)
        buf_init(&args->bytes[i], INT_MAX);
}

void pg_args_done(struct pg_args *args)
{
    for (size_t i = 0; i < PG_ARGS_MAX; i++)
        buf_done(&args->bytes[i]);
}

void pg_args_reset(struct pg_args *args)
{
    for (int i = 0; i < args->count; i++)
        buf_trim(&args->bytes[i], KEEP_BYTES);
    args->count = 0;
    args->failed = false;
}

static void append(struct pg_args *args, const void *bytes, size_t len)
{
    if (buf_append(&args->bytes[args->count - 1], slice_of(bytes, len)) != STATUS_OK)
        args->failed = true;
}

static void append_u32(struct pg_args *args, uint32_t number)
{
    char bytes[4];
    pg_put_u32(bytes, number);
    append(args, bytes, sizeof(bytes));
}

static void begin(struct pg_args *args, enum pg_kind kind, bool is_array)
{
    assert(args->count < PG_ARGS_MAX);
    args->kinds[args->count] = kind;
    args->is_array[args->count] = is_array;
    args->count++;
}

void pg_args_scalar(struct pg_args *args, enum pg_kind kind)
{
    begin(args, kind, false);
}

void pg_args_array(struct pg_args *args, enum pg_kind kind, size_t count)
{
    begin(args, kind, true);
    append_u32(args, count > 0); /* dimensions */
    append_u32(args, 1);         /* may hold NULLs */
    append_u32(args, kinds[kind].oid);
    if (count == 0)
        return;
    append_u32(args, (uint32_t)count);
    append_u32(args, 1); /* the first subscript */
}

void pg_args_bytes(struct pg_args *args, struct slice bytes)
{
    if (args->is_array[args->count - 1])
        append_u32(args, (uint32_t)bytes.len);
    append(args, bytes.data, bytes.len);
}

/* The low bytes of a big-endian number are its last ones. */
void pg_args_number(struct pg_args *args, uint64_t number)
{
    size_t size = kinds[args->kinds[args->count - 1]].size;
    char bytes[8];
    assert(size <= sizeof(bytes));
    pg_put_u64(bytes, number);
    pg_args_bytes(args, slice_of(bytes + sizeof(bytes) - size, size));
}

void pg_args_null(struct pg_args *args)
{
    append_u32(args, UINT32_MAX);
}

void pg_args_uuid(struct pg_args *args, const struct uuid *id)
{
    pg_args_bytes(args, slice_of(id->bytes, sizeof(id->bytes)));
}

void pg_args_time(struct pg_args *args, uint64_t wall_ms)
{
    pg_args_number(args, (uint64_t)pg_time_of_ms(batch_time_ms(wall_ms)));
}

void pg_args_days(struct pg_args *args, uint64_t first_wall_ms, uint64_t last_wall_ms)
{
    pg_args_scalar(args, PG_TIME);
    pg_args_time(args, pg_day_first_ms(first_wall_ms));
    pg_args_scalar(args, PG_TIME);
    pg_args_time(args, pg_day_last_ms(last_wall_ms));
}

bool pg_args_send(const struct pg_args *args, struct pg_link *link, const char *text)
{
    unsigned int types[PG_ARGS_MAX];
    const char *values[PG_ARGS_MAX];
    int lengths[PG_ARGS_MAX];
    for (int i = 0; i < args->count; i++) {
        struct slice bytes = buf_slice(&args->bytes[i]);
        types[i] = args->is_array[i] ? kinds[args->kinds[i]].array_oid : kinds[args->kinds[i]].oid;
        values[i] = bytes.data;
        lengths[i] = (int)bytes.len;
    }
    if (!args->failed)
        pg_link_query(link, text, args->count, types, values, lengths);
    return !args->failed;
}
