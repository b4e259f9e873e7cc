/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS after the handshake, both ends ours: the two ways a connection can end, harm on the way,
 * bytes and their ceiling, and contexts that change or go. What TLS must not change about a stream
 * is in test_tls_stream.c.
 */
#include "tls_pair.h"

#include <signal.h>
#include <sys/socket.h>
#include <uv.h>

TestSuite(tls_bytes, .init = make_identities, .fini = free_identities);

static bool server_ended(void)
{
    return server.ended == 1;
}

static enum send_status send_text(struct probe *probe, const char *text)
{
    struct slice piece = slice_str(text);
    return stream_send(&probe->stream, &piece, 1);
}

static int descriptor_of(struct probe *probe)
{
    uv_os_fd_t fd;
    cr_assert_eq(uv_fileno((uv_handle_t *)(void *)probe->stream.handle, &fd), 0);
    return fd;
}

/* ---- how it ends ---- */

Test(tls_bytes, close_notify_is_an_end)
{
    open_pair("a.test");
    stream_finish(&client.stream);
    run_until(server_ended);
    cr_assert_eq(server.end, STREAM_END_EOF);
    cr_assert_eq(send_text(&server, "an answer"), SEND_DONE, "the other way is still open");
    stream_close(&server.stream);
    run_until(client_ended);
    cr_assert_eq(client.end, STREAM_END_EOF);
    cr_assert_eq(client.received, 9);
    cr_assert_eq(send_text(&client, "x"), SEND_LOST, "after its own end");
    end_pair();
}

Test(tls_bytes, a_cut_is_an_end_for_a_server_only)
{
    signal(SIGPIPE, SIG_IGN); /* of a close_notify behind the cut */
    open_pair("a.test");
    cr_assert_eq(shutdown(descriptor_of(&client), SHUT_WR), 0);
    run_until(server_ended);
    cr_assert_eq(server.end, STREAM_END_EOF);
    cr_assert_eq(shutdown(descriptor_of(&server), SHUT_WR), 0);
    run_until(client_ended);
    cr_assert_eq(client.end, STREAM_END_RESET);
    end_pair();
}

static bool client_has_record(void)
{
    return client.received == 5;
}

Test(tls_bytes, harm_on_the_way)
{
    open_pair("a.test");
    cr_assert_eq(send_text(&server, "sound"), SEND_DONE);
    run_until(client_has_record);
    const char record[] = "\x17\x03\x03\x00\x20 this is not what it should be..";
    cr_assert_eq(write(descriptor_of(&server), record, 37), 37);
    run_until(client_ended);
    cr_assert_eq(client.end, STREAM_END_RESET);
    cr_assert_eq(client.received, 5);
    cr_assert_neq(stream_trouble(&client.stream)[0], '\0');
    cr_assert_eq(send_text(&client, "x"), SEND_LOST);
    end_pair();
}

/* ---- bytes ---- */

#define FLOOD_BYTES ((size_t)3 << 20)

static size_t flood_sent;

static char pattern_at(size_t at)
{
    return (char)(at % 251);
}

/* Odd pieces, several at once, until there is a backlog. */
static void flood(struct probe *probe)
{
    static char bytes[40000];
    enum send_status status = SEND_DONE;
    while (status == SEND_DONE && flood_sent < FLOOD_BYTES) {
        size_t len = 1 + flood_sent * 7 % (sizeof bytes - 1);
        len = len < FLOOD_BYTES - flood_sent ? len : FLOOD_BYTES - flood_sent;
        for (size_t i = 0; i < len; i++)
            bytes[i] = pattern_at(flood_sent + i);
        struct slice parts[] = {slice_of(bytes, len / 3), slice_of(bytes + len / 3, len - len / 3)};
        status = stream_send(&probe->stream, parts, 2);
        cr_assert_neq(status, SEND_LOST);
        cr_assert_neq(status, SEND_FULL);
        flood_sent += len;
    }
}

static void go_on_flooding(struct probe *probe, const char *event)
{
    if (strcmp(event, "drained") == 0)
        flood(probe);
}

static size_t checked_bytes;

static void check_pattern(struct stream *stream, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        cr_assert_eq(bytes.data[i], pattern_at(checked_bytes + i), "byte %zu", checked_bytes + i);
    checked_bytes += bytes.len;
    probe_on_bytes(stream, bytes);
    if (checked_bytes % 3 == 0) { /* now and then it has enough */
        stream_read_stop(stream);
        stream_read_start(stream);
    }
}

static bool flood_arrived(void)
{
    return server.received == FLOOD_BYTES;
}

Test(tls_bytes, a_flood_arrives_byte_by_byte)
{
    static struct stream_handlers handlers;
    handlers = probe_handlers;
    handlers.bytes = check_pattern;
    open_pair("a.test");
    server.stream.on = &handlers;
    client.react = go_on_flooding;
    flood(&client);
    run_until(flood_arrived);
    cr_assert_eq(client.stream.sent_bytes, FLOOD_BYTES);
    cr_assert_eq(client.stream.backlog_bytes, 0);
    end_pair();
}

/* A record is longer than what it holds; what was accepted is sent all the same. */
Test(tls_bytes, ceiling_of_the_backlog)
{
    static char filler[CEILING + 1];
    struct slice one = slice_of(filler, 1), all = slice_of(filler, CEILING);
    struct slice more = slice_of(filler, CEILING + 1);
    open_pair("a.test");
    stream_read_stop(&server.stream);
    cr_assert_eq(stream_send(&client.stream, &more, 1), SEND_FULL);
    cr_assert_eq(client.stream.sent_bytes, 0);
    size_t accepted = 0;
    enum send_status status;
    while ((status = stream_send(&client.stream, &all, 1)) == SEND_DONE)
        accepted += CEILING;
    cr_assert_eq(status, SEND_BACKLOG);
    accepted += CEILING;
    while ((status = stream_send(&client.stream, &one, 1)) == SEND_BACKLOG)
        accepted++;
    cr_assert_eq(status, SEND_FULL);
    cr_assert_geq(client.stream.backlog_bytes, CEILING);
    cr_assert_leq(client.stream.backlog_bytes, CEILING + 5 * 64);
    cr_assert_eq(client.stream.sent_bytes, accepted, "what may have left, in doubt more");
    end_pair();
}

/* ---- contexts that change ---- */

Test(tls_bytes, new_connections_use_what_was_read_again)
{
    char error[TLS_ERROR_SIZE];
    open_pair("a.test");
    X509_free(own.certificate);
    EVP_PKEY_free(own.key);
    identity_make(&own, &(struct identity_wish){.common_name = "renewed", .names = "DNS:new.test"});
    identity_write(&own);
    cr_assert_eq(tls_context_reload(for_server, error), STATUS_OK, "%s", error);
    cr_assert_eq(send_text(&client, "still here"), SEND_DONE);
    stream_close(&client.stream);
    run_until(server_ended);
    cr_assert_eq(server.received, 10, "the one that was there goes on");
    end_pair();
    client = server = (struct probe){0};
    client_opts.ca = files.certificate;
    open_pair("new.test");
    end_pair();
}

/* Whoever holds a stream needs no context any more. */
Test(tls_bytes, contexts_may_go_before_their_streams)
{
    open_pair("a.test");
    tls_context_free(for_server);
    tls_context_free(for_client);
    listener.tls = for_server = for_client = NULL;
    cr_assert_eq(send_text(&client, "still here"), SEND_DONE);
    stream_close(&client.stream);
    run_until(server_ended);
    cr_assert_eq(server.received, 10);
    end_pair();
}
