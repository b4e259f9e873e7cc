/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the SQLite files share: a file of ours in a folder of the test's own, and
 * statements on it. One per test process (Criterion forks for each test), so these are globals.
 */
#ifndef POSTERN_TESTS_SQLITE_FILE_H
#define POSTERN_TESTS_SQLITE_FILE_H

#include "sqlite_db.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[96], error[SQLITE_DB_ERROR];
static struct sqlite_db db;

/* Opens the file. */
static inline void open_file(void)
{
    cr_assert_eq(sqlite_db_open(&db, slice_str(path), error), STATUS_OK, "%s", error);
}

/* Makes the folder; no file yet. */
static inline void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/postern-sqlite-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/journal.db", folder);
}

/* Removes the folder with all that is in it. */
static inline void remove_folder(void)
{
    char name[512];
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
        unlink(name); /* fails for the folder itself and its parent */
    }
    closedir(dir);
    rmdir(folder);
}

/* Criterion fixtures: an open file, and its end. */
static inline void set_up_file(void)
{
    make_folder();
    open_file();
}

static inline void tear_down_file(void)
{
    sqlite_db_close(&db);
    remove_folder();
}

static inline int keep_number(void *ret, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(long long *)ret = values[0] ? strtoll(values[0], NULL, 10) : -1;
    return 0;
}

/* The number a statement tells: -1 for NULL, -2 without a row. */
static inline long long number(const char *sql)
{
    long long value = -2;
    char *message = NULL;
    cr_assert_eq(sqlite3_exec(db.handle, sql, keep_number, &value, &message), SQLITE_OK, "%s: %s",
                 sql, message);
    return value;
}

/* Runs statements. */
static inline void execute(const char *sql)
{
    (void)number(sql);
}

/* A row of a millisecond; `serial` tells it from others. */
static inline struct batch_row row_at(uint64_t ms, uint32_t serial, uint64_t window_ms)
{
    struct batch_row row = {.has_key = window_ms > 0, .window_ends_at_ms = window_ms};
    for (int i = 0; i < 6; i++)
        row.id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    for (int i = 0; i < 4; i++)
        row.id.bytes[12 + i] = (uint8_t)(serial >> (24 - 8 * i));
    for (size_t i = 0; i < ROW_FIELDS; i++)
        row.fields[i] = SLICE("x");
    return row;
}

#endif
