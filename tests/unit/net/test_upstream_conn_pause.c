/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-pressure on a call: pausing and resuming at every point of a response, and what it holds in
 * memory while the upstream would send ten megabytes.
 */
#include "test_call.h"

#define FLOOD_BYTES ((size_t)10 * 1024 * 1024)
#define FLOOD_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n"
#define WHOLE_RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct server server;

static void pause_first(void)
{
    upstream_pause(&first.call);
    upstream_pause(&first.call);
}

static void resume_first(void)
{
    submitting = true; /* pieces must not come from in here */
    upstream_resume(&first.call);
    upstream_resume(&first.call);
    submitting = false;
}

static void pause_at_head(struct test_call *test, char event)
{
    (void)test;
    if (event == 'H')
        pause_first();
}

static void pause_at_body(struct test_call *test, char event)
{
    (void)test;
    if (event == 'B')
        pause_first();
}

static bool first_paused(void)
{
    return first.call.paused;
}

static struct deadline alarm_clock;
static bool alarm_rang;

static void on_alarm(struct deadline *deadline)
{
    (void)deadline;
    alarm_rang = true;
    check_goal();
}

static bool alarm_has_rung(void)
{
    return alarm_rang;
}

/* Lets the loop turn for a while in which nothing may be told. */
static void turn_for_ms(uint64_t duration_ms)
{
    alarm_rang = false;
    alarm_clock.expired = on_alarm;
    deadline_set(&loop.deadlines, &alarm_clock, loop_now_ms(&loop) + duration_ms);
    run_until(alarm_has_rung);
}

static void start(const struct step *script, void (*react)(struct test_call *, char))
{
    server_start(&server, script);
    open_one(&server);
    first.react = react;
    get(&first);
    run_until(first_paused);
}

static void finish_all(void)
{
    close_all();
    server_stop(&server);
}

static const struct step whole_response[] = {
    {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 0}, {STEP_SEND, 0, WHOLE_RESPONSE, 0}, {0}};

Test(upstream_conn_pause, at_the_head_holds_a_response_that_is_all_there)
{
    start(whole_response, pause_at_head);
    turn_for_ms(40);
    cr_assert_str_eq(first.events, "H");
    resume_first();
    run_until(first_ended);
    cr_assert_str_eq(first.events, "HBE");
    cr_assert_str_eq(first.body, "hello");
    cr_assert_eq(upstream->stats.idle, 1);
    finish_all();
}

Test(upstream_conn_pause, at_the_last_piece_holds_the_end)
{
    start(whole_response, pause_at_body);
    turn_for_ms(40);
    cr_assert_str_eq(first.events, "HB");
    resume_first();
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    finish_all();
}

Test(upstream_conn_pause, connection_kept_after_a_pause_is_watched)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, WHOLE_RESPONSE, 0}, {STEP_WAIT, 0, NULL, 0},
                                         {STEP_CLOSE, 0, NULL, 0},          {0}};
    start(script, pause_at_body);
    resume_first();
    run_until(first_ended);
    cr_assert_eq(upstream->stats.idle, 1);
    server_go(&server);
    run_until(nothing_idle);
    finish_all();
}

Test(upstream_conn_pause, resumed_in_the_same_turn_costs_nothing)
{
    start(whole_response, pause_at_head);
    resume_first();
    run_until(first_ended);
    cr_assert_str_eq(first.events, "HBE");
    finish_all();
}

Test(upstream_conn_pause, body_until_close_waits_for_the_resume)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, "HTTP/1.1 200 OK\r\n\r\nto the end", 0},
                                         {STEP_CLOSE, 0, NULL, 0},
                                         {0}};
    start(script, pause_at_head);
    turn_for_ms(40);
    cr_assert_str_eq(first.events, "H");
    resume_first();
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_str_eq(first.body, "to the end");
    finish_all();
}

Test(upstream_conn_pause, time_stands_still)
{
    static const struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0},
        {STEP_READ, 0, NULL, 0},
        {STEP_SEND, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 0},
        {STEP_WAIT, 0, NULL, 0},
        {STEP_SEND, 0, "llo", 0},
        {0}};
    first.call.timeout_ms = 40;
    start(script, pause_at_body);
    turn_for_ms(120);
    cr_assert_not(first.ended);
    server_go(&server);
    first.react = NULL;
    resume_first();
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    finish_all();
}

Test(upstream_conn_pause, time_goes_on_after_the_resume)
{
    static const struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0},
        {STEP_READ, 0, NULL, 0},
        {STEP_SEND, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 0},
        {STEP_READ_END, 0, NULL, 0},
        {0}};
    first.call.timeout_ms = 40;
    start(script, pause_at_body);
    resume_first();
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_TIMED_OUT);
    finish_all();
}

Test(upstream_conn_pause, cancelled_while_held)
{
    start(whole_response, pause_at_head);
    cancel_call(&first);
    turn_for_ms(40);
    cr_assert_str_eq(first.events, "H");
    finish_all();
}

Test(upstream_conn_pause, cancelled_between_resume_and_the_loop)
{
    start(whole_response, pause_at_head);
    resume_first();
    cancel_call(&first);
    turn_for_ms(40);
    cr_assert_str_eq(first.events, "H");
    finish_all();
}

Test(upstream_conn_pause, chunks_of_one_read_can_be_told_one_by_one)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0,
                                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
                                          0},
                                         {0}};
    start(script, pause_at_body);
    for (size_t told = 1; told <= 3; told++) {
        cr_assert_eq(first.body_bytes, told);
        cr_assert_not(first.ended);
        resume_first();
        if (told < 3)
            run_until(first_paused);
    }
    run_until(first_ended);
    cr_assert_str_eq(first.body, "abc");
    cr_assert_eq(upstream->stats.idle, 1);
    finish_all();
}

static const struct step flood[] = {{STEP_ACCEPT, 0, NULL, 0},
                                    {STEP_READ, 0, NULL, 0},
                                    {STEP_SEND, 0, FLOOD_HEAD, 0},
                                    {STEP_FLOOD, 0, NULL, FLOOD_BYTES},
                                    {0}};

static size_t most_held;

/* Pauses at every piece and has the loop resume at the end of the turn. */
static void resume_from_hook(struct loop_hook *hook)
{
    (void)hook;
    if (first.ended)
        return;
    most_held = buf_len(&first.call.conn->held) > most_held ? buf_len(&first.call.conn->held)
                                                            : most_held;
    upstream_resume(&first.call);
}

static struct loop_hook resume_hook = {.run = resume_from_hook};

static void pause_for_a_turn(struct test_call *test, char event)
{
    if (event == 'E')
        return;
    upstream_pause(&test->call);
    loop_defer(&loop, &resume_hook);
}

Test(upstream_conn_pause, ten_megabytes_piece_by_piece)
{
    server_start(&server, flood);
    open_one(&server);
    first.react = pause_for_a_turn;
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(first.body_bytes, FLOOD_BYTES);
    cr_assert_leq(most_held, STREAM_READ_BYTES);
    finish_all();
}

Test(upstream_conn_pause, ten_megabytes_stay_with_the_upstream)
{
    start(flood, pause_at_head);
    turn_for_ms(200);
    cr_assert_lt(atomic_load(&server.flooded), FLOOD_BYTES, "the kernel's buffers are smaller");
    cr_assert_leq(buf_len(&first.call.conn->held), STREAM_READ_BYTES);
    cr_assert_eq(first.body_bytes, 0);
    resume_first();
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(first.body_bytes, FLOOD_BYTES);
    finish_all();
}
