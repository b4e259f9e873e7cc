/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array of one shard. Entries lie in the order of their home slots, each at its home or after
 * it with no gap in between:
 *
 *   slot     3      4      5      6      7
 *   home     3      3      4      7 <- never: 7 would lie in its own slot, which is empty
 *
 * so a look-up may stop at the first entry that is nearer to its home than the wanted key would be.
 */
#include "key_shard.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct entry) == 44, "entries are packed by hand");
static_assert(sizeof(struct shard) == 64, "a shard is one cache line");

__extension__ typedef unsigned __int128 wide;

uint64_t shard_hash(const struct hash_seed *seed, const struct event_key *key)
{
    uint64_t half[2];
    static_assert(sizeof half == sizeof key->digest, "the digest is two words");
    memcpy(half, key->digest, sizeof half);
    wide product = (wide)(half[0] ^ seed->words[0]) * (half[1] ^ seed->words[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Where a key would lie without collisions; grows with the hash bits that did not choose the shard.
 */
static uint32_t home_slot(const struct shard *shard, uint64_t hash)
{
    return (uint32_t)(((wide)(hash << SHARD_BITS) * shard->capacity) >> 64);
}

static uint32_t next_slot(const struct shard *shard, uint32_t slot)
{
    return slot + 1 == shard->capacity ? 0 : slot + 1;
}

/* How far the entry in `slot` lies from its home. */
static uint32_t displacement(const struct shard *shard, const struct hash_seed *seed, uint32_t slot)
{
    uint32_t home = home_slot(shard, shard_hash(seed, &shard->slots[slot].key));
    return slot >= home ? slot - home : slot + shard->capacity - home;
}

static void set_expiry(struct entry *entry, uint64_t until_ms)
{
    if (until_ms > ENTRY_TIME_MAX)
        until_ms = ENTRY_TIME_MAX;
    entry->expires_low = (uint32_t)until_ms;
    entry->expires_high = (uint32_t)(until_ms >> 32) & 0x3ffu;
}

void entry_set_pending(struct entry *entry, const struct uuid *token, uint64_t until_ms)
{
    entry->id = *token;
    entry->accepted_low = 0;
    entry->accepted_high = 0;
    entry->status = 0;
    entry->state = ENTRY_PENDING;
    set_expiry(entry, until_ms);
}

void entry_set_done(struct entry *entry, const struct dedup_first *first, uint64_t until_ms)
{
    uint64_t accepted = first->accepted_at_ms;
    if (accepted > ENTRY_TIME_MAX)
        accepted = ENTRY_TIME_MAX;
    assert(first->status <= ENTRY_STATUS_MAX);
    entry->id = first->event_id;
    entry->accepted_low = (uint32_t)accepted;
    entry->accepted_high = (uint32_t)(accepted >> 32) & 0x3ffu;
    entry->status = first->status & ENTRY_STATUS_MAX;
    entry->state = ENTRY_DONE;
    set_expiry(entry, until_ms);
}

struct dedup_first entry_first(const struct entry *entry)
{
    return (struct dedup_first){
        .event_id = entry->id,
        .status = (uint16_t)entry->status,
        .accepted_at_ms = (uint64_t)entry->accepted_high << 32 | entry->accepted_low,
    };
}

static uint64_t expiry_ms(const struct entry *entry)
{
    return (uint64_t)entry->expires_high << 32 | entry->expires_low;
}

bool entry_is_live(const struct entry *entry, uint64_t now_ms)
{
    return entry && entry->state != ENTRY_EMPTY && now_ms < expiry_ms(entry);
}

/* Where `key` lies or, if absent (*ret_found false), where it belongs. Not for an empty array. */
static uint32_t locate(const struct shard *shard, const struct hash_seed *seed,
                       const struct event_key *key, uint64_t hash, bool *ret_found)
{
    uint32_t slot = home_slot(shard, hash);
    *ret_found = false;
    for (uint32_t distance = 0;; distance++, slot = next_slot(shard, slot)) {
        const struct entry *entry = &shard->slots[slot];
        if (entry->state == ENTRY_EMPTY)
            return slot;
        if (memcmp(&entry->key, key, sizeof *key) == 0) {
            *ret_found = true;
            return slot;
        }
        if (displacement(shard, seed, slot) < distance)
            return slot;
    }
}

struct entry *shard_find(const struct shard *shard, const struct hash_seed *seed,
                         const struct event_key *key, uint64_t hash)
{
    bool found = false;
    if (shard->capacity == 0)
        return NULL;
    uint32_t slot = locate(shard, seed, key, hash, &found);
    return found ? &shard->slots[slot] : NULL;
}

/* Puts `entry` where it belongs and moves its followers up by one; there is an empty slot. */
static struct entry *place(struct shard *shard, const struct hash_seed *seed,
                           const struct entry *entry)
{
    bool found = false;
    struct entry carried = *entry;
    uint32_t first = locate(shard, seed, &entry->key, shard_hash(seed, &entry->key), &found);
    uint32_t slot = first;
    assert(!found);
    while (carried.state != ENTRY_EMPTY) {
        struct entry moved = shard->slots[slot];
        shard->slots[slot] = carried;
        carried = moved;
        slot = next_slot(shard, slot);
    }
    shard->used++;
    return &shard->slots[first];
}

static bool grow(struct shard *shard, const struct hash_seed *seed)
{
    struct shard old = *shard;
    uint32_t capacity = old.capacity + (old.capacity + 4) / 5;
    if (capacity < SHARD_SLOTS_MIN)
        capacity = SHARD_SLOTS_MIN;
    struct entry *slots = capacity < SHARD_SLOTS_MAX ? calloc(capacity, sizeof *slots) : NULL;
    if (!slots)
        return false;
    shard->slots = slots;
    shard->capacity = capacity;
    shard->used = 0;
    shard->sweep = 0;
    for (uint32_t i = 0; i < old.capacity; i++)
        if (old.slots[i].state != ENTRY_EMPTY)
            place(shard, seed, &old.slots[i]);
    free(old.slots);
    return true;
}

struct entry *shard_insert(struct shard *shard, const struct hash_seed *seed,
                           const struct event_key *key)
{
    /* The state only marks the slot as taken until the caller says what it is. */
    const struct entry fresh = {.key = *key, .state = ENTRY_PENDING};
    bool full = (uint64_t)(shard->used + 1) * 8 > (uint64_t)shard->capacity * 7;
    if (full && !grow(shard, seed))
        return NULL;
    return place(shard, seed, &fresh);
}

void shard_remove(struct shard *shard, const struct hash_seed *seed, const struct entry *entry)
{
    uint32_t slot = (uint32_t)(entry - shard->slots);
    uint32_t next = next_slot(shard, slot);
    while (shard->slots[next].state != ENTRY_EMPTY && displacement(shard, seed, next) > 0) {
        shard->slots[slot] = shard->slots[next];
        slot = next;
        next = next_slot(shard, next);
    }
    shard->slots[slot].state = ENTRY_EMPTY;
    shard->used--;
}

const struct entry *shard_soonest(struct shard *shard, uint32_t among)
{
    const struct entry *soonest = NULL;
    if (among > shard->used)
        among = shard->used;
    while (among > 0) {
        const struct entry *entry = &shard->slots[shard->sweep];
        shard->sweep = next_slot(shard, shard->sweep);
        if (entry->state == ENTRY_EMPTY)
            continue;
        among--;
        if (!soonest || expiry_ms(entry) < expiry_ms(soonest))
            soonest = entry;
    }
    return soonest;
}

const struct entry *shard_next_over(struct shard *shard, uint32_t *slots, uint64_t now_ms)
{
    if (*slots > shard->capacity)
        *slots = shard->capacity;
    while (*slots > 0) {
        const struct entry *entry = &shard->slots[shard->sweep];
        --*slots;
        if (entry->state != ENTRY_EMPTY && !entry_is_live(entry, now_ms))
            return entry;
        shard->sweep = next_slot(shard, shard->sweep);
    }
    return NULL;
}
