/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settle debts against a scripted server that counts commands: what is sent again, and above all
 * what isn't.
 */
#include "support/dedup_bench.h"
#include "support/fake_redis.h"

#include <criterion/criterion.h>

#define NIL "$-1\r\n"
#define KEPT ":1\r\n"
#define NEVER ""

static struct fake_redis fake;

static void open_fake(void)
{
    bench_prepare();
    bench.opts.timeout_ms = 50;
    fake.answers[0] = (struct fake_answer){"SET", NIL};
    fake.answers[1] = (struct fake_answer){"EVALSHA", NEVER};
    fake.answers[2] = (struct fake_answer){"EVAL", KEPT};
    fake.answers[3] = (struct fake_answer){"DEL", NEVER};
    fake_redis_start(&fake);
    bench.opts.port = fake.port;
    bench_open_store();
    bench_run_until(bench_is_up);
}

static void finish(void)
{
    bench_close();
    fake_redis_stop(&fake);
}

TestSuite(redis_debts_fake, .init = open_fake, .fini = finish);

/* From the next connection on; none is open now. */
static void answer_scripts(const char *reply)
{
    cr_assert(bench_is_down());
    fake.answers[1].reply = reply;
}

static unsigned commands(void)
{
    return atomic_load(&fake.commands);
}

static uint64_t debts(void)
{
    bench.store->backend->refresh_stats(bench.store);
    return bench.store->stats.debts;
}

static bool has_no_debts(void)
{
    return debts() == 0;
}

/* A settle whose answer never comes: UNKNOWN by the stall rule. */
static void lose_a_settle(void)
{
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN);
    cr_assert(bench_is_down());
    cr_assert_eq(debts(), 1);
}

Test(redis_debts_fake, a_settle_without_an_answer_is_sent_again_once)
{
    lose_a_settle();
    answer_scripts(KEPT);
    bench_run_until(has_no_debts);
    bench_run_for(50);
    cr_assert_eq(commands(), 2);
    cr_assert_eq(bench.store->stats.errors, 1);
}

static bool has_lost_the_link_again(void)
{
    return bench.told == 4 && bench_is_down(); /* up, down, up, down */
}

static void check_still_owed(const char *reply)
{
    lose_a_settle();
    answer_scripts(reply);
    bench_run_until(has_lost_the_link_again);
    cr_assert_eq(debts(), 1);
    answer_scripts(KEPT);
    bench_run_until(has_no_debts);
    cr_assert_eq(commands(), 3);
}

Test(redis_debts_fake, an_answer_that_is_missing_again_leaves_it_owed)
{
    check_still_owed(NEVER);
}

Test(redis_debts_fake, an_answer_that_makes_no_sense_leaves_it_owed)
{
    check_still_owed("+OK\r\n");
}

Test(redis_debts_fake, a_replica_leaves_it_owed)
{
    check_still_owed("-READONLY You can't write against a read only replica.\r\n");
}

Test(redis_debts_fake, a_lost_script_is_sent_along)
{
    lose_a_settle();
    answer_scripts("-NOSCRIPT No matching script.\r\n");
    bench_run_until(has_no_debts);
    cr_assert_eq(commands(), 3, "settle; debt as EVALSHA, as EVAL");
}

/* ---- doubts and debts of the same event ---- */

static void check_only_the_debt_is_sent(unsigned sent)
{
    cr_assert(bench_is_down());
    cr_assert_eq(commands(), sent);
    cr_assert_eq(debts(), 1);
    answer_scripts(KEPT);
    bench_run_until(has_no_debts);
    bench_run_for(50);
    cr_assert_eq(commands(), sent + 1, "the claim was given back");
    cr_assert_eq(bench.store->stats.doubtful_released, 0);
}

static void answer_claims_never(void)
{
    bench_close_store();
    fake.answers[0].reply = NEVER;
    bench_open_store();
    bench_run_until(bench_is_up);
}

Test(redis_debts_fake, a_debt_replaces_the_doubt_of_its_claim)
{
    struct call claimed, settled;
    answer_claims_never();
    call_init(&claimed, 1, 1);
    call_init(&settled, 1, 1);
    cr_assert(call_submit(&claimed, dedup_claim));
    cr_assert(call_submit(&settled, dedup_settle));
    call_await(&settled);
    cr_assert_eq(claimed.op.verdict, VERDICT_UNKNOWN);
    check_only_the_debt_is_sent(2);
}

Test(redis_debts_fake, a_debt_that_is_older_than_the_doubt_replaces_it_too)
{
    struct call claimed, settled;
    answer_claims_never();
    bench.opts.pending_max = 1;
    call_init(&claimed, 1, 1);
    call_init(&settled, 1, 1);
    cr_assert(call_submit(&claimed, dedup_claim));
    cr_assert_not(call_submit(&settled, dedup_settle), "one too many");
    call_await(&claimed);
    check_only_the_debt_is_sent(1);
}

Test(redis_debts_fake, a_doubt_of_another_event_stays)
{
    answer_claims_never();
    cr_assert_eq(claim(1, 2), VERDICT_UNKNOWN);
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN, "down");
    answer_scripts(KEPT);
    bench_run_until(has_no_debts);
    cr_assert_eq(commands(), 3, "SET, the doubt, the debt");
    cr_assert_eq(bench.store->stats.doubtful_released, 1);
}

/* ---- forgetting ---- */

static void check_nothing_is_sent(unsigned sent)
{
    cr_assert(bench_is_down());
    cr_assert_eq(debts(), 0);
    answer_scripts(KEPT);
    bench_run_until(bench_is_up);
    bench_run_for(50);
    cr_assert_eq(commands(), sent);
}

Test(redis_debts_fake, a_debt_on_its_way_is_forgiven)
{
    lose_a_settle();
    bench_run_until(bench_is_up);
    cr_assert_eq(debts(), 1);
    cr_assert_eq(forget(1), HOLD_UNKNOWN);
    check_nothing_is_sent(3);
}

Test(redis_debts_fake, a_settle_on_its_way_is_forgiven)
{
    struct call settled, forgotten;
    call_init(&settled, 1, 1);
    call_init(&forgotten, 1, 1);
    cr_assert(call_submit(&settled, dedup_settle));
    cr_assert(call_submit(&forgotten, dedup_forget));
    call_await(&forgotten);
    cr_assert_eq(settled.op.hold, HOLD_UNKNOWN);
    check_nothing_is_sent(2);
}

Test(redis_debts_fake, forgetting_another_key_forgives_nothing)
{
    struct call settled;
    call_init(&settled, 1, 1);
    cr_assert(call_submit(&settled, dedup_settle));
    cr_assert_eq(forget(2), HOLD_UNKNOWN);
    cr_assert_eq(debts(), 1);
}

/* ---- closing ---- */

Test(redis_debts_fake, closing_with_debts_on_their_way_and_not)
{
    lose_a_settle();
    bench_run_until(bench_is_up);
    bench.opts.pending_max = 0;
    cr_assert_eq(settle(2, 1), HOLD_UNKNOWN);
    cr_assert_eq(debts(), 2);
    bench_close_store();
}
