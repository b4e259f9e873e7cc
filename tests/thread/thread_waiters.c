/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four workers with real loops park on a few keys, wake each other and leave at any moment; for
 * ThreadSanitizer. Each worker parks its waiter, and goes on when it's woken or when its patience
 * (a number of turns) is over. Nobody is woken who isn't parked, a wake of all reaches everybody
 * parked before it, and in the end nobody is parked.
 */
#include <postern/gateway/waiters.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 4
#define WAITERS 8 /* of each worker */
#define KEYS 3
#define ROUNDS 5000u /* of each waiter */

struct worker {
    pthread_t thread;
    struct loop loop;
    struct waiter_inbox *inbox;
    struct loop_waker turn; /* wakes itself: another turn */
    unsigned random;
    size_t finished; /* waiters whose rounds are over */
    struct parked {
        struct waiter waiter;
        struct worker *worker;
        bool parked;
        unsigned patience, rounds;
    } parked[WAITERS];
};

static struct waiters *waiters;
static struct worker workers[WORKERS];
static atomic_uint failures, wakes_seen;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "failed: %s\n", what);
    atomic_fetch_add(&failures, 1);
}

static unsigned next_random(struct worker *worker)
{
    worker->random = worker->random * 1664525u + 1013904223u;
    return worker->random >> 16;
}

static struct event_key some_key(struct worker *worker)
{
    struct event_key key = {{0}};
    key.digest[1] = (uint8_t)(next_random(worker) % KEYS); /* one shard */
    return key;
}

static void park(struct parked *parked)
{
    struct event_key key = some_key(parked->worker);
    parked->parked = true;
    parked->patience = next_random(parked->worker) % 4;
    waiters_park(parked->worker->inbox, &parked->waiter, &key);
}

static void end_round(struct parked *parked)
{
    parked->parked = false;
    if (++parked->rounds < ROUNDS)
        park(parked);
    else
        parked->worker->finished++;
}

static void on_woken(struct waiter *waiter)
{
    struct parked *parked = container_of(waiter, struct parked, waiter);
    expect(parked->parked, "woken without being parked");
    atomic_fetch_add_explicit(&wakes_seen, 1, memory_order_relaxed);
    end_round(parked);
}

/* One turn: wakes somebody's key, and lets the impatient go. */
static void on_turn(struct loop_waker *waker)
{
    struct worker *worker = container_of(waker, struct worker, turn);
    struct event_key key = some_key(worker);
    waiters_wake(waiters, &key, next_random(worker) % 2 ? WAKE_ALL : WAKE_ONE);
    for (size_t i = 0; i < WAITERS; i++) {
        struct parked *parked = &worker->parked[i];
        if (!parked->parked || parked->patience-- > 0)
            continue;
        waiters_leave(&parked->waiter);
        end_round(parked);
    }
    if (worker->finished == WAITERS)
        loop_stop(&worker->loop);
    else
        loop_wake(&worker->turn);
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    for (size_t i = 0; i < WAITERS; i++) {
        worker->parked[i] = (struct parked){.waiter.woken = on_woken, .worker = worker};
        park(&worker->parked[i]);
    }
    loop_wake(&worker->turn);
    loop_run(&worker->loop);
    return NULL;
}

static bool open_worker(struct worker *worker, unsigned seed)
{
    worker->random = seed;
    worker->turn.woken = on_turn;
    return loop_open(&worker->loop) == STATUS_OK &&
           waiter_inbox_open(waiters, &worker->loop, &worker->inbox) == STATUS_OK &&
           loop_waker_open(&worker->loop, &worker->turn) == STATUS_OK;
}

static void close_worker(struct worker *worker)
{
    for (size_t i = 0; i < WAITERS; i++)
        expect(worker->parked[i].waiter.where == WAITER_OUT, "a waiter was left behind");
    waiter_inbox_close(worker->inbox);
    loop_waker_close(&worker->turn);
    loop_close(&worker->loop);
}

/* ---- nothing lost ---- */

static atomic_size_t ready;

static void on_last_woken(struct waiter *waiter)
{
    struct parked *parked = container_of(waiter, struct parked, waiter);
    parked->parked = false;
    if (++parked->worker->finished == WAITERS)
        loop_stop(&parked->worker->loop);
}

/* Parks everybody on one key and waits without patience: only wakes end it. */
static void *run_faithful(void *argument)
{
    struct worker *worker = argument;
    struct event_key key = {{9}};
    for (size_t i = 0; i < WAITERS; i++) {
        worker->parked[i] = (struct parked){.waiter.woken = on_last_woken, .worker = worker};
        waiters_park(worker->inbox, &worker->parked[i].waiter, &key);
    }
    atomic_fetch_add(&ready, 1);
    loop_run(&worker->loop);
    return NULL;
}

/* As many wakes of one as there are waiters, from two threads at once, reach every one. */
static void *wake_half(void *argument)
{
    struct event_key key = {{9}};
    (void)argument;
    for (size_t i = 0; i < WORKERS * WAITERS / 2; i++)
        waiters_wake(waiters, &key, WAKE_ONE);
    return NULL;
}

static void run_all(void *(*run)(void *worker), bool wake)
{
    pthread_t wakers[2];
    for (size_t i = 0; i < WORKERS; i++) {
        if (!open_worker(&workers[i], (unsigned)i + 1)) {
            expect(false, "opening a worker");
            return;
        }
        workers[i].finished = 0;
    }
    for (size_t i = 0; i < WORKERS; i++)
        pthread_create(&workers[i].thread, NULL, run, &workers[i]);
    while (wake && atomic_load(&ready) < WORKERS)
        sched_yield();
    for (size_t i = 0; wake && i < 2; i++)
        pthread_create(&wakers[i], NULL, wake_half, NULL);
    for (size_t i = 0; wake && i < 2; i++)
        pthread_join(wakers[i], NULL);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    for (size_t i = 0; i < WORKERS; i++)
        close_worker(&workers[i]);
}

int main(void)
{
    waiters = waiters_new();
    if (!waiters)
        return 1;
    run_all(run_worker, false);
    expect(atomic_load(&wakes_seen) > 0, "somebody was woken");
    run_all(run_faithful, true);
    waiters_free(waiters);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
