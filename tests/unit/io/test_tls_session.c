/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake, both ends ours: whom a client believes, whom a server, and the time it may take.
 * What goes over the connection then is in test_tls_bytes.c.
 */
#include "tls_pair.h"

#include <peer.h>

TestSuite(tls_session, .init = make_identities, .fini = free_identities);

static bool server_answered(void)
{
    return server.connected == 1;
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

/* ---- whom a client believes ---- */

Test(tls_session, names_of_the_certificate)
{
    const char *hosts[] = {"a.test", "A.TEST", "a.test.", "x.b.test", "127.0.0.1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        client = server = (struct probe){0};
        open_pair(hosts[i]);
        cr_assert_eq(stream_counts_of(&loop).handshakes, 1);
        end_pair();
    }
}

Test(tls_session, other_names)
{
    const char *hosts[] = {"b.test", "x.y.b.test", "a.test..", "127.0.0.2", "own", "::1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        client = server = (struct probe){0};
        assert_not_believed(hosts[i], "mismatch");
    }
}

/* RFC 9525: what stands there is for people. */
Test(tls_session, a_common_name_is_none)
{
    struct identity old;
    identity_new(&old, &(struct identity_wish){.common_name = "a.test", .issuer = &authority});
    files = identity_files(&old);
    assert_not_believed("a.test", "mismatch");
    identity_free(&old);
}

/* A certificate for its own purposes does not speak for a server. */
Test(tls_session, a_certificate_of_another_purpose)
{
    struct identity mail;
    identity_new(&mail, &(struct identity_wish){.common_name = "a.test",
                                                .names = "DNS:a.test",
                                                .purpose = "emailProtection",
                                                .issuer = &authority});
    files = identity_files(&mail);
    assert_not_believed("a.test", "purpose");
    identity_free(&mail);
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

Test(tls_session, a_client_with_a_servers_purpose)
{
    struct identity server_only;
    identity_new(
        &server_only,
        &(struct identity_wish){.common_name = "s", .purpose = "serverAuth", .issuer = &authority});
    client_opts.certificate = slice_str(server_only.certificate_path);
    client_opts.key = slice_str(server_only.key_path);
    assert_client_refused();
    identity_free(&server_only);
}

/* Optional means without one, not with a bad one. */
Test(tls_session, a_client_with_a_strangers_where_it_is_optional)
{
    server_opts.client_optional = true;
    client_opts.certificate = slice_str(stranger.certificate_path);
    client_opts.key = slice_str(stranger.key_path);
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
