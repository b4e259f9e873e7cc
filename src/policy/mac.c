/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC by OpenSSL's EVP_MAC. */
#include "mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

struct mac {
    EVP_MAC *algorithm;
    EVP_MAC_CTX *context; /* has the key; wipes it when it is freed */
};

static const struct {
    const char *name;
    size_t bytes;
} DIGESTS[MAC_DIGESTS] = {
    [MAC_SHA256] = {"SHA256", 32},
    [MAC_SHA1] = {"SHA1", 20},
    [MAC_SHA512] = {"SHA512", MAC_MAX_BYTES},
};

size_t mac_bytes(enum mac_digest digest)
{
    return DIGESTS[digest].bytes;
}

static enum status set_key(struct mac *mac, enum mac_digest digest, struct slice key)
{
    char name[8]; /* the parameter isn't const, though it is only read */
    strcpy(name, DIGESTS[digest].name);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    const unsigned char *bytes = (const unsigned char *)key.data;
    return EVP_MAC_init(mac->context, bytes, key.len, params) == 1 ? STATUS_OK : STATUS_UNAVAILABLE;
}

static enum status fill(struct mac *mac, enum mac_digest digest, struct slice key)
{
    mac->algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!mac->algorithm)
        return STATUS_UNAVAILABLE;
    mac->context = EVP_MAC_CTX_new(mac->algorithm);
    return mac->context ? set_key(mac, digest, key) : STATUS_NO_MEMORY;
}

enum status mac_open(enum mac_digest digest, struct slice key, struct mac **ret_mac)
{
    if (key.len == 0)
        return STATUS_INVALID;
    struct mac *mac = calloc(1, sizeof *mac);
    if (!mac)
        return STATUS_NO_MEMORY;
    enum status status = fill(mac, digest, key);
    if (status == STATUS_OK)
        *ret_mac = mac;
    else
        mac_close(mac);
    return status;
}

enum status mac_copy(const struct mac *mac, struct mac **ret_copy)
{
    struct mac *copy = calloc(1, sizeof *copy);
    if (!copy)
        return STATUS_NO_MEMORY;
    copy->context = EVP_MAC_CTX_dup(mac->context); /* holds the algorithm by itself */
    if (!copy->context) {
        mac_close(copy);
        return STATUS_NO_MEMORY;
    }
    *ret_copy = copy;
    return STATUS_OK;
}

void mac_close(struct mac *mac)
{
    if (!mac)
        return;
    EVP_MAC_CTX_free(mac->context);
    EVP_MAC_free(mac->algorithm);
    free(mac);
}

static bool add(struct mac *mac, struct slice bytes)
{
    return bytes.len == 0 ||
           EVP_MAC_update(mac->context, (const unsigned char *)bytes.data, bytes.len) == 1;
}

enum status mac_of(struct mac *mac, const struct slice *parts, size_t count,
                   uint8_t ret_mac[static MAC_MAX_BYTES])
{
    uint8_t bytes[MAC_MAX_BYTES]; /* the caller's stay untouched on failure */
    size_t len = 0;
    /* Without a key: begin again with the one it has. */
    if (EVP_MAC_init(mac->context, NULL, 0, NULL) != 1)
        return STATUS_UNAVAILABLE;
    for (size_t i = 0; i < count; i++)
        if (!add(mac, parts[i]))
            return STATUS_UNAVAILABLE;
    if (EVP_MAC_final(mac->context, bytes, &len, sizeof bytes) != 1)
        return STATUS_UNAVAILABLE;
    memcpy(ret_mac, bytes, len);
    return STATUS_OK;
}

bool mac_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
