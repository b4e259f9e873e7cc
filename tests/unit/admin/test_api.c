/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's door, without sockets: paths, methods, token, browsers, bad parameters, and the archive
 * that is away or slow. What single pages answer is test_api_events.c's and test_api_change.c's.
 */
#include "api_asker.h"

TestSuite(api, .init = asker_set_up, .fini = asker_tear_down);

Test(api, paths_that_are_its_own)
{
    cr_expect(api_is_path(SLICE("/api/")));
    cr_expect(api_is_path(SLICE("/api/v1/events")));
    cr_expect(!api_is_path(SLICE("/api")));
    cr_expect(!api_is_path(SLICE("/metrics")));
}

Test(api, paths_there_are_not)
{
    static const char *const paths[] = {"/api/",
                                        "/api/v1",
                                        "/api/v1/",
                                        "/api/v2/events",
                                        "/api/v1/event",
                                        "/api/v1/events/",
                                        "/api/v1/events//body",
                                        "/api/v1/events/" FAKE_ID "/",
                                        "/api/v1/events/" FAKE_ID "/bodyx",
                                        "/api/v1/events/" FAKE_ID "/body/x",
                                        "/api/v1/replay/x",
                                        "/api/v1/statsx"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        cr_expect_eq(ask("GET", paths[i], ""), 404, "%s", paths[i]);
        cr_expect(said("\"type\":\"urn:postern:problem:no-page\""), "%s", paths[i]);
    }
    cr_expect_eq(fake.asked, 0);
}

Test(api, an_id_that_is_none_names_no_event)
{
    cr_expect_eq(ask("GET", "/api/v1/events/x", ""), 404);
    cr_expect(said("problem:no-event"));
    cr_expect_eq(ask("POST", "/api/v1/events/019f/replay", ""), 404);
    cr_expect_eq(fake.asked, 0);
}

Test(api, methods)
{
    cr_expect_eq(ask("POST", "/api/v1/events", ""), 405);
    cr_expect(slice_eq(call.page.allow, SLICE("GET, HEAD")));
    cr_expect_eq(ask("GET", "/api/v1/replay", "state=dead"), 405);
    cr_expect(slice_eq(call.page.allow, SLICE("POST")));
    cr_expect_eq(ask("GET", "/api/v1/events/" FAKE_ID "/cancel", ""), 405);
    cr_expect_eq(ask("DELETE", "/api/v1/events/" FAKE_ID, ""), 405);
    cr_expect_eq(fake.asked, 0);
    cr_expect_eq(ask("HEAD", "/api/v1/events", ""), 200);
}

Test(api, problems_are_whole)
{
    cr_expect_eq(ask("GET", "/api/v1/events", "state=x%22%ff"), 400);
    cr_expect(slice_eq(call.page.type, SLICE("application/problem+json")));
    cr_expect_str_eq(text(),
                     "{\"type\":\"urn:postern:problem:bad-parameter\","
                     "\"title\":\"Not understood\",\"status\":400,\"detail\":\"\\\"state\\\" "
                     "has to be queued, delivered, dead, parked or cancelled\"}");
    cr_expect_eq(ask("GET", "/api/v1/events", "%22%ff=1"), 400);
    cr_expect(said("\\\"\xef\xbf\xbd\\\" is no parameter here"), "%s", text());
}

Test(api, each_page_takes_its_own_parameters)
{
    cr_expect_eq(ask("GET", "/api/v1/events/" FAKE_ID, "limit=1"), 400);
    cr_expect_eq(ask("GET", "/api/v1/events/" FAKE_ID "/body", "x=1"), 400);
    cr_expect_eq(ask("POST", "/api/v1/events/" FAKE_ID "/replay", "state=dead"), 400);
    cr_expect_eq(ask("POST", "/api/v1/events/" FAKE_ID "/cancel", "as=new"), 400);
    cr_expect_eq(ask("POST", "/api/v1/cancel", "state=dead&rate=1"), 400);
    cr_expect_eq(ask("GET", "/api/v1/routes", "a=b"), 400);
    cr_expect_eq(ask("GET", "/api/v1/stats", "a=b"), 400);
    cr_expect_eq(fake.asked, 0);
}

Test(api, the_token_comes_first)
{
    config.admin_token = SLICE("s3cret");
    cr_expect_eq(ask("GET", "/api/v1/nothing", ""), 401);
    cr_expect(call.page.challenge);
    cr_expect(said("problem:unauthorized"));
    add_field("Authorization", "Bearer wrong");
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 401);
    fields[0].value = SLICE("Bearer s3cret");
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 200);
    cr_expect(!call.page.challenge);
    head.host = SLICE("gateway.example:9901");
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 200);
}

Test(api, without_a_token_a_rebound_name_is_refused)
{
    head.host = SLICE("evil.example:9901");
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 403);
    cr_expect(said("problem:foreign-host"));
    head.host = SLICE("localhost:9901");
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 200);
}

Test(api, changes_refuse_other_sites_and_reads_do_not)
{
    add_field("Sec-Fetch-Site", "cross-site");
    cr_expect_eq(ask("POST", "/api/v1/replay", "state=dead"), 403);
    cr_expect(said("problem:cross-site"));
    cr_expect_eq(ask("POST", "/api/v1/cancel", "state=dead"), 403);
    cr_expect_eq(ask("POST", "/api/v1/events/" FAKE_ID "/replay", ""), 403);
    cr_expect_eq(ask("POST", "/api/v1/events/" FAKE_ID "/cancel", ""), 403);
    cr_expect_eq(fake.asked, 0);
    cr_expect_eq(ask("GET", "/api/v1/events", ""), 200);
}

/* Each page that asks it, with a query that is fine. */
static const struct {
    const char *method, *path, *query;
} ASKING[] = {
    {"GET", "/api/v1/events", ""},
    {"GET", "/api/v1/events/" FAKE_ID, ""},
    {"GET", "/api/v1/events/" FAKE_ID "/body", ""},
    {"POST", "/api/v1/events/" FAKE_ID "/replay", "as=new"},
    {"POST", "/api/v1/events/" FAKE_ID "/cancel", ""},
    {"POST", "/api/v1/replay", "state=dead"},
    {"POST", "/api/v1/cancel", "state=dead"},
};

static void expect_from_all(unsigned status, const char *words)
{
    for (size_t i = 0; i < sizeof ASKING / sizeof ASKING[0]; i++) {
        cr_expect_eq(ask(ASKING[i].method, ASKING[i].path, ASKING[i].query), status, "%s: %u",
                     ASKING[i].path, call.page.status);
        cr_expect(said(words), "%s: %s", ASKING[i].path, text());
        cr_expect(slice_eq(call.page.type, SLICE("application/problem+json")));
    }
}

Test(api, no_archive)
{
    opts.archive = NULL;
    expect_from_all(503, "problem:journal-unavailable");
    cr_expect_eq(call.page.retry_after_s, 1);
    cr_expect_eq(ask("GET", "/api/v1/routes", ""), 200);
}

Test(api, an_archive_that_is_away_slow_or_broken)
{
    fake.status = STATUS_UNAVAILABLE;
    expect_from_all(503, "problem:journal-unavailable");
    cr_expect_eq(call.page.retry_after_s, 1);
    fake.status = STATUS_TIMED_OUT;
    expect_from_all(504, "problem:journal-timeout");
    cr_expect_eq(call.page.retry_after_s, 0);
    fake.status = STATUS_NO_MEMORY;
    expect_from_all(500, "problem:journal-error");
}

/* ---- what needs no archive ---- */

Test(api, routes)
{
    cr_expect_eq(ask("GET", "/api/v1/routes", ""), 200);
    cr_expect_str_eq(text(),
                     "{\"routes\":[{\"name\":\"billing\",\"mode\":\"queue\",\"upstream\":\"up\","
                     "\"host\":\"h.example\",\"path\":\"/pay\",\"methods\":[\"POST\",\"PUT\"],"
                     "\"window_ms\":5000},{\"name\":\"all\",\"mode\":\"proxy\",\"upstream\":\"up\","
                     "\"host\":null,\"path\":\"/*\",\"methods\":[],\"window_ms\":1}]}\n");
}

Test(api, stats_are_the_books)
{
    struct account account;
    cr_assert_eq(account_init(&account, books, 0), STATUS_OK);
    account_received(&account, 0);
    account_received(&account, 0);
    account_ended(&account, 0, OUTCOME_ACCEPTED);
    account_received(&account, SIZE_MAX);
    account_ended(&account, SIZE_MAX, OUTCOME_REJECTED_NO_ROUTE);
    cr_expect_eq(ask("GET", "/api/v1/stats", ""), 200);
    cr_expect(said("{\"name\":\"billing\",\"received\":2,\"in_progress\":1,\"accepted\":1,"
                   "\"duplicate\":0,"),
              "%s", text());
    cr_expect(said("{\"name\":null,\"received\":1,\"in_progress\":0,\"accepted\":0,"), "%s",
              text());
    cr_expect(said("\"rejected\":1,"));
    account_done(&account);
}
