/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which route a request takes, and that route's settings. First match in the order of the file
 * wins. Patterns match raw bytes, case included, and nothing is decoded or normalised.
 *
 * Route confusion (RELIABILITY 4.3): a path that an upstream may read as another one matches no
 * route at all, not even a catch-all; else a request could slip past the route (and its rules) that
 * guards the path it really means. Such paths have
 * - a dot segment, also encoded or with parameters: /github/../pay, /github/%2e%2e/pay, /a/..;x/b
 * - an empty segment: //pay, /a//b (one slash at the end is fine)
 * - a backslash, or an encoded slash, backslash, NUL or semicolon: /pay%2f, /a%5c..%5cb
 * - an encoded character that needs no encoding (RFC 3986 6.2.2.2): /p%61y
 * Other spellings (/PAY, /pay;x, /pay/) are other paths: they don't match /pay, but may match a
 * prefix. A catch-all behind a guarded path is only as safe as its upstream is exact about these.
 */
#ifndef POSTERN_POLICY_ROUTE_H
#define POSTERN_POLICY_ROUTE_H

#include <postern/base/slice.h>
#include <postern/policy/handshake.h>
#include <postern/policy/key.h>
#include <postern/policy/reply.h>
#include <postern/policy/retry.h>
#include <postern/policy/verify.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum route_mode { ROUTE_PROXY, ROUTE_OBSERVE, ROUTE_QUEUE };
enum missing_rule { MISSING_PASS, MISSING_PAYLOAD, MISSING_REJECT };
enum in_flight_rule { IN_FLIGHT_WAIT, IN_FLIGHT_CONFLICT };
enum store_error_rule { STORE_ERROR_PASS, STORE_ERROR_REJECT };
enum timeout_rule { TIMEOUT_RELEASE, TIMEOUT_HOLD };
enum ack_rule { ACK_ASYNC, ACK_DURABLE };
enum mismatch_rule { MISMATCH_CONFLICT, MISMATCH_NEW, MISMATCH_DUPLICATE };
enum limit_per { LIMIT_PER_CLIENT, LIMIT_PER_ROUTE, LIMIT_PER_HEADER };

#define ROUTE_MAX_SUCCESS 16u

/* An inclusive range of statuses that count as accepted. */
struct status_range {
    uint16_t from, to;
};

/* Which of the first response is kept for its copies (duplicate: replay). */
struct replay_opts {
    bool enabled;
    size_t body_bytes; /* a larger body isn't kept: its copies get `ack` */
    struct slice headers[REPLY_MAX_FIELDS];
    size_t header_count;
};

/* How often a route may be asked. */
struct rate_opts {
    uint64_t interval_us; /* between two at the sustained rate; 0: no limit */
    uint32_t burst;
    enum limit_per per;
    struct slice header;            /* LIMIT_PER_HEADER; requests without it share a cell */
    bool shared;                    /* in Redis, by all nodes */
    uint64_t duplicate_interval_us; /* duplicates have a bucket of their own; as `interval_us`, with
                                       its burst, unless the file says otherwise */
    uint32_t duplicate_burst;
};

struct route_match {
    struct slice
        host; /* lower case, without port; empty: any. "*.example.com" matches one or more labels */
    struct slice path; /* exact; or, ending in a slash and a star, that prefix (with its slash) and
                          all below it */
    const struct slice *methods; /* upper case; none: any */
    size_t method_count;
};

/* One route's settings, immutable. */
struct route_opts {
    struct slice name;
    struct route_match match;
    size_t upstream; /* index into the config's upstreams */
    enum route_mode mode;
    struct key_rule keys[KEY_MAX_RULES];
    size_t key_count; /* at least 1 */
    struct key_scope scope[KEY_MAX_SCOPE];
    size_t scope_count; /* 0: the route alone */
    enum missing_rule missing;
    uint64_t window_ms;
    uint32_t lease_ms;
    enum in_flight_rule in_flight;
    uint32_t in_flight_wait_ms;
    uint16_t accept_status;    /* of our answer to an event that the queue has; 202 by default */
    uint16_t duplicate_status; /* of our answer to a duplicate; 200 by default */
    struct replay_opts replay; /* instead of it, where the first response was kept */
    bool fingerprint;          /* the body's hash is kept with the key */
    enum mismatch_rule on_mismatch;
    struct verify_opts verify;
    struct handshake_opts handshake;
    struct rate_opts rate;
    struct slice preset; /* its name, for people; empty: none */
    enum ack_rule ack;
    enum store_error_rule on_store_error;
    enum timeout_rule on_timeout;
    struct status_range success[ROUTE_MAX_SUCCESS];
    size_t success_count;
    uint64_t body_bytes;     /* largest body */
    struct retry_opts retry; /* ROUTE_QUEUE, and replays of the others' events */
    struct slice sign_key;   /* raw; empty: its upstream's, if that has one */
};

/* The index of the first of `routes` that matches, or SIZE_MAX. `host` may carry a port and a dot
 * at its end, in any case; `path` is as it came, without the query. */
size_t route_find(const struct route_opts *routes, size_t count, struct slice host,
                  struct slice method, struct slice path);

/* The one of `routes` that is called so, or NULL. */
const struct route_opts *route_named(const struct route_opts *routes, size_t count,
                                     struct slice name);

/* The largest body that any of `routes` takes; 0 without routes. */
uint64_t route_body_max(const struct route_opts *routes, size_t count);

/* True when one of `routes` has a rate; with `shared`, one that all gateways keep together. */
bool route_any_rate(const struct route_opts *routes, size_t count, bool shared);

/* True when one of `routes` takes a field of this name as its secret (signature.scheme: header):
 * a credential that only the configuration knows (credential.h knows the others). */
bool route_any_secret_field(const struct route_opts *routes, size_t count, struct slice name);

/* True when a request's path can't mean two things (see above), and so may match a route. The
 * configuration holds its patterns to it as well: others could never match. */
bool route_path_is_plain(struct slice path);

/* True when `status` counts as accepted. */
bool route_is_success(const struct route_opts *route, uint16_t status);

#endif
