/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the limiter suites share: a limiter of either backend on a real loop, and ops that wait for
 * their answers. One rig per test process (Criterion forks for each test).
 */
#ifndef POSTERN_TESTS_LIMIT_RIG_H
#define POSTERN_TESTS_LIMIT_RIG_H

#include "redis_server.h"

#include <postern/store/backends.h>

#define LONG_US UINT64_C(1000000000) /* an interval of which nothing recovers within a test */

struct limit_rig {
    struct loop *loop;
    struct limiter *limiter;
    bool is_local; /* the local limiter */
    struct limit_table *table;
    struct redis_server server;
    struct redis_opts opts;
};

extern struct limit_rig lrig;

/* Criterion fixtures: the local limiter, one with a real Redis that is up, and the end of either.
 */
void limit_rig_open_local(void);
void limit_rig_open_redis(void);
void limit_rig_close(void);

/* The parts of limit_rig_open_redis, for tests that change something in between: loop, table and
 * default options; the limiter with lrig.opts, connecting; its end. */
void limit_rig_prepare(void);
void limit_rig_open_limiter(void);
void limit_rig_close_limiter(void);

struct asking {
    struct limit_op op;
    unsigned answers;
    void (*then)(struct asking *asking); /* runs inside `answered`; may be NULL */
};

/* A shared op for client `number`. */
void asking_init(struct asking *asking, uint64_t number, struct limit_opts opts,
                 enum limit_verb verb);

/* Submits it; true when it is pending. */
bool asking_submit(struct asking *asking);

/* Runs the loop until it is answered. */
void asking_await(struct asking *asking);

/* All of it; the op with its outputs. */
struct limit_op take(uint64_t number, struct limit_opts opts);
struct limit_op give_back(uint64_t number, struct limit_opts opts);

/* Runs the loop until the condition holds, which is looked at at least every 2 ms until it does. */
void limit_rig_run_until(bool (*reached)(void));

/* Conditions: ops are answered by Redis; by the table. They find out by an op that changes nothing,
 * and are for limit_rig_run_until only. */
bool limit_is_shared(void);
bool limit_is_local(void);

#endif
