/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call that writes down what its upstream tells it, and an upstream over one or two endpoints
 * with small limits. For test_upstream.c and test_upstream_conn.c.
 */
#ifndef POSTERN_TESTS_NET_TEST_CALL_H
#define POSTERN_TESTS_NET_TEST_CALL_H

#include "scripted_server.h"
#include "upstream_impl.h"

#include <loop_goal.h>
#include <signal.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

struct test_call {
    struct upstream_call call;
    struct arena arena;
    void (*react)(struct test_call *test, char event); /* may be NULL; runs in the callback */
    char events[64];                                   /* H head, B body pieces (once), E end */
    char body[256];                                    /* its beginning */
    size_t body_bytes;
    uint16_t status;
    bool ended;
};

static struct upstream_endpoint endpoints[2];
static struct upstream_opts opts;
static struct upstream *upstream;
static struct test_call first, second, third;
static bool submitting; /* no callback may come meanwhile */
static bool closed;

static inline struct test_call *test_of(struct upstream_call *call)
{
    return container_of(call, struct test_call, call);
}

static inline void note(struct test_call *test, char event)
{
    size_t len = strlen(test->events);
    cr_assert(!submitting, "called back from inside a call");
    cr_assert(!test->ended || event == 'E', "told after the end");
    if (len < sizeof test->events - 1 && (len == 0 || test->events[len - 1] != event))
        test->events[len] = event;
    if (test->react)
        test->react(test, event);
    check_goal();
}

static inline void on_head(struct upstream_call *call)
{
    test_of(call)->status = call->reader.head.status;
    note(test_of(call), 'H');
}

static inline void on_body(struct upstream_call *call, struct slice piece)
{
    struct test_call *test = test_of(call);
    cr_assert_gt(piece.len, 0);
    cr_assert(!call->paused, "told while paused");
    for (size_t i = 0; i < piece.len && test->body_bytes + i < sizeof test->body - 1; i++)
        test->body[test->body_bytes + i] = piece.data[i];
    test->body_bytes += piece.len;
    note(test, 'B');
}

static inline void on_ended(struct upstream_call *call)
{
    struct test_call *test = test_of(call);
    cr_assert(!test->ended, "ended twice");
    test->ended = true;
    arena_done(&test->arena);
    note(test, 'E');
}

static const struct upstream_call_handlers call_handlers = {
    .head = on_head, .body = on_body, .ended = on_ended};

/* Submits a call with this head (without Host) and body. */
static inline enum op_status submit_call(struct test_call *test, const char *head,
                                         struct slice body)
{
    void (*react)(struct test_call *, char) = test->react;
    uint32_t timeout_ms = test->call.timeout_ms;
    uint64_t not_after_ms = test->call.not_after_ms;
    bool is_head_request = test->call.is_head_request;
    *test = (struct test_call){.react = react};
    arena_init(&test->arena, 1024, 65536);
    test->call.on = &call_handlers;
    test->call.head = slice_str(head);
    test->call.body = body;
    test->call.arena = &test->arena;
    test->call.timeout_ms = timeout_ms;
    test->call.not_after_ms = not_after_ms;
    test->call.is_head_request = is_head_request;
    bool outer = submitting;
    submitting = true;
    enum op_status status = upstream_submit(upstream, &test->call);
    submitting = outer;
    return status;
}

static inline void get(struct test_call *test)
{
    cr_assert_eq(submit_call(test, "GET /x HTTP/1.1\r\n", SLICE("")), OP_PENDING);
}

static inline void cancel_call(struct test_call *test)
{
    bool outer = submitting;
    submitting = true;
    upstream_cancel(&test->call);
    submitting = outer;
    arena_done(&test->arena);
}

static inline bool first_ended(void)
{
    return first.ended;
}

static inline bool second_ended(void)
{
    return second.ended;
}

static inline bool all_three_ended(void)
{
    return first.ended && second.ended && third.ended;
}

static inline bool nothing_idle(void)
{
    return upstream->stats.idle == 0;
}

/* Opens the loop, and the upstream over `count` endpoints on 127.0.0.1. `opts` may be changed
 * before, and is filled up. */
static inline void open_upstream(size_t count, const uint16_t *ports)
{
    static char authorities[2][32];
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < count; i++) {
        snprintf(authorities[i], sizeof authorities[i], "127.0.0.1:%u", (unsigned)ports[i]);
        endpoints[i] = (struct upstream_endpoint){
            .host = SLICE("127.0.0.1"), .port = ports[i], .authority = slice_str(authorities[i])};
    }
    opts.name = SLICE("test");
    opts.endpoints = endpoints;
    opts.endpoint_count = count;
    opts.connect_timeout_ms = opts.connect_timeout_ms ? opts.connect_timeout_ms : 10000;
    opts.timeout_ms = opts.timeout_ms ? opts.timeout_ms : 10000;
    opts.concurrency = opts.concurrency ? opts.concurrency : 8;
    opts.idle_timeout_ms = opts.idle_timeout_ms ? opts.idle_timeout_ms : 60000;
    opts.idle_max = opts.idle_max ? opts.idle_max : 8;
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(upstream_open(&loop, &opts, &upstream), STATUS_OK);
}

static inline void open_one(const struct server *server)
{
    open_upstream(1, &server->port);
}

static inline void on_upstream_closed(void *arg)
{
    *(bool *)arg = true;
    check_goal();
}

static inline bool upstream_is_closed(void)
{
    return closed;
}

static inline void begin_close(void)
{
    submitting = true;
    upstream_close(upstream, on_upstream_closed, &closed);
    cr_assert(!closed);
    submitting = false;
}

static inline void close_all(void)
{
    begin_close();
    run_until(upstream_is_closed);
    loop_close(&loop);
}

/* An upstream whose one endpoint refuses. Returns the socket that holds the port. */
static inline int open_refusing(void)
{
    uint16_t port;
    int fd = server_socket(-1, &port);
    open_upstream(1, &port);
    return fd;
}

/* A name that can't be resolved, whatever the network: its first label is too long. */
#define IMPOSSIBLE                                                                                 \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.invalid"

/* Opens over one endpoint by name. */
static inline void open_named(const char *host, uint16_t port)
{
    open_upstream(1, &port);
    begin_close();
    run_until(upstream_is_closed);
    closed = false;
    endpoints[0].host = slice_str(host);
    cr_assert_eq(upstream_open(&loop, &opts, &upstream), STATUS_OK);
}

static inline bool first_is_sent(void)
{
    return first.call.state == CALL_STATE_SENT;
}

static inline bool nothing_connected(void)
{
    return upstream_pool_of(upstream)->conn_count == 0;
}

#endif
