/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared limiter on a real Redis: what nodes share, what is left in the server, and what
 * happens while the server is killed, frozen, emptied or not there yet.
 */
#include "support/limit_rig.h"

#include <criterion/criterion.h>
#include <signal.h>

TestSuite(limiter_redis, .init = limit_rig_open_redis, .fini = limit_rig_close);

#define KEY "postern:limit:{01000000000000000000000000000000}" /* of client 1 */

static const struct limit_opts slow = {.interval_us = LONG_US, .burst = 5};

static long long ask_server(const char *command)
{
    return redis_server_command(&lrig.server, command);
}

static void use_up(void)
{
    for (uint32_t i = 0; i < slow.burst; i++) {
        struct limit_op op = take(1, slow);
        cr_assert(op.allowed && !op.local);
    }
}

/* ---- what is shared ---- */

static struct limiter *second;
static bool second_closed;

static void on_second_closed(void *arg)
{
    (void)arg;
    second_closed = true;
}

static bool is_second_closed(void)
{
    return second_closed;
}

Test(limiter_redis, two_nodes_share_a_cell)
{
    struct limiter *first = lrig.limiter;
    struct limit_table *first_table = lrig.table;
    lrig.table = limit_table_new(1);
    limit_rig_open_limiter();
    limit_rig_run_until(limit_is_shared);
    second = lrig.limiter;
    for (uint32_t i = 0; i < slow.burst; i++) {
        lrig.limiter = i % 2 ? first : second;
        cr_assert_eq(take(1, slow).remaining, slow.burst - 1 - i);
    }
    cr_assert_not(take(1, slow).allowed);
    lrig.limiter = first;
    cr_assert_not(take(1, slow).allowed);
    cr_assert_eq(second->stats.refused, 1);
    second->backend->close(second, on_second_closed, NULL);
    limit_rig_run_until(is_second_closed);
    limit_table_free(lrig.table);
    lrig.table = first_table;
}

/* ---- what is left ---- */

Test(limiter_redis, a_cell_lives_as_long_as_it_is_busy)
{
    cr_assert(take(1, slow).allowed);
    long long ttl_ms = ask_server("PTTL " KEY);
    cr_assert_leq(ttl_ms, (long long)LONG_US / 1000 + 1);
    cr_assert_gt(ttl_ms, (long long)LONG_US / 1000 - 1000);
    cr_assert(take(1, slow).allowed);
    cr_assert_gt(ask_server("PTTL " KEY), 2 * (long long)LONG_US / 1000 - 1000);
    cr_assert(give_back(1, slow).allowed);
    cr_assert_leq(ask_server("PTTL " KEY), (long long)LONG_US / 1000 + 1);
    cr_assert(give_back(1, slow).allowed);
    cr_assert_eq(ask_server("EXISTS " KEY), 0);
}

static bool is_empty(void)
{
    return ask_server("DBSIZE") == 0;
}

Test(limiter_redis, nothing_stays)
{
    for (uint64_t i = 0; i < 100; i++)
        cr_assert(take(i, (struct limit_opts){20000, 2}).allowed);
    cr_assert(give_back(1000, slow).allowed);
    limit_rig_run_until(is_empty);
}

Test(limiter_redis, a_refusal_writes_nothing)
{
    use_up();
    cr_assert_eq(ask_server("PERSIST " KEY), 1);
    cr_assert_not(take(1, slow).allowed);
    cr_assert_eq(ask_server("PTTL " KEY), -1);
}

/* ---- what the server can't say ---- */

static void is_local(struct limit_op op)
{
    cr_expect(op.allowed);
    cr_expect(op.local);
}

Test(limiter_redis, a_lost_script_is_sent_along)
{
    cr_assert(take(1, slow).allowed);
    cr_assert_eq(ask_server("SCRIPT FLUSH"), 1);
    struct limit_op op = take(1, slow);
    cr_assert(op.allowed && !op.local);
    cr_assert_eq(op.remaining, slow.burst - 2);
    cr_assert_eq(lrig.limiter->stats.errors, 0);
}

Test(limiter_redis, a_key_of_another_kind_is_left_alone)
{
    cr_assert_eq(ask_server("LPUSH " KEY " x"), 1);
    is_local(take(1, slow));
    cr_assert_eq(ask_server("LLEN " KEY), 1);
    cr_assert_eq(lrig.limiter->stats.errors, 1);
    limit_rig_run_until(limit_is_shared);
}

Test(limiter_redis, a_value_that_is_no_number_is_an_idle_cell)
{
    cr_assert_eq(ask_server("SET " KEY " x"), 1);
    struct limit_op op = take(1, slow);
    cr_assert(op.allowed && !op.local);
    cr_assert_eq(op.remaining, slow.burst - 1);
}

/* The server's clock was ahead when it was written. */
Test(limiter_redis, an_arrival_out_of_reach_is_brought_within_it)
{
    cr_assert_eq(ask_server("SET " KEY " 9000000000000000"), 1);
    struct limit_op op = take(1, slow);
    cr_assert_not(op.allowed || op.local);
    cr_assert_leq(op.wait_us, LONG_US);
    long long ttl_ms = ask_server("PTTL " KEY);
    cr_assert(ttl_ms > 0 && ttl_ms <= slow.burst * (long long)LONG_US / 1000 + 1);
}

/* ---- a server that is away ---- */

Test(limiter_redis, the_table_answers_while_the_server_is_away)
{
    use_up();
    redis_server_kill(&lrig.server);
    limit_rig_run_until(limit_is_local);
    lrig.limiter->stats.errors = 0;
    for (uint32_t i = 0; i < slow.burst; i++)
        is_local(take(1, slow));
    struct limit_op op = take(1, slow);
    cr_assert(op.local && !op.allowed);
    cr_assert_eq(lrig.limiter->stats.errors, slow.burst + 1);
    redis_server_restart(&lrig.server);
    limit_rig_run_until(limit_is_shared);
    op = take(1, slow);
    cr_assert(op.allowed && !op.local, "the new server knows nothing");
}

Test(limiter_redis, what_was_pending_is_answered_by_the_table)
{
    struct asking asking;
    redis_server_signal(&lrig.server, SIGSTOP);
    asking_init(&asking, 1, slow, LIMIT_TAKE);
    cr_assert(asking_submit(&asking));
    redis_server_kill(&lrig.server);
    asking_await(&asking);
    is_local(asking.op);
}

/* The table's cell of the client, of which nothing is left, and what it says after a give-back. */
static void check_not_given_back_by_the_table(struct asking *asking)
{
    cr_assert(asking->op.allowed && asking->op.local);
    struct limit_op op = take(1, slow);
    cr_assert(op.local && !op.allowed, "the table gave nothing for it");
}

Test(limiter_redis, what_redis_took_the_table_does_not_give_back)
{
    struct asking asking;
    use_up();
    redis_server_kill(&lrig.server);
    limit_rig_run_until(limit_is_local);
    for (uint32_t i = 0; i < slow.burst; i++)
        is_local(take(1, slow));
    asking_init(&asking, 1, slow, LIMIT_GIVE_BACK);
    cr_assert_not(asking_submit(&asking));
    check_not_given_back_by_the_table(&asking);
}

Test(limiter_redis, nor_what_was_to_be_given_back_when_the_server_died)
{
    struct asking asking;
    use_up();
    for (uint32_t i = 0; i < slow.burst; i++) {
        asking_init(&asking, 1, slow, LIMIT_TAKE);
        asking.op.shared = false;
        cr_assert_not(asking_submit(&asking));
        cr_assert(asking.op.allowed);
    }
    redis_server_signal(&lrig.server, SIGSTOP);
    asking_init(&asking, 1, slow, LIMIT_GIVE_BACK);
    cr_assert(asking_submit(&asking));
    redis_server_kill(&lrig.server);
    asking_await(&asking);
    check_not_given_back_by_the_table(&asking);
}

#define SOME 50u
static struct asking some[SOME];

static bool all_answered(void)
{
    for (size_t i = 0; i < SOME; i++)
        if (some[i].answers == 0)
            return false;
    return true;
}

static void submit_some(void)
{
    for (size_t i = 0; i < SOME; i++) {
        asking_init(&some[i], 1, (struct limit_opts){LONG_US, 1000}, LIMIT_TAKE);
        cr_assert(asking_submit(&some[i]));
    }
}

/* Frozen: all are answered by the table once the oldest has waited for timeout_ms. */
static void freeze_and_wait(void)
{
    redis_server_signal(&lrig.server, SIGSTOP);
    uint64_t start_ms = loop_now_ms(lrig.loop);
    submit_some();
    limit_rig_run_until(all_answered);
    uint64_t took_ms = loop_now_ms(lrig.loop) - start_ms;
    cr_assert_geq(took_ms, lrig.opts.timeout_ms);
    cr_assert_lt(took_ms, 3 * lrig.opts.timeout_ms);
    for (size_t i = 0; i < SOME; i++)
        is_local(some[i].op);
    cr_assert_eq(lrig.limiter->stats.errors, SOME);
}

Test(limiter_redis, a_silent_server_is_waited_for_once)
{
    freeze_and_wait();
    struct asking asking;
    asking_init(&asking, 1, slow, LIMIT_TAKE);
    cr_assert_not(asking_submit(&asking), "answered at once");
    cr_assert(asking.op.local);
    redis_server_signal(&lrig.server, SIGCONT);
    limit_rig_run_until(limit_is_shared);
    for (size_t i = 0; i < SOME; i++)
        cr_assert_eq(some[i].answers, 1, "late replies are nobody's");
    struct limit_op op = take(1, (struct limit_opts){LONG_US, 1000});
    cr_assert_not(op.local);
    cr_assert_eq(op.remaining, 1000 - SOME - 1, "the server ran them all");
}

/* After a silence the next op is waited for as long as any other. */
Test(limiter_redis, a_second_silence_is_as_the_first)
{
    freeze_and_wait();
    redis_server_signal(&lrig.server, SIGCONT);
    limit_rig_run_until(limit_is_shared);
    cr_assert_not(take(1, slow).local);
    lrig.limiter->stats.errors = 0;
    freeze_and_wait();
    redis_server_signal(&lrig.server, SIGCONT);
}

Test(limiter_redis, too_many_in_flight_are_answered_by_the_table)
{
    limit_rig_close_limiter();
    lrig.opts.pending_max = 3;
    limit_rig_open_limiter();
    limit_rig_run_until(limit_is_shared);
    struct asking asking[4];
    for (unsigned i = 0; i < 4; i++) {
        asking_init(&asking[i], 1, slow, LIMIT_TAKE);
        cr_assert_eq(asking_submit(&asking[i]), i < 3, "%u", i);
    }
    cr_assert(asking[3].op.local);
    for (unsigned i = 0; i < 3; i++)
        if (asking[i].answers == 0)
            asking_await(&asking[i]);
    limit_rig_run_until(limit_is_shared);
}

Test(limiter_redis, a_name_that_is_too_long)
{
    static char name[300];
    struct limiter *none = NULL;
    struct redis_opts opts = lrig.opts;
    opts.host = slice_of(name, sizeof name);
    cr_assert_eq(limiter_redis_open(lrig.loop, &opts, lrig.table, &none), STATUS_INVALID);
    cr_assert_null(none);
}
