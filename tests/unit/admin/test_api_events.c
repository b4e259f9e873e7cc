/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of admin/api_events: the list and its paging, one event, its body, and hostile bytes.
 */
#include "api_asker.h"

#define LIST "/api/v1/events"
#define ONE LIST "/" FAKE_ID

TestSuite(api_events, .init = asker_set_up, .fini = asker_tear_down);

static const char BASICS[] =
    "{\"id\":\"" FAKE_ID "\",\"route\":\"billing\",\"mode\":\"queue\",\"state\":\"dead\","
    "\"outcome\":\"accepted\",\"method\":\"POST\",\"target\":\"/pay?x=1\","
    "\"content_type\":\"application/json\",\"client\":\"10.0.0.9\","
    "\"key\":\"abcd0000000000000000000000000000\",\"body_bytes\":9,\"response_status\":503,"
    "\"duration_ms\":17,\"attempts\":2,\"last_error\":\"status_503\","
    "\"error_category\":\"transient\",\"duplicates\":3,\"replay_of\":\"" FAKE_OTHER_ID "\","
    "\"received_at\":\"2026-11-21T00:00:00.123Z\",\"window_ends_at\":null,"
    "\"next_attempt_at\":null,\"lease_until\":null,\"last_duplicate_at\":null,"
    "\"last_replayed_at\":\"2026-11-21T00:01:00.000Z\"";

/* ---- the list ---- */

Test(api_events, nothing_found)
{
    cr_expect_eq(ask("GET", LIST, ""), 200);
    cr_expect(slice_eq(call.page.type, SLICE("application/json")));
    cr_expect_str_eq(text(), "{\"events\":[],\"next\":null}\n");
}

Test(api_events, a_list_is_in_the_archives_order_and_has_every_member)
{
    struct archive_event events[] = {fake_event(), fake_event()};
    events[1] = (struct archive_event){.event_id = fake_uuid(FAKE_OTHER_ID)};
    fake.events = events;
    fake.event_count = 2;
    cr_expect_eq(ask("GET", LIST, ""), 200);
    cr_expect(said("{\"events\":["));
    cr_expect(said(BASICS), "%s", text());
    cr_expect(said("},{\"id\":\"" FAKE_OTHER_ID "\",\"route\":\"\""), "%s", text());
    cr_expect(said("\"key\":null,\"body_bytes\":0,\"response_status\":null,"));
    cr_expect(said("\"replay_of\":null"));
    cr_expect(said("}],\"next\":null}\n"));
    cr_expect(!said("headers"));
}

Test(api_events, the_filter_reaches_the_archive)
{
    cr_expect_eq(ask("GET", LIST,
                     "route=bil%6cing&state=dead&from=1h&until=1m&limit=5&before=" FAKE_OTHER_ID
                     "&key=ab000000000000000000000000000000"),
                 200);
    cr_expect_str_eq(fake.route, "billing");
    cr_expect_str_eq(fake.state, "dead");
    cr_expect_eq(fake.find.filter.from_ms, ASKER_NOW - 3600000);
    cr_expect_eq(fake.find.filter.until_ms, ASKER_NOW - 60000);
    cr_expect(fake.find.filter.has_key && fake.find.filter.key.digest[0] == 0xab);
    cr_expect(!fake.find.filter.has_event_id);
    cr_expect_eq(fake.find.limit, 5);
    cr_expect(fake.find.has_before);
    struct uuid before = fake_uuid(FAKE_OTHER_ID);
    cr_expect(uuid_eq(&fake.find.before, &before));
}

Test(api_events, paging)
{
    struct archive_event events[] = {fake_event(), fake_event()};
    events[1].event_id = fake_uuid(FAKE_OTHER_ID);
    fake.events = events;
    fake.event_count = 2;
    cr_expect_eq(ask("GET", LIST, "limit=1"), 200);
    cr_expect(said("],\"next\":\"" FAKE_ID "\"}"));
}

Test(api_events, a_list_that_grows_too_large_ends_early_and_says_where)
{
    static char target[1u << 20];
    struct archive_event events[20];
    memset(target, 'a', sizeof target);
    for (size_t i = 0; i < 20; i++) {
        events[i] = fake_event();
        events[i].event_id.bytes[15] = (uint8_t)i;
        events[i].target = slice_of(target, sizeof target);
    }
    fake.events = events;
    fake.event_count = 20;
    cr_expect_eq(ask("GET", LIST, ""), 200);
    cr_expect_leq(buf_len(&call.body), API_LIST_BYTES + 100);
    cr_expect(said("\"}],\"next\":\"019f0000-0000-7000-8000-000000000006\"}\n"));
}

Test(api_events, one_event_over_the_lists_bytes_is_told_all_the_same)
{
    static char target[9u << 20];
    struct archive_event event = fake_event();
    memset(target, 'a', sizeof target);
    event.target = slice_of(target, sizeof target);
    fake.events = &event;
    fake.event_count = 1;
    cr_expect_eq(ask("GET", LIST, ""), 200);
    cr_expect_gt(buf_len(&call.body), sizeof target);
    call.body.ceiling = 1u << 20;
    cr_expect_eq(ask("GET", LIST, ""), 500);
    cr_expect(said("problem:answer-too-large"));
}

/* ---- one ---- */

static void show(const struct archive_event *event)
{
    fake.events = event;
    fake.event_count = 1;
    cr_expect_eq(ask("GET", ONE, ""), 200, "%s", text());
}

Test(api_events, one_with_headers_masked_and_its_attempts)
{
    struct archive_event event = fake_event();
    const struct archive_attempt attempts[] = {
        {.attempt = 1, .at_ms = 1795219200123, .duration_ms = 3, .error = SLICE("connect")},
        {.attempt = 2, .at_ms = 1795219260000, .status = 503, .response = SLICE("a\"\xff")}};
    fake.attempts = attempts;
    fake.attempt_count = 2;
    show(&event);
    cr_expect(said(BASICS), "%s", text());
    cr_expect(said("\"headers\":[{\"name\":\"Content-Type\",\"value\":\"application/json\"},"
                   "{\"name\":\"X-Gitlab-Token\",\"value\":\"***\"},"
                   "{\"name\":\"X-Hub-Signature-256\",\"value\":\"sha256=00\"}],"),
              "%s", text());
    cr_expect(said("\"deliveries\":[{\"attempt\":1,\"at\":\"2026-11-21T00:00:00.123Z\","
                   "\"response_status\":null,\"duration_ms\":3,\"error\":\"connect\","
                   "\"response\":null},{\"attempt\":2,"),
              "%s", text());
    cr_expect(said("\"error\":null,\"response\":\"a\\\"\xef\xbf\xbd\"}]}\n"), "%s", text());
    cr_expect(!said("hunter2"));
    cr_expect(!said("\"n\""));
}

/* Only the configuration knows that such a field is a secret. */
Test(api_events, the_secret_of_a_route_is_masked)
{
    struct archive_event event = fake_event();
    event.headers = SLICE("x-door: hunter2\r\nX-Doors: open\r\n");
    routes[0].verify =
        (struct verify_opts){.scheme = VERIFY_HEADER, .hmac.header = SLICE("X-Door")};
    show(&event);
    cr_expect(said("\"headers\":[{\"name\":\"x-door\",\"value\":\"***\"},"
                   "{\"name\":\"X-Doors\",\"value\":\"open\"}],"),
              "%s", text());
    event.route = SLICE("renamed-since");
    show(&event);
    cr_expect(!said("hunter2"));
    routes[0].verify = (struct verify_opts){0};
}

Test(api_events, hostile_headers)
{
    struct archive_event event = fake_event();
    event.headers = SLICE("A: \"\x01\xc3\x28\r\nno colon\nX-TOKEN:hunter2\r\n\r\n: v\r\nlast: x");
    event.target = SLICE("/\xff\"\\");
    show(&event);
    cr_expect(said("\"target\":\"/\xef\xbf\xbd\\\"\\\\\""), "%s", text());
    cr_expect(said("[{\"name\":\"A\",\"value\":\"\\\"\\u0001\xef\xbf\xbd(\"},"
                   "{\"name\":\"no colon\",\"value\":\"\"},"
                   "{\"name\":\"X-TOKEN\",\"value\":\"***\"},{\"name\":\"\",\"value\":\"v\"},"
                   "{\"name\":\"last\",\"value\":\"x\"}]"),
              "%s", text());
}

Test(api_events, one_without_headers)
{
    struct archive_event event = {.event_id = fake_uuid(FAKE_ID)};
    show(&event);
    cr_expect(said("\"headers\":[],\"deliveries\":[]}\n"), "%s", text());
}

Test(api_events, an_unknown_one)
{
    cr_expect_eq(ask("GET", ONE, ""), 404);
    cr_expect(said("problem:no-event"));
    cr_expect_eq(ask("GET", ONE "/body", ""), 404);
}

/* ---- its body ---- */

Test(api_events, the_body_byte_for_byte)
{
    struct archive_event event = fake_event();
    const struct archive_attempt attempt = {.attempt = 1};
    fake.attempts = &attempt;
    fake.attempt_count = 1;
    fake.events = &event;
    fake.event_count = 1;
    cr_expect_eq(ask("GET", ONE "/body", ""), 200);
    cr_expect(slice_eq(call.page.type, SLICE("application/octet-stream")));
    cr_expect(call.page.attachment);
    cr_expect(slice_eq(buf_slice(&call.body), SLICE("{\"n\":1}\0\xff")));
}

Test(api_events, a_body_over_the_ceiling)
{
    struct archive_event event = fake_event();
    fake.events = &event;
    fake.event_count = 1;
    buf_done(&call.body);
    buf_init(&call.body, 8);
    cr_expect_eq(ask("GET", ONE "/body", ""), 500);
    cr_expect(!call.page.attachment);
    cr_expect_eq(buf_len(&call.body), 0); /* no room for the problem either */
    event.body = SLICE("");
    cr_expect_eq(ask("GET", ONE "/body", ""), 200);
}
