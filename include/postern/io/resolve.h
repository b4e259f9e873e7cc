/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses without blocking the loop: a small cache per owner over getaddrinfo in libuv's
 * thread pool. An answer is kept RESOLVE_FRESH_MS and used beyond that while a new look-up runs or
 * fails (stale on error).
 */
#ifndef POSTERN_IO_RESOLVE_H
#define POSTERN_IO_RESOLVE_H

#include <postern/io/loop.h>
#include <postern/io/stream.h>

#define RESOLVE_FRESH_MS 30000u
#define RESOLVE_MAX_ADDRESSES 8u /* of one name; the rest is left out */

/* One name of one owner, embedded. */
struct resolver {
    struct loop *loop;
    char host[256]; /* name or numeric address, without brackets */
    uint16_t port;
    void (*resolved)(struct resolver *resolver); /* a look-up ended; see `count`. May be NULL */
    struct address addresses[RESOLVE_MAX_ADDRESSES];
    size_t count; /* usable addresses now; 0 until the first answer, or when there never was one */
    size_t next;  /* round robin */
    uint64_t looked_up_ms; /* monotonic, of the last success */
    bool running;
    void *impl;
};

/* Fills the resolver; a numeric host is usable at once and never looked up. STATUS_INVALID: host
 * too long. */
NODISCARD enum status resolver_init(struct resolver *resolver, struct loop *loop, struct slice host,
                                    uint16_t port, void (*resolved)(struct resolver *resolver));

/* Starts a look-up if there is none running and the answer isn't fresh. Returns true when an
 * address is usable now. */
bool resolver_refresh(struct resolver *resolver);

/* The next address in turn, or NULL when there is none. Valid until the next look-up ends. */
const struct address *resolver_next(struct resolver *resolver);

/* Detaches from a running look-up; no `resolved` after this, and the struct may be freed. */
void resolver_done(struct resolver *resolver);

#endif
