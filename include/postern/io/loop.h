/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's event loop as the layers above see it: the instant of this turn, the deadlines, and
 * what has to happen before the loop sleeps. libuv's name stops inside io/.
 *
 *   one turn:
 *     poll -> refresh clock -> callbacks of sockets -> deadlines due -> deferred hooks -> poll …
 *
 * Deferred hooks are how commands and appends of one turn leave together, and where finished
 * exchanges are reaped.
 */
#ifndef POSTERN_IO_LOOP_H
#define POSTERN_IO_LOOP_H

#include <postern/base/clock.h>
#include <postern/base/deadline.h>
#include <postern/base/list.h>
#include <postern/base/status.h>

struct loop_hook {
    struct list link; /* zeroed: not armed */
    void (*run)(struct loop_hook *hook);
};

/* What a test fakes: a loop without a poll is a clock, a wheel and a hook list. */
struct loop {
    struct clock clock;         /* the instant of this turn */
    struct deadlines deadlines; /* driven by the loop's one timer */
    struct list hooks;          /* armed, in order */
    void *impl;                 /* io's own; NULL in tests that turn the loop by hand */
};

/* Makes a real loop; it does not run yet. */
NODISCARD enum status loop_open(struct loop *loop);

/* Runs until loop_stop, or until nothing is left that could call anybody: no open handle, no
 * deadline set, no hook armed. To be called on the thread that owns everything on this loop. */
void loop_run(struct loop *loop);

/* Lets loop_run return after this turn, its hooks included. Loop thread only. */
void loop_stop(struct loop *loop);

/* Frees a loop whose handles have all been closed (their close callbacks run in here). */
void loop_close(struct loop *loop);

/* Makes a loop without a poll, for tests: time stands at `mono_ms` until the test moves it. */
void loop_init_manual(struct loop *loop, uint64_t mono_ms, uint64_t wall_ms);

/* One turn of a manual loop after the test moved loop->clock: deadlines due, then hooks. */
void loop_turn_manual(struct loop *loop);

/* Arms `hook`: its run is called once, before the loop sleeps, after every callback of this turn;
 * harmless when armed. A hook armed by a hook runs in the same turn. */
void loop_defer(struct loop *loop, struct loop_hook *hook);

/* Disarms; to be called before the hook's memory goes. */
void loop_undefer(struct loop_hook *hook);

/* Monotonic milliseconds of this turn. */
static inline uint64_t loop_now_ms(const struct loop *loop)
{
    return clock_mono_ms(&loop->clock);
}

/* Monotonic milliseconds now, for what a lease has to allow: a process that was stopped within a
 * turn finds it later than the turn. If it is much later, the turn's instant moves there: the
 * time-outs of what begins now must not be over already. Costs a clock read; on a manual loop it is
 * the turn's. */
uint64_t loop_exact_ms(struct loop *loop);

/* A way in from other threads: loop_wake may be called from any thread, any number of times;
 * `woken` then runs at least once on the loop's thread, after the last call. */
struct loop_waker {
    void (*woken)(struct loop_waker *waker);
    void *impl;
    struct loop *manual; /* on a manual loop: wakes by a deferred hook, same thread only */
    struct loop_hook hook;
};

/* Opens a waker on `loop` (loop thread, or before loop_run). `waker->woken` has to be set. A waker
 * keeps the loop alive. */
NODISCARD enum status loop_waker_open(struct loop *loop, struct loop_waker *waker);

/* Closes it; no `woken` after this returns. The struct may be freed at once. Loop thread. */
void loop_waker_close(struct loop_waker *waker);

/* Wakes the loop; any thread, as long as the waker is open. */
void loop_wake(struct loop_waker *waker);

/* POSIX signals, main thread's loop only: `caught` runs on the loop. */
struct loop_signal {
    void (*caught)(struct loop_signal *signal, int number);
    void *impl;
};

/* Starts catching signal `number`. */
NODISCARD enum status loop_signal_open(struct loop *loop, struct loop_signal *signal, int number);

/* Stops catching; the struct may be freed at once. */
void loop_signal_close(struct loop_signal *signal);

/* Readiness of a descriptor somebody else owns (libpq's socket). */
struct loop_poll {
    void (*ready)(struct loop_poll *poll, bool readable, bool writable); /* errors show as both */
    void *impl;
};

/* Watches `fd` (kept open by the caller until loop_poll_close). */
NODISCARD enum status loop_poll_open(struct loop *loop, struct loop_poll *poll, int fd);

/* Says what to watch for; registers anew each time, so that a reopened descriptor with the same
 * number is watched. After an error was told (both), nothing is watched until the next call. */
NODISCARD enum status loop_poll_watch(struct loop_poll *poll, bool readable, bool writable);

/* Stops watching; no `ready` after this. To be called before the descriptor is closed. The struct
 * may be freed at once. */
void loop_poll_close(struct loop_poll *poll);

#endif
