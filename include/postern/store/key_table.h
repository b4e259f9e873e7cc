/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in memory: a sharded, bounded open-addressing table with exact expiry, shared by all workers
 * of a process. It is the memory dedup store's body, and (a second instance) the L1 cache of keys
 * known done. Time is monotonic milliseconds, given by the caller. Any thread may call; a shard's
 * lock is held for one probe (and a sweep of some slots, and the copy of a note). At most 64 bytes
 * a key from 16,384 keys on. It never gives memory back but keeps it for the next keys; that of
 * notes (dedup.h) is given back with their key.
 */
#ifndef POSTERN_STORE_KEY_TABLE_H
#define POSTERN_STORE_KEY_TABLE_H

#include <postern/store/dedup.h>

struct key_table;

/* A table for at most `max_keys` live keys. NULL when out of memory. Memory grows with use. */
struct key_table *key_table_new(size_t max_keys);

/* Bounds the notes, their bookkeeping counted (64 bytes each); 64 MiB without this call. From
 * `bytes` on only the essential part of a note is kept; at twice as much no note that has one. */
void key_table_limit_notes(struct key_table *table, size_t bytes);

/* Frees it; NULL is fine. No thread may be inside. */
void key_table_free(struct key_table *table);

/* The operations of the memory store; each fills the op's outputs as the contract says. `now_ms`
 * monotonic: a key is over from the very millisecond its lease or window ends. A claim under the
 * token that holds the key answers VERDICT_FIRST and begins its lease again; its note stays. At the
 * bound of keys, or of notes for an op that has one, after what is over was looked for, a claim
 * answers VERDICT_FULL; a renew or settle that would have to take a lapsed key again answers
 * HOLD_UNKNOWN. */
void key_table_claim(struct key_table *table, struct dedup_op *op, uint64_t now_ms);
/* What a claim would find; changes nothing. */
void key_table_peek(struct key_table *table, struct dedup_op *op, uint64_t now_ms);
/* Extends our lease: KEPT, LAPSED (taken again), LOST. */
void key_table_renew(struct key_table *table, struct dedup_op *op, uint64_t now_ms);
/* Ours, or nobody's, becomes done: KEPT, LAPSED, LOST. */
void key_table_settle(struct key_table *table, struct dedup_op *op, uint64_t now_ms);
/* Ours becomes absent: KEPT, LAPSED, LOST. */
void key_table_release(struct key_table *table, struct dedup_op *op, uint64_t now_ms);
/* Whatever is there becomes absent: KEPT, LAPSED. */
void key_table_forget(struct key_table *table, struct dedup_op *op, uint64_t now_ms);

/* Puts a done key in that ends at `until_ms` (monotonic): loading from the journal, or L1 learning
 * one. Replaces what is there. False at the bound (for L1: it's a cache, nothing is lost). */
bool key_table_put_done(struct key_table *table, const struct event_key *key,
                        const struct dedup_first *first, uint64_t until_ms);

/* As key_table_put_done, with a note of which `essential` octets (at most DEDUP_ESSENTIAL_MAX
 * count) have to be kept. False also when there is no room for these. */
bool key_table_put_noted(struct key_table *table, const struct event_key *key,
                         const struct dedup_first *first, struct slice note, size_t essential,
                         uint64_t until_ms);

/* As key_table_put_noted, but at the bound another key has to go: one that ends before most others.
 * For a cache only. False when there is no memory, or no room although others were taken out (other
 * threads took it). */
bool key_table_force_done(struct key_table *table, const struct event_key *key,
                          const struct dedup_first *first, struct slice note, size_t essential,
                          uint64_t until_ms);

/* True, with *ret_first, when the key is done and not over at `now_ms`. A miss drops some keys that
 * are over. */
bool key_table_get_done(struct key_table *table, const struct event_key *key, uint64_t now_ms,
                        struct dedup_first *ret_first);

/* As key_table_get_done, but only a key that has a note, which is given to the empty `ret_note` if
 * it fits (NULL: it is not wanted). */
bool key_table_get_noted(struct key_table *table, const struct event_key *key, uint64_t now_ms,
                         struct dedup_first *ret_first, struct buf *ret_note);

/* Live and not yet swept keys, and bytes of memory; sums over the shards. */
size_t key_table_count(struct key_table *table);
/* Bytes of memory the shards hold, without notes. */
size_t key_table_bytes(struct key_table *table);
/* Bytes that count against the bound of key_table_limit_notes. */
size_t key_table_note_bytes(struct key_table *table);

#endif
