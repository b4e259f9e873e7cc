/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9110, RFC 9112) from bytes to heads and bodies, and heads back to bytes. llhttp
 * does the grammar of heads; what it lets through (docs/guarantees.md, "What is refused at the
 * door") is refused here, and body framing is decoded here, so that every llhttp version gives the
 * same answer. Knows no webhook.
 *
 * A head is gathered into the owner's arena until its empty line, checked line by line on the way
 * (bare LF or CR, folded lines, limits), and then parsed in one go, so that every slice of a head
 * points into the arena and lives as long as it. Body bytes are handed on as they arrive, borrowed
 * from the caller's input.
 *
 *   for (;;) switch (http1_next(&reader, &input, &piece)) {
 *     case HTTP1_NEED_MORE: return;              all input consumed, feed again
 *     case HTTP1_HEAD:      … reader.head …      at most once per message
 *     case HTTP1_BODY:      … piece …            any number of times, never empty
 *     case HTTP1_DONE:      … http1_reset …      the rest of input belongs to the next message
 *     case HTTP1_FAULT:     … reader.fault …     answer and close; only http1_reset after this
 *   }
 */
#ifndef POSTERN_NET_HTTP1_H
#define POSTERN_NET_HTTP1_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Fields this program asks for by name; found once while parsing. */
enum http_field_id {
    FIELD_OTHER,
    FIELD_CONNECTION,
    FIELD_CONTENT_ENCODING,
    FIELD_CONTENT_LENGTH,
    FIELD_CONTENT_TYPE,
    FIELD_DATE,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_KEEP_ALIVE,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_RETRY_AFTER,
    FIELD_TE,
    FIELD_TRACEPARENT,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_REAL_IP,
    FIELD_POSTERN, /* any name that begins with "Postern-" */
    FIELD_IDS
};

struct http_field {
    struct slice name;  /* as received */
    struct slice value; /* without OWS at its ends */
    enum http_field_id id;
    bool hop_by_hop; /* not to be forwarded: the list of RFC 9110 7.6.1, Proxy-*, and every name in
                      * Connection
                      */
};

enum http_body { HTTP_BODY_NONE, HTTP_BODY_SIZED, HTTP_BODY_CHUNKED, HTTP_BODY_TO_CLOSE };

struct http_head {
    struct slice method;  /* requests; upper case, "POST" */
    struct slice target;  /* requests: path and query in origin form ("/a/b?c=d"), also when
                             absolute-form came */
    struct slice path;    /* requests: target up to '?' */
    struct slice query;   /* requests: after '?', or empty */
    struct slice host;    /* requests: the one valid Host (or the authority of an absolute-form
                             target), host[:port]; empty in HTTP/1.0 without */
    uint16_t status;      /* responses: 200 … 599, interim 1xx are swallowed */
    uint8_t minor;        /* HTTP/1.<minor>, 0 or 1 */
    bool keep_alive;      /* the connection may carry another message after this one */
    bool expect_continue; /* requests: a body is to come and 100-continue is waited for */
    enum http_body body;
    uint64_t content_length; /* when body is HTTP_BODY_SIZED */
    struct http_field *fields;
    size_t field_count;
};

/* Why bytes were refused. Each row names the status the client gets (requests) in
 * http_fault_status. */
enum http_fault {
    HTTP_FAULT_NONE,
    HTTP_FAULT_SYNTAX,  /* 400 not HTTP/1, bare CR or LF, folded line, bad field, garbage */
    HTTP_FAULT_HOST,    /* 400 Host missing, repeated or not a host */
    HTTP_FAULT_TARGET,  /* 400 a form of target that isn't served, fragment, backslash, 8-bit bytes
                         */
    HTTP_FAULT_FRAMING, /* 400 Content-Length and Transfer-Encoding conflict, repeat or can't be
                           understood */
    HTTP_FAULT_CHUNK,   /* 400 malformed chunk or trailer, framing in a trailer, overhead over its
                           limit */
    HTTP_FAULT_HEAD_TOO_LARGE,  /* 431 header block over the limit, or too many fields */
    HTTP_FAULT_TARGET_TOO_LONG, /* 414 */
    HTTP_FAULT_VERSION,         /* 505 */
    HTTP_FAULT_METHOD,      /* 501 CONNECT, TRACE, PRI, or a method that isn't a token we know */
    HTTP_FAULT_CODING,      /* 501 a transfer coding other than chunked */
    HTTP_FAULT_EXPECTATION, /* 417 an Expect other than 100-continue */
    HTTP_FAULT_NO_MEMORY,   /* 503 the arena's ceiling was reached */
    HTTP_FAULTS
};

struct http_limits {
    size_t head_bytes;           /* request or status line, fields and the empty line, with CRLFs */
    size_t target_bytes;         /* request target */
    size_t fields;               /* number of field lines */
    size_t chunk_overhead_bytes; /* chunked framing (size lines, extensions, trailers) of one
                                    message beyond the data it carried so far: each data byte earns
                                    one byte of framing back, so that a long stream of ordinary
                                    chunks never meets the limit and a run of tiny ones does */
};

#define HTTP_LIMITS_DEFAULT                                                                        \
    ((struct http_limits){                                                                         \
        .head_bytes = 32768, .target_bytes = 8192, .fields = 100, .chunk_overhead_bytes = 16384})

enum http1_event { HTTP1_NEED_MORE, HTTP1_HEAD, HTTP1_BODY, HTTP1_DONE, HTTP1_FAULT };

/* The longest field name that is refused in a trailer, "transfer-encoding". */
#define HTTP1_TRAILER_NAME_BYTES 17

struct http1_reader {
    struct http_head head; /* after HTTP1_HEAD */
    enum http_fault fault; /* after HTTP1_FAULT */
    /* Private from here. Small on purpose: an idle connection carries one. */
    struct arena *arena;
    const struct http_limits *limits;
    char *gathered; /* head bytes so far, in the arena */
    size_t gathered_bytes, gathered_capacity;
    size_t scanned_bytes; /* of the head, up to here no LF is missed */
    size_t line_start;    /* where the head's unfinished line begins */
    size_t field_lines;
    uint64_t remaining_bytes; /* of a sized body, or of the chunk at hand */
    uint64_t overhead_bytes;
    uint8_t state, chunk_state;
    uint8_t size_digits, trailer_name_bytes;
    uint8_t skipped_count; /* empty lines, or interim responses, before this message */
    bool is_response, no_body_expected;
    char trailer_name[HTTP1_TRAILER_NAME_BYTES];
};

/* Prepares to read requests. `arena` receives heads and has to outlive their use; `limits` is
 * borrowed. Allocates nothing yet. http1_reset gives it another arena for the next message. */
void http1_init_request(struct http1_reader *reader, struct arena *arena,
                        const struct http_limits *limits);

/* Prepares to read the response to one request. `no_body_expected`: the request was a HEAD. */
void http1_init_response(struct http1_reader *reader, struct arena *arena,
                         const struct http_limits *limits, bool no_body_expected);

/* Ready for the next message, whose head goes to `arena`. */
void http1_reset(struct http1_reader *reader, struct arena *arena, bool no_body_expected);

/* Consumes from `input` until something is to be told. HTTP1_BODY fills *ret_piece, which points
 * into the input. */
enum http1_event http1_next(struct http1_reader *reader, struct slice *input,
                            struct slice *ret_piece);

/* The peer closed its side. Returns HTTP1_DONE for a body that ends by close, HTTP1_FAULT for a
 * message cut short, HTTP1_NEED_MORE when no message had begun (an orderly end between messages).
 */
enum http1_event http1_end(struct http1_reader *reader);

/* True when bytes of a message (other than empty lines before it) were seen and it isn't done. */
bool http1_in_message(const struct http1_reader *reader);

/* 400 … 505 as in the enum. */
uint16_t http_fault_status(enum http_fault fault);

/* What is wrong, for a person; static storage. */
const char *http_fault_text(enum http_fault fault);

/* The first field with this id, or NULL. Not for FIELD_OTHER. */
const struct http_field *http_field_by_id(const struct http_head *head, enum http_field_id id);

/* The first field of this name in any case, or NULL. `ret_repeated` (may be NULL) says if there are
 * more. */
const struct http_field *http_field_by_name(const struct http_head *head, struct slice name,
                                            bool *ret_repeated);

/* The reason phrase of a status, "OK" for 200; "Unknown" for one without. Static storage. */
struct slice http_reason(uint16_t status);

/* Writing. All append to `buf` and answer its status. Fields are written as given: the caller
 * passes only checked bytes. */
NODISCARD enum status http1_write_request_line(struct buf *buf, struct slice method,
                                               struct slice target);
/* "HTTP/1.1 200 OK". */
NODISCARD enum status http1_write_status_line(struct buf *buf, uint16_t status);
/* "Name: value". */
NODISCARD enum status http1_write_field(struct buf *buf, struct slice name, struct slice value);
/* "Name: 42". */
NODISCARD enum status http1_write_field_u64(struct buf *buf, struct slice name, uint64_t value);
/* The empty line. */
NODISCARD enum status http1_write_head_end(struct buf *buf);
/* Size line of a chunk of `size` (> 0) bytes, its CRLF after the data is HTTP1_CHUNK_TAIL. */
NODISCARD enum status http1_write_chunk_head(struct buf *buf, uint64_t size);
#define HTTP1_CHUNK_TAIL SLICE("\r\n")
#define HTTP1_LAST_CHUNK SLICE("0\r\n\r\n")
#define HTTP_DATE_LEN 29
/* The IMF-fixdate of `wall_ms` for a Date field: HTTP_DATE_LEN bytes, no NUL. */
void http_date(uint64_t wall_ms, char ret_text[static HTTP_DATE_LEN]);

#endif
