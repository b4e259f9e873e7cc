/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool beside PostgreSQL: whatever keeps PostgreSQL away, what is appended is durable in
 * bounded time, and is in PostgreSQL once and in order when it is back. What the queue makes of it
 * is in spooled_queue.c, crashes in spooled_crash.c.
 */
#include "support/spooled_rig.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>

#define BOUND_MS 4000u /* stall, time-out, and a commit of the spool */

TestSuite(spooled, .init = spooled_rig_open, .fini = spooled_rig_close);
TestSuite(spooled_cold, .init = spooled_rig_prepare, .fini = spooled_rig_close);

static void execute(const char *sql)
{
    pg_server_execute(&rig.server, sql);
}

static void end_sessions(void)
{
    execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'postern'");
}

/* ---- a stream of queued events ---- */

#define STREAM_MAX 2000u

static struct append stream[STREAM_MAX];
static size_t stream_length;

static void submit(struct append *append)
{
    event_init(append, "r");
    if (!append_submit(append))
        append->answers = 1;
}

static void stream_some(size_t count)
{
    for (size_t end = stream_length + count; stream_length < end; stream_length++) {
        submit(&stream[stream_length]);
        if (stream_length % 5 == 0)
            rig_run_for(1);
    }
}

static bool is_stream_answered(void)
{
    for (size_t i = 0; i < stream_length; i++)
        if (stream[i].answers == 0)
            return false;
    return true;
}

/* All were taken, in time, and are in PostgreSQL once and nowhere else. */
static void check_stream(void)
{
    rig_run_until(is_stream_answered);
    for (size_t i = 0; i < stream_length; i++) {
        cr_assert_eq(stream[i].answers, 1);
        cr_assert_eq(stream[i].op.status, STATUS_OK, "%zu: %d", i, stream[i].op.status);
    }
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), (long long)stream_length);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state <> 'queued'"), 0);
    cr_assert_eq(rig.journal->stats.dropped, 0);
}

/* Answers come in bounded time; where it was committed is told. */
static void append_into_the_spool(void)
{
    struct append append;
    submit(&append);
    uint64_t begun_ms = loop_now_ms(rig.loop);
    cr_assert_eq(append_await(&append), STATUS_OK);
    cr_assert_leq(append.answered_at_ms, begun_ms + BOUND_MS);
    cr_assert_eq(append.op.home, QUEUE_HOME_SPOOL);
}

/* ---- there ---- */

Test(spooled, while_postgresql_is_there_the_spool_is_not_used)
{
    stream_some(100);
    check_stream();
    for (size_t i = 0; i < stream_length; i++)
        cr_assert_eq(stream[i].op.home, QUEUE_HOME_JOURNAL);
    cr_assert_eq(spooled_stats()->spooled_total, 0);
    cr_assert(spooled_stats()->there && !spooled_stats()->away && !spooled_stats()->full);
}

/* ---- kinds of away ---- */

Test(spooled_cold, away_at_the_start)
{
    struct append buffered;
    spooled_open_workers(1);
    stream_some(20);
    rig_run_until(is_stream_answered);
    append_into_the_spool();
    append_init(&buffered);
    buffered.op.level = JOURNAL_BUFFERED;
    cr_assert_eq(append_now(&buffered), STATUS_OK);
    cr_assert(spooled_stats()->away);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued'"), 21);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'delivered'"), 1);
    cr_assert_eq(spooled_stats()->drained_total, 22);
    submit(&stream[0]);
    cr_assert_eq(append_await(&stream[0]), STATUS_OK);
    cr_assert_eq(stream[0].op.home, QUEUE_HOME_JOURNAL);
}

Test(spooled, notes_are_spooled_and_drained)
{
    static struct append noted, longest;
    static const char octets[DEDUP_NOTE_MAX] = "F\0;\r\n";
    pg_server_stop(&rig.server);
    append_init(&noted);
    noted.record.note = slice_of(octets, 5);
    append_init(&longest);
    longest.record.note = slice_of(octets, sizeof octets);
    cr_assert_eq(append_now(&noted), STATUS_OK);
    cr_assert_eq(append_now(&longest), STATUS_OK);
    append_into_the_spool();
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE note = '\\x46003b0d0a'"), 1);
    cr_assert_eq(spooled_there("SELECT octet_length(note) FROM event ORDER BY 1 DESC NULLS LAST"
                               " LIMIT 1"),
                 (long long)sizeof octets);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE note IS NULL"), 1);
}

Test(spooled, stopped_and_started_in_mid_stream)
{
    stream_some(300);
    pg_server_stop(&rig.server);
    stream_some(300);
    rig_run_until(spooled_is_away);
    stream_some(300);
    rig_run_until(is_stream_answered);
    cr_assert_gt(spooled_stats()->rows, 0);
    cr_assert_gt(spooled_stats()->oldest_at_ms, 0);
    pg_server_run(&rig.server);
    stream_some(300);
    check_stream();
}

Test(spooled, frozen_in_mid_stream)
{
    stream_some(200);
    pg_server_freeze(&rig.server);
    uint64_t begun_ms = loop_now_ms(rig.loop);
    stream_some(200);
    rig_run_until(is_stream_answered);
    for (size_t i = 200; i < 400; i++)
        cr_assert_leq(stream[i].answered_at_ms, begun_ms + BOUND_MS);
    append_into_the_spool();
    pg_server_thaw(&rig.server);
    stream_some(200);
    rig_run_until(spooled_is_empty);
    rig_run_until(is_stream_answered);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 601);
}

Test(spooled, read_only)
{
    execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    end_sessions();
    stream_some(50);
    rig_run_until(is_stream_answered);
    rig_run_until(spooled_is_away);
    stream_some(50);
    rig_run_until(is_stream_answered);
    execute(
        "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT");
    check_stream();
}

Test(spooled, refusing_connections)
{
    execute("ALTER DATABASE postgres CONNECTION LIMIT 0");
    execute("CREATE ROLE guest LOGIN; GRANT pg_read_all_data, pg_write_all_data TO guest");
    spooled_close_workers();
    snprintf(rig.server.url, sizeof rig.server.url, "postgresql://guest@127.0.0.1:%u/postgres",
             rig.server.port);
    spooled_open_workers(1);
    stream_some(50);
    rig_run_until(is_stream_answered);
    append_into_the_spool();
    snprintf(rig.server.url, sizeof rig.server.url, "postgresql://postgres@127.0.0.1:%u/postgres",
             rig.server.port);
    execute("ALTER DATABASE postgres CONNECTION LIMIT -1");
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 51);
}

/* Every insert says what a full disk says. */
static void fill_disk(void)
{
    execute("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;"
            "CREATE TRIGGER full_disk BEFORE INSERT ON event FOR EACH ROW"
            " EXECUTE FUNCTION full_disk()");
}

Test(spooled, disk_full)
{
    fill_disk();
    stream_some(50);
    rig_run_until(spooled_is_away);
    stream_some(50);
    rig_run_until(is_stream_answered);
    rig_run_for(500);
    execute("DROP TRIGGER full_disk ON event");
    check_stream();
}

Test(spooled, what_was_rolled_back_is_not_in_doubt)
{
    fill_disk();
    append_into_the_spool();
    spooled_close_workers();
    cr_assert_eq(spooled_number("SELECT count(*) FROM event WHERE doubtful = 0"), 1);
}

static PGconn *hold(const char *sql)
{
    PGconn *conn = PQconnectdb(rig.server.url);
    PGresult *result = PQexec(conn, sql);
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    return conn;
}

/* The batch whose answer never comes is committed when the lock is gone, by a server that does not
 * know yet that nobody waits for it. */
Test(spooled, a_stalled_commit_that_happens_after_all)
{
    PGconn *holder = hold("BEGIN; LOCK TABLE event IN EXCLUSIVE MODE");
    stream_some(10);
    rig_run_until(is_stream_answered);
    cr_assert_eq(stream[0].op.home, QUEUE_HOME_SPOOL);
    PQfinish(holder);
    check_stream();
}

/* ---- order ---- */

Test(spooled_cold, drained_in_order_beside_new_traffic)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    stream_some(1500);
    rig_run_until(is_stream_answered);
    pg_server_run(&rig.server);
    stream_some(500);
    check_stream();
    cr_assert_geq(spooled_stats()->drained_total, 1500);
    char sql[512], last[UUID_TEXT_LEN + 1] = "";
    uuid_format(&stream[1499].record.event_id, last);
    /* By transaction: rows lie wherever PostgreSQL found room, which another connection's rows
     * leave behind an earlier page, and inside one transaction nobody sees an order. */
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM (SELECT min(id::text) AS first,"
             " lag(max(id::text)) OVER (ORDER BY xmin::text::bigint) AS before FROM event"
             " WHERE id <= '%s' GROUP BY xmin::text::bigint) AS batch WHERE first < before",
             last);
    cr_assert_eq(spooled_there(sql), 0);
    snprintf(sql, sizeof sql, "SELECT count(DISTINCT xmin::text) FROM event WHERE id <= '%s'",
             last);
    cr_assert_gt(spooled_there(sql), 1, "one batch has no order to prove");
}

/* ---- what the drain may meet ---- */

static void spool_some(size_t count)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    stream_some(count);
    rig_run_until(is_stream_answered);
}

Test(spooled_cold, every_column_arrives)
{
    struct append append;
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    append_init(&append);
    append.record.body = SLICE("\0\xff\x01");
    append.record.target = SLICE("/\xfe?x");
    append.record.client = SLICE("2001:db8::1");
    append.record.outcome = SLICE("bypassed");
    cr_assert_eq(append_now(&append), STATUS_OK);
    append_init(&append);
    append.record.has_key = false;
    append.record.window_ends_at_ms = 0;
    cr_assert_eq(append_now(&append), STATUS_OK);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(
        spooled_there(
            "SELECT count(*) FROM event WHERE body = '\\x00ff01' AND target = '\\x2ffe3f78'"
            " AND client = '2001:db8::1' AND outcome = 'bypassed' AND route = 'github'"
            " AND method = 'POST' AND mode = 'proxy' AND state = 'delivered'"
            " AND response_status = 200 AND duration_ms = 12 AND attempts = 1"
            " AND octet_length(key) = 16 AND next_attempt_at IS NULL"
            " AND content_type = 'application/json' AND headers LIKE 'Host: hooks.example.com%'"
            " AND window_ends_at = received_at + interval '1 day'"),
        1);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE key IS NULL"
                               " AND window_ends_at IS NULL"),
                 1);
}

/* Days to come, of which only the first few are there: past ones would be the retention's. */
Test(spooled_cold, days_without_a_partition_are_made)
{
    enum { DAYS = 40 };
    uint64_t today_ms = rig.loop->clock.wall_ms;
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    for (size_t i = 0; i < DAYS; i++) {
        struct append append;
        append_init(&append);
        append.record.event_id = id_at(today_ms + 86400000 * i);
        cr_assert_eq(append_now(&append), STATUS_OK);
    }
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(DISTINCT received_at::date) FROM event"), DAYS);
}

static bool is_refusal_told(void)
{
    return spooled_stats()->refused == 2;
}

Test(spooled, a_row_that_is_refused_for_ever_blocks_no_other_and_is_kept)
{
    struct append bad;
    execute("ALTER TABLE event ADD CONSTRAINT no CHECK (route <> 'bad')");
    pg_server_stop(&rig.server);
    rig_run_until(spooled_is_away);
    stream_some(30);
    append_init(&bad);
    bad.record.route = SLICE("bad");
    cr_assert_eq(append_now(&bad), STATUS_OK);
    append_init(&bad);
    bad.record.route = SLICE("bad");
    cr_assert_eq(append_now(&bad), STATUS_OK);
    stream_some(30);
    rig_run_until(is_stream_answered);
    pg_server_run(&rig.server);
    rig_run_until(is_refusal_told);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 60);
    cr_assert_eq(spooled_stats()->rows, 2);
    spooled_close_workers();
    cr_assert_eq(spooled_number("SELECT count(*) FROM event WHERE route = 'bad'"), 2);
}

Test(spooled_cold, rows_in_postgresql_already_are_left_alone)
{
    spool_some(20);
    spooled_close_workers();
    spooled_execute("CREATE TABLE copies AS SELECT * FROM event");
    pg_server_run(&rig.server);
    spooled_open_workers(1);
    rig_run_until(spooled_is_empty);
    execute("UPDATE event SET state = 'cancelled'");
    spooled_close_workers();
    spooled_execute("INSERT INTO event SELECT * FROM copies");
    spooled_open_workers(1);
    rig_run_until(spooled_is_here);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'cancelled'"), 20);
}

/* ---- counts and keys ---- */

static bool are_counted(void)
{
    return spooled_there("SELECT duplicates FROM event") == 3;
}

Test(spooled_cold, duplicates_are_counted_when_the_event_is_there)
{
    struct append append;
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    for (int i = 0; i < 3; i++)
        journal_count_duplicate(rig.journal, &append.record.event_id,
                                append.record.received_at_ms + 5);
    rig_run_for(200);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    rig_run_until(are_counted);
    cr_assert_eq(rig.journal->stats.duplicates_lost, 0);
}

static size_t keys;
static bool load_ended;

static void on_key(struct journal_load *load, const struct journal_key *key)
{
    (void)load;
    (void)key;
    keys++;
}

static void on_load_ended(struct journal_load *load)
{
    (void)load;
    load_ended = true;
}

static bool has_load_ended(void)
{
    return load_ended;
}

static enum status load_keys(void)
{
    static struct journal_load load;
    load = (struct journal_load){.now_ms = 1, .key = on_key, .ended = on_load_ended};
    keys = 0;
    load_ended = false;
    journal_load_keys(rig.journal, &load);
    cr_assert_not(load_ended, "never from inside");
    rig_run_until(has_load_ended);
    cr_assert_eq(load.keys, keys);
    return load.status;
}

Test(spooled, keys_of_both_are_told)
{
    struct append append;
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    pg_server_stop(&rig.server);
    rig_run_until(spooled_is_away);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(load_keys(), STATUS_UNAVAILABLE);
    cr_assert_eq(keys, 1, "the spool's own");
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(load_keys(), STATUS_OK);
    cr_assert_eq(keys, 2);
}
