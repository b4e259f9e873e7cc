/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the PostgreSQL queue can show: a server that is away, frozen, restarted or of another
 * mind, a connection that ends in the middle of an outcome, and gateways that share the rows.
 */
#include "pg_queue.h"
#include "support/queue_rig.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

#define LONG_MS 60000u
#define SHORT_MS 60u

static void open_rig(void)
{
    queue_rig_open(&queue_kind_postgres);
}

TestSuite(queue_postgres_faults, .init = open_rig, .fini = queue_rig_close);
TestSuite(queue_postgres_cold, .init = rig_prepare_postgres, .fini = queue_rig_close);

static struct uuid put_and_take(uint32_t lease_ms)
{
    struct uuid id = queue_put("github");
    cr_assert_eq(take_of(0, "github", 10, lease_ms), 1);
    return id;
}

static void reopen_queues(uint32_t timeout_ms, uint32_t takeover_ms)
{
    queue_rig_close_queues();
    rig.postgres.timeout_ms = timeout_ms;
    rig.postgres.takeover_ms = takeover_ms;
    queue_rig_open_queues();
}

static bool is_up(void)
{
    return qrig.queues[0]->stats.up;
}

static bool is_down(void)
{
    return !qrig.queues[0]->stats.up;
}

/* A session that holds a lock until it is ended. */
static PGconn *hold(const char *sql)
{
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    cr_assert(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

static bool waits_for_lock(void)
{
    return pg_server_number(&rig.server,
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
                            (struct slice){0}) == 1;
}

#define END_SESSIONS                                                                               \
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postern'"

/* ---- the schema ---- */

Test(queue_postgres_cold, the_schema_is_waited_for)
{
    struct uuid owner = queue_owner(0);
    pg_server_run(&rig.server);
    qrig.kind = &queue_kind_postgres;
    qrig.queues[0] = queue_rig_open_postgres(&owner);
    rig_run_until(is_down);
    while (!strstr(qrig.detail, "does not exist"))
        rig_run_for(20);
    struct queue_lease lease = {.event_id = new_id(), .lease_ms = LONG_MS};
    cr_assert_eq(renew_now(0, &lease, 1), STATUS_UNAVAILABLE);
    take_wants(0, &(struct queue_want){SLICE("a"), 1, 1}, 1, SIZE_MAX);
    cr_assert_eq(qrig.take.status, STATUS_UNAVAILABLE);
    cr_assert_eq(qrig.take.next_due_ms, UINT64_MAX);
    rig_open_fronts(1);
    rig_run_until(is_up);
    cr_assert_eq(take_of(0, "a", 1, LONG_MS), 0);
    cr_assert_eq(qrig.ups, 1);
}

Test(queue_postgres_faults, durable_is_durable_where_the_database_says_otherwise)
{
    queue_execute(
        "CREATE TABLE seen (setting text);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN new; END $$;"
        "CREATE TRIGGER note BEFORE UPDATE ON event FOR EACH ROW EXECUTE FUNCTION note();"
        "ALTER DATABASE postgres SET synchronous_commit = off");
    reopen_queues(2000, 0);
    put_and_take(LONG_MS);
    cr_assert_eq(queue_number("SELECT count(*) FROM seen WHERE setting = 'on'"), 1);
    cr_assert_eq(queue_number("SELECT count(*) FROM seen"), 1);
}

/* ---- a connection that ends ---- */

Test(queue_postgres_faults, an_outcome_whose_connection_ends_is_written_once)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    PGconn *holder = hold("BEGIN; LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE");
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish_submit(0, &finish);
    rig_run_until(waits_for_lock);
    queue_execute(END_SESSIONS);
    PQfinish(holder);
    cr_assert_eq(finish_await(&finish), STATUS_OK);
    cr_assert_geq(qrig.queues[0]->stats.errors, 1);
    cr_assert_geq(qrig.downs, 1);
    cr_assert_eq(queue_number("SELECT attempts FROM event"), 1);
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery"), 1);
}

static struct queue_take take;
static bool take_ended;

static void on_event(struct queue_take *self, const struct queue_event *event)
{
    (void)event;
    cr_assert_fail("%p: nothing may be told", (void *)self);
}

static void on_take_ended(struct queue_take *self)
{
    (void)self;
    take_ended = true;
}

static bool has_take_ended(void)
{
    return take_ended;
}

Test(queue_postgres_faults, a_take_whose_connection_ends_tells_nothing)
{
    const struct queue_want want = {SLICE("github"), 1, LONG_MS};
    queue_put("github");
    PGconn *holder = hold("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    take = (struct queue_take){.wants = &want,
                               .want_count = 1,
                               .bytes_max = SIZE_MAX,
                               .event = on_event,
                               .ended = on_take_ended};
    queue_take(qrig.queues[0], &take);
    rig_run_until(waits_for_lock);
    queue_execute(END_SESSIONS);
    PQfinish(holder);
    rig_run_until(has_take_ended);
    cr_assert_eq(take.status, STATUS_UNAVAILABLE);
    rig_run_until(is_up);
    take_some(0, "github", 1, LONG_MS);
}

Test(queue_postgres_faults, a_take_has_four_times_the_patience)
{
    struct queue_want want = {SLICE("github"), 1, LONG_MS};
    queue_put("github");
    reopen_queues(300, 0);
    pg_server_freeze(&rig.server);
    uint64_t from_ms = loop_now_ms(rig.loop);
    take_wants(0, &want, 1, SIZE_MAX);
    cr_assert_eq(qrig.take.status, STATUS_UNAVAILABLE);
    cr_assert_eq(qrig.count, 0);
    cr_assert_geq(loop_now_ms(rig.loop), from_ms + 1200);
    cr_assert_leq(loop_now_ms(rig.loop), from_ms + 5000);
    pg_server_thaw(&rig.server);
}

Test(queue_postgres_faults, outcomes_wait_for_a_server_that_is_restarted)
{
    enum { COUNT = 700 };
    static struct finish finishes[COUNT];
    queue_put_many("github", COUNT);
    cr_assert_eq(take_of(0, "github", COUNT, LONG_MS), COUNT);
    pg_server_stop(&rig.server);
    rig_run_until(is_down);
    for (size_t i = 0; i < COUNT; i++) {
        finish_init(&finishes[i], &qrig.taken[i].event_id, 1, QUEUE_DELIVERED);
        finish_submit(0, &finishes[i]);
    }
    struct queue_lease lease = {.event_id = qrig.taken[0].event_id, .lease_ms = LONG_MS};
    cr_assert_eq(renew_now(0, &lease, 1), STATUS_UNAVAILABLE);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, COUNT);
    pg_server_run(&rig.server);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(finish_await(&finishes[i]), STATUS_OK);
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'delivered'"), COUNT);
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery"), COUNT);
}

Test(queue_postgres_faults, a_frozen_server_is_given_up_in_time)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    reopen_queues(300, 0);
    pg_server_freeze(&rig.server);
    finish_init(&finish, &id, 1, QUEUE_DELIVERED);
    uint64_t from_ms = loop_now_ms(rig.loop);
    finish_submit(0, &finish);
    rig_run_until(is_down);
    cr_assert_geq(loop_now_ms(rig.loop), from_ms + 300);
    cr_assert_leq(loop_now_ms(rig.loop), from_ms + 5000);
    cr_assert_not_null(strstr(qrig.detail, "in time"), "%s", qrig.detail);
    cr_assert_eq(finish.answers, 0);
    pg_server_thaw(&rig.server);
    cr_assert_eq(finish_await(&finish), STATUS_OK);
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery"), 1);
}

/* ---- leases after an absence ---- */

Test(queue_postgres_faults, leases_that_ended_are_left_alone_for_a_while)
{
    struct uuid taken = put_and_take(SHORT_MS), waiting = queue_put("github");
    rig_run_for(2 * SHORT_MS);
    reopen_queues(2000, 1000);
    uint64_t from_ms = loop_now_ms(rig.loop);
    cr_assert_eq(take_of(1, "github", 10, LONG_MS), 1, "what nobody held comes at once");
    cr_assert(was_taken(&waiting));
    cr_assert_eq(upkeep_with(1, NULL, 0)->parked, 0);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0, "its attempt may be under way");
    take_some(1, "github", 10, LONG_MS);
    cr_assert(was_taken(&taken));
    cr_assert_geq(loop_now_ms(rig.loop) + 50, from_ms + 1000);
}

Test(queue_postgres_faults, an_outcome_held_back_comes_before_the_take_that_follows)
{
    struct uuid id = put_and_take(SHORT_MS);
    struct finish finish;
    pg_server_freeze(&rig.server);
    finish_init(&finish, &id, 1, QUEUE_DELIVERED);
    finish_submit(0, &finish);
    rig_run_for(2 * SHORT_MS);
    pg_server_thaw(&rig.server);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_eq(finish_await(&finish), STATUS_OK);
}

static size_t withdrawn;

static void on_withdrawn(void *arg, struct queue_finish *finish)
{
    cr_assert_eq(arg, &withdrawn);
    cr_assert(slice_eq(finish->error, SLICE("status_503")));
    withdrawn++;
}

Test(queue_postgres_faults, outcomes_that_wait_can_be_withdrawn)
{
    enum { COUNT = 600 };
    static struct finish finishes[COUNT];
    reopen_queues(300, 0);
    pg_server_freeze(&rig.server);
    for (size_t i = 0; i < COUNT; i++) {
        struct uuid id = new_id();
        finish_init(&finishes[i], &id, 1, QUEUE_DEAD);
        finish_submit(0, &finishes[i]);
    }
    rig_run_until(is_down);
    pg_queue_withdraw(qrig.queues[0], on_withdrawn, &withdrawn);
    cr_assert_eq(withdrawn, COUNT);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, 0);
    pg_server_thaw(&rig.server);
    rig_run_until(is_up);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(finishes[i].answers, 0);
    put_and_take(LONG_MS);
}

Test(queue_postgres_faults, what_slips_below_a_floor_is_found_by_the_next_whole_look)
{
    uint64_t until_ms = loop_now_ms(rig.loop) + 15000;
    put_and_take(LONG_MS);
    queue_put("github");
    queue_execute("UPDATE event SET next_attempt_at = now() - interval '1 hour'"
                  " WHERE lease_until IS NULL");
    while (take_of(0, "github", 10, LONG_MS) == 0) {
        cr_assert_lt(loop_now_ms(rig.loop), until_ms);
        rig_run_for(50);
    }
    queue_put("github");
    take_some(0, "github", 10, LONG_MS);
}

/* ---- what a statement may meet ---- */

Test(queue_postgres_faults, a_refused_outcome_is_alone)
{
    enum { COUNT = 300 };
    static struct finish finishes[COUNT];
    queue_execute("ALTER TABLE delivery ADD CONSTRAINT no CHECK (duration_ms <> 666)");
    queue_put_many("github", COUNT);
    cr_assert_eq(take_of(0, "github", COUNT, LONG_MS), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        finish_init(&finishes[i], &qrig.taken[i].event_id, 1, QUEUE_DELIVERED);
        if (i % 97 == 5)
            finishes[i].op.duration_ms = 666;
        finish_submit(0, &finishes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(finish_await(&finishes[i]), i % 97 == 5 ? STATUS_REFUSED : STATUS_OK);
    cr_assert_eq(qrig.queues[0]->stats.finished, COUNT - 4);
    cr_assert_eq(qrig.queues[0]->stats.fenced, 0);
    cr_assert_gt(qrig.queues[0]->stats.errors, 0);
    cr_assert_eq(qrig.downs, 0, "the link stays");
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'delivered'"), COUNT - 4);
}

Test(queue_postgres_faults, a_row_that_is_locked_is_not_waited_for)
{
    struct uuid locked = queue_put("github");
    PGconn *holder = hold("BEGIN; SELECT FROM event FOR UPDATE");
    struct uuid other = queue_put("github");
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 1);
    cr_assert(was_taken(&other));
    cr_assert_eq(upkeep_with(1, NULL, 0)->parked, 0);
    PQfinish(holder);
    take_some(0, "github", 10, LONG_MS);
    cr_assert(was_taken(&locked));
}

Test(queue_postgres_faults, a_serialization_failure_goes_again)
{
    struct uuid id = put_and_take(LONG_MS);
    queue_execute(
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tries') < 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001';"
        " END IF; RETURN new; END $$;"
        "CREATE TRIGGER fail BEFORE UPDATE ON event FOR EACH ROW EXECUTE FUNCTION fail_twice()");
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_OK);
    cr_assert_eq(qrig.queues[0]->stats.errors, 2);
    cr_assert_eq(qrig.downs, 0);
}

Test(queue_postgres_faults, a_read_only_server_is_down)
{
    queue_execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    queue_execute(END_SESSIONS);
    rig_run_until(is_down);
    while (!strstr(qrig.detail, "read-only"))
        rig_run_for(20);
    pg_server_execute(&rig.server, "BEGIN READ WRITE; ALTER DATABASE postgres RESET"
                                   " default_transaction_read_only; COMMIT");
    rig_run_until(is_up);
}
