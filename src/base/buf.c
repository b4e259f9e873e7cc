/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growable buffer: one malloc'ed block, content between `start` and `end`. The block has one
 * byte more than `capacity`, so that buf_printf may fill it to the brim and still let vsnprintf
 * write its NUL. Every append goes through make_room, which alone moves or grows the block.
 */
#include <postern/base/buf.h>

#include "escape.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_CAPACITY 256u /* fits a short head or a JSON answer without a second malloc */

void buf_init(struct buf *buf, size_t ceiling)
{
    assert(ceiling < SIZE_MAX);
    *buf = (struct buf){.ceiling = ceiling};
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.ceiling = buf->ceiling};
}

void buf_clear(struct buf *buf)
{
    buf->start = 0;
    buf->end = 0;
}

void buf_trim(struct buf *buf, size_t keep_bytes)
{
    if (buf->capacity > keep_bytes)
        buf_done(buf);
    else
        buf_clear(buf);
}

static void slide_down(struct buf *buf)
{
    size_t len = buf_len(buf);
    if (len > 0)
        memmove(buf->data, buf->data + buf->start, len);
    buf->start = 0;
    buf->end = len;
}

/* The capacity for `needed` bytes: doubled, so that appending stays linear, within the ceiling. */
static size_t grown_capacity(const struct buf *buf, size_t needed)
{
    size_t doubled = buf->capacity <= buf->ceiling / 2 ? 2 * buf->capacity : buf->ceiling;
    size_t capacity = doubled > BUF_FIRST_CAPACITY ? doubled : BUF_FIRST_CAPACITY;
    if (capacity < needed)
        capacity = needed;
    return capacity < buf->ceiling ? capacity : buf->ceiling;
}

static enum status make_room(struct buf *buf, size_t size)
{
    size_t len = buf_len(buf);
    if (size > buf->ceiling - len)
        return STATUS_FULL;
    if (buf->data && size <= buf->capacity - buf->end)
        return STATUS_OK;
    /* Sliding is cheap when more was consumed than has to move; else growing is, until the ceiling
     * leaves no choice. */
    if (buf->data && size <= buf->capacity - len &&
        (buf->start >= len || buf->capacity == buf->ceiling)) {
        slide_down(buf);
        return STATUS_OK;
    }
    size_t capacity = grown_capacity(buf, len + size);
    char *data = malloc(capacity + 1);
    if (!data)
        return STATUS_NO_MEMORY;
    if (len > 0)
        memcpy(data, buf->data + buf->start, len);
    free(buf->data);
    *buf = (struct buf){.data = data, .end = len, .capacity = capacity, .ceiling = buf->ceiling};
    return STATUS_OK;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    return make_room(buf, size) == STATUS_OK ? buf->data + buf->end : NULL;
}

void buf_commit(struct buf *buf, size_t size)
{
    assert(size <= buf->capacity - buf->end);
    buf->end += size;
}

enum status buf_append(struct buf *buf, struct slice bytes)
{
    if (bytes.len == 0)
        return STATUS_OK;
    enum status status = make_room(buf, bytes.len);
    if (status != STATUS_OK)
        return status;
    memcpy(buf->data + buf->end, bytes.data, bytes.len);
    buf->end += bytes.len;
    return STATUS_OK;
}

enum status buf_append_byte(struct buf *buf, char byte)
{
    return buf_append(buf, slice_of(&byte, 1));
}

enum status buf_append_u64(struct buf *buf, uint64_t number)
{
    char digits[20]; /* of UINT64_MAX */
    char *first = digits + sizeof(digits);
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return buf_append(buf, slice_of(first, (size_t)(digits + sizeof(digits) - first)));
}

enum status buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return STATUS_INVALID;
    enum status status = make_room(buf, (size_t)length);
    if (status != STATUS_OK)
        return status;
    va_start(args, format);
    vsnprintf(buf->data + buf->end, (size_t)length + 1, format, args);
    va_end(args);
    buf->end += (size_t)length;
    return STATUS_OK;
}

enum status buf_append_json(struct buf *buf, struct slice text)
{
    size_t len_before = buf_len(buf);
    enum status status = STATUS_OK;
    while (text.len > 0 && status == STATUS_OK) {
        size_t taken = escape_plain_run(text);
        if (taken > 0) {
            status = buf_append(buf, slice_of(text.data, taken));
        } else {
            struct escaped escaped = escape_next(text);
            taken = escaped.taken;
            status = buf_append(buf, slice_of(escaped.bytes, escaped.len));
        }
        text = slice_skip(text, taken);
    }
    if (status != STATUS_OK)
        buf_truncate(buf, len_before);
    return status;
}

void buf_consume(struct buf *buf, size_t size)
{
    assert(size <= buf_len(buf));
    buf->start += size;
    if (buf->start == buf->end)
        buf_clear(buf);
}

void buf_truncate(struct buf *buf, size_t len)
{
    assert(len <= buf_len(buf));
    buf->end = buf->start + len;
}
