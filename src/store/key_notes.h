/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes beside keys (dedup.h): of each shard of the key table a shelf, a small hash table from key
 * to octets, so that entries stay as they are and keys without a note cost nothing. The shard's
 * lock guards its shelf; the budget is shared by all. What a note means, and when it goes, is
 * key_table.c's business.
 */
#ifndef POSTERN_STORE_KEY_NOTES_H
#define POSTERN_STORE_KEY_NOTES_H

#include <postern/base/event_key.h>
#include <postern/base/slice.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counted for each note besides its octets: its head, malloc's, and its share of the buckets. */
#define NOTE_COST_BYTES 64u

struct key_note;

struct note_shelf {
    struct key_note **buckets;
    uint32_t capacity; /* of buckets, a power of two; 0 until the first note */
    uint32_t count;
};

/* Whole notes are kept up to `limit` bytes; above it, up to twice as much, only what is essential.
 */
struct note_budget {
    _Atomic size_t bytes; /* of all notes kept */
    _Atomic size_t limit;
};

/* Keeps a copy of `note`, or of as much of its front as there is room for but at least of
 * `essential` octets, instead of what the key has; an empty part is no note. False, and the shelf
 * is as before, when there is no room or no memory for that. Never for want of room when what the
 * key has is as long as `essential`. */
bool note_put(struct note_shelf *shelf, struct note_budget *budget, const struct event_key *key,
              uint64_t hash, struct slice note, size_t essential);

/* The key's note, valid until the shelf changes; empty when it has none. */
struct slice note_find(const struct note_shelf *shelf, const struct event_key *key, uint64_t hash);

/* Drops the key's note, if it has one. */
void note_drop(struct note_shelf *shelf, struct note_budget *budget, const struct event_key *key,
               uint64_t hash);

/* Frees everything. */
void note_shelf_done(struct note_shelf *shelf);

#endif
