/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TLS adds to streams, both ends ours: whom a client believes, whom a server, the handshake's
 * time, the two ways a connection can end, harm on the way, and memory that runs out. What TLS must
 * not change is in test_tls_stream.c.
 */
#include "probe.h"

#include <certificates.h>
#include <peer.h>
#include <signal.h>
#include <uv.h>

#define CEILING ((size_t)64 * 1024)

static struct identity authority, own, stranger;
static struct tls_certificate files;
static struct tls_server_opts server_opts;
static struct tls_client_opts client_opts;
static struct tls_context *for_server, *for_client;

static void make_identities(void)
{
    identity_new(&authority, &(struct identity_wish){.common_name = "ca", .is_authority = true});
    identity_new(&own, &(struct identity_wish){.common_name = "own",
                                               .names = "DNS:a.test,DNS:*.b.test,IP:127.0.0.1",
                                               .issuer = &authority});
    identity_new(&stranger,
                 &(struct identity_wish){.common_name = "stranger", .names = "DNS:a.test"});
    files = identity_files(&own);
    server_opts = (struct tls_server_opts){
        .certificates = &files, .certificate_count = 1, .handshake_ms = GUARD_MS};
    client_opts =
        (struct tls_client_opts){.enabled = true, .ca = slice_str(authority.certificate_path)};
}

static void free_identities(void)
{
    identity_free(&authority);
    identity_free(&own);
    identity_free(&stranger);
}

TestSuite(tls_session, .init = make_identities, .fini = free_identities);

/* ---- a pair ---- */

static bool both_answered(void)
{
    return client.connected == 1 && server.connected == 1;
}

static void begin_pair(const char *host)
{
    for_server = server_context_of(&server_opts);
    for_client = client_context_of(&client_opts);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listener.tls = for_server;
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    cr_assert_eq(stream_secure(&client.stream, for_client, slice_str(host)), STATUS_OK);
    cr_assert_eq(stream_connect(&client.stream, &listener.address), STATUS_OK);
}

static void end_pair(void)
{
    close_pair();
    tls_context_free(for_server);
    tls_context_free(for_client);
}

static void open_pair(const char *host)
{
    begin_pair(host);
    run_until(both_answered);
    cr_assert_eq(client.connect_status, STATUS_OK, "%s", stream_trouble(&client.stream));
    cr_assert_eq(server.connect_status, STATUS_OK, "%s", stream_trouble(&server.stream));
    stream_read_start(&client.stream);
}

/* The client does not believe the server, and says so. */
static void assert_not_believed(const char *host, const char *why)
{
    begin_pair(host);
    run_until(both_answered);
    cr_assert_eq(client.connect_status, STATUS_UNAVAILABLE);
    cr_assert_not_null(strstr(stream_trouble(&client.stream), why), "%s",
                       stream_trouble(&client.stream));
    cr_assert_eq(server.connect_status, STATUS_UNAVAILABLE);
    cr_assert_eq(stream_counts_of(&loop).failed_handshakes, 1);
    cr_assert_eq(stream_counts_of(&loop).handshakes, 0);
    end_pair();
    cr_assert_eq(client.ended + server.ended, 0);
}

static bool client_ended(void)
{
    return client.ended == 1;
}

static bool server_ended(void)
{
    return server.ended == 1;
}

static bool server_answered(void)
{
    return server.connected == 1;
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

/* ---- whom a client believes ---- */

Test(tls_session, names_of_the_certificate)
{
    const char *hosts[] = {"a.test", "A.TEST", "x.b.test", "127.0.0.1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        client = server = (struct probe){0};
        open_pair(hosts[i]);
        cr_assert_eq(stream_counts_of(&loop).handshakes, 1);
        end_pair();
    }
}

Test(tls_session, other_names)
{
    const char *hosts[] = {"b.test", "x.y.b.test", "127.0.0.2", "own", "::1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        client = server = (struct probe){0};
        assert_not_believed(hosts[i], "mismatch");
    }
}

Test(tls_session, a_name_of_the_context_goes_before)
{
    client_opts.server_name = SLICE("a.test");
    open_pair("elsewhere.test");
    end_pair();
}

Test(tls_session, an_unknown_authority)
{
    client_opts.ca = slice_str(stranger.certificate_path);
    assert_not_believed("a.test", "certificate");
}

Test(tls_session, a_certificate_that_is_its_own_authority)
{
    files = identity_files(&stranger);
    client_opts.ca = files.certificate;
    open_pair("a.test");
    end_pair();
}

Test(tls_session, an_expired_certificate)
{
    struct identity late;
    identity_new(&late, &(struct identity_wish){.common_name = "late",
                                                .names = "DNS:a.test",
                                                .issuer = &authority,
                                                .is_expired = true});
    files = identity_files(&late);
    assert_not_believed("a.test", "expired");
    identity_free(&late);
}

Test(tls_session, insecure_believes_anybody)
{
    files = identity_files(&stranger);
    client_opts.insecure = true;
    open_pair("b.test");
    end_pair();
}

Test(tls_session, hosts_that_are_none)
{
    static char longest[257];
    memset(longest, 'a', sizeof longest - 1);
    struct tls_context *context = client_context_of(&client_opts);
    const struct slice hosts[] = {slice_of("", 0), slice_of(longest, 256), SLICE("a\0b")};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        client = (struct probe){0};
        cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
        cr_assert_eq(stream_secure(&client.stream, context, hosts[i]), STATUS_INVALID);
        stream_close(&client.stream);
        loop_run(&loop);
        cr_assert_eq(client.closed, 1);
    }
    loop_close(&loop);
    tls_context_free(context);
}

/* ---- whom a server believes ---- */

Test(tls_session, a_client_with_a_certificate)
{
    server_opts.client_ca = slice_str(authority.certificate_path);
    client_opts.certificate = files.certificate;
    client_opts.key = files.key;
    open_pair("a.test");
    end_pair();
}

Test(tls_session, a_client_without_one_where_it_is_optional)
{
    server_opts.client_ca = slice_str(authority.certificate_path);
    server_opts.client_optional = true;
    open_pair("a.test");
    end_pair();
}

/* With TLS 1.3 the client is through before the server has judged: it is told by the end. */
static void assert_client_refused(void)
{
    server_opts.client_ca = slice_str(authority.certificate_path);
    begin_pair("a.test");
    run_until(both_answered);
    cr_assert_eq(server.connect_status, STATUS_UNAVAILABLE);
    cr_assert_eq(client.connect_status, STATUS_OK);
    stream_read_start(&client.stream);
    run_until(client_ended);
    cr_assert_eq(client.end, STREAM_END_RESET);
    cr_assert_not_null(strstr(stream_trouble(&client.stream), "alert"), "%s",
                       stream_trouble(&client.stream));
    end_pair();
}

Test(tls_session, a_client_without_one)
{
    assert_client_refused();
}

Test(tls_session, a_client_with_a_strangers)
{
    client_opts.certificate = slice_str(stranger.certificate_path);
    client_opts.key = slice_str(stranger.key_path);
    assert_client_refused();
}

/* ---- time, and what is no TLS ---- */

static struct peer *peer;

static void open_server(uint32_t handshake_ms)
{
    server_opts.handshake_ms = handshake_ms;
    for_server = server_context_of(&server_opts);
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listener.tls = for_server;
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, CEILING), STATUS_OK);
    peer = peer_connect(&listener.address);
}

static bool server_closed(void)
{
    return server.closed == 1;
}

static void assert_no_handshake(uint64_t counted)
{
    run_until(server_answered);
    cr_assert_eq(server.connect_status, STATUS_UNAVAILABLE);
    cr_assert_neq(stream_trouble(&server.stream)[0], '\0');
    cr_assert_eq(stream_counts_of(&loop).failed_handshakes, counted);
    stream_close(&server.stream);
    run_until(server_closed);
    cr_assert_eq(server.received + server.ended, 0);
    listener_close(&listener);
    loop_close(&loop);
    if (peer)
        peer_free(peer);
    tls_context_free(for_server);
}

Test(tls_session, silence_has_its_time)
{
    open_server(30);
    assert_no_handshake(1);
}

Test(tls_session, half_a_hello_has_its_time)
{
    open_server(30);
    peer_send(peer, "\x16\x03\x01\x02");
    assert_no_handshake(1);
}

Test(tls_session, plain_http)
{
    open_server(GUARD_MS);
    peer_send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_no_handshake(1);
}

Test(tls_session, an_end_without_a_word)
{
    open_server(GUARD_MS);
    peer_free(peer);
    peer = NULL;
    assert_no_handshake(0);
}

static void fall_silent(struct listener *from)
{
    cr_assert_eq(stream_accept(from, &server.stream), STATUS_OK);
    server.connected++;
    check_goal();
}

/* A server that takes the connection and says nothing: the owner has the deadline. */
Test(tls_session, closed_during_the_handshake)
{
    begin_pair("a.test");
    listener.tls = NULL;
    listener.pending = fall_silent;
    run_until(server_answered);
    cr_assert_eq(client.connected, 0);
    stream_close(&client.stream);
    end_pair();
    cr_assert_eq(client.connected, 0);
}

/* ---- how it ends ---- */

Test(tls_session, close_notify_is_an_end)
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

Test(tls_session, a_cut_is_an_end_for_a_server_only)
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

Test(tls_session, harm_on_the_way)
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

Test(tls_session, a_flood_arrives_byte_by_byte)
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
Test(tls_session, ceiling_of_the_backlog)
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

Test(tls_session, new_connections_use_what_was_read_again)
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
Test(tls_session, contexts_may_go_before_their_streams)
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
