/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client as an exchange sees it: somewhere to send an answer. conn.c is the real one, tests
 * have a fake. The exchange knows no socket.
 */
#ifndef POSTERN_SRC_GATEWAY_CLIENT_H
#define POSTERN_SRC_GATEWAY_CLIENT_H

#include <postern/base/slice.h>
#include <postern/io/stream.h>
#include <stdbool.h>

struct client;

struct client_ops {
    /* Sends bytes of the answer, as stream_send; after SEND_BACKLOG exchange_client_drained will be
     * called. */
    enum send_status (*send)(struct client *client, const struct slice *parts, size_t count);
    /* The answer is complete and with the kernel; the exchange will not touch the client again. */
    void (*answered)(struct client *client);
    /* The answer can't be completed: the peer has to notice (reset). The exchange will not touch
     * the client again. */
    void (*broken)(struct client *client);
};

struct client {
    const struct client_ops *ops;
    bool close_after;     /* the connection ends after this answer; the exchange may set it */
    bool http10;          /* no chunks, keep-alive must be said */
    struct slice address; /* numeric, of the peer */
    bool secure;          /* TLS: the scheme is https */
};

#endif
