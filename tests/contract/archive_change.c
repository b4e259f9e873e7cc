/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive's contract, the same tests against SQLite and PostgreSQL: replaying and cancelling.
 */
#include "support/archive_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(sqlite, .init = archive_rig_open_sqlite, .fini = archive_rig_close);
TestSuite(postgres, .init = archive_rig_open_postgres, .fini = archive_rig_close);

#define BOTH(name)                                                                                 \
    static void name(void);                                                                        \
    Test(sqlite, name)                                                                             \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    Test(postgres, name)                                                                           \
    {                                                                                              \
        name();                                                                                    \
    }                                                                                              \
    static void name(void)

#define LONG_MS 600000u /* a lease that does not end within a test */

static struct changing changing;

static size_t changed(enum archive_verb verb, struct archive_filter filter)
{
    return change_now(&changing, verb, filter);
}

static bool is_in(const struct uuid *id, const char *state)
{
    return slice_eq(event_now(id)->state, slice_str(state));
}

static long long count_events(const char *condition)
{
    char sql[300];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM event WHERE %s", condition);
    return ask_sql(sql, (struct slice){0});
}

/* Within what this machine may take for a few round trips. */
static bool is_about(uint64_t at_ms, uint64_t expected_ms)
{
    return at_ms + 5000 > expected_ms && at_ms < expected_ms + 5000;
}

/* ---- replaying as the same ---- */

static void assert_replayed(const struct uuid *id)
{
    uint64_t now_ms = rig.loop->clock.wall_ms;
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_id(id)), 1);
    cr_assert(uuid_eq(&changing.ids[0], id));
    cr_assert_eq(changing.copies, 0);
    cr_assert_eq(changing.change.skipped, 0);
    const struct archive_event *event = event_now(id);
    cr_assert(slice_eq(event->state, SLICE("queued")));
    cr_assert(is_about(event->next_attempt_at_ms, now_ms));
    cr_assert_eq(event->last_replayed_at_ms, event->next_attempt_at_ms, "the first is due at once");
    cr_assert_eq(event->lease_until_ms, 0);
    cr_assert_eq(event->last_error.len + event->error_category.len, 0);
}

BOTH(every_settled_state_can_be_replayed)
{
    const char *const states[] = {"delivered", "dead", "parked", "cancelled"};
    for (size_t i = 0; i < 4; i++) {
        struct uuid id = put_event("a", states[i]);
        assert_replayed(&id);
        cr_assert_eq(event_now(&id)->attempts, 1);
        cr_assert(event_now(&id)->has_key, "its own duplicates are still caught");
        cr_assert_eq(column_of(&id, "attempts_before"), 1);
        cr_assert_eq(count_events("lease_owner IS NOT NULL"), 0);
    }
}

BOTH(what_a_failure_left_is_cleared)
{
    struct uuid id = put_event("a", "dead");
    run_sql("UPDATE event SET attempts = 12, attempts_before = 3, last_error = 'status 400',"
            " error_category = 'permanent'");
    cr_assert(slice_eq(event_now(&id)->last_error, SLICE("status 400")));
    cr_assert(slice_eq(event_now(&id)->error_category, SLICE("permanent")));
    assert_replayed(&id);
    cr_assert_eq(event_now(&id)->attempts, 12);
    cr_assert_eq(column_of(&id, "attempts_before"), 12);
}

BOTH(one_that_waits_for_its_retry_falls_due)
{
    struct uuid id = put_queued("a", 0);
    run_sql(rig.is_sqlite ? "UPDATE event SET next_attempt_at = next_attempt_at + 3600000"
                          : "UPDATE event SET next_attempt_at = now() + interval '1 hour'");
    cr_assert_not(is_about(event_now(&id)->next_attempt_at_ms, rig.loop->clock.wall_ms));
    assert_replayed(&id);
}

BOTH(an_attempt_under_way_is_left_alone)
{
    const enum archive_verb verbs[] = {ARCHIVE_REPLAY_SAME, ARCHIVE_REPLAY_NEW, ARCHIVE_CANCEL};
    struct uuid id = put_queued("a", LONG_MS);
    uint64_t lease_ms = event_now(&id)->lease_until_ms;
    cr_assert_gt(lease_ms, 0);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(changed(verbs[i], by_id(&id)), 0);
        cr_assert_eq(changing.change.skipped, 1);
        cr_assert_eq(changed(verbs[i], by_route("a")), 0);
        cr_assert_eq(changing.change.skipped, 0);
    }
    cr_assert_eq(event_now(&id)->lease_until_ms, lease_ms);
    cr_assert(is_in(&id, "queued"));
}

BOTH(an_unknown_event_is_neither_changed_nor_skipped)
{
    struct uuid unknown = new_id();
    put_event("a", "dead");
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_id(&unknown)), 0);
    cr_assert_eq(changing.change.skipped, 0);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("none")), 0);
    cr_assert_eq(count_events("state = 'dead'"), 1);
}

BOTH(replays_fall_due_at_their_pace)
{
    struct uuid ids[5];
    for (size_t i = 0; i < 5; i++)
        ids[i] = put_event("a", "dead");
    changing.change.per_second = 4;
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_route("a")), 5);
    uint64_t first_ms = event_now(&ids[0])->next_attempt_at_ms;
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(event_now(&ids[i])->next_attempt_at_ms, first_ms + i * 250);
        cr_assert_eq(event_now(&ids[i])->last_replayed_at_ms, first_ms);
        cr_assert(uuid_eq(&changing.ids[i], &ids[i]), "the oldest first");
    }
}

/* ---- by filter ---- */

BOTH(a_dry_run_only_counts)
{
    struct uuid id = put_event("a", "dead");
    put_event("a", "delivered");
    put_queued("a", LONG_MS);
    changing.change.dry_run = true;
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_route("a")), 2);
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("a")), 2);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 1);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_id(&id)), 1);
    cr_assert_eq(count_events("state = 'dead'"), 1);
    cr_assert_eq(count_events("last_replayed_at IS NOT NULL"), 0);
    cr_assert_eq(count_events("1 = 1"), 3);
}

BOTH(the_limit_at_below_and_above)
{
    struct uuid oldest = put_event("a", "dead");
    for (int i = 0; i < 9; i++)
        put_event("a", "dead");
    changing.change.limit = 1;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 1);
    cr_assert(is_in(&oldest, "cancelled"));
    changing.change.dry_run = true;
    changing.change.limit = 8;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 8);
    changing.change.limit = 9;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 9);
    changing.change.limit = 10;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 9);
    changing.change.limit = ARCHIVE_CHANGE_MAX;
    changing.change.dry_run = false;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 9);
    cr_assert_eq(count_events("state = 'cancelled'"), 10);
}

static bool are_ascending(void)
{
    for (size_t i = 1; i < changing.told; i++)
        if (memcmp(&changing.ids[i - 1], &changing.ids[i], sizeof changing.ids[i]) >= 0)
            return false;
    return true;
}

/* More than two pages, and among others. */
BOTH(hundreds_go_page_by_page)
{
    struct uuid last;
    for (int i = 0; i < 6; i++) {
        last = put_event("b", "dead");
        append_many(100);
        cr_assert(rig_drain());
    }
    changing.change.dry_run = true;
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_route("github")), 600);
    changing.change.dry_run = false;
    changing.change.limit = 550;
    cr_assert_eq(changed(ARCHIVE_REPLAY_SAME, by_route("github")), 550);
    cr_assert(are_ascending());
    cr_assert_eq(count_events("state = 'queued' AND route = 'github'"), 550);
    cr_assert_eq(event_now(&changing.ids[549])->next_attempt_at_ms -
                     event_now(&changing.ids[0])->next_attempt_at_ms,
                 549);
    cr_assert_eq(changed(ARCHIVE_CANCEL, (struct archive_filter){.state = SLICE("dead")}), 6);
    cr_assert(is_in(&last, "cancelled"));
}

BOTH(time_and_state_bound_a_change)
{
    struct append append;
    struct uuid ids[3];
    uint64_t now_ms = rig.loop->clock.wall_ms;
    for (size_t i = 0; i < 3; i++) {
        append_init(&append);
        append.record.event_id = id_at(now_ms - 3000 + 1000 * i);
        append.record.state = SLICE("dead");
        ids[i] = put_record(&append);
    }
    struct archive_filter filter = {
        .state = SLICE("dead"), .from_ms = now_ms - 2000, .until_ms = now_ms - 1000};
    cr_assert_eq(changed(ARCHIVE_CANCEL, filter), 1);
    cr_assert(uuid_eq(&changing.ids[0], &ids[1]));
    filter.state = SLICE("parked");
    cr_assert_eq(changed(ARCHIVE_CANCEL, filter), 0);
}

BOTH(what_comes_after_the_request_is_left_alone)
{
    struct append append;
    append_init(&append);
    append.record.event_id = id_at(rig.loop->clock.wall_ms + 60000);
    append.record.state = SLICE("dead");
    struct uuid id = put_record(&append);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("github")), 0);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_id(&id)), 1, "but by its id it is meant");
}

/* ---- replaying as new ---- */

BOTH(a_copy_is_a_new_event_without_a_key)
{
    struct append append;
    append_init(&append);
    append.record.body = SLICE("\0\xff");
    struct uuid id = put_record(&append);
    uint64_t now_ms = rig.loop->clock.wall_ms;
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_id(&id)), 1);
    cr_assert_eq(changing.copies, 1);
    const struct archive_event *copy = event_now(&changing.new_ids[0]);
    cr_assert(copy->has_replay_of && uuid_eq(&copy->replay_of, &id));
    cr_assert_not(copy->has_key);
    cr_assert_eq(copy->window_ends_at_ms, 0);
    cr_assert(slice_eq(copy->state, SLICE("queued")));
    cr_assert(slice_eq(copy->body, append.record.body));
    cr_assert(slice_eq(copy->headers, append.record.headers));
    cr_assert(slice_eq(copy->target, append.record.target));
    cr_assert(slice_eq(copy->content_type, append.record.content_type));
    cr_assert(slice_eq(copy->route, append.record.route));
    cr_assert(slice_eq(copy->method, append.record.method));
    cr_assert(slice_eq(copy->client, append.record.client));
    cr_assert_eq(copy->attempts, 0);
    cr_assert_eq(copy->last_replayed_at_ms, 0);
    cr_assert(is_about(copy->received_at_ms, now_ms));
    cr_assert_eq(copy->received_at_ms, uuid_time_ms(&copy->event_id));
    cr_assert(is_about(copy->next_attempt_at_ms, now_ms));
    const struct archive_event *original = event_now(&id);
    cr_assert(slice_eq(original->state, SLICE("delivered")));
    cr_assert(is_about(original->last_replayed_at_ms, now_ms));
    cr_assert(original->has_key);
}

BOTH(a_request_sent_again_makes_no_second_copy)
{
    enum { EVENTS = 300 };
    append_many(EVENTS);
    cr_assert(rig_drain());
    rig_run_for(2);
    changing.change.has_request = true;
    changing.change.request = new_id();
    changing.change.limit = 200;
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("github")), 200);
    changing.change.limit = ARCHIVE_CHANGE_MAX;
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("github")), 100, "those that were missing");
    run_sql("UPDATE event SET state = 'delivered'");
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("github")), 0, "nor copies of copies");
    cr_assert_eq(count_events("replay_of IS NOT NULL"), EVENTS);
    changing.change.has_request = false;
    changing.change.limit = 10;
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("github")), 10);
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("github")), 10, "each stands for itself");
    cr_assert_eq(count_events("replay_of IS NOT NULL"), EVENTS + 20);
}

BOTH(what_is_queued_is_no_template)
{
    struct uuid id = put_queued("a", 0);
    put_event("a", "cancelled");
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_id(&id)), 0);
    cr_assert_eq(changing.change.skipped, 1);
    rig_run_for(2);
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("a")), 1);
    rig_run_for(2);
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("a")), 1, "not its copy");
}

BOTH(copies_fall_due_at_their_pace)
{
    for (int i = 0; i < 3; i++)
        put_event("a", "delivered");
    rig_run_for(2);
    changing.change.per_second = 1;
    cr_assert_eq(changed(ARCHIVE_REPLAY_NEW, by_route("a")), 3);
    uint64_t first_ms = event_now(&changing.new_ids[0])->next_attempt_at_ms;
    cr_assert_eq(event_now(&changing.new_ids[1])->next_attempt_at_ms, first_ms + 1000);
    cr_assert_eq(event_now(&changing.new_ids[2])->next_attempt_at_ms, first_ms + 2000);
}

/* ---- cancelling ---- */

BOTH(queued_dead_and_parked_can_be_cancelled)
{
    struct uuid ids[] = {put_queued("a", 0), put_event("a", "dead"), put_event("a", "parked")};
    struct uuid delivered = put_event("a", "delivered"), cancelled = put_event("a", "cancelled");
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_id(&delivered)), 0);
    cr_assert_eq(changing.change.skipped, 1);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_id(&cancelled)), 0);
    cr_assert_eq(changing.change.skipped, 1);
    changing.change.per_second = 0;
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_id(&ids[0])), 1);
    rig_run_for(2);
    cr_assert_eq(changed(ARCHIVE_CANCEL, by_route("a")), 2);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(is_in(&ids[i], "cancelled"));
        cr_assert_eq(event_now(&ids[i])->next_attempt_at_ms, 0);
    }
    cr_assert(is_in(&delivered, "delivered"));
}

/* ---- reads beside it ---- */

BOTH(reads_go_between_the_pages)
{
    static struct showing showing;
    append_many(900);
    cr_assert(rig_drain());
    struct uuid id = put_event("a", "dead");
    changing.change = (struct archive_change){
        .verb = ARCHIVE_REPLAY_SAME, .filter = by_route("github"), .limit = 900, .per_second = 100};
    rig_run_for(2);
    change_submit(&changing);
    show_submit(&showing, &id);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(changing.ended, 0);
    cr_assert_eq(change_await(&changing), STATUS_OK);
    cr_assert_eq(changing.change.count, 900);
}
