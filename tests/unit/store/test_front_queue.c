/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front owes to queued rows: their ops end in certainty. And moving batches to another
 * front, with the ops that wait. On a loop turned by hand, with backends of the test's own.
 */
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

static void on_answered(struct journal_op *op)
{
    container_of(op, struct call, op)->answers++;
}

static void backend_send(struct front *front)
{
    struct side *side = container_of(front, struct side, front);
    if (!side->held && !side->sent)
        side->sent = front_next(front);
}

static void backend_finish(struct front *front)
{
    container_of(front, struct side, front)->finished = true;
    front->closed(front->closed_arg);
}

static void turn(uint64_t later_ms)
{
    loop.clock.mono_us += later_ms * 1000;
    loop_turn_manual(&loop);
}

static void open_side(struct side *side)
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

static void open_both(void)
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

static void commit(struct side *side)
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
static struct batch *fail(struct side *side, void (*how)(struct front *front))
{
    struct batch *batch = side->sent;
    side->held = true;
    side->sent = NULL;
    front_down(&side->front);
    how(&side->front);
    return batch;
}

static void append(struct call *call, enum journal_level level)
{
    *call = (struct call){.op = {.record = &record, .level = level, .answered = on_answered}};
    (void)front_append(&here.front.journal, &call->op);
}

static void on_closed(void *arg)
{
    (void)arg;
}

static void close_side(struct side *side)
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

static void close_both(void)
{
    close_side(&here);
    close_side(&there);
    cr_assert_eq(loop.deadlines.count, 0);
}

TestSuite(front_queue, .init = open_both, .fini = close_both);

/* ---- certainty ---- */

Test(front_queue, a_committed_row_says_where_and_if_its_lease_is_certain)
{
    struct call leased, unleased;
    append(&leased, JOURNAL_DURABLE);
    record.lease_ms = 0;
    append(&unleased, JOURNAL_DURABLE);
    turn(0);
    commit(&here);
    cr_assert(leased.op.status == STATUS_OK && unleased.op.status == STATUS_OK);
    cr_assert(leased.op.leased && !unleased.op.leased);
    cr_assert_eq(leased.op.home, QUEUE_HOME_JOURNAL);
}

Test(front_queue, in_flight_it_waits_on_and_is_told_the_truth)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    turn(3 * WAIT_MS);
    cr_assert_eq(call.answers, 0);
    commit(&here);
    cr_assert_eq(call.answers, 1);
    cr_assert_eq(call.op.status, STATUS_OK);
}

Test(front_queue, others_are_given_up_on_as_ever)
{
    struct call queued, other;
    append(&queued, JOURNAL_DURABLE);
    record.queued = false;
    append(&other, JOURNAL_DURABLE);
    turn(0);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert_eq(queued.answers, 0);
    cr_assert_eq(other.op.status, STATUS_UNAVAILABLE);
    commit(&here);
    cr_assert_eq(here.front.journal.stats.rows, 2, "its row was kept");
}

Test(front_queue, never_sent_it_is_withdrawn)
{
    struct call call, other;
    here.held = true;
    append(&call, JOURNAL_DURABLE);
    record.queued = false;
    append(&other, JOURNAL_DURABLE);
    turn(WAIT_MS - DEADLINE_TICK_MS);
    cr_assert_eq(call.answers, 0);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(here.front.journal.stats.dropped, 1);
    cr_assert_eq(here.front.journal.stats.pending_rows, 1, "only the other one stays");
    here.held = false;
    front_pump(&here.front);
    turn(0);
    cr_assert_eq(here.sent->count, 1);
    cr_assert_not(here.sent->rows[0]->queued);
    commit(&here);
}

Test(front_queue, a_batch_with_nothing_left_is_gone)
{
    struct call call;
    here.held = true;
    append(&call, JOURNAL_DURABLE);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert(list_is_empty(&here.front.queue));
    cr_assert_eq(here.front.journal.stats.oldest_pending_ms, 0);
    front_up(&here.front);
    cr_assert_eq(here.front.down_since_ms, 0, "nothing else would prove that it works");
}

/* The link was busy with something else for that long: nothing would ever prove that it works. */
Test(front_queue, with_nothing_left_to_prove_it_the_database_is_not_down)
{
    struct call call, next;
    here.held = true;
    append(&call, JOURNAL_DURABLE);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    turn(5 * WAIT_MS);
    here.held = false;
    append(&next, JOURNAL_DURABLE);
    turn(0);
    cr_assert_not_null(here.sent, "it was taken");
    commit(&here);
    cr_assert_eq(next.op.status, STATUS_OK);
}

Test(front_queue, lost_in_flight_it_waits_for_the_proof)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    cr_assert(fail(&here, front_failed)->doubtful);
    turn(5 * WAIT_MS);
    cr_assert_eq(call.answers, 0);
    here.held = false;
    front_up(&here.front);
    turn(0);
    cr_assert_eq(here.sent->tries, 1);
    commit(&here);
    cr_assert_eq(call.op.status, STATUS_OK);
    cr_assert_not(call.op.leased, "by now another may have had it");
}

Test(front_queue, rolled_back_it_is_withdrawn_in_its_time)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    turn(WAIT_MS / 2);
    cr_assert_not(fail(&here, front_rolled_back)->doubtful);
    turn(WAIT_MS / 2 - DEADLINE_TICK_MS);
    cr_assert_eq(call.answers, 0);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(here.front.journal.stats.dropped, 1);
}

Test(front_queue, rolled_back_after_its_time_it_is_withdrawn_soon)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    turn(3 * WAIT_MS);
    fail(&here, front_rolled_back);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
}

Test(front_queue, once_in_doubt_always_in_doubt)
{
    static struct call call; /* answered when the front closes */
    append(&call, JOURNAL_DURABLE);
    turn(0);
    fail(&here, front_failed);
    here.held = false;
    front_pump(&here.front);
    turn(0);
    cr_assert(fail(&here, front_rolled_back)->doubtful);
    turn(5 * WAIT_MS);
    cr_assert_eq(call.answers, 0);
}

Test(front_queue, rows_that_are_over_are_not_withdrawn)
{
    struct call calls[3];
    for (int i = 0; i < 3; i++)
        append(&calls[i], JOURNAL_DURABLE);
    turn(0);
    front_rows_done(&here.front, 2);
    fail(&here, front_rolled_back);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert(calls[0].op.status == STATUS_OK && calls[1].op.status == STATUS_OK);
    cr_assert_eq(calls[2].op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(here.front.journal.stats.rows, 2);
    cr_assert_eq(here.front.journal.stats.dropped, 1);
}

Test(front_queue, closing_waits_for_the_truth_in_flight)
{
    struct call sent, behind;
    append(&sent, JOURNAL_DURABLE);
    turn(0);
    append(&behind, JOURNAL_DURABLE);
    front_close(&here.front, on_closed, NULL);
    turn(0);
    cr_assert_eq(sent.answers, 0);
    cr_assert_eq(behind.op.status, STATUS_UNAVAILABLE);
    commit(&here);
    cr_assert_eq(sent.op.status, STATUS_OK);
    cr_assert(here.finished);
}

Test(front_queue, closing_answers_what_fails_then)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    front_close(&here.front, on_closed, NULL);
    turn(0);
    fail(&here, front_rolled_back);
    turn(0);
    cr_assert(here.finished);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(here.front.journal.stats.dropped, 1);
}

/* ---- moving ---- */

Test(front_queue, what_waits_moves_with_its_ops)
{
    struct call calls[3];
    append(&calls[0], JOURNAL_DURABLE);
    turn(0);
    append(&calls[1], JOURNAL_DURABLE);
    append(&calls[2], JOURNAL_BUFFERED);
    front_move(&here.front, &there.front, false);
    cr_assert_eq(here.front.journal.stats.pending_rows, 1, "what is in flight stays");
    cr_assert_eq(there.front.journal.stats.pending_rows, 2);
    cr_assert_eq(there.budget.used_bytes, 2 * COST);
    turn(0);
    cr_assert_eq(there.sent->count, 2);
    cr_assert_not(there.sent->doubtful);
    commit(&there);
    cr_assert_eq(calls[1].op.status, STATUS_OK);
    cr_assert_eq(calls[1].op.home, QUEUE_HOME_SPOOL);
    cr_assert(calls[1].op.leased);
    cr_assert_eq(calls[0].answers, 0);
    commit(&here);
    cr_assert_eq(calls[0].op.home, QUEUE_HOME_JOURNAL);
}

Test(front_queue, what_is_in_doubt_moves_and_its_lease_counts_there)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    fail(&here, front_failed);
    turn(2 * WAIT_MS);
    front_move(&here.front, &there.front, true);
    turn(0);
    cr_assert(there.sent->doubtful);
    commit(&there);
    cr_assert(call.op.status == STATUS_OK && call.op.leased);
    front_up(&here.front);
    cr_assert(here.front.journal.stats.up, "nothing is left that it would have to prove");
}

Test(front_queue, only_what_is_in_doubt_moves_if_asked)
{
    static struct call doubtful, other; /* answered when the front closes */
    append(&doubtful, JOURNAL_DURABLE);
    turn(0);
    append(&other, JOURNAL_DURABLE);
    fail(&here, front_failed);
    front_move(&here.front, &there.front, true);
    cr_assert_eq(here.front.journal.stats.pending_rows, 1);
    cr_assert_eq(there.front.journal.stats.pending_rows, 1);
    turn(0);
    commit(&there);
    cr_assert(doubtful.answers == 1 && other.answers == 0);
}

Test(front_queue, only_the_rest_of_a_batch_moves)
{
    struct call calls[3];
    for (int i = 0; i < 3; i++)
        append(&calls[i], JOURNAL_DURABLE);
    turn(0);
    front_rows_done(&here.front, 1);
    fail(&here, front_failed);
    front_move(&here.front, &there.front, false);
    turn(0);
    cr_assert_eq(there.sent->count, 2);
    cr_assert_eq(there.budget.used_bytes, 2 * COST);
    commit(&there);
    cr_assert_eq(calls[0].op.home, QUEUE_HOME_JOURNAL);
    cr_assert_eq(calls[2].op.home, QUEUE_HOME_SPOOL);
}

Test(front_queue, a_moved_op_is_waited_for_as_long_again)
{
    struct call call;
    here.held = there.held = true;
    append(&call, JOURNAL_DURABLE);
    turn(WAIT_MS - 100);
    front_move(&here.front, &there.front, false);
    turn(WAIT_MS - 100);
    cr_assert_eq(call.answers, 0);
    turn(200);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(there.front.journal.stats.dropped, 1);
    cr_assert_eq(here.front.journal.stats.dropped, 0);
}

Test(front_queue, a_moved_batch_takes_no_new_rows)
{
    struct call moved, next;
    there.held = true;
    append(&moved, JOURNAL_DURABLE);
    front_move(&here.front, &there.front, false);
    next.op =
        (struct journal_op){.record = &record, .level = JOURNAL_DURABLE, .answered = on_answered};
    (void)front_append(&there.front.journal, &next.op);
    there.held = false;
    front_pump(&there.front);
    turn(0);
    cr_assert_eq(there.sent->count, 1);
    commit(&there);
    commit(&there);
    cr_assert_eq(there.front.journal.stats.rows, 2);
}

Test(front_queue, the_bound_may_be_passed_by_moving_but_not_by_appending)
{
    struct call moved, next;
    there.budget.limit_bytes = COST / 2;
    append(&moved, JOURNAL_DURABLE);
    front_move(&here.front, &there.front, false);
    next.op = (struct journal_op){.record = &record, .level = JOURNAL_DURABLE};
    cr_assert_eq(front_append(&there.front.journal, &next.op), OP_READY);
    cr_assert_eq(next.op.status, STATUS_FULL);
    turn(0);
    commit(&there);
    cr_assert_eq(moved.op.status, STATUS_OK);
}

Test(front_queue, counts_that_may_have_been_written_stay)
{
    struct call call;
    struct uuid id = {{5}};
    front_count_duplicate(&here.front.journal, &id, 100);
    append(&call, JOURNAL_DURABLE);
    turn(0);
    fail(&here, front_failed);
    front_move(&here.front, &there.front, false);
    turn(0);
    cr_assert_eq(there.sent->fold.count, 0);
    commit(&there);
    here.held = false;
    front_up(&here.front);
    turn(0);
    cr_assert_eq(here.sent->count, 0);
    cr_assert_eq(here.sent->fold.count, 1);
    cr_assert_eq(here.sent->tries, 1, "the backend has to know that it was sent before");
    commit(&here);
    cr_assert_eq(here.front.journal.stats.duplicates_lost, 0);
}

/* ---- counts while the events are elsewhere ---- */

static void settle_without_event(void)
{
    struct batch *batch = here.sent;
    here.sent = NULL;
    batch->fold.entries[0].written = false;
    front_rows_done(&here.front, 0);
    front_fold_done(&here.front);
    front_finish(&here.front);
    turn(0);
}

static void look_for_event(uint64_t for_ms)
{
    for (uint64_t ms = 0; ms < for_ms; ms += 50) {
        if (here.sent)
            settle_without_event();
        turn(50);
    }
}

Test(front_queue, counts_wait_as_long_as_they_are_told_to)
{
    struct uuid id = {{5}};
    front_count_duplicate(&here.front.journal, &id, 100);
    here.front.patient = true;
    look_for_event(3 * FOLD_PATIENCE_MS);
    cr_assert_eq(here.front.journal.stats.duplicates_lost, 0);
    here.front.patient = false;
    look_for_event(FOLD_PATIENCE_MS / 2);
    cr_assert_eq(here.front.journal.stats.duplicates_lost, 0, "patience begins now");
    look_for_event(FOLD_PATIENCE_MS);
    cr_assert_eq(here.front.journal.stats.duplicates_lost, 1);
}

/* ---- being watched ---- */

static unsigned changes, closings;

static void on_changed(struct loop_hook *hook)
{
    (void)hook;
    changes++;
}

static void on_closing(struct front_watch *watch)
{
    (void)watch;
    closings++;
    front_move(&here.front, &there.front, false);
}

Test(front_queue, a_watch_is_told_and_saves_what_is_left)
{
    struct front_watch watch = {.changed = {.run = on_changed}, .closing = on_closing};
    struct call call;
    here.front.watch = &watch;
    append(&call, JOURNAL_DURABLE);
    turn(0);
    commit(&here);
    turn(0);
    cr_assert_eq(changes, 1);
    front_down(&here.front);
    turn(0);
    cr_assert_eq(changes, 2);
    append(&call, JOURNAL_DURABLE);
    front_close(&here.front, on_closed, NULL);
    cr_assert_eq(closings, 1);
    turn(0);
    commit(&there);
    cr_assert_eq(call.op.status, STATUS_OK);
    loop_undefer(&watch.changed);
}
