/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explain: what the gateway would do with a request, told to people. By the same functions as an
 * exchange's steps, in their order, but nothing is claimed, forwarded, counted or logged. The
 * store is asked by whoever wants to (explain_prepare, dedup_peek, explain_hear). Rates are not
 * looked at, nor whether journal and upstream are there.
 *
 *   octets -> explain_read -> explain_make -> [explain_prepare -> peek -> explain_hear]
 *                                          -> explain_write, or lines of text (cli)
 *
 * Says nothing secret: neither a secret nor what would be the right signature, nor what a handshake
 * is answered with (Zoom's would sign whatever is asked).
 */
#ifndef POSTERN_GATEWAY_EXPLAIN_H
#define POSTERN_GATEWAY_EXPLAIN_H

#include <postern/base/arena.h>
#include <postern/base/buf.h>
#include <postern/base/json_writer.h>
#include <postern/config/config.h>
#include <postern/net/http1.h>
#include <postern/policy/outcome.h>
#include <postern/store/dedup.h>

/* Ceiling of the canonical form that is shown, whole or not at all. */
#define EXPLAIN_FORM_BYTES ((size_t)1 << 20)
/* Of each of a key's parts as much is shown. */
#define EXPLAIN_VALUE_BYTES 4096u
/* What an arena for explain_read and explain_make has to hold beside two heads at their limit. */
#define EXPLAIN_ARENA_BYTES ((size_t)1 << 20)

/* ---- the request ---- */

struct explain_request {
    struct http_head head; /* its slices lie in the arena */
    struct buf body;
    bool guessed_body;   /* no Content-Length: what follows the head was taken for the body */
    size_t unread_bytes; /* behind the request: they are not part of it */
    bool is_assembled;   /* set by who put it together from parts: its host is nobody's */
};

/* The largest body that any request may have: the file's limit, or a route's of its own. Which one
 * holds is known, and explain_make says it, once the route is found. */
size_t explain_body_max(const struct config *config);

/* The most octets that a request with `body_bytes` of body can have: each that comes in a chunk
 * earns one of framing (net/http1.h). */
size_t explain_wire_max(const struct http_limits *limits, size_t body_bytes);

/* Reads a request as the gateway would, with its limits and a body of at most `body_bytes`; lines
 * of the head may end in a bare LF, as files typed by hand have them. NULL, or what is wrong
 * (static storage), with *ret_status the gateway's answer to that, or 0. Either way the request is
 * to be given to explain_request_done. */
const char *explain_read(struct explain_request *request, struct slice wire,
                         const struct http_limits *limits, size_t body_bytes, struct arena *arena,
                         uint16_t *ret_status);

/* Frees its body. */
void explain_request_done(struct explain_request *request);

/* ---- what comes of it ---- */

enum explain_end {
    EXPLAIN_STORE,   /* that is for the store to say, which was not asked */
    EXPLAIN_ANSWER,  /* answered by the gateway: `outcome`, `status` */
    EXPLAIN_WAIT,    /* parked on the event in flight, then answered */
    EXPLAIN_FORWARD, /* to the upstream, whose answer decides */
    EXPLAIN_ENQUEUE, /* made durable, answered with `status` */
};

/* Why a rule gave no key. */
struct explain_miss {
    enum key_miss miss;
    enum json_result json; /* with KEY_MISS_NOT_JSON */
};

/* Borrows from the config, the request and the arena. */
struct explanation {
    const struct config *config;
    const struct route_opts *route;   /* NULL: none matches */
    const struct route_opts *matched; /* the one it would take by itself; NULL: none */
    bool is_assembled;                /* then `matched` says nothing */
    enum handshake_kind handshake;    /* HANDSHAKE_NONE: it is none */
    uint16_t handshake_status;
    bool is_verified; /* a signature was asked for: `verified` says how it is */
    enum verify_result verified;
    size_t secret;                             /* with VERIFY_OK: the index of the one that fits */
    struct explain_miss misses[KEY_MAX_RULES]; /* of the rules before the one that fits */
    size_t miss_count;
    const struct key_rule *rule; /* that gave the key; NULL: there is no key */
    bool by_missing;             /* it isn't in the route's list: missing: payload */
    struct key_result key;
    struct fingerprint fingerprint;
    /* how it would end, as far as is known */
    enum explain_end end;
    enum outcome outcome; /* OUTCOME_NONE: the upstream's answer decides */
    uint16_t status;      /* of our own answer; 0 without one */
    /* what the store said; explain_hear */
    bool is_heard;
    enum verdict verdict;
    struct dedup_first first; /* in flight: only the event's id */
    uint64_t age_ms;          /* since it was accepted; in flight: since it came */
    bool differs;             /* the first one had another body */
    /* own */
    struct buf decoded; /* what `key` lies in when the body was packed */
    struct buf form;    /* the canonical form; empty: the key has none, or it is too long */
};

/* Explains `request`, as of `now_ms` (wall clock), on `route`, or with NULL on the one it matches.
 * STATUS_NO_MEMORY, STATUS_UNAVAILABLE (OpenSSL): nothing can be said. Either way *ret_explanation
 * is to be given to explain_done. */
NODISCARD enum status explain_make(const struct config *config, const struct route_opts *route,
                                   const struct explain_request *request, uint64_t now_ms,
                                   struct arena *arena, struct explanation *ret_explanation);

/* Frees what is its own. */
void explain_done(struct explanation *explanation);

/* Fills `op` for dedup_peek but for its callback; `first_note` (empty, with a ceiling) is borrowed
 * with it. False: there is no key to ask for. */
bool explain_prepare(const struct explanation *explanation, struct buf *first_note,
                     struct dedup_op *op);

/* Takes the store's answer to `op`. */
void explain_hear(struct explanation *explanation, const struct dedup_op *op, uint64_t now_ms);

/* "answer", "wait", "forward", "enqueue"; NULL for EXPLAIN_STORE. Static storage. */
const char *explain_end_text(enum explain_end end);

/* "first", "duplicate", "in_flight", "unknown"; static storage. */
const char *explain_verdict_text(enum verdict verdict);

/* "pass", "payload", "reject"; static storage. */
const char *explain_missing_text(enum missing_rule missing);

/* Writes it as one JSON object (docs/api.md). */
void explain_write(const struct explanation *explanation, struct json_writer *writer);

#endif
