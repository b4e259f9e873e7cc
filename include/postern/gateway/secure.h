/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS contexts of all that the configuration secures: listeners, upstreams, Redis. Made once
 * for the process, before its workers; their files may be read again while they serve.
 */
#ifndef POSTERN_GATEWAY_SECURE_H
#define POSTERN_GATEWAY_SECURE_H

#include <postern/config/config.h>

#define SECURE_ERROR_SIZE (TLS_ERROR_SIZE + 160)

struct secure {
    struct config *config;
    struct tls_context **listeners; /* by index in config->listen; NULL: plain */
};

/* Makes the contexts; those of upstreams and Redis are put into their options. On failure nothing
 * is left, and `ret_error` says where and why. `config` is borrowed until secure_close. */
NODISCARD enum status secure_open(struct config *config, struct secure *ret_secure,
                                  char ret_error[static SECURE_ERROR_SIZE]);

/* Reads all files again; new connections use what they say. What can't be read stays as it was.
 * Logged, each failure by itself. False when there was one. */
bool secure_reload(struct secure *secure, struct log *log);

/* Gives the contexts back; whoever uses them has ended. Zeroed memory is fine. */
void secure_close(struct secure *secure);

/* Logs each peer that is not verified (insecure: true), loudly. */
void secure_warn(const struct config *config, struct log *log);

#endif
