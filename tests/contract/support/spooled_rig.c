/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the spool's suites: opens and closes workers on one PostgreSQL and one spool.
 */
#include "spooled_rig.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct spooled_rig spooled;

/* ---- opening ---- */

void spooled_rig_prepare(void)
{
    rig_prepare_postgres();
    rig.postgres.timeout_ms = 1500;
    snprintf(spooled.folder, sizeof spooled.folder, "/tmp/postern-spool-XXXXXX");
    cr_assert_not_null(mkdtemp(spooled.folder));
    snprintf(spooled.path, sizeof spooled.path, "%s/spool.db", spooled.folder);
    spooled.spool = (struct sqlite_opts){.path = slice_str(spooled.path),
                                         .buffer_bytes = 64u << 20,
                                         .flush_interval_ms = 50,
                                         .spool = true};
}

static void ignore_change(void *arg, bool up, struct slice detail)
{
    (void)arg;
    (void)up;
    (void)detail;
}

static void open_worker(size_t index)
{
    static struct uuid_source owners;
    struct spooled_worker *worker = &spooled.workers[index];
    struct pg_listener listener = {.changed = ignore_change};
    struct pg_opts opts = rig.postgres;
    if (index == 0 && spooled.count == 0)
        uuid_source_init(&owners);
    worker->owner = opts.owner = uuid_v7(&owners, rig.loop->clock.wall_ms);
    opts.housekeeper = index == 0 && !spooled.is_quiet;
    struct spooled_opts both = {.store = spooled.store,
                                .owner = worker->owner,
                                .drains = index == 0,
                                .url = opts.url,
                                .timeout_ms = opts.timeout_ms};
    cr_assert_eq(journal_postgres_open(rig.loop, &opts, listener, &both.journal), STATUS_OK);
    cr_assert_eq(queue_postgres_open(rig.loop, &opts, listener, &both.queue), STATUS_OK);
    cr_assert_eq(spooled_open(rig.loop, &both, &worker->journal, &worker->queue), STATUS_OK);
    worker->there_journal = both.journal;
    worker->there_queue = both.queue;
    qrig.queues[index] = worker->queue;
    spooled.count++;
}

void spooled_open_workers(size_t count)
{
    char error[256];
    cr_assert_eq(sqlite_store_open(&spooled.spool, NULL, &spooled.store, error), STATUS_OK, "%s",
                 error);
    for (size_t i = 0; i < count; i++)
        open_worker(i);
    rig.journal = spooled.workers[0].journal;
}

void spooled_rig_open(void)
{
    spooled_rig_prepare();
    pg_server_run(&rig.server);
    spooled_open_workers(1);
    rig_run_until(spooled_is_here);
}

/* ---- closing ---- */

static size_t open_halves;

static void on_closed(void *arg)
{
    (void)arg;
    open_halves--;
}

static bool are_closed(void)
{
    return open_halves == 0;
}

void spooled_close_workers(void)
{
    open_halves = 2 * spooled.count;
    for (size_t i = 0; i < spooled.count; i++) {
        struct spooled_worker *worker = &spooled.workers[i];
        worker->journal->backend->close(worker->journal, on_closed, NULL);
        worker->queue->backend->close(worker->queue, on_closed, NULL);
        qrig.queues[i] = NULL;
    }
    rig_run_until(are_closed);
    spooled.count = 0;
    rig.journal = NULL;
    if (spooled.store)
        sqlite_store_close(spooled.store);
    spooled.store = NULL;
}

void spooled_reopen_quietly(void)
{
    spooled_close_workers();
    spooled.is_quiet = true;
    spooled_open_workers(1);
    rig_run_until(spooled_is_here);
}

static void remove_folder(void)
{
    char command[128];
    if (strncmp(spooled.folder, "/tmp/postern-spool-", 19) != 0)
        return;
    snprintf(command, sizeof command, "rm -rf %s", spooled.folder);
    cr_assert(system(command) == 0);
}

/* The server first: after a failed test nothing else may work. */
void spooled_rig_close(void)
{
    pg_server_remove(&rig.server);
    spooled_close_workers();
    remove_folder();
    rig_close();
}

/* ---- asking ---- */

static struct sqlite3 *open_file(void)
{
    struct sqlite3 *handle;
    cr_assert_null(spooled.store);
    cr_assert_eq(sqlite3_open(spooled.path, &handle), SQLITE_OK);
    return handle;
}

void spooled_execute(const char *sql)
{
    struct sqlite3 *handle = open_file();
    cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

long long spooled_number(const char *sql)
{
    struct sqlite3 *handle = open_file();
    struct sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql,
                 sqlite3_errmsg(handle));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    long long number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return number;
}

const struct spool_stats *spooled_stats(void)
{
    return &spooled.workers[0].journal->stats.spool;
}

bool spooled_is_here(void)
{
    for (size_t i = 0; i < spooled.count; i++)
        if (spooled.workers[i].journal->stats.spool.away ||
            !spooled.workers[i].there_journal->stats.up ||
            !spooled.workers[i].there_queue->stats.up)
            return false;
    return true;
}

bool spooled_is_away(void)
{
    for (size_t i = 0; i < spooled.count; i++)
        if (!spooled.workers[i].journal->stats.spool.away)
            return false;
    return true;
}

bool spooled_is_empty(void)
{
    return spooled_stats()->rows == 0 && spooled_is_here();
}

long long spooled_there(const char *sql)
{
    return pg_server_number(&rig.server, sql, (struct slice){0});
}
