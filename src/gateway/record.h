/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal is told of an exchange.
 */
#ifndef POSTERN_SRC_GATEWAY_RECORD_H
#define POSTERN_SRC_GATEWAY_RECORD_H

#include "exchange.h"

/* Fills *ret_record from the exchange; slices point into it. Header values that carry credentials
 * are masked. STATUS_NO_MEMORY. */
NODISCARD enum status record_make(struct exchange *ex, struct journal_record *ret_record);

#endif
