/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of queued events: renewed, lost, over, and those that a gateway which died has left.
 */
#include "orphans.h"
#include "queue_moves.h"

Test(queue_lease, an_outcome_under_a_lost_lease_is_refused)
{
    struct sim *sim = open_queue("");
    accept(sim, "event");
    sim_queue_steal(sim, 0);
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(event(sim, 0)->state, SIM_QUEUED, "it is its new owner's");
    cr_assert_eq(sim->queue.base.stats.fenced, 1);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    sim_close(sim);
}

Test(queue_lease, a_lease_is_renewed_while_the_attempt_lasts)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    accept(sim, "event");
    sim_skip(sim, 60000);
    cr_assert_eq(sim->upstream.call_count, 1, "nobody took it over, not even we");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    sim_close(sim);
}

/* The queue is away: leases can't be renewed, so what has not begun must not begin. */
Test(queue_lease, no_attempt_begins_after_the_lease)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    sim->upstream.busy = true; /* the pool has no room: the delivery waits in memory */
    accept(sim, "event");
    sim->queue.mode = SIM_DOWN;
    sim_skip(sim, 10000);
    sim->upstream.busy = false;
    sim_skip(sim, 1000);
    cr_assert_eq(sim->upstream.call_count, 0);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 5000);
    cr_assert_eq(sim->upstream.call_count, 1, "taken again, under a new lease");
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    sim_close(sim);
}

/* Its connection was not there before that. */
Test(queue_lease, an_attempt_that_could_not_begin_in_time_is_left_to_the_journal)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    uint64_t accepted_ms = loop_now_ms(sim->loop);
    accept(sim, "event");
    const struct upstream_call *call = sim->upstream.calls[0];
    cr_assert_eq(call->not_after_ms, accepted_ms + 4000,
                 "the row's lease, two thirds of the claim's");
    sim_skip(sim, 1400);
    cr_assert_gt(call->not_after_ms, accepted_ms + 5000, "renewed at a third");
    sim->queue.mode = SIM_DOWN;
    sim_skip(sim, 6000);
    sim_end(sim, 0, CALL_LAPSED);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    cr_assert_eq(sim->gateway.courier->leases_lost, 1);
    cr_assert_eq(sim->gateway.courier->lanes[0].attempts, 0, "nothing is known of the upstream");
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 6000);
    cr_assert_eq(sim->upstream.call_count, 2);
    cr_assert(strstr(sim->upstream.heads[1], "Postern-Attempt: 1\r\n"));
    sim_answer(sim, 1, 200, "");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    sim_close(sim);
}

/* The call waits in the pool while our link to the journal is away; another owner makes an attempt
 * and fails, and we take the event again: this call has the number of an attempt that was made. */
Test(queue_lease, a_call_of_a_lease_that_ended_does_not_begin_under_the_next_one)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    accept(sim, "event");
    const struct upstream_call *call = sim->upstream.calls[0];
    uint64_t not_after_ms = call->not_after_ms;
    sim->queue.mode = SIM_DOWN;
    sim_skip(sim, 5000);
    sim->queue.events[0].view.attempts = 1;
    sim->queue.events[0].due_ms = loop_now_ms(sim->loop);
    sim_queue_steal(sim, 0);
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 8000);
    cr_assert_gt(event(sim, 0)->due_ms, loop_now_ms(sim->loop), "taken, and renewed since");
    cr_assert_eq(call->not_after_ms, not_after_ms);
    sim_end(sim, 0, CALL_LAPSED);
    sim_skip(sim, 6000);
    cr_assert_eq(sim->upstream.call_count, 2);
    cr_assert(strstr(sim->upstream.heads[1], "Postern-Attempt: 2\r\n"));
    sim_answer(sim, 1, 200, "");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(sim->queue.base.stats.fenced, 0);
    sim_close(sim);
}

Test(queue_lease, a_lost_lease_is_counted_once)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    accept(sim, "event");
    sim_queue_steal(sim, 0);
    sim_skip(sim, 3900);
    cr_assert_eq(sim->gateway.courier->leases_lost, 1, "not at each renewal");
    sim_end(sim, 0, CALL_LAPSED);
    cr_assert_eq(sim->gateway.courier->leases_lost, 1);
    sim_close(sim);
}

/* The claim's answer lay in the socket of a gateway that stood still. */
Test(queue_lease, nothing_is_accepted_under_a_claim_that_may_have_ended)
{
    for (uint64_t late_ms = 5999; late_ms <= 6001; late_ms++) {
        struct sim *sim = open_queue("    lease: 6s\n");
        sim->dedup.mode[SIM_CLAIM] = SIM_LATER;
        struct sim_client *client = sim_post(sim, "event", "");
        sim->loop->clock.mono_us += late_ms * 1000;
        sim->dedup.mode[SIM_CLAIM] = SIM_NOW;
        sim_dedup_flush(sim);
        bool in_time = late_ms < 6000;
        cr_assert_eq(sim_status(client), in_time ? 202 : 503, "%s", client->sent);
        cr_assert_eq(sim_ended(sim, OUTCOME_REJECTED_BUSY), !in_time);
        cr_assert_eq(sim->journal.row_count, in_time);
        sim_client_free(client);
        if (!in_time)
            accept(sim, "event"); /* its retry */
        sim_answer(sim, 0, 200, "");
        sim_close(sim);
    }
}

/* Its lease ended while it waited here; another owner made an attempt and failed, and then it was
 * taken by us again. The number of an attempt is its fence: with the old one the outcome would be
 * refused, and the event delivered twice. */
Test(queue_lease, what_is_taken_again_is_as_the_journal_has_it)
{
    struct sim *sim = open_queue("");
    sim->upstream.busy = true;
    accept(sim, "event");
    cr_assert_eq(sim->gateway.courier->held_count, 1, "it waits for the pool");
    sim->queue.events[0].view.attempts = 1;
    sim->queue.events[0].due_ms = loop_now_ms(sim->loop);
    sim_queue_steal(sim, 0);
    sim_skip(sim, 1500);
    sim->upstream.busy = false;
    sim_skip(sim, 1000);
    cr_assert_eq(sim->upstream.call_count, 1);
    cr_assert(strstr(sim->upstream.heads[0], "Postern-Attempt: 2\r\n"));
    sim_answer(sim, 0, 200, "ok");
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(sim->queue.base.stats.fenced, 0);
    cr_assert_eq(sim->gateway.courier->held_count, 0);
    sim_close(sim);
}

static unsigned emptied;

static void on_emptied(void *arg)
{
    (void)arg;
    emptied++;
}

/* The last thing a drain waits for may be a renewal that fails. */
Test(queue_lease, a_drain_does_not_wait_after_a_failed_renewal)
{
    struct sim *sim = open_queue("    lease: 6s\n");
    accept(sim, "event");
    sim->queue.mode = SIM_LATER;
    while (!sim->queue.renew)
        sim_skip(sim, 100);
    gateway_drain(&sim->gateway, on_emptied, NULL);
    sim_answer(sim, 0, 200, "ok");
    struct queue_renew *renew = sim->queue.renew;
    sim->queue.renew = NULL;
    sim_queue_flush(sim);
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(emptied, 0);
    renew->status = STATUS_UNAVAILABLE;
    renew->ended(renew);
    sim_turn(sim);
    cr_assert_eq(emptied, 1);
    sim->queue.mode = SIM_NOW;
    sim_close(sim);
}

Test(queue_lease, an_outcome_waits_for_the_queue)
{
    struct sim *sim = open_queue("");
    accept(sim, "event");
    sim->queue.mode = SIM_DOWN;
    sim_answer(sim, 0, 200, "ok");
    sim_skip(sim, 60000);
    cr_assert_eq(event(sim, 0)->state, SIM_QUEUED);
    sim->queue.mode = SIM_NOW;
    sim_queue_flush(sim);
    cr_assert_eq(event(sim, 0)->state, SIM_DELIVERED);
    cr_assert_eq(sim->upstream.call_count, 1);
    sim_close(sim);
}

/* ---- orphans ---- */

static unsigned looked_back;

static void on_looked_back(struct gateway *gateway)
{
    (void)gateway;
    looked_back++;
}

/* A gateway died between the commit and the settling: its row is there, its claim is pending, and
 * its lease has ended. */
static void leave_orphan(struct sim *sim, const char *body)
{
    sim->dedup.mode[SIM_SETTLE] = SIM_DOWN;
    accept(sim, body);
    sim_end(sim, sim->upstream.call_count - 1, CALL_CONNECT_FAILED);
    sim->queue.events[0].view.attempts = 0;
    sim->queue.events[0].due_ms = loop_now_ms(sim->loop);
    sim_queue_steal(sim, 0);
    sim->dedup.mode[SIM_SETTLE] = SIM_NOW;
}

static struct sim *open_with_orphan_of(const char *lines, const char *body)
{
    char text[256];
    (void)snprintf(text, sizeof text, "    mode: queue\n    in_flight: conflict\n%s", lines);
    struct sim *sim =
        sim_open(text, "dedup: {store: redis, redis: {url: \"redis://127.0.0.1\"}}\n");
    sim->gateway.looked_back = on_looked_back;
    sim->queue.mode = SIM_DOWN;
    leave_orphan(sim, body);
    cr_assert_eq(status_of(sim, body), 409, "pending, and its owner is gone");
    return sim;
}

static struct sim *open_with_orphan(const char *body)
{
    return open_with_orphan_of("", body);
}

Test(queue_lease, the_claim_of_what_is_taken_over_is_settled)
{
    struct sim *sim = open_with_orphan("event");
    sim->upstream.busy = true;
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 2500);
    cr_assert_eq(status_of(sim, "event"), 200, "a duplicate, before it was delivered");
    cr_assert_geq(sim_tally(sim, TALLY_LATE_SETTLE), 1);
    sim_close(sim);
}

/* An upstream that takes nothing has nothing taken over for it. */
Test(queue_lease, the_claim_of_what_lies_about_is_settled)
{
    struct sim *sim = open_with_orphan("event");
    sim->gateway.courier->lanes[0].breaker =
        (struct breaker){.state = BREAKER_OPEN, .until_ms = UINT64_MAX};
    sim->queue.mode = SIM_NOW;
    cr_assert_eq(looked_back, 0);
    sim_skip(sim, 4000);
    cr_assert_eq(looked_back, 1);
    cr_assert_eq(sim->upstream.call_count, 1);
    cr_assert_eq(status_of(sim, "event"), 200);
    sim_skip(sim, 60000);
    cr_assert_eq(looked_back, 1, "told once");
    sim_close(sim);
}

/* The claim has ended, and the fingerprint with it: who settles brings it along, since else another
 * body would pass for a copy. */
static void check_mismatch_after(void (*prepare)(struct sim *sim))
{
    const char *first = "{\"id\":1,\"amount\":1}", *other = "{\"id\":1,\"amount\":2}";
    struct sim *sim =
        open_with_orphan_of("    key: {json: [id]}\n    fingerprint: payload\n", first);
    sim_skip(sim, 31000);
    prepare(sim);
    sim->queue.mode = SIM_NOW;
    sim_skip(sim, 4000);
    cr_assert_eq(status_of(sim, other), 422);
    cr_assert_eq(status_of(sim, first), 200);
    sim_close(sim);
}

static void let_nothing_be_taken(struct sim *sim)
{
    sim->gateway.courier->lanes[0].breaker =
        (struct breaker){.state = BREAKER_OPEN, .until_ms = UINT64_MAX};
}

static void let_it_be_taken_only(struct sim *sim)
{
    sim->upstream.busy = true;
    orphans_drain(sim->gateway.courier->orphans);
}

Test(queue_lease, the_fingerprint_of_what_lies_about_is_kept)
{
    check_mismatch_after(let_nothing_be_taken);
}

Test(queue_lease, the_fingerprint_of_what_is_taken_over_is_kept)
{
    check_mismatch_after(let_it_be_taken_only);
}
