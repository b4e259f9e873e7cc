/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is due is taken from the journal, as far as the lanes have room: at a steady pace that finds
 * other gateways' events, when an outcome of ours is due again, and as soon as a lane that had more
 * to do than places has places again.
 */
#include "courier_impl.h"

#include "late_settle.h"
#include "note.h"

#define POLL_MS 1000u         /* other workers' and nodes' events are seen this late at most */
#define TAKE_BYTES (4u << 20) /* of one take */

void courier_look(struct courier *courier, uint64_t in_ms)
{
    uint64_t at_ms = courier_now_ms(courier) + in_ms;
    if (courier->draining || courier->taking)
        return; /* the end of the take looks again */
    if (!deadline_is_set(&courier->take_at) || at_ms < courier->take_at.at_ms)
        courier_set(courier, &courier->take_at, in_ms);
}

void courier_left(struct courier *courier, struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    if (courier->draining)
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
    else if (courier->more && (lane_room(lane) >= (lane->slots + 1) / 2 ||
                               (lane->from_journal == 0 && lane_room(lane) > 0)))
        courier_look(courier, 0);
}

static size_t routes_of(const struct courier *courier, const struct lane *lane)
{
    size_t count = 0;
    for (size_t i = 0; i < courier_config(courier)->route_count; i++)
        count += courier_lane(courier, i) == lane;
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
    for (size_t i = 0; i < courier_config(courier)->route_count && left > 0; i++) {
        if (courier_lane(courier, i) != lane)
            continue;
        if (!each && (nth++ + routes - lane->turn % routes) % routes >= room)
            continue;
        left--;
        courier->wants[count++] =
            (struct queue_want){.route = courier_config(courier)->routes[i].name,
                                .count = each ? each : 1,
                                .lease_ms = courier_row_lease_ms(courier, i)};
    }
    lane->turn += room;
    return count;
}

static size_t make_wants(struct courier *courier)
{
    size_t count = 0;
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
 * memory store died with it, and has loaded its keys from the journal. Without memory for its note
 * it is left alone: that another body passed for a copy would be worse than a repeat. */
static void settle_taken(struct courier *courier, size_t route, const struct queue_event *event)
{
    if (event->attempts > 0 || !event->has_key || courier_config(courier)->dedup != DEDUP_REDIS)
        return;
    struct gateway *gateway = courier->gateway;
    struct late_event late = {.route = &courier_config(courier)->routes[route],
                              .event_id = event->event_id,
                              .key = event->key,
                              .received_at_ms = event->received_at_ms,
                              .window_ends_at_ms = event->window_ends_at_ms};
    struct buf note;
    buf_init(&note, NOTE_HEAD_LEN);
    enum status status = note_of_body(late.route, gateway->digester, event->body, &note);
    late.note = buf_slice(&note);
    if (status == STATUS_OK)
        late_settle(gateway, &late, NULL, NULL);
    buf_done(&note);
}

/* True when it is here already: its lease had ended, and now it is ours again. What waits is made
 * anew, since somebody else may have made an attempt meanwhile. */
static bool is_under_way(struct courier *courier, const struct queue_event *event,
                         uint64_t until_ms)
{
    struct delivery *delivery = find_held(courier, &event->event_id);
    if (delivery && delivery->state == DELIVERY_WAITING) {
        lane_remove(delivery->lane, delivery);
        delivery_free(delivery);
        return false;
    }
    if (delivery)
        delivery->leased_until_ms = until_ms; /* not its call's: what has not begun does not */
    return delivery != NULL;
}

static void put_taken(struct courier *courier, struct delivery *delivery)
{
    if (courier->draining) {
        delivery_return(delivery, 0);
    } else if (delivery_is_too_old(delivery)) {
        delivery_bury(delivery, "max_age");
    } else {
        delivery->from_journal = true;
        delivery->lane->from_journal++;
        lane_add(delivery->lane, delivery);
    }
}

static void on_taken(struct queue_take *take, const struct queue_event *event)
{
    struct courier *courier = container_of(take, struct courier, take);
    const struct config *config = courier_config(courier);
    const struct route_opts *known = route_named(config->routes, config->route_count, event->route);
    if (!known)
        return; /* not asked for */
    size_t route = (size_t)(known - config->routes);
    for (size_t i = 0; i < take->want_count; i++)
        courier->wanted_taken[i] += slice_eq(take->wants[i].route, event->route);
    uint64_t until_ms = courier->take_began_ms + courier_row_lease_ms(courier, route);
    if (is_under_way(courier, event, until_ms))
        return;
    settle_taken(courier, route, event);
    struct delivery *delivery = delivery_new(courier, route, event, until_ms);
    if (delivery) /* else no memory: its lease ends by itself */
        put_taken(courier, delivery);
}

/* Bytes left some out, or a count did. */
static bool left_some(const struct courier *courier)
{
    if (courier->take.next_due_ms == 0)
        return true;
    for (size_t i = 0; i < courier->take.want_count; i++)
        if (courier->wanted_taken[i] >= courier->wants[i].count)
            return true;
    return false;
}

static void on_take_ended(struct queue_take *take)
{
    struct courier *courier = container_of(take, struct courier, take);
    courier->taking = false;
    courier->more = take->status == STATUS_OK && left_some(courier);
    if (courier->draining) {
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
        return;
    }
    bool due = take->status == STATUS_OK && take->next_due_ms < POLL_MS;
    courier_look(courier, courier->more ? 0 : due ? take->next_due_ms : POLL_MS);
}

/* Half of what is free, so that there is always something for a lane that has less. */
static size_t bytes_of_take(const struct courier *courier)
{
    size_t free_bytes = courier->held_bytes < COURIER_BYTES ? COURIER_BYTES - courier->held_bytes
                                                            : 0;
    return free_bytes / 2 < TAKE_BYTES ? free_bytes / 2 : TAKE_BYTES;
}

void courier_on_take_due(struct deadline *deadline)
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
    courier->take_began_ms = courier_now_ms(courier);
    courier->take = (struct queue_take){.wants = courier->wants,
                                        .want_count = count,
                                        .bytes_max = bytes_of_take(courier),
                                        .event = on_taken,
                                        .ended = on_take_ended};
    queue_take(courier->gateway->queue, &courier->take);
}
