/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that writes down what its loop tells it, and a connected pair of them; both ends TLS
 * when PROBE_SECURE is defined.
 */
#ifndef POSTERN_TESTS_IO_PROBE_H
#define POSTERN_TESTS_IO_PROBE_H

#include <loop_goal.h>
#include <postern/io/stream.h>
#ifdef PROBE_SECURE
#include <certificates.h>
#endif

struct probe {
    struct stream stream;
    void (*react)(struct probe *probe, const char *event); /* may be NULL; runs in the callback */
    size_t connected, ended, drained, closed;
    enum status connect_status;
    enum stream_end end;
    size_t received;  /* bytes */
    char first[64];   /* the first of them */
    uint64_t seen_us; /* the loop's instant at the last event */
};

static inline struct probe *probe_of(struct stream *stream)
{
    return container_of(stream, struct probe, stream);
}

static inline void probe_note(struct probe *probe, const char *event)
{
    probe->seen_us = loop.clock.mono_us;
    cr_assert(probe->closed == 0, "%s after closed", event);
    if (probe->react)
        probe->react(probe, event);
    check_goal();
}

static inline void probe_on_connected(struct stream *stream, enum status status)
{
    struct probe *probe = probe_of(stream);
    probe->connected++;
    probe->connect_status = status;
    probe_note(probe, "connected");
}

static inline void probe_on_bytes(struct stream *stream, struct slice bytes)
{
    struct probe *probe = probe_of(stream);
    for (size_t i = 0; i < bytes.len && probe->received + i < sizeof probe->first; i++)
        probe->first[probe->received + i] = bytes.data[i];
    probe->received += bytes.len;
    probe_note(probe, "bytes");
}

static inline void probe_on_ended(struct stream *stream, enum stream_end end)
{
    struct probe *probe = probe_of(stream);
    probe->ended++;
    probe->end = end;
    probe_note(probe, "ended");
}

static inline void probe_on_drained(struct stream *stream)
{
    struct probe *probe = probe_of(stream);
    probe->drained++;
    probe_note(probe, "drained");
}

static inline void probe_on_closed(struct stream *stream)
{
    struct probe *probe = probe_of(stream);
    probe_note(probe, "closed");
    probe->closed++;
    check_goal();
}

static const struct stream_handlers probe_handlers = {
    .connected = probe_on_connected,
    .bytes = probe_on_bytes,
    .ended = probe_on_ended,
    .drained = probe_on_drained,
    .closed = probe_on_closed,
};

/* A listener on a free port of 127.0.0.1 that accepts into `server`, and reads at once. */
static struct listener listener;
static struct probe server, client;
#ifdef PROBE_SECURE
static struct identity identity;
static struct tls_context *server_context, *client_context;
#endif

static inline void accept_server(struct listener *from)
{
    cr_assert_eq(stream_accept(from, &server.stream), STATUS_OK);
    if (!stream_is_arriving(&server.stream))
        server.connected++;
    stream_read_start(&server.stream);
    check_goal();
}

static inline bool both_connected(void)
{
    return client.connected == 1 && server.connected == 1;
}

static inline bool both_closed(void)
{
    return client.closed == 1 && server.closed == 1;
}

static inline void listen_locally(void)
{
    struct address any;
    cr_assert_eq(address_parse(SLICE("127.0.0.1:0"), &any), STATUS_OK);
    listener.pending = accept_server;
    cr_assert_eq(listener_open(&listener, &loop, &any, 128), STATUS_OK);
}

/* Makes listener and client secure, when the tests are of that. */
static inline void secure_pair(void)
{
#ifdef PROBE_SECURE
    identity_new(&identity,
                 &(struct identity_wish){.common_name = "a.test", .names = "DNS:a.test"});
    struct tls_certificate files = identity_files(&identity);
    server_context = listener.tls = server_context_of(&(struct tls_server_opts){
        .certificates = &files, .certificate_count = 1, .handshake_ms = GUARD_MS});
    client_context =
        client_context_of(&(struct tls_client_opts){.enabled = true, .ca = files.certificate});
    cr_assert_eq(stream_secure(&client.stream, client_context, SLICE("a.test")), STATUS_OK);
#endif
}

static inline void free_contexts(void)
{
#ifdef PROBE_SECURE
    tls_context_free(server_context);
    tls_context_free(client_context);
    identity_free(&identity);
#endif
}

/* Connects client and server, both reading, both with `backlog_ceiling`. */
static inline void connect_pair(size_t backlog_ceiling)
{
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, backlog_ceiling), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, backlog_ceiling), STATUS_OK);
    secure_pair();
    cr_assert_eq(stream_connect(&client.stream, &listener.address), STATUS_OK);
    run_until(both_connected);
    cr_assert_eq(client.connect_status, STATUS_OK);
    stream_read_start(&client.stream);
}

/* Closes whatever is still open, and the loop. */
static inline void close_pair(void)
{
    if (client.stream.open)
        stream_close(&client.stream);
    if (server.stream.open)
        stream_close(&server.stream);
    run_until(both_closed);
    listener_close(&listener);
    loop_close(&loop);
    free_contexts();
}

#endif
