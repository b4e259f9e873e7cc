/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of an upstream against a scripted one: framing, keeping and closing, what may be
 * repeated, time-outs, back-pressure.
 */
#include "test_call.h"

#include <stdlib.h>

#define FLOOD_BYTES ((size_t)10 * 1024 * 1024)

static struct server server;

/* A script with one connection and one request, and what comes of it. */
static void run_one(const struct step *script, const char *events, enum call_end end)
{
    server_start(&server, script);
    open_one(&server);
    get(&first);
    run_until(first_ended);
    cr_assert_str_eq(first.events, events);
    cr_assert_eq(first.call.end, end, "ended as %d", (int)first.call.end);
}

static void finish_one(void)
{
    close_all();
    server_stop(&server);
}

/* As run_one for a complete response with this body, kept or not. */
static void expect_response(const char *response, const char *body, bool kept)
{
    struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                            {STEP_READ, 0, NULL, 0},
                            {STEP_SEND, 0, response, 0},
                            {STEP_READ_END, 0, NULL, 0},
                            {STEP_END, 0, NULL, 0}};
    run_one(script, *body ? "HBE" : "HE", CALL_COMPLETE);
    cr_assert_str_eq(first.body, body);
    cr_assert_eq(upstream->stats.idle, kept);
    cr_assert_eq(upstream->stats.in_flight, 0);
    finish_one();
}

Test(upstream_conn, request_is_head_host_and_body)
{
    static const struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 5}, {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
    char expected[256];
    server_start(&server, script);
    open_one(&server);
    const char *head = "POST /hook?a=b HTTP/1.1\r\nContent-Length: 5\r\n";
    cr_assert_eq(submit_call(&first, head, SLICE("hello")), OP_PENDING);
    run_until(first_ended);
    cr_assert(first.call.any_sent);
    cr_assert_eq(first.status, 200);
    snprintf(expected, sizeof expected, "%sHost: 127.0.0.1:%u\r\n\r\nhello", head,
             (unsigned)server.port);
    finish_one();
    cr_assert_str_eq(server.request, expected);
}

Test(upstream_conn, sized)
{
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true);
}

Test(upstream_conn, sized_nothing)
{
    expect_response(OK_EMPTY, "", true);
}

Test(upstream_conn, chunked)
{
    expect_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
                    "hello", true);
}

Test(upstream_conn, connection_close)
{
    expect_response("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok",
                    false);
}

Test(upstream_conn, http_1_0)
{
    expect_response("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false);
}

Test(upstream_conn, no_content)
{
    expect_response("HTTP/1.1 204 No Content\r\n\r\n", "", true);
}

Test(upstream_conn, not_modified_has_no_body_whatever_it_says)
{
    expect_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "", true);
}

Test(upstream_conn, answer_to_head_has_no_body)
{
    first.call.is_head_request = true;
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "", true);
}

Test(upstream_conn, interim_responses_are_swallowed)
{
    expect_response("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                    "ok", true);
}

Test(upstream_conn, surplus_after_the_response_is_not_the_next_one)
{
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" OK_EMPTY, "ok", false);
}

Test(upstream_conn, body_until_close)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, "HTTP/1.1 200 OK\r\n\r\nto the end", 0},
                                         {STEP_CLOSE, 0, NULL, 0},
                                         {0}};
    run_one(script, "HBE", CALL_COMPLETE);
    cr_assert_str_eq(first.body, "to the end");
    cr_assert_eq(upstream->stats.idle, 0);
    finish_one();
}

/* What comes of `response` and then a close or reset. */
static void expect_cut(const char *response, enum step_kind how, const char *events,
                       enum call_end end)
{
    struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                            {STEP_READ, 0, NULL, 0},
                            {STEP_SEND, 0, response, 0},
                            {how, 0, NULL, 0},
                            {STEP_END, 0, NULL, 0}};
    run_one(script, events, end);
    cr_assert(first.call.any_sent);
    cr_assert_eq(upstream->stats.connects, 1, "never repeated");
    finish_one();
}

Test(upstream_conn, nothing_and_close)
{
    expect_cut("", STEP_CLOSE, "E", CALL_BROKEN);
}

Test(upstream_conn, nothing_and_reset)
{
    expect_cut("", STEP_RESET, "E", CALL_BROKEN);
}

Test(upstream_conn, cut_head)
{
    expect_cut("HTTP/1.1 200 OK\r\nContent-Le", STEP_CLOSE, "E", CALL_BROKEN);
}

Test(upstream_conn, cut_sized_body)
{
    expect_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", STEP_CLOSE, "HBE", CALL_BROKEN);
}

Test(upstream_conn, cut_chunked_body)
{
    expect_cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", STEP_CLOSE,
               "HBE", CALL_BROKEN);
}

Test(upstream_conn, only_an_interim_response)
{
    expect_cut("HTTP/1.1 100 Continue\r\n\r\n", STEP_CLOSE, "E", CALL_BROKEN);
}

Test(upstream_conn, not_http)
{
    expect_cut("220 mail.example.com ESMTP\r\n\r\n", STEP_READ_END, "E", CALL_BAD_RESPONSE);
}

Test(upstream_conn, broken_chunk)
{
    expect_cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", STEP_READ_END, "HE",
               CALL_BAD_RESPONSE);
}

static void submit_second_at_end(struct test_call *test, char event)
{
    (void)test;
    if (event != 'E')
        return;
    cr_assert_eq(upstream->stats.idle, 1, "in the pool before the end is told");
    get(&second);
    cr_assert_eq(upstream->stats.idle, 0);
}

Test(upstream_conn, reused_from_inside_the_end)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
    server_start(&server, script);
    open_one(&server);
    first.react = submit_second_at_end;
    get(&first);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 1);
    cr_assert_eq(upstream->stats.reuses, 1);
    finish_one();
}

/* First ends, the server closes, and only then second is sent: nothing was read in between. */
static void submit_second_after_close(struct test_call *test, char event)
{
    (void)test;
    if (event != 'E')
        return;
    server_go(&server);
    server_wait(&server);
    get(&second);
}

Test(upstream_conn, closed_exactly_when_reused_is_not_repeated)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0},
                                         {STEP_WAIT, 0, NULL, 0},
                                         {STEP_CLOSE, 0, NULL, 0},
                                         {STEP_TELL, 0, NULL, 0},
                                         {0}};
    server_start(&server, script);
    open_one(&server);
    first.react = submit_second_after_close;
    get(&first);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_BROKEN);
    cr_assert(second.call.any_sent);
    cr_assert_eq(upstream->stats.connects, 1);
    cr_assert_eq(upstream->stats.restarts, 0);
    finish_one();
}

Test(upstream_conn, found_reset_before_a_byte_left_begins_again)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_WAIT, 0, NULL, 0},
                                         {STEP_RESET, 0, NULL, 0},    {STEP_TELL, 0, NULL, 0},
                                         {STEP_ACCEPT, 1, NULL, 0},   {STEP_READ, 1, NULL, 0},
                                         {STEP_SEND, 1, OK_EMPTY, 0}, {0}};
    server_start(&server, script);
    open_one(&server);
    first.react = submit_second_after_close;
    get(&first);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 2);
    cr_assert_eq(upstream->stats.restarts, 1);
    cr_assert_eq(upstream->stats.reuses, 0);
    finish_one();
}

/* The second call after something happened to the idle connection: on a new one. */
static void expect_new_connection(enum step_kind how, const char *text)
{
    struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 0},     {STEP_SEND, 0, OK_EMPTY, 0},
        {STEP_WAIT, 0, NULL, 0},   {how, 0, text, 0},           {STEP_ACCEPT, 1, NULL, 0},
        {STEP_READ, 1, NULL, 0},   {STEP_SEND, 1, OK_EMPTY, 0}, {STEP_END, 0, NULL, 0}};
    run_one(script, "HE", CALL_COMPLETE);
    cr_assert_eq(upstream->stats.idle, 1);
    server_go(&server);
    run_until(nothing_idle);
    get(&second);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 2);
    finish_one();
}

Test(upstream_conn, idle_connection_closed_by_the_peer_is_forgotten)
{
    expect_new_connection(STEP_CLOSE, NULL);
}

Test(upstream_conn, idle_connection_reset_by_the_peer_is_forgotten)
{
    expect_new_connection(STEP_RESET, NULL);
}

Test(upstream_conn, bytes_on_an_idle_connection_are_nobodys_answer)
{
    expect_new_connection(STEP_SEND, OK_EMPTY);
}

/* A request whose body does not fit into any socket buffer. */
static struct slice large_body(void)
{
    static char bytes[FLOOD_BYTES];
    return slice_of(bytes, sizeof bytes);
}

#define LARGE_HEAD "POST / HTTP/1.1\r\nContent-Length: 10485760\r\n"

Test(upstream_conn, large_request_goes_out_whole)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, FLOOD_BYTES},
                                         {STEP_SEND, 0, OK_EMPTY, 0},
                                         {0}};
    server_start(&server, script);
    open_one(&server);
    cr_assert_eq(submit_call(&first, LARGE_HEAD, large_body()), OP_PENDING);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.idle, 1);
    finish_one();
}

/* An answer before the request was read: told, and the connection isn't kept. */
static void expect_early(enum step_kind then)
{
    struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0},
        {STEP_SEND, 0, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!", 0},
        {then, 0, NULL, 0},
        {STEP_END, 0, NULL, 0}};
    server_start(&server, script);
    open_one(&server);
    cr_assert_eq(submit_call(&first, LARGE_HEAD, large_body()), OP_PENDING);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE, "ended as %d", (int)first.call.end);
    cr_assert_eq(first.status, 413);
    cr_assert_str_eq(first.body, "no!");
    cr_assert_eq(upstream->stats.idle, 0);
    finish_one();
}

Test(upstream_conn, early_answer)
{
    expect_early(STEP_END);
}

Test(upstream_conn, early_answer_and_close)
{
    expect_early(STEP_CLOSE);
}

static void expect_time_out(const char *response, const char *events)
{
    struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                            {STEP_READ, 0, NULL, 0},
                            {STEP_SEND, 0, response, 0},
                            {STEP_READ_END, 0, NULL, 0},
                            {STEP_END, 0, NULL, 0}};
    first.call.timeout_ms = 50;
    run_one(script, events, CALL_TIMED_OUT);
    cr_assert(first.call.any_sent);
    finish_one();
}

Test(upstream_conn, no_answer_in_time)
{
    expect_time_out("", "E");
}

Test(upstream_conn, half_a_head_in_time)
{
    expect_time_out("HTTP/1.1 200 OK\r\n", "E");
}

Test(upstream_conn, half_a_body_in_time)
{
    expect_time_out("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HBE");
}

Test(upstream_conn, time_out_of_the_upstream_itself)
{
    static const struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0}, {STEP_READ, 0, NULL, 0}, {STEP_READ_END, 0, NULL, 0}, {0}};
    opts.timeout_ms = 50;
    run_one(script, "E", CALL_TIMED_OUT);
    finish_one();
}

static void cancel_at_head(struct test_call *test, char event)
{
    if (event == 'H')
        cancel_call(test);
}

static void cancel_at_body(struct test_call *test, char event)
{
    if (event == 'B')
        cancel_call(test);
}

static bool first_cancelled(void)
{
    return upstream->stats.in_flight == 0;
}

static void expect_cancelled(void (*react)(struct test_call *, char), const char *events)
{
    static const struct step script[] = {
        {STEP_ACCEPT, 0, NULL, 0},
        {STEP_READ, 0, NULL, 0},
        {STEP_SEND, 0, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0},
        {STEP_READ_END, 0, NULL, 0},
        {0}};
    server_start(&server, script);
    open_one(&server);
    first.react = react;
    get(&first);
    run_until(first_cancelled);
    server_stop(&server); /* saw the end: the connection was closed */
    cr_assert_str_eq(first.events, events);
    cr_assert(first.call.any_sent);
    cr_assert_eq(upstream->stats.idle, 0);
    upstream_cancel(&first.call); /* harmless */
    close_all();
    cr_assert_str_eq(first.events, events, "nothing comes after a cancel");
}

Test(upstream_conn, cancelled_at_the_head)
{
    expect_cancelled(cancel_at_head, "H");
}

Test(upstream_conn, cancelled_at_the_body)
{
    expect_cancelled(cancel_at_body, "HB");
}
