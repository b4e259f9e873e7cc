/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only SQLite can show of orphans (the suite is run by queue_sqlite.c): they are those that
 * were in the file when it was opened, doubtful ones too, and nobody else.
 */
#include "support/queue_rig.h"

#include <criterion/criterion.h>

static struct queue *open_queue(const struct uuid *owner)
{
    struct queue *queue;
    cr_assert_eq(queue_sqlite_open(rig.loop, rig.store, owner, &queue), STATUS_OK);
    return queue;
}

static const struct queue_kind kind = {.open_journal = rig_open_sqlite, .open_queue = open_queue};

static void open_rig(void)
{
    queue_rig_open(&kind);
}

TestSuite(queue_sqlite_orphans, .init = open_rig, .fini = queue_rig_close);

static const struct queue_route routes[] = {{.name = {"a", 1}}, {.name = {"b", 1}}};

Test(queue_sqlite_orphans, what_comes_after_the_start_is_none)
{
    struct uuid first = queue_put_leased("a", 1), second = queue_put_leased("b", 1);
    queue_bereave();
    look_begin(0, routes, 2, 1);
    cr_assert_eq(look_await(), STATUS_OK);
    cr_assert(qrig.look_op.more);
    queue_put_leased("a", 1);
    queue_put("b");
    rig_run_for(20);
    cr_assert_eq(look_again(0), 2);
    cr_assert(is_orphaned(&first) && is_orphaned(&second));
    cr_assert_eq(look_again(0), 2);
}

Test(queue_sqlite_orphans, without_a_start_there_is_none)
{
    queue_put_leased("a", 1);
    queue_bereave();
    look_begin(0, routes, 2, 1);
    cr_assert_eq(look_await(), STATUS_OK);
    cr_assert_eq(look_again(1), 1, "another queue has not begun");
}

Test(queue_sqlite_orphans, old_ones_and_those_never_leased_as_well)
{
    struct uuid old = queue_put("a"), held = queue_put_leased("a", 3600000);
    struct uuid later = queue_put("b");
    queue_execute("UPDATE event SET next_attempt_at = next_attempt_at - 7200000 WHERE route = 'a'"
                  " AND lease_until IS NULL");
    queue_execute("UPDATE event SET next_attempt_at = next_attempt_at + 7200000"
                  " WHERE route = 'b'");
    cr_assert_eq(look_through(0, routes, 2, 10), 3);
    cr_assert(is_orphaned(&old) && is_orphaned(&held) && is_orphaned(&later));
}

/* PostgreSQL may have them, but nobody there knows of their claims. */
Test(queue_sqlite_orphans, doubtful_ones_as_well)
{
    struct uuid ids[4];
    for (size_t i = 0; i < 4; i++)
        ids[i] = queue_put_leased(i < 3 ? "a" : "b", 1);
    queue_put_leased("c", 1);
    queue_execute("UPDATE event SET doubtful = 1 WHERE route <> 'b'");
    queue_execute("UPDATE event SET state = 'delivered' WHERE id = (SELECT min(id) FROM event)");
    for (uint32_t limit = 1; limit < 5; limit++) {
        cr_assert_eq(look_through(0, routes, 2, limit), 3, "limit %u", limit);
        cr_assert(!is_orphaned(&ids[0]) && is_orphaned(&ids[1]) && is_orphaned(&ids[2]) &&
                  is_orphaned(&ids[3]));
    }
}
