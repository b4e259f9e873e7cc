/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of a binary COPY: a signature, rows, and a count of -1 where the next row's would be.
 * A piece ends with the row that fills it, so it is as large as PIECE_BYTES or a larger row asks.
 */
#include "pg_copy.h"

#include <limits.h>

/* Large enough that a piece's system call and message cost little, small enough to stay in the
 * processor's cache until the kernel has copied it. */
#define PIECE_BYTES (64u << 10)

/* Behind the signature: no flags, no extension. */
#define HEAD SLICE("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0")
#define END SLICE("\377\377")

void pg_copy_init(struct pg_copy *copy)
{
    *copy = (struct pg_copy){.ended = true};
    /* libpq counts in ints. */
    buf_init(&copy->piece, INT_MAX);
}

void pg_copy_done(struct pg_copy *copy)
{
    buf_done(&copy->piece);
}

void pg_copy_trim(struct pg_copy *copy)
{
    buf_trim(&copy->piece, PIECE_BYTES);
}

void pg_copy_begin(struct pg_copy *copy, struct batch_row *const *rows, size_t count,
                   const struct pg_lease *lease)
{
    copy->rows = rows;
    copy->left = count;
    copy->begun = false;
    copy->ended = false;
    copy->lease = *lease;
}

static enum status put_row(struct pg_copy *copy)
{
    char *at = buf_reserve(&copy->piece, pg_columns_row_bytes(*copy->rows));
    if (!at)
        return STATUS_NO_MEMORY;
    buf_commit(&copy->piece, (size_t)(pg_columns_put_row(at, *copy->rows, &copy->lease) - at));
    copy->rows++;
    copy->left--;
    return STATUS_OK;
}

static enum status fill(struct pg_copy *copy)
{
    if (!buf_reserve(&copy->piece, PIECE_BYTES))
        return STATUS_NO_MEMORY;
    enum status status = copy->begun ? STATUS_OK : buf_append(&copy->piece, HEAD);
    copy->begun = true;
    while (status == STATUS_OK && copy->left > 0) {
        if (buf_len(&copy->piece) > 0 &&
            buf_len(&copy->piece) + pg_columns_row_bytes(*copy->rows) > PIECE_BYTES)
            return STATUS_OK;
        status = put_row(copy);
    }
    copy->ended = true;
    return status == STATUS_OK ? buf_append(&copy->piece, END) : status;
}

enum status pg_copy_next(struct pg_copy *copy, struct slice *ret_piece)
{
    buf_clear(&copy->piece);
    enum status status = copy->ended ? STATUS_OK : fill(copy);
    if (status == STATUS_OK)
        *ret_piece = buf_slice(&copy->piece);
    return status;
}
