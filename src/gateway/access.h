/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line an exchange leaves in the log.
 */
#ifndef POSTERN_SRC_GATEWAY_ACCESS_H
#define POSTERN_SRC_GATEWAY_ACCESS_H

#include "exchange.h"

/* Writes an access line for every n-th exchange (log.access_sample), and for every failed one,
 * those at most ACCESS_FAILURES_PER_SECOND per worker. Never a body, a header, or a query (they may
 * hold secrets). `us`: from the head to the end of the answer. */
void access_log(struct exchange *ex, uint64_t us);

#endif
