/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settles whose answers are not known: the event was accepted, but Redis may not know the key as
 * done, so a retry would be delivered twice. Each is sent again until it is answered or its window
 * is over (dedup_redis.c says when). Here they are only kept: oldest first, and found by key.
 */
#ifndef POSTERN_STORE_REDIS_DEBT_H
#define POSTERN_STORE_REDIS_DEBT_H

#include <postern/store/dedup.h>

/* About 4 MiB. Enough for what is in flight when the link is lost and for an outage of some seconds
 * under full load. */
#define DEBTS_MAX 16384u
/* Of their notes, those that are being sent counted; beyond it only what is essential of a note,
 * which is at most another 4 MiB. Together they fit what a link takes at once (redis_link.h), with
 * room for claims behind them. */
#define DEBT_NOTES_MAX_BYTES (8u << 20)
#define DEBT_BUCKETS 1024u

struct debt;

struct debts {
    struct list list; /* of ops by their `link`, oldest first */
    struct debt *buckets[DEBT_BUCKETS];
    size_t count;
    size_t note_bytes; /* of those taken as well */
    uint64_t dropped;  /* at the bound or out of memory, in total */
};

/* Makes it empty. */
void debts_init(struct debts *debts);

/* Remembers a settle (copies what is needed of it, and as much of its note as there is room for);
 * once, if it is there already. At the bound the
 * oldest is dropped, out of memory this one. */
void debts_add(struct debts *debts, const struct dedup_op *settle);

/* The oldest whose window is not over at `now_ms`, as an op to be sent, or NULL; those that are
 * over are not owed any more and go. To be given to debts_put_back or debt_free. */
struct dedup_op *debts_take(struct debts *debts, uint64_t now_ms);

/* Takes back, as the newest, an op that debts_take gave and that was not answered. At the bound the
 * oldest is dropped. */
void debts_put_back(struct debts *debts, struct dedup_op *op);

/* True when that token's settle of the key is among them. */
bool debts_has(const struct debts *debts, const struct event_key *key, const struct uuid *token);

/* Forgets all of that key. */
void debts_forget(struct debts *debts, const struct event_key *key);

/* Frees an op that debts_take gave; NULL is fine. */
void debt_free(struct debts *debts, struct dedup_op *op);

/* Frees all that is remembered. */
void debts_done(struct debts *debts);

#endif
