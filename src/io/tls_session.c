/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream's TLS over OpenSSL. Nothing blocks and no socket is OpenSSL's: its reads come out of
 * gate->input by a BIO of ours, without a copy in between; its records gather in a room that all
 * streams of a loop share (empty between two calls) and leave with one send.
 *
 *   parts ──copied together──> staged ──SSL_write──> sealed ──> stream_socket_send
 *   gate->input ──SSL_read──> opened ──> owner's bytes
 */
#include "loop_impl.h"
#include "stream_impl.h"
#include "tls_impl.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES ((size_t)SSL3_RT_MAX_PLAIN_LENGTH)
/* Records that leave together; the rest of a long send goes with the next. */
#define SEALED_BYTES ((size_t)4 * SSL3_RT_MAX_PACKET_SIZE)

/* Messages that carry no bytes of the peer's, most of all KeyUpdates: a read full of them (27 bytes
 * each) cost 20 ms, and each may ask for an answer, which nothing bounds if the peer doesn't read.
 * Honest ones come by the million of records; servers send some tickets at first. */
#define CHATTER_MAX 64u
#define RECORDS_PER_CHATTER 1024u

struct tls_room {
    size_t sealed_len;
    char opened[RECORD_BYTES];
    char staged[RECORD_BYTES]; /* small parts of a send become one record */
    char sealed[SEALED_BYTES];
};

static SSL *ssl_of(const struct gate *gate)
{
    return gate->tls;
}

static struct tls_room *room_of(const struct gate *gate)
{
    return loop_impl_of(gate->stream->loop)->tls_room;
}

/* What others left in the thread's queue of errors would be taken for this session's. Clearing it
 * costs as much as sealing a short record; mostly it is empty. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* ---- the BIO ---- */

/* Gives what gathered to the socket. What can't be sent is dropped: the stream is lost then, and
 * reading goes on, for what the peer said before. */
static void flush(struct gate *gate)
{
    struct stream *stream = gate->stream;
    struct tls_room *room = room_of(gate);
    struct slice sealed = slice_of(room->sealed, room->sealed_len);
    ssize_t taken = -1;
    room->sealed_len = 0;
    if (sealed.len == 0 || stream->lost)
        return;
    stream->lost = stream_socket_send(stream, &sealed, 1, &taken) == SEND_LOST;
    if (taken >= 0)
        stream->sent_bytes += gate->unsent_bytes;
    gate->unsent_bytes = 0;
}

static int bio_write(BIO *bio, const char *from, int len)
{
    struct gate *gate = BIO_get_data(bio);
    struct tls_room *room = room_of(gate);
    size_t size = (size_t)len;
    BIO_clear_retry_flags(bio);
    if (size > sizeof room->sealed - room->sealed_len)
        flush(gate);
    if (size > sizeof room->sealed)
        return -1; /* no record is that long */
    memcpy(room->sealed + room->sealed_len, from, size);
    room->sealed_len += size;
    return len;
}

static bool is_chatty(const struct gate *gate)
{
    return gate->chatter > CHATTER_MAX + gate->records / RECORDS_PER_CHATTER;
}

static int bio_read(BIO *bio, char *to, int size)
{
    struct gate *gate = BIO_get_data(bio);
    size_t len = gate->input.len < (size_t)size ? gate->input.len : (size_t)size;
    BIO_clear_retry_flags(bio);
    if (is_chatty(gate))
        return -1; /* OpenSSL would work on it until all of the input is used up */
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, gate->input.data, len);
    gate->input = slice_skip(gate->input, len);
    return (int)len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* the flight leaves when OpenSSL's call has returned */
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method; /* the process's */

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern stream");
    if (!method)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
}

static BIO *new_bio(struct gate *gate)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio)
        BIO_set_data(bio, gate);
    return bio;
}

/* ---- beginning and ending ---- */

/* A KeyUpdate or ticket that came, or the alert that refuses to renegotiate. */
static void on_message(int is_sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *arg)
{
    struct gate *gate = arg;
    (void)version;
    (void)bytes;
    (void)len;
    (void)ssl;
    if (gate->phase == GATE_OPEN && type == (is_sent ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE))
        gate->chatter++;
}

/* Whom the certificate has to name, and who is asked for. An address is no name to ask for, and the
 * dot that ends a full name is not part of it there. The common name doesn't count (RFC 9525). */
static enum status set_peer_name(SSL *ssl, const struct tls_client_opts *opts, struct slice host)
{
    char name[256];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (opts->server_name.len > 0)
        host = opts->server_name;
    if (host.len > 1 && host.data[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len >= sizeof name || memchr(host.data, '\0', host.len))
        return STATUS_INVALID;
    memcpy(name, host.data, host.len);
    name[host.len] = '\0';
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
        return STATUS_OK;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(param, name, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, name) != 1)
        return STATUS_NO_MEMORY;
    return STATUS_OK;
}

static enum status choose_side(struct gate *gate, const struct tls_context *context,
                               struct slice host)
{
    const struct tls_server_opts *server = tls_context_server(context);
    if (!server) {
        SSL_set_connect_state(ssl_of(gate));
        return set_peer_name(ssl_of(gate), tls_context_client(context), host);
    }
    SSL_set_accept_state(ssl_of(gate));
    gate->handshake_ms = server->handshake_ms;
    return STATUS_OK;
}

static bool make_room(struct loop_impl *impl)
{
    if (!impl->tls_room)
        impl->tls_room = calloc(1, sizeof(struct tls_room));
    return impl->tls_room;
}

enum status tls_begin(struct gate *gate, struct tls_context *context, struct slice host)
{
    assert(!gate->tls);
    SSL *ssl = tls_context_session(context);
    BIO *bio = new_bio(gate);
    if (!ssl || !bio || !make_room(loop_impl_of(gate->stream->loop))) {
        SSL_free(ssl);
        BIO_free(bio);
        return STATUS_NO_MEMORY;
    }
    SSL_set_bio(ssl, bio, bio); /* takes it */
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, gate);
    gate->tls = ssl;
    gate->stream->sealed = true;
    forget_errors();
    enum status status = choose_side(gate, context, host);
    forget_errors(); /* of a name that is no address */
    return status;
}

void tls_end(struct gate *gate)
{
    SSL_free(ssl_of(gate));
    gate->tls = NULL;
}

/* ---- handshake and reading ---- */

/* Why OpenSSL gave up, before its next call forgets it. */
static const char *trouble_of(const SSL *ssl)
{
    long verified = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    forget_errors();
    if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return X509_verify_cert_error_string(verified);
    return reason ? reason : "TLS broke";
}

static enum tls_step step_of(struct gate *gate, int result)
{
    switch (SSL_get_error(ssl_of(gate), result)) {
    case SSL_ERROR_NONE:
        return TLS_GOES_ON;
    case SSL_ERROR_WANT_READ:
        return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        gate->trouble = trouble_of(ssl_of(gate));
        if (is_chatty(gate))
            gate->trouble = "too many messages without bytes";
        return TLS_BROKEN;
    }
}

enum tls_step tls_shake(struct gate *gate)
{
    forget_errors();
    enum tls_step step = step_of(gate, SSL_do_handshake(ssl_of(gate)));
    flush(gate); /* tickets and alerts as well */
    return step;
}

enum tls_step tls_read(struct gate *gate)
{
    struct tls_room *room = room_of(gate);
    forget_errors();
    int len = SSL_read(ssl_of(gate), room->opened, sizeof room->opened);
    enum tls_step step = step_of(gate, len);
    flush(gate); /* an answer to a key update, an alert */
    if (step == TLS_GOES_ON) {
        gate->records++;
        gate->stream->on->bytes(gate->stream, slice_of(room->opened, (size_t)len));
    }
    return step;
}

bool tls_has_input(const struct gate *gate)
{
    return SSL_has_pending(ssl_of(gate)) == 1;
}

/* ---- sending ---- */

/* Makes a record of the bytes. */
static bool seal(struct gate *gate, const char *from, size_t len)
{
    forget_errors();
    gate->unsent_bytes += len;
    return SSL_write(ssl_of(gate), from, (int)len) == (int)len;
}

/* Makes records of the parts, full ones as long as there is enough: what fills a record by itself
 * is not copied. */
static bool seal_parts(struct gate *gate, const struct slice *parts, size_t count)
{
    struct tls_room *room = room_of(gate);
    size_t staged = 0;
    for (size_t i = 0; i < count; i++) {
        struct slice rest = parts[i];
        while (rest.len > 0) {
            bool whole = staged == 0 && rest.len >= RECORD_BYTES;
            size_t space = RECORD_BYTES - staged, len = rest.len < space ? rest.len : space;
            if (!whole)
                memcpy(room->staged + staged, rest.data, len);
            staged += len;
            if (staged == RECORD_BYTES) {
                if (!seal(gate, whole ? rest.data : room->staged, RECORD_BYTES))
                    return false;
                staged = 0;
            }
            rest = slice_skip(rest, len);
        }
    }
    return staged == 0 || seal(gate, room->staged, staged);
}

enum send_status tls_send(struct gate *gate, const struct slice *parts, size_t count)
{
    assert(gate->phase == GATE_OPEN && room_of(gate)->sealed_len == 0);
    bool sealed = seal_parts(gate, parts, count);
    flush(gate);
    if (!sealed || gate->stream->lost)
        return SEND_LOST;
    return gate->stream->backlog_bytes > 0 ? SEND_BACKLOG : SEND_DONE;
}

void tls_finish(struct gate *gate)
{
    if (gate->phase != GATE_OPEN || gate->stream->lost)
        return;
    forget_errors();
    (void)SSL_shutdown(ssl_of(gate)); /* 0: the peer's is still to come */
    forget_errors();
    flush(gate);
}
