/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded list of claims in doubt. Memory is allocated here because this is the path of a lost
 * link, not that of a request.
 */
#include "redis_doubt.h"

#include <stdlib.h>

struct doubt {
    struct dedup_op op;
    char route[];
};

void doubts_init(struct doubts *doubts)
{
    list_init(&doubts->list);
    doubts->count = 0;
}

void doubts_put_back(struct doubts *doubts, struct dedup_op *op)
{
    if (doubts->count == DOUBTS_MAX)
        doubt_free(doubts_take(doubts));
    list_push_back(&doubts->list, &op->link);
    doubts->count++;
}

void doubts_add(struct doubts *doubts, const struct dedup_op *claim)
{
    struct doubt *doubt = calloc(1, sizeof *doubt + claim->route.len);
    if (!doubt)
        return;
    if (claim->route.len > 0)
        memcpy(doubt->route, claim->route.data, claim->route.len);
    doubt->op.route = slice_of(doubt->route, claim->route.len);
    doubt->op.key = claim->key;
    doubt->op.token = claim->token;
    doubts_put_back(doubts, &doubt->op);
}

void doubts_forget(struct doubts *doubts, const struct uuid *token)
{
    struct list *next;
    for (struct list *link = doubts->list.next; link != &doubts->list; link = next) {
        struct dedup_op *op = container_of(link, struct dedup_op, link);
        next = link->next;
        if (memcmp(&op->token, token, sizeof *token) != 0)
            continue;
        list_remove(link);
        doubts->count--;
        doubt_free(op);
    }
}

struct dedup_op *doubts_take(struct doubts *doubts)
{
    struct list *link = list_pop_front(&doubts->list);
    if (!link)
        return NULL;
    doubts->count--;
    return container_of(link, struct dedup_op, link);
}

void doubt_free(struct dedup_op *op)
{
    if (op)
        free(container_of(op, struct doubt, op));
}

void doubts_done(struct doubts *doubts)
{
    while (doubts->count > 0)
        doubt_free(doubts_take(doubts));
}
