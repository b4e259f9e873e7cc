/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract on PostgreSQL: orphans; and what only PostgreSQL can show: how far back the
 * look from the start goes, leases that end while it looks, and a server that is away.
 */
#include "support/queue_rig.h"
#include "support/queue_suite.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

static void open_rig(void)
{
    queue_rig_open(&queue_kind_postgres);
}

TestSuite(queue_postgres_orphans, .init = open_rig, .fini = queue_rig_close);

#define SUITE_TEST(name)                                                                           \
    Test(queue_postgres_orphans, name)                                                             \
    {                                                                                              \
        queue_suite_##name();                                                                      \
    }
QUEUE_SUITE_ORPHANS(SUITE_TEST)

static const struct queue_route routes[] = {{.name = {"a", 1}}, {.name = {"b", 1}}};

/* Its lease ended that long ago. */
static struct uuid put_ended(const char *route, const char *ago)
{
    char sql[256];
    struct uuid id = queue_put_leased(route, 60000);
    snprintf(sql, sizeof sql,
             "UPDATE event SET lease_until = now() - interval '%s',"
             " next_attempt_at = now() - interval '%s' WHERE lease_until > now()",
             ago, ago);
    queue_execute(sql);
    return id;
}

Test(queue_postgres_orphans, the_start_is_a_minute_before_the_newest_ended_lease)
{
    struct uuid newest = put_ended("a", "3600 s"), near = put_ended("b", "3650 s");
    struct uuid far = put_ended("b", "3670 s");
    queue_put("a");
    queue_put_leased("a", 60000);
    cr_assert_eq(look_through(0, routes, 2, 10), 2, "what has no lease, or still has it, is none");
    cr_assert(is_orphaned(&newest) && is_orphaned(&near) && !is_orphaned(&far));
    cr_assert(uuid_eq(&qrig.orphans[0].orphan.event_id, &near), "in order");
}

/* What waits to be tried again lies in front of the leases that ended long ago. */
Test(queue_postgres_orphans, the_start_is_found_behind_retries)
{
    struct uuid id = put_ended("a", "3600 s");
    queue_put_many("a", 3000);
    queue_execute("UPDATE event SET attempts = 1 WHERE lease_until IS NULL");
    cr_assert_eq(look_through(0, routes, 2, 10), 1);
    cr_assert(is_orphaned(&id));
}

Test(queue_postgres_orphans, one_whose_lease_ends_later_is_told_then)
{
    struct uuid first = put_ended("a", "1 s");
    cr_assert_eq(look_through(0, routes, 2, 10), 1);
    struct uuid second = queue_put_leased("b", 60000);
    cr_assert_eq(look_again(0), 1);
    queue_execute("UPDATE event SET lease_until = now(), next_attempt_at = now()"
                  " WHERE lease_until > now()");
    cr_assert_eq(look_again(0), 2);
    cr_assert(is_orphaned(&first) && is_orphaned(&second));
    cr_assert_eq(look_again(0), 2);
}

Test(queue_postgres_orphans, one_is_found_from_an_empty_start)
{
    cr_assert_eq(look_through(0, routes, 2, 10), 0);
    struct uuid id = queue_put_leased("b", 1);
    queue_bereave();
    cr_assert_eq(look_again(0), 1);
    cr_assert(is_orphaned(&id));
}

/* Within the same millisecond, ids in the other order than times. */
Test(queue_postgres_orphans, pages_end_between_two_microseconds)
{
    struct uuid ids[3];
    for (size_t i = 0; i < 3; i++)
        ids[i] = queue_put_leased("a", 60000);
    queue_execute("UPDATE event SET lease_until = t, next_attempt_at = t FROM"
                  " (SELECT id AS which, date_trunc('milliseconds', now()) - interval '1 s'"
                  " - row_number() OVER (ORDER BY id) * interval '1 microsecond' AS t FROM event)"
                  " AS times WHERE id = which");
    cr_assert_eq(look_through(0, routes, 2, 1), 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert(uuid_eq(&qrig.orphans[i].orphan.event_id, &ids[2 - i]), "%zu", i);
}

/* ---- a server that is away ---- */

static bool is_down(void)
{
    return !qrig.queues[0]->stats.up;
}

static bool is_up(void)
{
    return qrig.queues[0]->stats.up;
}

Test(queue_postgres_orphans, a_look_is_answered_while_the_server_is_away)
{
    struct uuid id = put_ended("a", "1 s");
    pg_server_stop(&rig.server);
    rig_run_until(is_down);
    look_begin(0, routes, 2, 10);
    cr_assert_eq(look_await(), STATUS_UNAVAILABLE);
    pg_server_run(&rig.server);
    rig_run_until(is_up);
    cr_assert_eq(look_through(0, routes, 2, 10), 1);
    cr_assert(is_orphaned(&id));
}

/* A session that holds up everybody else's until it is ended. */
static PGconn *hold(void)
{
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, "BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

static bool waits_for_lock(void)
{
    return pg_server_number(&rig.server,
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
                            (struct slice){0}) == 1;
}

Test(queue_postgres_orphans, a_page_under_way_ends_with_the_link)
{
    put_ended("a", "1 s");
    cr_assert_eq(look_through(0, routes, 2, 10), 1);
    put_ended("a", "500 ms");
    PGconn *holder = hold();
    look_further(0);
    rig_run_until(waits_for_lock);
    queue_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE application_name = 'postern'");
    cr_assert_eq(look_await(), STATUS_UNAVAILABLE);
    cr_assert_eq(qrig.orphan_count, 1, "nothing was told");
    PQfinish(holder);
    rig_run_until(is_up);
    cr_assert_eq(look_again(0), 2, "the same page again");
}
