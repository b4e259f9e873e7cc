/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of TLS share: OpenSSL's words for a context (tls_context.c), how its files are
 * read (tls_files.c), and a session made of it (tls_session.c). OpenSSL's name stops in these.
 */
#ifndef POSTERN_IO_TLS_IMPL_H
#define POSTERN_IO_TLS_IMPL_H

#include <openssl/ssl.h>
#include <postern/io/tls.h>

/* ---- tls_context.c ---- */

/* A session of the context's present state, not yet told which side it is on. NULL: no memory. */
SSL *tls_context_session(struct tls_context *context);

/* Not NULL for a server's. */
const struct tls_server_opts *tls_context_server(const struct tls_context *context);

/* Not NULL for a client's. */
const struct tls_client_opts *tls_context_client(const struct tls_context *context);

/* ---- tls_files.c ---- */

/* The certificates (the first is the default), trust and rules of a listener, read from the files.
 * NULL: `ret_status` and `ret_error` say why. */
SSL_CTX *tls_read_server(const struct tls_server_opts *opts, enum status *ret_status,
                         char ret_error[static TLS_ERROR_SIZE]);

/* Those of a client. */
SSL_CTX *tls_read_client(const struct tls_client_opts *opts, enum status *ret_status,
                         char ret_error[static TLS_ERROR_SIZE]);

#endif
