/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in an upstream's lane: how long, how much of it, who is next, and what counts as an
 * attempt.
 */
#include "queue_moves.h"

#define HOUR_MS UINT64_C(3600000)

static struct lane *lane(const struct sim *sim)
{
    return &sim->gateway.courier->lanes[0];
}

/* Opens the lane's breaker for `ms`. */
static void open_breaker(struct sim *sim, uint64_t ms)
{
    lane(sim)->breaker = (struct breaker){
        .state = BREAKER_OPEN, .until_ms = loop_now_ms(sim->loop) + ms, .cool_down_ms = ms};
}

/* ---- what counts as an attempt ---- */

/* The pool's queue was left without a slot: nothing is known of the upstream. */
Test(queue_lanes, a_probe_that_found_no_slot_proves_nothing)
{
    struct sim *sim = open_queue("");
    open_breaker(sim, 1000);
    sim_skip(sim, 2000);
    accept(sim, "event");
    cr_assert_eq(lane(sim)->breaker.state, BREAKER_HALF_OPEN);
    sim_end(sim, 0, CALL_BUSY);
    cr_assert_neq(lane(sim)->breaker.state, BREAKER_CLOSED);
    cr_assert_eq(lane(sim)->attempts, 0);
    sim_skip(sim, 5000);
    cr_assert_eq(sim->upstream.call_count, 2, "and the probe is given to another");
    sim_answer(sim, 1, 200, "");
    cr_assert_eq(lane(sim)->breaker.state, BREAKER_CLOSED);
    cr_assert_eq(lane(sim)->attempts, 1);
    sim_close(sim);
}

/* Proxied requests have all slots: it waits in line, and is not worn out by trying. */
Test(queue_lanes, waiting_for_the_pool_costs_nothing)
{
    struct sim *sim = open_queue("");
    sim->upstream.busy = true;
    accept(sim, "event");
    sim_skip(sim, 300000);
    cr_assert_eq(sim->gateway.courier->results[QUEUE_RETURNED], 0);
    cr_assert_eq(sim->gateway.courier->held_count, 1);
    sim->upstream.busy = false;
    sim_skip(sim, 100);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_answer(sim, 0, 200, "");
    sim_close(sim);
}

/* ---- how long ---- */

Test(queue_lanes, too_old_while_it_waits_in_memory)
{
    struct sim *sim = open_queue("    retry: {max_age: 1h, base: 1s, cap: 1s}\n");
    sim->upstream.busy = true;
    accept(sim, "event");
    cr_assert_eq(sim->gateway.courier->held_count, 1);
    open_breaker(sim, 2 * HOUR_MS);
    sim->upstream.busy = false;
    sim_skip(sim, 3 * HOUR_MS);
    cr_assert_eq(sim->upstream.call_count, 0, "later than max_age no attempt begins");
    cr_assert_eq(event(sim, 0)->state, SIM_DEAD);
    cr_assert_str_eq(event(sim, 0)->error, "max_age");
    sim_close(sim);
}

/* Its status is known; the rest of the answer is of no use. */
Test(queue_lanes, an_answer_without_an_end_holds_no_slot)
{
    struct sim *sim = open_queue("");
    accept(sim, "event");
    sim_head(sim, 0, 200, -1);
    for (unsigned i = 0; i < 100 && sim->upstream.calls[0]; i++) {
        sim_piece(sim, 0, ".");
        sim_skip(sim, 1000);
    }
    cr_assert(sim->upstream.cancelled[0]);
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    sim_close(sim);
}

/* ---- who is next ---- */

/* An event without a key. */
static void flood(struct sim *sim, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(status_of(sim, "new"), 202);
}

/* Answers every `step`-th call under way. */
static void answer_some(struct sim *sim, size_t step, size_t offset)
{
    for (size_t call = offset % step; call < sim->upstream.call_count; call += step)
        if (sim->upstream.calls[call])
            sim_answer(sim, call, 200, "");
}

/* More new events than the upstream takes, without a pause: the retry of an older one is not put
 * off until that ends. */
Test(queue_lanes, a_flood_of_new_events_leaves_room_for_retries)
{
    struct sim *sim = open_queue("    key: {header: X-Key}\n    retry: {base: 1s, cap: 1s}\n");
    cr_assert_eq(status_of(sim, "older"), 202);
    sim_end(sim, 0, CALL_CONNECT_FAILED);
    flood(sim, 520);
    for (unsigned i = 0; i < 50 && event(sim, 0)->state == SIM_QUEUED; i++) {
        answer_some(sim, 20, i);
        sim_turn(sim);
        flood(sim, 30);
        sim_skip(sim, 500);
    }
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_gt(lane(sim)->first_waiting, 200, "the flood has not ended");
    cr_assert_leq(sim->gateway.courier->held_count, 576);
    for (unsigned round = 0; round < 100; round++) {
        answer_some(sim, 1, 0);
        sim_skip(sim, 1000);
    }
    sim_close(sim);
}

/* ---- how much ---- */

/* A lane that is stuck has no more than is left for the others. */
Test(queue_lanes, one_lane_leaves_memory_for_the_others)
{
    struct sim *sim = open_queue("");
    struct courier *courier = sim->gateway.courier;
    courier->lanes[0].bytes = courier->held_bytes = COURIER_BYTES / 2;
    cr_assert(courier_reserve(courier, 0, 1000), "nothing is in memory: one is always taken");
    cr_assert_not(courier_reserve(courier, 0, 1000));
    cr_assert_eq(lane_room(lane(sim)), 0);
    courier->lanes[0].bytes = 1000 + 1000;
    cr_assert(courier_reserve(courier, 0, 1000), "others have it: there is room for this one");
    cr_assert_gt(lane_room(lane(sim)), 0);
    courier_unreserve(courier, 0, 1000);
    courier_unreserve(courier, 0, 1000);
    cr_assert_eq(courier->held_bytes, COURIER_BYTES / 2);
    courier->lanes[0].bytes = courier->held_bytes = 0;
    sim_close(sim);
}

/* Only the queue is away: each outcome that is not written is a second delivery after a crash. */
Test(queue_lanes, outcomes_that_cannot_be_written_are_bounded)
{
    struct sim *sim = open_queue("    key: {header: X-Key}\n");
    sim->queue.mode = SIM_DOWN;
    for (size_t i = 0; i < 1200; i++) {
        size_t calls = sim->upstream.call_count;
        flood(sim, 1);
        if (sim->upstream.call_count > calls)
            sim_answer(sim, calls, 200, "");
    }
    cr_assert_eq(sim->gateway.courier->writing, COURIER_WRITING);
    cr_assert_eq(sim->upstream.call_count, COURIER_WRITING);
    sim->queue.mode = SIM_NOW;
    sim_queue_flush(sim);
    for (unsigned round = 0; round < 20; round++) {
        sim_skip(sim, 2000);
        answer_some(sim, 1, 0);
    }
    for (size_t i = 0; i < 1200; i++)
        cr_assert_eq(event(sim, i)->state, SIM_DELIVERED);
    sim_close(sim);
}

/* ---- the end ---- */

Test(queue_lanes, the_end_of_a_drain_waits_for_no_answer)
{
    struct sim *sim = open_queue("");
    accept(sim, "has its head");
    accept(sim, "has none");
    sim_head(sim, 0, 200, -1);
    gateway_drain(&sim->gateway, NULL, NULL);
    gateway_cut(&sim->gateway);
    sim_turn(sim);
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_not(sim->upstream.cancelled[1], "its time-out ends it, as long as there is time");
    gateway_abandon(&sim->gateway);
    sim_turn(sim);
    cr_assert(sim->upstream.cancelled[1]);
    cr_assert_eq(event(sim, 1)->state, SIM_QUEUED);
    cr_assert_eq(event(sim, 1)->attempt_rows, 1);
    cr_assert(courier_is_empty(sim->gateway.courier));
    sim_close(sim);
}
