/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL journal's schema and address: migrating, partitions and their retention, and every
 * way to name a server.
 */
#include "support/journal_rig.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

TestSuite(pg_schema, .init = rig_open_postgres, .fini = rig_close);
TestSuite(pg_schema_cold, .init = rig_prepare_postgres, .fini = rig_close);

static void execute(const char *sql)
{
    pg_server_execute(&rig.server, sql);
}

static bool is_in_database(const struct append *append)
{
    return rig_number_of("SELECT count(*) FROM event WHERE id = encode($1, 'hex')::uuid",
                         slice_of(append->record.event_id.bytes, 16)) == 1;
}

/* A session that holds something until it is ended. */
static PGconn *hold(const char *sql)
{
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, sql);
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

/* ---- the schema ---- */

static size_t fronts_up(void)
{
    size_t up = 0;
    for (size_t i = 0; i < RIG_FRONTS; i++)
        up += rig.fronts[i]->stats.up;
    return up;
}

static bool are_all_up(void)
{
    return fronts_up() == RIG_FRONTS;
}

Test(pg_schema_cold, four_workers_migrate_at_once)
{
    pg_server_run(&rig.server);
    rig_open_fronts(RIG_FRONTS);
    rig_run_until(are_all_up);
    cr_assert_eq(rig_number("SELECT count(*) FROM schema_version"), 3);
    for (size_t i = 0; i < RIG_FRONTS; i++) {
        struct append append;
        rig.journal = rig.fronts[i];
        append_init(&append);
        cr_assert_eq(append_now(&append), STATUS_OK);
        cr_assert_eq(rig.journal->stats.errors, 0, "no connection was given up on the way");
    }
}

/* As version 1 left it, but for the order of columns nobody relies on. */
static void back_to_version_1(void)
{
    execute("ALTER TABLE event DROP COLUMN lease_owner, DROP COLUMN attempts_before,"
            " DROP COLUMN replay_of, DROP COLUMN note;"
            " DROP INDEX event_due, event_stuck;"
            " DELETE FROM schema_version WHERE version > 1");
}

Test(pg_schema, version_1_with_its_days_and_events_is_migrated_by_many_at_once)
{
    struct append append;
    append_many(300);
    cr_assert(rig_drain());
    rig_close_fronts();
    back_to_version_1();
    rig_open_fronts(RIG_FRONTS);
    rig_run_until(are_all_up);
    cr_assert_eq(rig_number("SELECT max(version) FROM schema_version"), 3);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE attempts = 1 AND attempts_before = 0"
                            " AND lease_owner IS NULL AND note IS NULL"),
                 300);
    /* One of the parent and one of each day, old and new. */
    cr_assert_eq(
        rig_number("SELECT count(*) FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid"
                   " WHERE pg_get_indexdef(i.oid) LIKE '%(route, next_attempt_at)%'"),
        5);
    append_init(&append);
    append.record.event_id = id_at(append.record.received_at_ms - 9 * 86400000u);
    cr_assert_eq(append_now(&append), STATUS_OK);
    for (size_t i = 0; i < RIG_FRONTS; i++)
        cr_assert_eq(rig.fronts[i]->stats.errors, i == 0, "but for the day that was missing");
}

Test(pg_schema_cold, without_a_housekeeper_days_are_made_when_needed)
{
    struct append append;
    rig.postgres.housekeeper = false;
    pg_server_run(&rig.server);
    rig_open_fronts(1);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"),
                 1);
}

Test(pg_schema, a_newer_schema_is_refused)
{
    execute("INSERT INTO schema_version (version) VALUES (99)");
    rig_close_fronts();
    rig_open_fronts(1);
    rig_run_until(rig_is_down);
    cr_assert_not_null(strstr(rig.detail, "version 99"), "%s", rig.detail);
    cr_assert_not(rig.journal->stats.up);
}

Test(pg_schema, partitions_are_made_ahead)
{
    const char *count = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass";
    cr_assert_eq(rig_number(count), 4);
    cr_assert_eq(rig_number("SELECT count(*) FROM pg_class WHERE relname = 'event_'"
                            " || to_char(now() AT TIME ZONE 'UTC' + interval '3 days',"
                            " 'YYYY_MM_DD')"),
                 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM pg_inherits"
                            " WHERE inhparent = 'delivery'::regclass"),
                 4);
    rig_close_fronts();
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
    cr_assert_eq(rig_number(count), 4);
}

Test(pg_schema, days_nobody_made_are_made)
{
    enum { COUNT = 20 }; /* more days than are made in one go */
    struct append appends[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        append_init(&appends[i]);
        appends[i].record.event_id = id_at(appends[i].record.received_at_ms - (i + 1) * 86400000u);
        cr_assert(append_submit(&appends[i]));
    }
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(append_await(&appends[i]), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), COUNT);
    cr_assert_eq(rig_number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"),
                 4 + COUNT);
    cr_assert_eq(rig.journal->stats.dropped, 0);
}

static bool old_days_are_gone(void)
{
    return rig_number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass") == 11;
}

Test(pg_schema, days_older_than_the_retention_are_dropped)
{
    struct append appends[20];
    for (uint64_t i = 0; i < 20; i++) {
        append_init(&appends[i]);
        appends[i].record.event_id = id_at(appends[i].record.received_at_ms - (i + 1) * 86400000u);
        cr_assert_eq(append_now(&appends[i]), STATUS_OK);
    }
    rig_close_fronts();
    rig_open_fronts(1);
    /* Four from today on, and seven before, the last of which is only partly too old. */
    rig_run_until(old_days_are_gone);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 7);
    cr_assert(is_in_database(&appends[6]));
    cr_assert_not(is_in_database(&appends[7]));
}

static bool is_told_of_partitions(void)
{
    return strstr(rig.detail, "partitions: ") != NULL;
}

Test(pg_schema, upkeep_that_cannot_be_is_told_and_stops_nothing)
{
    struct append append;
    append_init(&append);
    append.record.event_id = id_at(append.record.received_at_ms - 9 * 86400000u);
    cr_assert_eq(append_now(&append), STATUS_OK);
    PGconn *holder = hold("BEGIN; LOCK TABLE event IN ACCESS SHARE MODE");
    rig_close_fronts();
    rig_open_fronts(1);
    rig_run_until(is_told_of_partitions);
    cr_assert(rig.up);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    PQfinish(holder);
}

/* ---- where to connect ---- */

static void assert_connects(const char *url)
{
    struct append append;
    rig_close_fronts();
    rig.postgres.url = slice_str(url);
    rig_open_fronts(1);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK, "%s", url);
}

Test(pg_schema, by_socket_name_and_keywords)
{
    char url[256];
    snprintf(url, sizeof url, "postgresql://postgres@/postgres?host=%s&port=%u", rig.server.folder,
             rig.server.port);
    assert_connects(url);
    snprintf(url, sizeof url, "postgresql://postgres@localhost:%u/postgres", rig.server.port);
    assert_connects(url);
    snprintf(url, sizeof url, "host=127.0.0.1 port=%u user=postgres dbname=postgres",
             rig.server.port);
    assert_connects(url);
    snprintf(url, sizeof url, "postgresql://postgres@127.0.0.1:1,127.0.0.1:%u/postgres",
             rig.server.port);
    assert_connects(url);
}

Test(pg_schema, a_failed_connection_tells_why_without_the_password)
{
    char url[256];
    snprintf(url, sizeof url, "postgresql://postgres:geheim@127.0.0.1:%u/nowhere", rig.server.port);
    rig_close_fronts();
    rig.postgres.url = slice_str(url);
    rig_open_fronts(1);
    rig_run_until(rig_is_down);
    cr_assert_not_null(strstr(rig.detail, "\"nowhere\" does not exist"), "%s", rig.detail);
    cr_assert_null(strstr(rig.detail, "geheim"));
}

Test(pg_schema, a_url_that_is_none)
{
    struct pg_opts opts = rig.postgres;
    struct journal *journal;
    opts.url = SLICE("postgresql://[nonsense");
    cr_assert_eq(journal_postgres_open(rig.loop, &opts, (struct pg_listener){0}, &journal),
                 STATUS_INVALID);
}
