/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue over PostgreSQL and the spool: the queue's contract while PostgreSQL is there (the
 * suite), delivery from the spool while it isn't, and outcomes that are owed.
 */
#include "support/queue_suite.h"
#include "support/spooled_rig.h"

#include <criterion/criterion.h>

/* ---- the suite, on the queue's half alone: the rig has a journal of its own ---- */

static void ignore_change(void *arg, bool up, struct slice detail)
{
    (void)arg;
    (void)up;
    (void)detail;
}

static void ignore_closed(void *arg)
{
    (void)arg;
}

static struct queue *there_queues[RIG_QUEUES];
static size_t queues_open;

static bool are_queues_up(void)
{
    for (size_t i = 0; i < queues_open; i++)
        if (!there_queues[i]->stats.up)
            return false;
    return true;
}

static struct queue *open_queue(const struct uuid *owner)
{
    struct pg_listener listener = {.changed = ignore_change};
    struct pg_opts opts = rig.postgres;
    struct journal *journal;
    struct queue *queue;
    char error[256];
    opts.owner = *owner;
    if (!spooled.store)
        cr_assert_eq(sqlite_store_open(&spooled.spool, NULL, &spooled.store, error), STATUS_OK);
    struct spooled_opts both = {.store = spooled.store, .owner = *owner};
    cr_assert_eq(journal_postgres_open(rig.loop, &opts, listener, &both.journal), STATUS_OK);
    both.queue = queue_rig_open_postgres(owner);
    cr_assert_eq(spooled_open(rig.loop, &both, &journal, &queue), STATUS_OK);
    journal->backend->close(journal, ignore_closed, NULL);
    there_queues[queues_open++ % RIG_QUEUES] = both.queue;
    if (queues_open == RIG_QUEUES) {
        rig_run_until(are_queues_up);
        queues_open = 0;
    }
    return queue;
}

static void open_journal(void)
{
    spooled_rig_prepare();
    pg_server_run(&rig.server);
    rig.postgres.owner = queue_owner(0);
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
}

static const struct queue_kind kind = {.open_journal = open_journal, .open_queue = open_queue};

static void open_suite(void)
{
    queue_rig_open(&kind);
}

static void close_suite(void)
{
    pg_server_remove(&rig.server);
    queue_rig_close_queues();
    rig_run_for(10); /* the journals' halves */
    rig_close_fronts();
    spooled_rig_close();
}

TestSuite(spooled_suite, .init = open_suite, .fini = close_suite);

#define SUITE_TEST(name)                                                                           \
    Test(spooled_suite, name)                                                                      \
    {                                                                                              \
        queue_suite_##name();                                                                      \
    }
QUEUE_SUITE(SUITE_TEST)

/* ---- away ---- */

TestSuite(spooled_queue, .init = spooled_rig_open, .fini = spooled_rig_close);
TestSuite(spooled_queue_cold, .init = spooled_rig_prepare, .fini = spooled_rig_close);

static enum queue_home home;

static void note_home(const struct queue_event *event)
{
    home = event->home;
}

static struct uuid put(uint32_t lease_ms)
{
    struct append append;
    event_init(&append, "r");
    append.record.lease_ms = lease_ms;
    cr_assert_eq(append_now(&append), STATUS_OK);
    home = append.op.home;
    return append.record.event_id;
}

static enum status end_at_home(const struct uuid *id, uint32_t attempt, enum queue_result result)
{
    struct finish finish;
    finish_init(&finish, id, attempt, result);
    finish.op.home = home;
    finish.op.response = SLICE("said");
    return finish_now(0, &finish);
}

static void stop_server(void)
{
    pg_server_stop(&rig.server);
    rig_run_until(spooled_is_away);
}

static void start_server(void)
{
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
}

/* One event, delivered with one attempt. */
static void check_delivered(void)
{
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'delivered'"
                               " AND attempts = 1 AND response_status = 200"
                               " AND next_attempt_at IS NULL AND lease_until IS NULL"),
                 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM delivery WHERE attempt = 1 AND status = 200"
                               " AND error IS NULL AND response = 'said' AND duration_ms = 12"),
                 1);
    cr_assert_eq(take_of(0, "r", 10, 60000), 0);
}

Test(spooled_queue_cold, spooled_events_are_delivered_while_postgresql_is_away)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    struct uuid id = put(0);
    qrig.look = note_home;
    cr_assert_eq(take_some(0, "r", 10, 60000), 1);
    cr_assert(was_taken(&id) && home == QUEUE_HOME_SPOOL);
    cr_assert_eq(end_at_home(&id, 1, QUEUE_DELIVERED), STATUS_OK);
    start_server();
    check_delivered();
}

Test(spooled_queue_cold, an_attempt_from_memory_needs_no_take)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    struct uuid id = put(60000);
    cr_assert_eq(take_of(0, "r", 10, 60000), 0);
    cr_assert_eq(end_at_home(&id, 1, QUEUE_DELIVERED), STATUS_OK);
    start_server();
    check_delivered();
}

Test(spooled_queue_cold, a_failed_attempt_goes_on_in_postgresql)
{
    struct finish finish;
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    struct uuid id = put(60000);
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish.op.home = home;
    finish.op.retry_in_ms = 3600000;
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    start_server();
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 1"
                               " AND last_error = 'status_503' AND error_category = 'transient'"
                               " AND next_attempt_at BETWEEN now() + interval '59 minutes'"
                               " AND now() + interval '60 minutes' AND lease_until IS NULL"),
                 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM delivery WHERE attempt = 1"), 1);
    pg_server_execute(&rig.server, "UPDATE event SET next_attempt_at = now()");
    cr_assert_eq(take_some(0, "r", 10, 60000), 1);
    cr_assert_eq(qrig.taken[0].attempts, 1);
}

static bool is_there(void)
{
    return spooled_there("SELECT count(*) FROM event WHERE state = 'delivered'") == 1;
}

Test(spooled_queue_cold, what_is_attempted_is_not_drained_before_its_outcome)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    struct uuid held = put(60000);
    put(0);
    pg_server_run(&rig.server);
    while (spooled_stats()->rows != 1)
        rig_run_for(10);
    rig_run_for(300);
    cr_assert_eq(spooled_stats()->rows, 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 1);
    home = QUEUE_HOME_SPOOL;
    struct queue_lease lease = {.event_id = held, .home = QUEUE_HOME_SPOOL, .lease_ms = 60000};
    cr_assert_eq(renew_now(0, &lease, 1), STATUS_OK);
    cr_assert_not(lease.lost);
    cr_assert_eq(end_at_home(&held, 1, QUEUE_DELIVERED), STATUS_OK);
    rig_run_until(is_there);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 2);
}

/* ---- owed outcomes ---- */

static bool is_delivered(void)
{
    return spooled_there("SELECT count(*) FROM event WHERE state = 'delivered'") == 1;
}

static void take_from_postgresql(void)
{
    qrig.look = note_home;
    rig_run_for(30);
    cr_assert_eq(take_some(0, "r", 10, 60000), 1);
    cr_assert_eq(home, QUEUE_HOME_JOURNAL);
}

Test(spooled_queue, an_outcome_that_postgresql_cannot_be_told_is_owed)
{
    struct uuid id = put(0);
    take_from_postgresql();
    stop_server();
    cr_assert_eq(end_at_home(&id, 1, QUEUE_DELIVERED), STATUS_OK);
    spooled_close_workers();
    cr_assert_eq(spooled_number("SELECT count(*) FROM owed"), 1);
    pg_server_run(&rig.server);
    spooled_open_workers(1);
    rig_run_until(is_delivered);
    check_delivered();
}

/* PostgreSQL may have got it, and never says so. */
static void end_while_frozen(enum queue_result result)
{
    struct uuid id = put(0);
    take_from_postgresql();
    pg_server_freeze(&rig.server);
    cr_assert_eq(end_at_home(&id, 1, result), STATUS_OK);
}

Test(spooled_queue, one_that_was_on_its_way_is_owed_as_well)
{
    end_while_frozen(QUEUE_DELIVERED);
    pg_server_thaw(&rig.server);
    rig_run_until(is_delivered);
    check_delivered();
}

/* It may be given back already, and the event taken anew by the same owner. */
Test(spooled_queue, a_lease_given_back_is_not_told_again)
{
    end_while_frozen(QUEUE_RETURNED);
    spooled_close_workers();
    pg_server_thaw(&rig.server);
    cr_assert_eq(spooled_number("SELECT count(*) FROM owed"), 0);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued'"), 1);
}

Test(spooled_queue, an_owed_outcome_of_a_lost_lease_is_fenced)
{
    struct uuid id = put(0);
    take_from_postgresql();
    stop_server();
    cr_assert_eq(end_at_home(&id, 1, QUEUE_DELIVERED), STATUS_OK);
    spooled_close_workers();
    pg_server_run(&rig.server);
    pg_server_execute(&rig.server, "UPDATE event SET lease_owner = gen_random_uuid()");
    spooled_open_workers(1);
    while (spooled.workers[0].queue->stats.fenced == 0) {
        take_of(0, "none", 1, 1000);
        rig_run_for(10);
    }
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued'"), 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM delivery"), 1, "the attempt was made");
}

Test(spooled_queue, kinds_of_owed_outcomes)
{
    static const enum queue_result results[] = {QUEUE_DELIVERED, QUEUE_RETRY, QUEUE_DEAD,
                                                QUEUE_RETURNED};
    struct uuid ids[4];
    for (size_t i = 0; i < 4; i++)
        ids[i] = put(60000);
    stop_server();
    home = QUEUE_HOME_JOURNAL;
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(end_at_home(&ids[i], 1, results[i]), STATUS_OK);
    pg_server_run(&rig.server);
    rig_run_until(is_delivered);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'dead' AND attempts = 1"
                               " AND last_error = 'status_503' AND next_attempt_at IS NULL"
                               " AND response_status = 503 AND duration_ms = 12"),
                 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 1"
                               " AND next_attempt_at <= now() AND lease_until IS NULL"
                               " AND response_status = 503 AND duration_ms = 12"),
                 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0"
                               " AND next_attempt_at <= now() AND last_error IS NULL"
                               " AND response_status IS DISTINCT FROM 503"),
                 1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM delivery"), 3);
}

/* ---- leases ---- */

static bool is_queue_there(void)
{
    return spooled.workers[0].there_queue->stats.up;
}

Test(spooled_queue, leases_of_both_homes_are_renewed)
{
    struct queue_lease leases[3] = {{.home = QUEUE_HOME_SPOOL, .lease_ms = 60000},
                                    {.home = QUEUE_HOME_JOURNAL, .lease_ms = 60000},
                                    {.home = QUEUE_HOME_JOURNAL, .lease_ms = 60000}};
    leases[1].event_id = put(60000);
    leases[2].event_id = new_id();
    stop_server();
    leases[0].event_id = put(60000);
    cr_assert_eq(home, QUEUE_HOME_SPOOL);
    cr_assert_eq(renew_now(0, leases, 3), STATUS_OK);
    cr_assert_not(leases[0].lost);
    cr_assert(!leases[0].unanswered && leases[1].unanswered && !leases[1].lost);
    pg_server_run(&rig.server);
    rig_run_until(is_queue_there);
    cr_assert_eq(renew_now(0, leases, 3), STATUS_OK);
    cr_assert(!leases[0].lost && !leases[1].lost && leases[2].lost);
    cr_assert(!leases[0].unanswered && !leases[1].unanswered && !leases[2].unanswered);
    cr_assert_eq(spooled.workers[0].queue->stats.leases_lost, 1);
}

Test(spooled_queue, renewing_nothing_is_answered)
{
    cr_assert_eq(renew_now(0, NULL, 0), STATUS_OK);
}

/* ---- doubt ---- */

Test(spooled_queue_cold, what_may_be_in_postgresql_is_not_taken_from_the_spool)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    struct uuid id = put(0);
    spooled_close_workers();
    spooled_execute("UPDATE event SET doubtful = 1");
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    cr_assert_eq(take_of(0, "r", 10, 60000), 0);
    start_server();
    cr_assert_eq(take_some(0, "r", 10, 60000), 1);
    cr_assert(was_taken(&id));
}
