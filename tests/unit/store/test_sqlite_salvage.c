/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is carried over from a file with pages overwritten: everything that is not on them.
 */
#include "sqlite_salvage.h"

#include "sqlite_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ROWS 2000
#define PAGE_BYTES 4096

static const struct sqlite_origin origin = {.owner = {{9}}};
static char damaged[112];
static struct sqlite_salvage found;

static void insert_rows(void)
{
    static char body[1500];
    cr_assert_eq(sqlite_db_begin(&db, true), STATUS_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct batch_row row = row_at(1000, i, 5000);
        row.queued = true;
        row.fields[ROW_STATE] = SLICE("queued");
        row.fields[ROW_BODY] = slice_of(body, sizeof(body));
        row.fields[ROW_NOTE] = SLICE("F\0;");
        cr_assert_eq(sqlite_db_insert(&db, &row, &origin), STATUS_OK);
    }
    execute("INSERT INTO delivery SELECT id, received_at, 1, 2, 503, 4, 'no', x'00' FROM event");
    execute("INSERT INTO owed (event_id, owner, result, attempt, attempted, at, retry_at, status,"
            " duration_ms, permanent, error, response)"
            " SELECT id, x'01', 1, 1, 1, 1, 1, 1, 1, 1, 'e', x'' FROM event LIMIT 50");
    cr_assert_eq(sqlite_db_commit(&db), STATUS_OK);
}

/* A file with all tables filled (events two on a page) is to be damaged; another one is open. */
static void set_up(void)
{
    set_up_file();
    insert_rows();
    sqlite_db_close(&db);
    snprintf(damaged, sizeof(damaged), "%s.damaged", path);
    cr_assert_eq(rename(path, damaged), 0);
    open_file();
}

TestSuite(sqlite_salvage, .init = set_up, .fini = tear_down_file);

static long pages(void)
{
    struct stat info;
    cr_assert_eq(stat(damaged, &info), 0);
    return (long)(info.st_size / PAGE_BYTES);
}

/* Overwrites pages (from 0). */
static void spoil(long first, long count)
{
    char page[PAGE_BYTES];
    memset(page, 0xa5, sizeof(page));
    int fd = open(damaged, O_WRONLY);
    for (long i = first; i < first + count; i++)
        cr_assert_eq(pwrite(fd, page, sizeof(page), i * PAGE_BYTES), PAGE_BYTES);
    close(fd);
}

static uint64_t count(const char *sql)
{
    return (uint64_t)number(sql);
}

static void salvage(void)
{
    cr_assert_eq(sqlite_salvage(&db, damaged, &found), STATUS_OK);
    cr_assert_eq(count("SELECT count(*) FROM event"), found.events);
    cr_assert_eq(count("SELECT count(*) FROM delivery"), found.deliveries);
    cr_assert_eq(count("SELECT count(*) FROM owed"), found.owed);
    cr_assert_eq(number("SELECT count(*) FROM pragma_quick_check WHERE quick_check = 'ok'"), 1);
    cr_assert_eq(count("SELECT count(*) FROM event WHERE state = 'queued' AND attempts = 0 AND"
                       " length(body) = 1500 AND window_ends_at = 5000 AND doubtful = 0"),
                 found.events, "what came is whole");
}

Test(sqlite_salvage, a_sound_file_comes_whole)
{
    salvage();
    cr_assert_eq(found.events, ROWS);
    cr_assert_eq(found.deliveries, ROWS);
    cr_assert_eq(found.owed, 50);
    cr_assert(found.complete);
}

Test(sqlite_salvage, notes_come_along)
{
    salvage();
    cr_assert_eq(number("SELECT count(*) FROM event WHERE note = x'46003b'"), ROWS);
}

/* It was too damaged to be brought to this version. */
Test(sqlite_salvage, a_file_of_version_2)
{
    struct sqlite3 *handle;
    cr_assert_eq(sqlite3_open(damaged, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(handle, "ALTER TABLE event DROP COLUMN note", NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(handle);
    salvage();
    cr_assert_eq(found.events, ROWS);
    cr_assert(found.complete);
    cr_assert_eq(number("SELECT count(*) FROM event WHERE note IS NULL"), ROWS);
}

Test(sqlite_salvage, around_bad_pages_in_the_middle)
{
    long middle = pages() / 2;
    spoil(middle, 3);
    spoil(middle + 20, 1);
    salvage();
    cr_assert_geq(found.events, ROWS - 20, "a page has two");
    cr_assert_lt(found.events, ROWS);
    cr_assert_not(found.complete);
}

/* Indexes lie among the table's pages: wherever the damage is, the rest comes. */
Test(sqlite_salvage, around_a_bad_page_anywhere)
{
    long step = pages() / 23;
    for (long page = 5; page < pages(); page += step)
        spoil(page, 1);
    salvage();
    cr_assert_geq(found.events, ROWS / 2);
    cr_assert_not(found.complete);
}

Test(sqlite_salvage, a_file_that_was_cut_off)
{
    cr_assert_eq(truncate(damaged, pages() * 3 / 4 * PAGE_BYTES), 0);
    salvage();
    cr_assert_geq(found.events, ROWS / 4);
    cr_assert_not(found.complete);
}

Test(sqlite_salvage, a_schema_that_cannot_be_read)
{
    spoil(0, 1);
    salvage();
    cr_assert_eq(found.events + found.deliveries + found.owed, 0);
    cr_assert_not(found.complete);
}

Test(sqlite_salvage, the_damaged_file_is_left_as_it_is)
{
    struct stat before, after;
    spoil(pages() / 2, 3);
    cr_assert_eq(stat(damaged, &before), 0);
    salvage();
    cr_assert_eq(stat(damaged, &after), 0);
    cr_assert_eq(before.st_size, after.st_size);
    cr_assert_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

Test(sqlite_salvage, a_row_the_new_file_refuses_is_lost_alone)
{
    execute("CREATE TRIGGER no BEFORE INSERT ON event WHEN new.rowid IS NULL OR new.id <"
            " x'0000000003e8000000000000000000aa' BEGIN SELECT raise(ABORT, 'no'); END");
    salvage();
    cr_assert_eq(found.events, ROWS - 0xaa);
    cr_assert_not(found.complete);
}
