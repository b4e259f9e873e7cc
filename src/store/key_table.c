/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of keys behind the memory store and L1: 256 shards, the bound over all of them, and
 * what the verbs of the dedup store mean. The array of a shard is key_shard.c, the notes beside its
 * keys are key_notes.c. It is not a store: no loop, no waiting; dedup_memory.c and dedup_redis.c
 * stand before it.
 */
#include <postern/store/key_table.h>

#include "key_notes.h"
#include "key_shard.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SHARDS (1u << SHARD_BITS)
#define SWEEP_PER_CALL 8u /* slots looked at by each claim: garbage stays below an eighth */
#define DISPLACE_AMONG 8u /* keys compared: enough to meet one that is only cached for seconds */
#define FORCE_ATTEMPTS 4u /* other threads may take the room that was made */
#define NOTES_DEFAULT_BYTES (64u << 20) /* until key_table_limit_notes says another bound */
#define SWEEP_WHEN_FULL                                                                            \
    (SHARDS * SHARD_SLOTS_MIN) /* before a claim is refused: the whole of a small table */

struct key_table {
    struct shard shards[SHARDS];
    struct hash_seed seed;
    size_t max_keys;
    _Atomic size_t count;              /* of all shards; reserved before an insert */
    _Atomic uint32_t sweep_next;       /* shard where the next hard sweep begins */
    _Atomic uint64_t swept_ms;         /* the instant of the last hard sweep */
    struct note_shelf shelves[SHARDS]; /* each under the lock of its shard */
    struct note_budget notes;
};

static struct note_shelf *shelf_of(struct key_table *table, const struct shard *shard)
{
    return &table->shelves[shard - table->shards];
}

static struct shard *lock_shard(struct key_table *table, uint64_t hash)
{
    struct shard *shard = &table->shards[hash >> (64 - SHARD_BITS)];
    pthread_mutex_lock(&shard->lock);
    return shard;
}

static void drop_note(struct key_table *table, const struct shard *shard,
                      const struct event_key *key)
{
    struct note_shelf *shelf = shelf_of(table, shard);
    if (shelf->count > 0)
        note_drop(shelf, &table->notes, key, shard_hash(&table->seed, key));
}

static void remove_entry(struct key_table *table, struct shard *shard, const struct entry *entry)
{
    drop_note(table, shard, &entry->key);
    shard_remove(shard, &table->seed, entry);
    atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
}

static void sweep(struct key_table *table, struct shard *shard, uint32_t slots, uint64_t now_ms)
{
    const struct entry *over;
    while ((over = shard_next_over(shard, &slots, now_ms)) != NULL)
        remove_entry(table, shard, over);
}

/* At the bound: looks for what is over in all shards, a bounded number of slots, going on where the
 * last such sweep ended; once a millisecond, so that a flood of refused claims stays cheap. True
 * when there is room now. No lock is held by the caller. */
static bool sweep_hard(struct key_table *table, uint64_t now_ms)
{
    uint32_t looked = 0;
    bool again = atomic_exchange_explicit(&table->swept_ms, now_ms, memory_order_relaxed) != now_ms;
    for (uint32_t i = 0; again && i < SHARDS && looked < SWEEP_WHEN_FULL; i++) {
        uint32_t number = atomic_fetch_add_explicit(&table->sweep_next, 1, memory_order_relaxed);
        struct shard *shard = &table->shards[number % SHARDS];
        pthread_mutex_lock(&shard->lock);
        looked += shard->capacity;
        sweep(table, shard, SWEEP_WHEN_FULL, now_ms);
        pthread_mutex_unlock(&shard->lock);
    }
    return atomic_load_explicit(&table->count, memory_order_relaxed) < table->max_keys;
}

/* A new entry; NULL at the bound or out of memory. */
static struct entry *insert(struct key_table *table, struct shard *shard,
                            const struct event_key *key)
{
    struct entry *entry = NULL;
    if (atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed) < table->max_keys)
        entry = shard_insert(shard, &table->seed, key);
    if (!entry)
        atomic_fetch_sub_explicit(&table->count, 1, memory_order_relaxed);
    return entry;
}

static uint64_t until(uint64_t now_ms, uint64_t span_ms)
{
    return span_ms > ENTRY_TIME_MAX ? ENTRY_TIME_MAX : now_ms + span_ms;
}

static bool is_ours(const struct entry *entry, const struct dedup_op *op, enum entry_state state)
{
    return (enum entry_state)entry->state == state &&
           memcmp(&entry->id, &op->token, sizeof entry->id) == 0;
}

/*
 * What the verbs do to a key's entry under the shard's lock. `entry` is NULL for an absent key, and
 * may be over. Each sets the op's answer and returns false only when it needed a new entry or room
 * for a note and the table is at its bound (the answer is then the refusal).
 */
typedef bool locked_verb(struct key_table *table, struct shard *shard, struct entry *entry,
                         struct dedup_op *op, uint64_t now_ms);

/* What a claim or peek that finds the key in other hands is told. */
static void tell(struct key_table *table, const struct shard *shard, const struct entry *entry,
                 struct dedup_op *op)
{
    op->first = entry_first(entry);
    op->verdict = entry->state == ENTRY_DONE ? VERDICT_DUPLICATE : VERDICT_IN_FLIGHT;
    const struct note_shelf *shelf = shelf_of(table, shard);
    if (op->ret_note && shelf->count > 0)
        dedup_tell_note(op->ret_note,
                        note_find(shelf, &op->key, shard_hash(&table->seed, &op->key)));
}

static bool put_note(struct key_table *table, const struct shard *shard,
                     const struct event_key *key, struct slice note, size_t essential)
{
    if (note.len == 0) {
        drop_note(table, shard, key);
        return true;
    }
    return note_put(shelf_of(table, shard), &table->notes, key, shard_hash(&table->seed, key), note,
                    essential);
}

/* The entry of a key that nobody holds, with the op's note beside it; NULL, and nothing of the key
 * is left, when there is no room for either. */
static struct entry *take(struct key_table *table, struct shard *shard, struct entry *over,
                          const struct dedup_op *op, size_t essential)
{
    struct entry *entry = over ? over : insert(table, shard, &op->key);
    if (entry && !put_note(table, shard, &op->key, op->note, essential)) {
        remove_entry(table, shard, entry);
        return NULL;
    }
    return entry;
}

static bool claim_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                         struct dedup_op *op, uint64_t now_ms)
{
    bool live = entry_is_live(entry, now_ms);
    if (live && !is_ours(entry, op, ENTRY_PENDING)) {
        tell(table, shard, entry, op);
        return true;
    }
    if (!live)
        entry = take(table, shard, entry, op, op->note.len);
    if (entry)
        entry_set_pending(entry, &op->token, until(now_ms, op->lease_ms));
    op->verdict = entry ? VERDICT_FIRST : VERDICT_FULL;
    return entry != NULL;
}

static bool peek_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                        struct dedup_op *op, uint64_t now_ms)
{
    op->verdict = VERDICT_FIRST;
    if (entry_is_live(entry, now_ms) && !is_ours(entry, op, ENTRY_PENDING))
        tell(table, shard, entry, op);
    return true;
}

static bool renew_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                         struct dedup_op *op, uint64_t now_ms)
{
    bool live = entry_is_live(entry, now_ms);
    if (live && !is_ours(entry, op, ENTRY_PENDING)) {
        op->hold = HOLD_LOST;
        return true;
    }
    if (!live)
        entry = take(table, shard, entry, op, op->note.len);
    if (entry)
        entry_set_pending(entry, &op->token, until(now_ms, op->lease_ms));
    op->hold = !entry ? HOLD_UNKNOWN : live ? HOLD_KEPT : HOLD_LAPSED;
    return entry != NULL;
}

static size_t bounded(size_t essential)
{
    return essential < DEDUP_ESSENTIAL_MAX ? essential : DEDUP_ESSENTIAL_MAX;
}

static bool settle_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                          struct dedup_op *op, uint64_t now_ms)
{
    bool live = entry_is_live(entry, now_ms);
    if (live && !is_ours(entry, op, ENTRY_PENDING)) {
        op->hold = is_ours(entry, op, ENTRY_DONE) ? HOLD_KEPT : HOLD_LOST;
        return true;
    }
    if (!live)
        entry = take(table, shard, entry, op, bounded(op->note_essential));
    else if (op->note.len > 0)
        /* Without room or memory what the claim gave stays: that the event is done counts more. */
        (void)put_note(table, shard, &op->key, op->note, bounded(op->note_essential));
    if (entry)
        entry_set_done(entry, &op->done, until(now_ms, op->window_ms));
    op->hold = !entry ? HOLD_UNKNOWN : live ? HOLD_KEPT : HOLD_LAPSED;
    return entry != NULL;
}

static bool release_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                           struct dedup_op *op, uint64_t now_ms)
{
    op->hold = HOLD_LAPSED;
    if (entry_is_live(entry, now_ms))
        op->hold = is_ours(entry, op, ENTRY_PENDING) ? HOLD_KEPT : HOLD_LOST;
    if (op->hold == HOLD_KEPT)
        remove_entry(table, shard, entry);
    return true;
}

static bool forget_locked(struct key_table *table, struct shard *shard, struct entry *entry,
                          struct dedup_op *op, uint64_t now_ms)
{
    op->hold = entry_is_live(entry, now_ms) ? HOLD_KEPT : HOLD_LAPSED;
    if (entry)
        remove_entry(table, shard, entry);
    return true;
}

static bool run_locked(struct key_table *table, locked_verb *verb, uint32_t sweep_slots,
                       struct dedup_op *op, uint64_t now_ms)
{
    uint64_t hash = shard_hash(&table->seed, &op->key);
    struct shard *shard = lock_shard(table, hash);
    sweep(table, shard, sweep_slots, now_ms);
    struct entry *entry = shard_find(shard, &table->seed, &op->key, hash);
    bool taken = verb(table, shard, entry, op, now_ms);
    pthread_mutex_unlock(&shard->lock);
    return taken;
}

/* Runs a verb; at the bound makes room and runs it once more. */
static void run(struct key_table *table, locked_verb *verb, uint32_t sweep_slots,
                struct dedup_op *op, uint64_t now_ms)
{
    if (!run_locked(table, verb, sweep_slots, op, now_ms) && sweep_hard(table, now_ms))
        (void)run_locked(table, verb, 0, op, now_ms); /* refused again: the op says so */
}

void key_table_claim(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    op->from_l1 = false;
    if (op->ret_note)
        buf_clear(op->ret_note);
    run(table, claim_locked, SWEEP_PER_CALL, op, now_ms);
}

void key_table_peek(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    op->from_l1 = false;
    if (op->ret_note)
        buf_clear(op->ret_note);
    run(table, peek_locked, 0, op, now_ms);
}

void key_table_renew(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    run(table, renew_locked, 0, op, now_ms);
}

void key_table_settle(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    run(table, settle_locked, 0, op, now_ms);
}

void key_table_release(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    run(table, release_locked, 0, op, now_ms);
}

void key_table_forget(struct key_table *table, struct dedup_op *op, uint64_t now_ms)
{
    run(table, forget_locked, 0, op, now_ms);
}

bool key_table_put_noted(struct key_table *table, const struct event_key *key,
                         const struct dedup_first *first, struct slice note, size_t essential,
                         uint64_t until_ms)
{
    uint64_t hash = shard_hash(&table->seed, key);
    struct shard *shard = lock_shard(table, hash);
    struct entry *entry = shard_find(shard, &table->seed, key, hash);
    bool fresh = !entry;
    if (fresh)
        entry = insert(table, shard, key);
    bool put = entry && put_note(table, shard, key, note, bounded(essential));
    if (put)
        entry_set_done(entry, first, until_ms);
    else if (entry && fresh)
        remove_entry(table, shard, entry);
    pthread_mutex_unlock(&shard->lock);
    return put;
}

bool key_table_put_done(struct key_table *table, const struct event_key *key,
                        const struct dedup_first *first, uint64_t until_ms)
{
    return key_table_put_noted(table, key, first, SLICE(""), 0, until_ms);
}

/* Takes a key out that ends before some others of its shard, the first shard from that of `hash` on
 * that holds any. */
static bool displace(struct key_table *table, uint64_t hash)
{
    const struct entry *entry = NULL;
    for (uint64_t i = hash >> (64 - SHARD_BITS), end = i + SHARDS; !entry && i < end; i++) {
        struct shard *shard = &table->shards[i % SHARDS];
        pthread_mutex_lock(&shard->lock);
        entry = shard_soonest(shard, DISPLACE_AMONG);
        if (entry)
            remove_entry(table, shard, entry);
        pthread_mutex_unlock(&shard->lock);
    }
    return entry != NULL;
}

bool key_table_force_done(struct key_table *table, const struct event_key *key,
                          const struct dedup_first *first, struct slice note, size_t essential,
                          uint64_t until_ms)
{
    uint64_t hash = shard_hash(&table->seed, key);
    bool put = key_table_put_noted(table, key, first, note, essential, until_ms);
    for (unsigned i = 0; !put && i < FORCE_ATTEMPTS && displace(table, hash); i++)
        put = key_table_put_noted(table, key, first, note, essential, until_ms);
    return put;
}

bool key_table_get_done(struct key_table *table, const struct event_key *key, uint64_t now_ms,
                        struct dedup_first *ret_first)
{
    uint64_t hash = shard_hash(&table->seed, key);
    struct shard *shard = lock_shard(table, hash);
    const struct entry *entry = shard_find(shard, &table->seed, key, hash);
    bool done = entry_is_live(entry, now_ms) && entry->state == ENTRY_DONE;
    if (done)
        *ret_first = entry_first(entry);
    else
        sweep(table, shard, SWEEP_PER_CALL, now_ms); /* L1 sees no claims: its misses sweep */
    pthread_mutex_unlock(&shard->lock);
    return done;
}

bool key_table_get_noted(struct key_table *table, const struct event_key *key, uint64_t now_ms,
                         struct dedup_first *ret_first, struct buf *ret_note)
{
    uint64_t hash = shard_hash(&table->seed, key);
    struct shard *shard = lock_shard(table, hash);
    const struct entry *entry = shard_find(shard, &table->seed, key, hash);
    struct slice note = SLICE("");
    if (entry_is_live(entry, now_ms) && entry->state == ENTRY_DONE)
        note = note_find(shelf_of(table, shard), key, hash);
    bool found = note.len > 0;
    if (found) {
        *ret_first = entry_first(entry);
        dedup_tell_note(ret_note, note);
    }
    pthread_mutex_unlock(&shard->lock);
    return found;
}

size_t key_table_count(struct key_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

size_t key_table_bytes(struct key_table *table)
{
    size_t bytes = sizeof *table;
    for (uint32_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&table->shards[i].lock);
        bytes += (size_t)table->shards[i].capacity * sizeof(struct entry);
        pthread_mutex_unlock(&table->shards[i].lock);
    }
    return bytes;
}

size_t key_table_note_bytes(struct key_table *table)
{
    return atomic_load_explicit(&table->notes.bytes, memory_order_relaxed);
}

void key_table_limit_notes(struct key_table *table, size_t bytes)
{
    atomic_store_explicit(&table->notes.limit, bytes, memory_order_relaxed);
}

struct key_table *key_table_new(size_t max_keys)
{
    struct key_table *table = aligned_alloc(alignof(struct key_table), sizeof *table);
    if (!table)
        return NULL;
    memset(table, 0, sizeof *table);
    table->max_keys = max_keys;
    table->swept_ms = UINT64_MAX;
    table->notes.limit = NOTES_DEFAULT_BYTES;
    arc4random_buf(&table->seed, sizeof table->seed);
    for (uint32_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&table->shards[i].lock, NULL); /* can't fail with default attributes */
    return table;
}

void key_table_free(struct key_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&table->shards[i].lock);
        free(table->shards[i].slots);
        note_shelf_done(&table->shelves[i]);
    }
    free(table);
}
