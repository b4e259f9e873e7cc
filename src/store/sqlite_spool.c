/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look at the log's end ──> open ──> check ──> the spool
 *                             |        |
 *                             'damaged─┴─> set aside ──> open a new one ──> salvage ──> the spool
 */
#include "sqlite_spool.h"

#include "sqlite_salvage.h"
#include "sqlite_wal.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

/* A check reads the whole file. One so large that it takes longer is used as it is. */
#define CHECK_SECONDS 20

#define NAME_SIZE (SQLITE_DB_PATH + 64) /* of a path with endings */

/* ---- the check, bounded in time ---- */

struct watch {
    struct sqlite3 *handle;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over, interrupted;
};

static void *watch_check(void *arg)
{
    struct watch *watch = arg;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CHECK_SECONDS;
    int code = 0;
    pthread_mutex_lock(&watch->lock);
    while (!watch->over && code == 0)
        code = pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
    watch->interrupted = !watch->over;
    if (watch->interrupted)
        sqlite3_interrupt(watch->handle);
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

static bool begin_watch(struct watch *watch)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&watch->lock, NULL);
    return pthread_create(&watch->thread, NULL, watch_check, watch) == 0;
}

static void end_watch(struct watch *watch, bool is_running)
{
    pthread_mutex_lock(&watch->lock);
    watch->over = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    if (is_running)
        pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
}

static int see_finding(void *ret_sound, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(bool *)ret_sound = values[0] && strcmp(values[0], "ok") == 0;
    return 0;
}

/* False only when damage was found. Without a watch the check takes as long as it takes. */
static bool is_sound(struct sqlite_db *db, struct log *log)
{
    struct watch watch = {.handle = db->handle};
    bool sound = false, is_watched = begin_watch(&watch);
    int code = sqlite3_exec(db->handle, "PRAGMA quick_check(1)", see_finding, &sound, NULL);
    end_watch(&watch, is_watched);
    if (!watch.interrupted)
        return code == SQLITE_OK && sound;
    log_line(log, LOG_WARN, "spool is too large to be checked whole at the start",
             LOG_INT("seconds", CHECK_SECONDS));
    return true;
}

/* ---- setting aside ---- */

static bool move_one(const char *path, const char *aside, const char *ending)
{
    char from[NAME_SIZE], to[NAME_SIZE];
    if (snprintf(from, sizeof(from), "%s%s", path, ending) >= (int)sizeof(from) ||
        snprintf(to, sizeof(to), "%s%s", aside, ending) >= (int)sizeof(to))
        return false;
    return rename(from, to) == 0 || (errno == ENOENT && *ending);
}

/* The log goes first: a new file must never meet an old log. */
static enum status set_aside(const char *path, const char *aside,
                             char ret_error[static SQLITE_DB_ERROR])
{
    if (move_one(path, aside, "-wal") && move_one(path, aside, "-shm") && move_one(path, aside, ""))
        return STATUS_OK;
    snprintf(ret_error, SQLITE_DB_ERROR, "%.150s is damaged and can't be moved away: %.60s", path,
             strerror(errno));
    return STATUS_IO;
}

static void tell_salvage(struct log *log, const char *aside, const struct sqlite_salvage *found,
                         const char *reason)
{
    log_line(log, LOG_ERROR, "spool was damaged and is set aside; what could be read was saved",
             LOG_STR("file", aside), LOG_STR("reason", reason), LOG_INT("events", found->events),
             LOG_INT("outcomes", found->owed), LOG_INT("deliveries", found->deliveries),
             LOG_STR("complete", found->complete ? "yes" : "no"));
}

/* What the new file can't take now is still in the old one. */
static enum status start_anew(struct sqlite_db *db, struct slice path, struct log *log,
                              char ret_error[static SQLITE_DB_ERROR])
{
    char name[SQLITE_DB_PATH], aside[NAME_SIZE], reason[SQLITE_DB_ERROR];
    struct sqlite_salvage found;
    snprintf(reason, sizeof(reason), "%s", ret_error);
    snprintf(name, sizeof(name), "%.*s", (int)path.len, path.data);
    snprintf(aside, sizeof(aside), "%s.damaged-%lld", name, (long long)time(NULL));
    enum status status = set_aside(name, aside, ret_error);
    if (status == STATUS_OK)
        status = sqlite_db_open(db, path, ret_error);
    if (status != STATUS_OK)
        return status;
    if (sqlite_salvage(db, aside, &found) != STATUS_OK || sqlite_db_end_leases(db) != STATUS_OK)
        found.complete = false;
    tell_salvage(log, aside, &found, reason);
    return STATUS_OK;
}

/* ---- opening ---- */

/* Told only when the file turned out to be ours: another process's log is none of our business. */
static void tell_tail(struct log *log, const char *name, bool was_read, uint64_t torn_bytes)
{
    if (!was_read)
        log_line(log, LOG_WARN, "spool's log could not be looked at before it was opened",
                 LOG_STR("file", name));
    else if (torn_bytes > 0)
        log_line(log, LOG_WARN, "spool's log had a torn end, which was cut off",
                 LOG_STR("file", name), LOG_INT("bytes", torn_bytes));
}

static enum status open_checked(struct sqlite_db *db, struct slice path, struct log *log,
                                char ret_error[static SQLITE_DB_ERROR])
{
    enum status status = sqlite_db_open(db, path, ret_error);
    if (status != STATUS_OK || is_sound(db, log))
        return status;
    snprintf(ret_error, SQLITE_DB_ERROR, "malformed pages");
    sqlite_db_close(db);
    db->damaged = true;
    return STATUS_IO;
}

enum status sqlite_spool_open(struct sqlite_db *db, struct slice path, struct log *log,
                              struct sqlite_spool_found *ret_found,
                              char ret_error[static SQLITE_DB_ERROR])
{
    char name[NAME_SIZE];
    uint64_t torn_bytes = 0;
    snprintf(name, sizeof(name), "%.*s-wal", (int)path.len, path.data);
    bool was_read = sqlite_wal_torn_bytes(name, &torn_bytes) == STATUS_OK;
    enum status status = open_checked(db, path, log, ret_error);
    if (status != STATUS_OK && !db->damaged)
        return status;
    *ret_found = (struct sqlite_spool_found){.torn_bytes = torn_bytes, .set_aside = db->damaged};
    tell_tail(log, name, was_read, torn_bytes);
    return db->damaged ? start_anew(db, path, log, ret_error) : STATUS_OK;
}
