/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The turn of a loop, over libuv: one timer for all deadlines, one prepare handle for the deferred
 * hooks. Sockets are in stream.c, other handles in loop_watch.c.
 *
 *      ┌──────────────────────────────────────────────────────────────────┐
 *      v                                                                  │
 *   poll ──> first callback refreshes the clock ──> more callbacks ──> deadlines due (timer)
 *      ^                                                                  │
 *      └── arm the timer if something is due earlier <── hooks <──────────┘ (prepare)
 */
#include "loop_impl.h"

#include <assert.h>
#include <stdlib.h>

#define LATE_MS 100u  /* far more than a turn takes */
#define GRACE_MS 100u /* for answers that are on their way */

static void run_hooks(struct loop *loop)
{
    struct list *link;
    while ((link = list_pop_front(&loop->hooks))) {
        struct loop_hook *hook = container_of(link, struct loop_hook, link);
        hook->run(hook);
    }
}

/* A process that stood still (SIGSTOP, a paused machine) comes back with deadlines past and sockets
 * unread, and libuv, whose sleep a signal has ended, runs the timer before it polls. What came in
 * time has to be seen first, and what was about to leave when it stopped leaves only now: deadlines
 * that are late have a grace. Not a second one, or they never passed on a loop whose turns are that
 * long. */
static bool has_grace(struct loop_impl *impl, uint64_t due_ms, uint64_t now_ms)
{
    if (impl->grace_until_ms == 0 && now_ms >= due_ms + LATE_MS)
        impl->grace_until_ms = now_ms + GRACE_MS;
    if (now_ms < impl->grace_until_ms)
        return true;
    impl->grace_until_ms = 0;
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->loop->data;
    struct loop_impl *impl = loop_impl_of(loop);
    uint64_t due_ms = impl->armed_ms;
    impl->armed_ms = TIMER_NOT_ARMED;
    /* Read again even within a turn: at the turn's instant the deadline may still lie ahead. */
    impl->clock_is_stale = true;
    loop_enter(loop);
    if (!has_grace(impl, due_ms, loop_now_ms(loop)))
        deadlines_advance(&loop->deadlines, loop_now_ms(loop));
}

/* Makes the timer fire for the wheel's next due time; leaves it alone when it fires early enough,
 * so that setting and clearing deadlines costs no timer calls. It keeps the loop alive only while a
 * deadline is set. */
static void arm_timer(struct loop *loop)
{
    struct loop_impl *impl = loop_impl_of(loop);
    uint64_t next_ms = deadlines_next(&loop->deadlines);
    if (next_ms == UINT64_MAX) {
        uv_unref((uv_handle_t *)&impl->timer);
        return;
    }
    uv_ref((uv_handle_t *)&impl->timer);
    if (next_ms < impl->grace_until_ms)
        next_ms = impl->grace_until_ms;
    if (next_ms >= impl->armed_ms)
        return;
    /* Both clocks are CLOCK_MONOTONIC in milliseconds; libuv counts from its own last look. */
    uint64_t uv_now_ms = uv_now(&impl->uv);
    int result =
        uv_timer_start(&impl->timer, on_timer, next_ms > uv_now_ms ? next_ms - uv_now_ms : 0, 0);
    assert(result == 0); /* only fails for a closing timer */
    (void)result;
    impl->armed_ms = next_ms;
}

static void prepare_to_sleep(struct loop *loop)
{
    run_hooks(loop);
    arm_timer(loop);
    loop_impl_of(loop)->clock_is_stale = true;
}

static void on_prepare(uv_prepare_t *prepare)
{
    prepare_to_sleep(prepare->loop->data);
}

static void init_fields(struct loop *loop, struct clock clock)
{
    *loop = (struct loop){.clock = clock};
    deadlines_init(&loop->deadlines, clock_mono_ms(&clock));
    list_init(&loop->hooks);
}

enum status loop_open(struct loop *loop)
{
    struct loop_impl *impl = calloc(1, sizeof *impl);
    if (!impl)
        return STATUS_NO_MEMORY;
    int result = uv_loop_init(&impl->uv);
    if (result < 0) {
        free(impl);
        return status_of_uv(result);
    }
    struct clock clock;
    clock_refresh(&clock);
    init_fields(loop, clock);
    loop->impl = impl;
    impl->uv.data = loop;
    impl->armed_ms = TIMER_NOT_ARMED;
    /* These three can't fail: they only fill fields in. */
    uv_timer_init(&impl->uv, &impl->timer);
    uv_prepare_init(&impl->uv, &impl->before_sleep);
    uv_prepare_start(&impl->before_sleep, on_prepare);
    uv_unref((uv_handle_t *)&impl->before_sleep);
    return STATUS_OK;
}

/* Is there anything that could still call somebody? */
static bool is_alive(const struct loop *loop)
{
    return uv_loop_alive(loop_uv(loop)) || !list_is_empty(&loop->hooks) ||
           loop->deadlines.count > 0;
}

static void run_uv(struct loop_impl *impl)
{
    if (impl->stopped)
        return; /* asked for by a hook just now */
    impl->running = true;
    uv_run(&impl->uv, UV_RUN_DEFAULT);
    impl->running = false;
}

void loop_run(struct loop *loop)
{
    struct loop_impl *impl = loop_impl_of(loop);
    clock_refresh(&loop->clock);
    do {
        /* libuv doesn't begin a turn, and so runs no hook, for a loop without active handles. */
        prepare_to_sleep(loop);
        run_uv(impl);
    } while (!impl->stopped && is_alive(loop));
    run_hooks(loop); /* they may ask to stop once more, which is this run's business too */
    impl->stopped = false;
}

void loop_stop(struct loop *loop)
{
    struct loop_impl *impl = loop_impl_of(loop);
    impl->stopped = true;
    if (impl->running)
        uv_stop(&impl->uv); /* outside a run libuv would keep it for the next one */
}

void loop_close(struct loop *loop)
{
    struct loop_impl *impl = loop_impl_of(loop);
    uv_close((uv_handle_t *)&impl->timer, NULL);
    uv_close((uv_handle_t *)&impl->before_sleep, NULL);
    do {
        uv_run(&impl->uv, UV_RUN_DEFAULT);
        run_hooks(loop);
    } while (uv_loop_alive(&impl->uv));
    int result = uv_loop_close(&impl->uv);
    assert(result == 0); /* busy: somebody left a handle open */
    (void)result;
    free(impl->tls_room);
    free(impl);
    loop->impl = NULL;
}

void loop_init_manual(struct loop *loop, uint64_t mono_ms, uint64_t wall_ms)
{
    init_fields(loop, (struct clock){.mono_us = mono_ms * 1000, .wall_ms = wall_ms});
}

void loop_turn_manual(struct loop *loop)
{
    deadlines_advance(&loop->deadlines, loop_now_ms(loop));
    run_hooks(loop);
}

uint64_t loop_exact_ms(struct loop *loop)
{
    struct clock clock = loop->clock;
    if (loop->impl)
        clock_refresh(&clock);
    if (clock_mono_ms(&clock) >= loop_now_ms(loop) + LATE_MS)
        loop->clock = clock;
    return clock_mono_ms(&clock);
}

void loop_defer(struct loop *loop, struct loop_hook *hook)
{
    assert(hook->run);
    if (list_is_empty(&hook->link))
        list_push_back(&loop->hooks, &hook->link);
}

void loop_undefer(struct loop_hook *hook)
{
    list_remove(&hook->link);
}
