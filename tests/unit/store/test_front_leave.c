/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving batches to another front, with the ops that wait, and the watch that does it.
 */
#include "front_sides.h"

TestSuite(front_leave, .init = open_both, .fini = close_both);

/* ---- moving ---- */

Test(front_leave, what_waits_moves_with_its_ops)
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

Test(front_leave, what_is_in_doubt_moves_and_its_lease_counts_there)
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

Test(front_leave, only_what_is_in_doubt_moves_if_asked)
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

Test(front_leave, only_the_rest_of_a_batch_moves)
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

Test(front_leave, a_moved_op_is_waited_for_as_long_again)
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
    cr_assert_eq(there.front.journal.stats.dropped, 0, "nobody was promised it");
    cr_assert_eq(here.front.journal.stats.dropped, 0);
}

Test(front_leave, a_moved_batch_takes_no_new_rows)
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

Test(front_leave, the_bound_may_be_passed_by_moving_but_not_by_appending)
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

Test(front_leave, counts_that_may_have_been_written_stay)
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

Test(front_leave, a_watch_is_told_and_saves_what_is_left)
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
