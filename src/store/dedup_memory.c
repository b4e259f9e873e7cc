/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory dedup store: one worker's front on the process's key table. Everything is answered at
 * once. What survives a restart is the journal's business: its keys are loaded into the table at
 * start.
 */
#include <postern/store/backends.h>

#include <stdlib.h>

struct memory_store {
    struct dedup base;
    struct loop *loop;
    struct key_table *table; /* borrowed, shared by all workers */
    struct loop_hook closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct memory_store *memory_of(struct dedup *store)
{
    return container_of(store, struct memory_store, base);
}

static enum op_status memory_claim(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_claim(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static enum op_status memory_peek(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_peek(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static enum op_status memory_renew(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_renew(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static enum op_status memory_settle(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_settle(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static enum op_status memory_release(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_release(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static enum op_status memory_forget(struct dedup *store, struct dedup_op *op)
{
    struct memory_store *memory = memory_of(store);
    key_table_forget(memory->table, op, loop_now_ms(memory->loop));
    return OP_READY;
}

static void run_closing(struct loop_hook *hook)
{
    struct memory_store *memory = container_of(hook, struct memory_store, closing);
    void (*closed)(void *arg) = memory->closed;
    void *arg = memory->closed_arg;
    free(memory);
    closed(arg);
}

/* `closed` comes from the loop, as with every other backend. */
static void memory_close(struct dedup *store, void (*closed)(void *arg), void *arg)
{
    struct memory_store *memory = memory_of(store);
    memory->base.stats.up = false;
    memory->closed = closed;
    memory->closed_arg = arg;
    memory->closing.run = run_closing;
    loop_defer(memory->loop, &memory->closing);
}

static void memory_refresh_stats(struct dedup *store)
{
    store->stats.keys = key_table_count(memory_of(store)->table);
}

static const struct dedup_backend memory_backend = {
    .name = "memory",
    .claim = memory_claim,
    .renew = memory_renew,
    .settle = memory_settle,
    .release = memory_release,
    .forget = memory_forget,
    .peek = memory_peek,
    .close = memory_close,
    .refresh_stats = memory_refresh_stats,
};

enum status dedup_memory_open(struct loop *loop, struct key_table *table, struct dedup **ret_store)
{
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (!memory)
        return STATUS_NO_MEMORY;
    memory->base.backend = &memory_backend;
    memory->base.stats.up = true;
    memory->loop = loop;
    memory->table = table;
    *ret_store = &memory->base;
    return STATUS_OK;
}
