/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's binary arrays, growing: the head has room for the number of elements, which is known
 * when they are sent. An element is its length (-1: NULL) and its bytes.
 */
#include "spooled_table.h"

#include "pg_columns.h"

#include <assert.h>
#include <limits.h>

#define HEAD_BYTES 20u

/* OIDs of pg_type, fixed for ever. */
static const struct {
    unsigned int oid, array_oid;
    size_t size; /* of a number */
} kind_facts[] = {
    [SPOOLED_BOOL] = {16, 1000, 1},      [SPOOLED_INT4] = {23, 1007, 4},
    [SPOOLED_INT8] = {20, 1016, 8},      [SPOOLED_TIME] = {1184, 1185, 8},
    [SPOOLED_UUID] = {2950, 2951, 0},    [SPOOLED_TEXT] = {25, 1009, 0},
    [SPOOLED_PRINTABLE] = {25, 1009, 0}, [SPOOLED_BYTES] = {17, 1001, 0},
};

void spooled_table_init(struct spooled_table *table, const enum spooled_kind *kinds, size_t columns)
{
    assert(columns <= SPOOLED_COLUMNS);
    *table = (struct spooled_table){.kinds = kinds, .columns = columns};
    /* libpq's lengths are ints; a chunk of the spool is far below. */
    for (size_t i = 0; i < columns; i++)
        buf_init(&table->values[i], INT_MAX);
}

void spooled_table_done(struct spooled_table *table)
{
    for (size_t i = 0; i < table->columns; i++)
        buf_done(&table->values[i]);
}

void spooled_table_clear(struct spooled_table *table)
{
    for (size_t i = 0; i < table->columns; i++)
        buf_clear(&table->values[i]);
    table->rows = table->bytes = 0;
    table->failed = false;
}

/* ---- filling ---- */

/* Room for an element of `size` bytes behind its length, and for the head in front of the first. */
static char *reserve(struct spooled_table *table, size_t column, size_t size)
{
    struct buf *values = &table->values[column];
    size_t head = buf_len(values) == 0 ? HEAD_BYTES : 0;
    char *at = buf_reserve(values, head + 4 + size);
    if (!at) {
        table->failed = true;
        return NULL;
    }
    buf_commit(values, head + 4 + size);
    table->bytes += size;
    return at + head;
}

void spooled_table_null(struct spooled_table *table, size_t column)
{
    char *at = reserve(table, column, 0);
    if (at)
        pg_put_u32(at, UINT32_MAX);
}

/* The low bytes of a big-endian number are its last ones. */
void spooled_table_number(struct spooled_table *table, size_t column, uint64_t number)
{
    enum spooled_kind kind = table->kinds[column];
    size_t size = kind_facts[kind].size;
    char bytes[8], *at = reserve(table, column, size);
    assert(size > 0);
    if (!at)
        return;
    pg_put_u64(bytes, kind == SPOOLED_TIME ? (uint64_t)pg_time_of_ms(number) : number);
    memcpy(pg_put_u32(at, (uint32_t)size), bytes + sizeof(bytes) - size, size);
}

void spooled_table_bytes(struct spooled_table *table, size_t column, struct slice bytes)
{
    char *at = reserve(table, column, bytes.len);
    if (!at)
        return;
    at = pg_put_u32(at, (uint32_t)bytes.len);
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    if (table->kinds[column] == SPOOLED_PRINTABLE)
        for (size_t i = 0; i < bytes.len; i++)
            at[i] = at[i] >= ' ' && at[i] <= '~' ? at[i] : '?';
}

void spooled_table_end_row(struct spooled_table *table)
{
    table->rows++;
}

/* ---- sending ---- */

static void put_head(char *at, unsigned int element_oid, size_t rows)
{
    at = pg_put_u32(at, 1); /* dimensions */
    at = pg_put_u32(at, 1); /* may hold NULLs */
    at = pg_put_u32(at, element_oid);
    at = pg_put_u32(at, (uint32_t)rows);
    pg_put_u32(at, 1); /* the first subscript */
}

void spooled_table_send(struct spooled_table *table, struct pg_link *link, const char *text)
{
    unsigned int types[SPOOLED_COLUMNS];
    const char *values[SPOOLED_COLUMNS];
    int lengths[SPOOLED_COLUMNS];
    assert(table->rows > 0 && !table->failed);
    for (size_t i = 0; i < table->columns; i++) {
        struct buf *column = &table->values[i];
        put_head(column->data + column->start, kind_facts[table->kinds[i]].oid, table->rows);
        types[i] = kind_facts[table->kinds[i]].array_oid;
        values[i] = buf_slice(column).data;
        lengths[i] = (int)buf_len(column);
    }
    pg_link_query(link, text, (int)table->columns, types, values, lengths);
}
