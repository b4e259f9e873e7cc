/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 under the contract of io/stream.h: contexts (certificates, trust) that streams
 * are secured with. A context is shared by all workers' threads and may be swapped while it is in
 * use: connections keep the one they began with.
 */
#ifndef POSTERN_IO_TLS_H
#define POSTERN_IO_TLS_H

#include <postern/base/slice.h>
#include <postern/base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_ERROR_SIZE 256
#define TLS_MAX_CERTIFICATES 64u

struct tls_certificate {
    struct slice certificate; /* PEM file: the chain, leaf first */
    struct slice key;         /* PEM file */
};

/* Of a listener. */
struct tls_server_opts {
    const struct tls_certificate *certificates; /* the first also for names nobody else has, and for
                                                   clients without SNI; 0: not TLS. Names are those
                                                   of the certificates themselves */
    size_t certificate_count;
    struct slice client_ca; /* PEM file; given: clients need a certificate of it */
    bool client_optional;   /* … only if they have one */
    bool at_least_1_3;
    uint32_t handshake_ms; /* a client that is not done by then is closed */
};

/* Towards a server: upstream, Redis. Its certificate has to have the name, or the address, among
 * its alternative names; the common name does not count. */
struct tls_client_opts {
    bool enabled;
    struct slice ca;               /* PEM file; empty: the system's store */
    struct slice certificate, key; /* PEM files; empty: no client certificate */
    struct slice server_name;      /* for SNI and the check; empty: the host connected to */
    bool insecure;                 /* not verified: said at start, loudly */
};

struct tls_context;

/* Reads the files. STATUS_INVALID or STATUS_IO with the reason (which file, and why) in
 * `ret_error`. The caller owns the result. `opts` is only borrowed for the call. */
NODISCARD enum status tls_server_new(const struct tls_server_opts *opts,
                                     struct tls_context **ret_context,
                                     char ret_error[static TLS_ERROR_SIZE]);
NODISCARD enum status tls_client_new(const struct tls_client_opts *opts,
                                     struct tls_context **ret_context,
                                     char ret_error[static TLS_ERROR_SIZE]);

/* Reads the files again and swaps the context inside: new connections use the new one. On failure
 * nothing changes. Any thread. */
NODISCARD enum status tls_context_reload(struct tls_context *context,
                                         char ret_error[static TLS_ERROR_SIZE]);

/* Connections that began with it go on; no other thread may still secure one with it. NULL is
 * fine. */
void tls_context_free(struct tls_context *context);

#endif
