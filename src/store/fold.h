/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Duplicates counted per event: a bounded set of (event, how many, when last), gathered in memory
 * and written with a batch. A duplicate never writes a row of its own. Entries lie in one array, so
 * that a batch can walk them in the order of their ids.
 */
#ifndef POSTERN_STORE_FOLD_H
#define POSTERN_STORE_FOLD_H

#include <postern/base/uuid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Events with duplicates waiting; 48 bytes each and 8 of index. A storm over more distinct events
 * than this within one flush interval is counted as lost. */
#define FOLD_MAX 65536u

struct fold_entry {
    struct uuid event_id;
    uint64_t count;
    uint64_t last_at_ms; /* wall clock of the latest */
    uint64_t since_ms;   /* monotonic: when the first of them was counted */
    bool written;        /* by the last attempt: the event's row was there */
};

/* Zeroed: empty. */
struct fold {
    struct fold_entry *entries;
    size_t count, capacity;
    uint32_t *index; /* entry number + 1, or 0; hashed by id, linear probing */
    size_t index_size;
};

/* Frees the memory; the fold is empty and usable again. */
void fold_done(struct fold *fold);

/* Adds `entry` to what is there of its event: counts add up, the latest time and the earliest
 * since_ms stay. False at FOLD_MAX, or out of memory; nothing was added then. */
bool fold_add(struct fold *fold, const struct fold_entry *entry);

/* Sorts the entries by id; only fold_find and reading are allowed after it. */
void fold_sort(struct fold *fold);

/* The entry of `event_id` in a sorted fold, or NULL. */
struct fold_entry *fold_find(struct fold *fold, const struct uuid *event_id);

#endif
