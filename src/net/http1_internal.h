/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the http1 files tell each other and nobody else:
 *
 *   http1_reader.c ──> http1_start_line.c   the first line, as early as its bytes allow
 *        │ └─────────> http1_parse.c        a complete head through llhttp, then …
 *        │                 └──> http1_rules.c, http1_fields.c   … what llhttp doesn't ask
 *        └───────────> http1_chunked.c      chunked bodies
 */
#ifndef POSTERN_NET_HTTP1_INTERNAL_H
#define POSTERN_NET_HTTP1_INTERNAL_H

#include <postern/net/http1.h>

/* The parts of a request line; borrowed from it. */
struct request_line {
    struct slice method;
    struct slice target; /* as received */
    uint8_t minor;
};

/* What can be said of a request line before its end is there: `line` is its bytes so far, without
 * LF. The answer for a longer piece of the same line never turns back to HTTP_FAULT_NONE. */
enum http_fault http1_check_request_prefix(struct slice line, const struct http_limits *limits);

/* As above for a status line. */
enum http_fault http1_check_status_prefix(struct slice line);

/* Takes a whole request line (without CRLF and control bytes but HT, passed by
 * http1_check_request_prefix) apart. Refuses
 * methods that aren't served, versions other than 1.0 and 1.1, and bytes a target may not have;
 * fills *ret_line only with HTTP_FAULT_NONE. */
enum http_fault http1_split_request_line(struct slice line, const struct http_limits *limits,
                                         struct request_line *ret_line);

/* Takes a whole status line (without CRLF and control bytes but HT) apart: 100 … 599 but not 101;
 * the reason is ignored. */
enum http_fault http1_split_status_line(struct slice line, uint8_t *ret_minor,
                                        uint16_t *ret_status);

/* True when a control byte other than HT is in `line`. */
bool http1_has_control(struct slice line);

/* Runs a gathered head, whose lines were checked one by one, through llhttp and the rules, and
 * fills reader->head. Its slices point into `gathered`. */
enum http_fault http1_parse_head(struct http1_reader *reader);

/* The id of a field name, FIELD_OTHER when it is none of ours. */
enum http_field_id http1_field_id(struct slice name);

/* Sets hop_by_hop on the fields it is due. HTTP_FAULT_SYNTAX when Connection names more options
 * than anyone needs. `ret_close` and `ret_keep_alive` say if these two are among them. */
enum http_fault http1_mark_hop_by_hop(struct http_head *head, bool *ret_close,
                                      bool *ret_keep_alive);

/* Applies to a head whose method, target (as received), status, minor and fields are filled what
 * RFC 9110 and 9112 demand of it as a whole, and fills the rest. */
enum http_fault http1_apply_request_rules(struct http_head *head, struct arena *arena);

/* As above for a response. */
enum http_fault http1_apply_response_rules(struct http_head *head, bool no_body_expected);

/* http1_next for the inside of a chunked body: HTTP1_NEED_MORE, HTTP1_BODY, HTTP1_DONE or
 * HTTP1_FAULT (the fault is HTTP_FAULT_CHUNK, and the caller's to record). */
enum http1_event http1_read_chunked(struct http1_reader *reader, struct slice *input,
                                    struct slice *ret_piece);

#endif
