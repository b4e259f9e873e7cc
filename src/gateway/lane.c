/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which delivery of an upstream is next. First attempts and later ones have a line each, and each
 * keeps some slots that the other can't take: a burst of retries doesn't delay new events, and a
 * burst of new events doesn't starve retries. Pace and breaker stand in front of both.
 */
#include "courier_impl.h"

#define FIRST_SHARE 4u /* a quarter of the slots is kept for first attempts */
#define AGAIN_SHARE 8u /* an eighth for later ones, while some wait */
#define POOL_PAUSE_MS                                                                              \
    20u /* until the upstream's pool, shared with proxied requests, is asked again */

static uint64_t now_ms(const struct lane *lane)
{
    return loop_now_ms(lane->courier->gateway->loop);
}

/* Of one slot nothing can be kept: then the lines take turns. */
static uint32_t kept(const struct lane *lane, uint32_t share)
{
    if (lane->slots < 2)
        return 0;
    return lane->slots < share ? 1 : lane->slots / share;
}

static bool first_may(const struct lane *lane)
{
    uint32_t others = lane->again_waiting > 0 ? kept(lane, AGAIN_SHARE) : 0;
    return lane->first_waiting > 0 && lane->first_calling < lane->slots - others;
}

static bool again_may(const struct lane *lane)
{
    return lane->again_waiting > 0 && lane->again_calling < lane->slots - kept(lane, FIRST_SHARE);
}

static struct delivery *head_of(struct list *line)
{
    return container_of(line->next, struct delivery, link);
}

/* The next one a slot is free for, or NULL. */
static struct delivery *next(struct lane *lane)
{
    bool first = first_may(lane), again = again_may(lane);
    if (lane->first_calling + lane->again_calling >= lane->slots || (!first && !again))
        return NULL;
    if (first && again && lane->slots < 2)
        first = !lane->again_is_next;
    return head_of(first ? &lane->first : &lane->again);
}

static void pump_in(struct lane *lane, uint64_t in_ms)
{
    struct deadlines *wheel = &lane->courier->gateway->loop->deadlines;
    if (!deadline_is_set(&lane->pump_at))
        deadline_set(wheel, &lane->pump_at, now_ms(lane) + (in_ms ? in_ms : 1));
}

/* A half-open breaker with its probe out is pumped again by the probe's end. */
static bool passes_breaker(struct lane *lane)
{
    if (breaker_begin(&lane->breaker, now_ms(lane)))
        return true;
    if (lane->breaker.state == BREAKER_OPEN)
        pump_in(lane, lane->breaker.until_ms - now_ms(lane));
    return false;
}

static bool passes_pace(struct lane *lane)
{
    uint64_t wait_us = 0;
    if (pace_take(&lane->pace, &lane->opts->pace, lane->courier->gateway->loop->clock.mono_us,
                  &wait_us))
        return true;
    breaker_abandoned(&lane->breaker, lane->breaker.opened);
    pump_in(lane, wait_us / 1000 + 1);
    return false;
}

void lane_remove(struct lane *lane, struct delivery *delivery)
{
    list_remove(&delivery->link);
    if (delivery->is_first)
        lane->first_waiting--;
    else
        lane->again_waiting--;
}

static void put_in_line(struct lane *lane, struct delivery *delivery, bool in_front)
{
    struct list *line = delivery->is_first ? &lane->first : &lane->again;
    if (in_front)
        list_push_front(line, &delivery->link);
    else
        list_push_back(line, &delivery->link);
    if (delivery->is_first)
        lane->first_waiting++;
    else
        lane->again_waiting++;
}

static uint32_t *calling_of(struct lane *lane, const struct delivery *delivery)
{
    return delivery->is_first ? &lane->first_calling : &lane->again_calling;
}

static bool begin(struct lane *lane, struct delivery *delivery)
{
    lane_remove(lane, delivery);
    ++*calling_of(lane, delivery);
    delivery->breaker_opened = lane->breaker.opened;
    if (delivery_begin(delivery)) {
        lane->again_is_next = delivery->is_first;
        return true;
    }
    lane_abandoned(lane, delivery);
    put_in_line(lane, delivery, true);
    pump_in(lane, POOL_PAUSE_MS);
    return false;
}

void lane_pump(struct lane *lane)
{
    struct delivery *delivery;
    while (!lane->courier->draining && (delivery = next(lane)) != NULL) {
        if (now_ms(lane) >= delivery->leased_until_ms) {
            lane_remove(lane, delivery);
            delivery_lose(delivery);
            delivery_free(delivery);
            continue;
        }
        if (delivery_is_too_old(delivery)) {
            lane_remove(lane, delivery);
            delivery_bury(delivery, "max_age");
            continue;
        }
        if (!passes_breaker(lane) || !passes_pace(lane) || !begin(lane, delivery))
            return;
    }
}

void lane_add(struct lane *lane, struct delivery *delivery)
{
    put_in_line(lane, delivery, false);
    lane_pump(lane);
}

void lane_ended(struct lane *lane, const struct delivery *delivery, bool failed)
{
    --*calling_of(lane, delivery);
    lane->attempts++;
    lane->failures += failed;
    breaker_ended(&lane->breaker, &lane->opts->breaker, delivery->breaker_opened, failed,
                  now_ms(lane));
}

void lane_abandoned(struct lane *lane, const struct delivery *delivery)
{
    --*calling_of(lane, delivery);
    breaker_abandoned(&lane->breaker, delivery->breaker_opened);
}

static uint32_t in_memory(const struct lane *lane)
{
    return lane->first_waiting + lane->again_waiting + lane->first_calling + lane->again_calling +
           lane->reserved;
}

static uint32_t places(const struct lane *lane)
{
    return lane->slots + (lane->slots < LANE_BACKLOG ? lane->slots : LANE_BACKLOG);
}

/* One event is enough to find out. */
static bool may_probe(const struct lane *lane)
{
    return in_memory(lane) == 0 && breaker_would_begin(&lane->breaker, now_ms(lane));
}

static bool has_bytes(const struct lane *lane, size_t more)
{
    size_t held = lane->courier->held_bytes;
    return held < COURIER_BYTES && lane->bytes + more < COURIER_BYTES - held;
}

static bool is_held_up(const struct lane *lane)
{
    return lane->courier->writing >= COURIER_WRITING;
}

/* However large it is, one event may be in memory. */
bool lane_can_reserve(const struct lane *lane, size_t body_bytes)
{
    if (is_held_up(lane))
        return false;
    if (lane->breaker.state != BREAKER_CLOSED)
        return may_probe(lane);
    return in_memory(lane) == 0 || (in_memory(lane) < places(lane) && has_bytes(lane, body_bytes));
}

/* Places beside the others: new events take each place that becomes free, and may do so for ever.
 */
static uint32_t room_of_journal(const struct lane *lane)
{
    uint32_t share = lane->slots < FIRST_SHARE ? 1 : lane->slots / FIRST_SHARE;
    return lane->from_journal < share ? share - lane->from_journal : 0;
}

/* New events keep their part of the places. */
uint32_t lane_room(const struct lane *lane)
{
    uint32_t taken = in_memory(lane), limit = places(lane) - kept(lane, FIRST_SHARE);
    uint32_t room = taken < limit ? limit - taken : 0;
    if (is_held_up(lane))
        return 0;
    if (lane->breaker.state != BREAKER_CLOSED)
        return may_probe(lane);
    if (!has_bytes(lane, 0))
        return taken == 0;
    return room > room_of_journal(lane) ? room : room_of_journal(lane);
}
