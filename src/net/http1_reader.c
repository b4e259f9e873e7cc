/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one connection's incoming messages: head, body, end. Heads are looked at line by
 * line where they lie and copied into the arena once; a head that comes in pieces is gathered
 * there, and no byte of it is scanned twice. Bodies are handed on as they come. Grammar and rules
 * of a whole head are in http1_parse.c and http1_rules.c.
 *
 *   HEAD ──empty line──> SIZED | CHUNKED | TO_CLOSE ──> ENDED
 *    │                                                   ▲
 *    └────────────── no body, or one of 0 bytes ─────────┘
 */
#include "http1_internal.h"

/* More empty lines before a request than this are no client's mistake any more. */
#define EMPTY_LINES_MAX 4

/* Interim responses before a final one; a server with more to say is stuck. */
#define INTERIM_RESPONSES_MAX 8

/* First allocation of a head that came in pieces; fits most webhooks' heads. */
#define GATHER_BYTES_MIN 1024

/* A gathered head grows by at most so many bytes before it is scanned for its end, so that body
 * bytes behind it aren't copied in bulk. */
#define GATHER_STEP_BYTES 1024

enum { STATE_HEAD, STATE_SIZED, STATE_CHUNKED, STATE_TO_CLOSE, STATE_ENDED, STATE_FAULT };

enum scan {
    SCAN_PARTIAL, /* every complete line is fine, the last one isn't complete */
    SCAN_EMPTY,   /* an empty line before a request */
    SCAN_HEAD,    /* the head is complete */
    SCAN_FAULT,
};

void http1_init_request(struct http1_reader *reader, struct arena *arena,
                        const struct http_limits *limits)
{
    reader->limits = limits;
    reader->is_response = false;
    http1_reset(reader, arena, false);
}

void http1_init_response(struct http1_reader *reader, struct arena *arena,
                         const struct http_limits *limits, bool no_body_expected)
{
    reader->limits = limits;
    reader->is_response = true;
    http1_reset(reader, arena, no_body_expected);
}

void http1_reset(struct http1_reader *reader, struct arena *arena, bool no_body_expected)
{
    *reader = (struct http1_reader){
        .arena = arena,
        .limits = reader->limits,
        .is_response = reader->is_response,
        .no_body_expected = no_body_expected,
        .state = STATE_HEAD,
    };
}

static enum http1_event refuse(struct http1_reader *reader, enum http_fault fault)
{
    reader->fault = fault;
    reader->state = STATE_FAULT;
    return HTTP1_FAULT;
}

/* Makes room for `size` bytes of head. */
static bool reserve(struct http1_reader *reader, size_t size)
{
    if (size <= reader->gathered_capacity)
        return true;
    size_t capacity = reader->gathered_capacity * 2;
    if (capacity < size)
        capacity = size;
    char *room = arena_alloc(reader->arena, capacity);
    if (!room)
        return false;
    if (reader->gathered_bytes > 0)
        memcpy(room, reader->gathered, reader->gathered_bytes);
    reader->gathered = room;
    reader->gathered_capacity = capacity;
    return true;
}

/* Appends `bytes` to the head's; false when the arena is full. */
static bool gather(struct http1_reader *reader, struct slice bytes)
{
    if (!reserve(reader, reader->gathered_bytes + bytes.len))
        return false;
    memcpy(reader->gathered + reader->gathered_bytes, bytes.data, bytes.len);
    reader->gathered_bytes += bytes.len;
    return true;
}

/* Begins another head in the same room. */
static void forget_head(struct http1_reader *reader)
{
    reader->gathered_bytes = 0;
    reader->scanned_bytes = 0;
    reader->line_start = 0;
    reader->field_lines = 0;
    reader->skipped_count++;
}

/* True when the bytes of `line` from `seen` on show a CR that no LF follows. The last byte may be
 * one, its LF is then to come. */
static bool has_bare_cr(struct slice line, size_t seen)
{
    size_t from = seen > 0 ? seen - 1 : 0;
    return line.len > from + 1 && memchr(line.data + from, '\r', line.len - from - 1);
}

/* What can be said of a line before its end has come. Without this, bytes of another protocol
 * would be waited out. Only first lines are looked at: of a field line nothing is known to be wrong
 * before its end, but for its length and has_bare_cr. */
static enum http_fault check_prefix(const struct http1_reader *reader, struct slice line)
{
    if (reader->line_start > 0)
        return HTTP_FAULT_NONE;
    if (reader->is_response)
        return http1_check_status_prefix(line);
    return http1_check_request_prefix(line, reader->limits);
}

static enum http_fault check_start_line(const struct http1_reader *reader, struct slice line)
{
    if (!reader->is_response) {
        struct request_line parts;
        return http1_split_request_line(line, reader->limits, &parts);
    }
    uint8_t minor;
    uint16_t status;
    return http1_split_status_line(line, &minor, &status);
}

static enum http_fault check_field_line(struct http1_reader *reader, struct slice line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return HTTP_FAULT_SYNTAX; /* folded, or space before the first field */
    if (++reader->field_lines > reader->limits->fields)
        return HTTP_FAULT_HEAD_TOO_LARGE;
    return HTTP_FAULT_NONE;
}

/* A complete line, without its LF. */
static enum scan scan_line(struct http1_reader *reader, struct slice line)
{
    enum http_fault fault = HTTP_FAULT_SYNTAX;
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
        bool first = reader->line_start == 0;
        if (line.len == 0 && !first)
            return SCAN_HEAD;
        if (line.len == 0 && !reader->is_response && reader->skipped_count < EMPTY_LINES_MAX)
            return SCAN_EMPTY;
        if (line.len > 0 && !http1_has_control(line))
            fault = first ? check_start_line(reader, line) : check_field_line(reader, line);
    }
    if (fault == HTTP_FAULT_NONE)
        return SCAN_PARTIAL;
    refuse(reader, fault);
    return SCAN_FAULT;
}

/* Looks at the lines of `head`, the bytes since the head's first, from where the last call left
 * off. Stops after the head's end, or at the end of the bytes. */
static enum scan scan_head(struct http1_reader *reader, struct slice head)
{
    for (;;) {
        struct slice unread = slice_skip(head, reader->scanned_bytes);
        const char *lf = unread.len > 0 ? memchr(unread.data, '\n', unread.len) : NULL;
        size_t line_end = lf ? (size_t)(lf - head.data) : head.len;
        struct slice line = slice_of(head.data + reader->line_start, line_end - reader->line_start);
        size_t seen = reader->scanned_bytes - reader->line_start;
        enum http_fault fault = check_prefix(reader, line);
        if (!lf && has_bare_cr(line, seen)) /* in whole lines http1_has_control finds it */
            fault = HTTP_FAULT_SYNTAX;
        reader->scanned_bytes = line_end + (lf ? 1 : 0);
        if (fault == HTTP_FAULT_NONE && reader->scanned_bytes > reader->limits->head_bytes)
            fault = HTTP_FAULT_HEAD_TOO_LARGE;
        if (fault != HTTP_FAULT_NONE) {
            refuse(reader, fault);
            return SCAN_FAULT;
        }
        if (!lf)
            return SCAN_PARTIAL;
        enum scan scan = scan_line(reader, line);
        if (scan != SCAN_PARTIAL)
            return scan;
        reader->line_start = reader->scanned_bytes;
    }
}

/* Where a message goes on after its head. */
static uint8_t state_after(enum http_body body)
{
    switch (body) {
    case HTTP_BODY_SIZED:
        return STATE_SIZED;
    case HTTP_BODY_CHUNKED:
        return STATE_CHUNKED;
    case HTTP_BODY_TO_CLOSE:
        return STATE_TO_CLOSE;
    case HTTP_BODY_NONE:
        break;
    }
    return STATE_ENDED;
}

/* HTTP1_NEED_MORE after an interim response: the next head follows. */
static enum http1_event finish_head(struct http1_reader *reader)
{
    enum http_fault fault = http1_parse_head(reader);
    if (fault != HTTP_FAULT_NONE)
        return refuse(reader, fault);
    if (reader->is_response && reader->head.status < 200) {
        if (reader->skipped_count == INTERIM_RESPONSES_MAX)
            return refuse(reader, HTTP_FAULT_SYNTAX);
        forget_head(reader);
        return HTTP1_NEED_MORE;
    }
    reader->remaining_bytes = reader->head.content_length;
    reader->state = state_after(reader->head.body);
    return HTTP1_HEAD;
}

/* The bytes to scan for the head's end: those of the input where they lie while nothing is
 * gathered, else what is gathered with the next step of the input. */
static bool look_ahead(struct http1_reader *reader, struct slice input, struct slice *ret_head)
{
    if (reader->gathered_bytes > 0) {
        if (input.len > GATHER_STEP_BYTES)
            input.len = GATHER_STEP_BYTES;
        if (!gather(reader, input))
            return false;
        input = slice_of(reader->gathered, reader->gathered_bytes);
    }
    *ret_head = input;
    return true;
}

/* Counts the scanned bytes as the head's, which `gathered_before` were already; bytes that were
 * looked at behind its end stay in the input. */
static bool take_scanned(struct http1_reader *reader, size_t gathered_before, enum scan scan,
                         struct slice *input)
{
    struct slice taken = *input;
    taken.len = reader->scanned_bytes - gathered_before;
    if (gathered_before == 0) {
        if (scan == SCAN_PARTIAL && !reserve(reader, GATHER_BYTES_MIN))
            return false;
        if (!gather(reader, taken))
            return false;
    }
    reader->gathered_bytes = reader->scanned_bytes;
    *input = slice_skip(*input, taken.len);
    return true;
}

static enum http1_event read_head(struct http1_reader *reader, struct slice *input)
{
    while (input->len > 0) {
        size_t gathered_before = reader->gathered_bytes;
        struct slice head;
        if (!look_ahead(reader, *input, &head))
            return refuse(reader, HTTP_FAULT_NO_MEMORY);
        enum scan scan = scan_head(reader, head);
        if (scan == SCAN_FAULT)
            return HTTP1_FAULT;
        if (scan == SCAN_EMPTY) {
            *input = slice_skip(*input, reader->scanned_bytes - gathered_before);
            forget_head(reader);
            continue;
        }
        if (!take_scanned(reader, gathered_before, scan, input))
            return refuse(reader, HTTP_FAULT_NO_MEMORY);
        enum http1_event event = scan == SCAN_HEAD ? finish_head(reader) : HTTP1_NEED_MORE;
        if (event != HTTP1_NEED_MORE)
            return event;
    }
    return HTTP1_NEED_MORE;
}

static enum http1_event read_sized(struct http1_reader *reader, struct slice *input,
                                   struct slice *ret_piece)
{
    if (reader->remaining_bytes == 0)
        return HTTP1_DONE;
    if (input->len == 0)
        return HTTP1_NEED_MORE;
    struct slice piece = *input;
    if (piece.len > reader->remaining_bytes)
        piece.len = (size_t)reader->remaining_bytes;
    reader->remaining_bytes -= piece.len;
    *input = slice_skip(*input, piece.len);
    *ret_piece = piece;
    return HTTP1_BODY;
}

static enum http1_event read_to_close(struct slice *input, struct slice *ret_piece)
{
    if (input->len == 0)
        return HTTP1_NEED_MORE;
    *ret_piece = *input;
    *input = slice_skip(*input, input->len);
    return HTTP1_BODY;
}

static enum http1_event read_body(struct http1_reader *reader, struct slice *input,
                                  struct slice *ret_piece)
{
    enum http1_event event;
    if (reader->state == STATE_SIZED)
        event = read_sized(reader, input, ret_piece);
    else if (reader->state == STATE_CHUNKED)
        event = http1_read_chunked(reader, input, ret_piece);
    else
        event = read_to_close(input, ret_piece);
    if (event == HTTP1_DONE)
        reader->state = STATE_ENDED;
    if (event == HTTP1_FAULT)
        return refuse(reader, HTTP_FAULT_CHUNK);
    return event;
}

enum http1_event http1_next(struct http1_reader *reader, struct slice *input,
                            struct slice *ret_piece)
{
    switch (reader->state) {
    case STATE_HEAD:
        return read_head(reader, input);
    case STATE_ENDED:
        return HTTP1_DONE;
    case STATE_FAULT:
        return HTTP1_FAULT;
    default:
        return read_body(reader, input, ret_piece);
    }
}

enum http1_event http1_end(struct http1_reader *reader)
{
    switch (reader->state) {
    case STATE_HEAD:
        return http1_in_message(reader) ? refuse(reader, HTTP_FAULT_SYNTAX) : HTTP1_NEED_MORE;
    case STATE_SIZED:
        if (reader->remaining_bytes > 0)
            return refuse(reader, HTTP_FAULT_FRAMING);
        break;
    case STATE_CHUNKED:
        return refuse(reader, HTTP_FAULT_CHUNK);
    case STATE_FAULT:
        return HTTP1_FAULT;
    default:
        break;
    }
    reader->state = STATE_ENDED;
    return HTTP1_DONE;
}

bool http1_in_message(const struct http1_reader *reader)
{
    if (reader->state == STATE_HEAD)
        return reader->gathered_bytes > 0 || (reader->is_response && reader->skipped_count > 0);
    return reader->state != STATE_ENDED;
}
