/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis dedup store: the ops that wait for their replies, L1 before them, and what a lost link
 * means for them. The connection is redis_link.c, the bytes are redis_command.c and redis_answer.c,
 * what a lost link leaves behind is redis_owed.c.
 *
 *   submit -> L1? -> command into the link's buffer, op to the end of `waiting`
 *   reply  -> first op of `waiting` -> verdict or hold -> answered
 *   link down -> every waiting op UNKNOWN; its claims are in doubt, its settles are owed
 *   link up -> doubts, then debts, then whatever is submitted
 */
#include <postern/store/backends.h>

#include "redis_store.h"

#include <stdlib.h>

static struct redis_store *redis_of(struct dedup *store)
{
    return container_of(store, struct redis_store, base);
}

static void watch_for_stall(struct redis_store *store, uint64_t oldest_ms)
{
    uint64_t limit_ms = (uint64_t)REDIS_STALL_TIMEOUTS * store->opts->timeout_ms;
    if (!deadline_is_set(&store->stall))
        deadline_set(&store->loop->deadlines, &store->stall, oldest_ms + limit_ms);
}

bool redis_store_send(struct redis_store *store, struct dedup_op *op)
{
    char *start = redis_link_reserve(&store->link, redis_command_max(&store->commands, op));
    if (!start)
        return false;
    op->since_ms = loop_now_ms(store->loop);
    const char *end = redis_command_put(&store->commands, start, op);
    redis_link_commit(&store->link, (size_t)(end - start));
    list_push_back(&store->waiting, &op->link);
    watch_for_stall(store, op->since_ms);
    return true;
}

void redis_store_set_unknown(struct dedup_op *op)
{
    op->verdict = VERDICT_UNKNOWN;
    op->hold = HOLD_UNKNOWN;
}

static bool is_claim(const struct dedup_op *op)
{
    return redis_verb_of(op) == VERB_CLAIM || redis_verb_of(op) == VERB_CLAIM_AGAIN;
}

void redis_store_count_unknown(struct redis_store *store, const struct dedup_op *op)
{
    bool asks = is_claim(op) || redis_verb_of(op) == VERB_PEEK;
    bool unknown = asks ? op->verdict == VERDICT_UNKNOWN : op->hold == HOLD_UNKNOWN;
    store->base.stats.errors += unknown;
}

/* ---- replies ---- */

/* The op's answer is known: what it means for the store itself. */
static void conclude(struct redis_store *store, const struct dedup_op *op)
{
    redis_store_count_unknown(store, op);
    if (redis_verb_of(op) == VERB_SETTLE && op->hold == HOLD_UNKNOWN)
        redis_owed_settle(store, op);
}

static void answer(struct redis_store *store, struct dedup_op *op)
{
    conclude(store, op);
    store->base.stats.pending--;
    op->answered(op);
}

static enum redis_taken take_op(struct redis_store *store, struct dedup_op *op,
                                const struct redis_reply *reply)
{
    uint64_t window_ms;
    enum redis_taken taken = redis_command_take(op, reply, &window_ms);
    if (taken == TAKEN_NONSENSE || (taken == TAKEN_SEND_AGAIN && redis_store_send(store, op)))
        return taken;
    if (taken == TAKEN_SEND_AGAIN)
        redis_store_set_unknown(op);
    if (window_ms > 0 && is_claim(op) && !op->noted)
        redis_l1_learn(&store->l1, &op->key, &op->first, window_ms);
    if (redis_verb_of(op) == VERB_FORGET)
        redis_l1_forget(&store->l1, &op->key); /* a claim before it may have taught L1 meanwhile */
    answer(store, op);
    return TAKEN;
}

static enum redis_taken take(struct redis_store *store, struct dedup_op *op,
                             const struct redis_reply *reply)
{
    return redis_owed_is(op) ? redis_owed_take(store, op, reply) : take_op(store, op, reply);
}

static void on_replied(struct redis_link *link, const struct redis_reply *reply)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    struct list *first = list_pop_front(&store->waiting);
    enum redis_taken taken = TAKEN_NONSENSE;
    /* A server that became another one's replica: only a new connection can find that other. */
    bool read_only = reply->type == REDIS_ERROR && slice_starts(reply->text, SLICE("READONLY"));
    if (first)
        taken = take(store, redis_waiting_op(first), reply);
    if (first && taken == TAKEN_NONSENSE)
        list_push_front(&store->waiting, first);
    if (taken == TAKEN_NONSENSE)
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("unexpected reply"));
    else if (read_only && redis_link_is_up(link))
        redis_link_drop(link, REDIS_FINDING_NONE, SLICE("the server is a read-only replica"));
}

/* ---- up and down ---- */

static void tell(struct redis_store *store, bool up, enum redis_finding finding,
                 struct slice detail)
{
    if (store->listener.changed)
        store->listener.changed(store->listener.arg, up, finding, detail);
}

/* The same reason for being down is told once, however many attempts fail of it. */
static void tell_down(struct redis_store *store, enum redis_finding finding, struct slice reason)
{
    if (reason.len >= sizeof store->told_reason)
        reason.len = sizeof store->told_reason - 1;
    if (store->told_down && slice_eq(reason, slice_str(store->told_reason)))
        return;
    store->told_down = true;
    memcpy(store->told_reason, reason.data, reason.len);
    store->told_reason[reason.len] = '\0';
    tell(store, false, finding, reason);
}

static void on_up(struct redis_link *link, enum redis_finding finding, struct slice detail)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    store->base.stats.up = true;
    store->base.stats.reconnects = link->ups - 1;
    store->told_down = false;
    redis_owed_send(store);
    tell(store, true, finding, detail);
}

/* The link is gone: this op will not be answered any more. */
static void give_up(struct redis_store *store, struct dedup_op *op)
{
    if (redis_owed_is(op)) {
        redis_owed_give_up(store, op);
        return;
    }
    if (is_claim(op))
        redis_owed_claim(store, op);
    redis_store_set_unknown(op);
    answer(store, op);
}

/* Detached first: an op that is answered here may submit the next one from inside. */
static void give_up_all(struct redis_store *store)
{
    struct list lost;
    struct list *first;
    list_init(&lost);
    list_move_all(&lost, &store->waiting);
    redis_owed_pause(store);
    deadline_clear(&store->loop->deadlines, &store->stall);
    while ((first = list_pop_front(&lost)) != NULL)
        give_up(store, redis_waiting_op(first));
}

static void on_down(struct redis_link *link, enum redis_finding finding, struct slice reason)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    store->base.stats.up = false;
    give_up_all(store);
    if (!store->closed)
        tell_down(store, finding, reason);
}

static void on_stall(struct deadline *deadline)
{
    struct redis_store *store = container_of(deadline, struct redis_store, stall);
    uint64_t limit_ms = (uint64_t)REDIS_STALL_TIMEOUTS * store->opts->timeout_ms;
    if (list_is_empty(&store->waiting))
        return;
    uint64_t oldest_ms = redis_waiting_op(store->waiting.next)->since_ms;
    if (loop_now_ms(store->loop) - oldest_ms >= limit_ms)
        redis_link_drop(&store->link, REDIS_FINDING_NONE, SLICE("stalled"));
    else
        watch_for_stall(store, oldest_ms);
}

static void on_closed(struct redis_link *link)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    void (*closed)(void *arg) = store->closed;
    void *arg = store->closed_arg;
    redis_owed_done(store);
    free(store);
    closed(arg);
}

static const struct redis_link_handlers link_handlers = {
    .up = on_up,
    .replied = on_replied,
    .down = on_down,
    .closed = on_closed,
};

/* ---- the backend ---- */

static enum op_status submit(struct redis_store *store, struct dedup_op *op, enum redis_verb verb)
{
    op->verb = (uint8_t)verb;
    if (store->base.stats.pending < store->opts->pending_max && redis_store_send(store, op)) {
        store->base.stats.pending++;
        return OP_PENDING;
    }
    redis_store_set_unknown(op);
    conclude(store, op);
    return OP_READY;
}

static enum op_status redis_claim(struct dedup *base, struct dedup_op *op)
{
    struct redis_store *store = redis_of(base);
    if (op->ret_note)
        buf_clear(op->ret_note);
    if (!redis_l1_answers(&store->l1, op))
        return submit(store, op, VERB_CLAIM);
    base->stats.l1_hits++;
    return OP_READY;
}

static enum op_status redis_peek(struct dedup *base, struct dedup_op *op)
{
    struct redis_store *store = redis_of(base);
    if (op->ret_note)
        buf_clear(op->ret_note);
    return redis_l1_answers(&store->l1, op) ? OP_READY : submit(store, op, VERB_PEEK);
}

static enum op_status redis_renew(struct dedup *base, struct dedup_op *op)
{
    redis_owed_undoubt(redis_of(base), &op->token);
    return submit(redis_of(base), op, VERB_RENEW);
}

/* L1 learns it at once, not with the answer: the event is accepted, and while a stalled link keeps
 * its answer back no copy may pass. One with a note waits for Redis: until the link is
 * given up the claim's lease keeps copies away. */
static enum op_status redis_settle(struct dedup *base, struct dedup_op *op)
{
    struct redis_store *store = redis_of(base);
    uint64_t now_ms = loop_now_ms(store->loop);
    op->ends_at_ms = op->window_ms < UINT64_MAX - now_ms ? now_ms + op->window_ms : UINT64_MAX;
    redis_owed_undoubt(store, &op->token);
    if (!op->noted)
        redis_l1_learn(&store->l1, &op->key, &op->done, op->window_ms);
    return submit(store, op, VERB_SETTLE);
}

static enum op_status redis_release(struct dedup *base, struct dedup_op *op)
{
    redis_owed_undoubt(redis_of(base), &op->token);
    return submit(redis_of(base), op, VERB_RELEASE);
}

static enum op_status redis_forget(struct dedup *base, struct dedup_op *op)
{
    redis_l1_forget(&redis_of(base)->l1, &op->key);
    redis_owed_waive(redis_of(base), &op->key);
    return submit(redis_of(base), op, VERB_FORGET);
}

static void redis_close(struct dedup *base, void (*closed)(void *arg), void *arg)
{
    struct redis_store *store = redis_of(base);
    store->closed = closed;
    store->closed_arg = arg;
    store->base.stats.up = false;
    redis_link_close(&store->link);
    give_up_all(store);
}

static void redis_refresh_stats(struct dedup *base)
{
    const struct redis_store *store = redis_of(base);
    base->stats.debts = store->owed.debts.count + store->owed.debts_waiting;
    base->stats.debts_dropped = store->owed.debts.dropped;
    base->stats.keys = store->opts->l1 ? key_table_count(store->opts->l1) : 0;
}

static const struct dedup_backend redis_backend = {
    .name = "redis",
    .claim = redis_claim,
    .renew = redis_renew,
    .settle = redis_settle,
    .release = redis_release,
    .forget = redis_forget,
    .peek = redis_peek,
    .close = redis_close,
    .refresh_stats = redis_refresh_stats,
};

enum status dedup_redis_open(struct loop *loop, const struct redis_opts *opts,
                             struct redis_listener listener, struct dedup **ret_store)
{
    struct redis_store *store = calloc(1, sizeof *store);
    if (!store)
        return STATUS_NO_MEMORY;
    store->base.backend = &redis_backend;
    store->loop = loop;
    store->opts = opts;
    store->listener = listener;
    store->l1 = (struct redis_l1){.opts = opts, .clock = &loop->clock};
    store->stall.expired = on_stall;
    redis_commands_init(&store->commands, opts->prefix);
    list_init(&store->waiting);
    redis_owed_init(store);
    enum status status = redis_link_open(&store->link, loop, opts, store->commands.scripts,
                                         REDIS_SCRIPTS, &link_handlers);
    if (status != STATUS_OK) {
        free(store);
        return status;
    }
    *ret_store = &store->base;
    return STATUS_OK;
}
