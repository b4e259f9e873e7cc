/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line an exchange leaves in the log.
 */
#ifndef POSTERN_SRC_GATEWAY_ACCESS_H
#define POSTERN_SRC_GATEWAY_ACCESS_H

#include "exchange.h"

/* Lines per second and worker: of failed exchanges, and of those that passed without the store. */
#define ACCESS_LINES_PER_SECOND 20u

/* True when a line may be written at now_ms; else it is counted as suppressed. *ret_suppressed: how
 * many the second before had, to be told now; else 0. */
bool access_allows(struct line_window *window, uint64_t now_ms, uint32_t *ret_suppressed);

/* Writes an access line for every n-th exchange (log.access_sample), and for every one that failed
 * or passed without the store, ACCESS_LINES_PER_SECOND of each at most. Never a body, a header, or
 * a query (they may hold secrets). `us`: from the head to the end of the answer. */
void access_log(struct exchange *ex, uint64_t us);

#endif
