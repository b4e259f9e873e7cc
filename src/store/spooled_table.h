/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for one PostgreSQL statement: a binary array per column, filled row by row because that is
 * how a spool tells them (pg_columns.h goes column by column through a batch in memory). Bytes are
 * copied once, from SQLite's page to here.
 */
#ifndef POSTERN_STORE_SPOOLED_TABLE_H
#define POSTERN_STORE_SPOOLED_TABLE_H

#include "pg_link.h"

#include <postern/base/buf.h>
#include <postern/base/slice.h>

#define SPOOLED_COLUMNS 26 /* of the widest table */

enum spooled_kind {
    SPOOLED_BOOL,
    SPOOLED_INT4,
    SPOOLED_INT8,
    SPOOLED_TIME, /* from wall-clock milliseconds */
    SPOOLED_UUID,
    SPOOLED_TEXT,
    SPOOLED_PRINTABLE, /* text, where what isn't printable ASCII becomes '?' */
    SPOOLED_BYTES,
};

struct spooled_table {
    const enum spooled_kind *kinds; /* one per column; borrowed */
    size_t columns, rows;
    size_t bytes; /* of all values */
    bool failed;  /* out of memory: must not be sent */
    struct buf values[SPOOLED_COLUMNS];
};

/* Makes an empty table. */
void spooled_table_init(struct spooled_table *table, const enum spooled_kind *kinds,
                        size_t columns);

/* Frees the memory. */
void spooled_table_done(struct spooled_table *table);

/* Forgets the rows. */
void spooled_table_clear(struct spooled_table *table);

/* Adds the next row's value to a column: a number, bytes, or NULL. Every column gets one, then
 * spooled_table_end_row. */
void spooled_table_number(struct spooled_table *table, size_t column, uint64_t number);
void spooled_table_bytes(struct spooled_table *table, size_t column, struct slice bytes);
void spooled_table_null(struct spooled_table *table, size_t column);

/* Counts the row that was added. */
void spooled_table_end_row(struct spooled_table *table);

/* Adds a statement with the table's columns as its parameters to the job of a link. The table must
 * have rows and not have failed. */
void spooled_table_send(struct spooled_table *table, struct pg_link *link, const char *text);

#endif
