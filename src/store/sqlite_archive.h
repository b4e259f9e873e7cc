/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive's statements for SQLite, for jobs on its thread (archive_sqlite.c). None takes long,
 * whatever is asked: a search looks at some hundred rows, in the order of their ids, and says where
 * it has come to; which of them are wanted is decided row by row, so that no filter makes SQLite
 * walk a whole index before it gives an answer.
 */
#ifndef POSTERN_STORE_SQLITE_ARCHIVE_H
#define POSTERN_STORE_SQLITE_ARCHIVE_H

#include "archive_desk.h"
#include "sqlite_db.h"

#include <postern/base/arena.h>

#define SQLITE_ARCHIVE_SCAN 500u      /* rows looked at in one job: some milliseconds */
#define SQLITE_ARCHIVE_EVENTS 100u    /* events told of by one job, */
#define SQLITE_ARCHIVE_BYTES 1048576u /* and of their bytes about that many */

/* One attempt of the event that is shown, and those after it. */
struct sqlite_attempt {
    struct sqlite_attempt *next;
    struct archive_attempt attempt;
};

/* What a reading job has found; its bytes lie in the arena. */
struct sqlite_findings {
    struct arena arena;
    struct archive_event events[SQLITE_ARCHIVE_EVENTS];
    size_t count;
    struct sqlite_attempt *attempts; /* of events[0], ascending */
    bool over;                       /* nothing is left to look at */
};

/* Finds the newest events of a range, up to `wanted`; moves range->high to the last one looked at.
 * STATUS_UNAVAILABLE, STATUS_NO_MEMORY: what was found is not to be used. */
NODISCARD enum status sqlite_archive_find(struct sqlite_db *db, const struct archive_filter *filter,
                                          size_t wanted, struct archive_range *range,
                                          struct sqlite_findings *ret_findings);

/* Reads one event, with headers, body and attempts; count 0: there is none. */
NODISCARD enum status sqlite_archive_show(struct sqlite_db *db, const struct uuid *id,
                                          struct sqlite_findings *ret_findings);

/* A part of the step SELECT (archive_desk.h); *ret_over: it is the last one. */
NODISCARD enum status sqlite_archive_select(struct sqlite_db *db, struct archive_desk *desk,
                                            bool *ret_over);

/* The step APPLY, inside a transaction. STATUS_UNAVAILABLE: that has failed. */
NODISCARD enum status sqlite_archive_apply(struct sqlite_db *db, struct archive_desk *desk);

#endif
