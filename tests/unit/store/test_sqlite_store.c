/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite thread's jobs: one transaction for all that write, each with its own answer, and
 * those that read behind them.
 */
#include "sqlite_store.h"

#include "loop_goal.h"
#include "sqlite_db.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[96];
static struct sqlite_store *store;
static struct sqlite_seat seat;
static size_t returned, awaited;

struct job {
    struct sqlite_request request;
    const char *sql;
    enum status answer; /* what `run` says when its statement worked */
    int number;         /* of the last row */
    size_t place;       /* the how many-th to return */
};

static void open_store(void)
{
    char error[256];
    struct sqlite_opts opts = {
        .path = slice_str(path), .retention_s = 86400, .buffer_bytes = 1u << 20};
    cr_assert_eq(sqlite_store_open(&opts, NULL, &store, error), STATUS_OK, "%s", error);
    cr_assert_eq(sqlite_seat_open(&seat, &loop, store), STATUS_OK);
}

static void close_store(void)
{
    sqlite_seat_close(&seat);
    sqlite_store_close(store);
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/postern-sqlite-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/journal.db", folder);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    open_store();
}

static void tear_down(void)
{
    close_store();
    loop_close(&loop);
    unlink(path);
    rmdir(folder);
}

TestSuite(sqlite_store, .init = set_up, .fini = tear_down);

static int keep_number(void *ret, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(int *)ret = values[0] ? (int)strtol(values[0], NULL, 10) : -1;
    return 0;
}

static enum status run_sql(struct sqlite_request *request, struct sqlite_db *db)
{
    struct job *job = container_of(request, struct job, request);
    int code = sqlite3_exec(db->handle, job->sql, keep_number, &job->number, NULL);
    return code == SQLITE_OK ? job->answer : STATUS_UNAVAILABLE;
}

static void on_returned(struct sqlite_request *request)
{
    container_of(request, struct job, request)->place = ++returned;
    check_goal();
}

static bool are_back(void)
{
    return returned == awaited;
}

static void submit(struct job *job)
{
    job->request.run = run_sql;
    job->request.returned = on_returned;
    sqlite_seat_submit(&seat, &job->request);
    awaited++;
}

static enum status await(struct job *job)
{
    submit(job);
    run_until(are_back);
    return job->request.status;
}

static int number(const char *sql)
{
    struct job job = {.sql = sql};
    cr_assert_eq(await(&job), STATUS_OK);
    return job.number;
}

/* Holds the thread, so that what is submitted meanwhile waits for it together. */
static sem_t entered, opened;
static struct job gate;

static enum status run_gate(struct sqlite_request *request, struct sqlite_db *db)
{
    (void)request;
    (void)db;
    sem_post(&entered);
    sem_wait(&opened);
    return STATUS_OK;
}

static void hold_thread(void)
{
    sem_init(&entered, 0, 0);
    sem_init(&opened, 0, 0);
    gate.request.run = run_gate;
    gate.request.returned = on_returned;
    sqlite_seat_submit(&seat, &gate.request);
    awaited++;
    sem_wait(&entered);
}

static void let_go(void)
{
    sem_post(&opened);
    run_until(are_back);
}

#define OWED "INSERT INTO delivery (event_id, received_at, attempt, at) VALUES "

static struct job write_job(const char *sql)
{
    return (struct job){.sql = sql, .request = {.writes = true, .durable = true}};
}

Test(sqlite_store, a_job_that_writes_has_written_when_it_returns)
{
    struct job job = write_job(OWED "(x'01', 1, 1, 1)");
    cr_assert_eq(await(&job), STATUS_OK);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
    close_store();
    open_store();
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_store, a_job_s_own_refusal_harms_nobody)
{
    struct job refused = write_job("SELECT 1"), good = write_job(OWED "(x'02', 1, 1, 1)");
    refused.answer = STATUS_REFUSED;
    hold_thread();
    submit(&refused);
    submit(&good);
    let_go();
    cr_assert_eq(refused.request.status, STATUS_REFUSED);
    cr_assert_eq(good.request.status, STATUS_OK);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_store, a_failed_transaction_takes_all_of_it_back)
{
    struct job good = write_job(OWED "(x'03', 1, 1, 1)"), unrun = write_job("SELECT 1");
    struct job bad = write_job("INSERT INTO nowhere VALUES (1)");
    hold_thread();
    submit(&good);
    submit(&bad);
    submit(&unrun);
    let_go();
    cr_assert_eq(good.request.status, STATUS_UNAVAILABLE);
    cr_assert_eq(bad.request.status, STATUS_UNAVAILABLE);
    cr_assert_eq(unrun.request.status, STATUS_UNAVAILABLE);
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 0);
    cr_assert_eq(await(&good), STATUS_OK, "it can be sent again");
    cr_assert_eq(number("SELECT count(*) FROM delivery"), 1);
}

Test(sqlite_store, reads_come_after_the_writes_they_waited_with)
{
    struct job read = {.sql = "SELECT count(*) FROM delivery"};
    struct job wrote = write_job(OWED "(x'04', 1, 1, 1)");
    hold_thread();
    submit(&read);
    submit(&wrote);
    let_go();
    cr_assert_eq(read.number, 1);
    cr_assert_lt(wrote.place, read.place);
}

Test(sqlite_store, a_read_that_fails_fails_alone)
{
    struct job bad = {.sql = "SELECT * FROM nowhere"}, good = {.sql = "SELECT 7"};
    hold_thread();
    submit(&bad);
    submit(&good);
    let_go();
    cr_assert_eq(bad.request.status, STATUS_UNAVAILABLE);
    cr_assert_eq(good.request.status, STATUS_OK);
    cr_assert_eq(good.number, 7);
}

Test(sqlite_store, a_job_may_be_submitted_again)
{
    struct job job = {.sql = "SELECT 1"};
    for (int i = 0; i < 100; i++)
        cr_assert_eq(await(&job), STATUS_OK);
    cr_assert_eq(returned, 100);
}
