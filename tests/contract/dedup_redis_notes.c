/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes on a real Redis: how they read there, debts that have one while the server is killed,
 * emptied and cut off, and what L1 tells of them.
 */
#include "redis_debt.h"
#include "support/dedup_bench.h"

#include <criterion/criterion.h>
#include <signal.h>

#define KEY_1 "postern:{github}:01000000000000000000000000000000"
#define TOKEN_1                                                                                    \
    "019a010405067008"                                                                             \
    "8000000000000000"

static uint64_t debts(void)
{
    bench.store->backend->refresh_stats(bench.store);
    return bench.store->stats.debts;
}

static bool has_no_debts(void)
{
    return debts() == 0;
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

/* What EVAL of a comparison with a pattern of Lua says of the value of key 1. */
static bool value_matches(const char *pattern)
{
    return redis_server_command(&bench.server, "EVAL %s 1 " KEY_1 " %s",
                                "local v=redis.call('GET',KEYS[1]) "
                                "return v and string.find(v,ARGV[1]) and 1 or 0",
                                pattern) == 1;
}

/* ---- how they read ---- */

TestSuite(redis_notes, .init = bench_open_redis, .fini = bench_close);

Test(redis_notes, read_as_documented)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("F;\n")), VERDICT_FIRST);
    cr_assert(value_matches("^p:" TOKEN_1 ";F;\n$"));
    cr_assert_eq(settle_noted(1, 1, SLICE("R 1"), 0), HOLD_KEPT);
    cr_assert(value_matches("^d:" TOKEN_1 ":207:%d+:60000;R 1$"));
}

Test(redis_notes, without_one_values_are_those_of_older_versions)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("")), VERDICT_FIRST);
    cr_assert(value_matches("^p:" TOKEN_1 "$"));
    cr_assert_eq(settle_noted(1, 1, SLICE(""), 0), HOLD_KEPT);
    cr_assert(value_matches("^d:" TOKEN_1 ":207:%d+:60000$"));
}

Test(redis_notes, a_mark_without_a_note_is_unknown)
{
    cr_assert_eq(redis_server_command(&bench.server, "SET " KEY_1 " p:" TOKEN_1 ";"), 1);
    cr_assert_eq(claim_noted(1, 2, SLICE("n")), VERDICT_UNKNOWN);
    cr_assert_eq(redis_server_command(&bench.server, "SET " KEY_1 " p:" TOKEN_1 "0;n"), 1);
    cr_assert_eq(claim_noted(1, 2, SLICE("n")), VERDICT_UNKNOWN);
    cr_assert_eq(renew(1, 1), HOLD_LOST, "a longer token is another");
    cr_assert_eq(settle(1, 1), HOLD_LOST);
    cr_assert_eq(release(1, 1), HOLD_LOST);
}

Test(redis_notes, lost_scripts_are_sent_along)
{
    cr_assert_eq(claim_noted(1, 1, long_note(100000)), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "SCRIPT FLUSH"), 1);
    cr_assert_eq(renew(1, 1), HOLD_KEPT);
    cr_assert_eq(redis_server_command(&bench.server, "SCRIPT FLUSH"), 1);
    cr_assert_eq(settle_noted(1, 1, long_note(200000), 34), HOLD_KEPT);
    cr_assert(is_noted(1, long_note(200000)));
    cr_assert_eq(bench.store->stats.errors, 0);
}

/* ---- doubts ---- */

Test(redis_notes, a_noted_claim_in_doubt_is_given_back)
{
    struct call call;
    redis_server_signal(&bench.server, SIGSTOP);
    call_init(&call, 1, 1);
    call.op.note = long_note(5000);
    cr_assert(call_submit(&call, dedup_claim));
    bench_run_until(bench_is_down);
    cr_assert(call.answered);
    cr_assert_eq(call.op.verdict, VERDICT_UNKNOWN);
    redis_server_signal(&bench.server, SIGCONT);
    bench_run_until(bench_is_up);
    cr_assert_eq(peek_noted(1, 2), VERDICT_FIRST);
}

Test(redis_notes, a_look_that_is_lost_is_unknown_and_owes_nothing)
{
    struct call call;
    redis_server_signal(&bench.server, SIGSTOP);
    call_init(&call, 1, 1);
    cr_assert(call_submit(&call, dedup_peek));
    redis_server_kill(&bench.server);
    call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_UNKNOWN);
    cr_assert_eq(bench.store->stats.errors, 1);
    restart_empty();
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(bench.store->stats.doubtful_released, 0);
}

/* ---- debts ---- */

Test(redis_notes, a_debt_keeps_its_note)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("claimed")), VERDICT_FIRST);
    kill_server();
    cr_assert_eq(settle_noted(1, 1, long_note(100000), 34), HOLD_UNKNOWN);
    cr_assert_eq(debts(), 1);
    restart_empty();
    cr_assert_eq(claim_noted(1, 2, SLICE("mine")), VERDICT_DUPLICATE);
    cr_assert(slice_eq(buf_slice(&bench.note), long_note(100000)));
    cr_assert_eq(debts(), 0);
}

Test(redis_notes, many_debts_keep_what_is_essential)
{
    enum { BIG = 40 };
    unsigned whole = 0, essential = 0;
    for (uint64_t i = 0; i < BIG; i++)
        cr_assert_eq(claim_noted(i, 1, long_note(34)), VERDICT_FIRST);
    kill_server();
    for (uint64_t i = 0; i < BIG; i++)
        cr_assert_eq(settle_noted(i, 1, long_note(1u << 20), 34), HOLD_UNKNOWN);
    cr_assert_eq(debts(), BIG);
    restart_empty();
    bench_run_until(has_no_debts);
    for (uint64_t i = 0; i < BIG; i++) {
        whole += is_noted(i, long_note(1u << 20));
        essential += is_noted(i, long_note(34));
    }
    cr_assert_eq(whole, DEBT_NOTES_MAX_BYTES >> 20);
    cr_assert_eq(essential, BIG - whole);
    cr_assert_eq(bench.store->stats.debts_dropped, 0);
}

Test(redis_notes, a_debt_without_a_note_takes_the_claims_over)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("claimed")), VERDICT_FIRST);
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET maxmemory 1"), 1);
    cr_assert_eq(settle_noted(1, 1, SLICE(""), 0), HOLD_UNKNOWN);
    cr_assert_eq(redis_server_command(&bench.server, "CONFIG SET maxmemory 0"), 1);
    bench_run_until(has_no_debts);
    cr_assert_eq(claim_noted(1, 2, SLICE("mine")), VERDICT_DUPLICATE);
    cr_assert(slice_eq(buf_slice(&bench.note), SLICE("claimed")));
}

/* ---- L1 ---- */

static void open_with_l1(void)
{
    redis_server_start(&bench.server);
    bench_prepare();
    bench.opts.l1 = key_table_new(1000);
    cr_assert_not_null(bench.opts.l1);
    bench.opts.l1_max_age_ms = BENCH_LONG_MS;
    bench_open_store();
    bench_run_until(bench_is_up);
}

TestSuite(redis_notes_l1, .init = open_with_l1, .fini = bench_close);

static struct call noted_claim(uint64_t number, uint8_t owner)
{
    struct call call;
    call_init(&call, number, owner);
    call.op.noted = true;
    call.op.ret_note = &bench.note;
    return call;
}

Test(redis_notes_l1, is_skipped_both_ways)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("n")), VERDICT_FIRST);
    cr_assert_eq(settle_noted(1, 1, SLICE("n"), 0), HOLD_KEPT);
    cr_assert_eq(claim_noted(1, 2, SLICE("n")), VERDICT_DUPLICATE);
    cr_assert_eq(key_table_count(bench.opts.l1), 0, "learned nothing");
    cr_assert_eq(claim(2, 1), VERDICT_FIRST);
    cr_assert_eq(settle(2, 1), HOLD_KEPT);
    cr_assert_eq(key_table_count(bench.opts.l1), 1);
    struct call call = noted_claim(2, 2);
    cr_assert(call_submit(&call, dedup_claim), "is not asked");
    call_await(&call);
    cr_assert_not(call.op.from_l1);
}

Test(redis_notes_l1, a_look_learns_nothing_but_is_told)
{
    struct call call;
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    call_init(&call, 1, 2);
    cr_assert_not(call_submit(&call, dedup_peek));
    cr_assert(call.op.from_l1 && call.op.verdict == VERDICT_DUPLICATE);
    cr_assert_eq(bench.store->stats.l1_hits, 0, "those are claims");
    bench_close_store();
    key_table_free(bench.opts.l1);
    bench.opts.l1 = key_table_new(1000);
    bench_open_store();
    bench_run_until(bench_is_up);
    call_init(&call, 1, 2);
    cr_assert(call_submit(&call, dedup_peek));
    call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_DUPLICATE);
    cr_assert_eq(key_table_count(bench.opts.l1), 0);
}

Test(redis_notes_l1, tells_debts_with_their_notes_until_they_are_paid)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("claimed")), VERDICT_FIRST);
    kill_server();
    cr_assert_eq(settle_noted(1, 1, SLICE("settled"), 1), HOLD_UNKNOWN);
    struct call call = noted_claim(1, 2);
    cr_assert_not(call_submit(&call, dedup_claim));
    cr_assert(call.op.from_l1 && call.op.verdict == VERDICT_DUPLICATE);
    cr_assert(is_token(&call.op.first.event_id, 1));
    cr_assert(slice_eq(buf_slice(&bench.note), SLICE("settled")));
    restart_empty();
    bench_run_until(has_no_debts);
    call = noted_claim(1, 2);
    cr_assert(call_submit(&call, dedup_claim));
    call_await(&call);
    cr_assert_eq(call.op.verdict, VERDICT_DUPLICATE);
    cr_assert(slice_eq(buf_slice(&bench.note), SLICE("settled")));
    cr_assert_eq(key_table_count(bench.opts.l1), 0);
    cr_assert_eq(key_table_note_bytes(bench.opts.l1), 0);
}

Test(redis_notes_l1, forgetting_a_noted_debt_forgives_it)
{
    cr_assert_eq(claim_noted(1, 1, SLICE("claimed")), VERDICT_FIRST);
    kill_server();
    cr_assert_eq(settle_noted(1, 1, SLICE("settled"), 1), HOLD_UNKNOWN);
    cr_assert_eq(forget(1), HOLD_UNKNOWN);
    cr_assert_eq(key_table_note_bytes(bench.opts.l1), 0);
    restart_empty();
    cr_assert_eq(claim_noted(1, 2, SLICE("n")), VERDICT_FIRST);
}
