/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract: taking. Which events come, in which order, how many, whole, and to whom.
 */
#include "queue_rig.h"
#include "queue_suite.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define LONG_MS 60000u
#define SHORT_MS 60u

QUEUE_CASE(an_empty_queue_has_nothing)
{
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_eq(qrig.take.next_due_ms, UINT64_MAX);
    cr_assert_eq(qrig.queues[0]->stats.taken, 0);
    cr_assert(qrig.queues[0]->stats.up);
}

/* ---- what comes ---- */

static struct append expected;
static unsigned looks;

static void look_at_all(const struct queue_event *event)
{
    const struct journal_record *record = &expected.record;
    looks++;
    cr_assert(uuid_eq(&event->event_id, &record->event_id));
    cr_assert_eq(event->home, QUEUE_HOME_JOURNAL);
    cr_assert(slice_eq(event->route, record->route));
    cr_assert(slice_eq(event->method, record->method));
    cr_assert(slice_eq(event->target, record->target));
    cr_assert(slice_eq(event->headers, record->headers));
    cr_assert(slice_eq(event->client, record->client));
    cr_assert(slice_eq(event->body, record->body));
    cr_assert_eq(event->received_at_ms, record->received_at_ms);
    cr_assert_eq(event->waits_since_ms, record->received_at_ms);
    cr_assert_eq(event->attempts, 0);
    cr_assert_eq(event->attempts_before, 0);
    cr_assert_eq(event->has_key, record->has_key);
    cr_assert_eq(event->window_ends_at_ms, record->window_ends_at_ms);
    if (record->has_key)
        cr_assert_arr_eq(event->key.digest, record->key.digest, EVENT_KEY_BYTES);
}

static void put_expected(void)
{
    cr_assert_eq(append_now(&expected), STATUS_OK);
    qrig.look = look_at_all;
    looks = 0;
}

QUEUE_CASE(a_taken_event_is_whole)
{
    event_init(&expected, "github");
    expected.record.target = SLICE("/\xc3\x28?%00=\xf0");
    expected.record.headers = SLICE("X: \xff\r\nY: \0z\r\n");
    put_expected();
    take_some(0, "github", 10, LONG_MS);
    cr_assert_eq(looks, 1);
    cr_assert_eq(qrig.queues[0]->stats.taken, 1);
}

QUEUE_CASE(a_taken_event_may_have_no_key)
{
    event_init(&expected, "github");
    expected.record.has_key = false;
    expected.record.window_ends_at_ms = 0;
    put_expected();
    take_some(0, "github", 10, LONG_MS);
    cr_assert_eq(looks, 1);
}

QUEUE_CASE(a_body_may_hold_any_bytes_and_none)
{
    static char bytes[1 << 20];
    static const size_t sizes[] = {0, 1, 256, sizeof bytes};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i ^ (i >> 8));
    for (size_t i = 0; i < 4; i++) {
        event_init(&expected, "github");
        expected.record.body = slice_of(bytes, sizes[i]);
        put_expected();
        take_some(0, "github", 10, LONG_MS);
        cr_assert_eq(looks, 1);
    }
}

static void look_at_waiting(const struct queue_event *event)
{
    looks++;
    cr_assert_eq(event->waits_since_ms, event->received_at_ms + 7000);
}

QUEUE_CASE(a_replayed_event_counts_from_its_replay)
{
    queue_put("github");
    queue_execute("UPDATE event SET attempts = 5, attempts_before = 3");
    queue_execute(rig.is_sqlite
                      ? "UPDATE event SET last_replayed_at = received_at + 7000"
                      : "UPDATE event SET last_replayed_at = received_at + interval '7 s'");
    qrig.look = look_at_waiting;
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 1);
    cr_assert_eq(looks, 1);
    cr_assert_eq(qrig.taken[0].attempts, 5);
    cr_assert_eq(qrig.taken[0].attempts_before, 3);
}

/* ---- which and how many ---- */

QUEUE_CASE(the_longest_due_come_first_and_no_more_than_wanted)
{
    struct uuid ids[5];
    for (size_t i = 0; i < 5; i++)
        ids[i] = queue_put("github");
    cr_assert_eq(take_of(0, "github", 3, LONG_MS), 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert(uuid_eq(&qrig.taken[i].event_id, &ids[i]), "%zu", i);
    cr_assert_eq(take_of(0, "github", 3, LONG_MS), 2);
    for (size_t i = 0; i < 2; i++)
        cr_assert(uuid_eq(&qrig.taken[i].event_id, &ids[3 + i]), "%zu", i);
    cr_assert_eq(take_of(0, "github", 3, LONG_MS), 0);
}

static size_t taken_of(const char *route)
{
    size_t count = 0;
    for (size_t i = 0; i < qrig.count; i++)
        count += strcmp(qrig.taken[i].route, route) == 0;
    return count;
}

QUEUE_CASE(each_route_has_its_own_count)
{
    queue_put_many("a", 3);
    queue_put_many("b", 3);
    queue_put_many("c", 3);
    queue_put_many("d", 1);
    const struct queue_want wants[] = {
        {SLICE("a"), 2, LONG_MS}, {SLICE("b"), 5, LONG_MS}, {SLICE("none"), 5, LONG_MS}};
    take_wants(0, wants, 3, SIZE_MAX);
    cr_assert_eq(qrig.take.status, STATUS_OK);
    cr_assert_eq(taken_of("a"), 2);
    cr_assert_eq(taken_of("b"), 3);
    cr_assert_eq(qrig.count, 5);
    cr_assert_eq(take_of(0, "a", 5, LONG_MS), 1);
    cr_assert_eq(take_of(0, "c", 5, LONG_MS), 3);
}

/* An event of append_init's has 1024 bytes of body and some of headers. */
QUEUE_CASE(a_take_ends_at_its_bytes)
{
    const struct queue_want wants[] = {{SLICE("a"), 10, LONG_MS}, {SLICE("b"), 10, LONG_MS}};
    queue_put_many("a", 5);
    take_wants(0, wants, 1, 2500);
    cr_assert_eq(qrig.count, 2);
    cr_assert_eq(qrig.take.next_due_ms, 0, "there are more");
    queue_put_many("b", 2);
    take_wants(0, wants, 2, 1);
    cr_assert_eq(taken_of("a"), 1, "one of each in any case");
    cr_assert_eq(taken_of("b"), 1);
    take_wants(0, wants, 2, 1 << 20);
    cr_assert_eq(taken_of("a"), 2, "what was left out is not leased");
    cr_assert_eq(taken_of("b"), 1);
    cr_assert_eq(qrig.take.next_due_ms, UINT64_MAX);
}

/* ---- leases ---- */

QUEUE_CASE(a_lease_excludes_others)
{
    queue_put("github");
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 1);
    cr_assert_eq(take_of(1, "github", 10, LONG_MS), 0);
    cr_assert_leq(qrig.take.next_due_ms, LONG_MS, "when its owner may be dead");
    cr_assert_gt(qrig.take.next_due_ms, 0);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
}

QUEUE_CASE(an_event_leased_at_its_commit_is_its_owners)
{
    struct uuid id = queue_put_leased("github", LONG_MS);
    cr_assert_eq(take_of(0, "github", 10, LONG_MS), 0);
    cr_assert_eq(take_of(1, "github", 10, LONG_MS), 0);
    cr_assert(renew_one(0, &id, LONG_MS));
    cr_assert_eq(end_attempt(1, &id, 1, QUEUE_DELIVERED), STATUS_REFUSED);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_DELIVERED), STATUS_OK);
}

QUEUE_CASE(an_ended_lease_hands_over)
{
    struct uuid taken = queue_put("github"), appended = queue_put_leased("github", SHORT_MS);
    take_some(0, "github", 1, SHORT_MS);
    bool got_taken = false, got_appended = false;
    while (!got_taken || !got_appended) {
        take_some(1, "github", 10, LONG_MS);
        got_taken |= was_taken(&taken);
        got_appended |= was_taken(&appended);
        cr_assert_eq(qrig.taken[0].attempts, 0);
    }
    cr_assert_eq(end_attempt(0, &taken, 1, QUEUE_DELIVERED), STATUS_REFUSED);
}

QUEUE_CASE(the_next_due_is_told)
{
    struct uuid id = queue_put("github");
    struct finish finish;
    cr_assert_eq(take_of(0, "github", 1, LONG_MS), 1);
    finish_init(&finish, &id, 1, QUEUE_RETRY);
    finish.op.retry_in_ms = 30000;
    cr_assert_eq(finish_now(0, &finish), STATUS_OK);
    queue_put("other");
    cr_assert_eq(take_of(0, "github", 1, LONG_MS), 0);
    cr_assert_leq(qrig.take.next_due_ms, 30000);
    cr_assert_gt(qrig.take.next_due_ms, 25000);
}

/* ---- two takers ---- */

static int compare_taken(const void *a, const void *b)
{
    const struct uuid *left = a, *right = b;
    return memcmp(left->bytes, right->bytes, sizeof left->bytes);
}

QUEUE_CASE(two_takers_share_ten_thousand)
{
    enum { COUNT = 10000, EACH = 250 };
    static struct uuid ids[COUNT + EACH];
    static struct finish finishes[EACH];
    size_t total = 0, by_queue[2] = {0};
    queue_put_many("github", COUNT);
    for (size_t queue = 0; total < COUNT; queue = !queue) {
        size_t count = take_of(queue, "github", EACH, LONG_MS);
        cr_assert_leq(total + count, COUNT);
        by_queue[queue] += count;
        for (size_t i = 0; i < count; i++) {
            ids[total++] = qrig.taken[i].event_id;
            finish_init(&finishes[i], &qrig.taken[i].event_id, 1, QUEUE_DELIVERED);
            finish_submit(queue, &finishes[i]);
        }
        for (size_t i = 0; i < count; i++)
            cr_assert_eq(finish_await(&finishes[i]), STATUS_OK);
    }
    qsort(ids, total, sizeof ids[0], compare_taken);
    for (size_t i = 1; i < total; i++)
        cr_assert_not(uuid_eq(&ids[i - 1], &ids[i]), "taken twice");
    cr_assert(by_queue[0] > 0 && by_queue[1] > 0);
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'delivered'"), COUNT);
    cr_assert_eq(queue_number("SELECT count(*) FROM delivery"), COUNT);
}
