/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the Redis store can show on a healthy server: the text of keys and values, values that
 * are not ours, set-up and its findings, pipelining and its bound, L1.
 */
#include "support/dedup_bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(redis_data, .init = bench_open_redis, .fini = bench_close);

#define KEY_1 "postern:{github}:01000000000000000000000000000000"

/* 1 when the key of event 1 holds exactly `value`. */
static long long holds(const char *value)
{
    return redis_server_command(&bench.server, "EVAL %s 1 %s %s",
                                "return redis.call('GET',KEYS[1])==ARGV[1] and 1 or 0", KEY_1,
                                value);
}

Test(redis_data, key_and_values_read_as_documented)
{
    struct call call;
    char done[128];
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(holds("p:019a0104050670088000000000000000"), 1);
    call_init(&call, 1, 1);
    cr_assert(call_submit(&call, dedup_settle));
    call_await(&call);
    snprintf(done, sizeof done, "d:019a0104050670088000000000000000:207:%llu:60000",
             (unsigned long long)call.op.done.accepted_at_ms);
    cr_assert_eq(holds(done), 1);
    long long ttl_ms = redis_server_command(&bench.server, "PTTL %s", KEY_1);
    cr_assert(ttl_ms > BENCH_LONG_MS - 10000 && ttl_ms <= BENCH_LONG_MS, "%lld", ttl_ms);
}

Test(redis_data, routes_with_the_same_digest_are_separate)
{
    struct call call;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    call_init(&call, 1, 2);
    call.op.route = SLICE("stripe");
    cr_assert(call_submit(&call, dedup_claim));
    call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_FIRST);
}

Test(redis_data, values_that_are_not_ours_are_unknown)
{
    static const char *const values[] = {
        "",
        "1",
        "x:019a0104050670088000000000000000",
        "p:019a01040506700880000000000000",
        "p:019A0104050670088000000000000000",
        "p:019a0104050670088000000000000000:2",
        "d:019a0104050670088000000000000000",
        "d:019a0104050670088000000000000000:200:1:1:newer",
        "d2:019a0104050670088000000000000000:200:1:1",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cr_assert_eq(redis_server_command(&bench.server, "SET %s %s", KEY_1, values[i]), 1);
        cr_expect_eq(claim(1, 2), VERDICT_UNKNOWN, "%s", values[i]);
        cr_expect_eq(renew(1, 2), HOLD_LOST, "%s", values[i]);
        cr_expect_eq(settle(1, 2), HOLD_LOST, "%s", values[i]);
        cr_expect_eq(release(1, 2), HOLD_LOST, "%s", values[i]);
        cr_expect_eq(holds(values[i]), 1, "changed: %s", values[i]);
    }
    cr_assert_eq(bench.store->stats.errors, sizeof values / sizeof *values);
    cr_assert_eq(forget(1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}

Test(redis_data, a_key_of_another_type_is_unknown)
{
    cr_assert_eq(redis_server_command(&bench.server, "LPUSH %s a", KEY_1), 1);
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
    cr_assert_eq(renew(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(release(1, 1), HOLD_UNKNOWN);
    cr_assert_eq(bench.store->stats.errors, 4);
    cr_assert(bench.store->stats.up, "the link is none the worse");
    cr_assert_eq(forget(1), HOLD_KEPT);
}

Test(redis_data, a_huge_strange_value_does_no_harm)
{
    cr_assert_eq(redis_server_command(&bench.server, "SETRANGE %s 200000 x", KEY_1), 200001);
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
    cr_assert_eq(claim(2, 1), VERDICT_FIRST);
}

/* ---- set-up ---- */

static void start_server(void)
{
    redis_server_start(&bench.server);
    bench_prepare();
}

TestSuite(redis_setup, .init = start_server, .fini = bench_close);

Test(redis_setup, password)
{
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET requirepass secret"), 1);
    bench.opts.password = SLICE("secret");
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(bench.finding, REDIS_FINDING_NONE);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
}

Test(redis_setup, user_and_password)
{
    cr_assert_eq(
        redis_server_command(&bench.server, "ACL SETUSER postern on >secret ~postern:* +@all"), 1);
    bench.opts.username = SLICE("postern");
    bench.opts.password = SLICE("secret");
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "ACL SETUSER postern resetkeys"), 1);
    cr_assert_eq(claim(2, 1), VERDICT_UNKNOWN, "NOPERM");
}

Test(redis_setup, wrong_password_is_told_once_and_without_the_password)
{
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET requirepass secret"), 1);
    bench.opts.password = SLICE("wrong-password");
    bench_open_store();
    bench_run_until(bench_is_down);
    cr_assert_eq(bench.finding, REDIS_FINDING_AUTH);
    cr_assert_null(strstr(bench.detail, "wrong-password"));
    bench_run_for(500);
    cr_assert_eq(bench.told, 1, "though it was tried several times");
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
}

Test(redis_setup, no_password)
{
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET requirepass secret"), 1);
    bench_open_store();
    bench_run_until(bench_is_down);
    cr_assert_eq(bench.finding, REDIS_FINDING_AUTH);
}

Test(redis_setup, database)
{
    bench.opts.database = 3;
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "EXISTS %s", KEY_1), 0);
    cr_assert_eq(redis_server_command(&bench.server, "EVAL %s 1 %s",
                                      "redis.call('SELECT',3) return redis.call('EXISTS',KEYS[1])",
                                      KEY_1),
                 1);
}

Test(redis_setup, database_out_of_range)
{
    bench.opts.database = 99;
    bench_open_store();
    bench_run_until(bench_is_down);
    cr_assert_eq(bench.finding, REDIS_FINDING_NONE);
    cr_assert_not_null(strstr(bench.detail, "out of range"), "%s", bench.detail);
}

static void check_evicting(const char *policy)
{
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET maxmemory-policy %s", policy), 1);
    bench.opts.strict = false;
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_expect_eq(bench.finding, REDIS_FINDING_EVICTING);
    cr_expect_not_null(strstr(bench.detail, policy), "%s", bench.detail);
    cr_expect_eq(claim(1, 1), VERDICT_FIRST);
    cr_expect_eq(forget(1), HOLD_KEPT);
    bench_close_store();
    bench.opts.strict = true;
    bench_open_store();
    bench_run_until(bench_is_down);
    cr_expect_eq(bench.finding, REDIS_FINDING_EVICTING);
    cr_expect_eq(claim(1, 1), VERDICT_UNKNOWN);
    bench_close_store();
}

Test(redis_setup, evicting_policies_are_told_and_refused_when_strict)
{
    check_evicting("allkeys-lru");
    check_evicting("volatile-ttl");
}

Test(redis_setup, host_by_name)
{
    bench.opts.host = SLICE("localhost");
    bench_open_store();
    bench_run_until(bench_is_up);
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
}

Test(redis_setup, host_that_is_too_long_is_refused)
{
    static char host[300];
    struct dedup *store = NULL;
    memset(host, 'a', sizeof host);
    bench.opts.host = slice_of(host, sizeof host);
    cr_assert_eq(dedup_redis_open(bench.loop, &bench.opts, (struct redis_listener){0}, &store),
                 STATUS_INVALID);
    cr_assert_null(store);
}

/* ---- pipelining ---- */

#define MANY 10000u

static struct call many[MANY + 1];
static size_t answered_in_order;

static void check_order(struct call *call)
{
    if (call == &many[answered_in_order])
        answered_in_order++;
}

static bool all_in_order(void)
{
    return answered_in_order == MANY;
}

Test(redis_data, ten_thousand_commands_of_one_turn_are_answered_in_order)
{
    for (size_t i = 0; i < MANY; i++) {
        call_init(&many[i], i / 2, (uint8_t)(i % 2));
        many[i].then = check_order;
        cr_assert(call_submit(&many[i], dedup_claim));
    }
    cr_assert_eq(bench.store->stats.pending, MANY);
    bench_run_until(all_in_order);
    for (size_t i = 0; i < MANY; i++)
        cr_assert_eq(many[i].op.verdict, i % 2 ? VERDICT_IN_FLIGHT : VERDICT_FIRST);
    cr_assert_eq(bench.store->stats.pending, 0);
}

Test(redis_setup, commands_in_flight_are_bounded)
{
    bench.opts.pending_max = 3;
    bench_open_store();
    bench_run_until(bench_is_up);
    for (size_t i = 0; i < 3; i++) {
        call_init(&many[i], i, 1);
        cr_assert(call_submit(&many[i], dedup_claim));
    }
    call_init(&many[3], 3, 1);
    cr_assert_not(call_submit(&many[3], dedup_claim));
    cr_assert_eq(many[3].op.verdict, VERDICT_UNKNOWN);
    cr_assert_eq(bench.store->stats.errors, 1);
    call_await(&many[2]);
    cr_assert(call_submit(&many[3], dedup_claim));
    call_await(&many[3]);
    cr_assert_eq(many[3].op.verdict, VERDICT_FIRST);
}

/* ---- L1 ---- */

static void open_with_l1(void)
{
    start_server();
    bench.opts.l1 = key_table_new(1000);
    bench.opts.l1_max_age_ms = BENCH_LONG_MS;
    bench_open_store();
    bench_run_until(bench_is_up);
}

TestSuite(redis_l1, .init = open_with_l1, .fini = bench_close);

/* Claims event 1; true when L1 answered that it is a duplicate of owner 1's. */
static bool l1_knows(void)
{
    struct call call;
    call_init(&call, 1, 9);
    if (call_submit(&call, dedup_claim))
        call_await(&call);
    if (!call.op.from_l1)
        return false;
    cr_assert_eq(call.op.verdict, VERDICT_DUPLICATE);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert_eq(call.op.first.status, 207);
    return true;
}

static void settle_for(uint64_t window_ms)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.window_ms = window_ms;
    cr_assert(call_submit(&call, dedup_settle));
    call_await(&call);
    cr_assert_neq(call.op.hold, HOLD_LOST);
}

Test(redis_l1, learns_what_it_settled)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_not(l1_knows(), "pending is nothing for L1");
    settle_for(BENCH_LONG_MS);
    cr_assert(l1_knows());
    cr_assert_eq(bench.store->stats.l1_hits, 1);
    bench.store->backend->refresh_stats(bench.store);
    cr_assert_eq(bench.store->stats.keys, 1);
}

Test(redis_l1, learns_from_duplicates_that_others_settled)
{
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    settle_for(BENCH_LONG_MS);
    key_table_free(bench.opts.l1);
    bench.opts.l1 = key_table_new(1000);
    cr_assert_not(l1_knows(), "answered by Redis");
    cr_assert(l1_knows(), "that taught it");
}

Test(redis_l1, believes_no_longer_than_its_age_limit)
{
    bench.opts.l1_max_age_ms = BENCH_SHORT_MS;
    settle_for(BENCH_LONG_MS);
    cr_assert(l1_knows());
    bench_run_for(BENCH_SHORT_MS + 10);
    cr_assert_not(l1_knows(), "asked Redis again");
    cr_assert(l1_knows());
}

Test(redis_l1, believes_no_longer_than_the_window)
{
    uint64_t start_ms = loop_now_ms(bench.loop);
    settle_for(BENCH_SHORT_MS);
    cr_assert(l1_knows());
    cr_assert_geq(claim_until_first(1, 2, start_ms) + 2, BENCH_SHORT_MS);
}

Test(redis_l1, a_window_counts_from_the_acceptance)
{
    struct call call;
    call_init(&call, 1, 1);
    call.op.done.accepted_at_ms -= BENCH_LONG_MS;
    cr_assert(call_submit(&call, dedup_settle));
    call_await(&call);
    cr_assert_not(l1_knows());
}

Test(redis_l1, forgets)
{
    settle_for(BENCH_LONG_MS);
    cr_assert(l1_knows());
    cr_assert_eq(forget(1), HOLD_KEPT);
    cr_assert_eq(claim(1, 2), VERDICT_FIRST);
}

Test(redis_l1, answers_while_redis_is_away)
{
    settle_for(BENCH_LONG_MS);
    redis_server_kill(&bench.server);
    bench_run_until(bench_is_down);
    cr_assert(l1_knows());
    cr_assert_eq(claim(2, 1), VERDICT_UNKNOWN);
}
