/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding and reading what our tables hold, for the files that have SQLite statements. Bytes are
 * bound as they lie (borrowed until the statement has run); what is read is borrowed until the next
 * step. A failed bind (out of memory) leaves NULL, which the tables or the comparison refuse.
 */
#ifndef POSTERN_STORE_SQLITE_BIND_H
#define POSTERN_STORE_SQLITE_BIND_H

#include <postern/base/slice.h>
#include <postern/base/uuid.h>
#include <sqlite3.h>

/* An id. */
static inline void sqlite_bind_uuid(struct sqlite3_stmt *statement, int column,
                                    const struct uuid *id)
{
    sqlite3_bind_blob(statement, column, id->bytes, sizeof(id->bytes), SQLITE_STATIC);
}

/* A time, a count, a status. */
static inline void sqlite_bind_number(struct sqlite3_stmt *statement, int column, uint64_t number)
{
    sqlite3_bind_int64(statement, column, (sqlite3_int64)number);
}

/* A word of ours. */
static inline void sqlite_bind_text(struct sqlite3_stmt *statement, int column, struct slice text)
{
    sqlite3_bind_text64(statement, column, text.data ? text.data : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

/* A sender's or an upstream's bytes. */
static inline void sqlite_bind_bytes(struct sqlite3_stmt *statement, int column, struct slice bytes)
{
    sqlite3_bind_blob64(statement, column, bytes.data ? bytes.data : "", bytes.len, SQLITE_STATIC);
}

/* An id; all zero when the column holds none. */
static inline struct uuid sqlite_read_uuid(struct sqlite3_stmt *statement, int column)
{
    struct uuid id = {{0}};
    const void *bytes = sqlite3_column_blob(statement, column);
    if (bytes && sqlite3_column_bytes(statement, column) == (int)sizeof(id.bytes))
        memcpy(id.bytes, bytes, sizeof(id.bytes));
    return id;
}

/* A number; 0 for NULL. */
static inline uint64_t sqlite_read_number(struct sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

/* Text or bytes; empty for NULL. */
static inline struct slice sqlite_read_bytes(struct sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    return slice_of(bytes, bytes ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

#endif
