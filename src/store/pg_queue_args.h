/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of one statement, in PostgreSQL's binary form: scalars, and arrays that a
 * statement unnests into rows. Filled one parameter after the other; running out of memory is
 * remembered and told when they are sent. Not the journal's columns (pg_columns.h), which are sized
 * for whole batches of bodies.
 */
#ifndef POSTERN_STORE_PG_QUEUE_ARGS_H
#define POSTERN_STORE_PG_QUEUE_ARGS_H

#include "pg_link.h"

#include <postern/base/buf.h>
#include <postern/base/uuid.h>

#define PG_ARGS_MAX 20

enum pg_kind { PG_BOOL, PG_INT4, PG_INT8, PG_TIME, PG_UUID, PG_TEXT, PG_BYTEA, PG_KINDS };

struct pg_args {
    struct buf bytes[PG_ARGS_MAX];
    enum pg_kind kinds[PG_ARGS_MAX];
    bool is_array[PG_ARGS_MAX];
    int count; /* the last one is being filled */
    bool failed;
};

/* Prepares them, empty. */
void pg_args_init(struct pg_args *args);

/* Frees the memory. */
void pg_args_done(struct pg_args *args);

/* Forgets the parameters, and frees what large ones have left behind. */
void pg_args_reset(struct pg_args *args);

/* Begins the next parameter: one value, or an array of `count` values that have to follow. */
void pg_args_scalar(struct pg_args *args, enum pg_kind kind);
void pg_args_array(struct pg_args *args, enum pg_kind kind, size_t count);

/* Adds the value of a scalar, or the next of an array. A number is written in its kind's size. */
void pg_args_number(struct pg_args *args, uint64_t number);
void pg_args_bytes(struct pg_args *args, struct slice bytes);

/* Adds a NULL to an array. */
void pg_args_null(struct pg_args *args);

/* These are short for a scalar or an element of that kind. */
void pg_args_uuid(struct pg_args *args, const struct uuid *id);
void pg_args_time(struct pg_args *args, uint64_t wall_ms);

/* Two parameters, the span of whole days (pg_rows.h) between two moments. */
void pg_args_days(struct pg_args *args, uint64_t first_wall_ms, uint64_t last_wall_ms);

/* Adds the statement with these parameters to the link's job. False: out of memory, nothing was
 * added. */
NODISCARD bool pg_args_send(const struct pg_args *args, struct pg_link *link, const char *text);

#endif
