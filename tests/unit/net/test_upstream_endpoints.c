/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The endpoints of an upstream: refusals, names, taking turns, and their idle connections.
 */
#include "test_call.h"

static struct server server, other_server;

static const struct step three_answers[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                            {STEP_SEND, 0, OK_EMPTY, 0}, {0}};

Test(upstream_endpoints, refused)
{
    int fd = open_refusing();
    get(&first);
    run_until(first_ended);
    cr_assert_str_eq(first.events, "E");
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    cr_assert_not(first.call.any_sent);
    cr_assert_eq(upstream->stats.connects, 1, "one address, one try");
    cr_assert_eq(upstream->stats.connect_failures, 1);
    cr_assert_eq(upstream->stats.in_flight, 0);
    close_all();
    close(fd);
}

static struct test_call hundred[100];

static bool hundred_ended(void)
{
    size_t ended = 0;
    for (size_t i = 0; i < 100; i++)
        ended += hundred[i].ended;
    return ended == 100;
}

Test(upstream_endpoints, a_hundred_refused)
{
    opts.concurrency = 10;
    opts.queue_max = 90;
    int fd = open_refusing();
    for (size_t i = 0; i < 100; i++)
        get(&hundred[i]);
    cr_assert_eq(upstream->stats.in_flight, 10);
    cr_assert_eq(upstream->stats.queued, 90);
    run_until(hundred_ended);
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(hundred[i].call.end, CALL_CONNECT_FAILED);
    cr_assert_eq(upstream->stats.connect_failures, 100);
    close_all();
    close(fd);
}

Test(upstream_endpoints, not_connected_in_time)
{
    uint16_t port;
    int fillers[FILLERS];
    int fd = full_listener(&port, fillers);
    opts.connect_timeout_ms = 50;
    open_upstream(1, &port);
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    cr_assert_not(first.call.any_sent);
    close_all();
    close_full_listener(fd, fillers);
}

static void open_two(uint16_t a, uint16_t b)
{
    uint16_t ports[] = {a, b};
    open_upstream(2, ports);
}

Test(upstream_endpoints, endpoints_in_turn)
{
    static const struct step two_answers[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_READ, 0, NULL, 0},
                                              {STEP_SEND, 0, OK_EMPTY, 0}, {STEP_READ, 0, NULL, 0},
                                              {STEP_SEND, 0, OK_EMPTY, 0}, {0}};
    server_start(&server, two_answers);
    server_start(&other_server, two_answers);
    open_two(server.port, other_server.port);
    for (int i = 0; i < 4; i++) {
        get(&first);
        run_until(first_ended);
        cr_assert_eq(first.call.end, CALL_COMPLETE);
    }
    cr_assert_eq(upstream->stats.connects, 2);
    cr_assert_eq(upstream->stats.reuses, 2);
    close_all();
    server_stop(&server);
    server_stop(&other_server);
}

Test(upstream_endpoints, endpoint_that_refuses_is_left_alone_for_a_while)
{
    uint16_t refusing;
    int fd = server_socket(-1, &refusing);
    server_start(&server, three_answers);
    open_two(refusing, server.port);
    for (int i = 0; i < 3; i++) {
        get(&first);
        run_until(first_ended);
        cr_assert_eq(first.call.end, CALL_COMPLETE, "tried elsewhere");
    }
    cr_assert_eq(upstream->stats.connect_failures, 1, "and only once found out");
    close_all();
    server_stop(&server);
    close(fd);
}

Test(upstream_endpoints, when_all_were_refused_they_are_tried_all_the_same)
{
    uint16_t ports[2];
    int fds[] = {server_socket(-1, &ports[0]), server_socket(-1, &ports[1])};
    open_two(ports[0], ports[1]);
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    cr_assert_eq(upstream->stats.connect_failures, 2, "each once");
    cr_assert_eq(listen(fds[0], 8), 0);
    cr_assert_eq(listen(fds[1], 8), 0);
    first.call.timeout_ms = 30;
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_TIMED_OUT, "connected, during the cool-down");
    close_all();
    close(fds[0]);
    close(fds[1]);
}

Test(upstream_endpoints, calls_wait_for_the_name_of_their_endpoint)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_ACCEPT, 1, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0},
                                         {STEP_READ, 1, NULL, 0},
                                         {STEP_SEND, 1, OK_EMPTY, 0},
                                         {0}};
    server_start(&server, script);
    open_named("localhost", server.port);
    get(&first);
    get(&second);
    get(&third);
    cr_assert_eq(upstream->stats.connects, 0);
    cancel_call(&third);
    cr_assert_eq(upstream->stats.in_flight, 2);
    run_until(first_ended);
    run_until(second_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    close_all();
    server_stop(&server);
}

/* As localhost often is ::1 as well, where nobody listens: two addresses, of which the second is
 * the server's. */
static struct endpoint *open_two_addresses(const uint16_t *refusing)
{
    open_upstream(1, refusing);
    struct endpoint *endpoint = &upstream_pool_of(upstream)->endpoints[0];
    char good[ADDRESS_TEXT_SIZE];
    snprintf(good, sizeof good, "127.0.0.1:%u", (unsigned)server.port);
    cr_assert_eq(address_parse(slice_str(good), &endpoint->resolver.addresses[1]), STATUS_OK);
    endpoint->resolver.count = 2;
    return endpoint;
}

Test(upstream_endpoints, one_bad_address_of_two_does_not_shun_the_endpoint)
{
    uint16_t refusing;
    int fd = server_socket(-1, &refusing);
    server_start(&server, three_answers);
    struct endpoint *endpoint = open_two_addresses(&refusing);
    for (int i = 0; i < 3; i++) {
        get(&first);
        run_until(first_ended);
        cr_assert_eq(first.call.end, CALL_COMPLETE);
        cr_assert_eq(endpoint->shunned_until_ms, 0);
    }
    cr_assert_eq(upstream->stats.connect_failures, 1);
    close_all();
    server_stop(&server);
    close(fd);
}

/* The second takes the good address in its turn, so that the bad one is next for the first. */
Test(upstream_endpoints, nobody_is_given_the_bad_address_twice)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_ACCEPT, 1, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0},
                                         {STEP_READ, 1, NULL, 0},
                                         {STEP_SEND, 1, OK_EMPTY, 0},
                                         {0}};
    uint16_t refusing;
    int fd = server_socket(-1, &refusing);
    server_start(&server, script);
    (void)open_two_addresses(&refusing);
    get(&first);
    get(&second);
    run_until(first_ended);
    run_until(second_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connect_failures, 1);
    close_all();
    server_stop(&server);
    close(fd);
}

Test(upstream_endpoints, unknown_name)
{
    open_named(IMPOSSIBLE, 80);
    for (int i = 0; i < 2; i++) { /* the second time without a look-up */
        get(&first);
        run_until(first_ended);
        cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
        cr_assert_not(first.call.any_sent);
    }
    cr_assert_eq(upstream->stats.connects, 0);
    close_all();
}

Test(upstream_endpoints, not_a_host)
{
    struct upstream *none = NULL;
    char host[300];
    memset(host, 'a', sizeof host);
    endpoints[0] = (struct upstream_endpoint){.host = SLICE("127.0.0.1"), .port = 1};
    endpoints[1] = (struct upstream_endpoint){.host = slice_of(host, sizeof host), .port = 1};
    opts = (struct upstream_opts){.endpoints = endpoints, .endpoint_count = 2, .concurrency = 1};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(upstream_open(&loop, &opts, &none), STATUS_INVALID);
    cr_assert_null(none);
    loop_close(&loop);
}

Test(upstream_endpoints, idle_connections_are_closed_in_time)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},
                                         {STEP_SEND, 0, OK_EMPTY, 0},
                                         {STEP_READ_END, 0, NULL, 0},
                                         {0}};
    server_start(&server, script);
    opts.idle_timeout_ms = 40;
    open_one(&server);
    get(&first);
    run_until(first_ended);
    cr_assert_eq(upstream->stats.idle, 1);
    run_until(nothing_connected);
    cr_assert_eq(upstream->stats.idle, 0);
    server_stop(&server);
    close_all();
}

Test(upstream_endpoints, idle_connections_are_bounded)
{
    static const struct step script[] = {{STEP_ACCEPT, 0, NULL, 0},   {STEP_ACCEPT, 1, NULL, 0},
                                         {STEP_READ, 0, NULL, 0},     {STEP_SEND, 0, OK_EMPTY, 0},
                                         {STEP_READ, 1, NULL, 0},     {STEP_SEND, 1, OK_EMPTY, 0},
                                         {STEP_READ_END, 1, NULL, 0}, {0}};
    server_start(&server, script);
    opts.idle_max = 1;
    open_one(&server);
    get(&first);
    get(&second);
    run_until(first_ended);
    run_until(second_ended);
    cr_assert_eq(upstream->stats.idle, 1);
    server_stop(&server); /* saw the second one close */
    close_all();
}
