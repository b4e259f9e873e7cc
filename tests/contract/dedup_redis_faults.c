/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis store while a real server is killed, frozen, emptied, cut off or not there yet.
 */
#include "support/dedup_bench.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#define SOME                                                                                       \
    1000u /* below the bound of claims in doubt; their commands exceed one read of Redis           \
           */

TestSuite(redis_faults, .init = bench_open_redis, .fini = bench_close);

static struct call calls[SOME];

static bool all_answered(void)
{
    for (size_t i = 0; i < SOME; i++)
        if (!calls[i].answered)
            return false;
    return true;
}

static void submit_all(uint8_t owner)
{
    for (size_t i = 0; i < SOME; i++) {
        call_init(&calls[i], i, owner);
        cr_assert(call_submit(&calls[i], dedup_claim));
    }
}

static unsigned count_verdicts(enum verdict verdict)
{
    unsigned count = 0;
    for (size_t i = 0; i < SOME; i++)
        count += calls[i].op.verdict == verdict;
    return count;
}

Test(redis_faults, lost_scripts_are_sent_along)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "SCRIPT FLUSH"), 1);
    cr_assert_eq(renew(1, 1), HOLD_KEPT);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert_eq(release(1, 1), HOLD_LOST);
    cr_assert_eq(bench.store->stats.errors, 0);
}

Test(redis_faults, lost_data_is_told_as_lapsed)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(claim(2, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "FLUSHALL"), 1);
    cr_assert_eq(settle(1, 1), HOLD_LAPSED);
    cr_assert_eq(renew(2, 1), HOLD_LAPSED);
    cr_assert_eq(claim(1, 2), VERDICT_DUPLICATE);
}

Test(redis_faults, data_lost_with_claims_in_flight_breaks_nothing)
{
    submit_all(1);
    cr_assert_eq(redis_server_command(&bench.server, "FLUSHALL"), 1);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_FIRST), SOME);
}

Test(redis_faults, a_cut_connection_comes_again)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "CLIENT KILL TYPE normal"), 1);
    bench_run_until(bench_is_down);
    cr_assert_str_eq(bench.detail, "closed by the server");
    cr_assert_eq(claim(1, 2), VERDICT_UNKNOWN);
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(1, 2), VERDICT_IN_FLIGHT);
    cr_assert_eq(bench.store->stats.reconnects, 1);
}

Test(redis_faults, a_killed_server_answers_unknown_and_is_found_again)
{
    redis_server_signal(&bench.server, SIGSTOP);
    submit_all(1);
    redis_server_kill(&bench.server);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_UNKNOWN), SOME);
    cr_assert_eq(bench.store->stats.pending, 0);
    cr_assert_not(bench.store->stats.up);
    redis_server_restart(&bench.server);
    bench_run_until(bench_is_up);
    submit_all(2);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_FIRST), SOME);
}

/* The claims lie unread in the frozen server's socket and are run when it thaws; none may stay. */
Test(redis_faults, ghost_claims_of_a_frozen_server_are_given_back)
{
    bench_close_store();
    bench.opts.timeout_ms = 600;
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(5000, 1), VERDICT_FIRST);
    redis_server_signal(&bench.server, SIGSTOP);
    uint64_t start_ms = loop_now_ms(bench.loop);
    submit_all(1);
    bench_run_until(all_answered);
    cr_assert_geq(loop_now_ms(bench.loop) - start_ms, 4 * bench.opts.timeout_ms);
    cr_assert_eq(count_verdicts(VERDICT_UNKNOWN), SOME);
    cr_assert(bench_is_down());
    redis_server_signal(&bench.server, SIGCONT);
    bench_run_until(bench_is_up);
    submit_all(2);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_FIRST), SOME, "%u", count_verdicts(VERDICT_FIRST));
    cr_assert_eq(claim(5000, 2), VERDICT_IN_FLIGHT, "an answered claim is not touched");
    submit_all(3);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_IN_FLIGHT), SOME, "nobody's claim vanished");
}

Test(redis_faults, a_short_freeze_is_waited_for)
{
    redis_server_signal(&bench.server, SIGSTOP);
    submit_all(1);
    bench_run_for(100);
    redis_server_signal(&bench.server, SIGCONT);
    bench_run_until(all_answered);
    cr_assert_eq(count_verdicts(VERDICT_FIRST), SOME);
    cr_assert_eq(bench.told, 1);
}

static bool has_told_twice(void)
{
    return bench.told >= 2;
}

Test(redis_faults, a_server_that_is_not_there_yet)
{
    bench_close_store();
    redis_server_kill(&bench.server);
    bench_open_store();
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN, "before the first attempt");
    bench_run_until(bench_is_down);
    bench_run_for(500);
    cr_assert_eq(bench.told, 1, "the same reason is told once");
    cr_assert_eq(bench.store->stats.reconnects, 0);
    redis_server_restart(&bench.server);
    bench_run_until(has_told_twice);
    cr_assert(bench_is_up());
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
}

Test(redis_faults, a_name_that_does_not_exist)
{
    bench_close_store();
    bench.opts.host = SLICE("no-such-host.invalid");
    bench.opts.timeout_ms = 5000;
    bench_open_store();
    bench_run_until(bench_is_down);
    cr_assert_str_eq(bench.detail, "host name not found");
}
