/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local limiter: one worker's front on the process's table. Everything is answered at once, ops
 * that were to be shared among nodes too.
 */
#include <postern/store/backends.h>

#include "limit_answer.h"

#include <stdlib.h>

struct local_limiter {
    struct limiter base;
    struct loop *loop;
    struct limit_table *table; /* borrowed, shared by all workers */
    struct loop_hook closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct local_limiter *local_of(struct limiter *limiter)
{
    return container_of(limiter, struct local_limiter, base);
}

static enum op_status local_submit(struct limiter *limiter, struct limit_op *op)
{
    struct local_limiter *local = local_of(limiter);
    limit_answer_locally(&limiter->stats, local->table, op, local->loop->clock.mono_us);
    return OP_READY;
}

static void run_closing(struct loop_hook *hook)
{
    struct local_limiter *local = container_of(hook, struct local_limiter, closing);
    void (*closed)(void *arg) = local->closed;
    void *arg = local->closed_arg;
    free(local);
    closed(arg);
}

/* `closed` comes from the loop, as with every other backend. */
static void local_close(struct limiter *limiter, void (*closed)(void *arg), void *arg)
{
    struct local_limiter *local = local_of(limiter);
    local->closed = closed;
    local->closed_arg = arg;
    local->closing.run = run_closing;
    loop_defer(local->loop, &local->closing);
}

static const struct limiter_backend local_backend = {
    .name = "local",
    .submit = local_submit,
    .close = local_close,
};

enum status limiter_local_open(struct loop *loop, struct limit_table *table,
                               struct limiter **ret_limiter)
{
    struct local_limiter *local = calloc(1, sizeof *local);
    if (!local)
        return STATUS_NO_MEMORY;
    local->base.backend = &local_backend;
    local->loop = loop;
    local->table = table;
    *ret_limiter = &local->base;
    return STATUS_OK;
}
