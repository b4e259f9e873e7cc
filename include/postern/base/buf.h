/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a mandatory ceiling. Appending fails with STATUS_FULL at the ceiling and with
 * STATUS_NO_MEMORY when malloc does; the content is then unchanged. Consuming from the front is
 * cheap: a read offset moves and the bytes slide down only when room is needed. Not thread-safe.
 */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t start; /* first byte not yet consumed */
    size_t end;   /* one past the last byte */
    size_t capacity;
    size_t ceiling; /* bytes between start and end never exceed it */
};

/* Makes an empty buffer that may grow to `ceiling` bytes; allocates nothing yet. */
void buf_init(struct buf *buf, size_t ceiling);

/* Frees the memory; the buffer is empty and usable again with the same ceiling. */
void buf_done(struct buf *buf);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *buf);

/* Forgets the content, and frees the memory if its capacity is above `keep_bytes`. */
void buf_trim(struct buf *buf, size_t keep_bytes);

/* The unconsumed bytes; valid until the next call that changes the buffer. */
static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data ? buf->data + buf->start : "", buf->end - buf->start);
}

/* Number of unconsumed bytes. */
static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

/* Makes room for `size` more bytes and returns where they go (valid until the next change), or NULL
 * when it can't. buf_commit tells how many of them were filled. */
char *buf_reserve(struct buf *buf, size_t size);

/* Counts `size` bytes written into the room of the last buf_reserve as content. */
void buf_commit(struct buf *buf, size_t size);

/* Appends a copy of `bytes`, which must not lie in the buffer itself. */
NODISCARD enum status buf_append(struct buf *buf, struct slice bytes);

/* Appends one byte. */
NODISCARD enum status buf_append_byte(struct buf *buf, char byte);

/* Appends a decimal number. */
NODISCARD enum status buf_append_u64(struct buf *buf, uint64_t number);

/* Appends printf-style text (for cold paths). */
NODISCARD enum status buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends `text` as the inside of a JSON string: quotes, backslashes, control characters and the
 * line separators U+2028 and U+2029 escaped, each byte that is not UTF-8 replaced by U+FFFD. The
 * quotes around it are the caller's. */
NODISCARD enum status buf_append_json(struct buf *buf, struct slice text);

/* Drops `size` bytes (at most buf_len) from the front. */
void buf_consume(struct buf *buf, size_t size);

/* Drops what follows the first `len` bytes (at most buf_len): takes back an append that was made in
 * several steps. */
void buf_truncate(struct buf *buf, size_t len);

#endif
