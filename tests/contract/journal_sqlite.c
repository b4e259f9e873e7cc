/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the SQLite journal can show: its file, its thread, and a process that is killed.
 */
#include "support/journal_rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(journal_sqlite, .init = rig_open_sqlite, .fini = rig_close);

/* Runs statements on the file while the journal is closed. */
static void execute(const char *sql)
{
    struct sqlite3 *handle;
    rig_close_fronts();
    cr_assert_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(handle));
    sqlite3_close(handle);
    rig_open_fronts(1);
}

static void assert_second_is_refused(void)
{
    struct sqlite_store *second;
    char error[256];
    cr_assert_eq(sqlite_store_open(&rig.sqlite, NULL, &second, error), STATUS_UNAVAILABLE);
    cr_assert_not_null(strstr(error, "another process has it open"), "%s", error);
}

Test(journal_sqlite, a_second_opener_is_refused)
{
    int result;
    assert_second_is_refused();
    pid_t child = fork();
    if (child == 0) {
        struct sqlite_store *second;
        char error[256];
        _exit(sqlite_store_open(&rig.sqlite, NULL, &second, error) == STATUS_UNAVAILABLE ? 0 : 1);
    }
    cr_assert(waitpid(child, &result, 0) == child && result == 0);
    struct append append;
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
}

Test(journal_sqlite, a_refused_row_is_alone)
{
    enum { COUNT = 100 };
    struct append appends[COUNT];
    execute("CREATE TRIGGER no BEFORE INSERT ON event WHEN new.route = 'bad'"
            " BEGIN SELECT raise(ABORT, 'no'); END");
    for (size_t i = 0; i < COUNT; i++) {
        append_init(&appends[i]);
        if (i % 40 == 7)
            appends[i].record.route = SLICE("bad");
        cr_assert(append_submit(&appends[i]));
    }
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(append_await(&appends[i]), i % 40 == 7 ? STATUS_REFUSED : STATUS_OK);
    cr_assert_eq(rig.journal->stats.dropped, 3);
    cr_assert_eq(rig.journal->stats.rows, COUNT - 3);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), COUNT - 3);
}

/* ---- a file that can't be written ---- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(journal_sqlite, a_full_disk_refuses_and_recovers)
{
    struct append before, refused, after;
    append_init(&before);
    append_init(&refused);
    append_init(&after);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(append_now(&before), STATUS_OK);
    limit_files_to(65536);
    static char body[1 << 20];
    refused.record.body = slice_of(body, sizeof body);
    cr_assert_eq(append_now(&refused), STATUS_UNAVAILABLE);
    cr_assert_not(rig.journal->stats.up);
    cr_assert_geq(rig.journal->stats.errors, 1);
    cr_assert_eq(rig.journal->stats.pending_rows, 1, "the row waits for better times");
    limit_files_to(RLIM_INFINITY);
    rig_run_until(rig_is_idle);
    cr_assert(rig.journal->stats.up);
    cr_assert_eq(append_now(&after), STATUS_OK);
    cr_assert_eq(rig.journal->stats.dropped, 0);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 3);
}

Test(journal_sqlite, on_a_full_disk_rows_gather_up_to_the_bound)
{
    struct append append;
    append_init(&append);
    append.op.level = JOURNAL_BUFFERED;
    signal(SIGXFSZ, SIG_IGN);
    rig_close_fronts();
    rig.sqlite.buffer_bytes = 20000;
    rig_open_fronts(1);
    limit_files_to(4096);
    unsigned taken = 0;
    for (; append_now(&append) == STATUS_OK; taken++) {
        append.record.event_id = new_id();
        rig_run_for(20);
    }
    cr_assert_eq(append.op.status, STATUS_FULL);
    cr_assert(taken > 5 && taken < 20);
    cr_assert_eq(rig.journal->stats.pending_rows, taken);
    cr_assert_eq(rig.journal->stats.dropped, 1);
    limit_files_to(RLIM_INFINITY);
    rig_run_until(rig_is_idle);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), taken);
}

/* ---- a file at its cap ---- */

static void queued_init(struct append *append)
{
    static char body[50000];
    append_init(append);
    append->record.queued = true;
    append->record.state = SLICE("queued");
    append->record.body = slice_of(body, sizeof body);
}

/* Whoever was on the way when it ran full is told "not there", whoever comes later "full". */
Test(journal_sqlite, at_the_cap_a_queued_event_is_refused_and_leaves_nothing)
{
    struct append append;
    unsigned taken = 0;
    rig_close_fronts();
    rig.sqlite.max_bytes = 2u << 20;
    rig_open_fronts(1);
    for (queued_init(&append); append_now(&append) == STATUS_OK; queued_init(&append))
        cr_assert_lt(++taken, 100);
    cr_assert_gt(taken, 3);
    cr_assert(append.op.status == STATUS_UNAVAILABLE || append.op.status == STATUS_FULL);
    queued_init(&append);
    cr_assert_not(append_submit(&append), "at once");
    cr_assert_eq(append.op.status, STATUS_FULL);
    cr_assert_eq(rig.journal->stats.pending_rows, 0);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), taken);
}

/* ---- several fronts ---- */

Test(journal_sqlite, the_bound_is_shared_by_all_fronts)
{
    struct append appends[4];
    rig_close_fronts();
    for (size_t i = 0; i < 4; i++)
        append_init(&appends[i]);
    rig.sqlite.buffer_bytes = 3 * 1600;
    rig_open_fronts(2);
    for (size_t i = 0; i < 4; i++) {
        rig.journal = rig.fronts[i % 2];
        cr_assert_eq(append_submit(&appends[i]), i < 3);
    }
    cr_assert_eq(appends[3].op.status, STATUS_FULL);
    cr_assert_eq(rig.fronts[1]->stats.dropped, 1);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(append_await(&appends[i]), STATUS_OK);
    cr_assert_eq(append_now(&appends[3]), STATUS_OK, "there is room again");
}

/* ---- retention ---- */

Test(journal_sqlite, what_is_older_than_the_retention_goes_at_the_next_start)
{
    struct append old, open_window, young;
    append_init(&young);
    append_init(&old);
    append_init(&open_window);
    uint64_t now_ms = young.record.received_at_ms;
    old.record.event_id = id_at(now_ms - 8 * 86400000u);
    old.record.window_ends_at_ms = now_ms - 1000;
    open_window.record.event_id = id_at(now_ms - 8 * 86400000u);
    cr_assert_eq(append_now(&old), STATUS_OK);
    cr_assert_eq(append_now(&open_window), STATUS_OK);
    cr_assert_eq(append_now(&young), STATUS_OK);
    rig_close_fronts();
    rig_open_fronts(1);
    /* The thread prunes before or right after this append's commit. */
    append_init(&young);
    cr_assert_eq(append_now(&young), STATUS_OK);
    cr_assert_eq(rig_number("SELECT count(*) FROM event"), 3);
    cr_assert_eq(rig_number_of("SELECT count(*) FROM event WHERE id = $1",
                               slice_of(old.record.event_id.bytes, 16)),
                 0);
}

/* ---- kill -9 ---- */

/* The child: writes without end and says each id that was answered. */
static _Noreturn void write_until_killed(int fd)
{
    struct append append;
    rig_prepare_sqlite();
    rig_open_fronts(1);
    for (;;) {
        append_init(&append);
        append.op.level = JOURNAL_WRITTEN;
        if (append_now(&append) != STATUS_OK || write(fd, append.record.event_id.bytes, 16) != 16)
            _exit(1);
    }
}

Test(journal_sqlite_killed, what_was_answered_survives_kill_9, .fini = rig_close)
{
    enum { IDS = 300 };
    static struct uuid answered[4096];
    int fds[2];
    size_t bytes = 0;
    ssize_t got;
    rig_make_folder();
    cr_assert_eq(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(fds[1]);
    close(fds[1]);
    while (bytes < IDS * 16 && (got = read(fds[0], (char *)answered + bytes, 16)) > 0)
        bytes += (size_t)got;
    cr_assert_geq(bytes, IDS * 16);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (bytes < sizeof answered && (got = read(fds[0], (char *)answered + bytes, 16)) > 0)
        bytes += (size_t)got;
    rig_prepare_sqlite();
    for (size_t i = 0; i < bytes / 16; i++)
        cr_assert_eq(rig_number_of("SELECT count(*) FROM event WHERE id = $1",
                                   slice_of(answered[i].bytes, 16)),
                     1);
    rig_open_fronts(1);
}
