/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch in PostgreSQL's binary formats: as the parameters of two statements, one array per
 * column, so that any number of rows is one statement; or row by row for COPY (pg_copy.h). Each
 * record's bytes are copied here once, from the batch.
 */
#ifndef POSTERN_STORE_PG_COLUMNS_H
#define POSTERN_STORE_PG_COLUMNS_H

#include "batch.h"

#include <postern/base/buf.h>

#define PG_COLUMNS_INSERT 21
#define PG_COLUMNS_COUNT 7

/* The statements that take them. The first insert is for rows that are new, and cheaper; it fails
 * with a unique violation where one is there already, and so does the COPY, cheaper still. The
 * second leaves such rows alone. */
extern const char pg_columns_insert[];
extern const char pg_columns_insert_again[];
extern const char pg_columns_copy[];
extern const char pg_columns_count[];

/* What the leases of a batch's queued rows are counted from, and whose they are. */
struct pg_lease {
    int64_t now;   /* the server's clock, as a timestamptz, as well as it is known */
    int64_t since; /* a moment that it has certainly reached: what is due at once is due then */
    struct uuid owner;
};

struct pg_columns {
    struct buf bytes[PG_COLUMNS_INSERT];
    unsigned int types[PG_COLUMNS_INSERT]; /* OIDs */
    const char *values[PG_COLUMNS_INSERT];
    int lengths[PG_COLUMNS_INSERT];
};

/* Prepares them, empty. */
void pg_columns_init(struct pg_columns *columns);

/* Frees the memory. */
void pg_columns_done(struct pg_columns *columns);

/* Frees what a large batch has left behind. */
void pg_columns_trim(struct pg_columns *columns);

/* Fills the parameters of either insert with `count` rows. STATUS_NO_MEMORY: nothing to send.
 * The parameters are valid until the next call. */
NODISCARD enum status pg_columns_of_rows(struct pg_columns *columns, struct batch_row *const *rows,
                                         size_t count, const struct pg_lease *lease);

/* Most bytes of a row in a COPY. */
size_t pg_columns_row_bytes(const struct batch_row *row);

/* Writes a row of a COPY; returns its end. */
char *pg_columns_put_row(char *at, const struct batch_row *row, const struct pg_lease *lease);

/* Fills the parameters of pg_columns_count with a sorted, non-empty fold. `again`: these counts
 * have been sent before, nobody knows if they were committed; an event whose last duplicate is as
 * late is then taken to have them. */
NODISCARD enum status pg_columns_of_fold(struct pg_columns *columns, const struct fold *fold,
                                         bool again);

/* Milliseconds since 1970 as the microseconds since 2000 of a timestamptz, and back. */
int64_t pg_time_of_ms(uint64_t ms);
uint64_t pg_ms_of_time(int64_t time);

/* Writes and reads big-endian numbers. */
char *pg_put_u32(char *at, uint32_t number);
char *pg_put_u64(char *at, uint64_t number);
uint64_t pg_get_u64(const char *at);

#endif
