/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of an upstream: slots, the queue, cancelling in every state, closing.
 */
#include "test_call.h"

static struct server server;

static const struct step one_answer[] = {
    {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 0}, {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
static const struct step three_answers[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
static const struct step two_answers[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                          {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                          {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
static const struct step nothing_comes[] = {
    {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ_END, 0, NULL, 0}, {0}};
static const struct step silence[] = {
    {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 0}, {STEP_READ_END, 0, NULL, 0}, {0}};

Test(upstream, one_slot_serves_in_order)
{
    server_start(&server, three_answers);
    opts.concurrency = 1;
    opts.queue_max = 2;
    open_one(&server);
    get(&first);
    get(&second);
    get(&third);
    cr_assert_eq(upstream->stats.in_flight, 1);
    cr_assert_eq(upstream->stats.queued, 2);
    run_until(first_ended);
    cr_assert_not(second.ended);
    run_until(second_ended);
    cr_assert_not(third.ended);
    run_until(all_three_ended);
    cr_assert_eq(third.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 1);
    cr_assert_eq(upstream->stats.queued, 0);
    close_all();
    server_stop(&server);
}

Test(upstream, queue_below_at_and_above_its_limit)
{
    server_start(&server, silence);
    opts.concurrency = 1;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    get(&second);
    cr_assert_eq(submit_call(&third, "GET / HTTP/1.1\r\n", SLICE("")), OP_READY);
    cr_assert_eq(third.call.end, CALL_BUSY);
    cr_assert_str_eq(third.events, "", "answered, not told");
    cancel_call(&second);
    get(&third);
    cr_assert_eq(upstream->stats.queued, 1);
    run_until(first_is_sent);
    cancel_call(&third);
    cancel_call(&first);
    close_all();
    server_stop(&server);
}

Test(upstream, without_a_queue_a_second_call_is_refused_at_once)
{
    int fd = open_refusing();
    opts.concurrency = 1;
    get(&first);
    cr_assert_eq(submit_call(&second, "GET / HTTP/1.1\r\n", SLICE("")), OP_READY);
    cr_assert_eq(second.call.end, CALL_BUSY);
    run_until(first_ended);
    close_all();
    close(fd);
}

Test(upstream, wait_for_a_slot_has_a_limit)
{
    server_start(&server, silence);
    opts.concurrency = 1;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    second.call.timeout_ms = 40;
    get(&second);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_BUSY);
    cr_assert_not(second.call.any_sent);
    cr_assert_eq(upstream->stats.queued, 0);
    cr_assert_not(first.ended);
    cancel_call(&first);
    close_all();
    server_stop(&server);
}

static void submit_third_at_end(struct test_call *test, char event)
{
    (void)test;
    if (event == 'E')
        get(&third);
}

Test(upstream, newcomers_do_not_overtake_the_queue)
{
    server_start(&server, three_answers);
    opts.concurrency = 1;
    opts.queue_max = 2;
    open_one(&server);
    first.react = submit_third_at_end;
    get(&first);
    get(&second);
    run_until(second_ended);
    cr_assert_not(third.ended);
    run_until(all_three_ended);
    close_all();
    server_stop(&server);
}

/* ---- calls that must not begin any more ---- */

/* Stands still within the turn until the call's time is over. */
static void outlast(const struct test_call *test)
{
    uint64_t turn_ms = loop_now_ms(&loop);
    while (loop_exact_ms(&loop) < test->call.not_after_ms)
        ;
    cr_assert_eq(loop_now_ms(&loop), turn_ms);
}

static void assert_lapsed(const struct test_call *test)
{
    cr_assert_eq(test->call.end, CALL_LAPSED);
    cr_assert_str_eq(test->events, "E");
    cr_assert_not(test->call.any_sent);
    cr_assert_eq(upstream->stats.in_flight + upstream->stats.queued, 0);
}

Test(upstream, a_call_begins_before_its_time_is_over_and_not_at_it)
{
    server_start(&server, two_answers);
    open_one(&server);
    first.call.not_after_ms = loop_exact_ms(&loop) + 60000;
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    second.call.not_after_ms = loop_exact_ms(&loop);
    get(&second); /* the idle connection of the first is there */
    run_until(second_ended);
    assert_lapsed(&second);
    cr_assert_eq(upstream->stats.idle, 1, "and is left alone");
    third.call.not_after_ms = 0;
    get(&third);
    run_until(all_three_ended);
    cr_assert_eq(third.call.end, CALL_COMPLETE);
    close_all();
    server_stop(&server);
}

Test(upstream, time_that_ends_within_the_turn_and_before_the_connection_is_there)
{
    server_start(&server, nothing_comes);
    open_one(&server);
    first.call.not_after_ms = loop_exact_ms(&loop) + 5;
    get(&first);
    cr_assert_eq(first.call.state, CALL_STATE_CONNECTING);
    outlast(&first);
    run_until(first_ended);
    assert_lapsed(&first);
    cr_assert_eq(upstream->stats.idle, 0);
    cr_assert_eq(upstream->stats.connect_failures, 0, "the endpoint is not to blame");
    close_all();
    server_stop(&server);
}

Test(upstream, time_that_is_moved_while_it_connects)
{
    server_start(&server, one_answer);
    open_one(&server);
    first.call.not_after_ms = loop_exact_ms(&loop) + 5;
    get(&first);
    outlast(&first);
    first.call.not_after_ms += 60000;
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    close_all();
    server_stop(&server);
}

Test(upstream, time_that_ends_while_it_waits_for_a_slot)
{
    server_start(&server, one_answer);
    opts.concurrency = 1;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    second.call.not_after_ms = loop_exact_ms(&loop) + 5;
    get(&second);
    cr_assert_eq(second.call.state, CALL_STATE_QUEUED);
    outlast(&second);
    run_until(second_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    assert_lapsed(&second);
    close_all();
    server_stop(&server);
}

#define IMPOSSIBLE                                                                                 \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid"

Test(upstream, cancelled_while_connecting)
{
    uint16_t port;
    int fillers[FILLERS];
    int fd = full_listener(&port, fillers);
    open_upstream(1, &port);
    get(&first);
    cr_assert_eq(first.call.state, CALL_STATE_CONNECTING);
    cancel_call(&first);
    cr_assert_eq(upstream->stats.in_flight, 0);
    run_until(nothing_connected);
    cr_assert_str_eq(first.events, "");
    cr_assert_not(first.call.any_sent);
    close_all();
    close_full_listener(fd, fillers);
}

Test(upstream, cancelled_while_queued_and_after_sending)
{
    server_start(&server, silence);
    opts.concurrency = 1;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    get(&second);
    cr_assert_eq(second.call.state, CALL_STATE_QUEUED);
    run_until(first_is_sent);
    cancel_call(&second);
    cancel_call(&first);
    cancel_call(&first); /* harmless */
    cr_assert(first.call.any_sent);
    cr_assert_not(second.call.any_sent);
    cr_assert_eq(upstream->stats.in_flight + upstream->stats.queued, 0);
    server_stop(&server);
    close_all();
    cr_assert_str_eq(first.events, "");
    cr_assert_str_eq(second.events, "");
}

Test(upstream, cancelled_before_its_failure_is_told)
{
    open_named(IMPOSSIBLE, 80);
    get(&first);
    run_until(first_ended);
    get(&second); /* fails at once; to be told at the end of the turn */
    cr_assert_eq(second.call.state, CALL_STATE_ENDED);
    cancel_call(&second);
    close_all();
    cr_assert_str_eq(second.events, "");
}

Test(upstream, cancelling_gives_the_slot_to_the_queue)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_READ_END, 0, NULL, 0},
                                         {STEP_ACCEPT, 1, NULL, 0},
                                         {STEP_READ, 1, NULL, 0},
                                         {STEP_SEND, 1, OK_EMPTY, 0},
                                         {0}};
    server_start(&server, script);
    opts.concurrency = 1;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    get(&second);
    run_until(first_is_sent);
    cancel_call(&first);
    cr_assert_eq(second.call.state, CALL_STATE_QUEUED, "not from inside");
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    close_all();
    server_stop(&server);
}

Test(upstream, closing_answers_every_call)
{
    server_start(&server, silence);
    opts.concurrency = 2;
    opts.queue_max = 1;
    open_one(&server);
    get(&first);
    run_until(first_is_sent);
    get(&second);
    get(&third);
    begin_close();
    static struct test_call refused; /* after the close */
    cr_assert_eq(submit_call(&refused, "GET / HTTP/1.1\r\n", SLICE("")), OP_READY);
    cr_assert_eq(refused.call.end, CALL_BUSY);
    run_until(upstream_is_closed);
    cr_assert(all_three_ended());
    cr_assert_eq(first.call.end, CALL_BROKEN);
    cr_assert_eq(second.call.end, CALL_CONNECT_FAILED, "still connecting");
    cr_assert_eq(third.call.end, CALL_BUSY);
    loop_close(&loop);
    server_stop(&server);
}

Test(upstream, closing_while_a_name_is_looked_up)
{
    open_named("localhost", 1);
    get(&first);
    cr_assert_eq(first.call.state, CALL_STATE_NAME);
    begin_close();
    run_until(upstream_is_closed);
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    loop_close(&loop);
}

static void close_at_end(struct test_call *test, char event)
{
    (void)test;
    if (event == 'E')
        begin_close();
}

Test(upstream, closing_from_inside_the_end_of_a_call)
{
    server_start(&server, one_answer);
    open_one(&server);
    first.react = close_at_end;
    get(&first);
    run_until(upstream_is_closed);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    loop_close(&loop);
    server_stop(&server);
}

Test(upstream, closing_an_unused_one)
{
    uint16_t port = 1;
    open_upstream(1, &port);
    close_all();
}
