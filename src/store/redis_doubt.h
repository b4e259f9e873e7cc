/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims in doubt: their answer never came because the link was lost, so they may have been carried
 * out. Once the link is up again each is given back by a compare-and-delete on its token, before
 * anything else is sent; those that do not fit here end with their lease. There is no age limit: a
 * frozen server begins the lease when it thaws.
 */
#ifndef POSTERN_STORE_REDIS_DOUBT_H
#define POSTERN_STORE_REDIS_DOUBT_H

#include <postern/store/dedup.h>

#define DOUBTS_MAX 1024u

struct doubts {
    struct list list; /* of ops by their `link`, oldest first */
    size_t count;
};

/* Makes it empty. */
void doubts_init(struct doubts *doubts);

/* Remembers a claim (copies what is needed of it). At the bound the oldest is forgotten, out of
 * memory this one. */
void doubts_add(struct doubts *doubts, const struct dedup_op *claim);

/* Takes back an op that doubts_take gave and that was not answered. */
void doubts_put_back(struct doubts *doubts, struct dedup_op *op);

/* Forgets the claim with that token: its owner takes care of it again. */
void doubts_forget(struct doubts *doubts, const struct uuid *token);

/* The oldest as an op with route, key and token, or NULL; to be given to doubt_free. */
struct dedup_op *doubts_take(struct doubts *doubts);

/* Frees an op that doubts_take gave. */
void doubt_free(struct dedup_op *op);

/* Frees all that is remembered. */
void doubts_done(struct doubts *doubts);

#endif
