/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's contract, the same tests against SQLite and PostgreSQL. What only one of them can
 * show is in journal_sqlite.c and journal_postgres.c.
 */
#include "support/journal_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(sqlite, .init = rig_open_sqlite, .fini = rig_close);
TestSuite(postgres, .init = rig_open_postgres, .fini = rig_close);

#define BOTH(name)                                                                                 \
    static void name(void);                                                                        \
    Test(sqlite, name)                                                                             \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    Test(postgres, name)                                                                           \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    static void name(void)

/* ---- appending ---- */

BOTH(each_level_is_answered)
{
    struct append buffered, written, durable;
    append_init(&buffered);
    append_init(&written);
    append_init(&durable);
    buffered.op.level = JOURNAL_BUFFERED;
    written.op.level = JOURNAL_WRITTEN;
    cr_assert_not(append_submit(&buffered));
    cr_assert_eq(buffered.op.status, STATUS_OK);
    cr_assert(append_submit(&written));
    cr_assert(append_submit(&durable));
    cr_assert_eq(written.answers + durable.answers, 0, "never from inside");
    cr_assert_eq(append_await(&written), STATUS_OK);
    cr_assert_eq(append_await(&durable), STATUS_OK);
    cr_assert_eq(buffered.answers, 0);
    cr_assert_eq(rig.journal->stats.rows, 3);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 3);
}

BOTH(buffered_rows_are_written_within_the_interval)
{
    append_many(3);
    rig_run_until(rig_is_idle);
    cr_assert_eq(rig.journal->stats.rows, 3);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 3);
}

static void assert_bytes(const char *column, struct slice bytes)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE %s = $1", column);
    cr_assert_eq(rig_number_of(sql, bytes), 1, "%s", column);
}

BOTH(a_senders_bytes_are_kept)
{
    struct append append;
    append_init(&append);
    append.record.body = SLICE("\0\1\xff\xfe{\"a\":\"\\u0000\xc3\x28\"}\0");
    append.record.headers = SLICE("X: \xff\r\nY: \0z\r\n");
    append.record.target = SLICE("/\xc3\x28?%00=\xf0");
    append.record.content_type = SLICE("text/\xe4");
    cr_assert_eq(append_now(&append), STATUS_OK);
    assert_bytes("body", append.record.body);
    assert_bytes("headers", append.record.headers);
    assert_bytes("target", append.record.target);
    assert_bytes("content_type", append.record.content_type);
    assert_bytes("key", slice_of(append.record.key.digest, EVENT_KEY_BYTES));
}

BOTH(the_other_columns_are_what_was_given)
{
    struct append append;
    append_init(&append);
    append.record.duration_ms = UINT32_MAX;
    append.record.response_status = 599;
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE route = 'github' AND method = 'POST'"
                            " AND client = '192.0.2.7' AND mode = 'proxy'"
                            " AND state = 'delivered' AND outcome = 'accepted'"
                            " AND response_status = 599 AND duration_ms = 4294967295"
                            " AND attempts = 1 AND duplicates = 0"
                            " AND last_duplicate_at IS NULL AND last_error IS NULL"),
                 1);
}

BOTH(an_event_without_a_key_has_none)
{
    struct append append;
    append_init(&append);
    append.record.has_key = false;
    append.record.window_ends_at_ms = 0;
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(
        rig_number("SELECT count(*) FROM event WHERE key IS NULL AND window_ends_at IS NULL"), 1);
}

static const char octets[DEDUP_NOTE_MAX] = "F\0;\r\n";

BOTH(a_note_is_kept_and_none_is_null)
{
    struct append none, some, longest;
    append_init(&none);
    append_init(&some);
    append_init(&longest);
    some.record.note = slice_of(octets, 5);
    longest.record.note = slice_of(octets, sizeof octets);
    cr_assert_eq(append_now(&none), STATUS_OK);
    cr_assert_eq(append_now(&some), STATUS_OK);
    cr_assert_eq(append_now(&longest), STATUS_OK);
    assert_bytes("note", some.record.note);
    assert_bytes("note", longest.record.note);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE note IS NULL"), 1);
}

BOTH(bodies_from_nothing_to_ten_mebibytes)
{
    static const size_t sizes[] = {0, 1, 1 << 20, 10 << 20};
    struct append appends[4];
    for (size_t i = 0; i < 4; i++) {
        append_init(&appends[i]);
        char *body = malloc(sizes[i] + 1);
        memset(body, (int)i, sizes[i]);
        appends[i].record.body = slice_of(body, sizes[i]);
        cr_assert(append_submit(&appends[i]));
        memset(body, 0xee, sizes[i]); /* copied by now */
        free(body);
    }
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(append_await(&appends[i]), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE length(body) = 0"), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE length(body) = 1048576"), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE length(body) = 10485760"), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 4);
}

BOTH(the_same_event_again_changes_nothing)
{
    struct append append;
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    append.record.body = SLICE("another");
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event WHERE length(body) = 1024"), 1);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 1);
}

/* ---- group commit ---- */

BOTH(ten_thousand_rows_in_few_batches)
{
    enum { TURNS = 100, ROWS = 100 };
    static struct append appends[TURNS * ROWS];
    for (size_t turn = 0; turn < TURNS; turn++) {
        for (size_t i = turn * ROWS; i < (turn + 1) * ROWS; i++) {
            append_init(&appends[i]);
            cr_assert(append_submit(&appends[i]));
        }
        rig_run_for(1);
    }
    rig_run_until(rig_is_idle);
    rig_run_for(1);
    for (size_t i = 0; i < TURNS * ROWS; i++) {
        cr_assert_eq(appends[i].answers, 1);
        cr_assert_eq(appends[i].op.status, STATUS_OK);
    }
    cr_assert_eq(rig.journal->stats.rows, TURNS * ROWS);
    cr_assert_leq(rig.journal->stats.batches, TURNS + 1);
    cr_assert_eq(rig.journal->stats.pending_bytes, 0);
    cr_assert_eq(rig.journal->stats.oldest_pending_ms, 0);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), TURNS * ROWS);
}

/* ---- duplicates ---- */

BOTH(duplicates_are_folded_into_their_event)
{
    struct append append;
    append_init(&append);
    uint64_t at_ms = append.record.received_at_ms;
    /* Before its event, which is not even appended yet, and after it. */
    for (int i = 0; i < 5; i++)
        journal_count_duplicate(rig.journal, &append.record.event_id, at_ms + 7);
    cr_assert_eq(append_now(&append), STATUS_OK);
    for (int i = 0; i < 3; i++)
        journal_count_duplicate(rig.journal, &append.record.event_id, at_ms + 9);
    cr_assert(rig_drain());
    cr_assert_eq(rig_number("SELECT duplicates FROM event"), 8);
    cr_assert_eq(rig_number(rig.is_sqlite ? "SELECT last_duplicate_at - received_at FROM event"
                                          : "SELECT extract(milliseconds FROM"
                                            " last_duplicate_at - received_at)::int FROM event"),
                 9);
}

static struct uuid late_event;

static bool is_counted(void)
{
    return pg_server_number(&rig.server, "SELECT coalesce(max(duplicates), 0) FROM event",
                            (struct slice){0}) == 1;
}

BOTH(a_duplicate_before_its_events_commit_is_counted_later)
{
    struct append append;
    append_init(&append);
    late_event = append.record.event_id;
    journal_count_duplicate(rig.journal, &late_event, append.record.received_at_ms);
    cr_assert(rig_drain(), "the count has been sent, and found no event");
    cr_assert_eq(append_now(&append), STATUS_OK);
    if (rig.is_sqlite)
        rig_run_for(1500); /* asking would close the journal that holds the count */
    else
        rig_run_until(is_counted);
    cr_assert_eq(rig.journal->stats.duplicates_lost, 0);
    cr_assert_eq(rig_number("SELECT duplicates FROM event"), 1);
}

/* ---- loading keys ---- */

static struct journal_load load;
static bool load_ended;
static uint64_t digest_sum, note_sum;
static struct journal_key last_key;
static char last_note[16]; /* its first octets */

static void on_key(struct journal_load *self, const struct journal_key *key)
{
    cr_assert_eq(self, &load);
    digest_sum += key->key.digest[15];
    note_sum += key->note.len;
    last_key = *key;
    memcpy(last_note, key->note.data,
           key->note.len < sizeof last_note ? key->note.len : sizeof last_note);
}

static void on_load_ended(struct journal_load *self)
{
    (void)self;
    load_ended = true;
}

static bool has_ended(void)
{
    return load_ended;
}

static void load_all(uint64_t now_ms)
{
    load = (struct journal_load){.now_ms = now_ms, .key = on_key, .ended = on_load_ended};
    load_ended = false;
    digest_sum = note_sum = 0;
    journal_load_keys(rig.journal, &load);
    cr_assert_not(load_ended, "never from inside");
    rig_run_until(has_ended);
}

BOTH(loading_tells_each_key_of_an_open_window)
{
    enum { KEYS = 5000 };
    struct append append;
    append_init(&append);
    append.op.level = JOURNAL_BUFFERED;
    uint64_t now_ms = append.record.received_at_ms, expected = 0;
    for (size_t i = 0; i < KEYS; i++) {
        append.record.event_id = new_id();
        append.record.has_key = i % 10 != 0;
        append.record.key.digest[15] = (uint8_t)(i % 251);
        append.record.window_ends_at_ms = now_ms + 1 + i / 1000;
        expected += append.record.has_key ? i % 251 : 0;
        cr_assert_not(append_submit(&append));
    }
    cr_assert(rig_drain());
    load_all(now_ms);
    cr_assert_eq(load.status, STATUS_OK);
    cr_assert_eq(load.keys, KEYS / 10 * 9);
    cr_assert_eq(digest_sum, expected);
    load_all(now_ms + 4);
    cr_assert_eq(load.keys, 900, "a window that ends at now is over");
    load_all(now_ms + 5);
    cr_assert_eq(load.keys, 0);
}

BOTH(a_loaded_key_is_whole)
{
    struct append append;
    append_init(&append);
    append.record.response_status = 204;
    cr_assert_eq(append_now(&append), STATUS_OK);
    load_all(append.record.received_at_ms);
    cr_assert_eq(load.keys, 1);
    cr_assert_eq(memcmp(&last_key.key, &append.record.key, sizeof last_key.key), 0);
    cr_assert(uuid_eq(&last_key.event_id, &append.record.event_id));
    cr_assert_eq(last_key.status, 204);
    cr_assert_eq(last_key.accepted_at_ms, append.record.received_at_ms);
    cr_assert_eq(last_key.window_ends_at_ms, append.record.window_ends_at_ms);
    cr_assert_eq(last_key.note.len, 0);
}

BOTH(a_loaded_key_tells_its_note)
{
    struct append append;
    append_init(&append);
    append.record.note = slice_of(octets, 5);
    cr_assert_eq(append_now(&append), STATUS_OK);
    load_all(append.record.received_at_ms);
    cr_assert_eq(load.keys, 1);
    cr_assert_eq(last_key.note.len, 5);
    cr_assert_eq(memcmp(last_note, octets, 5), 0);
}

/* More than is read in one go. */
BOTH(long_notes_are_loaded_all)
{
    enum { KEYS = 20 };
    struct append append;
    for (size_t i = 0; i < KEYS; i++) {
        append_init(&append);
        append.record.note = slice_of(octets, i % 4 ? sizeof octets : 0);
        cr_assert_eq(append_now(&append), STATUS_OK);
    }
    load_all(append.record.received_at_ms - 60000);
    cr_assert_eq(load.status, STATUS_OK);
    cr_assert_eq(load.keys, KEYS);
    cr_assert_eq(note_sum, KEYS / 4 * 3 * sizeof octets);
}

BOTH(appends_go_on_during_a_load)
{
    append_many(5000);
    cr_assert(rig_drain());
    load = (struct journal_load){.now_ms = 1, .key = on_key, .ended = on_load_ended};
    load_ended = false;
    journal_load_keys(rig.journal, &load);
    struct append append;
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    rig_run_until(has_ended);
    cr_assert_geq(load.keys, 5000);
}

BOTH(closing_ends_a_load)
{
    append_many(5000);
    cr_assert(rig_drain());
    load = (struct journal_load){.now_ms = 1, .key = on_key, .ended = on_load_ended};
    load_ended = false;
    journal_load_keys(rig.journal, &load);
    rig_close_fronts();
    cr_assert(load_ended);
    cr_assert_eq(load.status, STATUS_UNAVAILABLE);
}

/* ---- the end ---- */

BOTH(drained_is_told_when_all_is_committed)
{
    append_many(5000);
    cr_assert_gt(rig.journal->stats.pending_rows, 0);
    cr_assert(rig_drain());
    cr_assert_eq(rig.journal->stats.rows, 5000);
    cr_assert_eq(rig.journal->stats.dropped, 0);
    append_many(1);
    cr_assert(rig_drain(), "appending goes on, and so does draining");
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 5001);
}

BOTH(closing_answers_what_is_pending)
{
    struct append appends[3];
    for (size_t i = 0; i < 3; i++) {
        append_init(&appends[i]);
        cr_assert(append_submit(&appends[i]));
    }
    rig_close_fronts();
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(appends[i].answers, 1);
        cr_assert_eq(appends[i].op.status, STATUS_UNAVAILABLE);
    }
}

BOTH(closing_right_after_opening)
{
    rig_close_fronts();
    rig_open_fronts(1);
    rig_close_fronts();
}

static size_t rows_of_all(void)
{
    size_t rows = 0;
    for (size_t i = 0; i < RIG_FRONTS; i++)
        rows += rig.fronts[i]->stats.rows;
    return rows;
}

static bool have_400_rows(void)
{
    return rows_of_all() == 400;
}

BOTH(several_workers_share_the_database)
{
    rig_close_fronts();
    rig_open_fronts(RIG_FRONTS);
    for (size_t i = 0; i < RIG_FRONTS; i++) {
        rig.journal = rig.fronts[i];
        append_many(100);
    }
    rig_run_until(have_400_rows);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 400);
}
