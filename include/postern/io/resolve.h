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
#define RESOLVE_RETRY_MS 1000u   /* after a look-up that failed, none is begun for that long */
#define RESOLVE_AVOID_MS 10000u  /* an address that took no connection comes last for that long */
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
    uint64_t avoided_until_ms[RESOLVE_MAX_ADDRESSES]; /* monotonic; forgotten with a new answer */
    uint64_t next_lookup_ms;                          /* monotonic; before it no look-up is begun */
    bool numeric;                                     /* needs no look-up */
    bool running;
    void *impl;
};

/* Fills the resolver; a numeric host is usable at once and never looked up. STATUS_INVALID: host
 * too long. */
NODISCARD enum status resolver_init(struct resolver *resolver, struct loop *loop, struct slice host,
                                    uint16_t port, void (*resolved)(struct resolver *resolver));

/* Starts a look-up if there is none running, the answer isn't fresh, and the last one didn't just
 * fail. Returns true when an address is usable now; when not, `running` says if `resolved` will
 * come. */
bool resolver_refresh(struct resolver *resolver);

/* The next address in turn that isn't avoided (the next one at all when every one is), or NULL when
 * there is none. Valid until the next look-up ends. A fresh answer begins with the address the
 * system prefers. */
const struct address *resolver_next(struct resolver *resolver);

/* No connection was had at `address` (::1 of localhost, where nobody listens): others first, so
 * that of two who try at once none is given the same bad one again. */
void resolver_avoid(struct resolver *resolver, const struct address *address);

/* Detaches from a running look-up; no `resolved` after this, and the struct may be freed. */
void resolver_done(struct resolver *resolver);

#endif
