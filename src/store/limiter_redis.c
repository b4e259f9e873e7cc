/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared limiter: one worker's ops that wait for their replies from Redis, and the local table
 * behind them. The connection is redis_link.c, the bytes are limit_command.c.
 *
 *   submit -> command into the link's buffer, op to the end of `waiting`
 *   reply  -> first op of `waiting` -> answered
 *   oldest op unanswered for timeout_ms -> silent: all of `waiting` answered by the table, and
 *       whatever is submitted, until every late reply has come (they are dropped), or
 *   4 times timeout_ms -> the link is dropped
 *   link down -> all of `waiting`, and whatever is submitted, answered by the table
 *
 * An op that the server runs although the table has answered it counts in both: no harm, it errs
 * on the strict side. So does what should be given back to a server that can't be asked.
 */
#include <postern/store/backends.h>

#include "limit_answer.h"
#include "limit_cell.h"
#include "limit_command.h"
#include "redis_link.h"

#include <stdlib.h>

struct redis_limiter {
    struct limiter base;
    struct loop *loop;
    const struct redis_opts *opts;
    struct limit_table *table;
    struct redis_link link;
    struct limit_commands commands;
    struct list waiting;      /* ops in the order of their commands */
    size_t waiting_count;     /* of them */
    size_t late;              /* replies still to come to ops that the table has answered */
    uint64_t silent_since_ms; /* while `late`: when the oldest of these was sent */
    struct deadline patience; /* set while a reply is to come */
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct redis_limiter *redis_of(struct limiter *limiter)
{
    return container_of(limiter, struct redis_limiter, base);
}

static struct limit_op *op_of(struct list *link)
{
    return container_of(link, struct limit_op, link);
}

static void be_patient_until(struct redis_limiter *redis, uint64_t at_ms)
{
    deadline_set(&redis->loop->deadlines, &redis->patience, at_ms);
}

/* ---- sending ---- */

static bool send_op(struct redis_limiter *redis, struct limit_op *op)
{
    char *start = redis_link_reserve(&redis->link, limit_command_max(&redis->commands, op));
    if (!start)
        return false;
    const char *end = limit_command_put(&redis->commands, start, op);
    redis_link_commit(&redis->link, (size_t)(end - start));
    op->since_ms = loop_now_ms(redis->loop);
    list_push_back(&redis->waiting, &op->link);
    redis->waiting_count++;
    if (!deadline_is_set(&redis->patience))
        be_patient_until(redis, op->since_ms + redis->opts->timeout_ms);
    return true;
}

static struct limit_op *take_first(struct redis_limiter *redis)
{
    struct list *first = list_pop_front(&redis->waiting);
    if (!first)
        return NULL;
    redis->waiting_count--;
    return op_of(first);
}

/* ---- answers ---- */

/* What Redis has taken is not the table's to give back: it answers as if the cell was idle. */
static void let_table_answer(struct redis_limiter *redis, struct limit_op *op)
{
    uint64_t now_us = redis->loop->clock.mono_us, idle_us = 0;
    if (!op->shared || op->verb == LIMIT_TAKE) {
        limit_answer_locally(&redis->base.stats, redis->table, op, now_us);
        return;
    }
    limit_cell_run(&idle_us, op, now_us);
    op->local = true;
    limit_count(&redis->base.stats, op);
}

static void answer_locally(struct redis_limiter *redis, struct limit_op *op)
{
    let_table_answer(redis, op);
    op->answered(op);
}

/* Detached first: an op that is answered here may submit the next one from inside. */
static void answer_all_locally(struct redis_limiter *redis)
{
    struct list left;
    struct list *first;
    list_init(&left);
    list_move_all(&left, &redis->waiting);
    redis->waiting_count = 0;
    while ((first = list_pop_front(&left)) != NULL)
        answer_locally(redis, op_of(first));
}

static void answer(struct redis_limiter *redis, struct limit_op *op)
{
    limit_count(&redis->base.stats, op);
    op->answered(op);
}

static void put_back(struct redis_limiter *redis, struct limit_op *op)
{
    list_push_front(&redis->waiting, &op->link);
    redis->waiting_count++;
}

/* False: the connection is out of step, and the op waits as before. */
static bool take_reply(struct redis_limiter *redis, struct limit_op *op,
                       const struct redis_reply *reply)
{
    switch (limit_command_take(op, reply)) {
    case LIMIT_TAKEN:
        answer(redis, op);
        return true;
    case LIMIT_TAKEN_SEND_AGAIN:
        if (send_op(redis, op))
            return true;
        break;
    case LIMIT_TAKEN_ERROR:
        break;
    case LIMIT_TAKEN_NONSENSE:
        put_back(redis, op);
        return false;
    }
    answer_locally(redis, op);
    return true;
}

/* After the last one nothing is to come: the silence is over. */
static void drop_late_reply(struct redis_limiter *redis)
{
    if (--redis->late == 0)
        deadline_clear(&redis->loop->deadlines, &redis->patience);
}

static void on_replied(struct redis_link *link, const struct redis_reply *reply)
{
    struct redis_limiter *redis = container_of(link, struct redis_limiter, link);
    /* A server that became another one's replica: only a new connection can find that other. */
    bool read_only = reply->type == REDIS_ERROR && slice_starts(reply->text, SLICE("READONLY"));
    if (redis->late > 0) {
        drop_late_reply(redis);
        return;
    }
    struct limit_op *op = take_first(redis);
    if (!op || !take_reply(redis, op, reply))
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("unexpected reply"));
    else if (read_only && redis_link_is_up(link))
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("the server is a read-only replica"));
}

/* ---- silence ---- */

/* No reply for timeout_ms: whoever waits has waited long enough, and nobody else begins to. */
static void fall_silent(struct redis_limiter *redis, uint64_t since_ms)
{
    redis->silent_since_ms = since_ms;
    redis->late = redis->waiting_count;
    be_patient_until(redis, since_ms + (uint64_t)REDIS_STALL_TIMEOUTS * redis->opts->timeout_ms);
    answer_all_locally(redis);
}

static void look_at_silence(struct redis_limiter *redis, uint64_t now_ms)
{
    uint64_t until_ms = redis->silent_since_ms +
                        (uint64_t)REDIS_STALL_TIMEOUTS * redis->opts->timeout_ms;
    if (now_ms >= until_ms)
        redis_link_drop(&redis->link, REDIS_FINDING_NONE, SLICE("stalled"));
    else
        be_patient_until(redis, until_ms);
}

static void look_at_oldest(struct redis_limiter *redis, uint64_t now_ms)
{
    uint64_t since_ms = op_of(redis->waiting.next)->since_ms;
    uint64_t until_ms = since_ms + redis->opts->timeout_ms;
    if (now_ms >= until_ms)
        fall_silent(redis, since_ms);
    else
        be_patient_until(redis, until_ms);
}

static void on_patience(struct deadline *deadline)
{
    struct redis_limiter *redis = container_of(deadline, struct redis_limiter, patience);
    if (redis->late > 0)
        look_at_silence(redis, loop_now_ms(redis->loop));
    else if (redis->waiting_count > 0)
        look_at_oldest(redis, loop_now_ms(redis->loop));
}

/* ---- up and down ---- */

/* Nothing to do: what is submitted from now on is sent. */
static void on_up(struct redis_link *link, enum redis_finding finding, struct slice detail)
{
    (void)link;
    (void)finding;
    (void)detail;
}

static void give_up(struct redis_limiter *redis)
{
    redis->late = 0;
    deadline_clear(&redis->loop->deadlines, &redis->patience);
    answer_all_locally(redis);
}

/* The reason is told by the dedup store's link, which is to the same server. */
static void on_down(struct redis_link *link, enum redis_finding finding, struct slice reason)
{
    (void)finding;
    (void)reason;
    give_up(container_of(link, struct redis_limiter, link));
}

static void on_closed(struct redis_link *link)
{
    struct redis_limiter *redis = container_of(link, struct redis_limiter, link);
    void (*closed)(void *arg) = redis->closed;
    void *arg = redis->closed_arg;
    free(redis);
    closed(arg);
}

static const struct redis_link_handlers link_handlers = {
    .up = on_up,
    .replied = on_replied,
    .down = on_down,
    .closed = on_closed,
};

/* ---- the backend ---- */

static enum op_status redis_submit(struct limiter *limiter, struct limit_op *op)
{
    struct redis_limiter *redis = redis_of(limiter);
    bool may_send = op->shared && redis->late == 0 &&
                    redis->waiting_count < redis->opts->pending_max;
    op->resent = false;
    if (may_send && send_op(redis, op))
        return OP_PENDING;
    let_table_answer(redis, op);
    return OP_READY;
}

static void redis_close(struct limiter *limiter, void (*closed)(void *arg), void *arg)
{
    struct redis_limiter *redis = redis_of(limiter);
    redis->closed = closed;
    redis->closed_arg = arg;
    redis_link_close(&redis->link);
    give_up(redis);
}

static const struct limiter_backend redis_backend = {
    .name = "redis",
    .submit = redis_submit,
    .close = redis_close,
};

enum status limiter_redis_open(struct loop *loop, const struct redis_opts *opts,
                               struct limit_table *table, struct limiter **ret_limiter)
{
    struct redis_limiter *redis = calloc(1, sizeof *redis);
    if (!redis)
        return STATUS_NO_MEMORY;
    redis->base.backend = &redis_backend;
    redis->loop = loop;
    redis->opts = opts;
    redis->table = table;
    redis->patience.expired = on_patience;
    limit_commands_init(&redis->commands, opts->prefix);
    list_init(&redis->waiting);
    enum status status =
        redis_link_open(&redis->link, loop, opts, &redis->commands.script, 1, &link_handlers);
    if (status != STATUS_OK) {
        free(redis);
        return status;
    }
    *ret_limiter = &redis->base;
    return STATUS_OK;
}
