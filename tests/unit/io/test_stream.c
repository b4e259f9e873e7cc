/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams over real loopback sockets: connecting and its failures, sending against a slow peer, the
 * backlog's ceiling, how ends are told, and closing from inside every callback.
 */
#include "probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CEILING ((size_t)64 * 1024)

static char filler[CEILING + 1];

static enum send_status send_bytes(struct probe *probe, size_t len)
{
    struct slice piece = slice_of(filler, len);
    return stream_send(&probe->stream, &piece, 1);
}

static enum send_status send_text(struct probe *probe, const char *text)
{
    struct slice piece = slice_str(text);
    return stream_send(&probe->stream, &piece, 1);
}

/* Fills the kernel's buffers until something of a send stays with us. Returns what was accepted. */
static size_t send_until_backlog(struct probe *probe, size_t piece)
{
    size_t accepted = 0;
    enum send_status status;
    do {
        status = send_bytes(probe, piece);
        accepted += piece;
        cr_assert(status == SEND_DONE || status == SEND_BACKLOG);
    } while (status == SEND_DONE);
    return accepted;
}

static bool client_got_end(void)
{
    return client.ended == 1;
}

static bool server_got_end(void)
{
    return server.ended == 1;
}

static bool client_closed(void)
{
    return client.closed == 1;
}

static bool client_connect_answered(void)
{
    return client.connected == 1;
}

static bool client_drained(void)
{
    return client.drained == 1;
}

static void start_client(const char *target)
{
    struct address address;
    cr_assert_eq(address_parse(slice_str(target), &address), STATUS_OK);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    cr_assert_eq(stream_connect(&client.stream, &address), STATUS_OK);
    cr_assert_eq(client.connected, 0, "never from inside the call");
}

static void stop_client(void)
{
    stream_close(&client.stream);
    run_until(client_closed);
    loop_close(&loop);
}

/* A port that refuses: bound, but nobody listens. */
static int refusing_socket(struct address *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    cr_assert_eq(bind(fd, (struct sockaddr *)&any, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    *ret_address = (struct address){0};
    memcpy(ret_address->storage, &any, sizeof any);
    return fd;
}

Test(stream, never_connected_closes_like_any_other)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    struct address peer;
    cr_assert_eq(stream_peer(&client.stream, &peer), STATUS_UNAVAILABLE);
    stop_client();
}

Test(stream, never_connected_aborts_like_any_other)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    stream_abort(&client.stream);
    run_until(client_closed);
    loop_close(&loop);
}

Test(stream, refusal_at_once_is_told_from_the_loop)
{
    start_client("255.255.255.255:9"); /* connect(2) itself says no */
    run_until(client_connect_answered);
    cr_assert_eq(client.connect_status, STATUS_UNAVAILABLE);
    stop_client();
}

Test(stream, closed_before_a_refusal_at_once_is_told)
{
    start_client("255.255.255.255:9");
    stop_client();
    cr_assert_eq(client.connected, 0);
}

static size_t refused;
static struct probe refused_probes[100];

static bool all_refused(void)
{
    size_t answers = 0;
    for (size_t i = 0; i < 100; i++)
        answers += refused_probes[i].closed;
    return answers == 100;
}

static void count_refusal(struct probe *probe, const char *event)
{
    if (strcmp(event, "connected") != 0)
        return;
    refused += probe->connect_status == STATUS_UNAVAILABLE;
    stream_close(&probe->stream);
}

Test(stream, a_hundred_refused_connects)
{
    struct address address;
    int fd = refusing_socket(&address);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    for (size_t i = 0; i < 100; i++) {
        struct probe *probe = &refused_probes[i];
        probe->react = count_refusal;
        cr_assert_eq(stream_init(&probe->stream, &loop, &probe_handlers, CEILING), STATUS_OK);
        cr_assert_eq(stream_connect(&probe->stream, &address), STATUS_OK);
    }
    run_until(all_refused);
    cr_assert_eq(refused, 100);
    close(fd);
    loop_close(&loop);
}

Test(stream, closed_while_connecting)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    cr_assert_eq(stream_connect(&client.stream, &listener.address), STATUS_OK);
    stream_close(&client.stream);
    run_until(client_closed);
    cr_assert_eq(client.connected, 0);
    stream_close(&server.stream);
    run_until(both_closed);
    listener_close(&listener);
    loop_close(&loop);
}

static bool server_has_greeting(void)
{
    return server.received == 11;
}

Test(stream, pieces_arrive_in_order)
{
    connect_pair(CEILING);
    struct slice parts[8] = {SLICE("h"), SLICE(""), SLICE("ell"),   SLICE("o "),
                             SLICE(""),  {0},       SLICE("world"), SLICE("")};
    cr_assert_eq(stream_send(&client.stream, parts, 8), SEND_DONE);
    cr_assert_eq(client.stream.sent_bytes, 11);
    run_until(server_has_greeting);
    cr_assert_arr_eq(server.first, "hello world", 11);
    cr_assert_eq(stream_send(&client.stream, parts + 4, 2), SEND_DONE, "nothing to send");
    cr_assert_eq(client.drained, 0, "only after a backlog");
    close_pair();
}

Test(stream, instant_of_a_callback_is_fresh)
{
    connect_pair(CEILING);
    cr_assert_eq(send_text(&client, "hello world"), SEND_DONE);
    struct clock before;
    clock_refresh(&before);
    run_until(server_has_greeting);
    cr_assert_geq(server.seen_us, before.mono_us);
    close_pair();
}

static size_t expected_bytes;

static bool server_has_everything(void)
{
    return server.received == expected_bytes && client.drained == 1;
}

Test(stream, slow_peer_gets_everything_and_drained_is_told)
{
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    expected_bytes = send_until_backlog(&client, CEILING - 100);
    cr_assert_gt(client.stream.backlog_bytes, 0);
    cr_assert_leq(client.stream.backlog_bytes, CEILING - 100);
    cr_assert_eq(send_bytes(&client, 1), SEND_BACKLOG, "behind what waits already");
    expected_bytes++;
    stream_read_start(&server.stream);
    run_until(server_has_everything);
    cr_assert_eq(client.stream.backlog_bytes, 0);
    cr_assert_eq(client.stream.sent_bytes, expected_bytes);
    close_pair();
}

#ifndef PROBE_SECURE /* a record is longer than what it holds: test_tls_session.c */
Test(stream, backlog_ceiling_below_at_and_above)
{
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    expected_bytes = send_until_backlog(&client, 4096);
    size_t room = CEILING - client.stream.backlog_bytes;
    cr_assert_eq(send_bytes(&client, room + 1), SEND_FULL);
    cr_assert_eq(client.stream.backlog_bytes, CEILING - room, "nothing accepted");
    cr_assert_eq(send_bytes(&client, room - 1), SEND_BACKLOG);
    cr_assert_eq(send_bytes(&client, 2), SEND_FULL);
    cr_assert_eq(send_bytes(&client, 1), SEND_BACKLOG);
    cr_assert_eq(client.stream.backlog_bytes, CEILING);
    cr_assert_eq(send_bytes(&client, 1), SEND_FULL);
    expected_bytes += room;
    stream_read_start(&server.stream);
    run_until(server_has_everything);
    close_pair();
}
#endif

Test(stream, send_above_the_ceiling_is_refused_even_by_an_idle_socket)
{
    connect_pair(CEILING);
    cr_assert_eq(send_bytes(&client, CEILING + 1), SEND_FULL);
    cr_assert_eq(client.stream.sent_bytes, 0);
    cr_assert_eq(send_bytes(&client, CEILING), SEND_DONE);
    close_pair();
}

Test(stream, finish_follows_the_backlog_and_reading_goes_on)
{
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    expected_bytes = send_until_backlog(&client, CEILING);
    stream_finish(&client.stream);
    stream_read_start(&server.stream);
    run_until(server_got_end);
    cr_assert_eq(server.end, STREAM_END_EOF);
    cr_assert_eq(server.received, expected_bytes);
    cr_assert_eq(send_text(&server, "still here"), SEND_DONE);
    stream_finish(&server.stream);
    run_until(client_got_end);
    cr_assert_eq(client.end, STREAM_END_EOF);
    cr_assert_eq(client.received, 10);
    stream_read_start(&client.stream);
    cr_assert_not(client.stream.reading, "nothing comes after the end");
    close_pair();
}

Test(stream, abort_shows_as_reset)
{
    connect_pair(CEILING);
    stream_abort(&server.stream);
    run_until(client_got_end);
    cr_assert_eq(client.end, STREAM_END_RESET);
    close_pair();
}

static void resume_client(struct deadline *deadline)
{
    (void)deadline;
    cr_assert_eq(client.ended + client.received, 0, "told while reading was stopped");
    stream_read_start(&client.stream);
}

Test(stream, stopped_reading_keeps_bytes_and_end_untold)
{
    connect_pair(CEILING);
    stream_read_stop(&client.stream);
    stream_read_stop(&client.stream);
    cr_assert_eq(send_text(&server, "last words"), SEND_DONE);
    stream_close(&server.stream);
    struct deadline later = {.expired = resume_client};
    deadline_set(&loop.deadlines, &later, loop_now_ms(&loop) + 50);
    run_until(client_got_end);
    cr_assert_eq(client.received, 10);
    cr_assert_eq(client.end, STREAM_END_EOF);
    close_pair();
}

/* Sends until the connection is known to be broken. */
static void send_until_lost(struct probe *probe, const char *event)
{
    if (strcmp(event, "ended") != 0)
        return;
    enum send_status status;
    do
        status = send_bytes(probe, 1024);
    while (status == SEND_DONE);
    cr_assert_eq(status, SEND_LOST);
    cr_assert_eq(send_bytes(probe, 1), SEND_LOST, "and stays so");
}

Test(stream, sending_into_a_reset_is_lost)
{
    signal(SIGPIPE, SIG_IGN);
    connect_pair(CEILING);
    client.react = send_until_lost;
    stream_abort(&server.stream);
    run_until(client_got_end);
    close_pair();
}

Test(stream, break_under_a_backlog_is_told_though_reading_is_stopped)
{
    signal(SIGPIPE, SIG_IGN);
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    stream_read_stop(&client.stream);
    send_until_backlog(&client, CEILING);
    stream_abort(&server.stream);
    run_until(client_got_end);
    cr_assert_eq(client.end, STREAM_END_RESET);
    cr_assert_eq(send_bytes(&client, 1), SEND_LOST);
    close_pair();
}

Test(stream, break_under_a_backlog_after_the_peers_end_is_told_as_drained)
{
    signal(SIGPIPE, SIG_IGN);
    connect_pair(CEILING);
    stream_finish(&server.stream);
    run_until(client_got_end);
    stream_read_stop(&server.stream);
    send_until_backlog(&client, CEILING);
    stream_abort(&server.stream);
    run_until(client_drained);
    cr_assert_eq(client.ended, 1);
    cr_assert_eq(send_bytes(&client, 1), SEND_LOST);
    close_pair();
}

Test(stream, closing_throws_the_backlog_away)
{
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    send_until_backlog(&client, CEILING);
    stream_close(&client.stream);
    run_until(client_closed);
    cr_assert_eq(client.drained, 0);
    close_pair();
}

static const char *close_at;

static void close_here(struct probe *probe, const char *event)
{
    if (strcmp(event, close_at) == 0)
        stream_close(&probe->stream);
    else
        cr_assert(probe->stream.open || strcmp(event, "closed") == 0, "%s after close", event);
}

Test(stream, closed_from_connected)
{
    client.react = close_here;
    close_at = "connected";
    start_client("255.255.255.255:9");
    run_until(client_closed);
    loop_close(&loop);
}

/* More than one read's worth: libuv is inside its read loop when the owner closes. */
Test(stream, closed_from_bytes)
{
    connect_pair((size_t)1 << 20);
    stream_read_stop(&client.stream);
    client.react = close_here;
    close_at = "bytes";
    for (int i = 0; i < 8; i++)
        (void)!send_bytes(&server, CEILING);
    stream_read_start(&client.stream);
    run_until(client_closed);
    cr_assert_leq(client.received, STREAM_READ_BYTES);
    close_pair();
}

Test(stream, closed_from_ended)
{
    connect_pair(CEILING);
    client.react = close_here;
    close_at = "ended";
    stream_close(&server.stream);
    run_until(client_closed);
    close_pair();
}

Test(stream, closed_from_drained)
{
    connect_pair(CEILING);
    stream_read_stop(&server.stream);
    client.react = close_here;
    close_at = "drained";
    send_until_backlog(&client, CEILING);
    stream_read_start(&server.stream);
    run_until(client_closed);
    close_pair();
}

static void stop_here(struct probe *probe, const char *event)
{
    if (strcmp(event, "bytes") == 0)
        stream_read_stop(&probe->stream);
}

static bool client_has_some(void)
{
    return client.received > 0;
}

Test(stream, stopped_from_bytes_gets_at_most_one_read)
{
    connect_pair((size_t)1 << 20);
    stream_read_stop(&client.stream);
    client.react = stop_here;
    for (int i = 0; i < 4; i++)
        (void)!send_bytes(&server, CEILING);
    stream_read_start(&client.stream);
    run_until(client_has_some);
    cr_assert_leq(client.received, STREAM_READ_BYTES);
    close_pair();
}

static void free_probe(struct stream *stream)
{
    free(probe_of(stream));
    client.closed = 1;
    check_goal();
}

Test(stream, memory_may_go_in_closed)
{
    static struct stream_handlers handlers;
    handlers = probe_handlers;
    handlers.closed = free_probe;
    struct probe *probe = calloc(1, sizeof *probe);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    cr_assert_eq(stream_init(&probe->stream, &loop, &handlers, CEILING), STATUS_OK);
    stream_close(&probe->stream);
    run_until(client_closed);
    loop_close(&loop);
}
