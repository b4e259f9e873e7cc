/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's gateway: opening, accepting, reaping, draining.
 */
#include <postern/gateway/gateway.h>

#include "conn.h"
#include "exchange.h"

static bool is_empty(const struct gateway *gateway)
{
    return gateway->exchanges == 0 && list_is_empty(&gateway->conns);
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

enum status gateway_open(struct gateway *gateway)
{
    enum status status = digester_open(&gateway->digester);
    if (status != STATUS_OK)
        return status;
    status = waiter_inbox_open(gateway->shared->waiters, gateway->loop, &gateway->inbox);
    if (status != STATUS_OK) {
        digester_close(gateway->digester);
        return status;
    }
    uuid_source_init(&gateway->ids);
    list_init(&gateway->spare);
    list_init(&gateway->finished);
    list_init(&gateway->conns);
    gateway->reap.run = on_reap;
    return STATUS_OK;
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
    loop_defer(gateway->loop, &gateway->reap);
}

void gateway_cut(struct gateway *gateway)
{
    conn_cut_all(gateway);
}

void gateway_close(struct gateway *gateway)
{
    exchange_free_spare(gateway);
    loop_undefer(&gateway->reap);
    waiter_inbox_close(gateway->inbox);
    digester_close(gateway->digester);
}
