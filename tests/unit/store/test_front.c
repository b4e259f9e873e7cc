/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front on a loop turned by hand, with a backend of the test's own: grouping, times, bounds,
 * answers, counts, draining, closing.
 */
#include "front.h"

#include <criterion/criterion.h>

#define WAIT_MS 1000u
#define FLUSH_MS 50u
#define COST batch_row_cost(&record)

static struct loop loop;
static struct front front;
static struct front_budget budget;
static struct batch *sent; /* what the backend has in flight */
static unsigned sends;
static bool held; /* the backend takes nothing */
static bool finished, closed, drained;

static struct journal_record record;

struct call {
    struct journal_op op;
    unsigned answers;
};

static void on_answered(struct journal_op *op)
{
    container_of(op, struct call, op)->answers++;
}

static void backend_send(struct front *self)
{
    if (held || sent)
        return;
    sent = front_next(self);
    sends += sent != NULL;
}

static void backend_finish(struct front *self)
{
    finished = true;
    self->closed(self->closed_arg);
}

static void turn(uint64_t later_ms)
{
    loop.clock.mono_us += later_ms * 1000;
    loop_turn_manual(&loop);
}

static void open_front(void)
{
    struct front_opts opts = {.loop = &loop,
                              .budget = &budget,
                              .wait_ms = WAIT_MS,
                              .flush_interval_ms = FLUSH_MS,
                              .send = backend_send,
                              .finish = backend_finish};
    loop_init_manual(&loop, 1000, 1700000000000);
    record = (struct journal_record){
        .event_id = {{1}}, .route = SLICE("r"), .body = SLICE("0123456789")};
    budget.limit_bytes = 1 << 20;
    front_init(&front, &opts);
    front_up(&front);
    turn(0);
}

static void commit_sent(void)
{
    size_t rows = sent->count - sent->done;
    for (size_t i = 0; i < sent->fold.count; i++)
        sent->fold.entries[i].written = true;
    front_rows_done(&front, rows);
    front_fold_done(&front);
    front_finish(&front);
    sent = NULL;
    turn(0);
}

static void fail_sent(void)
{
    front_failed(&front);
    sent = NULL;
}

static enum op_status append(struct call *call, enum journal_level level)
{
    call->op = (struct journal_op){.record = &record, .level = level, .answered = on_answered};
    return front_append(&front.journal, &call->op);
}

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
}

static void close_front(void)
{
    if (sent)
        fail_sent();
    if (!front.closing)
        front_close(&front, on_closed, NULL);
    turn(0);
    cr_assert(finished && closed);
    cr_assert_eq(budget.used_bytes, 0);
    cr_assert_eq(loop.deadlines.count, 0);
}

TestSuite(front, .init = open_front, .fini = close_front);

/* ---- when a batch leaves ---- */

Test(front, appends_of_one_turn_leave_together_at_its_end)
{
    struct call calls[3] = {0};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(append(&calls[i], JOURNAL_DURABLE), OP_PENDING);
    cr_assert_null(sent);
    turn(0);
    cr_assert_eq(sent->count, 3);
    cr_assert_eq(front.journal.stats.pending_rows, 3);
    commit_sent();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(calls[i].answers, 1);
        cr_assert_eq(calls[i].op.status, STATUS_OK);
    }
    cr_assert_eq(front.journal.stats.rows, 3);
    cr_assert_eq(front.journal.stats.batches, 1);
    cr_assert_eq(front.journal.stats.pending_rows, 0);
    cr_assert_eq(front.journal.stats.pending_bytes, 0);
    cr_assert_eq(front.journal.stats.oldest_pending_ms, 0);
}

Test(front, buffered_rows_gather_for_the_flush_interval)
{
    struct call a = {0}, b = {0};
    cr_assert_eq(append(&a, JOURNAL_BUFFERED), OP_READY);
    cr_assert_eq(a.op.status, STATUS_OK);
    turn(FLUSH_MS - DEADLINE_TICK_MS);
    cr_assert_null(sent);
    cr_assert_eq(append(&b, JOURNAL_BUFFERED), OP_READY);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert_eq(sent->count, 2);
    commit_sent();
    cr_assert_eq(a.answers + b.answers, 0);
}

Test(front, what_gathers_in_flight_is_the_next_batch)
{
    struct call calls[10] = {0};
    append(&calls[0], JOURNAL_DURABLE);
    turn(0);
    for (int i = 1; i < 10; i++) {
        append(&calls[i], JOURNAL_DURABLE);
        turn(1);
    }
    cr_assert_eq(sends, 1);
    commit_sent();
    cr_assert_eq(sends, 2);
    cr_assert_eq(sent->count, 9);
    commit_sent();
    cr_assert_eq(calls[9].answers, 1);
}

Test(front, buffered_rows_behind_a_batch_in_flight_are_flushed)
{
    struct call calls[2] = {0};
    append(&calls[0], JOURNAL_DURABLE);
    turn(0);
    append(&calls[1], JOURNAL_BUFFERED);
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    commit_sent();
    cr_assert_eq(sent->count, 1);
    commit_sent();
    cr_assert_eq(front.journal.stats.rows, 2);
}

Test(front, a_full_batch_leaves_at_once)
{
    struct call call = {0};
    budget.limit_bytes = SIZE_MAX / 2;
    for (size_t i = 0; i < BATCH_MAX_ROWS + 1; i++)
        append(&call, JOURNAL_BUFFERED);
    turn(0);
    cr_assert_eq(sent->count, BATCH_MAX_ROWS);
    commit_sent();
    cr_assert_null(sent, "the one row behind it gathers");
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    cr_assert_eq(sent->count, 1);
    commit_sent();
}

/* ---- the bound ---- */

Test(front, the_bound_is_exact)
{
    struct call calls[4] = {0};
    held = true;
    budget.limit_bytes = 3 * COST;
    for (int i = 0; i < 3; i++)
        append(&calls[i], JOURNAL_BUFFERED);
    cr_assert_eq(calls[2].op.status, STATUS_OK);
    cr_assert_eq(append(&calls[3], JOURNAL_DURABLE), OP_READY);
    cr_assert_eq(calls[3].op.status, STATUS_FULL);
    cr_assert_eq(append(&calls[3], JOURNAL_BUFFERED), OP_READY);
    cr_assert_eq(calls[3].op.status, STATUS_FULL);
    cr_assert_eq(front.journal.stats.dropped, 2);
    held = false;
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    commit_sent();
    append(&calls[3], JOURNAL_BUFFERED);
    cr_assert_eq(calls[3].op.status, STATUS_OK);
}

Test(front, one_byte_too_many_is_too_many)
{
    struct call call = {0};
    budget.limit_bytes = COST - 1;
    append(&call, JOURNAL_BUFFERED);
    cr_assert_eq(call.op.status, STATUS_FULL);
    cr_assert_eq(front.journal.stats.pending_rows, 0);
}

/* ---- trouble ---- */

Test(front, a_failed_batch_goes_again_and_its_ops_wait_on)
{
    struct call call = {0};
    append(&call, JOURNAL_DURABLE);
    turn(0);
    held = true;
    fail_sent();
    turn(10);
    cr_assert_eq(call.answers, 0);
    cr_assert_eq(front.journal.stats.errors, 1);
    held = false;
    front_pump(&front);
    turn(0);
    cr_assert_eq(sent->tries, 1);
    commit_sent();
    cr_assert_eq(call.op.status, STATUS_OK);
}

Test(front, an_op_waits_no_longer_than_wait_ms)
{
    struct call call = {0}, next = {0};
    append(&call, JOURNAL_DURABLE);
    turn(0);
    turn(WAIT_MS - DEADLINE_TICK_MS);
    cr_assert_eq(call.answers, 0);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert_eq(call.answers, 1);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(front.journal.stats.dropped, 0, "its row is still there");
    cr_assert_eq(append(&next, JOURNAL_DURABLE), OP_READY);
    cr_assert_eq(next.op.status, STATUS_UNAVAILABLE, "a stalled database counts as down");
    cr_assert_eq(front.journal.stats.dropped, 1);
    commit_sent();
    cr_assert_eq(front.journal.stats.rows, 1);
    cr_assert_eq(append(&next, JOURNAL_DURABLE), OP_PENDING);
    turn(0);
    commit_sent();
}

Test(front, each_batch_has_its_own_patience)
{
    struct call first = {0}, second = {0};
    append(&first, JOURNAL_DURABLE);
    turn(0);
    turn(400);
    append(&second, JOURNAL_DURABLE);
    turn(WAIT_MS - 400 + DEADLINE_TICK_MS);
    cr_assert_eq(first.answers, 1);
    cr_assert_eq(second.answers, 0);
    turn(400);
    cr_assert_eq(second.answers, 1);
}

Test(front, down_for_long_refuses_who_would_wait)
{
    struct call early = {0}, late = {0}, buffered = {0};
    held = true;
    front_down(&front);
    cr_assert_eq(append(&early, JOURNAL_DURABLE), OP_PENDING);
    turn(WAIT_MS + DEADLINE_TICK_MS);
    cr_assert_eq(early.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(append(&late, JOURNAL_WRITTEN), OP_READY);
    cr_assert_eq(late.op.status, STATUS_UNAVAILABLE);
    append(&buffered, JOURNAL_BUFFERED);
    cr_assert_eq(buffered.op.status, STATUS_OK);
    cr_assert_eq(front.journal.stats.dropped, 1);
}

/* Found by e2e test_postgres_restart_under_load: it was never due, and the database down for ever.
 */
Test(front, a_batch_nobody_waits_for_any_more_goes_when_the_database_is_back)
{
    struct call call = {0};
    held = true;
    front_down(&front);
    append(&call, JOURNAL_DURABLE);
    turn(WAIT_MS);
    cr_assert_eq(call.op.status, STATUS_UNAVAILABLE);
    held = false;
    front_up(&front);
    turn(0);
    cr_assert(sent && !front.journal.stats.up, "up when what it holds is committed");
    commit_sent();
    cr_assert(front.journal.stats.up);
}

Test(front, a_refused_row_is_told_and_counted)
{
    struct call good = {0}, bad = {0};
    append(&good, JOURNAL_DURABLE);
    append(&bad, JOURNAL_DURABLE);
    turn(0);
    sent->rows[1]->refused = true;
    commit_sent();
    cr_assert_eq(good.op.status, STATUS_OK);
    cr_assert_eq(bad.op.status, STATUS_REFUSED);
    cr_assert_eq(front.journal.stats.rows, 1);
    cr_assert_eq(front.journal.stats.dropped, 1);
}

Test(front, a_batch_may_be_over_in_parts)
{
    struct call calls[3] = {0};
    for (int i = 0; i < 3; i++)
        append(&calls[i], JOURNAL_DURABLE);
    turn(0);
    front_rows_done(&front, 2);
    turn(0);
    cr_assert(calls[0].answers == 1 && calls[1].answers == 1 && calls[2].answers == 0);
    cr_assert_eq(front.journal.stats.pending_rows, 1);
    cr_assert_eq(front.journal.stats.pending_bytes, COST);
    commit_sent();
    cr_assert_eq(front.journal.stats.batches, 2);
}

/* ---- duplicates ---- */

Test(front, counts_go_with_a_batch_or_alone)
{
    struct uuid id = {{5}};
    front_count_duplicate(&front.journal, &id, 100);
    front_count_duplicate(&front.journal, &id, UINT64_MAX);
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    cr_assert_eq(sent->count, 0);
    cr_assert_eq(sent->fold.count, 1);
    cr_assert_eq(sent->fold.entries[0].count, 2);
    cr_assert_eq(sent->fold.entries[0].last_at_ms, batch_time_ms(UINT64_MAX));
    commit_sent();
    cr_assert_eq(front.journal.stats.batches, 0);
    cr_assert_eq(front.journal.stats.duplicates_lost, 0);
}

static void settle_without_event(void)
{
    sent->fold.entries[0].written = false;
    front_rows_done(&front, 0);
    front_fold_done(&front);
    front_finish(&front);
    sent = NULL;
    turn(0);
}

Test(front, a_count_whose_event_is_missing_is_tried_for_its_patience)
{
    struct uuid id = {{5}};
    front_count_duplicate(&front.journal, &id, 100);
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    unsigned tries = 0;
    for (uint64_t ms = 0; ms < FOLD_PATIENCE_MS + 2 * FOLD_RETRY_MS; ms += FLUSH_MS) {
        if (sent) {
            tries++;
            settle_without_event();
        }
        turn(FLUSH_MS);
    }
    cr_assert_eq(front.journal.stats.duplicates_lost, 1);
    cr_assert(tries > 20 && tries < 35, "%u tries", tries);
}

Test(front, a_batch_sent_again_keeps_its_counts_apart)
{
    struct uuid id = {{5}};
    struct call call = {0};
    front_count_duplicate(&front.journal, &id, 100);
    append(&call, JOURNAL_DURABLE);
    turn(0);
    cr_assert_eq(sent->fold.entries[0].count, 1);
    held = true;
    fail_sent();
    front_count_duplicate(&front.journal, &id, 200);
    held = false;
    front_pump(&front);
    turn(0);
    cr_assert_eq(sent->fold.entries[0].count, 1);
    commit_sent();
    turn(FLUSH_MS + DEADLINE_TICK_MS);
    cr_assert_eq(sent->fold.entries[0].last_at_ms, 200);
    commit_sent();
}

/* ---- the end ---- */

Test(front, draining_does_not_wait_for_the_interval)
{
    struct call call = {0};
    append(&call, JOURNAL_BUFFERED);
    front_drain(&front.journal, loop_now_ms(&loop) + 5000, on_drained, NULL);
    cr_assert_not(drained);
    turn(0);
    cr_assert_not(drained);
    commit_sent();
    cr_assert(drained);
}

Test(front, draining_nothing_is_told_at_the_end_of_the_turn)
{
    front_drain(&front.journal, loop_now_ms(&loop) + 5000, on_drained, NULL);
    cr_assert_not(drained);
    turn(0);
    cr_assert(drained);
}

Test(front, draining_ends_at_its_deadline)
{
    struct call call = {0};
    held = true;
    append(&call, JOURNAL_BUFFERED);
    front_drain(&front.journal, loop_now_ms(&loop) + 500, on_drained, NULL);
    turn(490);
    cr_assert_not(drained);
    turn(2 * DEADLINE_TICK_MS);
    cr_assert(drained);
    cr_assert_eq(front.journal.stats.pending_rows, 1);
}

Test(front, closing_answers_and_counts_what_is_left)
{
    struct call waiting = {0}, buffered = {0};
    struct uuid id = {{5}};
    held = true;
    append(&waiting, JOURNAL_DURABLE);
    append(&buffered, JOURNAL_BUFFERED);
    front_count_duplicate(&front.journal, &id, 100);
    front_close(&front, on_closed, NULL);
    cr_assert_eq(waiting.answers, 0, "not from inside");
    turn(0);
    cr_assert_eq(waiting.answers, 1);
    cr_assert_eq(waiting.op.status, STATUS_UNAVAILABLE);
    cr_assert_eq(front.journal.stats.dropped, 2);
    cr_assert_eq(front.journal.stats.duplicates_lost, 1);
    cr_assert_eq(front.journal.stats.pending_rows, 0);
}

Test(front, closing_waits_for_what_is_in_flight)
{
    struct call waiting = {0};
    append(&waiting, JOURNAL_DURABLE);
    turn(0);
    front_close(&front, on_closed, NULL);
    turn(0);
    cr_assert_eq(waiting.op.status, STATUS_UNAVAILABLE);
    cr_assert_not(finished);
    commit_sent();
    cr_assert(finished);
    cr_assert_eq(front.journal.stats.rows, 1);
    cr_assert_eq(front.journal.stats.dropped, 0);
}

static void close_inside(struct journal_op *op)
{
    container_of(op, struct call, op)->answers++;
    front_close(&front, on_closed, NULL);
}

Test(front, an_answered_op_may_close)
{
    struct call calls[2] = {0};
    append(&calls[0], JOURNAL_DURABLE);
    append(&calls[1], JOURNAL_DURABLE);
    calls[0].op.answered = close_inside;
    turn(0);
    commit_sent();
    cr_assert(finished);
    cr_assert_eq(calls[1].answers, 1);
}
