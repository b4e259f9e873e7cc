/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads and chunk framing as bytes. Checks nothing: what is written was made by us or came through
 * http1_reader.c. Each line is laid into one reservation of the buffer, so that a line is there
 * whole or not at all.
 */
#include <postern/net/http1.h>

#include <assert.h>
#include <time.h>

#define U64_DIGITS_MAX 20
#define U64_HEX_DIGITS_MAX 16

/* The last second an IMF-fixdate can name, 31 Dec 9999 23:59:59. */
#define DATE_MAX_S UINT64_C(253402300799)

struct status_row {
    uint16_t status;
    struct slice reason;
};

#define ROW(number, text)                                                                          \
    {                                                                                              \
        .status = (number), .reason = {.data = (text), .len = sizeof(text) - 1 }                   \
    }

/* Those an upstream may answer with and we relay; the first few are the ones seen all day. */
static const struct status_row reasons[] = {
    ROW(200, "OK"),
    ROW(202, "Accepted"),
    ROW(204, "No Content"),
    ROW(201, "Created"),
    ROW(100, "Continue"),
    ROW(203, "Non-Authoritative Information"),
    ROW(205, "Reset Content"),
    ROW(206, "Partial Content"),
    ROW(207, "Multi-Status"),
    ROW(208, "Already Reported"),
    ROW(226, "IM Used"),
    ROW(300, "Multiple Choices"),
    ROW(301, "Moved Permanently"),
    ROW(302, "Found"),
    ROW(303, "See Other"),
    ROW(304, "Not Modified"),
    ROW(305, "Use Proxy"),
    ROW(307, "Temporary Redirect"),
    ROW(308, "Permanent Redirect"),
    ROW(400, "Bad Request"),
    ROW(401, "Unauthorized"),
    ROW(402, "Payment Required"),
    ROW(403, "Forbidden"),
    ROW(404, "Not Found"),
    ROW(405, "Method Not Allowed"),
    ROW(406, "Not Acceptable"),
    ROW(407, "Proxy Authentication Required"),
    ROW(408, "Request Timeout"),
    ROW(409, "Conflict"),
    ROW(410, "Gone"),
    ROW(411, "Length Required"),
    ROW(412, "Precondition Failed"),
    ROW(413, "Content Too Large"),
    ROW(414, "URI Too Long"),
    ROW(415, "Unsupported Media Type"),
    ROW(416, "Range Not Satisfiable"),
    ROW(417, "Expectation Failed"),
    ROW(421, "Misdirected Request"),
    ROW(422, "Unprocessable Content"),
    ROW(423, "Locked"),
    ROW(424, "Failed Dependency"),
    ROW(425, "Too Early"),
    ROW(426, "Upgrade Required"),
    ROW(428, "Precondition Required"),
    ROW(429, "Too Many Requests"),
    ROW(431, "Request Header Fields Too Large"),
    ROW(451, "Unavailable For Legal Reasons"),
    ROW(500, "Internal Server Error"),
    ROW(501, "Not Implemented"),
    ROW(502, "Bad Gateway"),
    ROW(503, "Service Unavailable"),
    ROW(504, "Gateway Timeout"),
    ROW(505, "HTTP Version Not Supported"),
    ROW(506, "Variant Also Negotiates"),
    ROW(507, "Insufficient Storage"),
    ROW(508, "Loop Detected"),
    ROW(511, "Network Authentication Required"),
};

struct slice http_reason(uint16_t status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return SLICE("Unknown");
}

/* Appends the concatenation of `parts`, or nothing. */
static enum status append_parts(struct buf *buf, const struct slice *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].len;
    char *at = buf_reserve(buf, size);
    if (!at) /* buf_reserve doesn't say which of the two it was */
        return size > buf->ceiling - buf_len(buf) ? STATUS_FULL : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    buf_commit(buf, size);
    return STATUS_OK;
}

/* Writes `number` in `base` so that it ends before `end`. */
static struct slice digits_before(char *end, uint64_t number, unsigned base)
{
    char *begin = end;
    do {
        *--begin = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    return slice_of(begin, (size_t)(end - begin));
}

enum status http1_write_request_line(struct buf *buf, struct slice method, struct slice target)
{
    struct slice parts[] = {method, SLICE(" "), target, SLICE(" HTTP/1.1\r\n")};
    return append_parts(buf, parts, 4);
}

enum status http1_write_status_line(struct buf *buf, uint16_t status)
{
    char digits[U64_DIGITS_MAX];
    struct slice parts[] = {SLICE("HTTP/1.1 "), digits_before(digits + sizeof digits, status, 10),
                            SLICE(" "), http_reason(status), SLICE("\r\n")};
    return append_parts(buf, parts, 5);
}

enum status http1_write_field(struct buf *buf, struct slice name, struct slice value)
{
    struct slice parts[] = {name, SLICE(": "), value, SLICE("\r\n")};
    return append_parts(buf, parts, 4);
}

enum status http1_write_field_u64(struct buf *buf, struct slice name, uint64_t value)
{
    char digits[U64_DIGITS_MAX];
    return http1_write_field(buf, name, digits_before(digits + sizeof digits, value, 10));
}

enum status http1_write_head_end(struct buf *buf)
{
    return buf_append(buf, SLICE("\r\n"));
}

enum status http1_write_chunk_head(struct buf *buf, uint64_t size)
{
    assert(size > 0); /* a chunk of 0 bytes would end the body */
    char digits[U64_HEX_DIGITS_MAX];
    struct slice parts[] = {digits_before(digits + sizeof digits, size, 16), SLICE("\r\n")};
    return append_parts(buf, parts, 2);
}

static char *put_text(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

/* `number` in `digits` places, followed by `after`. */
static char *put_number(char *at, unsigned number, unsigned digits, char after)
{
    for (unsigned i = digits; i > 0; i--, number /= 10)
        at[i - 1] = (char)('0' + number % 10);
    at[digits] = after;
    return at + digits + 1;
}

void http_date(uint64_t wall_ms, char ret_text[static HTTP_DATE_LEN])
{
    uint64_t seconds = wall_ms / 1000;
    time_t time = (time_t)(seconds < DATE_MAX_S ? seconds : DATE_MAX_S);
    struct tm tm;
    struct tm *known = gmtime_r(&time, &tm);
    assert(known == &tm); /* years up to 9999 always fit */
    (void)known;
    char *at = put_text(ret_text, &"SunMonTueWedThuFriSat"[3 * tm.tm_wday], 3);
    at = put_text(at, ", ", 2);
    at = put_number(at, (unsigned)tm.tm_mday, 2, ' ');
    at = put_text(at, &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * tm.tm_mon], 3);
    at = put_text(at, " ", 1);
    at = put_number(at, (unsigned)tm.tm_year + 1900, 4, ' ');
    at = put_number(at, (unsigned)tm.tm_hour, 2, ':');
    at = put_number(at, (unsigned)tm.tm_min, 2, ':');
    at = put_number(at, (unsigned)tm.tm_sec, 2, ' ');
    put_text(at, "GMT", 3);
}
