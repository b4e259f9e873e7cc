/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked copies on one loop, turned by hand: who is woken, in which order, and that nobody is after
 * leaving. Several loops are in tests/thread/thread_waiters.c.
 */
#include <criterion/criterion.h>
#include <postern/gateway/waiters.h>

#define WAITERS 4

static struct loop loop;
static struct waiters *waiters;
static struct waiter_inbox *inbox;
static struct waiter waiting[WAITERS];
static size_t woken[WAITERS], woken_count, order[16];

static void note(struct waiter *waiter)
{
    size_t i = (size_t)(waiter - waiting);
    woken[i]++;
    order[woken_count++] = i;
}

static void set_up(void)
{
    loop_init_manual(&loop, 1000, 1000);
    waiters = waiters_new();
    cr_assert_not_null(waiters);
    cr_assert_eq(waiter_inbox_open(waiters, &loop, &inbox), STATUS_OK);
    for (size_t i = 0; i < WAITERS; i++)
        waiting[i].woken = note;
}

static void tear_down(void)
{
    for (size_t i = 0; i < WAITERS; i++)
        waiters_leave(&waiting[i]);
    waiter_inbox_close(inbox);
    waiters_free(waiters);
}

/* Keys of the same first byte lie in the same shard. */
static struct event_key key_of(uint8_t first, uint8_t last)
{
    struct event_key key = {{0}};
    key.digest[0] = first;
    key.digest[EVENT_KEY_BYTES - 1] = last;
    return key;
}

static void park_all(const struct event_key *key)
{
    for (size_t i = 0; i < WAITERS; i++)
        waiters_park(inbox, &waiting[i], key);
}

TestSuite(waiters, .init = set_up, .fini = tear_down);

Test(waiters, one_is_woken_at_a_time_in_their_order)
{
    struct event_key key = key_of(1, 1);
    park_all(&key);
    for (size_t i = 0; i < WAITERS; i++) {
        waiters_wake(waiters, &key, WAKE_ONE);
        cr_assert_eq(woken_count, i, "never from inside the wake");
        loop_turn_manual(&loop);
        cr_assert_eq(woken_count, i + 1);
        cr_assert_eq(order[i], i);
    }
    waiters_wake(waiters, &key, WAKE_ONE);
    loop_turn_manual(&loop);
    cr_assert_eq(woken_count, WAITERS, "nobody is left");
}

Test(waiters, all_are_woken)
{
    struct event_key key = key_of(1, 1);
    park_all(&key);
    waiters_wake(waiters, &key, WAKE_ALL);
    loop_turn_manual(&loop);
    for (size_t i = 0; i < WAITERS; i++) {
        cr_assert_eq(woken[i], 1);
        cr_assert_eq(waiting[i].where, WAITER_OUT);
    }
}

Test(waiters, another_key_wakes_nobody)
{
    struct event_key key = key_of(1, 1), same_shard = key_of(1, 2), other_shard = key_of(2, 1);
    park_all(&key);
    waiters_wake(waiters, &same_shard, WAKE_ALL);
    waiters_wake(waiters, &other_shard, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert_eq(woken_count, 0);
}

Test(waiters, two_keys_of_one_shard_are_kept_apart)
{
    struct event_key key = key_of(1, 1), same_shard = key_of(1, 2);
    for (size_t i = 0; i < WAITERS; i++)
        waiters_park(inbox, &waiting[i], i % 2 ? &same_shard : &key);
    waiters_wake(waiters, &same_shard, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert(!woken[0] && woken[1] && !woken[2] && woken[3]);
}

Test(waiters, who_left_is_not_woken)
{
    struct event_key key = key_of(1, 1);
    park_all(&key);
    waiters_leave(&waiting[1]);
    waiters_leave(&waiting[1]);
    waiters_wake(waiters, &key, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert_eq(woken_count, WAITERS - 1);
    cr_assert_eq(woken[1], 0);
}

Test(waiters, who_leaves_between_wake_and_turn_is_not_woken)
{
    struct event_key key = key_of(1, 1);
    park_all(&key);
    waiters_wake(waiters, &key, WAKE_ALL);
    cr_assert_eq(waiting[2].where, WAITER_WOKEN);
    waiters_leave(&waiting[2]);
    loop_turn_manual(&loop);
    cr_assert_eq(woken_count, WAITERS - 1);
    cr_assert_eq(woken[2], 0);
}

Test(waiters, leaving_without_having_parked_is_harmless)
{
    struct waiter never = {.woken = note};
    waiters_leave(&never);
    cr_assert_eq(never.where, WAITER_OUT);
}

Test(waiters, nobody_parked_is_no_work)
{
    struct event_key key = key_of(1, 1);
    waiters_wake(waiters, &key, WAKE_ALL);
    cr_assert(list_is_empty(&loop.hooks));
}

static void park_again(struct waiter *waiter)
{
    struct event_key key = waiter->key;
    note(waiter);
    waiters_park(inbox, waiter, &key);
}

/* The usual course: woken, asked again, still in flight, parked again. */
Test(waiters, who_parks_again_when_woken_waits_for_the_next_wake)
{
    struct event_key key = key_of(1, 1);
    waiting[0].woken = park_again;
    waiters_park(inbox, &waiting[0], &key);
    waiters_park(inbox, &waiting[1], &key);
    waiters_wake(waiters, &key, WAKE_ONE);
    loop_turn_manual(&loop);
    cr_assert_eq(woken[0], 1);
    cr_assert_eq(waiting[0].where, WAITER_PARKED);
    waiters_wake(waiters, &key, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert_eq(woken[0], 2);
    cr_assert_eq(woken[1], 1);
}

static void leave_the_next(struct waiter *waiter)
{
    note(waiter);
    waiters_leave(waiter + 1);
}

/* An exchange that is woken may end others (it can't now, but the list must not care). */
Test(waiters, who_is_taken_out_by_the_one_before_is_not_woken)
{
    struct event_key key = key_of(1, 1);
    waiting[0].woken = leave_the_next;
    park_all(&key);
    waiters_wake(waiters, &key, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert_eq(woken_count, WAITERS - 1);
    cr_assert_eq(woken[1], 0);
}

Test(waiters, inboxes_of_other_workers_are_woken_too)
{
    struct loop other_loop;
    struct waiter_inbox *other_inbox;
    struct event_key key = key_of(1, 1);
    loop_init_manual(&other_loop, 1000, 1000);
    cr_assert_eq(waiter_inbox_open(waiters, &other_loop, &other_inbox), STATUS_OK);
    waiters_park(inbox, &waiting[0], &key);
    waiters_park(other_inbox, &waiting[1], &key);
    waiters_wake(waiters, &key, WAKE_ALL);
    loop_turn_manual(&loop);
    cr_assert(woken[0] && !woken[1]);
    loop_turn_manual(&other_loop);
    cr_assert(woken[1]);
    waiter_inbox_close(other_inbox);
    waiting[1] = (struct waiter){0}; /* its inbox is gone */
}

Test(waiters, freeing_nothing_is_fine)
{
    waiters_free(NULL);
    waiter_inbox_close(NULL);
}
