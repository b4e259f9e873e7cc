/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's TLS contexts: where in the configuration each comes from, so that a walk over them
 * makes, reads again and frees them all. Not the use of them: listeners, upstreams and the link to
 * Redis are given theirs.
 */
#include <postern/gateway/secure.h>

#include <stdio.h>
#include <stdlib.h>

/* One context and its place in the file. Exactly one of `server` and `client` is set. */
struct place {
    struct tls_context **context;
    const struct tls_server_opts *server;
    const struct tls_client_opts *client;
    char name[128];
};

static struct place listener_at(const struct secure *secure, size_t i)
{
    const struct tls_server_opts *opts = &secure->config->listen[i].tls;
    struct place place = {.context = &secure->listeners[i],
                          .server = opts->certificate_count > 0 ? opts : NULL};
    (void)snprintf(place.name, sizeof place.name, "listen[%zu].tls", i);
    return place;
}

static struct place upstream_at(const struct secure *secure, size_t i)
{
    struct upstream_opts *opts = &secure->config->upstreams[i];
    struct place place = {.context = &opts->tls_context,
                          .client = opts->tls.enabled ? &opts->tls : NULL};
    (void)snprintf(place.name, sizeof place.name, "upstreams.%.*s.tls", (int)opts->name.len,
                   opts->name.data);
    return place;
}

static struct place redis_of(const struct secure *secure)
{
    struct redis_opts *opts = &secure->config->redis;
    struct place place = {.context = &opts->tls_context,
                          .client = opts->tls.enabled ? &opts->tls : NULL};
    (void)snprintf(place.name, sizeof place.name, "dedup.redis.tls");
    return place;
}

static size_t place_count(const struct secure *secure)
{
    return secure->config->listen_count + secure->config->upstream_count + 1;
}

static struct place place_at(const struct secure *secure, size_t i)
{
    const struct config *config = secure->config;
    if (i < config->listen_count)
        return listener_at(secure, i);
    i -= config->listen_count;
    return i < config->upstream_count ? upstream_at(secure, i) : redis_of(secure);
}

static enum status open_place(const struct place *place, char ret_error[static SECURE_ERROR_SIZE])
{
    char error[TLS_ERROR_SIZE] = "out of memory";
    enum status status = STATUS_OK;
    if (place->server)
        status = tls_server_new(place->server, place->context, error);
    else if (place->client)
        status = tls_client_new(place->client, place->context, error);
    if (status != STATUS_OK)
        (void)snprintf(ret_error, SECURE_ERROR_SIZE, "%s: %s", place->name, error);
    return status;
}

enum status secure_open(struct config *config, struct secure *ret_secure,
                        char ret_error[static SECURE_ERROR_SIZE])
{
    struct secure secure = {
        .config = config,
        .listeners = calloc(config->listen_count + 1, sizeof(struct tls_context *)),
    };
    enum status status = secure.listeners ? STATUS_OK : STATUS_NO_MEMORY;
    (void)snprintf(ret_error, SECURE_ERROR_SIZE, "tls: out of memory");
    for (size_t i = 0; i < place_count(&secure) && status == STATUS_OK; i++) {
        struct place place = place_at(&secure, i);
        status = open_place(&place, ret_error);
    }
    if (status == STATUS_OK)
        *ret_secure = secure;
    else
        secure_close(&secure);
    return status;
}

bool secure_reload(struct secure *secure, struct log *log)
{
    size_t read = 0, failed = 0;
    for (size_t i = 0; i < place_count(secure); i++) {
        char error[TLS_ERROR_SIZE];
        struct place place = place_at(secure, i);
        if (!*place.context)
            continue;
        if (tls_context_reload(*place.context, error) == STATUS_OK) {
            read++;
            continue;
        }
        failed++;
        log_line(log, LOG_ERROR, "certificates stay as they were", LOG_STR("tls", place.name),
                 LOG_STR("reason", error));
    }
    log_line(log, LOG_INFO, "certificates were read again", LOG_INT("contexts", read),
             LOG_INT("failed", failed));
    return failed == 0;
}

void secure_close(struct secure *secure)
{
    if (!secure->listeners)
        return;
    for (size_t i = 0; i < place_count(secure); i++) {
        struct place place = place_at(secure, i);
        tls_context_free(*place.context);
        *place.context = NULL;
    }
    free(secure->listeners);
    secure->listeners = NULL;
}

void secure_warn(const struct config *config, struct log *log)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].tls.enabled && config->upstreams[i].tls.insecure)
            log_line(log, LOG_WARN, "insecure: the certificate of this upstream is not verified",
                     LOG_TEXT("upstream", config->upstreams[i].name));
    if (config->redis.tls.enabled && config->redis.tls.insecure)
        log_line(log, LOG_WARN, "insecure: the certificate of Redis is not verified",
                 LOG_TEXT("host", config->redis.host));
}
