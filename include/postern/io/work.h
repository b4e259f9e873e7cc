/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic that takes too long for a loop (public-key signatures), done on libuv's threads. At
 * most a fixed number of jobs is under way for one loop: who finds no room has to say so to whom it
 * serves, instead of letting a queue grow. Not for anything that may block.
 */
#ifndef POSTERN_IO_WORK_H
#define POSTERN_IO_WORK_H

#include <postern/base/status.h>
#include <postern/io/loop.h>
#include <stddef.h>

struct work_pool;

/* One job, embedded in its owner. */
struct work {
    void (*run)(struct work *work);  /* on another thread: touches nothing the loop may touch */
    void (*done)(struct work *work); /* on the loop, once, never from inside the submit */
};

/* Room for `limit` jobs (at least 1) of `loop`. All memory is taken here, the threads are started
 * by the first job. On a manual loop jobs wait for work_run_manual. STATUS_NO_MEMORY. */
NODISCARD enum status work_pool_open(struct loop *loop, size_t limit, struct work_pool **ret_pool);

/* Frees it; nothing may be under way. NULL is fine. */
void work_pool_close(struct work_pool *pool);

/* Hands a job over; it belongs to the pool until `done`. STATUS_FULL: as many as may be are under
 * way, and `done` won't come. Loop thread. */
NODISCARD enum status work_submit(struct work_pool *pool, struct work *work);

/* Runs and ends what was submitted on a manual loop, and not what that submits. */
void work_run_manual(struct work_pool *pool);

#endif
