/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis store against a scripted server: old versions, silence, errors, replies that make no
 * sense, claims whose answers are lost.
 */
#include "support/dedup_bench.h"
#include "support/fake_redis.h"

#include <criterion/criterion.h>
#include <string.h>

#define NIL "$-1\r\n"

static struct fake_redis fake;

static void prepare(void)
{
    bench_prepare();
}

static void finish(void)
{
    bench_close();
    fake_redis_stop(&fake);
}

TestSuite(redis_fake, .init = prepare, .fini = finish);

static void open_fake(void)
{
    fake_redis_start(&fake);
    bench.opts.port = fake.port;
    bench_open_store();
}

static void open_fake_up(void)
{
    open_fake();
    bench_run_until(bench_is_up);
}

/* ---- versions ---- */

Test(redis_fake, server_before_7_0_is_refused)
{
    fake.info = "redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n";
    open_fake();
    bench_run_until(bench_is_down);
    cr_assert_eq(bench.finding, REDIS_FINDING_TOO_OLD);
    cr_assert_not_null(strstr(bench.detail, "6.2.14"));
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
}

Test(redis_fake, server_that_tells_no_version_is_refused)
{
    fake.info = "nothing:here\r\n";
    open_fake();
    bench_run_until(bench_is_down);
    cr_assert_eq(bench.finding, REDIS_FINDING_TOO_OLD);
}

Test(redis_fake, valkey_is_as_good)
{
    fake.info = "redis_version:0.0.0\r\nvalkey_version:8.0.1\r\n";
    fake.answers[0] = (struct fake_answer){"SET", NIL};
    open_fake_up();
    cr_assert_eq(claim(1, 1), VERDICT_FIRST);
}

/* ---- set-up that goes wrong ---- */

Test(redis_fake, silence_during_set_up_is_timed_out)
{
    bench.opts.timeout_ms = 50;
    fake.answers[0] = (struct fake_answer){"SCRIPT", ""};
    open_fake();
    bench_run_until(bench_is_down);
    cr_assert_str_eq(bench.detail, "set-up timed out");
}

static bool has_tried_twice(void)
{
    return atomic_load(&fake.connections) >= 2;
}

Test(redis_fake, a_loading_server_is_tried_again)
{
    fake.answers[0] = (struct fake_answer){"SCRIPT", "-LOADING Redis is loading the dataset\r\n"};
    open_fake();
    bench_run_until(has_tried_twice);
    cr_assert_not(bench.up);
    cr_assert_eq(bench.told, 1);
}

Test(redis_fake, set_up_answers_of_the_wrong_type)
{
    static const char *const commands[] = {"SELECT", "INFO", "SCRIPT"};
    bench.opts.database = 1;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fake.answers[0] = (struct fake_answer){commands[i], ":1\r\n"};
        open_fake();
        bench_run_until(bench_is_down);
        cr_expect_eq(bench.finding, REDIS_FINDING_NONE);
        cr_expect_not_null(strstr(bench.detail, commands[i]), "%s", bench.detail);
        bench_close_store();
        fake_redis_stop(&fake);
    }
    fake.answers[0] = (struct fake_answer){0};
    open_fake_up();
}

Test(redis_fake, a_server_that_forbids_client_id_is_used_all_the_same)
{
    fake.answers[0] = (struct fake_answer){"CLIENT", "-NOPERM this user has no permissions\r\n"};
    open_fake_up();
    cr_assert_eq(bench.finding, REDIS_FINDING_NONE);
}

/* ---- answers ---- */

Test(redis_fake, errors_are_unknown_and_never_a_duplicate)
{
    static const char *const errors[] = {
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-MOVED 3999 127.0.0.1:6381\r\n",
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-NOPERM this user has no permissions\r\n",
        "-NOSCRIPT No matching script.\r\n",
        "-ERR something else\r\n",
    };
    size_t count = sizeof errors / sizeof *errors;
    for (size_t i = 0; i < count; i++) {
        fake.answers[0] = (struct fake_answer){"SET", errors[i]};
        fake.answers[1] = (struct fake_answer){"EVALSHA", errors[i]};
        fake.answers[2] = (struct fake_answer){"EVAL", errors[i]};
        fake.answers[3] = (struct fake_answer){"DEL", errors[i]};
        open_fake_up();
        cr_expect_eq(claim(1, 1), VERDICT_UNKNOWN, "%s", errors[i]);
        cr_expect_eq(settle(1, 1), HOLD_UNKNOWN, "%s", errors[i]);
        cr_expect_eq(forget(1), HOLD_UNKNOWN, "%s", errors[i]);
        cr_expect_eq(bench.store->stats.errors, 3);
        cr_expect(bench.store->stats.up);
        bench_close_store();
        fake_redis_stop(&fake);
    }
    open_fake_up();
}

Test(redis_fake, a_replica_is_left_for_a_new_connection)
{
    fake.answers[0] = (struct fake_answer){"SET", "-READONLY You can't write\r\n"};
    open_fake_up();
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
    cr_assert(bench_is_down());
    bench_run_until(bench_is_up);
}

Test(redis_fake, replies_that_make_no_sense_end_the_link)
{
    static const char *const replies[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "+OK\r\n",            /* a server that does not know SET … NX GET */
        ":1\r\n",             /* an integer to a SET */
        "*-1\r\n",            /* the null array must not read as nil */
        "*1\r\n$2\r\np:\r\n", /* an array */
        "*2\r\n*1\r\n:1\r\n:2\r\n",
        "$-1\r\n$-1\r\n+OK\r\n", /* more than was asked */
        "_\r\n",                 /* RESP3 */
        "#t\r\n",
    };
    size_t count = sizeof replies / sizeof *replies;
    for (size_t i = 0; i < count; i++) {
        fake.answers[0] = (struct fake_answer){"SET", replies[i]};
        open_fake_up();
        enum verdict verdict = claim(1, 1);
        cr_expect(verdict == VERDICT_UNKNOWN || (verdict == VERDICT_FIRST && i == 6), "%zu", i);
        bench_run_until(bench_is_down);
        bench_close_store();
        fake_redis_stop(&fake);
    }
    open_fake_up();
}

Test(redis_fake, a_reply_without_end_ends_the_link)
{
    static char reply[3u << 20];
    memset(reply, 'x', sizeof reply - 1);
    memcpy(reply, "$4000000\r\n", 10);
    fake.answers[0] = (struct fake_answer){"SET", reply};
    open_fake_up();
    cr_assert_eq(claim(1, 1), VERDICT_UNKNOWN);
    cr_assert(bench_is_down());
}

/* ---- claims in doubt ---- */

static struct call lost;

/* A claim that is never answered: UNKNOWN by the stall rule. From then on scripts answer 1. */
static void lose_a_claim(void)
{
    bench.opts.timeout_ms = 50;
    fake.answers[0] = (struct fake_answer){"SET", ""};
    fake.answers[1] = (struct fake_answer){"EVALSHA", ":1\r\n"};
    open_fake_up();
    call_init(&lost, 1, 1);
    uint64_t start_ms = loop_now_ms(bench.loop);
    cr_assert(call_submit(&lost, dedup_claim));
    call_await(&lost);
    uint64_t took_ms = loop_now_ms(bench.loop) - start_ms;
    cr_assert_eq(lost.op.verdict, VERDICT_UNKNOWN);
    cr_assert_geq(took_ms, 4 * bench.opts.timeout_ms);
    cr_assert(bench_is_down());
    cr_assert_str_eq(bench.detail, "stalled");
}

static bool has_released(void)
{
    return bench.store->stats.doubtful_released == 1;
}

Test(redis_fake, a_claim_in_doubt_is_given_back)
{
    lose_a_claim();
    bench_run_until(has_released);
    cr_assert_eq(atomic_load(&fake.commands), 2, "SET and one EVALSHA");
    cr_assert_eq(bench.store->stats.reconnects, 1);
}

Test(redis_fake, a_claim_in_doubt_whose_owner_came_back_is_left_to_it)
{
    lose_a_claim();
    cr_assert_eq(settle(1, 1), HOLD_UNKNOWN, "down: a debt, but no doubt any more");
    bench_run_until(bench_is_up);
    cr_assert_eq(settle(1, 1), HOLD_KEPT);
    cr_assert_eq(atomic_load(&fake.commands), 3, "SET, the debt and the settle");
    cr_assert_eq(bench.store->stats.doubtful_released, 0);
}

#define RUN_ID_TAIL "123456789012345678901234567890123456789"
#define RUN_ID "0" RUN_ID_TAIL
#define INFO_OF(run_id) "redis_version:7.0.15\r\nrun_id:" run_id "\r\n"

/* A claim of the lost connection could still be run after its release: the connection is ended by
 * force before that, but only on the same server process, where its id is no one else's. */
Test(redis_fake, the_lost_connection_is_ended_on_the_server)
{
    fake.info = INFO_OF(RUN_ID);
    lose_a_claim();
    bench_run_until(has_released);
    cr_assert_eq(atomic_load(&fake.kills), 1);
}

Test(redis_fake, on_another_server_nothing_is_ended)
{
    fake.info = INFO_OF(RUN_ID);
    lose_a_claim();
    fake.info = INFO_OF("9" RUN_ID_TAIL);
    bench_run_until(has_released);
    cr_assert_eq(atomic_load(&fake.kills), 0);
}

static bool has_lost_the_release(void)
{
    return atomic_load(&fake.commands) == 2 && !bench.store->stats.up;
}

Test(redis_fake, a_release_that_is_lost_too_is_sent_again)
{
    lose_a_claim();
    fake.answers[1] = (struct fake_answer){"EVALSHA", ""};
    bench_run_until(has_lost_the_release);
    fake.answers[1] = (struct fake_answer){"EVALSHA", ":1\r\n"};
    bench_run_until(has_released);
    cr_assert_eq(atomic_load(&fake.commands), 3);
}

/* ---- callers that act inside an answer ---- */

static struct call inner;
static bool inner_pending;

static void submit_inside(struct call *call)
{
    (void)call;
    call_init(&inner, 2, 1);
    inner_pending = call_submit(&inner, dedup_claim);
}

Test(redis_fake, an_op_submitted_while_the_link_goes_down_is_unknown_at_once)
{
    fake.answers[0] = (struct fake_answer){"SET", "+OK\r\n"};
    open_fake_up();
    call_init(&lost, 1, 1);
    lost.then = submit_inside;
    cr_assert(call_submit(&lost, dedup_claim));
    call_await(&lost);
    cr_assert_not(inner_pending);
    cr_assert_eq(inner.op.verdict, VERDICT_UNKNOWN);
    cr_assert_eq(bench.store->stats.pending, 0);
}

static bool closed;

static void on_closed(void *arg)
{
    (void)arg;
    closed = true;
}

static bool is_closed(void)
{
    return closed;
}

static void close_inside(struct call *call)
{
    (void)call;
    bench.store->backend->close(bench.store, on_closed, NULL);
    bench.store = NULL;
}

static void check_close_inside(const char *reply)
{
    fake.answers[0] = (struct fake_answer){"SET", reply};
    open_fake_up();
    call_init(&lost, 1, 1);
    call_init(&inner, 2, 1);
    lost.then = close_inside;
    cr_assert(call_submit(&lost, dedup_claim));
    cr_assert(call_submit(&inner, dedup_claim));
    bench_run_until(is_closed);
    cr_assert(lost.answered && inner.answered);
    cr_assert_eq(inner.op.verdict, VERDICT_UNKNOWN);
}

Test(redis_fake, closing_inside_an_answer)
{
    check_close_inside(NIL);
}

Test(redis_fake, closing_inside_the_answer_of_a_lost_link)
{
    check_close_inside("+OK\r\n");
}

Test(redis_fake, closing_while_connecting)
{
    open_fake();
    bench_close_store();
    bench_open_store();
    bench_run_for(10);
    bench_close_store();
}
