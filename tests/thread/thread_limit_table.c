/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads ask for the same clients of one table, each with a clock of its own that lies a
 * little behind or ahead: what is allowed to a client is what one thread would have been allowed,
 * and not one more. Then they flood a table that is far too small. A plain program, fit for
 * ThreadSanitizer.
 */
#include <postern/store/limiter.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4u
#define CLIENTS 16u
#define ROUNDS 20000u
#define BURST 50u
#define INTERVAL_US 100u

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

struct asker {
    pthread_t thread;
    struct limit_table *table;
    uint64_t skew_us;
};

static _Atomic uint32_t allowed[CLIENTS], kept[CLIENTS];
static pthread_barrier_t line;

static struct limit_op op_of(uint32_t client, enum limit_verb verb)
{
    struct limit_op op = {.opts = {.interval_us = INTERVAL_US, .burst = BURST},
                          .verb = verb,
                          .back_us = verb == LIMIT_GIVE_BACK ? INTERVAL_US : 0};
    memcpy(op.id, &client, sizeof client);
    return op;
}

/* Every 16th that was allowed is given back. */
static void ask(struct limit_table *table, uint32_t client, uint64_t now_us)
{
    struct limit_op op = op_of(client, LIMIT_TAKE);
    CHECK(!limit_table_submit(table, &op, now_us));
    if (!op.allowed) {
        CHECK(op.remaining == 0 && op.wait_us > 0 && op.wait_us <= INTERVAL_US);
        return;
    }
    if (atomic_fetch_add(&allowed[client], 1) % 16 == 15) {
        op = op_of(client, LIMIT_GIVE_BACK);
        CHECK(!limit_table_submit(table, &op, now_us) && op.allowed);
    } else {
        atomic_fetch_add(&kept[client], 1);
    }
}

static void *ask_all(void *arg)
{
    struct asker *asker = arg;
    pthread_barrier_wait(&line);
    for (uint32_t i = 0; i < ROUNDS; i++)
        for (uint32_t client = 0; client < CLIENTS; client++)
            ask(asker->table, client, i + asker->skew_us);
    return NULL;
}

static void *flood(void *arg)
{
    struct asker *asker = arg;
    pthread_barrier_wait(&line);
    for (uint32_t i = 0; i < ROUNDS * 4; i++) {
        struct limit_op op = op_of(i * (uint32_t)(asker->skew_us + 1), LIMIT_TAKE);
        (void)limit_table_submit(asker->table, &op, i);
    }
    return NULL;
}

/* All askers at once; returns when they are through. */
static void run_race(struct limit_table *table, void *(*race)(void *asker))
{
    struct asker askers[THREADS];
    pthread_barrier_init(&line, NULL, THREADS);
    for (uint64_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.table = table, .skew_us = 7 * i};
        CHECK(pthread_create(&askers[i].thread, NULL, race, &askers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    pthread_barrier_destroy(&line);
}

int main(void)
{
    struct limit_table *table = limit_table_new(1 << 16);
    CHECK(table);
    run_race(table, ask_all);
    uint64_t last_us = ROUNDS - 1 + 7 * (THREADS - 1);
    for (uint32_t client = 0; client < CLIENTS; client++)
        CHECK(atomic_load(&kept[client]) <= BURST + last_us / INTERVAL_US);
    /* By then each has been asked for far more than that, so none can have got much less. */
    for (uint32_t client = 0; client < CLIENTS; client++)
        CHECK(atomic_load(&kept[client]) + 1 >= ROUNDS / INTERVAL_US);
    limit_table_free(table);
    table = limit_table_new(1);
    CHECK(table);
    run_race(table, flood);
    limit_table_free(table);
    return 0;
}
