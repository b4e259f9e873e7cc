/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL runs out of memory at each of its allocations in turn, on both ends of a connection: the
 * stream is refused, fails or breaks, or nobody notices; nothing is left behind and nothing hangs.
 */
#include "probe.h"

#include <certificates.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>

#define MOST_ALLOCATIONS 100000u

static bool is_armed;
static size_t allocations, failing;

static bool fails(void)
{
    return is_armed && ++allocations == failing;
}

static void *grudging_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size);
}

static void *grudging_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(memory, size);
}

static void free_all(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* Before main: Criterion uses OpenSSL as well, and after the first allocation it is too late. */
__attribute__((constructor)) static void take_allocator(void)
{
    if (CRYPTO_set_mem_functions(grudging_malloc, grudging_realloc, free_all) != 1)
        abort();
}

static void close_if_open(struct probe *probe)
{
    if (probe->stream.open)
        stream_close(&probe->stream);
}

/* The client says hello and leaves; the server leaves after it. */
static void react(struct probe *probe, const char *event)
{
    struct slice hello = SLICE("hello");
    if (strcmp(event, "connected") == 0 && probe->connect_status != STATUS_OK)
        stream_close(&probe->stream);
    else if (strcmp(event, "connected") == 0 && probe == &server)
        stream_read_start(&probe->stream);
    else if (strcmp(event, "connected") == 0) {
        (void)!stream_send(&probe->stream, &hello, 1);
        stream_close(&probe->stream);
    } else if (strcmp(event, "ended") == 0)
        stream_close(&probe->stream);
}

static void accept_if_possible(struct listener *from)
{
    if (stream_accept(from, &server.stream) != STATUS_OK)
        stream_close(&server.stream);
}

static void connect_once(struct tls_context *for_server, struct tls_context *for_client)
{
    client = server = (struct probe){.react = react};
    cr_assert_eq(loop_open(&loop), STATUS_OK);
    listen_locally();
    listener.pending = accept_if_possible;
    listener.tls = for_server;
    cr_assert_eq(stream_init(&server.stream, &loop, &probe_handlers, 1024), STATUS_OK);
    cr_assert_eq(stream_init(&client.stream, &loop, &probe_handlers, 1024), STATUS_OK);
    allocations = 0;
    is_armed = true;
    if (stream_secure(&client.stream, for_client, SLICE("a.test")) == STATUS_OK) {
        cr_assert_eq(stream_connect(&client.stream, &listener.address), STATUS_OK);
    } else {
        close_if_open(&client);
        close_if_open(&server);
    }
    run_until(both_closed);
    is_armed = false;
    listener_close(&listener);
    loop_close(&loop);
    cr_assert(server.received == 5 || allocations >= failing);
}

Test(tls_no_memory, every_allocation_of_a_connection)
{
    struct identity identity;
    signal(SIGPIPE, SIG_IGN);
    identity_new(&identity,
                 &(struct identity_wish){.common_name = "a.test", .names = "DNS:a.test"});
    struct tls_certificate files = identity_files(&identity);
    struct tls_context *for_server = server_context_of(&(struct tls_server_opts){
        .certificates = &files, .certificate_count = 1, .handshake_ms = 1000});
    struct tls_context *for_client =
        client_context_of(&(struct tls_client_opts){.enabled = true, .ca = files.certificate});
    failing = MOST_ALLOCATIONS;
    connect_once(for_server, for_client); /* what is made once per process is there then */
    cr_assert_eq(server.received, 5);
    size_t all = allocations;
    cr_assert_lt(all, MOST_ALLOCATIONS);
    for (failing = 1; failing <= all; failing += 1 + all / 400)
        connect_once(for_server, for_client);
    tls_context_free(for_server);
    tls_context_free(for_client);
    identity_free(&identity);
}
