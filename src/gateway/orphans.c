/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of orphans is asked for, their claims are settled, and when all of them are answered the
 * next page is: never more than ORPHANS_PAGE settles are under way.
 */
#include "orphans.h"

#include "late_settle.h"

#include <stdlib.h>

#define ORPHANS_PAGE 256u
/* A row's lease is two thirds of its claim's: looking at an eighth of the shortest lease finds it
 * in time to settle the claim before that ends. */
#define LOOKS_PER_LEASE 8u
#define LOOK_MAX_MS 3000u
#define AWAY_MS 1000u /* the queue could not be asked */
#define FIRST_MS 50u  /* the same, while the worker waits for the look back */

struct orphans {
    struct gateway *gateway;
    struct queue_orphans page;
    size_t pending; /* settles under way */
    bool asking, draining, has_told;
    uint32_t look_ms; /* between two looks */
    struct deadline look_at;
};

static void look_in(struct orphans *orphans, uint64_t in_ms)
{
    struct loop *loop = orphans->gateway->loop;
    deadline_set(&loop->deadlines, &orphans->look_at, loop_now_ms(loop) + in_ms);
}

static void tell_looked_back(struct orphans *orphans)
{
    struct gateway *gateway = orphans->gateway;
    if (!orphans->has_told && gateway->looked_back)
        gateway->looked_back(gateway);
    orphans->has_told = true;
}

/* What can be seen now was seen (the spool's, if there is one); the database is known to be away,
 * so that the worker needs to wait no longer. */
static void looked_in_vain(struct orphans *orphans)
{
    if (orphans->gateway->queue_is_away)
        tell_looked_back(orphans);
    look_in(orphans, orphans->has_told ? AWAY_MS : FIRST_MS);
}

/* The page is over when it was told and each of its claims is answered. */
static void go_on(struct orphans *orphans)
{
    if (orphans->asking || orphans->pending > 0)
        return;
    if (orphans->draining) {
        loop_defer(orphans->gateway->loop, &orphans->gateway->reap);
        return;
    }
    if (orphans->page.status != STATUS_OK) {
        looked_in_vain(orphans);
        return;
    }
    orphans->page.from_start = false;
    orphans->page.after_us = orphans->page.until_us;
    orphans->page.after_id = orphans->page.until_id;
    if (!orphans->page.more)
        tell_looked_back(orphans);
    look_in(orphans, orphans->page.more ? 0 : orphans->look_ms);
}

static void on_settled(void *arg)
{
    struct orphans *orphans = arg;
    orphans->pending--;
    go_on(orphans);
}

static void on_orphan(struct queue_orphans *page, const struct queue_orphan *orphan)
{
    struct orphans *orphans = container_of(page, struct orphans, page);
    struct gateway *gateway = orphans->gateway;
    const struct route_opts *route =
        route_named(gateway->config->routes, gateway->config->route_count, orphan->route);
    if (!route)
        return;
    struct late_event event = {.route = route,
                               .event_id = orphan->event_id,
                               .key = orphan->key,
                               .received_at_ms = orphan->received_at_ms,
                               .window_ends_at_ms = orphan->window_ends_at_ms,
                               .note = orphan->note};
    orphans->pending++;
    late_settle(gateway, &event, on_settled, orphans);
}

static void on_page_ended(struct queue_orphans *page)
{
    struct orphans *orphans = container_of(page, struct orphans, page);
    orphans->asking = false;
    go_on(orphans);
}

static void on_look(struct deadline *deadline)
{
    struct orphans *orphans = container_of(deadline, struct orphans, look_at);
    orphans->asking = true;
    queue_orphans(orphans->gateway->queue, &orphans->page);
}

static uint32_t look_every_ms(const struct config *config)
{
    uint32_t every_ms = LOOK_MAX_MS;
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].lease_ms / LOOKS_PER_LEASE < every_ms)
            every_ms = config->routes[i].lease_ms / LOOKS_PER_LEASE;
    return every_ms;
}

enum status orphans_open(struct gateway *gateway, const struct queue_route *routes,
                         struct orphans **ret_orphans)
{
    struct orphans *orphans = calloc(1, sizeof *orphans);
    if (!orphans)
        return STATUS_NO_MEMORY;
    orphans->gateway = gateway;
    orphans->page = (struct queue_orphans){.routes = routes,
                                           .route_count = gateway->config->route_count,
                                           .from_start = true,
                                           .limit = ORPHANS_PAGE,
                                           .orphan = on_orphan,
                                           .ended = on_page_ended};
    orphans->look_ms = look_every_ms(gateway->config);
    orphans->look_at.expired = on_look;
    look_in(orphans, 0);
    *ret_orphans = orphans;
    return STATUS_OK;
}

void orphans_drain(struct orphans *orphans)
{
    if (!orphans)
        return;
    orphans->draining = true;
    deadline_clear(&orphans->gateway->loop->deadlines, &orphans->look_at);
}

bool orphans_is_empty(const struct orphans *orphans)
{
    return !orphans || (!orphans->asking && orphans->pending == 0);
}

void orphans_close(struct orphans *orphans)
{
    if (!orphans)
        return;
    deadline_clear(&orphans->gateway->loop->deadlines, &orphans->look_at);
    free(orphans);
}
