/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis dedup store: the ops that wait for their replies, L1 before them, and what a lost link
 * means for them. The connection is redis_link.c, the bytes are redis_command.c and redis_answer.c.
 *
 *   submit -> L1? -> command into the link's buffer, op to the end of `waiting`
 *   reply  -> first op of `waiting` -> verdict or hold -> answered
 *   link down -> every waiting op UNKNOWN; its claims are in doubt and given back when up again
 */
#include <postern/store/backends.h>

#include "redis_command.h"
#include "redis_doubt.h"
#include "redis_link.h"

#include <stdlib.h>

#define STALL_TIMEOUTS 4u /* as backends.h promises */

struct redis_store {
    struct dedup base;
    struct loop *loop;
    const struct redis_opts *opts;
    struct redis_listener listener;
    struct redis_link link;
    struct redis_commands commands;
    struct list waiting;     /* ops in the order of their commands */
    uint32_t doubts_waiting; /* how many of them, at the front, give back claims in doubt */
    struct doubts doubts;    /* not sent yet */
    struct deadline stall;   /* set while something waits */
    bool told_down;          /* the listener's last news, for: */
    char told_reason[REDIS_DETAIL_SIZE];
    void (*closed)(void *arg);
    void *closed_arg;
};

static struct redis_store *redis_of(struct dedup *store)
{
    return container_of(store, struct redis_store, base);
}

static struct dedup_op *op_of(struct list *link)
{
    return container_of(link, struct dedup_op, link);
}

static void watch_for_stall(struct redis_store *store, uint64_t oldest_ms)
{
    uint64_t limit_ms = (uint64_t)STALL_TIMEOUTS * store->opts->timeout_ms;
    if (!deadline_is_set(&store->stall))
        deadline_set(&store->loop->deadlines, &store->stall, oldest_ms + limit_ms);
}

/* Writes the op's command and lets it wait; false when it can't be written. */
static bool send_op(struct redis_store *store, struct dedup_op *op)
{
    char *start = redis_link_reserve(&store->link, redis_command_max(&store->commands, op));
    if (!start)
        return false;
    const char *end = redis_command_put(&store->commands, start, op);
    redis_link_commit(&store->link, (size_t)(end - start));
    op->since_ms = loop_now_ms(store->loop);
    list_push_back(&store->waiting, &op->link);
    watch_for_stall(store, op->since_ms);
    return true;
}

static void set_unknown(struct dedup_op *op)
{
    op->verdict = VERDICT_UNKNOWN;
    op->hold = HOLD_UNKNOWN;
}

static bool is_claim(const struct dedup_op *op)
{
    return redis_verb_of(op) == VERB_CLAIM || redis_verb_of(op) == VERB_CLAIM_AGAIN;
}

static void count_unknown(struct redis_store *store, const struct dedup_op *op)
{
    bool unknown = is_claim(op) ? op->verdict == VERDICT_UNKNOWN : op->hold == HOLD_UNKNOWN;
    store->base.stats.errors += unknown;
}

/* ---- L1 ---- */

/* Remembers a done key, no longer than the window that began at its acceptance. The wall clock that
 * took that instant may be another node's: the age limit bounds its error. */
static void learn(struct redis_store *store, const struct event_key *key,
                  const struct dedup_first *first, uint64_t window_ms)
{
    uint64_t wall_ms = store->loop->clock.wall_ms;
    uint64_t age_ms = wall_ms > first->accepted_at_ms ? wall_ms - first->accepted_at_ms : 0;
    if (!store->opts->l1 || age_ms >= window_ms)
        return;
    uint64_t left_ms = window_ms - age_ms;
    if (left_ms > store->opts->l1_max_age_ms)
        left_ms = store->opts->l1_max_age_ms;
    /* A full L1 learns nothing; it is only a cache. */
    (void)key_table_put_done(store->opts->l1, key, first, loop_now_ms(store->loop) + left_ms);
}

static bool answer_from_l1(struct redis_store *store, struct dedup_op *op)
{
    struct key_table *l1 = store->opts->l1;
    if (!l1 || !key_table_get_done(l1, &op->key, loop_now_ms(store->loop), &op->first))
        return false;
    op->verdict = VERDICT_DUPLICATE;
    op->from_l1 = true;
    store->base.stats.l1_hits++;
    return true;
}

static void forget_in_l1(struct redis_store *store, const struct event_key *key)
{
    struct dedup_op local = {.key = *key};
    if (store->opts->l1)
        key_table_forget(store->opts->l1, &local, loop_now_ms(store->loop));
}

/* ---- replies ---- */

static void answer(struct redis_store *store, struct dedup_op *op)
{
    count_unknown(store, op);
    store->base.stats.pending--;
    op->answered(op);
}

/* An error leaves the claim to its lease. */
static enum redis_taken take_doubt(struct redis_store *store, struct dedup_op *op,
                                   const struct redis_reply *reply)
{
    uint64_t window_ms;
    if (redis_command_take(op, reply, &window_ms) == TAKEN_NONSENSE)
        return TAKEN_NONSENSE;
    count_unknown(store, op);
    store->base.stats.doubtful_released += op->hold == HOLD_KEPT;
    store->doubts_waiting--;
    doubt_free(op);
    return TAKEN;
}

static enum redis_taken take_op(struct redis_store *store, struct dedup_op *op,
                                const struct redis_reply *reply)
{
    uint64_t window_ms;
    enum redis_taken taken = redis_command_take(op, reply, &window_ms);
    if (taken == TAKEN_NONSENSE || (taken == TAKEN_SEND_AGAIN && send_op(store, op)))
        return taken;
    if (taken == TAKEN_SEND_AGAIN)
        set_unknown(op);
    if (window_ms > 0)
        learn(store, &op->key, is_claim(op) ? &op->first : &op->done, window_ms);
    if (redis_verb_of(op) == VERB_FORGET)
        forget_in_l1(store, &op->key); /* a claim before it may have taught L1 meanwhile */
    answer(store, op);
    return TAKEN;
}

static void on_replied(struct redis_link *link, const struct redis_reply *reply)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    struct list *first = list_pop_front(&store->waiting);
    enum redis_taken taken = TAKEN_NONSENSE;
    /* A server that became another one's replica: only a new connection can find that other. */
    bool read_only = reply->type == REDIS_ERROR && slice_starts(reply->text, SLICE("READONLY"));
    if (first)
        taken = store->doubts_waiting > 0 ? take_doubt(store, op_of(first), reply)
                                          : take_op(store, op_of(first), reply);
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

static void send_doubts(struct redis_store *store)
{
    struct dedup_op *op;
    while ((op = doubts_take(&store->doubts)) != NULL) {
        op->verb = VERB_DOUBT;
        if (!send_op(store, op)) {
            doubts_put_back(&store->doubts, op);
            return;
        }
        store->doubts_waiting++;
    }
}

static void on_up(struct redis_link *link, enum redis_finding finding, struct slice detail)
{
    struct redis_store *store = container_of(link, struct redis_store, link);
    store->base.stats.up = true;
    store->base.stats.reconnects = link->ups - 1;
    store->told_down = false;
    send_doubts(store);
    tell(store, true, finding, detail);
}

/* The link is gone: this op will not be answered any more. */
static void give_up(struct redis_store *store, struct dedup_op *op)
{
    if (redis_verb_of(op) == VERB_DOUBT) {
        doubts_put_back(&store->doubts, op);
    } else if (redis_verb_of(op) == VERB_DOUBT_OFF) {
        doubt_free(op);
    } else {
        if (is_claim(op))
            doubts_add(&store->doubts, op);
        set_unknown(op);
        answer(store, op);
    }
}

/* Detached first: an op that is answered here may submit the next one from inside. */
static void give_up_all(struct redis_store *store)
{
    struct list lost;
    struct list *first;
    list_init(&lost);
    list_move_all(&lost, &store->waiting);
    store->doubts_waiting = 0;
    deadline_clear(&store->loop->deadlines, &store->stall);
    while ((first = list_pop_front(&lost)) != NULL)
        give_up(store, op_of(first));
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
    uint64_t limit_ms = (uint64_t)STALL_TIMEOUTS * store->opts->timeout_ms;
    if (list_is_empty(&store->waiting))
        return;
    uint64_t oldest_ms = op_of(store->waiting.next)->since_ms;
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
    doubts_done(&store->doubts);
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
    op->from_l1 = false;
    if (store->base.stats.pending < store->opts->pending_max && send_op(store, op)) {
        store->base.stats.pending++;
        return OP_PENDING;
    }
    set_unknown(op);
    count_unknown(store, op);
    return OP_READY;
}

/* The owner of a claim in doubt is back and renews, settles or releases it: not our doubt any more.
 */
static void undoubt(struct redis_store *store, const struct uuid *token)
{
    struct list *link = store->waiting.next;
    if (store->doubts.count > 0)
        doubts_forget(&store->doubts, token);
    for (uint32_t i = 0; i < store->doubts_waiting; i++, link = link->next)
        if (uuid_eq(&op_of(link)->token, token))
            op_of(link)->verb = VERB_DOUBT_OFF;
}

static enum op_status redis_claim(struct dedup *base, struct dedup_op *op)
{
    struct redis_store *store = redis_of(base);
    return answer_from_l1(store, op) ? OP_READY : submit(store, op, VERB_CLAIM);
}

static enum op_status redis_renew(struct dedup *base, struct dedup_op *op)
{
    undoubt(redis_of(base), &op->token);
    return submit(redis_of(base), op, VERB_RENEW);
}

static enum op_status redis_settle(struct dedup *base, struct dedup_op *op)
{
    undoubt(redis_of(base), &op->token);
    return submit(redis_of(base), op, VERB_SETTLE);
}

static enum op_status redis_release(struct dedup *base, struct dedup_op *op)
{
    undoubt(redis_of(base), &op->token);
    return submit(redis_of(base), op, VERB_RELEASE);
}

static enum op_status redis_forget(struct dedup *base, struct dedup_op *op)
{
    forget_in_l1(redis_of(base), &op->key);
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
    base->stats.keys = store->opts->l1 ? key_table_count(store->opts->l1) : 0;
}

static const struct dedup_backend redis_backend = {
    .name = "redis",
    .claim = redis_claim,
    .renew = redis_renew,
    .settle = redis_settle,
    .release = redis_release,
    .forget = redis_forget,
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
    store->stall.expired = on_stall;
    redis_commands_init(&store->commands, opts->prefix);
    list_init(&store->waiting);
    doubts_init(&store->doubts);
    enum status status = redis_link_open(&store->link, loop, opts, store->commands.scripts,
                                         REDIS_SCRIPTS, &link_handlers);
    if (status != STATUS_OK) {
        free(store);
        return status;
    }
    *ret_store = &store->base;
    return STATUS_OK;
}
