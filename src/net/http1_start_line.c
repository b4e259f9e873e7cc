/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request and status lines. They are read here before llhttp sees them, for three reasons: 414,
 * 501 and 505 can be told before the head is complete; bytes that aren't HTTP (a TLS hello on a
 * plain port) are refused at the first one instead of being waited out; and the lists of methods
 * and versions are ours, where llhttp's differ from version to version (QUERY, HTTP/2.0, RTSP).
 */
#include "http1_internal.h"

/* Twice the longest method known (UNSUBSCRIBE): where the first space has to come. */
#define METHOD_BYTES_MAX 22

/* What follows the target of a well-formed line: " HTTP/1.1\r". */
#define REQUEST_LINE_TAIL_BYTES 10

/* The HTTP methods that llhttp 8.1 to 9.4 all know, without CONNECT and TRACE, which a gateway must
 * not forward, and without those of ICE, RTSP and HTTP/2. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        .data = (text), .len = sizeof(text) - 1                                                    \
    }

static const struct slice served_methods[] = {
    NAME("POST"),      NAME("GET"),      NAME("PUT"),        NAME("PATCH"),    NAME("DELETE"),
    NAME("HEAD"),      NAME("OPTIONS"),  NAME("COPY"),       NAME("LOCK"),     NAME("MKCOL"),
    NAME("MOVE"),      NAME("PROPFIND"), NAME("PROPPATCH"),  NAME("SEARCH"),   NAME("UNLOCK"),
    NAME("BIND"),      NAME("REBIND"),   NAME("UNBIND"),     NAME("ACL"),      NAME("REPORT"),
    NAME("CHECKOUT"),  NAME("MERGE"),    NAME("MKACTIVITY"), NAME("M-SEARCH"), NAME("NOTIFY"),
    NAME("SUBSCRIBE"), NAME("PURGE"),    NAME("MKCALENDAR"), NAME("LINK"),     NAME("UNSUBSCRIBE"),
    NAME("UNLINK"),
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_token(text.data[i]))
            return false;
    return text.len > 0;
}

static bool is_served_method(struct slice method)
{
    for (size_t i = 0; i < sizeof served_methods / sizeof served_methods[0]; i++)
        if (slice_eq(method, served_methods[i]))
            return true;
    return false;
}

/* Splits `line` at its first space; false without one. */
static bool split_at_space(struct slice line, struct slice *ret_first, struct slice *ret_rest)
{
    const char *space = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
    if (!space)
        return false;
    *ret_first = slice_of(line.data, (size_t)(space - line.data));
    *ret_rest = slice_skip(line, ret_first->len + 1);
    return true;
}

enum http_fault http1_check_request_prefix(struct slice line, const struct http_limits *limits)
{
    if (line.len == 0 || line.data[0] == '\r')
        return HTTP_FAULT_NONE; /* perhaps the CRLF some clients send after a body */
    if (!ascii_is_token(line.data[0]))
        return HTTP_FAULT_SYNTAX;
    struct slice start = line;
    if (start.len > METHOD_BYTES_MAX + 1)
        start.len = METHOD_BYTES_MAX + 1;
    struct slice method;
    struct slice rest;
    if (!split_at_space(start, &method, &rest)) {
        if (line.len <= METHOD_BYTES_MAX)
            return HTTP_FAULT_NONE;
        return is_token(start) ? HTTP_FAULT_METHOD : HTTP_FAULT_SYNTAX;
    }
    /* The second space is not looked for: that would scan a slow sender's line again and again. */
    if (line.len - method.len - 1 > limits->target_bytes + REQUEST_LINE_TAIL_BYTES)
        return HTTP_FAULT_TARGET_TOO_LONG;
    return HTTP_FAULT_NONE;
}

enum http_fault http1_check_status_prefix(struct slice line)
{
    struct slice begin = SLICE("HTTP/");
    if (line.len < begin.len)
        begin.len = line.len;
    return slice_starts(line, begin) ? HTTP_FAULT_NONE : HTTP_FAULT_SYNTAX;
}

/* "HTTP/1.0" or "HTTP/1.1"; other versions of HTTP are told from what isn't HTTP. */
static enum http_fault parse_version(struct slice text, uint8_t *ret_minor)
{
    if (text.len != 8 || !slice_starts(text, SLICE("HTTP/")) || !is_digit(text.data[5]) ||
        text.data[6] != '.' || !is_digit(text.data[7]))
        return HTTP_FAULT_SYNTAX;
    if (text.data[5] != '1' || text.data[7] > '1')
        return HTTP_FAULT_VERSION;
    *ret_minor = (uint8_t)(text.data[7] - '0');
    return HTTP_FAULT_NONE;
}

/* ASCII but space, '#' (a fragment is never sent) and '\' (read as '/' by some upstreams). */
static bool is_target(struct slice target)
{
    bool bad = false;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char byte = (unsigned char)target.data[i];
        bad |= (byte <= 0x20) | (byte >= 0x7f) | (byte == '#') | (byte == '\\');
    }
    return !bad;
}

enum http_fault http1_split_request_line(struct slice line, const struct http_limits *limits,
                                         struct request_line *ret_line)
{
    struct request_line parts;
    struct slice rest;
    struct slice version;
    if (!split_at_space(line, &parts.method, &rest) || !is_token(parts.method))
        return HTTP_FAULT_SYNTAX;
    if (!split_at_space(rest, &parts.target, &version) || parts.target.len == 0)
        return HTTP_FAULT_SYNTAX; /* HTTP/0.9 among them */
    if (!is_served_method(parts.method))
        return HTTP_FAULT_METHOD;
    enum http_fault fault = parse_version(version, &parts.minor);
    if (fault != HTTP_FAULT_NONE)
        return fault;
    if (parts.target.len > limits->target_bytes)
        return HTTP_FAULT_TARGET_TOO_LONG;
    if (!is_target(parts.target))
        return HTTP_FAULT_TARGET;
    *ret_line = parts;
    return HTTP_FAULT_NONE;
}

enum http_fault http1_split_status_line(struct slice line, uint8_t *ret_minor, uint16_t *ret_status)
{
    struct slice version = line;
    struct slice rest = {0};
    if (!split_at_space(line, &version, &rest))
        return HTTP_FAULT_SYNTAX;
    uint8_t minor;
    enum http_fault fault = parse_version(version, &minor);
    if (fault != HTTP_FAULT_NONE)
        return fault;
    if (rest.len < 3 || (rest.len > 3 && rest.data[3] != ' '))
        return HTTP_FAULT_SYNTAX;
    unsigned status = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!is_digit(rest.data[i]))
            return HTTP_FAULT_SYNTAX;
        status = status * 10 + (unsigned)(rest.data[i] - '0');
    }
    /* 101 would hand the connection over to a protocol nobody asked for. */
    if (status < 100 || status > 599 || status == 101)
        return HTTP_FAULT_SYNTAX;
    *ret_minor = minor;
    *ret_status = (uint16_t)status;
    return HTTP_FAULT_NONE;
}

#define WORD_BYTES sizeof(uint64_t)
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not 0 when one of the 8 bytes at `data` is below 0x20 or is 0x7f; and, harmlessly, for some words
 * in which a borrow went over. */
static uint64_t find_suspicious(const char *data)
{
    uint64_t word;
    memcpy(&word, data, WORD_BYTES);
    uint64_t del = word ^ EACH(0x7f);
    return (((word - EACH(0x20)) & ~word) | ((del - EACH(1)) & ~del)) & EACH(0x80);
}

static bool has_control_bytewise(struct slice line)
{
    bool found = false;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        found |= ((byte < 0x20) & (byte != '\t')) | (byte == 0x7f);
    }
    return found;
}

/* Every line of every head passes here; a byte at a time it cost more than all of llhttp. */
bool http1_has_control(struct slice line)
{
    if (line.len < WORD_BYTES)
        return has_control_bytewise(line);
    uint64_t suspicious = find_suspicious(line.data + line.len - WORD_BYTES);
    for (size_t at = 0; at + WORD_BYTES <= line.len; at += WORD_BYTES)
        suspicious |= find_suspicious(line.data + at);
    return suspicious && has_control_bytewise(line); /* HT is suspicious, but allowed */
}
