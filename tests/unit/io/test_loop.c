/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn of a loop: hooks before the sleep, deadlines through the one timer, when it returns, and
 * the manual loop tests of upper layers stand on.
 */
#include "loop_impl.h"

#include <criterion/criterion.h>
#include <postern/io/loop.h>

static struct loop loop;

struct counted_hook {
    struct loop_hook hook;
    int runs;
    struct counted_hook *arms; /* from inside its run */
    bool stops;
};

static void count_run(struct loop_hook *hook)
{
    struct counted_hook *counted = container_of(hook, struct counted_hook, hook);
    counted->runs++;
    if (counted->arms)
        loop_defer(&loop, &counted->arms->hook);
    counted->arms = NULL;
    if (counted->stops)
        loop_stop(&loop);
}

struct counted_deadline {
    struct deadline deadline;
    int runs;
    uint64_t at_ms;
    int repeat;
    uint64_t every_ms;
};

static void count_expiry(struct deadline *deadline)
{
    struct counted_deadline *counted = container_of(deadline, struct counted_deadline, deadline);
    counted->runs++;
    counted->at_ms = loop_now_ms(&loop);
    if (counted->repeat-- > 0)
        deadline_set(&loop.deadlines, deadline, counted->at_ms + counted->every_ms);
}

Test(loop, returns_at_once_when_nothing_is_left)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    loop_run(&loop);
    loop_close(&loop);
    cr_assert_null(loop.impl);
}

Test(loop, runs_hooks_once_even_without_any_handle)
{
    struct counted_hook second = {.hook.run = count_run};
    struct counted_hook first = {.hook.run = count_run, .arms = &second};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    loop_defer(&loop, &first.hook);
    loop_defer(&loop, &first.hook);
    loop_run(&loop);
    cr_assert_eq(first.runs, 1);
    cr_assert_eq(second.runs, 1, "armed by a hook: same turn");
    loop_close(&loop);
}

Test(loop, undeferred_hook_does_not_run)
{
    struct counted_hook hook = {.hook.run = count_run};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    loop_defer(&loop, &hook.hook);
    loop_undefer(&hook.hook);
    loop_undefer(&hook.hook);
    loop_run(&loop);
    cr_assert_eq(hook.runs, 0);
    loop_close(&loop);
}

Test(loop, deadline_keeps_it_alive_and_is_never_early)
{
    struct counted_deadline one = {.deadline.expired = count_expiry};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    uint64_t due_ms = loop_now_ms(&loop) + 40;
    deadline_set(&loop.deadlines, &one.deadline, due_ms);
    loop_run(&loop);
    cr_assert_eq(one.runs, 1);
    cr_assert_geq(one.at_ms, due_ms);
    loop_close(&loop);
}

Test(loop, deadline_in_the_past_and_one_reset_by_its_callback)
{
    struct counted_deadline past = {.deadline.expired = count_expiry};
    struct counted_deadline again = {.deadline.expired = count_expiry, .repeat = 3, .every_ms = 10};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    uint64_t start_ms = loop_now_ms(&loop);
    deadline_set(&loop.deadlines, &past.deadline, 0);
    deadline_set(&loop.deadlines, &again.deadline, start_ms + 10);
    loop_run(&loop);
    cr_assert_eq(past.runs, 1);
    cr_assert_eq(again.runs, 4);
    cr_assert_geq(again.at_ms, start_ms + 40);
    loop_close(&loop);
}

struct late_setter {
    struct loop_hook hook;
    struct counted_deadline soon;
    struct counted_deadline *far;
};

static void set_soon_clear_far(struct deadline *deadline)
{
    count_expiry(deadline);
    struct counted_deadline *soon = container_of(deadline, struct counted_deadline, deadline);
    struct late_setter *setter = container_of(soon, struct late_setter, soon);
    deadline_clear(&loop.deadlines, &setter->far->deadline);
}

static void set_soon(struct loop_hook *hook)
{
    struct late_setter *setter = container_of(hook, struct late_setter, hook);
    deadline_set(&loop.deadlines, &setter->soon.deadline, loop_now_ms(&loop) + 16);
}

Test(loop, an_earlier_deadline_moves_the_timer_forward)
{
    struct counted_deadline far = {.deadline.expired = count_expiry};
    struct late_setter setter = {
        .hook.run = set_soon, .soon.deadline.expired = set_soon_clear_far, .far = &far};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    uint64_t start_ms = loop_now_ms(&loop);
    deadline_set(&loop.deadlines, &far.deadline, start_ms + 3600000);
    loop_defer(&loop, &setter.hook);
    loop_run(&loop);
    cr_assert_eq(setter.soon.runs, 1);
    cr_assert_eq(far.runs, 0);
    cr_assert_lt(setter.soon.at_ms, start_ms + 3600000);
    loop_close(&loop);
}

Test(loop, timer_is_armed_only_for_an_earlier_time)
{
    struct counted_deadline near = {.deadline.expired = count_expiry};
    struct counted_deadline far = {.deadline.expired = count_expiry};
    struct counted_hook stop = {.hook.run = count_run, .stops = true};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    struct loop_impl *impl = loop_impl_of(&loop);
    cr_assert_eq(impl->armed_ms, TIMER_NOT_ARMED);
    deadline_set(&loop.deadlines, &near.deadline, loop_now_ms(&loop) + 2000);
    loop_defer(&loop, &stop.hook);
    loop_run(&loop);
    uint64_t armed_ms = impl->armed_ms;
    cr_assert_neq(armed_ms, TIMER_NOT_ARMED);
    deadline_set(&loop.deadlines, &far.deadline, loop_now_ms(&loop) + 3000);
    loop_defer(&loop, &stop.hook);
    loop_run(&loop);
    cr_assert_eq(impl->armed_ms, armed_ms);
    deadline_clear(&loop.deadlines, &near.deadline);
    deadline_clear(&loop.deadlines, &far.deadline);
    loop_run(&loop); /* a timer that is armed for nothing doesn't keep the loop alive */
    cr_assert_eq(near.runs + far.runs, 0);
    loop_close(&loop);
}

static void stop_on_expiry(struct deadline *deadline)
{
    count_expiry(deadline);
    struct counted_deadline *counted = container_of(deadline, struct counted_deadline, deadline);
    deadline_set(&loop.deadlines, &counted->deadline, loop_now_ms(&loop) + 1);
    loop_stop(&loop);
}

Test(loop, stop_ends_the_turn_after_its_hooks)
{
    struct counted_deadline one = {.deadline.expired = stop_on_expiry};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    for (int run = 1; run <= 3; run++) {
        struct counted_hook hook = {.hook.run = count_run};
        deadline_set(&loop.deadlines, &one.deadline, loop_now_ms(&loop) + 1);
        loop_defer(&loop, &hook.hook);
        loop_run(&loop);
        cr_assert_eq(one.runs, run);
        cr_assert_eq(hook.runs, 1);
    }
    deadline_clear(&loop.deadlines, &one.deadline);
    loop_close(&loop);
}

static struct counted_hook stopping;

static void stop_and_defer(struct loop_waker *waker)
{
    (void)waker;
    loop_stop(&loop);
    loop_defer(&loop, &stopping.hook); /* runs after the poll, and asks once more */
}

/* A stop belongs to the run it was asked in: the next one used to return at once. */
Test(loop, a_second_stop_does_not_end_the_next_run)
{
    struct loop_waker waker = {.woken = stop_and_defer};
    struct counted_deadline later = {.deadline.expired = count_expiry};
    stopping = (struct counted_hook){.hook.run = count_run, .stops = true};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(loop_waker_open(&loop, &waker), STATUS_OK);
    loop_wake(&waker);
    loop_run(&loop);
    cr_assert_eq(stopping.runs, 1);
    loop_waker_close(&waker);
    deadline_set(&loop.deadlines, &later.deadline, loop_now_ms(&loop) + 20);
    loop_run(&loop);
    cr_assert_eq(later.runs, 1);
    loop_close(&loop);
}

struct clock_hook {
    struct loop_hook hook;
    uint64_t turn_ms, exact_ms;
};

static void outlast_turn(struct loop_hook *hook)
{
    struct clock_hook *test = container_of(hook, struct clock_hook, hook);
    test->turn_ms = loop_now_ms(&loop);
    while ((test->exact_ms = loop_exact_ms(&loop)) < test->turn_ms + 5)
        cr_assert_eq(loop_now_ms(&loop), test->turn_ms);
}

Test(loop, exact_time_goes_on_within_a_turn)
{
    struct clock_hook test = {.hook.run = outlast_turn};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    loop_defer(&loop, &test.hook);
    loop_run(&loop);
    cr_assert_geq(test.exact_ms, test.turn_ms + 5);
    loop_close(&loop);
    loop_init_manual(&loop, 7000, 1);
    cr_assert_eq(loop_exact_ms(&loop), 7000);
}

static void stand_still(struct loop_hook *hook)
{
    struct clock_hook *test = container_of(hook, struct clock_hook, hook);
    struct clock clock;
    test->turn_ms = loop_now_ms(&loop);
    do
        clock_refresh(&clock);
    while (clock_mono_ms(&clock) < test->turn_ms + 200);
    cr_assert_eq(loop_now_ms(&loop), test->turn_ms, "nobody has asked");
    test->exact_ms = loop_exact_ms(&loop);
    cr_assert_eq(loop_now_ms(&loop), test->exact_ms);
}

Test(loop, a_turn_that_stood_still_goes_on_from_the_instant_it_found)
{
    struct clock_hook test = {.hook.run = stand_still};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    loop_defer(&loop, &test.hook);
    loop_run(&loop);
    cr_assert_geq(test.exact_ms, test.turn_ms + 200);
    loop_close(&loop);
}

Test(loop, manual_time_stands_until_moved)
{
    struct counted_deadline one = {.deadline.expired = count_expiry};
    struct counted_hook hook = {.hook.run = count_run};
    loop_init_manual(&loop, 5000, 1700000000000);
    cr_assert_null(loop.impl);
    cr_assert_eq(loop_now_ms(&loop), 5000);
    cr_assert_eq(loop.clock.wall_ms, 1700000000000);
    deadline_set(&loop.deadlines, &one.deadline, 5100);
    loop_defer(&loop, &hook.hook);
    loop_turn_manual(&loop);
    cr_assert_eq(hook.runs, 1);
    cr_assert_eq(one.runs, 0);
    loop.clock.mono_us = 5099 * 1000;
    loop_turn_manual(&loop);
    cr_assert_eq(one.runs, 0);
    loop.clock.mono_us = (5100 + DEADLINE_TICK_MS) * 1000;
    loop_turn_manual(&loop);
    cr_assert_eq(one.runs, 1);
    cr_assert_eq(hook.runs, 1);
}
