/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepted streams that begin with a PROXY header: when they have arrived, who the peer is then,
 * and what becomes of those that never arrive. The handshake behind the header is
 * test_tls_session.c's.
 */
#include "probe.h"

#include <certificates.h>
#include <peer.h>

#define HEADER "PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n"

static bool reads_at_once;
static struct peer *peer;

static void accept_arriving(struct listener *from)
{
    cr_assert_eq(stream_accept(from, &server.stream), STATUS_OK);
    cr_assert(stream_is_arriving(&server.stream));
    if (reads_at_once)
        stream_read_start(&server.stream);
}

static void open_door(uint32_t within_ms)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listener.proxy_header = true;
    listener.proxy_header_ms = within_ms;
    listen_locally();
    listener.pending = accept_arriving;
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1024), STATUS_OK);
    peer = peer_connect(&listener.address);
}

static bool server_closed(void)
{
    return server.closed == 1;
}

static void close_door(void)
{
    if (peer)
        peer_free(peer);
    if (server.stream.open)
        stream_close(&server.stream);
    run_until(server_closed);
    listener_close(&listener);
    loop_close(&loop);
}

static bool server_answered(void)
{
    return server.connected == 1;
}

static bool server_has_hello(void)
{
    return server.received == 5;
}

static bool server_ended(void)
{
    return server.ended == 1;
}

static bool server_accepted(void)
{
    return server.stream.polling;
}

static void assert_peer(const char *expected)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    cr_assert_eq(stream_peer(&server.stream, &address), STATUS_OK);
    address_format_host(&address, text);
    cr_assert_str_eq(text, expected);
}

Test(gate, bytes_behind_the_header)
{
    reads_at_once = true;
    open_door(GUARD_MS);
    run_until(server_accepted);
    assert_peer("127.0.0.1");
    peer_send(peer, HEADER "hello");
    run_until(server_has_hello);
    cr_assert_eq(server.connected, 1);
    cr_assert_eq(server.connect_status, STATUS_OK);
    cr_assert_not(stream_is_arriving(&server.stream));
    cr_assert_str_eq(stream_trouble(&server.stream), "");
    cr_assert_arr_eq(server.first, "hello", 5);
    assert_peer("203.0.113.7");
    close_door();
}

Test(gate, a_header_that_says_nothing)
{
    reads_at_once = true;
    open_door(GUARD_MS);
    peer_send(peer, "PROXY UNKNOWN\r\nhello");
    run_until(server_has_hello);
    assert_peer("127.0.0.1");
    close_door();
}

Test(gate, bytes_wait_for_an_owner_that_does_not_read)
{
    open_door(GUARD_MS);
    peer_send(peer, HEADER "hello");
    run_until(server_answered);
    cr_assert_eq(server.received, 0);
    cr_assert_not(server.stream.polling);
    stream_read_start(&server.stream);
    cr_assert_eq(server.received, 0, "never from inside the call");
    stream_read_stop(&server.stream);
    stream_read_start(&server.stream);
    run_until(server_has_hello);
    peer_send(peer, "hello");
    cr_assert(server.stream.polling);
    close_door();
}

static void close_here(struct probe *probe, const char *event)
{
    if (strcmp(event, "connected") == 0)
        stream_close(&probe->stream);
}

Test(gate, closed_from_connected)
{
    reads_at_once = true;
    server.react = close_here;
    open_door(GUARD_MS);
    peer_send(peer, HEADER "hello");
    run_until(server_closed);
    cr_assert_eq(server.received, 0);
    close_door();
}

Test(gate, closed_while_arriving)
{
    open_door(GUARD_MS);
    peer_send(peer, "PROXY ");
    run_until(server_accepted);
    stream_close(&server.stream);
    close_door();
    cr_assert_eq(server.connected, 0);
}

Test(gate, aborted_while_arriving)
{
    open_door(GUARD_MS);
    run_until(server_accepted);
    stream_abort(&server.stream);
    close_door();
    cr_assert_eq(server.connected, 0);
}

Test(gate, the_end_behind_the_header)
{
    reads_at_once = true;
    open_door(GUARD_MS);
    peer_send(peer, HEADER);
    peer_free(peer);
    peer = NULL;
    run_until(server_ended);
    cr_assert_eq(server.connect_status, STATUS_OK);
    cr_assert_eq(server.end, STREAM_END_EOF);
    close_door();
}

static void assert_never_arrives(uint64_t counted)
{
    run_until(server_answered);
    cr_assert_eq(server.connect_status, STATUS_UNAVAILABLE);
    cr_assert_eq(server.ended, 0);
    cr_assert_neq(stream_trouble(&server.stream)[0], '\0');
    cr_assert_not(stream_is_arriving(&server.stream));
    cr_assert_eq(stream_counts_of(&loop).bad_proxy_headers, counted);
    cr_assert_eq(stream_counts_of(&loop).failed_handshakes, 0);
    close_door();
    cr_assert_eq(server.connected, 1);
    cr_assert_eq(server.received, 0);
}

Test(gate, garbage)
{
    reads_at_once = true;
    open_door(GUARD_MS);
    peer_send(peer, "GET / HTTP/1.1\r\n\r\n");
    assert_never_arrives(1);
}

Test(gate, a_header_that_is_late)
{
    open_door(30);
    peer_send(peer, "PROXY TCP4");
    assert_never_arrives(1);
}

Test(gate, an_end_within_the_header)
{
    open_door(GUARD_MS);
    peer_send(peer, "PROXY TCP4");
    run_until(server_accepted);
    peer_free(peer);
    peer = NULL;
    assert_never_arrives(1);
}

/* A health check connects and leaves: that is no failure. */
Test(gate, an_end_without_a_word)
{
    open_door(GUARD_MS);
    peer_free(peer);
    peer = NULL;
    assert_never_arrives(0);
}

/* A health check of a proxy that sends its header to whoever it asks. */
Test(gate, an_end_behind_the_header_and_before_tls)
{
    struct identity identity;
    identity_new(&identity, &(struct identity_wish){.common_name = "a", .names = "DNS:a.test"});
    struct tls_certificate files = identity_files(&identity);
    struct tls_context *context = server_context_of(&(struct tls_server_opts){
        .certificates = &files, .certificate_count = 1, .handshake_ms = GUARD_MS});
    listener.tls = context;
    open_door(GUARD_MS);
    peer_send(peer, "PROXY UNKNOWN\r\n");
    peer_free(peer);
    peer = NULL;
    run_until(server_answered);
    cr_assert_eq(server.connect_status, STATUS_UNAVAILABLE);
    cr_assert_eq(stream_counts_of(&loop).bad_proxy_headers, 0);
    cr_assert_eq(stream_counts_of(&loop).failed_handshakes, 0);
    close_door();
    tls_context_free(context);
    identity_free(&identity);
}

static void count_late(struct deadline *deadline)
{
    (void)deadline;
    server.drained++; /* stands for "the time is over" */
    check_goal();
}

static bool time_is_over(void)
{
    return server.drained == 1;
}

Test(gate, the_time_ends_with_the_header)
{
    reads_at_once = true;
    open_door(60);
    peer_send(peer, HEADER "hello");
    run_until(server_has_hello);
    struct deadline later = {.expired = count_late};
    deadline_set(&loop.deadlines, &later, loop_now_ms(&loop) + 120);
    run_until(time_is_over);
    cr_assert_eq(server.connected, 1);
    close_door();
}
