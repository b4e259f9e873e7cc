/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look for orphans in the SQLite file. The file is one process's own: whoever accepted what was
 * in it at the start is dead, and whatever is accepted later is settled by its own exchange. So all
 * of it is told once, in pages, and then nothing more. queue_sqlite.c submits the job.
 */
#ifndef POSTERN_STORE_SQLITE_ORPHANS_H
#define POSTERN_STORE_SQLITE_ORPHANS_H

#include "sqlite_store.h"

#include <postern/store/queue.h>

/* Rows that one page looks at: a few milliseconds of the thread. */
#define SQLITE_LOOK_ROWS 1000u

/* How far the look has come; zeroed: there is nothing to look for. Doubtful events, which are in no
 * queue, come first; then route by route, in the order of the index event_due. */
struct sqlite_place {
    enum sqlite_look_stage { SQLITE_LOOK_OVER, SQLITE_LOOK_DOUBTFUL, SQLITE_LOOK_ROUTES } stage;
    int64_t newest;          /* rowids beyond it came later */
    size_t route;            /* of the question's */
    bool in_due;             /* among the rows that fall due at due_ms */
    uint64_t due_ms;         /* the last one seen of the route */
    struct uuid id;          /* of the last row */
    uint64_t received_at_ms; /* of the last row */
    int64_t rowid;           /* of the last row */
};

struct sqlite_found;

struct sqlite_look {
    struct sqlite_request job;
    struct queue_orphans *op;     /* NULL: none */
    struct sqlite_place at, page; /* before the page under way; where that is */
    struct sqlite_found *found;   /* room for op->limit */
    uint32_t count, rows_left;    /* found; still to be looked at */
};

/* Prepares it; the owner's `returned` gets the job back and has to call sqlite_look_tell. */
void sqlite_look_init(struct sqlite_look *look, void (*returned)(struct sqlite_request *job));

/* Makes the job ready for a page: submit it then. */
void sqlite_look_begin(struct sqlite_look *look, struct queue_orphans *op);

/* The job is back: tells what it has found, if the status is OK, and that the page is over. The
 * look may be begun again in there. */
void sqlite_look_tell(struct sqlite_look *look, enum status status);

#endif
