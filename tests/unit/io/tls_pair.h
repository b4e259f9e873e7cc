/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client and a server that speak TLS with each other, with options of the test's.
 */
#ifndef POSTERN_TESTS_IO_TLS_PAIR_H
#define POSTERN_TESTS_IO_TLS_PAIR_H

#include "probe.h"

#include <certificates.h>

#define CEILING ((size_t)64 * 1024)

static struct identity authority, own, stranger;
static struct tls_certificate files;
static struct tls_server_opts server_opts;
static struct tls_client_opts client_opts;
static struct tls_context *for_server, *for_client;

static inline void make_identities(void)
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

static inline void free_identities(void)
{
    identity_free(&authority);
    identity_free(&own);
    identity_free(&stranger);
}

/* ---- a pair ---- */

static inline bool both_answered(void)
{
    return client.connected == 1 && server.connected == 1;
}

static inline void begin_pair(const char *host)
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

static inline void end_pair(void)
{
    close_pair();
    tls_context_free(for_server);
    tls_context_free(for_client);
}

static inline void open_pair(const char *host)
{
    begin_pair(host);
    run_until(both_answered);
    cr_assert_eq(client.connect_status, STATUS_OK, "%s", stream_trouble(&client.stream));
    cr_assert_eq(server.connect_status, STATUS_OK, "%s", stream_trouble(&server.stream));
    stream_read_start(&client.stream);
}

static inline bool client_ended(void)
{
    return client.ended == 1;
}

#endif
