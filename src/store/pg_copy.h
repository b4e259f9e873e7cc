/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as the stream of a binary COPY, in pieces of bounded size: the encoder keeps one piece, the
 * link (pg_link.h) asks for the next when the socket has taken it. Knows the format, not the
 * connection.
 */
#ifndef POSTERN_STORE_PG_COPY_H
#define POSTERN_STORE_PG_COPY_H

#include "pg_columns.h"

struct pg_copy {
    struct buf piece;
    struct batch_row *const *rows; /* not told yet */
    size_t left;
    bool begun, ended; /* the stream's head and its end have been told */
    struct pg_lease lease;
};

/* Prepares it, empty. */
void pg_copy_init(struct pg_copy *copy);

/* Frees the memory. */
void pg_copy_done(struct pg_copy *copy);

/* Frees what a large row has left behind. */
void pg_copy_trim(struct pg_copy *copy);

/* Begins a stream of `count` rows, borrowed until it is over. */
void pg_copy_begin(struct pg_copy *copy, struct batch_row *const *rows, size_t count,
                   const struct pg_lease *lease);

/* The next piece, valid until the next call; empty behind the last one. */
NODISCARD enum status pg_copy_next(struct pg_copy *copy, struct slice *ret_piece);

#endif
