/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract: orphans. Who they are, that they are told whole, and page by page.
 */
#include "queue_rig.h"
#include "queue_suite.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define LONG_MS 60000u
#define SHORTEST_MS 1u /* a lease that has ended when somebody looks */
#define LIMIT 256u

static const struct queue_route github = {.name = {"github", 6}, .max_age_ms = UINT64_MAX};

static size_t look_for_github(size_t queue)
{
    return look_through(queue, &github, 1, LIMIT);
}

QUEUE_CASE(an_orphan_is_told_whole)
{
    struct append append;
    event_init(&append, "github");
    append.record.lease_ms = SHORTEST_MS;
    for (size_t i = 0; i < EVENT_KEY_BYTES; i++)
        append.record.key.digest[i] = (uint8_t)(i * 17);
    cr_assert_eq(append_now(&append), STATUS_OK);
    queue_bereave();
    cr_assert_eq(look_for_github(0), 1);
    const struct queue_orphan *orphan = &qrig.orphans[0].orphan;
    cr_assert(uuid_eq(&orphan->event_id, &append.record.event_id));
    cr_assert_str_eq(qrig.orphans[0].route, "github");
    cr_assert_arr_eq(orphan->key.digest, append.record.key.digest, EVENT_KEY_BYTES);
    cr_assert_eq(orphan->received_at_ms, append.record.received_at_ms);
    cr_assert_eq(orphan->window_ends_at_ms, append.record.window_ends_at_ms);
    cr_assert_eq(look_again(0), 1, "it isn't told again");
}

/* Whoever settles the claim of an event has to keep what the claim kept. */
QUEUE_CASE(an_orphan_has_its_short_note)
{
    static const size_t lengths[] = {1, 34, ORPHAN_NOTE_MAX, ORPHAN_NOTE_MAX + 1, 5000};
    static char note[5000];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct append append;
        event_init(&append, "github");
        append.record.lease_ms = SHORTEST_MS;
        append.record.key.digest[0] = (uint8_t)i;
        note[lengths[i] - 1] = (char)(200 + i);
        append.record.note = slice_of(note, lengths[i]);
        cr_assert_eq(append_now(&append), STATUS_OK);
        note[lengths[i] - 1] = 0;
    }
    queue_bereave();
    cr_assert_eq(look_for_github(0), 5);
    for (size_t i = 0; i < 5; i++) {
        const struct told_orphan *told = &qrig.orphans[i];
        size_t number = told->orphan.key.digest[0];
        bool is_short = lengths[number] <= ORPHAN_NOTE_MAX;
        cr_expect_eq(told->note_len, is_short ? lengths[number] : 0, "%zu", number);
        cr_expect_eq(told->note_ends, is_short ? 200 + number : 0, "%zu", number);
    }
}

QUEUE_CASE(no_orphans_where_there_are_none)
{
    cr_assert_eq(look_for_github(0), 0);
    cr_assert_eq(look_again(0), 0);
    cr_assert_eq(look_through(1, NULL, 0, LIMIT), 0, "of no route at all");
}

/* Each of them has a route of its own, to be changed by. */
QUEUE_CASE(what_is_no_orphan_is_not_told)
{
    static const struct queue_route routes[] = {{.name = {"tried", 5}}, {.name = {"keyless", 7}},
                                                {.name = {"over", 4}},  {.name = {"parked", 6}},
                                                {.name = {"done", 4}},  {.name = {"github", 6}}};
    for (size_t i = 0; i < 6; i++)
        queue_put_leased(routes[i].name.data, SHORTEST_MS);
    queue_bereave();
    queue_execute("UPDATE event SET attempts = 1 WHERE route = 'tried'");
    queue_execute("UPDATE event SET key = NULL, window_ends_at = NULL WHERE route = 'keyless'");
    queue_execute("UPDATE event SET window_ends_at = received_at WHERE route = 'over'");
    queue_execute("UPDATE event SET state = 'parked', next_attempt_at = NULL, lease_until = NULL"
                  " WHERE route = 'parked'");
    queue_execute("UPDATE event SET state = 'delivered', attempts = 0, next_attempt_at = NULL,"
                  " lease_until = NULL WHERE route = 'done'");
    cr_assert_eq(look_through(0, routes, 6, LIMIT), 1);
    cr_assert_str_eq(qrig.orphans[0].route, "github");
}

QUEUE_CASE(a_leased_event_is_no_orphan)
{
    struct uuid id = queue_put_leased("github", SHORTEST_MS);
    queue_bereave();
    cr_assert_eq(take_of(0, "github", 1, LONG_MS), 1);
    cr_assert(was_taken(&id));
    cr_assert_eq(look_for_github(1), 0);
    cr_assert_eq(end_attempt(0, &id, 1, QUEUE_RETRY), STATUS_OK);
    cr_assert_eq(look_for_github(1), 0, "and then it has an attempt");
}

QUEUE_CASE(orphans_of_other_routes_are_not_told)
{
    static const struct queue_route routes[] = {{.name = {"b", 1}}, {.name = {"none", 4}}};
    queue_put_leased("a", SHORTEST_MS);
    struct uuid id = queue_put_leased("b", SHORTEST_MS);
    queue_bereave();
    cr_assert_eq(look_through(0, routes, 2, LIMIT), 1);
    cr_assert(is_orphaned(&id));
}

/* ---- pages ---- */

static int compare_orphans(const void *a, const void *b)
{
    const struct told_orphan *left = a, *right = b;
    return memcmp(left->orphan.event_id.bytes, right->orphan.event_id.bytes,
                  sizeof left->orphan.event_id.bytes);
}

static void check_told_once(void)
{
    qsort(qrig.orphans, qrig.orphan_count, sizeof qrig.orphans[0], compare_orphans);
    for (size_t i = 1; i < qrig.orphan_count; i++)
        cr_assert_neq(compare_orphans(&qrig.orphans[i - 1], &qrig.orphans[i]), 0, "told twice");
}

/* Those of one turn are committed together: their leases end in the same microsecond. */
static void put_orphans(const char *route, size_t count)
{
    static struct append appends[TAKEN_MAX];
    for (size_t i = 0; i < count; i++) {
        event_init(&appends[i], route);
        appends[i].record.lease_ms = SHORTEST_MS;
        cr_assert(append_submit(&appends[i]));
    }
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(append_await(&appends[i]), STATUS_OK);
}

QUEUE_CASE(orphans_come_in_pages)
{
    static const struct queue_route routes[] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
    put_orphans("a", 9);
    put_orphans("b", 3);
    put_orphans("a", 1);
    queue_bereave();
    for (uint32_t limit = 1; limit < 16; limit++) {
        cr_assert_eq(look_through(0, routes, 2, limit), 13, "limit %u", limit);
        check_told_once();
    }
}

QUEUE_CASE(orphans_behind_many_others_are_found)
{
    queue_put_many("github", 2500);
    queue_execute("UPDATE event SET attempts = 1");
    struct uuid id = queue_put_leased("github", SHORTEST_MS);
    queue_bereave();
    unsigned before = qrig.looks_ended;
    cr_assert_eq(look_for_github(0), 1);
    cr_assert(is_orphaned(&id));
    cr_assert_gt(qrig.looks_ended - before, 1, "a page is bounded");
}

QUEUE_CASE(a_look_from_the_start_may_be_repeated)
{
    put_orphans("github", 5);
    queue_bereave();
    look_begin(0, &github, 1, 2);
    cr_assert_eq(look_await(), STATUS_OK);
    cr_assert(qrig.look_op.more);
    for (int turn = 0; turn < 2; turn++) {
        cr_assert_eq(look_through(0, &github, 1, 2), 5);
        check_told_once();
    }
}

QUEUE_CASE(closing_answers_a_look)
{
    put_orphans("github", 5);
    queue_bereave();
    unsigned before = qrig.looks_ended;
    look_begin(0, &github, 1, LIMIT);
    queue_rig_close_queues();
    cr_assert_eq(qrig.looks_ended, before + 1);
    cr_assert(qrig.look_op.status == STATUS_UNAVAILABLE ||
              (qrig.look_op.status == STATUS_OK && qrig.orphan_count == 5));
}
