/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS context: what the configuration says (copied), and what was read of its files last. The
 * latter is swapped whole; a session holds on to the one it began with.
 */
#include "tls_impl.h"

#include <postern/base/arena.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_CHUNK_BYTES 1024u
#define TEXT_MAX_BYTES ((size_t)1 << 20) /* far above TLS_MAX_CERTIFICATES pairs of paths */

struct tls_context {
    bool is_server;
    struct tls_server_opts server; /* one of these two */
    struct tls_client_opts client;
    struct arena arena; /* of their texts */
    pthread_mutex_t lock;
    SSL_CTX *present; /* under the lock */
};

/* ---- copies ---- */

static bool copy_certificates(struct tls_context *context)
{
    struct tls_server_opts *opts = &context->server;
    size_t bytes = opts->certificate_count * sizeof *opts->certificates;
    struct tls_certificate *copies = arena_alloc(&context->arena, bytes);
    if (!copies)
        return false;
    for (size_t i = 0; i < opts->certificate_count; i++)
        if (!arena_copy(&context->arena, opts->certificates[i].certificate,
                        &copies[i].certificate) ||
            !arena_copy(&context->arena, opts->certificates[i].key, &copies[i].key))
            return false;
    opts->certificates = copies;
    return arena_copy(&context->arena, opts->client_ca, &opts->client_ca);
}

static bool copy_client(struct tls_context *context)
{
    struct slice *texts[] = {&context->client.ca, &context->client.certificate,
                             &context->client.key, &context->client.server_name};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!arena_copy(&context->arena, *texts[i], texts[i]))
            return false;
    return true;
}

/* ---- reading ---- */

static SSL_CTX *read_files(const struct tls_context *context, enum status *ret_status,
                           char ret_error[static TLS_ERROR_SIZE])
{
    return context->is_server ? tls_read_server(&context->server, ret_status, ret_error)
                              : tls_read_client(&context->client, ret_status, ret_error);
}

enum status tls_context_reload(struct tls_context *context, char ret_error[static TLS_ERROR_SIZE])
{
    enum status status = STATUS_OK;
    SSL_CTX *fresh = read_files(context, &status, ret_error);
    if (!fresh)
        return status;
    pthread_mutex_lock(&context->lock);
    SSL_CTX *old = context->present;
    context->present = fresh;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(old);
    return STATUS_OK;
}

/* ---- making ---- */

static struct tls_context *context_new(void)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        free(context);
        return NULL;
    }
    arena_init(&context->arena, TEXT_CHUNK_BYTES, TEXT_MAX_BYTES);
    return context;
}

/* The options were put into `context`: their texts are copied, their files read. */
static enum status complete(struct tls_context *context, struct tls_context **ret_context,
                            char ret_error[static TLS_ERROR_SIZE])
{
    enum status status = STATUS_NO_MEMORY;
    strcpy(ret_error, "out of memory");
    if (context->is_server ? copy_certificates(context) : copy_client(context))
        status = tls_context_reload(context, ret_error);
    if (status == STATUS_OK)
        *ret_context = context;
    else
        tls_context_free(context);
    return status;
}

enum status tls_server_new(const struct tls_server_opts *opts, struct tls_context **ret_context,
                           char ret_error[static TLS_ERROR_SIZE])
{
    struct tls_context *context = context_new();
    if (!context)
        return STATUS_NO_MEMORY;
    context->is_server = true;
    context->server = *opts;
    return complete(context, ret_context, ret_error);
}

enum status tls_client_new(const struct tls_client_opts *opts, struct tls_context **ret_context,
                           char ret_error[static TLS_ERROR_SIZE])
{
    struct tls_context *context = context_new();
    if (!context)
        return STATUS_NO_MEMORY;
    context->client = *opts;
    return complete(context, ret_context, ret_error);
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->present);
    pthread_mutex_destroy(&context->lock);
    arena_done(&context->arena);
    free(context);
}

/* ---- use ---- */

/* All workers come by here: under the lock the context is only held on to. */
SSL *tls_context_session(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL_CTX *present = context->present;
    SSL_CTX_up_ref(present);
    pthread_mutex_unlock(&context->lock);
    SSL *ssl = SSL_new(present);
    SSL_CTX_free(present);
    return ssl;
}

const struct tls_server_opts *tls_context_server(const struct tls_context *context)
{
    return context->is_server ? &context->server : NULL;
}

const struct tls_client_opts *tls_context_client(const struct tls_context *context)
{
    return context->is_server ? NULL : &context->client;
}
