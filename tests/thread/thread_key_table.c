/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads race for the same keys of one table: each key is claimed first exactly once, settled
 * once and then only ever a duplicate of its winner, whose note it is told. Then they force keys
 * into a full table, which stays at its bound, and notes beyond theirs. A plain program, fit for
 * ThreadSanitizer.
 */
#include <postern/store/key_table.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 4u
#define KEYS 50000u
#define LEASE_MS 1000u
#define WINDOW_MS 2000u

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

struct racer {
    pthread_t thread;
    struct key_table *table;
    uint8_t number;
    uint32_t step; /* order in which this racer visits the keys; coprime to KEYS */
};

static _Atomic uint32_t winners[KEYS]; /* how often the key was claimed first */
static _Atomic uint8_t settled_by[KEYS];
static pthread_barrier_t line;

static struct dedup_op op_of(uint32_t number, uint8_t owner)
{
    struct dedup_op op = {.lease_ms = LEASE_MS, .window_ms = WINDOW_MS};
    memcpy(op.key.digest, &number, sizeof number);
    op.token.bytes[0] = owner;
    op.done = (struct dedup_first){.event_id = op.token, .status = 200, .accepted_at_ms = 1};
    return op;
}

/* The note of an owner: so many octets of its number. */
static struct slice note_of(uint8_t owner)
{
    static const char octets[THREADS + 1][THREADS + 1] = {"", "1", "22", "333", "4444"};
    return slice_of(octets[owner], owner);
}

/* A noted claim, and what it is told must be the note of who was first. */
static void claim_noted(struct racer *racer, struct dedup_op *op)
{
    struct buf told;
    buf_init(&told, THREADS);
    op->note = note_of(racer->number);
    op->ret_note = &told;
    key_table_claim(racer->table, op, 0);
    CHECK(op->verdict == VERDICT_FIRST ||
          slice_eq(buf_slice(&told), note_of(op->first.event_id.bytes[0])));
    op->ret_note = NULL;
    buf_done(&told);
}

static void race_one(struct racer *racer, uint32_t number)
{
    struct dedup_op op = op_of(number, racer->number);
    claim_noted(racer, &op);
    CHECK(op.verdict != VERDICT_FULL && op.verdict != VERDICT_UNKNOWN);
    if (op.verdict == VERDICT_DUPLICATE)
        CHECK(op.first.event_id.bytes[0] == atomic_load(&settled_by[number]));
    if (op.verdict != VERDICT_FIRST)
        return;
    atomic_fetch_add(&winners[number], 1);
    atomic_store(&settled_by[number], racer->number);
    key_table_settle(racer->table, &op, 0);
    CHECK(op.hold == HOLD_KEPT);
}

static void *claim_all(void *arg)
{
    struct racer *racer = arg;
    pthread_barrier_wait(&line);
    for (uint32_t i = 0; i < KEYS; i++)
        race_one(racer, (uint32_t)((uint64_t)i * racer->step % KEYS));
    return NULL;
}

#define FORCED_MAX 1000u
#define NOTES_MAX 20000u /* far less than that many notes take */

/* A racer whose room was taken by others again and again may fail, but nothing grows. */
static void *force_all(void *arg)
{
    struct racer *racer = arg;
    struct dedup_first got;
    pthread_barrier_wait(&line);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct dedup_op op = op_of((uint32_t)((uint64_t)i * racer->step % KEYS), racer->number);
        (void)key_table_force_done(racer->table, &op.key, &op.done, note_of(racer->number), 1,
                                   i + 1);
        (void)key_table_get_done(racer->table, &op.key, i, &got);
    }
    return NULL;
}

/* All racers at once; returns when they are through. */
static void run_race(struct key_table *table, void *(*race)(void *racer))
{
    static const uint32_t steps[THREADS] = {1, 1, 7, 49999};
    struct racer racers[THREADS];
    pthread_barrier_init(&line, NULL, THREADS);
    for (uint8_t i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.table = table, .number = (uint8_t)(i + 1), .step = steps[i]};
        CHECK(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
    }
    for (uint8_t i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    pthread_barrier_destroy(&line);
}

static void check_forced(void)
{
    struct key_table *table = key_table_new(FORCED_MAX);
    CHECK(table);
    key_table_limit_notes(table, NOTES_MAX);
    run_race(table, force_all);
    CHECK(key_table_count(table) <= FORCED_MAX);
    CHECK(key_table_note_bytes(table) <= 2 * NOTES_MAX);
    for (uint32_t i = 0; i < FORCED_MAX; i++) {
        struct dedup_op op = op_of(KEYS + i, 1);
        CHECK(key_table_force_done(table, &op.key, &op.done, SLICE(""), 0, WINDOW_MS));
    }
    CHECK(key_table_count(table) == FORCED_MAX);
    key_table_free(table);
}

static void check_claims(void)
{
    struct key_table *table = key_table_new(KEYS);
    CHECK(table);
    run_race(table, claim_all);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(atomic_load(&winners[i]) == 1);
    CHECK(key_table_count(table) == KEYS);
    struct dedup_op op = op_of(KEYS + 1, 1);
    key_table_claim(table, &op, WINDOW_MS - 1);
    CHECK(op.verdict == VERDICT_FULL);
    key_table_claim(table, &op, WINDOW_MS);
    CHECK(op.verdict == VERDICT_FIRST);
    key_table_free(table);
}

int main(void)
{
    check_claims();
    check_forced();
    return 0;
}
