/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queued events on their way to the upstream. One courier per worker; per upstream it has a lane,
 * so that a dead or slow one delays nobody else.
 *
 *   enqueue.c: committed ──courier_start──.                 .── delivered, dead
 *                                         v                 |
 *   journal ──queue_take (leased)──> lane: waiting ──> calling ──> writing (queue_finish) ──> gone
 *      ^                               |  slots, pace, breaker     |
 *      |                               '─ lease over: dropped      '── retry: the journal has it
 *      '───────────────────────────── due again ──────────────────────────'
 *
 * What waits for a retry is in the journal only: memory holds what has a slot or is about to get
 * one, whatever the length of the queue. Each delivery in memory is leased to this worker and the
 * lease is renewed; no attempt begins once it has ended, and an outcome written too late is refused
 * by the queue (fenced).
 */
#ifndef POSTERN_SRC_GATEWAY_COURIER_H
#define POSTERN_SRC_GATEWAY_COURIER_H

#include <postern/base/status.h>
#include <postern/gateway/gateway.h>
#include <postern/store/queue.h>

struct courier;

/* Opens the courier of a gateway whose `queue` is set. */
NODISCARD enum status courier_open(struct gateway *gateway, struct courier **ret_courier);

/* Keeps a place in memory for the first attempt of an event of this route, which is about to be
 * committed. False: there is none (many wait already, or its upstream takes nothing now); the
 * attempt will be made from the journal. */
bool courier_reserve(struct courier *courier, size_t route, size_t body_bytes);

/* Gives the place up, with what was reserved. */
void courier_unreserve(struct courier *courier, size_t route, size_t body_bytes);

/* The lease its row is committed with: for an attempt from memory, or (short) until the claim is
 * settled. Milliseconds, at least 1. */
uint32_t courier_lease_ms(const struct courier *courier, size_t route, bool reserved);

/* The reserved event is committed: begins its first attempt, or puts it in line. Copies what it
 * needs. `leased_until_ms` (monotonic) is counted from before its row was handed over. */
void courier_start(struct courier *courier, size_t route, const struct queue_event *event,
                   uint64_t leased_until_ms);

/* Begins no more attempts, gives back what waits; attempts under way end by themselves. The
 * gateway's reap hook runs when courier_is_empty becomes true. */
void courier_drain(struct courier *courier);

/* After the drain's time: attempts whose status is known end now; with `all` the others too, as
 * broken connections, and the queue is not called any more. */
void courier_cut(struct courier *courier, bool all);

/* Nothing is held, asked or written. */
bool courier_is_empty(const struct courier *courier);

/* Tells the lanes and the queue to the books; called with account_publish. */
void courier_publish(const struct courier *courier);

/* Frees it; it has to be empty. NULL is fine. */
void courier_close(struct courier *courier);

#endif
