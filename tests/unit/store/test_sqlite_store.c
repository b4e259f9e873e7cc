/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite thread's jobs: one transaction for all that write, each with its own answer, and
 * those that read behind them; and a file that is full.
 */
#include "sqlite_store.h"

#include "loop_goal.h"
#include "sqlite_db.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char folder[64], path[96];
static struct sqlite_store *store;
static struct uuid_source ids;
static struct sqlite_seat seat;
static size_t returned, awaited;

struct job {
    struct sqlite_request request;
    const char *sql;
    enum status answer; /* what `run` says when its statement worked */
    int number;         /* of the last row */
    size_t place;       /* the how many-th to return */
};

static struct sqlite_opts opts;

static void open_store(void)
{
    char error[256];
    opts.path = slice_str(path);
    opts.retention_s = 86400;
    opts.buffer_bytes = 1u << 20;
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
    uuid_source_init(&ids);
    open_store();
}

static void tear_down(void)
{
    close_store();
    loop_close(&loop);
    unlink(path);
    rmdir(folder); /* fails where it is mounted: the mount ends with this process */
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

/* ---- room ---- */

static const struct uuid owner = {{7}};

static void on_committed(struct journal_op *op)
{
    (void)op;
}

/* A batch of one durable row. */
static enum status append(size_t body_bytes)
{
    static char body[1 << 20];
    struct batch *batch = batch_new(0);
    struct journal_record record = {.event_id = uuid_v7(&ids, 1700000000000u),
                                    .route = SLICE("r"),
                                    .state = SLICE("queued"),
                                    .queued = true,
                                    .body = slice_of(body, body_bytes)};
    struct journal_op op = {.record = &record, .level = JOURNAL_DURABLE, .answered = on_committed};
    struct job job = {.request = {.batch = batch, .owner = &owner, .returned = on_returned}};
    cr_assert(batch_add(batch, &op, batch_row_cost(&record), 0));
    sqlite_seat_submit(&seat, &job.request);
    awaited++;
    run_until(are_back);
    batch_free(batch);
    return job.request.status;
}

static unsigned append_until_refused(void)
{
    unsigned rows = 0;
    while (append(20000) == STATUS_OK)
        cr_assert_lt(++rows, 1000);
    return rows;
}

static bool is_full(void)
{
    return sqlite_store_is_full(store);
}

static bool has_room(void)
{
    return !sqlite_store_is_full(store);
}

static void open_capped(uint64_t max_bytes)
{
    close_store();
    opts.spool = true;
    opts.max_bytes = max_bytes;
    open_store();
}

Test(sqlite_store, at_the_cap_appends_are_refused_and_all_else_goes_on)
{
    struct spool_stats stats;
    open_capped(2u << 20);
    cr_assert(has_room());
    unsigned rows = append_until_refused();
    cr_assert_gt(rows, 10);
    cr_assert(is_full());
    cr_assert_eq(append(1), STATUS_FULL, "also a small one");
    sqlite_store_spool_stats(store, &stats);
    cr_assert(stats.there && stats.full && !stats.set_aside);
    cr_assert_eq(stats.rows, rows);
    cr_assert_eq(stats.oldest_at_ms, 1700000000000u);
    cr_assert_leq(stats.bytes, opts.max_bytes);
    struct job outcome = write_job("UPDATE event SET state = 'delivered'");
    cr_assert_eq(await(&outcome), STATUS_OK);
    struct job deletion = write_job("DELETE FROM event WHERE id IS NOT NULL");
    cr_assert_eq(await(&deletion), STATUS_OK);
    run_until(has_room);
    cr_assert_eq(append(20000), STATUS_OK);
    sqlite_store_spool_stats(store, &stats);
    cr_assert_eq(stats.rows, 1);
    cr_assert_not(stats.full);
}

Test(sqlite_store, it_is_full_again_when_it_is_opened_full)
{
    open_capped(2u << 20);
    unsigned rows = append_until_refused();
    close_store();
    opts.max_bytes = 1u << 20;
    open_store();
    cr_assert(is_full());
    cr_assert_eq(number("SELECT count(*) FROM event"), (int)rows);
}

/* ---- a disk that is full ---- */

/* A file system of a megabyte, or where mounting is not permitted, files of a megabyte. */
static void make_disk_small(void)
{
    close_store();
    bool is_mounted = unshare(CLONE_NEWNS) == 0 &&
                      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                      mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0;
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_mounted ? limit.rlim_cur : 1u << 20;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    open_store();
}

Test(sqlite_store, a_full_disk_fails_appends_and_spares_what_is_there)
{
    make_disk_small();
    unsigned rows = 0;
    enum status status;
    while ((status = append(20000)) == STATUS_OK)
        cr_assert_lt(++rows, 100);
    cr_assert_eq(status, STATUS_UNAVAILABLE);
    cr_assert_gt(rows, 3);
    cr_assert(is_full(), "for a moment nobody tries again");
    cr_assert_eq(append(20000), STATUS_FULL);
    cr_assert_eq(number("SELECT count(*) FROM event"), (int)rows);
    close_store();
    open_store();
    cr_assert_eq(number("SELECT count(*) FROM event"), (int)rows, "what was told is there");
}

Test(sqlite_store, the_floor_of_the_disk_comes_before_its_end)
{
    opts.min_free_bytes = 300000;
    make_disk_small();
    struct statvfs disk;
    cr_assert_eq(statvfs(folder, &disk), 0);
    if ((uint64_t)disk.f_blocks * disk.f_frsize > 2u << 20) { /* not ours alone */
        opts.min_free_bytes = UINT64_MAX;
        close_store();
        open_store();
    }
    unsigned rows = 0;
    enum status status;
    while ((status = append(20000)) == STATUS_OK && rows < 100)
        rows++;
    cr_assert_eq(status, STATUS_FULL);
    struct job outcome = write_job(OWED "(x'05', 1, 1, 1)");
    cr_assert_eq(await(&outcome), STATUS_OK);
}
