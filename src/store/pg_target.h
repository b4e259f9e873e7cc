/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to connect: a conninfo string or URI taken apart, its host names resolved without blocking
 * (libpq would call getaddrinfo on the loop). With several hosts each attempt takes the next one,
 * because libpq's own list gets stuck at a first host that drops packets. A host that comes from
 * PGHOST or a service file is not seen here; libpq resolves it itself.
 */
#ifndef POSTERN_STORE_PG_TARGET_H
#define POSTERN_STORE_PG_TARGET_H

#include <postern/io/resolve.h>

#define PG_TARGET_HOSTS 8u

struct pg_host {
    struct resolver resolver; /* .host is the text of the conninfo; unused for sockets */
    char name[256];           /* a name, a numeric address or a socket's folder; empty: default */
    char address[ADDRESS_TEXT_SIZE]; /* hostaddr, when the conninfo gives it */
    char port[8];
    size_t index;   /* in the target */
    bool looked_up; /* the resolver is in use */
};

struct pg_target {
    struct _PQconninfoOption *options;
    struct pg_host hosts[PG_TARGET_HOSTS];
    size_t count;
    size_t turn; /* the host of this attempt */
    void (*resolved)(struct pg_target *target);
};

enum pg_target_state {
    PG_TARGET_READY,   /* pg_target_connect may be called */
    PG_TARGET_WAITING, /* `resolved` will come */
    PG_TARGET_FAILED,  /* the name has no address */
};

/* Takes `url` apart. STATUS_INVALID: it can't be read, or has too many hosts. */
NODISCARD enum status pg_target_init(struct pg_target *target, struct loop *loop, struct slice url,
                                     void (*resolved)(struct pg_target *target));

/* Frees it; also after a failed init. */
void pg_target_done(struct pg_target *target);

/* Moves on to the next host, for the next attempt. */
void pg_target_advance(struct pg_target *target);

/* Looks the current host up if it has to be. */
enum pg_target_state pg_target_prepare(struct pg_target *target);

/* Begins connecting to the current host; NULL when out of memory. */
struct pg_conn *pg_target_connect(struct pg_target *target);

#endif
