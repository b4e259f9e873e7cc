/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settle debts on a real server: an event that was settled while Redis was killed, frozen, cut off,
 * full or read-only stays a duplicate, with and without L1 (contract C7). What a real server can't
 * be made to do at will is in dedup_redis_debts_fake.c.
 */
#include "redis_debt.h"
#include "support/dedup_bench.h"

#include <criterion/criterion.h>
#include <signal.h>

#define KEY_1 "postern:{github}:01000000000000000000000000000000"
#define MANY 5000u

TestSuite(redis_debts, .init = bench_open_redis, .fini = bench_close);

static uint64_t debts(void)
{
    bench.store->backend->refresh_stats(bench.store);
    return bench.store->stats.debts;
}

static bool has_no_debts(void)
{
    return debts() == 0;
}

/* Event 1 is a duplicate of owner 1's, and everybody who claims it is told so. */
static void check_duplicate(void)
{
    struct call call;
    call_init(&call, 1, 9);
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_DUPLICATE);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert_eq(call.op.first.status, 207);
}

static void kill_server(void)
{
    redis_server_kill(&bench.server);
    bench_run_until(bench_is_down);
}

static void restart_empty(void)
{
    redis_server_restart(&bench.server);
    bench_run_until(bench_is_up);
}

/* ---- the link is lost ---- */

Test(redis_debts, killed_between_claim_and_settle)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(debts(), 1);
    restart_empty();
    check_duplicate();
    cr_assert_eq(debts(), 0);
    cr_assert_eq(bench.store->stats.debts_dropped, 0);
}

Test(redis_debts, killed_with_settles_on_their_way)
{
    static struct call calls[MANY];
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(claim(i, 1), VERDICT_FIRST);
    redis_server_signal(&bench.server, SIGSTOP);
    for (size_t i = 0; i < MANY; i++) {
        call_init(&calls[i], i, 1);
        cr_assert(call_submit(&calls[i], dedup_settle));
    }
    redis_server_kill(&bench.server);
    call_await(&calls[MANY - 1]);
    cr_assert_eq(debts(), MANY);
    restart_empty();
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(claim(i, 2), VERDICT_DUPLICATE);
    cr_assert_eq(debts(), 0);
}

/* The claim is in doubt and its settle is owed: the event was accepted, so nothing is given back.
 */
Test(redis_debts, killed_with_claim_and_settle_on_their_way)
{
    struct call first, second;
    redis_server_signal(&bench.server, SIGSTOP);
    call_init(&first, 1, 1);
    call_init(&second, 1, 1);
    cr_assert(call_submit(&first, dedup_claim));
    cr_assert(call_submit(&second, dedup_settle));
    redis_server_kill(&bench.server);
    call_await(&second);
    cr_assert_eq(first.op.verdict, VERDICT_UNKNOWN);
    restart_empty();
    check_duplicate();
    cr_assert_eq(bench.store->stats.doubtful_released, 0);
}

Test(redis_debts, frozen)
{
    struct call call;
    bench_close_store();
    bench.opts.timeout_ms = 100;
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(claim_short(1, 1), VERDICT_FIRST);
    redis_server_signal(&bench.server, SIGSTOP);
    call_init(&call, 1, 1);
    cr_assert(call_submit(&call, dedup_settle));
    call_await(&call);
    cr_assert_eq(call.op.hold, HOLD_UNKNOWN);
    cr_assert_eq(debts(), 1);
    redis_server_signal(&bench.server, SIGCONT);
    bench_run_until(bench_is_up);
    check_duplicate();
    bench_run_until(has_no_debts);
}

/* The key is there still, and its lease would end. */
Test(redis_debts, cut_off)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "CLIENT KILL TYPE normal"), 1);
    bench_run_until(bench_is_down);
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    bench_run_until(bench_is_up);
    check_duplicate();
}

Test(redis_debts, before_the_first_connection)
{
    bench_close_store();
    bench_open_store();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    bench_run_until(bench_is_up);
    check_duplicate();
}

Test(redis_debts, another_owner_is_left_alone_and_the_debt_paid)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    redis_server_restart(&bench.server);
    cr_assert_eq(redis_server_command(&bench.server, "SET %s p:%s", KEY_1,
                                      "019a0204050670088000000000000000"),
                 1);
    bench_run_until(bench_is_up);
    bench_run_until(has_no_debts);
    cr_assert_eq(claim(1, 3), VERDICT_IN_FLIGHT);
    cr_assert_eq(settle(1, 2), HOLD_KEPT);
}

Test(redis_debts, end_with_the_store)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    bench_close_store();
    bench_open_store();
    cr_assert_eq(debts(), 0);
}

Test(redis_debts, are_bounded)
{
    kill_server();
    for (uint64_t i = 0; i < DEBTS_MAX + 2; i++)
        cr_assert_eq(settle(i, 1), HOLD_UNKNOWN);
    cr_assert_eq(debts(), DEBTS_MAX);
    cr_assert_eq(bench.store->stats.debts_dropped, 2);
    restart_empty();
    cr_assert_eq(claim(1, 2), VERDICT_FIRST, "the oldest were given up");
    cr_assert_eq(claim(2, 2), VERDICT_DUPLICATE);
    cr_assert_eq(claim(DEBTS_MAX + 1, 2), VERDICT_DUPLICATE);
    cr_assert_eq(debts(), 0);
}

/* ---- the window ---- */

static void settle_for(uint64_t window_ms)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.window_ms = window_ms;
    cr_assert_not(call_submit(&call, dedup_settle));
    cr_assert_eq(call.op.hold, HOLD_UNKNOWN);
}

Test(redis_debts, the_window_is_reduced_by_the_time_passed)
{
    kill_server();
    settle_for(BENCH_LONG_MS);
    uint64_t start_ms = loop_now_ms(bench.loop);
    bench_run_for(BENCH_SHORT_MS);
    restart_empty();
    long long passed_ms = (long long)(loop_now_ms(bench.loop) - start_ms);
    check_duplicate();
    long long ttl_ms = redis_server_command(&bench.server, "PTTL %s", KEY_1);
    cr_assert_leq(ttl_ms, (long long)BENCH_LONG_MS - BENCH_SHORT_MS);
    cr_assert_gt(ttl_ms, (long long)BENCH_LONG_MS - passed_ms - 5000, "%lld", ttl_ms);
    cr_assert_eq(redis_server_command(&bench.server, "EVAL %s 1 %s",
                                      "return string.match(redis.call('GET',KEYS[1]),':60000$') "
                                      "and 1 or 0",
                                      KEY_1),
                 1, "the value tells the whole window");
}

Test(redis_debts, a_window_that_ended_meanwhile_is_not_owed)
{
    kill_server();
    settle_for(BENCH_SHORT_MS);
    bench_run_for(BENCH_SHORT_MS);
    restart_empty();
    cr_assert_eq(debts(), 0);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}

/* ---- the server refuses ---- */

#define REFUSED 30u /* paid one a second they would not be through in the test's time */

Test(redis_debts, out_of_memory)
{
    for (uint64_t i = 1; i <= REFUSED; i++)
        cr_assert_eq(claim(i, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET maxmemory 1"), 1);
    for (uint64_t i = 1; i <= REFUSED; i++)
        cr_assert_eq(settle(i, 1), HOLD_UNKNOWN);
    cr_assert_eq(debts(), REFUSED);
    cr_assert(bench.store->stats.up);
    uint64_t errors = bench.store->stats.errors;
    uint64_t start_ms = loop_now_ms(bench.loop);
    bench_run_for(1500);
    cr_assert_leq(bench.store->stats.errors - errors,
                  (loop_now_ms(bench.loop) - start_ms) / 1000 + 1, "one is tried, once a second");
    cr_assert_eq(debts(), REFUSED);
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET maxmemory 0"), 1);
    bench_run_until(has_no_debts);
    check_duplicate();
    cr_assert_eq(claim(REFUSED, 2), VERDICT_DUPLICATE);
    cr_assert_eq(bench.told, 1, "the link was up all the time");
}

Test(redis_debts, a_read_only_replica)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "REPLICAOF 127.0.0.1 1"), 1);
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(redis_server_command(&bench.server, "REPLICAOF NO ONE"), 1);
    bench_run_until(has_no_debts);
    check_duplicate();
}

/* A debt that can't be paid (a stranger's list lies under its key) holds no other one up. */
Test(redis_debts, one_that_is_always_refused)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(settle(2, 1), HOLD_UNKNOWN);
    redis_server_restart(&bench.server);
    cr_assert_eq(redis_server_command(&bench.server, "LPUSH %s a", KEY_1), 1);
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(2, 2), VERDICT_DUPLICATE);
    cr_assert_eq(debts(), 1);
    cr_assert_eq(redis_server_command(&bench.server, "DEL %s", KEY_1), 1);
    bench_run_until(has_no_debts);
    check_duplicate();
}

Test(redis_debts, a_settle_that_was_one_too_many)
{
    struct call other, call;
    bench.opts.pending_max = 1;
    call_init(&other, 2, 1);
    call_init(&call, 1, 1);
    cr_assert(call_submit(&other, dedup_claim));
    cr_assert_not(call_submit(&call, dedup_settle));
    cr_assert_eq(call.op.hold, HOLD_UNKNOWN);
    cr_assert_eq(debts(), 1);
    bench_run_until(has_no_debts);
    check_duplicate();
    cr_assert_eq(bench.told, 1, "the link was up all the time");
}

/* ---- an operator forgets ---- */

Test(redis_debts, forgetting_forgives)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(settle(2, 1), HOLD_UNKNOWN);
    cr_assert_eq(forget(1), HOLD_UNKNOWN, "Redis is away");
    cr_assert_eq(debts(), 1);
    restart_empty();
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
    cr_assert_eq(claim(2, 2), VERDICT_DUPLICATE);
}

Test(redis_debts, forgetting_one_that_is_on_its_way)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    redis_server_restart(&bench.server);
    bench_run_until(bench_is_up);
    cr_assert_eq(debts(), 1, "sent, not answered");
    cr_assert_eq(forget(1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
    cr_assert_eq(debts(), 0);
}

/* To send the lost script again would settle the key after it was forgotten. */
Test(redis_debts, a_settle_that_needs_its_script_again_is_not_sent_after_a_forget)
{
    struct call settled, forgotten;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "SCRIPT FLUSH"), 1);
    call_init(&settled, 1, 1);
    call_init(&forgotten, 1, 1);
    cr_assert(call_submit(&settled, dedup_settle));
    cr_assert(call_submit(&forgotten, dedup_forget));
    call_await(&forgotten);
    cr_assert_eq(settled.op.hold, HOLD_UNKNOWN);
    cr_assert_eq(forgotten.op.hold, HOLD_KEPT);
    cr_assert_eq(debts(), 0);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}

/* ---- L1 ---- */

static void open_with_l1(void)
{
    redis_server_start(&bench.server);
    bench_prepare();
    bench.opts.l1 = key_table_new(2);
    bench.opts.l1_max_age_ms = BENCH_SHORT_MS;
    bench_open_store();
    bench_run_until(bench_is_up);
}

TestSuite(redis_debts_l1, .init = open_with_l1, .fini = bench_close);

static uint64_t l1_hits(void)
{
    return bench.store->stats.l1_hits;
}

Test(redis_debts_l1, answers_while_redis_is_away_beyond_the_age_limit)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    check_duplicate();
    bench_run_for(2 * BENCH_SHORT_MS);
    check_duplicate();
    cr_assert_eq(l1_hits(), 2);
}

Test(redis_debts_l1, answers_up_to_the_end_of_the_window)
{
    kill_server();
    bench.opts.l1_max_age_ms = BENCH_LONG_MS;
    settle_for(BENCH_SHORT_MS);
    check_duplicate();
    bench_run_for(BENCH_SHORT_MS);
    cr_assert_eq(claim(1, 2), VERDICT_UNKNOWN);
}

Test(redis_debts_l1, once_paid_the_age_limit_holds)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    restart_empty();
    bench_run_until(has_no_debts);
    bench_run_for(2 * BENCH_SHORT_MS);
    check_duplicate();
    cr_assert_eq(l1_hits(), 0, "Redis was asked");
    check_duplicate();
    cr_assert_eq(l1_hits(), 1);
}

/* Before it is known that the answer won't come, copies would wait for the stalled link. */
Test(redis_debts_l1, knows_a_settle_from_its_submit_on)
{
    struct call call;
    bench.opts.l1_max_age_ms = BENCH_LONG_MS;
    redis_server_signal(&bench.server, SIGSTOP);
    call_init(&call, 1, 1);
    cr_assert(call_submit(&call, dedup_settle));
    check_duplicate();
    cr_assert_not(call.answered);
    redis_server_signal(&bench.server, SIGCONT);
    call_await(&call);
    cr_assert_eq(call.op.hold, HOLD_LAPSED);
}

Test(redis_debts_l1, knows_debts_even_when_it_is_full)
{
    bench.opts.l1_max_age_ms = BENCH_LONG_MS / 2;
    cr_assert_eq(settle(2, 1), HOLD_LAPSED);
    cr_assert_eq(settle(3, 1), HOLD_LAPSED);
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    check_duplicate();
}

Test(redis_debts_l1, forgetting_forgives_here_too)
{
    kill_server();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(forget(1), HOLD_UNKNOWN);
    cr_assert_eq(claim(1, 2), VERDICT_UNKNOWN);
    restart_empty();
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}
