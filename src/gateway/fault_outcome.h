/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request that can't be read comes to: the reader's words for faults (net) in the outcome
 * table's (policy).
 */
#ifndef POSTERN_SRC_GATEWAY_FAULT_OUTCOME_H
#define POSTERN_SRC_GATEWAY_FAULT_OUTCOME_H

#include <postern/net/http1.h>
#include <postern/policy/outcome.h>

/* The outcome of a request with that fault. */
enum outcome fault_outcome(enum http_fault fault);

#endif
