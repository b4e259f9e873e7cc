/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer's way to the client; the steps' own prototypes are in exchange.h.
 */
#ifndef POSTERN_SRC_GATEWAY_RESPOND_H
#define POSTERN_SRC_GATEWAY_RESPOND_H

#include "exchange.h"

/* A piece of the upstream's body came: held until the answer may begin, then sent on with
 * back-pressure. Borrowed for the call. */
void respond_piece(struct exchange *ex, struct slice piece);

#endif
