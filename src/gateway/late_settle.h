/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling the claim of an event that another gateway may have accepted and not settled. Harmless
 * when it is settled: the claim names this event already.
 */
#ifndef POSTERN_SRC_GATEWAY_LATE_SETTLE_H
#define POSTERN_SRC_GATEWAY_LATE_SETTLE_H

#include <postern/gateway/gateway.h>

struct late_event {
    const struct route_opts *route;
    struct uuid event_id;
    struct event_key key;
    uint64_t received_at_ms, window_ends_at_ms; /* wall clock */
    /* What its claim kept; copied. Empty: what the claim has stays, and where the claim has ended
     * copies can't be told from other bodies. */
    struct slice note;
};

/* Settles; `over` (NULL is fine) runs once when the store has answered, perhaps inside the call.
 * Nothing is done for a window that is over, and when out of memory: then the next look finds it.
 * gateway->late_settles counts those under way; at zero the reap hook runs. */
void late_settle(struct gateway *gateway, const struct late_event *event, void (*over)(void *arg),
                 void *arg);

#endif
