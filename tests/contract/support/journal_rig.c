/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the journal suites: opens and closes journals, appends, asks the database.
 */
#include "journal_rig.h"

#include "loop_goal.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct journal_rig rig;

static struct uuid_source ids;
static size_t closed;
static size_t open_fronts;

void rig_run_until(bool (*reached)(void))
{
    run_until(reached);
}

static uint64_t wanted_ms;

static bool is_late_enough(void)
{
    return loop_now_ms(&loop) >= wanted_ms;
}

void rig_run_for(uint64_t span_ms)
{
    wanted_ms = loop_now_ms(&loop) + span_ms;
    run_until(is_late_enough);
}

bool rig_is_up(void)
{
    return rig.up;
}

bool rig_is_down(void)
{
    return rig.told > 0 && !rig.up;
}

bool rig_is_idle(void)
{
    for (size_t i = 0; i < open_fronts; i++)
        if (rig.fronts[i]->stats.pending_rows > 0)
            return false;
    return true;
}

/* ---- opening ---- */

static void prepare_loop(void)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    rig.loop = &loop;
    uuid_source_init(&ids);
}

void rig_make_folder(void)
{
    snprintf(rig.folder, sizeof rig.folder, "/tmp/postern-journal-XXXXXX");
    cr_assert_not_null(mkdtemp(rig.folder));
}

void rig_prepare_sqlite(void)
{
    prepare_loop();
    rig.is_sqlite = true;
    if (!rig.folder[0])
        rig_make_folder();
    snprintf(rig.path, sizeof rig.path, "%s/journal.db", rig.folder);
    rig.sqlite = (struct sqlite_opts){.path = slice_str(rig.path),
                                      .retention_s = 7 * 86400,
                                      .buffer_bytes = 64u << 20,
                                      .flush_interval_ms = 50};
}

void rig_prepare_postgres(void)
{
    pg_server_make(&rig.server);
    prepare_loop(); /* after what takes long: a loop's clock stands while it does not run */
    rig.postgres = (struct pg_opts){.url = slice_str(rig.server.url),
                                    .timeout_ms = 2000,
                                    .flush_interval_ms = 50,
                                    .retention_s = 7 * 86400,
                                    .buffer_bytes = 64u << 20,
                                    .housekeeper = true};
}

static void on_changed(void *arg, bool up, struct slice detail)
{
    (void)arg;
    rig.up = up;
    rig.told++;
    snprintf(rig.detail, sizeof rig.detail, "%.*s", (int)detail.len, detail.data);
    check_goal();
}

static void open_sqlite_fronts(size_t count)
{
    char error[256];
    cr_assert_eq(sqlite_store_open(&rig.sqlite, NULL, &rig.store, error), STATUS_OK, "%s", error);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(journal_sqlite_open(&loop, rig.store, &(struct uuid){{1}}, &rig.fronts[i]),
                     STATUS_OK);
    rig.up = true;
}

/* The first one is the housekeeper, if the options say so. */
static void open_postgres_fronts(size_t count)
{
    struct pg_listener listener = {.changed = on_changed};
    struct pg_opts opts = rig.postgres;
    rig.up = false;
    rig.told = 0;
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(journal_postgres_open(&loop, &opts, listener, &rig.fronts[i]), STATUS_OK);
        opts.housekeeper = false;
    }
}

void rig_open_fronts(size_t count)
{
    if (rig.is_sqlite)
        open_sqlite_fronts(count);
    else
        open_postgres_fronts(count);
    rig.journal = rig.fronts[0];
    open_fronts = count;
}

void rig_open_sqlite(void)
{
    rig_prepare_sqlite();
    rig_open_fronts(1);
}

void rig_open_postgres(void)
{
    rig_prepare_postgres();
    pg_server_run(&rig.server);
    rig_open_fronts(1);
    run_until(rig_is_up);
}

/* ---- closing ---- */

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
    check_goal();
}

static bool are_closed(void)
{
    return closed == open_fronts;
}

void rig_close_fronts(void)
{
    closed = 0;
    for (size_t i = 0; i < open_fronts; i++)
        rig.fronts[i]->backend->close(rig.fronts[i], on_closed, NULL);
    run_until(are_closed);
    open_fronts = 0;
    rig.journal = NULL;
    if (rig.store)
        sqlite_store_close(rig.store);
    rig.store = NULL;
}

static void remove_files(void)
{
    char name[128];
    const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", rig.path, ends[i]);
        unlink(name);
    }
    rmdir(rig.folder);
}

/* The server first: after a failed test nothing else may work. */
void rig_close(void)
{
    if (!rig.is_sqlite)
        pg_server_remove(&rig.server);
    if (open_fronts > 0)
        rig_close_fronts();
    cr_assert_eq(loop.deadlines.count, 0);
    loop_close(&loop);
    if (rig.is_sqlite)
        remove_files();
}

/* ---- asking ---- */

static size_t drains;

static void on_drained(void *arg)
{
    (void)arg;
    drains++;
    check_goal();
}

static bool are_drained(void)
{
    return drains == open_fronts;
}

bool rig_drain(void)
{
    drains = 0;
    for (size_t i = 0; i < open_fronts; i++)
        journal_drain(rig.fronts[i], loop_now_ms(&loop) + 10000, on_drained, NULL);
    run_until(are_drained);
    return rig_is_idle();
}

static long long ask_file(const char *sql, struct slice bytes)
{
    struct sqlite3 *handle;
    struct sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    if (bytes.data)
        sqlite3_bind_blob64(statement, 1, bytes.data, bytes.len, SQLITE_STATIC);
    int code = sqlite3_step(statement);
    cr_assert(code == SQLITE_ROW || code == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(handle));
    bool none = code == SQLITE_DONE || sqlite3_column_type(statement, 0) == SQLITE_NULL;
    long long number = none ? -1 : sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return number;
}

long long rig_number_of(const char *sql, struct slice bytes)
{
    if (!rig.is_sqlite)
        return pg_server_number(&rig.server, sql, bytes);
    size_t count = open_fronts;
    if (count > 0) {
        cr_assert(rig_drain());
        rig_close_fronts();
    }
    long long number = ask_file(sql, bytes);
    if (count > 0)
        rig_open_fronts(count);
    return number;
}

long long rig_number(const char *sql)
{
    return rig_number_of(sql, (struct slice){0});
}

/* ---- appending ---- */

struct uuid new_id(void)
{
    return uuid_v7(&ids, loop.clock.wall_ms);
}

struct uuid id_at(uint64_t ms)
{
    struct uuid_source other;
    uuid_source_init(&other);
    return uuid_v7(&other, ms);
}

static void on_answered(struct journal_op *op)
{
    struct append *append = container_of(op, struct append, op);
    append->answers++;
    append->answered_at_ms = loop_now_ms(&loop);
    check_goal();
}

void append_init(struct append *append)
{
    static char body[1024];
    memset(body, 'b', sizeof body);
    *append = (struct append){.op = {.level = JOURNAL_DURABLE, .answered = on_answered}};
    append->record = (struct journal_record){
        .event_id = new_id(),
        .route = SLICE("github"),
        .has_key = true,
        .method = SLICE("POST"),
        .target = SLICE("/github/1?a=b"),
        .headers = SLICE("Host: hooks.example.com\r\nX-GitHub-Delivery: 1\r\n"),
        .content_type = SLICE("application/json"),
        .body = slice_of(body, sizeof body),
        .client = SLICE("192.0.2.7"),
        .mode = SLICE("proxy"),
        .state = SLICE("delivered"),
        .outcome = SLICE("accepted"),
        .response_status = 200,
        .duration_ms = 12,
    };
    append->record.received_at_ms = uuid_time_ms(&append->record.event_id);
    append->record.window_ends_at_ms = append->record.received_at_ms + 86400000;
    memcpy(append->record.key.digest, append->record.event_id.bytes, EVENT_KEY_BYTES);
}

bool append_submit(struct append *append)
{
    append->op.record = &append->record;
    append->answers = 0;
    return journal_append(rig.journal, &append->op) == OP_PENDING;
}

static struct append *awaited;

static bool is_answered(void)
{
    return awaited->answers > 0;
}

enum status append_await(struct append *append)
{
    awaited = append;
    run_until(is_answered);
    cr_assert_eq(append->answers, 1);
    return append->op.status;
}

enum status append_now(struct append *append)
{
    return append_submit(append) ? append_await(append) : append->op.status;
}

void append_many(size_t count)
{
    struct append append;
    append_init(&append);
    append.op.level = JOURNAL_BUFFERED;
    for (size_t i = 0; i < count; i++) {
        append.record.event_id = new_id();
        memcpy(append.record.key.digest, append.record.event_id.bytes, EVENT_KEY_BYTES);
        cr_assert_not(append_submit(&append));
        cr_assert_eq(append.op.status, STATUS_OK);
    }
}
