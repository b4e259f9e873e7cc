/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's gateway: opening, accepting, reaping, draining.
 */
#include <postern/gateway/gateway.h>

#include "conn.h"
#include "courier.h"
#include "door.h"
#include "exchange.h"
#include <stdlib.h>

static bool is_empty(const struct gateway *gateway)
{
    return gateway->exchanges == 0 && gateway->late_settles == 0 &&
           list_is_empty(&gateway->conns) &&
           (!gateway->courier || courier_is_empty(gateway->courier));
}

static void on_reap(struct loop_hook *hook)
{
    struct gateway *gateway = container_of(hook, struct gateway, reap);
    exchange_reap(gateway);
    if (!gateway->draining || !gateway->emptied || !is_empty(gateway))
        return;
    void (*emptied)(void *arg) = gateway->emptied;
    gateway->emptied = NULL;
    emptied(gateway->emptied_arg);
}

static struct slice sign_key(const struct config *config, const struct route_opts *route)
{
    return route->sign_key.len > 0 ? route->sign_key : config->lanes[route->upstream].sign_key;
}

static enum status open_signers(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    gateway->signers = calloc(config->route_count, sizeof(struct signer *));
    enum status status = gateway->signers ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < config->route_count && status == STATUS_OK; i++) {
        struct slice key = sign_key(config, &config->routes[i]);
        if (key.len > 0)
            status = signer_new(key, &gateway->signers[i]);
    }
    return status;
}

static enum status open_parts(struct gateway *gateway)
{
    enum status status = digester_open(&gateway->digester);
    if (status == STATUS_OK)
        status = open_signers(gateway);
    if (status == STATUS_OK)
        status = door_open(gateway);
    if (status == STATUS_OK)
        status = waiter_inbox_open(gateway->shared->waiters, gateway->loop, &gateway->inbox);
    if (status == STATUS_OK && gateway->queue)
        status = courier_open(gateway, &gateway->courier);
    return status;
}

static void close_parts(struct gateway *gateway)
{
    courier_close(gateway->courier);
    waiter_inbox_close(gateway->inbox);
    for (size_t i = 0; gateway->signers && i < gateway->config->route_count; i++)
        signer_free(gateway->signers[i]);
    free(gateway->signers);
    door_close(gateway);
    digester_close(gateway->digester);
}

enum status gateway_open(struct gateway *gateway)
{
    uuid_source_init(&gateway->ids);
    gateway->jitter = uuid_source_random(&gateway->ids);
    list_init(&gateway->spare);
    list_init(&gateway->finished);
    list_init(&gateway->conns);
    gateway->reap.run = on_reap;
    enum status status = open_parts(gateway);
    if (status != STATUS_OK)
        close_parts(gateway);
    return status;
}

void gateway_accept(struct gateway *gateway, struct listener *listener)
{
    conn_accept(gateway, listener);
}

void gateway_drain(struct gateway *gateway, void (*emptied)(void *arg), void *arg)
{
    gateway->draining = true;
    gateway->emptied = emptied;
    gateway->emptied_arg = arg;
    conn_drain_all(gateway);
    if (gateway->courier)
        courier_drain(gateway->courier);
    loop_defer(gateway->loop, &gateway->reap);
}

void gateway_cut(struct gateway *gateway)
{
    conn_cut_all(gateway);
    if (gateway->courier)
        courier_cut(gateway->courier, false);
}

void gateway_abandon(struct gateway *gateway)
{
    if (gateway->courier)
        courier_cut(gateway->courier, true);
}

void gateway_close(struct gateway *gateway)
{
    exchange_free_spare(gateway);
    loop_undefer(&gateway->reap);
    close_parts(gateway);
}

void gateway_publish(struct gateway *gateway)
{
    if (gateway->courier)
        courier_publish(gateway->courier);
    if (gateway->limiter)
        account_limiter(gateway->account, &gateway->limiter->stats);
    account_spool(gateway->account, &gateway->journal->stats.spool, gateway->loop->clock.wall_ms);
}
