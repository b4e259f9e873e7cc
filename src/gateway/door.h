/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may pass: the client's identity, and the verifiers of a gateway's routes. The step `verify`
 * is declared in exchange.h, rates are in limits.h.
 */
#ifndef POSTERN_SRC_GATEWAY_DOOR_H
#define POSTERN_SRC_GATEWAY_DOOR_H

#include "exchange.h"

/* Public-key signatures of one worker that are checked at once, or wait for a thread: at some 100
 * us each the last one is answered within 10 ms; who comes beyond gets 503. */
#define DOOR_CHECKS 64u

/* Fills ex->peer, client_address, via_proxy and secure from the connection and, where that is a
 * trusted proxy's, from its fields. False when out of memory. */
bool door_identify(struct exchange *ex);

/* Opens the verifiers of the routes that verify, and a work pool when one of them is costly. Fails
 * closed: a route whose verifier can't be opened stops the gateway, and the log says why. */
NODISCARD enum status door_open(struct gateway *gateway);

/* Closes them; harmless after a door_open that failed. */
void door_close(struct gateway *gateway);

#endif
