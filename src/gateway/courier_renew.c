/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of what is in memory are renewed at a third of their time, all in one question.
 */
#include "courier_impl.h"

#include <stdlib.h>

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
                                 .lease_ms = courier_row_lease_ms(courier, delivery->route)};
        delivery->renewal = ++count;
    }
    return count;
}

/* An attempt under way ends as it will: its outcome is refused if another owner has the row. */
static void take_lease(struct courier *courier, struct delivery *delivery)
{
    const struct queue_lease *lease = &courier->leases[delivery->renewal - 1];
    delivery->renewal = 0;
    if (lease->unanswered)
        return;
    if (!lease->lost) {
        delivery_extend(delivery, courier->renew_began_ms + lease->lease_ms);
        return;
    }
    delivery_lose(delivery);
    if (delivery->state != DELIVERY_WAITING)
        return;
    lane_remove(delivery->lane, delivery);
    delivery_free(delivery);
}

static void on_renewed(struct queue_renew *renew)
{
    struct courier *courier = container_of(renew, struct courier, renew);
    struct list *link = renew->status == STATUS_OK ? courier->held.next : &courier->held, *next;
    courier->renewing = false;
    for (; link != &courier->held; link = next) {
        struct delivery *delivery = container_of(link, struct delivery, held);
        next = link->next;
        if (delivery->renewal > 0)
            take_lease(courier, delivery);
    }
    if (courier->draining)
        loop_defer(courier->gateway->loop, &courier->gateway->reap);
}

void courier_on_renew_due(struct deadline *deadline)
{
    struct courier *courier = container_of(deadline, struct courier, renew_at);
    courier_set(courier, &courier->renew_at, courier->renew_every_ms);
    if (courier->renewing || courier->held_count == 0 || !grow_leases(courier))
        return;
    size_t count = gather_leases(courier);
    if (count == 0)
        return;
    courier->renewing = true;
    courier->renew_began_ms = courier_now_ms(courier);
    courier->renew =
        (struct queue_renew){.leases = courier->leases, .count = count, .ended = on_renewed};
    queue_renew(courier->gateway->queue, &courier->renew);
}
