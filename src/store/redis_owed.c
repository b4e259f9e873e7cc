/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unknown answers leave behind, and when it is sent again.
 *
 *   claim, link lost     -> doubt: it may hold the key   -> given back when the link is up again
 *   settle, not answered -> debt: the key may not be done -> settled when the link is up again
 *
 * Doubts go first: a claim in doubt of one event would stand in the way of another event's debt for
 * the same key. An event that has both was accepted: its debt replaces the doubt. A debt that the
 * server refuses while the link stays up (out of memory, say) is tried again every second.
 */
#include "redis_store.h"

#define DEBT_RETRY_MS 1000u /* well below any lease */

/* ---- sending ---- */

static void send_doubts(struct redis_store *store)
{
    struct dedup_op *op;
    while ((op = doubts_take(&store->owed.doubts)) != NULL) {
        if (debts_has(&store->owed.debts, &op->key, &op->token)) {
            doubt_free(op);
            continue;
        }
        op->verb = VERB_DOUBT;
        if (!redis_store_send(store, op)) {
            doubts_put_back(&store->owed.doubts, op);
            return;
        }
        store->owed.doubts_waiting++;
    }
}

static void dun_later(struct redis_store *store)
{
    struct redis_owed *owed = &store->owed;
    if (store->base.stats.up && owed->debts.count > 0 && !deadline_is_set(&owed->dun))
        deadline_set(&store->loop->deadlines, &owed->dun, loop_now_ms(store->loop) + DEBT_RETRY_MS);
}

static void send_debts(struct redis_store *store, size_t most)
{
    struct redis_owed *owed = &store->owed;
    struct dedup_op *op = NULL;
    while (most-- > 0 && (op = debts_take(&owed->debts, loop_now_ms(store->loop))) != NULL) {
        op->verb = VERB_DEBT;
        if (!redis_store_send(store, op)) {
            debts_put_back(&owed->debts, op);
            break;
        }
        owed->debts_waiting++;
    }
    dun_later(store);
}

/* One is tried: if it is paid, so will be the others. */
static void on_dun(struct deadline *deadline)
{
    send_debts(container_of(deadline, struct redis_store, owed.dun), 1);
}

void redis_owed_init(struct redis_store *store)
{
    doubts_init(&store->owed.doubts);
    debts_init(&store->owed.debts);
    store->owed.dun.expired = on_dun;
}

void redis_owed_done(struct redis_store *store)
{
    doubts_done(&store->owed.doubts);
    debts_done(&store->owed.debts);
}

void redis_owed_send(struct redis_store *store)
{
    send_doubts(store);
    send_debts(store, DEBTS_MAX);
}

void redis_owed_pause(struct redis_store *store)
{
    store->owed.doubts_waiting = 0;
    deadline_clear(&store->loop->deadlines, &store->owed.dun);
}

/* ---- answers ---- */

/* An error leaves the claim to its lease. */
static enum redis_taken take_doubt(struct redis_store *store, struct dedup_op *op,
                                   const struct redis_reply *reply)
{
    uint64_t window_ms;
    if (redis_command_take(op, reply, &window_ms) == TAKEN_NONSENSE)
        return TAKEN_NONSENSE;
    redis_store_count_unknown(store, op);
    store->base.stats.doubtful_released += op->hold == HOLD_KEPT;
    store->owed.doubts_waiting--;
    doubt_free(op);
    return TAKEN;
}

/* A debt that was sent is answered, or never will be: LOST, too, says that the key is in hands that
 * Redis knows. */
static void end_debt(struct redis_store *store, struct dedup_op *op)
{
    bool paid = op->hold != HOLD_UNKNOWN;
    bool waived = op->verb & VERB_WAIVED;
    store->owed.debts_waiting--;
    if (paid && !waived)
        redis_l1_learn_paid(&store->l1, op);
    if (paid || waived)
        debt_free(&store->owed.debts, op);
    else
        debts_put_back(&store->owed.debts, op);
    if (paid && store->owed.debts_waiting == 0)
        send_debts(store, DEBTS_MAX);
    else
        dun_later(store);
}

static enum redis_taken take_debt(struct redis_store *store, struct dedup_op *op,
                                  const struct redis_reply *reply)
{
    uint64_t window_ms;
    enum redis_taken taken = redis_command_take(op, reply, &window_ms);
    if (taken == TAKEN_NONSENSE || (taken == TAKEN_SEND_AGAIN && redis_store_send(store, op)))
        return taken;
    if (taken == TAKEN_SEND_AGAIN)
        redis_store_set_unknown(op);
    redis_store_count_unknown(store, op);
    end_debt(store, op);
    return TAKEN;
}

bool redis_owed_is(const struct dedup_op *op)
{
    return redis_verb_of(op) == VERB_DOUBT || redis_verb_of(op) == VERB_DEBT;
}

enum redis_taken redis_owed_take(struct redis_store *store, struct dedup_op *op,
                                 const struct redis_reply *reply)
{
    return redis_verb_of(op) == VERB_DEBT ? take_debt(store, op, reply)
                                          : take_doubt(store, op, reply);
}

void redis_owed_give_up(struct redis_store *store, struct dedup_op *op)
{
    redis_store_set_unknown(op);
    if (redis_verb_of(op) == VERB_DEBT)
        end_debt(store, op);
    else if (op->verb & VERB_WAIVED)
        doubt_free(op);
    else
        doubts_put_back(&store->owed.doubts, op);
}

/* ---- what callers leave, and take back ---- */

void redis_owed_claim(struct redis_store *store, const struct dedup_op *claim)
{
    doubts_add(&store->owed.doubts, claim);
}

void redis_owed_settle(struct redis_store *store, const struct dedup_op *settle)
{
    if (settle->verb & VERB_WAIVED)
        return;
    redis_l1_learn_owed(&store->l1, settle);
    debts_add(&store->owed.debts, settle);
    dun_later(store);
}

void redis_owed_undoubt(struct redis_store *store, const struct uuid *token)
{
    struct list *link = store->waiting.next;
    if (store->owed.doubts.count > 0)
        doubts_forget(&store->owed.doubts, token);
    for (uint32_t i = 0; i < store->owed.doubts_waiting; i++, link = link->next)
        if (uuid_eq(&redis_waiting_op(link)->token, token))
            redis_waiting_op(link)->verb |= VERB_WAIVED;
}

void redis_owed_waive(struct redis_store *store, const struct event_key *key)
{
    debts_forget(&store->owed.debts, key);
    for (struct list *link = store->waiting.next; link != &store->waiting; link = link->next) {
        struct dedup_op *op = redis_waiting_op(link);
        bool settles = redis_verb_of(op) == VERB_SETTLE || redis_verb_of(op) == VERB_DEBT;
        if (settles && memcmp(&op->key, key, sizeof *key) == 0)
            op->verb |= VERB_WAIVED;
    }
}
