/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a head has to satisfy as a whole and no grammar asks: one valid Host, a target form that is
 * served, exactly one way to tell where the body ends (RFC 9112 6), an Expect that can be met. Runs
 * after llhttp, on the fields it told, and fills in what they mean. Whatever can be read in two
 * ways is refused rather than repaired: the upstream might read it the other way.
 */
#include "http1_internal.h"

#include <arpa/inet.h>

#define PORT_MAX 65535u

/* The fields that decide over the message, each with how often it came. */
struct deciding {
    const struct http_field *host, *content_length, *transfer_encoding;
    unsigned hosts, content_lengths, transfer_encodings;
    bool expects, expects_other; /* 100-continue; anything else */
};

static void note_expect(struct deciding *deciding, struct slice value)
{
    if (slice_ieq(value, SLICE("100-continue")))
        deciding->expects = true;
    else
        deciding->expects_other = true;
}

static struct deciding find_deciding(const struct http_head *head)
{
    struct deciding deciding = {0};
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == FIELD_HOST) {
            deciding.host = field;
            deciding.hosts++;
        } else if (field->id == FIELD_CONTENT_LENGTH) {
            deciding.content_length = field;
            deciding.content_lengths++;
        } else if (field->id == FIELD_TRANSFER_ENCODING) {
            deciding.transfer_encoding = field;
            deciding.transfer_encodings++;
        } else if (field->id == FIELD_EXPECT) {
            note_expect(&deciding, field->value);
        }
    }
    return deciding;
}

/* 1*DIGIT up to `max`. */
static bool parse_decimal(struct slice text, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return text.len > 0;
}

/* The letters of names as they are registered; the sub-delims and escapes that RFC 3986 would
 * also let into a reg-name occur only in attempts to be read in two ways. */
static bool is_host_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char byte = ascii_lower(name.data[i]);
        bool alnum = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (!alnum && byte != '.' && byte != '-' && byte != '_' && byte != '~')
            return false;
    }
    return name.len > 0;
}

/* `text` without its brackets. */
static bool is_ipv6(struct slice text)
{
    char name[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof name)
        return false;
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    return inet_pton(AF_INET6, name, &address) == 1;
}

/* host [ ":" port ] of RFC 9110 7.2. */
static bool is_authority(struct slice text)
{
    struct slice host = text;
    struct slice rest = {0};
    bool bracketed = text.len > 0 && text.data[0] == '[';
    const char *end = text.len > 0 ? memchr(text.data, bracketed ? ']' : ':', text.len) : NULL;
    if (bracketed) {
        if (!end)
            return false;
        host = slice_of(text.data + 1, (size_t)(end - text.data) - 1);
        rest = slice_skip(text, host.len + 2);
    } else if (end) {
        host = slice_of(text.data, (size_t)(end - text.data));
        rest = slice_skip(text, host.len);
    }
    uint64_t port;
    if (rest.len > 0 &&
        (rest.data[0] != ':' || !parse_decimal(slice_skip(rest, 1), PORT_MAX, &port)))
        return false;
    return bracketed ? is_ipv6(host) : is_host_name(host);
}

static enum http_fault apply_host(struct http_head *head, const struct deciding *deciding)
{
    if (deciding->hosts > 1 || (deciding->hosts == 0 && head->minor == 1))
        return HTTP_FAULT_HOST;
    if (deciding->hosts == 0)
        return HTTP_FAULT_NONE;
    if (!is_authority(deciding->host->value))
        return HTTP_FAULT_HOST;
    head->host = deciding->host->value;
    return HTTP_FAULT_NONE;
}

/* What is behind "http://" or "https://"; false for every other beginning. */
static bool skip_scheme(struct slice target, struct slice *ret_rest)
{
    static const struct slice schemes[] = {{.data = "http://", .len = 7},
                                           {.data = "https://", .len = 8}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (target.len < schemes[i].len ||
            !slice_ieq(slice_of(target.data, schemes[i].len), schemes[i]))
            continue;
        *ret_rest = slice_skip(target, schemes[i].len);
        return true;
    }
    return false;
}

/* Bytes of `text` before the first '/' or '?'. */
static size_t authority_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?')
        len++;
    return len;
}

/* The origin form of an absolute-form target's path and query: an empty path is "/". */
static bool to_origin_form(struct slice rest, struct arena *arena, struct slice *ret_target)
{
    if (rest.len == 0) {
        *ret_target = SLICE("/");
        return true;
    }
    if (rest.data[0] == '/') {
        *ret_target = rest;
        return true;
    }
    char *joined = arena_alloc(arena, rest.len + 1);
    if (!joined)
        return false;
    joined[0] = '/';
    memcpy(joined + 1, rest.data, rest.len);
    *ret_target = slice_of(joined, rest.len + 1);
    return true;
}

static enum http_fault apply_absolute_form(struct http_head *head, struct arena *arena)
{
    struct slice rest;
    if (!skip_scheme(head->target, &rest))
        return HTTP_FAULT_TARGET;
    struct slice authority = slice_of(rest.data, authority_len(rest));
    if (!is_authority(authority))
        return HTTP_FAULT_TARGET;
    if (head->host.len > 0 && !slice_ieq(authority, head->host))
        return HTTP_FAULT_HOST;
    head->host = authority;
    if (!to_origin_form(slice_skip(rest, authority.len), arena, &head->target))
        return HTTP_FAULT_NO_MEMORY;
    return HTTP_FAULT_NONE;
}

static enum http_fault apply_target(struct http_head *head, struct arena *arena)
{
    if (head->target.data[0] != '/') {
        enum http_fault fault = apply_absolute_form(head, arena);
        if (fault != HTTP_FAULT_NONE)
            return fault;
    }
    const char *mark = memchr(head->target.data, '?', head->target.len);
    size_t path_len = mark ? (size_t)(mark - head->target.data) : head->target.len;
    head->path = slice_of(head->target.data, path_len);
    head->query = slice_skip(head->target, path_len + 1);
    return HTTP_FAULT_NONE;
}

/* Says in head->body and content_length what the framing fields ask for; HTTP_BODY_NONE when there
 * are none. */
static enum http_fault apply_framing(struct http_head *head, const struct deciding *deciding)
{
    if (deciding->transfer_encodings > 0) {
        /* RFC 9112 6.1: in HTTP/1.0, or beside Content-Length, somebody on the way may have framed
         * the message the other way. */
        if (head->minor == 0 || deciding->transfer_encodings > 1 || deciding->content_lengths > 0 ||
            deciding->transfer_encoding->value.len == 0)
            return HTTP_FAULT_FRAMING;
        if (!slice_ieq(deciding->transfer_encoding->value, SLICE("chunked")))
            return HTTP_FAULT_CODING;
        head->body = HTTP_BODY_CHUNKED;
        return HTTP_FAULT_NONE;
    }
    if (deciding->content_lengths == 0)
        return HTTP_FAULT_NONE;
    if (deciding->content_lengths > 1 ||
        !parse_decimal(deciding->content_length->value, INT64_MAX, &head->content_length))
        return HTTP_FAULT_FRAMING;
    head->body = HTTP_BODY_SIZED;
    return HTTP_FAULT_NONE;
}

static enum http_fault apply_expect(struct http_head *head, const struct deciding *deciding)
{
    if (head->minor == 0)
        return HTTP_FAULT_NONE; /* RFC 9110 10.1.1: to be ignored */
    if (deciding->expects_other)
        return HTTP_FAULT_EXPECTATION;
    bool body_to_come = head->body == HTTP_BODY_CHUNKED || head->content_length > 0;
    head->expect_continue = deciding->expects && body_to_come;
    return HTTP_FAULT_NONE;
}

static enum http_fault apply_connection(struct http_head *head)
{
    bool close;
    bool keep_alive;
    enum http_fault fault = http1_mark_hop_by_hop(head, &close, &keep_alive);
    if (fault == HTTP_FAULT_NONE)
        head->keep_alive = !close && (head->minor == 1 || keep_alive);
    return fault;
}

enum http_fault http1_apply_request_rules(struct http_head *head, struct arena *arena)
{
    struct deciding deciding = find_deciding(head);
    enum http_fault fault = apply_host(head, &deciding);
    if (fault == HTTP_FAULT_NONE)
        fault = apply_target(head, arena);
    if (fault == HTTP_FAULT_NONE)
        fault = apply_framing(head, &deciding);
    if (fault == HTTP_FAULT_NONE)
        fault = apply_expect(head, &deciding);
    if (fault == HTTP_FAULT_NONE)
        fault = apply_connection(head);
    return fault;
}

enum http_fault http1_apply_response_rules(struct http_head *head, bool no_body_expected)
{
    struct deciding deciding = find_deciding(head);
    enum http_fault fault = apply_framing(head, &deciding);
    if (fault == HTTP_FAULT_NONE)
        fault = apply_connection(head);
    if (fault != HTTP_FAULT_NONE)
        return fault;
    if (no_body_expected || head->status < 200 || head->status == 204 || head->status == 304) {
        /* A 204 that speaks of a body may send one, and it must not be read as the next answer. */
        if (head->status == 204 && (head->body == HTTP_BODY_CHUNKED || head->content_length > 0))
            head->keep_alive = false;
        head->body = HTTP_BODY_NONE;
    } else if (head->body == HTTP_BODY_NONE) {
        head->body = HTTP_BODY_TO_CLOSE;
        head->keep_alive = false;
    }
    return HTTP_FAULT_NONE;
}
