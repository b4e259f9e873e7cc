/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked copies: shards of lists under a lock, and one inbox per worker that a wake-up moves a
 * waiter to. Lock order: shard, then inbox.
 *
 *     worker 1: waiters_park ---> [ shard of the key ] ---wake, by any worker---> [ inbox of worker
 * 1 ] --loop--> woken
 *
 * A waiter's `where` becomes WOKEN under its shard's lock on any thread; the other changes are its
 * own loop's. So on its own loop, under the shard's lock, `where` tells in which list it is.
 */
#include <postern/gateway/waiters.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAITER_SHARDS 64u

struct shard {
    pthread_mutex_t lock;
    struct list parked;
    _Atomic size_t count; /* read without the lock: nobody parked is the usual case */
};

struct waiters {
    struct shard shards[WAITER_SHARDS];
};

struct waiter_inbox {
    struct waiters *waiters;
    pthread_mutex_t lock;
    struct list woken;
    struct loop_waker waker;
};

static struct shard *shard_of(struct waiters *waiters, const struct event_key *key)
{
    return &waiters->shards[key->digest[0] % WAITER_SHARDS];
}

struct waiters *waiters_new(void)
{
    struct waiters *waiters = calloc(1, sizeof *waiters);
    for (size_t i = 0; waiters && i < WAITER_SHARDS; i++) {
        pthread_mutex_init(&waiters->shards[i].lock, NULL);
        list_init(&waiters->shards[i].parked);
    }
    return waiters;
}

void waiters_free(struct waiters *waiters)
{
    for (size_t i = 0; waiters && i < WAITER_SHARDS; i++)
        pthread_mutex_destroy(&waiters->shards[i].lock);
    free(waiters);
}

static struct waiter *take_woken(struct waiter_inbox *inbox)
{
    pthread_mutex_lock(&inbox->lock);
    struct list *link = list_pop_front(&inbox->woken);
    struct waiter *waiter = link ? container_of(link, struct waiter, link) : NULL;
    if (waiter)
        waiter->where = WAITER_OUT;
    pthread_mutex_unlock(&inbox->lock);
    return waiter;
}

static void on_waker(struct loop_waker *waker)
{
    struct waiter_inbox *inbox = container_of(waker, struct waiter_inbox, waker);
    struct waiter *waiter;
    while ((waiter = take_woken(inbox)) != NULL)
        waiter->woken(waiter);
}

enum status waiter_inbox_open(struct waiters *waiters, struct loop *loop,
                              struct waiter_inbox **ret_inbox)
{
    struct waiter_inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        return STATUS_NO_MEMORY;
    inbox->waiters = waiters;
    inbox->waker.woken = on_waker;
    list_init(&inbox->woken);
    pthread_mutex_init(&inbox->lock, NULL);
    enum status status = loop_waker_open(loop, &inbox->waker);
    if (status != STATUS_OK) {
        pthread_mutex_destroy(&inbox->lock);
        free(inbox);
        return status;
    }
    *ret_inbox = inbox;
    return STATUS_OK;
}

void waiter_inbox_close(struct waiter_inbox *inbox)
{
    if (!inbox)
        return;
    loop_waker_close(&inbox->waker);
    pthread_mutex_destroy(&inbox->lock);
    free(inbox);
}

void waiters_park(struct waiter_inbox *inbox, struct waiter *waiter, const struct event_key *key)
{
    struct shard *shard = shard_of(inbox->waiters, key);
    waiter->key = *key;
    waiter->inbox = inbox;
    pthread_mutex_lock(&shard->lock);
    waiter->where = WAITER_PARKED;
    list_push_back(&shard->parked, &waiter->link);
    atomic_fetch_add(&shard->count, 1);
    pthread_mutex_unlock(&shard->lock);
}

void waiters_leave(struct waiter *waiter)
{
    if (!waiter->inbox)
        return; /* never parked */
    struct shard *shard = shard_of(waiter->inbox->waiters, &waiter->key);
    pthread_mutex_lock(&shard->lock);
    if (waiter->where == WAITER_PARKED) {
        list_remove(&waiter->link);
        atomic_fetch_sub(&shard->count, 1);
    } else if (waiter->where == WAITER_WOKEN) {
        pthread_mutex_lock(&waiter->inbox->lock);
        list_remove(&waiter->link);
        pthread_mutex_unlock(&waiter->inbox->lock);
    }
    waiter->where = WAITER_OUT;
    pthread_mutex_unlock(&shard->lock);
}

/* Under the shard's lock. */
static void move_to_inbox(struct shard *shard, struct waiter *waiter)
{
    struct waiter_inbox *inbox = waiter->inbox;
    list_remove(&waiter->link);
    atomic_fetch_sub(&shard->count, 1);
    waiter->where = WAITER_WOKEN;
    pthread_mutex_lock(&inbox->lock);
    list_push_back(&inbox->woken, &waiter->link);
    pthread_mutex_unlock(&inbox->lock);
    loop_wake(&inbox->waker);
}

void waiters_wake(struct waiters *waiters, const struct event_key *key, enum wake wake)
{
    struct shard *shard = shard_of(waiters, key);
    if (atomic_load(&shard->count) == 0)
        return;
    pthread_mutex_lock(&shard->lock);
    struct list *link = shard->parked.next;
    while (link != &shard->parked) {
        struct waiter *waiter = container_of(link, struct waiter, link);
        link = link->next;
        if (memcmp(waiter->key.digest, key->digest, EVENT_KEY_BYTES) != 0)
            continue;
        move_to_inbox(shard, waiter);
        if (wake == WAKE_ONE)
            break;
    }
    pthread_mutex_unlock(&shard->lock);
}
