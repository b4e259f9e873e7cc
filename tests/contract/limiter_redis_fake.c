/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared limiter against a scripted server: silence, errors, replies that make no sense,
 * callers that act inside an answer.
 */
#include "support/fake_redis.h"
#include "support/limit_rig.h"

#include <criterion/criterion.h>
#include <string.h>

static struct fake_redis fake;

static const struct limit_opts slow = {.interval_us = LONG_US, .burst = 5};

static void prepare(void)
{
    limit_rig_prepare();
    lrig.opts.timeout_ms = 50;
}

static void finish(void)
{
    limit_rig_close();
    fake_redis_stop(&fake);
}

TestSuite(limiter_fake, .init = prepare, .fini = finish);

static struct asking first, inner;
static void (*first_then)(struct asking *asking);
static bool with_inner; /* another op right behind the first one */

/* The link is up, so that an op goes to the server. It may be answered in the same turn. */
static bool is_sent(void)
{
    lrig.limiter->stats = (struct limiter_stats){0};
    asking_init(&first, 1, slow, LIMIT_TAKE);
    asking_init(&inner, 2, slow, LIMIT_TAKE);
    first.then = first_then;
    return asking_submit(&first) && (!with_inner || asking_submit(&inner));
}

/* Opens it and sends one op, `first`, which the server answers so. */
static void open_fake(const char *answer)
{
    fake.answers[0] = (struct fake_answer){"EVALSHA", answer};
    fake_redis_start(&fake);
    lrig.opts.port = fake.port;
    limit_rig_open_limiter();
    limit_rig_run_until(is_sent);
}

static void close_fake(void)
{
    limit_rig_close_limiter();
    fake_redis_stop(&fake);
}

static bool is_new_connection(void)
{
    return atomic_load(&fake.connections) == 2;
}

static void is_answered_locally(void)
{
    asking_await(&first);
    cr_expect(first.op.local);
    cr_expect_eq(lrig.limiter->stats.errors, 1);
}

Test(limiter_fake, good_answers)
{
    open_fake(":1000000000\r\n");
    asking_await(&first);
    cr_assert(first.op.allowed && !first.op.local);
    cr_assert_eq(first.op.remaining, 4);
    cr_assert_eq(lrig.limiter->stats.errors, 0);
}

Test(limiter_fake, errors_are_answered_by_the_table_and_keep_the_link)
{
    static const char *const errors[] = {
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-NOPERM this user has no permissions\r\n",
        "-MOVED 3999 127.0.0.1:6381\r\n",
        "-ERR something else\r\n",
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        open_fake(errors[i]);
        is_answered_locally();
        cr_expect(is_sent(), "%s", errors[i]);
        asking_await(&first);
        close_fake();
        atomic_store(&fake.connections, 0);
    }
    open_fake(":0\r\n");
}

/* Two commands each: with the hash, and with the source. */
static bool is_sent_along(void)
{
    return atomic_load(&fake.commands) == 2;
}

static bool is_sent_along_twice(void)
{
    return atomic_load(&fake.commands) == 4;
}

Test(limiter_fake, a_script_that_is_lost_for_ever)
{
    fake.answers[1] = (struct fake_answer){"EVAL", "-NOSCRIPT No matching script.\r\n"};
    open_fake("-NOSCRIPT No matching script.\r\n");
    is_answered_locally();
    limit_rig_run_until(is_sent_along);
    cr_assert(is_sent());
    asking_await(&first);
    limit_rig_run_until(is_sent_along_twice);
}

Test(limiter_fake, a_replica_is_left_for_a_new_connection)
{
    open_fake("-READONLY You can't write against a read only replica.\r\n");
    is_answered_locally();
    limit_rig_run_until(is_new_connection);
}

Test(limiter_fake, replies_that_make_no_sense_end_the_link)
{
    static const char *const replies[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n", "$-1\r\n", "$1\r\n1\r\n", "*1\r\n:1\r\n",
        ":-9223372036854775808\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        open_fake(replies[i]);
        is_answered_locally();
        limit_rig_run_until(is_new_connection);
        close_fake();
        atomic_store(&fake.connections, 0);
    }
    open_fake(":0\r\n");
}

Test(limiter_fake, more_replies_than_commands_end_the_link)
{
    open_fake(":1\r\n:1\r\n");
    asking_await(&first);
    cr_assert_not(first.op.local);
    limit_rig_run_until(is_new_connection);
}

/* ---- silence ---- */

Test(limiter_fake, a_link_that_stays_silent_is_dropped)
{
    open_fake("");
    uint64_t start_ms = first.op.since_ms;
    is_answered_locally();
    cr_assert_geq(loop_now_ms(lrig.loop) - start_ms, lrig.opts.timeout_ms);
    cr_assert_eq(atomic_load(&fake.connections), 1);
    limit_rig_run_until(is_new_connection);
    cr_assert_geq(loop_now_ms(lrig.loop) - start_ms, 4 * lrig.opts.timeout_ms);
    cr_assert_eq(first.answers, 1);
}

Test(limiter_fake, closing_a_silent_link)
{
    open_fake("");
    is_answered_locally();
    limit_rig_close_limiter();
    cr_assert_eq(first.answers, 1);
}

Test(limiter_fake, closing_while_connecting)
{
    open_fake("");
    limit_rig_close_limiter();
    cr_assert(first.op.local, "answered by the close");
    limit_rig_open_limiter();
    limit_rig_close_limiter();
}

/* ---- callers that act inside an answer ---- */

static bool inner_pending;

static void submit_inside(struct asking *asking)
{
    (void)asking;
    inner_pending = asking_submit(&inner);
}

static void check_submit_inside(const char *reply, bool pending)
{
    first_then = submit_inside;
    open_fake(reply);
    asking_await(&first);
    cr_assert_eq(inner_pending, pending);
    if (inner_pending)
        asking_await(&inner);
    cr_assert_eq(inner.answers, 1);
}

Test(limiter_fake, an_op_submitted_inside_an_answer_is_sent)
{
    check_submit_inside(":1\r\n", true);
    cr_assert_not(inner.op.local);
}

Test(limiter_fake, an_op_submitted_while_the_link_goes_down_is_answered_at_once)
{
    check_submit_inside("+OK\r\n", false);
    cr_assert(inner.op.local);
}

Test(limiter_fake, an_op_submitted_while_it_falls_silent_is_answered_at_once)
{
    check_submit_inside("", false);
    cr_assert(inner.op.local);
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

static void close_inside(struct asking *asking)
{
    (void)asking;
    lrig.limiter->backend->close(lrig.limiter, on_closed, NULL);
    lrig.limiter = NULL;
}

static void check_close_inside(const char *reply)
{
    first_then = close_inside;
    with_inner = true;
    open_fake(reply);
    limit_rig_run_until(is_closed);
    cr_assert_eq(first.answers, 1);
    cr_assert_eq(inner.answers, 1);
    cr_assert(inner.op.local);
}

Test(limiter_fake, closing_inside_an_answer)
{
    check_close_inside(":1\r\n");
}

Test(limiter_fake, closing_inside_the_answer_of_an_error)
{
    check_close_inside("-READONLY x\r\n");
}

Test(limiter_fake, closing_inside_the_answer_of_a_lost_link)
{
    check_close_inside("+OK\r\n");
}

Test(limiter_fake, closing_inside_the_answer_of_a_silence)
{
    check_close_inside("");
}
