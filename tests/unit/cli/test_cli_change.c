/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of cli/cli_change against the real admin listener. */
#include "door.h"

TestSuite(cli_change, .init = door_prepare, .fini = door_done);

#define REPLAY(...) RUN("replay", "--admin", door_url, __VA_ARGS__)
#define CANCEL(...) RUN("cancel", "--admin", door_url, __VA_ARGS__)
#define REQUEST "019f0000-0000-7000-8000-0000000000aa"

Test(cli_change, replay_one)
{
    fake.count = 1;
    door_open();
    expect(REPLAY(FAKE_ID), CLI_OK, "1 event replayed\n", NULL);
    door_close();
    struct uuid id = fake_uuid(FAKE_ID);
    cr_expect(fake.change.filter.has_event_id && uuid_eq(&fake.change.filter.event_id, &id));
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_SAME);
    cr_expect(!fake.change.has_request);
}

Test(cli_change, replay_one_as_new)
{
    struct uuid new_id = fake_uuid(FAKE_OTHER_ID);
    fake.count = 1;
    fake.new_id = &new_id;
    door_open();
    expect(REPLAY("--as-new", FAKE_ID), CLI_OK, "1 event replayed\nnew id " FAKE_OTHER_ID "\n",
           NULL);
    door_close();
    cr_expect_eq(fake.change.verb, ARCHIVE_REPLAY_NEW);
    cr_expect(fake.change.has_request);
}

Test(cli_change, a_request_by_name)
{
    struct uuid request = fake_uuid(REQUEST);
    fake.count = 2;
    door_open();
    expect(REPLAY("-s", "dead", "--as-new", "--request", REQUEST), CLI_OK, "2 events replayed\n",
           NULL);
    door_close();
    cr_expect(fake.change.has_request && uuid_eq(&fake.change.request, &request));
}

Test(cli_change, cancel_one)
{
    fake.count = 1;
    door_open();
    expect(CANCEL(FAKE_ID), CLI_OK, "1 event cancelled\n", NULL);
    door_close();
    cr_expect_eq(fake.change.verb, ARCHIVE_CANCEL);
}

Test(cli_change, by_a_filter)
{
    fake.count = 12;
    door_open();
    expect(REPLAY("--route", "billing", "--state", "dead", "--from", "2h", "--until", "1h",
                  "--limit", "12", "--rate", "7"),
           CLI_OK, "12 events replayed\n", "the limit was reached: there may be more\n");
    door_close();
    cr_expect_str_eq(fake.route, "billing");
    cr_expect_str_eq(fake.state, "dead");
    cr_expect_gt(fake.change.filter.until_ms, fake.change.filter.from_ms);
    cr_expect_eq(fake.change.limit, 12);
    cr_expect_eq(fake.change.per_second, 7);
    cr_expect(!fake.change.dry_run && !fake.change.filter.has_event_id);
}

Test(cli_change, dry_runs)
{
    fake.count = 3;
    door_open();
    expect(REPLAY("-s", "dead", "--dry-run", "--as-new"), CLI_OK, "3 events would be replayed\n",
           NULL);
    expect(CANCEL("-s", "queued", "--dry-run"), CLI_OK, "3 events would be cancelled\n", NULL);
    door_close();
    cr_expect(fake.change.dry_run);
    cr_expect_eq(fake.change.verb, ARCHIVE_CANCEL);
}

Test(cli_change, an_unknown_one_and_one_whose_state_forbids_it)
{
    door_open();
    expect(REPLAY(FAKE_ID), CLI_FAILED, NULL, "No event of the journal has this id");
    door_close();
    fake.skipped = 1;
    door_open();
    expect(CANCEL(FAKE_ID), CLI_FAILED, NULL, "Only queued, dead and parked events are cancelled");
}

Test(cli_change, options_that_do_not_go_together)
{
    expect(RUN("replay"), CLI_USAGE, NULL, "give an ID, or at least one of --route");
    expect(RUN("cancel", "--limit", "5"), CLI_USAGE, NULL, "give an ID, or at least one of");
    expect(RUN("replay", FAKE_ID, "--state", "dead"), CLI_USAGE, NULL, "an ID names one event");
    expect(RUN("replay", FAKE_ID, "--rate", "1"), CLI_USAGE, NULL, "an ID names one event");
    expect(RUN("cancel", FAKE_ID, "--dry-run"), CLI_USAGE, NULL, "an ID names one event");
    expect(RUN("replay", FAKE_ID, "--request", REQUEST), CLI_USAGE, NULL,
           "--request belongs to --as-new");
    expect(RUN("cancel", FAKE_ID, "--as-new"), CLI_USAGE, NULL, "--as-new is not an option here");
    expect(RUN("cancel", FAKE_ID, "--rate", "1"), CLI_USAGE, NULL, "--rate is not an option here");
    expect(RUN("replay", "a", "b"), CLI_USAGE, NULL, "b is one argument too many");
}

Test(cli_change, what_the_listener_refuses_is_bad_usage)
{
    door_open();
    expect(REPLAY("-s", "dead", "--rate", "0"), CLI_USAGE, NULL, "\"rate\" has to be");
    expect(REPLAY("-s", "dead", "--limit", "100001"), CLI_USAGE, NULL, "\"limit\" has to be");
}

Test(cli_change, after_an_end_that_is_not_known_the_request_can_be_sent_again)
{
    fake.status = STATUS_UNAVAILABLE;
    door_open();
    expect(REPLAY("-s", "dead", "--as-new", "--request", REQUEST), CLI_FAILED, NULL,
           "some may have been changed all the same. The same again with --request " REQUEST
           " makes no copy twice.\n");
    expect(REPLAY("-s", "dead", "--as-new"), CLI_FAILED, NULL, "again with --request 01");
    expect(CANCEL("-s", "dead"), CLI_FAILED, NULL, "changed all the same.\n");
    struct console console = REPLAY("-s", "dead", "--dry-run");
    cr_expect_null(strstr(console.err, "all the same"));
    console_done(&console);
}

Test(cli_change, a_refused_connection_changed_nothing)
{
    door_choose_port();
    struct console console = REPLAY("-s", "dead");
    cr_expect_eq(console.status, CLI_FAILED);
    assert_holds(console.err, "nobody answers");
    cr_expect_null(strstr(console.err, "all the same"));
    console_done(&console);
}
