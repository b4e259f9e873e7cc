/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's contract on SQLite (the suite), and what only SQLite can show: a file that can't be
 * written for a while, and a process that is killed between taking and finishing.
 */
#include "support/queue_rig.h"
#include "support/queue_suite.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

TestSuite(queue_sqlite, .init = open_rig, .fini = queue_rig_close);

#define SUITE_TEST(name)                                                                           \
    Test(queue_sqlite, name)                                                                       \
    {                                                                                              \
        queue_suite_##name();                                                                      \
    }
QUEUE_SUITE(SUITE_TEST)

/* ---- a file that can't be written ---- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool has_failed(void)
{
    return qrig.queues[0]->stats.errors > 0;
}

Test(queue_sqlite, outcomes_wait_for_a_file_that_can_be_written)
{
    struct uuid id = queue_put("r");
    struct finish finish;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(take_of(0, "r", 1, 60000), 1);
    limit_files_to(4096);
    finish_init(&finish, &id, 1, QUEUE_DELIVERED);
    finish_submit(0, &finish);
    rig_run_until(has_failed);
    cr_assert_not(qrig.queues[0]->stats.up);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, 1);
    limit_files_to(RLIM_INFINITY);
    cr_assert_eq(finish_await(&finish), STATUS_OK);
    cr_assert_eq(qrig.queues[0]->stats.pending_finishes, 0);
    cr_assert_eq(queue_number("SELECT count(*) FROM event WHERE state = 'delivered'"), 1);
}

Test(queue_sqlite, a_take_that_fails_has_taken_nothing)
{
    queue_put("r");
    signal(SIGXFSZ, SIG_IGN);
    limit_files_to(4096);
    take_wants(0, &(struct queue_want){SLICE("r"), 1, 60000}, 1, SIZE_MAX);
    cr_assert_eq(qrig.take.status, STATUS_UNAVAILABLE);
    limit_files_to(RLIM_INFINITY);
    cr_assert_eq(take_of(0, "r", 1, 60000), 1);
}

/* ---- kill -9 ---- */

static const struct queue_route route = {.name = {"r", 1}, .max_age_ms = UINT64_MAX};

/* The child: takes two, ends one, and is killed with the other in its hands. */
static _Noreturn void take_and_die(const struct uuid *ids)
{
    queue_rig_open(&kind);
    for (int i = 0; i < 2; i++) {
        struct append append;
        event_init(&append, "r");
        append.record.event_id = ids[i];
        if (append_now(&append) != STATUS_OK)
            _exit(1);
    }
    if (take_of(0, "r", 2, 3600000) != 2 ||
        end_attempt(0, &ids[0], 1, QUEUE_DELIVERED) != STATUS_OK)
        _exit(2);
    raise(SIGKILL);
    _exit(3);
}

Test(queue_sqlite_killed, what_was_taken_is_due_again_and_what_was_delivered_is_not,
     .fini = queue_rig_close)
{
    int result;
    struct uuid ids[2] = {id_at(1700000000000u), id_at(1700000000001u)};
    rig_make_folder();
    pid_t child = fork();
    if (child == 0)
        take_and_die(ids);
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
    queue_rig_open(&kind);
    cr_assert_eq(take_of(0, "r", 9, 60000), 1, "at once: its owner is dead");
    cr_assert(was_taken(&ids[1]));
    cr_assert_eq(upkeep_with(0, &route, 1)->queued_now, 1);
}
