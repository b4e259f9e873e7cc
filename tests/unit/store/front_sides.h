/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two fronts on a loop turned by hand, each with a backend of the test's own: what the tests of
 * queued rows and of moving share. One fixture per test process (Criterion forks for each test).
 */
#ifndef POSTERN_TESTS_FRONT_SIDES_H
#define POSTERN_TESTS_FRONT_SIDES_H

#include "front.h"

#include <criterion/criterion.h>

#define WAIT_MS 1000u
#define COST batch_row_cost(&record)

struct side {
    struct front front;
    struct front_budget budget;
    struct batch *sent;
    bool held, finished;
};

static struct loop loop;
static struct side here, there;
static struct journal_record record;

struct call {
    struct journal_op op;
    unsigned answers;
};

/* Counts an answer. */
static inline void on_answered(struct journal_op *op)
{
    container_of(op, struct call, op)->answers++;
}

/* The backend of a side: one batch at a time, none while it is held. */
static inline void backend_send(struct front *front)
{
    struct side *side = container_of(front, struct side, front);
    if (!side->held && !side->sent)
        side->sent = front_next(front);
}

/* Closing is over. */
static inline void backend_finish(struct front *front)
{
    container_of(front, struct side, front)->finished = true;
    front->closed(front->closed_arg);
}

/* One turn of the loop, some time later. */
static inline void turn(uint64_t later_ms)
{
    loop.clock.mono_us += later_ms * 1000;
    loop_turn_manual(&loop);
}

/* A front that is up. */
static inline void open_side(struct side *side)
{
    side->budget.limit_bytes = 1 << 20;
    struct front_opts opts = {.loop = &loop,
                              .budget = &side->budget,
                              .wait_ms = WAIT_MS,
                              .flush_interval_ms = 50,
                              .send = backend_send,
                              .finish = backend_finish};
    front_init(&side->front, &opts);
    front_up(&side->front);
}

/* The fixture: PostgreSQL's side, so to say, and the spool's. */
static inline void open_both(void)
{
    loop_init_manual(&loop, 1000, 1700000000000);
    record = (struct journal_record){.event_id = {{1}},
                                     .route = SLICE("r"),
                                     .body = SLICE("0123456789"),
                                     .queued = true,
                                     .lease_ms = 500};
    open_side(&here);
    open_side(&there);
    there.front.home = QUEUE_HOME_SPOOL;
    turn(0);
}

/* Commits the batch that is under way. */
static inline void commit(struct side *side)
{
    struct batch *batch = side->sent;
    side->sent = NULL;
    for (size_t i = 0; i < batch->fold.count; i++)
        batch->fold.entries[i].written = true;
    front_rows_done(&side->front, batch->count - batch->done);
    front_fold_done(&side->front);
    front_finish(&side->front);
    turn(0);
}

/* Loses the batch that is under way, or has it rolled back; nothing is sent then. */
static inline struct batch *fail(struct side *side, void (*how)(struct front *front))
{
    struct batch *batch = side->sent;
    side->held = true;
    side->sent = NULL;
    front_down(&side->front);
    how(&side->front);
    return batch;
}

/* Appends the record here. */
static inline void append(struct call *call, enum journal_level level)
{
    *call = (struct call){.op = {.record = &record, .level = level, .answered = on_answered}};
    (void)front_append(&here.front.journal, &call->op);
}

/* For closing. */
static inline void on_closed(void *arg)
{
    (void)arg;
}

/* Closes; nothing may be left. */
static inline void close_side(struct side *side)
{
    if (side->sent)
        fail(side, front_failed);
    if (!side->front.closing)
        front_close(&side->front, on_closed, NULL);
    turn(0);
    cr_assert(side->finished);
    cr_assert_eq(side->budget.used_bytes, 0);
    cr_assert_eq(side->front.journal.stats.pending_rows, 0);
    cr_assert_eq(side->front.journal.stats.pending_bytes, 0);
}

/* The end of the fixture. */
static inline void close_both(void)
{
    close_side(&here);
    close_side(&there);
    cr_assert_eq(loop.deadlines.count, 0);
}

#endif
