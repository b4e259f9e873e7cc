/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256 by OpenSSL's EVP_MAC: fetched and keyed once, reset for each signature, which is
 * several times cheaper than keying it anew (ECOSYSTEM 3.3).
 */
#include <postern/policy/sign.h>

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>

#define MAC_BYTES 32
#define MAC_BASE64_LEN 44
#define SCHEME "v1,"
#define SECRET_PREFIX "whsec_"
#define SECRET_MIN_BYTES 24u /* the specification's bounds of a key */
#define SECRET_MAX_BYTES 64u
#define PLAIN_MIN_BYTES 16u

_Static_assert(SIGN_TEXT_LEN == sizeof(SCHEME) - 1 + MAC_BASE64_LEN, "the scheme and the Base64");

struct signer {
    EVP_MAC *algorithm;
    EVP_MAC_CTX *context; /* has the key; wipes it when it is freed */
};

/* ---- the signer ---- */

static enum status set_key(struct signer *signer, struct slice secret)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    const unsigned char *key = (const unsigned char *)secret.data;
    return EVP_MAC_init(signer->context, key, secret.len, params) == 1 ? STATUS_OK
                                                                       : STATUS_UNAVAILABLE;
}

static enum status fill(struct signer *signer, struct slice secret)
{
    signer->algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!signer->algorithm)
        return STATUS_UNAVAILABLE;
    signer->context = EVP_MAC_CTX_new(signer->algorithm);
    return signer->context ? set_key(signer, secret) : STATUS_NO_MEMORY;
}

enum status signer_new(struct slice secret, struct signer **ret_signer)
{
    if (secret.len == 0)
        return STATUS_INVALID;
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer)
        return STATUS_NO_MEMORY;
    enum status status = fill(signer, secret);
    if (status == STATUS_OK)
        *ret_signer = signer;
    else
        signer_free(signer);
    return status;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    EVP_MAC_CTX_free(signer->context);
    EVP_MAC_free(signer->algorithm);
    free(signer);
}

static bool add(struct signer *signer, struct slice bytes)
{
    return EVP_MAC_update(signer->context, (const unsigned char *)bytes.data, bytes.len) == 1;
}

static bool add_message(struct signer *signer, struct slice id, uint64_t timestamp_s,
                        struct slice body)
{
    char middle[32]; /* the longest number has 20 digits */
    int len = snprintf(middle, sizeof middle, ".%" PRIu64 ".", timestamp_s);
    return add(signer, id) && add(signer, slice_of(middle, (size_t)len)) && add(signer, body);
}

enum status signer_sign(struct signer *signer, struct slice id, uint64_t timestamp_s,
                        struct slice body, char ret_text[static SIGN_TEXT_LEN])
{
    unsigned char mac[MAC_BYTES];
    unsigned char text[MAC_BASE64_LEN + 1]; /* EVP_EncodeBlock ends it with a NUL */
    size_t len = 0;
    /* Without a key: begin again with the one it has. */
    if (EVP_MAC_init(signer->context, NULL, 0, NULL) != 1 ||
        !add_message(signer, id, timestamp_s, body) ||
        EVP_MAC_final(signer->context, mac, &len, sizeof mac) != 1)
        return STATUS_UNAVAILABLE;
    EVP_EncodeBlock(text, mac, MAC_BYTES);
    memcpy(ret_text, SCHEME, sizeof(SCHEME) - 1);
    memcpy(ret_text + sizeof(SCHEME) - 1, text, MAC_BASE64_LEN);
    return STATUS_OK;
}

/* ---- the secret ---- */

/* The six bits of a Base64 character (RFC 4648 4), or -1. */
static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static struct slice without_padding(struct slice text)
{
    for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

/* Decodes strictly: OpenSSL's decoder also takes white space, and counts padding as bytes. */
static enum status decode(struct slice text, uint8_t ret_bytes[static SECRET_MAX_BYTES],
                          size_t *ret_len)
{
    size_t len = 0;
    unsigned bits = 0, held = 0;
    if (text.len % 4 != 0)
        return STATUS_INVALID;
    text = without_padding(text);
    for (size_t i = 0; i < text.len; i++) {
        int six = sextet(text.data[i]);
        if (six < 0 || len == SECRET_MAX_BYTES)
            return STATUS_INVALID;
        bits = (bits << 6 | (unsigned)six) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0)
        return STATUS_INVALID; /* no encoder leaves something there: a slip */
    *ret_len = len;
    return STATUS_OK;
}

static enum status decode_secret(struct slice text, struct arena *arena, struct slice *ret_key)
{
    uint8_t bytes[SECRET_MAX_BYTES];
    size_t len = 0;
    enum status status = decode(text, bytes, &len);
    if (status == STATUS_OK && len < SECRET_MIN_BYTES)
        status = STATUS_INVALID;
    if (status == STATUS_OK && !arena_copy(arena, slice_of(bytes, len), ret_key))
        status = STATUS_NO_MEMORY;
    OPENSSL_cleanse(bytes, sizeof bytes);
    return status;
}

enum status sign_secret(struct slice text, struct arena *arena, struct slice *ret_key)
{
    struct slice prefix = SLICE(SECRET_PREFIX);
    if (slice_starts(text, prefix))
        return decode_secret(slice_skip(text, prefix.len), arena, ret_key);
    if (text.len < PLAIN_MIN_BYTES)
        return STATUS_INVALID;
    return arena_copy(arena, text, ret_key) ? STATUS_OK : STATUS_NO_MEMORY;
}
