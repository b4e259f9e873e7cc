/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows zlib. A body of a thousandth of the ceiling may unpack to all of it, so
 * output grows by steps from a few times the input, and stops at the ceiling whatever the input
 * claims of itself.
 */
#include "gunzip.h"

#include <limits.h>
#define ZLIB_CONST /* input is const */
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* the largest window; gzip's frame, not zlib's */
#define STEP_BYTES 16384u

/* Room for the next step, or none at the ceiling. */
static char *reserve_step(struct buf *buf, size_t *ret_room)
{
    size_t left = buf->ceiling - buf_len(buf);
    size_t step = buf_len(buf) > STEP_BYTES ? buf_len(buf) : STEP_BYTES;
    *ret_room = left < step ? left : step;
    return *ret_room > 0 ? buf_reserve(buf, *ret_room) : NULL;
}

/* One step of output; *ret_code is zlib's. */
static enum status unpack_step(z_stream *stream, struct buf *buf, int *ret_code)
{
    size_t room;
    char *to = reserve_step(buf, &room);
    Bytef nothing; /* at the ceiling: whether the end comes without another byte */
    if (!to && room > 0)
        return STATUS_NO_MEMORY;
    stream->next_out = to ? (Bytef *)to : &nothing;
    stream->avail_out = to ? (uInt)room : 1;
    *ret_code = inflate(stream, Z_NO_FLUSH);
    if (!to)
        return stream->avail_out == 0 ? STATUS_FULL : STATUS_OK;
    buf_commit(buf, room - stream->avail_out);
    return STATUS_OK;
}

static enum status unpack(z_stream *stream, struct buf *buf)
{
    int code;
    enum status status;
    do
        status = unpack_step(stream, buf, &code);
    while (status == STATUS_OK && code == Z_OK);
    if (status != STATUS_OK)
        return status;
    if (code == Z_MEM_ERROR)
        return STATUS_NO_MEMORY;
    return code == Z_STREAM_END && stream->avail_in == 0 ? STATUS_OK : STATUS_INVALID;
}

enum status gunzip(struct slice packed, struct buf *buf)
{
    if (packed.len > UINT_MAX || buf->ceiling > UINT_MAX)
        return STATUS_FULL;
    z_stream stream = {
        .next_in = (const Bytef *)packed.data,
        .avail_in = (uInt)packed.len,
    };
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
        return STATUS_NO_MEMORY;
    enum status status = unpack(&stream, buf);
    (void)inflateEnd(&stream);
    return status;
}
