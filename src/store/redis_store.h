/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the Redis store, shared by its two halves: dedup_redis.c serves the callers' ops;
 * redis_owed.c looks after what unknown answers leave behind.
 */
#ifndef POSTERN_STORE_REDIS_STORE_H
#define POSTERN_STORE_REDIS_STORE_H

#include "redis_command.h"
#include "redis_debt.h"
#include "redis_doubt.h"
#include "redis_l1.h"
#include "redis_link.h"

/* Claims to be given back and settles to be made again, each when the link comes up. */
struct redis_owed {
    struct doubts doubts;    /* not sent now */
    struct debts debts;      /* not sent now */
    uint32_t doubts_waiting; /* sent; the first ones of `waiting` */
    uint32_t debts_waiting;  /* sent; anywhere in `waiting` */
    struct deadline dun;     /* set while the link is up and a debt is not sent */
};

struct redis_store {
    struct dedup base;
    struct loop *loop;
    const struct redis_opts *opts;
    struct redis_listener listener;
    struct redis_link link;
    struct redis_commands commands;
    struct redis_l1 l1;
    struct list waiting; /* ops in the order of their commands */
    struct redis_owed owed;
    struct deadline stall; /* set while something waits */
    bool told_down;        /* the listener's last news, for: */
    char told_reason[REDIS_DETAIL_SIZE];
    void (*closed)(void *arg);
    void *closed_arg;
};

static inline struct dedup_op *redis_waiting_op(struct list *link)
{
    return container_of(link, struct dedup_op, link);
}

/* Writes the op's command, as op->verb says, and lets it wait; false when it can't be written. */
bool redis_store_send(struct redis_store *store, struct dedup_op *op);

/* Answers the op: unknown. */
void redis_store_set_unknown(struct dedup_op *op);

/* Counts the op's answer if it is unknown. */
void redis_store_count_unknown(struct redis_store *store, const struct dedup_op *op);

/* Nothing is owed at first. */
void redis_owed_init(struct redis_store *store);

/* Frees everything; nothing of it may be waiting. */
void redis_owed_done(struct redis_store *store);

/* The link came up: sends all that is owed, ahead of whatever callers will submit. */
void redis_owed_send(struct redis_store *store);

/* The link went down: what was sent is given to redis_owed_give_up, and nothing more is sent. */
void redis_owed_pause(struct redis_store *store);

/* True for an op of ours: one that gives a claim back or settles again. */
bool redis_owed_is(const struct dedup_op *op);

/* Takes the reply to an op of ours; as redis_command_take, but TAKEN_SEND_AGAIN was obeyed. */
enum redis_taken redis_owed_take(struct redis_store *store, struct dedup_op *op,
                                 const struct redis_reply *reply);

/* An op of ours will not be answered any more. */
void redis_owed_give_up(struct redis_store *store, struct dedup_op *op);

/* A caller's claim will not be answered any more. */
void redis_owed_claim(struct redis_store *store, const struct dedup_op *claim);

/* A caller's settle was answered HOLD_UNKNOWN; L1 learns the key. Nothing if it is waived. */
void redis_owed_settle(struct redis_store *store, const struct dedup_op *settle);

/* The owner of a claim, perhaps in doubt, renews, settles or releases it: not our doubt any more.
 */
void redis_owed_undoubt(struct redis_store *store, const struct uuid *token);

/* An operator wants the key gone: nothing that says it is done may be sent after that. */
void redis_owed_waive(struct redis_store *store, const struct event_key *key);

#endif
