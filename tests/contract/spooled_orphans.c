/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans over PostgreSQL and the spool: the spool's are told whether PostgreSQL is there or not,
 * then those there, and the look back isn't over before. (The suite is run by spooled_queue.c.)
 */
#include "support/spooled_rig.h"

#include <criterion/criterion.h>

TestSuite(spooled_orphans, .init = spooled_rig_open, .fini = spooled_rig_close);

static const struct queue_route route = {.name = {"r", 1}, .max_age_ms = UINT64_MAX};

static struct uuid put(uint32_t lease_ms, enum queue_home home)
{
    struct append append;
    event_init(&append, "r");
    append.record.lease_ms = lease_ms;
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(append.op.home, home);
    return append.record.event_id;
}

static void stop_server(void)
{
    pg_server_stop(&rig.server);
    rig_run_until(spooled_is_away);
}

/* The process ends, and another one begins. */
static void succeed(void)
{
    spooled_close_workers();
    spooled_open_workers(1);
}

Test(spooled_orphans, those_of_the_spool_need_no_postgresql)
{
    struct uuid there = put(1, QUEUE_HOME_JOURNAL);
    stop_server();
    struct uuid here[3];
    for (size_t i = 0; i < 3; i++)
        here[i] = put(i < 2 ? 60000 : 0, QUEUE_HOME_SPOOL);
    succeed();
    rig_run_until(spooled_is_away);
    look_begin(0, &route, 1, 2);
    cr_assert_eq(look_await(), STATUS_OK);
    while (qrig.look_op.more && qrig.look_op.status == STATUS_OK) {
        look_further(0);
        (void)look_await();
    }
    cr_assert_eq(qrig.look_op.status, STATUS_UNAVAILABLE, "the look back isn't over");
    cr_assert_eq(qrig.orphan_count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert(is_orphaned(&here[i]));
    look_further(0);
    cr_assert_eq(look_await(), STATUS_UNAVAILABLE);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_here);
    cr_assert_eq(look_again(0), 4, "goes on where it failed");
    cr_assert(is_orphaned(&there));
}

Test(spooled_orphans, doubtful_ones_are_told_from_the_spool)
{
    stop_server();
    struct uuid id = put(60000, QUEUE_HOME_SPOOL);
    spooled_close_workers();
    spooled_execute("UPDATE event SET doubtful = 1");
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    look_begin(0, &route, 1, 2);
    cr_assert_eq(look_await(), STATUS_OK);
    cr_assert(qrig.orphan_count == 1 && is_orphaned(&id));
}

Test(spooled_orphans, what_is_spooled_later_is_its_own_exchanges)
{
    cr_assert_eq(look_through(0, &route, 1, 10), 0);
    stop_server();
    put(1, QUEUE_HOME_SPOOL);
    rig_run_for(20);
    look_further(0);
    cr_assert_eq(look_await(), STATUS_UNAVAILABLE);
    cr_assert_eq(qrig.orphan_count, 0);
}

static unsigned looks;

static void look_at_key(const struct queue_event *event)
{
    looks++;
    cr_assert(event->has_key);
    cr_assert_arr_eq(event->key.digest, event->event_id.bytes, EVENT_KEY_BYTES, "append_init's");
    cr_assert_eq(event->window_ends_at_ms, event->received_at_ms + 86400000);
}

Test(spooled_orphans, events_of_either_are_taken_with_their_keys)
{
    qrig.look = look_at_key;
    put(0, QUEUE_HOME_JOURNAL);
    cr_assert_eq(take_some(0, "r", 1, 60000), 1);
    stop_server();
    put(0, QUEUE_HOME_SPOOL);
    cr_assert_eq(take_some(0, "r", 1, 60000), 1);
    cr_assert_eq(looks, 2);
}
