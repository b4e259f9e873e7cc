/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal suites share: a journal of either backend on a real loop, appends that wait for
 * their answers, and questions to the database behind it. One rig per test process (Criterion
 * forks for each test).
 */
#ifndef POSTERN_TESTS_JOURNAL_RIG_H
#define POSTERN_TESTS_JOURNAL_RIG_H

#include "pg_server.h"

#include <postern/store/backends.h>

#define RIG_FRONTS 4u

struct journal_rig {
    struct loop *loop;
    struct journal *journal;            /* the first of the fronts */
    struct journal *fronts[RIG_FRONTS]; /* NULL: not open */
    bool is_sqlite;
    /* sqlite */
    char folder[64], path[96];
    struct sqlite_store *store;
    struct sqlite_opts sqlite;
    /* postgres */
    struct pg_server server;
    struct pg_opts postgres;
    /* what the PostgreSQL journal's listener was told last, and how often */
    bool up;
    char detail[256];
    unsigned told;
};

extern struct journal_rig rig;

/* Criterion fixtures: a journal that is up, and the end of either. */
void rig_open_sqlite(void);
void rig_open_postgres(void);
void rig_close(void);

/* Makes SQLite's folder before rig_prepare_sqlite does, for a test that forks before it has a loop.
 */
void rig_make_folder(void);

/* The parts of them, for tests that change something in between: loop, folder or cluster, and
 * default options; then the fronts. */
void rig_prepare_sqlite(void);
void rig_prepare_postgres(void);
void rig_open_fronts(size_t count);
void rig_close_fronts(void);

/* Runs the loop until the condition holds. */
void rig_run_until(bool (*reached)(void));

/* Lets `span_ms` go by on the loop. */
void rig_run_for(uint64_t span_ms);

/* Writes everything out; true when nothing is pending then. */
bool rig_drain(void);

/* The number a query of the database tells; `bytes` is its first parameter when its data isn't
 * NULL. SQLite's file belongs to the journal alone: it is drained and closed for the question and
 * opened again. */
long long rig_number(const char *sql);
long long rig_number_of(const char *sql, struct slice bytes);

/* Conditions. */
bool rig_is_up(void);
bool rig_is_down(void);
bool rig_is_idle(void);

struct append {
    struct journal_op op;
    struct journal_record record;
    unsigned answers;
    uint64_t answered_at_ms;
};

/* A durable append of a new event with a key and 1 KiB of body. */
void append_init(struct append *append);

/* Submits it to the first front; true when it is pending. */
bool append_submit(struct append *append);

/* Runs the loop until it is answered. */
enum status append_await(struct append *append);

/* Both. */
enum status append_now(struct append *append);

/* Appends `count` buffered events. */
void append_many(size_t count);

/* A new event id of now, or of another time. */
struct uuid new_id(void);
struct uuid id_at(uint64_t ms);

#endif
