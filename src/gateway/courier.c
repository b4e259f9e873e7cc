/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due is taken from the journal as far as the lanes have room, leases of what is in memory
 * are renewed, and one worker of the process tidies the queue (parks what has no route, buries what
 * is too old). An event just accepted comes straight from enqueue.c.
 */
#include "courier_impl.h"

#include "late_settle.h"
#include "orphans.h"
#include <stdlib.h>

#define POLL_MS 1000u             /* other workers' and nodes' events are seen this late at most */
#define UPKEEP_MS 10000u          /* between two rounds of tidying */
#define UPKEEP_MORE_MS 200u       /* when a round was cut short */
#define TAKE_BYTES (4u << 20)     /* of one take */
#define UNRESERVED_LEASE_MS 2000u /* for settling the claim: nobody else begins before */
#define RENEWALS_PER_LEASE 3u

static uint64_t now_ms(const struct courier *courier)
{
    return loop_now_ms(courier->gateway->loop);
}

static void set(struct courier *courier, struct deadline *deadline, uint64_t in_ms)
{
    deadline_set(&courier->gateway->loop->deadlines, deadline, now_ms(courier) + in_ms);
}

static const struct config *config_of(const struct courier *courier)
{
    return courier->gateway->config;
}

static struct lane *lane_of(const struct courier *courier, size_t route)
{
    return &courier->lanes[config_of(courier)->routes[route].upstream];
}

/* Shorter than the claim's: a row that is taken over has its claim settled before that ends. */
static uint32_t row_lease_ms(const struct courier *courier, size_t route)
{
    uint32_t lease_ms = config_of(courier)->routes[route].lease_ms;
    return lease_ms - lease_ms / 3;
}

/* ---- from the exchange ---- */

bool courier_reserve(struct courier *courier, size_t route, size_t body_bytes)
{
    struct lane *lane = lane_of(courier, route);
    if (courier->draining || courier->held_bytes + body_bytes > COURIER_BYTES ||
        !lane_can_reserve(lane))
        return false;
    lane->reserved++;
    courier->reserved++;
    return true;
}

void courier_unreserve(struct courier *courier, size_t route)
{
    lane_of(courier, route)->reserved--;
    courier->reserved--;
}

uint32_t courier_lease_ms(const struct courier *courier, size_t route, bool reserved)
{
    uint32_t lease_ms = row_lease_ms(courier, route);
    return reserved || lease_ms < UNRESERVED_LEASE_MS ? lease_ms : UNRESERVED_LEASE_MS;
}

/* Without memory for it the lease runs out, and the journal has the event. */
void courier_start(struct courier *courier, size_t route, const struct queue_event *event,
                   uint64_t leased_until_ms)
{
    courier_unreserve(courier, route);
    struct delivery *delivery = delivery_new(courier, route, event, leased_until_ms);
    if (!delivery)
        return;
    if (courier->draining)
        delivery_return(delivery, 0);
    else
        lane_add(delivery->lane, delivery);
}

/* ---- taking ---- */

void courier_look(struct courier *courier, uint64_t in_ms)
{
    uint64_t at_ms = now_ms(courier) + in_ms;
    if (courier->draining || courier->taking)
        return; /* the end of the take looks again */
    if (!deadline_is_set(&courier->take_at) || at_ms < courier->take_at.at_ms)
        set(courier, &courier->take_at, in_ms);
}

void courier_left(struct courier *courier, struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    if (courier->draining)
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
    else if (courier->more && lane && lane_room(lane) >= (lane->slots + 1) / 2)
        courier_look(courier, 0);
}

static size_t find_route(const struct courier *courier, struct slice name)
{
    const struct config *config = config_of(courier);
    for (size_t i = 0; i < config->route_count; i++)
        if (slice_eq(config->routes[i].name, name))
            return i;
    return SIZE_MAX;
}

static size_t routes_of(const struct courier *courier, const struct lane *lane)
{
    size_t count = 0;
    for (size_t i = 0; i < config_of(courier)->route_count; i++)
        count += lane_of(courier, i) == lane;
    return count;
}

/* The lane's room is shared out among its routes; of less room than routes, each gets its turn. */
static size_t want_of_lane(struct courier *courier, struct lane *lane, size_t count)
{
    uint32_t room = lane_room(lane);
    size_t routes = routes_of(courier, lane);
    bool is_busy = lane->first_waiting + lane->again_waiting > 0;
    if (room == 0 || routes == 0 || (is_busy && room < lane->slots / 4))
        return count; /* a take for a few rows costs what one for many does */
    uint32_t each = room / (uint32_t)routes;
    size_t nth = 0, left = each ? routes : room;
    for (size_t i = 0; i < config_of(courier)->route_count && left > 0; i++) {
        if (lane_of(courier, i) != lane)
            continue;
        if (!each && (nth++ + routes - lane->turn % routes) % routes >= room)
            continue;
        left--;
        courier->wants[count++] = (struct queue_want){.route = config_of(courier)->routes[i].name,
                                                      .count = each ? each : 1,
                                                      .lease_ms = row_lease_ms(courier, i)};
    }
    lane->turn += room;
    return count;
}

static size_t make_wants(struct courier *courier)
{
    size_t count = 0;
    if (courier->held_bytes >= COURIER_BYTES)
        return 0;
    for (size_t i = 0; i < courier->lane_count; i++)
        count = want_of_lane(courier, &courier->lanes[i], count);
    return count;
}

static struct delivery *find_held(const struct courier *courier, const struct uuid *event_id)
{
    for (struct list *link = courier->held.next; link != &courier->held; link = link->next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        if (uuid_eq(&delivery->event_id, event_id))
            return delivery;
    }
    return NULL;
}

/* An event without an attempt may come from a gateway that died before it settled the claim; a
 * memory store died with it, and has loaded its keys from the journal. */
static void settle_taken(struct courier *courier, size_t route, const struct queue_event *event)
{
    if (event->attempts > 0 || !event->has_key || config_of(courier)->dedup != DEDUP_REDIS)
        return;
    struct late_event late = {.route = &config_of(courier)->routes[route],
                              .event_id = event->event_id,
                              .key = event->key,
                              .received_at_ms = event->received_at_ms,
                              .window_ends_at_ms = event->window_ends_at_ms};
    late_settle(courier->gateway, &late, NULL, NULL);
}

static void on_taken(struct queue_take *take, const struct queue_event *event)
{
    struct courier *courier = container_of(take, struct courier, take);
    size_t route = find_route(courier, event->route);
    if (route == SIZE_MAX)
        return; /* not asked for */
    for (size_t i = 0; i < take->want_count; i++)
        courier->wanted_taken[i] += slice_eq(take->wants[i].route, event->route);
    uint64_t until_ms = courier->take_began_ms + row_lease_ms(courier, route);
    struct delivery *delivery = find_held(courier, &event->event_id);
    if (delivery) { /* its lease had ended, and now it is ours again */
        delivery->leased_until_ms = until_ms;
        return;
    }
    settle_taken(courier, route, event);
    delivery = delivery_new(courier, route, event, until_ms);
    if (!delivery)
        return; /* no memory: its lease ends by itself */
    uint64_t wall_ms = courier->gateway->loop->clock.wall_ms;
    if (courier->draining)
        delivery_return(delivery, 0);
    else if (wall_ms > event->waits_since_ms + config_of(courier)->routes[route].retry.max_age_ms)
        delivery_bury(delivery, "max_age");
    else
        lane_add(delivery->lane, delivery);
}

static bool filled_a_want(const struct courier *courier)
{
    for (size_t i = 0; i < courier->take.want_count; i++)
        if (courier->wanted_taken[i] >= courier->wants[i].count)
            return true;
    return false;
}

static void on_take_ended(struct queue_take *take)
{
    struct courier *courier = container_of(take, struct courier, take);
    courier->taking = false;
    courier->more = take->status == STATUS_OK && filled_a_want(courier);
    if (courier->draining) {
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
        return;
    }
    bool due = take->status == STATUS_OK && take->next_due_ms < POLL_MS;
    courier_look(courier, courier->more ? 0 : due ? take->next_due_ms : POLL_MS);
}

static void on_take_due(struct deadline *deadline)
{
    struct courier *courier = container_of(deadline, struct courier, take_at);
    size_t count = make_wants(courier);
    if (count == 0) {
        courier_look(courier, POLL_MS); /* courier_left looks earlier */
        return;
    }
    for (size_t i = 0; i < count; i++)
        courier->wanted_taken[i] = 0;
    courier->taking = true;
    courier->take_began_ms = now_ms(courier);
    courier->take = (struct queue_take){.wants = courier->wants,
                                        .want_count = count,
                                        .bytes_max = TAKE_BYTES,
                                        .event = on_taken,
                                        .ended = on_take_ended};
    queue_take(courier->gateway->queue, &courier->take);
}

/* ---- renewing ---- */

static bool grow_leases(struct courier *courier)
{
    if (courier->held_count <= courier->leases_capacity)
        return true;
    size_t capacity = 2 * courier->held_count;
    struct queue_lease *leases = realloc(courier->leases, capacity * sizeof *leases);
    if (!leases)
        return false;
    courier->leases = leases;
    courier->leases_capacity = capacity;
    return true;
}

/* What is being written needs no lease: its outcome is fenced by its owner. */
static size_t gather_leases(struct courier *courier)
{
    size_t count = 0;
    for (struct list *link = courier->held.next; link != &courier->held; link = link->next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        delivery->renewal = 0;
        if (delivery->state == DELIVERY_WRITING)
            continue;
        courier->leases[count] =
            (struct queue_lease){.event_id = delivery->event_id,
                                 .home = delivery->home,
                                 .lease_ms = row_lease_ms(courier, delivery->route)};
        delivery->renewal = ++count;
    }
    return count;
}

/* An attempt under way ends as it will: its outcome is refused if another owner has the row. */
static void take_lease(struct courier *courier, struct delivery *delivery)
{
    const struct queue_lease *lease = &courier->leases[delivery->renewal - 1];
    delivery->renewal = 0;
    if (!lease->lost) {
        delivery->leased_until_ms = courier->renew_began_ms + lease->lease_ms;
        return;
    }
    courier->leases_lost++;
    if (delivery->state != DELIVERY_WAITING)
        return;
    lane_remove(delivery->lane, delivery);
    delivery_free(delivery);
}

static void on_renewed(struct queue_renew *renew)
{
    struct courier *courier = container_of(renew, struct courier, renew);
    courier->renewing = false;
    if (renew->status != STATUS_OK)
        return;
    for (struct list *link = courier->held.next, *next; link != &courier->held; link = next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        next = link->next;
        if (delivery->renewal > 0)
            take_lease(courier, delivery);
    }
    if (courier->draining)
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
}

static void on_renew_due(struct deadline *deadline)
{
    struct courier *courier = container_of(deadline, struct courier, renew_at);
    set(courier, &courier->renew_at, courier->renew_every_ms);
    if (courier->renewing || courier->held_count == 0 || !grow_leases(courier))
        return;
    size_t count = gather_leases(courier);
    if (count == 0)
        return;
    courier->renewing = true;
    courier->renew_began_ms = now_ms(courier);
    courier->renew =
        (struct queue_renew){.leases = courier->leases, .count = count, .ended = on_renewed};
    queue_renew(courier->gateway->queue, &courier->renew);
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
    set(courier, &courier->upkeep_at, upkeep->more ? UPKEEP_MORE_MS : UPKEEP_MS);
}

static void on_upkeep_due(struct deadline *deadline)
{
    struct courier *courier = container_of(deadline, struct courier, upkeep_at);
    courier->tidying = true;
    courier->upkeep = (struct queue_upkeep){.routes = courier->routes,
                                            .route_count = config_of(courier)->route_count,
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
    const struct config *config = config_of(courier);
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
    const struct config *config = config_of(courier);
    courier->renew_every_ms = UINT32_MAX;
    for (size_t i = 0; i < config->route_count; i++) {
        uint32_t every_ms = row_lease_ms(courier, i) / RENEWALS_PER_LEASE;
        courier->routes[i] = (struct queue_route){.name = config->routes[i].name,
                                                  .max_age_ms = config->routes[i].retry.max_age_ms};
        if (every_ms < courier->renew_every_ms)
            courier->renew_every_ms = every_ms;
    }
}

static void start(struct courier *courier)
{
    courier->take_at.expired = on_take_due;
    courier->renew_at.expired = on_renew_due;
    courier->upkeep_at.expired = on_upkeep_due;
    courier_look(courier, 0);
    set(courier, &courier->renew_at, courier->renew_every_ms);
    if (courier->gateway->tidies)
        set(courier, &courier->upkeep_at, 0);
}

/* A memory store needs nobody to look: it loads the journal's keys before the worker listens. */
static enum status look_back(struct courier *courier)
{
    struct gateway *gateway = courier->gateway;
    if (!gateway->tidies || gateway->config->dedup != DEDUP_REDIS)
        return STATUS_OK;
    if (!gateway->queue->backend->orphans) /* until every backend has it */
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
