/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Duplicates counted per event: entries in an array, found by a hash index of entry numbers that is
 * at most half full. An id's last eight bytes are random (UUIDv7), so they are their own hash.
 */
#include "fold.h"

#include <stdlib.h>
#include <string.h>

#define FOLD_FIRST 64u /* entries of the smallest fold */

void fold_done(struct fold *fold)
{
    free(fold->entries);
    free(fold->index);
    *fold = (struct fold){0};
}

/* The place in the index where `id` is, or belongs. */
static size_t find_slot(const struct fold *fold, const struct uuid *id)
{
    uint64_t hash;
    memcpy(&hash, id->bytes + sizeof(id->bytes) - sizeof(hash), sizeof(hash));
    size_t slot = (size_t)hash & (fold->index_size - 1);
    while (fold->index[slot] && !uuid_eq(&fold->entries[fold->index[slot] - 1].event_id, id))
        slot = (slot + 1) & (fold->index_size - 1);
    return slot;
}

static bool grow(struct fold *fold)
{
    size_t capacity = fold->capacity ? 2 * fold->capacity : FOLD_FIRST;
    uint32_t *index = calloc(2 * capacity, sizeof(*index));
    struct fold_entry *entries = realloc(fold->entries, capacity * sizeof(*entries));
    if (entries)
        fold->entries = entries;
    if (!entries || !index) {
        free(index);
        return false;
    }
    free(fold->index);
    fold->capacity = capacity;
    fold->index = index;
    fold->index_size = 2 * capacity;
    for (size_t i = 0; i < fold->count; i++)
        index[find_slot(fold, &entries[i].event_id)] = (uint32_t)i + 1;
    return true;
}

static void merge(struct fold_entry *into, const struct fold_entry *entry)
{
    into->count += entry->count;
    if (entry->last_at_ms > into->last_at_ms)
        into->last_at_ms = entry->last_at_ms;
    if (entry->since_ms < into->since_ms)
        into->since_ms = entry->since_ms;
}

bool fold_add(struct fold *fold, const struct fold_entry *entry)
{
    if (fold->index_size) {
        uint32_t number = fold->index[find_slot(fold, &entry->event_id)];
        if (number) {
            merge(&fold->entries[number - 1], entry);
            return true;
        }
    }
    if (fold->count == FOLD_MAX || (fold->count == fold->capacity && !grow(fold)))
        return false;
    fold->entries[fold->count++] = *entry;
    fold->index[find_slot(fold, &entry->event_id)] = (uint32_t)fold->count;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const struct fold_entry *left = a, *right = b;
    return memcmp(left->event_id.bytes, right->event_id.bytes, sizeof(left->event_id.bytes));
}

void fold_sort(struct fold *fold)
{
    if (fold->count > 1)
        qsort(fold->entries, fold->count, sizeof(*fold->entries), compare_ids);
}

struct fold_entry *fold_find(struct fold *fold, const struct uuid *event_id)
{
    struct fold_entry wanted = {.event_id = *event_id};
    if (fold->count == 0)
        return NULL;
    return bsearch(&wanted, fold->entries, fold->count, sizeof(wanted), compare_ids);
}
