/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans: events that a gateway which died had committed, but whose claims it may not have settled
 * (queue.h). Their claims are settled here, so that a sender's retry is a duplicate and not a
 * second delivery: what is left is found at the start, before the worker listens, and what another
 * node leaves while this one runs, before the claim's lease ends. Settling a claim that is settled
 * already does no harm.
 */
#ifndef POSTERN_SRC_GATEWAY_ORPHANS_H
#define POSTERN_SRC_GATEWAY_ORPHANS_H

#include <postern/base/status.h>
#include <postern/gateway/gateway.h>
#include <postern/store/queue.h>

struct orphans;

/* Begins looking. `routes` is borrowed. When the first look back is over gateway->looked_back runs.
 */
NODISCARD enum status orphans_open(struct gateway *gateway, const struct queue_route *routes,
                                   struct orphans **ret_orphans);

/* Looks no more; what is asked is still answered, and then the gateway's reap hook runs. NULL is
 * fine. */
void orphans_drain(struct orphans *orphans);

/* Nothing is asked; also for NULL. */
bool orphans_is_empty(const struct orphans *orphans);

/* Frees it; it has to be empty. NULL is fine. */
void orphans_close(struct orphans *orphans);

#endif
