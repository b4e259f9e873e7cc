/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates made by a test for itself, on P-256 keys, in files that live in memory and go with
 * the process: an authority, and what it signs.
 */
#ifndef POSTERN_TESTS_CERTIFICATES_H
#define POSTERN_TESTS_CERTIFICATES_H

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <postern/io/tls.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define DAY_S (24L * 60 * 60)

/* A certificate with its key, and where both can be read. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
    int certificate_fd, key_fd;
    char certificate_path[64], key_path[64];
};

/* What one is to be. */
struct identity_wish {
    const char *common_name;
    const char *names;             /* "DNS:a.test,IP:127.0.0.1"; NULL: none */
    const char *purpose;           /* extended key usage; NULL: any */
    const struct identity *issuer; /* NULL: itself */
    bool is_authority, is_expired;
};

static inline int memory_file(char ret_path[static 64])
{
    int fd = memfd_create("pem", MFD_CLOEXEC);
    cr_assert_geq(fd, 0);
    (void)snprintf(ret_path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* Puts another text into a file made by memory_file. */
static inline void rewrite(int fd, const void *text, size_t len)
{
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_assert_eq(pwrite(fd, text, len, 0), (ssize_t)len);
}

static inline void write_pem(int fd, BIO *bio)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    rewrite(fd, text, (size_t)len);
    BIO_free(bio);
}

static inline void identity_write(const struct identity *identity)
{
    BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    cr_assert_eq(PEM_write_bio_X509(certificate, identity->certificate), 1);
    cr_assert_eq(PEM_write_bio_PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL), 1);
    write_pem(identity->certificate_fd, certificate);
    write_pem(identity->key_fd, key);
}

static inline void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    cr_assert_not_null(extension, "%s", value);
    cr_assert_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Makes the certificate and the key, without files. */
static inline void identity_make(struct identity *identity, const struct identity_wish *wish)
{
    static long serial;
    identity->key = EVP_EC_gen("P-256");
    X509 *certificate = identity->certificate = X509_new();
    const struct identity *issuer = wish->issuer ? wish->issuer : identity;
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), getpid() * 1000L + ++serial);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish->common_name,
                               -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish->is_expired ? -DAY_S : DAY_S);
    X509_set_pubkey(certificate, identity->key);
    add_extension(certificate, issuer->certificate, NID_basic_constraints,
                  wish->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->purpose)
        add_extension(certificate, issuer->certificate, NID_ext_key_usage, wish->purpose);
    if (wish->names)
        add_extension(certificate, issuer->certificate, NID_subject_alt_name, wish->names);
    cr_assert_gt(X509_sign(certificate, issuer->key, EVP_sha256()), 0);
}

static inline void identity_new(struct identity *identity, const struct identity_wish *wish)
{
    identity_make(identity, wish);
    identity->certificate_fd = memory_file(identity->certificate_path);
    identity->key_fd = memory_file(identity->key_path);
    identity_write(identity);
}

static inline void identity_free(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    close(identity->certificate_fd);
    close(identity->key_fd);
}

static inline struct tls_certificate identity_files(const struct identity *identity)
{
    return (struct tls_certificate){.certificate = slice_str(identity->certificate_path),
                                    .key = slice_str(identity->key_path)};
}

/* ---- contexts ---- */

static inline struct tls_context *server_context_of(const struct tls_server_opts *wanted)
{
    char error[TLS_ERROR_SIZE] = "";
    struct tls_context *context = NULL;
    cr_assert_eq(tls_server_new(wanted, &context, error), STATUS_OK, "%s", error);
    return context;
}

static inline struct tls_context *client_context_of(const struct tls_client_opts *wanted)
{
    char error[TLS_ERROR_SIZE] = "";
    struct tls_context *context = NULL;
    cr_assert_eq(tls_client_new(wanted, &context, error), STATUS_OK, "%s", error);
    return context;
}

#endif
