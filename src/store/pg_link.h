/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL on a loop: connecting, losing and connecting again, and on it one
 * job at a time. A job is a pipeline of statements that ends with one sync, which makes it one
 * transaction; or a single COPY, which is one as well. Knows nothing of events.
 *
 *   pg_link_begin, pg_link_query …, pg_link_commit  ->  result per statement  ->  ended once
 *   pg_link_copy  ->  feed, again and again         ->  its result            ->  ended once
 */
#ifndef POSTERN_STORE_PG_LINK_H
#define POSTERN_STORE_PG_LINK_H

#include "backoff.h"
#include "pg_target.h"

#include <postern/io/loop.h>

#define PG_DETAIL_SIZE 256 /* of a message kept for the operator */

struct pg_result;
struct pg_job;

/* Why a job was not committed. */
struct pg_failure {
    bool lost;        /* the link broke: it may or may not have been committed */
    bool unfinished;  /* the link broke before the job's end was sent: it was not committed */
    size_t statement; /* the first that failed, counted from 0 */
    char sqlstate[6];
    bool names_constraint;
    char message[PG_DETAIL_SIZE];
};

struct pg_job {
    /* A statement succeeded; `result` is borrowed for the call. May be NULL. */
    void (*result)(struct pg_job *job, size_t statement, const struct pg_result *result);
    /* It is over; `failure` is NULL when it was committed. The link takes a job again. */
    void (*ended)(struct pg_job *job, const struct pg_failure *failure);
    /* Of a COPY: tells its next bytes, valid until the next call; none: that was all. Anything but
     * STATUS_OK gives the connection up, because nothing else ends a COPY for certain. */
    enum status (*feed)(struct pg_job *job, struct slice *ret_bytes);
};

enum pg_link_state {
    PG_LINK_DOWN, /* waits for the next attempt */
    PG_LINK_CONNECTING,
    PG_LINK_UP,
    PG_LINK_CLOSED,
};

/* How far the job's COPY is. */
enum pg_link_copy_stage {
    PG_COPY_NONE, /* the job is a pipeline */
    PG_COPY_ASKED,
    PG_COPY_FEEDING, /* the server takes bytes */
    PG_COPY_ENDING,  /* all are told; the result is owed */
};

struct pg_link;

struct pg_link_handlers {
    void (*connected)(struct pg_link *link);
    /* An attempt failed, or the connection was lost. The job, if any, has been ended before. */
    void (*lost)(struct pg_link *link, struct slice detail);
};

struct pg_link {
    const struct pg_link_handlers *on;
    struct loop *loop;
    uint32_t timeout_ms;
    enum pg_link_state state;
    struct pg_target target;
    struct pg_conn *conn;
    struct loop_poll poll;
    int fd;                   /* the one watched; -1: none */
    bool watches_write;       /* output is left */
    struct deadline deadline; /* DOWN: the next attempt; else the end of patience */
    struct backoff backoff;
    struct pg_job *job;
    size_t statement; /* of the job: the next result's */
    uint32_t job_timeout_ms;
    enum pg_link_copy_stage copy;
    bool finished; /* the job's end is on its way */
    bool broken;   /* a statement of the job could not even be queued */
    bool failed;   /* `failure` holds the job's first error */
    struct pg_failure failure;
};

/* Prepares a zeroed link and begins connecting, from the next turn on. timeout_ms bounds
 * connecting. STATUS_INVALID: the url can't be read. */
NODISCARD enum status pg_link_open(struct pg_link *link, struct loop *loop, struct slice url,
                                   uint32_t timeout_ms, const struct pg_link_handlers *on);

/* Closes for good: the job is ended as lost, nothing is called after it. */
void pg_link_close(struct pg_link *link);

/* Gives the connection up (its job is ended as lost) and connects again after a while. */
void pg_link_drop(struct pg_link *link, const char *detail);

/* The connection has done useful work: the next attempt, when it is lost, comes soon. */
void pg_link_proven(struct pg_link *link);

/* True when a job may begin. */
static inline bool pg_link_is_free(const struct pg_link *link)
{
    return link->state == PG_LINK_UP && !link->job;
}

/* Begins a job on a free link; if it isn't over after timeout_ms the link is dropped. */
void pg_link_begin(struct pg_link *link, struct pg_job *job, uint32_t timeout_ms);

/* Adds a statement. Parameters are binary; `types` are OIDs; all of it is copied. */
void pg_link_query(struct pg_link *link, const char *text, int count, const unsigned int *types,
                   const char *const *values, const int *lengths);

/* Ends the job's statements with a sync and sends them. `ended` may be called from in here when the
 * connection turns out to be broken. */
void pg_link_commit(struct pg_link *link);

/* Begins, on a free link, a job that is the COPY … FROM STDIN of `text`, and sends it; job->feed is
 * called from the loop. Times out like pg_link_begin's. `ended` may be called from in here. */
void pg_link_copy(struct pg_link *link, struct pg_job *job, const char *text, uint32_t timeout_ms);

#endif
