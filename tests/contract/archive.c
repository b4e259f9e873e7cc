/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive's contract, the same tests against SQLite and PostgreSQL: finding and showing, and
 * how ops end. Changes are in archive_change.c, what only PostgreSQL can show in
 * archive_postgres.c.
 */
#include "support/archive_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

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

static struct finding finding;
static struct showing showing;

static size_t found(struct archive_filter filter)
{
    return find_now(&finding, filter, ARCHIVE_FIND_MAX);
}

static bool is_found(size_t index, const struct uuid *id)
{
    return uuid_eq(&finding.ids[index], id);
}

/* ---- finding ---- */

BOTH(an_empty_journal_has_nothing)
{
    cr_assert_eq(found((struct archive_filter){0}), 0);
    cr_assert_not(finding.find.more);
}

BOTH(newest_first)
{
    struct uuid a = put_event("a", "delivered"), b = put_event("b", "dead");
    struct uuid c = put_queued("a", 0);
    cr_assert_eq(found((struct archive_filter){0}), 3);
    cr_assert(is_found(0, &c) && is_found(1, &b) && is_found(2, &a));
}

BOTH(by_route_and_state)
{
    struct uuid a = put_event("a", "delivered"), b = put_event("b", "dead");
    struct uuid c = put_event("a", "dead"), d = put_queued("a", 0);
    cr_assert_eq(found(by_route("a")), 3);
    cr_assert(is_found(0, &d) && is_found(1, &c) && is_found(2, &a));
    cr_assert_eq(found((struct archive_filter){.state = SLICE("dead")}), 2);
    cr_assert(is_found(0, &c) && is_found(1, &b));
    cr_assert_eq(found((struct archive_filter){.state = SLICE("queued")}), 1);
    cr_assert(is_found(0, &d));
    cr_assert_eq(found((struct archive_filter){.route = SLICE("b"), .state = SLICE("dead")}), 1);
    cr_assert(is_found(0, &b));
    cr_assert_eq(found((struct archive_filter){.route = SLICE("b"), .state = SLICE("parked")}), 0);
    cr_assert_eq(found(by_route("")), 4, "empty asks for any");
}

BOTH(by_key)
{
    struct append append;
    put_event("a", "delivered");
    append_init(&append);
    struct archive_filter filter = {.has_key = true, .key = append.record.key};
    struct uuid id = put_record(&append);
    cr_assert_eq(found(filter), 1);
    cr_assert(is_found(0, &id));
    cr_assert(finding.last.has_key);
    cr_assert_eq(memcmp(&finding.last.key, &append.record.key, sizeof finding.last.key), 0);
    filter.route = SLICE("other");
    cr_assert_eq(found(filter), 0);
    append_init(&append);
    append.record.has_key = false;
    append.record.window_ends_at_ms = 0;
    id = put_record(&append);
    cr_assert_not(event_now(&id)->has_key);
    cr_assert_eq(event_now(&id)->window_ends_at_ms, 0);
}

static struct uuid put_at(uint64_t ms)
{
    struct append append;
    append_init(&append);
    append.record.event_id = id_at(ms);
    memcpy(append.record.key.digest, append.record.event_id.bytes, EVENT_KEY_BYTES);
    return put_record(&append);
}

BOTH(by_time_from_is_in_until_is_not)
{
    uint64_t now_ms = rig.loop->clock.wall_ms, day_ms = 86400000;
    struct uuid old = put_at(now_ms - day_ms), a = put_at(now_ms), b = put_at(now_ms + 1);
    cr_assert_eq(found((struct archive_filter){.from_ms = now_ms}), 2);
    cr_assert(is_found(0, &b) && is_found(1, &a));
    cr_assert_eq(found((struct archive_filter){.until_ms = now_ms + 1}), 2);
    cr_assert(is_found(0, &a) && is_found(1, &old));
    cr_assert_eq(found((struct archive_filter){.from_ms = now_ms, .until_ms = now_ms + 1}), 1);
    cr_assert(is_found(0, &a));
    cr_assert_eq(found((struct archive_filter){.from_ms = now_ms + 2}), 0);
    cr_assert_eq(found((struct archive_filter){.from_ms = now_ms, .until_ms = now_ms}), 0);
    cr_assert_eq(found((struct archive_filter){.from_ms = 1, .until_ms = UINT64_MAX}), 3);
    cr_assert_eq(found((struct archive_filter){.from_ms = UINT64_MAX}), 0);
    cr_assert_eq(found((struct archive_filter){.route = SLICE("github"),
                                               .state = SLICE("delivered"),
                                               .from_ms = now_ms,
                                               .until_ms = now_ms + 1}),
                 1);
}

BOTH(by_event_id_nothing_but_the_state_is_looked_at)
{
    struct uuid id = put_event("a", "dead"), unknown = new_id();
    put_event("a", "dead");
    struct archive_filter filter = by_id(&id);
    cr_assert_eq(found(filter), 1);
    cr_assert(is_found(0, &id));
    filter.route = SLICE("other");
    filter.until_ms = 1;
    filter.has_key = true;
    cr_assert_eq(found(filter), 1);
    filter.state = SLICE("dead");
    cr_assert_eq(found(filter), 1);
    filter.state = SLICE("delivered");
    cr_assert_eq(found(filter), 0);
    cr_assert_eq(found(by_id(&unknown)), 0);
}

BOTH(words_that_are_no_text_find_nothing)
{
    put_event("a", "delivered");
    cr_assert_eq(found((struct archive_filter){.route = SLICE("\xff\xfe")}), 0);
    cr_assert_eq(found((struct archive_filter){.route = SLICE("a\0")}), 0);
    cr_assert_eq(found((struct archive_filter){.state = SLICE("'; DROP TABLE event; --")}), 0);
    cr_assert_eq(found(by_route("a")), 1);
    cr_assert(archive_rig.archive->up);
}

BOTH(the_limit_at_below_and_above)
{
    for (int i = 0; i < 5; i++)
        put_event("a", "delivered");
    cr_assert_eq(find_now(&finding, by_route("a"), 4), 4);
    cr_assert(finding.find.more);
    cr_assert_eq(find_now(&finding, by_route("a"), 5), 5);
    cr_assert_not(finding.find.more);
    cr_assert_eq(find_now(&finding, by_route("a"), 6), 5);
    cr_assert_not(finding.find.more);
    cr_assert_eq(find_now(&finding, by_route("a"), 1), 1);
    cr_assert(finding.find.more);
}

/* Of the same millisecond, so that only the rest of the id orders them. */
BOTH(pages_tell_each_event_once)
{
    enum { EVENTS = 10, PAGE = 3 };
    uint64_t now_ms = rig.loop->clock.wall_ms;
    struct uuid before;
    size_t told = 0;
    for (int i = 0; i < EVENTS; i++)
        put_at(now_ms);
    finding.find.has_before = false;
    while (find_now(&finding, by_route("github"), PAGE) > 0) {
        for (size_t i = 0; i < finding.count; i++, told++) {
            if (told > 0)
                cr_assert_lt(memcmp(&finding.ids[i], &before, sizeof before), 0);
            before = finding.ids[i];
        }
        cr_assert_eq(finding.find.more, told < EVENTS);
        finding.find.has_before = true;
        finding.find.before = before;
    }
    cr_assert_eq(told, EVENTS);
}

BOTH(a_needle_behind_thousands)
{
    struct uuid id = put_event("needle", "dead");
    append_many(3000);
    cr_assert(rig_drain());
    cr_assert_eq(found(by_route("needle")), 1);
    cr_assert(is_found(0, &id));
    cr_assert_eq(found((struct archive_filter){.state = SLICE("dead")}), 1);
    cr_assert_eq(found(by_route("github")), ARCHIVE_FIND_MAX);
    cr_assert(finding.find.more);
}

/* ---- showing ---- */

BOTH(an_event_is_shown_whole)
{
    struct append append;
    append_init(&append);
    append.record.body = SLICE("\0\1\xff\xfe{\"a\":1}\0");
    append.record.headers = SLICE("X: \xff\r\nY: \0z\r\n");
    append.record.target = SLICE("/\xc3\x28?%00=\xf0");
    append.record.content_type = SLICE("text/\xe4");
    append.record.response_status = 599;
    append.record.duration_ms = UINT32_MAX;
    struct uuid id = put_record(&append);
    const struct archive_event *event = event_now(&id);
    const struct journal_record *record = &append.record;
    cr_assert(uuid_eq(&event->event_id, &id));
    cr_assert(slice_eq(event->body, record->body));
    cr_assert(slice_eq(event->headers, record->headers));
    cr_assert(slice_eq(event->target, record->target));
    cr_assert(slice_eq(event->content_type, record->content_type));
    cr_assert(slice_eq(event->route, record->route));
    cr_assert(slice_eq(event->method, record->method));
    cr_assert(slice_eq(event->client, record->client));
    cr_assert(slice_eq(event->mode, record->mode));
    cr_assert(slice_eq(event->state, record->state));
    cr_assert(slice_eq(event->outcome, record->outcome));
    cr_assert_eq(event->body_bytes, record->body.len);
    cr_assert_eq(event->response_status, 599);
    cr_assert_eq(event->duration_ms, UINT32_MAX);
    cr_assert_eq(event->attempts, 1);
    cr_assert_eq(event->received_at_ms, record->received_at_ms);
    cr_assert_eq(event->window_ends_at_ms, record->window_ends_at_ms);
    cr_assert_eq(event->next_attempt_at_ms + event->lease_until_ms, 0);
    cr_assert_eq(event->last_duplicate_at_ms + event->last_replayed_at_ms + event->duplicates, 0);
    cr_assert_eq(event->last_error.len + event->error_category.len, 0);
    cr_assert_not(event->has_replay_of);
    cr_assert_eq(found(by_id(&id)), 1);
    cr_assert_eq(finding.last.body.len + finding.last.headers.len, 0, "only by show");
    cr_assert_eq(finding.last.body_bytes, record->body.len);
}

BOTH(large_and_empty_bodies)
{
    enum { SIZE = 8 << 20 };
    struct append append;
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    append_init(&append);
    append.record.body = slice_of(body, SIZE);
    struct uuid large = put_record(&append);
    append_init(&append);
    append.record.body = SLICE("");
    struct uuid none = put_record(&append);
    cr_assert(slice_eq(event_now(&large)->body, slice_of(body, SIZE)));
    cr_assert_eq(event_now(&none)->body_bytes, 0);
    free(body);
}

static void put_attempt(const struct uuid *id, unsigned attempt, const char *rest)
{
    char text[UUID_TEXT_LEN + 1] = {0}, hex[33] = {0}, sql[512];
    uuid_format(id, text);
    hex_format(slice_of(id->bytes, sizeof id->bytes), hex);
    if (rig.is_sqlite)
        snprintf(sql, sizeof sql,
                 "INSERT INTO delivery SELECT id, received_at, %u, received_at + %u, %s"
                 " FROM event WHERE id = x'%s'",
                 attempt, attempt, rest, hex);
    else
        snprintf(sql, sizeof sql,
                 "INSERT INTO delivery SELECT id, received_at, %u,"
                 " received_at + %u * interval '1 ms', %s FROM event WHERE id = '%s'",
                 attempt, attempt, rest, text);
    run_sql(sql);
}

BOTH(attempts_are_shown_in_order)
{
    struct uuid id = put_event("a", "dead"), other = put_event("a", "dead");
    put_attempt(&id, 2, "NULL, 7, 'no connection', NULL");
    put_attempt(&other, 1, "200, 1, NULL, NULL");
    put_attempt(&id, 1,
                rig.is_sqlite ? "503, 12, 'status 503', x'00ff'"
                              : "503, 12, 'status 503', '\\x00ff'");
    show_submit(&showing, &id);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.attempts, 2);
    cr_assert(showing.in_order);
    const struct archive_attempt *last = &showing.last_attempts[ARCHIVE_RIG_ATTEMPTS - 2];
    cr_assert_eq(last->attempt, 1);
    cr_assert_eq(last->at_ms, uuid_time_ms(&id) + 1);
    cr_assert_eq(last->status, 503);
    cr_assert_eq(last->duration_ms, 12);
    cr_assert(slice_eq(last->error, SLICE("status 503")));
    cr_assert(slice_eq(last->response, SLICE("\0\xff")));
    last++;
    cr_assert_eq(last->attempt, 2);
    cr_assert_eq(last->status, 0);
    cr_assert(slice_eq(last->error, SLICE("no connection")));
    cr_assert_eq(last->response.len, 0);
}

BOTH(of_many_attempts_the_last_ones)
{
    struct uuid id = put_event("a", "dead");
    const char *series = "(SELECT generate_series(1, 1003) AS n) AS numbers";
    char sql[400];
    if (rig.is_sqlite)
        series = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1003)"
                 " SELECT n FROM s) AS numbers";
    snprintf(sql, sizeof sql,
             "INSERT INTO delivery SELECT id, received_at, n, received_at, 500, 1, NULL, NULL"
             " FROM event, %s",
             series);
    run_sql(sql);
    show_submit(&showing, &id);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.attempts, ARCHIVE_ATTEMPTS_MAX);
    cr_assert(showing.in_order);
    cr_assert_eq(showing.last_attempts[ARCHIVE_RIG_ATTEMPTS - 1].attempt, 1003);
}

BOTH(an_unknown_event_is_not_shown)
{
    struct uuid unknown = new_id(), foreign = {.bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    show_submit(&showing, &unknown);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.events + showing.attempts, 0);
    show_submit(&showing, &foreign);
    cr_assert_eq(show_await(&showing), STATUS_OK);
    cr_assert_eq(showing.events, 0);
}

/* ---- ops ---- */

BOTH(many_at_once)
{
    static struct showing shows[50];
    static struct finding finds[3];
    struct uuid id = put_event("a", "dead");
    for (size_t i = 0; i < 50; i++)
        show_submit(&shows[i], &id);
    for (size_t i = 0; i < 3; i++) {
        finds[i].find.limit = 10;
        find_submit(&finds[i]);
    }
    for (size_t i = 0; i < 50; i++) {
        cr_assert_eq(show_await(&shows[i]), STATUS_OK);
        cr_assert_eq(shows[i].events, 1);
    }
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(find_await(&finds[i]), STATUS_OK);
}

BOTH(closing_ends_what_is_pending)
{
    static struct changing changing = {
        .change = {.verb = ARCHIVE_CANCEL, .limit = 1, .per_second = 1}};
    struct uuid id = put_event("a", "dead");
    finding.find.limit = 10;
    find_submit(&finding);
    show_submit(&showing, &id);
    change_submit(&changing);
    archive_close();
    cr_assert_eq(finding.ended + showing.ended + changing.ended, 3);
    cr_assert_eq(finding.find.status, STATUS_UNAVAILABLE);
    cr_assert_eq(showing.show.status, STATUS_UNAVAILABLE);
    cr_assert_eq(changing.change.status, STATUS_UNAVAILABLE);
    archive_open();
    archive_close();
}

BOTH(closing_in_mid_search)
{
    append_many(3000);
    cr_assert(rig_drain());
    finding.find.filter = by_route("none");
    finding.find.limit = 10;
    find_submit(&finding);
    rig_run_for(1);
    archive_close();
    cr_assert_eq(finding.ended, 1);
}
