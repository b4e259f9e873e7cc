/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates, keys and trust from their files, and the rules every context has: TLS 1.2 and 1.3,
 * no compression, no renegotiation, no early data. A listener with several certificates has an
 * SSL_CTX for each; the first one's callback chooses by the name the client asks for.
 */
#include "tls_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096

/* The certificates behind the first one; hangs on the first one's SSL_CTX and goes with it. */
struct choice {
    size_t count;
    SSL_CTX *contexts[TLS_MAX_CERTIFICATES];
};

/* Where the reason of a failure goes. */
struct complaint {
    enum status *status;
    char *error; /* TLS_ERROR_SIZE */
};

/* ---- complaining ---- */

static bool complain(struct complaint to, enum status status, const char *what, struct slice path,
                     const char *why)
{
    *to.status = status;
    (void)snprintf(to.error, TLS_ERROR_SIZE, "%s %.*s: %s", what, (int)path.len, path.data, why);
    return false;
}

/* OpenSSL's first word of it; system errors (no such file) are in its queue as well. */
static bool complain_as_told(struct complaint to, const char *what, struct slice path)
{
    unsigned long code = ERR_peek_error();
    bool is_system = ERR_SYSTEM_ERROR(code);
    const char *why = is_system ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    complain(to, is_system ? STATUS_IO : STATUS_INVALID, what, path, why ? why : "can't be used");
    ERR_clear_error();
    return false;
}

/* ---- files ---- */

static bool make_path(struct complaint to, const char *what, struct slice path,
                      char ret_path[static PATH_SIZE])
{
    if (path.len == 0 || path.len >= PATH_SIZE || memchr(path.data, '\0', path.len))
        return complain(to, STATUS_INVALID, what, slice_of("", 0),
                        "no path, or one that is too long");
    memcpy(ret_path, path.data, path.len);
    ret_path[path.len] = '\0';
    return true;
}

/* A key with a passphrase: nobody is there to be asked. */
static int no_passphrase(char *buffer, int size, int is_writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static bool use_certificate(SSL_CTX *ctx, struct slice certificate, struct slice key,
                            struct complaint to)
{
    char path[PATH_SIZE];
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (!make_path(to, "certificate", certificate, path))
        return false;
    if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
        return complain_as_told(to, "certificate", certificate);
    if (!make_path(to, "key", key, path))
        return false;
    /* The first compares them only when both are of one kind: an RSA certificate with an EC key
     * passes. */
    if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return complain_as_told(to, "key", key);
    return true;
}

static bool use_authority(SSL_CTX *ctx, const char *what, struct slice authority,
                          struct complaint to)
{
    char path[PATH_SIZE];
    ERR_clear_error();
    if (!make_path(to, what, authority, path))
        return false;
    if (SSL_CTX_load_verify_file(ctx, path) != 1)
        return complain_as_told(to, what, authority);
    return true;
}

/* ---- rules ---- */

static SSL_CTX *new_ctx(const SSL_METHOD *method, struct complaint to)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ctx);
        complain(to, STATUS_NO_MEMORY, "tls", slice_of("", 0), "out of memory");
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* An idle connection keeps no record buffers: 34 KiB less. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Servers resume by tickets; clients keep their connections instead. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

/* HTTP/1.1 is all we speak: a client that wants something else only is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                           const unsigned char *offered, unsigned int offered_len, void *arg)
{
    static const char ours[] = "http/1.1";
    (void)ssl;
    (void)arg;
    for (unsigned int at = 0; at < offered_len; at += 1u + offered[at]) {
        if (offered[at] != sizeof ours - 1 || memcmp(offered + at + 1, ours, sizeof ours - 1) != 0)
            continue;
        *ret_name = offered + at + 1;
        *ret_len = offered[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool ask_for_certificate(SSL_CTX *ctx, const struct tls_server_opts *opts,
                                struct complaint to)
{
    char path[PATH_SIZE];
    if (!use_authority(ctx, "client_ca", opts->client_ca, to) ||
        !make_path(to, "client_ca", opts->client_ca, path))
        return false;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names)
        return complain_as_told(to, "client_ca", opts->client_ca);
    SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
    SSL_CTX_set_verify(
        ctx, SSL_VERIFY_PEER | (opts->client_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT), NULL);
    return true;
}

static SSL_CTX *read_one(const struct tls_server_opts *opts, size_t at, struct complaint to)
{
    static const unsigned char tickets_of[] = "postern";
    const struct tls_certificate *certificate = &opts->certificates[at];
    SSL_CTX *ctx = new_ctx(TLS_server_method(), to);
    if (!ctx)
        return NULL;
    if (opts->at_least_1_3)
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    /* Without one, OpenSSL refuses tickets of clients that had to show a certificate. */
    SSL_CTX_set_session_id_context(ctx, tickets_of, sizeof tickets_of - 1);
    if (use_certificate(ctx, certificate->certificate, certificate->key, to) &&
        (opts->client_ca.len == 0 || ask_for_certificate(ctx, opts, to)))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

/* ---- several certificates ---- */

static void free_choice(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                        void *argp)
{
    struct choice *choice = data;
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    if (!choice)
        return;
    for (size_t i = 0; i < choice->count; i++)
        SSL_CTX_free(choice->contexts[i]);
    free(choice);
}

static int choice_number;

static void number_choices(void)
{
    choice_number = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_choice);
}

/* Where a choice hangs; -1: no memory. */
static int choice_index(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, number_choices);
    return choice_number;
}

static bool holds_name(const SSL_CTX *ctx, const char *name, unsigned flags)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx);
    return X509_check_host(certificate, name, 0, flags, NULL) == 1;
}

/* The certificate that has the name itself, before one that has it as *.rest. */
static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct choice *choice = arg;
    const unsigned wild[] = {X509_CHECK_FLAG_NO_WILDCARDS, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS};
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (size_t pass = 0; name && pass < 2; pass++) {
        if (holds_name(SSL_get_SSL_CTX(ssl), name, wild[pass]))
            return SSL_TLSEXT_ERR_OK;
        for (size_t i = 0; i < choice->count; i++) {
            if (!holds_name(choice->contexts[i], name, wild[pass]))
                continue;
            return SSL_set_SSL_CTX(ssl, choice->contexts[i]) ? SSL_TLSEXT_ERR_OK
                                                             : SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

/* Reads the certificates behind the first one and hangs them on it. */
static bool read_others(SSL_CTX *first, const struct tls_server_opts *opts, struct complaint to)
{
    struct choice *choice = calloc(1, sizeof *choice);
    if (!choice || choice_index() < 0 || SSL_CTX_set_ex_data(first, choice_index(), choice) != 1) {
        free(choice);
        return complain(to, STATUS_NO_MEMORY, "tls", slice_of("", 0), "out of memory");
    }
    for (size_t i = 1; i < opts->certificate_count; i++) {
        choice->contexts[choice->count] = read_one(opts, i, to);
        if (!choice->contexts[choice->count])
            return false;
        choice->count++;
    }
    SSL_CTX_set_tlsext_servername_callback(first, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(first, choice);
    return true;
}

SSL_CTX *tls_read_server(const struct tls_server_opts *opts, enum status *ret_status,
                         char ret_error[static TLS_ERROR_SIZE])
{
    struct complaint to = {.status = ret_status, .error = ret_error};
    if (opts->certificate_count == 0 || opts->certificate_count > TLS_MAX_CERTIFICATES) {
        complain(to, STATUS_INVALID, "tls", slice_of("", 0), "no certificate, or too many");
        return NULL;
    }
    SSL_CTX *first = read_one(opts, 0, to);
    if (first && opts->certificate_count > 1 && !read_others(first, opts, to)) {
        SSL_CTX_free(first);
        return NULL;
    }
    return first;
}

/* ---- clients ---- */

static bool trust(SSL_CTX *ctx, const struct tls_client_opts *opts, struct complaint to)
{
    if (opts->insecure)
        return true;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (opts->ca.len > 0)
        return use_authority(ctx, "ca", opts->ca, to);
    if (SSL_CTX_set_default_verify_paths(ctx) != 1)
        return complain_as_told(to, "the system's certificates", slice_of("", 0));
    return true;
}

SSL_CTX *tls_read_client(const struct tls_client_opts *opts, enum status *ret_status,
                         char ret_error[static TLS_ERROR_SIZE])
{
    struct complaint to = {.status = ret_status, .error = ret_error};
    SSL_CTX *ctx = new_ctx(TLS_client_method(), to);
    if (ctx && trust(ctx, opts, to) &&
        (opts->certificate.len == 0 || use_certificate(ctx, opts->certificate, opts->key, to)))
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}
