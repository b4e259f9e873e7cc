/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three workers' loops shake hands with themselves over one pair of contexts, while the main thread
 * reads the contexts' files again and again: as at SIGHUP. Every handshake succeeds. A plain
 * program, fit for ThreadSanitizer.
 */
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <postern/io/stream.h>
#include <postern/io/tls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKERS 3u
#define CONNECTIONS 40u
#define CERTIFICATES 2u
#define VALID_S (24L * 60 * 60)
#define BACKLOG_BYTES 1024u

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

/* A worker's loop, its listener, and the connection that is made now. */
struct worker {
    pthread_t thread;
    struct loop loop;
    struct listener listener;
    struct stream client, server;
    size_t connections, open;
};

static struct tls_context *for_server, *for_client;
static _Atomic unsigned at_work = WORKERS;

static void connect_again(struct worker *worker);

/* ---- one connection: the client says a byte, the server closes, then the client ---- */

static void on_connected(struct stream *stream, enum status status)
{
    const struct slice word = SLICE("x");
    if (status != STATUS_OK)
        fprintf(stderr, "%s\n", stream_trouble(stream));
    CHECK(status == STATUS_OK);
    if (!stream_is_arriving(stream))
        stream_read_start(stream);
    CHECK(stream_send(stream, &word, 1) == SEND_DONE);
}

static void on_bytes(struct stream *stream, struct slice bytes)
{
    CHECK(bytes.len == 1);
    stream_close(stream);
}

static void on_ended(struct stream *stream, enum stream_end end)
{
    (void)end;
    stream_close(stream);
}

static void on_closed(struct stream *stream)
{
    struct worker *worker = container_of(stream->loop, struct worker, loop);
    if (--worker->open > 0)
        return;
    if (++worker->connections < CONNECTIONS)
        connect_again(worker);
    else
        listener_close(&worker->listener);
}

static const struct stream_handlers handlers = {
    .connected = on_connected, .bytes = on_bytes, .ended = on_ended, .closed = on_closed};

static void on_pending(struct listener *listener)
{
    struct worker *worker = container_of(listener, struct worker, listener);
    CHECK(stream_accept(listener, &worker->server) == STATUS_OK);
}

static void connect_again(struct worker *worker)
{
    worker->open = 2;
    CHECK(stream_init(&worker->server, &worker->loop, &handlers, BACKLOG_BYTES) == STATUS_OK);
    CHECK(stream_init(&worker->client, &worker->loop, &handlers, BACKLOG_BYTES) == STATUS_OK);
    CHECK(stream_secure(&worker->client, for_client, SLICE("b.test")) == STATUS_OK);
    CHECK(stream_connect(&worker->client, &worker->listener.address) == STATUS_OK);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct address any;
    CHECK(address_parse(SLICE("127.0.0.1:0"), &any) == STATUS_OK);
    CHECK(loop_open(&worker->loop) == STATUS_OK);
    worker->listener.pending = on_pending;
    worker->listener.tls = for_server;
    CHECK(listener_open(&worker->listener, &worker->loop, &any, 1) == STATUS_OK);
    connect_again(worker);
    loop_run(&worker->loop);
    loop_close(&worker->loop);
    atomic_fetch_sub(&at_work, 1);
    return NULL;
}

/* ---- files ---- */

struct files {
    char certificate[64], key[64];
};

static FILE *memory_file(char ret_path[static 64])
{
    int fd = memfd_create("pem", 0);
    CHECK(fd >= 0);
    (void)snprintf(ret_path, 64, "/proc/self/fd/%d", fd);
    return fdopen(fd, "w");
}

/* A certificate that is its own authority; the files live as long as the process. */
static void make_files(const char *name, struct files *files)
{
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S);
    X509_set_pubkey(certificate, key);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, name);
    CHECK(names && X509_add_ext(certificate, names, -1) == 1);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *certificate_file = memory_file(files->certificate), *key_file = memory_file(files->key);
    CHECK(PEM_write_X509(certificate_file, certificate) == 1 && fflush(certificate_file) == 0);
    CHECK(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fflush(key_file) == 0);
    X509_EXTENSION_free(names);
    EVP_PKEY_free(key);
    X509_free(certificate);
}

static void make_contexts(void)
{
    static struct files files[CERTIFICATES];
    struct tls_certificate certificates[CERTIFICATES];
    char error[TLS_ERROR_SIZE];
    make_files("DNS:a.test", &files[0]);
    make_files("DNS:b.test", &files[1]);
    for (size_t i = 0; i < CERTIFICATES; i++)
        certificates[i] = (struct tls_certificate){.certificate = slice_str(files[i].certificate),
                                                   .key = slice_str(files[i].key)};
    const struct tls_server_opts server = {
        .certificates = certificates, .certificate_count = CERTIFICATES, .handshake_ms = 60000};
    const struct tls_client_opts client = {.enabled = true, .ca = certificates[1].certificate};
    CHECK(tls_server_new(&server, &for_server, error) == STATUS_OK);
    CHECK(tls_client_new(&client, &for_client, error) == STATUS_OK);
}

int main(void)
{
    static struct worker workers[WORKERS];
    char error[TLS_ERROR_SIZE];
    size_t reloads = 0;
    make_contexts();
    for (size_t i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    while (atomic_load(&at_work) > 0) {
        CHECK(tls_context_reload(for_server, error) == STATUS_OK);
        CHECK(tls_context_reload(for_client, error) == STATUS_OK);
        reloads++;
    }
    for (size_t i = 0; i < WORKERS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
        CHECK(workers[i].connections == CONNECTIONS);
    }
    tls_context_free(for_server);
    tls_context_free(for_client);
    printf("%u handshakes during %zu reloads\n", WORKERS * CONNECTIONS, reloads);
    return 0;
}
