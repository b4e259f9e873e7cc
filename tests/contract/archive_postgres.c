/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the PostgreSQL archive can show: a server that is away, frozen, slow, without a schema
 * or read-only, leases whose owner may be alive, and rows that somebody else holds.
 */
#include "support/archive_rig.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

TestSuite(archive_postgres, .init = archive_rig_open_postgres, .fini = archive_rig_close);
TestSuite(archive_postgres_cold, .init = rig_prepare_postgres, .fini = archive_rig_close);

static struct finding finding;
static struct showing showing;
static struct changing changing;

/* A session that holds something until it is ended. */
static PGconn *hold(const char *sql)
{
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, sql);
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

/* Opens the archive anew with other options. */
static void reopen(uint32_t timeout_ms, uint32_t takeover_ms)
{
    archive_close();
    rig.postgres.timeout_ms = timeout_ms;
    rig.postgres.takeover_ms = takeover_ms;
    archive_open();
    rig_run_until(archive_is_up);
}

static enum status find_once(void)
{
    finding.find.limit = 10;
    find_submit(&finding);
    return find_await(&finding);
}

static enum status change_once(enum archive_verb verb)
{
    changing.change =
        (struct archive_change){.verb = verb, .limit = CHANGING_IDS, .per_second = 1000};
    change_submit(&changing);
    return change_await(&changing);
}

/* ---- away ---- */

Test(archive_postgres, a_server_that_stops_and_comes_back)
{
    put_event("a", "dead");
    pg_server_stop(&rig.server);
    rig_run_until(archive_is_down);
    cr_assert_eq(find_once(), STATUS_UNAVAILABLE);
    cr_assert_eq(change_once(ARCHIVE_CANCEL), STATUS_UNAVAILABLE);
    show_submit(&showing, &(struct uuid){{0}});
    cr_assert_eq(show_await(&showing), STATUS_UNAVAILABLE);
    pg_server_run(&rig.server);
    rig_run_until(archive_is_up);
    cr_assert(archive_rig.up);
    cr_assert_eq(find_once(), STATUS_OK);
    cr_assert_eq(finding.count, 1);
}

Test(archive_postgres_cold, a_schema_that_comes_later)
{
    arena_init(&archive_rig.texts, 65536, (size_t)1 << 30);
    pg_server_run(&rig.server);
    archive_open();
    finding.find.limit = 10;
    find_submit(&finding); /* waits for the first news of the link */
    cr_assert_eq(find_await(&finding), STATUS_UNAVAILABLE);
    cr_assert_not_null(strstr(archive_rig.detail, "event"), "%s", archive_rig.detail);
    cr_assert_eq(archive_rig.told, 1);
    rig_open_fronts(1);
    rig_run_until(archive_is_up);
    cr_assert_eq(find_once(), STATUS_OK);
}

Test(archive_postgres_cold, an_op_waits_for_the_first_connection)
{
    struct pg_server *server = &rig.server;
    arena_init(&archive_rig.texts, 65536, (size_t)1 << 30);
    pg_server_run(server);
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
    archive_open();
    cr_assert_eq(find_once(), STATUS_OK);
}

Test(archive_postgres, an_url_that_cannot_be_read)
{
    struct archive *archive = NULL;
    struct pg_opts opts = rig.postgres;
    opts.url = SLICE("postgresql://[");
    cr_assert_eq(archive_postgres_open(rig.loop, &opts, (struct pg_listener){0}, &archive),
                 STATUS_INVALID);
    cr_assert_null(archive);
}

Test(archive_postgres, a_frozen_server)
{
    reopen(100, 0);
    pg_server_freeze(&rig.server);
    cr_assert_eq(find_once(), STATUS_UNAVAILABLE);
    cr_assert_eq(find_once(), STATUS_UNAVAILABLE, "at once, now");
    pg_server_thaw(&rig.server);
    rig_run_until(archive_is_up);
    cr_assert_eq(find_once(), STATUS_OK);
}

Test(archive_postgres, a_link_that_is_cut)
{
    put_event("a", "dead");
    PGconn *conn = hold("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    changing.change =
        (struct archive_change){.verb = ARCHIVE_REPLAY_NEW, .limit = 1, .per_second = 1};
    change_submit(&changing);
    find_submit((finding.find.limit = 1, &finding));
    rig_run_for(50);
    pg_server_execute(&rig.server, "SELECT pg_terminate_backend(pid) FROM pg_locks"
                                   " WHERE NOT granted");
    cr_assert_eq(change_await(&changing), STATUS_UNAVAILABLE);
    cr_assert_eq(find_await(&finding), STATUS_UNAVAILABLE);
    cr_assert_eq(changing.change.count, 0);
    PQfinish(conn);
    rig_run_until(archive_is_up);
    cr_assert_eq(change_once(ARCHIVE_REPLAY_NEW), STATUS_OK);
    cr_assert_eq(changing.change.count, 1);
}

/* After a failover to a server that takes no writes: the link is dropped, to find a better one. */
Test(archive_postgres, a_server_that_is_read_only)
{
    put_event("a", "dead");
    pg_server_execute(&rig.server, "ALTER SYSTEM SET default_transaction_read_only = on");
    pg_server_execute(&rig.server, "SELECT pg_reload_conf()");
    reopen(2000, 0);
    while (change_once(ARCHIVE_CANCEL) == STATUS_OK && changing.change.count == 0)
        rig_run_for(10);
    cr_assert_eq(changing.change.status, STATUS_UNAVAILABLE);
    cr_assert_eq(changing.change.count, 0);
    rig_run_until(archive_is_up);
    cr_assert_eq(find_once(), STATUS_OK);
    cr_assert_eq(finding.count, 1);
}

/* ---- slow ---- */

Test(archive_postgres, a_question_that_takes_too_long)
{
    reopen(100, 0);
    struct uuid id = put_event("a", "dead");
    PGconn *conn = hold("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    cr_assert_eq(find_once(), STATUS_TIMED_OUT);
    show_submit(&showing, &id);
    cr_assert_eq(show_await(&showing), STATUS_TIMED_OUT);
    cr_assert_eq(change_once(ARCHIVE_CANCEL), STATUS_TIMED_OUT);
    cr_assert(archive_rig.archive->up, "the link stays");
    PQfinish(conn);
    cr_assert_eq(find_once(), STATUS_OK);
    cr_assert_eq(finding.count, 1);
}

Test(archive_postgres, a_row_that_another_holds)
{
    reopen(100, 0);
    put_event("a", "dead");
    PGconn *conn = hold("BEGIN; UPDATE event SET duplicates = 1");
    cr_assert_eq(change_once(ARCHIVE_CANCEL), STATUS_TIMED_OUT);
    cr_assert_eq(changing.change.count, 0);
    PQfinish(conn);
    cr_assert_eq(change_once(ARCHIVE_CANCEL), STATUS_OK);
    cr_assert_eq(changing.change.count, 1);
}

/* What the change has selected is looked at again when its turn comes. */
Test(archive_postgres, a_row_that_another_changes_meanwhile)
{
    struct uuid id = put_event("a", "dead");
    PGconn *conn = hold("BEGIN; UPDATE event SET state = 'queued', next_attempt_at = now(),"
                        " lease_until = now() + interval '1 hour'");
    changing.change = (struct archive_change){
        .verb = ARCHIVE_CANCEL, .filter = by_id(&id), .limit = 1, .per_second = 1};
    change_submit(&changing);
    rig_run_for(100);
    cr_assert_eq(changing.ended, 0, "it waits for the row");
    PGresult *result = PQexec(conn, "COMMIT");
    PQclear(result);
    PQfinish(conn);
    cr_assert_eq(change_await(&changing), STATUS_OK);
    cr_assert_eq(changing.change.count, 0);
    cr_assert_eq(changing.change.skipped, 1);
    cr_assert(slice_eq(event_now(&id)->state, SLICE("queued")));
}

/* The other one wants what the change has, and the change what the other has; the server ends
 * whichever it likes. */
Test(archive_postgres, a_deadlock_is_tried_again)
{
    struct uuid a = put_event("a", "dead"), b = put_event("a", "dead");
    char sql[200], text[UUID_TEXT_LEN + 1] = {0};
    uuid_format(&b, text);
    pg_server_execute(&rig.server, "ALTER SYSTEM SET deadlock_timeout = '50ms'");
    pg_server_execute(&rig.server, "SELECT pg_reload_conf()");
    snprintf(sql, sizeof sql, "BEGIN; UPDATE event SET duplicates = 1 WHERE id = '%s'", text);
    PGconn *conn = hold(sql);
    changing.change = (struct archive_change){.verb = ARCHIVE_CANCEL, .limit = 10, .per_second = 1};
    change_submit(&changing);
    rig_run_for(20);
    uuid_format(&a, text);
    snprintf(sql, sizeof sql, "UPDATE event SET duplicates = 1 WHERE id = '%s'; COMMIT", text);
    cr_assert_eq(PQsendQuery(conn, sql), 1);
    cr_assert_eq(change_await(&changing), STATUS_OK);
    cr_assert_eq(changing.change.count, 2);
    PQfinish(conn);
}

/* ---- leases ---- */

/* A lease that is over counts as given up only when its owner has had the time to say how it ended:
 * the database may have been away for long. */
Test(archive_postgres, a_lease_that_is_over_may_have_an_owner)
{
    struct uuid id = put_queued("a", 600000);
    pg_server_execute(&rig.server, "UPDATE event SET next_attempt_at = now() - interval '1 s',"
                                   " lease_until = now() - interval '1 s'");
    reopen(2000, 600000);
    change_once(ARCHIVE_CANCEL);
    cr_assert_eq(changing.change.count, 0);
    changing.change = (struct archive_change){.dry_run = true};
    pg_server_execute(&rig.server, "UPDATE event SET lease_owner = NULL");
    cr_assert_eq(change_now(&changing, ARCHIVE_CANCEL, by_id(&id)), 1, "it had none");
    pg_server_execute(&rig.server, "UPDATE event SET lease_owner = id");
    reopen(2000, 0);
    changing.change = (struct archive_change){0};
    cr_assert_eq(change_now(&changing, ARCHIVE_REPLAY_SAME, by_id(&id)), 1);
    cr_assert_eq(event_now(&id)->lease_until_ms, 0);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE lease_owner IS NULL"), 1);
}

Test(archive_postgres, closing_in_mid_question)
{
    PGconn *conn = hold("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE");
    finding.find.limit = 10;
    find_submit(&finding);
    change_submit((changing.change =
                       (struct archive_change){.verb = ARCHIVE_CANCEL, .limit = 1, .per_second = 1},
                   &changing));
    rig_run_for(20);
    archive_close();
    cr_assert_eq(finding.find.status, STATUS_UNAVAILABLE);
    cr_assert_eq(changing.change.status, STATUS_UNAVAILABLE);
    PQfinish(conn);
}

/* Another day's partition is neither read nor waited for. */
Test(archive_postgres, a_day_that_is_locked_delays_no_other)
{
    reopen(100, 0);
    struct uuid id = put_event("a", "dead");
    rig_run_for(2);
    PGconn *conn = hold("BEGIN; DO $$ BEGIN EXECUTE format('LOCK TABLE %I, %I',"
                        " 'event' || to_char(now() + interval '1 day', '_YYYY_MM_DD'),"
                        " 'delivery' || to_char(now() + interval '1 day', '_YYYY_MM_DD'));"
                        " END $$");
    cr_assert(slice_eq(event_now(&id)->state, SLICE("dead")));
    struct archive_filter filter = {.from_ms = 1, .until_ms = uuid_time_ms(&id) + 1};
    cr_assert_eq(find_now(&finding, filter, 10), 1);
    filter.route = SLICE("a");
    cr_assert_eq(find_now(&finding, filter, 10), 1);
    const enum archive_verb verbs[] = {ARCHIVE_REPLAY_SAME, ARCHIVE_CANCEL, ARCHIVE_REPLAY_NEW};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(change_once(verbs[i]), STATUS_OK);
        cr_assert_eq(changing.change.count, 1);
    }
    PQfinish(conn);
    cr_assert_eq(find_once(), STATUS_OK);
}
