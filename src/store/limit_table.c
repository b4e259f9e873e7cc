/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local table of rates: shards with a lock each, in a shard sets of eight cells, in a set the
 * cells of the ids that fall there, in no order. It never grows and sweeps nothing: a cell that is
 * idle is as good as empty, and what is wanted anew takes the place of the one that is idle
 * longest, or else will be soonest.
 *
 *   id -> seeded hash -> shard (first bits) -> set (the others) -> one of 8 cells, 192 bytes
 */
#include "limit_cell.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define SHARD_BITS 6u
#define SHARDS (1u << SHARD_BITS)
#define SET_CELLS 8u

__extension__ typedef unsigned __int128 wide;

struct cell {
    uint8_t id[LIMIT_ID_BYTES];
    uint64_t arrival_us; /* 0: empty */
};

struct set {
    struct cell cells[SET_CELLS];
};

static_assert(sizeof(struct cell) == 24, "as limiter.h promises");

/* One cache line, so that taking the lock brings along what it guards. */
struct shard {
    alignas(64) pthread_mutex_t lock;
    uint64_t now_us; /* the latest instant seen */
    struct set *sets;
};

struct limit_table {
    struct shard shards[SHARDS];
    struct set *sets; /* of all shards */
    size_t sets_per_shard;
    uint64_t seed[2]; /* so that nobody can choose clients whose ids collide */
};

static uint64_t hash_of(const struct limit_table *table, const struct limit_op *op)
{
    uint64_t half[2];
    static_assert(sizeof half == sizeof op->id, "an id is two words");
    memcpy(half, op->id, sizeof half);
    wide product = (wide)(half[0] ^ table->seed[0]) * (half[1] ^ table->seed[1]);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static struct set *set_of(const struct limit_table *table, const struct shard *shard, uint64_t hash)
{
    return &shard->sets[(size_t)(((wide)(hash << SHARD_BITS) * table->sets_per_shard) >> 64)];
}

static struct cell *find(struct set *set, const uint8_t id[LIMIT_ID_BYTES])
{
    for (unsigned i = 0; i < SET_CELLS; i++)
        if (memcmp(set->cells[i].id, id, LIMIT_ID_BYTES) == 0)
            return &set->cells[i];
    return NULL;
}

/* The one whose loss changes least. */
static struct cell *least(struct set *set)
{
    struct cell *cell = set->cells;
    for (unsigned i = 1; i < SET_CELLS; i++)
        if (set->cells[i].arrival_us < cell->arrival_us)
            cell = &set->cells[i];
    return cell;
}

static bool run_locked(struct set *set, struct limit_op *op, uint64_t now_us)
{
    uint64_t nothing_us = 0;
    bool evicted = false;
    struct cell *cell = find(set, op->id);
    if (!cell && op->verb == LIMIT_TAKE) {
        cell = least(set);
        evicted = cell->arrival_us > now_us;
        memcpy(cell->id, op->id, sizeof cell->id);
        cell->arrival_us = 0;
    }
    limit_cell_run(cell ? &cell->arrival_us : &nothing_us, op, now_us);
    return evicted;
}

bool limit_table_submit(struct limit_table *table, struct limit_op *op, uint64_t now_us)
{
    uint64_t hash = hash_of(table, op);
    struct shard *shard = &table->shards[hash >> (64 - SHARD_BITS)];
    pthread_mutex_lock(&shard->lock);
    if (shard->now_us < now_us)
        shard->now_us = now_us;
    bool evicted = run_locked(set_of(table, shard, hash), op, shard->now_us);
    pthread_mutex_unlock(&shard->lock);
    op->local = op->shared;
    return evicted;
}

static size_t sets_for(size_t cells)
{
    size_t per_shard = cells / (SHARDS * SET_CELLS) + (cells % (SHARDS * SET_CELLS) != 0);
    return per_shard > 0 ? per_shard : 1;
}

struct limit_table *limit_table_new(size_t cells)
{
    struct limit_table *table = aligned_alloc(alignof(struct limit_table), sizeof *table);
    if (!table)
        return NULL;
    memset(table, 0, sizeof *table);
    table->sets_per_shard = sets_for(cells);
    /* Zeroed pages that are not touched cost no memory. */
    table->sets = calloc(table->sets_per_shard, SHARDS * sizeof *table->sets);
    if (!table->sets) {
        free(table);
        return NULL;
    }
    arc4random_buf(table->seed, sizeof table->seed);
    for (size_t i = 0; i < SHARDS; i++) {
        table->shards[i].sets = table->sets + i * table->sets_per_shard;
        pthread_mutex_init(&table->shards[i].lock, NULL); /* can't fail with default attributes */
    }
    return table;
}

void limit_table_free(struct limit_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&table->shards[i].lock);
    free(table->sets);
    free(table);
}
