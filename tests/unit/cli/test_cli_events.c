/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of cli/cli_events and cli/cli_show against the real admin listener. */
#include "door.h"

TestSuite(cli_events, .init = door_prepare, .fini = door_done);

#define EVENTS(...) RUN("events", "--admin", door_url, __VA_ARGS__)
#define SHOW(...) RUN("show", "--admin", door_url, __VA_ARGS__)

static struct archive_event events[2];

/* Two events, the second hostile. */
static void give_events(void)
{
    events[0] = fake_event();
    events[1] = (struct archive_event){.event_id = fake_uuid(FAKE_OTHER_ID),
                                       .route = SLICE("other"),
                                       .state = SLICE("queued"),
                                       .received_at_ms = 1795219200123,
                                       .target = SLICE("/\x1b[2J\xff"),
                                       .last_error = SLICE("a\x1b[2J]},{\"")};
    fake.events = events;
    fake.event_count = 2;
}

/* ---- events ---- */

Test(cli_events, a_table)
{
    give_events();
    door_open();
    struct console console = RUN("events", "--admin", door_url);
    cr_assert_eq(console.status, CLI_OK, "%s", console.err);
    cr_expect_str_eq(
        console.out,
        "ID                                    RECEIVED                  ROUTE             STATE"
        "      ATTEMPTS  STATUS  ERROR\n" FAKE_ID
        "  2026-11-21T00:00:00.123Z  billing           dead       2         503     "
        "status_503\n" FAKE_OTHER_ID
        "  2026-11-21T00:00:00.123Z  other             queued     0                 "
        "a\\x1b[2J]},{\"\n");
    cr_expect_str_empty(console.err);
    console_done(&console);
}

Test(cli_events, none)
{
    door_open();
    expect(RUN("events", "--admin", door_url), CLI_OK, "ERROR\n", NULL);
    expect(EVENTS("--json"), CLI_OK, NULL, NULL);
}

Test(cli_events, lines_of_json)
{
    give_events();
    door_open();
    struct console console = EVENTS("--json");
    cr_assert_eq(console.status, CLI_OK, "%s", console.err);
    cr_expect_eq(strncmp(console.out, "{\"id\":\"" FAKE_ID "\",", 20), 0);
    assert_holds(console.out, "}\n{\"id\":\"" FAKE_OTHER_ID "\",");
    assert_holds(console.out, "\"target\":\"/\\u001b[2J\xef\xbf\xbd\"");
    cr_expect_eq(console.out[console.out_bytes - 1], '\n');
    console_done(&console);
}

Test(cli_events, options_are_parameters)
{
    give_events();
    door_open();
    expect(EVENTS("-r", "a&b", "-s", "dead", "--from", "2026-11-21T00:00:00+02:00", "--until", "1s",
                  "--key", "ab000000000000000000000000000000", "-n", "1", "--before",
                  FAKE_OTHER_ID),
           CLI_OK, FAKE_ID, "there are more: --before " FAKE_ID "\n");
    door_close();
    cr_expect_str_eq(fake.route, "a&b");
    cr_expect_str_eq(fake.state, "dead");
    cr_expect_eq(fake.find.filter.from_ms, 1795212000000);
    cr_expect_gt(fake.find.filter.until_ms, 0);
    cr_expect(fake.find.filter.has_key);
    cr_expect_eq(fake.find.limit, 1);
    cr_expect(fake.find.has_before);
}

Test(cli_events, parameters_the_listener_refuses_are_bad_usage)
{
    door_open();
    expect(EVENTS("--state", "deade"), CLI_USAGE, NULL,
           "postern events: \"state\" has to be queued, delivered, dead, parked or cancelled "
           "(status 400)\n");
    expect(EVENTS("--from", "yesterday"), CLI_USAGE, NULL, "\"from\" has to be an instant");
}

Test(cli_events, a_journal_that_is_away_or_slow)
{
    fake.status = STATUS_UNAVAILABLE;
    door_open();
    expect(EVENTS("--json"), CLI_FAILED, NULL, "can't be reached now");
    expect(SHOW(FAKE_ID), CLI_FAILED, NULL, "(status 503)");
}

Test(cli_events, nobody_there)
{
    door_choose_port();
    expect(EVENTS("--json"), CLI_FAILED, NULL,
           "nobody answers; is `postern serve` running, and this its admin.address?\n");
}

Test(cli_events, address_and_token_out_of_the_configuration)
{
    char text[512], address[ADDRESS_TEXT_SIZE];
    door_config.admin_token = SLICE("a-token-of-the-config");
    door_open();
    address_format(&door_config.admin, address);
    snprintf(text, sizeof text,
             "listen: [{address: 127.0.0.1:1}]\nupstreams: {a: {endpoints: http://h}}\n"
             "routes: [{name: events, upstream: a, match: {path: /}}]\n"
             "admin: {address: \"%s\", token: env:CONFIG_TOKEN}\n",
             address);
    file_make(text);
    setenv("CONFIG_TOKEN", "a-token-of-the-config", 1);
    expect(RUN("events", "-c", file_path), CLI_OK, "ERROR\n", NULL);
    expect(EVENTS("--json"), CLI_FAILED, NULL,
           "Authorization: Bearer TOKEN (admin.token). (status 401)");
    setenv("POSTERN_TEST_TOKEN", "wrong", 1);
    expect(EVENTS("--token", "env:POSTERN_TEST_TOKEN"), CLI_FAILED, NULL, "(status 401)");
    setenv("POSTERN_TEST_TOKEN", "a-token-of-the-config", 1);
    expect(EVENTS("--token", "env:POSTERN_TEST_TOKEN"), CLI_OK, "ERROR\n", NULL);
}

Test(cli_events, help_and_bad_options)
{
    expect(RUN("events", "--help"), CLI_OK, "--state STATE", NULL);
    expect(RUN("show", "--help"), CLI_OK,
           "usage: postern show ID [--body] [--json] [--config FILE]", NULL);
    expect(RUN("events", "x"), CLI_USAGE, NULL, "x is one argument too many");
    expect(RUN("show"), CLI_USAGE, NULL, "postern show: ID is missing");
    expect(RUN("show", "a", "b"), CLI_USAGE, NULL, "b is one argument too many");
    expect(RUN("show", "a", "--body", "--json"), CLI_USAGE, NULL, "give one of them");
    expect(RUN("events", "--admin", "x"), CLI_USAGE, NULL, "http://HOST:PORT");
}

/* ---- show ---- */

Test(cli_events, show)
{
    const struct archive_attempt attempts[] = {
        {.attempt = 1, .at_ms = 1795219200123, .duration_ms = 3, .error = SLICE("connect")},
        {.attempt = 2,
         .at_ms = 1795219260000,
         .duration_ms = 17,
         .status = 503,
         .error = SLICE("status_503"),
         .response = SLICE("go\x1b away")},
    };
    give_events();
    fake.attempts = attempts;
    fake.attempt_count = 2;
    door_open();
    struct console console = SHOW(FAKE_ID);
    cr_assert_eq(console.status, CLI_OK, "%s", console.err);
    assert_holds(console.out, "id                 " FAKE_ID "\n"
                              "route              billing\n");
    assert_holds(console.out, "error_category     transient\n");
    assert_holds(console.out, "header             X-Gitlab-Token: ***\n");
    assert_holds(console.out,
                 "attempt            1 at 2026-11-21T00:00:00.123Z, 3 ms, status none, "
                 "connect\n"
                 "attempt            2 at 2026-11-21T00:01:00.000Z, 17 ms, status 503,"
                 " status_503: go\\x1b away\n");
    cr_expect_null(strstr(console.out, "lease_until"));
    console_done(&console);
    expect(SHOW("--json", FAKE_ID), CLI_OK, "\"deliveries\":[{\"attempt\":1,", NULL);
}

Test(cli_events, show_the_body)
{
    give_events();
    door_open();
    struct console console = SHOW(FAKE_ID, "--body");
    cr_assert_eq(console.status, CLI_OK, "%s", console.err);
    cr_expect(slice_eq(slice_of(console.out, console.out_bytes), SLICE("{\"n\":1}\0\xff")));
    console_done(&console);
}

Test(cli_events, show_what_is_not_there)
{
    door_open();
    expect(SHOW(FAKE_ID), CLI_FAILED, NULL, "No event of the journal has this id");
    expect(SHOW("../routes"), CLI_FAILED, NULL, "No event of the journal has this id");
    expect(SHOW(FAKE_ID, "--body"), CLI_FAILED, NULL, "(status 404)");
}
