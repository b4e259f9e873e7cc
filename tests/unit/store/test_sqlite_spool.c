/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a spool: whatever its file is, there is one afterwards, and what was lost is known.
 */
#include "sqlite_spool.h"

#include "sqlite_file.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct sqlite_origin origin = {.owner = {{9}}};
static struct sqlite_spool_found found, untouched;
static char log_path[112];

static void set_up(void)
{
    make_folder();
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
}

TestSuite(sqlite_spool, .init = set_up, .fini = remove_folder);

static void open_spool(void)
{
    cr_assert_eq(sqlite_spool_open(&db, slice_str(path), NULL, &found, error), STATUS_OK, "%s",
                 error);
}

static void insert_rows(uint32_t count)
{
    static char body[1500];
    cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK);
    for (uint32_t i = 0; i < count; i++) {
        struct batch_row row = row_at(1000, i, 0);
        row.fields[ROW_BODY] = slice_of(body, sizeof(body));
        cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_OK);
    }
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
}

static void lease_all(void)
{
    execute("UPDATE event SET state = 'queued', next_attempt_at = 9e15, lease_until = 9e15,"
            " lease_owner = x'01'");
}

static void make_spool(uint32_t rows)
{
    open_spool();
    insert_rows(rows);
    lease_all();
    sqlite_db_close(&db);
}

static void write_file(const char *name, long offset, const char *text, int times)
{
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(lseek(fd, offset, SEEK_SET), 0);
    for (int i = 0; i < times; i++)
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static size_t files_aside(void)
{
    char pattern[128];
    glob_t matches;
    snprintf(pattern, sizeof(pattern), "%s.damaged-*", path);
    size_t count = glob(pattern, 0, NULL, &matches) == 0 ? matches.gl_pathc : 0;
    if (count > 0)
        globfree(&matches);
    return count;
}

static void close_and_expect(uint64_t rows, bool set_aside)
{
    cr_assert_eq(db.rows, rows);
    cr_assert_eq(found.set_aside, set_aside);
    insert_rows(1); /* it works */
    sqlite_db_close(&db);
}

Test(sqlite_spool, a_new_one_and_an_empty_file)
{
    open_spool();
    close_and_expect(0, false);
    cr_assert_eq(truncate(path, 0), 0);
    open_spool();
    close_and_expect(0, false);
    cr_assert_eq(found.torn_bytes, 0);
}

Test(sqlite_spool, a_sound_one)
{
    make_spool(100);
    open_spool();
    close_and_expect(100, false);
    cr_assert_eq(files_aside(), 0);
}

Test(sqlite_spool, a_file_that_is_no_database)
{
    write_file(path, 0, "certainly not a database. ", 500);
    open_spool();
    close_and_expect(0, true);
    cr_assert_geq(files_aside(), 1);
}

Test(sqlite_spool, a_damaged_head)
{
    make_spool(100);
    write_file(path, 0, "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", 1);
    open_spool();
    close_and_expect(0, true);
}

Test(sqlite_spool, damaged_pages_are_found_at_the_start)
{
    make_spool(2000);
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    write_file(path, info.st_size / 4096 / 2 * 4096, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", 1024);
    open_spool();
    cr_assert_geq(db.rows, 1980);
    cr_assert_lt(db.rows, 2000);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE lease_until IS NOT NULL"), 0,
                 "saved ones are nobody's");
    close_and_expect(db.rows, true);
    cr_assert_geq(files_aside(), 1);
    open_spool();
    cr_assert_not(found.set_aside, "once");
    sqlite_db_close(&db);
}

Test(sqlite_spool, tables_that_are_gone)
{
    make_spool(10);
    struct sqlite3 *handle;
    cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, "DROP TABLE event", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    open_spool();
    close_and_expect(0, true);
}

static _Noreturn void write_and_die(void)
{
    open_spool();
    for (int i = 0; i < 10; i++)
        execute("INSERT INTO owed (event_id, owner, result, attempt, attempted, at, retry_at,"
                " status, duration_ms, permanent, error, response)"
                " VALUES (x'', x'', 0, 1, 1, 1, 1, 1, 1, 1, '', zeroblob(3000))");
    kill(getpid(), SIGKILL);
    _exit(1);
}

static void crash(void)
{
    int result;
    pid_t child = fork();
    if (child == 0)
        write_and_die();
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFSIGNALED(result));
}

Test(sqlite_spool, after_a_crash)
{
    crash();
    open_spool();
    cr_assert_eq(found.torn_bytes, 0);
    cr_assert_eq(number("SELECT count(*) FROM owed"), 10);
    close_and_expect(0, false);
}

Test(sqlite_spool, a_torn_log_is_cut_off_and_told)
{
    struct stat info;
    crash();
    cr_assert_eq(stat(log_path, &info), 0);
    cr_assert_eq(truncate(log_path, info.st_size - 100), 0);
    open_spool();
    cr_assert_gt(found.torn_bytes, 0);
    cr_assert_eq(number("SELECT count(*) FROM owed"), 9);
    close_and_expect(0, false);
}

Test(sqlite_spool, a_damaged_file_and_its_log_are_set_aside_together)
{
    crash();
    write_file(path, 0, "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", 128);
    open_spool();
    cr_assert_eq(number("SELECT count(*) FROM owed"), 10, "the log had them all");
    cr_assert_eq(files_aside(), found.set_aside ? 2 : 0);
    sqlite_db_close(&db);
}

/* ---- what can't be helped ---- */

Test(sqlite_spool, no_such_folder)
{
    cr_assert_eq(sqlite_spool_open(&db, SLICE("/nowhere/at/all/spool.db"), NULL, &found, error),
                 STATUS_IO);
    cr_assert_not_null(strstr(error, "/nowhere/at/all/spool.db: unable to open"), "%s", error);
    cr_assert_not(found.set_aside);
}

Test(sqlite_spool, an_empty_path)
{
    cr_assert_eq(sqlite_spool_open(&db, SLICE(""), NULL, &found, error), STATUS_INVALID);
}

Test(sqlite_spool, of_a_newer_program)
{
    make_spool(1);
    open_file();
    execute("PRAGMA user_version = 99");
    sqlite_db_close(&db);
    cr_assert_eq(sqlite_spool_open(&db, slice_str(path), NULL, &found, error), STATUS_INVALID);
    cr_assert_eq(files_aside(), 0, "that is no damage");
}

Test(sqlite_spool, another_process_has_it)
{
    struct sqlite_db other;
    open_spool();
    cr_assert_eq(sqlite_spool_open(&other, slice_str(path), NULL, &untouched, error),
                 STATUS_UNAVAILABLE);
    cr_assert_eq(files_aside(), 0);
    sqlite_db_close(&db);
}

/* root may write anywhere, so a child gives that up. */
Test(sqlite_spool, a_folder_that_cannot_be_written)
{
    int result;
    cr_assert_eq(chmod(folder, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(2);
        enum status status = sqlite_spool_open(&db, slice_str(path), NULL, &found, error);
        _exit(status == STATUS_IO && strstr(error, "unable to open") && !found.set_aside ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}
