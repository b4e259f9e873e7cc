/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cap, its reserve, and the floor, on a file that the test fills by hand.
 */
#include "sqlite_room.h"

#include "sqlite_file.h"

#define CAP_BYTES (2u << 20)

static struct sqlite_room room;

static void set_up(void)
{
    set_up_file();
    room = (struct sqlite_room){.path = path, .max_bytes = CAP_BYTES};
}

TestSuite(sqlite_room, .init = set_up, .fini = tear_down_file);

static void look_at(uint64_t now_ms)
{
    cr_assert_eq(sqlite_room_look(&room, &db, now_ms), STATUS_OK);
}

static bool take(size_t bytes)
{
    struct batch batch = {.bytes = bytes, .count = 1};
    return sqlite_room_take(&room, &batch);
}

static void fill(unsigned rows)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
             " INSERT INTO delivery SELECT randomblob(16), 1, 1, 1, 1, 1, '', zeroblob(3000) FROM"
             " n",
             rows);
    execute(sql);
}

static void empty(void)
{
    execute("DELETE FROM delivery");
}

Test(sqlite_room, up_to_the_cap_and_no_further)
{
    look_at(1000);
    cr_assert_not(room.full);
    cr_assert(take(100000));
    cr_assert(take(100000), "what was taken is counted");
    fill(250);
    look_at(1000);
    cr_assert_gt(room.used_bytes, 2 * 250 * 3000);
    cr_assert(room.full, "the log counts too");
    cr_assert_not(take(1));
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    look_at(1000);
    cr_assert_not(room.full, "and can be made shorter");
}

Test(sqlite_room, what_deletions_leave_is_room)
{
    fill(700);
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    look_at(1000);
    cr_assert(room.full);
    empty();
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    look_at(1000);
    cr_assert_not(room.full);
    cr_assert_lt(room.used_bytes, 200000);
}

Test(sqlite_room, batches_of_one_round_are_counted_together)
{
    look_at(1000);
    unsigned taken = 0;
    while (take(50000))
        cr_assert_lt(++taken, 100);
    cr_assert_geq(taken, 5);
    cr_assert_leq(taken, 14, "three times its bytes each");
}

Test(sqlite_room, what_was_refused_has_to_fit_before_it_is_open_again)
{
    fill(220);
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    look_at(1000);
    cr_assert_not(room.full);
    cr_assert_not(take(500000));
    cr_assert(room.full);
    look_at(1000);
    cr_assert(room.full, "a smaller one would fit, but it is not its turn");
    empty();
    cr_assert_eq(sqlite_db_checkpoint(&db, true), STATUS_OK);
    look_at(1000);
    cr_assert_not(room.full);
    cr_assert(take(500000), "larger than what may ever fit is taken at half of the cap");
}

Test(sqlite_room, no_cap_and_no_floor)
{
    room.max_bytes = 0;
    fill(700);
    look_at(1000);
    cr_assert_not(room.full);
    cr_assert(take(100u << 20));
}

Test(sqlite_room, counts_alone_need_none)
{
    fill(700);
    look_at(1000);
    cr_assert(room.full);
    cr_assert(sqlite_room_take(&room, &(struct batch){.count = 0}));
}

Test(sqlite_room, the_floor_of_the_file_system)
{
    room.min_free_bytes = UINT64_MAX;
    look_at(1000);
    cr_assert(room.full);
    cr_assert_not(take(1));
    room.min_free_bytes = 1;
    look_at(1000 + SQLITE_ROOM_LOOK_MS - 1);
    cr_assert(room.full, "it isn't asked that often");
    look_at(1000 + SQLITE_ROOM_LOOK_MS);
    cr_assert_not(room.full);
}

Test(sqlite_room, a_file_system_that_cannot_be_asked)
{
    room.path = "/nowhere/at/all";
    room.min_free_bytes = UINT64_MAX - (1u << 20);
    look_at(1000);
    cr_assert_not(room.full);
}

Test(sqlite_room, what_was_written_since_is_taken_off_the_disk)
{
    room.max_bytes = 0;
    room.min_free_bytes = 1;
    look_at(1000);
    room.spare_bytes = 1000000; /* as if the file system had said so */
    cr_assert(take(200000));
    cr_assert_not(take(200000));
    room.wanted_bytes = 0;
    look_at(1000);
    cr_assert_not(room.full);
    fill(300);
    look_at(1000 + SQLITE_ROOM_LOOK_MS - 1);
    cr_assert(room.full);
}

Test(sqlite_room, a_disk_that_has_just_run_full)
{
    sqlite_room_note_no_space(&room, 1000);
    look_at(1000 + SQLITE_ROOM_NO_SPACE_MS - 1);
    cr_assert(room.full);
    look_at(1000 + SQLITE_ROOM_NO_SPACE_MS);
    cr_assert_not(room.full);
}
