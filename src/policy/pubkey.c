/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By OpenSSL's EVP. A context per check: keys are shared between threads, contexts can't be.
 * OpenSSL leaves its reasons in a queue of the thread, which TLS on the same thread would take for
 * its own, so it is emptied before and after whatever may fail.
 */
#include "pubkey.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define P256_NAME "prime256v1"

struct pubkey {
    EVP_PKEY *key;
    bool is_ed25519;
};

/* ---- keys ---- */

/* Takes `*evp` over; without one the bytes were none. */
static enum status take_key(EVP_PKEY *evp, bool is_ed25519, struct pubkey **ret_key)
{
    ERR_clear_error();
    if (!evp)
        return STATUS_INVALID;
    struct pubkey *key = calloc(1, sizeof *key);
    if (!key) {
        EVP_PKEY_free(evp);
        return STATUS_NO_MEMORY;
    }
    key->key = evp;
    key->is_ed25519 = is_ed25519;
    *ret_key = key;
    return STATUS_OK;
}

enum status pubkey_open_ed25519(struct slice bytes, struct pubkey **ret_key)
{
    if (bytes.len != PUBKEY_ED25519_BYTES)
        return STATUS_INVALID;
    return take_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                (const unsigned char *)bytes.data, bytes.len),
                    true, ret_key);
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[sizeof P256_NAME];
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, P256_NAME) == 0;
}

/* The hybrid form (X9.62 4.3.6) spells a point in a third way, which nobody uses. */
static bool is_hybrid(const EVP_PKEY *key)
{
    char form[16];
    return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form,
                                          sizeof form, NULL) == 1 &&
           strcmp(form, OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_HYBRID) == 0;
}

/* True when the key's own encoding is `der`: nothing behind it, and no other spelling of it. */
static bool is_encoding_of(struct slice der, const EVP_PKEY *key)
{
    unsigned char *own = NULL;
    int len = i2d_PUBKEY(key, &own);
    bool is_same = len > 0 && slice_eq(slice_of(own, (size_t)len), der);
    OPENSSL_free(own);
    return is_same;
}

enum status pubkey_open_p256(struct slice der, struct pubkey **ret_key)
{
    if (der.len > PUBKEY_P256_MAX_BYTES)
        return STATUS_INVALID;
    const unsigned char *at = (const unsigned char *)der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);
    if (key && (!is_p256(key) || is_hybrid(key) || !is_encoding_of(der, key))) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return take_key(key, false, ret_key);
}

void pubkey_close(struct pubkey *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->key);
    free(key);
}

/* ---- checks ---- */

static size_t length_of(const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    return len;
}

/* The parts in one piece, to be freed; NULL: no memory. As long as its parts, which are held
 * already: that is its ceiling. */
static unsigned char *join(const struct slice *parts, size_t count, size_t len)
{
    unsigned char *message = malloc(len > 0 ? len : 1);
    unsigned char *end = message;
    for (size_t i = 0; message && i < count; i++) {
        if (parts[i].len > 0)
            memcpy(end, parts[i].data, parts[i].len);
        end += parts[i].len;
    }
    return message;
}

/* OpenSSL returns the same for a signature that is wrong, that can't be one, and for a memory that
 * is full; only its queue tells the last from the others, which are the sender's fault. */
static enum pubkey_result result_of(int verified)
{
    if (verified == 1)
        return PUBKEY_FITS;
    for (unsigned long error = ERR_get_error(); error != 0; error = ERR_get_error())
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            return PUBKEY_FAILED;
    return PUBKEY_DIFFERS;
}

/* Ed25519 reads the message twice, and so wants it whole. */
static enum pubkey_result check_ed25519(EVP_MD_CTX *context, const struct pubkey *key,
                                        const struct slice *parts, size_t count,
                                        struct slice signature)
{
    size_t len = length_of(parts, count);
    unsigned char *message = join(parts, count, len);
    if (!message || EVP_DigestVerifyInit_ex(context, NULL, NULL, NULL, NULL, key->key, NULL) != 1) {
        free(message);
        return PUBKEY_FAILED;
    }
    int verified = EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                                    message, len);
    free(message);
    return result_of(verified);
}

static enum pubkey_result check_p256(EVP_MD_CTX *context, const struct pubkey *key,
                                     const struct slice *parts, size_t count,
                                     struct slice signature)
{
    if (EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, key->key, NULL) != 1)
        return PUBKEY_FAILED;
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0 && EVP_DigestVerifyUpdate(context, parts[i].data, parts[i].len) != 1)
            return PUBKEY_FAILED;
    return result_of(
        EVP_DigestVerifyFinal(context, (const unsigned char *)signature.data, signature.len));
}

enum pubkey_result pubkey_check(const struct pubkey *key, const struct slice *parts, size_t count,
                                struct slice signature)
{
    ERR_clear_error();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context)
        return PUBKEY_FAILED;
    enum pubkey_result result = key->is_ed25519
                                    ? check_ed25519(context, key, parts, count, signature)
                                    : check_p256(context, key, parts, count, signature);
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return result;
}
