/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opened at the first question, since most gateways are never asked to explain. What is asked while
 * the link to Redis is not yet known to be up or down waits for that: it takes as long as
 * connecting may.
 */
#include "explain_store.h"

#include <postern/store/backends.h>
#include <stdlib.h>

struct explain_store {
    struct admin_store door;
    struct loop *loop;
    const struct config *config;
    struct key_table *keys;
    struct redis_opts redis;
    struct dedup *dedup; /* NULL: not opened yet */
    bool is_settled;     /* the store has spoken: it is up, or known to be away */
    struct list held;    /* ops asked before that */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* ---- asking ---- */

static void answer_unknown(struct dedup_op *op)
{
    op->verdict = VERDICT_UNKNOWN;
    op->answered(op);
}

static void release_held(struct explain_store *store)
{
    struct list held, *link;
    list_init(&held);
    list_move_all(&held, &store->held);
    while ((link = list_pop_front(&held))) {
        struct dedup_op *op = container_of(link, struct dedup_op, link);
        if (dedup_peek(store->dedup, op) == OP_READY)
            op->answered(op);
    }
}

/* The workers tell the log how Redis is. */
static void on_redis_changed(void *arg, bool up, enum redis_finding finding, struct slice detail)
{
    struct explain_store *store = arg;
    (void)up;
    (void)finding;
    (void)detail;
    store->is_settled = true;
    release_held(store);
}

static enum status open_dedup(struct explain_store *store)
{
    if (store->config->dedup == DEDUP_MEMORY) {
        store->is_settled = true;
        return dedup_memory_open(store->loop, store->keys, &store->dedup);
    }
    store->redis = store->config->redis;
    store->redis.l1 = store->keys;
    struct redis_listener listener = {.changed = on_redis_changed, .arg = store};
    return dedup_redis_open(store->loop, &store->redis, listener, &store->dedup);
}

static enum op_status peek(struct admin_store *door, struct dedup_op *op)
{
    struct explain_store *store = container_of(door, struct explain_store, door);
    if (!store->dedup && open_dedup(store) != STATUS_OK) {
        op->verdict = VERDICT_UNKNOWN;
        return OP_READY;
    }
    if (store->is_settled)
        return dedup_peek(store->dedup, op);
    list_push_back(&store->held, &op->link);
    return OP_PENDING;
}

/* ---- its life ---- */

struct explain_store *explain_store_new(struct loop *loop, const struct config *config,
                                        struct key_table *keys)
{
    struct explain_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->door.peek = peek;
    store->loop = loop;
    store->config = config;
    store->keys = keys;
    list_init(&store->held);
    return store;
}

struct admin_store *explain_store_door(struct explain_store *store)
{
    return &store->door;
}

static void on_closed(void *arg)
{
    struct explain_store *store = arg;
    void (*closed)(void *arg) = store->closed;
    void *closed_arg = store->closed_arg;
    free(store);
    closed(closed_arg);
}

void explain_store_close(struct explain_store *store, void (*closed)(void *arg), void *arg)
{
    struct list *link;
    store->closed = closed;
    store->closed_arg = arg;
    while ((link = list_pop_front(&store->held)))
        answer_unknown(container_of(link, struct dedup_op, link));
    if (store->dedup)
        store->dedup->backend->close(store->dedup, on_closed, store);
    else
        on_closed(store);
}
