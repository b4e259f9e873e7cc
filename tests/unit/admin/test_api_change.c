/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of admin/api_change: replay and cancel of one and of many, and what the log says. */
#include "api_asker.h"

#include <fcntl.h>
#include <unistd.h>

#define REPLAY "/api/v1/events/" FAKE_ID "/replay"
#define CANCEL "/api/v1/events/" FAKE_ID "/cancel"
#define REQUEST "019f0000-0000-7000-8000-0000000000aa"

TestSuite(api_change, .init = asker_set_up, .fini = asker_tear_down);

/* ---- one ---- */

Test(api_change, replay_as_the_same)
{
    fake.count = 1;
    cr_expect_eq(ask("POST", REPLAY, ""), 200);
    cr_expect_str_eq(text(), "{\"changed\":1,\"event_id\":\"" FAKE_ID "\"}\n");
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_SAME);
    cr_expect(fake.change.filter.has_event_id);
    struct uuid id = fake_uuid(FAKE_ID);
    cr_expect(uuid_eq(&fake.change.filter.event_id, &id));
    cr_expect_eq(fake.change.limit, 1);
    cr_expect_gt(fake.change.per_second, 0);
    cr_expect(!fake.change.dry_run && !fake.change.has_request);
    cr_expect_eq(ask("POST", REPLAY, "as=same"), 200);
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_SAME);
}

Test(api_change, replay_as_new_tells_the_new_id)
{
    struct uuid new_id = fake_uuid(FAKE_OTHER_ID), request = fake_uuid(REQUEST);
    fake.count = 1;
    fake.new_id = &new_id;
    cr_expect_eq(ask("POST", REPLAY, "as=new&request=" REQUEST), 200);
    cr_expect_str_eq(text(), "{\"changed\":1,\"event_id\":\"" FAKE_ID "\","
                             "\"new_event_id\":\"" FAKE_OTHER_ID "\"}\n");
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_NEW);
    cr_expect(fake.change.has_request && uuid_eq(&fake.change.request, &request));
}

Test(api_change, cancel)
{
    fake.count = 1;
    cr_expect_eq(ask("POST", CANCEL, ""), 200);
    cr_expect_eq(fake.change.verb, ARCHIVE_CANCEL);
    cr_expect_str_eq(text(), "{\"changed\":1,\"event_id\":\"" FAKE_ID "\"}\n");
}

Test(api_change, an_unknown_one_and_one_whose_state_forbids_it)
{
    static const char *const asked[][2] = {{REPLAY, ""}, {REPLAY, "as=new"}, {CANCEL, ""}};
    for (size_t i = 0; i < 3; i++) {
        fake.skipped = 0;
        cr_expect_eq(ask("POST", asked[i][0], asked[i][1]), 404);
        cr_expect(said("problem:no-event"));
        fake.skipped = 1;
        cr_expect_eq(ask("POST", asked[i][0], asked[i][1]), 409);
        cr_expect(said("problem:state"));
    }
}

/* ---- many ---- */

Test(api_change, many_need_a_filter)
{
    cr_expect_eq(ask("POST", "/api/v1/replay", ""), 400);
    cr_expect(said("problem:no-filter"));
    cr_expect_eq(ask("POST", "/api/v1/replay", "as=new&limit=5&rate=1&dry_run=true"), 400);
    cr_expect_eq(ask("POST", "/api/v1/cancel", "limit=5"), 400);
    cr_expect_eq(fake.asked, 0);
}

Test(api_change, each_part_of_the_filter_is_enough)
{
    static const char *const queries[] = {"route=a", "state=dead", "from=1h", "until=1h",
                                          "key=ab000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        cr_expect_eq(ask("POST", "/api/v1/replay", queries[i]), 200, "%s", queries[i]);
        cr_expect_eq(ask("POST", "/api/v1/cancel", queries[i]), 200, "%s", queries[i]);
    }
}

Test(api_change, replay_many)
{
    fake.count = 12;
    cr_expect_eq(ask("POST", "/api/v1/replay", "route=billing&state=dead"), 200);
    cr_expect_str_eq(text(), "{\"changed\":12,\"dry_run\":false,\"limit_reached\":false}\n");
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_SAME);
    cr_expect_str_eq(fake.route, "billing");
    cr_expect_str_eq(fake.state, "dead");
    cr_expect(!fake.change.filter.has_event_id);
    cr_expect_eq(fake.change.limit, 1000);
    cr_expect_eq(fake.change.per_second, 10);
    cr_expect_eq(ask("POST", "/api/v1/replay",
                     "state=dead&as=new&rate=7&limit=12&dry_run=true&request=" REQUEST),
                 200);
    cr_expect_str_eq(text(), "{\"changed\":12,\"dry_run\":true,\"limit_reached\":true}\n");
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_NEW);
    cr_expect(fake.change.dry_run && fake.change.has_request);
    cr_expect_eq(fake.change.per_second, 7);
    cr_expect_eq(fake.change.limit, 12);
}

Test(api_change, cancel_many)
{
    fake.count = 3;
    cr_expect_eq(ask("POST", "/api/v1/cancel", "state=queued&dry_run=true"), 200);
    cr_expect_str_eq(text(), "{\"changed\":3,\"dry_run\":true,\"limit_reached\":false}\n");
    cr_expect_eq(fake.change.verb, ARCHIVE_CANCEL);
}

Test(api_change, one_that_broke_off_tells_what_it_had_done)
{
    fake.status = STATUS_UNAVAILABLE;
    fake.count = 300;
    cr_expect_eq(ask("POST", "/api/v1/replay", "state=dead"), 503);
    cr_expect(said("more.\",\"changed\":300}"), "%s", text());
    fake.status = STATUS_TIMED_OUT;
    cr_expect_eq(ask("POST", "/api/v1/cancel", "state=dead"), 504);
    cr_expect(said(",\"changed\":300}"));
}

/* ---- the log ---- */

static char logged[8192];

/* Asks with a log, and keeps what it wrote. */
static void ask_logged(const char *path, const char *query)
{
    char name[] = "/tmp/postern-api-XXXXXX";
    int fd = mkstemp(name);
    cr_assert_geq(fd, 0);
    unlink(name);
    cr_assert_eq(log_open(fd, LOG_FORMAT_JSON, LOG_INFO, &opts.log), STATUS_OK);
    (void)ask("POST", path, query);
    log_close(opts.log);
    opts.log = NULL;
    ssize_t len = pread(fd, logged, sizeof logged - 1, 0);
    cr_assert_geq(len, 0);
    logged[len] = '\0';
    close(fd);
}

Test(api_change, changes_are_told_in_the_log)
{
    fake.count = 2;
    ask_logged("/api/v1/replay", "state=dead&as=new");
    cr_expect(
        strstr(logged, "\"msg\":\"events changed by an operator\",\"verb\":\"replay_as_new\""),
        "%s", logged);
    cr_expect(strstr(logged, "\"state\":\"dead\",\"changed\":2,\"status\":\"ok\""), "%s", logged);
    ask_logged(CANCEL, "");
    cr_expect(strstr(logged, "\"verb\":\"cancel\",\"event_id\":\"" FAKE_ID "\""), "%s", logged);
    ask_logged(REPLAY, "");
    cr_expect(strstr(logged, "\"verb\":\"replay\","), "%s", logged);
}

Test(api_change, what_changed_nothing_is_not)
{
    fake.count = 2;
    ask_logged("/api/v1/replay", "state=dead&dry_run=true");
    cr_expect_str_empty(logged);
    fake.count = 0;
    ask_logged(REPLAY, "");
    cr_expect_str_empty(logged);
}
