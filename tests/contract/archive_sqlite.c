/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the SQLite archive can show: a file at its cap, and commits that go on beside a search.
 */
#include "support/archive_rig.h"

#include <criterion/criterion.h>

static void open_small(void)
{
    rig_prepare_sqlite();
    rig.sqlite.max_bytes = 2u << 20;
    rig_open_fronts(1);
    arena_init(&archive_rig.texts, 65536, (size_t)1 << 30);
    archive_open();
    rig_run_until(archive_is_up);
}

TestSuite(archive_sqlite, .init = archive_rig_open_sqlite, .fini = archive_rig_close);
TestSuite(archive_sqlite_small, .init = open_small, .fini = archive_rig_close);

static struct changing changing;
static struct finding finding;

static enum status change_once(enum archive_verb verb)
{
    changing.change = (struct archive_change){.verb = verb, .limit = 25, .per_second = 1000};
    change_submit(&changing);
    return change_await(&changing);
}

/* Far more copies than the cap has room for. */
Test(archive_sqlite_small, copies_end_at_the_cap)
{
    unsigned rounds = 0;
    append_many(25);
    cr_assert(rig_drain());
    while (change_once(ARCHIVE_REPLAY_NEW) == STATUS_OK && rounds < 1000)
        rounds++;
    cr_assert_eq(changing.change.status, STATUS_FULL);
    cr_assert_gt(rounds, 0);
    cr_assert_lt(rounds, 2048 / 25);
    cr_assert_eq(changing.change.count, 0);
    cr_assert_eq(change_once(ARCHIVE_REPLAY_SAME), STATUS_OK, "that needs no room");
    cr_assert_eq(changing.change.count, 25);
    cr_assert_eq(find_now(&finding, by_route("github"), 10), 10);
}

/* A search is many jobs; an append that comes in the middle does not wait for its end. */
Test(archive_sqlite, commits_go_between_the_jobs_of_a_search)
{
    struct append append;
    append_many(20000);
    cr_assert(rig_drain());
    finding.find.filter = by_route("none");
    finding.find.limit = 10;
    find_submit(&finding);
    append_init(&append);
    cr_assert_eq(append_now(&append), STATUS_OK);
    cr_assert_eq(finding.ended, 0);
    cr_assert_eq(find_await(&finding), STATUS_OK);
    cr_assert_eq(finding.count, 0);
}
