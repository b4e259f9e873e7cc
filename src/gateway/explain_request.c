/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a request that is to be explained, through the gateway's own reader: what the gateway
 * would refuse is refused here too, but for line ends and lengths that people leave out by hand.
 */
#include <postern/gateway/explain.h>

struct reading {
    struct http1_reader reader;
    struct explain_request *request;
    bool is_done;
};

size_t explain_wire_max(const struct http_limits *limits, size_t body_bytes)
{
    return limits->head_bytes + 2 * body_bytes + limits->chunk_overhead_bytes;
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

static const char *take_body(struct explain_request *request, struct slice piece)
{
    enum status status = buf_append(&request->body, piece);
    if (status == STATUS_OK)
        return NULL;
    return status == STATUS_FULL ? "its body is larger than may be" : "out of memory";
}

/* Hands `input` to the reader until it wants more or is done. NULL: so far, so good. */
static const char *feed(struct reading *reading, struct slice input)
{
    struct slice piece;
    const char *problem = NULL;
    while (!problem && !reading->is_done) {
        switch (http1_next(&reading->reader, &input, &piece)) {
        case HTTP1_NEED_MORE:
            return NULL;
        case HTTP1_HEAD:
            reading->request->head = reading->reader.head;
            break;
        case HTTP1_BODY:
            problem = take_body(reading->request, piece);
            break;
        case HTTP1_DONE:
            reading->is_done = true;
            reading->request->unread_bytes = input.len;
            break;
        case HTTP1_FAULT:
            return http_fault_text(reading->reader.fault);
        }
    }
    return problem;
}

/* To the gateway a bare LF is an attack, to somebody at an editor it is the end of a line. */
static const char *feed_line(struct reading *reading, struct slice line)
{
    size_t len = line.len;
    bool is_bare = line.data[len - 1] == '\n' && (len == 1 || line.data[len - 2] != '\r');
    const char *problem = feed(reading, slice_of(line.data, is_bare ? len - 1 : len));
    return problem || !is_bare ? problem : feed(reading, SLICE("\r\n"));
}

static const char *feed_head(struct reading *reading, struct slice head)
{
    const char *problem = NULL;
    while (!problem && head.len > 0) {
        const char *end = memchr(head.data, '\n', head.len);
        size_t len = end ? (size_t)(end - head.data) + 1 : head.len;
        problem = feed_line(reading, slice_of(head.data, len));
        head = slice_skip(head, len);
    }
    return problem;
}

/* What follows the head. A body nobody announced is taken for one all the same. */
static const char *feed_rest(struct reading *reading, struct slice rest)
{
    struct explain_request *request = reading->request;
    if (!reading->is_done)
        return feed(reading, rest);
    request->guessed_body = rest.len > 0 && request->head.body == HTTP_BODY_NONE;
    if (request->guessed_body)
        return take_body(request, rest);
    request->unread_bytes = rest.len;
    return NULL;
}

static const char *read_wire(struct reading *reading, struct slice wire)
{
    size_t head_bytes = head_length(wire);
    if (wire.len == 0)
        return "there is nothing";
    const char *problem = feed_head(reading, slice_of(wire.data, head_bytes));
    if (!problem)
        problem = feed_rest(reading, slice_skip(wire, head_bytes));
    return problem || reading->is_done ? problem : "it ends before its body does";
}

const char *explain_read(struct explain_request *request, struct slice wire,
                         const struct http_limits *limits, size_t body_bytes, struct arena *arena,
                         uint16_t *ret_status)
{
    struct reading reading = {.request = request};
    *request = (struct explain_request){.guessed_body = false};
    buf_init(&request->body, body_bytes);
    http1_init_request(&reading.reader, arena, limits);
    const char *problem = read_wire(&reading, wire);
    *ret_status = problem && reading.reader.fault ? http_fault_status(reading.reader.fault) : 0;
    return problem;
}

void explain_request_done(struct explain_request *request)
{
    buf_done(&request->body);
}
