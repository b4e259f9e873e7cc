/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection: bytes to requests, one exchange after the other, answers in the order of
 * the requests. It keeps what an idle connection needs and nothing more: buffers and arenas belong
 * to the exchange.
 */
#ifndef POSTERN_SRC_GATEWAY_CONN_H
#define POSTERN_SRC_GATEWAY_CONN_H

#include <postern/gateway/gateway.h>

struct conn;

/* Takes the connection waiting at `listener`, or refuses it (503) when the process holds
 * limits.connections already. */
void conn_accept(struct gateway *gateway, struct listener *listener);

/* Draining: an idle connection closes now, a busy one after its answer. */
void conn_drain_all(struct gateway *gateway);

/* Closes every connection now; exchanges go on without their clients. */
void conn_cut_all(struct gateway *gateway);

#endif
