/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening: options, several listeners on one address, dual-stack, errors, and closing.
 */
#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct address parsed(const char *text)
{
    struct address address;
    cr_assert_eq(address_parse(slice_str(text), &address), STATUS_OK);
    return address;
}

Test(listener, tells_the_real_port)
{
    struct listener one = {.pending = accept_server};
    struct address any = parsed("127.0.0.1:0");
    char text[ADDRESS_TEXT_SIZE];
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(listener_open(&one, &loop, &any, 16), STATUS_OK);
    address_format(&one.address, text);
    cr_assert_str_neq(text, "127.0.0.1:0");
    listener_close(&one);
    memset(&one, 0xee, sizeof one); /* the struct may go at once */
    loop_close(&loop);
}

Test(listener, each_worker_binds_the_same_address)
{
    struct listener first = {.pending = accept_server}, second = {.pending = accept_server};
    struct address any = parsed("127.0.0.1:0");
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(listener_open(&first, &loop, &any, 16), STATUS_OK);
    cr_assert_eq(listener_open(&second, &loop, &first.address, 16), STATUS_OK);
    listener_close(&first);
    listener_close(&second);
    loop_close(&loop);
}

Test(listener, errno_says_why_it_failed)
{
    struct listener one = {.pending = accept_server};
    struct address foreign = parsed("203.0.113.7:1");
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    errno = 0;
    cr_assert_eq(listener_open(&one, &loop, &foreign, 16), STATUS_IO);
    cr_assert_eq(errno, EADDRNOTAVAIL);
    loop_close(&loop);
}

Test(listener, address_taken_by_somebody_without_reuseport)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    char text[ADDRESS_TEXT_SIZE];
    snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)ntohs(any.sin_port));
    struct address taken = parsed(text);
    struct listener one = {.pending = accept_server};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(listener_open(&one, &loop, &taken, 16), STATUS_IO);
    cr_assert_eq(errno, EADDRINUSE);
    loop_close(&loop);
    close(fd);
}

static int option_of(struct stream *stream, int level, int name)
{
    /* The handle's descriptor, found the way a stranger would: the one connected to that peer. */
    struct address peer;
    cr_assert_eq(stream_peer(stream, &peer), STATUS_OK);
    for (int fd = 3; fd < 256; fd++) {
        struct address other = {0};
        socklen_t len = sizeof other.storage;
        int value = 0;
        socklen_t value_len = sizeof value;
        if (getpeername(fd, (struct sockaddr *)(void *)other.storage, &len) == 0 &&
            memcmp(other.storage, peer.storage, 8) == 0 &&
            getsockopt(fd, level, name, &value, &value_len) == 0)
            return value;
    }
    cr_assert_fail("no such socket");
    return -1;
}

Test(listener, both_ends_have_nodelay)
{
    connect_pair(4096);
    cr_assert_neq(option_of(&server.stream, IPPROTO_TCP, TCP_NODELAY), 0);
    cr_assert_neq(option_of(&client.stream, IPPROTO_TCP, TCP_NODELAY), 0);
    close_pair();
}

Test(listener, ipv6_takes_ipv4_as_well_and_calls_it_so)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    struct address any = parsed("[::]:0");
    listener.pending = accept_server;
    if (listener_open(&listener, &loop, &any, 16) != STATUS_OK)
        cr_skip_test("this machine has no IPv6");
    struct address target;
    char text[ADDRESS_TEXT_SIZE], local[ADDRESS_TEXT_SIZE];
    address_format(&listener.address, text);
    snprintf(local, sizeof local, "127.0.0.1%s", strrchr(text, ':'));
    target = parsed(local);
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_connect(&client.stream, &target), STATUS_OK);
    run_until(both_connected);
    struct address peer;
    cr_assert_eq(stream_peer(&server.stream, &peer), STATUS_OK);
    address_format_host(&peer, text);
    cr_assert_str_eq(text, "127.0.0.1");
    close_pair();
}

static size_t accepted;
static struct probe many_servers[100], many_clients[100];

static void accept_next(struct listener *from)
{
    struct probe *next = &many_servers[accepted++];
    cr_assert_eq(stream_init(&next->stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_accept(from, &next->stream), STATUS_OK);
    check_goal();
}

static bool all_connected(void)
{
    size_t connected = 0;
    for (size_t i = 0; i < 100; i++)
        connected += many_clients[i].connected;
    return connected == 100 && accepted == 100;
}

static bool all_closed(void)
{
    size_t closed = 0;
    for (size_t i = 0; i < 100; i++)
        closed += many_clients[i].closed + many_servers[i].closed;
    return closed == 200;
}

Test(listener, a_hundred_connections_at_once)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    struct address any = parsed("127.0.0.1:0");
    listener.pending = accept_next;
    cr_assert_eq(listener_open(&listener, &loop, &any, 128), STATUS_OK);
    for (size_t i = 0; i < 100; i++) {
        struct stream *stream = &many_clients[i].stream;
        cr_assert_eq(stream_init(stream, &loop, &probe_handlers, 1), STATUS_OK);
        cr_assert_eq(stream_connect(stream, &listener.address), STATUS_OK);
    }
    run_until(all_connected);
    cr_assert_eq(listener.failures, 0);
    for (size_t i = 0; i < 100; i++) {
        stream_close(&many_clients[i].stream);
        stream_close(&many_servers[i].stream);
    }
    run_until(all_closed);
    listener_close(&listener);
    loop_close(&loop);
}

Test(listener, accepting_when_nobody_waits_fails)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_accept(&listener, &server.stream), STATUS_IO);
    client.closed = 1; /* there is none */
    stream_close(&server.stream);
    run_until(both_closed);
    listener_close(&listener);
    loop_close(&loop);
}

static int raw_client;

static bool raw_client_was_closed(void)
{
    char byte;
    ssize_t got = recv(raw_client, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static void connect_raw_client(void)
{
    cr_assert_eq(connect(raw_client, (struct sockaddr *)(void *)listener.address.storage,
                         sizeof(struct sockaddr_in)),
                 0);
}

static bool server_connected(void)
{
    return server.connected == 1;
}

Test(listener, goes_on_after_the_descriptors_ran_out)
{
    struct rlimit limit, full;
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1), STATUS_OK);
    raw_client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    full = (struct rlimit){.rlim_cur = (rlim_t)raw_client + 1, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &full), 0);
    connect_raw_client();
    run_until(raw_client_was_closed);
    cr_assert_eq(server.connected, 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(raw_client);
    raw_client = socket(AF_INET, SOCK_STREAM, 0);
    connect_raw_client();
    run_until(server_connected);
    close(raw_client);
    client.closed = 1; /* there is none */
    close_pair();
}

static void close_listener(struct listener *from)
{
    cr_assert_eq(stream_accept(from, &server.stream), STATUS_OK);
    server.connected++;
    listener_close(from);
    check_goal();
}

Test(listener, may_be_closed_from_pending)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    listener.pending = close_listener;
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, 1), STATUS_OK);
    cr_assert_eq(stream_connect(&client.stream, &listener.address), STATUS_OK);
    run_until(both_connected);
    stream_close(&client.stream);
    stream_close(&server.stream);
    run_until(both_closed);
    loop_close(&loop);
}
