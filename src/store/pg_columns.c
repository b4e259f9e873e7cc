/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's binary formats, written by hand. An array is a head of five numbers, then each
 * element's length and bytes (length -1: NULL); a row of a COPY is the same elements behind their
 * number. Sizes are summed first, so that memory is reserved once and filled without checks.
 */
#include "pg_columns.h"

#include "pg_rows.h"

#include <endian.h>
#include <limits.h>

#define ARRAY_HEAD_BYTES 20u
#define KEEP_BYTES (64u << 10) /* of one column, while nothing is to be sent */

#define EVENT_COLUMNS                                                                              \
    "id, received_at, key, window_ends_at, response_status, duration_ms, attempts,"                \
    " next_attempt_at, lease_until, lease_owner, route, method, target, headers, content_type,"    \
    " body, client, mode, state, outcome, note"

/* Set-returning functions in the select list run in step and stream their rows; in FROM each would
 * first be written to a tuple store, which takes half as long again. */
#define INSERT_ROWS                                                                                \
    "INSERT INTO event (" EVENT_COLUMNS ")"                                                        \
    " SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7),"  \
    " unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14),"    \
    " unnest($15), unnest($16), unnest($17), unnest($18), unnest($19), unnest($20), unnest($21)"

const char pg_columns_insert[] = INSERT_ROWS;
const char pg_columns_insert_again[] = INSERT_ROWS " ON CONFLICT (id, received_at) DO NOTHING";
const char pg_columns_copy[] = "COPY event (" EVENT_COLUMNS ") FROM STDIN (FORMAT binary)";

/* pg_rows.h says why it is put like that. */
const char pg_columns_count[] =
    "UPDATE event e SET duplicates = e.duplicates +"
    " CASE WHEN $5 AND e.last_duplicate_at >= d.last_at THEN 0 ELSE d.count END,"
    " last_duplicate_at = greatest(e.last_duplicate_at, d.last_at)"
    " FROM unnest((SELECT $1), (SELECT $2), (SELECT $3), (SELECT $4))"
    " AS d (id, received_at, count, last_at)"
    " WHERE e.id = d.id AND e.received_at = d.received_at"
    " AND e.received_at BETWEEN $6 AND $7 RETURNING e.id";

enum kind {
    KIND_ID,
    KIND_RECEIVED,
    KIND_KEY,
    KIND_WINDOW,
    KIND_STATUS,
    KIND_DURATION,
    KIND_ATTEMPTS,
    KIND_DUE,
    KIND_LEASE,
    KIND_OWNER,
    KIND_FIELD,
    KIND_FIELD_OR_NULL, /* NULL when empty */
};

/* OIDs of pg_type, fixed for ever. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25 };
enum { OID_TIME = 1184, OID_UUID = 2950 };
enum { OID_BYTEA_ARRAY = 1001, OID_INT4_ARRAY = 1007, OID_TEXT_ARRAY = 1009 };
enum { OID_INT8_ARRAY = 1016, OID_TIME_ARRAY = 1185, OID_UUID_ARRAY = 2951 };

static const struct column {
    enum kind kind;
    enum row_field field; /* KIND_FIELD and KIND_FIELD_OR_NULL */
    unsigned int array_oid, element_oid;
} insert_columns[PG_COLUMNS_INSERT] = {
    {KIND_ID, 0, OID_UUID_ARRAY, OID_UUID},
    {KIND_RECEIVED, 0, OID_TIME_ARRAY, OID_TIME},
    {KIND_KEY, 0, OID_BYTEA_ARRAY, OID_BYTEA},
    {KIND_WINDOW, 0, OID_TIME_ARRAY, OID_TIME},
    {KIND_STATUS, 0, OID_INT4_ARRAY, OID_INT4},
    {KIND_DURATION, 0, OID_INT8_ARRAY, OID_INT8},
    {KIND_ATTEMPTS, 0, OID_INT4_ARRAY, OID_INT4},
    {KIND_DUE, 0, OID_TIME_ARRAY, OID_TIME},
    {KIND_LEASE, 0, OID_TIME_ARRAY, OID_TIME},
    {KIND_OWNER, 0, OID_UUID_ARRAY, OID_UUID},
    {KIND_FIELD, ROW_ROUTE, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD, ROW_METHOD, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD, ROW_TARGET, OID_BYTEA_ARRAY, OID_BYTEA},
    {KIND_FIELD, ROW_HEADERS, OID_BYTEA_ARRAY, OID_BYTEA},
    {KIND_FIELD, ROW_CONTENT_TYPE, OID_BYTEA_ARRAY, OID_BYTEA},
    {KIND_FIELD, ROW_BODY, OID_BYTEA_ARRAY, OID_BYTEA},
    {KIND_FIELD, ROW_CLIENT, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD, ROW_MODE, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD, ROW_STATE, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD, ROW_OUTCOME, OID_TEXT_ARRAY, OID_TEXT},
    {KIND_FIELD_OR_NULL, ROW_NOTE, OID_BYTEA_ARRAY, OID_BYTEA},
};

/* ---- numbers ---- */

char *pg_put_u32(char *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof(number));
    return at + sizeof(number);
}

char *pg_put_u64(char *at, uint64_t number)
{
    number = htobe64(number);
    memcpy(at, &number, sizeof(number));
    return at + sizeof(number);
}

uint64_t pg_get_u64(const char *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof(number));
    return be64toh(number);
}

#define EPOCH_2000_MS 946684800000

int64_t pg_time_of_ms(uint64_t ms)
{
    return ((int64_t)ms - EPOCH_2000_MS) * 1000;
}

uint64_t pg_ms_of_time(int64_t time)
{
    return (uint64_t)(time / 1000 + EPOCH_2000_MS);
}

/* ---- elements ---- */

static char *put_null(char *at)
{
    return pg_put_u32(at, UINT32_MAX);
}

static char *put_bytes(char *at, const void *bytes, size_t len)
{
    at = pg_put_u32(at, (uint32_t)len);
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_number(char *at, uint64_t number)
{
    return pg_put_u64(pg_put_u32(at, 8), number);
}

static char *put_time(char *at, uint64_t ms)
{
    return put_number(at, (uint64_t)pg_time_of_ms(ms));
}

static bool is_leased(const struct batch_row *row)
{
    return row->queued && row->lease_ms > 0;
}

/* A row of the queue is due now, or when its lease ends. */
static char *put_due(char *at, const struct batch_row *row, const struct pg_lease *lease)
{
    int64_t due = row->lease_ms > 0 ? lease->now + (int64_t)row->lease_ms * 1000 : lease->since;
    return row->queued ? put_number(at, (uint64_t)due) : put_null(at);
}

static char *put_field(char *at, struct slice field, bool or_null)
{
    return or_null && field.len == 0 ? put_null(at) : put_bytes(at, field.data, field.len);
}

static char *put_element(char *at, const struct column *column, const struct batch_row *row,
                         const struct pg_lease *lease)
{
    switch (column->kind) {
    case KIND_ID:
        return put_bytes(at, row->id.bytes, sizeof(row->id.bytes));
    case KIND_RECEIVED:
        return put_time(at, uuid_time_ms(&row->id));
    case KIND_KEY:
        return row->has_key ? put_bytes(at, row->key.digest, EVENT_KEY_BYTES) : put_null(at);
    case KIND_WINDOW:
        return row->has_key ? put_time(at, row->window_ends_at_ms) : put_null(at);
    case KIND_STATUS:
        return pg_put_u32(pg_put_u32(at, 4), row->response_status);
    case KIND_DURATION:
        return put_number(at, row->duration_ms);
    case KIND_ATTEMPTS:
        return pg_put_u32(pg_put_u32(at, 4), row->queued ? 0 : 1);
    case KIND_DUE:
        return put_due(at, row, lease);
    case KIND_LEASE:
        return is_leased(row) ? put_due(at, row, lease) : put_null(at);
    case KIND_OWNER:
        return is_leased(row) && !row->ownerless ? put_bytes(at, lease->owner.bytes, 16)
                                                 : put_null(at);
    case KIND_FIELD:
    case KIND_FIELD_OR_NULL:
        break;
    }
    return put_field(at, row->fields[column->field], column->kind == KIND_FIELD_OR_NULL);
}

/* ---- rows, for COPY ---- */

/* A length and the largest fixed element, a uuid or a digest. */
#define FIXED_BYTES (4u + 16u)

/* The same elements as in an array, behind their number. */
size_t pg_columns_row_bytes(const struct batch_row *row)
{
    size_t bytes = 2 + (PG_COLUMNS_INSERT - ROW_FIELDS) * FIXED_BYTES + (size_t)ROW_FIELDS * 4;
    for (size_t i = 0; i < ROW_FIELDS; i++)
        bytes += row->fields[i].len;
    return bytes;
}

char *pg_columns_put_row(char *at, const struct batch_row *row, const struct pg_lease *lease)
{
    *at++ = 0;
    *at++ = PG_COLUMNS_INSERT;
    for (size_t c = 0; c < PG_COLUMNS_INSERT; c++)
        at = put_element(at, &insert_columns[c], row, lease);
    return at;
}

/* ---- arrays ---- */

static char *put_head(char *at, unsigned int element_oid, size_t count)
{
    at = pg_put_u32(at, 1); /* dimensions */
    at = pg_put_u32(at, 1); /* may hold NULLs */
    at = pg_put_u32(at, element_oid);
    at = pg_put_u32(at, (uint32_t)count);
    return pg_put_u32(at, 1); /* the first subscript */
}

/* Room for a parameter of `size` bytes, or NULL. */
static char *reserve(struct pg_columns *columns, size_t index, size_t size)
{
    buf_clear(&columns->bytes[index]);
    return buf_reserve(&columns->bytes[index], size);
}

static void finish(struct pg_columns *columns, size_t index, const char *end, unsigned int oid)
{
    struct buf *bytes = &columns->bytes[index];
    buf_commit(bytes, (size_t)(end - (bytes->data + bytes->end)));
    columns->types[index] = oid;
    columns->values[index] = buf_slice(bytes).data;
    columns->lengths[index] = (int)buf_len(bytes);
}

static size_t column_bytes(const struct column *column, struct batch_row *const *rows, size_t count)
{
    bool is_field = column->kind == KIND_FIELD || column->kind == KIND_FIELD_OR_NULL;
    size_t bytes = ARRAY_HEAD_BYTES + count * (is_field ? 4 : FIXED_BYTES);
    if (is_field)
        for (size_t i = 0; i < count; i++)
            bytes += rows[i]->fields[column->field].len;
    return bytes;
}

enum status pg_columns_of_rows(struct pg_columns *columns, struct batch_row *const *rows,
                               size_t count, const struct pg_lease *lease)
{
    for (size_t c = 0; c < PG_COLUMNS_INSERT; c++) {
        const struct column *column = &insert_columns[c];
        char *at = reserve(columns, c, column_bytes(column, rows, count));
        if (!at)
            return STATUS_NO_MEMORY;
        at = put_head(at, column->element_oid, count);
        for (size_t i = 0; i < count; i++)
            at = put_element(at, column, rows[i], lease);
        finish(columns, c, at, column->array_oid);
    }
    return STATUS_OK;
}

/* ---- counts ---- */

enum fold_column { FOLD_ID, FOLD_RECEIVED, FOLD_COUNT, FOLD_LAST, FOLD_AGAIN, FOLD_FROM, FOLD_TO };

static const unsigned int fold_array_oids[] = {OID_UUID_ARRAY, OID_TIME_ARRAY, OID_INT8_ARRAY,
                                               OID_TIME_ARRAY};
static const unsigned int fold_element_oids[] = {OID_UUID, OID_TIME, OID_INT8, OID_TIME};

static char *put_entry(char *at, size_t column, const struct fold_entry *entry)
{
    if (column == FOLD_ID)
        return put_bytes(at, entry->event_id.bytes, sizeof(entry->event_id.bytes));
    if (column == FOLD_RECEIVED)
        return put_time(at, uuid_time_ms(&entry->event_id));
    if (column == FOLD_COUNT)
        return put_number(at, entry->count);
    return put_time(at, entry->last_at_ms);
}

static enum status put_fold_column(struct pg_columns *columns, size_t column,
                                   const struct fold *fold)
{
    char *at = reserve(columns, column, ARRAY_HEAD_BYTES + fold->count * FIXED_BYTES);
    if (!at)
        return STATUS_NO_MEMORY;
    at = put_head(at, fold_element_oids[column], fold->count);
    for (size_t i = 0; i < fold->count; i++)
        at = put_entry(at, column, &fold->entries[i]);
    finish(columns, column, at, fold_array_oids[column]);
    return STATUS_OK;
}

/* A single number in `size` (1 or 8) bytes. */
static enum status put_scalar(struct pg_columns *columns, size_t column, uint64_t number,
                              size_t size, unsigned int oid)
{
    char bytes[8], *at = reserve(columns, column, size);
    if (!at)
        return STATUS_NO_MEMORY;
    pg_put_u64(bytes, number);
    memcpy(at, bytes + sizeof(bytes) - size, size);
    finish(columns, column, at + size, oid);
    return STATUS_OK;
}

/* Ids sort by time, so the first and the last entry bound the days. */
enum status pg_columns_of_fold(struct pg_columns *columns, const struct fold *fold, bool again)
{
    enum status status = STATUS_OK;
    for (size_t c = FOLD_ID; status == STATUS_OK && c <= FOLD_LAST; c++)
        status = put_fold_column(columns, c, fold);
    uint64_t from_ms = pg_day_first_ms(uuid_time_ms(&fold->entries[0].event_id));
    uint64_t to_ms = pg_day_last_ms(uuid_time_ms(&fold->entries[fold->count - 1].event_id));
    if (status == STATUS_OK)
        status = put_scalar(columns, FOLD_AGAIN, again, 1, OID_BOOL);
    if (status == STATUS_OK)
        status = put_scalar(columns, FOLD_FROM, (uint64_t)pg_time_of_ms(from_ms), 8, OID_TIME);
    if (status == STATUS_OK)
        status = put_scalar(columns, FOLD_TO, (uint64_t)pg_time_of_ms(to_ms), 8, OID_TIME);
    return status;
}

/* ---- memory ---- */

void pg_columns_init(struct pg_columns *columns)
{
    *columns = (struct pg_columns){.lengths = {0}};
    /* libpq's lengths are ints; what a batch may hold is far below. */
    for (size_t i = 0; i < PG_COLUMNS_INSERT; i++)
        buf_init(&columns->bytes[i], INT_MAX);
}

void pg_columns_done(struct pg_columns *columns)
{
    for (size_t i = 0; i < PG_COLUMNS_INSERT; i++)
        buf_done(&columns->bytes[i]);
}

void pg_columns_trim(struct pg_columns *columns)
{
    for (size_t i = 0; i < PG_COLUMNS_INSERT; i++)
        buf_trim(&columns->bytes[i], KEEP_BYTES);
}
