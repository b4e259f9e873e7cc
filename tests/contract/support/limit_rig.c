/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the limiter suites: opens and closes limiters, submits ops, turns the loop.
 */
#include "limit_rig.h"

#include "loop_goal.h"

#include <signal.h>
#include <string.h>

#define POLL_MS 2u
#define PROBE_ID UINT64_MAX

struct limit_rig lrig;

static bool limiter_closed;

static void on_poll(struct deadline *deadline)
{
    deadline_set(&loop.deadlines, deadline, loop_now_ms(&loop) + POLL_MS);
    check_goal();
}

/* A condition that has side effects: it is not looked at any more once it held. */
static bool (*wanted)(void);
static bool was_reached;

static bool is_reached(void)
{
    was_reached = was_reached || wanted();
    return was_reached;
}

void limit_rig_run_until(bool (*reached)(void))
{
    struct deadline poll = {.expired = on_poll};
    wanted = reached;
    was_reached = false;
    deadline_set(&loop.deadlines, &poll, loop_now_ms(&loop) + POLL_MS);
    run_until(is_reached);
    deadline_clear(&loop.deadlines, &poll);
}

void limit_rig_prepare(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    lrig.loop = &loop;
    lrig.table = limit_table_new(10000);
    cr_assert_not_null(lrig.table);
    lrig.opts = (struct redis_opts){
        .host = SLICE("127.0.0.1"),
        .port = lrig.server.port,
        .prefix = SLICE("postern"),
        .timeout_ms = 500,
        .pending_max = 20000,
    };
}

void limit_rig_open_local(void)
{
    limit_rig_prepare();
    lrig.is_local = true;
    cr_assert_eq(limiter_local_open(&loop, lrig.table, &lrig.limiter), STATUS_OK);
}

void limit_rig_open_limiter(void)
{
    cr_assert_eq(limiter_redis_open(&loop, &lrig.opts, lrig.table, &lrig.limiter), STATUS_OK);
}

void limit_rig_open_redis(void)
{
    redis_server_start(&lrig.server);
    limit_rig_prepare();
    limit_rig_open_limiter();
    limit_rig_run_until(limit_is_shared);
    lrig.limiter->stats = (struct limiter_stats){0};
}

static void on_closed(void *arg)
{
    (void)arg;
    limiter_closed = true;
    check_goal();
}

static bool is_closed(void)
{
    return limiter_closed;
}

void limit_rig_close_limiter(void)
{
    limiter_closed = false;
    lrig.limiter->backend->close(lrig.limiter, on_closed, NULL);
    cr_assert_not(limiter_closed, "closed comes from the loop");
    run_until(is_closed);
    lrig.limiter = NULL;
}

void limit_rig_close(void)
{
    if (lrig.limiter)
        limit_rig_close_limiter();
    loop_close(&loop);
    limit_table_free(lrig.table);
    redis_server_stop(&lrig.server);
}

static void on_answered(struct limit_op *op)
{
    struct asking *asking = container_of(op, struct asking, op);
    asking->answers++;
    if (asking->then)
        asking->then(asking);
    check_goal();
}

void asking_init(struct asking *asking, uint64_t number, struct limit_opts opts,
                 enum limit_verb verb)
{
    *asking = (struct asking){
        .op = {.opts = opts, .verb = verb, .shared = true, .answered = on_answered},
    };
    if (verb == LIMIT_GIVE_BACK)
        asking->op.back_us = opts.interval_us;
    memcpy(asking->op.id, &number, sizeof number);
}

bool asking_submit(struct asking *asking)
{
    asking->answers = 0;
    bool pending = limiter_submit(lrig.limiter, &asking->op) == OP_PENDING;
    cr_assert_eq(asking->answers, 0, "answered from inside the submit");
    asking->answers = !pending;
    return pending;
}

static struct asking *awaited;

static bool is_answered(void)
{
    return awaited->answers > 0;
}

void asking_await(struct asking *asking)
{
    awaited = asking;
    run_until(is_answered);
    cr_assert_eq(asking->answers, 1);
}

static struct limit_op ask(uint64_t number, struct limit_opts opts, enum limit_verb verb)
{
    struct asking asking;
    asking_init(&asking, number, opts, verb);
    if (asking_submit(&asking))
        asking_await(&asking);
    return asking.op;
}

struct limit_op take(uint64_t number, struct limit_opts opts)
{
    return ask(number, opts, LIMIT_TAKE);
}

struct limit_op give_back(uint64_t number, struct limit_opts opts)
{
    return ask(number, opts, LIMIT_GIVE_BACK);
}

/* ---- conditions ---- */

static struct asking probe;
static bool probing; /* its answer was not looked at yet */

/* One probe at a time; looked at from inside the loop, so it can't wait for its answer. */
static bool probe_was_answered(bool by_table)
{
    if (!probing) {
        asking_init(&probe, PROBE_ID, (struct limit_opts){LONG_US, 1}, LIMIT_GIVE_BACK);
        probing = true;
        if (asking_submit(&probe))
            return false;
    }
    if (probe.answers == 0)
        return false;
    probing = false;
    return probe.op.local == by_table;
}

bool limit_is_shared(void)
{
    return probe_was_answered(false);
}

bool limit_is_local(void)
{
    return probe_was_answered(true);
}
