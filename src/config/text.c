/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sticky writer: printf into a buffer, remembering the first failure.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

static enum status append(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static enum status append(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return STATUS_INVALID;
    size_t size = (size_t)len + 1;
    if (size > buf->ceiling - buf_len(buf))
        return STATUS_FULL;
    char *room = buf_reserve(buf, size);
    if (!room)
        return STATUS_NO_MEMORY;
    vsnprintf(room, size, format, args);
    buf_commit(buf, (size_t)len);
    return STATUS_OK;
}

void text_put(struct text *text, const char *format, ...)
{
    if (text->status)
        return;
    va_list args;
    va_start(args, format);
    text->status = append(text->buf, format, args);
    va_end(args);
}
