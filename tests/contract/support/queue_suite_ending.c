/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract: how attempts end. What an outcome makes of its event, what it leaves
 * behind, when it is refused, and that it is written once however often it is told.
 */
#include "queue_rig.h"
#include "queue_suite.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define LONG_MS 60000u
#define SHORT_MS 60u

static struct uuid put_and_take(uint32_t lease_ms)
{
    struct uuid id = queue_put("github");
    cr_assert_eq(take_of(0, "github", 10, lease_ms), 1);
    return id;
}

static void assert_events(const char *condition)
{
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE %s", condition);
    cr_assert_eq(queue_number(sql), 1, "%s", condition);
}

static void assert_deliveries(long long count)
{
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery"), count);
}

/* ---- each result ---- */

QUEUE_CASE(a_delivered_event_is_over)
{
    struct uuid id = put_and_take(LONG_MS);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_OK);
    cr_assert_eq(qrig.queues[0]->stats.finished, 1);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, 0);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_eq(qrig.take.next_due_ms, UINT64_MAX);
    assert_events("state = 'delivered' AND attempts = 1 AND response_status = 200"
                  " AND next_attempt_at IS NULL AND lease_until IS NULL AND last_error IS NULL"
                  " AND error_category IS NULL");
}

QUEUE_CASE(an_attempt_leaves_a_row)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    char sql[128];
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish.op.at_ms = 1700000000123;
    finish.op.duration_ms = UINT32_MAX;
    finish.op.status = 599;
    finish.op.response = SLICE("\0\xff{}");
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery d JOIN event e"
                              " ON e.id = d.event_id AND e.received_at = d.received_at"
                              " WHERE attempt = 1 AND d.status = 599"
                              " AND d.duration_ms = 4294967295 AND d.error = 'status_503'"),
                 1);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM delivery WHERE at = %s",
             rig.is_sqlite ? "1700000000123" : "timestamptz '2023-11-14 22:13:20.123Z'");
    cr_assert_eq(queue_number(sql), 1);
    cr_assert_eq(
        queue_number_of("SELECT count(*) FROM delivery WHERE response = $1", SLICE("\0\xff{}")), 1);
    assert_deliveries(1);
}

QUEUE_CASE(a_retry_comes_when_it_is_due)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish.op.retry_in_ms = 2000;
    uint64_t from_ms = loop_now_ms(rig.loop);
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_leq(qrig.take.next_due_ms, 2000);
    take_some(1, "github", 10, LONG_MS);
    cr_assert_geq(loop_now_ms(rig.loop) + 2, from_ms + 2000, "clocks of whole milliseconds");
    cr_assert(uuid_eq(&qrig.taken[0].event_id, &id));
    cr_assert_eq(qrig.taken[0].attempts, 1);
    assert_events("state = 'queued' AND last_error = 'status_503'"
                  " AND error_category = 'transient'");
}

QUEUE_CASE(a_dead_event_says_why)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    finish_init(&finish, &id, 1, QUEUE_DEAD);
    finish.op.permanent = true;
    finish.op.error = SLICE("status_410");
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    assert_events("state = 'dead' AND attempts = 1 AND last_error = 'status_410'"
                  " AND error_category = 'permanent' AND next_attempt_at IS NULL"
                  " AND lease_until IS NULL");
    assert_deliveries(1);
}

QUEUE_CASE(dead_without_an_attempt_counts_none)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    finish_init(&finish, &id, 1, QUEUE_DEAD);
    finish.op.attempted = false;
    finish.op.status = 0;
    finish.op.error = SLICE("max_age");
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    cr_assert_eq(finish_now(0, &finish), STATUS_OK, "told again");
    assert_events("state = 'dead' AND attempts = 0 AND last_error = 'max_age'");
    assert_deliveries(0);
}

QUEUE_CASE(a_returned_event_is_as_before)
{
    struct uuid id = put_and_take(LONG_MS);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_RETURNED), STATUS_OK);
    cr_assert_eq(take_of(1, "github", 10, LONG_MS), 1, "by anybody");
    cr_assert_eq(qrig.taken[0].attempts, 0);
    struct finish finish;
    finish_init(&finish, &id, 1, QUEUE_RETURNED);
    finish.op.retry_in_ms = 30000;
    cr_assert_eq(finish_now(1, &finish), STATUS_OK);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_gt(qrig.take.next_due_ms, 25000);
    assert_events("state = 'queued' AND attempts = 0 AND last_error IS NULL"
                  " AND lease_until IS NULL");
    assert_deliveries(0);
}

QUEUE_CASE(attempts_go_on_counting)
{
    struct uuid id = queue_put("github");
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        cr_assert_eq(take_of(attempt % 2, "github", 10, LONG_MS), 1);
        cr_assert_eq(qrig.taken[0].attempts, attempt - 1);
        cr_assert_eq(
            end_attempt(attempt % 2, &id, attempt, attempt < 4 ? QUEUE_RETRY : QUEUE_DELIVERED),
            STATUS_OK);
    }
    assert_events("state = 'delivered' AND attempts = 4 AND last_error IS NULL");
    assert_deliveries(4);
}

/* ---- told again, or too late ---- */

QUEUE_CASE(an_outcome_told_twice_is_written_once)
{
    static const enum queue_result results[] = {QUEUE_DELIVERED, QUEUE_RETRY, QUEUE_DEAD,
                                                QUEUE_RETURNED};
    for (size_t i = 0; i < 4; i++) {
        struct finish finish;
        struct uuid id = put_and_take(LONG_MS);
        finish_init(&finish, &id, 1, results[i]);
        finish.op.retry_in_ms = 60000;
        cr_assert_eq(finish_now(0, &finish), STATUS_OK);
        finish.op.error = i > 0 ? SLICE("status_503") : SLICE("");
        cr_assert_eq(finish_now(0, &finish), STATUS_OK, "%zu", i);
    }
    cr_assert_eq(qrig.queues[0]->stats.fenced, 0);
    cr_assert_eq(queue_number("SELECT sum(attempts) FROM event"), 3);
    assert_deliveries(3);
}

QUEUE_CASE(a_lost_lease_fences_its_outcome)
{
    struct uuid id = put_and_take(SHORT_MS);
    take_some(1, "github", 10, LONG_MS);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_REFUSED);
    cr_assert_eq(qrig.queues[0]->stats.fenced, 1);
    cr_assert_eq(qrig.queues[0]->stats.finished, 0);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_RETURNED), STATUS_REFUSED);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0, "still the other's");
    cr_assert_eq(end_attempt(1, &id, 1, QUEUE_DEAD), STATUS_OK);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_REFUSED);
    assert_events("state = 'dead' AND attempts = 1");
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery WHERE status = 200"), 1,
                 "it was made all the same");
}

QUEUE_CASE(an_outcome_of_another_attempt_is_refused)
{
    struct uuid id = put_and_take(LONG_MS);
    cr_assert_eq(end_attempt(0, &id, 2, QUEUE_DELIVERED), STATUS_REFUSED);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_RETRY), STATUS_OK);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 1);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_REFUSED);
    cr_assert_eq(end_attempt(0, &id, 2, QUEUE_DELIVERED), STATUS_OK);
    assert_events("state = 'delivered' AND attempts = 2");
}

QUEUE_CASE(an_unknown_events_outcome_is_refused)
{
    struct uuid known = put_and_take(LONG_MS), unknown = new_id(), old = id_at(86400000);
    struct finish finishes[3];
    finish_init(&finishes[0], &unknown, 1, QUEUE_DELIVERED);
    finish_init(&finishes[1], &known, 1, QUEUE_DELIVERED);
    finish_init(&finishes[2], &old, 1, QUEUE_DEAD); /* its day is gone, if it ever was */
    for (size_t i = 0; i < 3; i++)
        finish_submit(0, &finishes[i]);
    cr_assert_eq(finish_await(&finishes[0]), STATUS_REFUSED);
    cr_assert_eq(finish_await(&finishes[1]), STATUS_OK);
    cr_assert_eq(finish_await(&finishes[2]), STATUS_REFUSED);
    cr_assert_eq(qrig.queues[0]->stats.errors, 0);
    cr_assert_eq(queue_number("SELECT count(*) FROM event"), 1);
}

/* ---- hostile and plenty ---- */

QUEUE_CASE(texts_of_any_bytes_and_length_are_kept)
{
    static char error[QUEUE_ERROR_BYTES + 50], response[QUEUE_RESPONSE_BYTES + 50];
    struct uuid id = put_and_take(LONG_MS);
    struct finish finish;
    memset(error, 'e', sizeof error);
    memcpy(error, "\0\xff\xc3(\n", 5);
    memset(response, '\xff', sizeof response);
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish.op.error = slice_of(error, sizeof error);
    finish.op.response = slice_of(response, sizeof response);
    finish_submit(0, &finish);
    memset(error, 'x', sizeof error); /* copied by now */
    cr_assert_eq(finish_await(&finish), STATUS_OK);
    cr_assert_eq(queue_number("SELECT length(error) FROM delivery"), QUEUE_ERROR_BYTES);
    cr_assert_eq(queue_number("SELECT length(response) FROM delivery"), QUEUE_RESPONSE_BYTES);
    cr_assert_eq(queue_number("SELECT count(*) FROM event e, delivery d"
                              " WHERE e.last_error = d.error AND d.error LIKE '___(_eee%'"),
                 1);
}

QUEUE_CASE(two_outcomes_of_one_turn_keep_their_order)
{
    struct uuid id = put_and_take(LONG_MS);
    struct finish first, second;
    finish_init(&first, &id, 1, QUEUE_DELIVERED);
    finish_init(&second, &id, 1, QUEUE_DEAD);
    finish_submit(0, &first);
    finish_submit(0, &second);
    cr_assert_eq(finish_await(&first), STATUS_OK);
    cr_assert_eq(finish_await(&second), STATUS_REFUSED);
    assert_events("state = 'delivered'");
}

QUEUE_CASE(many_outcomes_of_one_turn)
{
    enum { COUNT = 2000 };
    static struct finish finishes[COUNT];
    queue_put_many("github", COUNT);
    cr_assert_eq(take_of(0, "github", COUNT, LONG_MS), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        finish_init(&finishes[i], &qrig.taken[i].event_id, 1, i % 2 ? QUEUE_DELIVERED : QUEUE_DEAD);
        finish_submit(0, &finishes[i]);
    }
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        cr_assert_eq(finish_await(&finishes[i]), STATUS_OK);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, 0);
    cr_assert_eq(qrig.queues[0]->stats.finished, COUNT);
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'dead'"), COUNT / 2);
    assert_deliveries(COUNT);
}
