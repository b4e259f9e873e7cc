/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real loop that runs until a condition holds. One loop per test process (Criterion forks for
 * each test), so it is a global here. For tests of what sits on a loop; nothing sleeps.
 */
#ifndef POSTERN_TESTS_LOOP_GOAL_H
#define POSTERN_TESTS_LOOP_GOAL_H

#include <criterion/criterion.h>
#include <postern/io/loop.h>

#define GUARD_MS 20000u /* a condition that doesn't come true by then fails the test */

static struct loop loop;
static bool (*goal)(void);
static bool goal_reached, guard_expired;

static inline void on_guard(struct deadline *deadline)
{
    (void)deadline;
    guard_expired = true;
    loop_stop(&loop);
}

/* To be called where something changed; stops the loop once the goal is reached. */
static inline void check_goal(void)
{
    if (!goal || !goal())
        return;
    goal_reached = true; /* later in the turn it may no longer hold */
    loop_stop(&loop);
}

/* For what changes without a callback of the test's. */
static inline void on_glance(struct deadline *deadline)
{
    deadline_set(&loop.deadlines, deadline, loop_now_ms(&loop) + DEADLINE_TICK_MS);
    check_goal();
}

/* Runs the loop until `reached` answers true. */
static inline void run_until(bool (*reached)(void))
{
    struct deadline guard = {.expired = on_guard}, glance = {.expired = on_glance};
    if (reached())
        return;
    goal = reached;
    goal_reached = false;
    deadline_set(&loop.deadlines, &guard, loop_now_ms(&loop) + GUARD_MS);
    deadline_set(&loop.deadlines, &glance, loop_now_ms(&loop) + DEADLINE_TICK_MS);
    loop_run(&loop);
    deadline_clear(&loop.deadlines, &guard);
    deadline_clear(&loop.deadlines, &glance);
    goal = NULL;
    cr_assert(!guard_expired, "the condition did not come true");
    cr_assert(goal_reached || reached(), "the loop ended before the condition came true");
}

#endif
