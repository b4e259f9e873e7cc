/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's gateway: what the composition root puts together and starts. Everything a request
 * meets is reached from here; the way of one request is told in gateway/exchange.h.
 */
#ifndef POSTERN_GATEWAY_GATEWAY_H
#define POSTERN_GATEWAY_GATEWAY_H

#include <postern/base/log.h>
#include <postern/base/uuid.h>
#include <postern/config/config.h>
#include <postern/gateway/account.h>
#include <postern/gateway/waiters.h>
#include <postern/io/loop.h>
#include <postern/io/work.h>
#include <postern/net/upstream.h>
#include <postern/policy/digest.h>
#include <postern/policy/sign.h>
#include <postern/policy/verify.h>
#include <postern/store/dedup.h>
#include <postern/store/journal.h>
#include <postern/store/limiter.h>
#include <stdatomic.h>

#define GATEWAY_SPARE_EXCHANGES                                                                    \
    256u /* finished exchanges kept with their memory, so that the next allocate nothing */

/* What all workers of the process share. */
struct gateway_shared {
    _Atomic uint32_t connections; /* client connections now */
    struct waiters *waiters;      /* exchanges parked on an event in flight */
};

struct courier;

struct gateway {
    /* set by the owner before gateway_open; borrowed */
    struct loop *loop;
    const struct config *config;
    struct gateway_shared *shared;
    struct dedup *dedup;
    struct journal *journal;
    struct queue *queue; /* NULL: this worker delivers nothing (then no route is mode: queue) */
    /* Runs once, from the loop, when what a gateway that died may have left unsettled was looked
     * at, or as much of it as can be seen while the queue is away; only on the worker that tidies,
     * and with Redis (a memory store loads its keys from the journal). NULL is fine. */
    void (*looked_back)(struct gateway *gateway);
    struct limiter *limiter;     /* NULL: then no route has a rate limit */
    bool queue_is_away;          /* the owner knows that its database can't be reached now */
    bool tidies;                 /* this worker tidies the queue, for the process */
    struct upstream **upstreams; /* by index in config->upstreams */
    struct log *log;
    struct account *account; /* this worker's books */
    /* own */
    struct digester *digester;
    struct courier *courier;     /* NULL without a queue */
    struct signer **signers;     /* by route; NULL where nothing is signed */
    struct verifier **verifiers; /* by route; NULL where nothing is verified */
    struct work_pool *checks;    /* of costly signatures; NULL: no route has such */
    struct uuid_source ids;
    uint64_t jitter; /* state of the generator behind retries' waits */
    struct waiter_inbox *inbox;
    struct list spare; /* struct exchange */
    size_t spare_count;
    struct list finished; /* exchanges to reap at the end of the turn */
    struct loop_hook reap;
    struct list conns;    /* struct conn */
    uint32_t connections; /* their number */
    size_t body_bytes;    /* request bodies held now */
    uint64_t date_second; /* the Date field's text is made once a second */
    char date[HTTP_DATE_LEN];
    uint32_t late_settles; /* under way (late_settle.h) */
    uint32_t exchanges;    /* alive, finished ones that are still owed an answer included */
    bool draining;
    void (*emptied)(void *arg); /* set by gateway_drain */
    void *emptied_arg;
};

/* Prepares the gateway after its upper half was filled in. */
NODISCARD enum status gateway_open(struct gateway *gateway);

/* The `pending` of this worker's listeners: takes one connection, or refuses it with 503 at the
 * limit. */
void gateway_accept(struct gateway *gateway, struct listener *listener);

/* Ends orderly: idle connections close, exchanges under way end and their connections then close.
 * `emptied` runs once, from the loop, when nothing is left. */
void gateway_drain(struct gateway *gateway, void (*emptied)(void *arg), void *arg);

/* Cuts what is left after the drain's time is over: connections are closed, exchanges go on without
 * a client, deliveries don't wait for the rest of an answer. `emptied` still comes when the last op
 * was answered (which closing the stores forces).
 */
void gateway_cut(struct gateway *gateway);

/* The stores are about to be closed whatever is left: ends the attempts under way, and calls the
 * queue no more. */
void gateway_abandon(struct gateway *gateway);

/* Publishes the lanes of queued deliveries and the queue's counters. */
void gateway_publish(struct gateway *gateway);

/* Frees what is its own; nothing may be in flight. */
void gateway_close(struct gateway *gateway);

#endif
