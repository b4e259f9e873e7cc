/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive's desk on a loop turned by hand, over a database of the test's making: turns, pages,
 * ids, and every way to end.
 */
#include "archive_desk.h"

#include <criterion/criterion.h>

#define NOW_MS 1700000000000u

static struct loop loop;
static struct archive_desk desk;
static enum archive_step begun[64]; /* in order */
static size_t begun_count;
static bool answers_at_once; /* from inside the step */
static unsigned finished;

static void on_step(struct archive_desk *self)
{
    cr_assert_eq(self, &desk);
    begun[begun_count++] = self->step;
    if (answers_at_once)
        archive_desk_answered(self, STATUS_OK);
}

static void step_finish(struct archive_desk *self)
{
    finished++;
    self->closed(self->closed_arg);
}

static const struct archive_steps steps = {
    .find = on_step, .show = on_step, .select = on_step, .apply = on_step, .finish = step_finish};

static void set_up(void)
{
    loop_init_manual(&loop, 1000, NOW_MS);
    archive_desk_init(&desk, &loop, &steps);
}

TestSuite(archive_desk, .init = set_up);

static void turn(void)
{
    loop_turn_manual(&loop);
}

static void answer(enum status status)
{
    archive_desk_answered(&desk, status);
    turn();
}

/* ---- ops ---- */

static unsigned ended;
static struct archive_find next_find;
static bool finds_again;

static void on_find_ended(struct archive_find *find)
{
    (void)find;
    ended++;
    if (finds_again) {
        finds_again = false;
        archive_desk_find(&desk.archive, &next_find);
    }
}

static void on_show_ended(struct archive_show *show)
{
    (void)show;
    ended++;
}

static struct uuid changed[600], copies[600];
static size_t changed_count;

static void on_change(struct archive_change *change, const struct uuid *id,
                      const struct uuid *new_id)
{
    cr_assert_eq(change->verb == ARCHIVE_REPLAY_NEW, new_id != NULL);
    changed[changed_count] = *id;
    if (new_id)
        copies[changed_count] = *new_id;
    changed_count++;
}

static void on_change_ended(struct archive_change *change)
{
    (void)change;
    ended++;
}

static struct archive_find find = {.limit = 1, .ended = on_find_ended};
static struct archive_find next_find = {.limit = 1, .ended = on_find_ended};
static struct archive_show show = {.ended = on_show_ended};
static struct archive_change change = {.verb = ARCHIVE_REPLAY_SAME,
                                       .limit = 1000,
                                       .per_second = 10,
                                       .changed = on_change,
                                       .ended = on_change_ended};

/* The n-th id of the test's database. */
static struct uuid id_of(uint32_t number)
{
    struct uuid id = {{0, 1, 2, 3, 4, 5, 0x7a, 0xbc, 0x91, 0x23}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

/* SELECT finds `count` events from the n-th on. */
static void find_events(uint32_t first, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct uuid id = id_of(first + i);
        archive_desk_found(&desk, &id, true, NOW_MS + 5);
    }
    answer(STATUS_OK);
}

static void apply_all(void)
{
    for (size_t i = 0; i < desk.plan.count; i++)
        archive_desk_changed(&desk, &desk.plan.targets[i].id);
    answer(STATUS_OK);
}

static void start_change(void)
{
    archive_desk_up(&desk);
    archive_desk_change(&desk.archive, &change);
    turn();
    cr_assert_eq(desk.step, ARCHIVE_SELECT);
}

/* ---- turns ---- */

Test(archive_desk, ops_wait_until_it_is_known_if_they_can_be_asked)
{
    archive_desk_find(&desk.archive, &find);
    turn();
    cr_assert_eq(begun_count + ended, 0);
    archive_desk_up(&desk);
    cr_assert_eq(begun_count, 0, "from the loop");
    turn();
    cr_assert_eq(begun_count, 1);
    answer(STATUS_OK);
    cr_assert_eq(ended, 1);
    cr_assert_eq(find.status, STATUS_OK);
}

Test(archive_desk, down_ends_what_waits_and_what_comes)
{
    archive_desk_find(&desk.archive, &find);
    archive_desk_show(&desk.archive, &show);
    archive_desk_change(&desk.archive, &change);
    archive_desk_down(&desk);
    cr_assert_eq(ended, 0, "from the loop");
    turn();
    cr_assert_eq(ended, 3);
    cr_assert_eq(find.status, STATUS_UNAVAILABLE);
    cr_assert_eq(show.status, STATUS_UNAVAILABLE);
    cr_assert_eq(change.status, STATUS_UNAVAILABLE);
    archive_desk_find(&desk.archive, &find);
    turn();
    cr_assert_eq(ended, 4);
    cr_assert_eq(begun_count, 0);
}

Test(archive_desk, one_step_at_a_time)
{
    archive_desk_up(&desk);
    archive_desk_find(&desk.archive, &find);
    archive_desk_show(&desk.archive, &show);
    turn();
    cr_assert_eq(begun_count, 1);
    turn();
    cr_assert_eq(begun_count, 1);
    answer(STATUS_TIMED_OUT);
    cr_assert_eq(show.status, STATUS_TIMED_OUT);
    cr_assert_eq(begun_count, 2);
    answer(STATUS_OK);
    cr_assert_eq(ended, 2);
    cr_assert_eq(begun[0], ARCHIVE_SHOW);
    cr_assert_eq(begun[1], ARCHIVE_FIND);
}

Test(archive_desk, an_answer_may_come_from_inside_the_step)
{
    answers_at_once = true;
    archive_desk_up(&desk);
    archive_desk_find(&desk.archive, &find);
    archive_desk_show(&desk.archive, &show);
    archive_desk_change(&desk.archive, &change);
    turn();
    cr_assert_eq(ended, 3);
    cr_assert_eq(change.count, 0);
}

Test(archive_desk, an_op_may_be_submitted_where_one_ends)
{
    finds_again = true;
    archive_desk_up(&desk);
    archive_desk_find(&desk.archive, &find);
    turn();
    answer(STATUS_OK);
    answer(STATUS_OK);
    cr_assert_eq(ended, 2);
    finds_again = true;
    archive_desk_find(&desk.archive, &find);
    archive_desk_down(&desk);
    turn();
    cr_assert_eq(ended, 4);
    cr_assert_eq(next_find.status, STATUS_UNAVAILABLE);
}

Test(archive_desk, reads_and_pages_take_turns)
{
    start_change();
    archive_desk_find(&desk.archive, &find);
    archive_desk_find(&desk.archive, &next_find);
    archive_desk_show(&desk.archive, &show);
    find_events(0, ARCHIVE_PAGE);
    answer(STATUS_OK);
    apply_all();
    answer(STATUS_OK);
    find_events(ARCHIVE_PAGE, 1);
    answer(STATUS_OK);
    apply_all();
    const enum archive_step expected[] = {ARCHIVE_SELECT, ARCHIVE_SHOW, ARCHIVE_APPLY, ARCHIVE_FIND,
                                          ARCHIVE_SELECT, ARCHIVE_FIND, ARCHIVE_APPLY};
    cr_assert_eq(begun_count, 7);
    cr_assert_eq(memcmp(begun, expected, sizeof expected), 0);
    cr_assert_eq(ended, 4);
    cr_assert_eq(change.count, ARCHIVE_PAGE + 1);
}

/* ---- a change ---- */

Test(archive_desk, pages_end_when_one_is_not_full)
{
    start_change();
    cr_assert_eq(desk.plan.wanted, ARCHIVE_PAGE);
    find_events(0, ARCHIVE_PAGE);
    cr_assert_eq(desk.step, ARCHIVE_APPLY);
    apply_all();
    struct uuid next = id_of(ARCHIVE_PAGE);
    cr_assert(uuid_eq(&desk.plan.range.low, &next));
    find_events(ARCHIVE_PAGE, 3);
    apply_all();
    cr_assert_eq(ended, 1);
    cr_assert_eq(change.status, STATUS_OK);
    cr_assert_eq(change.count, ARCHIVE_PAGE + 3);
    cr_assert_eq(changed_count, ARCHIVE_PAGE + 3);
    for (uint32_t i = 0; i < changed_count; i++) {
        struct uuid id = id_of(i);
        cr_assert(uuid_eq(&changed[i], &id));
    }
}

Test(archive_desk, pages_end_at_the_limit)
{
    change.limit = ARCHIVE_PAGE + 2;
    start_change();
    find_events(0, ARCHIVE_PAGE);
    apply_all();
    cr_assert_eq(desk.plan.wanted, 2);
    find_events(ARCHIVE_PAGE, 2);
    cr_assert_eq(desk.plan.targets[1].due_at_ms, NOW_MS + 5 + (ARCHIVE_PAGE + 1) * 100);
    apply_all();
    cr_assert_eq(ended, 1);
    cr_assert_eq(change.count, change.limit);
}

Test(archive_desk, what_was_not_changed_is_not_counted)
{
    change.limit = 2;
    start_change();
    find_events(0, 2);
    archive_desk_changed(&desk, &desk.plan.targets[1].id);
    struct uuid foreign = id_of(7);
    archive_desk_changed(&desk, &foreign);
    answer(STATUS_OK);
    cr_assert_eq(change.count, 1);
    cr_assert_eq(desk.plan.wanted, 1, "there may be another one");
    find_events(2, 0);
    cr_assert_eq(ended, 1);
    struct uuid second = id_of(1);
    cr_assert(uuid_eq(&changed[0], &second));
    cr_assert_eq(change.skipped, 0);
}

Test(archive_desk, a_failed_page_ends_it_with_what_was_counted)
{
    start_change();
    find_events(0, ARCHIVE_PAGE);
    apply_all();
    find_events(ARCHIVE_PAGE, 10);
    archive_desk_changed(&desk, &desk.plan.targets[0].id);
    answer(STATUS_UNAVAILABLE);
    cr_assert_eq(change.status, STATUS_UNAVAILABLE);
    cr_assert_eq(change.count, ARCHIVE_PAGE);
    cr_assert_eq(changed_count, ARCHIVE_PAGE);
    archive_desk_change(&desk.archive, &change);
    turn();
    answer(STATUS_TIMED_OUT);
    cr_assert_eq(change.status, STATUS_TIMED_OUT);
    cr_assert_eq(change.count, 0, "counted anew");
    cr_assert_eq(ended, 2);
}

Test(archive_desk, a_lost_link_ends_the_change_between_its_pages)
{
    start_change();
    archive_desk_show(&desk.archive, &show);
    find_events(0, 10);
    cr_assert_eq(desk.step, ARCHIVE_SHOW);
    archive_desk_answered(&desk, STATUS_UNAVAILABLE);
    archive_desk_down(&desk);
    turn();
    cr_assert_eq(ended, 2);
    cr_assert_eq(change.status, STATUS_UNAVAILABLE);
    archive_desk_up(&desk);
    turn();
    cr_assert_eq(desk.step, ARCHIVE_IDLE);
}

Test(archive_desk, a_dry_run_applies_nothing)
{
    change.dry_run = true;
    start_change();
    find_events(0, ARCHIVE_PAGE);
    find_events(ARCHIVE_PAGE, 1);
    cr_assert_eq(ended, 1);
    cr_assert_eq(change.count, ARCHIVE_PAGE + 1);
    cr_assert_eq(begun_count, 2);
    cr_assert_eq(changed_count, 0);
}

Test(archive_desk, one_whose_state_forbids_it_is_skipped)
{
    change.filter.has_event_id = true;
    change.filter.event_id = id_of(1);
    start_change();
    archive_desk_found(&desk, &change.filter.event_id, false, NOW_MS);
    answer(STATUS_OK);
    cr_assert_eq(ended, 1);
    cr_assert_eq(change.count, 0);
    cr_assert_eq(change.skipped, 1);
    archive_desk_change(&desk.archive, &change);
    turn();
    find_events(1, 1);
    answer(STATUS_OK); /* another one was quicker */
    cr_assert_eq(change.skipped, 1);
    cr_assert_eq(ended, 2);
}

Test(archive_desk, one_for_which_changed_is_null)
{
    change.changed = NULL;
    start_change();
    find_events(0, 1);
    apply_all();
    cr_assert_eq(change.count, 1);
}

/* ---- copies ---- */

static void copy_two(void)
{
    changed_count = 0;
    archive_desk_change(&desk.archive, &change);
    turn();
    find_events(0, 2);
    apply_all();
}

Test(archive_desk, copies_have_ids_of_their_request)
{
    struct uuid first[2];
    change.verb = ARCHIVE_REPLAY_NEW;
    change.has_request = true;
    change.request = uuid_v7(&desk.ids, NOW_MS - 10);
    archive_desk_up(&desk);
    copy_two();
    memcpy(first, copies, sizeof first);
    cr_assert_neq(memcmp(&first[0], &first[1], sizeof first[0]), 0);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(uuid_time_ms(&first[i]), NOW_MS - 10);
        cr_assert_eq(first[i].bytes[6] >> 4, 7);
        cr_assert_eq(first[i].bytes[8] >> 6, 2);
    }
    cr_assert_eq(uuid_time_ms(&desk.plan.range.high), NOW_MS - 10, "it never meets its own");
    copy_two();
    cr_assert_eq(memcmp(first, copies, sizeof first), 0, "the same again");
    change.has_request = false;
    copy_two();
    cr_assert_neq(memcmp(first, copies, sizeof first), 0);
    cr_assert_eq(uuid_time_ms(&copies[0]), NOW_MS);
}

Test(archive_desk, copies_go_in_small_pages)
{
    change.verb = ARCHIVE_REPLAY_NEW;
    start_change();
    cr_assert_eq(desk.plan.wanted, ARCHIVE_PAGE_COPIES);
    answer(STATUS_OK);
    change.dry_run = true;
    start_change();
    cr_assert_eq(desk.plan.wanted, ARCHIVE_PAGE);
}

/* ---- ids ---- */

Test(archive_desk, a_filter_is_a_range_of_ids)
{
    struct uuid none = {{0}}, last;
    memset(&last, 0xff, sizeof last);
    struct archive_filter filter = {0};
    struct archive_range range = archive_range_of(&filter);
    cr_assert(uuid_eq(&range.low, &none) && uuid_eq(&range.high, &last));
    filter.from_ms = 0x010203040506;
    filter.until_ms = 0x010203040507;
    range = archive_range_of(&filter);
    cr_assert_eq(uuid_time_ms(&range.low), filter.from_ms);
    cr_assert_eq(uuid_time_ms(&range.high), filter.until_ms);
    cr_assert_eq(range.low.bytes[6] + range.low.bytes[15], 0);
    filter.until_ms = UINT64_MAX;
    range = archive_range_of(&filter);
    cr_assert_eq(uuid_time_ms(&range.high), 0xffffffffffff);
    filter.has_event_id = true;
    filter.event_id = id_of(0xff);
    range = archive_range_of(&filter);
    struct uuid next = id_of(0x100);
    cr_assert(uuid_eq(&range.low, &filter.event_id) && uuid_eq(&range.high, &next));
}

Test(archive_desk, a_change_by_filter_ends_at_its_request)
{
    start_change();
    cr_assert_eq(uuid_time_ms(&desk.plan.range.high), NOW_MS + 1);
    answer(STATUS_OK);
    change.filter.until_ms = NOW_MS - 5;
    start_change();
    cr_assert_eq(uuid_time_ms(&desk.plan.range.high), NOW_MS - 5);
}

/* ---- closing ---- */

static unsigned closed;

static void on_closed(void *arg)
{
    cr_assert_eq(arg, &closed);
    closed++;
}

Test(archive_desk, closing_waits_for_the_step_under_way)
{
    archive_desk_up(&desk);
    archive_desk_find(&desk.archive, &find);
    turn();
    archive_desk_show(&desk.archive, &show);
    archive_desk_close(&desk, on_closed, &closed);
    turn();
    cr_assert_eq(closed + finished, 0);
    answer(STATUS_OK);
    cr_assert_eq(find.status, STATUS_OK);
    cr_assert_eq(show.status, STATUS_UNAVAILABLE);
    cr_assert_eq(ended, 2);
    cr_assert_eq(finished, 1);
    cr_assert_eq(closed, 1);
    turn();
    cr_assert_eq(finished, 1);
}

Test(archive_desk, closing_while_opening)
{
    archive_desk_find(&desk.archive, &find);
    archive_desk_close(&desk, on_closed, &closed);
    cr_assert_eq(ended, 0);
    turn();
    cr_assert_eq(ended + finished + closed, 3);
}

Test(archive_desk, closing_in_mid_change)
{
    start_change();
    find_events(0, ARCHIVE_PAGE);
    archive_desk_close(&desk, on_closed, &closed);
    turn();
    cr_assert_eq(closed, 0);
    apply_all();
    cr_assert_eq(change.count, ARCHIVE_PAGE, "what is done is told");
    cr_assert_eq(change.status, STATUS_UNAVAILABLE);
    cr_assert_eq(closed, 1);
}
