/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups of one name at a time over libuv's thread pool. A look-up lies in memory of its own, so
 * that an owner who leaves while getaddrinfo blocks needn't wait for it. getaddrinfo tells no TTL:
 * RESOLVE_FRESH_MS stands in for it.
 */
#include "address_impl.h"
#include "loop_impl.h"

#include <netdb.h>
#include <postern/io/resolve.h>
#include <stdlib.h>

struct lookup {
    uv_getaddrinfo_t request;
    struct resolver *owner; /* NULL: nobody waits any more */
};

enum status resolver_init(struct resolver *resolver, struct loop *loop, struct slice host,
                          uint16_t port, void (*resolved)(struct resolver *resolver))
{
    *resolver = (struct resolver){.loop = loop, .port = port, .resolved = resolved};
    if (host.len == 0 || host.len >= sizeof resolver->host || memchr(host.data, '\0', host.len))
        return STATUS_INVALID;
    memcpy(resolver->host, host.data, host.len);
    resolver->numeric = address_from_numeric(resolver->host, port, &resolver->addresses[0]);
    resolver->count = resolver->numeric ? 1 : 0;
    return STATUS_OK;
}

/* Replaces the addresses by those of a successful look-up, unless it has none of ours. */
static void take_answer(struct resolver *resolver, const struct addrinfo *answer)
{
    size_t count = 0;
    for (; answer && count < RESOLVE_MAX_ADDRESSES; answer = answer->ai_next) {
        struct address address;
        if (!address_from_sockaddr(answer->ai_addr, &address))
            continue;
        address_set_port(&address, resolver->port);
        resolver->addresses[count++] = address;
    }
    if (count == 0)
        return;
    resolver->count = count;
    resolver->next = 0;
    memset(resolver->avoided_until_ms, 0, sizeof resolver->avoided_until_ms);
    resolver->next_lookup_ms = loop_now_ms(resolver->loop) + RESOLVE_FRESH_MS;
}

static void on_answer(uv_getaddrinfo_t *request, int result, struct addrinfo *answer)
{
    struct lookup *lookup = container_of(request, struct lookup, request);
    struct resolver *resolver = lookup->owner;
    loop_enter(request->loop->data);
    free(lookup);
    if (resolver) {
        resolver->impl = NULL;
        resolver->running = false;
        resolver->next_lookup_ms = loop_now_ms(resolver->loop) + RESOLVE_RETRY_MS;
        if (result == 0)
            take_answer(resolver, answer);
    }
    uv_freeaddrinfo(answer);
    if (resolver && resolver->resolved)
        resolver->resolved(resolver);
}

static bool start_lookup(struct resolver *resolver)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return false;
    lookup->owner = resolver;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (uv_getaddrinfo(loop_uv(resolver->loop), &lookup->request, on_answer, resolver->host, NULL,
                       &hints) < 0) {
        free(lookup);
        return false;
    }
    resolver->impl = lookup;
    return true;
}

bool resolver_refresh(struct resolver *resolver)
{
    uint64_t now_ms = loop_now_ms(resolver->loop);
    if (resolver->numeric || resolver->running || now_ms < resolver->next_lookup_ms)
        return resolver->count > 0;
    resolver->running = start_lookup(resolver);
    if (!resolver->running)
        resolver->next_lookup_ms = now_ms + RESOLVE_RETRY_MS;
    return resolver->count > 0;
}

const struct address *resolver_next(struct resolver *resolver)
{
    if (resolver->count == 0)
        return NULL;
    uint64_t now_ms = loop_now_ms(resolver->loop);
    size_t chosen = resolver->next;
    for (size_t i = 0; i < resolver->count; i++) {
        size_t candidate = (resolver->next + i) % resolver->count;
        if (resolver->avoided_until_ms[candidate] <= now_ms) {
            chosen = candidate;
            break;
        }
    }
    resolver->next = (chosen + 1) % resolver->count;
    return &resolver->addresses[chosen];
}

void resolver_avoid(struct resolver *resolver, const struct address *address)
{
    for (size_t i = 0; i < resolver->count; i++)
        if (memcmp(resolver->addresses[i].storage, address->storage, sizeof address->storage) == 0)
            resolver->avoided_until_ms[i] = loop_now_ms(resolver->loop) + RESOLVE_AVOID_MS;
}

void resolver_done(struct resolver *resolver)
{
    struct lookup *lookup = resolver->impl;
    if (!lookup)
        return;
    lookup->owner = NULL;
    resolver->impl = NULL;
    resolver->running = false;
    /* Fails once a thread has begun on it; the answer then finds nobody. */
    (void)uv_cancel((uv_req_t *)&lookup->request);
}
