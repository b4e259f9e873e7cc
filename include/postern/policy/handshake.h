/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by which a sender tries an address before it sends events there: answered here, never
 * deduplicated, never forwarded. Pure.
 */
#ifndef POSTERN_POLICY_HANDSHAKE_H
#define POSTERN_POLICY_HANDSHAKE_H

#include <postern/base/arena.h>
#include <postern/base/slice.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum handshake_kind {
    HANDSHAKE_NONE,
    HANDSHAKE_SLACK, /* POST {"type":"url_verification","challenge":…}: the challenge as text */
    HANDSHAKE_META, /* GET ?hub.mode=subscribe&hub.challenge=…&hub.verify_token=…: the challenge,
                       when the token is ours; else 403 */
    HANDSHAKE_ZOOM,    /* POST {"event":"endpoint.url_validation",…}: the token and its HMAC */
    HANDSHAKE_DROPBOX, /* GET ?challenge=…: the challenge as text */
    HANDSHAKE_DISCORD, /* PING of an interactions URL, POST {"type":1,…}: {"type":1}; of a webhook
                          events URL, POST {"type":0,…}: 204. There "type":1 with an "event" is an
                          event, and goes its way */
    HANDSHAKE_KINDS
};

struct handshake_opts {
    enum handshake_kind kind;
    struct slice token; /* HANDSHAKE_META: what hub.verify_token has to be; never empty */
};

struct handshake_input {
    struct slice method;
    struct slice query; /* raw, without '?' */
    struct slice body;
    struct slice secret; /* the one that fitted the request's signature, with which HANDSHAKE_ZOOM
                            signs; empty: none */
};

/* A longer challenge or token is none. */
#define HANDSHAKE_MAX_BYTES 4096u

/* Our answer; slices in the arena or static. Send it with X-Content-Type-Options: nosniff (Dropbox
 * asks for that, since it is what the sender wrote), and a 204 with its Content-Type too (Discord
 * asks for that). */
struct handshake_answer {
    uint16_t status; /* 200, 204 (no body), or 403 for a wrong token */
    struct slice content_type;
    struct slice body;
};

/* True when the kind's handshake is not signed by the sender (a GET of Meta or Dropbox): looked for
 * before the signature is checked. The others only after. */
bool handshake_is_unsigned(enum handshake_kind kind);

/* True when the request is the handshake, with *ret_answer. A challenge that is too long, malformed
 * or given twice is no handshake: the request goes its way as any other. Out of memory: false. What
 * is echoed is visible ASCII without < > & " ' ` and \, as text/plain or inside a JSON string:
 * nothing a browser would run. */
bool handshake_find(const struct handshake_opts *opts, const struct handshake_input *input,
                    struct arena *arena, struct handshake_answer *ret_answer);

/* "slack", "meta", …; static storage. */
const char *handshake_text(enum handshake_kind kind);

#endif
