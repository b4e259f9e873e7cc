/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract: keeping leases, the upkeep's rounds, and the end.
 */
#include "queue_rig.h"
#include "queue_suite.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define LONG_MS 60000u
#define SHORT_MS 60u
#define HOUR_MS 3600000u

/* ---- leases ---- */

QUEUE_CASE(a_renewed_lease_holds)
{
    struct uuid id = queue_put("github");
    cr_assert_eq(take_of(0, "github", 1, 500), 1);
    cr_assert(renew_one(0, &id, LONG_MS));
    rig_run_for(600);
    cr_assert_eq(take_of(1, "github", 1, LONG_MS), 0);
    cr_assert_gt(qrig.take.next_due_ms, LONG_MS / 2);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_OK);
}

QUEUE_CASE(a_lease_that_is_not_ours_is_lost)
{
    struct uuid mine = queue_put("mine"), others = queue_put("others"), nobodys = queue_put("none"),
                over = queue_put("over"), given_up = queue_put("up");
    const struct queue_want wants[] = {
        {SLICE("mine"), 1, LONG_MS}, {SLICE("over"), 1, LONG_MS}, {SLICE("up"), 1, LONG_MS}};
    take_wants(0, wants, 3, SIZE_MAX);
    cr_assert_eq(qrig.count, 3);
    cr_assert_eq(take_of(1, "others", 1, LONG_MS), 1);
    cr_assert_eq(end_attempt(0, &over, 1, QUEUE_DELIVERED), STATUS_OK);
    cr_assert_eq(end_attempt(0, &given_up, 1, QUEUE_RETURNED), STATUS_OK);
    struct queue_lease leases[] = {
        {.event_id = others, .lease_ms = LONG_MS},   {.event_id = mine, .lease_ms = LONG_MS},
        {.event_id = nobodys, .lease_ms = LONG_MS},  {.event_id = over, .lease_ms = LONG_MS},
        {.event_id = given_up, .lease_ms = LONG_MS}, {.event_id = new_id(), .lease_ms = LONG_MS}};
    cr_assert_eq(renew_now(0, leases, 6), STATUS_OK);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(leases[i].lost, i != 1, "%zu", i);
    cr_assert_eq(qrig.queues[0]->stats.leases_lost, 5);
}

QUEUE_CASE(an_ended_lease_nobody_took_is_still_ours)
{
    struct uuid id = queue_put("github");
    cr_assert_eq(take_of(0, "github", 1, SHORT_MS), 1);
    rig_run_for(2 * SHORT_MS);
    cr_assert(renew_one(0, &id, LONG_MS));
    cr_assert_eq(take_of(1, "github", 1, LONG_MS), 0);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_OK);
}

/* ---- upkeep ---- */

static const struct queue_route both[] = {{{"a", 1}, HOUR_MS}, {{"b", 1}, HOUR_MS}};

QUEUE_CASE(events_of_a_lost_route_are_parked_until_it_is_back)
{
    queue_put_many("a", 2);
    queue_put_many("b", 3);
    queue_put_many("c", 1);
    const struct queue_upkeep *upkeep = upkeep_with(0, both, 1);
    cr_assert_eq(upkeep->parked, 4);
    cr_assert_eq(upkeep->parked_now, 4);
    cr_assert_eq(upkeep->queued_now, 2);
    cr_assert_not(upkeep->more);
    cr_assert_eq(take_of(0, "b", 10, LONG_MS), 0);
    cr_assert_eq(take_of(0, "a", 10, LONG_MS), 2);
    upkeep = upkeep_with(0, both, 2);
    cr_assert_eq(upkeep->parked + upkeep->expired, 0);
    cr_assert_eq(upkeep->unparked, 3);
    cr_assert_eq(upkeep->parked_now, 1);
    cr_assert_eq(take_of(1, "b", 10, LONG_MS), 3, "due at once");
    cr_assert_eq(upkeep_with(0, both, 0)->unparked, 0);
}

QUEUE_CASE(the_upkeep_leaves_leases_alone)
{
    struct uuid id = queue_put("gone");
    const struct queue_route hasty = {SLICE("gone"), 1};
    cr_assert_eq(take_of(0, "gone", 1, LONG_MS), 1);
    rig_run_for(10);
    cr_assert_eq(upkeep_with(1, both, 2)->parked, 0);
    cr_assert_eq(upkeep_with(0, &hasty, 1)->expired, 0);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_RETRY), STATUS_OK);
    cr_assert_eq(upkeep_with(1, both, 2)->parked, 1);
}

static void put_old(const char *route, uint64_t age_ms)
{
    struct append append;
    event_init(&append, route);
    append.record.received_at_ms = rig.loop->clock.wall_ms - age_ms;
    append.record.event_id = id_at(append.record.received_at_ms);
    cr_assert_eq(append_now(&append), STATUS_OK);
}

QUEUE_CASE(what_waits_too_long_is_dead)
{
    put_old("a", HOUR_MS + 1000);
    put_old("a", HOUR_MS - 60000);
    put_old("b", 50 * (uint64_t)HOUR_MS);
    queue_put("b");
    const struct queue_upkeep *upkeep = upkeep_with(0, both, 2);
    cr_assert_eq(upkeep->expired, 2);
    cr_assert_eq(upkeep->dead_now, 2);
    cr_assert_eq(upkeep->queued_now, 2);
    cr_assert_eq(upkeep_with(0, both, 2)->expired, 0);
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'dead' AND attempts = 0"
                              " AND last_error = 'max_age' AND error_category IS NOT NULL"
                              " AND next_attempt_at IS NULL"),
                 2);
}

QUEUE_CASE(a_replay_begins_the_wait_anew)
{
    put_old("a", 50 * (uint64_t)HOUR_MS);
    queue_execute(rig.is_sqlite ? "UPDATE event SET last_replayed_at = received_at + 178200000"
                                : "UPDATE event SET last_replayed_at ="
                                  " received_at + interval '49 hours 30 minutes'");
    cr_assert_eq(upkeep_with(0, both, 1)->expired, 0);
    queue_execute(rig.is_sqlite ? "UPDATE event SET last_replayed_at = received_at + 172800000"
                                : "UPDATE event SET last_replayed_at ="
                                  " received_at + interval '48 hours'");
    cr_assert_eq(upkeep_with(0, both, 1)->expired, 1);
}

QUEUE_CASE(a_round_is_bounded_and_asks_for_more)
{
    enum { COUNT = 9000 };
    uint64_t parked = 0, rounds = 0;
    queue_put_many("gone", COUNT);
    for (bool more = true; more; rounds++) {
        const struct queue_upkeep *upkeep = upkeep_with(0, both, 2);
        parked += upkeep->parked;
        more = upkeep->more;
        cr_assert_lt(rounds, 100);
    }
    cr_assert_eq(parked, COUNT);
    cr_assert_gt(rounds, 1);
}

QUEUE_CASE(the_states_are_counted)
{
    const struct queue_upkeep *upkeep = upkeep_with(0, both, 2);
    cr_assert_eq(upkeep->queued_now + upkeep->dead_now + upkeep->parked_now, 0);
    cr_assert_eq(upkeep->oldest_due_ms, 0);
    queue_put_many("a", 3);
    cr_assert_eq(take_of(0, "a", 2, LONG_MS), 2);
    cr_assert_eq(end_attempt(0, &qrig.taken[0].event_id, 1, QUEUE_DELIVERED), STATUS_OK);
    cr_assert_eq(end_attempt(0, &qrig.taken[1].event_id, 1, QUEUE_DEAD), STATUS_OK);
    rig_run_for(50);
    upkeep = upkeep_with(0, both, 2);
    cr_assert_eq(upkeep->queued_now, 1);
    cr_assert_eq(upkeep->dead_now, 1);
    cr_assert_eq(upkeep->parked_now, 0);
    cr_assert_geq(upkeep->oldest_due_ms, 40);
    cr_assert_leq(upkeep->oldest_due_ms, 10000);
}

/* ---- the end ---- */

static unsigned renew_ends, upkeep_ends;

static void on_renew_ended(struct queue_renew *renew)
{
    (void)renew;
    renew_ends++;
}

static void on_upkeep_ended(struct queue_upkeep *upkeep)
{
    (void)upkeep;
    upkeep_ends++;
}

static void ignore_event(struct queue_take *take, const struct queue_event *event)
{
    (void)take;
    (void)event;
}

static unsigned take_ends;

static void on_take_ended(struct queue_take *take)
{
    (void)take;
    take_ends++;
}

QUEUE_CASE(closing_answers_what_is_pending)
{
    const struct queue_want want = {SLICE("a"), 1, LONG_MS};
    struct uuid id = queue_put("a");
    cr_assert_eq(take_of(0, "a", 1, LONG_MS), 1);
    struct finish finish;
    struct queue_lease lease = {.event_id = id, .lease_ms = LONG_MS};
    struct queue_take take = {.wants = &want,
                              .want_count = 1,
                              .bytes_max = SIZE_MAX,
                              .event = ignore_event,
                              .ended = on_take_ended};
    struct queue_renew renew = {.leases = &lease, .count = 1, .ended = on_renew_ended};
    struct queue_upkeep upkeep = {.routes = both, .route_count = 2, .ended = on_upkeep_ended};
    finish_init(&finish, &id, 1, QUEUE_DELIVERED);
    finish_submit(0, &finish);
    queue_take(qrig.queues[0], &take);
    queue_renew(qrig.queues[0], &renew);
    queue_upkeep(qrig.queues[0], &upkeep);
    queue_rig_close_queues();
    cr_assert_eq(finish.answers, 1);
    cr_assert(finish.op.status_of_write == STATUS_UNAVAILABLE ||
              finish.op.status_of_write == STATUS_OK);
    cr_assert_eq(take_ends, 1);
    cr_assert_eq(renew_ends, 1);
    cr_assert_eq(upkeep_ends, 1);
    bool is_delivered = queue_number("SELECT count(*) FROM event WHERE state = 'delivered'") == 1;
    cr_assert(is_delivered || finish.op.status_of_write == STATUS_UNAVAILABLE);
}

QUEUE_CASE(closing_right_after_opening)
{
    queue_rig_close_queues();
    queue_rig_open_queues();
    queue_rig_close_queues();
}
