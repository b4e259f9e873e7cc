/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting a sample request together. What is wrong with it as a request is for its reader to say.
 */
#include "sample.h"

#include <postern/net/http1.h>
#include <string.h>

#define CHUNK_BYTES 65536u

static const char *problem_of(enum status status)
{
    if (status == STATUS_OK)
        return NULL;
    if (status == STATUS_FULL)
        return "larger than the limits of this route";
    return status == STATUS_IO ? "it can't be read" : "out of memory";
}

/* ---- from a file ---- */

static enum status read_all(FILE *in, struct buf *buf)
{
    for (;;) {
        size_t left = buf->ceiling - buf_len(buf);
        size_t size = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        if (size == 0)
            return fgetc(in) == EOF && !ferror(in) ? STATUS_OK : STATUS_FULL;
        char *room = buf_reserve(buf, size);
        if (!room)
            return STATUS_NO_MEMORY;
        size_t got = fread(room, 1, size, in);
        buf_commit(buf, got);
        if (got < size)
            return ferror(in) ? STATUS_IO : STATUS_OK;
    }
}

const char *sample_read(struct buf *buf, FILE *in)
{
    return problem_of(read_all(in, buf));
}

/* ---- from options ---- */

static struct slice name_of(const char *line)
{
    const char *colon = strchr(line, ':');
    return slice_of(line, colon ? (size_t)(colon - line) : 0);
}

/* The body lies in a file: how it was once framed is over. */
static bool is_framing(struct slice name)
{
    return slice_ieq(name, SLICE("Content-Length")) || slice_ieq(name, SLICE("Transfer-Encoding"));
}

static enum status write_fields(struct buf *wire, const struct sample_parts *parts)
{
    bool has_host = false;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < parts->header_count && status == STATUS_OK; i++) {
        struct slice name = name_of(parts->headers[i]);
        const char *value = parts->headers[i] + name.len + 1;
        has_host = has_host || slice_ieq(name, SLICE("Host"));
        if (!is_framing(name))
            status = http1_write_field(wire, name, slice_trim(slice_str(value)));
    }
    if (status == STATUS_OK && !has_host)
        status = http1_write_field(wire, SLICE("Host"), SLICE("localhost"));
    return status;
}

static enum status write_all(struct buf *wire, const struct sample_parts *parts)
{
    enum status status = http1_write_request_line(wire, SLICE("POST"), slice_str(parts->target));
    if (status == STATUS_OK)
        status = write_fields(wire, parts);
    if (status == STATUS_OK)
        status = http1_write_field_u64(wire, SLICE("Content-Length"), parts->body.len);
    if (status == STATUS_OK)
        status = http1_write_head_end(wire);
    return status == STATUS_OK ? buf_append(wire, parts->body) : status;
}

const char *sample_write(struct buf *wire, const struct sample_parts *parts)
{
    for (size_t i = 0; i < parts->header_count; i++)
        if (name_of(parts->headers[i]).len == 0)
            return "a header is written \"Name: value\"";
    return problem_of(write_all(wire, parts));
}
