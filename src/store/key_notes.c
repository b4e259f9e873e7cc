/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shelf of one shard: chains, because a note is an allocation of its own anyway. Room is taken
 * from the budget for the difference to what the key has already, so that a note that does not grow
 * always fits.
 */
#include "key_notes.h"

#include <assert.h>
#include <stdlib.h>

#define BUCKETS_MIN 8u

struct key_note {
    struct key_note *next; /* in its bucket */
    struct event_key key;
    uint64_t hash;
    size_t len;
    char bytes[];
};

static_assert(sizeof(struct key_note) + 2 * sizeof(struct key_note *) <= NOTE_COST_BYTES,
              "a note's head and its share of the buckets are counted");

/* ---- the budget ---- */

static size_t cost_of(size_t len)
{
    return len > 0 ? NOTE_COST_BYTES + len : 0;
}

/* Counts `fresh` bytes instead of `old` ones, unless that would be more than `limit` and more than
 * before. */
static bool exchange_room(struct note_budget *budget, size_t old, size_t fresh, size_t limit)
{
    if (fresh <= old) {
        atomic_fetch_sub_explicit(&budget->bytes, old - fresh, memory_order_relaxed);
        return true;
    }
    size_t more = fresh - old;
    size_t bytes = atomic_load_explicit(&budget->bytes, memory_order_relaxed);
    do {
        if (bytes > limit || limit - bytes < more)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->bytes, &bytes, bytes + more,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* How much of a note is kept, its room taken; false when there is none even for the essential. */
static bool take_room(struct note_budget *budget, size_t old, size_t len, size_t essential,
                      size_t *ret_len)
{
    size_t limit = atomic_load_explicit(&budget->limit, memory_order_relaxed);
    size_t most = limit > SIZE_MAX / 2 ? SIZE_MAX : 2 * limit;
    *ret_len = len;
    if (exchange_room(budget, old, cost_of(len), limit))
        return true;
    *ret_len = essential;
    return exchange_room(budget, old, cost_of(essential), most);
}

static void give_room_back(struct note_budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->bytes, bytes, memory_order_relaxed);
}

/* ---- the chains ---- */

/* Where the pointer to the key's note is, or the end of its chain. Not for a shelf without buckets.
 */
static struct key_note **place_of(const struct note_shelf *shelf, const struct event_key *key,
                                  uint64_t hash)
{
    struct key_note **place = &shelf->buckets[hash & (shelf->capacity - 1)];
    while (*place && memcmp(&(*place)->key, key, sizeof *key) != 0)
        place = &(*place)->next;
    return place;
}

static void move_chain(struct note_shelf *to, struct key_note *note)
{
    while (note) {
        struct key_note *next = note->next;
        struct key_note **bucket = &to->buckets[note->hash & (to->capacity - 1)];
        note->next = *bucket;
        *bucket = note;
        note = next;
    }
}

/* Twice the buckets; without memory for them the chains get longer, which only costs time, unless
 * there are none at all. */
static bool grow(struct note_shelf *shelf)
{
    struct note_shelf larger = *shelf;
    larger.capacity = shelf->capacity > 0 ? 2 * shelf->capacity : BUCKETS_MIN;
    larger.buckets = calloc(larger.capacity, sizeof *larger.buckets);
    if (!larger.buckets)
        return shelf->capacity > 0;
    for (uint32_t i = 0; i < shelf->capacity; i++)
        move_chain(&larger, shelf->buckets[i]);
    free(shelf->buckets);
    *shelf = larger;
    return true;
}

static struct key_note *note_new(const struct event_key *key, uint64_t hash, struct slice bytes)
{
    struct key_note *note = malloc(sizeof *note + bytes.len);
    if (!note)
        return NULL;
    note->key = *key;
    note->hash = hash;
    note->len = bytes.len;
    memcpy(note->bytes, bytes.data, bytes.len);
    return note;
}

/* Puts `fresh` in the place of what is there, which goes; either may be NULL. */
static void swap_in(struct note_shelf *shelf, struct key_note **place, struct key_note *fresh)
{
    struct key_note *old = *place;
    struct key_note *next = old ? old->next : NULL;
    if (fresh)
        fresh->next = next;
    *place = fresh ? fresh : next;
    if (fresh)
        shelf->count++;
    if (old)
        shelf->count--;
    free(old);
}

bool note_put(struct note_shelf *shelf, struct note_budget *budget, const struct event_key *key,
              uint64_t hash, struct slice note, size_t essential)
{
    size_t len = 0;
    if (note.len == 0) {
        note_drop(shelf, budget, key, hash);
        return true;
    }
    if (shelf->count >= shelf->capacity && !grow(shelf))
        return essential == 0;
    struct key_note **place = place_of(shelf, key, hash);
    size_t old = *place ? cost_of((*place)->len) : 0;
    if (!take_room(budget, old, note.len, essential < note.len ? essential : note.len, &len))
        return false;
    struct key_note *fresh = len > 0 ? note_new(key, hash, slice_of(note.data, len)) : NULL;
    if (len > 0 && !fresh) { /* out of memory: what the key has stays, and its room */
        atomic_fetch_add_explicit(&budget->bytes, old, memory_order_relaxed);
        give_room_back(budget, cost_of(len));
        return false;
    }
    swap_in(shelf, place, fresh);
    return true;
}

struct slice note_find(const struct note_shelf *shelf, const struct event_key *key, uint64_t hash)
{
    if (shelf->count == 0)
        return SLICE("");
    const struct key_note *note = *place_of(shelf, key, hash);
    return note ? slice_of(note->bytes, note->len) : SLICE("");
}

void note_drop(struct note_shelf *shelf, struct note_budget *budget, const struct event_key *key,
               uint64_t hash)
{
    if (shelf->count == 0)
        return;
    struct key_note **place = place_of(shelf, key, hash);
    if (!*place)
        return;
    give_room_back(budget, cost_of((*place)->len));
    swap_in(shelf, place, NULL);
}

void note_shelf_done(struct note_shelf *shelf)
{
    for (uint32_t i = 0; i < shelf->capacity; i++)
        while (shelf->buckets[i])
            swap_in(shelf, &shelf->buckets[i], NULL);
    free(shelf->buckets);
    *shelf = (struct note_shelf){.count = 0};
}
