/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a sample request. The wire form goes through the same reader as the gateway's, so that
 * what the gateway would refuse has no key here either.
 */
#include "sample.h"

#define CHUNK_BYTES 65536u

/* ---- reading ---- */

/* Appends all of `in`. */
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

static const char *problem_of(enum status status)
{
    if (status == STATUS_OK)
        return NULL;
    if (status == STATUS_FULL)
        return "larger than the limits of this route";
    return status == STATUS_IO ? "it can't be read" : "out of memory";
}

const char *sample_read_body(struct sample *sample, FILE *in)
{
    return problem_of(read_all(in, &sample->body));
}

/* The length of the head with its empty line, or all of it when there is none. */
static size_t head_length(struct slice wire)
{
    for (size_t i = 0; i + 1 < wire.len; i++) {
        struct slice rest = slice_skip(wire, i);
        if (slice_starts(rest, SLICE("\n\n")))
            return i + 2;
        if (slice_starts(rest, SLICE("\n\r\n")))
            return i + 3;
    }
    return wire.len;
}

/* Copies a head with each bare LF made a CRLF: to the gateway such a head is an attack, to somebody
 * at an editor it is a file. */
static bool copy_head(struct slice head, struct arena *arena, struct slice *ret_head)
{
    char *copy = arena_alloc(arena, 2 * head.len);
    if (!copy)
        return false;
    size_t len = 0;
    for (size_t i = 0; i < head.len; i++) {
        if (head.data[i] == '\n' && (i == 0 || head.data[i - 1] != '\r'))
            copy[len++] = '\r';
        copy[len++] = head.data[i];
    }
    *ret_head = slice_of(copy, len);
    return true;
}

/* ---- the wire form ---- */

static bool take_head(struct sample *sample, const struct http_head *head, struct arena *arena)
{
    sample->fields = arena_alloc(arena, (head->field_count + 1) * sizeof(struct sample_field));
    if (!sample->fields)
        return false;
    for (size_t i = 0; i < head->field_count; i++)
        sample->fields[i] =
            (struct sample_field){.name = head->fields[i].name, .value = head->fields[i].value};
    sample->field_count = head->field_count;
    sample->method = head->method;
    sample->host = head->host;
    sample->path = head->path;
    sample->query = head->query;
    sample->has_wire = true;
    return true;
}

/* Hands `input` to the reader until it wants more or is done. NULL: so far, so good. */
static const char *feed(struct sample *sample, struct http1_reader *reader, struct slice input,
                        struct arena *arena, bool *ret_done)
{
    struct slice piece;
    for (;;) {
        enum http1_event event = http1_next(reader, &input, &piece);
        if (event == HTTP1_FAULT)
            return http_fault_text(reader->fault);
        if (event == HTTP1_HEAD && !take_head(sample, &reader->head, arena))
            return problem_of(STATUS_NO_MEMORY);
        if (event == HTTP1_BODY && buf_append(&sample->body, piece))
            return problem_of(STATUS_FULL);
        *ret_done = event == HTTP1_DONE;
        if (event == HTTP1_DONE || event == HTTP1_NEED_MORE)
            return NULL;
    }
}

static const char *parse(struct sample *sample, struct slice wire, const struct http_limits *limits,
                         struct arena *arena)
{
    struct http1_reader reader;
    struct slice head;
    bool is_done = false;
    size_t len = head_length(wire);
    struct slice rest = slice_skip(wire, len);
    if (!copy_head(slice_of(wire.data, len), arena, &head))
        return problem_of(STATUS_NO_MEMORY);
    http1_init_request(&reader, arena, limits);
    const char *problem = feed(sample, &reader, head, arena, &is_done);
    if (!problem && is_done && rest.len > 0) {
        sample->guessed_body = reader.head.body == HTTP_BODY_NONE;
        if (sample->guessed_body && buf_append(&sample->body, rest))
            return problem_of(STATUS_FULL);
    } else if (!problem && !is_done) {
        problem = feed(sample, &reader, rest, arena, &is_done);
    }
    return problem || is_done ? problem : "it ends before its body does";
}

const char *sample_read_wire(struct sample *sample, FILE *in, const struct http_limits *limits,
                             struct arena *arena)
{
    struct buf wire;
    /* A body in the smallest chunks is six times as long. */
    buf_init(&wire, limits->head_bytes + 6 * sample->body.ceiling + limits->chunk_overhead_bytes);
    const char *problem = problem_of(read_all(in, &wire));
    if (!problem && buf_len(&wire) == 0)
        problem = "there is nothing on standard input";
    if (!problem)
        problem = parse(sample, buf_slice(&wire), limits, arena);
    buf_done(&wire);
    return problem;
}

/* ---- from options ---- */

const char *sample_set_fields(struct sample *sample, const char *const *lines, size_t count,
                              struct arena *arena)
{
    sample->fields = arena_alloc(arena, (count + 1) * sizeof(struct sample_field));
    if (!sample->fields)
        return problem_of(STATUS_NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(lines[i], ':');
        if (!colon || colon == lines[i])
            return "a header is written \"Name: value\"";
        sample->fields[sample->field_count++] =
            (struct sample_field){.name = slice_of(lines[i], (size_t)(colon - lines[i])),
                                  .value = slice_trim(slice_str(colon + 1))};
    }
    return NULL;
}

void sample_set_target(struct sample *sample, const char *target)
{
    size_t len = strcspn(target, "?");
    sample->path = slice_of(target, len);
    sample->query = slice_str(target[len] ? target + len + 1 : "");
}

size_t sample_header(const void *headers, struct slice name, struct slice *ret_value)
{
    const struct sample *sample = headers;
    size_t count = 0;
    for (size_t i = 0; i < sample->field_count; i++) {
        if (!slice_ieq(sample->fields[i].name, name))
            continue;
        if (count++ == 0)
            *ret_value = sample->fields[i].value;
    }
    return count;
}
