/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to an upstream over TLS: its server is a secured stream on the same loop that answers every
 * request alike.
 */
#include "test_call.h"

#include <certificates.h>
#include <stdlib.h>

#define SERVER_BACKLOG 4096

static struct identity identity;
static struct tls_certificate files;
static struct tls_context *for_server;
static struct listener listener;
static struct stream served[4];
static size_t accepted, closed_streams;

static void answer(struct stream *stream, struct slice bytes)
{
    struct slice response = SLICE(OK_EMPTY);
    if (bytes.len >= 4 && memcmp(bytes.data + bytes.len - 4, "\r\n\r\n", 4) == 0)
        cr_assert_eq(stream_send(stream, &response, 1), SEND_DONE);
}

static void on_arrived(struct stream *stream, enum status status)
{
    if (status == STATUS_OK)
        stream_read_start(stream);
    else
        stream_close(stream);
}

static void on_stream_ended(struct stream *stream, enum stream_end end)
{
    (void)end;
    stream_close(stream);
}

static void on_stream_closed(struct stream *stream)
{
    (void)stream;
    closed_streams++;
    check_goal();
}

static const struct stream_handlers server_handlers = {
    .connected = on_arrived, .bytes = answer, .ended = on_stream_ended, .closed = on_stream_closed};

static void on_pending(struct listener *from)
{
    struct stream *stream = &served[accepted++];
    cr_assert_leq(accepted, sizeof served / sizeof served[0]);
    cr_assert_eq(stream_init(stream, &loop, &server_handlers, SERVER_BACKLOG), STATUS_OK);
    cr_assert_eq(stream_accept(from, stream), STATUS_OK);
    if (!stream_is_arriving(stream))
        stream_read_start(stream);
}

static uint16_t listen_securely(void)
{
    struct address any;
    char text[ADDRESS_TEXT_SIZE];
    listener.pending = on_pending;
    listener.tls = for_server;
    cr_assert_eq(address_parse(SLICE("127.0.0.1:0"), &any), STATUS_OK);
    cr_assert_eq(listener_open(&listener, &loop, &any, 16), STATUS_OK);
    address_format(&listener.address, text);
    return (uint16_t)strtoul(strrchr(text, ':') + 1, NULL, 10);
}

/* An upstream at https://127.0.0.1, which the certificate names or not. */
static void open_secure(const char *names)
{
    identity_new(&identity, &(struct identity_wish){.common_name = "app", .names = names});
    files = identity_files(&identity);
    for_server = server_context_of(&(struct tls_server_opts){
        .certificates = &files, .certificate_count = 1, .handshake_ms = GUARD_MS});
    opts.tls = (struct tls_client_opts){.enabled = true, .ca = files.certificate};
    opts.tls_context = client_context_of(&opts.tls);
    open_named("127.0.0.1", 0); /* for its loop, on which the port will be */
    begin_close();
    run_until(upstream_is_closed);
    closed = false;
    endpoints[0].port = listen_securely();
    endpoints[0].secure = true;
    cr_assert_eq(upstream_open(&loop, &opts, &upstream), STATUS_OK);
}

static bool all_streams_closed(void)
{
    return closed_streams == accepted;
}

static void close_secure(void)
{
    begin_close();
    run_until(upstream_is_closed);
    run_until(all_streams_closed);
    listener_close(&listener);
    loop_close(&loop);
    tls_context_free(for_server);
    tls_context_free(opts.tls_context);
    identity_free(&identity);
}

Test(upstream_tls, connections_are_kept)
{
    open_secure("IP:127.0.0.1");
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_COMPLETE);
    cr_assert_eq(first.status, 200);
    cr_assert(first.call.any_sent);
    get(&second);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 1);
    cr_assert_eq(upstream->stats.reuses, 1);
    cr_assert_eq(upstream->stats.tls_failures, 0);
    cr_assert_eq(stream_counts_of(&loop).handshakes, 1);
    close_secure();
}

Test(upstream_tls, a_server_that_is_not_believed_gets_nothing)
{
    open_secure("IP:127.0.0.2");
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    cr_assert_not(first.call.any_sent);
    cr_assert_eq(upstream->stats.connect_failures, 1);
    cr_assert_eq(upstream->stats.tls_failures, 1);
    cr_assert_not_null(strstr(upstream->stats.tls_trouble, "mismatch"), "%s",
                       upstream->stats.tls_trouble);
    close_secure();
}

Test(upstream_tls, a_handshake_takes_the_connects_time)
{
    opts.connect_timeout_ms = 50;
    open_secure("IP:127.0.0.1");
    listener.tls = NULL; /* it waits for a request, the client for its hello */
    get(&first);
    run_until(first_ended);
    cr_assert_eq(first.call.end, CALL_CONNECT_FAILED);
    cr_assert_not(first.call.any_sent);
    close_secure();
}

Test(upstream_tls, an_idle_connection_that_ended_is_not_used)
{
    open_secure("IP:127.0.0.1");
    get(&first);
    run_until(first_ended);
    stream_close(&served[0]);
    run_until(nothing_idle);
    get(&second);
    run_until(second_ended);
    cr_assert_eq(second.call.end, CALL_COMPLETE);
    cr_assert_eq(upstream->stats.connects, 2);
    close_secure();
}
