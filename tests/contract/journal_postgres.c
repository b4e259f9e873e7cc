/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the PostgreSQL journal can show: a server that is away, frozen, restarted, of another
 * mind, or that lost the day's partition.
 */
#include "support/journal_rig.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

TestSuite(journal_postgres, .init = rig_open_postgres, .fini = rig_close);
TestSuite(journal_postgres_cold, .init = rig_prepare_postgres, .fini = rig_close);

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

/* ---- away ---- */

Test(journal_postgres_cold, away_at_the_start_then_there)
{
    struct append durable, buffered;
    rig_open_fronts(1);
    rig_run_until(rig_is_down);
    cr_assert_not_null(strstr(rig.detail, "refused"), "%s", rig.detail);
    cr_assert_eq(rig.told, 1);
    append_init(&durable);
    append_init(&buffered);
    buffered.op.level = JOURNAL_BUFFERED;
    cr_assert(append_submit(&durable));
    cr_assert_not(append_submit(&buffered));
    pg_server_run(&rig.server);
    cr_assert_eq(append_await(&durable), STATUS_OK);
    rig_run_until(rig_is_idle);
    cr_assert(is_in_database(&buffered));
    cr_assert(rig.up);
    cr_assert_eq(rig.told, 2);
}

Test(journal_postgres_cold, away_for_long_refuses_durable_and_gathers_buffered)
{
    struct append waiting, late, buffered;
    rig.postgres.timeout_ms = 300;
    rig_open_fronts(1);
    append_init(&waiting);
    append_init(&late);
    append_init(&buffered);
    buffered.op.level = JOURNAL_BUFFERED;
    cr_assert(append_submit(&waiting));
    uint64_t begun_ms = loop_now_ms(rig.loop);
    cr_assert_eq(append_await(&waiting), STATUS_UNAVAILABLE);
    cr_assert_geq(waiting.answered_at_ms, begun_ms + 300);
    cr_assert_not(append_submit(&late));
    cr_assert_eq(late.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(rig.journal->stats.dropped, 1);
    cr_assert_eq(append_now(&buffered), STATUS_OK);
    pg_server_run(&rig.server);
    rig_run_until(rig_is_idle);
    cr_assert(is_in_database(&waiting), "given up waiting for, not given up");
    cr_assert(is_in_database(&buffered));
    cr_assert_not(is_in_database(&late));
    cr_assert_eq(append_now(&late), STATUS_OK);
}

Test(journal_postgres_cold, rows_gather_up_to_the_bound)
{
    struct append append;
    unsigned taken = 0;
    append_init(&append);
    append.op.level = JOURNAL_BUFFERED;
    rig.postgres.buffer_bytes = 20000;
    rig_open_fronts(1);
    rig_run_until(rig_is_down);
    for (; append_now(&append) == STATUS_OK; taken++)
        append.record.event_id = new_id();
    cr_assert_eq(append.op.status, STATUS_FULL);
    cr_assert_eq(rig.journal->stats.pending_rows, taken);
    cr_assert_leq(rig.journal->stats.pending_bytes, 20000);
    cr_assert_gt(rig.journal->stats.pending_bytes, 18000);
    append.op.level = JOURNAL_DURABLE;
    cr_assert_eq(append_now(&append), STATUS_FULL);
    cr_assert_eq(rig.journal->stats.dropped, 2);
    pg_server_run(&rig.server);
    rig_run_until(rig_is_idle);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), taken);
}

static bool load_ended;

static void on_load_ended(struct journal_load *load)
{
    (void)load;
    load_ended = true;
}

static bool has_load_ended(void)
{
    return load_ended;
}

Test(journal_postgres_cold, a_load_that_cannot_be_says_so)
{
    struct journal_load load = {.now_ms = 1, .ended = on_load_ended};
    rig_open_fronts(1);
    journal_load_keys(rig.journal, &load);
    rig_run_until(has_load_ended);
    cr_assert_eq(load.status, STATUS_UNAVAILABLE);
    load_ended = false;
    journal_load_keys(rig.journal, &load);
    cr_assert_not(load_ended, "never from inside");
    rig_run_until(has_load_ended);
    cr_assert_eq(load.status, STATUS_UNAVAILABLE);
}

/* ---- lost and frozen ---- */

static struct append stream[600];
static size_t stream_length, stream_answered;

static bool stream_is_answered(void)
{
    stream_answered = 0;
    for (size_t i = 0; i < stream_length; i++)
        stream_answered += stream[i].answers;
    return stream_answered == stream_length;
}

static void stream_some(size_t count)
{
    for (size_t end = stream_length + count; stream_length < end; stream_length++) {
        append_init(&stream[stream_length]);
        if (!append_submit(&stream[stream_length]))
            stream[stream_length].answers = 1;
        if (stream_length % 5 == 0)
            rig_run_for(1);
    }
}

Test(journal_postgres, a_restart_in_mid_stream_loses_nothing_answered)
{
    rig_close_fronts();
    rig.postgres.timeout_ms = 10000;
    rig_open_fronts(1);
    stream_some(200);
    pg_server_stop(&rig.server);
    stream_some(200);
    pg_server_run(&rig.server);
    stream_some(200);
    rig_run_until(stream_is_answered);
    for (size_t i = 0; i < stream_length; i++)
        cr_assert_eq(stream[i].op.status, STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 600);
    cr_assert_eq(rig.journal->stats.rows, 600);
    cr_assert_eq(rig.journal->stats.dropped, 0);
}

/* Opened again without the housekeeper's first round, which would be under way. */
static void reopen_quietly(uint32_t timeout_ms)
{
    rig_close_fronts();
    rig.postgres.housekeeper = false;
    rig.postgres.timeout_ms = timeout_ms;
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
}

Test(journal_postgres, a_batch_whose_answer_was_lost_goes_again)
{
    struct append append;
    reopen_quietly(2000);
    PGconn *holder = hold("BEGIN; LOCK TABLE event IN EXCLUSIVE MODE");
    append_init(&append);
    journal_count_duplicate(rig.journal, &append.record.event_id, append.record.received_at_ms);
    cr_assert(append_submit(&append));
    rig_run_for(100);
    cr_assert_eq(append.answers, 0);
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'postern'");
    PQfinish(holder);
    cr_assert_eq(append_await(&append), STATUS_OK);
    cr_assert_geq(rig.journal->stats.errors, 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 1);
    cr_assert_eq(rig_number("SELECT duplicates FROM event"), 1);
}

Test(journal_postgres, a_frozen_server_is_given_up_in_time)
{
    struct append waiting, next;
    reopen_quietly(500);
    append_init(&waiting);
    append_init(&next);
    pg_server_freeze(&rig.server);
    uint64_t begun_ms = loop_now_ms(rig.loop);
    cr_assert(append_submit(&waiting));
    cr_assert_eq(append_await(&waiting), STATUS_UNAVAILABLE);
    cr_assert_geq(waiting.answered_at_ms, begun_ms + 500);
    cr_assert_leq(waiting.answered_at_ms, begun_ms + 800);
    cr_assert_eq(append_now(&next), STATUS_UNAVAILABLE);
    rig_run_until(rig_is_down);
    cr_assert_not_null(strstr(rig.detail, "in time"), "%s", rig.detail);
    cr_assert_eq(rig.journal->stats.pending_rows, 1);
    pg_server_thaw(&rig.server);
    rig_run_until(rig_is_idle);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 1);
    cr_assert_eq(rig.journal->stats.rows, 1);
    cr_assert_eq(rig.journal->stats.dropped, 1);
    cr_assert_eq(append_now(&next), STATUS_OK);
}

static bool drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
}

static bool is_drained(void)
{
    return drained;
}

Test(journal_postgres, draining_into_a_frozen_server_ends_at_its_deadline)
{
    append_many(1);
    pg_server_freeze(&rig.server);
    uint64_t deadline_ms = loop_now_ms(rig.loop) + 200;
    journal_drain(rig.journal, deadline_ms, on_drained, NULL);
    rig_run_until(is_drained);
    cr_assert_geq(loop_now_ms(rig.loop), deadline_ms);
    cr_assert_eq(rig.journal->stats.pending_rows, 1);
    rig_close_fronts();
    pg_server_thaw(&rig.server);
}

Test(journal_postgres, a_read_only_server_is_waited_for)
{
    struct append append;
    execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'postern'");
    rig_run_until(rig_is_down);
    append_init(&append);
    append.op.level = JOURNAL_BUFFERED;
    cr_assert_eq(append_now(&append), STATUS_OK);
    while (!strstr(rig.detail, "read-only"))
        rig_run_for(50);
    execute(
        "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT");
    rig_run_until(rig_is_idle);
    cr_assert(is_in_database(&append));
    cr_assert_eq(rig.journal->stats.dropped, 0);
}

Test(journal_postgres, a_row_of_the_queue_that_was_only_refused_is_withdrawn)
{
    struct append append;
    rig_close_fronts();
    rig.postgres.timeout_ms = 500;
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
    execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'postern'");
    append_init(&append);
    append.record.queued = true;
    append.record.state = SLICE("queued");
    cr_assert_eq(append_now(&append), STATUS_UNAVAILABLE);
    execute(
        "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT");
    rig_run_until(rig_is_up);
    append_many(1);
    rig_run_until(rig_is_idle);
    cr_assert_not(is_in_database(&append));
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 1);
    cr_assert_eq(rig.journal->stats.dropped, 0);
}

/* By the clock, which is read every 10 s. */
Test(journal_postgres, an_idle_link_finds_out_that_the_server_stands_still)
{
    rig_close_fronts();
    rig.postgres.timeout_ms = 500;
    rig_open_fronts(1);
    rig_run_until(rig_is_up);
    pg_server_freeze(&rig.server);
    rig_run_until(rig_is_down);
    pg_server_thaw(&rig.server);
    rig_run_until(rig_is_up);
    append_many(1);
    rig_run_until(rig_is_idle);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 1);
}

/* ---- what a batch may meet ---- */

Test(journal_postgres, refused_rows_are_isolated)
{
    enum { COUNT = 300 };
    static struct append appends[COUNT];
    execute("ALTER TABLE event ADD CONSTRAINT no CHECK (route <> 'bad')");
    for (size_t i = 0; i < COUNT; i++) {
        append_init(&appends[i]);
        if (i % 97 == 5)
            appends[i].record.route = SLICE("bad");
        cr_assert(append_submit(&appends[i]));
    }
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(append_await(&appends[i]), i % 97 == 5 ? STATUS_REFUSED : STATUS_OK);
    cr_assert_eq(rig.journal->stats.dropped, 4);
    cr_assert_eq(rig.journal->stats.rows, COUNT - 4);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), COUNT - 4);
    cr_assert(rig.up, "the link stays");
    cr_assert_eq(rig.told, 1);
}

Test(journal_postgres, text_that_is_none_is_refused_alone)
{
    struct append bad, good;
    append_init(&bad);
    append_init(&good);
    bad.record.method = SLICE("PO\0ST");
    journal_count_duplicate(rig.journal, &good.record.event_id, good.record.received_at_ms);
    cr_assert(append_submit(&good));
    cr_assert(append_submit(&bad));
    cr_assert_eq(append_await(&bad), STATUS_REFUSED);
    cr_assert_eq(append_await(&good), STATUS_OK);
    cr_assert_eq(rig_number("SELECT duplicates FROM event"), 1);
}

Test(journal_postgres, a_serialization_failure_goes_again)
{
    struct append append;
    execute(
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('tries') < 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001';"
        " END IF; RETURN new; END $$;"
        "CREATE TRIGGER fail BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION fail_twice()");
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(rig.journal->stats.errors, 2);
    cr_assert_eq(rig.told, 1);
}

Test(journal_postgres, durable_is_durable_where_the_database_says_otherwise)
{
    struct append append;
    execute("CREATE TABLE seen (setting text);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN new; END $$;"
            "CREATE TRIGGER note BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION note();"
            "ALTER DATABASE postgres SET synchronous_commit = off");
    rig_close_fronts();
    rig_open_fronts(1);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM seen WHERE setting = 'on'"), 1);
}
