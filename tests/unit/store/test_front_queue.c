/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front owes to queued rows: their ops end in certainty. And counts that wait for events
 * which are elsewhere.
 */
#include "front_sides.h"

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
    cr_assert_eq(here.front.journal.stats.dropped, 0);
    cr_assert_eq(here.front.journal.stats.pending_rows, 1, "only the other one stays");
    here.held = false;
    front_pump(&here.front);
    turn(0);
    cr_assert_eq(here.sent->count, 1);
    cr_assert_not(here.sent->rows[0]->queued);
    commit(&here);
}

/* The claim of its sender's event has ended: a copy may have been accepted elsewhere. */
Test(front_queue, not_sent_in_time_it_is_withdrawn)
{
    uint64_t now_ms = loop_now_ms(here.front.opts.loop);
    struct call in_flight, moved, over, at_any_time;
    append(&in_flight, JOURNAL_DURABLE);
    turn(0);
    struct call *later[] = {&moved, &over, &at_any_time};
    for (size_t i = 0; i < 3; i++)
        append(later[i], JOURNAL_DURABLE);
    in_flight.op.not_after_ms = moved.op.not_after_ms = over.op.not_after_ms = now_ms + 50;
    turn(50);
    cr_assert_eq(over.answers, 0, "it waits behind the batch in flight");
    moved.op.not_after_ms = now_ms + 51;
    commit(&here);
    turn(0);
    cr_assert_eq(in_flight.op.status, STATUS_OK, "it was sent in time");
    cr_assert_eq(over.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(here.sent->count, 2);
    commit(&here);
    cr_assert(moved.op.status == STATUS_OK && at_any_time.op.status == STATUS_OK);
    cr_assert_eq(here.front.journal.stats.rows, 3);
    cr_assert_eq(here.front.journal.stats.pending_rows, 0);
}

Test(front_queue, a_batch_that_is_over_makes_room_for_the_next)
{
    struct call over, next;
    here.held = true;
    append(&over, JOURNAL_DURABLE);
    over.op.not_after_ms = loop_now_ms(here.front.opts.loop) + 10;
    turn(20);
    cr_assert_eq(over.answers, 0);
    here.held = false;
    front_pump(&here.front);
    turn(0);
    cr_assert_eq(over.op.status, STATUS_UNAVAILABLE);
    cr_assert_null(here.sent);
    append(&next, JOURNAL_DURABLE);
    turn(0);
    commit(&here);
    cr_assert_eq(next.op.status, STATUS_OK);
    cr_assert_eq(here.front.journal.stats.rows, 1);
    cr_assert_eq(here.front.journal.stats.pending_bytes, 0);
}

/* Its commit would have proven that the database is there. */
Test(front_queue, a_front_whose_last_row_is_withdrawn_comes_up)
{
    struct call over, next;
    here.held = true;
    append(&over, JOURNAL_DURABLE);
    over.op.not_after_ms = loop_now_ms(here.front.opts.loop) + 10;
    front_down(&here.front);
    turn(20);
    here.held = false;
    front_up(&here.front);
    turn(0);
    cr_assert_eq(over.op.status, STATUS_UNAVAILABLE);
    cr_assert(here.front.journal.stats.up);
    turn(2 * WAIT_MS);
    append(&next, JOURNAL_DURABLE);
    turn(0);
    commit(&here);
    cr_assert_eq(next.op.status, STATUS_OK);
}

/* The back-off and the patience end in one turn, as after a standstill. */
Test(front_queue, a_front_whose_last_row_is_given_up_as_it_comes_back_comes_up)
{
    struct call over, next;
    here.held = true;
    append(&over, JOURNAL_DURABLE);
    front_down(&here.front);
    turn(10);
    here.held = false;
    front_up(&here.front);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert_eq(over.op.status, STATUS_UNAVAILABLE);
    cr_assert(here.front.journal.stats.up);
    turn(2 * WAIT_MS);
    append(&next, JOURNAL_DURABLE);
    turn(0);
    commit(&here);
    cr_assert_eq(next.op.status, STATUS_OK);
}

Test(front_queue, what_may_be_there_is_not_withdrawn)
{
    struct call call;
    append(&call, JOURNAL_DURABLE);
    call.op.not_after_ms = loop_now_ms(here.front.opts.loop) + 10;
    turn(0);
    fail(&here, front_failed);
    turn(20);
    cr_assert_eq(call.answers, 0);
    here.held = false;
    front_up(&here.front);
    front_pump(&here.front);
    turn(0);
    cr_assert_eq(here.sent->count, 1, "it is asked again");
    commit(&here);
    cr_assert_eq(call.op.status, STATUS_OK);
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
    cr_assert_eq(here.front.journal.stats.dropped, 0);
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
    cr_assert_eq(here.front.journal.stats.dropped, 0);
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
