/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded list of settle debts, with chains by key beside it, so that an outage that fills both
 * this list and that of the doubts does not make their comparison slow. Memory is allocated here
 * because this is the path of a lost link, not that of a request.
 */
#include "redis_debt.h"

#include <stdlib.h>

struct debt {
    struct dedup_op op;
    struct debt *next; /* in its bucket */
    char bytes[];      /* the route, then the note */
};

static struct debt *debt_of(struct dedup_op *op)
{
    return container_of(op, struct debt, op);
}

static bool same_key(const struct event_key *a, const struct event_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Keys are digests: any of their bits will do. Whoever aims at one bucket gets a chain that is no
 * longer than the list. */
static size_t bucket_of(const struct event_key *key)
{
    return ((size_t)key->digest[0] << 8 | key->digest[1]) % DEBT_BUCKETS;
}

static void add(struct debts *debts, struct debt *debt)
{
    struct debt **bucket = &debts->buckets[bucket_of(&debt->op.key)];
    debt->next = *bucket;
    *bucket = debt;
    list_push_back(&debts->list, &debt->op.link);
    debts->count++;
}

/* Takes the debt at *place, a link of its bucket's chain, out of everything. */
static struct debt *take_out(struct debts *debts, struct debt **place)
{
    struct debt *debt = *place;
    *place = debt->next;
    list_remove(&debt->op.link);
    debts->count--;
    return debt;
}

static struct debt *take_oldest(struct debts *debts)
{
    if (debts->count == 0)
        return NULL;
    struct debt *oldest = debt_of(container_of(debts->list.next, struct dedup_op, link));
    struct debt **place = &debts->buckets[bucket_of(&oldest->op.key)];
    while (*place != oldest)
        place = &(*place)->next;
    return take_out(debts, place);
}

/* Frees one that is in nothing any more. */
static void end(struct debts *debts, struct debt *debt)
{
    debts->note_bytes -= debt->op.note.len;
    free(debt);
}

void debts_init(struct debts *debts)
{
    *debts = (struct debts){.count = 0};
    list_init(&debts->list);
}

void debts_put_back(struct debts *debts, struct dedup_op *op)
{
    if (debts->count == DEBTS_MAX) {
        end(debts, take_oldest(debts));
        debts->dropped++;
    }
    add(debts, debt_of(op));
}

/* As much of its note as there is room for. What is essential may go beyond the bound. */
static struct slice kept_note(const struct debts *debts, const struct dedup_op *settle)
{
    struct slice note = settle->note;
    size_t essential = settle->note_essential;
    if (debts->note_bytes + note.len <= DEBT_NOTES_MAX_BYTES)
        return note;
    if (essential > DEDUP_ESSENTIAL_MAX)
        essential = DEDUP_ESSENTIAL_MAX;
    return slice_of(note.data, essential < note.len ? essential : note.len);
}

static struct slice copy(char *to, struct slice from)
{
    if (from.len > 0)
        memcpy(to, from.data, from.len);
    return slice_of(to, from.len);
}

static struct debt *debt_new(struct debts *debts, const struct dedup_op *settle)
{
    struct slice note = kept_note(debts, settle);
    struct debt *debt = calloc(1, sizeof *debt + settle->route.len + note.len);
    if (!debt)
        return NULL;
    debt->op.route = copy(debt->bytes, settle->route);
    debt->op.note = copy(debt->bytes + settle->route.len, note);
    debt->op.note_essential = settle->note_essential;
    debt->op.noted = settle->noted;
    debt->op.key = settle->key;
    debt->op.token = settle->token;
    debt->op.done = settle->done;
    debt->op.window_ms = settle->window_ms;
    debt->op.ends_at_ms = settle->ends_at_ms;
    debts->note_bytes += note.len;
    return debt;
}

void debts_add(struct debts *debts, const struct dedup_op *settle)
{
    if (debts_has(debts, &settle->key, &settle->token))
        return;
    struct debt *debt = debt_new(debts, settle);
    if (debt)
        debts_put_back(debts, &debt->op);
    else
        debts->dropped++;
}

struct dedup_op *debts_take(struct debts *debts, uint64_t now_ms)
{
    struct debt *debt;
    while ((debt = take_oldest(debts)) != NULL && debt->op.ends_at_ms <= now_ms)
        end(debts, debt);
    return debt ? &debt->op : NULL;
}

bool debts_has(const struct debts *debts, const struct event_key *key, const struct uuid *token)
{
    const struct debt *debt = debts->buckets[bucket_of(key)];
    while (debt && !(same_key(&debt->op.key, key) && uuid_eq(&debt->op.token, token)))
        debt = debt->next;
    return debt != NULL;
}

void debts_forget(struct debts *debts, const struct event_key *key)
{
    struct debt **place = &debts->buckets[bucket_of(key)];
    while (*place) {
        if (same_key(&(*place)->op.key, key))
            end(debts, take_out(debts, place));
        else
            place = &(*place)->next;
    }
}

void debt_free(struct debts *debts, struct dedup_op *op)
{
    if (op)
        end(debts, debt_of(op));
}

void debts_done(struct debts *debts)
{
    while (debts->count > 0)
        end(debts, take_oldest(debts));
}
