/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large batches into PostgreSQL, which go by COPY: that they do, that a row is the same by either
 * way, and that whatever a COPY meets ends as it would have by INSERT.
 */
#include "support/journal_rig.h"

#include "pg_front.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

enum { COUNT = 300 }; /* far above COPY_MIN_ROWS */

static void execute(const char *sql)
{
    pg_server_execute(&rig.server, sql);
}

/* A sequence, which no rollback turns back, counts the statements of either kind. */
static void count_statements(void)
{
    execute("CREATE SEQUENCE copies; CREATE SEQUENCE inserts;"
            " CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM nextval(CASE WHEN current_query() LIKE 'COPY%' THEN 'copies'"
            " ELSE 'inserts' END); RETURN NULL; END $$;"
            " CREATE TRIGGER note BEFORE INSERT ON event EXECUTE FUNCTION note()");
}

static long long copies(void)
{
    return rig_number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM copies");
}

static long long inserts(void)
{
    return rig_number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM inserts");
}

static long long events(void)
{
    return rig_number("SELECT count(*) FROM event");
}

static void open_copy(void)
{
    rig_prepare_postgres();
    rig.postgres.owner = (struct uuid){{0xaa, 0xbb}};
    pg_server_run(&rig.server);
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
    rig_run_until(rig_is_idle);
    count_statements();
}

TestSuite(pg_copy, .init = open_copy, .fini = rig_close);

static struct append appends[COUNT];

static void init_appends(void)
{
    for (size_t i = 0; i < COUNT; i++)
        append_init(&appends[i]);
}

static void submit_appends(void)
{
    for (size_t i = 0; i < COUNT; i++)
        cr_assert(append_submit(&appends[i]));
}

static void assert_all_answered(enum status status)
{
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(append_await(&appends[i]), status);
}

/* ---- the way of a batch ---- */

Test(pg_copy, a_large_batch_is_one_copy)
{
    init_appends();
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(inserts(), 0);
    cr_assert_eq(rig.journal->stats.batches, 1);
    cr_assert_eq(rig.journal->stats.errors, 0);
}

Test(pg_copy, from_64_rows_on)
{
    append_many(63);
    rig_run_until(rig_is_idle);
    cr_assert_eq(copies(), 0);
    cr_assert_eq(inserts(), 1);
    append_many(64);
    rig_run_until(rig_is_idle);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(inserts(), 1);
    cr_assert_eq(events(), 63 + 64);
}

Test(pg_copy, batches_and_loads_take_turns_on_the_link)
{
    for (int i = 0; i < 20; i++) {
        append_many(i % 2 ? 10 : 2500);
        rig_run_for(5);
    }
    rig_run_until(rig_is_idle);
    cr_assert_eq(events(), 10 * 10 + 10 * 2500);
    cr_assert_eq(rig.journal->stats.errors, 0);
}

Test(pg_copy, its_duplicate_counts_follow)
{
    init_appends();
    journal_count_duplicate(rig.journal, &appends[7].record.event_id, 1700000000000);
    journal_count_duplicate(rig.journal, &appends[7].record.event_id, 1700000000001);
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert(rig_drain());
    cr_assert_eq(copies(), 1);
    cr_assert_eq(rig_number("SELECT duplicates FROM event WHERE duplicates > 0"), 2);
    cr_assert_eq(rig.journal->stats.duplicates_lost, 0);
}

Test(pg_copy, bytes_of_all_values_and_bodies_of_many_sizes)
{
    static char body[40000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 7 + i / 256);
    init_appends();
    for (size_t i = 0; i < COUNT; i++)
        appends[i].record.body = slice_of(body, i * 133 < sizeof body ? i * 133 : sizeof body);
    appends[3].record.has_key = false;
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(inserts(), 1, "6 MB are two batches, the second one small");
    cr_assert_eq(rig_number_of("SELECT count(*) FROM event WHERE position(body in $1) = 1"
                               " AND octet_length(body) % 133 = 0",
                               slice_of(body, sizeof body)),
                 COUNT);
    cr_assert_eq(rig_number("SELECT count(DISTINCT octet_length(body)) FROM event"), COUNT);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE key IS NULL"), 1);
}

Test(pg_copy, notes_and_none)
{
    static const char note[] = "F\0;\r\n";
    init_appends();
    for (size_t i = 0; i < COUNT; i++)
        appends[i].record.note = slice_of(note, i % 6);
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE note IS NULL"), (COUNT + 5) / 6);
    cr_assert_eq(rig_number_of("SELECT count(*) FROM event WHERE octet_length(note) > 0"
                               " AND position(note in $1) = 1",
                               slice_of(note, 5)),
                 COUNT - (COUNT + 5) / 6);
}

/* ---- rows of the queue ---- */

/* Leased, due at once, and not of the queue at all, in turn. */
static void make_queued(struct append *append, size_t kind)
{
    append_init(append);
    if (kind == 2)
        return;
    append->record.queued = true;
    append->record.mode = SLICE("queue");
    append->record.state = SLICE("queued");
    append->record.lease_ms = kind == 0 ? 60000 : 0;
}

#define COLUMNS                                                                                    \
    "state, attempts, attempts_before, next_attempt_at IS NULL, lease_until IS NULL, lease_owner"

Test(pg_copy, rows_of_the_queue_are_the_same_by_either_way)
{
    struct append few[3];
    for (size_t i = 0; i < COUNT; i++)
        make_queued(&appends[i], i % 3);
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(inserts(), 0);
    cr_assert_eq(rig_number("SELECT count(*) FROM (SELECT DISTINCT " COLUMNS " FROM event) k"), 3);
    for (size_t i = 0; i < 3; i++) {
        make_queued(&few[i], i);
        cr_assert_eq(append_now(&few[i]), STATUS_OK);
    }
    cr_assert_eq(copies(), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM (SELECT DISTINCT " COLUMNS " FROM event) k"), 3);
    const char *leased = "SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0"
                         " AND lease_owner = 'aabb0000-0000-0000-0000-000000000000'"
                         " AND lease_until = next_attempt_at"
                         " AND lease_until BETWEEN now() + '50 s' AND now() + '60 s'";
    const char *due = "SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0"
                      " AND lease_owner IS NULL AND lease_until IS NULL"
                      " AND next_attempt_at BETWEEN now() - interval '10 s' AND now()";
    const char *other = "SELECT count(*) FROM event WHERE state = 'delivered' AND attempts = 1"
                        " AND lease_owner IS NULL AND lease_until IS NULL"
                        " AND next_attempt_at IS NULL";
    cr_assert_eq(rig_number(leased), COUNT / 3 + 1);
    cr_assert_eq(rig_number(due), COUNT / 3 + 1);
    cr_assert_eq(rig_number(other), COUNT / 3 + 1);
}

Test(pg_copy, a_wall_clock_of_our_own_does_not_move_leases)
{
    struct append append;
    make_queued(&append, 0);
    rig.loop->clock.wall_ms += 3600000;
    cr_assert(append_submit(&append));
    rig.loop->clock.wall_ms += 3600000;
    cr_assert_eq(append_await(&append), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE"
                            " lease_until BETWEEN now() + '50 s' AND now() + '60 s'"),
                 1);
}

/* ---- what a COPY may meet ---- */

Test(pg_copy, a_row_that_is_there_already)
{
    init_appends();
    cr_assert_eq(append_now(&appends[123]), STATUS_OK);
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(inserts(), 2);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(rig.journal->stats.errors, 0);
}

Test(pg_copy, refused_rows_are_isolated)
{
    execute("ALTER TABLE event ADD CONSTRAINT no CHECK (route <> 'bad')");
    init_appends();
    appends[17].record.route = SLICE("bad");
    appends[299].record.method = SLICE("PO\0ST");
    submit_appends();
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(append_await(&appends[i]), i == 17 || i == 299 ? STATUS_REFUSED : STATUS_OK);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(events(), COUNT - 2);
    cr_assert_eq(rig.journal->stats.dropped, 2);
    cr_assert_eq(rig.told, 1, "the link stays");
}

Test(pg_copy, a_day_nobody_made)
{
    init_appends();
    appends[150].record.event_id = id_at(appends[150].record.received_at_ms - 9 * 86400000u);
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(rig.journal->stats.dropped, 0);
    cr_assert_eq(rig.told, 1, "the link stays");
}

Test(pg_copy, a_serialization_failure)
{
    execute("CREATE SEQUENCE tries;"
            "CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('tries') < 2 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001';"
            " END IF; RETURN new; END $$;"
            "CREATE TRIGGER fail BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION fail_once()");
    init_appends();
    submit_appends();
    assert_all_answered(STATUS_OK);
    cr_assert_eq(rig.journal->stats.errors, 1);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(inserts(), 1);
    cr_assert_eq(rig.told, 1);
}

Test(pg_copy, a_database_where_only_copy_is_forbidden)
{
    static char url[128];
    execute("CREATE ROLE app LOGIN;"
            " GRANT ALL ON ALL TABLES IN SCHEMA public TO app;"
            " GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;"
            " ALTER TABLE event ENABLE ROW LEVEL SECURITY;"
            " CREATE POLICY everything ON event USING (true) WITH CHECK (true)");
    snprintf(url, sizeof url, "postgresql://app@127.0.0.1:%u/postgres", rig.server.port);
    rig_close_fronts();
    rig.postgres.url = slice_str(url);
    rig.postgres.housekeeper = false;
    rig_open_fronts(1);
    for (int i = 0; i < 2; i++) {
        init_appends();
        submit_appends();
        assert_all_answered(STATUS_OK);
    }
    cr_assert_eq(rig.journal->stats.errors, 1, "it is tried once");
    cr_assert_eq(inserts(), 2);
    cr_assert_eq(events(), 2 * COUNT);
    cr_assert_eq(rig.told, 1, "the link stays");
}

/* ---- lost and frozen in the middle ---- */

/* Over the socket, whose buffer is far smaller than a batch: a server that doesn't read leaves most
 * of it here. And without the housekeeper's first round, which would be under way. */
static void reopen_by_socket(uint32_t timeout_ms)
{
    static char url[160];
    snprintf(url, sizeof url, "postgresql://postgres@/postgres?host=%s&port=%u", rig.server.folder,
             rig.server.port);
    rig_close_fronts();
    rig.postgres.url = slice_str(url);
    rig.postgres.housekeeper = false;
    rig.postgres.timeout_ms = timeout_ms;
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
}

/* The server stops at the row that is marked until the holder is ended. */
static PGconn *stop_at_the_marked_row(void)
{
    execute("CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF new.duration_ms = 4242 THEN PERFORM pg_advisory_xact_lock(7); END IF;"
            " RETURN new; END $$;"
            "CREATE TRIGGER halt BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION halt()");
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, "DO $$ BEGIN PERFORM pg_advisory_lock(7); END $$");
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

static bool is_stopped_in_mid_copy(void)
{
    struct front *front = container_of(rig.journal, struct front, journal);
    return pg_front_of(front)->link.copy == PG_COPY_FEEDING &&
           pg_front_of(front)->link.watches_write &&
           rig_number("SELECT count(*) FROM pg_stat_activity"
                      " WHERE query LIKE 'COPY%' AND wait_event_type = 'Lock'") == 1;
}

static void submit_large_and_stop(void)
{
    static char body[12000];
    init_appends();
    for (size_t i = 0; i < COUNT; i++)
        appends[i].record.body = slice_of(body, sizeof body);
    appends[20].record.duration_ms = 4242;
    submit_appends();
    rig_run_until(is_stopped_in_mid_copy);
}

Test(pg_copy, lost_in_the_middle_it_goes_again)
{
    reopen_by_socket(10000);
    PGconn *holder = stop_at_the_marked_row();
    submit_large_and_stop();
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'postern'");
    PQfinish(holder);
    assert_all_answered(STATUS_OK);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(copies(), 1);
    cr_assert_eq(rig.journal->stats.rows, COUNT);
    cr_assert_eq(rig.journal->stats.errors, 1);
}

Test(pg_copy, in_a_frozen_server_it_is_given_up_in_time)
{
    reopen_by_socket(700);
    PGconn *holder = stop_at_the_marked_row();
    submit_large_and_stop();
    pg_server_freeze(&rig.server);
    rig_run_until(rig_is_down);
    cr_assert_not_null(strstr(rig.detail, "in time"), "%s", rig.detail);
    cr_assert_eq(rig.journal->stats.pending_rows, COUNT);
    const struct front *front = container_of(rig.journal, struct front, journal);
    cr_assert_not(container_of(front->queue.next, struct batch, link)->doubtful,
                  "without its end nothing of it can be committed");
    pg_server_thaw(&rig.server);
    PQfinish(holder);
    rig_run_until(rig_is_idle);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(rig.journal->stats.rows, COUNT);
}

Test(pg_copy, closing_in_the_middle_drops_it)
{
    reopen_by_socket(10000);
    PGconn *holder = stop_at_the_marked_row();
    submit_large_and_stop();
    rig_close_fronts();
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(appends[i].op.status, STATUS_UNAVAILABLE);
    PQfinish(holder);
    cr_assert_eq(events(), 0);
}

Test(pg_copy, a_server_that_takes_a_while_gets_all_of_it)
{
    reopen_by_socket(10000);
    PGconn *holder = stop_at_the_marked_row();
    submit_large_and_stop();
    PQfinish(holder);
    assert_all_answered(STATUS_OK);
    cr_assert_eq(events(), COUNT);
    cr_assert_eq(rig.journal->stats.errors, 0);
    cr_assert_eq(copies(), 1);
}
