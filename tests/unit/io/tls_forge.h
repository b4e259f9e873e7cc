/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records no library would send, sealed with the true keys of a connection (AES-128-GCM): what a
 * hostile peer says once it has shaken hands. The keys of TLS 1.3 come out of the key log of one of
 * the test's own ends, those of 1.2 out of its session.
 */
#ifndef POSTERN_TESTS_IO_TLS_FORGE_H
#define POSTERN_TESTS_IO_TLS_FORGE_H

#include "stream_impl.h"
#include "tls_pair.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

#define FORGE_SUITE "TLS_AES_128_GCM_SHA256"
#define FORGE_SUITE_1_2 "ECDHE-ECDSA-AES128-GCM-SHA256"
#define FORGE_SECRET_BYTES 32u
#define FORGE_KEY_BYTES 16u
#define FORGE_IV_BYTES 12u
#define FORGE_TAG_BYTES 16u

enum forge_type { FORGE_ALERT = 21, FORGE_HANDSHAKE = 22, FORGE_DATA = 23 };

/* One direction of a connection, and the records made for it. */
struct forge {
    const char *label; /* of its secret in the key log; set before the handshake */
    unsigned char secret[FORGE_SECRET_BYTES], key[FORGE_KEY_BYTES], iv[FORGE_IV_BYTES];
    uint64_t sequence; /* of the next record */
    size_t len;
    unsigned char bytes[1u << 18];
};

static struct forge forge;

static inline SSL *forge_session(void)
{
    cr_assert_not_null(client.stream.gate);
    return ((struct gate *)client.stream.gate)->tls;
}

/* Runs a key derivation of OpenSSL's. */
static inline void forge_derive(const char *name, const OSSL_PARAM *params,
                                unsigned char *ret_bytes, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    cr_assert_eq(EVP_KDF_derive(context, ret_bytes, len, params), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

/* Seals `plain` to `ret_sealed`, with the tag behind it. */
static inline void forge_seal(const unsigned char *nonce, const unsigned char *header,
                              size_t header_len, const unsigned char *plain, size_t len,
                              unsigned char *ret_sealed)
{
    int done;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, forge.key, nonce);
    EVP_EncryptUpdate(cipher, NULL, &done, header, (int)header_len);
    EVP_EncryptUpdate(cipher, ret_sealed, &done, plain, (int)len);
    EVP_EncryptFinal_ex(cipher, ret_sealed + done, &done);
    cr_assert_eq(
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, FORGE_TAG_BYTES, ret_sealed + len), 1);
    EVP_CIPHER_CTX_free(cipher);
}

/* HKDF-Expand-Label of RFC 8446 7.1, without a context. */
static inline void forge_expand(const char *label, unsigned char *ret_bytes, size_t len)
{
    unsigned char info[64] = {0, (unsigned char)len};
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    int label_len = snprintf((char *)info + 3, sizeof info - 4, "tls13 %s", label);
    info[2] = (unsigned char)label_len;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, forge.secret, sizeof forge.secret),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)label_len + 4),
        OSSL_PARAM_construct_end(),
    };
    forge_derive("HKDF", params, ret_bytes, len);
}

static inline void forge_take_secret(void)
{
    forge_expand("key", forge.key, sizeof forge.key);
    forge_expand("iv", forge.iv, sizeof forge.iv);
    forge.sequence = 0;
}

static inline void forge_on_key_log(const SSL *ssl, const char *line)
{
    size_t label_len = strlen(forge.label);
    (void)ssl;
    if (strncmp(line, forge.label, label_len) != 0 || line[label_len] != ' ')
        return;
    const char *hex = strrchr(line, ' ') + 1;
    for (size_t i = 0; i < sizeof forge.secret; i++) {
        unsigned byte;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        forge.secret[i] = (unsigned char)byte;
    }
    forge_take_secret();
}

/* Listens in on the client of a pair that has begun, whose direction `label` names. */
static inline void forge_listen_in(const char *label)
{
    SSL *ssl = forge_session();
    forge.label = label;
    cr_assert_eq(SSL_set_ciphersuites(ssl, FORGE_SUITE), 1);
    SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), forge_on_key_log);
}

/* Seals `len` bytes of `type` behind those made already. */
static inline void forge_record(enum forge_type type, const void *content, size_t len)
{
    unsigned char plain[512], nonce[FORGE_IV_BYTES], *record = forge.bytes + forge.len;
    size_t body = len + 1 + FORGE_TAG_BYTES;
    const unsigned char header[] = {23, 3, 3, (unsigned char)(body >> 8), (unsigned char)body};
    cr_assert_lt(len, sizeof plain);
    cr_assert_leq(forge.len + sizeof header + body, sizeof forge.bytes);
    memcpy(plain, content, len);
    plain[len] = (unsigned char)type;
    memcpy(nonce, forge.iv, sizeof nonce);
    for (size_t i = 0; i < 8; i++)
        nonce[sizeof nonce - 1 - i] ^= (unsigned char)(forge.sequence >> 8 * i);
    forge.sequence++;
    memcpy(record, header, sizeof header);
    forge_seal(nonce, header, sizeof header, plain, len + 1, record + sizeof header);
    forge.len += sizeof header + body;
}

/* A KeyUpdate, after which the keys are others. */
static inline void forge_key_update(bool wants_answer)
{
    unsigned char next[FORGE_SECRET_BYTES];
    const unsigned char update[] = {24, 0, 0, 1, wants_answer};
    forge_record(FORGE_HANDSHAKE, update, sizeof update);
    forge_expand("traffic upd", next, sizeof next);
    memcpy(forge.secret, next, sizeof next);
    forge_take_secret();
}

/* ---- TLS 1.2 ---- */

/* Has the client of a pair that has begun speak it. */
static inline void forge_ask_for_1_2(void)
{
    cr_assert_eq(SSL_set_max_proto_version(forge_session(), TLS1_2_VERSION), 1);
    cr_assert_eq(SSL_set_cipher_list(forge_session(), FORGE_SUITE_1_2), 1);
}

/* Takes the client's keys, after the handshake; its Finished was the first record under them. */
static inline void forge_take_keys_of_1_2(void)
{
    unsigned char master[48], block[2 * FORGE_KEY_BYTES + 8], seed[64];
    char digest[] = "SHA256", label[] = "key expansion";
    cr_assert_eq(SSL_SESSION_get_master_key(SSL_get_session(forge_session()), master, 48), 48);
    cr_assert_eq(SSL_get_server_random(forge_session(), seed, 32), 32);
    cr_assert_eq(SSL_get_client_random(forge_session(), seed + 32, 32), 32);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof master),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label, sizeof label - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
        OSSL_PARAM_construct_end(),
    };
    forge_derive("TLS1-PRF", params, block, sizeof block);
    memcpy(forge.key, block, FORGE_KEY_BYTES);
    memcpy(forge.iv, block + 2 * FORGE_KEY_BYTES, 4);
    forge.sequence = 1;
}

static inline void forge_record_of_1_2(enum forge_type type, const void *content, size_t len)
{
    size_t body = 8 + len + FORGE_TAG_BYTES;
    unsigned char nonce[FORGE_IV_BYTES], *record = forge.bytes + forge.len;
    const unsigned char header[] = {(unsigned char)type, 3, 3, 0, (unsigned char)body};
    unsigned char known[13] = {[8] = (unsigned char)type, 3, 3, 0, (unsigned char)len};
    cr_assert_lt(body, 256);
    cr_assert_leq(forge.len + sizeof header + body, sizeof forge.bytes);
    for (size_t i = 0; i < 8; i++)
        known[7 - i] = (unsigned char)(forge.sequence >> 8 * i);
    forge.sequence++;
    memcpy(nonce, forge.iv, 4);
    memcpy(nonce + 4, known, 8);
    memcpy(record, header, sizeof header);
    memcpy(record + sizeof header, known, 8);
    forge_seal(nonce, known, sizeof known, content, len, record + sizeof header + 8);
    forge.len += sizeof header + body;
}

/* Gives what was made to the socket, behind the back of the stream. */
static inline void forge_send(int fd)
{
    cr_assert_eq(write(fd, forge.bytes, forge.len), (ssize_t)forge.len);
    forge.len = 0;
}

#endif
