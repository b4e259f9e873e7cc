/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the suites of the spool share, on top of the journal's and the queue's rigs: workers, each
 * with a journal and a queue over one PostgreSQL and one spool, as a process has them. One rig per
 * test process (Criterion forks for each test).
 */
#ifndef POSTERN_TESTS_SPOOLED_RIG_H
#define POSTERN_TESTS_SPOOLED_RIG_H

#include "queue_rig.h"

#define SPOOLED_WORKERS 2u

struct spooled_worker {
    struct journal *journal;       /* the first one's is also rig.journal */
    struct queue *queue;           /* also qrig.queues */
    struct journal *there_journal; /* the PostgreSQL ones inside */
    struct queue *there_queue;
    struct uuid owner;
};

struct spooled_rig {
    char folder[64], path[96];
    struct sqlite_opts spool;
    struct sqlite_store *store;
    bool is_quiet; /* no worker keeps house: its journal's link is free for batches */
    struct spooled_worker workers[SPOOLED_WORKERS];
    size_t count;
};

extern struct spooled_rig spooled;

/* Criterion fixtures: a cluster that doesn't run, and nothing open; one worker on a cluster that
 * runs, both up; the end of either. */
void spooled_rig_prepare(void);
void spooled_rig_open(void);
void spooled_rig_close(void);

/* Opens the spool and workers; closes them. Owners are new ones each time. */
void spooled_open_workers(size_t count);
void spooled_close_workers(void);

/* Opens one worker again, that doesn't keep house, and waits until it is up. */
void spooled_reopen_quietly(void);

/* Closes the spool's file, runs statements on it or asks for a number, and opens it again. No
 * worker may be open. */
void spooled_execute(const char *sql);
long long spooled_number(const char *sql);

/* What the first worker says of the spool. */
const struct spool_stats *spooled_stats(void);

/* Conditions: PostgreSQL is used, or the spool; nothing is left in it. */
bool spooled_is_here(void);
bool spooled_is_away(void);
bool spooled_is_empty(void);

/* The number that a query of PostgreSQL tells. */
long long spooled_there(const char *sql);

#endif
