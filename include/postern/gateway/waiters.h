/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of an event in flight, parked until the first one's outcome. One table for all workers of
 * the process, so that a copy on one worker is woken by the outcome on another; other nodes are
 * seen by polling. A wake-up is only a hint: who is woken claims again.
 */
#ifndef POSTERN_GATEWAY_WAITERS_H
#define POSTERN_GATEWAY_WAITERS_H

#include <postern/base/event_key.h>
#include <postern/base/list.h>
#include <postern/base/status.h>
#include <postern/io/loop.h>

struct waiters;
struct waiter_inbox;

/* Embedded in who waits; zero it before the first use. */
struct waiter {
    struct list link;
    struct event_key key;
    struct waiter_inbox *inbox;
    void (*woken)(struct waiter *
                      waiter); /* from the loop of the inbox; the waiter is out of the table then */
    enum { WAITER_OUT, WAITER_PARKED, WAITER_WOKEN } where; /* guarded by the shard's lock */
};

/* Whom an outcome wakes: a settled key answers everybody, a released one has room for one. */
enum wake { WAKE_ONE, WAKE_ALL };

/* NULL when out of memory. */
struct waiters *waiters_new(void);

/* Frees it; nobody may be parked. NULL is fine. */
void waiters_free(struct waiters *waiters);

/* The place where one worker's waiters are woken; on its loop. */
NODISCARD enum status waiter_inbox_open(struct waiters *waiters, struct loop *loop,
                                        struct waiter_inbox **ret_inbox);

/* Frees it; none of its waiters may be parked. NULL is fine. */
void waiter_inbox_close(struct waiter_inbox *inbox);

/* Parks `waiter` on `key`; `woken` has to be set. */
void waiters_park(struct waiter_inbox *inbox, struct waiter *waiter, const struct event_key *key);

/* Takes it out, woken or not; `woken` won't come any more. Harmless when it is out. Its own loop
 * only. */
void waiters_leave(struct waiter *waiter);

/* Wakes those parked on `key`. Any thread. Costs one atomic read while nobody waits. */
void waiters_wake(struct waiters *waiters, const struct event_key *key, enum wake wake);

#endif
