/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool when processes die, when it is full or broken, when they close in the middle, and with
 * two workers.
 */
#include "support/spooled_rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(spooled_crash, .init = spooled_rig_open, .fini = spooled_rig_close);
TestSuite(spooled_crash_cold, .init = spooled_rig_prepare, .fini = spooled_rig_close);

/* ---- many events, buffered or queued ---- */

#define MANY_MAX 6000u

static struct append many[MANY_MAX];
static size_t many_count;

static bool are_answered(void)
{
    for (size_t i = 0; i < many_count; i++)
        if (many[i].answers == 0)
            return false;
    return true;
}

static void submit(struct append *append)
{
    event_init(append, "r");
    if (!append_submit(append))
        append->answers = 1;
}

static void put_many(size_t count)
{
    for (size_t end = many_count + count; many_count < end; many_count++)
        submit(&many[many_count]);
    rig_run_until(are_answered);
}

static size_t count_ok(void)
{
    size_t count = 0;
    for (size_t i = 0; i < many_count; i++)
        count += many[i].op.status == STATUS_OK;
    return count;
}

/* ---- killed while draining ---- */

static uint64_t wanted;

/* Those before it may have left fewer. */
static bool has_drained(void)
{
    return spooled_stats()->drained_total >= wanted || spooled_is_empty();
}

/* A loop of its own: the parent's must not be touched. */
static _Noreturn void drain_until_killed(int begun_fd)
{
    alarm(60); /* it must not outlive a test that has failed */
    if (loop_open(rig.loop) != STATUS_OK)
        _exit(1);
    spooled_open_workers(1);
    rig_run_until(has_drained);
    if (write(begun_fd, "x", 1) != 1)
        _exit(1);
    rig_run_for(20000);
    _exit(2);
}

static void kill_in_mid_drain(uint64_t after_rows)
{
    int fds[2], result;
    char byte;
    wanted = after_rows;
    cr_assert_eq(pipe(fds), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        drain_until_killed(fds[1]);
    close(fds[1]);
    cr_assert_eq(read(fds[0], &byte, 1), 1);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFSIGNALED(result));
    close(fds[0]);
}

Test(spooled_crash_cold, killed_in_mid_drain_nothing_is_lost_or_there_twice)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    put_many(MANY_MAX);
    cr_assert_eq(count_ok(), MANY_MAX);
    spooled_close_workers();
    pg_server_run(&rig.server);
    for (uint64_t rows = 1; rows <= 1001; rows += 500)
        kill_in_mid_drain(rows);
    spooled_open_workers(1);
    rig_run_until(spooled_is_here);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), MANY_MAX);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event WHERE state = 'queued'"
                               " AND next_attempt_at <= now() AND lease_until IS NULL"),
                 MANY_MAX);
}

/* ---- a spool that is full, or can't be written ---- */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool is_full(void)
{
    return spooled_stats()->full;
}

static bool is_never(void)
{
    return are_answered() && is_full();
}

/* Every event that was not taken is nowhere, every other one arrives. */
Test(spooled_crash_cold, at_its_cap_the_spool_refuses_and_what_was_taken_arrives)
{
    spooled.spool.max_bytes = 2u << 20;
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    while (many_count < MANY_MAX && !is_full()) {
        submit(&many[many_count++]);
        if (many_count % 20 == 0)
            rig_run_until(are_answered);
    }
    rig_run_until(is_never);
    put_many(10);
    cr_assert_eq(many[many_count - 1].op.status, STATUS_FULL);
    size_t taken = count_ok();
    cr_assert(taken > 100 && taken < many_count, "%zu of %zu", taken, many_count);
    cr_assert_eq(rig.journal->stats.dropped, 0, "their senders were told");
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), (long long)taken);
    many_count = 0;
    put_many(10);
    cr_assert_eq(count_ok(), 10);
}

Test(spooled_crash_cold, a_spool_that_cannot_be_written_leaves_nothing_behind)
{
    spooled_open_workers(1);
    rig_run_until(spooled_is_away);
    put_many(10);
    signal(SIGXFSZ, SIG_IGN);
    limit_files_to(4096);
    put_many(50);
    cr_assert_eq(count_ok(), 10);
    limit_files_to(RLIM_INFINITY);
    rig_run_for(6000); /* until it is tried again */
    size_t before = many_count;
    put_many(10);
    cr_assert_eq(count_ok(), 20);
    cr_assert_eq(many[before].op.home, QUEUE_HOME_SPOOL);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 20);
}

/* In doubt and with a spool that fails it waits for PostgreSQL, and is told the truth. */
Test(spooled_crash, what_is_in_doubt_waits_for_postgresql_when_the_spool_fails)
{
    spooled_reopen_quietly();
    signal(SIGXFSZ, SIG_IGN);
    limit_files_to(4096);
    pg_server_freeze(&rig.server);
    submit(&many[many_count++]);
    rig_run_until(spooled_is_away);
    rig_run_for(3000);
    cr_assert_eq(many[0].answers, 0, "status %d home %d", many[0].op.status, many[0].op.home);
    pg_server_thaw(&rig.server);
    rig_run_until(are_answered);
    cr_assert_eq(many[0].op.status, STATUS_OK);
    cr_assert_eq(many[0].op.home, QUEUE_HOME_JOURNAL);
    cr_assert_not(many[0].op.leased);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 1);
    limit_files_to(RLIM_INFINITY);
}

/* ---- closing ---- */

Test(spooled_crash, what_waits_when_it_closes_goes_to_the_spool)
{
    struct append buffered;
    spooled_reopen_quietly();
    pg_server_freeze(&rig.server);
    submit(&many[many_count++]);
    rig_run_for(50);
    append_init(&buffered);
    buffered.op.level = JOURNAL_BUFFERED;
    cr_assert_eq(append_now(&buffered), STATUS_OK);
    submit(&many[many_count++]);
    spooled_close_workers();
    cr_assert_eq(count_ok(), 2);
    cr_assert_eq(spooled_number("SELECT count(*) FROM event"), 3);
    cr_assert_eq(spooled_number("SELECT count(*) FROM event WHERE doubtful = 1"), 1);
    pg_server_stop(&rig.server);
    pg_server_run(&rig.server);
    spooled_open_workers(1);
    rig_run_until(spooled_is_here);
    rig_run_until(spooled_is_empty);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 3);
}

static bool drained;

static void on_drained(void *arg)
{
    (void)arg;
    drained = true;
}

static bool is_drained(void)
{
    return drained;
}

Test(spooled_crash, draining_ends_in_the_spool_when_postgresql_does_not_answer)
{
    pg_server_freeze(&rig.server);
    many_count = 2;
    submit(&many[0]);
    rig_run_for(50);
    submit(&many[1]);
    uint64_t begun_ms = loop_now_ms(rig.loop);
    journal_drain(rig.journal, begun_ms + 600, on_drained, NULL);
    rig_run_until(is_drained);
    cr_assert_leq(loop_now_ms(rig.loop), begun_ms + 800);
    cr_assert_eq(many[1].op.home, QUEUE_HOME_SPOOL);
    spooled_close_workers();
    cr_assert_eq(spooled_number("SELECT count(*) FROM event"), 2);
}

/* ---- two workers ---- */

static bool is_all_told(void)
{
    return spooled_stats()->rows == 400;
}

Test(spooled_crash_cold, two_workers_share_a_spool)
{
    spooled_open_workers(2);
    rig_run_until(spooled_is_away);
    put_many(200);
    rig.journal = spooled.workers[1].journal;
    put_many(200);
    cr_assert_eq(count_ok(), 400);
    rig_run_until(is_all_told);
    cr_assert_eq(spooled_stats()->spooled_total, 200);
    pg_server_run(&rig.server);
    rig_run_until(spooled_is_empty);
    put_many(10);
    rig.journal = spooled.workers[0].journal;
    put_many(10);
    cr_assert_eq(spooled_there("SELECT count(*) FROM event"), 420);
}
