/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The courier itself: what enqueue.c hands over, the tidying that one worker of the process does
 * (parks what has no route, buries what is too old), opening and the end. What is due is taken in
 * courier_take.c, leases are renewed in courier_renew.c.
 */
#include "courier_impl.h"

#include "orphans.h"
#include <stdlib.h>

#define UPKEEP_MS 10000u          /* between two rounds of tidying */
#define UPKEEP_MORE_MS 200u       /* when a round was cut short */
#define UNRESERVED_LEASE_MS 2000u /* for settling the claim: nobody else begins before */

/* ---- from the exchange ---- */

bool courier_reserve(struct courier *courier, size_t route, size_t body_bytes)
{
    struct lane *lane = courier_lane(courier, route);
    if (courier->draining || !lane_can_reserve(lane, body_bytes))
        return false;
    lane->reserved++;
    lane->bytes += body_bytes;
    courier->reserved++;
    courier->held_bytes += body_bytes;
    return true;
}

void courier_unreserve(struct courier *courier, size_t route, size_t body_bytes)
{
    struct lane *lane = courier_lane(courier, route);
    lane->reserved--;
    lane->bytes -= body_bytes;
    courier->reserved--;
    courier->held_bytes -= body_bytes;
}

uint32_t courier_lease_ms(const struct courier *courier, size_t route, bool reserved)
{
    uint32_t lease_ms = courier_row_lease_ms(courier, route);
    return reserved || lease_ms < UNRESERVED_LEASE_MS ? lease_ms : UNRESERVED_LEASE_MS;
}

/* Without memory for it, or at the very end, the lease runs out, and the journal has the event. */
void courier_start(struct courier *courier, size_t route, const struct queue_event *event,
                   uint64_t leased_until_ms)
{
    courier_unreserve(courier, route, event->body.len);
    struct delivery *delivery =
        courier->is_cut ? NULL : delivery_new(courier, route, event, leased_until_ms);
    if (!delivery)
        return;
    if (courier->draining)
        delivery_return(delivery, 0);
    else
        lane_add(delivery->lane, delivery);
}

/* ---- tidying ---- */

static void on_tidied(struct queue_upkeep *upkeep)
{
    struct courier *courier = container_of(upkeep, struct courier, upkeep);
    courier->tidying = false;
    if (courier->draining) {
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
        return;
    }
    if (upkeep->status == STATUS_OK)
        account_queue(courier->gateway->account, upkeep);
    if (upkeep->unparked > 0)
        courier_look(courier, 0);
    courier_set(courier, &courier->upkeep_at, upkeep->more ? UPKEEP_MORE_MS : UPKEEP_MS);
}

static void on_upkeep_due(struct deadline *deadline)
{
    struct courier *courier = container_of(deadline, struct courier, upkeep_at);
    courier->tidying = true;
    courier->upkeep = (struct queue_upkeep){.routes = courier->routes,
                                            .route_count = courier_config(courier)->route_count,
                                            .ended = on_tidied};
    queue_upkeep(courier->gateway->queue, &courier->upkeep);
}

/* ---- life ---- */

static void on_pump(struct deadline *deadline)
{
    lane_pump(container_of(deadline, struct lane, pump_at));
}

static void init_lane(struct courier *courier, size_t i)
{
    const struct config *config = courier_config(courier);
    struct lane *lane = &courier->lanes[i];
    lane->courier = courier;
    lane->opts = &config->lanes[i];
    lane->upstream = courier->gateway->upstreams[i];
    lane->index = i;
    lane->slots = config->upstreams[i].concurrency;
    lane->pump_at.expired = on_pump;
    list_init(&lane->first);
    list_init(&lane->again);
}

static void init_routes(struct courier *courier)
{
    const struct config *config = courier_config(courier);
    courier->renew_every_ms = UINT32_MAX;
    for (size_t i = 0; i < config->route_count; i++) {
        uint32_t every_ms = courier_row_lease_ms(courier, i) / COURIER_RENEWALS;
        courier->routes[i] = (struct queue_route){.name = config->routes[i].name,
                                                  .max_age_ms = config->routes[i].retry.max_age_ms};
        if (every_ms < courier->renew_every_ms)
            courier->renew_every_ms = every_ms;
    }
}

static void start(struct courier *courier)
{
    courier->take_at.expired = courier_on_take_due;
    courier->renew_at.expired = courier_on_renew_due;
    courier->upkeep_at.expired = on_upkeep_due;
    courier_look(courier, 0);
    courier_set(courier, &courier->renew_at, courier->renew_every_ms);
    if (courier->gateway->tidies)
        courier_set(courier, &courier->upkeep_at, 0);
}

/* A memory store needs nobody to look: it loads the journal's keys before the worker listens. */
static enum status look_back(struct courier *courier)
{
    struct gateway *gateway = courier->gateway;
    if (!gateway->tidies || gateway->config->dedup != DEDUP_REDIS)
        return STATUS_OK;
    return orphans_open(gateway, courier->routes, &courier->orphans);
}

enum status courier_open(struct gateway *gateway, struct courier **ret_courier)
{
    struct courier *courier = calloc(1, sizeof *courier);
    if (!courier)
        return STATUS_NO_MEMORY;
    courier->gateway = gateway;
    courier->lane_count = gateway->config->upstream_count;
    size_t routes = gateway->config->route_count;
    courier->lanes = calloc(courier->lane_count, sizeof *courier->lanes);
    courier->wants = calloc(routes, sizeof *courier->wants);
    courier->wanted_taken = calloc(routes, sizeof *courier->wanted_taken);
    courier->routes = calloc(routes, sizeof *courier->routes);
    list_init(&courier->held);
    if (!courier->lanes || !courier->wants || !courier->wanted_taken || !courier->routes) {
        courier_close(courier);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < courier->lane_count; i++)
        init_lane(courier, i);
    init_routes(courier);
    if (look_back(courier) != STATUS_OK) {
        courier_close(courier);
        return STATUS_NO_MEMORY;
    }
    start(courier);
    *ret_courier = courier;
    return STATUS_OK;
}

static void clear_times(struct courier *courier)
{
    struct deadlines *wheel = &courier->gateway->loop->deadlines;
    deadline_clear(wheel, &courier->take_at);
    deadline_clear(wheel, &courier->upkeep_at);
    for (size_t i = 0; i < courier->lane_count; i++)
        deadline_clear(wheel, &courier->lanes[i].pump_at);
}

void courier_drain(struct courier *courier)
{
    courier->draining = true;
    clear_times(courier);
    orphans_drain(courier->orphans);
    for (struct list *link = courier->held.next, *next; link != &courier->held; link = next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        next = link->next;
        if (delivery->state != DELIVERY_WAITING)
            continue;
        lane_remove(delivery->lane, delivery);
        delivery_return(delivery, 0);
    }
    loop_defer(courier->gateway->loop, &courier->gateway->reap);
}

void courier_cut(struct courier *courier, bool all)
{
    for (struct list *link = courier->held.next; link != &courier->held; link = link->next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        if (delivery->state == DELIVERY_CALLING && (all || delivery->status != 0))
            delivery_cut(delivery);
    }
    courier->is_cut = all;
}

bool courier_is_empty(const struct courier *courier)
{
    return courier->held_count == 0 && courier->reserved == 0 && !courier->taking &&
           !courier->renewing && !courier->tidying && orphans_is_empty(courier->orphans);
}

void courier_publish(const struct courier *courier)
{
    struct account *account = courier->gateway->account;
    for (size_t i = 0; i < courier->lane_count; i++) {
        const struct lane *lane = &courier->lanes[i];
        struct lane_figures figures = {
            .calling = lane->first_calling + lane->again_calling,
            .waiting = lane->first_waiting + lane->again_waiting,
            .attempts = lane->attempts,
            .failures = lane->failures,
            .breaker = (uint32_t)lane->breaker.state,
            .breaker_opened = lane->breaker.opened,
        };
        account_lane(account, i, &figures);
    }
    account_courier(account, courier->results, courier->leases_lost,
                    &courier->gateway->queue->stats);
}

void courier_close(struct courier *courier)
{
    if (!courier)
        return;
    if (courier->held.next)
        deadline_clear(&courier->gateway->loop->deadlines, &courier->renew_at);
    orphans_close(courier->orphans);
    free(courier->lanes);
    free(courier->wants);
    free(courier->wanted_taken);
    free(courier->routes);
    free(courier->leases);
    free(courier);
}
