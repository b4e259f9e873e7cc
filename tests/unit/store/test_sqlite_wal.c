/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is cut off a log: SQLite writes the logs, the test damages them, and SQLite says how many
 * rows are left.
 */
#include "sqlite_wal.h"

#include "sqlite_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FRAME_BYTES (24 + 4096)

static const struct sqlite_origin origin = {.owner = {{9}}};
static char log_path[112];

/* A child writes `commits` transactions of one row, perhaps another one without an end, and is
 * killed: its log stays as it is. */
static void write_and_die(uint32_t commits, bool leaves_one_open)
{
    open_file();
    for (uint32_t i = 0; i < commits; i++) {
        struct batch_row row = row_at(1000, i, 0);
        if (sqlite_db_begin(&db, true) != STATUS_OK ||
            sqlite_db_insert(&db, &row, &origin) != STATUS_OK || sqlite_db_commit(&db) != STATUS_OK)
            _exit(1);
    }
    if (leaves_one_open)
        execute("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
                " INSERT INTO owed SELECT i, x'', x'', 0, 1, 1, 1, 1, 1, 1, 1, '', zeroblob(1000)"
                " FROM n");
    kill(getpid(), SIGKILL);
}

static void make_log(uint32_t commits, bool leaves_one_open)
{
    int result;
    pid_t child = fork();
    if (child == 0)
        write_and_die(commits, leaves_one_open);
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFSIGNALED(result));
}

static void set_up(void)
{
    make_folder();
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
}

TestSuite(sqlite_wal, .init = set_up, .fini = remove_folder);

static long size_of_log(void)
{
    struct stat info;
    return stat(log_path, &info) == 0 ? (long)info.st_size : -1;
}

static long torn(void)
{
    uint64_t bytes = 0;
    cr_assert_eq(sqlite_wal_torn_bytes(log_path, &bytes), STATUS_OK);
    return (long)bytes;
}

static void flip(long offset)
{
    unsigned char byte;
    int fd = open(log_path, O_RDWR);
    cr_assert_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static long long rows_left(void)
{
    open_file();
    long long rows = number("SELECT count(*) FROM event");
    sqlite_db_close(&db);
    return rows;
}

Test(sqlite_wal, no_log_and_an_empty_one)
{
    cr_assert_eq(torn(), 0);
    close(open(log_path, O_CREAT | O_WRONLY, 0600));
    cr_assert_eq(torn(), 0);
}

Test(sqlite_wal, a_whole_log_loses_nothing)
{
    make_log(20, false);
    cr_assert_gt(size_of_log(), 0);
    cr_assert_eq(torn(), 0);
    cr_assert_eq(rows_left(), 20);
}

/* ---- a log cut anywhere ---- */

struct copy {
    char bytes[1 << 20];
    size_t len;
};

static struct copy file_copy, log_copy;

static void read_copy(const char *name, struct copy *copy)
{
    FILE *file = fopen(name, "r");
    copy->len = fread(copy->bytes, 1, sizeof(copy->bytes), file);
    cr_assert_lt(copy->len, sizeof(copy->bytes));
    fclose(file);
}

static void write_copy(const char *name, const struct copy *copy, size_t len)
{
    FILE *file = fopen(name, "w");
    cr_assert_eq(fwrite(copy->bytes, 1, len, file), len);
    fclose(file);
}

/* -1: not even the table is left. */
static long long rows_recovered(void)
{
    struct sqlite3 *handle;
    struct sqlite3_stmt *count = NULL;
    long long rows = -1;
    cr_assert_eq(sqlite3_open(path, &handle), SQLITE_OK);
    if (sqlite3_prepare_v2(handle, "SELECT count(*) FROM event", -1, &count, NULL) == SQLITE_OK &&
        sqlite3_step(count) == SQLITE_ROW)
        rows = sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    sqlite3_close(handle);
    return rows;
}

/* What SQLite recovers has to agree with what is told: it changes where, and only where, the good
 * part ends elsewhere. */
Test(sqlite_wal, a_log_cut_anywhere)
{
    size_t last_good = 0;
    long long last_rows = -1;
    make_log(10, false);
    read_copy(path, &file_copy);
    read_copy(log_path, &log_copy);
    for (size_t end = log_copy.len; end >= 32; end -= 691) {
        write_copy(path, &file_copy, file_copy.len);
        write_copy(log_path, &log_copy, end);
        size_t good = end - (size_t)torn();
        cr_assert_eq((good - 32) % FRAME_BYTES, 0, "cut at %zu: good to %zu", end, good);
        long long rows = rows_recovered();
        if (good == last_good)
            cr_assert_eq(rows, last_rows, "cut at %zu", end);
        else if (last_rows > 0)
            cr_assert_lt(rows, last_rows, "cut at %zu", end);
        last_good = good;
        last_rows = rows;
        if (end < 32 + 691)
            break;
    }
    cr_assert_eq(last_rows, -1, "down to the head");
}

/* ---- damage ---- */

Test(sqlite_wal, a_flipped_bit_ends_the_log_there)
{
    make_log(20, false);
    long frames = (size_of_log() - 32) / FRAME_BYTES;
    flip(32 + (frames - 1) * FRAME_BYTES + 2000);
    cr_assert_gt(torn(), 0);
    cr_assert_leq(torn(), size_of_log() - 32);
    long before = torn();
    flip(32 + (frames - 10) * FRAME_BYTES + 20);
    cr_assert_gt(torn(), before, "what lies behind it is lost with it");
    cr_assert_lt(rows_left(), 20);
}

Test(sqlite_wal, flipped_salts_hide_nothing_behind_them)
{
    make_log(20, false);
    long frames = (size_of_log() - 32) / FRAME_BYTES;
    flip(32 + (frames - 10) * FRAME_BYTES + 9);
    cr_assert_geq(torn(), 10 * FRAME_BYTES);
}

Test(sqlite_wal, a_damaged_head_loses_it_all)
{
    make_log(5, false);
    flip(17);
    cr_assert_eq(torn(), size_of_log());
}

Test(sqlite_wal, what_is_not_a_log_is_lost_too)
{
    FILE *file = fopen(log_path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("not a log ", file);
    fclose(file);
    cr_assert_eq(torn(), 10000);
    cr_assert_eq(truncate(log_path, 20), 0);
    cr_assert_eq(torn(), 20);
}

Test(sqlite_wal, a_transaction_without_an_end_is_cut_off)
{
    make_log(3, true);
    cr_assert_gt(torn(), 10 * FRAME_BYTES);
    cr_assert_eq(rows_left(), 3);
}

Test(sqlite_wal, an_older_generation_is_not_torn)
{
    open_file();
    for (uint32_t i = 0; i < 30; i++) {
        struct batch_row row = row_at(1000, i, 0);
        cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK);
        cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_OK);
        cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
    }
    long before = size_of_log();
    cr_assert_eq(sqlite_db_checkpoint(&db, false), STATUS_OK);
    execute("DELETE FROM event WHERE id = (SELECT min(id) FROM event)");
    cr_assert_eq(size_of_log(), before, "the old frames are still there");
    cr_assert_eq(torn(), 0);
    sqlite_db_close(&db);
}

Test(sqlite_wal, what_cannot_be_read)
{
    uint64_t bytes;
    cr_assert_eq(sqlite_wal_torn_bytes(folder, &bytes), STATUS_IO);
}
