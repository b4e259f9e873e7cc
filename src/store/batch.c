/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying records into a batch: each row is one allocation in the batch's arena, the struct and
 * behind it the bytes of all its fields. That is the only copy until the backend encodes them.
 */
#include "batch.h"

#include <stdlib.h>

#define BATCH_CHUNK_BYTES (32u << 10) /* a quiet worker's batch is one allocation of this */
#define BATCH_FIRST_ROWS 64u

struct batch *batch_new(uint64_t now_ms)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    list_init(&batch->link);
    batch->started_ms = now_ms;
    /* The ceiling is the front's budget; a single record may be larger than BATCH_MAX_BYTES. */
    arena_init(&batch->arena, BATCH_CHUNK_BYTES, SIZE_MAX);
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    arena_done(&batch->arena);
    fold_done(&batch->fold);
    free(batch->rows);
    free(batch);
}

bool batch_renew(struct batch *batch)
{
    if (batch->capacity != BATCH_FIRST_ROWS || batch->arena.used_bytes > BATCH_CHUNK_BYTES)
        return false;
    fold_done(&batch->fold);
    struct batch fresh = {.arena = batch->arena, .rows = batch->rows, .capacity = batch->capacity};
    *batch = fresh;
    list_init(&batch->link);
    arena_reset(&batch->arena);
    return true;
}

static void gather_fields(const struct journal_record *record, struct slice fields[ROW_FIELDS])
{
    fields[ROW_ROUTE] = record->route;
    fields[ROW_METHOD] = record->method;
    fields[ROW_TARGET] = record->target;
    fields[ROW_HEADERS] = record->headers;
    fields[ROW_CONTENT_TYPE] = record->content_type;
    fields[ROW_BODY] = record->body;
    fields[ROW_CLIENT] = record->client;
    fields[ROW_MODE] = record->mode;
    fields[ROW_STATE] = record->state;
    fields[ROW_OUTCOME] = record->outcome;
    fields[ROW_NOTE] = record->note;
}

size_t batch_row_cost(const struct journal_record *record)
{
    struct slice fields[ROW_FIELDS];
    gather_fields(record, fields);
    size_t bytes = sizeof(struct batch_row) + sizeof(struct batch_row *);
    for (size_t i = 0; i < ROW_FIELDS; i++)
        bytes += fields[i].len;
    return bytes;
}

bool batch_fits(const struct batch *batch, size_t cost_bytes)
{
    if (batch->sealed)
        return false;
    if (batch->count == 0)
        return true;
    return batch->count < BATCH_MAX_ROWS && batch->bytes + cost_bytes <= BATCH_MAX_BYTES;
}

static bool reserve_row(struct batch *batch)
{
    if (batch->count < batch->capacity)
        return true;
    size_t capacity = batch->capacity ? 2 * batch->capacity : BATCH_FIRST_ROWS;
    struct batch_row **rows = realloc(batch->rows, capacity * sizeof(*rows));
    if (!rows)
        return false;
    batch->rows = rows;
    batch->capacity = capacity;
    return true;
}

static void copy_fields(struct batch_row *row, const struct journal_record *record)
{
    char *at = (char *)(row + 1);
    gather_fields(record, row->fields);
    for (size_t i = 0; i < ROW_FIELDS; i++) {
        size_t len = row->fields[i].len;
        if (len > 0)
            memcpy(at, row->fields[i].data, len);
        row->fields[i].data = at;
        at += len;
    }
}

static void copy_record(struct batch_row *row, const struct journal_record *record)
{
    row->id = record->event_id;
    row->has_key = record->has_key;
    row->key = record->key;
    row->window_ends_at_ms = batch_time_ms(record->window_ends_at_ms);
    row->duration_ms = record->duration_ms;
    row->response_status = record->response_status;
    row->queued = record->queued;
    row->lease_ms = record->lease_ms;
    row->ownerless = record->ownerless;
    copy_fields(row, record);
}

static void attach_op(struct batch *batch, struct batch_row *row, struct journal_op *op,
                      uint64_t now_ms)
{
    row->op = op;
    if (batch->waiting++ == 0)
        batch->first_wait_ms = now_ms;
}

bool batch_add(struct batch *batch, struct journal_op *op, size_t cost_bytes, uint64_t now_ms)
{
    if (!reserve_row(batch))
        return false;
    struct batch_row *row = arena_alloc(&batch->arena, cost_bytes - sizeof(struct batch_row *));
    if (!row)
        return false;
    row->op = NULL;
    row->refused = false;
    row->cost_bytes = cost_bytes;
    copy_record(row, op->record);
    if (op->level != JOURNAL_BUFFERED)
        attach_op(batch, row, op, now_ms);
    if (op->level > batch->level)
        batch->level = op->level;
    batch->rows[batch->count++] = row;
    batch->bytes += cost_bytes;
    return true;
}

void batch_forget_done(struct batch *batch)
{
    for (size_t i = 0; i < batch->done; i++)
        batch->bytes -= batch->rows[i]->cost_bytes;
    batch->count -= batch->done;
    if (batch->done > 0)
        memmove(batch->rows, batch->rows + batch->done, batch->count * sizeof(*batch->rows));
    batch->done = 0;
}
