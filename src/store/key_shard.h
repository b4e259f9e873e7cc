/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard of the key table: an array with linear probing kept in order of the home slots (robin
 * hood), so that a look-up of an absent key ends early even at 7/8 load. Removal shifts back, there
 * are no tombstones. It knows neither locks nor bounds nor what a claim is: key_table.c does.
 */
#ifndef POSTERN_STORE_KEY_SHARD_H
#define POSTERN_STORE_KEY_SHARD_H

#include <postern/base/event_key.h>
#include <postern/store/dedup.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define SHARD_SLOTS_MIN 32u /* of a shard at its first key */
#define SHARD_SLOTS_MAX                                                                            \
    (1u << 30) /* far above any memory; keeps slot numbers and their sums in 32 bits */

#define ENTRY_TIME_BITS 42u /* of an instant in an entry: 139 years in milliseconds */
#define ENTRY_TIME_MAX ((UINT64_C(1) << ENTRY_TIME_BITS) - 1)
#define ENTRY_STATUS_MAX 1023u

enum entry_state { ENTRY_EMPTY, ENTRY_PENDING, ENTRY_DONE };

/* 44 bytes. No 64-bit member: it would round that up to 48 and break the promise of at most 64
 * bytes a key. */
struct entry {
    struct event_key key;
    struct uuid id; /* pending: the owner's token; done: the first event's id */
    uint32_t expires_low, accepted_low;
    uint32_t expires_high : 10, accepted_high : 10, status : 10, state : 2;
};

/* One cache line, so that taking the lock brings along what it guards. */
struct shard {
    alignas(64) pthread_mutex_t lock;
    struct entry *slots; /* NULL until the first key */
    uint32_t capacity;
    uint32_t used;
    uint32_t sweep; /* next slot to sweep */
};

/* Secret of a table, so that nobody can choose keys that collide. */
struct hash_seed {
    uint64_t words[2];
};

/* The seeded hash: its first bits choose the shard (key_table.c), the others the home slot. */
#define SHARD_BITS 8u
uint64_t shard_hash(const struct hash_seed *seed, const struct event_key *key);

/* Makes `entry` pending under `token` until `until_ms`. */
void entry_set_pending(struct entry *entry, const struct uuid *token, uint64_t until_ms);

/* Makes `entry` done until `until_ms`. Instants beyond ENTRY_TIME_MAX are cut to it. */
void entry_set_done(struct entry *entry, const struct dedup_first *first, uint64_t until_ms);

/* What a duplicate is told (done), or the owner's token (pending). */
struct dedup_first entry_first(const struct entry *entry);

/* True while not over at `now_ms`; NULL is not live. */
bool entry_is_live(const struct entry *entry, uint64_t now_ms);

/* The entry of the key with that hash, over or not, or NULL. Valid until the shard changes. */
struct entry *shard_find(const struct shard *shard, const struct hash_seed *seed,
                         const struct event_key *key, uint64_t hash);

/* Makes an entry for a key that is not there; the caller sets it pending or done at once. Grows the
 * array by a fifth at 7/8 load; NULL when out of memory. */
struct entry *shard_insert(struct shard *shard, const struct hash_seed *seed,
                           const struct event_key *key);

/* Takes an entry of this shard out; every pointer into the shard is invalid then. */
void shard_remove(struct shard *shard, const struct hash_seed *seed, const struct entry *entry);

/* Of the next `among` keys, from where the last sweep ended, the one that ends first; NULL when the
 * shard is empty. */
const struct entry *shard_soonest(struct shard *shard, uint32_t among);

/* Looks at the next slots, at most *slots of them, which are then counted off, for an entry that is
 * over; NULL when none of them is. Once it was taken out, its slot is the next one to be looked at.
 */
const struct entry *shard_next_over(struct shard *shard, uint32_t *slots, uint64_t now_ms);

#endif
