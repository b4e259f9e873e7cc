/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route's rates. Two buckets per client: what is new, and copies of what was accepted, so that a
 * sender that repeats itself does not use up the room of its own new events, nor the other way
 * round. Which one a request belongs to is known only after the claim:
 *
 *   admit   takes from the first; where that is empty it takes from the second, and the request
 *           goes on "over the rate": it will be answered if it turns out to be a copy
 *   repeat  it is a copy after all, and was not over the rate: gives back to the first what time
 * has not made good meanwhile, and takes from the second
 *
 * Local rates are asked before the body is received, shared ones (an op to Redis) after it. Who
 * can't be asked in time limits nobody.
 */
#ifndef POSTERN_SRC_GATEWAY_LIMITS_H
#define POSTERN_SRC_GATEWAY_LIMITS_H

#include "exchange.h"

/* Asks a route's local rate before the body. OUTCOME_NONE: go on (no rate, or a shared one, among
 * them); otherwise refuse with that. */
enum outcome limits_ask_early(struct exchange *ex);

/* True when only a copy of an accepted event may be answered. */
bool limits_is_over(const struct exchange *ex);

/* The state in which a copy's answer (`outcome`) goes on: its rate is asked, if that is due. */
enum ex_state limits_charge_copy(struct exchange *ex, enum outcome outcome);

/* Appends RateLimit-Policy and RateLimit to ex->text, and Retry-After where the rate refused; of
 * the bucket that decided. Nothing on a route without a rate. */
NODISCARD enum status limits_write_fields(struct exchange *ex);

#endif
