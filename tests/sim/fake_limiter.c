/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limiter that is a real table of cells, behind a switch: it answers at once, or when the test
 * says so, as Redis does. Local ops are answered at once whatever the switch says.
 */
#include "sim_impl.h"

#include <assert.h>
#include <string.h>

#define CELLS 64

static void table_answers(struct sim_limiter *limiter, struct limit_op *op)
{
    if (limit_table_submit(limiter->table, op, limiter->loop->clock.mono_us))
        limiter->base.stats.evicted++;
    if (!op->allowed)
        limiter->base.stats.refused++;
}

static enum op_status limiter_takes(struct limiter *base, struct limit_op *op)
{
    struct sim_limiter *limiter = container_of(base, struct sim_limiter, base);
    limiter->calls[op->verb]++;
    if (!op->shared || (limiter->mode == SIM_NOW && limiter->waiting_count == 0)) {
        table_answers(limiter, op);
        return OP_READY;
    }
    if (limiter->mode == SIM_DOWN) {
        op->local = true;
        limiter->base.stats.errors++;
        table_answers(limiter, op);
        return OP_READY;
    }
    assert(limiter->waiting_count < SIM_MAX);
    limiter->waiting[limiter->waiting_count++] = op;
    return OP_PENDING;
}

static const struct limiter_backend limiter_backend = {.name = "sim", .submit = limiter_takes};

void sim_limiter_flush(struct sim *sim)
{
    struct sim_limiter *limiter = &sim->limiter;
    size_t count = limiter->waiting_count;
    struct limit_op *ops[SIM_MAX];
    memcpy(ops, limiter->waiting, sizeof ops);
    limiter->waiting_count = 0;
    for (size_t i = 0; i < count; i++) {
        table_answers(limiter, ops[i]);
        ops[i]->answered(ops[i]);
    }
    sim_turn(sim);
}

void sim_limiter_open(struct sim *sim)
{
    sim->limiter.base.backend = &limiter_backend;
    sim->limiter.loop = sim->loop;
    sim->limiter.table = limit_table_new(CELLS);
    assert(sim->limiter.table);
}

void sim_limiter_close(struct sim *sim)
{
    limit_table_free(sim->limiter.table);
}
